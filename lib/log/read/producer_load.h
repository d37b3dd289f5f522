/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a partition is at compacted_upto: the state of its producers there, and the newest segment,
 * whose index tells leader epochs and totals. Opening a partition and writing its next segment both
 * begin with it. It takes one or two requests, whatever the size of the partition.
 *
 * The state lies in the index of the segment that ends there. When the start of the log was raised
 * beyond that segment it is an object of its own. When both are lost or damaged it is computed from
 * the newest state before it and the batches of the segments in between.
 */
#ifndef KS_LOG_READ_PRODUCER_LOAD_H
#define KS_LOG_READ_PRODUCER_LOAD_H

#include "log/core.h"
#include "log/format/producer_snapshot.h"
#include "log/read/segment_find.h"

/* In the caller's memory until `done`. */
struct ks_producer_load {
    /*
     * Once, never from inside the start. OK: `producers` is the state at `offset`, which the caller
     * may take away, leaving a zeroed one, and `newest` the segment that the register names or
     * NULL.
     * STOPPED: the log goes. UNAVAILABLE, NO_MEMORY ...: try again.
     */
    void (*done)(struct ks_producer_load *load, enum kafscale_status status);

    struct ks_producer_table producers;
    struct ks_segment *newest;
    /*
     * The object with the state was not there, and `producers` are what is left. Either it is lost,
     * or compacted_upto has moved since, and the object went.
     */
    bool is_lost;

    /* The inside. */
    struct ks_list link;
    struct ks_log *log;
    struct ks_segment_owner owner;
    char *prefix;
    int64_t offset;
    int64_t log_start;
    int64_t segment_base;
    struct ks_task task;
    struct ks_segment_wait wait;
    struct ks_object_read read;
    uint32_t damaged_reads;
    struct ks_segment_search search;
    struct ks_segment *from; /* whose state is gone on from, or which is looked at */
    int64_t next;            /* the batches below it have been noted */
    char key[KS_PRODUCER_SNAPSHOT_KEY_BYTES];
};

/* For `reg` as it was just read; compacted_upto must be above 0. NO_MEMORY: nothing was begun. */
KAFSCALE_MUST_CHECK enum kafscale_status ks_producer_load_start(
    struct ks_producer_load *load, struct ks_log *log, const struct ks_partition_name *name,
    const char *prefix, const struct ks_register *reg);

/* Frees what it has: after `done`, or when the log is abandoned. Accepts the zeroed one. */
void ks_producer_load_deinit(struct ks_producer_load *load);

/* For a log that is going. */
void ks_producer_loads_silence(struct ks_log *log);
/* For ks_log_abandon: forgets them; whoever asked frees them. */
void ks_producer_loads_drop(struct ks_log *log);

#endif
