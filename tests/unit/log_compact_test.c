/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Compaction: batches become segments, once, whoever else is at it; later owners go on from there,
 * and nothing is lost or repeated on the way.
 */
#include "log/format/producer_snapshot.h"
#include "support/main.h"
#include "unit/log_segments.h"

/* --- When and what --------------------------------------------------------------------------- */

START_TEST(enough_bytes_become_a_segment)
{
    struct log_fixture *f = segments_world_new(3 * BATCH_BYTES);

    segments_append(f, 0, 2);
    ck_assert_int_eq(segments_register(f)->compacted_upto, 0);
    ck_assert(!segments_has(f, 0, KS_SEGMENT_INDEX));
    segments_append(f, 2, 1);
    ck_assert_int_eq(segments_register(f)->compacted_upto, 3);
    ck_assert_int_eq(segments_register(f)->segment_base, 0);
    segments_expect(f, 0, 2);
    segments_append(f, 3, 7);
    ck_assert_int_eq(segments_register(f)->compacted_upto, 9);
    ck_assert_int_eq(segments_register(f)->segment_base, 6);
    segments_expect(f, 3, 5);
    segments_expect(f, 6, 8);
    ck_assert_uint_eq(log_fixture_counters(f).segments_written, 3);
    segments_expect_records(f, 0, 10, 1);
    log_fixture_free(f);
}
END_TEST

START_TEST(old_bytes_become_a_segment_and_nothing_happens_before)
{
    struct log_fixture *f = segments_world_new(1 << 20);
    uint64_t requests;

    segments_append(f, 0, 2);
    requests = ks_store_counters(f->store)->requests[KS_STORE_PUT];
    virtual_env_run_for(&f->v, INTERVAL_MS - SETTLE_MS - 1000);
    ck_assert_uint_eq(ks_store_counters(f->store)->requests[KS_STORE_PUT], requests);
    ck_assert_int_eq(segments_register(f)->compacted_upto, 0);
    virtual_env_run_for(&f->v, SETTLE_MS + 2000);
    ck_assert_int_eq(segments_register(f)->compacted_upto, 2);
    ck_assert_uint_eq(ks_store_counters(f->store)->requests[KS_STORE_PUT], requests + 2);
    segments_expect(f, 0, 1);
    virtual_env_run_for(&f->v, 10 * (int64_t) INTERVAL_MS);
    ck_assert_uint_eq(ks_store_counters(f->store)->requests[KS_STORE_PUT], requests + 2);
    log_fixture_free(f);
}
END_TEST

START_TEST(a_segment_gives_way_to_clients)
{
    struct log_fixture *f = segments_world_new(2 * BATCH_BYTES);

    ks_pace_press(&f->log->pace, ks_env_now_ms(&f->v.env));
    log_fixture_append_apart(f, 2, 20);
    virtual_env_run_for(&f->v, 900);
    ck_assert_int_eq(segments_register(f)->compacted_upto, 0);
    virtual_env_run_for(&f->v, SETTLE_MS);
    ck_assert_int_eq(segments_register(f)->compacted_upto, 2);
    log_fixture_free(f);
}
END_TEST

static void
compact_short_of_memory(struct log_fixture *f, uint64_t allowed)
{
    ks_alloc_fail_once_after(allowed);
    virtual_env_run_for(&f->v, INTERVAL_MS + SETTLE_MS);
    ks_alloc_fail_after(UINT64_MAX);
    virtual_env_run_for(&f->v, 2 * (int64_t) INTERVAL_MS);
}

/* Also the second, for which the producers are read from the first; both are where they must be. */
START_TEST(a_shortage_of_memory_delays_a_segment)
{
    for (uint64_t allowed = 0; allowed < 60; allowed++) {
        struct log_fixture *f = segments_world_new(1 << 20);

        segments_append(f, 0, 2);
        compact_short_of_memory(f, allowed);
        ck_assert_int_eq(segments_register(f)->compacted_upto, 2);
        segments_append(f, 2, 2);
        compact_short_of_memory(f, allowed);
        ck_assert_int_eq(segments_register(f)->compacted_upto, 4);
        segments_expect(f, 0, 1);
        segments_expect(f, 2, 3);
        segments_expect_records(f, 0, 4, 1);
        log_fixture_free(f);
    }
}
END_TEST

