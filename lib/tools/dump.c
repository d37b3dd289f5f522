/* SPDX-License-Identifier: Apache-2.0 */
/* Which format an object has is told by its first bytes, so that a copy elsewhere can be read. */
#include "tools/dump.h"

#include "broker/broker.h"

static bool
describe_object(struct kafscale_slice object, enum ks_describe_depth depth,
                const struct kafscale_describe *describe)
{
    return ks_log_describe(object, depth, describe) ||
           ks_meta_describe(object, ks_broker_describe_value, describe) ||
           ks_broker_describe(object, describe);
}

enum kafscale_status
ks_tools_dump(struct ks_session *session, const char *key, enum ks_describe_depth depth,
              const struct kafscale_describe *describe, struct kafscale_error *error)
{
    struct kafscale_get get = { .key = key, .size_max = SIZE_MAX };
    struct kafscale_blob *body;
    enum kafscale_status status;
    uint64_t object_bytes;
    bool is_ours;

    if (!ks_store_key_is_valid(key)) {
        return ks_error_set(error, KAFSCALE_INVALID, "'%.200s' is no key of an object", key);
    }
    status = ks_session_get(session, &get, &body, &object_bytes, error);
    if (status != KAFSCALE_OK) {
        return status;
    }
    ks_describe_begin(describe, NULL);
    ks_describe_text(describe, "key", key);
    ks_describe_number(describe, "object bytes", (int64_t) object_bytes);
    is_ours = describe_object(kafscale_blob_slice(body), depth, describe);
    ks_describe_end(describe);
    kafscale_blob_unref(body);
    return is_ours ? KAFSCALE_OK
                   : ks_error_set(error, KAFSCALE_UNSUPPORTED, "'%.200s' is no object of a broker",
                                  key);
}
