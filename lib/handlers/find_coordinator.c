/* SPDX-License-Identifier: Apache-2.0 */
/*
 * FindCoordinator: this broker coordinates every group. The first question makes the topic in which
 * groups are kept, and waits for it a while. Transactions are not served:
 * COORDINATOR_NOT_AVAILABLE.
 */
#include "handlers/api.h"
#include "handlers/groups.h"

#define BATCH_VERSION 4
#define WAIT_MS 5000

enum key_type { KEY_GROUP = 0, KEY_TRANSACTION = 1 };

static const char not_served[] = "Transactions are not served by this broker";
static const char not_ready[] = "The groups of this broker can't be served yet";
static const char not_known[] = "Only groups have a coordinator here";

struct find_coordinator {
    struct ks_request *request;
    struct ks_group_wait wait;
    struct ks_timer timer;
};

/* What is said of every key: they are all of one type. */
struct coordinator {
    int16_t code;
    struct kafscale_slice message;
    int32_t node_id;
    struct kafscale_slice host;
    int32_t port;
};

static struct coordinator
no_coordinator(int16_t code, const char *message)
{
    return (struct coordinator){ .code = code,
                                 .message = ks_slice_of_text(message),
                                 .node_id = -1,
                                 .host = ks_slice("", 0),
                                 .port = -1 };
}

static struct coordinator
this_broker(const struct ks_request *request)
{
    const struct ks_endpoint *endpoint = ks_broker_endpoint(request->broker, request->listener);

    return (struct coordinator){ .code = KAFKA_ERROR_NONE,
                                 .node_id = ks_broker_options(request->broker)->node_id,
                                 .host = ks_slice_of_text(endpoint->host),
                                 .port = endpoint->port };
}

static void
fill_batched(struct ks_request *request, const struct coordinator *coordinator,
             struct kafka_find_coordinator_response *response)
{
    const struct kafka_find_coordinator_request *asked = request->body;
    int32_t count = asked->coordinator_keys_count;

    response->coordinators = kafka_array_new(
        &request->arena, &kafka_find_coordinator_response_coordinator_message, (size_t) count);
    for (int32_t i = 0; response->coordinators != NULL && i < count; i++) {
        response->coordinators[i] =
            (struct kafka_find_coordinator_response_coordinator){ .key = asked->coordinator_keys[i],
                                                                  .node_id = coordinator->node_id,
                                                                  .host = coordinator->host,
                                                                  .port = coordinator->port,
                                                                  .error_code = coordinator->code,
                                                                  .error_message =
                                                                      coordinator->message };
    }
    response->coordinators_count = count;
}

static void
answer(struct ks_request *request, struct coordinator coordinator)
{
    struct kafka_find_coordinator_response response;

    kafka_message_init(&kafka_find_coordinator_response_message, &response);
    if (request->header.api_version >= BATCH_VERSION) {
        fill_batched(request, &coordinator, &response);
    } else {
        response.error_code = coordinator.code;
        response.error_message = coordinator.message;
        response.node_id = coordinator.node_id;
        response.host = coordinator.host;
        response.port = coordinator.port;
    }
    ks_request_answer(request, &response);
}

static void
on_ready(struct ks_group_wait *wait, enum ks_group_error error)
{
    struct find_coordinator *find = wait->arg;
    struct ks_request *request = find->request;

    ks_env_cancel_timer(request->env, &find->timer);
    answer(request, error == KS_GROUP_OK
                        ? this_broker(request)
                        : no_coordinator(KAFKA_ERROR_COORDINATOR_NOT_AVAILABLE, not_ready));
}

/* The topic is made nevertheless: clients come again. */
static void
on_timeout(void *arg)
{
    struct find_coordinator *find = arg;

    ks_coordinator_cancel(&find->wait);
    answer(find->request, no_coordinator(KAFKA_ERROR_COORDINATOR_NOT_AVAILABLE, not_ready));
}

static void
on_gone(struct ks_request *request)
{
    struct find_coordinator *find = request->state;

    ks_coordinator_cancel(&find->wait);
    ks_env_cancel_timer(request->env, &find->timer);
    ks_request_close(request);
}

static void
await_ready(struct ks_request *request)
{
    struct find_coordinator *find = ks_request_alloc(request, 1, sizeof *find);

    if (find == NULL) {
        ks_request_close(request);
        return;
    }
    find->request = request;
    find->wait = (struct ks_group_wait){ .done = on_ready, .arg = find };
    find->timer = (struct ks_timer){ .on_due = on_timeout, .arg = find };
    request->state = find;
    request->on_gone = on_gone;
    ks_env_set_timer(request->env, &find->timer, ks_env_now_ms(request->env) + WAIT_MS);
    ks_coordinator_await_ready(ks_request_coordinator(request), &find->wait);
}

void
ks_handle_find_coordinator(struct ks_request *request)
{
    const struct kafka_find_coordinator_request *asked = request->body;

    if (asked->key_type == KEY_TRANSACTION) {
        answer(request, no_coordinator(KAFKA_ERROR_COORDINATOR_NOT_AVAILABLE, not_served));
    } else if (asked->key_type != KEY_GROUP) {
        answer(request, no_coordinator(KAFKA_ERROR_INVALID_REQUEST, not_known));
    } else if (ks_group_doubt(request) != KAFKA_ERROR_NONE) {
        answer(request, no_coordinator(KAFKA_ERROR_COORDINATOR_NOT_AVAILABLE, not_ready));
    } else if (ks_coordinator_is_ready(ks_request_coordinator(request))) {
        answer(request, this_broker(request));
    } else {
        await_ready(request);
    }
}
