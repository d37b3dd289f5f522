/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Before compacted_upto passes batches that no index covers, the producer state at its new value
 * becomes an object of its own (docs/storage-format.md). It is computed from the state at the old
 * value, or that of the newest bundle below the new one, and the directories of the write-ahead
 * objects and the entries of bundles in between, so it is exactly what the batches leave behind.
 */
#ifndef KS_LOG_COMPACT_PRODUCER_PUT_H
#define KS_LOG_COMPACT_PRODUCER_PUT_H

#include "log/bundle/bundle.h"
#include "log/read/producer_load.h"
#include "log/read/reread.h"

struct ks_producer_put_slot;

#define KS_OBJECT_KEY_BYTES KS_BUNDLE_KEY_BYTES

/* One state on its way into the store, in the caller's memory until `done`. Zeroed before. */
struct ks_producer_put {
    /*
     * Once, never from inside the start, also when the log is freed. OK: it is stored. STOPPED, or
     * how else the log ended. CORRUPT: what it is computed from is missing or damaged; `is_stale`
     * tells that it may be elsewhere by now, or another broker's. Others: try again later.
     */
    void (*done)(struct ks_producer_put *put, enum kafscale_status status);
    /* Where its base is lost it is computed from what is left; else `done` tells `is_lost`. */
    bool accepts_loss;
    bool is_lost;

    /* The inside. */
    struct ks_log *log;
    struct ks_producer_snapshot snapshot;
    int64_t base_offset; /* of the state it is computed from */
    bool is_stale;
    struct ks_bundle *base_bundle; /* that state's, a reference; NULL: what `reg` says */
    const struct ks_bundle_section *base_section;
    struct ks_register reg; /* its marks, without a chain */
    char *prefix;
    struct ks_producer_load load;
    struct ks_producer_table table;
    struct ks_producer_put_slot *slots; /* whose directories are needed, in order */
    size_t slot_count;
    size_t slot_next;
    bool has_base;
    uint32_t attempts;
    uint32_t damaged_reads;
    struct ks_buffer bytes;
    char key[KS_OBJECT_KEY_BYTES];
    struct kafscale_get get;
    struct kafscale_part part;
    struct kafscale_put object;
    struct ks_reread_wait reread;
    struct ks_timer retry;
    enum kafscale_status status;
};

/*
 * Stores the state of a partition at `offset`, which is not below its compacted_upto and not above
 * its high watermark. The partition may be forgotten meanwhile.
 */
void ks_producer_put_start(struct ks_producer_put *put, struct ks_log *log,
                           const struct ks_partition *partition, int64_t offset);

/* What waits for its timer looks now whether the log takes no more work. */
void ks_producer_put_hurry(struct ks_producer_put *put);

/* For a log that is going: waits for nothing but requests under way. It may complete. */
void ks_producer_put_silence(struct ks_producer_put *put);

/* The same when no completion of what is under way will come: only frees. */
void ks_producer_put_drop(struct ks_producer_put *put);

#endif
