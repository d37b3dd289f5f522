/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Options: what each kind takes, what is said about the rest, what the environment adds, and what
 * follows from several keys together.
 */
#include "broker/options.h"
#include "support/main.h"

#include <stdio.h>

struct warnings {
    char text[4096];
    size_t count;
};

static void
on_warning(void *arg, const struct kafscale_log_event *event)
{
    struct warnings *warnings = arg;
    size_t used = strlen(warnings->text);

    if (event->level == KAFSCALE_LOG_ERROR) {
        return;
    }
    ck_assert_int_eq(event->level, KAFSCALE_LOG_WARN);
    snprintf(warnings->text + used, sizeof warnings->text - used, "%s\n", event->line);
    warnings->count++;
}

static void
set(struct kafscale_options *options, const char *key, const char *value)
{
    struct kafscale_error error = { 0 };

    ck_assert_msg(kafscale_options_set(options, key, value, &error) == KAFSCALE_OK, "%s",
                  error.text);
}

static void
expect_refused(const char *key, const char *value, const char *part_of_text)
{
    struct kafscale_options *options = kafscale_options_new();
    struct kafscale_error error = { 0 };

    ck_assert_int_eq(kafscale_options_set(options, key, value, &error), KAFSCALE_INVALID);
    ck_assert_int_eq(error.status, KAFSCALE_INVALID);
    ck_assert_msg(strstr(error.text, key) != NULL, "%s", error.text);
    ck_assert_msg(strstr(error.text, part_of_text) != NULL, "%s", error.text);
    ck_assert(!ks_option_is_set(options, KS_OPTION_listen));
    kafscale_options_free(options);
}

START_TEST(a_key_or_value_that_is_missing_is_refused)
{
    struct kafscale_options *options = kafscale_options_new();
    struct kafscale_error error = { 0 };

    ck_assert_int_eq(kafscale_options_set(options, "listen", NULL, &error), KAFSCALE_INVALID);
    ck_assert_msg(strstr(error.text, "listen") != NULL, "%s", error.text);
    ck_assert_int_eq(kafscale_options_set(options, NULL, "1", NULL), KAFSCALE_INVALID);
    kafscale_options_free(options);
}
END_TEST

START_TEST(every_default_is_a_value_its_own_line_allows)
{
    struct kafscale_options *options = kafscale_options_new();
    struct kafscale_option option;

    for (size_t i = 0; kafscale_option_at(i, &option) == KAFSCALE_OK; i++) {
        ck_assert_str_eq(kafscale_options_get(options, option.key), option.default_value);
        set(options, option.key, option.default_value);
        ck_assert_str_eq(kafscale_options_get(options, option.key), option.default_value);
    }
    ck_assert_int_eq(kafscale_options_check(options, NULL, NULL, NULL), KAFSCALE_OK);
    kafscale_options_free(options);
}
END_TEST

START_TEST(what_is_set_replaces_the_default_and_what_was_set_before)
{
    struct kafscale_options *options = kafscale_options_new();

    ck_assert_int_eq(ks_option_number(options, KS_OPTION_flush_interval_ms), -1);
    set(options, "flush.interval.ms", "50");
    set(options, "flush.interval.ms", "60");
    ck_assert_int_eq(ks_option_number(options, KS_OPTION_flush_interval_ms), 60);
    ck_assert_str_eq(kafscale_options_get(options, "flush.interval.ms"), "60");
    ck_assert_ptr_null(kafscale_options_get(options, "flush.interval"));
    kafscale_options_free(options);
}
END_TEST

START_TEST(a_refused_value_leaves_the_old_one)
{
    struct kafscale_options *options = kafscale_options_new();

    set(options, "flush.interval.ms", "50");
    ck_assert_int_eq(kafscale_options_set(options, "flush.interval.ms", "60001", NULL),
                     KAFSCALE_INVALID);
    ck_assert_int_eq(ks_option_number(options, KS_OPTION_flush_interval_ms), 50);
    kafscale_options_free(options);
}
END_TEST

START_TEST(an_error_names_key_value_and_what_is_allowed)
{
    struct kafscale_options *options = kafscale_options_new();
    struct kafscale_error error = { 0 };

    ck_assert_int_eq(kafscale_options_set(options, "flush.interval.ms", "70000", &error),
                     KAFSCALE_INVALID);
    ck_assert_str_eq(error.text, "option 'flush.interval.ms': '70000' is not allowed, "
                                 "it takes an integer from -1 to 60000");
    kafscale_options_free(options);
}
END_TEST

