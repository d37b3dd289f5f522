/* SPDX-License-Identifier: Apache-2.0 */
/* What holds a broker together: its parts, its state, and the news that pass between them. */
#include "broker/broker_internal.h"

#include <assert.h>

void
ks_broker_move(struct ks_broker *broker, enum ks_broker_state state,
               const struct kafscale_error *error)
{
    struct ks_list *node = broker->listeners.next;

    ks_broker_state_move(&broker->state, state, &broker->env->logger,
                         error == NULL ? NULL : error->text);
    if (error != NULL && broker->error.status == KAFSCALE_OK) {
        broker->error = *error;
    }
    while (node != &broker->listeners) {
        struct ks_broker_listener *listener = KS_CONTAINER(node, struct ks_broker_listener, link);

        node = node->next;
        listener->changed(listener->arg, state, error);
    }
}

/* Nothing is acknowledged any more: whoever waits is told. */
static void
end_service(struct ks_broker *broker, enum ks_broker_state state,
            const struct kafscale_error *error)
{
    if (!ks_broker_state_can_move(broker->state, state)) {
        return;
    }
    ks_broker_move(broker, state, error);
    if (broker->log != NULL) {
        ks_log_fence(broker->log, error->text);
    }
    ks_opener_end(&broker->opener);
    ks_freshness_end(&broker->freshness, error->status);
    ks_coordinator_end(&broker->coordinator);
    ks_appender_end(&broker->appender);
    ks_topics_end(&broker->topics);
    ks_gone_topics_end(&broker->gone_topics);
    ks_start_answer(broker, error->status, error);
}

void
ks_broker_fence(struct ks_broker *broker, const char *why)
{
    struct kafscale_error error = { 0 };

    ks_error_set(&error, KAFSCALE_FENCED, "%s", why);
    end_service(broker, KS_BROKER_FENCED, &error);
}

void
ks_broker_fail(struct ks_broker *broker, const struct kafscale_error *error)
{
    end_service(broker, KS_BROKER_FAILED, error);
}

static void
on_fenced(void *arg, const char *why)
{
    ks_broker_fence(arg, why);
}

static void
on_opened(void *arg)
{
    ks_start_opened(arg);
}

/* Topics that only compact, and those of the broker itself, lose nothing by time or size. */
static void
set_retention(struct ks_broker *broker, const struct ks_topic_partition *partition)
{
    const struct ks_topic_config *config = &partition->topic->record.config;
    const struct ks_topic_config *defaults = &broker->options.topic_defaults;
    struct ks_retention retention = { .ms = -1, .bytes = -1 };

    if (ks_topic_config_deletes(config, defaults) && !partition->topic->is_internal) {
        retention.ms = ks_topic_config_number(config, defaults, KS_TOPIC_CONFIG_RETENTION_MS);
        retention.bytes = ks_topic_config_number(config, defaults, KS_TOPIC_CONFIG_RETENTION_BYTES);
    }
    ks_log_set_retention(broker->log, partition->log, &retention);
}

static void
configure(struct ks_broker *broker, const struct ks_topic_partition *partition)
{
    const struct ks_topic_config *config = &partition->topic->record.config;
    const struct ks_topic_config *defaults = &broker->options.topic_defaults;
    struct ks_segment_limits limits = {
        .bytes_max =
            (size_t) ks_topic_config_number(config, defaults, KS_TOPIC_CONFIG_SEGMENT_BYTES),
        .ms = ks_topic_config_number(config, defaults, KS_TOPIC_CONFIG_SEGMENT_MS),
        .jitter_ms = ks_topic_config_number(config, defaults, KS_TOPIC_CONFIG_SEGMENT_JITTER_MS),
    };

    set_retention(broker, partition);
    ks_log_set_segment_limits(broker->log, partition->log, &limits);
}

static void
on_partition_opened(void *arg, struct ks_topic_partition *partition)
{
    struct ks_broker *broker = arg;

    configure(broker, partition);
    ks_coordinator_opened(&broker->coordinator, partition);
}

void
ks_broker_configure(struct ks_broker *broker, struct ks_topic *topic)
{
    topic->produce_rules =
        ks_produce_rules_of(&topic->record.config, &broker->options.topic_defaults);
    for (int32_t i = 0; i < topic->record.partition_count; i++) {
        if (topic->partitions[i]->log != NULL) {
            configure(broker, topic->partitions[i]);
        }
    }
}

static void
on_topic_configured(void *arg, struct ks_topic *topic)
{
    ks_broker_configure(arg, topic);
}

static void
on_topic_grown(void *arg, struct ks_topic *topic)
{
    struct ks_broker *broker = arg;

    ks_opener_add(&broker->opener, topic);
}

