/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shared bytes: the count and the bytes live in one allocation. A view has a count of its own
 * and one reference to the blob that has the bytes, never to another view, so that chains don't
 * grow.
 */
#include "base/memory.h"
#include "base/slice.h"

#include <assert.h>
#include <stdatomic.h>

struct kafscale_blob {
    atomic_size_t references;
    uint8_t *data;
    size_t size;
    struct kafscale_blob *whole; /* of a view; else NULL */
    uint8_t bytes[];
};

struct kafscale_blob *
kafscale_blob_new(size_t size)
{
    struct kafscale_blob *blob;

    if (size > SIZE_MAX - sizeof *blob) {
        return NULL;
    }
    blob = ks_alloc(sizeof *blob + size);
    if (blob == NULL) {
        return NULL;
    }
    atomic_init(&blob->references, 1);
    blob->data = blob->bytes;
    blob->size = size;
    blob->whole = NULL;
    return blob;
}

struct kafscale_blob *
kafscale_blob_view(struct kafscale_blob *blob, size_t position, size_t size)
{
    struct kafscale_blob *view;

    assert(position <= blob->size);
    assert(size <= blob->size - position);

    view = kafscale_blob_new(0);
    if (view == NULL) {
        return NULL;
    }
    view->data = blob->data + position;
    view->size = size;
    view->whole = kafscale_blob_ref(blob->whole != NULL ? blob->whole : blob);
    return view;
}

struct kafscale_blob *
kafscale_blob_ref(struct kafscale_blob *blob)
{
    size_t before = atomic_fetch_add_explicit(&blob->references, 1, memory_order_relaxed);

    assert(before > 0);
    return blob;
}

void
kafscale_blob_unref(struct kafscale_blob *blob)
{
    size_t before;

    if (blob == NULL) {
        return;
    }
    before = atomic_fetch_sub_explicit(&blob->references, 1, memory_order_acq_rel);
    assert(before > 0);
    if (before == 1) {
        kafscale_blob_unref(blob->whole);
        ks_free(blob);
    }
}

uint8_t *
kafscale_blob_data(struct kafscale_blob *blob)
{
    return blob->data;
}

size_t
kafscale_blob_size(const struct kafscale_blob *blob)
{
    return blob->size;
}

struct kafscale_slice
kafscale_blob_slice(struct kafscale_blob *blob)
{
    return ks_slice(blob->data, blob->size);
}
