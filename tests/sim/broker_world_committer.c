/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The only member of a group: joins, is assigned everything, sends heartbeats, commits ever greater
 * offsets, with a membership or (every other one) without, and asks what is committed. Whatever
 * brokers come and go, an acknowledged offset may not be forgotten, one that was never sent may not
 * appear, and an assignment that was answered once has been made for ever: the next one is of a
 * later generation.
 */
#include "sim/broker_world_internal.h"

#include <stdio.h>

#define PATIENCE_MS 4000
#define SESSION_MS 30000

enum committer_call {
    CALL_FIND,
    CALL_JOIN,
    CALL_SYNC,
    CALL_HEARTBEAT,
    CALL_COMMIT,
    CALL_FETCH,
};

static char tags[CALL_FETCH + 1];

static void
send(struct committer *c, enum committer_call call, int16_t key, int16_t version,
     const void *request)
{
    struct world *w = c->client.world;

    w->events->operations++;
    c->sent_at_ms = w->v.now_ms;
    c->client.waits_since_ms = w->v.now_ms;
    line_send(c->client.line, key, version, request, &tags[call]);
}

/* Errors that send a client to another broker, or to the same a little later. */
static bool
is_trouble(int16_t code)
{
    return code == KAFKA_ERROR_COORDINATOR_NOT_AVAILABLE || code == KAFKA_ERROR_NOT_COORDINATOR ||
           code == KAFKA_ERROR_COORDINATOR_LOAD_IN_PROGRESS;
}

/* True: the answer is good. */
static bool
check(struct committer *c, const char *api, int16_t code)
{
    struct world *w = c->client.world;

    if (code == KAFKA_ERROR_NONE) {
        return true;
    }
    if (code == KAFKA_ERROR_COORDINATOR_LOAD_IN_PROGRESS) {
        w->events->groups_loading++;
    }
    if (is_trouble(code)) {
        client_leave(&c->client);
        return false;
    }
    world_check_error(w, api, code, c->sent_at_ms);
    return false;
}

/* The group goes on without it, or never knew it: it begins anew. */
static bool
is_membership_over(struct committer *c, int16_t code)
{
    if (code != KAFKA_ERROR_UNKNOWN_MEMBER_ID && code != KAFKA_ERROR_ILLEGAL_GENERATION &&
        code != KAFKA_ERROR_REBALANCE_IN_PROGRESS) {
        return false;
    }
    c->client.world->events->memberships_lost++;
    c->is_member = false;
    if (code == KAFKA_ERROR_UNKNOWN_MEMBER_ID) {
        c->member_id[0] = '\0';
    }
    return true;
}

/* --- What is asked ---------------------------------------------------------------------------- */

static void
find(struct committer *c)
{
    struct kafka_find_coordinator_request request;

    kafka_message_init(&kafka_find_coordinator_request_message, &request);
    request.key = ks_slice_of_text(c->group);
    send(c, CALL_FIND, KAFKA_API_FIND_COORDINATOR, 2, &request);
}

static void
join(struct committer *c)
{
    struct kafka_join_group_request_protocol protocol;
    struct kafka_join_group_request request;

    kafka_message_init(&kafka_join_group_request_message, &request);
    kafka_message_init(&kafka_join_group_request_protocol_message, &protocol);
    protocol.name = ks_slice_of_text("range");
    protocol.metadata = ks_slice_of_text("subscription");
    request.group_id = ks_slice_of_text(c->group);
    request.session_timeout_ms = SESSION_MS;
    request.rebalance_timeout_ms = SESSION_MS;
    request.member_id = ks_slice_of_text(c->member_id);
    request.protocol_type = ks_slice_of_text("simulation");
    request.protocols = &protocol;
    request.protocols_count = 1;
    send(c, CALL_JOIN, KAFKA_API_JOIN_GROUP, (int16_t) world_draw(c->client.world, 10), &request);
}

