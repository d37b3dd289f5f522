/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Write-ahead objects become bundles and go; readers, later owners and producers find in the
 * bundles what was in them, whatever moment a broker dies in.
 */
#include "log/trim/trail.h"
#include "support/main.h"
#include "unit/log_fixture.h"

#define SLOTS 4
#define OVERTAKEN 8

static const struct ks_bundle_name first_bundle = { .last = SLOTS - 1 };

static struct log_fixture *
with_log(void)
{
    struct log_fixture *f = log_fixture_new();

    f->options.bundle_slots = SLOTS;
    log_fixture_restart(f);
    return f;
}

/* Objects of one batch each. */
static void
append(struct log_fixture *f, int count)
{
    log_fixture_append_apart(f, count, 100);
}

/* Background work goes on between the appends, but for the last. */
static struct log_fixture *
with_batches(int count)
{
    struct log_fixture *f = with_log();

    append(f, count);
    virtual_env_run_for(&f->v, 10000);
    return f;
}

static enum ks_append_result
append_again(struct log_fixture *f, int32_t sequence, int64_t *offset_out)
{
    struct ks_append *again = log_fixture_make_append(f, sequence);

    ks_log_append(f->log, log_fixture_partition(f), again);
    virtual_env_run_for(&f->v, 1000);
    *offset_out = again->base_offset;
    return again->result;
}

START_TEST(slots_become_bundles_and_go)
{
    struct log_fixture *f = with_batches(2 * SLOTS + 1);

    ck_assert_uint_eq(log_fixture_count_objects(f, "wal"), 1);
    ck_assert_uint_eq(log_fixture_count_objects(f, "bundle"), 2);
    ck_assert_uint_eq(log_fixture_counters(f).slots_bundled, 2 * SLOTS);
    log_fixture_expect_records(f, 0, 2 * SLOTS + 1, 1000000);
    log_fixture_expect_records(f, 0, 2 * SLOTS + 1, 1);
    log_fixture_free(f);
}
END_TEST

START_TEST(bundles_are_made_of_what_is_in_memory)
{
    struct log_fixture *f = log_fixture_new();

    f->options.bundle_slots = SLOTS;
    f->options.cache_bytes_max = 1 << 20;
    log_fixture_restart(f);
    append(f, SLOTS);
    virtual_env_run_for(&f->v, 10000);
    ck_assert_uint_eq(log_fixture_counters(f).bundles_made, 1);
    ck_assert_uint_eq(log_fixture_counters(f).bundle_gets, 0);
    log_fixture_expect_records(f, 0, SLOTS, 1000);
    log_fixture_succeed(f);
    log_fixture_expect_records(f, 0, SLOTS, 1000);
    log_fixture_free(f);
}
END_TEST

START_TEST(an_idle_log_asks_for_nothing)
{
    struct log_fixture *f = with_batches(2 * SLOTS + 1);
    uint64_t puts = ks_store_counters(f->store)->requests[KS_STORE_PUT];
    uint64_t gets = ks_store_counters(f->store)->requests[KS_STORE_GET];

    virtual_env_run_for(&f->v, 24 * 3600 * 1000);
    ck_assert_uint_eq(ks_store_counters(f->store)->requests[KS_STORE_PUT], puts);
    ck_assert_uint_eq(ks_store_counters(f->store)->requests[KS_STORE_GET], gets);
    ck_assert_int_eq(ks_env_next_due_ms(&f->v.env), INT64_MAX);
    log_fixture_free(f);
}
END_TEST

START_TEST(a_later_owner_finds_records_and_producers_in_bundles)
{
    struct log_fixture *f = with_batches(2 * SLOTS);
    int64_t offset = -1;

    log_fixture_succeed(f);
    log_fixture_expect_records(f, 0, 2 * SLOTS, 1000);
    for (int32_t sequence = 2 * SLOTS - 5; sequence < 2 * SLOTS; sequence++) {
        ck_assert_int_eq(append_again(f, sequence, &offset), KS_APPEND_OK);
        ck_assert_int_eq(offset, sequence);
    }
    ck_assert_int_eq(append_again(f, 2 * SLOTS - 6, &offset), KS_APPEND_OUT_OF_ORDER);
    ck_assert_int_eq(append_again(f, 2 * SLOTS + 1, &offset), KS_APPEND_OUT_OF_ORDER);
    ck_assert_int_eq(append_again(f, 2 * SLOTS, &offset), KS_APPEND_OK);
    ck_assert_int_eq(offset, 2 * SLOTS);
    log_fixture_free(f);
}
END_TEST

