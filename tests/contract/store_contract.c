/* SPDX-License-Identifier: Apache-2.0 */
/* The tests loop over the factories; Check hands them the index as `_i`. */
#include "contract/store_contract.h"

#include <stdio.h>
#include <stdlib.h>

#define RACERS 32
#define PAGE_KEYS 57

static const struct store_factory *factory_table;

struct fixture {
    const struct store_factory *factory;
    struct store_client client;
    void *state;
};

static struct fixture
fixture_new(int index)
{
    struct fixture f = { .factory = &factory_table[index] };

    f.state = f.factory->start(&f.client);
    return f;
}

static void
fixture_free(struct fixture *f)
{
    ck_assert(store_client_close(&f->client));
    f->factory->stop(f->state);
}

static void
expect_range(struct fixture *f, const char *key, uint64_t position, size_t size_max,
             const char *text, uint64_t object_bytes)
{
    char *found;
    uint64_t found_bytes;

    ck_assert_int_eq(store_client_get(&f->client, key, position, size_max, &found, &found_bytes),
                     KAFSCALE_OK);
    ck_assert_str_eq(found, text);
    ck_assert_uint_eq(found_bytes, object_bytes);
    free(found);
}

static void
expect_absent(struct fixture *f, const char *key)
{
    char *found;

    ck_assert_int_eq(store_client_get(&f->client, key, 0, SIZE_MAX, &found, NULL),
                     KAFSCALE_NOT_FOUND);
    ck_assert_ptr_null(found);
}

static void
expect_list(struct fixture *f, const char *prefix, const char *start_after, size_t count_max,
            const char *keys)
{
    char *found;

    ck_assert_int_eq(store_client_list(&f->client, prefix, start_after, count_max, &found),
                     KAFSCALE_OK);
    ck_assert_str_eq(found, keys);
    free(found);
}

/* Under a key that is free. */
static void
put_new(struct fixture *f, const char *key, const char *text)
{
    enum kafscale_status status = store_client_put_if_absent(&f->client, key, text);

    if (status == KAFSCALE_EXISTS && f->factory->sends_twice) {
        ck_assert(store_client_has(&f->client, key, text));
        return;
    }
    ck_assert_int_eq(status, KAFSCALE_OK);
}

static void
fill(struct fixture *f, const char *const *keys)
{
    for (; *keys != NULL; keys++) {
        put_new(f, *keys, *keys);
    }
}

START_TEST(object_is_read_back_whole_and_in_ranges)
{
    struct fixture f = fixture_new(_i);

    put_new(&f, "ns/a", "0123456789");
    expect_range(&f, "ns/a", 0, SIZE_MAX, "0123456789", 10);
    expect_range(&f, "ns/a", 3, 4, "3456", 10);
    expect_range(&f, "ns/a", 4, 1, "4", 10);
    expect_range(&f, "ns/a", 9, 1, "9", 10);
    fixture_free(&f);
}
END_TEST

START_TEST(range_beyond_the_end_is_cut_short)
{
    struct fixture f = fixture_new(_i);

    put_new(&f, "ns/a", "0123456789");
    expect_range(&f, "ns/a", 8, 100, "89", 10);
    expect_range(&f, "ns/a", 10, 5, "", 10);
    expect_range(&f, "ns/a", 1000, SIZE_MAX, "", 10);
    fixture_free(&f);
}
END_TEST

START_TEST(empty_object_exists)
{
    struct fixture f = fixture_new(_i);

    put_new(&f, "empty", "");
    expect_range(&f, "empty", 0, SIZE_MAX, "", 0);
    ck_assert_int_eq(store_client_put_if_absent(&f.client, "empty", "x"), KAFSCALE_EXISTS);
    fixture_free(&f);
}
END_TEST

START_TEST(absent_key_is_not_found)
{
    struct fixture f = fixture_new(_i);

    put_new(&f, "ns/a", "1");
    expect_absent(&f, "ns/b");
    expect_absent(&f, "other/b");
    expect_absent(&f, "ns");
    expect_absent(&f, "ns/a/below");
    fixture_free(&f);
}
END_TEST

