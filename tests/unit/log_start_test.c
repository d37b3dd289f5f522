/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The start of a partition rises, for good and only upwards; what lies above it is found by every
 * later owner, and the producers are stored as the batches below it leave them.
 */
#include "log/partition.h"
#include "log/format/producer_snapshot.h"
#include "support/main.h"
#include "unit/log_fixture.h"

#define BATCHES 6

struct raise {
    bool is_done;
    enum kafscale_status status;
};

static void
on_raised(void *arg, enum kafscale_status status)
{
    struct raise *raise = arg;

    ck_assert(!raise->is_done);
    raise->is_done = true;
    raise->status = status;
}

static void
begin(struct log_fixture *f, int64_t offset, struct raise *raise)
{
    *raise = (struct raise){ 0 };
    ck_assert_int_eq(ks_log_raise_start(f->log, log_fixture_partition(f), offset, on_raised, raise),
                     KAFSCALE_OK);
    ck_assert(!raise->is_done);
}

static void
end(struct log_fixture *f, struct raise *raise, enum kafscale_status expected)
{
    ck_assert(virtual_env_run_until(&f->v, &raise->is_done, 600000));
    ck_assert_int_eq(raise->status, expected);
}

static void
raise_start(struct log_fixture *f, int64_t offset)
{
    struct raise raise;

    begin(f, offset, &raise);
    end(f, &raise, KAFSCALE_OK);
}

/* Six batches of one record, from one producer, in objects of their own. */
static struct log_fixture *
with_batches(void)
{
    struct log_fixture *f = log_fixture_new();
    struct ks_partition *partition = log_fixture_open(f);

    ck_assert_ptr_nonnull(partition);
    for (int32_t i = 0; i < BATCHES; i++) {
        log_fixture_append(f, partition, i);
        virtual_env_run_for(&f->v, 100);
    }
    ck_assert_int_eq(ks_partition_high_watermark(partition), BATCHES);
    return f;
}

static void
on_got(void *arg, enum kafscale_status status, struct kafscale_blob *body, uint64_t object_bytes,
       const struct kafscale_error *error)
{
    struct kafscale_blob **out = arg;

    (void) object_bytes;
    (void) error;
    ck_assert_int_eq(status, KAFSCALE_OK);
    *out = kafscale_blob_ref(body);
}

/* The last sequence that the state stored at an offset knows of the fixture's producer. */
static int32_t
stored_sequence(struct log_fixture *f, int64_t offset)
{
    struct ks_producer_snapshot snapshot = { .name = { .topic = f->topic }, .offset = offset };
    struct ks_producer_snapshot found;
    char key[KS_PRODUCER_SNAPSHOT_KEY_BYTES];
    struct kafscale_get get = { .key = key, .size_max = SIZE_MAX };
    struct kafscale_blob *body = NULL;
    struct ks_producer_table table;
    struct kafscale_error error = { 0 };
    const struct ks_producer *producer;
    int32_t sequence;

    ks_producer_snapshot_key("unit", &snapshot, key);
    ks_store_get(f->store, &get, on_got, &body);
    virtual_env_run_for(&f->v, 1000);
    ks_producer_table_init(&table, 1, 100, 1000000);
    ck_assert_int_eq(ks_producer_snapshot_decode(kafscale_blob_slice(body), &table, &found, &error),
                     KAFSCALE_OK);
    ck_assert_int_eq(found.offset, offset);
    ck_assert_uint_eq(table.table.count, 1);
    producer = KS_CONTAINER(ks_table_next(&table.table, NULL), struct ks_producer, node);
    sequence = producer->batches[producer->batch_count - 1].last_sequence;
    ks_producer_table_deinit(&table);
    kafscale_blob_unref(body);
    return sequence;
}

