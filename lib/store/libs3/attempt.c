/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The worker's side: one request after the other, each blocking. Without a request context libs3
 * waits by poll; with one it would wait by select, which can't see descriptors above 1,023. A
 * body that was cut is success for libs3, so bytes are counted here.
 */
#include "store/key.h"
#include "store/libs3/call.h"

#include <stdio.h>

/* A page of a listing; servers give no more. */
#define PAGE_KEYS 1000

/* One request to libs3 and what comes back of it. */
struct exchange {
    struct ks_libs3_call *call;
    S3Status status;
    char message[160];
    bool is_begun; /* the answer's headers have been seen */
    uint64_t stated_bytes;

    /* Of a PUT: where the next byte is. */
    size_t part;
    size_t position;

    /* Of a GET. */
    struct kafscale_blob *body; /* NULL: no body is expected */
    uint64_t wanted_bytes;      /* no more than these, SIZE_MAX: all */
    uint64_t received_bytes;

    /* Of a page of a LIST. */
    size_t key_count;
    char last_key[S3_MAX_KEY_SIZE + 1];
};

static struct exchange
begin(struct ks_libs3_call *call)
{
    return (struct exchange){ .call = call, .status = S3StatusInternalError };
}

/* --- Callbacks -------------------------------------------------------------------------------- */

static void
on_complete(S3Status status, const S3ErrorDetails *details, void *arg)
{
    struct exchange *exchange = arg;

    exchange->status = status;
    if (details != NULL && details->message != NULL) {
        (void) snprintf(exchange->message, sizeof exchange->message, "%s", details->message);
    }
}

static S3Status
on_headers(const S3ResponseProperties *properties, void *arg)
{
    struct exchange *exchange = arg;

    exchange->is_begun = true;
    exchange->stated_bytes = properties->contentLength;
    return S3StatusOK;
}

static S3Status
on_body_headers(const S3ResponseProperties *properties, void *arg)
{
    struct exchange *exchange = arg;

    if (exchange->is_begun || properties->contentLength > exchange->wanted_bytes ||
        properties->contentLength > SIZE_MAX / 2) {
        return S3StatusAbortedByCallback;
    }
    exchange->body = kafscale_blob_new((size_t) properties->contentLength);
    if (exchange->body == NULL) {
        return S3StatusOutOfMemory;
    }
    return on_headers(properties, arg);
}

static S3Status
on_bytes(int size, const char *bytes, void *arg)
{
    struct exchange *exchange = arg;

    if (exchange->body == NULL || size < 0 ||
        (uint64_t) size > exchange->stated_bytes - exchange->received_bytes) {
        return S3StatusAbortedByCallback;
    }
    memcpy(kafscale_blob_data(exchange->body) + exchange->received_bytes, bytes, (size_t) size);
    exchange->received_bytes += (uint64_t) size;
    return S3StatusOK;
}

static int
give_bytes(int size, char *bytes, void *arg)
{
    struct exchange *exchange = arg;
    const struct kafscale_put *put = exchange->call->request.put;
    size_t given = 0;

    while (exchange->part < put->part_count && given < (size_t) size) {
        struct kafscale_slice part = put->parts[exchange->part].bytes;
        size_t count = part.size - exchange->position;

        count = count < (size_t) size - given ? count : (size_t) size - given;
        if (count > 0) {
            memcpy(bytes + given, part.data + exchange->position, count);
        }
        given += count;
        exchange->position += count;
        if (exchange->position == part.size) {
            exchange->part++;
            exchange->position = 0;
        }
    }
    return (int) given;
}

/* Objects of others may have any key. */
static bool
add_entry(struct ks_libs3_call *call, const S3ListBucketContent *content)
{
    struct kafscale_list_entry *entry = &call->entries[call->entry_count];

    if (!ks_store_key_is_valid(content->key)) {
        return true;
    }
    entry->key = ks_copy_text(content->key);
    entry->object_bytes = content->size;
    call->entry_count += entry->key != NULL;
    return entry->key != NULL;
}

