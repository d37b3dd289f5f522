/* SPDX-License-Identifier: Apache-2.0 */
/* The error codes of an answer, wherever they stand in it. */
#include "protocol/protocol.h"
#include "support/main.h"

struct codes {
    int16_t codes[8];
    size_t count;
};

static void
note(void *arg, int16_t code)
{
    struct codes *codes = arg;

    ck_assert_uint_lt(codes->count, 8);
    codes->codes[codes->count] = code;
    codes->count++;
}

START_TEST(codes_of_all_elements_are_told_in_their_order)
{
    struct kafka_produce_response_topic_partition partitions[3];
    struct kafka_produce_response_topic topics[2];
    struct kafka_produce_response response;
    struct codes codes = { 0 };

    kafka_message_init(&kafka_produce_response_message, &response);
    for (int i = 0; i < 3; i++) {
        kafka_message_init(&kafka_produce_response_topic_partition_message, &partitions[i]);
    }
    for (int i = 0; i < 2; i++) {
        kafka_message_init(&kafka_produce_response_topic_message, &topics[i]);
    }
    partitions[0].error_code = KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION;
    partitions[2].error_code = KAFKA_ERROR_UNKNOWN_SERVER_ERROR;
    topics[0].partitions = partitions;
    topics[0].partitions_count = 2;
    topics[1].partitions = &partitions[2];
    topics[1].partitions_count = 1;
    response.topics = topics;
    response.topics_count = 2;
    kafka_visit_errors(&kafka_produce_response_message, 9, &response, note, &codes);
    ck_assert_uint_eq(codes.count, 2);
    ck_assert_int_eq(codes.codes[0], KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION);
    ck_assert_int_eq(codes.codes[1], KAFKA_ERROR_UNKNOWN_SERVER_ERROR);
}
END_TEST

/* Version 4 has a list of coordinators instead of the one. */
START_TEST(a_code_that_the_version_does_not_carry_is_not_told)
{
    struct kafka_find_coordinator_response_coordinator coordinator;
    struct kafka_find_coordinator_response response;
    struct codes one = { 0 };
    struct codes list = { 0 };

    kafka_message_init(&kafka_find_coordinator_response_message, &response);
    kafka_message_init(&kafka_find_coordinator_response_coordinator_message, &coordinator);
    response.error_code = KAFKA_ERROR_NOT_COORDINATOR;
    coordinator.error_code = KAFKA_ERROR_COORDINATOR_NOT_AVAILABLE;
    response.coordinators = &coordinator;
    response.coordinators_count = 1;
    kafka_visit_errors(&kafka_find_coordinator_response_message, 3, &response, note, &one);
    kafka_visit_errors(&kafka_find_coordinator_response_message, 4, &response, note, &list);
    ck_assert_uint_eq(one.count, 1);
    ck_assert_int_eq(one.codes[0], KAFKA_ERROR_NOT_COORDINATOR);
    ck_assert_uint_eq(list.count, 1);
    ck_assert_int_eq(list.codes[0], KAFKA_ERROR_COORDINATOR_NOT_AVAILABLE);
}
END_TEST

START_TEST(an_answer_of_defaults_tells_no_code)
{
    const struct kafka_message *message = kafka_apis[_i].response;
    uint64_t response[64] = { 0 };
    struct codes codes = { 0 };

    ck_assert_uint_le(message->size_bytes, sizeof response);
    kafka_message_init(message, response);
    for (int version = message->version_min; version <= message->version_max; version++) {
        kafka_visit_errors(message, (int16_t) version, response, note, &codes);
    }
    ck_assert_uint_eq(codes.count, 0);
}
END_TEST

Suite *
suite_new(void)
{
    Suite *suite = suite_create("protocol errors");
    TCase *tests = tcase_create("all");

    tcase_add_test(tests, codes_of_all_elements_are_told_in_their_order);
    tcase_add_test(tests, a_code_that_the_version_does_not_carry_is_not_told);
    tcase_add_loop_test(tests, an_answer_of_defaults_tells_no_code, 0, (int) kafka_api_count);
    suite_add_tcase(suite, tests);
    return suite;
}
