/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What goes for good: segments that end below the log start, and all that a deleted topic left.
 * What belongs to others stays, whatever happens.
 */
#include "log/format/index_format.h"
#include "log/format/producer_snapshot.h"
#include "log/retention/sweep.h"
#include "support/main.h"
#include "unit/log_fixture.h"

#include <stdio.h>

#define KEYS_MAX 2000

struct outcome {
    bool is_done;
    enum kafscale_status status;
};

static void
on_swept(void *arg, enum kafscale_status status)
{
    struct outcome *outcome = arg;

    ck_assert(!outcome->is_done);
    outcome->is_done = true;
    outcome->status = status;
}

static void
on_put(void *arg, enum kafscale_status status, const struct kafscale_error *error)
{
    (void) arg;
    (void) error;
    ck_assert_int_eq(status, KAFSCALE_OK);
}

static void
put(struct log_fixture *f, const char *key, struct kafscale_slice bytes)
{
    struct kafscale_part part = { .bytes = bytes };
    struct kafscale_put put = { .key = key, .parts = &part, .part_count = 1 };

    ks_store_put(f->store, &put, on_put, NULL);
    virtual_env_run_for(&f->v, 10);
}

static const char *
key_of(const char *prefix, int32_t partition, int64_t base, enum ks_segment_kind kind)
{
    static char key[KS_SEGMENT_KEY_BYTES];
    struct ks_segment_home home = { .ns = "unit", .prefix = prefix, .partition = partition };

    ks_segment_key(&home, base, kind, key);
    return key;
}

/* A header is all that is looked at. NULL: of another program. */
static void
put_body(struct log_fixture *f, const char *prefix, int32_t partition, int64_t base,
         const struct ks_id *topic)
{
    uint8_t bytes[KS_SEGMENT_HEADER_BYTES];
    struct ks_segment_header header = { .base_offset = base,
                                        .topic_tag = topic == NULL ? KS_SEGMENT_TAG_NONE
                                                                   : ks_segment_topic_tag(topic) };

    ks_segment_write_header(bytes, &header);
    put(f, key_of(prefix, partition, base, KS_SEGMENT_BODY), ks_slice(bytes, sizeof bytes));
}

static void
put_index(struct log_fixture *f, const char *prefix, int32_t partition, int64_t base,
          const struct ks_id *topic)
{
    struct ks_index index;
    struct ks_buffer bytes;
    struct log_fixture *batches = f;
    struct ks_append *append = log_fixture_make_append(batches, 0);
    struct kafscale_error error = { 0 };

    ks_batch_patch(kafscale_blob_data(append->owner), base, 0);
    ck_assert_int_eq(ks_batch_parse(kafscale_blob_slice(append->owner), &append->batch, &error),
                     KAFSCALE_OK);
    ks_index_init(&index, base);
    index.is_ours = true;
    index.name = (struct ks_partition_name){ .topic = *topic, .index = partition };
    ck_assert_int_eq(ks_index_add_batch(&index, &append->batch, &error), KAFSCALE_OK);
    ks_buffer_init(&bytes, 1 << 20);
    ks_index_encode(&index, &bytes);
    ck_assert(!ks_buffer_failed(&bytes));
    put(f, key_of(prefix, partition, base, KS_SEGMENT_INDEX), ks_buffer_slice(&bytes));
    ks_index_deinit(&index);
    ks_buffer_deinit(&bytes);
    kafscale_blob_unref(append->owner);
    f->append_count--;
}

static void
put_segment(struct log_fixture *f, const char *prefix, int32_t partition, int64_t base,
            const struct ks_id *topic)
{
    put_index(f, prefix, partition, base, topic);
    put_body(f, prefix, partition, base, topic);
}

struct listing {
    size_t count;
    bool is_done;
};

static void
on_listed(void *arg, enum kafscale_status status, const struct kafscale_list_entry *entries,
          size_t entry_count, bool is_truncated, const struct kafscale_error *error)
{
    struct listing *listing = arg;

    (void) entries;
    (void) error;
    ck_assert_int_eq(status, KAFSCALE_OK);
    ck_assert(!is_truncated);
    listing->count = entry_count;
    listing->is_done = true;
}

