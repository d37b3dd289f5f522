/* SPDX-License-Identifier: Apache-2.0 */
/* Keys of the metadata store by their first component. */
#include "broker/describe.h"

#include "broker/dynamic_config.h"
#include "broker/identity.h"
#include "broker/topic_record.h"
#include "log/log.h"

#define PRODUCER_IDS_BYTES 9

static void
describe_identity(struct kafscale_slice bytes, const struct kafscale_describe *describe)
{
    struct ks_identity_record record = { 0 };
    struct kafscale_error error = { 0 };

    if (ks_identity_decode(bytes, &record, &error) != KAFSCALE_OK) {
        ks_describe_text(describe, "damage", error.text);
        return;
    }
    ks_describe_id(describe, "cluster", &record.cluster);
    ks_describe_number(describe, "format level", record.format_level);
    ks_describe_text(describe, "metadata backend", record.backend);
}

bool
ks_broker_describe(struct kafscale_slice object, const struct kafscale_describe *describe)
{
    if (object.size < 4 || ks_get_u32(object.data) != KS_IDENTITY_MAGIC) {
        return false;
    }
    ks_describe_text(describe, "kind", "cluster record");
    describe_identity(object, describe);
    return true;
}

static void
describe_topic(struct kafscale_slice value, const struct kafscale_describe *describe)
{
    struct ks_topic_record record = { 0 };
    struct kafscale_error error = { 0 };

    if (ks_topic_record_decode(value, &record, &error) != KAFSCALE_OK) {
        ks_describe_text(describe, "damage", error.text);
    } else {
        ks_describe_text(describe, "topic", record.name);
        ks_describe_number(describe, "partitions", record.partition_count);
        ks_describe_bool(describe, "later life", record.is_later_life);
        ks_describe_begin(describe, "configuration");
        for (size_t i = 0; i < KS_TOPIC_CONFIG_COUNT; i++) {
            if (record.config.values[i] != NULL) {
                ks_describe_text(describe, ks_topic_config_keys[i].key, record.config.values[i]);
            }
        }
        ks_describe_end(describe);
    }
    ks_topic_record_deinit(&record);
}

static void
describe_name(struct kafscale_slice value, const struct kafscale_describe *describe)
{
    struct ks_name_record record = { 0 };
    struct kafscale_error error = { 0 };

    if (ks_name_record_decode(value, &record, &error) != KAFSCALE_OK) {
        ks_describe_text(describe, "damage", error.text);
        return;
    }
    ks_describe_bool(describe, "alive", record.is_alive);
    ks_describe_id(describe, "newest topic id", &record.id);
}

static void
describe_sole(struct kafscale_slice value, const struct kafscale_describe *describe)
{
    struct ks_id id;

    if (value.size != KS_ID_BYTES) {
        ks_describe_hex(describe, "value", value);
        return;
    }
    memcpy(id.bytes, value.data, KS_ID_BYTES);
    ks_describe_id(describe, "incarnation", &id);
}

static void
describe_config(struct kafscale_slice value, const struct kafscale_describe *describe)
{
    struct ks_dynamic_config config = { 0 };
    struct kafscale_error error = { 0 };

    if (ks_dynamic_config_decode(value, &config, &error) != KAFSCALE_OK) {
        ks_describe_text(describe, "damage", error.text);
    } else {
        for (int i = 0; i < KS_TOPIC_CONFIG_COUNT; i++) {
            if (config.config.values[i] != NULL) {
                ks_describe_text(describe, ks_topic_config_keys[i].broker_key,
                                 config.config.values[i]);
            }
        }
        for (int i = 0; i < KS_DYNAMIC_IDLE_COUNT; i++) {
            if (config.idle[i] != NULL) {
                ks_describe_text(describe, ks_dynamic_idle_keys[i], config.idle[i]);
            }
        }
    }
    ks_dynamic_config_deinit(&config);
}

static void
describe_producer_ids(struct kafscale_slice value, const struct kafscale_describe *describe)
{
    if (value.size != PRODUCER_IDS_BYTES) {
        ks_describe_hex(describe, "value", value);
        return;
    }
    ks_describe_number(describe, "next producer id", (int64_t) ks_get_u64(value.data + 1));
}

struct value_format {
    const char *prefix;
    void (*describe)(struct kafscale_slice value, const struct kafscale_describe *describe);
};

static const struct value_format value_formats[] = {
    { "cluster", describe_identity }, { "config/", describe_config },
    { "topic/", describe_topic },     { "name/", describe_name },
    { "sole", describe_sole },        { "producer_ids", describe_producer_ids },
};

void
ks_broker_describe_value(const char *key, struct kafscale_slice value,
                         const struct kafscale_describe *describe)
{
    for (size_t i = 0; i < sizeof value_formats / sizeof *value_formats; i++) {
        if (strncmp(key, value_formats[i].prefix, strlen(value_formats[i].prefix)) == 0) {
            value_formats[i].describe(value, describe);
            return;
        }
    }
    if (!ks_log_describe_value(key, value, describe)) {
        ks_describe_hex(describe, "value", value);
    }
}
