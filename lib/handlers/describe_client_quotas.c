/* SPDX-License-Identifier: Apache-2.0 */
/* DescribeClientQuotas: there are none. */
#include "handlers/api.h"
#include "handlers/internal.h"

void
ks_handle_describe_client_quotas(struct ks_request *request)
{
    struct kafka_describe_client_quotas_response response;

    kafka_message_init(&kafka_describe_client_quotas_response_message, &response);
    ks_request_answer(request, &response);
}
