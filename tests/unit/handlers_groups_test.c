/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JoinGroup, SyncGroup, Heartbeat and LeaveGroup over the wire: whole lives of groups in old and
 * new versions, and each way in which a member is refused.
 */
#include "support/group_client.h"
#include "support/main.h"

#include <stdio.h>

#define UUID_BYTES 36
#define CLIENT_ID "test" /* of every call */

static struct broker_fixture fixture;
static struct test_broker *broker;

static void
set_up(void)
{
    broker_fixture_init(&fixture, 21);
    broker = group_broker_start(&fixture);
}

static void
tear_down(void)
{
    test_broker_stop(broker);
    broker_fixture_deinit(&fixture);
}

static void
pass(int64_t duration_ms)
{
    virtual_env_run_for(&fixture.v, duration_ms);
}

/* --- Whole lives ------------------------------------------------------------------------------ */

struct versions {
    int16_t join;
    int16_t sync;
    int16_t heartbeat;
    int16_t leave;
};

/* What kafka-go, aiokafka, librdkafka and Java send, and the highest. */
static const struct versions lives[] = {
    { 0, 0, 0, 0 }, { 1, 0, 0, 0 }, { 2, 1, 1, 1 }, { 4, 2, 2, 2 },
    { 5, 3, 3, 1 }, { 6, 4, 4, 4 }, { 7, 5, 4, 4 }, { 9, 5, 4, 5 },
};

struct life {
    struct versions versions;
    struct group_joined first;
    struct group_joined second;
};

static struct test_call *
rejoin_begin(const struct versions *versions, const struct group_joined *joined)
{
    struct group_join join = group_join();

    join.version = versions->join;
    join.member_id = joined->member_id;
    return group_join_begin(broker, &join);
}

/* Version 4 and later give a newcomer its id first. */
static struct test_call *
newcomer_begin(const struct versions *versions, char member_id[GROUP_TEXT_BYTES])
{
    struct group_join join = group_join();
    struct group_joined told;

    join.version = versions->join;
    if (versions->join < 4) {
        return group_join_begin(broker, &join);
    }
    told = group_joined(group_join_begin(broker, &join));
    ck_assert_int_eq(told.code, KAFKA_ERROR_MEMBER_ID_REQUIRED);
    memcpy(member_id, told.member_id, GROUP_TEXT_BYTES);
    join.member_id = member_id;
    return group_join_begin(broker, &join);
}

static int16_t
beat(const struct versions *versions, const struct group_joined *joined)
{
    return group_heartbeat(broker, versions->heartbeat, "g", joined->member_id, NULL,
                           joined->generation);
}

/* The first is alone; then comes the second, and the first learns of it by its heartbeat. */
static void
gather(struct life *life)
{
    const struct versions *versions = &life->versions;
    char member_id[GROUP_TEXT_BYTES];
    struct test_call *second;
    struct test_call *first;

    life->first = group_joined(newcomer_begin(versions, member_id));
    ck_assert_int_eq(life->first.code, KAFKA_ERROR_NONE);
    ck_assert_int_eq(life->first.generation, 1);
    ck_assert_str_eq(life->first.leader, life->first.member_id);
    second = newcomer_begin(versions, member_id);
    pass(100);
    ck_assert(!second->is_done);
    ck_assert_int_eq(beat(versions, &life->first), KAFKA_ERROR_REBALANCE_IN_PROGRESS);
    first = rejoin_begin(versions, &life->first);
    life->first = group_joined(first);
    life->second = group_joined(second);
}

static void
check_joined(const struct life *life)
{
    ck_assert_int_eq(life->first.code, KAFKA_ERROR_NONE);
    ck_assert_int_eq(life->second.code, KAFKA_ERROR_NONE);
    ck_assert_int_eq(life->first.generation, 2);
    ck_assert_int_eq(life->second.generation, 2);
    ck_assert_str_eq(life->first.leader, life->first.member_id);
    ck_assert_str_eq(life->second.leader, life->first.member_id);
    ck_assert_str_eq(life->first.protocol, "range");
    ck_assert_uint_eq(life->first.member_count, 2);
    ck_assert_uint_eq(life->second.member_count, 0);
    ck_assert_str_eq(life->first.metadata[0], "m");
    ck_assert_str_eq(life->first.type, life->versions.join >= 7 ? "consumer" : "");
}

