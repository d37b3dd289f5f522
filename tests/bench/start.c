/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How long from starting a broker to its first answer. Starts the command, which is to listen on
 * ADDRESS, connects as soon as that can be done, asks, and stops the command again.
 *
 *     start ADDRESS hello COMMAND...            until ApiVersions is answered
 *     start ADDRESS produce TOPIC COMMAND...    until a record is acknowledged
 *     start ADDRESS create TOPIC COMMAND...     the same with a topic that it makes before
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
#define PAUSE_NS_MIN 50000

extern char **environ;

/* The broker, as long as it runs. */
static pid_t running;

static void
kill_running(void)
{
    if (running != 0) {
        kill(running, SIGKILL);
    }
}

/* It doesn't outlive this program, whatever happens. */
static void
spawn(char **command)
{
    posix_spawn_file_actions_t actions;

    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    if (posix_spawn(&running, command[0], &actions, NULL, command, environ) != 0) {
        die("'%s' can't be started", command[0]);
    }
    posix_spawn_file_actions_destroy(&actions);
    atexit(kill_running);
}

/*
 * Waits a thousandth of what has passed: exact enough, and a broker that takes seconds has the
 * processor for itself.
 */
static void
pause_a_little(int64_t begun_us)
{
    int64_t passed_us = now_us() - begun_us;
    struct timespec pause = { .tv_nsec = passed_us < PAUSE_NS_MIN ? PAUSE_NS_MIN : passed_us };

    if (passed_us > GIVE_UP_US) {
        die("no broker answered in time");
    }
    nanosleep(&pause, NULL);
}

static void
connect_when_possible(struct wire *wire, const char *address, int64_t begun_us)
{
    while (!wire_try_connect(wire, address)) {
        pause_a_little(begun_us);
    }
}

/* A topic that was just made may have no leader yet: as any client, asks again. */
static void
produce_when_possible(struct wire *wire, const char *topic, struct load_batch *batch,
                      int64_t begun_us)
{
    for (;;) {
        int16_t code;

        send_produce(wire, topic, 0, load_batch_next(batch));
        code = await_produce_code(wire);
        if (code == KAFKA_ERROR_NONE) {
            return;
        }
        if (code != KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION &&
            code != KAFKA_ERROR_LEADER_NOT_AVAILABLE &&
            code != KAFKA_ERROR_NOT_LEADER_OR_FOLLOWER) {
            die("produce: %s", kafka_error_name(code));
        }
        pause_a_little(begun_us);
    }
}

/* Virtual machines of Java end with the signal's number even when they end as they were told. */
static bool
has_ended_well(int status)
{
    return WIFEXITED(status) && (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 128 + SIGTERM);
}

static void
stop(void)
{
    pid_t pid = running;
    int status;

    kill(pid, SIGTERM);
    if (waitpid(pid, &status, 0) != pid) {
        die("the broker can't be waited for");
    }
    running = 0;
    if (!has_ended_well(status)) {
        die("the broker ended badly");
    }
}

int
main(int argc, char **argv)
{
    bool is_create = argc > 2 && strcmp(argv[2], "create") == 0;
    bool is_produce = argc > 2 && strcmp(argv[2], "produce") == 0;
    int command_at = is_create || is_produce ? 4 : 3;
    struct load_batch batch;
    uint64_t seed = 1;
    struct wire wire;
    int64_t begun_us;

    if (argc <= command_at) {
        die("usage: start ADDRESS hello|produce TOPIC|create TOPIC COMMAND...");
    }
    load_batch_init(&batch, RECORD_BYTES, RECORD_BYTES, &seed);
    begun_us = now_us();
    spawn(argv + command_at);
    connect_when_possible(&wire, argv[1], begun_us);
    if (is_create) {
        create_topic(&wire, argv[3], 1);
        produce_when_possible(&wire, argv[3], &batch, begun_us);
    } else if (is_produce) {
        send_produce(&wire, argv[3], 0, load_batch_next(&batch));
        await_produce(&wire);
    } else {
        ask_api_versions(&wire);
    }
    printf("{\"ms\": %.3f}\n", (double) (now_us() - begun_us) / 1e3);
    wire_close(&wire);
    load_batch_deinit(&batch);
    stop();
    return EXIT_SUCCESS;
}
