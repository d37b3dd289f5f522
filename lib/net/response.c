/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One allocation holds the pieces and, behind them, all copied bytes. Neighbouring copies
 * become one piece, so the usual small answer is a single piece.
 */
#include "net/response.h"

#include "kafscale/store.h"

#include <assert.h>
#include <string.h>

#define PREFIX_BYTES ((size_t) 4)

struct ks_response_piece {
    const uint8_t *data;
    size_t size;
    struct kafscale_blob *owner; /* NULL: the bytes lie behind the pieces */
};

/* Sums up what the answer needs; false when its length can't be said. */
static bool
measure(const struct ks_answer *answer, size_t *copied_bytes_out, size_t *bytes_out)
{
    size_t copied_bytes = PREFIX_BYTES;
    size_t bytes = 0;

    for (size_t i = 0; i < answer->part_count; i++) {
        const struct kafscale_part *part = &answer->parts[i];

        if (part->bytes.size > (size_t) INT32_MAX - bytes) {
            return false;
        }
        bytes += part->bytes.size;
        copied_bytes += part->owner == NULL ? part->bytes.size : 0;
    }
    *copied_bytes_out = copied_bytes;
    *bytes_out = bytes;
    return true;
}

/* Adds bytes that lie at *next, to the last piece when that is where they go on. */
static void
add_copy(struct ks_response *response, uint8_t **next, const void *data, size_t size)
{
    struct ks_response_piece *last =
        response->piece_count > 0 ? &response->pieces[response->piece_count - 1] : NULL;

    if (size == 0) {
        return;
    }
    memcpy(*next, data, size);
    if (last != NULL && last->owner == NULL) {
        last->size += size;
    } else {
        response->pieces[response->piece_count++] =
            (struct ks_response_piece){ .data = *next, .size = size };
    }
    *next += size;
}

static void
add_reference(struct ks_response *response, const struct kafscale_part *part)
{
    if (part->bytes.size == 0) {
        return;
    }
    response->pieces[response->piece_count++] = (struct ks_response_piece){
        .data = part->bytes.data,
        .size = part->bytes.size,
        .owner = kafscale_blob_ref(part->owner),
    };
}

enum kafscale_status
ks_response_init(struct ks_response *response, const struct ks_answer *answer)
{
    struct ks_response made = { 0 };
    uint8_t prefix[PREFIX_BYTES];
    size_t copied_bytes;
    size_t bytes;
    size_t table_bytes;
    uint8_t *next;

    if (!measure(answer, &copied_bytes, &bytes)) {
        return KAFSCALE_TOO_LARGE;
    }
    if (answer->part_count > (SIZE_MAX / 2 - copied_bytes) / sizeof *made.pieces - 1) {
        return KAFSCALE_TOO_LARGE;
    }
    table_bytes = (answer->part_count + 1) * sizeof *made.pieces;
    made.pieces = ks_alloc(table_bytes + copied_bytes);
    if (made.pieces == NULL) {
        return KAFSCALE_NO_MEMORY;
    }
    next = (uint8_t *) made.pieces + table_bytes;
    ks_put_u32(prefix, (uint32_t) bytes);
    add_copy(&made, &next, prefix, sizeof prefix);
    for (size_t i = 0; i < answer->part_count; i++) {
        const struct kafscale_part *part = &answer->parts[i];

        if (part->owner == NULL) {
            add_copy(&made, &next, part->bytes.data, part->bytes.size);
        } else {
            add_reference(&made, part);
        }
    }
    made.left_bytes = PREFIX_BYTES + bytes;
    made.held_bytes = made.left_bytes;
    *response = made;
    return KAFSCALE_OK;
}

void
ks_response_deinit(struct ks_response *response)
{
    /* What was sent whole gave its reference back already. */
    for (size_t i = response->piece_index; i < response->piece_count; i++) {
        kafscale_blob_unref(response->pieces[i].owner);
    }
    ks_free(response->pieces);
    *response = (struct ks_response){ 0 };
}

size_t
ks_response_gather(const struct ks_response *response, struct iovec *pieces_out, size_t count_max)
{
    size_t count = 0;
    size_t sent_bytes = response->piece_sent_bytes;

    for (size_t i = response->piece_index; i < response->piece_count && count < count_max; i++) {
        const struct ks_response_piece *piece = &response->pieces[i];

        pieces_out[count++] = (struct iovec){
            .iov_base = (void *) (uintptr_t) (piece->data + sent_bytes),
            .iov_len = piece->size - sent_bytes,
        };
        sent_bytes = 0;
    }
    return count;
}

/* Gives back the first piece, sent whole; what it kept goes with the last of its owner's. */
static void
finish_piece(struct ks_response *response)
{
    const struct ks_response_piece *piece = &response->pieces[response->piece_index++];

    response->piece_sent_bytes = 0;
    response->kept_bytes += piece->size;
    if (response->piece_index == response->piece_count || piece[1].owner != piece->owner) {
        response->held_bytes -= response->kept_bytes;
        response->kept_bytes = 0;
    }
    kafscale_blob_unref(piece->owner);
}

size_t
ks_response_advance(struct ks_response *response, size_t size)
{
    size_t taken = size < response->left_bytes ? size : response->left_bytes;
    size_t rest = taken;

    response->left_bytes -= taken;
    while (rest > 0) {
        size_t piece_left;

        assert(response->piece_index < response->piece_count);
        piece_left = response->pieces[response->piece_index].size - response->piece_sent_bytes;
        if (rest < piece_left) {
            response->piece_sent_bytes += rest;
            break;
        }
        rest -= piece_left;
        finish_piece(response);
    }
    return taken;
}
