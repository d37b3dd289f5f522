/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looks into a store and repairs it, without a broker: what kafscale-cli does, for any program.
 *
 *     options -> kafscale_tools_open -> calls that wait for their answers -> kafscale_tools_close
 *
 * The options are those of the broker whose store it is. Brokers may go on working on the same
 * store meanwhile, except where a function says otherwise. A struct kafscale_tools belongs to one
 * thread at a time, and serves its own event loop inside each call; callbacks come from inside the
 * call that was given them and must not use the same tools. `error` may be NULL everywhere.
 */
#ifndef KAFSCALE_TOOLS_H
#define KAFSCALE_TOOLS_H

#include "kafscale/describe.h"
#include "kafscale/logger.h"
#include "kafscale/options.h"
#include "kafscale/status.h"
#include "kafscale/store.h"

#ifdef __cplusplus
extern "C" {
#endif

struct kafscale_tools;

/*
 * Opens the store that the options name; nothing is written to it. Options are not kept. Lines of
 * the log go to `write`, which may be NULL. NULL: not opened, and `error` says why.
 */
KAFSCALE_EXPORT KAFSCALE_MUST_CHECK struct kafscale_tools *kafscale_tools_open(
    const struct kafscale_options *options, kafscale_log_write *write, void *arg,
    struct kafscale_error *error);

/*
 * The same on a store of the program's (kafscale_broker_set_store), which is opened and closed by
 * this; the option `store` says nothing then. NULL, with `error` filled in: not opened.
 */
KAFSCALE_EXPORT KAFSCALE_MUST_CHECK struct kafscale_tools *kafscale_tools_open_own(
    const struct kafscale_options *options, kafscale_store_open *open, void *open_arg,
    kafscale_log_write *write, void *arg, struct kafscale_error *error);

/* Waits for what is under way in the store. Accepts NULL. */
KAFSCALE_EXPORT void kafscale_tools_close(struct kafscale_tools *tools);

/* Told of each object in the order of keys; borrowed for the call. False ends the listing. */
typedef bool kafscale_tools_listed(void *arg, const struct kafscale_list_entry *entry);

/* Lists the objects whose keys begin with `prefix` below the namespace ("" for all of it). */
KAFSCALE_EXPORT KAFSCALE_MUST_CHECK enum kafscale_status kafscale_tools_list(
    struct kafscale_tools *tools, const char *prefix, kafscale_tools_listed *listed, void *arg,
    struct kafscale_error *error);

/*
 * Reads up to `size_max` bytes (SIZE_MAX: to the end) of the object of this key, as listed, from
 * `position` on; what lies beyond its end is left out. `*body_out` is the caller's to
 * unref; `object_bytes_out`, which may be NULL, is told the size of the whole. KAFSCALE_NOT_FOUND:
 * no such key. KAFSCALE_INVALID: no key.
 */
KAFSCALE_EXPORT KAFSCALE_MUST_CHECK enum kafscale_status kafscale_tools_get(
    struct kafscale_tools *tools, const char *key, uint64_t position, size_t size_max,
    struct kafscale_blob **body_out, uint64_t *object_bytes_out, struct kafscale_error *error);

/* How much of an object a description tells. */
enum kafscale_dump_depth {
    KAFSCALE_DUMP_HEAD,    /* headers */
    KAFSCALE_DUMP_BATCHES, /* and every batch, its checksum compared */
    KAFSCALE_DUMP_RECORDS  /* and every record */
};

/*
 * Describes one object of the broker's: write-ahead objects and seals, bundles, segments, indexes,
 * producer states, entries, snapshots and marks of the metadata log, the cluster record.
 * KAFSCALE_NOT_FOUND: no such key; KAFSCALE_UNSUPPORTED: none of ours. Damage is described, under
 * "damage", and is no failure.
 */
KAFSCALE_EXPORT KAFSCALE_MUST_CHECK enum kafscale_status kafscale_tools_dump(
    struct kafscale_tools *tools, const char *key, enum kafscale_dump_depth depth,
    const struct kafscale_describe *describe, struct kafscale_error *error);

/*
 * Whether the store keeps the promises that brokers rely on (kafscale/store.h): of 32 creations of
 * one key at once exactly one succeeds, what exists isn't overwritten, reads see finished writes.
 * Leaves nothing behind. KAFSCALE_UNSUPPORTED: it doesn't, and `error` says which promise it broke.
 */
KAFSCALE_EXPORT KAFSCALE_MUST_CHECK enum kafscale_status kafscale_tools_check_store(
    struct kafscale_tools *tools, struct kafscale_error *error);

/* How bad it is. */
enum kafscale_finding_weight {
    KAFSCALE_FINDING_GARBAGE, /* nobody needs it, and brokers will remove it in time */
    KAFSCALE_FINDING_ODD,     /* nothing is lost, but somebody should know */
    KAFSCALE_FINDING_DAMAGE   /* records are damaged or missing, or a broker would refuse */
};

/* Something that verify came upon; borrowed for the call. */
struct kafscale_finding {
    enum kafscale_finding_weight weight;
    const char *key; /* of an object or register */
    const char *text;
};

/* Told of each finding. */
typedef void kafscale_tools_found(void *arg, const struct kafscale_finding *finding);

/* What was looked at, and how many findings there were of each weight. */
struct kafscale_verify_summary {
    uint64_t topics;
    uint64_t partitions;
    uint64_t objects;
    uint64_t object_bytes;
    uint64_t segments;
    uint64_t bundles;
    uint64_t slots; /* write-ahead objects that hold records */
    uint64_t seals;
    uint64_t findings[3];
};

/*
 * Walks the namespace: checksums, chains of write-ahead objects and bundles, gaps between segments
 * and up to the end of each partition, objects that belong to nobody. `is_quick` doesn't read the
 * bodies of segments. When brokers change the store meanwhile, what looks damaged is looked at
 * again; what is told is what the last look found. KAFSCALE_OK: it went through, whatever it found.
 */
KAFSCALE_EXPORT KAFSCALE_MUST_CHECK enum kafscale_status kafscale_tools_verify(
    struct kafscale_tools *tools, bool is_quick, kafscale_tools_found *found, void *arg,
    struct kafscale_verify_summary *summary_out, struct kafscale_error *error);

/* One partition that was imported; borrowed for the call. */
struct kafscale_imported {
    const char *topic;
    int32_t partition;
    uint64_t segments;
    uint64_t indexes_written; /* that were missing */
    int64_t log_start;
    int64_t end_offset; /* of the next record that a broker will append */
};

/* Told of each partition, also in a dry run. */
typedef void kafscale_tools_imported(void *arg, const struct kafscale_imported *imported);

/*
 * Registers the topics that lie in the namespace as segments of KafScale and are known to no broker
 * of ours, so that brokers serve them and append to them. Objects are never changed; indexes that
 * are missing are written. `topic` NULL: every topic, else this one. With `is_dry_run` nothing is
 * written. Each topic becomes known at once with all its partitions, or not at all: after a failure
 * the same call goes on where it stopped. Whoever wrote the segments must write no more.
 *
 * KAFSCALE_CORRUPT names the first object that can't be read; its topic is not imported.
 * KAFSCALE_EXISTS: `topic` is known already. KAFSCALE_NOT_FOUND: there is nothing of `topic`.
 */
KAFSCALE_EXPORT KAFSCALE_MUST_CHECK enum kafscale_status kafscale_tools_import(
    struct kafscale_tools *tools, const char *topic, bool is_dry_run,
    kafscale_tools_imported *imported, void *arg, struct kafscale_error *error);

/* What is to be restored, and how far. Everything is borrowed for the call. */
struct kafscale_restore {
    size_t size; /* sizeof(struct kafscale_restore) */
    const char *topic;
    const char *source_namespace; /* NULL: that of the options */
    const char *target_topic;     /* which nobody may know yet */
    const char *target_namespace; /* NULL: that of the source */
    int64_t to_ms;                /* since 1970; INT64_MAX: everything */
    const int32_t *partitions;    /* which of them; the others stay empty */
    size_t partition_count;       /* 0: all */
};

/* One partition that was restored; borrowed for the call. */
struct kafscale_restored {
    int32_t partition;
    uint64_t segments;
    uint64_t records;
    int64_t log_start;
    int64_t end_offset;
};

/* Told of each partition. */
typedef void kafscale_tools_restored(void *arg, const struct kafscale_restored *restored);

/*
 * Makes a new topic of what a topic was at a point in time: of each partition the records before
 * the first one whose timestamp is later, at their offsets, with the topic's configuration. Reads
 * segments, bundles and write-ahead objects; changes nothing of the topic. The new topic becomes
 * known at the end, with all its partitions at once. What was copied when it fails stays as
 * garbage that verify names; restoring again works all the same.
 *
 * KAFSCALE_NOT_FOUND: no such topic. KAFSCALE_EXISTS: the target is known. KAFSCALE_CORRUPT:
 * records are damaged or missing, and the error says which. KAFSCALE_INVALID: another `size`.
 */
KAFSCALE_EXPORT KAFSCALE_MUST_CHECK enum kafscale_status kafscale_tools_restore(
    struct kafscale_tools *tools, const struct kafscale_restore *restore,
    kafscale_tools_restored *restored, void *arg, struct kafscale_error *error);

/* A topic that was found again; borrowed for the call. */
struct kafscale_rebuilt {
    const char *topic;
    int32_t partitions;
    uint64_t segments;
};

/* Told of each topic, also in a dry run. */
typedef void kafscale_tools_rebuilt(void *arg, const struct kafscale_rebuilt *rebuilt);

/*
 * Makes the metadata anew from the objects, after it was lost: topics, the registers of their
 * partitions, trim marks, bundles, producer ids. Nothing but metadata is written. The cluster's
 * object must be there and the metadata empty; no broker may run, and requests of brokers that ran
 * must be over.
 *
 * What objects don't say is lost: configurations of topics, partitions that never held a record,
 * starts that DeleteRecords had moved inside of a segment (records before them are back). Topics
 * that were deleted and whose objects were not all gone are back too. Of several with one name it
 * is the one that was written to last, and a line of the log names each of the others.
 *
 * KAFSCALE_EXISTS: there is metadata. KAFSCALE_CORRUPT: an object is damaged, or records are
 * missing; KAFSCALE_FULL: more owners have written records of a partition that aren't in segments
 * than its register has room for; nothing was written.
 */
KAFSCALE_EXPORT KAFSCALE_MUST_CHECK enum kafscale_status kafscale_tools_rebuild(
    struct kafscale_tools *tools, bool is_dry_run, kafscale_tools_rebuilt *rebuilt, void *arg,
    struct kafscale_error *error);

#ifdef __cplusplus
}
#endif

#endif
