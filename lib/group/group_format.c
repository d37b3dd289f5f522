/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys and values begin with their version. Values from version 4 on are "flexible": lengths are
 * varints one larger than themselves, 0 for null, and structs end with tagged fields, of which
 * those that aren't known are passed over.
 */
#include "group/group_format.h"

#include <assert.h>

#define OFFSET_KEY_VERSION_MAX 1
#define OFFSET_KEY_VERSION 1u
#define GROUP_KEY_VERSION 2u

#define VALUE_VERSION_MAX 4
#define FLEXIBLE_VERSION 4
#define OFFSET_VALUE_VERSION 4u
#define GROUP_VALUE_VERSION 3u

#define TOPIC_ID_TAG 0u

/*
 * Only version 1 of Kafka's schema has room for the time at which an offset expires, and none for
 * the topic's id. Kafka passes over tags that it doesn't know; this one is far from those it gives
 * out.
 */
#define EXPIRES_TAG 27507u

/* The least that a member takes in any version: five lengths, two timeouts and no tags. */
#define MEMBER_BYTES_MIN 15u

/* --- Writing ---------------------------------------------------------------------------------- */

static void
append_text(struct ks_buffer *out, struct kafscale_slice text)
{
    assert(text.size <= KS_GROUP_TEXT_BYTES_MAX);

    ks_buffer_append_u16(out, (uint16_t) text.size);
    ks_buffer_append(out, text.data, text.size);
}

static void
append_nullable_text(struct ks_buffer *out, struct kafscale_slice text)
{
    if (text.data == NULL) {
        ks_buffer_append_u16(out, UINT16_MAX);
    } else {
        append_text(out, text);
    }
}

static void
append_bytes(struct ks_buffer *out, struct kafscale_slice bytes)
{
    assert(bytes.size <= INT32_MAX);

    ks_buffer_append_u32(out, (uint32_t) bytes.size);
    ks_buffer_append(out, bytes.data, bytes.size);
}

static void
append_uvarint(struct ks_buffer *out, uint32_t value)
{
    uint8_t bytes[KS_VARINT_BYTES_MAX];

    ks_buffer_append(out, bytes, ks_put_uvarlong(bytes, value));
}

void
ks_group_key_encode_offset(struct ks_buffer *out, struct kafscale_slice group,
                           struct kafscale_slice topic, int32_t partition)
{
    ks_buffer_append_u16(out, OFFSET_KEY_VERSION);
    append_text(out, group);
    append_text(out, topic);
    ks_buffer_append_u32(out, (uint32_t) partition);
}

void
ks_group_key_encode_group(struct ks_buffer *out, struct kafscale_slice group)
{
    ks_buffer_append_u16(out, GROUP_KEY_VERSION);
    append_text(out, group);
}

static void
append_offset_tags(struct ks_buffer *out, const struct ks_offset_value *value)
{
    bool has_topic_id = !ks_id_is_zero(&value->topic_id);
    bool has_expiry = value->expires_ms != -1;

    append_uvarint(out, (uint32_t) has_topic_id + (uint32_t) has_expiry);
    if (has_topic_id) {
        append_uvarint(out, TOPIC_ID_TAG);
        append_uvarint(out, KS_ID_BYTES);
        ks_buffer_append(out, value->topic_id.bytes, KS_ID_BYTES);
    }
    if (has_expiry) {
        append_uvarint(out, EXPIRES_TAG);
        append_uvarint(out, sizeof value->expires_ms);
        ks_buffer_append_u64(out, (uint64_t) value->expires_ms);
    }
}

void
ks_offset_value_encode(struct ks_buffer *out, const struct ks_offset_value *value)
{
    assert(value->metadata.size <= KS_GROUP_TEXT_BYTES_MAX);

    ks_buffer_append_u16(out, OFFSET_VALUE_VERSION);
    ks_buffer_append_u64(out, (uint64_t) value->offset);
    ks_buffer_append_u32(out, (uint32_t) value->leader_epoch);
    append_uvarint(out, (uint32_t) value->metadata.size + 1);
    ks_buffer_append(out, value->metadata.data, value->metadata.size);
    ks_buffer_append_u64(out, (uint64_t) value->committed_ms);
    append_offset_tags(out, value);
}

static void
append_member(struct ks_buffer *out, const struct ks_group_value_member *member)
{
    append_text(out, member->member_id);
    append_nullable_text(out, member->instance_id);
    append_text(out, member->client_id);
    append_text(out, member->client_host);
    ks_buffer_append_u32(out, (uint32_t) member->rebalance_timeout_ms);
    ks_buffer_append_u32(out, (uint32_t) member->session_timeout_ms);
    append_bytes(out, member->subscription);
    append_bytes(out, member->assignment);
}

