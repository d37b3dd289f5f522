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

void
fill_alter_partition_reassignments(void *out, int16_t version)
{
    struct kafka_alter_partition_reassignments_request *request = out;
    struct kafka_alter_partition_reassignments_request_topic *topic;
    static int32_t replicas[] = { 0, 1 };

    (void) version;
    request->topics = ARRAY(alter_partition_reassignments_request_topic);
    request->topics_count = 1;
    topic = &request->topics[0];
    topic->name = ks_slice_of_text("a");
    topic->partitions = kafka_array_new(
        &version_arena, &kafka_alter_partition_reassignments_request_topic_partition_message, 4);
    topic->partitions_count = 4;
    topic->partitions[0].replicas_count = -1;
    for (int32_t i = 1; i < 4; i++) {
        topic->partitions[i].replicas = replicas;
        topic->partitions[i].replicas_count = i % 2 == 1 ? 1 : 2;
    }
    topic->partitions[3].partition_index = 1;
}

void
check_alter_partition_reassignments(const void *in)
{
    static const int16_t codes[] = { KAFKA_ERROR_NO_REASSIGNMENT_IN_PROGRESS, KAFKA_ERROR_NONE,
                                     KAFKA_ERROR_INVALID_REPLICA_ASSIGNMENT,
                                     KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION };
    const struct kafka_alter_partition_reassignments_response *response = in;

    ck_assert_int_eq(response->error_code, KAFKA_ERROR_NONE);
    ck_assert_int_eq(response->responses_count, 1);
    ck_assert_int_eq(response->responses[0].partitions_count, 4);
    for (int i = 0; i < 4; i++) {
        ck_assert_int_eq(response->responses[0].partitions[i].error_code, codes[i]);
    }
}

void
fill_list_partition_reassignments(void *out, int16_t version)
{
    (void) out;
    (void) version;
}

void
check_list_partition_reassignments(const void *in)
{
    const struct kafka_list_partition_reassignments_response *response = in;

    ck_assert_int_eq(response->error_code, KAFKA_ERROR_NONE);
    ck_assert_int_eq(response->topics_count, 0);
}

void
fill_elect_leaders(void *out, int16_t version)
{
    struct kafka_elect_leaders_request *request = out;
    static int32_t partitions[] = { 0, 7 };

    (void) version;
    request->topic_partitions = ARRAY(elect_leaders_request_topic_partition);
    request->topic_partitions_count = 1;
    request->topic_partitions[0].topic = ks_slice_of_text("a");
    request->topic_partitions[0].partitions = partitions;
    request->topic_partitions[0].partitions_count = 2;
}

void
check_elect_leaders(const void *in)
{
    const struct kafka_elect_leaders_response *response = in;
    const struct kafka_elect_leaders_response_replica_election_result *result =
        &response->replica_election_results[0];

    ck_assert_int_eq(response->error_code, KAFKA_ERROR_NONE);
    ck_assert_int_eq(response->replica_election_results_count, 1);
    ck_assert_int_eq(result->partition_result_count, 2);
    ck_assert_int_eq(result->partition_result[0].error_code, KAFKA_ERROR_ELECTION_NOT_NEEDED);
    ck_assert_int_eq(result->partition_result[1].error_code,
                     KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION);
}

void
fill_describe_acls(void *out, int16_t version)
{
    (void) out;
    (void) version;
}

void
check_describe_acls(const void *in)
{
    const struct kafka_describe_acls_response *response = in;

    ck_assert_int_eq(response->error_code, KAFKA_ERROR_SECURITY_DISABLED);
    ck_assert_uint_gt(response->error_message.size, 0);
    ck_assert_int_eq(response->resources_count, 0);
}

void
fill_create_acls(void *out, int16_t version)
{
    struct kafka_create_acls_request *request = out;

    (void) version;
    request->creations =
        kafka_array_new(&version_arena, &kafka_create_acls_request_creation_message, 2);
    request->creations_count = 2;
}

void
check_create_acls(const void *in)
{
    const struct kafka_create_acls_response *response = in;

    ck_assert_int_eq(response->results_count, 2);
    ck_assert_int_eq(response->results[1].error_code, KAFKA_ERROR_SECURITY_DISABLED);
}

void
fill_delete_acls(void *out, int16_t version)
{
    struct kafka_delete_acls_request *request = out;

    (void) version;
    request->filters =
        kafka_array_new(&version_arena, &kafka_delete_acls_request_filter_message, 2);
    request->filters_count = 2;
}

void
check_delete_acls(const void *in)
{
    const struct kafka_delete_acls_response *response = in;

    ck_assert_int_eq(response->filter_results_count, 2);
    ck_assert_int_eq(response->filter_results[1].error_code, KAFKA_ERROR_SECURITY_DISABLED);
    ck_assert_int_eq(response->filter_results[1].matching_acls_count, 0);
}

void
fill_describe_client_quotas(void *out, int16_t version)
{
    (void) out;
    (void) version;
}

void
check_describe_client_quotas(const void *in)
{
    const struct kafka_describe_client_quotas_response *response = in;

    ck_assert_int_eq(response->error_code, KAFKA_ERROR_NONE);
    ck_assert_int_eq(response->entries_count, 0);
}

void
fill_describe_log_dirs(void *out, int16_t version)
{
    struct kafka_describe_log_dirs_request *request = out;

    (void) version;
    request->topics = ARRAY(describe_log_dirs_request_topic);
    request->topics_count = 1;
    request->topics[0].topic = ks_slice_of_text("a");
    request->topics[0].partitions = ks_arena_alloc(&version_arena, sizeof(int32_t));
    request->topics[0].partitions_count = 1;
}

void
check_describe_log_dirs(const void *in)
{
    const struct kafka_describe_log_dirs_response *response = in;

    ck_assert_int_eq(response->error_code, KAFKA_ERROR_NONE);
    ck_assert_int_eq(response->results_count, 1);
    ck_assert_int_eq(response->results[0].error_code, KAFKA_ERROR_NONE);
    ck_assert_uint_gt(response->results[0].log_dir.size, 0);
    ck_assert_int_eq(response->results[0].total_bytes, -1);
    ck_assert_int_eq(response->results[0].usable_bytes, -1);
    ck_assert_int_eq(response->results[0].topics_count, 1);
    ck_assert(ks_slice_equals(response->results[0].topics[0].name, ks_slice_of_text("a")));
    ck_assert_int_eq(response->results[0].topics[0].partitions_count, 1);
    ck_assert_int_gt(response->results[0].topics[0].partitions[0].partition_size, 60);
    ck_assert_int_lt(response->results[0].topics[0].partitions[0].partition_size, 200);
}
