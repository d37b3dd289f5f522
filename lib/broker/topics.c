/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Three tables over the same topics: by name, by id, and by the name in which '.' and '_' are
 * one.
 */
#include "broker/topics.h"

#include <assert.h>

#define RELOAD_MS 100

static void on_reload_due(void *arg);

void
ks_topics_init(struct ks_topics *topics, struct ks_env *env, struct ks_store *store,
               struct ks_meta *meta, const char *ns, const struct ks_topics_events *events)
{
    *topics =
        (struct ks_topics){ .env = env, .store = store, .meta = meta, .ns = ns, .events = *events };
    ks_table_init(&topics->by_name, ks_env_random_u64(env));
    ks_table_init(&topics->by_id, ks_env_random_u64(env));
    ks_table_init(&topics->by_collapsed, ks_env_random_u64(env));
    ks_table_init(&topics->creations, ks_env_random_u64(env));
    ks_list_init(&topics->ending);
    topics->reload.on_due = on_reload_due;
    topics->reload.arg = topics;
}

static void
free_topic(struct ks_topic *topic)
{
    while (topic->blocks != NULL) {
        struct ks_topic_block *block = topic->blocks;

        topic->blocks = block->earlier;
        ks_free(block);
    }
    ks_topic_record_deinit(&topic->record);
    ks_free(topic->partitions);
    ks_free(topic);
}

struct ks_topic *
ks_topic_ref(struct ks_topic *topic)
{
    topic->references++;
    return topic;
}

void
ks_topic_unref(struct ks_topic *topic)
{
    if (topic == NULL) {
        return;
    }
    assert(topic->references > 0);
    topic->references--;
    if (topic->references == 0) {
        assert(topic->is_gone);
        free_topic(topic);
    }
}

void
ks_topic_name_collapse(const char *name, char out[KS_TOPIC_NAME_BYTES_MAX + 1])
{
    size_t i = 0;

    for (; name[i] != '\0' && i < KS_TOPIC_NAME_BYTES_MAX; i++) {
        out[i] = name[i];
        if (name[i] == '.') {
            out[i] = '_';
        }
    }
    out[i] = '\0';
}

static struct kafscale_slice
id_slice(const struct ks_id *id)
{
    return ks_slice(id->bytes, KS_ID_BYTES);
}

struct ks_topic *
ks_topics_find(const struct ks_topics *topics, struct kafscale_slice name)
{
    struct ks_table_node *node = ks_table_find(&topics->by_name, name);

    return node == NULL ? NULL : KS_CONTAINER(node, struct ks_topic, by_name);
}

struct ks_topic *
ks_topics_find_id(const struct ks_topics *topics, const struct ks_id *id)
{
    struct ks_table_node *node = ks_table_find(&topics->by_id, id_slice(id));

    return node == NULL ? NULL : KS_CONTAINER(node, struct ks_topic, by_id);
}

struct ks_topic *
ks_topics_find_collision(const struct ks_topics *topics, const char *name)
{
    char collapsed[KS_TOPIC_NAME_BYTES_MAX + 1];
    struct ks_table_node *node;
    struct ks_topic *topic;

    ks_topic_name_collapse(name, collapsed);
    node = ks_table_find(&topics->by_collapsed, ks_slice_of_text(collapsed));
    topic = node == NULL ? NULL : KS_CONTAINER(node, struct ks_topic, by_collapsed);
    return topic != NULL && strcmp(topic->record.name, name) != 0 ? topic : NULL;
}

struct ks_topic *
ks_topics_next(const struct ks_topics *topics, const struct ks_topic *topic)
{
    struct ks_table_node *node =
        ks_table_next(&topics->by_name, topic == NULL ? NULL : &topic->by_name);

    return node == NULL ? NULL : KS_CONTAINER(node, struct ks_topic, by_name);
}

size_t
ks_topics_count(const struct ks_topics *topics)
{
    return topics->by_name.count;
}

struct ks_topic_partition *
ks_topic_partition(struct ks_topic *topic, int32_t index)
{
    if (index < 0 || index >= topic->record.partition_count) {
        return NULL;
    }
    return topic->partitions[index];
}

