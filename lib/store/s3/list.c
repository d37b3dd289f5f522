/* SPDX-License-Identifier: Apache-2.0 */
/*
 * LIST, version 2. A server's page may end before what was asked for; the caller then goes on after
 * the last key. A page of which nothing is left, since its keys can't be ours, is followed here.
 */
#include "store/s3/call.h"

#include "store/key.h"

#include <stdio.h>

#define PAGE_KEYS_MAX 1000
#define PAGE_BYTES_MAX (8u << 20)
#define ARENA_BYTES_MAX (16u << 20)
#define PARAMETERS_MAX 6

static const char *
list_key(const struct ks_s3_call *call)
{
    return call->request.list->prefix;
}

static enum kafscale_status
write_list(struct ks_s3_call *call, struct ks_s3_attempt *attempt, struct kafscale_error *error)
{
    const struct kafscale_list *list = call->request.list;
    char count[24];
    struct ks_s3_field parameters[PARAMETERS_MAX] = {
        { "encoding-type", "url" },
        { "list-type", "2" },
        { "max-keys", count },
        { "prefix", list->prefix },
    };
    struct ks_s3_ask ask = { .method = "GET",
                             .parameters = parameters,
                             .parameter_count = 4,
                             .payload_hash = ks_s3_empty_hash };
    enum kafscale_status status;

    (void) snprintf(count, sizeof count, "%zu",
                    list->count_max < PAGE_KEYS_MAX ? list->count_max : PAGE_KEYS_MAX);
    if (call->list_token != NULL) {
        parameters[ask.parameter_count++] =
            (struct ks_s3_field){ "continuation-token", call->list_token };
    } else if (list->start_after != NULL && list->start_after[0] != '\0') {
        parameters[ask.parameter_count++] =
            (struct ks_s3_field){ "start-after", list->start_after };
    }
    status = ks_s3_attempt_write(attempt, &call->store->primary, &ask, error);
    if (status == KAFSCALE_OK) {
        attempt->exchange.response_bytes_max = PAGE_BYTES_MAX;
    }
    return status;
}

/* Keeps what the caller may see: keys of the right form that are in range and in order. */
static bool
sift(const struct kafscale_list *list, struct ks_s3_listing *listing)
{
    const char *last = list->start_after == NULL ? "" : list->start_after;
    size_t kept = 0;

    for (size_t i = 0; i < listing->entry_count; i++) {
        struct kafscale_list_entry entry = listing->entries[i];

        if (!ks_store_key_is_valid(entry.key)) {
            continue;
        }
        if (strncmp(entry.key, list->prefix, strlen(list->prefix)) != 0 ||
            strcmp(entry.key, last) <= 0) {
            return false;
        }
        last = entry.key;
        listing->entries[kept++] = entry;
    }
    if (kept > list->count_max) {
        kept = list->count_max;
        listing->is_truncated = true;
    }
    listing->entry_count = kept;
    return true;
}

static enum ks_s3_verdict
damaged(struct ks_s3_exchange *exchange, const char *why)
{
    (void) snprintf(exchange->reason, sizeof exchange->reason, "%.150s", why);
    exchange->outcome = KS_S3_SHORT;
    return KS_S3_DAMAGED_ANSWER;
}

static enum ks_s3_verdict
read_page(struct ks_s3_call *call, struct ks_s3_exchange *exchange, struct ks_arena *arena)
{
    struct kafscale_error error = { 0 };
    enum kafscale_status status;

    if (exchange->body == NULL) {
        return damaged(exchange, "an empty answer");
    }
    status = ks_s3_listing_read(kafscale_blob_slice(exchange->body), arena, &call->listing, &error);
    if (status == KAFSCALE_NO_MEMORY) {
        return KS_S3_STARVED;
    }
    if (status != KAFSCALE_OK) {
        return damaged(exchange, error.text);
    }
    if (!sift(call->request.list, &call->listing)) {
        return damaged(exchange, "keys that were not asked for, or out of order");
    }
    if (call->listing.entry_count == 0 && call->listing.is_truncated) {
        call->list_token = call->listing.next_token;
        return KS_S3_HALF;
    }
    return KS_S3_GOOD;
}

/* The token of the page before is needed until a page was good; then nothing of it is. */
static enum ks_s3_verdict
judge_page(struct ks_s3_call *call, struct ks_s3_exchange *exchange)
{
    struct ks_arena page;
    enum ks_s3_verdict verdict;

    ks_arena_init(&page, ARENA_BYTES_MAX);
    verdict = read_page(call, exchange, &page);
    if (verdict == KS_S3_GOOD || verdict == KS_S3_HALF) {
        ks_arena_deinit(&call->arena);
        call->arena = page;
    } else {
        ks_arena_deinit(&page);
    }
    return verdict;
}

static enum ks_s3_verdict
judge_list(struct ks_s3_call *call, struct ks_s3_attempt *attempt, enum ks_s3_verdict verdict)
{
    switch (verdict) {
    case KS_S3_GOOD:
        return judge_page(call, &attempt->exchange);
    case KS_S3_TAKEN:
    case KS_S3_ABSENT:
    case KS_S3_BEYOND:
        return KS_S3_UNSURE;
    default:
        return verdict;
    }
}

static enum kafscale_status
give_up_list(const struct ks_s3_call *call, enum ks_s3_verdict verdict)
{
    (void) call;
    return verdict == KS_S3_STARVED ? KAFSCALE_NO_MEMORY : KAFSCALE_UNAVAILABLE;
}

static void
finish_list(struct ks_s3_call *call, enum kafscale_status status)
{
    if (status == KAFSCALE_OK) {
        call->done.list(call->arg, status, call->listing.entries, call->listing.entry_count,
                        call->listing.is_truncated, NULL);
    } else {
        call->done.list(call->arg, status, NULL, 0, false, &call->error);
    }
    ks_arena_deinit(&call->arena);
}

static const struct ks_s3_kind list_kind = {
    .name = "LIST",
    .key = list_key,
    .write = write_list,
    .judge = judge_list,
    .give_up = give_up_list,
    .finish = finish_list,
};

void
ks_s3_list(void *self, const struct kafscale_list *list, kafscale_list_done *done, void *arg)
{
    struct ks_s3_call *call = ks_s3_call_new(self, &list_kind);

    if (call == NULL) {
        done(arg, KAFSCALE_NO_MEMORY, NULL, 0, false, NULL);
        return;
    }
    call->request.list = list;
    call->done.list = done;
    call->arg = arg;
    ks_arena_init(&call->arena, ARENA_BYTES_MAX);
    ks_s3_call_start(call);
}