static void
assign(const struct life *life)
{
    struct group_sync leader = group_sync(&life->first);
    struct group_sync follower = group_sync(&life->second);
    struct test_call *waiting;
    struct group_synced synced;

    leader.version = life->versions.sync;
    follower.version = life->versions.sync;
    leader.assigned[0][0] = life->first.member_id;
    leader.assigned[0][1] = "for the first";
    leader.assigned[1][0] = life->second.member_id;
    leader.assigned[1][1] = "for the second";
    waiting = group_sync_begin(broker, &follower);
    pass(100);
    ck_assert(!waiting->is_done);
    synced = group_synced(group_sync_begin(broker, &leader));
    ck_assert_int_eq(synced.code, KAFKA_ERROR_NONE);
    ck_assert_str_eq(synced.assignment, "for the first");
    synced = group_synced(waiting);
    ck_assert_int_eq(synced.code, KAFKA_ERROR_NONE);
    ck_assert_str_eq(synced.assignment, "for the second");
    ck_assert_str_eq(synced.protocol, life->versions.sync >= 5 ? "range" : "");
    ck_assert_str_eq(synced.type, life->versions.sync >= 5 ? "consumer" : "");
}

START_TEST(a_group_lives_in_old_and_new_versions)
{
    struct life life = { .versions = lives[_i] };
    const struct versions *versions = &life.versions;

    gather(&life);
    check_joined(&life);
    assign(&life);
    ck_assert_int_eq(beat(versions, &life.first), KAFKA_ERROR_NONE);
    ck_assert_int_eq(beat(versions, &life.second), KAFKA_ERROR_NONE);
    ck_assert_int_eq(group_leave(broker, versions->leave, "g", life.first.member_id, NULL),
                     KAFKA_ERROR_NONE);
    ck_assert_int_eq(beat(versions, &life.first), KAFKA_ERROR_UNKNOWN_MEMBER_ID);
    ck_assert_int_eq(beat(versions, &life.second), KAFKA_ERROR_REBALANCE_IN_PROGRESS);
    life.second = group_joined(rejoin_begin(versions, &life.second));
    ck_assert_int_eq(life.second.code, KAFKA_ERROR_NONE);
    ck_assert_int_eq(life.second.generation, 3);
    ck_assert_str_eq(life.second.leader, life.second.member_id);
    ck_assert_int_eq(group_leave(broker, versions->leave, "g", life.second.member_id, NULL),
                     KAFKA_ERROR_NONE);
}
END_TEST

/* --- Member ids ------------------------------------------------------------------------------- */

static void
check_member_id(const char *member_id, const char *name)
{
    size_t name_bytes = strlen(name);

    ck_assert_uint_eq(strlen(member_id), name_bytes + 1 + UUID_BYTES);
    ck_assert_int_eq(strncmp(member_id, name, name_bytes), 0);
    ck_assert_int_eq(member_id[name_bytes], '-');
    ck_assert_int_eq(member_id[name_bytes + 1 + 8], '-');
    ck_assert_int_eq(member_id[name_bytes + 1 + 14], '4');
}

START_TEST(a_newcomer_is_called_by_its_client_id_and_something_random)
{
    struct group_join join = group_join();
    struct group_joined first;
    struct group_joined second;

    join.version = 9;
    first = group_joined(group_join_begin(broker, &join));
    second = group_joined(group_join_begin(broker, &join));
    ck_assert_int_eq(first.code, KAFKA_ERROR_MEMBER_ID_REQUIRED);
    ck_assert_int_eq(first.generation, -1);
    check_member_id(first.member_id, CLIENT_ID);
    check_member_id(second.member_id, CLIENT_ID);
    ck_assert_str_ne(first.member_id, second.member_id);
}
END_TEST

