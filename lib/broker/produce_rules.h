/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a topic's configuration says of batches that producers send, read once when it changes and
 * not for every batch.
 */
#ifndef KS_BROKER_PRODUCE_RULES_H
#define KS_BROKER_PRODUCE_RULES_H

#include "broker/topic_config.h"

struct ks_produce_rules {
    size_t bytes_max;
    int64_t timestamp_before_max_ms;
    int64_t timestamp_after_max_ms;
    int codec;        /* an enum ks_batch_codec, or -1: the producer's */
    int level;        /* of that codec, as in ks_compress_at */
    bool append_time; /* batches get the broker's time */
    bool needs_keys;  /* a record without a key could never be compacted */
};

/* `defaults` as in ks_topic_config_text. */
struct ks_produce_rules ks_produce_rules_of(const struct ks_topic_config *config,
                                            const struct ks_topic_config *defaults);

#endif
