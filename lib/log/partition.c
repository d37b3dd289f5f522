/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The places of a partition's batches are one sorted array, appended at its end and searched by
 * halving.
 */
#include "log/partition.h"

#include <assert.h>

#define PLACES_MIN 16u

struct ks_partition *
ks_partition_new(const struct ks_partition_name *name, const char *topic_name,
                 const struct ks_log_options *options, uint64_t seed)
{
    struct ks_partition *partition = ks_alloc_zero(1, sizeof *partition);

    if (partition == NULL) {
        return NULL;
    }
    partition->name = *name;
    partition->topic_name = ks_copy_text(topic_name);
    if (partition->topic_name == NULL) {
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
    for (size_t i = 0; i < partition->place_count; i++) {
        struct ks_cached_batch *cached = partition->places[i].cached;

        if (cached != NULL) {
            ks_list_remove(&cached->link);
            kafscale_blob_unref(cached->owner);
            ks_free(cached);
        }
    }
    ks_producer_table_deinit(&partition->producers);
    ks_register_deinit(&partition->reg);
    ks_free(partition->places);
    ks_free(partition->topic_name);
    ks_free(partition);
}

static bool
reserve_place(struct ks_partition *partition)
{
    size_t capacity = partition->place_capacity * 2;
    struct ks_place *places;

    if (partition->place_count < partition->place_capacity) {
        return true;
    }
    if (capacity < PLACES_MIN) {
        capacity = PLACES_MIN;
    }
    places = ks_realloc(partition->places, capacity * sizeof *places);
    if (places == NULL) {
        return false;
    }
    partition->places = places;
    partition->place_capacity = capacity;
    return true;
}

enum kafscale_status
ks_partition_add_place(struct ks_partition *partition, const struct ks_wal_entry *entry,
                       int32_t leader_epoch, uint32_t source, uint64_t sequence, uint64_t position)
{
    const struct ks_place *last;
    struct ks_place *place;

    assert(entry->base_offset == partition->end_offset);

    if (!reserve_place(partition)) {
        return KAFSCALE_NO_MEMORY;
    }
    last = partition->place_count > 0 ? &partition->places[partition->place_count - 1] : NULL;
    place = &partition->places[partition->place_count++];
    *place = (struct ks_place){
        .base_offset = entry->base_offset,
        .last_offset = entry->last_offset,
        .max_timestamp_so_far_ms = entry->max_timestamp_ms,
        .bytes_before = last == NULL ? 0 : last->bytes_before + last->size_bytes,
        .sequence = sequence,
        .position = position,
        .size_bytes = entry->size_bytes,
        .crc = entry->crc,
        .source = source,
        .leader_epoch = leader_epoch,
    };
    if (last != NULL && last->max_timestamp_so_far_ms > place->max_timestamp_so_far_ms) {
        place->max_timestamp_so_far_ms = last->max_timestamp_so_far_ms;
    }
    partition->end_offset = entry->last_offset + 1;
    return KAFSCALE_OK;
}

enum kafscale_status
ks_partition_note_producer(struct ks_partition *partition, const struct ks_wal_entry *entry,
                           int64_t now_ms)
{
    struct ks_producer_batch batch = { .first_sequence = entry->first_sequence,
                                       .last_sequence = entry->last_sequence,
                                       .base_offset = entry->base_offset,
                                       .last_offset = entry->last_offset };

    if (entry->producer_id < 0 || (entry->attributes & KS_BATCH_CONTROL) != 0) {
        return KAFSCALE_OK;
    }
    return ks_producer_note(&partition->producers, entry->producer_id, entry->producer_epoch,
                            &batch, now_ms);
}

size_t
ks_partition_find_place(const struct ks_partition *partition, int64_t offset)
{
    size_t low = 0;
    size_t high = partition->place_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (partition->places[middle].last_offset < offset) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* How many of the places are committed. */
static size_t
committed_count(const struct ks_partition *partition)
{
    return ks_partition_find_place(partition, partition->high_watermark);
}

size_t
ks_partition_batch_bytes(const struct ks_partition *partition, int64_t offset)
{
    size_t place = ks_partition_find_place(partition, offset);

    return place < committed_count(partition) ? partition->places[place].size_bytes : 0;
}

size_t
ks_partition_bytes_from(const struct ks_partition *partition, int64_t offset, size_t bytes_max)
{
    size_t first = ks_partition_find_place(partition, offset);
    size_t end = committed_count(partition);
    uint64_t bytes;

    if (first >= end) {
        return 0;
    }
    bytes = partition->places[end - 1].bytes_before + partition->places[end - 1].size_bytes -
            partition->places[first].bytes_before;
    return bytes < bytes_max ? (size_t) bytes : bytes_max;
}

int64_t
ks_partition_batch_by_time(const struct ks_partition *partition, int64_t timestamp_ms)
{
    size_t low = ks_partition_find_place(partition, partition->reg.log_start);
    size_t end = committed_count(partition);
    size_t high = end;

    if (low >= end) {
        return -1;
    }
    if (timestamp_ms > partition->places[end - 1].max_timestamp_so_far_ms) {
        if (timestamp_ms != INT64_MAX) {
            return -1;
        }
        timestamp_ms = partition->places[end - 1].max_timestamp_so_far_ms;
    }
    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (partition->places[middle].max_timestamp_so_far_ms < timestamp_ms) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return partition->places[low].base_offset;
}

bool
ks_partition_epoch_end(const struct ks_partition *partition, int32_t epoch, int32_t *epoch_out,
                       int64_t *end_offset_out)
{
    size_t first = ks_partition_find_place(partition, partition->reg.log_start);
    size_t low = first;
    size_t high = committed_count(partition);

    if (epoch < 0 || epoch > partition->reg.epoch) {
        return false;
    }
    if (epoch == partition->reg.epoch) {
        *epoch_out = epoch;
        *end_offset_out = partition->high_watermark;
        return true;
    }
    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (partition->places[middle].leader_epoch <= epoch) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    /* Nothing of that epoch or before it is left: it ended where the log begins. */
    if (low == first) {
        *epoch_out = epoch;
        *end_offset_out = partition->reg.log_start;
        return true;
    }
    *epoch_out = partition->places[low - 1].leader_epoch;
    *end_offset_out = partition->places[low - 1].last_offset + 1;
    return true;
}

const struct ks_partition_name *
ks_partition_name_of(const struct ks_partition *partition)
{
    return &partition->name;
}

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
