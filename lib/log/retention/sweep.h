/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Deleting objects that nobody reads any more: segments below a log start, and all that is left of
 * a deleted topic. Each sweep lists from the start of its prefix, so that what a broker long
 * replaced has put there again goes too. An object is deleted only if it says that it belongs to
 * the topic; what doesn't stays and is named in the log.
 *
 * One sweep is under way at a time, with one request at a time; it may end after any of these, and
 * another begins anew.
 */
#ifndef KS_LOG_RETENTION_SWEEP_H
#define KS_LOG_RETENTION_SWEEP_H

#include "log/core.h"
#include "log/format/segment_format.h"

/* What goes. */
struct ks_sweep_order {
    struct ks_id topic;
    char prefix[KS_SEGMENT_KEY_BYTES]; /* of keys */
    /* All under the prefix: keys name the topic. Else segments only. */
    bool is_by_key;
    int64_t offset_below;   /* of these keys those that end in an offset below it; 0: all */
    int64_t log_start;      /* those that end below it; INT64_MAX: all */
    int64_t compacted_upto; /* of the register that has this log start */
    int64_t imported_end;   /* segments of other programs are the topic's below it */
};

/* OK: all is done. STOPPED: the log has ended, or was freed. */
typedef void ks_sweep_done(void *arg, enum kafscale_status status);

/* `done` may be NULL. NO_MEMORY: nothing was begun. */
KAFSCALE_MUST_CHECK enum kafscale_status ks_sweep_start(struct ks_log *log,
                                                        const struct ks_sweep_order *order,
                                                        ks_sweep_done *done, void *arg);

#endif
