/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One request after the other; each answer says what comes next. What a coordinator can't do for
 * now is asked again; what says that the group has gone on begins with JoinGroup. Members whose
 * rebalance has begun go on with their heartbeats until they are allowed to join.
 */
#include "client/membership.h"

#include "base/backoff.h"
#include "client/group_verdict.h"

#include <assert.h>
#include <string.h>

#define JOIN_GROUP_VERSION 7
#define SYNC_GROUP_VERSION 5
#define HEARTBEAT_VERSION 4
#define LEAVE_GROUP_VERSION 4
#define OFFSET_FETCH_VERSION 7
#define METADATA_VERSION 9

#define BACKOFF_MS_MIN 50
#define BACKOFF_MS_MAX 1000
#define ROUND_BYTES_MAX ((size_t) 64 << 20)
#define SUBSCRIPTION_BYTES_MAX ((size_t) 1 << 20)

/* Heartbeats in a session, and the longest time between two: new partitions are seen with them. */
#define HEARTBEATS 3
#define HEARTBEAT_MS_MAX 3000

#define NO_OFFSET (-1)

static const char range[] = "range";
static const char round_robin[] = "roundrobin";

static void run(void *arg);

/* --- Answers ---------------------------------------------------------------------------------- */

static void
set_timer(struct ks_membership *membership, int64_t wait_ms)
{
    ks_env_set_timer(membership->env, &membership->timer, ks_env_now_ms(membership->env) + wait_ms);
}

static void
retry_later(struct ks_membership *membership)
{
    set_timer(membership, ks_backoff_random_ms(membership->env, BACKOFF_MS_MIN, BACKOFF_MS_MAX,
                                               membership->failures));
    membership->failures++;
}

static void
beat_later(struct ks_membership *membership)
{
    int64_t wait_ms = membership->options.session_timeout_ms / HEARTBEATS;

    set_timer(membership, wait_ms < HEARTBEAT_MS_MAX ? wait_ms : HEARTBEAT_MS_MAX);
}

static void
forget_member_id(struct ks_membership *membership)
{
    ks_free(membership->member_id);
    membership->member_id = NULL;
}

static void
fail(struct ks_membership *membership, int16_t code)
{
    membership->state = KS_MEMBERSHIP_OUT;
    forget_member_id(membership);
    membership->events.failed(membership->events.arg, code);
}

static void
call(struct ks_membership *membership)
{
    if (!membership->is_called) {
        membership->is_called = true;
        membership->events.called(membership->events.arg);
    }
}

/* Begins what a state is for. */
static void
enter(struct ks_membership *membership, enum ks_membership_state state)
{
    membership->state = state;
    run(membership);
}

/*
 * Whether an answer is to be looked at: not after the end, nor when it came too late, nor when it
 * is an error, which is dealt with.
 */
static bool
accept(struct ks_membership *membership, enum kafscale_status status, int16_t code)
{
    enum ks_group_verdict verdict = ks_group_verdict_of(status, code);

    if (membership->is_ended || membership->state == KS_MEMBERSHIP_OUT) {
        return false;
    }
    if (membership->is_stale) {
        membership->is_stale = false;
        enter(membership, KS_MEMBERSHIP_FINDING);
        return false;
    }
    if (verdict == KS_GROUP_GO_ON) {
        membership->failures = 0;
        return true;
    }
    if (verdict == KS_GROUP_NEWCOMER) {
        forget_member_id(membership);
    }
    if (verdict == KS_GROUP_NEVER) {
        fail(membership, code);
    } else if (verdict == KS_GROUP_AGAIN) {
        if (membership->state == KS_MEMBERSHIP_JOINING) {
            membership->state = KS_MEMBERSHIP_FINDING;
        }
        retry_later(membership);
    } else if (membership->state == KS_MEMBERSHIP_STABLE) {
        call(membership);
        if (code == KAFKA_ERROR_REBALANCE_IN_PROGRESS) {
            beat_later(membership);
        }
    } else {
        membership->state = KS_MEMBERSHIP_JOINING;
        if (code == KAFKA_ERROR_MEMBER_ID_REQUIRED) {
            run(membership);
        } else {
            retry_later(membership);
        }
    }
    return false;
}

static struct kafscale_slice
member_id_of(const struct ks_membership *membership)
{
    return ks_slice_of_text(membership->member_id == NULL ? "" : membership->member_id);
}

static bool
is_leader(const struct ks_membership *membership)
{
    return membership->leader.members != NULL;
}

