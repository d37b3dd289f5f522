/* SPDX-License-Identifier: Apache-2.0 */
/* Head, trailer, then every batch where the directory says it lies. */
#include "log/format/check.h"

#include "log/read/stored_batch.h"

#include <inttypes.h>

#define TRAILER_BYTES 16

/* Both kinds of objects end alike: length, CRC of everything before the trailer, magic. */
static enum kafscale_status
check_trailer(struct kafscale_slice object, uint64_t total_bytes, uint32_t magic,
              struct kafscale_error *error)
{
    const uint8_t *trailer = object.data + object.size - TRAILER_BYTES;

    if (object.size != total_bytes) {
        return ks_error_set(error, KAFSCALE_CORRUPT, "the object has %zu bytes instead of %" PRIu64,
                            object.size, total_bytes);
    }
    if (ks_get_u64(trailer) != total_bytes || ks_get_u32(trailer + 12) != magic) {
        return ks_error_set(error, KAFSCALE_CORRUPT, "the object doesn't end with its trailer");
    }
    if (ks_get_u32(trailer + 8) != ks_crc32c(0, object.data, object.size - TRAILER_BYTES)) {
        return ks_error_set(error, KAFSCALE_CORRUPT, "the checksum of the object is wrong");
    }
    return KAFSCALE_OK;
}

/* A batch in `bytes`, against its entry, whose position counts from their first byte. */
static enum kafscale_status
check_batch(struct kafscale_slice bytes, const struct ks_wal_entry *entry,
            struct kafscale_error *error)
{
    struct ks_stored_batch stored = ks_stored_batch_of(entry);
    struct ks_batch batch;
    enum kafscale_status status = ks_stored_batch_find(&stored, bytes, 0, &batch, error);

    if (status == KAFSCALE_OK && ks_batch_last_offset(&batch) != entry->last_offset) {
        return ks_error_set(error, KAFSCALE_CORRUPT,
                            "the batch at offset %" PRId64
                            " ends elsewhere than the directory says",
                            entry->base_offset);
    }
    return status;
}

/* --- Write-ahead objects --- */

static enum kafscale_status
check_wal_section(const struct ks_wal_section *section, struct kafscale_slice body,
                  struct kafscale_error *error)
{
    struct ks_cursor entries = ks_cursor(section->entries);
    enum kafscale_status status = KAFSCALE_OK;
    struct ks_wal_entry entry;
    uint32_t count = 0;

    while (status == KAFSCALE_OK && ks_wal_next_entry(&entries, &entry)) {
        status = check_batch(body, &entry, error);
        count++;
    }
    if (status == KAFSCALE_OK && (ks_cursor_failed(&entries) || count != section->entry_count)) {
        status = ks_error_set(error, KAFSCALE_CORRUPT, "the entries of a section are damaged");
    }
    return status;
}

enum kafscale_status
ks_wal_check(struct kafscale_slice object, struct kafscale_error *error)
{
    struct kafscale_slice directory;
    struct ks_wal_section section;
    struct ks_wal_header header;
    struct kafscale_slice body;
    struct ks_cursor cursor;
    enum kafscale_status status;
    uint64_t head_bytes;
    uint32_t count = 0;

    status = ks_wal_read_head(object, &header, &directory, error);
    if (status != KAFSCALE_OK) {
        return status;
    }
    head_bytes = (uint64_t) header.header_bytes + header.directory_bytes;
    status = check_trailer(object, head_bytes + header.body_bytes + KS_WAL_TRAILER_BYTES,
                           KS_WAL_TRAILER_MAGIC, error);
    if (status != KAFSCALE_OK) {
        return status;
    }
    body = ks_slice(object.data + head_bytes, (size_t) header.body_bytes);
    cursor = ks_cursor(directory);
    while (status == KAFSCALE_OK && ks_wal_next_section(&cursor, &section)) {
        status = check_wal_section(&section, body, error);
        count++;
    }
    if (status == KAFSCALE_OK && (ks_cursor_failed(&cursor) || count != header.section_count)) {
        status = ks_error_set(error, KAFSCALE_CORRUPT, "the directory is damaged");
    }
    return status;
}

/* --- Bundles --- */

static enum kafscale_status
check_bundle_section(const struct ks_bundle_section *section, struct kafscale_slice object,
                     struct kafscale_error *error)
{
    struct kafscale_slice entries =
        ks_slice(object.data + section->entries_position, section->entries_bytes);
    struct ks_cursor cursor = ks_cursor(entries);
    int64_t next_offset = section->base_offset;
    enum kafscale_status status = KAFSCALE_OK;
    struct ks_bundle_entry entry;
    uint32_t count = 0;

