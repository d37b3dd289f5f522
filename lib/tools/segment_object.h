/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The two objects of a segment, read whole. What comes damaged may have been damaged on its way: it
 * is read again, up to three times, before it is CORRUPT. Errors name the object.
 */
#ifndef KS_TOOLS_SEGMENT_OBJECT_H
#define KS_TOOLS_SEGMENT_OBJECT_H

#include "log/formats.h"
#include "tools/session.h"

/* The index as it is stored. */
KAFSCALE_MUST_CHECK enum kafscale_status ks_segment_object_index(struct ks_session *session,
                                                                 const struct ks_segment_home *home,
                                                                 int64_t base_offset,
                                                                 struct ks_index *index_out,
                                                                 struct kafscale_error *error);

/*
 * The segment, with a reference for the caller unless `body_out` is NULL, and the index that its
 * bytes make, for which every checksum in them is looked at.
 */
KAFSCALE_MUST_CHECK enum kafscale_status ks_segment_object_read(
    struct ks_session *session, const struct ks_segment_home *home, int64_t base_offset,
    struct kafscale_blob **body_out, struct ks_index *index_out, struct kafscale_error *error);

/* Whether the segment is what its index says; as ks_segment_check. */
KAFSCALE_MUST_CHECK enum kafscale_status ks_segment_object_check(struct ks_session *session,
                                                                 const struct ks_segment_home *home,
                                                                 int64_t base_offset,
                                                                 const struct ks_index *index,
                                                                 struct kafscale_error *error);

#endif
