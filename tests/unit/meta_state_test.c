/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Applying entries: compares in order, versions of their own, outcomes of writers, all or
 * nothing.
 */
#include "meta/state.h"
#include "support/main.h"

#include <stdio.h>
#include <stdlib.h>

struct one {
    struct kafscale_meta_compare compare;
    struct kafscale_meta_operation operation;
};

static struct kafscale_meta_txn
put_txn(struct one *one, const char *key, const char *value)
{
    one->operation = (struct kafscale_meta_operation){
        .key = key,
        .value = ks_slice_of_text(value),
    };
    return (struct kafscale_meta_txn){ .operations = &one->operation, .operation_count = 1 };
}

static struct kafscale_meta_txn
swap_txn(struct one *one, const char *key, uint64_t version, const char *value)
{
    struct kafscale_meta_txn txn = put_txn(one, key, value);

    one->compare = (struct kafscale_meta_compare){ .key = key, .version = version };
    txn.compares = &one->compare;
    txn.compare_count = 1;
    return txn;
}

static struct kafscale_meta_txn
remove_txn(struct one *one, const char *key)
{
    one->operation = (struct kafscale_meta_operation){ .key = key, .is_delete = true };
    return (struct kafscale_meta_txn){ .operations = &one->operation, .operation_count = 1 };
}

static struct ks_id
id_of(unsigned number)
{
    struct ks_id id = { .bytes = { (uint8_t) (number >> 8), (uint8_t) number, 1 } };

    return id;
}

static struct ks_meta_writer
apply(struct ks_meta_state *state, unsigned writer, struct kafscale_meta_txn *txns, size_t count)
{
    struct ks_meta_batch batch = {
        .seq = state->seq + 1,
        .writer = id_of(writer),
        .number = 7,
        .txns = txns,
        .txn_count = count,
    };
    struct ks_meta_writer record = { 0 };

    ck_assert_int_eq(ks_meta_state_apply(state, &batch, NULL, NULL, &record), KAFSCALE_OK);
    return record;
}

START_TEST(transactions_of_an_entry_see_what_those_before_them_left)
{
    struct ks_meta_state state = { 0 };
    struct one ones[3];
    struct kafscale_meta_txn txns[] = {
        swap_txn(&ones[0], "k", 0, "first"),
        swap_txn(&ones[1], "k", 0, "lost"),
        swap_txn(&ones[2], "k", 1, "second"),
    };
    struct ks_meta_writer record = apply(&state, 1, txns, 3);
    uint64_t revision = 0;

    ck_assert(ks_meta_writer_outcome(&record, 0, &revision));
    ck_assert_uint_eq(revision, 1);
    ck_assert(!ks_meta_writer_outcome(&record, 1, &revision));
    ck_assert(ks_meta_writer_outcome(&record, 2, &revision));
    ck_assert_uint_eq(revision, 2);
    ck_assert_uint_eq(ks_meta_state_find(&state, "k")->version, 2);
    ck_assert_uint_eq(state.revision, 2);
    ck_assert_uint_eq(state.seq, 1);
    ks_meta_state_deinit(&state);
}
END_TEST

START_TEST(any_order_of_writes_leaves_keys_in_order)
{
    struct ks_meta_state state = { 0 };
    size_t bytes = 0;

    for (unsigned i = 0; i < 500; i++) {
        char key[16];
        struct one one;
        struct kafscale_meta_txn txn;

        snprintf(key, sizeof key, "k%03u", i * 7919 % 500);
        txn = put_txn(&one, key, "v");
        apply(&state, 1, &txn, 1);
        bytes += strlen(key) + 1;
    }
    ck_assert_uint_eq(state.item_count, 500);
    ck_assert_uint_eq(state.bytes, bytes);
    for (size_t i = 1; i < state.item_count; i++) {
        ck_assert_int_lt(strcmp(state.items[i - 1]->key, state.items[i]->key), 0);
    }
    ck_assert_uint_eq(ks_meta_state_lower_bound(&state, "k1"), 100);
    ck_assert_ptr_null(ks_meta_state_find(&state, "k1"));
    ks_meta_state_deinit(&state);
}
END_TEST

START_TEST(bytes_are_counted_through_overwriting_and_removal)
{
    struct ks_meta_state state = { 0 };
    struct one one;
    struct kafscale_meta_txn txn = put_txn(&one, "key", "long value");

    apply(&state, 1, &txn, 1);
    ck_assert_uint_eq(state.bytes, 13);
    txn = put_txn(&one, "key", "v");
    apply(&state, 1, &txn, 1);
    ck_assert_uint_eq(state.bytes, 4);
    txn = remove_txn(&one, "key");
    apply(&state, 1, &txn, 1);
    ck_assert_uint_eq(state.bytes, 0);
    ck_assert_uint_eq(state.item_count, 0);
    ks_meta_state_deinit(&state);
}
END_TEST

