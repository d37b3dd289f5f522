/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One log on a virtual clock, over a store with faults on demand: what the simulation would
 * meet too seldom, such as each failed allocation, a store that stays away, and a log that is
 * freed in the middle of anything.
 */
#include "log/log.h"
#include "support/main.h"
#include "support/virtual_env.h"

#include <stdlib.h>

#define APPENDS_MAX 64

struct fixture {
    struct virtual_env v;
    struct ks_memory_bucket *bucket;
    struct ks_fault_store *faults;
    struct ks_store *store;
    struct ks_meta_bucket *meta_bucket;
    struct ks_meta *meta;
    struct ks_id topic;
    struct ks_log *log;
    struct ks_log_options options;
    struct ks_append appends[APPENDS_MAX];
    size_t append_count;
    size_t answered;
    size_t acknowledged;
    size_t answered_when_stopped;
    bool is_stopped;
    bool is_opened;
    enum kafscale_status open_status;
    enum kafscale_status result;
    bool is_looked;
    enum kafscale_status look_status;
};

static void
on_committed(void *arg, struct ks_partition *partition)
{
    (void) arg;
    (void) partition;
}

static void
on_trouble(void *arg, const struct kafscale_error *error)
{
    (void) arg;
    (void) error;
}

static void
on_txn(void *arg, enum kafscale_status status, uint64_t revision,
       const struct kafscale_error *error)
{
    (void) revision;
    (void) error;
    ck_assert_int_eq(status, KAFSCALE_OK);
    *(bool *) arg = true;
}

static bool
new_log(struct fixture *f)
{
    struct ks_log_events events = {
        .arg = f, .committed = on_committed, .fenced = on_trouble, .failed = on_trouble
    };

    ks_env_random(&f->v.env, f->options.incarnation.bytes, KS_ID_BYTES);
    f->log = ks_log_new(&f->v.env, f->store, f->meta, &f->options, &events);
    return f->log != NULL;
}

static void
create_topic(struct fixture *f)
{
    char key[100] = "topic/";
    struct kafscale_meta_operation operation = { .key = key, .value = ks_slice("x", 1) };
    struct kafscale_meta_txn txn = { .operations = &operation, .operation_count = 1 };
    bool is_done = false;

    ks_id_to_hex(&f->topic, key + 6);
    ks_meta_txn(f->meta, &txn, on_txn, &is_done);
    ck_assert(virtual_env_run_until(&f->v, &is_done, 60000));
}

static struct fixture *
fixture_new(void)
{
    struct fixture *f = calloc(1, sizeof *f);

    ck_assert_ptr_nonnull(f);
    virtual_env_init(&f->v, 1);
    f->bucket = ks_memory_bucket_new();
    f->store = ks_store_new(
        &f->v.env,
        ks_fault_store_new(&f->v.env, ks_memory_store_new(&f->v.env, f->bucket), &f->faults));
    f->meta_bucket = ks_meta_bucket_new();
    f->meta = ks_meta_new(&f->v.env, ks_meta_memory_new(&f->v.env, f->meta_bucket, 0));
    ks_env_random(&f->v.env, f->topic.bytes, KS_ID_BYTES);
    create_topic(f);
    f->options = (struct ks_log_options){ .ns = "unit",
                                          .flush_bytes = 1 << 20,
                                          .unflushed_bytes_max = 1 << 20,
                                          .producers_max = 100,
                                          .producer_expiration_ms = 86400000 };
    ck_assert(new_log(f));
    return f;
}

static void
on_closed(void *arg)
{
    (void) arg;
}

static void
fixture_free(struct fixture *f)
{
    ks_alloc_fail_after(UINT64_MAX);
    ks_fault_store_clear(f->faults);
    ks_log_free(f->log);
    virtual_env_run_for(&f->v, 60000);
    ks_meta_close(f->meta, on_closed, NULL);
    ks_store_close(f->store, on_closed, NULL);
    virtual_env_run_for(&f->v, 60000);
    ks_meta_bucket_free(f->meta_bucket);
    ks_memory_bucket_unref(f->bucket);
    for (size_t i = 0; i < f->append_count; i++) {
        kafscale_blob_unref(f->appends[i].owner);
    }
    free(f);
}

static void
on_opened(void *arg, enum kafscale_status status, const struct kafscale_error *error)
{
    struct fixture *f = arg;

    (void) error;
    f->open_status = status;
    f->is_opened = true;
}

static struct ks_partition *
partition_of(struct fixture *f)
{
    struct ks_partition_name name = { .topic = f->topic };

    return ks_log_find(f->log, &name);
}

