/* SPDX-License-Identifier: Apache-2.0 */
/* From the texts of options.def to the numbers the broker works with. */
#include "broker/broker.h"

#include <inttypes.h>
#include <stdio.h>

#define MINUTE_MS (60 * INT64_C(1000))
#define HOUR_MS (60 * MINUTE_MS)
#define TOPIC_PARTITIONS_MAX 10000
#define READ_AHEAD_BYTES_MAX (8 << 20)

static const struct ks_coordinator_options coordinator_defaults = {
    .partition_count = 50,
    .initial_delay_ms = 3000,
    .group_size_max = 10000,
    .state_bytes_max = 512u << 20,
    .pending_bytes_max = 16u << 20,
    .offsets_retention_ms = 7 * 24 * HOUR_MS,
    .expiry_check_ms = 10 * MINUTE_MS,
    .checkpoint_interval_ms = 6 * HOUR_MS,
    .lag_interval_ms = 5000,
    .lag_series_max = 100,
};

void
ks_broker_options_init(struct ks_broker_options *options)
{
    *options = (struct ks_broker_options){ .ns = "default",
                                           .flush_interval_ms = -1,
                                           .flush_bytes = 4u << 20,
                                           .unflushed_bytes_max = 64u << 20,
                                           .throttle_ms_max = 1000,
                                           .cache_bytes_max = 32u << 20,
                                           .segment_bytes = 8u << 20,
                                           .compact_interval_ms = 6 * HOUR_MS,
                                           .cold_gets_max = 32,
                                           .read_ahead_bytes_max = READ_AHEAD_BYTES_MAX,
                                           .bundle_slots = 64,
                                           .merge_count = 16,
                                           .producers_max = 10000,
                                           .producer_expiration_ms = 24 * HOUR_MS,
                                           .retention_check_ms = 5 * MINUTE_MS,
                                           .gone_again_ms = HOUR_MS,
                                           .freshness_ms = 1000,
                                           .auto_create_topics = true,
                                           .is_admin_allowed = true,
                                           .is_delete_allowed = true,
                                           .partitions_default = 1,
                                           .topic_partitions_max = TOPIC_PARTITIONS_MAX,
                                           .topics_max = 10000,
                                           .partitions_max = 100000,
                                           .fetch_bytes_max = 55u << 20,
                                           .health = ks_health_defaults,
                                           .throughput_window_ms = MINUTE_MS,
                                           .coordinator = coordinator_defaults,
                                           .group_session_ms_min = 6000,
                                           .group_session_ms_max = 30 * MINUTE_MS,
                                           .offset_metadata_bytes_max = 4096,
                                           .offsets_commit_ms = 5000 };
}

static void
read_health(const struct kafscale_options *settings, struct ks_health_options *health)
{
    health->window_ms = 1000 * ks_option_number(settings, KS_OPTION_s3_health_window_sec);
    health->latency_warn_ms = ks_option_number(settings, KS_OPTION_s3_latency_warn_ms);
    health->latency_crit_ms = ks_option_number(settings, KS_OPTION_s3_latency_crit_ms);
    health->error_rate_warn = ks_option_fraction(settings, KS_OPTION_s3_error_rate_warn);
    health->error_rate_crit = ks_option_fraction(settings, KS_OPTION_s3_error_rate_crit);
}

/* Of one request: the options are for a thousand. */
static void
read_prices(const struct kafscale_options *settings, double prices[KS_STORE_OPERATION_COUNT])
{
    prices[KS_STORE_PUT] = ks_option_fraction(settings, KS_OPTION_store_price_put) / 1000;
    prices[KS_STORE_GET] = ks_option_fraction(settings, KS_OPTION_store_price_get) / 1000;
    prices[KS_STORE_LIST] = ks_option_fraction(settings, KS_OPTION_store_price_list) / 1000;
    prices[KS_STORE_REMOVE] = ks_option_fraction(settings, KS_OPTION_store_price_delete) / 1000;
}

static void
read_groups(const struct kafscale_options *settings, struct ks_broker_options *options)
{
    struct ks_coordinator_options *coordinator = &options->coordinator;

    options->group_session_ms_min =
        ks_option_number(settings, KS_OPTION_group_min_session_timeout_ms);
    options->group_session_ms_max =
        ks_option_number(settings, KS_OPTION_group_max_session_timeout_ms);
    options->offset_metadata_bytes_max =
        (size_t) ks_option_number(settings, KS_OPTION_offset_metadata_max_bytes);
    options->offsets_commit_ms = ks_option_number(settings, KS_OPTION_offsets_commit_timeout_ms);
    coordinator->partition_count =
        (int32_t) ks_option_number(settings, KS_OPTION_offsets_topic_num_partitions);
    coordinator->initial_delay_ms =
        ks_option_number(settings, KS_OPTION_group_initial_rebalance_delay_ms);
    coordinator->group_size_max = (size_t) ks_option_number(settings, KS_OPTION_group_max_size);
    coordinator->state_bytes_max = (size_t) ks_option_number(settings, KS_OPTION_group_state_bytes);
    coordinator->pending_bytes_max = options->unflushed_bytes_max / 4;
    coordinator->offsets_retention_ms =
        ks_option_number(settings, KS_OPTION_offsets_retention_minutes) * MINUTE_MS;
    coordinator->expiry_check_ms =
        ks_option_number(settings, KS_OPTION_offsets_retention_check_interval_ms);
    coordinator->checkpoint_interval_ms = options->compact_interval_ms;
    coordinator->lag_interval_ms =
        1000 * ks_option_number(settings, KS_OPTION_lag_sample_interval_sec);
    coordinator->lag_series_max = (size_t) ks_option_number(settings, KS_OPTION_lag_series_max);
}

