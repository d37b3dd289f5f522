/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Administration, and produced batches that must be opened, with each allocation failing in turn:
 * whatever becomes of the request, the broker goes on, and what was asked can be asked again.
 */
#include "support/admin_client.h"
#include "support/main.h"

#include "handlers/config_alteration.h"

#define ALLOCATIONS_MAX 2000
#define TRIES_MAX 20
#define RETRY_MS 500

static struct broker_fixture fixture;
static struct test_broker *broker;

static void
set_up(void)
{
    broker_fixture_init(&fixture, 36);
    broker = test_broker_start(&fixture);
    ck_assert_int_eq(client_create(broker, "a", 1), KAFKA_ERROR_NONE);
    ck_assert_int_eq(admin_set(broker, "a", "compression.type", "gzip"), KAFKA_ERROR_NONE);
}

static void
tear_down(void)
{
    test_broker_stop(broker);
    broker_fixture_deinit(&fixture);
}

static struct test_call *
alter(int8_t type, const char *name, const char *key, const char *value)
{
    struct kafka_alter_configs_request_resource_config config = { .name = ks_slice_of_text(key),
                                                                  .value =
                                                                      ks_slice_of_text(value) };
    struct kafka_alter_configs_request_resource resource = { .resource_type = type,
                                                             .resource_name =
                                                                 ks_slice_of_text(name),
                                                             .configs = &config,
                                                             .configs_count = 1 };
    struct kafka_alter_configs_request request = { .resources = &resource, .resources_count = 1 };

    return call_begin(broker, KAFKA_API_ALTER_CONFIGS, 2, &request);
}

static struct test_call *
begin_topic(void)
{
    return alter(2, "a", "flush.ms", "5");
}

static struct test_call *
begin_broker(void)
{
    return alter(4, "0", "log.flush.interval.ms", "5");
}

static struct test_call *
begin_growth(void)
{
    return admin_grow_begin(broker, "a", 3, false);
}

static struct test_call *
begin_produce(void)
{
    struct client_batch batch = client_batch("a", 0);

    batch.count = 3;
    return client_produce_begin(broker, &batch, 1000);
}

static struct test_call *
begin_log_dirs(void)
{
    struct kafka_describe_log_dirs_request request = { .topics_count = -1 };

    return call_begin(broker, KAFKA_API_DESCRIBE_LOG_DIRS, 4, &request);
}

static struct test_call *(*const kinds[])(void) = { begin_topic, begin_broker, begin_growth,
                                                    begin_produce, begin_log_dirs };

static int16_t
alter_again(void)
{
    return admin_set(broker, "a", "flush.ms", "7");
}

static int16_t
grow_again(void)
{
    int16_t code = admin_grow(broker, "a", 4);

    return code == KAFKA_ERROR_INVALID_PARTITIONS ? KAFKA_ERROR_NONE : code;
}

static int16_t
produce_again(void)
{
    struct client_batch batch = client_batch("a", 3);

    return client_produce(broker, &batch, NULL);
}

static void
insist(int16_t (*ask)(void), uint64_t k)
{
    int16_t code = KAFKA_ERROR_NONE;

    for (int i = 0; i < TRIES_MAX; i++) {
        code = ask();
        if (code == KAFKA_ERROR_NONE) {
            return;
        }
        virtual_env_run_for(&fixture.v, RETRY_MS);
    }
    ck_abort_msg("still %s after allocation %llu failed", kafka_error_name(code),
                 (unsigned long long) k);
}

/* False: there was no k-th allocation. */
static bool
survives(struct test_call *(*begin)(void), uint64_t k)
{
    struct test_call *call;
    bool has_failed;

    broker->failing_allocation = k;
    call = begin();
    broker->failing_allocation = 0;
    call_wait(call);
    has_failed = ks_alloc_fail_after(UINT64_MAX) == UINT64_MAX;
    call_free(call);
    insist(alter_again, k);
    insist(grow_again, k);
    insist(produce_again, k);
    ck_assert_int_eq(ks_broker_topics(broker->broker)->partition_count, 4);
    ck_assert_int_eq(ks_broker_topics(broker->broker)->partitions_reserved, 0);
    ck_assert_str_eq(admin_topic(broker, "a")->record.config.values[KS_TOPIC_CONFIG_FLUSH_MS], "7");
    return has_failed;
}

START_TEST(a_request_whose_allocation_fails_harms_nothing)
{
    uint64_t k = 1;

    while (k < ALLOCATIONS_MAX && survives(kinds[_i], k)) {
        k++;
        tear_down();
        set_up();
    }
    ck_assert_uint_gt(k, 3);
    ck_assert_uint_lt(k, ALLOCATIONS_MAX);
}
END_TEST

Suite *
suite_new(void)
{
    Suite *suite = suite_create("handlers admin shortage");
    TCase *tests = tcase_create("all");

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_set_timeout(tests, 120);
    tcase_add_loop_test(tests, a_request_whose_allocation_fails_harms_nothing, 0,
                        sizeof kinds / sizeof kinds[0]);
    suite_add_tcase(suite, tests);
    return suite;
}
