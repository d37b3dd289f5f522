/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Handing partitions over while the log lives: the next owner, another log or the same one, finds
 * all that was acknowledged and nothing to seal.
 */
#include "support/main.h"
#include "unit/log_fixture.h"

struct handover {
    struct log_fixture *f;
    enum kafscale_status results[3];
    enum kafscale_status status;
    size_t answered; /* appends, when it was done */
    bool is_done;
};

static void
on_released(void *arg, enum kafscale_status status, const struct kafscale_error *error)
{
    struct handover *handover = arg;

    (void) error;
    ck_assert(!handover->is_done);
    handover->is_done = true;
    handover->status = status;
    handover->answered = handover->f->answered;
}

static void
begin_release(struct log_fixture *f, struct handover *handover)
{
    struct ks_partition_name name = { .topic = f->topic };
    struct ks_log_release ask = { .names = &name, .count = 1, .results = handover->results };

    *handover = (struct handover){ .f = f };
    ck_assert_int_eq(ks_log_release(f->log, &ask, on_released, handover), KAFSCALE_OK);
    ck_assert(!handover->is_done);
}

static void
release(struct log_fixture *f)
{
    struct handover handover;

    begin_release(f, &handover);
    ck_assert(virtual_env_run_until(&f->v, &handover.is_done, 60000));
    ck_assert_int_eq(handover.status, KAFSCALE_OK);
    ck_assert_int_eq(handover.results[0], KAFSCALE_OK);
    ck_assert_ptr_null(log_fixture_partition(f));
}

static void
append(struct log_fixture *f, int32_t sequence, enum ks_append_result expected)
{
    size_t place = f->append_count;

    log_fixture_append(f, log_fixture_partition(f), sequence);
    virtual_env_run_for(&f->v, 1000);
    ck_assert_int_eq(f->appends[place].result, expected);
}

static int64_t
end_of(struct log_fixture *f)
{
    return ks_partition_high_watermark(log_fixture_partition(f));
}

static struct ks_log_counters
counters_of(const struct ks_log *log)
{
    struct ks_log_counters counters;

    ks_log_get_counters(log, &counters);
    return counters;
}

struct reading {
    bool is_done;
    enum kafscale_status status;
};

static void
on_read(struct ks_log_read *read, enum kafscale_status status)
{
    struct reading *reading = read->arg;

    reading->status = status;
    reading->is_done = true;
}

/* The partition holds batches 0, 1, 2 ... `count` - 1, each once and in order. */
static void
check_batches(struct log_fixture *f, int32_t count)
{
    ck_assert_int_eq(end_of(f), count);
    for (int32_t i = 0; i < count; i++) {
        struct reading reading = { .status = KAFSCALE_OK };
        struct ks_log_read read = { .partition = log_fixture_partition(f),
                                    .offset = i,
                                    .bytes_max = 1,
                                    .is_first_whole = true,
                                    .done = on_read,
                                    .arg = &reading };
        struct ks_batch batch;
        struct kafscale_error error = { 0 };

        if (!ks_log_read(f->log, &read, &reading.status)) {
            ck_assert(virtual_env_run_until(&f->v, &reading.is_done, 60000));
        }
        ck_assert_int_eq(reading.status, KAFSCALE_OK);
        ck_assert_uint_eq(read.part_count, 1);
        ck_assert_int_eq(ks_batch_parse(read.parts[0].bytes, &batch, &error), KAFSCALE_OK);
        ck_assert_int_eq(batch.base_offset, i);
        ck_assert_int_eq(batch.base_sequence, i);
        ks_log_read_release(&read);
    }
}

/* Another incarnation opens the partition; gives back the log before it. */
static struct ks_log *
hand_on(struct log_fixture *f)
{
    struct ks_log *before = f->log;

    ck_assert(log_fixture_new_log(f));
    ck_assert_ptr_nonnull(log_fixture_open(f));
    return before;
}

START_TEST(the_next_owner_of_a_released_partition_seals_nothing)
{
    struct log_fixture *f = log_fixture_new();
    struct ks_log *first;

    ck_assert_ptr_nonnull(log_fixture_open(f));
    append(f, 0, KS_APPEND_OK);
    release(f);
    first = hand_on(f);
    append(f, 1, KS_APPEND_OK);
    check_batches(f, 2);
    ck_assert_uint_eq(counters_of(f->log).seals_won, 0);
    ck_assert_uint_eq(counters_of(f->log).seals_found, 0);
    ck_assert_int_eq(ks_log_status(first), KAFSCALE_OK);
    ks_log_free(first);
    log_fixture_free(f);
}
END_TEST

