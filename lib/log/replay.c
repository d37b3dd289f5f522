/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Replay: the batches of a partition are those in sections of its epoch, element by element of its chain. They must join
 * each other without a hole; what does not is damage and is named, never skipped.
 */
#include "log/opening.h"

#include <assert.h>
#include <inttypes.h>

bool
ks_element_is_replayed(const struct ks_opening *opening, const struct ks_opening_item *item,
                       const struct ks_chain_element *element)
{
    if (!element->is_activated) {
        return false;
    }
    if (ks_id_equals(&element->incarnation, &opening->log->options.incarnation)) {
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
};

static enum kafscale_status
replay_entry(struct replay *replay, const struct ks_wal_entry *entry)
{
    struct ks_partition *partition = replay->partition;
    const struct ks_register *reg = &replay->item->reg;
    enum kafscale_status status;

    if (entry->last_offset < reg->compacted_upto) {
        return KAFSCALE_OK;
    }
    if (partition->place_count == 0 && entry->base_offset < reg->compacted_upto) {
        partition->end_offset = entry->base_offset;
    }
    if (entry->base_offset != partition->end_offset) {
        return ks_error_set(&replay->opening->error, KAFSCALE_CORRUPT,
                            "offset %" PRId64 " follows %" PRId64 " in slot %" PRIu64,
                            entry->base_offset, partition->end_offset, replay->sequence);
    }
    status = ks_partition_add_place(partition, entry, replay->epoch, replay->dead->source,
                                    replay->sequence, replay->body_position + entry->position);
    if (status != KAFSCALE_OK) {
        return status;
    }
    return ks_partition_note_producer(partition, entry, replay->created_ms);
}

static enum kafscale_status
replay_section(struct replay *replay, const struct ks_wal_section *section)
{
    struct ks_cursor entries = ks_cursor(section->entries);
    struct ks_wal_entry entry;

    while (ks_wal_next_entry(&entries, &entry)) {
        enum kafscale_status status = replay_entry(replay, &entry);

        if (status != KAFSCALE_OK) {
            return status;
        }
    }
    return entries.failed ? KAFSCALE_CORRUPT : KAFSCALE_OK;
}

static bool
is_wanted(const struct replay *replay, const struct ks_wal_section *section)
{
    return section->partition == replay->item->name.index &&
           ks_id_equals(&section->topic, &replay->item->name.topic) &&
           (section->leader_epoch == replay->epoch || ks_is_planted(KS_PLANTED_EPOCH_TAG));
}

static enum kafscale_status
replay_slot(struct replay *replay)
{
    struct ks_cursor directory = ks_cursor(ks_dead_log_directory(
        replay->dead, replay->sequence, &replay->body_position, &replay->created_ms));
    struct ks_wal_section section;

    while (ks_wal_next_section(&directory, &section)) {
        enum kafscale_status status = KAFSCALE_OK;

        if (is_wanted(replay, &section)) {
            status = replay_section(replay, &section);
        }
        if (status != KAFSCALE_OK) {
            return status;
        }
    }
    return directory.failed ? KAFSCALE_CORRUPT : KAFSCALE_OK;
}

static enum kafscale_status
replay_element(struct replay *replay, const struct ks_chain_element *element)
{
    uint64_t end;

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
    end = element->closed_end < replay->dead->end ? element->closed_end : replay->dead->end;
    for (uint64_t sequence = replay->dead->trim; sequence < end; sequence++) {
        enum kafscale_status status;

        replay->sequence = sequence;
        status = replay_slot(replay);
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
           "partition can't be opened topic=%s partition=%" PRId32 ": %s", item->topic_name,
           item->name.index, opening->error.text);
    opening->error = (struct kafscale_error){ 0 };
    ks_partition_free(item->partition);
    item->partition = NULL;
    item->state = KS_ITEM_LOST;
    item->result = status;
}

void
ks_replay_item(struct ks_opening *opening, struct ks_opening_item *item)
{
    struct ks_log *log = opening->log;
    struct replay replay = { .opening = opening, .item = item };
    enum kafscale_status status = KAFSCALE_OK;

    item->partition =
        ks_partition_new(&item->name, item->topic_name, &log->options, ks_env_random_u64(log->env));
    if (item->partition == NULL) {
        lose(opening, item, KAFSCALE_NO_MEMORY);
        return;
    }
    replay.partition = item->partition;
    item->partition->end_offset = item->reg.compacted_upto;
    for (size_t i = 0; i < item->reg.chain_count && status == KAFSCALE_OK; i++) {
        const struct ks_chain_element *element = &item->reg.chain[i];

        if (ks_element_is_replayed(opening, item, element)) {
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
