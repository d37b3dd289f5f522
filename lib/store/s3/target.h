/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A bucket at an endpoint, and the requests to it: their URL, their headers, their signature.
 * Private to store/s3.
 */
#ifndef KS_STORE_S3_TARGET_H
#define KS_STORE_S3_TARGET_H

#include "store/s3/signer.h"
#include "store/s3/transport.h"

struct ks_s3_target {
    char *base_url; /* "https://host:port", without a '/' at the end */
    char *host;     /* as the Host header has it */
    char *bucket;
    char *region;
    bool is_path_style;
    bool is_tls;
    bool is_loopback;
    struct ks_s3_signer signer;
};

/* Texts are copied; `endpoint` NULL or "" is AWS. */
struct ks_s3_target_options {
    const char *bucket;
    const char *region;
    const char *endpoint; /* "http://host:port" */
    bool is_path_style;
};

/* KAFSCALE_INVALID names the option that can't be used. Nothing is kept on failure. */
KAFSCALE_MUST_CHECK enum kafscale_status ks_s3_target_init(
    struct ks_s3_target *target, const struct ks_s3_target_options *options,
    struct kafscale_error *error);

/* Accepts a zeroed target. */
void ks_s3_target_deinit(struct ks_s3_target *target);

/* What is to be asked of the bucket, or of one object in it. */
struct ks_s3_ask {
    const char *method;
    const char *key; /* NULL: the bucket itself */
    const struct ks_s3_field *parameters;
    size_t parameter_count;
    const struct ks_s3_field *headers; /* beside those of every request; names in lower case */
    size_t header_count;
    const char *payload_hash; /* as in struct ks_s3_signable */
};

/* A request as it is sent: what an exchange borrows. Zeroed: empty. */
struct ks_s3_message {
    struct ks_buffer url; /* ends with a NUL */
    struct ks_s3_headers headers;
};

/*
 * Writes and signs a request. The message must be empty, and stays as it was on failure.
 * KAFSCALE_INVALID: a header can't be sent as it is.
 */
KAFSCALE_MUST_CHECK enum kafscale_status ks_s3_target_write(struct ks_s3_target *target,
                                                            const struct ks_s3_ask *ask,
                                                            int64_t time_s,
                                                            struct ks_s3_message *message,
                                                            struct kafscale_error *error);

const char *ks_s3_message_url(const struct ks_s3_message *message);

/* Empties it. */
void ks_s3_message_deinit(struct ks_s3_message *message);

#endif
