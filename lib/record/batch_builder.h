/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Building a batch: for the broker's own topics, for compaction, which writes what it kept of a
 * batch, and for tests and tools that play a producer.
 *
 *     ks_batch_builder_init(&builder, &options);
 *     ks_batch_builder_append(&builder, &(struct ks_record) { .timestamp = 7, .value = value });
 *     status = ks_batch_builder_finish(&builder, &out, &error);
 *     ks_batch_builder_deinit(&builder);
 */
#ifndef KS_RECORD_BATCH_BUILDER_H
#define KS_RECORD_BATCH_BUILDER_H

#include "base/buffer.h"
#include "record/batch.h"
#include "record/records.h"

/* What the header says besides what follows from the records. */
struct ks_batch_options {
    int codec;          /* an enum ks_batch_codec */
    int16_t attributes; /* of enum ks_batch_attribute, without a codec */
    int64_t base_offset;
    int32_t leader_epoch;
    int64_t producer_id; /* KS_NO_PRODUCER_ID, and the next two are not looked at */
    int16_t producer_epoch;
    int32_t base_sequence;
};

/*
 * Sticky, like a buffer: after a failed append the later ones do nothing and finish tells.
 * Fields are private.
 */
struct ks_batch_builder {
    struct ks_batch_options options;
    struct ks_buffer records;
    int64_t base_timestamp;
    int64_t max_timestamp;
    int64_t offsets;
    int32_t record_count;
    bool failed;
};

void ks_batch_builder_init(struct ks_batch_builder *builder,
                           const struct ks_batch_options *options);
void ks_batch_builder_deinit(struct ks_batch_builder *builder);

/*
 * Adds a copy of a record at the next offset; record->offset is not looked at. Its headers are
 * taken as encoded, so a record that was read can be written as it is.
 */
void ks_batch_builder_append(struct ks_batch_builder *builder, const struct ks_record *record);

/*
 * The same for a builder with no failure, which has none afterwards either: KAFSCALE_FULL, when the
 * batch can't have the record, and KAFSCALE_NO_MEMORY leave it as it was.
 */
KAFSCALE_MUST_CHECK enum kafscale_status ks_batch_builder_try(struct ks_batch_builder *builder,
                                                              const struct ks_record *record,
                                                              struct kafscale_error *error);

/* Leaves `offsets` offsets without a record, between records or after the last. */
void ks_batch_builder_skip(struct ks_batch_builder *builder, int32_t offsets);

/* Encodes one header at the end of `headers`, for the `headers` of a struct ks_record. */
void ks_record_header_append(struct ks_buffer *headers, const struct ks_record_header *header);

/*
 * Appends the finished batch to `out`, under its cap; on failure `out` is as it was. At least
 * one offset must have been used. KAFSCALE_TOO_LARGE: the records pass KS_PLAIN_BYTES_MAX, the
 * batch the cap of `out`, or timestamps or offsets lie too far apart.
 */
KAFSCALE_MUST_CHECK enum kafscale_status ks_batch_builder_finish(struct ks_batch_builder *builder,
                                                                 struct ks_buffer *out,
                                                                 struct kafscale_error *error);

#endif
