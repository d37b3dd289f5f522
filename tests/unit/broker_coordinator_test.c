/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Groups on the log: what was answered is there after the broker was stopped or killed, however
 * often the records were written again, and nothing else is.
 */
#include "broker/broker.h"
#include "support/broker_fixture.h"
#include "support/main.h"

#include <stdio.h>

#define RUN_MS 60000
#define DAY_MS INT64_C(86400000)

static struct broker_fixture fixture;
static struct ks_broker_options options;
static struct test_broker *broker;

/* --- A broker --------------------------------------------------------------------------------- */

static void
start(void)
{
    broker = test_broker_begin(&fixture, &options);
    ck_assert(virtual_env_run_until(&fixture.v, &broker->is_started, RUN_MS));
    ck_assert_int_eq(broker->start_status, KAFSCALE_OK);
    virtual_env_run_for(&fixture.v, 100);
}

static void
set_up(void)
{
    broker_fixture_init(&fixture, 1);
    test_broker_options(&options);
    options.coordinator.partition_count = 4;
    options.coordinator.initial_delay_ms = 0;
    start();
}

static void
tear_down(void)
{
    test_broker_stop(broker);
    broker_fixture_deinit(&fixture);
}

static void
restart(void)
{
    test_broker_stop(broker);
    start();
}

static struct ks_coordinator *
coordinator(void)
{
    return ks_broker_coordinator(broker->broker);
}

/* --- Waiting ---------------------------------------------------------------------------------- */

struct answer {
    struct ks_group_wait wait;
    bool is_there;
    enum ks_group_error error;
};

static void
on_answer(struct ks_group_wait *wait, enum ks_group_error error)
{
    struct answer *answer = wait->arg;

    ck_assert(!answer->is_there);
    answer->is_there = true;
    answer->error = error;
}

static void
answer_init(struct answer *answer)
{
    *answer = (struct answer){ .wait = { .done = on_answer, .arg = answer } };
}

static enum ks_group_error
await(struct answer *answer)
{
    ck_assert(virtual_env_run_until(&fixture.v, &answer->is_there, RUN_MS));
    return answer->error;
}

static enum ks_group_error
make_ready(void)
{
    struct answer answer;

    answer_init(&answer);
    ks_coordinator_await_ready(coordinator(), &answer.wait);
    await(&answer);
    virtual_env_run_for(&fixture.v, 100);
    return answer.error;
}

/* --- Topics ----------------------------------------------------------------------------------- */

struct creation {
    struct ks_topic_create create;
    bool is_done;
    enum ks_broker_error error;
};

static void
on_created(struct ks_topic_create *create, enum ks_broker_error error)
{
    struct creation *creation = create->arg;

    creation->is_done = true;
    creation->error = error;
}

static struct ks_id
make_topic(const char *name)
{
    static const struct ks_topic_config config;
    struct creation creation = { .create = { .name = ks_slice_of_text(name),
                                             .partition_count = 3,
                                             .config = &config,
                                             .deadline_ms = INT64_MAX / 2,
                                             .done = on_created } };

    creation.create.arg = &creation;
    ks_topic_create(ks_broker_topics(broker->broker), &creation.create);
    ck_assert(virtual_env_run_until(&fixture.v, &creation.is_done, RUN_MS));
    ck_assert_int_eq(creation.error, KS_BROKER_ERROR_NONE);
    return creation.create.id;
}

struct deletion {
    struct ks_topic_delete delete;
    bool is_done;
};

static void
on_deleted(struct ks_topic_delete *delete, enum ks_broker_error error)
{
    struct deletion *deletion = delete->arg;

    ck_assert_int_eq(error, KS_BROKER_ERROR_NONE);
    deletion->is_done = true;
}

static void
delete_topic(const struct ks_id *id)
{
    struct deletion deletion = { .delete = { .id = *id, .done = on_deleted } };

    deletion.delete.arg = &deletion;
    ks_topic_delete(ks_broker_topics(broker->broker), &deletion.delete);
    ck_assert(virtual_env_run_until(&fixture.v, &deletion.is_done, RUN_MS));
}

