/* SPDX-License-Identifier: Apache-2.0 */
/* Records as the public interface shows them: for readers of bytes, and of what was fetched. */
#ifndef KS_KAFSCALE_RECORDS_H
#define KS_KAFSCALE_RECORDS_H

#include "kafscale/records.h"
#include "record/record.h"

/* Where the headers of one record are put; zeroed: nowhere yet. */
struct ks_shown_headers {
    struct kafscale_header *headers;
    size_t capacity;
};

void ks_shown_headers_deinit(struct ks_shown_headers *shown);

/*
 * Its bytes are those of `raw`; its headers are valid until the next one is shown, and limited
 * by `memory_bytes_max`: KAFSCALE_TOO_LARGE, KAFSCALE_NO_MEMORY.
 */
KAFSCALE_MUST_CHECK enum kafscale_status ks_show_record(struct ks_shown_headers *shown,
                                                        const struct ks_record *raw,
                                                        size_t memory_bytes_max,
                                                        struct kafscale_record *record_out,
                                                        struct kafscale_error *error);

#endif
