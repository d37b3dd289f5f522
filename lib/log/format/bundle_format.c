/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Encoding and decoding of bundles. Decoders take nothing on trust: what a
 * section points to is held against the lengths that the header states.
 */
#include "log/format/bundle_format.h"

#include <assert.h>

#define SPARE_BYTES 18
/* Beyond these an object is impossible, and sums of lengths can't overflow. */
#define BYTES_MAX (UINT64_C(1) << 48)

static_assert(KS_BUNDLE_HEADER_BYTES ==
                  4 + 2 + 4 + 16 + 16 + 8 + 8 + 4 + 4 + 8 + 4 + 4 + 8 + 8 + 8 + SPARE_BYTES + 4,
              "the header's fields, spare bytes and the CRC");
static_assert(KS_BUNDLE_ENTRY_BYTES == 2 + 8 + 8 + KS_WAL_ENTRY_BYTES,
              "the slot's fields and the entry of the write-ahead object");

void
ks_bundle_append_section(struct ks_buffer *directory, const struct ks_bundle_section *section)
{
    assert(section->topic_name.size <= UINT16_MAX);

    ks_buffer_append_u32(directory,
                         (uint32_t) (KS_BUNDLE_SECTION_BYTES + section->topic_name.size));
    ks_buffer_append(directory, section->topic.bytes, KS_ID_BYTES);
    ks_buffer_append_u32(directory, (uint32_t) section->partition);
    ks_buffer_append_u32(directory, (uint32_t) section->leader_epoch);
    ks_buffer_append_u64(directory, (uint64_t) section->base_offset);
    ks_buffer_append_u64(directory, (uint64_t) section->end_offset);
    ks_buffer_append_u64(directory, (uint64_t) section->max_timestamp_ms);
    ks_buffer_append_u32(directory, section->entry_count);
    ks_buffer_append_u32(directory, section->batch_bytes_max);
    ks_buffer_append_u64(directory, section->entries_position);
    ks_buffer_append_u32(directory, section->entries_bytes);
    ks_buffer_append_u32(directory, section->entries_crc);
    ks_buffer_append_u64(directory, section->state_position);
    ks_buffer_append_u32(directory, section->state_bytes);
    ks_buffer_append_u64(directory, section->body_position);
    ks_buffer_append_u64(directory, section->body_bytes);
    ks_buffer_append_u16(directory, (uint16_t) section->topic_name.size);
    ks_buffer_append(directory, section->topic_name.data, section->topic_name.size);
}

void
ks_bundle_append_entry(struct ks_buffer *entries, const struct ks_bundle_entry *entry)
{
    ks_buffer_append_u16(entries, KS_BUNDLE_ENTRY_BYTES);
    ks_buffer_append_u64(entries, entry->slot);
    ks_buffer_append_u64(entries, (uint64_t) entry->created_ms);
    ks_wal_append_entry(entries, &entry->batch);
}

void
ks_bundle_write_head(struct ks_buffer *head, struct ks_bundle_header *header,
                     struct kafscale_slice directory)
{
    static const uint8_t spare[SPARE_BYTES];

    assert(directory.size <= KS_BUNDLE_DIRECTORY_BYTES_MAX);

