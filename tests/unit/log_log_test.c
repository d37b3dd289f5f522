/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One log on a virtual clock, over a store with faults on demand: what the simulation would
 * meet too seldom, such as each failed allocation, a store that stays away, and a log that is
 * freed in the middle of anything.
 */
#include "support/main.h"
#include "unit/log_fixture.h"

#include <stdlib.h>

static void
on_stopped(void *arg)
{
    struct log_fixture *f = arg;

    f->is_stopped = true;
    f->answered_when_stopped = f->answered;
}

static void
store_is_away(struct log_fixture *f, enum ks_store_operation operation)
{
    ks_fault_store_next(f->faults, operation, "/wal/",
                        (struct ks_fate){ .fault = KS_FAULT_UNAVAILABLE }, UINT32_MAX);
}

/* Whoever is told that the log has stopped may free what its appends pointed to. */
START_TEST(a_stop_that_gives_up_answers_every_append_first)
{
    struct log_fixture *f = log_fixture_new();
    struct ks_partition *partition = log_fixture_open(f);

    store_is_away(f, KS_STORE_PUT);
    log_fixture_append(f, partition, 0);
    log_fixture_append(f, partition, 1);
    ks_log_stop(f->log, 100, on_stopped, f);
    ck_assert(virtual_env_run_until(&f->v, &f->is_stopped, 1000));
    ck_assert_uint_eq(f->answered_when_stopped, 2);
    ck_assert_uint_eq(f->acknowledged, 0);
    log_fixture_free(f);
}
END_TEST

/* However long it was away: whoever waits for an answer waits two seconds more at most. */
START_TEST(a_store_that_is_back_is_written_to_within_two_seconds)
{
    for (int64_t away_ms = 1000; away_ms < 300000; away_ms += 7777) {
        struct log_fixture *f = log_fixture_new();
        struct ks_partition *partition = log_fixture_open(f);
        int64_t back_ms;

        store_is_away(f, KS_STORE_PUT);
        log_fixture_append(f, partition, 0);
        virtual_env_run_for(&f->v, away_ms);
        ck_assert_uint_eq(f->acknowledged, 0);
        ks_fault_store_clear(f->faults);
        back_ms = ks_env_now_ms(&f->v.env);
        while (f->acknowledged == 0) {
            ck_assert(virtual_env_step(&f->v));
        }
        ck_assert_int_le(ks_env_now_ms(&f->v.env) - back_ms, 2000);
        log_fixture_free(f);
    }
}
END_TEST

START_TEST(no_answer_comes_after_the_log_was_freed)
{
    struct log_fixture *f = log_fixture_new();
    struct ks_partition *partition = log_fixture_open(f);

    f->options.unflushed_bytes_max = 1;
    log_fixture_append(f, partition, 0);
    log_fixture_append(f, partition, 5);
    ks_log_free(f->log);
    f->log = NULL;
    virtual_env_run_for(&f->v, 10000);
    ck_assert_uint_eq(f->answered, 0);
    log_fixture_free(f);
}
END_TEST

static void
on_read(struct ks_log_read *read, enum kafscale_status status)
{
    *(enum kafscale_status *) read->arg = status;
}

/* The reader's memory goes with its owner, right after the log. */
START_TEST(a_read_under_way_is_not_touched_after_the_log_was_freed)
{
    for (int round = 0; round < 2; round++) {
        struct log_fixture *f = log_fixture_new();
        struct ks_partition *partition = log_fixture_open(f);
        struct ks_log_read *read = calloc(1, sizeof *read);
        enum kafscale_status status = KAFSCALE_OK;
        enum kafscale_status told = KAFSCALE_OK;

        ck_assert_ptr_nonnull(read);
        log_fixture_append(f, partition, 0);
        virtual_env_run_for(&f->v, 1000);
        *read = (struct ks_log_read){ .partition = partition,
                                      .bytes_max = 1000,
                                      .is_first_whole = true,
                                      .done = on_read,
                                      .arg = &told };
        store_is_away(f, KS_STORE_GET);
        ck_assert(!ks_log_read(f->log, read, &status));
        virtual_env_run_for(&f->v, round * 2);
        ks_log_free(f->log);
        f->log = NULL;
        free(read);
        virtual_env_run_for(&f->v, 10000);
        log_fixture_free(f);
    }
}
END_TEST