START_TEST(a_static_member_is_called_by_its_instance_id_and_let_in_at_once)
{
    struct group_join join = group_join();
    struct group_joined joined;

    join.version = 9;
    join.instance_id = "instance-1";
    joined = group_joined(group_join_begin(broker, &join));
    ck_assert_int_eq(joined.code, KAFKA_ERROR_NONE);
    check_member_id(joined.member_id, "instance-1");
}
END_TEST

/* Two-byte characters: 255 bytes would end in the middle of one. */
START_TEST(a_long_name_is_cut_between_characters)
{
    struct group_join join = group_join();
    char name[401];
    char cut[255];
    struct group_joined joined;

    for (size_t i = 0; i < sizeof name - 1; i += 2) {
        memcpy(name + i, "\xc3\xbc", 2);
    }
    name[sizeof name - 1] = '\0';
    memcpy(cut, name, 254);
    cut[254] = '\0';
    join.instance_id = name;
    joined = group_joined(group_join_begin(broker, &join));
    ck_assert_int_eq(joined.code, KAFKA_ERROR_NONE);
    check_member_id(joined.member_id, cut);
}
END_TEST

/* --- Refusals --------------------------------------------------------------------------------- */

START_TEST(a_group_without_a_name_is_refused)
{
    struct group_join join = group_join();
    struct group_joined nobody = { .generation = 1 };
    struct group_sync sync = group_sync(&nobody);

    join.group = "";
    join.member_id = "me";
    sync.group = "";
    nobody = group_joined(group_join_begin(broker, &join));
    ck_assert_int_eq(nobody.code, KAFKA_ERROR_INVALID_GROUP_ID);
    ck_assert_str_eq(nobody.member_id, "me");
    ck_assert_int_eq(group_synced(group_sync_begin(broker, &sync)).code,
                     KAFKA_ERROR_INVALID_GROUP_ID);
    ck_assert_int_eq(group_heartbeat(broker, 3, "", "me", NULL, 1), KAFKA_ERROR_INVALID_GROUP_ID);
    ck_assert_int_eq(group_leave(broker, 3, "", "me", NULL), KAFKA_ERROR_INVALID_GROUP_ID);
    ck_assert_int_eq(group_leave(broker, 0, "", "me", NULL), KAFKA_ERROR_INVALID_GROUP_ID);
}
END_TEST

START_TEST(a_session_outside_the_limits_is_refused)
{
    static const int32_t refused[] = { -1, 0, 5999, 1800001, INT32_MAX };
    static const int32_t taken[] = { 6000, 1800000 };
    struct group_join join = group_join();

    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        join.session_ms = refused[i];
        ck_assert_int_eq(group_joined(group_join_begin(broker, &join)).code,
                         KAFKA_ERROR_INVALID_SESSION_TIMEOUT);
    }
    for (size_t i = 0; i < sizeof taken / sizeof taken[0]; i++) {
        join.session_ms = taken[i];
        ck_assert_int_eq(group_joined(group_join_begin(broker, &join)).code,
                         KAFKA_ERROR_MEMBER_ID_REQUIRED);
    }
}
END_TEST

START_TEST(a_member_that_is_not_known_is_refused_by_all)
{
    struct group_joined joined = group_make_stable(broker);
    struct group_join join = group_join();
    struct group_sync sync = group_sync(&joined);

    for (int i = 0; i < 2; i++) {
        const char *group = i == 0 ? "g" : "never";

        join.group = group;
        join.member_id = "nobody";
        sync.group = group;
        sync.member_id = "nobody";
        ck_assert_int_eq(group_joined(group_join_begin(broker, &join)).code,
                         KAFKA_ERROR_UNKNOWN_MEMBER_ID);
        ck_assert_int_eq(group_synced(group_sync_begin(broker, &sync)).code,
                         KAFKA_ERROR_UNKNOWN_MEMBER_ID);
        ck_assert_int_eq(group_heartbeat(broker, 3, group, "nobody", NULL, 1),
                         KAFKA_ERROR_UNKNOWN_MEMBER_ID);
        ck_assert_int_eq(group_leave(broker, 3, group, "nobody", NULL),
                         KAFKA_ERROR_UNKNOWN_MEMBER_ID);
        ck_assert_int_eq(group_leave(broker, 1, group, "nobody", NULL),
                         KAFKA_ERROR_UNKNOWN_MEMBER_ID);
    }
    ck_assert_int_eq(group_heartbeat(broker, 3, "g", joined.member_id, NULL, joined.generation),
                     KAFKA_ERROR_NONE);
}
END_TEST

