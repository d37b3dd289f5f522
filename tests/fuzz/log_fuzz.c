/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the log keeps in stores. The first byte of an input says what the rest is: the head of a
 * write-ahead object, a partition register, head, entries or register of a bundle. The checksum is
 * put right, since whoever writes to a bucket can do that too.
 */
#include "fuzz/fuzz.h"
#include "log/format/bundle_format.h"
#include "log/format/registers.h"
#include "log/format/wal_format.h"

#define OBJECT_BYTES_MAX (64u << 20)

/* --- Write-ahead objects ---------------------------------------------------------------------- */

static bool
copy_entries(struct kafscale_slice bytes, uint32_t count, struct ks_buffer *out)
{
    struct ks_cursor entries = ks_cursor(bytes);
    struct ks_wal_entry entry;
    uint32_t taken = 0;

    while (ks_wal_next_entry(&entries, &entry)) {
        demand(entry.last_offset >= entry.base_offset);
        ks_wal_append_entry(out, &entry);
        taken++;
    }
    demand(ks_cursor_failed(&entries) || taken == count);
    return !ks_cursor_failed(&entries);
}

/* Writes what can be read of a directory; false when a part of it can't. */
static bool
copy_directory(struct kafscale_slice bytes, struct ks_buffer *out)
{
    struct ks_cursor directory = ks_cursor(bytes);
    struct ks_wal_section section;

    while (ks_wal_next_section(&directory, &section)) {
        demand(section.partition >= 0);
        demand(section.entries.size <= bytes.size);
        ks_wal_append_section(out, &section);
        if (!copy_entries(section.entries, section.entry_count, out)) {
            return false;
        }
    }
    return !ks_cursor_failed(&directory);
}

/* What is written has no spare bytes; from then on it must stay as it is. */
static void
rewrite_object(struct ks_wal_header *header, struct kafscale_slice directory)
{
    struct kafscale_error error = { 0 };
    struct ks_buffer copy;
    struct ks_buffer again;
    struct ks_buffer head;
    struct ks_wal_header header_again;
    struct kafscale_slice directory_again;

    ks_buffer_init(&copy, OBJECT_BYTES_MAX);
    ks_buffer_init(&again, OBJECT_BYTES_MAX);
    ks_buffer_init(&head, OBJECT_BYTES_MAX);
    if (copy_directory(directory, &copy)) {
        ks_wal_write_head(&head, header, ks_buffer_slice(&copy));
        demand(ks_wal_read_head(ks_buffer_slice(&head), &header_again, &directory_again, &error) ==
               KAFSCALE_OK);
        demand(header_again.crc == header->crc);
        demand(header_again.sequence == header->sequence);
        demand(header_again.body_bytes == header->body_bytes);
        demand(ks_id_equals(&header_again.nonce, &header->nonce));
        demand(copy_directory(directory_again, &again));
        demand(ks_slice_equals(ks_buffer_slice(&copy), ks_buffer_slice(&again)));
    }
    ks_buffer_deinit(&head);
    ks_buffer_deinit(&again);
    ks_buffer_deinit(&copy);
}

static void
try_object(struct kafscale_slice bytes)
{
    struct kafscale_error error = { 0 };
    uint8_t *copy = copy_bytes(bytes);
    struct ks_wal_header header;
    struct kafscale_slice directory;
    size_t head_bytes;

    bytes.data = copy;
    if (ks_wal_head_bytes(bytes, &head_bytes, &error) == KAFSCALE_OK && head_bytes <= bytes.size) {
        size_t before_bytes = ks_get_u32(copy + 6) - 4;
        uint32_t crc = ks_crc32c(0, copy, before_bytes);

        crc = ks_crc32c(crc, copy + before_bytes + 4, head_bytes - before_bytes - 4);
        ks_put_u32(copy + before_bytes, crc);
    }
    error = (struct kafscale_error){ 0 };
    if (ks_wal_read_head(bytes, &header, &directory, &error) == KAFSCALE_OK) {
        rewrite_object(&header, directory);
    } else {
        demand(error.text[0] != '\0');
    }
    free(copy);
}

/* --- Registers -------------------------------------------------------------------------------- */

static void
demand_same_written(const struct ks_register *a, const struct ks_register *b)
{
    struct ks_buffer written[2];

    ks_buffer_init(&written[0], OBJECT_BYTES_MAX);
    ks_buffer_init(&written[1], OBJECT_BYTES_MAX);
    ks_register_encode(a, &written[0]);
    ks_register_encode(b, &written[1]);
    demand(ks_slice_equals(ks_buffer_slice(&written[0]), ks_buffer_slice(&written[1])));
    ks_buffer_deinit(&written[0]);
    ks_buffer_deinit(&written[1]);
}

static void
rewrite_register(const struct ks_register *reg)
{
    struct kafscale_error error = { 0 };
    struct ks_register again = { 0 };
    struct ks_buffer written;

    ks_buffer_init(&written, OBJECT_BYTES_MAX);
    ks_register_encode(reg, &written);
    demand(ks_register_decode(ks_buffer_slice(&written), &again, &error) == KAFSCALE_OK);
    demand_same_written(reg, &again);
    ks_register_deinit(&again);
    ks_buffer_deinit(&written);
}

