/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is kept is decided by last use. What was prepared goes last, for it would always be older
 * than what was read meanwhile, but not when nobody has come for it in a long time. Blocks on their
 * way count when they have come, so a block greater than the budget is still given to those who
 * wait for it.
 */
#include "log/read/block_cache.h"

#include "log/core.h"

#include <assert.h>

#define STALE_MS 10000
#define FAR 10

void
ks_block_cache_init(struct ks_block_cache *cache, uint64_t seed, size_t bytes_min)
{
    *cache = (struct ks_block_cache){ .bytes_min = bytes_min };
    ks_table_init(&cache->table, seed);
    ks_list_init(&cache->by_use);
    ks_list_init(&cache->prepared);
}

static void
block_free(struct ks_block *block)
{
    kafscale_blob_unref(block->bytes);
    ks_free(block);
}

/* It has come, and somebody has asked for it. */
static void
note_used(struct ks_block *block)
{
    block->log->blocks.prepared_bytes -= block->prepared_bytes;
    block->prepared_bytes = 0;
}

static void
drop(struct ks_block *block)
{
    struct ks_block_cache *cache = &block->log->blocks;

    assert(!block->is_dropped);
    note_used(block);
    ks_table_remove(&cache->table, &block->node);
    if (ks_list_is_linked(&block->link)) {
        ks_list_remove(&block->link);
        cache->bytes -= kafscale_blob_size(block->bytes);
    }
    block->is_dropped = true;
    if (!block->is_told) {
        block_free(block);
    }
}

void
ks_block_cache_deinit(struct ks_block_cache *cache)
{
    struct ks_table_node *node = ks_table_next(&cache->table, NULL);

    while (node != NULL) {
        struct ks_block *block = KS_CONTAINER(node, struct ks_block, node);

        node = ks_table_next(&cache->table, node);
        drop(block);
    }
    ks_table_deinit(&cache->table);
}

void
ks_block_distrust(struct ks_block *block)
{
    if (!block->is_dropped) {
        drop(block);
    }
}

static struct ks_block *
first_of(const struct ks_list *list)
{
    return ks_list_is_empty(list) ? NULL : KS_CONTAINER(list->next, struct ks_block, link);
}

/* Whoever they were prepared for has gone. */
static void
drop_stale(struct ks_block_cache *cache)
{
    struct ks_block *block;

    while ((block = first_of(&cache->prepared)) != NULL &&
           block->prepared_ms + STALE_MS <= ks_env_now_ms(block->log->env)) {
        drop(block);
    }
}

static size_t
bytes_max(const struct ks_log *log)
{
    size_t all = log->options.cache_bytes_max;
    size_t left = all > log->cache_bytes ? all - log->cache_bytes : 0;

    return left > log->blocks.bytes_min ? left : log->blocks.bytes_min;
}

void
ks_block_cache_fit(struct ks_log *log)
{
    struct ks_block_cache *cache = &log->blocks;

    drop_stale(cache);
    while (cache->bytes > bytes_max(log)) {
        struct ks_block *block = first_of(&cache->by_use);

        drop(block != NULL ? block : first_of(&cache->prepared));
    }
}

/* --- Reading --------------------------------------------------------------------------------- */

static void
on_got(void *arg, enum kafscale_status status, struct kafscale_blob *body, uint64_t object_bytes,
       const struct kafscale_error *error)
{
    struct ks_block *block = arg;
    struct ks_log *log = block->log;
    struct ks_block_cache *cache = &log->blocks;
    struct ks_list *node;

    (void) object_bytes;
    block->is_told = true;
    if (!ks_list_is_empty(&block->waits)) {
        note_used(block);
    }
    if (status == KAFSCALE_OK) {
        block->bytes = kafscale_blob_ref(body);
        ks_list_append(block->prepared_bytes > 0 ? &cache->prepared : &cache->by_use, &block->link);
        cache->bytes += kafscale_blob_size(body);
    } else {
        drop(block);
    }
    while ((node = ks_list_take_first(&block->waits)) != NULL) {
        struct ks_block_wait *wait = KS_CONTAINER(node, struct ks_block_wait, link);

        wait->done(wait, status, status == KAFSCALE_OK ? block : NULL, error);
    }
    block->is_told = false;
    if (block->is_dropped) {
        block_free(block);
    }
    ks_block_cache_fit(log);
}

