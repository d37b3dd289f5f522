/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether a store takes or gives what it is asked for, as its operator should hear of it: one line
 * when it begins to refuse, one when it is over, however many requests are tried meanwhile. Private
 * to store.
 */
#ifndef KS_STORE_TROUBLE_H
#define KS_STORE_TROUBLE_H

#include "base/base.h"

/*
 * A store that refuses now and then is told of so often at most; what lasts longer is told of in
 * any case.
 */
#define KS_STORE_TROUBLE_INTERVAL_MS 10000

/* Of one kind of request. Zeroed but for the names: no trouble. */
struct ks_store_trouble {
    const char *message; /* of the event that it begins with */
    const char *store;
    bool is_going_on;
    bool is_told;
    bool was_told; /* ever */
    int64_t since_ms;
    int64_t told_at_ms;
    uint64_t failures;
};

/* A request failed for a reason that may pass. */
void ks_store_trouble_note(struct ks_store_trouble *trouble, struct ks_env *env,
                           const struct kafscale_error *error);

/* A request of this kind succeeded. */
void ks_store_trouble_end(struct ks_store_trouble *trouble, struct ks_env *env);

#endif
