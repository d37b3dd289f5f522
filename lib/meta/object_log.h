/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inside of the object log, shared by its files: object_log.c (requests, and what to do
 * next), object_log_reader.c (looking at the log, starting from a snapshot), object_log_writer.c
 * (one entry under way), object_log_trimmer.c (snapshots, marks), object_log_early.c (snapshots
 * within a chunk, which shorten a start).
 *
 * One step at a time: load, look (GET entries to the first 404, then the trim mark), or put (PUT
 * an entry, then the trim mark). Each step ends in ks_meta_log_next, which picks the next one or
 * rests. The trimmer runs beside.
 */
#ifndef KS_META_OBJECT_LOG_H
#define KS_META_OBJECT_LOG_H

#include "meta/entry.h"
#include "meta/meta.h"
#include "meta/request.h"
#include "meta/snapshot.h"
#include "store/store.h"

#define KS_META_LOG_NS_BYTES_MAX 200
#define KS_META_LOG_KEY_BYTES (KS_META_LOG_NS_BYTES_MAX + 64)

/* Entries asked for at once, at most; it starts at one and doubles while all are there. */
#define KS_META_LOG_WINDOW_MAX 32u

/* Entries and bytes read before their mark is looked at, though the end is not reached. */
#define KS_META_LOG_READ_COUNT_MAX 512u
#define KS_META_LOG_READ_BYTES_MAX (32u << 20)

/* Snapshots that wait to be stored; one more, and reading and writing wait for them. */
#define KS_META_LOG_JOBS_MAX 3u

#ifdef KS_PLANTED_FAULTS
#define KS_META_LOG_HAS_FAULT(log, name) ((log)->options.planted_fault == KS_META_LOG_FAULT_##name)
#else
#define KS_META_LOG_HAS_FAULT(log, name) ((void) (log), false)
#endif

struct ks_meta_log;

/* One store request with the memory it needs. */
struct ks_meta_log_call {
    struct ks_meta_log *log;
    char key[KS_META_LOG_KEY_BYTES];
    struct kafscale_get get;
    struct kafscale_put put;
    struct kafscale_part part;
    struct kafscale_remove remove;
    struct kafscale_list list;
    void (*done)(struct ks_meta_log_call *call);
    enum kafscale_status status;
    struct kafscale_blob *body; /* borrowed until `done` has returned, as is what was listed */
    const struct kafscale_list_entry *entries;
    size_t entry_count;
    struct kafscale_error error;
};

enum ks_meta_log_step {
    KS_META_LOG_REST, /* nothing to do, or not yet */
    KS_META_LOG_WAIT, /* for the retry timer */
    KS_META_LOG_LOAD, /* looking for the newest mark, getting its snapshot */
    KS_META_LOG_LOOK, /* getting entries, then the mark */
    KS_META_LOG_PUT   /* putting an entry, then getting the mark */
};

/* Entries read and not known to be valid yet. */
struct ks_meta_log_look {
    uint64_t base; /* the last entry before them */
    uint64_t round;
    uint32_t window;
    uint32_t waiting;
    bool is_at_end;
    size_t count;
    size_t capacity;
    size_t bytes;
    struct kafscale_blob **bodies;
    struct ks_meta_log_call *calls;
};

/*
 * Marks are there for all chunks up to `low`; that of `high` is not, unless `high` is -1: then it
 * is being looked for.
 */
struct ks_meta_log_load {
    int64_t low;
    int64_t high;
    int64_t stride;
    int64_t probed;
    int64_t missing; /* the snapshot that was not there at the last try, or -1 */

    uint64_t listed; /* end of the newest snapshot that LIST shows */
    uint64_t listed_bytes;
    uint32_t waiting;
    struct kafscale_blob *body; /* of that snapshot */
    struct ks_meta_log_call mark_call;
};

/* The snapshot within a chunk that is being stored; the one after it may be left out. */
struct ks_meta_log_early {
    bool is_busy;
    struct ks_buffer bytes;
    struct ks_meta_log_call call;
};

/*
 * The entry under way: its bytes never change. Its requests are in order of its transactions;
 * NULL: answered before.
 */
struct ks_meta_log_attempt {
    bool is_active;
    bool was_sent;
    bool may_act; /* a PUT was answered with less than a certain "no" */
    uint64_t seq;
    uint64_t number;
    uint64_t round;
    uint64_t forgotten; /* of the state it was evaluated in */
    struct ks_buffer bytes;
    struct ks_meta_request *requests[KS_META_TXNS_MAX];
    uint32_t request_count;
};

