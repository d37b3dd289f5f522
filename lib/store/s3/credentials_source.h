/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The places where keys come from, each one table of three functions. A place may need several
 * exchanges for a set of keys; `stage` counts them. Private to credentials*.c.
 */
#ifndef KS_STORE_S3_CREDENTIALS_SOURCE_H
#define KS_STORE_S3_CREDENTIALS_SOURCE_H

#include "store/s3/credentials.h"

#define KS_S3_EXPIRES_NEVER INT64_MAX

/* One set of keys; the texts are of the heap. Zeroed: empty. */
struct ks_s3_key_set {
    char *access_key;
    char *secret_key;
    char *session_token; /* NULL: none */
    int64_t expires_s;
};

void ks_s3_key_set_deinit(struct ks_s3_key_set *set);

/* What options and environment say, as copies; NULL where nothing is said. */
struct ks_s3_credentials_settings {
    char *profile;
    char *file;
    char *region;
    char *token_file;
    char *role_arn;
    char *session_name;
    char *sts_endpoint;
    char *container_url; /* relative ones completed */
    char *container_token;
    char *container_token_file;
    char *instance_endpoint;
};

/* What a source works with. The request is what it fills in anew for each exchange. */
struct ks_s3_source_work {
    const struct ks_s3_credentials_settings *settings;
    unsigned stage;
    struct ks_s3_key_set *found; /* complete when the source says so */
    char *token;                 /* of the instance: kept from stage to stage */
    char *role;
    struct ks_buffer url;
    struct ks_buffer body;
    struct ks_s3_headers headers;
    struct ks_s3_credentials_request request;
};

struct ks_s3_source {
    const char *name;

    /* Keys that don't change, read once: none of the functions below is there. */
    bool is_fixed;

    /*
     * Prepares the request of the stage, or completes `found` at once and says so. Outputs stay
     * untouched on failure.
     */
    enum kafscale_status (*ask)(struct ks_s3_source_work *work, bool *is_found_out,
                                struct kafscale_error *error);

    /* Reads a good answer: goes to the next stage, or completes `found`. */
    enum kafscale_status (*take)(struct ks_s3_source_work *work, struct kafscale_slice body,
                                 bool *is_found_out, struct kafscale_error *error);
};

extern const struct ks_s3_source ks_s3_source_given;
extern const struct ks_s3_source ks_s3_source_environment;
extern const struct ks_s3_source ks_s3_source_web_identity;
extern const struct ks_s3_source ks_s3_source_shared_file;
extern const struct ks_s3_source ks_s3_source_container;
extern const struct ks_s3_source ks_s3_source_instance;

/* --- What sources share ---------------------------------------------------------------------- */

/* Files with one secret, and shared files, are small. */
#define KS_S3_SECRET_FILE_BYTES_MAX (64u << 10)
#define KS_S3_SHARED_FILE_BYTES_MAX (1u << 20)

/* Without the white space at its ends. */
struct kafscale_slice ks_s3_trim(struct kafscale_slice text);

/* Wipes what is in it and frees it. */
void ks_s3_forget_buffer(struct ks_buffer *buffer);

/* Appends an ordinary file. IO when it can't be read, CORRUPT when the buffer can't hold it. */
KAFSCALE_MUST_CHECK enum kafscale_status ks_s3_read_small_file(const char *path,
                                                               struct ks_buffer *out,
                                                               struct kafscale_error *error);

/* Whether work->url and work->body could be written; then they are the next request. */
KAFSCALE_MUST_CHECK enum kafscale_status ks_s3_source_request(struct ks_s3_source_work *work,
                                                              const char *method,
                                                              bool is_on_this_machine,
                                                              struct kafscale_error *error);

/* Copies a text. KAFSCALE_NO_MEMORY, or INVALID when it holds control bytes. */
KAFSCALE_MUST_CHECK enum kafscale_status ks_s3_copy_secret(struct kafscale_slice text,
                                                           char **copy_out);

/*
 * The text of a small file, white space at its ends cut off, of the heap and secret. IO when it
 * can't be read, CORRUPT when it is empty, too long or no text.
 */
KAFSCALE_MUST_CHECK enum kafscale_status ks_s3_read_secret_file(const char *path, char **text_out,
                                                                struct kafscale_error *error);

/* Seconds since 1970 of "2026-11-21T19:00:00Z", fractions left out; false for another form. */
KAFSCALE_MUST_CHECK bool ks_s3_read_time(const char *text, int64_t *time_s_out);

/* The keys of a profile in the bytes of a shared file. NOT_FOUND: no such profile, or no keys. */
KAFSCALE_MUST_CHECK enum kafscale_status ks_s3_read_profile(struct kafscale_slice file,
                                                            const char *profile,
                                                            struct ks_s3_key_set *out,
                                                            struct kafscale_error *error);

/* The keys in the JSON of a container's or an instance's service. */
KAFSCALE_MUST_CHECK enum kafscale_status ks_s3_read_service_keys(struct kafscale_slice document,
                                                                 struct ks_s3_key_set *out,
                                                                 struct kafscale_error *error);

/* The keys in the XML of the token service. */
KAFSCALE_MUST_CHECK enum kafscale_status ks_s3_read_role_keys(struct kafscale_slice document,
                                                              struct ks_s3_key_set *out,
                                                              struct kafscale_error *error);

#endif
