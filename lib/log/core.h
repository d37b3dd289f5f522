/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inside of a struct ks_log, shared by the files that make it up: writer.c gathers batches into
 * objects, sender.c sends and acknowledges them, look.c tells whether the log is sealed, release.c
 * gives partitions away, changes.c moves marks in their registers, pace.c says when background work
 * waits for clients, stop.c ends it all. open/ seals and reads the logs of earlier
 * incarnations, claims, replays and activates partitions; read/ serves batches wherever they lie;
 * bundle/ gathers the write-ahead objects of many partitions into bundles, and merges those;
 * compact/ makes segments; trim/ deletes what nobody needs any more; retention/ says what may go,
 * and lets it go; format/ is the form of everything stored.
 */
#ifndef KS_LOG_CORE_H
#define KS_LOG_CORE_H

#include "log/read/block_cache.h"
#include "log/read/object_read.h"
#include "log/pace.h"
#include "log/partition.h"
#include "log/read/segment.h"

struct ks_opening;
struct ks_trimmer;

/* The batches of one partition in an object. */
struct ks_open_section {
    struct ks_list link;
    struct ks_partition *partition;
    struct ks_buffer entries; /* encoded directory entries */
    uint32_t entry_count;
    bool has_name;
    size_t first_place;
};

enum ks_slot_state {
    KS_SLOT_OPEN, /* batches are added to it */
    KS_SLOT_SENT, /* its bytes are frozen and a request is under way, or waits to be sent again */
    KS_SLOT_DURABLE, /* waits for those before it */
};

/* One write-ahead object from its first batch until it and all before it are durable. */
struct ks_slot {
    struct ks_list link;
    struct ks_log *log;
    enum ks_slot_state state;
    uint64_t sequence;
    char key[KS_WAL_KEY_BYTES];
    struct ks_list sections;
    uint32_t section_count;
    struct ks_list appends; /* that wait for it */
    struct ks_buffer head;
    uint8_t trailer[KS_WAL_TRAILER_BYTES];
    struct kafscale_part *parts; /* the first is the head, the last the trailer */
    size_t part_count;
    size_t part_capacity;
    size_t body_bytes;
    size_t entries_bytes; /* of the directory */
    int64_t first_append_ms;
    uint32_t attempts;
    uint32_t odd_reads; /* of something that is neither ours nor a seal */
    struct kafscale_put put;
    struct kafscale_get get;
    struct ks_timer retry;
};

/* Changes of registers that wait or are under way (log/changes.h). */
struct ks_changes {
    struct ks_list waiting; /* all whose outcome isn't known */
    struct ks_list settled; /* about to be told */
    struct ks_list moves;   /* transactions under way */
    size_t requests;        /* these, or a reading */
    uint64_t round;
    uint32_t attempts;
    bool is_busy;
    bool is_telling;
    bool must_read; /* an outcome was not plain: look at the registers again */
    struct kafscale_meta_read read;
    struct ks_timer retry;
    struct ks_task task;
};

/* The checks of what partitions may keep (log/retention/retention.c). */
struct ks_retentions {
    struct ks_list ring; /* partitions with limits; the next to be checked is the first */
    uint64_t round;
    size_t raises;        /* of starts, under way */
    struct ks_list walks; /* through segments, under way */
    size_t walk_count;
    int64_t next_ms;  /* wall time at which another check has something to do */
    int64_t timer_ms; /* what the timer is set to */
    struct ks_timer timer;
    struct ks_task task;
    bool is_running;
    bool has_failed; /* some of the round that runs, or ran last */
    bool is_ended;
};

/* Which partitions wait to be compacted (compact.h). */
struct ks_compactor {
    struct ks_heap young; /* with something to compact, by when it is due */
    struct ks_list due;
    size_t due_count;
    struct ks_list jobs;
    size_t job_count;
    struct ks_timer timer; /* when the first of the young ones is due */
    struct ks_timer pause; /* those that are due give way to clients until then */
    struct ks_task task;
};

struct ks_log {
    struct ks_env *env;
    struct ks_store *store;
    struct ks_meta *meta;
    struct ks_log_options options;
    char *ns;
    struct ks_log_events events;
    enum kafscale_status status;
    struct kafscale_error error; /* why it is fenced or failed */
    struct ks_task tell;         /* fenced or failed, from the loop */

    struct ks_table partitions;
    struct ks_id *sources; /* incarnations that places refer to; the first is this one */
    uint32_t source_count;

    struct ks_slot *open;
    struct ks_list slots; /* sent, by sequence */
    size_t slot_count;    /* of these, not durable */
    uint64_t sequence_next;
    uint32_t chain; /* of the object sent last */
    size_t unflushed_bytes;
    struct ks_pace pace; /* of what can wait */
    struct ks_task cut_task;
    struct ks_timer cut_timer;

