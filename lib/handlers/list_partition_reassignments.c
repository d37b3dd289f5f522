/* SPDX-License-Identifier: Apache-2.0 */
/* ListPartitionReassignments: no partition ever moves its replicas, so none is on its way. */
#include "handlers/api.h"
#include "handlers/internal.h"

void
ks_handle_list_partition_reassignments(struct ks_request *request)
{
    struct kafka_list_partition_reassignments_response response;

    kafka_message_init(&kafka_list_partition_reassignments_response_message, &response);
    ks_request_answer(request, &response);
}
