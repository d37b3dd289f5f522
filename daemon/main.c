/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kafscaled: a broker and nothing else. The main thread reads the configuration, starts the
 * broker on a thread of its own, and then waits for signals and for the broker's end.
 */
#include "arguments.h"
#include "heap.h"
#include "notify.h"
#include "report.h"

#include <kafscale/kafscale.h>

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

enum { EXIT_USAGE = 2, EXIT_REPLACED = 3 };

/* A store that has not answered by then, after its own time for it, is not waited for. */
#define STOP_GRACE_MS 1000

/* What sends a signal to a process and again to its group means it once. */
#define SIGNAL_ECHO_MS 200

/*
 * What the broker's thread tells the main thread: the state, and a tick of the eventfd to look at
 * it.
 */
struct daemon {
    const struct arguments *arguments;
    char *const *environment;
    struct kafscale_broker *broker;
    int signal_fd;
    int change_fd;
    atomic_int state;
    bool is_stopping;
    int exit_code;
    int64_t stop_timeout_ms;
    bool is_testing;
    int64_t stop_called_ms;
    int64_t watchdog_ms;
    int64_t watchdog_due_ms;
};

static int64_t
now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t) now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void
tick(struct daemon *daemon)
{
    uint64_t one = 1;

    while (write(daemon->change_fd, &one, sizeof one) < 0 && errno == EINTR) {
    }
}

static void
on_changed(void *arg, enum kafscale_broker_state state, const struct kafscale_error *error)
{
    struct daemon *daemon = arg;

    /* The library has written its reason into the log. */
    (void) error;
    atomic_store(&daemon->state, (int) state);
    tick(daemon);
}

static void
stop(struct daemon *daemon)
{
    daemon->is_stopping = true;
    daemon->stop_called_ms = now_ms();
    notify_send("STOPPING=1\nSTATUS=stopping");
    kafscale_broker_stop(daemon->broker, NULL, NULL);
}

/* --- Reading the configuration again ---------------------------------------------------------- */

/* A manager that asked for it waits until it hears of the end. */
static void
tell_reloading(void)
{
    struct timespec now;
    char lines[80];

    clock_gettime(CLOCK_MONOTONIC, &now);
    (void) snprintf(lines, sizeof lines, "RELOADING=1\nMONOTONIC_USEC=%lld",
                    (long long) now.tv_sec * 1000000 + now.tv_nsec / 1000);
    notify_send(lines);
}

static enum kafscale_status
read_again(struct daemon *daemon, struct kafscale_error *error)
{
    struct kafscale_options *options = kafscale_options_new();
    enum kafscale_status status = KAFSCALE_NO_MEMORY;

    if (options == NULL) {
        (void) snprintf(error->text, sizeof error->text, "%s", kafscale_status_text(status));
        return status;
    }
    status = arguments_apply(daemon->arguments, daemon->environment, options, report_from_library,
                             NULL, error);
    if (status == KAFSCALE_OK) {
        status = kafscale_broker_reload(daemon->broker, options, error);
    }
    if (status == KAFSCALE_OK) {
        report_set_format(kafscale_options_get(options, "log.format"));
        daemon->stop_timeout_ms =
            strtoll(kafscale_options_get(options, "stop.timeout.ms"), NULL, 10);
    }
    kafscale_options_free(options);
    return status;
}

/* What is wrong with the new configuration leaves the old one in force. */
static void
reload(struct daemon *daemon)
{
    struct kafscale_error error = { 0 };
    bool is_ready = atomic_load(&daemon->state) == KAFSCALE_BROKER_READY;

    if (is_ready) {
        tell_reloading();
    }
    if (read_again(daemon, &error) != KAFSCALE_OK) {
        report(KAFSCALE_LOG_ERROR, "configuration not changed", "error", error.text, NULL);
    }
    if (is_ready) {
        notify_send("READY=1");
    }
}

/* --- What happens ----------------------------------------------------------------------------- */

static void
on_signal(struct daemon *daemon)
{
    struct signalfd_siginfo info;

    if (read(daemon->signal_fd, &info, sizeof info) != (ssize_t) sizeof info) {
        return;
    }
    if (info.ssi_signo == SIGHUP) {
        if (!daemon->is_stopping) {
            reload(daemon);
        }
        return;
    }
    if (daemon->is_stopping && now_ms() - daemon->stop_called_ms < SIGNAL_ECHO_MS) {
        return;
    }
    if (daemon->is_stopping) {
        report(KAFSCALE_LOG_WARN, "stopped at once", "reason", "second signal", NULL);
        _exit(EXIT_FAILURE);
    }
    report(KAFSCALE_LOG_INFO, "stopping", "reason", "signal", NULL);
    stop(daemon);
}

