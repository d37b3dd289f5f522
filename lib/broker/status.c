/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a broker does, for somebody who looks: less than the metrics, with reasons. Nothing in it
 * grows with topics, partitions or groups.
 */
#include "broker/broker_internal.h"

#define SECOND_MS 1000

static int64_t
seconds(int64_t ms)
{
    return ms / SECOND_MS;
}

/* --- The store -------------------------------------------------------------------------------- */

static void
describe_last_error(const struct ks_broker *broker, const struct kafscale_describe *describe)
{
    int64_t at_ms;
    const struct kafscale_error *error = ks_store_last_error(broker->store, &at_ms);

    if (error != NULL) {
        ks_describe_begin(describe, "last_error");
        ks_describe_text(describe, "text", error->text);
        ks_describe_number(describe, "seconds_ago", seconds(ks_env_now_ms(broker->env) - at_ms));
        ks_describe_end(describe);
    }
}

static void
describe_requests(const struct ks_store_counters *counters,
                  const struct kafscale_describe *describe)
{
    ks_describe_begin(describe, "requests");
    for (int i = 0; i < KS_STORE_OPERATION_COUNT; i++) {
        ks_describe_begin(describe, ks_store_operation_name((enum ks_store_operation) i));
        ks_describe_number(describe, "sent", (int64_t) counters->requests[i]);
        ks_describe_number(describe, "failed", (int64_t) counters->errors[i]);
        ks_describe_end(describe);
    }
    ks_describe_end(describe);
}

static void
describe_store(const struct ks_broker *broker, const struct kafscale_describe *describe)
{
    const struct ks_store *store = broker->store;
    const char *place = ks_store_place(store);
    struct ks_health_reading health;

    ks_broker_read_health(broker, &health);
    ks_describe_begin(describe, "store");
    ks_describe_text(describe, "kind", ks_store_name(store));
    if (place != NULL) {
        ks_describe_text(describe, "place", place);
    }
    ks_describe_text(describe, "namespace", broker->ns);
    ks_describe_text(describe, "health", ks_store_state_name(health.state));
    ks_describe_number(describe, "health_seconds", seconds(health.state_ms));
    ks_describe_number(describe, "latency_ms", (int64_t) health.latency_ms);
    ks_describe_number(describe, "failed_percent", (int64_t) (health.error_rate * 100));
    ks_describe_bool(describe, "is_slowed", ks_store_is_slowed(store));
    ks_describe_number(describe, "requests_in_flight",
                       (int64_t) ks_store_counters(store)->in_flight);
    describe_requests(ks_store_counters(store), describe);
    describe_last_error(broker, describe);
    ks_describe_end(describe);
}

/* --- The log ---------------------------------------------------------------------------------- */

static void
describe_log(const struct ks_broker *broker, const struct kafscale_describe *describe)
{
    const struct ks_broker_options *options = &broker->options;
    struct ks_log_counters now;
    struct ks_log_backlog backlog;

    ks_log_get_counters(broker->log, &now);
    ks_log_read_backlog(broker->log, &backlog);
    ks_describe_begin(describe, "log");
    ks_describe_number(describe, "objects_written", (int64_t) now.objects_durable);
    ks_describe_number(describe, "objects_pending", (int64_t) backlog.objects);
    ks_describe_number(describe, "bundles_made", (int64_t) now.bundles_made);
    ks_describe_number(describe, "segments_made", (int64_t) now.segments_written);
    ks_describe_number(describe, "unflushed_bytes", (int64_t) now.unflushed_bytes);
    ks_describe_number(describe, "unflushed_limit_bytes", (int64_t) options->unflushed_bytes_max);
    ks_describe_number(describe, "behind_ms", now.behind_ms);
    ks_describe_number(describe, "cache_bytes", (int64_t) now.cache_bytes);
    ks_describe_number(describe, "cache_limit_bytes", (int64_t) options->cache_bytes_max);
    ks_describe_number(describe, "reads_from_memory", (int64_t) now.reads_at_hand);
    ks_describe_number(describe, "reads_from_store", (int64_t) now.reads_from_store);
    ks_describe_number(describe, "compactions_due", (int64_t) backlog.compactions_due);
    ks_describe_number(describe, "compaction_due_seconds", seconds(backlog.compaction_due_ms));
    ks_describe_number(describe, "uncompacted_seconds", seconds(backlog.uncompacted_ms));
    ks_describe_number(describe, "compaction_alarms", (int64_t) now.compaction_alarms);
    ks_describe_end(describe);
}

/* --- Groups ----------------------------------------------------------------------------------- */

static const char *
name_of_service(const struct ks_coordinator *coordinator)
{
    switch (ks_coordinator_is_complete(coordinator)) {
    case KS_GROUP_OK:
        return coordinator->shard_count == 0 ? "not used yet" : "serves";
    case KS_GROUP_LOADING:
        return "loading";
    case KS_GROUP_NOT_COORDINATOR:
        return "ended";
    default:
        return "some can't be read";
    }
}

