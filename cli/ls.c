/* SPDX-License-Identifier: Apache-2.0 */
/* ls: the objects below a prefix, with their sizes. */
#include "command.h"

#include <stdio.h>

static bool
on_listed(void *arg, const struct kafscale_list_entry *entry)
{
    (void) arg;
    printf("%12llu  %s\n", (unsigned long long) entry->object_bytes, entry->key);
    return ferror(stdout) == 0;
}

int
command_ls(const struct cli *cli)
{
    struct kafscale_error error = { 0 };

    if (cli->argc > 1) {
        return fail_usage("ls takes one prefix, not also", cli->argv[1]);
    }
    if (kafscale_tools_list(cli->tools, cli->argc == 0 ? "" : cli->argv[0], on_listed, NULL,
                            &error) != KAFSCALE_OK) {
        return fail(&error);
    }
    return 0;
}
