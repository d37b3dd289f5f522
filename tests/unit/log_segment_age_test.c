/* SPDX-License-Identifier: Apache-2.0 */
/* When a partition gets a segment though it is not full, and how far its times may lie apart. */
#include "support/main.h"
#include "unit/log_segments.h"

#define MINUTE_MS (60 * INT64_C(1000))

static void
limit_segments(struct log_fixture *f, int64_t ms, int64_t jitter_ms)
{
    struct ks_segment_limits limits = { .ms = ms, .jitter_ms = jitter_ms };

    ks_log_set_segment_limits(f->log, log_fixture_partition(f), &limits);
}

START_TEST(a_topic_may_have_younger_segments)
{
    struct log_fixture *f = segments_world_new(1 << 20);

    limit_segments(f, 10 * MINUTE_MS, 0);
    segments_append(f, 0, 2);
    virtual_env_run_for(&f->v, 10 * MINUTE_MS - SETTLE_MS - 1000);
    ck_assert_int_eq(segments_register(f)->compacted_upto, 0);
    virtual_env_run_for(&f->v, SETTLE_MS + 2000);
    segments_expect(f, 0, 1);
    /* It counts from what came first after the last segment. */
    virtual_env_run_for(&f->v, 30 * MINUTE_MS);
    segments_append(f, 2, 1);
    virtual_env_run_for(&f->v, 9 * MINUTE_MS);
    ck_assert_int_eq(segments_register(f)->compacted_upto, 2);
    virtual_env_run_for(&f->v, MINUTE_MS);
    segments_expect(f, 2, 2);
    log_fixture_free(f);
}
END_TEST

START_TEST(a_topic_may_not_have_older_segments_than_its_broker)
{
    struct log_fixture *f = segments_world_new(1 << 20);

    limit_segments(f, 10 * (int64_t) INTERVAL_MS, 0);
    segments_append(f, 0, 2);
    virtual_env_run_for(&f->v, INTERVAL_MS + SETTLE_MS);
    segments_expect(f, 0, 1);
    log_fixture_free(f);
}
END_TEST

START_TEST(a_segment_takes_a_minute_whatever_its_topic_says)
{
    struct log_fixture *f = segments_world_new(1 << 20);

    limit_segments(f, 1, 0);
    segments_append(f, 0, 2);
    virtual_env_run_for(&f->v, MINUTE_MS - 2 * SETTLE_MS);
    ck_assert_int_eq(segments_register(f)->compacted_upto, 0);
    virtual_env_run_for(&f->v, 3 * SETTLE_MS);
    segments_expect(f, 0, 1);
    log_fixture_free(f);
}
END_TEST

/* Bytes that wait already wait for as long as the topic says now. */
START_TEST(another_age_counts_at_once)
{
    struct log_fixture *f = segments_world_new(1 << 20);

    segments_append(f, 0, 2);
    virtual_env_run_for(&f->v, 30 * MINUTE_MS);
    limit_segments(f, 45 * MINUTE_MS, 0);
    virtual_env_run_for(&f->v, 5 * MINUTE_MS);
    ck_assert_int_eq(segments_register(f)->compacted_upto, 0);
    limit_segments(f, 20 * MINUTE_MS, 0);
    virtual_env_run_for(&f->v, SETTLE_MS);
    segments_expect(f, 0, 1);
    log_fixture_free(f);
}
END_TEST

/* When a segment came, in minutes after its only batch. */
static int64_t
minutes_of_next_segment(struct log_fixture *f, int32_t sequence)
{
    int64_t minutes = 0;

    segments_append(f, sequence, 1);
    while (segments_register(f)->compacted_upto <= sequence) {
        virtual_env_run_for(&f->v, MINUTE_MS);
        minutes++;
    }
    return minutes;
}

START_TEST(jitter_takes_a_part_off_that_is_another_each_time)
{
    struct log_fixture *f = segments_world_new(1 << 20);
    int64_t least = INT64_MAX;
    int64_t most = 0;

    limit_segments(f, 200 * MINUTE_MS, 100 * MINUTE_MS);
    for (int32_t i = 0; i < 10; i++) {
        int64_t minutes = minutes_of_next_segment(f, i);

        least = minutes < least ? minutes : least;
        most = minutes > most ? minutes : most;
    }
    ck_assert_int_ge(least, 99);
    ck_assert_int_le(most, 201);
    ck_assert_int_gt(most - least, 10);
    log_fixture_free(f);
}
END_TEST

/* As of a topic that is copied: all of it comes at once, and was written over days. */
START_TEST(records_of_times_far_apart_share_no_segment)
{
    struct log_fixture *f = segments_world_new(1 << 20);

    limit_segments(f, 100 * MINUTE_MS, 0);
    for (int32_t i = 0; i < 6; i++) {
        f->batch_time_ms += 40 * MINUTE_MS;
        segments_append(f, i, 1);
    }
    for (int i = 0; i < 2; i++) {
        virtual_env_run_for(&f->v, 100 * MINUTE_MS + SETTLE_MS);
    }
    segments_expect(f, 0, 2);
    segments_expect(f, 3, 5);
    segments_expect_records(f, 0, 6, 1 << 20);
    log_fixture_free(f);
}
END_TEST

Suite *
suite_new(void)
{
    Suite *suite = suite_create("log segment age");
    TCase *tests = tcase_create("all");

    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, a_topic_may_have_younger_segments);
    tcase_add_test(tests, a_topic_may_not_have_older_segments_than_its_broker);
    tcase_add_test(tests, a_segment_takes_a_minute_whatever_its_topic_says);
    tcase_add_test(tests, another_age_counts_at_once);
    tcase_add_test(tests, jitter_takes_a_part_off_that_is_another_each_time);
    tcase_add_test(tests, records_of_times_far_apart_share_no_segment);
    suite_add_tcase(suite, tests);
    return suite;
}
