/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is written here is as another program would write it: no topic tag, and an index without
 * extension, since those tell of a topic that only its broker knows.
 */
#include "kafscale/segment.h"

#include "log/formats.h"

struct kafscale_segment_writer {
    struct ks_index index;
    struct ks_buffer body;
    int64_t created_ms;
    bool is_finished;
};

struct kafscale_segment_writer *
kafscale_segment_writer_new(int64_t base_offset, int64_t created_ms, size_t bytes_max,
                            struct kafscale_error *error)
{
    struct kafscale_segment_writer *writer;

    if (base_offset < 0 || base_offset == INT64_MAX || created_ms < 0) {
        ks_error_set(error, KAFSCALE_INVALID, "segment: an offset or time that can't be");
        return NULL;
    }
    writer = ks_alloc_zero(1, sizeof *writer);
    if (writer == NULL) {
        ks_error_set(error, KAFSCALE_NO_MEMORY, "no memory to write a segment");
        return NULL;
    }
    ks_index_init(&writer->index, base_offset);
    ks_buffer_init(&writer->body, bytes_max < KS_SEGMENT_OBJECT_BYTES_MAX
                                      ? bytes_max
                                      : KS_SEGMENT_OBJECT_BYTES_MAX);
    writer->created_ms = created_ms;
    return writer;
}

void
kafscale_segment_writer_free(struct kafscale_segment_writer *writer)
{
    if (writer != NULL) {
        ks_index_deinit(&writer->index);
        ks_buffer_deinit(&writer->body);
        ks_free(writer);
    }
}

static enum kafscale_status
check_batch(const struct kafscale_segment_writer *writer, struct kafscale_slice bytes,
            struct ks_batch *batch_out, struct kafscale_error *error)
{
    enum kafscale_status status = ks_batch_parse(bytes, batch_out, error);
    size_t frame_bytes = KS_SEGMENT_HEADER_BYTES + KS_SEGMENT_FOOTER_BYTES;

    if (status != KAFSCALE_OK) {
        return status;
    }
    if (batch_out->bytes.size != bytes.size || !ks_batch_crc_is_right(batch_out)) {
        return ks_error_set(error, KAFSCALE_CORRUPT,
                            "segment: the batch at offset %lld is damaged, or not one alone",
                            (long long) batch_out->base_offset);
    }
    if (writer->body.size_max < frame_bytes ||
        bytes.size > writer->body.size_max - frame_bytes - writer->body.size) {
        return ks_error_set(error, KAFSCALE_FULL, "segment: no room for %zu bytes more",
                            bytes.size);
    }
    return KAFSCALE_OK;
}

enum kafscale_status
kafscale_segment_writer_append(struct kafscale_segment_writer *writer, struct kafscale_slice batch,
                               struct kafscale_error *error)
{
    struct ks_batch parsed;
    enum kafscale_status status;

    if (writer->is_finished) {
        return ks_error_set(error, KAFSCALE_INVALID, "segment: it is finished");
    }
    status = check_batch(writer, batch, &parsed, error);
    if (status != KAFSCALE_OK) {
        return status;
    }
    ks_buffer_append(&writer->body, batch.data, batch.size);
    if (ks_buffer_failed(&writer->body)) {
        writer->body.failed = false;
        return ks_error_set(error, KAFSCALE_NO_MEMORY, "no memory to write a segment");
    }
    status = ks_index_add_batch(&writer->index, &parsed, error);
    if (status != KAFSCALE_OK) {
        writer->body.size -= batch.size;
        return ks_error_set(error, status == KAFSCALE_TOO_LARGE ? KAFSCALE_FULL : status, "%s",
                            kafscale_status_text(status));
    }
    return KAFSCALE_OK;
}

static struct kafscale_blob *
segment_blob(const struct kafscale_segment_writer *writer)
{
    const struct ks_index *index = &writer->index;
    struct ks_segment_header header = { .base_offset = index->base_offset,
                                        .record_count = (int32_t) index->record_count,
                                        .created_ms = writer->created_ms,
                                        .topic_tag = KS_SEGMENT_TAG_NONE };
    struct ks_segment_footer footer = { .body_crc = index->body_crc,
                                        .last_offset = index->last_offset };
    size_t body_bytes = writer->body.size;
    struct kafscale_blob *blob =
        kafscale_blob_new(KS_SEGMENT_HEADER_BYTES + body_bytes + KS_SEGMENT_FOOTER_BYTES);
    uint8_t *bytes = blob == NULL ? NULL : kafscale_blob_data(blob);

    if (bytes != NULL) {
        ks_segment_write_header(bytes, &header);
        memcpy(bytes + KS_SEGMENT_HEADER_BYTES, writer->body.data, body_bytes);
        ks_segment_write_footer(bytes + KS_SEGMENT_HEADER_BYTES + body_bytes, &footer);
    }
    return blob;
}

static struct kafscale_blob *
index_blob(struct kafscale_segment_writer *writer)
{
    struct kafscale_blob *blob = NULL;
    struct ks_buffer encoded;

    writer->index.is_ours = false;
    ks_buffer_init(&encoded, KS_INDEX_BYTES_MAX);
    ks_index_encode(&writer->index, &encoded);
    if (!ks_buffer_failed(&encoded)) {
        blob = kafscale_blob_new(encoded.size);
    }
    if (blob != NULL) {
        memcpy(kafscale_blob_data(blob), encoded.data, encoded.size);
    }
    ks_buffer_deinit(&encoded);
    return blob;
}

enum kafscale_status
kafscale_segment_writer_finish(struct kafscale_segment_writer *writer,
                               struct kafscale_blob **segment_out, struct kafscale_blob **index_out,
                               struct kafscale_error *error)
{
    struct kafscale_blob *segment;
    struct kafscale_blob *index;

    if (writer->body.size == 0 || writer->is_finished) {
        return ks_error_set(error, KAFSCALE_INVALID, "segment: it has no batch, or is finished");
    }
    segment = segment_blob(writer);
    index = index_blob(writer);
    if (segment == NULL || index == NULL) {
        kafscale_blob_unref(segment);
        kafscale_blob_unref(index);
        return ks_error_set(error, KAFSCALE_NO_MEMORY, "no memory to write a segment");
    }
    writer->is_finished = true;
    *segment_out = segment;
    *index_out = index;
    return KAFSCALE_OK;
}

enum kafscale_status
kafscale_segment_verify(struct kafscale_slice segment, struct kafscale_slice index,
                        struct kafscale_error *error)
{
    struct kafscale_error unused = { 0 };
    struct ks_segment_header header;
    struct ks_index stated;
    enum kafscale_status status;

    error = error == NULL ? &unused : error;
    status = ks_segment_read_header(segment, &header, error);
    if (status == KAFSCALE_OK && index.data == NULL) {
        status = ks_index_rebuild(segment, header.base_offset, &stated, error);
    } else if (status == KAFSCALE_OK) {
        status = ks_index_decode(index, &stated, error);
    }
    if (status != KAFSCALE_OK) {
        return status;
    }
    if (index.data != NULL) {
        status = ks_segment_check(segment, &stated, error);
    }
    ks_index_deinit(&stated);
    return status;
}
