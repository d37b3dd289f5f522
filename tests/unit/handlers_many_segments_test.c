/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A partition of many segments, MANY_SEGMENTS of them (2,000): a broker starts on it with a few
 * requests more than on one without records, and as fast, however many there are, and the first
 * fetch anywhere and the first search for a time take few. A whole broker on a virtual clock writes
 * each record into a segment of its own.
 */
#include "support/client.h"
#include "support/main.h"

#include <stdio.h>
#include <stdlib.h>

#define SEGMENTS_DEFAULT 2000
#define BURST 500 /* records, and a week before the next of them */
#define WEEK_MS ((int64_t) 7 * 24 * 3600 * 1000)
#define AT_ONCE 10 /* of a burst */
#define PLACES 24
#define REQUESTS_MAX 20
#define QUIET_MS 3600000 /* until nothing is left to be tidied up */
/* The newest snapshot, the mark before it, the newest index, and the PUT of a snapshot. */
#define START_MORE_MAX 4
#define ROUND_TRIP_MS 50
#define STARTS 8
/*
 * One after the other: what there is of the metadata log, and its mark, in 3, then `sole`, the
 * claim and the record, of which a transaction takes 2. After a kill also the slots of the last
 * run, their seal, the look after that, and a transaction of its own for the activation.
 */
#define ROUND_TRIPS_STOPPED (3 + 2 + 2 + 1)
#define ROUND_TRIPS_KILLED (ROUND_TRIPS_STOPPED + 1 + 1 + 2 + 2)
#define LIST_OFFSETS_VERSION 5

static struct broker_fixture fixture;
static struct test_broker *broker;
static int64_t first_ms;
static const char *retention_ms;

static uint64_t
larger_of(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static int64_t
segment_count(void)
{
    const char *text = getenv("MANY_SEGMENTS");

    return text == NULL ? SEGMENTS_DEFAULT : strtoll(text, NULL, 10);
}

static void
begin(void)
{
    struct ks_broker_options options;

    test_broker_options(&options);
    options.segment_bytes = 1;
    ck_assert_int_eq(ks_topic_config_set(&options.topic_defaults, KS_TOPIC_CONFIG_RETENTION_MS,
                                         ks_slice_of_text(retention_ms)),
                     KAFSCALE_OK);
    broker = test_broker_begin(&fixture, &options);
    ks_topic_config_deinit(&options.topic_defaults);
}

static void
wait_for_start(void)
{
    ck_assert(virtual_env_run_until(&fixture.v, &broker->is_started, 600000));
    ck_assert_int_eq(broker->start_status, KAFSCALE_OK);
}

static void
start(void)
{
    begin();
    wait_for_start();
}

static void
restart(void)
{
    virtual_env_run_for(&fixture.v, 1000);
    test_broker_stop(broker);
    start();
}

static int64_t
time_of(int64_t number)
{
    return first_ms + number / BURST * WEEK_MS + number % BURST / AT_ONCE;
}

static void
produce(int64_t number)
{
    struct client_batch batch = client_batch("t", 0);
    int64_t offset = -1;

    batch.timestamp = time_of(number);
    ck_assert_int_eq(client_produce(broker, &batch, &offset), KAFKA_ERROR_NONE);
    ck_assert_int_eq(offset, number);
}

static void
fill(int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        struct ks_log_counters counters;

        produce(i);
        do {
            virtual_env_run_for(&fixture.v, 10);
            ks_log_get_counters(ks_broker_log(broker->broker), &counters);
        } while (counters.segments_written <= (uint64_t) i);
    }
}

struct start_costs {
    uint64_t requests;
    int64_t ms;
};

/* Killed: it is cut off from the store before it could release anything. */
static void
end_run(bool is_killed)
{
    struct ks_fate away = { .fault = KS_FAULT_UNAVAILABLE };

    if (is_killed) {
        ks_fault_store_next(broker->faults, KS_STORE_OPERATION_COUNT, NULL, away, UINT32_MAX);
    }
    test_broker_stop(broker);
}

