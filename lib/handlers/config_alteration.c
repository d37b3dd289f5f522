/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is wrong with a resource as it was asked for is found first; then its record is changed. A
 * change that was begun goes on when the request's time is over, so the request is held until the
 * last of them has ended.
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
fail(struct ks_topic_alter *alter, enum ks_broker_error result, const char *text,
     struct kafscale_slice name)
{
    ks_error_set(&alter->change.error, KAFSCALE_INVALID, "%s: %.*s", text,
                 (int) (name.size < 100 ? name.size : 100), (const char *) name.data);
    return result;
}

static enum ks_broker_error
set(struct ks_topic_alter *alter, struct ks_topic_record *record, enum ks_topic_config_name name,
    struct kafscale_slice value)
{
    if (ks_topic_config_check(name, value, &alter->change.error) != KAFSCALE_OK) {
        return KS_BROKER_ERROR_INVALID_CONFIG;
    }
    return ks_broker_error_of_status(ks_topic_config_set(&record->config, name, value));
}

/* What a list is now: set for the topic, or for all, or the default. */
static enum ks_broker_error
set_list(struct ks_config_resource *resource, struct ks_topic_record *record,
         enum ks_topic_config_name name, const struct ks_config_change *change)
{
    struct ks_request *request = resource->all->request;
    const struct ks_topic_config *defaults = &ks_broker_options(request->broker)->topic_defaults;
    const char *text = ks_topic_config_text(&record->config, defaults, name);
    struct ks_buffer list;
    enum ks_broker_error result = KS_BROKER_ERROR_NO_MEMORY;

    ks_buffer_init(&list, UINT16_MAX);
    if (change->operation == KS_CONFIG_APPEND) {
        ks_config_list_append(ks_slice_of_text(text), change->value, &list);
    } else {
        ks_config_list_subtract(ks_slice_of_text(text), change->value, &list);
    }
    if (!ks_buffer_failed(&list)) {
        result = set(&resource->alter, record, name, ks_buffer_slice(&list));
    }
    ks_buffer_deinit(&list);
    return result;
}

/* A key that doesn't exist can't be set, and is deleted already. */
static enum ks_broker_error
edit_key(struct ks_config_resource *resource, struct ks_topic_record *record,
         const struct ks_config_change *change)
{
    struct ks_topic_alter *alter = &resource->alter;
    int place = ks_topic_config_find(change->name);
    enum ks_topic_config_name name = (enum ks_topic_config_name) place;

    if (place < 0 && change->operation == KS_CONFIG_DELETE) {
        return KS_BROKER_ERROR_NONE;
    }
    if (place < 0) {
        return fail(alter, KS_BROKER_ERROR_INVALID_CONFIG, "Unknown topic config name",
                    change->name);
    }
    if (change->operation == KS_CONFIG_SET) {
        return set(alter, record, name, change->value);
    }
    if (change->operation == KS_CONFIG_DELETE) {
        ks_topic_config_unset(&record->config, name);
        return KS_BROKER_ERROR_NONE;
    }
    if (ks_topic_config_keys[name].type != KS_CONFIG_LIST) {
        return fail(alter, KS_BROKER_ERROR_INVALID_CONFIG,
                    "Only to a list can be appended, only from a list subtracted", change->name);
    }
    return set_list(resource, record, name, change);
}

static enum ks_broker_error
edit(struct ks_topic_alter *alter, struct ks_topic_record *record)
{
    struct ks_config_resource *resource = alter->arg;
    enum ks_broker_error result = KS_BROKER_ERROR_NONE;

    if (resource->all->is_whole) {
        ks_topic_record_clear_config(record);
    }
    for (int32_t i = 0; result == KS_BROKER_ERROR_NONE && i < resource->change_count; i++) {
        result = edit_key(resource, record, &resource->changes[i]);
    }
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
on_altered(struct ks_topic_alter *alter, enum ks_broker_error error)
{
    struct ks_config_resource *resource = alter->arg;
    struct ks_config_alteration *all = resource->all;
    struct ks_request *request = all->request;

    assert(all->due > 0);
    all->due--;
    resource->is_due = false;
    if (!ks_request_is_answered(request)) {
        if (error != KS_BROKER_ERROR_NONE) {
            refuse(resource, ks_kafka_admin_error(error), alter->change.error.text);
        }
        if (all->due == 0) {
            answer(all);
        }
    }
    ks_request_release(request);
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
    if (resource->is_repeated) {
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
    resource->alter.edit = edit;
    resource->alter.is_dry_run = all->validate_only;
    resource->alter.deadline_ms = all->due_ms;
    resource->alter.done = on_altered;
    resource->alter.arg = resource;
    resource->is_due = true;
    all->due++;
    ks_request_hold(request);
    ks_topic_alter(ks_broker_topics(request->broker), &resource->alter);
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
        refuse(resource, KAFKA_ERROR_INVALID_REQUEST,
               "Options of a broker are set when it starts and can't be changed while it runs");
        return;
    default:
        refuse(resource, KAFKA_ERROR_INVALID_REQUEST,
               "Only topics have configurations that can be changed");
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
        struct ks_table_node *earlier = ks_table_find(&keys, key);

        if (earlier != NULL) {
            KS_CONTAINER(earlier, struct ks_config_resource, by_key)->is_repeated = true;
            resource->is_repeated = true;
        } else {
            has_memory =
                key.data != NULL && ks_table_insert(&keys, &resource->by_key, key) == KAFSCALE_OK;
        }
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
