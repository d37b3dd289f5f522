/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Properties that every message in every version has, and what the codec does with bytes that
 * no honest client sends. Each loop test runs over all APIs of the tables.
 */
#include "support/main.h"
#include "support/random_message.h"

#define ROUNDS 40
#define ARENA_BYTES_MAX (64u << 20)

struct fixture {
    struct ks_arena arena;
    struct kafka_writer writer;
    struct kafscale_error error;
};

static struct fixture *
fixture_new(void)
{
    struct fixture *f = ks_alloc_zero(1, sizeof *f);

    ck_assert_ptr_nonnull(f);
    ks_arena_init(&f->arena, ARENA_BYTES_MAX);
    kafka_writer_init(&f->writer, ARENA_BYTES_MAX);
    return f;
}

static void
fixture_reset(struct fixture *f)
{
    kafka_writer_deinit(&f->writer);
    ks_arena_deinit(&f->arena);
    kafka_writer_init(&f->writer, ARENA_BYTES_MAX);
    f->error = (struct kafscale_error){ 0 };
}

static void
fixture_free(struct fixture *f)
{
    fixture_reset(f);
    ks_free(f);
}

static struct kafscale_slice
encoded(struct fixture *f, const struct kafka_message *message, int16_t version, const void *in)
{
    struct kafscale_slice bytes;

    kafka_writer_deinit(&f->writer);
    kafka_writer_init(&f->writer, ARENA_BYTES_MAX);
    ck_assert_msg(kafka_encode(message, version, in, &f->writer, &f->error) == KAFSCALE_OK, "%s",
                  f->error.text);
    bytes = writer_bytes(&f->writer, &f->arena);
    return bytes;
}

static void *
out_new(struct fixture *f, const struct kafka_message *message)
{
    return kafka_array_new(&f->arena, message, 1);
}

typedef void each_message(struct fixture *f, const struct kafka_message *message, int16_t version,
                          uint64_t seed);

/* Calls for both directions of an API in every version. */
static void
for_each_message(const struct kafka_api_schema *api, each_message *call, uint64_t rounds)
{
    struct fixture *f = fixture_new();

    for (int16_t version = api->version_min; version <= api->version_max; version++) {
        for (uint64_t seed = 0; seed < rounds; seed++) {
            call(f, api->request, version, seed);
            fixture_reset(f);
            call(f, api->response, version, seed);
            fixture_reset(f);
        }
    }
    fixture_free(f);
}

static void
round_trip(struct fixture *f, const struct kafka_message *message, int16_t version, uint64_t seed)
{
    void *in = random_message_new(&f->arena, message, version, &seed);
    void *out = out_new(f, message);
    struct kafscale_slice bytes = encoded(f, message, version, in);
    struct kafscale_slice again;

    ck_assert_msg(kafka_decode(message, version, bytes, &f->arena, out, &f->error) == KAFSCALE_OK,
                  "%s", f->error.text);
    ck_assert_msg(messages_equal(message, in, out), "%s v%d seed %d", message->name, version,
                  (int) seed);
    again = encoded(f, message, version, out);
    ck_assert(ks_slice_equals(bytes, again));
}

START_TEST(what_is_encoded_decodes_to_the_same)
{
    for_each_message(&kafka_apis[_i], round_trip, ROUNDS);
}
END_TEST

/* A copy of exactly that size, so that AddressSanitizer sees any byte read beyond it. */
static uint8_t *
copy_new(struct kafscale_slice bytes)
{
    uint8_t *copy = ks_alloc(bytes.size > 0 ? bytes.size : 1);

    ck_assert_ptr_nonnull(copy);
    if (bytes.size > 0) {
        memcpy(copy, bytes.data, bytes.size);
    }
    return copy;
}

static void
truncate_message(struct fixture *f, const struct kafka_message *message, int16_t version,
                 uint64_t seed)
{
    void *in = random_message_new(&f->arena, message, version, &seed);
    struct kafscale_slice bytes = encoded(f, message, version, in);
    size_t step = bytes.size / 64 + 1;

    for (size_t size = 0; size < bytes.size; size += step) {
        uint8_t *copy = copy_new(ks_slice(bytes.data, size));
        void *out = out_new(f, message);

        ck_assert_int_eq(
            kafka_decode(message, version, ks_slice(copy, size), &f->arena, out, &f->error),
            KAFSCALE_CORRUPT);
        ks_free(copy);
    }
}

