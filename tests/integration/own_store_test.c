/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stores that a program brings: good ones serve a broker, and of bad ones each is found out, by the
 * check that programs can run and by the broker.
 */
#include "bad_store.h"
#include "own_meta.h"
#include "support.h"
#include "support/main.h"

#include <stdio.h>
#include <string.h>

#if defined(__SANITIZE_ADDRESS__)
#define HAS_LEAK_CHECK 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAS_LEAK_CHECK 1
#endif
#endif
#ifdef HAS_LEAK_CHECK
#include <sanitizer/lsan_interface.h>
#endif

static const char *const no_settings[] = { NULL };

/* What each store is found out by. */
static const struct {
    enum kafscale_status status;
    const char *why;
} verdicts[FAULT_COUNT] = {
    [FAULT_NONE] = { KAFSCALE_OK, "" },
    [FAULT_OVERWRITES] = { KAFSCALE_UNSUPPORTED, "PUT if absent: expected \"exists already" },
    [FAULT_RACY] = { KAFSCALE_UNSUPPORTED, "32 succeeded" },
    [FAULT_LOSES] = { KAFSCALE_UNSUPPORTED, "GET: expected \"success\", and not" },
    [FAULT_EARLY] = { KAFSCALE_UNSUPPORTED, "completed before the submission returned" },
    [FAULT_TWICE] = { KAFSCALE_UNSUPPORTED, "a request was answered twice" },
    [FAULT_ODD_EXISTS] = { KAFSCALE_UNSUPPORTED, "EXISTS for an unconditional PUT" },
    [FAULT_UNAVAILABLE] = { KAFSCALE_UNAVAILABLE, "PUT if absent" },
    [FAULT_WHOLE] = { KAFSCALE_UNSUPPORTED, "a body larger than the range" },
    [FAULT_SHORT] = { KAFSCALE_UNSUPPORTED, "9 bytes instead of 10" },
    [FAULT_EMPTY] = { KAFSCALE_UNSUPPORTED, "a key that isn't there" },
    [FAULT_STALE] = { KAFSCALE_UNSUPPORTED, "" },
    [FAULT_LIST_ORDER] = { KAFSCALE_UNSUPPORTED, "keys out of order" },
    [FAULT_LIST_FORGETS] = { KAFSCALE_UNSUPPORTED, "expected 'key:3 ', not ''" },
    [FAULT_LIST_ENDLESS] = { KAFSCALE_UNSUPPORTED, "keys out of order" },
    [FAULT_LIST_UNENDING] = { KAFSCALE_UNSUPPORTED, "..." },
    [FAULT_LIST_ABRIDGED] = { KAFSCALE_UNSUPPORTED, "..." },
    [FAULT_REMOVES_NOTHING] = { KAFSCALE_UNSUPPORTED, "a key that isn't there" },
    [FAULT_REMOVE_COMPLAINS] = { KAFSCALE_UNSUPPORTED, "DELETE: expected" },
    [FAULT_CLOSES_EARLY] = { KAFSCALE_UNSUPPORTED, "it has closed with 8 of 8 requests under way" },
};

struct seen {
    int count;
    int failed;
    bool is_told; /* the reason that is looked for */
    const char *why;
};

static void
see(void *arg, const char *what, const struct kafscale_error *error)
{
    struct seen *seen = arg;

    ck_assert_ptr_nonnull(what);
    seen->count++;
    seen->failed += error != NULL;
    seen->is_told |= error != NULL && strstr(error->text, seen->why) != NULL;
}

/* What closes early leaves behind what nobody may touch any more. */
static enum kafscale_status
check_store(enum fault fault, struct seen *seen, struct kafscale_error *error)
{
    enum kafscale_status status;

#ifdef HAS_LEAK_CHECK
    if (fault == FAULT_CLOSES_EARLY) {
        __lsan_disable();
    }
#endif
    status = kafscale_store_check(bad_store_open, &fault, "some/where/", see, seen, error);
#ifdef HAS_LEAK_CHECK
    if (fault == FAULT_CLOSES_EARLY) {
        __lsan_enable();
    }
#endif
    return status;
}

START_TEST(each_broken_promise_is_found_by_the_check)
{
    struct kafscale_error error = { 0 };
    struct seen seen = { .why = verdicts[_i].why };
    enum kafscale_status status = check_store((enum fault) _i, &seen, &error);

    ck_assert_msg(status == verdicts[_i].status, "%d: %s", status, error.text);
    ck_assert_int_eq(error.status, status);
    ck_assert_int_gt(seen.count, 1);
    ck_assert_msg(_i == FAULT_NONE ? seen.failed == 0 : seen.failed > 0 && seen.is_told,
                  "first failure: %s", error.text);
}
END_TEST

