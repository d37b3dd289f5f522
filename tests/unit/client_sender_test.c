/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A producer inside the program, on whole brokers in virtual time. Between it and the handlers
 * stands a sink that may refuse what comes, or do it and then say that it failed.
 */
#include "client/client.h"
#include "client/partitioner.h"
#include "support/admin_client.h"
#include "support/main.h"

#include <stdio.h>

#define RESULTS_MAX 4096
#define NOT_SENT (-2)

struct result {
    enum kafscale_status status;
    int64_t offset;
    int32_t partition;
};

/* What stands between: the next `count` Produce requests are answered with `code`. */
struct gate {
    struct ks_request_sink sink;
    const struct ks_request_sink *inner;
    int16_t code;
    bool acts; /* they are done nevertheless */
    int count;
    int produce_count;
    void (*take)(struct ks_exchange *exchange, const void *response,
                 const struct kafscale_part *parts, size_t part_count);
};

static struct broker_fixture fixture;
static struct test_broker *broker;
static struct gate gate;
static struct ks_sender sender;
static struct result results[RESULTS_MAX];
static int reported_count;
static int next_opaque;

static void
delivered(void *arg, const struct ks_send_batch *batch, const struct ks_delivered *delivered)
{
    (void) arg;
    for (int32_t i = 0; i < batch->header.record_count; i++) {
        struct result *result = batch->opaques[i];

        ck_assert_int_eq(result->offset, NOT_SENT);
        result->status = delivered->status;
        result->offset = delivered->base_offset < 0 ? -1 : delivered->base_offset + i;
        result->partition = batch->line->index;
        reported_count++;
    }
}

static bool
is_produce(const struct ks_exchange *exchange)
{
    return exchange->payload.data[0] == 0 && exchange->payload.data[1] == KAFKA_API_PRODUCE;
}

static void
answer_with(struct ks_exchange *exchange, int16_t code)
{
    struct kafka_produce_response_topic_partition partition = { .error_code = code };
    struct kafka_produce_response_topic topic = { .partitions = &partition, .partitions_count = 1 };
    struct kafka_produce_response response = { .topics = &topic, .topics_count = 1 };

    gate.take(exchange, &response, NULL, 0);
}

static void
take_instead(struct ks_exchange *exchange, const void *response, const struct kafscale_part *parts,
             size_t part_count)
{
    (void) response;
    (void) parts;
    (void) part_count;
    answer_with(exchange, gate.code);
}

static void
accept(void *self, struct ks_exchange *exchange)
{
    (void) self;
    gate.produce_count += is_produce(exchange);
    if (!is_produce(exchange) || gate.count == 0) {
        gate.inner->accept(gate.inner->self, exchange);
        return;
    }
    gate.count--;
    gate.take = exchange->take;
    if (!gate.acts) {
        answer_with(exchange, gate.code);
        return;
    }
    exchange->take = take_instead;
    gate.inner->accept(gate.inner->self, exchange);
}

static void
gone(void *self, struct ks_exchange *exchange)
{
    (void) self;
    gate.inner->gone(gate.inner->self, exchange);
}

static struct ks_sender_options
options(void)
{
    return (struct ks_sender_options){ .client_id = ks_slice_of_text("tests"),
                                       .batch_bytes = 100000,
                                       .buffer_bytes = 1000000,
                                       .delivery_timeout_ms = 10000 };
}

static void
begin(const struct ks_sender_options *sender_options)
{
    struct ks_sender_events events = { .delivered = delivered };

    ks_sender_init(&sender, &fixture.v.env, &gate.sink, sender_options, &events);
}

static void
set_up(void)
{
    struct ks_sender_options usual = options();

    broker_fixture_init(&fixture, 61);
    broker = test_broker_start(&fixture);
    gate = (struct gate){ .sink = { .accept = accept, .gone = gone },
                          .inner = ks_handlers_sink(broker->handlers) };
    reported_count = 0;
    next_opaque = 0;
    begin(&usual);
}

