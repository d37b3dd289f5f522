/* SPDX-License-Identifier: Apache-2.0 */
/* Two brokers on one installation; each test runs once for each factory. */
#include "contract/meta_contract.h"

#include <stdio.h>
#include <string.h>

static const struct meta_factory *factory_table;

struct fixture {
    struct virtual_env v;
    const struct meta_factory *factory;
    void *state;
    struct meta_client a;
    struct meta_client b;
};

static struct fixture fixture;

static struct fixture *
begin(int index)
{
    struct fixture *f = &fixture;

    virtual_env_init(&f->v, 7);
    f->factory = &factory_table[index];
    f->state = f->factory->start(&f->v);
    f->a = (struct meta_client){ .v = &f->v, .meta = f->factory->open(f->state) };
    f->b = (struct meta_client){ .v = &f->v, .meta = f->factory->open(f->state) };
    return f;
}

static void
end(struct fixture *f)
{
    meta_client_close(&f->a);
    meta_client_close(&f->b);
    virtual_env_run_until_idle(&f->v, META_CLIENT_LIMIT_MS);
    f->factory->stop(f->state);
}

START_TEST(absent_key_reads_as_nothing)
{
    struct fixture *f = begin(_i);
    struct meta_value value = meta_client_get(&f->a, "k", true);

    ck_assert_int_eq(value.status, KAFSCALE_OK);
    ck_assert_uint_eq(value.version, 0);
    ck_assert_uint_eq(value.revision, 0);
    end(f);
}
END_TEST

START_TEST(written_key_is_read_by_all_with_the_version_that_was_told)
{
    struct fixture *f = begin(_i);
    struct meta_result put = meta_client_put(&f->a, "k", "one");
    struct meta_value value = meta_client_get(&f->b, "k", true);

    ck_assert_int_eq(put.status, KAFSCALE_OK);
    ck_assert_uint_gt(put.revision, 0);
    ck_assert_str_eq(value.text, "one");
    ck_assert_uint_eq(value.version, put.revision);
    ck_assert_uint_eq(value.revision, put.revision);
    end(f);
}
END_TEST

START_TEST(stale_read_may_come_from_memory_and_is_never_wrong)
{
    struct fixture *f = begin(_i);
    struct meta_value stale;

    meta_client_put(&f->a, "k", "one");
    ck_assert_str_eq(meta_client_get(&f->b, "k", true).text, "one");
    meta_client_put(&f->a, "k", "two");
    stale = meta_client_get(&f->b, "k", false);

    ck_assert_int_eq(stale.status, KAFSCALE_OK);
    ck_assert(strcmp(stale.text, "one") == 0 || strcmp(stale.text, "two") == 0);
    ck_assert_str_eq(meta_client_get(&f->a, "k", false).text, "two");
    end(f);
}
END_TEST

START_TEST(range_gives_the_keys_of_a_prefix_in_order)
{
    struct fixture *f = begin(_i);
    char text[200];

    meta_client_put(&f->a, "part/2", "b");
    meta_client_put(&f->b, "part/1", "a");
    meta_client_put(&f->a, "part", "x");
    meta_client_put(&f->a, "pass", "y");

    ck_assert_uint_eq(meta_client_range(&f->b, "part/", true, text, sizeof text), 2);
    ck_assert_str_eq(text, "part/1=a part/2=b ");
    ck_assert_uint_eq(meta_client_range(&f->b, "", true, text, sizeof text), 4);
    ck_assert_uint_eq(meta_client_range(&f->b, "z", true, text, sizeof text), 0);
    end(f);
}
END_TEST

START_TEST(swap_succeeds_for_the_version_it_names_only)
{
    struct fixture *f = begin(_i);
    struct meta_result made = meta_client_swap(&f->a, "k", 0, "one");
    struct meta_result next;

    ck_assert_int_eq(made.status, KAFSCALE_OK);
    ck_assert_int_eq(meta_client_swap(&f->b, "k", 0, "lost").status, KAFSCALE_CONFLICT);
    next = meta_client_swap(&f->b, "k", made.revision, "two");
    ck_assert_int_eq(next.status, KAFSCALE_OK);
    ck_assert_uint_gt(next.revision, made.revision);
    ck_assert_int_eq(meta_client_swap(&f->a, "k", made.revision, "lost").status, KAFSCALE_CONFLICT);
    ck_assert_str_eq(meta_client_get(&f->a, "k", true).text, "two");
    end(f);
}
END_TEST

