/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The contract of stores over the S3 plug-in, libcurl and the real loop, against the server that
 * S3_TEST_ENDPOINT and its like name (tests/support/s3_servers.py). Each test has a bucket of its
 * own, which the store makes.
 */
#include "contract/store_contract.h"
#include "support/plugin_store.h"

#include <stdio.h>
#include <stdlib.h>

extern const struct kafscale_plugin kafscale_plugin_s3;

static void
set_from(struct kafscale_options *options, const char *key, const char *variable)
{
    const char *value = getenv(variable);

    if (value != NULL) {
        plugin_store_set(options, key, value);
    }
}

static void *
start(struct store_client *client, const char *style, const char *signs_payload)
{
    struct kafscale_options *options = plugin_store_options("contract");

    set_from(options, "s3.endpoint", "S3_TEST_ENDPOINT");
    set_from(options, "s3.region", "S3_TEST_REGION");
    set_from(options, "s3.access.key", "S3_TEST_ACCESS_KEY");
    set_from(options, "s3.secret.key", "S3_TEST_SECRET_KEY");
    set_from(options, "s3.ca.file", "S3_TEST_AUTHORITY");
    plugin_store_set(options, "s3.path.style", style);
    plugin_store_set(options, "s3.sign.payload", signs_payload);
    return plugin_store_open(&kafscale_plugin_s3, options, client);
}

static void *
start_plain(struct store_client *client)
{
    return start(client, "auto", "false");
}

static void *
start_signed(struct store_client *client)
{
    return start(client, "auto", "true");
}

static const struct store_factory factories[] = {
    { .name = "s3", .start = start_plain, .stop = plugin_store_free, .sends_twice = true },
    { .name = "s3, signed payload",
      .start = start_signed,
      .stop = plugin_store_free,
      .sends_twice = true },
};

/* --- What the contract of all stores does not have -------------------------------------------- */

/* Several large objects at once, read back in pieces: what a broker does all day. */
#define LARGE_BYTES ((size_t) 5 << 20)
#define LARGE_COUNT 6

struct large {
    char key[16];
    struct kafscale_part parts[2];
    struct kafscale_put put;
    struct kafscale_get get;
    size_t *left;
    bool *all_done;
    const struct kafscale_blob *blob;
};

static void
count_down(struct large *large)
{
    *large->all_done = --*large->left == 0;
}

static void
on_large_put(void *arg, enum kafscale_status status, const struct kafscale_error *error)
{
    ck_assert_msg(status == KAFSCALE_OK, "%s", error == NULL ? "" : error->text);
    count_down(arg);
}

static void
on_large_got(void *arg, enum kafscale_status status, struct kafscale_blob *body,
             uint64_t object_bytes, const struct kafscale_error *error)
{
    struct large *large = arg;

    ck_assert_msg(status == KAFSCALE_OK, "%s", error == NULL ? "" : error->text);
    ck_assert_uint_eq(object_bytes, LARGE_BYTES);
    ck_assert_uint_eq(kafscale_blob_size(body), large->get.size_max);
    ck_assert_int_eq(memcmp(kafscale_blob_data(body),
                            large->parts[0].bytes.data + large->get.position, large->get.size_max),
                     0);
    count_down(large);
}

START_TEST(large_objects_at_once_are_stored_and_read_whole)
{
    struct store_client client = { 0 };
    struct plugin_store *place = start_plain(&client);
    struct kafscale_blob *blob = kafscale_blob_new(LARGE_BYTES);
    struct large large[LARGE_COUNT] = { 0 };
    size_t left = LARGE_COUNT;
    bool all_done = false;

    for (size_t i = 0; i < LARGE_BYTES; i++) {
        kafscale_blob_data(blob)[i] = (uint8_t) (i * 2654435761u >> 13);
    }
    for (size_t i = 0; i < LARGE_COUNT; i++) {
        struct kafscale_slice bytes = kafscale_blob_slice(blob);

        (void) snprintf(large[i].key, sizeof large[i].key, "large/%zu", i);
        large[i].parts[0] = (struct kafscale_part){ { bytes.data, 1000003 }, blob };
        large[i].parts[1] =
            (struct kafscale_part){ { bytes.data + 1000003, bytes.size - 1000003 }, blob };
        large[i].put = (struct kafscale_put){ large[i].key, large[i].parts, 2, false };
        large[i].left = &left;
        large[i].all_done = &all_done;
        ks_store_put(client.store, &large[i].put, on_large_put, &large[i]);
    }
    client.run(client.run_arg, &all_done);
    left = LARGE_COUNT;
    all_done = false;
    for (size_t i = 0; i < LARGE_COUNT; i++) {
        large[i].get = (struct kafscale_get){ .key = large[i].key,
                                              .position = i * 400009,
                                              .size_max = (i + 1) * 300007 };
        ks_store_get(client.store, &large[i].get, on_large_got, &large[i]);
    }
    client.run(client.run_arg, &all_done);
    kafscale_blob_unref(blob);
    ck_assert(store_client_close(&client));
    plugin_store_free(place);
}
END_TEST