START_TEST(a_generation_that_has_passed_is_refused)
{
    struct group_joined joined = group_make_stable(broker);
    struct group_sync sync = group_sync(&joined);

    sync.generation++;
    ck_assert_int_eq(group_synced(group_sync_begin(broker, &sync)).code,
                     KAFKA_ERROR_ILLEGAL_GENERATION);
    ck_assert_int_eq(group_heartbeat(broker, 4, "g", joined.member_id, NULL, 0),
                     KAFKA_ERROR_ILLEGAL_GENERATION);
}
END_TEST

START_TEST(protocols_without_one_in_common_are_refused)
{
    struct group_joined joined = group_make_stable(broker);
    struct group_join join = group_join();

    join.version = 3;
    join.protocol = "sticky";
    ck_assert_int_eq(group_joined(group_join_begin(broker, &join)).code,
                     KAFKA_ERROR_INCONSISTENT_GROUP_PROTOCOL);
    join.protocol = "range";
    join.type = "connect";
    ck_assert_int_eq(group_joined(group_join_begin(broker, &join)).code,
                     KAFKA_ERROR_INCONSISTENT_GROUP_PROTOCOL);
    join.group = "other";
    join.type = "";
    ck_assert_int_eq(group_joined(group_join_begin(broker, &join)).code,
                     KAFKA_ERROR_INCONSISTENT_GROUP_PROTOCOL);
    ck_assert_int_eq(group_heartbeat(broker, 3, "g", joined.member_id, NULL, joined.generation),
                     KAFKA_ERROR_NONE);
}
END_TEST

START_TEST(version_5_of_sync_must_name_what_was_chosen)
{
    struct group_joined joined = group_make_stable(broker);
    struct group_sync sync = group_sync(&joined);

    sync.version = 5;
    ck_assert_int_eq(group_synced(group_sync_begin(broker, &sync)).code, KAFKA_ERROR_NONE);
    sync.protocol = "sticky";
    ck_assert_int_eq(group_synced(group_sync_begin(broker, &sync)).code,
                     KAFKA_ERROR_INCONSISTENT_GROUP_PROTOCOL);
    sync.protocol = NULL;
    ck_assert_int_eq(group_synced(group_sync_begin(broker, &sync)).code,
                     KAFKA_ERROR_INCONSISTENT_GROUP_PROTOCOL);
    sync.protocol = "range";
    sync.type = NULL;
    ck_assert_int_eq(group_synced(group_sync_begin(broker, &sync)).code,
                     KAFKA_ERROR_INCONSISTENT_GROUP_PROTOCOL);
}
END_TEST

START_TEST(a_full_group_takes_nobody_in)
{
    struct ks_broker_options options;
    struct group_join join = group_join();
    struct test_broker *small;

    test_broker_stop(broker);
    group_broker_options(&options);
    options.coordinator.group_size_max = 1;
    small = test_broker_begin(&fixture, &options);
    ck_assert(virtual_env_run_until(&fixture.v, &small->is_started, 60000));
    broker = small;
    group_find_coordinator(broker);
    pass(500);
    group_make_stable(broker);
    join.version = 3;
    ck_assert_int_eq(group_joined(group_join_begin(broker, &join)).code,
                     KAFKA_ERROR_GROUP_MAX_SIZE_REACHED);
}
END_TEST

/* --- Static members --------------------------------------------------------------------------- */

static struct group_join
static_join(void)
{
    struct group_join join = group_join();

    join.instance_id = "i";
    return join;
}

