/* SPDX-License-Identifier: Apache-2.0 */
/* The daemon's own events look as the library's do. */
#include "report.h"

#include <kafscale/kafscale.h>

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#define FIELDS_MAX 8
#define INDENTATION "    "
#define COLUMNS_MAX 79

static const char help_text[] =
    "Usage: kafscaled [--config FILE] [--set key=value]...\n"
    "\n"
    "A broker that speaks the Kafka protocol. Without any configuration it serves 127.0.0.1:9092\n"
    "from a directory store in ./kafscale-data.\n"
    "\n"
    "  --set key=value   sets an option; counts before environment and file\n"
    "  --config FILE     key=value lines, as Kafka's server.properties\n"
    "  --testing         in memory, on free ports of 127.0.0.1, and told over HTTP what to fail\n"
    "                    (docs/test-fixture.md); options count after it\n"
    "  --check-config    reads the configuration as a start would, says all that is wrong with\n"
    "                    it, or prints what counts and where it is from; starts nothing\n"
    "  --help-options    lists all options\n"
    "  --version, -V     prints the versions of it and of the libraries it uses\n"
    "  --help, -h        prints this\n"
    "\n"
    "The options one starts with:\n"
    "\n"
    "  listen=HOST:PORT  where clients connect, several separated by commas\n"
    "  advertised.listeners=HOST:PORT\n"
    "                    where clients are told to connect, if that is another address\n"
    "  store=dir:PATH    the directory that keeps the records; store=memory forgets them\n"
    "\n"
    "The environment name of a key is KAFSCALE_ and the key in capitals with underscores:\n"
    "flush.interval.ms is KAFSCALE_FLUSH_INTERVAL_MS.\n"
    "\n"
    "It prints 'broker listening on HOST:PORT' on stdout when it is ready, and diagnostics on\n"
    "stderr. SIGINT and SIGTERM stop it; a second signal ends it at once. SIGHUP has it read its\n"
    "configuration again.\n"
    "\n"
    "Exit status:\n"
    "  0  stopped by a signal\n"
    "  1  could not start, or had to end; the last line on stderr that says error has the reason\n"
    "  2  wrong arguments or configuration\n"
    "  3  another broker was started on the same store and has taken over\n";

/* The broker's thread writes, and the daemon's own. */
static atomic_int form = KAFSCALE_LOG_AS_TEXT;

void
report_set_format(const char *format)
{
    atomic_store(&form,
                 strcasecmp(format, "json") == 0 ? KAFSCALE_LOG_AS_JSON : KAFSCALE_LOG_AS_TEXT);
}

/*
 * One write for each line, so that those of several threads and processes don't mix. Nobody is left
 * to tell when stderr can't be written.
 */
static void
write_line(const char *line, size_t size)
{
    while (size > 0) {
        ssize_t written = write(STDERR_FILENO, line, size);

        if (written < 0 && errno != EINTR) {
            return;
        }
        if (written > 0) {
            line += written;
            size -= (size_t) written;
        }
    }
}

void
report_from_library(void *arg, const struct kafscale_log_event *event)
{
    char line[KAFSCALE_LOG_LINE_BYTES + 1];
    struct timespec now;
    size_t size;

    (void) arg;
    clock_gettime(CLOCK_REALTIME, &now);
    size = kafscale_log_line(event, (enum kafscale_log_form) atomic_load(&form),
                             (int64_t) now.tv_sec * 1000 + now.tv_nsec / 1000000, line,
                             sizeof line - 1);
    line[size] = '\n';
    write_line(line, size + 1);
}

void
report(enum kafscale_log_level level, const char *message, ...)
{
    struct kafscale_log_field fields[FIELDS_MAX];
    struct kafscale_log_event event = { .level = level, .message = message, .fields = fields };
    va_list pairs;
    const char *name;

    va_start(pairs, message);
    while (event.field_count < FIELDS_MAX && (name = va_arg(pairs, const char *)) != NULL) {
        const char *value = va_arg(pairs, const char *);

        fields[event.field_count++] =
            (struct kafscale_log_field){ .name = name, .value = value, .size = strlen(value) };
    }
    va_end(pairs);
    report_from_library(NULL, &event);
}

void
report_error(const char *text)
{
    report(KAFSCALE_LOG_ERROR, text, NULL);
}