/* --- Offsets ---------------------------------------------------------------------------------- */

static void
begin_commit(struct answer *answer, const char *group, const struct ks_id *topic_id,
             int32_t partition, int64_t offset)
{
    struct ks_group_offset committed = { .topic = ks_slice_of_text("t"),
                                         .partition = partition,
                                         .value = { .offset = offset,
                                                    .leader_epoch = 7,
                                                    .metadata = ks_slice_of_text("note"),
                                                    .expires_ms = -1,
                                                    .topic_id = *topic_id } };

    answer_init(answer);
    ks_coordinator_commit(coordinator(), ks_slice_of_text(group), &committed, 1, &answer->wait);
}

static enum ks_group_error
commit(const char *group, const struct ks_id *topic_id, int32_t partition, int64_t offset)
{
    struct answer answer;

    begin_commit(&answer, group, topic_id, partition, offset);
    return await(&answer);
}

static struct ks_coordinated_group *
find(const char *group)
{
    struct ks_coordinated_group *found;
    enum ks_group_error error = ks_coordinator_find(coordinator(), ks_slice_of_text(group), &found);

    ck_assert(error == KS_GROUP_OK || error == KS_GROUP_NOT_FOUND);
    return found;
}

/* -1: there is none. */
static int64_t
committed(const char *group, int32_t partition)
{
    const struct ks_coordinated_group *found = find(group);
    const struct ks_offsets_topic *topic =
        found == NULL ? NULL : ks_offsets_find_topic(&found->offsets, ks_slice_of_text("t"));
    const struct ks_committed *offset = topic == NULL ? NULL : ks_offsets_find(topic, partition);

    return offset == NULL ? -1 : offset->offset;
}

/* --- Members ---------------------------------------------------------------------------------- */

struct member {
    struct ks_group_waiter waiter;
    char id[64];
    int32_t generation;
    bool is_leader;
    bool is_joined;
    bool is_synced;
    enum ks_group_error error;
    char assignment[64];
};

static void
on_joined(struct ks_group_waiter *waiter, const struct ks_group_join_answer *answer)
{
    struct member *member = waiter->arg;

    member->is_joined = true;
    member->error = answer->error;
    member->generation = answer->generation;
    member->is_leader =
        answer->error == KS_GROUP_OK && ks_slice_equals(answer->leader_id, answer->member_id);
    snprintf(member->id, sizeof member->id, "%.*s", (int) answer->member_id.size,
             (const char *) answer->member_id.data);
}

static void
on_synced(struct ks_group_waiter *waiter, const struct ks_group_sync_answer *answer)
{
    struct member *member = waiter->arg;

    member->is_synced = true;
    member->error = answer->error;
    snprintf(member->assignment, sizeof member->assignment, "%.*s", (int) answer->assignment.size,
             answer->assignment.size == 0 ? "" : (const char *) answer->assignment.data);
}

/* Without an instance id: a dynamic member. */
static void
begin_join_of(struct member *member, const char *group, const char *id, const char *instance_id)
{
    struct ks_group_protocol protocol = { .name = ks_slice_of_text("range"),
                                          .metadata = ks_slice_of_text("wishes") };
    struct ks_group_join join = { .member_id = ks_slice_of_text(""),
                                  .new_member_id = ks_slice_of_text(id),
                                  .instance_id = instance_id == NULL
                                                     ? ks_slice(NULL, 0)
                                                     : ks_slice_of_text(instance_id),
                                  .client_id = ks_slice_of_text("client"),
                                  .client_host = ks_slice_of_text("/127.0.0.1"),
                                  .protocol_type = ks_slice_of_text("consumer"),
                                  .protocols = &protocol,
                                  .protocol_count = 1,
                                  .session_timeout_ms = 10000,
                                  .rebalance_timeout_ms = 30000 };

    *member = (struct member){ .waiter = { .joined = on_joined, .synced = on_synced } };
    member->waiter.arg = member;
    ks_coordinator_join(coordinator(), ks_slice_of_text(group), &join, &member->waiter);
}

