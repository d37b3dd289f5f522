/* SPDX-License-Identifier: Apache-2.0 */
/* The places of a partition while their front goes, and what is asked of them meanwhile. */
#include "log/partition.h"
#include "support/main.h"

#include <stdlib.h>

#define BATCH_BYTES 100

struct fixture {
    struct ks_partition *partition;
    struct ks_list cache;
};

static struct fixture *
fixture_new(void)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct ks_partition_name name = { .index = 3 };
    struct ks_log_options options = { .producers_max = 10, .producer_expiration_ms = 1000 };

    ck_assert_ptr_nonnull(f);
    ks_list_init(&f->cache);
    f->partition = ks_partition_new(&name, "t", "t", &options, 1);
    ck_assert_ptr_nonnull(f->partition);
    return f;
}

static void
fixture_free(struct fixture *f)
{
    ks_partition_free(f->partition);
    free(f);
}

/* Committed at once, two records each. */
static size_t
add_batch(struct fixture *f, int32_t epoch, int64_t timestamp_ms)
{
    struct ks_wal_entry entry = { .base_offset = f->partition->end_offset,
                                  .last_offset = f->partition->end_offset + 1,
                                  .producer_id = -1,
                                  .max_timestamp_ms = timestamp_ms,
                                  .size_bytes = BATCH_BYTES };

    ck_assert_int_eq(
        ks_partition_add_place(f->partition, &entry, &(struct ks_place){ .leader_epoch = epoch }),
        KAFSCALE_OK);
    f->partition->high_watermark = f->partition->end_offset;
    return f->partition->place_end - 1;
}

static void
add_batches(struct fixture *f, int count)
{
    for (int i = 0; i < count; i++) {
        (void) add_batch(f, 1, 1000 + i);
    }
}

static void
cache(struct fixture *f, size_t index)
{
    struct ks_cached_batch *cached = ks_alloc_zero(1, sizeof *cached);

    ck_assert_ptr_nonnull(cached);
    cached->partition = f->partition;
    cached->owner = kafscale_blob_new(BATCH_BYTES);
    cached->index = index;
    ks_list_append(&f->cache, &cached->link);
    ks_partition_place(f->partition, index)->cached = cached;
}

static void
uncache_first(struct fixture *f)
{
    struct ks_cached_batch *cached =
        KS_CONTAINER(ks_list_take_first(&f->cache), struct ks_cached_batch, link);

    ks_partition_place(f->partition, cached->index)->cached = NULL;
    kafscale_blob_unref(cached->owner);
    ks_free(cached);
    ks_partition_trim_places(f->partition);
}

/* Whatever was dropped, a place keeps its index and its answers. */
START_TEST(indexes_stay_when_the_front_goes)
{
    struct fixture *f = fixture_new();

    add_batches(f, 1000);
    for (int64_t below = 0; below <= 2000; below += 14) {
        ks_partition_drop_places(f->partition, below);
        ck_assert_uint_eq(f->partition->place_base, (size_t) below / 2);
        ck_assert_uint_eq(f->partition->place_end, 1000);
        ck_assert_int_eq(ks_partition_placed_from(f->partition), below);
        for (size_t i = f->partition->place_base; i < 1000; i += 97) {
            ck_assert_int_eq(ks_partition_place(f->partition, i)->base_offset, (int64_t) i * 2);
            ck_assert_uint_eq(ks_partition_find_place(f->partition, (int64_t) i * 2 + 1), i);
        }
        ck_assert_uint_eq(ks_partition_find_place(f->partition, 0), f->partition->place_base);
    }
    fixture_free(f);
}
END_TEST

