/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The death of a broker at every moment of its life: ks_log_abandon. A leak, a touch of freed
 * memory or a completion afterwards is what these tests are for; sanitizers see the first two.
 */
#include "support/main.h"
#include "unit/log_fixture.h"

#include <stdlib.h>

#define SEEDS 6
#define READS 4

enum under_way { OPENING, APPEND, READ, LOOK, RELEASE, STOP, UNDER_WAY_COUNT };

/* A life from opening to stopping, with everything in it that a log can do. */
struct life {
    struct log_fixture *f;
    struct ks_partition_name names[2];
    const char *topic_names[2];
    enum kafscale_status results[2];
    struct ks_log_open opens[2];
    struct ks_log_read *reads[READS];
    size_t read_count;
    size_t under_way[UNDER_WAY_COUNT];
    struct ks_timer release_timer;
    struct ks_timer stop_timer;
    bool is_dead;
    bool is_over;
};

static void
end_of(struct life *life, enum under_way what)
{
    ck_assert(!life->is_dead);
    ck_assert_uint_gt(life->under_way[what], 0);
    life->under_way[what]--;
}

static void
on_appended(struct ks_append *append, enum ks_append_result result)
{
    struct life *life = append->arg;

    end_of(life, APPEND);
    life->f->acknowledged += result == KS_APPEND_OK;
}

static void
on_read(struct ks_log_read *read, enum kafscale_status status)
{
    (void) status;
    end_of(read->arg, READ);
    ks_log_read_release(read);
}

static void
on_looked(void *arg, enum kafscale_status status)
{
    (void) status;
    end_of(arg, LOOK);
}

static void
on_stopped(void *arg)
{
    struct life *life = arg;

    end_of(life, STOP);
    life->is_over = true;
}

static void
begin_read(struct life *life, struct ks_partition *partition, int64_t offset)
{
    struct ks_log_read *read = calloc(1, sizeof *read);
    enum kafscale_status status = KAFSCALE_OK;

    ck_assert_ptr_nonnull(read);
    ck_assert_uint_lt(life->read_count, READS);
    *read = (struct ks_log_read){ .partition = partition,
                                  .offset = offset,
                                  .bytes_max = 1000,
                                  .is_first_whole = true,
                                  .done = on_read,
                                  .arg = life };
    life->reads[life->read_count++] = read;
    if (ks_log_read(life->f->log, read, &status)) {
        ks_log_read_release(read);
    } else {
        life->under_way[READ]++;
    }
}

static void
work(void *arg)
{
    struct life *life = arg;
    struct log_fixture *f = life->f;
    struct ks_partition *partition = log_fixture_partition(f);

    if (partition != NULL) {
        for (int i = 0; i < 2; i++) {
            int32_t sequence = (int32_t) f->append_count;
            struct ks_append *append = log_fixture_make_append(f, sequence);

            append->done = on_appended;
            append->arg = life;
            life->under_way[APPEND]++;
            ks_log_append(f->log, partition, append);
        }
        begin_read(life, partition, (int64_t) life->read_count);
    }
    life->under_way[LOOK]++;
    ck_assert_int_eq(ks_log_look(f->log, on_looked, life), KAFSCALE_OK);
}

static void
on_released(void *arg, enum kafscale_status status, const struct kafscale_error *error)
{
    (void) status;
    (void) error;
    end_of(arg, RELEASE);
}

static void
release(void *arg)
{
    struct life *life = arg;
    struct ks_log_release ask = { .names = life->names, .count = 2, .results = life->results };

    work(life);
    life->under_way[RELEASE]++;
    ck_assert_int_eq(ks_log_release(life->f->log, &ask, on_released, life), KAFSCALE_OK);
}

static void
stop(void *arg)
{
    struct life *life = arg;

    work(life);
    life->under_way[STOP]++;
    ks_log_stop(life->f->log, 60, on_stopped, life);
}

static void
on_opened(void *arg, enum kafscale_status status, const struct kafscale_error *error)
{
    struct life *life = arg;

    (void) status;
    (void) error;
    end_of(life, OPENING);
    work(life);
}

/*
 * Two openings, of which one waits for the other; work; a release and a stop in the middle of
 * work.
 */
static void
begin(struct life *life, struct log_fixture *f, uint64_t seed)
{
    struct ks_fault_rates rates = { .slow = 1000000, .slow_ms_max = 4, .late_ms_max = 100 };
    int64_t now_ms = ks_env_now_ms(&f->v.env);

    rates.faults[KS_FAULT_UNAVAILABLE] = 100000;
    rates.faults[KS_FAULT_ERROR_AFTER] = 100000;
    rates.faults[KS_FAULT_LATE] = 50000;
    ks_fault_store_set_rates(f->faults, &rates, seed);
    *life = (struct life){ .f = f };
    ck_assert(log_fixture_new_log(f));
    for (int32_t i = 0; i < 2; i++) {
        life->names[i] = (struct ks_partition_name){ .topic = f->topic, .index = i };
        life->topic_names[i] = "t";
        life->opens[i] = (struct ks_log_open){ .names = &life->names[i],
                                               .topic_names = &life->topic_names[i],
                                               .count = 1,
                                               .results = &life->results[i] };
    }
    life->under_way[OPENING]++;
    ck_assert_int_eq(ks_log_open(f->log, &life->opens[0], on_opened, life), KAFSCALE_OK);
    life->under_way[OPENING]++;
    ck_assert_int_eq(ks_log_open(f->log, &life->opens[1], on_opened, life), KAFSCALE_OK);
    life->release_timer = (struct ks_timer){ .on_due = release, .arg = life };
    life->stop_timer = (struct ks_timer){ .on_due = stop, .arg = life };
    if (seed % 2 == 0) {
        ks_env_set_timer(&f->v.env, &life->release_timer, now_ms + 40 + (int64_t) (seed % 3) * 40);
    }
    ks_env_set_timer(&f->v.env, &life->stop_timer, now_ms + 50 + (int64_t) (seed % 3) * 40);
}

