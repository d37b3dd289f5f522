/* SPDX-License-Identifier: Apache-2.0 */
/* The numbers of a broker, from those of its parts who count. */
#include "broker/broker_internal.h"

/* 1 as long as nothing was read. */
static void
read_cache_hits(const struct ks_log_counters *now, struct ks_metrics *metrics)
{
    double all = (double) now->reads_at_hand + (double) now->reads_from_store;

    ks_metrics_add(metrics, KS_METRIC_cache_hits_total, (double) now->reads_at_hand);
    ks_metrics_add(metrics, KS_METRIC_cache_misses_total, (double) now->reads_from_store);
    ks_metrics_add(metrics, KS_METRIC_cache_hit_ratio,
                   all > 0 ? (double) now->reads_at_hand / all : 1);
}

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
    ks_metrics_add(metrics, KS_METRIC_block_cache_bytes, (double) now.block_cache_bytes);
    read_cache_hits(&now, metrics);
}

static void
read_backlog(const struct ks_log *log, struct ks_metrics *metrics)
{
    struct ks_log_backlog now;

    ks_log_read_backlog(log, &now);
    ks_metrics_add(metrics, KS_METRIC_log_objects_pending, (double) now.objects);
    ks_metrics_add(metrics, KS_METRIC_compactions_due, (double) now.compactions_due);
    ks_metrics_add(metrics, KS_METRIC_compaction_due_seconds,
                   (double) now.compaction_due_ms / 1000.0);
    ks_metrics_add(metrics, KS_METRIC_uncompacted_age_seconds,
                   (double) now.uncompacted_ms / 1000.0);
}

double
ks_broker_cost(const struct ks_broker *broker, enum ks_store_operation operation)
{
    uint64_t since =
        ks_store_counters(broker->store)->requests[operation] - broker->priced[operation];

    return broker->spent[operation] + (double) since * broker->options.prices[operation];
}

void
ks_broker_settle_cost(struct ks_broker *broker)
{
    for (int i = 0; i < KS_STORE_OPERATION_COUNT; i++) {
        broker->spent[i] = ks_broker_cost(broker, (enum ks_store_operation) i);
        broker->priced[i] = ks_store_counters(broker->store)->requests[i];
    }
}

static void
read_store(const struct ks_broker *broker, struct ks_metrics *metrics)
{
    const struct ks_store *store = broker->store;
    const struct ks_store_counters *now = ks_store_counters(store);

    for (int i = 0; i < KS_STORE_OPERATION_COUNT; i++) {
        const char *name = ks_store_operation_name((enum ks_store_operation) i);

        ks_metrics_add_of(metrics, KS_METRIC_store_requests_total, name, (double) now->requests[i]);
        ks_metrics_add_of(metrics, KS_METRIC_store_errors_total, name, (double) now->errors[i]);
        ks_metrics_add_of(metrics, KS_METRIC_store_cost_total, name,
                          ks_broker_cost(broker, (enum ks_store_operation) i));
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

int64_t
ks_broker_unserved_partitions(const struct ks_broker *broker)
{
    int64_t open = broker->log == NULL ? 0 : (int64_t) ks_log_partition_count(broker->log);

    return open < broker->topics.partition_count ? broker->topics.partition_count - open : 0;
}

const struct ks_chore *
ks_broker_chore(const struct ks_broker *broker, size_t index)
{
    const struct ks_coordinator *coordinator = &broker->coordinator;
    const struct ks_chore *others[] = { &broker->opener.opening, &broker->gone_topics.burial,
                                        &coordinator->expiring, &coordinator->checkpointing,
                                        &coordinator->lag.chore };
    size_t of_log = broker->log == NULL ? 0 : KS_LOG_CHORE_COUNT;
    size_t of_meta = broker->meta_chores == NULL ? 0 : KS_META_LOG_CHORE_COUNT;

    if (broker->store == NULL) {
        return NULL;
    }
    if (index < of_log) {
        return ks_log_chore(broker->log, (enum ks_log_chore) index);
    }
    index -= of_log;
    if (index < of_meta) {
        return &broker->meta_chores[index];
    }
    index -= of_meta;
    return index < sizeof others / sizeof *others ? others[index] : NULL;
}

static void
read_chores(const struct ks_broker *broker, struct ks_metrics *metrics)
{
    int64_t now_ms = ks_env_now_ms(broker->env);
    const struct ks_chore *chore;

    for (size_t i = 0; (chore = ks_broker_chore(broker, i)) != NULL; i++) {
        ks_metrics_add_of(metrics, KS_METRIC_job_runs_total, chore->name,
                          (double) chore->successes);
        ks_metrics_add_of(metrics, KS_METRIC_job_failures_total, chore->name,
                          (double) chore->failures);
        if (chore->successes > 0) {
            ks_metrics_add_of(metrics, KS_METRIC_job_last_success_age_seconds, chore->name,
                              (double) (now_ms - chore->succeeded_ms) / 1000.0);
        }
        ks_metrics_add_of(metrics, KS_METRIC_job_failing_seconds, chore->name,
                          chore->is_failing ? (double) (now_ms - chore->failing_since_ms) / 1000.0
                                            : 0);
    }
}

static void
read_groups(const struct ks_coordinator *coordinator, struct ks_metrics *metrics)
{
    for (int i = 0; i < KS_GROUP_DEAD; i++) {
        ks_metrics_add_of(metrics, KS_METRIC_groups, ks_group_state_name((enum ks_group_state) i),
                          (double) coordinator->states[i]);
    }
    ks_metrics_add(metrics, KS_METRIC_group_members, (double) coordinator->member_count);
    ks_metrics_add(metrics, KS_METRIC_group_partitions_unserved,
                   (double) ks_coordinator_unserved(coordinator));
    ks_metrics_add(metrics, KS_METRIC_group_state_bytes, (double) coordinator->state_bytes);
    ks_metrics_add(metrics, KS_METRIC_group_state_limit_bytes,
                   (double) coordinator->options.state_bytes_max);
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
    if (broker->store == NULL) {
        return;
    }
    ks_metrics_add(metrics, KS_METRIC_topics, (double) ks_topics_count(&broker->topics));
    ks_metrics_add(metrics, KS_METRIC_partitions, (double) broker->topics.partition_count);
    ks_metrics_add(metrics, KS_METRIC_partitions_unserved,
                   (double) ks_broker_unserved_partitions(broker));
    if (broker->log != NULL) {
        read_log(broker->log, metrics);
        ks_metrics_add(metrics, KS_METRIC_unflushed_limit_bytes,
                       (double) broker->options.unflushed_bytes_max);
        read_backlog(broker->log, metrics);
    }
    read_store(broker, metrics);
    read_chores(broker, metrics);
    read_health(broker, metrics);
    read_groups(&broker->coordinator, metrics);
    ks_lag_read(&broker->coordinator, metrics);
}