START_TEST(all_may_go_and_more_may_come)
{
    struct fixture *f = fixture_new();

    for (int round = 0; round < 50; round++) {
        add_batches(f, 37);
        ks_partition_drop_places(f->partition, f->partition->end_offset);
        ck_assert_uint_eq(f->partition->place_base, f->partition->place_end);
        ck_assert_int_eq(ks_partition_placed_from(f->partition), f->partition->end_offset);
        ck_assert_uint_eq(ks_partition_bytes_from(f->partition, 0, SIZE_MAX), 0);
        ck_assert_uint_le(f->partition->place_capacity, 128);
    }
    ck_assert_uint_eq(add_batch(f, 1, 0), 50 * 37);
    fixture_free(f);
}
END_TEST

START_TEST(a_batch_in_the_cache_keeps_its_place_and_those_after_it)
{
    struct fixture *f = fixture_new();

    add_batches(f, 10);
    cache(f, 4);
    cache(f, 5);
    ks_partition_drop_places(f->partition, 16);
    ck_assert_uint_eq(f->partition->place_base, 4);
    uncache_first(f);
    ck_assert_uint_eq(f->partition->place_base, 5);
    uncache_first(f);
    ck_assert_uint_eq(f->partition->place_base, 8);
    fixture_free(f);
}
END_TEST

START_TEST(a_batch_goes_only_when_it_ends_below)
{
    struct fixture *f = fixture_new();

    add_batches(f, 10);
    ks_partition_drop_places(f->partition, 5);
    ck_assert_int_eq(ks_partition_placed_from(f->partition), 4);
    ks_partition_drop_places(f->partition, 3);
    ck_assert_int_eq(ks_partition_placed_from(f->partition), 4);
    fixture_free(f);
}
END_TEST

START_TEST(sizes_count_what_is_left)
{
    struct fixture *f = fixture_new();

    add_batches(f, 10);
    ks_partition_drop_places(f->partition, 8);
    ck_assert_uint_eq(ks_partition_bytes_from(f->partition, 8, SIZE_MAX), 6 * BATCH_BYTES);
    ck_assert_uint_eq(ks_partition_bytes_from(f->partition, 18, SIZE_MAX), BATCH_BYTES);
    ck_assert_uint_eq(ks_partition_bytes_from(f->partition, 20, SIZE_MAX), 0);
    ck_assert_uint_eq(ks_partition_batch_bytes(f->partition, 9), BATCH_BYTES);
    ck_assert_uint_eq(ks_partition_batch_bytes(f->partition, 20), 0);
    fixture_free(f);
}
END_TEST

START_TEST(a_time_is_found_among_what_is_left)
{
    static const int64_t times[] = { 50, 900, 100, 300, 200, 300, 400 };
    struct fixture *f = fixture_new();

    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
        (void) add_batch(f, 1, times[i]);
    }
    ck_assert_int_eq(ks_partition_batch_by_time(f->partition, INT64_MAX), 2);
    ck_assert_int_eq(ks_partition_batch_by_time(f->partition, 60), 2);
    ck_assert_int_eq(ks_partition_batch_by_time(f->partition, 901), -1);
    ck_assert_int_eq(ks_partition_latest_ms(f->partition), 900);
    f->partition->reg.log_start = 4;
    ck_assert_int_eq(ks_partition_latest_ms(f->partition), 400);
    ck_assert_int_le(ks_partition_batch_by_time(f->partition, INT64_MAX), 12);
    ks_partition_drop_places(f->partition, 4);
    ck_assert_int_le(ks_partition_batch_by_time(f->partition, INT64_MAX), 12);
    ks_partition_drop_places(f->partition, 14);
    ck_assert_int_eq(ks_partition_batch_by_time(f->partition, INT64_MAX), -1);
    ck_assert_int_eq(ks_partition_batch_by_time(f->partition, 0), -1);
    fixture_free(f);
}
END_TEST

static int64_t
end_of(const struct fixture *f, int32_t epoch, int32_t *epoch_out)
{
    int64_t end = -1;

    *epoch_out = -1;
    return ks_partition_epoch_end(f->partition, epoch, epoch_out, &end) ? end : -1;
}

