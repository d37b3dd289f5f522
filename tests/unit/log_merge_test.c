/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bundles are merged while their log is written to; whoever reads finds everything, whatever moment
 * a broker dies in and whoever has read the log before.
 */
#include "log/trim/trim.h"
#include "support/main.h"
#include "unit/log_fixture.h"

#define SLOTS 2
#define COUNT 3
#define RUN (SLOTS * COUNT) /* batches that make bundles for one merge */

static struct log_fixture *
with_log(void)
{
    struct log_fixture *f = log_fixture_new();

    f->options.bundle_slots = SLOTS;
    f->options.merge_count = COUNT;
    f->options.cache_bytes_max = 0;
    log_fixture_restart(f);
    return f;
}

/* Objects of one batch each; background work goes on. */
static void
append(struct log_fixture *f, int count)
{
    log_fixture_append_apart(f, count, 2000);
}

static struct log_fixture *
with_batches(int count)
{
    struct log_fixture *f = with_log();

    append(f, count);
    virtual_env_run_for(&f->v, 20000);
    return f;
}

START_TEST(bundles_become_one_and_go)
{
    struct log_fixture *f = with_batches(RUN);

    ck_assert_uint_eq(log_fixture_counters(f).bundles_made, COUNT);
    ck_assert_uint_eq(log_fixture_counters(f).merges, 1);
    ck_assert_uint_eq(log_fixture_counters(f).bundles_merged, COUNT);
    ck_assert_uint_eq(log_fixture_count_objects(f, "bundle"), 1);
    ck_assert_uint_eq(log_fixture_partition(f)->bundled_count, 1);
    log_fixture_expect_records(f, 0, RUN, 1000);
    log_fixture_free(f);
}
END_TEST

START_TEST(merged_bundles_are_merged_again)
{
    struct log_fixture *f = with_batches(RUN * COUNT);

    ck_assert_uint_eq(log_fixture_counters(f).merges, COUNT + 1);
    ck_assert_uint_eq(log_fixture_count_objects(f, "bundle"), 1);
    ck_assert_uint_eq(log_fixture_partition(f)->bundled_count, 1);
    log_fixture_expect_records(f, 0, RUN * COUNT, 1000);
    append(f, 1);
    log_fixture_expect_records(f, 0, RUN * COUNT + 1, 1000);
    log_fixture_free(f);
}
END_TEST

/* One section is so long that it lies in several parts. */
START_TEST(a_merged_bundle_has_parts)
{
    struct log_fixture *f = with_log();

    f->log->options.merge_part_bytes = 100;
    append(f, RUN);
    virtual_env_run_for(&f->v, 20000);
    ck_assert_uint_eq(log_fixture_counters(f).merges, 1);
    ck_assert_uint_eq(log_fixture_counters(f).merge_parts, COUNT);
    ck_assert_uint_eq(log_fixture_count_objects(f, "bundle"), COUNT);
    log_fixture_expect_records(f, 0, RUN, 1000);
    log_fixture_succeed(f);
    log_fixture_expect_records(f, 0, RUN, 1000);
    append(f, 1);
    log_fixture_expect_records(f, 0, RUN + 1, 1000);
    log_fixture_free(f);
}
END_TEST

START_TEST(a_later_owner_finds_records_and_producers)
{
    struct log_fixture *f = with_batches(RUN);

    ck_assert_uint_eq(log_fixture_counters(f).merges, 1);
    log_fixture_succeed(f);
    log_fixture_expect_records(f, 0, RUN, 1000);
    /* A producer that goes on, and one that sends its last batch again. */
    append(f, 1);
    log_fixture_expect_records(f, 0, RUN + 1, 1000);
    log_fixture_append(f, log_fixture_partition(f), RUN);
    virtual_env_run_for(&f->v, 2000);
    ck_assert_uint_eq(log_fixture_counters(f).duplicates, 1);
    log_fixture_free(f);
}
END_TEST

START_TEST(long_sections_are_left)
{
    struct log_fixture *f = with_log();

    f->log->options.merge_section_bytes = 10;
    append(f, RUN);
    virtual_env_run_for(&f->v, 20000);
    ck_assert_uint_eq(log_fixture_counters(f).merges + log_fixture_counters(f).merges_lost, 0);
    ck_assert_uint_eq(log_fixture_count_objects(f, "bundle"), COUNT);
    log_fixture_expect_records(f, 0, RUN, 1000);
    log_fixture_free(f);
}
END_TEST

