/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A stream of frames, cut anywhere. An input says how a stream is cut and what is in it: a byte
 * that chooses how the memory is, a count of cuts with their sizes, then the bytes of the stream.
 * However it is cut, the same frames must come out, and all memory must be given back.
 */
#include "fuzz/fuzz.h"
#include "net/frame_reader.h"

#define FRAME_BYTES_MAX (256u * 1024)
#define STREAM_BYTES_MAX (2 * FRAME_BYTES_MAX)

enum {
    IS_MAGNIFIED = 1, /* bytes stand for many, so that frames above 64 KiB get full */
    IS_DIRECT = 2,    /* bytes are received straight into frames that have memory */
    MUST_WAIT = 4,    /* somebody else holds all the memory until a frame waits for it */
    IS_TIGHT = 8,     /* the account holds one frame of the largest size */
    KNOWN_CHOICES = 15
};

struct cuts {
    const uint8_t *sizes;
    size_t count; /* 0: the stream comes in one piece */
};

struct reading {
    struct ks_memory_account account;
    struct ks_reservation other; /* of somebody else */
    struct ks_frame_reader reader;
    uint8_t choices;
    unsigned granted_count;

    /* What came out. */
    size_t frame_count;
    uint32_t crc; /* of all frames and their lengths */
    enum ks_frame_step last;
};

static void
on_other_granted(void *arg)
{
    (void) arg;
}

static void
on_granted(void *arg)
{
    ((struct reading *) arg)->granted_count++;
}

static void
reading_init(struct reading *reading, uint8_t choices)
{
    size_t bytes_max = (choices & IS_TIGHT) != 0 ? FRAME_BYTES_MAX : 8 * FRAME_BYTES_MAX;

    *reading = (struct reading){ .choices = choices, .last = KS_FRAME_NEEDS_BYTES };
    ks_memory_account_init(&reading->account, bytes_max, KS_MEMORY_SMALL_BYTES_MAX);
    reading->other.on_granted = on_other_granted;
    if ((choices & MUST_WAIT) != 0) {
        demand(ks_memory_account_reserve(&reading->account, &reading->other, bytes_max));
    }
    ks_frame_reader_init(&reading->reader, &reading->account, FRAME_BYTES_MAX, on_granted, reading);
}

static void
reading_deinit(struct reading *reading)
{
    ks_frame_reader_deinit(&reading->reader);
    ks_memory_account_release(&reading->account, &reading->other);
    demand(reading->account.bytes == 0);
    demand(reading->account.reserve_bytes == 0);
}

static void
take_frame(struct reading *reading, struct kafscale_blob *frame, struct ks_reservation *reservation)
{
    size_t size = kafscale_blob_size(frame);
    uint8_t length[4];

    demand(size >= KS_FRAME_BYTES_MIN);
    demand(size <= FRAME_BYTES_MAX);
    demand(ks_reservation_is_granted(reservation));
    ks_put_u32(length, (uint32_t) size);
    reading->crc = ks_crc32c(reading->crc, length, sizeof length);
    reading->crc = ks_crc32c(reading->crc, kafscale_blob_data(frame), size);
    reading->frame_count++;
    kafscale_blob_unref(frame);
    ks_memory_account_release(&reading->account, reservation);
}

static void
receive_directly(struct reading *reading, struct kafscale_slice *input)
{
    size_t space_bytes = 0;
    uint8_t *space = ks_frame_reader_space(&reading->reader, &space_bytes);
    size_t size = space_bytes < input->size ? space_bytes : input->size;

    if (space == NULL || size == 0) {
        return;
    }
    memcpy(space, input->data, size);
    ks_frame_reader_filled(&reading->reader, size);
    *input = ks_slice(input->data + size, input->size - size);
}

/* Who waits for memory is told once, when the other one gives it back. */
static void
end_waiting(struct reading *reading)
{
    unsigned before = reading->granted_count;

    demand(reading->other.state != KS_RESERVATION_NONE);
    ks_memory_account_release(&reading->account, &reading->other);
    demand(reading->granted_count == before + 1);
}

/* Returns false once the stream can't go on. */
static bool
feed(struct reading *reading, struct kafscale_slice input)
{
    for (;;) {
        struct kafscale_blob *frame = NULL;
        struct ks_reservation reservation;

        if ((reading->choices & IS_DIRECT) != 0) {
            receive_directly(reading, &input);
        }
        reading->last = ks_frame_reader_next(&reading->reader, &input, &frame, &reservation);
        switch (reading->last) {
        case KS_FRAME_READY:
            take_frame(reading, frame, &reservation);
            break;
        case KS_FRAME_NEEDS_MEMORY:
            end_waiting(reading);
            break;
        case KS_FRAME_NEEDS_BYTES:
            demand(input.size == 0);
            return true;
        case KS_FRAME_TOO_LARGE:
        case KS_FRAME_NO_MEMORY:
            return false;
        }
    }
}

static void
read_stream(struct reading *reading, struct kafscale_slice stream, const struct cuts *cuts)
{
    bool goes_on = true;

    for (size_t i = 0; stream.size > 0 && goes_on; i++) {
        size_t size = cuts->count == 0 ? stream.size : cuts->sizes[i % cuts->count] + 1u;

        size = size < stream.size ? size : stream.size;
        goes_on = feed(reading, ks_slice(stream.data, size));
        stream = ks_slice(stream.data + size, stream.size - size);
    }
}

static void
compare_readings(struct kafscale_slice stream, uint8_t choices, const struct cuts *cuts)
{
    const struct cuts none = { 0 };
    struct reading whole;
    struct reading cut;

    reading_init(&whole, 0);
    read_stream(&whole, stream, &none);
    reading_init(&cut, choices);
    read_stream(&cut, stream, cuts);
    demand(cut.last == whole.last);
    demand(cut.frame_count == whole.frame_count);
    demand(cut.crc == whole.crc);
    demand(ks_frame_reader_is_inside(&cut.reader) == ks_frame_reader_is_inside(&whole.reader));
    reading_deinit(&cut);
    reading_deinit(&whole);
}

/* Pieces of six bytes: four as they are, a count of KiB, and the byte that fills these. */
static size_t
magnify(struct kafscale_slice bytes, uint8_t *out)
{
    size_t size = 0;

    for (; bytes.size >= 6; bytes = ks_slice(bytes.data + 6, bytes.size - 6)) {
        size_t filled = bytes.data[4] * 1024u;

        if (filled + 4 > STREAM_BYTES_MAX - size) {
            break;
        }
        memcpy(out + size, bytes.data, 4);
        memset(out + size + 4, bytes.data[5], filled);
        size += filled + 4;
    }
    return size;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t magnified[STREAM_BYTES_MAX];
    struct kafscale_slice stream;
    struct cuts cuts;

    if (size < 2 || (data[0] & ~KNOWN_CHOICES) != 0 || size < 2u + data[1]) {
        return 0;
    }
    cuts = (struct cuts){ .sizes = data + 2, .count = data[1] };
    stream = ks_slice(data + 2 + cuts.count, size - 2 - cuts.count);
    if ((data[0] & IS_MAGNIFIED) != 0) {
        stream = ks_slice(magnified, magnify(stream, magnified));
    }
    compare_readings(stream, data[0], &cuts);
    return 0;
}