/* Makes the partitions from `first` to record.partition_count - 1. Nothing changes on failure. */
static enum kafscale_status
make_partitions(struct ks_topic *topic, int32_t first, int32_t end)
{
    size_t count = (size_t) (end - first);
    struct ks_topic_partition **partitions = ks_alloc_zero((size_t) end, sizeof *partitions);
    struct ks_topic_block *block =
        ks_alloc_zero(1, sizeof *block + count * sizeof block->partitions[0]);

    if (partitions == NULL || block == NULL) {
        ks_free(partitions);
        ks_free(block);
        return KAFSCALE_NO_MEMORY;
    }
    if (first > 0) {
        memcpy(partitions, topic->partitions, (size_t) first * sizeof *partitions);
    }
    for (int32_t i = first; i < end; i++) {
        partitions[i] = &block->partitions[i - first];
        partitions[i]->topic = topic;
        partitions[i]->index = i;
        partitions[i]->error = KS_BROKER_ERROR_NOT_OPEN;
        ks_list_init(&partitions[i]->waiters);
        ks_list_init(&partitions[i]->preparing);
        ks_early_refusals_move(&topic->early, i, &partitions[i]->refusals);
    }
    block->earlier = topic->blocks;
    topic->blocks = block;
    ks_free(topic->partitions);
    topic->partitions = partitions;
    return KAFSCALE_OK;
}

/* Takes what the record owns, also on failure. */
static struct ks_topic *
new_topic(struct ks_topic_record *record)
{
    struct ks_topic *topic = ks_alloc_zero(1, sizeof *topic);

    if (topic == NULL) {
        ks_topic_record_deinit(record);
        return NULL;
    }
    topic->record = *record;
    topic->references = 1;
    topic->is_internal = ks_topic_name_is_internal(ks_slice_of_text(record->name));
    ks_list_init(&topic->opened);
    ks_topic_name_collapse(record->name, topic->collapsed);
    ks_topic_prefix(record->name, &record->id, record->is_later_life, topic->prefix);
    if (make_partitions(topic, 0, record->partition_count) != KAFSCALE_OK) {
        free_topic(topic);
        return NULL;
    }
    return topic;
}

static void
take_out(struct ks_topics *topics, struct ks_topic *topic)
{
    struct kafscale_slice collapsed = ks_slice_of_text(topic->collapsed);

    ks_table_remove(&topics->by_name, &topic->by_name);
    ks_table_remove(&topics->by_id, &topic->by_id);
    if (ks_table_find(&topics->by_collapsed, collapsed) == &topic->by_collapsed) {
        ks_table_remove(&topics->by_collapsed, &topic->by_collapsed);
    }
}

/*
 * Two names that collapse to one can stand in a store that another broker wrote; the first one
 * keeps the place.
 */
static enum kafscale_status
put_in(struct ks_topics *topics, struct ks_topic *topic)
{
    struct kafscale_slice collapsed = ks_slice_of_text(topic->collapsed);
    enum kafscale_status status =
        ks_table_insert(&topics->by_name, &topic->by_name, ks_slice_of_text(topic->record.name));

    if (status != KAFSCALE_OK) {
        return status;
    }
    status = ks_table_insert(&topics->by_id, &topic->by_id, id_slice(&topic->record.id));
    if (status == KAFSCALE_OK && ks_table_find(&topics->by_collapsed, collapsed) == NULL) {
        status = ks_table_insert(&topics->by_collapsed, &topic->by_collapsed, collapsed);
        if (status != KAFSCALE_OK) {
            ks_table_remove(&topics->by_id, &topic->by_id);
        }
    }
    if (status != KAFSCALE_OK) {
        ks_table_remove(&topics->by_name, &topic->by_name);
    }
    topics->added += status == KAFSCALE_OK;
    return status;
}