/* The last slots of a dead log are bundled by whoever has read it, its earlier bundles stay. */
START_TEST(bundles_of_several_logs_follow_one_another)
{
    struct log_fixture *f = with_batches(SLOTS + 3);
    int64_t offset = -1;

    for (int life = 0; life < 3; life++) {
        log_fixture_succeed(f);
        virtual_env_run_for(&f->v, 10000);
        append(f, SLOTS + 2);
        virtual_env_run_for(&f->v, 10000);
    }
    log_fixture_expect_records(f, 0, (int64_t) f->append_count, 1000);
    log_fixture_succeed(f);
    virtual_env_run_for(&f->v, 10000);
    log_fixture_expect_records(f, 0, (int64_t) f->append_count, 1);
    ck_assert_uint_eq(log_fixture_count_objects(f, "wal"), 4); /* seals */
    ck_assert_int_eq(append_again(f, (int32_t) f->append_count - 1, &offset), KS_APPEND_OK);
    ck_assert_int_eq(offset, (int64_t) f->append_count - 2);
    log_fixture_free(f);
}
END_TEST

START_TEST(a_bundle_goes_when_all_in_it_is_below_the_start)
{
    struct log_fixture *f = with_batches(2 * SLOTS);

    log_fixture_raise_start(f, SLOTS - 1);
    virtual_env_run_for(&f->v, 10000);
    ck_assert_uint_eq(log_fixture_count_objects(f, "bundle"), 2);
    log_fixture_raise_start(f, SLOTS);
    virtual_env_run_for(&f->v, 10000);
    ck_assert_uint_eq(log_fixture_count_objects(f, "bundle"), 1);
    log_fixture_expect_records(f, SLOTS, 2 * SLOTS, 1000);
    log_fixture_succeed(f);
    log_fixture_expect_records(f, SLOTS, 2 * SLOTS, 1000);
    log_fixture_raise_start(f, 2 * SLOTS);
    virtual_env_run_for(&f->v, 10000);
    ck_assert_uint_eq(log_fixture_count_objects(f, "bundle"), 0);
    ck_assert_uint_eq(log_fixture_count_objects(f, "wal"), 1);
    log_fixture_free(f);
}
END_TEST

START_TEST(bundles_of_a_deleted_topic_go)
{
    struct log_fixture *f = with_batches(2 * SLOTS);

    log_fixture_change_topic(f, true);
    ks_log_forget(f->log, log_fixture_partition(f));
    virtual_env_run_for(&f->v, 10000);
    ck_assert_uint_eq(log_fixture_count_objects(f, "bundle"), 0);
    log_fixture_free(f);
}
END_TEST

/* The start lies in the middle of a bundle: the producers below it are told from its entries. */
START_TEST(producers_are_stored_from_bundles)
{
    struct log_fixture *f = with_batches(2 * SLOTS + 2);

    log_fixture_raise_start(f, SLOTS + 2);
    virtual_env_run_for(&f->v, 10000);
    ck_assert_uint_eq(log_fixture_count_objects(f, "producers"), 1);
    log_fixture_expect_records(f, SLOTS + 2, 2 * SLOTS + 2, 1000);
    log_fixture_succeed(f);
    log_fixture_expect_records(f, SLOTS + 2, 2 * SLOTS + 2, 1000);
    log_fixture_free(f);
}
END_TEST

/*
 * Each time that a write-ahead object below the start is read, a bundle has been made of it and it
 * is gone. The next reading begins where that bundle ends, so this comes to an end.
 */
