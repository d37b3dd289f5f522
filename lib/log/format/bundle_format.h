/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The form of bundles (docs/storage-format.md): consecutive write-ahead objects of one incarnation
 * rewritten as one object, sorted by partition. Header, directory of sections, producer states,
 * entries, body, trailer, all integers big-endian, all lengths stated.
 *
 * Header and directory tell a recovery which partitions are in it and how far; of a section it may
 * read the state alone, a reader the entries and a piece of the body.
 */
#ifndef KS_LOG_FORMAT_BUNDLE_FORMAT_H
#define KS_LOG_FORMAT_BUNDLE_FORMAT_H

#include "log/format/wal_format.h"

#define KS_BUNDLE_MAGIC 0x4b465342u         /* "KFSB" */
#define KS_BUNDLE_TRAILER_MAGIC 0x4253464bu /* "BSFK" */
#define KS_BUNDLE_VERSION 1
#define KS_BUNDLE_HEADER_BYTES 128
#define KS_BUNDLE_TRAILER_BYTES 16
#define KS_BUNDLE_SECTION_BYTES 106 /* without the name */
#define KS_BUNDLE_ENTRY_BYTES 90
#define KS_BUNDLE_DIRECTORY_BYTES_MAX (256u << 20)

/* Directory, states, entries and body follow the header in this order without a gap. */
struct ks_bundle_header {
    struct ks_id cluster;
    struct ks_id incarnation; /* whose log this was */
    uint64_t first;           /* slots */
    uint64_t last;
    uint32_t chain_before; /* which the object in slot `first` carried */
    uint32_t chain_after;  /* and the one after `last` carries */
    int64_t created_ms;    /* of slot `last`, information only */
    uint32_t section_count;
    uint32_t directory_bytes;
    uint64_t states_bytes;
    uint64_t entries_bytes;
    uint64_t body_bytes;
    uint32_t header_bytes; /* as stated; at least KS_BUNDLE_HEADER_BYTES */
    uint32_t crc;          /* of the header before it and of the directory */
};

/*
 * The batches of one partition under one leader epoch, at least one. Sections ascend by topic,
 * partition and epoch. Positions count from the object's first byte.
 */
struct ks_bundle_section {
    struct ks_id topic;
    int32_t partition;
    int32_t leader_epoch;
    int64_t base_offset;
    int64_t end_offset; /* after the last record */
    int64_t max_timestamp_ms;
    uint32_t entry_count;
    uint32_t batch_bytes_max; /* of the largest batch */
    uint64_t entries_position;
    uint32_t entries_bytes;
    uint32_t entries_crc;
    uint64_t state_position; /* a producer snapshot of `end_offset` */
    uint32_t state_bytes;
    uint64_t body_position;
    uint64_t body_bytes;
    struct kafscale_slice topic_name;
};

/* One batch, and the slot it was in. `batch.position` counts from the object's first byte. */
struct ks_bundle_entry {
    uint64_t slot;
    int64_t created_ms; /* of the slot's object */
    struct ks_wal_entry batch;
};

/*
 * The name of a bundle's object in its log: {first}-{last}, or of a part of a merged bundle
 * {first}-{last}.{attempt}.{part} and, of the last part, {first}-{last}.{attempt}.{part}-last. An
 * incarnation counts its attempts to merge, so that other bytes never come under a name again.
 */
struct ks_bundle_name {
    uint64_t first; /* slots */
    uint64_t last;
    uint32_t attempt; /* from 1 on; 0: not merged */
    uint32_t part;    /* from 0 on */
    bool is_last;     /* of the parts */
};

/* The key of a bundle: {ns}/__kafscale/bundle/{incarnation}/{name}. */
#define KS_BUNDLE_KEY_BYTES 420
void ks_bundle_key(const char *ns, const struct ks_id *incarnation,
                   const struct ks_bundle_name *name, char key_out[KS_BUNDLE_KEY_BYTES]);

/* What follows the incarnation in a key; false: that is no name of a bundle. */
bool ks_bundle_name_parse(const char *text, struct ks_bundle_name *name_out);

/* Whether both are the same object, or parts of the same merged bundle. */
bool ks_bundle_name_is_same(const struct ks_bundle_name *a, const struct ks_bundle_name *b);

void ks_bundle_append_section(struct ks_buffer *directory, const struct ks_bundle_section *section);
void ks_bundle_append_entry(struct ks_buffer *entries, const struct ks_bundle_entry *entry);

/*
 * Writes header and directory into `head` (cleared first) and fills in lengths and CRC of
 * `header`; states, entries and body must have theirs. Check ks_buffer_failed(head) afterwards.
 */
