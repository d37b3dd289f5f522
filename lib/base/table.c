/* SPDX-License-Identifier: Apache-2.0 */
/* Chains in a power-of-two array of buckets, doubled when there are as many nodes as buckets. */
#include "base/table.h"

#include "base/memory.h"

#include <assert.h>

#define BUCKETS_MIN 16u

void
ks_table_init(struct ks_table *table, uint64_t seed)
{
    *table = (struct ks_table){ .seed = seed };
}

void
ks_table_deinit(struct ks_table *table)
{
    ks_free(table->buckets);
    *table = (struct ks_table){ .seed = table->seed };
}

static uint64_t
mix(uint64_t value)
{
    value ^= value >> 32;
    value *= 0xd6e8feb86659fd93u;
    value ^= value >> 32;
    value *= 0xd6e8feb86659fd93u;
    return value ^ value >> 32;
}

static uint64_t
hash_of(const struct ks_table *table, struct kafscale_slice key)
{
    uint64_t hash = mix(table->seed ^ key.size);
    size_t i = 0;

    for (; i + 8 <= key.size; i += 8) {
        uint64_t word;

        memcpy(&word, key.data + i, 8);
        hash = mix(hash ^ word);
    }
    for (; i < key.size; i++) {
        hash = mix(hash ^ key.data[i]);
    }
    return hash;
}

static struct ks_table_node **
bucket_of(const struct ks_table *table, uint64_t hash)
{
    return &table->buckets[hash & (table->bucket_count - 1)];
}

struct ks_table_node *
ks_table_find(const struct ks_table *table, struct kafscale_slice key)
{
    uint64_t hash;

    if (table->count == 0) {
        return NULL;
    }
    hash = hash_of(table, key);
    for (struct ks_table_node *node = *bucket_of(table, hash); node != NULL; node = node->next) {
        if (node->hash == hash && ks_slice_equals(node->key, key)) {
            return node;
        }
    }
    return NULL;
}

static void
link_node(struct ks_table *table, struct ks_table_node *node)
{
    struct ks_table_node **bucket = bucket_of(table, node->hash);

    node->next = *bucket;
    *bucket = node;
}

static bool
grow(struct ks_table *table)
{
    struct ks_table bigger = *table;

    bigger.bucket_count = table->bucket_count == 0 ? BUCKETS_MIN : table->bucket_count * 2;
    bigger.buckets = ks_alloc_zero(bigger.bucket_count, sizeof(struct ks_table_node *));
    if (bigger.buckets == NULL) {
        return false;
    }
    for (size_t i = 0; i < table->bucket_count; i++) {
        struct ks_table_node *node = table->buckets[i];

        while (node != NULL) {
            struct ks_table_node *next = node->next;

            link_node(&bigger, node);
            node = next;
        }
    }
    ks_free(table->buckets);
    *table = bigger;
    return true;
}

enum kafscale_status
ks_table_reserve(struct ks_table *table, size_t count)
{
    while (table->bucket_count < table->count + count) {
        if (!grow(table)) {
            return KAFSCALE_NO_MEMORY;
        }
    }
    return KAFSCALE_OK;
}

enum kafscale_status
ks_table_insert(struct ks_table *table, struct ks_table_node *node, struct kafscale_slice key)
{
    assert(ks_table_find(table, key) == NULL);

    if (table->count >= table->bucket_count && !grow(table)) {
        return KAFSCALE_NO_MEMORY;
    }
    node->key = key;
    node->hash = hash_of(table, key);
    link_node(table, node);
    table->count++;
    return KAFSCALE_OK;
}

void
ks_table_remove(struct ks_table *table, struct ks_table_node *node)
{
    struct ks_table_node **link = bucket_of(table, node->hash);

    while (*link != node) {
        assert(*link != NULL);
        link = &(*link)->next;
    }
    *link = node->next;
    node->next = NULL;
    table->count--;
}

struct ks_table_node *
ks_table_next(const struct ks_table *table, const struct ks_table_node *node)
{
    size_t i = 0;

    if (node != NULL) {
        if (node->next != NULL) {
            return node->next;
        }
        i = (node->hash & (table->bucket_count - 1)) + 1;
    }
    for (; i < table->bucket_count; i++) {
        if (table->buckets[i] != NULL) {
            return table->buckets[i];
        }
    }
    return NULL;
}
