/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether a rule of the bucket's lifecycle takes objects away. Not every account may look, and not
 * every server has rules.
 */
#include "store/s3/call.h"

#include <inttypes.h>

#define DOCUMENT_BYTES_MAX (1u << 20)

static const char *
expiry_key(const struct ks_s3_call *call)
{
    return call->store->primary.bucket;
}

static enum kafscale_status
write_expiry(struct ks_s3_call *call, struct ks_s3_attempt *attempt, struct kafscale_error *error)
{
    static const struct ks_s3_field parameter = { "lifecycle", NULL };
    struct ks_s3_ask ask = { .method = "GET",
                             .parameters = &parameter,
                             .parameter_count = 1,
                             .payload_hash = ks_s3_empty_hash };
    enum kafscale_status status = ks_s3_attempt_write(attempt, &call->store->primary, &ask, error);

    if (status == KAFSCALE_OK) {
        attempt->exchange.response_bytes_max = DOCUMENT_BYTES_MAX;
    }
    return status;
}

static void
take_rules(struct ks_s3_call *call, const struct ks_s3_lifecycle *lifecycle)
{
    const struct ks_s3_lifecycle_rule *rule =
        ks_s3_lifecycle_find_threat(lifecycle, call->expiry_prefix);

    if (rule == NULL) {
        return;
    }
    call->expiry_status = ks_error_set(
        &call->expiry_error, KAFSCALE_INVALID,
        "rule '%.80s' of the lifecycle of bucket '%.80s' %s objects under '%.80s' after %" PRIu64
        " days: a broker keeps what it needs and deletes what it doesn't by itself",
        rule->id, call->store->primary.bucket, rule->expires ? "deletes" : "archives",
        rule->prefix[0] == '\0' ? "(every prefix)" : rule->prefix, rule->days);
}

static enum ks_s3_verdict
read_rules(struct ks_s3_call *call, const struct ks_s3_exchange *exchange)
{
    struct ks_s3_lifecycle lifecycle = { 0 };
    struct kafscale_error error = { 0 };
    enum kafscale_status status = KAFSCALE_CORRUPT;
    struct ks_arena arena;

    ks_arena_init(&arena, 8 * DOCUMENT_BYTES_MAX);
    if (exchange->body != NULL) {
        status =
            ks_s3_lifecycle_read(kafscale_blob_slice(exchange->body), &arena, &lifecycle, &error);
    }
    if (status == KAFSCALE_OK) {
        take_rules(call, &lifecycle);
    }
    ks_arena_deinit(&arena);
    return status == KAFSCALE_OK ? KS_S3_GOOD : KS_S3_DAMAGED_ANSWER;
}

/* A bucket that isn't there has no rules, and will be made or missed by others. */
static enum ks_s3_verdict
judge_expiry(struct ks_s3_call *call, struct ks_s3_attempt *attempt, enum ks_s3_verdict verdict)
{
    switch (verdict) {
    case KS_S3_GOOD:
        return read_rules(call, &attempt->exchange);
    case KS_S3_NO_BUCKET:
        return KS_S3_ABSENT;
    case KS_S3_REFUSED:
    case KS_S3_UNABLE:
        call->expiry_status =
            ks_error_set(&call->expiry_error, KAFSCALE_UNSUPPORTED,
                         "the lifecycle of bucket '%.80s' can't be read (status %d)",
                         call->store->primary.bucket, attempt->exchange.status);
        return KS_S3_GOOD;
    case KS_S3_TAKEN:
    case KS_S3_BEYOND:
        return KS_S3_UNSURE;
    default:
        return verdict;
    }
}

static enum kafscale_status
give_up_expiry(const struct ks_s3_call *call, enum ks_s3_verdict verdict)
{
    (void) call;
    return verdict == KS_S3_STARVED ? KAFSCALE_NO_MEMORY : KAFSCALE_UNAVAILABLE;
}

static void
finish_expiry(struct ks_s3_call *call, enum kafscale_status status)
{
    if (status != KAFSCALE_OK) {
        call->expiry_done(call->arg, status, &call->error);
    } else {
        call->expiry_done(call->arg, call->expiry_status,
                          call->expiry_status == KAFSCALE_OK ? NULL : &call->expiry_error);
    }
}

static const struct ks_s3_kind expiry_kind = {
    .name = "lifecycle",
    .key = expiry_key,
    .write = write_expiry,
    .judge = judge_expiry,
    .give_up = give_up_expiry,
    .finish = finish_expiry,
};

void
ks_s3_find_expiry(void *self, const char *prefix, kafscale_expiry_done *done, void *arg)
{
    struct ks_s3_call *call = ks_s3_call_new(self, &expiry_kind);

    if (call == NULL) {
        done(arg, KAFSCALE_NO_MEMORY, NULL);
        return;
    }
    call->expiry_prefix = prefix;
    call->expiry_done = done;
    call->arg = arg;
    ks_s3_call_start(call);
}