START_TEST(an_unknown_key_is_an_error)
{
    struct kafscale_options *options = kafscale_options_new();
    struct kafscale_error error = { 0 };

    ck_assert_int_eq(kafscale_options_set(options, "flush.intervall.ms", "1", &error),
                     KAFSCALE_NOT_FOUND);
    ck_assert_str_eq(error.text, "option 'flush.intervall.ms': no such key, "
                                 "did you mean 'flush.interval.ms'?");
    kafscale_options_free(options);
}
END_TEST

START_TEST(integers_are_decimal_and_whole)
{
    const char *const bad[] = {
        "", " 1", "1 ", "1x", "0x10", "1.0", "+1", "-", "99999999999999999999", "-2"
    };

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        expect_refused("flush.interval.ms", bad[i], "integer from -1 to 60000");
    }
}
END_TEST

START_TEST(booleans_take_the_words_of_kafscale)
{
    const char *const yes[] = { "1", "true", "yes", "on", "TRUE", "Yes" };
    const char *const no[] = { "0", "false", "no", "off", "False" };
    struct kafscale_options *options = kafscale_options_new();

    for (size_t i = 0; i < sizeof yes / sizeof *yes; i++) {
        set(options, "auto.create.topics.enable", yes[i]);
        ck_assert(ks_option_is_true(options, KS_OPTION_auto_create_topics_enable));
    }
    for (size_t i = 0; i < sizeof no / sizeof *no; i++) {
        set(options, "auto.create.topics.enable", no[i]);
        ck_assert(!ks_option_is_true(options, KS_OPTION_auto_create_topics_enable));
    }
    kafscale_options_free(options);
    expect_refused("auto.create.topics.enable", "2", "true or false");
    expect_refused("auto.create.topics.enable", "", "true or false");
}
END_TEST

START_TEST(fractions_lie_between_0_and_1)
{
    const char *const good[] = { "0", "1", "0.2", "1.0", "0.999" };
    const char *const bad[] = { "", "2", "1.1", "-0.1", "0.", ".5", "0,2", "0.2x", "1e-1" };
    struct kafscale_options *options = kafscale_options_new();

    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        set(options, "s3.error.rate.warn", good[i]);
    }
    kafscale_options_free(options);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        expect_refused("s3.error.rate.warn", bad[i], "from 0 to 1");
    }
}
END_TEST

START_TEST(choices_are_taken_whole_in_any_case)
{
    struct kafscale_options *options = kafscale_options_new();

    ck_assert_int_eq(ks_options_log_level(options), KAFSCALE_LOG_INFO);
    set(options, "log.level", "WARN");
    ck_assert_int_eq(ks_options_log_level(options), KAFSCALE_LOG_WARN);
    set(options, "log.level", "debug");
    ck_assert_int_eq(ks_options_log_level(options), KAFSCALE_LOG_DEBUG);
    kafscale_options_free(options);
    expect_refused("log.level", "war", "one of error|warn|info|debug");
    expect_refused("log.level", "warn|info", "one of");
    expect_refused("log.level", "", "one of");
}
END_TEST

START_TEST(a_store_is_memory_a_directory_or_s3)
{
    struct kafscale_options *options = kafscale_options_new();

    ck_assert_str_eq(ks_options_store_directory(options), "kafscale-data");
    set(options, "store", "memory");
    ck_assert_ptr_null(ks_options_store_directory(options));
    set(options, "store", "dir:/var/lib/x");
    ck_assert_str_eq(ks_options_store_directory(options), "/var/lib/x");
    ck_assert(!ks_options_store_is_s3(options));
    set(options, "store", "s3");
    ck_assert(ks_options_store_is_s3(options));
    kafscale_options_free(options);
    expect_refused("store", "dir:", "memory, dir:PATH or s3");
    expect_refused("store", "disk", "memory, dir:PATH or s3");
    expect_refused("store", "s3://bucket/prefix", "s3 (with s3.bucket)");
}
END_TEST

