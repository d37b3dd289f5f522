/* SPDX-License-Identifier: Apache-2.0 */
/* The wrapper in front of a store that breaks the contract in every way it can be caught at. */
#include "support/main.h"
#include "support/store_client.h"

#include <stdlib.h>

enum sin {
    SIN_NONE,
    SIN_EARLY,
    SIN_TWICE,
    SIN_EXISTS_UNASKED,
    SIN_STRANGE_STATUS,
    SIN_NO_BODY,
    SIN_LONG_BODY,
    SIN_SHORT_BODY,
    SIN_FOREIGN_KEY,
    SIN_UNORDERED,
    SIN_TOO_MANY,
    SIN_ENDLESS,
    SIN_NO_MEMORY
};

/* Holds one request at a time, and answers it when told to. */
struct sinner {
    enum sin sin;
    kafscale_put_done *put_done;
    kafscale_get_done *get_done;
    kafscale_list_done *list_done;
    kafscale_remove_done *remove_done;
    void *arg;
    bool closed;
};

static void
sinner_put(void *self, const struct kafscale_put *put, kafscale_put_done *done, void *arg)
{
    struct sinner *sinner = self;

    (void) put;
    sinner->put_done = done;
    sinner->arg = arg;
    if (sinner->sin == SIN_EARLY) {
        done(arg, KAFSCALE_OK, NULL);
    }
    if (sinner->sin == SIN_NO_MEMORY) {
        done(arg, KAFSCALE_NO_MEMORY, NULL);
    }
}

static void
sinner_get(void *self, const struct kafscale_get *get, kafscale_get_done *done, void *arg)
{
    struct sinner *sinner = self;

    (void) get;
    sinner->get_done = done;
    sinner->arg = arg;
}

static void
sinner_list(void *self, const struct kafscale_list *list, kafscale_list_done *done, void *arg)
{
    struct sinner *sinner = self;

    (void) list;
    sinner->list_done = done;
    sinner->arg = arg;
}

static void
sinner_remove(void *self, const struct kafscale_remove *remove, kafscale_remove_done *done,
              void *arg)
{
    struct sinner *sinner = self;

    (void) remove;
    sinner->remove_done = done;
    sinner->arg = arg;
}

static void
sinner_close(void *self, kafscale_close_done *done, void *arg)
{
    struct sinner *sinner = self;

    sinner->closed = true;
    done(arg);
}

static const struct kafscale_store_ops sinner_ops = {
    .version = KAFSCALE_STORE_OPS_VERSION,
    .name = "sinner",
    .window = 3,
    .flush_interval_ms = 250,
    .put = sinner_put,
    .get = sinner_get,
    .list = sinner_list,
    .remove = sinner_remove,
    .close = sinner_close,
};

struct fixture {
    struct virtual_env v;
    struct sinner sinner;
    struct ks_store *store;
    int log_lines;
    int completions;
    enum kafscale_status status;
    char text[KAFSCALE_ERROR_TEXT_BYTES];
};

static void
count_line(void *arg, const struct kafscale_log_event *event)
{
    struct fixture *f = arg;

    ck_assert_int_eq(event->level, KAFSCALE_LOG_ERROR);
    ck_assert_ptr_nonnull(strstr(event->line, "broke its contract"));
    f->log_lines++;
}

static struct fixture *
fixture_new(enum sin sin)
{
    struct fixture *f = calloc(1, sizeof *f);

    virtual_env_init(&f->v, 1);
    f->v.env.logger = (struct ks_logger){ .write = count_line, .arg = f };
    f->sinner.sin = sin;
    f->store =
        ks_store_new(&f->v.env, (struct kafscale_store){ .ops = &sinner_ops, .self = &f->sinner });
    return f;
}

static void
ignore(void *arg)
{
    (void) arg;
}

static void
fixture_free(struct fixture *f)
{
    ks_store_close(f->store, ignore, NULL);
    ck_assert(f->sinner.closed);
    free(f);
}

static void
note(struct fixture *f, enum kafscale_status status, const struct kafscale_error *error)
{
    f->completions++;
    f->status = status;
    ck_assert_int_eq(error == NULL, status == KAFSCALE_OK);
    if (error != NULL) {
        ck_assert_int_eq(error->status, status);
        ck_assert_str_ne(error->text, "");
        memcpy(f->text, error->text, sizeof f->text);
    }
}

