/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the consumers of a group tell each other through the coordinator, which doesn't look into
 * it: to which topics a member has subscribed, and what the leader gives it to read. The formats
 * are ConsumerProtocolSubscription and ConsumerProtocolAssignment of Kafka's clients, version 0 of
 * each, which the later ones begin with.
 */
#ifndef KS_CLIENT_SUBSCRIPTION_H
#define KS_CLIENT_SUBSCRIPTION_H

#include "base/arena.h"
#include "base/buffer.h"
#include "base/slice.h"

struct ks_assigned_topic {
    struct kafscale_slice name;
    int32_t *partitions;
    size_t partition_count;
};

void ks_subscription_encode(struct ks_buffer *buffer, const struct kafscale_slice *topics,
                            size_t count);

/* The names are borrowed from `bytes`. KAFSCALE_CORRUPT, KAFSCALE_NO_MEMORY. */
KAFSCALE_MUST_CHECK enum kafscale_status ks_subscription_decode(struct kafscale_slice bytes,
                                                                struct ks_arena *arena,
                                                                struct kafscale_slice **topics_out,
                                                                size_t *count_out);

/* Topics without partitions are left out. */
void ks_assignment_encode(struct ks_buffer *buffer, const struct ks_assigned_topic *topics,
                          size_t count);

/* As ks_subscription_decode. No bytes: nothing is assigned. */
KAFSCALE_MUST_CHECK enum kafscale_status ks_assignment_decode(struct kafscale_slice bytes,
                                                              struct ks_arena *arena,
                                                              struct ks_assigned_topic **topics_out,
                                                              size_t *count_out);

#endif