START_TEST(a_namespace_is_one_component_of_a_key)
{
    const char *const bad[] = { "", ".", "..", ".x", "a/b", "a b", "__kafscale", "ä" };
    struct kafscale_options *options = kafscale_options_new();

    set(options, "s3.namespace", "team-a_1.x");
    kafscale_options_free(options);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        expect_refused("s3.namespace", bad[i], "letters");
    }
}
END_TEST

START_TEST(secrets_do_not_show_in_errors_and_are_marked)
{
    struct kafscale_option option;
    size_t secret_count = 0;

    for (size_t i = 0; kafscale_option_at(i, &option) == KAFSCALE_OK; i++) {
        secret_count += option.is_secret ? 1 : 0;
    }
    ck_assert_uint_eq(secret_count, 3);
}
END_TEST

/* --- Addresses -------------------------------------------------------------------------------- */

START_TEST(addresses_have_a_host_or_none_and_a_port)
{
    const char *const bad[] = {
        "",         "localhost", "9092",      "localhost:", "localhost:65536", ":-1",
        "::1:9092", "[::1]",     "[::1:9092", "[]:9092",    "a b:1",           "a:1,",
        "a:1,,b:2", "SSL://a:1", "a:1x",      "a/b:1",      "PLAINTEXT://",    "a:000001"
    };
    struct kafscale_options *options = kafscale_options_new();

    set(options, "listen", ":9092");
    set(options, "listen", "127.0.0.1:0, [::1]:9093,PLAINTEXT://broker-1.example:65535");
    kafscale_options_free(options);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        expect_refused("listen", bad[i], "host:port");
    }
}
END_TEST

START_TEST(each_listener_has_its_address)
{
    struct kafscale_options *options = kafscale_options_new();
    struct ks_endpoint endpoint;
    char text[KS_ENDPOINT_TEXT_BYTES];

    ck_assert(ks_options_listen(options, 0, &endpoint));
    ck_assert_str_eq(endpoint.host, "127.0.0.1");
    ck_assert_uint_eq(endpoint.port, 9092);
    ck_assert(!ks_options_listen(options, 1, &endpoint));
    set(options, "listen", "a:1, [::1]:9093");
    ck_assert(ks_options_listen(options, 1, &endpoint));
    ck_assert_str_eq(endpoint.host, "::1");
    ks_endpoint_format(&endpoint, text);
    ck_assert_str_eq(text, "[::1]:9093");
    ck_assert(!ks_options_listen(options, 2, &endpoint));
    kafscale_options_free(options);
}
END_TEST

static void
expect_advertised(const struct kafscale_options *options, const char *bound_host,
                  const char *expected)
{
    struct ks_endpoint bound = { .port = 1234 };
    struct ks_endpoint advertised;
    char text[KS_ENDPOINT_TEXT_BYTES];

    snprintf(bound.host, sizeof bound.host, "%s", bound_host);
    ks_options_advertised(options, 0, &bound, &advertised);
    ks_endpoint_format(&advertised, text);
    ck_assert_str_eq(text, expected);
}

START_TEST(clients_are_told_the_address_of_kafscales_rules)
{
    struct kafscale_options *options = kafscale_options_new();

    expect_advertised(options, "10.0.0.1", "10.0.0.1:1234");
    expect_advertised(options, "", "localhost:1234");
    expect_advertised(options, "0.0.0.0", "localhost:1234");
    expect_advertised(options, "::", "localhost:1234");
    set(options, "pod.name", "kafka-3");
    set(options, "broker.service", "kafka");
    expect_advertised(options, "", "localhost:1234");
    set(options, "pod.namespace", "prod");
    expect_advertised(options, "", "kafka-3.kafka.prod.svc.cluster.local:1234");
    set(options, "broker.host", "b.example");
    expect_advertised(options, "", "b.example:1234");
    expect_advertised(options, "10.0.0.1", "10.0.0.1:1234");
    set(options, "advertised.listeners", "PLAINTEXT://c.example:9");
    expect_advertised(options, "10.0.0.1", "c.example:9");
    set(options, "advertised.listeners", "c.example:0");
    expect_advertised(options, "10.0.0.1", "c.example:1234");
    kafscale_options_free(options);
}
END_TEST

