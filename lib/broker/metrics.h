/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A reading of all metrics: whoever has numbers adds its samples, in any order; they come out by
 * metric, in the order of metrics.def. Nothing is counted here: the numbers live with those who
 * count.
 */
#ifndef KS_BROKER_METRICS_H
#define KS_BROKER_METRICS_H

#include "base/base.h"
#include "kafscale/metrics.h"

enum ks_metric_name {
#define METRIC(name, type, label, second_label, help) KS_METRIC_##name,
#include "broker/metrics.def"
#undef METRIC
    KS_METRIC_COUNT
};

struct ks_metric_sample;

struct ks_metrics {
    struct ks_metric_sample *samples;
    size_t count;
    size_t capacity;
    struct ks_buffer texts; /* of names and labels */
    bool failed;            /* memory was short: the reading is of no use */
};

void ks_metrics_init(struct ks_metrics *metrics);
void ks_metrics_deinit(struct ks_metrics *metrics);

/* A sample of a metric without labels, with one, or with two; their values are copied. */
void ks_metrics_add(struct ks_metrics *metrics, enum ks_metric_name name, double value);
void ks_metrics_add_of(struct ks_metrics *metrics, enum ks_metric_name name, const char *label,
                       double value);
void ks_metrics_add_of_two(struct ks_metrics *metrics, enum ks_metric_name name, const char *label,
                           const char *second_label, double value);

/* A histogram of whatever. */
struct ks_metric_counts {
    const int64_t *limits; /* upper ones, inclusive, rising */
    size_t bucket_count;
    const uint64_t *counts; /* one more: above all limits */
    uint64_t count;
    double sum;
};

void ks_metrics_add_counts(struct ks_metrics *metrics, enum ks_metric_name name,
                           const struct ks_metric_counts *counts);

/*
 * A name that a client has chosen, as the value of a label: UTF-8 without control characters and
 * not long. One that has to be changed for it gets a checksum, so that two of them stay two.
 */
#define KS_METRIC_LABEL_BYTES 128

void ks_metric_label(struct kafscale_slice name, char out[KS_METRIC_LABEL_BYTES]);

/*
 * All samples of a histogram of times; `label` is NULL for one without. In the unit that the name
 * ends with, seconds or ms.
 */
void ks_metrics_add_histogram(struct ks_metrics *metrics, enum ks_metric_name name,
                              const char *label, const struct ks_histogram *histogram);

/* The samples in their order. */
void ks_metrics_visit(const struct ks_metrics *metrics, kafscale_metric_visit *visit, void *arg);

/* The text that Prometheus reads (text format 0.0.4). */
void ks_metrics_write(const struct ks_metrics *metrics, struct ks_buffer *out);

#endif
