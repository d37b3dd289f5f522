/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Retention: old batches go when they have passed a limit, no others do, and where nothing can go
 * neither the store is asked nor a timer set.
 */
#include "log/core.h"
#include "support/main.h"
#include "unit/log_fixture.h"

#define MINUTE_MS 60000
#define CHECK_MS (5 * MINUTE_MS)

static void
append(struct log_fixture *f, int64_t age_ms)
{
    f->batch_time_ms = ks_env_wall_ms(&f->v.env) - age_ms;
    log_fixture_append(f, log_fixture_partition(f), (int32_t) f->append_count);
    virtual_env_run_for(&f->v, 100);
}

static struct log_fixture *
with_partition(void)
{
    struct log_fixture *f = log_fixture_new();

    ck_assert_ptr_nonnull(log_fixture_open(f));
    return f;
}

/* --- Time --- */

START_TEST(batches_go_when_they_are_too_old)
{
    struct log_fixture *f = with_partition();

    log_fixture_limit(f, 60 * MINUTE_MS, -1);
    append(f, 100 * MINUTE_MS);
    append(f, 90 * MINUTE_MS);
    append(f, 30 * MINUTE_MS);
    append(f, 0);
    virtual_env_run_for(&f->v, CHECK_MS - MINUTE_MS);
    ck_assert_int_eq(log_fixture_log_start(f), 0);
    virtual_env_run_for(&f->v, 2 * MINUTE_MS);
    ck_assert_int_eq(log_fixture_log_start(f), 2);
    /* The others in their time, with an eighth of it more, and both once the second is due. */
    virtual_env_run_for(&f->v, 30 * MINUTE_MS);
    ck_assert_int_eq(log_fixture_log_start(f), 2);
    virtual_env_run_for(&f->v, 10 * MINUTE_MS);
    ck_assert_int_eq(log_fixture_log_start(f), 3);
    virtual_env_run_for(&f->v, 40 * MINUTE_MS);
    ck_assert_int_eq(log_fixture_log_start(f), 4);
    ck_assert_int_eq(ks_partition_high_watermark(log_fixture_partition(f)), 4);
    log_fixture_free(f);
}
END_TEST

/* As in Kafka what came later does not go before what is in front of it. */
START_TEST(a_young_batch_keeps_older_ones_behind_it)
{
    struct log_fixture *f = with_partition();

    log_fixture_limit(f, 60 * MINUTE_MS, -1);
    append(f, 0);
    append(f, 100 * MINUTE_MS);
    virtual_env_run_for(&f->v, 2 * CHECK_MS);
    ck_assert_int_eq(log_fixture_log_start(f), 0);
    virtual_env_run_for(&f->v, 70 * MINUTE_MS);
    ck_assert_int_eq(log_fixture_log_start(f), 2);
    log_fixture_free(f);
}
END_TEST

START_TEST(without_limits_everything_stays)
{
    struct log_fixture *f = with_partition();

    append(f, 100 * MINUTE_MS);
    virtual_env_run_for(&f->v, 2 * CHECK_MS);
    ck_assert_int_eq(log_fixture_log_start(f), 0);
    log_fixture_limit(f, MINUTE_MS, 1);
    log_fixture_limit(f, -1, -1);
    virtual_env_run_for(&f->v, 2 * CHECK_MS);
    ck_assert_int_eq(log_fixture_log_start(f), 0);
    log_fixture_free(f);
}
END_TEST

START_TEST(the_largest_limits_are_no_limits)
{
    struct log_fixture *f = with_partition();

    log_fixture_limit(f, INT64_MAX, INT64_MAX);
    append(f, 100 * MINUTE_MS);
    virtual_env_run_for(&f->v, 2 * CHECK_MS);
    ck_assert_int_eq(log_fixture_log_start(f), 0);
    log_fixture_free(f);
}
END_TEST

/* Bundled or not, records go in their time. */
START_TEST(what_is_in_bundles_goes_too)
{
    struct log_fixture *f = with_partition();

    f->options.bundle_slots = 2;
    log_fixture_restart(f);
    for (int64_t age = 10; age > 3; age--) {
        append(f, age * 10 * MINUTE_MS);
    }
    ck_assert_uint_eq(log_fixture_counters(f).bundles_made, 3);
    log_fixture_limit(f, 65 * MINUTE_MS, -1);
    virtual_env_run_for(&f->v, 2 * CHECK_MS);
    ck_assert_int_eq(log_fixture_log_start(f), 4);
    virtual_env_run_for(&f->v, 40 * MINUTE_MS);
    ck_assert_int_eq(log_fixture_log_start(f), 7);
    log_fixture_free(f);
}
END_TEST

