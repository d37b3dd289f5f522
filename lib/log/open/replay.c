/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Replay: the batches of a partition are those in sections of its epoch, element by element of
 * its chain. They must join each other without a hole; what does not is damage and is named,
 * never skipped.
 */
#include "log/open/opening.h"
#include "log/format/producer_snapshot.h"
#include "log/trim/trim.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>

bool
ks_element_is_replayed(const struct ks_opening_item *item, const struct ks_chain_element *element)
{
    if (!element->is_activated || item->is_all_compacted ||
        ks_register_element_end(&item->reg, (size_t) (element - item->reg.chain)) <=
            item->reg.compacted_upto) {
        return false;
    }
    if (ks_is_planted(KS_PLANTED_CHAIN)) {
        for (const struct ks_chain_element *later = element + 1;
             later < item->reg.chain + item->reg.chain_count; later++) {
            if (later->is_activated) {
                return false;
            }
        }
    }
    return true;
}

/* Where a replay stands. */
struct replay {
    struct ks_opening *opening;
    struct ks_opening_item *item;
    struct ks_partition *partition;
    const struct ks_dead_log *dead;
    uint64_t sequence;
    size_t body_position;
    int64_t created_ms;
    int32_t epoch;
    size_t section_next;
    int64_t state_offset; /* the producers are known there: batches below it aren't noted */
};

static bool
is_empty(const struct ks_partition *partition)
{
    return partition->place_end == 0 && partition->bundled_count == 0;
}

/* The first of what isn't compacted tells how old that is; of a bundle only its last slot does. */
static void
note_age(struct ks_partition *partition, int64_t created_ms)
{
    if (partition->compaction.replayed_ms == 0) {
        partition->compaction.replayed_ms = created_ms;
    }
}

static enum kafscale_status
replay_entry(struct replay *replay, const struct ks_wal_entry *entry)
{
    struct ks_partition *partition = replay->partition;
    const struct ks_register *reg = &replay->item->reg;
    struct ks_place where = { .leader_epoch = replay->epoch,
                              .source = replay->dead->source,
                              .sequence = replay->sequence,
                              .position = replay->body_position + entry->position,
                              .created_ms = replay->created_ms };
    enum kafscale_status status;

    if (entry->last_offset < reg->compacted_upto) {
        return KAFSCALE_OK;
    }
    if (is_empty(partition) && entry->base_offset < reg->compacted_upto) {
        partition->end_offset = entry->base_offset;
    }
    if (entry->base_offset != partition->end_offset) {
        return ks_error_set(&replay->opening->error, KAFSCALE_CORRUPT,
                            "offset %" PRId64 " follows %" PRId64 " in slot %" PRIu64,
                            entry->base_offset, partition->end_offset, replay->sequence);
    }
    note_age(partition, replay->created_ms);
    status = ks_partition_add_place(partition, entry, &where);
    if (status != KAFSCALE_OK || entry->last_offset < replay->state_offset) {
        return status;
    }
    return ks_partition_note_producer(partition, entry, replay->created_ms);
}

/* What is in a bundle has no places. */
static enum kafscale_status
replay_bundled(struct replay *replay, const struct ks_replay_section *section)
{
    const struct ks_bundle_section *bundled = section->bundled;
    struct ks_partition *partition = replay->partition;
    const struct ks_register *reg = &replay->item->reg;
    enum kafscale_status status;

    if (bundled->end_offset <= reg->compacted_upto) {
        return KAFSCALE_OK;
    }
    if (is_empty(partition) && bundled->base_offset < reg->compacted_upto) {
        partition->end_offset = bundled->base_offset;
    }
    if (bundled->base_offset != partition->end_offset) {
        return ks_error_set(&replay->opening->error, KAFSCALE_CORRUPT,
                            "offset %" PRId64 " follows %" PRId64 " in the bundle of slot %" PRIu64,
                            bundled->base_offset, partition->end_offset, section->sequence);
    }
    note_age(partition, section->bundle->header.created_ms);
    status = ks_partition_note_epoch(partition, replay->epoch, bundled->base_offset);
    if (status == KAFSCALE_OK) {
        status = ks_partition_add_bundled(partition, section->bundle, bundled);
    }
    if (status == KAFSCALE_OK) {
        partition->end_offset = bundled->end_offset;
    }
    return status;
}

