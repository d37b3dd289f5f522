/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JoinGroup: waits until the rebalance has gathered the members. Newcomers get their id here: what
 * they call themselves and something random, as in Kafka, whose tools show it.
 */
#include "handlers/api.h"
#include "handlers/groups.h"

#include <stdio.h>

#define PROTOCOL_TYPE_VERSION 7
#define MEMBER_ID_REQUIRED_VERSION 4
#define SKIP_ASSIGNMENT_VERSION 9

/* Of what a member calls itself; ids are stored, and shown in tables. */
#define NAME_BYTES_MAX 255

#define UUID_TEXT_BYTES 37

struct join_group {
    struct ks_request *request;
    struct ks_group_join join;
    struct ks_group_waiter waiter;
};

/* --- The answer ------------------------------------------------------------------------------- */

static void
init_response(const struct ks_request *request, struct kafka_join_group_response *response)
{
    kafka_message_init(&kafka_join_group_response_message, response);
    if (request->header.api_version < PROTOCOL_TYPE_VERSION) {
        response->protocol_name = ks_slice("", 0);
    }
}

static void
answer_error(struct ks_request *request, int16_t code)
{
    const struct kafka_join_group_request *asked = request->body;
    struct kafka_join_group_response response;

    init_response(request, &response);
    response.error_code = code;
    response.member_id = asked->member_id;
    ks_request_answer(request, &response);
}

static void
fill_members(struct ks_request *request, const struct ks_group_join_answer *answer,
             struct kafka_join_group_response *response)
{
    response->members = kafka_array_new(&request->arena, &kafka_join_group_response_member_message,
                                        answer->member_count);
    for (size_t i = 0; response->members != NULL && i < answer->member_count; i++) {
        response->members[i].member_id = answer->members[i].member_id;
        response->members[i].group_instance_id = answer->members[i].instance_id;
        response->members[i].metadata = answer->members[i].metadata;
        response->members_count = (int32_t) i + 1;
    }
}

static void
on_joined(struct ks_group_waiter *waiter, const struct ks_group_join_answer *answer)
{
    struct join_group *join = waiter->arg;
    struct ks_request *request = join->request;
    struct kafka_join_group_response response;

    init_response(request, &response);
    response.error_code = ks_kafka_group_error(answer->error);
    response.generation_id = answer->generation;
    response.protocol_type = answer->protocol_type;
    if (answer->protocol.data != NULL) {
        response.protocol_name = answer->protocol;
    }
    response.leader = answer->leader_id;
    response.member_id = answer->member_id;
    if (request->header.api_version >= SKIP_ASSIGNMENT_VERSION) {
        response.skip_assignment = answer->is_assignment_skipped;
    }
    fill_members(request, answer, &response);
    ks_request_answer(request, &response);
}

/* --- The question ----------------------------------------------------------------------------- */

/* Random, of version 4: "xxxxxxxx-xxxx-4xxx-yxxx-xxxxxxxxxxxx". */
static void
make_uuid(struct ks_env *env, char out[UUID_TEXT_BYTES])
{
    uint8_t b[KS_ID_BYTES];

    ks_env_random(env, b, sizeof b);
    b[6] = (uint8_t) (0x40 | (b[6] & 0x0f));
    b[8] = (uint8_t) (0x80 | (b[8] & 0x3f));
    snprintf(out, UUID_TEXT_BYTES,
             "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1],
             b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14],
             b[15]);
}

/* The beginning of a text, cut between characters. */
static size_t
name_bytes(struct kafscale_slice name)
{
    size_t size = name.size;

    if (size > NAME_BYTES_MAX) {
        for (size = NAME_BYTES_MAX; size > 0 && (name.data[size] & 0xc0) == 0x80; size--) {
        }
    }
    return size;
}

static struct kafscale_slice
make_member_id(struct ks_request *request, struct kafscale_slice name)
{
    size_t size = name_bytes(name);
    char *text = ks_request_alloc(request, size + 1 + UUID_TEXT_BYTES, 1);

    if (text == NULL) {
        return ks_slice(NULL, 0);
    }
    if (size > 0) {
        memcpy(text, name.data, size);
    }
    text[size] = '-';
    make_uuid(request->env, text + size + 1);
    return ks_slice(text, size + UUID_TEXT_BYTES);
}

