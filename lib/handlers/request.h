/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One request while it is being handled. Its arena holds the decoded body, the response and
 * whatever a handler needs; all of it goes at once when the request was answered and nobody holds
 * it any more.
 */
#ifndef KS_HANDLERS_REQUEST_H
#define KS_HANDLERS_REQUEST_H

#include "broker/broker.h"
#include "handlers/exchange.h"
#include "handlers/trace.h"
#include "protocol/protocol.h"

struct ks_api;
struct ks_handlers;

struct ks_request {
    struct ks_handlers *handlers;
    struct ks_broker *broker;
    struct ks_env *env;
    const struct ks_api *api;
    struct ks_list link;          /* of the handlers, all requests or those that wait for READY */
    struct ks_exchange *exchange; /* NULL once answered */
    struct kafscale_blob *frame;  /* a reference: strings and records of the body lie in it */
    int64_t begun_ms;
    uint32_t listener;
    struct kafka_request_header header;
    struct kafscale_slice encoded; /* the body as it came */
    struct ks_arena arena;
    const void *body; /* the decoded request */
    uint32_t holds;
    void *state;         /* the handler's */
    int32_t throttle_ms; /* set before the answer, which tells it too: the asker is to hold back */

    struct ks_trace trace;

    /* Set by a handler that waits: the asker has gone, answer soon. NULL: nothing to hurry. */
    void (*on_gone)(struct ks_request *request);

    /* A look at who owns the store (broker/freshness.h). */
    struct ks_look look;
    enum kafscale_status looked; /* valid with has_looked */
    bool has_looked;
    void (*on_looked)(struct ks_request *request);
    struct ks_timer look_timer; /* of ks_request_is_fresh_within */
};

/* NULL when memory is short. One hold, dropped by answering. */
struct ks_request *ks_request_new(struct ks_handlers *handlers, struct ks_broker *broker,
                                  struct ks_exchange *exchange);

/* Reads the header; then, with api set, the body. */
KAFSCALE_MUST_CHECK enum kafscale_status ks_request_read_header(struct ks_request *request);
KAFSCALE_MUST_CHECK enum kafscale_status ks_request_read_body(struct ks_request *request,
                                                              struct kafscale_error *error);

/*
 * The four ends of a request, one of which comes exactly once. A response is the struct of the
 * API; what it borrows must stay until the call returns. A response that can't be encoded, or an
 * arena that ran full, closes the connection.
 */
void ks_request_answer(struct ks_request *request, const void *response);

/*
 * The same with records inside: `parts` are the referenced ones in the order of the response,
 * with their owners.
 */
void ks_request_answer_with_parts(struct ks_request *request, const void *response,
                                  const struct kafscale_part *parts, size_t part_count);

void ks_request_answer_nothing(struct ks_request *request);
void ks_request_close(struct ks_request *request);

bool ks_request_is_answered(const struct ks_request *request);

/* Keeps the memory of a request beyond its answer. */
void ks_request_hold(struct ks_request *request);
void ks_request_release(struct ks_request *request);

/*
 * Zeroed memory of the arena; NULL closes later: check once with
 * ks_arena_failed(&request->arena).
 */
void *ks_request_alloc(struct ks_request *request, size_t count, size_t element_bytes);

/*
 * Memory for the records of an answer: how many bytes may be read now, from `least_bytes` to
 * `wanted_bytes`; 0: not enough, ask again a little later.
 */
size_t ks_request_claim(struct ks_request *request, size_t least_bytes, size_t wanted_bytes);

/*
 * How long the asker is to hold back by a rule of broker/throttle.h, for the answer to tell; its
 * carrier is told too. Before the answer.
 */
int32_t ks_request_throttle(struct ks_request *request,
                            int32_t (*rule)(const struct ks_pressure *pressure));

/*
 * For answers that would do harm if another broker had taken over meanwhile. True: what is known
 * is fresh, or can't become so (request->looked says why), go on. False: `on_looked` will be
 * called, once.
 */
bool ks_request_is_fresh(struct ks_request *request, void (*on_looked)(struct ks_request *request));

/* The same, but a look is waited for no longer than this: then it counts as one that failed. */
bool ks_request_is_fresh_within(struct ks_request *request, int64_t wait_ms,
                                void (*on_looked)(struct ks_request *request));

/* The time that a client gives is over: a look that is under way is not waited for any more. */
void ks_request_give_up_look(struct ks_request *request);

/*
 * Sets a timer to the end of the time that an administrator gives, or of half a minute if that is
 * none. Returns when it is due.
 */
int64_t ks_request_set_timeout(struct ks_request *request, struct ks_timer *timer,
                               int32_t timeout_ms, void (*on_due)(void *arg), void *arg);

/* After ks_request_is_fresh: NONE, or why nothing certain can be said. */
enum ks_broker_error ks_request_doubt(const struct ks_request *request);

#endif
