/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a bucket gives to a program that does nothing else, as the measure of a broker:
 *
 *     bare put BYTES CONCURRENCY < calls   PUTs objects of BYTES to these addresses; the bytes
 *                                          come over a connection of the loopback first
 *     bare get BYTES CONCURRENCY < calls   GETs each object in pieces of BYTES
 *     bare pace BYTES PER_SECOND < calls   PUTs one after the other, so many a second
 *
 * A call is a line: address, date and authorization of signature version 4, with tabs between.
 * Prints bytes, seconds and CPU seconds as JSON; paced PUTs: how long they took.
 */
#include "wire.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONCURRENCY_MAX 64
#define LINE_BYTES 2048
#define TIMES_MAX 10000

/* One request at a time, on a handle that is kept. */
struct lane {
    CURL *handle;
    uint8_t *bytes; /* of a PUT */
    size_t sent;
    char url[LINE_BYTES];
    struct curl_slist *headers;
    uint64_t position; /* of a GET */
    uint64_t received; /* of this piece */
};

struct bare {
    bool is_put;
    size_t piece_bytes;
    size_t concurrency;
    struct lane lanes[CONCURRENCY_MAX];
    CURLM *multi;
    int socket; /* where the bytes come from */
    uint64_t total_bytes;
};

static size_t
give(char *out, size_t size, size_t count, void *arg)
{
    struct bare *bare = ((void **) arg)[0];
    struct lane *lane = ((void **) arg)[1];
    size_t left = bare->piece_bytes - lane->sent;
    size_t taken = size * count < left ? size * count : left;

    memcpy(out, lane->bytes + lane->sent, taken);
    lane->sent += taken;
    return taken;
}

static size_t
count_received(char *data, size_t size, size_t count, void *arg)
{
    struct lane *lane = arg;

    (void) data;
    lane->received += size * count;
    return size * count;
}

/* --- The bytes that come over the loopback --- */

static void *
write_for_ever(void *arg)
{
    int *socket = arg;
    uint8_t *bytes = calloc(1, 1 << 20);

    while (bytes != NULL && send(*socket, bytes, 1 << 20, MSG_NOSIGNAL) > 0) {
    }
    free(bytes);
    return NULL;
}

static int
connect_loopback(int *other_out)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    int client = socket(AF_INET, SOCK_STREAM, 0);

    if (bind(listener, (struct sockaddr *) &address, size) != 0 || listen(listener, 1) != 0 ||
        getsockname(listener, (struct sockaddr *) &address, &size) != 0 ||
        connect(client, (struct sockaddr *) &address, size) != 0) {
        die("loopback: %s", strerror(errno));
    }
    *other_out = accept(listener, NULL, NULL);
    close(listener);
    return client;
}

static void
receive_piece(struct bare *bare, struct lane *lane)
{
    size_t filled = 0;

    while (filled < bare->piece_bytes) {
        ssize_t got = recv(bare->socket, lane->bytes + filled, bare->piece_bytes - filled, 0);

        if (got <= 0) {
            die("loopback: no more bytes");
        }
        filled += (size_t) got;
    }
}

/* --- Requests --- */

static void
add_header(struct lane *lane, const char *name, const char *value)
{
    char line[LINE_BYTES];

    snprintf(line, sizeof line, "%s: %s", name, value);
    lane->headers = curl_slist_append(lane->headers, line);
}

static bool
next_call(struct lane *lane)
{
    char *date;
    char *authorization;

    if (fgets(lane->url, sizeof lane->url, stdin) == NULL) {
        return false;
    }
    lane->url[strcspn(lane->url, "\n")] = '\0';
    date = strchr(lane->url, '\t');
    authorization = date == NULL ? NULL : strchr(date + 1, '\t');
    if (authorization == NULL) {
        die("no call: %s", lane->url);
    }
    *date++ = '\0';
    *authorization++ = '\0';
    curl_slist_free_all(lane->headers);
    lane->headers = curl_slist_append(NULL, "Expect:");
    add_header(lane, "x-amz-date", date);
    add_header(lane, "x-amz-content-sha256", "UNSIGNED-PAYLOAD");
    add_header(lane, "Authorization", authorization);
    curl_easy_setopt(lane->handle, CURLOPT_HTTPHEADER, lane->headers);
    lane->position = 0;
    return true;
}

