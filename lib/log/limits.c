/* SPDX-License-Identifier: Apache-2.0 */
/* Options of a log that change while it is used. */
#include "log/core.h"

void
ks_log_set_limits(struct ks_log *log, const struct ks_log_limits *limits)
{
    struct ks_log_options *options = &log->options;

    options->flush_interval_ms = limits->flush_interval_ms;
    options->flush_bytes = limits->flush_bytes;
    options->unflushed_bytes_max = limits->unflushed_bytes_max;
    options->cache_bytes_max = limits->cache_bytes_max;
    options->block_cache_bytes_min = limits->block_cache_bytes_min;
    options->cold_gets_max = limits->cold_gets_max;
    options->read_ahead_bytes_max = limits->read_ahead_bytes_max;
    options->retention_check_ms = limits->retention_check_ms;

    log->object_reads.count_max = limits->cold_gets_max > 0 ? limits->cold_gets_max : 1;
    log->blocks.bytes_min = limits->block_cache_bytes_min;
    ks_cache_fit(log);
    /* The object that is open may be due sooner now. */
    ks_env_cancel_timer(log->env, &log->cut_timer);
    ks_writer_schedule(log);
}
