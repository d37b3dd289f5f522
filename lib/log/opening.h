/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening partitions, for open.c (claims and activates) and replay.c (rebuilds what the logs say).
 */
#ifndef KS_LOG_OPENING_H
#define KS_LOG_OPENING_H

#include "log/dead_log.h"

enum ks_item_state {
    KS_ITEM_UNREAD,
    KS_ITEM_READ,    /* its register is known, and not ours */
    KS_ITEM_CLAIMED, /* ours, in CLAIMED */
    KS_ITEM_REPLAYED,
    KS_ITEM_ACTIVE,
    KS_ITEM_LOST, /* `result` says why */
};

/* One partition on its way. */
struct ks_opening_item {
    struct ks_partition_name name;
    const char *topic_name;
    char key[KS_REGISTER_KEY_BYTES];
    char topic_key[KS_REGISTER_KEY_BYTES];
    enum ks_item_state state;
    enum kafscale_status result;
    struct ks_register reg;
    uint64_t version;          /* of the register; 0: it does not exist */
    struct ks_register wanted; /* what the transaction under way would make of it */
    bool wants_active;
    struct ks_partition *partition;
};

struct ks_opening {
    struct ks_list link;
    struct ks_log *log;
    struct ks_log_open open;
    ks_log_open_done *done;
    void *arg;
    struct ks_opening_item *items;
    struct ks_list dead_logs;
    size_t dead_logs_left;
    size_t transactions_left;
    bool must_read;       /* an outcome was not plain: look at the registers again */
    bool was_interrupted; /* ... and wait a little before, for the store is in trouble */
    uint32_t attempts;
    struct kafscale_meta_read read;
    struct ks_timer retry;
    struct kafscale_error error;
};

/* The dead log of an incarnation, or NULL. */
struct ks_dead_log *ks_opening_find_dead(struct ks_opening *opening,
                                         const struct ks_id *incarnation);

/* Whether an element may hold records that must be replayed. */
bool ks_element_is_replayed(const struct ks_opening *opening, const struct ks_opening_item *item,
                            const struct ks_chain_element *element);

/*
 * Makes the partition of an item from the dead logs its chain names: state REPLAYED, or LOST with the reason in the log.
 */
void ks_replay_item(struct ks_opening *opening, struct ks_opening_item *item);

#endif