static S3Status
on_entries(int is_truncated, const char *next_marker, int count,
           const S3ListBucketContent *contents, int prefix_count, const char **prefixes, void *arg)
{
    struct exchange *exchange = arg;
    struct ks_libs3_call *call = exchange->call;

    (void) is_truncated;
    (void) next_marker;
    (void) prefix_count;
    (void) prefixes;
    for (int i = 0; i < count; i++) {
        if (call->entry_count == call->entry_capacity) {
            return S3StatusAbortedByCallback;
        }
        if (!add_entry(call, &contents[i])) {
            return S3StatusOutOfMemory;
        }
        exchange->key_count++;
        (void) snprintf(exchange->last_key, sizeof exchange->last_key, "%s", contents[i].key);
    }
    return S3StatusOK;
}

/* --- Verdicts --------------------------------------------------------------------------------- */

static const char *const names[] = {
    [KS_STORE_PUT] = "PUT",
    [KS_STORE_GET] = "GET",
    [KS_STORE_LIST] = "LIST",
    [KS_STORE_REMOVE] = "DELETE",
};

static void
tell(struct ks_libs3_call *call, const char *status, const char *message)
{
    call->error = (struct kafscale_error){ 0 };
    ks_error_set(&call->error, KAFSCALE_UNKNOWN, "libs3 store: %s of '%.80s': %s%s%s",
                 names[call->kind], ks_libs3_call_key(call), status, message[0] == '\0' ? "" : ": ",
                 message);
}

static enum ks_libs3_verdict
verdict_of(struct exchange *exchange)
{
    tell(exchange->call, S3_get_status_name(exchange->status), exchange->message);
    return ks_libs3_verdict_of(exchange->status);
}

/* What libs3 calls good may still be half of an answer. */
static enum ks_libs3_verdict
verdict_of_body(struct exchange *exchange)
{
    enum ks_libs3_verdict verdict = verdict_of(exchange);

    if (verdict == KS_LIBS3_GOOD &&
        (exchange->body == NULL || exchange->received_bytes != exchange->stated_bytes)) {
        tell(exchange->call, "the body was cut", "");
        return KS_LIBS3_DAMAGED;
    }
    return verdict;
}

/* --- Operations ------------------------------------------------------------------------------- */

static enum ks_libs3_verdict
get_range(struct exchange *exchange, const char *key, uint64_t position, uint64_t count)
{
    const S3GetObjectHandler handler = {
        .responseHandler = { .propertiesCallback = on_body_headers,
                             .completeCallback = on_complete },
        .getObjectDataCallback = on_bytes,
    };

    exchange->wanted_bytes = count;
    S3_get_object(&exchange->call->bucket->context, key, NULL, position,
                  count == SIZE_MAX ? 0 : count, NULL, &handler, exchange);
    return verdict_of_body(exchange);
}

/*
 * Whether a key is taken. A HEAD would do, but its 404 has no body, and so doesn't tell an absent
 * key from a proxy that knows nothing: one byte is asked for instead.
 */
static enum ks_libs3_verdict
look(struct ks_libs3_call *call, const char *key)
{
    struct exchange exchange = begin(call);
    enum ks_libs3_verdict verdict = get_range(&exchange, key, 0, 1);

    kafscale_blob_unref(exchange.body);
    return verdict == KS_LIBS3_GOOD || verdict == KS_LIBS3_BEYOND ? KS_LIBS3_TAKEN : verdict;
}

