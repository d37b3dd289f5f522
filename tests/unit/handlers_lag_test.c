/* SPDX-License-Identifier: Apache-2.0 */
/* How far consumers are behind, as the metrics tell it. */
#include "support/group_client.h"
#include "support/main.h"

#include <stdio.h>

#define INTERVAL_MS 5000
#define MANY 700

static struct broker_fixture fixture;
static struct test_broker *broker;

static void
set_up(void)
{
    broker_fixture_init(&fixture, 52);
    broker = group_broker_start(&fixture);
}

static void
tear_down(void)
{
    test_broker_stop(broker);
    broker_fixture_deinit(&fixture);
}

static double
metric(const char *name, const char *labels)
{
    return client_metric(broker, name, labels);
}

static const struct ks_lag *
lag(void)
{
    return &ks_broker_coordinator(broker->broker)->lag;
}

static void
produce(const char *topic, int32_t partition, int32_t count)
{
    struct client_batch batch = client_batch(topic, partition);
    int64_t offset;

    batch.count = count;
    ck_assert_int_eq(client_produce(broker, &batch, &offset), KAFKA_ERROR_NONE);
}

static void
commit(const char *group, const char *topic, int64_t offset)
{
    struct group_commit request = group_commit(offset);

    request.group = group;
    request.topic = topic;
    ck_assert_int_eq(group_committed(group_commit_begin(broker, &request)), KAFKA_ERROR_NONE);
}

static void
look(void)
{
    virtual_env_run_for(&fixture.v, 2 * INTERVAL_MS);
}

START_TEST(lag_is_from_the_committed_offset_to_the_end)
{
    ck_assert_int_eq(client_create(broker, "a", 2), KAFKA_ERROR_NONE);
    produce("a", 0, 30);
    commit("g", "a", 10);
    look();
    ck_assert_double_eq(metric("kafscale_consumer_group_lag", "group=\"g\",topic=\"a\""), 20);
    ck_assert_double_eq(metric("kafscale_consumer_lag_max", ""), 20);
    ck_assert_double_eq(metric("kafscale_committed_offsets", ""), 1);
    produce("a", 0, 5);
    look();
    ck_assert_double_eq(metric("kafscale_consumer_lag_max", ""), 25);
    commit("g", "a", 35);
    look();
    ck_assert_double_eq(metric("kafscale_consumer_group_lag", "group=\"g\",topic=\"a\""), 0);
    ck_assert_double_eq(metric("kafscale_consumer_lag_max", ""), 0);
}
END_TEST

/* An offset beyond the end is no lag below nothing. */
START_TEST(lag_is_never_negative)
{
    ck_assert_int_eq(client_create(broker, "a", 1), KAFKA_ERROR_NONE);
    commit("g", "a", 1000);
    look();
    ck_assert_double_eq(metric("kafscale_consumer_group_lag", "group=\"g\",topic=\"a\""), 0);
}
END_TEST

START_TEST(where_nothing_changes_nothing_is_looked_at_and_the_histogram_goes_on)
{
    double before;

    ck_assert_int_eq(client_create(broker, "a", 1), KAFKA_ERROR_NONE);
    produce("a", 0, 30);
    commit("g", "a", 10);
    look();
    ck_assert(!lag()->is_due);
    before = metric("kafscale_consumer_lag_bucket", "le=\"100\"");
    virtual_env_run_for(&fixture.v, 10 * INTERVAL_MS);
    ck_assert(!lag()->is_due);
    ck_assert_double_eq(metric("kafscale_consumer_lag_bucket", "le=\"100\""), before + 10);
    ck_assert_double_eq(metric("kafscale_consumer_lag_bucket", "le=\"10\""), 0);
    ck_assert_double_eq(metric("kafscale_consumer_lag_count", ""), before + 10);
    ck_assert_double_eq(metric("kafscale_consumer_lag_sum", ""), 20 * (before + 10));
}
END_TEST

/* Whenever it is read, no bucket has become less, and each interval counts once. */
START_TEST(the_histogram_only_grows)
{
    double last = 0;
    double begun;

    ck_assert_int_eq(client_create(broker, "a", 1), KAFKA_ERROR_NONE);
    produce("a", 0, 30);
    commit("g", "a", 10);
    look();
    begun = metric("kafscale_consumer_lag_count", "");
    for (int i = 0; i < 100; i++) {
        double now;

        if (i % 7 == 0) {
            produce("a", 0, 100);
        }
        virtual_env_run_for(&fixture.v, 1300);
        now = metric("kafscale_consumer_lag_bucket", "le=\"100\"");
        ck_assert_double_ge(now, last);
        last = now;
    }
    ck_assert_double_ge(metric("kafscale_consumer_lag_count", ""), begun + 25);
    ck_assert_double_le(metric("kafscale_consumer_lag_count", ""), begun + 27);
}
END_TEST

