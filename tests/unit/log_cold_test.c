/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading segments: any offset, by many at once, by time, with few requests; what is missing or
 * damaged is made again where that can be, and said where it can't.
 */
#include "support/main.h"
#include "unit/log_segments.h"

/* --- Damage ---------------------------------------------------------------------------------- */

static struct log_fixture *
world_with_segments(void)
{
    struct log_fixture *f = segments_world_new(3 * BATCH_BYTES);

    segments_append(f, 0, 12);
    ck_assert_int_eq(segments_register(f)->compacted_upto, 12);
    return f;
}

START_TEST(a_missing_index_is_made_again_in_memory)
{
    struct log_fixture *f = world_with_segments();

    segments_erase(f, segments_key(3, KS_SEGMENT_INDEX));
    segments_erase(f, segments_key(9, KS_SEGMENT_INDEX));
    log_fixture_succeed(f);
    segments_expect_records(f, 0, 12, 1);
    ck_assert_uint_ge(log_fixture_counters(f).indexes_rebuilt, 2);
    ck_assert(!segments_has(f, 3, KS_SEGMENT_INDEX));
    log_fixture_free(f);
}
END_TEST

/* The newest producer state is lost: the one before and the batches since tell it. */
START_TEST(a_lost_producer_state_is_computed_from_the_one_before)
{
    struct log_fixture *f = world_with_segments();

    segments_erase(f, segments_key(6, KS_SEGMENT_INDEX));
    segments_erase(f, segments_key(9, KS_SEGMENT_INDEX));
    log_fixture_succeed(f);
    segments_append(f, 10, 2);
    ck_assert_int_eq(f->appends[f->append_count - 1].base_offset, 11);
    ck_assert_int_eq(ks_partition_high_watermark(log_fixture_partition(f)), 12);
    segments_append(f, 12, 4);
    segments_expect_records(f, 0, 16, 1);
    log_fixture_free(f);
}
END_TEST

/* What the lost one said of producers is lost with it, and the partition is served. */
START_TEST(a_segment_that_is_lost_keeps_no_partition_closed)
{
    struct log_fixture *f = world_with_segments();

    segments_erase(f, segments_key(6, KS_SEGMENT_INDEX));
    segments_erase(f, segments_key(6, KS_SEGMENT_BODY));
    segments_erase(f, segments_key(9, KS_SEGMENT_INDEX));
    log_fixture_succeed(f);
    segments_append(f, 12, 4);
    ck_assert_int_eq(ks_partition_high_watermark(log_fixture_partition(f)), 16);
    segments_expect_records(f, 0, 6, 1);
    segments_expect_records(f, 9, 16, 1);
    log_fixture_free(f);
}
END_TEST

/* Whatever time its records have. */
START_TEST(a_producer_computed_again_has_written_when_its_segment_was_made)
{
    struct log_fixture *f = world_with_segments();
    struct kafscale_error error = { 0 };
    struct ks_segment_header header;
    const struct ks_list *first;
    struct ks_buffer bytes;

    ck_assert(segments_get(f, segments_key(9, KS_SEGMENT_BODY), &bytes));
    ck_assert_int_eq(ks_segment_read_header(ks_buffer_slice(&bytes), &header, &error), KAFSCALE_OK);
    ks_buffer_deinit(&bytes);
    segments_erase(f, segments_key(6, KS_SEGMENT_INDEX));
    segments_erase(f, segments_key(9, KS_SEGMENT_INDEX));
    virtual_env_run_for(&f->v, 60000);
    log_fixture_succeed(f);
    first = log_fixture_partition(f)->producers.by_use.next;
    ck_assert_int_eq(KS_CONTAINER(first, const struct ks_producer, by_use)->used_ms,
                     header.created_ms);
    log_fixture_free(f);
}
END_TEST

static void
on_raised(void *arg, enum kafscale_status status)
{
    *(enum kafscale_status *) arg = status;
}

