/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Encoding and decoding of write-ahead objects. Decoders take nothing on trust: a bucket is an
 * input.
 */
#include "log/format/wal_format.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

static_assert(KS_WAL_HEADER_BYTES == 4 + 2 + 4 + 2 + 16 + 16 + 8 + 16 + 4 + 8 + 4 + 4 + 8 + 10 + 4,
              "the header's fields, ten spare bytes and the CRC");

#define SPARE_BYTES 10

void
ks_wal_key(const char *ns, const struct ks_id *incarnation, uint64_t sequence,
           char key_out[KS_WAL_KEY_BYTES])
{
    char hex[KS_ID_HEX_BYTES];
    int size;

    ks_id_to_hex(incarnation, hex);
    size =
        snprintf(key_out, KS_WAL_KEY_BYTES, "%s/__kafscale/wal/%s/%020" PRIu64, ns, hex, sequence);
    assert(size > 0);
    assert(size < KS_WAL_KEY_BYTES);
}

bool
ks_wal_slot_parse(const char *text, uint64_t *sequence_out)
{
    uint64_t sequence;

    if (!ks_decimal_parse(text, KS_DECIMAL_DIGITS, &sequence) || text[KS_DECIMAL_DIGITS] != '\0' ||
        sequence == UINT64_MAX) {
        return false;
    }
    *sequence_out = sequence;
    return true;
}

void
ks_wal_append_section(struct ks_buffer *directory, const struct ks_wal_section *section)
{
    assert(section->topic_name.size <= UINT16_MAX);

    ks_buffer_append_u32(directory, (uint32_t) (KS_WAL_SECTION_BYTES + section->topic_name.size));
    ks_buffer_append(directory, section->topic.bytes, KS_ID_BYTES);
    ks_buffer_append_u32(directory, (uint32_t) section->partition);
    ks_buffer_append_u32(directory, (uint32_t) section->leader_epoch);
    ks_buffer_append_u32(directory, section->entry_count);
    ks_buffer_append_u16(directory, (uint16_t) section->topic_name.size);
    ks_buffer_append(directory, section->topic_name.data, section->topic_name.size);
}

void
ks_wal_append_entry(struct ks_buffer *directory, const struct ks_wal_entry *entry)
{
    ks_buffer_append_u16(directory, KS_WAL_ENTRY_BYTES);
    ks_buffer_append_u16(directory, entry->attributes);
    ks_buffer_append_u32(directory, (uint32_t) entry->record_count);
    ks_buffer_append_u64(directory, (uint64_t) entry->base_offset);
    ks_buffer_append_u64(directory, (uint64_t) entry->last_offset);
    ks_buffer_append_u64(directory, (uint64_t) entry->producer_id);
    ks_buffer_append_u16(directory, (uint16_t) entry->producer_epoch);
    ks_buffer_append_u32(directory, (uint32_t) entry->first_sequence);
    ks_buffer_append_u32(directory, (uint32_t) entry->last_sequence);
    ks_buffer_append_u64(directory, (uint64_t) entry->max_timestamp_ms);
    ks_buffer_append_u64(directory, entry->position);
    ks_buffer_append_u32(directory, entry->size_bytes);
    ks_buffer_append_u32(directory, entry->crc);
    ks_buffer_append_u16(directory, (uint16_t) entry->control_type);
    ks_buffer_append_u32(directory, (uint32_t) entry->coordinator_epoch);
}

void
ks_wal_write_head(struct ks_buffer *head, struct ks_wal_header *header,
                  struct kafscale_slice directory)
{
    static const uint8_t spare[SPARE_BYTES];

    assert(directory.size <= KS_WAL_DIRECTORY_BYTES_MAX);

