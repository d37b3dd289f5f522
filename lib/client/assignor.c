/* SPDX-License-Identifier: Apache-2.0 */
#include "client/assignor.h"

void
ks_assign_range(const struct ks_assign_topic *topics, size_t topic_count, uint32_t *owners)
{
    for (size_t i = 0; i < topic_count; i++) {
        size_t left = (size_t) topics[i].partition_count;

        for (size_t j = 0; j < topics[i].subscriber_count; j++) {
            size_t after = topics[i].subscriber_count - j;
            size_t share = (left + after - 1) / after;

            for (size_t k = 0; k < share; k++) {
                *owners++ = topics[i].subscribers[j];
            }
            left -= share;
        }
    }
}

/* The place of the first subscriber that isn't below a member; 0 when all are. */
static size_t
find_next(const struct ks_assign_topic *topic, uint32_t member)
{
    size_t low = 0;
    size_t high = topic->subscriber_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (topic->subscribers[middle] < member) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < topic->subscriber_count ? low : 0;
}

void
ks_assign_round_robin(const struct ks_assign_topic *topics, size_t topic_count, uint32_t *owners)
{
    uint32_t next = 0; /* member */

    for (size_t i = 0; i < topic_count; i++) {
        size_t place = find_next(&topics[i], next);

        for (int32_t j = 0; j < topics[i].partition_count; j++) {
            *owners++ = topics[i].subscribers[place];
            next = topics[i].subscribers[place] + 1;
            place = place + 1 < topics[i].subscriber_count ? place + 1 : 0;
        }
    }
}