START_TEST(a_message_cut_short_is_refused)
{
    for_each_message(&kafka_apis[_i], truncate_message, 3);
}
END_TEST

static void
flip_bits(struct fixture *f, const struct kafka_message *message, int16_t version, uint64_t seed)
{
    void *in = random_message_new(&f->arena, message, version, &seed);
    struct kafscale_slice bytes = encoded(f, message, version, in);

    for (int i = 0; i < 30 && bytes.size > 0; i++) {
        uint8_t *copy = copy_new(bytes);
        void *out = out_new(f, message);
        void *again = out_new(f, message);
        uint64_t place = random_next(&seed);

        copy[place % bytes.size] ^= (uint8_t) (1u << (place >> 32) % 8);
        if (kafka_decode(message, version, ks_slice(copy, bytes.size), &f->arena, out, &f->error) ==
            KAFSCALE_OK) {
            struct kafscale_slice rewritten = encoded(f, message, version, out);

            ck_assert_int_eq(kafka_decode(message, version, rewritten, &f->arena, again, &f->error),
                             KAFSCALE_OK);
            ck_assert(messages_equal(message, out, again));
        }
        ks_free(copy);
    }
}

START_TEST(flipped_bits_give_an_error_or_another_valid_message)
{
    for_each_message(&kafka_apis[_i], flip_bits, 4);
}
END_TEST

static struct kafscale_slice
extended(struct fixture *f, struct kafscale_slice bytes, const char *tail, size_t tail_size)
{
    uint8_t *data = ks_arena_alloc(&f->arena, bytes.size + tail_size);

    ck_assert_ptr_nonnull(data);
    if (bytes.size > 0) {
        memcpy(data, bytes.data, bytes.size);
    }
    memcpy(data + bytes.size, tail, tail_size);
    return ks_slice(data, bytes.size + tail_size);
}

static void
add_unknown_tag(struct fixture *f, const struct kafka_message *message, int16_t version,
                uint64_t seed)
{
    struct kafscale_slice bytes;
    struct kafscale_slice tagged;
    void *in = out_new(f, message);
    void *out = out_new(f, message);

    (void) seed;
    if (version < message->flexible_from) {
        return;
    }
    bytes = encoded(f, message, version, in);
    ck_assert_uint_eq(bytes.data[bytes.size - 1], 0);
    tagged = extended(f, ks_slice(bytes.data, bytes.size - 1), "\x01\xe7\x07\x02zz", 6);

    ck_assert_msg(kafka_decode(message, version, tagged, &f->arena, out, &f->error) == KAFSCALE_OK,
                  "%s", f->error.text);
    ck_assert(messages_equal(message, in, out));
}

START_TEST(unknown_tagged_fields_are_skipped)
{
    for_each_message(&kafka_apis[_i], add_unknown_tag, 1);
}
END_TEST

static void
append_byte(struct fixture *f, const struct kafka_message *message, int16_t version, uint64_t seed)
{
    void *in = random_message_new(&f->arena, message, version, &seed);
    void *out = out_new(f, message);
    struct kafscale_slice bytes = encoded(f, message, version, in);
    struct kafscale_slice longer = extended(f, bytes, "", 1);

    ck_assert_int_eq(kafka_decode(message, version, longer, &f->arena, out, &f->error),
                     KAFSCALE_CORRUPT);
}

START_TEST(bytes_after_the_message_are_refused)
{
    for_each_message(&kafka_apis[_i], append_byte, 5);
}
END_TEST

/*
 * What librdkafka sends for all topics: it keeps four bytes free for the count, writes none, and
 * leaves three of them behind the request.
 */
START_TEST(bytes_after_a_request_are_ignored)
{
    struct fixture *f = fixture_new();
    struct kafscale_slice sent = ks_slice("\0\0\0\0\x01\0\0", 7);
    struct kafka_metadata_request request;

    ck_assert_int_eq(
        kafka_decode(&kafka_metadata_request_message, 12, sent, &f->arena, &request, &f->error),
        KAFSCALE_CORRUPT);
    ck_assert_int_eq(kafka_decode_request(&kafka_metadata_request_message, 12, sent, &f->arena,
                                          &request, &f->error),
                     KAFSCALE_OK);
    ck_assert_int_eq(request.topics_count, -1);
    ck_assert(!request.allow_auto_topic_creation);
    ck_assert_int_eq(kafka_decode_request(&kafka_metadata_request_message, 12, ks_slice("\0", 1),
                                          &f->arena, &request, &f->error),
                     KAFSCALE_CORRUPT);
    fixture_free(f);
}
END_TEST

