/* SPDX-License-Identifier: Apache-2.0 */
/* An array in the order of the table of APIs. */
#include "handlers/api_counters.h"

#include "handlers/api.h"
#include "protocol/protocol.h"

struct ks_api_counters *
ks_api_counters_new(void)
{
    return ks_alloc_zero(ks_api_count, sizeof(struct ks_api_counters));
}

struct ks_api_counters *
ks_api_counters_of(struct ks_api_counters *all, const struct ks_api *api)
{
    return &all[api - ks_apis];
}

struct noting {
    struct ks_api_counters *counters;
    int16_t first;
};

static void
note_error(void *arg, int16_t code)
{
    struct noting *noting = arg;
    int index = code + 1;

    noting->first = noting->first == KAFKA_ERROR_NONE ? code : noting->first;
    noting->counters->errors[index > 0 && index < KS_API_CODES_MAX ? index : 0]++;
}

int16_t
ks_api_counters_note_errors(struct ks_api_counters *counters, const struct ks_api *api,
                            int16_t version, const void *response)
{
    struct noting noting = { .counters = counters };

    kafka_visit_errors(kafka_api_find(api->key)->response, version, response, note_error, &noting);
    counters->failed += noting.first != KAFKA_ERROR_NONE;
    return noting.first;
}

static void
read_api(const struct ks_api_counters *counters, const char *api, struct ks_metrics *metrics)
{
    ks_metrics_add_of(metrics, KS_METRIC_requests_total, api, (double) counters->answered);
    ks_metrics_add_of(metrics, KS_METRIC_requests_dropped_total, api, (double) counters->dropped);
    ks_metrics_add_histogram(metrics, KS_METRIC_request_duration_seconds, api,
                             &counters->durations);
    for (int i = 0; i < KS_API_CODES_MAX; i++) {
        if (counters->errors[i] > 0) {
            ks_metrics_add_of_two(metrics, KS_METRIC_request_errors_total, api,
                                  kafka_error_name((int16_t) (i - 1)),
                                  (double) counters->errors[i]);
        }
    }
}

/* --- KafScale's names ------------------------------------------------------------------------- */

/* What clients of records and groups never ask. */
static bool
is_admin(const struct ks_api *api)
{
    switch (api->key) {
    case KAFKA_API_DESCRIBE_GROUPS:
    case KAFKA_API_LIST_GROUPS:
    case KAFKA_API_CREATE_TOPICS:
    case KAFKA_API_DELETE_TOPICS:
    case KAFKA_API_DELETE_RECORDS:
    case KAFKA_API_OFFSET_FOR_LEADER_EPOCH:
        return true;
    default:
        return api->key >= KAFKA_API_DESCRIBE_ACLS;
    }
}

static void
read_admin(const struct ks_api_counters *counters, const char *api, struct ks_metrics *metrics)
{
    const struct ks_histogram *durations = &counters->durations;

    ks_metrics_add_of(metrics, KS_METRIC_admin_requests_total, api, (double) counters->answered);
    ks_metrics_add_of(metrics, KS_METRIC_admin_request_errors_total, api,
                      (double) counters->failed);
    if (durations->count > 0) {
        ks_metrics_add_of(metrics, KS_METRIC_admin_request_latency_ms_avg, api,
                          (double) durations->sum_ms / (double) durations->count);
    }
}

static void
read_outcomes(const struct ks_api_counters *counters, enum ks_metric_name name,
              struct ks_metrics *metrics)
{
    ks_metrics_add_of(metrics, name, "success", (double) (counters->answered - counters->failed));
    ks_metrics_add_of(metrics, name, "error", (double) counters->failed);
}

/* --- All -------------------------------------------------------------------------------------- */

void
ks_api_counters_read(const struct ks_api_counters *all, struct ks_metrics *metrics)
{
    for (size_t i = 0; i < ks_api_count; i++) {
        if (all[i].answered > 0 || all[i].dropped > 0) {
            char name[KS_API_NAME_BYTES];

            ks_api_spell(&ks_apis[i], name);
            read_api(&all[i], name, metrics);
            if (is_admin(&ks_apis[i])) {
                read_admin(&all[i], name, metrics);
            }
        }
        if (ks_apis[i].key == KAFKA_API_PRODUCE) {
            ks_metrics_add_histogram(metrics, KS_METRIC_produce_latency_ms, NULL,
                                     &all[i].durations);
            read_outcomes(&all[i], KS_METRIC_produce_requests_total, metrics);
        }
        if (ks_apis[i].key == KAFKA_API_FETCH) {
            read_outcomes(&all[i], KS_METRIC_fetch_requests_total, metrics);
        }
    }
    ks_metrics_add(metrics, KS_METRIC_authz_denied_total, 0);
}
