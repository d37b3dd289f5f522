/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The committed offsets of one group: topics in the order of their first commit, each with its
 * partitions in ascending order. A million of them are to fit: one takes about 48 bytes and its
 * metadata.
 */
#ifndef KS_GROUP_OFFSETS_H
#define KS_GROUP_OFFSETS_H

#include "group/group_format.h"

struct ks_committed_text {
    uint16_t size;
    uint8_t bytes[];
};

struct ks_committed {
    int32_t partition;
    int32_t leader_epoch;
    int64_t offset;
    int64_t committed_ms;
    int64_t expires_ms;
    struct ks_committed_text *metadata; /* owned; NULL: empty */
};

/*
 * One life of a topic: a commit under another id takes the place of all offsets under the earlier
 * one. An id that isn't known (zero) belongs to any life.
 */
struct ks_offsets_topic {
    struct ks_table_node node;
    struct ks_list link;
    struct ks_id id;
    struct ks_committed *partitions; /* ascending; never empty */
    size_t partition_count;
    size_t partition_capacity;
    size_t name_bytes;
    char name[];
};

struct ks_offsets {
    struct ks_table by_topic;
    struct ks_list topics;
    size_t count; /* of partitions, in all topics */
    size_t bytes; /* roughly what they take in memory */
};

/* It may not be moved afterwards. */
void ks_offsets_init(struct ks_offsets *offsets, uint64_t seed);
void ks_offsets_deinit(struct ks_offsets *offsets);

/*
 * Copies topic and metadata, of KS_GROUP_TEXT_BYTES_MAX at most. What was found before may have
 * moved. NO_MEMORY leaves everything as it was.
 */
KAFSCALE_MUST_CHECK enum kafscale_status ks_offsets_set(struct ks_offsets *offsets,
                                                        struct kafscale_slice topic,
                                                        int32_t partition,
                                                        const struct ks_offset_value *value);

/* NULL: there is none. */
struct ks_offsets_topic *ks_offsets_find_topic(const struct ks_offsets *offsets,
                                               struct kafscale_slice topic);
struct ks_committed *ks_offsets_find(const struct ks_offsets_topic *topic, int32_t partition);

/* The topic's name, borrowed from it. */
struct kafscale_slice ks_offsets_topic_name(const struct ks_offsets_topic *topic);

/* Not NULL, though it may be empty. Borrowed until the offset is set again or removed. */
struct kafscale_slice ks_committed_metadata(const struct ks_committed *committed);

/* As it is stored. Borrows the metadata. */
void ks_committed_value(const struct ks_offsets_topic *topic, const struct ks_committed *committed,
                        struct ks_offset_value *out);

/* Nothing if it isn't there. The topic goes with its last partition. */
void ks_offsets_remove(struct ks_offsets *offsets, struct kafscale_slice topic, int32_t partition);
void ks_offsets_remove_topic(struct ks_offsets *offsets, struct ks_offsets_topic *topic);

#endif
