/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Starting: six steps, each tried again with growing waits while the store can't answer. What
 * the store says for certain (another cluster, a newer format, damage) ends the start.
 */
#include "broker/broker_internal.h"

#include <assert.h>
#include <stdio.h>

#define RETRY_FIRST_MS 50
#define RETRY_LAST_MS 5000
#define SOLE_KEY "sole"
#define PREPARED_MAX 64

static void run_step(struct ks_broker *broker);

void
ks_start_answer(struct ks_broker *broker, enum kafscale_status status,
                const struct kafscale_error *error)
{
    ks_broker_done *done = broker->start_done;

    if (done != NULL) {
        broker->start_done = NULL;
        done(broker->start_arg, status, error);
    }
}

void
ks_start_cancel(struct ks_broker *broker)
{
    ks_env_cancel_timer(broker->env, &broker->retry);
    ks_env_cancel_task(&broker->begin);
}

/* Whether asking again can bring another answer. */
static bool
is_transient(enum kafscale_status status)
{
    return status == KAFSCALE_UNAVAILABLE || status == KAFSCALE_UNKNOWN || status == KAFSCALE_IO ||
           status == KAFSCALE_NO_MEMORY || status == KAFSCALE_FULL || status == KAFSCALE_CONFLICT;
}

static void
retry_later(struct ks_broker *broker, enum kafscale_status status,
            const struct kafscale_error *error)
{
    int64_t wait_ms = ks_backoff_ms(RETRY_FIRST_MS, RETRY_LAST_MS, broker->failures);

    if (broker->failures == 0) {
        ks_log(&broker->env->logger, KAFSCALE_LOG_WARN, "start waits for the store error=%s",
               error == NULL ? kafscale_status_text(status) : error->text);
    }
    broker->failures++;
    ks_env_set_timer(broker->env, &broker->retry, ks_env_now_ms(broker->env) + wait_ms);
}

static void
finish_step(struct ks_broker *broker, enum kafscale_status status,
            const struct kafscale_error *error)
{
    struct kafscale_error own_error = { 0 };

    if (broker->state != KS_BROKER_STARTING) {
        return;
    }
    if (is_transient(status)) {
        retry_later(broker, status, error);
        return;
    }
    if (status != KAFSCALE_OK) {
        ks_error_set(&own_error, status, "%s",
                     error == NULL ? kafscale_status_text(status) : error->text);
        ks_broker_fail(broker, &own_error);
        return;
    }
    broker->failures = 0;
    broker->step++;
    assert(broker->step < KS_START_STEP_COUNT);
    run_step(broker);
}

/* --- What the store does by itself ------------------------------------------------------------ */

static void
on_expiry(void *arg, enum kafscale_status status, const struct kafscale_error *error)
{
    struct ks_broker *broker = arg;

    if (status == KAFSCALE_UNSUPPORTED && broker->state == KS_BROKER_STARTING) {
        ks_log(&broker->env->logger, KAFSCALE_LOG_WARN,
               "nobody can tell whether the store deletes objects by itself error=%s",
               error == NULL ? kafscale_status_text(status) : error->text);
        status = KAFSCALE_OK;
    }
    finish_step(broker, status, error);
}

/* A store that takes our objects away after some days is found out before anything relies on it. */
static void
step_expiry(struct ks_broker *broker)
{
    snprintf(broker->expiry_prefix, sizeof broker->expiry_prefix, "%s/", broker->ns);
    ks_store_find_expiry(broker->store, broker->expiry_prefix, on_expiry, broker);
}

/* --- The store -------------------------------------------------------------------------------- */

static void
on_verdict(void *arg, enum kafscale_status status, const struct kafscale_error *error)
{
    finish_step(arg, status, error);
}

static void
step_store(struct ks_broker *broker)
{
    broker->verdict.env = broker->env;
    broker->verdict.store = broker->store;
    broker->verdict.ns = broker->ns;
    broker->verdict.is_single_writer = broker->options.is_single_writer;
    ks_verdict_ask(&broker->verdict, on_verdict, broker);
}

/* --- Identity --------------------------------------------------------------------------------- */

static void
on_identity(void *arg, enum kafscale_status status, const struct kafscale_error *error)
{
    finish_step(arg, status, error);
}

static void
step_identity(struct ks_broker *broker)
{
    broker->identity.env = broker->env;
    broker->identity.store = broker->store;
    broker->identity.meta = broker->meta;
    broker->identity.ns = broker->ns;
    ks_identity_check(&broker->identity, on_identity, broker);
}

/* --- Topics ----------------------------------------------------------------------------------- */

static void
on_topics(void *arg, enum kafscale_status status, const struct kafscale_error *error)
{
    finish_step(arg, status, error);
}