/* What its producers had done is where a bundle of this log begins. */
static void
begin_run(struct replay *replay)
{
    struct ks_partition *partition = replay->partition;
    struct ks_trail *trail = ks_trail_find(replay->opening->log, replay->dead->source);

    if (trail != NULL && !trail->is_own && partition->end_offset >= replay->state_offset) {
        ks_trail_add_run(trail, partition, replay->epoch, &partition->producers,
                         partition->end_offset);
    }
}

static enum kafscale_status
replay_section(struct replay *replay, const struct ks_replay_section *section)
{
    struct ks_cursor entries = ks_cursor(ks_slice(section->entries, section->entries_bytes));
    struct ks_wal_entry entry;

    if (section->bundle != NULL) {
        return replay_bundled(replay, section);
    }
    begin_run(replay);
    replay->sequence = section->sequence;
    (void) ks_dead_log_directory(replay->dead, section->sequence, &replay->body_position,
                                 &replay->created_ms);
    while (ks_wal_next_entry(&entries, &entry)) {
        enum kafscale_status status = replay_entry(replay, &entry);

        if (status != KAFSCALE_OK) {
            return status;
        }
    }
    return entries.failed ? KAFSCALE_CORRUPT : KAFSCALE_OK;
}

static enum kafscale_status
replay_element(struct replay *replay, const struct ks_chain_element *element)
{
    const struct ks_opening_item *item = replay->item;
    size_t index = (size_t) (element - item->reg.chain);

    replay->epoch = element->epoch;
    replay->dead = ks_opening_find_dead(replay->opening, &element->incarnation);
    assert(replay->dead != NULL);
    if (replay->dead->status != KAFSCALE_OK) {
        return ks_error_set(&replay->opening->error, replay->dead->status, "%s",
                            replay->dead->error.text);
    }
    if (element->base_offset != replay->partition->end_offset &&
        element->base_offset >= replay->item->reg.compacted_upto) {
        return ks_error_set(&replay->opening->error, KAFSCALE_CORRUPT,
                            "epoch %" PRId32 " begins at offset %" PRId64 ", not at %" PRId64,
                            element->epoch, element->base_offset, replay->partition->end_offset);
    }
    for (; replay->section_next < item->section_count; replay->section_next++) {
        const struct ks_replay_section *section = &item->sections[replay->section_next];
        enum kafscale_status status;

        if (section->element != index) {
            break;
        }
        status = replay_section(replay, section);
        if (status != KAFSCALE_OK) {
            return status;
        }
    }
    return KAFSCALE_OK;
}

static void
lose(struct ks_opening *opening, struct ks_opening_item *item, enum kafscale_status status)
{
    if (opening->error.status == KAFSCALE_OK) {
        (void) ks_error_set(&opening->error, status, "%s", kafscale_status_text(status));
    }
    ks_log(&opening->log->env->logger, KAFSCALE_LOG_ERROR,
           "partition can't be opened topic=%s partition=%" PRId32 " error=%s", item->topic_name,
           item->name.index, opening->error.text);
    opening->error = (struct kafscale_error){ 0 };
    ks_partition_free(item->partition);
    item->partition = NULL;
    item->state = KS_ITEM_LOST;
    item->result = status;
}

static enum kafscale_status
take_state(struct replay *replay)
{
    struct ks_opening_item *item = replay->item;
    struct ks_producer_snapshot found;
    enum kafscale_status status =
        ks_producer_snapshot_decode(kafscale_blob_slice(item->producers),
                                    &item->partition->producers, &found, &replay->opening->error);

    if (status == KAFSCALE_OK && (found.offset != item->newest->bundled->end_offset ||
                                  found.name.index != item->name.index ||
                                  !ks_id_equals(&found.name.topic, &item->name.topic))) {
        return ks_error_set(&replay->opening->error, KAFSCALE_CORRUPT,
                            "the producers in the bundle of slot %" PRIu64 " are of something else",
                            item->newest->sequence);
    }
    replay->state_offset = found.offset;
    return status;
}

