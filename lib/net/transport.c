/* SPDX-License-Identifier: Apache-2.0 */
/* A peer that has gone is ordinary: no SIGPIPE for a program that only embeds a broker. */
#include "net/transport.h"

#include <assert.h>
#include <errno.h>
#include <sys/socket.h>

static enum ks_transport_result
result_of(ssize_t moved, size_t *size_out)
{
    if (moved > 0) {
        *size_out = (size_t) moved;
        return KS_TRANSPORT_OK;
    }
    if (moved < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
        return KS_TRANSPORT_AGAIN;
    }
    return KS_TRANSPORT_END;
}

static enum ks_transport_result
plain_recv(void *self, int fd, void *out, size_t size, size_t *size_out)
{
    ssize_t moved;

    (void) self;
    assert(size > 0);
    do {
        moved = recv(fd, out, size, MSG_DONTWAIT);
    } while (moved < 0 && errno == EINTR);
    return result_of(moved, size_out);
}

static enum ks_transport_result
plain_send(void *self, int fd, const struct iovec *pieces, size_t piece_count, size_t *size_out)
{
    struct msghdr message = { .msg_iov = (struct iovec *) pieces, .msg_iovlen = piece_count };
    ssize_t moved;

    (void) self;
    assert(piece_count > 0);
    do {
        moved = sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    } while (moved < 0 && errno == EINTR);
    return result_of(moved, size_out);
}

static void
plain_close(void *self)
{
    (void) self;
}

static const struct ks_transport_ops plain_ops = {
    .recv = plain_recv,
    .send = plain_send,
    .close = plain_close,
};

struct ks_transport
ks_transport_plain(void)
{
    return (struct ks_transport){ .ops = &plain_ops };
}