static size_t
count(struct log_fixture *f, const char *prefix)
{
    struct kafscale_list list = { .prefix = prefix, .count_max = KEYS_MAX };
    struct listing listing = { 0 };

    ks_store_list(f->store, &list, on_listed, &listing);
    ck_assert(virtual_env_run_until(&f->v, &listing.is_done, 10000));
    return listing.count;
}

static bool
exists(struct log_fixture *f, const char *prefix, int64_t base)
{
    return count(f, key_of(prefix, 0, base, KS_SEGMENT_BODY)) == 1;
}

static struct ks_sweep_order
order_below(const struct log_fixture *f, int64_t log_start, int64_t compacted_upto)
{
    struct ks_segment_home home = { .ns = "unit", .prefix = "t", .partition = 0 };
    struct ks_sweep_order order = { .topic = f->topic,
                                    .log_start = log_start,
                                    .compacted_upto = compacted_upto };

    ks_segment_list_prefix(&home, order.prefix);
    return order;
}

static void
sweep(struct log_fixture *f, const struct ks_sweep_order *order)
{
    struct outcome outcome = { 0 };

    ck_assert_int_eq(ks_sweep_start(f->log, order, on_swept, &outcome), KAFSCALE_OK);
    ck_assert(!outcome.is_done);
    ck_assert(virtual_env_run_until(&f->v, &outcome.is_done, 600000));
    ck_assert_int_eq(outcome.status, KAFSCALE_OK);
}

/* --- Below a log start --- */

START_TEST(segments_that_end_below_the_start_go)
{
    struct log_fixture *f = log_fixture_new();
    struct ks_sweep_order order = order_below(f, 25, 40);

    for (int64_t base = 0; base < 40; base += 10) {
        put_segment(f, "t", 0, base, &f->topic);
    }
    put_segment(f, "t", 1, 0, &f->topic);
    sweep(f, &order);
    ck_assert(!exists(f, "t", 0));
    ck_assert(!exists(f, "t", 10));
    ck_assert(exists(f, "t", 20)); /* the start lies in it */
    ck_assert(exists(f, "t", 30));
    ck_assert_uint_eq(count(f, "unit/t/0/"), 4);
    ck_assert_uint_eq(count(f, "unit/t/1/"), 2);
    order = order_below(f, 30, 40);
    sweep(f, &order);
    ck_assert(!exists(f, "t", 20));
    ck_assert(exists(f, "t", 30));
    /* Nothing of them is needed any more. */
    order = order_below(f, 40, 40);
    sweep(f, &order);
    ck_assert_uint_eq(count(f, "unit/t/0/"), 0);
    log_fixture_free(f);
}
END_TEST

/* A list of 100,000 segments is not gone through for the sake of the first two. */
START_TEST(what_lies_above_the_start_is_not_even_listed)
{
    struct log_fixture *f = log_fixture_new();
    struct ks_sweep_order order = order_below(f, 20, 100000);
    uint64_t before;

    for (int64_t base = 0; base < 7000; base += 10) {
        put_body(f, "t", 0, base, &f->topic);
    }
    before = ks_store_counters(f->store)->requests[KS_STORE_LIST];
    sweep(f, &order);
    ck_assert_uint_eq(ks_store_counters(f->store)->requests[KS_STORE_LIST], before + 1);
    ck_assert(!exists(f, "t", 10));
    ck_assert(exists(f, "t", 20));
    order = order_below(f, 6000, 100000);
    sweep(f, &order);
    ck_assert(!exists(f, "t", 5990));
    ck_assert(exists(f, "t", 6000));
    ck_assert_uint_eq(count(f, "unit/t/0/"), 100);
    log_fixture_free(f);
}
END_TEST

START_TEST(objects_of_others_stay)
{
    struct log_fixture *f = log_fixture_new();
    struct ks_sweep_order order = order_below(f, 100, 100);
    struct ks_id other = { .bytes = { 1, 2, 3 } };

    put_segment(f, "t", 0, 0, &other);
    put_index(f, "t", 0, 10, &other);
    put_body(f, "t", 0, 20, NULL);
    put(f, key_of("t", 0, 30, KS_SEGMENT_BODY), ks_slice_of_text("no segment"));
    put(f, "unit/t/0/segment-notes", ks_slice_of_text("what is this?"));
    put_segment(f, "t", 0, 40, &f->topic);
    put_index(f, "t", 0, 50, &f->topic);
    sweep(f, &order);
    ck_assert_uint_eq(count(f, "unit/t/0/"), 6);
    ck_assert(!exists(f, "t", 40));
    /* Of another program, and adopted. */
    order.imported_end = 25;
    sweep(f, &order);
    ck_assert(!exists(f, "t", 20));
    ck_assert_uint_eq(count(f, "unit/t/0/"), 5);
    log_fixture_free(f);
}
END_TEST

