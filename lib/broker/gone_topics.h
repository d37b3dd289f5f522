/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Topics that were deleted and have left objects and registers behind. The transaction that deletes
 * a topic writes `gone/<id>`; what it left goes in the background, and once more a while later,
 * since a broker that was replaced may still have put something there. Then the record goes too.
 */
#ifndef KS_BROKER_GONE_TOPICS_H
#define KS_BROKER_GONE_TOPICS_H

#include "broker/topic_record.h"
#include "log/log.h"

struct ks_gone_topics {
    struct ks_env *env;
    struct ks_meta *meta;
    struct ks_log *log;
    int64_t again_ms; /* between the two times */

    struct ks_list topics;
    struct ks_id current; /* the one that is being buried */
    bool is_running;
    bool is_ended;
    struct ks_timer timer;
    struct kafscale_meta_read read;
    bool is_reading;
    struct ks_timer read_timer; /* a read that failed is made again */
    char key[KS_TOPIC_KEY_BYTES];
    uint8_t bytes[KS_GONE_RECORD_BYTES_MAX];
    struct kafscale_meta_compare compare;
    struct kafscale_meta_operation operation;
    struct kafscale_meta_txn txn;
    struct ks_chore burial; /* of one topic */
};

void ks_gone_topics_init(struct ks_gone_topics *gone, struct ks_env *env, struct ks_meta *meta,
                         int64_t again_ms);

/* The broker is READY: what earlier ones left is looked after, and what comes. Borrows the log. */
void ks_gone_topics_start(struct ks_gone_topics *gone, struct ks_log *log);

/* A key of the metadata store changed: takes it over if it is about a deleted topic. */
void ks_gone_topics_apply(struct ks_gone_topics *gone, const struct kafscale_meta_entry *entry,
                          bool is_delete);

/* Begins nothing more; what is under way may still end. */
void ks_gone_topics_end(struct ks_gone_topics *gone);

/* Nothing may be under way any more. */
void ks_gone_topics_deinit(struct ks_gone_topics *gone);

#endif