    if (ks_crc32c(0, entries.data, entries.size) != section->entries_crc) {
        return ks_error_set(error, KAFSCALE_CORRUPT, "wrong checksum of a section's entries");
    }
    while (status == KAFSCALE_OK && ks_bundle_next_entry(&cursor, &entry)) {
        status = check_batch(object, &entry.batch, error);
        if (status == KAFSCALE_OK && entry.batch.base_offset < next_offset) {
            status = ks_error_set(error, KAFSCALE_CORRUPT, "batches are out of order");
        }
        next_offset = entry.batch.last_offset + 1;
        count++;
    }
    if (status == KAFSCALE_OK && (ks_cursor_failed(&cursor) || count != section->entry_count ||
                                  next_offset != section->end_offset)) {
        status = ks_error_set(error, KAFSCALE_CORRUPT, "the entries of a section are damaged");
    }
    return status;
}

static enum kafscale_status
check_bundle_state(const struct ks_bundle_section *section, struct kafscale_slice object,
                   struct kafscale_error *error)
{
    struct kafscale_slice state =
        ks_slice(object.data + section->state_position, section->state_bytes);
    struct ks_producer_snapshot snapshot;
    struct ks_producer_table producers;
    enum kafscale_status status;

    ks_producer_table_init(&producers, 0, UINT32_MAX, INT64_MAX);
    status = ks_producer_snapshot_decode(state, &producers, &snapshot, error);
    ks_producer_table_deinit(&producers);
    if (status == KAFSCALE_OK &&
        (snapshot.offset != section->end_offset || snapshot.name.index != section->partition ||
         !ks_id_equals(&snapshot.name.topic, &section->topic))) {
        status = ks_error_set(error, KAFSCALE_CORRUPT, "it belongs elsewhere");
    }
    if (status != KAFSCALE_OK) {
        ks_error_wrap(error, "the producer state at offset %" PRId64, section->end_offset);
    }
    return status;
}

enum kafscale_status
ks_bundle_check(struct kafscale_slice object, struct kafscale_error *error)
{
    struct ks_bundle_section section;
    struct ks_bundle_header header;
    struct kafscale_slice directory;
    struct ks_cursor cursor;
    enum kafscale_status status = ks_bundle_read_head(object, &header, &directory, error);
    uint32_t count = 0;

    if (status == KAFSCALE_OK) {
        status =
            check_trailer(object, ks_bundle_total_bytes(&header), KS_BUNDLE_TRAILER_MAGIC, error);
    }
    if (status != KAFSCALE_OK) {
        return status;
    }
    cursor = ks_cursor(directory);
    while (status == KAFSCALE_OK && ks_bundle_next_section(&cursor, &header, &section)) {
        status = check_bundle_section(&section, object, error);
        if (status == KAFSCALE_OK && section.state_bytes > 0) {
            status = check_bundle_state(&section, object, error);
        }
        count++;
    }
    if (status == KAFSCALE_OK && (ks_cursor_failed(&cursor) || count != header.section_count)) {
        status = ks_error_set(error, KAFSCALE_CORRUPT, "the directory is damaged");
    }
    return status;
}

/* --- Segments --- */

static bool
entries_are_the_same(const struct ks_index *a, const struct ks_index *b)
{
    for (size_t i = 0; i < a->entry_count && i < b->entry_count; i++) {
        if (a->entries[i].offset != b->entries[i].offset ||
            a->entries[i].position != b->entries[i].position) {
            return false;
        }
    }
    return a->entry_count == b->entry_count;
}

enum kafscale_status
ks_segment_check(struct kafscale_slice object, const struct ks_index *index,
                 struct kafscale_error *error)
{
    struct ks_index rebuilt;
    enum kafscale_status status = ks_index_rebuild(object, index->base_offset, &rebuilt, error);

    if (status != KAFSCALE_OK) {
        return status;
    }
    if (index->is_ours &&
        (rebuilt.last_offset != index->last_offset || rebuilt.body_bytes != index->body_bytes ||
         rebuilt.body_crc != index->body_crc || rebuilt.topic_tag != index->topic_tag)) {
        status =
            ks_error_set(error, KAFSCALE_CORRUPT, "it is not the segment that its index describes");
    } else if (rebuilt.interval == index->interval && !entries_are_the_same(&rebuilt, index)) {
        status = ks_error_set(error, KAFSCALE_CORRUPT, "its index points to other places");
    }
    ks_index_deinit(&rebuilt);
    return status;
}
