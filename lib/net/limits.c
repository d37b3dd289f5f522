/* SPDX-License-Identifier: Apache-2.0 */
/* Defaults follow Apache Kafka's where it has them: idle time and largest request. */
#include "net/limits.h"

#include "net/memory_account.h"

struct ks_net_limits
ks_net_limits_default(void)
{
    return (struct ks_net_limits){
        .connections_max = 16384,
        .connections_per_address_max = UINT32_MAX,
        .requests_pipelined_max = 64,
        .frame_bytes_max = 100u * 1024 * 1024,
        .memory_bytes_max = (size_t) 256 * 1024 * 1024,
        .memory_reserve_bytes_max = (size_t) 8 * 1024 * 1024,
        .output_bytes_max = (size_t) 1024 * 1024,
        .idle_ms_max = 10 * 60 * 1000,
        .frame_ms_max = 30 * 1000,
        .reserved_window_ms = 10 * 1000,
        .contended_window_ms = 3 * 1000,
        .response_window_ms = 30 * 1000,
        .rate_bytes_per_s = 64 * 1024,
    };
}

enum kafscale_status
ks_net_limits_check(const struct ks_net_limits *limits, struct kafscale_error *error)
{
    if (limits->connections_max == 0 || limits->connections_per_address_max == 0 ||
        limits->requests_pipelined_max == 0 || limits->output_bytes_max == 0) {
        return ks_error_set(error, KAFSCALE_INVALID, "a limit of the network is 0");
    }
    if (limits->frame_bytes_max < KS_FRAME_BYTES_MIN || limits->frame_bytes_max > INT32_MAX) {
        return ks_error_set(error, KAFSCALE_INVALID, "largest request of %u bytes",
                            limits->frame_bytes_max);
    }
    if (limits->memory_bytes_max < limits->frame_bytes_max) {
        return ks_error_set(error, KAFSCALE_INVALID,
                            "memory for requests is %zu bytes, the largest request %u",
                            limits->memory_bytes_max, limits->frame_bytes_max);
    }
    if (limits->memory_reserve_bytes_max < KS_MEMORY_SMALL_BYTES_MAX) {
        return ks_error_set(error, KAFSCALE_INVALID,
                            "memory reserve of %zu bytes, at least %zu are needed",
                            limits->memory_reserve_bytes_max, KS_MEMORY_SMALL_BYTES_MAX);
    }
    if (limits->idle_ms_max <= 0 || limits->frame_ms_max <= 0 || limits->reserved_window_ms <= 0 ||
        limits->contended_window_ms <= 0 || limits->response_window_ms <= 0) {
        return ks_error_set(error, KAFSCALE_INVALID, "a time limit of the network is 0");
    }
    return KAFSCALE_OK;
}
