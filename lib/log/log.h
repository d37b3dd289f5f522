/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The door of log: how records become and stay stored.
 *
 * A struct ks_log is the log of one incarnation: one run of a broker, which writes one sequence
 * of immutable objects that carry batches of all its partitions (docs/storage-format.md). A
 * record counts when its object and all objects before it are durable; acknowledgements and
 * high watermarks move with that prefix only. A partition is opened by claiming its register,
 * sealing and replaying the logs of its earlier owners, and activating the register.
 *
 * Everything belongs to the loop thread. Completions come exactly once and never before the
 * call that asked has returned.
 */
#ifndef KS_LOG_LOG_H
#define KS_LOG_LOG_H

#include "base/base.h"
#include "log/format/describe.h"
#include "meta/meta.h"
#include "record/record.h"
#include "store/store.h"

struct ks_log;
struct ks_partition;

struct ks_log_options {
    const char *ns;       /* the first component of every key; copied */
    struct ks_id cluster; /* written into every object, checked in every object read */
    struct ks_id incarnation;
    int64_t flush_interval_ms;
    size_t flush_bytes; /* an object is cut at this size */
    /* Appended and not yet durable; beyond it appends answer KS_APPEND_FULL. */
    size_t unflushed_bytes_max;
    size_t cache_bytes_max; /* of committed batches kept in memory for reading */
    /*
     * So many write-ahead objects, or so many bytes of them, are rewritten as one bundle; those
     * whose batches are all elsewhere, or of topics that are gone, are deleted, a quarter of so
     * many at a time. 0 slots: all are kept. 0 bytes: 32 MiB.
     */
    uint32_t bundle_slots;
    size_t bundle_bytes;
    /*
     * So many bundles of a log that is written to are rewritten as one, and so many of those again,
     * where the sections of a partition in them are shorter than this, on average. They become
     * objects of so many bytes. Below 2: none is. 0 bytes: 64 KiB, 32 MiB.
     */
    uint32_t merge_count;
    size_t merge_section_bytes;
    size_t merge_part_bytes;
    /*
     * How long after a start that has found earlier logs what they left is looked for, once; 0:
     * 30 s.
     */
    int64_t leftovers_delay_ms;
    /* Of these, blocks of segments may have as much, and all that the newest batches leave. */
    size_t block_cache_bytes_min;
    uint32_t cold_gets_max;      /* GETs from segments under way at a time; at least 1 */
    size_t read_ahead_bytes_max; /* of a segment, ahead of who reads on; 0: nothing */
    /* A partition with so many bytes, or whose oldest are so old, gets a segment. 0: none does. */
    size_t segment_bytes;
    int64_t compact_interval_ms;
    uint32_t producers_max; /* producer ids remembered per partition */
    int64_t producer_expiration_ms;
    int64_t retention_check_ms; /* between checks, at least; 0: five minutes */
};

/* What the log tells its owner. All on the loop thread, none from inside a call into the log. */
struct ks_log_events {
    void *arg;
    /* More of this partition has become readable. */
    void (*committed)(void *arg, struct ks_partition *partition);
    /* An object became durable, whosever batches it holds: there is room for new appends. */
    void (*flushed)(void *arg);
    /* Another broker sealed this log: nothing more is acknowledged. Comes once. */
    void (*fenced)(void *arg, const struct kafscale_error *error);
    /* An invariant is broken: nothing more is acknowledged (durability 7). Comes once. */
    void (*failed)(void *arg, const struct kafscale_error *error);
};

/* Of these, what may change while the log is written and read. */
struct ks_log_limits {
    int64_t flush_interval_ms;
    size_t flush_bytes;
    size_t unflushed_bytes_max;
    size_t cache_bytes_max;
    size_t block_cache_bytes_min;
    uint32_t cold_gets_max;
    size_t read_ahead_bytes_max;
    int64_t retention_check_ms;
};