START_TEST(a_failing_store_delays_a_sweep_only)
{
    struct log_fixture *f = log_fixture_new();
    struct ks_sweep_order order = order_below(f, 30, 40);
    struct ks_fault_rates rates = { 0 };

    for (int64_t base = 0; base < 40; base += 10) {
        put_segment(f, "t", 0, base, &f->topic);
    }
    rates.faults[KS_FAULT_UNAVAILABLE] = 300000;
    rates.faults[KS_FAULT_ERROR_AFTER] = 300000;
    ks_fault_store_set_rates(f->faults, &rates, 5);
    sweep(f, &order);
    ks_fault_store_clear(f->faults);
    ck_assert_uint_eq(count(f, "unit/t/0/"), 2);
    ck_assert(exists(f, "t", 30));
    log_fixture_free(f);
}
END_TEST

/* --- A deleted topic --- */

static enum kafscale_status
bury(struct log_fixture *f)
{
    struct outcome outcome = { 0 };

    ck_assert_int_eq(ks_log_bury_topic(f->log, &f->topic, "t", on_swept, &outcome), KAFSCALE_OK);
    ck_assert(virtual_env_run_until(&f->v, &outcome.is_done, 600000));
    return outcome.status;
}

static void
on_registers(void *arg, enum kafscale_status status, const struct kafscale_meta_entry *entries,
             size_t entry_count, uint64_t revision, const struct kafscale_error *error)
{
    struct listing *listing = arg;

    (void) entries;
    (void) revision;
    (void) error;
    ck_assert_int_eq(status, KAFSCALE_OK);
    listing->count = entry_count;
    listing->is_done = true;
}

static size_t
count_registers(struct log_fixture *f)
{
    struct kafscale_meta_read read = { .key = "part/", .is_prefix = true, .is_fresh = true };
    struct listing listing = { 0 };

    ks_meta_read(f->meta, &read, on_registers, &listing);
    ck_assert(virtual_env_run_until(&f->v, &listing.is_done, 10000));
    return listing.count;
}

static void
put_producers(struct log_fixture *f, const struct ks_id *topic)
{
    struct ks_producer_snapshot snapshot = { .name = { .topic = *topic }, .offset = 7 };
    char key[KS_PRODUCER_SNAPSHOT_KEY_BYTES];

    ks_producer_snapshot_key("unit", &snapshot, key);
    put(f, key, ks_slice_of_text("x"));
}

/* Segments in two partitions, states of producers, a register; and beside them another topic's. */
static struct log_fixture *
with_a_topic(void)
{
    struct log_fixture *f = log_fixture_new();
    struct ks_id other = { .bytes = { 9 } };

    ck_assert_ptr_nonnull(log_fixture_open(f));
    put_segment(f, "t", 0, 0, &f->topic);
    put_segment(f, "t", 0, 10, &f->topic);
    put_segment(f, "t", 12, 0, &f->topic);
    put_segment(f, "t@01020304", 0, 0, &other);
    put_segment(f, "tt", 0, 0, &other);
    put_producers(f, &f->topic);
    put_producers(f, &other);
    ck_assert_uint_eq(count_registers(f), 1);
    return f;
}

static void
check_others(struct log_fixture *f)
{
    ck_assert_uint_eq(count(f, "unit/t@01020304/"), 2);
    ck_assert_uint_eq(count(f, "unit/tt/"), 2);
    ck_assert_uint_ge(count(f, "unit/__kafscale/producers/"), 1);
}

START_TEST(nothing_is_left_of_a_deleted_topic)
{
    struct log_fixture *f = with_a_topic();

    log_fixture_change_topic(f, true);
    ck_assert_int_eq(bury(f), KAFSCALE_OK);
    ck_assert_uint_eq(count(f, "unit/t/"), 0);
    ck_assert_uint_eq(count(f, "unit/__kafscale/producers/"), 1);
    ck_assert_uint_eq(count_registers(f), 0);
    check_others(f);
    /* A broker long replaced puts something there again. */
    put_body(f, "t", 0, 0, &f->topic);
    ck_assert_int_eq(bury(f), KAFSCALE_OK);
    ck_assert_uint_eq(count(f, "unit/t/"), 0);
    log_fixture_free(f);
}
END_TEST

