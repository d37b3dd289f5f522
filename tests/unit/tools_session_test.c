/* SPDX-License-Identifier: Apache-2.0 */
/* Waiting calls on a store that fails now and then: the answer is the one a patient caller gets. */
#include "support/main.h"
#include "support/virtual_session.h"
#include "tools/segment_object.h"
#include "tools/tools.h"

#include <stdio.h>
#include <stdlib.h>

#define MANY 1200

struct fixture {
    struct virtual_env v;
    struct ks_memory_bucket *bucket;
    struct ks_fault_store *control;
    struct ks_session session;
    struct kafscale_error error;
    char seen[64];
    size_t seen_count;
};

static struct fixture *
fixture_new(void)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct kafscale_store inner;

    virtual_env_init(&f->v, 11);
    f->bucket = ks_memory_bucket_new();
    inner = ks_memory_store_new(&f->v.env, f->bucket);
    f->session = virtual_session(
        &f->v, ks_store_new(&f->v.env, ks_fault_store_new(&f->v.env, inner, &f->control)), NULL,
        "default");
    return f;
}

static void
on_closed(void *arg)
{
    *(bool *) arg = true;
}

static void
fixture_free(struct fixture *f)
{
    bool is_closed = false;

    ks_store_close(f->session.store, on_closed, &is_closed);
    ck_assert(virtual_env_run_until(&f->v, &is_closed, 60000));
    ks_memory_bucket_unref(f->bucket);
    free(f);
}

static void
fail_next(struct fixture *f, enum ks_store_operation operation, enum ks_fault fault, uint32_t count)
{
    struct ks_fate fate = { .fault = fault };

    ks_fault_store_next(f->control, operation, NULL, fate, count);
}

static void
create(struct fixture *f, const char *key, const char *text)
{
    ck_assert_int_eq(ks_session_create(&f->session, key, ks_slice_of_text(text), &f->error),
                     KAFSCALE_OK);
}

static void
create_from_file(struct fixture *f, const char *key, const char *path)
{
    uint8_t bytes[8192];
    FILE *file = fopen(path, "rb");
    size_t size;

    ck_assert_ptr_nonnull(file);
    size = fread(bytes, 1, sizeof bytes, file);
    ck_assert(feof(file));
    (void) fclose(file);
    ck_assert_int_eq(ks_session_create(&f->session, key, ks_slice(bytes, size), &f->error),
                     KAFSCALE_OK);
}

START_TEST(a_get_is_repeated_until_the_store_is_back)
{
    struct fixture *f = fixture_new();
    struct kafscale_get get = { .key = "k", .size_max = SIZE_MAX };
    struct kafscale_blob *body;
    uint64_t object_bytes;

    create(f, "k", "value");
    fail_next(f, KS_STORE_GET, KS_FAULT_ERROR_BEFORE, 3);
    ck_assert_int_eq(ks_session_get(&f->session, &get, &body, &object_bytes, &f->error),
                     KAFSCALE_OK);
    ck_assert_uint_eq(object_bytes, 5);
    kafscale_blob_unref(body);
    fail_next(f, KS_STORE_GET, KS_FAULT_ERROR_BEFORE, 1000);
    ck_assert_int_ne(ks_session_get(&f->session, &get, &body, &object_bytes, &f->error),
                     KAFSCALE_OK);
    ck_assert_ptr_nonnull(strstr(f->error.text, "'k'"));
    fixture_free(f);
}
END_TEST

START_TEST(what_is_not_there_is_not_asked_for_twice)
{
    struct fixture *f = fixture_new();
    struct kafscale_get get = { .key = "k", .size_max = SIZE_MAX };
    struct kafscale_blob *body;
    uint64_t object_bytes;

    ck_assert_int_eq(ks_session_get(&f->session, &get, &body, &object_bytes, &f->error),
                     KAFSCALE_NOT_FOUND);
    ck_assert_uint_eq(ks_store_counters(f->session.store)->requests[KS_STORE_GET], 1);
    fixture_free(f);
}
END_TEST