/* They press while the last bundle is on its way, so that it is the merge that waits. */
START_TEST(a_merge_gives_way_to_clients)
{
    struct ks_fate slow = { .effect_ms = 500, .answer_ms = 500 };
    struct log_fixture *f = with_batches(RUN - 1);

    ks_fault_store_next(f->faults, KS_STORE_PUT, "/bundle/", slow, 1);
    log_fixture_append_apart(f, 1, 900);
    ks_pace_press(&f->log->pace, ks_env_now_ms(&f->v.env));
    virtual_env_run_for(&f->v, 900);
    ck_assert_uint_eq(log_fixture_counters(f).bundles_made, COUNT);
    ck_assert_uint_eq(log_fixture_counters(f).merges, 0);
    virtual_env_run_for(&f->v, 10000);
    ck_assert_uint_eq(log_fixture_counters(f).merges, 1);
    log_fixture_expect_records(f, 0, RUN, 1000);
    log_fixture_free(f);
}
END_TEST

START_TEST(an_idle_log_asks_for_nothing)
{
    struct log_fixture *f = with_batches(RUN);

    ck_assert_uint_eq(log_fixture_counters(f).merges, 1);
    ck_assert_int_eq(ks_env_next_due_ms(&f->v.env), INT64_MAX);
    log_fixture_free(f);
}
END_TEST

START_TEST(a_merged_bundle_goes_when_all_in_it_is_below_the_start)
{
    struct log_fixture *f = with_log();

    f->log->options.merge_part_bytes = 100;
    append(f, RUN);
    virtual_env_run_for(&f->v, 20000);
    log_fixture_raise_start(f, RUN - 1);
    virtual_env_run_for(&f->v, 20000);
    ck_assert_uint_eq(log_fixture_count_objects(f, "bundle"), COUNT);
    log_fixture_expect_records(f, RUN - 1, RUN, 1000);
    log_fixture_raise_start(f, RUN);
    virtual_env_run_for(&f->v, 20000);
    ck_assert_uint_eq(log_fixture_count_objects(f, "bundle"), 0);
    ck_assert_uint_eq(log_fixture_counters(f).bundles_removed, 1);
    log_fixture_free(f);
}
END_TEST

static void
on_txn(void *arg, enum kafscale_status status, uint64_t revision,
       const struct kafscale_error *error)
{
    (void) revision;
    (void) error;
    ck_assert_int_eq(status, KAFSCALE_OK);
    *(bool *) arg = true;
}

/* Another broker says that it has read this log. */
static void
tell_of_reader(struct log_fixture *f)
{
    char key[KS_BUNDLE_REGISTER_KEY_BYTES];
    struct kafscale_meta_operation operation = { .key = key, .value = ks_slice("x", 1) };
    struct kafscale_meta_txn txn = { .operations = &operation, .operation_count = 1 };
    bool is_done = false;

    ks_reader_register_key(&f->options.incarnation, key);
    ks_meta_txn(f->meta, &txn, on_txn, &is_done);
    ck_assert(virtual_env_run_until(&f->v, &is_done, 1000));
}

START_TEST(what_others_have_read_is_not_merged)
{
    struct log_fixture *f = with_batches(RUN - 1);

    tell_of_reader(f);
    append(f, 1 + RUN);
    virtual_env_run_for(&f->v, 60000);
    ck_assert_uint_eq(log_fixture_counters(f).merges, 0);
    ck_assert_uint_eq(log_fixture_counters(f).merges_lost, 1);
    /* What was put for the merge is gone again. */
    ck_assert_uint_eq(log_fixture_count_objects(f, "bundle"), 2 * COUNT);
    log_fixture_expect_records(f, 0, 2 * RUN, 1000);
    log_fixture_free(f);
}
END_TEST

START_TEST(answers_may_be_lost)
{
    struct log_fixture *f = with_batches(RUN - 1);

    ks_fault_store_next(f->faults, KS_STORE_PUT, "-last",
                        (struct ks_fate){ .fault = KS_FAULT_ERROR_AFTER }, 2);
    f->flaky.rate = 500000;
    append(f, 1);
    virtual_env_run_for(&f->v, 60000);
    f->flaky.rate = 0;
    virtual_env_run_for(&f->v, 60000);
    ck_assert_uint_eq(log_fixture_counters(f).merges, 1);
    ck_assert_uint_eq(log_fixture_count_objects(f, "bundle"), 1);
    log_fixture_expect_records(f, 0, RUN, 1000);
    log_fixture_free(f);
}
END_TEST

