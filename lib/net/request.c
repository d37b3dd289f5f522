/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The frame and its memory go back when the sink completes, not when the response has been
 * sent: what the log still needs of the frame it has taken a reference to, and accounts for
 * itself.
 */
#include "net/request.h"

#include "net/connection.h"
#include "net/server_state.h"

#include <assert.h>
#include <string.h>

static void
release_memory(struct ks_net_request *request)
{
    struct ks_memory_account *account = &request->server->account;

    ks_memory_account_release(account, &request->reservation);
    ks_memory_account_release_claim(account, &request->claim);
    ks_memory_account_discharge(account, request->held_bytes);
    request->held_bytes = 0;
}

static void
give_back(struct ks_net_request *request)
{
    kafscale_blob_unref(request->exchange.frame);
    request->exchange.frame = NULL;
    request->exchange.payload = ks_slice(NULL, 0);
    if (request->server != NULL) {
        request->server->counters.requests_waiting--;
        release_memory(request);
    }
}

static size_t
claim(struct ks_exchange *exchange, size_t least_bytes, size_t wanted_bytes)
{
    struct ks_net_request *request = KS_CONTAINER(exchange, struct ks_net_request, exchange);

    if (request->server == NULL) {
        return wanted_bytes;
    }
    ks_memory_account_release_claim(&request->server->account, &request->claim);
    return ks_memory_account_claim(&request->server->account, &request->claim, least_bytes,
                                   wanted_bytes);
}

static unsigned
memory_percent(const struct ks_exchange *exchange)
{
    const struct ks_net_request *request =
        KS_CONTAINER(exchange, const struct ks_net_request, exchange);

    return request->server == NULL ? 0 : ks_memory_account_percent(&request->server->account);
}

/* What the reservation includes isn't charged again. */
static void
hold(struct ks_exchange *exchange, size_t bytes)
{
    struct ks_net_request *request = KS_CONTAINER(exchange, struct ks_net_request, exchange);

    if (request->server == NULL || bytes <= KS_MEMORY_REQUEST_BYTES) {
        return;
    }
    bytes -= KS_MEMORY_REQUEST_BYTES;
    if (bytes > request->held_bytes) {
        ks_memory_account_charge(&request->server->account, bytes - request->held_bytes);
        request->held_bytes = bytes;
    }
}

static void
complete(struct ks_exchange *exchange, const struct ks_answer *answer)
{
    struct ks_net_request *request = KS_CONTAINER(exchange, struct ks_net_request, exchange);

    assert(!request->is_complete);

    request->is_complete = true;
    if (request->connection == NULL) {
        give_back(request);
        ks_net_request_free(request);
        return;
    }
    request->kind = answer->kind;
    request->throttle_ms = answer->throttle_ms;
    if (answer->kind == KS_ANSWER_SEND &&
        ks_response_init(&request->response, answer) != KAFSCALE_OK) {
        /* The order of responses can't be kept without this one. */
        request->kind = KS_ANSWER_CLOSE;
    }
    /* The answer is counted before its claim goes back, so that nobody is given the same twice. */
    ks_connection_request_completed(request->connection, request);
    /* Not before: the answer may point into the frame. */
    give_back(request);
}

struct ks_net_request *
ks_net_request_new(struct ks_connection *connection, struct kafscale_blob *frame,
                   const struct ks_reservation *reservation)
{
    struct ks_net_request *request = ks_alloc_zero(1, sizeof *request);

    if (request == NULL) {
        return NULL;
    }
    request->connection = connection;
    request->server = connection->server;
    request->reservation = *reservation;
    memcpy(request->client_address, connection->client_address, sizeof request->client_address);
    request->exchange.frame = frame;
    request->exchange.payload = kafscale_blob_slice(frame);
    request->exchange.context.client_address = request->client_address;
    request->exchange.context.listener = connection->listener;
    request->exchange.context.connection = connection->number;
    request->exchange.complete = complete;
    request->exchange.claim = claim;
    request->exchange.hold = hold;
    request->exchange.memory_percent = memory_percent;
    request->server->counters.requests++;
    request->server->counters.requests_waiting++;
    return request;
}

void
ks_net_request_free(struct ks_net_request *request)
{
    assert(request->is_complete);
    assert(request->exchange.frame == NULL);

    ks_list_remove(&request->link);
    ks_response_deinit(&request->response);
    ks_free(request);
}

void
ks_net_request_abandon(struct ks_net_request *request)
{
    struct ks_server *server = request->server;

    if (request->is_complete) {
        ks_net_request_free(request);
        return;
    }
    ks_list_remove(&request->link);
    ks_list_append(&server->orphans, &request->link);
    request->connection = NULL;
    server->sink.gone(server->sink.self, &request->exchange);
}

void
ks_net_request_forget_server(struct ks_net_request *request)
{
    assert(request->connection == NULL);

    ks_list_remove(&request->link);
    release_memory(request);
    request->server = NULL;
}
