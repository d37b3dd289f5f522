/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is known of segments: their indexes, read once and kept while there is room. An index that
 * is missing, damaged or of another program is made again from the segment. Whatever is found is
 * used only if it is of the partition that was asked for.
 */
#ifndef KS_LOG_READ_SEGMENT_H
#define KS_LOG_READ_SEGMENT_H

#include "log/format/index_format.h"
#include "log/read/object_read.h"

/* Whose segments. Borrows the prefix. */
struct ks_segment_owner {
    struct ks_partition_name name;
    const char *prefix;
    int64_t imported_end; /* below it segments may be of another program */
};

/* Its identity in a table; padding is zero. */
struct ks_segment_id {
    int64_t base_offset;
    struct ks_partition_name name;
    uint32_t zero;
};

struct ks_segment {
    struct ks_table_node node;
    struct ks_segment_id id;
    struct ks_list by_use; /* once read */
    struct ks_log *log;
    uint32_t users;
    bool is_read;
    bool is_dropped; /* in no table any more: goes with its last user */
    struct ks_index index;
    int64_t imported_end;
    struct ks_list waits;
    struct ks_object_read read;
    uint32_t damaged_reads;
    struct kafscale_error error;
    size_t suffix_at; /* in the key */
    char key[];       /* of the index while that is read, then of the segment */
};

/* Of one log. */
struct ks_segments {
    struct ks_table table;
    struct ks_list by_use; /* oldest first */
    size_t bytes;
    size_t bytes_max;
};

/* Whoever waits for one, in his memory until `done`. */
struct ks_segment_wait {
    struct ks_list link;
    /*
     * OK: the caller has become a user of `segment`. NOT_FOUND: there is no segment of this base.
     * CORRUPT: it is damaged or of somebody else. The error names the object.
     */
    void (*done)(struct ks_segment_wait *wait, enum kafscale_status status,
                 struct ks_segment *segment, const struct kafscale_error *error);
};

void ks_segments_init(struct ks_segments *segments, uint64_t seed, size_t bytes_max);
/* No completion may come any more, and nobody use any. */
void ks_segments_deinit(struct ks_segments *segments);

/*
 * OK with a segment: it was at hand, and the caller has become a user of it. OK with NULL: `done`
 * of `wait` will come, also when the log goes. NO_MEMORY: nothing was begun.
 */
KAFSCALE_MUST_CHECK enum kafscale_status ks_segment_get(struct ks_log *log,
                                                        const struct ks_segment_owner *owner,
                                                        int64_t base_offset,
                                                        struct ks_segment_wait *wait,
                                                        struct ks_segment **segment_out);

/* Begins to read an index that will be asked for. */
void ks_segment_prepare(struct ks_log *log, const struct ks_segment_owner *owner,
                        int64_t base_offset);

/* The one that is at hand, without becoming its user; NULL: none is. */
struct ks_segment *ks_segment_at_hand(struct ks_log *log, const struct ks_partition_name *name,
                                      int64_t base_offset);

/* One user fewer. Accepts NULL. */
void ks_segment_release(struct ks_segment *segment);

/* It was found not to be what its index says: it will be read again. */
void ks_segment_distrust(struct ks_segment *segment);

/* The key of the object with the batches. */
const char *ks_segment_body_key(const struct ks_segment *segment);

#endif
