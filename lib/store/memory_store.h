/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Objects in memory. The contents, a bucket, are apart from the store that reaches them, so
 * that several stores can share one, and a simulated broker that restarts finds what it left.
 *
 * A bucket and all its stores belong to one thread.
 */
#ifndef KS_STORE_MEMORY_STORE_H
#define KS_STORE_MEMORY_STORE_H

#include "base/base.h"
#include "kafscale/store.h"

struct ks_memory_bucket;

/* An empty bucket with one reference, or NULL when memory is short. */
struct ks_memory_bucket *ks_memory_bucket_new(void);

struct ks_memory_bucket *ks_memory_bucket_ref(struct ks_memory_bucket *bucket);

/* Drops one reference; the last one frees all objects. Accepts NULL. */
void ks_memory_bucket_unref(struct ks_memory_bucket *bucket);

size_t ks_memory_bucket_object_count(const struct ks_memory_bucket *bucket);

/*
 * A store over `bucket`, of which it takes a reference of its own; NULL makes a bucket for
 * this store alone. A request acts and completes in a later turn of the loop. Parts that have
 * an owner are referenced, not copied. `ops` is NULL when memory is short.
 */
struct kafscale_store ks_memory_store_new(struct ks_env *env, struct ks_memory_bucket *bucket);

#endif
