/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The HTTP port of a broker, read only unless the broker is there to be tested:
 *
 *     /metrics    all metrics, as Prometheus reads them (text format 0.0.4)
 *     /healthz    200 as long as the loop turns; /livez is the same
 *     /readyz     200 if the broker serves clients, else 503 and why it doesn't
 *     /status     what the broker is and does, as JSON
 *     /testing/   where there is somebody to take commands: docs/test-fixture.md
 *
 * One request a connection, GET or HEAD without a body, in a few seconds. A few connections at a
 * time, those over it are closed at once: whoever finds the port can't use up what the broker needs
 * (docs/decisions/0016-http-port.md).
 */
#ifndef KS_OPS_HTTP_H
#define KS_OPS_HTTP_H

#include "broker/broker.h"

struct ks_http;

/* Where an answer that comes later goes to. */
struct ks_http_later {
    uint64_t connection;
};

struct ks_http_command {
    bool is_post;
    const char *path;  /* behind "/testing/" */
    const char *query; /* as it came, behind the "?"; "": none */
    struct ks_http_later later;
};

struct ks_http_pages {
    void *self;
    void (*read_metrics)(void *self, struct ks_metrics *metrics);
    const char *(*why_not_ready)(void *self); /* NULL: it serves clients */
    void (*describe)(void *self, const struct kafscale_describe *describe);
    /*
     * Does it, tells what is to be told as JSON, and returns the code of HTTP; 0: ks_http_reply
     * will be called, not before this returned. NULL: there are no commands.
     */
    int (*command)(void *self, const struct ks_http_command *command,
                   const struct kafscale_describe *describe);
};

/*
 * Serves on a listening, non-blocking socket, which it takes on KAFSCALE_OK. Borrows `env`, copies
 * `pages`.
 */
KAFSCALE_MUST_CHECK enum kafscale_status ks_http_new(struct ks_env *env, int fd,
                                                     const struct ks_http_pages *pages,
                                                     struct ks_http **http_out,
                                                     struct kafscale_error *error);

/* The answer to a command, with why it failed if it did; dropped when nobody waits any more. */
void ks_http_reply(struct ks_http *http, struct ks_http_later later, int code, const char *error);

/* Whether somebody still waits for that answer. */
bool ks_http_is_awaited(struct ks_http *http, struct ks_http_later later);

/* Closes the socket and all connections. Accepts NULL. */
void ks_http_free(struct ks_http *http);

#endif
