/* SPDX-License-Identifier: Apache-2.0 */
/* A name that begins with "@" is one in the abstract namespace, where a zero byte stands for it. */
#include "notify.h"

#include "report.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* The size of the address, and 0 for a name that is none of a local socket. */
static socklen_t
address_of(const char *name, struct sockaddr_un *address_out)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    size_t size = strlen(name);

    if ((name[0] != '/' && name[0] != '@') || size < 2 || size >= sizeof address.sun_path) {
        return 0;
    }
    memcpy(address.sun_path, name, size);
    if (name[0] == '@') {
        address.sun_path[0] = '\0';
    }
    *address_out = address;
    return (socklen_t) (offsetof(struct sockaddr_un, sun_path) + size);
}

/* Returns the errno of what failed, or 0. */
static int
send_to(const char *name, const char *lines)
{
    struct sockaddr_un address;
    socklen_t size = address_of(name, &address);
    int result = 0;
    int fd;

    if (size == 0) {
        return EAFNOSUPPORT;
    }
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return errno;
    }
    while (sendto(fd, lines, strlen(lines), MSG_NOSIGNAL, (struct sockaddr *) &address, size) < 0) {
        if (errno != EINTR) {
            result = errno;
            break;
        }
    }
    close(fd);
    return result;
}

void
notify_send(const char *lines)
{
    static bool has_warned;
    const char *name = getenv("NOTIFY_SOCKET");
    int failure;

    if (name == NULL || *name == '\0') {
        return;
    }
    failure = send_to(name, lines);
    if (failure != 0 && !has_warned) {
        has_warned = true;
        report(KAFSCALE_LOG_WARN, "can't tell the service manager at NOTIFY_SOCKET", "socket", name,
               "reason", strerror(failure), NULL);
    }
}

/* The variable as a number above 0; otherwise 0. */
static long long
number(const char *variable)
{
    const char *text = getenv(variable);
    char *end;
    long long value;

    if (text == NULL || *text == '\0') {
        return 0;
    }
    errno = 0;
    value = strtoll(text, &end, 10);
    return errno == 0 && *end == '\0' && value > 0 ? value : 0;
}

/* Twice in the time after which a silent process is ended, and never in a busy loop. */
int64_t
notify_watchdog_ms(void)
{
    const char *pid = getenv("WATCHDOG_PID");
    long long limit_us = number("WATCHDOG_USEC");

    if (limit_us == 0 || (pid != NULL && number("WATCHDOG_PID") != getpid())) {
        return 0;
    }
    return limit_us < 2000 ? 1 : limit_us / 2000;
}