START_TEST(a_release_waits_until_what_was_appended_is_durable)
{
    struct log_fixture *f = log_fixture_new();
    struct handover handover;

    ck_assert_ptr_nonnull(log_fixture_open(f));
    ks_fault_store_next(f->faults, KS_STORE_PUT, "/wal/",
                        (struct ks_fate){ .fault = KS_FAULT_UNAVAILABLE, .answer_ms = 50 }, 3);
    log_fixture_append(f, log_fixture_partition(f), 0);
    begin_release(f, &handover);
    log_fixture_append(f, log_fixture_partition(f), 1);
    virtual_env_run_for(&f->v, 100);
    ck_assert_int_eq(f->appends[1].result, KS_APPEND_NOT_OWNER);
    ck_assert(!handover.is_done);
    ck_assert(virtual_env_run_until(&f->v, &handover.is_done, 60000));
    ck_assert_uint_eq(handover.answered, 2);
    ck_assert_uint_eq(f->acknowledged, 1);
    ks_log_free(hand_on(f));
    check_batches(f, 1);
    log_fixture_free(f);
}
END_TEST

/* Its own live log is read like any other's: places, producers and epochs come back. */
START_TEST(the_same_log_may_open_again_what_it_released)
{
    struct log_fixture *f = log_fixture_new();
    int32_t epoch;

    ck_assert_ptr_nonnull(log_fixture_open(f));
    append(f, 0, KS_APPEND_OK);
    append(f, 1, KS_APPEND_OK);
    epoch = ks_partition_leader_epoch(log_fixture_partition(f));
    release(f);
    ck_assert_ptr_nonnull(log_fixture_open(f));
    ck_assert_int_gt(ks_partition_leader_epoch(log_fixture_partition(f)), epoch);
    append(f, 1, KS_APPEND_OK);
    ck_assert_int_eq(f->appends[2].base_offset, 1);
    append(f, 3, KS_APPEND_OUT_OF_ORDER);
    append(f, 2, KS_APPEND_OK);
    check_batches(f, 3);
    ck_assert_uint_eq(counters_of(f->log).seals_won, 0);
    ks_log_free(hand_on(f));
    check_batches(f, 3);
    log_fixture_free(f);
}
END_TEST

/* Back and forth between two living logs, then one dies: each batch counts once, in its epoch. */
START_TEST(a_partition_goes_back_and_forth)
{
    struct log_fixture *f = log_fixture_new();
    struct ks_log *other;

    ck_assert_ptr_nonnull(log_fixture_open(f));
    append(f, 0, KS_APPEND_OK);
    release(f);
    other = hand_on(f);
    append(f, 1, KS_APPEND_OK);
    release(f);
    for (int32_t i = 2; i < 8; i++) {
        struct ks_log *log = f->log;

        f->log = other;
        other = log;
        ck_assert_ptr_nonnull(log_fixture_open(f));
        check_batches(f, i);
        append(f, i, KS_APPEND_OK);
        if (i < 7) {
            release(f);
        }
    }
    ck_assert_uint_eq(counters_of(f->log).seals_won + counters_of(other).seals_won, 0);
    ks_log_free(f->log);
    f->log = other;
    ck_assert_ptr_nonnull(log_fixture_open(f));
    check_batches(f, 8);
    ck_assert_uint_eq(counters_of(f->log).seals_won, 1);
    log_fixture_free(f);
}
END_TEST

START_TEST(what_is_not_open_here_is_not_released)
{
    struct log_fixture *f = log_fixture_new();
    struct ks_partition_name names[3] = { { .topic = f->topic },
                                          { .topic = f->topic },
                                          { .topic = f->topic, .index = 1 } };
    struct handover first;
    struct handover second = { .f = f };
    struct ks_log_release ask = { .names = names, .count = 3, .results = second.results };

    ck_assert_ptr_nonnull(log_fixture_open(f));
    ck_assert_int_eq(ks_log_release(f->log, &ask, on_released, &second), KAFSCALE_OK);
    begin_release(f, &first);
    virtual_env_run_for(&f->v, 1000);
    ck_assert(first.is_done);
    ck_assert(second.is_done);
    ck_assert_int_eq(second.results[0], KAFSCALE_OK);
    ck_assert_int_eq(second.results[1], KAFSCALE_EXISTS);
    ck_assert_int_eq(second.results[2], KAFSCALE_NOT_FOUND);
    ck_assert_int_eq(first.results[0], KAFSCALE_EXISTS);
    begin_release(f, &first);
    virtual_env_run_for(&f->v, 1000);
    ck_assert_int_eq(first.results[0], KAFSCALE_NOT_FOUND);
    log_fixture_free(f);
}
END_TEST

