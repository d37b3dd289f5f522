/* SPDX-License-Identifier: Apache-2.0 */
/* Error answers have the shape of their requests, for every API in every version that is served. */
#include "handlers/api.h"
#include "support/main.h"
#include "support/random_message.h"
#include "testing/testing.h"

#define ERROR KAFKA_ERROR_NOT_COORDINATOR
#define TRIES 40
#define ARENA_BYTES ((size_t) 256 << 20)

static struct ks_arena arena;

static void
set_up(void)
{
    ks_arena_init(&arena, ARENA_BYTES);
}

static void
tear_down(void)
{
    ks_arena_deinit(&arena);
}

static struct kafka_request_header
header_of(int16_t api_key, int16_t version)
{
    return (struct kafka_request_header){ .api_key = api_key,
                                          .api_version = version,
                                          .correlation_id = 77 };
}

/* A request as its body is on the wire. */
static struct kafscale_slice
body_of(const struct kafka_api_schema *api, int16_t version, const void *request)
{
    struct kafscale_error error = { 0 };
    struct kafka_writer writer;
    struct kafscale_slice bytes;

    kafka_writer_init(&writer, ARENA_BYTES);
    ck_assert_msg(kafka_encode(api->request, version, request, &writer, &error) == KAFSCALE_OK,
                  "%s %d: %s", api->name, (int) version, error.text);
    bytes = writer_bytes(&writer, &arena);
    kafka_writer_deinit(&writer);
    return bytes;
}

/* The answer as a client reads it. */
static void *
read_answer(const struct kafka_api_schema *api, int16_t version, struct kafscale_slice answer)
{
    struct kafscale_error error = { 0 };
    struct kafscale_slice body;
    int32_t correlation_id;
    void *response = ks_arena_alloc(&arena, api->response->size_bytes);

    ck_assert_ptr_nonnull(response);
    ck_assert_int_eq(
        kafka_response_header_decode(answer, api->key, version, &correlation_id, &body, &error),
        KAFSCALE_OK);
    ck_assert_int_eq(correlation_id, 77);
    ck_assert_msg(kafka_decode(api->response, version, body, &arena, response, &error) ==
                      KAFSCALE_OK,
                  "%s %d: %s", api->name, (int) version, error.text);
    return response;
}

static void *
mirror(int16_t api_key, int16_t version, const void *request, int16_t error)
{
    const struct kafka_api_schema *api = kafka_api_find(api_key);
    struct kafka_request_header header = header_of(api_key, version);
    struct ks_mirror how = {
        .error = error, .throttle_ms = 5, .node_id = 3, .host = "here", .port = 9092
    };
    struct kafscale_blob *answer = NULL;
    struct kafscale_slice bytes;

    ck_assert_int_eq(ks_mirror_error(&header, body_of(api, version, request), &how, &answer),
                     KAFSCALE_OK);
    bytes = kafscale_blob_slice(answer);
    bytes.data = (const uint8_t *) ks_arena_copy_text(&arena, bytes.data, bytes.size);
    ck_assert_ptr_nonnull(bytes.data);
    kafscale_blob_unref(answer);
    return read_answer(api, version, bytes);
}

static void
expect_text(struct kafscale_slice text, const char *expected)
{
    ck_assert_uint_eq(text.size, strlen(expected));
    ck_assert_int_eq(memcmp(text.data, expected, text.size), 0);
}

/* --- All of them ------------------------------------------------------------------------------ */

static void
expect_error(void *arg, int16_t code)
{
    size_t *seen = arg;

    ck_assert_int_eq(code, ERROR);
    (*seen)++;
}

static void
try_version(const struct ks_api *served, int16_t version, uint64_t *state)
{
    const struct kafka_api_schema *api = kafka_api_find(served->key);
    size_t seen = 0;

    for (int i = 0; i < TRIES; i++) {
        const void *request = random_message_new(&arena, api->request, version, state);
        const void *response = mirror(api->key, version, request, ERROR);

        kafka_visit_errors(api->response, version, response, expect_error, &seen);
        ks_arena_deinit(&arena);
        ks_arena_init(&arena, ARENA_BYTES);
    }
    ck_assert_msg(seen > 0, "%s %d: no answer had the error", api->name, (int) version);
}

START_TEST(every_served_version_can_answer_an_error)
{
    uint64_t state = 4711;

    for (size_t i = 0; i < ks_api_count; i++) {
        for (int v = ks_apis[i].version_served; v <= ks_apis[i].version_max; v++) {
            try_version(&ks_apis[i], (int16_t) v, &state);
        }
    }
}
END_TEST

/* --- Some by hand ----------------------------------------------------------------------------- */