static void
on_ready(const struct daemon *daemon)
{
    char status[512];

    for (size_t i = 0; kafscale_broker_address(daemon->broker, i) != NULL; i++) {
        printf("broker listening on %s\n", kafscale_broker_address(daemon->broker, i));
    }
    if (daemon->is_testing && kafscale_broker_metrics_address(daemon->broker) != NULL) {
        printf("testing on http://%s/testing/\n", kafscale_broker_metrics_address(daemon->broker));
    }
    fflush(stdout);
    (void) snprintf(status, sizeof status, "READY=1\nSTATUS=serving on %s",
                    kafscale_broker_address(daemon->broker, 0));
    notify_send(status);
}

/* Returns true once there is nothing to wait for. */
static bool
on_change(struct daemon *daemon)
{
    enum kafscale_broker_state state;
    uint64_t ticks;

    if (read(daemon->change_fd, &ticks, sizeof ticks) != (ssize_t) sizeof ticks) {
        return false;
    }
    state = (enum kafscale_broker_state) atomic_load(&daemon->state);
    switch (state) {
    case KAFSCALE_BROKER_READY:
        on_ready(daemon);
        return false;
    case KAFSCALE_BROKER_FENCED:
    case KAFSCALE_BROKER_FAILED:
        daemon->exit_code = state == KAFSCALE_BROKER_FENCED ? EXIT_REPLACED : EXIT_FAILURE;
        if (!daemon->is_stopping) {
            stop(daemon);
        }
        return false;
    case KAFSCALE_BROKER_STOPPED:
        return true;
    default:
        return false;
    }
}

/* Threads that hang in the store's calls can't be ended, only left with the process. */
static void
leave_if_late(const struct daemon *daemon)
{
    if (daemon->is_stopping &&
        now_ms() >= daemon->stop_called_ms + daemon->stop_timeout_ms + STOP_GRACE_MS) {
        report_error("left without the store's answer: its calls hang");
        _exit(EXIT_FAILURE);
    }
}

static void
ignore_sample(void *arg, const struct kafscale_metric_sample *sample)
{
    (void) arg;
    (void) sample;
}

/*
 * The answer comes from the broker's loop: while that hangs we wait here, the manager hears
 * nothing, and ends us. A broker that stops has its own limit.
 */
static void
show_life(struct daemon *daemon)
{
    if (daemon->watchdog_ms == 0 || daemon->is_stopping || now_ms() < daemon->watchdog_due_ms) {
        return;
    }
    if (kafscale_broker_read_metrics(daemon->broker, ignore_sample, NULL, NULL) == KAFSCALE_OK) {
        notify_send("WATCHDOG=1");
    }
    daemon->watchdog_due_ms = now_ms() + daemon->watchdog_ms;
}

/* How long poll may wait; -1: for ever. */
static int
wait_ms(const struct daemon *daemon)
{
    int64_t due_ms;
    int64_t left_ms;

    if (daemon->is_stopping) {
        due_ms = daemon->stop_called_ms + daemon->stop_timeout_ms + STOP_GRACE_MS;
    } else if (daemon->watchdog_ms > 0) {
        due_ms = daemon->watchdog_due_ms;
    } else {
        return -1;
    }
    left_ms = due_ms - now_ms();
    if (left_ms < 0) {
        return 0;
    }
    return left_ms > INT_MAX ? INT_MAX : (int) left_ms;
}

static void
wait_for_end(struct daemon *daemon)
{
    struct pollfd polled[] = {
        { .fd = daemon->signal_fd, .events = POLLIN },
        { .fd = daemon->change_fd, .events = POLLIN },
    };
    bool has_ended = false;

    while (!has_ended) {
        leave_if_late(daemon);
        show_life(daemon);
        if (poll(polled, 2, wait_ms(daemon)) < 0 && errno != EINTR) {
            report_error(strerror(errno));
            return;
        }
        if ((polled[0].revents & POLLIN) != 0) {
            on_signal(daemon);
        }
        if ((polled[1].revents & POLLIN) != 0) {
            has_ended = on_change(daemon);
        }
    }
}

/*
 * Each client is a descriptor. The soft limit most systems start programs with is for those that
 * can't handle many; where it can't be raised, fewer clients are served.
 */
static void
raise_descriptor_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        (void) setrlimit(RLIMIT_NOFILE, &limit);
    }
}

/*
 * Blocked before the broker's threads exist, so that they inherit it and the signals come to
 * signal_fd only.
 */