static struct group_joined
make_static_stable(void)
{
    struct group_join join = static_join();
    struct group_joined joined = group_joined(group_join_begin(broker, &join));
    struct group_sync sync = group_sync(&joined);

    sync.instance_id = "i";
    sync.assigned[0][0] = joined.member_id;
    sync.assigned[0][1] = "mine";
    ck_assert_int_eq(group_synced(group_sync_begin(broker, &sync)).code, KAFKA_ERROR_NONE);
    return joined;
}

START_TEST(a_static_member_comes_back_without_a_rebalance_and_its_earlier_self_is_fenced)
{
    struct group_joined before = make_static_stable();
    struct group_join join = static_join();
    struct group_joined after = group_joined(group_join_begin(broker, &join));

    ck_assert_int_eq(after.code, KAFKA_ERROR_NONE);
    ck_assert_int_eq(after.generation, before.generation);
    ck_assert_str_ne(after.member_id, before.member_id);
    ck_assert_int_eq(group_heartbeat(broker, 3, "g", after.member_id, "i", after.generation),
                     KAFKA_ERROR_NONE);
    ck_assert_int_eq(group_heartbeat(broker, 3, "g", before.member_id, "i", before.generation),
                     KAFKA_ERROR_FENCED_INSTANCE_ID);
    join.member_id = before.member_id;
    ck_assert_int_eq(group_joined(group_join_begin(broker, &join)).code,
                     KAFKA_ERROR_FENCED_INSTANCE_ID);
}
END_TEST

/* KIP-814: the leader that comes back is told that it need not assign anything. */
START_TEST(version_9_of_join_skips_the_assignment_of_a_leader_that_comes_back)
{
    struct group_join join = static_join();
    struct group_joined joined;

    make_static_stable();
    join.version = 9;
    joined = group_joined(group_join_begin(broker, &join));
    ck_assert_int_eq(joined.code, KAFKA_ERROR_NONE);
    ck_assert(joined.is_skipped);
    ck_assert_str_eq(joined.leader, joined.member_id);
    ck_assert_uint_eq(joined.member_count, 1);
}
END_TEST

START_TEST(an_administrator_takes_static_members_out_by_their_instance)
{
    struct group_joined joined = make_static_stable();

    ck_assert_int_eq(group_leave(broker, 3, "g", "", "unknown"), KAFKA_ERROR_UNKNOWN_MEMBER_ID);
    ck_assert_int_eq(group_leave(broker, 3, "g", "another", "i"), KAFKA_ERROR_FENCED_INSTANCE_ID);
    ck_assert_int_eq(group_leave(broker, 5, "g", "", "i"), KAFKA_ERROR_NONE);
    ck_assert_int_eq(group_heartbeat(broker, 3, "g", joined.member_id, "i", joined.generation),
                     KAFKA_ERROR_UNKNOWN_MEMBER_ID);
}
END_TEST

START_TEST(several_leave_at_once_each_with_an_answer_of_its_own)
{
    struct group_joined joined = group_make_stable(broker);
    struct kafka_leave_group_request_member members[2];
    struct kafka_leave_group_request request;
    const struct kafka_leave_group_response *response;
    struct test_call *leave;

    kafka_message_init(&kafka_leave_group_request_message, &request);
    for (int i = 0; i < 2; i++) {
        kafka_message_init(&kafka_leave_group_request_member_message, &members[i]);
        members[i].member_id = ks_slice_of_text(i == 0 ? "nobody" : joined.member_id);
    }
    request.group_id = ks_slice_of_text("g");
    request.members = members;
    request.members_count = 2;
    response = call(broker, KAFKA_API_LEAVE_GROUP, 4, &request, &leave);
    ck_assert_int_eq(response->error_code, KAFKA_ERROR_NONE);
    ck_assert_int_eq(response->members_count, 2);
    ck_assert_int_eq(response->members[0].error_code, KAFKA_ERROR_UNKNOWN_MEMBER_ID);
    ck_assert_int_eq(response->members[1].error_code, KAFKA_ERROR_NONE);
    ck_assert(ks_slice_equals(response->members[1].member_id, members[1].member_id));
    call_free(leave);
}
END_TEST

/* --- Waiting ---------------------------------------------------------------------------------- */