/* The owner closes its stores when the stop is told: nothing may be asked of them any more. */
START_TEST(after_a_stop_that_gave_up_the_stores_are_left_alone)
{
    struct log_fixture *f = log_fixture_new();
    struct ks_partition *partition = log_fixture_open(f);
    struct ks_log_read read = { .bytes_max = 1000, .is_first_whole = true, .done = on_read };
    enum kafscale_status status = KAFSCALE_OK;
    enum kafscale_status told = KAFSCALE_OK;
    uint64_t requests;

    log_fixture_append(f, partition, 0);
    virtual_env_run_for(&f->v, 1000);
    store_is_away(f, KS_STORE_GET);
    store_is_away(f, KS_STORE_PUT);
    log_fixture_append(f, partition, 1);
    ks_log_stop(f->log, 4, on_stopped, f);
    virtual_env_run_for(&f->v, 3);
    read.partition = partition;
    read.arg = &told;
    ck_assert(!ks_log_read(f->log, &read, &status));
    ck_assert(virtual_env_run_until(&f->v, &f->is_stopped, 1000));
    requests = ks_store_counters(f->store)->requests[KS_STORE_GET] +
               ks_store_counters(f->store)->requests[KS_STORE_PUT];
    virtual_env_run_for(&f->v, 10000);
    ck_assert_uint_eq(requests, ks_store_counters(f->store)->requests[KS_STORE_GET] +
                                    ks_store_counters(f->store)->requests[KS_STORE_PUT]);
    ck_assert_int_eq(told, KAFSCALE_STOPPED);
    log_fixture_free(f);
}
END_TEST

/* One damaged answer among others proves nothing about what is stored. */
START_TEST(a_record_counts_as_damaged_when_each_read_says_so)
{
    struct ks_fate damage = { .fault = KS_FAULT_DAMAGE };
    struct ks_fate away = { .fault = KS_FAULT_UNAVAILABLE };
    struct log_fixture *f = log_fixture_new();
    struct ks_partition *partition = log_fixture_open(f);
    struct ks_log_read read = { .bytes_max = 1000, .is_first_whole = true, .done = on_read };
    enum kafscale_status status = KAFSCALE_OK;
    enum kafscale_status told = KAFSCALE_OK;

    log_fixture_append(f, partition, 0);
    virtual_env_run_for(&f->v, 1000);
    ks_fault_store_next(f->faults, KS_STORE_GET, "/wal/", _i == 0 ? damage : away, 2);
    ks_fault_store_next(f->faults, KS_STORE_GET, "/wal/", damage, 1);
    read.partition = partition;
    read.arg = &told;
    ck_assert(!ks_log_read(f->log, &read, &status));
    virtual_env_run_for(&f->v, 60000);
    ck_assert_int_eq(told, _i == 0 ? KAFSCALE_CORRUPT : KAFSCALE_UNAVAILABLE);
    log_fixture_free(f);
}
END_TEST

/*
 * Durability 1, idempotent producers: what was refused stays next, also of a producer never
 * seen before.
 */
START_TEST(nothing_overtakes_the_first_batch_of_a_producer_when_that_was_refused)
{
    struct log_fixture *f = log_fixture_new();
    struct ks_partition *partition;

    ks_log_free(f->log);
    f->options.unflushed_bytes_max = 100;
    ck_assert(log_fixture_new_log(f));
    partition = log_fixture_open(f);
    log_fixture_append(f, partition, 0);
    (void) log_fixture_make_append(f, 0);
    f->appends[1].batch.producer_id = 8;
    ks_log_append(f->log, partition, &f->appends[1]);
    virtual_env_run_for(&f->v, 1000);
    ck_assert_int_eq(f->appends[1].result, KS_APPEND_FULL);
    (void) log_fixture_make_append(f, 1);
    f->appends[2].batch.producer_id = 8;
    ks_log_append(f->log, partition, &f->appends[2]);
    virtual_env_run_for(&f->v, 1000);
    ck_assert_int_eq(f->appends[2].result, KS_APPEND_OUT_OF_ORDER);
    log_fixture_free(f);
}
END_TEST

static enum ks_append_result
append_of(struct log_fixture *f, int64_t producer_id, int32_t sequence)
{
    struct ks_append *append = log_fixture_make_append(f, sequence);

    append->batch.producer_id = producer_id;
    ks_log_append(f->log, log_fixture_partition(f), append);
    virtual_env_run_for(&f->v, 1000);
    return append->result;
}

/* Room comes after the first batch was refused, and before the second. */
START_TEST(nothing_overtakes_the_first_batch_of_a_producer_for_which_there_was_no_room)
{
    struct log_fixture *f = log_fixture_new();

    f->options.producers_max = 1;
    log_fixture_restart(f);
    ck_assert_int_eq(append_of(f, 7, 0), KS_APPEND_OK);
    ck_assert_int_eq(append_of(f, 8, 0), KS_APPEND_TOO_MANY_PRODUCERS);
    virtual_env_run_for(&f->v, 11 * 60 * 1000);
    ck_assert_int_eq(append_of(f, 8, 1), KS_APPEND_OUT_OF_ORDER);
    ck_assert_int_eq(append_of(f, 8, 0), KS_APPEND_OK);
    ck_assert_int_eq(append_of(f, 8, 1), KS_APPEND_OK);
    log_fixture_free(f);
}
END_TEST

