/* SPDX-License-Identifier: Apache-2.0 */
/* Sums, and one window for the rates of both. */
#include "handlers/traffic.h"

enum value { PRODUCED, FETCHED };

void
ks_traffic_init(struct ks_traffic *traffic, int64_t window_ms)
{
    *traffic = (struct ks_traffic){ .window_ms = window_ms };
    ks_window_init(&traffic->window, window_ms);
}

void
ks_traffic_note_produced(struct ks_traffic *traffic, int64_t now_ms, int64_t records)
{
    const int64_t values[KS_WINDOW_VALUES] = { [PRODUCED] = records };

    traffic->produced_records += (uint64_t) records;
    ks_window_add(&traffic->window, now_ms, values);
}

void
ks_traffic_note_fetched(struct ks_traffic *traffic, int64_t now_ms, int64_t records, size_t bytes)
{
    const int64_t values[KS_WINDOW_VALUES] = { [FETCHED] = records };

    traffic->fetched_records += (uint64_t) records;
    traffic->fetched_bytes += bytes;
    ks_window_add(&traffic->window, now_ms, values);
}

static double
rate(const struct ks_traffic *traffic, int64_t count)
{
    return (double) count * 1000.0 / (double) traffic->window_ms;
}

void
ks_traffic_read(const struct ks_traffic *traffic, int64_t now_ms, struct ks_metrics *metrics)
{
    int64_t sums[KS_WINDOW_VALUES];

    ks_window_sum(&traffic->window, now_ms, sums);
    ks_metrics_add(metrics, KS_METRIC_produced_records_total, (double) traffic->produced_records);
    ks_metrics_add(metrics, KS_METRIC_fetched_records_total, (double) traffic->fetched_records);
    ks_metrics_add(metrics, KS_METRIC_fetched_bytes_total, (double) traffic->fetched_bytes);
    ks_metrics_add(metrics, KS_METRIC_produce_rps, rate(traffic, sums[PRODUCED]));
    ks_metrics_add(metrics, KS_METRIC_fetch_rps, rate(traffic, sums[FETCHED]));
}
