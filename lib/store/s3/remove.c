/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DELETE. Removals that come close together go as one request, since the ones of a broker come in
 * crowds: slots of a log that was bundled, segments that have expired.
 */
#include "store/s3/call.h"

#include <assert.h>

/* Nobody waits for a removal, so that it may wait for others. */
#define GATHERING_MS 10

struct ks_s3_removal {
    struct ks_list link;
    const struct kafscale_remove *remove;
    kafscale_remove_done *done;
    void *arg;
};

static struct ks_s3_removal *
removal_of(struct ks_list *node)
{
    return KS_CONTAINER(node, struct ks_s3_removal, link);
}

static const char *
remove_key(const struct ks_s3_call *call)
{
    return removal_of(call->removals.next)->remove->key;
}

/* --- Asking ----------------------------------------------------------------------------------- */

static enum kafscale_status
write_one(struct ks_s3_call *call, struct ks_s3_attempt *attempt, struct kafscale_error *error)
{
    struct ks_s3_ask ask = { .method = "DELETE",
                             .key = remove_key(call),
                             .payload_hash = ks_s3_empty_hash };

    return ks_s3_attempt_write(attempt, &call->store->primary, &ask, error);
}

/* The body, once for all tries. */
static enum kafscale_status
write_document(struct ks_s3_call *call)
{
    const char *keys[KS_S3_DELETE_KEYS_MAX];
    size_t count = 0;

    if (call->document.size > 0) {
        return KAFSCALE_OK;
    }
    for (struct ks_list *node = call->removals.next; node != &call->removals; node = node->next) {
        keys[count++] = removal_of(node)->remove->key;
    }
    ks_buffer_init(&call->document, SIZE_MAX / 2);
    ks_s3_append_delete(&call->document, keys, count);
    if (ks_buffer_failed(&call->document)) {
        ks_buffer_deinit(&call->document);
        return KAFSCALE_NO_MEMORY;
    }
    call->part = (struct kafscale_part){ .bytes = ks_buffer_slice(&call->document) };
    return ks_s3_sha256_hex_of(call->part.bytes, call->payload_hash);
}

static enum kafscale_status
write_many(struct ks_s3_call *call, struct ks_s3_attempt *attempt, struct kafscale_error *error)
{
    static const struct ks_s3_field parameter = { "delete", NULL };
    char md5[KS_S3_MD5_TEXT_BYTES];
    struct ks_s3_field headers[] = { { "content-type", "application/xml" },
                                     { "content-md5", md5 } };
    struct ks_s3_ask ask = { .method = "POST",
                             .parameters = &parameter,
                             .parameter_count = 1,
                             .headers = headers,
                             .header_count = 2,
                             .payload_hash = call->payload_hash };
    enum kafscale_status status = write_document(call);

    if (status != KAFSCALE_OK) {
        return ks_error_set(error, status, "DELETE: no memory");
    }
    if (ks_s3_md5_text(call->part.bytes, md5) != KAFSCALE_OK) {
        ks_s3_crc32c_text(ks_crc32c(0, call->part.bytes.data, call->part.bytes.size),
                          call->checksum);
        headers[1] = (struct ks_s3_field){ "x-amz-checksum-crc32c", call->checksum };
    }
    status = ks_s3_attempt_write(attempt, &call->store->primary, &ask, error);
    if (status == KAFSCALE_OK) {
        attempt->exchange.parts = &call->part;
        attempt->exchange.part_count = 1;
        attempt->exchange.body_bytes = call->part.bytes.size;
        attempt->exchange.response_bytes_max = 4u << 20;
    }
    return status;
}

static enum kafscale_status
write_remove(struct ks_s3_call *call, struct ks_s3_attempt *attempt, struct kafscale_error *error)
{
    return call->removal_count == 1 ? write_one(call, attempt, error)
                                    : write_many(call, attempt, error);
}

/* --- Answers ---------------------------------------------------------------------------------- */

static void
tell(struct ks_s3_removal *removal, enum kafscale_status status, const struct kafscale_error *error)
{
    kafscale_remove_done *done = removal->done;
    void *arg = removal->arg;

    ks_list_remove(&removal->link);
    ks_free(removal);
    done(arg, status, error);
}

static struct ks_s3_removal *
find_removal(struct ks_list *removals, const char *key)
{
    for (struct ks_list *node = removals->next; node != removals; node = node->next) {
        if (strcmp(removal_of(node)->remove->key, key) == 0) {
            return removal_of(node);
        }
    }
    return NULL;
}

/* Moves the removals that failed, and tells them why after the good ones have been told. */
static void
tell_failures(struct ks_s3_call *call, const struct ks_s3_delete_result *result)
{
    for (size_t i = 0; i < result->failure_count; i++) {
        const struct ks_s3_delete_failure *failure = &result->failures[i];
        struct ks_s3_removal *removal =
            failure->key == NULL ? NULL : find_removal(&call->removals, failure->key);
        struct kafscale_error error = { 0 };

        if (removal == NULL) {
            continue;
        }
        ks_error_set(&error, KAFSCALE_UNKNOWN, "DELETE of '%.80s': %s: %s", failure->key,
                     failure->code == NULL ? "" : failure->code,
                     failure->message == NULL ? "" : failure->message);
        tell(removal, KAFSCALE_UNKNOWN, &error);
    }
}

