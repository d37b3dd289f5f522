/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The codec as programs have it: every API in every version, what hostile bytes and careless
 * callers get. Only what the shared library shows is used.
 */
#include "support/main.h"

#include <kafscale/kafscale.h>
#include <kafscale/messages.h>
#include <kafscale/protocol.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MEMORY_BYTES_MAX ((size_t) 8 << 20)
#define LINE_BYTES_MAX 65536
#define FILLS 3 /* of the vectors: everything set, everything null, everything at its default */
#define ROUNDS 20

static struct kafscale_codec *
codec_new(size_t memory_bytes_max)
{
    struct kafscale_error error = { 0 };
    struct kafscale_codec *codec =
        kafscale_codec_new(KAFKA_MESSAGES_LAYOUT, memory_bytes_max, &error);

    ck_assert_msg(codec != NULL, "%s", error.text);
    return codec;
}

static const struct kafka_message *
request_of(int16_t key)
{
    return kafscale_api_find(key)->request;
}

/* All pieces in one, in the codec. */
static struct kafscale_slice
joined(struct kafscale_codec *codec, const struct kafscale_encoded *encoded)
{
    uint8_t *bytes = kafscale_codec_new_bytes(codec, encoded->size + 1);
    struct kafscale_slice slice = { bytes, encoded->size };

    ck_assert_ptr_nonnull(bytes);
    kafscale_encoded_copy(encoded, bytes);
    return slice;
}

