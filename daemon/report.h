/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What kafscaled says: diagnostics on stderr, one event a line with its time; help and
 * configuration on stdout.
 */
#ifndef KAFSCALED_REPORT_H
#define KAFSCALED_REPORT_H

#include <kafscale/options.h>

/* Of log.format, for all lines from then on. */
void report_set_format(const char *format);

/* What happened, with pairs of a name and a text, and NULL at the end. Any thread. */
void report(enum kafscale_log_level level, const char *message, ...) __attribute__((sentinel));
void report_error(const char *text);

/* A kafscale_log_write; `arg` is not used. */
void report_from_library(void *arg, const struct kafscale_log_event *event);

/* Says what is served from where when nobody has chosen it. */
void report_unconfigured(const struct kafscale_options *options);

void report_help(void);
void report_options(void);

/* Of the daemon, the library, and the libraries that this uses. */
void report_version(void);

/*
 * Every key with its value, as a configuration file, behind a comment that says where it is from
 * unless it is the default; secrets are left out.
 */
void report_effective(const struct kafscale_options *options);

#endif
