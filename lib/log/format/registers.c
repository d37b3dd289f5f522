/* SPDX-License-Identifier: Apache-2.0 */
/* Big-endian, with a version and with lengths stated, so that fields can be appended. */
#include "log/format/registers.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

#define REGISTER_VERSION 1
#define REGISTER_FIELDS_BYTES 67
#define ELEMENT_BYTES 39

void
ks_register_deinit(struct ks_register *reg)
{
    ks_free(reg->chain);
    *reg = (struct ks_register){ 0 };
}

enum kafscale_status
ks_register_copy(const struct ks_register *reg, struct ks_register *copy_out)
{
    struct ks_register copy = *reg;

    copy.chain = ks_alloc_zero(reg->chain_count, sizeof *copy.chain);
    if (copy.chain == NULL) {
        return KAFSCALE_NO_MEMORY;
    }
    if (reg->chain_count > 0) {
        memcpy(copy.chain, reg->chain, reg->chain_count * sizeof *copy.chain);
    }
    *copy_out = copy;
    return KAFSCALE_OK;
}

enum kafscale_status
ks_register_add(struct ks_register *reg, const struct ks_chain_element *element)
{
    struct ks_chain_element *chain;

    if (reg->chain_count >= KS_CHAIN_ELEMENTS_MAX) {
        return KAFSCALE_FULL;
    }
    chain = ks_realloc(reg->chain, (reg->chain_count + 1) * sizeof *chain);
    if (chain == NULL) {
        return KAFSCALE_NO_MEMORY;
    }
    chain[reg->chain_count] = *element;
    reg->chain = chain;
    reg->chain_count++;
    return KAFSCALE_OK;
}

int64_t
ks_register_element_end(const struct ks_register *reg, size_t i)
{
    for (size_t j = i + 1; j < reg->chain_count; j++) {
        if (reg->chain[j].is_activated) {
            return reg->chain[j].base_offset;
        }
    }
    return INT64_MAX;
}

void
ks_register_drop_empty(struct ks_register *reg)
{
    size_t kept = 0;

    for (size_t i = 0; i < reg->chain_count; i++) {
        const struct ks_chain_element *element = &reg->chain[i];

        if (i + 1 < reg->chain_count &&
            (!element->is_activated || ks_register_element_end(reg, i) == element->base_offset)) {
            continue;
        }
        reg->chain[kept++] = *element;
    }
    reg->chain_count = kept;
}

void
ks_register_encode(const struct ks_register *reg, struct ks_buffer *out)
{
    ks_buffer_append_u16(out, REGISTER_VERSION);
    ks_buffer_append_u16(out, REGISTER_FIELDS_BYTES);
    ks_buffer_append_u32(out, (uint32_t) reg->epoch);
    ks_buffer_append_u8(out, (uint8_t) reg->state);
    ks_buffer_append(out, reg->owner.bytes, KS_ID_BYTES);
    ks_buffer_append_u64(out, (uint64_t) reg->log_start);
    ks_buffer_append_u64(out, (uint64_t) reg->compacted_upto);
    ks_buffer_append_u64(out, (uint64_t) reg->imported_end);
    ks_buffer_append_u64(out, (uint64_t) reg->cleaned_upto);
    ks_buffer_append_u32(out, reg->clean_generation);
    ks_buffer_append_u16(out, 0);
    ks_buffer_append_u64(out, (uint64_t) reg->segment_base);
    ks_buffer_append_u32(out, (uint32_t) reg->chain_count);
    for (size_t i = 0; i < reg->chain_count; i++) {
        const struct ks_chain_element *element = &reg->chain[i];

        ks_buffer_append_u16(out, ELEMENT_BYTES);
        ks_buffer_append_u32(out, (uint32_t) element->epoch);
        ks_buffer_append(out, element->incarnation.bytes, KS_ID_BYTES);
        ks_buffer_append_u8(out, element->is_activated);
        ks_buffer_append_u64(out, (uint64_t) element->base_offset);
        ks_buffer_append_u64(out, element->closed_end);
    }
}

static struct ks_register
take_fields(struct ks_cursor *cursor)
{
    struct ks_register reg = { 0 };

    reg.epoch = (int32_t) ks_cursor_u32(cursor);
    reg.state = (enum ks_register_state) ks_cursor_u8(cursor);
    ks_cursor_copy(cursor, reg.owner.bytes, KS_ID_BYTES);
    reg.log_start = (int64_t) ks_cursor_u64(cursor);
    reg.compacted_upto = (int64_t) ks_cursor_u64(cursor);
    reg.imported_end = (int64_t) ks_cursor_u64(cursor);
    reg.cleaned_upto = (int64_t) ks_cursor_u64(cursor);
    reg.clean_generation = ks_cursor_u32(cursor);
    (void) ks_cursor_u16(cursor);
    reg.segment_base = -1;
    if (ks_cursor_left(cursor) > 0) {
        reg.segment_base = (int64_t) ks_cursor_u64(cursor);
    }
    return reg;
}