/* Nothing is claimed that this log still holds, for that claim could never be activated. */
START_TEST(what_is_open_or_being_released_is_not_opened)
{
    struct log_fixture *f = log_fixture_new();
    struct handover handover;

    ck_assert_ptr_nonnull(log_fixture_open(f));
    ck_assert_ptr_nonnull(log_fixture_open(f));
    ck_assert_int_eq(f->result, KAFSCALE_EXISTS);
    ks_fault_store_next(f->faults, KS_STORE_PUT, "/wal/",
                        (struct ks_fate){ .fault = KS_FAULT_NONE, .answer_ms = 500 }, 1);
    log_fixture_append(f, log_fixture_partition(f), 0);
    begin_release(f, &handover);
    ck_assert_ptr_nonnull(log_fixture_open(f));
    ck_assert_int_eq(f->result, KAFSCALE_EXISTS);
    ck_assert(!handover.is_done);
    ck_assert(virtual_env_run_until(&f->v, &handover.is_done, 60000));
    ck_assert_ptr_nonnull(log_fixture_open(f));
    ck_assert_int_eq(f->result, KAFSCALE_OK);
    check_batches(f, 1);
    log_fixture_free(f);
}
END_TEST

/* The register is free already, but this log doesn't know. */
START_TEST(what_was_released_is_not_opened_before_that_is_known)
{
    struct log_fixture *f = log_fixture_new();
    struct handover handover;

    ck_assert_ptr_nonnull(log_fixture_open(f));
    append(f, 0, KS_APPEND_OK);
    f->flaky.next = 1;
    begin_release(f, &handover);
    virtual_env_run_for(&f->v, 1);
    ck_assert_uint_eq(f->flaky.lost, 1);
    (void) log_fixture_open(f);
    ck_assert_int_eq(f->result, KAFSCALE_EXISTS);
    ck_assert(virtual_env_run_until(&f->v, &handover.is_done, 60000));
    ck_assert_int_eq(handover.results[0], KAFSCALE_OK);
    ck_assert_ptr_nonnull(log_fixture_open(f));
    check_batches(f, 1);
    log_fixture_free(f);
}
END_TEST

static void
on_opened(void *arg, enum kafscale_status status, const struct kafscale_error *error)
{
    (void) error;
    ck_assert_int_eq(status, KAFSCALE_OK);
    *(bool *) arg = true;
}

static struct ks_partition *
open_second(struct log_fixture *f)
{
    struct ks_partition_name name = { .topic = f->topic, .index = 1 };
    const char *topic_name = "t";
    enum kafscale_status result = KAFSCALE_OK;
    struct ks_log_open open = {
        .names = &name, .topic_names = &topic_name, .count = 1, .results = &result
    };
    bool is_opened = false;

    ck_assert_int_eq(ks_log_open(f->log, &open, on_opened, &is_opened), KAFSCALE_OK);
    ck_assert(virtual_env_run_until(&f->v, &is_opened, 60000));
    ck_assert_int_eq(result, KAFSCALE_OK);
    return ks_log_find(f->log, &name);
}

/* What others have under way is not waited for, and not promised to the next owner either. */
START_TEST(a_release_does_not_wait_for_other_partitions)
{
    struct log_fixture *f = log_fixture_new();
    struct ks_partition *second;

    ck_assert_ptr_nonnull(log_fixture_open(f));
    second = open_second(f);
    append(f, 0, KS_APPEND_OK);
    ks_fault_store_next(f->faults, KS_STORE_PUT, "/wal/",
                        (struct ks_fate){ .fault = KS_FAULT_UNAVAILABLE }, UINT32_MAX);
    log_fixture_append(f, second, 0);
    virtual_env_run_for(&f->v, 100);
    release(f);
    ck_assert_uint_eq(f->answered, 1);
    ks_log_free(f->log);
    ks_fault_store_clear(f->faults);
    ck_assert(log_fixture_new_log(f));
    ck_assert_ptr_nonnull(log_fixture_open(f));
    check_batches(f, 1);
    log_fixture_free(f);
}
END_TEST