/* The search for an older state finds in the register that the partition is another's. */
START_TEST(who_lost_the_partition_and_producer_states_raises_nothing)
{
    struct log_fixture *f = world_with_segments();
    struct ks_log *old = f->log;
    struct ks_partition *lost = log_fixture_partition(f);
    enum kafscale_status status = KAFSCALE_OK;

    segments_append(f, 12, 2);
    ck_assert(log_fixture_new_log(f));
    ck_assert_ptr_nonnull(log_fixture_open(f));
    segments_erase(f, segments_key(6, KS_SEGMENT_INDEX));
    segments_erase(f, segments_key(6, KS_SEGMENT_BODY));
    segments_erase(f, segments_key(9, KS_SEGMENT_INDEX));
    ck_assert_int_eq(ks_log_raise_start(old, lost, 13, on_raised, &status), KAFSCALE_OK);
    virtual_env_run_for(&f->v, 600000);
    ck_assert_int_eq(status, KAFSCALE_FENCED);
    ks_log_free(old);
    log_fixture_free(f);
}
END_TEST

/* The newest index, which has the producers, goes with all the others. */
START_TEST(producers_outlive_the_deletion_of_all_that_was_compacted)
{
    struct log_fixture *f = world_with_segments();
    enum kafscale_status status = KAFSCALE_FAILED;

    ck_assert_int_eq(ks_log_raise_start(f->log, log_fixture_partition(f), 12, on_raised, &status),
                     KAFSCALE_OK);
    virtual_env_run_for(&f->v, 600000);
    ck_assert_int_eq(status, KAFSCALE_OK);
    ck_assert(!segments_has(f, 9, KS_SEGMENT_INDEX));
    log_fixture_succeed(f);
    segments_append(f, 10, 2);
    ck_assert_int_eq(f->appends[f->append_count - 1].base_offset, 11);
    ck_assert_int_eq(ks_partition_high_watermark(log_fixture_partition(f)), 12);
    log_fixture_free(f);
}
END_TEST

/* On the way, not at rest: it is as good as intact, and nothing is made again. */
START_TEST(what_comes_damaged_is_read_again)
{
    struct ks_fate damaged = { .fault = KS_FAULT_DAMAGE };
    struct log_fixture *f = world_with_segments();

    log_fixture_succeed(f);
    ks_fault_store_next(f->faults, KS_STORE_GET, ".index", damaged, 2);
    segments_expect_records(f, 0, 12, 1);
    ck_assert_uint_eq(log_fixture_counters(f).indexes_rebuilt, 0);
    segments_erase(f, segments_key(6, KS_SEGMENT_INDEX));
    segments_erase(f, segments_key(9, KS_SEGMENT_INDEX));
    log_fixture_crash(f);
    ck_assert(log_fixture_new_log(f));
    ks_fault_store_next(f->faults, KS_STORE_GET, ".kfs", damaged, 2);
    ck_assert_ptr_nonnull(log_fixture_open(f));
    ck_assert_uint_eq(ks_fault_store_count(f->faults, KS_FAULT_DAMAGE), 2);
    ck_assert_uint_eq(log_fixture_partition(f)->producers.table.count, 1);
    segments_expect_records(f, 0, 12, 1);
    log_fixture_free(f);
}
END_TEST

START_TEST(a_damaged_index_is_made_again_and_a_damaged_segment_is_said)
{
    struct log_fixture *f = world_with_segments();
    struct ks_buffer bytes;

    ck_assert(segments_get(f, segments_key(3, KS_SEGMENT_INDEX), &bytes));
    bytes.data[bytes.size / 2] ^= 1;
    segments_put(f, segments_key(3, KS_SEGMENT_INDEX), ks_buffer_slice(&bytes));
    ks_buffer_deinit(&bytes);
    ck_assert(segments_get(f, segments_key(6, KS_SEGMENT_BODY), &bytes));
    bytes.data[100] ^= 1;
    segments_put(f, segments_key(6, KS_SEGMENT_BODY), ks_buffer_slice(&bytes));
    ks_buffer_deinit(&bytes);
    log_fixture_succeed(f);
    segments_expect_records(f, 0, 6, 1);
    ck_assert_int_eq(segments_read_status(f, 6), KAFSCALE_CORRUPT);
    ck_assert_int_eq(segments_read_status(f, 9), KAFSCALE_OK);
    log_fixture_free(f);
}
END_TEST

