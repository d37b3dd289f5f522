/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OffsetCommit and OffsetFetch over the wire, in every version: what is committed comes back,
 * nothing is promised that isn't durable, and nobody is told "none" by a broker that may not know.
 */
#include "support/group_client.h"
#include "support/main.h"

#include <stdlib.h>

#define METADATA_BYTES_MAX 4096
#define COMMITS 1002

static struct broker_fixture fixture;
static struct test_broker *broker;

static void
set_up(void)
{
    broker_fixture_init(&fixture, 22);
    broker = group_broker_start(&fixture);
    ck_assert_int_eq(client_create(broker, "a", 3), KAFKA_ERROR_NONE);
    ck_assert_int_eq(client_create(broker, "b", 1), KAFKA_ERROR_NONE);
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

static int16_t
commit(const struct group_commit *commit)
{
    return group_committed(group_commit_begin(broker, commit));
}

static void
commit_ok(int64_t offset)
{
    struct group_commit one = group_commit(offset);

    ck_assert_int_eq(commit(&one), KAFKA_ERROR_NONE);
}

static void
expect(int64_t offset)
{
    struct group_fetched fetched = group_fetch(broker, 7, "g", "a", 0);

    ck_assert_int_eq(fetched.code, KAFKA_ERROR_NONE);
    ck_assert_int_eq(fetched.offset, offset);
}

static void
let_store_be_away(void)
{
    ks_fault_store_next(broker->faults, KS_STORE_OPERATION_COUNT, NULL,
                        (struct ks_fate){ .fault = KS_FAULT_UNAVAILABLE }, UINT32_MAX);
}

/* --- Coming back ------------------------------------------------------------------------------ */

START_TEST(what_is_committed_in_any_version_is_fetched_in_any_version)
{
    struct group_commit one = group_commit(100 + _i);

    one.version = (int16_t) _i;
    one.metadata = "what I want to know";
    one.leader_epoch = _i >= 6 ? 5 : -1;
    ck_assert_int_eq(commit(&one), KAFKA_ERROR_NONE);
    for (int16_t version = 1; version <= 9; version++) {
        struct group_fetched fetched = group_fetch(broker, version, "g", "a", 0);

        ck_assert_int_eq(fetched.code, KAFKA_ERROR_NONE);
        ck_assert_int_eq(fetched.offset, 100 + _i);
        ck_assert_int_eq(fetched.leader_epoch, _i >= 6 && version >= 5 ? 5 : -1);
        ck_assert_str_eq(fetched.metadata, "what I want to know");
    }
}
END_TEST

START_TEST(what_was_never_committed_is_answered_with_minus_one_and_no_error)
{
    commit_ok(7);
    for (int16_t version = 1; version <= 9; version++) {
        static const struct {
            const char *group;
            const char *topic;
            int32_t partition;
        } never[] = { { "never", "a", 0 }, { "g", "a", 2 }, { "g", "b", 0 }, { "g", "none", 9 } };

        for (size_t i = 0; i < sizeof never / sizeof never[0]; i++) {
            struct group_fetched fetched =
                group_fetch(broker, version, never[i].group, never[i].topic, never[i].partition);

            ck_assert_int_eq(fetched.code, KAFKA_ERROR_NONE);
            ck_assert_int_eq(fetched.offset, -1);
            ck_assert_int_eq(fetched.leader_epoch, -1);
            ck_assert_str_eq(fetched.metadata, "");
        }
    }
}
END_TEST

/* Kafka looks at no number, and gives back what it was given. */
START_TEST(any_offset_is_taken)
{
    commit_ok(INT64_MAX);
    expect(INT64_MAX);
    commit_ok(-5);
    expect(-5);
}
END_TEST

START_TEST(metadata_of_null_is_empty)
{
    struct group_commit one = group_commit(7);

    one.metadata = NULL;
    ck_assert_int_eq(commit(&one), KAFKA_ERROR_NONE);
    ck_assert_str_eq(group_fetch(broker, 7, "g", "a", 0).metadata, "");
}
END_TEST

START_TEST(offsets_outlive_the_broker)
{
    commit_ok(41);
    commit_ok(42);
    test_broker_stop(broker);
    broker = group_broker_start(&fixture);
    expect(42);
}
END_TEST

/* As the first Kafka clients did, and some still do. */
START_TEST(a_group_without_a_name_has_offsets)
{
    struct group_commit one = group_commit(7);

    one.group = "";
    ck_assert_int_eq(commit(&one), KAFKA_ERROR_NONE);
    ck_assert_int_eq(group_fetch(broker, 1, "", "a", 0).offset, 7);
    ck_assert_int_eq(group_fetch(broker, 9, "", "a", 0).offset, 7);
}
END_TEST

START_TEST(a_client_of_old_says_how_long_its_offset_is_kept)
{
    struct group_commit one = group_commit(7);

    one.version = 2;
    one.retention_ms = 60000;
    ck_assert_int_eq(commit(&one), KAFKA_ERROR_NONE);
    expect(7);
    pass(2 * 600000 + 60000);
    expect(-1);
}
END_TEST

/* --- Several ---------------------------------------------------------------------------------- */

static const struct kafka_offset_commit_response *
commit_several(struct test_call **call_out)
{
    struct kafka_offset_commit_request_topic_partition partitions[4];
    struct kafka_offset_commit_request_topic topics[2];
    struct kafka_offset_commit_request request;

    kafka_message_init(&kafka_offset_commit_request_message, &request);
    for (int32_t i = 0; i < 4; i++) {
        kafka_message_init(&kafka_offset_commit_request_topic_partition_message, &partitions[i]);
        partitions[i].partition_index = i < 3 ? i : 0;
        partitions[i].committed_offset = 10 + i;
    }
    for (int i = 0; i < 2; i++) {
        kafka_message_init(&kafka_offset_commit_request_topic_message, &topics[i]);
        topics[i].name = ks_slice_of_text(i == 0 ? "b" : "a");
        topics[i].partitions = partitions + (i == 0 ? 0 : 2);
        topics[i].partitions_count = 2;
    }
    request.group_id = ks_slice_of_text("g");
    request.topics = topics;
    request.topics_count = 2;
    return call(broker, KAFKA_API_OFFSET_COMMIT, 7, &request, call_out);
}

START_TEST(a_partition_that_does_not_exist_does_not_keep_the_others_from_being_committed)
{
    struct test_call *call;
    const struct kafka_offset_commit_response *response = commit_several(&call);
    struct group_commit unknown = group_commit(7);

    ck_assert(ks_slice_equals(response->topics[0].name, ks_slice_of_text("b")));
    ck_assert_int_eq(response->topics[0].partitions[0].error_code, KAFKA_ERROR_NONE);
    ck_assert_int_eq(response->topics[0].partitions[1].error_code,
                     KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION);
    ck_assert_int_eq(response->topics[1].partitions[0].partition_index, 2);
    ck_assert_int_eq(response->topics[1].partitions[0].error_code, KAFKA_ERROR_NONE);
    ck_assert_int_eq(response->topics[1].partitions[1].error_code, KAFKA_ERROR_NONE);
    call_free(call);
    ck_assert_int_eq(group_fetch(broker, 7, "g", "b", 0).offset, 10);
    ck_assert_int_eq(group_fetch(broker, 7, "g", "a", 2).offset, 12);
    expect(13);
    unknown.topic = "nowhere";
    ck_assert_int_eq(commit(&unknown), KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION);
}
END_TEST

/* Null instead of topics: everything that the group has. */
static const struct kafka_offset_fetch_response *
fetch_all(int16_t version, struct test_call **call_out)
{
    struct kafka_offset_fetch_request_group groups[2];
    struct kafka_offset_fetch_request request;

    kafka_message_init(&kafka_offset_fetch_request_message, &request);
    if (version < 8) {
        request.group_id = ks_slice_of_text("g");
        request.topics_count = -1;
    } else {
        for (int i = 0; i < 2; i++) {
            kafka_message_init(&kafka_offset_fetch_request_group_message, &groups[i]);
            groups[i].group_id = ks_slice_of_text(i == 0 ? "never" : "g");
            groups[i].topics_count = -1;
        }
        request.groups = groups;
        request.groups_count = 2;
    }
    return call(broker, KAFKA_API_OFFSET_FETCH, version, &request, call_out);
}

START_TEST(all_offsets_of_a_group_come_when_none_is_named)
{
    struct test_call *call;
    const struct kafka_offset_fetch_response *response;

    commit_several(&call);
    call_free(call);
    response = fetch_all((int16_t) _i, &call);
    ck_assert_int_eq(response->error_code, KAFKA_ERROR_NONE);
    if (_i < 8) {
        ck_assert_int_eq(response->topics_count, 2);
        ck_assert_int_eq(response->topics[0].partitions_count, 1);
        ck_assert_int_eq(response->topics[1].partitions_count, 2);
        ck_assert_int_eq(response->topics[1].partitions[1].committed_offset, 12);
    } else {
        ck_assert_int_eq(response->groups_count, 2);
        ck_assert_int_eq(response->groups[0].error_code, KAFKA_ERROR_NONE);
        ck_assert_int_eq(response->groups[0].topics_count, 0);
        ck_assert_int_eq(response->groups[1].topics_count, 2);
        ck_assert_int_eq(response->groups[1].topics[1].partitions[1].committed_offset, 12);
    }
    call_free(call);
}
END_TEST

/* --- Refusals --------------------------------------------------------------------------------- */

START_TEST(metadata_that_is_too_long_is_refused_for_its_partition)
{
    char *metadata = malloc(METADATA_BYTES_MAX + 2);
    struct group_commit one = group_commit(7);

    ck_assert_ptr_nonnull(metadata);
    memset(metadata, 'x', METADATA_BYTES_MAX + 1);
    metadata[METADATA_BYTES_MAX + 1] = '\0';
    one.metadata = metadata;
    ck_assert_int_eq(commit(&one), KAFKA_ERROR_OFFSET_METADATA_TOO_LARGE);
    expect(-1);
    metadata[METADATA_BYTES_MAX] = '\0';
    ck_assert_int_eq(commit(&one), KAFKA_ERROR_NONE);
    expect(7);
    free(metadata);
}
END_TEST

START_TEST(members_commit_and_others_do_not)
{
    struct group_joined joined = group_make_stable(broker);
    struct group_commit one = group_commit(7);

    ck_assert_int_eq(commit(&one), KAFKA_ERROR_UNKNOWN_MEMBER_ID);
    one.member_id = "nobody";
    one.generation = joined.generation;
    ck_assert_int_eq(commit(&one), KAFKA_ERROR_UNKNOWN_MEMBER_ID);
    one.member_id = joined.member_id;
    one.generation++;
    ck_assert_int_eq(commit(&one), KAFKA_ERROR_ILLEGAL_GENERATION);
    expect(-1);
    one.generation--;
    ck_assert_int_eq(commit(&one), KAFKA_ERROR_NONE);
    expect(7);
}
END_TEST

START_TEST(a_static_member_whose_place_was_taken_does_not_commit)
{
    struct group_join join = group_join();
    struct group_commit one = group_commit(7);
    struct group_joined before;
    struct group_sync sync;

    join.instance_id = "i";
    before = group_joined(group_join_begin(broker, &join));
    sync = group_sync(&before);
    sync.instance_id = "i";
    ck_assert_int_eq(group_synced(group_sync_begin(broker, &sync)).code, KAFKA_ERROR_NONE);
    ck_assert_int_eq(group_joined(group_join_begin(broker, &join)).code, KAFKA_ERROR_NONE);
    one.member_id = before.member_id;
    one.instance_id = "i";
    one.generation = before.generation;
    ck_assert_int_eq(commit(&one), KAFKA_ERROR_FENCED_INSTANCE_ID);
}
END_TEST

/* Cooperative members commit what they give away while the others are gathered. */
START_TEST(commits_are_taken_while_members_gather_but_not_before_their_assignment)
{
    struct group_joined first = group_make_stable(broker);
    struct group_join join = group_join();
    struct group_commit one = group_commit(7);
    struct test_call *second;

    one.member_id = first.member_id;
    one.generation = first.generation;
    join.version = 3;
    second = group_join_begin(broker, &join);
    pass(100);
    ck_assert_int_eq(group_heartbeat(broker, 3, "g", first.member_id, NULL, first.generation),
                     KAFKA_ERROR_REBALANCE_IN_PROGRESS);
    ck_assert_int_eq(commit(&one), KAFKA_ERROR_NONE);
    join.member_id = first.member_id;
    first = group_joined(group_join_begin(broker, &join));
    ck_assert_int_eq(group_joined(second).code, KAFKA_ERROR_NONE);
    one.generation = first.generation;
    ck_assert_int_eq(commit(&one), KAFKA_ERROR_REBALANCE_IN_PROGRESS);
}
END_TEST

START_TEST(a_member_of_a_group_that_is_not_there_is_told_so_as_its_version_can)
{
    struct group_commit one = group_commit(7);

    one.member_id = "nobody";
    one.generation = 3;
    one.version = 8;
    ck_assert_int_eq(commit(&one), KAFKA_ERROR_ILLEGAL_GENERATION);
    one.version = 9;
    ck_assert_int_eq(commit(&one), KAFKA_ERROR_GROUP_ID_NOT_FOUND);
    expect(-1);
}
END_TEST

/* --- Topics ----------------------------------------------------------------------------------- */

START_TEST(what_was_committed_for_an_earlier_life_of_a_topic_is_gone)
{
    struct test_call *call;

    commit_ok(41);
    ck_assert_int_eq(client_delete(broker, "a"), KAFKA_ERROR_NONE);
    expect(-1);
    ck_assert_int_eq(client_create(broker, "a", 1), KAFKA_ERROR_NONE);
    expect(-1);
    ck_assert_int_eq(fetch_all(9, &call)->groups[1].topics_count, 0);
    call_free(call);
    commit_ok(3);
    expect(3);
}
END_TEST

/* --- Durability ------------------------------------------------------------------------------- */

START_TEST(a_commit_is_answered_when_it_is_durable)
{
    struct group_commit one = group_commit(8);
    struct test_call *slow;

    commit_ok(7);
    ks_fault_store_next(broker->faults, KS_STORE_PUT, "wal",
                        (struct ks_fate){ .fault = KS_FAULT_NONE, .effect_ms = 700 }, 1);
    slow = group_commit_begin(broker, &one);
    pass(600);
    ck_assert(!slow->is_done);
    pass(200);
    ck_assert(slow->is_done);
    ck_assert_int_eq(group_committed(slow), KAFKA_ERROR_NONE);
    expect(8);
}
END_TEST

/*
 * Whoever reads an offset that is lost afterwards would begin behind records that nobody has seen.
 */
START_TEST(an_offset_is_told_when_it_is_durable)
{
    struct group_commit one = group_commit(8);
    struct test_call *slow;
    struct test_call *fetch;

    commit_ok(7);
    ks_fault_store_next(broker->faults, KS_STORE_PUT, "wal",
                        (struct ks_fate){ .fault = KS_FAULT_NONE, .effect_ms = 700 }, 1);
    slow = group_commit_begin(broker, &one);
    pass(100);
    fetch = group_fetch_begin(broker, 9, "g", "a", 0);
    pass(400);
    ck_assert(!fetch->is_done);
    ck_assert_int_eq(group_fetched(fetch).offset, 8);
    ck_assert(slow->is_done);
    ck_assert_int_eq(group_committed(slow), KAFKA_ERROR_NONE);
}
END_TEST

START_TEST(a_store_that_is_away_is_not_waited_for_without_end)
{
    struct group_commit one = group_commit(8);
    struct test_call *stuck;
    struct test_call *fetch;
    int64_t begun_ms;

    commit_ok(7);
    let_store_be_away();
    begun_ms = ks_env_now_ms(&fixture.v.env);
    stuck = group_commit_begin(broker, &one);
    fetch = group_fetch_begin(broker, 7, "g", "a", 0);
    ck_assert_int_eq(group_committed(stuck), KAFKA_ERROR_COORDINATOR_NOT_AVAILABLE);
    ck_assert_int_eq(group_fetched(fetch).code, KAFKA_ERROR_NOT_COORDINATOR);
    ck_assert_int_eq(ks_env_now_ms(&fixture.v.env) - begun_ms, 5000);
    ks_fault_store_clear(broker->faults);
    pass(30000);
    expect(8);
}
END_TEST

/* As one group commits, so do a thousand: what comes together is written together. */
START_TEST(commits_that_come_together_are_written_together)
{
    struct test_call *calls[COMMITS];
    uint64_t before;

    commit_ok(7);
    before = test_broker_store_requests(broker);
    for (int i = 0; i < COMMITS; i++) {
        struct group_commit one = group_commit(i);

        one.partition = i % 3;
        one.group = i % 2 == 0 ? "g" : "h";
        calls[i] = group_commit_begin(broker, &one);
    }
    for (int i = 0; i < COMMITS; i++) {
        ck_assert_int_eq(group_committed(calls[i]), KAFKA_ERROR_NONE);
    }
    ck_assert_uint_le(test_broker_store_requests(broker) - before, 4);
    expect(COMMITS - 6); /* the last that was both of "g" and of partition 0 */
}
END_TEST

START_TEST(who_goes_while_its_commit_is_under_way_has_committed)
{
    struct group_commit one = group_commit(8);
    struct test_call *slow;
    struct test_call *fetch;

    commit_ok(7);
    ks_fault_store_next(broker->faults, KS_STORE_PUT, "wal",
                        (struct ks_fate){ .fault = KS_FAULT_NONE, .effect_ms = 700 }, 1);
    slow = group_commit_begin(broker, &one);
    pass(100);
    fetch = group_fetch_begin(broker, 9, "g", "a", 0);
    call_leave(slow);
    call_leave(fetch);
    ck_assert(slow->is_done);
    ck_assert(fetch->is_done);
    call_free(slow);
    call_free(fetch);
    pass(2000);
    expect(8);
}
END_TEST

/* --- Ownership -------------------------------------------------------------------------------- */

/* A consumer that is told "none" begins anew: only who owns the group may say it. */
START_TEST(a_broker_that_lost_its_groups_has_no_offsets_to_tell)
{
    struct test_broker *next;
    int16_t code;

    commit_ok(7);
    next = group_broker_start(&fixture);
    pass(2000);
    code = group_fetch(broker, (int16_t) _i, "g", "a", 0).code;
    ck_assert_int_eq(code, KAFKA_ERROR_NOT_COORDINATOR);
    ck_assert_int_eq(group_fetch(next, (int16_t) _i, "g", "a", 0).offset, 7);
    test_broker_stop(broker);
    broker = next;
}
END_TEST

START_TEST(a_broker_that_can_not_look_does_not_say_none_nor_unknown)
{
    struct group_commit one = group_commit(8);

    commit_ok(7);
    pass(2000);
    let_store_be_away();
    one.topic = "nowhere";
    ck_assert_int_eq(commit(&one), KAFKA_ERROR_NOT_COORDINATOR);
    one.topic = "a";
    one.generation = 3;
    one.member_id = "nobody";
    ck_assert_int_eq(commit(&one), KAFKA_ERROR_NOT_COORDINATOR);
    ck_assert_int_eq(group_fetch(broker, 9, "never", "a", 0).code, KAFKA_ERROR_NOT_COORDINATOR);
    ks_fault_store_clear(broker->faults);
    pass(2000);
    expect(7);
}
END_TEST

Suite *
suite_new(void)
{
    Suite *suite = suite_create("handlers offsets");
    TCase *tcase = tcase_create("offsets");

    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_loop_test(tcase, what_is_committed_in_any_version_is_fetched_in_any_version, 2, 10);
    tcase_add_test(tcase, what_was_never_committed_is_answered_with_minus_one_and_no_error);
    tcase_add_test(tcase, any_offset_is_taken);
    tcase_add_test(tcase, metadata_of_null_is_empty);
    tcase_add_test(tcase, offsets_outlive_the_broker);
    tcase_add_test(tcase, a_group_without_a_name_has_offsets);
    tcase_add_test(tcase, a_client_of_old_says_how_long_its_offset_is_kept);
    tcase_add_test(tcase,
                   a_partition_that_does_not_exist_does_not_keep_the_others_from_being_committed);
    tcase_add_loop_test(tcase, all_offsets_of_a_group_come_when_none_is_named, 2, 10);
    tcase_add_test(tcase, metadata_that_is_too_long_is_refused_for_its_partition);
    tcase_add_test(tcase, members_commit_and_others_do_not);
    tcase_add_test(tcase, a_static_member_whose_place_was_taken_does_not_commit);
    tcase_add_test(tcase, commits_are_taken_while_members_gather_but_not_before_their_assignment);
    tcase_add_test(tcase, a_member_of_a_group_that_is_not_there_is_told_so_as_its_version_can);
    tcase_add_test(tcase, what_was_committed_for_an_earlier_life_of_a_topic_is_gone);
    tcase_add_test(tcase, a_commit_is_answered_when_it_is_durable);
    tcase_add_test(tcase, an_offset_is_told_when_it_is_durable);
    tcase_add_test(tcase, a_store_that_is_away_is_not_waited_for_without_end);
    tcase_add_test(tcase, commits_that_come_together_are_written_together);
    tcase_add_test(tcase, who_goes_while_its_commit_is_under_way_has_committed);
    tcase_add_loop_test(tcase, a_broker_that_lost_its_groups_has_no_offsets_to_tell, 1, 10);
    tcase_add_test(tcase, a_broker_that_can_not_look_does_not_say_none_nor_unknown);
    suite_add_tcase(suite, tcase);
    return suite;
}
