/* SPDX-License-Identifier: Apache-2.0 */
/* Segments and their indexes. A segment is described alone: its index is another object. */
#include "log/format/describe_formats.h"

#include "record/record.h"

/* --- Segments --- */

static void
describe_body(struct kafscale_slice body, enum ks_describe_depth depth,
              const struct kafscale_describe *describe)
{
    size_t position = 0;

    ks_describe_begin_list(describe, "batches");
    while (position < body.size) {
        size_t size = ks_batch_describe(ks_slice(body.data + position, body.size - position),
                                        depth == KS_DESCRIBE_RECORDS, describe);

        if (size == 0) {
            break;
        }
        position += size;
    }
    ks_describe_end(describe);
}

void
ks_describe_segment(struct kafscale_slice object, enum ks_describe_depth depth,
                    const struct kafscale_describe *describe)
{
    struct kafscale_error error = { 0 };
    struct ks_segment_header header;
    struct ks_segment_footer footer;
    struct kafscale_slice body;

    ks_describe_text(describe, "kind", "segment");
    if (ks_segment_read_header(object, &header, &error) != KAFSCALE_OK ||
        object.size < KS_SEGMENT_HEADER_BYTES + KS_SEGMENT_FOOTER_BYTES) {
        ks_describe_text(describe, "damage",
                         error.status != KAFSCALE_OK ? error.text : "the segment is cut off");
        return;
    }
    ks_describe_number(describe, "base offset", header.base_offset);
    ks_describe_number(describe, "records", header.record_count);
    ks_describe_time(describe, "created", header.created_ms);
    ks_describe_crc(describe, "topic tag", header.topic_tag);
    body = ks_slice(object.data + KS_SEGMENT_HEADER_BYTES,
                    object.size - KS_SEGMENT_HEADER_BYTES - KS_SEGMENT_FOOTER_BYTES);
    if (ks_segment_read_footer(ks_slice(body.data + body.size, KS_SEGMENT_FOOTER_BYTES), &footer,
                               &error) != KAFSCALE_OK) {
        ks_describe_text(describe, "damage", error.text);
    } else {
        ks_describe_number(describe, "last offset", footer.last_offset);
        if (ks_crc32c(0, body.data, body.size) != footer.body_crc) {
            ks_describe_text(describe, "damage", "the checksum of the body is wrong");
        }
    }
    if (depth != KS_DESCRIBE_HEAD) {
        describe_body(body, depth, describe);
    }
}

/* --- Indexes --- */

static void
describe_partition(const struct ks_index *index, const struct kafscale_describe *describe)
{
    ks_describe_begin(describe, "partition so far");
    ks_describe_number(describe, "segments", (int64_t) index->totals.segments);
    ks_describe_number(describe, "records", (int64_t) index->totals.records);
    ks_describe_number(describe, "bytes", (int64_t) index->totals.bytes);
    ks_describe_begin_list(describe, "leader epochs");
    for (size_t i = 0; i < index->epoch_count; i++) {
        ks_describe_begin(describe, NULL);
        ks_describe_number(describe, "epoch", index->epochs[i].epoch);
        ks_describe_number(describe, "offset", index->epochs[i].offset);
        ks_describe_end(describe);
    }
    ks_describe_end(describe);
    if (index->producers.size > 0) {
        ks_describe_begin(describe, "producer state");
        ks_describe_producers(ks_buffer_slice(&index->producers), describe);
        ks_describe_end(describe);
    }
    ks_describe_end(describe);
}

static void
describe_extension(const struct ks_index *index, const struct kafscale_describe *describe)
{
    ks_describe_id(describe, "cluster", &index->cluster);
    ks_describe_id(describe, "topic id", &index->name.topic);
    ks_describe_number(describe, "partition", index->name.index);
    ks_describe_number(describe, "base offset", index->base_offset);
    ks_describe_number(describe, "last offset", index->last_offset);
    ks_describe_number(describe, "batches", index->batch_count);
    ks_describe_number(describe, "records", (int64_t) index->record_count);
    ks_describe_number(describe, "body bytes", (int64_t) index->body_bytes);
    ks_describe_crc(describe, "body crc", index->body_crc);
    ks_describe_time(describe, "created", index->created_ms);
    ks_describe_time(describe, "greatest timestamp", index->max_timestamp_ms);
    if (index->has_partition) {
        describe_partition(index, describe);
    }
}

void
ks_describe_index(struct kafscale_slice object, enum ks_describe_depth depth,
                  const struct kafscale_describe *describe)
{
    struct kafscale_error error = { 0 };
    struct ks_index index;

    ks_describe_text(describe, "kind", "index");
    if (ks_index_decode(object, &index, &error) != KAFSCALE_OK) {
        ks_describe_text(describe, "damage", error.text);
        return;
    }
    ks_describe_bool(describe, "extension", index.is_ours);
    if (index.is_ours) {
        describe_extension(&index, describe);
    }
    ks_describe_number(describe, "entries", (int64_t) index.entry_count);
    if (depth != KS_DESCRIBE_HEAD) {
        ks_describe_begin_list(describe, "places");
        for (size_t i = 0; i < index.entry_count; i++) {
            ks_describe_begin(describe, NULL);
            ks_describe_number(describe, "offset", index.entries[i].offset);
            ks_describe_number(describe, "position", index.entries[i].position);
            ks_describe_end(describe);
        }
        ks_describe_end(describe);
    }
    ks_index_deinit(&index);
}