START_TEST(prefixes_that_can_not_be_are_refused)
{
    static const char *const prefixes[] = { "no-slash", "/", "a//", "a/../", "\n/", NULL };
    enum fault fault = FAULT_NONE;

    for (size_t i = 0; prefixes[i] != NULL; i++) {
        ck_assert_int_eq(
            kafscale_store_check(bad_store_open, &fault, prefixes[i], NULL, NULL, NULL),
            KAFSCALE_INVALID);
    }
}
END_TEST

/* A store that answers before the call has returned can't be relied on, and the broker says so. */
START_TEST(a_broker_on_a_bad_store_fails_with_the_reason)
{
    struct kafscale_broker *broker = broker_new(no_settings);
    struct kafscale_error error = { 0 };
    enum fault fault = FAULT_EARLY;

    kafscale_broker_set_store(broker, bad_store_open, &fault);
    ck_assert_int_eq(kafscale_broker_start(broker, NULL, &error), KAFSCALE_OK);
    ck_assert_int_ne(kafscale_broker_wait_ready(broker, 10000, &error), KAFSCALE_OK);
    ck_assert_msg(strstr(error.text, "broke its contract") != NULL, "%s", error.text);
    kafscale_broker_free(broker);
}
END_TEST

/* --- Tables and open functions that are none --- */

static struct kafscale_store_ops half_ops;
static bool half_is_closed;

static void
half_close(void *self, kafscale_close_done *done, void *arg)
{
    (void) self;
    (void) done;
    (void) arg;
    half_is_closed = true;
}

static enum kafscale_status
half_open(void *arg, struct kafscale_loop loop, struct kafscale_store *store_out,
          struct kafscale_error *error)
{
    (void) arg;
    (void) loop;
    (void) error;
    *store_out = (struct kafscale_store){ &half_ops, NULL };
    return KAFSCALE_OK;
}

static enum kafscale_status
no_open(void *arg, struct kafscale_loop loop, struct kafscale_store *store_out,
        struct kafscale_error *error)
{
    (void) arg;
    (void) loop;
    (void) store_out;
    (void) error;
    return KAFSCALE_UNAVAILABLE;
}

static void
expect_no_start(kafscale_store_open *open, enum kafscale_status status, const char *why)
{
    struct kafscale_broker *broker = broker_new(no_settings);
    struct kafscale_error error = { 0 };

    kafscale_broker_set_store(broker, open, NULL);
    ck_assert_int_eq(kafscale_broker_start(broker, NULL, &error), status);
    ck_assert_msg(strstr(error.text, why) != NULL, "%s", error.text);
    kafscale_broker_free(broker);
}

START_TEST(what_is_no_store_is_refused_at_the_start)
{
    expect_no_start(no_open, KAFSCALE_UNAVAILABLE, "own store: can't be reached");
    half_ops = (struct kafscale_store_ops){ .close = half_close };
    expect_no_start(half_open, KAFSCALE_INVALID, "its version is 0");
    ck_assert(half_is_closed);
    half_ops.version = KAFSCALE_STORE_OPS_VERSION;
    expect_no_start(half_open, KAFSCALE_INVALID, "it has no name");
    half_ops.name = "half";
    expect_no_start(half_open, KAFSCALE_INVALID, "its window is 0");
    half_ops.window = 1;
    expect_no_start(half_open, KAFSCALE_INVALID, "one of put, get, list, remove and close");
}
END_TEST

/* --- A broker on stores of the program's --- */

static enum kafscale_status
open_folder(void *arg, struct kafscale_loop loop, struct kafscale_store *store_out,
            struct kafscale_error *error)
{
    struct kafscale_options *options = kafscale_options_new();
    enum kafscale_status status = kafscale_options_set(options, "store", arg, error);

    if (status == KAFSCALE_OK) {
        status = kafscale_store_open_builtin(options, loop, store_out, error);
    }
    kafscale_options_free(options);
    return status;
}

static struct kafscale_broker *
start_on(char *folder, struct own_meta *meta)
{
    struct kafscale_broker *broker = broker_new(no_settings);
    struct kafscale_error error = { 0 };

    kafscale_broker_set_store(broker, open_folder, folder);
    kafscale_broker_set_meta(broker, own_meta_open, meta);
    ck_assert_msg(kafscale_broker_start(broker, NULL, &error) == KAFSCALE_OK, "%s", error.text);
    return broker;
}

