/* SPDX-License-Identifier: Apache-2.0 */
/*
 * IPv4 peers of a socket for both families come mapped; they are shown and counted as what they
 * are.
 */
#include "net/address.h"

#include <arpa/inet.h>
#include <assert.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define HOST_BYTES_MAX 256
#define PORT_BYTES_MAX 6

struct ks_address_count {
    struct ks_table_node node;
    uint8_t key[8];
    size_t key_size;
    uint32_t count;
};

/* Splits at the last colon; brackets around the host are taken off. */
static bool
split(const char *text, char host_out[HOST_BYTES_MAX], char port_out[PORT_BYTES_MAX])
{
    const char *colon = strrchr(text, ':');
    const char *host = text;
    size_t host_size;
    size_t port_size;

    if (colon == NULL) {
        return false;
    }
    host_size = (size_t) (colon - text);
    port_size = strlen(colon + 1);
    if (port_size == 0 || port_size >= PORT_BYTES_MAX ||
        strspn(colon + 1, "0123456789") != port_size) {
        return false;
    }
    if (host_size >= 2 && host[0] == '[' && host[host_size - 1] == ']') {
        host++;
        host_size -= 2;
    } else if (memchr(host, ':', host_size) != NULL) {
        return false;
    }
    if (host_size >= HOST_BYTES_MAX) {
        return false;
    }
    memcpy(host_out, host, host_size);
    host_out[host_size] = '\0';
    memcpy(port_out, colon + 1, port_size + 1);
    return true;
}

static void
use_wildcard(uint16_t port, struct ks_address *address_out)
{
    struct sockaddr_in6 any = { .sin6_family = AF_INET6,
                                .sin6_port = htons(port),
                                .sin6_addr = IN6ADDR_ANY_INIT };

    *address_out = (struct ks_address){ .size = sizeof any, .is_dual = true };
    memcpy(&address_out->storage, &any, sizeof any);
}

/*
 * "localhost" is this machine (RFC 6761), also where nothing knows it: a bare system has no hosts
 * file.
 */
static const char *
look_up_as(const char *host)
{
    return strcasecmp(host, "localhost") == 0 ? "127.0.0.1" : host;
}

/*
 * IPv4 first where a name has both: clients that try "localhost" over IPv6 first go on to IPv4,
 * not all the other way.
 */
static const struct addrinfo *
choose(const struct addrinfo *found)
{
    for (const struct addrinfo *one = found; one != NULL; one = one->ai_next) {
        if (one->ai_family == AF_INET) {
            return one;
        }
    }
    return found;
}

enum kafscale_status
ks_address_parse(const char *text, struct ks_address *address_out, struct kafscale_error *error)
{
    struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM };
    struct addrinfo *found = NULL;
    const struct addrinfo *chosen;
    char host[HOST_BYTES_MAX];
    char port[PORT_BYTES_MAX];
    unsigned port_number;
    int result;

    if (!split(text, host, port) || sscanf(port, "%5u", &port_number) != 1 ||
        port_number > UINT16_MAX) {
        return ks_error_set(error, KAFSCALE_INVALID, "'%s' is no address of the form host:port",
                            text);
    }
    if (host[0] == '\0') {
        use_wildcard((uint16_t) port_number, address_out);
        return KAFSCALE_OK;
    }
    result = getaddrinfo(look_up_as(host), port, &hints, &found);
    if (result != 0) {
        return ks_error_set(error, KAFSCALE_INVALID, "host '%s': %s", host, gai_strerror(result));
    }
    chosen = choose(found);
    assert(chosen->ai_addrlen <= sizeof address_out->storage);
    *address_out = (struct ks_address){ .size = chosen->ai_addrlen };
    memcpy(&address_out->storage, chosen->ai_addr, chosen->ai_addrlen);
    freeaddrinfo(found);
    return KAFSCALE_OK;
}

