/* SPDX-License-Identifier: Apache-2.0 */
/* Defaults of topics change for one broker or for all, while they run and for good. */
#include "support/admin_client.h"
#include "support/main.h"

#include "handlers/topic_configs.h"
#include "handlers/config_alteration.h"

static struct broker_fixture fixture;
static struct test_broker *broker;

static void
set_up(void)
{
    broker_fixture_init(&fixture, 35);
    broker = test_broker_start(&fixture);
    ck_assert_int_eq(client_create(broker, "a", 1), KAFKA_ERROR_NONE);
}

static void
tear_down(void)
{
    test_broker_stop(broker);
    broker_fixture_deinit(&fixture);
}

/* Of broker 0, or of all with an empty name. */
static int16_t
change(const char *name, const char *key, int8_t operation, const char *value)
{
    struct admin_change change = { .key = key, .operation = operation, .value = value };

    return admin_alter(broker, KS_RESOURCE_TYPE_BROKER, name, &change, 1);
}

static int16_t
produce_large(void)
{
    struct client_batch batch = client_batch("a", 0);

    batch.count = 20;
    return client_produce(broker, &batch, NULL);
}

/* What is told of one key of a resource; the call is to be freed. */
static const struct kafka_describe_configs_response_result_config *
describe(int8_t type, const char *name, const char *key, struct test_call **call_out)
{
    struct kafscale_slice wanted = ks_slice_of_text(key);
    struct kafka_describe_configs_request_resource resource = { .resource_type = type,
                                                                .resource_name =
                                                                    ks_slice_of_text(name),
                                                                .configuration_keys = &wanted,
                                                                .configuration_keys_count = 1 };
    struct kafka_describe_configs_request request = { .resources = &resource,
                                                      .resources_count = 1,
                                                      .include_synonyms = true };
    const struct kafka_describe_configs_response *response =
        call(broker, KAFKA_API_DESCRIBE_CONFIGS, 4, &request, call_out);

    ck_assert_int_eq(response->results[0].error_code, KAFKA_ERROR_NONE);
    return response->results[0].configs_count == 0 ? NULL : &response->results[0].configs[0];
}

static void
expect(int8_t type, const char *name, const char *key, const char *value,
       enum ks_config_source source)
{
    struct test_call *call;
    const struct kafka_describe_configs_response_result_config *config =
        describe(type, name, key, &call);

    ck_assert_ptr_nonnull(config);
    ck_assert_msg(ks_slice_equals(config->value, ks_slice_of_text(value)), "%s is %.*s", key,
                  (int) config->value.size, (const char *) config->value.data);
    ck_assert_int_eq(config->config_source, source);
    ck_assert(!config->read_only);
    if (config->synonyms_count > 0) {
        ck_assert_int_eq(config->synonyms[0].source, source);
        ck_assert(ks_slice_equals(config->synonyms[0].value, config->value));
    }
    call_free(call);
}

static void
expect_nothing(const char *name, const char *key)
{
    struct test_call *call;

    ck_assert_ptr_null(describe(KS_RESOURCE_TYPE_BROKER, name, key, &call));
    call_free(call);
}

START_TEST(defaults_change_at_once_and_for_good)
{
    ck_assert_int_eq(produce_large(), KAFKA_ERROR_NONE);
    ck_assert_int_eq(change("0", "message.max.bytes", KS_CONFIG_SET, "100"), KAFKA_ERROR_NONE);
    ck_assert_int_eq(produce_large(), KAFKA_ERROR_MESSAGE_TOO_LARGE);
    expect(KS_RESOURCE_TYPE_TOPIC, "a", "max.message.bytes", "100", KS_SOURCE_DYNAMIC_BROKER);
    expect(KS_RESOURCE_TYPE_BROKER, "0", "message.max.bytes", "100", KS_SOURCE_DYNAMIC_BROKER);
    test_broker_stop(broker);
    broker = test_broker_start(&fixture);
    ck_assert_int_eq(produce_large(), KAFKA_ERROR_MESSAGE_TOO_LARGE);
    /* What a topic says itself goes before it. */
    ck_assert_int_eq(admin_set(broker, "a", "max.message.bytes", "10000"), KAFKA_ERROR_NONE);
    ck_assert_int_eq(produce_large(), KAFKA_ERROR_NONE);
    expect(KS_RESOURCE_TYPE_TOPIC, "a", "max.message.bytes", "10000", KS_SOURCE_TOPIC);
    ck_assert_int_eq(admin_set(broker, "a", "retention.ms", "1"), KAFKA_ERROR_NONE);
    ck_assert_int_eq(change("0", "message.max.bytes", KS_CONFIG_DELETE, NULL), KAFKA_ERROR_NONE);
    expect_nothing("0", "message.max.bytes");
}
END_TEST

