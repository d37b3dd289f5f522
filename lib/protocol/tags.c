/* SPDX-License-Identifier: Apache-2.0 */
/* Sections of tagged fields (KIP-482): a count, then tag, size and bytes of each. */
#include "protocol/tags.h"

struct kafscale_slice
kafka_take_bytes(struct ks_cursor *cursor, size_t size)
{
    static const uint8_t empty[1] = { 0 };
    struct kafscale_slice bytes = ks_cursor_take(cursor, size);

    return bytes.size > 0 ? bytes : ks_slice(empty, 0);
}

void
kafka_take_tag(struct ks_cursor *cursor, int64_t *tag, struct kafscale_slice *body)
{
    int64_t next = ks_cursor_uvarint(cursor);
    uint32_t size = ks_cursor_uvarint(cursor);

    if (next <= *tag) {
        cursor->failed = true;
    }
    *tag = next;
    *body = ks_cursor_take(cursor, size);
}

void
kafka_skip_tags(struct ks_cursor *cursor)
{
    uint32_t count = ks_cursor_uvarint(cursor);
    struct kafscale_slice body;
    int64_t tag = -1;

    for (uint32_t i = 0; i < count && !ks_cursor_failed(cursor); i++) {
        kafka_take_tag(cursor, &tag, &body);
    }
}