START_TEST(a_raised_start_stays_with_every_later_owner)
{
    struct log_fixture *f = with_batches();

    ck_assert_int_eq(log_fixture_log_start(f), 0);
    raise_start(f, 2);
    ck_assert_int_eq(log_fixture_log_start(f), 2);
    ck_assert_uint_gt(ks_partition_batch_bytes(log_fixture_partition(f), 2), 0);
    log_fixture_succeed(f);
    ck_assert_int_eq(log_fixture_log_start(f), 2);
    ck_assert_int_eq(ks_partition_placed_from(log_fixture_partition(f)), 2);
    ck_assert_int_eq(ks_partition_high_watermark(log_fixture_partition(f)), BATCHES);
    raise_start(f, BATCHES);
    log_fixture_succeed(f);
    ck_assert_int_eq(log_fixture_log_start(f), BATCHES);
    ck_assert_int_eq(ks_partition_high_watermark(log_fixture_partition(f)), BATCHES);
    log_fixture_free(f);
}
END_TEST

START_TEST(a_start_never_sinks)
{
    struct log_fixture *f = with_batches();
    struct raise raises[3];

    raise_start(f, 4);
    raise_start(f, 1);
    ck_assert_int_eq(log_fixture_log_start(f), 4);
    /* Nor when several are asked for at once. */
    begin(f, 5, &raises[0]);
    begin(f, 3, &raises[1]);
    begin(f, 6, &raises[2]);
    for (int i = 0; i < 3; i++) {
        end(f, &raises[i], KAFSCALE_OK);
    }
    ck_assert_int_eq(log_fixture_log_start(f), 6);
    log_fixture_succeed(f);
    ck_assert_int_eq(log_fixture_log_start(f), 6);
    log_fixture_free(f);
}
END_TEST

/* DeleteRecords may name any offset: the batch around it stays whole. */
START_TEST(a_start_inside_a_batch_keeps_the_batch)
{
    struct log_fixture *f = log_fixture_new();
    struct ks_partition *partition = log_fixture_open(f);

    f->batch_records = 2;
    for (int32_t i = 0; i < 3; i++) {
        log_fixture_append(f, partition, 2 * i);
        virtual_env_run_for(&f->v, 100);
    }
    raise_start(f, 3);
    ck_assert_int_eq(stored_sequence(f, 3), 1);
    log_fixture_succeed(f);
    partition = log_fixture_partition(f);
    ck_assert_int_eq(log_fixture_log_start(f), 3);
    ck_assert_int_eq(ks_partition_placed_from(partition), 2);
    ck_assert_uint_gt(ks_partition_batch_bytes(partition, 3), 0);
    ck_assert_int_eq(ks_partition_high_watermark(partition), 6);
    log_fixture_free(f);
}
END_TEST

/* --- What may go wrong --- */

START_TEST(a_lost_answer_is_looked_after)
{
    struct log_fixture *f = with_batches();

    for (int32_t i = 1; i <= 4; i++) {
        f->flaky.rate = 900000;
        raise_start(f, i);
        f->flaky.rate = 0;
        ck_assert_int_eq(log_fixture_log_start(f), i);
    }
    ck_assert_uint_gt(f->flaky.lost + f->flaky.undone, 0);
    log_fixture_succeed(f);
    ck_assert_int_eq(log_fixture_log_start(f), 4);
    log_fixture_free(f);
}
END_TEST

START_TEST(it_waits_while_the_store_is_away)
{
    struct log_fixture *f = with_batches();
    struct ks_fate away = { .fault = KS_FAULT_UNAVAILABLE };
    struct raise raise;

    ks_fault_store_next(f->faults, KS_STORE_OPERATION_COUNT, NULL, away, UINT32_MAX);
    begin(f, 3, &raise);
    virtual_env_run_for(&f->v, 60000);
    ck_assert(!raise.is_done);
    ck_assert_int_eq(log_fixture_log_start(f), 0);
    ks_fault_store_clear(f->faults);
    end(f, &raise, KAFSCALE_OK);
    ck_assert_int_eq(log_fixture_log_start(f), 3);
    log_fixture_free(f);
}
END_TEST

