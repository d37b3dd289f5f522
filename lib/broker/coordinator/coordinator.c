/* SPDX-License-Identifier: Apache-2.0 */
/* The coordinator's beginning and end, and the topic that its groups are kept in. */
#include "broker/coordinator/coordinator_internal.h"

#include <assert.h>

#define TOPIC "__consumer_offsets"
#define SEGMENT_BYTES "104857600"
#define CREATE_MS 30000
#define RECORD_BYTES_MAX (64u << 20)

void
ks_coordinator_init(struct ks_coordinator *coordinator, struct ks_env *env,
                    struct ks_topics *topics, const struct ks_coordinator_options *options)
{
    *coordinator = (struct ks_coordinator){ .env = env, .topics = topics, .options = *options };
    coordinator->group_options =
        (struct ks_group_options){ .initial_delay_ms = options->initial_delay_ms,
                                   .size_max = options->group_size_max };
    ks_list_init(&coordinator->unopened);
    ks_list_init(&coordinator->told);
    ks_buffer_init(&coordinator->key, RECORD_BYTES_MAX);
    ks_buffer_init(&coordinator->value, RECORD_BYTES_MAX);
    coordinator->expiring.name = "offsets_expiry";
    coordinator->checkpointing.name = "offsets_checkpoint";
    ks_lag_init(&coordinator->lag, options->lag_interval_ms, options->lag_series_max);
}

void
ks_coordinator_set_options(struct ks_coordinator *coordinator,
                           const struct ks_coordinator_options *options)
{
    coordinator->options = *options;
    coordinator->group_options.initial_delay_ms = options->initial_delay_ms;
    coordinator->group_options.size_max = options->group_size_max;
    if (ks_env_timer_is_set(&coordinator->expiry)) {
        ks_env_cancel_timer(coordinator->env, &coordinator->expiry);
        ks_coordinator_set_expiry(coordinator);
    }
}

void
ks_coordinator_start(struct ks_coordinator *coordinator, struct ks_log *log,
                     struct ks_appender *appender)
{
    coordinator->log = log;
    coordinator->appender = appender;
}

/* --- The topic -------------------------------------------------------------------------------- */

static void
on_created(struct ks_topic_create *create, enum ks_broker_error error)
{
    struct ks_coordinator *coordinator = create->arg;

    if (error != KS_BROKER_ERROR_NONE && error != KS_BROKER_ERROR_TOPIC_EXISTS) {
        ks_log_some(coordinator->env, &coordinator->troubles, KS_LOG_QUOTA_COUNT, KAFSCALE_LOG_WARN,
                    "groups can't be kept, topic not created topic=" TOPIC " error=%s",
                    create->error.text);
        ks_coordinator_tell_all(coordinator, &coordinator->unopened, KS_GROUP_NOT_AVAILABLE);
    }
    coordinator->creation = NULL;
    ks_topic_config_deinit(&coordinator->topic_config);
    ks_free(create);
}

static bool
configure(struct ks_topic_config *config)
{
    return ks_topic_config_set(config, KS_TOPIC_CONFIG_CLEANUP_POLICY,
                               ks_slice_of_text("compact")) == KAFSCALE_OK &&
           ks_topic_config_set(config, KS_TOPIC_CONFIG_COMPRESSION_TYPE,
                               ks_slice_of_text("producer")) == KAFSCALE_OK &&
           ks_topic_config_set(config, KS_TOPIC_CONFIG_SEGMENT_BYTES,
                               ks_slice_of_text(SEGMENT_BYTES)) == KAFSCALE_OK;
}

static bool
create_topic(struct ks_coordinator *coordinator)
{
    struct ks_topic_create *create = ks_alloc_zero(1, sizeof *create);

    if (create == NULL || !configure(&coordinator->topic_config)) {
        ks_topic_config_deinit(&coordinator->topic_config);
        ks_free(create);
        return false;
    }
    create->name = ks_slice_of_text(TOPIC);
    create->partition_count = coordinator->options.partition_count;
    create->config = &coordinator->topic_config;
    create->deadline_ms = ks_env_now_ms(coordinator->env) + CREATE_MS;
    create->done = on_created;
    create->arg = coordinator;
    coordinator->creation = create;
    ks_topic_create(coordinator->topics, create);
    return true;
}

bool
ks_coordinator_is_ready(const struct ks_coordinator *coordinator)
{
    return coordinator->shard_count > 0 && !coordinator->is_ended;
}

