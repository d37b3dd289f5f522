/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The headers of one request, and how paths and queries are written. All that is sent is in the
 * list, sorted by name as signatures want it, and what is signed is the list: nothing can be
 * sent unsigned or signed unsent. Private to store/s3.
 */
#ifndef KS_STORE_S3_HEADERS_H
#define KS_STORE_S3_HEADERS_H

#include "base/base.h"

#define KS_S3_HEADERS_MAX 32
#define KS_S3_HEADERS_BYTES_MAX (64u << 10)
#define KS_S3_PARAMETERS_MAX 16

/* A header, or a parameter of a query. */
struct ks_s3_field {
    const char *name;
    const char *value;
};

/* Sticky: after a failed add `status` says why, and later ones do nothing. */
struct ks_s3_headers {
    struct ks_arena arena;
    struct ks_s3_field fields[KS_S3_HEADERS_MAX];
    size_t count;
    enum kafscale_status status;
};

void ks_s3_headers_init(struct ks_s3_headers *headers);

/* Frees what was added. Accepts a zeroed struct; it may be used again afterwards. */
void ks_s3_headers_deinit(struct ks_s3_headers *headers);

/*
 * Adds a header and copies its value. The name is lower-case, borrowed and not yet there. A
 * value with control characters, with a space at an end or with two spaces in a row is
 * KAFSCALE_INVALID: servers disagree about what is signed then.
 */
void ks_s3_headers_add(struct ks_s3_headers *headers, const char *name, const char *value);

/* The value of a header, or NULL. */
const char *ks_s3_headers_find(const struct ks_s3_headers *headers, const char *name);

void ks_s3_append_text(struct ks_buffer *out, const char *text);

/*
 * Appends a path as it stands in the URL and is signed: all bytes escaped but letters, digits,
 * "-._~" and "/".
 */
void ks_s3_append_path(struct ks_buffer *out, const char *path);

/*
 * Appends a query in the same way, sorted by name: "list-type=2&prefix=a%2Fb"; a value that is
 * NULL or empty gives "name=". At most KS_S3_PARAMETERS_MAX parameters.
 */
void ks_s3_append_query(struct ks_buffer *out, const struct ks_s3_field *parameters,
                        size_t parameter_count);

#endif