/* A member whose connection went while it waited is not waited for when it comes no more. */
START_TEST(who_goes_while_it_waits_does_not_keep_the_group)
{
    struct group_joined first = group_make_stable(broker);
    struct group_join join = group_join();
    struct test_call *second;
    struct group_joined again;

    join.version = 3;
    second = group_join_begin(broker, &join);
    pass(100);
    ck_assert(!second->is_done);
    call_leave(second);
    ck_assert(second->is_done);
    call_free(second);
    join.member_id = first.member_id;
    again = group_joined(group_join_begin(broker, &join));
    ck_assert_int_eq(again.code, KAFKA_ERROR_NONE);
    ck_assert_uint_eq(again.member_count, 1);
}
END_TEST

START_TEST(who_goes_while_it_waits_for_its_assignment_is_answered_to_nobody)
{
    struct group_joined first = group_make_stable(broker);
    struct group_join join = group_join();
    struct test_call *second;
    struct group_joined joined;
    struct group_sync sync;
    struct test_call *waiting;

    join.version = 3;
    second = group_join_begin(broker, &join);
    join.member_id = first.member_id;
    first = group_joined(group_join_begin(broker, &join));
    joined = group_joined(second);
    sync = group_sync(&joined);
    waiting = group_sync_begin(broker, &sync);
    pass(100);
    ck_assert(!waiting->is_done);
    call_leave(waiting);
    ck_assert(waiting->is_done);
    call_free(waiting);
    sync = group_sync(&first);
    sync.assigned[0][0] = joined.member_id;
    sync.assigned[0][1] = "for the one that went";
    ck_assert_int_eq(group_synced(group_sync_begin(broker, &sync)).code, KAFKA_ERROR_NONE);
    sync = group_sync(&joined);
    ck_assert_str_eq(group_synced(group_sync_begin(broker, &sync)).assignment,
                     "for the one that went");
}
END_TEST

START_TEST(a_broker_that_stops_sends_who_waits_to_the_next)
{
    struct group_join join = group_join();
    struct test_call *second;

    group_make_stable(broker);
    join.version = 3;
    second = group_join_begin(broker, &join);
    pass(100);
    test_broker_begin_stop(broker);
    ck_assert_int_eq(group_joined(second).code, KAFKA_ERROR_NOT_COORDINATOR);
    test_broker_end_stop(broker);
    broker = group_broker_start(&fixture);
}
END_TEST

/* --- Ownership -------------------------------------------------------------------------------- */

START_TEST(a_restart_is_not_noticed_by_members)
{
    struct group_joined joined = group_make_stable(broker);
    struct group_sync sync = group_sync(&joined);

    test_broker_stop(broker);
    broker = group_broker_start(&fixture);
    ck_assert_int_eq(group_heartbeat(broker, 3, "g", joined.member_id, NULL, joined.generation),
                     KAFKA_ERROR_NONE);
    ck_assert_str_eq(group_synced(group_sync_begin(broker, &sync)).assignment, "mine");
}
END_TEST

/* What it believes of the group is old: a heartbeat that is well there is not said to be. */
START_TEST(a_broker_that_lost_its_groups_does_not_say_that_all_is_well)
{
    struct group_joined joined = group_make_stable(broker);
    struct test_broker *next = group_broker_start(&fixture);

    pass(2000);
    ck_assert_int_eq(group_heartbeat(broker, 3, "g", joined.member_id, NULL, joined.generation),
                     KAFKA_ERROR_NOT_COORDINATOR);
    ck_assert_int_eq(group_heartbeat(next, 3, "g", joined.member_id, NULL, joined.generation),
                     KAFKA_ERROR_NONE);
    test_broker_stop(broker);
    broker = next;
}
END_TEST

