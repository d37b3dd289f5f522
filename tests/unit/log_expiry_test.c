/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Retention of what lies in segments: it goes when it has passed a limit, with what lies above if
 * that has too, and until then nobody asks for it.
 */
#include "support/main.h"
#include "unit/log_segments.h"

#define MINUTE_MS 60000
#define CHECK_MS (5 * MINUTE_MS)

static void
append(struct log_fixture *f, int32_t first, int32_t count, int64_t age_ms)
{
    f->batch_time_ms = ks_env_wall_ms(&f->v.env) - age_ms;
    segments_append(f, first, count);
}

/* Four segments with three batches each, of these ages, and a batch above; a later owner has it. */
static struct log_fixture *
world_of_four(const int64_t ages_ms[4])
{
    struct log_fixture *f = segments_world_new(3 * BATCH_BYTES);

    for (int32_t i = 0; i < 4; i++) {
        append(f, 3 * i, 3, ages_ms[i]);
    }
    append(f, 12, 1, 0);
    ck_assert_int_eq(segments_register(f)->compacted_upto, 12);
    log_fixture_succeed(f);
    return f;
}

static const int64_t ages_ms[4] = { 100 * MINUTE_MS, 90 * MINUTE_MS, 30 * MINUTE_MS, 0 };
static const int64_t young_ms[4] = { 0, 0, 0, 0 };

/* --- Time ------------------------------------------------------------------------------------ */

START_TEST(segments_go_when_they_are_too_old)
{
    struct log_fixture *f = world_of_four(ages_ms);

    log_fixture_limit(f, 60 * MINUTE_MS, -1);
    virtual_env_run_for(&f->v, CHECK_MS - MINUTE_MS);
    ck_assert_int_eq(log_fixture_log_start(f), 0);
    virtual_env_run_for(&f->v, 2 * MINUTE_MS);
    ck_assert_int_eq(log_fixture_log_start(f), 6);
    ck_assert_uint_eq(log_fixture_counters(f).starts_raised, 1);
    ck_assert(!segments_has(f, 0, KS_SEGMENT_BODY));
    ck_assert(!segments_has(f, 3, KS_SEGMENT_INDEX));
    ck_assert(segments_has(f, 6, KS_SEGMENT_BODY));
    segments_expect_records(f, 6, 13, 1);
    /* The third with an eighth more of the time; the last with what lies above. */
    virtual_env_run_for(&f->v, 28 * MINUTE_MS);
    ck_assert_int_eq(log_fixture_log_start(f), 6);
    virtual_env_run_for(&f->v, 10 * MINUTE_MS);
    ck_assert_int_eq(log_fixture_log_start(f), 9);
    virtual_env_run_for(&f->v, 40 * MINUTE_MS);
    ck_assert_int_eq(log_fixture_log_start(f), 13);
    ck_assert_uint_eq(log_fixture_counters(f).starts_raised, 3);
    ck_assert(!segments_has(f, 9, KS_SEGMENT_BODY));
    log_fixture_free(f);
}
END_TEST

START_TEST(a_young_segment_keeps_older_ones_behind_it)
{
    const int64_t mixed_ms[4] = { 0, 100 * MINUTE_MS, 100 * MINUTE_MS, 100 * MINUTE_MS };
    struct log_fixture *f = world_of_four(mixed_ms);

    log_fixture_limit(f, 60 * MINUTE_MS, -1);
    virtual_env_run_for(&f->v, 50 * MINUTE_MS);
    ck_assert_int_eq(log_fixture_log_start(f), 0);
    virtual_env_run_for(&f->v, 30 * MINUTE_MS);
    ck_assert_int_eq(log_fixture_log_start(f), 13);
    log_fixture_free(f);
}
END_TEST

/* An index that is gone is made again from its segment, which knows its times. */
START_TEST(segments_go_without_their_indexes)
{
    struct log_fixture *f = world_of_four(ages_ms);

    segments_erase(f, segments_key(0, KS_SEGMENT_INDEX));
    segments_erase(f, segments_key(3, KS_SEGMENT_INDEX));
    log_fixture_limit(f, 60 * MINUTE_MS, -1);
    virtual_env_run_for(&f->v, 2 * CHECK_MS);
    ck_assert_int_eq(log_fixture_log_start(f), 6);
    log_fixture_free(f);
}
END_TEST

/* --- Size ------------------------------------------------------------------------------------ */