static void
on_written(void *arg, enum kafscale_status status, const struct kafscale_error *error)
{
    note(arg, status, error);
}

static void
on_read(void *arg, enum kafscale_status status, struct kafscale_blob *body, uint64_t object_bytes,
        const struct kafscale_error *error)
{
    (void) object_bytes;
    ck_assert_int_eq(body == NULL, status != KAFSCALE_OK);
    note(arg, status, error);
}

static void
on_listed(void *arg, enum kafscale_status status, const struct kafscale_list_entry *entries,
          size_t entry_count, bool is_truncated, const struct kafscale_error *error)
{
    (void) entries;
    (void) is_truncated;
    ck_assert(status == KAFSCALE_OK || entry_count == 0);
    note(arg, status, error);
}

static const struct kafscale_put put_once = { .key = "k", .if_absent = false };

START_TEST(completion_before_the_submission_returned_fails_later)
{
    struct fixture *f = fixture_new(SIN_EARLY);

    ks_store_put(f->store, &put_once, on_written, f);
    ck_assert_int_eq(f->completions, 0);
    (void) virtual_env_run_until_idle(&f->v, 1000);
    ck_assert_int_eq(f->completions, 1);
    ck_assert_int_eq(f->status, KAFSCALE_FAILED);
    ck_assert_int_eq(f->log_lines, 1);
    fixture_free(f);
}
END_TEST

START_TEST(lack_of_memory_may_be_told_at_once)
{
    struct fixture *f = fixture_new(SIN_NO_MEMORY);

    ks_store_put(f->store, &put_once, on_written, f);
    ck_assert_int_eq(f->completions, 0);
    (void) virtual_env_run_until_idle(&f->v, 1000);
    ck_assert_int_eq(f->completions, 1);
    ck_assert_int_eq(f->status, KAFSCALE_NO_MEMORY);
    ck_assert_int_eq(f->log_lines, 0);
    fixture_free(f);
}
END_TEST

START_TEST(second_completion_is_dropped)
{
    struct fixture *f = fixture_new(SIN_TWICE);

    ks_store_put(f->store, &put_once, on_written, f);
    f->sinner.put_done(f->sinner.arg, KAFSCALE_OK, NULL);
    f->sinner.put_done(f->sinner.arg, KAFSCALE_UNKNOWN, NULL);
    ck_assert_int_eq(f->completions, 1);
    ck_assert_int_eq(f->status, KAFSCALE_OK);
    ck_assert_int_eq(f->log_lines, 1);
    ck_assert_uint_eq(ks_store_counters(f->store)->in_flight, 0);
    fixture_free(f);
}
END_TEST

START_TEST(exists_without_condition_is_a_broken_contract)
{
    struct fixture *f = fixture_new(SIN_EXISTS_UNASKED);

    ks_store_put(f->store, &put_once, on_written, f);
    f->sinner.put_done(f->sinner.arg, KAFSCALE_EXISTS, NULL);
    ck_assert_int_eq(f->status, KAFSCALE_FAILED);
    ck_assert_int_eq(f->log_lines, 1);
    fixture_free(f);
}
END_TEST

START_TEST(status_that_no_put_has_is_an_unknown_outcome)
{
    struct fixture *f = fixture_new(SIN_STRANGE_STATUS);
    struct kafscale_error error = { .status = KAFSCALE_CONFLICT, .text = "409" };

    ks_store_put(f->store, &put_once, on_written, f);
    f->sinner.put_done(f->sinner.arg, KAFSCALE_CONFLICT, &error);
    ck_assert_int_eq(f->status, KAFSCALE_UNKNOWN);
    ck_assert_str_eq(f->text, "409");
    ck_assert_uint_eq(ks_store_counters(f->store)->errors[KS_STORE_PUT], 1);
    fixture_free(f);
}
END_TEST

/*
 * The sin, the size of the body, and the status that the caller of "GET 4 bytes of 10 from 8"
 * sees.
 */
static const struct {
    enum sin sin;
    size_t size;
    enum kafscale_status status;
} bodies[] = {
    { SIN_NONE, 2, KAFSCALE_OK },
    { SIN_LONG_BODY, 4, KAFSCALE_FAILED },
    { SIN_SHORT_BODY, 1, KAFSCALE_CORRUPT },
    { SIN_NO_BODY, 0, KAFSCALE_FAILED },
};

