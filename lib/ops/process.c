/* SPDX-License-Identifier: Apache-2.0 */
/* /proc is read anew each time; without it there are fewer numbers. */
#include "ops/process.h"

#include <dirent.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

/* Less says nothing of how busy it is. */
#define CPU_MS_MIN 1000

static double
seconds_of(struct timeval time)
{
    return (double) time.tv_sec + (double) time.tv_usec / 1e6;
}

/* Of one core: 250 is two and a half. */
static void
read_cpu(struct ks_process *process, int64_t now_ms, struct ks_metrics *metrics)
{
    struct rusage usage;
    double seconds;

    if (getrusage(RUSAGE_SELF, &usage) != 0) {
        return;
    }
    seconds = seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime);
    if (process->is_read && now_ms - process->since_ms >= CPU_MS_MIN) {
        process->cpu_percent = (seconds - process->since_cpu_seconds) * 100000.0 /
                               (double) (now_ms - process->since_ms);
    }
    if (!process->is_read || now_ms - process->since_ms >= CPU_MS_MIN) {
        process->is_read = true;
        process->since_ms = now_ms;
        process->since_cpu_seconds = seconds;
    }
    ks_metrics_add(metrics, KS_METRIC_process_cpu_seconds_total, seconds);
    ks_metrics_add(metrics, KS_METRIC_broker_cpu_percent, process->cpu_percent);
}

/* Pages: all, in memory, of these shared, text, of libraries (0), data and stack. */
static void
read_memory(struct ks_metrics *metrics)
{
    FILE *file = fopen("/proc/self/statm", "re");
    unsigned long long resident = 0;
    unsigned long long shared = 0;
    unsigned long long data = 0;
    double page = (double) sysconf(_SC_PAGESIZE);

    if (file == NULL) {
        return;
    }
    if (fscanf(file, "%*u %llu %llu %*u %*u %llu", &resident, &shared, &data) == 3) {
        double own = resident > shared ? (double) (resident - shared) * page : 0;

        ks_metrics_add(metrics, KS_METRIC_process_resident_memory_bytes, (double) resident * page);
        ks_metrics_add(metrics, KS_METRIC_broker_mem_alloc_bytes, own);
        ks_metrics_add(metrics, KS_METRIC_broker_heap_inuse_bytes, own);
        ks_metrics_add(metrics, KS_METRIC_broker_mem_sys_bytes, (double) data * page);
    }
    fclose(file);
}

/* Of a directory, without those for itself and the one above; -1: it can't be read. */
static int
count_entries(const char *path)
{
    DIR *directory = opendir(path);
    int count = -2;

    if (directory == NULL) {
        return -1;
    }
    while (readdir(directory) != NULL) {
        count++;
    }
    closedir(directory);
    return count;
}

void
ks_process_read_metrics(struct ks_process *process, int64_t now_ms, struct ks_metrics *metrics)
{
    int fds = count_entries("/proc/self/fd") - 1; /* that which counts them */
    int threads = count_entries("/proc/self/task");
    struct rlimit limit;

    read_cpu(process, now_ms, metrics);
    read_memory(metrics);
    if (fds >= 0) {
        ks_metrics_add(metrics, KS_METRIC_process_open_fds, fds);
    }
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        ks_metrics_add(metrics, KS_METRIC_process_max_fds, (double) limit.rlim_cur);
    }
    if (threads >= 0) {
        ks_metrics_add(metrics, KS_METRIC_broker_goroutines, threads);
    }
}