/* It may be damaged on its way: only one that comes so again and again is called damaged. */
START_TEST(an_index_that_comes_damaged_is_read_again)
{
    struct fixture *f = fixture_new();
    struct ks_segment_home home = { .ns = "default", .prefix = "topic", .partition = 3 };
    const uint64_t *requests = ks_store_counters(f->session.store)->requests;
    char key[KS_SEGMENT_KEY_BYTES];
    struct ks_index index;

    ks_segment_key(&home, 1000, KS_SEGMENT_INDEX, key);
    create_from_file(f, key, LOG_DATA "/segment-1.index");
    fail_next(f, KS_STORE_GET, KS_FAULT_DAMAGE, 2);
    ck_assert_int_eq(ks_segment_object_index(&f->session, &home, 1000, &index, &f->error),
                     KAFSCALE_OK);
    ck_assert_int_eq(f->error.status, KAFSCALE_OK);
    ck_assert_int_eq(index.base_offset, 1000);
    ck_assert_uint_eq(requests[KS_STORE_GET], 3);
    ks_index_deinit(&index);
    fail_next(f, KS_STORE_GET, KS_FAULT_DAMAGE, 1000);
    ck_assert_int_eq(ks_segment_object_index(&f->session, &home, 1000, &index, &f->error),
                     KAFSCALE_CORRUPT);
    ck_assert_uint_eq(requests[KS_STORE_GET], 6);
    ck_assert_ptr_nonnull(strstr(f->error.text, key));
    fixture_free(f);
}
END_TEST

START_TEST(a_segment_that_comes_damaged_is_read_again)
{
    struct fixture *f = fixture_new();
    struct ks_segment_home home = { .ns = "default", .prefix = "topic", .partition = 3 };
    const uint64_t *requests = ks_store_counters(f->session.store)->requests;
    struct kafscale_blob *body;
    char key[KS_SEGMENT_KEY_BYTES];
    struct ks_index index;

    ks_segment_key(&home, 1000, KS_SEGMENT_BODY, key);
    create_from_file(f, key, LOG_DATA "/segment-1.kfs");
    fail_next(f, KS_STORE_GET, KS_FAULT_DAMAGE, 2);
    ck_assert_int_eq(ks_segment_object_read(&f->session, &home, 1000, &body, &index, &f->error),
                     KAFSCALE_OK);
    ck_assert_uint_eq(requests[KS_STORE_GET], 3);
    kafscale_blob_unref(body);
    fail_next(f, KS_STORE_GET, KS_FAULT_DAMAGE, 2);
    ck_assert_int_eq(ks_segment_object_check(&f->session, &home, 1000, &index, &f->error),
                     KAFSCALE_OK);
    ck_assert_uint_eq(requests[KS_STORE_GET], 6);
    fail_next(f, KS_STORE_GET, KS_FAULT_DAMAGE, 1000);
    ck_assert_int_eq(ks_segment_object_check(&f->session, &home, 1000, &index, &f->error),
                     KAFSCALE_CORRUPT);
    ck_assert_uint_eq(requests[KS_STORE_GET], 9);
    ck_assert_ptr_nonnull(strstr(f->error.text, key));
    ks_index_deinit(&index);
    fixture_free(f);
}
END_TEST

START_TEST(a_creation_whose_answer_was_lost_finds_itself)
{
    struct fixture *f = fixture_new();

    fail_next(f, KS_STORE_PUT, KS_FAULT_ERROR_AFTER, 1);
    ck_assert_int_eq(ks_session_create(&f->session, "k", ks_slice_of_text("v"), &f->error),
                     KAFSCALE_EXISTS);
    fixture_free(f);
}
END_TEST

static bool
count_until_three(void *arg, const struct kafscale_list_entry *entry)
{
    struct fixture *f = arg;

    snprintf(f->seen, sizeof f->seen, "%s", entry->key);
    f->seen_count++;
    return f->seen_count < 3;
}

