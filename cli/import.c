/* SPDX-License-Identifier: Apache-2.0 */
/* import: topics that another KafScale wrote become known to brokers. */
#include "command.h"

#include <stdio.h>

static void
on_imported(void *arg, const struct kafscale_imported *imported)
{
    size_t *count = arg;

    (*count)++;
    printf("topic=%s partition=%d segments=%llu indexes_written=%llu log_start=%lld end=%lld\n",
           imported->topic, (int) imported->partition, (unsigned long long) imported->segments,
           (unsigned long long) imported->indexes_written, (long long) imported->log_start,
           (long long) imported->end_offset);
}

int
command_import(const struct cli *cli)
{
    struct kafscale_error error = { 0 };
    const char *topic = NULL;
    bool is_dry_run = false;
    size_t count = 0;
    int place = 0;

    while (place < cli->argc) {
        if (take_flag(cli, &place, "--dry-run")) {
            is_dry_run = true;
        } else if (!take_value(cli, &place, "--topic", &topic)) {
            return fail_usage("import does not take", cli->argv[place]);
        }
    }
    if (kafscale_tools_import(cli->tools, topic, is_dry_run, on_imported, &count, &error) !=
        KAFSCALE_OK) {
        return fail(&error);
    }
    printf("%s %zu partitions\n", is_dry_run ? "would import" : "imported", count);
    return 0;
}
