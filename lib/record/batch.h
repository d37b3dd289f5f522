/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Record batches of format 2, seen from outside: the 61-byte header is read, checked and
 * patched, the records stay closed. That is all that producing, storing and fetching need;
 * records.h opens a batch.
 *
 * Pure functions, any thread. A struct ks_batch borrows its bytes from whoever gave them.
 */
#ifndef KS_RECORD_BATCH_H
#define KS_RECORD_BATCH_H

#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>

#define KS_BATCH_HEADER_BYTES 61

/* Base offset and length: what the stated length of a batch doesn't count. */
#define KS_BATCH_PREFIX_BYTES 12

#define KS_BATCH_MAGIC 2
#define KS_NO_TIMESTAMP (-1)
#define KS_NO_PRODUCER_ID (-1)

enum ks_batch_codec {
    KS_CODEC_NONE = 0,
    KS_CODEC_GZIP = 1,
    KS_CODEC_SNAPPY = 2,
    KS_CODEC_LZ4 = 3,
    KS_CODEC_ZSTD = 4,
    KS_CODEC_COUNT = 5,
};

enum ks_batch_attribute {
    KS_BATCH_CODEC_MASK = 0x07,
    KS_BATCH_APPEND_TIME = 0x08,
    KS_BATCH_TRANSACTIONAL = 0x10,
    KS_BATCH_CONTROL = 0x20,
    KS_BATCH_DELETE_HORIZON = 0x40,
    KS_BATCH_KNOWN_ATTRIBUTES = 0x7f,
};

/*
 * A batch and its header. Epoch and sequence mean nothing while producer_id is below 0: some
 * clients put zeros there. Compaction leaves record_count at or below last_offset_delta + 1,
 * down to 0.
 */
struct ks_batch {
    struct kafscale_slice bytes; /* the whole batch, header included */
    int64_t base_offset;
    int32_t leader_epoch;
    uint32_t crc;
    int16_t attributes;
    int32_t last_offset_delta;
    int64_t base_timestamp;
    int64_t max_timestamp;
    int64_t producer_id;
    int16_t producer_epoch;
    int32_t base_sequence;
    int32_t record_count;
};

int64_t ks_batch_last_offset(const struct ks_batch *batch);

/* After 2^31-1 comes 0. Asks for a batch with a producer id. */
int32_t ks_batch_last_sequence(const struct ks_batch *batch);

bool ks_batch_is_transactional(const struct ks_batch *batch);
bool ks_batch_is_control(const struct ks_batch *batch);
bool ks_batch_has_append_time(const struct ks_batch *batch);

/* An enum ks_batch_codec, or up to 7 in a batch that no parse accepted. */
int ks_batch_codec(const struct ks_batch *batch);

/* The records after the header, compressed as the codec says. */
struct kafscale_slice ks_batch_payload(const struct ks_batch *batch);

/*
 * Reads the first batch of `bytes`, which may hold more after it: batch_out->bytes is exactly
 * that batch. The length must fit, the numbers must make sense; the checksum is not looked at
 * (ks_batch_crc_is_right). KAFSCALE_UNSUPPORTED: another format than 2; KAFSCALE_CORRUPT:
 * anything else that is wrong.
 */
KAFSCALE_MUST_CHECK enum kafscale_status ks_batch_parse(struct kafscale_slice bytes,
                                                        struct ks_batch *batch_out,
                                                        struct kafscale_error *error);

bool ks_batch_crc_is_right(const struct ks_batch *batch);

/*
 * The CRC-32C of bytes that end with this whole batch, going on from `crc` of those before it.
 * The records are not read: what the batch's own checksum says of them is taken for true, so a
 * byte that changed since that was checked makes the result wrong, as it should.
 */
uint32_t ks_batch_crc_after(uint32_t crc, struct kafscale_slice batch_bytes);

/* How many records a batch has, by its header alone: of one that was checked before. */
int32_t ks_batch_count_records(struct kafscale_slice batch_bytes);

/* Why a produced batch is refused; each is one Kafka error of the Produce API. */
enum ks_batch_fault {
    KS_BATCH_FAULT_NONE,
    KS_BATCH_FAULT_MISSING,   /* no bytes */
    KS_BATCH_FAULT_MULTIPLE,  /* bytes after the first batch */
    KS_BATCH_FAULT_CORRUPT,   /* shorter than it says, or a wrong checksum */
    KS_BATCH_FAULT_OLD_MAGIC, /* another format than 2 */
    KS_BATCH_FAULT_INVALID,   /* a header no producer may send */
    KS_BATCH_FAULT_TOO_LARGE, /* larger than the topic allows */
    KS_BATCH_FAULT_TIMESTAMP, /* too old, too far ahead, or of a type only brokers write */
    KS_BATCH_FAULT_KEY,       /* a record without a key in a compacted topic */
    KS_BATCH_FAULT_CODEC,     /* zstd in a request version that predates it */
};

/* Impersonal, for the error message of a response. */
const char *ks_batch_fault_text(enum ks_batch_fault fault);

/* What a topic and a request allow. A time limit of -1 or INT64_MAX is none. */
struct ks_batch_rules {
    size_t bytes_max;
    bool zstd_allowed;
    bool append_time; /* the topic writes its own timestamps, so the producer's don't matter */
    int64_t wall_ms;
    int64_t timestamp_before_max_ms;
    int64_t timestamp_after_max_ms;
};

/*
 * Checks what a producer sent for one partition: exactly one batch, with base offset 0, as many
 * records as offsets, a right checksum, and nothing only brokers may write. The records
 * themselves stay closed, so timestamps are checked by the header's first and greatest. The batch
 * is given with KS_BATCH_FAULT_NONE, and with _TIMESTAMP, for whoever wants to know which records.
 */
KAFSCALE_MUST_CHECK enum ks_batch_fault ks_batch_check_produced(struct kafscale_slice records,
                                                                const struct ks_batch_rules *rules,
                                                                struct ks_batch *batch_out);

/* Whether one record's time is within the rules of its topic. */
bool ks_batch_time_is_allowed(int64_t timestamp_ms, const struct ks_batch_rules *rules);

/* Gives a batch its place in the log. The checksum doesn't cover these fields. */
void ks_batch_patch(uint8_t *bytes, int64_t base_offset, int32_t leader_epoch);

/* Stamps `size` bytes, one whole batch, with the broker's time, and its checksum anew. */
void ks_batch_set_append_time(uint8_t *bytes, size_t size, int64_t wall_ms);

#endif
