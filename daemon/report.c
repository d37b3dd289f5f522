/* SPDX-License-Identifier: Apache-2.0 */
/* Lines go out in one write each, so that lines of several threads don't mix. */
#include "report.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LINE_BYTES_MAX 1536

static const char help_text[] =
    "Usage: kafscaled [--config FILE] [--set key=value]...\n"
    "\n"
    "A broker that speaks the Kafka protocol. Without any configuration it serves 127.0.0.1:9092\n"
    "from a directory store in ./kafscale-data.\n"
    "\n"
    "  --set key=value   sets an option; counts before environment and file\n"
    "  --config FILE     key=value lines, as Kafka's server.properties\n"
    "  --check-config    prints the effective configuration and ends\n"
    "  --help-options    lists all options\n"
    "  --version         prints the version\n"
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
    "stderr. SIGINT and SIGTERM stop it; a second signal ends it at once.\n"
    "\n"
    "Exit status:\n"
    "  0  stopped by a signal\n"
    "  1  could not start, or had to end; the last line on stderr that says error has the reason\n"
    "  2  wrong arguments or configuration\n"
    "  3  another broker was started on the same store and has taken over\n";

void
report_line(enum kafscale_log_level level, const char *line)
{
    static const char *const names[] = {
        [KAFSCALE_LOG_ERROR] = "error",
        [KAFSCALE_LOG_WARN] = "warn",
        [KAFSCALE_LOG_INFO] = "info",
        [KAFSCALE_LOG_DEBUG] = "debug",
    };
    char text[LINE_BYTES_MAX];
    struct timespec now;
    struct tm utc;
    size_t used;
    int size;

    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    used = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &utc);
    size = snprintf(text + used, sizeof text - used, ".%03ldZ %s %.1400s\n", now.tv_nsec / 1000000,
                    names[level], line);
    /* Arguments and files may contain what makes lines or speaks to terminals. */
    for (char *c = text; c + 1 < text + used + size; c++) {
        if ((unsigned char) *c < ' ' || *c == 0x7f) {
            *c = '?';
        }
    }
    /* Nobody is left to tell when stderr can't be written. */
    (void) !write(STDERR_FILENO, text, used + (size_t) size);
}

void
report_error(const char *text)
{
    report_line(KAFSCALE_LOG_ERROR, text);
}

void
report_from_library(void *arg, enum kafscale_log_level level, const char *line)
{
    (void) arg;
    report_line(level, line);
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
    char line[512];

    for (size_t i = 0; kafscale_option_at(i, &option) == KAFSCALE_OK; i++) {
        if (strcmp(option.key, "listen") != 0 && strcmp(option.key, "store") != 0) {
            continue;
        }
        if (is_unconfigured(options, &option)) {
            snprintf(line, sizeof line, "using the default %s=%s", option.key,
                     option.default_value);
            report_line(KAFSCALE_LOG_INFO, line);
        }
    }
}

void
report_help(void)
{
    fputs(help_text, stdout);
}

void
report_options(void)
{
    struct kafscale_option option;

    for (size_t i = 0; kafscale_option_at(i, &option) == KAFSCALE_OK; i++) {
        printf("%s (%s, default '%s')\n", option.key, option.allowed, option.default_value);
        printf("    %s\n", option.help);
        if (option.why != NULL) {
            printf("    %s: %s\n",
                   option.effect == KAFSCALE_OPTION_REFUSED ? "only the default is allowed"
                                                            : "has no effect",
                   option.why);
        }
        printf("    environment: %s\n", option.environment);
    }
}

void
report_effective(const struct kafscale_options *options)
{
    struct kafscale_option option;

    for (size_t i = 0; kafscale_option_at(i, &option) == KAFSCALE_OK; i++) {
        if (option.is_secret) {
            printf("# %s is not shown\n", option.key);
        } else {
            printf("%s=%s\n", option.key, kafscale_options_get(options, option.key));
        }
    }
}