START_TEST(second_put_if_absent_changes_nothing)
{
    struct fixture f = fixture_new(_i);

    put_new(&f, "k", "first");
    ck_assert_int_eq(store_client_put_if_absent(&f.client, "k", "second"), KAFSCALE_EXISTS);
    expect_range(&f, "k", 0, SIZE_MAX, "first", 5);
    fixture_free(&f);
}
END_TEST

START_TEST(unconditional_put_replaces)
{
    struct fixture f = fixture_new(_i);

    ck_assert_int_eq(store_client_put(&f.client, "d/k", "first"), KAFSCALE_OK);
    ck_assert_int_eq(store_client_put(&f.client, "d/k", "2nd"), KAFSCALE_OK);
    expect_range(&f, "d/k", 0, SIZE_MAX, "2nd", 3);
    expect_list(&f, "", NULL, 10, "d/k ");
    fixture_free(&f);
}
END_TEST

START_TEST(removed_object_is_gone_and_its_key_free)
{
    struct fixture f = fixture_new(_i);

    put_new(&f, "d/k", "1");
    ck_assert_int_eq(store_client_remove(&f.client, "d/k"), KAFSCALE_OK);
    expect_absent(&f, "d/k");
    expect_list(&f, "", NULL, 10, "");
    put_new(&f, "d/k", "2");
    expect_range(&f, "d/k", 0, SIZE_MAX, "2", 1);
    fixture_free(&f);
}
END_TEST

START_TEST(removing_what_is_not_there_is_ok)
{
    struct fixture f = fixture_new(_i);

    ck_assert_int_eq(store_client_remove(&f.client, "nothing"), KAFSCALE_OK);
    ck_assert_int_eq(store_client_remove(&f.client, "no/where/nothing"), KAFSCALE_OK);
    fixture_free(&f);
}
END_TEST

/* '-' and '.' come before '/', so an order by directory would be wrong here. */
START_TEST(list_is_in_byte_order_of_whole_keys)
{
    static const char *const keys[] = {
        "a/z", "a-b", "a.b", "a0", "a/b/c", "b", "A", "a/b0", NULL
    };
    struct fixture f = fixture_new(_i);

    fill(&f, keys);
    expect_list(&f, "", NULL, 100, "A a-b a.b a/b/c a/b0 a/z a0 b ");
    fixture_free(&f);
}
END_TEST

START_TEST(list_keeps_to_its_prefix)
{
    static const char *const keys[] = { "wal/1/a", "wal/1/b", "wal/10/a", "wal/2/a", "wa", NULL };
    struct fixture f = fixture_new(_i);

    fill(&f, keys);
    expect_list(&f, "wal/1/", NULL, 100, "wal/1/a wal/1/b ");
    expect_list(&f, "wal/1", NULL, 100, "wal/1/a wal/1/b wal/10/a ");
    expect_list(&f, "wal/1/b", NULL, 100, "wal/1/b ");
    expect_list(&f, "nothing/", NULL, 100, "");
    expect_list(&f, "wal/1/a/", NULL, 100, "");
    fixture_free(&f);
}
END_TEST

START_TEST(list_goes_on_after_a_key)
{
    static const char *const keys[] = { "p/a", "p/b/1", "p/b/2", "p/c", NULL };
    struct fixture f = fixture_new(_i);

    fill(&f, keys);
    expect_list(&f, "p/", "p/a", 100, "p/b/1 p/b/2 p/c ");
    expect_list(&f, "p/", "p/b/1", 100, "p/b/2 p/c ");
    expect_list(&f, "p/", "p/b", 100, "p/b/1 p/b/2 p/c ");
    expect_list(&f, "p/", "p/b/zzz", 100, "p/c ");
    expect_list(&f, "p/", "a", 100, "p/a p/b/1 p/b/2 p/c ");
    expect_list(&f, "p/", "q", 100, "");
    fixture_free(&f);
}
END_TEST

START_TEST(list_says_when_there_is_more)
{
    static const char *const keys[] = { "p/a", "p/b/1", "p/c", NULL };
    struct fixture f = fixture_new(_i);

    fill(&f, keys);
    expect_list(&f, "p/", NULL, 1, "p/a ...");
    expect_list(&f, "p/", NULL, 2, "p/a p/b/1 ...");
    expect_list(&f, "p/", NULL, 3, "p/a p/b/1 p/c ");
    expect_list(&f, "p/", "p/a", 2, "p/b/1 p/c ");
    fixture_free(&f);
}
END_TEST

