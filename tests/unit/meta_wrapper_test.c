/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A backend that breaks the contract reaches the caller as KAFSCALE_FAILED, never as damaged
 * memory.
 */
#include "support/main.h"
#include "support/meta_client.h"

struct backend {
    bool is_early;
    int submit_count;
    kafscale_meta_txn_done *txn_done;
    void *txn_arg;
    struct kafscale_meta_close_call {
        struct ks_task task;
        kafscale_meta_close_done *done;
        void *arg;
    } close;
    struct virtual_env v;
};

static void
backend_read(void *self, const struct kafscale_meta_read *read, kafscale_meta_read_done *done,
             void *arg)
{
    struct backend *backend = self;

    (void) read;
    backend->submit_count++;
    if (backend->is_early) {
        done(arg, KAFSCALE_OK, NULL, 0, 1, NULL);
    }
}

static void
backend_txn(void *self, const struct kafscale_meta_txn *txn, kafscale_meta_txn_done *done,
            void *arg)
{
    struct backend *backend = self;

    (void) txn;
    backend->submit_count++;
    backend->txn_done = done;
    backend->txn_arg = arg;
    if (backend->is_early) {
        done(arg, KAFSCALE_OK, 1, NULL);
    }
}

static void
backend_watch(void *self, kafscale_meta_changed *changed, void *arg)
{
    (void) self;
    (void) changed;
    (void) arg;
}

static void
run_close(void *arg)
{
    struct backend *backend = arg;

    backend->close.done(backend->close.arg);
}

static void
backend_close(void *self, kafscale_meta_close_done *done, void *arg)
{
    struct backend *backend = self;

    backend->close.done = done;
    backend->close.arg = arg;
    backend->close.task = (struct ks_task){ .run = run_close, .arg = backend };
    ks_env_defer(&backend->v.env, &backend->close.task);
}

static const struct kafscale_meta_ops backend_ops = {
    .version = KAFSCALE_META_OPS_VERSION,
    .name = "broken",
    .operations_max = 4,
    .read = backend_read,
    .txn = backend_txn,
    .watch = backend_watch,
    .close = backend_close,
};

static struct backend backend;

static struct ks_meta *
begin(void)
{
    backend = (struct backend){ 0 };
    virtual_env_init(&backend.v, 1);
    return ks_meta_new(&backend.v.env, (struct kafscale_meta){ &backend_ops, &backend });
}

static void
on_closed(void *arg)
{
    *(bool *) arg = true;
}

static void
end(struct ks_meta *meta)
{
    bool is_closed = false;

    ks_meta_close(meta, on_closed, &is_closed);
    ck_assert(!is_closed);
    virtual_env_run_until_idle(&backend.v, 1000);
    ck_assert(is_closed);
}

struct told {
    int count;
    enum kafscale_status status;
};

static void
on_txn(void *arg, enum kafscale_status status, uint64_t revision,
       const struct kafscale_error *error)
{
    struct told *told = arg;

    (void) revision;
    ck_assert((status == KAFSCALE_OK) == (error == NULL));
    told->count++;
    told->status = status;
}

static const struct kafscale_meta_operation operation = { .key = "k" };
static const struct kafscale_meta_txn txn = { .operations = &operation, .operation_count = 1 };

START_TEST(completion_inside_the_call_is_failed_and_comes_later)
{
    struct ks_meta *meta = begin();
    struct told told = { 0 };

    backend.is_early = true;
    ks_meta_txn(meta, &txn, on_txn, &told);
    ck_assert_int_eq(told.count, 0);
    virtual_env_run_until_idle(&backend.v, 1000);
    ck_assert_int_eq(told.count, 1);
    ck_assert_int_eq(told.status, KAFSCALE_FAILED);
    end(meta);
}
END_TEST

START_TEST(second_completion_is_ignored)
{
    struct ks_meta *meta = begin();
    struct told told = { 0 };

    ks_meta_txn(meta, &txn, on_txn, &told);
    backend.txn_done(backend.txn_arg, KAFSCALE_OK, 7, NULL);
    backend.txn_done(backend.txn_arg, KAFSCALE_OK, 7, NULL);
    ck_assert_int_eq(told.count, 1);
    end(meta);
}
END_TEST

START_TEST(failure_without_text_gets_one)
{
    struct ks_meta *meta = begin();
    struct told told = { 0 };

    ks_meta_txn(meta, &txn, on_txn, &told);
    backend.txn_done(backend.txn_arg, KAFSCALE_UNKNOWN, 0, NULL);
    ck_assert_int_eq(told.status, KAFSCALE_UNKNOWN);
    end(meta);
}
END_TEST

START_TEST(refused_request_does_not_reach_the_backend_and_ends_before_the_close)
{
    struct ks_meta *meta = begin();
    struct kafscale_meta_operation many[5] = { operation, operation, operation, operation,
                                               operation };
    struct kafscale_meta_txn too_many = { .operations = many, .operation_count = 5 };
    struct told told = { 0 };

    ck_assert_uint_eq(ks_meta_operations_max(meta), 4);
    ks_meta_txn(meta, &too_many, on_txn, &told);
    ck_assert_int_eq(backend.submit_count, 0);
    end(meta);
    ck_assert_int_eq(told.status, KAFSCALE_INVALID);
}
END_TEST

START_TEST(a_request_after_the_close_began_is_refused_and_still_ends_before_it)
{
    struct ks_meta *meta = begin();
    struct told told = { 0 };
    bool is_closed = false;

    ks_meta_close(meta, on_closed, &is_closed);
    ks_meta_txn(meta, &txn, on_txn, &told);
    ck_assert_int_eq(told.count, 0);
    virtual_env_run_until_idle(&backend.v, 1000);
    ck_assert(is_closed);
    ck_assert_int_eq(told.status, KAFSCALE_STOPPED);
    ck_assert_int_eq(backend.submit_count, 0);
}
END_TEST

START_TEST(refusals_for_want_of_memory_are_told)
{
    struct ks_meta *meta = begin();
    struct told told = { 0 };

    ks_alloc_fail_after(0);
    for (int i = 0; i < 60; i++) {
        ks_meta_txn(meta, &txn, on_txn, &told);
    }
    virtual_env_run_until_idle(&backend.v, 1000);
    ks_alloc_fail_after(UINT64_MAX);
    ck_assert_int_eq(told.count, 60);
    ck_assert_int_eq(told.status, KAFSCALE_NO_MEMORY);
    ck_assert_int_eq(backend.submit_count, 0);
    end(meta);
}
END_TEST

Suite *
suite_new(void)
{
    Suite *suite = suite_create("meta wrapper");
    TCase *tcase = tcase_create("wrapper");

    tcase_add_test(tcase, completion_inside_the_call_is_failed_and_comes_later);
    tcase_add_test(tcase, second_completion_is_ignored);
    tcase_add_test(tcase, failure_without_text_gets_one);
    tcase_add_test(tcase, refused_request_does_not_reach_the_backend_and_ends_before_the_close);
    tcase_add_test(tcase, a_request_after_the_close_began_is_refused_and_still_ends_before_it);
    tcase_add_test(tcase, refusals_for_want_of_memory_are_told);
    suite_add_tcase(suite, tcase);
    return suite;
}