static void
remove_topic(struct ks_topics *topics, struct ks_topic *topic)
{
    take_out(topics, topic);
    topics->partition_count -= topic->record.partition_count;
    topic->is_gone = true;
    topics->events.removed(topics->events.arg, topic);
    for (int32_t i = 0; i < topic->record.partition_count; i++) {
        topic->partitions[i]->log = NULL;
        topic->partitions[i]->error = KS_BROKER_ERROR_UNKNOWN_TOPIC;
        ks_place_close(&topic->partitions[i]->waiters);
    }
    ks_place_close(&topic->opened);
    ks_topic_unref(topic);
}

/* Takes what the record owns. */
static enum kafscale_status
add_topic(struct ks_topics *topics, struct ks_topic_record *record, uint64_t version)
{
    struct ks_topic *earlier = ks_topics_find(topics, ks_slice_of_text(record->name));
    struct ks_topic *topic = new_topic(record);
    enum kafscale_status status;

    if (topic == NULL) {
        return KAFSCALE_NO_MEMORY;
    }
    topic->version = version;
    if (earlier != NULL) {
        remove_topic(topics, earlier);
    }
    status = put_in(topics, topic);
    if (status != KAFSCALE_OK) {
        free_topic(topic);
        return status;
    }
    topics->partition_count += topic->record.partition_count;
    topics->events.added(topics->events.arg, topic);
    return KAFSCALE_OK;
}

/* Partitions are added, never taken away: a record with fewer is not one that we wrote. */
static enum kafscale_status
grow(struct ks_topics *topics, struct ks_topic *topic, int32_t partition_count)
{
    int32_t earlier_count = topic->record.partition_count;
    enum kafscale_status status;

    if (partition_count <= earlier_count) {
        return KAFSCALE_OK;
    }
    status = make_partitions(topic, earlier_count, partition_count);
    if (status != KAFSCALE_OK) {
        return status;
    }
    topic->record.partition_count = partition_count;
    topics->partition_count += partition_count - earlier_count;
    topics->added++;
    topics->events.grown(topics->events.arg, topic);
    return KAFSCALE_OK;
}

/* Takes what the record owns. Name and prefix of a topic never change. */
static enum kafscale_status
change_topic(struct ks_topics *topics, struct ks_topic *topic, struct ks_topic_record *record,
             uint64_t version)
{
    enum kafscale_status status;

    if (version < topic->version) {
        ks_topic_record_deinit(record);
        return KAFSCALE_OK;
    }
    ks_topic_config_deinit(&topic->record.config);
    topic->record.config = record->config;
    record->config = (struct ks_topic_config){ 0 };
    topics->events.configured(topics->events.arg, topic);
    status = ks_is_planted(KS_PLANTED_TOPIC_GROWS) ? KAFSCALE_OK
                                                   : grow(topics, topic, record->partition_count);
    if (status == KAFSCALE_OK) {
        topic->version = version;
    }
    ks_topic_record_deinit(record);
    return status;
}

static enum kafscale_status
apply_put(struct ks_topics *topics, const struct ks_id *id, struct kafscale_slice value,
          uint64_t version)
{
    struct ks_topic_record record = { .id = *id };
    struct ks_topic *topic = ks_topics_find_id(topics, id);
    struct kafscale_error error = { 0 };
    enum kafscale_status status = ks_topic_record_decode(value, &record, &error);

    if (status != KAFSCALE_OK) {
        char hex[KS_ID_HEX_BYTES];

        ks_id_to_hex(id, hex);
        ks_log(&topics->env->logger, KAFSCALE_LOG_ERROR, "topic skipped id=%s error=%s", hex,
               error.text);
        ks_topic_record_deinit(&record);
        return status == KAFSCALE_NO_MEMORY ? status : KAFSCALE_OK;
    }
    if (topic == NULL) {
        return add_topic(topics, &record, version);
    }
    return change_topic(topics, topic, &record, version);
}

enum kafscale_status
ks_topics_apply(struct ks_topics *topics, const struct kafscale_meta_entry *entry, bool is_delete)
{
    struct ks_topic *topic;
    struct ks_id id;

    if (!ks_topic_record_key_parse(entry->key, &id)) {
        return KAFSCALE_OK;
    }
    if (!is_delete) {
        return apply_put(topics, &id, entry->value, entry->version);
    }
    topic = ks_topics_find_id(topics, &id);
    if (topic != NULL) {
        remove_topic(topics, topic);
    }
    return KAFSCALE_OK;
}