void
ks_group_value_encode(struct ks_buffer *out, const struct ks_group_value *value)
{
    assert(value->member_count <= INT32_MAX);

    ks_buffer_append_u16(out, GROUP_VALUE_VERSION);
    append_text(out, value->protocol_type);
    ks_buffer_append_u32(out, (uint32_t) value->generation);
    append_nullable_text(out, value->protocol);
    append_nullable_text(out, value->leader);
    ks_buffer_append_u64(out, (uint64_t) value->since_ms);
    ks_buffer_append_u32(out, (uint32_t) value->member_count);
    for (size_t i = 0; i < value->member_count; i++) {
        append_member(out, &value->members[i]);
    }
}

/* --- Reading ---------------------------------------------------------------------------------- */

struct reader {
    struct ks_cursor cursor;
    int version;
};

/* Begins with the version, which the caller compares with those it knows. */
static struct reader
read_version(struct kafscale_slice bytes)
{
    struct reader reader = { .cursor = ks_cursor(bytes) };

    reader.version = (int16_t) ks_cursor_u16(&reader.cursor);
    return reader;
}

static bool
is_whole(const struct reader *reader)
{
    return !ks_cursor_failed(&reader->cursor) && ks_cursor_left(&reader->cursor) == 0;
}

static uint32_t
read_u32(struct reader *reader)
{
    return ks_cursor_u32(&reader->cursor);
}

static uint64_t
read_u64(struct reader *reader)
{
    return ks_cursor_u64(&reader->cursor);
}

/* So many bytes; data is not NULL, whatever their number. Nothing at all with a length below 0. */
static struct kafscale_slice
take(struct reader *reader, int64_t length)
{
    if (length == 0) {
        return ks_slice("", 0);
    }
    return length < 0 ? ks_slice(NULL, 0) : ks_cursor_take(&reader->cursor, (size_t) length);
}

static int64_t
read_compact_length(struct reader *reader)
{
    return (int64_t) ks_cursor_uvarint(&reader->cursor) - 1;
}

static struct kafscale_slice
read_nullable_text(struct reader *reader)
{
    int64_t length = reader->version >= FLEXIBLE_VERSION ? read_compact_length(reader)
                                                         : (int16_t) ks_cursor_u16(&reader->cursor);

    reader->cursor.failed |= length > KS_GROUP_TEXT_BYTES_MAX;
    return take(reader, length);
}

static struct kafscale_slice
not_null(struct reader *reader, struct kafscale_slice bytes)
{
    reader->cursor.failed |= bytes.data == NULL;
    return bytes;
}

static struct kafscale_slice
read_text(struct reader *reader)
{
    return not_null(reader, read_nullable_text(reader));
}

static struct kafscale_slice
read_bytes(struct reader *reader)
{
    int64_t length = reader->version >= FLEXIBLE_VERSION ? read_compact_length(reader)
                                                         : (int32_t) read_u32(reader);

    return not_null(reader, take(reader, length));
}

/* A tag and its bytes are told to `take_tag`, which knows some of them. */
static void
read_tags(struct reader *reader, void (*take_tag)(void *arg, uint32_t tag, struct reader *field),
          void *arg)
{
    uint32_t count = reader->version >= FLEXIBLE_VERSION ? ks_cursor_uvarint(&reader->cursor) : 0;

    for (uint32_t i = 0; i < count && !ks_cursor_failed(&reader->cursor); i++) {
        uint32_t tag = ks_cursor_uvarint(&reader->cursor);
        struct kafscale_slice bytes = take(reader, ks_cursor_uvarint(&reader->cursor));
        struct reader field = { .cursor = ks_cursor(bytes), .version = reader->version };

        take_tag(arg, tag, &field);
        reader->cursor.failed |= ks_cursor_failed(&field.cursor);
    }
}

static void
take_no_tag(void *arg, uint32_t tag, struct reader *field)
{
    (void) arg;
    (void) tag;
    (void) field;
}

enum kafscale_status
ks_group_key_decode(struct kafscale_slice bytes, struct ks_group_key *out,
                    struct kafscale_error *error)
{
    struct reader reader = read_version(bytes);
    struct ks_group_key key = { .kind = KS_GROUP_KEY_OTHER };

    if (ks_cursor_failed(&reader.cursor) || reader.version < 0) {
        return ks_error_set(error, KAFSCALE_CORRUPT, "the key has no version");
    }
    if (reader.version > (int) GROUP_KEY_VERSION) {
        *out = key;
        return KAFSCALE_OK;
    }
    key.group = read_text(&reader);
    if (reader.version <= OFFSET_KEY_VERSION_MAX) {
        key.kind = KS_GROUP_KEY_OFFSET;
        key.topic = read_text(&reader);
        key.partition = (int32_t) read_u32(&reader);
    } else {
        key.kind = KS_GROUP_KEY_GROUP;
    }
    if (!is_whole(&reader)) {
        return ks_error_set(error, KAFSCALE_CORRUPT, "the key has another length than it says");
    }
    *out = key;
    return KAFSCALE_OK;
}

