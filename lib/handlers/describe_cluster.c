/* SPDX-License-Identifier: Apache-2.0 */
/* DescribeCluster: one broker, which is the controller too. */
#include "handlers/api.h"
#include "handlers/internal.h"

#define ENDPOINT_BROKERS 1
#define ENDPOINT_CONTROLLERS 2

/*
 * What Kafka answers without an authorizer: create, alter, describe, cluster action, configs,
 * idempotent write.
 */
#define CLUSTER_OPERATIONS 8096

static void
fill(struct ks_request *request, struct kafka_describe_cluster_response *response)
{
    const struct kafka_describe_cluster_request *asked = request->body;
    const struct ks_endpoint *endpoint = ks_broker_endpoint(request->broker, request->listener);
    int32_t node_id = ks_broker_options(request->broker)->node_id;

    response->brokers =
        kafka_array_new(&request->arena, &kafka_describe_cluster_response_broker_message, 1);
    if (response->brokers == NULL) {
        return;
    }
    response->brokers_count = 1;
    response->brokers[0].broker_id = node_id;
    response->brokers[0].host = ks_slice_of_text(endpoint->host);
    response->brokers[0].port = endpoint->port;
    response->controller_id = node_id;
    if (asked->include_cluster_authorized_operations) {
        response->cluster_authorized_operations = CLUSTER_OPERATIONS;
    }
}

void
ks_handle_describe_cluster(struct ks_request *request)
{
    const struct kafka_describe_cluster_request *asked = request->body;
    struct kafka_describe_cluster_response response;
    char cluster_id[KS_CLUSTER_ID_BYTES];

    kafka_message_init(&kafka_describe_cluster_response_message, &response);
    response.endpoint_type = asked->endpoint_type;
    if (asked->endpoint_type == ENDPOINT_BROKERS) {
        ks_cluster_id_text(request->broker, cluster_id);
        response.cluster_id = ks_slice_of_text(cluster_id);
        fill(request, &response);
    } else {
        response.error_code = asked->endpoint_type == ENDPOINT_CONTROLLERS
                                  ? KAFKA_ERROR_MISMATCHED_ENDPOINT_TYPE
                                  : KAFKA_ERROR_UNSUPPORTED_ENDPOINT_TYPE;
        response.error_message = ks_slice_of_text("Only brokers have endpoints here");
    }
    ks_request_answer(request, &response);
}
