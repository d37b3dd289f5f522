/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each fault does to a request what its name says, no more; and the probe sees what a store is
 * worth.
 */
#include "support/main.h"
#include "support/store_client.h"

#include <stdlib.h>

struct fixture {
    struct virtual_env v;
    struct ks_memory_bucket *bucket;
    struct store_client client; /* through the faults */
    struct store_client truth;  /* past them */
    struct ks_fault_store *control;
};

static struct fixture *
fixture_new(void)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct kafscale_store inner;

    virtual_env_init(&f->v, 7);
    f->bucket = ks_memory_bucket_new();
    inner = ks_memory_store_new(&f->v.env, f->bucket);
    f->client = (struct store_client){ .run = store_client_run_virtual, .run_arg = &f->v };
    f->truth = f->client;
    f->client.store = ks_store_new(&f->v.env, ks_fault_store_new(&f->v.env, inner, &f->control));
    f->truth.store = ks_store_new(&f->v.env, ks_memory_store_new(&f->v.env, f->bucket));
    return f;
}

static void
fixture_free(struct fixture *f)
{
    if (f->client.store != NULL) {
        ck_assert(store_client_close(&f->client));
    }
    ck_assert(store_client_close(&f->truth));
    ks_memory_bucket_unref(f->bucket);
    free(f);
}

static void
next(struct fixture *f, enum ks_store_operation operation, enum ks_fault fault, int64_t effect_ms)
{
    struct ks_fate fate = { .fault = fault, .effect_ms = effect_ms };

    ks_fault_store_next(f->control, operation, NULL, fate, 1);
}

START_TEST(error_after_effect_stores_and_says_unknown)
{
    struct fixture *f = fixture_new();

    next(f, KS_STORE_PUT, KS_FAULT_ERROR_AFTER, 0);
    ck_assert_int_eq(store_client_put_if_absent(&f->client, "k", "v"), KAFSCALE_UNKNOWN);
    ck_assert(store_client_has(&f->truth, "k", "v"));
    ck_assert_int_eq(store_client_put_if_absent(&f->client, "k", "v"), KAFSCALE_EXISTS);
    ck_assert_uint_eq(ks_fault_store_count(f->control, KS_FAULT_ERROR_AFTER), 1);
    fixture_free(f);
}
END_TEST

START_TEST(error_before_effect_and_unavailable_store_nothing)
{
    struct fixture *f = fixture_new();

    next(f, KS_STORE_PUT, KS_FAULT_ERROR_BEFORE, 0);
    next(f, KS_STORE_PUT, KS_FAULT_UNAVAILABLE, 0);
    ck_assert_int_eq(store_client_put_if_absent(&f->client, "k", "v"), KAFSCALE_UNKNOWN);
    ck_assert_int_eq(store_client_put_if_absent(&f->client, "k", "v"), KAFSCALE_UNAVAILABLE);
    virtual_env_run_for(&f->v, 1000000);
    ck_assert(!store_client_has(&f->truth, "k", "v"));
    ck_assert_int_eq(store_client_put_if_absent(&f->client, "k", "v"), KAFSCALE_OK);
    fixture_free(f);
}
END_TEST

START_TEST(late_effect_comes_long_after_the_answer)
{
    struct fixture *f = fixture_new();

    next(f, KS_STORE_PUT, KS_FAULT_LATE, 60000);
    ck_assert_int_eq(store_client_put_if_absent(&f->client, "k", "v"), KAFSCALE_UNKNOWN);
    virtual_env_run_for(&f->v, 59000);
    ck_assert(!store_client_has(&f->truth, "k", "v"));
    virtual_env_run_for(&f->v, 2000);
    ck_assert(store_client_has(&f->truth, "k", "v"));
    fixture_free(f);
}
END_TEST