/* However often a broker is started again. */
START_TEST(bytes_grow_old_while_brokers_come_and_go)
{
    struct log_fixture *f = segments_world_new(1 << 20);

    segments_append(f, 0, 2);
    for (int i = 0; i < 4; i++) {
        virtual_env_run_for(&f->v, INTERVAL_MS / 4 - 2 * SETTLE_MS);
        log_fixture_succeed(f);
        segments_append(f, 2 + i, 1);
        ck_assert_int_eq(segments_register(f)->compacted_upto, 0);
    }
    virtual_env_run_for(&f->v, 8 * SETTLE_MS);
    ck_assert_int_eq(segments_register(f)->compacted_upto, 6);
    log_fixture_succeed(f);
    segments_append(f, 6, 1);
    segments_expect_records(f, 0, 7, 1);
    ck_assert_int_eq(segments_register(f)->compacted_upto, 6);
    log_fixture_free(f);
}
END_TEST

START_TEST(a_topic_may_have_smaller_segments)
{
    struct log_fixture *f = segments_world_new(1 << 20);

    segments_append(f, 0, 4);
    ck_assert_int_eq(segments_register(f)->compacted_upto, 0);
    ks_log_set_segment_limits(f->log, log_fixture_partition(f),
                              &(struct ks_segment_limits){ .bytes_max = 2 * BATCH_BYTES });
    virtual_env_run_for(&f->v, SETTLE_MS);
    ck_assert_int_eq(segments_register(f)->compacted_upto, 4);
    segments_expect(f, 2, 3);
    log_fixture_free(f);
}
END_TEST

START_TEST(a_batch_larger_than_a_segment_is_a_segment)
{
    struct log_fixture *f = segments_world_new(10);

    segments_append(f, 0, 3);
    ck_assert_int_eq(segments_register(f)->compacted_upto, 3);
    for (int64_t base = 0; base < 3; base++) {
        segments_expect(f, base, base);
    }
    segments_expect_records(f, 0, 3, 1);
    log_fixture_free(f);
}
END_TEST

/* --- Reading and opening --------------------------------------------------------------------- */

START_TEST(a_later_owner_reads_all_from_segments)
{
    struct log_fixture *f = segments_world_new(3 * BATCH_BYTES);

    segments_append(f, 0, 20);
    log_fixture_succeed(f);
    ck_assert_int_eq(ks_partition_high_watermark(log_fixture_partition(f)), 20);
    segments_expect_records(f, 0, 20, 1);
    ck_assert_uint_gt(log_fixture_counters(f).cold_reads, 0);
    log_fixture_succeed(f);
    segments_expect_records(f, 0, 20, 1 << 20);
    for (int64_t offset = 19; offset >= 0; offset--) {
        ck_assert_int_eq(segments_read_status(f, offset), KAFSCALE_OK);
    }
    log_fixture_free(f);
}
END_TEST

/* What the write-ahead log held may be gone: nothing of it is needed any more. */
START_TEST(the_write_ahead_log_below_is_not_needed)
{
    struct log_fixture *f = segments_world_new(3 * BATCH_BYTES);
    struct ks_id incarnation = f->options.incarnation;

    segments_append(f, 0, 9);
    log_fixture_succeed(f);
    for (uint64_t slot = 0; slot < 9; slot++) {
        char key[KS_WAL_KEY_BYTES];

        ks_wal_key("unit", &incarnation, slot, key);
        segments_erase(f, key);
    }
    log_fixture_succeed(f);
    ck_assert_int_eq(ks_partition_high_watermark(log_fixture_partition(f)), 9);
    segments_append(f, 9, 4);
    segments_expect_records(f, 0, 13, 1);
    log_fixture_free(f);
}
END_TEST