static bool
is_quiet(void)
{
    return ks_sender_is_quiet(&sender);
}

static void
end(void)
{
    ks_sender_end(&sender);
    while (!is_quiet() && virtual_env_step(&fixture.v)) {
    }
    ck_assert(is_quiet());
    ks_sender_deinit(&sender);
    ck_assert_int_eq(reported_count, next_opaque);
}

static void
tear_down(void)
{
    end();
    test_broker_stop(broker);
    broker_fixture_deinit(&fixture);
}

static struct ks_send_topic *
topic_of(const char *name)
{
    struct ks_send_topic *topic = ks_sender_topic(&sender, ks_slice_of_text(name));

    ck_assert_ptr_nonnull(topic);
    if (topic->line_count == 0) {
        ks_sender_want(&sender, topic);
        ks_sender_collect(&sender, false);
        while (topic->line_count == 0 && topic->error == KAFKA_ERROR_NONE &&
               virtual_env_step(&fixture.v)) {
        }
    }
    return topic;
}

static struct result *
try_send(const char *name, int32_t partition, struct kafscale_slice value,
         enum kafscale_status *status)
{
    struct ks_send_topic *topic = topic_of(name);
    struct result *result = &results[next_opaque];
    struct ks_record record = { .timestamp = ks_env_wall_ms(&fixture.v.env), .value = value };
    bool is_news;

    ck_assert_int_lt(next_opaque, RESULTS_MAX);
    ck_assert_int_lt(partition, topic->line_count);
    *result = (struct result){ .offset = NOT_SENT };
    *status = ks_sender_append(&sender, topic->lines[partition], &record, result, &is_news);
    next_opaque += *status == KAFSCALE_OK;
    return result;
}

static struct result *
send_bytes(const char *name, int32_t partition, size_t bytes)
{
    static uint8_t value[300000];
    enum kafscale_status status;
    struct result *result;

    ck_assert_uint_le(bytes, sizeof value);
    result = try_send(name, partition, ks_slice(value, bytes), &status);
    ck_assert_int_eq(status, KAFSCALE_OK);
    return result;
}

static struct result *
send_text(const char *name, int32_t partition, const char *text)
{
    enum kafscale_status status;
    struct result *result = try_send(name, partition, ks_slice_of_text(text), &status);

    ck_assert_int_eq(status, KAFSCALE_OK);
    return result;
}

static void
collect(void)
{
    ks_sender_collect(&sender, false);
}

static void
flush(void)
{
    collect();
    while (atomic_load(&sender.pending_records) > 0 && virtual_env_step(&fixture.v)) {
    }
    ck_assert_uint_eq(atomic_load(&sender.pending_records), 0);
    ck_assert_uint_eq(atomic_load(&sender.buffered_bytes), 0);
}

static size_t
stored(const char *topic, int32_t partition)
{
    struct test_call *call = client_fetch_begin(broker, topic, partition, 0, 0);
    size_t count = client_count_records(&client_fetched(call)->records);

    call_free(call);
    return count;
}

#define ck_assert_delivered(result, at)                  \
    do {                                                 \
        ck_assert_int_eq((result)->status, KAFSCALE_OK); \
        ck_assert_int_eq((result)->offset, (at));        \
    } while (0)

/* --- What is sent arrives --------------------------------------------------------------------- */

START_TEST(records_get_offsets_in_their_order)
{
    const struct result *one;
    const struct result *two;
    const struct result *other;

    ck_assert_int_eq(client_create(broker, "a", 2), KAFKA_ERROR_NONE);
    one = send_text("a", 0, "one");
    two = send_text("a", 0, "two");
    other = send_text("a", 1, "other");
    flush();
    ck_assert_delivered(one, 0);
    ck_assert_delivered(two, 1);
    ck_assert_delivered(other, 0);
    ck_assert_int_eq(gate.produce_count, 2);
    ck_assert_uint_eq(stored("a", 0), 2);
    ck_assert_uint_eq(stored("a", 1), 1);
}
END_TEST

