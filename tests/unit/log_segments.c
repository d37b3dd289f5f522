/* SPDX-License-Identifier: Apache-2.0 */
/* Everything succeeds, or the test ends here. */
#include "unit/log_segments.h"

#include "support/main.h"

/* --- The world ------------------------------------------------------------------------------- */

static void
set_options(struct log_fixture *f, size_t segment_bytes)
{
    f->options.segment_bytes = segment_bytes;
    f->options.compact_interval_ms = INTERVAL_MS;
    f->options.cold_gets_max = 4;
    f->options.block_cache_bytes_min = 1 << 20;
    f->options.read_ahead_bytes_max = 1 << 20;
}

/* An open partition whose segments have three batches. */
struct log_fixture *
segments_world_new(size_t segment_bytes)
{
    struct log_fixture *f = log_fixture_new();

    set_options(f, segment_bytes);
    log_fixture_restart(f);
    return f;
}

/* Appends batches with these sequences, each in an object of its own, and lets things settle. */
void
segments_append(struct log_fixture *f, int32_t first, int32_t count)
{
    for (int32_t i = first; i < first + count; i++) {
        log_fixture_append(f, log_fixture_partition(f), i);
        virtual_env_run_for(&f->v, 20);
    }
    virtual_env_run_for(&f->v, SETTLE_MS);
}

const struct ks_register *
segments_register(struct log_fixture *f)
{
    return &log_fixture_partition(f)->reg;
}

/* --- Objects --------------------------------------------------------------------------------- */

struct got {
    bool is_done;
    enum kafscale_status status;
    struct ks_buffer bytes;
};

static void
on_got(void *arg, enum kafscale_status status, struct kafscale_blob *body, uint64_t object_bytes,
       const struct kafscale_error *error)
{
    struct got *got = arg;

    (void) object_bytes;
    (void) error;
    got->status = status;
    if (status == KAFSCALE_OK) {
        ks_buffer_append(&got->bytes, kafscale_blob_data(body), kafscale_blob_size(body));
    }
    got->is_done = true;
}

/* The object's bytes; false when there is none. */
bool
segments_get(struct log_fixture *f, const char *key, struct ks_buffer *out)
{
    struct kafscale_get request = { .key = key, .size_max = SIZE_MAX };
    struct got got = { 0 };

    ks_buffer_init(&got.bytes, 1 << 24);
    ks_store_get(f->store, &request, on_got, &got);
    ck_assert(virtual_env_run_until(&f->v, &got.is_done, 60000));
    *out = got.bytes;
    return got.status == KAFSCALE_OK;
}

static void
on_written(void *arg, enum kafscale_status status, const struct kafscale_error *error)
{
    (void) error;
    ck_assert_int_eq(status, KAFSCALE_OK);
    *(bool *) arg = true;
}

void
segments_put(struct log_fixture *f, const char *key, struct kafscale_slice bytes)
{
    struct kafscale_part part = { .bytes = bytes };
    struct kafscale_put request = { .key = key, .parts = &part, .part_count = 1 };
    bool is_done = false;

    ks_store_put(f->store, &request, on_written, &is_done);
    ck_assert(virtual_env_run_until(&f->v, &is_done, 60000));
}

void
segments_erase(struct log_fixture *f, const char *key)
{
    struct kafscale_remove request = { .key = key };
    bool is_done = false;

    ks_store_remove(f->store, &request, on_written, &is_done);
    ck_assert(virtual_env_run_until(&f->v, &is_done, 60000));
}

const char *
segments_key(int64_t base, enum ks_segment_kind kind)
{
    static char key[KS_SEGMENT_KEY_BYTES];
    struct ks_segment_home home = { .ns = "unit", .prefix = "t" };

    ks_segment_key(&home, base, kind, key);
    return key;
}