START_TEST(one_broker_goes_before_all_of_them)
{
    ck_assert_int_eq(change("", "log.retention.ms", KS_CONFIG_SET, "1000"), KAFKA_ERROR_NONE);
    expect(KS_RESOURCE_TYPE_TOPIC, "a", "retention.ms", "1000", KS_SOURCE_DYNAMIC_DEFAULT);
    expect(KS_RESOURCE_TYPE_BROKER, "", "log.retention.ms", "1000", KS_SOURCE_DYNAMIC_DEFAULT);
    expect(KS_RESOURCE_TYPE_BROKER, "0", "log.retention.ms", "1000", KS_SOURCE_DYNAMIC_DEFAULT);
    ck_assert_int_eq(change("0", "log.retention.ms", KS_CONFIG_SET, "2000"), KAFKA_ERROR_NONE);
    expect(KS_RESOURCE_TYPE_TOPIC, "a", "retention.ms", "2000", KS_SOURCE_DYNAMIC_BROKER);
    expect(KS_RESOURCE_TYPE_BROKER, "", "log.retention.ms", "1000", KS_SOURCE_DYNAMIC_DEFAULT);
    ck_assert_int_eq(change("0", "log.retention.ms", KS_CONFIG_DELETE, NULL), KAFKA_ERROR_NONE);
    expect(KS_RESOURCE_TYPE_TOPIC, "a", "retention.ms", "1000", KS_SOURCE_DYNAMIC_DEFAULT);
}
END_TEST

/* As tools of Apache Kafka and its clients' tests do it. */
START_TEST(keys_that_do_not_act_are_kept)
{
    struct admin_change both[] = {
        { .key = "background.threads", .value = "9" },
        { .key = "log.cleanup.policy", .operation = KS_CONFIG_APPEND, .value = "compact" }
    };
    struct admin_change back[] = {
        { .key = "background.threads", .operation = KS_CONFIG_DELETE, .value = "" },
        { .key = "log.cleanup.policy", .operation = KS_CONFIG_SUBTRACT, .value = "compact" }
    };

    ck_assert_int_eq(admin_alter(broker, KS_RESOURCE_TYPE_BROKER, "0", both, 2), KAFKA_ERROR_NONE);
    expect(KS_RESOURCE_TYPE_BROKER, "0", "background.threads", "9", KS_SOURCE_DYNAMIC_BROKER);
    expect(KS_RESOURCE_TYPE_TOPIC, "a", "cleanup.policy", "delete,compact",
           KS_SOURCE_DYNAMIC_BROKER);
    ck_assert_int_eq(produce_large(), KAFKA_ERROR_INVALID_RECORD);
    ck_assert_int_eq(admin_alter(broker, KS_RESOURCE_TYPE_BROKER, "0", back, 2), KAFKA_ERROR_NONE);
    expect_nothing("0", "background.threads");
    ck_assert_int_eq(produce_large(), KAFKA_ERROR_NONE);
    ck_assert_int_eq(change("0", "sasl.kerberos.min.time.before.relogin", KS_CONFIG_SET, "58000"),
                     KAFKA_ERROR_NONE);
}
END_TEST

