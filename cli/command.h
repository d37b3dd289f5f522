/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One kind of work that kafscale-cli does. Each command is one line of the table in main.c and one
 * file; a command gets its arguments as words and names its own flags.
 */
#ifndef KAFSCALE_CLI_COMMAND_H
#define KAFSCALE_CLI_COMMAND_H

#include <kafscale/kafscale.h>

enum { EXIT_FINDINGS = 1, EXIT_USAGE = 2 };

/* What is common to all commands. Everything is borrowed for the call. */
struct cli {
    struct kafscale_tools *tools;
    const struct kafscale_options *options;
    int argc; /* words after the command and the common flags */
    char *const *argv;
    bool is_json;
};

/* The exit status of the program. */
typedef int command_run(const struct cli *cli);

command_run command_check_store;
command_run command_dump;
command_run command_import;
command_run command_ls;
command_run command_rebuild;
command_run command_restore;
command_run command_verify;

/* Says on stderr what went wrong, and gives the exit status for it. */
int fail(const struct kafscale_error *error);
int fail_usage(const char *text, const char *word);

/*
 * Takes `--name` or `--name=value` (or `--name value`) from the words, which are looked through
 * from *place on. True: *place stands after it.
 */
bool take_flag(const struct cli *cli, int *place, const char *name);
bool take_value(const struct cli *cli, int *place, const char *name, const char **value_out);

#endif
