/* SPDX-License-Identifier: Apache-2.0 */
/* Everything succeeds, or the test ends here. */
#include "unit/log_fixture.h"

#include "support/main.h"

#include <stdio.h>
#include <stdlib.h>

static void
on_committed(void *arg, struct ks_partition *partition)
{
    (void) arg;
    (void) partition;
}

static void
on_flushed(void *arg)
{
    (void) arg;
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

bool
log_fixture_new_log(struct log_fixture *f)
{
    struct ks_log_events events = { .arg = f,
                                    .committed = on_committed,
                                    .flushed = on_flushed,
                                    .fenced = on_trouble,
                                    .failed = on_trouble };

    ks_env_random(&f->v.env, f->options.incarnation.bytes, KS_ID_BYTES);
    f->log = ks_log_new(&f->v.env, f->store, f->meta, &f->options, &events);
    return f->log != NULL;
}

void
log_fixture_change_topic(struct log_fixture *f, bool is_delete)
{
    char key[100] = "topic/";
    struct kafscale_meta_operation operation = { .key = key,
                                                 .value = ks_slice("x", is_delete ? 0 : 1),
                                                 .is_delete = is_delete };
    struct kafscale_meta_txn txn = { .operations = &operation, .operation_count = 1 };
    bool is_done = false;

    ks_id_to_hex(&f->topic, key + 6);
    ks_meta_txn(f->meta, &txn, on_txn, &is_done);
    ck_assert(virtual_env_run_until(&f->v, &is_done, 60000));
}

static void
connect(struct log_fixture *f)
{
    f->store = ks_store_new(
        &f->v.env,
        ks_fault_store_new(&f->v.env, ks_memory_store_new(&f->v.env, f->bucket), &f->faults));
    f->meta = ks_meta_new(
        &f->v.env,
        flaky_meta_new(&f->v.env, ks_meta_memory_new(&f->v.env, f->meta_bucket, 0), &f->flaky));
}

struct log_fixture *
log_fixture_new(void)
{
    struct log_fixture *f = calloc(1, sizeof *f);

    ck_assert_ptr_nonnull(f);
    virtual_env_init(&f->v, 1);
    f->batch_records = 1;
    f->batch_time_ms = 1000;
    f->bucket = ks_memory_bucket_new();
    f->meta_bucket = ks_meta_bucket_new();
    connect(f);
    ks_env_random(&f->v.env, f->topic.bytes, KS_ID_BYTES);
    log_fixture_change_topic(f, false);
    f->options = (struct ks_log_options){ .ns = "unit",
                                          .flush_bytes = 1 << 20,
                                          .unflushed_bytes_max = 1 << 20,
                                          .producers_max = 100,
                                          .producer_expiration_ms = 86400000 };
    ck_assert(log_fixture_new_log(f));
    return f;
}

static void
on_closed(void *arg)
{
    (void) arg;
}

void
log_fixture_free(struct log_fixture *f)
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

void
log_fixture_crash(struct log_fixture *f)
{
    ks_fault_store_crash(f->faults);
    ks_meta_abandon(f->meta);
    ks_store_abandon(f->store);
    ks_log_abandon(f->log);
    f->log = NULL;
    connect(f);
}

void
log_fixture_restart(struct log_fixture *f)
{
    ks_log_free(f->log);
    ck_assert(log_fixture_new_log(f));
    ck_assert_ptr_nonnull(log_fixture_open(f));
}

void
log_fixture_succeed(struct log_fixture *f)
{
    log_fixture_crash(f);
    ck_assert(log_fixture_new_log(f));
    ck_assert_ptr_nonnull(log_fixture_open(f));
}

void
log_fixture_on_opened(void *arg, enum kafscale_status status, const struct kafscale_error *error)
{
    struct log_fixture *f = arg;

    (void) error;
    f->open_status = status;
    f->is_opened = true;
}

struct ks_partition *
log_fixture_partition(struct log_fixture *f)
{
    struct ks_partition_name name = { .topic = f->topic };

    return ks_log_find(f->log, &name);
}

bool
log_fixture_begin_open(struct log_fixture *f, struct ks_log_open *open,
                       struct ks_partition_name *name, const char **topic_name)
{
    *name = (struct ks_partition_name){ .topic = f->topic };
    *topic_name = "t";
    *open = (struct ks_log_open){
        .names = name, .topic_names = topic_name, .count = 1, .results = &f->result
    };
    f->is_opened = false;
    return ks_log_open(f->log, open, log_fixture_on_opened, f) == KAFSCALE_OK;
}

struct ks_partition *
log_fixture_open(struct log_fixture *f)
{
    struct ks_partition_name name;
    const char *topic_name;
    struct ks_log_open open;

    if (!log_fixture_begin_open(f, &open, &name, &topic_name)) {
        return NULL;
    }
    ck_assert(virtual_env_run_until(&f->v, &f->is_opened, 600000));
    return log_fixture_partition(f);
}

static void
on_appended(struct ks_append *append, enum ks_append_result result)
{
    struct log_fixture *f = append->arg;

    f->answered++;
    f->acknowledged += result == KS_APPEND_OK;
    append->result = result;
}

/* A batch of records whose value is the sequence of the first; not under a shortage of memory. */
struct ks_append *
log_fixture_make_append(struct log_fixture *f, int32_t sequence)
{
    struct ks_append *append = &f->appends[f->append_count++];
    struct ks_batch_options options = { .producer_id = 7, .base_sequence = sequence };
    size_t value_bytes = f->value_bytes > sizeof sequence ? f->value_bytes : sizeof sequence;
    uint8_t *value = calloc(1, value_bytes);
    struct ks_record record = { .timestamp = f->batch_time_ms,
                                .value = ks_slice(value, value_bytes) };
    struct ks_batch_builder builder;
    struct kafscale_error error = { 0 };
    struct ks_buffer out;

    ck_assert_uint_le(f->append_count, APPENDS_MAX);
    ck_assert_ptr_nonnull(value);
    memcpy(value, &sequence, sizeof sequence);
    ks_buffer_init(&out, 1 << 20);
    ks_batch_builder_init(&builder, &options);
    for (int32_t i = 0; i < f->batch_records; i++) {
        ks_batch_builder_append(&builder, &record);
    }
    ck_assert_int_eq(ks_batch_builder_finish(&builder, &out, &error), KAFSCALE_OK);
    *append = (struct ks_append){ .done = on_appended, .arg = f };
    append->owner = kafscale_blob_new(out.size);
    memcpy(kafscale_blob_data(append->owner), out.data, out.size);
    ck_assert_int_eq(ks_batch_parse(kafscale_blob_slice(append->owner), &append->batch, &error),
                     KAFSCALE_OK);
    ks_batch_builder_deinit(&builder);
    ks_buffer_deinit(&out);
    free(value);
    return append;
}

void
log_fixture_append(struct log_fixture *f, struct ks_partition *partition, int32_t sequence)
{
    ks_log_append(f->log, partition, log_fixture_make_append(f, sequence));
}

void
log_fixture_append_apart(struct log_fixture *f, int count, int64_t apart_ms)
{
    for (int i = 0; i < count; i++) {
        log_fixture_append(f, log_fixture_partition(f), (int32_t) f->append_count);
        virtual_env_run_for(&f->v, apart_ms);
    }
    ck_assert_uint_eq(f->acknowledged, f->append_count);
}

/* --- What there is --- */

struct ks_log_counters
log_fixture_counters(const struct log_fixture *f)
{
    struct ks_log_counters counters;

    ks_log_get_counters(f->log, &counters);
    return counters;
}

uint64_t
log_fixture_requests(const struct log_fixture *f)
{
    const struct ks_store_counters *counters = ks_store_counters(f->store);
    uint64_t count = 0;

    for (int i = 0; i < KS_STORE_OPERATION_COUNT; i++) {
        count += counters->requests[i];
    }
    return count;
}

int64_t
log_fixture_log_start(struct log_fixture *f)
{
    return ks_partition_log_start(log_fixture_partition(f));
}

static void
on_listed(void *arg, enum kafscale_status status, const struct kafscale_list_entry *entries,
          size_t entry_count, bool is_truncated, const struct kafscale_error *error)
{
    (void) entries;
    (void) error;
    ck_assert_int_eq(status, KAFSCALE_OK);
    ck_assert(!is_truncated);
    *(size_t *) arg = entry_count;
}

size_t
log_fixture_count_objects(struct log_fixture *f, const char *kind)
{
    char prefix[100];
    struct kafscale_list list = { .prefix = prefix, .count_max = 1000 };
    size_t count = SIZE_MAX;

    snprintf(prefix, sizeof prefix, "unit/__kafscale/%s/", kind);
    ks_store_list(f->store, &list, on_listed, &count);
    virtual_env_run_for(&f->v, 1000);
    ck_assert_uint_ne(count, SIZE_MAX);
    return count;
}

static void
on_read(struct ks_log_read *read, enum kafscale_status status)
{
    ck_assert_int_eq(status, KAFSCALE_OK);
    *(bool *) read->arg = true;
}

void
log_fixture_expect_records(struct log_fixture *f, int64_t first, int64_t end, size_t bytes_max)
{
    struct kafscale_error error = { 0 };
    int64_t offset = first;

    ck_assert_int_eq(ks_partition_high_watermark(log_fixture_partition(f)), end);
    while (offset < end) {
        bool is_done = false;
        enum kafscale_status status = KAFSCALE_OK;
        struct ks_log_read read = { .partition = log_fixture_partition(f),
                                    .offset = offset,
                                    .bytes_max = bytes_max,
                                    .is_first_whole = true,
                                    .done = on_read,
                                    .arg = &is_done };

        if (!ks_log_read(f->log, &read, &status)) {
            ck_assert(virtual_env_run_until(&f->v, &is_done, 60000));
        }
        ck_assert_int_eq(status, KAFSCALE_OK);
        ck_assert_uint_gt(read.part_count, 0);
        for (size_t i = 0; i < read.part_count; i++) {
            struct ks_batch batch;

            ck_assert_int_eq(ks_batch_parse(read.parts[i].bytes, &batch, &error), KAFSCALE_OK);
            ck_assert_int_eq(batch.base_offset, offset);
            ck_assert_int_eq(batch.base_sequence, (int32_t) offset);
            offset++;
        }
        ks_log_read_release(&read);
    }
}

/* --- What goes --- */

void
log_fixture_limit(struct log_fixture *f, int64_t ms, int64_t bytes)
{
    struct ks_retention retention = { .ms = ms, .bytes = bytes };

    ks_log_set_retention(f->log, log_fixture_partition(f), &retention);
}

void
log_fixture_on_raised(void *arg, enum kafscale_status status)
{
    ck_assert_int_eq(status, KAFSCALE_OK);
    *(bool *) arg = true;
}

void
log_fixture_raise_start(struct log_fixture *f, int64_t offset)
{
    bool is_done = false;

    ck_assert_int_eq(ks_log_raise_start(f->log, log_fixture_partition(f), offset,
                                        log_fixture_on_raised, &is_done),
                     KAFSCALE_OK);
    ck_assert(virtual_env_run_until(&f->v, &is_done, 600000));
}
