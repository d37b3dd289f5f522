/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Record batches of format 2, as Produce requests, Fetch responses and segments carry them: their
 * records are read one after the other, opened and checked, and new batches are built.
 *
 *     kafscale_records_new -> _next ... -> _free
 *     kafscale_batch_builder_new -> _append ... -> _finish -> _free
 *
 * No clock, no input, no output. A reader or builder belongs to one thread at a time. Bytes from
 * anywhere may be read. `error` may be NULL everywhere.
 */
#ifndef KAFSCALE_RECORDS_H
#define KAFSCALE_RECORDS_H

#include "kafscale/bytes.h"

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

/* How the records of a batch are compressed, in the numbers of the format. */
enum kafscale_compression {
    KAFSCALE_COMPRESSION_NONE = 0,
    KAFSCALE_COMPRESSION_GZIP = 1,
    KAFSCALE_COMPRESSION_SNAPPY = 2,
    KAFSCALE_COMPRESSION_LZ4 = 3,
    KAFSCALE_COMPRESSION_ZSTD = 4
};

/* A header of a record. The key is never null; the value is when its data == NULL. */
struct kafscale_header {
    struct kafscale_slice key;
    struct kafscale_slice value;
};

/* A null key or value has data == NULL; an empty one has data and the size 0. */
struct kafscale_record {
    int64_t offset;
    int64_t timestamp_ms; /* since 1970; -1: none */
    struct kafscale_slice key;
    struct kafscale_slice value;
    const struct kafscale_header *headers;
    size_t header_count;
};

/* What the header of a batch says. Constant; the library may append members. */
struct kafscale_batch {
    struct kafscale_slice bytes; /* the whole batch */
    int64_t base_offset;
    int64_t last_offset;
    int32_t leader_epoch;
    int32_t record_count; /* fewer than offsets in what was compacted */
    enum kafscale_compression compression;
    int64_t first_timestamp_ms;
    int64_t max_timestamp_ms;
    int64_t producer_id; /* -1: not of an idempotent producer, and the next two say nothing */
    int32_t base_sequence;
    int16_t producer_epoch;
    bool is_transactional;
    bool is_control;      /* the marker that ends a transaction */
    bool has_append_time; /* its records have the time at which a broker took them */
};

/* --- Reading ---------------------------------------------------------------------------------- */

struct kafscale_records;

/*
 * A reader of the batches in `bytes`, which it borrows until it is freed. It takes up to
 * `memory_bytes_max` bytes, 64 MiB at most, for the records of one batch when they are opened, and
 * as many for the headers of one record. NULL: KAFSCALE_NO_MEMORY.
 */
KAFSCALE_EXPORT KAFSCALE_MUST_CHECK struct kafscale_records *kafscale_records_new(
    struct kafscale_slice bytes, size_t memory_bytes_max, struct kafscale_error *error);

/* Accepts NULL. */
KAFSCALE_EXPORT void kafscale_records_free(struct kafscale_records *records);

/*
 * Goes on to the next batch, whatever is left of the one before. `*batch_out` is valid until the
 * next call of this or of kafscale_records_next(). Its checksum is not looked at until its records
 * are.
 *
 * KAFSCALE_NOT_FOUND: there is none any more; what is left is the beginning of a batch, with which
 * the responses of brokers may end (kafscale_records_left). KAFSCALE_UNSUPPORTED: a batch of the
 * formats 0 and 1. KAFSCALE_CORRUPT: it can't be a batch. After these it stays so.
 */
KAFSCALE_EXPORT KAFSCALE_MUST_CHECK enum kafscale_status kafscale_records_next_batch(
    struct kafscale_records *records, const struct kafscale_batch **batch_out,
    struct kafscale_error *error);

