/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The checker of the crash test is tested as a judge: good histories pass, and each fault, planted
 * alone into a good history, is found and called by its name.
 */
#include "crash/history.h"
#include "support/main.h"

enum { PARTITIONS = 3, PRODUCERS = 2, VALUES = 40 };

/* What to do wrong; HISTORY_FAULT_COUNT plants nothing. */
struct plan {
    enum history_fault fault;
    int64_t at; /* the offset in partition 1 where it happens */
};

static bool
is_planted(const struct plan *plan, enum history_fault fault, int32_t partition, int64_t offset)
{
    return plan->fault == fault && partition == 1 && offset == plan->at;
}

/*
 * A healthy log: producers take turns, every value is acknowledged with its offset before the
 * next one is sent.
 */
static struct history_value
value_at(int64_t offset)
{
    return (struct history_value){ .producer = (int32_t) (offset % PRODUCERS),
                                   .sequence = offset / PRODUCERS };
}

static void
send_all(struct history *history, int32_t partition, const struct plan *plan)
{
    for (int64_t offset = 0; offset < VALUES; offset++) {
        struct history_value value = value_at(offset);

        ck_assert_int_eq(history_send(history, partition, value.producer, 0, 0), value.sequence);
        if (is_planted(plan, HISTORY_REFUSED, partition, offset)) {
            history_refuse(history, partition, value);
        } else if (is_planted(plan, HISTORY_WRONG_OFFSET, partition, offset)) {
            history_acknowledge(history, partition, value, 0);
        } else if (plan->fault != HISTORY_REORDERED) {
            history_acknowledge(history, partition, value, offset);
        }
    }
}

/* The value that a faulty log holds at an offset. */
static struct history_value
stored_at(const struct plan *plan, int32_t partition, int64_t offset)
{
    if (is_planted(plan, HISTORY_DUPLICATE, partition, offset)) {
        return value_at(offset - PRODUCERS);
    }
    if (is_planted(plan, HISTORY_PHANTOM, partition, offset)) {
        return (struct history_value){ .producer = 1, .sequence = VALUES };
    }
    if (plan->fault == HISTORY_REORDERED && partition == 1 && offset == plan->at) {
        return value_at(offset + PRODUCERS);
    }
    if (plan->fault == HISTORY_REORDERED && partition == 1 && offset == plan->at + PRODUCERS) {
        return value_at(plan->at);
    }
    return value_at(offset);
}

static void
read_all(struct history *history, enum history_reader reader, int32_t partition,
         const struct plan *plan)
{
    int64_t end = VALUES;

    if (plan->fault == HISTORY_LOST && partition == 1) {
        end = plan->at;
    }
    for (int64_t offset = 0; offset < end; offset++) {
        struct history_value value = stored_at(plan, partition, offset);

        if (reader == HISTORY_LIVE && is_planted(plan, HISTORY_VANISHED, partition, offset)) {
            value = value_at(offset + PRODUCERS);
        }
        if (!is_planted(plan, HISTORY_JUMPED, partition, offset) || reader == HISTORY_FINAL) {
            history_read(history, reader, partition, offset, value);
        }
    }
}

static struct history_verdict
judge(const struct plan *plan)
{
    struct history *history = history_new(PARTITIONS, PRODUCERS);
    struct history_verdict verdict;

    for (int32_t i = 0; i < PARTITIONS; i++) {
        send_all(history, i, plan);
        read_all(history, HISTORY_LIVE, i, plan);
        read_all(history, HISTORY_FINAL, i, plan);
    }
    ck_assert_int_eq(history_check(history, &verdict), plan->fault == HISTORY_FAULT_COUNT);
    history_free(history);
    return verdict;
}

START_TEST(good_history_passes)
{
    struct plan plan = { .fault = HISTORY_FAULT_COUNT };
    struct history_verdict verdict = judge(&plan);

    ck_assert_uint_eq(verdict.acknowledged_count, PARTITIONS * VALUES);
    ck_assert_uint_eq(verdict.stored_count, PARTITIONS * VALUES);
}
END_TEST

/* Runs once for each fault but OVERTAKEN, which has its own test, at several places. */
START_TEST(planted_fault_is_found)
{
    enum history_fault fault = (enum history_fault) _i;

    for (int64_t at = 2; at < VALUES - PRODUCERS; at += 5) {
        struct plan plan = { .fault = fault, .at = at };
        struct history_verdict verdict;

        verdict = judge(&plan);
        ck_assert_msg(verdict.counts[fault] > 0, "%s at %ld", history_fault_name(fault), (long) at);
        ck_assert(verdict.examples[fault][0] != '\0');
    }
}
END_TEST

/*
 * Real time: what was acknowledged before another was sent must come before it, whoever sent them.
 */
START_TEST(value_sent_after_an_acknowledgement_may_not_be_stored_before_it)
{
    struct history *history = history_new(1, 2);
    struct history_value first = { .producer = 0, .sequence = 0 };
    struct history_value second = { .producer = 1, .sequence = 0 };
    struct history_verdict verdict;

    history_send(history, 0, 0, 0, 0);
    history_acknowledge(history, 0, first, 1);
    history_send(history, 0, 1, 0, 0);
    history_acknowledge(history, 0, second, 0);
    history_read(history, HISTORY_FINAL, 0, 0, second);
    history_read(history, HISTORY_FINAL, 0, 1, first);

    ck_assert(!history_check(history, &verdict));
    ck_assert_uint_eq(verdict.counts[HISTORY_OVERTAKEN], 1);
    history_free(history);
}
END_TEST

