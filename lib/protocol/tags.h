/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What headers and bodies read alike: bytes that are never null, and sections of tagged fields.
 */
#ifndef KS_PROTOCOL_TAGS_H
#define KS_PROTOCOL_TAGS_H

#include "base/base.h"

/* As ks_cursor_take, but an empty slice has data too: in messages, no data means null. */
struct kafscale_slice kafka_take_bytes(struct ks_cursor *cursor, size_t size);

/*
 * Steps through the tagged fields of one struct. `tag` starts at -1 and must rise, so that none
 * comes twice; `body` gets the bytes of the field. A broken section fails the cursor.
 */
void kafka_take_tag(struct ks_cursor *cursor, int64_t *tag, struct kafscale_slice *body);

/* Reads past a section, checking its form. */
void kafka_skip_tags(struct ks_cursor *cursor);

#endif
