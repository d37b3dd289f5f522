/* SPDX-License-Identifier: Apache-2.0 */
/* Shared bytes: the count and the bytes live in one allocation. */
#include "base/memory.h"
#include "base/slice.h"

#include <assert.h>
#include <stdatomic.h>

struct kafscale_blob {
    atomic_size_t references;
    size_t size;
    uint8_t data[];
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
    blob->size = size;
    return blob;
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
