/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Compaction (durability 2, rules 1 to 4): the committed batches of a partition above
 * compacted_upto, once there are enough or they are old enough, become a segment. The index is put
 * first and decides how far the segment goes, whoever put it; then the segment; then the register.
 * A few at a time, each step safe to die after; no request and no timer while nothing is due.
 */
#ifndef KS_LOG_COMPACT_COMPACT_H
#define KS_LOG_COMPACT_COMPACT_H

#include "log/changes.h"
#include "log/read/producer_load.h"
#include "log/format/segment_build.h"

enum ks_compact_step {
    KS_COMPACT_REGISTER,
    KS_COMPACT_STATE,
    KS_COMPACT_GATHER,
    KS_COMPACT_INDEX,
    KS_COMPACT_SEGMENT,
    KS_COMPACT_SWAP,
};

/* One segment on its way. */
struct ks_compact_job {
    struct ks_list link;
    struct ks_log *log;
    struct ks_partition *partition; /* NULL once it was forgotten */
    struct ks_partition_name name;
    char *prefix;
    enum ks_compact_step step;
    int64_t base;
    int64_t last;  /* that an index found in the store demands, -1: none was found */
    int64_t start; /* log_start */
    struct kafscale_meta_read register_read;
    char register_key[KS_REGISTER_KEY_BYTES];
    struct ks_producer_load state;
    bool has_state;
    int64_t lost_at; /* as of a raise (log_start.c) */

    /* compact_gather.c */
    struct ks_producer_table producers; /* at `base`, then after each batch */
    struct ks_log_read read;
    bool is_reading;
    int64_t next;
    int64_t first_ms; /* the greatest time of the first batch */
    struct ks_segment_build build;
    struct kafscale_part *parts; /* header, batches, footer */
    size_t part_count;
    size_t part_capacity;
    struct kafscale_part encoded_part; /* the index */

    char index_key[KS_SEGMENT_KEY_BYTES];
    char segment_key[KS_SEGMENT_KEY_BYTES];
    struct kafscale_put put;
    struct kafscale_get get;
    uint8_t found_header[KS_SEGMENT_HEADER_BYTES];
    struct ks_timer retry;
    void (*again)(struct ks_compact_job *job);
    uint32_t attempts;
    uint32_t odd_reads; /* of what was found under a key, and was not what must be there */
    struct ks_change change;
    bool is_swapping; /* the change is under way */
};

/* --- compact.c for the others ---------------------------------------------------------------- */

/* Ends a job; the partition is looked at again if `is_done`, else after a while. */
void ks_compact_finish(struct ks_compact_job *job, bool is_done);
/* The partition is never compacted again by this log: what must not be was found. */
void ks_compact_alarm(struct ks_compact_job *job, const char *what);
/* `again` after a while. */
void ks_compact_retry(struct ks_compact_job *job, void (*again)(struct ks_compact_job *job));
/* How many bytes of batches a segment of this partition may have. */
size_t ks_compact_limit(const struct ks_log *log, const struct ks_partition *partition);
/* Whether the log or the partition has gone: nothing more is to be sent. */
bool ks_compact_is_over(const struct ks_compact_job *job);

/* --- compact_gather.c ------------------------------------------------------------------------ */

/* Collects the batches; then ks_compact_put_index. */
void ks_compact_gather(struct ks_compact_job *job);
/* Frees what was collected. */
void ks_compact_scatter(struct ks_compact_job *job);

/* --- compact_put.c --------------------------------------------------------------------------- */

void ks_compact_put_index(struct ks_compact_job *job);

#endif