/* At any time before ks_log_stop: what is under way ends as it has begun. */
void ks_log_set_limits(struct ks_log *log, const struct ks_log_limits *limits);

/* Borrows env, store and meta, which must outlive the log. The options are copied. */
struct ks_log *ks_log_new(struct ks_env *env, struct ks_store *store, struct ks_meta *meta,
                          const struct ks_log_options *options, const struct ks_log_events *events);

/*
 * Takes no more appends, waits until what was appended is durable (or `give_up_ms` has passed),
 * writes the closed ends of its partitions, then completes. Every append that still waits is
 * answered before.
 */
void ks_log_stop(struct ks_log *log, int64_t give_up_ms, void (*done)(void *arg), void *arg);

/*
 * Frees the log and its partitions. No completion and no event comes afterwards, and nothing more
 * is asked of store and meta. At any time, also from inside a completion. Requests that are under
 * way in store and meta keep what memory they need until they complete, so both must outlive them
 * or complete them when they are closed; after ks_log_stop and the closing of both nothing is kept.
 * Accepts NULL.
 */
void ks_log_free(struct ks_log *log);

/*
 * For simulations: the broker dies. Frees the log and everything of it that is under way
 * (openings, seals, replays, objects, reads, looks, releases, a stop) at once. The caller promises
 * that store and meta complete nothing of this log any more; they may be gone already, and are not
 * touched: ks_fault_store_crash, ks_meta_abandon, ks_store_abandon, then this, with no turn of
 * the loop in between.
 *
 * A struct ks_append that was not answered must still be there: it is taken out of lists and tasks
 * (its `owner` stays the caller's, the log's own references go). Everything else that callers lent
 * may be gone already: reads, names and results of openings aren't touched.
 *
 * Afterwards nothing comes of the log, no completion, event, timer or task, and it refers to
 * nothing of its callers'. A read whose `done` has not come holds no parts and needs no release;
 * parts of a finished one stay valid until ks_log_read_release. Not from inside a completion or
 * event of the log, and not after ks_log_free. Accepts NULL.
 */
void ks_log_abandon(struct ks_log *log);

/*
 * It is known that nothing more may be acknowledged: appends that wait and all later ones are
 * answered NOT_OWNER, nothing is sent again, and `fenced` comes. The log calls it itself for a
 * seal; its owner calls it when it knows from elsewhere. Only the first end of a log counts.
 */
void ks_log_fence(struct ks_log *log, const char *reason);

/* OK, FENCED, FAILED or STOPPED. */
enum kafscale_status ks_log_status(const struct ks_log *log);

/* --- Partitions ------------------------------------------------------------------------------ */

struct ks_partition_name {
    struct ks_id topic;
    int32_t index;
};

/*
 * Opening: claim, seal, recover, activate (durability 1.5), for many partitions with as few
 * requests as possible. Every transaction also compares key `sole` with `sole_version`, and
 * that the topics exist. The partitions that could be opened are given by ks_log_find
 * afterwards; `results` (one per name, caller's memory until done) tells each one's status: OK,
 * NOT_FOUND (no such topic any more), FENCED (another owner), CORRUPT, UNAVAILABLE, EXISTS (open
 * here already, not yet released, or named before in the same call). A partition that this log has
 * released may be opened again.
 */
struct ks_log_open {
    const struct ks_partition_name *names;
    const char *const
        *topic_names; /* one per name, borrowed until done; written beside the id at first use */
    /*
     * Where the segments of each lie, {ns}/{prefix}/{partition}/; one per name, borrowed until
     * done. NULL: the topic names, as first lives have it.
     */
    const char *const *prefixes;
    size_t count;
    uint64_t sole_version;
    enum kafscale_status *results;
};

typedef void ks_log_open_done(void *arg, enum kafscale_status status,
                              const struct kafscale_error *error);

/*
 * Begins to read what the opening of a partition will ask the store for, as far as that is known
 * without a claim. Nothing depends on it. Not for many partitions: each takes memory and a request.
 */
