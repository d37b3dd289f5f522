/* SPDX-License-Identifier: Apache-2.0 */
#include "client/batch.h"

#include <assert.h>

/* Behind the records of a Produce request stand no more than its tagged fields, none of them. */
#define TAILROOM ((size_t) 16)
#define BYTES_MIN ((size_t) 512)
#define OPAQUES_MIN 16
#define PRODUCE_VERSION 9
#define COPIED_BYTES_MAX ((size_t) 1 << 20)

struct ks_send_batch *
ks_send_batch_new(struct ks_line *line, size_t bytes, size_t headroom)
{
    struct ks_send_batch *batch = ks_alloc_zero(1, sizeof *batch);

    if (batch == NULL) {
        return NULL;
    }
    bytes = bytes < BYTES_MIN ? BYTES_MIN : bytes;
    batch->line = line;
    batch->records_at = headroom + KS_BATCH_HEADER_BYTES;
    batch->frame = kafscale_blob_new(batch->records_at + bytes + TAILROOM);
    batch->header = (struct ks_batch){ .leader_epoch = -1,
                                       .producer_id = KS_NO_PRODUCER_ID,
                                       .base_timestamp = KS_NO_TIMESTAMP,
                                       .max_timestamp = KS_NO_TIMESTAMP };
    if (batch->frame == NULL) {
        ks_free(batch);
        return NULL;
    }
    return batch;
}

void
ks_send_batch_free(struct ks_send_batch *batch)
{
    if (batch == NULL) {
        return;
    }
    assert(!batch->is_in_flight);

    kafscale_blob_unref(batch->frame);
    ks_free(batch->opaques);
    ks_free(batch);
}

static bool
copy_frame(struct ks_send_batch *batch, size_t room)
{
    struct kafscale_blob *frame = kafscale_blob_new(batch->records_at + room + TAILROOM);

    if (frame == NULL) {
        return false;
    }
    memcpy(kafscale_blob_data(frame) + batch->records_at,
           kafscale_blob_data(batch->frame) + batch->records_at, batch->record_bytes);
    kafscale_blob_unref(batch->frame);
    batch->frame = frame;
    return true;
}

static bool
make_room(struct ks_send_batch *batch, size_t bytes, size_t bytes_max)
{
    size_t room = kafscale_blob_size(batch->frame) - batch->records_at - TAILROOM;
    size_t wanted = batch->record_bytes + bytes;

    if (wanted <= room) {
        return true;
    }
    room = 2 * room > wanted ? 2 * room : wanted;
    return copy_frame(batch, room > bytes_max ? bytes_max : room);
}

static bool
make_opaque_room(struct ks_send_batch *batch)
{
    int32_t capacity = batch->opaque_capacity == 0 ? OPAQUES_MIN : 2 * batch->opaque_capacity;
    void **opaques;

    if (batch->header.record_count < batch->opaque_capacity) {
        return true;
    }
    opaques = ks_realloc(batch->opaques, (size_t) capacity * sizeof *opaques);
    if (opaques == NULL) {
        return false;
    }
    batch->opaques = opaques;
    batch->opaque_capacity = capacity;
    return true;
}

enum kafscale_status
ks_send_batch_append(struct ks_send_batch *batch, const struct ks_record *record, size_t bytes_max,
                     void *opaque)
{
    struct ks_batch *header = &batch->header;
    bool is_first = header->record_count == 0;
    struct ks_record_place place = {
        .timestamp_delta = is_first ? 0 : record->timestamp - header->base_timestamp,
        .offset_delta = header->record_count,
    };
    size_t bytes = ks_record_measure(record, &place);

    if (bytes > bytes_max - batch->record_bytes) {
        return is_first ? KAFSCALE_TOO_LARGE : KAFSCALE_FULL;
    }
    if (!make_room(batch, bytes, bytes_max) || !make_opaque_room(batch)) {
        return KAFSCALE_NO_MEMORY;
    }
    ks_record_put(kafscale_blob_data(batch->frame) + batch->records_at + batch->record_bytes,
                  record, &place);
    batch->record_bytes += bytes;
    batch->opaques[header->record_count] = opaque;
    header->last_offset_delta = header->record_count;
    header->record_count++;
    if (is_first) {
        header->base_timestamp = record->timestamp;
    }
    if (record->timestamp > header->max_timestamp) {
        header->max_timestamp = record->timestamp;
    }
    return KAFSCALE_OK;
}