static enum ks_libs3_verdict
put(struct ks_libs3_call *call)
{
    const struct kafscale_put *request = call->request.put;
    const S3PutObjectHandler handler = {
        .responseHandler = { .propertiesCallback = on_headers, .completeCallback = on_complete },
        .putObjectDataCallback = give_bytes,
    };
    struct exchange exchange = begin(call);
    uint64_t size = 0;

    if (request->if_absent && !call->is_seen_absent) {
        enum ks_libs3_verdict verdict = look(call, request->key);

        if (verdict == KS_LIBS3_TAKEN) {
            tell(call, "there is an object already", "");
        }
        if (verdict != KS_LIBS3_ABSENT) {
            return verdict == KS_LIBS3_UNSURE || verdict == KS_LIBS3_DAMAGED ? KS_LIBS3_UNSENT
                                                                             : verdict;
        }
        call->is_seen_absent = true;
    }
    for (size_t i = 0; i < request->part_count; i++) {
        size += request->parts[i].bytes.size;
    }
    S3_put_object(&call->bucket->context, request->key, size, NULL, NULL, &handler, &exchange);
    return verdict_of(&exchange);
}

/* libs3 doesn't tell where a range lies in its object: only a short one shows the end. */
static enum ks_libs3_verdict
find_object_bytes(struct ks_libs3_call *call)
{
    const S3ResponseHandler handler = { .propertiesCallback = on_headers,
                                        .completeCallback = on_complete };
    struct exchange exchange = begin(call);
    enum ks_libs3_verdict verdict;

    S3_head_object(&call->bucket->context, call->request.get->key, NULL, &handler, &exchange);
    verdict = verdict_of(&exchange);
    if (verdict == KS_LIBS3_GOOD && exchange.is_begun) {
        call->object_bytes = exchange.stated_bytes;
        return KS_LIBS3_GOOD;
    }
    return verdict == KS_LIBS3_GOOD || verdict == KS_LIBS3_ABSENT ? KS_LIBS3_UNSURE : verdict;
}

/* The range and the size come from two requests, and must fit each other. */
static enum ks_libs3_verdict
check_range(struct ks_libs3_call *call)
{
    const struct kafscale_get *request = call->request.get;
    uint64_t size = kafscale_blob_size(call->body);
    uint64_t rest =
        call->object_bytes > request->position ? call->object_bytes - request->position : 0;

    if (size == (rest < request->size_max ? rest : request->size_max)) {
        return KS_LIBS3_GOOD;
    }
    tell(call, "another range than was asked for", "");
    return KS_LIBS3_DAMAGED;
}

static enum ks_libs3_verdict
get(struct ks_libs3_call *call)
{
    const struct kafscale_get *request = call->request.get;
    struct exchange exchange = begin(call);
    enum ks_libs3_verdict verdict =
        get_range(&exchange, request->key, request->position, request->size_max);

    if (verdict == KS_LIBS3_BEYOND) {
        kafscale_blob_unref(exchange.body);
        exchange.body = kafscale_blob_new(0);
        verdict = exchange.body == NULL ? KS_LIBS3_STARVED : find_object_bytes(call);
    } else if (verdict == KS_LIBS3_GOOD && exchange.received_bytes < request->size_max) {
        call->object_bytes = request->position + exchange.received_bytes;
    } else if (verdict == KS_LIBS3_GOOD) {
        verdict = find_object_bytes(call);
    }
    call->body = exchange.body;
    return verdict == KS_LIBS3_GOOD ? check_range(call) : verdict;
}

static bool
reserve_page(struct ks_libs3_call *call)
{
    size_t capacity = call->entry_count + PAGE_KEYS;
    struct kafscale_list_entry *entries = ks_alloc_zero(capacity, sizeof *entries);

    if (entries == NULL) {
        return false;
    }
    if (call->entry_count > 0) {
        memcpy(entries, call->entries, call->entry_count * sizeof *entries);
    }
    ks_free(call->entries);
    call->entries = entries;
    call->entry_capacity = capacity;
    return true;
}

