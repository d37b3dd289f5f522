/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The probe of an object store: whether its put-if-absent is atomic and its reads see finished
 * writes. Stores that claim both and do neither exist, and on them two brokers would own one
 * log.
 */
#ifndef KS_STORE_PROBE_H
#define KS_STORE_PROBE_H

#include "base/base.h"
#include "kafscale/store.h"

struct ks_store;

/* So many put-if-absent of one key are sent at once. */
#define KS_STORE_PROBE_RACERS 32

/*
 * OK: the store is fit. UNSUPPORTED: it is not, and `error` says which of its promises it
 * broke. Any other status: the store did not answer well enough to be judged; ask again.
 */
typedef void ks_store_probe_done(void *arg, enum kafscale_status status,
                                 const struct kafscale_error *error);

/*
 * Probes the store below `prefix` (empty, or ending in '/'), under a key of its own that is
 * removed at the end. The prefix is copied. The completion comes exactly once, on the loop
 * thread, never before this has returned; a store that is closed meanwhile ends it with
 * KAFSCALE_STOPPED.
 * KAFSCALE_NO_MEMORY: nothing was begun and no completion comes. The caller remembers
 * verdicts; this does not.
 */
KAFSCALE_MUST_CHECK enum kafscale_status ks_store_probe(struct ks_store *store, struct ks_env *env,
                                                        const char *prefix,
                                                        ks_store_probe_done *done, void *arg);

#endif