/* The duplicate's original lies in a segment; what comes next is next. */
START_TEST(producers_are_known_from_the_index)
{
    struct log_fixture *f = segments_world_new(3 * BATCH_BYTES);
    size_t acknowledged;

    segments_append(f, 0, 6);
    ck_assert_int_eq(segments_register(f)->compacted_upto, 6);
    log_fixture_succeed(f);
    acknowledged = f->acknowledged;
    segments_append(f, 4, 2);
    ck_assert_uint_eq(f->acknowledged, acknowledged + 2);
    ck_assert_int_eq(f->appends[f->append_count - 1].base_offset, 5);
    ck_assert_int_eq(ks_partition_high_watermark(log_fixture_partition(f)), 6);
    segments_append(f, 8, 1);
    ck_assert_int_eq(f->appends[f->append_count - 1].result, KS_APPEND_OUT_OF_ORDER);
    segments_append(f, 6, 1);
    ck_assert_int_eq(ks_partition_high_watermark(log_fixture_partition(f)), 7);
    log_fixture_free(f);
}
END_TEST

/* When the producer of the fixture wrote last, by the index of the first segment. */
static int64_t
used_ms_by_the_index(struct log_fixture *f)
{
    struct ks_producer_table producers;
    struct ks_producer_snapshot snapshot;
    struct kafscale_error error = { 0 };
    struct ks_index index;
    struct ks_buffer bytes;
    int64_t used_ms;

    ks_producer_table_init(&producers, 1, 10, INT64_MAX);
    ck_assert(segments_get(f, segments_key(0, KS_SEGMENT_INDEX), &bytes));
    ck_assert_int_eq(ks_index_decode(ks_buffer_slice(&bytes), &index, &error), KAFSCALE_OK);
    ck_assert_int_eq(ks_producer_snapshot_decode(ks_buffer_slice(&index.producers), &producers,
                                                 &snapshot, &error),
                     KAFSCALE_OK);
    ck_assert_uint_eq(producers.table.count, 1);
    used_ms = KS_CONTAINER(producers.by_use.next, struct ks_producer, by_use)->used_ms;
    ks_producer_table_deinit(&producers);
    ks_index_deinit(&index);
    ks_buffer_deinit(&bytes);
    return used_ms;
}

/*
 * However long it takes until they become a segment, and wherever they are read from until then, so
 * that all brokers forget a producer at the same time.
 */
START_TEST(a_segment_says_when_its_producers_wrote)
{
    const struct {
        size_t cache_bytes_max;
        uint32_t bundle_slots;
        bool is_anothers;
    } ways[] = { { 1 << 20, 0, false }, { 0, 0, false }, { 0, 0, true },
                 { 1 << 20, 4, false }, { 0, 4, false }, { 0, 4, true } };

    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        struct log_fixture *f = segments_world_new(1 << 20);
        int64_t wrote_ms;

        f->options.cache_bytes_max = ways[i].cache_bytes_max;
        f->options.bundle_slots = ways[i].bundle_slots;
        log_fixture_succeed(f);
        segments_append(f, 0, 7);
        wrote_ms = ks_env_wall_ms(&f->v.env);
        segments_append(f, 7, 1);
        ck_assert_uint_eq(log_fixture_count_objects(f, "bundle"), ways[i].bundle_slots > 0 ? 2 : 0);
        if (ways[i].is_anothers) {
            log_fixture_succeed(f);
        }
        ck_assert_int_eq(segments_register(f)->compacted_upto, 0);
        virtual_env_run_for(&f->v, INTERVAL_MS);
        ck_assert_int_eq(segments_register(f)->compacted_upto, 8);
        ck_assert_int_eq(used_ms_by_the_index(f), wrote_ms);
        log_fixture_free(f);
    }
}
END_TEST

