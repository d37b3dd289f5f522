/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading from objects that are not the newest: indexes, segments, what else lies in the store for
 * long. So many of these are under way at a time and no more, whoever asks, so that catching up on
 * old data leaves room for what is being produced. Answers that say nothing are asked for again.
 */
#ifndef KS_LOG_READ_OBJECT_READ_H
#define KS_LOG_READ_OBJECT_READ_H

#include "base/base.h"
#include "store/store.h"

struct ks_log;

/* Of one log. */
struct ks_object_reads {
    struct ks_list waiting;
    size_t waiting_count;
    struct ks_list under_way;
    uint32_t count; /* of those under way */
    uint32_t count_max;
    int64_t copies_from_ms; /* until then no copy is read */
};

/* One, in the memory of whoever asks, until `done`. */
struct ks_object_read {
    struct ks_list link;
    struct ks_log *log;
    struct kafscale_get get;
    struct ks_timer retry;
    uint32_t attempts;
    kafscale_get_done *done;
    void *arg;
};

void ks_object_reads_init(struct ks_object_reads *reads, uint32_t count_max);

/*
 * Reads up to `size_max` bytes from `position` on. `key` is borrowed until `done`, which comes once
 * and never before this has returned: OK; NOT_FOUND; STOPPED, the log goes or was stopped; or the
 * answer of the last of several tries. The log is not freed while `done` runs, but may be going.
 */
void ks_object_read_start(struct ks_object_read *read, struct ks_log *log, const char *key,
                          uint64_t position, size_t size_max, kafscale_get_done *done, void *arg);

/*
 * What was read was not what it must be: for a while the objects themselves are read, and no copies
 * of them.
 */
void ks_object_reads_distrust(struct ks_log *log);

/* Whether another one would begin at once and leave a quarter of the places free. */
bool ks_object_reads_are_idle(const struct ks_log *log);

/* For a log that is going: waits for nothing but requests under way. */
void ks_object_reads_silence(struct ks_log *log);

/* For ks_log_abandon: forgets them; whoever asked frees them. */
void ks_object_reads_drop(struct ks_log *log);

#endif