START_TEST(segments_go_when_there_is_too_much)
{
    struct log_fixture *f = world_of_four(young_ms);

    log_fixture_limit(f, -1, 5 * BATCH_BYTES);
    virtual_env_run_for(&f->v, 2 * CHECK_MS);
    ck_assert_int_eq(log_fixture_log_start(f), 6);
    ck_assert_uint_eq(log_fixture_counters(f).starts_raised, 1);
    virtual_env_run_for(&f->v, 10 * CHECK_MS);
    ck_assert_int_eq(log_fixture_log_start(f), 6);
    /* What comes later counts, compacted or not. */
    append(f, 13, 2, 0);
    virtual_env_run_for(&f->v, 2 * CHECK_MS);
    ck_assert_int_eq(log_fixture_log_start(f), 9);
    log_fixture_limit(f, -1, 0);
    virtual_env_run_for(&f->v, 2 * CHECK_MS);
    ck_assert_int_eq(log_fixture_log_start(f), 15);
    log_fixture_free(f);
}
END_TEST

/* What lies behind a segment whose index was made again is known from the one before it. */
START_TEST(totals_are_carried_over_an_index_that_is_gone)
{
    struct log_fixture *f = world_of_four(young_ms);

    segments_erase(f, segments_key(3, KS_SEGMENT_INDEX));
    log_fixture_limit(f, -1, 5 * BATCH_BYTES);
    virtual_env_run_for(&f->v, 2 * CHECK_MS);
    ck_assert_int_eq(log_fixture_log_start(f), 6);
    log_fixture_free(f);
}
END_TEST

/* Too little is counted where nobody can say; nothing goes that is within the limit. */
START_TEST(what_is_not_known_is_not_counted)
{
    struct log_fixture *f = world_of_four(young_ms);

    log_fixture_limit(f, -1, 8 * BATCH_BYTES);
    virtual_env_run_for(&f->v, 2 * CHECK_MS);
    ck_assert_int_eq(log_fixture_log_start(f), 3);
    log_fixture_succeed(f);
    segments_erase(f, segments_key(3, KS_SEGMENT_INDEX));
    log_fixture_limit(f, -1, 5 * BATCH_BYTES);
    virtual_env_run_for(&f->v, 2 * CHECK_MS);
    ck_assert_int_eq(log_fixture_log_start(f), 3);
    log_fixture_free(f);
}
END_TEST

/* --- With bundles and slots ------------------------------------------------------------------ */

/* Two segments, two bundles of two slots each and a slot. */
static struct log_fixture *
world_of_tiers(int64_t age_ms)
{
    struct log_fixture *f = segments_world_new(1 << 20);

    f->options.bundle_slots = 2;
    log_fixture_restart(f);
    ks_log_set_segment_limits(f->log, log_fixture_partition(f),
                              &(struct ks_segment_limits){ .bytes_max = 3 * BATCH_BYTES });
    append(f, 0, 6, age_ms);
    ck_assert_int_eq(segments_register(f)->compacted_upto, 6);
    ks_log_set_segment_limits(f->log, log_fixture_partition(f),
                              &(struct ks_segment_limits){ .bytes_max = 0 });
    append(f, 6, 4, age_ms);
    append(f, 10, 1, 0);
    ck_assert_int_eq(segments_register(f)->compacted_upto, 6);
    ck_assert_uint_ge(log_fixture_partition(f)->bundled_count, 2);
    return f;
}

START_TEST(all_that_is_too_old_goes_at_once)
{
    for (int is_restarted = 0; is_restarted < 2; is_restarted++) {
        struct log_fixture *f = world_of_tiers(100 * MINUTE_MS);

        if (is_restarted) {
            log_fixture_succeed(f);
        }
        log_fixture_limit(f, 60 * MINUTE_MS, -1);
        virtual_env_run_for(&f->v, CHECK_MS + MINUTE_MS);
        ck_assert_int_eq(log_fixture_log_start(f), 10);
        ck_assert_uint_eq(log_fixture_counters(f).starts_raised, 1);
        segments_expect_records(f, 10, 11, 1);
        log_fixture_free(f);
    }
}
END_TEST

