/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The producers of a partition at an offset, as bytes (docs/storage-format.md): part of bundles
 * and of index extensions, and an object of its own. A stored state is exactly what the batches
 * below its offset leave behind. It is computed from the stored state before it and the directory
 * entries since, never copied from the live table, which is ahead of what is committed.
 */
#ifndef KS_LOG_FORMAT_PRODUCER_SNAPSHOT_H
#define KS_LOG_FORMAT_PRODUCER_SNAPSHOT_H

#include "log/format/producer_state.h"
#include "log/format/registers.h"
#include "log/format/wal_format.h"

#define KS_PRODUCER_SNAPSHOT_MAGIC 0x4b535053u /* "KSPS" */
#define KS_PRODUCER_SNAPSHOT_VERSION 1
#define KS_PRODUCER_SNAPSHOT_BYTES_MAX (256u << 20)

/* What a state belongs to: the batches of a partition below `offset`. */
struct ks_producer_snapshot {
    struct ks_partition_name name;
    int64_t offset;
};

/*
 * One more batch, for live tables, replays and stored states alike: of an idempotent producer it
 * is noted, of others, and control batches, nothing. `now_ms` is the time of the append: of what
 * was stored the `created` of its write-ahead object. NO_MEMORY leaves everything as it was.
 */
KAFSCALE_MUST_CHECK enum kafscale_status ks_producer_note_entry(struct ks_producer_table *producers,
                                                                const struct ks_wal_entry *entry,
                                                                int64_t now_ms);

/* What a directory says of a batch, as far as the batch itself tells; its place is not. */
struct ks_wal_entry ks_entry_of_batch(const struct ks_batch *batch);

/*
 * Appends the state of a table that was made by ks_producer_snapshot_decode and
 * ks_producer_note_entry. Producers that have expired by the time of the newest batch, and idle
 * ones beyond the table's limit, are dropped from the table before. Check ks_buffer_failed: the
 * state of far more than KS_PRODUCERS_MAX can't be stored.
 */
void ks_producer_snapshot_encode(struct ks_producer_table *producers,
                                 const struct ks_producer_snapshot *snapshot,
                                 struct ks_buffer *out);

/*
 * Fills an empty table, and tells what the state belongs to. `bytes` is the whole state, no more
 * and no less. CORRUPT, UNSUPPORTED (a later version) or NO_MEMORY leave the table in need of
 * ks_producer_table_deinit, with any content.
 */
KAFSCALE_MUST_CHECK enum kafscale_status ks_producer_snapshot_decode(
    struct kafscale_slice bytes, struct ks_producer_table *producers,
    struct ks_producer_snapshot *snapshot_out, struct kafscale_error *error);

/* Whether these are the bytes of a state as it was stored, and what it belongs to. */
KAFSCALE_MUST_CHECK enum kafscale_status ks_producer_snapshot_check(
    struct kafscale_slice bytes, struct ks_producer_snapshot *snapshot_out,
    struct kafscale_error *error);

/* `{ns}/__kafscale/producers/{topic id}/{partition}/{offset}`: a state as an object of its own. */
#define KS_PRODUCER_SNAPSHOT_KEY_BYTES 400
void ks_producer_snapshot_key(const char *ns, const struct ks_producer_snapshot *snapshot,
                              char key_out[KS_PRODUCER_SNAPSHOT_KEY_BYTES]);

/* What the keys of a partition's states begin with, for LIST. */
void ks_producer_snapshot_list_prefix(const char *ns, const struct ks_partition_name *name,
                                      char prefix_out[KS_PRODUCER_SNAPSHOT_KEY_BYTES]);

#endif
