/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which member of a group reads which partition, as Kafka's RangeAssignor and RoundRobinAssignor
 * decide, so that it makes no difference who leads a group with other clients in it. Members are
 * numbers in the order of their ids, topics come in the order of their names.
 */
#ifndef KS_CLIENT_ASSIGNOR_H
#define KS_CLIENT_ASSIGNOR_H

#include "base/slice.h"

struct ks_assign_topic {
    struct kafscale_slice name;
    const uint32_t *subscribers; /* members, ascending, each once */
    size_t subscriber_count;     /* at least 1 */
    int32_t partition_count;     /* 0: it isn't there */
};

/*
 * Neighbouring partitions of each topic to each of its subscribers, one more to the first ones.
 * `owners` has a place for each partition, topic after topic, for the number of its member.
 */
void ks_assign_range(const struct ks_assign_topic *topics, size_t topic_count, uint32_t *owners);

/* One partition after the other, through all topics, to one subscriber after the other. */
void ks_assign_round_robin(const struct ks_assign_topic *topics, size_t topic_count,
                           uint32_t *owners);

#endif