START_TEST(leader_epochs_are_known_from_the_index)
{
    struct log_fixture *f = segments_world_new(BATCH_BYTES);
    int32_t epoch;
    int64_t end;

    for (int32_t i = 0; i < 5; i++) {
        segments_append(f, i, 1);
        log_fixture_succeed(f);
    }
    ck_assert_int_eq(segments_register(f)->compacted_upto, 5);
    for (int32_t i = 0; i < 5; i++) {
        ck_assert(ks_partition_epoch_end(log_fixture_partition(f), i + 1, &epoch, &end));
        ck_assert_int_eq(epoch, i + 1);
        ck_assert_int_eq(end, i + 1);
    }
    log_fixture_free(f);
}
END_TEST

/* Elements of the chain that hold nothing above compacted_upto are not asked for. */
START_TEST(opening_takes_as_many_requests_however_long_the_log)
{
    uint64_t gets[2];

    for (int i = 0; i < 2; i++) {
        struct log_fixture *f = segments_world_new(BATCH_BYTES);

        segments_append(f, 0, i == 0 ? 4 : 40);
        log_fixture_succeed(f);
        log_fixture_succeed(f);
        gets[i] = ks_store_counters(f->store)->requests[KS_STORE_GET];
        ck_assert_int_eq(segments_register(f)->compacted_upto, i == 0 ? 4 : 40);
        log_fixture_free(f);
    }
    ck_assert_uint_eq(gets[0], gets[1]);
}
END_TEST

/* --- Others at it ---------------------------------------------------------------------------- */

/* An index found in the store decides how far the segment goes. */
START_TEST(the_range_of_a_found_index_is_taken_over)
{
    struct log_fixture *f = segments_world_new(5 * BATCH_BYTES);

    /* Another compactor, with smaller segments, got as far as its index. */
    ks_fault_store_next(f->faults, KS_STORE_PUT, ".kfs",
                        (struct ks_fate){ .fault = KS_FAULT_UNAVAILABLE }, 1000);
    ks_log_set_segment_limits(f->log, log_fixture_partition(f),
                              &(struct ks_segment_limits){ .bytes_max = 2 * BATCH_BYTES });
    segments_append(f, 0, 2);
    ck_assert(segments_has(f, 0, KS_SEGMENT_INDEX));
    ck_assert(!segments_has(f, 0, KS_SEGMENT_BODY));
    ks_fault_store_clear(f->faults);
    log_fixture_succeed(f);
    segments_append(f, 2, 3);
    ck_assert_uint_eq(log_fixture_counters(f).indexes_adopted, 1);
    segments_expect(f, 0, 1);
    ck_assert_int_eq(segments_register(f)->compacted_upto, 2);
    log_fixture_free(f);
}
END_TEST

/* Both objects are there, the register isn't moved: the next owner finds and takes them. */
START_TEST(a_segment_that_is_there_is_adopted)
{
    struct log_fixture *f = segments_world_new(2 * BATCH_BYTES);

    ks_fault_store_next(f->faults, KS_STORE_PUT, ".kfs",
                        (struct ks_fate){ .fault = KS_FAULT_ERROR_AFTER }, 1);
    segments_append(f, 0, 2);
    ck_assert_uint_eq(log_fixture_counters(f).segments_adopted, 1);
    ck_assert_int_eq(segments_register(f)->compacted_upto, 2);
    segments_expect(f, 0, 1);
    log_fixture_free(f);
}
END_TEST

START_TEST(an_index_whose_put_was_lost_is_put_again)
{
    struct log_fixture *f = segments_world_new(2 * BATCH_BYTES);

    ks_fault_store_next(f->faults, KS_STORE_PUT, ".index",
                        (struct ks_fate){ .fault = KS_FAULT_ERROR_BEFORE }, 2);
    ks_fault_store_next(f->faults, KS_STORE_PUT, ".kfs",
                        (struct ks_fate){ .fault = KS_FAULT_ERROR_BEFORE }, 2);
    segments_append(f, 0, 2);
    ck_assert_int_eq(segments_register(f)->compacted_upto, 2);
    segments_expect(f, 0, 1);
    log_fixture_free(f);
}
END_TEST

