/* SPDX-License-Identifier: Apache-2.0 */
/* The index gathers what header and footer say, so both follow from it. */
#include "log/format/segment_build.h"

enum kafscale_status
ks_segment_build_init(struct ks_segment_build *build, const struct ks_segment_place *place,
                      int64_t created_ms)
{
    ks_index_init(&build->index, place->base_offset);
    ks_buffer_init(&build->encoded, KS_INDEX_BYTES_MAX);
    build->index.name = place->name;
    build->index.cluster = place->cluster;
    build->index.topic_tag = ks_segment_topic_tag(&place->name.topic);
    build->index.created_ms = created_ms;
    return ks_index_follow(&build->index, place->before, place->log_start);
}

void
ks_segment_build_deinit(struct ks_segment_build *build)
{
    ks_index_deinit(&build->index);
    ks_buffer_deinit(&build->encoded);
}

enum kafscale_status
ks_segment_build_add(struct ks_segment_build *build, struct ks_producer_table *producers,
                     const struct ks_batch *batch, int64_t now_ms, struct kafscale_error *error)
{
    struct ks_wal_entry entry = ks_entry_of_batch(batch);
    enum kafscale_status status = ks_index_add_batch(&build->index, batch, error);

    if (status == KAFSCALE_OK) {
        status = ks_index_add_epoch(&build->index, batch->leader_epoch, batch->base_offset);
    }
    if (status == KAFSCALE_OK) {
        status = ks_producer_note_entry(producers, &entry, now_ms);
    }
    if (status == KAFSCALE_NO_MEMORY) {
        return ks_error_set(error, status, "no memory for an index");
    }
    return status;
}

enum kafscale_status
ks_segment_build_finish(struct ks_segment_build *build, struct ks_producer_table *producers,
                        struct kafscale_error *error)
{
    struct ks_index *index = &build->index;
    struct ks_producer_snapshot snapshot = { .name = index->name,
                                             .offset = index->last_offset + 1 };
    struct ks_segment_header header = { .base_offset = index->base_offset,
                                        .record_count = (int32_t) index->record_count,
                                        .created_ms = index->created_ms,
                                        .topic_tag = index->topic_tag };
    struct ks_segment_footer footer = { .body_crc = index->body_crc,
                                        .last_offset = index->last_offset };

    ks_producer_snapshot_encode(producers, &snapshot, &index->producers);
    ks_segment_write_header(build->header, &header);
    ks_segment_write_footer(build->footer, &footer);
    ks_index_encode(index, &build->encoded);
    if (ks_buffer_failed(&index->producers) || ks_buffer_failed(&build->encoded)) {
        return ks_error_set(error, KAFSCALE_NO_MEMORY, "no memory for an index");
    }
    return KAFSCALE_OK;
}
