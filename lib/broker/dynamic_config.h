/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What administrators set for brokers while they run: defaults of topic configurations, in
 * `config/default` of the metadata store for all brokers and in `config/<node id>` for one, which
 * goes before it; both go before the options of the start. Some keys of Kafka that have nothing to
 * act on here are kept too, so that tools which set them go on.
 */
#ifndef KS_BROKER_DYNAMIC_CONFIG_H
#define KS_BROKER_DYNAMIC_CONFIG_H

#include "broker/record_change.h"

enum ks_dynamic_scope {
    KS_DYNAMIC_BROKER,  /* this broker */
    KS_DYNAMIC_DEFAULT, /* all brokers */
    KS_DYNAMIC_SCOPE_COUNT
};

#define KS_DYNAMIC_IDLE_COUNT 8

/* Keys that are kept and don't act: numbers from 0 on. */
extern const char *const ks_dynamic_idle_keys[KS_DYNAMIC_IDLE_COUNT];

/* One record. Zeroed: nothing is set. */
struct ks_dynamic_config {
    struct ks_topic_config config; /* by topic keys */
    char *idle[KS_DYNAMIC_IDLE_COUNT];
};

void ks_dynamic_config_deinit(struct ks_dynamic_config *config);

/* Appends to an initialised buffer; check ks_buffer_failed. */
void ks_dynamic_config_encode(const struct ks_dynamic_config *config, struct ks_buffer *out);

/* `out` is zeroed, and deinit'ed by the caller also after a failure. Unknown keys are left out. */
KAFSCALE_MUST_CHECK enum kafscale_status ks_dynamic_config_decode(struct kafscale_slice bytes,
                                                                  struct ks_dynamic_config *out,
                                                                  struct kafscale_error *error);

/* The key of the record. */
void ks_dynamic_config_key(enum ks_dynamic_scope scope, int32_t node_id,
                           char key_out[KS_RECORD_KEY_BYTES]);

/* Where the pointer to the value of this key is kept, by its name for brokers; NULL: nowhere. */
char **ks_dynamic_config_find(struct ks_dynamic_config *config, struct kafscale_slice key,
                              int *topic_config_out);

/*
 * KAFSCALE_INVALID with a text for the client when the key can't have this value. `topic_config` is
 * the place that find gave, -1 for those that don't act.
 */
KAFSCALE_MUST_CHECK enum kafscale_status ks_dynamic_config_check(struct kafscale_slice key,
                                                                 int topic_config,
                                                                 struct kafscale_slice value,
                                                                 struct kafscale_error *error);

#endif
