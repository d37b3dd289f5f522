/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The metadata log under faults and crashes: many seeds, then the death of a broker at each of
 * its store requests.
 */
#include "sim/meta_world.h"
#include "support/main.h"

#include <stdio.h>
#include <stdlib.h>

static const char *const event_names[KS_META_LOG_EVENT_COUNT] = {
    "looks",
    "entries sent",
    "entries sent again",
    "own entries found",
    "slots lost",
    "looks void",
    "creates void",
    "void committed",
    "void nothing",
    "void unknown",
    "loads",
    "snapshots missed",
    "chunks trimmed",
    "chunks left by others",
    "early snapshots",
    "early loads",
    "listed in vain",
};

static uint64_t
seed_count(uint64_t standard)
{
    const char *text = getenv("META_SEEDS");

    return text == NULL ? standard : strtoull(text, NULL, 10);
}

static void
run_or_fail(const struct meta_world_options *options, struct meta_world_counts *counts)
{
    const char *broken = meta_world_run(options, counts);

    ck_assert_msg(broken == NULL, "seed %llu, crash at call %llu: %s",
                  (unsigned long long) options->seed, (unsigned long long) options->crash_call,
                  broken);
}

START_TEST(no_seed_breaks_a_promise_and_every_hard_case_is_met)
{
    struct meta_world_counts counts = { 0 };

    for (uint64_t seed = 1; seed <= seed_count(60); seed++) {
        struct meta_world_options options = { .seed = seed,
                                              .chunk_entries = meta_world_chunk_entries(seed),
                                              .operation_count = 300 };

        run_or_fail(&options, &counts);
    }
    for (int i = 0; i < KS_META_LOG_EVENT_COUNT; i++) {
        printf("# %-24s %llu\n", event_names[i], (unsigned long long) counts.events[i]);
    }
    printf("# ok %llu conflict %llu unknown %llu (%llu committed) refused %llu reads %llu crashes "
           "%llu\n",
           (unsigned long long) counts.ok, (unsigned long long) counts.conflict,
           (unsigned long long) counts.unknown, (unsigned long long) counts.unknown_committed,
           (unsigned long long) counts.refused, (unsigned long long) counts.reads,
           (unsigned long long) counts.crashes);
    for (int i = 0; i < KS_META_LOG_EVENT_COUNT; i++) {
        ck_assert_msg(counts.events[i] > 0, "never met: %s", event_names[i]);
    }
    ck_assert_uint_gt(counts.conflict, 0);
    ck_assert_uint_gt(counts.unknown_committed, 0);
    ck_assert_uint_gt(counts.unknown, counts.unknown_committed);
}
END_TEST

START_TEST(calm_world_tells_no_client_unknown)
{
    struct meta_world_counts counts = { 0 };
    struct meta_world_options options = {
        .seed = 5, .chunk_entries = 64, .operation_count = 400, .is_calm = true
    };

    run_or_fail(&options, &counts);
    ck_assert_uint_eq(counts.unknown, 0);
    ck_assert_uint_eq(counts.refused, 0);
    ck_assert_uint_eq(counts.events[KS_META_LOG_ENTRIES_SENT_AGAIN], 0);
}
END_TEST

START_TEST(death_at_any_store_request_loses_and_repeats_nothing)
{
    struct meta_world_options options = {
        .seed = 11 + (uint64_t) _i,
        .chunk_entries = 2,
        .operation_count = 60,
        .is_calm = _i % 2 == 0,
    };
    struct meta_world_counts counts = { 0 };
    uint64_t call_count;

    options.crash_call = UINT64_MAX;
    run_or_fail(&options, &counts);
    call_count = counts.calls;
    ck_assert_uint_gt(call_count, 20);
    for (uint64_t k = 1; k <= call_count; k++) {
        options.crash_call = k;
        run_or_fail(&options, &counts);
    }
    printf("# died at each of %llu store requests\n", (unsigned long long) call_count);
}
END_TEST

Suite *
suite_new(void)
{
    Suite *suite = suite_create("meta simulation");
    TCase *tcase = tcase_create("worlds");

    tcase_set_timeout(tcase, 600);
    tcase_add_test(tcase, no_seed_breaks_a_promise_and_every_hard_case_is_met);
    tcase_add_test(tcase, calm_world_tells_no_client_unknown);
    tcase_add_loop_test(tcase, death_at_any_store_request_loses_and_repeats_nothing, 0, 6);
    suite_add_tcase(suite, tcase);
    return suite;
}
