/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One object of the metadata log. All integers are big-endian, all lengths are stated, so that
 * fields can be appended to header, transactions, compares and operations: a reader skips what it
 * does not know.
 *
 *     header       magic u32 "KSML", version u16, header bytes u16 (48), object bytes u32, seq u64,
 *                  writer 16 bytes, number u64, transaction count u32
 *     transaction  bytes u32 (of what follows), compare count u32, operation count u32, compares,
 *                  operations
 *     compare      bytes u16, kind u8 (0: this version, 1: any version), version u64, key
 *     operation    bytes u32, kind u8 (0: write, 1: remove), key, value bytes u32, value
 *     key          bytes u16, the key, one zero byte that is not counted
 *     trailer      CRC-32C u32 of everything before it
 */
#ifndef KS_META_ENTRY_H
#define KS_META_ENTRY_H

#include "meta/state.h"

#define KS_META_ENTRY_MAGIC 0x4b534d4cu /* "KSML" */
#define KS_META_ENTRY_BYTES_MAX (8u << 20)

/* The bytes a transaction takes inside an entry, and those of an entry around them. */
size_t ks_meta_entry_txn_bytes(const struct kafscale_meta_txn *txn);
#define KS_META_ENTRY_FRAME_BYTES 52u

/*
 * Appends an entry, transaction by transaction: begin, add as many as fit, end. The buffer's
 * failure is sticky.
 */
void ks_meta_entry_begin(struct ks_buffer *buffer, uint64_t seq, const struct ks_id *writer,
                         uint64_t number);
void ks_meta_entry_add(struct ks_buffer *buffer, const struct kafscale_meta_txn *txn);
void ks_meta_entry_end(struct ks_buffer *buffer, uint32_t txn_count);

/* A decoded entry and the memory of its transactions. Zeroed: empty. */
struct ks_meta_decoded {
    struct ks_meta_batch batch;
    struct ks_arena arena;
};

/*
 * Decodes the entry of slot `seq`; keys and values borrow from `bytes`. KAFSCALE_CORRUPT: not an
 * entry, damaged, or that of another slot. KAFSCALE_UNSUPPORTED: of a newer format.
 * KAFSCALE_NO_MEMORY. Deinit in every case.
 */
KAFSCALE_MUST_CHECK enum kafscale_status ks_meta_entry_decode(struct kafscale_slice bytes,
                                                              uint64_t seq,
                                                              struct ks_meta_decoded *decoded,
                                                              struct kafscale_error *error);

void ks_meta_decoded_deinit(struct ks_meta_decoded *decoded);

#endif
