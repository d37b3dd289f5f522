/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes as the library passes them: a slice borrows, a blob owns by counted references. All
 * functions may be called on any thread.
 */
#ifndef KAFSCALE_BYTES_H
#define KAFSCALE_BYTES_H

#include "kafscale/status.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Borrowed bytes. Whoever hands one over says how long it stays valid. */
struct kafscale_slice {
    const uint8_t *data;
    size_t size;
};

/* The bytes of a text without its final NUL, valid as long as the text. */
static inline struct kafscale_slice
kafscale_slice_of_text(const char *text)
{
    struct kafscale_slice slice;

    slice.data = (const uint8_t *) (const void *) text;
    slice.size = strlen(text);
    return slice;
}

/*
 * A block of bytes shared by counted references: a frame from a socket, an object from a store.
 * Its bytes don't change once a second reference exists. Counting is atomic, so references may
 * be dropped on any thread.
 */
struct kafscale_blob;

/* A blob of `size` bytes, uninitialised, with one reference; NULL when memory is short. */
KAFSCALE_EXPORT struct kafscale_blob *kafscale_blob_new(size_t size);

/*
 * A blob over `size` bytes of another one from `position` on, which must lie in it; nothing is
 * copied, and the bytes stay as long as the view, which the caller unrefs. NULL when memory is
 * short. A store answers a GET from its memory with it.
 */
KAFSCALE_EXPORT struct kafscale_blob *kafscale_blob_view(struct kafscale_blob *blob,
                                                         size_t position, size_t size);

/* Takes one more reference, which somebody has to drop, and returns the same blob. */
KAFSCALE_EXPORT struct kafscale_blob *kafscale_blob_ref(struct kafscale_blob *blob);

/* Drops one reference; the last one frees the bytes. Accepts NULL. */
KAFSCALE_EXPORT void kafscale_blob_unref(struct kafscale_blob *blob);

/* The bytes, valid as long as a reference is held, and how many they are. */
KAFSCALE_EXPORT uint8_t *kafscale_blob_data(struct kafscale_blob *blob);
KAFSCALE_EXPORT size_t kafscale_blob_size(const struct kafscale_blob *blob);

/* All of a blob as a slice, valid as long as the caller's reference. */
KAFSCALE_EXPORT struct kafscale_slice kafscale_blob_slice(struct kafscale_blob *blob);

#ifdef __cplusplus
}
#endif

#endif
