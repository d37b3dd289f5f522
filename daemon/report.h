/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What kafscaled says: diagnostics on stderr, one line an event with its time; help and
 * configuration on stdout.
 */
#ifndef KAFSCALED_REPORT_H
#define KAFSCALED_REPORT_H

#include <kafscale/options.h>

/* Any thread: each line is one write. */
void report_line(enum kafscale_log_level level, const char *line);
void report_error(const char *text);

/* A kafscale_log_write; `arg` is not used. */
void report_from_library(void *arg, enum kafscale_log_level level, const char *line);

/* Says what is served from where when nobody has chosen it. */
void report_unconfigured(const struct kafscale_options *options);

void report_help(void);
void report_options(void);

/* Every key with its value, as a configuration file; secrets are left out. */
void report_effective(const struct kafscale_options *options);

#endif
