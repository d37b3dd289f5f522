/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Options that change while the broker runs. Whoever reads them from ks_broker_options() has them
 * at once; the parts that keep a copy are told.
 */
#include "broker/broker_internal.h"

static void
tell_log(struct ks_broker *broker)
{
    struct ks_log_limits limits;

    if (broker->log == NULL) {
        return; /* it is made with them */
    }
    limits = ks_broker_log_limits(broker);
    ks_log_set_limits(broker->log, &limits);
    broker->appender.unflushed_bytes_max = broker->options.unflushed_bytes_max;
}

enum kafscale_status
ks_broker_reload(struct ks_broker *broker, const struct ks_broker_options *options)
{
    struct ks_broker_options changed = *options;
    enum kafscale_status status;

    if (broker->state == KS_BROKER_STOPPING || broker->state == KS_BROKER_STOPPED) {
        return KAFSCALE_STOPPED;
    }
    status = ks_broker_set_static_defaults(broker, &options->topic_defaults);
    if (status != KAFSCALE_OK) {
        return status;
    }
    ks_broker_settle_cost(broker);
    changed.ns = broker->options.ns;
    changed.settings = broker->options.settings;
    changed.topic_defaults = broker->options.topic_defaults;
    broker->options = changed;

    broker->topics.topics_max = changed.topics_max;
    broker->topics.partitions_max = changed.partitions_max;
    ks_coordinator_set_options(&broker->coordinator, &changed.coordinator);
    ks_store_set_health_limits(broker->store, &changed.health);
    tell_log(broker);
    return KAFSCALE_OK;
}

const char *
ks_broker_administered(struct ks_broker *broker, const char *key)
{
    int topic_config;

    for (int i = 0; i < KS_DYNAMIC_SCOPE_COUNT; i++) {
        char **value =
            ks_dynamic_config_find(&broker->dynamic[i], ks_slice_of_text(key), &topic_config);

        if (value != NULL && *value != NULL) {
            return *value;
        }
    }
    return NULL;
}
