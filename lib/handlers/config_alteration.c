/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is wrong with a resource as it was asked for is found first; then its record is changed, of
 * a topic (broker/topic_alter.h) or of brokers (broker/dynamic_config.h). A change that was begun
 * goes on when the request's time is over, so the request is held until the last of them has
 * ended.
 */
#include "handlers/config_alteration.h"

#include "handlers/internal.h"
#include "handlers/topic_configs.h"

#include <assert.h>

/* More than there are keys; each is compared with each. */
#define CHANGES_MAX 250

static void
refuse(struct ks_config_resource *resource, int16_t code, const char *text)
{
    resource->code = code;
    resource->message = ks_request_text(resource->all->request, text);
}

static void
refuse_error(struct ks_config_resource *resource, enum ks_broker_error error)
{
    refuse(resource, ks_kafka_admin_error(error), ks_broker_error_text(error));
}

/* --- One key ---------------------------------------------------------------------------------- */

static enum ks_broker_error
fail(struct kafscale_error *error, enum ks_broker_error result, const char *text,
     struct kafscale_slice name)
{
    ks_error_set(error, KAFSCALE_INVALID, "%s: %.*s", text,
                 (int) (name.size < 100 ? name.size : 100), (const char *) name.data);
    return result;
}

/* A value of a topic, or of brokers under the name that it has there. */
struct target {
    struct kafscale_slice name;
    int topic_config; /* -1: a key of brokers that doesn't act */
    char **place;
    const char *now; /* what counts where it isn't set; NULL: nothing */
};

static enum ks_broker_error
set(const struct target *target, struct kafscale_slice value, struct kafscale_error *error)
{
    char *copy;

    if (ks_dynamic_config_check(target->name, target->topic_config, value, error) != KAFSCALE_OK) {
        return KS_BROKER_ERROR_INVALID_CONFIG;
    }
    copy = ks_copy_text_of(value.data, value.size);
    if (copy == NULL) {
        return KS_BROKER_ERROR_NO_MEMORY;
    }
    ks_free(*target->place);
    *target->place = copy;
    return KS_BROKER_ERROR_NONE;
}

static enum ks_broker_error
set_list(const struct target *target, const struct ks_config_change *change,
         struct kafscale_error *error)
{
    struct kafscale_slice list =
        ks_slice_of_text(*target->place == NULL ? target->now : *target->place);
    enum ks_broker_error result = KS_BROKER_ERROR_NO_MEMORY;
    struct ks_buffer changed;

    ks_buffer_init(&changed, UINT16_MAX);
    if (change->operation == KS_CONFIG_APPEND) {
        ks_config_list_append(list, change->value, &changed);
    } else {
        ks_config_list_subtract(list, change->value, &changed);
    }
    if (!ks_buffer_failed(&changed)) {
        result = set(target, ks_buffer_slice(&changed), error);
    }
    ks_buffer_deinit(&changed);
    return result;
}

static enum ks_broker_error
edit_target(const struct target *target, const struct ks_config_change *change,
            struct kafscale_error *error)
{
    if (change->operation == KS_CONFIG_SET) {
        return set(target, change->value, error);
    }
    if (change->operation == KS_CONFIG_DELETE) {
        ks_free(*target->place);
        *target->place = NULL;
        return KS_BROKER_ERROR_NONE;
    }
    if (target->topic_config < 0 ||
        ks_topic_config_keys[target->topic_config].type != KS_CONFIG_LIST) {
        return fail(error, KS_BROKER_ERROR_INVALID_CONFIG,
                    "Only to a list can be appended, only from a list subtracted", change->name);
    }
    return set_list(target, change, error);
}

/* --- A topic ---------------------------------------------------------------------------------- */

