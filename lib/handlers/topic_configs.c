/* SPDX-License-Identifier: Apache-2.0 */
/* Kafka's numbers. */
#include "handlers/topic_configs.h"

enum ks_config_source
ks_topic_config_source(const struct ks_topic_config *config, const struct ks_topic_config *defaults,
                       enum ks_topic_config_name name)
{
    if (config->values[name] != NULL) {
        return KS_SOURCE_TOPIC;
    }
    return defaults->values[name] != NULL ? KS_SOURCE_BROKER : KS_SOURCE_DEFAULT;
}

int8_t
ks_config_type_number(enum ks_config_type type)
{
    static const int8_t numbers[] = {
        [KS_CONFIG_BOOLEAN] = 1, [KS_CONFIG_STRING] = 2, [KS_CONFIG_INT] = 3,
        [KS_CONFIG_LONG] = 5,    [KS_CONFIG_DOUBLE] = 6, [KS_CONFIG_LIST] = 7,
    };

    return numbers[type];
}