/* `exchange` holds the key that the page before ended with, and takes that of this one. */
static enum ks_libs3_verdict
list_page(struct exchange *exchange)
{
    const struct kafscale_list *request = exchange->call->request.list;
    const S3ListBucketHandler handler = {
        .responseHandler = { .propertiesCallback = on_headers, .completeCallback = on_complete },
        .listBucketCallback = on_entries,
    };
    char marker[sizeof exchange->last_key];

    (void) snprintf(marker, sizeof marker, "%s", exchange->last_key);
    exchange->key_count = 0;
    S3_list_bucket(&exchange->call->bucket->context,
                   request->prefix[0] == '\0' ? NULL : request->prefix,
                   marker[0] == '\0' ? NULL : marker, NULL, PAGE_KEYS, NULL, &handler, exchange);
    return verdict_of(exchange);
}

/*
 * A page that was cut looks like a short one, and whether there is more may stand in the part that
 * is missing. So nobody is believed: the list has ended when a page is empty.
 */
static enum ks_libs3_verdict
list(struct ks_libs3_call *call)
{
    const struct kafscale_list *request = call->request.list;
    struct exchange exchange = begin(call);

    if (request->start_after != NULL) {
        (void) snprintf(exchange.last_key, sizeof exchange.last_key, "%s", request->start_after);
    }
    do {
        enum ks_libs3_verdict verdict =
            reserve_page(call) ? list_page(&exchange) : KS_LIBS3_STARVED;

        if (verdict != KS_LIBS3_GOOD) {
            return verdict;
        }
    } while (exchange.key_count > 0 && call->entry_count <= request->count_max);
    call->is_truncated = call->entry_count > request->count_max;
    return KS_LIBS3_GOOD;
}

static enum ks_libs3_verdict
remove_one(struct ks_libs3_call *call)
{
    const S3ResponseHandler handler = { .propertiesCallback = on_headers,
                                        .completeCallback = on_complete };
    struct exchange exchange = begin(call);
    enum ks_libs3_verdict verdict;

    S3_delete_object(&call->bucket->context, call->request.remove->key, NULL, &handler, &exchange);
    verdict = verdict_of(&exchange);
    return verdict == KS_LIBS3_ABSENT ? KS_LIBS3_GOOD : verdict;
}

/* A request that met no bucket has had no effect, and may be sent again once there is one. */
static enum ks_libs3_verdict
create_bucket(struct ks_libs3_call *call)
{
    const S3BucketContext *context = &call->bucket->context;
    const S3ResponseHandler handler = { .propertiesCallback = on_headers,
                                        .completeCallback = on_complete };
    struct exchange exchange = begin(call);

    S3_create_bucket(context->protocol, context->accessKeyId, context->secretAccessKey,
                     context->hostName, context->bucketName, S3CannedAclPrivate, NULL, NULL,
                     &handler, &exchange);
    if (exchange.status == S3StatusOK || exchange.status == S3StatusErrorBucketAlreadyOwnedByYou) {
        return KS_LIBS3_UNSENT;
    }
    tell(call, "the bucket can't be made", S3_get_status_name(exchange.status));
    return KS_LIBS3_NO_BUCKET;
}

/* --- Calls ------------------------------------------------------------------------------------ */

void
ks_libs3_attempt(struct ks_libs3_call *call)
{
    static enum ks_libs3_verdict (*const operations[])(struct ks_libs3_call *) = {
        [KS_STORE_PUT] = put,
        [KS_STORE_GET] = get,
        [KS_STORE_LIST] = list,
        [KS_STORE_REMOVE] = remove_one,
    };

    if (call->kind != KS_STORE_LIST && strchr(ks_libs3_call_key(call), ' ') != NULL) {
        tell(call, "libs3 can't send a key with a space", "");
        call->verdict = KS_LIBS3_REFUSED;
        return;
    }
    call->verdict = operations[call->kind](call);
    if (call->verdict == KS_LIBS3_NO_BUCKET && call->bucket->may_create) {
        call->verdict = create_bucket(call);
    }
}
