/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The codecs of record batches, and the only code that names their libraries. Compressed bytes
 * come from clients or from a bucket: what they say about their size is believed only within
 * limits, so a small batch can't ask for much memory.
 *
 * Pure functions, any thread.
 */
#ifndef KS_RECORD_COMPRESSION_H
#define KS_RECORD_COMPRESSION_H

#include "base/buffer.h"

/* No batch opens to more than this, whatever the caller allows. */
#define KS_PLAIN_BYTES_MAX (64u << 20)

/*
 * Beyond this size, bytes must have been at least 1/KS_COMPRESSION_RATIO_MAX of what they open
 * to.
 */
#define KS_PLAIN_BYTES_FREE (1u << 20)
#define KS_COMPRESSION_RATIO_MAX 1000u

/* The most that `compressed_bytes` may open to for a caller that allows `plain_bytes_max`. */
size_t ks_plain_bytes_limit(size_t compressed_bytes, size_t plain_bytes_max);

/*
 * "none", "gzip", "snappy", "lz4" or "zstd", as topic options spell them; NULL for another
 * number.
 */
const char *ks_codec_name(int codec);

/*
 * Opens `compressed`. On success *plain_out, a buffer of the caller's that holds no memory yet,
 * owns the bytes. KAFSCALE_TOO_LARGE: they would pass the limit; KAFSCALE_CORRUPT: not what the
 * codec writes; KAFSCALE_UNSUPPORTED: no such codec.
 */
KAFSCALE_MUST_CHECK enum kafscale_status ks_decompress(int codec, struct kafscale_slice compressed,
                                                       size_t plain_bytes_max,
                                                       struct ks_buffer *plain_out,
                                                       struct kafscale_error *error);

/*
 * Appends the compressed form of `plain` to `out`, which keeps its cap; on failure `out` is as
 * it was.
 */
KAFSCALE_MUST_CHECK enum kafscale_status ks_compress(int codec, struct kafscale_slice plain,
                                                     struct ks_buffer *out,
                                                     struct kafscale_error *error);

#endif