START_TEST(put_sent_twice_meets_its_own_success)
{
    struct fixture *f = fixture_new();

    next(f, KS_STORE_PUT, KS_FAULT_TWICE, 0);
    ck_assert_int_eq(store_client_put_if_absent(&f->client, "k", "v"), KAFSCALE_EXISTS);
    ck_assert(store_client_has(&f->truth, "k", "v"));
    fixture_free(f);
}
END_TEST

START_TEST(echo_of_a_put_brings_back_what_was_removed)
{
    struct fixture *f = fixture_new();

    next(f, KS_STORE_PUT, KS_FAULT_ECHO, 5000);
    ck_assert_int_eq(store_client_put_if_absent(&f->client, "k", "v"), KAFSCALE_OK);
    ck_assert_int_eq(store_client_remove(&f->client, "k"), KAFSCALE_OK);
    ck_assert(!store_client_has(&f->truth, "k", "v"));
    virtual_env_run_for(&f->v, 6000);
    ck_assert(store_client_has(&f->truth, "k", "v"));
    fixture_free(f);
}
END_TEST

START_TEST(damaged_reads_leave_the_object_whole)
{
    struct fixture *f = fixture_new();
    char *text;

    ck_assert_int_eq(store_client_put_if_absent(&f->client, "k", "12345678"), KAFSCALE_OK);
    next(f, KS_STORE_GET, KS_FAULT_SHORT, 0);
    ck_assert_int_eq(store_client_get(&f->client, "k", 0, SIZE_MAX, &text, NULL), KAFSCALE_CORRUPT);
    next(f, KS_STORE_GET, KS_FAULT_DAMAGE, 0);
    ck_assert_int_eq(store_client_get(&f->client, "k", 0, SIZE_MAX, &text, NULL), KAFSCALE_OK);
    ck_assert_int_ne(memcmp(text, "12345678", 8), 0);
    free(text);
    ck_assert(store_client_has(&f->client, "k", "12345678"));
    fixture_free(f);
}
END_TEST

START_TEST(list_pages_may_be_cut_or_lack_a_key)
{
    struct fixture *f = fixture_new();
    char *keys;

    ck_assert_int_eq(store_client_put_if_absent(&f->client, "a", "1"), KAFSCALE_OK);
    ck_assert_int_eq(store_client_put_if_absent(&f->client, "b", "1"), KAFSCALE_OK);
    next(f, KS_STORE_LIST, KS_FAULT_SHORT, 0);
    ck_assert_int_eq(store_client_list(&f->client, "", NULL, 9, &keys), KAFSCALE_OK);
    ck_assert_str_eq(keys, "a ...");
    free(keys);
    next(f, KS_STORE_LIST, KS_FAULT_DAMAGE, 0);
    ck_assert_int_eq(store_client_list(&f->client, "", NULL, 9, &keys), KAFSCALE_OK);
    ck_assert_str_eq(keys, "a ");
    free(keys);
    fixture_free(f);
}
END_TEST

START_TEST(script_picks_by_operation_key_and_count)
{
    struct fixture *f = fixture_new();
    struct ks_fate away = { .fault = KS_FAULT_UNAVAILABLE };

    ks_fault_store_next(f->control, KS_STORE_PUT, "wal/", away, 2);
    ck_assert_int_eq(store_client_put(&f->client, "x", "v"), KAFSCALE_OK);
    ck_assert_int_eq(store_client_put(&f->client, "wal/1", "v"), KAFSCALE_UNAVAILABLE);
    ck_assert_int_eq(store_client_remove(&f->client, "wal/1"), KAFSCALE_OK);
    ck_assert_int_eq(store_client_put(&f->client, "wal/2", "v"), KAFSCALE_UNAVAILABLE);
    ck_assert_int_eq(store_client_put(&f->client, "wal/3", "v"), KAFSCALE_OK);
    ks_fault_store_next(f->control, KS_STORE_OPERATION_COUNT, NULL, away, UINT32_MAX);
    for (int i = 0; i < 5; i++) {
        ck_assert_int_eq(store_client_remove(&f->client, "x"), KAFSCALE_UNAVAILABLE);
    }
    ks_fault_store_clear(f->control);
    ck_assert_int_eq(store_client_remove(&f->client, "x"), KAFSCALE_OK);
    fixture_free(f);
}
END_TEST

