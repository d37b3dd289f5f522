/* SPDX-License-Identifier: Apache-2.0 */
/* How often the operator hears of a store that can't be written or read. */
#include "support/main.h"
#include "support/store_client.h"

#include <stdio.h>
#include <stdlib.h>

struct fixture {
    struct virtual_env v;
    struct store_client client;
    struct ks_fault_store *control;
    int lines;
    char last[512];
};

static void
note_line(void *arg, const struct kafscale_log_event *event)
{
    struct fixture *f = arg;

    f->lines++;
    (void) snprintf(f->last, sizeof f->last, "%s", event->line);
}

static struct fixture *
fixture_new(void)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct kafscale_store store;

    virtual_env_init(&f->v, 1);
    f->v.env.logger =
        (struct ks_logger){ .write = note_line, .arg = f, .level = KAFSCALE_LOG_DEBUG };
    store = ks_fault_store_new(&f->v.env, ks_memory_store_new(&f->v.env, NULL), &f->control);
    f->client = (struct store_client){ .store = ks_store_new(&f->v.env, store),
                                       .run = store_client_run_virtual,
                                       .run_arg = &f->v };
    return f;
}

static void
fixture_free(struct fixture *f)
{
    ck_assert(store_client_close(&f->client));
    free(f);
}

static void
refuse(struct fixture *f, enum ks_store_operation operation, uint32_t count)
{
    struct ks_fate fate = { .fault = KS_FAULT_UNAVAILABLE };

    ks_fault_store_next(f->control, operation, NULL, fate, count);
}

static void
put(struct fixture *f, const char *key, enum kafscale_status expected)
{
    ck_assert_int_eq(store_client_put(&f->client, key, "v"), expected);
}

START_TEST(refusing_store_is_told_of_once_and_its_return_once)
{
    struct fixture *f = fixture_new();

    put(f, "a", KAFSCALE_OK);
    ck_assert_int_eq(f->lines, 0);
    refuse(f, KS_STORE_PUT, 50);
    for (int i = 0; i < 50; i++) {
        put(f, "b", KAFSCALE_UNAVAILABLE);
        virtual_env_run_for(&f->v, 1000);
    }
    ck_assert_int_eq(f->lines, 1);
    ck_assert_ptr_nonnull(strstr(f->last, "can't write to the"));
    put(f, "b", KAFSCALE_OK);
    put(f, "b", KAFSCALE_OK);
    ck_assert_int_eq(f->lines, 2);
    ck_assert_ptr_nonnull(strstr(f->last, "works again after_ms=50000 failures=50"));
    fixture_free(f);
}
END_TEST

START_TEST(reading_tells_nothing_about_writing)
{
    struct fixture *f = fixture_new();

    refuse(f, KS_STORE_PUT, 1);
    put(f, "a", KAFSCALE_UNAVAILABLE);
    ck_assert(!store_client_has(&f->client, "a", "v"));
    ck_assert_int_eq(store_client_remove(&f->client, "a"), KAFSCALE_OK);
    ck_assert_int_eq(f->lines, 1);
    put(f, "a", KAFSCALE_OK);
    ck_assert_int_eq(f->lines, 2);
    refuse(f, KS_STORE_GET, 1);
    ck_assert(!store_client_has(&f->client, "a", "v"));
    ck_assert_ptr_nonnull(strstr(f->last, "can't read from the"));
    put(f, "b", KAFSCALE_OK);
    ck_assert_int_eq(f->lines, 3);
    ck_assert(store_client_has(&f->client, "a", "v"));
    ck_assert_int_eq(f->lines, 4);
    fixture_free(f);
}
END_TEST

/* As many object stores do on ordinary days. */
START_TEST(store_that_refuses_now_and_then_is_told_of_every_ten_seconds_at_most)
{
    struct fixture *f = fixture_new();

    for (int i = 0; i < 100; i++) {
        refuse(f, KS_STORE_PUT, 1);
        put(f, "a", KAFSCALE_UNAVAILABLE);
        put(f, "a", KAFSCALE_OK);
        virtual_env_run_for(&f->v, 100);
    }
    ck_assert_int_eq(f->lines, 2);
    /* What begins within the ten seconds and lasts is told of after them. */
    refuse(f, KS_STORE_PUT, 1);
    virtual_env_run_for(&f->v, 20000);
    put(f, "a", KAFSCALE_UNAVAILABLE);
    put(f, "a", KAFSCALE_OK);
    ck_assert_int_eq(f->lines, 4);
    refuse(f, KS_STORE_PUT, 12);
    for (int i = 0; i < 12; i++) {
        put(f, "a", KAFSCALE_UNAVAILABLE);
        virtual_env_run_for(&f->v, 1000);
    }
    ck_assert_int_eq(f->lines, 5);
    put(f, "a", KAFSCALE_OK);
    ck_assert_int_eq(f->lines, 6);
    fixture_free(f);
}
END_TEST

START_TEST(ordinary_answers_are_no_trouble)
{
    struct fixture *f = fixture_new();

    put(f, "a", KAFSCALE_OK);
    ck_assert_int_eq(store_client_put_if_absent(&f->client, "a", "w"), KAFSCALE_EXISTS);
    ck_assert(!store_client_has(&f->client, "b", "v"));
    ck_assert_int_eq(f->lines, 0);
    fixture_free(f);
}
END_TEST

Suite *
suite_new(void)
{
    Suite *suite = suite_create("store trouble");
    TCase *lines = tcase_create("lines");

    tcase_add_test(lines, refusing_store_is_told_of_once_and_its_return_once);
    tcase_add_test(lines, reading_tells_nothing_about_writing);
    tcase_add_test(lines, store_that_refuses_now_and_then_is_told_of_every_ten_seconds_at_most);
    tcase_add_test(lines, ordinary_answers_are_no_trouble);
    suite_add_tcase(suite, lines);
    return suite;
}