/* Small batches are copied to a frame, large ones are sent from where they were made. */
START_TEST(batches_of_all_sizes_arrive)
{
    static const size_t sizes[] = { 0, 1, 400, 4000, 4030, 4096, 5000, 60000, 99900 };
    struct result *sent[sizeof sizes / sizeof *sizes];

    ck_assert_int_eq(client_create(broker, "a", 1), KAFKA_ERROR_NONE);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        sent[i] = send_bytes("a", 0, sizes[i]);
        flush();
        ck_assert_delivered(sent[i], (int64_t) i);
    }
    ck_assert_uint_eq(stored("a", 0), sizeof sizes / sizeof *sizes);
}
END_TEST

START_TEST(a_batch_grows_as_records_come)
{
    ck_assert_int_eq(client_create(broker, "a", 1), KAFKA_ERROR_NONE);
    for (int i = 0; i < 2000; i++) {
        send_bytes("a", 0, 40);
    }
    flush();
    ck_assert_int_eq(gate.produce_count, 1);
    ck_assert_delivered(&results[1999], 1999);
    ck_assert_uint_eq(stored("a", 0), 2000);
}
END_TEST

/* The store takes its time: what comes meanwhile goes together. */
START_TEST(a_slow_store_makes_larger_batches)
{
    static const struct ks_fate slow = { .effect_ms = 500, .answer_ms = 500 };

    ck_assert_int_eq(client_create(broker, "a", 1), KAFKA_ERROR_NONE);
    send_text("a", 0, "first");
    flush();
    ks_fault_store_next(broker->faults, KS_STORE_OPERATION_COUNT, NULL, slow, UINT32_MAX);
    for (int i = 0; i < 1000; i++) {
        send_bytes("a", 0, 40);
        collect();
    }
    flush();
    ck_assert_int_le(gate.produce_count, 8);
    ck_assert_delivered(&results[1000], 1000);
}
END_TEST

START_TEST(records_wait_for_more_as_long_as_they_are_told)
{
    struct ks_sender_options patient = options();
    int64_t begun_ms;

    end();
    reported_count = 0;
    next_opaque = 0;
    patient.linger_ms = 300;
    begin(&patient);
    ck_assert_int_eq(client_create(broker, "a", 1), KAFKA_ERROR_NONE);
    send_text("a", 0, "first");
    begun_ms = ks_env_now_ms(&fixture.v.env);
    collect();
    virtual_env_run_for(&fixture.v, 200);
    ck_assert_int_eq(gate.produce_count, 0);
    send_text("a", 0, "second");
    collect();
    flush();
    ck_assert_int_ge(ks_env_now_ms(&fixture.v.env) - begun_ms, 300);
    ck_assert_int_eq(gate.produce_count, 1);
}
END_TEST

/* The vectors are those of Apache Kafka's own test of its partitioner (UtilsTest, testMurmur2). */
START_TEST(keys_go_where_kafkas_producer_sends_them)
{
    static const struct {
        const char *key;
        int32_t hash;
    } vectors[] = {
        { "21", -973932308 },
        { "foobar", -790332482 },
        { "a-little-bit-long-string", -985981536 },
        { "a-little-bit-longer-string", -1486304829 },
        { "lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971 },
        { "abc", 479470107 },
    };

    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        struct kafscale_slice key = ks_slice_of_text(vectors[i].key);

        ck_assert_int_eq((int32_t) ks_murmur2(key), vectors[i].hash);
        ck_assert_int_eq(ks_partition_of_key(key, 7), (vectors[i].hash & INT32_MAX) % 7);
    }
}
END_TEST

