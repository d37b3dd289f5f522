/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Byte for byte the same as Kafka: each message that Kafka's own code wrote is decoded and
 * encoded again (tests/data/kafka-vectors/README.md).
 */
#include "support/main.h"
#include "support/random_message.h"

#include <stdio.h>
#include <stdlib.h>

#define LINE_BYTES_MAX 65536
#define FILLS 3 /* everything set, everything null, everything at its default */

struct vector {
    const struct kafka_message *message;
    int16_t version;
    struct kafscale_slice body;
};

static uint8_t
nibble(char digit)
{
    return (uint8_t) (digit >= 'a' ? digit - 'a' + 10 : digit - '0');
}

/* False for a comment; `line` becomes the bytes of the body. */
static bool
parse_vector(char *line, struct vector *out)
{
    char direction[16];
    const struct kafka_api_schema *api;
    int key;
    int version;
    int start;
    size_t size = 0;

    if (line[0] == '#') {
        return false;
    }
    ck_assert_int_eq(sscanf(line, "%d %d %15s %n", &key, &version, direction, &start), 3);
    api = kafka_api_find((int16_t) key);
    ck_assert_ptr_nonnull(api);
    for (const char *p = line + start; p[0] != '\n' && p[0] != '\0'; p += 2) {
        line[size++] = (char) (nibble(p[0]) << 4 | nibble(p[1]));
    }
    *out = (struct vector){ .message =
                                strcmp(direction, "request") == 0 ? api->request : api->response,
                            .version = (int16_t) version,
                            .body = ks_slice(line, size) };
    return true;
}

static void
check_vector(const struct vector *vector)
{
    struct kafscale_error error = { 0 };
    struct ks_arena arena;
    struct kafka_writer writer;
    void *out;

    ks_arena_init(&arena, 1u << 20);
    kafka_writer_init(&writer, 1u << 20);
    out = kafka_array_new(&arena, vector->message, 1);
    ck_assert_msg(kafka_decode(vector->message, vector->version, vector->body, &arena, out,
                               &error) == KAFSCALE_OK,
                  "%s", error.text);
    ck_assert_msg(kafka_encode(vector->message, vector->version, out, &writer, &error) ==
                      KAFSCALE_OK,
                  "%s", error.text);
    ck_assert_msg(ks_slice_equals(writer_bytes(&writer, &arena), vector->body), "%s v%d",
                  vector->message->name, vector->version);
    kafka_writer_deinit(&writer);
    ks_arena_deinit(&arena);
}

static size_t
vectors_expected(void)
{
    size_t count = 0;

    for (size_t i = 0; i < kafka_api_count; i++) {
        count += (size_t) (kafka_apis[i].version_max - kafka_apis[i].version_min + 1) * 2 * FILLS;
    }
    return count;
}

START_TEST(every_message_of_kafka_is_written_again_byte_for_byte)
{
    FILE *file = fopen(KAFKA_VECTORS, "r");
    char *line = malloc(LINE_BYTES_MAX);
    size_t count = 0;

    ck_assert_ptr_nonnull(file);
    ck_assert_ptr_nonnull(line);
    while (fgets(line, LINE_BYTES_MAX, file) != NULL) {
        struct vector vector;

        if (parse_vector(line, &vector)) {
            check_vector(&vector);
            count++;
        }
    }
    ck_assert_uint_eq(count, vectors_expected());
    free(line);
    fclose(file);
}
END_TEST

Suite *
suite_new(void)
{
    Suite *suite = suite_create("protocol vectors");
    TCase *tcase = tcase_create("kafka");

    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, every_message_of_kafka_is_written_again_byte_for_byte);
    suite_add_tcase(suite, tcase);
    return suite;
}
