/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OffsetForLeaderEpoch: where the log ended in an epoch, so that consumers find out that what
 * they read was cut off.
 */
#include "handlers/api.h"
#include "handlers/internal.h"

static void
fill(struct ks_request *request, struct ks_topic *topic,
     const struct kafka_offset_for_leader_epoch_request_topic_partition *asked,
     struct kafka_offset_for_leader_epoch_response_topic_partition *out)
{
    struct ks_topic_partition *partition = NULL;
    enum ks_broker_error error = ks_find_partition(request, topic, asked->partition, &partition);
    enum ks_broker_error doubt = ks_request_doubt(request);

    if (error == KS_BROKER_ERROR_NONE || error == KS_BROKER_ERROR_UNKNOWN_TOPIC) {
        error = doubt != KS_BROKER_ERROR_NONE ? doubt : error;
    }
    out->partition = asked->partition;
    out->error_code = ks_kafka_read_error(error);
    if (error != KS_BROKER_ERROR_NONE) {
        return;
    }
    out->error_code = ks_check_leader_epoch(partition, asked->current_leader_epoch);
    if (out->error_code != KAFKA_ERROR_NONE) {
        return;
    }
    if (!ks_partition_epoch_end(partition->log, asked->leader_epoch, &out->leader_epoch,
                                &out->end_offset)) {
        out->leader_epoch = -1;
        out->end_offset = -1;
    }
}

static void
run(struct ks_request *request)
{
    const struct kafka_offset_for_leader_epoch_request *asked = request->body;
    struct kafka_offset_for_leader_epoch_response response;

    if (!ks_request_is_fresh(request, run)) {
        return;
    }
    kafka_message_init(&kafka_offset_for_leader_epoch_response_message, &response);
    response.topics_count = asked->topics_count;
    response.topics =
        kafka_array_new(&request->arena, &kafka_offset_for_leader_epoch_response_topic_message,
                        (size_t) asked->topics_count);
    for (int32_t i = 0; response.topics != NULL && i < asked->topics_count; i++) {
        struct kafka_offset_for_leader_epoch_response_topic *out = &response.topics[i];
        struct ks_topic *topic = ks_find_topic(request, asked->topics[i].topic, NULL, false);

        out->topic = asked->topics[i].topic;
        out->partitions_count = asked->topics[i].partitions_count;
        out->partitions = kafka_array_new(
            &request->arena, &kafka_offset_for_leader_epoch_response_topic_partition_message,
            (size_t) out->partitions_count);
        for (int32_t j = 0; out->partitions != NULL && j < out->partitions_count; j++) {
            fill(request, topic, &asked->topics[i].partitions[j], &out->partitions[j]);
        }
    }
    ks_request_answer(request, &response);
}

void
ks_handle_offset_for_leader_epoch(struct ks_request *request)
{
    run(request);
}
