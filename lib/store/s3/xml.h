/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The XML documents that S3 sends and takes. What is read here comes from outside: a document
 * without what it must have is KAFSCALE_CORRUPT, and nothing it says makes memory grow beyond
 * its own size. Texts live in the arena that the caller gives. Private to store/s3.
 */
#ifndef KS_STORE_S3_XML_H
#define KS_STORE_S3_XML_H

#include "base/base.h"
#include "kafscale/store.h"

#define KS_S3_LISTING_ENTRIES_MAX 10000 /* servers give 1,000 at most */
#define KS_S3_DELETE_KEYS_MAX 1000      /* servers take no more */
#define KS_S3_LIFECYCLE_RULES_MAX 1000  /* as above */

/* --- Errors ---------------------------------------------------------------------------------- */

/* Texts are cut where they don't fit; what a server left out is empty. */
struct ks_s3_error_document {
    char code[64]; /* "NoSuchBucket" */
    char message[256];
    char region[64]; /* where the bucket is, when it is elsewhere */
    char request_id[80];
};

/* `Error` of S3, or `ErrorResponse` of STS. `out` stays untouched on failure. */
KAFSCALE_MUST_CHECK enum kafscale_status ks_s3_error_document_read(struct kafscale_slice document,
                                                                   struct ks_s3_error_document *out,
                                                                   struct kafscale_error *error);

/* --- Lists ----------------------------------------------------------------------------------- */

/*
 * A page of ListObjectsV2. Keys that were sent with encoding-type=url are decoded. Keys that hold
 * a NUL byte are left out, so a truncated page may have no entries; `next_token` leads on.
 */
struct ks_s3_listing {
    struct kafscale_list_entry *entries;
    size_t entry_count;
    bool is_truncated;
    const char *next_token; /* NULL unless truncated */
};

KAFSCALE_MUST_CHECK enum kafscale_status ks_s3_listing_read(struct kafscale_slice document,
                                                            struct ks_arena *arena,
                                                            struct ks_s3_listing *out,
                                                            struct kafscale_error *error);

/* --- Deleting many --------------------------------------------------------------------------- */

/* Appends the body of DeleteObjects that answers with failures only. */
void ks_s3_append_delete(struct ks_buffer *out, const char *const *keys, size_t key_count);

struct ks_s3_delete_failure {
    const char *key;
    const char *code;
    const char *message;
};

struct ks_s3_delete_result {
    struct ks_s3_delete_failure *failures;
    size_t failure_count;
};

KAFSCALE_MUST_CHECK enum kafscale_status ks_s3_delete_result_read(struct kafscale_slice document,
                                                                  struct ks_arena *arena,
                                                                  struct ks_s3_delete_result *out,
                                                                  struct kafscale_error *error);

/* --- Buckets --------------------------------------------------------------------------------- */

/* Appends the body of CreateBucket; nothing for us-east-1, which takes no body. */
void ks_s3_append_create_bucket(struct ks_buffer *out, const char *region);

/* A rule of a bucket's lifecycle, as far as it may harm objects that are to be kept. */
struct ks_s3_lifecycle_rule {
    const char *id;
    const char *prefix;
    bool is_enabled;
    bool expires;  /* current objects, by age or at a date */
    bool archives; /* moves them to a class from which a GET can't read */
    bool has_tag;  /* it is for objects with a tag alone */
    uint64_t days; /* until it does; 0 when a date is set or nothing is said */
};

struct ks_s3_lifecycle {
    struct ks_s3_lifecycle_rule *rules;
    size_t rule_count;
};

KAFSCALE_MUST_CHECK enum kafscale_status ks_s3_lifecycle_read(struct kafscale_slice document,
                                                              struct ks_arena *arena,
                                                              struct ks_s3_lifecycle *out,
                                                              struct kafscale_error *error);

/*
 * The first rule that would some time take away an untagged object whose key begins with
 * `prefix`, or NULL.
 */
const struct ks_s3_lifecycle_rule *ks_s3_lifecycle_find_threat(
    const struct ks_s3_lifecycle *lifecycle, const char *prefix);

#endif