START_TEST(records_without_a_key_go_round)
{
    struct ks_send_topic *topic;
    int32_t first;

    ck_assert_int_eq(client_create(broker, "a", 4), KAFKA_ERROR_NONE);
    topic = topic_of("a");
    first = ks_send_topic_choose(topic, (struct kafscale_slice){ 0 });
    send_text("a", first, "one");
    ck_assert_int_eq(ks_send_topic_choose(topic, (struct kafscale_slice){ 0 }), first);
    flush();
    ck_assert_int_ne(ks_send_topic_choose(topic, (struct kafscale_slice){ 0 }), first);
}
END_TEST

/* --- What fails ------------------------------------------------------------------------------- */

START_TEST(what_was_refused_is_sent_again_in_order)
{
    ck_assert_int_eq(client_create(broker, "a", 1), KAFKA_ERROR_NONE);
    gate.code = KAFKA_ERROR_NOT_LEADER_OR_FOLLOWER;
    gate.count = 1;
    for (int i = 0; i < 4; i++) {
        send_text("a", 0, "x");
        collect();
        virtual_env_step_now(&fixture.v);
    }
    flush();
    for (int i = 0; i < 4; i++) {
        ck_assert_delivered(&results[i], i);
    }
    ck_assert_uint_eq(stored("a", 0), 4);
}
END_TEST

/* The answer is lost, not the batch: the second time it is known. */
START_TEST(what_was_stored_is_not_stored_again)
{
    ck_assert_int_eq(client_create(broker, "a", 1), KAFKA_ERROR_NONE);
    gate.code = KAFKA_ERROR_REQUEST_TIMED_OUT;
    gate.count = 2;
    gate.acts = true;
    for (int i = 0; i < 3; i++) {
        send_bytes("a", 0, 5000);
        collect();
        virtual_env_run_for(&fixture.v, 1);
    }
    flush();
    for (int i = 0; i < 3; i++) {
        ck_assert_delivered(&results[i], i);
    }
    ck_assert_uint_eq(stored("a", 0), 3);
}
END_TEST

START_TEST(what_can_not_be_stored_does_not_stop_what_comes_behind)
{
    ck_assert_int_eq(client_create(broker, "a", 1), KAFKA_ERROR_NONE);
    send_text("a", 0, "zero");
    flush();
    gate.code = KAFKA_ERROR_MESSAGE_TOO_LARGE;
    gate.count = 1;
    for (int i = 0; i < 3; i++) {
        send_text("a", 0, "x");
        collect();
        virtual_env_step_now(&fixture.v);
    }
    flush();
    ck_assert_int_eq(results[1].status, KAFSCALE_TOO_LARGE);
    ck_assert_delivered(&results[2], 1);
    ck_assert_delivered(&results[3], 2);
    ck_assert_uint_eq(stored("a", 0), 3);
}
END_TEST

/* The broker has forgotten the producer: nothing was stored, so it goes on under another id. */
START_TEST(who_was_forgotten_begins_anew)
{
    ck_assert_int_eq(client_create(broker, "a", 1), KAFKA_ERROR_NONE);
    send_text("a", 0, "zero");
    flush();
    gate.code = KAFKA_ERROR_OUT_OF_ORDER_SEQUENCE_NUMBER;
    gate.count = 1;
    send_text("a", 0, "one");
    flush();
    ck_assert_delivered(&results[1], 1);
    ck_assert_uint_eq(stored("a", 0), 2);
}
END_TEST

/* Under another id the broker could not tell that it has the batch: nobody sends it again. */
START_TEST(what_may_be_stored_is_not_sent_under_another_id)
{
    ck_assert_int_eq(client_create(broker, "a", 1), KAFKA_ERROR_NONE);
    gate.code = KAFKA_ERROR_REQUEST_TIMED_OUT;
    gate.count = 1;
    send_text("a", 0, "one");
    collect();
    while (gate.count > 0 && virtual_env_step(&fixture.v)) {
    }
    gate.code = KAFKA_ERROR_UNKNOWN_PRODUCER_ID;
    gate.count = 1;
    flush();
    ck_assert_int_eq(results[0].status, KAFSCALE_UNKNOWN);
    send_text("a", 0, "two");
    flush();
    ck_assert_delivered(&results[1], 0);
}
END_TEST