START_TEST(a_start_rises_while_bundles_overtake_what_it_reads)
{
    struct ks_fate slow_put = { .fault = KS_FAULT_NONE, .effect_ms = 3000 };
    struct ks_fate slower_get = { .fault = KS_FAULT_NONE, .effect_ms = 4000 };
    struct log_fixture *f = log_fixture_new();

    f->options.bundle_slots = SLOTS;
    f->options.cache_bytes_max = 1 << 20; /* bundles are made without a GET */
    log_fixture_restart(f);
    ks_fault_store_next(f->faults, KS_STORE_PUT, "/bundle/", slow_put, UINT32_MAX);
    ks_fault_store_next(f->faults, KS_STORE_GET, "/wal/", slower_get, UINT32_MAX);
    log_fixture_append_apart(f, OVERTAKEN * SLOTS, 10);
    ck_assert_uint_eq(log_fixture_counters(f).bundles_made, 0);
    log_fixture_raise_start(f, OVERTAKEN * SLOTS - 1);
    ck_assert_uint_eq(log_fixture_counters(f).bundles_made, OVERTAKEN);
    log_fixture_succeed(f);
    log_fixture_expect_records(f, OVERTAKEN * SLOTS - 1, OVERTAKEN * SLOTS, 1000);
    log_fixture_free(f);
}
END_TEST

/* The batch with the start is the first of its log that counts: its producer is remembered. */
START_TEST(the_batch_that_the_start_lies_in_keeps_its_producer)
{
    struct log_fixture *f = with_log();
    int64_t offset = -1;

    f->batch_records = 4;
    for (int32_t sequence = 0; sequence < 12; sequence += 4) {
        log_fixture_append(f, log_fixture_partition(f), sequence);
        virtual_env_run_for(&f->v, 100);
    }
    log_fixture_raise_start(f, 6);
    log_fixture_succeed(f);
    virtual_env_run_for(&f->v, 10000);
    ck_assert_uint_eq(log_fixture_counters(f).bundles_made, 1);
    log_fixture_succeed(f);
    ck_assert_int_eq(append_again(f, 4, &offset), KS_APPEND_OK);
    ck_assert_int_eq(offset, 4);
    log_fixture_free(f);
}
END_TEST

START_TEST(sizes_and_times_count_bundles)
{
    struct log_fixture *f = with_batches(2 * SLOTS + 1);
    struct ks_partition *partition = log_fixture_partition(f);
    size_t one = ks_partition_batch_bytes(partition, 2 * SLOTS);

    ck_assert_uint_gt(one, 0);
    ck_assert_uint_eq(ks_partition_batch_bytes(partition, 0), one);
    ck_assert_uint_eq(ks_partition_batch_bytes(partition, 2 * SLOTS + 1), 0);
    ck_assert_uint_eq(ks_partition_bytes_from(partition, 0, SIZE_MAX), (2 * SLOTS + 1) * one);
    ck_assert_uint_eq(ks_partition_bytes_from(partition, SLOTS, SIZE_MAX), (SLOTS + 1) * one);
    ck_assert_uint_eq(ks_partition_bytes_from(partition, 0, 10), 10);
    ck_assert_int_eq(ks_partition_batch_by_time(partition, 1000), 0);
    ck_assert_int_eq(ks_partition_batch_by_time(partition, 1001), -1);
    log_fixture_free(f);
}
END_TEST

START_TEST(a_store_that_fails_delays_bundles_and_no_more)
{
    struct log_fixture *f = with_log();

    ks_fault_store_next(f->faults, KS_STORE_PUT, "/bundle/",
                        (struct ks_fate){ .fault = KS_FAULT_ERROR_AFTER }, 1);
    ks_fault_store_next(f->faults, KS_STORE_PUT, "/bundle/",
                        (struct ks_fate){ .fault = KS_FAULT_UNAVAILABLE }, 3);
    append(f, 3 * SLOTS);
    virtual_env_run_for(&f->v, 60000);
    ck_assert_uint_eq(log_fixture_count_objects(f, "wal"), 0);
    ck_assert_uint_gt(log_fixture_counters(f).bundles_found, 0);
    log_fixture_expect_records(f, 0, 3 * SLOTS, 1000);
    log_fixture_succeed(f);
    log_fixture_expect_records(f, 0, 3 * SLOTS, 1000);
    log_fixture_free(f);
}
END_TEST

