/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Timers hang on one timerfd rather than on a libevent timeout: libevent reads a coarse clock,
 * whose 4 ms would show in the latency of every produce. Tasks hang on a zero timeout, which
 * fires at the next turn, after the descriptors that are ready now.
 */
#include "net/loop.h"

#include "base/log_quota.h"
#include "net/clock.h"
#include "net/mailbox.h"
#include "net/workers.h"

#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/timerfd.h>
#include <unistd.h>

struct ks_loop {
    struct ks_env env;
    struct event_base *base;
    bool owns_base;
    bool is_detached;
    atomic_bool must_stop;
    bool is_running_due;
    struct event wake_event;  /* the mailbox has something */
    struct event turn_event;  /* tasks wait */
    struct event timer_event; /* the first timer is due */
    struct ks_clock clock;
    struct ks_list advances; /* struct ks_advance, by rising until_ms */
    int timer_fd;
    int64_t armed_ms; /* what the timerfd is set to; INT64_MAX: not set */
    struct ks_mailbox mailbox;
    struct ks_workers workers;
    uint32_t job_count; /* submitted, `done` not called yet */
    struct ks_log_quota blocked;
};

const char *
ks_loop_library_version(void)
{
    return event_get_version();
}

static int64_t
loop_now_ms(void *self)
{
    const struct ks_loop *loop = self;

    return ks_clock_now_ms(&loop->clock);
}

static int64_t
loop_wall_ms(void *self)
{
    const struct ks_loop *loop = self;

    return ks_clock_wall_ms(&loop->clock);
}

static void
loop_random(void *self, void *out, size_t size)
{
    uint8_t *next = out;

    (void) self;
    while (size > 0) {
        ssize_t got = getrandom(next, size, 0);

        if (got < 0 && errno != EINTR) {
            /* Going on with guessable identifiers would break what fencing rests on. */
            abort();
        }
        if (got > 0) {
            next += got;
            size -= (size_t) got;
        }
    }
}

static void
loop_submit(void *self, struct ks_job *job)
{
    struct ks_loop *loop = self;

    loop->job_count++;
    if (ks_workers_submit(&loop->workers, job)) {
        return;
    }
    /*
     * Slow is better than lost: a machine that has no thread left must not keep the log from
     * being written.
     */
    ks_log_some(&loop->env, &loop->blocked, 1, KAFSCALE_LOG_WARN,
                "no worker thread could be started, blocking the loop");
    job->run(job);
    ks_mailbox_put_job(&loop->mailbox, job);
}

/*
 * The timerfd may stay armed for a timer that was cancelled: one needless wake-up is cheaper
 * than setting it each time.
 */
static void
arm_timer(struct ks_loop *loop, int64_t due_ms)
{
    int64_t system_ms = ks_clock_system_ms(&loop->clock, due_ms);
    struct itimerspec spec = { 0 };
    int result;

    if (due_ms >= loop->armed_ms || loop->is_detached || system_ms == INT64_MAX) {
        return;
    }
    system_ms = system_ms < 1 ? 1 : system_ms;
    spec.it_value.tv_sec = (time_t) (system_ms / 1000);
    spec.it_value.tv_nsec = (long) (system_ms % 1000) * 1000000;
    result = timerfd_settime(loop->timer_fd, TFD_TIMER_ABSTIME, &spec, NULL);
    assert(result == 0);
    (void) result;
    loop->armed_ms = due_ms;
}

static void
turn_soon(struct ks_loop *loop)
{
    static const struct timeval at_once = { 0, 0 };

    if (!loop->is_detached && !evtimer_pending(&loop->turn_event, NULL)) {
        evtimer_add(&loop->turn_event, &at_once);
    }
}

/* Time that is put forward passes when nothing else is left to do, not even on another thread. */
static bool
may_pass_time(const struct ks_loop *loop)
{
    return !ks_list_is_empty(&loop->advances) && loop->job_count == 0;
}