/* The identity of a block in `id_out`, and its size. */
static size_t
make_id(const char *key, uint64_t position, size_t size, char id_out[KS_BLOCK_ID_BYTES])
{
    size_t id_bytes = strlen(key) + 1;

    assert(id_bytes + sizeof position + sizeof size <= KS_BLOCK_ID_BYTES);
    memcpy(id_out, key, id_bytes);
    memcpy(id_out + id_bytes, &position, sizeof position);
    id_bytes += sizeof position;
    memcpy(id_out + id_bytes, &size, sizeof size);
    return id_bytes + sizeof size;
}

static struct ks_block *
find(const struct ks_block_cache *cache, const char *id, size_t id_bytes)
{
    struct ks_table_node *node = ks_table_find(&cache->table, ks_slice(id, id_bytes));

    return node == NULL ? NULL : KS_CONTAINER(node, struct ks_block, node);
}

/* Begins to read it; NULL without memory. */
static struct ks_block *
begin(struct ks_log *log, const char *id, size_t id_bytes, uint64_t position, size_t size)
{
    struct ks_block *block = ks_alloc_zero(1, sizeof *block + id_bytes);

    if (block == NULL) {
        return NULL;
    }
    memcpy(block->id, id, id_bytes);
    block->log = log;
    ks_list_init(&block->waits);
    if (ks_table_insert(&log->blocks.table, &block->node, ks_slice(block->id, id_bytes)) !=
        KAFSCALE_OK) {
        ks_free(block);
        return NULL;
    }
    ks_object_read_start(&block->read, log, block->id, position, size, on_got, block);
    return block;
}

static void
touch(struct ks_block *block)
{
    ks_list_remove(&block->link);
    ks_list_append(&block->log->blocks.by_use, &block->link);
}

enum kafscale_status
ks_block_get(struct ks_log *log, const char *key, uint64_t position, size_t size,
             struct ks_block_wait *wait, struct ks_block **block_out)
{
    char id[KS_BLOCK_ID_BYTES];
    size_t id_bytes = make_id(key, position, size, id);
    struct ks_block *block = find(&log->blocks, id, id_bytes);

    *block_out = NULL;
    if (block == NULL) {
        block = begin(log, id, id_bytes, position, size);
    }
    if (block == NULL) {
        return KAFSCALE_NO_MEMORY;
    }
    if (block->bytes == NULL) {
        ks_list_append(&block->waits, &wait->link);
    } else {
        note_used(block);
        touch(block);
        *block_out = block;
    }
    return KAFSCALE_OK;
}

struct ks_block *
ks_block_at_hand(struct ks_log *log, const char *key, uint64_t position, size_t size)
{
    char id[KS_BLOCK_ID_BYTES];
    struct ks_block *block = find(&log->blocks, id, make_id(key, position, size, id));

    return block != NULL && block->bytes != NULL ? block : NULL;
}

bool
ks_block_is_known(const struct ks_log *log, const char *key, uint64_t position, size_t size)
{
    char id[KS_BLOCK_ID_BYTES];

    return find(&log->blocks, id, make_id(key, position, size, id)) != NULL;
}

/*
 * Thirteen sixteenths of the cache for those that come next, ever less for those after, and always
 * room for two blocks that are being read. The rest is for blocks that are read now, a part at a
 * time.
 */
static bool
has_room(const struct ks_log *log, size_t size, uint32_t between)
{
    size_t prepared_bytes = log->blocks.prepared_bytes;
    size_t all = bytes_max(log);
    size_t part = all / 16;
    size_t prepared_max = between < FAR ? part * 13 - part * between / 4 : part * 2;

    return prepared_bytes + size <= prepared_max && prepared_bytes + 3 * size <= all;
}

void
ks_block_prepare(struct ks_log *log, const char *key, uint64_t position, size_t size,
                 uint32_t between)
{
    struct ks_block_cache *cache = &log->blocks;
    char id[KS_BLOCK_ID_BYTES];
    size_t id_bytes = make_id(key, position, size, id);
    struct ks_block *block;

    drop_stale(cache);
    if (!ks_object_reads_are_idle(log) || !has_room(log, size, between) ||
        find(cache, id, id_bytes) != NULL) {
        return;
    }
    block = begin(log, id, id_bytes, position, size);
    if (block != NULL) {
        block->prepared_bytes = size;
        block->prepared_ms = ks_env_now_ms(log->env);
        cache->prepared_bytes += size;
    }
}