START_TEST(an_outage_ends_what_waits_and_then_all_goes_on)
{
    static const struct ks_fate outage = { .fault = KS_FAULT_UNAVAILABLE };
    enum kafscale_status status;

    ck_assert_int_eq(client_create(broker, "a", 1), KAFKA_ERROR_NONE);
    send_text("a", 0, "before");
    flush();
    ks_fault_store_next(broker->faults, KS_STORE_OPERATION_COUNT, NULL, outage, UINT32_MAX);
    for (int i = 0; i < 20; i++) {
        send_text("a", 0, "during");
        collect();
        virtual_env_run_for(&fixture.v, 10);
    }
    flush();
    for (int i = 1; i <= 20; i++) {
        status = results[i].status;
        ck_assert_msg(status == KAFSCALE_UNKNOWN || status == KAFSCALE_UNAVAILABLE, "%d", status);
    }
    ck_assert_int_eq(results[1].status, KAFSCALE_UNKNOWN);
    ks_fault_store_clear(broker->faults);
    send_text("a", 0, "after");
    flush();
    ck_assert_int_eq(results[21].status, KAFSCALE_OK);
}
END_TEST

START_TEST(no_more_is_taken_than_there_is_room_for)
{
    static const uint8_t value[50000];
    enum kafscale_status status = KAFSCALE_OK;
    int count = 0;

    ck_assert_int_eq(client_create(broker, "a", 1), KAFKA_ERROR_NONE);
    while (status == KAFSCALE_OK) {
        try_send("a", 0, ks_slice(value, sizeof value), &status);
        count += status == KAFSCALE_OK;
    }
    ck_assert_int_eq(status, KAFSCALE_FULL);
    ck_assert_int_eq(count, 20);
    flush();
    try_send("a", 0, ks_slice(value, sizeof value), &status);
    ck_assert_int_eq(status, KAFSCALE_OK);
    try_send("a", 0, ks_slice(value, 0), &status);
    ck_assert_int_eq(status, KAFSCALE_OK);
}
END_TEST

START_TEST(a_record_that_no_batch_can_hold_is_refused_at_once)
{
    static const uint8_t value[100001];
    enum kafscale_status status;

    ck_assert_int_eq(client_create(broker, "a", 1), KAFKA_ERROR_NONE);
    send_text("a", 0, "one");
    try_send("a", 0, ks_slice(value, sizeof value), &status);
    ck_assert_int_eq(status, KAFSCALE_TOO_LARGE);
    send_text("a", 0, "two");
    flush();
    ck_assert_delivered(&results[1], 1);
}
END_TEST

START_TEST(a_topic_that_is_not_there_is_said_not_to_be)
{
    const struct ks_send_topic *topic = topic_of("__kafscale_no");

    ck_assert_int_eq(topic->line_count, 0);
    ck_assert_int_eq(topic->error, KAFKA_ERROR_INVALID_TOPIC);
}
END_TEST

START_TEST(partitions_that_were_added_are_found)
{
    struct ks_send_topic *topic;

    ck_assert_int_eq(client_create(broker, "a", 1), KAFKA_ERROR_NONE);
    topic = topic_of("a");
    ck_assert_int_eq(admin_grow(broker, "a", 3), KAFKA_ERROR_NONE);
    virtual_env_run_for(&fixture.v, 61000);
    send_text("a", 0, "x");
    flush();
    ck_assert_int_eq(topic->line_count, 3);
}
END_TEST

/* --- The end ---------------------------------------------------------------------------------- */

