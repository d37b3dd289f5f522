/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Changing one record of the metadata store: read it, make the new value of the old one, write that
 * if the record is still the one that was read, else begin again. So two who change different
 * things of one record both succeed.
 */
#ifndef KS_BROKER_RECORD_CHANGE_H
#define KS_BROKER_RECORD_CHANGE_H

#include "broker/topics.h"

#define KS_RECORD_KEY_BYTES KS_TOPIC_KEY_BYTES

/*
 * One change, in the caller's memory until `done`, which comes once and never from inside the
 * call; the memory may be freed in it.
 */
struct ks_record_change {
    char key[KS_RECORD_KEY_BYTES];
    /*
     * Appends the new value to `out`. `value` is the one there is; its data is NULL when there is
     * none. Called again when another was faster, so a change that has happened already must be no
     * error. Anything but NONE ends the change.
     */
    enum ks_broker_error (*make)(struct ks_record_change *change, struct kafscale_slice value,
                                 struct ks_buffer *out);
    bool is_dry_run;     /* only tell whether it could be */
    int64_t deadline_ms; /* of beginning again */
    /* `entry` is the record as it is now; NULL after a failure, and when dry. */
    void (*done)(struct ks_record_change *change, enum ks_broker_error error,
                 const struct kafscale_meta_entry *entry);
    void *arg;
    struct kafscale_error error; /* a text for the client, by `make` or after a failure */

    /* The inside. */
    struct ks_topics *topics;
    bool is_sent; /* a transaction of this change may have happened */
    uint32_t tries;
    struct ks_buffer bytes;
    struct kafscale_meta_read read;
    struct kafscale_meta_compare compare;
    struct kafscale_meta_operation operation;
    struct kafscale_meta_txn txn;
};

/* Borrows the registry for its stores, and because its end is the end of changes too. */
void ks_record_change(struct ks_topics *topics, struct ks_record_change *change);

#endif
