/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shows what Kafka clients and brokers say to each other: reads frames from stdin, as they come out
 * of a socket, and prints them as text, record batches opened.
 *
 *     decode < requests.bin
 *     decode API_KEY VERSION < responses.bin     (responses don't say what they answer)
 *
 * Build: cc decode.c $(pkg-config --cflags --libs libkafscale)
 */
#include <kafscale/messages.h>
#include <kafscale/protocol.h>

#include <stdio.h>
#include <stdlib.h>

#define FRAME_BYTES_MAX ((size_t) 16 << 20)
#define MEMORY_BYTES_MAX ((size_t) 64 << 20)

/* --- A visitor that prints: one line a value, indented by depth --- */

static void
print_name(const int *depth, const char *name)
{
    printf("%*s%s%s", 2 * *depth, "", name == NULL ? "-" : name, name == NULL ? " " : ": ");
}

static void
on_begin(void *arg, const char *name)
{
    int *depth = arg;

    print_name(depth, name);
    putchar('\n');
    ++*depth;
}

static void
on_end(void *arg)
{
    --*(int *) arg;
}

static void
on_text(void *arg, const char *name, const char *value)
{
    print_name(arg, name);
    puts(value);
}

static void
on_number(void *arg, const char *name, int64_t value)
{
    print_name(arg, name);
    printf("%lld\n", (long long) value);
}

static void
on_boolean(void *arg, const char *name, bool value)
{
    on_text(arg, name, value ? "true" : "false");
}

static void
print_message(const struct kafka_message *message, int16_t version, const void *in)
{
    int depth = 1;
    struct kafscale_describe describe = { &depth,  on_begin,  on_begin,  on_end,
                                          on_text, on_number, on_boolean };

    kafscale_message_describe(message, version, in, true, &describe);
}

/* --- Frames --- */

static enum kafscale_status
print_request(struct kafscale_codec *codec, struct kafscale_slice frame,
              struct kafscale_error *error)
{
    struct kafka_request_header header;
    void *request;
    enum kafscale_status status =
        kafscale_codec_decode_request(codec, frame, &header, &request, error);

    if (status == KAFSCALE_OK) {
        const struct kafka_api_schema *api = kafscale_api_find(header.api_key);

        printf("request %d: %s v%d from '%.*s'\n", header.correlation_id, api->name,
               header.api_version, (int) header.client_id.size,
               (const char *) header.client_id.data);
        print_message(api->request, header.api_version, request);
    }
    return status;
}

static enum kafscale_status
print_response(struct kafscale_codec *codec, struct kafscale_slice frame, int16_t key,
               int16_t version, struct kafscale_error *error)
{
    int32_t correlation_id;
    void *response;
    enum kafscale_status status = kafscale_codec_decode_response(codec, frame, key, version,
                                                                 &correlation_id, &response, error);

    if (status == KAFSCALE_OK) {
        printf("response %d: %s v%d\n", correlation_id, kafscale_api_find(key)->name, version);
        print_message(kafscale_api_find(key)->response, version, response);
    }
    return status;
}

/* The next frame of stdin in `room`; KAFSCALE_NOT_FOUND at the end. */
static enum kafscale_status
read_frame(uint8_t *room, struct kafscale_slice *frame_out, struct kafscale_error *error)
{
    struct kafscale_slice frame = { room, fread(room, 1, KAFKA_FRAME_LENGTH_BYTES, stdin) };
    size_t size = 0;
    enum kafscale_status status = kafscale_frame_size(frame, FRAME_BYTES_MAX, &size, error);

    if (status == KAFSCALE_OK) {
        frame.size += fread(room + frame.size, 1, size - frame.size, stdin);
        *frame_out = frame; /* cut off: decoding it says so */
    }
    return status == KAFSCALE_NOT_FOUND && frame.size > 0 ? KAFSCALE_CORRUPT : status;
}

int
main(int argc, char **argv)
{
    struct kafscale_error error = { 0 };
    struct kafscale_codec *codec =
        kafscale_codec_new(KAFKA_MESSAGES_LAYOUT, MEMORY_BYTES_MAX, &error);
    uint8_t *room = malloc(FRAME_BYTES_MAX);
    enum kafscale_status status = codec == NULL ? error.status : KAFSCALE_OK;

    while (status == KAFSCALE_OK && room != NULL) {
        struct kafscale_slice frame;

        status = read_frame(room, &frame, &error);
        if (status == KAFSCALE_OK && argc == 3) {
            status = print_response(codec, frame, (int16_t) atoi(argv[1]), (int16_t) atoi(argv[2]),
                                    &error);
        } else if (status == KAFSCALE_OK) {
            status = print_request(codec, frame, &error);
        }
        kafscale_codec_clear(codec); /* nothing of this frame is needed any more */
    }
    free(room);
    kafscale_codec_free(codec);
    if (status != KAFSCALE_NOT_FOUND) {
        fprintf(stderr, "decode: %s\n", error.text);
        return EXIT_FAILURE;
    }
    return EXIT_SUCCESS;
}
