/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads the texts of one JSON object, as services give credentials in it. Everything else in it,
 * and whatever is nested, is passed over. Private to store/s3.
 */
#ifndef KS_STORE_S3_JSON_H
#define KS_STORE_S3_JSON_H

#include "base/base.h"

#define KS_JSON_DOCUMENT_BYTES_MAX (16u << 10)
#define KS_JSON_DEPTH_MAX 16
#define KS_JSON_NAME_BYTES_MAX 64 /* members with longer names are passed over */

/* A member whose value is a text; `text` is borrowed until the return and may hold any bytes. */
typedef enum kafscale_status ks_json_on_text(void *arg, const char *name,
                                             struct kafscale_slice text);

/*
 * Answers KAFSCALE_CORRUPT for what isn't one whole object, KAFSCALE_NO_MEMORY, or what `on_text`
 * answered.
 */
KAFSCALE_MUST_CHECK enum kafscale_status ks_json_read_texts(struct kafscale_slice document,
                                                            ks_json_on_text *on_text, void *arg,
                                                            struct kafscale_error *error);

#endif
