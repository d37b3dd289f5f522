/* SPDX-License-Identifier: Apache-2.0 */
/* One writev a request and two recv an answer: nothing is copied on the way out. */
#include "wire.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define FRAME_BYTES_MAX ((size_t) 256 << 20)
#define COPIED_BYTES_MAX ((size_t) 1 << 20)
#define PARTS_MAX 1024

_Noreturn void
die(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    exit(EXIT_FAILURE);
}

int64_t
now_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t) now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static struct addrinfo *
look_up(const char *address)
{
    char host[256];
    const char *colon = strrchr(address, ':');
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV };
    struct addrinfo *found;

    if (colon == NULL || (size_t) (colon - address) >= sizeof host) {
        die("'%s' is not host:port", address);
    }
    memcpy(host, address, (size_t) (colon - address));
    host[colon - address] = '\0';
    if (getaddrinfo(host, colon + 1, &hints, &found) != 0) {
        die("'%s' is not known", address);
    }
    return found;
}

bool
wire_try_connect(struct wire *wire, const char *address)
{
    struct addrinfo *found = look_up(address);
    int fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int result = fd < 0 ? -1 : connect(fd, found->ai_addr, found->ai_addrlen);
    int yes = 1;

    freeaddrinfo(found);
    if (result != 0) {
        int reason = errno;

        close(fd);
        errno = reason;
        return false;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    *wire = (struct wire){ .fd = fd };
    ks_buffer_init(&wire->frame, FRAME_BYTES_MAX);
    return true;
}

void
wire_connect(struct wire *wire, const char *address)
{
    if (!wire_try_connect(wire, address)) {
        die("connect to %s: %s", address, strerror(errno));
    }
}

void
wire_close(struct wire *wire)
{
    close(wire->fd);
    ks_buffer_deinit(&wire->frame);
}

static void
write_all(int fd, struct iovec *vectors, int count)
{
    while (count > 0) {
        ssize_t written = writev(fd, vectors, count);

        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written < 0) {
            die("send: %s", strerror(errno));
        }
        while (count > 0 && (size_t) written >= vectors->iov_len) {
            written -= (ssize_t) vectors->iov_len;
            vectors++;
            count--;
        }
        if (count > 0) {
            vectors->iov_base = (char *) vectors->iov_base + written;
            vectors->iov_len -= (size_t) written;
        }
    }
}

void
wire_send(struct wire *wire, int16_t key, int16_t version, const void *request)
{
    struct kafka_request_header header = { .api_key = key,
                                           .api_version = version,
                                           .correlation_id = wire->next_correlation++,
                                           .client_id = ks_slice_of_text("bench") };
    struct kafscale_error error = { 0 };
    const struct kafscale_slice *parts;
    struct iovec vectors[PARTS_MAX];
    struct kafka_writer writer;
    size_t count;

    kafka_writer_init(&writer, COPIED_BYTES_MAX);
    if (kafka_request_encode(&header, request, &writer, &error) != KAFSCALE_OK) {
        die("request: %s", error.text);
    }
    if (kafka_writer_finish(&writer, &parts, &count) != KAFSCALE_OK || count > PARTS_MAX) {
        die("request: too many parts");
    }
    for (size_t i = 0; i < count; i++) {
        vectors[i].iov_base = (void *) (uintptr_t) parts[i].data;
        vectors[i].iov_len = parts[i].size;
    }
    write_all(wire->fd, vectors, (int) count);
    kafka_writer_deinit(&writer);
}

bool
wire_wait(struct wire *wire, int64_t until_us)
{
    struct pollfd readable = { .fd = wire->fd, .events = POLLIN };
    int64_t left_us = until_us - now_us();
    struct timespec left = { .tv_sec = (time_t) (left_us / 1000000),
                             .tv_nsec = (long) (left_us % 1000000) * 1000 };

    return left_us > 0 && ppoll(&readable, 1, &left, NULL) > 0;
}

static void
read_exactly(int fd, void *out, size_t size)
{
    uint8_t *next = out;

    while (size > 0) {
        ssize_t got = recv(fd, next, size, MSG_WAITALL);

        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            die("receive: %s", got == 0 ? "the broker closed the connection" : strerror(errno));
        }
        next += got;
        size -= (size_t) got;
    }
}

void
wire_receive(struct wire *wire, int16_t key, int16_t version, struct ks_arena *arena,
             void *response_out)
{
    struct kafscale_error error = { 0 };
    uint8_t prefix[KAFKA_FRAME_LENGTH_BYTES];
    struct kafscale_slice body;
    int32_t correlation;
    int32_t size;
    uint8_t *bytes;

    read_exactly(wire->fd, prefix, sizeof prefix);
    size = kafka_frame_length(prefix);
    ks_buffer_clear(&wire->frame);
    bytes = size > 0 ? ks_buffer_extend(&wire->frame, (size_t) size) : NULL;
    if (bytes == NULL) {
        die("an answer of %d bytes", size);
    }
    read_exactly(wire->fd, bytes, (size_t) size);
    if (kafka_response_header_decode(ks_slice(bytes, (size_t) size), key, version, &correlation,
                                     &body, &error) != KAFSCALE_OK ||
        kafka_decode(kafka_api_find(key)->response, version, body, arena, response_out, &error) !=
            KAFSCALE_OK) {
        die("answer: %s", error.text);
    }
}