static void
arm(struct ks_loop *loop)
{
    int64_t due_ms = ks_env_next_due_ms(&loop->env);

    if (due_ms == INT64_MIN || may_pass_time(loop) ||
        (loop->clock.is_still && due_ms <= ks_clock_now_ms(&loop->clock))) {
        turn_soon(loop);
        return;
    }
    if (due_ms != INT64_MAX) {
        arm_timer(loop, due_ms);
    }
}

static void
loop_wake(void *self)
{
    struct ks_loop *loop = self;

    if (!loop->is_running_due) {
        arm(loop);
    }
}

static struct ks_advance *
first_advance(const struct ks_loop *loop)
{
    return KS_CONTAINER(loop->advances.next, struct ks_advance, link);
}

/*
 * From one timer to the next, with a turn of the loop between them: descriptors are served, and
 * what one timer sets off happens before the next is due.
 */
static void
pass_time(struct ks_loop *loop)
{
    int64_t due_ms = ks_env_next_due_ms(&loop->env);
    struct ks_advance *advance;

    if (!may_pass_time(loop) || due_ms <= ks_clock_now_ms(&loop->clock)) {
        return;
    }
    advance = first_advance(loop);
    loop->armed_ms = INT64_MAX;
    if (due_ms <= advance->until_ms) {
        ks_clock_put_forward(&loop->clock, due_ms);
        return;
    }
    ks_clock_put_forward(&loop->clock, advance->until_ms);
    ks_list_remove(&advance->link);
    advance->done(advance->arg);
}

static void
run_due(struct ks_loop *loop)
{
    loop->is_running_due = true;
    ks_env_run_due(&loop->env);
    pass_time(loop);
    loop->is_running_due = false;
    arm(loop);
}

void
ks_loop_advance(struct ks_loop *loop, int64_t duration_ms, struct ks_advance *advance)
{
    int64_t from_ms = ks_clock_now_ms(&loop->clock);

    assert(duration_ms >= 0);

    if (!ks_list_is_empty(&loop->advances)) {
        from_ms = KS_CONTAINER(loop->advances.previous, struct ks_advance, link)->until_ms;
    }
    advance->until_ms = from_ms + duration_ms;
    ks_list_append(&loop->advances, &advance->link);
    loop_wake(loop);
}

static void
on_turn(evutil_socket_t fd, short what, void *arg)
{
    (void) fd;
    (void) what;
    run_due(arg);
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct ks_loop *loop = arg;
    uint64_t expirations;
    ssize_t size = read(fd, &expirations, sizeof expirations);

    (void) size;
    (void) what;
    loop->armed_ms = INT64_MAX;
    run_due(loop);
}

static void
deliver(struct ks_loop *loop)
{
    struct ks_list jobs;
    struct ks_list calls;
    struct ks_list *node;

    ks_list_init(&jobs);
    ks_list_init(&calls);
    ks_mailbox_take(&loop->mailbox, &jobs, &calls);

    while ((node = ks_list_take_first(&jobs)) != NULL) {
        struct ks_job *job = KS_CONTAINER(node, struct ks_job, link);

        loop->job_count--;
        job->done(job);
    }
    if (!ks_list_is_empty(&loop->advances)) {
        loop_wake(loop);
    }
    while ((node = ks_list_take_first(&calls)) != NULL) {
        struct ks_task *call = KS_CONTAINER(node, struct ks_task, link);

        call->run(call->arg);
    }
}

static void
on_wake(evutil_socket_t fd, short what, void *arg)
{
    struct ks_loop *loop = arg;

    (void) fd;
    (void) what;
    deliver(loop);
    if (loop->owns_base && atomic_load(&loop->must_stop)) {
        event_base_loopbreak(loop->base);
    }
}

/* --- Descriptors ------------------------------------------------------------------------------ */

static void
on_watched(evutil_socket_t fd, short what, void *arg)
{
    struct ks_watch *watch = arg;
    unsigned ready = 0;

    (void) fd;
    ready |= (what & EV_READ) != 0 ? KAFSCALE_WATCH_READ : 0u;
    ready |= (what & EV_WRITE) != 0 ? KAFSCALE_WATCH_WRITE : 0u;
    watch->on_ready(watch->arg, ready);
}

