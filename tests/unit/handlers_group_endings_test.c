/* SPDX-License-Identifier: Apache-2.0 */
/*
 * As handlers_endings_test.c, of requests about groups: one of each kind is sent, the world goes on
 * for some steps, and then the broker ends in some way, or all who asked go. Again for every number
 * of steps, in a fast, a slow and an unreachable store.
 */
#include "broker/broker_internal.h"
#include "support/group_client.h"
#include "support/main.h"

#define CALLS 11
#define STEPS_MAX 150

enum world { FAST, SLOW, AWAY, WORLDS };
enum ending { STOPPED, STOPPED_WITHOUT_STORE, FENCED, FAILED, ASKERS_GONE, ENDINGS };

static struct broker_fixture fixture;
static struct group_joined member;  /* of group "g", which is stable */
static struct group_joined waiting; /* of group "h", whose leader has not assigned anything */

static void
set_up(void)
{
    broker_fixture_init(&fixture, 31);
}

static void
tear_down(void)
{
    broker_fixture_deinit(&fixture);
}

static void
commit_for(struct test_broker *broker, const char *group)
{
    struct group_commit commit = group_commit(7);

    commit.group = group;
    ck_assert_int_eq(group_committed(group_commit_begin(broker, &commit)), KAFKA_ERROR_NONE);
}

/* The second member of group "h", which has two. */
static void
make_completing(struct test_broker *broker)
{
    struct group_join join = group_join();
    struct group_joined leader;
    struct test_call *second;

    join.group = "h";
    join.version = 3;
    leader = group_joined(group_join_begin(broker, &join));
    second = group_join_begin(broker, &join);
    join.member_id = leader.member_id;
    group_joined(group_join_begin(broker, &join));
    waiting = group_joined(second);
    ck_assert_int_eq(waiting.code, KAFKA_ERROR_NONE);
}

static struct test_broker *
broker_with_groups(void)
{
    struct test_broker *broker = group_broker_start(&fixture);

    ck_assert_int_eq(client_create(broker, "a", 2), KAFKA_ERROR_NONE);
    member = group_make_stable(broker);
    make_completing(broker);
    commit_for(broker, "unused");
    commit_for(broker, "simple");
    return broker;
}

/* --- One of each kind ------------------------------------------------------------------------- */

static struct test_call *
begin_heartbeat(struct test_broker *broker)
{
    struct kafka_heartbeat_request request;

    kafka_message_init(&kafka_heartbeat_request_message, &request);
    request.group_id = ks_slice_of_text("g");
    request.generation_id = member.generation;
    request.member_id = ks_slice_of_text(member.member_id);
    return call_begin(broker, KAFKA_API_HEARTBEAT, 3, &request);
}

static struct test_call *
begin_leave(struct test_broker *broker)
{
    struct kafka_leave_group_request request;

    kafka_message_init(&kafka_leave_group_request_message, &request);
    request.group_id = ks_slice_of_text("h");
    request.member_id = ks_slice_of_text("nobody");
    return call_begin(broker, KAFKA_API_LEAVE_GROUP, 1, &request);
}

static struct test_call *
begin_sync(struct test_broker *broker)
{
    struct group_sync sync = group_sync(&waiting);

    sync.group = "h";
    return group_sync_begin(broker, &sync);
}

/* Of the group that rebalances at the same time. */
static struct test_call *
begin_commit(struct test_broker *broker)
{
    struct group_commit commit = group_commit(8);

    commit.member_id = member.member_id;
    commit.generation = member.generation;
    return group_commit_begin(broker, &commit);
}

static struct test_call *
begin_find(struct test_broker *broker)
{
    struct kafka_find_coordinator_request request;

    kafka_message_init(&kafka_find_coordinator_request_message, &request);
    return call_begin(broker, KAFKA_API_FIND_COORDINATOR, 2, &request);
}

static struct test_call *
begin_describe(struct test_broker *broker)
{
    struct kafscale_slice names[2] = { ks_slice_of_text("g"), ks_slice_of_text("h") };
    struct kafka_describe_groups_request request;

    kafka_message_init(&kafka_describe_groups_request_message, &request);
    request.groups = names;
    request.groups_count = 2;
    return call_begin(broker, KAFKA_API_DESCRIBE_GROUPS, 5, &request);
}

static struct test_call *
begin_list(struct test_broker *broker)
{
    struct kafka_list_groups_request request;

    kafka_message_init(&kafka_list_groups_request_message, &request);
    return call_begin(broker, KAFKA_API_LIST_GROUPS, 4, &request);
}

static struct test_call *
begin_delete(struct test_broker *broker)
{
    struct kafscale_slice names[2] = { ks_slice_of_text("unused"), ks_slice_of_text("never") };
    struct kafka_delete_groups_request request;

    kafka_message_init(&kafka_delete_groups_request_message, &request);
    request.groups_names = names;
    request.groups_names_count = 2;
    return call_begin(broker, KAFKA_API_DELETE_GROUPS, 2, &request);
}

