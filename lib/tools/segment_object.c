/* SPDX-License-Identifier: Apache-2.0 */
/* Of an object that is longer than a segment may be, no more is read than tells that. */
#include "tools/segment_object.h"

enum kafscale_status
ks_segment_object_get(struct ks_session *session, const struct ks_segment_home *home,
                      int64_t base_offset, enum ks_segment_kind kind,
                      struct kafscale_blob **body_out, struct kafscale_error *error)
{
    char key[KS_SEGMENT_KEY_BYTES];
    struct kafscale_get get = { .key = key, .size_max = KS_SEGMENT_READ_BYTES_MAX };
    uint64_t object_bytes;

    ks_segment_key(home, base_offset, kind, key);
    return ks_session_get(session, &get, body_out, &object_bytes, error);
}

enum kafscale_status
ks_segment_object_read(struct ks_session *session, const struct ks_segment_home *home,
                       int64_t base_offset, struct kafscale_blob **body_out,
                       struct ks_index *index_out, struct kafscale_error *error)
{
    char key[KS_SEGMENT_KEY_BYTES];
    struct kafscale_blob *body;
    enum kafscale_status status =
        ks_segment_object_get(session, home, base_offset, KS_SEGMENT_BODY, &body, error);

    if (status != KAFSCALE_OK) {
        return status;
    }
    status = ks_index_rebuild(kafscale_blob_slice(body), base_offset, index_out, error);
    if (status != KAFSCALE_OK) {
        ks_segment_key(home, base_offset, KS_SEGMENT_BODY, key);
        ks_error_wrap(error, "'%s'", key);
        kafscale_blob_unref(body);
        return status;
    }
    *body_out = body;
    return KAFSCALE_OK;
}
