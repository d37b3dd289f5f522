/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What stands between the carriers of requests and the handlers when a broker is tested: it lets
 * requests wait, answers them itself, ends their connections, and remembers them. It is a sink as
 * the handlers are, and a carrier to them.
 *
 * Requests of one connection are handled in their order, whatever delays they meet. What it keeps
 * of a request that waits is its frame, which its carrier accounts for; answers that wait are
 * copied, so that nobody's memory is held up by them, and a few of them at a time.
 *
 * Everything belongs to the loop thread.
 */
#ifndef KS_TESTING_INTERCEPTOR_H
#define KS_TESTING_INTERCEPTOR_H

#include "handlers/handlers.h"
#include "testing/mirror.h"
#include "testing/request_log.h"
#include "testing/rules.h"

struct ks_interceptor {
    struct ks_env *env;
    struct ks_request_sink sink;         /* for the carriers */
    const struct ks_request_sink *inner; /* the handlers'; NULL: there are none now */
    struct ks_rules *rules;
    struct ks_request_log *log;
    struct ks_mirror broker; /* only what Metadata is told of it */
    struct ks_list waiting;  /* for their handling, in the order of their coming */
    struct ks_list handled;
    struct ks_list held; /* answers that wait */
    struct ks_task sweep;
    size_t held_bytes;
    bool is_paused;
};

/* Borrows all three. */
void ks_interceptor_init(struct ks_interceptor *interceptor, struct ks_env *env,
                         struct ks_rules *rules, struct ks_request_log *log);

/*
 * No request may be with the handlers. Those that wait lose their connections. Accepts a zeroed
 * one.
 */
void ks_interceptor_deinit(struct ks_interceptor *interceptor);

/* Hands requests to these from now on; NULL: closes their connections. Borrows. */
void ks_interceptor_set_inner(struct ks_interceptor *interceptor,
                              const struct ks_request_sink *inner);

/* While it is paused nothing is handled and nothing is answered. */
void ks_interceptor_pause(struct ks_interceptor *interceptor, bool is_paused);

/* Requests that have not been answered. */
size_t ks_interceptor_waiting_count(const struct ks_interceptor *interceptor);

#endif
