/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One exchange on one easy handle of curl's: what is sent is read from the parts of the request,
 * what is received is kept as far as it was asked for. Private to http.c.
 */
#ifndef KS_STORE_S3_HTTP_TRANSFER_H
#define KS_STORE_S3_HTTP_TRANSFER_H

#include "store/s3/transport.h"

#include <curl/curl.h>

struct ks_http_transfer {
    struct ks_list link; /* among the idle ones */
    CURL *easy;
    struct curl_slist *lines; /* the request's headers */
    struct ks_s3_exchange *exchange;
    size_t part_index; /* where sending has come to */
    size_t part_position;
    struct kafscale_blob *body; /* with room for more than `received` perhaps */
    size_t received;
    enum ks_s3_outcome trouble; /* why a callback ended the exchange; KS_S3_ANSWERED: it didn't */
    char reason[CURL_ERROR_SIZE];
};

/* NULL when memory is short. */
struct ks_http_transfer *ks_http_transfer_new(void);
void ks_http_transfer_free(struct ks_http_transfer *transfer);

/* Sets the handle up for the exchange, which is borrowed until released. False: no memory. */
KAFSCALE_MUST_CHECK bool ks_http_transfer_begin(struct ks_http_transfer *transfer,
                                                struct ks_s3_exchange *exchange);

/* Fills in what came of the exchange. */
void ks_http_transfer_end(struct ks_http_transfer *transfer, CURLcode result);

/* Frees what the exchange needed; the handle can be used again. Not while curl works on it. */
void ks_http_transfer_release(struct ks_http_transfer *transfer);

#endif
