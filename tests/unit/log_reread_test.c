/* SPDX-License-Identifier: Apache-2.0 */
/* Two brokers have read the log of an earlier life, and the second one bundles it. */
#include "log/partition.h"
#include "support/main.h"
#include "unit/log_fixture.h"

#define SLOTS 3

struct two {
    struct log_fixture *f; /* the second */
    struct ks_log *first;
    struct ks_log_read read; /* by the first, one batch at a time */
    enum kafscale_status told;
};

static void
on_read(struct ks_log_read *read, enum kafscale_status status)
{
    *(enum kafscale_status *) read->arg = status;
}

static void
two_begin(struct two *two)
{
    struct log_fixture *f = log_fixture_new();

    *two = (struct two){ .f = f, .told = KAFSCALE_EXISTS };
    ck_assert_ptr_nonnull(log_fixture_open(f));
    log_fixture_append_apart(f, SLOTS, 100);
    ck_assert_uint_eq(f->acknowledged, SLOTS);
    log_fixture_crash(f);
    f->options.bundle_slots = 1000;
    ck_assert(log_fixture_new_log(f));
    two->first = f->log;
    two->read = (struct ks_log_read){ .partition = log_fixture_open(f),
                                      .bytes_max = 1,
                                      .is_first_whole = true,
                                      .done = on_read,
                                      .arg = &two->told };
    ck_assert_ptr_nonnull(two->read.partition);
    f->options.bundle_slots = SLOTS;
    ck_assert(log_fixture_new_log(f));
    ck_assert_ptr_nonnull(log_fixture_open(f));
    virtual_env_run_for(&f->v, 10000);
    ck_assert_uint_eq(log_fixture_counters(f).bundles_made, 1);
}

static void
two_end(struct two *two)
{
    ks_log_read_release(&two->read);
    log_fixture_free(two->f);
}

START_TEST(what_another_broker_has_bundled_is_read_from_there)
{
    enum kafscale_status status = KAFSCALE_OK;
    struct kafscale_error error = { 0 };
    struct ks_batch batch;
    struct two two;

    two_begin(&two);
    for (; two.read.offset < SLOTS; two.read.offset++) {
        two.told = KAFSCALE_EXISTS;
        ck_assert(!ks_log_read(two.first, &two.read, &status));
        virtual_env_run_for(&two.f->v, 60000);
        ck_assert_int_eq(two.told, KAFSCALE_OK);
        ck_assert_uint_eq(two.read.part_count, 1);
        ck_assert_int_eq(ks_batch_parse(two.read.parts[0].bytes, &batch, &error), KAFSCALE_OK);
        ck_assert_int_eq(batch.base_offset, two.read.offset);
        ks_log_read_release(&two.read);
    }
    ks_log_free(two.first);
    two_end(&two);
}
END_TEST

/* All who find a slot gone wait for the same reading. */
START_TEST(several_may_look_for_bundles_at_once)
{
    enum kafscale_status status = KAFSCALE_OK;
    enum kafscale_status told = KAFSCALE_EXISTS;
    struct ks_log_read other;
    struct two two;

    two_begin(&two);
    other = two.read;
    other.offset = SLOTS - 1;
    other.arg = &told;
    ck_assert(!ks_log_read(two.first, &two.read, &status));
    ck_assert(!ks_log_read(two.first, &other, &status));
    virtual_env_run_for(&two.f->v, 60000);
    ck_assert_int_eq(two.told, KAFSCALE_OK);
    ck_assert_int_eq(told, KAFSCALE_OK);
    ks_log_read_release(&other);
    ks_log_free(two.first);
    two_end(&two);
}
END_TEST

START_TEST(a_log_may_end_while_it_looks_for_bundles)
{
    enum kafscale_status status = KAFSCALE_OK;
    bool was_read = false;

    for (int steps = 0; !was_read; steps++) {
        struct two two;

        two_begin(&two);
        ck_assert(!ks_log_read(two.first, &two.read, &status));
        for (int i = 0; i < steps; i++) {
            (void) virtual_env_step(&two.f->v);
        }
        was_read = two.told == KAFSCALE_OK;
        ks_log_free(two.first);
        virtual_env_run_for(&two.f->v, 60000);
        two_end(&two);
    }
}
END_TEST

START_TEST(memory_may_be_short_while_bundles_are_looked_for)
{
    enum kafscale_status status = KAFSCALE_OK;
    bool was_enough = false;

    for (uint64_t allowed = 0; !was_enough; allowed++) {
        struct two two;

        two_begin(&two);
        ks_alloc_fail_after(allowed);
        was_enough = !ks_log_read(two.first, &two.read, &status);
        virtual_env_run_for(&two.f->v, 10000);
        was_enough = was_enough && two.told == KAFSCALE_OK;
        ks_alloc_fail_after(UINT64_MAX);
        ck_assert_int_ne(two.told, KAFSCALE_CORRUPT);
        virtual_env_run_for(&two.f->v, 60000);
        ks_log_read_release(&two.read);
        two.told = KAFSCALE_EXISTS;
        ck_assert(!ks_log_read(two.first, &two.read, &status));
        virtual_env_run_for(&two.f->v, 60000);
        ck_assert_int_eq(two.told, KAFSCALE_OK);
        ks_log_free(two.first);
        two_end(&two);
    }
}
END_TEST

