/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The contract of stores over libs3 and the real loop, against the server that S3_TEST_ENDPOINT
 * and its like name (tests/support/s3_servers.py). Each test has a bucket of its own, which the
 * store makes. Then what is known to go wrong inside libs3.
 */
#include "contract/store_contract.h"
#include "support/plugin_store.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

extern const struct kafscale_plugin kafscale_plugin_libs3;

/* --- A store ---------------------------------------------------------------------------------- */

static struct kafscale_options *
new_options(const char *endpoint)
{
    struct kafscale_options *options = plugin_store_options("libs3");

    plugin_store_set(options, "s3.signature", "v2");
    plugin_store_set(options, "store.single_writer", "true");
    plugin_store_set(options, "s3.endpoint", endpoint);
    plugin_store_set(options, "s3.access.key", getenv("S3_TEST_ACCESS_KEY"));
    plugin_store_set(options, "s3.secret.key", getenv("S3_TEST_SECRET_KEY"));
    return options;
}

static void *
start_at(struct store_client *client, const char *endpoint)
{
    return plugin_store_open(&kafscale_plugin_libs3, new_options(endpoint), client);
}

static void *
start(struct store_client *client)
{
    return start_at(client, getenv("S3_TEST_ENDPOINT"));
}

static const struct store_factory factories[] = {
    { .name = "libs3", .start = start, .stop = plugin_store_free, .lacks_spaces = true },
};

/* --- A server that cuts its answers ----------------------------------------------------------- */

struct cutter {
    int listener;
    const char *answer;
    char endpoint[64];
    pthread_t thread;
    int count; /* of requests; read once the thread has ended */
};

/* Ends when the listener is shut down. */
static void *
run_cutter(void *arg)
{
    struct cutter *cutter = arg;
    char request[4096];
    int client;

    while ((client = accept(cutter->listener, NULL, NULL)) >= 0) {
        if (read(client, request, sizeof request) > 0) {
            ck_assert(write(client, cutter->answer, strlen(cutter->answer)) > 0);
            cutter->count++;
        }
        close(client);
    }
    return NULL;
}

static void
cutter_start(struct cutter *cutter, const char *answer)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof address;

    *cutter = (struct cutter){ .answer = answer };
    cutter->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(cutter->listener, (struct sockaddr *) &address, size), 0);
    ck_assert_int_eq(listen(cutter->listener, 16), 0);
    ck_assert_int_eq(getsockname(cutter->listener, (struct sockaddr *) &address, &size), 0);
    (void) snprintf(cutter->endpoint, sizeof cutter->endpoint, "http://127.0.0.1:%d",
                    ntohs(address.sin_port));
    ck_assert_int_eq(pthread_create(&cutter->thread, NULL, run_cutter, cutter), 0);
}

static void
cutter_stop(struct cutter *cutter)
{
    shutdown(cutter->listener, SHUT_RDWR);
    pthread_join(cutter->thread, NULL);
    close(cutter->listener);
}