static void
fail_allocations(struct fixture *f, const struct kafka_message *message, int16_t version,
                 uint64_t seed)
{
    void *in = random_message_new(&f->arena, message, version, &seed);
    struct kafscale_slice bytes = encoded(f, message, version, in);
    void *out = out_new(f, message);
    enum kafscale_status status = KAFSCALE_NO_MEMORY;

    for (uint64_t count = 0; status != KAFSCALE_OK; count++) {
        struct ks_arena arena;
        struct kafka_writer writer;
        const struct kafscale_slice *parts;
        size_t part_count;

        ck_assert_uint_lt(count, 1000);
        ks_arena_init(&arena, ARENA_BYTES_MAX);
        kafka_writer_init(&writer, ARENA_BYTES_MAX);
        f->error = (struct kafscale_error){ 0 };
        ks_alloc_fail_after(count);
        status = kafka_decode(message, version, bytes, &arena, out, &f->error);
        if (status == KAFSCALE_OK) {
            status = kafka_encode(message, version, out, &writer, &f->error);
        }
        if (status == KAFSCALE_OK) {
            status = kafka_writer_finish(&writer, &parts, &part_count);
        }
        ks_alloc_fail_after(UINT64_MAX);
        ck_assert(status == KAFSCALE_OK || status == KAFSCALE_NO_MEMORY);
        kafka_writer_deinit(&writer);
        ks_arena_deinit(&arena);
    }
}

START_TEST(every_failing_allocation_is_a_status)
{
    for_each_message(&kafka_apis[_i], fail_allocations, 3);
}
END_TEST

/* Two billion topics in ten bytes: the answer must not cost memory. */
START_TEST(hostile_counts_allocate_nothing)
{
    struct fixture *f = fixture_new();
    uint8_t old_form[] = { 0x7f, 0xff, 0xff, 0xff, 0, 0 };
    uint8_t flexible[] = { 0xff, 0xff, 0xff, 0xff, 0x0f, 0, 0 };
    struct kafka_metadata_request out;
    size_t before;

    ck_assert_ptr_nonnull(ks_arena_alloc(&f->arena, 1));
    before = f->arena.size_bytes;
    ck_assert_int_eq(kafka_decode(&kafka_metadata_request_message, 1,
                                  ks_slice(old_form, sizeof old_form), &f->arena, &out, &f->error),
                     KAFSCALE_CORRUPT);
    ck_assert_int_eq(kafka_decode(&kafka_metadata_request_message, 12,
                                  ks_slice(flexible, sizeof flexible), &f->arena, &out, &f->error),
                     KAFSCALE_CORRUPT);
    ck_assert_uint_eq(f->arena.size_bytes, before);
    fixture_free(f);
}
END_TEST

/* Old versions have no tags to fill, so elements are cheap for the sender: they are counted. */
START_TEST(too_many_elements_are_refused_before_memory_is_spent)
{
    struct fixture *f = fixture_new();
    struct kafka_metadata_request_topic *topics =
        kafka_array_new(&f->arena, &kafka_metadata_request_topic_message, KAFKA_ELEMENTS_MAX + 1);
    struct kafka_metadata_request in = { .topics = topics,
                                         .topics_count = KAFKA_ELEMENTS_MAX,
                                         .allow_auto_topic_creation = true };
    struct kafka_decode_limits one_more = { .elements_max = KAFKA_ELEMENTS_MAX + 1 };
    struct kafka_metadata_request out;
    struct kafscale_slice bytes = encoded(f, &kafka_metadata_request_message, 1, &in);

    ck_assert_int_eq(
        kafka_decode(&kafka_metadata_request_message, 1, bytes, &f->arena, &out, &f->error),
        KAFSCALE_OK);
    in.topics_count++;
    bytes = encoded(f, &kafka_metadata_request_message, 1, &in);
    ck_assert_int_eq(
        kafka_decode(&kafka_metadata_request_message, 1, bytes, &f->arena, &out, &f->error),
        KAFSCALE_TOO_LARGE);
    ck_assert_int_eq(kafka_decode_within(&kafka_metadata_request_message, 1, bytes, &one_more,
                                         &f->arena, &out, &f->error),
                     KAFSCALE_OK);
    fixture_free(f);
}
END_TEST

