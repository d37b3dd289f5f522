/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DescribeAcls, CreateAcls and DeleteAcls where nobody is asked who he is: tools know the answer of
 * a Kafka without an authorizer, and go on or say so.
 */
#include "handlers/api.h"
#include "handlers/internal.h"

static struct kafscale_slice
why(void)
{
    return ks_slice_of_text("No Authorizer is configured.");
}

void
ks_handle_describe_acls(struct ks_request *request)
{
    struct kafka_describe_acls_response response;

    kafka_message_init(&kafka_describe_acls_response_message, &response);
    response.error_code = KAFKA_ERROR_SECURITY_DISABLED;
    response.error_message = why();
    ks_request_answer(request, &response);
}

void
ks_handle_create_acls(struct ks_request *request)
{
    const struct kafka_create_acls_request *asked = request->body;
    struct kafka_create_acls_response response;

    kafka_message_init(&kafka_create_acls_response_message, &response);
    response.results = kafka_array_new(&request->arena, &kafka_create_acls_response_result_message,
                                       (size_t) asked->creations_count);
    response.results_count = asked->creations_count;
    for (int32_t i = 0; response.results != NULL && i < response.results_count; i++) {
        response.results[i].error_code = KAFKA_ERROR_SECURITY_DISABLED;
        response.results[i].error_message = why();
    }
    ks_request_answer(request, &response);
}

void
ks_handle_delete_acls(struct ks_request *request)
{
    const struct kafka_delete_acls_request *asked = request->body;
    struct kafka_delete_acls_response response;

    kafka_message_init(&kafka_delete_acls_response_message, &response);
    response.filter_results =
        kafka_array_new(&request->arena, &kafka_delete_acls_response_filter_result_message,
                        (size_t) asked->filters_count);
    response.filter_results_count = asked->filters_count;
    for (int32_t i = 0; response.filter_results != NULL && i < asked->filters_count; i++) {
        response.filter_results[i].error_code = KAFKA_ERROR_SECURITY_DISABLED;
        response.filter_results[i].error_message = why();
    }
    ks_request_answer(request, &response);
}