/*
 * The most from nothing to the first acknowledgement, of a partition with `*records` records, when
 * each request takes a while. The starts differ in what was written to the metadata log since it
 * was last summed up.
 */
static struct start_costs
cost_of_starts(int64_t *records, int starts, bool is_killed)
{
    struct ks_fate far = { .effect_ms = ROUND_TRIP_MS / 2, .answer_ms = ROUND_TRIP_MS / 2 };
    struct start_costs most = { 0 };

    for (int i = 0; i < starts; i++) {
        int64_t begun_ms;
        int64_t spent_ms;

        virtual_env_run_for(&fixture.v, QUIET_MS);
        end_run(is_killed);
        begun_ms = fixture.v.now_ms;
        begin();
        ks_fault_store_next(broker->faults, KS_STORE_OPERATION_COUNT, NULL, far, UINT32_MAX);
        wait_for_start();
        produce((*records)++);
        spent_ms = fixture.v.now_ms - begun_ms;
        most.ms = spent_ms > most.ms ? spent_ms : most.ms;
        most.requests = larger_of(most.requests, test_broker_store_requests(broker));
        ks_fault_store_clear(broker->faults);
    }
    return most;
}

static void
expect_record(int64_t offset)
{
    struct test_call *fetch = client_fetch_begin(broker, "t", 0, offset, 0);
    const struct kafka_fetch_response_topic_partition *fetched = client_fetched(fetch);

    ck_assert_int_eq(fetched->error_code, KAFKA_ERROR_NONE);
    ck_assert_uint_ge(client_count_records(&fetched->records), 1);
    ck_assert_int_eq((int64_t) ks_get_u64(fetched->records.parts[0].data), offset);
    call_free(fetch);
}

static int64_t
find_time(int64_t timestamp)
{
    struct kafka_list_offsets_request_topic_partition of_partition = { .partition_index = 0,
                                                                       .current_leader_epoch = -1,
                                                                       .timestamp = timestamp };
    struct kafka_list_offsets_request_topic of_topic = { .name = ks_slice_of_text("t"),
                                                         .partitions = &of_partition,
                                                         .partitions_count = 1 };
    struct kafka_list_offsets_request request = { .replica_id = -1,
                                                  .topics = &of_topic,
                                                  .topics_count = 1 };
    const struct kafka_list_offsets_response *response;
    struct test_call *list;
    int64_t offset;

    response = call(broker, KAFKA_API_LIST_OFFSETS, LIST_OFFSETS_VERSION, &request, &list);
    ck_assert_int_eq(response->topics[0].partitions[0].error_code, KAFKA_ERROR_NONE);
    offset = response->topics[0].partitions[0].offset;
    call_free(list);
    return offset;
}

struct costs {
    uint64_t fetch;
    uint64_t search; /* for a time */
    uint64_t both;   /* for a time, and then a fetch there */
};

/* What a broker needs that has just started and been left alone until it had nothing to do. */
static void
measure(int64_t offset, struct costs *most)
{
    uint64_t begun;
    uint64_t found;

    restart();
    virtual_env_run_for(&fixture.v, QUIET_MS);
    begun = test_broker_store_requests(broker);
    expect_record(offset);
    most->fetch = larger_of(most->fetch, test_broker_store_requests(broker) - begun);
    restart();
    virtual_env_run_for(&fixture.v, QUIET_MS);
    begun = test_broker_store_requests(broker);
    ck_assert_int_eq(find_time(time_of(offset)), offset - offset % AT_ONCE);
    found = test_broker_store_requests(broker);
    expect_record(offset);
    most->search = larger_of(most->search, found - begun);
    most->both = larger_of(most->both, test_broker_store_requests(broker) - begun);
}

