/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The metadata of consumers, which is theirs alone but for this: a version, then the topics that
 * the member has subscribed to. What comes behind is not looked at.
 */
#include "group/group_internal.h"

/* Also if it can't be read: nothing is known to be unused then. */
static bool
names_topic(struct kafscale_slice metadata, struct kafscale_slice topic)
{
    struct ks_cursor cursor = ks_cursor(metadata);
    int16_t version = (int16_t) ks_cursor_u16(&cursor);
    int32_t count = (int32_t) ks_cursor_u32(&cursor);

    if (version < 0 || count < 0) {
        return true;
    }
    for (int32_t i = 0; i < count && !ks_cursor_failed(&cursor); i++) {
        int16_t bytes = (int16_t) ks_cursor_u16(&cursor);

        if (bytes < 0 || ks_slice_equals(ks_cursor_take(&cursor, (size_t) bytes), topic)) {
            return true;
        }
    }
    return ks_cursor_failed(&cursor);
}

static bool
is_subscribed(const struct ks_group_member *member, struct kafscale_slice topic)
{
    const struct ks_group_protocols *protocols = member->protocols;

    for (size_t i = 0; i < protocols->count; i++) {
        if (names_topic(protocols->offers[i].metadata, topic)) {
            return true;
        }
    }
    return false;
}

bool
ks_group_is_subscribed(const struct ks_group *group, struct kafscale_slice topic)
{
    struct kafscale_slice type = ks_slice(group->protocol_type, group->protocol_type_bytes);

    if (group->member_count == 0) {
        return false;
    }
    if (!ks_slice_equals(type, ks_slice_of_text("consumer"))) {
        return true;
    }
    for (struct ks_group_member *member = ks_group_next_member(group, NULL); member != NULL;
         member = ks_group_next_member(group, member)) {
        if (is_subscribed(member, topic)) {
            return true;
        }
    }
    return false;
}
