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

/*
 * The room for an array, which begins with its count: elements of `size` bytes in memory, and at
 * least `bytes` of the input. NULL without any, and where it fails.
 */
static enum kafscale_status
take_array(struct ks_cursor *cursor, size_t bytes, struct ks_arena *arena, size_t size,
           void **array_out, size_t *count_out)
{
    uint32_t count = ks_cursor_u32(cursor);

    *array_out = NULL;
    *count_out = 0;
    if (ks_cursor_failed(cursor) || count > ks_cursor_left(cursor) / bytes) {
        return KAFSCALE_CORRUPT;
    }
    if (count == 0) {
        return KAFSCALE_OK;
    }
    *array_out = ks_arena_alloc_array(arena, count, size);
    if (*array_out == NULL) {
        return KAFSCALE_NO_MEMORY;
    }
    *count_out = count;
    return KAFSCALE_OK;
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
    enum kafscale_status status = KAFSCALE_CORRUPT;
    struct kafscale_slice *topics;
    size_t count;
    void *array;

    *topics_out = NULL;
    *count_out = 0;
    if (take_version(&cursor)) {
        status = take_array(&cursor, NAME_BYTES_MIN, arena, sizeof *topics, &array, &count);
    }
    if (status != KAFSCALE_OK) {
        return status;
    }
    topics = array;
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
    enum kafscale_status status = KAFSCALE_CORRUPT;
    void *array;

    if (take_text(cursor, &topic->name)) {
        status = take_array(cursor, PARTITION_BYTES, arena, sizeof *topic->partitions, &array,
                            &topic->partition_count);
    }
    if (status != KAFSCALE_OK) {
        return status;
    }
    topic->partitions = array;
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
    enum kafscale_status status = KAFSCALE_CORRUPT;
    struct ks_assigned_topic *topics;
    size_t count;
    void *array;

    *topics_out = NULL;
    *count_out = 0;
    if (bytes.size == 0) {
        return KAFSCALE_OK;
    }
    if (take_version(&cursor)) {
        status = take_array(&cursor, NAME_BYTES_MIN + PARTITION_BYTES, arena, sizeof *topics,
                            &array, &count);
    }
    if (status != KAFSCALE_OK) {
        return status;
    }
    topics = array;
    for (size_t i = 0; i < count && status == KAFSCALE_OK; i++) {
        status = decode_topic(&cursor, arena, &topics[i]);
    }
    if (status == KAFSCALE_OK) {
        *topics_out = topics;
        *count_out = count;
    }
    return status;
}
