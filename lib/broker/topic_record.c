/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Big-endian, a version first; counts and lengths are checked, since a metadata store is an
 * input.
 */
#include "broker/topic_record.h"

#include <stdio.h>

#define RECORD_VERSION 1
#define FLAG_LATER_LIFE 1u
#define OTHERS_BYTES_MAX (1u << 20)
#define TOPIC_KEY_PREFIX "topic/"
#define GONE_KEY_PREFIX "gone/"
#define RESERVED_PREFIX "__kafscale"

void
ks_topic_record_key(const struct ks_id *id, char key_out[KS_TOPIC_KEY_BYTES])
{
    char hex[KS_ID_HEX_BYTES];

    ks_id_to_hex(id, hex);
    snprintf(key_out, KS_TOPIC_KEY_BYTES, TOPIC_KEY_PREFIX "%s", hex);
}

void
ks_topic_prefix(const char *name, const struct ks_id *id, bool is_later_life,
                char prefix_out[KS_TOPIC_PREFIX_BYTES])
{
    char hex[KS_ID_HEX_BYTES];

    ks_id_to_hex(id, hex);
    is_later_life = is_later_life && !ks_is_planted(KS_PLANTED_OWN_PREFIX);
    snprintf(prefix_out, KS_TOPIC_PREFIX_BYTES, is_later_life ? "%.249s@%.8s" : "%.249s", name,
             hex);
}

void
ks_name_record_key(const char *name, char key_out[KS_NAME_KEY_BYTES])
{
    snprintf(key_out, KS_NAME_KEY_BYTES, "name/%s", name);
}

static bool
parse_key(const char *key, const char *prefix, struct ks_id *id_out)
{
    size_t size = strlen(prefix);

    return strncmp(key, prefix, size) == 0 && strlen(key + size) == KS_ID_HEX_BYTES - 1 &&
           ks_id_from_hex(key + size, id_out);
}

bool
ks_topic_record_key_parse(const char *key, struct ks_id *id_out)
{
    return parse_key(key, TOPIC_KEY_PREFIX, id_out);
}

void
ks_gone_record_key(const struct ks_id *id, char key_out[KS_TOPIC_KEY_BYTES])
{
    char hex[KS_ID_HEX_BYTES];

    ks_id_to_hex(id, hex);
    snprintf(key_out, KS_TOPIC_KEY_BYTES, GONE_KEY_PREFIX "%s", hex);
}

bool
ks_gone_record_key_parse(const char *key, struct ks_id *id_out)
{
    return parse_key(key, GONE_KEY_PREFIX, id_out);
}

static void
append_text(struct ks_buffer *out, const char *text)
{
    ks_buffer_append_u16(out, (uint16_t) strlen(text));
    ks_buffer_append(out, text, strlen(text));
}

void
ks_topic_record_encode(const struct ks_topic_record *record, struct ks_buffer *out)
{
    uint16_t count = record->others_count;

    for (size_t i = 0; i < KS_TOPIC_CONFIG_COUNT; i++) {
        count = (uint16_t) (count + (record->config.values[i] != NULL));
    }
    ks_buffer_append_u8(out, RECORD_VERSION);
    ks_buffer_append_u8(out, record->is_later_life ? FLAG_LATER_LIFE : 0);
    ks_buffer_append_u32(out, (uint32_t) record->partition_count);
    append_text(out, record->name);
    ks_buffer_append_u16(out, count);
    for (size_t i = 0; i < KS_TOPIC_CONFIG_COUNT; i++) {
        if (record->config.values[i] != NULL) {
            append_text(out, ks_topic_config_keys[i].key);
            append_text(out, record->config.values[i]);
        }
    }
    ks_buffer_append(out, record->others.data, record->others.size);
}

