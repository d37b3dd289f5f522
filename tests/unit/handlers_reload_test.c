/* SPDX-License-Identifier: Apache-2.0 */
/* What a broker does otherwise at once when its options change, and that it is all or nothing. */
#include "support/admin_client.h"
#include "support/main.h"

#include <stdio.h>

static struct broker_fixture fixture;
static struct test_broker *broker;
static struct ks_broker_options options;

static void
begin(int64_t flush_interval_ms)
{
    broker_fixture_init(&fixture, 51);
    test_broker_options(&options);
    options.flush_interval_ms = flush_interval_ms;
    broker = test_broker_begin(&fixture, &options);
    ck_assert(virtual_env_run_until(&fixture.v, &broker->is_started, 60000));
    ck_assert_int_eq(client_create(broker, "a", 1), KAFKA_ERROR_NONE);
}

static void
end(void)
{
    ks_broker_options_deinit(&options);
    test_broker_stop(broker);
    broker_fixture_deinit(&fixture);
}

/* A record that waits for company goes when it has waited as long as is allowed now. */
START_TEST(what_waits_to_be_stored_goes_by_the_new_time)
{
    struct client_batch batch = client_batch("a", 0);
    struct test_call *call;
    int64_t offset;
    int64_t begun_ms;

    begin(60000);
    begun_ms = fixture.v.now_ms;
    call = client_produce_begin(broker, &batch, 120000);
    virtual_env_run_for(&fixture.v, 100);
    options.flush_interval_ms = 300;
    ck_assert_int_eq(ks_broker_reload(broker->broker, &options), KAFSCALE_OK);
    ck_assert_int_eq(client_produced(call, &offset), KAFKA_ERROR_NONE);
    ck_assert_int_lt(fixture.v.now_ms - begun_ms, 1000);
    call_free(call);
    end();
}
END_TEST

START_TEST(a_smaller_cache_is_smaller_at_once_and_the_records_are_there)
{
    struct client_batch batch = client_batch("a", 0);
    struct test_call *call;
    int64_t offset;

    begin(0);
    batch.count = 100;
    for (int i = 0; i < 20; i++) {
        ck_assert_int_eq(client_produce(broker, &batch, &offset), KAFKA_ERROR_NONE);
    }
    ck_assert_double_gt(client_metric(broker, "kafscale_cache_bytes", ""), 0);
    options.cache_bytes_max = 0;
    ck_assert_int_eq(ks_broker_reload(broker->broker, &options), KAFSCALE_OK);
    ck_assert_double_eq(client_metric(broker, "kafscale_cache_bytes", ""), 0);
    call = client_fetch_begin(broker, "a", 0, 0, 0);
    client_fetched(call);
    call_free(call);
    end();
}
END_TEST

static const char *
default_retention(void)
{
    return ks_topic_config_text(&ks_broker_options(broker->broker)->topic_defaults, NULL,
                                KS_TOPIC_CONFIG_RETENTION_MS);
}

START_TEST(each_allocation_may_fail_and_then_nothing_has_changed)
{
    enum kafscale_status status = KAFSCALE_NO_MEMORY;
    uint64_t failures = 0;

    begin(0);
    ck_assert_int_eq(ks_topic_config_set(&options.topic_defaults, KS_TOPIC_CONFIG_RETENTION_MS,
                                         ks_slice_of_text("1234")),
                     KAFSCALE_OK);
    options.topics_max = 1;
    for (; status == KAFSCALE_NO_MEMORY; failures++) {
        ck_assert_str_ne(default_retention(), "1234");
        ck_assert_uint_ne(ks_broker_options(broker->broker)->topics_max, 1);
        ks_alloc_fail_once_after(failures);
        status = ks_broker_reload(broker->broker, &options);
        (void) ks_alloc_fail_after(UINT64_MAX);
    }
    ck_assert_int_eq(status, KAFSCALE_OK);
    ck_assert_uint_gt(failures, 2);
    ck_assert_str_eq(default_retention(), "1234");
    ck_assert_int_eq(client_create(broker, "b", 1), KAFKA_ERROR_POLICY_VIOLATION);
    end();
}
END_TEST

START_TEST(a_broker_that_stops_takes_no_other_options)
{
    begin(0);
    test_broker_begin_stop(broker);
    ck_assert_int_eq(ks_broker_reload(broker->broker, &options), KAFSCALE_STOPPED);
    ks_broker_options_deinit(&options);
    test_broker_end_stop(broker);
    broker_fixture_deinit(&fixture);
}
END_TEST

Suite *
suite_new(void)
{
    Suite *suite = suite_create("reload");
    TCase *changes = tcase_create("changes");

    tcase_add_test(changes, what_waits_to_be_stored_goes_by_the_new_time);
    tcase_add_test(changes, a_smaller_cache_is_smaller_at_once_and_the_records_are_there);
    tcase_add_test(changes, each_allocation_may_fail_and_then_nothing_has_changed);
    tcase_add_test(changes, a_broker_that_stops_takes_no_other_options);
    suite_add_tcase(suite, changes);
    return suite;
}