START_TEST(the_size_is_that_of_all_tiers)
{
    struct log_fixture *f = world_of_tiers(0);

    log_fixture_limit(f, -1, 11 * BATCH_BYTES);
    virtual_env_run_for(&f->v, 2 * CHECK_MS);
    ck_assert_int_eq(log_fixture_log_start(f), 0);
    log_fixture_limit(f, -1, 7 * BATCH_BYTES);
    virtual_env_run_for(&f->v, 2 * CHECK_MS);
    ck_assert_int_eq(log_fixture_log_start(f), 3);
    log_fixture_limit(f, -1, 3 * BATCH_BYTES);
    virtual_env_run_for(&f->v, 2 * CHECK_MS);
    ck_assert_int_eq(log_fixture_log_start(f), 8);
    log_fixture_succeed(f);
    ck_assert_int_eq(log_fixture_log_start(f), 8);
    segments_expect_records(f, 8, 11, 1);
    log_fixture_free(f);
}
END_TEST

/* --- Idleness -------------------------------------------------------------------------------- */

START_TEST(nothing_is_asked_before_it_is_due)
{
    struct log_fixture *f = world_of_four(young_ms);
    uint64_t before;

    log_fixture_limit(f, 4 * 60 * MINUTE_MS, 1 << 30);
    virtual_env_run_for(&f->v, 2 * CHECK_MS);
    before = log_fixture_requests(f);
    virtual_env_run_for(&f->v, 4 * 60 * MINUTE_MS);
    ck_assert_uint_eq(log_fixture_requests(f), before);
    ck_assert_int_eq(log_fixture_log_start(f), 0);
    virtual_env_run_for(&f->v, 60 * MINUTE_MS);
    ck_assert_int_eq(log_fixture_log_start(f), 13);
    before = log_fixture_requests(f);
    ck_assert(!ks_env_timer_is_set(&f->log->retention.timer));
    virtual_env_run_for(&f->v, 48 * 60 * MINUTE_MS);
    ck_assert_uint_eq(log_fixture_requests(f), before);
    log_fixture_free(f);
}
END_TEST

/* The one look that a new owner needs is an index. */
START_TEST(after_a_restart_the_time_is_found_again)
{
    struct log_fixture *f = world_of_four(ages_ms);
    uint64_t before;

    log_fixture_limit(f, 120 * MINUTE_MS, -1);
    virtual_env_run_for(&f->v, 2 * CHECK_MS);
    log_fixture_succeed(f);
    before = log_fixture_requests(f);
    log_fixture_limit(f, 120 * MINUTE_MS, -1);
    virtual_env_run_for(&f->v, 2 * CHECK_MS);
    ck_assert_uint_le(log_fixture_requests(f), before + 2);
    before = log_fixture_requests(f);
    virtual_env_run_for(&f->v, 10 * MINUTE_MS);
    ck_assert_uint_eq(log_fixture_requests(f), before);
    ck_assert_int_eq(log_fixture_log_start(f), 0);
    virtual_env_run_for(&f->v, 15 * MINUTE_MS);
    ck_assert_int_eq(log_fixture_log_start(f), 6);
    log_fixture_free(f);
}
END_TEST

/* Where the size alone counts and is within the limit, not even that. */
START_TEST(a_size_within_the_limit_needs_no_request)
{
    struct log_fixture *f = world_of_four(young_ms);
    uint64_t before = log_fixture_requests(f);

    log_fixture_limit(f, -1, 13 * BATCH_BYTES);
    virtual_env_run_for(&f->v, 5 * 60 * MINUTE_MS);
    ck_assert_uint_eq(log_fixture_requests(f), before);
    ck_assert(!ks_env_timer_is_set(&f->log->retention.timer));
    log_fixture_free(f);
}
END_TEST

/* --- Trouble --------------------------------------------------------------------------------- */

START_TEST(a_store_that_is_away_is_asked_less_and_less)
{
    struct log_fixture *f = world_of_four(ages_ms);
    struct ks_fate away = { .fault = KS_FAULT_UNAVAILABLE };
    uint64_t before;

    log_fixture_limit(f, 60 * MINUTE_MS, -1);
    ks_fault_store_next(f->faults, KS_STORE_GET, ".index", away, UINT32_MAX);
    virtual_env_run_for(&f->v, 4 * CHECK_MS);
    before = log_fixture_requests(f);
    virtual_env_run_for(&f->v, 100 * CHECK_MS);
    ck_assert_int_eq(log_fixture_log_start(f), 0);
    ck_assert_uint_gt(log_fixture_requests(f), before);
    ck_assert_uint_le(log_fixture_requests(f), before + 30);
    ks_fault_store_clear(f->faults);
    virtual_env_run_for(&f->v, 70 * CHECK_MS);
    ck_assert_int_eq(log_fixture_log_start(f), 13);
    log_fixture_free(f);
}
END_TEST