static bool
begin_open(struct fixture *f, struct ks_log_open *open, struct ks_partition_name *name,
           const char **topic_name)
{
    *name = (struct ks_partition_name){ .topic = f->topic };
    *topic_name = "t";
    *open = (struct ks_log_open){
        .names = name, .topic_names = topic_name, .count = 1, .results = &f->result
    };
    f->is_opened = false;
    return ks_log_open(f->log, open, on_opened, f) == KAFSCALE_OK;
}

static struct ks_partition *
open_partition(struct fixture *f)
{
    struct ks_partition_name name;
    const char *topic_name;
    struct ks_log_open open;

    if (!begin_open(f, &open, &name, &topic_name)) {
        return NULL;
    }
    ck_assert(virtual_env_run_until(&f->v, &f->is_opened, 600000));
    return partition_of(f);
}

static void
on_appended(struct ks_append *append, enum ks_append_result result)
{
    struct fixture *f = append->arg;

    f->answered++;
    f->acknowledged += result == KS_APPEND_OK;
    append->result = result;
}

/* A batch of one record whose value is the sequence; not under a shortage of memory. */
static struct ks_append *
make_append(struct fixture *f, int32_t sequence)
{
    struct ks_append *append = &f->appends[f->append_count++];
    struct ks_batch_options options = { .producer_id = 7, .base_sequence = sequence };
    struct ks_record record = { .timestamp = 1000, .value = ks_slice(&sequence, sizeof sequence) };
    struct ks_batch_builder builder;
    struct kafscale_error error = { 0 };
    struct ks_buffer out;

    ck_assert_uint_le(f->append_count, APPENDS_MAX);
    ks_buffer_init(&out, 1 << 20);
    ks_batch_builder_init(&builder, &options);
    ks_batch_builder_append(&builder, &record);
    ck_assert_int_eq(ks_batch_builder_finish(&builder, &out, &error), KAFSCALE_OK);
    *append = (struct ks_append){ .done = on_appended, .arg = f };
    append->owner = kafscale_blob_new(out.size);
    memcpy(kafscale_blob_data(append->owner), out.data, out.size);
    ck_assert_int_eq(ks_batch_parse(kafscale_blob_slice(append->owner), &append->batch, &error),
                     KAFSCALE_OK);
    ks_batch_builder_deinit(&builder);
    ks_buffer_deinit(&out);
    return append;
}

static void
append_batch(struct fixture *f, struct ks_partition *partition, int32_t sequence)
{
    ks_log_append(f->log, partition, make_append(f, sequence));
}

static void
on_stopped(void *arg)
{
    struct fixture *f = arg;

    f->is_stopped = true;
    f->answered_when_stopped = f->answered;
}

static void
store_is_away(struct fixture *f, enum ks_store_operation operation)
{
    ks_fault_store_next(f->faults, operation, "/wal/",
                        (struct ks_fate){ .fault = KS_FAULT_UNAVAILABLE }, UINT32_MAX);
}

/* Whoever is told that the log has stopped may free what its appends pointed to. */
START_TEST(a_stop_that_gives_up_answers_every_append_first)
{
    struct fixture *f = fixture_new();
    struct ks_partition *partition = open_partition(f);

    store_is_away(f, KS_STORE_PUT);
    append_batch(f, partition, 0);
    append_batch(f, partition, 1);
    ks_log_stop(f->log, 100, on_stopped, f);
    ck_assert(virtual_env_run_until(&f->v, &f->is_stopped, 1000));
    ck_assert_uint_eq(f->answered_when_stopped, 2);
    ck_assert_uint_eq(f->acknowledged, 0);
    fixture_free(f);
}
END_TEST

START_TEST(no_answer_comes_after_the_log_was_freed)
{
    struct fixture *f = fixture_new();
    struct ks_partition *partition = open_partition(f);

    f->options.unflushed_bytes_max = 1;
    append_batch(f, partition, 0);
    append_batch(f, partition, 5);
    ks_log_free(f->log);
    f->log = NULL;
    virtual_env_run_for(&f->v, 10000);
    ck_assert_uint_eq(f->answered, 0);
    fixture_free(f);
}
END_TEST

static void
on_read(struct ks_log_read *read, enum kafscale_status status)
{
    *(enum kafscale_status *) read->arg = status;
}

/* The reader's memory goes with its owner, right after the log. */
START_TEST(a_read_under_way_is_not_touched_after_the_log_was_freed)
{
    for (int round = 0; round < 2; round++) {
        struct fixture *f = fixture_new();
        struct ks_partition *partition = open_partition(f);
        struct ks_log_read *read = calloc(1, sizeof *read);
        enum kafscale_status status = KAFSCALE_OK;
        enum kafscale_status told = KAFSCALE_OK;

        ck_assert_ptr_nonnull(read);
        append_batch(f, partition, 0);
        virtual_env_run_for(&f->v, 1000);
        *read = (struct ks_log_read){ .partition = partition,
                                      .bytes_max = 1000,
                                      .is_first_whole = true,
                                      .done = on_read,
                                      .arg = &told };
        store_is_away(f, KS_STORE_GET);
        ck_assert(!ks_log_read(f->log, read, &status));
        virtual_env_run_for(&f->v, round * 2);
        ks_log_free(f->log);
        f->log = NULL;
        free(read);
        virtual_env_run_for(&f->v, 10000);
        fixture_free(f);
    }
}
END_TEST