START_TEST(a_deleted_topic_has_no_start_to_raise)
{
    struct log_fixture *f = with_batches();
    struct raise raises[2];

    log_fixture_change_topic(f, true);
    begin(f, 3, &raises[0]);
    end(f, &raises[0], KAFSCALE_NOT_FOUND);
    begin(f, 3, &raises[1]);
    ks_log_forget(f->log, log_fixture_partition(f));
    end(f, &raises[1], KAFSCALE_NOT_FOUND);
    log_fixture_free(f);
}
END_TEST

START_TEST(who_lost_the_partition_raises_nothing)
{
    struct log_fixture *f = with_batches();
    struct ks_log *old = f->log;
    struct ks_partition *lost = log_fixture_partition(f);
    struct raise raise = { 0 };

    ck_assert(log_fixture_new_log(f));
    ck_assert_ptr_nonnull(log_fixture_open(f));
    ck_assert_int_eq(ks_log_raise_start(old, lost, 3, on_raised, &raise), KAFSCALE_OK);
    end(f, &raise, KAFSCALE_FENCED);
    ck_assert_int_eq(log_fixture_log_start(f), 0);
    ks_log_free(old);
    log_fixture_free(f);
}
END_TEST

/* The successor has bundled this log, which its own broker doesn't know yet. */
START_TEST(who_lost_the_partition_and_its_log_raises_nothing)
{
    struct log_fixture *f = with_batches();
    struct ks_log *old = f->log;
    struct ks_partition *lost = log_fixture_partition(f);
    struct raise raise = { 0 };

    f->options.bundle_slots = 2;
    ck_assert(log_fixture_new_log(f));
    ck_assert_ptr_nonnull(log_fixture_open(f));
    virtual_env_run_for(&f->v, 10000);
    ck_assert_uint_gt(log_fixture_counters(f).bundles_made, 0);
    ck_assert_int_eq(ks_log_raise_start(old, lost, 3, on_raised, &raise), KAFSCALE_OK);
    end(f, &raise, KAFSCALE_FENCED);
    ks_log_free(old);
    log_fixture_free(f);
}
END_TEST

static void
on_stopped(void *arg)
{
    *(bool *) arg = true;
}

START_TEST(a_stop_ends_what_waits)
{
    struct log_fixture *f = with_batches();
    struct ks_fate away = { .fault = KS_FAULT_UNAVAILABLE };
    struct raise raise;
    bool is_stopped = false;

    ks_fault_store_next(f->faults, KS_STORE_OPERATION_COUNT, NULL, away, UINT32_MAX);
    begin(f, 3, &raise);
    virtual_env_run_for(&f->v, 1000);
    ks_log_stop(f->log, 60000, on_stopped, &is_stopped);
    end(f, &raise, KAFSCALE_STOPPED);
    ck_assert(virtual_env_run_until(&f->v, &is_stopped, 60000));
    log_fixture_free(f);
}
END_TEST

/* --- Producers --- */

START_TEST(the_producers_are_stored_as_the_batches_below_the_start_leave_them)
{
    struct log_fixture *f = with_batches();
    struct ks_fault_rates rates = { 0 };

    raise_start(f, 2);
    ck_assert_int_eq(stored_sequence(f, 2), 1);
    /* The next one follows from the one before, whatever the store does meanwhile. */
    rates.faults[KS_FAULT_UNAVAILABLE] = 200000;
    rates.faults[KS_FAULT_ERROR_AFTER] = 200000;
    rates.faults[KS_FAULT_DAMAGE] = 100000;
    rates.faults[KS_FAULT_SHORT] = 100000;
    ks_fault_store_set_rates(f->faults, &rates, 3);
    raise_start(f, 5);
    ks_fault_store_clear(f->faults);
    ck_assert_int_eq(stored_sequence(f, 5), 4);
    log_fixture_free(f);
}
END_TEST

static void
on_looked(void *arg, enum kafscale_status status, struct kafscale_blob *body, uint64_t object_bytes,
          const struct kafscale_error *error)
{
    (void) body;
    (void) object_bytes;
    (void) error;
    *(enum kafscale_status *) arg = status;
}

