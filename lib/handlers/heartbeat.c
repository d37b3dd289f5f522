/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Heartbeat: counts when it comes; that all is well is said only by who still owns the group, so
 * the answer may wait for a look.
 */
#include "handlers/api.h"
#include "handlers/groups.h"

static void
answer(struct ks_request *request, int16_t code)
{
    struct kafka_heartbeat_response response;

    kafka_message_init(&kafka_heartbeat_response_message, &response);
    response.error_code = code;
    ks_request_answer(request, &response);
}

static void
run(struct ks_request *request)
{
    const int16_t *code = request->state;
    int16_t doubt;

    if (!ks_group_is_fresh(request, run)) {
        return;
    }
    doubt = ks_group_doubt(request);
    answer(request, doubt != KAFKA_ERROR_NONE ? doubt : *code);
}

static int16_t
beat(struct ks_request *request, const struct kafka_heartbeat_request *asked)
{
    struct ks_group_claim claim = { .member_id = asked->member_id,
                                    .instance_id = asked->group_instance_id,
                                    .generation = asked->generation_id };

    return ks_kafka_group_error(
        ks_coordinator_heartbeat(ks_request_coordinator(request), asked->group_id, &claim));
}

void
ks_handle_heartbeat(struct ks_request *request)
{
    const struct kafka_heartbeat_request *asked = request->body;
    int16_t *code = ks_request_alloc(request, 1, sizeof *code);
    int16_t doubt = ks_group_doubt(request);

    if (code == NULL) {
        ks_request_close(request);
        return;
    }
    if (asked->group_id.size == 0) {
        answer(request, KAFKA_ERROR_INVALID_GROUP_ID);
        return;
    }
    request->state = code;
    *code = doubt != KAFKA_ERROR_NONE ? doubt : beat(request, asked);
    run(request);
}
