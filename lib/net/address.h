/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Socket addresses: from "host:port" and to text, and how many connections each one has.
 */
#ifndef KS_NET_ADDRESS_H
#define KS_NET_ADDRESS_H

#include "base/base.h"

#include <sys/socket.h>

/* With the final NUL and room for an IPv6 scope. */
#define KS_ADDRESS_TEXT_BYTES 64

struct ks_address {
    struct sockaddr_storage storage;
    socklen_t size;
    bool is_dual; /* an IPv6 wildcard that stands for IPv4 as well */
};

/*
 * Takes "127.0.0.1:9092", "[::1]:9092", "localhost:0" or ":9092" (every address, IPv4 and
 * IPv6). A name is looked up, which may block: at start only.
 */
KAFSCALE_MUST_CHECK enum kafscale_status ks_address_parse(const char *text,
                                                          struct ks_address *address_out,
                                                          struct kafscale_error *error);

/*
 * The host alone, "127.0.0.1" or "::1"; a mapped IPv4 address as IPv4; "local" for a socket
 * without one.
 */
void ks_address_host_text(const struct sockaddr *address, char text_out[KS_ADDRESS_TEXT_BYTES]);

/* 0 for a socket without one. */
uint16_t ks_address_port(const struct sockaddr *address);

/*
 * Counts connections by address; an IPv6 network of 64 bits counts as one, for that is what one
 * person gets.
 */
struct ks_address_counts {
    struct ks_table table;
};

/* One address that has connections. */
struct ks_address_count;

void ks_address_counts_init(struct ks_address_counts *counts, uint64_t seed);
void ks_address_counts_deinit(struct ks_address_counts *counts);

/*
 * KAFSCALE_FULL: there are `count_max` already. A socket without an address has no limit and
 * gets NULL.
 */
KAFSCALE_MUST_CHECK enum kafscale_status ks_address_counts_add(struct ks_address_counts *counts,
                                                               const struct sockaddr *address,
                                                               uint32_t count_max,
                                                               struct ks_address_count **count_out);

/* Accepts NULL. */
void ks_address_counts_remove(struct ks_address_counts *counts, struct ks_address_count *count);

#endif
