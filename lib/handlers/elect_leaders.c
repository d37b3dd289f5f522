/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ElectLeaders: a partition has one replica, the store, and whoever serves it leads. So nobody is
 * elected.
 */
#include "handlers/api.h"
#include "handlers/internal.h"

static bool
has_unknown(struct ks_request *request, const struct kafka_elect_leaders_request *asked)
{
    for (int32_t i = 0; i < asked->topic_partitions_count; i++) {
        const struct kafka_elect_leaders_request_topic_partition *wanted =
            &asked->topic_partitions[i];
        struct ks_topic *topic = ks_find_topic(request, wanted->topic, NULL, false);

        for (int32_t j = 0; j < wanted->partitions_count; j++) {
            if (topic == NULL || ks_topic_partition(topic, wanted->partitions[j]) == NULL) {
                return true;
            }
        }
    }
    return false;
}

static void
fill_partition(struct ks_request *request, struct ks_topic *topic,
               struct kafka_elect_leaders_response_replica_election_result_partition_result *out)
{
    enum ks_broker_error error = ks_request_doubt(request);

    if (topic != NULL && ks_topic_partition(topic, out->partition_id) != NULL) {
        out->error_code = KAFKA_ERROR_ELECTION_NOT_NEEDED;
        out->error_message = ks_slice_of_text("The leader of the partition is its only replica");
        return;
    }
    error = error == KS_BROKER_ERROR_NONE ? KS_BROKER_ERROR_UNKNOWN_TOPIC : error;
    out->error_code = ks_kafka_admin_error(error);
    out->error_message = ks_slice_of_text(ks_broker_error_text(error));
}

static void
fill_topic(struct ks_request *request,
           const struct kafka_elect_leaders_request_topic_partition *wanted,
           struct kafka_elect_leaders_response_replica_election_result *out)
{
    struct ks_topic *topic = ks_find_topic(request, wanted->topic, NULL, false);

    out->topic = wanted->topic;
    out->partition_result = kafka_array_new(
        &request->arena,
        &kafka_elect_leaders_response_replica_election_result_partition_result_message,
        (size_t) wanted->partitions_count);
    out->partition_result_count = wanted->partitions_count;
    for (int32_t i = 0; out->partition_result != NULL && i < wanted->partitions_count; i++) {
        out->partition_result[i].partition_id = wanted->partitions[i];
        fill_partition(request, topic, &out->partition_result[i]);
    }
}

/* Of all partitions only those are named that an election was held for. */
static void
run(struct ks_request *request)
{
    const struct kafka_elect_leaders_request *asked = request->body;
    struct kafka_elect_leaders_response response;
    int32_t count = asked->topic_partitions_count < 0 ? 0 : asked->topic_partitions_count;

    if (has_unknown(request, asked) && !ks_request_is_fresh(request, run)) {
        return;
    }
    kafka_message_init(&kafka_elect_leaders_response_message, &response);
    response.replica_election_results = kafka_array_new(
        &request->arena, &kafka_elect_leaders_response_replica_election_result_message,
        (size_t) count);
    response.replica_election_results_count = count;
    for (int32_t i = 0; response.replica_election_results != NULL && i < count; i++) {
        fill_topic(request, &asked->topic_partitions[i], &response.replica_election_results[i]);
    }
    ks_request_answer(request, &response);
}

void
ks_handle_elect_leaders(struct ks_request *request)
{
    run(request);
}