static void
on_topic_added(void *arg, struct ks_topic *topic)
{
    on_topic_configured(arg, topic);
    on_topic_grown(arg, topic);
}

static void
on_topic_removed(void *arg, struct ks_topic *topic)
{
    struct ks_broker *broker = arg;

    ks_coordinator_removed(&broker->coordinator, topic);
    for (int32_t i = 0; i < topic->record.partition_count; i++) {
        if (topic->partitions[i]->log != NULL) {
            ks_log_forget(broker->log, topic->partitions[i]->log);
        }
    }
    if (broker->log != NULL) {
        ks_appender_go_on(&broker->appender);
    }
}

static void
on_meta_changed(void *arg, const struct kafscale_meta_entry *entry, bool is_delete)
{
    struct ks_broker *broker = arg;
    struct kafscale_slice own = ks_slice(broker->incarnation.bytes, KS_ID_BYTES);

    if (broker->state == KS_BROKER_STOPPING || broker->state == KS_BROKER_STOPPED) {
        return;
    }
    if (strcmp(entry->key, "sole") == 0) {
        /* Before the own write is known to have happened, others' are of no interest. */
        if (broker->sole_version != 0 && entry->version > broker->sole_version &&
            (is_delete || !ks_slice_equals(entry->value, own))) {
            ks_broker_fence(broker, "another broker was started on this store");
        }
        return;
    }
    ks_gone_topics_apply(&broker->gone_topics, entry, is_delete);
    if (ks_broker_take_config(broker, entry, is_delete) != KAFSCALE_OK) {
        ks_log(&broker->env->logger, KAFSCALE_LOG_WARN,
               "configuration not taken over, out of memory key=%s", entry->key);
    }
    if (ks_topics_apply(&broker->topics, entry, is_delete) != KAFSCALE_OK) {
        ks_log(&broker->env->logger, KAFSCALE_LOG_WARN,
               "topic not taken over yet, out of memory key=%s", entry->key);
        ks_topics_reload_later(&broker->topics);
    }
}

static void
init_parts(struct ks_broker *broker)
{
    struct ks_topics_events events = { .arg = broker,
                                       .added = on_topic_added,
                                       .configured = on_topic_configured,
                                       .grown = on_topic_grown,
                                       .removed = on_topic_removed };

    ks_topics_init(&broker->topics, broker->env, broker->store, broker->meta, broker->ns, &events);
    broker->topics.topics_max = broker->options.topics_max;
    broker->topics.topic_partitions_max = broker->options.topic_partitions_max;
    broker->topics.partitions_max = broker->options.partitions_max;
    ks_opener_init(&broker->opener, broker->env, on_fenced, on_partition_opened, on_opened, broker);
    ks_gone_topics_init(&broker->gone_topics, broker->env, broker->meta,
                        broker->options.gone_again_ms);
    ks_producer_ids_init(&broker->producer_ids, broker->env, broker->meta);
    ks_coordinator_init(&broker->coordinator, broker->env, &broker->topics,
                        &broker->options.coordinator);
    ks_meta_watch(broker->meta, on_meta_changed, broker);
}

static struct ks_broker *
new_empty(struct ks_env *env, const struct ks_broker_options *options)
{
    struct ks_broker *broker = ks_alloc_zero(1, sizeof *broker);

    if (broker == NULL) {
        return NULL;
    }
    broker->env = env;
    broker->state = KS_BROKER_STARTING;
    broker->options = *options;
    broker->options.topic_defaults = (struct ks_topic_config){ 0 };
    broker->ns = ks_copy_text(options->ns);
    broker->options.ns = broker->ns;
    ks_list_init(&broker->listeners);
    ks_env_random(env, broker->incarnation.bytes, KS_ID_BYTES);
    if (broker->ns == NULL ||
        ks_topic_config_copy(&options->topic_defaults, &broker->static_defaults) != KAFSCALE_OK ||
        ks_topic_config_copy(&options->topic_defaults, &broker->options.topic_defaults) !=
            KAFSCALE_OK) {
        ks_topic_config_deinit(&broker->static_defaults);
        ks_free(broker->ns);
        ks_free(broker);
        return NULL;
    }
    return broker;
}

static void
free_shell(struct ks_broker *broker)
{
    ks_topic_config_deinit(&broker->options.topic_defaults);
    ks_topic_config_deinit(&broker->static_defaults);
    for (int i = 0; i < KS_DYNAMIC_SCOPE_COUNT; i++) {
        ks_dynamic_config_deinit(&broker->dynamic[i]);
    }
    ks_free(broker->endpoints);
    ks_free(broker->ns);
    ks_free(broker);
}

