/* SPDX-License-Identifier: Apache-2.0 */
/* Configurations of topics change: at once, for good, and beside those who change others. */
#include "support/admin_client.h"
#include "support/main.h"

#include "handlers/config_alteration.h"

#define TOPIC 2
#define GROUP 32

static struct broker_fixture fixture;
static struct test_broker *broker;

static void
set_up(void)
{
    broker_fixture_init(&fixture, 31);
    broker = test_broker_start(&fixture);
    ck_assert_int_eq(client_create(broker, "a", 1), KAFKA_ERROR_NONE);
}

static void
tear_down(void)
{
    test_broker_stop(broker);
    broker_fixture_deinit(&fixture);
}

static void
expect_config(enum ks_topic_config_name name, const char *value)
{
    const char *set = admin_topic(broker, "a")->record.config.values[name];

    if (value == NULL) {
        ck_assert_ptr_null(set);
    } else {
        ck_assert_ptr_nonnull(set);
        ck_assert_str_eq(set, value);
    }
}

static int16_t
change(const char *key, int8_t operation, const char *value)
{
    struct admin_change change = { .key = key, .operation = operation, .value = value };

    return admin_alter(broker, TOPIC, "a", &change, 1);
}

START_TEST(keys_are_set_and_deleted_for_good)
{
    ck_assert_int_eq(change("retention.ms", KS_CONFIG_SET, "1234"), KAFKA_ERROR_NONE);
    ck_assert_int_eq(change("flush.ms", KS_CONFIG_SET, "5"), KAFKA_ERROR_NONE);
    expect_config(KS_TOPIC_CONFIG_RETENTION_MS, "1234");
    ck_assert_int_eq(change("flush.ms", KS_CONFIG_DELETE, NULL), KAFKA_ERROR_NONE);
    ck_assert_int_eq(change("flush.ms", KS_CONFIG_DELETE, NULL), KAFKA_ERROR_NONE);
    ck_assert_int_eq(change("no.such.key", KS_CONFIG_DELETE, NULL), KAFKA_ERROR_NONE);
    test_broker_stop(broker);
    broker = test_broker_start(&fixture);
    expect_config(KS_TOPIC_CONFIG_RETENTION_MS, "1234");
    expect_config(KS_TOPIC_CONFIG_FLUSH_MS, NULL);
}
END_TEST

START_TEST(lists_grow_and_shrink_by_their_elements)
{
    ck_assert_int_eq(change("cleanup.policy", KS_CONFIG_APPEND, "compact"), KAFKA_ERROR_NONE);
    expect_config(KS_TOPIC_CONFIG_CLEANUP_POLICY, "delete,compact");
    ck_assert_int_eq(change("cleanup.policy", KS_CONFIG_APPEND, "delete,compact"),
                     KAFKA_ERROR_NONE);
    expect_config(KS_TOPIC_CONFIG_CLEANUP_POLICY, "delete,compact");
    ck_assert_int_eq(change("cleanup.policy", KS_CONFIG_SUBTRACT, "delete"), KAFKA_ERROR_NONE);
    expect_config(KS_TOPIC_CONFIG_CLEANUP_POLICY, "compact");
    ck_assert_int_eq(change("cleanup.policy", KS_CONFIG_APPEND, "melt"),
                     KAFKA_ERROR_INVALID_CONFIG);
    ck_assert_int_eq(change("cleanup.policy", KS_CONFIG_SUBTRACT, "compact"),
                     KAFKA_ERROR_INVALID_CONFIG);
    expect_config(KS_TOPIC_CONFIG_CLEANUP_POLICY, "compact");
    ck_assert_int_eq(change("retention.ms", KS_CONFIG_APPEND, "1"), KAFKA_ERROR_INVALID_CONFIG);
    ck_assert_int_eq(change("retention.ms", KS_CONFIG_SUBTRACT, "1"), KAFKA_ERROR_INVALID_CONFIG);
}
END_TEST

