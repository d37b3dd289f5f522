/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a log keeps for reading segments: the order in which its parts come and go. Readers hold
 * segments and wait for blocks, so they go first.
 */
#include "log/core.h"
#include "log/read/producer_load.h"
#include "log/read/segment_find.h"

/* Indexes are small beside the blocks they lead to. */
#define INDEX_SHARE 8
#define INDEX_BYTES_MIN (1u << 20)

void
ks_cold_init(struct ks_log *log)
{
    const struct ks_log_options *options = &log->options;
    size_t index_bytes = options->block_cache_bytes_min / INDEX_SHARE;
    uint64_t seed = ks_get_u64(options->incarnation.bytes);

    ks_object_reads_init(&log->object_reads, options->cold_gets_max);
    ks_segments_init(&log->segments, seed,
                     index_bytes > INDEX_BYTES_MIN ? index_bytes : INDEX_BYTES_MIN);
    ks_block_cache_init(&log->blocks, seed, options->block_cache_bytes_min);
    ks_list_init(&log->searches);
    ks_list_init(&log->cold_reads);
    ks_list_init(&log->producer_loads);
    ks_list_init(&log->time_searches);
    ks_list_init(&log->preparations);
}

void
ks_cold_deinit(struct ks_log *log)
{
    ks_block_cache_deinit(&log->blocks);
    ks_segments_deinit(&log->segments);
}

void
ks_cold_silence(struct ks_log *log)
{
    ks_time_searches_silence(log);
    ks_producer_loads_silence(log);
    ks_segment_searches_silence(log);
    ks_object_reads_silence(log);
}

void
ks_cold_drop(struct ks_log *log)
{
    ks_segment_searches_drop(log);
    ks_cold_reads_drop(log);
    ks_time_searches_drop(log);
    ks_expiry_drop(log);
    ks_preparations_drop(log);
    ks_producer_loads_drop(log);
    ks_object_reads_drop(log);
}