static void
ask(struct ks_membership *membership, int16_t api_key, int16_t version, const void *request,
    void (*done)(struct ks_ask *ask, const struct ks_ask_answer *answer))
{
    membership->ask = (struct ks_ask){ .done = done, .arg = membership };
    ks_ask_begin(&membership->asker, &membership->ask, api_key, version, request);
}

/* --- Offsets ---------------------------------------------------------------------------------- */

static int64_t
find_offset(const struct kafka_offset_fetch_response *response, struct kafscale_slice topic,
            int32_t partition)
{
    for (int32_t i = 0; i < response->topics_count; i++) {
        const struct kafka_offset_fetch_response_topic *found = &response->topics[i];

        for (int32_t j = 0; ks_slice_equals(found->name, topic) && j < found->partitions_count;
             j++) {
            if (found->partitions[j].partition_index == partition) {
                return found->partitions[j].committed_offset;
            }
        }
    }
    return NO_OFFSET;
}

/* Answers have the order of their requests; only who doesn't keep to it is searched through. */
static int64_t
offset_of(const struct kafka_offset_fetch_response *response, size_t topic, size_t partition,
          const struct ks_assigned_topic *assigned)
{
    const struct kafka_offset_fetch_response_topic *found;

    if (topic < (size_t) response->topics_count) {
        found = &response->topics[topic];
        if (ks_slice_equals(found->name, assigned->name) &&
            partition < (size_t) found->partitions_count &&
            found->partitions[partition].partition_index == assigned->partitions[partition]) {
            return found->partitions[partition].committed_offset;
        }
    }
    return find_offset(response, assigned->name, assigned->partitions[partition]);
}

/* Of the group, or of any partition. */
static int16_t
fetch_error(const struct kafka_offset_fetch_response *response)
{
    int16_t code = response->error_code;

    for (int32_t i = 0; i < response->topics_count; i++) {
        for (int32_t j = 0; code == 0 && j < response->topics[i].partitions_count; j++) {
            code = response->topics[i].partitions[j].error_code;
        }
    }
    return code;
}

static void
on_fetched(struct ks_ask *ended, const struct ks_ask_answer *answer)
{
    struct ks_membership *membership = ended->arg;
    const struct kafka_offset_fetch_response *response = answer->response;
    int16_t code = answer->status == KAFSCALE_OK ? fetch_error(response) : 0;

    if (!accept(membership, answer->status, code)) {
        return;
    }
    membership->state = KS_MEMBERSHIP_STABLE;
    for (size_t i = 0; i < membership->assigned_count; i++) {
        const struct ks_assigned_topic *topic = &membership->assigned[i];

        for (size_t j = 0; j < topic->partition_count; j++) {
            membership->events.assigned(membership->events.arg, topic->name, topic->partitions[j],
                                        offset_of(response, i, j, topic));
        }
    }
    beat_later(membership);
}

static bool
fetch(struct ks_membership *membership, struct ks_arena *arena)
{
    struct kafka_offset_fetch_request request;

    kafka_message_init(&kafka_offset_fetch_request_message, &request);
    request.group_id = membership->options.group_id;
    request.require_stable = true;
    request.topics_count = (int32_t) membership->assigned_count;
    request.topics = kafka_array_new(arena, &kafka_offset_fetch_request_topic_message,
                                     membership->assigned_count);
    for (size_t i = 0; request.topics != NULL && i < membership->assigned_count; i++) {
        request.topics[i].name = membership->assigned[i].name;
        request.topics[i].partition_indexes = membership->assigned[i].partitions;
        request.topics[i].partition_indexes_count =
            (int32_t) membership->assigned[i].partition_count;
    }
    if (ks_arena_failed(arena)) {
        return false;
    }
    ask(membership, KAFKA_API_OFFSET_FETCH, OFFSET_FETCH_VERSION, &request, on_fetched);
    return true;
}

/* --- What is assigned ------------------------------------------------------------------------- */

static void
on_synced(struct ks_ask *ended, const struct ks_ask_answer *answer)
{
    struct ks_membership *membership = ended->arg;
    const struct kafka_sync_group_response *response = answer->response;
    int16_t code = answer->status == KAFSCALE_OK ? response->error_code : 0;
    struct kafscale_slice assignment;
    enum kafscale_status status = KAFSCALE_NO_MEMORY;

    if (!accept(membership, answer->status, code)) {
        return;
    }
    assignment = ks_arena_copy_slice(&membership->round, response->assignment);
    if (!ks_arena_failed(&membership->round)) {
        status = ks_assignment_decode(assignment, &membership->round, &membership->assigned,
                                      &membership->assigned_count);
    }
    if (status == KAFSCALE_CORRUPT) {
        fail(membership, KAFKA_ERROR_INCONSISTENT_GROUP_PROTOCOL);
    } else if (status != KAFSCALE_OK) {
        membership->state = KS_MEMBERSHIP_JOINING;
        retry_later(membership);
    } else if (membership->assigned_count == 0) {
        membership->state = KS_MEMBERSHIP_STABLE;
        beat_later(membership);
    } else {
        enter(membership, KS_MEMBERSHIP_FETCHING);
    }
}