/* A send whose outcome is unknown may be stored or not: both are good. */
START_TEST(unknown_outcome_accuses_nobody)
{
    struct history *history = history_new(1, 1);
    struct history_verdict verdict;

    history_send(history, 0, 0, 0, 0);
    history_send(history, 0, 0, 0, 0);
    history_read(history, HISTORY_FINAL, 0, 0,
                 (struct history_value){ .producer = 0, .sequence = 1 });

    ck_assert(history_check(history, &verdict));
    ck_assert_uint_eq(verdict.acknowledged_count, 0);
    history_free(history);
}
END_TEST

/* A client that learns of success only by a duplicate's answer is told no offset. */
START_TEST(acknowledgement_without_offset_must_be_stored_somewhere)
{
    struct history_value value = { .producer = 0, .sequence = 0 };
    struct history *history = history_new(1, 1);
    struct history_verdict verdict;

    history_send(history, 0, 0, 0, 0);
    history_acknowledge(history, 0, value, -1);
    ck_assert(!history_check(history, &verdict));
    ck_assert_uint_eq(verdict.counts[HISTORY_LOST], 1);

    history_read(history, HISTORY_FINAL, 0, 0, value);
    ck_assert(history_check(history, &verdict));
    history_free(history);
}
END_TEST

START_TEST(damaged_content_is_a_phantom)
{
    struct history *history = history_new(1, 1);
    struct history_verdict verdict;

    history_read(history, HISTORY_FINAL, 0, 0, (struct history_value){ .producer = -1 });
    ck_assert(!history_check(history, &verdict));
    ck_assert_uint_eq(verdict.counts[HISTORY_PHANTOM], 1);
    history_free(history);
}
END_TEST

START_TEST(reader_that_repeats_an_offset_is_found)
{
    struct history *history = history_new(1, 1);
    struct history_value value = { .producer = 0, .sequence = 0 };
    struct history_verdict verdict;

    history_send(history, 0, 0, 0, 0);
    history_read(history, HISTORY_LIVE, 0, 0, value);
    history_read(history, HISTORY_LIVE, 0, 0, value);
    history_read(history, HISTORY_FINAL, 0, 0, value);
    ck_assert(!history_check(history, &verdict));
    ck_assert_uint_eq(verdict.counts[HISTORY_JUMPED], 1);
    history_free(history);
}
END_TEST

/*
 * Ten values of 100 bytes, one each second, of a log that may let go what is older than `age_ms` or
 * beyond `size_bytes`; at the tenth second its start is told to be `start`, and a reader finds what
 * `reads` says from there on.
 */
static struct history_verdict
judge_expiry(int64_t age_ms, int64_t size_bytes, int64_t start, int64_t reads)
{
    struct history *history = history_new(1, 1);
    struct history_verdict verdict;

    history_expire(history, age_ms, size_bytes);
    for (int64_t i = 0; i < 10; i++) {
        struct history_value value = { .sequence = history_send(history, 0, 0, i * 1000, 100) };

        history_acknowledge(history, 0, value, i);
    }
    history_start(history, 0, start, 10000);
    for (int64_t i = start; i < start + reads; i++) {
        history_read(history, HISTORY_FINAL, 0, i, (struct history_value){ .sequence = i });
    }
    history_check(history, &verdict);
    history_free(history);
    return verdict;
}

START_TEST(what_may_be_let_go_is_not_missed)
{
    struct history_verdict verdict = judge_expiry(5000, INT64_MAX, 6, 4);

    ck_assert_uint_eq(verdict.counts[HISTORY_LOST], 0);
    ck_assert_uint_eq(verdict.counts[HISTORY_JUMPED], 0);
    ck_assert_uint_eq(verdict.counts[HISTORY_TOO_SOON], 0);
    ck_assert_uint_eq(verdict.expired_count, 6);
    verdict = judge_expiry(INT64_MAX, 400, 6, 4);
    ck_assert_uint_eq(verdict.counts[HISTORY_TOO_SOON], 0);
}
END_TEST

START_TEST(what_goes_too_soon_is_found)
{
    ck_assert_uint_eq(judge_expiry(5000, INT64_MAX, 7, 3).counts[HISTORY_TOO_SOON], 1);
    ck_assert_uint_eq(judge_expiry(INT64_MAX, 401, 6, 4).counts[HISTORY_TOO_SOON], 6);
}
END_TEST

START_TEST(nothing_above_the_log_start_may_go)
{
    ck_assert_uint_eq(judge_expiry(5000, INT64_MAX, 5, 4).counts[HISTORY_LOST], 1);
}
END_TEST

Suite *
suite_new(void)
{
    Suite *suite = suite_create("crash history");
    TCase *cases = tcase_create("judge");

    tcase_add_test(cases, good_history_passes);
    tcase_add_loop_test(cases, planted_fault_is_found, 0, HISTORY_OVERTAKEN);
    tcase_add_loop_test(cases, planted_fault_is_found, HISTORY_OVERTAKEN + 1, HISTORY_TOO_SOON);
    tcase_add_test(cases, value_sent_after_an_acknowledgement_may_not_be_stored_before_it);
    tcase_add_test(cases, unknown_outcome_accuses_nobody);
    tcase_add_test(cases, acknowledgement_without_offset_must_be_stored_somewhere);
    tcase_add_test(cases, damaged_content_is_a_phantom);
    tcase_add_test(cases, reader_that_repeats_an_offset_is_found);
    tcase_add_test(cases, what_may_be_let_go_is_not_missed);
    tcase_add_test(cases, what_goes_too_soon_is_found);
    tcase_add_test(cases, nothing_above_the_log_start_may_go);
    suite_add_tcase(suite, cases);
    return suite;
}
