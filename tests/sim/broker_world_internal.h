/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inside of a simulated world of brokers, shared by its files: broker_world.c (brokers, time,
 * what is done to them), broker_world_client.c, broker_world_producer.c, broker_world_reader.c,
 * broker_world_admin.c, broker_world_changer.c and broker_world_committer.c (who talks to them) and
 * broker_world_history.c (what must hold).
 */
#ifndef KS_TESTS_SIM_BROKER_WORLD_INTERNAL_H
#define KS_TESTS_SIM_BROKER_WORLD_INTERNAL_H

#include "record/record.h"
#include "sim/broker_world.h"
#include "sim/process.h"
#include "sim/witness.h"

#define WORLD_PARTITIONS 3 /* of the topic that stays, "stays", when it has grown */
#define WORLD_LOOSE 3      /* the one partition of the topic that goes and comes, "goes" */
#define WORLD_PRODUCERS 3
#define WORLD_READERS 2
#define WORLD_COMMITTERS 2
#define WORLD_PROCESSES 8
#define WORLD_RUNNING_MAX 3
#define LANE_BATCHES_MAX 120
#define LOOSE_MAX 400
#define WORLD_IDS_MAX 400
#define WORLD_NEW_TOPICS_MAX 100
#define CHANGES_MAX 200
#define WORLD_CHANGERS 2
#define CHANGER_KEYS 2
/* Brokers in the world have at most this; no answer may be older. */
#define WORLD_FRESHNESS_MS 1000

/* Who wrote a record, and which of its records it is; -1: not known. */
#define WORLD_VALUE(producer, number) ((int64_t) (producer) << 32 | (int64_t) (number))

/* --- History ---------------------------------------------------------------------------------- */

/* One partition as clients have come to know it. */
struct history {
    int64_t *values; /* by offset */
    int64_t capacity;
    /* When which end was known to somebody. */
    struct {
        int64_t at_ms;
        int64_t end;
    } * ends;
    size_t end_count;
    size_t end_capacity;
    int64_t latest_max; /* the greatest end a broker has told */
};

void history_deinit(struct history *history);

/* A client saw this value at this offset; false when another one was there before. */
bool history_see(struct history *history, int64_t now_ms, int64_t offset, int64_t value);

/* A broker has acknowledged that everything below `end` is there. */
void history_know_end(struct history *history, int64_t now_ms, int64_t end);

/* What was known at that time. */
int64_t history_end_at(const struct history *history, int64_t at_ms);

/* --- Clients ---------------------------------------------------------------------------------- */

/* What all clients have: a broker to talk to, for as long as the connection holds. */
struct client {
    struct world *world;
    struct line *line;
    struct process *process;
    struct ks_timer tick;
    int64_t waits_since_ms;  /* for the oldest answer; -1: waits for nothing */
    int64_t again_at_ms;     /* not before */
    uint64_t damaged_before; /* answers of the store, when it asked */
    void (*lost)(struct client *client);
    void (*answered)(struct client *client, void *tag, const void *response);
    void (*act)(struct client *client);
};

void client_init(struct client *client, struct world *world);
void client_deinit(struct client *client);

/* Connects to some broker if that is to be done and possible; false: not now. */
bool client_connect(struct client *client);

/* Hangs up, and goes on somewhere else after a while. */
void client_leave(struct client *client);

/* False: the broker has not answered for so long that the client has left it. */
bool client_is_patient(struct client *client, int64_t patience_ms);

struct sent_batch {
    int32_t sequence;
    int32_t count;
    int64_t floor; /* known end when it was first sent: real time order */
    uint32_t tries;
    const struct process *first; /* whom it was first sent to, not to be looked into */
};

/* What one producer writes to one partition. acknowledged <= sent <= count. */
struct lane {
    struct sent_batch batches[LANE_BATCHES_MAX];
    int32_t count;
    int32_t sent;
    int32_t acknowledged;
    int32_t next_sequence;
};

struct producer {
    struct client client;
    int index;
    int64_t id;
    bool is_asking_id;
    struct ks_list requests;
    size_t request_count;
    struct lane lanes[WORLD_PARTITIONS];
};

void producer_init(struct producer *producer, struct world *world, int index);
void producer_deinit(struct producer *producer);
bool producer_is_done(const struct producer *producer);

struct reader {
    struct client client;
    int64_t positions[WORLD_PARTITIONS + 1];
    bool must_ask_earliest[WORLD_PARTITIONS + 1]; /* what it wanted has been deleted */
    int64_t sent_at_ms;
    int latest_index; /* whose end was asked */
    bool is_last;     /* reads everything a last time, also the topic that goes */
    bool has_latest[WORLD_PARTITIONS + 1]; /* asked since then */
};

void reader_init(struct reader *reader, struct world *world);
void reader_deinit(struct reader *reader);

struct loose_record {
    int64_t sent_at_ms;
    int64_t acknowledged_at_ms; /* -1 */
    bool is_read;
};

enum admin_step {
    ADMIN_CREATE_STAYS,
    ADMIN_CREATE_GOES,
    ADMIN_REST,
    ADMIN_DELETE_GOES,
};