/* Another broker takes the partition while this one looks. */
START_TEST(a_new_owner_goes_on)
{
    struct log_fixture *f = world_of_four(ages_ms);
    struct ks_fate slow = { .effect_ms = 2000, .answer_ms = 2000 };
    struct ks_log *old = f->log;

    log_fixture_limit(f, 60 * MINUTE_MS, -1);
    ks_fault_store_next(f->faults, KS_STORE_GET, "/t/0/", slow, 1);
    virtual_env_run_for(&f->v, CHECK_MS + 100);
    ck_assert_uint_eq(old->retention.walk_count, 1);
    ck_assert(log_fixture_new_log(f));
    ck_assert_ptr_nonnull(log_fixture_open(f));
    virtual_env_run_for(&f->v, 2 * CHECK_MS);
    ck_assert_int_eq(segments_register(f)->log_start, 0);
    ck_assert_uint_eq(old->counters.starts_raised, 0);
    log_fixture_limit(f, 60 * MINUTE_MS, -1);
    virtual_env_run_for(&f->v, 2 * CHECK_MS);
    ck_assert_int_eq(log_fixture_log_start(f), 6);
    segments_expect_records(f, 6, 13, 1);
    ks_log_free(old);
    log_fixture_free(f);
}
END_TEST

/* The broker dies, or is freed, after each turn of the loop; the next owner goes on. */
static void
end_at_any_moment(bool is_death)
{
    int ended = 0;

    for (int turns = 0; turns < 60; turns++) {
        struct log_fixture *f = world_of_four(ages_ms);

        log_fixture_limit(f, 60 * MINUTE_MS, -1);
        virtual_env_run_for(&f->v, CHECK_MS - 10);
        for (int i = 0; i < turns && log_fixture_log_start(f) == 0; i++) {
            ck_assert(virtual_env_step(&f->v));
        }
        ended += f->log->retention.walk_count > 0;
        if (is_death) {
            log_fixture_succeed(f);
        } else {
            log_fixture_restart(f);
        }
        log_fixture_limit(f, 60 * MINUTE_MS, -1);
        virtual_env_run_for(&f->v, 2 * CHECK_MS);
        ck_assert_int_eq(log_fixture_log_start(f), 6);
        segments_expect_records(f, 6, 13, 1);
        log_fixture_free(f);
    }
    ck_assert_int_gt(ended, 0);
}

START_TEST(it_may_die_at_any_moment)
{
    end_at_any_moment(true);
}
END_TEST

START_TEST(it_may_be_freed_at_any_moment)
{
    end_at_any_moment(false);
}
END_TEST

START_TEST(the_partition_may_go_meanwhile)
{
    struct log_fixture *f = world_of_four(ages_ms);
    struct ks_fate slow = { .effect_ms = 1000, .answer_ms = 1000 };

    log_fixture_limit(f, 60 * MINUTE_MS, -1);
    ks_fault_store_next(f->faults, KS_STORE_GET, "/t/0/", slow, UINT32_MAX);
    virtual_env_run_for(&f->v, CHECK_MS + 100);
    ck_assert_uint_eq(f->log->retention.walk_count, 1);
    ks_log_forget(f->log, log_fixture_partition(f));
    virtual_env_run_for(&f->v, 2 * CHECK_MS);
    ck_assert_uint_eq(f->log->retention.walk_count, 0);
    ck_assert_uint_eq(log_fixture_counters(f).starts_raised, 0);
    log_fixture_free(f);
}
END_TEST

static void
on_stopped(void *arg)
{
    *(bool *) arg = true;
}

START_TEST(a_stop_waits_for_no_walk)
{
    struct log_fixture *f = world_of_four(ages_ms);
    struct ks_fate slow = { .effect_ms = 1000, .answer_ms = 1000 };
    bool is_stopped = false;

    log_fixture_limit(f, 60 * MINUTE_MS, -1);
    ks_fault_store_next(f->faults, KS_STORE_GET, "/t/0/", slow, UINT32_MAX);
    virtual_env_run_for(&f->v, CHECK_MS + 100);
    ck_assert_uint_eq(f->log->retention.walk_count, 1);
    ks_log_stop(f->log, 60000, on_stopped, &is_stopped);
    ck_assert(virtual_env_run_until(&f->v, &is_stopped, 5000));
    ck_assert_uint_eq(log_fixture_counters(f).starts_raised, 0);
    log_fixture_free(f);
}
END_TEST

/* --- Many ------------------------------------------------------------------------------------ */