/* The owner closes its stores when the stop is told: nothing may be asked of them any more. */
START_TEST(after_a_stop_that_gave_up_the_stores_are_left_alone)
{
    struct fixture *f = fixture_new();
    struct ks_partition *partition = open_partition(f);
    struct ks_log_read read = { .bytes_max = 1000, .is_first_whole = true, .done = on_read };
    enum kafscale_status status = KAFSCALE_OK;
    enum kafscale_status told = KAFSCALE_OK;
    uint64_t requests;

    append_batch(f, partition, 0);
    virtual_env_run_for(&f->v, 1000);
    store_is_away(f, KS_STORE_GET);
    store_is_away(f, KS_STORE_PUT);
    append_batch(f, partition, 1);
    ks_log_stop(f->log, 4, on_stopped, f);
    virtual_env_run_for(&f->v, 3);
    read.partition = partition;
    read.arg = &told;
    ck_assert(!ks_log_read(f->log, &read, &status));
    ck_assert(virtual_env_run_until(&f->v, &f->is_stopped, 1000));
    requests = ks_store_counters(f->store)->requests[KS_STORE_GET] +
               ks_store_counters(f->store)->requests[KS_STORE_PUT];
    virtual_env_run_for(&f->v, 10000);
    ck_assert_uint_eq(requests, ks_store_counters(f->store)->requests[KS_STORE_GET] +
                                    ks_store_counters(f->store)->requests[KS_STORE_PUT]);
    ck_assert_int_eq(told, KAFSCALE_STOPPED);
    fixture_free(f);
}
END_TEST

/*
 * Durability 1, idempotent producers: what was refused stays next, also of a producer never
 * seen before.
 */
START_TEST(nothing_overtakes_the_first_batch_of_a_producer_when_that_was_refused)
{
    struct fixture *f = fixture_new();
    struct ks_partition *partition;

    ks_log_free(f->log);
    f->options.unflushed_bytes_max = 100;
    ck_assert(new_log(f));
    partition = open_partition(f);
    append_batch(f, partition, 0);
    (void) make_append(f, 0);
    f->appends[1].batch.producer_id = 8;
    ks_log_append(f->log, partition, &f->appends[1]);
    virtual_env_run_for(&f->v, 1000);
    ck_assert_int_eq(f->appends[1].result, KS_APPEND_FULL);
    (void) make_append(f, 1);
    f->appends[2].batch.producer_id = 8;
    ks_log_append(f->log, partition, &f->appends[2]);
    virtual_env_run_for(&f->v, 1000);
    ck_assert_int_eq(f->appends[2].result, KS_APPEND_OUT_OF_ORDER);
    fixture_free(f);
}
END_TEST

static void
on_looked(void *arg, enum kafscale_status status)
{
    struct fixture *f = arg;

    f->look_status = status;
    f->is_looked = true;
}

/* A slot under way that is stored already hides nothing: the seal lies in the one after it. */
START_TEST(a_look_finds_a_seal_behind_an_object_under_way)
{
    struct fixture *f = fixture_new();
    struct ks_partition *partition = open_partition(f);
    struct ks_log *first = f->log;

    ks_fault_store_next(f->faults, KS_STORE_PUT, "/wal/",
                        (struct ks_fate){ .fault = KS_FAULT_NONE, .answer_ms = 50000 }, 1);
    append_batch(f, partition, 0);
    virtual_env_run_for(&f->v, 100);
    ck_assert_uint_eq(f->answered, 0);
    ck_assert(new_log(f));
    ck_assert_ptr_nonnull(open_partition(f));
    ck_assert_int_eq(ks_log_look(first, on_looked, f), KAFSCALE_OK);
    ck_assert(virtual_env_run_until(&f->v, &f->is_looked, 1000));
    ck_assert_int_eq(f->look_status, KAFSCALE_FENCED);
    ks_log_free(first);
    fixture_free(f);
}
END_TEST

/*
 * What becomes of an opening, an append, a reading and a stop when memory ends at allocation
 * `k`.
 */