/* Defaults first, so that topics are opened with them. */
static void
on_configs(void *arg, enum kafscale_status status, const struct kafscale_meta_entry *entries,
           size_t entry_count, uint64_t revision, const struct kafscale_error *error)
{
    struct ks_broker *broker = arg;

    (void) revision;
    for (size_t i = 0; status == KAFSCALE_OK && i < entry_count; i++) {
        status = ks_broker_take_config(broker, &entries[i], false);
    }
    if (status != KAFSCALE_OK || broker->state != KS_BROKER_STARTING) {
        finish_step(broker, status, error);
        return;
    }
    ks_topics_load(&broker->topics, on_topics, broker);
}

static void
step_topics(struct ks_broker *broker)
{
    broker->read = (struct kafscale_meta_read){ .key = "config/", .is_prefix = true };
    ks_meta_read(broker->meta, &broker->read, on_configs, broker);
}

/* --- The log ---------------------------------------------------------------------------------- */

static void
on_committed(void *arg, struct ks_partition *log_partition)
{
    struct ks_topic_partition *partition = ks_partition_user(log_partition);

    (void) arg;
    if (partition != NULL) {
        ks_place_wake(&partition->waiters);
    }
}

static void
on_flushed(void *arg)
{
    struct ks_broker *broker = arg;

    ks_appender_go_on(&broker->appender);
    ks_lag_note(&broker->coordinator);
}

static void
on_log_fenced(void *arg, const struct kafscale_error *error)
{
    ks_broker_fence(arg, error->text);
}

static void
on_log_failed(void *arg, const struct kafscale_error *error)
{
    ks_broker_fail(arg, error);
}

static void
on_look_fenced(void *arg, const char *why)
{
    ks_broker_fence(arg, why);
}

static void
on_look_failed(void *arg, const struct kafscale_error *error)
{
    ks_broker_fail(arg, error);
}

struct ks_log_limits
ks_broker_log_limits(const struct ks_broker *broker)
{
    const struct ks_broker_options *options = &broker->options;
    int64_t flush_interval_ms = options->flush_interval_ms;

    if (flush_interval_ms < 0) {
        flush_interval_ms = ks_store_flush_interval_ms(broker->store);
    }
    return (struct ks_log_limits){ .flush_interval_ms = flush_interval_ms,
                                   .flush_bytes = options->flush_bytes,
                                   .unflushed_bytes_max = options->unflushed_bytes_max,
                                   .cache_bytes_max = options->cache_bytes_max,
                                   .block_cache_bytes_min = options->cache_bytes_max / 4 * 3,
                                   .cold_gets_max = options->cold_gets_max,
                                   .read_ahead_bytes_max = options->read_ahead_bytes_max,
                                   .retention_check_ms = options->retention_check_ms };
}

static struct ks_log *
new_log(struct ks_broker *broker)
{
    const struct ks_broker_options *options = &broker->options;
    const struct ks_log_limits limits = ks_broker_log_limits(broker);
    struct ks_log_events events = { .arg = broker,
                                    .committed = on_committed,
                                    .flushed = on_flushed,
                                    .fenced = on_log_fenced,
                                    .failed = on_log_failed };
    struct ks_log_options log_options = { .ns = broker->ns,
                                          .cluster = broker->identity.record.cluster,
                                          .incarnation = broker->incarnation,
                                          .flush_interval_ms = limits.flush_interval_ms,
                                          .flush_bytes = limits.flush_bytes,
                                          .unflushed_bytes_max = limits.unflushed_bytes_max,
                                          .cache_bytes_max = limits.cache_bytes_max,
                                          .block_cache_bytes_min = limits.block_cache_bytes_min,
                                          .segment_bytes = options->segment_bytes,
                                          .compact_interval_ms = options->compact_interval_ms,
                                          .bundle_slots = options->bundle_slots,
                                          .bundle_bytes = options->bundle_bytes,
                                          .merge_count = options->merge_count,
                                          .merge_section_bytes = options->merge_section_bytes,
                                          .merge_part_bytes = options->merge_part_bytes,
                                          .producers_max = options->producers_max,
                                          .producer_expiration_ms = options->producer_expiration_ms,
                                          .retention_check_ms = limits.retention_check_ms };

    return ks_log_new(broker->env, broker->store, broker->meta, &log_options, &events);
}

/*
 * While the key `sole` is written the log begins to read what the first partitions will need. Of
 * more than that only some are read at a time anyway.
 */
static void
prepare_partitions(struct ks_broker *broker)
{
    struct ks_topic *topic = NULL;
    int left = PREPARED_MAX;

    while ((topic = ks_topics_next(&broker->topics, topic)) != NULL) {
        struct ks_partition_name name = { .topic = topic->record.id };

        for (; name.index < topic->record.partition_count; name.index++) {
            if (left-- == 0) {
                return;
            }
            ks_log_prepare(broker->log, &name, topic->prefix);
        }
    }
}

static bool
make_log(struct ks_broker *broker)
{
    broker->log = new_log(broker);
    if (broker->log == NULL) {
        return false;
    }
    ks_appender_init(&broker->appender, broker->env, broker->log,
                     broker->options.unflushed_bytes_max);
    ks_preparer_init(&broker->preparer, broker->env, &broker->appender);
    ks_coordinator_start(&broker->coordinator, broker->log, &broker->appender);
    prepare_partitions(broker);
    return true;
}

