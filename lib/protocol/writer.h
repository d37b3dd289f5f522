/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A writer gathers an outgoing frame: small pieces are copied into one buffer, large ones are
 * only noted, so that record batches go from the cache to the socket without a copy. Sticky:
 * after a failure it ignores what comes.
 */
#ifndef KS_PROTOCOL_WRITER_H
#define KS_PROTOCOL_WRITER_H

#include "base/base.h"

/* From this size on, bytes and records are referenced instead of copied. */
#define KAFKA_REFERENCE_BYTES_MIN 4096u

struct kafka_writer_reference;

struct kafka_writer {
    struct ks_buffer copied;
    struct kafka_writer_reference *references;
    size_t reference_count;
    size_t reference_capacity;
    size_t referenced_bytes;
    struct kafscale_slice *parts;
    bool failed;
};

/* `copied_bytes_max` caps what is copied; what is referenced is somebody else's memory. */
void kafka_writer_init(struct kafka_writer *writer, size_t copied_bytes_max);

/* Accepts a zeroed writer. */
void kafka_writer_deinit(struct kafka_writer *writer);

/* Everything written so far, copied and referenced. */
size_t kafka_writer_size(const struct kafka_writer *writer);

bool kafka_writer_failed(const struct kafka_writer *writer);

/* Copies small bytes; large ones are borrowed until the writer is gone. */
void kafka_writer_append(struct kafka_writer *writer, struct kafscale_slice bytes);

/* An unsigned varint. */
void kafka_writer_uvarint(struct kafka_writer *writer, uint64_t value);

/*
 * Puts the varint of the size of everything from `start` (an earlier kafka_writer_size) on
 * before it: a tagged field is as long as it turned out to be.
 */
void kafka_writer_prefix_size(struct kafka_writer *writer, size_t start);

/*
 * What was written as slices in order, none of them empty: copied pieces and references take
 * turns. They are the writer's and valid until it is written to again or gone.
 * KAFSCALE_NO_MEMORY when anything failed before.
 */
KAFSCALE_MUST_CHECK enum kafscale_status kafka_writer_finish(
    struct kafka_writer *writer, const struct kafscale_slice **parts_out, size_t *part_count_out);

#endif
