/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A segment is read through a window that holds the batch which is told and some of what follows.
 * It grows to the size of a batch only as far as the caller allows.
 */
#include "kafscale/segment.h"

#include "log/formats.h"

#define WINDOW_BYTES ((size_t) 64 << 10)
#define BATCH_LENGTH_AT 8

struct kafscale_segment_reader {
    kafscale_segment_read *read;
    void *arg;
    size_t memory_bytes_max;
    struct kafscale_segment segment;
    uint64_t position; /* of what the window doesn't have yet */
    uint64_t body_end;
    uint8_t *window;
    size_t capacity;
    size_t begin; /* of what wasn't told yet */
    size_t end;
    uint32_t crc;
    int64_t next_offset;
    uint64_t record_count;
    struct kafscale_error broken;
};

static enum kafscale_status
read_frame(struct kafscale_segment_reader *reader, uint64_t object_bytes,
           struct kafscale_error *error)
{
    uint8_t header[KS_SEGMENT_HEADER_BYTES];
    uint8_t footer[KS_SEGMENT_FOOTER_BYTES];
    struct ks_segment_header first;
    struct ks_segment_footer last;
    enum kafscale_status status;

    if (object_bytes < sizeof header + sizeof footer || object_bytes > KS_SEGMENT_READ_BYTES_MAX) {
        return ks_error_set(error, KAFSCALE_CORRUPT, "no segment has %llu bytes",
                            (unsigned long long) object_bytes);
    }
    reader->body_end = object_bytes - sizeof footer;
    status = reader->read(reader->arg, 0, header, sizeof header, error);
    if (status == KAFSCALE_OK) {
        status = reader->read(reader->arg, reader->body_end, footer, sizeof footer, error);
    }
    if (status == KAFSCALE_OK) {
        status = ks_segment_read_header(ks_slice(header, sizeof header), &first, error);
    }
    if (status == KAFSCALE_OK) {
        status = ks_segment_read_footer(ks_slice(footer, sizeof footer), &last, error);
    }
    if (status == KAFSCALE_OK) {
        reader->segment = (struct kafscale_segment){ .base_offset = first.base_offset,
                                                     .last_offset = last.last_offset,
                                                     .created_ms = first.created_ms,
                                                     .record_count = first.record_count,
                                                     .body_crc = last.body_crc };
    }
    return status;
}

struct kafscale_segment_reader *
kafscale_segment_reader_new(kafscale_segment_read *read, void *arg, uint64_t object_bytes,
                            size_t memory_bytes_max, struct kafscale_error *error)
{
    struct kafscale_segment_reader *reader = ks_alloc_zero(1, sizeof *reader);
    struct kafscale_error failure = { 0 };
    enum kafscale_status status;

    if (reader == NULL) {
        ks_error_set(error, KAFSCALE_NO_MEMORY, "no memory to read a segment");
        return NULL;
    }
    reader->read = read;
    reader->arg = arg;
    reader->memory_bytes_max = memory_bytes_max;
    reader->position = KS_SEGMENT_HEADER_BYTES;
    status = read_frame(reader, object_bytes, &failure);
    if (status != KAFSCALE_OK) {
        ks_error_set(error, status, "%s",
                     failure.text[0] == '\0' ? kafscale_status_text(status) : failure.text);
        ks_free(reader);
        return NULL;
    }
    return reader;
}

void
kafscale_segment_reader_free(struct kafscale_segment_reader *reader)
{
    if (reader != NULL) {
        ks_free(reader->window);
        ks_free(reader);
    }
}

const struct kafscale_segment *
kafscale_segment_reader_segment(const struct kafscale_segment_reader *reader)
{
    return &reader->segment;
}

/* Room for `size` bytes from `begin` on, which goes to the front. */
static bool
make_room(struct kafscale_segment_reader *reader, size_t size)
{
    size_t capacity = size > WINDOW_BYTES ? size : WINDOW_BYTES;

    if (reader->end > reader->begin && reader->begin > 0) {
        memmove(reader->window, reader->window + reader->begin, reader->end - reader->begin);
    }
    reader->end -= reader->begin;
    reader->begin = 0;
    if (capacity > reader->memory_bytes_max) {
        capacity = reader->memory_bytes_max;
    }
    if (capacity > reader->capacity) {
        uint8_t *window = ks_realloc(reader->window, capacity);

        if (window == NULL) {
            return false;
        }
        reader->window = window;
        reader->capacity = capacity;
    }
    return true;
}

