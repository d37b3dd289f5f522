/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CreateTopics. Any replication factor is taken, since programs ask for 3 and the object store is
 * the one replica; the answer says 1.
 */
#include "handlers/api.h"
#include "handlers/internal.h"
#include "handlers/named_once.h"
#include "handlers/topic_configs.h"

#include <assert.h>

/* A creation may outlive the request that asked for it. */
struct creation {
    struct ks_topic_create create;
    struct ks_topic_config config;
    struct create_entry *entry; /* NULL: answered already */
};

/* One topic of the request. */
struct create_entry {
    struct creation *creation; /* under way, or NULL */
    struct create_topics *all;
    const struct kafka_create_topics_request_topic *asked;
    struct kafka_create_topics_response_topic *out;
    int32_t partition_count;
    struct ks_named_once once;
};

struct create_topics {
    struct ks_request *request;
    const struct kafka_create_topics_request *asked;
    struct kafka_create_topics_response response;
    struct create_entry *entries;
    size_t due;
    struct ks_timer timer;
    int64_t due_ms;
};

static void
refuse(struct create_entry *entry, int16_t code, const char *text)
{
    entry->out->error_code = code;
    entry->out->error_message = ks_request_text(entry->all->request, text);
}

/* --- The answer ------------------------------------------------------------------------------- */

static void
fill_configs(struct create_entry *entry, const struct ks_topic_config *own)
{
    struct ks_request *request = entry->all->request;
    const struct ks_topic_config *defaults = &ks_broker_options(request->broker)->topic_defaults;
    struct kafka_create_topics_response_topic *out = entry->out;

    out->configs = kafka_array_new(
        &request->arena, &kafka_create_topics_response_topic_config_message, KS_TOPIC_CONFIG_COUNT);
    for (int i = 0; out->configs != NULL && i < KS_TOPIC_CONFIG_COUNT; i++) {
        enum ks_topic_config_name name = (enum ks_topic_config_name) i;
        struct kafka_create_topics_response_topic_config *config = &out->configs[i];

        config->name = ks_slice_of_text(ks_topic_config_keys[i].key);
        config->value = ks_request_text(request, ks_topic_config_text(own, defaults, name));
        config->config_source = (int8_t) ks_topic_config_source(request, own, name);
    }
    out->configs_count = KS_TOPIC_CONFIG_COUNT;
}

static void
free_creation(struct creation *creation)
{
    ks_topic_config_deinit(&creation->config);
    ks_free(creation);
}

static void
answer(struct create_topics *all)
{
    ks_env_cancel_timer(all->request->env, &all->timer);
    ks_request_answer(all->request, &all->response);
}

/* The entry has its answer and doesn't wait for the creation any more. */
static void
settle(struct create_entry *entry, enum ks_broker_error error, const char *text)
{
    struct creation *creation = entry->creation;

    assert(entry->all->due > 0);
    if (error != KS_BROKER_ERROR_NONE) {
        refuse(entry, ks_kafka_admin_error(error), text);
    } else {
        memcpy(entry->out->topic_id, creation->create.id.bytes, KS_ID_BYTES);
        entry->out->num_partitions = entry->partition_count;
        entry->out->replication_factor = 1;
        fill_configs(entry, &creation->config);
    }
    creation->entry = NULL;
    entry->creation = NULL;
    entry->all->due--;
}

static void
on_created(struct ks_topic_create *create, enum ks_broker_error error)
{
    struct creation *creation = create->arg;
    struct create_entry *entry = creation->entry;

    if (entry != NULL) {
        settle(entry, error, create->error.text);
        if (entry->all->due == 0) {
            answer(entry->all);
        }
    }
    free_creation(creation);
}

/* What is under way goes on; a topic that is written exists, open or not. */
static void
on_timeout(void *arg)
{
    struct create_topics *all = arg;

    for (int32_t i = 0; i < all->asked->topics_count; i++) {
        struct create_entry *entry = &all->entries[i];

        if (entry->creation != NULL && ks_id_is_zero(&entry->creation->create.id)) {
            settle(entry, KS_BROKER_ERROR_TIMED_OUT,
                   "Not done in the time given; it may still come");
        } else if (entry->creation != NULL) {
            settle(entry, KS_BROKER_ERROR_NONE, NULL);
        }
    }
    answer(all);
}

/* --- Checks ----------------------------------------------------------------------------------- */

static bool
take_config(struct create_entry *entry,
            const struct kafka_create_topics_request_topic_config *asked)
{
    struct kafscale_error error = { 0 };
    int name = ks_topic_config_find(asked->name);

    if (name < 0) {
        ks_error_set(&error, KAFSCALE_INVALID, "Unknown topic config name: %.*s",
                     (int) (asked->name.size < 100 ? asked->name.size : 100),
                     (const char *) asked->name.data);
    } else if (asked->value.data == NULL) {
        ks_error_set(&error, KAFSCALE_INVALID, "Null value not supported for topic config: %s",
                     ks_topic_config_keys[name].key);
    } else if (ks_topic_config_check((enum ks_topic_config_name) name, asked->value, &error) ==
               KAFSCALE_OK) {
        if (ks_topic_config_set(&entry->creation->config, (enum ks_topic_config_name) name,
                                asked->value) == KAFSCALE_OK) {
            return true;
        }
        ks_error_set(&error, KAFSCALE_NO_MEMORY, "out of memory");
    }
    refuse(entry, KAFKA_ERROR_INVALID_CONFIG, error.text);
    return false;
}

