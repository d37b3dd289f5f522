/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The fixture: a broker with options of its own, and calls into its loop. What may take long gets
 * copies of what it was given, since its caller may give up before it has run.
 */
#include "kafscale/testing.h"

#include "kafscale_call.h"

#include <time.h>

#define START_MS 30000
#define CREATE_MS 30000
#define POLL_FIRST_NS 500000
#define POLL_LAST_NS 8000000

struct kafscale_testing {
    struct kafscale_broker *broker;
};

/* --- Calls ------------------------------------------------------------------------------------ */

/* With everything that one of them needs; borrowed pointers only in calls that are waited for. */
struct testing_call {
    struct ks_call call;
    enum kafscale_status (*act)(struct testing_call *call, struct kafscale_error *error);
    bool flag;
    int64_t number;
    int32_t partition;
    const void *what;
    bool is_true;
    struct ks_creation *creation;
    struct ks_advance advance;
    struct ks_request_entry *entries;
    size_t entry_count;
    uint64_t count;
};

static struct testing_call *
call_of(struct ks_call *call)
{
    return KS_CONTAINER(call, struct testing_call, call);
}

static struct ks_testing *
testing_of(const struct testing_call *call)
{
    return call->call.broker->testing;
}

static void
run_act(struct ks_call *call)
{
    struct kafscale_error error = { 0 };
    enum kafscale_status status = call_of(call)->act(call_of(call), &error);

    ks_call_finish(call, status, &error);
}

static void
deinit_call(struct ks_call *call)
{
    ks_creation_free(call_of(call)->creation);
    ks_free(call_of(call)->entries);
}

static struct testing_call *
new_call(void (*run)(struct ks_call *call), struct kafscale_error *error)
{
    struct testing_call *call = ks_alloc_zero(1, sizeof *call);

    if (call == NULL) {
        ks_error_set(error, KAFSCALE_NO_MEMORY, "no memory");
        return NULL;
    }
    call->call.run = run;
    call->call.deinit = deinit_call;
    return call;
}

/* Something that is over when it has run; what it finds comes back in `what`. */
static enum kafscale_status
act(struct kafscale_testing *testing, struct testing_call *what, struct kafscale_error *error)
{
    struct kafscale_error unused = { 0 };
    struct testing_call *call;
    enum kafscale_status status;

    error = error == NULL ? &unused : error;
    call = new_call(run_act, error);
    if (call == NULL) {
        return KAFSCALE_NO_MEMORY;
    }
    call->act = what->act;
    call->flag = what->flag;
    call->what = what->what;
    call->partition = what->partition;
    call->number = what->number;
    status = ks_call_make(&call->call, testing->broker, -1, error);
    if (status == KAFSCALE_OK) {
        what->is_true = call->is_true;
        what->count = call->count;
        what->entries = call->entries;
        what->entry_count = call->entry_count;
        call->entries = NULL;
    }
    ks_call_unref(&call->call);
    return status;
}

/* Something that goes on when it has run. */
static enum kafscale_status
make(struct kafscale_testing *testing, struct testing_call *call, int64_t timeout_ms,
     struct kafscale_error *error)
{
    enum kafscale_status status = ks_call_make(&call->call, testing->broker, timeout_ms, error);

    ks_call_unref(&call->call);
    return status;
}

/* --- Start and stop --------------------------------------------------------------------------- */

static enum kafscale_status
set_all(struct kafscale_options *options, const char *const *settings, struct kafscale_error *error)
{
    enum kafscale_status status = KAFSCALE_OK;

    for (; settings != NULL && *settings != NULL && status == KAFSCALE_OK; settings += 2) {
        status = kafscale_options_set(options, settings[0], settings[1], error);
    }
    return status;
}

static struct kafscale_broker *
new_broker(const struct kafscale_testing_options *how, struct kafscale_error *error)
{
    struct kafscale_options *options = kafscale_options_new();
    struct kafscale_broker *broker = NULL;
    enum kafscale_status status;

    if (options == NULL) {
        ks_error_set(error, KAFSCALE_NO_MEMORY, "no memory");
        return NULL;
    }
    status = kafscale_testing_preset(options, error);
    if (status == KAFSCALE_OK && how->is_clock_still) {
        status = kafscale_options_set(options, "testing.clock", "still", error);
    }
    if (status == KAFSCALE_OK) {
        status = set_all(options, how->settings, error);
    }
    if (status == KAFSCALE_OK) {
        broker = kafscale_broker_new(options, error);
    }
    kafscale_options_free(options);
    if (broker != NULL) {
        kafscale_broker_set_logger(broker, how->log, how->log_arg);
    }
    return broker;
}

