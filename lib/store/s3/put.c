/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PUT. The bytes go out with a checksum that the server compares, so that what was damaged on the
 * way is refused and not stored.
 */
#include "store/s3/call.h"

#include <assert.h>

#define HEADERS_MAX 8

struct fields {
    struct ks_s3_field fields[HEADERS_MAX];
    size_t count;
};

static void
add(struct fields *fields, const char *name, const char *value)
{
    assert(fields->count < HEADERS_MAX);
    fields->fields[fields->count++] = (struct ks_s3_field){ .name = name, .value = value };
}

static const char *
put_key(const struct ks_s3_call *call)
{
    return call->request.put->key;
}

static void
add_encryption(const struct ks_s3_store *store, struct fields *fields)
{
    if (store->kms_key != NULL) {
        add(fields, "x-amz-server-side-encryption", "aws:kms");
        add(fields, "x-amz-server-side-encryption-aws-kms-key-id", store->kms_key);
    } else if (store->is_encrypted) {
        add(fields, "x-amz-server-side-encryption", "AES256");
    }
}

/* Once for all tries: the bytes don't change. */
static enum kafscale_status
digest(struct ks_s3_call *call, struct kafscale_error *error)
{
    const struct kafscale_put *put = call->request.put;
    uint32_t crc = 0;

    if (call->checksum[0] != '\0') {
        return KAFSCALE_OK;
    }
    if (call->store->signs_payload &&
        ks_s3_sha256_hex(put->parts, put->part_count, call->payload_hash) != KAFSCALE_OK) {
        return ks_error_set(error, KAFSCALE_NO_MEMORY, "PUT: no memory");
    }
    for (size_t i = 0; i < put->part_count; i++) {
        crc = ks_crc32c(crc, put->parts[i].bytes.data, put->parts[i].bytes.size);
        call->body_bytes += put->parts[i].bytes.size;
    }
    ks_s3_crc32c_text(crc, call->checksum);
    return KAFSCALE_OK;
}

static enum kafscale_status
write_put(struct ks_s3_call *call, struct ks_s3_attempt *attempt, struct kafscale_error *error)
{
    const struct kafscale_put *put = call->request.put;
    struct ks_s3_store *store = call->store;
    struct fields fields = { .count = 0 };
    struct ks_s3_ask ask = { .method = "PUT", .key = put->key };
    enum kafscale_status status = digest(call, error);

    if (status != KAFSCALE_OK) {
        return status;
    }
    add(&fields, "content-type", "application/octet-stream");
    add(&fields, "x-amz-checksum-crc32c", call->checksum);
    if (put->if_absent) {
        add(&fields, "if-none-match", "*");
    }
    add_encryption(store, &fields);
    ask.headers = fields.fields;
    ask.header_count = fields.count;
    ask.payload_hash = store->signs_payload ? call->payload_hash : KS_S3_UNSIGNED_PAYLOAD;
    status = ks_s3_attempt_write(attempt, &store->primary, &ask, error);
    if (status == KAFSCALE_OK) {
        attempt->exchange.parts = put->parts;
        attempt->exchange.part_count = put->part_count;
        attempt->exchange.body_bytes = call->body_bytes;
    }
    return status;
}

static enum ks_s3_verdict
judge_put(struct ks_s3_call *call, struct ks_s3_attempt *attempt, enum ks_s3_verdict verdict)
{
    (void) attempt;
    switch (verdict) {
    case KS_S3_TAKEN:
        return call->request.put->if_absent ? verdict : KS_S3_UNSURE;
    case KS_S3_ABSENT:
    case KS_S3_BEYOND:
    case KS_S3_DAMAGED_ANSWER:
    case KS_S3_STARVED:
        return KS_S3_UNSURE;
    default:
        return verdict;
    }
}

static enum kafscale_status
give_up_put(const struct ks_s3_call *call, enum ks_s3_verdict verdict)
{
    if (call->is_unsure) {
        return KAFSCALE_UNKNOWN;
    }
    return verdict == KS_S3_STARVED ? KAFSCALE_NO_MEMORY : KAFSCALE_UNAVAILABLE;
}

static void
finish_put(struct ks_s3_call *call, enum kafscale_status status)
{
    if (status == KAFSCALE_OK && call->answer == KS_S3_TAKEN) {
        call->done.put(call->arg, KAFSCALE_EXISTS, NULL);
        return;
    }
    call->done.put(call->arg, status, status == KAFSCALE_OK ? NULL : &call->error);
}

/*
 * The same bytes under the same key twice do no harm where only the first can succeed. Where a
 * later PUT of other bytes may follow, a late twin would undo it.
 */
static struct ks_s3_latency *
put_latency(struct ks_s3_call *call)
{
    return call->request.put->if_absent ? &call->store->put_latency : NULL;
}

static const struct ks_s3_kind put_kind = {
    .name = "PUT",
    .is_write = true,
    .key = put_key,
    .write = write_put,
    .judge = judge_put,
    .give_up = give_up_put,
    .finish = finish_put,
    .latency = put_latency,
};

void
ks_s3_put(void *self, const struct kafscale_put *put, kafscale_put_done *done, void *arg)
{
    struct ks_s3_call *call = ks_s3_call_new(self, &put_kind);

    if (call == NULL) {
        done(arg, KAFSCALE_NO_MEMORY, NULL);
        return;
    }
    call->request.put = put;
    call->done.put = done;
    call->arg = arg;
    ks_s3_call_start(call);
}
