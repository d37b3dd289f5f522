/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The state at the end of a chunk as one object, and the marks that say that the entries before
 * it may be gone. Big-endian, lengths stated:
 *
 *     snapshot  magic u32 "KSMS", version u16, header bytes u16 (60), object bytes u64, chunk u64,
 *               seq u64, revision u64, writer count u32, item count u64, writers forgotten u64;
 *               writers, items, CRC-32C u32 of everything before it
 *     writer    bytes u16, id 16 bytes, number u64, seq u64, revision before u64, transaction count
 *               u32, outcome bits
 *     item      bytes u32, version u64, key bytes u16, key, one zero byte, value bytes u32, value
 *     mark      magic u32 "KSMT", version u16, bytes u16 (20), chunk u64, CRC-32C u32; only that it
 *               exists has a meaning
 */
#ifndef KS_META_SNAPSHOT_H
#define KS_META_SNAPSHOT_H

#include "meta/state.h"

#define KS_META_SNAPSHOT_MAGIC 0x4b534d53u /* "KSMS" */
#define KS_META_MARK_MAGIC 0x4b534d54u     /* "KSMT" */
#define KS_META_MARK_BYTES 20u

/*
 * Appends the snapshot of a state that is at the end of chunk `chunk`. The buffer's failure is
 * sticky.
 */
void ks_meta_snapshot_encode(struct ks_buffer *buffer, const struct ks_meta_state *state,
                             uint64_t chunk);

/*
 * Fills a zeroed state from the snapshot of `chunk`. KAFSCALE_CORRUPT: not a snapshot, damaged,
 * or that of another chunk; KAFSCALE_UNSUPPORTED: of a newer format; KAFSCALE_NO_MEMORY. The
 * state is empty on failure.
 */
KAFSCALE_MUST_CHECK enum kafscale_status ks_meta_snapshot_decode(struct kafscale_slice bytes,
                                                                 uint64_t chunk,
                                                                 struct ks_meta_state *state,
                                                                 struct kafscale_error *error);

void ks_meta_mark_encode(uint8_t mark_out[KS_META_MARK_BYTES], uint64_t chunk);

#endif