static void
append_other(struct ks_topic_record *record, struct kafscale_slice key, struct kafscale_slice value)
{
    if (record->others_count == 0) {
        ks_buffer_init(&record->others, OTHERS_BYTES_MAX);
    }
    record->others_count++;
    ks_buffer_append_u16(&record->others, (uint16_t) key.size);
    ks_buffer_append(&record->others, key.data, key.size);
    ks_buffer_append_u16(&record->others, (uint16_t) value.size);
    ks_buffer_append(&record->others, value.data, value.size);
}

/*
 * A key that a newer broker stored and this one doesn't know is no error, and stays in the record
 * when this one changes it.
 */
static enum kafscale_status
decode_config(struct ks_cursor *cursor, struct ks_topic_record *record)
{
    uint16_t count = ks_cursor_u16(cursor);

    for (uint16_t i = 0; i < count && !ks_cursor_failed(cursor); i++) {
        struct kafscale_slice key = ks_cursor_take(cursor, ks_cursor_u16(cursor));
        struct kafscale_slice value = ks_cursor_take(cursor, ks_cursor_u16(cursor));
        int place = ks_topic_config_find(key);
        struct kafscale_error error = { 0 };
        enum kafscale_status status;

        if (ks_cursor_failed(cursor)) {
            break;
        }
        if (place < 0) {
            append_other(record, key, value);
            continue;
        }
        if (ks_topic_config_check((enum ks_topic_config_name) place, value, &error) !=
            KAFSCALE_OK) {
            continue;
        }
        status = ks_topic_config_set(&record->config, (enum ks_topic_config_name) place, value);
        if (status != KAFSCALE_OK) {
            return status;
        }
    }
    return ks_buffer_failed(&record->others) ? KAFSCALE_NO_MEMORY : KAFSCALE_OK;
}

enum kafscale_status
ks_topic_record_decode(struct kafscale_slice bytes, struct ks_topic_record *record_out,
                       struct kafscale_error *error)
{
    struct ks_cursor cursor = ks_cursor(bytes);
    uint8_t version = ks_cursor_u8(&cursor);
    uint8_t flags = ks_cursor_u8(&cursor);
    uint32_t partition_count = ks_cursor_u32(&cursor);
    struct kafscale_slice name = ks_cursor_take(&cursor, ks_cursor_u16(&cursor));
    enum kafscale_status status;

    if (ks_cursor_failed(&cursor) || version < RECORD_VERSION || partition_count == 0 ||
        partition_count > INT32_MAX || !ks_topic_name_is_legal(name)) {
        return ks_error_set(error, KAFSCALE_CORRUPT, "the record of a topic is damaged");
    }
    record_out->is_later_life = (flags & FLAG_LATER_LIFE) != 0;
    record_out->partition_count = (int32_t) partition_count;
    memcpy(record_out->name, name.data, name.size);
    record_out->name[name.size] = '\0';
    status = decode_config(&cursor, record_out);
    if (status != KAFSCALE_OK) {
        return ks_error_set(error, status, "out of memory for the record of a topic");
    }
    if (ks_cursor_failed(&cursor)) {
        return ks_error_set(error, KAFSCALE_CORRUPT, "the record of a topic is damaged");
    }
    return KAFSCALE_OK;
}

void
ks_topic_record_clear_config(struct ks_topic_record *record)
{
    ks_topic_config_deinit(&record->config);
    ks_buffer_deinit(&record->others);
    record->others_count = 0;
}

void
ks_topic_record_deinit(struct ks_topic_record *record)
{
    ks_topic_record_clear_config(record);
}

void
ks_name_record_encode(const struct ks_name_record *record, uint8_t out[KS_NAME_RECORD_BYTES])
{
    out[0] = RECORD_VERSION;
    out[1] = record->is_alive ? 1 : 0;
    memcpy(out + 2, record->id.bytes, KS_ID_BYTES);
}

enum kafscale_status
ks_name_record_decode(struct kafscale_slice bytes, struct ks_name_record *record_out,
                      struct kafscale_error *error)
{
    struct ks_cursor cursor = ks_cursor(bytes);
    uint8_t version = ks_cursor_u8(&cursor);
    struct ks_name_record record = { .is_alive = ks_cursor_u8(&cursor) != 0 };

