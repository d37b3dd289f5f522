/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of bundles and their registers. A register of version 1 names one object, of version 2 the
 * parts of a merged bundle.
 */
#include "log/format/bundle_format.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define VERSION_SLOTS 1
#define VERSION_MERGED 2
#define SEQUENCE_DIGITS KS_DECIMAL_DIGITS
#define ATTEMPT_DIGITS 10
#define PART_DIGITS 5
#define SIZE_BYTES 12
#define NAME_BYTES 100

/* --- Names --- */

static void
write_name(const struct ks_bundle_name *name, char text_out[NAME_BYTES])
{
    if (name->attempt == 0) {
        snprintf(text_out, NAME_BYTES, "%020" PRIu64 "-%020" PRIu64, name->first, name->last);
    } else {
        snprintf(text_out, NAME_BYTES,
                 "%020" PRIu64 "-%020" PRIu64 ".%010" PRIu32 ".%05" PRIu32 "%s", name->first,
                 name->last, name->attempt, name->part, name->is_last ? "-last" : "");
    }
}

void
ks_bundle_key(const char *ns, const struct ks_id *incarnation, const struct ks_bundle_name *name,
              char key_out[KS_BUNDLE_KEY_BYTES])
{
    char hex[KS_ID_HEX_BYTES];
    char text[NAME_BYTES];
    int size;

    ks_id_to_hex(incarnation, hex);
    write_name(name, text);
    size = snprintf(key_out, KS_BUNDLE_KEY_BYTES, "%s/__kafscale/bundle/%s/%s", ns, hex, text);
    assert(size > 0);
    assert(size < KS_BUNDLE_KEY_BYTES);
}

bool
ks_bundle_name_parse(const char *text, struct ks_bundle_name *name_out)
{
    struct ks_bundle_name name = { 0 };
    char again[NAME_BYTES];
    size_t size = strlen(text);

    if (size < 2 * SEQUENCE_DIGITS + 1) {
        return false;
    }
    name.first = strtoull(text, NULL, 10);
    name.last = strtoull(text + SEQUENCE_DIGITS + 1, NULL, 10);
    if (size >= 2 * SEQUENCE_DIGITS + 3 + ATTEMPT_DIGITS + PART_DIGITS) {
        const char *attempt = text + 2 * (SEQUENCE_DIGITS + 1);
        const char *part = attempt + ATTEMPT_DIGITS + 1;

        name.attempt = (uint32_t) strtoul(attempt, NULL, 10);
        name.part = (uint32_t) strtoul(part, NULL, 10);
        name.is_last = strcmp(part + PART_DIGITS, "-last") == 0;
    }
    /* What isn't written as we write it is something else. */
    write_name(&name, again);
    if (strcmp(again, text) != 0 || name.last < name.first || name.last == UINT64_MAX ||
        name.part >= KS_BUNDLE_PARTS_MAX) {
        return false;
    }
    *name_out = name;
    return true;
}

bool
ks_bundle_name_is_same(const struct ks_bundle_name *a, const struct ks_bundle_name *b)
{
    return a->first == b->first && a->last == b->last && a->attempt == b->attempt;
}

/* --- Registers --- */

void
ks_bundle_register_prefix(const struct ks_id *incarnation,
                          char prefix_out[KS_BUNDLE_REGISTER_KEY_BYTES])
{
    char hex[KS_ID_HEX_BYTES];

    ks_id_to_hex(incarnation, hex);
    snprintf(prefix_out, KS_BUNDLE_REGISTER_KEY_BYTES, "bundle/%s/", hex);
}

void
ks_bundle_register_key(const struct ks_id *incarnation, uint64_t first,
                       char key_out[KS_BUNDLE_REGISTER_KEY_BYTES])
{
    char hex[KS_ID_HEX_BYTES];

    ks_id_to_hex(incarnation, hex);
    snprintf(key_out, KS_BUNDLE_REGISTER_KEY_BYTES, "bundle/%s/%020" PRIu64, hex, first);
}

void
ks_reader_register_key(const struct ks_id *incarnation, char key_out[KS_BUNDLE_REGISTER_KEY_BYTES])
{
    char hex[KS_ID_HEX_BYTES];

    ks_id_to_hex(incarnation, hex);
    snprintf(key_out, KS_BUNDLE_REGISTER_KEY_BYTES, "read/%s", hex);
}

void
ks_bundle_register_encode(const struct ks_bundle_register *reg,
                          uint8_t value_out[KS_BUNDLE_REGISTER_BYTES])
{
    assert(reg->attempt == 0);

    ks_put_u16(value_out, VERSION_SLOTS);
    ks_put_u16(value_out + 2, KS_BUNDLE_REGISTER_BYTES);
    ks_put_u64(value_out + 4, reg->last);
    ks_put_u64(value_out + 12, reg->size.object_bytes);
    ks_put_u32(value_out + 20, reg->size.head_bytes);
}

