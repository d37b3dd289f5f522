/* SPDX-License-Identifier: Apache-2.0 */
/* Frames and headers, the writer's references, the lookups. */
#include "support/main.h"
#include "support/random_message.h"

#define BIG_BYTES (KAFKA_REFERENCE_BYTES_MIN + 10)

static void
expect_header_versions(int16_t key, int16_t version, int16_t request, int16_t response)
{
    ck_assert_int_eq(kafka_request_header_version(key, version), request);
    ck_assert_int_eq(kafka_response_header_version(key, version), response);
}

START_TEST(flexible_versions_have_newer_headers)
{
    expect_header_versions(KAFKA_API_FETCH, 11, 1, 0);
    expect_header_versions(KAFKA_API_FETCH, 12, 2, 1);
    expect_header_versions(KAFKA_API_SASL_HANDSHAKE, 1, 1, 0);
    expect_header_versions(KAFKA_API_OFFSET_DELETE, 0, 1, 0);
    expect_header_versions(KAFKA_API_DESCRIBE_CLUSTER, 0, 2, 1);
    expect_header_versions(999, 0, 1, 0);
}
END_TEST

START_TEST(api_versions_responses_keep_the_old_header)
{
    expect_header_versions(KAFKA_API_API_VERSIONS, 2, 1, 0);
    expect_header_versions(KAFKA_API_API_VERSIONS, 3, 2, 0);
    expect_header_versions(KAFKA_API_API_VERSIONS, 99, 2, 0);
}
END_TEST

/* One request through both ends, as a frame. */
static void
pass_request(int16_t version, struct kafscale_slice client_id)
{
    struct kafka_request_header in = { .api_key = KAFKA_API_HEARTBEAT,
                                       .api_version = version,
                                       .correlation_id = 77,
                                       .client_id = client_id };
    struct kafka_heartbeat_request request = { .group_id = ks_slice_of_text("g"),
                                               .generation_id = 5 };
    struct kafka_request_header header = { 0 };
    struct kafka_writer writer;
    struct kafscale_error error = { 0 };
    struct kafscale_slice frame;
    struct kafscale_slice body;
    struct ks_arena arena;

    ks_arena_init(&arena, 1u << 20);
    kafka_writer_init(&writer, 1u << 20);
    ck_assert_int_eq(kafka_request_encode(&in, &request, &writer, &error), KAFSCALE_OK);
    frame = writer_bytes(&writer, &arena);
    ck_assert_int_eq(kafka_frame_length(frame.data), (int) frame.size - KAFKA_FRAME_LENGTH_BYTES);
    frame = ks_slice(frame.data + KAFKA_FRAME_LENGTH_BYTES, frame.size - KAFKA_FRAME_LENGTH_BYTES);
    ck_assert_int_eq(kafka_request_header_decode(frame, &header, &body, &error), KAFSCALE_OK);
    ck_assert_int_eq(header.api_key, KAFKA_API_HEARTBEAT);
    ck_assert_int_eq(header.api_version, version);
    ck_assert_int_eq(header.correlation_id, 77);
    ck_assert(ks_slice_equals(header.client_id, client_id));
    ck_assert_int_eq(header.client_id.data == NULL, client_id.data == NULL);
    request = (struct kafka_heartbeat_request){ 0 };
    ck_assert_int_eq(
        kafka_decode(&kafka_heartbeat_request_message, version, body, &arena, &request, &error),
        KAFSCALE_OK);
    ck_assert_int_eq(request.generation_id, 5);
    kafka_writer_deinit(&writer);
    ks_arena_deinit(&arena);
}

START_TEST(a_request_frame_is_read_as_written)
{
    for (int16_t version = 0; version <= 4; version++) {
        pass_request(version, ks_slice_of_text("client"));
        pass_request(version, ks_slice(NULL, 0));
        pass_request(version, ks_slice("", 0));
    }
}
END_TEST

