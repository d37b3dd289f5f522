/* SPDX-License-Identifier: Apache-2.0 */
/* The numbers of a broker, from those of its parts who count. */
#include "broker/broker_internal.h"

static void
read_log(const struct ks_log *log, struct ks_metrics *metrics)
{
    struct ks_log_counters now;

    ks_log_get_counters(log, &now);
    ks_metrics_add(metrics, KS_METRIC_appended_batches_total, (double) now.batches_appended);
    ks_metrics_add(metrics, KS_METRIC_appended_bytes_total, (double) now.bytes_appended);
    ks_metrics_add(metrics, KS_METRIC_duplicate_batches_total, (double) now.duplicates);
    ks_metrics_add(metrics, KS_METRIC_unflushed_bytes, (double) now.unflushed_bytes);
    ks_metrics_add(metrics, KS_METRIC_flush_behind_seconds, (double) now.behind_ms / 1000.0);
    ks_metrics_add(metrics, KS_METRIC_log_objects_total, (double) now.objects_durable);
    ks_metrics_add(metrics, KS_METRIC_log_objects_retried_total, (double) now.objects_late);
    ks_metrics_add(metrics, KS_METRIC_bundles_total, (double) now.bundles_made);
    ks_metrics_add(metrics, KS_METRIC_segments_total, (double) now.segments_written);
    ks_metrics_add(metrics, KS_METRIC_segment_bytes_total, (double) now.segment_bytes);
    ks_metrics_add(metrics, KS_METRIC_compaction_alarms, (double) now.compaction_alarms);
    ks_metrics_add(metrics, KS_METRIC_cold_reads_total, (double) now.cold_reads);
    ks_metrics_add(metrics, KS_METRIC_cold_gets_total, (double) now.cold_gets);
    ks_metrics_add(metrics, KS_METRIC_cold_reads_waiting, (double) now.cold_waiting);
    ks_metrics_add(metrics, KS_METRIC_cache_bytes, (double) now.cache_bytes);
}

static void
read_store(const struct ks_store *store, struct ks_metrics *metrics)
{
    const struct ks_store_counters *now = ks_store_counters(store);

    for (int i = 0; i < KS_STORE_OPERATION_COUNT; i++) {
        const char *name = ks_store_operation_name((enum ks_store_operation) i);

        ks_metrics_add_of(metrics, KS_METRIC_store_requests_total, name, (double) now->requests[i]);
        ks_metrics_add_of(metrics, KS_METRIC_store_errors_total, name, (double) now->errors[i]);
        if (i == KS_STORE_PUT || i == KS_STORE_GET) {
            ks_metrics_add_of(metrics, KS_METRIC_store_bytes_total, name, (double) now->bytes[i]);
        }
        ks_metrics_add_histogram(metrics, KS_METRIC_store_request_duration_seconds, name,
                                 &now->durations[i]);
    }
    ks_metrics_add(metrics, KS_METRIC_store_requests_in_flight, (double) now->in_flight);
    ks_metrics_add(metrics, KS_METRIC_store_slowed, ks_store_is_slowed(store) ? 1 : 0);
    ks_metrics_add_histogram(metrics, KS_METRIC_s3_upload_duration_ms, NULL,
                             &now->durations[KS_STORE_PUT]);
}

static void
read_health(const struct ks_broker *broker, struct ks_metrics *metrics)
{
    struct ks_health_reading now;

    ks_broker_read_health(broker, &now);
    for (int i = 0; i < KS_STORE_STATE_COUNT; i++) {
        ks_metrics_add_of(metrics, KS_METRIC_s3_health_state,
                          ks_store_state_name((enum ks_store_state) i),
                          (int) now.state == i ? 1 : 0);
    }
    ks_metrics_add(metrics, KS_METRIC_s3_state_duration_seconds, (double) now.state_ms / 1000.0);
    ks_metrics_add(metrics, KS_METRIC_s3_latency_ms_avg, now.latency_ms);
    ks_metrics_add(metrics, KS_METRIC_s3_error_rate, now.error_rate);
}

static void
read_groups(const struct ks_coordinator *coordinator, struct ks_metrics *metrics)
{
    const struct ks_coordinated_group *group = NULL;
    size_t states[KS_GROUP_STATE_COUNT] = { 0 };
    size_t member_count = 0;

    while ((group = ks_coordinator_next(coordinator, group)) != NULL) {
        states[ks_group_state(group->group)]++;
        member_count += ks_group_member_count(group->group);
    }
    for (int i = 0; i < KS_GROUP_DEAD; i++) {
        ks_metrics_add_of(metrics, KS_METRIC_groups, ks_group_state_name((enum ks_group_state) i),
                          (double) states[i]);
    }
    ks_metrics_add(metrics, KS_METRIC_group_members, (double) member_count);
    ks_metrics_add(metrics, KS_METRIC_group_state_bytes, (double) coordinator->state_bytes);
}

static void
read_state(enum ks_broker_state state, struct ks_metrics *metrics)
{
    static const char *const names[] = {
        [KS_BROKER_STARTING] = "starting", [KS_BROKER_READY] = "ready",
        [KS_BROKER_FENCED] = "fenced",     [KS_BROKER_FAILED] = "failed",
        [KS_BROKER_STOPPING] = "stopping", [KS_BROKER_STOPPED] = "stopped",
    };

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        ks_metrics_add_of(metrics, KS_METRIC_broker_state, names[i], (size_t) state == i ? 1 : 0);
    }
}

void
ks_broker_read_health(const struct ks_broker *broker, struct ks_health_reading *reading_out)
{
    *reading_out = (struct ks_health_reading){ 0 };
    if (broker->store != NULL) {
        ks_store_read_health(broker->store, reading_out);
    }
}

void
ks_broker_read_metrics(const struct ks_broker *broker, struct ks_metrics *metrics)
{
    read_state(broker->state, metrics);
    if (broker->state == KS_BROKER_STOPPED) {
        return;
    }
    ks_metrics_add(metrics, KS_METRIC_topics, (double) ks_topics_count(&broker->topics));
    ks_metrics_add(metrics, KS_METRIC_partitions, (double) broker->topics.partition_count);
    if (broker->log != NULL) {
        read_log(broker->log, metrics);
    }
    read_store(broker->store, metrics);
    read_health(broker, metrics);
    read_groups(&broker->coordinator, metrics);
}