/* The four bytes of an IPv4 address, also of a mapped one; false for others. */
static bool
ipv4_bytes(const struct sockaddr *address, uint8_t bytes_out[4])
{
    if (address->sa_family == AF_INET) {
        struct sockaddr_in in;

        memcpy(&in, address, sizeof in);
        memcpy(bytes_out, &in.sin_addr, 4);
        return true;
    }
    if (address->sa_family == AF_INET6) {
        struct sockaddr_in6 in6;

        memcpy(&in6, address, sizeof in6);
        if (IN6_IS_ADDR_V4MAPPED(&in6.sin6_addr)) {
            memcpy(bytes_out, in6.sin6_addr.s6_addr + 12, 4);
            return true;
        }
    }
    return false;
}

void
ks_address_host_text(const struct sockaddr *address, char text_out[KS_ADDRESS_TEXT_BYTES])
{
    uint8_t bytes[4];
    struct sockaddr_in6 in6;

    if (ipv4_bytes(address, bytes)) {
        inet_ntop(AF_INET, bytes, text_out, KS_ADDRESS_TEXT_BYTES);
    } else if (address->sa_family == AF_INET6) {
        memcpy(&in6, address, sizeof in6);
        inet_ntop(AF_INET6, &in6.sin6_addr, text_out, KS_ADDRESS_TEXT_BYTES);
    } else {
        snprintf(text_out, KS_ADDRESS_TEXT_BYTES, "local");
    }
}

uint16_t
ks_address_port(const struct sockaddr *address)
{
    struct sockaddr_in in;
    struct sockaddr_in6 in6;

    if (address->sa_family == AF_INET) {
        memcpy(&in, address, sizeof in);
        return ntohs(in.sin_port);
    }
    if (address->sa_family == AF_INET6) {
        memcpy(&in6, address, sizeof in6);
        return ntohs(in6.sin6_port);
    }
    return 0;
}

void
ks_address_counts_init(struct ks_address_counts *counts, uint64_t seed)
{
    ks_table_init(&counts->table, seed);
}

void
ks_address_counts_deinit(struct ks_address_counts *counts)
{
    assert(counts->table.count == 0);
    ks_table_deinit(&counts->table);
}

/* 4 bytes of an IPv4 address or the 8 of an IPv6 network; 0: no address. */
static size_t
key_of(const struct sockaddr *address, uint8_t key_out[8])
{
    struct sockaddr_in6 in6;

    if (ipv4_bytes(address, key_out)) {
        return 4;
    }
    if (address->sa_family != AF_INET6) {
        return 0;
    }
    memcpy(&in6, address, sizeof in6);
    memcpy(key_out, in6.sin6_addr.s6_addr, 8);
    return 8;
}

enum kafscale_status
ks_address_counts_add(struct ks_address_counts *counts, const struct sockaddr *address,
                      uint32_t count_max, struct ks_address_count **count_out)
{
    uint8_t key[8];
    size_t key_size = key_of(address, key);
    struct ks_table_node *node;
    struct ks_address_count *count;

    if (key_size == 0) {
        *count_out = NULL;
        return KAFSCALE_OK;
    }
    node = ks_table_find(&counts->table, ks_slice(key, key_size));
    if (node != NULL) {
        count = KS_CONTAINER(node, struct ks_address_count, node);
        if (count->count >= count_max) {
            return KAFSCALE_FULL;
        }
        count->count++;
        *count_out = count;
        return KAFSCALE_OK;
    }
    count = ks_alloc_zero(1, sizeof *count);
    if (count == NULL) {
        return KAFSCALE_NO_MEMORY;
    }
    memcpy(count->key, key, key_size);
    count->key_size = key_size;
    count->count = 1;
    if (ks_table_insert(&counts->table, &count->node, ks_slice(count->key, key_size)) !=
        KAFSCALE_OK) {
        ks_free(count);
        return KAFSCALE_NO_MEMORY;
    }
    *count_out = count;
    return KAFSCALE_OK;
}

void
ks_address_counts_remove(struct ks_address_counts *counts, struct ks_address_count *count)
{
    if (count == NULL || --count->count > 0) {
        return;
    }
    ks_table_remove(&counts->table, &count->node);
    ks_free(count);
}
