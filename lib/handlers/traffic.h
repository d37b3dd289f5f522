/* SPDX-License-Identifier: Apache-2.0 */
/* Records that came and went, altogether and in the last while. */
#ifndef KS_HANDLERS_TRAFFIC_H
#define KS_HANDLERS_TRAFFIC_H

#include "broker/broker.h"

struct ks_traffic {
    uint64_t produced_records;
    uint64_t fetched_records;
    uint64_t fetched_bytes;
    int64_t window_ms;
    struct ks_window window; /* of both kinds of records */
};

/* The rates are those of the last window_ms. */
void ks_traffic_init(struct ks_traffic *traffic, int64_t window_ms);

/* Acknowledged records, and what went out to consumers. */
void ks_traffic_note_produced(struct ks_traffic *traffic, int64_t now_ms, int64_t records);
void ks_traffic_note_fetched(struct ks_traffic *traffic, int64_t now_ms, int64_t records,
                             size_t bytes);

void ks_traffic_read(const struct ks_traffic *traffic, int64_t now_ms, struct ks_metrics *metrics);

#endif
