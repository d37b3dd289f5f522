/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bundles are merged while their log is written to; whoever reads finds everything, whatever moment
 * a broker dies in and whoever has read the log before.
 */
#include "log/trim.h"
#include "support/main.h"
#include "unit/log_fixture.h"

#include <stdio.h>
#include <stdlib.h>

#define SLOTS 2
#define COUNT 3
#define RUN (SLOTS * COUNT) /* batches that make bundles for one merge */

static struct log_fixture *
with_log(void)
{
    struct log_fixture *f = log_fixture_new();

    ks_log_free(f->log);
    f->options.bundle_slots = SLOTS;
    f->options.merge_count = COUNT;
    f->options.cache_bytes_max = 0;
    ck_assert(log_fixture_new_log(f));
    ck_assert_ptr_nonnull(log_fixture_open(f));
    return f;
}

/* Objects of one batch each; background work goes on. */
static void
append(struct log_fixture *f, int count)
{
    for (int i = 0; i < count; i++) {
        log_fixture_append(f, log_fixture_partition(f), (int32_t) f->append_count);
        virtual_env_run_for(&f->v, 2000);
    }
    ck_assert_uint_eq(f->acknowledged, f->append_count);
}

static struct log_fixture *
with_batches(int count)
{
    struct log_fixture *f = with_log();

    append(f, count);
    virtual_env_run_for(&f->v, 20000);
    return f;
}

static struct ks_log_counters
counters(const struct log_fixture *f)
{
    struct ks_log_counters counters;

    ks_log_get_counters(f->log, &counters);
    return counters;
}

static void
on_listed(void *arg, enum kafscale_status status, const struct kafscale_list_entry *entries,
          size_t entry_count, bool is_truncated, const struct kafscale_error *error)
{
    (void) entries;
    (void) error;
    ck_assert_int_eq(status, KAFSCALE_OK);
    ck_assert(!is_truncated);
    *(size_t *) arg = entry_count;
}

static size_t
count_objects(struct log_fixture *f, const char *kind)
{
    char prefix[100];
    struct kafscale_list list = { .prefix = prefix, .count_max = 1000 };
    size_t count = SIZE_MAX;

    snprintf(prefix, sizeof prefix, "unit/__kafscale/%s/", kind);
    ks_store_list(f->store, &list, on_listed, &count);
    virtual_env_run_for(&f->v, 1000);
    ck_assert_uint_ne(count, SIZE_MAX);
    return count;
}

static void
on_read(struct ks_log_read *read, enum kafscale_status status)
{
    ck_assert_int_eq(status, KAFSCALE_OK);
    *(bool *) read->arg = true;
}

/* The offsets [first, end) hold one record each, of the sequence that is their offset. */
static void
expect_records(struct log_fixture *f, int64_t first, int64_t end)
{
    struct kafscale_error error = { 0 };
    int64_t offset = first;

    ck_assert_int_eq(ks_partition_high_watermark(log_fixture_partition(f)), end);
    while (offset < end) {
        bool is_done = false;
        enum kafscale_status status = KAFSCALE_OK;
        struct ks_log_read read = { .partition = log_fixture_partition(f),
                                    .offset = offset,
                                    .bytes_max = 1000,
                                    .is_first_whole = true,
                                    .done = on_read,
                                    .arg = &is_done };

        if (!ks_log_read(f->log, &read, &status)) {
            ck_assert(virtual_env_run_until(&f->v, &is_done, 60000));
        }
        ck_assert_int_eq(status, KAFSCALE_OK);
        ck_assert_uint_gt(read.part_count, 0);
        for (size_t i = 0; i < read.part_count; i++) {
            struct ks_batch batch;

            ck_assert_int_eq(ks_batch_parse(read.parts[i].bytes, &batch, &error), KAFSCALE_OK);
            ck_assert_int_eq(batch.base_offset, offset);
            ck_assert_int_eq(batch.base_sequence, (int32_t) offset);
            offset++;
        }
        ks_log_read_release(&read);
    }
}

/* The next incarnation, after a crash. */
static void
succeed(struct log_fixture *f)
{
    log_fixture_crash(f);
    ck_assert(log_fixture_new_log(f));
    ck_assert_ptr_nonnull(log_fixture_open(f));
}

START_TEST(bundles_become_one_and_go)
{
    struct log_fixture *f = with_batches(RUN);

    ck_assert_uint_eq(counters(f).bundles_made, COUNT);
    ck_assert_uint_eq(counters(f).merges, 1);
    ck_assert_uint_eq(counters(f).bundles_merged, COUNT);
    ck_assert_uint_eq(count_objects(f, "bundle"), 1);
    ck_assert_uint_eq(log_fixture_partition(f)->bundled_count, 1);
    expect_records(f, 0, RUN);
    log_fixture_free(f);
}
END_TEST

