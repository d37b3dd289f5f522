/* SPDX-License-Identifier: Apache-2.0 */
/* Pairs of texts, under the names that keys have for brokers. */
#include "broker/dynamic_config.h"

#include <stdio.h>

#define RECORD_VERSION 1
#define DIGITS_MAX 18

const char *const ks_dynamic_idle_keys[KS_DYNAMIC_IDLE_COUNT] = {
    "background.threads",   "log.cleaner.backoff.ms",
    "log.cleaner.threads",  "num.io.threads",
    "num.network.threads",  "num.recovery.threads.per.data.dir",
    "num.replica.fetchers", "sasl.kerberos.min.time.before.relogin",
};

void
ks_dynamic_config_deinit(struct ks_dynamic_config *config)
{
    ks_topic_config_deinit(&config->config);
    for (int i = 0; i < KS_DYNAMIC_IDLE_COUNT; i++) {
        ks_free(config->idle[i]);
        config->idle[i] = NULL;
    }
}

static void
append_text(struct ks_buffer *out, const char *text)
{
    ks_buffer_append_u16(out, (uint16_t) strlen(text));
    ks_buffer_append(out, text, strlen(text));
}

static void
append_pair(struct ks_buffer *out, const char *key, const char *value)
{
    if (value != NULL) {
        append_text(out, key);
        append_text(out, value);
    }
}

void
ks_dynamic_config_encode(const struct ks_dynamic_config *config, struct ks_buffer *out)
{
    ks_buffer_append_u8(out, RECORD_VERSION);
    for (int i = 0; i < KS_TOPIC_CONFIG_COUNT; i++) {
        append_pair(out, ks_topic_config_keys[i].broker_key, config->config.values[i]);
    }
    for (int i = 0; i < KS_DYNAMIC_IDLE_COUNT; i++) {
        append_pair(out, ks_dynamic_idle_keys[i], config->idle[i]);
    }
}

char **
ks_dynamic_config_find(struct ks_dynamic_config *config, struct kafscale_slice key,
                       int *topic_config_out)
{
    *topic_config_out = -1;
    for (int i = 0; i < KS_TOPIC_CONFIG_COUNT; i++) {
        if (ks_slice_equals(key, ks_slice_of_text(ks_topic_config_keys[i].broker_key))) {
            *topic_config_out = i;
            return &config->config.values[i];
        }
    }
    for (int i = 0; i < KS_DYNAMIC_IDLE_COUNT; i++) {
        if (ks_slice_equals(key, ks_slice_of_text(ks_dynamic_idle_keys[i]))) {
            return &config->idle[i];
        }
    }
    return NULL;
}

static bool
is_count(struct kafscale_slice value)
{
    for (size_t i = 0; i < value.size; i++) {
        if (value.data[i] < '0' || value.data[i] > '9') {
            return false;
        }
    }
    return value.size > 0 && value.size <= DIGITS_MAX;
}

enum kafscale_status
ks_dynamic_config_check(struct kafscale_slice key, int topic_config, struct kafscale_slice value,
                        struct kafscale_error *error)
{
    if (topic_config >= 0) {
        return ks_topic_config_check((enum ks_topic_config_name) topic_config, value, error);
    }
    if (is_count(value)) {
        return KAFSCALE_OK;
    }
    return ks_error_set(error, KAFSCALE_INVALID,
                        "Invalid value for configuration %.*s: must be a number from 0 on",
                        (int) (key.size < 100 ? key.size : 100), (const char *) key.data);
}

static enum kafscale_status
take_pair(struct ks_dynamic_config *out, struct kafscale_slice key, struct kafscale_slice value)
{
    struct kafscale_error ignored = { 0 };
    int topic_config;
    char **place = ks_dynamic_config_find(out, key, &topic_config);

    if (place == NULL || *place != NULL ||
        ks_dynamic_config_check(key, topic_config, value, &ignored) != KAFSCALE_OK) {
        return KAFSCALE_OK;
    }
    *place = ks_copy_text_of(value.data, value.size);
    return *place == NULL ? KAFSCALE_NO_MEMORY : KAFSCALE_OK;
}

enum kafscale_status
ks_dynamic_config_decode(struct kafscale_slice bytes, struct ks_dynamic_config *out,
                         struct kafscale_error *error)
{
    struct ks_cursor cursor = ks_cursor(bytes);
    uint8_t version = ks_cursor_u8(&cursor);
    enum kafscale_status status = KAFSCALE_OK;

    while (status == KAFSCALE_OK && ks_cursor_left(&cursor) > 0) {
        struct kafscale_slice key = ks_cursor_take(&cursor, ks_cursor_u16(&cursor));
        struct kafscale_slice value = ks_cursor_take(&cursor, ks_cursor_u16(&cursor));

        if (!ks_cursor_failed(&cursor)) {
            status = take_pair(out, key, value);
        }
    }
    if (status != KAFSCALE_OK) {
        return ks_error_set(error, status, "out of memory for the configuration of brokers");
    }
    if (ks_cursor_failed(&cursor) || version < RECORD_VERSION) {
        return ks_error_set(error, KAFSCALE_CORRUPT, "a configuration of brokers is damaged");
    }
    return KAFSCALE_OK;
}

void
ks_dynamic_config_key(enum ks_dynamic_scope scope, int32_t node_id,
                      char key_out[KS_RECORD_KEY_BYTES])
{
    if (scope == KS_DYNAMIC_DEFAULT) {
        snprintf(key_out, KS_RECORD_KEY_BYTES, "config/default");
    } else {
        snprintf(key_out, KS_RECORD_KEY_BYTES, "config/%d", (int) node_id);
    }
}
