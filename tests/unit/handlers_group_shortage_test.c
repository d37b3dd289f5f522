/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each allocation that a request about groups leads to fails once, alone. The request is answered,
 * or its connection closed, and afterwards the broker serves as before.
 */
#include "support/group_client.h"
#include "support/main.h"

#define ALLOCATIONS_MAX 1000
#define ATTEMPTS_MAX 20
#define RETRY_MS 500

static struct broker_fixture fixture;
static struct test_broker *broker;
static struct group_joined member; /* the one of group "g", stable */

static void
set_up(void)
{
    struct group_commit commit = group_commit(7);

    broker_fixture_init(&fixture, 41);
    broker = group_broker_start(&fixture);
    ck_assert_int_eq(client_create(broker, "a", 2), KAFKA_ERROR_NONE);
    member = group_make_stable(broker);
    commit.group = "simple";
    commit.metadata = "some metadata";
    ck_assert_int_eq(group_committed(group_commit_begin(broker, &commit)), KAFKA_ERROR_NONE);
}

static void
tear_down(void)
{
    test_broker_stop(broker);
    broker_fixture_deinit(&fixture);
}

/* --- One of each kind, each of which is answered ---------------------------------------------- */

/* The leader joins again: a new generation, of it alone. */
static struct test_call *
begin_join(void)
{
    struct group_join join = group_join();

    join.member_id = member.member_id;
    return group_join_begin(broker, &join);
}

static struct test_call *
begin_first_join(void)
{
    struct group_join join = group_join();

    join.group = "new";
    join.instance_id = "i";
    return group_join_begin(broker, &join);
}

static struct test_call *
begin_sync(void)
{
    struct group_sync sync = group_sync(&member);

    sync.assigned[0][0] = member.member_id;
    sync.assigned[0][1] = "mine";
    return group_sync_begin(broker, &sync);
}

static struct test_call *
begin_leave(void)
{
    struct kafka_leave_group_request request;

    kafka_message_init(&kafka_leave_group_request_message, &request);
    request.group_id = ks_slice_of_text("g");
    request.member_id = ks_slice_of_text(member.member_id);
    return call_begin(broker, KAFKA_API_LEAVE_GROUP, 1, &request);
}

static struct test_call *
begin_heartbeat(void)
{
    struct kafka_heartbeat_request request;

    kafka_message_init(&kafka_heartbeat_request_message, &request);
    request.group_id = ks_slice_of_text("g");
    request.generation_id = member.generation;
    request.member_id = ks_slice_of_text(member.member_id);
    return call_begin(broker, KAFKA_API_HEARTBEAT, 3, &request);
}

static struct test_call *
begin_commit(void)
{
    struct group_commit commit = group_commit(8);

    commit.group = "another";
    commit.metadata = "some metadata";
    return group_commit_begin(broker, &commit);
}

static struct test_call *
begin_fetch(void)
{
    return group_fetch_begin(broker, 9, "simple", "a", 0);
}

static struct test_call *
begin_old_fetch(void)
{
    return group_fetch_begin(broker, 1, "simple", "a", 0);
}

static struct test_call *
begin_describe(void)
{
    struct kafscale_slice names[2] = { ks_slice_of_text("g"), ks_slice_of_text("never") };
    struct kafka_describe_groups_request request;

    kafka_message_init(&kafka_describe_groups_request_message, &request);
    request.groups = names;
    request.groups_count = 2;
    return call_begin(broker, KAFKA_API_DESCRIBE_GROUPS, 6, &request);
}

static struct test_call *
begin_list(void)
{
    struct kafka_list_groups_request request;

    kafka_message_init(&kafka_list_groups_request_message, &request);
    return call_begin(broker, KAFKA_API_LIST_GROUPS, 4, &request);
}

static struct test_call *
begin_delete(void)
{
    struct kafscale_slice names[1] = { ks_slice_of_text("simple") };
    struct kafka_delete_groups_request request;

    kafka_message_init(&kafka_delete_groups_request_message, &request);
    request.groups_names = names;
    request.groups_names_count = 1;
    return call_begin(broker, KAFKA_API_DELETE_GROUPS, 2, &request);
}