static bool
take_configs(struct create_entry *entry)
{
    for (int32_t i = 0; i < entry->asked->configs_count; i++) {
        if (!take_config(entry, &entry->asked->configs[i])) {
            return false;
        }
    }
    return true;
}

/* An assignment names partitions 0, 1, 2 ... in any order, and some replica for each. */
static bool
is_assignment_valid(const struct create_entry *entry)
{
    int32_t count = entry->asked->assignments_count;
    uint8_t *seen = ks_request_alloc(entry->all->request, (size_t) count, sizeof *seen);

    for (int32_t i = 0; seen != NULL && i < count; i++) {
        int32_t index = entry->asked->assignments[i].partition_index;

        if (index < 0 || index >= count || seen[index] != 0 ||
            entry->asked->assignments[i].broker_ids_count < 1) {
            return false;
        }
        seen[index] = 1;
    }
    return seen != NULL;
}

static bool
take_counts(struct create_entry *entry)
{
    const struct kafka_create_topics_request_topic *asked = entry->asked;

    entry->partition_count = asked->num_partitions;
    if (asked->assignments_count > 0) {
        if (asked->num_partitions != -1 || asked->replication_factor != -1) {
            refuse(entry, KAFKA_ERROR_INVALID_REQUEST,
                   "Both partitions or replication factor and an assignment were given");
            return false;
        }
        if (!is_assignment_valid(entry)) {
            refuse(entry, KAFKA_ERROR_INVALID_REPLICA_ASSIGNMENT,
                   "An assignment names each partition from 0 on once, with a replica");
            return false;
        }
        entry->partition_count = asked->assignments_count;
        return true;
    }
    if (asked->replication_factor != -1 && asked->replication_factor < 1) {
        refuse(entry, KAFKA_ERROR_INVALID_REPLICATION_FACTOR,
               "Replication factor must be larger than 0");
        return false;
    }
    if (asked->num_partitions == -1) {
        entry->partition_count = ks_broker_options(entry->all->request->broker)->partitions_default;
    }
    return true;
}

/* False: no memory. */
static bool
mark_repeated(struct create_topics *all)
{
    struct ks_table names;
    bool has_memory = true;

    ks_table_init(&names, ks_env_random_u64(all->request->env));
    for (int32_t i = 0; has_memory && i < all->asked->topics_count; i++) {
        has_memory = ks_named_once_note(&names, &all->entries[i].once, all->asked->topics[i].name);
    }
    ks_table_deinit(&names);
    return has_memory;
}

static void
begin(struct create_topics *all, struct create_entry *entry)
{
    struct ks_request *request = all->request;
    struct ks_topic_create *create;
    enum ks_broker_error error = ks_serving_error(request->broker);

    if (error != KS_BROKER_ERROR_NONE) {
        refuse(entry, ks_kafka_admin_error(error), ks_broker_error_text(error));
        return;
    }
    if (!ks_broker_options(request->broker)->is_admin_allowed) {
        refuse(entry, KAFKA_ERROR_POLICY_VIOLATION, "Creating topics is switched off");
        return;
    }
    if (entry->once.is_repeated) {
        refuse(entry, KAFKA_ERROR_INVALID_REQUEST, "Duplicate topic name.");
        return;
    }
    entry->creation = ks_alloc_zero(1, sizeof *entry->creation);
    if (entry->creation == NULL) {
        refuse(entry, ks_kafka_admin_error(KS_BROKER_ERROR_NO_MEMORY),
               ks_broker_error_text(KS_BROKER_ERROR_NO_MEMORY));
        return;
    }
    if (!take_counts(entry) || !take_configs(entry)) {
        free_creation(entry->creation);
        entry->creation = NULL;
        return;
    }
    create = &entry->creation->create;
    entry->creation->entry = entry;
    create->name = entry->asked->name;
    create->partition_count = entry->partition_count;
    create->config = &entry->creation->config;
    create->is_dry_run = all->asked->validate_only;
    create->deadline_ms = all->due_ms;
    create->done = on_created;
    create->arg = entry->creation;
    all->due++;
    ks_topic_create(ks_broker_topics(request->broker), create);
}

static void
begin_all(struct create_topics *all)
{
    all->due_ms =
        ks_request_set_timeout(all->request, &all->timer, all->asked->timeout_ms, on_timeout, all);
    for (int32_t i = 0; i < all->asked->topics_count; i++) {
        begin(all, &all->entries[i]);
    }
    if (all->due == 0) {
        answer(all);
    }
}

void
ks_handle_create_topics(struct ks_request *request)
{
    const struct kafka_create_topics_request *asked = request->body;
    struct create_topics *all = ks_request_alloc(request, 1, sizeof *all);
    size_t count = (size_t) asked->topics_count;

    if (all == NULL) {
        ks_request_close(request);
        return;
    }
    all->request = request;
    all->asked = asked;
    kafka_message_init(&kafka_create_topics_response_message, &all->response);
    all->response.topics =
        kafka_array_new(&request->arena, &kafka_create_topics_response_topic_message, count);
    all->response.topics_count = asked->topics_count;
    all->entries = ks_request_alloc(request, count, sizeof *all->entries);
    if (ks_arena_failed(&request->arena)) {
        ks_request_close(request);
        return;
    }
    for (int32_t i = 0; i < asked->topics_count; i++) {
        all->entries[i].all = all;
        all->entries[i].asked = &asked->topics[i];
        all->entries[i].out = &all->response.topics[i];
        all->response.topics[i].name = asked->topics[i].name;
    }
    if (!mark_repeated(all)) {
        ks_request_close(request);
        return;
    }
    begin_all(all);
}