/* Of a known producer, too: what was refused stays next, also the first of a new epoch. */
START_TEST(nothing_overtakes_a_batch_that_was_refused_for_want_of_room)
{
    struct log_fixture *f = log_fixture_new();
    struct ks_partition *partition;

    ks_log_free(f->log);
    f->options.unflushed_bytes_max = 100;
    ck_assert(log_fixture_new_log(f));
    partition = log_fixture_open(f);
    log_fixture_append(f, partition, 0);
    log_fixture_append(f, partition, 1);
    virtual_env_run_for(&f->v, 1000);
    ck_assert_int_eq(f->appends[0].result, KS_APPEND_OK);
    ck_assert_int_eq(f->appends[1].result, KS_APPEND_FULL);
    ck_assert_int_eq(append_of(f, 7, 2), KS_APPEND_OUT_OF_ORDER);
    ck_assert_int_eq(append_of(f, 7, 1), KS_APPEND_OK);
    ck_assert_int_eq(append_of(f, 7, 2), KS_APPEND_OK);
    log_fixture_free(f);
}
END_TEST

START_TEST(a_name_given_twice_is_opened_once)
{
    struct log_fixture *f = log_fixture_new();
    struct ks_partition_name names[3] = { { .topic = f->topic },
                                          { .topic = f->topic, .index = 1 },
                                          { .topic = f->topic } };
    const char *topic_names[3] = { "t", "t", "t" };
    enum kafscale_status results[3] = { 0 };
    struct ks_log_open open = {
        .names = names, .topic_names = topic_names, .count = 3, .results = results
    };

    ck_assert_int_eq(ks_log_open(f->log, &open, log_fixture_on_opened, f), KAFSCALE_OK);
    ck_assert(virtual_env_run_until(&f->v, &f->is_opened, 1000));
    ck_assert_int_eq(f->open_status, KAFSCALE_OK);
    ck_assert_int_eq(results[0], KAFSCALE_OK);
    ck_assert_int_eq(results[1], KAFSCALE_OK);
    ck_assert_int_eq(results[2], KAFSCALE_EXISTS);
    log_fixture_append(f, log_fixture_partition(f), 0);
    virtual_env_run_for(&f->v, 1000);
    ck_assert_uint_eq(f->acknowledged, 1);
    log_fixture_free(f);
}
END_TEST

static void
on_looked(void *arg, enum kafscale_status status)
{
    struct log_fixture *f = arg;

    f->look_status = status;
    f->is_looked = true;
}

/* A slot under way that is stored already hides nothing: the seal lies in the one after it. */
START_TEST(a_look_finds_a_seal_behind_an_object_under_way)
{
    struct log_fixture *f = log_fixture_new();
    struct ks_partition *partition = log_fixture_open(f);
    struct ks_log *first = f->log;

    ks_fault_store_next(f->faults, KS_STORE_PUT, "/wal/",
                        (struct ks_fate){ .fault = KS_FAULT_NONE, .answer_ms = 50000 }, 1);
    log_fixture_append(f, partition, 0);
    virtual_env_run_for(&f->v, 100);
    ck_assert_uint_eq(f->answered, 0);
    ck_assert(log_fixture_new_log(f));
    ck_assert_ptr_nonnull(log_fixture_open(f));
    ck_assert_int_eq(ks_log_look(first, on_looked, f), KAFSCALE_OK);
    ck_assert(virtual_env_run_until(&f->v, &f->is_looked, 1000));
    ck_assert_int_eq(f->look_status, KAFSCALE_FENCED);
    ks_log_free(first);
    log_fixture_free(f);
}
END_TEST

/*
 * What becomes of an opening, an append, a reading and a stop when memory ends at allocation
 * `k`.
 */