/* Its batches are whole and where they should be: the leader epoch is in no batch's checksum. */
START_TEST(a_segment_that_is_not_the_one_of_its_index_is_said)
{
    struct log_fixture *f = world_with_segments();
    struct ks_buffer bytes;

    ck_assert(segments_get(f, segments_key(3, KS_SEGMENT_BODY), &bytes));
    bytes.data[KS_SEGMENT_HEADER_BYTES + 15] ^= 1;
    segments_put(f, segments_key(3, KS_SEGMENT_BODY), ks_buffer_slice(&bytes));
    ks_buffer_deinit(&bytes);
    log_fixture_succeed(f);
    ck_assert_int_eq(segments_read_status(f, 2), KAFSCALE_OK);
    ck_assert_int_eq(segments_read_status(f, 3), KAFSCALE_CORRUPT);
    log_fixture_free(f);
}
END_TEST

/* Once is on the way, again and again is at rest. */
START_TEST(an_index_that_came_damaged_is_asked_for_again)
{
    struct ks_fate damage = { .fault = KS_FAULT_DAMAGE };
    struct log_fixture *f = world_with_segments();

    log_fixture_crash(f);
    ks_fault_store_next(f->faults, KS_STORE_GET, ".index", damage, 3);
    ck_assert(log_fixture_new_log(f));
    ck_assert_ptr_nonnull(log_fixture_open(f));
    segments_expect_records(f, 0, 12, 1);
    ck_assert_uint_eq(ks_fault_store_count(f->faults, KS_FAULT_DAMAGE), 3);
    ck_assert_uint_eq(log_fixture_counters(f).indexes_rebuilt, 0);
    log_fixture_free(f);
}
END_TEST

START_TEST(a_missing_segment_is_said_and_never_skipped)
{
    struct log_fixture *f = world_with_segments();

    segments_erase(f, segments_key(3, KS_SEGMENT_INDEX));
    segments_erase(f, segments_key(3, KS_SEGMENT_BODY));
    log_fixture_succeed(f);
    ck_assert_int_eq(segments_read_status(f, 2), KAFSCALE_OK);
    ck_assert_int_eq(segments_read_status(f, 3), KAFSCALE_CORRUPT);
    ck_assert_int_eq(segments_read_status(f, 6), KAFSCALE_OK);
    log_fixture_free(f);
}
END_TEST

/* --- Many readers, many faults --------------------------------------------------------------- */

START_TEST(a_block_is_read_once_however_many_wait)
{
    struct log_fixture *f = world_with_segments();
    struct segments_reading readings[8];
    uint64_t gets;

    log_fixture_succeed(f);
    ck_assert_int_eq(segments_read_status(f, 0), KAFSCALE_OK);
    log_fixture_succeed(f);
    gets = ks_store_counters(f->store)->requests[KS_STORE_GET];
    for (int i = 0; i < 8; i++) {
        segments_begin_read(f, &readings[i], 9 + i % 3, 1 << 20);
    }
    for (int i = 0; i < 8; i++) {
        segments_end_read(f, &readings[i], KAFSCALE_OK);
        ck_assert_int_eq(segments_check_batches(&readings[i].read, 9 + i % 3), 12);
        ks_log_read_release(&readings[i].read);
    }
    ck_assert_uint_eq(ks_store_counters(f->store)->requests[KS_STORE_GET], gets + 1);
    log_fixture_free(f);
}
END_TEST

/* The end of a segment is no reason to wait: what comes after it is read ahead, too. */
START_TEST(who_reads_on_finds_the_next_segment_ready)
{
    struct log_fixture *f = world_with_segments();

    log_fixture_succeed(f);
    for (int64_t offset = 0; offset < 12; offset++) {
        struct segments_reading reading;

        segments_begin_read(f, &reading, offset, 1);
        ck_assert_int_eq(reading.is_done, offset > 0);
        segments_end_read(f, &reading, KAFSCALE_OK);
        ks_log_read_release(&reading.read);
        virtual_env_run_for(&f->v, 100);
    }
    ck_assert_uint_eq(log_fixture_counters(f).cold_reads, 12);
    log_fixture_free(f);
}
END_TEST