/* Without its empty elements a register holds the same records, so dropping again drops nothing. */
static void
try_dropping(struct ks_register *reg)
{
    size_t count;

    ks_register_drop_empty(reg);
    count = reg->chain_count;
    ks_register_drop_empty(reg);
    demand(reg->chain_count == count);
    rewrite_register(reg);
}

static void
try_register(struct kafscale_slice bytes)
{
    struct kafscale_error error = { 0 };
    struct ks_register reg = { 0 };
    struct ks_register copy = { 0 };

    if (ks_register_decode(bytes, &reg, &error) == KAFSCALE_OK) {
        demand(reg.chain_count <= bytes.size);
        rewrite_register(&reg);
        demand(ks_register_copy(&reg, &copy) == KAFSCALE_OK);
        demand_same_written(&reg, &copy);
        try_dropping(&copy);
    } else {
        demand(error.text[0] != '\0');
    }
    ks_register_deinit(&copy);
    ks_register_deinit(&reg);
}

/* --- Bundles ---------------------------------------------------------------------------------- */

static void
try_sections(const struct ks_bundle_header *header, struct kafscale_slice bytes)
{
    struct ks_cursor directory = ks_cursor(bytes);
    uint64_t total_bytes = ks_bundle_total_bytes(header);
    struct ks_bundle_section section;
    struct ks_buffer copy;

    ks_buffer_init(&copy, OBJECT_BYTES_MAX);
    while (ks_bundle_next_section(&directory, header, &section)) {
        struct ks_bundle_section again;
        struct ks_cursor cursor;

        demand(section.state_position + section.state_bytes <= total_bytes);
        demand(section.entries_position + section.entries_bytes <= total_bytes);
        demand(section.body_position + section.body_bytes <= total_bytes);
        ks_buffer_clear(&copy);
        ks_bundle_append_section(&copy, &section);
        cursor = ks_cursor(ks_buffer_slice(&copy));
        demand(ks_bundle_next_section(&cursor, header, &again));
        demand(again.end_offset == section.end_offset);
    }
    ks_buffer_deinit(&copy);
}

static void
try_bundle(struct kafscale_slice bytes)
{
    struct kafscale_error error = { 0 };
    uint8_t *copy = copy_bytes(bytes);
    struct ks_bundle_header header;
    struct kafscale_slice directory;
    size_t head_bytes;

    bytes.data = copy;
    if (ks_bundle_head_bytes(bytes, &head_bytes, &error) == KAFSCALE_OK &&
        head_bytes <= bytes.size) {
        size_t before_bytes = ks_get_u32(copy + 6) - 4;
        uint32_t crc = ks_crc32c(0, copy, before_bytes);

        crc = ks_crc32c(crc, copy + before_bytes + 4, head_bytes - before_bytes - 4);
        ks_put_u32(copy + before_bytes, crc);
    }
    error = (struct kafscale_error){ 0 };
    if (ks_bundle_read_head(bytes, &header, &directory, &error) == KAFSCALE_OK) {
        demand(header.first <= header.last);
        try_sections(&header, directory);
    } else {
        demand(error.text[0] != '\0');
    }
    free(copy);
}

static void
try_bundle_entries(struct kafscale_slice bytes)
{
    struct ks_cursor entries = ks_cursor(bytes);
    struct ks_bundle_entry entry;
    struct ks_buffer copy;

    ks_buffer_init(&copy, OBJECT_BYTES_MAX);
    while (ks_bundle_next_entry(&entries, &entry)) {
        demand(entry.batch.last_offset >= entry.batch.base_offset);
        ks_bundle_append_entry(&copy, &entry);
    }
    demand(copy.size <= bytes.size);
    ks_buffer_deinit(&copy);
}

static void
try_bundle_register(struct kafscale_slice bytes)
{
    struct ks_id incarnation = { { 1 } };
    struct kafscale_error error = { 0 };
    struct ks_bundle_register reg;
    char key[KS_BUNDLE_REGISTER_KEY_BYTES];
    uint64_t first;

    ks_bundle_register_key(&incarnation, 5, key);
    if (ks_bundle_register_decode(key, bytes, &first, &reg, &error) == KAFSCALE_OK) {
        demand(first == 5);
        demand(reg.last >= first);
        demand(reg.part_count > 0);
        for (uint32_t part = 0; part < reg.part_count; part++) {
            struct ks_bundle_size size_of_part = ks_bundle_register_size(&reg, part);

            demand(size_of_part.head_bytes <= size_of_part.object_bytes);
            demand(ks_bundle_register_name(first, &reg, part).last == reg.last);
        }
    } else {
        demand(error.text[0] != '\0');
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    if (data[0] == 'w') {
        try_object(ks_slice(data + 1, size - 1));
    } else if (data[0] == 'b') {
        try_bundle(ks_slice(data + 1, size - 1));
    } else if (data[0] == 'e') {
        try_bundle_entries(ks_slice(data + 1, size - 1));
    } else if (data[0] == 'f') {
        try_bundle_register(ks_slice(data + 1, size - 1));
    } else {
        try_register(ks_slice(data + 1, size - 1));
    }
    return 0;
}
