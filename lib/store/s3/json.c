/* SPDX-License-Identifier: Apache-2.0 */
/*
 * yajl as a stream: its trees are freed by recursion, which a stranger's nesting would drive. It
 * takes for granted that memory never ends, so it gets a block that is larger than a document of
 * the permitted size can make it ask for: its two buffers double, its stack is as deep as we let
 * it.
 */
#include "store/s3/json.h"

#include "store/s3/digest.h"

#include <assert.h>
#include <yajl/yajl_parse.h>

#define BLOCK_BYTES ((size_t) 512 << 10)
#define ALIGNMENT ((size_t) 16)

struct reader {
    ks_json_on_text *on_text;
    void *arg;
    size_t depth;
    bool was_object;
    char name[KS_JSON_NAME_BYTES_MAX + 1];
    enum kafscale_status status;
};

static int
on_begin(struct reader *reader)
{
    if (reader->depth == KS_JSON_DEPTH_MAX) {
        reader->status = KAFSCALE_CORRUPT;
        return 0;
    }
    reader->depth++;
    return 1;
}

static int
on_begin_object(void *arg)
{
    struct reader *reader = arg;

    reader->was_object = reader->was_object || reader->depth == 0;
    return on_begin(reader);
}

static int
on_begin_array(void *arg)
{
    return on_begin(arg);
}

static int
on_end(void *arg)
{
    ((struct reader *) arg)->depth--;
    return 1;
}

static int
on_name(void *arg, const unsigned char *name, size_t size)
{
    struct reader *reader = arg;
    bool is_usable = size <= KS_JSON_NAME_BYTES_MAX && memchr(name, '\0', size) == NULL;

    memcpy(reader->name, name, is_usable ? size : 0);
    reader->name[is_usable ? size : 0] = '\0';
    return 1;
}

static int
on_string(void *arg, const unsigned char *text, size_t size)
{
    struct reader *reader = arg;

    if (reader->depth != 1 || !reader->was_object) {
        return 1;
    }
    reader->status = reader->on_text(reader->arg, reader->name, ks_slice(text, size));
    return reader->status == KAFSCALE_OK;
}

/* --- Memory ---------------------------------------------------------------------------------- */

struct block {
    uint8_t *bytes;
    size_t used;
};

static void *
allocate(void *context, size_t size)
{
    struct block *block = context;
    size_t needed = ALIGNMENT + (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    uint8_t *memory = block->bytes + block->used;

    assert(needed <= BLOCK_BYTES - block->used);

    memcpy(memory, &size, sizeof size);
    block->used += needed;
    return memory + ALIGNMENT;
}

static void *
reallocate(void *context, void *memory, size_t size)
{
    uint8_t *grown = allocate(context, size);
    size_t old_size;

    if (memory != NULL) {
        memcpy(&old_size, (uint8_t *) memory - ALIGNMENT, sizeof old_size);
        memcpy(grown, memory, old_size < size ? old_size : size);
    }
    return grown;
}

static void
release(void *context, void *memory)
{
    (void) context;
    (void) memory;
}

/* --- Reading --------------------------------------------------------------------------------- */

static const yajl_callbacks callbacks = {
    .yajl_string = on_string,
    .yajl_start_map = on_begin_object,
    .yajl_map_key = on_name,
    .yajl_end_map = on_end,
    .yajl_start_array = on_begin_array,
    .yajl_end_array = on_end,
};

static enum kafscale_status
parse(struct reader *reader, struct block *block, struct kafscale_slice document,
      struct kafscale_error *error)
{
    yajl_alloc_funcs functions = {
        .malloc = allocate, .realloc = reallocate, .free = release, .ctx = block
    };
    yajl_handle parser = yajl_alloc(&callbacks, &functions, reader);
    yajl_status parsed = yajl_parse(parser, document.data, document.size);

    if (parsed == yajl_status_ok) {
        parsed = yajl_complete_parse(parser);
    }
    yajl_free(parser);
    if (reader->status != KAFSCALE_OK) {
        return ks_error_set(error, reader->status, "a JSON document: a member can't be used");
    }
    if (parsed != yajl_status_ok || !reader->was_object) {
        return ks_error_set(error, KAFSCALE_CORRUPT, "a JSON document that is no whole object");
    }
    return KAFSCALE_OK;
}

enum kafscale_status
ks_json_read_texts(struct kafscale_slice document, ks_json_on_text *on_text, void *arg,
                   struct kafscale_error *error)
{
    struct reader reader = { .on_text = on_text, .arg = arg, .status = KAFSCALE_OK };
    struct block block = { 0 };
    enum kafscale_status status;

    if (document.size == 0 || document.size > KS_JSON_DOCUMENT_BYTES_MAX) {
        return ks_error_set(error, KAFSCALE_CORRUPT, "a JSON document of %zu bytes", document.size);
    }
    block.bytes = ks_alloc(BLOCK_BYTES);
    if (block.bytes == NULL) {
        return ks_error_set(error, KAFSCALE_NO_MEMORY, "a JSON document: out of memory");
    }
    status = parse(&reader, &block, document, error);
    ks_s3_wipe(block.bytes, block.used);
    ks_free(block.bytes);
    return status;
}