START_TEST(without_offsets_there_is_no_timer)
{
    ck_assert_int_eq(client_create(broker, "a", 1), KAFKA_ERROR_NONE);
    produce("a", 0, 30);
    ck_assert(!lag()->is_due);
    ck_assert_uint_eq(lag()->chore.successes, 0);
    ck_assert_double_eq(metric("kafscale_consumer_lag_count", ""), 0);
    ck_assert_double_eq(metric("kafscale_consumer_lag_max", ""), 0);
}
END_TEST

START_TEST(only_those_with_most_lag_are_named)
{
    struct ks_broker_options options;

    test_broker_stop(broker);
    group_broker_options(&options);
    options.coordinator.lag_series_max = 2;
    broker = test_broker_begin(&fixture, &options);
    ck_assert(virtual_env_run_until(&fixture.v, &broker->is_started, 60000));
    virtual_env_run_for(&fixture.v, 1000);
    ck_assert_int_eq(client_create(broker, "a", 1), KAFKA_ERROR_NONE);
    produce("a", 0, 30);
    commit("least", "a", 25);
    commit("most", "a", 1);
    commit("more", "a", 2);
    commit("none", "a", 30);
    look();
    ck_assert_double_eq(metric("kafscale_consumer_group_lag", "group=\"most\",topic=\"a\""), 29);
    ck_assert_double_eq(metric("kafscale_consumer_group_lag", "group=\"more\",topic=\"a\""), 28);
    ck_assert_double_eq(metric("kafscale_consumer_group_lag", "group=\"least\",topic=\"a\""), -1);
    ck_assert_double_eq(metric("kafscale_committed_offsets", ""), 4);
}
END_TEST

START_TEST(what_is_deleted_has_no_lag)
{
    ck_assert_int_eq(client_create(broker, "a", 1), KAFKA_ERROR_NONE);
    ck_assert_int_eq(client_create(broker, "b", 1), KAFKA_ERROR_NONE);
    produce("a", 0, 30);
    produce("b", 0, 20);
    commit("g", "a", 0);
    commit("g", "b", 0);
    look();
    ck_assert_double_eq(metric("kafscale_consumer_lag_max", ""), 30);
    ck_assert_int_eq(client_delete(broker, "a"), KAFKA_ERROR_NONE);
    look();
    ck_assert_double_eq(metric("kafscale_consumer_lag_max", ""), 20);
    ck_assert_double_eq(metric("kafscale_consumer_group_lag", "group=\"g\",topic=\"a\""), -1);
}
END_TEST

START_TEST(a_broker_that_was_started_again_knows_it)
{
    ck_assert_int_eq(client_create(broker, "a", 1), KAFKA_ERROR_NONE);
    produce("a", 0, 30);
    commit("g", "a", 10);
    test_broker_stop(broker);
    broker = group_broker_start(&fixture);
    look();
    ck_assert_double_eq(metric("kafscale_consumer_lag_max", ""), 20);
}
END_TEST

/* --- Many ------------------------------------------------------------------------------------- */

static void
on_done(struct ks_group_wait *wait, enum ks_group_error error)
{
    ck_assert_int_eq(error, KS_GROUP_OK);
    *(bool *) wait->arg = true;
}

/* A group that has committed offset 0 in every partition of "many". */
static void
commit_many(const char *group)
{
    static struct ks_group_offset offsets[MANY];
    struct ks_topic *topic =
        ks_topics_find(ks_broker_topics(broker->broker), ks_slice_of_text("many"));
    bool is_done = false;
    struct ks_group_wait wait = { .done = on_done, .arg = &is_done };

    for (int32_t i = 0; i < MANY; i++) {
        offsets[i] = (struct ks_group_offset){
            .topic = ks_slice_of_text("many"),
            .partition = i,
            .value = { .leader_epoch = -1,
                       .expires_ms = -1,
                       .metadata = ks_slice("", 0),
                       .topic_id = topic->record.id },
        };
    }
    ks_coordinator_commit(ks_broker_coordinator(broker->broker), ks_slice_of_text(group), offsets,
                          MANY, &wait);
    ck_assert(virtual_env_run_until(&fixture.v, &is_done, 60000));
}

static void
delete_group(const char *group)
{
    bool is_done = false;
    struct ks_group_wait wait = { .done = on_done, .arg = &is_done };

    ks_coordinator_delete(ks_broker_coordinator(broker->broker), ks_slice_of_text(group), &wait);
    ck_assert(virtual_env_run_until(&fixture.v, &is_done, 60000));
}

