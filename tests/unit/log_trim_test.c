/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Write-ahead objects go when nobody needs them, after the trim mark has said so, and nothing is
 * asked of the store while none may. Whatever moment a broker dies in, the next one finds what was
 * there.
 */
#include "log/trim/trim.h"
#include "support/main.h"
#include "unit/log_fixture.h"

#include <stdio.h>
#include <stdlib.h>

#define BATCHES 8

static struct log_fixture *
with_log(void)
{
    struct log_fixture *f = log_fixture_new();

    ks_log_free(f->log);
    f->options.bundle_slots = 1000;
    ck_assert(log_fixture_new_log(f));
    return f;
}

/* Objects of one batch each. */
static void
append(struct log_fixture *f, int count)
{
    log_fixture_append_apart(f, count, 100);
}

static struct log_fixture *
with_batches(void)
{
    struct log_fixture *f = with_log();

    ck_assert_ptr_nonnull(log_fixture_open(f));
    append(f, BATCHES);
    return f;
}

struct listing {
    bool is_done;
    size_t count;
    uint64_t first;
};

static void
on_listed(void *arg, enum kafscale_status status, const struct kafscale_list_entry *entries,
          size_t entry_count, bool is_truncated, const struct kafscale_error *error)
{
    struct listing *listing = arg;

    (void) error;
    ck_assert_int_eq(status, KAFSCALE_OK);
    ck_assert(!is_truncated);
    listing->is_done = true;
    listing->count = entry_count;
    if (entry_count > 0) {
        listing->first = strtoull(strrchr(entries[0].key, '/') + 1, NULL, 10);
    }
}

/* The slots of one incarnation in the store, seals included. */
static struct listing
list_slots(struct log_fixture *f, const struct ks_id *incarnation)
{
    struct listing listing = { 0 };
    char hex[KS_ID_HEX_BYTES];
    char prefix[200];
    struct kafscale_list list = { .prefix = prefix, .count_max = 1000 };

    ks_id_to_hex(incarnation, hex);
    snprintf(prefix, sizeof prefix, "unit/__kafscale/wal/%s/", hex);
    ks_store_list(f->store, &list, on_listed, &listing);
    ck_assert(virtual_env_run_until(&f->v, &listing.is_done, 60000));
    return listing;
}

static void
expect_slots(struct log_fixture *f, uint64_t first, size_t count)
{
    struct listing listing = list_slots(f, &f->options.incarnation);

    ck_assert_uint_eq(listing.count, count);
    if (count > 0) {
        ck_assert_uint_eq(listing.first, first);
    }
}

START_TEST(slots_go_when_all_in_them_is_below_the_start)
{
    struct log_fixture *f = with_batches();

    f->options.bundle_slots = 12;
    log_fixture_succeed(f);
    append(f, BATCHES);
    log_fixture_raise_start(f, BATCHES + 5);
    virtual_env_run_for(&f->v, 10000);
    expect_slots(f, 5, 3);
    log_fixture_raise_start(f, 2 * BATCHES);
    virtual_env_run_for(&f->v, 10000);
    expect_slots(f, 0, 0);
    append(f, 1);
    expect_slots(f, 8, 1);
    log_fixture_free(f);
}
END_TEST

START_TEST(a_batch_above_the_start_keeps_its_slot_and_those_after_it)
{
    struct log_fixture *f = with_batches();

    log_fixture_raise_start(f, 5);
    virtual_env_run_for(&f->v, 10000);
    expect_slots(f, 0, BATCHES);
    log_fixture_raise_start(f, BATCHES);
    virtual_env_run_for(&f->v, 10000);
    expect_slots(f, 0, 0);
    log_fixture_free(f);
}
END_TEST

START_TEST(an_idle_log_asks_for_nothing)
{
    struct log_fixture *f = with_batches();
    uint64_t before;

    log_fixture_raise_start(f, 5);
    virtual_env_run_for(&f->v, 10000);
    before = log_fixture_requests(f);
    virtual_env_run_for(&f->v, 24 * 3600 * 1000);
    ck_assert_uint_eq(log_fixture_requests(f), before);
    log_fixture_raise_start(f, BATCHES);
    virtual_env_run_for(&f->v, 10000);
    before = log_fixture_requests(f);
    virtual_env_run_for(&f->v, 24 * 3600 * 1000);
    ck_assert_uint_eq(log_fixture_requests(f), before);
    ck_assert_int_eq(ks_env_next_due_ms(&f->v.env), INT64_MAX);
    log_fixture_free(f);
}
END_TEST

START_TEST(slots_of_a_deleted_topic_go)
{
    struct log_fixture *f = with_batches();

    log_fixture_change_topic(f, true);
    ks_log_forget(f->log, log_fixture_partition(f));
    virtual_env_run_for(&f->v, 10000);
    expect_slots(f, 0, 0);
    log_fixture_free(f);
}
END_TEST