/* As Java writes an address, with the name of the host, which nobody looks up, before the slash. */
static struct kafscale_slice
make_client_host(struct ks_request *request)
{
    const char *address = request->exchange->context.client_address;
    size_t size = strlen(address);
    char *text = ks_request_alloc(request, size + 1, 1);

    if (text == NULL) {
        return ks_slice(NULL, 0);
    }
    text[0] = '/';
    memcpy(text + 1, address, size);
    return ks_slice(text, size + 1);
}

static struct ks_group_protocol *
make_protocols(struct ks_request *request, const struct kafka_join_group_request *asked)
{
    size_t count = (size_t) asked->protocols_count;
    struct ks_group_protocol *protocols = ks_request_alloc(request, count, sizeof *protocols);

    for (size_t i = 0; protocols != NULL && i < count; i++) {
        protocols[i] = (struct ks_group_protocol){ .name = asked->protocols[i].name,
                                                   .metadata = asked->protocols[i].metadata };
    }
    return protocols;
}

static void
fill(struct ks_request *request, const struct kafka_join_group_request *asked,
     struct ks_group_join *join)
{
    int16_t version = request->header.api_version;
    bool is_static = asked->group_instance_id.data != NULL;
    struct kafscale_slice client_id = ks_text_or_empty(request->header.client_id);

    join->member_id = asked->member_id;
    join->instance_id = asked->group_instance_id;
    join->new_member_id = make_member_id(request, is_static ? asked->group_instance_id : client_id);
    join->client_id = client_id;
    join->client_host = make_client_host(request);
    join->protocol_type = asked->protocol_type;
    join->protocols = make_protocols(request, asked);
    join->protocol_count = (size_t) asked->protocols_count;
    join->session_timeout_ms = asked->session_timeout_ms;
    join->rebalance_timeout_ms =
        asked->rebalance_timeout_ms < 0 ? asked->session_timeout_ms : asked->rebalance_timeout_ms;
    join->must_know_member_id = version >= MEMBER_ID_REQUIRED_VERSION && !is_static;
    join->can_skip_assignment = version >= SKIP_ASSIGNMENT_VERSION;
}

static void
run(struct ks_request *request)
{
    const struct kafka_join_group_request *asked = request->body;
    struct ks_group_waiter *waiter = request->state;
    struct join_group *join = waiter->arg;
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
    ks_coordinator_join(ks_request_coordinator(request), asked->group_id, &join->join, waiter);
    ks_request_release(request);
}

static int16_t
check(const struct ks_request *request, const struct kafka_join_group_request *asked)
{
    const struct ks_broker_options *options = ks_broker_options(request->broker);

    if (asked->group_id.size == 0) {
        return KAFKA_ERROR_INVALID_GROUP_ID;
    }
    if (asked->session_timeout_ms < options->group_session_ms_min ||
        asked->session_timeout_ms > options->group_session_ms_max) {
        return KAFKA_ERROR_INVALID_SESSION_TIMEOUT;
    }
    return KAFKA_ERROR_NONE;
}

void
ks_handle_join_group(struct ks_request *request)
{
    const struct kafka_join_group_request *asked = request->body;
    int16_t code = check(request, asked);
    struct join_group *join;

    if (code != KAFKA_ERROR_NONE) {
        answer_error(request, code);
        return;
    }
    join = ks_request_alloc(request, 1, sizeof *join);
    if (join != NULL) {
        join->request = request;
        join->waiter = (struct ks_group_waiter){ .joined = on_joined, .arg = join };
        fill(request, asked, &join->join);
    }
    if (ks_arena_failed(&request->arena)) {
        ks_request_close(request);
        return;
    }
    request->state = &join->waiter;
    request->on_gone = ks_group_waiter_is_gone;
    run(request);
}