/* For libs3 half of a body is a success. */
START_TEST(cut_body_is_damage_and_not_an_object)
{
    struct store_client client = { 0 };
    struct cutter cutter;
    struct plugin_store *place;
    char *text;

    cutter_start(&cutter, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n01234");
    place = start_at(&client, cutter.endpoint);
    ck_assert_int_eq(store_client_get(&client, "k", 0, SIZE_MAX, &text, NULL), KAFSCALE_CORRUPT);
    ck_assert(store_client_close(&client));
    plugin_store_free(place);
    cutter_stop(&cutter);
    ck_assert_int_eq(cutter.count, 3);
}
END_TEST

/* For libs3 it is no reason to try again. */
START_TEST(busy_server_is_asked_again_and_nothing_has_happened)
{
    struct store_client client = { 0 };
    struct cutter cutter;
    struct plugin_store *place;

    cutter_start(&cutter, "HTTP/1.1 503 Slow Down\r\nContent-Type: application/xml\r\n"
                          "Content-Length: 38\r\n\r\n<Error><Code>SlowDown</Code></Error>\r\n");
    place = start_at(&client, cutter.endpoint);
    ck_assert_int_eq(store_client_put(&client, "k", "v"), KAFSCALE_UNAVAILABLE);
    ck_assert(store_client_close(&client));
    plugin_store_free(place);
    cutter_stop(&cutter);
    ck_assert_int_eq(cutter.count, 3);
}
END_TEST

/* A proxy that knows nothing of objects must not free a key. */
START_TEST(bare_404_does_not_prove_that_a_key_is_free)
{
    struct store_client client = { 0 };
    struct cutter cutter;
    struct plugin_store *place;
    char *text;

    cutter_start(&cutter, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
    place = start_at(&client, cutter.endpoint);
    ck_assert_int_eq(store_client_put_if_absent(&client, "k", "v"), KAFSCALE_UNAVAILABLE);
    ck_assert_int_eq(store_client_get(&client, "k", 0, 5, &text, NULL), KAFSCALE_UNAVAILABLE);
    ck_assert(store_client_close(&client));
    plugin_store_free(place);
    cutter_stop(&cutter);
}
END_TEST

START_TEST(lost_answer_leaves_a_put_unknown)
{
    struct store_client client = { 0 };
    struct cutter cutter;
    struct plugin_store *place;

    cutter_start(&cutter, "HTTP/1.1 ");
    place = start_at(&client, cutter.endpoint);
    ck_assert_int_eq(store_client_put(&client, "k", "v"), KAFSCALE_UNKNOWN);
    ck_assert(store_client_close(&client));
    plugin_store_free(place);
    cutter_stop(&cutter);
}
END_TEST

START_TEST(server_that_is_not_there_has_done_nothing)
{
    struct store_client client = { 0 };
    struct plugin_store *place = start_at(&client, "http://127.0.0.1:1");

    ck_assert_int_eq(store_client_put(&client, "k", "v"), KAFSCALE_UNAVAILABLE);
    ck_assert(store_client_close(&client));
    plugin_store_free(place);
}
END_TEST

/* --- The real server again -------------------------------------------------------------------- */

/* libs3 waits by select in its own loops; a broker has thousands of connections. */
START_TEST(more_than_1023_open_files_do_not_stop_requests)
{
    struct rlimit limit;
    struct store_client client = { 0 };
    struct plugin_store *place;
    int files[1100];

    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = limit.rlim_max;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    for (int i = 0; i < 1100; i++) {
        files[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
        ck_assert_int_ge(files[i], 0);
    }
    place = start(&client);
    ck_assert_int_eq(store_client_put_if_absent(&client, "k", "value"), KAFSCALE_OK);
    ck_assert(store_client_has(&client, "k", "value"));
    ck_assert(store_client_close(&client));
    plugin_store_free(place);
    for (int i = 0; i < 1100; i++) {
        close(files[i]);
    }
}
END_TEST

/* libs3 writes a space of a path as '+', which is another key. */
START_TEST(key_with_a_space_is_refused_and_nothing_stored)
{
    struct store_client client = { 0 };
    struct plugin_store *place = start(&client);
    char *text;

    ck_assert_int_eq(store_client_put(&client, "a b", "v"), KAFSCALE_UNAVAILABLE);
    ck_assert_int_eq(store_client_list(&client, "", NULL, 10, &text), KAFSCALE_OK);
    ck_assert_str_eq(text, "");
    free(text);
    ck_assert(store_client_close(&client));
    plugin_store_free(place);
}
END_TEST

#define CROWD 1203

struct crowd {
    struct kafscale_put puts[CROWD];
    char keys[CROWD][32];
    size_t left;
    bool is_done;
};

static void
on_crowd(void *arg, enum kafscale_status status, const struct kafscale_error *error)
{
    struct crowd *crowd = arg;

    ck_assert_msg(status == KAFSCALE_OK, "%s", error == NULL ? "" : error->text);
    crowd->is_done = --crowd->left == 0;
}

START_TEST(list_goes_on_beyond_a_page_of_the_server)
{
    struct store_client client = { 0 };
    struct plugin_store *place = start(&client);
    struct crowd *crowd = calloc(1, sizeof *crowd);
    char *keys;
    size_t seen = 0;

    crowd->left = CROWD;
    for (size_t i = 0; i < CROWD; i++) {
        (void) snprintf(crowd->keys[i], sizeof crowd->keys[i], "crowd/%05zu", i);
        crowd->puts[i] = (struct kafscale_put){ .key = crowd->keys[i] };
        ks_store_put(client.store, &crowd->puts[i], on_crowd, crowd);
    }
    client.run(client.run_arg, &crowd->is_done);
    ck_assert_int_eq(store_client_list(&client, "crowd/", NULL, 5000, &keys), KAFSCALE_OK);
    for (const char *at = keys; *at != '\0'; at += strcspn(at, " ") + 1) {
        ck_assert_int_eq(strncmp(at, crowd->keys[seen++], 11), 0);
    }
    ck_assert_uint_eq(seen, CROWD);
    free(keys);
    free(crowd);
    ck_assert(store_client_close(&client));
    plugin_store_free(place);
}
END_TEST

/* --- Options ---------------------------------------------------------------------------------- */

static void
expect_refused(const char *key, const char *value)
{
    struct kafscale_options *options = new_options("http://127.0.0.1:1");
    struct kafscale_loop loop = { 0 };
    struct kafscale_store store = { 0 };
    struct kafscale_error error = { 0 };

    plugin_store_set(options, key, value);
    ck_assert_int_eq(kafscale_plugin_libs3.open_store(options, false, loop, &store, &error),
                     KAFSCALE_INVALID);
    ck_assert_ptr_null(store.ops);
    kafscale_options_free(options);
}

START_TEST(what_libs3_can_not_do_is_refused)
{
    expect_refused("store.single_writer", "false");
    expect_refused("s3.encrypt", "true");
    expect_refused("s3.kms.arn", "key");
    expect_refused("s3.session.token", "token");
    expect_refused("s3.read.bucket", "replica");
    expect_refused("s3.ca.file", "/ca.pem");
    expect_refused("s3.access.key", "");
    expect_refused("s3.endpoint", "https://127.0.0.1:1");
    expect_refused("s3.endpoint", "");
    expect_refused("s3.bucket", "b!");
}
END_TEST

Suite *
suite_new(void)
{
    Suite *suite = suite_create("libs3 contract");
    TCase *own = tcase_create("libs3");

    store_contract_add(suite, factories, sizeof factories / sizeof factories[0]);
    tcase_set_timeout(own, 60);
    tcase_add_test(own, cut_body_is_damage_and_not_an_object);
    tcase_add_test(own, busy_server_is_asked_again_and_nothing_has_happened);
    tcase_add_test(own, bare_404_does_not_prove_that_a_key_is_free);
    tcase_add_test(own, lost_answer_leaves_a_put_unknown);
    tcase_add_test(own, server_that_is_not_there_has_done_nothing);
    tcase_add_test(own, more_than_1023_open_files_do_not_stop_requests);
    tcase_add_test(own, key_with_a_space_is_refused_and_nothing_stored);
    tcase_add_test(own, list_goes_on_beyond_a_page_of_the_server);
    tcase_add_test(own, what_libs3_can_not_do_is_refused);
    suite_add_tcase(suite, own);
    return suite;
}
