/* SPDX-License-Identifier: Apache-2.0 */
/* What topics keep follows from their configuration and the broker's defaults. */
#include "support/client.h"
#include "support/main.h"

#define CHECK_MS 1000

static struct broker_fixture fixture;
static struct test_broker *broker;

static void
set_up(void)
{
    struct ks_broker_options options;

    broker_fixture_init(&fixture, 9);
    test_broker_options(&options);
    options.retention_check_ms = CHECK_MS;
    broker = test_broker_begin(&fixture, &options);
    ck_assert(virtual_env_run_until(&fixture.v, &broker->is_started, 60000));
}

static void
tear_down(void)
{
    test_broker_stop(broker);
    broker_fixture_deinit(&fixture);
}

static void
create(const char *name, struct kafka_create_topics_request_topic_config *configs, int32_t count)
{
    struct kafka_create_topics_request_topic topic;
    struct kafka_create_topics_request request;
    const struct kafka_create_topics_response *response;
    struct test_call *call_out;

    kafka_message_init(&kafka_create_topics_request_message, &request);
    kafka_message_init(&kafka_create_topics_request_topic_message, &topic);
    topic.name = ks_slice_of_text(name);
    topic.num_partitions = 1;
    topic.replication_factor = 1;
    topic.configs = configs;
    topic.configs_count = count;
    request.topics = &topic;
    request.topics_count = 1;
    response = call(broker, KAFKA_API_CREATE_TOPICS, 7, &request, &call_out);
    ck_assert_int_eq(response->topics[0].error_code, KAFKA_ERROR_NONE);
    call_free(call_out);
}

static struct kafka_create_topics_request_topic_config
config(const char *name, const char *value)
{
    return (struct kafka_create_topics_request_topic_config){ .name = ks_slice_of_text(name),
                                                              .value = ks_slice_of_text(value) };
}

static void
produce(const char *topic, int64_t age_ms)
{
    struct client_batch batch = client_batch(topic, 0);

    batch.keyed = 1;
    batch.timestamp = ks_env_wall_ms(&fixture.v.env) - age_ms;
    ck_assert_int_eq(client_produce(broker, &batch, NULL), KAFKA_ERROR_NONE);
}

static int64_t
start_of(const char *name)
{
    struct ks_topic *topic =
        ks_topics_find(ks_broker_topics(broker->broker), ks_slice_of_text(name));

    ck_assert_ptr_nonnull(topic);
    return ks_partition_log_start(topic->partitions[0]->log);
}

START_TEST(each_topic_keeps_what_its_configuration_says)
{
    struct kafka_create_topics_request_topic_config shorter[] = { config("retention.ms", "60000") };
    struct kafka_create_topics_request_topic_config never[] = { config("retention.ms", "-1") };
    struct kafka_create_topics_request_topic_config small[] = { config("retention.bytes", "0") };
    struct kafka_create_topics_request_topic_config compact[] = {
        config("retention.ms", "60000"), config("cleanup.policy", "compact")
    };
    struct kafka_create_topics_request_topic_config both[] = {
        config("retention.ms", "60000"), config("cleanup.policy", "compact,delete")
    };
    static const struct {
        const char *name;
        int64_t start; /* of two records, of which one is ten minutes old */
    } expected[] = { { "default", 0 }, { "shorter", 1 }, { "never", 0 },
                     { "small", 2 },   { "compact", 0 }, { "both", 1 } };

    create("default", NULL, 0);
    create("shorter", shorter, 1);
    create("never", never, 1);
    create("small", small, 1);
    create("compact", compact, 2);
    create("both", both, 2);
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        produce(expected[i].name, 600000);
        produce(expected[i].name, 0);
    }
    virtual_env_run_for(&fixture.v, 3 * CHECK_MS);
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        ck_assert_msg(start_of(expected[i].name) == expected[i].start, "%s starts at %d",
                      expected[i].name, (int) start_of(expected[i].name));
    }
}
END_TEST

/* Whoever changes it: the change comes with the watch. */
START_TEST(another_configuration_counts_when_it_comes)
{
    struct ks_topic *topic;
    struct kafscale_meta_entry entry;
    char key[KS_TOPIC_KEY_BYTES];
    struct ks_topic_record record = { 0 };
    struct ks_buffer bytes;

    create("a", NULL, 0);
    produce("a", 600000);
    virtual_env_run_for(&fixture.v, 3 * CHECK_MS);
    ck_assert_int_eq(start_of("a"), 0);
    topic = ks_topics_find(ks_broker_topics(broker->broker), ks_slice_of_text("a"));
    ks_topic_record_key(&topic->record.id, key);
    memcpy(record.name, "a", 2);
    record.partition_count = 1;
    ck_assert_int_eq(
        ks_topic_config_set(&record.config, KS_TOPIC_CONFIG_RETENTION_MS, ks_slice_of_text("1000")),
        KAFSCALE_OK);
    ks_buffer_init(&bytes, 10000);
    ks_topic_record_encode(&record, &bytes);
    entry = (struct kafscale_meta_entry){ .key = key,
                                          .value = ks_buffer_slice(&bytes),
                                          .version = topic->version + 1 };
    ck_assert_int_eq(ks_topics_apply(ks_broker_topics(broker->broker), &entry, false), KAFSCALE_OK);
    virtual_env_run_for(&fixture.v, 3 * CHECK_MS);
    ck_assert_int_eq(start_of("a"), 1);
    ks_topic_record_deinit(&record);
    ks_buffer_deinit(&bytes);
}
END_TEST

Suite *
suite_new(void)
{
    Suite *suite = suite_create("handlers retention");
    TCase *tests = tcase_create("all");

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, each_topic_keeps_what_its_configuration_says);
    tcase_add_test(tests, another_configuration_counts_when_it_comes);
    suite_add_tcase(suite, tests);
    return suite;
}
