/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a broker counts and measures, by the names and types of Prometheus. The metrics with their
 * meaning are listed in docs/metrics.md and by kafscale_metric_at(). A broker that is told to
 * (option metrics.addr) serves them over HTTP; a program that has a port of its own for such
 * things reads them here.
 */
#ifndef KAFSCALE_METRICS_H
#define KAFSCALE_METRICS_H

#include "kafscale/status.h"

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

struct kafscale_broker;

/* The types of Prometheus. */
enum kafscale_metric_type {
    KAFSCALE_METRIC_COUNTER, /* only rises, and begins at 0 with the broker */
    KAFSCALE_METRIC_GAUGE,
    KAFSCALE_METRIC_HISTOGRAM,
};

#define KAFSCALE_METRIC_LABELS_MAX 2

/* Constant texts. */
struct kafscale_metric {
    const char *name; /* "kafscale_requests_total" */
    enum kafscale_metric_type type;
    const char *labels[KAFSCALE_METRIC_LABELS_MAX]; /* their names; "" behind the last */
    const char *help;
};

/*
 * Fills in the metric of this index, counting from 0, in the order of docs/metrics.md;
 * KAFSCALE_NOT_FOUND past the last. Any thread.
 */
KAFSCALE_EXPORT KAFSCALE_MUST_CHECK enum kafscale_status kafscale_metric_at(
    size_t index, struct kafscale_metric *metric_out);

/*
 * One line of Prometheus' text format: a histogram is several, whose names end in _bucket, _sum and
 * _count. Valid for the call.
 */
struct kafscale_metric_sample {
    const struct kafscale_metric *metric;
    const char *name;
    const char *labels; /* `api="Fetch",le="5"`, values escaped as in that format; "": none */
    double value;
};

/* Told of each sample, on the thread that reads. */
typedef void kafscale_metric_visit(void *arg, const struct kafscale_metric_sample *sample);

/*
 * Reads all metrics at one moment and calls `visit` for each sample, those of one metric in a row,
 * on the calling thread. Any thread, but not from a visit; when the broker runs on the host's loop,
 * only the thread that runs it. KAFSCALE_INVALID: the broker doesn't run. KAFSCALE_NO_MEMORY.
 * `error` may be NULL.
 */
KAFSCALE_EXPORT KAFSCALE_MUST_CHECK enum kafscale_status kafscale_broker_read_metrics(
    struct kafscale_broker *broker, kafscale_metric_visit *visit, void *arg,
    struct kafscale_error *error);

/* Told once, on the thread that reads; `json` ends with a NUL and is valid for the call. */
typedef void kafscale_status_visit(void *arg, const char *json);

/*
 * What the broker is and does, and why it isn't ready: one JSON document, which the HTTP port has
 * as /status (docs/operations.md). Any thread, as with kafscale_broker_read_metrics().
 * KAFSCALE_INVALID: the broker doesn't run. KAFSCALE_NO_MEMORY. `error` may be NULL.
 */
KAFSCALE_EXPORT KAFSCALE_MUST_CHECK enum kafscale_status kafscale_broker_read_status(
    struct kafscale_broker *broker, kafscale_status_visit *visit, void *arg,
    struct kafscale_error *error);

/*
 * The address that the HTTP port is bound to, as "host:port" with the real port; NULL where
 * metrics.addr isn't set, and before start. Valid as long as the broker. Any thread.
 */
KAFSCALE_EXPORT const char *kafscale_broker_metrics_address(const struct kafscale_broker *broker);

#ifdef __cplusplus
}
#endif

#endif