    header->header_bytes = KS_BUNDLE_HEADER_BYTES;
    header->directory_bytes = (uint32_t) directory.size;
    ks_buffer_clear(head);
    ks_buffer_append_u32(head, KS_BUNDLE_MAGIC);
    ks_buffer_append_u16(head, KS_BUNDLE_VERSION);
    ks_buffer_append_u32(head, KS_BUNDLE_HEADER_BYTES);
    ks_buffer_append_u32(head, header->directory_bytes);
    ks_buffer_append(head, header->cluster.bytes, KS_ID_BYTES);
    ks_buffer_append(head, header->incarnation.bytes, KS_ID_BYTES);
    ks_buffer_append_u64(head, header->first);
    ks_buffer_append_u64(head, header->last);
    ks_buffer_append_u32(head, header->chain_before);
    ks_buffer_append_u32(head, header->chain_after);
    ks_buffer_append_u64(head, (uint64_t) header->created_ms);
    ks_buffer_append_u32(head, header->section_count);
    ks_buffer_append_u64(head, header->states_bytes);
    ks_buffer_append_u64(head, header->entries_bytes);
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
ks_bundle_write_trailer(uint8_t trailer_out[KS_BUNDLE_TRAILER_BYTES], uint64_t total_bytes,
                        uint32_t crc)
{
    ks_put_u64(trailer_out, total_bytes);
    ks_put_u32(trailer_out + 8, crc);
    ks_put_u32(trailer_out + 12, KS_BUNDLE_TRAILER_MAGIC);
}

enum kafscale_status
ks_bundle_head_bytes(struct kafscale_slice bytes, size_t *size_out, struct kafscale_error *error)
{
    uint32_t header_bytes;
    uint32_t directory_bytes;

    if (bytes.size < KS_BUNDLE_HEADER_BYTES || ks_get_u32(bytes.data) != KS_BUNDLE_MAGIC) {
        return ks_error_set(error, KAFSCALE_CORRUPT, "not a bundle");
    }
    if (ks_get_u16(bytes.data + 4) != KS_BUNDLE_VERSION) {
        return ks_error_set(error, KAFSCALE_UNSUPPORTED, "bundle of version %u",
                            ks_get_u16(bytes.data + 4));
    }
    header_bytes = ks_get_u32(bytes.data + 6);
    directory_bytes = ks_get_u32(bytes.data + 10);
    if (header_bytes < KS_BUNDLE_HEADER_BYTES || header_bytes > UINT16_MAX ||
        directory_bytes > KS_BUNDLE_DIRECTORY_BYTES_MAX) {
        return ks_error_set(error, KAFSCALE_CORRUPT, "impossible lengths in a bundle");
    }
    *size_out = (size_t) header_bytes + directory_bytes;
    return KAFSCALE_OK;
}

static struct ks_bundle_header
take_header(struct ks_cursor *cursor)
{
    struct ks_bundle_header header = { 0 };

    (void) ks_cursor_take(cursor, 6);
    header.header_bytes = ks_cursor_u32(cursor);
    header.directory_bytes = ks_cursor_u32(cursor);
    ks_cursor_copy(cursor, header.cluster.bytes, KS_ID_BYTES);
    ks_cursor_copy(cursor, header.incarnation.bytes, KS_ID_BYTES);
    header.first = ks_cursor_u64(cursor);
    header.last = ks_cursor_u64(cursor);
    header.chain_before = ks_cursor_u32(cursor);
    header.chain_after = ks_cursor_u32(cursor);
    header.created_ms = (int64_t) ks_cursor_u64(cursor);
    header.section_count = ks_cursor_u32(cursor);
    header.states_bytes = ks_cursor_u64(cursor);
    header.entries_bytes = ks_cursor_u64(cursor);
    header.body_bytes = ks_cursor_u64(cursor);
    return header;
}

enum kafscale_status
ks_bundle_read_head(struct kafscale_slice bytes, struct ks_bundle_header *header_out,
                    struct kafscale_slice *directory_out, struct kafscale_error *error)
{
    struct ks_cursor cursor = ks_cursor(bytes);
    struct ks_bundle_header header;
    struct kafscale_slice directory;
    enum kafscale_status status;
    size_t head_bytes;

