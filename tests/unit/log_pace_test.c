/* SPDX-License-Identifier: Apache-2.0 */
/* How long work that can wait gives way to clients, and that bundling does. */
#include "log/pace.h"
#include "support/main.h"
#include "unit/log_fixture.h"

#define SLOTS 4

static bool
gives_way(const struct ks_pace *pace, int64_t now_ms)
{
    int64_t again_ms;
    bool result = ks_pace_gives_way(pace, now_ms, &again_ms);

    ck_assert(!result || again_ms > now_ms);
    return result;
}

START_TEST(nobody_presses_at_first)
{
    struct ks_pace pace = { 0 };

    ck_assert(!gives_way(&pace, 0));
    ck_assert(!gives_way(&pace, 1));
    ck_assert(!gives_way(&pace, 1000000));
}
END_TEST

START_TEST(a_press_counts_for_a_second)
{
    struct ks_pace pace = { 0 };
    int64_t again_ms;

    ks_pace_press(&pace, 5000);
    ck_assert(gives_way(&pace, 5000));
    ck_assert(gives_way(&pace, 5999));
    ck_assert(!gives_way(&pace, 6000));
    ks_pace_press(&pace, 5500);
    ck_assert(ks_pace_gives_way(&pace, 6000, &again_ms));
    ck_assert_int_eq(again_ms, 6500);
}
END_TEST

START_TEST(patience_ends_though_clients_press_on)
{
    struct ks_pace pace = { 0 };

    for (int64_t now_ms = 7000; now_ms < 37000; now_ms += 500) {
        ks_pace_press(&pace, now_ms);
        ck_assert(gives_way(&pace, now_ms));
    }
    for (int64_t now_ms = 37000; now_ms < 100000; now_ms += 500) {
        ks_pace_press(&pace, now_ms);
        ck_assert(!gives_way(&pace, now_ms));
    }
}
END_TEST

START_TEST(after_a_pause_patience_begins_again)
{
    struct ks_pace pace = { 0 };

    for (int64_t now_ms = 0; now_ms <= 60000; now_ms += 900) {
        ks_pace_press(&pace, now_ms);
    }
    ck_assert(!gives_way(&pace, 60000));
    ks_pace_press(&pace, 62000);
    ck_assert(gives_way(&pace, 62000));
}
END_TEST

/* --- Of a log -------------------------------------------------------------------------------- */

/* Objects are full while the ones before are still on their way. */
static struct log_fixture *
with_pressing_clients(int count)
{
    struct ks_fate slow = { .fault = KS_FAULT_NONE, .effect_ms = 250 };
    struct log_fixture *f = log_fixture_new();

    f->options.bundle_slots = SLOTS;
    f->options.flush_bytes = 1;
    log_fixture_restart(f);
    ks_fault_store_next(f->faults, KS_STORE_PUT, "/wal/", slow, UINT32_MAX);
    for (int32_t i = 0; i < count; i++) {
        log_fixture_append(f, log_fixture_partition(f), i);
        virtual_env_run_for(&f->v, 100);
    }
    virtual_env_run_for(&f->v, 500);
    ck_assert_uint_eq(f->acknowledged, f->append_count);
    return f;
}

START_TEST(bundling_gives_way_to_producers)
{
    struct log_fixture *f = with_pressing_clients(3 * SLOTS);

    ck_assert_uint_eq(log_fixture_counters(f).bundles_made, 0);
    virtual_env_run_for(&f->v, 3000);
    ck_assert_uint_eq(log_fixture_counters(f).bundles_made, 3);
    log_fixture_expect_records(f, 0, (int64_t) 3 * SLOTS, 1000);
    log_fixture_free(f);
}
END_TEST

/* The next start would have to read them all. */
START_TEST(bundling_gives_way_only_while_slots_are_few)
{
    struct log_fixture *f = with_pressing_clients(6 * SLOTS);

    ck_assert_uint_ge(log_fixture_counters(f).bundles_made, 1);
    ck_assert_uint_lt(log_fixture_counters(f).bundles_made, 6);
    log_fixture_free(f);
}
END_TEST

Suite *
suite_new(void)
{
    Suite *suite = suite_create("log pace");
    TCase *tests = tcase_create("all");

    tcase_add_test(tests, nobody_presses_at_first);
    tcase_add_test(tests, a_press_counts_for_a_second);
    tcase_add_test(tests, patience_ends_though_clients_press_on);
    tcase_add_test(tests, after_a_pause_patience_begins_again);
    tcase_add_test(tests, bundling_gives_way_to_producers);
    tcase_add_test(tests, bundling_gives_way_only_while_slots_are_few);
    suite_add_tcase(suite, tests);
    return suite;
}