void ks_bundle_write_head(struct ks_buffer *head, struct ks_bundle_header *header,
                          struct kafscale_slice directory);

/* The trailer of an object of `total_bytes` whose bytes before it have this CRC-32C. */
void ks_bundle_write_trailer(uint8_t trailer_out[KS_BUNDLE_TRAILER_BYTES], uint64_t total_bytes,
                             uint32_t crc);

/*
 * How many bytes header and directory have, from the first KS_BUNDLE_HEADER_BYTES; CORRUPT if that
 * is no header of ours, UNSUPPORTED if it is one of a later version.
 */
KAFSCALE_MUST_CHECK enum kafscale_status ks_bundle_head_bytes(struct kafscale_slice bytes,
                                                              size_t *size_out,
                                                              struct kafscale_error *error);

/*
 * Decodes the header of an object and checks the CRC over header and directory, both of which
 * `bytes` must hold. `directory_out` borrows from `bytes`.
 */
KAFSCALE_MUST_CHECK enum kafscale_status ks_bundle_read_head(struct kafscale_slice bytes,
                                                             struct ks_bundle_header *header_out,
                                                             struct kafscale_slice *directory_out,
                                                             struct kafscale_error *error);

/* The size of the whole object. */
uint64_t ks_bundle_total_bytes(const struct ks_bundle_header *header);

/*
 * Takes the next section or entry off the cursor; false at the end or when the bytes are damaged
 * (the cursor failed). What a section points to lies where the header says it may.
 */
bool ks_bundle_next_section(struct ks_cursor *directory, const struct ks_bundle_header *header,
                            struct ks_bundle_section *section_out);
bool ks_bundle_next_entry(struct ks_cursor *entries, struct ks_bundle_entry *entry_out);

/* --- The register `bundle/{incarnation}/{first}` --- */

#define KS_BUNDLE_REGISTER_KEY_BYTES 64
#define KS_BUNDLE_REGISTER_BYTES 24
#define KS_BUNDLE_PARTS_MAX 4096
#define KS_MERGED_REGISTER_BYTES_MAX (KS_BUNDLE_REGISTER_BYTES + 12 * KS_BUNDLE_PARTS_MAX)

struct ks_bundle_size {
    uint64_t object_bytes;
    uint32_t head_bytes; /* header and directory */
};

/* Of a bundle of slots, or of a merged one and all its parts. */
struct ks_bundle_register {
    uint64_t last;
    uint32_t attempt; /* 0: not merged, and there is one part */
    uint32_t level;   /* how often its records were merged, at most */
    uint32_t part_count;
    struct ks_bundle_size size;  /* of the part, if not merged */
    struct kafscale_slice sizes; /* of the parts, encoded, if merged; borrowed from the value */
};

/* `bundle/{incarnation}/`, under which all registers of a log lie, ascending by `first`. */
void ks_bundle_register_prefix(const struct ks_id *incarnation,
                               char prefix_out[KS_BUNDLE_REGISTER_KEY_BYTES]);
void ks_bundle_register_key(const struct ks_id *incarnation, uint64_t first,
                            char key_out[KS_BUNDLE_REGISTER_KEY_BYTES]);
/* Of a bundle that is not merged. */
void ks_bundle_register_encode(const struct ks_bundle_register *reg,
                               uint8_t value_out[KS_BUNDLE_REGISTER_BYTES]);
/* Of a merged one: `reg` without `sizes`, then the size of each part. */
void ks_merged_register_append(const struct ks_bundle_register *reg, struct ks_buffer *value);
void ks_merged_register_append_size(const struct ks_bundle_size *size, struct ks_buffer *value);

/* CORRUPT or UNSUPPORTED: key or value can't be understood. */
KAFSCALE_MUST_CHECK enum kafscale_status ks_bundle_register_decode(
    const char *key, struct kafscale_slice value, uint64_t *first_out,
    struct ks_bundle_register *reg_out, struct kafscale_error *error);

/* Name and size of a part, part < part_count. */
struct ks_bundle_name ks_bundle_register_name(uint64_t first, const struct ks_bundle_register *reg,
                                              uint32_t part);
struct ks_bundle_size ks_bundle_register_size(const struct ks_bundle_register *reg, uint32_t part);

/*
 * `read/{incarnation}`: another than this incarnation has read the log, and may refer to its
 * bundles, so they aren't merged any more.
 */
void ks_reader_register_key(const struct ks_id *incarnation,
                            char key_out[KS_BUNDLE_REGISTER_KEY_BYTES]);

#endif