static struct test_call *
begin_delete_offset(void)
{
    struct kafka_offset_delete_request_topic_partition partition = { .partition_index = 0 };
    struct kafka_offset_delete_request_topic topic;
    struct kafka_offset_delete_request request;

    kafka_message_init(&kafka_offset_delete_request_message, &request);
    kafka_message_init(&kafka_offset_delete_request_topic_message, &topic);
    topic.name = ks_slice_of_text("a");
    topic.partitions = &partition;
    topic.partitions_count = 1;
    request.topics = &topic;
    request.topics_count = 1;
    request.group_id = ks_slice_of_text("simple");
    return call_begin(broker, KAFKA_API_OFFSET_DELETE, 0, &request);
}

static struct test_call *
begin_find(void)
{
    struct kafscale_slice keys[2] = { ks_slice_of_text("g"), ks_slice_of_text("h") };
    struct kafka_find_coordinator_request request;

    kafka_message_init(&kafka_find_coordinator_request_message, &request);
    request.coordinator_keys = keys;
    request.coordinator_keys_count = 2;
    return call_begin(broker, KAFKA_API_FIND_COORDINATOR, 4, &request);
}

static struct test_call *(*const kinds[])(void) = {
    begin_join,   begin_first_join,    begin_sync,      begin_leave,    begin_heartbeat,
    begin_commit, begin_fetch,         begin_old_fetch, begin_describe, begin_list,
    begin_delete, begin_delete_offset, begin_find,
};

/* --- And afterwards --------------------------------------------------------------------------- */

/* As clients do: again after a while, for as long as the code says so. */
static void
insist_on_commit(uint64_t k)
{
    struct group_commit commit = group_commit(9);
    int16_t code = KAFKA_ERROR_NONE;

    commit.group = "afterwards";
    for (int i = 0; i < ATTEMPTS_MAX; i++) {
        code = group_committed(group_commit_begin(broker, &commit));
        if (code == KAFKA_ERROR_NONE) {
            return;
        }
        ck_assert(kafka_error_is_retriable(code));
        virtual_env_run_for(&fixture.v, RETRY_MS);
    }
    ck_abort_msg("still %s after allocation %llu failed", kafka_error_name(code),
                 (unsigned long long) k);
}

/* Groups that have nothing to do with it. */
static void
expect_service(uint64_t k)
{
    struct group_join join = group_join();

    insist_on_commit(k);
    ck_assert_int_eq(group_fetch(broker, 7, "afterwards", "a", 0).offset, 9);
    join.version = 3;
    join.group = "afterwards";
    ck_assert_int_eq(group_joined(group_join_begin(broker, &join)).code, KAFKA_ERROR_NONE);
}

/* False: there was no k-th allocation. */
static bool
survives(struct test_call *(*begin)(void), uint64_t k)
{
    struct test_call *call;
    bool has_failed;

    broker->failing_allocation = k;
    call = begin();
    broker->failing_allocation = 0;
    call_wait(call);
    has_failed = ks_alloc_fail_after(UINT64_MAX) == UINT64_MAX;
    call_free(call);
    expect_service(k);
    return has_failed;
}

START_TEST(a_request_whose_allocation_fails_harms_nothing_else)
{
    uint64_t k = 1;

    while (k < ALLOCATIONS_MAX && survives(kinds[_i], k)) {
        k++;
        tear_down();
        set_up();
    }
    ck_assert_uint_gt(k, 3);
    ck_assert_uint_lt(k, ALLOCATIONS_MAX);
}
END_TEST

Suite *
suite_new(void)
{
    Suite *suite = suite_create("handlers group shortage");
    TCase *tests = tcase_create("all");

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_set_timeout(tests, 120);
    tcase_add_loop_test(tests, a_request_whose_allocation_fails_harms_nothing_else, 0,
                        sizeof kinds / sizeof kinds[0]);
    suite_add_tcase(suite, tests);
    return suite;
}