START_TEST(a_claim_before_the_release_wins)
{
    struct log_fixture *f = log_fixture_new();
    struct ks_log *first = f->log;
    struct ks_log *second;
    struct handover handover;
    struct ks_partition_name name;
    const char *topic_name;
    struct ks_log_open open;

    ck_assert_ptr_nonnull(log_fixture_open(f));
    append(f, 0, KS_APPEND_OK);
    ks_fault_store_next(f->faults, KS_STORE_PUT, "/wal/",
                        (struct ks_fate){ .fault = KS_FAULT_UNAVAILABLE }, UINT32_MAX);
    ck_assert(log_fixture_new_log(f));
    second = f->log;
    ck_assert(log_fixture_begin_open(f, &open, &name, &topic_name));
    virtual_env_run_for(&f->v, 1000);
    f->log = first;
    begin_release(f, &handover);
    ck_assert(virtual_env_run_until(&f->v, &handover.is_done, 60000));
    ck_assert_int_eq(handover.status, KAFSCALE_OK);
    ck_assert_int_eq(handover.results[0], KAFSCALE_FENCED);
    ck_assert_ptr_null(log_fixture_partition(f));
    ks_fault_store_clear(f->faults);
    ck_assert(virtual_env_run_until(&f->v, &f->is_opened, 60000));
    f->log = second;
    check_batches(f, 1);
    ks_log_free(first);
    log_fixture_free(f);
}
END_TEST

START_TEST(a_topic_may_go_during_a_release)
{
    for (int is_told = 0; is_told < 2; is_told++) {
        struct log_fixture *f = log_fixture_new();
        struct handover handover;

        ck_assert_ptr_nonnull(log_fixture_open(f));
        ks_fault_store_next(f->faults, KS_STORE_PUT, "/wal/",
                            (struct ks_fate){ .fault = KS_FAULT_NONE, .answer_ms = 500 }, 1);
        log_fixture_append(f, log_fixture_partition(f), 0);
        begin_release(f, &handover);
        log_fixture_change_topic(f, true);
        if (is_told) {
            ks_log_forget(f->log, log_fixture_partition(f));
        }
        ck_assert(virtual_env_run_until(&f->v, &handover.is_done, 60000));
        ck_assert_int_eq(handover.status, KAFSCALE_OK);
        ck_assert_int_eq(handover.results[0], KAFSCALE_NOT_FOUND);
        ck_assert_ptr_null(log_fixture_partition(f));
        log_fixture_free(f);
    }
}
END_TEST

/* A lost answer is not a lost release, and a release that did not happen is asked for again. */
START_TEST(a_release_survives_lost_answers)
{
    for (uint64_t seed = 0; seed < 20; seed++) {
        struct log_fixture *f = log_fixture_new();

        f->v.random_state = seed;
        ck_assert_ptr_nonnull(log_fixture_open(f));
        append(f, 0, KS_APPEND_OK);
        f->flaky.next = 1;
        f->flaky.rate = 500000;
        release(f);
        f->flaky.rate = 0;
        ks_log_free(hand_on(f));
        check_batches(f, 1);
        ck_assert_uint_eq(counters_of(f->log).seals_won, 0);
        ck_assert_uint_ge(f->flaky.lost, 1);
        log_fixture_free(f);
    }
}
END_TEST

static void
on_stopped(void *arg)
{
    *(bool *) arg = true;
}

START_TEST(a_stop_waits_for_releases_and_a_store_that_is_away_ends_both)
{
    for (int is_away = 0; is_away < 2; is_away++) {
        struct log_fixture *f = log_fixture_new();
        struct handover handover;
        bool is_stopped = false;

        ck_assert_ptr_nonnull(log_fixture_open(f));
        ks_fault_store_next(f->faults, KS_STORE_PUT, "/wal/",
                            (struct ks_fate){ .fault = KS_FAULT_UNAVAILABLE },
                            is_away ? UINT32_MAX : 3);
        log_fixture_append(f, log_fixture_partition(f), 0);
        begin_release(f, &handover);
        ks_log_stop(f->log, 1000, on_stopped, &is_stopped);
        ck_assert(virtual_env_run_until(&f->v, &is_stopped, 60000));
        ck_assert(handover.is_done);
        ck_assert_int_eq(handover.status, is_away ? KAFSCALE_STOPPED : KAFSCALE_OK);
        ck_assert_int_eq(handover.results[0], is_away ? KAFSCALE_STOPPED : KAFSCALE_OK);
        ck_assert_int_eq(log_fixture_partition(f) != NULL, is_away);
        ks_fault_store_clear(f->faults);
        ks_log_free(hand_on(f));
        ck_assert_uint_eq(counters_of(f->log).seals_won, (uint64_t) is_away);
        log_fixture_free(f);
    }
}
END_TEST