void
ks_merged_register_append(const struct ks_bundle_register *reg, struct ks_buffer *value)
{
    assert(reg->attempt > 0);
    assert(reg->part_count > 0);
    assert(reg->part_count <= KS_BUNDLE_PARTS_MAX);

    ks_buffer_append_u16(value, VERSION_MERGED);
    ks_buffer_append_u16(value, KS_BUNDLE_REGISTER_BYTES);
    ks_buffer_append_u64(value, reg->last);
    ks_buffer_append_u32(value, reg->attempt);
    ks_buffer_append_u16(value, (uint16_t) reg->level);
    ks_buffer_append_u16(value, SIZE_BYTES);
    ks_buffer_append_u32(value, reg->part_count);
}

void
ks_merged_register_append_size(const struct ks_bundle_size *size, struct ks_buffer *value)
{
    ks_buffer_append_u64(value, size->object_bytes);
    ks_buffer_append_u32(value, size->head_bytes);
}

/* The number after the last '/'. */
static bool
take_sequence(const char *key, uint64_t *sequence_out)
{
    const char *slash = strrchr(key, '/');

    return slash != NULL && ks_wal_slot_parse(slash + 1, sequence_out);
}

static bool
is_possible(const struct ks_bundle_size *size)
{
    return size->head_bytes >= KS_BUNDLE_HEADER_BYTES && size->head_bytes <= size->object_bytes;
}

/* What follows the version and length of a register of slots. */
static bool
take_slots(struct ks_cursor *cursor, struct ks_bundle_register *reg)
{
    reg->part_count = 1;
    reg->last = ks_cursor_u64(cursor);
    reg->size.object_bytes = ks_cursor_u64(cursor);
    reg->size.head_bytes = ks_cursor_u32(cursor);
    return !cursor->failed && is_possible(&reg->size);
}

/* The same of a merged one. `fields_bytes` lie before the sizes, which state their own length. */
static bool
take_merged(struct ks_cursor *cursor, uint16_t fields_bytes, struct kafscale_slice value,
            struct ks_bundle_register *reg)
{
    size_t size_bytes;

    reg->last = ks_cursor_u64(cursor);
    reg->attempt = ks_cursor_u32(cursor);
    reg->level = ks_cursor_u16(cursor);
    size_bytes = ks_cursor_u16(cursor);
    reg->part_count = ks_cursor_u32(cursor);
    if (cursor->failed || size_bytes != SIZE_BYTES || reg->attempt == 0 || reg->level == 0 ||
        reg->part_count == 0 || reg->part_count > KS_BUNDLE_PARTS_MAX ||
        value.size - fields_bytes != reg->part_count * size_bytes) {
        return false;
    }
    reg->sizes = ks_slice(value.data + fields_bytes, value.size - fields_bytes);
    for (uint32_t part = 0; part < reg->part_count; part++) {
        struct ks_bundle_size size = ks_bundle_register_size(reg, part);

        if (!is_possible(&size)) {
            return false;
        }
    }
    return true;
}

enum kafscale_status
ks_bundle_register_decode(const char *key, struct kafscale_slice value, uint64_t *first_out,
                          struct ks_bundle_register *reg_out, struct kafscale_error *error)
{
    struct ks_cursor cursor = ks_cursor(value);
    struct ks_bundle_register reg = { 0 };
    uint16_t version = ks_cursor_u16(&cursor);
    uint16_t size = ks_cursor_u16(&cursor);
    uint64_t first;
    bool is_right;

    if (!cursor.failed && version != VERSION_SLOTS && version != VERSION_MERGED) {
        return ks_error_set(error, KAFSCALE_UNSUPPORTED, "bundle register of version %u", version);
    }
    is_right = !cursor.failed && size >= KS_BUNDLE_REGISTER_BYTES && size <= value.size &&
               take_sequence(key, &first);
    if (is_right) {
        is_right = version == VERSION_SLOTS ? take_slots(&cursor, &reg)
                                            : take_merged(&cursor, size, value, &reg);
    }
    if (!is_right || reg.last < first || reg.last == UINT64_MAX) {
        return ks_error_set(error, KAFSCALE_CORRUPT, "damaged bundle register");
    }
    *first_out = first;
    *reg_out = reg;
    return KAFSCALE_OK;
}

struct ks_bundle_name
ks_bundle_register_name(uint64_t first, const struct ks_bundle_register *reg, uint32_t part)
{
    assert(part < reg->part_count);
    return (struct ks_bundle_name){ .first = first,
                                    .last = reg->last,
                                    .attempt = reg->attempt,
                                    .part = part,
                                    .is_last = reg->attempt > 0 && part + 1 == reg->part_count };
}

struct ks_bundle_size
ks_bundle_register_size(const struct ks_bundle_register *reg, uint32_t part)
{
    assert(part < reg->part_count);
    if (reg->attempt == 0) {
        return reg->size;
    }
    return (struct ks_bundle_size){
        .object_bytes = ks_get_u64(reg->sizes.data + (size_t) part * SIZE_BYTES),
        .head_bytes = ks_get_u32(reg->sizes.data + (size_t) part * SIZE_BYTES + 8),
    };
}
