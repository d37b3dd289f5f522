/* SPDX-License-Identifier: Apache-2.0 */
/* Requests with one resource or one topic each. */
#include "support/admin_client.h"

#include <check.h>

#define CHANGES_MAX 8

struct ks_topic *
admin_topic(struct test_broker *broker, const char *name)
{
    struct ks_topic *topic =
        ks_topics_find(ks_broker_topics(broker->broker), ks_slice_of_text(name));

    ck_assert_msg(topic != NULL, "the broker knows no topic %s", name);
    return topic;
}

static struct kafscale_slice
nullable(const char *text)
{
    return text == NULL ? ks_slice(NULL, 0) : ks_slice_of_text(text);
}

int16_t
admin_alter(struct test_broker *broker, int8_t type, const char *name,
            const struct admin_change *changes, int32_t count)
{
    struct kafka_incremental_alter_configs_request_resource_config configs[CHANGES_MAX];
    struct kafka_incremental_alter_configs_request_resource resource;
    struct kafka_incremental_alter_configs_request request;
    const struct kafka_incremental_alter_configs_response *response;
    struct test_call *alter;
    int16_t code;

    ck_assert_int_le(count, CHANGES_MAX);
    kafka_message_init(&kafka_incremental_alter_configs_request_message, &request);
    kafka_message_init(&kafka_incremental_alter_configs_request_resource_message, &resource);
    for (int32_t i = 0; i < count; i++) {
        kafka_message_init(&kafka_incremental_alter_configs_request_resource_config_message,
                           &configs[i]);
        configs[i].name = ks_slice_of_text(changes[i].key);
        configs[i].config_operation = changes[i].operation;
        configs[i].value = nullable(changes[i].value);
    }
    resource.resource_type = type;
    resource.resource_name = ks_slice_of_text(name);
    resource.configs = configs;
    resource.configs_count = count;
    request.resources = &resource;
    request.resources_count = 1;
    response = call(broker, KAFKA_API_INCREMENTAL_ALTER_CONFIGS, 1, &request, &alter);
    code = response->responses[0].error_code;
    ck_assert((code == KAFKA_ERROR_NONE) == (response->responses[0].error_message.size == 0));
    call_free(alter);
    return code;
}

int16_t
admin_set(struct test_broker *broker, const char *topic, const char *key, const char *value)
{
    struct admin_change change = { .key = key, .value = value };

    return admin_alter(broker, 2, topic, &change, 1);
}

struct test_call *
admin_grow_begin(struct test_broker *broker, const char *topic, int32_t count, bool validate_only)
{
    struct kafka_create_partitions_request_topic asked;
    struct kafka_create_partitions_request request;

    kafka_message_init(&kafka_create_partitions_request_message, &request);
    kafka_message_init(&kafka_create_partitions_request_topic_message, &asked);
    asked.name = ks_slice_of_text(topic);
    asked.count = count;
    asked.assignments_count = -1;
    request.topics = &asked;
    request.topics_count = 1;
    request.timeout_ms = 5000;
    request.validate_only = validate_only;
    return call_begin(broker, KAFKA_API_CREATE_PARTITIONS, 3, &request);
}

int16_t
admin_grown(struct test_call *call)
{
    const struct kafka_create_partitions_response *response = call_response(call);
    int16_t code = response->results[0].error_code;

    ck_assert((code == KAFKA_ERROR_NONE) == (response->results[0].error_message.size == 0));
    call_free(call);
    return code;
}

int16_t
admin_grow(struct test_broker *broker, const char *topic, int32_t count)
{
    return admin_grown(admin_grow_begin(broker, topic, count, false));
}

void
other_writer_init(struct other_writer *other, struct broker_fixture *fixture)
{
    struct ks_meta_log_options options = { .ns = "default", .incarnation = { .bytes = { 77 } } };
    struct ks_env *env = &fixture->v.env;

    other->fixture = fixture;
    other->store = ks_store_new(env, ks_memory_store_new(env, fixture->bucket));
    other->meta = (struct meta_client){
        .v = &fixture->v, .meta = ks_meta_new(env, ks_meta_log_new(env, other->store, &options))
    };
}

static void
ignore_close(void *arg)
{
    (void) arg;
}

void
other_writer_deinit(struct other_writer *other)
{
    meta_client_close(&other->meta);
    ks_store_close(other->store, ignore_close, NULL);
    virtual_env_run_for(&other->fixture->v, 10);
}

void
other_writer_put(struct other_writer *other, const char *key, const struct kafscale_slice *value)
{
    struct kafscale_meta_operation operation = { .key = key, .is_delete = value == NULL };
    struct kafscale_meta_txn txn = { .operations = &operation, .operation_count = 1 };

    if (value != NULL) {
        operation.value = *value;
    }
    ck_assert_int_eq(meta_client_txn(&other->meta, &txn).status, KAFSCALE_OK);
}

void
other_writer_put_topic(struct other_writer *other, const struct ks_topic_record *record)
{
    char key[KS_TOPIC_KEY_BYTES];
    struct kafscale_slice value;
    struct ks_buffer bytes;

    ks_buffer_init(&bytes, SIZE_MAX / 2);
    ks_topic_record_encode(record, &bytes);
    value = ks_buffer_slice(&bytes);
    ks_topic_record_key(&record->id, key);
    other_writer_put(other, key, &value);
    ks_buffer_deinit(&bytes);
}