static bool
sync_group(struct ks_membership *membership, struct ks_arena *arena)
{
    struct kafka_sync_group_request request;

    kafka_message_init(&kafka_sync_group_request_message, &request);
    request.group_id = membership->options.group_id;
    request.generation_id = membership->generation;
    request.member_id = member_id_of(membership);
    request.protocol_type = ks_slice_of_text("consumer");
    request.protocol_name = membership->protocol;
    if (is_leader(membership) &&
        !ks_leader_share(&membership->leader,
                         ks_slice_equals(membership->protocol, ks_slice_of_text(range)), arena,
                         &request)) {
        return false;
    }
    ask(membership, KAFKA_API_SYNC_GROUP, SYNC_GROUP_VERSION, &request, on_synced);
    return true;
}

/* --- The leader counts partitions ------------------------------------------------------------- */

static void
on_counted(struct ks_ask *ended, const struct ks_ask_answer *answer)
{
    struct ks_membership *membership = ended->arg;
    bool is_change;

    if (!accept(membership, answer->status, KAFKA_ERROR_NONE)) {
        return;
    }
    is_change = ks_leader_count(&membership->leader, answer->response);
    if (membership->state == KS_MEMBERSHIP_COUNTING) {
        enter(membership, KS_MEMBERSHIP_SYNCING);
        return;
    }
    if (is_change) {
        call(membership);
    }
    beat_later(membership);
}

static bool
count_partitions(struct ks_membership *membership, struct ks_arena *arena)
{
    struct kafka_metadata_request request;

    if (!ks_leader_ask(&membership->leader, arena, &request)) {
        return false;
    }
    ask(membership, KAFKA_API_METADATA, METADATA_VERSION, &request, on_counted);
    return true;
}

/* --- The coordinator -------------------------------------------------------------------------- */

static void
on_found(struct ks_ask *ended, const struct ks_ask_answer *answer)
{
    struct ks_membership *membership = ended->arg;

    if (accept(membership, answer->status, ks_find_coordinator_error(answer))) {
        enter(membership, KS_MEMBERSHIP_JOINING);
    }
}

/* --- Joining ---------------------------------------------------------------------------------- */

static void
begin_round(struct ks_membership *membership)
{
    ks_arena_deinit(&membership->round);
    ks_arena_init(&membership->round, ROUND_BYTES_MAX);
    membership->leader = (struct ks_leader){ 0 };
    membership->assigned = NULL;
    membership->assigned_count = 0;
}

/* False without memory. */
static bool
take_member_id(struct ks_membership *membership, struct kafscale_slice id)
{
    char *copy;

    if (ks_slice_equals(member_id_of(membership), id)) {
        return true;
    }
    copy = ks_copy_text_of(id.data, id.size);
    if (copy == NULL) {
        return false;
    }
    forget_member_id(membership);
    membership->member_id = copy;
    return true;
}

static void
on_joined(struct ks_ask *ended, const struct ks_ask_answer *answer)
{
    struct ks_membership *membership = ended->arg;
    const struct kafka_join_group_response *response = answer->response;
    int16_t code = answer->status == KAFSCALE_OK ? response->error_code : 0;
    bool has_memory = true;

    if (answer->status == KAFSCALE_OK &&
        (code == KAFKA_ERROR_NONE || code == KAFKA_ERROR_MEMBER_ID_REQUIRED)) {
        has_memory = take_member_id(membership, response->member_id);
    }
    if (!accept(membership, has_memory ? answer->status : KAFSCALE_NO_MEMORY, code)) {
        return;
    }
    begin_round(membership);
    membership->generation = response->generation_id;
    membership->protocol = ks_arena_copy_slice(&membership->round, response->protocol_name);
    if (ks_slice_equals(response->leader, response->member_id) &&
        !ks_leader_collect(&membership->leader, &membership->round, response)) {
        retry_later(membership);
        return;
    }
    enter(membership,
          membership->leader.topic_count > 0 ? KS_MEMBERSHIP_COUNTING : KS_MEMBERSHIP_SYNCING);
}

