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
    KS_SOURCE_DYNAMIC_BROKER = 2,
    KS_SOURCE_DYNAMIC_DEFAULT = 3,
    KS_SOURCE_BROKER = 4, /* static */
    KS_SOURCE_DEFAULT = 5,
};

/* Kafka's numbers of what has configurations. */
enum ks_resource_type {
    KS_RESOURCE_TYPE_TOPIC = 2,
    KS_RESOURCE_TYPE_BROKER = 4,
    KS_RESOURCE_TYPE_LOGGER = 8,
    KS_RESOURCE_TYPE_CLIENT_METRICS = 16,
    KS_RESOURCE_TYPE_GROUP = 32,
};

/* Where the value of this key comes from for a topic. */
enum ks_config_source ks_topic_config_source(struct ks_request *request,
                                             const struct ks_topic_config *config,
                                             enum ks_topic_config_name name);

/* Of what administrators have set in one of these places. */
enum ks_config_source ks_dynamic_source(enum ks_dynamic_scope scope);

/* Whether the daemon has an option of this name: it is set before the broker runs. */
bool ks_is_option(struct kafscale_slice name);

/* Whether a resource of type broker is this one. */
bool ks_is_own_broker_name(const struct ks_request *request, struct kafscale_slice name);

/* Kafka's number of a type. */
int8_t ks_config_type_number(enum ks_config_type type);

/*
 * Writes the elements of a comma-separated list to an initialised buffer: with those of `more` that
 * it didn't have, or without those of `less`. Empty elements are left out.
 */
void ks_config_list_append(struct kafscale_slice list, struct kafscale_slice more,
                           struct ks_buffer *out);
void ks_config_list_subtract(struct kafscale_slice list, struct kafscale_slice less,
                             struct ks_buffer *out);

#endif
