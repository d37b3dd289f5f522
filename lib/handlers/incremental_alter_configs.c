/* SPDX-License-Identifier: Apache-2.0 */
/*
 * IncrementalAlterConfigs: single keys of each resource are set, deleted, appended to or
 * subtracted from. config_alteration.h does it.
 */
#include "handlers/api.h"
#include "handlers/config_alteration.h"
#include "handlers/internal.h"

static void
answer(struct ks_config_alteration *all)
{
    struct ks_request *request = all->request;
    struct kafka_incremental_alter_configs_response response;

    kafka_message_init(&kafka_incremental_alter_configs_response_message, &response);
    response.responses =
        kafka_array_new(&request->arena, &kafka_incremental_alter_configs_response_response_message,
                        (size_t) all->resource_count);
    response.responses_count = all->resource_count;
    for (int32_t i = 0; response.responses != NULL && i < all->resource_count; i++) {
        response.responses[i].error_code = all->resources[i].code;
        response.responses[i].error_message = all->resources[i].message;
        response.responses[i].resource_type = all->resources[i].type;
        response.responses[i].resource_name = all->resources[i].name;
    }
    ks_request_answer(request, &response);
}

static void
take(struct ks_request *request,
     const struct kafka_incremental_alter_configs_request_resource *asked,
     struct ks_config_resource *resource)
{
    size_t count = (size_t) asked->configs_count;

    resource->type = asked->resource_type;
    resource->name = asked->resource_name;
    resource->changes = ks_request_alloc(request, count, sizeof *resource->changes);
    resource->change_count = asked->configs_count;
    for (size_t i = 0; resource->changes != NULL && i < count; i++) {
        const struct kafka_incremental_alter_configs_request_resource_config *config =
            &asked->configs[i];

        resource->changes[i] = (struct ks_config_change){ .name = config->name,
                                                          .value = config->value,
                                                          .operation = config->config_operation };
    }
}

void
ks_handle_incremental_alter_configs(struct ks_request *request)
{
    const struct kafka_incremental_alter_configs_request *asked = request->body;
    struct ks_config_alteration *all = ks_config_alteration_new(request, asked->resources_count);

    if (all == NULL) {
        return;
    }
    all->answer = answer;
    all->is_whole = false;
    all->validate_only = asked->validate_only;
    for (int32_t i = 0; i < asked->resources_count; i++) {
        take(request, &asked->resources[i], &all->resources[i]);
    }
    ks_config_alteration_run(all);
}
