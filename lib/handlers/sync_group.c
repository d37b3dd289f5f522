/* SPDX-License-Identifier: Apache-2.0 */
/* SyncGroup: waits for the leader's assignment, and until that is durable. */
#include "handlers/api.h"
#include "handlers/groups.h"

/* From this version on a member says what it believes to have been chosen. */
#define PROTOCOL_VERSION 5

struct sync_group {
    struct ks_request *request;
    struct ks_group_sync sync;
    struct ks_group_waiter waiter;
};

static void
answer_error(struct ks_request *request, int16_t code)
{
    struct kafka_sync_group_response response;

    kafka_message_init(&kafka_sync_group_response_message, &response);
    response.error_code = code;
    ks_request_answer(request, &response);
}

static void
on_synced(struct ks_group_waiter *waiter, const struct ks_group_sync_answer *answer)
{
    struct sync_group *sync = waiter->arg;
    struct kafka_sync_group_response response;

    kafka_message_init(&kafka_sync_group_response_message, &response);
    response.error_code = ks_kafka_group_error(answer->error);
    response.protocol_type = answer->protocol_type;
    response.protocol_name = answer->protocol;
    response.assignment = answer->assignment;
    ks_request_answer(sync->request, &response);
}

static void
fill(struct sync_group *sync, const struct kafka_sync_group_request *asked)
{
    size_t count = (size_t) asked->assignments_count;
    struct ks_group_assignment *assignments =
        ks_request_alloc(sync->request, count, sizeof *assignments);

    for (size_t i = 0; assignments != NULL && i < count; i++) {
        assignments[i] =
            (struct ks_group_assignment){ .member_id = asked->assignments[i].member_id,
                                          .assignment = asked->assignments[i].assignment };
    }
    sync->sync = (struct ks_group_sync){ .claim = { .member_id = asked->member_id,
                                                    .instance_id = asked->group_instance_id,
                                                    .generation = asked->generation_id },
                                         .protocol_type = asked->protocol_type,
                                         .protocol = asked->protocol_name,
                                         .assignments = assignments,
                                         .assignment_count = count };
    sync->waiter = (struct ks_group_waiter){ .synced = on_synced, .arg = sync };
}

static void
run(struct ks_request *request)
{
    const struct kafka_sync_group_request *asked = request->body;
    struct ks_group_waiter *waiter = request->state;
    struct sync_group *sync = waiter->arg;
    int16_t doubt;

    if (!ks_group_is_fresh(request, run)) {
        return;
    }
    doubt = ks_group_doubt(request);
    if (doubt != KAFKA_ERROR_NONE) {
        answer_error(request, doubt);
        return;
    }
    ks_request_hold(request);
    ks_coordinator_sync(ks_request_coordinator(request), asked->group_id, &sync->sync, waiter);
    ks_request_release(request);
}

static int16_t
check(const struct ks_request *request, const struct kafka_sync_group_request *asked)
{
    if (asked->group_id.size == 0) {
        return KAFKA_ERROR_INVALID_GROUP_ID;
    }
    if (request->header.api_version >= PROTOCOL_VERSION &&
        (asked->protocol_type.data == NULL || asked->protocol_name.data == NULL)) {
        return KAFKA_ERROR_INCONSISTENT_GROUP_PROTOCOL;
    }
    return KAFKA_ERROR_NONE;
}

void
ks_handle_sync_group(struct ks_request *request)
{
    const struct kafka_sync_group_request *asked = request->body;
    int16_t code = check(request, asked);
    struct sync_group *sync;

    if (code != KAFKA_ERROR_NONE) {
        answer_error(request, code);
        return;
    }
    sync = ks_request_alloc(request, 1, sizeof *sync);
    if (sync != NULL) {
        sync->request = request;
        fill(sync, asked);
    }
    if (ks_arena_failed(&request->arena)) {
        ks_request_close(request);
        return;
    }
    request->state = &sync->waiter;
    request->on_gone = ks_group_waiter_is_gone;
    run(request);
}
