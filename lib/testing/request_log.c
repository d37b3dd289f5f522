/* SPDX-License-Identifier: Apache-2.0 */
#include "testing/request_log.h"

#include <assert.h>

enum kafscale_status
ks_request_log_init(struct ks_request_log *log, size_t capacity)
{
    *log = (struct ks_request_log){ .capacity = capacity };
    if (capacity > 0) {
        log->entries = ks_alloc_zero(capacity, sizeof log->entries[0]);
    }
    return capacity > 0 && log->entries == NULL ? KAFSCALE_NO_MEMORY : KAFSCALE_OK;
}

void
ks_request_log_deinit(struct ks_request_log *log)
{
    ks_free(log->entries);
    *log = (struct ks_request_log){ 0 };
}

void
ks_request_log_clear(struct ks_request_log *log)
{
    log->count = 0;
    memset(log->counts, 0, sizeof log->counts);
}

void
ks_request_log_add(struct ks_request_log *log, const struct ks_request_entry *entry)
{
    uint64_t place = log->count++;

    if (entry->api_key >= 0 && entry->api_key < KS_REQUEST_LOG_APIS_MAX) {
        log->counts[entry->api_key]++;
    }
    if (log->capacity > 0) {
        log->entries[place % log->capacity] = *entry;
        log->entries[place % log->capacity].number = place + 1;
    }
}

size_t
ks_request_log_kept(const struct ks_request_log *log)
{
    return log->count < log->capacity ? (size_t) log->count : log->capacity;
}

const struct ks_request_entry *
ks_request_log_at(const struct ks_request_log *log, size_t index)
{
    assert(index < ks_request_log_kept(log));

    return &log->entries[(log->count - ks_request_log_kept(log) + index) % log->capacity];
}

uint64_t
ks_request_log_count(const struct ks_request_log *log, int16_t api_key)
{
    return api_key >= 0 && api_key < KS_REQUEST_LOG_APIS_MAX ? log->counts[api_key] : 0;
}

void
ks_request_log_copy_text(char *out, size_t out_bytes, struct kafscale_slice text)
{
    size_t size = text.size < out_bytes - 1 ? text.size : out_bytes - 1;

    if (size > 0) {
        memcpy(out, text.data, size);
    }
    out[size] = '\0';
}
