/* SPDX-License-Identifier: Apache-2.0 */
/* Requests that are to fail or to wait, between a carrier and handlers of a test. */
#include "support/main.h"
#include "support/virtual_env.h"
#include "testing/testing.h"

#define ASKERS_MAX 16
#define FRAME_BYTES_MAX 4096

/* A request on its way, and what became of it. */
struct asker {
    struct ks_exchange exchange;
    bool is_answered;
    enum ks_answer_kind kind;
    int16_t error;      /* as the answer says to its carrier */
    int16_t told_error; /* as it says to the client */
    int32_t throttle_ms;
    int64_t answered_ms;
};

static struct virtual_env v;
static struct ks_rules rules;
static struct ks_request_log request_log;
static struct ks_interceptor interceptor;
static struct asker askers[ASKERS_MAX];
static size_t asker_count;

/* The handlers: what they were given, in order; answered at once unless they hold. */
static struct ks_exchange *handled[ASKERS_MAX];
static size_t handled_count;
static size_t gone_count;
static bool is_holding;

/* --- The handlers ----------------------------------------------------------------------------- */

static void
answer_ok(struct ks_exchange *exchange)
{
    static const uint8_t heartbeat_v4[] = { 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0 };
    struct kafscale_part part = { .bytes = ks_slice(heartbeat_v4, sizeof heartbeat_v4) };
    struct ks_answer answer = { .kind = KS_ANSWER_SEND, .parts = &part, .part_count = 1 };

    exchange->complete(exchange, &answer);
}

static void
handler_accept(void *self, struct ks_exchange *exchange)
{
    (void) self;
    ck_assert_uint_lt(handled_count, ASKERS_MAX);
    handled[handled_count++] = exchange;
    if (!is_holding) {
        answer_ok(exchange);
    }
}

static void
handler_gone(void *self, struct ks_exchange *exchange)
{
    (void) self;
    gone_count++;
    answer_ok(exchange);
}

static const struct ks_request_sink handlers = { .accept = handler_accept, .gone = handler_gone };

/* --- The carrier ------------------------------------------------------------------------------ */

static void
take_answer(struct asker *asker, const struct ks_answer *answer)
{
    struct kafka_heartbeat_response response;
    struct kafscale_error error = { 0 };
    struct kafscale_slice body;
    struct ks_arena arena;
    int32_t correlation_id;

    ck_assert_uint_eq(answer->part_count, 1);
    ks_arena_init(&arena, FRAME_BYTES_MAX);
    ck_assert_int_eq(kafka_response_header_decode(answer->parts[0].bytes, KAFKA_API_HEARTBEAT, 4,
                                                  &correlation_id, &body, &error),
                     KAFSCALE_OK);
    ck_assert_int_eq(
        kafka_decode(&kafka_heartbeat_response_message, 4, body, &arena, &response, &error),
        KAFSCALE_OK);
    ks_arena_deinit(&arena);
    asker->told_error = response.error_code;
    asker->throttle_ms = response.throttle_time_ms;
    ck_assert_int_eq(answer->throttle_ms, response.throttle_time_ms);
}

static void
on_answered(struct ks_exchange *exchange, const struct ks_answer *answer)
{
    struct asker *asker = KS_CONTAINER(exchange, struct asker, exchange);

    ck_assert(!asker->is_answered);
    asker->is_answered = true;
    asker->kind = answer->kind;
    asker->error = answer->error;
    asker->answered_ms = ks_env_now_ms(&v.env);
    if (answer->kind == KS_ANSWER_SEND) {
        take_answer(asker, answer);
    }
    kafscale_blob_unref(exchange->frame);
    exchange->frame = NULL;
}

static struct kafscale_blob *
frame_of(int16_t api_key, int16_t version, const char *client_id, const void *body)
{
    struct kafka_request_header header = { .api_key = api_key,
                                           .api_version = version,
                                           .correlation_id = 1,
                                           .client_id = ks_slice(client_id, strlen(client_id)) };
    struct kafscale_error error = { 0 };
    struct kafka_writer writer;
    const struct kafscale_slice *parts;
    struct kafscale_blob *frame;
    size_t count;

    kafka_writer_init(&writer, FRAME_BYTES_MAX);
    ck_assert_int_eq(kafka_request_encode(&header, body, &writer, &error), KAFSCALE_OK);
    ck_assert_int_eq(kafka_writer_finish(&writer, &parts, &count), KAFSCALE_OK);
    ck_assert_uint_eq(count, 1);
    frame = kafscale_blob_new(parts[0].size - KAFKA_FRAME_LENGTH_BYTES);
    memcpy(kafscale_blob_data(frame), parts[0].data + KAFKA_FRAME_LENGTH_BYTES,
           parts[0].size - KAFKA_FRAME_LENGTH_BYTES);
    kafka_writer_deinit(&writer);
    return frame;
}