START_TEST(removed_key_is_absent_and_can_be_made_again)
{
    struct fixture *f = begin(_i);
    struct meta_result first = meta_client_put(&f->a, "k", "one");
    struct meta_result again;

    ck_assert_int_eq(meta_client_remove(&f->b, "k").status, KAFSCALE_OK);
    ck_assert_uint_eq(meta_client_get(&f->a, "k", true).version, 0);
    ck_assert_int_eq(meta_client_remove(&f->b, "k").status, KAFSCALE_OK);
    again = meta_client_swap(&f->a, "k", 0, "two");
    ck_assert_int_eq(again.status, KAFSCALE_OK);
    ck_assert_uint_gt(again.revision, first.revision);
    end(f);
}
END_TEST

START_TEST(compare_of_existence_takes_any_version)
{
    struct fixture *f = begin(_i);
    struct kafscale_meta_compare exists = { .key = "topic", .any_version = true };
    struct kafscale_meta_operation write = { .key = "part", .value = ks_slice_of_text("p") };
    struct kafscale_meta_txn txn = { &exists, 1, &write, 1 };

    ck_assert_int_eq(meta_client_txn(&f->a, &txn).status, KAFSCALE_CONFLICT);
    meta_client_put(&f->b, "topic", "t");
    ck_assert_int_eq(meta_client_txn(&f->a, &txn).status, KAFSCALE_OK);
    meta_client_remove(&f->b, "topic");
    ck_assert_int_eq(meta_client_txn(&f->a, &txn).status, KAFSCALE_CONFLICT);
    end(f);
}
END_TEST

START_TEST(all_operations_of_a_transaction_happen_or_none)
{
    struct fixture *f = begin(_i);
    struct meta_result one = meta_client_put(&f->a, "one", "1");
    struct kafscale_meta_compare compares[] = { { .key = "one", .version = one.revision },
                                                { .key = "two" } };
    struct kafscale_meta_operation operations[] = {
        { .key = "one", .is_delete = true },
        { .key = "two", .value = ks_slice_of_text("2") },
        { .key = "three", .value = ks_slice_of_text("3") },
    };
    struct kafscale_meta_txn txn = { compares, 2, operations, 3 };
    char text[200];

    ck_assert_int_eq(meta_client_txn(&f->b, &txn).status, KAFSCALE_OK);
    meta_client_range(&f->a, "", true, text, sizeof text);
    ck_assert_str_eq(text, "three=3 two=2 ");
    ck_assert_uint_eq(meta_client_get(&f->a, "two", true).version,
                      meta_client_get(&f->a, "three", true).version);
    ck_assert_int_eq(meta_client_txn(&f->b, &txn).status, KAFSCALE_CONFLICT);
    meta_client_range(&f->a, "", true, text, sizeof text);
    ck_assert_str_eq(text, "three=3 two=2 ");
    end(f);
}
END_TEST

START_TEST(transaction_without_operations_only_tells)
{
    struct fixture *f = begin(_i);
    struct kafscale_meta_compare compare = { .key = "k", .version = 0 };
    struct kafscale_meta_txn txn = { .compares = &compare, .compare_count = 1 };

    ck_assert_int_eq(meta_client_txn(&f->a, &txn).status, KAFSCALE_OK);
    meta_client_put(&f->b, "k", "one");
    ck_assert_int_eq(meta_client_txn(&f->a, &txn).status, KAFSCALE_CONFLICT);
    end(f);
}
END_TEST

struct many {
    int done_count;
    int ok_count;
    int conflict_count;
    uint64_t revisions[64];
};

struct many_call {
    struct many *many;
    int index;
};

static void
on_many(void *arg, enum kafscale_status status, uint64_t revision,
        const struct kafscale_error *error)
{
    struct many_call *call = arg;

    ck_assert_ptr_eq(error, status == KAFSCALE_OK ? NULL : error);
    call->many->revisions[call->index] = revision;
    call->many->done_count++;
    call->many->ok_count += status == KAFSCALE_OK;
    call->many->conflict_count += status == KAFSCALE_CONFLICT;
}

START_TEST(transactions_at_once_are_carried_out_in_order_with_versions_of_their_own)
{
    struct fixture *f = begin(_i);
    struct many many = { 0 };
    struct many_call calls[20];
    struct kafscale_meta_operation operations[20];
    struct kafscale_meta_txn txns[20];
    char texts[20][16];

    for (int i = 0; i < 20; i++) {
        snprintf(texts[i], sizeof texts[i], "%d", i);
        calls[i] = (struct many_call){ &many, i };
        operations[i] =
            (struct kafscale_meta_operation){ .key = "k", .value = ks_slice_of_text(texts[i]) };
        txns[i] = (struct kafscale_meta_txn){ .operations = &operations[i], .operation_count = 1 };
        ks_meta_txn(f->a.meta, &txns[i], on_many, &calls[i]);
    }
    ck_assert_int_eq(many.done_count, 0);
    virtual_env_run_until_idle(&f->v, META_CLIENT_LIMIT_MS);
    ck_assert_int_eq(many.ok_count, 20);
    for (int i = 1; i < 20; i++) {
        ck_assert_uint_gt(many.revisions[i], many.revisions[i - 1]);
    }
    ck_assert_str_eq(meta_client_get(&f->b, "k", true).text, "19");
    end(f);
}
END_TEST

