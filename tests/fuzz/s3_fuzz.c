/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a store, and those who give keys to it, answer, from anybody. The first byte of an input
 * says which document the rest is. Keys that are read must be the same again when a server reads
 * what we write of them.
 */
#include "fuzz/fuzz.h"
#include "store/s3/credentials_source.h"
#include "store/s3/xml.h"
#include "store/s3/xml_reader.h"

#define ARENA_BYTES_MAX (4u << 20)

static struct ks_arena arena;
static struct kafscale_error error;

static void
try_listing(struct kafscale_slice document)
{
    struct ks_s3_listing listing;

    if (ks_s3_listing_read(document, &arena, &listing, &error) != KAFSCALE_OK) {
        return;
    }
    demand(listing.is_truncated == (listing.next_token != NULL) || !listing.is_truncated);
    for (size_t i = 0; i < listing.entry_count; i++) {
        demand(strlen(listing.entries[i].key) <= document.size);
    }
}

struct expected {
    const char *key;
    size_t seen;
};

static enum kafscale_status
on_written(void *arg, const char *path, struct kafscale_slice text)
{
    struct expected *expected = arg;

    if (strcmp(path, "Delete/Object/Key") == 0) {
        demand(ks_slice_equals(text, ks_slice_of_text(expected->key)));
        expected->seen++;
    }
    return KAFSCALE_OK;
}

static void
try_delete_result(struct kafscale_slice document)
{
    struct ks_s3_delete_result result;
    struct ks_buffer body;

    if (ks_s3_delete_result_read(document, &arena, &result, &error) != KAFSCALE_OK) {
        return;
    }
    for (size_t i = 0; i < result.failure_count; i++) {
        struct expected expected = { .key = result.failures[i].key };

        ks_buffer_init(&body, SIZE_MAX);
        ks_s3_append_delete(&body, &expected.key, 1);
        demand(ks_xml_read(ks_buffer_slice(&body), on_written, &expected, &error) == KAFSCALE_OK);
        demand(expected.seen == 1);
        ks_buffer_deinit(&body);
    }
}

static void
try_lifecycle(struct kafscale_slice document)
{
    const struct ks_s3_lifecycle_rule *threat;
    struct ks_s3_lifecycle lifecycle;

    if (ks_s3_lifecycle_read(document, &arena, &lifecycle, &error) != KAFSCALE_OK) {
        return;
    }
    threat = ks_s3_lifecycle_find_threat(&lifecycle, "ns/topic/");
    demand(threat == NULL || (threat->is_enabled && (threat->expires || threat->archives)));
}

/* Keys that are taken can be sent in a header. */
static void
check_keys(enum kafscale_status status, struct ks_s3_key_set *set)
{
    struct ks_s3_headers headers;

    if (status != KAFSCALE_OK) {
        demand(set->access_key == NULL);
        return;
    }
    ks_s3_headers_init(&headers);
    ks_s3_headers_add(&headers, "authorization", set->access_key);
    demand(headers.status == KAFSCALE_OK || strchr(set->access_key, ' ') != NULL);
    ks_s3_headers_deinit(&headers);
    demand(set->expires_s >= 0);
    ks_s3_key_set_deinit(set);
}

static void
try_credentials(uint8_t kind, struct kafscale_slice document)
{
    struct ks_s3_key_set set = { 0 };

    if (kind == 'j') {
        check_keys(ks_s3_read_service_keys(document, &set, &error), &set);
    } else if (kind == 'r') {
        check_keys(ks_s3_read_role_keys(document, &set, &error), &set);
    } else {
        check_keys(ks_s3_read_profile(document, "default", &set, &error), &set);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ks_s3_error_document document;
    struct kafscale_slice rest;
    uint8_t *copy;

    if (size == 0) {
        return 0;
    }
    copy = copy_bytes(ks_slice(data + 1, size - 1));
    rest = ks_slice(copy, size - 1);
    error = (struct kafscale_error){ 0 };
    ks_arena_init(&arena, ARENA_BYTES_MAX);
    if (data[0] == 'l') {
        try_listing(rest);
    } else if (data[0] == 'd') {
        try_delete_result(rest);
    } else if (data[0] == 'c') {
        try_lifecycle(rest);
    } else if (data[0] == 'j' || data[0] == 'r' || data[0] == 'p') {
        try_credentials(data[0], rest);
    } else if (ks_s3_error_document_read(rest, &document, &error) == KAFSCALE_OK) {
        demand(strlen(document.message) < sizeof document.message);
    }
    ks_arena_deinit(&arena);
    free(copy);
    return 0;
}
