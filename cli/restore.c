/* SPDX-License-Identifier: Apache-2.0 */
/* restore: a topic as it was at a point in time becomes a new topic. */
#include "command.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PARTITIONS_MAX 1000

static void
on_restored(void *arg, const struct kafscale_restored *restored)
{
    (void) arg;
    printf("partition=%d segments=%llu records=%llu log_start=%lld last_offset=%lld\n",
           (int) restored->partition, (unsigned long long) restored->segments,
           (unsigned long long) restored->records, (long long) restored->log_start,
           (long long) restored->end_offset - 1);
}

/* RFC 3339: 2026-11-21T19:02:32Z, with a fraction and with an offset such as +01:00 if need be. */
static bool
parse_time(const char *text, int64_t *time_ms_out)
{
    struct tm utc = { 0 };
    const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &utc);
    int64_t offset_minutes = 0;
    int64_t fraction_ms = 0;
    int hours;
    int minutes;

    if (rest != NULL && *rest == '.') {
        char *end;
        double fraction = strtod(rest, &end);

        fraction_ms = (int64_t) (fraction * 1000);
        rest = end;
    }
    if (rest == NULL || (strcmp(rest, "Z") != 0 && strlen(rest) != 6)) {
        return false;
    }
    if (*rest != 'Z') {
        if (sscanf(rest + 1, "%2d:%2d", &hours, &minutes) != 2 || strchr("+-", *rest) == NULL) {
            return false;
        }
        offset_minutes = (*rest == '-' ? -1 : 1) * (hours * 60 + minutes);
    }
    *time_ms_out = ((int64_t) timegm(&utc) - offset_minutes * 60) * 1000 + fraction_ms;
    return true;
}

/* "0,1,5" */
static bool
parse_partitions(const char *text, int32_t *partitions, size_t *count_out)
{
    size_t count = 0;
    char *end;

    for (;;) {
        long partition = strtol(text, &end, 10);

        if (end == text || partition < 0 || partition > INT32_MAX || count == PARTITIONS_MAX) {
            return false;
        }
        partitions[count++] = (int32_t) partition;
        if (*end != ',') {
            break;
        }
        text = end + 1;
    }
    *count_out = count;
    return *end == '\0';
}

static int
run(const struct cli *cli, const struct kafscale_restore *restore)
{
    struct kafscale_error error = { 0 };

    if (kafscale_tools_restore(cli->tools, restore, on_restored, NULL, &error) != KAFSCALE_OK) {
        return fail(&error);
    }
    printf("restored topic=%s into=%s\n", restore->topic, restore->target_topic);
    return 0;
}

int
command_restore(const struct cli *cli)
{
    struct kafscale_restore restore = { .size = sizeof restore, .to_ms = INT64_MAX };
    int32_t partitions[PARTITIONS_MAX];
    const char *to = NULL;
    const char *list = NULL;
    int place = 0;

    while (place < cli->argc) {
        if (!take_value(cli, &place, "--topic", &restore.topic) &&
            !take_value(cli, &place, "--target-topic", &restore.target_topic) &&
            !take_value(cli, &place, "--namespace", &restore.source_namespace) &&
            !take_value(cli, &place, "--target-namespace", &restore.target_namespace) &&
            !take_value(cli, &place, "--to", &to) &&
            !take_value(cli, &place, "--partitions", &list)) {
            return fail_usage("restore does not take", cli->argv[place]);
        }
    }
    if (restore.topic == NULL || restore.target_topic == NULL) {
        return fail_usage("restore needs --topic and --target-topic", "");
    }
    if (to != NULL && !parse_time(to, &restore.to_ms)) {
        return fail_usage("--to takes a time such as 2026-11-21T19:02:32Z, not", to);
    }
    if (list != NULL && !parse_partitions(list, partitions, &restore.partition_count)) {
        return fail_usage("--partitions takes numbers such as 0,1,5, not", list);
    }
    restore.partitions = partitions;
    return run(cli, &restore);
}