static void
on_page(void *arg, enum kafscale_status status, const struct kafscale_list_entry *entries,
        size_t entry_count, bool is_truncated, const struct kafscale_error *error)
{
    (void) status;
    (void) error;
    (void) is_truncated;
    *(uint64_t *) arg = entry_count > 0 ? entries[0].object_bytes : 0;
}

static void
note_done(void *arg, enum kafscale_status status, const struct kafscale_error *error)
{
    (void) status;
    (void) error;
    *(bool *) arg = true;
}

START_TEST(list_tells_the_size_of_objects)
{
    struct fixture f = fixture_new(_i);
    struct kafscale_list list = { .prefix = "", .count_max = 1 };
    struct kafscale_remove remove = { .key = "other" };
    uint64_t size = 0;
    bool done = false;

    put_new(&f, "k", "12345");
    ks_store_list(f.client.store, &list, on_page, &size);
    while (ks_store_counters(f.client.store)->in_flight > 0) {
        done = false;
        ks_store_remove(f.client.store, &remove, note_done, &done);
        f.client.run(f.client.run_arg, &done);
    }
    ck_assert_uint_eq(size, 5);
    fixture_free(&f);
}
END_TEST

START_TEST(pages_of_a_list_join_without_gap_or_repeat)
{
    struct fixture f = fixture_new(_i);
    char last[32] = "";
    size_t seen = 0;
    bool more = true;

    for (int i = 0; i < PAGE_KEYS; i++) {
        char key[32];

        (void) snprintf(key, sizeof key, "p/%d/%03d", i % 5, i);
        put_new(&f, key, key);
    }
    while (more) {
        char *found;
        char *end;

        ck_assert_int_eq(store_client_list(&f.client, "p/", last, 10, &found), KAFSCALE_OK);
        more = strstr(found, "...") != NULL;
        for (char *key = found; (end = strchr(key, ' ')) != NULL; key = end + 1) {
            *end = '\0';
            ck_assert_int_gt(strcmp(key, last), 0);
            (void) snprintf(last, sizeof last, "%s", key);
            seen++;
        }
        free(found);
    }
    ck_assert_uint_eq(seen, PAGE_KEYS);
    fixture_free(&f);
}
END_TEST

/* One of the racing puts of one key. */
struct racer {
    struct fixture *f;
    size_t *finished;
    bool *all_done;
    enum kafscale_status status;
    char text[24];
    struct kafscale_part part;
    struct kafscale_put put;
};

static void
on_raced(void *arg, enum kafscale_status status, const struct kafscale_error *error)
{
    struct racer *racer = arg;

    ck_assert(status == KAFSCALE_OK || error != NULL);
    racer->status = status;
    *racer->all_done = ++*racer->finished == RACERS;
}

START_TEST(concurrent_put_if_absent_has_one_winner)
{
    struct fixture f = fixture_new(_i);
    struct racer racers[RACERS] = { 0 };
    size_t finished = 0;
    size_t winners = 0;
    size_t stored = 0;
    bool all_done = false;

    for (int i = 0; i < RACERS; i++) {
        struct racer *racer = &racers[i];

        (void) snprintf(racer->text, sizeof racer->text, "racer %d", i);
        racer->finished = &finished;
        racer->all_done = &all_done;
        racer->part.bytes = ks_slice_of_text(racer->text);
        racer->put = (struct kafscale_put){
            .key = "race/k", .parts = &racer->part, .part_count = 1, .if_absent = true
        };
        ks_store_put(f.client.store, &racer->put, on_raced, racer);
        ck_assert_uint_eq(finished, 0);
    }
    f.client.run(f.client.run_arg, &all_done);
    ck_assert(all_done);
    for (int i = 0; i < RACERS; i++) {
        bool is_stored = store_client_has(&f.client, "race/k", racers[i].text);

        stored += is_stored;
        winners += racers[i].status == KAFSCALE_OK;
        ck_assert(racers[i].status == KAFSCALE_EXISTS ||
                  (racers[i].status == KAFSCALE_OK && is_stored));
    }
    ck_assert_uint_eq(stored, 1);
    ck_assert(winners == 1 || (winners == 0 && f.factory->sends_twice));
    fixture_free(&f);
}
END_TEST

/*
 * Many small slices of one blob, as a write-ahead object has them, beside bytes without an
 * owner.
 */
