/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How long from starting a broker to its first answer. Starts the command, which is to listen on
 * ADDRESS, connects as soon as that can be done, asks, and stops the command again.
 *
 *     start ADDRESS hello COMMAND...            until ApiVersions is answered
 *     start ADDRESS produce TOPIC COMMAND...    until a record is acknowledged
 *
 * Prints one line of JSON.
 */
#include "batches.h"
#include "requests.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>

#define GIVE_UP_US 60000000
#define RECORD_BYTES 100

extern char **environ;

static pid_t
spawn(char **command)
{
    posix_spawn_file_actions_t actions;
    pid_t pid;

    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    if (posix_spawn(&pid, command[0], &actions, NULL, command, environ) != 0) {
        die("'%s' can't be started", command[0]);
    }
    posix_spawn_file_actions_destroy(&actions);
    return pid;
}

static void
connect_when_possible(struct wire *wire, const char *address, int64_t give_up_us)
{
    const struct timespec pause = { .tv_nsec = 50000 };

    while (!wire_try_connect(wire, address)) {
        if (now_us() > give_up_us) {
            die("nobody listens on %s", address);
        }
        nanosleep(&pause, NULL);
    }
}

static void
stop(pid_t pid)
{
    int status;

    kill(pid, SIGTERM);
    if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        die("the broker ended badly");
    }
}

int
main(int argc, char **argv)
{
    bool is_produce = argc > 2 && strcmp(argv[2], "produce") == 0;
    int command_at = is_produce ? 4 : 3;
    struct load_batch batch;
    uint64_t seed = 1;
    struct wire wire;
    int64_t begun_us;
    pid_t pid;

    if (argc <= command_at) {
        die("usage: start ADDRESS hello|produce TOPIC COMMAND...");
    }
    load_batch_init(&batch, RECORD_BYTES, RECORD_BYTES, &seed);
    begun_us = now_us();
    pid = spawn(argv + command_at);
    connect_when_possible(&wire, argv[1], begun_us + GIVE_UP_US);
    if (is_produce) {
        send_produce(&wire, argv[3], 0, load_batch_next(&batch));
        await_produce(&wire);
    } else {
        ask_api_versions(&wire);
    }
    printf("{\"ms\": %.3f}\n", (double) (now_us() - begun_us) / 1e3);
    wire_close(&wire);
    load_batch_deinit(&batch);
    stop(pid);
    return EXIT_SUCCESS;
}
