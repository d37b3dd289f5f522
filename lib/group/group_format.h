/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The records of topic __consumer_offsets, in Kafka's own schema: OffsetCommitKey 0-1 and
 * OffsetCommitValue 0-4, GroupMetadataKey 2 and GroupMetadataValue 0-4. What is written: value 4 of
 * an offset, which has the topic's id, and value 3 of a group. A record without a value takes back
 * what its key names.
 */
#ifndef KS_GROUP_GROUP_FORMAT_H
#define KS_GROUP_GROUP_FORMAT_H

#include "base/base.h"

/* No text of a record is longer; whoever encodes has checked it. */
#define KS_GROUP_TEXT_BYTES_MAX 32767u

/* What a key says its record is about. */
enum ks_group_key_kind {
    KS_GROUP_KEY_OFFSET,
    KS_GROUP_KEY_GROUP,
    KS_GROUP_KEY_OTHER /* of a later Kafka, or another kind of group: to be passed over */
};

/* Decoded slices are borrowed from the record. */
struct ks_group_key {
    enum ks_group_key_kind kind;
    struct kafscale_slice group;
    struct kafscale_slice topic; /* of an offset */
    int32_t partition;
};

/* A committed offset. */
struct ks_offset_value {
    int64_t offset;
    int32_t leader_epoch; /* -1: not told */
    struct kafscale_slice metadata;
    int64_t committed_ms;  /* wall time */
    int64_t expires_ms;    /* wall time; -1: by offsets.retention.minutes */
    struct ks_id topic_id; /* zero: not known */
};

struct ks_group_value_member {
    struct kafscale_slice member_id;
    struct kafscale_slice instance_id; /* data NULL: none */
    struct kafscale_slice client_id;
    struct kafscale_slice client_host;
    int32_t rebalance_timeout_ms; /* the session timeout where the record does not tell it */
    int32_t session_timeout_ms;
    struct kafscale_slice subscription; /* for the chosen protocol */
    struct kafscale_slice assignment;
};

struct ks_group_value {
    struct kafscale_slice protocol_type;
    int32_t generation;
    struct kafscale_slice protocol; /* data NULL: none */
    struct kafscale_slice leader;   /* data NULL: none */
    int64_t since_ms;               /* wall time of its last change of state; -1: not told */
    const struct ks_group_value_member *members;
    size_t member_count;
};

/* Appended to buffers, sticky as those are. */
void ks_group_key_encode_offset(struct ks_buffer *out, struct kafscale_slice group,
                                struct kafscale_slice topic, int32_t partition);
void ks_group_key_encode_group(struct ks_buffer *out, struct kafscale_slice group);
void ks_offset_value_encode(struct ks_buffer *out, const struct ks_offset_value *value);
void ks_group_value_encode(struct ks_buffer *out, const struct ks_group_value *value);

/* CORRUPT with what is wrong. */
KAFSCALE_MUST_CHECK enum kafscale_status ks_group_key_decode(struct kafscale_slice bytes,
                                                             struct ks_group_key *out,
                                                             struct kafscale_error *error);

/* CORRUPT with what is wrong. UNSUPPORTED: a version that isn't known. */
KAFSCALE_MUST_CHECK enum kafscale_status ks_offset_value_decode(struct kafscale_slice bytes,
                                                                struct ks_offset_value *out,
                                                                struct kafscale_error *error);
/* As that; also NO_MEMORY. The members lie in the arena, their texts in the record. */
KAFSCALE_MUST_CHECK enum kafscale_status ks_group_value_decode(struct kafscale_slice bytes,
                                                               struct ks_arena *arena,
                                                               struct ks_group_value *out,
                                                               struct kafscale_error *error);

/*
 * Which partition of so many keeps a group: Java's String.hashCode of the id, as Kafka has it. What
 * isn't UTF-8 counts as U+FFFD, as in Java.
 */
int32_t ks_group_partition(struct kafscale_slice group, int32_t partition_count);

#endif