static void
begin_join(struct member *member, const char *group, const char *id)
{
    begin_join_of(member, group, id, NULL);
}

static void
begin_sync(struct member *member, const char *group, const char *assignment)
{
    struct ks_group_assignment given = { .member_id = ks_slice_of_text(member->id),
                                         .assignment = ks_slice_of_text(assignment) };
    struct ks_group_sync sync = { .claim = { .member_id = ks_slice_of_text(member->id),
                                             .generation = member->generation },
                                  .assignments = &given,
                                  .assignment_count = 1 };

    ks_coordinator_sync(coordinator(), ks_slice_of_text(group), &sync, &member->waiter);
}

static void
join_alone(struct member *member, const char *group)
{
    begin_join(member, group, "m1");
    ck_assert(virtual_env_run_until(&fixture.v, &member->is_joined, RUN_MS));
    ck_assert_int_eq(member->error, KS_GROUP_OK);
    ck_assert(member->is_leader);
    begin_sync(member, group, "everything");
    ck_assert(virtual_env_run_until(&fixture.v, &member->is_synced, RUN_MS));
    ck_assert_int_eq(member->error, KS_GROUP_OK);
}

static enum ks_group_error
beat(const struct member *member, const char *group)
{
    struct ks_group_claim claim = { .member_id = ks_slice_of_text(member->id),
                                    .generation = member->generation };

    return ks_coordinator_heartbeat(coordinator(), ks_slice_of_text(group), &claim);
}

/* --- Stories ---------------------------------------------------------------------------------- */

START_TEST(the_topic_of_groups_is_made_when_somebody_asks_for_a_coordinator)
{
    struct ks_topic *topic;

    ck_assert(!ks_coordinator_is_ready(coordinator()));
    ck_assert_int_eq(make_ready(), KS_GROUP_OK);
    topic =
        ks_topics_find(ks_broker_topics(broker->broker), ks_slice_of_text("__consumer_offsets"));
    ck_assert_ptr_nonnull(topic);
    ck_assert_int_eq(topic->record.partition_count, 4);
    ck_assert_str_eq(
        ks_topic_config_text(&topic->record.config, NULL, KS_TOPIC_CONFIG_CLEANUP_POLICY),
        "compact");
}
END_TEST

START_TEST(several_who_ask_at_once_all_hear_of_the_one_topic)
{
    struct answer answers[3];

    for (int i = 0; i < 3; i++) {
        answer_init(&answers[i]);
        ks_coordinator_await_ready(coordinator(), &answers[i].wait);
    }
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(await(&answers[i]), KS_GROUP_OK);
    }
}
END_TEST

START_TEST(a_committed_offset_is_there_after_a_restart_with_all_that_came_with_it)
{
    struct ks_id id = make_topic("t");
    const struct ks_offsets_topic *topic;
    const struct ks_committed *offset;

    make_ready();
    ck_assert_int_eq(commit("g", &id, 2, 42), KS_GROUP_OK);
    restart();
    ck_assert_int_eq(committed("g", 2), 42);
    topic = ks_offsets_find_topic(&find("g")->offsets, ks_slice_of_text("t"));
    offset = ks_offsets_find(topic, 2);
    ck_assert_int_eq(offset->leader_epoch, 7);
    ck_assert(ks_slice_equals(ks_committed_metadata(offset), ks_slice_of_text("note")));
    ck_assert(ks_id_equals(&topic->id, &id));
}
END_TEST

START_TEST(commits_of_one_turn_are_one_batch)
{
    struct ks_log_counters before;
    struct ks_log_counters after;
    struct ks_id id = make_topic("t");
    struct answer answers[100];

    make_ready();
    ks_log_get_counters(ks_broker_log(broker->broker), &before);
    for (int i = 0; i < 100; i++) {
        begin_commit(&answers[i], "g", &id, i % 3, i);
    }
    for (int i = 0; i < 100; i++) {
        ck_assert_int_eq(await(&answers[i]), KS_GROUP_OK);
    }
    ks_log_get_counters(ks_broker_log(broker->broker), &after);
    ck_assert_uint_eq(after.batches_appended - before.batches_appended, 1);
    ck_assert_int_eq(committed("g", 0), 99);
}
END_TEST

