/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command line of kafscaled. Parsing only collects; nothing is set, read or printed here.
 */
#ifndef KAFSCALED_ARGUMENTS_H
#define KAFSCALED_ARGUMENTS_H

#include <kafscale/options.h>

#include <stdbool.h>

enum action { ACTION_SERVE, ACTION_CHECK_CONFIG, ACTION_HELP, ACTION_HELP_OPTIONS, ACTION_VERSION };

/* Everything points into argv. */
struct arguments {
    enum action action;
    bool is_testing;         /* --testing */
    const char *config_path; /* NULL: none */
    const char **settings;   /* "key=value", in their order */
    size_t setting_count;
};

/* `settings` is on the heap and freed by arguments_deinit, also after a failure. */
KAFSCALE_MUST_CHECK enum kafscale_status arguments_parse(int argc, char *const *argv,
                                                         struct arguments *arguments,
                                                         struct kafscale_error *error);
void arguments_deinit(struct arguments *arguments);

/*
 * Default, then --testing, then --config FILE, then the environment, then --set: the later counts.
 * Warnings and all that is wrong go to `warn`, the first of it into `error`.
 */
KAFSCALE_MUST_CHECK enum kafscale_status arguments_apply(const struct arguments *arguments,
                                                         char *const *environment,
                                                         struct kafscale_options *options,
                                                         kafscale_log_write *warn, void *arg,
                                                         struct kafscale_error *error);

#endif
