/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Topic configurations as clients see them: where a value comes from, and the numbers Kafka has
 * for types and sources.
 */
#ifndef KS_HANDLERS_TOPIC_CONFIGS_H
#define KS_HANDLERS_TOPIC_CONFIGS_H

#include "handlers/request.h"

enum ks_config_source {
    KS_SOURCE_TOPIC = 1,
    KS_SOURCE_BROKER = 4, /* static */
    KS_SOURCE_DEFAULT = 5,
};

/* Where the value of this key comes from for a topic. */
enum ks_config_source ks_topic_config_source(const struct ks_topic_config *config,
                                             const struct ks_topic_config *defaults,
                                             enum ks_topic_config_name name);

/* Kafka's number of a type. */
int8_t ks_config_type_number(enum ks_config_type type);

#endif