void ks_log_prepare(struct ks_log *log, const struct ks_partition_name *name, const char *prefix);

/*
 * NO_MEMORY: nothing was begun, and `done` will not be called. One opening is under way at a
 * time; others wait.
 */
KAFSCALE_MUST_CHECK enum kafscale_status ks_log_open(struct ks_log *log,
                                                     const struct ks_log_open *open,
                                                     ks_log_open_done *done, void *arg);

/*
 * The open partition of this name, or NULL. Valid until ks_log_forget, the end of its release, or
 * ks_log_free.
 */
struct ks_partition *ks_log_find(struct ks_log *log, const struct ks_partition_name *name);

/* The topic was deleted: drops the partition. Its waiting appends answer NOT_OWNER. */
void ks_log_forget(struct ks_log *log, struct ks_partition *partition);

/*
 * Hands partitions over while the log lives (durability 1.6). From now on their appends answer
 * NOT_OWNER; what was appended becomes durable by the flush rule; then the closed ends are written,
 * so that the next owner, which may be this log again, has nothing to seal. They can be read until
 * `done`. It takes as long as the store takes, or until the log ends or stops.
 *
 * With status OK the partitions are gone when `done` is called, as after ks_log_forget, and
 * `results` (one per name, caller's memory until done) tells: OK; FENCED, another broker has
 * claimed it before it was released, and will seal this log; NOT_FOUND, no such topic any more, or
 * not open here; EXISTS, being released by another call, or named before in this one; CORRUPT or
 * UNSUPPORTED, its register can't be read. With FENCED, FAILED or STOPPED the log has ended before,
 * which the results of what was not released repeat, and ks_log_find tells what is left.
 */
struct ks_log_release {
    const struct ks_partition_name *names; /* not needed after the call */
    size_t count;
    enum kafscale_status *results;
};

typedef void ks_log_release_done(void *arg, enum kafscale_status status,
                                 const struct kafscale_error *error);

/* NO_MEMORY: nothing was begun, and `done` will not be called. */
KAFSCALE_MUST_CHECK enum kafscale_status ks_log_release(struct ks_log *log,
                                                        const struct ks_log_release *release,
                                                        ks_log_release_done *done, void *arg);

/*
 * What a partition may keep: batches go whose greatest time is older than `ms`, and those beyond
 * `bytes`.
 */
struct ks_retention {
    int64_t ms;    /* negative: of any age */
    int64_t bytes; /* negative: any number */
};

/*
 * Sets the limits of an open partition; at first there are none. Old batches go in the background,
 * whole ones, as soon as enough of them have passed a limit, at most one check an interval.
 */
void ks_log_set_retention(struct ks_log *log, struct ks_partition *partition,
                          const struct ks_retention *retention);

/*
 * Lets the batches below `offset` go, which is at most the high watermark: for good, once `done`
 * says OK (then ks_partition_log_start is at least `offset`). It never sinks: an offset below is no
 * failure and changes nothing. A batch that contains `offset` stays whole.
 *
 * To tell apart: NOT_FOUND, the topic is deleted; FENCED, another broker owns the partition;
 * STOPPED or how else the log ended, also for a partition that is being released; NO_MEMORY,
 * CORRUPT. While the store is away it waits.
 */
typedef void ks_log_raise_done(void *arg, enum kafscale_status status);

/* NO_MEMORY: nothing was begun, and `done` will not be called. */
KAFSCALE_MUST_CHECK enum kafscale_status ks_log_raise_start(struct ks_log *log,
                                                            struct ks_partition *partition,
                                                            int64_t offset, ks_log_raise_done *done,
                                                            void *arg);

/*
 * Deletes what is left of a topic that was deleted: its segments, the stored states of its
 * producers and its registers. `prefix` is that of its life. Objects that don't say that they are
 * its own stay and are named in the log.
 *
 * To tell apart: EXISTS, there is a topic of this id, and nothing was deleted; STOPPED, or how else
 * the log ended; others: it failed on the way. It may be asked for again, as often as one likes.
 */