START_TEST(a_broker_that_can_not_look_speaks_for_no_group)
{
    struct group_joined joined = group_make_stable(broker);
    struct group_join join = group_join();
    struct group_sync sync = group_sync(&joined);
    int64_t begun_ms;

    pass(2000);
    ks_fault_store_next(broker->faults, KS_STORE_OPERATION_COUNT, NULL,
                        (struct ks_fate){ .fault = KS_FAULT_UNAVAILABLE }, UINT32_MAX);
    begun_ms = ks_env_now_ms(&fixture.v.env);
    ck_assert_int_eq(group_heartbeat(broker, 3, "g", joined.member_id, NULL, joined.generation),
                     KAFKA_ERROR_NOT_COORDINATOR);
    ck_assert_int_eq(ks_env_now_ms(&fixture.v.env) - begun_ms, 3000);
    ck_assert_int_eq(group_joined(group_join_begin(broker, &join)).code,
                     KAFKA_ERROR_NOT_COORDINATOR);
    ck_assert_int_eq(group_synced(group_sync_begin(broker, &sync)).code,
                     KAFKA_ERROR_NOT_COORDINATOR);
    ck_assert_int_eq(group_leave(broker, 3, "g", joined.member_id, NULL),
                     KAFKA_ERROR_NOT_COORDINATOR);
    ks_fault_store_clear(broker->faults);
    pass(10000);
    ck_assert_int_eq(group_heartbeat(broker, 3, "g", joined.member_id, NULL, joined.generation),
                     KAFKA_ERROR_NONE);
}
END_TEST

/* However many members there are: what a look costs must not grow with them. */
START_TEST(heartbeats_look_at_the_store_once_a_second)
{
    struct group_joined joined = group_make_stable(broker);
    const struct ks_freshness *freshness = ks_broker_freshness(broker->broker);
    uint64_t before = freshness->looks;

    for (int i = 0; i < 1000; i++) {
        pass(10);
        ck_assert_int_eq(group_heartbeat(broker, 3, "g", joined.member_id, NULL, joined.generation),
                         KAFKA_ERROR_NONE);
    }
    ck_assert_uint_ge(freshness->looks - before, 9);
    ck_assert_uint_le(freshness->looks - before, 11);
}
END_TEST

Suite *
suite_new(void)
{
    Suite *suite = suite_create("handlers groups");
    TCase *tcase = tcase_create("members");

    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_loop_test(tcase, a_group_lives_in_old_and_new_versions, 0,
                        sizeof lives / sizeof lives[0]);
    tcase_add_test(tcase, a_newcomer_is_called_by_its_client_id_and_something_random);
    tcase_add_test(tcase, a_static_member_is_called_by_its_instance_id_and_let_in_at_once);
    tcase_add_test(tcase, a_long_name_is_cut_between_characters);
    tcase_add_test(tcase, a_group_without_a_name_is_refused);
    tcase_add_test(tcase, a_session_outside_the_limits_is_refused);
    tcase_add_test(tcase, a_member_that_is_not_known_is_refused_by_all);
    tcase_add_test(tcase, a_generation_that_has_passed_is_refused);
    tcase_add_test(tcase, protocols_without_one_in_common_are_refused);
    tcase_add_test(tcase, version_5_of_sync_must_name_what_was_chosen);
    tcase_add_test(tcase, a_full_group_takes_nobody_in);
    tcase_add_test(tcase,
                   a_static_member_comes_back_without_a_rebalance_and_its_earlier_self_is_fenced);
    tcase_add_test(tcase, version_9_of_join_skips_the_assignment_of_a_leader_that_comes_back);
    tcase_add_test(tcase, an_administrator_takes_static_members_out_by_their_instance);
    tcase_add_test(tcase, several_leave_at_once_each_with_an_answer_of_its_own);
    tcase_add_test(tcase, who_goes_while_it_waits_does_not_keep_the_group);
    tcase_add_test(tcase, who_goes_while_it_waits_for_its_assignment_is_answered_to_nobody);
    tcase_add_test(tcase, a_broker_that_stops_sends_who_waits_to_the_next);
    tcase_add_test(tcase, a_restart_is_not_noticed_by_members);
    tcase_add_test(tcase, a_broker_that_lost_its_groups_does_not_say_that_all_is_well);
    tcase_add_test(tcase, a_broker_that_can_not_look_speaks_for_no_group);
    tcase_add_test(tcase, heartbeats_look_at_the_store_once_a_second);
    suite_add_tcase(suite, tcase);
    return suite;
}
