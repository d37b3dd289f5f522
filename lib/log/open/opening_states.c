/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The producer states that replay begins with: of each partition that of its newest section in a
 * bundle. States lie together in a bundle, so one GET brings those of all partitions that begin
 * there.
 */
#include "log/open/opening.h"
#include "log/format/producer_snapshot.h"

#include <assert.h>

#define READS_MAX 5

struct ks_state_read {
    struct ks_list link;
    struct ks_opening *opening;
    const struct ks_bundle *bundle;
    uint64_t position;
    uint64_t end;
    char key[KS_BUNDLE_KEY_BYTES];
    struct kafscale_get get;
    struct ks_timer retry;
    uint32_t attempts;
    uint32_t damaged_reads;
};

static void submit(void *arg);

static void
read_free(struct ks_state_read *read)
{
    ks_env_cancel_timer(read->opening->log->env, &read->retry);
    ks_list_remove(&read->link);
    ks_free(read);
}

/* The next item whose newest section is in this bundle, after `item` or from the first on. */
static struct ks_opening_item *
next_item(const struct ks_state_read *read, const struct ks_opening_item *after)
{
    struct ks_opening *opening = read->opening;
    size_t i = after == NULL ? 0 : (size_t) (after - opening->items) + 1;

    for (; i < opening->open.count; i++) {
        struct ks_opening_item *item = &opening->items[i];

        if (item->state == KS_ITEM_CLAIMED && item->newest != NULL &&
            item->newest->bundle == read->bundle) {
            return item;
        }
    }
    return NULL;
}

static bool
is_state(struct ks_opening_item *item)
{
    struct ks_producer_table table;
    struct ks_producer_snapshot found;
    struct kafscale_error error = { 0 };
    enum kafscale_status status;

    ks_producer_table_init(&table, 0, UINT32_MAX, INT64_MAX);
    status =
        ks_producer_snapshot_decode(kafscale_blob_slice(item->producers), &table, &found, &error);
    ks_producer_table_deinit(&table);
    return status == KAFSCALE_OK || status == KAFSCALE_NO_MEMORY;
}

/* CORRUPT: not what was stored. */
static enum kafscale_status
take_states(struct ks_state_read *read, struct kafscale_blob *body)
{
    if (kafscale_blob_size(body) != read->end - read->position) {
        return KAFSCALE_CORRUPT;
    }
    for (struct ks_opening_item *item = next_item(read, NULL); item != NULL;
         item = next_item(read, item)) {
        const struct ks_bundle_section *section = item->newest->bundled;

        kafscale_blob_unref(item->producers);
        item->producers = kafscale_blob_view(
            body, (size_t) (section->state_position - read->position), section->state_bytes);
        if (item->producers == NULL) {
            return KAFSCALE_NO_MEMORY;
        }
        if (!is_state(item)) {
            return KAFSCALE_CORRUPT;
        }
    }
    return KAFSCALE_OK;
}

static void
lose(struct ks_state_read *read, enum kafscale_status status)
{
    struct ks_opening_item *item;

    ks_log(&read->opening->log->env->logger, KAFSCALE_LOG_ERROR,
           "partitions can't be opened without object key=%s error=%s", read->key,
           kafscale_status_text(status));
    while ((item = next_item(read, NULL)) != NULL) {
        ks_opening_lose(item, status);
    }
}