void
ks_coordinator_await_ready(struct ks_coordinator *coordinator, struct ks_group_wait *wait)
{
    bool is_known = ks_topics_find(coordinator->topics, ks_slice_of_text(TOPIC)) != NULL;

    if (coordinator->is_ended) {
        ks_coordinator_tell(coordinator, wait, KS_GROUP_NOT_COORDINATOR);
        return;
    }
    if (ks_coordinator_is_ready(coordinator)) {
        ks_coordinator_tell(coordinator, wait, KS_GROUP_OK);
        return;
    }
    if (!is_known && coordinator->creation == NULL && !create_topic(coordinator)) {
        ks_coordinator_tell(coordinator, wait, KS_GROUP_NOT_AVAILABLE);
        return;
    }
    wait->link = (struct ks_list){ 0 };
    ks_list_append(&coordinator->unopened, &wait->link);
}

/* --- Its partitions --------------------------------------------------------------------------- */

static bool
make_shards(struct ks_coordinator *coordinator, struct ks_topic *topic)
{
    coordinator->shards =
        ks_alloc_zero((size_t) topic->record.partition_count, sizeof *coordinator->shards);
    if (coordinator->shards == NULL) {
        ks_log_some(coordinator->env, &coordinator->troubles, KS_LOG_QUOTA_COUNT,
                    KAFSCALE_LOG_ERROR, "groups not served, out of memory");
        return false;
    }
    coordinator->topic = ks_topic_ref(topic);
    coordinator->group_options.seed = ks_env_random_u64(coordinator->env);
    coordinator->shard_count = topic->record.partition_count;
    for (int32_t i = 0; i < coordinator->shard_count; i++) {
        ks_shard_init(&coordinator->shards[i], coordinator);
    }
    return true;
}

void
ks_coordinator_opened(struct ks_coordinator *coordinator, struct ks_topic_partition *partition)
{
    ks_lag_note(coordinator);
    if (coordinator->is_ended || strcmp(partition->topic->record.name, TOPIC) != 0) {
        return;
    }
    if (coordinator->topic == NULL && !make_shards(coordinator, partition->topic)) {
        return;
    }
    if (coordinator->topic != partition->topic || partition->index >= coordinator->shard_count) {
        return;
    }
    coordinator->shards[partition->index].partition = partition;
    ks_shard_load(&coordinator->shards[partition->index]);
    ks_coordinator_tell_all(coordinator, &coordinator->unopened, KS_GROUP_OK);
}

void
ks_coordinator_removed(struct ks_coordinator *coordinator, const struct ks_topic *topic)
{
    ks_lag_note(coordinator);
    if (coordinator->topic == topic) {
        ks_log(&coordinator->env->logger, KAFSCALE_LOG_ERROR,
               "groups not served any more, topic deleted topic=" TOPIC);
        ks_coordinator_end(coordinator);
    }
}

/* --- The end ---------------------------------------------------------------------------------- */

static void
end_shard(struct ks_shard *shard)
{
    ks_coordinator_tell_all(shard->coordinator, &shard->open_waits, KS_GROUP_NOT_COORDINATOR);
    for (struct ks_list *node = shard->writes.next; node != &shard->writes; node = node->next) {
        struct ks_shard_write *write = KS_CONTAINER(node, struct ks_shard_write, link);

        ks_coordinator_tell_all(shard->coordinator, &write->waits, KS_GROUP_NOT_COORDINATOR);
    }
    ks_shard_clear(shard, KS_GROUP_NOT_COORDINATOR);
    ks_env_cancel_task(&shard->flush);
    ks_shard_load_end(shard);
}

void
ks_coordinator_end(struct ks_coordinator *coordinator)
{
    if (coordinator->env == NULL || coordinator->is_ended) {
        return;
    }
    coordinator->is_ended = true;
    ks_env_cancel_timer(coordinator->env, &coordinator->expiry);
    ks_lag_end(coordinator);
    ks_coordinator_tell_all(coordinator, &coordinator->unopened, KS_GROUP_NOT_COORDINATOR);
    for (int32_t i = 0; i < coordinator->shard_count; i++) {
        end_shard(&coordinator->shards[i]);
    }
}

void
ks_coordinator_deinit(struct ks_coordinator *coordinator)
{
    if (coordinator->env == NULL) {
        return;
    }
    assert(coordinator->creation == NULL);

    ks_coordinator_end(coordinator);
    assert(ks_list_is_empty(&coordinator->told));
    ks_env_cancel_task(&coordinator->task);
    for (int32_t i = 0; i < coordinator->shard_count; i++) {
        ks_shard_deinit(&coordinator->shards[i]);
    }
    ks_free(coordinator->shards);
    ks_buffer_deinit(&coordinator->key);
    ks_buffer_deinit(&coordinator->value);
    if (coordinator->topic != NULL) {
        ks_topic_unref(coordinator->topic);
    }
}
