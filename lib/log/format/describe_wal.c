/* SPDX-License-Identifier: Apache-2.0 */
/* Write-ahead objects and seals: what is damaged is told as far as it can be read. */
#include "log/format/describe_formats.h"

#include "log/format/check.h"

static const char *
kind_of_slot(uint16_t flags)
{
    if ((flags & KS_WAL_SEAL) != 0) {
        return "seal";
    }
    return (flags & KS_WAL_END) != 0 ? "end" : "write-ahead object";
}

void
ks_describe_entry(const struct ks_wal_entry *entry, const struct kafscale_describe *describe)
{
    ks_describe_begin(describe, NULL);
    ks_describe_number(describe, "base offset", entry->base_offset);
    ks_describe_number(describe, "last offset", entry->last_offset);
    ks_describe_number(describe, "records", entry->record_count);
    ks_describe_number(describe, "position", (int64_t) entry->position);
    ks_describe_number(describe, "bytes", entry->size_bytes);
    ks_describe_time(describe, "greatest timestamp", entry->max_timestamp_ms);
    if (entry->producer_id >= 0) {
        ks_describe_number(describe, "producer id", entry->producer_id);
        ks_describe_number(describe, "producer epoch", entry->producer_epoch);
        ks_describe_number(describe, "first sequence", entry->first_sequence);
        ks_describe_number(describe, "last sequence", entry->last_sequence);
    }
    ks_describe_crc(describe, "crc", entry->crc);
    ks_describe_end(describe);
}

/* The batches as the body has them, which is where damage shows. */
static void
describe_bodies(const struct ks_wal_section *section, struct kafscale_slice body,
                enum ks_describe_depth depth, const struct kafscale_describe *describe)
{
    struct ks_cursor entries = ks_cursor(section->entries);
    struct ks_wal_entry entry;

    ks_describe_begin_list(describe, "batches");
    while (ks_wal_next_entry(&entries, &entry)) {
        if (entry.position > body.size || entry.size_bytes > body.size - entry.position) {
            ks_describe_entry(&entry, describe);
            continue;
        }
        (void) ks_batch_describe(ks_slice(body.data + entry.position, entry.size_bytes),
                                 depth == KS_DESCRIBE_RECORDS, describe);
    }
    ks_describe_end(describe);
}

static void
describe_section(const struct ks_wal_section *section, struct kafscale_slice body,
                 enum ks_describe_depth depth, const struct kafscale_describe *describe)
{
    struct ks_cursor entries = ks_cursor(section->entries);
    struct ks_wal_entry entry;

    ks_describe_begin(describe, NULL);
    ks_describe_id(describe, "topic id", &section->topic);
    if (section->topic_name.size > 0) {
        ks_describe_bytes_as_text(describe, "topic", section->topic_name);
    }
    ks_describe_number(describe, "partition", section->partition);
    ks_describe_number(describe, "leader epoch", section->leader_epoch);
    ks_describe_number(describe, "entries", section->entry_count);
    if (depth == KS_DESCRIBE_HEAD) {
        ks_describe_begin_list(describe, "batches");
        while (ks_wal_next_entry(&entries, &entry)) {
            ks_describe_entry(&entry, describe);
        }
        ks_describe_end(describe);
    } else {
        describe_bodies(section, body, depth, describe);
    }
    ks_describe_end(describe);
}

static void
describe_wal_header(const struct ks_wal_header *header, const struct kafscale_describe *describe)
{
    ks_describe_text(describe, "kind", kind_of_slot(header->flags));
    ks_describe_id(describe, "cluster", &header->cluster);
    ks_describe_id(describe, "incarnation", &header->incarnation);
    ks_describe_number(describe, "sequence", (int64_t) header->sequence);
    ks_describe_id(describe, "nonce", &header->nonce);
    ks_describe_crc(describe, "chain before", header->chain);
    ks_describe_crc(describe, "chain after", header->crc);
    ks_describe_time(describe, "created", header->created_ms);
    ks_describe_number(describe, "directory bytes", header->directory_bytes);
    ks_describe_number(describe, "body bytes", (int64_t) header->body_bytes);
}

void
ks_describe_wal(struct kafscale_slice object, enum ks_describe_depth depth,
                const struct kafscale_describe *describe)
{
    struct kafscale_error error = { 0 };
    struct kafscale_slice directory;
    struct ks_wal_section section;
    struct ks_wal_header header;
    struct kafscale_slice body;
    struct ks_cursor cursor;
    size_t head_bytes;

    if (ks_wal_read_head(object, &header, &directory, &error) != KAFSCALE_OK) {
        ks_describe_text(describe, "kind", "write-ahead object");
        ks_describe_text(describe, "damage", error.text);
        return;
    }
    describe_wal_header(&header, describe);
    if (ks_wal_check(object, &error) != KAFSCALE_OK) {
        ks_describe_text(describe, "damage", error.text);
    }
    head_bytes = (size_t) header.header_bytes + header.directory_bytes;
    body = ks_slice(object.data + head_bytes, object.size - head_bytes);
    cursor = ks_cursor(directory);
    ks_describe_begin_list(describe, "sections");
    while (ks_wal_next_section(&cursor, &section)) {
        describe_section(&section, body, depth, describe);
    }
    ks_describe_end(describe);
}