    struct ks_list answers; /* appends whose answer is on its way through the loop */
    struct ks_list wal_readings;
    struct ks_list bundle_readings;
    struct ks_list rereads;
    struct ks_list bundle_entries; /* of sections, kept for the next reader */
    size_t bundle_entries_count;
    struct ks_list looks;
    struct ks_list releases; /* of partitions */
    struct ks_changes changes;
    struct ks_list raises; /* of log starts */
    struct ks_retentions retention;
    struct ks_list sweeps;      /* the first is under way */
    struct ks_list dead_topics; /* being buried */

    struct ks_list cache; /* committed batches in memory, oldest first */
    size_t cache_bytes;

    /* What lies in segments. */
    struct ks_object_reads object_reads;
    struct ks_segments segments;
    struct ks_block_cache blocks;
    struct ks_list searches;
    struct ks_list cold_reads;
    struct ks_list producer_loads;
    struct ks_list time_searches;
    struct ks_list preparations;

    struct ks_compactor compactor;

    struct ks_opening *opening; /* the one under way */
    struct ks_list openings;    /* that wait */

    struct ks_trimmer *trimmer;

    bool is_draining;
    bool is_released; /* the closed ends were sent */
    bool is_stopped;  /* the end of ks_log_stop is being told, or was */
    bool is_freed;    /* goes when nothing is under way any more */
    size_t busy;      /* requests under way in store and meta, and timers that will make some */
    void (*stopped)(void *arg);
    void *stopped_arg;
    struct ks_timer stop_timer;
    struct ks_task stop_task;

    struct ks_log_counters counters;
    struct ks_chore chores[KS_LOG_CHORE_COUNT];
    struct ks_log_quota unread; /* what clients ask for again and again, and is damaged */
};

void ks_log_note_success(struct ks_log *log, enum ks_log_chore chore);
/* What failed isn't tried any more. */
void ks_log_note_rest(struct ks_log *log, enum ks_log_chore chore);
/* NULL: for what the store said last. */
void ks_log_note_failure(struct ks_log *log, enum ks_log_chore chore, const char *why);

/*
 * One more, one fewer request under way; the last one of a freed log frees it, so touch nothing
 * after.
 */
void ks_log_begin(struct ks_log *log);
void ks_log_end(struct ks_log *log);

/* As ks_log_fence, with FAILED as the answer. */
void ks_log_fail(struct ks_log *log, const struct kafscale_error *error);

/* The index of an incarnation among the sources, added if new; UINT32_MAX without memory. */
uint32_t ks_log_source(struct ks_log *log, const struct ks_id *incarnation);

/* How long to wait before try number `attempts` + 1, jittered. */
int64_t ks_log_backoff_ms(struct ks_log *log, uint32_t attempts);

/* --- writer.c --- */
void ks_writer_init(struct ks_log *log);
/* For a log that is going: nobody is answered and nothing is sent again. */
void ks_writer_silence(struct ks_log *log);
void ks_writer_append(struct ks_log *log, struct ks_append *append);
void ks_writer_schedule(struct ks_log *log);
/* Answers all that wait with `result` and drops what is not under way. */
void ks_writer_abandon(struct ks_log *log, enum ks_append_result result);
/* Answers what waits for this partition. */
void ks_writer_forget(struct ks_log *log, struct ks_partition *partition);
void ks_writer_deinit(struct ks_log *log);
/* Answers an append from the loop. */
void ks_append_answer(struct ks_log *log, struct ks_append *append, enum ks_append_result result);
/* Answers all appends of an object. */
void ks_slot_answer(struct ks_slot *slot, enum ks_append_result result);
/* Accepts NULL. Nothing may wait for it, and no request of it be under way. */
void ks_slot_free(struct ks_slot *slot);

/* --- sender.c --- */
/* The object's bytes are frozen from now on. */
void ks_slot_send(struct ks_slot *slot);

/* --- cache: read.c --- */
void ks_cache_add(struct ks_log *log, struct ks_cached_batch *cached);

/* Drops the oldest until all that is cached keeps its limits. */
void ks_cache_fit(struct ks_log *log);
void ks_cache_drop_partition(struct ks_log *log, struct ks_partition *partition);

/* --- read.c --- */
/*
 * The section to read an offset from when it isn't in memory; NULL: the place of its batch, or of
 * the next one, says where it is.
 */
const struct ks_bundle_section *ks_log_section_at(const struct ks_log *log,
                                                  const struct ks_partition *partition,
                                                  int64_t offset, struct ks_bundle **bundle_out);
/* Room for so many parts of a read that has none; false without memory, and it has none. */
bool ks_log_read_reserve(struct ks_log_read *read, size_t count);
/* One more part, with a reference to its owner; the time counts where times were reserved. */
void ks_log_read_add(struct ks_log_read *read, struct kafscale_slice bytes,
                     struct kafscale_blob *owner, int64_t created_ms);
/* As ks_log_read, for one that is under way and finds its batches moved: `done` comes. */
void ks_log_read_on(struct ks_log *log, struct ks_log_read *read);
/* The partition is forgotten: nobody minds that its objects go. */
void ks_readings_forget(struct ks_log *log, const struct ks_partition *partition);
/* For a log that is going: nothing is asked again. */
void ks_readings_silence(struct ks_log *log);

