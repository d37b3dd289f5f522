/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The index of a segment: KafScale's sparse index to the byte, after whose last entry, where its
 * readers don't look, stands an extension of our own (docs/storage-format.md). The extension says
 * all that is needed of a segment without opening it, and all that has to be known of the
 * partition at its end: so opening a partition, or finding an offset in it, reads a few indexes
 * however many there are.
 *
 * An index without extension was written by another program. One that is missing or damaged is
 * made again from the body, in memory.
 */
#ifndef KS_LOG_FORMAT_INDEX_FORMAT_H
#define KS_LOG_FORMAT_INDEX_FORMAT_H

#include "log/format/segment_format.h"
#include "record/record.h"

#define KS_INDEX_EXTENSION_MAGIC 0x4b534958u /* "KSIX" */
#define KS_INDEX_EXTENSION_VERSION 1
#define KS_INDEX_BYTES_MAX (256u << 20)
#define KS_INDEX_INTERVAL 100 /* records between entries, at least */
#define KS_INDEX_LEVELS 10
#define KS_INDEX_ANCESTORS 7 /* of one level */

/* A batch of the segment, and those after it up to the next entry. */
struct ks_index_entry {
    int64_t offset;
    int64_t max_timestamp_ms; /* of all of these; INT64_MAX: not known */
    uint32_t position;        /* from the first byte of the segment */
};

/* Of the partition, from its first segment to the end of this one. */
struct ks_segment_totals {
    uint64_t segments;
    uint64_t records;
    uint64_t bytes; /* of batches */
    int64_t max_timestamp_ms;
};

/*
 * Bases of earlier segments, newest first. When segments are counted from 0, those of level i are
 * the newest before this one whose number is a multiple of 8^i. So each index follows from the one
 * before it alone, and going back to any offset takes a step for each octal digit of the number of
 * segments.
 */
struct ks_ancestors {
    uint8_t count;
    int64_t bases[KS_INDEX_ANCESTORS];
    /* Of all segments up to the ancestor, as in its totals; INT64_MAX: not known. */
    int64_t max_timestamps_ms[KS_INDEX_ANCESTORS];
};

struct ks_aborted_transaction {
    int64_t producer_id;
    int64_t first_offset;
    int64_t last_offset; /* of the marker that ended it */
};

struct ks_index {
    struct ks_index_entry *entries; /* at least one; owned */
    size_t entry_count;
    size_t entry_capacity;
    int32_t interval;

    bool is_ours;       /* what follows is known: it was built here, or there is an extension */
    bool has_partition; /* and so is what comes from the segments before it */

    uint32_t topic_tag; /* as in the segment's header */
    struct ks_partition_name name;
    struct ks_id cluster;
    int64_t base_offset; /* of the segment; its first batch may begin before */
    int64_t last_offset;
    int64_t created_ms;
    int64_t max_timestamp_ms;
    uint64_t body_bytes;
    uint32_t body_crc;
    uint32_t batch_count;
    uint64_t record_count;

    struct ks_segment_totals totals;
    struct ks_ancestors ancestors[KS_INDEX_LEVELS];
    struct ks_epoch_start *epochs; /* of the partition, ascending in both; owned */
    size_t epoch_count;
    struct ks_buffer producers;             /* stored state at last_offset + 1; empty: not known */
    struct ks_aborted_transaction *aborted; /* that ended in this segment; owned */
    size_t aborted_count;

    int64_t records_since_entry; /* while it is built */
};

/* An empty index of a segment that begins at `base_offset`. */
void ks_index_init(struct ks_index *index, int64_t base_offset);

/* Accepts the zeroed index. */
void ks_index_deinit(struct ks_index *index);

/*
 * Adds the batch that follows, whose checksum was looked at. CORRUPT: it doesn't come after the
 * others; only the first batch may begin below the base. TOO_LARGE: no segment may be so long.
 */
KAFSCALE_MUST_CHECK enum kafscale_status ks_index_add_batch(struct ks_index *index,
                                                            const struct ks_batch *batch,
                                                            struct kafscale_error *error);

/* The same batch's part in the leader epochs of the partition. */
KAFSCALE_MUST_CHECK enum kafscale_status ks_index_add_epoch(struct ks_index *index, int32_t epoch,
                                                            int64_t offset);

/*
 * What a partition is after the segment `before`, for the one that follows: totals, ancestors and
 * leader epochs, the latter without what lies below `log_start`. NULL: there is none before. Called
 * before batches are added. NO_MEMORY leaves everything as it was.
 */
KAFSCALE_MUST_CHECK enum kafscale_status ks_index_follow(struct ks_index *index,
                                                         const struct ks_index *before,
                                                         int64_t log_start);

/* Appends the object's bytes: with extension if it is ours. Check ks_buffer_failed. */
void ks_index_encode(const struct ks_index *index, struct ks_buffer *out);

/*
 * Reads an object. CORRUPT: damaged, or not an index; UNSUPPORTED: a later version. On failure
 * nothing is to be freed.
 */
KAFSCALE_MUST_CHECK enum kafscale_status ks_index_decode(struct kafscale_slice bytes,
                                                         struct ks_index *index_out,
                                                         struct kafscale_error *error);

/*
 * Makes the index of a segment from all its bytes, checking every checksum in it. What only an
 * extension says of topic and partition stays unknown but for topic_tag. On failure nothing is to
 * be freed.
 */
KAFSCALE_MUST_CHECK enum kafscale_status ks_index_rebuild(struct kafscale_slice segment,
                                                          int64_t base_offset,
                                                          struct ks_index *index_out,
                                                          struct kafscale_error *error);

/* The entry to begin at for an offset: the last one not above it, or the first. */
const struct ks_index_entry *ks_index_find(const struct ks_index *index, int64_t offset);

/*
 * The earlier segment to go to next in search of `offset`, which is below this one's base: the one
 * that is looked for, if it is known; then it begins at or below the offset. Else the oldest known
 * that begins above. -1: none is known.
 */
int64_t ks_index_ancestor(const struct ks_index *index, int64_t offset);

#endif