START_TEST(of_swaps_at_once_exactly_one_wins)
{
    struct fixture *f = begin(_i);
    struct many many = { 0 };
    struct many_call calls[10];
    struct kafscale_meta_compare compare = { .key = "k" };
    struct kafscale_meta_operation operation = { .key = "k", .value = ks_slice_of_text("mine") };
    struct kafscale_meta_txn txn = { &compare, 1, &operation, 1 };

    for (int i = 0; i < 10; i++) {
        calls[i] = (struct many_call){ &many, i };
        ks_meta_txn(i % 2 == 0 ? f->a.meta : f->b.meta, &txn, on_many, &calls[i]);
    }
    virtual_env_run_until_idle(&f->v, META_CLIENT_LIMIT_MS);
    ck_assert_int_eq(many.ok_count, 1);
    ck_assert_int_eq(many.conflict_count, 9);
    end(f);
}
END_TEST

struct watched {
    char text[400];
    uint64_t revision;
};

static void
on_changed(void *arg, const struct kafscale_meta_entry *entry, bool is_delete)
{
    struct watched *watched = arg;
    size_t used = strlen(watched->text);

    ck_assert_uint_ge(entry->version, watched->revision);
    watched->revision = entry->version;
    snprintf(watched->text + used, sizeof watched->text - used, "%s%s ", is_delete ? "-" : "+",
             entry->key);
}

START_TEST(watcher_hears_own_and_foreign_changes_in_order)
{
    struct fixture *f = begin(_i);
    struct watched watched = { 0 };

    ks_meta_watch(f->b.meta, on_changed, &watched);
    meta_client_put(&f->a, "x", "1");
    meta_client_put(&f->b, "y", "2");
    meta_client_remove(&f->a, "x");
    meta_client_get(&f->b, "x", true);
    ck_assert_str_eq(watched.text, "+x +y -x ");
    ks_meta_watch(f->b.meta, NULL, NULL);
    meta_client_put(&f->b, "z", "3");
    ck_assert_str_eq(watched.text, "+x +y -x ");
    end(f);
}
END_TEST

START_TEST(many_changes_are_seen_by_a_broker_that_looks_late)
{
    struct fixture *f = begin(_i);
    char key[16];
    char text[800];

    meta_client_get(&f->b, "k", true);
    for (int i = 0; i < 40; i++) {
        snprintf(key, sizeof key, "key/%02d", i);
        ck_assert_int_eq(meta_client_put(&f->a, key, "v").status, KAFSCALE_OK);
    }
    ck_assert_uint_eq(meta_client_range(&f->b, "key/", true, text, sizeof text), 40);
    ck_assert_int_eq(meta_client_swap(&f->b, "key/00", 0, "w").status, KAFSCALE_CONFLICT);
    end(f);
}
END_TEST

START_TEST(what_was_committed_survives_a_restart)
{
    struct fixture *f = begin(_i);
    struct meta_result put = meta_client_put(&f->a, "k", "one");

    for (int i = 0; i < 9; i++) {
        meta_client_put(&f->a, "other", "v");
    }
    meta_client_close(&f->a);
    f->a.meta = f->factory->open(f->state);
    ck_assert_uint_eq(meta_client_get(&f->a, "k", false).version, put.revision);
    ck_assert_int_eq(meta_client_swap(&f->a, "k", put.revision, "two").status, KAFSCALE_OK);
    end(f);
}
END_TEST

static void
on_status(void *arg, enum kafscale_status status, uint64_t revision,
          const struct kafscale_error *error)
{
    (void) revision;
    (void) error;
    *(enum kafscale_status *) arg = status;
}

START_TEST(close_ends_what_waits)
{
    struct fixture *f = begin(_i);
    struct kafscale_meta_operation operation = { .key = "k", .value = ks_slice_of_text("v") };
    struct kafscale_meta_txn txn = { .operations = &operation, .operation_count = 1 };
    enum kafscale_status status = KAFSCALE_CORRUPT;

    ks_meta_txn(f->a.meta, &txn, on_status, &status);
    meta_client_close(&f->a);
    ck_assert_int_eq(status, KAFSCALE_STOPPED);
    f->a.meta = f->factory->open(f->state);
    end(f);
}
END_TEST