/* Lets the broker go on to where a look has begun and not ended. */
static void
step_into_a_look(void)
{
    while (!lag()->is_looking) {
        ck_assert(virtual_env_step(&fixture.v));
    }
    ck_assert_ptr_nonnull(lag()->group);
}

static void
make_many(void)
{
    ck_assert_int_eq(client_create(broker, "many", MANY), KAFKA_ERROR_NONE);
    virtual_env_run_for(&fixture.v, 2000);
    commit_many("one");
    commit_many("two");
    commit_many("three");
    look();
    ck_assert_double_eq(metric("kafscale_committed_offsets", ""), 3 * MANY);
}

START_TEST(one_turn_of_the_loop_looks_at_some_offsets_only)
{
    size_t seen = 0;
    int turns = 0;

    make_many();
    produce("many", 1, 5);
    step_into_a_look();
    while (lag()->is_looking) {
        ck_assert_uint_le(lag()->next.counts.count - seen, 1000);
        seen = lag()->next.counts.count;
        turns++;
        ck_assert(virtual_env_step(&fixture.v));
    }
    ck_assert_int_ge(turns, 2);
    ck_assert_double_eq(metric("kafscale_consumer_group_lag", "group=\"two\",topic=\"many\""), 5);
}
END_TEST

START_TEST(groups_may_go_while_they_are_looked_at)
{
    static const char *const names[] = { "one", "two", "three" };

    make_many();
    for (int i = 0; i < 3; i++) {
        produce("many", 1, 5);
        if (i < 2) {
            step_into_a_look();
        }
        delete_group(names[(i + _i) % 3]);
        look();
        ck_assert(!lag()->is_looking);
        ck_assert_double_eq(metric("kafscale_committed_offsets", ""), (2 - i) * MANY);
    }
    ck_assert(!lag()->is_due);
}
END_TEST

START_TEST(topics_may_go_while_they_are_looked_at)
{
    make_many();
    produce("many", 1, 5);
    step_into_a_look();
    ck_assert_int_eq(client_delete(broker, "many"), KAFKA_ERROR_NONE);
    ck_assert_int_eq(client_create(broker, "many", 1), KAFKA_ERROR_NONE);
    commit("two", "many", 0);
    look();
    ck_assert_double_eq(metric("kafscale_committed_offsets", ""), 1);
}
END_TEST

START_TEST(a_broker_may_end_in_the_middle_of_a_look)
{
    make_many();
    produce("many", 1, 5);
    step_into_a_look();
    test_broker_stop(broker);
    broker = group_broker_start(&fixture);
    look();
    ck_assert_double_eq(metric("kafscale_committed_offsets", ""), 3 * MANY);
}
END_TEST

START_TEST(names_that_memory_is_short_for_are_left_out)
{
    ck_assert_int_eq(client_create(broker, "a", 1), KAFKA_ERROR_NONE);
    produce("a", 0, 30);
    commit("g", "a", 10);
    look();
    produce("a", 0, 30);
    while (!lag()->is_due || lag()->due_ms > ks_env_now_ms(&fixture.v.env) + 1) {
        virtual_env_run_for(&fixture.v, 1);
    }
    ks_alloc_fail_after(0);
    virtual_env_run_for(&fixture.v, 2);
    ks_alloc_fail_after(UINT64_MAX);
    ck_assert_uint_eq(lag()->chore.failures, 1);
    ck_assert_double_eq(metric("kafscale_consumer_lag_max", ""), 50);
    ck_assert_double_eq(metric("kafscale_consumer_group_lag", "group=\"g\",topic=\"a\""), -1);
}
END_TEST

Suite *
suite_new(void)
{
    Suite *suite = suite_create("handlers lag");
    TCase *tests = tcase_create("all");

    tcase_set_timeout(tests, 60);
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, lag_is_from_the_committed_offset_to_the_end);
    tcase_add_test(tests, lag_is_never_negative);
    tcase_add_test(tests, where_nothing_changes_nothing_is_looked_at_and_the_histogram_goes_on);
    tcase_add_test(tests, the_histogram_only_grows);
    tcase_add_test(tests, without_offsets_there_is_no_timer);
    tcase_add_test(tests, only_those_with_most_lag_are_named);
    tcase_add_test(tests, what_is_deleted_has_no_lag);
    tcase_add_test(tests, a_broker_that_was_started_again_knows_it);
    tcase_add_test(tests, one_turn_of_the_loop_looks_at_some_offsets_only);
    tcase_add_loop_test(tests, groups_may_go_while_they_are_looked_at, 0, 3);
    tcase_add_test(tests, topics_may_go_while_they_are_looked_at);
    tcase_add_test(tests, a_broker_may_end_in_the_middle_of_a_look);
    tcase_add_test(tests, names_that_memory_is_short_for_are_left_out);
    suite_add_tcase(suite, tests);
    return suite;
}
