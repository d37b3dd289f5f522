/* SPDX-License-Identifier: Apache-2.0 */
/* Every API at every version it is served in, and what is answered to what is not served. */
#include "handlers/api.h"
#include "support/client.h"
#include "support/main.h"
#include "unit/version_cases.h"

static struct broker_fixture fixture;
static struct test_broker *broker;

/* Makes the topic of the groups, as every client does first. */
static void
find_a_coordinator(void)
{
    struct kafka_find_coordinator_request request;
    struct test_call *find;

    kafka_message_init(&kafka_find_coordinator_request_message, &request);
    call(broker, KAFKA_API_FIND_COORDINATOR, 0, &request, &find);
    call_free(find);
    virtual_env_run_for(&fixture.v, 1000);
}

static void
set_up(void)
{
    struct client_batch batch = client_batch("a", 0);

    broker_fixture_init(&fixture, 2);
    broker = test_broker_start(&fixture);
    ck_assert_int_eq(client_create(broker, "a", 1), KAFKA_ERROR_NONE);
    ck_assert_int_eq(client_produce(broker, &batch, NULL), KAFKA_ERROR_NONE);
    find_a_coordinator();
}

static void
tear_down(void)
{
    test_broker_stop(broker);
    broker_fixture_deinit(&fixture);
}

/* --- Each request as a client would fill it --------------------------------------------------- */

struct ks_arena version_arena;

static void
id_of_a(uint8_t out[KS_ID_BYTES])
{
    struct ks_topic *topic =
        ks_topics_find(ks_broker_topics(broker->broker), ks_slice_of_text("a"));

    ck_assert_ptr_nonnull(topic);
    memcpy(out, topic->record.id.bytes, KS_ID_BYTES);
}

static void
fill_fetch(void *out, int16_t version)
{
    struct kafka_fetch_request *request = out;

    request->max_wait_ms = 10;
    request->min_bytes = 1;
    request->topics = kafka_array_new(&version_arena, &kafka_fetch_request_topic_message, 1);
    request->topics_count = 1;
    if (version >= 13) {
        id_of_a(request->topics[0].topic_id);
    } else {
        request->topics[0].topic = ks_slice_of_text("a");
    }
    request->topics[0].partitions =
        kafka_array_new(&version_arena, &kafka_fetch_request_topic_partition_message, 1);
    request->topics[0].partitions_count = 1;
    request->topics[0].partitions[0].partition_max_bytes = 1000;
}

static void
check_fetch(const void *in)
{
    const struct kafka_fetch_response *response = in;

    ck_assert_int_eq(response->topics[0].partitions[0].error_code, KAFKA_ERROR_NONE);
    ck_assert_uint_eq(client_count_records(&response->topics[0].partitions[0].records), 1);
    ck_assert_int_eq(response->topics[0].partitions[0].last_stable_offset, 1);
}

static void
fill_list_offsets(void *out, int16_t version)
{
    struct kafka_list_offsets_request *request = out;

    (void) version;
    request->topics = kafka_array_new(&version_arena, &kafka_list_offsets_request_topic_message, 1);
    request->topics_count = 1;
    request->topics[0].name = ks_slice_of_text("a");
    request->topics[0].partitions =
        kafka_array_new(&version_arena, &kafka_list_offsets_request_topic_partition_message, 1);
    request->topics[0].partitions_count = 1;
    request->topics[0].partitions[0].timestamp = -1;
}

static void
check_list_offsets(const void *in)
{
    const struct kafka_list_offsets_response *response = in;

    ck_assert_int_eq(response->topics[0].partitions[0].error_code, KAFKA_ERROR_NONE);
    ck_assert_int_eq(response->topics[0].partitions[0].offset, 1);
}

static void
fill_metadata(void *out, int16_t version)
{
    struct kafka_metadata_request *request = out;

    (void) version;
    request->topics = kafka_array_new(&version_arena, &kafka_metadata_request_topic_message, 1);
    request->topics_count = 1;
    request->topics[0].name = ks_slice_of_text("a");
}

static void
check_metadata(const void *in)
{
    const struct kafka_metadata_response *response = in;

    ck_assert_int_eq(response->brokers_count, 1);
    ck_assert_int_eq(response->brokers[0].port, 9092);
    ck_assert_int_eq(response->topics_count, 1);
    ck_assert_int_eq(response->topics[0].error_code, KAFKA_ERROR_NONE);
    ck_assert_int_eq(response->topics[0].partitions_count, 1);
    ck_assert_int_eq(response->topics[0].partitions[0].leader_id, 0);
}