START_TEST(body_must_be_exactly_the_range)
{
    struct fixture *f = fixture_new(bodies[_i].sin);
    struct kafscale_get get = { .key = "k", .position = 8, .size_max = 4 };
    struct kafscale_blob *body =
        bodies[_i].sin == SIN_NO_BODY ? NULL : kafscale_blob_new(bodies[_i].size);

    ks_store_get(f->store, &get, on_read, f);
    f->sinner.get_done(f->sinner.arg, KAFSCALE_OK, body, 10, NULL);
    kafscale_blob_unref(body);
    ck_assert_int_eq(f->completions, 1);
    ck_assert_int_eq(f->status, bodies[_i].status);
    ck_assert_int_eq(f->log_lines, bodies[_i].status == KAFSCALE_FAILED ? 1 : 0);
    fixture_free(f);
}
END_TEST

/* Answers to "two keys at most, with prefix p/, after p/b". */
static const struct {
    enum sin sin;
    const char *keys[3];
    size_t count;
    bool is_truncated;
    enum kafscale_status status;
} pages[] = {
    { SIN_NONE, { "p/c", "p/d" }, 2, true, KAFSCALE_OK },
    { SIN_FOREIGN_KEY, { "q/a" }, 1, false, KAFSCALE_FAILED },
    { SIN_UNORDERED, { "p/d", "p/c" }, 2, false, KAFSCALE_FAILED },
    { SIN_UNORDERED, { "p/b" }, 1, false, KAFSCALE_FAILED },
    { SIN_TOO_MANY, { "p/c", "p/d", "p/e" }, 3, false, KAFSCALE_FAILED },
    { SIN_ENDLESS, { NULL }, 0, true, KAFSCALE_FAILED },
};

START_TEST(list_must_be_what_was_asked_for)
{
    struct fixture *f = fixture_new(pages[_i].sin);
    struct kafscale_list list = { .prefix = "p/", .start_after = "p/b", .count_max = 2 };
    struct kafscale_list_entry entries[3] = { 0 };

    for (size_t i = 0; i < pages[_i].count; i++) {
        entries[i].key = pages[_i].keys[i];
    }
    ks_store_list(f->store, &list, on_listed, f);
    f->sinner.list_done(f->sinner.arg, KAFSCALE_OK, entries, pages[_i].count,
                        pages[_i].is_truncated, NULL);
    ck_assert_int_eq(f->completions, 1);
    ck_assert_int_eq(f->status, pages[_i].status);
    fixture_free(f);
}
END_TEST

START_TEST(requests_beyond_memory_are_refused_later_and_leave_nothing)
{
    struct fixture *f = fixture_new(SIN_NONE);

    ks_alloc_fail_after(0);
    for (int i = 0; i < KS_STORE_RESERVE_COUNT; i++) {
        ks_store_put(f->store, &put_once, on_written, f);
    }
    ck_assert_int_eq(f->completions, 0);
    ck_assert_ptr_null(f->sinner.arg);
    (void) virtual_env_run_until_idle(&f->v, 1000);
    ks_alloc_fail_after(UINT64_MAX);
    ck_assert_int_eq(f->completions, KS_STORE_RESERVE_COUNT);
    ck_assert_int_eq(f->status, KAFSCALE_NO_MEMORY);
    ck_assert_uint_eq(ks_store_counters(f->store)->in_flight, 0);
    fixture_free(f);
}
END_TEST

START_TEST(counters_tell_requests_bytes_and_errors)
{
    struct virtual_env v;
    struct store_client client = { .run = store_client_run_virtual, .run_arg = &v };
    const struct ks_store_counters *counters;
    char *text;

    virtual_env_init(&v, 1);
    client.store = ks_store_new(&v.env, ks_memory_store_new(&v.env, NULL));
    counters = ks_store_counters(client.store);
    ck_assert_int_eq(store_client_put_if_absent(&client, "k", "12345"), KAFSCALE_OK);
    ck_assert_int_eq(store_client_put_if_absent(&client, "k", "123"), KAFSCALE_EXISTS);
    ck_assert_int_eq(store_client_get(&client, "k", 1, 2, &text, NULL), KAFSCALE_OK);
    free(text);
    ck_assert_uint_eq(counters->requests[KS_STORE_PUT], 2);
    ck_assert_uint_eq(counters->bytes[KS_STORE_PUT], 8);
    ck_assert_uint_eq(counters->errors[KS_STORE_PUT], 0);
    ck_assert_uint_eq(counters->bytes[KS_STORE_GET], 2);
    ck_assert_str_eq(ks_store_name(client.store), "memory");
    ck_assert_uint_eq(ks_store_window(client.store), 1);
    ck_assert_uint_eq(ks_store_flush_interval_ms(client.store), 0);
    ck_assert(store_client_close(&client));
}
END_TEST

