/* SPDX-License-Identifier: Apache-2.0 */
/* Making the bucket that the store is to be in, where that was allowed. */
#include "store/s3/call.h"
#include "store/s3/event.h"

static const char *
bucket_key(const struct ks_s3_call *call)
{
    return call->store->primary.bucket;
}

static enum kafscale_status
write_create(struct ks_s3_call *call, struct ks_s3_attempt *attempt, struct kafscale_error *error)
{
    struct ks_s3_store *store = call->store;
    struct ks_s3_ask ask = { .method = "PUT", .payload_hash = call->payload_hash };
    enum kafscale_status status;

    if (call->part.bytes.data == NULL) {
        ks_buffer_init(&call->document, 4096);
        ks_s3_append_create_bucket(&call->document, store->primary.region);
        if (ks_buffer_failed(&call->document)) {
            return ks_error_set(error, KAFSCALE_NO_MEMORY, "bucket: no memory");
        }
        call->part = (struct kafscale_part){ .bytes = ks_buffer_slice(&call->document) };
    }
    status = ks_s3_sha256_hex_of(call->part.bytes, call->payload_hash);
    if (status == KAFSCALE_OK) {
        status = ks_s3_attempt_write(attempt, &store->primary, &ask, error);
    }
    if (status == KAFSCALE_OK) {
        attempt->exchange.parts = &call->part;
        attempt->exchange.part_count = 1;
        attempt->exchange.body_bytes = call->part.bytes.size;
    }
    return status;
}

/* A conflict is the answer when the bucket is ours already. */
static enum ks_s3_verdict
judge_create(struct ks_s3_call *call, struct ks_s3_attempt *attempt, enum ks_s3_verdict verdict)
{
    (void) call;
    (void) attempt;
    return verdict == KS_S3_CONFLICT ? KS_S3_GOOD : verdict;
}

static enum kafscale_status
give_up_create(const struct ks_s3_call *call, enum ks_s3_verdict verdict)
{
    (void) call;
    (void) verdict;
    return KAFSCALE_UNAVAILABLE;
}

static void
finish_create(struct ks_s3_call *call, enum kafscale_status status)
{
    struct ks_s3_store *store = call->store;

    store->is_creating_bucket = false;
    ks_buffer_deinit(&call->document);
    if (status == KAFSCALE_OK) {
        ks_s3_log(store->loop, KAFSCALE_LOG_INFO, "made the S3 bucket", "bucket",
                  store->primary.bucket);
    } else {
        ks_s3_log(store->loop, KAFSCALE_LOG_WARN, "the S3 bucket is not made", "error",
                  call->error.text);
    }
}

static const struct ks_s3_kind create_kind = {
    .name = "creation",
    .is_write = true,
    .key = bucket_key,
    .write = write_create,
    .judge = judge_create,
    .give_up = give_up_create,
    .finish = finish_create,
};

void
ks_s3_create_bucket(struct ks_s3_store *store)
{
    struct ks_s3_call *call;

    if (store->is_creating_bucket || store->close_done != NULL) {
        return;
    }
    call = ks_s3_call_new(store, &create_kind);
    if (call != NULL) {
        store->is_creating_bucket = true;
        ks_s3_call_start(call);
    }
}
