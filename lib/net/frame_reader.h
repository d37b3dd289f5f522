/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The frame reader cuts a stream of bytes into frames: a 4-byte length, then as many bytes.
 * Memory follows the bytes that came, never the length announced: a frame gets its blob when a
 * quarter of it is there, and beyond 64 KiB, or when memory is short, when its whole length is
 * reserved. Bytes of a frame
 * that has its blob can be received straight into it.
 *
 * No sockets, no time.
 */
#ifndef KS_NET_FRAME_READER_H
#define KS_NET_FRAME_READER_H

#include "net/limits.h"
#include "net/memory_account.h"

enum ks_frame_step {
    KS_FRAME_NEEDS_BYTES, /* all input was taken; more must come */
    /* on_granted will be called; the rest of the input must be kept until then */
    KS_FRAME_NEEDS_MEMORY,
    KS_FRAME_READY,     /* one frame; the input may hold more */
    KS_FRAME_TOO_LARGE, /* the length is no legal one; the stream can't go on */
    KS_FRAME_NO_MEMORY  /* the system has none; the stream can't go on */
};

struct ks_frame_reader {
    struct ks_memory_account *account;
    uint32_t frame_bytes_max;
    uint8_t prefix[4];
    uint32_t prefix_count;
    size_t frame_bytes;      /* known once the prefix is complete */
    struct ks_buffer staged; /* the frame's first bytes while it has no blob */
    size_t kept_bytes;       /* of them, in the account */
    struct kafscale_blob *frame;
    size_t filled_bytes; /* of the blob */
    struct ks_reservation reservation;
};

/* Borrows the account. `on_granted` is as in struct ks_reservation. */
void ks_frame_reader_init(struct ks_frame_reader *reader, struct ks_memory_account *account,
                          uint32_t frame_bytes_max, void (*on_granted)(void *arg), void *arg);
void ks_frame_reader_deinit(struct ks_frame_reader *reader);

/*
 * Takes bytes off the front of `input` until there is a frame or no input. With KS_FRAME_READY
 * the caller owns the blob and the granted reservation, which it releases when the request is
 * done with.
 */
enum ks_frame_step ks_frame_reader_next(struct ks_frame_reader *reader,
                                        struct kafscale_slice *input,
                                        struct kafscale_blob **frame_out,
                                        struct ks_reservation *reservation_out);

/*
 * Where the next bytes may be received to: the rest of the frame's blob, or NULL when there is
 * none.
 */
uint8_t *ks_frame_reader_space(struct ks_frame_reader *reader, size_t *size_out);

/*
 * Says that `size` bytes were put into that space; ks_frame_reader_next with no input goes on
 * from there.
 */
void ks_frame_reader_filled(struct ks_frame_reader *reader, size_t size);

/* Whether a frame has begun and isn't complete. */
static inline bool
ks_frame_reader_is_inside(const struct ks_frame_reader *reader)
{
    return reader->prefix_count > 0;
}

/* Whether the frame is complete, and ks_frame_reader_next needs no input to hand it over. */
static inline bool
ks_frame_reader_is_full(const struct ks_frame_reader *reader)
{
    return reader->frame != NULL && reader->filled_bytes == reader->frame_bytes;
}

/* Whether a frame above 64 KiB has its reservation: it must be read on, whatever else waits. */
static inline bool
ks_frame_reader_is_reserved(const struct ks_frame_reader *reader)
{
    return reader->frame != NULL && reader->frame_bytes > KS_FRAME_UNRESERVED_BYTES_MAX;
}

#endif