START_TEST(an_answer_waits_until_its_record_is_durable)
{
    struct ks_id id = make_topic("t");
    struct answer answer;

    make_ready();
    ks_fault_store_next(broker->faults, KS_STORE_PUT, "/wal/",
                        (struct ks_fate){ .fault = KS_FAULT_UNAVAILABLE }, UINT32_MAX);
    begin_commit(&answer, "g", &id, 0, 1);
    virtual_env_run_for(&fixture.v, 20000);
    ck_assert(!answer.is_there);
    ck_assert(!ks_coordinator_is_durable(find("g")));
    ks_fault_store_clear(broker->faults);
    ck_assert_int_eq(await(&answer), KS_GROUP_OK);
    ck_assert(ks_coordinator_is_durable(find("g")));
}
END_TEST

START_TEST(members_and_generation_go_on_after_a_restart)
{
    struct member member;

    make_ready();
    join_alone(&member, "g");
    ck_assert_str_eq(member.assignment, "everything");
    restart();
    ck_assert_int_eq(beat(&member, "g"), KS_GROUP_OK);
    member.is_synced = false;
    begin_sync(&member, "g", "");
    ck_assert(member.is_synced);
    ck_assert_str_eq(member.assignment, "everything");
}
END_TEST

START_TEST(a_member_that_does_not_come_back_after_a_restart_goes_with_its_session)
{
    struct member member;

    make_ready();
    join_alone(&member, "g");
    restart();
    virtual_env_run_for(&fixture.v, 9000);
    ck_assert_int_eq(ks_group_state(find("g")->group), KS_GROUP_STABLE);
    virtual_env_run_for(&fixture.v, 2000);
    ck_assert_int_eq(ks_group_state(find("g")->group), KS_GROUP_EMPTY);
}
END_TEST

START_TEST(static_members_that_come_back_together_are_all_let_in)
{
    static const char *const instances[] = { "i", "j", "k" };
    struct member members[3];

    options.coordinator.initial_delay_ms = 1000;
    restart();
    make_ready();
    for (int i = 0; i < 3; i++) {
        begin_join_of(&members[i], "g", instances[i], instances[i]);
    }
    ck_assert(virtual_env_run_until(&fixture.v, &members[0].is_joined, RUN_MS));
    begin_sync(&members[0], "g", "everything");
    ck_assert(virtual_env_run_until(&fixture.v, &members[0].is_synced, RUN_MS));
    ck_assert_int_eq(ks_group_state(find("g")->group), KS_GROUP_STABLE);

    for (int i = 0; i < 3; i++) {
        static const char *const ids[] = { "i2", "j2", "k2" };

        begin_join_of(&members[i], "g", ids[i], instances[i]);
        ck_assert(!members[i].is_joined);
    }
    virtual_env_run_for(&fixture.v, 5000);
    for (int i = 0; i < 3; i++) {
        ck_assert(members[i].is_joined);
        ck_assert_int_eq(members[i].error, KS_GROUP_OK);
    }
}
END_TEST

START_TEST(a_join_whose_asker_goes_is_not_answered)
{
    struct member first;
    struct member second;

    make_ready();
    join_alone(&first, "g");
    begin_join(&second, "g", "m2");
    ks_coordinator_gone(coordinator(), &second.waiter);
    virtual_env_run_for(&fixture.v, 60000);
    ck_assert(!second.is_joined);
}
END_TEST

