/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads the segments of a partition straight from the store, without a broker, and prints their
 * records: how a program for analysis begins. Build: cc read_segments.c $(pkg-config --cflags
 * --libs libkafscale)
 *
 *     read_segments dir:PATH TOPIC PARTITION     (or any other option "store", with the others in
 *                                                 the environment, as the daemon takes them)
 */
#include <kafscale/kafscale.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MEMORY_BYTES_MAX ((size_t) 64 << 20)

extern char **environ;

struct keys {
    char **keys;
    size_t count;
};

/* The store must not be asked while it lists, so the keys are kept. */
static bool
keep_segment(void *arg, const struct kafscale_list_entry *entry)
{
    struct keys *keys = arg;
    size_t size = strlen(entry->key);

    if (size > 4 && strcmp(entry->key + size - 4, ".kfs") == 0) {
        keys->keys = realloc(keys->keys, (keys->count + 1) * sizeof *keys->keys);
        keys->keys[keys->count++] = strcpy(malloc(size + 1), entry->key);
    }
    return true;
}

struct object {
    struct kafscale_tools *tools;
    const char *key;
};

static enum kafscale_status
read_object(void *arg, uint64_t position, void *out, size_t size, struct kafscale_error *error)
{
    const struct object *object = arg;
    struct kafscale_blob *body;
    enum kafscale_status status =
        kafscale_tools_get(object->tools, object->key, position, size, &body, NULL, error);

    if (status != KAFSCALE_OK) {
        return status;
    }
    if (kafscale_blob_size(body) == size) {
        memcpy(out, kafscale_blob_data(body), size);
    } else {
        status = KAFSCALE_CORRUPT; /* it became shorter meanwhile */
    }
    kafscale_blob_unref(body);
    return status;
}

static enum kafscale_status
print_batch(struct kafscale_slice batch, struct kafscale_error *error)
{
    struct kafscale_records *records = kafscale_records_new(batch, MEMORY_BYTES_MAX, error);
    enum kafscale_status status = records == NULL ? error->status : KAFSCALE_OK;
    struct kafscale_record record;

    while (status == KAFSCALE_OK) {
        struct kafscale_error end = { 0 };

        status = kafscale_records_next(records, &record, &end);
        if (status == KAFSCALE_OK) {
            printf("%lld %lld %.*s\n", (long long) record.offset, (long long) record.timestamp_ms,
                   (int) record.value.size, (const char *) record.value.data);
        } else if (status != KAFSCALE_NOT_FOUND) {
            *error = end;
        }
    }
    kafscale_records_free(records);
    return status == KAFSCALE_NOT_FOUND ? KAFSCALE_OK : status;
}

static enum kafscale_status
print_segment(struct object *object, struct kafscale_error *error)
{
    struct kafscale_segment_reader *reader;
    struct kafscale_blob *first;
    struct kafscale_slice batch;
    uint64_t bytes;
    enum kafscale_status status =
        kafscale_tools_get(object->tools, object->key, 0, 1, &first, &bytes, error);

    if (status != KAFSCALE_OK) {
        return status;
    }
    kafscale_blob_unref(first);
    reader = kafscale_segment_reader_new(read_object, object, bytes, MEMORY_BYTES_MAX, error);
    status = reader == NULL ? error->status : KAFSCALE_OK;
    while (status == KAFSCALE_OK) {
        struct kafscale_error end = { 0 };

        status = kafscale_segment_reader_next(reader, &batch, &end);
        if (status == KAFSCALE_OK) {
            status = print_batch(batch, error);
        } else if (status != KAFSCALE_NOT_FOUND) {
            *error = end;
        }
    }
    kafscale_segment_reader_free(reader);
    return status == KAFSCALE_NOT_FOUND ? KAFSCALE_OK : status;
}

static enum kafscale_status
print_partition(struct kafscale_tools *tools, const char *topic, const char *partition,
                struct kafscale_error *error)
{
    char prefix[512];
    struct keys keys = { NULL, 0 };
    enum kafscale_status status;

    snprintf(prefix, sizeof prefix, "%s/%s/segment-", topic, partition);
    status = kafscale_tools_list(tools, prefix, keep_segment, &keys, error);
    for (size_t i = 0; i < keys.count; i++) {
        struct object object = { tools, keys.keys[i] };

        if (status == KAFSCALE_OK) {
            status = print_segment(&object, error);
        }
        free(keys.keys[i]);
    }
    free(keys.keys);
    return status;
}

int
main(int argc, char **argv)
{
    struct kafscale_error error = { 0 };
    struct kafscale_options *options = kafscale_options_new();
    struct kafscale_tools *tools = NULL;
    enum kafscale_status status = KAFSCALE_NO_MEMORY;

    if (argc != 4) {
        fprintf(stderr, "usage: read_segments STORE TOPIC PARTITION\n");
        kafscale_options_free(options);
        return 2;
    }
    if (options != NULL) {
        status = kafscale_options_set_environment(options, environ, NULL, NULL, &error);
    }
    if (status == KAFSCALE_OK) {
        status = kafscale_options_set(options, "store", argv[1], &error);
    }
    if (status == KAFSCALE_OK) {
        tools = kafscale_tools_open(options, NULL, NULL, &error);
        status = tools == NULL ? error.status : print_partition(tools, argv[2], argv[3], &error);
    }
    kafscale_tools_close(tools);
    kafscale_options_free(options);
    if (status != KAFSCALE_OK) {
        fprintf(stderr, "read_segments: %s\n", error.text);
        return 1;
    }
    return 0;
}