static bool
daemon_init(struct daemon *daemon, const struct arguments *arguments, char *const *environment,
            const struct kafscale_options *options)
{
    sigset_t signals;

    *daemon = (struct daemon){ .arguments = arguments,
                               .environment = environment,
                               .signal_fd = -1,
                               .change_fd = -1,
                               .exit_code = EXIT_SUCCESS,
                               .watchdog_ms = notify_watchdog_ms(),
                               .stop_timeout_ms = strtoll(
                                   kafscale_options_get(options, "stop.timeout.ms"), NULL, 10) };
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGHUP);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    daemon->signal_fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
    daemon->change_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (daemon->signal_fd < 0 || daemon->change_fd < 0) {
        report_error(strerror(errno));
        return false;
    }
    return true;
}

static int
serve(const struct arguments *arguments, char *const *environment,
      const struct kafscale_options *options)
{
    struct daemon daemon;
    struct kafscale_error error = { 0 };
    int exit_code = EXIT_FAILURE;

    raise_descriptor_limit();
    if (!daemon_init(&daemon, arguments, environment, options)) {
        goto out;
    }
    daemon.is_testing = strcmp(kafscale_options_get(options, "testing.enabled"), "true") == 0;
    daemon.broker = kafscale_broker_new(options, &error);
    if (daemon.broker == NULL) {
        report_error(error.text);
        exit_code = error.status == KAFSCALE_NO_MEMORY ? EXIT_FAILURE : EXIT_USAGE;
        goto out;
    }
    kafscale_broker_set_logger(daemon.broker, report_from_library, NULL);
    kafscale_broker_set_changed(daemon.broker, on_changed, &daemon);
    report_unconfigured(options);
    if (kafscale_broker_start(daemon.broker, NULL, &error) != KAFSCALE_OK) {
        report_error(error.text);
        goto out;
    }
    wait_for_end(&daemon);
    exit_code = daemon.exit_code;

out:
    kafscale_broker_free(daemon.broker);
    if (daemon.signal_fd >= 0) {
        close(daemon.signal_fd);
    }
    if (daemon.change_fd >= 0) {
        close(daemon.change_fd);
    }
    return exit_code;
}

/* The format is that of the first line too, wherever it is set and whatever else is wrong. */
static void
choose_format(const struct arguments *arguments, char *const *environment)
{
    struct kafscale_options *options = kafscale_options_new();
    struct kafscale_error ignored = { 0 };

    if (options == NULL) {
        return;
    }
    if (arguments_apply(arguments, environment, options, NULL, NULL, &ignored) != KAFSCALE_OK) {
        ignored.status = KAFSCALE_OK;
    }
    report_set_format(kafscale_options_get(options, "log.format"));
    kafscale_options_free(options);
}

/* Warnings come when the broker starts; all that is wrong comes here. */
static void
tell_errors(void *arg, const struct kafscale_log_event *event)
{
    if (event->level == KAFSCALE_LOG_ERROR) {
        report_from_library(arg, event);
    }
}

/*
 * Tells everything that is wrong, also with the rest of a configuration of which a part can't be
 * read.
 */
static int
run_configured(const struct arguments *arguments, char *const *environment)
{
    struct kafscale_options *options = kafscale_options_new();
    bool is_check = arguments->action == ACTION_CHECK_CONFIG;
    struct kafscale_error error = { 0 };
    bool is_good;
    int exit_code = EXIT_USAGE;

    if (options == NULL) {
        report_error(kafscale_status_text(KAFSCALE_NO_MEMORY));
        return EXIT_FAILURE;
    }
    choose_format(arguments, environment);
    is_good = arguments_apply(arguments, environment, options, report_from_library, NULL, &error) ==
              KAFSCALE_OK;
    if (is_good || is_check) {
        is_good &= kafscale_options_check(options, is_check ? report_from_library : tell_errors,
                                          NULL, &error) == KAFSCALE_OK;
    }
    if (is_good && is_check) {
        report_effective(options);
        exit_code = EXIT_SUCCESS;
    } else if (is_good) {
        exit_code = serve(arguments, environment, options);
    }
    kafscale_options_free(options);
    return exit_code;
}

extern char **environ;

int
main(int argc, char **argv)
{
    struct arguments arguments = { 0 };
    struct kafscale_error error = { 0 };
    int exit_code = EXIT_SUCCESS;

    heap_tune();
    if (arguments_parse(argc, argv, &arguments, &error) != KAFSCALE_OK) {
        report_error(error.text);
        arguments_deinit(&arguments);
        return EXIT_USAGE;
    }
    switch (arguments.action) {
    case ACTION_HELP:
        report_help();
        break;
    case ACTION_HELP_OPTIONS:
        report_options();
        break;
    case ACTION_VERSION:
        report_version();
        break;
    case ACTION_SERVE:
    case ACTION_CHECK_CONFIG:
        exit_code = run_configured(&arguments, environ);
        break;
    }
    arguments_deinit(&arguments);
    return exit_code;
}
