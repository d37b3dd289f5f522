/* SPDX-License-Identifier: Apache-2.0 */
#include "client/subscription.h"

#include "base/cursor.h"

#define VERSION 0
#define NO_USER_DATA UINT32_MAX /* -1 */

/* A name takes at least its length, a partition its number: more than that a count can't be. */
#define NAME_BYTES_MIN 2
#define PARTITION_BYTES 4

static void
append_text(struct ks_buffer *buffer, struct kafscale_slice text)
{
    ks_buffer_append_u16(buffer, (uint16_t) text.size);
    ks_buffer_append(buffer, text.data, text.size);
}

void
ks_subscription_encode(struct ks_buffer *buffer, const struct kafscale_slice *topics, size_t count)
{
    ks_buffer_append_u16(buffer, VERSION);
    ks_buffer_append_u32(buffer, (uint32_t) count);
    for (size_t i = 0; i < count; i++) {
        append_text(buffer, topics[i]);
    }
    ks_buffer_append_u32(buffer, NO_USER_DATA);
}

/* How many elements of at least so many bytes follow. False: more than there can be. */
static bool
take_count(struct ks_cursor *cursor, size_t element_bytes, size_t *count_out)
{
    uint32_t count = ks_cursor_u32(cursor);

    *count_out = count;
    return !ks_cursor_failed(cursor) && count <= ks_cursor_left(cursor) / element_bytes;
}

static bool
take_version(struct ks_cursor *cursor)
{
    return (int16_t) ks_cursor_u16(cursor) >= VERSION && !ks_cursor_failed(cursor);
}

static bool
take_text(struct ks_cursor *cursor, struct kafscale_slice *text_out)
{
    int16_t size = (int16_t) ks_cursor_u16(cursor);

    if (size < 0) {
        return false;
    }
    *text_out = ks_cursor_take(cursor, (size_t) size);
    return !ks_cursor_failed(cursor);
}

enum kafscale_status
ks_subscription_decode(struct kafscale_slice bytes, struct ks_arena *arena,
                       struct kafscale_slice **topics_out, size_t *count_out)
{
    struct ks_cursor cursor = ks_cursor(bytes);
    struct kafscale_slice *topics;
    size_t count;

    *topics_out = NULL;
    *count_out = 0;
    if (!take_version(&cursor) || !take_count(&cursor, NAME_BYTES_MIN, &count)) {
        return KAFSCALE_CORRUPT;
    }
    if (count == 0) {
        return KAFSCALE_OK;
    }
    topics = ks_arena_alloc(arena, count * sizeof *topics);
    if (topics == NULL) {
        return KAFSCALE_NO_MEMORY;
    }
    for (size_t i = 0; i < count; i++) {
        if (!take_text(&cursor, &topics[i])) {
            return KAFSCALE_CORRUPT;
        }
    }
    *topics_out = topics;
    *count_out = count;
    return KAFSCALE_OK;
}

void
ks_assignment_encode(struct ks_buffer *buffer, const struct ks_assigned_topic *topics, size_t count)
{
    uint32_t used = 0;

    for (size_t i = 0; i < count; i++) {
        used += topics[i].partition_count > 0;
    }
    ks_buffer_append_u16(buffer, VERSION);
    ks_buffer_append_u32(buffer, used);
    for (size_t i = 0; i < count; i++) {
        if (topics[i].partition_count == 0) {
            continue;
        }
        append_text(buffer, topics[i].name);
        ks_buffer_append_u32(buffer, (uint32_t) topics[i].partition_count);
        for (size_t j = 0; j < topics[i].partition_count; j++) {
            ks_buffer_append_u32(buffer, (uint32_t) topics[i].partitions[j]);
        }
    }
    ks_buffer_append_u32(buffer, NO_USER_DATA);
}

static enum kafscale_status
decode_topic(struct ks_cursor *cursor, struct ks_arena *arena, struct ks_assigned_topic *topic)
{
    if (!take_text(cursor, &topic->name) ||
        !take_count(cursor, PARTITION_BYTES, &topic->partition_count)) {
        return KAFSCALE_CORRUPT;
    }
    if (topic->partition_count == 0) {
        return KAFSCALE_OK;
    }
    topic->partitions = ks_arena_alloc(arena, topic->partition_count * sizeof *topic->partitions);
    if (topic->partitions == NULL) {
        return KAFSCALE_NO_MEMORY;
    }
    for (size_t i = 0; i < topic->partition_count; i++) {
        topic->partitions[i] = (int32_t) ks_cursor_u32(cursor);
        if (topic->partitions[i] < 0) {
            return KAFSCALE_CORRUPT;
        }
    }
    return KAFSCALE_OK;
}

enum kafscale_status
ks_assignment_decode(struct kafscale_slice bytes, struct ks_arena *arena,
                     struct ks_assigned_topic **topics_out, size_t *count_out)
{
    struct ks_cursor cursor = ks_cursor(bytes);
    struct ks_assigned_topic *topics;
    enum kafscale_status status = KAFSCALE_OK;
    size_t count;

    *topics_out = NULL;
    *count_out = 0;
    if (bytes.size == 0) {
        return KAFSCALE_OK;
    }
    if (!take_version(&cursor) || !take_count(&cursor, NAME_BYTES_MIN + PARTITION_BYTES, &count)) {
        return KAFSCALE_CORRUPT;
    }
    if (count == 0) {
        return KAFSCALE_OK;
    }
    topics = ks_arena_alloc(arena, count * sizeof *topics);
    if (topics == NULL) {
        return KAFSCALE_NO_MEMORY;
    }
    for (size_t i = 0; i < count && status == KAFSCALE_OK; i++) {
        topics[i] = (struct ks_assigned_topic){ 0 };
        status = decode_topic(&cursor, arena, &topics[i]);
    }
    if (status == KAFSCALE_OK) {
        *topics_out = topics;
        *count_out = count;
    }
    return status;
}
