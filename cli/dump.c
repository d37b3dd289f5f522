/* SPDX-License-Identifier: Apache-2.0 */
/* dump: what is in objects, as text or as JSON. */
#include "command.h"
#include "show.h"

#include <stdio.h>

static int
dump_all(const struct cli *cli, int first, enum kafscale_dump_depth depth)
{
    struct show *show = show_new(cli->is_json);
    struct kafscale_error error = { 0 };
    int result = 0;

    if (show == NULL) {
        return fail(&(struct kafscale_error){ KAFSCALE_NO_MEMORY, "out of memory" });
    }
    for (int i = first; i < cli->argc && result == 0; i++) {
        if (kafscale_tools_dump(cli->tools, cli->argv[i], depth, show_describe(show), &error) !=
            KAFSCALE_OK) {
            result = fail(&error);
        }
    }
    if (!show_free(show) && result == 0) {
        return fail(&(struct kafscale_error){ KAFSCALE_IO, "the output can't be written" });
    }
    return result;
}

int
command_dump(const struct cli *cli)
{
    enum kafscale_dump_depth depth = KAFSCALE_DUMP_HEAD;
    int place = 0;

    for (;;) {
        if (take_flag(cli, &place, "--batches")) {
            depth = KAFSCALE_DUMP_BATCHES;
        } else if (take_flag(cli, &place, "--records")) {
            depth = KAFSCALE_DUMP_RECORDS;
        } else {
            break;
        }
    }
    if (place == cli->argc) {
        return fail_usage("dump needs the key of an object", "");
    }
    return dump_all(cli, place, depth);
}