/* A block that is read ahead must not cost the one that is being read. */
START_TEST(what_the_cache_has_no_room_for_is_not_read_ahead)
{
    struct log_fixture *f = world_with_segments();
    uint64_t gets;

    f->options.block_cache_bytes_min = 4 * BATCH_BYTES;
    log_fixture_succeed(f);
    gets = ks_store_counters(f->store)->requests[KS_STORE_GET];
    for (int64_t offset = 0; offset < 12; offset++) {
        ck_assert_int_eq(segments_read_status(f, offset), KAFSCALE_OK);
        virtual_env_run_for(&f->v, 100);
    }
    /* Four segments, each with an index and a block. */
    ck_assert_uint_le(ks_store_counters(f->store)->requests[KS_STORE_GET] - gets, 8);
    log_fixture_free(f);
}
END_TEST

/* Reads a batch and waits for what that has begun; whether it was at hand. */
static bool
was_at_hand(struct log_fixture *f, int64_t offset)
{
    struct segments_reading reading;
    bool is_done;

    segments_begin_read(f, &reading, offset, 1);
    is_done = reading.is_done;
    segments_end_read(f, &reading, KAFSCALE_OK);
    ks_log_read_release(&reading.read);
    virtual_env_run_for(&f->v, 100);
    return is_done;
}

/* Reads the index of the next segment ahead, and then its block. */
static void
read_ahead_of_the_first(struct log_fixture *f)
{
    ck_assert(!was_at_hand(f, 0));
    ck_assert(was_at_hand(f, 1));
}

/* Three segments fit: what is read meanwhile goes before what was read ahead. */
START_TEST(what_was_read_ahead_stays_until_it_is_used)
{
    struct log_fixture *f = world_with_segments();

    f->options.block_cache_bytes_min = 9 * BATCH_BYTES;
    log_fixture_succeed(f);
    read_ahead_of_the_first(f);
    ck_assert(!was_at_hand(f, 9));
    ck_assert(!was_at_hand(f, 6));
    ck_assert(!was_at_hand(f, 0));
    ck_assert(!was_at_hand(f, 9));
    ck_assert(was_at_hand(f, 3));
    log_fixture_free(f);
}
END_TEST

START_TEST(what_was_read_ahead_goes_when_nobody_comes_for_it)
{
    for (int i = 0; i < 2; i++) {
        struct log_fixture *f = world_with_segments();

        log_fixture_succeed(f);
        read_ahead_of_the_first(f);
        virtual_env_run_for(&f->v, i == 0 ? 5000 : 20000);
        ck_assert(!was_at_hand(f, 9));
        ck_assert_int_eq(was_at_hand(f, 3), i == 0);
        log_fixture_free(f);
    }
}
END_TEST

START_TEST(answers_outlive_the_cache_and_the_log)
{
    struct log_fixture *f = world_with_segments();
    struct segments_reading reading;

    log_fixture_succeed(f);
    segments_begin_read(f, &reading, 3, 1 << 20);
    segments_end_read(f, &reading, KAFSCALE_OK);
    ks_log_free(f->log);
    f->log = NULL;
    ck_assert_int_eq(segments_check_batches(&reading.read, 3), 6);
    ks_log_read_release(&reading.read);
    log_fixture_free(f);
}
END_TEST

START_TEST(a_freed_log_answers_no_reader)
{
    for (int64_t wait_ms = 0; wait_ms < 12; wait_ms++) {
        struct log_fixture *f = world_with_segments();
        struct ks_fault_rates rates = { .slow = 1000000, .slow_ms_max = 10 };
        struct segments_reading reading;

        log_fixture_succeed(f);
        ks_fault_store_set_rates(f->faults, &rates, 1 + (uint64_t) wait_ms);
        segments_begin_read(f, &reading, 3, 1 << 20);
        virtual_env_run_for(&f->v, wait_ms);
        ks_log_read_release(&reading.read);
        ks_log_free(f->log);
        f->log = NULL;
        reading.is_done = false;
        virtual_env_run_for(&f->v, 60000);
        ck_assert(!reading.is_done);
        log_fixture_free(f);
    }
}
END_TEST

/* --- By time --------------------------------------------------------------------------------- */

struct asking {
    struct ks_log_time time;
    bool is_done;
    enum kafscale_status status;
};

static void
on_time(struct ks_log_time *time, enum kafscale_status status)
{
    struct asking *asking = KS_CONTAINER(time, struct asking, time);

    asking->status = status;
    asking->is_done = true;
}

