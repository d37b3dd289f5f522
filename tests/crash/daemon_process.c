/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The daemon dies with its parent (PR_SET_PDEATHSIG), so that a test that is killed leaves
 * nothing running behind.
 */
#include "daemon_process.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const char READY[] = "broker listening on ";

static void
die(const char *what)
{
    perror(what);
    exit(EXIT_FAILURE);
}

uint16_t
daemon_free_port(void)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || bind(fd, (struct sockaddr *) &address, sizeof(address)) != 0 ||
        getsockname(fd, (struct sockaddr *) &address, &size) != 0) {
        die("a free port");
    }
    close(fd);
    return ntohs(address.sin_port);
}

int64_t
daemon_now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t) now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* In the child: becomes the daemon. Never returns. */
static void
become_daemon(const struct daemon_process *daemon, int ready_fd)
{
    const char *words[2 * DAEMON_SETTINGS_MAX + 8] = { daemon->binary };
    char listen[64];
    char store[4096];
    size_t count = 1;
    int log_fd = open(daemon->log_path, O_WRONLY | O_CREAT | O_APPEND, 0600);

    snprintf(listen, sizeof(listen), "listen=127.0.0.1:%u", daemon->port);
    words[count++] = "--set";
    words[count++] = listen;
    if (daemon->directory != NULL) {
        snprintf(store, sizeof(store), "store=dir:%s", daemon->directory);
        words[count++] = "--set";
        words[count++] = store;
    }
    for (size_t i = 0; i < daemon->setting_count; i++) {
        words[count++] = "--set";
        words[count++] = daemon->settings[i];
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (log_fd >= 0 && dup2(ready_fd, STDOUT_FILENO) >= 0 && dup2(log_fd, STDERR_FILENO) >= 0) {
        execv(daemon->binary, (char *const *) words);
    }
    _exit(127);
}

void
daemon_start(struct daemon_process *daemon)
{
    int ends[2];

    if (pipe2(ends, O_CLOEXEC) != 0) {
        die("pipe");
    }
    daemon->pid = fork();
    if (daemon->pid < 0) {
        die("fork");
    }
    if (daemon->pid == 0) {
        become_daemon(daemon, ends[1]);
    }
    close(ends[1]);
    daemon->ready_fd = ends[0];
    daemon->is_ready = false;
}

/* Takes note that the process is gone. */
static void
reap(struct daemon_process *daemon)
{
    waitpid(daemon->pid, NULL, 0);
    close(daemon->ready_fd);
    daemon->pid = 0;
}

/*
 * Reads what it printed; the ready line is short and comes in one write, so pieces need no gluing.
 */
static void
read_output(struct daemon_process *daemon)
{
    char output[4096];
    ssize_t size = read(daemon->ready_fd, output, sizeof(output) - 1);

    if (size <= 0) {
        reap(daemon);
        return;
    }
    output[size] = '\0';
    daemon->is_ready = daemon->is_ready || strstr(output, READY) != NULL;
}

bool
daemon_wait_ready(struct daemon_process *daemon, int64_t wait_ms)
{
    int64_t deadline_ms = daemon_now_ms() + wait_ms;

    while (!daemon->is_ready && daemon->pid != 0) {
        struct pollfd input = { .fd = daemon->ready_fd, .events = POLLIN };
        int64_t left_ms = deadline_ms - daemon_now_ms();

        if (poll(&input, 1, left_ms > 0 ? (int) left_ms : 0) > 0) {
            read_output(daemon);
        } else if (left_ms <= 0) {
            return false;
        }
    }
    return daemon->is_ready && daemon->pid != 0;
}

void
daemon_kill(struct daemon_process *daemon)
{
    if (daemon->pid == 0) {
        return;
    }
    kill(daemon->pid, SIGKILL);
    reap(daemon);
}

bool
daemon_stop(struct daemon_process *daemon, int64_t wait_ms)
{
    int64_t deadline_ms = daemon_now_ms() + wait_ms;
    int status = 0;

    kill(daemon->pid, SIGTERM);
    while (daemon_now_ms() < deadline_ms) {
        struct pollfd input = { .fd = daemon->ready_fd, .events = POLLIN };
        char output[4096];

        /* The end of its output tells of its end, without asking again and again. */
        if (poll(&input, 1, (int) (deadline_ms - daemon_now_ms())) > 0 &&
            read(daemon->ready_fd, output, sizeof(output)) <= 0) {
            waitpid(daemon->pid, &status, 0);
            close(daemon->ready_fd);
            daemon->pid = 0;
            return WIFEXITED(status) && WEXITSTATUS(status) == 0;
        }
    }
    daemon_kill(daemon);
    return false;
}