static void
on_states(void *arg, enum kafscale_status status, struct kafscale_blob *body, uint64_t object_bytes,
          const struct kafscale_error *error)
{
    struct ks_state_read *read = arg;
    struct ks_opening *opening = read->opening;
    struct ks_env *env = opening->log->env;
    bool is_missing;

    (void) object_bytes;
    (void) error;
    if (ks_opening_is_over(opening)) {
        status = KAFSCALE_STOPPED;
    } else if (status == KAFSCALE_OK) {
        status = take_states(read, body);
    }
    read->damaged_reads += status == KAFSCALE_CORRUPT;
    is_missing = status == KAFSCALE_NOT_FOUND || read->damaged_reads >= READS_MAX;
    opening->states_missing += is_missing;
    if (status == KAFSCALE_FAILED || opening->states_missing >= READS_MAX) {
        lose(read, status == KAFSCALE_FAILED ? status : KAFSCALE_CORRUPT);
    } else if (is_missing) {
        /*
         * What was in it was compacted or merged, or others have opened the partition: the
         * registers know. Another bundle of the same slots, made too late, may be under its key.
         */
        opening->must_read = true;
        opening->has_old_logs = true;
        opening->has_states = false;
    } else if (status != KAFSCALE_OK && status != KAFSCALE_STOPPED) {
        read->retry = (struct ks_timer){ .on_due = submit, .arg = read };
        ks_env_set_timer(env, &read->retry,
                         ks_env_now_ms(env) + ks_log_backoff_ms(opening->log, read->attempts++));
        return;
    }
    read_free(read);
    if (ks_list_is_empty(&opening->state_reads)) {
        ks_opening_move_on(opening);
    }
}

static void
submit(void *arg)
{
    struct ks_state_read *read = arg;
    struct ks_opening *opening = read->opening;

    if (ks_opening_is_over(opening)) {
        read_free(read);
        if (ks_list_is_empty(&opening->state_reads)) {
            ks_opening_move_on(opening);
        }
        return;
    }
    read->get = (struct kafscale_get){ .key = read->key,
                                       .position = read->position,
                                       .size_max = (size_t) (read->end - read->position) };
    ks_store_get(opening->log->store, &read->get, on_states, read);
}

/* The reading of this bundle, new if there is none; NULL without memory. */
static struct ks_state_read *
read_of(struct ks_opening *opening, const struct ks_bundle *bundle)
{
    struct ks_state_read *read;

    for (struct ks_list *node = opening->state_reads.next; node != &opening->state_reads;
         node = node->next) {
        read = KS_CONTAINER(node, struct ks_state_read, link);
        if (read->bundle == bundle) {
            return read;
        }
    }
    read = ks_alloc_zero(1, sizeof *read);
    if (read == NULL) {
        return NULL;
    }
    read->opening = opening;
    read->bundle = bundle;
    read->position = UINT64_MAX;
    ks_bundle_key_of(opening->log, bundle, read->key);
    ks_list_append(&opening->state_reads, &read->link);
    return read;
}

bool
ks_opening_read_states(struct ks_opening *opening)
{
    struct ks_list *next;

    for (size_t i = 0; i < opening->open.count; i++) {
        struct ks_opening_item *item = &opening->items[i];
        const struct ks_bundle_section *section;
        struct ks_state_read *read;

        if (item->state != KS_ITEM_CLAIMED || item->newest == NULL) {
            continue;
        }
        section = item->newest->bundled;
        read = read_of(opening, item->newest->bundle);
        if (read == NULL) {
            ks_opening_lose(item, KAFSCALE_NO_MEMORY);
            continue;
        }
        if (section->state_position < read->position) {
            read->position = section->state_position;
        }
        if (section->state_position + section->state_bytes > read->end) {
            read->end = section->state_position + section->state_bytes;
        }
    }
    for (struct ks_list *node = opening->state_reads.next; node != &opening->state_reads;
         node = next) {
        next = node->next;
        submit(KS_CONTAINER(node, struct ks_state_read, link));
    }
    return !ks_list_is_empty(&opening->state_reads);
}

void
ks_opening_silence_states(struct ks_opening *opening)
{
    struct ks_list *next;

    for (struct ks_list *node = opening->state_reads.next; node != &opening->state_reads;
         node = next) {
        struct ks_state_read *read = KS_CONTAINER(node, struct ks_state_read, link);

        next = node->next;
        if (ks_env_timer_is_set(&read->retry)) {
            read_free(read);
        }
    }
}

void
ks_opening_drop_states(struct ks_opening *opening)
{
    while (!ks_list_is_empty(&opening->state_reads)) {
        read_free(KS_CONTAINER(opening->state_reads.next, struct ks_state_read, link));
    }
}
