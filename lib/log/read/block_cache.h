/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pieces of objects that never change, kept while there is room. A piece is read once however many
 * wait for it; what it is answered with shares its bytes. Where pieces begin is their users'
 * business.
 */
#ifndef KS_LOG_READ_BLOCK_CACHE_H
#define KS_LOG_READ_BLOCK_CACHE_H

#include "log/read/object_read.h"

#define KS_BLOCK_ID_BYTES (KAFSCALE_STORE_KEY_BYTES_MAX + 24)

/*
 * Valid until the next call that may read or drop blocks, or the end of the completion it was given
 * to; a reference to `bytes` may be kept for longer.
 */
struct ks_block {
    struct ks_table_node node;
    struct ks_list link; /* once read: with those in use, or those prepared */
    struct ks_log *log;
    struct kafscale_blob *bytes;
    bool is_told;          /* goes when all who waited have been told */
    bool is_dropped;       /* in no table any more */
    bool is_checked;       /* its users': what it holds was looked at and is right */
    uint32_t ahead;        /* its users': how many blocks were read ahead of it */
    size_t prepared_bytes; /* its size: it is on its way, or nobody has asked for it yet */
    int64_t prepared_ms;
    struct ks_list waits;
    struct ks_object_read read;
    char id[]; /* the object's key, a zero, position and size */
};

/* Of one log. */
struct ks_block_cache {
    struct ks_table table;
    struct ks_list by_use;   /* oldest first */
    struct ks_list prepared; /* read, and nobody has asked for them yet; oldest first */
    size_t bytes;            /* of both */
    size_t bytes_min;        /* it may have as much, and all that the newest records leave */
    size_t prepared_bytes;   /* of those in `prepared`, and those on their way there */
};

/* Whoever waits for one, in his memory until `done`. */
struct ks_block_wait {
    struct ks_list link;
    void (*done)(struct ks_block_wait *wait, enum kafscale_status status, struct ks_block *block,
                 const struct kafscale_error *error);
};

void ks_block_cache_init(struct ks_block_cache *cache, uint64_t seed, size_t bytes_min);
/* No completion may come any more. */
void ks_block_cache_deinit(struct ks_block_cache *cache);

/*
 * `size` bytes of an object from `position` on. OK with a block: it was at hand. OK with NULL:
 * `done` of `wait` will come, also when the log goes. NO_MEMORY: nothing was begun. The key is
 * copied.
 */
KAFSCALE_MUST_CHECK enum kafscale_status ks_block_get(struct ks_log *log, const char *key,
                                                      uint64_t position, size_t size,
                                                      struct ks_block_wait *wait,
                                                      struct ks_block **block_out);

/* The block, if it is at hand, or NULL. */
struct ks_block *ks_block_at_hand(struct ks_log *log, const char *key, uint64_t position,
                                  size_t size);

/* Whether it is at hand or on its way. */
bool ks_block_is_known(const struct ks_log *log, const char *key, uint64_t position, size_t size);

/*
 * Begins to read the block that will be asked for after `between` others, if that takes no request
 * from others and leaves room: only those that come next may take all that prepared blocks may
 * have, so that nobody reads far ahead while others have to wait.
 */
void ks_block_prepare(struct ks_log *log, const char *key, uint64_t position, size_t size,
                      uint32_t between);

/* The newest records may have taken more of the cache: blocks that have no room any more go. */
void ks_block_cache_fit(struct ks_log *log);

/* It doesn't hold what it must: it goes, and will be read again. */
void ks_block_distrust(struct ks_block *block);

#endif
