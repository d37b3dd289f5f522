/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Things that a request may name once only. Where one is named twice Kafka refuses both, so the
 * whole request is gone through before the first is begun.
 */
#ifndef KS_HANDLERS_NAMED_ONCE_H
#define KS_HANDLERS_NAMED_ONCE_H

#include "base/base.h"

/* Part of what stands for the thing. */
struct ks_named_once {
    struct ks_table_node by_name;
    bool is_repeated;
};

/* Marks both if the table has one of this name, else adds this one. False: no memory. */
bool ks_named_once_note(struct ks_table *names, struct ks_named_once *thing,
                        struct kafscale_slice name);

#endif