static struct test_call *
begin_delete_offset(struct test_broker *broker)
{
    struct kafka_offset_delete_request_topic_partition partition = { .partition_index = 0 };
    struct kafka_offset_delete_request_topic topic;
    struct kafka_offset_delete_request request;

    kafka_message_init(&kafka_offset_delete_request_message, &request);
    kafka_message_init(&kafka_offset_delete_request_topic_message, &topic);
    topic.name = ks_slice_of_text("a");
    topic.partitions = &partition;
    topic.partitions_count = 1;
    request.group_id = ks_slice_of_text("simple");
    request.topics = &topic;
    request.topics_count = 1;
    return call_begin(broker, KAFKA_API_OFFSET_DELETE, 0, &request);
}

static void
begin_all(struct test_broker *broker, struct test_call *calls[CALLS])
{
    struct group_join join = group_join();

    join.version = 3;
    calls[0] = group_join_begin(broker, &join);
    calls[1] = begin_sync(broker);
    calls[2] = begin_heartbeat(broker);
    calls[3] = begin_leave(broker);
    calls[4] = begin_commit(broker);
    calls[5] = group_fetch_begin(broker, 9, "g", "a", 0);
    calls[6] = begin_find(broker);
    calls[7] = begin_describe(broker);
    calls[8] = begin_list(broker);
    calls[9] = begin_delete(broker);
    calls[10] = begin_delete_offset(broker);
}

/* --- The end ---------------------------------------------------------------------------------- */

static void
let_store_be(struct test_broker *broker, struct ks_fate fate)
{
    ks_fault_store_clear(broker->faults);
    ks_fault_store_next(broker->faults, KS_STORE_OPERATION_COUNT, NULL, fate, UINT32_MAX);
}

static void
set_world(struct test_broker *broker, enum world world)
{
    if (world == SLOW) {
        let_store_be(broker, (struct ks_fate){ .effect_ms = 300, .answer_ms = 2500 });
    } else if (world == AWAY) {
        let_store_be(broker, (struct ks_fate){ .fault = KS_FAULT_UNAVAILABLE });
    }
}

static void
end_broker(struct test_broker *broker, enum ending ending)
{
    struct kafscale_error error = { .status = KAFSCALE_FAILED, .text = "test" };

    switch (ending) {
    case FENCED:
        ks_broker_fence(broker->broker, "test");
        return;
    case FAILED:
        ks_broker_fail(broker->broker, &error);
        return;
    case STOPPED_WITHOUT_STORE:
        let_store_be(broker, (struct ks_fate){ .fault = KS_FAULT_UNAVAILABLE });
        break;
    default:
        break;
    }
    test_broker_begin_stop(broker);
}

static void
end(struct test_broker *broker, enum ending ending, struct test_call *calls[CALLS])
{
    if (ending == ASKERS_GONE) {
        for (int i = 0; i < CALLS; i++) {
            call_leave(calls[i]);
        }
    } else {
        end_broker(broker, ending);
    }
    for (int i = 0; i < CALLS; i++) {
        call_wait(calls[i]);
        call_free(calls[i]);
    }
    if (ending != STOPPED && ending != STOPPED_WITHOUT_STORE) {
        test_broker_begin_stop(broker);
    }
    test_broker_end_stop(broker);
}

/* Returns whether somebody still waited when the end came. */
static bool
end_after(int steps, enum ending ending, enum world world)
{
    struct test_broker *broker = broker_with_groups();
    struct test_call *calls[CALLS];
    bool is_busy = true;
    bool is_waited = false;

    /* The last look is too old for whoever must be certain. */
    virtual_env_run_for(&fixture.v, 2000);
    set_world(broker, world);
    begin_all(broker, calls);
    for (int i = 0; i < steps; i++) {
        is_busy = is_busy && virtual_env_step(&fixture.v);
    }
    /* The join waits for a member that never comes. */
    for (int i = 1; i < CALLS; i++) {
        is_waited = is_waited || !calls[i]->is_done;
    }
    end(broker, ending, calls);
    return is_busy && is_waited;
}

START_TEST(all_who_wait_for_a_group_are_answered_at_the_end)
{
    int steps = 0;

    while (steps < STEPS_MAX &&
           end_after(steps, (enum ending)(_i / WORLDS), (enum world)(_i % WORLDS))) {
        steps++;
        tear_down();
        set_up();
    }
    ck_assert_int_gt(steps, 5);
}
END_TEST

Suite *
suite_new(void)
{
    Suite *suite = suite_create("handlers group endings");
    TCase *tests = tcase_create("all");

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_set_timeout(tests, 120);
    tcase_add_loop_test(tests, all_who_wait_for_a_group_are_answered_at_the_end, 0,
                        ENDINGS * WORLDS);
    suite_add_tcase(suite, tests);
    return suite;
}