START_TEST(advertised_addresses_are_as_many_as_listeners)
{
    struct kafscale_options *options = kafscale_options_new();
    struct kafscale_error error = { 0 };

    set(options, "listen", "a:1,b:2");
    ck_assert_int_eq(kafscale_options_check(options, NULL, NULL, &error), KAFSCALE_OK);
    set(options, "advertised.listeners", "c:3");
    ck_assert_int_eq(kafscale_options_check(options, NULL, NULL, &error), KAFSCALE_INVALID);
    ck_assert_msg(strstr(error.text, "advertised.listeners") != NULL, "%s", error.text);
    kafscale_options_free(options);
}
END_TEST

START_TEST(the_node_id_comes_from_the_pod_unless_it_is_set)
{
    struct kafscale_options *options = kafscale_options_new();

    ck_assert_int_eq(ks_options_broker_id(options), 0);
    set(options, "pod.name", "kafka-12");
    ck_assert_int_eq(ks_options_broker_id(options), 12);
    set(options, "pod.name", "kafka-7f9c");
    ck_assert_int_eq(ks_options_broker_id(options), 0);
    set(options, "pod.name", "kafka-99999999999999");
    ck_assert_int_eq(ks_options_broker_id(options), 0);
    set(options, "broker.id", "5");
    ck_assert_int_eq(ks_options_broker_id(options), 5);
    kafscale_options_free(options);
}
END_TEST

/* --- The environment -------------------------------------------------------------------------- */

static struct kafscale_options *
from_environment(char *const *environment, struct warnings *warnings)
{
    struct kafscale_options *options = kafscale_options_new();
    struct kafscale_error error = { 0 };

    ck_assert_msg(kafscale_options_set_environment(options, environment, on_warning, warnings,
                                                   &error) == KAFSCALE_OK,
                  "%s", error.text);
    return options;
}

START_TEST(the_environment_knows_keys_and_kafscales_names)
{
    char *environment[] = { "PATH=/bin",
                            "KAFSCALE_BROKER_ADDR=:9092",
                            "KAFSCALE_NUM_PARTITIONS=3",
                            "KAFSCALE_AUTO_CREATE_TOPICS=no",
                            "KAFSCALE_SEGMENT_BYTES=70000",
                            "KAFSCALE_CACHE_SIZE=5",
                            "POD_NAME=kafka-2",
                            "KAFSCALE_S3_ACCESS_KEY=",
                            NULL };
    struct warnings warnings = { 0 };
    struct kafscale_options *options = from_environment(environment, &warnings);

    ck_assert_str_eq(kafscale_options_get(options, "listen"), ":9092");
    ck_assert_int_eq(ks_option_number(options, KS_OPTION_num_partitions), 3);
    ck_assert(!ks_option_is_true(options, KS_OPTION_auto_create_topics_enable));
    ck_assert_int_eq(ks_option_number(options, KS_OPTION_segment_object_bytes), 70000);
    ck_assert_int_eq(ks_option_number(options, KS_OPTION_cache_bytes), 5);
    ck_assert_int_eq(ks_options_broker_id(options), 2);
    ck_assert(!ks_option_is_set(options, KS_OPTION_s3_access_key));
    ck_assert_uint_eq(warnings.count, 0);
    kafscale_options_free(options);
}
END_TEST

START_TEST(the_name_of_the_key_counts_before_other_names)
{
    char *environment[] = { "KAFSCALE_CACHE_SIZE=5", "KAFSCALE_CACHE_BYTES=6", NULL };
    struct warnings warnings = { 0 };
    struct kafscale_options *options = from_environment(environment, &warnings);

    ck_assert_int_eq(ks_option_number(options, KS_OPTION_cache_bytes), 6);
    kafscale_options_free(options);
}
END_TEST

START_TEST(an_unknown_name_in_the_environment_is_a_warning)
{
    char *environment[] = { "KAFSCALE_FLUSH_INTERVALL_MS=5", "KAFSCALE=1", "OTHER=1", NULL };
    struct warnings warnings = { 0 };
    struct kafscale_options *options = from_environment(environment, &warnings);

    ck_assert_uint_eq(warnings.count, 1);
    ck_assert_msg(strstr(warnings.text, "KAFSCALE_FLUSH_INTERVALL_MS") != NULL, "%s",
                  warnings.text);
    kafscale_options_free(options);
}
END_TEST