/* Whether a bundle has the producers at an offset above compacted_upto. */
static bool
has_newer_state(const struct ks_opening_item *item)
{
    return item->producers != NULL && item->newest->bundled->end_offset > item->reg.compacted_upto;
}

void
ks_replay_item(struct ks_opening *opening, struct ks_opening_item *item)
{
    struct ks_log *log = opening->log;
    struct replay replay = { .opening = opening, .item = item };
    enum kafscale_status status = KAFSCALE_OK;

    item->partition = ks_partition_new(&item->name, item->topic_name, item->prefix, &log->options,
                                       ks_env_random_u64(log->env));
    if (item->partition == NULL) {
        lose(opening, item, KAFSCALE_NO_MEMORY);
        return;
    }
    replay.partition = item->partition;
    item->partition->end_offset = item->reg.compacted_upto;
    status = ks_opening_give_segments(item, item->partition, !has_newer_state(item));
    if (status == KAFSCALE_OK && has_newer_state(item)) {
        status = take_state(&replay);
    }
    for (size_t i = 0; i < item->reg.chain_count && status == KAFSCALE_OK; i++) {
        const struct ks_chain_element *element = &item->reg.chain[i];

        if (ks_element_is_replayed(item, element)) {
            status = replay_element(&replay, element);
        }
    }
    if (status != KAFSCALE_OK) {
        lose(opening, item, status);
        return;
    }
    item->partition->high_watermark = item->partition->end_offset;
    item->state = KS_ITEM_REPLAYED;
}

/* --- All at once --- */

/* The element of this epoch in an item's chain, or NULL. Epochs ascend. */
static const struct ks_chain_element *
find_element(const struct ks_opening_item *item, int32_t epoch)
{
    const struct ks_chain_element *chain = item->reg.chain;
    size_t low = 0;
    size_t high = item->reg.chain_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (chain[middle].epoch < epoch) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low == item->reg.chain_count || chain[low].epoch != epoch ? NULL : &chain[low];
}

/* Notes a section for an element of its item's chain, if it is one that counts there. */
static void
note_for_element(struct ks_opening *opening, struct ks_opening_item *item,
                 const struct ks_chain_element *element, const struct ks_dead_log *dead,
                 const struct ks_replay_section *section)
{
    if (!ks_id_equals(&element->incarnation, &dead->incarnation) ||
        section->sequence >= element->closed_end || !ks_element_is_replayed(item, element)) {
        return;
    }
    if (!KS_RESERVE(item->sections, item->section_capacity, item->section_count + 1)) {
        lose(opening, item, KAFSCALE_NO_MEMORY);
        return;
    }
    item->sections[item->section_count] = *section;
    if (section->bundle != NULL) {
        (void) ks_bundle_ref(section->bundle);
    }
    item->sections[item->section_count++].element = (uint32_t) (element - item->reg.chain);
}

/*
 * The epoch says which element a section belongs to: an incarnation that had a partition, handed it
 * over and took it back has sections of several in one log.
 */
static void
note_section(struct ks_opening *opening, const struct ks_dead_log *dead,
             const struct ks_partition_name *name, int32_t leader_epoch,
             const struct ks_replay_section *section)
{
    struct ks_opening_item *item = ks_opening_find_item(opening, name);
    const struct ks_chain_element *element;

    if (item == NULL || item->state != KS_ITEM_CLAIMED) {
        return;
    }
    for (size_t i = 0; i < item->reg.chain_count && ks_is_planted(KS_PLANTED_EPOCH_TAG); i++) {
        note_for_element(opening, item, &item->reg.chain[i], dead, section);
    }
    element = find_element(item, leader_epoch);
    if (element != NULL && !ks_is_planted(KS_PLANTED_EPOCH_TAG)) {
        note_for_element(opening, item, element, dead, section);
    }
}