/* --- The request ------------------------------------------------------------------------------ */

/* Around the batch, where it lies. False: there isn't the room. */
static bool
put_around(struct ks_send_batch *batch, const struct kafscale_slice *parts, size_t part_count,
           struct kafscale_slice *payload_out)
{
    size_t headroom = batch->records_at - KS_BATCH_HEADER_BYTES;
    uint8_t *bytes = kafscale_blob_data(batch->frame) + headroom;
    size_t behind = part_count == 3 ? parts[2].size : 0;
    uint8_t *out;

    if (part_count < 2 || part_count > 3 || parts[1].data != bytes || parts[0].size > headroom ||
        behind > TAILROOM) {
        return false;
    }
    out = bytes - parts[0].size;
    memcpy(out, parts[0].data, parts[0].size);
    if (behind > 0) {
        memcpy(bytes + parts[1].size, parts[2].data, behind);
    }
    *payload_out = ks_slice(out + KAFKA_FRAME_LENGTH_BYTES,
                            parts[0].size - KAFKA_FRAME_LENGTH_BYTES + parts[1].size + behind);
    return true;
}

/* Small batches are copied by the writer: then all of the request is in a frame of its own. */
static enum kafscale_status
make_frame(struct ks_send_batch *batch, struct kafka_writer *writer,
           struct kafscale_blob **frame_out, struct kafscale_slice *payload_out)
{
    const struct kafscale_slice *parts;
    size_t part_count;
    enum kafscale_status status = kafka_writer_finish(writer, &parts, &part_count);

    if (status != KAFSCALE_OK) {
        return status;
    }
    if (put_around(batch, parts, part_count, payload_out)) {
        *frame_out = kafscale_blob_ref(batch->frame);
        return KAFSCALE_OK;
    }
    *frame_out = ks_ask_gather(parts, part_count, payload_out);
    return *frame_out == NULL ? KAFSCALE_NO_MEMORY : KAFSCALE_OK;
}

static void
put_header(struct ks_send_batch *batch)
{
    size_t at = batch->records_at - KS_BATCH_HEADER_BYTES;

    batch->header.bytes = ks_slice(kafscale_blob_data(batch->frame) + at,
                                   KS_BATCH_HEADER_BYTES + batch->record_bytes);
    ks_batch_put_header(kafscale_blob_data(batch->frame) + at, batch->header.bytes.size,
                        &batch->header);
}

enum kafscale_status
ks_send_batch_encode(struct ks_send_batch *batch, struct ks_asker *asker,
                     const struct ks_send_place *place, struct kafscale_blob **frame_out,
                     struct kafscale_slice *payload_out)
{
    struct kafka_request_header header = ks_asker_header(asker, KAFKA_API_PRODUCE, PRODUCE_VERSION);
    struct kafka_produce_request request;
    struct kafka_produce_request_topic topic;
    struct kafka_produce_request_topic_partition partition;
    struct kafscale_error error = { 0 };
    struct kafka_writer writer;
    enum kafscale_status status;

    if (batch->attempts > 0 && !copy_frame(batch, batch->record_bytes)) {
        return KAFSCALE_NO_MEMORY;
    }
    put_header(batch);
    kafka_message_init(&kafka_produce_request_message, &request);
    kafka_message_init(&kafka_produce_request_topic_message, &topic);
    kafka_message_init(&kafka_produce_request_topic_partition_message, &partition);
    partition.index = place->partition;
    partition.records.parts = &batch->header.bytes;
    partition.records.part_count = 1;
    topic.name = place->topic;
    topic.partitions = &partition;
    topic.partitions_count = 1;
    request.acks = -1;
    request.timeout_ms = place->timeout_ms;
    request.topics = &topic;
    request.topics_count = 1;
    kafka_writer_init(&writer, COPIED_BYTES_MAX);
    status = kafka_request_encode(&header, &request, &writer, &error);
    if (status == KAFSCALE_OK) {
        status = make_frame(batch, &writer, frame_out, payload_out);
    }
    kafka_writer_deinit(&writer);
    return status;
}
