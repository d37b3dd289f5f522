/* SPDX-License-Identifier: Apache-2.0 */
/*
 * LeaveGroup: one member, or since version 3 several, each with an answer of its own. Nobody waits
 * for what follows from it.
 */
#include "handlers/api.h"
#include "handlers/groups.h"

#define BATCH_VERSION 3

static void
answer_all(struct ks_request *request, int16_t code)
{
    struct kafka_leave_group_response response;

    kafka_message_init(&kafka_leave_group_response_message, &response);
    response.error_code = code;
    ks_request_answer(request, &response);
}

static enum ks_group_error
leave(struct ks_request *request, struct kafscale_slice member_id,
      struct kafscale_slice instance_id)
{
    const struct kafka_leave_group_request *asked = request->body;

    return ks_coordinator_leave(ks_request_coordinator(request), asked->group_id, member_id,
                                instance_id);
}

/* Whether it is about the coordinator, and so about all members. */
static bool
is_of_all(enum ks_group_error error)
{
    return error == KS_GROUP_NOT_COORDINATOR || error == KS_GROUP_LOADING ||
           error == KS_GROUP_NOT_AVAILABLE;
}

static void
leave_several(struct ks_request *request)
{
    const struct kafka_leave_group_request *asked = request->body;
    struct kafka_leave_group_response response;

    kafka_message_init(&kafka_leave_group_response_message, &response);
    response.members = kafka_array_new(&request->arena, &kafka_leave_group_response_member_message,
                                       (size_t) asked->members_count);
    for (int32_t i = 0; response.members != NULL && i < asked->members_count; i++) {
        const struct kafka_leave_group_request_member *member = &asked->members[i];
        enum ks_group_error error = leave(request, member->member_id, member->group_instance_id);

        if (is_of_all(error)) {
            answer_all(request, ks_kafka_group_error(error));
            return;
        }
        response.members[i].member_id = member->member_id;
        response.members[i].group_instance_id = member->group_instance_id;
        response.members[i].error_code = ks_kafka_group_error(error);
        response.members_count = i + 1;
    }
    ks_request_answer(request, &response);
}

static void
run(struct ks_request *request)
{
    const struct kafka_leave_group_request *asked = request->body;
    int16_t doubt;

    if (!ks_group_is_fresh(request, run)) {
        return;
    }
    doubt = ks_group_doubt(request);
    if (doubt != KAFKA_ERROR_NONE) {
        answer_all(request, doubt);
    } else if (request->header.api_version < BATCH_VERSION) {
        answer_all(request,
                   ks_kafka_group_error(leave(request, asked->member_id, ks_slice(NULL, 0))));
    } else {
        leave_several(request);
    }
}

void
ks_handle_leave_group(struct ks_request *request)
{
    const struct kafka_leave_group_request *asked = request->body;

    if (asked->group_id.size == 0) {
        answer_all(request, KAFKA_ERROR_INVALID_GROUP_ID);
        return;
    }
    run(request);
}
