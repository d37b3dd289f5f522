/* SPDX-License-Identifier: Apache-2.0 */
/* rebuild-metadata: what was lost is made anew from the objects. */
#include "command.h"

#include <stdio.h>

static void
on_rebuilt(void *arg, const struct kafscale_rebuilt *rebuilt)
{
    size_t *count = arg;

    (*count)++;
    printf("topic=%s partitions=%d segments=%llu\n", rebuilt->topic, (int) rebuilt->partitions,
           (unsigned long long) rebuilt->segments);
}

int
command_rebuild(const struct cli *cli)
{
    struct kafscale_error error = { 0 };
    bool is_dry_run = false;
    size_t count = 0;
    int place = 0;

    while (place < cli->argc) {
        if (!take_flag(cli, &place, "--dry-run")) {
            return fail_usage("rebuild-metadata does not take", cli->argv[place]);
        }
        is_dry_run = true;
    }
    if (kafscale_tools_rebuild(cli->tools, is_dry_run, on_rebuilt, &count, &error) != KAFSCALE_OK) {
        return fail(&error);
    }
    printf("%s %zu topics\n", is_dry_run ? "would rebuild" : "rebuilt", count);
    return 0;
}