static bool
run_short_of_memory(uint64_t k)
{
    struct log_fixture *f = log_fixture_new();
    struct ks_partition *partition;
    enum kafscale_status status = KAFSCALE_OK;
    enum kafscale_status told = KAFSCALE_OK;
    struct ks_log_read read = {
        .bytes_max = 1000, .is_first_whole = true, .done = on_read, .arg = &told
    };
    size_t acknowledged;
    bool was_enough;

    partition = log_fixture_open(f);
    log_fixture_append(f, partition, 0);
    virtual_env_run_for(&f->v, 1000);
    ks_log_free(f->log);
    virtual_env_run_for(&f->v, 1000);
    for (int32_t i = 1; i < 4; i++) {
        (void) log_fixture_make_append(f, i);
    }
    ck_assert(log_fixture_new_log(f));
    ks_alloc_fail_after(k);
    {
        struct ks_partition_name name;
        const char *topic_name;
        struct ks_log_open open;

        if (log_fixture_begin_open(f, &open, &name, &topic_name)) {
            virtual_env_run_for(&f->v, 30000);
        } else {
            f->is_opened = true;
        }
        partition = f->is_opened ? log_fixture_partition(f) : NULL;
        for (size_t i = 1; i < 4 && partition != NULL; i++) {
            ks_log_append(f->log, partition, &f->appends[i]);
        }
        virtual_env_run_for(&f->v, 3000);
        read.partition = partition;
        if (partition != NULL) {
            (void) ks_log_read(f->log, &read, &status);
        }
        virtual_env_run_for(&f->v, 10000);
        ks_log_read_release(&read);
        acknowledged = f->acknowledged;
        was_enough = f->is_opened && partition != NULL && acknowledged == 4;
        ks_log_stop(f->log, 1000, on_stopped, f);
        virtual_env_run_for(&f->v, 30000);
        ck_assert(f->is_stopped);
        ks_alloc_fail_after(UINT64_MAX);
        virtual_env_run_for(&f->v, 30000);
        ck_assert(f->is_opened);
    }
    ks_log_free(f->log);
    virtual_env_run_for(&f->v, 30000);
    ck_assert(log_fixture_new_log(f));
    partition = log_fixture_open(f);
    ck_assert_ptr_nonnull(partition);
    ck_assert_int_ge(ks_partition_high_watermark(partition), (int64_t) acknowledged);
    ck_assert_int_le(ks_partition_high_watermark(partition), 4);
    log_fixture_free(f);
    return was_enough;
}

START_TEST(each_allocation_may_fail)
{
    uint64_t k = 0;

    while (!run_short_of_memory(k)) {
        k++;
        ck_assert_uint_lt(k, 1000);
    }
    ck_assert_uint_gt(k, 30);
}
END_TEST

/*
 * A crash at any moment of opening, sealing, reading and appending: nothing is left, nothing is
 * touched.
 */
START_TEST(a_log_may_be_freed_at_any_moment)
{
    for (int64_t at_ms = 0; at_ms < 60; at_ms++) {
        struct log_fixture *f = log_fixture_new();
        struct ks_partition *partition = log_fixture_open(f);
        struct ks_partition_name name;
        const char *topic_name;
        struct ks_log_open open;

        log_fixture_append(f, partition, 0);
        virtual_env_run_for(&f->v, 1000);
        ks_log_free(f->log);
        ks_fault_store_next(f->faults, KS_STORE_OPERATION_COUNT, "/wal/",
                            (struct ks_fate){ .fault = KS_FAULT_UNAVAILABLE, .answer_ms = 5 }, 3);
        ck_assert(log_fixture_new_log(f));
        ck_assert(log_fixture_begin_open(f, &open, &name, &topic_name));
        virtual_env_run_for(&f->v, at_ms);
        if (f->is_opened && log_fixture_partition(f) != NULL) {
            log_fixture_append(f, log_fixture_partition(f), 1);
            virtual_env_run_for(&f->v, 1);
        }
        ks_log_free(f->log);
        f->log = NULL;
        /* Only requests may be under way, and those of the store take no longer. */
        virtual_env_run_for(&f->v, 5);
        ck_assert(virtual_env_run_until_idle(&f->v, 0));
        log_fixture_free(f);
    }
}
END_TEST

Suite *
suite_new(void)
{
    Suite *suite = suite_create("log_log");
    TCase *tests = tcase_create("all");

    tcase_set_timeout(tests, 100);
    tcase_add_test(tests, a_stop_that_gives_up_answers_every_append_first);
    tcase_add_test(tests, a_store_that_is_back_is_written_to_within_two_seconds);
    tcase_add_test(tests, no_answer_comes_after_the_log_was_freed);
    tcase_add_test(tests, a_read_under_way_is_not_touched_after_the_log_was_freed);
    tcase_add_test(tests, after_a_stop_that_gave_up_the_stores_are_left_alone);
    tcase_add_loop_test(tests, a_record_counts_as_damaged_when_each_read_says_so, 0, 2);
    tcase_add_test(tests, nothing_overtakes_the_first_batch_of_a_producer_when_that_was_refused);
    tcase_add_test(tests,
                   nothing_overtakes_the_first_batch_of_a_producer_for_which_there_was_no_room);
    tcase_add_test(tests, nothing_overtakes_a_batch_that_was_refused_for_want_of_room);
    tcase_add_test(tests, a_name_given_twice_is_opened_once);
    tcase_add_test(tests, a_look_finds_a_seal_behind_an_object_under_way);
    tcase_add_test(tests, each_allocation_may_fail);
    tcase_add_test(tests, a_log_may_be_freed_at_any_moment);
    suite_add_tcase(suite, tests);
    return suite;
}