static bool
read_result(struct ks_s3_call *call, const struct ks_s3_exchange *exchange)
{
    struct ks_s3_delete_result result = { 0 };
    struct kafscale_error error = { 0 };
    struct ks_arena arena;
    bool is_read;

    if (exchange->body == NULL) {
        return false;
    }
    ks_arena_init(&arena, 8u << 20);
    is_read = ks_s3_delete_result_read(kafscale_blob_slice(exchange->body), &arena, &result,
                                       &error) == KAFSCALE_OK;
    if (is_read) {
        tell_failures(call, &result);
    }
    ks_arena_deinit(&arena);
    return is_read;
}

static enum ks_s3_verdict
judge_remove(struct ks_s3_call *call, struct ks_s3_attempt *attempt, enum ks_s3_verdict verdict)
{
    switch (verdict) {
    case KS_S3_GOOD:
        if (call->removal_count > 1 && !read_result(call, &attempt->exchange)) {
            return KS_S3_UNSURE;
        }
        return verdict;
    case KS_S3_ABSENT:
        return call->removal_count == 1 ? KS_S3_GOOD : KS_S3_UNSURE;
    case KS_S3_TAKEN:
    case KS_S3_BEYOND:
    case KS_S3_DAMAGED_ANSWER:
    case KS_S3_STARVED:
        return KS_S3_UNSURE;
    case KS_S3_UNABLE:
        /* Then one by one: finish_remove does it. */
        call->store->has_no_multi_delete = true;
        return call->removal_count > 1 ? KS_S3_GOOD : verdict;
    default:
        return verdict;
    }
}

static enum kafscale_status
give_up_remove(const struct ks_s3_call *call, enum ks_s3_verdict verdict)
{
    if (call->is_unsure) {
        return KAFSCALE_UNKNOWN;
    }
    return verdict == KS_S3_STARVED ? KAFSCALE_NO_MEMORY : KAFSCALE_UNAVAILABLE;
}

static void start_batch(struct ks_s3_store *store, struct ks_list *removals, size_t count_max);

static void
finish_remove(struct ks_s3_call *call, enum kafscale_status status)
{
    struct ks_s3_store *store = call->store;
    bool is_split = status == KAFSCALE_OK && call->removal_count > 1 && store->has_no_multi_delete;

    ks_buffer_deinit(&call->document);
    while (!ks_list_is_empty(&call->removals)) {
        if (is_split) {
            start_batch(store, &call->removals, 1);
        } else {
            tell(removal_of(call->removals.next), status,
                 status == KAFSCALE_OK ? NULL : &call->error);
        }
    }
}

static const struct ks_s3_kind remove_kind = {
    .name = "DELETE",
    .key = remove_key,
    .write = write_remove,
    .judge = judge_remove,
    .give_up = give_up_remove,
    .finish = finish_remove,
};

/* --- Gathering -------------------------------------------------------------------------------- */

/* Takes so many of the removals and sends them. */
static void
start_batch(struct ks_s3_store *store, struct ks_list *removals, size_t count_max)
{
    struct ks_s3_call *call = ks_s3_call_new(store, &remove_kind);

    if (call == NULL) {
        tell(removal_of(removals->next), KAFSCALE_NO_MEMORY, NULL);
        return;
    }
    while (call->removal_count < count_max && !ks_list_is_empty(removals)) {
        struct ks_list *node = ks_list_take_first(removals);

        ks_list_append(&call->removals, node);
        call->removal_count++;
    }
    ks_s3_call_start(call);
}

static void
send_removals(struct ks_s3_store *store)
{
    size_t count_max = store->has_no_multi_delete ? 1 : KS_S3_DELETE_KEYS_MAX;
    struct ks_list removals;
    struct ks_list *node;

    ks_list_init(&removals);
    while ((node = ks_list_take_first(&store->removals)) != NULL) {
        ks_list_append(&removals, node);
    }
    store->removal_count = 0;
    while (!ks_list_is_empty(&removals)) {
        start_batch(store, &removals, count_max);
    }
}

static void
on_gathered(void *arg)
{
    send_removals(arg);
}

void
ks_s3_remove(void *self, const struct kafscale_remove *remove, kafscale_remove_done *done,
             void *arg)
{
    struct ks_s3_store *store = self;
    struct ks_s3_removal *removal = ks_alloc_zero(1, sizeof *removal);
    int64_t now_ms = store->loop.ops->now_ms(store->loop.self);

    assert(store->close_done == NULL);

    if (removal == NULL) {
        done(arg, KAFSCALE_NO_MEMORY, NULL);
        return;
    }
    *removal = (struct ks_s3_removal){ .remove = remove, .done = done, .arg = arg };
    ks_list_append(&store->removals, &removal->link);
    store->removal_timer.on_due = on_gathered;
    store->removal_timer.arg = store;
    if (++store->removal_count == 1) {
        store->loop.ops->set_timer(store->loop.self, &store->removal_timer, now_ms + GATHERING_MS);
    } else if (store->removal_count == KS_S3_DELETE_KEYS_MAX) {
        store->loop.ops->set_timer(store->loop.self, &store->removal_timer, now_ms);
    }
}

void
ks_s3_removals_abort(struct ks_s3_store *store)
{
    struct kafscale_error error = { 0 };

    ks_error_set(&error, KAFSCALE_UNAVAILABLE, "the store is being closed");
    store->loop.ops->cancel_timer(store->loop.self, &store->removal_timer);
    while (!ks_list_is_empty(&store->removals)) {
        tell(removal_of(store->removals.next), KAFSCALE_UNAVAILABLE, &error);
    }
}