START_TEST(bundles_count_when_there_is_too_much)
{
    struct log_fixture *f = with_partition();
    int64_t one;

    f->options.bundle_slots = 2;
    log_fixture_restart(f);
    for (int i = 0; i < 7; i++) {
        append(f, 0);
    }
    one = (int64_t) ks_partition_batch_bytes(log_fixture_partition(f), 6);
    log_fixture_limit(f, -1, 2 * one);
    virtual_env_run_for(&f->v, 2 * CHECK_MS);
    ck_assert_int_eq(log_fixture_log_start(f), 4);
    log_fixture_free(f);
}
END_TEST

/* --- Size --- */

START_TEST(the_oldest_go_when_there_is_too_much)
{
    struct log_fixture *f = with_partition();
    int64_t batch_bytes;

    append(f, 0);
    batch_bytes = (int64_t) ks_partition_batch_bytes(log_fixture_partition(f), 0);
    log_fixture_limit(f, -1, 4 * batch_bytes);
    for (int i = 0; i < 4; i++) {
        append(f, 0);
    }
    /* Five: without one the limit would just be kept, but that is not worth the while yet. */
    virtual_env_run_for(&f->v, 2 * CHECK_MS);
    ck_assert_int_eq(log_fixture_log_start(f), 0);
    append(f, 0);
    virtual_env_run_for(&f->v, 2 * CHECK_MS);
    ck_assert_int_eq(log_fixture_log_start(f), 2);
    log_fixture_limit(f, -1, 0);
    virtual_env_run_for(&f->v, 2 * CHECK_MS);
    ck_assert_int_eq(log_fixture_log_start(f), 6);
    log_fixture_free(f);
}
END_TEST

/* --- What is not committed, not there, or not ours --- */

START_TEST(what_is_not_committed_stays)
{
    struct log_fixture *f = with_partition();
    struct ks_fate away = { .fault = KS_FAULT_UNAVAILABLE };

    log_fixture_limit(f, MINUTE_MS, -1);
    append(f, 100 * MINUTE_MS);
    ks_fault_store_next(f->faults, KS_STORE_PUT, "/wal/", away, UINT32_MAX);
    append(f, 100 * MINUTE_MS);
    virtual_env_run_for(&f->v, 2 * CHECK_MS);
    ck_assert_int_eq(log_fixture_log_start(f), 1);
    ks_fault_store_clear(f->faults);
    virtual_env_run_for(&f->v, 2 * CHECK_MS);
    ck_assert_int_eq(log_fixture_log_start(f), 2);
    log_fixture_free(f);
}
END_TEST

START_TEST(a_store_that_is_away_is_waited_for)
{
    struct log_fixture *f = with_partition();
    struct ks_fate away = { .fault = KS_FAULT_UNAVAILABLE };

    log_fixture_limit(f, MINUTE_MS, -1);
    append(f, 100 * MINUTE_MS);
    ks_fault_store_next(f->faults, KS_STORE_OPERATION_COUNT, NULL, away, UINT32_MAX);
    virtual_env_run_for(&f->v, 5 * CHECK_MS);
    ck_assert_int_eq(log_fixture_log_start(f), 0);
    ks_fault_store_clear(f->faults);
    virtual_env_run_for(&f->v, CHECK_MS);
    ck_assert_int_eq(log_fixture_log_start(f), 1);
    log_fixture_free(f);
}
END_TEST

START_TEST(partitions_may_go_during_a_check)
{
    struct log_fixture *f = with_partition();
    struct ks_fate slow = { .effect_ms = 1000, .answer_ms = 1000 };

    log_fixture_limit(f, MINUTE_MS, -1);
    append(f, 100 * MINUTE_MS);
    ks_fault_store_next(f->faults, KS_STORE_OPERATION_COUNT, NULL, slow, UINT32_MAX);
    virtual_env_run_for(&f->v, CHECK_MS + 500);
    ks_log_forget(f->log, log_fixture_partition(f));
    virtual_env_run_for(&f->v, 2 * CHECK_MS);
    log_fixture_free(f);
}
END_TEST

