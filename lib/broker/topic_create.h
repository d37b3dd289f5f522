/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Creating a topic: one transaction that writes `name/<topic>` and `topic/<id>`. A name that
 * lived before, or whose prefix in the store is not empty, gets a prefix of its own, so that no
 * key of the store is ever shared between lives.
 */
#ifndef KS_BROKER_TOPIC_CREATE_H
#define KS_BROKER_TOPIC_CREATE_H

#include "broker/topics.h"

/*
 * One creation, in the caller's memory until `done`, which comes once and never from inside the
 * call; the memory may be freed in it.
 */
struct ks_topic_create {
    struct kafscale_slice name; /* borrowed for the call */
    int32_t partition_count;
    const struct ks_topic_config *config; /* checked; borrowed until done */
    bool is_dry_run;                      /* only tell whether it could be */
    /*
     * Of beginning and trying again, and of waiting for the new partitions to open. What was asked
     * of the stores before may take longer.
     */
    int64_t deadline_ms;
    void (*done)(struct ks_topic_create *create, enum ks_broker_error error);
    void *arg;

    struct ks_id id;             /* out, after success unless dry */
    struct kafscale_error error; /* out, a text for the client after a failure */

    /* The inside. */
    struct ks_topics *topics;
    struct ks_table_node by_collapsed; /* in the creations under way, if no other has the place */
    bool has_place;
    char collapsed[KS_TOPIC_NAME_BYTES_MAX + 1];
    struct ks_task task;
    struct ks_waiter waiter;
    struct ks_waiter_link places[1];
    enum ks_broker_error result;
    bool is_reserved;
    bool is_sent; /* a transaction of this creation may have happened */
    uint32_t tries;
    uint32_t list_failures;
    uint64_t name_version;
    struct ks_topic_record record; /* its config is the caller's */
    struct ks_buffer bytes;
    uint8_t name_record[KS_NAME_RECORD_BYTES];
    char name_key[KS_NAME_KEY_BYTES];
    char topic_key[KS_TOPIC_KEY_BYTES];
    char prefix[KAFSCALE_STORE_KEY_BYTES_MAX + 1];
    struct kafscale_list list;
    struct kafscale_meta_read read;
    struct kafscale_meta_compare compares[2];
    struct kafscale_meta_operation operations[2];
    struct kafscale_meta_txn txn;
};

void ks_topic_create(struct ks_topics *topics, struct ks_topic_create *create);

/* Whether a topic of this legal name is being created. */
bool ks_topic_is_being_created(const struct ks_topics *topics, struct kafscale_slice name);

#endif