static struct asker *
ask_with(uint64_t connection, struct kafscale_blob *frame)
{
    struct asker *asker = &askers[asker_count++];

    ck_assert_uint_le(asker_count, ASKERS_MAX);
    *asker = (struct asker){ .exchange = { .frame = frame,
                                           .payload = kafscale_blob_slice(frame),
                                           .complete = on_answered } };
    asker->exchange.context.client_address = "127.0.0.1";
    asker->exchange.context.connection = connection;
    interceptor.sink.accept(interceptor.sink.self, &asker->exchange);
    return asker;
}

static struct asker *
ask_as(uint64_t connection, const char *client_id)
{
    struct kafka_heartbeat_request body;

    kafka_message_init(&kafka_heartbeat_request_message, &body);
    return ask_with(connection, frame_of(KAFKA_API_HEARTBEAT, 4, client_id, &body));
}

static struct asker *
ask(uint64_t connection)
{
    return ask_as(connection, "tester");
}

static struct asker *
ask_without_answer(void)
{
    struct kafka_produce_request body;

    kafka_message_init(&kafka_produce_request_message, &body);
    return ask_with(1, frame_of(KAFKA_API_PRODUCE, 7, "tester", &body));
}

static void
leave(struct asker *asker)
{
    interceptor.sink.gone(interceptor.sink.self, &asker->exchange);
}

/* --- Expectations ----------------------------------------------------------------------------- */

static void
set_up(void)
{
    virtual_env_init(&v, 1);
    ck_assert_int_eq(ks_request_log_init(&request_log, 4), KAFSCALE_OK);
    ks_interceptor_init(&interceptor, &v.env, &rules, &request_log);
    ks_interceptor_set_inner(&interceptor, &handlers);
    asker_count = handled_count = gone_count = 0;
    is_holding = false;
}

static void
tear_down(void)
{
    ck_assert_uint_eq(ks_interceptor_waiting_count(&interceptor), 0);
    ck_assert_uint_eq(interceptor.held_bytes, 0);
    for (size_t i = 0; i < asker_count; i++) {
        ck_assert(askers[i].is_answered);
    }
    ks_interceptor_deinit(&interceptor);
    ks_request_log_deinit(&request_log);
    ks_rules_deinit(&rules);
}

static void
add(enum ks_fate_kind kind, uint32_t count)
{
    struct ks_rule rule = { .api_key = KS_RULE_ANY_API,
                            .kind = kind,
                            .count = count,
                            .error = KAFKA_ERROR_REBALANCE_IN_PROGRESS };

    ck_assert_int_eq(ks_rules_add(&rules, &rule), KAFSCALE_OK);
}

static void
add_delays(int64_t before_ms, int64_t after_ms, uint32_t count)
{
    struct ks_rule rule = {
        .api_key = KS_RULE_ANY_API, .before_ms = before_ms, .after_ms = after_ms, .count = count
    };

    ck_assert_int_eq(ks_rules_add(&rules, &rule), KAFSCALE_OK);
}

static void
expect(const struct asker *asker, enum ks_answer_kind kind, int16_t error)
{
    ck_assert(asker->is_answered);
    ck_assert_int_eq(asker->kind, kind);
    ck_assert_int_eq(asker->error, error);
    ck_assert_int_eq(asker->told_error, error);
}

/* --- Fates ------------------------------------------------------------------------------------ */

START_TEST(without_rules_everything_passes)
{
    expect(ask(1), KS_ANSWER_SEND, KAFKA_ERROR_NONE);
    ck_assert_uint_eq(handled_count, 1);
}
END_TEST

START_TEST(an_error_before_is_not_handled_and_one_after_is)
{
    add(KS_FATE_ERROR, 1);
    add(KS_FATE_ERROR_AFTER, 1);
    expect(ask(1), KS_ANSWER_SEND, KAFKA_ERROR_REBALANCE_IN_PROGRESS);
    ck_assert_uint_eq(handled_count, 0);
    expect(ask(1), KS_ANSWER_SEND, KAFKA_ERROR_REBALANCE_IN_PROGRESS);
    ck_assert_uint_eq(handled_count, 1);
    expect(ask(1), KS_ANSWER_SEND, KAFKA_ERROR_NONE);
}
END_TEST

START_TEST(a_connection_ends_before_or_after_the_deed)
{
    add(KS_FATE_CLOSE, 1);
    add(KS_FATE_CLOSE_AFTER, 1);
    expect(ask(1), KS_ANSWER_CLOSE, KAFKA_ERROR_NONE);
    ck_assert_uint_eq(handled_count, 0);
    expect(ask(1), KS_ANSWER_CLOSE, KAFKA_ERROR_NONE);
    ck_assert_uint_eq(handled_count, 1);
}
END_TEST

