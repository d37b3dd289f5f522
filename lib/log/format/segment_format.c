/* SPDX-License-Identifier: Apache-2.0 */
/* Encoding and decoding of what frames a segment. A bucket is an input: nothing is trusted. */
#include "log/format/segment_format.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

#define FOOTER_MAGIC 0x454e4421u /* "END!" */

uint32_t
ks_segment_topic_tag(const struct ks_id *topic)
{
    uint32_t crc = ks_crc32c(0, topic->bytes, KS_ID_BYTES);

    return crc == KS_SEGMENT_TAG_NONE ? 1 : crc;
}

void
ks_segment_write_header(uint8_t bytes_out[KS_SEGMENT_HEADER_BYTES],
                        const struct ks_segment_header *header)
{
    ks_put_u32(bytes_out, KS_SEGMENT_MAGIC);
    ks_put_u16(bytes_out + 4, KS_SEGMENT_VERSION);
    ks_put_u16(bytes_out + 6, 0);
    ks_put_u64(bytes_out + 8, (uint64_t) header->base_offset);
    ks_put_u32(bytes_out + 16, (uint32_t) header->record_count);
    ks_put_u64(bytes_out + 20, (uint64_t) header->created_ms);
    ks_put_u32(bytes_out + 28, header->topic_tag);
}

void
ks_segment_write_footer(uint8_t bytes_out[KS_SEGMENT_FOOTER_BYTES],
                        const struct ks_segment_footer *footer)
{
    ks_put_u32(bytes_out, footer->body_crc);
    ks_put_u64(bytes_out + 4, (uint64_t) footer->last_offset);
    ks_put_u32(bytes_out + 12, FOOTER_MAGIC);
}

enum kafscale_status
ks_segment_read_header(struct kafscale_slice bytes, struct ks_segment_header *header_out,
                       struct kafscale_error *error)
{
    if (bytes.size < KS_SEGMENT_HEADER_BYTES || ks_get_u32(bytes.data) != KS_SEGMENT_MAGIC) {
        return ks_error_set(error, KAFSCALE_CORRUPT, "not a segment");
    }
    if (ks_get_u16(bytes.data + 4) != KS_SEGMENT_VERSION) {
        return ks_error_set(error, KAFSCALE_UNSUPPORTED, "segment of version %u",
                            ks_get_u16(bytes.data + 4));
    }
    *header_out = (struct ks_segment_header){ .base_offset = (int64_t) ks_get_u64(bytes.data + 8),
                                              .record_count = (int32_t) ks_get_u32(bytes.data + 16),
                                              .created_ms = (int64_t) ks_get_u64(bytes.data + 20),
                                              .topic_tag = ks_get_u32(bytes.data + 28) };
    if (header_out->base_offset < 0 || header_out->record_count < 0) {
        return ks_error_set(error, KAFSCALE_CORRUPT, "damaged header of a segment");
    }
    return KAFSCALE_OK;
}

enum kafscale_status
ks_segment_read_footer(struct kafscale_slice bytes, struct ks_segment_footer *footer_out,
                       struct kafscale_error *error)
{
    if (bytes.size != KS_SEGMENT_FOOTER_BYTES || ks_get_u32(bytes.data + 12) != FOOTER_MAGIC) {
        return ks_error_set(error, KAFSCALE_CORRUPT, "segment without its end");
    }
    *footer_out = (struct ks_segment_footer){ .body_crc = ks_get_u32(bytes.data),
                                              .last_offset = (int64_t) ks_get_u64(bytes.data + 4) };
    if (footer_out->last_offset < 0) {
        return ks_error_set(error, KAFSCALE_CORRUPT, "damaged end of a segment");
    }
    return KAFSCALE_OK;
}

/* --- Keys ------------------------------------------------------------------------------------ */

static const char *const suffixes[] = { [KS_SEGMENT_INDEX] = ".index", [KS_SEGMENT_BODY] = ".kfs" };

void
ks_segment_list_prefix(const struct ks_segment_home *home, char prefix_out[KS_SEGMENT_KEY_BYTES])
{
    int size = snprintf(prefix_out, KS_SEGMENT_KEY_BYTES, "%s/%s/%" PRId32 "/segment-", home->ns,
                        home->prefix, home->partition);

    assert(size > 0);
    assert(size < KS_SEGMENT_KEY_BYTES);
}

void
ks_segment_key(const struct ks_segment_home *home, int64_t base_offset, enum ks_segment_kind kind,
               char key_out[KS_SEGMENT_KEY_BYTES])
{
    int size;

    assert(home->ns != NULL && home->prefix != NULL);
    assert(base_offset >= 0);

    size = snprintf(key_out, KS_SEGMENT_KEY_BYTES, "%s/%s/%" PRId32 "/segment-%020" PRId64 "%s",
                    home->ns, home->prefix, home->partition, base_offset, suffixes[kind]);
    assert(size > 0);
    assert(size < KS_SEGMENT_KEY_BYTES);
}

bool
ks_segment_parse_key(const char *key, enum ks_segment_kind kind, int64_t *base_offset_out)
{
    static const char start[] = "segment-";
    const char *slash = strrchr(key, '/');
    const char *name = slash == NULL ? key : slash + 1;
    const char *digits;
    uint64_t base;

    if (strncmp(name, start, sizeof start - 1) != 0) {
        return false;
    }
    digits = name + sizeof start - 1;
    if (!ks_decimal_parse(digits, KS_DECIMAL_DIGITS, &base) ||
        strcmp(digits + KS_DECIMAL_DIGITS, suffixes[kind]) != 0 || base >= INT64_MAX) {
        return false;
    }
    *base_offset_out = (int64_t) base;
    return true;
}