START_TEST(what_may_not_be_is_refused_and_changes_nothing)
{
    struct admin_change twice[] = { { .key = "flush.ms", .value = "1" },
                                    { .key = "flush.ms", .value = "2" } };
    struct admin_change second_bad[] = { { .key = "flush.ms", .value = "1" },
                                         { .key = "retention.ms", .value = "soon" } };
    struct admin_change good = { .key = "flush.ms", .value = "1" };

    ck_assert_int_eq(change("no.such.key", KS_CONFIG_SET, "1"), KAFKA_ERROR_INVALID_CONFIG);
    ck_assert_int_eq(change("flush.ms", KS_CONFIG_SET, "soon"), KAFKA_ERROR_INVALID_CONFIG);
    ck_assert_int_eq(change("flush.ms", KS_CONFIG_SET, NULL), KAFKA_ERROR_INVALID_REQUEST);
    ck_assert_int_eq(change("flush.ms", 4, "1"), KAFKA_ERROR_INVALID_REQUEST);
    ck_assert_int_eq(change("flush.ms", -1, "1"), KAFKA_ERROR_INVALID_REQUEST);
    ck_assert_int_eq(admin_alter(broker, TOPIC, "a", twice, 2), KAFKA_ERROR_INVALID_REQUEST);
    ck_assert_int_eq(admin_alter(broker, TOPIC, "a", second_bad, 2), KAFKA_ERROR_INVALID_CONFIG);
    ck_assert_int_eq(admin_alter(broker, TOPIC, "b", &good, 1),
                     KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION);
    ck_assert_int_eq(admin_alter(broker, TOPIC, "a/b", &good, 1), KAFKA_ERROR_INVALID_TOPIC);
    ck_assert_int_eq(admin_alter(broker, GROUP, "g", &good, 1), KAFKA_ERROR_INVALID_REQUEST);
    expect_config(KS_TOPIC_CONFIG_FLUSH_MS, NULL);
}
END_TEST

static int16_t
replace(const char *key, const char *value, bool validate_only)
{
    struct kafka_alter_configs_request_resource_config config = { .name = ks_slice_of_text(key),
                                                                  .value =
                                                                      ks_slice_of_text(value) };
    struct kafka_alter_configs_request_resource resource = { .resource_type = TOPIC,
                                                             .resource_name = ks_slice_of_text("a"),
                                                             .configs = &config,
                                                             .configs_count = 1 };
    struct kafka_alter_configs_request request = { .resources = &resource,
                                                   .resources_count = 1,
                                                   .validate_only = validate_only };
    const struct kafka_alter_configs_response *response;
    struct test_call *alter;
    int16_t code;

    response = call(broker, KAFKA_API_ALTER_CONFIGS, 2, &request, &alter);
    code = response->responses[0].error_code;
    call_free(alter);
    return code;
}

START_TEST(the_older_api_replaces_the_whole_configuration)
{
    ck_assert_int_eq(change("flush.ms", KS_CONFIG_SET, "5"), KAFKA_ERROR_NONE);
    ck_assert_int_eq(replace("retention.ms", "never", false), KAFKA_ERROR_INVALID_CONFIG);
    ck_assert_int_eq(replace("retention.ms", "77", true), KAFKA_ERROR_NONE);
    expect_config(KS_TOPIC_CONFIG_FLUSH_MS, "5");
    expect_config(KS_TOPIC_CONFIG_RETENTION_MS, NULL);
    ck_assert_int_eq(replace("retention.ms", "77", false), KAFKA_ERROR_NONE);
    expect_config(KS_TOPIC_CONFIG_FLUSH_MS, NULL);
    expect_config(KS_TOPIC_CONFIG_RETENTION_MS, "77");
}
END_TEST

