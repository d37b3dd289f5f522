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

#include <limits.h>

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

/* What the codec takes where nobody asks for a level. */
#define KS_LEVEL_DEFAULT INT_MIN

/* Whether a topic may ask for this level of the codec; the default is one, and all snappy has. */
bool ks_codec_has_level(int codec, int level);

/*
 * Appends the compressed form of `plain` to `out`, which keeps its cap; on failure `out` is as
 * it was. The room is taken for the worst case: KAFSCALE_TOO_LARGE may be said of bytes that would
 * have become few enough. Levels are those of Kafka: gzip -1 or 1 to 9; lz4 1 to 17, where 9 is its
 * fast form and all others the thorough one; zstd -131072 to 22.
 */
KAFSCALE_MUST_CHECK enum kafscale_status ks_compress_at(int codec, int level,
                                                        struct kafscale_slice plain,
                                                        struct ks_buffer *out,
                                                        struct kafscale_error *error);

/* The same at the default level. */
KAFSCALE_MUST_CHECK enum kafscale_status ks_compress(int codec, struct kafscale_slice plain,
                                                     struct ks_buffer *out,
                                                     struct kafscale_error *error);

/* The libraries of the codecs, those that tell their version; false past the last one. */
bool ks_compression_library_at(size_t index, const char **name_out, const char **version_out);

#endif