/* Of Kafka's three units the smallest that is set counts. */
static enum kafscale_status
read_retention(const struct kafscale_options *settings, struct ks_topic_config *defaults)
{
    int64_t count = ks_option_number(settings, KS_OPTION_log_retention_hours);
    int64_t unit_ms = HOUR_MS;
    char retention_ms[32];

    if (ks_option_is_set(settings, KS_OPTION_log_retention_ms)) {
        return KAFSCALE_OK;
    }
    if (ks_option_is_set(settings, KS_OPTION_log_retention_minutes)) {
        count = ks_option_number(settings, KS_OPTION_log_retention_minutes);
        unit_ms = MINUTE_MS;
    } else if (!ks_option_is_set(settings, KS_OPTION_log_retention_hours)) {
        return KAFSCALE_OK;
    }
    snprintf(retention_ms, sizeof retention_ms, "%" PRId64, count < 0 ? -1 : count * unit_ms);
    return ks_topic_config_set(defaults, KS_TOPIC_CONFIG_RETENTION_MS,
                               ks_slice_of_text(retention_ms));
}

/* Broker-wide settings with the name of a topic key's broker key are defaults of that key. */
static enum kafscale_status
read_topic_defaults(const struct kafscale_options *settings, struct ks_topic_config *defaults)
{
    for (int i = 0; i < KS_TOPIC_CONFIG_COUNT; i++) {
        enum ks_topic_config_name name = (enum ks_topic_config_name) i;
        const char *text = kafscale_options_get(settings, ks_topic_config_keys[i].broker_key);
        struct kafscale_error error = { 0 };
        enum kafscale_status status;

        if (text == NULL || strcmp(text, ks_topic_config_keys[i].default_text) == 0 ||
            ks_topic_config_check(name, ks_slice_of_text(text), &error) != KAFSCALE_OK) {
            continue;
        }
        status = ks_topic_config_set(defaults, name, ks_slice_of_text(text));
        if (status != KAFSCALE_OK) {
            return status;
        }
    }
    return read_retention(settings, defaults);
}

/* More than this ahead of one consumer makes nothing faster. */
static size_t
read_ahead_bytes(const struct kafscale_options *settings)
{
    int64_t segments = ks_option_number(settings, KS_OPTION_readahead_segments);
    int64_t segment_bytes = ks_option_number(settings, KS_OPTION_segment_object_bytes);

    return segments > READ_AHEAD_BYTES_MAX / segment_bytes ? READ_AHEAD_BYTES_MAX
                                                           : (size_t) (segments * segment_bytes);
}

enum kafscale_status
ks_broker_options_from(const struct kafscale_options *settings,
                       struct ks_broker_options *options_out)
{
    struct ks_broker_options options;
    enum kafscale_status status;

    ks_broker_options_init(&options);
    options.ns = ks_option_text(settings, KS_OPTION_s3_namespace);
    options.node_id = ks_options_broker_id(settings);
    options.flush_interval_ms = ks_option_number(settings, KS_OPTION_flush_interval_ms);
    options.flush_bytes = (size_t) ks_option_number(settings, KS_OPTION_flush_bytes);
    options.unflushed_bytes_max = (size_t) ks_option_number(settings, KS_OPTION_unflushed_bytes);
    options.throttle_ms_max = ks_option_number(settings, KS_OPTION_throttle_max_ms);
    options.cache_bytes_max = (size_t) ks_option_number(settings, KS_OPTION_cache_bytes);
    options.segment_bytes = (size_t) ks_option_number(settings, KS_OPTION_segment_object_bytes);
    options.compact_interval_ms = ks_option_number(settings, KS_OPTION_compact_interval_ms);
    options.cold_gets_max = (uint32_t) ks_option_number(settings, KS_OPTION_cold_requests_max);
    options.read_ahead_bytes_max = read_ahead_bytes(settings);
    read_health(settings, &options.health);
    read_prices(settings, options.prices);
    options.throughput_window_ms =
        1000 * ks_option_number(settings, KS_OPTION_throughput_window_sec);
    read_groups(settings, &options);
    options.is_single_writer = ks_options_store_is_s3(settings) &&
                               ks_option_is_true(settings, KS_OPTION_store_single_writer);
    options.producers_max = (uint32_t) ks_option_number(settings, KS_OPTION_producer_ids_max);
    options.producer_expiration_ms =
        ks_option_number(settings, KS_OPTION_producer_id_expiration_ms);
    options.retention_check_ms =
        ks_option_number(settings, KS_OPTION_log_retention_check_interval_ms);
    options.freshness_ms = ks_option_number(settings, KS_OPTION_freshness_ms);
    options.is_traced = ks_option_is_true(settings, KS_OPTION_trace_kafka);
    options.auto_create_topics = ks_option_is_true(settings, KS_OPTION_auto_create_topics_enable);
    options.is_admin_allowed = ks_option_is_true(settings, KS_OPTION_allow_admin_apis);
    options.is_delete_allowed = ks_option_is_true(settings, KS_OPTION_delete_topic_enable);
    options.partitions_default = (int32_t) ks_option_number(settings, KS_OPTION_num_partitions);
    options.topics_max = (size_t) ks_option_number(settings, KS_OPTION_topics_max);
    options.partitions_max = ks_option_number(settings, KS_OPTION_partitions_max);
    options.fetch_bytes_max = (size_t) ks_option_number(settings, KS_OPTION_fetch_max_bytes);
    options.settings = settings;
    status = read_topic_defaults(settings, &options.topic_defaults);
    if (status != KAFSCALE_OK) {
        ks_broker_options_deinit(&options);
        return status;
    }
    *options_out = options;
    return KAFSCALE_OK;
}

void
ks_broker_options_deinit(struct ks_broker_options *options)
{
    ks_topic_config_deinit(&options->topic_defaults);
}
