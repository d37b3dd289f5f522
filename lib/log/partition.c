/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The places of a partition's batches are one sorted array, appended at its end, dropped at its
 * front and searched by halving. The gap that dropping leaves is closed when it is greater than the
 * rest, so that a batch is moved about once in its life here.
 */
#include "log/bundle/bundle.h"

#include "log/format/producer_snapshot.h"

#include <assert.h>

#define PLACES_MIN 16u

struct ks_partition *
ks_partition_new(const struct ks_partition_name *name, const char *topic_name, const char *prefix,
                 const struct ks_log_options *options, uint64_t seed)
{
    struct ks_partition *partition = ks_alloc_zero(1, sizeof *partition);

    if (partition == NULL) {
        return NULL;
    }
    partition->name = *name;
    partition->read_next = -1;
    partition->topic_name = ks_copy_text(topic_name);
    partition->prefix = ks_copy_text(prefix);
    if (partition->topic_name == NULL || partition->prefix == NULL) {
        ks_free(partition->topic_name);
        ks_free(partition->prefix);
        ks_free(partition);
        return NULL;
    }
    ks_producer_table_init(&partition->producers, seed, options->producers_max,
                           options->producer_expiration_ms);
    return partition;
}

void
ks_partition_free(struct ks_partition *partition)
{
    if (partition == NULL) {
        return;
    }
    for (size_t i = partition->place_base; i < partition->place_end; i++) {
        struct ks_cached_batch *cached = ks_partition_place(partition, i)->cached;

        if (cached != NULL) {
            ks_list_remove(&cached->link);
            kafscale_blob_unref(cached->owner);
            ks_free(cached);
        }
    }
    ks_list_remove(&partition->retained);
    ks_partition_drop_bundled(partition, NULL);
    ks_free(partition->bundled);
    ks_producer_table_deinit(&partition->producers);
    ks_register_deinit(&partition->reg);
    ks_free(partition->places);
    ks_free(partition->epochs);
    ks_free(partition->topic_name);
    ks_free(partition->prefix);
    ks_free(partition);
}

/* --- Places ---------------------------------------------------------------------------------- */

struct ks_place *
ks_partition_place(const struct ks_partition *partition, size_t index)
{
    assert(index >= partition->place_base);
    assert(index < partition->place_end);
    return &partition->places[partition->place_gap + (index - partition->place_base)];
}

static size_t
kept_count(const struct ks_partition *partition)
{
    return partition->place_end - partition->place_base;
}

static void
close_gap(struct ks_partition *partition)
{
    if (partition->place_gap == 0) {
        return;
    }
    memmove(partition->places, partition->places + partition->place_gap,
            kept_count(partition) * sizeof *partition->places);
    partition->place_gap = 0;
}

static bool
resize_places(struct ks_partition *partition, size_t capacity)
{
    struct ks_place *places = ks_realloc(partition->places, capacity * sizeof *places);

    if (places == NULL) {
        return false;
    }
    partition->places = places;
    partition->place_capacity = capacity;
    return true;
}

static bool
reserve_place(struct ks_partition *partition)
{
    if (partition->place_gap + kept_count(partition) < partition->place_capacity) {
        return true;
    }
    if (partition->place_gap > kept_count(partition)) {
        close_gap(partition);
        return true;
    }
    return KS_RESERVE(partition->places, partition->place_capacity,
                      partition->place_gap + kept_count(partition) + 1);
}

enum kafscale_status
ks_partition_add_place(struct ks_partition *partition, const struct ks_wal_entry *entry,
                       const struct ks_place *where)
{
    const struct ks_place *last = NULL;
    struct ks_place *place;

    assert(entry->base_offset == partition->end_offset);

    if (!reserve_place(partition) || ks_partition_note_epoch(partition, where->leader_epoch,
                                                             entry->base_offset) != KAFSCALE_OK) {
        return KAFSCALE_NO_MEMORY;
    }
    if (kept_count(partition) > 0) {
        last = ks_partition_place(partition, partition->place_end - 1);
    }
    place = ks_partition_place(partition, partition->place_end++);
    *place = (struct ks_place){
        .base_offset = entry->base_offset,
        .last_offset = entry->last_offset,
        .max_timestamp_ms = entry->max_timestamp_ms,
        .max_timestamp_so_far_ms = entry->max_timestamp_ms,
        .bytes_before = last == NULL ? 0 : last->bytes_before + last->size_bytes,
        .sequence = where->sequence,
        .position = where->position,
        .created_ms = where->created_ms,
        .size_bytes = entry->size_bytes,
        .crc = entry->crc,
        .source = where->source,
        .leader_epoch = where->leader_epoch,
    };
    if (last != NULL && last->max_timestamp_so_far_ms > place->max_timestamp_so_far_ms) {
        place->max_timestamp_so_far_ms = last->max_timestamp_so_far_ms;
    }
    partition->end_offset = entry->last_offset + 1;
    return KAFSCALE_OK;
}