enum ks_meta_trim_step {
    KS_META_TRIM_GRACE, /* another ended the chunk: after a while, see whether it did this */
    KS_META_TRIM_SNAPSHOT,
    KS_META_TRIM_PREVIOUS, /* the mark before must exist */
    KS_META_TRIM_MARK,
    KS_META_TRIM_LAST, /* the chunk's last entry goes last: absent, nothing is left to be removed */
    KS_META_TRIM_EARLY, /* snapshots within the chunk */
    KS_META_TRIM_ENTRIES,
    KS_META_TRIM_OLDER, /* the snapshot before */
    KS_META_TRIM_FINISH /* the last entry */
};

/* One chunk's end. `bytes` is its snapshot, empty when only removals are to be checked. */
struct ks_meta_trim_job {
    struct ks_list link;
    uint64_t chunk;
    int64_t due_ms;
    enum ks_meta_trim_step step;
    uint64_t next_seq; /* of what a step removes; 0: it has not begun */
    struct ks_buffer bytes;
};

#define KS_META_LOG_REMOVES 8u

struct ks_meta_log_trimmer {
    struct ks_list jobs;
    size_t job_count;
    bool is_busy; /* a call of the first job is under way */
    bool is_stopped;
    uint32_t failures;
    uint32_t waiting;
    bool has_failed;
    struct ks_timer timer;
    uint8_t mark[KS_META_MARK_BYTES];
    struct ks_meta_log_call call;
    struct ks_meta_log_call removes[KS_META_LOG_REMOVES];
};

struct ks_meta_log {
    struct ks_env *env;
    struct ks_store *store;
    struct ks_meta_log_options options;
    char *ns;
    struct kafscale_meta_ops ops;
    struct ks_meta_requests requests;
    struct ks_list reads; /* fresh ones, in order of submission */
    struct ks_list txns;  /* not in an entry yet, in order */
    size_t pending_count;
    size_t pending_bytes;
    struct ks_timer deadline;
    struct ks_meta_state state;
    bool is_loaded;
    uint64_t round;       /* looks and puts begun */
    uint64_t state_round; /* the latest of them that the state is known to be as new as */
    uint64_t number;      /* j of the last entry sent */
    bool was_registered;
    struct ks_meta_writer record; /* what the last entry applied left of its writer */
    enum kafscale_status stopped; /* not OK: answers nothing else any more */
    enum ks_meta_log_step step;
    struct ks_task next;
    struct ks_timer retry;
    uint32_t failures;
    uint32_t damages; /* objects found damaged since the last one that was not */
    struct kafscale_error last_error;
    struct ks_meta_log_load load;
    struct ks_meta_log_look look;
    struct ks_meta_log_attempt attempt;
    struct ks_meta_log_trimmer trimmer;
    struct ks_meta_log_early early;
    uint32_t first_window; /* of the look after a start; 0: none was chosen */
    struct ks_meta_log_call call;
    size_t calls_in_flight;
    uint64_t counts[KS_META_LOG_EVENT_COUNT];
    struct ks_chore chores[KS_META_LOG_CHORE_COUNT];
    kafscale_meta_changed *changed;
    void *changed_arg;
    bool is_closing;
    kafscale_meta_close_done *close_done;
    void *close_arg;
};

/* --- object_log.c --- */

/* Sends what was prepared in `call` under a key "{ns}/__kafscale/meta/{kind}/{number}". */
void ks_meta_log_get(struct ks_meta_log_call *call, void (*done)(struct ks_meta_log_call *call));
void ks_meta_log_put(struct ks_meta_log_call *call, struct kafscale_slice bytes,
                     void (*done)(struct ks_meta_log_call *call));
void ks_meta_log_remove(struct ks_meta_log_call *call, void (*done)(struct ks_meta_log_call *call));

/* What lies under "{ns}/__kafscale/meta/snapshot/", up to a thousand keys. */
void ks_meta_log_list_snapshots(struct ks_meta_log_call *call,
                                void (*done)(struct ks_meta_log_call *call));

void ks_meta_log_key_entry(struct ks_meta_log_call *call, uint64_t seq);
void ks_meta_log_key_snapshot(struct ks_meta_log_call *call, uint64_t chunk);
void ks_meta_log_key_mark(struct ks_meta_log_call *call, uint64_t chunk);

/* The snapshot after entry `seq`, at or before its chunk's end. */
void ks_meta_log_key_snapshot_at(struct ks_meta_log_call *call, uint64_t seq);

/* The chunk of an entry; entries count from 1, chunks from 0. */
uint64_t ks_meta_log_chunk(const struct ks_meta_log *log, uint64_t seq);

/* Ends a step: the next one begins in a later turn. */
void ks_meta_log_step_done(struct ks_meta_log *log);

/* Ends a step that failed: tries again after a while. */
void ks_meta_log_step_failed(struct ks_meta_log *log, const struct kafscale_error *error);