START_TEST(merged_bundles_are_merged_again)
{
    struct log_fixture *f = with_batches(RUN * COUNT);

    ck_assert_uint_eq(counters(f).merges, COUNT + 1);
    ck_assert_uint_eq(count_objects(f, "bundle"), 1);
    ck_assert_uint_eq(log_fixture_partition(f)->bundled_count, 1);
    expect_records(f, 0, RUN * COUNT);
    append(f, 1);
    expect_records(f, 0, RUN * COUNT + 1);
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
    ck_assert_uint_eq(counters(f).merges, 1);
    ck_assert_uint_eq(counters(f).merge_parts, COUNT);
    ck_assert_uint_eq(count_objects(f, "bundle"), COUNT);
    expect_records(f, 0, RUN);
    succeed(f);
    expect_records(f, 0, RUN);
    append(f, 1);
    expect_records(f, 0, RUN + 1);
    log_fixture_free(f);
}
END_TEST

START_TEST(a_later_owner_finds_records_and_producers)
{
    struct log_fixture *f = with_batches(RUN);

    ck_assert_uint_eq(counters(f).merges, 1);
    succeed(f);
    expect_records(f, 0, RUN);
    /* A producer that goes on, and one that sends its last batch again. */
    append(f, 1);
    expect_records(f, 0, RUN + 1);
    log_fixture_append(f, log_fixture_partition(f), RUN);
    virtual_env_run_for(&f->v, 2000);
    ck_assert_uint_eq(counters(f).duplicates, 1);
    log_fixture_free(f);
}
END_TEST

START_TEST(long_sections_are_left)
{
    struct log_fixture *f = with_log();

    f->log->options.merge_section_bytes = 10;
    append(f, RUN);
    virtual_env_run_for(&f->v, 20000);
    ck_assert_uint_eq(counters(f).merges + counters(f).merges_lost, 0);
    ck_assert_uint_eq(count_objects(f, "bundle"), COUNT);
    expect_records(f, 0, RUN);
    log_fixture_free(f);
}
END_TEST

START_TEST(an_idle_log_asks_for_nothing)
{
    struct log_fixture *f = with_batches(RUN);

    ck_assert_uint_eq(counters(f).merges, 1);
    ck_assert_int_eq(ks_env_next_due_ms(&f->v.env), INT64_MAX);
    log_fixture_free(f);
}
END_TEST

static void
on_raised(void *arg, enum kafscale_status status)
{
    ck_assert_int_eq(status, KAFSCALE_OK);
    *(bool *) arg = true;
}

START_TEST(a_merged_bundle_goes_when_all_in_it_is_below_the_start)
{
    struct log_fixture *f = with_log();
    bool is_done = false;

    f->log->options.merge_part_bytes = 100;
    append(f, RUN);
    virtual_env_run_for(&f->v, 20000);
    ck_assert_int_eq(
        ks_log_raise_start(f->log, log_fixture_partition(f), RUN - 1, on_raised, &is_done),
        KAFSCALE_OK);
    ck_assert(virtual_env_run_until(&f->v, &is_done, 60000));
    virtual_env_run_for(&f->v, 20000);
    ck_assert_uint_eq(count_objects(f, "bundle"), COUNT);
    expect_records(f, RUN - 1, RUN);
    is_done = false;
    ck_assert_int_eq(ks_log_raise_start(f->log, log_fixture_partition(f), RUN, on_raised, &is_done),
                     KAFSCALE_OK);
    ck_assert(virtual_env_run_until(&f->v, &is_done, 60000));
    virtual_env_run_for(&f->v, 20000);
    ck_assert_uint_eq(count_objects(f, "bundle"), 0);
    ck_assert_uint_eq(counters(f).bundles_removed, 1);
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
    ck_assert_uint_eq(counters(f).merges, 0);
    ck_assert_uint_eq(counters(f).merges_lost, 1);
    /* What was put for the merge is gone again. */
    ck_assert_uint_eq(count_objects(f, "bundle"), 2 * COUNT);
    expect_records(f, 0, 2 * RUN);
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
    ck_assert_uint_eq(counters(f).merges, 1);
    ck_assert_uint_eq(count_objects(f, "bundle"), 1);
    expect_records(f, 0, RUN);
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
    *merges += counters(f).merges;
    succeed(f);
    virtual_env_run_for(&f->v, 60000);
    expect_records(f, 0, ks_partition_high_watermark(log_fixture_partition(f)));
    ck_assert_int_ge(ks_partition_high_watermark(log_fixture_partition(f)),
                     (int64_t) f->acknowledged);
    /* What the merge replaces, or what it made, which may wait for the next start. */
    ck_assert_uint_le(count_objects(f, "bundle"), 2 * COUNT);
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

/* Each allocation fails once: nothing is lost, and in the end it is done. */
START_TEST(each_allocation_may_fail)
{
    for (uint64_t allowed = 0; allowed < 150; allowed++) {
        struct log_fixture *f = with_batches(RUN - 1);

        log_fixture_append(f, log_fixture_partition(f), RUN - 1);
        virtual_env_run_for(&f->v, 1);
        ks_alloc_fail_once_after(allowed);
        virtual_env_run_for(&f->v, 10000);
        ks_alloc_fail_after(UINT64_MAX);
        virtual_env_run_for(&f->v, 60000);
        ck_assert_uint_eq(counters(f).merges, 1);
        expect_records(f, 0, RUN);
        succeed(f);
        expect_records(f, 0, RUN);
        log_fixture_free(f);
    }
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