static bool
is_same(struct kafscale_slice a, struct kafscale_slice b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

/* Decoded and encoded again. */
static void
expect_same_again(struct kafscale_codec *codec, const struct kafka_message *message,
                  int16_t version, struct kafscale_slice body)
{
    struct kafscale_error error = { 0 };
    struct kafscale_encoded encoded;
    void *decoded;

    ck_assert_msg(kafscale_codec_decode(codec, message, version, body, &decoded, &error) ==
                      KAFSCALE_OK,
                  "%s", error.text);
    ck_assert_msg(kafscale_codec_encode(codec, message, version, decoded, &encoded, &error) ==
                      KAFSCALE_OK,
                  "%s", error.text);
    ck_assert_msg(is_same(joined(codec, &encoded), body), "%s v%d", kafscale_message_name(message),
                  version);
}

/* --- What Kafka's own code wrote --- */

struct vector {
    const struct kafka_message *message;
    int16_t version;
    struct kafscale_slice body;
};

typedef void vector_check(struct kafscale_codec *codec, const struct vector *vector);

static uint8_t
nibble(char digit)
{
    return (uint8_t) (digit >= 'a' ? digit - 'a' + 10 : digit - '0');
}

/* The bytes of the body take the place of the line. */
static void
parse_vector(char *line, struct vector *out)
{
    const struct kafka_api_schema *api;
    char direction[16];
    int key;
    int version;
    int start;
    size_t size = 0;

    ck_assert_int_eq(sscanf(line, "%d %d %15s %n", &key, &version, direction, &start), 3);
    api = kafscale_api_find((int16_t) key);
    ck_assert_ptr_nonnull(api);
    for (const char *p = line + start; p[0] != '\n' && p[0] != '\0'; p += 2) {
        line[size++] = (char) (nibble(p[0]) << 4 | nibble(p[1]));
    }
    out->message = strcmp(direction, "request") == 0 ? api->request : api->response;
    out->version = (int16_t) version;
    out->body = (struct kafscale_slice){ (const uint8_t *) line, size };
}

/* Returns how many there are. */
static size_t
check_vectors(vector_check *check)
{
    struct kafscale_codec *codec = codec_new(MEMORY_BYTES_MAX);
    FILE *file = fopen(KAFKA_VECTORS, "r");
    char *line = malloc(LINE_BYTES_MAX);
    size_t count = 0;

    ck_assert_ptr_nonnull(file);
    ck_assert_ptr_nonnull(line);
    while (fgets(line, LINE_BYTES_MAX, file) != NULL) {
        struct vector vector;

        if (line[0] != '#') {
            parse_vector(line, &vector);
            check(codec, &vector);
            kafscale_codec_clear(codec);
            count++;
        }
    }
    free(line);
    fclose(file);
    kafscale_codec_free(codec);
    return count;
}

static size_t
messages_of_all_versions(void)
{
    const struct kafka_api_schema *api;
    size_t count = 0;

    for (size_t i = 0; (api = kafscale_api_at(i)) != NULL; i++) {
        ck_assert_ptr_eq(kafscale_api_find(api->key), api);
        count += (size_t) (api->version_max - api->version_min + 1) * 2;
    }
    return count;
}

static void
check_again(struct kafscale_codec *codec, const struct vector *vector)
{
    expect_same_again(codec, vector->message, vector->version, vector->body);
}

START_TEST(every_message_of_kafka_is_written_again_byte_for_byte)
{
    ck_assert_uint_eq(check_vectors(check_again), messages_of_all_versions() * FILLS);
}
END_TEST

/* Decodes what may be anything; if it is a message after all, it can be shown and encoded. */
static void
try(struct kafscale_codec *codec, const struct vector *vector, struct kafscale_slice body)
{
    struct kafscale_error error = { 0 };
    void *decoded = NULL;
    struct kafscale_encoded encoded;
    enum kafscale_status status =
        kafscale_codec_decode(codec, vector->message, vector->version, body, &decoded, &error);

    if (status == KAFSCALE_OK) {
        ck_assert_int_eq(kafscale_codec_encode(codec, vector->message, vector->version, decoded,
                                               &encoded, &error),
                         KAFSCALE_OK);
    } else {
        ck_assert_msg(status == KAFSCALE_CORRUPT || status == KAFSCALE_TOO_LARGE, "%s", error.text);
        ck_assert_int_eq(error.status, status);
        ck_assert_ptr_null(decoded);
    }
    kafscale_codec_clear(codec);
}

/* Cut off anywhere, and with any byte made as large, and as small, as can be. */
static void
check_hostile(struct kafscale_codec *codec, const struct vector *vector)
{
    uint8_t *bytes = (uint8_t *) vector->body.data;

    for (size_t i = 0; i < vector->body.size; i++) {
        uint8_t right = bytes[i];
        uint8_t *exact = malloc(i + 1);

        memcpy(exact, bytes, i);
        try(codec, vector, (struct kafscale_slice){ exact, i });
        free(exact);
        bytes[i] = 0xff;
        try(codec, vector, vector->body);
        bytes[i] = 0x7f;
        try(codec, vector, vector->body);
        bytes[i] = 0;
        try(codec, vector, vector->body);
        bytes[i] = right;
    }
}

START_TEST(damaged_messages_are_refused_within_the_memory_of_the_codec)
{
    ck_assert_uint_gt(check_vectors(check_hostile), 1000);
}
END_TEST

/* --- Messages made by going through the fields --- */

static uint64_t
random_next(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return *state >> 33;
}

static void fill(struct kafscale_codec *codec, const struct kafka_message *message, int16_t version,
                 uint8_t *out, uint64_t *state);

static struct kafscale_slice
random_bytes(struct kafscale_codec *codec, uint64_t *state)
{
    size_t size = random_next(state) % 20;
    uint8_t *bytes = kafscale_codec_new_bytes(codec, size + 1);

    for (size_t i = 0; i < size; i++) {
        bytes[i] = (uint8_t) ('a' + random_next(state) % 26);
    }
    return (struct kafscale_slice){ bytes, size };
}

static void
fill_number(const struct kafka_field *field, uint8_t *out, uint64_t *state)
{
    static const size_t sizes[] = {
        [KAFKA_KIND_INT8] = 1,    [KAFKA_KIND_INT16] = 2, [KAFKA_KIND_UINT16] = 2,
        [KAFKA_KIND_INT32] = 4,   [KAFKA_KIND_INT64] = 8, [KAFKA_KIND_UUID] = 16,
        [KAFKA_KIND_FLOAT64] = 8, [KAFKA_KIND_BOOL] = 1
    };

    for (size_t i = 0; i < sizes[field->kind]; i++) {
        out[i] = (uint8_t) random_next(state);
    }
    if (field->kind == KAFKA_KIND_BOOL) {
        out[0] &= 1;
    }
}

static void
fill_value(struct kafscale_codec *codec, const struct kafka_field *field, int16_t version,
           uint8_t *out, uint64_t *state)
{
    bool is_array = (field->flags & KAFKA_FIELD_ARRAY) != 0;
    bool is_null = !is_array && version >= field->null_from && random_next(state) % 4 == 0;
    struct kafscale_slice slice = { 0 };
    struct kafka_records records = { .is_null = is_null };

    switch (field->kind) {
    case KAFKA_KIND_STRING:
    case KAFKA_KIND_BYTES:
        slice = is_null ? slice : random_bytes(codec, state);
        memcpy(out, &slice, sizeof slice);
        break;
    case KAFKA_KIND_RECORDS:
        if (!is_null) {
            struct kafscale_slice *part = kafscale_codec_new_bytes(codec, sizeof *part);

            *part = random_bytes(codec, state);
            records.parts = part;
            records.part_count = 1;
        }
        memcpy(out, &records, sizeof records);
        break;
    case KAFKA_KIND_STRUCT:
        if (!is_array && field->null_from != KAFKA_VERSION_NEVER) {
            uint8_t *element =
                is_null ? NULL : kafscale_codec_new_messages(codec, field->element, 1);

            memcpy(out, &element, sizeof element);
            out = element;
        }
        if (!is_null) {
            fill(codec, field->element, version, out, state);
        }
        break;
    default:
        fill_number(field, out, state);
    }
}

static size_t
element_bytes(const struct kafka_field *field)
{
    static const size_t sizes[] = { [KAFKA_KIND_BOOL] = sizeof(bool),
                                    [KAFKA_KIND_INT8] = 1,
                                    [KAFKA_KIND_INT16] = 2,
                                    [KAFKA_KIND_UINT16] = 2,
                                    [KAFKA_KIND_INT32] = 4,
                                    [KAFKA_KIND_INT64] = 8,
                                    [KAFKA_KIND_FLOAT64] = sizeof(double),
                                    [KAFKA_KIND_UUID] = 16,
                                    [KAFKA_KIND_STRING] = sizeof(struct kafscale_slice),
                                    [KAFKA_KIND_BYTES] = sizeof(struct kafscale_slice),
                                    [KAFKA_KIND_RECORDS] = sizeof(struct kafka_records) };

    return field->kind == KAFKA_KIND_STRUCT ? kafscale_message_bytes(field->element)
                                            : sizes[field->kind];
}

static void
fill_array(struct kafscale_codec *codec, const struct kafka_field *field, int16_t version,
           uint8_t *message, uint64_t *state)
{
    int32_t count = (int32_t) (random_next(state) % 4);
    uint8_t *elements = kafscale_codec_new_bytes(codec, 1 + (size_t) count * element_bytes(field));

    if (field->kind == KAFKA_KIND_STRUCT && count > 0) {
        elements = kafscale_codec_new_messages(codec, field->element, (size_t) count);
    }
    for (int32_t i = 0; i < count; i++) {
        fill_value(codec, field, version, elements + (size_t) i * element_bytes(field), state);
    }
    if (version >= field->null_from && count == 3) {
        count = -1;
    }
    memcpy(message + field->offset, &elements, sizeof elements);
    memcpy(message + field->count_offset, &count, sizeof count);
}

static void
fill(struct kafscale_codec *codec, const struct kafka_message *message, int16_t version,
     uint8_t *out, uint64_t *state)
{
    const struct kafka_field *field;

    for (size_t i = 0; (field = kafscale_message_field(message, i)) != NULL; i++) {
        if (version < field->version_min || version > field->version_max) {
            continue;
        }
        if ((field->flags & KAFKA_FIELD_ARRAY) != 0) {
            fill_array(codec, field, version, out, state);
        } else {
            fill_value(codec, field, version, out + field->offset, state);
        }
    }
}

/* What was encoded is decoded to something that is encoded alike. */
static void
check_random(struct kafscale_codec *codec, const struct kafka_message *message, int16_t version,
             uint64_t *state)
{
    struct kafscale_error error = { 0 };
    struct kafscale_encoded encoded;
    void *in = kafscale_codec_new_messages(codec, message, 1);

    fill(codec, message, version, in, state);
    ck_assert_msg(kafscale_codec_encode(codec, message, version, in, &encoded, &error) ==
                      KAFSCALE_OK,
                  "%s", error.text);
    expect_same_again(codec, message, version, joined(codec, &encoded));
    kafscale_codec_clear(codec);
}

START_TEST(messages_filled_through_their_fields_come_back)
{
    struct kafscale_codec *codec = codec_new(MEMORY_BYTES_MAX);
    const struct kafka_api_schema *api;
    uint64_t state = 1;

    for (size_t i = 0; (api = kafscale_api_at(i)) != NULL; i++) {
        for (int version = api->version_min; version <= api->version_max; version++) {
            for (int round = 0; round < ROUNDS; round++) {
                check_random(codec, api->request, (int16_t) version, &state);
                check_random(codec, api->response, (int16_t) version, &state);
            }
        }
    }
    kafscale_codec_free(codec);
}
END_TEST

/* --- Frames --- */

static struct kafka_list_offsets_request *
list_offsets_new(struct kafscale_codec *codec)
{
    struct kafka_list_offsets_request *request =
        kafscale_codec_new_messages(codec, request_of(KAFKA_API_LIST_OFFSETS), 1);

    request->topics_count = 1;
    request->topics = kafscale_codec_new_messages(
        codec, kafscale_message_at(KAFKA_MESSAGE_LIST_OFFSETS_REQUEST_TOPIC), 1);
    request->topics->name = kafscale_slice_of_text("orders");
    return request;
}

START_TEST(request_and_response_make_the_way_as_frames)
{
    struct kafscale_codec *codec = codec_new(MEMORY_BYTES_MAX);
    struct kafka_request_header header = { KAFKA_API_LIST_OFFSETS, 7, 42,
                                           kafscale_slice_of_text("me") };
    struct kafka_list_offsets_response response = { .throttle_time_ms = 17 };
    struct kafka_request_header found;
    struct kafscale_encoded encoded;
    struct kafscale_slice frame;
    int32_t correlation_id;
    size_t size;
    void *decoded;

    ck_assert_int_eq(
        kafscale_codec_encode_request(codec, &header, list_offsets_new(codec), &encoded, NULL),
        KAFSCALE_OK);
    frame = joined(codec, &encoded);
    ck_assert_int_eq(kafscale_frame_size(frame, 1000, &size, NULL), KAFSCALE_OK);
    ck_assert_uint_eq(size, frame.size);
    ck_assert_int_eq(kafscale_codec_decode_request(codec, frame, &found, &decoded, NULL),
                     KAFSCALE_OK);
    ck_assert_int_eq(found.api_version, 7);
    ck_assert_int_eq(found.correlation_id, 42);
    ck_assert(is_same(found.client_id, header.client_id));
    ck_assert(is_same(((struct kafka_list_offsets_request *) decoded)->topics->name,
                      kafscale_slice_of_text("orders")));

    ck_assert_int_eq(kafscale_codec_encode_response(codec, &header, &response, &encoded, NULL),
                     KAFSCALE_OK);
    ck_assert_int_eq(kafscale_codec_decode_response(codec, joined(codec, &encoded),
                                                    KAFKA_API_LIST_OFFSETS, 7, &correlation_id,
                                                    &decoded, NULL),
                     KAFSCALE_OK);
    ck_assert_int_eq(correlation_id, 42);
    ck_assert_int_eq(((struct kafka_list_offsets_response *) decoded)->throttle_time_ms, 17);
    kafscale_codec_free(codec);
}
END_TEST

START_TEST(large_records_are_referred_to_and_not_copied)
{
    static uint8_t batch[100000];
    struct kafscale_codec *codec = codec_new(10000);
    struct kafka_request_header header = { .api_key = KAFKA_API_PRODUCE, .api_version = 3 };
    struct kafscale_slice part = { batch, sizeof batch };
    struct kafka_produce_request *request =
        kafscale_codec_new_messages(codec, request_of(KAFKA_API_PRODUCE), 1);
    struct kafscale_encoded encoded;
    bool is_referred_to = false;

    request->topics_count = 1;
    request->topics = kafscale_codec_new_messages(
        codec, kafscale_message_at(KAFKA_MESSAGE_PRODUCE_REQUEST_TOPIC), 1);
    request->topics->partitions_count = 1;
    request->topics->partitions = kafscale_codec_new_messages(
        codec, kafscale_message_at(KAFKA_MESSAGE_PRODUCE_REQUEST_TOPIC_PARTITION), 1);
    request->topics->partitions->records = (struct kafka_records){ &part, 1, false };
    ck_assert_int_eq(kafscale_codec_encode_request(codec, &header, request, &encoded, NULL),
                     KAFSCALE_OK);
    for (size_t i = 0; i < encoded.part_count; i++) {
        is_referred_to = is_referred_to || encoded.parts[i].data == batch;
    }
    ck_assert(is_referred_to);
    ck_assert_uint_gt(encoded.size, sizeof batch);
    kafscale_codec_free(codec);
}
END_TEST

/* --- What careless callers get --- */

static void
expect_refused(struct kafscale_codec *codec, int16_t version,
               const struct kafka_list_offsets_request *request, enum kafscale_status status,
               const char *why)
{
    struct kafscale_error error = { 0 };
    struct kafscale_encoded encoded;

    ck_assert_int_eq(kafscale_codec_encode(codec, request_of(KAFKA_API_LIST_OFFSETS), version,
                                           request, &encoded, &error),
                     status);
    ck_assert_msg(strstr(error.text, why) != NULL, "%s", error.text);
}

START_TEST(messages_that_can_not_be_are_refused_by_name)
{
    struct kafscale_codec *codec = codec_new(MEMORY_BYTES_MAX);
    struct kafka_list_offsets_request *request = list_offsets_new(codec);

    expect_refused(codec, 99, request, KAFSCALE_UNSUPPORTED, "has no version 99");
    request->topics_count = -5;
    expect_refused(codec, 7, request, KAFSCALE_INVALID, "'topics': a count that can't be");
    request->topics_count = -1;
    expect_refused(codec, 7, request, KAFSCALE_INVALID, "'topics': null is not allowed");
    request->topics_count = 1;
    request->topics->partitions_count = 3;
    expect_refused(codec, 7, request, KAFSCALE_INVALID, "'partitions': a count without elements");
    request->topics->partitions_count = 0;
    request->topics->name = (struct kafscale_slice){ NULL, 4 };
    expect_refused(codec, 7, request, KAFSCALE_INVALID, "'name': a size without bytes");
    request->topics->name.size = 0;
    request->isolation_level = 1;
    expect_refused(codec, 1, request, KAFSCALE_INVALID, "set, but not in this version");
    request->isolation_level = 0;
    ck_assert_int_eq(kafscale_codec_encode(codec, request_of(KAFKA_API_LIST_OFFSETS), 7, request,
                                           &(struct kafscale_encoded){ 0 }, NULL),
                     KAFSCALE_OK);
    kafscale_codec_free(codec);
}
END_TEST

START_TEST(headers_that_can_not_be_are_refused)
{
    struct kafscale_codec *codec = codec_new(MEMORY_BYTES_MAX);
    struct kafka_request_header unknown = { .api_key = 999 };
    struct kafka_request_header nobody = { .api_key = KAFKA_API_LIST_OFFSETS, .api_version = 1 };
    struct kafscale_encoded encoded;
    const void *request = list_offsets_new(codec);

    ck_assert_int_eq(kafscale_codec_encode_request(codec, &unknown, request, &encoded, NULL),
                     KAFSCALE_UNSUPPORTED);
    nobody.client_id.size = 3;
    ck_assert_int_eq(kafscale_codec_encode_request(codec, &nobody, request, &encoded, NULL),
                     KAFSCALE_INVALID);
    nobody.client_id = (struct kafscale_slice){ (const uint8_t *) "x", 40000 };
    ck_assert_int_eq(kafscale_codec_encode_request(codec, &nobody, request, &encoded, NULL),
                     KAFSCALE_INVALID);
    kafscale_codec_free(codec);
}
END_TEST

START_TEST(other_structs_than_those_of_the_library_are_refused)
{
    struct kafscale_error error = { 0 };

    ck_assert_ptr_null(kafscale_codec_new(KAFKA_MESSAGES_LAYOUT + 1, 1000, &error));
    ck_assert_int_eq(error.status, KAFSCALE_UNSUPPORTED);
}
END_TEST

/* --- Limits --- */

START_TEST(memory_that_is_used_up_is_there_again_when_cleared)
{
    struct kafscale_codec *codec = codec_new(1000);
    struct kafscale_slice body = { (const uint8_t *) "\0\0\0\1\0\1x", 7 };
    void *decoded;
    int decodings = 0;

    while (kafscale_codec_decode(codec, request_of(KAFKA_API_METADATA), 1, body, &decoded, NULL) ==
           KAFSCALE_OK) {
        decodings++;
        ck_assert_int_lt(decodings, 100);
    }
    ck_assert_int_gt(decodings, 0);
    ck_assert_ptr_null(kafscale_codec_new_bytes(codec, 1));
    kafscale_codec_clear(codec);
    ck_assert_int_eq(
        kafscale_codec_decode(codec, request_of(KAFKA_API_METADATA), 1, body, &decoded, NULL),
        KAFSCALE_OK);
    kafscale_codec_free(codec);
}
END_TEST

START_TEST(encoding_takes_no_more_than_the_memory_either)
{
    struct kafscale_codec *codec = codec_new(2000);
    struct kafka_list_offsets_request *request = list_offsets_new(codec);
    struct kafscale_encoded encoded;
    size_t size = 0;
    enum kafscale_status status;

    while ((status = kafscale_codec_encode(codec, request_of(KAFKA_API_LIST_OFFSETS), 1, request,
                                           &encoded, NULL)) == KAFSCALE_OK) {
        size += encoded.size;
        ck_assert_uint_le(size, 2000);
    }
    ck_assert_int_eq(status, KAFSCALE_NO_MEMORY);
    ck_assert_uint_gt(size, 1900);
    kafscale_codec_free(codec);
}
END_TEST

/* 200,000 empty names take 400 kB of bytes and would take 3 MB of memory. */
START_TEST(array_elements_are_limited)
{
    static uint8_t body[4 + 400000] = { 0, 3, 0x0d, 0x40 };
    struct kafscale_codec *codec = codec_new(MEMORY_BYTES_MAX);
    struct kafscale_slice all = { body, sizeof body };
    void *decoded;

    ck_assert_int_eq(
        kafscale_codec_decode(codec, request_of(KAFKA_API_METADATA), 1, all, &decoded, NULL),
        KAFSCALE_TOO_LARGE);
    kafscale_codec_limit_elements(codec, 200000);
    ck_assert_int_eq(
        kafscale_codec_decode(codec, request_of(KAFKA_API_METADATA), 1, all, &decoded, NULL),
        KAFSCALE_OK);
    ck_assert_int_eq(((struct kafka_metadata_request *) decoded)->topics_count, 200000);
    kafscale_codec_free(codec);
}
END_TEST

static void
note_code(void *arg, int16_t code)
{
    *(int *) arg += code;
}

START_TEST(error_codes_have_names_and_are_found_in_responses)
{
    struct kafka_list_offsets_response_topic_partition partition = {
        .error_code = KAFKA_ERROR_NOT_LEADER_OR_FOLLOWER
    };
    struct kafka_list_offsets_response_topic topic = { .partitions = &partition,
                                                       .partitions_count = 1 };
    struct kafka_list_offsets_response response = { .topics = &topic, .topics_count = 1 };
    int sum = 0;

    ck_assert_str_eq(kafscale_kafka_error_name(1), "OFFSET_OUT_OF_RANGE");
    ck_assert_str_eq(kafscale_kafka_error_name(30000), "?");
    ck_assert(kafscale_kafka_error_is_retriable(KAFKA_ERROR_NOT_LEADER_OR_FOLLOWER));
    ck_assert(!kafscale_kafka_error_is_retriable(KAFKA_ERROR_NONE));
    kafscale_message_visit_errors(kafscale_api_find(KAFKA_API_LIST_OFFSETS)->response, 1, &response,
                                  note_code, &sum);
    ck_assert_int_eq(sum, KAFKA_ERROR_NOT_LEADER_OR_FOLLOWER);
}
END_TEST

START_TEST(structs_have_the_sizes_and_names_of_the_header)
{
    const struct kafka_message *message =
        kafscale_message_at(KAFKA_MESSAGE_LIST_OFFSETS_REQUEST_TOPIC);
    struct kafka_list_offsets_request_topic topic;
    size_t count = 0;

    ck_assert_str_eq(kafscale_message_name(message), "list_offsets_request_topic");
    ck_assert_uint_eq(kafscale_message_bytes(message), sizeof topic);
    memset(&topic, 0xff, sizeof topic);
    kafscale_message_init(message, &topic);
    ck_assert_ptr_null(topic.partitions);
    while (kafscale_message_at(count) != NULL) {
        count++;
    }
    ck_assert_uint_gt(count, 100);
    ck_assert_ptr_null(kafscale_api_find(-1));
}
END_TEST

Suite *
suite_new(void)
{
    Suite *suite = suite_create("protocol through the library");
    TCase *tcase = tcase_create("codec");

    tcase_set_timeout(tcase, 120);
    tcase_add_test(tcase, every_message_of_kafka_is_written_again_byte_for_byte);
    tcase_add_test(tcase, damaged_messages_are_refused_within_the_memory_of_the_codec);
    tcase_add_test(tcase, messages_filled_through_their_fields_come_back);
    tcase_add_test(tcase, request_and_response_make_the_way_as_frames);
    tcase_add_test(tcase, large_records_are_referred_to_and_not_copied);
    tcase_add_test(tcase, messages_that_can_not_be_are_refused_by_name);
    tcase_add_test(tcase, headers_that_can_not_be_are_refused);
    tcase_add_test(tcase, other_structs_than_those_of_the_library_are_refused);
    tcase_add_test(tcase, memory_that_is_used_up_is_there_again_when_cleared);
    tcase_add_test(tcase, encoding_takes_no_more_than_the_memory_either);
    tcase_add_test(tcase, array_elements_are_limited);
    tcase_add_test(tcase, error_codes_have_names_and_are_found_in_responses);
    tcase_add_test(tcase, structs_have_the_sizes_and_names_of_the_header);
    suite_add_tcase(suite, tcase);
    return suite;
}
