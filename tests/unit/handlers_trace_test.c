/* SPDX-License-Identifier: Apache-2.0 */
/* trace.kafka: what is told of each request, and that nothing is told of what it carries. */
#include "support/group_client.h"
#include "support/main.h"

#include <stdio.h>

#define TEXT_BYTES 20000

static struct broker_fixture fixture;
static struct test_broker *broker;
static char text[TEXT_BYTES];

static void
hear(void *arg, const struct kafscale_log_event *event)
{
    size_t used = strlen(text);

    (void) arg;
    if (strcmp(event->message, "kafka request") == 0) {
        (void) snprintf(text + used, sizeof text - used, "%s\n", event->line);
    }
}

static void
begin(bool is_traced)
{
    struct ks_broker_options options;

    broker_fixture_init(&fixture, 51);
    fixture.v.env.logger = (struct ks_logger){ .write = hear, .level = KAFSCALE_LOG_INFO };
    test_broker_options(&options);
    options.is_traced = is_traced;
    broker = test_broker_begin(&fixture, &options);
    ck_assert(virtual_env_run_until(&fixture.v, &broker->is_started, 60000));
    text[0] = '\0';
}

static void
end(void)
{
    test_broker_stop(broker);
    broker_fixture_deinit(&fixture);
}

static void
expect(const char *part)
{
    ck_assert_msg(strstr(text, part) != NULL, "no '%s' in\n%s", part, text);
}

START_TEST(each_request_is_told_of_with_its_answer)
{
    struct client_batch batch = client_batch("a", 0);
    int64_t offset;

    begin(true);
    ck_assert_int_eq(client_create(broker, "a", 1), KAFKA_ERROR_NONE);
    ck_assert_int_eq(client_produce(broker, &batch, &offset), KAFKA_ERROR_NONE);
    expect("kafka request api=CreateTopics api_key=19 version=");
    expect("kafka request api=Produce api_key=0 version=");
    expect(" outcome=answered errors=none bytes_in=");
    end();
}
END_TEST

START_TEST(errors_are_told_by_name_with_their_number)
{
    struct client_batch batch = client_batch("nowhere", 0);
    int64_t offset;

    begin(true);
    client_produce(broker, &batch, &offset);
    expect("errors=UNKNOWN_TOPIC_OR_PARTITION:1 ");
    ck_assert_ptr_null(strstr(text, "nowhere"));
    end();
}
END_TEST

START_TEST(a_request_that_waits_is_told_of_with_its_time_when_it_is_answered)
{
    struct test_call *call;

    begin(true);
    ck_assert_int_eq(client_create(broker, "a", 1), KAFKA_ERROR_NONE);
    call = client_fetch_begin(broker, "a", 0, 0, 400);
    virtual_env_run_for(&fixture.v, 300);
    ck_assert_ptr_null(strstr(text, "api=Fetch"));
    client_fetched(call);
    call_free(call);
    expect("kafka request api=Fetch ");
    expect(" duration_ms=400 throttle_ms=0\n");
    end();
}
END_TEST

START_TEST(what_can_not_be_read_is_told_of_too)
{
    static const uint8_t strange[] = { 0x7f, 0xff, 0, 1, 0, 0, 0, 9, 0, 3, 'a', '\n', '"' };
    struct test_call *call;

    begin(true);
    call = call_begin_raw(broker, ks_slice(strange, sizeof strange));
    ck_assert_int_eq(call_wait(call), KS_ANSWER_CLOSE);
    call_free(call);
    expect("kafka request api=Unknown api_key=32767 version=1 ");
    expect(" client_id=\"a?\\\"\" correlation_id=9 outcome=closed errors=none bytes_in=17 "
           "bytes_out=0 ");
    end();
}
END_TEST

START_TEST(nothing_is_told_unless_it_is_asked_for)
{
    begin(false);
    ck_assert_int_eq(client_create(broker, "a", 1), KAFKA_ERROR_NONE);
    ck_assert_str_eq(text, "");
    end();
}
END_TEST

Suite *
suite_new(void)
{
    Suite *suite = suite_create("trace");
    TCase *requests = tcase_create("requests");

    tcase_add_test(requests, each_request_is_told_of_with_its_answer);
    tcase_add_test(requests, errors_are_told_by_name_with_their_number);
    tcase_add_test(requests, a_request_that_waits_is_told_of_with_its_time_when_it_is_answered);
    tcase_add_test(requests, what_can_not_be_read_is_told_of_too);
    tcase_add_test(requests, nothing_is_told_unless_it_is_asked_for);
    suite_add_tcase(suite, requests);
    return suite;
}