START_TEST(what_can_not_change_is_refused)
{
    ck_assert_int_eq(change("0", "broker.id", KS_CONFIG_SET, "4"), KAFKA_ERROR_INVALID_REQUEST);
    ck_assert_int_eq(change("0", "cache.bytes", KS_CONFIG_DELETE, NULL),
                     KAFKA_ERROR_INVALID_REQUEST);
    ck_assert_int_eq(change("0", "no.such.key", KS_CONFIG_SET, "4"), KAFKA_ERROR_INVALID_CONFIG);
    ck_assert_int_eq(change("0", "message.max.bytes", KS_CONFIG_SET, "many"),
                     KAFKA_ERROR_INVALID_CONFIG);
    ck_assert_int_eq(change("0", "background.threads", KS_CONFIG_SET, "-1"),
                     KAFKA_ERROR_INVALID_CONFIG);
    ck_assert_int_eq(change("0", "background.threads", KS_CONFIG_APPEND, "1"),
                     KAFKA_ERROR_INVALID_CONFIG);
    ck_assert_int_eq(change("7", "message.max.bytes", KS_CONFIG_SET, "100"),
                     KAFKA_ERROR_INVALID_REQUEST);
    ck_assert_int_eq(produce_large(), KAFKA_ERROR_NONE);
}
END_TEST

static int16_t
replace(const char *key, const char *value, bool validate_only)
{
    struct kafka_alter_configs_request_resource_config config = { .name = ks_slice_of_text(key),
                                                                  .value =
                                                                      ks_slice_of_text(value) };
    struct kafka_alter_configs_request_resource resource = { .resource_type = 4,
                                                             .resource_name = ks_slice_of_text("0"),
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

START_TEST(the_older_api_replaces_all_that_was_set)
{
    ck_assert_int_eq(change("0", "message.max.bytes", KS_CONFIG_SET, "100"), KAFKA_ERROR_NONE);
    ck_assert_int_eq(replace("background.threads", "3", true), KAFKA_ERROR_NONE);
    ck_assert_int_eq(produce_large(), KAFKA_ERROR_MESSAGE_TOO_LARGE);
    ck_assert_int_eq(replace("background.threads", "3", false), KAFKA_ERROR_NONE);
    ck_assert_int_eq(produce_large(), KAFKA_ERROR_NONE);
    expect(KS_RESOURCE_TYPE_BROKER, "0", "background.threads", "3", KS_SOURCE_DYNAMIC_BROKER);
}
END_TEST

START_TEST(what_another_broker_was_told_for_all_comes_with_the_watch)
{
    struct ks_dynamic_config config = { 0 };
    struct kafscale_slice value;
    struct other_writer other;
    struct ks_buffer bytes;
    char text[] = "100";

    config.config.values[KS_TOPIC_CONFIG_MAX_MESSAGE_BYTES] = text;
    ks_buffer_init(&bytes, 1000);
    ks_dynamic_config_encode(&config, &bytes);
    value = ks_buffer_slice(&bytes);
    other_writer_init(&other, &fixture);
    virtual_env_run_for(&fixture.v, 5000);
    other_writer_put(&other, "config/default", &value);
    /* Of another broker: nothing to this one. */
    other_writer_put(&other, "config/3", &value);
    ck_assert_int_eq(produce_large(), KAFKA_ERROR_NONE);
    ck_assert_int_eq(produce_large(), KAFKA_ERROR_MESSAGE_TOO_LARGE);
    /* Damage in a record changes nothing. */
    value.size--;
    other_writer_put(&other, "config/default", &value);
    virtual_env_run_for(&fixture.v, 5000);
    (void) produce_large();
    ck_assert_int_eq(produce_large(), KAFKA_ERROR_MESSAGE_TOO_LARGE);
    other_writer_put(&other, "config/default", NULL);
    virtual_env_run_for(&fixture.v, 5000);
    (void) produce_large();
    ck_assert_int_eq(produce_large(), KAFKA_ERROR_NONE);
    other_writer_deinit(&other);
    ks_buffer_deinit(&bytes);
}
END_TEST

Suite *
suite_new(void)
{
    Suite *suite = suite_create("handlers broker configs");
    TCase *tests = tcase_create("all");

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, defaults_change_at_once_and_for_good);
    tcase_add_test(tests, one_broker_goes_before_all_of_them);
    tcase_add_test(tests, keys_that_do_not_act_are_kept);
    tcase_add_test(tests, what_can_not_change_is_refused);
    tcase_add_test(tests, the_older_api_replaces_all_that_was_set);
    tcase_add_test(tests, what_another_broker_was_told_for_all_comes_with_the_watch);
    suite_add_tcase(suite, tests);
    return suite;
}