START_TEST(broken_request_headers_are_refused)
{
    struct kafka_request_header header = { .correlation_id = 9 };
    struct kafscale_slice body = { 0 };
    struct kafscale_error error = { 0 };

    for (size_t size = 0; size < 12; size++) {
        ck_assert_int_eq(kafka_request_header_decode(ks_slice("\0\x0c\0\4\0\0\0\1\0\1c\0", size),
                                                     &header, &body, &error),
                         KAFSCALE_CORRUPT);
    }
    ck_assert_int_eq(kafka_request_header_decode(ks_slice("\0\x0c\0\4\0\0\0\1\xff\xfe", 10),
                                                 &header, &body, &error),
                     KAFSCALE_CORRUPT);
    ck_assert_int_eq(header.correlation_id, 9);
    ck_assert_int_eq(kafka_request_header_decode(ks_slice("\0\x0c\0\4\0\0\0\1\0\1c\0", 12), &header,
                                                 &body, &error),
                     KAFSCALE_OK);
    ck_assert_uint_eq(body.size, 0);
}
END_TEST

/* A client newer than the broker: what it says beyond the header is not looked at. */
START_TEST(the_header_of_an_unknown_api_versions_version_is_read)
{
    struct kafka_request_header header;
    struct kafscale_slice body;
    struct kafscale_error error = { 0 };

    ck_assert_int_eq(kafka_request_header_decode(ks_slice("\0\x12\0\x63\0\0\0\1\xff\xff\0rest", 15),
                                                 &header, &body, &error),
                     KAFSCALE_OK);
    ck_assert_int_eq(header.api_version, 0x63);
    ck_assert_uint_eq(body.size, 4);
}
END_TEST

START_TEST(large_records_are_sent_from_where_they_are)
{
    struct kafka_request_header header = { .api_key = KAFKA_API_FETCH,
                                           .api_version = 16,
                                           .correlation_id = 1 };
    struct kafka_fetch_response response;
    struct kafka_fetch_response_topic topic;
    struct kafka_fetch_response_topic_partition partition;
    uint8_t *big = ks_alloc_zero(1, BIG_BYTES);
    struct kafscale_slice pieces[] = { ks_slice(big, BIG_BYTES), ks_slice("small", 5),
                                       ks_slice(big, BIG_BYTES) };
    const struct kafscale_slice *parts;
    size_t part_count;
    struct kafka_writer writer;
    struct kafscale_error error = { 0 };

    kafka_message_init(&kafka_fetch_response_message, &response);
    kafka_message_init(&kafka_fetch_response_topic_message, &topic);
    kafka_message_init(&kafka_fetch_response_topic_partition_message, &partition);
    partition.records = (struct kafka_records){ .parts = pieces, .part_count = 3 };
    topic.partitions = &partition;
    topic.partitions_count = 1;
    response.topics = &topic;
    response.topics_count = 1;

    kafka_writer_init(&writer, 1000);
    ck_assert_int_eq(kafka_response_encode(&header, &response, &writer, &error), KAFSCALE_OK);
    ck_assert_int_eq(kafka_writer_finish(&writer, &parts, &part_count), KAFSCALE_OK);
    ck_assert_uint_eq(part_count, 5);
    ck_assert_ptr_eq(parts[1].data, big);
    ck_assert_ptr_eq(parts[3].data, big);
    ck_assert(ks_slice_equals(parts[2], ks_slice("small", 5)));
    ck_assert_int_eq(kafka_frame_length(parts[0].data),
                     (int) kafka_writer_size(&writer) - KAFKA_FRAME_LENGTH_BYTES);
    kafka_writer_deinit(&writer);
    ks_free(big);
}
END_TEST

/*
 * The size of a tagged field is put in front of it afterwards, which moves what was referenced
 * in it.
 */