START_TEST(produce_names_topics_and_partitions)
{
    struct kafka_produce_request_topic_partition partitions[2];
    struct kafka_produce_request_topic topic;
    struct kafka_produce_request request;
    const struct kafka_produce_response *response;

    kafka_message_init(&kafka_produce_request_message, &request);
    kafka_message_init(&kafka_produce_request_topic_message, &topic);
    for (int i = 0; i < 2; i++) {
        kafka_message_init(&kafka_produce_request_topic_partition_message, &partitions[i]);
        partitions[i].index = 4 + i;
    }
    topic.name = ks_slice("orders", 6);
    topic.partitions = partitions;
    topic.partitions_count = 2;
    request.topics = &topic;
    request.topics_count = 1;

    for (int16_t version = 3; version <= 11; version++) {
        response = mirror(KAFKA_API_PRODUCE, version, &request, ERROR);
        ck_assert_int_eq(response->topics_count, 1);
        expect_text(response->topics[0].name, "orders");
        ck_assert_int_eq(response->topics[0].partitions_count, 2);
        ck_assert_int_eq(response->topics[0].partitions[1].index, 5);
        ck_assert_int_eq(response->topics[0].partitions[1].error_code, ERROR);
        ck_assert_int_eq(response->throttle_time_ms, 5);
    }
}
END_TEST

/* A consumer looks at partitions only where nothing is said of all of the Fetch. */
START_TEST(fetch_tells_partitions_or_the_session)
{
    struct kafka_fetch_request_topic_partition partition;
    struct kafka_fetch_request_topic topic;
    struct kafka_fetch_request request;
    const struct kafka_fetch_response *response;

    kafka_message_init(&kafka_fetch_request_message, &request);
    kafka_message_init(&kafka_fetch_request_topic_message, &topic);
    kafka_message_init(&kafka_fetch_request_topic_partition_message, &partition);
    partition.partition = 2;
    topic.topic = ks_slice("a", 1);
    topic.partitions = &partition;
    topic.partitions_count = 1;
    request.topics = &topic;
    request.topics_count = 1;
    request.session_id = 9;

    response = mirror(KAFKA_API_FETCH, 12, &request, ERROR);
    ck_assert_int_eq(response->error_code, KAFKA_ERROR_NONE);
    ck_assert_int_eq(response->session_id, 9);
    ck_assert_int_eq(response->topics[0].partitions[0].partition_index, 2);
    ck_assert_int_eq(response->topics[0].partitions[0].error_code, ERROR);

    response = mirror(KAFKA_API_FETCH, 12, &request, KAFKA_ERROR_FETCH_SESSION_ID_NOT_FOUND);
    ck_assert_int_eq(response->error_code, KAFKA_ERROR_FETCH_SESSION_ID_NOT_FOUND);
    request.topics_count = 0;
    response = mirror(KAFKA_API_FETCH, 12, &request, ERROR);
    ck_assert_int_eq(response->error_code, ERROR);
}
END_TEST

START_TEST(numbers_and_names_become_elements)
{
    int32_t indexes[] = { 1, 6 };
    struct kafscale_slice names[] = { ks_slice("g", 1), ks_slice("h", 1) };
    struct kafka_offset_fetch_request_topic topic = { .name = ks_slice("a", 1),
                                                      .partition_indexes = indexes,
                                                      .partition_indexes_count = 2 };
    struct kafka_offset_fetch_request fetch;
    struct kafka_describe_groups_request describe;
    struct kafka_find_coordinator_request find;
    const struct kafka_offset_fetch_response *fetched;
    const struct kafka_describe_groups_response *described;
    const struct kafka_find_coordinator_response *found;

    kafka_message_init(&kafka_offset_fetch_request_message, &fetch);
    fetch.group_id = names[0];
    fetch.topics = &topic;
    fetch.topics_count = 1;
    fetched = mirror(KAFKA_API_OFFSET_FETCH, 1, &fetch, ERROR);
    ck_assert_int_eq(fetched->topics[0].partitions_count, 2);
    ck_assert_int_eq(fetched->topics[0].partitions[1].partition_index, 6);
    ck_assert_int_eq(fetched->topics[0].partitions[1].error_code, ERROR);

    kafka_message_init(&kafka_describe_groups_request_message, &describe);
    describe.groups = names;
    describe.groups_count = 2;
    described = mirror(KAFKA_API_DESCRIBE_GROUPS, 6, &describe, ERROR);
    expect_text(described->groups[1].group_id, "h");
    expect_text(described->groups[1].error_message, "injected by a test");

    kafka_message_init(&kafka_find_coordinator_request_message, &find);
    find.coordinator_keys = names;
    find.coordinator_keys_count = 2;
    found = mirror(KAFKA_API_FIND_COORDINATOR, 4, &find, ERROR);
    ck_assert_int_eq(found->coordinators_count, 2);
    expect_text(found->coordinators[0].key, "g");
    ck_assert_int_eq(found->coordinators[0].error_code, ERROR);
}
END_TEST