typedef void ks_log_bury_done(void *arg, enum kafscale_status status);

/* NO_MEMORY: nothing was begun, and `done` will not be called. */
KAFSCALE_MUST_CHECK enum kafscale_status ks_log_bury_topic(struct ks_log *log,
                                                           const struct ks_id *id,
                                                           const char *prefix,
                                                           ks_log_bury_done *done, void *arg);

/* Segments of a partition; zeroed: as the options say. */
struct ks_segment_limits {
    size_t bytes_max; /* of batches, where that is less than the options say */
    /*
     * Its oldest bytes get a segment at this age where that is sooner than compact_interval_ms,
     * though not within a minute. And times in a segment lie no further apart than this from the
     * first batch on, by the greatest of each batch. 0: no limit.
     */
    int64_t ms;
    int64_t jitter_ms; /* a random part of so many is taken off for each segment */
};

/* Sets the limits of an open partition. */
void ks_log_set_segment_limits(struct ks_log *log, struct ks_partition *partition,
                               const struct ks_segment_limits *limits);

int32_t ks_partition_leader_epoch(const struct ks_partition *partition);
int64_t ks_partition_log_start(const struct ks_partition *partition);
int64_t ks_partition_high_watermark(const struct ks_partition *partition);

/*
 * Answers (epoch, end offset) for OffsetForLeaderEpoch: the greatest epoch <= `epoch` that has
 * records, or `epoch` itself and the log's start when none has; false for a negative epoch and one
 * that is yet to come.
 */
bool ks_partition_epoch_end(const struct ks_partition *partition, int32_t epoch, int32_t *epoch_out,
                            int64_t *end_offset_out);

/* The embedder's own link, NULL at first. */
void *ks_partition_user(const struct ks_partition *partition);
void ks_partition_set_user(struct ks_partition *partition, void *user);

/* --- Appending ------------------------------------------------------------------------------- */

enum ks_append_result {
    KS_APPEND_OK,
    KS_APPEND_OUT_OF_ORDER, /* a gap in the producer's sequence */
    KS_APPEND_OLD_EPOCH,    /* a newer epoch of this producer has written */
    KS_APPEND_TOO_MANY_PRODUCERS,
    KS_APPEND_FULL,      /* too much waits for the store; nothing was appended */
    KS_APPEND_NOT_OWNER, /* fenced, stopped, or the topic was deleted */
    KS_APPEND_FAILED,    /* the broker has failed, or memory is short */
};

/*
 * One batch to be appended, in the caller's memory until `done`. The batch was checked
 * (ks_batch_check_produced) and lies in `owner`, which the log keeps a reference to; base
 * offset and leader epoch are patched into it in place. When `done` is called `base_offset` is
 * where the batch (or the original of this duplicate) lies.
 */
struct ks_append {
    struct ks_batch batch;
    struct kafscale_blob *owner;
    void (*done)(struct ks_append *append, enum ks_append_result result);
    void *arg;

    int64_t base_offset; /* out, valid with KS_APPEND_OK */

    struct ks_list link; /* the log's */
    struct ks_partition *partition;
    struct ks_task task;
    enum ks_append_result result;
};

void ks_log_append(struct ks_log *log, struct ks_partition *partition, struct ks_append *append);

/*
 * A batch that was not given to the log will not be, though it was next: from now on its
 * producer's later batches are out of order until it comes again.
 */
void ks_log_pass_over(struct ks_log *log, struct ks_partition *partition,
                      const struct ks_batch *batch);

/* --- Reading --------------------------------------------------------------------------------- */

/*
 * Reads whole batches from the one that contains `offset` on, up to the high watermark, at most
 * `bytes_max` of them but at least one if `is_first_whole`. From memory at once when possible;
 * else from the write-ahead objects.
 */
