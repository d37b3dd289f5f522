/* SPDX-License-Identifier: Apache-2.0 */
#include "testing/creation.h"

#define DEADLINE_MS 30000

struct ks_creation {
    struct ks_topic_create create;
    struct ks_topic_config config;
    int32_t partitions;
    char *name;
    ks_creation_done *done;
    void *arg;
};

static enum kafscale_status
take_config(struct ks_topic_config *config, const char *key, const char *value,
            struct kafscale_error *error)
{
    int name = ks_topic_config_find(ks_slice_of_text(key));
    enum kafscale_status status;

    if (name < 0) {
        return ks_error_set(error, KAFSCALE_INVALID, "topics have no configuration '%.100s'", key);
    }
    if (value == NULL) {
        return ks_error_set(error, KAFSCALE_INVALID, "'%s' has no value", key);
    }
    status =
        ks_topic_config_check((enum ks_topic_config_name) name, ks_slice_of_text(value), error);
    if (status != KAFSCALE_OK) {
        return status;
    }
    status = ks_topic_config_set(config, (enum ks_topic_config_name) name, ks_slice_of_text(value));
    return status == KAFSCALE_OK ? status : ks_error_set(error, status, "no memory");
}

static enum kafscale_status
take_configs(struct ks_topic_config *config, const char *const *configs,
             struct kafscale_error *error)
{
    enum kafscale_status status = KAFSCALE_OK;

    for (; configs != NULL && *configs != NULL && status == KAFSCALE_OK; configs += 2) {
        status = take_config(config, configs[0], configs[1], error);
    }
    return status;
}

struct ks_creation *
ks_creation_new(const struct kafscale_testing_topic *topic, struct kafscale_error *error)
{
    struct ks_creation *creation;

    if (topic == NULL || topic->name == NULL) {
        ks_error_set(error, KAFSCALE_INVALID, "a topic without a name");
        return NULL;
    }
    creation = ks_alloc_zero(1, sizeof *creation);
    if (creation != NULL) {
        creation->name = ks_copy_text(topic->name);
    }
    if (creation == NULL || creation->name == NULL) {
        ks_error_set(error, KAFSCALE_NO_MEMORY, "no memory");
        ks_creation_free(creation);
        return NULL;
    }
    creation->partitions = topic->partitions;
    if (take_configs(&creation->config, topic->configs, error) != KAFSCALE_OK) {
        ks_error_wrap(error, "topic '%.100s'", topic->name);
        ks_creation_free(creation);
        return NULL;
    }
    return creation;
}

void
ks_creation_free(struct ks_creation *creation)
{
    if (creation != NULL) {
        ks_topic_config_deinit(&creation->config);
        ks_free(creation->name);
        ks_free(creation);
    }
}

static enum kafscale_status
status_of(enum ks_broker_error error)
{
    switch (error) {
    case KS_BROKER_ERROR_NONE:
        return KAFSCALE_OK;
    case KS_BROKER_ERROR_TOPIC_EXISTS:
        return KAFSCALE_EXISTS;
    case KS_BROKER_ERROR_NOT_OWNER:
    case KS_BROKER_ERROR_NOT_OPEN:
    case KS_BROKER_ERROR_TIMED_OUT:
    case KS_BROKER_ERROR_UNAVAILABLE:
        return KAFSCALE_UNAVAILABLE;
    case KS_BROKER_ERROR_NO_MEMORY:
        return KAFSCALE_NO_MEMORY;
    case KS_BROKER_ERROR_FAILED:
        return KAFSCALE_FAILED;
    default:
        return KAFSCALE_INVALID;
    }
}

static void
end(struct ks_creation *creation, enum ks_broker_error result)
{
    struct kafscale_error error = { 0 };
    const char *text = creation->create.error.text;

    if (result != KS_BROKER_ERROR_NONE) {
        ks_error_set(&error, status_of(result), "topic '%.100s': %s", creation->name,
                     text[0] != '\0' ? text : ks_broker_error_text(result));
    }
    creation->done(creation->arg, status_of(result), &error);
    ks_creation_free(creation);
}

static void
on_created(struct ks_topic_create *create, enum ks_broker_error error)
{
    end(create->arg, error);
}

void
ks_creation_begin(struct ks_creation *creation, struct ks_broker *broker, ks_creation_done *done,
                  void *arg)
{
    struct ks_topic_create *create = &creation->create;

    creation->done = done;
    creation->arg = arg;
    if (ks_broker_state(broker) != KS_BROKER_READY) {
        end(creation, KS_BROKER_ERROR_NOT_OWNER);
        return;
    }
    create->name = ks_slice_of_text(creation->name);
    create->partition_count = creation->partitions == 0
                                  ? ks_broker_options(broker)->partitions_default
                                  : creation->partitions;
    create->config = &creation->config;
    create->deadline_ms = ks_env_now_ms(ks_broker_env(broker)) + DEADLINE_MS;
    create->done = on_created;
    create->arg = creation;
    ks_topic_create(ks_broker_topics(broker), create);
}
