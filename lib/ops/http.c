/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A connection reads until the empty line behind a request's head, writes its answer, and then
 * waits for the other side to close, so that nothing of the answer is lost. All of that has one
 * deadline.
 */
#include "ops/http.h"

#include "ops/json.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONNECTIONS_MAX 16
#define DEADLINE_MS 5000
#define PAUSE_MS 1000
#define HEAD_BYTES_MAX 4096
#define PAGE_BYTES_MAX (16u << 20)
#define TEXT_TYPE "text/plain; charset=utf-8"
#define JSON_TYPE "application/json"
#define METRICS_TYPE "text/plain; version=0.0.4; charset=utf-8"

#define COMMANDS "/testing/"

enum state { CLOSED, READS, WAITS, WRITES, ENDS };

struct connection {
    struct ks_http *http;
    enum state state;
    uint64_t number; /* of its request */
    int fd;
    struct ks_watch watch;
    struct ks_timer deadline;
    char head[HEAD_BYTES_MAX + 1];
    size_t head_bytes;
    struct ks_buffer answer;
    size_t sent_bytes;
};

struct ks_http {
    struct ks_env *env;
    struct ks_http_pages pages;
    int fd;
    struct ks_watch watch;
    uint64_t accepted;
    struct ks_timer pause; /* without descriptors nobody is accepted for a while */
    struct connection connections[CONNECTIONS_MAX];
};

/* A page, without what HTTP says before it. */
struct page {
    int code;
    const char *reason;
    const char *type;
    struct ks_buffer body;
};

/* --- Pages ------------------------------------------------------------------------------------ */

static void
say(struct page *page, int code, const char *reason, const char *text)
{
    page->code = code;
    page->reason = reason;
    ks_buffer_clear(&page->body);
    ks_buffer_append_text(&page->body, text);
    ks_buffer_append_text(&page->body, "\n");
}

static void
make_metrics(struct ks_http *http, struct page *page)
{
    struct ks_metrics metrics;

    ks_metrics_init(&metrics);
    http->pages.read_metrics(http->pages.self, &metrics);
    page->code = 200;
    page->reason = "OK";
    page->type = METRICS_TYPE;
    ks_metrics_write(&metrics, &page->body);
    if (metrics.failed || ks_buffer_failed(&page->body)) {
        page->type = TEXT_TYPE;
        say(page, 503, "Service Unavailable", "out of memory");
    }
    ks_metrics_deinit(&metrics);
}

static void
make_readiness(struct ks_http *http, struct page *page)
{
    const char *why = http->pages.why_not_ready(http->pages.self);

    if (why == NULL) {
        say(page, 200, "OK", "ready");
    } else {
        say(page, 503, "Service Unavailable", why);
    }
}

static void
make_status(struct ks_http *http, struct page *page)
{
    struct ks_json json;
    struct kafscale_describe describe;

    ks_json_begin(&json, &page->body, &describe);
    http->pages.describe(http->pages.self, &describe);
    ks_json_end(&json);
    page->code = 200;
    page->reason = "OK";
    page->type = JSON_TYPE;
    if (ks_buffer_failed(&page->body)) {
        page->type = TEXT_TYPE;
        say(page, 503, "Service Unavailable", "out of memory");
    }
}

static void
make_page(struct ks_http *http, const char *path, struct page *page)
{
    if (strcmp(path, "/metrics") == 0) {
        make_metrics(http, page);
    } else if (strcmp(path, "/healthz") == 0 || strcmp(path, "/livez") == 0) {
        say(page, 200, "OK", "ok");
    } else if (strcmp(path, "/readyz") == 0) {
        make_readiness(http, page);
    } else if (strcmp(path, "/status") == 0) {
        make_status(http, page);
    } else {
        say(page, 404, "Not Found", "/metrics, /healthz, /livez, /readyz, /status");
    }
}

static const char *
reason_of(int code)
{
    switch (code) {
    case 200:
        return "OK";
    case 400:
        return "Bad Request";
    case 404:
        return "Not Found";
    case 405:
        return "Method Not Allowed";
    case 408:
        return "Request Timeout";
    case 409:
        return "Conflict";
    default:
        return "Service Unavailable";
    }
}

