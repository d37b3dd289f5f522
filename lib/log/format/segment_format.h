/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The form of segments, which is KafScale's to the byte (docs/storage-format.md): a header of 32
 * bytes, record batches one after the other, a footer of 16 bytes. Beside each lies an index
 * (index_format.h); a segment without one is none for other readers.
 *
 * Readers of KafScale ignore the header's `reserved` field. Here it tells the topic, so that a
 * segment of another topic or life is never taken for one of this.
 */
#ifndef KS_LOG_FORMAT_SEGMENT_FORMAT_H
#define KS_LOG_FORMAT_SEGMENT_FORMAT_H

#include "base/base.h"
#include "log/format/registers.h"

#define KS_SEGMENT_MAGIC 0x4b414653u /* "KAFS" */
#define KS_SEGMENT_HEADER_BYTES 32
#define KS_SEGMENT_FOOTER_BYTES 16
#define KS_SEGMENT_VERSION 1
/* Positions in an index have 31 bits. */
#define KS_SEGMENT_OBJECT_BYTES_MAX (1u << 30)
/* So much is read of one that is read whole; a longer object is none of anybody. */
#define KS_SEGMENT_READ_BYTES_MAX \
    (KS_SEGMENT_HEADER_BYTES + KS_SEGMENT_OBJECT_BYTES_MAX + KS_SEGMENT_FOOTER_BYTES)

/* The tag of segments written by other programs. */
#define KS_SEGMENT_TAG_NONE 0u

struct ks_segment_header {
    int64_t base_offset;
    int32_t record_count;
    int64_t created_ms;
    uint32_t topic_tag;
};

struct ks_segment_footer {
    uint32_t body_crc; /* CRC-32C of what lies between header and footer */
    int64_t last_offset;
};

/* CRC-32C of the topic id, 1 where that is 0. */
uint32_t ks_segment_topic_tag(const struct ks_id *topic);

void ks_segment_write_header(uint8_t bytes_out[KS_SEGMENT_HEADER_BYTES],
                             const struct ks_segment_header *header);
void ks_segment_write_footer(uint8_t bytes_out[KS_SEGMENT_FOOTER_BYTES],
                             const struct ks_segment_footer *footer);

/* The first bytes of an object. CORRUPT: no segment; UNSUPPORTED: of a later version. */
KAFSCALE_MUST_CHECK enum kafscale_status ks_segment_read_header(
    struct kafscale_slice bytes, struct ks_segment_header *header_out,
    struct kafscale_error *error);

/* The last KS_SEGMENT_FOOTER_BYTES of an object, and nothing else. */
KAFSCALE_MUST_CHECK enum kafscale_status ks_segment_read_footer(
    struct kafscale_slice bytes, struct ks_segment_footer *footer_out,
    struct kafscale_error *error);

/* --- Keys: {ns}/{prefix}/{partition}/segment-{base, 20 digits}.index or .kfs ------------------ */

#define KS_SEGMENT_KEY_BYTES 640

enum ks_segment_kind {
    KS_SEGMENT_INDEX,
    KS_SEGMENT_BODY,
};

/* Where a partition's segments lie. Borrows both texts. */
struct ks_segment_home {
    const char *ns;
    const char *prefix; /* of the topic's life (lib/broker/topic_record.h) */
    int32_t partition;
};

void ks_segment_key(const struct ks_segment_home *home, int64_t base_offset,
                    enum ks_segment_kind kind, char key_out[KS_SEGMENT_KEY_BYTES]);

/* What all segments of a partition begin with, for LIST. */
void ks_segment_list_prefix(const struct ks_segment_home *home,
                            char prefix_out[KS_SEGMENT_KEY_BYTES]);

/*
 * Whether this is the key of an object of that kind, and its base offset. Any text may be given. No
 * record has the greatest of all offsets, so that one is none.
 */
bool ks_segment_parse_key(const char *key, enum ks_segment_kind kind, int64_t *base_offset_out);

#endif