/* Whether there is a state at this offset. */
static bool
has_state(struct log_fixture *f, int64_t offset)
{
    struct ks_producer_snapshot snapshot = { .name = { .topic = f->topic }, .offset = offset };
    char key[KS_PRODUCER_SNAPSHOT_KEY_BYTES];
    struct kafscale_get get = { .key = key, .size_max = SIZE_MAX };
    enum kafscale_status status = KAFSCALE_UNKNOWN;

    ks_producer_snapshot_key("unit", &snapshot, key);
    ks_store_get(f->store, &get, on_looked, &status);
    virtual_env_run_for(&f->v, 1000);
    ck_assert(status == KAFSCALE_OK || status == KAFSCALE_NOT_FOUND);
    return status == KAFSCALE_OK;
}

static void
on_removed(void *arg, enum kafscale_status status, const struct kafscale_error *error)
{
    (void) arg;
    (void) error;
    ck_assert_int_eq(status, KAFSCALE_OK);
}

START_TEST(states_that_nothing_begins_with_any_more_go)
{
    struct log_fixture *f = with_batches();

    raise_start(f, 2);
    raise_start(f, 3);
    virtual_env_run_for(&f->v, 10000);
    ck_assert(!has_state(f, 2));
    ck_assert_int_eq(stored_sequence(f, 3), 2);
    log_fixture_succeed(f);
    raise_start(f, 5);
    virtual_env_run_for(&f->v, 10000);
    ck_assert(!has_state(f, 3));
    ck_assert_int_eq(stored_sequence(f, 5), 4);
    log_fixture_free(f);
}
END_TEST

/* Without the state that a later owner has deleted it would store one with less in it. */
START_TEST(who_lost_the_partition_stores_no_state)
{
    struct log_fixture *f = with_batches();
    struct ks_log *old = f->log;
    struct ks_partition *lost = log_fixture_partition(f);
    struct raise raise = { 0 };

    raise_start(f, 2);
    ck_assert(log_fixture_new_log(f));
    ck_assert_ptr_nonnull(log_fixture_open(f));
    raise_start(f, 4);
    virtual_env_run_for(&f->v, 10000);
    ck_assert(!has_state(f, 2));
    ck_assert_int_eq(ks_log_raise_start(old, lost, 5, on_raised, &raise), KAFSCALE_OK);
    end(f, &raise, KAFSCALE_FENCED);
    ck_assert(!has_state(f, 5));
    ck_assert(has_state(f, 4));
    ks_log_free(old);
    log_fixture_free(f);
}
END_TEST

static void
on_put(void *arg, enum kafscale_status status, const struct kafscale_error *error)
{
    (void) error;
    ck_assert_int_eq(status, KAFSCALE_OK);
    *(bool *) arg = true;
}

/* Where slot 0 of a log was. */
static void
put_void_seal(struct log_fixture *f, const struct ks_id *incarnation)
{
    struct ks_wal_header header = { .flags = KS_WAL_SEAL,
                                    .cluster = f->options.cluster,
                                    .incarnation = *incarnation,
                                    .body_bytes = KS_ID_BYTES };
    char key[KS_WAL_KEY_BYTES];
    struct kafscale_part part = { 0 };
    struct kafscale_put put = { .key = key, .parts = &part, .part_count = 1, .if_absent = true };
    uint8_t trailer[KS_WAL_TRAILER_BYTES];
    struct ks_buffer bytes;
    bool is_done = false;

    ks_buffer_init(&bytes, 1000);
    ks_wal_write_head(&bytes, &header, ks_slice(NULL, 0));
    ks_buffer_append(&bytes, incarnation->bytes, KS_ID_BYTES);
    ks_wal_write_trailer(trailer, bytes.size + KS_WAL_TRAILER_BYTES,
                         ks_crc32c(0, bytes.data, bytes.size));
    ks_buffer_append(&bytes, trailer, sizeof trailer);
    part.bytes = ks_buffer_slice(&bytes);
    ks_wal_key("unit", incarnation, 0, key);
    ks_store_put(f->store, &put, on_put, &is_done);
    ck_assert(virtual_env_run_until(&f->v, &is_done, 1000));
    ks_buffer_deinit(&bytes);
}

