/* SPDX-License-Identifier: Apache-2.0 */
#include "kafscale_local.h"

#include <assert.h>

/* --- Lock ------------------------------------------------------------------------------------- */

void
ks_local_init(struct ks_local *local)
{
    pthread_mutexattr_t spinning;

    /* It is held for less time than a thread takes to fall asleep. */
    pthread_mutexattr_init(&spinning);
    pthread_mutexattr_settype(&spinning, PTHREAD_MUTEX_ADAPTIVE_NP);
    pthread_mutex_init(&local->mutex, &spinning);
    pthread_mutexattr_destroy(&spinning);
    ks_monotonic_condition_init(&local->changed);
}

void
ks_local_deinit(struct ks_local *local)
{
    pthread_cond_destroy(&local->changed);
    pthread_mutex_destroy(&local->mutex);
}

void
ks_local_lock(struct ks_local *local)
{
    pthread_mutex_lock(&local->mutex);
}

void
ks_local_unlock(struct ks_local *local)
{
    pthread_mutex_unlock(&local->mutex);
}

void
ks_local_tell(struct ks_local *local)
{
    ks_local_lock(local);
    pthread_cond_broadcast(&local->changed);
    ks_local_unlock(local);
}

bool
ks_local_wait(struct ks_local *local, int64_t due_ms)
{
    return ks_monotonic_wait(&local->changed, &local->mutex, due_ms);
}

bool
ks_local_is_on_loop(const struct ks_local *local)
{
    const struct kafscale_broker *broker = local->broker;

    return broker != NULL && (!broker->has_own_loop || ks_loop_thread_is_current(&broker->thread));
}

/* --- Calls and the end ------------------------------------------------------------------------ */

static void
unref(struct ks_local *local)
{
    if (atomic_fetch_sub(&local->references, 1) == 1) {
        local->ops->free(local);
    }
}

/* The broker, or whoever has ended, is done with it: out of the list, whose reference goes. */
static void
leave(struct ks_local *local)
{
    struct kafscale_broker *broker = local->broker;

    pthread_mutex_lock(&broker->locals_mutex);
    ks_list_remove(&local->link);
    pthread_mutex_unlock(&broker->locals_mutex);
    ks_local_lock(local);
    local->broker = NULL;
    pthread_cond_broadcast(&local->changed);
    ks_local_unlock(local);
    unref(local);
}

void
ks_local_quiet(struct ks_local *local)
{
    if (local->has_ended && local->ops->is_quiet(local)) {
        leave(local);
    }
}

/* By its owner: nothing is told any more when this has returned. */
static void
end(struct ks_local *local)
{
    local->ops->end(local);
    ks_local_lock(local);
    local->has_ended = true;
    pthread_cond_broadcast(&local->changed);
    ks_local_unlock(local);
    ks_local_quiet(local);
}

static void
run(void *arg)
{
    struct ks_local *local = arg;
    bool must_end;
    bool is_over;

    ks_local_lock(local);
    local->is_called = false;
    is_over = local->broker == NULL || local->has_ended;
    must_end = local->is_freed;
    ks_local_unlock(local);
    if (!is_over && must_end) {
        end(local);
    } else if (!is_over) {
        local->ops->run(local);
    }
    unref(local);
}

void
ks_local_call(struct ks_local *local)
{
    if (local->is_called || local->broker == NULL) {
        return;
    }
    local->is_called = true;
    atomic_fetch_add(&local->references, 1);
    local->call = (struct ks_task){ .run = run, .arg = local };
    ks_loop_call(local->broker->loop, &local->call);
}

/* Who holds a reference to memory that its owner has freed is the loop alone. */
void
ks_local_free(struct ks_local *local)
{
    ks_local_lock(local);
    local->is_freed = true;
    if (ks_local_is_on_loop(local)) {
        ks_local_unlock(local);
        end(local);
    } else {
        ks_local_call(local);
        while (local->broker != NULL && !local->has_ended) {
            ks_local_wait(local, INT64_MAX);
        }
        ks_local_unlock(local);
    }
    unref(local);
}

/* --- Of the broker ---------------------------------------------------------------------------- */

enum kafscale_status
ks_local_open(struct ks_local *local, const struct ks_local_ops *ops,
              struct kafscale_broker *broker, struct kafscale_error *error)
{
    bool is_new = atomic_load(&broker->state) == KAFSCALE_BROKER_NEW;
    bool is_taken;

    local->ops = ops;
    local->broker = broker;
    atomic_store(&local->references, 2);
    pthread_mutex_lock(&broker->locals_mutex);
    is_taken = broker->takes_locals;
    if (is_taken) {
        ops->init(local, ks_loop_env(broker->loop), &broker->requests);
        ks_list_append(&broker->locals, &local->link);
    }
    pthread_mutex_unlock(&broker->locals_mutex);
    if (is_taken) {
        return KAFSCALE_OK;
    }
    return is_new ? ks_error_set(error, KAFSCALE_INVALID, "the broker has not been started")
                  : ks_error_set(error, KAFSCALE_STOPPED, "the broker has been stopped");
}

void
ks_locals_take(struct kafscale_broker *broker)
{
    pthread_mutex_lock(&broker->locals_mutex);
    broker->takes_locals = true;
    pthread_mutex_unlock(&broker->locals_mutex);
}

/* From here on nobody comes, and who goes goes on this thread. */
void
ks_locals_stop(struct kafscale_broker *broker)
{
    struct ks_list *node;

    pthread_mutex_lock(&broker->locals_mutex);
    broker->takes_locals = false;
    pthread_mutex_unlock(&broker->locals_mutex);
    node = broker->locals.next;
    while (node != &broker->locals) {
        struct ks_local *local = KS_CONTAINER(node, struct ks_local, link);

        node = node->next;
        local->ops->stop(local);
    }
}

void
ks_locals_leave(struct kafscale_broker *broker)
{
    while (!ks_list_is_empty(&broker->locals)) {
        struct ks_local *local = KS_CONTAINER(broker->locals.next, struct ks_local, link);

        local->ops->end(local);
        assert(local->ops->is_quiet(local));
        leave(local);
    }
}