START_TEST(a_resource_named_twice_is_not_changed)
{
    struct kafka_incremental_alter_configs_request_resource_config config = {
        .name = ks_slice_of_text("flush.ms"), .value = ks_slice_of_text("1")
    };
    struct kafka_incremental_alter_configs_request_resource resources[3];
    struct kafka_incremental_alter_configs_request request = { .resources = resources,
                                                               .resources_count = 3 };
    const struct kafka_incremental_alter_configs_response *response;
    struct test_call *alter;

    ck_assert_int_eq(client_create(broker, "b", 1), KAFKA_ERROR_NONE);
    for (int i = 0; i < 3; i++) {
        resources[i] = (struct kafka_incremental_alter_configs_request_resource){
            .resource_type = TOPIC,
            .resource_name = ks_slice_of_text(i == 1 ? "b" : "a"),
            .configs = &config,
            .configs_count = 1
        };
    }
    response = call(broker, KAFKA_API_INCREMENTAL_ALTER_CONFIGS, 0, &request, &alter);
    ck_assert_int_eq(response->responses[0].error_code, KAFKA_ERROR_INVALID_REQUEST);
    ck_assert_int_eq(response->responses[1].error_code, KAFKA_ERROR_NONE);
    ck_assert_int_eq(response->responses[2].error_code, KAFKA_ERROR_INVALID_REQUEST);
    call_free(alter);
    expect_config(KS_TOPIC_CONFIG_FLUSH_MS, NULL);
}
END_TEST

START_TEST(a_change_is_in_force_when_its_answer_leaves)
{
    struct client_batch batch = client_batch("a", 0);

    batch.count = 20;
    ck_assert_int_eq(client_produce(broker, &batch, NULL), KAFKA_ERROR_NONE);
    ck_assert_int_eq(change("max.message.bytes", KS_CONFIG_SET, "100"), KAFKA_ERROR_NONE);
    ck_assert_int_eq(client_produce(broker, &batch, NULL), KAFKA_ERROR_MESSAGE_TOO_LARGE);
    ck_assert_int_eq(change("max.message.bytes", KS_CONFIG_DELETE, NULL), KAFKA_ERROR_NONE);
    ck_assert_int_eq(client_produce(broker, &batch, NULL), KAFKA_ERROR_NONE);
}
END_TEST

/* The transaction may have happened: the broker must find out, not guess. */
static uint64_t
count_segments(void)
{
    struct ks_log_counters counters;

    ks_log_get_counters(ks_broker_log(broker->broker), &counters);
    return counters.segments_written;
}

/* Records that came before the change are closed off by it, too. */
START_TEST(a_topic_with_little_traffic_gets_segments_by_its_own_time)
{
    struct client_batch batch = client_batch("a", 0);

    ck_assert_int_eq(client_produce(broker, &batch, NULL), KAFKA_ERROR_NONE);
    virtual_env_run_for(&fixture.v, 20 * 60000);
    ck_assert_uint_eq(count_segments(), 0);
    ck_assert_int_eq(change("segment.ms", KS_CONFIG_SET, "1800000"), KAFKA_ERROR_NONE);
    virtual_env_run_for(&fixture.v, 9 * 60000);
    ck_assert_uint_eq(count_segments(), 0);
    virtual_env_run_for(&fixture.v, 60000 + 1000);
    ck_assert_uint_eq(count_segments(), 1);
    ck_assert_int_eq(client_produce(broker, &batch, NULL), KAFKA_ERROR_NONE);
    ck_assert_int_eq(change("segment.jitter.ms", KS_CONFIG_SET, "1800000"), KAFKA_ERROR_NONE);
    ck_assert_int_eq(change("segment.ms", KS_CONFIG_SET, "600000"), KAFKA_ERROR_NONE);
    virtual_env_run_for(&fixture.v, 10 * 60000 + 1000);
    ck_assert_uint_eq(count_segments(), 2);
}
END_TEST

START_TEST(a_change_with_a_lost_answer_ends_well)
{
    struct ks_fate lost = { .fault = KS_FAULT_ERROR_AFTER };

    ks_fault_store_next(broker->faults, KS_STORE_PUT, "/meta/log/", lost, 2);
    ck_assert_int_eq(change("flush.ms", KS_CONFIG_SET, "5"), KAFKA_ERROR_NONE);
    expect_config(KS_TOPIC_CONFIG_FLUSH_MS, "5");
}
END_TEST