/* All that was lent to the dead log goes at once: nothing may refer to it any more. */
static void
bury(struct life *life)
{
    struct log_fixture *f = life->f;

    life->is_dead = true;
    ks_env_cancel_timer(&f->v.env, &life->release_timer);
    ks_env_cancel_timer(&f->v.env, &life->stop_timer);
    for (size_t i = 0; i < life->read_count; i++) {
        free(life->reads[i]);
    }
    for (size_t i = 0; i < f->append_count; i++) {
        kafscale_blob_unref(f->appends[i].owner);
        memset(&f->appends[i], 0xee, sizeof f->appends[i]);
    }
    f->append_count = 0;
    memset(life->opens, 0xee, sizeof life->opens);
    memset(life->names, 0xee, sizeof life->names);
    memset(life->topic_names, 0xee, sizeof life->topic_names);
}

static void
note_stopped(void *arg)
{
    *(bool *) arg = true;
}

/* A log that was not closed, one that was, and one that was not: all must be replayed. */
static struct log_fixture *
with_a_past(void)
{
    struct log_fixture *f = log_fixture_new();

    for (int32_t i = 0; i < 3; i++) {
        log_fixture_append(f, log_fixture_open(f), i);
        virtual_env_run_for(&f->v, 100);
        if (i == 1) {
            bool is_stopped = false;

            ks_log_stop(f->log, 1000, note_stopped, &is_stopped);
            ck_assert(virtual_env_run_until(&f->v, &is_stopped, 1000));
        }
        log_fixture_crash(f);
        ck_assert(log_fixture_new_log(f));
    }
    ck_assert_uint_eq(f->acknowledged, 3);
    log_fixture_crash(f);
    return f;
}

/* Another broker opens the partition and finds what was acknowledged, and nothing made up. */
static void
check_heir(struct log_fixture *f, size_t appended_max)
{
    int64_t end;

    ck_assert(log_fixture_new_log(f));
    ck_assert_ptr_nonnull(log_fixture_open(f));
    end = ks_partition_high_watermark(log_fixture_partition(f));
    ck_assert_int_ge(end, (int64_t) f->acknowledged);
    ck_assert_int_le(end, (int64_t) appended_max);
}

/* A life that ends after `step` events; false when it was over before that. */
static bool
die_after(uint64_t step, uint64_t seed, size_t under_way[UNDER_WAY_COUNT])
{
    struct log_fixture *f = with_a_past();
    struct life life;
    size_t appended;
    bool was_over;

    begin(&life, f, seed);
    while (step > 0 && !life.is_over && virtual_env_step(&f->v)) {
        step--;
    }
    was_over = life.is_over;
    for (int i = 0; i < UNDER_WAY_COUNT; i++) {
        under_way[i] += life.under_way[i] > 0;
    }
    appended = f->append_count;
    log_fixture_crash(f);
    bury(&life);
    virtual_env_run_for(&f->v, 10000);
    check_heir(f, appended);
    log_fixture_free(f);
    return !was_over;
}

START_TEST(a_broker_may_die_after_any_event)
{
    size_t under_way[UNDER_WAY_COUNT] = { 0 };

    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        uint64_t step = 0;

        while (die_after(step, seed, under_way)) {
            step++;
            ck_assert_uint_lt(step, 2000);
        }
        ck_assert_uint_gt(step, 50);
    }
    for (int i = 0; i < UNDER_WAY_COUNT; i++) {
        ck_assert_uint_gt(under_way[i], 10);
    }
}
END_TEST

/* What a reader was given is its own: it holds the bytes, not the log. */
START_TEST(batches_that_were_read_outlive_the_log)
{
    struct log_fixture *f = log_fixture_new();
    struct ks_log_read read = { .bytes_max = 1000, .is_first_whole = true };
    enum kafscale_status status = KAFSCALE_OK;
    struct ks_batch batch;
    struct kafscale_error error = { 0 };

    f->options.cache_bytes_max = 1 << 20;
    ks_log_free(f->log);
    ck_assert(log_fixture_new_log(f));
    read.partition = log_fixture_open(f);
    log_fixture_append(f, log_fixture_partition(f), 0);
    virtual_env_run_for(&f->v, 1000);
    ck_assert(ks_log_read(f->log, &read, &status));
    ck_assert_uint_eq(read.part_count, 1);
    log_fixture_crash(f);
    kafscale_blob_unref(f->appends[0].owner);
    f->append_count = 0;
    ck_assert_int_eq(ks_batch_parse(read.parts[0].bytes, &batch, &error), KAFSCALE_OK);
    ck_assert(ks_batch_crc_is_right(&batch));
    ks_log_read_release(&read);
    log_fixture_free(f);
}
END_TEST

Suite *
suite_new(void)
{
    Suite *suite = suite_create("log_crash");
    TCase *tests = tcase_create("all");

    tcase_set_timeout(tests, 200);
    tcase_add_test(tests, a_broker_may_die_after_any_event);
    tcase_add_test(tests, batches_that_were_read_outlive_the_log);
    suite_add_tcase(suite, tests);
    return suite;
}
