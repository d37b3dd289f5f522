/* SPDX-License-Identifier: Apache-2.0 */
#include "client/assignor.h"

#include <stdlib.h>
#include <string.h>

static int
compare(struct kafscale_slice left, struct kafscale_slice right)
{
    size_t common = left.size < right.size ? left.size : right.size;
    int order = common == 0 ? 0 : memcmp(left.data, right.data, common);

    return order != 0 ? order : (left.size > right.size) - (left.size < right.size);
}

static int
compare_members(const void *left, const void *right)
{
    return compare(((const struct ks_assign_member *) left)->id,
                   ((const struct ks_assign_member *) right)->id);
}

static int
compare_topics(const void *left, const void *right)
{
    return compare(((const struct ks_assign_topic *) left)->name,
                   ((const struct ks_assign_topic *) right)->name);
}

void
ks_assign_sort(struct ks_assign_member *members, size_t member_count,
               struct ks_assign_topic *topics, size_t topic_count)
{
    if (member_count > 0) {
        qsort(members, member_count, sizeof *members, compare_members);
    }
    if (topic_count > 0) {
        qsort(topics, topic_count, sizeof *topics, compare_topics);
    }
}

static bool
is_subscribed(const struct ks_assign_member *member, struct kafscale_slice topic)
{
    for (size_t i = 0; i < member->topic_count; i++) {
        if (ks_slice_equals(member->topics[i], topic)) {
            return true;
        }
    }
    return false;
}

static size_t
count_subscribers(const struct ks_assign_member *members, size_t member_count,
                  struct kafscale_slice topic)
{
    size_t count = 0;

    for (size_t i = 0; i < member_count; i++) {
        count += is_subscribed(&members[i], topic);
    }
    return count;
}

void
ks_assign_range(const struct ks_assign_member *members, size_t member_count,
                const struct ks_assign_topic *topics, size_t topic_count, size_t *owners)
{
    for (size_t i = 0; i < topic_count; i++) {
        size_t left = (size_t) topics[i].partition_count;
        size_t subscribers = count_subscribers(members, member_count, topics[i].name);

        for (size_t j = 0; j < member_count && subscribers > 0; j++) {
            size_t share;

            if (!is_subscribed(&members[j], topics[i].name)) {
                continue;
            }
            share = (left + subscribers - 1) / subscribers;
            for (size_t k = 0; k < share; k++) {
                *owners++ = j;
            }
            left -= share;
            subscribers--;
        }
        for (; left > 0; left--) {
            *owners++ = KS_ASSIGN_NOBODY;
        }
    }
}

void
ks_assign_round_robin(const struct ks_assign_member *members, size_t member_count,
                      const struct ks_assign_topic *topics, size_t topic_count, size_t *owners)
{
    size_t next = 0;

    for (size_t i = 0; i < topic_count; i++) {
        bool has_any = count_subscribers(members, member_count, topics[i].name) > 0;

        for (int32_t j = 0; j < topics[i].partition_count; j++) {
            if (!has_any) {
                *owners++ = KS_ASSIGN_NOBODY;
                continue;
            }
            while (!is_subscribed(&members[next], topics[i].name)) {
                next = (next + 1) % member_count;
            }
            *owners++ = next;
            next = (next + 1) % member_count;
        }
    }
}