struct ks_log_read {
    struct ks_partition *partition;
    int64_t offset;
    size_t bytes_max;
    bool is_first_whole;
    bool can_wait;    /* no client waits for it */
    bool wants_times; /* for `created_ms` below */
    void (*done)(struct ks_log_read *read, enum kafscale_status status);
    void *arg;

    /*
     * Out, valid with KAFSCALE_OK until ks_log_read_release: the batches, in order, each with
     * its owner.
     */
    struct kafscale_part *parts;
    size_t part_count;
    size_t size_bytes;
    /*
     * Where it was asked for: when the write-ahead object that a part was stored in was made, which
     * is the time of its append. NULL for what came from segments, which don't know.
     */
    int64_t *created_ms;

    void *state; /* the log's */
};

/*
 * True: answered from memory, `done` will not be called. False: `done` comes. Status out: see
 * ks_log_read_done.
 */
bool ks_log_read(struct ks_log *log, struct ks_log_read *read, enum kafscale_status *status_out);

/* Drops the references of a finished read. Accepts a zeroed one. */
void ks_log_read_release(struct ks_log_read *read);

/*
 * The size of the readable batch with `offset`; 0: there is none. No I/O: of a batch in a segment
 * it is a guess.
 */
size_t ks_partition_batch_bytes(const struct ks_partition *partition, int64_t offset);

/*
 * Bytes from `offset` to the high watermark, at most `bytes_max`; for a Fetch that waits for
 * min_bytes. No I/O: from a segment on there are always enough.
 */
size_t ks_partition_bytes_from(const struct ks_partition *partition, int64_t offset,
                               size_t bytes_max);

/*
 * How many bytes of batches the partition has from its start to the high watermark, for whoever
 * looks after it. No I/O: once older batches were deleted it is an estimate by offsets, and
 * segments whose index has not been read since the partition was opened don't count.
 */
int64_t ks_log_partition_bytes(struct ks_log *log, struct ks_partition *partition);

/*
 * Where to begin to look for ListOffsets: at or before the first batch whose max timestamp is >=
 * `timestamp_ms`; with INT64_MAX, the first batch that has ks_partition_latest_ms. Gives the base
 * offset of a batch, or -1 when there is none. No I/O: the caller reads batches from there on and
 * looks inside.
 */
int64_t ks_partition_batch_by_time(const struct ks_partition *partition, int64_t timestamp_ms);

/* The greatest max timestamp of all batches but those in segments; INT64_MIN: there are none. */
int64_t ks_partition_latest_ms(const struct ks_partition *partition);

/*
 * The same below compacted_upto too, where indexes of segments tell it. The batch with the record
 * is the one at `offset` or one of those after it.
 */
struct ks_log_time {
    struct ks_partition *partition;
    /*
     * With INT64_MAX, the greatest there is. Where that lies in a segment it stands here
     * afterwards: the first record that has it, from `offset` on, is the one.
     */
    int64_t timestamp_ms;
    void (*done)(struct ks_log_time *asked, enum kafscale_status status);
    void *arg;

    int64_t offset; /* out, valid with KAFSCALE_OK: -1, there is none */
};

/* True: answered, `done` will not be called. False: `done` comes. */
bool ks_log_find_by_time(struct ks_log *log, struct ks_log_time *asked,
                         enum kafscale_status *status_out);

/* --- Freshness ------------------------------------------------------------------------------- */

/*
 * Looks at the log's own next slot: OK, FENCED (and the event comes), or UNAVAILABLE. NO_MEMORY
 * as the answer of the call: nothing was begun.
 */
KAFSCALE_MUST_CHECK enum kafscale_status ks_log_look(
    struct ks_log *log, void (*done)(void *arg, enum kafscale_status status), void *arg);

