/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One request and its answer, as they pass between whatever carries bytes (net, a simulation,
 * another broker) and the handlers. The carrier owns the exchange from its making until
 * complete() was called, which happens exactly once for each accepted exchange, also after its
 * connection has gone.
 */
#ifndef KS_HANDLERS_EXCHANGE_H
#define KS_HANDLERS_EXCHANGE_H

#include "base/base.h"
#include "kafscale/store.h"

/* Who asks. It doesn't depend on a connection, so that a forwarded request can bring its own. */
struct ks_request_context {
    const char *client_address; /* borrowed from the carrier for the life of the exchange */
    uint32_t listener;          /* index in the list of listeners */
    /* Requests of one number come in their order, and are answered in it; 0: on no connection. */
    uint64_t connection;
};

enum ks_answer_kind {
    KS_ANSWER_SEND,
    KS_ANSWER_NONE, /* acks=0: nothing is sent, the next answer may go */
    KS_ANSWER_CLOSE /* what Kafka does with bytes it can't parse: close the connection */
};

/*
 * The bytes of an answer after the frame's length prefix, which the carrier writes. The carrier
 * copies parts without an owner before complete() returns, and takes a reference to the owner
 * of the others.
 */
struct ks_answer {
    enum ks_answer_kind kind;
    int16_t error;       /* the first error code but NONE that it tells */
    int32_t throttle_ms; /* nothing more is taken from the asker for this time after the answer */
    const struct kafscale_part *parts;
    size_t part_count;
};

/* What its parts take; nothing unless it is sent. */
size_t ks_answer_bytes(const struct ks_answer *answer);

/* The parts in one piece; NULL when memory is short. */
struct kafscale_blob *ks_answer_flatten(const struct ks_answer *answer);

struct ks_exchange {
    /*
     * Set by the carrier. The frame's bytes may be changed in place by whoever handles it:
     * batches are patched there.
     */
    struct kafscale_blob *frame;
    struct kafscale_slice payload; /* inside the frame, without the length prefix */
    struct ks_request_context context;
    void (*complete)(struct ks_exchange *exchange, const struct ks_answer *answer);

    /*
     * For askers in this process: called instead of complete() with an answer that would be sent,
     * as the struct of its API. Struct and parts are borrowed for the call; who takes a reference
     * to the owner of a part keeps its bytes. May be NULL: answers are bytes.
     */
    void (*take)(struct ks_exchange *exchange, const void *response,
                 const struct kafscale_part *parts, size_t part_count);

    /*
     * Memory for the payload of an answer, before it is read: returns how much there is, from
     * `least_bytes` to `wanted_bytes`; 0 when that isn't there now. A later call replaces an
     * earlier one. May be NULL: any amount.
     */
    size_t (*claim)(struct ks_exchange *exchange, size_t least_bytes, size_t wanted_bytes);
    /* Says how much the handling keeps in memory while it waits. May be NULL. */
    void (*hold)(struct ks_exchange *exchange, size_t bytes);
    /* How much of the memory for requests and answers is used. May be NULL: nothing. */
    unsigned (*memory_percent)(const struct ks_exchange *exchange);

    /* For the handlers. */
    void *request;
};

/* What takes requests. Both calls come on the loop thread. */
struct ks_request_sink {
    void *self;
    /*
     * May complete the exchange before it returns, or later. Requests of one connection come in
     * their order.
     */
    void (*accept)(void *self, struct ks_exchange *exchange);
    /*
     * The asker has gone: a waiting exchange should complete soon. Never called after
     * complete().
     */
    void (*gone)(void *self, struct ks_exchange *exchange);
};

#endif