static bool
join(struct ks_membership *membership, struct ks_arena *arena)
{
    struct kafka_join_group_request request;
    struct ks_buffer subscription;

    kafka_message_init(&kafka_join_group_request_message, &request);
    ks_buffer_init(&subscription, SUBSCRIPTION_BYTES_MAX);
    ks_subscription_encode(&subscription, membership->subscribed.topics,
                           membership->subscribed.count);
    request.protocols = kafka_array_new(arena, &kafka_join_group_request_protocol_message, 2);
    if (request.protocols == NULL || ks_buffer_failed(&subscription)) {
        ks_buffer_deinit(&subscription);
        return false;
    }
    request.group_id = membership->options.group_id;
    request.session_timeout_ms = membership->options.session_timeout_ms;
    request.rebalance_timeout_ms = membership->options.rebalance_timeout_ms;
    request.member_id = member_id_of(membership);
    request.protocol_type = ks_slice_of_text("consumer");
    request.protocols_count = 2;
    request.protocols[0].name = ks_slice_of_text(range);
    request.protocols[0].metadata = ks_buffer_slice(&subscription);
    request.protocols[1].name = ks_slice_of_text(round_robin);
    request.protocols[1].metadata = ks_buffer_slice(&subscription);
    ask(membership, KAFKA_API_JOIN_GROUP, JOIN_GROUP_VERSION, &request, on_joined);
    ks_buffer_deinit(&subscription);
    return true;
}

/* --- Heartbeats ------------------------------------------------------------------------------- */

static void
on_beat(struct ks_ask *ended, const struct ks_ask_answer *answer)
{
    struct ks_membership *membership = ended->arg;
    const struct kafka_heartbeat_response *response = answer->response;
    int16_t code = answer->status == KAFSCALE_OK ? response->error_code : 0;
    struct ks_arena arena;

    if (!accept(membership, answer->status, code)) {
        return;
    }
    if (membership->leader.topic_count == 0) {
        beat_later(membership);
        return;
    }
    ks_arena_init(&arena, ROUND_BYTES_MAX);
    if (!count_partitions(membership, &arena)) {
        beat_later(membership);
    }
    ks_arena_deinit(&arena);
}

static bool
beat(struct ks_membership *membership)
{
    struct kafka_heartbeat_request request;

    if (!membership->events.is_alive(membership->events.arg)) {
        ks_membership_leave(membership);
        call(membership);
        return true;
    }
    kafka_message_init(&kafka_heartbeat_request_message, &request);
    request.group_id = membership->options.group_id;
    request.generation_id = membership->generation;
    request.member_id = member_id_of(membership);
    ask(membership, KAFKA_API_HEARTBEAT, HEARTBEAT_VERSION, &request, on_beat);
    return true;
}

/* --- Steps ------------------------------------------------------------------------------------ */

static bool
run_step(struct ks_membership *membership, struct ks_arena *arena)
{
    switch (membership->state) {
    case KS_MEMBERSHIP_OUT:
        return true;
    case KS_MEMBERSHIP_FINDING:
        membership->ask = (struct ks_ask){ .done = on_found, .arg = membership };
        ks_find_coordinator(&membership->asker, &membership->ask, membership->options.group_id);
        return true;
    case KS_MEMBERSHIP_JOINING:
        return join(membership, arena);
    case KS_MEMBERSHIP_COUNTING:
        return count_partitions(membership, arena);
    case KS_MEMBERSHIP_SYNCING:
        return sync_group(membership, arena);
    case KS_MEMBERSHIP_FETCHING:
        return fetch(membership, arena);
    case KS_MEMBERSHIP_STABLE:
        return beat(membership);
    }
    return true;
}

/* What the state is for. Lack of memory waits, as everything else that goes wrong. */
static void
run(void *arg)
{
    struct ks_membership *membership = arg;
    struct ks_arena arena;

    if (membership->is_ended || membership->ask.is_under_way) {
        return;
    }
    ks_arena_init(&arena, ROUND_BYTES_MAX);
    if (!run_step(membership, &arena)) {
        retry_later(membership);
    }
    ks_arena_deinit(&arena);
}

enum kafscale_status
ks_subscribed_init(struct ks_subscribed *subscribed, const char *const *topics, size_t count)
{
    size_t bytes = 0;

    *subscribed = (struct ks_subscribed){ .count = count };
    for (size_t i = 0; i < count; i++) {
        bytes += strlen(topics[i]) + sizeof(struct kafscale_slice);
    }
    if (bytes > SUBSCRIPTION_BYTES_MAX / 2) {
        return KAFSCALE_TOO_LARGE;
    }
    ks_arena_init(&subscribed->arena, SUBSCRIPTION_BYTES_MAX);
    subscribed->topics =
        ks_arena_alloc(&subscribed->arena, (count + 1) * sizeof(struct kafscale_slice));
    for (size_t i = 0; subscribed->topics != NULL && i < count; i++) {
        subscribed->topics[i] =
            ks_arena_copy_slice(&subscribed->arena, ks_slice_of_text(topics[i]));
    }
    if (ks_arena_failed(&subscribed->arena)) {
        ks_subscribed_deinit(subscribed);
        return KAFSCALE_NO_MEMORY;
    }
    return KAFSCALE_OK;
}

