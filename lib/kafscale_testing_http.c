/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What kafscale/testing.h does, for those who are not in the process: one path for each command,
 * its arguments in the query, the answer as JSON (docs/test-fixture.md).
 */
#include "kafscale_internal.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#define VALUE_BYTES 512
#define CONFIGS_MAX 32
#define LOOK_MS 5
#define TIMEOUT_MS_MAX 3600000

enum {
    OK = 200,
    WRONG = 400,
    UNKNOWN = 404,
    NOT_ALLOWED = 405,
    TOO_LATE = 408,
    CONFLICT = 409,
    AWAY = 503
};

/* A command on its way; the first thing that is wrong with it stays. */
struct command {
    struct kafscale_broker *broker;
    const struct ks_http_command *http;
    const struct kafscale_describe *reply;
    struct kafscale_error error;
};

/* Somebody who waits until a condition holds. */
struct ks_testing_wait {
    struct kafscale_broker *broker;
    struct ks_list link;
    struct ks_timer timer;
    struct ks_http_later later;
    int64_t until_ms;
    bool is_group;
    char name[VALUE_BYTES];
    int32_t partition;
    int64_t count;
};

/* Time that is put forward for somebody, who may have gone when it is there. */
struct advance {
    struct ks_advance advance;
    struct kafscale_broker *broker;
    struct ks_http_later later;
};

/* Somebody who waits for a deed to be done. */
struct asker {
    struct kafscale_broker *broker;
    struct ks_http_later later;
};

/* --- Arguments -------------------------------------------------------------------------------- */