/* Where to look for a time; what was asked for may have become the greatest there is. */
static int64_t
find_time(struct log_fixture *f, int64_t timestamp_ms, int64_t *timestamp_out)
{
    struct asking asking = { .time = { .partition = log_fixture_partition(f),
                                       .timestamp_ms = timestamp_ms,
                                       .done = on_time } };

    asking.is_done = ks_log_find_by_time(f->log, &asking.time, &asking.status);
    ck_assert(virtual_env_run_until(&f->v, &asking.is_done, 60000));
    ck_assert_int_eq(asking.status, KAFSCALE_OK);
    *timestamp_out = asking.time.timestamp_ms;
    return asking.time.offset;
}

#define TIMES 40

/* Up and down: the greatest so far grows every few batches. */
static int64_t
time_of(int64_t offset)
{
    return 1000 + 100 * offset - 250 * (offset % 4);
}

static struct log_fixture *
world_with_times(void)
{
    struct log_fixture *f = segments_world_new(2 * BATCH_BYTES);

    for (int32_t i = 0; i < TIMES; i++) {
        f->batch_time_ms = time_of(i);
        segments_append(f, i, 1);
    }
    ck_assert_int_eq(segments_register(f)->compacted_upto, TIMES);
    log_fixture_succeed(f);
    return f;
}

/* The first batch that reaches a time, looked for one by one. */
static int64_t
first_reaching(int64_t from, int64_t timestamp_ms)
{
    for (int64_t i = from; i < TIMES; i++) {
        if (time_of(i) >= timestamp_ms) {
            return i;
        }
    }
    return -1;
}

static void
expect_times(struct log_fixture *f, int64_t log_start)
{
    for (int64_t timestamp_ms = 0; timestamp_ms < 1000 + 100 * TIMES; timestamp_ms += 50) {
        int64_t wanted = first_reaching(log_start, timestamp_ms);
        int64_t same;
        int64_t found = find_time(f, timestamp_ms, &same);

        ck_assert_int_eq(same, timestamp_ms);
        if (wanted < 0) {
            ck_assert_msg(found < 0 || log_start > 0, "time %lld", (long long) timestamp_ms);
            continue;
        }
        /* A segment of two batches may have reached it with the one that was deleted. */
        ck_assert_int_ge(found, log_start);
        ck_assert_int_le(found, wanted);
        ck_assert(wanted - found < 2 || found == log_start);
    }
}

START_TEST(times_are_found_from_indexes_alone)
{
    struct log_fixture *f = world_with_times();
    uint64_t bytes;

    for (int64_t base = 0; base < TIMES; base += 2) {
        segments_erase(f, segments_key(base, KS_SEGMENT_BODY));
    }
    bytes = ks_store_counters(f->store)->bytes[KS_STORE_GET];
    expect_times(f, 0);
    ck_assert_uint_gt(ks_store_counters(f->store)->bytes[KS_STORE_GET], bytes);
    log_fixture_free(f);
}
END_TEST

START_TEST(the_latest_time_is_found)
{
    struct log_fixture *f = world_with_times();
    int64_t latest_ms;
    int64_t found = find_time(f, INT64_MAX, &latest_ms);

    ck_assert_int_eq(latest_ms, time_of(36));
    ck_assert_int_eq(found, 36);
    f->batch_time_ms = 1000000;
    segments_append(f, TIMES, 1);
    ck_assert_int_eq(find_time(f, INT64_MAX, &latest_ms), TIMES);
    ck_assert_int_eq(latest_ms, INT64_MAX);
    ck_assert_int_eq(find_time(f, 999999, &latest_ms), TIMES);
    ck_assert_int_eq(find_time(f, 1000001, &latest_ms), -1);
    log_fixture_free(f);
}
END_TEST

static void
raise_start(struct log_fixture *f, int64_t offset)
{
    enum kafscale_status status = KAFSCALE_UNKNOWN;

    ck_assert_int_eq(
        ks_log_raise_start(f->log, log_fixture_partition(f), offset, on_raised, &status),
        KAFSCALE_OK);
    virtual_env_run_for(&f->v, 60000);
    ck_assert_int_eq(status, KAFSCALE_OK);
}

/* What was deleted doesn't count, however late it was. */
START_TEST(times_below_the_log_start_do_not_count)
{
    for (int64_t start = 1; start < TIMES; start += 5) {
        struct log_fixture *f = world_with_times();

        raise_start(f, start);
        expect_times(f, start);
        log_fixture_free(f);
    }
}
END_TEST