/*
 * Every allocation of a request on the memory store fails in turn; the request answers, and
 * nothing is half done.
 */
START_TEST(memory_store_survives_each_failed_allocation)
{
    struct virtual_env v;
    struct store_client client = { .run = store_client_run_virtual, .run_arg = &v };
    enum kafscale_status status = KAFSCALE_NO_MEMORY;

    virtual_env_init(&v, 1);
    client.store = ks_store_new(&v.env, ks_memory_store_new(&v.env, NULL));
    for (uint64_t n = 0; status == KAFSCALE_NO_MEMORY; n++) {
        ck_assert_uint_lt(n, 20);
        ks_alloc_fail_after(n);
        status = store_client_put_if_absent(&client, "k", "content");
        ks_alloc_fail_after(UINT64_MAX);
        ck_assert_int_eq(store_client_has(&client, "k", "content"), status == KAFSCALE_OK);
    }
    ck_assert_int_eq(status, KAFSCALE_OK);
    ck_assert(store_client_close(&client));
}
END_TEST

START_TEST(stores_of_one_bucket_see_each_other)
{
    struct virtual_env v;
    struct ks_memory_bucket *bucket = ks_memory_bucket_new();
    struct store_client first = { .run = store_client_run_virtual, .run_arg = &v };
    struct store_client second = first;

    virtual_env_init(&v, 1);
    first.store = ks_store_new(&v.env, ks_memory_store_new(&v.env, bucket));
    ck_assert_int_eq(store_client_put_if_absent(&first, "k", "left behind"), KAFSCALE_OK);
    ck_assert(store_client_close(&first));
    second.store = ks_store_new(&v.env, ks_memory_store_new(&v.env, bucket));
    ck_assert(store_client_has(&second, "k", "left behind"));
    ck_assert_uint_eq(ks_memory_bucket_object_count(bucket), 1);
    ck_assert(store_client_close(&second));
    ks_memory_bucket_unref(bucket);
}
END_TEST

START_TEST(keys_have_the_form_that_every_store_can_hold)
{
    static const char *const good[] = { "a", "a/b", "..a", "a b", "a/...", "~" };
    static const char *const bad[] = { "",    "/a",   "a/",  "a//b", ".",         "..",
                                       "a/.", "../a", "a\n", "\x7f", "a/\xc3\xa9" };

    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        ck_assert_msg(ks_store_key_is_valid(good[i]), "'%s'", good[i]);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        ck_assert_msg(!ks_store_key_is_valid(bad[i]), "'%s'", bad[i]);
    }
}
END_TEST

Suite *
suite_new(void)
{
    Suite *suite = suite_create("store");
    TCase *wrapper = tcase_create("wrapper");
    TCase *memory = tcase_create("memory");

    tcase_add_test(wrapper, completion_before_the_submission_returned_fails_later);
    tcase_add_test(wrapper, lack_of_memory_may_be_told_at_once);
    tcase_add_test(wrapper, second_completion_is_dropped);
    tcase_add_test(wrapper, exists_without_condition_is_a_broken_contract);
    tcase_add_test(wrapper, status_that_no_put_has_is_an_unknown_outcome);
    tcase_add_loop_test(wrapper, body_must_be_exactly_the_range, 0,
                        sizeof bodies / sizeof bodies[0]);
    tcase_add_loop_test(wrapper, list_must_be_what_was_asked_for, 0,
                        sizeof pages / sizeof pages[0]);
    tcase_add_test(wrapper, requests_beyond_memory_are_refused_later_and_leave_nothing);
    tcase_add_test(wrapper, counters_tell_requests_bytes_and_errors);
    tcase_add_test(wrapper, keys_have_the_form_that_every_store_can_hold);
    tcase_add_test(memory, memory_store_survives_each_failed_allocation);
    tcase_add_test(memory, stores_of_one_bucket_see_each_other);
    suite_add_tcase(suite, wrapper);
    suite_add_tcase(suite, memory);
    return suite;
}