START_TEST(equal_seeds_give_equal_faults)
{
    struct ks_fault_rates rates = { .slow = 500000, .slow_ms_max = 50, .late_ms_max = 1000 };
    uint64_t counts[2][KS_FAULT_COUNT];

    for (int fault = KS_FAULT_NONE + 1; fault < KS_FAULT_COUNT; fault++) {
        rates.faults[fault] = 80000;
    }
    for (int run = 0; run < 2; run++) {
        struct fixture *f = fixture_new();

        ks_fault_store_set_rates(f->control, &rates, 42);
        for (int i = 0; i < 300; i++) {
            ck_assert_int_ne(store_client_put(&f->client, "k", "v"), KAFSCALE_STOPPED);
        }
        for (int fault = 0; fault < KS_FAULT_COUNT; fault++) {
            counts[run][fault] = ks_fault_store_count(f->control, (enum ks_fault) fault);
            ck_assert_uint_gt(counts[run][fault], 0);
        }
        fixture_free(f);
    }
    ck_assert_int_eq(memcmp(counts[0], counts[1], sizeof counts[0]), 0);
}
END_TEST

START_TEST(each_failed_allocation_is_an_answer)
{
    struct fixture *f = fixture_new();
    enum kafscale_status status = KAFSCALE_NO_MEMORY;

    for (uint64_t n = 0; status == KAFSCALE_NO_MEMORY; n++) {
        ck_assert_uint_lt(n, 20);
        ks_alloc_fail_after(n);
        status = store_client_put_if_absent(&f->client, "k", "content");
        ks_alloc_fail_after(UINT64_MAX);
        ck_assert_int_eq(store_client_has(&f->truth, "k", "content"), status == KAFSCALE_OK);
    }
    ck_assert_int_eq(status, KAFSCALE_OK);
    fixture_free(f);
}
END_TEST

static void
never(void *arg, enum kafscale_status status, const struct kafscale_error *error)
{
    (void) arg;
    (void) status;
    (void) error;
    ck_abort_msg("a completion after the crash");
}

/* The bytes of the requests are gone with their owner; some of the objects appear all the same. */
START_TEST(requests_of_a_dead_caller_may_still_act_but_never_answer)
{
    struct fixture *f = fixture_new();
    struct ks_fault_rates rates = { .slow = 1000000, .slow_ms_max = 100, .late_ms_max = 5000 };
    char *bytes = strdup("from the grave");
    char key[3] = "k?";
    size_t seen = 0;

    ks_fault_store_set_rates(f->control, &rates, 3);
    for (char c = 'a'; c <= 'z'; c++) {
        struct kafscale_part part = { .bytes = ks_slice_of_text(bytes) };
        struct kafscale_put put = { .key = key, .parts = &part, .part_count = 1 };

        key[1] = c;
        ks_store_put(f->client.store, &put, never, NULL);
    }
    ks_fault_store_crash(f->control);
    ck_assert_uint_gt(ks_fault_store_in_flight(f->control), 0);
    ks_store_abandon(f->client.store);
    f->client.store = NULL;
    free(bytes);
    ck_assert(virtual_env_run_until_idle(&f->v, 10000));
    for (char c = 'a'; c <= 'z'; c++) {
        key[1] = c;
        seen += store_client_has(&f->truth, key, "from the grave") ? 1 : 0;
    }
    ck_assert_uint_gt(seen, 0);
    ck_assert_uint_lt(seen, 26);
    fixture_free(f);
}
END_TEST