START_TEST(what_kubernetes_injects_for_services_is_a_warning)
{
    char *environment[] = { "KAFSCALE_BROKER_PORT=tcp://10.0.0.1:9092", "KAFSCALE_BROKER_ID=4",
                            "KAFSCALE_BROKER_SERVICE_HOST=tcp://10.0.0.1", NULL };
    struct warnings warnings = { 0 };
    struct kafscale_options *options = from_environment(environment, &warnings);

    ck_assert_uint_eq(warnings.count, 2);
    ck_assert(!ks_option_is_set(options, KS_OPTION_broker_port));
    ck_assert_int_eq(ks_options_broker_id(options), 4);
    kafscale_options_free(options);
}
END_TEST

START_TEST(a_bad_value_in_the_environment_is_an_error_with_its_name)
{
    char *environment[] = { "KAFSCALE_AUTO_CREATE_PARTITIONS=many", NULL };
    struct kafscale_options *options = kafscale_options_new();
    struct kafscale_error error = { 0 };

    ck_assert_int_eq(kafscale_options_set_environment(options, environment, NULL, NULL, &error),
                     KAFSCALE_INVALID);
    ck_assert_msg(strstr(error.text, "KAFSCALE_AUTO_CREATE_PARTITIONS") != NULL, "%s", error.text);
    ck_assert_msg(strstr(error.text, "'many'") != NULL, "%s", error.text);
    kafscale_options_free(options);
}
END_TEST

START_TEST(use_memory_s3_is_another_way_to_choose_the_store_and_the_later_counts)
{
    char *environment[] = { "KAFSCALE_USE_MEMORY_S3=true", "KAFSCALE_S3_BUCKET=b", NULL };
    struct warnings warnings = { 0 };
    struct kafscale_options *options = from_environment(environment, &warnings);

    ck_assert_ptr_null(ks_options_store_directory(options));
    ck_assert_int_eq(kafscale_options_check(options, NULL, NULL, NULL), KAFSCALE_OK);
    set(options, "store", "dir:x");
    ck_assert_str_eq(ks_options_store_directory(options), "x");
    kafscale_options_free(options);
}
END_TEST

/* --- The whole -------------------------------------------------------------------------------- */

START_TEST(a_bucket_chooses_the_s3_store_and_the_s3_store_needs_a_bucket)
{
    struct kafscale_options *options = kafscale_options_new();
    struct kafscale_error error = { 0 };

    ck_assert(!ks_options_store_is_s3(options));
    set(options, "s3.bucket", "b");
    ck_assert(ks_options_store_is_s3(options));
    ck_assert_int_eq(kafscale_options_check(options, NULL, NULL, NULL), KAFSCALE_OK);
    set(options, "store", "s3");
    ck_assert_int_eq(kafscale_options_check(options, NULL, NULL, NULL), KAFSCALE_OK);
    set(options, "s3.bucket", "");
    ck_assert_int_eq(kafscale_options_check(options, NULL, NULL, &error), KAFSCALE_INVALID);
    ck_assert_msg(strstr(error.text, "s3.bucket") != NULL, "%s", error.text);
    kafscale_options_free(options);
}
END_TEST

START_TEST(a_bucket_beside_another_store_is_told_of)
{
    struct kafscale_options *options = kafscale_options_new();
    struct warnings warnings = { 0 };

    set(options, "s3.bucket", "b");
    set(options, "store", "memory");
    ck_assert(!ks_options_store_is_s3(options));
    ck_assert_int_eq(kafscale_options_check(options, on_warning, &warnings, NULL), KAFSCALE_OK);
    ck_assert_str_eq(warnings.text, "option has no effect key=s3.bucket store=memory\n");
    kafscale_options_free(options);
}
END_TEST

START_TEST(signature_2_is_for_those_who_say_that_nobody_else_writes)
{
    struct kafscale_options *options = kafscale_options_new();
    struct kafscale_error error = { 0 };
    struct warnings warnings = { 0 };

    set(options, "s3.bucket", "b");
    ck_assert_str_eq(ks_options_s3_plugin(options), "s3");
    set(options, "s3.signature", "v2");
    ck_assert_str_eq(ks_options_s3_plugin(options), "libs3");
    ck_assert_int_eq(kafscale_options_check(options, NULL, NULL, &error), KAFSCALE_INVALID);
    ck_assert_msg(strstr(error.text, "store.single_writer") != NULL, "%s", error.text);
    set(options, "store.single_writer", "true");
    ck_assert_int_eq(kafscale_options_check(options, on_warning, &warnings, NULL), KAFSCALE_OK);
    ck_assert_str_eq(warnings.text, "");
    kafscale_options_free(options);
}
END_TEST