START_TEST(a_topic_that_lives_is_not_buried)
{
    struct log_fixture *f = with_a_topic();

    ck_assert_int_eq(bury(f), KAFSCALE_EXISTS);
    ck_assert_uint_eq(count(f, "unit/t/"), 6);
    ck_assert_uint_eq(count_registers(f), 1);
    log_fixture_free(f);
}
END_TEST

/* False: it was over before the death. */
static bool
die_after(uint64_t step)
{
    struct log_fixture *f = with_a_topic();
    struct outcome outcome = { 0 };
    bool was_done;

    log_fixture_change_topic(f, true);
    ck_assert_int_eq(ks_log_bury_topic(f->log, &f->topic, "t", on_swept, &outcome), KAFSCALE_OK);
    while (step > 0 && !outcome.is_done && virtual_env_step(&f->v)) {
        step--;
    }
    was_done = outcome.is_done;
    log_fixture_crash(f);
    virtual_env_run_for(&f->v, 1000);
    ck_assert(log_fixture_new_log(f));
    ck_assert_int_eq(bury(f), KAFSCALE_OK);
    ck_assert_uint_eq(count(f, "unit/t/"), 0);
    ck_assert_uint_eq(count_registers(f), 0);
    check_others(f);
    log_fixture_free(f);
    return !was_done;
}

START_TEST(a_burial_may_end_after_any_event_and_begin_anew)
{
    uint64_t step = 0;

    while (die_after(step)) {
        step++;
        ck_assert_uint_lt(step, 1000);
    }
    ck_assert_uint_gt(step, 10);
}
END_TEST

static void
on_stopped(void *arg)
{
    *(bool *) arg = true;
}

/* Stops the log, or frees it, after so many events; false when there were fewer. */
static bool
end_after(uint64_t step, bool is_stop)
{
    struct log_fixture *f = with_a_topic();
    struct ks_sweep_order order = order_below(f, 5, 20);
    struct outcome outcomes[2] = { 0 };
    bool is_stopped = false;
    bool was_done;

    log_fixture_change_topic(f, true);
    ck_assert_int_eq(ks_log_bury_topic(f->log, &f->topic, "t", on_swept, &outcomes[0]),
                     KAFSCALE_OK);
    ck_assert_int_eq(ks_sweep_start(f->log, &order, on_swept, &outcomes[1]), KAFSCALE_OK);
    while (step > 0 && virtual_env_step(&f->v)) {
        step--;
    }
    was_done = outcomes[0].is_done && outcomes[1].is_done;
    if (is_stop) {
        ks_log_stop(f->log, 1000, on_stopped, &is_stopped);
        ck_assert(virtual_env_run_until(&f->v, &is_stopped, 60000));
        ck_assert(outcomes[0].is_done);
        ck_assert(outcomes[1].is_done);
    }
    check_others(f);
    log_fixture_free(f);
    return !was_done;
}

START_TEST(it_ends_with_the_log)
{
    for (int is_stop = 0; is_stop < 2; is_stop++) {
        uint64_t step = 0;

        while (end_after(step, is_stop != 0)) {
            step++;
            ck_assert_uint_lt(step, 1000);
        }
    }
}
END_TEST

Suite *
suite_new(void)
{
    Suite *suite = suite_create("log sweep");
    TCase *tests = tcase_create("sweep");

    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, segments_that_end_below_the_start_go);
    tcase_add_test(tests, what_lies_above_the_start_is_not_even_listed);
    tcase_add_test(tests, objects_of_others_stay);
    tcase_add_test(tests, a_failing_store_delays_a_sweep_only);
    tcase_add_test(tests, nothing_is_left_of_a_deleted_topic);
    tcase_add_test(tests, a_topic_that_lives_is_not_buried);
    tcase_add_test(tests, a_burial_may_end_after_any_event_and_begin_anew);
    tcase_add_test(tests, it_ends_with_the_log);
    suite_add_tcase(suite, tests);
    return suite;
}
