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
    ks_producer_table_init(&writer->producers, ks_env_random_u64(session->env), UINT32_MAX,
                           INT64_MAX);
}

void
ks_segment_writer_deinit(struct ks_segment_writer *writer)
{
    if (writer->has_index) {
        ks_index_deinit(&writer->index);
    }
    ks_index_deinit(&writer->previous);
    ks_buffer_deinit(&writer->object);
    ks_producer_table_deinit(&writer->producers);
}

static enum kafscale_status
begin_segment(struct ks_segment_writer *writer, struct kafscale_error *error)
{
    struct ks_index *index = &writer->index;
    const struct ks_index *before = writer->segments > 0 ? &writer->previous : NULL;
    enum kafscale_status status;

    ks_index_init(index, writer->end_offset);
    writer->has_index = true;
    index->is_ours = true;
    index->has_partition = true;
    index->name = writer->name;
    index->cluster = writer->cluster;
    index->topic_tag = ks_segment_topic_tag(&writer->name.topic);
    index->created_ms = ks_env_wall_ms(writer->session->env);
    ks_buffer_clear(&writer->object);
    (void) ks_buffer_extend(&writer->object, KS_SEGMENT_HEADER_BYTES);
    status = ks_index_follow(index, before, writer->log_start);
    if (status != KAFSCALE_OK) {
        return ks_error_set(error, status, "no memory for an index");
    }
    return KAFSCALE_OK;
}

/* What the log's directories say of a batch, as far as producers are concerned. */
static struct ks_wal_entry
entry_of(const struct ks_batch *batch)
{
    bool has_producer = batch->producer_id >= 0;

    return (struct ks_wal_entry){
        .attributes = (uint16_t) batch->attributes,
        .base_offset = batch->base_offset,
        .last_offset = ks_batch_last_offset(batch),
        .producer_id = batch->producer_id,
        .producer_epoch = batch->producer_epoch,
        .first_sequence = batch->base_sequence,
        .last_sequence = has_producer ? ks_batch_last_sequence(batch) : -1,
    };
}

static enum kafscale_status
note(struct ks_segment_writer *writer, const struct ks_batch *batch, struct kafscale_error *error)
{
    struct ks_wal_entry entry = entry_of(batch);
    enum kafscale_status status = ks_index_add_batch(&writer->index, batch, error);

    if (status == KAFSCALE_OK) {
        status = ks_index_add_epoch(&writer->index, batch->leader_epoch, batch->base_offset);
    }
    if (status == KAFSCALE_OK) {
        status = ks_producer_note_entry(&writer->producers, &entry, batch->max_timestamp);
    }
    if (status == KAFSCALE_NO_MEMORY) {
        ks_error_set(error, status, "no memory for an index");
    }
    return status;
}

static enum kafscale_status
put_index(struct ks_segment_writer *writer, struct kafscale_error *error)
{
    struct ks_producer_snapshot snapshot = { .name = writer->name, .offset = writer->end_offset };
    char key[KS_SEGMENT_KEY_BYTES];
    struct ks_buffer bytes;
    enum kafscale_status status;

    ks_producer_snapshot_encode(&writer->producers, &snapshot, &writer->index.producers);
    ks_buffer_init(&bytes, KS_INDEX_BYTES_MAX);
    ks_index_encode(&writer->index, &bytes);
    ks_segment_key(&writer->home, writer->index.base_offset, KS_SEGMENT_INDEX, key);
    status = ks_buffer_failed(&writer->index.producers) || ks_buffer_failed(&bytes)
                 ? ks_error_set(error, KAFSCALE_NO_MEMORY, "no memory for an index")
                 : ks_session_create(writer->session, key, ks_buffer_slice(&bytes), error);
    ks_buffer_deinit(&bytes);
    return status;
}

static enum kafscale_status
put_segment(struct ks_segment_writer *writer, struct kafscale_error *error)
{
    const struct ks_index *index = &writer->index;
    struct ks_segment_header header = { .base_offset = index->base_offset,
                                        .record_count = (int32_t) index->record_count,
                                        .created_ms = index->created_ms,
                                        .topic_tag = index->topic_tag };
    struct ks_segment_footer footer = { .body_crc = index->body_crc,
                                        .last_offset = index->last_offset };
    char key[KS_SEGMENT_KEY_BYTES];
    uint8_t *end = ks_buffer_extend(&writer->object, KS_SEGMENT_FOOTER_BYTES);

    if (end == NULL) {
        return ks_error_set(error, KAFSCALE_NO_MEMORY, "no memory for a segment");
    }
    ks_segment_write_footer(end, &footer);
    ks_segment_write_header(writer->object.data, &header);
    ks_segment_key(&writer->home, index->base_offset, KS_SEGMENT_BODY, key);
    return ks_session_create(writer->session, key, ks_buffer_slice(&writer->object), error);
}

enum kafscale_status
ks_segment_writer_finish(struct ks_segment_writer *writer, struct kafscale_error *error)
{
    enum kafscale_status status;

    if (!writer->has_index) {
        return KAFSCALE_OK;
    }
    status = put_index(writer, error);
    if (status == KAFSCALE_OK) {
        status = put_segment(writer, error);
    }
    if (status != KAFSCALE_OK) {
        return status;
    }
    writer->segments++;
    writer->records += writer->index.record_count;
    writer->last_base = writer->index.base_offset;
    ks_index_deinit(&writer->previous);
    writer->previous = writer->index;
    writer->index = (struct ks_index){ 0 };
    writer->has_index = false;
    return KAFSCALE_OK;
}

enum kafscale_status
ks_segment_writer_add(struct ks_segment_writer *writer, const struct ks_batch *batch,
                      struct kafscale_error *error)
{
    enum kafscale_status status = KAFSCALE_OK;

    if (writer->has_index &&
        writer->object.size + batch->bytes.size + KS_SEGMENT_FOOTER_BYTES > SEGMENT_BYTES) {
        status = ks_segment_writer_finish(writer, error);
    }
    if (status == KAFSCALE_OK && !writer->has_index) {
        status = begin_segment(writer, error);
    }
    if (status == KAFSCALE_OK) {
        status = note(writer, batch, error);
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
