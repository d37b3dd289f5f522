/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether the store is fit for use: the first step of a start. A store that has to be probed is
 * probed once in 30 days for each place and kind of server; the verdict lies in the store itself,
 * so that every broker on it knows.
 */
#ifndef KS_BROKER_VERDICT_H
#define KS_BROKER_VERDICT_H

#include "base/base.h"
#include "store/store.h"

/* Lives in the broker. `env`, `store`, `ns` and `is_single_writer` are its caller's to fill in. */
struct ks_verdict {
    struct ks_env *env;
    struct ks_store *store;
    const char *ns;
    bool is_single_writer; /* an unfit store will do: nobody else writes */
    void (*done)(void *arg, enum kafscale_status status, const struct kafscale_error *error);
    void *arg;
    struct kafscale_list list;
    struct kafscale_put put;
    char prefix[KAFSCALE_STORE_KEY_BYTES_MAX + 1];
    char start_after[KAFSCALE_STORE_KEY_BYTES_MAX + 1];
    char key[KAFSCALE_STORE_KEY_BYTES_MAX + 1];
};

/*
 * Finds out. `done` comes once, perhaps before this returns: OK, UNSUPPORTED with what the store
 * does wrong, or a status after which it may be asked again. Ends with the store.
 */
void ks_verdict_ask(struct ks_verdict *verdict,
                    void (*done)(void *arg, enum kafscale_status status,
                                 const struct kafscale_error *error),
                    void *arg);

#endif
