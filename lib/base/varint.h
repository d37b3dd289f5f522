/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing variable-length integers; reading them is the cursor's work (base/cursor.h).
 */
#ifndef KS_BASE_VARINT_H
#define KS_BASE_VARINT_H

#include <stddef.h>
#include <stdint.h>

#define KS_VARINT_BYTES_MAX 10

/* Writes 1 to 10 bytes at `out` and returns how many. */
size_t ks_put_uvarlong(uint8_t *out, uint64_t value);
size_t ks_put_varlong(uint8_t *out, int64_t value);

size_t ks_uvarlong_bytes(uint64_t value);
size_t ks_varlong_bytes(int64_t value);

#endif