static int
digit_of(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c = (char) (c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* False: it isn't what a query may be, or too long. */
static bool
unescape(const char *from, size_t size, char out[VALUE_BYTES])
{
    size_t written = 0;

    for (size_t i = 0; i < size; i++) {
        char c = from[i] == '+' ? ' ' : from[i];

        if (c == '%') {
            int high = i + 2 < size ? digit_of(from[i + 1]) : -1;
            int low = i + 2 < size ? digit_of(from[i + 2]) : -1;

            if (high < 0 || low < 0 || (high == 0 && low == 0)) {
                return false;
            }
            c = (char) (high * 16 + low);
            i += 2;
        }
        if (written == VALUE_BYTES - 1) {
            return false;
        }
        out[written++] = c;
    }
    out[written] = '\0';
    return true;
}

/* The next name=value of a query; false at its end. An error is left in the command. */
static bool
next_argument(struct command *command, const char **rest, char name_out[VALUE_BYTES],
              char value_out[VALUE_BYTES])
{
    const char *text = *rest;
    size_t size = strcspn(text, "&#");
    size_t name_size = strcspn(text, "=&#");
    size_t value_start = name_size < size ? name_size + 1 : size;

    if (size == 0 || command->error.status != KAFSCALE_OK) {
        return false;
    }
    *rest = text + size + (text[size] == '&' ? 1 : 0);
    if (!unescape(text, name_size, name_out) ||
        !unescape(text + value_start, size - value_start, value_out)) {
        ks_error_set(&command->error, KAFSCALE_INVALID, "'%.100s' is no argument", text);
        return false;
    }
    return true;
}

static bool
find(struct command *command, const char *wanted, char value_out[VALUE_BYTES])
{
    const char *rest = command->http->query;
    char name[VALUE_BYTES];

    while (next_argument(command, &rest, name, value_out)) {
        if (strcmp(name, wanted) == 0) {
            return true;
        }
    }
    return false;
}

/* What isn't known is a mistake, not something to be passed over. `known` ends with NULL. */
static void
expect_only(struct command *command, const char *const *known, const char *known_prefix)
{
    const char *rest = command->http->query;
    char name[VALUE_BYTES];
    char value[VALUE_BYTES];

    while (next_argument(command, &rest, name, value)) {
        bool is_known =
            known_prefix != NULL && strncmp(name, known_prefix, strlen(known_prefix)) == 0;

        for (size_t i = 0; known[i] != NULL && !is_known; i++) {
            is_known = strcmp(known[i], name) == 0;
        }
        if (!is_known) {
            ks_error_set(&command->error, KAFSCALE_INVALID, "no argument '%.100s' is known", name);
        }
    }
}

static int64_t
number(struct command *command, const char *name, int64_t otherwise, int64_t lowest,
       int64_t highest)
{
    char value[VALUE_BYTES];
    long long parsed;
    char *end;

    if (!find(command, name, value)) {
        return otherwise;
    }
    errno = 0;
    parsed = strtoll(value, &end, 10);
    if (*value == '\0' || *end != '\0' || errno != 0 || parsed < lowest || parsed > highest) {
        ks_error_set(&command->error, KAFSCALE_INVALID,
                     "%s=%.60s: a number from %lld to %lld is expected", name, value,
                     (long long) lowest, (long long) highest);
        return otherwise;
    }
    return parsed;
}

/* NULL: it isn't given. */
static const char *
text(struct command *command, const char *name, char value_out[VALUE_BYTES])
{
    return find(command, name, value_out) ? value_out : NULL;
}

static void
demand(struct command *command, const char *name, const char *value)
{
    if (value == NULL || *value == '\0') {
        ks_error_set(&command->error, KAFSCALE_INVALID, "%s= is missing", name);
    }
}

/* The place of a word in a list that ends with NULL. */
static int
choice(struct command *command, const char *name, const char *const *words, int otherwise)
{
    char value[VALUE_BYTES];

    if (!find(command, name, value)) {
        return otherwise;
    }
    for (int i = 0; words[i] != NULL; i++) {
        if (strcmp(words[i], value) == 0) {
            return i;
        }
    }
    ks_error_set(&command->error, KAFSCALE_INVALID, "%s=%.60s is not known", name, value);
    return otherwise;
}

/* --- Answers ---------------------------------------------------------------------------------- */

static int
code_of(enum kafscale_status status)
{
    switch (status) {
    case KAFSCALE_OK:
        return OK;
    case KAFSCALE_INVALID:
        return WRONG;
    case KAFSCALE_NOT_FOUND:
        return UNKNOWN;
    case KAFSCALE_EXISTS:
        return CONFLICT;
    default:
        return AWAY;
    }
}

static int
tell(struct command *command, enum kafscale_status status)
{
    ks_error_set(&command->error, status, "%s", kafscale_status_text(status));
    ks_describe_bool(command->reply, "ok", status == KAFSCALE_OK);
    if (status != KAFSCALE_OK) {
        ks_describe_text(command->reply, "error", command->error.text);
    }
    return code_of(status);
}

static struct ks_testing *
testing_of(const struct command *command)
{
    return command->broker->testing;
}

/* --- Topics ----------------------------------------------------------------------------------- */

static void
on_created(void *arg, enum kafscale_status status, const struct kafscale_error *error)
{
    struct asker *asker = arg;

    ks_http_reply(asker->broker->http, asker->later, code_of(status), error->text);
    ks_free(asker);
}

static size_t
read_configs(struct command *command, char (*texts)[VALUE_BYTES], const char **configs_out)
{
    static const char prefix[] = "config.";
    const char *rest = command->http->query;
    char name[VALUE_BYTES];
    char value[VALUE_BYTES];
    size_t count = 0;

    while (next_argument(command, &rest, name, value)) {
        if (strncmp(name, prefix, sizeof prefix - 1) != 0) {
            continue;
        }
        if (count == CONFIGS_MAX) {
            ks_error_set(&command->error, KAFSCALE_INVALID, "too many configurations");
            break;
        }
        memcpy(texts[2 * count], name + sizeof prefix - 1, strlen(name) - sizeof prefix + 2);
        memcpy(texts[2 * count + 1], value, strlen(value) + 1);
        configs_out[2 * count] = texts[2 * count];
        configs_out[2 * count + 1] = texts[2 * count + 1];
        count++;
    }
    configs_out[2 * count] = NULL;
    return count;
}

static struct ks_creation *
read_topic(struct command *command)
{
    char name[VALUE_BYTES];
    const char *configs[2 * CONFIGS_MAX + 1];
    char(*texts)[VALUE_BYTES] = ks_alloc_zero((size_t) 2 * CONFIGS_MAX, VALUE_BYTES);
    struct kafscale_testing_topic topic = {
        .name = text(command, "name", name),
        .partitions = (int32_t) number(command, "partitions", 0, 0, INT32_MAX),
        .configs = configs,
    };
    struct ks_creation *creation = NULL;

    demand(command, "name", topic.name);
    if (texts == NULL) {
        ks_error_set(&command->error, KAFSCALE_NO_MEMORY, "no memory");
    } else {
        read_configs(command, texts, configs);
    }
    if (command->error.status == KAFSCALE_OK) {
        creation = ks_creation_new(&topic, &command->error);
    }
    ks_free(texts);
    return creation;
}

static int
create_topic(struct command *command)
{
    static const char *const known[] = { "name", "partitions", NULL };
    struct ks_creation *creation;
    struct asker *asker;

    expect_only(command, known, "config.");
    creation = read_topic(command);
    if (creation == NULL) {
        return tell(command, command->error.status);
    }
    asker = ks_alloc_zero(1, sizeof *asker);
    if (asker == NULL) {
        ks_creation_free(creation);
        return tell(command, KAFSCALE_NO_MEMORY);
    }
    *asker = (struct asker){ .broker = command->broker, .later = command->http->later };
    if (ks_broker_state(command->broker->core) != KS_BROKER_READY) {
        ks_creation_free(creation);
        ks_free(asker);
        return tell(command, KAFSCALE_UNAVAILABLE);
    }
    ks_creation_begin(creation, command->broker->core, on_created, asker);
    return 0;
}

/* --- Faults ----------------------------------------------------------------------------------- */

/* A number, or a name such as NOT_COORDINATOR. */
static int16_t
error_code(struct command *command)
{
    char value[VALUE_BYTES];

    if (!find(command, "error", value)) {
        return KAFKA_ERROR_NONE;
    }
    for (int code = -1; strcmp(kafka_error_name((int16_t) code), "?") != 0; code++) {
        if (strcmp(kafka_error_name((int16_t) code), value) == 0) {
            return (int16_t) code;
        }
    }
    return (int16_t) number(command, "error", 0, INT16_MIN, INT16_MAX);
}

static int
fail_requests(struct command *command)
{
    static const char *const known[] = { "api",       "client_id", "count",       "fate", "error",
                                         "before_ms", "after_ms",  "throttle_ms", NULL };
    static const char *const fates[] = { "passes", "error",       "error_after",
                                         "close",  "close_after", NULL };
    char api[VALUE_BYTES];
    char client_id[VALUE_BYTES];
    struct kafscale_testing_fault fault = { .size = sizeof fault };

    expect_only(command, known, NULL);
    fault.api = text(command, "api", api);
    fault.client_id = text(command, "client_id", client_id);
    fault.count = (uint32_t) number(command, "count", 0, 0, UINT32_MAX);
    fault.fate = (enum kafscale_testing_fate) choice(command, "fate", fates, 0);
    fault.error = error_code(command);
    fault.before_ms = number(command, "before_ms", 0, 0, INT32_MAX);
    fault.after_ms = number(command, "after_ms", 0, 0, INT32_MAX);
    fault.throttle_ms = (int32_t) number(command, "throttle_ms", 0, 0, INT32_MAX);
    if (command->error.status != KAFSCALE_OK) {
        return tell(command, command->error.status);
    }
    return tell(command, ks_testing_take_fault(testing_of(command), &fault, &command->error));
}

static int
fail_store(struct command *command)
{
    static const char *const known[] = {
        "operation", "key_part", "count", "fate", "delay_ms", NULL
    };
    static const char *const fates[] = { "slow", "unavailable", "busy", "denied",
                                         "full", "timeout",     "lost", NULL };
    char operation[VALUE_BYTES];
    char key_part[VALUE_BYTES];
    struct kafscale_testing_store_fault fault = { .size = sizeof fault };

    expect_only(command, known, NULL);
    fault.operation = text(command, "operation", operation);
    fault.key_part = text(command, "key_part", key_part);
    fault.count = (uint32_t) number(command, "count", 0, 0, UINT32_MAX - 1);
    fault.fate = (enum kafscale_testing_store_fate) choice(command, "fate", fates, 0);
    fault.delay_ms = number(command, "delay_ms", 0, 0, INT32_MAX);
    if (command->error.status != KAFSCALE_OK) {
        return tell(command, command->error.status);
    }
    return tell(command, ks_testing_take_store_fault(testing_of(command), &fault, &command->error));
}

static int
clear_faults(struct command *command)
{
    ks_testing_clear_faults(testing_of(command));
    return tell(command, KAFSCALE_OK);
}

/* --- Restarts, connections -------------------------------------------------------------------- */

static void
on_restarted(void *arg, enum kafscale_status status, const struct kafscale_error *error)
{
    struct asker *waiting = arg;

    ks_http_reply(waiting->broker->http, waiting->later, code_of(status),
                  error == NULL ? "" : error->text);
    ks_free(waiting);
}

static int
restart(struct command *command)
{
    static const char *const known[] = { "end", NULL };
    static const char *const ends[] = { "order", "kill", NULL };
    struct asker *waiting;
    bool is_kill;
    enum kafscale_status status;

    expect_only(command, known, NULL);
    is_kill = choice(command, "end", ends, 0) == 1;
    if (command->error.status != KAFSCALE_OK) {
        return tell(command, command->error.status);
    }
    waiting = ks_alloc_zero(1, sizeof *waiting);
    if (waiting == NULL) {
        return tell(command, KAFSCALE_NO_MEMORY);
    }
    *waiting = (struct asker){ .broker = command->broker, .later = command->http->later };
    status = ks_restart(command->broker, is_kill, on_restarted, waiting, &command->error);
    if (status != KAFSCALE_OK) {
        ks_free(waiting);
        return tell(command, status);
    }
    return 0;
}

static int
pause(struct command *command)
{
    ks_interceptor_pause(&testing_of(command)->interceptor, true);
    return tell(command, KAFSCALE_OK);
}

static int
resume(struct command *command)
{
    ks_interceptor_pause(&testing_of(command)->interceptor, false);
    return tell(command, KAFSCALE_OK);
}

static int
refuse(struct command *command)
{
    ks_testing_refuse(command->broker, true);
    return tell(command, KAFSCALE_OK);
}

static int
accept(struct command *command)
{
    ks_testing_refuse(command->broker, false);
    return tell(command, KAFSCALE_OK);
}

static int
drop_connections(struct command *command)
{
    ks_server_drop_connections(command->broker->server, "dropped by a test");
    return tell(command, KAFSCALE_OK);
}

/* --- Time ------------------------------------------------------------------------------------- */

static void
on_advanced(void *arg)
{
    struct advance *advance = arg;

    ks_http_reply(advance->broker->http, advance->later, OK, "");
    ks_free(advance);
}

static int
put_forward(struct command *command)
{
    static const char *const known[] = { "ms", NULL };
    int64_t duration_ms;
    struct advance *advance;

    expect_only(command, known, NULL);
    duration_ms = number(command, "ms", 0, 0, KS_TESTING_ADVANCE_MS_MAX);
    if (command->error.status != KAFSCALE_OK) {
        return tell(command, command->error.status);
    }
    advance = ks_alloc_zero(1, sizeof *advance);
    if (advance == NULL) {
        return tell(command, KAFSCALE_NO_MEMORY);
    }
    advance->broker = command->broker;
    advance->later = command->http->later;
    advance->advance = (struct ks_advance){ .done = on_advanced, .arg = advance };
    ks_loop_advance(command->broker->loop, duration_ms, &advance->advance);
    return 0;
}

/* --- Waiting ---------------------------------------------------------------------------------- */

static void
free_wait(struct ks_testing_wait *wait)
{
    ks_env_cancel_timer(ks_loop_env(wait->broker->loop), &wait->timer);
    ks_list_remove(&wait->link);
    ks_free(wait);
}

void
ks_testing_end_waits(struct kafscale_broker *broker)
{
    while (!ks_list_is_empty(&broker->waits)) {
        free_wait(KS_CONTAINER(broker->waits.next, struct ks_testing_wait, link));
    }
}

static bool
is_true(const struct ks_testing_wait *wait)
{
    struct ks_broker *core = wait->broker->core;

    if (core == NULL) {
        return false;
    }
    return wait->is_group ? ks_testing_group_is(core, wait->name, (size_t) wait->count)
                          : ks_testing_has_records(core, wait->name, wait->partition, wait->count);
}

static void
look(void *arg)
{
    struct ks_testing_wait *wait = arg;
    struct kafscale_broker *broker = wait->broker;
    struct ks_env *env = ks_loop_env(broker->loop);
    struct ks_http_later later = wait->later;
    bool is_met = is_true(wait);

    if (!is_met && ks_env_now_ms(env) < wait->until_ms && ks_http_is_awaited(broker->http, later)) {
        ks_env_set_timer(env, &wait->timer, ks_env_now_ms(env) + LOOK_MS);
        return;
    }
    free_wait(wait);
    ks_http_reply(broker->http, later, is_met ? OK : TOO_LATE, "it isn't so in time");
}

/* There are no more waits than connections, since those whose connection has gone go here. */
static void
drop_forgotten(struct kafscale_broker *broker)
{
    struct ks_list *node = broker->waits.next;

    while (node != &broker->waits) {
        struct ks_testing_wait *wait = KS_CONTAINER(node, struct ks_testing_wait, link);

        node = node->next;
        if (!ks_http_is_awaited(broker->http, wait->later)) {
            free_wait(wait);
        }
    }
}

/* Takes the wait. With a clock that stands still only the present is told. */
static int
begin_wait(struct command *command, struct ks_testing_wait *wait)
{
    struct kafscale_broker *broker = command->broker;
    struct ks_env *env = ks_loop_env(broker->loop);
    int64_t timeout_ms = number(command, "timeout_ms", 0, 0, TIMEOUT_MS_MAX);
    enum kafscale_status status = command->error.status;
    bool is_met;

    wait->broker = broker;
    is_met = status == KAFSCALE_OK && is_true(wait);
    if (status != KAFSCALE_OK || is_met) {
        ks_free(wait);
        return tell(command, status);
    }
    if (timeout_ms == 0 || ks_is_clock_still(broker)) {
        ks_free(wait);
        ks_describe_bool(command->reply, "ok", false);
        ks_describe_text(command->reply, "error", "it isn't so");
        return TOO_LATE;
    }
    drop_forgotten(broker);
    wait->later = command->http->later;
    wait->until_ms = ks_env_now_ms(env) + timeout_ms;
    wait->timer = (struct ks_timer){ .on_due = look, .arg = wait };
    ks_list_append(&broker->waits, &wait->link);
    ks_env_set_timer(env, &wait->timer, ks_env_now_ms(env) + LOOK_MS);
    return 0;
}

static int
wait_group(struct command *command)
{
    static const char *const known[] = { "group", "members", "timeout_ms", NULL };
    struct ks_testing_wait *wait = ks_alloc_zero(1, sizeof *wait);

    if (wait == NULL) {
        return tell(command, KAFSCALE_NO_MEMORY);
    }
    expect_only(command, known, NULL);
    wait->is_group = true;
    demand(command, "group", text(command, "group", wait->name));
    wait->count = number(command, "members", 0, 0, INT32_MAX);
    return begin_wait(command, wait);
}

static int
wait_records(struct command *command)
{
    static const char *const known[] = { "topic", "partition", "count", "timeout_ms", NULL };
    struct ks_testing_wait *wait = ks_alloc_zero(1, sizeof *wait);

    if (wait == NULL) {
        return tell(command, KAFSCALE_NO_MEMORY);
    }
    expect_only(command, known, NULL);
    demand(command, "topic", text(command, "topic", wait->name));
    wait->partition = (int32_t) number(command, "partition", -1, -1, INT32_MAX);
    wait->count = number(command, "count", 0, 0, INT64_MAX);
    return begin_wait(command, wait);
}

/* --- What clients asked ----------------------------------------------------------------------- */

static void
describe_request(const struct kafscale_describe *reply, const struct ks_request_entry *entry)
{
    char api[KS_API_NAME_BYTES];

    ks_api_name_of(entry->api_key, api);
    ks_describe_begin(reply, NULL);
    ks_describe_number(reply, "number", (int64_t) entry->number);
    ks_describe_text(reply, "api", api);
    ks_describe_number(reply, "version", entry->api_version);
    ks_describe_number(reply, "error", entry->error);
    ks_describe_text(reply, "client_id", entry->client_id);
    ks_describe_text(reply, "client_address", entry->client_address);
    ks_describe_number(reply, "connection", (int64_t) entry->connection);
    ks_describe_number(reply, "correlation_id", entry->correlation_id);
    ks_describe_number(reply, "request_bytes", (int64_t) entry->request_bytes);
    ks_describe_number(reply, "answer_bytes", (int64_t) entry->answer_bytes);
    ks_describe_number(reply, "begun_ms", entry->begun_ms);
    ks_describe_number(reply, "duration_ms", entry->duration_ms);
    ks_describe_bool(reply, "answered", entry->is_answered);
    ks_describe_bool(reply, "faulted", entry->is_faulted);
    ks_describe_end(reply);
}

/* `count` is of all there were, the list of those that are remembered. */
static int
list_requests(struct command *command)
{
    static const char *const known[] = { "api", NULL };
    const struct ks_request_log *log = &testing_of(command)->log;
    char name[VALUE_BYTES];
    const char *api;
    int16_t key = -1;

    expect_only(command, known, NULL);
    api = text(command, "api", name);
    if (api != NULL) {
        key = ks_api_key_of(api);
    }
    if (api != NULL && key < 0) {
        ks_error_set(&command->error, KAFSCALE_INVALID, "Kafka has no API '%.60s'", api);
    }
    if (command->error.status != KAFSCALE_OK) {
        return tell(command, command->error.status);
    }
    ks_describe_bool(command->reply, "ok", true);
    ks_describe_number(command->reply, "count",
                       (int64_t) (api == NULL ? log->count : ks_request_log_count(log, key)));
    ks_describe_begin_list(command->reply, "requests");
    for (size_t i = 0; i < ks_request_log_kept(log); i++) {
        if (api == NULL || ks_request_log_at(log, i)->api_key == key) {
            describe_request(command->reply, ks_request_log_at(log, i));
        }
    }
    ks_describe_end(command->reply);
    return OK;
}

static int
clear_requests(struct command *command)
{
    ks_request_log_clear(&testing_of(command)->log);
    return tell(command, KAFSCALE_OK);
}

/* --- Commands --------------------------------------------------------------------------------- */

/* Those that change nothing may be asked with GET. */
static const struct {
    const char *path;
    int (*run)(struct command *command);
    bool takes_get;
} commands[] = {
    { "create-topic", create_topic, false },
    { "fail-requests", fail_requests, false },
    { "fail-store", fail_store, false },
    { "clear-faults", clear_faults, false },
    { "restart", restart, false },
    { "pause", pause, false },
    { "resume", resume, false },
    { "refuse", refuse, false },
    { "accept", accept, false },
    { "drop-connections", drop_connections, false },
    { "advance", put_forward, false },
    { "wait-group", wait_group, true },
    { "wait-records", wait_records, true },
    { "requests", list_requests, true },
    { "clear-requests", clear_requests, false },
};

int
ks_testing_command(void *arg, const struct ks_http_command *http,
                   const struct kafscale_describe *reply)
{
    struct command command = { .broker = arg, .http = http, .reply = reply };

    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        if (strcmp(commands[i].path, http->path) != 0) {
            continue;
        }
        if (!http->is_post && !commands[i].takes_get) {
            ks_error_set(&command.error, KAFSCALE_INVALID, "use POST");
            (void) !tell(&command, KAFSCALE_INVALID);
            return NOT_ALLOWED;
        }
        if (command.broker->core == NULL || command.broker->is_tearing_down) {
            return tell(&command, KAFSCALE_UNAVAILABLE);
        }
        return commands[i].run(&command);
    }
    ks_error_set(&command.error, KAFSCALE_NOT_FOUND, "no command '%.60s'", http->path);
    return tell(&command, KAFSCALE_NOT_FOUND);
}