static enum kafscale_status
apply_all(struct ks_topics *topics, const struct kafscale_meta_entry *entries, size_t entry_count)
{
    enum kafscale_status status = KAFSCALE_OK;

    for (size_t i = 0; status == KAFSCALE_OK && i < entry_count; i++) {
        status = ks_topics_apply(topics, &entries[i], false);
    }
    return status;
}

static void
on_loaded(void *arg, enum kafscale_status status, const struct kafscale_meta_entry *entries,
          size_t entry_count, uint64_t revision, const struct kafscale_error *error)
{
    struct ks_topics *topics = arg;
    struct kafscale_error own_error = { 0 };

    (void) revision;
    if (status == KAFSCALE_OK) {
        status = apply_all(topics, entries, entry_count);
        if (status != KAFSCALE_OK) {
            ks_error_set(&own_error, status, "out of memory while reading topics");
            error = &own_error;
        }
    }
    topics->load_done(topics->load_arg, status, error);
}

void
ks_topics_load(struct ks_topics *topics,
               void (*done)(void *arg, enum kafscale_status status,
                            const struct kafscale_error *error),
               void *arg)
{
    topics->load_done = done;
    topics->load_arg = arg;
    topics->read = (struct kafscale_meta_read){ .key = "topic/", .is_prefix = true };
    ks_meta_read(topics->meta, &topics->read, on_loaded, topics);
}

/* --- Reading them again ----------------------------------------------------------------------- */

static void
on_reloaded(void *arg, enum kafscale_status status, const struct kafscale_meta_entry *entries,
            size_t entry_count, uint64_t revision, const struct kafscale_error *error)
{
    struct ks_topics *topics = arg;

    (void) revision;
    (void) error;
    topics->is_reloading = false;
    if (topics->is_ended) {
        return;
    }
    if (status != KAFSCALE_OK || topics->must_reload ||
        apply_all(topics, entries, entry_count) != KAFSCALE_OK) {
        ks_topics_reload_later(topics);
    }
}

static void
on_reload_due(void *arg)
{
    struct ks_topics *topics = arg;

    topics->is_reloading = true;
    topics->must_reload = false;
    topics->reload_read = (struct kafscale_meta_read){ .key = "topic/", .is_prefix = true };
    ks_meta_read(topics->meta, &topics->reload_read, on_reloaded, topics);
}

void
ks_topics_reload_later(struct ks_topics *topics)
{
    topics->must_reload = true;
    if (!topics->is_reloading && !topics->is_ended) {
        ks_env_set_timer(topics->env, &topics->reload, ks_env_now_ms(topics->env) + RELOAD_MS);
    }
}

/* ---------------------------------------------------------------------------------------------- */

void
ks_topics_end(struct ks_topics *topics)
{
    topics->is_ended = true;
    ks_env_cancel_timer(topics->env, &topics->reload);
    ks_place_wake(&topics->ending);
    for (struct ks_topic *topic = ks_topics_next(topics, NULL); topic != NULL;
         topic = ks_topics_next(topics, topic)) {
        for (int32_t i = 0; i < topic->record.partition_count; i++) {
            ks_place_wake(&topic->partitions[i]->waiters);
        }
        ks_place_wake(&topic->opened);
    }
}

void
ks_topics_deinit(struct ks_topics *topics)
{
    struct ks_topic *topic = ks_topics_next(topics, NULL);

    while (topic != NULL) {
        struct ks_topic *next = ks_topics_next(topics, topic);

        take_out(topics, topic);
        topic->is_gone = true;
        ks_topic_unref(topic);
        topic = next;
    }
    ks_table_deinit(&topics->by_name);
    ks_table_deinit(&topics->by_id);
    ks_table_deinit(&topics->by_collapsed);
    ks_table_deinit(&topics->creations);
}