START_TEST(a_late_time_that_was_deleted_hides_nothing)
{
    struct log_fixture *f = segments_world_new(2 * BATCH_BYTES);
    int64_t same;

    for (int32_t i = 0; i < 20; i++) {
        f->batch_time_ms = i == 3 ? 1000000 : 1000 + 100 * i;
        segments_append(f, i, 1);
    }
    raise_start(f, 6);
    log_fixture_succeed(f);
    ck_assert_int_eq(find_time(f, 1000 + 100 * 15, &same), 14);
    ck_assert_int_eq(find_time(f, 500000, &same), -1);
    log_fixture_free(f);
}
END_TEST

/* --- Far back -------------------------------------------------------------------------------- */

#define FAR 300

/* Bursts, many batches of which have the same time, and a week between them. */
static int64_t
far_time_of(int64_t offset)
{
    return 1000 + offset / 70 * 7 * 86400000 + offset % 70 / 10;
}

/* Each batch is a segment of its own. */
static struct log_fixture *
far_world(void)
{
    struct log_fixture *f = segments_world_new(1);

    for (int32_t i = 0; i < FAR; i++) {
        f->append_count = 0;
        f->batch_time_ms = far_time_of(i);
        log_fixture_append(f, log_fixture_partition(f), i);
        virtual_env_run_for(&f->v, 100);
        kafscale_blob_unref(f->appends[0].owner);
        f->append_count = 0;
    }
    ck_assert_int_eq(segments_register(f)->compacted_upto, FAR);
    return f;
}

/* Anywhere in a long chain: an index for each octal digit of its length, and one block. */
START_TEST(any_offset_takes_a_few_requests)
{
    struct log_fixture *f = far_world();
    uint64_t requests_max = 0;

    for (int64_t offset = 0; offset < FAR; offset += 37) {
        uint64_t requests;

        log_fixture_succeed(f);
        requests = ks_store_counters(f->store)->requests[KS_STORE_GET];
        ck_assert_int_eq(segments_read_status(f, offset), KAFSCALE_OK);
        requests = ks_store_counters(f->store)->requests[KS_STORE_GET] - requests;
        requests_max = requests > requests_max ? requests : requests_max;
        ck_assert_uint_eq(log_fixture_counters(f).segment_lists, 0);
    }
    ck_assert_uint_le(requests_max, 6);
    log_fixture_free(f);
}
END_TEST

/* What each time takes at most when nothing is at hand. */
static uint64_t
search_far_times(struct log_fixture *f)
{
    uint64_t requests_max = 0;

    for (int64_t offset = 0; offset <= FAR; offset += 10) {
        int64_t timestamp_ms = far_time_of(offset < FAR ? offset : FAR - 1) + (offset == FAR);
        uint64_t requests;
        int64_t same;

        log_fixture_succeed(f);
        requests = ks_store_counters(f->store)->requests[KS_STORE_GET];
        ck_assert_int_eq(find_time(f, timestamp_ms, &same), offset < FAR ? offset : -1);
        requests = ks_store_counters(f->store)->requests[KS_STORE_GET] - requests;
        requests_max = requests > requests_max ? requests : requests_max;
        ck_assert_int_eq(find_time(f, timestamp_ms - 1, &same),
                         offset < FAR ? offset - (offset % 70 == 0 ? 0 : 10) : FAR - 10);
        ck_assert_uint_eq(log_fixture_counters(f).segment_lists, 0);
    }
    return requests_max;
}

START_TEST(any_time_takes_a_few_requests)
{
    struct log_fixture *f = far_world();

    ck_assert_uint_le(search_far_times(f), 5);
    ck_assert_int_eq(find_time(f, 0, &(int64_t){ 0 }), 0);
    log_fixture_free(f);
}
END_TEST

