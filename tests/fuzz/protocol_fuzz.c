/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages from anywhere. The first three bytes of an input choose API, version and direction, the
 * rest is the body; it is also tried as the header of a request. What decodes must encode, and then
 * decode to the same.
 */
#include "fuzz/fuzz.h"
#include "support/random_message.h"

#define CHOICE_BYTES 3
#define MEMORY_BYTES_MAX (1u << 30)

/* By key, so that the corpus keeps its meaning; other bytes are spread over the APIs there are. */
static const struct kafka_api_schema *
choose_api(uint8_t key)
{
    const struct kafka_api_schema *api = kafka_api_find(key);

    return api != NULL ? api : &kafka_apis[key % kafka_api_count];
}

static int16_t
choose_version(const struct kafka_api_schema *api, uint8_t version)
{
    int count = api->version_max - api->version_min + 1;
    bool is_in = version >= api->version_min && version <= api->version_max;

    return (int16_t) (is_in ? version : api->version_min + version % count);
}

static void
encode_and_compare(const struct kafka_message *message, int16_t version, const void *in,
                   struct ks_arena *arena)
{
    struct kafscale_error error = { 0 };
    void *again = kafka_array_new(arena, message, 1);
    struct kafka_writer writer;

    demand(again != NULL);
    kafka_writer_init(&writer, MEMORY_BYTES_MAX);
    demand(kafka_encode(message, version, in, &writer, &error) == KAFSCALE_OK);
    demand(kafka_decode(message, version, writer_bytes(&writer, arena), arena, again, &error) ==
           KAFSCALE_OK);
    demand(messages_equal(message, in, again));
    kafka_writer_deinit(&writer);
}

static void
try_message(const struct kafka_message *message, int16_t version, struct kafscale_slice body)
{
    struct kafscale_error error = { 0 };
    struct ks_arena arena;
    void *out;

    ks_arena_init(&arena, MEMORY_BYTES_MAX);
    out = kafka_array_new(&arena, message, 1);
    demand(out != NULL);
    if (kafka_decode(message, version, body, &arena, out, &error) == KAFSCALE_OK) {
        encode_and_compare(message, version, out, &arena);
    } else {
        demand(error.text[0] != '\0');
    }
    ks_arena_deinit(&arena);
}

/* Lengths inside the header must keep the body inside the frame. */
static void
try_header(struct kafscale_slice frame)
{
    struct kafscale_error error = { 0 };
    struct kafka_request_header header;
    struct kafscale_slice body;

    if (kafka_request_header_decode(frame, &header, &body, &error) == KAFSCALE_OK) {
        demand(body.data >= frame.data);
        demand(body.data + body.size == frame.data + frame.size);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct kafka_api_schema *api;

    if (size < CHOICE_BYTES) {
        return 0;
    }
    api = choose_api(data[0]);
    try_message(data[2] % 2 == 0 ? api->request : api->response, choose_version(api, data[1]),
                ks_slice(data + CHOICE_BYTES, size - CHOICE_BYTES));
    try_header(ks_slice(data, size));
    return 0;
}