static void
begin_put(struct bare *bare, struct lane *lane)
{
    receive_piece(bare, lane);
    lane->sent = 0;
    curl_easy_setopt(lane->handle, CURLOPT_URL, lane->url);
    curl_multi_add_handle(bare->multi, lane->handle);
}

static void
begin_get(struct bare *bare, struct lane *lane)
{
    char range[64];

    snprintf(range, sizeof range, "%llu-%llu", (unsigned long long) lane->position,
             (unsigned long long) (lane->position + bare->piece_bytes - 1));
    lane->received = 0;
    curl_easy_setopt(lane->handle, CURLOPT_URL, lane->url);
    curl_easy_setopt(lane->handle, CURLOPT_RANGE, range);
    curl_multi_add_handle(bare->multi, lane->handle);
}

/* The next request of a lane that has none; false: there is nothing left to do. */
static bool
begin_next(struct bare *bare, struct lane *lane)
{
    bool goes_on = !bare->is_put && lane->url[0] != '\0' && lane->received == bare->piece_bytes;

    if (!goes_on && !next_call(lane)) {
        return false;
    }
    if (bare->is_put) {
        begin_put(bare, lane);
    } else {
        begin_get(bare, lane);
    }
    return true;
}

static void
finish(struct bare *bare, struct lane *lane, CURLcode code)
{
    long status = 0;

    curl_easy_getinfo(lane->handle, CURLINFO_RESPONSE_CODE, &status);
    curl_multi_remove_handle(bare->multi, lane->handle);
    if (code != CURLE_OK || (status != 200 && status != 206 && status != 416)) {
        die("%s: %s, status %ld", lane->url, curl_easy_strerror(code), status);
    }
    if (bare->is_put) {
        bare->total_bytes += bare->piece_bytes;
        return;
    }
    if (status == 416) {
        lane->received = 0;
        return;
    }
    bare->total_bytes += lane->received;
    lane->position += lane->received;
}

static void
prepare(struct bare *bare, struct lane *lane)
{
    static void *arguments[CONCURRENCY_MAX][2];
    void **argument = arguments[lane - bare->lanes];

    argument[0] = bare;
    argument[1] = lane;
    lane->handle = curl_easy_init();
    lane->bytes = malloc(bare->piece_bytes);
    if (lane->handle == NULL || lane->bytes == NULL) {
        die("no memory");
    }
    curl_easy_setopt(lane->handle, CURLOPT_PRIVATE, lane);
    curl_easy_setopt(lane->handle, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(lane->handle, CURLOPT_BUFFERSIZE, 512L << 10);
    curl_easy_setopt(lane->handle, CURLOPT_WRITEFUNCTION, count_received);
    curl_easy_setopt(lane->handle, CURLOPT_WRITEDATA, lane);
    if (bare->is_put) {
        curl_easy_setopt(lane->handle, CURLOPT_UPLOAD, 1L);
        curl_easy_setopt(lane->handle, CURLOPT_UPLOAD_BUFFERSIZE, 512L << 10);
        curl_easy_setopt(lane->handle, CURLOPT_INFILESIZE_LARGE, (curl_off_t) bare->piece_bytes);
        curl_easy_setopt(lane->handle, CURLOPT_READFUNCTION, give);
        curl_easy_setopt(lane->handle, CURLOPT_READDATA, argument);
    }
}

static void
run(struct bare *bare)
{
    size_t busy = 0;
    int running;

    for (size_t i = 0; i < bare->concurrency; i++) {
        prepare(bare, &bare->lanes[i]);
        busy += begin_next(bare, &bare->lanes[i]);
        curl_multi_perform(bare->multi, &running);
    }
    while (busy > 0) {
        struct CURLMsg *message;
        bool has_begun = false;
        int left;

        curl_multi_perform(bare->multi, &running);
        while ((message = curl_multi_info_read(bare->multi, &left)) != NULL) {
            CURLcode code = message->data.result;
            struct lane *lane;

            curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &lane);
            finish(bare, lane, code);
            if (begin_next(bare, lane)) {
                has_begun = true;
            } else {
                busy--;
            }
        }
        if (!has_begun && busy > 0) {
            curl_multi_poll(bare->multi, NULL, 0, 1000, NULL);
        }
    }
}

