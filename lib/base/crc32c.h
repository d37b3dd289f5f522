/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CRC-32C (Castagnoli, RFC 3720 B.4), the checksum of Kafka's record batches and of our objects.
 */
#ifndef KS_BASE_CRC32C_H
#define KS_BASE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* The checksum of `data`, going on from `crc`; 0 begins. */
uint32_t ks_crc32c(uint32_t crc, const void *data, size_t size);

/*
 * The checksum of two pieces one after the other, from the checksum of each and the size of the
 * second, without their bytes. Takes about as long as ks_crc32c over 4 KiB.
 */
uint32_t ks_crc32c_join(uint32_t first, uint32_t second, size_t second_bytes);

#endif
