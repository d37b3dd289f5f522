/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A log that ended may be bundled by any broker that has read it. Who finds one of its slots gone
 * learns here where the bundles are.
 */
#ifndef KS_LOG_READ_REREAD_H
#define KS_LOG_READ_REREAD_H

#include "log/open/dead_log.h"

/* Whoever waits for it, in his memory until `done`. */
struct ks_reread_wait {
    struct ks_list link;
    /* The log is not freed while it runs, but may be going. */
    void (*done)(struct ks_reread_wait *wait, enum kafscale_status status);
};

/*
 * Reads mark and bundles of a log again, once for all who wait, and takes what is new into its
 * trail. `done` comes, never before this has returned, unless it answers NO_MEMORY.
 */
KAFSCALE_MUST_CHECK enum kafscale_status ks_reread_start(struct ks_log *log, uint32_t source,
                                                         struct ks_reread_wait *wait);

/* For a log that is going: waits for nothing but requests under way. */
void ks_rereads_silence(struct ks_log *log);

/* For ks_log_abandon: forgets them; whoever waits is freed by others. */
void ks_rereads_drop(struct ks_log *log);

#endif
