/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The HTTP port of a broker, read only:
 *
 *     /metrics    all metrics, as Prometheus reads them (text format 0.0.4)
 *     /healthz    200 as long as the loop turns; /livez is the same
 *     /readyz     200 if the broker serves clients, else 503 and why it doesn't
 *     /status     what the broker is and does, as JSON
 *
 * One request a connection, GET or HEAD without a body, in a few seconds. A few connections at a
 * time, those over it are closed at once: whoever finds the port can't use up what the broker needs
 * (docs/decisions/0016-http-port.md).
 */
#ifndef KS_OPS_HTTP_H
#define KS_OPS_HTTP_H

#include "broker/broker.h"

struct ks_http;

struct ks_http_pages {
    void *self;
    void (*read_metrics)(void *self, struct ks_metrics *metrics);
    const char *(*why_not_ready)(void *self); /* NULL: it serves clients */
    void (*describe)(void *self, const struct kafscale_describe *describe);
};

/*
 * Serves on a listening, non-blocking socket, which it takes on KAFSCALE_OK. Borrows `env`, copies
 * `pages`.
 */
KAFSCALE_MUST_CHECK enum kafscale_status ks_http_new(struct ks_env *env, int fd,
                                                     const struct ks_http_pages *pages,
                                                     struct ks_http **http_out,
                                                     struct kafscale_error *error);

/* Closes the socket and all connections. Accepts NULL. */
void ks_http_free(struct ks_http *http);

#endif
