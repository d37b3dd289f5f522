/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AlterPartitionReassignments: the one broker that is named to clients has every replica, so what
 * asks for that is done already, and nothing else can be.
 */
#include "handlers/api.h"
#include "handlers/internal.h"

static bool
has_unknown(struct ks_request *request,
            const struct kafka_alter_partition_reassignments_request *asked)
{
    for (int32_t i = 0; i < asked->topics_count; i++) {
        const struct kafka_alter_partition_reassignments_request_topic *wanted = &asked->topics[i];
        struct ks_topic *topic = ks_find_topic(request, wanted->name, NULL, false);

        for (int32_t j = 0; j < wanted->partitions_count; j++) {
            if (topic == NULL ||
                ks_topic_partition(topic, wanted->partitions[j].partition_index) == NULL) {
                return true;
            }
        }
    }
    return false;
}

static void
fill_partition(struct ks_request *request, struct ks_topic *topic,
               const struct kafka_alter_partition_reassignments_request_topic_partition *wanted,
               struct kafka_alter_partition_reassignments_response_response_partition *out)
{
    enum ks_broker_error error = ks_request_doubt(request);

    out->partition_index = wanted->partition_index;
    if (topic == NULL || ks_topic_partition(topic, wanted->partition_index) == NULL) {
        error = error == KS_BROKER_ERROR_NONE ? KS_BROKER_ERROR_UNKNOWN_TOPIC : error;
        out->error_code = ks_kafka_admin_error(error);
        out->error_message = ks_slice_of_text(ks_broker_error_text(error));
    } else if (wanted->replicas_count < 0) {
        out->error_code = KAFKA_ERROR_NO_REASSIGNMENT_IN_PROGRESS;
        out->error_message = ks_slice_of_text("The partition is not being reassigned");
    } else if (wanted->replicas_count != 1 ||
               wanted->replicas[0] != ks_broker_options(request->broker)->node_id) {
        out->error_code = KAFKA_ERROR_INVALID_REPLICA_ASSIGNMENT;
        out->error_message =
            ks_slice_of_text("A partition has one replica, on the broker that serves it");
    }
}

static void
fill_topic(struct ks_request *request,
           const struct kafka_alter_partition_reassignments_request_topic *wanted,
           struct kafka_alter_partition_reassignments_response_response *out)
{
    struct ks_topic *topic = ks_find_topic(request, wanted->name, NULL, false);

    out->name = wanted->name;
    out->partitions = kafka_array_new(
        &request->arena, &kafka_alter_partition_reassignments_response_response_partition_message,
        (size_t) wanted->partitions_count);
    out->partitions_count = wanted->partitions_count;
    for (int32_t i = 0; out->partitions != NULL && i < wanted->partitions_count; i++) {
        fill_partition(request, topic, &wanted->partitions[i], &out->partitions[i]);
    }
}

static void
run(struct ks_request *request)
{
    const struct kafka_alter_partition_reassignments_request *asked = request->body;
    struct kafka_alter_partition_reassignments_response response;

    if (has_unknown(request, asked) && !ks_request_is_fresh(request, run)) {
        return;
    }
    kafka_message_init(&kafka_alter_partition_reassignments_response_message, &response);
    response.responses = kafka_array_new(
        &request->arena, &kafka_alter_partition_reassignments_response_response_message,
        (size_t) asked->topics_count);
    response.responses_count = asked->topics_count;
    for (int32_t i = 0; response.responses != NULL && i < asked->topics_count; i++) {
        fill_topic(request, &asked->topics[i], &response.responses[i]);
    }
    ks_request_answer(request, &response);
}

void
ks_handle_alter_partition_reassignments(struct ks_request *request)
{
    run(request);
}