static void
fill_api_versions(void *out, int16_t version)
{
    struct kafka_api_versions_request *request = out;

    if (version >= 3) {
        request->client_software_name = ks_slice_of_text("tests");
        request->client_software_version = ks_slice_of_text("1.0");
    }
}

static void
check_api_versions(const void *in)
{
    const struct kafka_api_versions_response *response = in;

    ck_assert_int_eq(response->error_code, KAFKA_ERROR_NONE);
    ck_assert_uint_eq((size_t) response->api_keys_count, ks_api_count);
    ck_assert_int_eq(response->api_keys[0].api_key, KAFKA_API_PRODUCE);
    ck_assert_int_eq(response->api_keys[0].min_version, 0);
    ck_assert_int_eq(response->api_keys[0].max_version, 11);
}

static void
fill_create_topics(void *out, int16_t version)
{
    struct kafka_create_topics_request *request = out;

    request->topics =
        kafka_array_new(&version_arena, &kafka_create_topics_request_topic_message, 1);
    request->topics_count = 1;
    request->topics[0].name = ks_slice_of_text("new");
    request->topics[0].num_partitions = version >= 4 ? -1 : 2;
    request->topics[0].replication_factor = 3;
    request->validate_only = true;
}

static void
check_create_topics(const void *in)
{
    const struct kafka_create_topics_response *response = in;

    ck_assert_int_eq(response->topics[0].error_code, KAFKA_ERROR_NONE);
}

static void
fill_delete_topics(void *out, int16_t version)
{
    struct kafka_delete_topics_request *request = out;

    if (version >= 6) {
        request->topics =
            kafka_array_new(&version_arena, &kafka_delete_topics_request_topic_message, 1);
        request->topics_count = 1;
        request->topics[0].topic_id[0] = 1;
    } else {
        request->topic_names = ks_arena_alloc(&version_arena, sizeof *request->topic_names);
        request->topic_names[0] = ks_slice_of_text("absent");
        request->topic_names_count = 1;
    }
}

static void
check_delete_topics(const void *in)
{
    const struct kafka_delete_topics_response *response = in;

    ck_assert_int_eq(response->topics[0].error_code, response->topics[0].topic_id[0] == 1
                                                         ? KAFKA_ERROR_UNKNOWN_TOPIC_ID
                                                         : KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION);
}

static void
fill_delete_records(void *out, int16_t version)
{
    struct kafka_delete_records_request *request = out;

    (void) version;
    request->topics =
        kafka_array_new(&version_arena, &kafka_delete_records_request_topic_message, 1);
    request->topics_count = 1;
    request->topics[0].name = ks_slice_of_text("a");
    request->topics[0].partitions =
        kafka_array_new(&version_arena, &kafka_delete_records_request_topic_partition_message, 1);
    request->topics[0].partitions_count = 1;
    request->topics[0].partitions[0].offset = -1;
}

static void
check_delete_records(const void *in)
{
    const struct kafka_delete_records_response *response = in;

    ck_assert_int_eq(response->topics[0].partitions[0].error_code, KAFKA_ERROR_NONE);
    ck_assert_int_eq(response->topics[0].partitions[0].low_watermark, 1);
}

static void
fill_init_producer_id(void *out, int16_t version)
{
    struct kafka_init_producer_id_request *request = out;

    (void) version;
    request->transactional_id = ks_slice(NULL, 0);
}

static void
check_init_producer_id(const void *in)
{
    const struct kafka_init_producer_id_response *response = in;
    static int64_t last = -1;

    ck_assert_int_eq(response->error_code, KAFKA_ERROR_NONE);
    ck_assert_int_eq(response->producer_id, last + 1);
    ck_assert_int_eq(response->producer_epoch, 0);
    last = response->producer_id;
}

static void
fill_offset_for_leader_epoch(void *out, int16_t version)
{
    struct kafka_offset_for_leader_epoch_request *request = out;

    (void) version;
    request->topics =
        kafka_array_new(&version_arena, &kafka_offset_for_leader_epoch_request_topic_message, 1);
    request->topics_count = 1;
    request->topics[0].topic = ks_slice_of_text("a");
    request->topics[0].partitions = kafka_array_new(
        &version_arena, &kafka_offset_for_leader_epoch_request_topic_partition_message, 1);
    request->topics[0].partitions_count = 1;
    request->topics[0].partitions[0].leader_epoch = 1;
}

