/* SPDX-License-Identifier: Apache-2.0 */
/* /proc is read anew each time; without it there are fewer numbers. */
#include "ops/process.h"

#include <dirent.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

static double
seconds_of(struct timeval time)
{
    return (double) time.tv_sec + (double) time.tv_usec / 1e6;
}

static void
read_cpu(struct ks_metrics *metrics)
{
    struct rusage usage;

    if (getrusage(RUSAGE_SELF, &usage) == 0) {
        ks_metrics_add(metrics, KS_METRIC_process_cpu_seconds_total,
                       seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime));
    }
}

static void
read_memory(struct ks_metrics *metrics)
{
    FILE *file = fopen("/proc/self/statm", "re");
    unsigned long long pages = 0;

    if (file == NULL) {
        return;
    }
    if (fscanf(file, "%*u %llu", &pages) == 1) {
        ks_metrics_add(metrics, KS_METRIC_process_resident_memory_bytes,
                       (double) pages * (double) sysconf(_SC_PAGESIZE));
    }
    fclose(file);
}

/* Without the entries for itself and for the one above, and the descriptor that reads them. */
static void
read_descriptors(struct ks_metrics *metrics)
{
    DIR *directory = opendir("/proc/self/fd");
    int count = -3;

    if (directory == NULL) {
        return;
    }
    while (readdir(directory) != NULL) {
        count++;
    }
    closedir(directory);
    ks_metrics_add(metrics, KS_METRIC_process_open_fds, count);
}

void
ks_process_read_metrics(struct ks_metrics *metrics)
{
    read_cpu(metrics);
    read_memory(metrics);
    read_descriptors(metrics);
}
