/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signature version 4 of S3: who asks, what is asked and when, under a key that is derived from
 * the secret for one day. Pure: the time is given. Private to store/s3.
 */
#ifndef KS_STORE_S3_SIGNER_H
#define KS_STORE_S3_SIGNER_H

#include "store/s3/digest.h"
#include "store/s3/headers.h"

#define KS_S3_DAY_BYTES 9   /* "20130524" with the final NUL */
#define KS_S3_TIME_BYTES 17 /* "20130524T000000Z" with the final NUL */

/* Instead of a hash: the body is not part of the signature. For bodies under TLS, or with CRCs. */
#define KS_S3_UNSIGNED_PAYLOAD "UNSIGNED-PAYLOAD"

/* What a request is signed with; borrowed. `session_token` is NULL for keys that last. */
struct ks_s3_keys {
    const char *access_key;
    const char *secret_key;
    const char *session_token;
};

/*
 * Keys and region, with the derived key of the day on which it signed last. It holds copies of
 * secrets: deinit wipes them. Zeroed: without keys.
 */
struct ks_s3_signer {
    char *region;
    char *access_key;
    char *secret_key;
    char *session_token;
    char day[KS_S3_DAY_BYTES];
    uint8_t day_key[KS_S3_SHA256_BYTES];
};

/*
 * What is signed beside the headers. `path` and `query` as they are sent (ks_s3_append_path,
 * ks_s3_append_query; "" for no query). `payload_hash` is KS_S3_UNSIGNED_PAYLOAD,
 * ks_s3_empty_hash or what ks_s3_sha256_hex gave. `time_s` since 1970, by the server's clock as
 * far as it is known.
 */
struct ks_s3_signable {
    const char *method;
    const char *path;
    const char *query;
    const char *payload_hash;
    int64_t time_s;
};

void ks_s3_signer_deinit(struct ks_s3_signer *signer);

/* Copies them. On failure, KAFSCALE_NO_MEMORY, the signer is as before. */
KAFSCALE_MUST_CHECK enum kafscale_status ks_s3_signer_set_region(struct ks_s3_signer *signer,
                                                                 const char *region);
KAFSCALE_MUST_CHECK enum kafscale_status ks_s3_signer_set_keys(struct ks_s3_signer *signer,
                                                               const struct ks_s3_keys *keys);

/*
 * Adds x-amz-date, x-amz-content-sha256, x-amz-security-token where there is one, and
 * authorization to the headers, which must hold `host` and all else that is sent. Afterwards
 * nothing may be added any more.
 *
 * KAFSCALE_INVALID: a header's value, a key or the time can't be sent. KAFSCALE_NO_MEMORY.
 */
KAFSCALE_MUST_CHECK enum kafscale_status ks_s3_signer_sign(struct ks_s3_signer *signer,
                                                           const struct ks_s3_signable *request,
                                                           struct ks_s3_headers *headers,
                                                           struct kafscale_error *error);

/* A point in time as signatures have it; false beyond the years 1970 to 9999. */
KAFSCALE_MUST_CHECK bool ks_s3_format_time(int64_t time_s, char time_out[KS_S3_TIME_BYTES]);

/* The key of a day, region and service. */
KAFSCALE_MUST_CHECK enum kafscale_status ks_s3_derive_key(const char *secret_key, const char *day,
                                                          const char *region, const char *service,
                                                          uint8_t key_out[KS_S3_SHA256_BYTES]);

#endif
