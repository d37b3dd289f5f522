/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one who waits also looks whether the loop still runs: a call that comes too late for it is
 * made when the broker is freed, and finds no core.
 */
#include "kafscale_call.h"

#define MARK_FINISHED 1u
#define LOOK_MS 50

void
ks_call_unref(struct ks_call *call)
{
    if (atomic_fetch_sub(&call->references, 1) != 1) {
        return;
    }
    if (call->deinit != NULL) {
        call->deinit(call);
    }
    ks_latch_deinit(&call->latch);
    ks_free(call);
}

void
ks_call_finish(struct ks_call *call, enum kafscale_status status,
               const struct kafscale_error *error)
{
    call->status = status;
    if (error != NULL) {
        call->error = *error;
    }
    if (status != KAFSCALE_OK) {
        ks_error_set(&call->error, status, "%s", kafscale_status_text(status));
    }
    ks_latch_raise(&call->latch, MARK_FINISHED);
    ks_call_unref(call);
}

static void
run(void *arg)
{
    struct ks_call *call = arg;
    struct kafscale_error error = { 0 };

    if (call->broker->core == NULL) {
        ks_error_set(&error, KAFSCALE_INVALID, "the broker doesn't run");
        ks_call_finish(call, KAFSCALE_INVALID, &error);
        return;
    }
    call->run(call);
}

static bool
is_over(struct kafscale_broker *broker)
{
    return atomic_load(&broker->state) == KAFSCALE_BROKER_NEW ||
           (ks_latch_wait(&broker->latch, MARK_STOPPED, 0) & MARK_STOPPED) != 0;
}

static bool
is_finished(struct ks_call *call, int64_t wait_ms)
{
    return (ks_latch_wait(&call->latch, MARK_FINISHED, wait_ms) & MARK_FINISHED) != 0;
}

/* Until it is finished, the broker has ended, or the time is over. */
static void
await(struct ks_call *call, int64_t timeout_ms)
{
    int64_t due_ms = ks_monotonic_after(timeout_ms);
    int64_t left_ms;

    do {
        left_ms = due_ms - ks_monotonic_ms();
        left_ms = left_ms < 0 ? 0 : left_ms > LOOK_MS ? LOOK_MS : left_ms;
    } while (!is_finished(call, left_ms) && left_ms > 0 && !is_over(call->broker));
}

static bool
is_on_loop(const struct kafscale_broker *broker)
{
    return !broker->has_own_loop || ks_loop_thread_is_current(&broker->thread);
}

/* Without having been handed over. */
static enum kafscale_status
refuse(struct ks_call *call, const char *why, struct kafscale_error *error)
{
    atomic_store(&call->references, 1);
    return ks_error_set(error, KAFSCALE_INVALID, "%s", why);
}

enum kafscale_status
ks_call_make(struct ks_call *call, struct kafscale_broker *broker, int64_t timeout_ms,
             struct kafscale_error *error)
{
    call->broker = broker;
    call->task = (struct ks_task){ .run = run, .arg = call };
    ks_latch_init(&call->latch);
    atomic_store(&call->references, 2);
    if (is_over(broker)) {
        return refuse(call, "the broker doesn't run", error);
    }
    if (!is_on_loop(broker)) {
        ks_loop_call(broker->loop, &call->task);
        await(call, timeout_ms);
    } else if (call->is_short) {
        run(call);
    } else {
        return refuse(call, "nobody can wait on the loop thread", error);
    }
    if (!is_finished(call, 0)) {
        return is_over(broker) ? ks_error_set(error, KAFSCALE_INVALID, "the broker doesn't run")
                               : ks_error_set(error, KAFSCALE_UNAVAILABLE, "no answer in time");
    }
    if (call->status != KAFSCALE_OK) {
        ks_error_set(error, call->status, "%s", call->error.text);
    }
    return call->status;
}