START_TEST(a_single_writer_where_it_changes_nothing_is_told_of)
{
    struct kafscale_options *options = kafscale_options_new();
    struct warnings warnings = { 0 };

    set(options, "store.single_writer", "true");
    ck_assert_int_eq(kafscale_options_check(options, on_warning, &warnings, NULL), KAFSCALE_OK);
    ck_assert_str_eq(warnings.text, "option has no effect key=store.single_writer "
                                    "reason=\"the store has atomic creates\"\n");
    kafscale_options_free(options);
}
END_TEST

START_TEST(the_memory_account_holds_at_least_one_request_of_the_largest_size)
{
    struct kafscale_options *options = kafscale_options_new();
    struct kafscale_error error = { 0 };

    set(options, "memory.bytes", "100000000");
    ck_assert_int_eq(kafscale_options_check(options, NULL, NULL, &error), KAFSCALE_INVALID);
    ck_assert_msg(strstr(error.text, "socket.request.max.bytes") != NULL, "%s", error.text);
    set(options, "socket.request.max.bytes", "100000000");
    ck_assert_int_eq(kafscale_options_check(options, NULL, NULL, NULL), KAFSCALE_OK);
    kafscale_options_free(options);
}
END_TEST

START_TEST(what_would_be_unsafe_to_ignore_is_refused_unless_it_is_the_default)
{
    const char *const keys[] = { "acl.enabled", "proxy.protocol", "etcd.endpoints" };
    const char *const harmless[] = { "no", "off", "" };

    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        struct kafscale_options *options = kafscale_options_new();
        struct kafscale_error error = { 0 };

        set(options, keys[i], harmless[i]);
        ck_assert_int_eq(kafscale_options_check(options, NULL, NULL, &error), KAFSCALE_OK);
        set(options, keys[i], "1");
        ck_assert_int_eq(kafscale_options_check(options, NULL, NULL, &error), KAFSCALE_UNSUPPORTED);
        ck_assert_msg(strstr(error.text, keys[i]) != NULL, "%s", error.text);
        kafscale_options_free(options);
    }
}
END_TEST

START_TEST(fractions_are_numbers)
{
    static const struct {
        const char *text;
        double number;
    } fractions[] = {
        { "0", 0 }, { "1", 1 }, { "0.25", 0.25 }, { "1.000", 1 }, { "0.605", 0.605 }
    };
    struct kafscale_options *options = kafscale_options_new();

    ck_assert_double_eq_tol(ks_option_fraction(options, KS_OPTION_s3_error_rate_warn), 0.2, 1e-12);
    for (size_t i = 0; i < sizeof fractions / sizeof *fractions; i++) {
        set(options, "s3.error.rate.warn", fractions[i].text);
        ck_assert_double_eq_tol(ks_option_fraction(options, KS_OPTION_s3_error_rate_warn),
                                fractions[i].number, 1e-12);
    }
    kafscale_options_free(options);
}
END_TEST

START_TEST(an_option_without_effect_gives_one_warning_that_says_why)
{
    struct kafscale_options *options = kafscale_options_new();
    struct warnings warnings = { 0 };

    set(options, "control.addr", ":1");
    set(options, "control.addr", ":2");
    set(options, "num.partitions", "2");
    ck_assert_int_eq(kafscale_options_check(options, on_warning, &warnings, NULL), KAFSCALE_OK);
    ck_assert_uint_eq(warnings.count, 1);
    ck_assert_str_eq(warnings.text, "option has no effect key=control.addr "
                                    "reason=\"there is no gRPC control port\"\n");
    kafscale_options_free(options);
}
END_TEST