/* Another broker changed the topic, and this one hasn't heard of it: neither change is lost. */
START_TEST(changes_of_two_brokers_are_both_kept)
{
    struct ks_topic_record record = admin_topic(broker, "a")->record;
    struct other_writer other;
    char flush_ms[] = "9";

    record.config = (struct ks_topic_config){ .values = { [KS_TOPIC_CONFIG_FLUSH_MS] = flush_ms } };
    other_writer_init(&other, &fixture);
    other_writer_put_topic(&other, &record);
    ck_assert_int_eq(change("retention.ms", KS_CONFIG_SET, "1"), KAFKA_ERROR_NONE);
    expect_config(KS_TOPIC_CONFIG_FLUSH_MS, "9");
    expect_config(KS_TOPIC_CONFIG_RETENTION_MS, "1");
    other_writer_deinit(&other);
}
END_TEST

/* Deleted by another broker, which this one hasn't heard of either. */
START_TEST(a_topic_that_is_gone_does_not_come_back)
{
    struct other_writer other;
    char key[KS_TOPIC_KEY_BYTES];

    ks_topic_record_key(&admin_topic(broker, "a")->record.id, key);
    other_writer_init(&other, &fixture);
    other_writer_put(&other, key, NULL);
    ck_assert_int_eq(change("retention.ms", KS_CONFIG_SET, "1"),
                     KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION);
    ck_assert_ptr_null(ks_topics_find(ks_broker_topics(broker->broker), ks_slice_of_text("a")));
    other_writer_deinit(&other);
}
END_TEST

/* The answer comes in time, and what was begun ends after it. */
START_TEST(changes_are_answered_in_time_without_a_store)
{
    struct ks_fate away = { .fault = KS_FAULT_UNAVAILABLE };
    int64_t begun_ms;

    virtual_env_run_for(&fixture.v, 5000);
    ks_fault_store_next(broker->faults, KS_STORE_OPERATION_COUNT, NULL, away, UINT32_MAX);
    begun_ms = fixture.v.now_ms;
    ck_assert_int_ne(change("flush.ms", KS_CONFIG_SET, "5"), KAFKA_ERROR_NONE);
    ck_assert_int_le(fixture.v.now_ms - begun_ms, 31000);
    ks_fault_store_clear(broker->faults);
    virtual_env_run_for(&fixture.v, 60000);
    ck_assert_int_eq(change("flush.ms", KS_CONFIG_SET, "6"), KAFKA_ERROR_NONE);
    expect_config(KS_TOPIC_CONFIG_FLUSH_MS, "6");
}
END_TEST

START_TEST(nothing_is_changed_where_administration_is_switched_off)
{
    struct ks_broker_options options;

    test_broker_stop(broker);
    test_broker_options(&options);
    options.is_admin_allowed = false;
    broker = test_broker_begin(&fixture, &options);
    ck_assert(virtual_env_run_until(&fixture.v, &broker->is_started, 60000));
    ck_assert_int_eq(change("flush.ms", KS_CONFIG_SET, "5"), KAFKA_ERROR_POLICY_VIOLATION);
    ck_assert_int_eq(admin_grow(broker, "a", 2), KAFKA_ERROR_POLICY_VIOLATION);
    expect_config(KS_TOPIC_CONFIG_FLUSH_MS, NULL);
}
END_TEST

Suite *
suite_new(void)
{
    Suite *suite = suite_create("handlers alter configs");
    TCase *tests = tcase_create("all");

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, keys_are_set_and_deleted_for_good);
    tcase_add_test(tests, lists_grow_and_shrink_by_their_elements);
    tcase_add_test(tests, what_may_not_be_is_refused_and_changes_nothing);
    tcase_add_test(tests, the_older_api_replaces_the_whole_configuration);
    tcase_add_test(tests, a_resource_named_twice_is_not_changed);
    tcase_add_test(tests, a_change_is_in_force_when_its_answer_leaves);
    tcase_add_test(tests, a_topic_with_little_traffic_gets_segments_by_its_own_time);
    tcase_add_test(tests, a_change_with_a_lost_answer_ends_well);
    tcase_add_test(tests, changes_of_two_brokers_are_both_kept);
    tcase_add_test(tests, a_topic_that_is_gone_does_not_come_back);
    tcase_add_test(tests, changes_are_answered_in_time_without_a_store);
    tcase_add_test(tests, nothing_is_changed_where_administration_is_switched_off);
    suite_add_tcase(suite, tests);
    return suite;
}
