/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The network between one simulated process and the object store. The process has an environment
 * of its own, near, which may stand still; requests travel to the store, far, in the world's
 * environment and act there whatever becomes of the process. A link that is cut answers what is
 * under way with UNKNOWN and everything later with UNAVAILABLE: so does a process feel an outage,
 * and so does the store feel the death of a process.
 */
#ifndef KS_TESTS_SIM_STORE_LINK_H
#define KS_TESTS_SIM_STORE_LINK_H

#include "store/store.h"
#include "support/virtual_env.h"

struct store_link;

/*
 * `far` lives in `world` and outlives the link and all that still travels on it. `link_out` steers
 * the link until the store is closed.
 */
struct kafscale_store store_link_new(struct ks_env *near, struct virtual_env *world,
                                     struct ks_store *far, struct store_link **link_out);

/* The same to a store that overwrites whatever is there, and says that it must be probed. */
struct kafscale_store store_link_new_lax(struct ks_env *near, struct virtual_env *world,
                                         struct ks_store *far, struct store_link **link_out);

/* Of the requests that have not reached the store yet, half never will. May be mended. */
void store_link_cut(struct store_link *link);
void store_link_mend(struct store_link *link);

/* Requests taken so far. */
uint64_t store_link_request_count(const struct store_link *link);

#endif