/* --- Commands --------------------------------------------------------------------------------- */

/* False: the answer comes later. */
static bool
run_command(struct connection *connection, bool is_post, char *path, struct page *page)
{
    struct ks_http *http = connection->http;
    char *query = path + strcspn(path, "?#");
    struct ks_http_command command = { .is_post = is_post,
                                       .path = path + strlen(COMMANDS),
                                       .query = "",
                                       .later = { .connection = connection->number } };
    struct kafscale_describe describe;
    struct ks_json json;
    int code;

    if (*query != '\0') {
        *query = '\0';
        command.query = query + 1;
    }
    ks_json_begin(&json, &page->body, &describe);
    code = http->pages.command(http->pages.self, &command, &describe);
    ks_json_end(&json);
    page->code = code;
    page->reason = reason_of(code);
    page->type = JSON_TYPE;
    if (ks_buffer_failed(&page->body)) {
        page->type = TEXT_TYPE;
        say(page, 503, "Service Unavailable", "out of memory");
    }
    return code != 0;
}

static bool
is_command(const struct ks_http *http, const char *path)
{
    return http->pages.command != NULL && strncmp(path, COMMANDS, strlen(COMMANDS)) == 0;
}

/* --- Requests --------------------------------------------------------------------------------- */

/* A word of the request's first line, cut off where it ends; NULL: the line has no further one. */
static char *
next_word(char **rest)
{
    char *word = *rest;
    size_t size = strcspn(word, " \r\n");

    if (size == 0) {
        return NULL;
    }
    *rest = word + size + (word[size] == ' ' ? 1 : 0);
    word[size] = '\0';
    return word;
}

/* What is to become of a request. */
enum outcome { ANSWER, ANSWER_WITHOUT_BODY, ANSWER_LATER };

static enum outcome
answer_head(struct connection *connection, char *head, struct page *page)
{
    struct ks_http *http = connection->http;
    const char *method = next_word(&head);
    char *path = method == NULL ? NULL : next_word(&head);
    const char *version = path == NULL ? NULL : next_word(&head);
    bool is_get;

    if (version == NULL || strncmp(version, "HTTP/1.", 7) != 0) {
        say(page, 400, "Bad Request", "not a request of HTTP/1");
        return ANSWER;
    }
    is_get = strcmp(method, "GET") == 0;
    if (is_command(http, path) && (is_get || strcmp(method, "POST") == 0)) {
        return run_command(connection, !is_get, path, page) ? ANSWER : ANSWER_LATER;
    }
    if (!is_get && strcmp(method, "HEAD") != 0) {
        say(page, 405, "Method Not Allowed", "GET and HEAD only");
        return ANSWER;
    }
    path[strcspn(path, "?#")] = '\0';
    make_page(http, path, page);
    return is_get ? ANSWER : ANSWER_WITHOUT_BODY;
}

/* --- Connections ------------------------------------------------------------------------------ */

/* Ending a watch can't fail. */
static void
unwatch(struct ks_env *env, struct ks_watch *watch, int fd)
{
    enum kafscale_status status = ks_env_watch(env, watch, fd, 0);

    assert(status == KAFSCALE_OK);
    (void) status;
}

static void
close_connection(struct connection *connection)
{
    struct ks_env *env = connection->http->env;

    unwatch(env, &connection->watch, connection->fd);
    ks_env_cancel_timer(env, &connection->deadline);
    close(connection->fd);
    ks_buffer_deinit(&connection->answer);
    connection->state = CLOSED;
}

static void
on_deadline(void *arg)
{
    close_connection(arg);
}

static void
watch(struct connection *connection, unsigned wanted)
{
    if (ks_env_watch(connection->http->env, &connection->watch, connection->fd, wanted) !=
        KAFSCALE_OK) {
        close_connection(connection);
    }
}