/* A key that doesn't exist can't be set, and is deleted already. */
static enum ks_broker_error
edit_topic_key(struct ks_config_resource *resource, struct ks_topic_record *record,
               const struct ks_config_change *change)
{
    const struct ks_broker *broker = resource->all->request->broker;
    struct kafscale_error *error = &resource->alter.change.error;
    struct target target = { .name = change->name,
                             .topic_config = ks_topic_config_find(change->name) };

    if (target.topic_config < 0) {
        return change->operation == KS_CONFIG_DELETE
                   ? KS_BROKER_ERROR_NONE
                   : fail(error, KS_BROKER_ERROR_INVALID_CONFIG, "Unknown topic config name",
                          change->name);
    }
    target.place = &record->config.values[target.topic_config];
    target.now = ks_topic_config_text(&record->config, &ks_broker_options(broker)->topic_defaults,
                                      (enum ks_topic_config_name) target.topic_config);
    return edit_target(&target, change, error);
}

static enum ks_broker_error
edit_topic(struct ks_topic_alter *alter, struct ks_topic_record *record)
{
    struct ks_config_resource *resource = alter->arg;
    enum ks_broker_error result = KS_BROKER_ERROR_NONE;

    if (resource->all->is_whole) {
        ks_topic_record_clear_config(record);
    }
    for (int32_t i = 0; result == KS_BROKER_ERROR_NONE && i < resource->change_count; i++) {
        result = edit_topic_key(resource, record, &resource->changes[i]);
    }
    return result;
}

/* --- Brokers ---------------------------------------------------------------------------------- */

static enum ks_broker_error
edit_broker_key(struct ks_config_resource *resource, struct ks_dynamic_config *config,
                const struct ks_config_change *change)
{
    const struct ks_broker *broker = resource->all->request->broker;
    struct kafscale_error *error = &resource->change.error;
    struct target target = { .name = change->name };

    target.place = ks_dynamic_config_find(config, change->name, &target.topic_config);
    if (target.place == NULL && ks_is_option(change->name)) {
        return fail(error, KS_BROKER_ERROR_INVALID_REQUEST,
                    "This can't be changed while the broker runs", change->name);
    }
    if (target.place == NULL) {
        return change->operation == KS_CONFIG_DELETE
                   ? KS_BROKER_ERROR_NONE
                   : fail(error, KS_BROKER_ERROR_INVALID_CONFIG, "Unknown broker config name",
                          change->name);
    }
    if (target.topic_config >= 0) {
        target.now = ks_topic_config_text(&ks_broker_options(broker)->topic_defaults, NULL,
                                          (enum ks_topic_config_name) target.topic_config);
    }
    return edit_target(&target, change, error);
}

static enum ks_broker_error
make_broker_record(struct ks_record_change *record, struct kafscale_slice value,
                   struct ks_buffer *out)
{
    struct ks_config_resource *resource = record->arg;
    struct ks_dynamic_config config = { 0 };
    enum ks_broker_error result = KS_BROKER_ERROR_NONE;

    if (value.data != NULL && !resource->all->is_whole) {
        result =
            ks_broker_error_of_status(ks_dynamic_config_decode(value, &config, &record->error));
    }
    for (int32_t i = 0; result == KS_BROKER_ERROR_NONE && i < resource->change_count; i++) {
        result = edit_broker_key(resource, &config, &resource->changes[i]);
    }
    if (result == KS_BROKER_ERROR_NONE) {
        ks_dynamic_config_encode(&config, out);
    }
    ks_dynamic_config_deinit(&config);
    return result;
}

/* --- The request ------------------------------------------------------------------------------ */

static void
answer(struct ks_config_alteration *all)
{
    ks_env_cancel_timer(all->request->env, &all->timer);
    all->answer(all);
}

static void
settle(struct ks_config_resource *resource, enum ks_broker_error error, const char *text)
{
    struct ks_config_alteration *all = resource->all;
    struct ks_request *request = all->request;

    assert(all->due > 0);
    all->due--;
    resource->is_due = false;
    if (!ks_request_is_answered(request)) {
        if (error != KS_BROKER_ERROR_NONE) {
            refuse(resource, ks_kafka_admin_error(error), text);
        }
        if (all->due == 0) {
            answer(all);
        }
    }
    ks_request_release(request);
}

static void
on_topic_altered(struct ks_topic_alter *alter, enum ks_broker_error error)
{
    settle(alter->arg, error, alter->change.error.text);
}