START_TEST(object_of_many_parts_keeps_their_order)
{
    struct fixture f = fixture_new(_i);
    struct kafscale_blob *blob = kafscale_blob_new(1000);
    struct kafscale_part parts[201];
    struct kafscale_put put = { .key = "many", .parts = parts, .part_count = 201 };
    char expected[1002] = "x";
    bool done = false;

    for (size_t i = 0; i < 1000; i++) {
        kafscale_blob_data(blob)[i] = (uint8_t) ('a' + i % 26);
        expected[i + 1] = (char) ('a' + i % 26);
    }
    parts[0] = (struct kafscale_part){ .bytes = ks_slice("x", 1) };
    for (size_t i = 0; i < 200; i++) {
        parts[i + 1] =
            (struct kafscale_part){ .bytes = ks_slice(kafscale_blob_data(blob) + 5 * i, 5),
                                    .owner = blob };
    }
    ks_store_put(f.client.store, &put, note_done, &done);
    f.client.run(f.client.run_arg, &done);
    kafscale_blob_unref(blob);
    expect_range(&f, "many", 0, SIZE_MAX, expected, 1001);
    expect_range(&f, "many", 499, 4, "efgh", 1001);
    fixture_free(&f);
}
END_TEST

START_TEST(longest_key_and_odd_characters_are_kept)
{
    struct fixture f = fixture_new(_i);
    const char *odd = f.factory->lacks_spaces ? "%41_b/~@\\*?\"'&<+" : "%41 b/~@\\*?\"'&<+";
    char listed[32];
    char key[KAFSCALE_STORE_KEY_BYTES_MAX + 1] = { 0 };

    for (size_t i = 0; i < KAFSCALE_STORE_KEY_BYTES_MAX; i++) {
        key[i] = i % 100 == 99 && i + 1 < KAFSCALE_STORE_KEY_BYTES_MAX ? '/' : 'k';
    }
    put_new(&f, key, "long");
    ck_assert(store_client_has(&f.client, key, "long"));
    put_new(&f, odd, "odd");
    ck_assert(store_client_has(&f.client, odd, "odd"));
    (void) snprintf(listed, sizeof listed, "%s ", odd);
    expect_list(&f, "%", NULL, 10, listed);
    expect_absent(&f, f.factory->lacks_spaces ? "A_b/~@\\*?\"'&<+" : "A b/~@\\*?\"'&<+");
    fixture_free(&f);
}
END_TEST

void
store_contract_add(Suite *suite, const struct store_factory *factories, int count)
{
    TCase *contract = tcase_create("contract");

    factory_table = factories;
    tcase_set_timeout(contract, 60);
    tcase_add_loop_test(contract, object_is_read_back_whole_and_in_ranges, 0, count);
    tcase_add_loop_test(contract, range_beyond_the_end_is_cut_short, 0, count);
    tcase_add_loop_test(contract, empty_object_exists, 0, count);
    tcase_add_loop_test(contract, absent_key_is_not_found, 0, count);
    tcase_add_loop_test(contract, second_put_if_absent_changes_nothing, 0, count);
    tcase_add_loop_test(contract, unconditional_put_replaces, 0, count);
    tcase_add_loop_test(contract, removed_object_is_gone_and_its_key_free, 0, count);
    tcase_add_loop_test(contract, removing_what_is_not_there_is_ok, 0, count);
    tcase_add_loop_test(contract, list_is_in_byte_order_of_whole_keys, 0, count);
    tcase_add_loop_test(contract, list_keeps_to_its_prefix, 0, count);
    tcase_add_loop_test(contract, list_goes_on_after_a_key, 0, count);
    tcase_add_loop_test(contract, list_says_when_there_is_more, 0, count);
    tcase_add_loop_test(contract, list_tells_the_size_of_objects, 0, count);
    tcase_add_loop_test(contract, pages_of_a_list_join_without_gap_or_repeat, 0, count);
    tcase_add_loop_test(contract, concurrent_put_if_absent_has_one_winner, 0, count);
    tcase_add_loop_test(contract, object_of_many_parts_keeps_their_order, 0, count);
    tcase_add_loop_test(contract, longest_key_and_odd_characters_are_kept, 0, count);
    suite_add_tcase(suite, contract);
}