/* More keys than a page of the server has, removed together. */
#define CROWD 1203

struct crowd {
    struct kafscale_remove removes[CROWD];
    struct kafscale_put puts[CROWD];
    char keys[CROWD][32];
    size_t left;
    bool all_done;
};

static void
on_crowd(void *arg, enum kafscale_status status, const struct kafscale_error *error)
{
    struct crowd *crowd = arg;

    ck_assert_msg(status == KAFSCALE_OK, "%s", error == NULL ? "" : error->text);
    crowd->all_done = --crowd->left == 0;
}

static size_t
count_keys(struct store_client *client, const char *start_after, char *last_out)
{
    char *keys;
    size_t count = 0;

    ck_assert_int_eq(store_client_list(client, "crowd/", start_after, 5000, &keys), KAFSCALE_OK);
    for (char *key = keys; *key != '\0' && *key != '.';) {
        size_t size = strcspn(key, " ");

        (void) snprintf(last_out, 32, "%.*s", (int) size, key);
        key += size + 1;
        count++;
    }
    free(keys);
    return count;
}

START_TEST(crowd_of_keys_is_listed_in_pages_and_removed_together)
{
    struct store_client client = { 0 };
    struct plugin_store *place = start_plain(&client);
    struct crowd *crowd = calloc(1, sizeof *crowd);
    char last[32] = "";
    size_t seen;

    crowd->left = CROWD;
    for (size_t i = 0; i < CROWD; i++) {
        (void) snprintf(crowd->keys[i], sizeof crowd->keys[i], "crowd/%05zu", i);
        crowd->puts[i] = (struct kafscale_put){ .key = crowd->keys[i] };
        ks_store_put(client.store, &crowd->puts[i], on_crowd, crowd);
    }
    client.run(client.run_arg, &crowd->all_done);
    seen = count_keys(&client, NULL, last);
    while (seen < CROWD) {
        size_t more = count_keys(&client, last, last);

        ck_assert_uint_gt(more, 0);
        seen += more;
    }
    ck_assert_uint_eq(seen, CROWD);
    crowd->left = CROWD;
    crowd->all_done = false;
    for (size_t i = 0; i < CROWD; i++) {
        crowd->removes[i].key = crowd->keys[i];
        ks_store_remove(client.store, &crowd->removes[i], on_crowd, crowd);
    }
    client.run(client.run_arg, &crowd->all_done);
    ck_assert_uint_eq(count_keys(&client, NULL, last), 0);
    free(crowd);
    ck_assert(store_client_close(&client));
    plugin_store_free(place);
}
END_TEST

static void
on_probed(void *arg, enum kafscale_status status, const struct kafscale_error *error)
{
    ck_assert_msg(status == KAFSCALE_OK, "%s", error == NULL ? "" : error->text);
    *(bool *) arg = true;
}

START_TEST(probe_finds_the_server_fit)
{
    struct store_client client = { 0 };
    struct plugin_store *place = start_plain(&client);
    bool is_done = false;

    ck_assert_int_eq(
        ks_store_probe(client.store, ks_loop_env(place->loop), "ns/", on_probed, &is_done),
        KAFSCALE_OK);
    client.run(client.run_arg, &is_done);
    ck_assert(store_client_close(&client));
    plugin_store_free(place);
}
END_TEST

Suite *
suite_new(void)
{
    Suite *suite = suite_create("s3 contract");
    TCase *cases = tcase_create("s3");

    store_contract_add(suite, factories, sizeof factories / sizeof factories[0]);
    tcase_set_timeout(cases, 120);
    tcase_add_test(cases, large_objects_at_once_are_stored_and_read_whole);
    tcase_add_test(cases, crowd_of_keys_is_listed_in_pages_and_removed_together);
    tcase_add_test(cases, probe_finds_the_server_fit);
    suite_add_tcase(suite, cases);
    return suite;
}