static void
check_offset_for_leader_epoch(const void *in)
{
    const struct kafka_offset_for_leader_epoch_response *response = in;

    ck_assert_int_eq(response->topics[0].partitions[0].error_code, KAFKA_ERROR_NONE);
    ck_assert_int_eq(response->topics[0].partitions[0].leader_epoch, 1);
    ck_assert_int_eq(response->topics[0].partitions[0].end_offset, 1);
}

static void
fill_describe_configs(void *out, int16_t version)
{
    struct kafka_describe_configs_request *request = out;

    (void) version;
    request->resources =
        kafka_array_new(&version_arena, &kafka_describe_configs_request_resource_message, 1);
    request->resources_count = 1;
    request->resources[0].resource_type = 2;
    request->resources[0].resource_name = ks_slice_of_text("a");
    request->resources[0].configuration_keys_count = -1;
    request->include_synonyms = true;
    request->include_documentation = version >= 3;
}

static void
check_describe_configs(const void *in)
{
    const struct kafka_describe_configs_response *response = in;

    ck_assert_int_eq(response->results[0].error_code, KAFKA_ERROR_NONE);
    ck_assert_int_eq(response->results[0].configs_count, KS_TOPIC_CONFIG_COUNT);
    ck_assert_int_ge(response->results[0].configs[0].synonyms_count, 1);
}

static void
fill_describe_cluster(void *out, int16_t version)
{
    (void) out;
    (void) version;
}

static void
check_describe_cluster(const void *in)
{
    const struct kafka_describe_cluster_response *response = in;

    ck_assert_int_eq(response->error_code, KAFKA_ERROR_NONE);
    ck_assert_uint_eq(response->cluster_id.size, 22);
    ck_assert_int_eq(response->brokers_count, 1);
}

static void
fill_produce(void *out, int16_t version)
{
    struct kafka_produce_request *request = out;

    (void) version;
    request->acks = 1;
    request->timeout_ms = 1000;
    request->topics = kafka_array_new(&version_arena, &kafka_produce_request_topic_message, 1);
    request->topics_count = 1;
    request->topics[0].name = ks_slice_of_text("a");
    request->topics[0].partitions =
        kafka_array_new(&version_arena, &kafka_produce_request_topic_partition_message, 1);
    request->topics[0].partitions_count = 1;
}

/* The batches themselves are the matter of another suite: this one sends none. */
static void
check_produce(const void *in)
{
    const struct kafka_produce_response *response = in;

    ck_assert_int_eq(response->topics[0].partitions[0].error_code, KAFKA_ERROR_INVALID_RECORD);
}

struct api_case {
    int16_t key;
    void (*fill)(void *out, int16_t version);
    void (*check)(const void *in);
};

static const struct api_case cases[] = {
#define API(key, name, served, min, max, open, operation, resource, route) \
    { key, fill_##name, check_##name },
#include "handlers/api.def"
#undef API
};

START_TEST(every_api_answers_at_every_version_it_is_served_in)
{
    const struct api_case *api_case = &cases[_i];
    const struct ks_api *api = ks_api_find(api_case->key);
    const struct kafka_message *message = kafka_api_find(api_case->key)->request;

    for (int16_t version = api->version_served; version <= api->version_max; version++) {
        struct test_call *answered;
        void *request;

        ks_arena_init(&version_arena, SIZE_MAX / 2);
        request = ks_arena_alloc(&version_arena, message->size_bytes);
        kafka_message_init(message, request);
        api_case->fill(request, version);
        api_case->check(call(broker, api_case->key, version, request, &answered));
        call_free(answered);
        ks_arena_deinit(&version_arena);
    }
}
END_TEST

static enum ks_answer_kind
send_header(int16_t key, int16_t version, struct test_call **call_out)
{
    /* Correlation id, no client id, no tagged fields, and no body. */
    uint8_t frame[] = { 0, 0, 0, 0, 1, 2, 3, 4, 0xff, 0xff, 0 };

    ks_put_u16(frame, (uint16_t) key);
    ks_put_u16(frame + 2, (uint16_t) version);
    *call_out = call_begin_raw(broker, ks_slice(frame, sizeof frame));
    (*call_out)->key = key;
    return call_wait(*call_out);
}

START_TEST(unknown_apis_and_versions_close_the_connection)
{
    static const int16_t refused[][2] = { { 999, 0 }, { -1, 0 }, { 0, 2 },  { 0, 12 }, { 1, 3 },
                                          { 1, 17 },  { 3, 13 }, { 3, -1 }, { 11, 10 } };

    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        struct test_call *refusal;

        ck_assert_int_eq(send_header(refused[i][0], refused[i][1], &refusal), KS_ANSWER_CLOSE);
        call_free(refusal);
    }
}
END_TEST

