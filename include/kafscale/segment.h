/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Segments of KafScale: what lies in a bucket as {namespace}/{topic}/{partition}/segment-{base
 * offset, 20 digits}.kfs, and its .index (docs/storage-format.md). They are read batch by batch in
 * bounded memory, verified, and written, without a broker; kafscale/records.h opens the batches.
 * kafscale_tools_list() and kafscale_tools_get() of kafscale/tools.h find and fetch them.
 *
 * No clock, no input, no output but through the caller's function. Readers and writers belong to
 * one thread at a time. Bytes from anywhere may be read. `error` may be NULL everywhere.
 */
#ifndef KAFSCALE_SEGMENT_H
#define KAFSCALE_SEGMENT_H

#include "kafscale/bytes.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What header and footer of a segment say. Constant; the library may append members. */
struct kafscale_segment {
    int64_t base_offset;
    int64_t last_offset;
    int64_t created_ms; /* since 1970 */
    int32_t record_count;
    uint32_t body_crc; /* CRC-32C of its batches */
};

/* --- Reading ---------------------------------------------------------------------------------- */

/*
 * Copies exactly `size` bytes from `position` on to `out`; they lie inside of the object. On
 * failure it fills in `error`, and the reader passes both on.
 */
typedef enum kafscale_status kafscale_segment_read(void *arg, uint64_t position, void *out,
                                                   size_t size, struct kafscale_error *error);

struct kafscale_segment_reader;

/*
 * Begins to read a segment of `object_bytes` bytes, its header and footer at once; freed by the
 * caller. Takes up to `memory_bytes_max` bytes, which have to be enough for its largest batch.
 * NULL, with `error` filled in: KAFSCALE_CORRUPT, no segment; KAFSCALE_UNSUPPORTED, one of a later
 * version; KAFSCALE_NO_MEMORY; or what `read` has answered.
 */
KAFSCALE_EXPORT KAFSCALE_MUST_CHECK struct kafscale_segment_reader *kafscale_segment_reader_new(
    kafscale_segment_read *read, void *arg, uint64_t object_bytes, size_t memory_bytes_max,
    struct kafscale_error *error);

/* Accepts NULL. */
KAFSCALE_EXPORT void kafscale_segment_reader_free(struct kafscale_segment_reader *reader);

/* What it is, valid as long as the reader. */
KAFSCALE_EXPORT const struct kafscale_segment *kafscale_segment_reader_segment(
    const struct kafscale_segment_reader *reader);

/*
 * The next batch, its checksum compared; valid until the next call. KAFSCALE_NOT_FOUND: that was
 * all, and checksum and last offset of the whole are right. KAFSCALE_CORRUPT: something isn't;
 * KAFSCALE_TOO_LARGE: a batch that the memory has no room for; or what the read has answered. After
 * a failure it stays so.
 */
KAFSCALE_EXPORT KAFSCALE_MUST_CHECK enum kafscale_status kafscale_segment_reader_next(
    struct kafscale_segment_reader *reader, struct kafscale_slice *batch_out,
    struct kafscale_error *error);

/*
 * Whether a whole segment is right to the last byte, and is what its index says; `index` with
 * data == NULL: the segment alone. Any thread. KAFSCALE_CORRUPT, with the first thing that is
 * wrong; KAFSCALE_UNSUPPORTED, a later version; KAFSCALE_NO_MEMORY.
 */
KAFSCALE_EXPORT KAFSCALE_MUST_CHECK enum kafscale_status kafscale_segment_verify(
    struct kafscale_slice segment, struct kafscale_slice index, struct kafscale_error *error);

/* --- Writing ---------------------------------------------------------------------------------- */

struct kafscale_segment_writer;

/*
 * A segment that begins at `base_offset`, of up to `bytes_max` bytes, 1 GiB at most, in memory;
 * freed by the caller. NULL: KAFSCALE_INVALID, a negative offset or time; KAFSCALE_NO_MEMORY.
 */
KAFSCALE_EXPORT KAFSCALE_MUST_CHECK struct kafscale_segment_writer *kafscale_segment_writer_new(
    int64_t base_offset, int64_t created_ms, size_t bytes_max, struct kafscale_error *error);

/* Accepts NULL. */
KAFSCALE_EXPORT void kafscale_segment_writer_free(struct kafscale_segment_writer *writer);

/*
 * Appends a copy of one whole batch, as it was read or built. KAFSCALE_FULL: nothing was appended,
 * it would grow too large. KAFSCALE_CORRUPT: no batch, a wrong checksum, or not behind the others;
 * KAFSCALE_UNSUPPORTED: of the formats 0 and 1. KAFSCALE_INVALID: it is finished.
 * KAFSCALE_NO_MEMORY.
 */
KAFSCALE_EXPORT KAFSCALE_MUST_CHECK enum kafscale_status kafscale_segment_writer_append(
    struct kafscale_segment_writer *writer, struct kafscale_slice batch,
    struct kafscale_error *error);

/*
 * Makes both objects, the caller's to unref: the .kfs and its .index, which is put first. Nothing
 * may be appended afterwards. KAFSCALE_INVALID: it has no batch, or is finished.
 * KAFSCALE_NO_MEMORY.
 */
KAFSCALE_EXPORT KAFSCALE_MUST_CHECK enum kafscale_status kafscale_segment_writer_finish(
    struct kafscale_segment_writer *writer, struct kafscale_blob **segment_out,
    struct kafscale_blob **index_out, struct kafscale_error *error);

#ifdef __cplusplus
}
#endif

#endif
