/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which member of a group reads which partition, as Kafka's RangeAssignor and RoundRobinAssignor
 * decide, so that it makes no difference who leads a group with other clients in it.
 */
#ifndef KS_CLIENT_ASSIGNOR_H
#define KS_CLIENT_ASSIGNOR_H

#include "base/slice.h"

struct ks_assign_member {
    struct kafscale_slice id;
    struct kafscale_slice *topics; /* it has subscribed to */
    size_t topic_count;
};

struct ks_assign_topic {
    struct kafscale_slice name;
    int32_t partition_count; /* 0: it isn't there */
};

/* `owners` has a place for each partition, topic after topic: the member's number, or NOBODY. */
#define KS_ASSIGN_NOBODY SIZE_MAX

/* Puts them into the order that the two below rely on: by their bytes. */
void ks_assign_sort(struct ks_assign_member *members, size_t member_count,
                    struct ks_assign_topic *topics, size_t topic_count);

/* Neighbouring partitions of each topic to each of its subscribers, one more to the first ones. */
void ks_assign_range(const struct ks_assign_member *members, size_t member_count,
                     const struct ks_assign_topic *topics, size_t topic_count, size_t *owners);

/* One partition after the other, through all topics, to one subscriber after the other. */
void ks_assign_round_robin(const struct ks_assign_member *members, size_t member_count,
                           const struct ks_assign_topic *topics, size_t topic_count,
                           size_t *owners);

#endif
