/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A kafscaled process under test: started on a port and a directory, watched for its ready line,
 * killed without warning.
 */
#ifndef KS_TESTS_CRASH_DAEMON_PROCESS_H
#define KS_TESTS_CRASH_DAEMON_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define DAEMON_SETTINGS_MAX 32

struct daemon_process {
    const char *binary;
    const char *directory;       /* of its store; NULL: its environment says */
    const char *const *settings; /* "key=value" besides */
    size_t setting_count;
    const char *log_path; /* takes what the daemon writes to stderr, appended */
    uint16_t port;
    pid_t pid; /* 0: not running */
    int ready_fd;
    bool is_ready;
};

/* A port of 127.0.0.1 that was free a moment ago. */
uint16_t daemon_free_port(void);

/* Milliseconds of a clock that never goes back. */
int64_t daemon_now_ms(void);

/* Starts it and returns at once. Must not be running. */
void daemon_start(struct daemon_process *daemon);

/*
 * Waits for the ready line, at most `wait_ms`. False: not yet, or the process has ended (then
 * `pid` is 0 and its last words are in the log file).
 */
bool daemon_wait_ready(struct daemon_process *daemon, int64_t wait_ms);

/* SIGKILL, and waits until it is gone. Does nothing when it is not running. */
void daemon_kill(struct daemon_process *daemon);

/* SIGTERM; true when it then ends by itself with status 0 within `wait_ms`, else it is killed. */
bool daemon_stop(struct daemon_process *daemon, int64_t wait_ms);

#endif
