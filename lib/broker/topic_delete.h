/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Deleting a topic: one transaction that removes `topic/<id>`, which closes the registers of all
 * its partitions, leaves a mark in `name/<topic>` and says in `gone/<id>` that something is left to
 * be deleted (broker/gone_topics.h). The name can be given to a new topic at once.
 */
#ifndef KS_BROKER_TOPIC_DELETE_H
#define KS_BROKER_TOPIC_DELETE_H

#include "broker/topics.h"

/*
 * One deletion, in the caller's memory until `done`, which comes once and never from inside the
 * call; the memory may be freed in it.
 */
struct ks_topic_delete {
    struct ks_id id;
    void (*done)(struct ks_topic_delete *delete, enum ks_broker_error error);
    void *arg;

    /* The inside. */
    struct ks_topics *topics;
    struct ks_task task;
    bool is_sent;
    uint32_t tries;
    uint8_t name_record[KS_NAME_RECORD_BYTES];
    char name_key[KS_NAME_KEY_BYTES];
    char topic_key[KS_TOPIC_KEY_BYTES];
    char gone_key[KS_TOPIC_KEY_BYTES];
    uint8_t gone_record[KS_GONE_RECORD_BYTES_MAX];
    size_t gone_bytes;
    struct kafscale_meta_read read;
    struct kafscale_meta_compare compares[2];
    struct kafscale_meta_operation operations[3];
    struct kafscale_meta_txn txn;
};

/* Answers UNKNOWN_TOPIC when no topic of this id lives. */
void ks_topic_delete(struct ks_topics *topics, struct ks_topic_delete *delete);

#endif