START_TEST(removing_its_register_removes_a_writer_and_tells_it_still)
{
    struct ks_meta_state state = { 0 };
    struct ks_id id = id_of(1);
    char key[4 + KS_ID_HEX_BYTES] = "inc/";
    struct one one;
    struct kafscale_meta_txn txn;
    struct ks_meta_writer record;
    uint64_t revision = 0;

    ks_id_to_hex(&id, key + 4);
    txn = put_txn(&one, key, "v");
    apply(&state, 1, &txn, 1);
    ck_assert_ptr_nonnull(ks_meta_state_find_writer(&state, &id));
    txn = remove_txn(&one, key);
    record = apply(&state, 1, &txn, 1);
    ck_assert(ks_meta_writer_outcome(&record, 0, &revision));
    ck_assert_ptr_null(ks_meta_state_find_writer(&state, &id));
    ck_assert_uint_eq(state.forgotten, 1);
    ks_meta_state_deinit(&state);
}
END_TEST

START_TEST(oldest_writer_without_register_is_forgotten_first)
{
    struct ks_meta_state state = { 0 };
    struct ks_id first = id_of(1);
    struct ks_id second = id_of(2);
    char key[4 + KS_ID_HEX_BYTES] = "inc/";
    struct one one;
    struct kafscale_meta_txn txn;

    ks_id_to_hex(&first, key + 4);
    txn = put_txn(&one, key, "v");
    apply(&state, 1, &txn, 1);
    txn = put_txn(&one, "k", "v");
    for (unsigned writer = 2; writer <= KS_META_WRITERS_MAX + 1; writer++) {
        apply(&state, writer, &txn, 1);
    }
    ck_assert_ptr_nonnull(ks_meta_state_find_writer(&state, &first));
    ck_assert_ptr_null(ks_meta_state_find_writer(&state, &second));
    ck_assert_uint_eq(state.writer_count, KS_META_WRITERS_MAX);
    ck_assert_uint_eq(state.forgotten, 1);
    ks_meta_state_deinit(&state);
}
END_TEST

START_TEST(entry_without_memory_changes_nothing)
{
    for (uint64_t k = 0;; k++) {
        struct ks_meta_state state = { 0 };
        struct one ones[3];
        struct kafscale_meta_txn first = put_txn(&ones[0], "b", "1");
        struct kafscale_meta_txn txns[] = {
            put_txn(&ones[1], "a", "2"),
            put_txn(&ones[2], "b", "3"),
        };
        struct ks_meta_batch batch = { .seq = 2, .writer = id_of(2), .txns = txns, .txn_count = 2 };
        struct ks_meta_writer record;
        enum kafscale_status status;

        apply(&state, 1, &first, 1);
        ks_alloc_fail_after(k);
        status = ks_meta_state_apply(&state, &batch, NULL, NULL, &record);
        ks_alloc_fail_after(UINT64_MAX);
        ck_assert_uint_eq(state.item_count, status == KAFSCALE_OK ? 2 : 1);
        ck_assert_uint_eq(state.writer_count, status == KAFSCALE_OK ? 2 : 1);
        ck_assert_uint_eq(state.revision, status == KAFSCALE_OK ? 3 : 1);
        ks_meta_state_deinit(&state);
        if (status == KAFSCALE_OK) {
            ck_assert_uint_gt(k, 1);
            return;
        }
        ck_assert_int_eq(status, KAFSCALE_NO_MEMORY);
    }
}
END_TEST

static void
on_changed(void *arg, const struct kafscale_meta_entry *entry, bool is_delete)
{
    char *text = arg;

    sprintf(text + strlen(text), "%s%s@%u ", is_delete ? "-" : "+", entry->key,
            (unsigned) entry->version);
}

START_TEST(difference_of_states_is_told_in_order_of_revision)
{
    struct ks_meta_state older = { 0 };
    struct ks_meta_state newer = { 0 };
    struct one one;
    struct kafscale_meta_txn txn = put_txn(&one, "gone", "1");
    char text[200] = "";

    apply(&older, 1, &txn, 1);
    apply(&newer, 1, &txn, 1);
    txn = put_txn(&one, "same", "1");
    apply(&older, 1, &txn, 1);
    apply(&newer, 1, &txn, 1);
    txn = put_txn(&one, "z", "1");
    apply(&newer, 1, &txn, 1);
    txn = remove_txn(&one, "gone");
    apply(&newer, 1, &txn, 1);
    txn = put_txn(&one, "a", "1");
    apply(&newer, 1, &txn, 1);
    ck_assert_int_eq(ks_meta_state_compare(&older, &newer, on_changed, text), KAFSCALE_OK);
    ck_assert_str_eq(text, "+z@3 +a@5 -gone@5 ");
    ks_meta_state_deinit(&older);
    ks_meta_state_deinit(&newer);
}
END_TEST

Suite *
suite_new(void)
{
    Suite *suite = suite_create("meta state");
    TCase *tcase = tcase_create("state");

    tcase_add_test(tcase, transactions_of_an_entry_see_what_those_before_them_left);
    tcase_add_test(tcase, any_order_of_writes_leaves_keys_in_order);
    tcase_add_test(tcase, bytes_are_counted_through_overwriting_and_removal);
    tcase_add_test(tcase, removing_its_register_removes_a_writer_and_tells_it_still);
    tcase_add_test(tcase, oldest_writer_without_register_is_forgotten_first);
    tcase_add_test(tcase, entry_without_memory_changes_nothing);
    tcase_add_test(tcase, difference_of_states_is_told_in_order_of_revision);
    suite_add_tcase(suite, tcase);
    return suite;
}