void
ks_subscribed_deinit(struct ks_subscribed *subscribed)
{
    ks_arena_deinit(&subscribed->arena);
    *subscribed = (struct ks_subscribed){ 0 };
}

void
ks_membership_subscribe(struct ks_membership *membership, struct ks_subscribed *subscribed)
{
    ks_subscribed_deinit(&membership->subscribed);
    membership->subscribed = *subscribed;
    *subscribed = (struct ks_subscribed){ 0 };
}

void
ks_membership_join(struct ks_membership *membership)
{
    if (membership->is_ended) {
        return;
    }
    membership->is_called = false;
    membership->failures = 0;
    ks_env_cancel_timer(membership->env, &membership->timer);
    if (membership->ask.is_under_way) {
        membership->is_stale = true;
        membership->state = KS_MEMBERSHIP_FINDING;
        return;
    }
    enter(membership, KS_MEMBERSHIP_FINDING);
}

static void
on_left(struct ks_ask *ended, const struct ks_ask_answer *answer)
{
    (void) ended;
    (void) answer;
}

/* Nobody waits for the answer: whoever is not heard of any more is left out in the end. */
void
ks_membership_leave(struct ks_membership *membership)
{
    struct kafka_leave_group_request request;
    struct kafka_leave_group_request_member member;
    char *member_id = membership->member_id;

    ks_env_cancel_timer(membership->env, &membership->timer);
    membership->state = KS_MEMBERSHIP_OUT;
    membership->is_stale = false;
    membership->is_called = false;
    membership->member_id = NULL;
    if (membership->ask.is_under_way) {
        ks_asker_leave(&membership->asker);
    }
    if (member_id != NULL && !membership->leaving.is_under_way) {
        kafka_message_init(&kafka_leave_group_request_message, &request);
        kafka_message_init(&kafka_leave_group_request_member_message, &member);
        member.member_id = ks_slice_of_text(member_id);
        request.group_id = membership->options.group_id;
        request.members = &member;
        request.members_count = 1;
        membership->leaving = (struct ks_ask){ .done = on_left, .arg = membership };
        ks_ask_begin(&membership->asker, &membership->leaving, KAFKA_API_LEAVE_GROUP,
                     LEAVE_GROUP_VERSION, &request);
    }
    ks_free(member_id);
}

void
ks_membership_commit(struct ks_membership *membership, struct ks_commit *commit)
{
    if (membership->generation > 0) {
        ks_commit_begin(commit, &membership->committer, membership->options.group_id,
                        membership->generation, member_id_of(membership));
    } else {
        ks_commit_begin_outside(commit, &membership->committer, membership->options.group_id);
    }
}

/* --- Life ------------------------------------------------------------------------------------- */

void
ks_membership_init(struct ks_membership *membership, struct ks_env *env,
                   const struct ks_request_sink *sink, const struct ks_membership_options *options,
                   const struct ks_membership_events *events)
{
    *membership = (struct ks_membership){ .options = *options, .events = *events, .env = env };
    ks_asker_init(&membership->asker, env, sink, options->client_id);
    ks_asker_init(&membership->committer, env, sink, options->client_id);
    ks_arena_init(&membership->round, ROUND_BYTES_MAX);
    membership->timer = (struct ks_timer){ .on_due = run, .arg = membership };
}

void
ks_membership_end(struct ks_membership *membership)
{
    if (membership->is_ended) {
        return;
    }
    membership->is_ended = true;
    ks_env_cancel_timer(membership->env, &membership->timer);
    ks_asker_leave(&membership->asker);
    ks_asker_leave(&membership->committer);
}

bool
ks_membership_is_quiet(const struct ks_membership *membership)
{
    return ks_list_is_empty(&membership->asker.asks) &&
           ks_list_is_empty(&membership->committer.asks);
}

void
ks_membership_deinit(struct ks_membership *membership)
{
    assert(membership->is_ended);
    assert(ks_membership_is_quiet(membership));

    forget_member_id(membership);
    ks_arena_deinit(&membership->round);
    ks_subscribed_deinit(&membership->subscribed);
}