/* --- The start of a partition --------------------------------------------------------------- */

static void
on_released(void *arg, enum kafscale_status status, const struct kafscale_error *error)
{
    (void) error;
    ck_assert_int_eq(status, KAFSCALE_OK);
    *(bool *) arg = true;
}

static void
release(struct log_fixture *f)
{
    struct ks_partition_name name = { .topic = f->topic };
    enum kafscale_status result;
    struct ks_log_release ask = { .names = &name, .count = 1, .results = &result };
    bool is_done = false;

    ck_assert_int_eq(ks_log_release(f->log, &ask, on_released, &is_done), KAFSCALE_OK);
    ck_assert(virtual_env_run_until(&f->v, &is_done, 60000));
    ck_assert_int_eq(result, KAFSCALE_OK);
}

static void
on_raised(void *arg, enum kafscale_status status)
{
    *(enum kafscale_status *) arg = status;
}

/* Who bundles the earlier log has given the partition away meanwhile. */
START_TEST(a_start_is_raised_to_within_what_another_broker_has_bundled)
{
    struct ks_fate slow = { .fault = KS_FAULT_NONE, .effect_ms = 5000 };
    enum kafscale_status status = KAFSCALE_EXISTS;
    struct log_fixture *f = log_fixture_new();
    struct ks_partition *partition;
    struct ks_log *bundling;

    ck_assert_ptr_nonnull(log_fixture_open(f));
    log_fixture_append_apart(f, SLOTS, 100);
    log_fixture_crash(f);
    f->options.bundle_slots = SLOTS;
    ck_assert(log_fixture_new_log(f));
    bundling = f->log;
    ks_fault_store_next(f->faults, KS_STORE_PUT, "/bundle/", slow, 1);
    ck_assert_ptr_nonnull(log_fixture_open(f));
    release(f);
    f->options.bundle_slots = 1000;
    ck_assert(log_fixture_new_log(f));
    partition = log_fixture_open(f);
    ck_assert_ptr_nonnull(partition);
    ck_assert_uint_eq(partition->bundled_count, 0);
    virtual_env_run_for(&f->v, 10000);
    ck_assert_uint_eq(log_fixture_count_objects(f, "bundle"), 1);
    ck_assert_int_eq(ks_log_raise_start(f->log, partition, SLOTS - 1, on_raised, &status),
                     KAFSCALE_OK);
    virtual_env_run_for(&f->v, 60000);
    ck_assert_int_eq(status, KAFSCALE_OK);
    ck_assert_int_eq(ks_partition_log_start(partition), SLOTS - 1);
    ks_log_free(bundling);
    log_fixture_free(f);
}
END_TEST

START_TEST(who_lost_the_partition_to_who_has_bundled_it_raises_nothing)
{
    enum kafscale_status status = KAFSCALE_EXISTS;
    struct two two;

    two_begin(&two);
    ck_assert_int_eq(
        ks_log_raise_start(two.first, two.read.partition, SLOTS - 1, on_raised, &status),
        KAFSCALE_OK);
    virtual_env_run_for(&two.f->v, 60000);
    ck_assert_int_eq(status, KAFSCALE_FENCED);
    ks_log_free(two.first);
    two_end(&two);
}
END_TEST

START_TEST(a_log_may_end_while_a_start_is_raised)
{
    enum kafscale_status status = KAFSCALE_EXISTS;

    for (int steps = 0; status == KAFSCALE_EXISTS; steps++) {
        struct two two;

        two_begin(&two);
        ck_assert_int_eq(
            ks_log_raise_start(two.first, two.read.partition, SLOTS - 1, on_raised, &status),
            KAFSCALE_OK);
        for (int i = 0; i < steps; i++) {
            (void) virtual_env_step(&two.f->v);
        }
        ks_log_free(two.first);
        virtual_env_run_for(&two.f->v, 60000);
        two_end(&two);
    }
}
END_TEST

Suite *
suite_new(void)
{
    Suite *suite = suite_create("log reread");
    TCase *tests = tcase_create("all");

    tcase_add_test(tests, what_another_broker_has_bundled_is_read_from_there);
    tcase_add_test(tests, several_may_look_for_bundles_at_once);
    tcase_add_test(tests, a_log_may_end_while_it_looks_for_bundles);
    tcase_add_test(tests, memory_may_be_short_while_bundles_are_looked_for);
    tcase_add_test(tests, a_start_is_raised_to_within_what_another_broker_has_bundled);
    tcase_add_test(tests, who_lost_the_partition_to_who_has_bundled_it_raises_nothing);
    tcase_add_test(tests, a_log_may_end_while_a_start_is_raised);
    suite_add_tcase(suite, tests);
    return suite;
}