START_TEST(requests_against_the_rules_are_refused)
{
    struct fixture *f = begin(_i);
    static uint8_t large[KAFSCALE_META_VALUE_BYTES_MAX + 1];
    char long_key[KAFSCALE_META_KEY_BYTES_MAX + 2];
    struct kafscale_meta_operation operation = { .key = "k", .value = { large, sizeof large } };
    struct kafscale_meta_txn txn = { .operations = &operation, .operation_count = 1 };
    struct kafscale_meta_operation many[5];
    struct kafscale_meta_txn too_many = { .operations = many, .operation_count = 5 };
    bool is_limited = ks_meta_operations_max(f->a.meta) == 4;

    memset(long_key, 'k', sizeof long_key - 1);
    long_key[sizeof long_key - 1] = '\0';
    for (int i = 0; i < 5; i++) {
        many[i] = (struct kafscale_meta_operation){ .key = "m", .value = ks_slice_of_text("v") };
    }
    ck_assert_int_eq(meta_client_txn(&f->a, &txn).status, KAFSCALE_TOO_LARGE);
    ck_assert_int_eq(meta_client_put(&f->a, "", "v").status, KAFSCALE_INVALID);
    ck_assert_int_eq(meta_client_put(&f->a, "a\tb", "v").status, KAFSCALE_INVALID);
    ck_assert_int_eq(meta_client_put(&f->a, long_key, "v").status, KAFSCALE_INVALID);
    ck_assert_int_eq(meta_client_get(&f->a, long_key, true).status, KAFSCALE_INVALID);
    ck_assert_int_eq(meta_client_txn(&f->a, &too_many).status,
                     is_limited ? KAFSCALE_INVALID : KAFSCALE_OK);
    end(f);
}
END_TEST

START_TEST(largest_key_and_value_are_kept_whole)
{
    struct fixture *f = begin(_i);
    static uint8_t large[KAFSCALE_META_VALUE_BYTES_MAX];
    char long_key[KAFSCALE_META_KEY_BYTES_MAX + 1];
    struct kafscale_meta_operation operation = { .key = long_key,
                                                 .value = { large, sizeof large } };
    struct kafscale_meta_txn txn = { .operations = &operation, .operation_count = 1 };
    struct meta_result result;

    memset(long_key, 'k', sizeof long_key - 1);
    long_key[sizeof long_key - 1] = '\0';
    memset(large, 'v', sizeof large);
    result = meta_client_txn(&f->a, &txn);
    ck_assert_int_eq(result.status, KAFSCALE_OK);
    ck_assert_uint_eq(meta_client_get(&f->b, long_key, true).version, result.revision);
    end(f);
}
END_TEST

START_TEST(no_memory_at_any_allocation_changes_nothing_that_is_told)
{
    struct fixture *f = begin(_i);

    meta_client_put(&f->a, "k", "0");
    for (uint64_t k = 0; k < 40; k++) {
        struct meta_value before = meta_client_get(&f->b, "k", true);
        struct meta_value after;
        struct meta_result result;
        char text[16];

        snprintf(text, sizeof text, "%d", (int) k + 1);
        ks_alloc_fail_after(k);
        result = meta_client_swap(&f->a, "k", before.version, text);
        ks_alloc_fail_after(UINT64_MAX);
        after = meta_client_get(&f->b, "k", true);
        ck_assert_int_eq(after.status, KAFSCALE_OK);
        if (result.status == KAFSCALE_OK) {
            ck_assert_str_eq(after.text, text);
        } else if (result.status != KAFSCALE_UNKNOWN) {
            /* One that was unknown before may have acted meanwhile; this one must not. */
            ck_assert_str_ne(after.text, text);
        }
    }
    end(f);
}
END_TEST

void
meta_contract_add(Suite *suite, const struct meta_factory *factories, int count)
{
    const TTest *const tests[] = {
        absent_key_reads_as_nothing,
        written_key_is_read_by_all_with_the_version_that_was_told,
        stale_read_may_come_from_memory_and_is_never_wrong,
        range_gives_the_keys_of_a_prefix_in_order,
        swap_succeeds_for_the_version_it_names_only,
        removed_key_is_absent_and_can_be_made_again,
        compare_of_existence_takes_any_version,
        all_operations_of_a_transaction_happen_or_none,
        transaction_without_operations_only_tells,
        transactions_at_once_are_carried_out_in_order_with_versions_of_their_own,
        of_swaps_at_once_exactly_one_wins,
        watcher_hears_own_and_foreign_changes_in_order,
        many_changes_are_seen_by_a_broker_that_looks_late,
        what_was_committed_survives_a_restart,
        close_ends_what_waits,
        requests_against_the_rules_are_refused,
        largest_key_and_value_are_kept_whole,
        no_memory_at_any_allocation_changes_nothing_that_is_told,
    };
    TCase *tcase = tcase_create("contract");

    factory_table = factories;
    tcase_set_timeout(tcase, 60);
    for (size_t i = 0; i < sizeof tests / sizeof tests[0]; i++) {
        tcase_add_loop_test(tcase, tests[i], 0, count);
    }
    suite_add_tcase(suite, tcase);
}
