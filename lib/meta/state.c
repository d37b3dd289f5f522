/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A sorted array of pointers: lookups are binary searches, ranges are runs, and a snapshot is
 * written and read in order. What an entry may need is allocated before its first change, so that
 * an entry is applied whole or not at all.
 */
#include "meta/state.h"

#include <assert.h>
#include <stdlib.h>

#define REGISTER_PREFIX "inc/"

void
ks_meta_state_deinit(struct ks_meta_state *state)
{
    for (size_t i = 0; i < state->item_count; i++) {
        ks_free(state->items[i]);
    }
    ks_free(state->items);
    ks_free(state->writers);
    *state = (struct ks_meta_state){ 0 };
}

size_t
ks_meta_state_lower_bound(const struct ks_meta_state *state, const char *key)
{
    size_t low = 0;
    size_t high = state->item_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (strcmp(state->items[middle]->key, key) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* Whether the item at `index`, a lower bound of `key`, is that of `key`. */
static bool
is_at(const struct ks_meta_state *state, size_t index, const char *key)
{
    return index < state->item_count && strcmp(state->items[index]->key, key) == 0;
}

const struct ks_meta_item *
ks_meta_state_find(const struct ks_meta_state *state, const char *key)
{
    size_t index = ks_meta_state_lower_bound(state, key);

    return is_at(state, index, key) ? state->items[index] : NULL;
}

struct kafscale_meta_entry
ks_meta_item_entry(const struct ks_meta_item *item)
{
    return (struct kafscale_meta_entry){
        .key = item->key,
        .value = ks_slice(item->value, item->value_size),
        .version = item->version,
    };
}

static bool
compare_holds(const struct ks_meta_state *state, const struct kafscale_meta_compare *compare)
{
    const struct ks_meta_item *item = ks_meta_state_find(state, compare->key);

    if (compare->any_version) {
        return item != NULL;
    }
    return (item == NULL ? 0 : item->version) == compare->version;
}

bool
ks_meta_state_holds(const struct ks_meta_state *state, const struct kafscale_meta_txn *txn)
{
    for (size_t i = 0; i < txn->compare_count; i++) {
        if (!compare_holds(state, &txn->compares[i])) {
            return false;
        }
    }
    return true;
}

size_t
ks_meta_txn_bytes(const struct kafscale_meta_txn *txn)
{
    size_t bytes = 0;

    for (size_t i = 0; i < txn->operation_count; i++) {
        if (!txn->operations[i].is_delete) {
            bytes += strlen(txn->operations[i].key) + txn->operations[i].value.size;
        }
    }
    return bytes;
}

static struct ks_meta_item *
new_item(const char *key, struct kafscale_slice value, uint64_t version)
{
    size_t key_size = strlen(key) + 1;
    struct ks_meta_item *item = ks_alloc(sizeof *item + key_size + value.size);

    if (item == NULL) {
        return NULL;
    }
    item->version = version;
    item->value = (uint8_t *) item->key + key_size;
    item->value_size = value.size;
    memcpy(item->key, key, key_size);
    if (value.size > 0) {
        memcpy(item->key + key_size, value.data, value.size);
    }
    return item;
}

static size_t
item_bytes(const struct ks_meta_item *item)
{
    return strlen(item->key) + item->value_size;
}

static bool
reserve_items(struct ks_meta_state *state, size_t more)
{
    return KS_RESERVE(state->items, state->item_capacity, state->item_count + more);
}

static bool
reserve_writer(struct ks_meta_state *state)
{
    return KS_RESERVE(state->writers, state->writer_capacity, state->writer_count + 1);
}

static struct ks_meta_writer *
find_writer(const struct ks_meta_state *state, const struct ks_id *id)
{
    for (size_t i = 0; i < state->writer_count; i++) {
        if (ks_id_equals(&state->writers[i].id, id)) {
            return &state->writers[i];
        }
    }
    return NULL;
}

const struct ks_meta_writer *
ks_meta_state_find_writer(const struct ks_meta_state *state, const struct ks_id *id)
{
    return find_writer(state, id);
}

bool
ks_meta_writer_outcome(const struct ks_meta_writer *writer, size_t index, uint64_t *revision_out)
{
    uint64_t revision = writer->revision_before;

    assert(index < writer->txn_count);

    for (size_t i = 0; i <= index; i++) {
        revision += writer->outcome[i / 8] >> (i % 8) & 1;
    }
    if ((writer->outcome[index / 8] >> (index % 8) & 1) == 0) {
        return false;
    }
    *revision_out = revision;
    return true;
}

static bool
is_registered(const struct ks_meta_state *state, const struct ks_meta_writer *writer)
{
    char key[sizeof REGISTER_PREFIX + KS_ID_HEX_BYTES] = REGISTER_PREFIX;

    ks_id_to_hex(&writer->id, key + strlen(REGISTER_PREFIX));
    return ks_meta_state_find(state, key) != NULL;
}

static void
remove_writer(struct ks_meta_state *state, struct ks_meta_writer *writer)
{
    size_t after = state->writer_count - (size_t) (writer - state->writers) - 1;

    memmove(writer, writer + 1, after * sizeof *writer);
    state->writer_count--;
    state->forgotten++;
}

static void
forget_oldest_writer(struct ks_meta_state *state)
{
    struct ks_meta_writer *oldest = NULL;

    for (size_t i = 0; i < state->writer_count; i++) {
        struct ks_meta_writer *writer = &state->writers[i];

        if ((oldest == NULL || writer->seq < oldest->seq) && !is_registered(state, writer)) {
            oldest = writer;
        }
    }
    if (oldest != NULL) {
        remove_writer(state, oldest);
    }
}

/*
 * The entry is about to be applied: the record's place is made, so that a removed register can
 * take it away again.
 */
static struct ks_meta_writer
note_writer(struct ks_meta_state *state, const struct ks_meta_batch *batch)
{
    struct ks_meta_writer *writer = find_writer(state, &batch->writer);

    if (writer == NULL) {
        if (state->writer_count >= KS_META_WRITERS_MAX) {
            forget_oldest_writer(state);
        }
        writer = &state->writers[state->writer_count++];
    }
    *writer = (struct ks_meta_writer){
        .id = batch->writer,
        .number = batch->number,
        .seq = batch->seq,
        .revision_before = state->revision,
        .txn_count = (uint32_t) batch->txn_count,
    };
    return *writer;
}

static void
forget_registered(struct ks_meta_state *state, const char *key)
{
    struct ks_meta_writer *writer;
    struct ks_id id;

    if (strncmp(key, REGISTER_PREFIX, strlen(REGISTER_PREFIX)) != 0) {
        return;
    }
    key += strlen(REGISTER_PREFIX);
    if (strlen(key) != KS_ID_HEX_BYTES - 1 || !ks_id_from_hex(key, &id)) {
        return;
    }
    writer = find_writer(state, &id);
    if (writer != NULL) {
        remove_writer(state, writer);
    }
}

struct watcher {
    kafscale_meta_changed *changed;
    void *arg;
};

static void
tell(const struct watcher *watcher, const struct kafscale_meta_entry *entry, bool is_delete)
{
    if (watcher->changed != NULL) {
        watcher->changed(watcher->arg, entry, is_delete);
    }
}

static void
remove_key(struct ks_meta_state *state, const char *key, const struct watcher *watcher)
{
    size_t index = ks_meta_state_lower_bound(state, key);
    struct ks_meta_item *item;
    struct kafscale_meta_entry gone;

    if (!is_at(state, index, key)) {
        return;
    }
    item = state->items[index];
    state->item_count--;
    memmove(&state->items[index], &state->items[index + 1],
            (state->item_count - index) * sizeof item);
    state->bytes -= item_bytes(item);
    forget_registered(state, item->key);
    gone = (struct kafscale_meta_entry){ .key = item->key, .version = state->revision };
    tell(watcher, &gone, true);
    ks_free(item);
}

/* Takes the item. */
static void
put_item(struct ks_meta_state *state, struct ks_meta_item *item, const struct watcher *watcher)
{
    size_t index = ks_meta_state_lower_bound(state, item->key);
    struct kafscale_meta_entry entry;

    item->version = state->revision;
    if (is_at(state, index, item->key)) {
        state->bytes -= item_bytes(state->items[index]);
        ks_free(state->items[index]);
    } else {
        memmove(&state->items[index + 1], &state->items[index],
                (state->item_count - index) * sizeof item);
        state->item_count++;
    }
    state->items[index] = item;
    state->bytes += item_bytes(item);
    entry = ks_meta_item_entry(item);
    tell(watcher, &entry, false);
}

/*
 * Items for all writes of a batch, in order; those of transactions that fail are freed with the
 * rest.
 */
struct prepared {
    struct ks_meta_item **items;
    size_t count;
};

static void
deinit_prepared(struct prepared *prepared)
{
    for (size_t i = 0; i < prepared->count; i++) {
        ks_free(prepared->items[i]);
    }
    ks_free(prepared->items);
}

static size_t
count_writes(const struct ks_meta_batch *batch)
{
    size_t count = 0;

    for (size_t i = 0; i < batch->txn_count; i++) {
        count += batch->txns[i].operation_count;
    }
    return count;
}

static bool
prepare_txn(struct prepared *prepared, const struct kafscale_meta_txn *txn)
{
    for (size_t i = 0; i < txn->operation_count; i++) {
        const struct kafscale_meta_operation *operation = &txn->operations[i];

        if (operation->is_delete) {
            continue;
        }
        prepared->items[prepared->count] = new_item(operation->key, operation->value, 0);
        if (prepared->items[prepared->count] == NULL) {
            return false;
        }
        prepared->count++;
    }
    return true;
}

static bool
prepare(struct ks_meta_state *state, const struct ks_meta_batch *batch, struct prepared *prepared)
{
    size_t count = count_writes(batch);

    if (!reserve_items(state, count) || !reserve_writer(state)) {
        return false;
    }
    if (count == 0) {
        return true;
    }
    prepared->items = ks_alloc_zero(count, sizeof *prepared->items);
    if (prepared->items == NULL) {
        return false;
    }
    for (size_t i = 0; i < batch->txn_count; i++) {
        if (!prepare_txn(prepared, &batch->txns[i])) {
            return false;
        }
    }
    return true;
}

/* Carries out or skips one transaction, whose prepared items begin at *next. */
static void
apply_txn(struct ks_meta_state *state, const struct kafscale_meta_txn *txn, bool holds,
          struct ks_meta_item **next, const struct watcher *watcher)
{
    for (size_t i = 0; i < txn->operation_count; i++) {
        if (txn->operations[i].is_delete) {
            if (holds) {
                remove_key(state, txn->operations[i].key, watcher);
            }
            continue;
        }
        if (holds) {
            put_item(state, *next, watcher);
            *next = NULL;
        }
        next++;
    }
}

static size_t
count_puts(const struct kafscale_meta_txn *txn)
{
    size_t count = 0;

    for (size_t i = 0; i < txn->operation_count; i++) {
        count += !txn->operations[i].is_delete;
    }
    return count;
}

enum kafscale_status
ks_meta_state_apply(struct ks_meta_state *state, const struct ks_meta_batch *batch,
                    kafscale_meta_changed *changed, void *arg, struct ks_meta_writer *record_out)
{
    const struct watcher watcher = { .changed = changed, .arg = arg };
    struct prepared prepared = { 0 };
    struct ks_meta_writer record;
    struct ks_meta_writer *writer;
    enum kafscale_status status = KAFSCALE_NO_MEMORY;
    size_t next = 0;

    assert(batch->seq == state->seq + 1);
    assert(batch->txn_count <= KS_META_TXNS_MAX);

    if (!prepare(state, batch, &prepared)) {
        goto out;
    }
    record = note_writer(state, batch);
    for (size_t i = 0; i < batch->txn_count; i++) {
        const struct kafscale_meta_txn *txn = &batch->txns[i];
        bool holds = ks_meta_state_holds(state, txn);

        if (holds) {
            state->revision++;
            record.outcome[i / 8] |= (uint8_t) (1u << (i % 8));
        }
        if (txn->operation_count > 0) {
            apply_txn(state, txn, holds, prepared.items + next, &watcher);
        }
        next += count_puts(txn);
    }
    state->seq++;
    writer = find_writer(state, &batch->writer);
    if (writer != NULL) {
        *writer = record;
    }
    *record_out = record;
    status = KAFSCALE_OK;

out:
    deinit_prepared(&prepared);
    return status;
}

enum kafscale_status
ks_meta_state_append_item(struct ks_meta_state *state, const char *key, struct kafscale_slice value,
                          uint64_t version)
{
    struct ks_meta_item *item;

    if (state->item_count > 0 && strcmp(state->items[state->item_count - 1]->key, key) >= 0) {
        return KAFSCALE_CORRUPT;
    }
    if (!reserve_items(state, 1)) {
        return KAFSCALE_NO_MEMORY;
    }
    item = new_item(key, value, version);
    if (item == NULL) {
        return KAFSCALE_NO_MEMORY;
    }
    state->items[state->item_count++] = item;
    state->bytes += item_bytes(item);
    return KAFSCALE_OK;
}

enum kafscale_status
ks_meta_state_append_writer(struct ks_meta_state *state, const struct ks_meta_writer *writer)
{
    if (find_writer(state, &writer->id) != NULL) {
        return KAFSCALE_CORRUPT;
    }
    if (!reserve_writer(state)) {
        return KAFSCALE_NO_MEMORY;
    }
    state->writers[state->writer_count++] = *writer;
    return KAFSCALE_OK;
}

static int
compare_versions(const void *a, const void *b)
{
    uint64_t version_a = (*(const struct ks_meta_item *const *) a)->version;
    uint64_t version_b = (*(const struct ks_meta_item *const *) b)->version;

    return (version_a > version_b) - (version_a < version_b);
}

static void
tell_removed(const struct ks_meta_state *older, const struct ks_meta_state *newer,
             const struct watcher *watcher)
{
    for (size_t i = 0; i < older->item_count; i++) {
        const char *key = older->items[i]->key;

        if (ks_meta_state_find(newer, key) == NULL) {
            struct kafscale_meta_entry gone = { .key = key, .version = newer->revision };

            tell(watcher, &gone, true);
        }
    }
}

enum kafscale_status
ks_meta_state_compare(const struct ks_meta_state *older, const struct ks_meta_state *newer,
                      kafscale_meta_changed *changed, void *arg)
{
    const struct watcher watcher = { .changed = changed, .arg = arg };
    const struct ks_meta_item **written = ks_alloc_zero(newer->item_count + 1, sizeof *written);
    size_t count = 0;

    if (written == NULL) {
        return KAFSCALE_NO_MEMORY;
    }
    for (size_t i = 0; i < newer->item_count; i++) {
        const struct ks_meta_item *before = ks_meta_state_find(older, newer->items[i]->key);

        if (before == NULL || before->version != newer->items[i]->version) {
            written[count++] = newer->items[i];
        }
    }
    qsort(written, count, sizeof *written, compare_versions);
    for (size_t i = 0; i < count; i++) {
        struct kafscale_meta_entry entry = ks_meta_item_entry(written[i]);

        tell(&watcher, &entry, false);
    }
    tell_removed(older, newer, &watcher);
    ks_free(written);
    return KAFSCALE_OK;
}