static void
note_bundles(struct ks_opening *opening, const struct ks_dead_log *dead)
{
    const struct ks_trail *trail = ks_trail_find(opening->log, dead->source);

    if (trail == NULL) {
        return;
    }
    for (struct ks_list *node = trail->bundles.next; node != &trail->bundles; node = node->next) {
        struct ks_bundle *bundle = KS_CONTAINER(node, struct ks_bundle, link);

        for (size_t i = 0; bundle->header.first < dead->trim && i < bundle->section_count; i++) {
            struct ks_partition_name name = ks_bundle_section_name(&bundle->sections[i]);
            struct ks_replay_section section = { .sequence = bundle->header.first,
                                                 .bundle = bundle,
                                                 .bundled = &bundle->sections[i] };

            note_section(opening, dead, &name, bundle->sections[i].leader_epoch, &section);
        }
    }
}

static void
note_sections(struct ks_opening *opening, struct ks_dead_log *dead)
{
    for (uint64_t sequence = dead->trim; sequence < dead->end; sequence++) {
        size_t body_position;
        int64_t created_ms;
        struct ks_cursor directory =
            ks_cursor(ks_dead_log_directory(dead, sequence, &body_position, &created_ms));
        struct ks_wal_section section;

        while (ks_wal_next_section(&directory, &section)) {
            struct ks_partition_name name = { .topic = section.topic, .index = section.partition };
            struct ks_replay_section found = { .sequence = sequence,
                                               .entries = section.entries.data,
                                               .entries_bytes = (uint32_t) section.entries.size };

            note_section(opening, dead, &name, section.leader_epoch, &found);
        }
        if (directory.failed) {
            dead->status = ks_error_set(&dead->error, KAFSCALE_CORRUPT,
                                        "damaged directory in slot %" PRIu64, sequence);
            return;
        }
    }
}

/* By element, and inside one as they stand in its log. */
static int
compare_sections(const void *a, const void *b)
{
    const struct ks_replay_section *left = a;
    const struct ks_replay_section *right = b;

    if (left->element != right->element) {
        return left->element < right->element ? -1 : 1;
    }
    if (left->sequence != right->sequence) {
        return left->sequence < right->sequence ? -1 : 1;
    }
    if (left->bundle != NULL && right->bundle != NULL) {
        /* A section that is long is in several parts of a merged bundle. */
        return left->bundled->base_offset < right->bundled->base_offset ? -1 : 1;
    }
    return left->entries < right->entries ? -1 : left->entries > right->entries;
}

/* Sorts an item's sections, and finds the newest in a bundle that compaction hasn't passed. */
static void
sort_sections(struct ks_opening_item *item)
{
    if (item->section_count > 0) {
        qsort(item->sections, item->section_count, sizeof *item->sections, compare_sections);
    }
    for (size_t i = 0; i < item->section_count; i++) {
        const struct ks_replay_section *section = &item->sections[i];

        if (section->bundle != NULL && section->bundled->end_offset > item->reg.compacted_upto) {
            item->newest = section;
        }
    }
}

/*
 * A start may find thousands of objects with sections of thousands of partitions: each
 * directory is walked once, and gives each section to its partition.
 */
void
ks_replay_note_sections(struct ks_opening *opening)
{
    for (struct ks_list *node = opening->dead_logs.next; node != &opening->dead_logs;
         node = node->next) {
        struct ks_dead_log *dead = KS_CONTAINER(node, struct ks_dead_log, link);

        if (dead->status == KAFSCALE_OK) {
            note_bundles(opening, dead);
            note_sections(opening, dead);
        }
    }
    for (size_t i = 0; i < opening->open.count; i++) {
        if (opening->items[i].state == KS_ITEM_CLAIMED) {
            sort_sections(&opening->items[i]);
        }
    }
}

void
ks_replay_items(struct ks_opening *opening)
{
    for (size_t i = 0; i < opening->open.count; i++) {
        if (opening->items[i].state == KS_ITEM_CLAIMED) {
            ks_replay_item(opening, &opening->items[i]);
        }
        ks_opening_forget_sections(&opening->items[i]);
    }
}

void
ks_opening_forget_sections(struct ks_opening_item *item)
{
    for (size_t i = 0; i < item->section_count; i++) {
        ks_bundle_unref(item->sections[i].bundle);
    }
    kafscale_blob_unref(item->producers);
    ks_free(item->sections);
    item->producers = NULL;
    item->newest = NULL;
    item->sections = NULL;
    item->section_count = 0;
    item->section_capacity = 0;
}