    header->header_bytes = KS_WAL_HEADER_BYTES;
    header->directory_bytes = (uint32_t) directory.size;
    ks_buffer_clear(head);
    ks_buffer_append_u32(head, KS_WAL_MAGIC);
    ks_buffer_append_u16(head, KS_WAL_VERSION);
    ks_buffer_append_u32(head, KS_WAL_HEADER_BYTES);
    ks_buffer_append_u16(head, header->flags);
    ks_buffer_append(head, header->cluster.bytes, KS_ID_BYTES);
    ks_buffer_append(head, header->incarnation.bytes, KS_ID_BYTES);
    ks_buffer_append_u64(head, header->sequence);
    ks_buffer_append(head, header->nonce.bytes, KS_ID_BYTES);
    ks_buffer_append_u32(head, header->chain);
    ks_buffer_append_u64(head, (uint64_t) header->created_ms);
    ks_buffer_append_u32(head, header->section_count);
    ks_buffer_append_u32(head, header->directory_bytes);
    ks_buffer_append_u64(head, header->body_bytes);
    ks_buffer_append(head, spare, sizeof spare);
    if (ks_buffer_failed(head)) {
        return;
    }
    header->crc = ks_crc32c(ks_crc32c(0, head->data, head->size), directory.data, directory.size);
    ks_buffer_append_u32(head, header->crc);
    ks_buffer_append(head, directory.data, directory.size);
}

void
ks_wal_write_trailer(uint8_t trailer_out[KS_WAL_TRAILER_BYTES], uint64_t total_bytes, uint32_t crc)
{
    ks_put_u64(trailer_out, total_bytes);
    ks_put_u32(trailer_out + 8, crc);
    ks_put_u32(trailer_out + 12, KS_WAL_TRAILER_MAGIC);
}

enum kafscale_status
ks_wal_head_bytes(struct kafscale_slice bytes, size_t *size_out, struct kafscale_error *error)
{
    uint32_t header_bytes;
    uint32_t directory_bytes;

    if (bytes.size < KS_WAL_HEADER_BYTES || ks_get_u32(bytes.data) != KS_WAL_MAGIC) {
        return ks_error_set(error, KAFSCALE_CORRUPT, "not a write-ahead object");
    }
    if (ks_get_u16(bytes.data + 4) != KS_WAL_VERSION) {
        return ks_error_set(error, KAFSCALE_UNSUPPORTED, "write-ahead object of version %u",
                            ks_get_u16(bytes.data + 4));
    }
    header_bytes = ks_get_u32(bytes.data + 6);
    directory_bytes = ks_get_u32(bytes.data + 84);
    if (header_bytes < KS_WAL_HEADER_BYTES || header_bytes > UINT16_MAX ||
        directory_bytes > KS_WAL_DIRECTORY_BYTES_MAX) {
        return ks_error_set(error, KAFSCALE_CORRUPT, "impossible lengths in a write-ahead object");
    }
    *size_out = (size_t) header_bytes + directory_bytes;
    return KAFSCALE_OK;
}

static struct ks_wal_header
take_header(struct ks_cursor *cursor)
{
    struct ks_wal_header header = { 0 };

    (void) ks_cursor_take(cursor, 6);
    header.header_bytes = ks_cursor_u32(cursor);
    header.flags = ks_cursor_u16(cursor);
    ks_cursor_copy(cursor, header.cluster.bytes, KS_ID_BYTES);
    ks_cursor_copy(cursor, header.incarnation.bytes, KS_ID_BYTES);
    header.sequence = ks_cursor_u64(cursor);
    ks_cursor_copy(cursor, header.nonce.bytes, KS_ID_BYTES);
    header.chain = ks_cursor_u32(cursor);
    header.created_ms = (int64_t) ks_cursor_u64(cursor);
    header.section_count = ks_cursor_u32(cursor);
    header.directory_bytes = ks_cursor_u32(cursor);
    header.body_bytes = ks_cursor_u64(cursor);
    return header;
}

enum kafscale_status
ks_wal_read_head(struct kafscale_slice bytes, struct ks_wal_header *header_out,
                 struct kafscale_slice *directory_out, struct kafscale_error *error)
{
    struct ks_cursor cursor = ks_cursor(bytes);
    struct ks_wal_header header;
    struct kafscale_slice directory;
    enum kafscale_status status;
    size_t head_bytes;