START_TEST(who_waits_when_the_broker_stops_is_told)
{
    struct member first;
    struct member second;

    make_ready();
    join_alone(&first, "g");
    begin_join(&second, "g", "m2");
    test_broker_begin_stop(broker);
    ck_assert(second.is_joined);
    ck_assert_int_eq(second.error, KS_GROUP_NOT_COORDINATOR);
    test_broker_end_stop(broker);
    start();
}
END_TEST

/* The sum of all partitions' ends. */
static int64_t
ends(void)
{
    int64_t sum = 0;

    for (int32_t i = 0; i < coordinator()->shard_count; i++) {
        sum += ks_partition_high_watermark(coordinator()->topic->partitions[i]->log);
    }
    return sum;
}

static int64_t
starts(void)
{
    int64_t sum = 0;

    for (int32_t i = 0; i < coordinator()->shard_count; i++) {
        sum += ks_partition_log_start(coordinator()->topic->partitions[i]->log);
    }
    return sum;
}

START_TEST(a_checkpoint_lets_old_records_go_and_loses_nothing)
{
    struct ks_id id;
    struct member member;
    char group[16];

    test_broker_stop(broker);
    options.coordinator.checkpoint_bytes_min = 4096;
    start();
    id = make_topic("t");
    make_ready();
    join_alone(&member, "stays");
    for (int i = 0; i < 600; i++) {
        snprintf(group, sizeof group, "g%d", i % 10);
        ck_assert_int_eq(commit(group, &id, i % 3, i), KS_GROUP_OK);
        ck_assert_int_eq(beat(&member, "stays"), KS_GROUP_OK);
    }
    virtual_env_run_for(&fixture.v, 1000);
    ck_assert_int_gt(starts(), 0);
    restart();
    for (int i = 590; i < 600; i++) {
        snprintf(group, sizeof group, "g%d", i % 10);
        ck_assert_int_eq(committed(group, i % 3), i);
    }
    ck_assert_int_eq(beat(&member, "stays"), KS_GROUP_OK);
}
END_TEST

START_TEST(records_that_are_old_are_written_again_without_further_ones)
{
    struct ks_id id;

    test_broker_stop(broker);
    options.coordinator.checkpoint_interval_ms = 3600000;
    start();
    id = make_topic("t");
    make_ready();
    commit("g", &id, 0, 1);
    virtual_env_run_for(&fixture.v, 2 * 3600000);
    ck_assert_int_eq(starts(), 1);
    virtual_env_run_for(&fixture.v, 10 * 3600000);
    ck_assert_int_eq(ends(), 2);
    ck_assert_int_eq(committed("g", 0), 1);
}
END_TEST

START_TEST(offsets_go_some_time_after_their_group_is_empty_and_the_group_with_them)
{
    struct ks_id id = make_topic("t");
    struct member member;

    make_ready();
    join_alone(&member, "g");
    commit("g", &id, 0, 5);
    virtual_env_run_for(&fixture.v, 20000);
    ck_assert_int_eq(ks_group_state(find("g")->group), KS_GROUP_EMPTY);
    virtual_env_run_for(&fixture.v, 6 * DAY_MS);
    ck_assert_int_eq(committed("g", 0), 5);
    virtual_env_run_for(&fixture.v, 2 * DAY_MS);
    ck_assert_ptr_null(find("g"));
    restart();
    ck_assert_ptr_null(find("g"));
}
END_TEST

START_TEST(a_group_that_nobody_uses_can_be_deleted_for_good)
{
    struct ks_id id = make_topic("t");
    struct member member;
    struct answer answer;

    make_ready();
    join_alone(&member, "g");
    commit("g", &id, 0, 5);
    answer_init(&answer);
    ks_coordinator_delete(coordinator(), ks_slice_of_text("g"), &answer.wait);
    ck_assert_int_eq(await(&answer), KS_GROUP_NOT_EMPTY);
    ck_assert_int_eq(ks_coordinator_leave(coordinator(), ks_slice_of_text("g"),
                                          ks_slice_of_text(member.id),
                                          (struct kafscale_slice){ 0 }),
                     KS_GROUP_OK);
    answer_init(&answer);
    ks_coordinator_delete(coordinator(), ks_slice_of_text("g"), &answer.wait);
    ck_assert_int_eq(await(&answer), KS_GROUP_OK);
    ck_assert_ptr_null(find("g"));
    restart();
    ck_assert_ptr_null(find("g"));
}
END_TEST