/* What stands in both kinds of values before their fields. */
static enum kafscale_status
read_value_version(struct kafscale_slice bytes, struct reader *reader, struct kafscale_error *error)
{
    *reader = read_version(bytes);
    if (ks_cursor_failed(&reader->cursor) || reader->version < 0) {
        return ks_error_set(error, KAFSCALE_CORRUPT, "the value has no version");
    }
    if (reader->version > VALUE_VERSION_MAX) {
        return ks_error_set(error, KAFSCALE_UNSUPPORTED, "version %d of the value is not known",
                            reader->version);
    }
    return KAFSCALE_OK;
}

static void
take_offset_tag(void *arg, uint32_t tag, struct reader *field)
{
    struct ks_offset_value *value = arg;

    if (tag == TOPIC_ID_TAG) {
        ks_cursor_copy(&field->cursor, value->topic_id.bytes, KS_ID_BYTES);
    } else if (tag == EXPIRES_TAG) {
        value->expires_ms = (int64_t) read_u64(field);
    }
}

enum kafscale_status
ks_offset_value_decode(struct kafscale_slice bytes, struct ks_offset_value *out,
                       struct kafscale_error *error)
{
    struct ks_offset_value value = { .leader_epoch = -1, .expires_ms = -1 };
    struct reader reader;
    enum kafscale_status status = read_value_version(bytes, &reader, error);

    if (status != KAFSCALE_OK) {
        return status;
    }
    value.offset = (int64_t) read_u64(&reader);
    if (reader.version >= 3) {
        value.leader_epoch = (int32_t) read_u32(&reader);
    }
    value.metadata = read_text(&reader);
    value.committed_ms = (int64_t) read_u64(&reader);
    if (reader.version == 1) {
        value.expires_ms = (int64_t) read_u64(&reader);
    }
    read_tags(&reader, take_offset_tag, &value);
    if (!is_whole(&reader)) {
        return ks_error_set(error, KAFSCALE_CORRUPT, "the offset has another length than it says");
    }
    *out = value;
    return KAFSCALE_OK;
}

static void
read_member(struct reader *reader, struct ks_group_value_member *member)
{
    member->member_id = read_text(reader);
    if (reader->version >= 3) {
        member->instance_id = read_nullable_text(reader);
    }
    member->client_id = read_text(reader);
    member->client_host = read_text(reader);
    if (reader->version >= 1) {
        member->rebalance_timeout_ms = (int32_t) read_u32(reader);
    }
    member->session_timeout_ms = (int32_t) read_u32(reader);
    if (reader->version == 0) {
        member->rebalance_timeout_ms = member->session_timeout_ms;
    }
    member->subscription = read_bytes(reader);
    member->assignment = read_bytes(reader);
    read_tags(reader, take_no_tag, NULL);
}

/* NULL: there can't be so many, or there is no memory for them. */
static struct ks_group_value_member *
read_members(struct reader *reader, struct ks_arena *arena, size_t *count_out)
{
    int64_t count = reader->version >= FLEXIBLE_VERSION ? read_compact_length(reader)
                                                        : (int32_t) read_u32(reader);
    struct ks_group_value_member *members;

    if (count < 0 || (size_t) count > ks_cursor_left(&reader->cursor) / MEMBER_BYTES_MIN) {
        reader->cursor.failed = true;
        return NULL;
    }
    *count_out = (size_t) count;
    members = ks_arena_alloc_array(arena, (size_t) count, sizeof *members);
    for (size_t i = 0; members != NULL && i < *count_out; i++) {
        read_member(reader, &members[i]);
    }
    return members;
}

enum kafscale_status
ks_group_value_decode(struct kafscale_slice bytes, struct ks_arena *arena,
                      struct ks_group_value *out, struct kafscale_error *error)
{
    struct ks_group_value value = { .since_ms = -1 };
    struct reader reader;
    enum kafscale_status status = read_value_version(bytes, &reader, error);

    if (status != KAFSCALE_OK) {
        return status;
    }
    value.protocol_type = read_text(&reader);
    value.generation = (int32_t) read_u32(&reader);
    value.protocol = read_nullable_text(&reader);
    value.leader = read_nullable_text(&reader);
    if (reader.version >= 2) {
        value.since_ms = (int64_t) read_u64(&reader);
    }
    value.members = read_members(&reader, arena, &value.member_count);
    if (ks_arena_failed(arena)) {
        return ks_error_set(error, KAFSCALE_NO_MEMORY, "no memory for %zu members",
                            value.member_count);
    }
    read_tags(&reader, take_no_tag, NULL);
    if (!is_whole(&reader)) {
        return ks_error_set(error, KAFSCALE_CORRUPT, "the group has another length than it says");
    }
    *out = value;
    return KAFSCALE_OK;
}