/*
 * The next record, of this batch or of those after it; markers of transactions are passed over.
 * Its bytes and headers are valid until the next call. Offsets may lie before the one that was
 * fetched, since brokers give whole batches.
 *
 * KAFSCALE_NOT_FOUND and KAFSCALE_UNSUPPORTED as above. KAFSCALE_CORRUPT: the checksum of a batch
 * is wrong, or its records are not what it says. KAFSCALE_TOO_LARGE: it opens to more than the
 * memory allows. Where a batch can't be opened, the next call goes on behind it.
 */
KAFSCALE_EXPORT KAFSCALE_MUST_CHECK enum kafscale_status kafscale_records_next(
    struct kafscale_records *records, struct kafscale_record *record_out,
    struct kafscale_error *error);

/* The batch of the last record or of kafscale_records_next_batch(); NULL before the first. */
KAFSCALE_EXPORT const struct kafscale_batch *kafscale_records_batch(
    const struct kafscale_records *records);

/* How many bytes come after the batch that was read last. */
KAFSCALE_EXPORT size_t kafscale_records_left(const struct kafscale_records *records);

/* Whether the checksum (CRC-32C) of a batch is right. Any thread. */
KAFSCALE_EXPORT bool kafscale_batch_is_whole(const struct kafscale_batch *batch);

/* --- Building --------------------------------------------------------------------------------- */

struct kafscale_batch_builder;

/* What the header says besides what follows from the records. KAFSCALE_BATCH_OPTIONS is a start. */
struct kafscale_batch_options {
    size_t size; /* sizeof(struct kafscale_batch_options) */
    enum kafscale_compression compression;
    int32_t leader_epoch;
    int64_t base_offset;
    int64_t producer_id; /* -1: none, and the next two are not looked at */
    int32_t base_sequence;
    int16_t producer_epoch;
    bool is_transactional; /* asks for a producer id */
};

/* A batch as a producer without idempotence sends it. */
#define KAFSCALE_BATCH_OPTIONS                                                                     \
    {                                                                                              \
        sizeof(struct kafscale_batch_options), KAFSCALE_COMPRESSION_NONE, -1, 0, -1, -1, -1, false \
    }

/*
 * A builder, freed by the caller. The options are copied; NULL: the defaults above. NULL, with
 * `error` filled in: KAFSCALE_INVALID for options that no batch can have, KAFSCALE_NO_MEMORY.
 */
KAFSCALE_EXPORT KAFSCALE_MUST_CHECK struct kafscale_batch_builder *kafscale_batch_builder_new(
    const struct kafscale_batch_options *options, struct kafscale_error *error);

/* Accepts NULL. */
KAFSCALE_EXPORT void kafscale_batch_builder_free(struct kafscale_batch_builder *builder);

/*
 * Adds a copy of a record at the next offset; record->offset is not looked at. KAFSCALE_FULL,
 * nothing was added: the batch would open to more than 64 MiB, or timestamps lie further apart than
 * a batch can say. KAFSCALE_INVALID: bytes or headers that are NULL where they can't be, a negative
 * timestamp other than -1. KAFSCALE_NO_MEMORY.
 */
KAFSCALE_EXPORT KAFSCALE_MUST_CHECK enum kafscale_status kafscale_batch_builder_append(
    struct kafscale_batch_builder *builder, const struct kafscale_record *record,
    struct kafscale_error *error);

/* The bytes that the records take so far, before they are compressed. */
KAFSCALE_EXPORT size_t kafscale_batch_builder_bytes(const struct kafscale_batch_builder *builder);

/*
 * Makes the batch of all records: `*batch_out` is the caller's to unref, and
 * kafscale_blob_slice() of it what a struct kafka_records refers to. The builder is empty then,
 * and the next batch goes on after this one in offsets and sequence. KAFSCALE_INVALID: no records.
 * After a failure, KAFSCALE_TOO_LARGE or KAFSCALE_NO_MEMORY, the records are still there.
 */
KAFSCALE_EXPORT KAFSCALE_MUST_CHECK enum kafscale_status kafscale_batch_builder_finish(
    struct kafscale_batch_builder *builder, struct kafscale_blob **batch_out,
    struct kafscale_error *error);

#ifdef __cplusplus
}
#endif

#endif
