/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Changing what is known of a topic that exists: one compare-and-swap of its record, which every
 * broker takes over through the watch. Configurations are changed with it, and partitions added
 * (ks_topic_grow).
 */
#ifndef KS_BROKER_TOPIC_ALTER_H
#define KS_BROKER_TOPIC_ALTER_H

#include "broker/record_change.h"

/*
 * One alteration, in the caller's memory until `done`, which comes once and never from inside the
 * call; the memory may be freed in it.
 */
struct ks_topic_alter {
    struct ks_id id;
    /*
     * Changes the record, maybe more than once, each time a new one as it was read. Anything but
     * NONE ends the alteration; the text for the client goes to alter->change.error.
     */
    enum ks_broker_error (*edit)(struct ks_topic_alter *alter, struct ks_topic_record *record);
    bool is_dry_run;
    int64_t deadline_ms;
    void (*done)(struct ks_topic_alter *alter, enum ks_broker_error error);
    void *arg;

    struct ks_record_change change; /* change.error: out, a text for the client after a failure */
};

/* When `done` tells success this broker has taken the change over. */
void ks_topic_alter(struct ks_topics *topics, struct ks_topic_alter *alter);

/*
 * More partitions for a topic, in the caller's memory until `done`, as above. It tells success
 * when the new partitions are open, or don't open before the deadline: they exist then.
 */
struct ks_topic_grow {
    struct ks_id id;
    int32_t partition_count; /* in total */
    bool is_dry_run;
    int64_t deadline_ms;
    void (*done)(struct ks_topic_grow *grow, enum ks_broker_error error);
    void *arg;

    /* Out: in the store, whatever becomes of it here. */
    bool is_written;

    struct ks_topic_alter alter; /* alter.change.error: out, as above */
    struct ks_waiter waiter;
    struct ks_waiter_link places[1];
    int32_t reserved;
};

void ks_topic_grow(struct ks_topics *topics, struct ks_topic_grow *grow);

#endif
