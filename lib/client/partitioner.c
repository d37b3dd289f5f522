/* SPDX-License-Identifier: Apache-2.0 */
#include "client/partitioner.h"

#include <assert.h>

#define SEED 0x9747b28cu
#define MULTIPLIER 0x5bd1e995u
#define ROTATION 24

uint32_t
ks_murmur2(struct kafscale_slice key)
{
    uint32_t hash = SEED ^ (uint32_t) key.size;
    size_t whole = key.size & ~(size_t) 3;

    for (size_t i = 0; i < whole; i += 4) {
        uint32_t word = (uint32_t) key.data[i] | (uint32_t) key.data[i + 1] << 8 |
                        (uint32_t) key.data[i + 2] << 16 | (uint32_t) key.data[i + 3] << 24;

        word *= MULTIPLIER;
        word ^= word >> ROTATION;
        hash = (hash * MULTIPLIER) ^ (word * MULTIPLIER);
    }
    for (size_t i = key.size; i > whole; i--) {
        hash ^= (uint32_t) key.data[i - 1] << (8 * (i - 1 - whole));
    }
    if (key.size > whole) {
        hash *= MULTIPLIER;
    }
    hash ^= hash >> 13;
    hash *= MULTIPLIER;
    return hash ^ hash >> 15;
}

int32_t
ks_partition_of_key(struct kafscale_slice key, int32_t count)
{
    assert(count > 0);

    return (int32_t) (ks_murmur2(key) & INT32_MAX) % count;
}