START_TEST(slots_of_a_partition_that_was_given_away_stay)
{
    struct log_fixture *f = with_batches();
    uint64_t before;

    ks_log_forget(f->log, log_fixture_partition(f));
    virtual_env_run_for(&f->v, 10000);
    before = log_fixture_requests(f);
    virtual_env_run_for(&f->v, 24 * 3600 * 1000);
    ck_assert_uint_eq(log_fixture_requests(f), before);
    expect_slots(f, 0, BATCHES);
    log_fixture_free(f);
}
END_TEST

static void
on_released(void *arg, enum kafscale_status status, const struct kafscale_error *error)
{
    (void) error;
    ck_assert_int_eq(status, KAFSCALE_OK);
    *(bool *) arg = true;
}

/* What is kept of a partition for bundles goes with its slots when it was given away. */
START_TEST(a_partition_that_comes_and_goes_leaves_nothing_behind)
{
    struct log_fixture *f = with_log();
    struct ks_partition_name name = { .topic = f->topic };
    enum kafscale_status result;
    struct ks_log_release release = { .names = &name, .count = 1, .results = &result };

    for (int i = 0; i < 10; i++) {
        bool is_done = false;

        ck_assert_ptr_nonnull(log_fixture_open(f));
        append(f, 1);
        log_fixture_raise_start(f, i + 1);
        virtual_env_run_for(&f->v, 1000);
        ck_assert_uint_le(f->log->trimmer->own->runs.count, 2);
        ck_assert_int_eq(ks_log_release(f->log, &release, on_released, &is_done), KAFSCALE_OK);
        ck_assert(virtual_env_run_until(&f->v, &is_done, 1000));
    }
    log_fixture_free(f);
}
END_TEST

START_TEST(the_log_of_a_dead_broker_goes_but_for_its_seal)
{
    struct log_fixture *f = with_batches();
    struct ks_id dead = f->options.incarnation;
    struct listing listing;

    log_fixture_succeed(f);
    ck_assert_uint_eq(list_slots(f, &dead).count, BATCHES + 1);
    log_fixture_raise_start(f, BATCHES);
    virtual_env_run_for(&f->v, 10000);
    listing = list_slots(f, &dead);
    ck_assert_uint_eq(listing.count, 1);
    ck_assert_uint_eq(listing.first, BATCHES);
    append(f, 2);
    log_fixture_succeed(f);
    ck_assert_int_eq(ks_partition_high_watermark(log_fixture_partition(f)), BATCHES + 2);
    log_fixture_free(f);
}
END_TEST

/* By bytes they would make a bundle; but half of them is not needed. */
START_TEST(large_slots_that_are_covered_go_before_a_bundle_is_made)
{
    struct log_fixture *f = with_batches();
    size_t batch_bytes = ks_partition_batch_bytes(log_fixture_partition(f), 0);

    log_fixture_free(f);
    f = with_log();
    f->options.bundle_bytes = 5 * batch_bytes;
    log_fixture_restart(f);
    append(f, 4);
    log_fixture_raise_start(f, 3);
    append(f, 1);
    virtual_env_run_for(&f->v, 10000);
    ck_assert_uint_eq(log_fixture_counters(f).bundles_made, 0);
    expect_slots(f, 3, 2);
    log_fixture_free(f);
}
END_TEST

/* The batch that the start lies in must stay. */
START_TEST(a_successor_begins_at_the_mark)
{
    struct log_fixture *f = with_log();

    f->options.bundle_slots = 12;
    log_fixture_restart(f);
    append(f, BATCHES);
    log_fixture_raise_start(f, 3);
    virtual_env_run_for(&f->v, 10000);
    expect_slots(f, 3, BATCHES - 3);
    log_fixture_succeed(f);
    ck_assert_int_eq(ks_partition_log_start(log_fixture_partition(f)), 3);
    ck_assert_int_eq(ks_partition_high_watermark(log_fixture_partition(f)), BATCHES);
    ck_assert_int_eq(ks_partition_placed_from(log_fixture_partition(f)), 3);
    log_fixture_free(f);
}
END_TEST

START_TEST(a_failing_store_delays_deletion_and_no_more)
{
    struct log_fixture *f = with_batches();

    ks_fault_store_next(f->faults, KS_STORE_REMOVE, "/wal/",
                        (struct ks_fate){ .fault = KS_FAULT_UNAVAILABLE }, 5);
    log_fixture_raise_start(f, BATCHES);
    virtual_env_run_for(&f->v, 60000);
    expect_slots(f, 0, 0);
    log_fixture_free(f);
}
END_TEST

