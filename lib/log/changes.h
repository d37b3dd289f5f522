/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Changes of the marks in the registers of open partitions: what retention, DeleteRecords and
 * compaction write. Each change decides what to make of a register as it was last read, and is
 * asked again when a compare failed or the outcome is unknown, so only what it says of a register
 * just read is final. Changes that wait together share transactions.
 */
#ifndef KS_LOG_CHANGES_H
#define KS_LOG_CHANGES_H

#include "log/moves.h"

enum ks_change_verdict {
    KS_CHANGE_WRITE,   /* the register shall be as it was made */
    KS_CHANGE_HOLDS,   /* it is already as it shall be */
    KS_CHANGE_REFUSED, /* what it says does not allow the change */
};

/*
 * One change, in the caller's memory until `done`. Freed by `drop` instead when the log is
 * abandoned.
 */
struct ks_change {
    /* NULL once the partition was forgotten. */
    struct ks_partition *partition;
    /* Alters log_start, compacted_upto and the like in place; nothing else of it. */
    enum ks_change_verdict (*decide)(struct ks_change *change, struct ks_register *reg);
    /*
     * Once, from the loop, also when the log is freed. OK: it is so now, and the partition knows.
     * CONFLICT: refused. NOT_FOUND: the topic is deleted. FENCED: the register is another
     * broker's. STOPPED, or how else the log ended. CORRUPT, UNSUPPORTED: it can't be read.
     */
    void (*done)(struct ks_change *change, enum kafscale_status status);
    void (*drop)(struct ks_change *change);

    /* The inside. */
    struct ks_list link;
    struct ks_register_place place;
    struct ks_register wanted;
    enum kafscale_status result;
    bool is_settled;
};

void ks_change_submit(struct ks_log *log, struct ks_change *change);

#endif
