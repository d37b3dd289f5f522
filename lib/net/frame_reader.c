/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A frame whose blob exists early is received into place without a copy; waiting for a quarter
 * of it first bounds what a liar can take to four times what he sent, and to nothing beyond 64
 * KiB.
 */
#include "net/frame_reader.h"

#include <assert.h>
#include <string.h>

/*
 * Frames up to this size get their blob with the first byte: staging would cost more than it
 * saves.
 */
#define ALWAYS_BYTES_MAX ((size_t) 4096)

void
ks_frame_reader_init(struct ks_frame_reader *reader, struct ks_memory_account *account,
                     uint32_t frame_bytes_max, void (*on_granted)(void *arg), void *arg)
{
    *reader = (struct ks_frame_reader){ .account = account, .frame_bytes_max = frame_bytes_max };
    reader->reservation.on_granted = on_granted;
    reader->reservation.arg = arg;
    ks_buffer_init(&reader->staged, KS_FRAME_UNRESERVED_BYTES_MAX);
}

static void
drop_staged(struct ks_frame_reader *reader)
{
    ks_buffer_deinit(&reader->staged);
    ks_buffer_init(&reader->staged, KS_FRAME_UNRESERVED_BYTES_MAX);
    ks_memory_account_drop(reader->account, reader->kept_bytes);
    reader->kept_bytes = 0;
}

void
ks_frame_reader_deinit(struct ks_frame_reader *reader)
{
    drop_staged(reader);
    kafscale_blob_unref(reader->frame);
    reader->frame = NULL;
    ks_memory_account_release(reader->account, &reader->reservation);
}

static struct kafscale_slice
take(struct kafscale_slice *input, size_t size_max)
{
    size_t size = input->size < size_max ? input->size : size_max;
    struct kafscale_slice taken = ks_slice(input->data, size);

    if (size > 0) {
        input->data += size;
        input->size -= size;
    }
    return taken;
}

/* False: bytes are missing. */
static bool
read_prefix(struct ks_frame_reader *reader, struct kafscale_slice *input)
{
    struct kafscale_slice bytes = take(input, sizeof reader->prefix - reader->prefix_count);

    if (bytes.size > 0) {
        memcpy(reader->prefix + reader->prefix_count, bytes.data, bytes.size);
        reader->prefix_count += (uint32_t) bytes.size;
    }
    if (reader->prefix_count < sizeof reader->prefix) {
        return false;
    }
    reader->frame_bytes = ks_get_u32(reader->prefix);
    return true;
}

static bool
deserves_blob(const struct ks_frame_reader *reader, size_t arrived_bytes)
{
    if (reader->frame_bytes > KS_FRAME_UNRESERVED_BYTES_MAX) {
        return arrived_bytes >= KS_FRAME_UNRESERVED_BYTES_MAX;
    }
    return reader->frame_bytes <= ALWAYS_BYTES_MAX || arrived_bytes >= reader->frame_bytes / 4;
}

/*
 * Many who send little of what they announced are many small debts: when there are too many, a
 * frame isn't staged any more, but waits for its whole length.
 */
static bool
may_stage(const struct ks_frame_reader *reader)
{
    return reader->reservation.state == KS_RESERVATION_NONE &&
           ks_memory_account_may_keep(reader->account, KS_FRAME_UNRESERVED_BYTES_MAX);
}

/* What the request will cost, but no more than there can ever be. */
static size_t
reservation_bytes(const struct ks_frame_reader *reader)
{
    size_t bytes = reader->frame_bytes + KS_MEMORY_REQUEST_BYTES;

    return bytes < reader->account->bytes_max ? bytes : reader->account->bytes_max;
}

static enum ks_frame_step
stage(struct ks_frame_reader *reader, struct kafscale_slice *input)
{
    struct kafscale_slice bytes = take(input, input->size);
    size_t capacity;

    if (bytes.size > 0) {
        ks_buffer_append(&reader->staged, bytes.data, bytes.size);
    }
    if (ks_buffer_failed(&reader->staged)) {
        return KS_FRAME_NO_MEMORY;
    }
    capacity = reader->staged.capacity;
    assert(capacity >= reader->kept_bytes);
    ks_memory_account_keep(reader->account, capacity - reader->kept_bytes);
    reader->kept_bytes = capacity;
    return KS_FRAME_NEEDS_BYTES;
}

/* KS_FRAME_READY here: the blob is there. */
static enum ks_frame_step
make_blob(struct ks_frame_reader *reader)
{
    if (reader->reservation.state == KS_RESERVATION_NONE) {
        ks_memory_account_reserve(reader->account, &reader->reservation, reservation_bytes(reader));
    }
    if (!ks_reservation_is_granted(&reader->reservation)) {
        return KS_FRAME_NEEDS_MEMORY;
    }
    reader->frame = kafscale_blob_new(reader->frame_bytes);
    if (reader->frame == NULL) {
        return KS_FRAME_NO_MEMORY;
    }
    reader->filled_bytes = reader->staged.size;
    if (reader->staged.size > 0) {
        memcpy(kafscale_blob_data(reader->frame), reader->staged.data, reader->staged.size);
        drop_staged(reader);
    }
    return KS_FRAME_READY;
}

static void
hand_over(struct ks_frame_reader *reader, struct kafscale_blob **frame_out,
          struct ks_reservation *reservation_out)
{
    *frame_out = reader->frame;
    *reservation_out = reader->reservation;
    reader->frame = NULL;
    reader->filled_bytes = 0;
    reader->frame_bytes = 0;
    reader->prefix_count = 0;
    reader->reservation.state = KS_RESERVATION_NONE;
    reader->reservation.bytes = 0;
}

enum ks_frame_step
ks_frame_reader_next(struct ks_frame_reader *reader, struct kafscale_slice *input,
                     struct kafscale_blob **frame_out, struct ks_reservation *reservation_out)
{
    if (reader->frame == NULL) {
        enum ks_frame_step step;

        if (!read_prefix(reader, input)) {
            return KS_FRAME_NEEDS_BYTES;
        }
        if (reader->frame_bytes < KS_FRAME_BYTES_MIN ||
            reader->frame_bytes > reader->frame_bytes_max) {
            return KS_FRAME_TOO_LARGE;
        }
        if (!deserves_blob(reader, reader->staged.size + input->size) && may_stage(reader)) {
            return stage(reader, input);
        }
        step = make_blob(reader);
        if (step != KS_FRAME_READY) {
            return step;
        }
    }
    if (input->size > 0) {
        struct kafscale_slice bytes = take(input, reader->frame_bytes - reader->filled_bytes);

        memcpy(kafscale_blob_data(reader->frame) + reader->filled_bytes, bytes.data, bytes.size);
        reader->filled_bytes += bytes.size;
    }
    if (reader->filled_bytes < reader->frame_bytes) {
        return KS_FRAME_NEEDS_BYTES;
    }
    hand_over(reader, frame_out, reservation_out);
    return KS_FRAME_READY;
}

uint8_t *
ks_frame_reader_space(struct ks_frame_reader *reader, size_t *size_out)
{
    if (reader->frame == NULL) {
        return NULL;
    }
    *size_out = reader->frame_bytes - reader->filled_bytes;
    return kafscale_blob_data(reader->frame) + reader->filled_bytes;
}

void
ks_frame_reader_filled(struct ks_frame_reader *reader, size_t size)
{
    assert(reader->frame != NULL);
    assert(size <= reader->frame_bytes - reader->filled_bytes);

    reader->filled_bytes += size;
}