/* Creates and deletes topics, asks for producer ids, and writes into the topic that goes. */
struct admin {
    struct client client;
    enum admin_step step;
    bool was_deleted;          /* the next creation is a second life */
    int32_t first_partitions;  /* of the topic that stays */
    int64_t stays_since_ms;    /* -1: not created yet */
    int64_t goes_since_ms;     /* its last creation */
    int64_t deletion_begun_ms; /* of the last deletion: its first request */
    int64_t deletion_done_ms;
    int64_t sent_at_ms;
    struct loose_record loose[LOOSE_MAX];
    int32_t loose_count;
    int deleting_index; /* whose records were asked to be deleted */
    int64_t deleting_offset;
    int64_t ids[WORLD_IDS_MAX];
    size_t id_count;
    bool new_topics[WORLD_NEW_TOPICS_MAX]; /* acknowledged */
    int32_t new_topic_count;
    bool is_checking;
    bool is_checked;
};

void admin_init(struct admin *admin, struct world *world);
void admin_deinit(struct admin *admin);

/* Deletes the topic that goes and creates it again, if that is not under way already. */
void admin_replace_topic(struct admin *admin);

/* Nothing is under way: both topics are there. */
bool admin_rests(const struct admin *admin);

/* Adds partitions to the topic that stays, and changes its configurations. */
struct changer {
    struct client client;
    int index;
    int64_t sent_at_ms;
    int32_t partitions_asked; /* the most that it has ever asked for */
    int32_t count_asked;      /* by the request under way */
    int32_t count_before;     /* partitions_asked before it */
    int32_t change_count;     /* of configurations; change i is number i */
    bool is_acknowledged[CHANGES_MAX];
    int32_t newest[CHANGER_KEYS]; /* acknowledged change of each key; -1: none */
    /* The same, and the number of partitions, as the broker that it talks to has told. */
    int32_t newest_here[CHANGER_KEYS];
    int32_t count_here;
    bool must_check; /* a last time */
    bool has_counted;
    bool has_described;
};

void changer_init(struct changer *changer, struct world *world, int index);
void changer_deinit(struct changer *changer);

struct known_commit {
    int64_t at_ms;
    int64_t offset; /* -1: none */
};

/* The only member of a group, or who only commits for one. */
struct committer {
    struct client client;
    char group[16];
    bool is_simple; /* never a member */
    bool is_found;  /* the coordinator */
    bool is_joined; /* a join was answered, its assignment not yet */
    bool is_member;
    char member_id[128];
    int32_t generation;
    int32_t generation_made;         /* the last one with an assignment */
    const struct process *synced_at; /* whom that was told by, not to be looked into */
    int64_t sent_at_ms;
    int64_t commit_sent;
    struct known_commit commits_known;  /* the last one that was acknowledged */
    struct known_commit commits_before; /* the one before it */
    bool must_check;                    /* a last time, whether it is there */
    bool is_checked;
};

void committer_init(struct committer *committer, struct world *world, int index);
void committer_deinit(struct committer *committer);

/* --- The world -------------------------------------------------------------------------------- */

struct slot {
    struct process *process; /* NULL: empty */
    bool was_ready;
    bool was_fenced;
    bool was_paused;
    bool has_refused; /* the store */
    int64_t resume_at_ms;
    int64_t mend_at_ms;
    uint32_t events_without_memory;
};

struct world {
    struct virtual_env v;
    const struct scenario *scenario;
    struct broker_world_events *events;
    char *reason;
    bool is_broken;
    bool is_over; /* no trouble and nothing new any more */
    struct ks_memory_bucket *bucket;
    struct witness *witness;
    struct ks_id stays;                            /* the topic of this name */
    int64_t deletions_asked[WORLD_PARTITIONS + 1]; /* of records of it, below this offset */
    int64_t starts[WORLD_PARTITIONS + 1];          /* where the last reader began */
    struct ks_fault_store *faults;
    struct ks_store *store;
    uint32_t meta_chunk_entries;
    size_t meta_operations_max;
    struct slot slots[WORLD_PROCESSES];
    struct history histories[WORLD_PARTITIONS + 1];
    struct producer producers[WORLD_PRODUCERS];
    struct reader readers[WORLD_READERS];
    struct admin admin;
    struct changer changers[WORLD_CHANGERS];
    int64_t partitions_since_ms[WORLD_PARTITIONS]; /* known to somebody; -1: not yet */
    struct committer committers[WORLD_COMMITTERS];
};

uint64_t world_draw(struct world *world, uint64_t below);

/* The first promise that was broken, with two numbers about it. */
void world_broken(struct world *world, const char *what, int64_t a, int64_t b);

/* Any broker that runs, paused or not, or NULL. */
struct process *world_any_process(struct world *world);

/* A producer id was given out. */
void world_note_id(struct world *world, int64_t id);

/*
 * An error code of a broker: a broken promise unless trouble explains it. That a topic is unknown
 * is explained when it was not created freshness.ms before the request was sent.
 */
void world_check_error(struct world *world, const char *api, int16_t code, int64_t sent_at_ms);

/* So many partitions of the topic that stays are known to be there. */
int world_partitions(const struct world *world);

/* Somebody was told that there are so many. */
void world_know_partitions(struct world *world, int32_t count);

/* The same for one of them, which must be known to brokers freshness.ms after it was to anybody. */
void world_check_partition_error(struct world *world, const char *api, int32_t index, int16_t code,
                                 int64_t sent_at_ms);

/* Answers of the store that were damaged on their way, so far. */
uint64_t world_damaged_answers(const struct world *world);

/*
 * Whether an error is KAFKA_STORAGE_ERROR, and the store's answers were damaged while it was waited
 * for: three bad ones to a read are the end of it. Clients ask again.
 */
bool world_is_damage(const struct client *client, int16_t code);

/* What brokers have acknowledged, seen at the end (broker_world_history.c). */
void world_check_all(struct world *world);

#endif