START_TEST(a_log_that_is_sealed_ends_its_releases)
{
    struct log_fixture *f = log_fixture_new();
    struct ks_log *first = f->log;
    struct handover handover;

    ck_assert_ptr_nonnull(log_fixture_open(f));
    ks_fault_store_next(f->faults, KS_STORE_PUT, "/wal/",
                        (struct ks_fate){ .fault = KS_FAULT_UNAVAILABLE, .answer_ms = 500 }, 1);
    log_fixture_append(f, log_fixture_partition(f), 0);
    begin_release(f, &handover);
    virtual_env_run_for(&f->v, 1);
    (void) hand_on(f);
    ck_assert(virtual_env_run_until(&f->v, &handover.is_done, 60000));
    ck_assert_int_eq(handover.status, KAFSCALE_FENCED);
    ck_assert_int_eq(handover.results[0], KAFSCALE_FENCED);
    ks_log_free(first);
    log_fixture_free(f);
}
END_TEST

/* A release and an opening again, memory ending at allocation `k`; false once it suffices. */
static bool
run_short_of_memory(uint64_t k)
{
    struct log_fixture *f = log_fixture_new();
    struct ks_partition_name name = { .topic = f->topic };
    struct handover handover = { .f = f };
    struct ks_log_release ask = { .names = &name, .count = 1, .results = handover.results };
    bool is_over;

    ck_assert_ptr_nonnull(log_fixture_open(f));
    append(f, 0, KS_APPEND_OK);
    ks_alloc_fail_after(k);
    if (ks_log_release(f->log, &ask, on_released, &handover) == KAFSCALE_OK) {
        virtual_env_run_for(&f->v, 30000);
    }
    is_over = handover.is_done;
    ks_alloc_fail_after(UINT64_MAX);
    virtual_env_run_for(&f->v, 30000);
    if (handover.is_done) {
        ck_assert_int_eq(handover.results[0], KAFSCALE_OK);
        ck_assert_ptr_nonnull(log_fixture_open(f));
        append(f, 1, KS_APPEND_OK);
    }
    ks_log_free(hand_on(f));
    check_batches(f, handover.is_done ? 2 : 1);
    log_fixture_free(f);
    return !is_over;
}

START_TEST(each_allocation_may_fail)
{
    uint64_t k = 0;

    while (run_short_of_memory(k)) {
        k++;
        ck_assert_uint_lt(k, 1000);
    }
    ck_assert_uint_gt(k, 5);
}
END_TEST

START_TEST(a_log_may_be_freed_during_a_release)
{
    for (uint64_t steps = 0; steps < 40; steps++) {
        struct log_fixture *f = log_fixture_new();
        struct handover handover;

        ck_assert_ptr_nonnull(log_fixture_open(f));
        f->flaky.rate = 500000;
        ks_fault_store_next(f->faults, KS_STORE_PUT, "/wal/",
                            (struct ks_fate){ .fault = KS_FAULT_UNAVAILABLE, .answer_ms = 5 }, 2);
        log_fixture_append(f, log_fixture_partition(f), 0);
        begin_release(f, &handover);
        for (uint64_t i = 0; i < steps && !handover.is_done; i++) {
            (void) virtual_env_step(&f->v);
        }
        ks_log_free(f->log);
        f->log = NULL;
        handover.is_done = true;
        virtual_env_run_for(&f->v, 10000);
        log_fixture_free(f);
    }
}
END_TEST

Suite *
suite_new(void)
{
    Suite *suite = suite_create("log_release");
    TCase *tests = tcase_create("all");

    tcase_set_timeout(tests, 100);
    tcase_add_test(tests, the_next_owner_of_a_released_partition_seals_nothing);
    tcase_add_test(tests, a_release_waits_until_what_was_appended_is_durable);
    tcase_add_test(tests, the_same_log_may_open_again_what_it_released);
    tcase_add_test(tests, a_partition_goes_back_and_forth);
    tcase_add_test(tests, what_is_not_open_here_is_not_released);
    tcase_add_test(tests, what_is_open_or_being_released_is_not_opened);
    tcase_add_test(tests, what_was_released_is_not_opened_before_that_is_known);
    tcase_add_test(tests, a_release_does_not_wait_for_other_partitions);
    tcase_add_test(tests, a_claim_before_the_release_wins);
    tcase_add_test(tests, a_topic_may_go_during_a_release);
    tcase_add_test(tests, a_release_survives_lost_answers);
    tcase_add_test(tests, a_stop_waits_for_releases_and_a_store_that_is_away_ends_both);
    tcase_add_test(tests, a_log_that_is_sealed_ends_its_releases);
    tcase_add_test(tests, each_allocation_may_fail);
    tcase_add_test(tests, a_log_may_be_freed_during_a_release);
    suite_add_tcase(suite, tests);
    return suite;
}
