/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One open partition: where its newest batches lie, how far it is committed, what its producers
 * did, and the tail that is still in memory. Nothing here does I/O.
 *
 * Places are numbered from the first that the partition ever had here; those at the front go when
 * their batches can be found elsewhere.
 */
#ifndef KS_LOG_PARTITION_H
#define KS_LOG_PARTITION_H

#include "log/log.h"
#include "log/format/producer_state.h"
#include "log/format/registers.h"
#include "log/format/wal_format.h"

/* What a batch in a segment is taken to measure before it is read. */
#define KS_COLD_BATCH_BYTES (64u << 10)

/* A batch whose bytes are in memory. In the list of its cache once committed. */
struct ks_cached_batch {
    struct ks_list link;
    struct ks_partition *partition;
    struct kafscale_blob *owner;
    struct kafscale_slice bytes;
    size_t index; /* of its place */
};

/* Where a batch lies. Running totals make questions about ranges and times a binary search. */
struct ks_place {
    int64_t base_offset;
    int64_t last_offset;
    int64_t max_timestamp_ms;
    int64_t max_timestamp_so_far_ms; /* greatest of this batch and all before */
    uint64_t bytes_before;           /* of all batches before this one */
    uint64_t sequence;               /* the write-ahead object */
    uint64_t position;               /* in the object's body, from the object's first byte */
    int64_t created_ms;              /* of the object, once it was cut */
    struct ks_cached_batch *cached;  /* NULL: to be read from the object */
    uint32_t size_bytes;
    uint32_t crc;
    uint32_t source; /* which log: index in the sources of the struct ks_log */
    int32_t leader_epoch;
};

struct ks_bundle;
struct ks_bundle_section;
struct ks_expiry_walk;

/* Batches of the partition in a bundle (log/bundle/bundle.h). */
struct ks_bundled {
    struct ks_bundle *bundle; /* a reference */
    const struct ks_bundle_section *section;
};

struct ks_partition {
    struct ks_table_node node;
    struct ks_partition_name name;
    char *topic_name;
    char *prefix; /* its segments lie under {ns}/{prefix}/{index}/ */
    void *user;
    struct ks_register reg;
    uint64_t register_version;
    struct ks_retention retention;
    struct ks_list retained;  /* in the ring of those with limits */
    uint64_t retention_round; /* the last check of it */
    uint64_t change_round;    /* of the register (changes.c), the last one that was sent */
    int64_t end_offset;       /* of what was appended */
    int64_t high_watermark;   /* of what is committed */
    bool is_named;            /* its topic's name is in an object of this log */
    bool is_closed;           /* being released: no more appends */
    bool is_gone;             /* its topic was deleted: freed with its last section */
    size_t section_count;     /* sections of objects under way that name it */

    struct ks_place *places; /* the first `place_gap` of the array are void */
    size_t place_base;       /* index of the first that is kept */
    size_t place_end;        /* index after the last */
    size_t place_gap;
    size_t place_capacity;
    struct ks_bundled *bundled; /* ascending by offset */
    size_t bundled_count;
    size_t bundled_capacity;
    int64_t drop_below;            /* places of batches that end below need not be kept */
    struct ks_epoch_start *epochs; /* ascending in both */
    size_t epoch_count;
    struct ks_producer_table producers;

    struct ks_compaction {
        struct ks_list link;       /* with those that are due */
        struct ks_heap_node young; /* or with those that will be, by when */
        int64_t since_ms;          /* when the oldest of what isn't compacted came */
        int64_t replayed_ms;       /* the same in wall time, of what was replayed; 0: nothing was */
        struct ks_segment_limits limits;
        int64_t roll_ms;      /* of the segment to come, from these; 0: no limit */
        int64_t counted_from; /* compacted_upto when the bytes were counted */
        int64_t counted_upto;
        size_t bytes; /* between these, at least where they are fewer than a segment's */
        bool is_due;
        int64_t due_ms;  /* since when */
        bool is_stopped; /* by an alarm */
        uint32_t failures;
        struct ks_compact_job *job;
    } compaction; /* compact.c's */

    struct ks_expiry {
        int64_t newest_end;   /* compacted_upto when its newest segment was looked at, or 0 */
        int64_t newest_bytes; /* of batches in all segments, by that one */
        int64_t oldest_base;  /* of the segment at the log start, when it was looked at */
        int64_t oldest_end;   /* 0: none was */
        int64_t oldest_ms;    /* of its youngest record */
        int64_t oldest_bytes; /* as newest_bytes, up to its end; -1: not known */
        int64_t retry_ms;     /* wall time; it isn't looked at before */
        uint32_t failures;
        struct ks_expiry_walk *walk;
    } expiry; /* retention_segments.c's */

    int64_t read_next;   /* where a reader of segments will go on, -1: none has come to an end */
    uint32_t read_ahead; /* how many blocks were read ahead of him there */

    /* The section of the open object that its batches go into, or NULL. The writer's. */
    struct ks_open_section *section;
};

struct ks_partition *ks_partition_new(const struct ks_partition_name *name, const char *topic_name,
                                      const char *prefix, const struct ks_log_options *options,
                                      uint64_t seed);

/* Drops its cached batches too; the caller takes their bytes off the cache before. */
void ks_partition_free(struct ks_partition *partition);

/*
 * Adds a batch at the end of the places and moves end_offset. `where` tells what its entry doesn't:
 * object, position, times and leader epoch. NO_MEMORY changes nothing.
 */
KAFSCALE_MUST_CHECK enum kafscale_status ks_partition_add_place(struct ks_partition *partition,
                                                                const struct ks_wal_entry *entry,
                                                                const struct ks_place *where);

/* Notes a batch of an idempotent producer; nothing for others. */
KAFSCALE_MUST_CHECK enum kafscale_status ks_partition_note_producer(
    struct ks_partition *partition, const struct ks_wal_entry *entry, int64_t now_ms);

/* Takes back the place added last, which was not given away yet. */
void ks_partition_undo_place(struct ks_partition *partition);

/* The place of this index, place_base <= index < place_end. Valid until one is added or dropped. */
struct ks_place *ks_partition_place(const struct ks_partition *partition, size_t index);

/*
 * Index of the first place whose last offset is >= `offset`; place_end when there is none. An
 * offset below ks_partition_placed_from gives place_base.
 */
size_t ks_partition_find_place(const struct ks_partition *partition, int64_t offset);

/* Index of the first place that is not committed. */
size_t ks_partition_committed_end(const struct ks_partition *partition);

/* The first offset that has a place, or end_offset: what is below lies elsewhere. */
int64_t ks_partition_placed_from(const struct ks_partition *partition);

/*
 * The batches that end below `offset`, all committed, can be found elsewhere: their places go, from
 * the front on, as soon as their bytes have left the tail cache, many of them now.
 */
void ks_partition_drop_places(struct ks_partition *partition, int64_t offset);

/* Something of it has left the cache: drops what may go now. */
void ks_partition_trim_places(struct ks_partition *partition);

/*
 * From `offset` on batches have this epoch; nothing when it is that of the batches before. Called
 * for ascending offsets, also of batches that get no place.
 */
KAFSCALE_MUST_CHECK enum kafscale_status ks_partition_note_epoch(struct ks_partition *partition,
                                                                 int32_t epoch, int64_t offset);

#endif