static enum kafscale_status
decode_api_versions(struct fixture *f, const char *bytes, size_t size)
{
    struct kafka_api_versions_response out;

    f->error = (struct kafscale_error){ 0 };
    return kafka_decode(&kafka_api_versions_response_message, 3, ks_slice(bytes, size), &f->arena,
                        &out, &f->error);
}

/*
 * error code, no keys, throttle time, and then the tags: this is the smallest response with
 * tagged fields we know.
 */
START_TEST(broken_tag_sections_are_refused)
{
    struct fixture *f = fixture_new();

    ck_assert_int_eq(decode_api_versions(f, "\0\0\x01\0\0\0\0\x02\x03\x01\x01\x09\x00", 13),
                     KAFSCALE_OK);
    ck_assert_int_eq(decode_api_versions(f, "\0\0\x01\0\0\0\0\x02\x09\x00\x03\x01\x01", 13),
                     KAFSCALE_CORRUPT);
    ck_assert_int_eq(decode_api_versions(f, "\0\0\x01\0\0\0\0\x02\x03\x01\x01\x03\x00", 13),
                     KAFSCALE_CORRUPT);
    ck_assert_int_eq(decode_api_versions(f, "\0\0\x01\0\0\0\0\x01\x03\x02\x01\x00", 12),
                     KAFSCALE_CORRUPT);
    ck_assert_str_eq(f->error.text,
                     "api_versions_response v3, field 'tags': bytes left over in a tagged field");
    ck_assert_int_eq(decode_api_versions(f, "\0\0\x01\0\0\0\0\x01\x03\x00", 10), KAFSCALE_CORRUPT);
    ck_assert_int_eq(decode_api_versions(f, "\0\0\x01\0\0\0\0\x01\x03\x7f\x01", 11),
                     KAFSCALE_CORRUPT);
    fixture_free(f);
}
END_TEST

START_TEST(null_is_refused_where_it_is_not_allowed)
{
    struct fixture *f = fixture_new();
    struct kafka_metadata_request in = { .topics_count = -1, .allow_auto_topic_creation = true };
    struct kafka_metadata_request out = { 0 };
    uint8_t null_array[] = { 0xff, 0xff, 0xff, 0xff };

    ck_assert_int_eq(kafka_decode(&kafka_metadata_request_message, 1, ks_slice(null_array, 4),
                                  &f->arena, &out, &f->error),
                     KAFSCALE_OK);
    ck_assert_int_eq(out.topics_count, -1);
    ck_assert_int_eq(kafka_decode(&kafka_metadata_request_message, 0, ks_slice(null_array, 4),
                                  &f->arena, &out, &f->error),
                     KAFSCALE_CORRUPT);
    ck_assert_int_eq(kafka_encode(&kafka_metadata_request_message, 0, &in, &f->writer, &f->error),
                     KAFSCALE_INVALID);
    fixture_free(f);
}
END_TEST

START_TEST(a_field_the_version_lacks_is_refused_unless_it_may_be_ignored)
{
    struct fixture *f = fixture_new();
    struct kafka_fetch_response_topic_partition partition;
    struct kafka_fetch_response_topic topic = { .partitions = &partition, .partitions_count = 1 };
    struct kafka_fetch_response in = { .topics = &topic, .topics_count = 1 };

    kafka_message_init(&kafka_fetch_response_topic_partition_message, &partition);
    partition.log_start_offset = 5; /* since version 5, ignorable */
    ck_assert_int_eq(kafka_encode(&kafka_fetch_response_message, 4, &in, &f->writer, &f->error),
                     KAFSCALE_OK);

    partition.preferred_read_replica = 3; /* since version 11 */
    ck_assert_int_eq(kafka_encode(&kafka_fetch_response_message, 4, &in, &f->writer, &f->error),
                     KAFSCALE_INVALID);
    ck_assert_str_eq(
        f->error.text,
        "fetch_response v4, field 'preferred_read_replica': set, but not in this version");
    fixture_free(f);
}
END_TEST