/* A bucket is a choice of the store too. */
static bool
is_unconfigured(const struct kafscale_options *options, const struct kafscale_option *option)
{
    if (strcmp(option->key, "store") == 0 &&
        kafscale_options_get(options, "s3.bucket")[0] != '\0') {
        return false;
    }
    return strcmp(kafscale_options_get(options, option->key), option->default_value) == 0;
}

void
report_unconfigured(const struct kafscale_options *options)
{
    struct kafscale_option option;

    for (size_t i = 0; kafscale_option_at(i, &option) == KAFSCALE_OK; i++) {
        if (strcmp(option.key, "listen") != 0 && strcmp(option.key, "store") != 0) {
            continue;
        }
        if (is_unconfigured(options, &option)) {
            report(KAFSCALE_LOG_INFO, "using the default", option.key, option.default_value, NULL);
        }
    }
}

void
report_help(void)
{
    fputs(help_text, stdout);
}

/* --- What options there are ------------------------------------------------------------------- */

/* Words in lines of at most 79 columns, behind an indentation of four. */
static void
print_wrapped(const char *text)
{
    size_t column = 0;

    while (*text != '\0') {
        size_t size = strcspn(text, " ");

        if (column > 0 && column + 1 + size > COLUMNS_MAX) {
            putchar('\n');
            column = 0;
        }
        column += (size_t) printf("%s%.*s", column == 0 ? INDENTATION : " ", (int) size, text);
        text += size;
        text += strspn(text, " ");
    }
    putchar('\n');
}

/* The last part of a key says what its number counts. */
static const char *
unit_of(const struct kafscale_option *option)
{
    static const struct {
        const char *suffix;
        const char *unit;
    } units[] = {
        { ".ms", " of milliseconds" }, { ".sec", " of seconds" }, { ".minutes", " of minutes" },
        { ".hours", " of hours" },     { ".bytes", " of bytes" },
    };
    size_t size = strlen(option->key);

    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        size_t suffix_size = strlen(units[i].suffix);

        if (strcmp(option->kind, "integer") == 0 && size > suffix_size &&
            strcmp(option->key + size - suffix_size, units[i].suffix) == 0) {
            return units[i].unit;
        }
    }
    return "";
}

static void
print_option(const struct kafscale_option *option)
{
    char text[1024];
    const char *why = option->why == NULL ? "" : option->why;

    printf("%s\n", option->key);
    (void) snprintf(text, sizeof text, "%s%s%s%s", option->help, *why == '\0' ? "" : ". ",
                    *why == '\0'                                ? ""
                    : option->effect == KAFSCALE_OPTION_REFUSED ? "Only the default is allowed: "
                                                                : "It has no effect: ",
                    why);
    print_wrapped(text);
    (void) snprintf(text, sizeof text, "takes %s%s; default %s%s", option->allowed, unit_of(option),
                    option->default_value[0] == '\0' ? "empty" : option->default_value,
                    option->is_live ? "; may change while it runs (SIGHUP)" : "");
    print_wrapped(text);
    print_wrapped(option->environment);
}

void
report_options(void)
{
    struct kafscale_option option;

    fputs("Each key with what it does, what it takes, and its names in the environment.\n", stdout);
    for (size_t i = 0; kafscale_option_at(i, &option) == KAFSCALE_OK; i++) {
        putchar('\n');
        print_option(&option);
    }
}

void
report_version(void)
{
    const char *name;
    const char *version;

    printf("kafscaled %s\n", KAFSCALE_VERSION);
    printf("libkafscale %s\n", kafscale_version());
    for (size_t i = 0; kafscale_library_at(i, &name, &version); i++) {
        printf("%s %s\n", name, version);
    }
}

void
report_effective(const struct kafscale_options *options)
{
    struct kafscale_option option;

    for (size_t i = 0; kafscale_option_at(i, &option) == KAFSCALE_OK; i++) {
        const char *origin = kafscale_options_origin(options, option.key);

        if (origin != NULL) {
            printf("# %s\n", origin);
        }
        if (option.is_secret) {
            printf("# %s is not shown\n", option.key);
        } else {
            printf("%s=%s\n", option.key, kafscale_options_get(options, option.key));
        }
    }
}
