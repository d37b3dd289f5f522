/* SPDX-License-Identifier: Apache-2.0 */
/*
 * FindCoordinator: this broker coordinates nothing yet. COORDINATOR_NOT_AVAILABLE makes clients
 * wait and ask again; that the API is there at all is what old librdkafka needs to see before it
 * uses lz4.
 */
#include "handlers/api.h"
#include "handlers/internal.h"

static const char not_served[] = "Groups and transactions are not served by this broker";

static void
fill_batched(struct ks_request *request, const struct kafka_find_coordinator_request *asked,
             struct kafka_find_coordinator_response *response)
{
    int32_t count = asked->coordinator_keys_count;

    response->coordinators = kafka_array_new(
        &request->arena, &kafka_find_coordinator_response_coordinator_message, (size_t) count);
    for (int32_t i = 0; response->coordinators != NULL && i < count; i++) {
        response->coordinators[i] = (struct kafka_find_coordinator_response_coordinator){
            .key = asked->coordinator_keys[i],
            .node_id = -1,
            .port = -1,
            .error_code = KAFKA_ERROR_COORDINATOR_NOT_AVAILABLE,
            .error_message = ks_slice_of_text(not_served)
        };
    }
    response->coordinators_count = count;
}

void
ks_handle_find_coordinator(struct ks_request *request)
{
    struct kafka_find_coordinator_response response;

    kafka_message_init(&kafka_find_coordinator_response_message, &response);
    if (request->header.api_version >= 4) {
        fill_batched(request, request->body, &response);
    } else {
        response.error_code = KAFKA_ERROR_COORDINATOR_NOT_AVAILABLE;
        response.error_message = ks_slice_of_text(not_served);
        response.node_id = -1;
        response.port = -1;
    }
    ks_request_answer(request, &response);
}