    ks_cursor_copy(&cursor, record.id.bytes, KS_ID_BYTES);
    if (ks_cursor_failed(&cursor) || version < RECORD_VERSION) {
        return ks_error_set(error, KAFSCALE_CORRUPT, "the record of a topic name is damaged");
    }
    *record_out = record;
    return KAFSCALE_OK;
}

size_t
ks_gone_record_encode(const struct ks_gone_record *record, uint8_t out[KS_GONE_RECORD_BYTES_MAX])
{
    size_t size = strlen(record->name);

    out[0] = RECORD_VERSION;
    out[1] = record->is_later_life ? FLAG_LATER_LIFE : 0;
    ks_put_u64(out + 2, (uint64_t) record->buried_ms);
    ks_put_u16(out + 10, (uint16_t) size);
    memcpy(out + 12, record->name, size);
    return 12 + size;
}

enum kafscale_status
ks_gone_record_decode(struct kafscale_slice bytes, struct ks_gone_record *record_out,
                      struct kafscale_error *error)
{
    struct ks_cursor cursor = ks_cursor(bytes);
    uint8_t version = ks_cursor_u8(&cursor);
    uint8_t flags = ks_cursor_u8(&cursor);
    int64_t buried_ms = (int64_t) ks_cursor_u64(&cursor);
    struct kafscale_slice name = ks_cursor_take(&cursor, ks_cursor_u16(&cursor));

    if (ks_cursor_failed(&cursor) || version < RECORD_VERSION || buried_ms < 0 ||
        !ks_topic_name_is_legal(name)) {
        return ks_error_set(error, KAFSCALE_CORRUPT, "the record of a deleted topic is damaged");
    }
    record_out->is_later_life = (flags & FLAG_LATER_LIFE) != 0;
    record_out->buried_ms = buried_ms;
    memcpy(record_out->name, name.data, name.size);
    record_out->name[name.size] = '\0';
    return KAFSCALE_OK;
}

static bool
is_name_byte(uint8_t byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
           (byte >= '0' && byte <= '9') || byte == '.' || byte == '_' || byte == '-';
}

enum kafscale_status
ks_topic_name_check(struct kafscale_slice name, struct kafscale_error *error)
{
    if (name.size == 0 || name.size > KS_TOPIC_NAME_BYTES_MAX) {
        return ks_error_set(error, KAFSCALE_INVALID, "A topic name has 1 to %d characters",
                            KS_TOPIC_NAME_BYTES_MAX);
    }
    for (size_t i = 0; i < name.size; i++) {
        if (!is_name_byte(name.data[i])) {
            return ks_error_set(error, KAFSCALE_INVALID,
                                "A topic name consists of ASCII letters, digits, '.', '_' and '-'");
        }
    }
    if (ks_slice_equals(name, ks_slice_of_text(".")) ||
        ks_slice_equals(name, ks_slice_of_text(".."))) {
        return ks_error_set(error, KAFSCALE_INVALID, "A topic name can't be '.' or '..'");
    }
    if (name.size >= strlen(RESERVED_PREFIX) &&
        memcmp(name.data, RESERVED_PREFIX, strlen(RESERVED_PREFIX)) == 0) {
        return ks_error_set(error, KAFSCALE_INVALID, "Topic names beginning with %s are reserved",
                            RESERVED_PREFIX);
    }
    return KAFSCALE_OK;
}

bool
ks_topic_name_is_internal(struct kafscale_slice name)
{
    return ks_slice_equals(name, ks_slice_of_text("__consumer_offsets")) ||
           ks_slice_equals(name, ks_slice_of_text("__transaction_state"));
}

bool
ks_topic_name_is_legal(struct kafscale_slice name)
{
    struct kafscale_error error = { 0 };

    return ks_topic_name_check(name, &error) == KAFSCALE_OK;
}
