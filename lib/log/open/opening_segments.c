/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What compacted partitions are at compacted_upto, before what lies above is replayed, or before
 * they are claimed where nothing does: a request or two for each partition, a few partitions at a
 * time.
 */
#include "log/open/opening.h"
#include "log/read/producer_load.h"

#include <assert.h>

#define LOADS_AT_ONCE 64

struct ks_opening_load {
    struct ks_producer_load state;
    struct ks_opening *opening;
    struct ks_opening_item *item;
};

/*
 * The mark has passed all that the owner has left there, and what it passes is covered or in a
 * bundle. Neither changes any more.
 */
static bool
holds_nothing(const struct ks_chain_element *element, const struct kafscale_meta_entry *entries,
              size_t entry_count)
{
    char mark_key[KS_REGISTER_KEY_BYTES];
    char bundle_prefix[KS_BUNDLE_REGISTER_KEY_BYTES];
    const struct kafscale_meta_entry *mark;

    ks_trim_key(&element->incarnation, mark_key);
    ks_bundle_register_prefix(&element->incarnation, bundle_prefix);
    mark = ks_find_entry(entries, entry_count, mark_key);
    return element->closed_end != KS_END_OPEN &&
           element->closed_end <= (mark == NULL ? 0 : ks_trim_mark_of(mark, 1)) &&
           !ks_has_entry_below(entries, entry_count, bundle_prefix);
}

bool
ks_opening_is_all_compacted(const struct ks_opening_item *item,
                            const struct kafscale_meta_entry *entries, size_t entry_count)
{
    for (size_t i = 0; i < item->reg.chain_count; i++) {
        const struct ks_chain_element *element = &item->reg.chain[i];

        if (ks_element_is_replayed(item, element) &&
            !holds_nothing(element, entries, entry_count)) {
            return false;
        }
    }
    return true;
}

static bool
needs_state(const struct ks_opening_item *item)
{
    bool is_due =
        item->state == KS_ITEM_CLAIMED || (item->state == KS_ITEM_READ && item->is_all_compacted);

    return is_due && item->reg.compacted_upto > 0 && !item->has_compacted;
}

static void
load_free(struct ks_opening_load *load)
{
    load->item->load = NULL;
    load->opening->loads_under_way--;
    ks_producer_load_deinit(&load->state);
    ks_free(load);
}

void
ks_opening_forget_segments(struct ks_opening_item *item)
{
    if (item->has_compacted) {
        ks_producer_table_deinit(&item->compacted_producers);
        ks_free(item->compacted_epochs);
        item->compacted_epochs = NULL;
        item->compacted_epoch_count = 0;
        item->has_compacted = false;
    }
}

/* The epochs of the newest segment; false without memory. */
static bool
take_epochs(struct ks_opening_item *item, const struct ks_segment *newest)
{
    if (newest == NULL || newest->index.epoch_count == 0) {
        return true;
    }
    item->compacted_epochs =
        ks_alloc_zero(newest->index.epoch_count, sizeof *item->compacted_epochs);
    if (item->compacted_epochs == NULL) {
        return false;
    }
    item->compacted_epoch_count = newest->index.epoch_count;
    memcpy(item->compacted_epochs, newest->index.epochs,
           item->compacted_epoch_count * sizeof *item->compacted_epochs);
    return true;
}

static void
take_state(struct ks_opening_load *load, enum kafscale_status status)
{
    struct ks_opening_item *item = load->item;

    if (status == KAFSCALE_OK && take_epochs(item, load->state.newest)) {
        ks_producer_table_move(&item->compacted_producers, &load->state.producers);
        item->has_compacted = true;
    } else if (status == KAFSCALE_OK || status == KAFSCALE_NO_MEMORY) {
        ks_opening_lose(item, KAFSCALE_NO_MEMORY);
    } else if (status == KAFSCALE_CORRUPT || status == KAFSCALE_UNSUPPORTED ||
               status == KAFSCALE_FAILED) {
        ks_opening_lose(item, status);
    } else {
        load->opening->must_read = true;
    }
}

static void
on_loaded(struct ks_producer_load *state, enum kafscale_status status)
{
    struct ks_opening_load *load = KS_CONTAINER(state, struct ks_opening_load, state);
    struct ks_opening *opening = load->opening;

    if (!ks_opening_is_over(opening) && needs_state(load->item)) {
        take_state(load, status);
    }
    load_free(load);
    if (opening->must_read || !ks_opening_load_segments(opening)) {
        if (opening->loads_under_way == 0) {
            ks_opening_move_on(opening);
        }
    }
}

static void
start_load(struct ks_opening *opening, struct ks_opening_item *item)
{
    struct ks_opening_load *load = ks_alloc_zero(1, sizeof *load);

    if (load == NULL) {
        ks_opening_lose(item, KAFSCALE_NO_MEMORY);
        return;
    }
    load->opening = opening;
    load->item = item;
    load->state.done = on_loaded;
    item->load = load;
    opening->loads_under_way++;
    if (ks_producer_load_start(&load->state, opening->log, &item->name, item->prefix, &item->reg) !=
        KAFSCALE_OK) {
        load_free(load);
        ks_opening_lose(item, KAFSCALE_NO_MEMORY);
    }
}

bool
ks_opening_load_segments(struct ks_opening *opening)
{
    while (opening->load_next < opening->open.count && opening->loads_under_way < LOADS_AT_ONCE &&
           !ks_opening_is_over(opening)) {
        struct ks_opening_item *item = &opening->items[opening->load_next++];

        if (needs_state(item) && item->load == NULL) {
            start_load(opening, item);
        }
    }
    return opening->loads_under_way > 0;
}

void
ks_opening_drop_segments(struct ks_opening *opening)
{
    for (size_t i = 0; i < opening->open.count; i++) {
        if (opening->items[i].load != NULL) {
            load_free(opening->items[i].load);
        }
    }
}

enum kafscale_status
ks_opening_give_segments(struct ks_opening_item *item, struct ks_partition *partition,
                         bool with_producers)
{
    if (!item->has_compacted) {
        return KAFSCALE_OK;
    }
    for (size_t i = 0; i < item->compacted_epoch_count; i++) {
        if (ks_partition_note_epoch(partition, item->compacted_epochs[i].epoch,
                                    item->compacted_epochs[i].offset) != KAFSCALE_OK) {
            return KAFSCALE_NO_MEMORY;
        }
    }
    if (with_producers) {
        ks_producer_table_deinit(&partition->producers);
        ks_producer_table_move(&partition->producers, &item->compacted_producers);
    }
    ks_opening_forget_segments(item);
    return KAFSCALE_OK;
}
