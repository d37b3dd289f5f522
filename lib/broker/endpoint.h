/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Network addresses as people write them in options: host:port, [IPv6]:port, or :port for every
 * interface, each with an optional PLAINTEXT:// before it as Kafka has it; lists separate them by
 * commas.
 */
#ifndef KS_BROKER_ENDPOINT_H
#define KS_BROKER_ENDPOINT_H

#include "base/base.h"

#define KS_HOST_BYTES 256
#define KS_ENDPOINT_TEXT_BYTES 272

struct ks_endpoint {
    char host[KS_HOST_BYTES]; /* empty: every interface; IPv6 without brackets */
    uint16_t port;
};

/* One address. KAFSCALE_INVALID without a text: the caller knows what is being read. */
KAFSCALE_MUST_CHECK enum kafscale_status ks_endpoint_parse(struct kafscale_slice text,
                                                           struct ks_endpoint *endpoint_out);

/* The address as text, with brackets where they are needed. */
void ks_endpoint_format(const struct ks_endpoint *endpoint, char text_out[KS_ENDPOINT_TEXT_BYTES]);

/*
 * Takes the next element off a comma-separated list, without the spaces around it; false at its
 * end. An empty list has no element, but an element may be empty.
 */
bool ks_list_text_next(struct kafscale_slice *rest, struct kafscale_slice *element_out);

#endif