/* What a watch has of libevent, not added to the base; NULL when memory is short. */
static struct event *
event_of(struct ks_loop *loop, struct ks_watch *watch, int fd, short what)
{
    if (watch->inner == NULL) {
        watch->inner = event_new(loop->base, fd, what, on_watched, watch);
    } else {
        event_del(watch->inner);
        event_assign(watch->inner, loop->base, fd, what, on_watched, watch);
    }
    return watch->inner;
}

static void
end_watch(struct ks_watch *watch)
{
    if (watch->inner != NULL) {
        event_free(watch->inner);
        watch->inner = NULL;
    }
}

static enum kafscale_status
loop_watch(void *self, struct ks_watch *watch, int fd, unsigned wanted)
{
    struct ks_loop *loop = self;
    short what = EV_PERSIST;
    struct event *event;

    assert(!loop->is_detached || wanted == 0);

    if (wanted == 0) {
        end_watch(watch);
        return KAFSCALE_OK;
    }
    what |= (wanted & KAFSCALE_WATCH_READ) != 0 ? EV_READ : 0;
    what |= (wanted & KAFSCALE_WATCH_WRITE) != 0 ? EV_WRITE : 0;
    event = event_of(loop, watch, fd, what);
    if (event == NULL) {
        return KAFSCALE_NO_MEMORY;
    }
    if (event_add(event, NULL) != 0) {
        end_watch(watch);
        return KAFSCALE_IO;
    }
    return KAFSCALE_OK;
}

/* --- The loop --------------------------------------------------------------------------------- */

static const struct ks_env_ops loop_env_ops = {
    .now_ms = loop_now_ms,
    .wall_ms = loop_wall_ms,
    .random = loop_random,
    .submit = loop_submit,
    .wake = loop_wake,
    .watch = loop_watch,
};

/* Without libevent's locks: what other threads have to say comes through the mailbox. */
static struct event_base *
new_base(void)
{
    struct event_config *config = event_config_new();
    struct event_base *base;

    if (config == NULL) {
        return NULL;
    }
    event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
    base = event_base_new_with_config(config);
    event_config_free(config);
    return base;
}

static enum kafscale_status
add_events(struct ks_loop *loop, struct kafscale_error *error)
{
    event_assign(&loop->wake_event, loop->base, loop->mailbox.wake_fd, EV_READ | EV_PERSIST,
                 on_wake, loop);
    event_assign(&loop->timer_event, loop->base, loop->timer_fd, EV_READ | EV_PERSIST, on_timer,
                 loop);
    evtimer_assign(&loop->turn_event, loop->base, on_turn, loop);
    if (event_add(&loop->wake_event, NULL) != 0) {
        return ks_error_set(error, KAFSCALE_IO, "event_add failed");
    }
    if (event_add(&loop->timer_event, NULL) != 0) {
        event_del(&loop->wake_event);
        return ks_error_set(error, KAFSCALE_IO, "event_add failed");
    }
    return KAFSCALE_OK;
}

/* Each step undoes its own part when a later one fails. */
static enum kafscale_status
init_threads(struct ks_loop *loop, uint32_t worker_count, struct kafscale_error *error)
{
    enum kafscale_status status = ks_mailbox_init(&loop->mailbox, error);

    if (status != KAFSCALE_OK) {
        return status;
    }
    status = ks_workers_init(&loop->workers, &loop->mailbox, worker_count, error);
    if (status != KAFSCALE_OK) {
        ks_mailbox_deinit(&loop->mailbox);
        return status;
    }
    status = add_events(loop, error);
    if (status != KAFSCALE_OK) {
        ks_workers_deinit(&loop->workers);
        ks_mailbox_deinit(&loop->mailbox);
    }
    return status;
}