static void
write_on(struct connection *connection)
{
    const struct ks_buffer *answer = &connection->answer;

    while (connection->sent_bytes < answer->size) {
        ssize_t sent = send(connection->fd, answer->data + connection->sent_bytes,
                            answer->size - connection->sent_bytes, MSG_NOSIGNAL);

        if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            watch(connection, KAFSCALE_WATCH_WRITE);
            return;
        }
        if (sent < 0 && errno != EINTR) {
            close_connection(connection);
            return;
        }
        connection->sent_bytes += sent > 0 ? (size_t) sent : 0;
    }
    connection->state = ENDS;
    shutdown(connection->fd, SHUT_WR);
    watch(connection, KAFSCALE_WATCH_READ);
}

static void
begin_deadline(struct connection *connection)
{
    struct ks_env *env = connection->http->env;

    ks_env_set_timer(env, &connection->deadline, ks_env_now_ms(env) + DEADLINE_MS);
}

/* Takes the body. */
static void
send_page(struct connection *connection, struct page *page, bool has_body)
{
    char text[256];

    snprintf(
        text, sizeof text,
        "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n",
        page->code, page->reason, page->type, page->body.size);
    ks_buffer_append_text(&connection->answer, text);
    if (has_body) {
        ks_buffer_append(&connection->answer, page->body.data, page->body.size);
    }
    ks_buffer_deinit(&page->body);
    if (ks_buffer_failed(&connection->answer)) {
        close_connection(connection);
        return;
    }
    connection->state = WRITES;
    write_on(connection);
}

/* Whoever waits for a command to be done isn't held to the time of a page. */
static void
answer(struct connection *connection, bool is_too_long)
{
    struct page page = { .type = TEXT_TYPE };
    enum outcome outcome = ANSWER;

    ks_buffer_init(&page.body, PAGE_BYTES_MAX);
    if (is_too_long) {
        say(&page, 431, "Request Header Fields Too Large", "the request is too long");
    } else {
        outcome = answer_head(connection, connection->head, &page);
    }
    if (outcome == ANSWER_LATER) {
        ks_buffer_deinit(&page.body);
        ks_env_cancel_timer(connection->http->env, &connection->deadline);
        connection->state = WAITS;
        return;
    }
    send_page(connection, &page, outcome == ANSWER);
}

static void
read_on(struct connection *connection)
{
    ssize_t size = recv(connection->fd, connection->head + connection->head_bytes,
                        HEAD_BYTES_MAX - connection->head_bytes, 0);

    if (size < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) {
        return;
    }
    if (size <= 0) {
        close_connection(connection);
        return;
    }
    connection->head_bytes += (size_t) size;
    connection->head[connection->head_bytes] = '\0';
    if (strstr(connection->head, "\r\n\r\n") != NULL || strstr(connection->head, "\n\n") != NULL) {
        answer(connection, false);
    } else if (connection->head_bytes == HEAD_BYTES_MAX) {
        answer(connection, true);
    }
}

/* What comes behind a request is nothing to us. */
static void
end(struct connection *connection)
{
    ssize_t size = recv(connection->fd, connection->head, HEAD_BYTES_MAX, 0);

    if (size == 0 || (size < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)) {
        close_connection(connection);
    }
}

static void
on_ready(void *arg, unsigned ready)
{
    struct connection *connection = arg;

    (void) ready;
    switch (connection->state) {
    case READS:
        read_on(connection);
        return;
    case WRITES:
        write_on(connection);
        return;
    case WAITS:
    case ENDS:
        end(connection);
        return;
    case CLOSED:
        return;
    }
}

static struct connection *
find_closed(struct ks_http *http)
{
    for (int i = 0; i < CONNECTIONS_MAX; i++) {
        if (http->connections[i].state == CLOSED) {
            return &http->connections[i];
        }
    }
    return NULL;
}

