/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the S3 store needs of libcrypto: hashes of payloads and the keyed hash of signatures, in
 * the forms in which they stand in headers. Private to store/s3.
 */
#ifndef KS_STORE_S3_DIGEST_H
#define KS_STORE_S3_DIGEST_H

#include "base/base.h"
#include "kafscale/store.h"

#define KS_S3_SHA256_BYTES 32
#define KS_S3_SHA256_HEX_BYTES 65 /* with the final NUL */
#define KS_S3_MD5_TEXT_BYTES 25   /* base64, with the final NUL */
#define KS_S3_CRC32C_TEXT_BYTES 9 /* base64, with the final NUL */

/* The hash of no bytes, for requests without a body. */
extern const char ks_s3_empty_hash[KS_S3_SHA256_HEX_BYTES];

/* SHA-256 of all parts in a row, as x-amz-content-sha256 wants it: lower-case hexadecimal. */
KAFSCALE_MUST_CHECK enum kafscale_status ks_s3_sha256_hex(const struct kafscale_part *parts,
                                                          size_t part_count,
                                                          char hex_out[KS_S3_SHA256_HEX_BYTES]);

/* The same of one slice. */
KAFSCALE_MUST_CHECK enum kafscale_status ks_s3_sha256_hex_of(struct kafscale_slice bytes,
                                                             char hex_out[KS_S3_SHA256_HEX_BYTES]);

/* As Content-MD5 wants it. */
KAFSCALE_MUST_CHECK enum kafscale_status ks_s3_md5_text(struct kafscale_slice bytes,
                                                        char text_out[KS_S3_MD5_TEXT_BYTES]);

/* As x-amz-checksum-crc32c wants it. */
void ks_s3_crc32c_text(uint32_t crc, char text_out[KS_S3_CRC32C_TEXT_BYTES]);

/* HMAC-SHA-256. `key` and `mac_out` may be the same memory. */
KAFSCALE_MUST_CHECK enum kafscale_status ks_s3_hmac(struct kafscale_slice key,
                                                    struct kafscale_slice text,
                                                    uint8_t mac_out[KS_S3_SHA256_BYTES]);

/* Lower-case hexadecimal of a hash or a keyed hash. */
void ks_s3_hash_to_hex(const uint8_t hash[KS_S3_SHA256_BYTES],
                       char hex_out[KS_S3_SHA256_HEX_BYTES]);

/* Overwrites a secret before its memory goes, in a way that no compiler leaves out. */
void ks_s3_wipe(void *memory, size_t size);

/* The same for a text of the heap, which is then freed. Accepts NULL. */
void ks_s3_free_secret(char *text);

#endif