/* A seal has no batches, and says nothing of those that the slot had. */
START_TEST(no_producers_are_computed_from_a_void_seal)
{
    struct log_fixture *f = log_fixture_new();
    struct ks_partition *lost;
    struct ks_log *old;
    struct ks_id incarnation;
    struct raise raise = { 0 };

    ks_log_free(f->log);
    f->options.bundle_slots = 100;
    ck_assert(log_fixture_new_log(f));
    incarnation = f->options.incarnation;
    old = f->log;
    lost = log_fixture_open(f);
    for (int32_t i = 0; i < 2; i++) {
        log_fixture_append(f, lost, i);
        virtual_env_run_for(&f->v, 100);
    }
    ck_assert(log_fixture_new_log(f));
    ck_assert_ptr_nonnull(log_fixture_open(f));
    raise_start(f, 2);
    virtual_env_run_for(&f->v, 10000);
    put_void_seal(f, &incarnation);
    ck_assert_int_eq(ks_log_raise_start(old, lost, 1, on_raised, &raise), KAFSCALE_OK);
    ck_assert(virtual_env_run_until(&f->v, &raise.is_done, 600000));
    ck_assert(!has_state(f, 1));
    ks_log_free(old);
    log_fixture_free(f);
}
END_TEST

/* The register says that it is needed, so it is lost, and what is left has to do. */
START_TEST(a_start_is_raised_without_a_state_that_is_lost)
{
    struct log_fixture *f = with_batches();
    struct ks_producer_snapshot snapshot = { .name = { .topic = f->topic }, .offset = 2 };
    char key[KS_PRODUCER_SNAPSHOT_KEY_BYTES];
    struct kafscale_remove request = { .key = key };

    raise_start(f, 2);
    ks_producer_snapshot_key("unit", &snapshot, key);
    ks_store_remove(f->store, &request, on_removed, NULL);
    virtual_env_run_for(&f->v, 1000);
    raise_start(f, 5);
    ck_assert_int_eq(stored_sequence(f, 5), 4);
    log_fixture_free(f);
}
END_TEST

/* Damaged on the way twice, and right when it is read again: nobody is forgotten. */
START_TEST(a_state_that_comes_damaged_is_read_again)
{
    static const enum ks_fault faults[] = { KS_FAULT_DAMAGE, KS_FAULT_SHORT };

    for (int i = 0; i < 2; i++) {
        struct ks_fate damaged = { .fault = faults[i] };
        struct log_fixture *f = with_batches();

        raise_start(f, BATCHES);
        log_fixture_crash(f);
        ck_assert(log_fixture_new_log(f));
        ks_fault_store_next(f->faults, KS_STORE_GET, "/producers/", damaged, 2);
        ck_assert_ptr_nonnull(log_fixture_open(f));
        ck_assert_uint_eq(ks_fault_store_count(f->faults, faults[i]), 2);
        ck_assert_uint_eq(log_fixture_partition(f)->producers.table.count, 1);
        log_fixture_free(f);
    }
}
END_TEST

/* --- Death and want --- */

/* What was answered OK holds, and no register has its start above compacted_upto. */
static void
check_heir(struct log_fixture *f, const struct raise *raise)
{
    const struct ks_partition *partition;

    ck_assert(log_fixture_new_log(f));
    partition = log_fixture_open(f);
    ck_assert_ptr_nonnull(partition);
    ck_assert_int_eq(ks_partition_high_watermark(partition), BATCHES);
    ck_assert_int_le(partition->reg.log_start, partition->reg.compacted_upto);
    ck_assert_int_ge(partition->reg.log_start, raise->is_done ? 4 : 0);
    if (partition->reg.log_start == 4) {
        ck_assert_int_eq(stored_sequence(f, 4), 3);
    }
}

