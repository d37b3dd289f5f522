/* SPDX-License-Identifier: Apache-2.0 */
/* Codecs by their names in compression.type, and the older form of the limits of time. */
#include "broker/produce_rules.h"

#include "broker/endpoint.h"
#include "record/record.h"

static int
codec_of(const char *type)
{
    for (int codec = KS_CODEC_GZIP; codec < KS_CODEC_COUNT; codec++) {
        if (strcmp(ks_codec_name(codec), type) == 0) {
            return codec;
        }
    }
    return strcmp(type, "uncompressed") == 0 ? KS_CODEC_NONE : -1;
}

/* What was stored before the table knew all limits counts as the default. */
static int
level_of(const struct ks_topic_config *config, const struct ks_topic_config *defaults, int codec)
{
    static const int names[KS_CODEC_COUNT] = {
        [KS_CODEC_GZIP] = KS_TOPIC_CONFIG_COMPRESSION_GZIP_LEVEL,
        [KS_CODEC_LZ4] = KS_TOPIC_CONFIG_COMPRESSION_LZ4_LEVEL,
        [KS_CODEC_ZSTD] = KS_TOPIC_CONFIG_COMPRESSION_ZSTD_LEVEL,
    };
    int64_t level;

    if (codec != KS_CODEC_GZIP && codec != KS_CODEC_LZ4 && codec != KS_CODEC_ZSTD) {
        return KS_LEVEL_DEFAULT;
    }
    level = ks_topic_config_number(config, defaults, (enum ks_topic_config_name) names[codec]);
    return ks_codec_has_level(codec, (int) level) ? (int) level : KS_LEVEL_DEFAULT;
}

static bool
is_set(const struct ks_topic_config *config, const struct ks_topic_config *defaults,
       enum ks_topic_config_name name)
{
    return config->values[name] != NULL || (defaults != NULL && defaults->values[name] != NULL);
}

/* One key was there for both sides before each had its own, which goes before it. */
static int64_t
time_limit(const struct ks_topic_config *config, const struct ks_topic_config *defaults,
           enum ks_topic_config_name name)
{
    if (!is_set(config, defaults, name) &&
        is_set(config, defaults, KS_TOPIC_CONFIG_TIMESTAMP_DIFFERENCE_MAX_MS)) {
        name = KS_TOPIC_CONFIG_TIMESTAMP_DIFFERENCE_MAX_MS;
    }
    return ks_topic_config_number(config, defaults, name);
}

struct ks_produce_rules
ks_produce_rules_of(const struct ks_topic_config *config, const struct ks_topic_config *defaults)
{
    int codec = codec_of(ks_topic_config_text(config, defaults, KS_TOPIC_CONFIG_COMPRESSION_TYPE));

    return (struct ks_produce_rules){
        .bytes_max =
            (size_t) ks_topic_config_number(config, defaults, KS_TOPIC_CONFIG_MAX_MESSAGE_BYTES),
        .timestamp_before_max_ms =
            time_limit(config, defaults, KS_TOPIC_CONFIG_TIMESTAMP_BEFORE_MAX_MS),
        .timestamp_after_max_ms =
            time_limit(config, defaults, KS_TOPIC_CONFIG_TIMESTAMP_AFTER_MAX_MS),
        .codec = codec,
        .level = level_of(config, defaults, codec),
        .append_time =
            strcmp(ks_topic_config_text(config, defaults, KS_TOPIC_CONFIG_TIMESTAMP_TYPE),
                   "LogAppendTime") == 0,
        .needs_keys = ks_topic_config_compacts(config, defaults),
    };
}