static enum kafscale_status
begin(struct kafscale_testing *testing, const struct kafscale_testing_options *how,
      struct kafscale_error *error)
{
    enum kafscale_status status = kafscale_broker_start(testing->broker, NULL, error);

    if (status == KAFSCALE_OK) {
        status = kafscale_broker_wait_ready(testing->broker, START_MS, error);
    }
    for (size_t i = 0; i < how->topic_count && status == KAFSCALE_OK; i++) {
        status = kafscale_testing_create_topic(testing, &how->topics[i], error);
    }
    return status;
}

struct kafscale_testing *
kafscale_testing_start(const struct kafscale_testing_options *options, struct kafscale_error *error)
{
    static const struct kafscale_testing_options defaults = { .size = sizeof defaults };
    struct kafscale_error unused = { 0 };
    struct kafscale_testing *testing;

    options = options == NULL ? &defaults : options;
    error = error == NULL ? &unused : error;
    if (options->size != sizeof *options) {
        ks_error_set(error, KAFSCALE_INVALID, "options of another version: size is wrong");
        return NULL;
    }
    testing = ks_alloc_zero(1, sizeof *testing);
    if (testing == NULL) {
        ks_error_set(error, KAFSCALE_NO_MEMORY, "no memory");
        return NULL;
    }
    testing->broker = new_broker(options, error);
    if (testing->broker == NULL || begin(testing, options, error) != KAFSCALE_OK) {
        kafscale_testing_free(testing);
        return NULL;
    }
    return testing;
}

/* What is in memory goes anyway: a store that fails must not hold up the end of a test. */
static enum kafscale_status
act_abandon(struct testing_call *call, struct kafscale_error *error)
{
    (void) error;
    call->call.broker->is_abandoned = ks_options_store_is_memory(call->call.broker->options);
    return KAFSCALE_OK;
}

void
kafscale_testing_free(struct kafscale_testing *testing)
{
    struct kafscale_error error = { 0 };

    if (testing == NULL) {
        return;
    }
    if (testing->broker != NULL) {
        /* Fails if it doesn't run, and then there is nothing to abandon. */
        (void) !act(testing, &(struct testing_call){ .act = act_abandon }, &error);
    }
    kafscale_broker_free(testing->broker);
    ks_free(testing);
}

const char *
kafscale_testing_bootstrap(const struct kafscale_testing *testing)
{
    return kafscale_broker_address(testing->broker, 0);
}

struct kafscale_broker *
kafscale_testing_broker(const struct kafscale_testing *testing)
{
    return testing->broker;
}

/* --- Restarts --------------------------------------------------------------------------------- */

static void
on_restarted(void *arg, enum kafscale_status status, const struct kafscale_error *error)
{
    ks_call_finish(arg, status, error);
}

static void
run_restart(struct ks_call *call)
{
    struct kafscale_error error = { 0 };
    enum kafscale_status status =
        ks_restart(call->broker, call_of(call)->flag, on_restarted, call, &error);

    if (status != KAFSCALE_OK) {
        ks_call_finish(call, status, &error);
    }
}

enum kafscale_status
kafscale_testing_restart(struct kafscale_testing *testing, enum kafscale_testing_end end,
                         int64_t timeout_ms, struct kafscale_error *error)
{
    struct kafscale_error unused = { 0 };
    struct testing_call *call;

    error = error == NULL ? &unused : error;
    call = new_call(run_restart, error);
    if (call == NULL) {
        return KAFSCALE_NO_MEMORY;
    }
    call->flag = end == KAFSCALE_TESTING_KILLED;
    return make(testing, call, timeout_ms, error);
}

/* --- Topics and groups ------------------------------------------------------------------------ */

static void
on_created(void *arg, enum kafscale_status status, const struct kafscale_error *error)
{
    ks_call_finish(arg, status, error);
}

static void
run_create(struct ks_call *call)
{
    struct ks_creation *creation = call_of(call)->creation;

    call_of(call)->creation = NULL;
    ks_creation_begin(creation, call->broker->core, on_created, call);
}

enum kafscale_status
kafscale_testing_create_topic(struct kafscale_testing *testing,
                              const struct kafscale_testing_topic *topic,
                              struct kafscale_error *error)
{
    struct kafscale_error unused = { 0 };
    struct testing_call *call;

    error = error == NULL ? &unused : error;
    call = new_call(run_create, error);
    if (call == NULL) {
        return KAFSCALE_NO_MEMORY;
    }
    call->creation = ks_creation_new(topic, error);
    if (call->creation == NULL) {
        deinit_call(&call->call);
        ks_free(call);
        return error->status;
    }
    return make(testing, call, CREATE_MS, error);
}