static void
open_connection(struct ks_http *http, int fd)
{
    struct connection *connection = find_closed(http);

    if (connection == NULL) {
        close(fd);
        return;
    }
    connection->http = http;
    connection->state = READS;
    connection->number = ++http->accepted;
    connection->fd = fd;
    connection->head_bytes = 0;
    connection->sent_bytes = 0;
    connection->watch = (struct ks_watch){ .on_ready = on_ready, .arg = connection };
    connection->deadline = (struct ks_timer){ .on_due = on_deadline, .arg = connection };
    ks_buffer_init(&connection->answer, PAGE_BYTES_MAX + HEAD_BYTES_MAX);
    begin_deadline(connection);
    watch(connection, KAFSCALE_WATCH_READ);
}

static struct connection *
find_waiting(struct ks_http *http, struct ks_http_later later)
{
    for (int i = 0; i < CONNECTIONS_MAX; i++) {
        struct connection *connection = &http->connections[i];

        if (connection->state == WAITS && connection->number == later.connection) {
            return connection;
        }
    }
    return NULL;
}

bool
ks_http_is_awaited(struct ks_http *http, struct ks_http_later later)
{
    return find_waiting(http, later) != NULL;
}

void
ks_http_reply(struct ks_http *http, struct ks_http_later later, int code, const char *error)
{
    struct connection *connection = http == NULL ? NULL : find_waiting(http, later);
    struct page page = { .code = code, .reason = reason_of(code), .type = JSON_TYPE };
    struct kafscale_describe describe;
    struct ks_json json;

    if (connection == NULL) {
        return;
    }
    ks_buffer_init(&page.body, PAGE_BYTES_MAX);
    ks_json_begin(&json, &page.body, &describe);
    ks_describe_bool(&describe, "ok", code == 200);
    if (code != 200) {
        ks_describe_text(&describe, "error", error);
    }
    ks_json_end(&json);
    begin_deadline(connection);
    send_page(connection, &page, true);
}

/* --- The port --------------------------------------------------------------------------------- */

static enum kafscale_status
accept_on(struct ks_http *http)
{
    return ks_env_watch(http->env, &http->watch, http->fd, KAFSCALE_WATCH_READ);
}

static void
pause_accepting(struct ks_http *http)
{
    unwatch(http->env, &http->watch, http->fd);
    ks_env_set_timer(http->env, &http->pause, ks_env_now_ms(http->env) + PAUSE_MS);
}

static void
on_pause_over(void *arg)
{
    struct ks_http *http = arg;

    if (accept_on(http) != KAFSCALE_OK) {
        pause_accepting(http);
    }
}

/* A connection that broke before it was accepted is no reason to pause. */
static void
on_acceptable(void *arg, unsigned ready)
{
    struct ks_http *http = arg;

    (void) ready;
    for (int i = 0; i < CONNECTIONS_MAX; i++) {
        int fd = accept4(http->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (fd >= 0) {
            open_connection(http, fd);
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            pause_accepting(http);
            return;
        } else {
            return;
        }
    }
}

enum kafscale_status
ks_http_new(struct ks_env *env, int fd, const struct ks_http_pages *pages,
            struct ks_http **http_out, struct kafscale_error *error)
{
    struct ks_http *http = ks_alloc_zero(1, sizeof *http);
    enum kafscale_status status;

    if (http == NULL) {
        return ks_error_set(error, KAFSCALE_NO_MEMORY, "HTTP port: no memory");
    }
    http->env = env;
    http->pages = *pages;
    http->fd = fd;
    http->watch = (struct ks_watch){ .on_ready = on_acceptable, .arg = http };
    http->pause = (struct ks_timer){ .on_due = on_pause_over, .arg = http };
    status = accept_on(http);
    if (status != KAFSCALE_OK) {
        ks_free(http);
        return ks_error_set(error, status, "HTTP port: its socket can't be watched");
    }
    *http_out = http;
    return KAFSCALE_OK;
}

void
ks_http_free(struct ks_http *http)
{
    if (http == NULL) {
        return;
    }
    for (int i = 0; i < CONNECTIONS_MAX; i++) {
        if (http->connections[i].state != CLOSED) {
            close_connection(&http->connections[i]);
        }
    }
    unwatch(http->env, &http->watch, http->fd);
    ks_env_cancel_timer(http->env, &http->pause);
    close(http->fd);
    ks_free(http);
}