static void
sync_group(struct committer *c)
{
    struct kafka_sync_group_request_assignment assignment;
    struct kafka_sync_group_request request;

    kafka_message_init(&kafka_sync_group_request_message, &request);
    kafka_message_init(&kafka_sync_group_request_assignment_message, &assignment);
    assignment.member_id = ks_slice_of_text(c->member_id);
    assignment.assignment = ks_slice_of_text("all");
    request.group_id = ks_slice_of_text(c->group);
    request.generation_id = c->generation;
    request.member_id = ks_slice_of_text(c->member_id);
    request.assignments = &assignment;
    request.assignments_count = 1;
    send(c, CALL_SYNC, KAFKA_API_SYNC_GROUP, (int16_t) world_draw(c->client.world, 5), &request);
}

static void
beat(struct committer *c)
{
    struct kafka_heartbeat_request request;

    kafka_message_init(&kafka_heartbeat_request_message, &request);
    request.group_id = ks_slice_of_text(c->group);
    request.generation_id = c->generation;
    request.member_id = ks_slice_of_text(c->member_id);
    send(c, CALL_HEARTBEAT, KAFKA_API_HEARTBEAT, (int16_t) world_draw(c->client.world, 5),
         &request);
}

static void
commit(struct committer *c)
{
    struct kafka_offset_commit_request_topic_partition partition;
    struct kafka_offset_commit_request_topic topic;
    struct kafka_offset_commit_request request;

    kafka_message_init(&kafka_offset_commit_request_message, &request);
    kafka_message_init(&kafka_offset_commit_request_topic_message, &topic);
    kafka_message_init(&kafka_offset_commit_request_topic_partition_message, &partition);
    c->commit_sent++;
    partition.committed_offset = c->commit_sent;
    partition.committed_metadata = ks_slice_of_text("");
    topic.name = ks_slice_of_text("stays");
    topic.partitions = &partition;
    topic.partitions_count = 1;
    request.group_id = ks_slice_of_text(c->group);
    if (c->is_member) {
        request.generation_id_or_member_epoch = c->generation;
        request.member_id = ks_slice_of_text(c->member_id);
    }
    request.topics = &topic;
    request.topics_count = 1;
    send(c, CALL_COMMIT, KAFKA_API_OFFSET_COMMIT, (int16_t) (2 + world_draw(c->client.world, 8)),
         &request);
}

static void
fetch(struct committer *c)
{
    struct kafka_offset_fetch_request_topic topic;
    struct kafka_offset_fetch_request request;
    int32_t index = 0;

    kafka_message_init(&kafka_offset_fetch_request_message, &request);
    kafka_message_init(&kafka_offset_fetch_request_topic_message, &topic);
    topic.name = ks_slice_of_text("stays");
    topic.partition_indexes = &index;
    topic.partition_indexes_count = 1;
    request.group_id = ks_slice_of_text(c->group);
    request.topics = &topic;
    request.topics_count = 1;
    send(c, CALL_FETCH, KAFKA_API_OFFSET_FETCH, (int16_t) (2 + world_draw(c->client.world, 6)),
         &request);
}

/* --- What is answered ------------------------------------------------------------------------- */

static void
take_joined(struct committer *c, const struct kafka_join_group_response *response)
{
    int16_t code = response->error_code;

    if (code == KAFKA_ERROR_MEMBER_ID_REQUIRED || code == KAFKA_ERROR_NONE) {
        snprintf(c->member_id, sizeof c->member_id, "%.*s", (int) response->member_id.size,
                 (const char *) response->member_id.data);
    }
    if (code == KAFKA_ERROR_MEMBER_ID_REQUIRED || is_membership_over(c, code) ||
        !check(c, "JoinGroup", code)) {
        return;
    }
    c->generation = response->generation_id;
    c->is_joined = true;
}

static void
take_synced(struct committer *c, const struct kafka_sync_group_response *response)
{
    struct world *w = c->client.world;

    c->is_joined = false;
    if (is_membership_over(c, response->error_code) ||
        !check(c, "SyncGroup", response->error_code)) {
        return;
    }
    if (!ks_slice_equals(response->assignment, ks_slice_of_text("all"))) {
        world_broken(w, "an assignment that nobody made", c->generation, 0);
    }
    if (c->generation <= c->generation_made) {
        world_broken(w, "an assignment of an earlier generation", c->generation,
                     c->generation_made);
    }
    c->generation_made = c->generation;
    c->is_member = true;
    c->synced_at = c->client.process;
    w->events->assignments++;
}

