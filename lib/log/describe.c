/* SPDX-License-Identifier: Apache-2.0 */
/* One function a format; what is damaged is told as far as it can be read. */
#include "log/describe.h"

#include "log/registers.h"
#include "log/wal_format.h"
#include "record/record.h"

#include <string.h>

/* --- Write-ahead objects --- */

static const char *
kind_of_slot(uint16_t flags)
{
    if ((flags & KS_WAL_SEAL) != 0) {
        return "seal";
    }
    return (flags & KS_WAL_END) != 0 ? "end" : "write-ahead object";
}

static void
describe_entry(const struct ks_wal_entry *entry, const struct kafscale_describe *describe)
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
            describe_entry(&entry, describe);
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
            describe_entry(&entry, describe);
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

static void
describe_trailer(struct kafscale_slice object, const struct kafscale_describe *describe)
{
    const uint8_t *trailer = object.data + object.size - KS_WAL_TRAILER_BYTES;

    if (object.size < KS_WAL_HEADER_BYTES + KS_WAL_TRAILER_BYTES ||
        ks_get_u32(trailer + 12) != KS_WAL_TRAILER_MAGIC || ks_get_u64(trailer) != object.size) {
        ks_describe_text(describe, "damage", "the object has no trailer: it is cut off");
    } else if (ks_get_u32(trailer + 8) !=
               ks_crc32c(0, object.data, object.size - KS_WAL_TRAILER_BYTES)) {
        ks_describe_text(describe, "damage", "the checksum of the object is wrong");
    }
}

static void
describe_wal(struct kafscale_slice object, enum ks_describe_depth depth,
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
    describe_trailer(object, describe);
    head_bytes = (size_t) header.header_bytes + header.directory_bytes;
    body = ks_slice(object.data + head_bytes, object.size - head_bytes);
    cursor = ks_cursor(directory);
    ks_describe_begin_list(describe, "sections");
    while (ks_wal_next_section(&cursor, &section)) {
        describe_section(&section, body, depth, describe);
    }
    ks_describe_end(describe);
    if (ks_cursor_failed(&cursor)) {
        ks_describe_text(describe, "damage", "the directory is damaged");
    }
}

/* --- Objects by their magic --- */

struct format {
    uint32_t magic;
    void (*describe)(struct kafscale_slice object, enum ks_describe_depth depth,
                     const struct kafscale_describe *describe);
};

static const struct format formats[] = {
    { KS_WAL_MAGIC, describe_wal },
};

bool
ks_log_describe(struct kafscale_slice object, enum ks_describe_depth depth,
                const struct kafscale_describe *describe)
{
    for (size_t i = 0; object.size >= 4 && i < sizeof formats / sizeof *formats; i++) {
        if (ks_get_u32(object.data) == formats[i].magic) {
            formats[i].describe(object, depth, describe);
            return true;
        }
    }
    return false;
}

/* --- Registers --- */

static void
describe_element(const struct ks_chain_element *element, const struct kafscale_describe *describe)
{
    ks_describe_begin(describe, NULL);
    ks_describe_number(describe, "epoch", element->epoch);
    ks_describe_id(describe, "incarnation", &element->incarnation);
    ks_describe_bool(describe, "activated", element->is_activated);
    ks_describe_number(describe, "base offset", element->base_offset);
    if (element->closed_end != KS_END_OPEN) {
        ks_describe_number(describe, "closed end", (int64_t) element->closed_end);
    }
    ks_describe_end(describe);
}

static void
describe_register(struct kafscale_slice value, const struct kafscale_describe *describe)
{
    static const char *const states[] = { "unowned", "claimed", "active", "released" };
    struct kafscale_error error = { 0 };
    struct ks_register reg;

    if (ks_register_decode(value, &reg, &error) != KAFSCALE_OK) {
        ks_describe_text(describe, "damage", error.text);
        return;
    }
    ks_describe_number(describe, "epoch", reg.epoch);
    ks_describe_text(describe, "state", states[reg.state]);
    ks_describe_id(describe, "owner", &reg.owner);
    ks_describe_number(describe, "log start", reg.log_start);
    ks_describe_number(describe, "compacted up to", reg.compacted_upto);
    ks_describe_number(describe, "imported end", reg.imported_end);
    ks_describe_begin_list(describe, "chain");
    for (size_t i = 0; i < reg.chain_count; i++) {
        describe_element(&reg.chain[i], describe);
    }
    ks_describe_end(describe);
    ks_register_deinit(&reg);
}

bool
ks_log_describe_value(const char *key, struct kafscale_slice value,
                      const struct kafscale_describe *describe)
{
    if (strncmp(key, "part/", 5) == 0) {
        describe_register(value, describe);
        return true;
    }
    if (strncmp(key, "trim/", 5) == 0 && value.size == 8) {
        ks_describe_number(describe, "first slot", (int64_t) ks_get_u64(value.data));
        return true;
    }
    return false;
}