START_TEST(a_size_prefix_moves_references_behind_it)
{
    uint8_t *big = ks_alloc_zero(1, BIG_BYTES);
    struct kafka_writer writer;
    const struct kafscale_slice *parts;
    size_t part_count;
    size_t start;

    kafka_writer_init(&writer, 1000);
    kafka_writer_append(&writer, ks_slice(big, BIG_BYTES));
    kafka_writer_append(&writer, ks_slice("a", 1));
    start = kafka_writer_size(&writer);
    kafka_writer_append(&writer, ks_slice("b", 1));
    kafka_writer_append(&writer, ks_slice(big, BIG_BYTES));
    kafka_writer_append(&writer, ks_slice("c", 1));
    kafka_writer_prefix_size(&writer, start);
    ck_assert_int_eq(kafka_writer_finish(&writer, &parts, &part_count), KAFSCALE_OK);
    ck_assert_uint_eq(part_count, 4);
    ck_assert_ptr_eq(parts[0].data, big);
    ck_assert(ks_slice_equals(parts[1], ks_slice("a\x8c\x20"
                                                 "b",
                                                 4)));
    ck_assert_ptr_eq(parts[2].data, big);
    ck_assert(ks_slice_equals(parts[3], ks_slice("c", 1)));
    kafka_writer_deinit(&writer);
    ks_free(big);
}
END_TEST

START_TEST(a_full_writer_stays_failed)
{
    struct kafka_writer writer;
    const struct kafscale_slice *parts;
    size_t part_count;

    kafka_writer_init(&writer, 3);
    kafka_writer_append(&writer, ks_slice("abcd", 4));
    kafka_writer_append(&writer, ks_slice("a", 1));
    kafka_writer_prefix_size(&writer, 0);
    ck_assert(kafka_writer_failed(&writer));
    ck_assert_int_eq(kafka_writer_finish(&writer, &parts, &part_count), KAFSCALE_NO_MEMORY);
    kafka_writer_deinit(&writer);
}
END_TEST

START_TEST(apis_and_errors_are_found_by_number)
{
    for (size_t i = 0; i < kafka_api_count; i++) {
        ck_assert_ptr_eq(kafka_api_find(kafka_apis[i].key), &kafka_apis[i]);
    }
    ck_assert_ptr_null(kafka_api_find(-1));
    ck_assert_ptr_null(kafka_api_find(4));
    ck_assert_ptr_null(kafka_api_find(INT16_MAX));
    ck_assert_str_eq(kafka_error_name(-1), "UNKNOWN_SERVER_ERROR");
    ck_assert_str_eq(kafka_error_name(KAFKA_ERROR_REBOOTSTRAP_REQUIRED), "REBOOTSTRAP_REQUIRED");
    ck_assert_str_eq(kafka_error_name(133), "SHARE_SESSION_LIMIT_REACHED");
    ck_assert_str_eq(kafka_error_name(134), "?");
    ck_assert_str_eq(kafka_error_name(-2), "?");
    ck_assert(kafka_error_is_retriable(KAFKA_ERROR_NOT_LEADER_OR_FOLLOWER));
    ck_assert(!kafka_error_is_retriable(KAFKA_ERROR_INVALID_TOPIC));
    ck_assert(!kafka_error_is_retriable(INT16_MIN));
}
END_TEST

Suite *
suite_new(void)
{
    Suite *suite = suite_create("protocol header");
    TCase *tcase = tcase_create("frames");

    tcase_add_test(tcase, flexible_versions_have_newer_headers);
    tcase_add_test(tcase, api_versions_responses_keep_the_old_header);
    tcase_add_test(tcase, a_request_frame_is_read_as_written);
    tcase_add_test(tcase, broken_request_headers_are_refused);
    tcase_add_test(tcase, the_header_of_an_unknown_api_versions_version_is_read);
    tcase_add_test(tcase, large_records_are_sent_from_where_they_are);
    tcase_add_test(tcase, a_size_prefix_moves_references_behind_it);
    tcase_add_test(tcase, a_full_writer_stays_failed);
    tcase_add_test(tcase, apis_and_errors_are_found_by_number);
    suite_add_tcase(suite, tcase);
    return suite;
}
