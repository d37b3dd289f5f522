/* SPDX-License-Identifier: Apache-2.0 */
/* The last requests and what became of them, as many as there are places for, and sums by API. */
#ifndef KS_TESTING_REQUEST_LOG_H
#define KS_TESTING_REQUEST_LOG_H

#include "base/base.h"

#define KS_REQUEST_LOG_CLIENT_BYTES 64
#define KS_REQUEST_LOG_ADDRESS_BYTES 64
/* APIs beyond are not counted by themselves. */
#define KS_REQUEST_LOG_APIS_MAX 128

struct ks_request_entry {
    uint64_t number; /* counts from 1 */
    int64_t begun_ms;
    int64_t duration_ms;
    uint64_t connection;
    size_t request_bytes;
    size_t answer_bytes;
    int32_t correlation_id;
    int16_t api_key; /* negative: the header couldn't be read */
    int16_t api_version;
    int16_t error; /* the first that was told, or NONE */
    bool is_answered;
    bool is_faulted;                             /* a rule was for it */
    char client_id[KS_REQUEST_LOG_CLIENT_BYTES]; /* cut off if longer */
    char client_address[KS_REQUEST_LOG_ADDRESS_BYTES];
};

struct ks_request_log {
    struct ks_request_entry *entries; /* a ring: number n is at (n - 1) % capacity */
    size_t capacity;
    uint64_t count; /* of all that ever came */
    uint64_t counts[KS_REQUEST_LOG_APIS_MAX];
};

/* KAFSCALE_NO_MEMORY. A capacity of 0 keeps sums only. */
KAFSCALE_MUST_CHECK enum kafscale_status ks_request_log_init(struct ks_request_log *log,
                                                             size_t capacity);
void ks_request_log_deinit(struct ks_request_log *log);

/* Forgets entries and sums. */
void ks_request_log_clear(struct ks_request_log *log);

/* Copies it and gives it its number. */
void ks_request_log_add(struct ks_request_log *log, const struct ks_request_entry *entry);

size_t ks_request_log_kept(const struct ks_request_log *log);

/* Of those that are kept, by index from the oldest on. */
const struct ks_request_entry *ks_request_log_at(const struct ks_request_log *log, size_t index);

/* Of one API. */
uint64_t ks_request_log_count(const struct ks_request_log *log, int16_t api_key);

/* A text, cut off where it doesn't fit. */
void ks_request_log_copy_text(char *out, size_t out_bytes, struct kafscale_slice text);

#endif