/* The watch tells too; now the change is in force when it is answered. */
static void
on_brokers_changed(struct ks_record_change *change, enum ks_broker_error error,
                   const struct kafscale_meta_entry *entry)
{
    struct ks_config_resource *resource = change->arg;
    struct ks_broker *broker = resource->all->request->broker;

    if (error == KS_BROKER_ERROR_NONE && entry != NULL) {
        error = ks_broker_error_of_status(ks_broker_take_config(broker, entry, false));
    }
    settle(resource, error,
           change->error.status == KAFSCALE_OK ? ks_broker_error_text(error) : change->error.text);
}

static bool
names_key_twice(const struct ks_config_resource *resource)
{
    for (int32_t i = 0; i < resource->change_count; i++) {
        for (int32_t j = 0; j < i; j++) {
            if (ks_slice_equals(resource->changes[i].name, resource->changes[j].name)) {
                return true;
            }
        }
    }
    return false;
}

/* What is wrong with the changes themselves, whatever they are for; NULL: nothing. */
static const char *
find_fault(const struct ks_config_resource *resource)
{
    if (resource->once.is_repeated) {
        return "Each resource must appear at most once.";
    }
    if (resource->change_count > CHANGES_MAX) {
        return "More configurations than there are";
    }
    if (names_key_twice(resource)) {
        return "A configuration must appear at most once";
    }
    for (int32_t i = 0; i < resource->change_count; i++) {
        const struct ks_config_change *change = &resource->changes[i];

        if (change->operation < KS_CONFIG_SET || change->operation > KS_CONFIG_SUBTRACT) {
            return "Unknown operation: a configuration is set, deleted, appended to or subtracted "
                   "from";
        }
        if (change->value.data == NULL && change->operation != KS_CONFIG_DELETE) {
            return "Null values are not supported";
        }
    }
    return NULL;
}

static void
begin_topic(struct ks_config_resource *resource)
{
    struct ks_config_alteration *all = resource->all;
    struct ks_request *request = all->request;
    struct ks_topic *topic = ks_find_topic(request, resource->name, NULL, false);
    enum ks_broker_error doubt = ks_request_doubt(request);

    if (doubt != KS_BROKER_ERROR_NONE) {
        refuse_error(resource, doubt);
        return;
    }
    if (!ks_topic_name_is_legal(resource->name)) {
        refuse_error(resource, KS_BROKER_ERROR_INVALID_NAME);
        return;
    }
    if (topic == NULL) {
        refuse_error(resource, KS_BROKER_ERROR_UNKNOWN_TOPIC);
        return;
    }
    resource->alter.id = topic->record.id;
    resource->alter.edit = edit_topic;
    resource->alter.is_dry_run = all->validate_only;
    resource->alter.deadline_ms = all->due_ms;
    resource->alter.done = on_topic_altered;
    resource->alter.arg = resource;
    resource->is_due = true;
    all->due++;
    ks_request_hold(request);
    ks_topic_alter(ks_broker_topics(request->broker), &resource->alter);
}

/* No name means all brokers. */
static void
begin_brokers(struct ks_config_resource *resource)
{
    struct ks_config_alteration *all = resource->all;
    struct ks_request *request = all->request;
    struct ks_record_change *change = &resource->change;
    int32_t node_id = ks_broker_options(request->broker)->node_id;
    enum ks_broker_error doubt = ks_request_doubt(request);

    if (doubt != KS_BROKER_ERROR_NONE) {
        refuse_error(resource, doubt);
        return;
    }
    if (resource->name.size > 0 && !ks_is_own_broker_name(request, resource->name)) {
        refuse(resource, KAFKA_ERROR_INVALID_REQUEST,
               "The name of a broker is its id, and this broker has another");
        return;
    }
    resource->scope = resource->name.size == 0 ? KS_DYNAMIC_DEFAULT : KS_DYNAMIC_BROKER;
    ks_dynamic_config_key(resource->scope, node_id, change->key);
    change->make = make_broker_record;
    change->is_dry_run = all->validate_only;
    change->deadline_ms = all->due_ms;
    change->done = on_brokers_changed;
    change->arg = resource;
    resource->is_due = true;
    all->due++;
    ks_request_hold(request);
    ks_record_change(ks_broker_topics(request->broker), change);
}