static struct ks_chain_element
take_element(struct ks_cursor *cursor)
{
    struct ks_chain_element element = { 0 };
    uint16_t size = ks_cursor_u16(cursor);
    struct ks_cursor own;

    if (size < ELEMENT_BYTES) {
        cursor->failed = true;
        return element;
    }
    own = ks_cursor(ks_cursor_take(cursor, size - 2u));
    element.epoch = (int32_t) ks_cursor_u32(&own);
    ks_cursor_copy(&own, element.incarnation.bytes, KS_ID_BYTES);
    element.is_activated = ks_cursor_u8(&own) != 0;
    element.base_offset = (int64_t) ks_cursor_u64(&own);
    element.closed_end = ks_cursor_u64(&own);
    return element;
}

enum kafscale_status
ks_register_decode(struct kafscale_slice bytes, struct ks_register *reg_out,
                   struct kafscale_error *error)
{
    struct ks_cursor cursor = ks_cursor(bytes);
    struct ks_register reg;
    struct ks_cursor fields;
    uint16_t version = ks_cursor_u16(&cursor);
    uint16_t fields_bytes = ks_cursor_u16(&cursor);
    uint32_t count;

    if (version != REGISTER_VERSION) {
        return ks_error_set(error, KAFSCALE_UNSUPPORTED, "partition register of version %u",
                            version);
    }
    fields = ks_cursor(ks_cursor_take(&cursor, fields_bytes));
    reg = take_fields(&fields);
    count = ks_cursor_u32(&cursor);
    if (fields.failed || cursor.failed || count > ks_cursor_left(&cursor) / ELEMENT_BYTES ||
        reg.epoch < 0 || reg.log_start < 0 || reg.compacted_upto < 0 || reg.segment_base < -1 ||
        reg.state > KS_REGISTER_RELEASED) {
        return ks_error_set(error, KAFSCALE_CORRUPT, "damaged partition register");
    }
    reg.chain = ks_alloc_zero(count, sizeof *reg.chain);
    if (reg.chain == NULL) {
        return ks_error_set(error, KAFSCALE_NO_MEMORY, "out of memory for a partition register");
    }
    reg.chain_count = count;
    for (uint32_t i = 0; i < count; i++) {
        reg.chain[i] = take_element(&cursor);
        cursor.failed |= reg.chain[i].epoch > reg.epoch || reg.chain[i].base_offset < 0 ||
                         (i > 0 && reg.chain[i].epoch <= reg.chain[i - 1].epoch);
    }
    if (cursor.failed) {
        ks_register_deinit(&reg);
        return ks_error_set(error, KAFSCALE_CORRUPT, "damaged partition register");
    }
    *reg_out = reg;
    return KAFSCALE_OK;
}

void
ks_register_key(const struct ks_partition_name *name, char key_out[KS_REGISTER_KEY_BYTES])
{
    char hex[KS_ID_HEX_BYTES];

    ks_id_to_hex(&name->topic, hex);
    snprintf(key_out, KS_REGISTER_KEY_BYTES, "part/%s/%" PRId32, hex, name->index);
}

void
ks_topic_key(const struct ks_id *topic, char key_out[KS_REGISTER_KEY_BYTES])
{
    char hex[KS_ID_HEX_BYTES];

    ks_id_to_hex(topic, hex);
    snprintf(key_out, KS_REGISTER_KEY_BYTES, "topic/%s", hex);
}

void
ks_trim_key(const struct ks_id *incarnation, char key_out[KS_REGISTER_KEY_BYTES])
{
    char hex[KS_ID_HEX_BYTES];

    ks_id_to_hex(incarnation, hex);
    snprintf(key_out, KS_REGISTER_KEY_BYTES, "trim/%s", hex);
}

uint64_t
ks_trim_mark_of(const struct kafscale_meta_entry *entries, size_t entry_count)
{
    return entry_count == 1 && entries[0].value.size == 8 ? ks_get_u64(entries[0].value.data) : 0;
}

/* The first key that isn't below `key`. */
static size_t
lower_bound(const struct kafscale_meta_entry *entries, size_t entry_count, const char *key)
{
    size_t low = 0;
    size_t high = entry_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (strcmp(entries[middle].key, key) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

const struct kafscale_meta_entry *
ks_find_entry(const struct kafscale_meta_entry *entries, size_t entry_count, const char *key)
{
    size_t place = lower_bound(entries, entry_count, key);

    return place < entry_count && strcmp(entries[place].key, key) == 0 ? &entries[place] : NULL;
}

bool
ks_has_entry_below(const struct kafscale_meta_entry *entries, size_t entry_count,
                   const char *prefix)
{
    size_t place = lower_bound(entries, entry_count, prefix);

    return place < entry_count && strncmp(entries[place].key, prefix, strlen(prefix)) == 0;
}