/* The segment of this base and its index agree, and both are ours. */
void
segments_expect(struct log_fixture *f, int64_t base, int64_t last)
{
    struct kafscale_error error = { 0 };
    struct ks_buffer segment;
    struct ks_buffer stored;
    struct ks_index index;
    struct ks_index again;

    ck_assert(segments_get(f, segments_key(base, KS_SEGMENT_INDEX), &stored));
    ck_assert(segments_get(f, segments_key(base, KS_SEGMENT_BODY), &segment));
    ck_assert_int_eq(ks_index_decode(ks_buffer_slice(&stored), &index, &error), KAFSCALE_OK);
    ck_assert_int_eq(ks_index_rebuild(ks_buffer_slice(&segment), base, &again, &error),
                     KAFSCALE_OK);
    ck_assert(index.is_ours);
    ck_assert(ks_id_equals(&index.name.topic, &f->topic));
    ck_assert_int_eq(index.base_offset, base);
    ck_assert_int_eq(index.last_offset, last);
    ck_assert_int_eq(again.last_offset, last);
    ck_assert_uint_eq(again.topic_tag, ks_segment_topic_tag(&f->topic));
    ck_assert_uint_eq(again.body_crc, index.body_crc);
    ck_assert_uint_eq(again.body_bytes, index.body_bytes);
    ks_index_deinit(&again);
    ks_index_deinit(&index);
    ks_buffer_deinit(&segment);
    ks_buffer_deinit(&stored);
}

bool
segments_has(struct log_fixture *f, int64_t base, enum ks_segment_kind kind)
{
    struct ks_buffer bytes;
    bool is_there = segments_get(f, segments_key(base, kind), &bytes);

    ks_buffer_deinit(&bytes);
    return is_there;
}

/* --- Reading --------------------------------------------------------------------------------- */

static void
on_read(struct ks_log_read *read, enum kafscale_status status)
{
    struct segments_reading *reading = KS_CONTAINER(read, struct segments_reading, read);

    reading->status = status;
    reading->is_done = true;
}

void
segments_begin_read(struct log_fixture *f, struct segments_reading *reading, int64_t offset,
                    size_t bytes_max)
{
    *reading = (struct segments_reading){ .read = { .partition = log_fixture_partition(f),
                                                    .offset = offset,
                                                    .bytes_max = bytes_max,
                                                    .is_first_whole = true,
                                                    .done = on_read } };
    reading->is_done = ks_log_read(f->log, &reading->read, &reading->status);
}

void
segments_end_read(struct log_fixture *f, struct segments_reading *reading,
                  enum kafscale_status expected)
{
    ck_assert(virtual_env_run_until(&f->v, &reading->is_done, 600000));
    ck_assert_int_eq(reading->status, expected);
}

/* Every batch of what was read; returns the offset after the last. */
int64_t
segments_check_batches(const struct ks_log_read *read, int64_t next)
{
    for (size_t i = 0; i < read->part_count; i++) {
        struct kafscale_error error = { 0 };
        struct ks_records records;
        struct ks_record record;
        struct ks_batch batch;
        int32_t value;

        ck_assert_int_eq(ks_batch_parse(read->parts[i].bytes, &batch, &error), KAFSCALE_OK);
        ck_assert(ks_batch_crc_is_right(&batch));
        ck_assert_int_eq(batch.base_offset, next);
        ck_assert_int_eq(ks_records_init(&records, &batch, 1 << 20, &error), KAFSCALE_OK);
        ck_assert_int_eq(ks_records_next(&records, &record, &error), KAFSCALE_OK);
        memcpy(&value, record.value.data, sizeof value);
        ck_assert_int_eq(value, next);
        ks_records_deinit(&records);
        next = ks_batch_last_offset(&batch) + 1;
    }
    return next;
}

/* Reads one batch after the other from the start to the end; all of them are there. */
void
segments_expect_records(struct log_fixture *f, int64_t first, int64_t end, size_t bytes_max)
{
    int64_t next = first;

    while (next < end) {
        struct segments_reading reading;
        int64_t before = next;

        segments_begin_read(f, &reading, next, bytes_max);
        segments_end_read(f, &reading, KAFSCALE_OK);
        next = segments_check_batches(&reading.read, next);
        ks_log_read_release(&reading.read);
        ck_assert_int_gt(next, before);
    }
    ck_assert_int_eq(next, end);
}

enum kafscale_status
segments_read_status(struct log_fixture *f, int64_t offset)
{
    struct segments_reading reading;

    segments_begin_read(f, &reading, offset, 1);
    ck_assert(virtual_env_run_until(&f->v, &reading.is_done, 600000));
    ks_log_read_release(&reading.read);
    return reading.status;
}