/* --- One after the other --- */

static void
wait_for_end(struct bare *bare, struct lane *lane)
{
    const struct CURLMsg *message;
    int running;
    int left;

    for (;;) {
        curl_multi_perform(bare->multi, &running);
        message = curl_multi_info_read(bare->multi, &left);
        if (message != NULL) {
            break;
        }
        curl_multi_poll(bare->multi, NULL, 0, 1000, NULL);
    }
    finish(bare, lane, message->data.result);
}

static void
sleep_until(int64_t due_us)
{
    int64_t left_us = due_us - now_us();

    if (left_us > 0) {
        usleep((useconds_t) left_us);
    }
}

/* How long each took, in the order of the calls; how many there were. */
static size_t
run_paced(struct bare *bare, int64_t interval_us, int64_t times_us[TIMES_MAX])
{
    struct lane *lane = &bare->lanes[0];
    int64_t begun_us = now_us();
    size_t count = 0;

    prepare(bare, lane);
    while (count < TIMES_MAX && begin_next(bare, lane)) {
        int64_t sent_us = now_us();

        wait_for_end(bare, lane);
        times_us[count++] = now_us() - sent_us;
        sleep_until(begun_us + (int64_t) count * interval_us);
    }
    return count;
}

static int
compare(const void *left, const void *right)
{
    int64_t a = *(const int64_t *) left;
    int64_t b = *(const int64_t *) right;

    return (a > b) - (a < b);
}

static void
pace(struct bare *bare, int64_t per_second)
{
    static int64_t times_us[TIMES_MAX];
    size_t count = run_paced(bare, 1000000 / per_second, times_us);

    if (count == 0) {
        die("no calls");
    }
    qsort(times_us, count, sizeof times_us[0], compare);
    printf("{\"puts\": %zu, \"p50_ms\": %.3f, \"p75_ms\": %.3f, \"max_ms\": %.3f}\n", count,
           (double) times_us[count / 2] / 1e3, (double) times_us[count * 3 / 4] / 1e3,
           (double) times_us[count - 1] / 1e3);
}

/* --- As much as goes --- */

static double
cpu_seconds(void)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    return (double) (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double) (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static void
move(struct bare *bare)
{
    int64_t begun_us = now_us();

    run(bare);
    printf("{\"bytes\": %llu, \"seconds\": %.6f, \"cpu_seconds\": %.6f}\n",
           (unsigned long long) bare->total_bytes, (double) (now_us() - begun_us) / 1e6,
           cpu_seconds());
}

int
main(int argc, char **argv)
{
    static struct bare bare;
    pthread_t writer;
    int other;

    if (argc != 4) {
        die("usage: bare put|get|pace BYTES CONCURRENCY|PER_SECOND < calls");
    }
    bare.is_put = strcmp(argv[1], "get") != 0;
    bare.piece_bytes = strtoul(argv[2], NULL, 10);
    bare.concurrency = strtoul(argv[3], NULL, 10);
    if (bare.concurrency == 0 || bare.concurrency > CONCURRENCY_MAX) {
        die("1 to %d", CONCURRENCY_MAX);
    }
    curl_global_init(CURL_GLOBAL_DEFAULT);
    bare.multi = curl_multi_init();
    bare.socket = connect_loopback(&other);
    pthread_create(&writer, NULL, write_for_ever, &other);
    if (strcmp(argv[1], "pace") == 0) {
        pace(&bare, (int64_t) bare.concurrency);
    } else {
        move(&bare);
    }
    fflush(stdout);
    _exit(0);
}
