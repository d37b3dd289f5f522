/* SPDX-License-Identifier: Apache-2.0 */
/* The calls that make one, each with its own way to fail. */
#include "net/listen_socket.h"

#include "net/address.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

static enum kafscale_status
fail(int fd, const char *what, const char *address, struct kafscale_error *error)
{
    int reason = errno;

    if (fd >= 0) {
        close(fd);
    }
    return ks_error_set(error, KAFSCALE_IO, "%s %s: %s", what, address, strerror(reason));
}

/* IPv6 may be switched off in the kernel: "every address" then is every IPv4 address. */
static int
open_socket(struct ks_address *address)
{
    struct sockaddr_in any = { .sin_family = AF_INET };
    int fd = socket(address->storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd >= 0 || !address->is_dual) {
        return fd;
    }
    any.sin_port = htons(ks_address_port((const struct sockaddr *) &address->storage));
    memcpy(&address->storage, &any, sizeof any);
    address->size = sizeof any;
    return socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

static enum kafscale_status
bind_and_listen(const char *text, struct ks_address *address, int backlog, int *fd_out,
                struct kafscale_error *error)
{
    int yes = 1;
    int v6_only = address->is_dual ? 0 : 1;
    int fd = open_socket(address);

    if (fd < 0) {
        return fail(fd, "socket for", text, error);
    }
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) != 0) {
        return fail(fd, "SO_REUSEADDR for", text, error);
    }
    if (address->storage.ss_family == AF_INET6 &&
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6_only, sizeof v6_only) != 0) {
        return fail(fd, "IPV6_V6ONLY for", text, error);
    }
    if (bind(fd, (const struct sockaddr *) &address->storage, address->size) != 0) {
        return fail(fd, "bind to", text, error);
    }
    if (listen(fd, backlog) != 0) {
        return fail(fd, "listen on", text, error);
    }
    *fd_out = fd;
    return KAFSCALE_OK;
}

enum kafscale_status
ks_listen_socket(const char *address, int backlog, int *fd_out, uint16_t *port_out,
                 struct kafscale_error *error)
{
    struct ks_address parsed;
    struct sockaddr_storage bound = { 0 };
    socklen_t bound_size = sizeof bound;
    int fd = -1;
    enum kafscale_status status = ks_address_parse(address, &parsed, error);

    if (status == KAFSCALE_OK) {
        status = bind_and_listen(address, &parsed, backlog, &fd, error);
    }
    if (status != KAFSCALE_OK) {
        return status;
    }
    if (getsockname(fd, (struct sockaddr *) &bound, &bound_size) != 0) {
        return fail(fd, "getsockname of", address, error);
    }
    *port_out = ks_address_port((const struct sockaddr *) &bound);
    *fd_out = fd;
    return KAFSCALE_OK;
}