START_TEST(every_name_of_kafscale_is_in_the_table)
{
    static const char *const names[] = {
        "BROKER_ID",
        "BROKER_ADDR",
        "BROKER_HOST",
        "BROKER_PORT",
        "BROKER_SERVICE",
        "METRICS_ADDR",
        "CONTROL_ADDR",
        "ETCD_ENDPOINTS",
        "ETCD_USERNAME",
        "ETCD_PASSWORD",
        "S3_BUCKET",
        "S3_REGION",
        "S3_ENDPOINT",
        "S3_PATH_STYLE",
        "S3_ACCESS_KEY",
        "S3_SECRET_KEY",
        "S3_SESSION_TOKEN",
        "S3_KMS_ARN",
        "S3_NAMESPACE",
        "S3_READ_BUCKET",
        "S3_READ_REGION",
        "S3_READ_ENDPOINT",
        "S3_CONCURRENCY",
        "USE_MEMORY_S3",
        "SEGMENT_BYTES",
        "FLUSH_INTERVAL_MS",
        "PRODUCE_SYNC_FLUSH",
        "CACHE_BYTES",
        "CACHE_SIZE",
        "READAHEAD_SEGMENTS",
        "AUTO_CREATE_TOPICS",
        "AUTO_CREATE_PARTITIONS",
        "ALLOW_ADMIN_APIS",
        "STARTUP_TIMEOUT_SEC",
        "S3_HEALTH_WINDOW_SEC",
        "S3_LATENCY_WARN_MS",
        "S3_LATENCY_CRIT_MS",
        "S3_ERROR_RATE_WARN",
        "S3_ERROR_RATE_CRIT",
        "THROUGHPUT_WINDOW_SEC",
        "LAG_SAMPLE_INTERVAL_SEC",
        "LOG_LEVEL",
        "TRACE_KAFKA",
        "ENV",
        "ACL_ENABLED",
        "ACL_JSON",
        "ACL_FILE",
        "ACL_FAIL_OPEN",
        "PRINCIPAL_SOURCE",
        "PROXY_PROTOCOL",
        "S3_CREATE_BUCKET",
    };

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char variable[128];
        char *environment[] = { variable, NULL };
        struct warnings warnings = { 0 };
        struct kafscale_options *options = kafscale_options_new();
        struct kafscale_error error = { 0 };

        snprintf(variable, sizeof variable, "KAFSCALE_%s=!", names[i]);
        (void) !kafscale_options_set_environment(options, environment, on_warning, &warnings,
                                                 &error);
        ck_assert_msg(warnings.count == 0, "%s", warnings.text);
        kafscale_options_free(options);
    }
}
END_TEST

START_TEST(the_table_can_be_read)
{
    struct kafscale_option option;
    size_t count = 0;

    while (kafscale_option_at(count, &option) == KAFSCALE_OK) {
        ck_assert(option.help[0] != '\0');
        ck_assert(option.allowed[0] != '\0');
        ck_assert_int_eq(strncmp(option.environment, "KAFSCALE_", 9), 0);
        ck_assert((option.why == NULL) == (option.effect == KAFSCALE_OPTION_USED));
        count++;
    }
    ck_assert_uint_eq(count, KS_OPTION_COUNT);
    ck_assert_int_eq(kafscale_option_at(KS_OPTION_listen, &option), KAFSCALE_OK);
    ck_assert_str_eq(option.environment, "KAFSCALE_LISTEN KAFSCALE_BROKER_ADDR");
}
END_TEST

START_TEST(a_copy_is_independent)
{
    struct kafscale_options *options = kafscale_options_new();
    struct kafscale_options *copy;

    set(options, "num.partitions", "2");
    copy = ks_options_copy(options);
    set(options, "num.partitions", "3");
    ck_assert_int_eq(ks_option_number(copy, KS_OPTION_num_partitions), 2);
    ck_assert(!ks_option_is_set(copy, KS_OPTION_store));
    kafscale_options_free(options);
    kafscale_options_free(copy);
    kafscale_options_free(NULL);
}
END_TEST