/* Asks again and again, since nothing tells of everything that could make it true. */
static enum kafscale_status
wait_until(struct kafscale_testing *testing, struct testing_call *what, int64_t timeout_ms,
           const char *name, struct kafscale_error *error)
{
    struct timespec pause = { .tv_nsec = POLL_FIRST_NS };
    int64_t due_ms = ks_monotonic_after(timeout_ms);

    for (;;) {
        enum kafscale_status status = act(testing, what, error);

        if (status != KAFSCALE_OK || what->is_true) {
            return status;
        }
        if (ks_monotonic_ms() >= due_ms) {
            break;
        }
        nanosleep(&pause, NULL);
        pause.tv_nsec = pause.tv_nsec < POLL_LAST_NS ? pause.tv_nsec * 2 : POLL_LAST_NS;
    }
    return ks_error_set(error, KAFSCALE_UNAVAILABLE, "'%.100s' isn't as expected in time", name);
}

static enum kafscale_status
act_group(struct testing_call *call, struct kafscale_error *error)
{
    (void) error;
    call->is_true = ks_testing_group_is(call->call.broker->core, call->what, (size_t) call->number);
    return KAFSCALE_OK;
}

enum kafscale_status
kafscale_testing_wait_group(struct kafscale_testing *testing, const char *group,
                            size_t member_count, int64_t timeout_ms, struct kafscale_error *error)
{
    struct testing_call what = { .act = act_group,
                                 .what = group,
                                 .number = (int64_t) member_count };
    struct kafscale_error unused = { 0 };

    return wait_until(testing, &what, timeout_ms, group, error == NULL ? &unused : error);
}

static enum kafscale_status
act_records(struct testing_call *call, struct kafscale_error *error)
{
    (void) error;
    call->is_true =
        ks_testing_has_records(call->call.broker->core, call->what, call->partition, call->number);
    return KAFSCALE_OK;
}

enum kafscale_status
kafscale_testing_wait_records(struct kafscale_testing *testing, const char *topic,
                              int32_t partition, int64_t high_watermark, int64_t timeout_ms,
                              struct kafscale_error *error)
{
    struct testing_call what = {
        .act = act_records, .what = topic, .partition = partition, .number = high_watermark
    };
    struct kafscale_error unused = { 0 };

    return wait_until(testing, &what, timeout_ms, topic, error == NULL ? &unused : error);
}

/* --- Connections and time --------------------------------------------------------------------- */

static enum kafscale_status
act_pause(struct testing_call *call, struct kafscale_error *error)
{
    (void) error;
    ks_interceptor_pause(&testing_of(call)->interceptor, call->flag);
    return KAFSCALE_OK;
}

enum kafscale_status
kafscale_testing_pause(struct kafscale_testing *testing, bool is_paused,
                       struct kafscale_error *error)
{
    return act(testing, &(struct testing_call){ .act = act_pause, .flag = is_paused }, error);
}

static enum kafscale_status
act_drop(struct testing_call *call, struct kafscale_error *error)
{
    (void) error;
    ks_server_drop_connections(call->call.broker->server, "dropped by a test");
    return KAFSCALE_OK;
}

enum kafscale_status
kafscale_testing_drop_connections(struct kafscale_testing *testing, struct kafscale_error *error)
{
    return act(testing, &(struct testing_call){ .act = act_drop }, error);
}

static enum kafscale_status
act_refuse(struct testing_call *call, struct kafscale_error *error)
{
    (void) error;
    ks_testing_refuse(call->call.broker, call->flag);
    return KAFSCALE_OK;
}

enum kafscale_status
kafscale_testing_refuse(struct kafscale_testing *testing, bool is_refusing,
                        struct kafscale_error *error)
{
    return act(testing, &(struct testing_call){ .act = act_refuse, .flag = is_refusing }, error);
}

static void
on_advanced(void *arg)
{
    ks_call_finish(arg, KAFSCALE_OK, NULL);
}

static void
run_advance(struct ks_call *call)
{
    struct testing_call *own = call_of(call);

    own->advance = (struct ks_advance){ .done = on_advanced, .arg = call };
    ks_loop_advance(call->broker->loop, own->number, &own->advance);
}

enum kafscale_status
kafscale_testing_advance(struct kafscale_testing *testing, int64_t duration_ms,
                         struct kafscale_error *error)
{
    struct kafscale_error unused = { 0 };
    struct testing_call *call;

    error = error == NULL ? &unused : error;
    if (duration_ms < 0 || duration_ms > KS_TESTING_ADVANCE_MS_MAX) {
        return ks_error_set(error, KAFSCALE_INVALID, "time goes on by up to 100 years");
    }
    call = new_call(run_advance, error);
    if (call == NULL) {
        return KAFSCALE_NO_MEMORY;
    }
    call->number = duration_ms;
    return make(testing, call, -1, error);
}

/* --- Faults ----------------------------------------------------------------------------------- */

