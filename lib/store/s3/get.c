/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GET of a range. What comes is held against what was asked: a body that is too short, that begins
 * elsewhere or doesn't fit its checksum is read again. Objects that never change once written may
 * come from a replica, which may not have them yet.
 */
#include "store/s3/call.h"

#include <inttypes.h>
#include <stdio.h>

static const char *
get_key(const struct ks_s3_call *call)
{
    return call->request.get->key;
}

static bool
is_whole(const struct kafscale_get *get)
{
    return get->position == 0 && get->size_max == SIZE_MAX;
}

static size_t
bytes_asked(const struct kafscale_get *get)
{
    return get->size_max < KS_S3_OBJECT_BYTES_MAX ? get->size_max : KS_S3_OBJECT_BYTES_MAX;
}

/* "bytes=first-last", or "bytes=first-" to the end. */
static void
format_range(const struct kafscale_get *get, char *out, size_t room)
{
    uint64_t last = get->position + get->size_max - 1;

    if (get->size_max == SIZE_MAX || last < get->position) {
        (void) snprintf(out, room, "bytes=%" PRIu64 "-", get->position);
    } else {
        (void) snprintf(out, room, "bytes=%" PRIu64 "-%" PRIu64, get->position, last);
    }
}

static enum kafscale_status
write_get(struct ks_s3_call *call, struct ks_s3_attempt *attempt, struct kafscale_error *error)
{
    const struct kafscale_get *get = call->request.get;
    struct ks_s3_store *store = call->store;
    struct ks_s3_target *target = call->is_on_replica ? &store->replica : &store->primary;
    char range[64];
    struct ks_s3_field field = { .name = "range", .value = range };
    struct ks_s3_ask ask = { .method = call->is_second_step ? "HEAD" : "GET",
                             .key = get->key,
                             .headers = &field,
                             .header_count = call->is_second_step ? 0 : 1,
                             .payload_hash = ks_s3_empty_hash };
    enum kafscale_status status;

    if (is_whole(get)) {
        field = (struct ks_s3_field){ .name = "x-amz-checksum-mode", .value = "ENABLED" };
    } else {
        format_range(get, range, sizeof range);
    }
    status = ks_s3_attempt_write(attempt, target, &ask, error);
    if (status == KAFSCALE_OK) {
        attempt->exchange.response_bytes_max = bytes_asked(get);
        attempt->exchange.is_of_unknown_size = get->size_max == SIZE_MAX;
    }
    return status;
}

static size_t
body_bytes(const struct ks_s3_exchange *exchange)
{
    return exchange->body == NULL ? 0 : kafscale_blob_size(exchange->body);
}

/* Whether the checksum that the server keeps fits; one over several parts tells nothing. */
static bool
checksum_fits(const struct ks_s3_exchange *exchange)
{
    char expected[KS_S3_CRC32C_TEXT_BYTES];
    struct kafscale_slice body = { 0 };

    if (strlen(exchange->checksum) != KS_S3_CRC32C_TEXT_BYTES - 1) {
        return true;
    }
    if (exchange->body != NULL) {
        body = kafscale_blob_slice(exchange->body);
    }
    ks_s3_crc32c_text(ks_crc32c(0, body.data, body.size), expected);
    return strcmp(expected, exchange->checksum) == 0;
}

/* Reads "bytes 0-9/100", and holds it against question and body. */
static bool
range_fits(const struct kafscale_get *get, const struct ks_s3_exchange *exchange,
           uint64_t *object_bytes_out)
{
    size_t size = body_bytes(exchange);
    uint64_t first;
    uint64_t last;
    uint64_t total;
    uint64_t left;

    if (sscanf(exchange->content_range, "bytes %" SCNu64 "-%" SCNu64 "/%" SCNu64, &first, &last,
               &total) != 3) {
        return false;
    }
    if (first != get->position || last < first || last - first != size - 1 || last >= total) {
        return false;
    }
    left = total - get->position;
    *object_bytes_out = total;
    return size == (left < get->size_max ? left : get->size_max);
}

/* The answer to a question for everything. */
static bool
whole_fits(const struct kafscale_get *get, const struct ks_s3_exchange *exchange,
           uint64_t *object_bytes_out)
{
    *object_bytes_out = body_bytes(exchange);
    return get->position == 0 && checksum_fits(exchange);
}