static void
describe_groups(const struct ks_coordinator *coordinator, const struct kafscale_describe *describe)
{
    ks_describe_begin(describe, "groups");
    ks_describe_text(describe, "coordinator", name_of_service(coordinator));
    ks_describe_number(describe, "count", (int64_t) coordinator->group_count);
    for (int i = 0; i < KS_GROUP_DEAD; i++) {
        ks_describe_number(describe, ks_group_state_name((enum ks_group_state) i),
                           (int64_t) coordinator->states[i]);
    }
    ks_describe_number(describe, "members", (int64_t) coordinator->member_count);
    ks_describe_number(describe, "state_bytes", (int64_t) coordinator->state_bytes);
    ks_describe_number(describe, "state_limit_bytes",
                       (int64_t) coordinator->options.state_bytes_max);
    ks_describe_number(describe, "committed_offsets", (int64_t) coordinator->lag.last.counts.count);
    ks_describe_number(describe, "lag_max", coordinator->lag.last.max);
    ks_describe_end(describe);
}

/* --- Jobs ------------------------------------------------------------------------------------- */

static void
describe_job(const struct ks_chore *job, int64_t now_ms, const struct kafscale_describe *describe)
{
    ks_describe_begin(describe, NULL);
    ks_describe_text(describe, "name", job->name);
    ks_describe_number(describe, "runs", (int64_t) job->successes);
    ks_describe_number(describe, "failures", (int64_t) job->failures);
    ks_describe_bool(describe, "is_failing", job->is_failing);
    if (job->successes > 0) {
        ks_describe_number(describe, "last_success_seconds_ago",
                           seconds(now_ms - job->succeeded_ms));
    }
    if (job->is_failing) {
        ks_describe_number(describe, "failing_seconds", seconds(now_ms - job->failing_since_ms));
    }
    if (job->failures > 0) {
        ks_describe_begin(describe, "last_error");
        ks_describe_text(describe, "text", job->why);
        ks_describe_number(describe, "seconds_ago", seconds(now_ms - job->failed_ms));
        ks_describe_end(describe);
    }
    ks_describe_end(describe);
}

static void
describe_jobs(const struct ks_broker *broker, const struct kafscale_describe *describe)
{
    int64_t now_ms = ks_env_now_ms(broker->env);
    const struct ks_chore *job;

    ks_describe_begin_list(describe, "jobs");
    for (size_t i = 0; (job = ks_broker_chore(broker, i)) != NULL; i++) {
        describe_job(job, now_ms, describe);
    }
    ks_describe_end(describe);
}

/* --- Options ---------------------------------------------------------------------------------- */

static void
describe_option(const struct kafscale_option *option, const char *value,
                const struct kafscale_describe *describe)
{
    ks_describe_begin(describe, NULL);
    ks_describe_text(describe, "key", option->key);
    ks_describe_text(describe, "value", option->is_secret ? "(not shown)" : value);
    ks_describe_text(describe, "default", option->default_value);
    ks_describe_end(describe);
}

void
ks_options_describe(const struct kafscale_options *options,
                    const struct kafscale_describe *describe)
{
    struct kafscale_option option;

    ks_describe_begin_list(describe, "options");
    for (size_t i = 0; kafscale_option_at(i, &option) == KAFSCALE_OK; i++) {
        const char *value = kafscale_options_get(options, option.key);

        if (strcmp(value, option.default_value) != 0) {
            describe_option(&option, value, describe);
        }
    }
    ks_describe_end(describe);
}

/* --- All -------------------------------------------------------------------------------------- */

static void
describe_identity(const struct ks_broker *broker, const struct kafscale_describe *describe)
{
    ks_describe_number(describe, "node_id", broker->options.node_id);
    if (!ks_id_is_zero(&broker->identity.record.cluster)) {
        ks_describe_id(describe, "cluster_id", &broker->identity.record.cluster);
    }
    ks_describe_id(describe, "incarnation", &broker->incarnation);
}

void
ks_broker_tell_status(const struct ks_broker *broker, const struct kafscale_describe *describe)
{
    if (broker->store == NULL) {
        return;
    }
    describe_identity(broker, describe);
    describe_store(broker, describe);
    ks_describe_begin(describe, "topics");
    ks_describe_number(describe, "count", (int64_t) ks_topics_count(&broker->topics));
    ks_describe_number(describe, "partitions", broker->topics.partition_count);
    ks_describe_number(describe, "unserved_partitions", ks_broker_unserved_partitions(broker));
    ks_describe_end(describe);
    if (broker->log != NULL) {
        describe_log(broker, describe);
    }
    describe_groups(&broker->coordinator, describe);
    describe_jobs(broker, describe);
}