/* False: it was over before the death. */
static bool
die_after(uint64_t step, bool is_slow)
{
    struct log_fixture *f = with_batches();
    struct ks_fault_rates rates = { .slow = 1000000, .slow_ms_max = 20, .late_ms_max = 500 };
    struct raise raise;
    bool was_done;

    if (is_slow) {
        rates.faults[KS_FAULT_LATE] = 200000;
        rates.faults[KS_FAULT_ERROR_AFTER] = 200000;
        ks_fault_store_set_rates(f->faults, &rates, step);
    }
    begin(f, 4, &raise);
    while (step > 0 && !raise.is_done && virtual_env_step(&f->v)) {
        step--;
    }
    was_done = raise.is_done;
    log_fixture_crash(f);
    virtual_env_run_for(&f->v, 1000);
    check_heir(f, &raise);
    log_fixture_free(f);
    return !was_done;
}

START_TEST(a_broker_may_die_after_any_event)
{
    for (int is_slow = 0; is_slow < 2; is_slow++) {
        uint64_t step = 0;

        while (die_after(step, is_slow != 0)) {
            step++;
            ck_assert_uint_lt(step, 1000);
        }
        ck_assert_uint_gt(step, 10);
    }
}
END_TEST

/* False: memory sufficed. */
static bool
run_short_of_memory(uint64_t allocations)
{
    struct log_fixture *f = with_batches();
    struct raise raise = { 0 };
    enum kafscale_status status;
    bool was_enough;

    ks_alloc_fail_after(allocations);
    status = ks_log_raise_start(f->log, log_fixture_partition(f), 4, on_raised, &raise);
    virtual_env_run_for(&f->v, 30000);
    ks_alloc_fail_after(UINT64_MAX);
    virtual_env_run_for(&f->v, 30000);
    was_enough = status == KAFSCALE_OK && raise.status == KAFSCALE_OK;
    ck_assert(raise.is_done == (status == KAFSCALE_OK));
    ck_assert_int_eq(log_fixture_log_start(f), was_enough ? 4 : 0);
    log_fixture_free(f);
    return !was_enough || allocations < 40;
}

START_TEST(each_allocation_may_fail)
{
    uint64_t allocations = 0;

    while (run_short_of_memory(allocations)) {
        allocations++;
        ck_assert_uint_lt(allocations, 1000);
    }
}
END_TEST

Suite *
suite_new(void)
{
    Suite *suite = suite_create("log start");
    TCase *tests = tcase_create("start");

    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, a_raised_start_stays_with_every_later_owner);
    tcase_add_test(tests, a_start_never_sinks);
    tcase_add_test(tests, a_start_inside_a_batch_keeps_the_batch);
    tcase_add_test(tests, a_lost_answer_is_looked_after);
    tcase_add_test(tests, it_waits_while_the_store_is_away);
    tcase_add_test(tests, a_deleted_topic_has_no_start_to_raise);
    tcase_add_test(tests, who_lost_the_partition_raises_nothing);
    tcase_add_test(tests, who_lost_the_partition_and_its_log_raises_nothing);
    tcase_add_test(tests, a_stop_ends_what_waits);
    tcase_add_test(tests, a_state_that_comes_damaged_is_read_again);
    tcase_add_test(tests, the_producers_are_stored_as_the_batches_below_the_start_leave_them);
    tcase_add_test(tests, states_that_nothing_begins_with_any_more_go);
    tcase_add_test(tests, who_lost_the_partition_stores_no_state);
    tcase_add_test(tests, no_producers_are_computed_from_a_void_seal);
    tcase_add_test(tests, a_start_is_raised_without_a_state_that_is_lost);
    tcase_add_test(tests, a_broker_may_die_after_any_event);
    tcase_add_test(tests, each_allocation_may_fail);
    suite_add_tcase(suite, tests);
    return suite;
}
