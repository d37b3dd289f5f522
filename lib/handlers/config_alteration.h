/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Changing configurations, apart from how the two APIs write it: AlterConfigs gives the whole
 * configuration of a resource, IncrementalAlterConfigs single changes. Each resource is changed by
 * itself, whatever becomes of the others.
 */
#ifndef KS_HANDLERS_CONFIG_ALTERATION_H
#define KS_HANDLERS_CONFIG_ALTERATION_H

#include "handlers/named_once.h"
#include "handlers/request.h"

enum ks_config_operation {
    KS_CONFIG_SET,
    KS_CONFIG_DELETE,
    KS_CONFIG_APPEND, /* to lists: what they don't have yet */
    KS_CONFIG_SUBTRACT,
};

/* One key of a resource. */
struct ks_config_change {
    struct kafscale_slice name;
    struct kafscale_slice value; /* null of a deletion only */
    int8_t operation;            /* an enum ks_config_operation, unless it is refused */
};

struct ks_config_alteration;

struct ks_config_resource {
    int8_t type; /* Kafka's number */
    struct kafscale_slice name;
    struct ks_config_change *changes;
    int32_t change_count;

    int16_t code; /* out */
    struct kafscale_slice message;

    /* The inside. */
    struct ks_config_alteration *all;
    struct ks_topic_alter alter;    /* of a topic */
    struct ks_record_change change; /* of brokers */
    enum ks_dynamic_scope scope;
    struct ks_named_once once; /* in the request */
    bool is_due;
};

/* In the request's arena. */
struct ks_config_alteration {
    struct ks_request *request;
    struct ks_config_resource *resources;
    int32_t resource_count;
    bool is_whole;      /* keys that are not named are deleted */
    bool validate_only; /* nothing is changed */
    /* All resources have their codes: answers the request. */
    void (*answer)(struct ks_config_alteration *all);

    /* The inside. */
    struct ks_timer timer;
    int64_t due_ms;
    size_t due;
    bool is_begun; /* the look before it is over */
};

/* Memory for `count` resources; NULL, and the request was closed, when there is none. */
struct ks_config_alteration *ks_config_alteration_new(struct ks_request *request, int32_t count);

/* Everything is filled in: carries it out and has it answered. */
void ks_config_alteration_run(struct ks_config_alteration *all);

#endif
