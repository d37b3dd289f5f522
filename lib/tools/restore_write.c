/* SPDX-License-Identifier: Apache-2.0 */
/* The index first, then the segment, as brokers do (docs/durability.md). */
#include "tools/restore_write.h"

#define SEGMENT_BYTES (8u << 20)
#define OBJECT_BYTES_MAX (SEGMENT_BYTES + (128u << 20)) /* with one batch of any size */

void
ks_segment_writer_init(struct ks_segment_writer *writer, struct ks_session *session,
                       const char *prefix, const struct ks_partition_name *name,
                       const struct ks_id *cluster, int64_t log_start)
{
    *writer = (struct ks_segment_writer){
        .session = session,
        .home = { .ns = session->ns, .prefix = prefix, .partition = name->index },
        .name = *name,
        .cluster = *cluster,
        .log_start = log_start,
        .end_offset = log_start,
        .last_base = -1,
    };
    ks_buffer_init(&writer->object, OBJECT_BYTES_MAX);
    ks_producer_table_init(&writer->producers, ks_env_random_u64(session->env), KS_PRODUCERS_MAX,
                           INT64_MAX);
}

void
ks_segment_writer_deinit(struct ks_segment_writer *writer)
{
    ks_segment_build_deinit(&writer->build);
    ks_index_deinit(&writer->previous);
    ks_buffer_deinit(&writer->object);
    ks_producer_table_deinit(&writer->producers);
}

static enum kafscale_status
begin_segment(struct ks_segment_writer *writer, struct kafscale_error *error)
{
    struct ks_segment_place place = { .name = writer->name,
                                      .cluster = writer->cluster,
                                      .base_offset = writer->end_offset,
                                      .log_start = writer->log_start,
                                      .before = writer->segments > 0 ? &writer->previous : NULL };
    enum kafscale_status status;

    writer->is_building = true;
    ks_buffer_clear(&writer->object);
    (void) ks_buffer_extend(&writer->object, KS_SEGMENT_HEADER_BYTES);
    status = ks_segment_build_init(&writer->build, &place, ks_env_wall_ms(writer->session->env));
    if (status != KAFSCALE_OK) {
        return ks_error_set(error, status, "no memory for an index");
    }
    return KAFSCALE_OK;
}

static enum kafscale_status
put(struct ks_segment_writer *writer, enum ks_segment_kind kind, const struct ks_buffer *bytes,
    struct kafscale_error *error)
{
    char key[KS_SEGMENT_KEY_BYTES];

    ks_segment_key(&writer->home, writer->build.index.base_offset, kind, key);
    return ks_session_create(writer->session, key, ks_buffer_slice(bytes), error);
}

enum kafscale_status
ks_segment_writer_finish(struct ks_segment_writer *writer, struct kafscale_error *error)
{
    enum kafscale_status status;

    if (!writer->is_building) {
        return KAFSCALE_OK;
    }
    status = ks_segment_build_finish(&writer->build, &writer->producers, error);
    if (status != KAFSCALE_OK) {
        return status;
    }
    ks_buffer_append(&writer->object, writer->build.footer, KS_SEGMENT_FOOTER_BYTES);
    if (ks_buffer_failed(&writer->object)) {
        return ks_error_set(error, KAFSCALE_NO_MEMORY, "no memory for a segment");
    }
    memcpy(writer->object.data, writer->build.header, KS_SEGMENT_HEADER_BYTES);
    status = put(writer, KS_SEGMENT_INDEX, &writer->build.encoded, error);
    if (status == KAFSCALE_OK) {
        status = put(writer, KS_SEGMENT_BODY, &writer->object, error);
    }
    if (status != KAFSCALE_OK) {
        return status;
    }
    writer->segments++;
    writer->records += writer->build.index.record_count;
    writer->last_base = writer->build.index.base_offset;
    ks_index_deinit(&writer->previous);
    writer->previous = writer->build.index;
    writer->build.index = (struct ks_index){ 0 };
    ks_segment_build_deinit(&writer->build);
    writer->is_building = false;
    return KAFSCALE_OK;
}

/*
 * As far as it is known when the batch was appended: what clients say of their records, but in the
 * future, where its producer would never expire.
 */
static int64_t
appended_ms(const struct ks_segment_writer *writer, const struct ks_batch *batch)
{
    int64_t latest_ms = writer->build.index.created_ms;

    if (batch->max_timestamp < 0) {
        return 0;
    }
    return batch->max_timestamp < latest_ms ? batch->max_timestamp : latest_ms;
}

enum kafscale_status
ks_segment_writer_add(struct ks_segment_writer *writer, const struct ks_batch *batch,
                      struct kafscale_error *error)
{
    enum kafscale_status status = KAFSCALE_OK;

    if (writer->is_building &&
        writer->object.size + batch->bytes.size + KS_SEGMENT_FOOTER_BYTES > SEGMENT_BYTES) {
        status = ks_segment_writer_finish(writer, error);
    }
    if (status == KAFSCALE_OK && !writer->is_building) {
        status = begin_segment(writer, error);
    }
    if (status == KAFSCALE_OK) {
        status = ks_segment_build_add(&writer->build, &writer->producers, batch,
                                      appended_ms(writer, batch), error);
    }
    if (status != KAFSCALE_OK) {
        return status;
    }
    ks_buffer_append(&writer->object, batch->bytes.data, batch->bytes.size);
    writer->end_offset = ks_batch_last_offset(batch) + 1;
    return ks_buffer_failed(&writer->object)
               ? ks_error_set(error, KAFSCALE_NO_MEMORY, "no memory for a segment")
               : KAFSCALE_OK;
}
