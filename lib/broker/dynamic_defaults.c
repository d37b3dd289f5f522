/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The defaults of topics as they are now: the options of the start, what administrators have set
 * for all brokers, and for this one. They are put together again whenever one of these changes,
 * and every topic hears of it.
 */
#include "broker/broker_internal.h"

#include <assert.h>

static enum kafscale_status
lay_over(struct ks_topic_config *config, const struct ks_topic_config *over)
{
    enum kafscale_status status = KAFSCALE_OK;

    for (int i = 0; status == KAFSCALE_OK && i < KS_TOPIC_CONFIG_COUNT; i++) {
        if (over->values[i] != NULL) {
            status = ks_topic_config_set(config, (enum ks_topic_config_name) i,
                                         ks_slice_of_text(over->values[i]));
        }
    }
    return status;
}

static enum kafscale_status
put_together(const struct ks_broker *broker, struct ks_topic_config *out)
{
    enum kafscale_status status = lay_over(out, &broker->static_defaults);

    if (status == KAFSCALE_OK) {
        status = lay_over(out, &broker->dynamic[KS_DYNAMIC_DEFAULT].config);
    }
    if (status == KAFSCALE_OK) {
        status = lay_over(out, &broker->dynamic[KS_DYNAMIC_BROKER].config);
    }
    return status;
}

static void
tell_topics(struct ks_broker *broker)
{
    for (struct ks_topic *topic = ks_topics_next(&broker->topics, NULL); topic != NULL;
         topic = ks_topics_next(&broker->topics, topic)) {
        ks_broker_configure(broker, topic);
    }
}

/* What all three say now comes into force; on failure all stays. */
static enum kafscale_status
renew(struct ks_broker *broker)
{
    struct ks_topic_config defaults = { 0 };
    enum kafscale_status status = put_together(broker, &defaults);

    if (status != KAFSCALE_OK) {
        ks_topic_config_deinit(&defaults);
        return status;
    }
    ks_topic_config_deinit(&broker->options.topic_defaults);
    broker->options.topic_defaults = defaults;
    tell_topics(broker);
    return KAFSCALE_OK;
}

enum kafscale_status
ks_broker_set_static_defaults(struct ks_broker *broker, const struct ks_topic_config *config)
{
    struct ks_topic_config earlier = broker->static_defaults;
    struct ks_topic_config copy = { 0 };
    enum kafscale_status status = ks_topic_config_copy(config, &copy);

    if (status != KAFSCALE_OK) {
        return status;
    }
    broker->static_defaults = copy;
    status = renew(broker);
    if (status != KAFSCALE_OK) {
        broker->static_defaults = earlier;
        ks_topic_config_deinit(&copy);
        return status;
    }
    ks_topic_config_deinit(&earlier);
    return KAFSCALE_OK;
}

/* Takes what `config` owns, also on failure. */
static enum kafscale_status
replace(struct ks_broker *broker, enum ks_dynamic_scope scope, struct ks_dynamic_config *config)
{
    struct ks_dynamic_config earlier = broker->dynamic[scope];
    enum kafscale_status status;

    broker->dynamic[scope] = *config;
    status = renew(broker);
    if (status != KAFSCALE_OK) {
        broker->dynamic[scope] = earlier;
        ks_dynamic_config_deinit(config);
        return status;
    }
    ks_dynamic_config_deinit(&earlier);
    return KAFSCALE_OK;
}

static enum kafscale_status
take(struct ks_broker *broker, enum ks_dynamic_scope scope, const struct kafscale_meta_entry *entry,
     bool is_delete)
{
    struct ks_dynamic_config config = { 0 };
    struct kafscale_error error = { 0 };
    enum kafscale_status status = KAFSCALE_OK;

    if (entry->version < broker->dynamic_versions[scope]) {
        return KAFSCALE_OK;
    }
    if (!is_delete) {
        status = ks_dynamic_config_decode(entry->value, &config, &error);
    }
    if (status != KAFSCALE_OK) {
        ks_log(&broker->env->logger, KAFSCALE_LOG_ERROR, "configuration skipped key=%s error=%s",
               entry->key, error.text);
        ks_dynamic_config_deinit(&config);
        return status == KAFSCALE_NO_MEMORY ? status : KAFSCALE_OK;
    }
    status = replace(broker, scope, &config);
    if (status == KAFSCALE_OK) {
        broker->dynamic_versions[scope] = entry->version;
    }
    return status;
}

enum kafscale_status
ks_broker_take_config(struct ks_broker *broker, const struct kafscale_meta_entry *entry,
                      bool is_delete)
{
    char key[KS_RECORD_KEY_BYTES];

    for (int i = 0; i < KS_DYNAMIC_SCOPE_COUNT; i++) {
        ks_dynamic_config_key((enum ks_dynamic_scope) i, broker->options.node_id, key);
        if (strcmp(entry->key, key) == 0) {
            return take(broker, (enum ks_dynamic_scope) i, entry, is_delete);
        }
    }
    return KAFSCALE_OK;
}

struct ks_dynamic_config *
ks_broker_dynamic_config(struct ks_broker *broker, enum ks_dynamic_scope scope)
{
    assert(scope < KS_DYNAMIC_SCOPE_COUNT);

    return &broker->dynamic[scope];
}

const struct ks_topic_config *
ks_broker_static_defaults(const struct ks_broker *broker)
{
    return &broker->static_defaults;
}
