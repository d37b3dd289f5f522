/* SPDX-License-Identifier: Apache-2.0 */
/* Segments of many blocks: how large those are that are read, and what answers keep of them. */
#include "support/main.h"
#include "unit/log_segments.h"

#define MIB ((size_t) 1 << 20)
#define BATCH_RECORDS 100 /* an entry of the index each */
#define BATCHES 48
#define END 4600 /* of the segment */

/* A segment of 8 MiB and a bit, in batches of about 200 KiB. */
static struct log_fixture *
world_with_blocks(size_t cache_bytes)
{
    struct log_fixture *f = log_fixture_new();

    f->options.segment_bytes = 9 * MIB;
    f->options.compact_interval_ms = INTERVAL_MS;
    f->options.cold_gets_max = 16;
    f->options.block_cache_bytes_min = cache_bytes;
    f->options.read_ahead_bytes_max = 8 * MIB;
    f->batch_records = BATCH_RECORDS;
    f->value_bytes = 2000;
    log_fixture_restart(f);
    for (int32_t i = 0; i < BATCHES; i++) {
        log_fixture_append(f, log_fixture_partition(f), i * BATCH_RECORDS);
        virtual_env_run_for(&f->v, 20);
    }
    virtual_env_run_for(&f->v, SETTLE_MS);
    ck_assert_int_eq(segments_register(f)->compacted_upto, END);
    log_fixture_restart(f);
    return f;
}

/* Reads on up to an offset; how many requests that took. */
static uint64_t
count_reads(struct log_fixture *f, int64_t offset, int64_t end)
{
    uint64_t before = log_fixture_counters(f).cold_gets;

    while (offset < end) {
        struct segments_reading reading;

        segments_begin_read(f, &reading, offset, MIB);
        segments_end_read(f, &reading, KAFSCALE_OK);
        offset = segments_check_batches(&reading.read, offset);
        ks_log_read_release(&reading.read);
        virtual_env_run_for(&f->v, 100);
    }
    return log_fixture_counters(f).cold_gets - before;
}

/* Four of 1 MiB, one of 4, and the rest: by then it is sure that he reads on. */
START_TEST(who_reads_on_gets_larger_blocks)
{
    struct log_fixture *f = world_with_blocks(64 * MIB);

    ck_assert_uint_eq(count_reads(f, 0, END), 6);
    log_fixture_free(f);
}
END_TEST

/* Who begins in the middle of what would be a large block gets on in small ones to its end. */
START_TEST(large_blocks_overlap_no_others)
{
    struct log_fixture *f = world_with_blocks(64 * MIB);
    const struct ks_store_counters *counters = ks_store_counters(f->store);
    uint64_t before = counters->bytes[KS_STORE_GET];

    ck_assert_uint_eq(count_reads(f, 2300, END), 5);
    ck_assert_uint_eq(count_reads(f, 0, END), 4);
    ck_assert_uint_lt(counters->bytes[KS_STORE_GET] - before, 9 * MIB);
    log_fixture_free(f);
}
END_TEST

START_TEST(a_small_cache_has_small_blocks)
{
    struct log_fixture *f = world_with_blocks(16 * MIB);

    ck_assert_uint_eq(count_reads(f, 0, END), 9);
    log_fixture_free(f);
}
END_TEST

/* A reader who takes his time must not hold a block for a batch. */
START_TEST(an_answer_keeps_little_more_than_it_gives)
{
    struct log_fixture *f = world_with_blocks(64 * MIB);
    struct segments_reading one;
    struct segments_reading many;

    count_reads(f, 0, END);
    segments_begin_read(f, &one, 3000, 1);
    ck_assert(one.is_done);
    ck_assert_int_eq(segments_check_batches(&one.read, 3000), 3100);
    ck_assert_uint_eq(kafscale_blob_size(one.read.parts[0].owner), one.read.size_bytes);
    segments_begin_read(f, &many, 3000, MIB);
    ck_assert(many.is_done);
    ck_assert_uint_eq(many.read.part_count, 5);
    for (size_t i = 0; i < many.read.part_count; i++) {
        ck_assert_uint_le(kafscale_blob_size(many.read.parts[i].owner), 8 * many.read.size_bytes);
    }
    ks_log_read_release(&one.read);
    ks_log_read_release(&many.read);
    log_fixture_free(f);
}
END_TEST

/* What the newest records leave of the cache is for blocks, and goes back when they need it. */
START_TEST(blocks_give_way_to_the_newest_records)
{
    struct log_fixture *f = world_with_blocks(2 * MIB);
    struct ks_log_counters counters;

    f->options.cache_bytes_max = 10 * MIB;
    log_fixture_restart(f);
    ck_assert_uint_eq(count_reads(f, 0, END), 9);
    ck_assert_uint_eq(count_reads(f, 0, END), 0);
    for (int32_t i = BATCHES; i < APPENDS_MAX; i++) {
        log_fixture_append(f, log_fixture_partition(f), i * BATCH_RECORDS);
        virtual_env_run_for(&f->v, 20);
    }
    counters = log_fixture_counters(f);
    ck_assert_uint_ge(counters.cache_bytes, 3 * MIB);
    ck_assert_uint_ge(counters.block_cache_bytes, 2 * MIB);
    ck_assert_uint_le(counters.cache_bytes + counters.block_cache_bytes, 10 * MIB);
    log_fixture_free(f);
}
END_TEST

START_TEST(a_large_block_that_came_damaged_is_read_again)
{
    struct log_fixture *f = world_with_blocks(64 * MIB);
    struct ks_fate damaged = { .fault = KS_FAULT_DAMAGE };

    ck_assert_uint_eq(count_reads(f, 0, 1500), 4);
    ks_fault_store_next(f->faults, KS_STORE_GET, ".kfs", damaged, 1);
    count_reads(f, 1500, 2000);
    ck_assert_uint_eq(ks_fault_store_count(f->faults, KS_FAULT_DAMAGE), 1);
    ck_assert_uint_eq(count_reads(f, 2000, END), 1);
    log_fixture_free(f);
}
END_TEST

Suite *
suite_new(void)
{
    Suite *suite = suite_create("log blocks");
    TCase *tests = tcase_create("blocks");

    tcase_add_test(tests, who_reads_on_gets_larger_blocks);
    tcase_add_test(tests, large_blocks_overlap_no_others);
    tcase_add_test(tests, a_small_cache_has_small_blocks);
    tcase_add_test(tests, an_answer_keeps_little_more_than_it_gives);
    tcase_add_test(tests, blocks_give_way_to_the_newest_records);
    tcase_add_test(tests, a_large_block_that_came_damaged_is_read_again);
    suite_add_tcase(suite, tests);
    return suite;
}