static enum kafscale_status
act_fail_requests(struct testing_call *call, struct kafscale_error *error)
{
    return ks_testing_take_fault(testing_of(call), call->what, error);
}

enum kafscale_status
kafscale_testing_fail_requests(struct kafscale_testing *testing,
                               const struct kafscale_testing_fault *fault,
                               struct kafscale_error *error)
{
    return act(testing, &(struct testing_call){ .act = act_fail_requests, .what = fault }, error);
}

static enum kafscale_status
act_fail_store(struct testing_call *call, struct kafscale_error *error)
{
    return ks_testing_take_store_fault(testing_of(call), call->what, error);
}

enum kafscale_status
kafscale_testing_fail_store(struct kafscale_testing *testing,
                            const struct kafscale_testing_store_fault *fault,
                            struct kafscale_error *error)
{
    return act(testing, &(struct testing_call){ .act = act_fail_store, .what = fault }, error);
}

static enum kafscale_status
act_clear_faults(struct testing_call *call, struct kafscale_error *error)
{
    (void) error;
    ks_testing_clear_faults(testing_of(call));
    return KAFSCALE_OK;
}

enum kafscale_status
kafscale_testing_clear_faults(struct kafscale_testing *testing, struct kafscale_error *error)
{
    return act(testing, &(struct testing_call){ .act = act_clear_faults }, error);
}

/* --- What clients asked ----------------------------------------------------------------------- */

static enum kafscale_status
act_copy_entries(struct testing_call *call, struct kafscale_error *error)
{
    const struct ks_request_log *log = &testing_of(call)->log;
    size_t count = ks_request_log_kept(log);

    call->entries = ks_alloc_zero(count + 1, sizeof call->entries[0]);
    if (call->entries == NULL) {
        return ks_error_set(error, KAFSCALE_NO_MEMORY, "no memory");
    }
    for (size_t i = 0; i < count; i++) {
        call->entries[i] = *ks_request_log_at(log, i);
    }
    call->entry_count = count;
    return KAFSCALE_OK;
}

static void
show(const struct ks_request_entry *entry, kafscale_testing_visit *visit, void *arg)
{
    char api[KS_API_NAME_BYTES];
    struct kafscale_testing_request request = { .number = entry->number,
                                                .api = api,
                                                .api_key = entry->api_key,
                                                .api_version = entry->api_version,
                                                .error = entry->error,
                                                .correlation_id = entry->correlation_id,
                                                .connection = entry->connection,
                                                .client_id = entry->client_id,
                                                .client_address = entry->client_address,
                                                .request_bytes = entry->request_bytes,
                                                .answer_bytes = entry->answer_bytes,
                                                .begun_ms = entry->begun_ms,
                                                .duration_ms = entry->duration_ms,
                                                .is_answered = entry->is_answered,
                                                .is_faulted = entry->is_faulted };

    ks_api_name_of(entry->api_key, api);
    visit(arg, &request);
}

enum kafscale_status
kafscale_testing_visit_requests(struct kafscale_testing *testing, kafscale_testing_visit *visit,
                                void *arg, struct kafscale_error *error)
{
    struct testing_call what = { .act = act_copy_entries };
    enum kafscale_status status = act(testing, &what, error);

    for (size_t i = 0; i < what.entry_count; i++) {
        show(&what.entries[i], visit, arg);
    }
    ks_free(what.entries);
    return status;
}

static enum kafscale_status
act_count(struct testing_call *call, struct kafscale_error *error)
{
    const struct ks_request_log *log = &testing_of(call)->log;
    int16_t key = call->what == NULL ? 0 : ks_api_key_of(call->what);

    if (key < 0) {
        return ks_error_set(error, KAFSCALE_INVALID, "Kafka has no API '%.60s'",
                            (const char *) call->what);
    }
    call->count = call->what == NULL ? log->count : ks_request_log_count(log, key);
    return KAFSCALE_OK;
}

enum kafscale_status
kafscale_testing_count_requests(struct kafscale_testing *testing, const char *api,
                                uint64_t *count_out, struct kafscale_error *error)
{
    struct testing_call what = { .act = act_count, .what = api };
    enum kafscale_status status = act(testing, &what, error);

    if (status == KAFSCALE_OK) {
        *count_out = what.count;
    }
    return status;
}

static enum kafscale_status
act_clear_requests(struct testing_call *call, struct kafscale_error *error)
{
    (void) error;
    ks_request_log_clear(&testing_of(call)->log);
    return KAFSCALE_OK;
}

enum kafscale_status
kafscale_testing_clear_requests(struct kafscale_testing *testing, struct kafscale_error *error)
{
    return act(testing, &(struct testing_call){ .act = act_clear_requests }, error);
}
