/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inside of the coordinator: a shard is one partition of __consumer_offsets with the groups it
 * keeps. load.c reads it, writes.c appends to it, groups.c holds its groups, checkpoint.c writes
 * them again so that what is old can go, expiry.c lets offsets go.
 */
#ifndef KS_BROKER_COORDINATOR_COORDINATOR_INTERNAL_H
#define KS_BROKER_COORDINATOR_COORDINATOR_INTERNAL_H

#include "broker/coordinator/coordinator.h"

enum ks_shard_state {
    KS_SHARD_CLOSED,  /* its partition isn't open */
    KS_SHARD_WAITING, /* to be read: others are, or what was appended is not durable yet */
    KS_SHARD_LOADING,
    KS_SHARD_SERVED,
    KS_SHARD_FAILED, /* it has records that can't be understood: nothing is guessed */
};

/* One batch on its way, in the order of the shard's writes. */
struct ks_shard_write {
    struct ks_pending_append pending;
    struct ks_shard *shard;
    struct ks_list link;
    uint64_t number;
    struct ks_list waits;
    struct ks_list stores; /* of struct ks_coordinated_group */
    size_t bytes;
    bool is_piece; /* of a checkpoint */
};

struct ks_shard_checkpoint {
    bool is_active;
    bool is_building;                   /* a piece: it is one batch, however large */
    bool is_last;                       /* the piece under way */
    bool is_raising;                    /* the log's start */
    int64_t first_offset;               /* of the first piece, -1: not known yet */
    uint64_t bytes_before;              /* of `bytes_since` when it began */
    int64_t begun_ms;                   /* wall time */
    struct ks_coordinated_group *group; /* next to be written; NULL: none is left */
    struct ks_list *topic; /* of that group, next to be written; NULL: the group's own record is */
};

struct ks_shard {
    struct ks_coordinator *coordinator;
    struct ks_topic_partition *partition; /* NULL: closed */
    enum ks_shard_state state;
    struct ks_table by_id;
    struct ks_list groups;

    /* writes.c */
    struct ks_batch_builder open; /* what this turn of the loop appends */
    struct ks_list open_waits;
    struct ks_list open_stores;
    struct ks_task flush;
    struct ks_list writes;
    uint64_t written; /* number of the last write that was begun; the open one has the next */
    uint64_t durable;
    bool is_damaged; /* memory ran short in the middle of a change: to be read again */

    /* load.c */
    struct ks_log_read read;
    bool is_reading;
    int64_t next;
    struct ks_task load;
    struct ks_timer retry;
    uint32_t failures;
    struct ks_coordinated_group *last; /* whose record was read last */

    /* checkpoint.c */
    struct ks_shard_checkpoint checkpoint;
    uint64_t bytes_since; /* appended since the last one began, beside its pieces */
    int64_t since_ms;     /* wall time of the oldest of these; 0: there is none */
};

/* --- groups.c --------------------------------------------------------------------------------- */

/* The shard that keeps a group; NULL with why there is none. */
struct ks_shard *ks_shard_of(struct ks_coordinator *coordinator, struct kafscale_slice group_id,
                             enum ks_group_error *error_out);

struct ks_coordinated_group *ks_shard_find(const struct ks_shard *shard, struct kafscale_slice id);

/* The group of this id, made if there is none; NULL: no memory, or the limit is reached. */
struct ks_coordinated_group *ks_shard_make(struct ks_shard *shard, struct kafscale_slice id);

/* Ends a group and frees it. */
void ks_shard_drop(struct ks_coordinated_group *group, enum ks_group_error error);

/* Drops all. */
void ks_shard_clear(struct ks_shard *shard, enum ks_group_error error);

/*
 * Something happened to a group: its timer and its share of memory follow. It is dropped if nothing
 * is left of it and nothing of it is stored; then it may not be touched any more.
 */
void ks_coordinated_touch(struct ks_coordinated_group *group);

/* Keeps what was appended, or read, as the value of its record; data NULL: none. */
bool ks_coordinated_keep(struct ks_coordinated_group *group, struct kafscale_slice value);

/* --- writes.c --------------------------------------------------------------------------------- */

void ks_shard_init(struct ks_shard *shard, struct ks_coordinator *coordinator);
void ks_shard_deinit(struct ks_shard *shard);

/*
 * Appends a record with the key and the value in the coordinator's buffers; no value: a tombstone.
 */
void ks_shard_append(struct ks_shard *shard, bool has_value);

/* Tells `wait` when all that was appended until now is durable. */
void ks_shard_await(struct ks_shard *shard, struct ks_group_wait *wait);

/* Appends what is gathered now, not at the end of the turn; false: memory is short. */
bool ks_shard_flush(struct ks_shard *shard, bool is_piece);

void ks_coordinator_tell(struct ks_coordinator *coordinator, struct ks_group_wait *wait,
                         enum ks_group_error error);
/* The same for a list of them, which is empty then. */
void ks_coordinator_tell_all(struct ks_coordinator *coordinator, struct ks_list *waits,
                             enum ks_group_error error);

/* Writes a group's own record as the group is now. */
void ks_coordinated_write(struct ks_coordinated_group *group);
/* NULL: a tombstone. */
void ks_coordinated_write_offset(struct ks_coordinated_group *group, struct kafscale_slice topic,
                                 int32_t partition, const struct ks_offset_value *value);
/* The same for what is known already, which changes nothing; data NULL: a tombstone. */
void ks_coordinated_put(struct ks_coordinated_group *group, struct kafscale_slice value);
void ks_coordinated_put_offset(struct ks_coordinated_group *group, struct kafscale_slice topic,
                               int32_t partition, const struct ks_offset_value *value);
/* Takes back all that is stored of it. */
void ks_coordinated_write_end(struct ks_coordinated_group *group);

/* --- load.c ----------------------------------------------------------------------------------- */

/* Reads the shard as soon as that can be. */
void ks_shard_load(struct ks_shard *shard);
void ks_shard_load_go_on(struct ks_shard *shard);
void ks_shard_load_end(struct ks_shard *shard);

/* --- checkpoint.c ----------------------------------------------------------------------------- */

/* So many bytes are appended that no checkpoint has yet. */
void ks_checkpoint_note(struct ks_shard *shard, size_t bytes);
/* Begins one if it is due. */
void ks_checkpoint_look(struct ks_shard *shard);
/* A piece is durable. */
void ks_checkpoint_go_on(struct ks_shard *shard, int64_t base_offset);
/* A group goes: what was to be written next may be it. */
void ks_checkpoint_pass(struct ks_shard *shard, const struct ks_coordinated_group *group);
/* A topic of a group goes. */
void ks_checkpoint_pass_topic(struct ks_shard *shard, const struct ks_offsets_topic *topic);
/* All groups go: what was written so far stands for nothing. */
void ks_checkpoint_stop(struct ks_shard *shard);

/* --- commits.c -------------------------------------------------------------------------------- */

/* Takes back one offset, which there is; true: it was the topic's last, which has gone with it. */
bool ks_coordinated_remove_offset(struct ks_coordinated_group *group,
                                  struct ks_offsets_topic *topic, int32_t partition);

/* --- expiry.c --------------------------------------------------------------------------------- */

/* Sees to it that shards are looked at while there is something in them. */
void ks_coordinator_set_expiry(struct ks_coordinator *coordinator);

#endif