static void
begin(struct ks_config_resource *resource)
{
    const struct ks_broker *broker = resource->all->request->broker;
    const char *fault = find_fault(resource);

    if (fault != NULL) {
        refuse(resource, KAFKA_ERROR_INVALID_REQUEST, fault);
        return;
    }
    if (!ks_broker_options(broker)->is_admin_allowed) {
        refuse(resource, KAFKA_ERROR_POLICY_VIOLATION, "Changing configurations is switched off");
        return;
    }
    switch (resource->type) {
    case KS_RESOURCE_TYPE_TOPIC:
        begin_topic(resource);
        return;
    case KS_RESOURCE_TYPE_BROKER:
        begin_brokers(resource);
        return;
    default:
        refuse(resource, KAFKA_ERROR_INVALID_REQUEST,
               "Only topics and brokers have configurations here");
        return;
    }
}

static void
run(struct ks_request *request)
{
    struct ks_config_alteration *all = request->state;

    if (!ks_request_is_fresh(request, run)) {
        return;
    }
    all->is_begun = true;
    for (int32_t i = 0; i < all->resource_count; i++) {
        begin(&all->resources[i]);
    }
    if (all->due == 0) {
        answer(all);
    }
}

/* What is under way goes on. */
static void
on_timeout(void *arg)
{
    struct ks_config_alteration *all = arg;
    struct ks_request *request = all->request;

    if (!all->is_begun) {
        ks_request_give_up_look(request);
        run(request);
        return;
    }
    for (int32_t i = 0; i < all->resource_count; i++) {
        if (all->resources[i].is_due) {
            refuse_error(&all->resources[i], KS_BROKER_ERROR_TIMED_OUT);
        }
    }
    answer(all);
}

/* A resource is its type and its name. */
static struct kafscale_slice
key_of(struct ks_config_resource *resource)
{
    size_t size = resource->name.size + 1;
    uint8_t *key = ks_request_alloc(resource->all->request, size, 1);

    if (key != NULL) {
        key[0] = (uint8_t) resource->type;
        if (resource->name.size > 0) {
            memcpy(key + 1, resource->name.data, resource->name.size);
        }
    }
    return ks_slice(key, key == NULL ? 0 : size);
}

/* False: no memory. */
static bool
mark_repeated(struct ks_config_alteration *all)
{
    struct ks_table keys;
    bool has_memory = true;

    ks_table_init(&keys, ks_env_random_u64(all->request->env));
    for (int32_t i = 0; has_memory && i < all->resource_count; i++) {
        struct ks_config_resource *resource = &all->resources[i];
        struct kafscale_slice key = key_of(resource);

        has_memory = key.data != NULL && ks_named_once_note(&keys, &resource->once, key);
    }
    ks_table_deinit(&keys);
    return has_memory;
}

struct ks_config_alteration *
ks_config_alteration_new(struct ks_request *request, int32_t count)
{
    struct ks_config_alteration *all = ks_request_alloc(request, 1, sizeof *all);

    if (all != NULL) {
        all->request = request;
        all->resource_count = count;
        all->resources = ks_request_alloc(request, (size_t) count, sizeof *all->resources);
        request->state = all;
    }
    if (ks_arena_failed(&request->arena)) {
        ks_request_close(request);
        return NULL;
    }
    for (int32_t i = 0; i < count; i++) {
        all->resources[i].all = all;
    }
    return all;
}

void
ks_config_alteration_run(struct ks_config_alteration *all)
{
    struct ks_request *request = all->request;

    if (ks_arena_failed(&request->arena) || !mark_repeated(all)) {
        ks_request_close(request);
        return;
    }
    all->due_ms = ks_request_set_timeout(request, &all->timer, 0, on_timeout, all);
    run(request);
}
