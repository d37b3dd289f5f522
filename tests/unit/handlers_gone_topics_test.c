/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a deleted topic leaves in the stores goes in the background, whoever of several brokers
 * comes to it, and later lives of its name lose nothing.
 */
#include "log/format/segment_format.h"
#include "support/client.h"
#include "support/main.h"

#include <stdio.h>

#define AGAIN_MS 600000

static struct broker_fixture fixture;
static struct test_broker *broker;
static struct ks_store *bucket;

static struct test_broker *
start(void)
{
    struct ks_broker_options options;
    struct test_broker *started;

    test_broker_options(&options);
    options.gone_again_ms = AGAIN_MS;
    started = test_broker_begin(&fixture, &options);
    ck_assert(virtual_env_run_until(&fixture.v, &started->is_started, 60000));
    return started;
}

static void
set_up(void)
{
    broker_fixture_init(&fixture, 4);
    bucket = ks_store_new(&fixture.v.env, ks_memory_store_new(&fixture.v.env, fixture.bucket));
    broker = start();
}

static void
ignore(void *arg)
{
    (void) arg;
}

static void
tear_down(void)
{
    test_broker_stop(broker);
    ks_store_close(bucket, ignore, NULL);
    virtual_env_run_for(&fixture.v, 10);
    broker_fixture_deinit(&fixture);
}

static struct ks_topic *
topic_of(const char *name)
{
    return ks_topics_find(ks_broker_topics(broker->broker), ks_slice_of_text(name));
}

static void
on_put(void *arg, enum kafscale_status status, const struct kafscale_error *error)
{
    (void) arg;
    (void) error;
    ck_assert_int_eq(status, KAFSCALE_OK);
}

/* The header of a segment, which is all that tells whose it is. */
static void
put_segment(const char *prefix, const struct ks_id *topic, int64_t base)
{
    struct ks_segment_home home = { .ns = "default", .prefix = prefix };
    struct ks_segment_header header = { .base_offset = base,
                                        .topic_tag = ks_segment_topic_tag(topic) };
    uint8_t bytes[KS_SEGMENT_HEADER_BYTES];
    struct kafscale_part part = { .bytes = ks_slice(bytes, sizeof bytes) };
    char key[KS_SEGMENT_KEY_BYTES];
    struct kafscale_put put = { .key = key, .parts = &part, .part_count = 1 };

    ks_segment_write_header(bytes, &header);
    ks_segment_key(&home, base, KS_SEGMENT_BODY, key);
    ks_store_put(bucket, &put, on_put, NULL);
    virtual_env_run_for(&fixture.v, 10);
}

static void
on_listed(void *arg, enum kafscale_status status, const struct kafscale_list_entry *entries,
          size_t entry_count, bool is_truncated, const struct kafscale_error *error)
{
    (void) entries;
    (void) is_truncated;
    (void) error;
    ck_assert_int_eq(status, KAFSCALE_OK);
    *(size_t *) arg = entry_count;
}

static size_t
count(const char *topic_prefix)
{
    char prefix[300];
    struct kafscale_list list = { .prefix = prefix, .count_max = 1000 };
    size_t found = SIZE_MAX;

    snprintf(prefix, sizeof prefix, "default/%s/", topic_prefix);
    ks_store_list(bucket, &list, on_listed, &found);
    virtual_env_run_for(&fixture.v, 10);
    ck_assert_uint_ne(found, SIZE_MAX);
    return found;
}

/* A topic with a record and two segments. */
static void
make(char prefix_out[KS_TOPIC_PREFIX_BYTES], struct ks_id *id_out)
{
    struct client_batch batch = client_batch("a", 0);

    ck_assert_int_eq(client_create(broker, "a", 1), KAFKA_ERROR_NONE);
    ck_assert_int_eq(client_produce(broker, &batch, NULL), KAFKA_ERROR_NONE);
    snprintf(prefix_out, KS_TOPIC_PREFIX_BYTES, "%s", topic_of("a")->prefix);
    *id_out = topic_of("a")->record.id;
    put_segment(prefix_out, id_out, 0);
    put_segment(prefix_out, id_out, 10);
    ck_assert_uint_eq(count(prefix_out), 2);
}

