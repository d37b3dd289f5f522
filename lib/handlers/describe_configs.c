/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DescribeConfigs of topics, from the table of topic keys, and of this broker, from the table of
 * options and what administrators have set. Keys that were asked for and don't exist are left out,
 * as in Kafka; null asks for all.
 */
#include "handlers/api.h"
#include "handlers/internal.h"
#include "handlers/topic_configs.h"

#define SYNONYMS_MAX 5

#define TYPE_BOOLEAN 1
#define TYPE_STRING 2
#define TYPE_LONG 5
#define TYPE_PASSWORD 9

struct describe {
    struct ks_request *request;
    const struct kafka_describe_configs_request *asked;
};

static bool
is_asked(const struct kafka_describe_configs_request_resource *resource, const char *key)
{
    for (int32_t i = 0; i < resource->configuration_keys_count; i++) {
        if (ks_slice_equals(resource->configuration_keys[i], ks_slice_of_text(key))) {
            return true;
        }
    }
    return resource->configuration_keys_count < 0;
}

static void
refuse(struct kafka_describe_configs_response_result *out, int16_t code, const char *text)
{
    out->error_code = code;
    out->error_message = ks_slice_of_text(text);
}

/* --- Topics ----------------------------------------------------------------------------------- */

static void
add_synonym(struct kafka_describe_configs_response_result_config *out, const char *key,
            struct kafscale_slice value, enum ks_config_source source)
{
    struct kafka_describe_configs_response_result_config_synonym *synonym;

    if (out->synonyms == NULL) {
        return;
    }
    synonym = &out->synonyms[out->synonyms_count];
    out->synonyms_count++;
    synonym->name = ks_slice_of_text(key);
    synonym->value = value;
    synonym->source = (int8_t) source;
}

/* What administrators have set, the more special first. */
static void
add_dynamic_synonyms(struct describe *describe, enum ks_topic_config_name name, int first_scope,
                     struct kafka_describe_configs_response_result_config *out)
{
    for (int i = first_scope; i < KS_DYNAMIC_SCOPE_COUNT; i++) {
        enum ks_dynamic_scope scope = (enum ks_dynamic_scope) i;
        const char *value =
            ks_broker_dynamic_config(describe->request->broker, scope)->config.values[name];

        if (value != NULL) {
            add_synonym(out, ks_topic_config_keys[name].broker_key, ks_slice_of_text(value),
                        ks_dynamic_source(scope));
        }
    }
}

/* All places that name a value, the one that counts first. `config` is NULL for brokers. */
static void
fill_synonyms(struct describe *describe, const struct ks_topic_config *config,
              enum ks_topic_config_name name, int first_scope,
              struct kafka_describe_configs_response_result_config *out)
{
    struct ks_request *request = describe->request;
    const struct ks_topic_config *defaults = ks_broker_static_defaults(request->broker);
    const struct ks_topic_config_key *key = &ks_topic_config_keys[name];

    out->synonyms = kafka_array_new(&request->arena,
                                    &kafka_describe_configs_response_result_config_synonym_message,
                                    SYNONYMS_MAX);
    if (config != NULL && config->values[name] != NULL) {
        add_synonym(out, key->key, out->value, KS_SOURCE_TOPIC);
    }
    add_dynamic_synonyms(describe, name, first_scope, out);
    if (defaults->values[name] != NULL) {
        add_synonym(out, key->broker_key, ks_slice_of_text(defaults->values[name]),
                    KS_SOURCE_BROKER);
    }
    add_synonym(out, key->broker_key, ks_slice_of_text(key->default_text), KS_SOURCE_DEFAULT);
}

static void
fill_topic_key(struct describe *describe, const struct ks_topic_config *config,
               enum ks_topic_config_name name,
               struct kafka_describe_configs_response_result_config *out)
{
    const struct ks_topic_config *defaults =
        &ks_broker_options(describe->request->broker)->topic_defaults;
    const struct ks_topic_config_key *key = &ks_topic_config_keys[name];

    out->name = ks_slice_of_text(key->key);
    out->value = ks_slice_of_text(ks_topic_config_text(config, defaults, name));
    out->config_source = (int8_t) ks_topic_config_source(describe->request, config, name);
    out->config_type = ks_config_type_number(key->type);
    if (describe->asked->include_documentation) {
        out->documentation = ks_slice_of_text(key->help);
    }
    if (describe->asked->include_synonyms) {
        fill_synonyms(describe, config, name, KS_DYNAMIC_BROKER, out);
    }
}