START_TEST(absent_fields_get_their_defaults)
{
    struct fixture *f = fixture_new();
    uint8_t no_topics[] = { 0, 0, 0, 0 };
    struct kafka_metadata_request metadata = { 0 };
    struct kafka_fetch_request fetch;

    ck_assert_int_eq(kafka_decode(&kafka_metadata_request_message, 1, ks_slice(no_topics, 4),
                                  &f->arena, &metadata, &f->error),
                     KAFSCALE_OK);
    ck_assert(metadata.allow_auto_topic_creation);
    kafka_message_init(&kafka_fetch_request_message, &fetch);
    ck_assert_int_eq(fetch.replica_id, -1);
    ck_assert_int_eq(fetch.session_epoch, -1);
    ck_assert_int_eq(fetch.max_bytes, INT32_MAX);
    ck_assert_int_eq(fetch.replica_state.replica_epoch, -1);
    ck_assert_ptr_null(fetch.cluster_id.data);
    ck_assert_ptr_nonnull(fetch.rack_id.data);
    fixture_free(f);
}
END_TEST

START_TEST(versions_outside_the_schema_are_unsupported)
{
    struct fixture *f = fixture_new();
    struct kafka_fetch_request fetch;

    kafka_message_init(&kafka_fetch_request_message, &fetch);
    ck_assert_int_eq(kafka_decode(&kafka_fetch_request_message, 3, ks_slice("", 0), &f->arena,
                                  &fetch, &f->error),
                     KAFSCALE_UNSUPPORTED);
    ck_assert_int_eq(kafka_encode(&kafka_fetch_request_message, 19, &fetch, &f->writer, &f->error),
                     KAFSCALE_UNSUPPORTED);
    fixture_free(f);
}
END_TEST

START_TEST(a_failed_decode_leaves_the_output_alone)
{
    struct fixture *f = fixture_new();
    struct kafka_heartbeat_request out = { .generation_id = 7 };

    ck_assert_int_eq(kafka_decode(&kafka_heartbeat_request_message, 0, ks_slice("\0\1g\0\0", 5),
                                  &f->arena, &out, &f->error),
                     KAFSCALE_CORRUPT);
    ck_assert_str_eq(f->error.text,
                     "heartbeat_request v0, field 'generation_id': the bytes end too early");
    ck_assert_int_eq(out.generation_id, 7);
    ck_assert_ptr_null(out.group_id.data);
    fixture_free(f);
}
END_TEST

Suite *
suite_new(void)
{
    Suite *suite = suite_create("protocol codec");
    TCase *all = tcase_create("all messages");
    TCase *single = tcase_create("single messages");
    int count = (int) kafka_api_count;

    tcase_set_timeout(all, 60);
    tcase_add_loop_test(all, what_is_encoded_decodes_to_the_same, 0, count);
    tcase_add_loop_test(all, a_message_cut_short_is_refused, 0, count);
    tcase_add_loop_test(all, flipped_bits_give_an_error_or_another_valid_message, 0, count);
    tcase_add_loop_test(all, unknown_tagged_fields_are_skipped, 0, count);
    tcase_add_loop_test(all, bytes_after_the_message_are_refused, 0, count);
    tcase_add_loop_test(all, every_failing_allocation_is_a_status, 0, count);
    suite_add_tcase(suite, all);
    tcase_add_test(single, bytes_after_a_request_are_ignored);
    tcase_add_test(single, hostile_counts_allocate_nothing);
    tcase_add_test(single, too_many_elements_are_refused_before_memory_is_spent);
    tcase_add_test(single, broken_tag_sections_are_refused);
    tcase_add_test(single, null_is_refused_where_it_is_not_allowed);
    tcase_add_test(single, a_field_the_version_lacks_is_refused_unless_it_may_be_ignored);
    tcase_add_test(single, absent_fields_get_their_defaults);
    tcase_add_test(single, versions_outside_the_schema_are_unsupported);
    tcase_add_test(single, a_failed_decode_leaves_the_output_alone);
    suite_add_tcase(suite, single);
    return suite;
}