/*
 * Ends a step that found what no wait repairs, such as a damaged object: all requests that wait
 * are answered with it, those of an entry under way with KAFSCALE_UNKNOWN. The next request tries
 * again.
 */
void ks_meta_log_step_broken(struct ks_meta_log *log, const struct kafscale_error *error);

/* Answers everything that waits, and all that comes, with `error`. */
void ks_meta_log_stop(struct ks_meta_log *log, const struct kafscale_error *error);

/* The state is valid and as new as `round`: answers what waited for that. */
void ks_meta_log_became_valid(struct ks_meta_log *log, uint64_t round);

/* Applies an entry to the state, tells the watcher, hands a chunk's end to the trimmer. */
KAFSCALE_MUST_CHECK enum kafscale_status ks_meta_log_apply(struct ks_meta_log *log,
                                                           const struct ks_meta_batch *batch,
                                                           struct kafscale_error *error);

/* Doubling, with jitter. */
int64_t ks_meta_log_backoff_ms(struct ks_meta_log *log, uint32_t failures);

/* Answers a request that leaves the lists, and the limits. */
void ks_meta_log_answer(struct ks_meta_log *log, struct ks_meta_request *request,
                        enum kafscale_status status, uint64_t revision,
                        const struct kafscale_error *error);

/* --- object_log_reader.c --- */

/* Looks for the newest mark, behind one that is known or, -1, from the first on. */
void ks_meta_log_begin_load(struct ks_meta_log *log, int64_t marked_chunk);

/*
 * Takes the state, which replaces the one at hand. False: there was no memory for that, and the
 * step has failed.
 */
KAFSCALE_MUST_CHECK bool ks_meta_log_adopt(struct ks_meta_log *log, struct ks_meta_state *state);

void ks_meta_log_begin_look(struct ks_meta_log *log);
void ks_meta_log_drop_look(struct ks_meta_log *log);

/*
 * Asks for the entries behind `seq` while the state there is still being loaded. Once all are
 * answered ks_meta_log_load_answered is called; then the look goes on, or is dropped. False:
 * nothing was asked for want of memory.
 */
KAFSCALE_MUST_CHECK bool ks_meta_log_look_ahead(struct ks_meta_log *log, uint64_t seq,
                                                uint32_t window);
void ks_meta_log_go_on_look(struct ks_meta_log *log);

/* --- object_log_writer.c --- */

/*
 * Makes an entry of the transactions that wait and puts it, or answers them, or asks for a look:
 * false, nothing begun.
 */
bool ks_meta_log_begin_put(struct ks_meta_log *log);

/* PUTs the bytes of the attempt, for the first time or again. */
void ks_meta_log_send(struct ks_meta_log *log);

/*
 * The valid entry in the attempt's slot is now part of the state: its own, whose record is this,
 * or another's: NULL.
 */
void ks_meta_log_attempt_decided(struct ks_meta_log *log, const struct ks_meta_writer *record);

/* The attempt's slot was trimmed, and the state has been loaded from a snapshot past it. */
void ks_meta_log_attempt_void(struct ks_meta_log *log);

/* Answers the requests of the attempt with KAFSCALE_UNKNOWN; the attempt itself goes on. */
void ks_meta_log_attempt_detach(struct ks_meta_log *log, const struct kafscale_error *error);

/* --- object_log_trimmer.c --- */

void ks_meta_log_trimmer_init(struct ks_meta_log *log);
void ks_meta_log_trimmer_stop(struct ks_meta_log *log);

/* The state is at the end of a chunk. KAFSCALE_NO_MEMORY: no snapshot could be made. */
KAFSCALE_MUST_CHECK enum kafscale_status ks_meta_log_trimmer_add(struct ks_meta_log *log,
                                                                 const struct ks_meta_state *state,
                                                                 bool is_own);

/* Started from the snapshot of `chunk`: what its trimmer left is to be removed. */
void ks_meta_log_trimmer_loaded(struct ks_meta_log *log, uint64_t chunk);

bool ks_meta_log_trimmer_is_full(const struct ks_meta_log *log);

/* --- object_log_early.c --- */

void ks_meta_log_early_init(struct ks_meta_log *log);
void ks_meta_log_early_deinit(struct ks_meta_log *log);

/* The state has come to its end by an entry of its own: stores it, when it is time for that. */
void ks_meta_log_early_add(struct ks_meta_log *log, const struct ks_meta_state *state);

/*
 * The first load: from the newest snapshot that LIST shows, if that turns out to be fit. After a
 * failure it goes without LIST.
 */
void ks_meta_log_begin_start(struct ks_meta_log *log);

/* One of the things that the start has asked for was answered. */
void ks_meta_log_load_answered(struct ks_meta_log *log);

#endif