static void
on_closed(void *arg)
{
    (void) arg;
}

struct ks_broker *
ks_broker_new(struct ks_env *env, struct kafscale_store store, struct kafscale_meta meta,
              const struct ks_broker_options *options)
{
    struct ks_broker *broker = new_empty(env, options);
    bool is_own_meta = meta.ops == NULL;

    if (broker == NULL) {
        return NULL;
    }
    broker->store = ks_store_new(env, store);
    if (broker->store == NULL) {
        free_shell(broker);
        return NULL;
    }
    ks_store_set_health(broker->store, &options->health);
    if (is_own_meta) {
        struct ks_meta_log_options log_options = { .ns = broker->ns,
                                                   .incarnation = broker->incarnation };

        meta = ks_meta_log_new(env, broker->store, &log_options);
    }
    if (is_own_meta && meta.ops != NULL) {
        broker->meta_chores = ks_meta_log_chores(&meta);
    }
    broker->meta = meta.ops == NULL ? NULL : ks_meta_new(env, meta);
    if (broker->meta == NULL) {
        ks_store_close(broker->store, on_closed, NULL);
        free_shell(broker);
        return NULL;
    }
    broker->identity.backend = meta.ops->name;
    init_parts(broker);
    return broker;
}

enum kafscale_status
ks_broker_set_endpoints(struct ks_broker *broker, const struct ks_endpoint *endpoints, size_t count)
{
    struct ks_endpoint *copy = ks_alloc_zero(count, sizeof *copy);

    if (copy == NULL) {
        return KAFSCALE_NO_MEMORY;
    }
    memcpy(copy, endpoints, count * sizeof *copy);
    ks_free(broker->endpoints);
    broker->endpoints = copy;
    broker->endpoint_count = count;
    return KAFSCALE_OK;
}

void
ks_broker_free(struct ks_broker *broker)
{
    if (broker == NULL) {
        return;
    }
    assert(broker->state == KS_BROKER_STOPPED);
    assert(ks_list_is_empty(&broker->listeners));

    free_shell(broker);
}

void
ks_broker_listen(struct ks_broker *broker, struct ks_broker_listener *listener)
{
    listener->link = (struct ks_list){ 0 };
    ks_list_append(&broker->listeners, &listener->link);
}

void
ks_broker_unlisten(struct ks_broker_listener *listener)
{
    ks_list_remove(&listener->link);
}

enum ks_broker_state
ks_broker_state(const struct ks_broker *broker)
{
    return broker->state;
}

const struct kafscale_error *
ks_broker_error(const struct ks_broker *broker)
{
    return &broker->error;
}

struct ks_env *
ks_broker_env(struct ks_broker *broker)
{
    return broker->env;
}

const struct ks_broker_options *
ks_broker_options(const struct ks_broker *broker)
{
    return &broker->options;
}

struct ks_topics *
ks_broker_topics(struct ks_broker *broker)
{
    return &broker->topics;
}

struct ks_log *
ks_broker_log(struct ks_broker *broker)
{
    return broker->log;
}

struct ks_freshness *
ks_broker_freshness(struct ks_broker *broker)
{
    return &broker->freshness;
}

struct ks_appender *
ks_broker_appender(struct ks_broker *broker)
{
    return &broker->appender;
}

struct ks_preparer *
ks_broker_preparer(struct ks_broker *broker)
{
    return &broker->preparer;
}

struct ks_producer_ids *
ks_broker_producer_ids(struct ks_broker *broker)
{
    return &broker->producer_ids;
}

struct ks_coordinator *
ks_broker_coordinator(struct ks_broker *broker)
{
    return &broker->coordinator;
}

void
ks_broker_pressure(const struct ks_broker *broker, struct ks_pressure *pressure_out)
{
    struct ks_log_counters counters;

    *pressure_out = (struct ks_pressure){ 0 };
    if (broker->state != KS_BROKER_READY) {
        return;
    }
    ks_log_get_counters(broker->log, &counters);
    *pressure_out = (struct ks_pressure){
        .throttle_ms_max = broker->options.throttle_ms_max,
        .behind_ms = counters.behind_ms,
        .is_slowed = ks_store_is_slowed(broker->store),
        .cold_waiting = counters.cold_waiting,
        .cold_places = broker->options.cold_gets_max,
    };
}

const struct ks_id *
ks_broker_cluster_id(const struct ks_broker *broker)
{
    return &broker->identity.record.cluster;
}

const struct ks_endpoint *
ks_broker_endpoint(const struct ks_broker *broker, size_t listener)
{
    if (broker->endpoint_count == 0) {
        return &broker->no_endpoint;
    }
    return &broker->endpoints[listener < broker->endpoint_count ? listener : 0];
}
