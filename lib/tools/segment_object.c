/* SPDX-License-Identifier: Apache-2.0 */
/* Of an object that is longer than a segment may be, no more is read than tells that. */
#include "tools/segment_object.h"

#define READS_MAX 3

enum kafscale_status
ks_segment_object_get(struct ks_session *session, const struct ks_segment_home *home,
                      int64_t base_offset, enum ks_segment_kind kind, ks_segment_object_take *take,
                      void *arg, struct kafscale_blob **body_out, struct kafscale_error *error)
{
    char key[KS_SEGMENT_KEY_BYTES];
    struct kafscale_get get = { .key = key, .size_max = KS_SEGMENT_READ_BYTES_MAX };
    enum kafscale_status status = KAFSCALE_CORRUPT;
    struct kafscale_blob *body;
    uint64_t object_bytes;

    ks_segment_key(home, base_offset, kind, key);
    for (int reads = 0; reads < READS_MAX && status == KAFSCALE_CORRUPT; reads++) {
        status = ks_session_get(session, &get, &body, &object_bytes, error);
        if (status != KAFSCALE_OK) {
            return status;
        }
        status = take(arg, kafscale_blob_slice(body), error);
        if (status == KAFSCALE_OK) {
            *body_out = body;
            return KAFSCALE_OK;
        }
        kafscale_blob_unref(body);
    }
    ks_error_wrap(error, "'%s'", key);
    return status;
}

struct reading {
    int64_t base_offset;
    struct ks_index *index_out;
};

static enum kafscale_status
rebuild_index(void *arg, struct kafscale_slice bytes, struct kafscale_error *error)
{
    const struct reading *reading = arg;

    return ks_index_rebuild(bytes, reading->base_offset, reading->index_out, error);
}

enum kafscale_status
ks_segment_object_read(struct ks_session *session, const struct ks_segment_home *home,
                       int64_t base_offset, struct kafscale_blob **body_out,
                       struct ks_index *index_out, struct kafscale_error *error)
{
    struct reading reading = { .base_offset = base_offset, .index_out = index_out };

    return ks_segment_object_get(session, home, base_offset, KS_SEGMENT_BODY, rebuild_index,
                                 &reading, body_out, error);
}