/* Counters for tests, status pages and metrics. */
struct ks_log_counters {
    uint64_t objects_durable;
    uint64_t batches_appended;
    uint64_t bytes_appended;
    uint64_t duplicates;
    uint64_t seals_won;
    uint64_t seals_found;
    uint64_t seals_void;
    uint64_t own_nonce_seen; /* 412 by an earlier try of our own */
    uint64_t objects_late;   /* of the durable ones: not at the first try */
    uint64_t objects_shared; /* and of several partitions */
    uint64_t puts_sealed;    /* a seal was in the slot first */
    uint64_t slots_trimmed;  /* below a trim mark that this log has moved */
    uint64_t objects_deleted;
    uint64_t leftovers; /* objects of dead brokers found and deleted */
    uint64_t bundles_made;
    uint64_t bundles_found; /* of these, made by another or an earlier try */
    uint64_t bundles_removed;
    uint64_t merges;         /* of bundles */
    uint64_t bundles_merged; /* in all of these */
    uint64_t merge_parts;    /* put */
    uint64_t merge_gets;
    uint64_t merges_lost;
    uint64_t slots_bundled;
    uint64_t bundle_reads;  /* of records */
    uint64_t bundle_gets;   /* of objects that were not in memory any more */
    uint64_t seals_beaten;  /* data or another's seal was in the slot first */
    uint64_t starts_raised; /* of partitions, by retention or a client */
    uint64_t cold_reads;    /* reads that segments were needed for */
    uint64_t cold_gets;     /* GETs of segments and indexes */
    uint64_t segment_lists; /* searches that had to ask what there is */
    uint64_t indexes_rebuilt;
    uint64_t segments_written;
    uint64_t segment_bytes;   /* of batches in them */
    uint64_t indexes_adopted; /* of a segment, found where one was to be put */
    uint64_t segments_adopted;
    uint64_t compaction_alarms; /* partitions that aren't compacted any more */
    size_t unflushed_bytes;
    int64_t behind_ms;   /* how much longer than meant the oldest of them has waited */
    size_t cold_waiting; /* reads of old objects that wait for a place */
    size_t cache_bytes;
    size_t block_cache_bytes;
    uint64_t reads_at_hand;    /* of clients: records that were in memory */
    uint64_t reads_from_store; /* and those that had to be waited for */
};

void ks_log_get_counters(const struct ks_log *log, struct ks_log_counters *counters_out);

/* How many partitions are open here. */
size_t ks_log_partition_count(const struct ks_log *log);

/* What is yet to be done in the background. */
struct ks_log_backlog {
    uint64_t objects;          /* durable ones, also of earlier logs, that aren't trimmed */
    size_t compactions_due;    /* partitions that wait for a segment, or get one */
    int64_t compaction_due_ms; /* for how long the first of them has waited */
    int64_t uncompacted_ms;    /* how old the oldest bytes are that want a segment, roughly */
};

void ks_log_read_backlog(const struct ks_log *log, struct ks_log_backlog *backlog_out);

/* What a log does in the background. */
enum ks_log_chore {
    KS_LOG_CHORE_FLUSH,     /* an object became durable */
    KS_LOG_CHORE_BUNDLE,    /* write-ahead objects became a bundle */
    KS_LOG_CHORE_MERGE,     /* bundles became one */
    KS_LOG_CHORE_COMPACT,   /* a partition got a segment */
    KS_LOG_CHORE_RETENTION, /* a round through the partitions with limits */
    KS_LOG_CHORE_SWEEP,     /* segments below a log start, or of a deleted topic, are deleted */
    KS_LOG_CHORE_TRIM,      /* a trim mark was moved */
    KS_LOG_CHORE_DELETE,    /* an object below a mark is deleted */
    KS_LOG_CHORE_LEFTOVERS, /* what dead brokers left was looked for */
    KS_LOG_CHORE_COUNT
};

/* Valid as long as the log. */
const struct ks_chore *ks_log_chore(const struct ks_log *log, enum ks_log_chore chore);

#endif
