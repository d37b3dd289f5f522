/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Many partitions in one log: bundles cost as many requests as those of one, and what a deleted
 * topic had is let go of at once.
 */
#include "support/main.h"
#include "unit/log_fixture.h"

#include <stdlib.h>

#define PARTITIONS 500

struct many {
    struct log_fixture *f;
    struct ks_partition_name names[PARTITIONS];
    const char *topic_names[PARTITIONS];
    enum kafscale_status results[PARTITIONS];
    struct ks_append appends[PARTITIONS];
    size_t answered;
};

static void
on_many_appended(struct ks_append *append, enum ks_append_result result)
{
    struct many *many = append->arg;

    ck_assert_int_eq(result, KS_APPEND_OK);
    many->answered++;
}

static struct kafscale_blob *
make_batch(struct ks_batch *batch_out)
{
    struct ks_batch_options options = { .producer_id = -1 };
    struct ks_record record = { .timestamp = 1000, .value = ks_slice("value", 5) };
    struct kafscale_error error = { 0 };
    struct ks_batch_builder builder;
    struct kafscale_blob *blob;
    struct ks_buffer out;

    ks_buffer_init(&out, 1 << 20);
    ks_batch_builder_init(&builder, &options);
    ks_batch_builder_append(&builder, &record);
    ck_assert_int_eq(ks_batch_builder_finish(&builder, &out, &error), KAFSCALE_OK);
    blob = kafscale_blob_new(out.size);
    memcpy(kafscale_blob_data(blob), out.data, out.size);
    ck_assert_int_eq(ks_batch_parse(kafscale_blob_slice(blob), batch_out, &error), KAFSCALE_OK);
    ks_batch_builder_deinit(&builder);
    ks_buffer_deinit(&out);
    return blob;
}

/* One batch for each partition, all in one object. */
static void
append_to_all(struct many *many, size_t count)
{
    many->answered = 0;
    for (size_t i = 0; i < count; i++) {
        struct ks_append *append = &many->appends[i];

        *append = (struct ks_append){ .done = on_many_appended, .arg = many };
        append->owner = make_batch(&append->batch);
        ks_log_append(many->f->log, ks_log_find(many->f->log, &many->names[i]), append);
    }
    virtual_env_run_for(&many->f->v, 100);
    ck_assert_uint_eq(many->answered, count);
    for (size_t i = 0; i < count; i++) {
        kafscale_blob_unref(many->appends[i].owner);
    }
}

static struct many *
with_many(size_t count)
{
    struct many *many = calloc(1, sizeof *many);
    struct ks_log_open open = { .names = many->names,
                                .topic_names = many->topic_names,
                                .count = count,
                                .results = many->results };

    ck_assert_ptr_nonnull(many);
    many->f = log_fixture_new();
    ks_log_free(many->f->log);
    many->f->options.bundle_slots = 10;
    many->f->options.cache_bytes_max = 1 << 20;
    ck_assert(log_fixture_new_log(many->f));
    for (size_t i = 0; i < count; i++) {
        many->names[i] = (struct ks_partition_name){ .topic = many->f->topic, .index = (int) i };
        many->topic_names[i] = "t";
    }
    ck_assert_int_eq(ks_log_open(many->f->log, &open, log_fixture_on_opened, many->f), KAFSCALE_OK);
    ck_assert(virtual_env_run_until(&many->f->v, &many->f->is_opened, 600000));
    return many;
}

/* PUTs for forty objects and the bundles of them. */
static uint64_t
puts_of(size_t count)
{
    struct many *many = with_many(count);
    uint64_t puts;

    puts = ks_store_counters(many->f->store)->requests[KS_STORE_PUT];
    for (int i = 0; i < 40; i++) {
        append_to_all(many, count);
    }
    virtual_env_run_for(&many->f->v, 10000);
    ck_assert_uint_eq(log_fixture_counters(many->f).bundles_made, 4);
    puts = ks_store_counters(many->f->store)->requests[KS_STORE_PUT] - puts;
    log_fixture_free(many->f);
    free(many);
    return puts;
}

START_TEST(puts_are_the_same_whatever_the_number_of_partitions)
{
    ck_assert_uint_eq(puts_of(1), 44);
    ck_assert_uint_eq(puts_of(PARTITIONS), 44);
}
END_TEST

/* However many partitions it had. */
START_TEST(a_deleted_topic_is_asked_about_once)
{
    struct many *many = with_many(PARTITIONS);

    append_to_all(many, PARTITIONS);
    log_fixture_change_topic(many->f, true);
    for (size_t i = 0; i < PARTITIONS; i++) {
        ks_log_forget(many->f->log, ks_log_find(many->f->log, &many->names[i]));
    }
    virtual_env_run_for(&many->f->v, 3000);
    ck_assert_uint_eq(log_fixture_count_objects(many->f, "wal"), 0);
    log_fixture_free(many->f);
    free(many);
}
END_TEST

Suite *
suite_new(void)
{
    Suite *suite = suite_create("log_bundle_many");
    TCase *tests = tcase_create("all");

    tcase_set_timeout(tests, 200);
    tcase_add_test(tests, puts_are_the_same_whatever_the_number_of_partitions);
    tcase_add_test(tests, a_deleted_topic_is_asked_about_once);
    suite_add_tcase(suite, tests);
    return suite;
}
