/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A Check suite for a program that uses Kafka, here a few lines with librdkafka: each test has a
 * broker of its own.
 *
 *     cc orders_test.c $(pkg-config --cflags --libs check libkafscale rdkafka)
 */
#include <check.h>
#include <kafscale/testing.h>
#include <librdkafka/rdkafka.h>
#include <stdlib.h>
#include <string.h>

#define LIMIT_MS 30000
#define NOT_LEADER_OR_FOLLOWER 6

static struct kafscale_testing *kafka;

/* --- The code under test ---------------------------------------------------------------------- */

/* Sends an order; 0 when it is safe. */
static int
send_order(const char *bootstrap, const char *order)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    char why[256];
    rd_kafka_t *producer;
    int left;

    rd_kafka_conf_set(conf, "bootstrap.servers", bootstrap, why, sizeof why);
    rd_kafka_conf_set(conf, "enable.idempotence", "true", why, sizeof why);
    rd_kafka_conf_set(conf, "retry.backoff.ms", "10", why, sizeof why);
    rd_kafka_conf_set(conf, "log_level", "0", why, sizeof why);
    producer = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof why);
    if (producer == NULL) {
        return -1;
    }
    rd_kafka_producev(producer, RD_KAFKA_V_TOPIC("orders"),
                      RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
                      RD_KAFKA_V_VALUE((void *) (uintptr_t) order, strlen(order)), RD_KAFKA_V_END);
    rd_kafka_flush(producer, LIMIT_MS);
    left = rd_kafka_outq_len(producer);
    rd_kafka_destroy(producer);
    return left == 0 ? 0 : -1;
}

/* --- Its tests -------------------------------------------------------------------------------- */

static void
set_up(void)
{
    static const struct kafscale_testing_topic topic = { .name = "orders", .partitions = 1 };
    struct kafscale_testing_options options = { .size = sizeof options,
                                                .topics = &topic,
                                                .topic_count = 1 };
    struct kafscale_error error = { 0 };

    kafka = kafscale_testing_start(&options, &error);
    ck_assert_msg(kafka != NULL, "%s", error.text);
}

static void
tear_down(void)
{
    kafscale_testing_free(kafka);
}

static void
fail_produce(enum kafscale_testing_fate fate, int16_t error)
{
    struct kafscale_testing_fault fault = {
        .size = sizeof fault, .api = "Produce", .count = 1, .fate = fate, .error = error
    };

    ck_assert_int_eq(kafscale_testing_fail_requests(kafka, &fault, NULL), KAFSCALE_OK);
}

/* Exactly so many: waiting for one more must be in vain. */
static void
expect_orders(int64_t count)
{
    ck_assert_int_eq(kafscale_testing_wait_records(kafka, "orders", -1, count, LIMIT_MS, NULL),
                     KAFSCALE_OK);
    ck_assert_int_eq(kafscale_testing_wait_records(kafka, "orders", -1, count + 1, 0, NULL),
                     KAFSCALE_UNAVAILABLE);
}

START_TEST(an_order_arrives)
{
    ck_assert_int_eq(send_order(kafscale_testing_bootstrap(kafka), "one"), 0);
    expect_orders(1);
}
END_TEST

START_TEST(a_leader_that_moves_is_survived)
{
    fail_produce(KAFSCALE_TESTING_ERROR, NOT_LEADER_OR_FOLLOWER);
    ck_assert_int_eq(send_order(kafscale_testing_bootstrap(kafka), "one"), 0);
    expect_orders(1);
}
END_TEST

START_TEST(an_answer_that_is_lost_repeats_no_order)
{
    fail_produce(KAFSCALE_TESTING_CLOSE_AFTER, 0);
    ck_assert_int_eq(send_order(kafscale_testing_bootstrap(kafka), "one"), 0);
    expect_orders(1);
}
END_TEST

START_TEST(a_kill_loses_no_order)
{
    ck_assert_int_eq(send_order(kafscale_testing_bootstrap(kafka), "one"), 0);
    ck_assert_int_eq(kafscale_testing_restart(kafka, KAFSCALE_TESTING_KILLED, LIMIT_MS, NULL),
                     KAFSCALE_OK);
    ck_assert_int_eq(send_order(kafscale_testing_bootstrap(kafka), "two"), 0);
    expect_orders(2);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("orders");
    TCase *orders = tcase_create("orders");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_set_timeout(orders, 60);
    tcase_add_checked_fixture(orders, set_up, tear_down);
    tcase_add_test(orders, an_order_arrives);
    tcase_add_test(orders, a_leader_that_moves_is_survived);
    tcase_add_test(orders, an_answer_that_is_lost_repeats_no_order);
    tcase_add_test(orders, a_kill_loses_no_order);
    suite_add_tcase(suite, orders);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