START_TEST(bytes_that_are_no_request_close_the_connection)
{
    static const uint8_t metadata[] = { 0, 3, 0, 1, 1, 2, 3, 4, 0xff, 0xff, 0, 0, 0, 9, 0, 1 };
    struct test_call *refusal = call_begin_raw(broker, ks_slice(metadata, sizeof metadata));

    ck_assert_int_eq(call_wait(refusal), KS_ANSWER_CLOSE);
    call_free(refusal);
    refusal = call_begin_raw(broker, ks_slice(metadata, 5));
    ck_assert_int_eq(call_wait(refusal), KS_ANSWER_CLOSE);
    call_free(refusal);
}
END_TEST

START_TEST(api_versions_of_a_later_client_get_error_35_in_the_oldest_form)
{
    const struct kafka_api_versions_response *response;
    struct test_call *answered;

    ck_assert_int_eq(send_header(KAFKA_API_API_VERSIONS, 5, &answered), KS_ANSWER_SEND);
    answered->version = 0;
    response = call_response(answered);
    ck_assert_int_eq(response->error_code, KAFKA_ERROR_UNSUPPORTED_VERSION);
    ck_assert_int_eq(response->api_keys_count, 1);
    ck_assert_int_eq(response->api_keys[0].api_key, KAFKA_API_API_VERSIONS);
    ck_assert_int_eq(response->api_keys[0].max_version, 4);
    call_free(answered);
}
END_TEST

START_TEST(a_client_without_a_proper_name_is_told_so)
{
    struct kafka_api_versions_request request;
    const struct kafka_api_versions_response *response;
    struct test_call *answered;

    kafka_message_init(&kafka_api_versions_request_message, &request);
    request.client_software_name = ks_slice_of_text("-x");
    request.client_software_version = ks_slice_of_text("1");
    response = call(broker, KAFKA_API_API_VERSIONS, 3, &request, &answered);
    ck_assert_int_eq(response->error_code, KAFKA_ERROR_INVALID_REQUEST);
    call_free(answered);
}
END_TEST

START_TEST(fetch_sessions_are_declined)
{
    struct kafka_fetch_request request;
    const struct kafka_fetch_response *response;
    struct test_call *answered;

    kafka_message_init(&kafka_fetch_request_message, &request);
    request.session_id = 17;
    request.session_epoch = 3;
    response = call(broker, KAFKA_API_FETCH, 12, &request, &answered);
    ck_assert_int_eq(response->error_code, KAFKA_ERROR_FETCH_SESSION_ID_NOT_FOUND);
    call_free(answered);
    request.session_epoch = -1;
    response = call(broker, KAFKA_API_FETCH, 12, &request, &answered);
    ck_assert_int_eq(response->error_code, KAFKA_ERROR_NONE);
    ck_assert_int_eq(response->session_id, 0);
    call_free(answered);
}
END_TEST

Suite *
suite_new(void)
{
    Suite *suite = suite_create("handlers versions");
    TCase *tests = tcase_create("all");

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_set_timeout(tests, 60);
    tcase_add_loop_test(tests, every_api_answers_at_every_version_it_is_served_in, 0,
                        (int) (sizeof cases / sizeof cases[0]));
    tcase_add_test(tests, unknown_apis_and_versions_close_the_connection);
    tcase_add_test(tests, bytes_that_are_no_request_close_the_connection);
    tcase_add_test(tests, api_versions_of_a_later_client_get_error_35_in_the_oldest_form);
    tcase_add_test(tests, a_client_without_a_proper_name_is_told_so);
    tcase_add_test(tests, fetch_sessions_are_declined);
    suite_add_tcase(suite, tests);
    return suite;
}
