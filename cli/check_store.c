/* SPDX-License-Identifier: Apache-2.0 */
/* check-store: whether brokers may trust this store. */
#include "command.h"

#include <stdio.h>

int
command_check_store(const struct cli *cli)
{
    struct kafscale_error error = { 0 };

    if (cli->argc > 0) {
        return fail_usage("check-store takes no argument, not", cli->argv[0]);
    }
    if (kafscale_tools_check_store(cli->tools, &error) != KAFSCALE_OK) {
        return fail(&error);
    }
    puts("the store keeps its promises: creation is atomic, nothing is overwritten, reads see "
         "finished writes");
    return 0;
}