START_TEST(answers_of_transactions_may_be_lost)
{
    struct log_fixture *f = with_log();

    f->flaky.rate = 600000;
    append(f, 4 * SLOTS);
    virtual_env_run_for(&f->v, 60000);
    f->flaky.rate = 0;
    virtual_env_run_for(&f->v, 60000);
    ck_assert_uint_gt(f->flaky.lost, 0);
    ck_assert_uint_gt(f->flaky.undone, 0);
    ck_assert_uint_eq(log_fixture_count_objects(f, "wal"), 0);
    log_fixture_expect_records(f, 0, 4 * SLOTS, 1000);
    log_fixture_succeed(f);
    log_fixture_expect_records(f, 0, 4 * SLOTS, 1000);
    log_fixture_free(f);
}
END_TEST

static void
on_removed(void *arg, enum kafscale_status status, const struct kafscale_error *error)
{
    (void) error;
    ck_assert_int_eq(status, KAFSCALE_OK);
    *(bool *) arg = true;
}

/* Somebody deleted it: those who need it say so and name it; nobody skips it. */
START_TEST(a_bundle_that_is_missing_is_an_alarm)
{
    struct log_fixture *f = with_batches(SLOTS);
    char key[KS_BUNDLE_KEY_BYTES];
    struct kafscale_remove remove = { .key = key };
    bool is_removed = false;

    ks_bundle_key("unit", &f->options.incarnation, &first_bundle, key);
    ks_store_remove(f->store, &remove, on_removed, &is_removed);
    ck_assert(virtual_env_run_until(&f->v, &is_removed, 60000));
    log_fixture_crash(f);
    ck_assert(log_fixture_new_log(f));
    ck_assert_ptr_null(log_fixture_open(f));
    ck_assert_int_eq(f->result, KAFSCALE_CORRUPT);
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

static void
remove_bundle(struct log_fixture *f, const struct ks_id *incarnation)
{
    char register_key[KS_BUNDLE_REGISTER_KEY_BYTES];
    char key[KS_BUNDLE_KEY_BYTES];
    struct kafscale_meta_operation operation = { .key = register_key, .is_delete = true };
    struct kafscale_meta_txn txn = { .operations = &operation, .operation_count = 1 };
    struct kafscale_remove remove = { .key = key };
    bool is_done = false;

    ks_bundle_register_key(incarnation, 0, register_key);
    ks_bundle_key("unit", incarnation, &first_bundle, key);
    ks_meta_txn(f->meta, &txn, on_txn, &is_done);
    ck_assert(virtual_env_run_until(&f->v, &is_done, 1000));
    is_done = false;
    ks_store_remove(f->store, &remove, on_removed, &is_done);
    ck_assert(virtual_env_run_until(&f->v, &is_done, 1000));
}

static void
on_read(struct ks_log_read *read, enum kafscale_status status)
{
    *(enum kafscale_status *) read->arg = status;
}

static void
on_stopped(void *arg)
{
    (void) arg;
}

/* It has asked for the entries only: there is nothing that could be an answer. */
START_TEST(a_reading_that_a_stop_interrupts_says_so)
{
    struct ks_fate slow = { .fault = KS_FAULT_NONE, .effect_ms = 100 };
    struct log_fixture *f = with_batches(SLOTS);
    enum kafscale_status status = KAFSCALE_OK;
    enum kafscale_status told = KAFSCALE_OK;
    struct ks_log_read read = { .bytes_max = 1000, .is_first_whole = true, .done = on_read };

    log_fixture_restart(f);
    read.partition = log_fixture_partition(f);
    read.arg = &told;
    ks_fault_store_next(f->faults, KS_STORE_GET, "/bundle/", slow, 1);
    ck_assert(!ks_log_read(f->log, &read, &status));
    ks_log_stop(f->log, 4, on_stopped, NULL);
    virtual_env_run_for(&f->v, 1000);
    ck_assert_ptr_null(read.parts);
    ck_assert_int_eq(told, KAFSCALE_STOPPED);
    log_fixture_free(f);
}
END_TEST

/* Another broker finds its topic gone, between the register that names it and the look at it. */
START_TEST(a_bundle_that_goes_while_it_is_asked_for_is_no_alarm)
{
    struct ks_fate slow = { .fault = KS_FAULT_NONE, .effect_ms = 5000 };
    struct log_fixture *f = with_batches(SLOTS);
    struct ks_id incarnation = f->options.incarnation;
    struct ks_partition_name name;
    const char *topic_name;
    struct ks_log_open open;

    log_fixture_crash(f);
    ck_assert(log_fixture_new_log(f));
    ks_fault_store_next(f->faults, KS_STORE_GET, "/bundle/", slow, 1);
    ck_assert(log_fixture_begin_open(f, &open, &name, &topic_name));
    virtual_env_run_for(&f->v, 1000);
    ck_assert(!f->is_opened);
    log_fixture_change_topic(f, true);
    remove_bundle(f, &incarnation);
    ck_assert(virtual_env_run_until(&f->v, &f->is_opened, 600000));
    ck_assert_int_eq(f->result, KAFSCALE_NOT_FOUND);
    log_fixture_free(f);
}
END_TEST

static void
on_read_status(struct ks_log_read *read, enum kafscale_status status)
{
    *(enum kafscale_status *) read->arg = status;
}

static void
on_put(void *arg, enum kafscale_status status, const struct kafscale_error *error)
{
    (void) error;
    ck_assert_int_eq(status, KAFSCALE_OK);
    *(bool *) arg = true;
}

/* A seal that is void, or the PUT of a bundle that nobody registers, came to the key since. */
static void
put_other(struct log_fixture *f, const struct ks_id *incarnation, bool is_bundle)
{
    char key[KS_BUNDLE_KEY_BYTES];
    struct kafscale_part part = { .bytes = ks_slice_of_text("something else") };
    struct kafscale_put put = { .key = key, .parts = &part, .part_count = 1, .if_absent = true };
    bool is_done = false;

    if (is_bundle) {
        ks_bundle_key("unit", incarnation, &first_bundle, key);
    } else {
        ks_wal_key("unit", incarnation, 0, key);
    }
    ks_store_put(f->store, &put, on_put, &is_done);
    ck_assert(virtual_env_run_until(&f->v, &is_done, 1000));
}

/* Who was deposed and doesn't know it yet reads what its successor has moved or deleted. */
START_TEST(what_another_broker_has_trimmed_is_not_called_lost)
{
    for (int round = 0; round < 4; round++) {
        struct log_fixture *f = with_batches(round % 2 == 0 ? SLOTS : SLOTS - 1);
        struct ks_log *deposed = f->log;
        struct ks_id incarnation = f->options.incarnation;
        struct ks_partition *partition = log_fixture_partition(f);
        enum kafscale_status status = KAFSCALE_OK;
        enum kafscale_status told = KAFSCALE_EXISTS;
        struct ks_log_read read = { .partition = partition,
                                    .bytes_max = 1000,
                                    .is_first_whole = true,
                                    .done = on_read_status,
                                    .arg = &told };

        ck_assert(log_fixture_new_log(f));
        ck_assert_ptr_nonnull(log_fixture_open(f));
        log_fixture_raise_start(f, ks_partition_high_watermark(partition));
        virtual_env_run_for(&f->v, 10000);
        if (round >= 2) {
            put_other(f, &incarnation, round % 2 == 0);
        }
        ck_assert(!ks_log_read(deposed, &read, &status));
        virtual_env_run_for(&f->v, 60000);
        ck_assert_int_eq(told, KAFSCALE_FENCED);
        ks_log_free(deposed);
        log_fixture_free(f);
    }
}
END_TEST

static void
on_released(void *arg, enum kafscale_status status, const struct kafscale_error *error)
{
    (void) error;
    ck_assert_int_eq(status, KAFSCALE_OK);
    *(bool *) arg = true;
}

/* The answer to the removal of its register comes while the states of the one after are read. */
START_TEST(a_bundle_may_go_while_a_partition_is_opened)
{
    struct ks_fate slow = { .fault = KS_FAULT_NONE, .effect_ms = 5000 };
    struct log_fixture *f = with_batches(2 * SLOTS);
    struct ks_partition_name name = { .topic = f->topic };
    enum kafscale_status result = KAFSCALE_FAILED;
    struct ks_log_release release = { .names = &name, .count = 1, .results = &result };
    bool is_released = false;
    const char *topic_name;
    struct ks_log_open open;

    log_fixture_succeed(f);
    virtual_env_run_for(&f->v, 60000);
    log_fixture_raise_start(f, SLOTS);
    f->flaky.next = 1;
    ck_assert_int_eq(ks_log_release(f->log, &release, on_released, &is_released), KAFSCALE_OK);
    ck_assert(virtual_env_run_until(&f->v, &is_released, 40));
    ck_assert_uint_eq(f->flaky.lost, 1);
    ks_fault_store_next(f->faults, KS_STORE_GET, "/bundle/",
                        (struct ks_fate){ .fault = KS_FAULT_NONE }, 1);
    ks_fault_store_next(f->faults, KS_STORE_GET, "/bundle/", slow, 1);
    ck_assert(log_fixture_begin_open(f, &open, &name, &topic_name));
    ck_assert_uint_eq(log_fixture_counters(f).bundles_removed, 0);
    virtual_env_run_for(&f->v, 2000);
    ck_assert_uint_eq(log_fixture_counters(f).bundles_removed, 1);
    ck_assert(!f->is_opened);
    ck_assert(virtual_env_run_until(&f->v, &f->is_opened, 600000));
    log_fixture_expect_records(f, SLOTS, 2 * SLOTS, 1000);
    log_fixture_free(f);
}
END_TEST

static void
on_opened(void *arg, enum kafscale_status status, const struct kafscale_error *error)
{
    (void) status;
    (void) error;
    *(bool *) arg = true;
}

/* It had the bundle's head when another broker claimed the partition and deleted everything. */
START_TEST(a_bundle_that_goes_before_its_producers_are_read_is_no_alarm)
{
    struct ks_fate slow = { .fault = KS_FAULT_NONE, .effect_ms = 60000 };
    struct log_fixture *f = with_batches(SLOTS);
    struct ks_partition_name name = { .topic = f->topic };
    const char *topic_name = "topic";
    enum kafscale_status result = KAFSCALE_FAILED;
    struct ks_log_open open = {
        .names = &name, .topic_names = &topic_name, .count = 1, .results = &result
    };
    struct ks_log *overtaken;
    bool is_opened = false;

    log_fixture_crash(f);
    ck_assert(log_fixture_new_log(f));
    overtaken = f->log;
    ks_fault_store_next(f->faults, KS_STORE_GET, "/bundle/",
                        (struct ks_fate){ .fault = KS_FAULT_NONE }, 1);
    ks_fault_store_next(f->faults, KS_STORE_GET, "/bundle/", slow, 1);
    ck_assert_int_eq(ks_log_open(overtaken, &open, on_opened, &is_opened), KAFSCALE_OK);
    virtual_env_run_for(&f->v, 1000);
    ck_assert(log_fixture_new_log(f));
    ck_assert_ptr_nonnull(log_fixture_open(f));
    log_fixture_raise_start(f, SLOTS);
    virtual_env_run_for(&f->v, 10000);
    ck_assert_uint_eq(log_fixture_count_objects(f, "bundle"), 0);
    ck_assert(!is_opened);
    ck_assert(virtual_env_run_until(&f->v, &is_opened, 600000));
    ck_assert_int_eq(result, KAFSCALE_FENCED);
    ks_log_free(overtaken);
    log_fixture_free(f);
}
END_TEST

/* --- Death ------------------------------------------------------------------------------------ */

static bool
die_after(uint64_t steps, uint64_t seed, struct ks_log_counters *sum)
{
    struct log_fixture *f = with_batches(SLOTS - 1);
    struct ks_fault_rates rates = { .slow = 1000000, .slow_ms_max = 4 };
    bool was_over = false;
    bool is_done = false;

    log_fixture_append(f, log_fixture_partition(f), SLOTS - 1);
    ks_fault_store_set_rates(f->faults, &rates, seed);
    if (seed % 2 == 0) {
        ck_assert_int_eq(ks_log_raise_start(f->log, log_fixture_partition(f), 1,
                                            log_fixture_on_raised, &is_done),
                         KAFSCALE_OK);
    }
    while (steps-- > 0 && !was_over) {
        was_over = !virtual_env_step(&f->v);
    }
    log_fixture_succeed(f);
    ck_assert_int_ge(ks_partition_high_watermark(log_fixture_partition(f)), SLOTS - 1);
    if (ks_partition_high_watermark(log_fixture_partition(f)) == SLOTS) {
        log_fixture_expect_records(f, ks_partition_log_start(log_fixture_partition(f)), SLOTS,
                                   1000);
        virtual_env_run_for(&f->v, 60000);
        sum->bundles_made += log_fixture_counters(f).bundles_made;
        sum->bundles_found += log_fixture_counters(f).bundles_found;
        log_fixture_succeed(f);
        log_fixture_expect_records(f, ks_partition_log_start(log_fixture_partition(f)), SLOTS,
                                   1000);
        log_fixture_raise_start(f, SLOTS);
        virtual_env_run_for(&f->v, 60000);
        ck_assert_uint_eq(log_fixture_count_objects(f, "bundle"), 0);
        ck_assert_uint_le(log_fixture_count_objects(f, "wal"), 2);
    }
    log_fixture_free(f);
    return !was_over;
}

START_TEST(a_broker_may_die_at_any_step)
{
    struct ks_log_counters sum = { 0 };

    for (uint64_t seed = 1; seed <= 3; seed++) {
        uint64_t steps = 0;

        while (die_after(steps, seed, &sum)) {
            steps++;
            ck_assert_uint_lt(steps, 1000);
        }
        ck_assert_uint_gt(steps, 12);
    }
    ck_assert_uint_gt(sum.bundles_made, 3);
    ck_assert_uint_gt(sum.bundles_found, 0);
}
END_TEST

START_TEST(a_log_may_be_freed_at_any_step)
{
    for (int64_t steps = 0; steps < 80; steps++) {
        struct log_fixture *f = with_batches(SLOTS - 1);

        log_fixture_append(f, log_fixture_partition(f), SLOTS - 1);
        for (int64_t i = 0; i < steps && virtual_env_step(&f->v); i++) {
        }
        log_fixture_free(f);
    }
}
END_TEST

/* Each allocation fails once: nothing is lost, and in the end it is done. */
START_TEST(each_allocation_may_fail)
{
    bool has_failed = true;
    uint64_t allowed = 0;

    for (; has_failed; allowed++) {
        struct log_fixture *f = with_batches(SLOTS - 1);

        log_fixture_append(f, log_fixture_partition(f), SLOTS - 1);
        while (f->acknowledged < SLOTS) {
            ck_assert(virtual_env_step(&f->v));
        }
        ks_alloc_fail_once_after(allowed);
        virtual_env_run_for(&f->v, 10000);
        has_failed = ks_alloc_fail_after(UINT64_MAX) == UINT64_MAX;
        log_fixture_expect_records(f, 0, SLOTS, 1000);
        log_fixture_succeed(f);
        log_fixture_expect_records(f, 0, SLOTS, 1000);
        log_fixture_free(f);
    }
    ck_assert_uint_gt(allowed, 20);
}
END_TEST

/*
 * Nothing else happens in the log that would have it looked at again. Where memory ends while it
 * is noted what producers have done, that can't be told any more: the slots stay as they are.
 */
START_TEST(a_bundle_is_made_when_there_is_memory_again)
{
    int lost = 0;

    for (uint64_t allowed = 0; allowed < 40; allowed++) {
        struct log_fixture *f = with_batches(SLOTS - 1);

        log_fixture_append(f, log_fixture_partition(f), SLOTS - 1);
        while (f->acknowledged < SLOTS) {
            ck_assert(virtual_env_step(&f->v));
        }
        ks_alloc_fail_after(allowed);
        virtual_env_run_for(&f->v, 5000);
        ks_alloc_fail_after(UINT64_MAX);
        virtual_env_run_for(&f->v, 60000);
        if (ks_trail_find(f->log, 0)->is_lost) {
            lost++;
        } else {
            ck_assert_uint_eq(log_fixture_counters(f).bundles_made, 1);
        }
        log_fixture_free(f);
    }
    ck_assert_int_le(lost, 4);
}
END_TEST

/* Slots below the mark, and a bundle whose transaction did not come. */
START_TEST(what_a_dead_broker_left_is_deleted)
{
    struct log_fixture *f = with_batches(SLOTS - 1);

    ks_fault_store_next(f->faults, KS_STORE_REMOVE, "/wal/",
                        (struct ks_fate){ .fault = KS_FAULT_UNAVAILABLE }, UINT32_MAX);
    append(f, 1);
    virtual_env_run_for(&f->v, 1000);
    ck_assert_uint_eq(log_fixture_counters(f).bundles_made, 1);
    log_fixture_succeed(f);
    ck_assert_uint_eq(log_fixture_count_objects(f, "wal"), SLOTS + 1);
    virtual_env_run_for(&f->v, 60000);
    ck_assert_uint_eq(log_fixture_counters(f).leftovers, SLOTS);
    ck_assert_uint_eq(log_fixture_count_objects(f, "wal"), 1);
    ck_assert_uint_eq(log_fixture_count_objects(f, "bundle"), 1);
    log_fixture_expect_records(f, 0, SLOTS, 1000);
    log_fixture_free(f);
}
END_TEST

/* Another broker's bundle of the same slots, with another end, was never registered. */
START_TEST(a_bundle_that_no_register_names_goes)
{
    struct log_fixture *f = with_batches(SLOTS);
    struct kafscale_part part = { .bytes = ks_slice("x", 1) };
    char key[KS_BUNDLE_KEY_BYTES];
    struct kafscale_put put = { .key = key, .parts = &part, .part_count = 1 };

    for (uint64_t first = 0; first < 2 * SLOTS; first += SLOTS) {
        bool is_done = false;

        struct ks_bundle_name name = { .first = first, .last = first + 1 };

        ks_bundle_key("unit", &f->options.incarnation, &name, key);
        ks_store_put(f->store, &put, on_removed, &is_done);
        ck_assert(virtual_env_run_until(&f->v, &is_done, 1000));
    }
    ck_assert_uint_eq(log_fixture_count_objects(f, "bundle"), 3);
    log_fixture_succeed(f);
    virtual_env_run_for(&f->v, 60000);
    /* Of the slots above the mark another broker may be making it just now. */
    ck_assert_uint_eq(log_fixture_count_objects(f, "bundle"), 2);
    log_fixture_expect_records(f, 0, SLOTS, 1000);
    log_fixture_free(f);
}
END_TEST

Suite *
suite_new(void)
{
    Suite *suite = suite_create("log_bundle");
    TCase *tests = tcase_create("all");

    tcase_set_timeout(tests, 200);
    tcase_add_test(tests, slots_become_bundles_and_go);
    tcase_add_test(tests, bundles_are_made_of_what_is_in_memory);
    tcase_add_test(tests, an_idle_log_asks_for_nothing);
    tcase_add_test(tests, a_later_owner_finds_records_and_producers_in_bundles);
    tcase_add_test(tests, bundles_of_several_logs_follow_one_another);
    tcase_add_test(tests, a_bundle_goes_when_all_in_it_is_below_the_start);
    tcase_add_test(tests, bundles_of_a_deleted_topic_go);
    tcase_add_test(tests, producers_are_stored_from_bundles);
    tcase_add_test(tests, a_start_rises_while_bundles_overtake_what_it_reads);
    tcase_add_test(tests, the_batch_that_the_start_lies_in_keeps_its_producer);
    tcase_add_test(tests, sizes_and_times_count_bundles);
    tcase_add_test(tests, a_store_that_fails_delays_bundles_and_no_more);
    tcase_add_test(tests, answers_of_transactions_may_be_lost);
    tcase_add_test(tests, a_bundle_that_is_missing_is_an_alarm);
    tcase_add_test(tests, what_another_broker_has_trimmed_is_not_called_lost);
    tcase_add_test(tests, a_reading_that_a_stop_interrupts_says_so);
    tcase_add_test(tests, a_bundle_that_goes_while_it_is_asked_for_is_no_alarm);
    tcase_add_test(tests, a_bundle_that_goes_before_its_producers_are_read_is_no_alarm);
    tcase_add_test(tests, a_bundle_may_go_while_a_partition_is_opened);
    tcase_add_test(tests, a_broker_may_die_at_any_step);
    tcase_add_test(tests, a_log_may_be_freed_at_any_step);
    tcase_add_test(tests, each_allocation_may_fail);
    tcase_add_test(tests, a_bundle_is_made_when_there_is_memory_again);
    tcase_add_test(tests, what_a_dead_broker_left_is_deleted);
    tcase_add_test(tests, a_bundle_that_no_register_names_goes);
    suite_add_tcase(suite, tests);
    return suite;
}
