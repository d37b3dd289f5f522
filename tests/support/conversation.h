/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A client talks to a whole broker over a socket: the server, the handlers and the broker on a
 * memory store, all in one thread and on a virtual clock. Requests are encoded beforehand, so
 * that a conversation can be held while allocations fail.
 */
#ifndef KS_TESTS_SUPPORT_CONVERSATION_H
#define KS_TESTS_SUPPORT_CONVERSATION_H

#include "net/net.h"
#include "support/client.h"

struct event_base;

/* What the client says, in this order. */
enum conversation_step {
    STEP_API_VERSIONS,
    STEP_METADATA, /* which makes the topic */
    STEP_PRODUCE,
    STEP_FETCH,
    STEP_COUNT
};

struct conversation {
    struct broker_fixture fixture;
    struct test_broker *broker;
    struct event_base *base;
    struct ks_server *server;
    struct ks_buffer requests[STEP_COUNT]; /* with their length prefix */
    int fd;                                /* -1: not connected */
    uint8_t answer[32768];                 /* of the last step, with its length prefix */
    size_t answer_bytes;
};

enum conversation_result {
    CONVERSATION_ANSWERED,
    CONVERSATION_CLOSED, /* the broker closed, or took no connection */
    CONVERSATION_HANGS   /* minutes of virtual time passed */
};

/* A broker that is READY, with a server that nobody is connected to. */
struct conversation *conversation_new(void);

/* Everything of it must be idle again once its connections are gone. */
void conversation_free(struct conversation *conversation);

/* Connects if need be, sends one request and waits. */
enum conversation_result conversation_step(struct conversation *conversation,
                                           enum conversation_step step);

void conversation_hang_up(struct conversation *conversation);

/* Lets this much virtual time pass. */
void conversation_pass(struct conversation *conversation, int64_t duration_ms);

/* The answer of the last step, decoded to `arena`. */
const void *conversation_answer(struct conversation *conversation, enum conversation_step step,
                                struct ks_arena *arena);

#endif
