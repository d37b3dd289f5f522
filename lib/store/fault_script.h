/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the fault wrapper deals out: first what the script says, then what the rates and the seed
 * give. Private to store.
 */
#ifndef KS_STORE_FAULT_SCRIPT_H
#define KS_STORE_FAULT_SCRIPT_H

#include "store/fault_store.h"

struct ks_fault_script {
    struct ks_list lines;
    size_t line_count;
    struct ks_fault_rates rates;
    uint64_t random_state;
};

void ks_fault_script_init(struct ks_fault_script *script);

/* The fate of a request; a script line that is used up goes. */
struct ks_fate ks_fault_script_draw(struct ks_fault_script *script, enum ks_store_operation kind,
                                    const char *key);

uint64_t ks_fault_script_random(struct ks_fault_script *script);

/* 0 to `ms_max`. */
int64_t ks_fault_script_random_ms(struct ks_fault_script *script, int64_t ms_max);

#endif