/* Something foreign lies there: nothing is overwritten, and the write-ahead data stays. */
static void
expect_alarm(enum ks_segment_kind kind, const char *bytes)
{
    struct log_fixture *f = segments_world_new(2 * BATCH_BYTES);
    struct ks_buffer found;

    segments_put(f, segments_key(0, kind), ks_slice_of_text(bytes));
    segments_append(f, 0, 6);
    ck_assert_uint_eq(log_fixture_counters(f).compaction_alarms, 1);
    ck_assert_int_eq(segments_register(f)->compacted_upto, 0);
    ck_assert(segments_get(f, segments_key(0, kind), &found));
    ck_assert(ks_slice_equals(ks_buffer_slice(&found), ks_slice_of_text(bytes)));
    ks_buffer_deinit(&found);
    segments_expect_records(f, 0, 6, 1);
    virtual_env_run_for(&f->v, 3 * (int64_t) INTERVAL_MS);
    ck_assert_uint_eq(log_fixture_counters(f).compaction_alarms, 1);
    log_fixture_free(f);
}

/* The index of a segment is there, whose owner died before he could put the segment. */
static struct log_fixture *
world_with_index_alone(void)
{
    struct log_fixture *f = segments_world_new(2 * BATCH_BYTES);
    struct ks_fate away = { .fault = KS_FAULT_UNAVAILABLE };

    ks_fault_store_next(f->faults, KS_STORE_PUT, ".kfs", away, UINT32_MAX);
    segments_append(f, 0, 2);
    ck_assert(segments_has(f, 0, KS_SEGMENT_INDEX));
    ck_assert(!segments_has(f, 0, KS_SEGMENT_BODY));
    log_fixture_succeed(f);
    return f;
}

static void
expect_adopted(struct log_fixture *f)
{
    virtual_env_run_for(&f->v, 20 * SETTLE_MS);
    ck_assert_uint_eq(log_fixture_counters(f).compaction_alarms, 0);
    ck_assert_uint_ge(log_fixture_counters(f).indexes_adopted, 1);
    ck_assert_int_eq(segments_register(f)->compacted_upto, 2);
    segments_expect(f, 0, 1);
}

START_TEST(an_index_that_is_found_and_comes_damaged_is_read_again)
{
    struct log_fixture *f = world_with_index_alone();
    struct ks_fate damaged = { .fault = KS_FAULT_DAMAGE };

    ks_fault_store_next(f->faults, KS_STORE_GET, ".index", damaged, 2);
    expect_adopted(f);
    log_fixture_free(f);
}
END_TEST

START_TEST(a_segment_that_is_found_and_comes_damaged_is_read_again)
{
    struct log_fixture *f = segments_world_new(2 * BATCH_BYTES);
    struct ks_fate unsure = { .fault = KS_FAULT_ERROR_AFTER };
    struct ks_fate damaged = { .fault = KS_FAULT_DAMAGE };

    ks_fault_store_next(f->faults, KS_STORE_PUT, ".kfs", unsure, 1);
    ks_fault_store_next(f->faults, KS_STORE_GET, ".kfs", damaged, 2);
    segments_append(f, 0, 2);
    virtual_env_run_for(&f->v, 20 * SETTLE_MS);
    ck_assert_uint_eq(log_fixture_counters(f).compaction_alarms, 0);
    ck_assert_uint_eq(log_fixture_counters(f).segments_adopted, 1);
    ck_assert_int_eq(segments_register(f)->compacted_upto, 2);
    log_fixture_free(f);
}
END_TEST

/* Memory is short while the answer comes in, at each of its allocations in turn. */
START_TEST(a_shortage_of_memory_makes_no_index_an_odd_one)
{
    struct ks_fate slow = { .answer_ms = 1000 };

    for (uint64_t allocation = 0; allocation < 60; allocation++) {
        struct log_fixture *f = world_with_index_alone();
        uint64_t asked = ks_store_counters(f->store)->requests[KS_STORE_GET];

        ks_fault_store_next(f->faults, KS_STORE_GET, ".index", slow, 1);
        while (ks_store_counters(f->store)->requests[KS_STORE_GET] == asked) {
            ck_assert(virtual_env_step(&f->v));
        }
        ks_alloc_fail_once_after(allocation);
        virtual_env_run_for(&f->v, 2000);
        ks_alloc_fail_after(UINT64_MAX);
        expect_adopted(f);
        log_fixture_free(f);
    }
}
END_TEST