START_TEST(an_offset_of_an_earlier_life_of_a_topic_is_not_current)
{
    struct ks_id first = make_topic("t");
    struct ks_id second;
    const struct ks_offsets_topic *topic;

    make_ready();
    commit("g", &first, 0, 5);
    topic = ks_offsets_find_topic(&find("g")->offsets, ks_slice_of_text("t"));
    ck_assert(ks_coordinator_is_current(coordinator(), topic));
    delete_topic(&first);
    ck_assert(!ks_coordinator_is_current(coordinator(), topic));
    second = make_topic("t");
    ck_assert(!ks_coordinator_is_current(coordinator(), topic));
    commit("g", &second, 1, 6);
    topic = ks_offsets_find_topic(&find("g")->offsets, ks_slice_of_text("t"));
    ck_assert(ks_coordinator_is_current(coordinator(), topic));
    ck_assert_int_eq(committed("g", 0), -1);
    restart();
    ck_assert_int_eq(committed("g", 0), -1);
    ck_assert_int_eq(committed("g", 1), 6);
}
END_TEST

/* Whatever allocation fails: what was answered OK is there, and memory and log say the same. */
START_TEST(without_memory_nothing_that_was_answered_is_lost)
{
    struct ks_id id = make_topic("t");
    int64_t answered = -1;

    make_ready();
    for (uint64_t k = 0; k < 60; k++) {
        struct answer answer;

        ks_alloc_fail_once_after(k);
        begin_commit(&answer, "g", &id, 0, (int64_t) k);
        ck_assert(virtual_env_run_until(&fixture.v, &answer.is_there, RUN_MS));
        ks_alloc_fail_after(UINT64_MAX);
        virtual_env_run_for(&fixture.v, 10000);
        if (answer.error == KS_GROUP_OK) {
            answered = (int64_t) k;
        }
        ck_assert_int_ge(committed("g", 0), answered);
    }
    ck_assert_int_ge(answered, 30);
    answered = committed("g", 0);
    restart();
    ck_assert_int_eq(committed("g", 0), answered);
}
END_TEST

Suite *
suite_new(void)
{
    Suite *suite = suite_create("broker coordinator");
    TCase *tests = tcase_create("all");

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, the_topic_of_groups_is_made_when_somebody_asks_for_a_coordinator);
    tcase_add_test(tests, several_who_ask_at_once_all_hear_of_the_one_topic);
    tcase_add_test(tests, a_committed_offset_is_there_after_a_restart_with_all_that_came_with_it);
    tcase_add_test(tests, commits_of_one_turn_are_one_batch);
    tcase_add_test(tests, an_answer_waits_until_its_record_is_durable);
    tcase_add_test(tests, members_and_generation_go_on_after_a_restart);
    tcase_add_test(tests, a_member_that_does_not_come_back_after_a_restart_goes_with_its_session);
    tcase_add_test(tests, static_members_that_come_back_together_are_all_let_in);
    tcase_add_test(tests, a_join_whose_asker_goes_is_not_answered);
    tcase_add_test(tests, who_waits_when_the_broker_stops_is_told);
    tcase_add_test(tests, a_checkpoint_lets_old_records_go_and_loses_nothing);
    tcase_add_test(tests, records_that_are_old_are_written_again_without_further_ones);
    tcase_add_test(tests, offsets_go_some_time_after_their_group_is_empty_and_the_group_with_them);
    tcase_add_test(tests, a_group_that_nobody_uses_can_be_deleted_for_good);
    tcase_add_test(tests, an_offset_of_an_earlier_life_of_a_topic_is_not_current);
    tcase_add_test(tests, without_memory_nothing_that_was_answered_is_lost);
    suite_add_tcase(suite, tests);
    return suite;
}