START_TEST(rules_hold_for_their_api_and_client_until_cleared)
{
    struct ks_rule rule = { .api_key = KAFKA_API_HEARTBEAT,
                            .client_id = "other",
                            .count = KS_RULE_UNTIL_CLEARED,
                            .kind = KS_FATE_ERROR,
                            .error = KAFKA_ERROR_UNKNOWN_MEMBER_ID };

    ck_assert_int_eq(ks_rules_add(&rules, &rule), KAFSCALE_OK);
    expect(ask(1), KS_ANSWER_SEND, KAFKA_ERROR_NONE);
    expect(ask_as(1, "other"), KS_ANSWER_SEND, KAFKA_ERROR_UNKNOWN_MEMBER_ID);
    expect(ask_as(1, "other"), KS_ANSWER_SEND, KAFKA_ERROR_UNKNOWN_MEMBER_ID);
    expect(ask_as(1, "others"), KS_ANSWER_SEND, KAFKA_ERROR_NONE);
    ks_rules_clear(&rules);
    expect(ask_as(1, "other"), KS_ANSWER_SEND, KAFKA_ERROR_NONE);
}
END_TEST

/* Kafka closes the connection where an error can't be told. */
START_TEST(an_error_for_nobody_ends_the_connection)
{
    add(KS_FATE_ERROR, 1);
    expect(ask_without_answer(), KS_ANSWER_CLOSE, KAFKA_ERROR_NONE);
    ck_assert_uint_eq(handled_count, 0);
}
END_TEST

START_TEST(a_throttled_answer_says_so)
{
    struct ks_rule rule = { .api_key = KS_RULE_ANY_API, .count = 1, .throttle_ms = 250 };
    const struct asker *asker;

    ck_assert_int_eq(ks_rules_add(&rules, &rule), KAFSCALE_OK);
    asker = ask(1);
    expect(asker, KS_ANSWER_SEND, KAFKA_ERROR_NONE);
    ck_assert_int_eq(asker->throttle_ms, 250);
}
END_TEST

/* --- Time ------------------------------------------------------------------------------------- */

START_TEST(delays_before_and_after_add_up)
{
    int64_t begun_ms = ks_env_now_ms(&v.env);
    const struct asker *asker;

    add_delays(100, 20, 1);
    asker = ask(1);
    virtual_env_run_for(&v, 99);
    ck_assert_uint_eq(handled_count, 0);
    virtual_env_run_for(&v, 20);
    ck_assert_uint_eq(handled_count, 1);
    ck_assert(!asker->is_answered);
    virtual_env_run_for(&v, 1);
    expect(asker, KS_ANSWER_SEND, KAFKA_ERROR_NONE);
    ck_assert_int_eq(asker->answered_ms - begun_ms, 120);
}
END_TEST

/* Whoever overtook would change the order of records. Others are not held up. */
START_TEST(a_delayed_request_keeps_its_place_in_its_connection)
{
    struct asker *first;
    struct asker *second;

    add_delays(100, 0, 1);
    first = ask(1);
    second = ask(1);
    expect(ask(2), KS_ANSWER_SEND, KAFKA_ERROR_NONE);
    ck_assert(!second->is_answered);
    virtual_env_run_for(&v, 100);
    ck_assert_uint_eq(handled_count, 3);
    ck_assert(first->is_answered);
    ck_assert(second->is_answered);
}
END_TEST

START_TEST(a_pause_holds_requests_and_answers)
{
    struct asker *handled_before;
    struct asker *asked_while;

    is_holding = true;
    handled_before = ask(1);
    ks_interceptor_pause(&interceptor, true);
    is_holding = false;
    answer_ok(handled[0]);
    asked_while = ask(2);
    virtual_env_run_for(&v, 10000);
    ck_assert(!handled_before->is_answered);
    ck_assert(!asked_while->is_answered);
    ck_assert_uint_eq(handled_count, 1);

    ks_interceptor_pause(&interceptor, false);
    virtual_env_run_for(&v, 1);
    expect(handled_before, KS_ANSWER_SEND, KAFKA_ERROR_NONE);
    expect(asked_while, KS_ANSWER_SEND, KAFKA_ERROR_NONE);
}
END_TEST

/* --- Ends ------------------------------------------------------------------------------------- */