static void
describe_topic(struct describe *describe,
               const struct kafka_describe_configs_request_resource *resource,
               struct kafka_describe_configs_response_result *out)
{
    struct ks_request *request = describe->request;
    struct ks_topic *topic = ks_find_topic(request, resource->resource_name, NULL, false);
    enum ks_broker_error doubt = ks_request_doubt(request);

    if (!ks_topic_name_is_legal(resource->resource_name)) {
        refuse(out, KAFKA_ERROR_INVALID_TOPIC, "The topic name is not legal");
        return;
    }
    if (topic == NULL) {
        refuse(out,
               doubt == KS_BROKER_ERROR_NONE ? KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION
                                             : KAFKA_ERROR_REQUEST_TIMED_OUT,
               "There is no such topic");
        return;
    }
    out->configs =
        kafka_array_new(&request->arena, &kafka_describe_configs_response_result_config_message,
                        KS_TOPIC_CONFIG_COUNT);
    for (int i = 0; out->configs != NULL && i < KS_TOPIC_CONFIG_COUNT; i++) {
        if (is_asked(resource, ks_topic_config_keys[i].key)) {
            fill_topic_key(describe, &topic->record.config, (enum ks_topic_config_name) i,
                           &out->configs[out->configs_count]);
            out->configs_count++;
        }
    }
}

/* --- The broker ------------------------------------------------------------------------------- */

static int8_t
option_type(const struct kafscale_option *option)
{
    if (option->is_secret) {
        return TYPE_PASSWORD;
    }
    if (strcmp(option->kind, "boolean") == 0) {
        return TYPE_BOOLEAN;
    }
    return strcmp(option->kind, "integer") == 0 ? TYPE_LONG : TYPE_STRING;
}

/* Secrets are never shown, not even to whoever set them. */
static void
fill_option(struct describe *describe, const struct kafscale_option *option,
            struct kafka_describe_configs_response_result_config *out)
{
    const struct kafscale_options *settings =
        ks_broker_options(describe->request->broker)->settings;
    const char *value = kafscale_options_get(settings, option->key);
    bool is_default = value == NULL || strcmp(value, option->default_value) == 0;

    out->name = ks_slice_of_text(option->key);
    out->is_sensitive = option->is_secret;
    if (!option->is_secret && value != NULL) {
        out->value = ks_request_text(describe->request, value);
    }
    out->read_only = true;
    out->config_source = (int8_t) (is_default ? KS_SOURCE_DEFAULT : KS_SOURCE_BROKER);
    out->config_type = option_type(option);
    if (describe->asked->include_documentation) {
        out->documentation = ks_slice_of_text(option->help);
    }
}

static size_t
count_options(void)
{
    struct kafscale_option option;
    size_t count = 0;

    while (kafscale_option_at(count, &option) == KAFSCALE_OK) {
        count++;
    }
    return count;
}

static int8_t
type_of(int topic_config)
{
    return topic_config < 0 ? TYPE_LONG
                            : ks_config_type_number(ks_topic_config_keys[topic_config].type);
}

/* What an administrator has set under this name in one of these places, over what `out` says. */
static void
fill_dynamic(struct describe *describe, const char *key, int first_scope,
             struct kafka_describe_configs_response_result_config *out)
{
    struct ks_broker *broker = describe->request->broker;

    for (int i = KS_DYNAMIC_DEFAULT; i >= first_scope; i--) {
        enum ks_dynamic_scope scope = (enum ks_dynamic_scope) i;
        int topic_config;
        char **place = ks_dynamic_config_find(ks_broker_dynamic_config(broker, scope),
                                              ks_slice_of_text(key), &topic_config);

        if (place == NULL) {
            return;
        }
        out->read_only = false;
        out->config_type = type_of(topic_config);
        if (*place != NULL) {
            out->name = ks_slice_of_text(key);
            out->value = ks_slice_of_text(*place);
            out->config_source = (int8_t) ks_dynamic_source(scope);
        }
        if (i == first_scope && describe->asked->include_synonyms && topic_config >= 0) {
            fill_synonyms(describe, NULL, (enum ks_topic_config_name) topic_config, first_scope,
                          out);
        }
    }
}

/* What is set and is no option. */
static void
add_dynamic(struct describe *describe,
            const struct kafka_describe_configs_request_resource *resource, const char *key,
            int first_scope, struct kafka_describe_configs_response_result *out)
{
    struct kafka_describe_configs_response_result_config *config =
        &out->configs[out->configs_count];

    if (!is_asked(resource, key)) {
        return;
    }
    fill_dynamic(describe, key, first_scope, config);
    if (config->name.size > 0) {
        out->configs_count++;
    } else {
        kafka_message_init(&kafka_describe_configs_response_result_config_message, config);
    }
}