static bool
run_short_of_memory(uint64_t k)
{
    struct fixture *f = fixture_new();
    struct ks_partition *partition;
    enum kafscale_status status = KAFSCALE_OK;
    enum kafscale_status told = KAFSCALE_OK;
    struct ks_log_read read = {
        .bytes_max = 1000, .is_first_whole = true, .done = on_read, .arg = &told
    };
    size_t acknowledged;
    bool was_enough;

    partition = open_partition(f);
    append_batch(f, partition, 0);
    virtual_env_run_for(&f->v, 1000);
    ks_log_free(f->log);
    virtual_env_run_for(&f->v, 1000);
    for (int32_t i = 1; i < 4; i++) {
        (void) make_append(f, i);
    }
    ck_assert(new_log(f));
    ks_alloc_fail_after(k);
    {
        struct ks_partition_name name;
        const char *topic_name;
        struct ks_log_open open;

        if (begin_open(f, &open, &name, &topic_name)) {
            virtual_env_run_for(&f->v, 30000);
        } else {
            f->is_opened = true;
        }
        partition = f->is_opened ? partition_of(f) : NULL;
        for (size_t i = 1; i < 4 && partition != NULL; i++) {
            ks_log_append(f->log, partition, &f->appends[i]);
        }
        virtual_env_run_for(&f->v, 3000);
        read.partition = partition;
        if (partition != NULL) {
            (void) ks_log_read(f->log, &read, &status);
        }
        virtual_env_run_for(&f->v, 10000);
        ks_log_read_release(&read);
        acknowledged = f->acknowledged;
        was_enough = f->is_opened && partition != NULL && acknowledged == 4;
        ks_log_stop(f->log, 1000, on_stopped, f);
        virtual_env_run_for(&f->v, 30000);
        ck_assert(f->is_stopped);
        ks_alloc_fail_after(UINT64_MAX);
        virtual_env_run_for(&f->v, 30000);
        ck_assert(f->is_opened);
    }
    ks_log_free(f->log);
    virtual_env_run_for(&f->v, 30000);
    ck_assert(new_log(f));
    partition = open_partition(f);
    ck_assert_ptr_nonnull(partition);
    ck_assert_int_ge(ks_partition_high_watermark(partition), (int64_t) acknowledged);
    ck_assert_int_le(ks_partition_high_watermark(partition), 4);
    fixture_free(f);
    return was_enough;
}

START_TEST(each_allocation_may_fail)
{
    uint64_t k = 0;

    while (!run_short_of_memory(k)) {
        k++;
        ck_assert_uint_lt(k, 1000);
    }
    ck_assert_uint_gt(k, 30);
}
END_TEST

/*
 * A crash at any moment of opening, sealing, reading and appending: nothing is left, nothing is
 * touched.
 */
START_TEST(a_log_may_be_freed_at_any_moment)
{
    for (int64_t at_ms = 0; at_ms < 60; at_ms++) {
        struct fixture *f = fixture_new();
        struct ks_partition *partition = open_partition(f);
        struct ks_partition_name name;
        const char *topic_name;
        struct ks_log_open open;

        append_batch(f, partition, 0);
        virtual_env_run_for(&f->v, 1000);
        ks_log_free(f->log);
        ks_fault_store_next(f->faults, KS_STORE_OPERATION_COUNT, "/wal/",
                            (struct ks_fate){ .fault = KS_FAULT_UNAVAILABLE, .answer_ms = 5 }, 3);
        ck_assert(new_log(f));
        ck_assert(begin_open(f, &open, &name, &topic_name));
        virtual_env_run_for(&f->v, at_ms);
        if (f->is_opened && partition_of(f) != NULL) {
            append_batch(f, partition_of(f), 1);
            virtual_env_run_for(&f->v, 1);
        }
        ks_log_free(f->log);
        f->log = NULL;
        /* Only requests may be under way, and those of the store take no longer. */
        virtual_env_run_for(&f->v, 5);
        ck_assert(virtual_env_run_until_idle(&f->v, 0));
        fixture_free(f);
    }
}
END_TEST

Suite *
suite_new(void)
{
    Suite *suite = suite_create("log_log");
    TCase *tests = tcase_create("all");

    tcase_set_timeout(tests, 100);
    tcase_add_test(tests, a_stop_that_gives_up_answers_every_append_first);
    tcase_add_test(tests, no_answer_comes_after_the_log_was_freed);
    tcase_add_test(tests, a_read_under_way_is_not_touched_after_the_log_was_freed);
    tcase_add_test(tests, after_a_stop_that_gave_up_the_stores_are_left_alone);
    tcase_add_test(tests, nothing_overtakes_the_first_batch_of_a_producer_when_that_was_refused);
    tcase_add_test(tests, a_look_finds_a_seal_behind_an_object_under_way);
    tcase_add_test(tests, each_allocation_may_fail);
    tcase_add_test(tests, a_log_may_be_freed_at_any_moment);
    suite_add_tcase(suite, tests);
    return suite;
}
