/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A consumer inside the program: reads partitions from given positions on, with one Fetch at a
 * time that waits for news of all of them. Batches are handed on where they lie in the broker's
 * memory.
 *
 * Everything belongs to the loop thread.
 */
#ifndef KS_CLIENT_READER_H
#define KS_CLIENT_READER_H

#include "client/ask.h"

/* Positions besides offsets: to be asked for. */
#define KS_READ_LATEST (-1)
#define KS_READ_EARLIEST (-2)

struct ks_reader;

/* Where to go on when a position is not in the log: one of the two above, or nowhere. */
#define KS_READ_NOWHERE (-3)

struct ks_reader_options {
    struct kafscale_slice client_id; /* borrowed as long as the reader */
    int32_t fetch_bytes;             /* of an answer, but for one batch that is larger */
    int64_t reset;
};

struct ks_read_partition {
    struct ks_list link; /* of the reader: its turn in the next Fetch */
    struct ks_reader *reader;
    char *topic;
    int32_t index;
    int64_t position;       /* of the next record; or LATEST or EARLIEST, until it is asked for */
    int64_t high_watermark; /* -1: not known */
    int64_t retry_at_ms;
    uint32_t failures; /* since something went well */
    bool is_failed;    /* it was told, and is read no more */
};

/* None may remove partitions, or end the reader, but in a turn of its own. */
struct ks_reader_events {
    void *arg;
    /* Whole batches, the first of which may begin before `position`. */
    void (*read)(void *arg, struct ks_read_partition *partition, int64_t position,
                 const struct kafscale_part *parts, size_t part_count);
    /* It can't be read any more, until it is sought again. */
    void (*failed)(void *arg, struct ks_read_partition *partition, int16_t kafka_error);
};

struct ks_reader {
    struct ks_reader_options options;
    struct ks_reader_events events;
    struct ks_env *env;
    struct ks_asker asker;
    struct ks_list partitions;
    size_t partition_count;
    struct ks_ask ask;                /* Fetch, or ListOffsets for those without a position */
    struct ks_read_partition **asked; /* who it is for, in its order; NULL: was removed */
    size_t asked_count;
    size_t asked_capacity;
    struct ks_task run_task;
    struct ks_timer retry_timer;
    bool is_fetch; /* what is asked */
    bool is_paused;
    bool is_ended;
};

void ks_reader_init(struct ks_reader *reader, struct ks_env *env,
                    const struct ks_request_sink *sink, const struct ks_reader_options *options,
                    const struct ks_reader_events *events);

/* Ended and quiet. */
void ks_reader_deinit(struct ks_reader *reader);

/* To be read from `position` on; NULL when memory is short. Any thread. */
struct ks_read_partition *ks_read_partition_new(struct kafscale_slice topic, int32_t index,
                                                int64_t position);

/* One that is in no reader. */
void ks_read_partition_free(struct ks_read_partition *partition);

/* Takes it; it isn't read yet. */
void ks_reader_add(struct ks_reader *reader, struct ks_read_partition *partition);
void ks_reader_remove(struct ks_read_partition *partition);
void ks_reader_seek(struct ks_read_partition *partition, int64_t position);

/* NULL: it isn't read. */
struct ks_read_partition *ks_reader_find(const struct ks_reader *reader,
                                         struct kafscale_slice topic, int32_t index);

/* While paused nothing is asked for; one answer may still come. */
void ks_reader_pause(struct ks_reader *reader, bool is_paused);

/* Nothing is told any more; what is under way still ends. */
void ks_reader_end(struct ks_reader *reader);
bool ks_reader_is_quiet(const struct ks_reader *reader);

#endif
