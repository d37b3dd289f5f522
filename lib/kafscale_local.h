/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What producers and consumers inside the process have in common: a lock between the threads of
 * the program and the broker's loop, the way to have the loop do something, and an end, which the
 * caller or the broker may bring about first.
 *
 *     open -> (the broker stops) -> over -> freed
 *     open -> (its owner frees it) -> ended, and freed when nothing is under way any more
 */
#ifndef KS_KAFSCALE_LOCAL_H
#define KS_KAFSCALE_LOCAL_H

#include "client/client.h"
#include "kafscale_internal.h"

#include <pthread.h>

struct ks_local;

/* They come on the loop thread, without the lock, but where it says otherwise. */
struct ks_local_ops {
    /* On the opener's thread, before anybody knows of it. */
    void (*init)(struct ks_local *local, struct ks_env *env, const struct ks_request_sink *sink);
    void (*run)(struct ks_local *local);            /* ks_local_call was called */
    void (*stop)(struct ks_local *local);           /* the broker stops: begin nothing new */
    void (*end)(struct ks_local *local);            /* give everything up; may come twice */
    bool (*is_quiet)(const struct ks_local *local); /* nothing is under way */
    void (*free)(struct ks_local *local);           /* on any thread */
};

struct ks_local {
    const struct ks_local_ops *ops;
    struct ks_list link; /* of the broker; under the broker's lock */
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    struct kafscale_broker *broker; /* under the mutex; NULL: it is over */
    struct ks_task call;
    bool is_called; /* under the mutex: the loop will come */
    bool is_freed;  /* under the mutex: by its owner */
    bool has_ended; /* written by the loop under the mutex: ops->end was called for its owner */
    atomic_int references; /* of the owner, of the broker, of a call that was handed over */
};

/*
 * Enters it into the broker's list. KAFSCALE_INVALID: the broker wasn't started; KAFSCALE_STOPPED:
 * it has been stopped.
 */
KAFSCALE_MUST_CHECK enum kafscale_status ks_local_open(struct ks_local *local,
                                                       const struct ks_local_ops *ops,
                                                       struct kafscale_broker *broker,
                                                       struct kafscale_error *error);

/* Lock and condition: before it is opened, and in ops->free. */
void ks_local_init(struct ks_local *local);
void ks_local_deinit(struct ks_local *local);

void ks_local_lock(struct ks_local *local);
void ks_local_unlock(struct ks_local *local);

/* With the lock: ops->run comes soon. */
void ks_local_call(struct ks_local *local);

/* Wakes who waits. Takes the lock. */
void ks_local_tell(struct ks_local *local);

/*
 * With the lock: waits for ks_local_tell, at most until a time of net/monotonic.h. False: that time
 * is over. Who waits looks again at what it waits for.
 */
bool ks_local_wait(struct ks_local *local, int64_t due_ms);

/* With the lock. Where nobody may wait. */
bool ks_local_is_on_loop(const struct ks_local *local);

/* By its owner: returns when nothing is told any more. */
void ks_local_free(struct ks_local *local);

/* On the loop: maybe nothing is under way any more. It may be gone when this returns. */
void ks_local_quiet(struct ks_local *local);

/* Of the broker: it takes clients, it stops, it is over and no request is under way. */
void ks_locals_take(struct kafscale_broker *broker);
void ks_locals_stop(struct kafscale_broker *broker);
void ks_locals_leave(struct kafscale_broker *broker);

#endif