START_TEST(who_leaves_is_not_waited_for)
{
    struct asker *waiting;
    struct asker *behind;
    struct asker *held;
    struct asker *working;

    add_delays(1000, 0, 1);
    add_delays(0, 0, 1);
    add_delays(0, 1000, 1);
    waiting = ask(1);
    behind = ask(1);
    held = ask(2);
    is_holding = true;
    working = ask(3);

    leave(waiting);
    ck_assert(waiting->is_answered);
    leave(held);
    ck_assert(held->is_answered);
    leave(working);
    ck_assert_uint_eq(gone_count, 1);
    ck_assert(working->is_answered);
    is_holding = false;
    virtual_env_run_for(&v, 1);
    expect(behind, KS_ANSWER_SEND, KAFKA_ERROR_NONE);
}
END_TEST

/* Between two runs of a broker there is nobody to ask. */
START_TEST(without_handlers_connections_end)
{
    struct asker *waiting;

    add_delays(1000, 0, 1);
    waiting = ask(1);
    ks_interceptor_set_inner(&interceptor, NULL);
    expect(ask(2), KS_ANSWER_CLOSE, KAFKA_ERROR_NONE);
    ks_interceptor_deinit(&interceptor);
    ck_assert(waiting->is_answered);
    ks_interceptor_init(&interceptor, &v.env, &rules, &request_log);
}
END_TEST

START_TEST(bytes_that_are_no_request_are_for_the_handlers)
{
    struct kafscale_blob *frame = kafscale_blob_new(1);

    kafscale_blob_data(frame)[0] = 0;
    add(KS_FATE_ERROR, KS_RULE_UNTIL_CLEARED);
    expect(ask_with(1, frame), KS_ANSWER_SEND, KAFKA_ERROR_NONE);
    ck_assert_uint_eq(handled_count, 1);
    ck_assert_int_eq(ks_request_log_at(&request_log, 0)->api_key, -1);
}
END_TEST

/* --- What is remembered ----------------------------------------------------------------------- */

START_TEST(the_log_keeps_the_last_and_counts_all)
{
    const struct ks_request_entry *last;

    for (int i = 0; i < 6; i++) {
        ask(1);
    }
    add(KS_FATE_ERROR, 1);
    ask_as(7, "failing");
    ck_assert_uint_eq(ks_request_log_kept(&request_log), 4);
    ck_assert_uint_eq(ks_request_log_count(&request_log, KAFKA_API_HEARTBEAT), 7);
    ck_assert_uint_eq(ks_request_log_at(&request_log, 0)->number, 4);
    last = ks_request_log_at(&request_log, 3);
    ck_assert_uint_eq(last->number, 7);
    ck_assert_uint_eq(last->connection, 7);
    ck_assert_int_eq(last->error, KAFKA_ERROR_REBALANCE_IN_PROGRESS);
    ck_assert_str_eq(last->client_id, "failing");
    ck_assert_str_eq(last->client_address, "127.0.0.1");
    ck_assert(last->is_answered);
    ck_assert(last->is_faulted);
    ck_assert(!ks_request_log_at(&request_log, 0)->is_faulted);
    ks_request_log_clear(&request_log);
    ck_assert_uint_eq(ks_request_log_kept(&request_log), 0);
}
END_TEST

START_TEST(there_are_only_so_many_rules)
{
    struct ks_rule rule = { .api_key = KS_RULE_ANY_API, .count = 1 };

    for (int i = 0; i < KS_RULES_MAX; i++) {
        ck_assert_int_eq(ks_rules_add(&rules, &rule), KAFSCALE_OK);
    }
    ck_assert_int_eq(ks_rules_add(&rules, &rule), KAFSCALE_FULL);
}
END_TEST

Suite *
suite_new(void)
{
    Suite *suite = suite_create("testing interceptor");
    TCase *tests = tcase_create("interceptor");

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, without_rules_everything_passes);
    tcase_add_test(tests, an_error_before_is_not_handled_and_one_after_is);
    tcase_add_test(tests, a_connection_ends_before_or_after_the_deed);
    tcase_add_test(tests, rules_hold_for_their_api_and_client_until_cleared);
    tcase_add_test(tests, an_error_for_nobody_ends_the_connection);
    tcase_add_test(tests, a_throttled_answer_says_so);
    tcase_add_test(tests, delays_before_and_after_add_up);
    tcase_add_test(tests, a_delayed_request_keeps_its_place_in_its_connection);
    tcase_add_test(tests, a_pause_holds_requests_and_answers);
    tcase_add_test(tests, who_leaves_is_not_waited_for);
    tcase_add_test(tests, without_handlers_connections_end);
    tcase_add_test(tests, bytes_that_are_no_request_are_for_the_handlers);
    tcase_add_test(tests, the_log_keeps_the_last_and_counts_all);
    tcase_add_test(tests, there_are_only_so_many_rules);
    suite_add_tcase(suite, tests);
    return suite;
}
