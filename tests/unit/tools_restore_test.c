/* SPDX-License-Identifier: Apache-2.0 */
/* The segments of a restored topic: whatever clients have said, others can go on from them. */
#include "support/main.h"
#include "support/virtual_env.h"
#include "tools/restore_write.h"

/* A batch of producer 7 with this timestamp. */
static void
add(struct ks_segment_writer *writer, int32_t sequence, int64_t timestamp)
{
    struct ks_batch_options options = { .base_offset = sequence,
                                        .producer_id = 7,
                                        .base_sequence = sequence };
    struct ks_record record = { .timestamp = timestamp, .value = ks_slice("x", 1) };
    struct kafscale_error error = { 0 };
    struct ks_batch_builder builder;
    struct ks_batch batch;
    struct ks_buffer out;

    ks_buffer_init(&out, 1000);
    ks_batch_builder_init(&builder, &options);
    ks_batch_builder_append(&builder, &record);
    ck_assert_int_eq(ks_batch_builder_finish(&builder, &out, &error), KAFSCALE_OK);
    ck_assert_int_eq(ks_batch_parse(ks_buffer_slice(&out), &batch, &error), KAFSCALE_OK);
    ck_assert_int_eq(batch.max_timestamp, timestamp);
    ck_assert_int_eq(ks_segment_writer_add(writer, &batch, &error), KAFSCALE_OK);
    ks_batch_builder_deinit(&builder);
    ks_buffer_deinit(&out);
}

static int64_t
used_ms(const struct ks_segment_writer *writer)
{
    ck_assert_uint_eq(writer->producers.table.count, 1);
    return KS_CONTAINER(writer->producers.by_use.next, const struct ks_producer, by_use)->used_ms;
}

/* One in the future would never expire, and keep its place for good. */
START_TEST(a_producer_has_written_when_its_records_say_but_not_in_the_future)
{
    struct virtual_env v;
    struct ks_session session = { .env = &v.env, .ns = "unit" };
    struct ks_partition_name name = { .index = 0 };
    struct ks_segment_writer writer;
    struct ks_id cluster = { 0 };
    int64_t now_ms;

    virtual_env_init(&v, 1);
    now_ms = ks_env_wall_ms(&v.env);
    ks_segment_writer_init(&writer, &session, "t", &name, &cluster, 0);
    add(&writer, 0, now_ms - 1000);
    ck_assert_int_eq(used_ms(&writer), now_ms - 1000);
    add(&writer, 1, now_ms + 1000);
    ck_assert_int_eq(used_ms(&writer), now_ms);
    add(&writer, 2, -1);
    ck_assert_int_eq(used_ms(&writer), 0);
    ks_segment_writer_deinit(&writer);
}
END_TEST

Suite *
suite_new(void)
{
    Suite *suite = suite_create("tools restore");
    TCase *tests = tcase_create("all");

    tcase_add_test(tests, a_producer_has_written_when_its_records_say_but_not_in_the_future);
    suite_add_tcase(suite, tests);
    return suite;
}