/* Whether the transaction whose answer was lost happened is read from the mark. */
START_TEST(a_mark_moves_whatever_becomes_of_the_answer)
{
    struct log_fixture *f = with_batches();

    log_fixture_raise_start(f, BATCHES);
    f->flaky.rate = 1000000;
    virtual_env_run_for(&f->v, 500);
    f->flaky.rate = 0;
    virtual_env_run_for(&f->v, 60000);
    expect_slots(f, 0, 0);
    log_fixture_free(f);
}
END_TEST

/* The mark that is found then lies between where it was and where it would be moved by now. */
START_TEST(a_mark_may_move_long_after_its_answer_was_lost)
{
    struct log_fixture *f = with_batches();

    f->options.bundle_slots = 12;
    log_fixture_succeed(f);
    append(f, BATCHES);
    log_fixture_raise_start(f, BATCHES);
    virtual_env_run_for(&f->v, 10000);
    log_fixture_raise_start(f, BATCHES + 3);
    f->flaky.late = 1;
    while (f->log->trimmer->step != KS_TRIM_CHECK) {
        ck_assert(virtual_env_step(&f->v));
    }
    virtual_env_run_for(&f->v, 1);
    log_fixture_raise_start(f, BATCHES + 6);
    virtual_env_run_for(&f->v, 60000);
    append(f, 1);
    log_fixture_raise_start(f, 2 * BATCHES + 1);
    virtual_env_run_for(&f->v, 60000);
    expect_slots(f, 0, 0);
    log_fixture_free(f);
}
END_TEST

/* --- Death ------------------------------------------------------------------------------------ */

static bool
die_after(uint64_t steps, size_t *trimmed)
{
    struct log_fixture *f = with_batches();
    bool is_done = false;
    bool was_over = false;

    log_fixture_succeed(f);
    append(f, 2);
    ck_assert_int_eq(ks_log_raise_start(f->log, log_fixture_partition(f), BATCHES,
                                        log_fixture_on_raised, &is_done),
                     KAFSCALE_OK);
    while (steps-- > 0 && !was_over) {
        was_over = !virtual_env_step(&f->v);
    }
    log_fixture_succeed(f);
    ck_assert_int_eq(ks_partition_high_watermark(log_fixture_partition(f)), BATCHES + 2);
    *trimmed += ks_partition_placed_from(log_fixture_partition(f)) == BATCHES;
    append(f, 1);
    log_fixture_raise_start(f, BATCHES + 3);
    virtual_env_run_for(&f->v, 60000);
    expect_slots(f, 0, 0);
    log_fixture_free(f);
    return !was_over;
}

START_TEST(a_broker_may_die_at_any_step)
{
    uint64_t steps = 0;
    size_t trimmed = 0;

    while (die_after(steps, &trimmed)) {
        steps++;
        ck_assert_uint_lt(steps, 1000);
    }
    ck_assert_uint_gt(steps, 15);
    ck_assert_uint_gt(trimmed, 3);
}
END_TEST

START_TEST(a_log_may_be_freed_at_any_step)
{
    for (int64_t steps = 0; steps < 60; steps++) {
        struct log_fixture *f = with_batches();
        bool is_done = false;

        ck_assert_int_eq(ks_log_raise_start(f->log, log_fixture_partition(f), BATCHES,
                                            log_fixture_on_raised, &is_done),
                         KAFSCALE_OK);
        for (int64_t i = 0; i < steps && virtual_env_step(&f->v); i++) {
        }
        log_fixture_free(f);
    }
}
END_TEST

Suite *
suite_new(void)
{
    Suite *suite = suite_create("log_trim");
    TCase *tests = tcase_create("all");

    tcase_set_timeout(tests, 200);
    tcase_add_test(tests, slots_go_when_all_in_them_is_below_the_start);
    tcase_add_test(tests, a_batch_above_the_start_keeps_its_slot_and_those_after_it);
    tcase_add_test(tests, an_idle_log_asks_for_nothing);
    tcase_add_test(tests, slots_of_a_deleted_topic_go);
    tcase_add_test(tests, slots_of_a_partition_that_was_given_away_stay);
    tcase_add_test(tests, a_partition_that_comes_and_goes_leaves_nothing_behind);
    tcase_add_test(tests, the_log_of_a_dead_broker_goes_but_for_its_seal);
    tcase_add_test(tests, large_slots_that_are_covered_go_before_a_bundle_is_made);
    tcase_add_test(tests, a_successor_begins_at_the_mark);
    tcase_add_test(tests, a_failing_store_delays_deletion_and_no_more);
    tcase_add_test(tests, a_mark_moves_whatever_becomes_of_the_answer);
    tcase_add_test(tests, a_mark_may_move_long_after_its_answer_was_lost);
    tcase_add_test(tests, a_broker_may_die_at_any_step);
    tcase_add_test(tests, a_log_may_be_freed_at_any_step);
    suite_add_tcase(suite, tests);
    return suite;
}
