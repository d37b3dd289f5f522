/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of the simulated world, shared by the files that make it up. */
#ifndef KS_TESTS_SIM_LOG_WORLD_INTERNAL_H
#define KS_TESTS_SIM_LOG_WORLD_INTERNAL_H

#include "sim/log_world.h"
#include "sim/witness.h"
#include "support/flaky_meta.h"

#define LOOSE_MAX 300
#define WORLD_RECORDS_MAX 3 /* of one batch */
#define WORLD_OFFSETS_MAX (WORLD_PRODUCERS * WORLD_BATCHES_MAX * WORLD_RECORDS_MAX)
#define FINAL_MS 600000

struct world;

enum batch_state {
    BATCH_UNSENT,
    BATCH_SENT,
    BATCH_FAILED,
    BATCH_ACKNOWLEDGED,
};

struct sent_batch {
    struct producer *producer;
    int32_t sequence; /* of its first record */
    int32_t count;    /* of records */
    enum batch_state state;
    uint32_t tries;
    int64_t offset; /* once acknowledged */
    struct ks_append append;
    bool is_in_flight;
};

struct producer {
    struct world *world;
    int64_t id;
    int partition;
    size_t count; /* batches made */
    int32_t next_sequence;
    size_t acknowledged_upto;
    struct sent_batch batches[WORLD_BATCHES_MAX];
};

/* An append to a topic that will be deleted; only its one answer is checked. */
struct loose {
    struct world *world;
    struct broker *broker;
    struct ks_append append;
    bool is_in_flight;
};

/* The beginning of a partition shall go, as by retention or DeleteRecords. */
struct raise {
    int index;
    int64_t offset;
    bool is_under_way;
};

struct broker {
    struct world *world;
    struct raise raise;
    struct ks_log *log;
    struct ks_id incarnation;
    struct ks_log_open open;
    struct ks_partition_name names[WORLD_PARTITIONS + 1];
    const char *topic_names[WORLD_PARTITIONS + 1];
    const char *prefixes[WORLD_PARTITIONS + 1];
    char short_prefix[32];
    enum kafscale_status results[WORLD_PARTITIONS + 1];
    struct ks_partition_name release_names[WORLD_PARTITIONS];
    enum kafscale_status release_results[WORLD_PARTITIONS];
    size_t release_count;
    bool had[WORLD_PARTITIONS]; /* this incarnation has opened it before */
    bool is_opening;
    bool is_releasing;
    bool is_stopping;
};

struct world {
    struct virtual_env v;
    struct ks_memory_bucket *bucket;
    struct witness *witness;
    struct ks_fault_store *faults;
    struct ks_store *store;
    struct ks_meta_bucket *meta_bucket;
    struct ks_meta *meta;
    struct flaky_meta_control flaky;
    bool is_peaceful;        /* nobody claims what another living broker has */
    int64_t retention_bytes; /* negative: no limit */
    int foreign_at;          /* the step at which another program puts an object; negative: never */
    struct ks_id cluster;
    struct ks_id topic;
    struct ks_id short_topic; /* deleted and followed by another now and then */
    char short_prefix[32];    /* of its present life */
    int short_topics;
    struct loose loose[LOOSE_MAX];
    size_t loose_count;
    struct broker brokers[WORLD_BROKERS];
    struct producer producers[WORLD_PRODUCERS];
    /* What readers saw: per partition and offset, producer and sequence. */
    int64_t seen_id[WORLD_PARTITIONS][WORLD_OFFSETS_MAX];
    int32_t seen_sequence[WORLD_PARTITIONS][WORLD_OFFSETS_MAX];
    /* Below the first nobody may read any more; below the second nobody has to. */
    int64_t start_floor[WORLD_PARTITIONS];
    int64_t start_wanted[WORLD_PARTITIONS];
    struct ks_id last_owner[WORLD_PARTITIONS];
    struct world_events *events;
    char *reason;
    uint32_t corrupt_reads; /* in a row, of one place */
    bool is_broken;
    bool is_over;
    bool is_damaged; /* an object was, on purpose */
};

/* A promise was broken; the first reason is kept. */
void world_broken(struct world *w, const char *what, int64_t a, int64_t b);

/* Records whose value is the batch's sequence. */
struct kafscale_blob *world_make_batch(const struct sent_batch *batch);

/*
 * Opens some of the partitions that the broker doesn't have, or all of them, whoever owns them; in
 * a peaceful world only what nobody holds.
 */
void world_open(struct broker *b, bool all);

void world_broker_crash(struct broker *b);

/* NULL: it isn't open there, or the broker stops. */
struct ks_partition *world_partition_of(struct broker *b, int index);

/* Sends what is next, or again, if the broker has the partition. */
void world_producer_step(struct producer *p, struct broker *b);

/*
 * Reads from `offset` on and checks it. Gives the offset after what came; faults may let a read
 * fail, and then that is `offset`.
 */
int64_t world_read_from(struct world *w, struct ks_log *log, struct ks_partition *partition,
                        int index, int64_t offset);

/* --- log_world_end.c --- */
/* One broker takes all, everything is sent again, read and compared. */
void world_finish(struct world *w);

/* --- log_world_damage.c --- */
/* Damages an object, and looks what becomes of it. */
void world_damage(struct world *w);
/* In the middle of things: an object of another program, where a segment would come. */
void world_put_foreign(struct world *w);

/* --- log_world_start.c --- */
/* Lets the beginning of a partition go that some broker has. */
void world_raise_start(struct world *w);
/* As the topic's configuration has it; in some worlds partitions forget by themselves. */
void world_set_retention(struct broker *b, const struct ks_partition_name *name);

/* --- log_world_handoff.c --- */
/* Whether a living broker has it, or is about to. */
bool world_is_held(const struct world *w, const struct ks_partition_name *name);
/* Counts what came back to an incarnation that had it before. */
void world_note_open(struct broker *b, const struct ks_partition_name *name);
/* Releases some partitions of a broker, or of the next that has any; another opens them then. */
void world_hand_off(struct broker *b);

/* --- log_world_topic.c --- */
/* Creates or deletes the topic's key and waits until that is done. */
void world_change_topic(struct world *w, const struct ks_id *topic, bool is_delete);
/* Appends to the topic that will be deleted, if the broker has it. */
void world_loose_step(struct world *w, struct broker *b);
/* Gives the topic that will be deleted its prefix: that of its name in the first life only. */
void world_name_short_topic(struct world *w);
/* Deletes that topic; the next one gets a new id, and brokers hear of it one by one. */
void world_replace_short_topic(struct world *w);

#endif