static enum ks_s3_verdict
judge_body(struct ks_s3_call *call, struct ks_s3_exchange *exchange)
{
    const struct kafscale_get *get = call->request.get;
    bool fits = exchange->status == 206 ? range_fits(get, exchange, &call->object_bytes)
                                        : whole_fits(get, exchange, &call->object_bytes);

    if (!fits) {
        (void) snprintf(exchange->reason, sizeof exchange->reason,
                        "the answer is not what was asked for (range '%.60s', %zu bytes)",
                        exchange->content_range, body_bytes(exchange));
        exchange->outcome = KS_S3_SHORT;
        return KS_S3_DAMAGED_ANSWER;
    }
    if (exchange->body == NULL) {
        exchange->body = kafscale_blob_new(0);
    }
    call->body = exchange->body;
    exchange->body = NULL;
    return call->body == NULL ? KS_S3_STARVED : KS_S3_GOOD;
}

/* An empty answer needs the size of the object, which not every server tells with it. */
static enum ks_s3_verdict
judge_beyond(struct ks_s3_call *call, const struct ks_s3_exchange *exchange)
{
    if (sscanf(exchange->content_range, "bytes */%" SCNu64, &call->object_bytes) != 1) {
        call->is_second_step = true;
        return KS_S3_HALF;
    }
    if (call->object_bytes > call->request.get->position) {
        return KS_S3_DAMAGED_ANSWER;
    }
    call->body = kafscale_blob_new(0);
    return call->body == NULL ? KS_S3_STARVED : KS_S3_GOOD;
}

/* HEAD has no body, so that an error has no code. */
static enum ks_s3_verdict
judge_head(struct ks_s3_call *call, const struct ks_s3_exchange *exchange,
           enum ks_s3_verdict verdict)
{
    if (verdict != KS_S3_GOOD) {
        return verdict;
    }
    call->is_second_step = false;
    if (!exchange->has_length || exchange->length > call->request.get->position) {
        return KS_S3_DAMAGED_ANSWER;
    }
    call->object_bytes = exchange->length;
    call->body = kafscale_blob_new(0);
    return call->body == NULL ? KS_S3_STARVED : KS_S3_GOOD;
}

static enum ks_s3_verdict
judge_get(struct ks_s3_call *call, struct ks_s3_attempt *attempt, enum ks_s3_verdict verdict)
{
    /* The twin of a late GET may answer after the question was raised. */
    if (strcmp(attempt->exchange.method, "HEAD") == 0) {
        return judge_head(call, &attempt->exchange, verdict);
    }
    switch (verdict) {
    case KS_S3_GOOD:
        return judge_body(call, &attempt->exchange);
    case KS_S3_BEYOND:
        return judge_beyond(call, &attempt->exchange);
    case KS_S3_TAKEN:
        return KS_S3_UNSURE;
    default:
        return verdict;
    }
}

static enum kafscale_status
give_up_get(const struct ks_s3_call *call, enum ks_s3_verdict verdict)
{
    (void) call;
    if (verdict == KS_S3_DAMAGED_ANSWER) {
        return KAFSCALE_CORRUPT;
    }
    return verdict == KS_S3_STARVED ? KAFSCALE_NO_MEMORY : KAFSCALE_UNAVAILABLE;
}

static void
finish_get(struct ks_s3_call *call, enum kafscale_status status)
{
    struct kafscale_blob *body = call->body;

    if (status != KAFSCALE_OK) {
        call->done.get(call->arg, status, NULL, 0, &call->error);
    } else if (call->answer == KS_S3_ABSENT) {
        call->done.get(call->arg, KAFSCALE_NOT_FOUND, NULL, 0, NULL);
    } else {
        call->done.get(call->arg, KAFSCALE_OK, body, call->object_bytes, NULL);
    }
    kafscale_blob_unref(body);
}

static struct ks_s3_latency *
get_latency(struct ks_s3_call *call)
{
    return call->is_on_replica ? NULL : &call->store->get_latency;
}

static const struct ks_s3_kind get_kind = {
    .name = "GET",
    .key = get_key,
    .write = write_get,
    .judge = judge_get,
    .give_up = give_up_get,
    .finish = finish_get,
    .latency = get_latency,
};

/* What a broker has under __kafscale tells who owns what, and must be read where it is written. */
static bool
may_come_from_replica(const char *key)
{
    return strstr(key, "/__kafscale/") == NULL && strncmp(key, "__kafscale/", 11) != 0;
}

void
ks_s3_get(void *self, const struct kafscale_get *get, kafscale_get_done *done, void *arg)
{
    struct ks_s3_store *store = self;
    struct ks_s3_call *call = ks_s3_call_new(store, &get_kind);

    if (call == NULL) {
        done(arg, KAFSCALE_NO_MEMORY, NULL, 0, NULL);
        return;
    }
    call->request.get = get;
    call->done.get = done;
    call->arg = arg;
    call->is_on_replica = store->has_replica && get->takes_copy && may_come_from_replica(get->key);
    ks_s3_call_start(call);
}