START_TEST(the_end_of_an_epoch_outlives_its_places)
{
    struct fixture *f = fixture_new();
    int32_t epoch;

    ck_assert_int_eq(ks_partition_note_epoch(f->partition, 2, 0), KAFSCALE_OK);
    f->partition->end_offset = 10; /* of batches that have no place */
    (void) add_batch(f, 2, 0);
    (void) add_batch(f, 5, 0);
    (void) add_batch(f, 5, 0);
    (void) add_batch(f, 7, 0);
    f->partition->reg.epoch = 9;
    for (int round = 0; round < 2; round++) {
        ck_assert_int_eq(end_of(f, 1, &epoch), 0);
        ck_assert_int_eq(epoch, 1);
        ck_assert_int_eq(end_of(f, 2, &epoch), 12);
        ck_assert_int_eq(end_of(f, 4, &epoch), 12);
        ck_assert_int_eq(epoch, 2);
        ck_assert_int_eq(end_of(f, 6, &epoch), 16);
        ck_assert_int_eq(epoch, 5);
        ck_assert_int_eq(end_of(f, 8, &epoch), 18);
        ck_assert_int_eq(epoch, 7);
        ck_assert_int_eq(end_of(f, 9, &epoch), 18);
        ck_assert_int_eq(epoch, 9);
        ck_assert_int_eq(end_of(f, 10, &epoch), -1);
        ck_assert_int_eq(end_of(f, -1, &epoch), -1);
        ks_partition_drop_places(f->partition, 18);
    }
    f->partition->reg.log_start = 13;
    ck_assert_int_eq(end_of(f, 3, &epoch), 13);
    ck_assert_int_eq(epoch, 3);
    ck_assert_int_eq(end_of(f, 6, &epoch), 16);
    fixture_free(f);
}
END_TEST

START_TEST(an_epoch_counts_when_something_of_it_is_committed)
{
    struct fixture *f = fixture_new();
    int32_t epoch;

    (void) add_batch(f, 1, 0);
    (void) add_batch(f, 2, 0);
    f->partition->high_watermark = 2;
    f->partition->reg.epoch = 3;
    ck_assert_int_eq(end_of(f, 2, &epoch), 2);
    ck_assert_int_eq(epoch, 1);
    fixture_free(f);
}
END_TEST

START_TEST(without_memory_nothing_is_added)
{
    struct fixture *f = fixture_new();
    struct ks_wal_entry entry = { .last_offset = 1, .producer_id = -1, .size_bytes = 100 };
    struct ks_place where = { .leader_epoch = 1 };

    for (uint64_t allowed = 0; allowed < 2; allowed++) {
        ks_alloc_fail_after(allowed);
        ck_assert_int_eq(ks_partition_add_place(f->partition, &entry, &where), KAFSCALE_NO_MEMORY);
        ks_alloc_fail_after(UINT64_MAX);
        ck_assert_uint_eq(f->partition->place_end, 0);
        ck_assert_int_eq(f->partition->end_offset, 0);
    }
    fixture_free(f);
}
END_TEST

Suite *
suite_new(void)
{
    Suite *suite = suite_create("log_partition");
    TCase *tests = tcase_create("all");

    tcase_add_test(tests, indexes_stay_when_the_front_goes);
    tcase_add_test(tests, all_may_go_and_more_may_come);
    tcase_add_test(tests, a_batch_in_the_cache_keeps_its_place_and_those_after_it);
    tcase_add_test(tests, a_batch_goes_only_when_it_ends_below);
    tcase_add_test(tests, sizes_count_what_is_left);
    tcase_add_test(tests, a_time_is_found_among_what_is_left);
    tcase_add_test(tests, the_end_of_an_epoch_outlives_its_places);
    tcase_add_test(tests, an_epoch_counts_when_something_of_it_is_committed);
    tcase_add_test(tests, without_memory_nothing_is_added);
    suite_add_tcase(suite, tests);
    return suite;
}
