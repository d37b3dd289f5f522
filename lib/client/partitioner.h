/* SPDX-License-Identifier: Apache-2.0 */
/* Where a record with a key goes: to the partition that Kafka's Java producer sends it to. */
#ifndef KS_CLIENT_PARTITIONER_H
#define KS_CLIENT_PARTITIONER_H

#include "base/slice.h"

/* MurmurHash2 with the seed that Kafka gives it. */
uint32_t ks_murmur2(struct kafscale_slice key);

/* Of `count` partitions, more than 0. */
int32_t ks_partition_of_key(struct kafscale_slice key, int32_t count);

#endif