START_TEST(what_a_deleted_topic_leaves_goes_while_its_name_lives_on)
{
    char first[KS_TOPIC_PREFIX_BYTES];
    char second[KS_TOPIC_PREFIX_BYTES];
    struct ks_id ids[2];

    make(first, &ids[0]);
    ck_assert_int_eq(client_delete(broker, "a"), KAFKA_ERROR_NONE);
    make(second, &ids[1]);
    virtual_env_run_for(&fixture.v, 10000);
    ck_assert_uint_eq(count(first), 0);
    ck_assert_uint_eq(count(second), 2);
    /* A broker long replaced puts a segment there again. */
    put_segment(first, &ids[0], 10);
    virtual_env_run_for(&fixture.v, 2 * AGAIN_MS);
    ck_assert_uint_eq(count(first), 0);
    ck_assert_uint_eq(count(second), 2);
    ck_assert_ptr_nonnull(topic_of("a"));
}
END_TEST

START_TEST(the_next_broker_goes_on_with_it)
{
    struct ks_fate away = { .fault = KS_FAULT_UNAVAILABLE };
    char prefix[KS_TOPIC_PREFIX_BYTES];
    struct ks_id id;

    make(prefix, &id);
    ks_fault_store_next(broker->faults, KS_STORE_REMOVE, NULL, away, UINT32_MAX);
    ck_assert_int_eq(client_delete(broker, "a"), KAFKA_ERROR_NONE);
    virtual_env_run_for(&fixture.v, 60000);
    ck_assert_uint_eq(count(prefix), 2);
    test_broker_stop(broker);
    broker = start();
    virtual_env_run_for(&fixture.v, 10000);
    ck_assert_uint_eq(count(prefix), 0);
    /* And one after that with the second time. */
    test_broker_stop(broker);
    put_segment(prefix, &id, 0);
    virtual_env_run_for(&fixture.v, AGAIN_MS);
    broker = start();
    virtual_env_run_for(&fixture.v, 10000);
    ck_assert_uint_eq(count(prefix), 0);
}
END_TEST

START_TEST(objects_of_others_under_its_prefix_stay)
{
    struct ks_id other = { .bytes = { 1, 2, 3 } };
    char prefix[KS_TOPIC_PREFIX_BYTES];
    struct ks_id id;

    make(prefix, &id);
    put_segment(prefix, &other, 20);
    ck_assert_int_eq(client_delete(broker, "a"), KAFKA_ERROR_NONE);
    virtual_env_run_for(&fixture.v, 2 * AGAIN_MS);
    ck_assert_uint_eq(count(prefix), 1);
}
END_TEST

START_TEST(it_ends_and_then_the_broker_is_idle)
{
    char prefix[KS_TOPIC_PREFIX_BYTES];
    struct ks_id id;
    uint64_t before;

    make(prefix, &id);
    ck_assert_int_eq(client_delete(broker, "a"), KAFKA_ERROR_NONE);
    virtual_env_run_for(&fixture.v, 60000);
    before = test_broker_store_requests(broker);
    virtual_env_run_for(&fixture.v, AGAIN_MS / 2);
    ck_assert_uint_eq(test_broker_store_requests(broker), before);
    virtual_env_run_for(&fixture.v, 2 * AGAIN_MS);
    before = test_broker_store_requests(broker);
    virtual_env_run_for(&fixture.v, 100 * AGAIN_MS);
    ck_assert_uint_eq(test_broker_store_requests(broker), before);
}
END_TEST

Suite *
suite_new(void)
{
    Suite *suite = suite_create("handlers gone topics");
    TCase *tests = tcase_create("all");

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, what_a_deleted_topic_leaves_goes_while_its_name_lives_on);
    tcase_add_test(tests, the_next_broker_goes_on_with_it);
    tcase_add_test(tests, objects_of_others_under_its_prefix_stay);
    tcase_add_test(tests, it_ends_and_then_the_broker_is_idle);
    suite_add_tcase(suite, tests);
    return suite;
}