/* --- The key `sole` --------------------------------------------------------------------------- */

static void
on_sole_written(void *arg, enum kafscale_status status, uint64_t revision,
                const struct kafscale_error *error)
{
    struct ks_broker *broker = arg;

    if (status == KAFSCALE_OK) {
        broker->sole_version = revision;
    }
    finish_step(broker, status, error);
}

static void
write_sole(struct ks_broker *broker)
{
    broker->is_sole_sent = true;
    broker->operation = (struct kafscale_meta_operation){
        .key = SOLE_KEY, .value = ks_slice(broker->incarnation.bytes, KS_ID_BYTES)
    };
    broker->txn =
        (struct kafscale_meta_txn){ .operations = &broker->operation, .operation_count = 1 };
    ks_meta_txn(broker->meta, &broker->txn, on_sole_written, broker);
}

/* After an unknown outcome the key itself tells whether the write happened. */
static void
on_sole_read(void *arg, enum kafscale_status status, const struct kafscale_meta_entry *entries,
             size_t entry_count, uint64_t revision, const struct kafscale_error *error)
{
    struct ks_broker *broker = arg;
    struct kafscale_slice own = ks_slice(broker->incarnation.bytes, KS_ID_BYTES);

    (void) revision;
    if (status == KAFSCALE_OK && (entry_count == 0 || !ks_slice_equals(entries[0].value, own))) {
        write_sole(broker);
        return;
    }
    if (status == KAFSCALE_OK) {
        broker->sole_version = entries[0].version;
    }
    finish_step(broker, status, error);
}

static void
step_sole(struct ks_broker *broker)
{
    if (broker->log == NULL && !make_log(broker)) {
        finish_step(broker, KAFSCALE_NO_MEMORY, NULL);
        return;
    }
    broker->sole_asked_ms = ks_env_now_ms(broker->env);
    if (!broker->is_sole_sent) {
        write_sole(broker);
        return;
    }
    broker->read = (struct kafscale_meta_read){ .key = SOLE_KEY, .is_fresh = true };
    ks_meta_read(broker->meta, &broker->read, on_sole_read, broker);
}

/* --- Opening ---------------------------------------------------------------------------------- */

static void
step_open(struct ks_broker *broker)
{
    const struct ks_broker_options *options = &broker->options;

    broker->freshness_events = (struct ks_freshness_events){ .arg = broker,
                                                             .fenced = on_look_fenced,
                                                             .failed = on_look_failed };
    ks_freshness_init(&broker->freshness, broker->env, broker->meta, broker->log,
                      &broker->incarnation, broker->sole_asked_ms, options->freshness_ms,
                      options->is_single_writer, &broker->freshness_events);
    ks_opener_start(&broker->opener, broker->log, broker->sole_version);
}

void
ks_start_opened(struct ks_broker *broker)
{
    if (broker->state != KS_BROKER_STARTING || broker->step != KS_START_OPEN) {
        return;
    }
    ks_gone_topics_start(&broker->gone_topics, broker->log);
    ks_broker_move(broker, KS_BROKER_READY, NULL);
    ks_start_answer(broker, KAFSCALE_OK, NULL);
}

/* ---------------------------------------------------------------------------------------------- */

static void
run_step(struct ks_broker *broker)
{
    static void (*const steps[KS_START_STEP_COUNT])(struct ks_broker *) = {
        [KS_START_EXPIRY] = step_expiry,     [KS_START_STORE] = step_store,
        [KS_START_IDENTITY] = step_identity, [KS_START_TOPICS] = step_topics,
        [KS_START_SOLE] = step_sole,         [KS_START_OPEN] = step_open,
    };

    steps[broker->step](broker);
}

static void
on_retry(void *arg)
{
    run_step(arg);
}

static void
on_known(void *arg, enum kafscale_status status, const struct kafscale_meta_entry *entries,
         size_t entry_count, uint64_t revision, const struct kafscale_error *error)
{
    (void) arg;
    (void) status;
    (void) entries;
    (void) entry_count;
    (void) revision;
    (void) error;
}

/*
 * The metadata store begins to read, and no more than that, beside the first steps. What comes of
 * it is for those who ask next.
 */
static void
on_begin(void *arg)
{
    static const struct kafscale_meta_read any = { .key = SOLE_KEY };
    struct ks_broker *broker = arg;

    ks_meta_read(broker->meta, &any, on_known, broker);
    run_step(broker);
}

void
ks_broker_start(struct ks_broker *broker, ks_broker_done *done, void *arg)
{
    assert(broker->state == KS_BROKER_STARTING);
    assert(broker->start_done == NULL);

    broker->start_done = done;
    broker->start_arg = arg;
    broker->retry.on_due = on_retry;
    broker->retry.arg = broker;
    broker->begin.run = on_begin;
    broker->begin.arg = broker;
    ks_env_defer(broker->env, &broker->begin);
}
