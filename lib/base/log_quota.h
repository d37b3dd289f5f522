/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What clients can cause as often as they like must not fill a disk: a flood of one kind of event
 * is a few lines now and then, which tell how many were left out before them.
 */
#ifndef KS_BASE_LOG_QUOTA_H
#define KS_BASE_LOG_QUOTA_H

#include "base/logger.h"

#include <stdint.h>

struct ks_env;

#define KS_LOG_QUOTA_INTERVAL_MS 10000

/* What an operator may want to read several of, and what he asked to see much of. */
#define KS_LOG_QUOTA_COUNT 10
#define KS_LOG_QUOTA_DEBUG_COUNT 100

/* Of one kind of event. Zeroed: none so far. */
struct ks_log_quota {
    int64_t since_ms; /* when the interval began */
    uint32_t written_count;
    uint64_t left_out_count;
};

/*
 * As ks_log, for what clients can cause: at most `count_max` (1 or more) in an interval. A field
 * left_out is added to each, the number of those that were not written since the last one.
 */
void ks_log_some(struct ks_env *env, struct ks_log_quota *quota, uint32_t count_max,
                 enum kafscale_log_level level, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

/* The same with fields that are put together already; without left_out while none was left out. */
void ks_log_some_fields(struct ks_env *env, struct ks_log_quota *quota, uint32_t count_max,
                        enum kafscale_log_level level, const char *message,
                        const struct kafscale_log_field *fields, size_t count);

#endif