/* False: that was the end. Each step of the loop is one at which a broker may die. */
static bool
die_after(uint64_t steps, uint64_t *merges)
{
    struct log_fixture *f = with_batches(RUN - 1);
    bool was_over = false;

    f->options.leftovers_delay_ms = 1000;
    f->log->options.merge_part_bytes = 100;
    log_fixture_append(f, log_fixture_partition(f), RUN - 1);
    for (uint64_t i = 0; i < steps && !was_over; i++) {
        was_over = !virtual_env_step(&f->v);
    }
    *merges += log_fixture_counters(f).merges;
    log_fixture_succeed(f);
    virtual_env_run_for(&f->v, 60000);
    log_fixture_expect_records(f, 0, ks_partition_high_watermark(log_fixture_partition(f)), 1000);
    ck_assert_int_ge(ks_partition_high_watermark(log_fixture_partition(f)),
                     (int64_t) f->acknowledged);
    /* What the merge replaces, or what it made, which may wait for the next start. */
    ck_assert_uint_le(log_fixture_count_objects(f, "bundle"), 2 * COUNT);
    log_fixture_free(f);
    return !was_over;
}

START_TEST(a_broker_may_die_at_any_step)
{
    uint64_t merges = 0;
    uint64_t steps = 0;

    while (die_after(steps, &merges)) {
        steps++;
        ck_assert_uint_lt(steps, 1000);
    }
    ck_assert_uint_gt(steps, 20);
    ck_assert_uint_gt(merges, 3);
    ck_assert_uint_lt(merges, steps - 10);
}
END_TEST

START_TEST(a_log_may_be_freed_at_any_step)
{
    for (int64_t steps = 0; steps < 100; steps++) {
        struct log_fixture *f = with_batches(RUN - 1);

        log_fixture_append(f, log_fixture_partition(f), RUN - 1);
        for (int64_t i = 0; i < steps && virtual_env_step(&f->v); i++) {
        }
        log_fixture_free(f);
    }
}
END_TEST

/* Each fails once: nothing is lost, and it is done though nothing more is written. */
START_TEST(each_allocation_may_fail)
{
    bool has_failed = true;
    uint64_t allowed = 0;
    uint64_t lost = 0;

    for (; has_failed; allowed++) {
        struct log_fixture *f = with_batches(RUN - 1);

        log_fixture_append(f, log_fixture_partition(f), RUN - 1);
        while (f->acknowledged < RUN) {
            ck_assert(virtual_env_step(&f->v));
        }
        ks_alloc_fail_once_after(allowed);
        virtual_env_run_for(&f->v, 10000);
        has_failed = ks_alloc_fail_after(UINT64_MAX) == UINT64_MAX;
        virtual_env_run_for(&f->v, 60000);
        lost += log_fixture_counters(f).merges == 0;
        log_fixture_expect_records(f, 0, RUN, 1000);
        log_fixture_succeed(f);
        log_fixture_expect_records(f, 0, RUN, 1000);
        log_fixture_free(f);
    }
    ck_assert_uint_gt(allowed, 20);
    ck_assert_uint_eq(lost, 0);
}
END_TEST

Suite *
suite_new(void)
{
    Suite *suite = suite_create("log_merge");
    TCase *tests = tcase_create("all");

    tcase_set_timeout(tests, 200);
    tcase_add_test(tests, bundles_become_one_and_go);
    tcase_add_test(tests, merged_bundles_are_merged_again);
    tcase_add_test(tests, a_merged_bundle_has_parts);
    tcase_add_test(tests, a_later_owner_finds_records_and_producers);
    tcase_add_test(tests, long_sections_are_left);
    tcase_add_test(tests, a_merge_gives_way_to_clients);
    tcase_add_test(tests, an_idle_log_asks_for_nothing);
    tcase_add_test(tests, a_merged_bundle_goes_when_all_in_it_is_below_the_start);
    tcase_add_test(tests, what_others_have_read_is_not_merged);
    tcase_add_test(tests, answers_may_be_lost);
    tcase_add_test(tests, a_broker_may_die_at_any_step);
    tcase_add_test(tests, a_log_may_be_freed_at_any_step);
    tcase_add_test(tests, each_allocation_may_fail);
    suite_add_tcase(suite, tests);
    return suite;
}
