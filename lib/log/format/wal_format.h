/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The form of write-ahead objects (docs/storage-format.md): header, directory, body, trailer,
 * all integers big-endian. Every structure states its own length, so that later versions can
 * append fields which this one skips.
 *
 * The directory alone tells a recovery all it needs: which batches of which partitions, their
 * offsets, producers and places. Header and directory share one CRC-32C, which is also the
 * chain value the next object carries.
 */
#ifndef KS_LOG_FORMAT_WAL_FORMAT_H
#define KS_LOG_FORMAT_WAL_FORMAT_H

#include "base/base.h"
#include "record/record.h"

#define KS_WAL_MAGIC 0x4b465357u         /* "KFSW" */
#define KS_WAL_TRAILER_MAGIC 0x5753464bu /* "WSFK" */
#define KS_WAL_VERSION 1
#define KS_WAL_HEADER_BYTES 110
#define KS_WAL_TRAILER_BYTES 16
#define KS_WAL_ENTRY_BYTES 72
#define KS_WAL_SECTION_BYTES 34 /* without the name and the entries */
#define KS_WAL_DIRECTORY_BYTES_MAX (64u << 20)

enum ks_wal_flag {
    KS_WAL_DATA = 1,
    KS_WAL_SEAL = 2,
    KS_WAL_END = 4,
};

struct ks_wal_header {
    uint16_t flags;
    struct ks_id cluster;
    struct ks_id incarnation; /* whose log this is; of a seal: the victim's */
    uint64_t sequence;
    struct ks_id nonce;
    uint32_t chain;     /* the CRC of the previous object; 0 for the first */
    int64_t created_ms; /* of data, the time of its appends */
    uint32_t section_count;
    uint32_t directory_bytes;
    uint64_t body_bytes;
    uint32_t header_bytes; /* as stated; at least KS_WAL_HEADER_BYTES */
    uint32_t crc;          /* of the header before it and of the directory */
};

/* One batch in the directory. `position` counts from the first byte of the body. */
struct ks_wal_entry {
    uint16_t attributes;
    int32_t record_count;
    int64_t base_offset;
    int64_t last_offset;
    int64_t producer_id;
    int16_t producer_epoch;
    int32_t first_sequence;
    int32_t last_sequence;
    int64_t max_timestamp_ms;
    uint64_t position;
    uint32_t size_bytes;
    uint32_t crc;              /* the batch's own */
    int16_t control_type;      /* -1: no control batch */
    int32_t coordinator_epoch; /* of a control batch */
};

struct ks_wal_section {
    struct ks_id topic;
    int32_t partition;
    int32_t leader_epoch;
    struct kafscale_slice topic_name; /* empty but at the first use of the topic in a log */
    uint32_t entry_count;
    struct kafscale_slice entries; /* encoded; see ks_wal_next_entry */
};

/* The key of a slot: {ns}/__kafscale/wal/{incarnation}/{sequence}. */
#define KS_WAL_KEY_BYTES 400
void ks_wal_key(const char *ns, const struct ks_id *incarnation, uint64_t sequence,
                char key_out[KS_WAL_KEY_BYTES]);

/* What follows the incarnation in a key; false: that is no slot. There is always one after it. */
bool ks_wal_slot_parse(const char *text, uint64_t *sequence_out);

/* Appends one entry or one section's head to a directory under construction. */
void ks_wal_append_section(struct ks_buffer *directory, const struct ks_wal_section *section);
void ks_wal_append_entry(struct ks_buffer *directory, const struct ks_wal_entry *entry);

/*
 * Writes the header before the directory into `head` (cleared first) and fills in lengths and
 * CRC of `header`. Check ks_buffer_failed(head) afterwards.
 */
void ks_wal_write_head(struct ks_buffer *head, struct ks_wal_header *header,
                       struct kafscale_slice directory);

/*
 * The trailer for an object of `total_bytes` in all whose bytes before the trailer have this
 * CRC-32C.
 */
void ks_wal_write_trailer(uint8_t trailer_out[KS_WAL_TRAILER_BYTES], uint64_t total_bytes,
                          uint32_t crc);

/*
 * How many bytes header and directory have, from the first KS_WAL_HEADER_BYTES; CORRUPT if that
 * is no header of ours.
 */
KAFSCALE_MUST_CHECK enum kafscale_status ks_wal_head_bytes(struct kafscale_slice bytes,
                                                           size_t *size_out,
                                                           struct kafscale_error *error);

/*
 * Decodes the header of an object and checks the CRC over header and directory, both of which
 * `bytes` must hold. `directory_out` borrows from `bytes`.
 */
KAFSCALE_MUST_CHECK enum kafscale_status ks_wal_read_head(struct kafscale_slice bytes,
                                                          struct ks_wal_header *header_out,
                                                          struct kafscale_slice *directory_out,
                                                          struct kafscale_error *error);

/*
 * Takes the next section or entry off the cursor; false at the end or when the bytes are
 * damaged (the cursor failed).
 */
bool ks_wal_next_section(struct ks_cursor *directory, struct ks_wal_section *section_out);
bool ks_wal_next_entry(struct ks_cursor *entries, struct ks_wal_entry *entry_out);

#endif
