/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The broker's loop, as it shows itself to plug-ins and to stores that an embedder writes: time,
 * randomness, timers, calls for later, descriptors, blocking work and a line in the log.
 *
 * Everything happens on one thread, the loop thread, which also makes every call that comes back.
 * The structs below are embedded by whoever uses them and begin zeroed; their `reserved` words
 * are the loop's. They stay where they are, and are not touched but through these functions,
 * while they are set. All of them must be at rest before the store that uses them tells that it
 * has closed.
 */
#ifndef KAFSCALE_LOOP_H
#define KAFSCALE_LOOP_H

#include "kafscale/logger.h"
#include "kafscale/status.h"

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define KAFSCALE_LOOP_OPS_VERSION 1u

/* Calls `on_due` once, at its time or a little later. */
struct kafscale_timer {
    void (*on_due)(void *arg);
    void *arg;
    uint64_t reserved[10];
};

/* Calls `run` once, in a turn of the loop that comes after the present call has returned. */
struct kafscale_task {
    void (*run)(void *arg);
    void *arg;
    uint64_t reserved[6];
};

/* What a descriptor is watched for, and what it is found ready for; either or both. */
enum { KAFSCALE_WATCH_READ = 1, KAFSCALE_WATCH_WRITE = 2 };

/* Calls `on_ready` again and again as long as the descriptor is ready (level-triggered). */
struct kafscale_watch {
    void (*on_ready)(void *arg, unsigned ready);
    void *arg;
    uint64_t reserved[6];
};

/*
 * Work that blocks: `run` is called once on some other thread, which must not touch what belongs
 * to the loop thread; then `done` on the loop thread.
 */
struct kafscale_job {
    void (*run)(void *arg);
    void (*done)(void *arg);
    void *arg;
    uint64_t reserved[6];
};

/*
 * Filled in by the library. `version` is that of the library: a member is there if the version
 * that brought it is not above. Members are only ever appended.
 */
struct kafscale_loop_ops {
    uint32_t version;

    int64_t (*now_ms)(void *self);                      /* monotonic; for all that is measured */
    int64_t (*wall_ms)(void *self);                     /* since 1970; may jump */
    void (*random)(void *self, void *out, size_t size); /* unpredictable bytes */

    /*
     * Sets (or moves) a timer to an absolute time of now_ms; a time that has passed is due at the
     * next turn. Cancelling one that isn't set does nothing.
     */
    void (*set_timer)(void *self, struct kafscale_timer *timer, int64_t due_ms);
    void (*cancel_timer)(void *self, struct kafscale_timer *timer);

    /* Does nothing for a task that waits already; cancelling one that doesn't wait neither. */
    void (*defer)(void *self, struct kafscale_task *task);
    void (*cancel_task)(void *self, struct kafscale_task *task);

    /*
     * Watches a descriptor for `wanted`, or changes what a watch waits for; 0 ends it, which can't
     * fail and must come before the descriptor is closed. KAFSCALE_UNSUPPORTED: this loop has no
     * descriptors. KAFSCALE_NO_MEMORY, KAFSCALE_IO: it can't, and watches nothing now.
     */
    enum kafscale_status (*watch)(void *self, struct kafscale_watch *watch, int fd,
                                  unsigned wanted);

    void (*submit)(void *self, struct kafscale_job *job);

    /*
     * An event to the broker's logger, if its level is wanted. The message has the same words for
     * each event of a kind; what differs is in the fields. All is copied, and cut where it is long.
     */
    void (*log)(void *self, enum kafscale_log_level level, const char *message,
                const struct kafscale_log_field *fields, size_t field_count);
};

/* A loop: the operations and their object. Copied freely; valid as long as the broker runs. */
struct kafscale_loop {
    const struct kafscale_loop_ops *ops;
    void *self;
};

#ifdef __cplusplus
}
#endif

#endif