START_TEST(a_foreign_index_is_an_alarm)
{
    expect_alarm(KS_SEGMENT_INDEX, "something else");
}
END_TEST

START_TEST(a_foreign_segment_is_an_alarm)
{
    expect_alarm(KS_SEGMENT_BODY, "something else");
}
END_TEST

/* --- Faults -------------------------------------------------------------------------------- */

/* The broker dies after each turn of the loop of a compaction; the next owner goes on. */
START_TEST(a_death_at_any_moment_loses_and_repeats_nothing)
{
    int deaths = 0;

    for (int turns = 0; turns < 400; turns++) {
        struct log_fixture *f = segments_world_new(3 * BATCH_BYTES);
        bool is_alive = true;

        for (int32_t i = 0; i < 7; i++) {
            log_fixture_append(f, log_fixture_partition(f), i);
        }
        for (int i = 0; i < turns && is_alive; i++) {
            is_alive = virtual_env_step(&f->v);
        }
        deaths += segments_register(f)->compacted_upto < 6;
        log_fixture_succeed(f);
        virtual_env_run_for(&f->v, SETTLE_MS);
        segments_expect_records(f, 0, ks_partition_high_watermark(log_fixture_partition(f)), 1);
        ck_assert_uint_eq(log_fixture_counters(f).compaction_alarms, 0);
        if (segments_register(f)->compacted_upto == 6 && turns > 300) {
            log_fixture_free(f);
            break;
        }
        log_fixture_free(f);
    }
    ck_assert_int_gt(deaths, 10);
}
END_TEST

/* Requests that fail before or after they act, act twice or late, and bytes damaged on the way. */
START_TEST(compaction_survives_a_bad_store)
{
    for (uint64_t seed = 1; seed <= 30; seed++) {
        struct log_fixture *f = segments_world_new(3 * BATCH_BYTES);
        struct ks_fault_rates rates = { .faults = { [KS_FAULT_ERROR_BEFORE] = 60000,
                                                    [KS_FAULT_ERROR_AFTER] = 60000,
                                                    [KS_FAULT_UNAVAILABLE] = 60000,
                                                    [KS_FAULT_LATE] = 60000,
                                                    [KS_FAULT_TWICE] = 60000,
                                                    [KS_FAULT_SHORT] = 30000,
                                                    [KS_FAULT_DAMAGE] = 30000 },
                                        .slow = 100000,
                                        .slow_ms_max = 50,
                                        .late_ms_max = 500 };

        ks_fault_store_set_rates(f->faults, &rates, seed);
        for (int32_t i = 0; i < 20; i++) {
            log_fixture_append(f, log_fixture_partition(f), i);
            virtual_env_run_for(&f->v, 30);
            if (i % 8 == 7) {
                virtual_env_run_for(&f->v, 3000);
                log_fixture_succeed(f);
                ks_fault_store_set_rates(f->faults, &rates, seed + 1000);
            }
        }
        virtual_env_run_for(&f->v, 20 * SETTLE_MS);
        ks_fault_store_clear(f->faults);
        virtual_env_run_for(&f->v, 20 * SETTLE_MS);
        ck_assert_int_eq(segments_register(f)->compacted_upto, 18);
        ck_assert_uint_eq(log_fixture_counters(f).compaction_alarms, 0);
        segments_expect_records(f, 0, 20, 1);
        log_fixture_free(f);
    }
}
END_TEST

/* --- After DeleteRecords --------------------------------------------------------------------- */

