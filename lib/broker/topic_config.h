/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The configuration of a topic: the table of all keys (topic_config.def) and the values one topic
 * has set. Values are kept as the text the client sent, so that what was stored is what is
 * returned; numbers are read when needed.
 */
#ifndef KS_BROKER_TOPIC_CONFIG_H
#define KS_BROKER_TOPIC_CONFIG_H

#include "base/base.h"

enum ks_topic_config_name {
#define CONFIG(name, key, type, default_text, lowest, highest, words, idle, broker_key, help) \
    KS_TOPIC_CONFIG_##name,
#include "broker/topic_config.def"
#undef CONFIG
    KS_TOPIC_CONFIG_COUNT
};

enum ks_config_type {
    KS_CONFIG_BOOLEAN,
    KS_CONFIG_STRING,
    KS_CONFIG_INT,
    KS_CONFIG_LONG,
    KS_CONFIG_DOUBLE,
    KS_CONFIG_LIST,
};

/* One line of the table. */
struct ks_topic_config_key {
    const char *key;
    enum ks_config_type type;
    const char *default_text;
    int64_t lowest; /* of numbers */
    int64_t highest;
    const char *words; /* allowed values of strings and list elements, parted by '|'; "": any */
    const char *idle;  /* why it does nothing here; "": it acts */
    const char *broker_key;
    const char *help;
};

extern const struct ks_topic_config_key ks_topic_config_keys[KS_TOPIC_CONFIG_COUNT];

/* The place of a key in the table, or -1. */
int ks_topic_config_find(struct kafscale_slice key);

/* KAFSCALE_INVALID with a text for the client when the key can't have this value. */
KAFSCALE_MUST_CHECK enum kafscale_status ks_topic_config_check(enum ks_topic_config_name name,
                                                               struct kafscale_slice value,
                                                               struct kafscale_error *error);

/* What one topic, or the broker for all topics, has set; NULL: not set. Zeroed: nothing. */
struct ks_topic_config {
    char *values[KS_TOPIC_CONFIG_COUNT];
};

void ks_topic_config_deinit(struct ks_topic_config *config);

/* Copies a checked value. A key set before gets the new value. */
KAFSCALE_MUST_CHECK enum kafscale_status ks_topic_config_set(struct ks_topic_config *config,
                                                             enum ks_topic_config_name name,
                                                             struct kafscale_slice value);

/* The key isn't set any more. */
void ks_topic_config_unset(struct ks_topic_config *config, enum ks_topic_config_name name);

/* `out` is zeroed or empty. */
KAFSCALE_MUST_CHECK enum kafscale_status ks_topic_config_copy(const struct ks_topic_config *config,
                                                              struct ks_topic_config *out);

/* The topic's value, else the broker's (`defaults` may be NULL), else the table's. Never NULL. */
const char *ks_topic_config_text(const struct ks_topic_config *config,
                                 const struct ks_topic_config *defaults,
                                 enum ks_topic_config_name name);

/* Whether records go by time and size: cleanup.policy names "delete". */
bool ks_topic_config_deletes(const struct ks_topic_config *config,
                             const struct ks_topic_config *defaults);

/* Whether records are to go by key: cleanup.policy names "compact". */
bool ks_topic_config_compacts(const struct ks_topic_config *config,
                              const struct ks_topic_config *defaults);

/* The same for INT and LONG keys. */
int64_t ks_topic_config_number(const struct ks_topic_config *config,
                               const struct ks_topic_config *defaults,
                               enum ks_topic_config_name name);

#endif
