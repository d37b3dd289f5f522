/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A request of somebody in the same process. It goes the way of all requests, from its bytes
 * through the same handlers, so that nothing is promised to one kind of client and not to the
 * other; only sockets are left out, and the answer is given as a struct instead of bytes.
 *
 * Everything belongs to the loop thread.
 */
#ifndef KS_CLIENT_ASK_H
#define KS_CLIENT_ASK_H

#include "handlers/handlers.h"
#include "protocol/protocol.h"

struct ks_ask;

/* How it ended. All of it is borrowed for the time of `done`. */
struct ks_ask_answer {
    /*
     * OK: there is a response. NO_MEMORY, INVALID, TOO_LARGE: the request could not be made.
     * FAILED: nobody answers it.
     */
    enum kafscale_status status;
    const void *response; /* the struct of the API */
    /* The batches in it, one by one in its order, with their owners; those of `records` else. */
    const struct kafscale_part *parts;
    size_t part_count;
    struct kafscale_blob *bytes; /* NULL with parts: what the response and its records lie in */
};

/* Who asks: its requests are handled in the order in which they begin, as those of a connection. */
struct ks_asker {
    struct ks_env *env;
    const struct ks_request_sink *sink;
    struct kafscale_slice client_id; /* borrowed as long as the asker */
    struct ks_list asks;
    int32_t correlation_id;
    /* After the last request under way has ended. May be NULL, and may free the asker. */
    void (*on_quiet)(void *arg);
    void *quiet_arg;
};

/* Embedded by who asks, zeroed but for `done` and `arg`; at rest again when `done` is called. */
struct ks_ask {
    void (*done)(struct ks_ask *ask, const struct ks_ask_answer *answer);
    void *arg;
    struct ks_exchange exchange;
    struct ks_list link;
    struct ks_asker *asker;
    struct ks_task refusal;
    enum kafscale_status refused;
    int16_t api_key;
    int16_t version;
    bool is_under_way;
};

void ks_asker_init(struct ks_asker *asker, struct ks_env *env, const struct ks_request_sink *sink,
                   struct kafscale_slice client_id);

/*
 * What waits is to be answered soon: nobody is interested any more. `done` still comes, once for
 * each request.
 */
void ks_asker_leave(struct ks_asker *asker);

/* Begins a request of this API and version. `done` may come before this returns. */
void ks_ask_begin(struct ks_asker *asker, struct ks_ask *ask, int16_t api_key, int16_t version,
                  const void *request);

/*
 * The same with a frame that holds a request already, `payload` without its length. Takes a
 * reference of its own.
 */
void ks_ask_begin_frame(struct ks_asker *asker, struct ks_ask *ask, struct kafscale_blob *frame,
                        struct kafscale_slice payload);

/* A frame of the parts, of which the first begins with its length; NULL when memory is short. */
struct kafscale_blob *ks_ask_gather(const struct kafscale_slice *parts, size_t part_count,
                                    struct kafscale_slice *payload_out);

/* The header of the next request of an asker. */
struct kafka_request_header ks_asker_header(struct ks_asker *asker, int16_t api_key,
                                            int16_t version);

#endif