static void
count_unknown(void *arg, enum kafscale_status status, const struct kafscale_error *error)
{
    size_t *count = arg;

    (void) error;
    ck_assert_int_eq(status, KAFSCALE_UNKNOWN);
    (*count)++;
}

/* The caller lives, and is told what it must take for true: nobody knows, and nothing goes on. */
START_TEST(whoever_is_cut_off_knows_nothing_and_does_nothing)
{
    static const char *const keys[] = { "a", "b", "c", "d", "e", "f", "g", "h" };
    struct kafscale_part part = { .bytes = ks_slice_of_text("v") };
    struct fixture *f = fixture_new();
    struct kafscale_put puts[8];
    size_t told = 0;
    size_t seen = 0;

    for (size_t i = 0; i < 8; i++) {
        puts[i] = (struct kafscale_put){ .key = keys[i], .parts = &part, .part_count = 1 };
        ks_store_put(f->client.store, &puts[i], count_unknown, &told);
    }
    ks_fault_store_cut(f->control);
    ck_assert_int_eq(store_client_put(&f->client, "later", "v"), KAFSCALE_UNAVAILABLE);
    ck_assert(virtual_env_run_until_idle(&f->v, 10000));
    ck_assert_uint_eq(told, 8);
    for (size_t i = 0; i < 8; i++) {
        seen += store_client_has(&f->truth, keys[i], "v") ? 1 : 0;
    }
    ck_assert_uint_gt(seen, 0);
    ck_assert_uint_lt(seen, 8);
    ck_assert(!store_client_has(&f->truth, "later", "v"));
    fixture_free(f);
}
END_TEST

START_TEST(a_script_outlives_the_store_that_follows_it)
{
    struct ks_fate full = { .fault = KS_FAULT_UNAVAILABLE, .why = "no space left" };
    struct ks_fault_script *script = ks_fault_script_new();
    struct fixture *f;

    ck_assert_ptr_nonnull(script);
    ck_assert(ks_fault_script_next(script, KS_STORE_PUT, "k", full, 2));
    ck_assert_uint_eq(ks_fault_script_line_count(script), 1);
    for (int i = 0; i < 2; i++) {
        f = fixture_new();
        ks_fault_store_follow(f->control, script);
        ck_assert_int_eq(store_client_put(&f->client, "k", "v"), KAFSCALE_UNAVAILABLE);
        ck_assert_int_eq(store_client_put(&f->client, "other", "v"), KAFSCALE_OK);
        fixture_free(f);
    }
    ck_assert_uint_eq(ks_fault_script_line_count(script), 0);
    ks_fault_script_free(script);
}
END_TEST

struct verdict {
    bool done;
    enum kafscale_status status;
    char text[KAFSCALE_ERROR_TEXT_BYTES];
};

static void
on_verdict(void *arg, enum kafscale_status status, const struct kafscale_error *error)
{
    struct verdict *verdict = arg;

    verdict->done = true;
    verdict->status = status;
    if (error != NULL) {
        memcpy(verdict->text, error->text, sizeof verdict->text);
    }
}

static struct verdict
probe(struct fixture *f, struct store_client *client)
{
    struct verdict verdict = { 0 };

    ck_assert_int_eq(
        ks_store_probe(client->store, &f->v.env, "ns/__kafscale/", on_verdict, &verdict),
        KAFSCALE_OK);
    ck_assert(!verdict.done);
    client->run(client->run_arg, &verdict.done);
    ck_assert(verdict.done);
    return verdict;
}

START_TEST(fit_store_passes_the_probe_and_is_left_clean)
{
    struct fixture *f = fixture_new();

    ck_assert_int_eq(probe(f, &f->client).status, KAFSCALE_OK);
    ck_assert_uint_eq(ks_memory_bucket_object_count(f->bucket), 0);
    fixture_free(f);
}
END_TEST

/* A store whose put-if-absent ignores its condition. */
static struct kafscale_store liar_inner;