START_TEST(a_broker_on_own_store_and_metadata_finds_its_records_again)
{
    char path[64];
    char folder[80];
    struct own_meta meta = { 0 };
    struct kafscale_error error = { 0 };
    struct kafscale_broker *broker;
    rd_kafka_t *client;

    directory_make(path);
    (void) snprintf(folder, sizeof folder, "dir:%s", path);
    broker = start_on(folder, &meta);
    ck_assert_int_eq(kafscale_broker_wait_ready(broker, 10000, &error), KAFSCALE_OK);
    client = client_new(RD_KAFKA_PRODUCER, broker, NULL);
    produce_numbers(client, "numbers", 0, 0, 10);
    rd_kafka_destroy(client);
    kafscale_broker_free(broker);
    ck_assert_uint_gt(meta.transactions, 0);

    broker = start_on(folder, &meta);
    ck_assert_int_eq(kafscale_broker_wait_ready(broker, 10000, &error), KAFSCALE_OK);
    expect_numbers(broker, "numbers", 0, 10);
    kafscale_broker_free(broker);

    meta.lies = true;
    broker = start_on(folder, &meta);
    ck_assert_int_ne(kafscale_broker_wait_ready(broker, 10000, &error), KAFSCALE_OK);
    ck_assert_msg(strstr(error.text, "a version after the revision") != NULL, "%s", error.text);
    kafscale_broker_free(broker);
    own_meta_deinit(&meta);
    directory_remove(path);
}
END_TEST

static enum kafscale_status
no_meta(void *arg, struct kafscale_loop loop, struct kafscale_meta *meta_out,
        struct kafscale_error *error)
{
    static const struct kafscale_meta_ops nothing = { .version = 1, .name = "nothing" };

    (void) arg;
    (void) loop;
    (void) error;
    *meta_out = (struct kafscale_meta){ &nothing, NULL };
    return KAFSCALE_OK;
}

START_TEST(what_is_no_metadata_store_is_refused_and_the_store_closed)
{
    struct kafscale_broker *broker = broker_new(no_settings);
    struct kafscale_error error = { 0 };
    enum fault fault = FAULT_NONE;

    kafscale_broker_set_store(broker, bad_store_open, &fault);
    kafscale_broker_set_meta(broker, no_meta, NULL);
    ck_assert_int_eq(kafscale_broker_start(broker, NULL, &error), KAFSCALE_INVALID);
    ck_assert_str_eq(error.text,
                     "own metadata store: one of read, txn, watch and close is missing");
    kafscale_broker_free(broker);
}
END_TEST

/* --- Tools on it --- */

static bool
count_object(void *arg, const struct kafscale_list_entry *entry)
{
    (void) entry;
    ++*(int *) arg;
    return true;
}

START_TEST(tools_work_on_an_own_store)
{
    struct kafscale_options *options = kafscale_options_new();
    struct kafscale_error error = { 0 };
    enum fault fault = FAULT_NONE;
    struct kafscale_tools *tools =
        kafscale_tools_open_own(options, bad_store_open, &fault, NULL, NULL, &error);
    int count = 0;

    ck_assert_msg(tools != NULL, "%s", error.text);
    ck_assert_int_eq(kafscale_tools_check_store(tools, &error), KAFSCALE_OK);
    ck_assert_int_eq(kafscale_tools_list(tools, "", count_object, &count, &error), KAFSCALE_OK);
    ck_assert_int_eq(count, 0);
    kafscale_tools_close(tools);
    kafscale_options_free(options);
}
END_TEST

Suite *
suite_new(void)
{
    Suite *suite = suite_create("own stores");
    TCase *tcase = tcase_create("own");

    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, each_broken_promise_is_found_by_the_check, 0, FAULT_COUNT);
    tcase_add_test(tcase, prefixes_that_can_not_be_are_refused);
    tcase_add_test(tcase, a_broker_on_a_bad_store_fails_with_the_reason);
    tcase_add_test(tcase, what_is_no_store_is_refused_at_the_start);
    tcase_add_test(tcase, a_broker_on_own_store_and_metadata_finds_its_records_again);
    tcase_add_test(tcase, what_is_no_metadata_store_is_refused_and_the_store_closed);
    tcase_add_test(tcase, tools_work_on_an_own_store);
    suite_add_tcase(suite, tcase);
    return suite;
}