static bool
count(void *arg, const struct kafscale_list_entry *entry)
{
    struct fixture *f = arg;

    ck_assert_int_gt(strcmp(entry->key, f->seen), 0);
    snprintf(f->seen, sizeof f->seen, "%s", entry->key);
    f->seen_count++;
    return true;
}

static void
create_many(struct fixture *f)
{
    char key[16];

    for (int i = 0; i < MANY; i++) {
        snprintf(key, sizeof key, "p/%04d", i);
        create(f, key, key);
    }
    create(f, "q", "not below p/");
}

START_TEST(a_listing_goes_over_pages_and_through_faults)
{
    struct fixture *f = fixture_new();

    create_many(f);
    fail_next(f, KS_STORE_LIST, KS_FAULT_ERROR_BEFORE, 2);
    ck_assert_int_eq(ks_session_list(&f->session, "p/", NULL, count, f, &f->error), KAFSCALE_OK);
    ck_assert_uint_eq(f->seen_count, MANY);
    fixture_free(f);
}
END_TEST

START_TEST(a_listing_ends_when_it_is_told_so)
{
    struct fixture *f = fixture_new();

    create_many(f);
    ck_assert_int_eq(ks_session_list(&f->session, "p/", "p/0099", count_until_three, f, &f->error),
                     KAFSCALE_OK);
    ck_assert_uint_eq(f->seen_count, 3);
    ck_assert_str_eq(f->seen, "p/0102");
    fixture_free(f);
}
END_TEST

static void
expect_next(void *arg, size_t index, enum kafscale_status status, struct kafscale_blob *body,
            const struct kafscale_error *error)
{
    struct fixture *f = arg;
    char key[16];

    (void) error;
    ck_assert_uint_eq(index, f->seen_count++);
    snprintf(key, sizeof key, "p/%04zu", index);
    if (index == MANY) {
        ck_assert_int_eq(status, KAFSCALE_NOT_FOUND);
        ck_assert_ptr_null(body);
        return;
    }
    ck_assert_int_eq(status, KAFSCALE_OK);
    ck_assert(ks_slice_equals(kafscale_blob_slice(body), ks_slice_of_text(key)));
}

START_TEST(many_objects_come_in_order_whatever_fails)
{
    static char keys[MANY + 1][16];
    const char *names[MANY + 1];
    struct fixture *f = fixture_new();

    create_many(f);
    for (size_t i = 0; i <= MANY; i++) {
        snprintf(keys[i], sizeof keys[i], "p/%04zu", i);
        names[i] = keys[i];
    }
    fail_next(f, KS_STORE_GET, KS_FAULT_ERROR_BEFORE, 20);
    ck_assert_int_eq(ks_session_get_many(&f->session, names, MANY + 1, expect_next, f),
                     KAFSCALE_OK);
    ck_assert_uint_eq(f->seen_count, MANY + 1);
    fixture_free(f);
}
END_TEST

START_TEST(a_good_store_passes_the_probe)
{
    struct fixture *f = fixture_new();

    ck_assert_int_eq(ks_session_probe(&f->session, &f->error), KAFSCALE_OK);
    fixture_free(f);
}
END_TEST

Suite *
suite_new(void)
{
    Suite *suite = suite_create("tools session");
    TCase *tcase = tcase_create("session");

    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, a_get_is_repeated_until_the_store_is_back);
    tcase_add_test(tcase, what_is_not_there_is_not_asked_for_twice);
    tcase_add_test(tcase, an_index_that_comes_damaged_is_read_again);
    tcase_add_test(tcase, a_segment_that_comes_damaged_is_read_again);
    tcase_add_test(tcase, a_creation_whose_answer_was_lost_finds_itself);
    tcase_add_test(tcase, a_listing_goes_over_pages_and_through_faults);
    tcase_add_test(tcase, a_listing_ends_when_it_is_told_so);
    tcase_add_test(tcase, many_objects_come_in_order_whatever_fails);
    tcase_add_test(tcase, a_good_store_passes_the_probe);
    suite_add_tcase(suite, tcase);
    return suite;
}