static void
put_anyway(void *self, const struct kafscale_put *put, kafscale_put_done *done, void *arg)
{
    struct kafscale_put *mutable_put = (struct kafscale_put *) (uintptr_t) put;

    mutable_put->if_absent = false;
    liar_inner.ops->put(self, put, done, arg);
}

START_TEST(store_that_ignores_conditions_is_refused)
{
    struct fixture *f = fixture_new();
    struct store_client client = f->client;
    struct kafscale_store_ops ops;
    struct verdict verdict;

    liar_inner = ks_memory_store_new(&f->v.env, f->bucket);
    ops = *liar_inner.ops;
    ops.put = put_anyway;
    client.store =
        ks_store_new(&f->v.env, (struct kafscale_store){ .ops = &ops, .self = liar_inner.self });
    verdict = probe(f, &client);
    ck_assert_int_eq(verdict.status, KAFSCALE_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(verdict.text, "32 of 32"));
    ck_assert_uint_eq(ks_memory_bucket_object_count(f->bucket), 0);
    ck_assert(store_client_close(&client));
    fixture_free(f);
}
END_TEST

START_TEST(store_that_is_away_is_not_judged)
{
    struct fixture *f = fixture_new();
    struct ks_fate away = { .fault = KS_FAULT_UNAVAILABLE };

    ks_fault_store_next(f->control, KS_STORE_OPERATION_COUNT, NULL, away, UINT32_MAX);
    ck_assert_int_eq(probe(f, &f->client).status, KAFSCALE_UNAVAILABLE);
    ks_fault_store_clear(f->control);
    next(f, KS_STORE_GET, KS_FAULT_ERROR_AFTER, 0);
    ck_assert_int_eq(probe(f, &f->client).status, KAFSCALE_UNKNOWN);
    ck_assert_int_eq(probe(f, &f->client).status, KAFSCALE_OK);
    fixture_free(f);
}
END_TEST

START_TEST(list_that_hides_an_object_is_refused)
{
    struct fixture *f = fixture_new();

    next(f, KS_STORE_LIST, KS_FAULT_DAMAGE, 0);
    ck_assert_int_eq(probe(f, &f->client).status, KAFSCALE_UNSUPPORTED);
    fixture_free(f);
}
END_TEST

Suite *
suite_new(void)
{
    Suite *suite = suite_create("store faults");
    TCase *faults = tcase_create("faults");
    TCase *probes = tcase_create("probe");

    tcase_add_test(faults, error_after_effect_stores_and_says_unknown);
    tcase_add_test(faults, error_before_effect_and_unavailable_store_nothing);
    tcase_add_test(faults, late_effect_comes_long_after_the_answer);
    tcase_add_test(faults, put_sent_twice_meets_its_own_success);
    tcase_add_test(faults, echo_of_a_put_brings_back_what_was_removed);
    tcase_add_test(faults, damaged_reads_leave_the_object_whole);
    tcase_add_test(faults, list_pages_may_be_cut_or_lack_a_key);
    tcase_add_test(faults, script_picks_by_operation_key_and_count);
    tcase_add_test(faults, equal_seeds_give_equal_faults);
    tcase_add_test(faults, each_failed_allocation_is_an_answer);
    tcase_add_test(faults, requests_of_a_dead_caller_may_still_act_but_never_answer);
    tcase_add_test(faults, whoever_is_cut_off_knows_nothing_and_does_nothing);
    tcase_add_test(faults, a_script_outlives_the_store_that_follows_it);
    tcase_add_test(probes, fit_store_passes_the_probe_and_is_left_clean);
    tcase_add_test(probes, store_that_ignores_conditions_is_refused);
    tcase_add_test(probes, store_that_is_away_is_not_judged);
    tcase_add_test(probes, list_that_hides_an_object_is_refused);
    suite_add_tcase(suite, faults);
    suite_add_tcase(suite, probes);
    return suite;
}