static enum kafscale_status
init_base(struct ks_loop *loop, struct event_base *host, struct kafscale_error *error)
{
    loop->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (loop->timer_fd < 0) {
        return ks_error_set(error, KAFSCALE_IO, "timerfd_create: %s", strerror(errno));
    }
    loop->base = host != NULL ? host : new_base();
    loop->owns_base = host == NULL;
    if (loop->base == NULL) {
        close(loop->timer_fd);
        return ks_error_set(error, KAFSCALE_IO, "no event base could be made");
    }
    return KAFSCALE_OK;
}

static void
deinit_base(struct ks_loop *loop)
{
    if (loop->owns_base) {
        event_base_free(loop->base);
    }
    close(loop->timer_fd);
}

enum kafscale_status
ks_loop_new(struct event_base *host, const struct ks_loop_options *options,
            struct ks_loop **loop_out, struct kafscale_error *error)
{
    static const struct ks_loop_options defaults = { 0 };
    struct ks_loop *loop;
    enum kafscale_status status;
    uint32_t worker_count;

    options = options != NULL ? options : &defaults;
    worker_count = options->worker_count > 0 ? options->worker_count : KS_LOOP_WORKER_COUNT_DEFAULT;
    if (worker_count > KS_WORKERS_MAX) {
        return ks_error_set(error, KAFSCALE_INVALID, "%u worker threads, at most %u", worker_count,
                            (unsigned) KS_WORKERS_MAX);
    }
    loop = ks_alloc_zero(1, sizeof *loop);
    if (loop == NULL) {
        return ks_error_set(error, KAFSCALE_NO_MEMORY, "event loop");
    }
    ks_env_init(&loop->env, &loop_env_ops, loop);
    loop->env.logger = options->logger;
    loop->armed_ms = INT64_MAX;
    ks_clock_init(&loop->clock, options->is_clock_still);
    ks_list_init(&loop->advances);

    status = init_base(loop, host, error);
    if (status != KAFSCALE_OK) {
        ks_free(loop);
        return status;
    }
    status = init_threads(loop, worker_count, error);
    if (status != KAFSCALE_OK) {
        deinit_base(loop);
        ks_free(loop);
        return status;
    }
    *loop_out = loop;
    return KAFSCALE_OK;
}

void
ks_loop_detach(struct ks_loop *loop)
{
    if (loop->is_detached) {
        return;
    }
    loop->is_detached = true;
    event_del(&loop->wake_event);
    event_del(&loop->timer_event);
    event_del(&loop->turn_event);
}

void
ks_loop_free(struct ks_loop *loop)
{
    if (loop == NULL) {
        return;
    }
    deliver(loop);
    while (loop->job_count > 0) {
        struct pollfd wake = { .fd = loop->mailbox.wake_fd, .events = POLLIN };

        poll(&wake, 1, -1);
        deliver(loop);
    }
    while (!ks_list_is_empty(&loop->advances)) {
        struct ks_advance *advance = first_advance(loop);

        ks_list_remove(&advance->link);
        advance->done(advance->arg);
    }
    ks_loop_detach(loop);
    ks_workers_deinit(&loop->workers);
    ks_mailbox_deinit(&loop->mailbox);
    deinit_base(loop);
    ks_free(loop);
}

struct ks_env *
ks_loop_env(struct ks_loop *loop)
{
    return &loop->env;
}

struct event_base *
ks_loop_base(struct ks_loop *loop)
{
    return loop->base;
}

void
ks_loop_run(struct ks_loop *loop)
{
    assert(loop->owns_base);

    /* The eventfd stays readable when the stop came first, so the loop can't miss it. */
    event_base_loop(loop->base, EVLOOP_NO_EXIT_ON_EMPTY);
    atomic_store(&loop->must_stop, false);
}

void
ks_loop_stop(struct ks_loop *loop)
{
    atomic_store(&loop->must_stop, true);
    ks_mailbox_poke(&loop->mailbox);
}

void
ks_loop_call(struct ks_loop *loop, struct ks_task *call)
{
    ks_mailbox_put_call(&loop->mailbox, call);
}