#define PARTITIONS 20

struct many {
    struct ks_partition_name names[PARTITIONS];
    const char *topic_names[PARTITIONS];
    enum kafscale_status results[PARTITIONS];
};

static void
open_many(struct log_fixture *f, struct many *many)
{
    struct ks_log_open open = { .names = many->names,
                                .topic_names = many->topic_names,
                                .count = PARTITIONS,
                                .results = many->results };

    for (int32_t i = 0; i < PARTITIONS; i++) {
        many->names[i] = (struct ks_partition_name){ .topic = f->topic, .index = i };
        many->topic_names[i] = "t";
    }
    f->is_opened = false;
    ck_assert_int_eq(ks_log_open(f->log, &open, log_fixture_on_opened, f), KAFSCALE_OK);
    ck_assert(virtual_env_run_until(&f->v, &f->is_opened, 600000));
}

/* Two segments each, which a later owner has. */
static struct log_fixture *
world_of_many(struct many *many)
{
    struct log_fixture *f = segments_world_new(10);

    ks_log_free(f->log);
    ck_assert(log_fixture_new_log(f));
    open_many(f, many);
    for (int32_t i = 0; i < 2 * PARTITIONS; i++) {
        log_fixture_append(f, ks_log_find(f->log, &many->names[i / 2]), i % 2);
    }
    virtual_env_run_for(&f->v, 20 * SETTLE_MS);
    log_fixture_crash(f);
    ck_assert(log_fixture_new_log(f));
    open_many(f, many);
    return f;
}

START_TEST(a_few_partitions_are_looked_at_at_once)
{
    struct ks_retention retention = { .ms = MINUTE_MS, .bytes = -1 };
    struct ks_fate slow = { .effect_ms = 10, .answer_ms = 10 };
    struct many many;
    struct log_fixture *f = world_of_many(&many);
    size_t walks_max = 0;

    for (int32_t i = 0; i < PARTITIONS; i++) {
        struct ks_partition *partition = ks_log_find(f->log, &many.names[i]);

        ck_assert_int_eq(partition->reg.compacted_upto, 2);
        ks_log_set_retention(f->log, partition, &retention);
    }
    ks_fault_store_next(f->faults, KS_STORE_GET, "/t/", slow, UINT32_MAX);
    virtual_env_run_for(&f->v, CHECK_MS - 10);
    for (int i = 0; i < 5000; i++) {
        size_t walks = f->log->retention.walk_count;

        walks_max = walks > walks_max ? walks : walks_max;
        virtual_env_run_for(&f->v, 1);
    }
    ck_assert_uint_gt(walks_max, 1);
    ck_assert_uint_le(walks_max, 4);
    for (int32_t i = 0; i < PARTITIONS; i++) {
        ck_assert_int_eq(ks_partition_log_start(ks_log_find(f->log, &many.names[i])), 2);
    }
    log_fixture_free(f);
}
END_TEST

Suite *
suite_new(void)
{
    Suite *suite = suite_create("log expiry");
    TCase *tests = tcase_create("expiry");

    tcase_set_timeout(tests, 120);
    tcase_add_test(tests, segments_go_when_they_are_too_old);
    tcase_add_test(tests, a_young_segment_keeps_older_ones_behind_it);
    tcase_add_test(tests, segments_go_without_their_indexes);
    tcase_add_test(tests, segments_go_when_there_is_too_much);
    tcase_add_test(tests, totals_are_carried_over_an_index_that_is_gone);
    tcase_add_test(tests, what_is_not_known_is_not_counted);
    tcase_add_test(tests, all_that_is_too_old_goes_at_once);
    tcase_add_test(tests, the_size_is_that_of_all_tiers);
    tcase_add_test(tests, nothing_is_asked_before_it_is_due);
    tcase_add_test(tests, after_a_restart_the_time_is_found_again);
    tcase_add_test(tests, a_size_within_the_limit_needs_no_request);
    tcase_add_test(tests, a_store_that_is_away_is_asked_less_and_less);
    tcase_add_test(tests, a_new_owner_goes_on);
    tcase_add_test(tests, it_may_die_at_any_moment);
    tcase_add_test(tests, it_may_be_freed_at_any_moment);
    tcase_add_test(tests, the_partition_may_go_meanwhile);
    tcase_add_test(tests, a_stop_waits_for_no_walk);
    tcase_add_test(tests, a_few_partitions_are_looked_at_at_once);
    suite_add_tcase(suite, tests);
    return suite;
}