/* --- segment_read.c: as ks_log_read, below compacted_upto --- */
bool ks_cold_read(struct ks_log *log, struct ks_log_read *read, enum kafscale_status *status_out);
void ks_cold_reads_drop(struct ks_log *log);

/* --- compact.c --- */
/* Tells what waits. */
void ks_compactor_read(const struct ks_log *log, struct ks_log_backlog *backlog_out);
void ks_compactor_init(struct ks_log *log);
/* More of it is committed, or it was opened. */
void ks_compact_note(struct ks_log *log, struct ks_partition *partition);
void ks_compact_forget(struct ks_log *log, struct ks_partition *partition);
/* The log drains: what waits to try again looks now. */
void ks_compact_hurry(struct ks_log *log);
/* For a log that is going: waits for nothing but requests under way. */
void ks_compact_silence(struct ks_log *log);
/* For ks_log_abandon: frees all, for whose requests no completion comes. */
void ks_compact_drop(struct ks_log *log);

/* --- time_search.c --- */
/* For a log that is going: waits for nothing but requests under way. */
void ks_time_searches_silence(struct ks_log *log);
/* For ks_log_abandon. */
void ks_time_searches_drop(struct ks_log *log);

/* --- prepare.c --- */
/* For ks_log_abandon. */
void ks_preparations_drop(struct ks_log *log);

/* --- cold.c: all that reads segments --- */
void ks_cold_init(struct ks_log *log);
void ks_cold_deinit(struct ks_log *log);
/* For a log that is going: waits for nothing but requests under way. */
void ks_cold_silence(struct ks_log *log);
/* For ks_log_abandon. */
void ks_cold_drop(struct ks_log *log);

/* --- stop.c --- */
void ks_stop_continue(struct ks_log *log);

/* --- release.c --- */
/* Releases all partitions, for a stop; without memory the next start seals. */
void ks_releases_begin_stop(struct ks_log *log);
/* More is durable, or the log has ended. */
void ks_releases_continue(struct ks_log *log);
void ks_releases_forget(struct ks_log *log, const struct ks_partition *partition);
/* For a log that is going: waits for nothing but requests under way. */
void ks_releases_silence(struct ks_log *log);

/* --- changes.c --- */
void ks_changes_init(struct ks_log *log);
/* The log drains: what waits for its timer gives up. */
void ks_changes_hurry(struct ks_log *log);
void ks_changes_forget(struct ks_log *log, const struct ks_partition *partition);
/* For a log that is going: waits for nothing but requests under way. */
void ks_changes_silence(struct ks_log *log);

/* --- log_start.c --- */
void ks_raises_forget(struct ks_log *log, const struct ks_partition *partition);
/* The log drains: what waits for its timer gives up. */
void ks_raises_hurry(struct ks_log *log);
/* For a log that is going: waits for nothing but requests under way. */
void ks_raises_silence(struct ks_log *log);

/* --- retention.c --- */
void ks_retention_init(struct ks_log *log);
/* More of the partition is committed. */
void ks_retention_note(struct ks_log *log, struct ks_partition *partition);
/* Nothing is checked any more. */
void ks_retention_end(struct ks_log *log);

/* --- retention_segments.c --- */
/* The newest segment of the partition, as its register says. */
void ks_expiry_learn(struct ks_partition *partition, const struct ks_index *newest);
void ks_expiry_forget(struct ks_partition *partition);
/* For ks_log_abandon. */
void ks_expiry_drop(struct ks_log *log);

/* --- sweep.c and dead_topic.c --- */
/* The log drains: what waits for its timer gives up. */
void ks_sweeps_hurry(struct ks_log *log);
/* For a log that is going: waits for nothing but requests under way. */
void ks_sweeps_silence(struct ks_log *log);

/* --- open.c --- */
/* For a log that is going: waits for nothing but requests under way. */
void ks_openings_silence(struct ks_log *log);
/* The log drains: what is being opened gives up without waiting for its timer. */
void ks_openings_hurry(struct ks_log *log);

/* --- trim.c --- */
/* Begins the log's own trail. */
KAFSCALE_MUST_CHECK enum kafscale_status ks_trimmer_begin(struct ks_log *log);
/*
 * A compacted_upto of a partition that is open here has grown, or a topic may be gone: looks
 * whether trim marks may move. To be called after each such change.
 */
void ks_trim_advance(struct ks_log *log);
/* An object of this log is committed. */
void ks_trim_note_slot(struct ks_log *log, const struct ks_slot *slot);
/* For a log that is going: nothing is begun or sent again. */
void ks_trimmer_silence(struct ks_log *log);

/* --- For ks_log_abandon: frees what is under way, for whose requests no completion comes --- */
void ks_readings_drop(struct ks_log *log);
void ks_openings_drop(struct ks_log *log);
void ks_looks_drop(struct ks_log *log);
void ks_releases_drop(struct ks_log *log);
void ks_raises_drop(struct ks_log *log); /* before the changes */
void ks_changes_drop(struct ks_log *log);
void ks_sweeps_drop(struct ks_log *log);
void ks_dead_topics_drop(struct ks_log *log);

#endif