    status = ks_wal_head_bytes(bytes, &head_bytes, error);
    if (status != KAFSCALE_OK) {
        return status;
    }
    if (bytes.size < head_bytes) {
        return ks_error_set(error, KAFSCALE_CORRUPT, "write-ahead object cut short");
    }
    header = take_header(&cursor);
    directory = ks_slice(bytes.data + header.header_bytes, header.directory_bytes);
    header.crc = ks_get_u32(directory.data - 4);
    if (ks_crc32c(ks_crc32c(0, bytes.data, header.header_bytes - 4), directory.data,
                  directory.size) != header.crc) {
        return ks_error_set(error, KAFSCALE_CORRUPT, "wrong checksum in a write-ahead object");
    }
    *header_out = header;
    *directory_out = directory;
    return KAFSCALE_OK;
}

bool
ks_wal_next_section(struct ks_cursor *directory, struct ks_wal_section *section_out)
{
    struct ks_wal_section section = { 0 };
    struct ks_cursor head;
    struct ks_cursor skip;
    uint32_t head_bytes;

    if (ks_cursor_left(directory) == 0) {
        return false;
    }
    head_bytes = ks_cursor_u32(directory);
    if (head_bytes < KS_WAL_SECTION_BYTES) {
        directory->failed = true;
        return false;
    }
    head = ks_cursor(ks_cursor_take(directory, head_bytes - 4));
    ks_cursor_copy(&head, section.topic.bytes, KS_ID_BYTES);
    section.partition = (int32_t) ks_cursor_u32(&head);
    section.leader_epoch = (int32_t) ks_cursor_u32(&head);
    section.entry_count = ks_cursor_u32(&head);
    section.topic_name = ks_cursor_take(&head, ks_cursor_u16(&head));
    skip = *directory;
    for (uint32_t i = 0; i < section.entry_count && !skip.failed; i++) {
        uint16_t entry_bytes = ks_cursor_u16(&skip);

        (void) ks_cursor_take(&skip, entry_bytes >= 2 ? entry_bytes - 2u : SIZE_MAX);
    }
    section.entries = ks_slice(directory->position, (size_t) (skip.position - directory->position));
    *directory = skip;
    if (head.failed || skip.failed || section.partition < 0) {
        directory->failed = true;
        return false;
    }
    *section_out = section;
    return true;
}

bool
ks_wal_next_entry(struct ks_cursor *entries, struct ks_wal_entry *entry_out)
{
    struct ks_wal_entry entry;
    struct ks_cursor cursor;
    uint16_t entry_bytes;

    if (ks_cursor_left(entries) == 0) {
        return false;
    }
    entry_bytes = ks_cursor_u16(entries);
    if (entry_bytes < KS_WAL_ENTRY_BYTES) {
        entries->failed = true;
        return false;
    }
    cursor = ks_cursor(ks_cursor_take(entries, entry_bytes - 2u));
    entry.attributes = ks_cursor_u16(&cursor);
    entry.record_count = (int32_t) ks_cursor_u32(&cursor);
    entry.base_offset = (int64_t) ks_cursor_u64(&cursor);
    entry.last_offset = (int64_t) ks_cursor_u64(&cursor);
    entry.producer_id = (int64_t) ks_cursor_u64(&cursor);
    entry.producer_epoch = (int16_t) ks_cursor_u16(&cursor);
    entry.first_sequence = (int32_t) ks_cursor_u32(&cursor);
    entry.last_sequence = (int32_t) ks_cursor_u32(&cursor);
    entry.max_timestamp_ms = (int64_t) ks_cursor_u64(&cursor);
    entry.position = ks_cursor_u64(&cursor);
    entry.size_bytes = ks_cursor_u32(&cursor);
    entry.crc = ks_cursor_u32(&cursor);
    entry.control_type = (int16_t) ks_cursor_u16(&cursor);
    entry.coordinator_epoch = (int32_t) ks_cursor_u32(&cursor);
    if (cursor.failed || entry.base_offset < 0 || entry.last_offset < entry.base_offset ||
        entry.last_offset == INT64_MAX || entry.size_bytes < KS_BATCH_HEADER_BYTES) {
        entries->failed = true;
        return false;
    }
    *entry_out = entry;
    return true;
}