START_TEST(short_memory_is_a_status)
{
    struct kafscale_options *options = kafscale_options_new();

    ck_assert_int_eq(kafscale_options_set_from(options, "num.partitions", "2", "here", NULL),
                     KAFSCALE_OK);
    for (uint64_t i = 0; i < 3; i++) {
        ks_alloc_fail_after(i);
        ck_assert_ptr_null(ks_options_copy(options));
        ks_alloc_fail_after(i);
        ck_assert_ptr_null(ks_options_merge(options, options));
    }
    ks_alloc_fail_after(1);
    ck_assert_int_eq(kafscale_options_set_from(options, "num.partitions", "3", "there", NULL),
                     KAFSCALE_NO_MEMORY);
    ks_alloc_fail_after(0);
    ck_assert_ptr_null(kafscale_options_new());
    ck_assert_int_eq(kafscale_options_set(options, "num.partitions", "3", NULL),
                     KAFSCALE_NO_MEMORY);
    ks_alloc_fail_after(UINT64_MAX);
    ck_assert_int_eq(ks_option_number(options, KS_OPTION_num_partitions), 2);
    kafscale_options_free(options);
}
END_TEST

static TCase *
values_case(void)
{
    TCase *values = tcase_create("values");

    tcase_add_test(values, a_key_or_value_that_is_missing_is_refused);
    tcase_add_test(values, every_default_is_a_value_its_own_line_allows);
    tcase_add_test(values, what_is_set_replaces_the_default_and_what_was_set_before);
    tcase_add_test(values, a_refused_value_leaves_the_old_one);
    tcase_add_test(values, an_error_names_key_value_and_what_is_allowed);
    tcase_add_test(values, an_unknown_key_is_an_error);
    tcase_add_test(values, integers_are_decimal_and_whole);
    tcase_add_test(values, booleans_take_the_words_of_kafscale);
    tcase_add_test(values, fractions_lie_between_0_and_1);
    tcase_add_test(values, choices_are_taken_whole_in_any_case);
    tcase_add_test(values, a_store_is_memory_a_directory_or_s3);
    tcase_add_test(values, a_namespace_is_one_component_of_a_key);
    tcase_add_test(values, secrets_do_not_show_in_errors_and_are_marked);
    return values;
}

static TCase *
addresses_case(void)
{
    TCase *addresses = tcase_create("addresses");

    tcase_add_test(addresses, addresses_have_a_host_or_none_and_a_port);
    tcase_add_test(addresses, each_listener_has_its_address);
    tcase_add_test(addresses, clients_are_told_the_address_of_kafscales_rules);
    tcase_add_test(addresses, advertised_addresses_are_as_many_as_listeners);
    tcase_add_test(addresses, the_node_id_comes_from_the_pod_unless_it_is_set);
    return addresses;
}

static TCase *
environment_case(void)
{
    TCase *environment = tcase_create("environment");

    tcase_add_test(environment, the_environment_knows_keys_and_kafscales_names);
    tcase_add_test(environment, the_name_of_the_key_counts_before_other_names);
    tcase_add_test(environment, an_unknown_name_in_the_environment_is_a_warning);
    tcase_add_test(environment, what_kubernetes_injects_for_services_is_a_warning);
    tcase_add_test(environment, a_bad_value_in_the_environment_is_an_error_with_its_name);
    tcase_add_test(environment,
                   use_memory_s3_is_another_way_to_choose_the_store_and_the_later_counts);
    return environment;
}

static TCase *
whole_case(void)
{
    TCase *whole = tcase_create("whole");

    tcase_add_test(whole, a_bucket_chooses_the_s3_store_and_the_s3_store_needs_a_bucket);
    tcase_add_test(whole, a_bucket_beside_another_store_is_told_of);
    tcase_add_test(whole, signature_2_is_for_those_who_say_that_nobody_else_writes);
    tcase_add_test(whole, a_single_writer_where_it_changes_nothing_is_told_of);
    tcase_add_test(whole, the_memory_account_holds_at_least_one_request_of_the_largest_size);
    tcase_add_test(whole, what_would_be_unsafe_to_ignore_is_refused_unless_it_is_the_default);
    tcase_add_test(whole, fractions_are_numbers);
    tcase_add_test(whole, an_option_without_effect_gives_one_warning_that_says_why);
    tcase_add_test(whole, every_name_of_kafscale_is_in_the_table);
    tcase_add_test(whole, the_table_can_be_read);
    tcase_add_test(whole, a_copy_is_independent);
    tcase_add_test(whole, short_memory_is_a_status);
    return whole;
}

Suite *
suite_new(void)
{
    Suite *suite = suite_create("broker options");

    suite_add_tcase(suite, values_case());
    suite_add_tcase(suite, addresses_case());
    suite_add_tcase(suite, environment_case());
    suite_add_tcase(suite, whole_case());
    return suite;
}