    status = ks_bundle_head_bytes(bytes, &head_bytes, error);
    if (status != KAFSCALE_OK) {
        return status;
    }
    if (bytes.size < head_bytes) {
        return ks_error_set(error, KAFSCALE_CORRUPT, "bundle cut short");
    }
    header = take_header(&cursor);
    directory = ks_slice(bytes.data + header.header_bytes, header.directory_bytes);
    header.crc = ks_get_u32(directory.data - 4);
    if (ks_crc32c(ks_crc32c(0, bytes.data, header.header_bytes - 4), directory.data,
                  directory.size) != header.crc) {
        return ks_error_set(error, KAFSCALE_CORRUPT, "wrong checksum in a bundle");
    }
    if (header.last < header.first || header.last == UINT64_MAX ||
        header.states_bytes > BYTES_MAX || header.entries_bytes > BYTES_MAX ||
        header.body_bytes > BYTES_MAX) {
        return ks_error_set(error, KAFSCALE_CORRUPT, "impossible lengths in a bundle");
    }
    *header_out = header;
    *directory_out = directory;
    return KAFSCALE_OK;
}

static uint64_t
states_position(const struct ks_bundle_header *header)
{
    return (uint64_t) header->header_bytes + header->directory_bytes;
}

uint64_t
ks_bundle_total_bytes(const struct ks_bundle_header *header)
{
    return states_position(header) + header->states_bytes + header->entries_bytes +
           header->body_bytes + KS_BUNDLE_TRAILER_BYTES;
}

static bool
lies_in(uint64_t position, uint64_t bytes, uint64_t area_position, uint64_t area_bytes)
{
    return position >= area_position && position - area_position <= area_bytes &&
           bytes <= area_bytes - (position - area_position);
}

static bool
is_possible(const struct ks_bundle_header *header, const struct ks_bundle_section *section)
{
    uint64_t states = states_position(header);
    uint64_t entries = states + header->states_bytes;
    uint64_t body = entries + header->entries_bytes;

    return section->partition >= 0 && section->leader_epoch >= 0 && section->base_offset >= 0 &&
           section->end_offset > section->base_offset && section->entry_count > 0 &&
           section->entries_bytes / KS_BUNDLE_ENTRY_BYTES >= section->entry_count &&
           section->batch_bytes_max >= KS_BATCH_HEADER_BYTES &&
           section->batch_bytes_max <= section->body_bytes && section->state_bytes > 0 &&
           lies_in(section->state_position, section->state_bytes, states, header->states_bytes) &&
           lies_in(section->entries_position, section->entries_bytes, entries,
                   header->entries_bytes) &&
           lies_in(section->body_position, section->body_bytes, body, header->body_bytes);
}

static struct ks_bundle_section
take_section(struct ks_cursor *head)
{
    struct ks_bundle_section section = { 0 };

    ks_cursor_copy(head, section.topic.bytes, KS_ID_BYTES);
    section.partition = (int32_t) ks_cursor_u32(head);
    section.leader_epoch = (int32_t) ks_cursor_u32(head);
    section.base_offset = (int64_t) ks_cursor_u64(head);
    section.end_offset = (int64_t) ks_cursor_u64(head);
    section.max_timestamp_ms = (int64_t) ks_cursor_u64(head);
    section.entry_count = ks_cursor_u32(head);
    section.batch_bytes_max = ks_cursor_u32(head);
    section.entries_position = ks_cursor_u64(head);
    section.entries_bytes = ks_cursor_u32(head);
    section.entries_crc = ks_cursor_u32(head);
    section.state_position = ks_cursor_u64(head);
    section.state_bytes = ks_cursor_u32(head);
    section.body_position = ks_cursor_u64(head);
    section.body_bytes = ks_cursor_u64(head);
    section.topic_name = ks_cursor_take(head, ks_cursor_u16(head));
    return section;
}

bool
ks_bundle_next_section(struct ks_cursor *directory, const struct ks_bundle_header *header,
                       struct ks_bundle_section *section_out)
{
    struct ks_bundle_section section;
    struct ks_cursor head;
    uint32_t head_bytes;

    if (ks_cursor_left(directory) == 0) {
        return false;
    }
    head_bytes = ks_cursor_u32(directory);
    if (head_bytes < KS_BUNDLE_SECTION_BYTES) {
        directory->failed = true;
        return false;
    }
    head = ks_cursor(ks_cursor_take(directory, head_bytes - 4));
    section = take_section(&head);
    if (directory->failed || head.failed || !is_possible(header, &section)) {
        directory->failed = true;
        return false;
    }
    *section_out = section;
    return true;
}

bool
ks_bundle_next_entry(struct ks_cursor *entries, struct ks_bundle_entry *entry_out)
{
    struct ks_bundle_entry entry;
    struct ks_cursor cursor;
    uint16_t entry_bytes;

    if (ks_cursor_left(entries) == 0) {
        return false;
    }
    entry_bytes = ks_cursor_u16(entries);
    if (entry_bytes < KS_BUNDLE_ENTRY_BYTES) {
        entries->failed = true;
        return false;
    }
    cursor = ks_cursor(ks_cursor_take(entries, entry_bytes - 2u));
    entry.slot = ks_cursor_u64(&cursor);
    entry.created_ms = (int64_t) ks_cursor_u64(&cursor);
    if (!ks_wal_next_entry(&cursor, &entry.batch)) {
        entries->failed = true;
        return false;
    }
    *entry_out = entry;
    return true;
}