void
ks_partition_undo_place(struct ks_partition *partition)
{
    const struct ks_place *last = ks_partition_place(partition, partition->place_end - 1);

    assert(last->cached == NULL);
    partition->end_offset = last->base_offset;
    partition->place_end--;
}

enum kafscale_status
ks_partition_note_producer(struct ks_partition *partition, const struct ks_wal_entry *entry,
                           int64_t now_ms)
{
    return ks_producer_note_entry(&partition->producers, entry, now_ms);
}

size_t
ks_partition_find_place(const struct ks_partition *partition, int64_t offset)
{
    size_t low = partition->place_base;
    size_t high = partition->place_end;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (ks_partition_place(partition, middle)->last_offset < offset) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

size_t
ks_partition_committed_end(const struct ks_partition *partition)
{
    return ks_partition_find_place(partition, partition->high_watermark);
}

int64_t
ks_partition_placed_from(const struct ks_partition *partition)
{
    return kept_count(partition) == 0
               ? partition->end_offset
               : ks_partition_place(partition, partition->place_base)->base_offset;
}

void
ks_partition_trim_places(struct ks_partition *partition)
{
    while (kept_count(partition) > 0) {
        const struct ks_place *first = ks_partition_place(partition, partition->place_base);

        if (first->last_offset >= partition->drop_below || first->cached != NULL) {
            break;
        }
        partition->place_base++;
        partition->place_gap++;
    }
    if (partition->place_gap >= PLACES_MIN && partition->place_gap > kept_count(partition)) {
        close_gap(partition);
        /* Without memory for the smaller array the greater one stays. */
        (void) resize_places(partition, kept_count(partition) + PLACES_MIN);
    }
}

void
ks_partition_drop_places(struct ks_partition *partition, int64_t offset)
{
    assert(offset <= partition->high_watermark);

    if (offset > partition->drop_below) {
        partition->drop_below = offset;
    }
    ks_partition_trim_places(partition);
}

/* --- Questions --------------------------------------------------------------------------- */

/* Whether the batch with this offset has a place. */
static bool
is_placed(const struct ks_partition *partition, int64_t offset)
{
    size_t index = ks_partition_find_place(partition, offset);

    return index < partition->place_end &&
           ks_partition_place(partition, index)->base_offset <= offset;
}

static bool
is_in_segment(const struct ks_partition *partition, int64_t offset)
{
    return offset < partition->reg.compacted_upto && offset < ks_partition_placed_from(partition);
}

size_t
ks_partition_batch_bytes(const struct ks_partition *partition, int64_t offset)
{
    size_t index = ks_partition_find_place(partition, offset);
    size_t bundled = ks_partition_find_bundled(partition, offset);

    if (is_in_segment(partition, offset)) {
        return KS_COLD_BATCH_BYTES;
    }
    if (!is_placed(partition, offset) && bundled < partition->bundled_count) {
        return partition->bundled[bundled].section->batch_bytes_max;
    }
    return index < ks_partition_committed_end(partition)
               ? ks_partition_place(partition, index)->size_bytes
               : 0;
}

/* Of a section whose first batches don't count as much as of its offsets does. */
static uint64_t
bytes_of_section(const struct ks_bundle_section *section, int64_t from)
{
    double offsets = (double) (section->end_offset - section->base_offset);

    return section->base_offset >= from
               ? section->body_bytes
               : (uint64_t) ((double) section->body_bytes * (double) (section->end_offset - from) /
                             offsets);
}

size_t
ks_partition_bytes_from(const struct ks_partition *partition, int64_t offset, size_t bytes_max)
{
    size_t first = ks_partition_find_place(partition, offset);
    size_t end = ks_partition_committed_end(partition);
    const struct ks_place *last;
    uint64_t bytes = 0;

    if (is_in_segment(partition, offset)) {
        return bytes_max;
    }
    if (first < end) {
        last = ks_partition_place(partition, end - 1);
        bytes = last->bytes_before + last->size_bytes -
                ks_partition_place(partition, first)->bytes_before;
    }
    for (size_t i = ks_partition_find_bundled(partition, offset);
         i < partition->bundled_count && bytes < bytes_max; i++) {
        const struct ks_bundle_section *section = partition->bundled[i].section;

        if (!is_placed(partition, section->base_offset)) {
            bytes += bytes_of_section(section, offset);
        }
    }
    return bytes < bytes_max ? (size_t) bytes : bytes_max;
}

/* The first of these places that has the greatest timestamp; they are not none. */
static size_t
latest_place(const struct ks_partition *partition, size_t first, size_t end)
{
    size_t latest = first;

    for (size_t i = first + 1; i < end; i++) {
        if (ks_partition_place(partition, i)->max_timestamp_ms >
            ks_partition_place(partition, latest)->max_timestamp_ms) {
            latest = i;
        }
    }
    return latest;
}

int64_t
ks_partition_latest_ms(const struct ks_partition *partition)
{
    size_t first = ks_partition_find_place(partition, partition->reg.log_start);
    size_t end = ks_partition_committed_end(partition);
    int64_t latest_ms = INT64_MIN;

    if (first < end) {
        latest_ms =
            ks_partition_place(partition, latest_place(partition, first, end))->max_timestamp_ms;
    }
    for (size_t i = ks_partition_find_bundled(partition, partition->reg.log_start);
         i < partition->bundled_count; i++) {
        if (partition->bundled[i].section->max_timestamp_ms > latest_ms) {
            latest_ms = partition->bundled[i].section->max_timestamp_ms;
        }
    }
    return latest_ms;
}

/* The base of the first section with a batch of this time or a later one, or -1. */
static int64_t
bundled_by_time(const struct ks_partition *partition, int64_t timestamp_ms)
{
    for (size_t i = ks_partition_find_bundled(partition, partition->reg.log_start);
         i < partition->bundled_count; i++) {
        if (partition->bundled[i].section->max_timestamp_ms >= timestamp_ms) {
            return partition->bundled[i].section->base_offset;
        }
    }
    return -1;
}

/* The base of the first of the places with such a batch, or -1. */
static int64_t
placed_by_time(const struct ks_partition *partition, int64_t timestamp_ms)
{
    size_t low = ks_partition_find_place(partition, partition->reg.log_start);
    size_t end = ks_partition_committed_end(partition);
    size_t high = end;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (ks_partition_place(partition, middle)->max_timestamp_so_far_ms < timestamp_ms) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < end ? ks_partition_place(partition, low)->base_offset : -1;
}

int64_t
ks_partition_batch_by_time(const struct ks_partition *partition, int64_t timestamp_ms)
{
    int64_t wanted_ms =
        timestamp_ms == INT64_MAX ? ks_partition_latest_ms(partition) : timestamp_ms;
    int64_t bundled = bundled_by_time(partition, wanted_ms);
    int64_t placed = placed_by_time(partition, wanted_ms);

    if (bundled < 0 || (placed >= 0 && placed < bundled)) {
        return placed;
    }
    return bundled;
}

/* --- Leader epochs ----------------------------------------------------------------------- */

enum kafscale_status
ks_partition_note_epoch(struct ks_partition *partition, int32_t epoch, int64_t offset)
{
    struct ks_epoch_start *epochs;

    if (partition->epoch_count > 0 &&
        partition->epochs[partition->epoch_count - 1].epoch >= epoch) {
        return KAFSCALE_OK;
    }
    epochs = ks_realloc(partition->epochs, (partition->epoch_count + 1) * sizeof *epochs);
    if (epochs == NULL) {
        return KAFSCALE_NO_MEMORY;
    }
    epochs[partition->epoch_count++] = (struct ks_epoch_start){ .epoch = epoch, .offset = offset };
    partition->epochs = epochs;
    return KAFSCALE_OK;
}

/* How many of the epochs are at most this one and have committed batches. */
static size_t
count_epochs(const struct ks_partition *partition, int32_t epoch)
{
    size_t count = partition->epoch_count;

    while (count > 0 && (partition->epochs[count - 1].epoch > epoch ||
                         partition->epochs[count - 1].offset >= partition->high_watermark)) {
        count--;
    }
    return count;
}

static int64_t
epoch_end(const struct ks_partition *partition, size_t index)
{
    int64_t end = partition->high_watermark;

    if (index + 1 < partition->epoch_count && partition->epochs[index + 1].offset < end) {
        end = partition->epochs[index + 1].offset;
    }
    return end;
}

bool
ks_partition_epoch_end(const struct ks_partition *partition, int32_t epoch, int32_t *epoch_out,
                       int64_t *end_offset_out)
{
    size_t count = count_epochs(partition, epoch);

    if (epoch < 0 || epoch > partition->reg.epoch) {
        return false;
    }
    *epoch_out = epoch;
    if (epoch == partition->reg.epoch) {
        *end_offset_out = partition->high_watermark;
    } else if (count == 0 || epoch_end(partition, count - 1) <= partition->reg.log_start) {
        /* Nothing of that epoch or before it is left: it ended where the log begins. */
        *end_offset_out = partition->reg.log_start;
    } else {
        *epoch_out = partition->epochs[count - 1].epoch;
        *end_offset_out = epoch_end(partition, count - 1);
    }
    return true;
}

/* --- What others ask --------------------------------------------------------------------- */

int32_t
ks_partition_leader_epoch(const struct ks_partition *partition)
{
    return partition->reg.epoch;
}

int64_t
ks_partition_log_start(const struct ks_partition *partition)
{
    return partition->reg.log_start;
}

int64_t
ks_partition_high_watermark(const struct ks_partition *partition)
{
    return partition->high_watermark;
}

void *
ks_partition_user(const struct ks_partition *partition)
{
    return partition->user;
}

void
ks_partition_set_user(struct ks_partition *partition, void *user)
{
    partition->user = user;
}