/* --- Idleness --- */

START_TEST(a_log_with_nothing_to_expire_is_idle)
{
    struct log_fixture *f = with_partition();
    uint64_t before;

    log_fixture_limit(f, 60 * MINUTE_MS, 1000000);
    ck_assert(!ks_env_timer_is_set(&f->log->retention.timer));
    append(f, 0);
    before = log_fixture_requests(f);
    virtual_env_run_for(&f->v, 59 * MINUTE_MS);
    ck_assert_uint_eq(log_fixture_requests(f), before);
    virtual_env_run_for(&f->v, 30 * MINUTE_MS);
    ck_assert_int_eq(log_fixture_log_start(f), 1);
    ck_assert_uint_gt(log_fixture_requests(f), before);
    virtual_env_run_for(&f->v, 2 * CHECK_MS);
    before = log_fixture_requests(f);
    ck_assert(!ks_env_timer_is_set(&f->log->retention.timer));
    virtual_env_run_for(&f->v, 24 * 60 * MINUTE_MS);
    ck_assert_uint_eq(log_fixture_requests(f), before);
    log_fixture_free(f);
}
END_TEST

/* --- Many --- */

#define PARTITIONS 3000

START_TEST(thousands_of_partitions_share_transactions)
{
    struct log_fixture *f = log_fixture_new();
    struct ks_partition_name *names = ks_alloc_zero(PARTITIONS, sizeof *names);
    const char **topic_names = ks_alloc_zero(PARTITIONS, sizeof *topic_names);
    enum kafscale_status *results = ks_alloc_zero(PARTITIONS, sizeof *results);
    struct ks_append *appends = ks_alloc_zero(PARTITIONS, sizeof *appends);
    struct ks_retention retention = { .ms = MINUTE_MS, .bytes = -1 };
    struct ks_log_open open = {
        .names = names, .topic_names = topic_names, .count = PARTITIONS, .results = results
    };

    for (int32_t i = 0; i < PARTITIONS; i++) {
        names[i] = (struct ks_partition_name){ .topic = f->topic, .index = i };
        topic_names[i] = "t";
    }
    ck_assert_int_eq(ks_log_open(f->log, &open, log_fixture_on_opened, f), KAFSCALE_OK);
    ck_assert(virtual_env_run_until(&f->v, &f->is_opened, 60000));
    f->batch_time_ms = 0;
    for (int32_t i = 0; i < PARTITIONS; i++) {
        struct ks_partition *partition = ks_log_find(f->log, &names[i]);

        f->append_count = 0;
        appends[i] = *log_fixture_make_append(f, 0);
        ks_log_set_retention(f->log, partition, &retention);
        ks_log_append(f->log, partition, &appends[i]);
    }
    virtual_env_run_for(&f->v, 2 * CHECK_MS);
    for (int32_t i = 0; i < PARTITIONS; i++) {
        ck_assert_int_eq(ks_partition_log_start(ks_log_find(f->log, &names[i])), 1);
        kafscale_blob_unref(appends[i].owner);
    }
    f->append_count = 0;
    ks_free(names);
    ks_free(topic_names);
    ks_free(results);
    ks_free(appends);
    log_fixture_free(f);
}
END_TEST

Suite *
suite_new(void)
{
    Suite *suite = suite_create("log retention");
    TCase *tests = tcase_create("retention");

    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, batches_go_when_they_are_too_old);
    tcase_add_test(tests, a_young_batch_keeps_older_ones_behind_it);
    tcase_add_test(tests, without_limits_everything_stays);
    tcase_add_test(tests, what_is_in_bundles_goes_too);
    tcase_add_test(tests, bundles_count_when_there_is_too_much);
    tcase_add_test(tests, the_largest_limits_are_no_limits);
    tcase_add_test(tests, the_oldest_go_when_there_is_too_much);
    tcase_add_test(tests, what_is_not_committed_stays);
    tcase_add_test(tests, a_store_that_is_away_is_waited_for);
    tcase_add_test(tests, partitions_may_go_during_a_check);
    tcase_add_test(tests, a_log_with_nothing_to_expire_is_idle);
    tcase_add_test(tests, thousands_of_partitions_share_transactions);
    suite_add_tcase(suite, tests);
    return suite;
}
