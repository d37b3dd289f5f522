/* SPDX-License-Identifier: Apache-2.0 */
/* The two objects of a segment, read whole. Errors name the object. */
#ifndef KS_TOOLS_SEGMENT_OBJECT_H
#define KS_TOOLS_SEGMENT_OBJECT_H

#include "log/formats.h"
#include "tools/session.h"

/* What the bytes are good for: CORRUPT when they are damaged; what it made of them is gone then. */
typedef enum kafscale_status ks_segment_object_take(void *arg, struct kafscale_slice bytes,
                                                    struct kafscale_error *error);

/*
 * The bytes of either once `take` took them, with a reference for the caller. Those that it calls
 * damaged may have been damaged on their way: they are read again, up to three times.
 */
KAFSCALE_MUST_CHECK enum kafscale_status ks_segment_object_get(
    struct ks_session *session, const struct ks_segment_home *home, int64_t base_offset,
    enum ks_segment_kind kind, ks_segment_object_take *take, void *arg,
    struct kafscale_blob **body_out, struct kafscale_error *error);

/*
 * The segment and the index that its bytes make, for which every checksum in them is looked at.
 * CORRUPT: it is damaged.
 */
KAFSCALE_MUST_CHECK enum kafscale_status ks_segment_object_read(
    struct ks_session *session, const struct ks_segment_home *home, int64_t base_offset,
    struct kafscale_blob **body_out, struct ks_index *index_out, struct kafscale_error *error);

#endif