/* As versions wrote it that didn't know of it. */
static void
strip_ancestor_times(struct log_fixture *f, int64_t base)
{
    const size_t extension = 16 + 12;
    const uint16_t ancestor_times = 9;
    size_t at = extension + 12;
    struct ks_buffer bytes;
    size_t field;

    ck_assert(segments_get(f, segments_key(base, KS_SEGMENT_INDEX), &bytes));
    while (ks_get_u16(bytes.data + at) != ancestor_times) {
        at += 6 + ks_get_u32(bytes.data + at + 2);
        ck_assert_uint_lt(at, bytes.size);
    }
    field = 6 + ks_get_u32(bytes.data + at + 2);
    memmove(bytes.data + at, bytes.data + at + field, bytes.size - at - field);
    bytes.size -= field;
    ks_put_u32(bytes.data + extension + 8, (uint32_t) (bytes.size - extension));
    ks_put_u32(bytes.data + bytes.size - 4, ks_crc32c(0, bytes.data, bytes.size - 4));
    segments_put(f, segments_key(base, KS_SEGMENT_INDEX), ks_buffer_slice(&bytes));
    ks_buffer_deinit(&bytes);
}

/* By halving: three for each octal digit, and some for the first list of them. */
START_TEST(times_are_found_where_those_of_ancestors_are_not_known)
{
    struct log_fixture *f = far_world();

    for (int64_t base = 1; base < FAR; base++) {
        if (_i == 0 || base % 3 > 0) {
            strip_ancestor_times(f, base);
        }
    }
    ck_assert_uint_le(search_far_times(f), 14);
    log_fixture_free(f);
}
END_TEST

/* The indexes on the way are gone: the store is asked what there is. */
START_TEST(without_ancestors_the_store_is_asked)
{
    struct log_fixture *f = segments_world_new(2 * BATCH_BYTES);

    segments_append(f, 0, 40);
    segments_erase(f, segments_key(38, KS_SEGMENT_INDEX));
    log_fixture_succeed(f);
    segments_expect_records(f, 0, 40, 1);
    log_fixture_succeed(f);
    ck_assert_int_eq(segments_read_status(f, 11), KAFSCALE_OK);
    ck_assert_uint_ge(log_fixture_counters(f).segment_lists, 1);
    log_fixture_free(f);
}
END_TEST

Suite *
suite_new(void)
{
    Suite *suite = suite_create("reading segments");
    TCase *tests = tcase_create("all");

    tcase_set_timeout(tests, 120);
    tcase_add_test(tests, a_missing_index_is_made_again_in_memory);
    tcase_add_test(tests, a_lost_producer_state_is_computed_from_the_one_before);
    tcase_add_test(tests, a_segment_that_is_lost_keeps_no_partition_closed);
    tcase_add_test(tests, a_producer_computed_again_has_written_when_its_segment_was_made);
    tcase_add_test(tests, who_lost_the_partition_and_producer_states_raises_nothing);
    tcase_add_test(tests, producers_outlive_the_deletion_of_all_that_was_compacted);
    tcase_add_test(tests, what_comes_damaged_is_read_again);
    tcase_add_test(tests, a_damaged_index_is_made_again_and_a_damaged_segment_is_said);
    tcase_add_test(tests, a_segment_that_is_not_the_one_of_its_index_is_said);
    tcase_add_test(tests, an_index_that_came_damaged_is_asked_for_again);
    tcase_add_test(tests, a_missing_segment_is_said_and_never_skipped);
    tcase_add_test(tests, a_block_is_read_once_however_many_wait);
    tcase_add_test(tests, who_reads_on_finds_the_next_segment_ready);
    tcase_add_test(tests, what_the_cache_has_no_room_for_is_not_read_ahead);
    tcase_add_test(tests, what_was_read_ahead_stays_until_it_is_used);
    tcase_add_test(tests, what_was_read_ahead_goes_when_nobody_comes_for_it);
    tcase_add_test(tests, answers_outlive_the_cache_and_the_log);
    tcase_add_test(tests, a_freed_log_answers_no_reader);
    tcase_add_test(tests, times_are_found_from_indexes_alone);
    tcase_add_test(tests, the_latest_time_is_found);
    tcase_add_test(tests, times_below_the_log_start_do_not_count);
    tcase_add_test(tests, a_late_time_that_was_deleted_hides_nothing);
    tcase_add_test(tests, any_offset_takes_a_few_requests);
    tcase_add_test(tests, any_time_takes_a_few_requests);
    tcase_add_loop_test(tests, times_are_found_where_those_of_ancestors_are_not_known, 0, 2);
    tcase_add_test(tests, without_ancestors_the_store_is_asked);
    suite_add_tcase(suite, tests);
    return suite;
}