static void
add_all_dynamic(struct describe *describe,
                const struct kafka_describe_configs_request_resource *resource, int first_scope,
                bool has_options, struct kafka_describe_configs_response_result *out)
{
    for (int i = 0; i < KS_TOPIC_CONFIG_COUNT; i++) {
        const char *key = ks_topic_config_keys[i].broker_key;

        if (!has_options || !ks_is_option(ks_slice_of_text(key))) {
            add_dynamic(describe, resource, key, first_scope, out);
        }
    }
    for (int i = 0; i < KS_DYNAMIC_IDLE_COUNT; i++) {
        add_dynamic(describe, resource, ks_dynamic_idle_keys[i], first_scope, out);
    }
}

static void
add_options(struct describe *describe,
            const struct kafka_describe_configs_request_resource *resource,
            struct kafka_describe_configs_response_result *out)
{
    struct kafscale_option option;

    for (size_t i = 0; kafscale_option_at(i, &option) == KAFSCALE_OK; i++) {
        if (is_asked(resource, option.key)) {
            fill_option(describe, &option, &out->configs[out->configs_count]);
            fill_dynamic(describe, option.key, KS_DYNAMIC_BROKER,
                         &out->configs[out->configs_count]);
            out->configs_count++;
        }
    }
}

/* An empty name asks for what was set for all brokers while they run. */
static void
describe_broker(struct describe *describe,
                const struct kafka_describe_configs_request_resource *resource,
                struct kafka_describe_configs_response_result *out)
{
    struct ks_request *request = describe->request;
    size_t count = count_options() + KS_TOPIC_CONFIG_COUNT + KS_DYNAMIC_IDLE_COUNT;
    bool is_for_all = resource->resource_name.size == 0;
    bool has_options = !is_for_all && ks_broker_options(request->broker)->settings != NULL;

    if (!is_for_all && !ks_is_own_broker_name(request, resource->resource_name)) {
        refuse(out, KAFKA_ERROR_INVALID_REQUEST,
               "The name of a broker is its id, and this broker has another");
        return;
    }
    out->configs = kafka_array_new(&request->arena,
                                   &kafka_describe_configs_response_result_config_message, count);
    if (out->configs == NULL) {
        return;
    }
    if (has_options) {
        add_options(describe, resource, out);
    }
    add_all_dynamic(describe, resource, is_for_all ? KS_DYNAMIC_DEFAULT : KS_DYNAMIC_BROKER,
                    has_options, out);
}

/* ---------------------------------------------------------------------------------------------- */

static bool
has_unknown_topic(struct ks_request *request, const struct kafka_describe_configs_request *asked)
{
    for (int32_t i = 0; i < asked->resources_count; i++) {
        if (asked->resources[i].resource_type == KS_RESOURCE_TYPE_TOPIC &&
            ks_find_topic(request, asked->resources[i].resource_name, NULL, false) == NULL) {
            return true;
        }
    }
    return false;
}

static void
run(struct ks_request *request)
{
    struct describe describe = { .request = request, .asked = request->body };
    struct kafka_describe_configs_response response;
    int32_t count = describe.asked->resources_count;

    if (has_unknown_topic(request, describe.asked) && !ks_request_is_fresh(request, run)) {
        return;
    }
    kafka_message_init(&kafka_describe_configs_response_message, &response);
    response.results = kafka_array_new(
        &request->arena, &kafka_describe_configs_response_result_message, (size_t) count);
    response.results_count = count;
    for (int32_t i = 0; response.results != NULL && i < count; i++) {
        const struct kafka_describe_configs_request_resource *resource =
            &describe.asked->resources[i];
        struct kafka_describe_configs_response_result *out = &response.results[i];

        out->resource_type = resource->resource_type;
        out->resource_name = resource->resource_name;
        if (resource->resource_type == KS_RESOURCE_TYPE_TOPIC) {
            describe_topic(&describe, resource, out);
        } else if (resource->resource_type == KS_RESOURCE_TYPE_BROKER) {
            describe_broker(&describe, resource, out);
        } else {
            refuse(out, KAFKA_ERROR_INVALID_REQUEST, "Topics and brokers have configurations here");
        }
    }
    ks_request_answer(request, &response);
}

void
ks_handle_describe_configs(struct ks_request *request)
{
    run(request);
}