/* The window has `size` bytes that weren't told; the body has them. */
static enum kafscale_status
fill(struct kafscale_segment_reader *reader, size_t size, struct kafscale_error *error)
{
    enum kafscale_status status;
    uint64_t left;
    size_t room;

    if (reader->end - reader->begin >= size) {
        return KAFSCALE_OK;
    }
    if (size > reader->memory_bytes_max) {
        return ks_error_set(error, KAFSCALE_TOO_LARGE,
                            "a batch of %zu bytes where %zu bytes of memory are allowed", size,
                            reader->memory_bytes_max);
    }
    if (!make_room(reader, size)) {
        return ks_error_set(error, KAFSCALE_NO_MEMORY, "no memory to read a segment");
    }
    left = reader->body_end - reader->position;
    room = reader->capacity - reader->end;
    room = room > left ? (size_t) left : room;
    status = reader->read(reader->arg, reader->position, reader->window + reader->end, room, error);
    if (status != KAFSCALE_OK) {
        return ks_error_set(error, status, "%s", kafscale_status_text(status));
    }
    reader->end += room;
    reader->position += room;
    return KAFSCALE_OK;
}

static enum kafscale_status
end_of_body(const struct kafscale_segment_reader *reader, struct kafscale_error *error)
{
    const struct kafscale_segment *segment = &reader->segment;

    if (reader->crc != segment->body_crc) {
        return ks_error_set(error, KAFSCALE_CORRUPT, "segment: the checksum of the body is wrong");
    }
    if (reader->next_offset - 1 != segment->last_offset) {
        return ks_error_set(
            error, KAFSCALE_CORRUPT, "segment: its last offset is %lld where %lld is stated",
            (long long) (reader->next_offset - 1), (long long) segment->last_offset);
    }
    if (reader->record_count != (uint64_t) segment->record_count) {
        return ks_error_set(error, KAFSCALE_CORRUPT, "segment: %llu records where %d are stated",
                            (unsigned long long) reader->record_count, segment->record_count);
    }
    return ks_error_set(error, KAFSCALE_NOT_FOUND, "no more batches");
}

/* Of the next batch, which begins at `begin`. */
static enum kafscale_status
find_batch_size(struct kafscale_segment_reader *reader, size_t *size_out,
                struct kafscale_error *error)
{
    uint64_t left = reader->body_end - reader->position + reader->end - reader->begin;
    enum kafscale_status status;
    uint64_t size;

    if (left == 0) {
        return end_of_body(reader, error);
    }
    if (left < KS_BATCH_HEADER_BYTES) {
        return ks_error_set(error, KAFSCALE_CORRUPT, "segment: no batch has %llu bytes",
                            (unsigned long long) left);
    }
    status = fill(reader, KS_BATCH_PREFIX_BYTES, error);
    if (status != KAFSCALE_OK) {
        return status;
    }
    size = (uint64_t) ks_get_u32(reader->window + reader->begin + BATCH_LENGTH_AT) +
           KS_BATCH_PREFIX_BYTES;
    if (size > left) {
        return ks_error_set(error, KAFSCALE_CORRUPT, "segment: a batch goes beyond its end");
    }
    *size_out = (size_t) size;
    return KAFSCALE_OK;
}

static enum kafscale_status
take_batch(struct kafscale_segment_reader *reader, size_t size, struct kafscale_slice *batch_out,
           struct kafscale_error *error)
{
    struct kafscale_slice bytes = ks_slice(reader->window + reader->begin, size);
    struct ks_batch batch;
    enum kafscale_status status = ks_batch_parse(bytes, &batch, error);

    if (status != KAFSCALE_OK) {
        return status;
    }
    if (batch.bytes.size != size || !ks_batch_crc_is_right(&batch)) {
        return ks_error_set(error, KAFSCALE_CORRUPT,
                            "segment: the checksum of the batch at offset %lld is wrong",
                            (long long) batch.base_offset);
    }
    if (batch.base_offset < reader->next_offset ||
        ks_batch_last_offset(&batch) < reader->segment.base_offset) {
        return ks_error_set(error, KAFSCALE_CORRUPT,
                            "segment: the batch at offset %lld isn't behind the one before",
                            (long long) batch.base_offset);
    }
    reader->crc = ks_batch_crc_after(reader->crc, bytes);
    reader->next_offset = ks_batch_last_offset(&batch) + 1;
    reader->record_count += (uint64_t) batch.record_count;
    reader->begin += size;
    *batch_out = bytes;
    return KAFSCALE_OK;
}

enum kafscale_status
kafscale_segment_reader_next(struct kafscale_segment_reader *reader,
                             struct kafscale_slice *batch_out, struct kafscale_error *error)
{
    enum kafscale_status status = reader->broken.status;
    size_t size = 0;

    if (status == KAFSCALE_OK) {
        status = find_batch_size(reader, &size, &reader->broken);
    }
    if (status == KAFSCALE_OK) {
        status = fill(reader, size, &reader->broken);
    }
    if (status == KAFSCALE_OK) {
        status = take_batch(reader, size, batch_out, &reader->broken);
    }
    if (status != KAFSCALE_OK) {
        return ks_error_set(error, status, "%s", reader->broken.text);
    }
    return KAFSCALE_OK;
}
