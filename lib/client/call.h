/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A request of somebody in the same process. It goes the way of all requests, from its bytes
 * through the same handlers, so that nothing is promised to one kind of client and not to the
 * other; only sockets are left out, and the answer is given as a struct instead of bytes.
 *
 * Everything belongs to the loop thread.
 */
#ifndef KS_CLIENT_CALL_H
#define KS_CLIENT_CALL_H

#include "handlers/handlers.h"
#include "protocol/protocol.h"

struct ks_call;

/* How a call ended. All of it is borrowed for the call of `done`. */
struct ks_call_answer {
    /*
     * OK: there is a response. NO_MEMORY, INVALID, TOO_LARGE: the request could not be made.
     * STOPPED: the broker is stopping. FAILED: the broker can't answer.
     */
    enum kafscale_status status;
    const void *response;              /* the struct of the API */
    const struct kafscale_part *parts; /* the records in it, in its order, with their owners */
    size_t part_count;
};

/* One asker: its calls are handled in the order in which they begin. */
struct ks_caller {
    struct ks_env *env;
    const struct ks_request_sink *sink; /* NULL once there is no broker any more */
    struct kafscale_slice client_id;    /* borrowed as long as the caller */
    struct ks_list calls;
    int32_t correlation_id;
    /* After the last call under way has ended. May be NULL, and may free the caller. */
    void (*on_quiet)(void *arg);
    void *quiet_arg;
};

/* Embedded by who asks, zeroed but for `done` and `arg`; at rest again when `done` is called. */
struct ks_call {
    void (*done)(struct ks_call *call, const struct ks_call_answer *answer);
    void *arg;
    struct ks_exchange exchange;
    struct ks_list link;
    struct ks_caller *caller;
    struct ks_task refusal;
    enum kafscale_status refused;
    bool is_under_way;
};

void ks_caller_init(struct ks_caller *caller, struct ks_env *env,
                    const struct ks_request_sink *sink, struct kafscale_slice client_id);

/*
 * What waits is to be answered soon: nobody is interested any more. `done` still comes, once for
 * each call.
 */
void ks_caller_leave(struct ks_caller *caller);

/* Begins a request of this API and version. `done` may come before this returns. */
void ks_call_begin(struct ks_caller *caller, struct ks_call *call, int16_t api_key, int16_t version,
                   const void *request);

/*
 * The same with a frame that holds a request already, `payload` without its length. Takes a
 * reference of its own.
 */
void ks_call_begin_frame(struct ks_caller *caller, struct ks_call *call,
                         struct kafscale_blob *frame, struct kafscale_slice payload);

/* A frame of the parts, of which the first begins with its length; NULL when memory is short. */
struct kafscale_blob *ks_call_gather(const struct kafscale_slice *parts, size_t part_count,
                                     struct kafscale_slice *payload_out);

/* The header of the next request of a caller. */
struct kafka_request_header ks_caller_header(struct ks_caller *caller, int16_t api_key,
                                             int16_t version);

#endif