static void
take_heartbeat(struct committer *c, const struct kafka_heartbeat_response *response)
{
    struct world *w = c->client.world;

    if (!is_membership_over(c, response->error_code) &&
        check(c, "Heartbeat", response->error_code)) {
        w->events->heartbeats++;
        w->events->heartbeats_elsewhere += c->client.process != c->synced_at;
    }
}

static void
take_committed(struct committer *c, const struct kafka_offset_commit_response *response)
{
    struct world *w = c->client.world;
    int16_t code = response->topics[0].partitions[0].error_code;

    if (is_membership_over(c, code) || !check(c, "OffsetCommit", code)) {
        return;
    }
    c->commits_before = c->commits_known;
    c->commits_known = (struct known_commit){ .at_ms = w->v.now_ms, .offset = c->commit_sent };
    w->events->commits++;
}

/* What a broker that was deposed still tells may be freshness.ms old. */
static int64_t
committed_at_least(const struct committer *c)
{
    int64_t as_of_ms = c->sent_at_ms - WORLD_FRESHNESS_MS;

    if (c->commits_known.at_ms <= as_of_ms) {
        return c->commits_known.offset;
    }
    return c->commits_before.at_ms <= as_of_ms ? c->commits_before.offset : -1;
}

static void
take_fetched(struct committer *c, const struct kafka_offset_fetch_response *response)
{
    struct world *w = c->client.world;
    int64_t offset;

    if (!check(c, "OffsetFetch", response->error_code)) {
        return;
    }
    offset = response->topics[0].partitions[0].committed_offset;
    if (offset < committed_at_least(c)) {
        world_broken(w, "an offset that was acknowledged is not there", offset,
                     committed_at_least(c));
    }
    if (offset > c->commit_sent) {
        world_broken(w, "an offset that was never sent", offset, c->commit_sent);
    }
    w->events->offsets_asked++;
    c->is_checked = w->is_over && c->must_check;
}

static void
on_answered(struct client *client, void *tag, const void *response)
{
    struct committer *c = KS_CONTAINER(client, struct committer, client);
    const struct kafka_find_coordinator_response *found = response;

    client->waits_since_ms = -1;
    switch ((enum committer_call)((char *) tag - tags)) {
    case CALL_FIND:
        c->is_found = check(c, "FindCoordinator", found->error_code);
        break;
    case CALL_JOIN:
        take_joined(c, response);
        break;
    case CALL_SYNC:
        take_synced(c, response);
        break;
    case CALL_HEARTBEAT:
        take_heartbeat(c, response);
        break;
    case CALL_COMMIT:
        take_committed(c, response);
        break;
    case CALL_FETCH:
        take_fetched(c, response);
        break;
    }
}

/* --- The client ------------------------------------------------------------------------------- */

static void
act(struct client *client)
{
    struct committer *c = KS_CONTAINER(client, struct committer, client);
    struct world *w = client->world;
    uint64_t dice = world_draw(w, 10);

    if (!client_is_patient(client, PATIENCE_MS) || client->waits_since_ms >= 0 ||
        w->admin.stays_since_ms < 0 || !client_connect(client)) {
        return;
    }
    if (!c->is_found) {
        find(c);
    } else if (w->is_over && c->must_check) {
        fetch(c);
    } else if (c->is_joined) {
        sync_group(c);
    } else if (c->is_simple ? dice < 6 : c->is_member && dice < 4) {
        commit(c);
    } else if (c->is_simple || dice < 6) {
        fetch(c);
    } else if (c->is_member && dice < 9) {
        beat(c);
    } else {
        join(c);
    }
}

/* A join that was under way may have had an answer that nobody has read. */
static void
on_lost(struct client *client)
{
    struct committer *c = KS_CONTAINER(client, struct committer, client);

    c->is_joined = false;
    c->is_found = false;
}

void
committer_init(struct committer *c, struct world *world, int index)
{
    c->is_simple = index % 2 == 1;
    c->generation_made = -1;
    c->commits_known = (struct known_commit){ .offset = -1 };
    c->commits_before = c->commits_known;
    snprintf(c->group, sizeof c->group, "group-%d", index);
    c->client.lost = on_lost;
    c->client.answered = on_answered;
    c->client.act = act;
    client_init(&c->client, world);
}

void
committer_deinit(struct committer *c)
{
    client_deinit(&c->client);
}
