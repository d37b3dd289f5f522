/* SPDX-License-Identifier: Apache-2.0 */
/* The APIs of administrators. */
#include "unit/version_cases.h"

#include <check.h>

#define ARRAY(message) kafka_array_new(&version_arena, &kafka_##message##_message, 1)

void
fill_alter_configs(void *out, int16_t version)
{
    struct kafka_alter_configs_request *request = out;

    (void) version;
    request->resources = ARRAY(alter_configs_request_resource);
    request->resources_count = 1;
    request->resources[0].resource_type = 2;
    request->resources[0].resource_name = ks_slice_of_text("a");
    request->resources[0].configs = ARRAY(alter_configs_request_resource_config);
    request->resources[0].configs_count = 1;
    request->resources[0].configs[0].name = ks_slice_of_text("retention.ms");
    request->resources[0].configs[0].value = ks_slice_of_text("1");
}

void
check_alter_configs(const void *in)
{
    const struct kafka_alter_configs_response *response = in;

    ck_assert_int_eq(response->responses_count, 1);
    ck_assert_int_eq(response->responses[0].error_code, KAFKA_ERROR_NONE);
}

void
fill_incremental_alter_configs(void *out, int16_t version)
{
    struct kafka_incremental_alter_configs_request *request = out;

    (void) version;
    request->resources = ARRAY(incremental_alter_configs_request_resource);
    request->resources_count = 1;
    request->resources[0].resource_type = 2;
    request->resources[0].resource_name = ks_slice_of_text("a");
    request->resources[0].configs = ARRAY(incremental_alter_configs_request_resource_config);
    request->resources[0].configs_count = 1;
    request->resources[0].configs[0].name = ks_slice_of_text("retention.ms");
    request->resources[0].configs[0].value = ks_slice_of_text("1");
}

void
check_incremental_alter_configs(const void *in)
{
    const struct kafka_incremental_alter_configs_response *response = in;

    ck_assert_int_eq(response->responses_count, 1);
    ck_assert_int_eq(response->responses[0].error_code, KAFKA_ERROR_NONE);
}

void
fill_create_partitions(void *out, int16_t version)
{
    struct kafka_create_partitions_request *request = out;

    (void) version;
    request->topics = ARRAY(create_partitions_request_topic);
    request->topics_count = 1;
    request->topics[0].name = ks_slice_of_text("a");
    request->topics[0].count = 2;
    request->topics[0].assignments_count = -1;
    request->validate_only = true;
}

void
check_create_partitions(const void *in)
{
    const struct kafka_create_partitions_response *response = in;

    ck_assert_int_eq(response->results_count, 1);
    ck_assert_int_eq(response->results[0].error_code, KAFKA_ERROR_NONE);
}