/* Without a broker no client looks at the topics; without topics there is nothing to look at. */
START_TEST(metadata_names_a_broker_if_it_names_topics)
{
    struct kafka_metadata_request_topic topic = { .name = ks_slice("a", 1) };
    struct kafka_metadata_request request;
    const struct kafka_metadata_response *response;

    kafka_message_init(&kafka_metadata_request_message, &request);
    request.topics = &topic;
    request.topics_count = 1;
    response = mirror(KAFKA_API_METADATA, 4, &request, KAFKA_ERROR_LEADER_NOT_AVAILABLE);
    ck_assert_int_eq(response->topics[0].error_code, KAFKA_ERROR_LEADER_NOT_AVAILABLE);
    expect_text(response->topics[0].name, "a");
    ck_assert_int_eq(response->brokers_count, 1);
    ck_assert_int_eq(response->brokers[0].node_id, 3);
    expect_text(response->brokers[0].host, "here");

    request.topics_count = -1;
    response = mirror(KAFKA_API_METADATA, 4, &request, KAFKA_ERROR_LEADER_NOT_AVAILABLE);
    ck_assert_int_eq(response->brokers_count, 0);
}
END_TEST

START_TEST(what_cannot_be_read_is_not_answered)
{
    struct kafka_request_header header = header_of(KAFKA_API_PRODUCE, 9);
    struct ks_mirror how = { .error = ERROR };
    struct kafscale_blob *answer = NULL;

    ck_assert_int_eq(ks_mirror_error(&header, ks_slice("\x01", 1), &how, &answer),
                     KAFSCALE_CORRUPT);
    header.api_key = 999;
    ck_assert_int_eq(ks_mirror_error(&header, ks_slice("\x01", 1), &how, &answer),
                     KAFSCALE_UNSUPPORTED);
    ck_assert_ptr_null(answer);
}
END_TEST

/* --- Throttling ------------------------------------------------------------------------------- */

static struct kafscale_blob *
encode_answer(const struct kafka_api_schema *api, int16_t version, const void *response)
{
    struct kafka_request_header header = header_of(api->key, version);
    struct kafscale_error error = { 0 };
    struct kafka_writer writer;
    struct kafscale_slice bytes;
    struct kafscale_blob *blob;

    kafka_writer_init(&writer, ARENA_BYTES);
    ck_assert_int_eq(kafka_response_encode(&header, response, &writer, &error), KAFSCALE_OK);
    bytes = writer_bytes(&writer, &arena);
    kafka_writer_deinit(&writer);
    blob = kafscale_blob_new(bytes.size - KAFKA_FRAME_LENGTH_BYTES);
    memcpy(kafscale_blob_data(blob), bytes.data + KAFKA_FRAME_LENGTH_BYTES,
           bytes.size - KAFKA_FRAME_LENGTH_BYTES);
    return blob;
}

/* Nothing else of an answer changes, whatever is in it. */
START_TEST(throttling_changes_the_time_alone)
{
    const struct kafka_api_schema *api = kafka_api_find(KAFKA_API_FETCH);
    struct kafka_request_header header = header_of(KAFKA_API_FETCH, 12);
    uint64_t state = 12;

    for (int i = 0; i < TRIES; i++) {
        struct kafka_fetch_response *response =
            random_message_new(&arena, api->response, 12, &state);
        struct kafscale_blob *answer = encode_answer(api, 12, response);
        struct kafscale_blob *throttled = NULL;
        struct kafscale_blob *expected;

        ck_assert_int_eq(ks_mirror_throttle(&header, kafscale_blob_slice(answer), 1234, &throttled),
                         KAFSCALE_OK);
        response->throttle_time_ms = 1234;
        expected = encode_answer(api, 12, response);
        ck_assert_uint_eq(kafscale_blob_size(throttled), kafscale_blob_size(expected));
        ck_assert_int_eq(memcmp(kafscale_blob_data(throttled), kafscale_blob_data(expected),
                                kafscale_blob_size(expected)),
                         0);
        kafscale_blob_unref(answer);
        kafscale_blob_unref(throttled);
        kafscale_blob_unref(expected);
    }
}
END_TEST

Suite *
suite_new(void)
{
    Suite *suite = suite_create("testing mirror");
    TCase *tests = tcase_create("mirror");

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, every_served_version_can_answer_an_error);
    tcase_add_test(tests, produce_names_topics_and_partitions);
    tcase_add_test(tests, fetch_tells_partitions_or_the_session);
    tcase_add_test(tests, numbers_and_names_become_elements);
    tcase_add_test(tests, metadata_names_a_broker_if_it_names_topics);
    tcase_add_test(tests, what_cannot_be_read_is_not_answered);
    tcase_add_test(tests, throttling_changes_the_time_alone);
    suite_add_tcase(suite, tests);
    return suite;
}
