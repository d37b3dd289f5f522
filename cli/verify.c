/* SPDX-License-Identifier: Apache-2.0 */
/* verify: a whole store checked, each finding in one line. */
#include "command.h"

#include <stdio.h>

struct output {
    bool is_all; /* garbage too */
};

static void
on_found(void *arg, const struct kafscale_finding *finding)
{
    static const char *const weights[] = { "garbage", "odd", "damage" };
    const struct output *output = arg;

    if (output->is_all || finding->weight != KAFSCALE_FINDING_GARBAGE) {
        printf("%-7s  %s: %s\n", weights[finding->weight], finding->key, finding->text);
    }
}

static void
print_summary(const struct kafscale_verify_summary *summary)
{
    printf("%llu topics, %llu partitions; %llu objects of %llu bytes: %llu segments, %llu bundles, "
           "%llu write-ahead objects, %llu seals\n",
           (unsigned long long) summary->topics, (unsigned long long) summary->partitions,
           (unsigned long long) summary->objects, (unsigned long long) summary->object_bytes,
           (unsigned long long) summary->segments, (unsigned long long) summary->bundles,
           (unsigned long long) summary->slots, (unsigned long long) summary->seals);
    printf("damage %llu, odd %llu, garbage %llu\n",
           (unsigned long long) summary->findings[KAFSCALE_FINDING_DAMAGE],
           (unsigned long long) summary->findings[KAFSCALE_FINDING_ODD],
           (unsigned long long) summary->findings[KAFSCALE_FINDING_GARBAGE]);
}

int
command_verify(const struct cli *cli)
{
    struct kafscale_verify_summary summary;
    struct kafscale_error error = { 0 };
    struct output output = { 0 };
    bool is_quick = false;
    int place = 0;

    while (place < cli->argc) {
        if (take_flag(cli, &place, "--quick")) {
            is_quick = true;
        } else if (take_flag(cli, &place, "--all")) {
            output.is_all = true;
        } else {
            return fail_usage("verify does not take", cli->argv[place]);
        }
    }
    if (kafscale_tools_verify(cli->tools, is_quick, on_found, &output, &summary, &error) !=
        KAFSCALE_OK) {
        return fail(&error);
    }
    print_summary(&summary);
    return summary.findings[KAFSCALE_FINDING_DAMAGE] > 0 ? EXIT_FINDINGS : 0;
}