/* A log start in the middle of a batch: the next segment begins with the whole batch. */
START_TEST(a_segment_may_begin_in_the_middle_of_a_batch)
{
    struct log_fixture *f = segments_world_new(1 << 20);

    f->batch_records = 4;
    log_fixture_append(f, log_fixture_partition(f), 0);
    log_fixture_append(f, log_fixture_partition(f), 4);
    virtual_env_run_for(&f->v, 1000);
    log_fixture_raise_start(f, 6);
    log_fixture_append(f, log_fixture_partition(f), 8);
    virtual_env_run_for(&f->v, INTERVAL_MS + SETTLE_MS);
    ck_assert_int_eq(segments_register(f)->compacted_upto, 12);
    segments_expect(f, 6, 11);
    log_fixture_succeed(f);
    ck_assert_int_eq(segments_read_status(f, 6), KAFSCALE_OK);
    ck_assert_int_eq(segments_read_status(f, 11), KAFSCALE_OK);
    segments_append(f, 8, 1);
    ck_assert_int_eq(f->appends[f->append_count - 1].base_offset, 8);
    log_fixture_free(f);
}
END_TEST

/* What the producers had done where the segments end stands in the index of the last one. */
START_TEST(a_start_may_be_raised_above_the_segments)
{
    struct log_fixture *f = segments_world_new(3 * BATCH_BYTES);

    segments_append(f, 0, 5);
    ck_assert_int_eq(segments_register(f)->compacted_upto, 3);
    log_fixture_raise_start(f, 5);
    log_fixture_succeed(f);
    ck_assert_int_eq(ks_partition_log_start(log_fixture_partition(f)), 5);
    for (int32_t sequence = 0; sequence < 6; sequence++) {
        segments_append(f, sequence, 1);
        ck_assert_int_eq(f->appends[f->append_count - 1].base_offset, sequence);
    }
    log_fixture_free(f);
}
END_TEST

Suite *
suite_new(void)
{
    Suite *suite = suite_create("compaction");
    TCase *tests = tcase_create("all");

    tcase_set_timeout(tests, 120);
    tcase_add_test(tests, a_start_may_be_raised_above_the_segments);
    tcase_add_test(tests, enough_bytes_become_a_segment);
    tcase_add_test(tests, old_bytes_become_a_segment_and_nothing_happens_before);
    tcase_add_test(tests, a_segment_gives_way_to_clients);
    tcase_add_test(tests, a_shortage_of_memory_delays_a_segment);
    tcase_add_test(tests, bytes_grow_old_while_brokers_come_and_go);
    tcase_add_test(tests, a_topic_may_have_smaller_segments);
    tcase_add_test(tests, a_batch_larger_than_a_segment_is_a_segment);
    tcase_add_test(tests, a_later_owner_reads_all_from_segments);
    tcase_add_test(tests, the_write_ahead_log_below_is_not_needed);
    tcase_add_test(tests, producers_are_known_from_the_index);
    tcase_add_test(tests, a_segment_says_when_its_producers_wrote);
    tcase_add_test(tests, leader_epochs_are_known_from_the_index);
    tcase_add_test(tests, opening_takes_as_many_requests_however_long_the_log);
    tcase_add_test(tests, the_range_of_a_found_index_is_taken_over);
    tcase_add_test(tests, a_segment_that_is_there_is_adopted);
    tcase_add_test(tests, an_index_whose_put_was_lost_is_put_again);
    tcase_add_test(tests, an_index_that_is_found_and_comes_damaged_is_read_again);
    tcase_add_test(tests, a_segment_that_is_found_and_comes_damaged_is_read_again);
    tcase_add_test(tests, a_shortage_of_memory_makes_no_index_an_odd_one);
    tcase_add_test(tests, a_foreign_index_is_an_alarm);
    tcase_add_test(tests, a_foreign_segment_is_an_alarm);
    tcase_add_test(tests, a_death_at_any_moment_loses_and_repeats_nothing);
    tcase_add_test(tests, compaction_survives_a_bad_store);
    tcase_add_test(tests, a_segment_may_begin_in_the_middle_of_a_batch);
    suite_add_tcase(suite, tests);
    return suite;
}
