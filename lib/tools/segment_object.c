/* SPDX-License-Identifier: Apache-2.0 */
/* Of an object that is longer than a segment may be, no more is read than tells that. */
#include "tools/segment_object.h"

#define READS_MAX 3

/* What is made of the bytes; of those that are damaged nothing is left. */
typedef enum kafscale_status take_bytes(void *arg, struct kafscale_slice bytes,
                                        struct kafscale_error *error);

static enum kafscale_status
get_and_take(struct ks_session *session, const char *key, take_bytes *take, void *arg,
             struct kafscale_blob **body_out, struct kafscale_error *error)
{
    struct kafscale_get get = { .key = key, .size_max = KS_SEGMENT_READ_BYTES_MAX };
    enum kafscale_status status = KAFSCALE_CORRUPT;
    struct kafscale_blob *body;
    uint64_t object_bytes;

    for (int reads = 0; reads < READS_MAX && status == KAFSCALE_CORRUPT; reads++) {
        *error = (struct kafscale_error){ 0 }; /* what was wrong before may be right now */
        status = ks_session_get(session, &get, &body, &object_bytes, error);
        if (status != KAFSCALE_OK) {
            return status;
        }
        status = take(arg, kafscale_blob_slice(body), error);
        if (status == KAFSCALE_OK && body_out != NULL) {
            *body_out = kafscale_blob_ref(body);
        }
        kafscale_blob_unref(body);
    }
    if (status != KAFSCALE_OK) {
        ks_error_wrap(error, "'%s'", key);
    }
    return status;
}

static enum kafscale_status
decode(void *index_out, struct kafscale_slice bytes, struct kafscale_error *error)
{
    return ks_index_decode(bytes, index_out, error);
}

enum kafscale_status
ks_segment_object_index(struct ks_session *session, const struct ks_segment_home *home,
                        int64_t base_offset, struct ks_index *index_out,
                        struct kafscale_error *error)
{
    char key[KS_SEGMENT_KEY_BYTES];

    ks_segment_key(home, base_offset, KS_SEGMENT_INDEX, key);
    return get_and_take(session, key, decode, index_out, NULL, error);
}

struct rebuilding {
    int64_t base_offset;
    struct ks_index *index_out;
};

static enum kafscale_status
rebuild(void *arg, struct kafscale_slice bytes, struct kafscale_error *error)
{
    const struct rebuilding *rebuilding = arg;

    return ks_index_rebuild(bytes, rebuilding->base_offset, rebuilding->index_out, error);
}

enum kafscale_status
ks_segment_object_read(struct ks_session *session, const struct ks_segment_home *home,
                       int64_t base_offset, struct kafscale_blob **body_out,
                       struct ks_index *index_out, struct kafscale_error *error)
{
    struct rebuilding rebuilding = { .base_offset = base_offset, .index_out = index_out };
    char key[KS_SEGMENT_KEY_BYTES];

    ks_segment_key(home, base_offset, KS_SEGMENT_BODY, key);
    return get_and_take(session, key, rebuild, &rebuilding, body_out, error);
}

struct checking {
    const struct ks_index *index;
};

static enum kafscale_status
check(void *arg, struct kafscale_slice bytes, struct kafscale_error *error)
{
    const struct checking *checking = arg;

    return ks_segment_check(bytes, checking->index, error);
}

enum kafscale_status
ks_segment_object_check(struct ks_session *session, const struct ks_segment_home *home,
                        int64_t base_offset, const struct ks_index *index,
                        struct kafscale_error *error)
{
    struct checking checking = { .index = index };
    char key[KS_SEGMENT_KEY_BYTES];

    ks_segment_key(home, base_offset, KS_SEGMENT_BODY, key);
    return get_and_take(session, key, check, &checking, NULL, error);
}