/* Before the first, at the end of what was written first, and after the last. */
static void
measure_outside(int64_t count, int64_t records, struct costs *most)
{
    const int64_t times[] = { 0, first_ms - 1, time_of(count) - 1, time_of(records - 1) + 1 };
    const int64_t offsets[] = { 0, 0, count, -1 };

    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
        uint64_t begun;

        restart();
        virtual_env_run_for(&fixture.v, QUIET_MS);
        begun = test_broker_store_requests(broker);
        ck_assert_int_eq(find_time(times[i]), offsets[i]);
        most->search = larger_of(most->search, test_broker_store_requests(broker) - begun);
    }
}

/* A broker on a bucket with one topic that has no records. */
static void
begin_world(int64_t count)
{
    broker_fixture_init(&fixture, 1);
    start();
    ck_assert_int_eq(client_create(broker, "t", 1), KAFKA_ERROR_NONE);
    first_ms = ks_env_wall_ms(&fixture.v.env) - (count / BURST + 1) * WEEK_MS;
}

static void
end_world(void)
{
    test_broker_stop(broker);
    broker_fixture_deinit(&fixture);
}

static struct start_costs
cost_on_empty(bool is_killed)
{
    struct start_costs costs;
    int64_t records = 0;

    begin_world(0);
    costs = cost_of_starts(&records, 1, is_killed);
    end_world();
    return costs;
}

static void
expect_start_as_on_empty(int64_t *records, bool is_killed, const struct start_costs *empty)
{
    struct start_costs full = cost_of_starts(records, STARTS, is_killed);

    printf("# start after a %s, to the first acknowledgement: %llu requests, %lld ms; on an empty "
           "bucket %llu, %lld ms\n",
           is_killed ? "kill" : "stop", (unsigned long long) full.requests, (long long) full.ms,
           (unsigned long long) empty->requests, (long long) empty->ms);
    ck_assert_uint_le(full.requests, empty->requests + START_MORE_MAX);
    ck_assert_int_le(full.ms, empty->ms);
    ck_assert_int_eq(empty->ms, (int64_t) ROUND_TRIP_MS *
                                    (is_killed ? ROUND_TRIPS_KILLED : ROUND_TRIPS_STOPPED));
}

static void
expect_few_requests(int64_t count, int64_t records)
{
    struct costs most = { 0 };

    measure(0, &most);
    measure(count / 2, &most);
    measure(count - 1, &most);
    for (int i = 0; i < PLACES; i++) {
        measure((int64_t) (ks_env_random_u64(&fixture.v.env) % (uint64_t) count), &most);
    }
    measure_outside(count, records, &most);
    printf("# %lld segments; at most %llu requests for the first fetch, %llu to find a time, %llu "
           "for both\n",
           (long long) count, (unsigned long long) most.fetch, (unsigned long long) most.search,
           (unsigned long long) most.both);
    ck_assert_uint_le(most.fetch, REQUESTS_MAX);
    ck_assert_uint_le(most.both, REQUESTS_MAX);
    ck_assert_uint_le(most.search, REQUESTS_MAX);
}

START_TEST(start_and_first_fetch_take_few_requests_however_many_segments)
{
    int64_t count = segment_count();
    int64_t records = count;
    struct start_costs stopped;
    struct start_costs killed;

    retention_ms = "-1";
    stopped = cost_on_empty(false);
    killed = cost_on_empty(true);
    begin_world(count);
    fill(count);
    expect_start_as_on_empty(&records, false, &stopped);
    expect_start_as_on_empty(&records, true, &killed);
    expect_few_requests(count, records);
    end_world();
}
END_TEST

Suite *
suite_new(void)
{
    Suite *suite = suite_create("handlers many segments");
    TCase *tests = tcase_create("all");

    tcase_set_timeout(tests, 3600);
    tcase_add_test(tests, start_and_first_fetch_take_few_requests_however_many_segments);
    suite_add_tcase(suite, tests);
    return suite;
}