START_TEST(at_the_end_everybody_is_told)
{
    static const struct ks_fate slow = { .effect_ms = 500, .answer_ms = 500 };

    ck_assert_int_eq(client_create(broker, "a", 2), KAFKA_ERROR_NONE);
    send_text("a", 0, "stored");
    flush();
    ks_fault_store_next(broker->faults, KS_STORE_OPERATION_COUNT, NULL, slow, UINT32_MAX);
    send_text("a", 0, "in flight");
    collect();
    virtual_env_run_for(&fixture.v, 5);
    send_text("a", 1, "gathered");
    ks_sender_end(&sender);
    ck_assert_int_eq(reported_count, 3);
    ck_assert_int_eq(results[1].status, KAFSCALE_UNKNOWN);
    ck_assert_int_eq(results[2].status, KAFSCALE_STOPPED);
}
END_TEST

START_TEST(nothing_is_taken_any_more_after_the_end)
{
    bool is_news;
    struct ks_record record = { .timestamp = 1 };
    struct ks_send_topic *topic;

    ck_assert_int_eq(client_create(broker, "a", 1), KAFKA_ERROR_NONE);
    topic = topic_of("a");
    ks_sender_end(&sender);
    ck_assert_int_eq(ks_sender_append(&sender, topic->lines[0], &record, NULL, &is_news),
                     KAFSCALE_STOPPED);
}
END_TEST

/* Whatever allocation fails: who was told that a record is taken is told how it ended. */
START_TEST(no_lack_of_memory_loses_a_record)
{
    ck_assert_int_eq(client_create(broker, "a", 1), KAFKA_ERROR_NONE);
    send_text("a", 0, "first");
    flush();
    for (uint64_t i = 0; i < 60; i++) {
        static const uint8_t value[6000];
        enum kafscale_status status;

        ks_alloc_fail_once_after(i);
        try_send("a", 0, ks_slice(value, sizeof value), &status);
        collect();
        while (atomic_load(&sender.pending_records) > 0 && virtual_env_step(&fixture.v)) {
        }
        ks_alloc_fail_after(UINT64_MAX);
        ck_assert_uint_eq(atomic_load(&sender.pending_records), 0);
    }
    ck_assert_int_eq(reported_count, next_opaque);
    ck_assert_uint_gt(stored("a", 0), 30);
}
END_TEST

Suite *
suite_new(void)
{
    Suite *suite = suite_create("client sender");
    TCase *tests = tcase_create("all");

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, records_get_offsets_in_their_order);
    tcase_add_test(tests, batches_of_all_sizes_arrive);
    tcase_add_test(tests, a_batch_grows_as_records_come);
    tcase_add_test(tests, a_slow_store_makes_larger_batches);
    tcase_add_test(tests, records_wait_for_more_as_long_as_they_are_told);
    tcase_add_test(tests, keys_go_where_kafkas_producer_sends_them);
    tcase_add_test(tests, records_without_a_key_go_round);
    tcase_add_test(tests, what_was_refused_is_sent_again_in_order);
    tcase_add_test(tests, what_was_stored_is_not_stored_again);
    tcase_add_test(tests, what_can_not_be_stored_does_not_stop_what_comes_behind);
    tcase_add_test(tests, who_was_forgotten_begins_anew);
    tcase_add_test(tests, what_may_be_stored_is_not_sent_under_another_id);
    tcase_add_test(tests, an_outage_ends_what_waits_and_then_all_goes_on);
    tcase_add_test(tests, no_more_is_taken_than_there_is_room_for);
    tcase_add_test(tests, a_record_that_no_batch_can_hold_is_refused_at_once);
    tcase_add_test(tests, a_topic_that_is_not_there_is_said_not_to_be);
    tcase_add_test(tests, partitions_that_were_added_are_found);
    tcase_add_test(tests, at_the_end_everybody_is_told);
    tcase_add_test(tests, nothing_is_taken_any_more_after_the_end);
    tcase_add_test(tests, no_lack_of_memory_loses_a_record);
    suite_add_tcase(suite, tests);
    return suite;
}
