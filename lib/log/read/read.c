/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading. Batches still in memory are handed out by reference; older ones are read back from where
 * they lie: their write-ahead object, a bundle, or a segment.
 */
#include "log/read/bundle_read.h"
#include "log/trim/trail.h"
#include "log/read/wal_read.h"

#include <assert.h>

/* --- The tail in memory --- */

static void
uncache(struct ks_log *log, struct ks_cached_batch *cached)
{
    ks_list_remove(&cached->link);
    log->cache_bytes -= cached->bytes.size;
    ks_partition_place(cached->partition, cached->index)->cached = NULL;
    kafscale_blob_unref(cached->owner);
    ks_free(cached);
}

void
ks_cache_add(struct ks_log *log, struct ks_cached_batch *cached)
{
    assert(cached != NULL);
    assert(!ks_list_is_linked(&cached->link));

    ks_list_append(&log->cache, &cached->link);
    log->cache_bytes += cached->bytes.size;
    ks_cache_fit(log);
}

void
ks_cache_fit(struct ks_log *log)
{
    ks_block_cache_fit(log);
    while (log->cache_bytes > 0 &&
           log->cache_bytes + log->blocks.bytes > log->options.cache_bytes_max) {
        struct ks_cached_batch *oldest =
            KS_CONTAINER(log->cache.next, struct ks_cached_batch, link);
        struct ks_partition *partition = oldest->partition;

        uncache(log, oldest);
        ks_partition_trim_places(partition);
    }
}

void
ks_cache_drop_partition(struct ks_log *log, struct ks_partition *partition)
{
    for (size_t i = partition->place_base; i < partition->place_end; i++) {
        struct ks_cached_batch *cached = ks_partition_place(partition, i)->cached;

        if (cached != NULL && ks_list_is_linked(&cached->link)) {
            uncache(log, cached);
        }
    }
}

/* --- Parts --- */

bool
ks_log_read_reserve(struct ks_log_read *read, size_t count)
{
    read->parts = ks_alloc_zero(count, sizeof *read->parts);
    if (read->wants_times) {
        read->created_ms = ks_alloc_zero(count, sizeof *read->created_ms);
    }
    if (read->parts == NULL || (read->wants_times && read->created_ms == NULL)) {
        ks_log_read_release(read);
        return false;
    }
    return true;
}

void
ks_log_read_add(struct ks_log_read *read, struct kafscale_slice bytes, struct kafscale_blob *owner,
                int64_t created_ms)
{
    read->parts[read->part_count] =
        (struct kafscale_part){ .bytes = bytes, .owner = kafscale_blob_ref(owner) };
    if (read->created_ms != NULL) {
        read->created_ms[read->part_count] = created_ms;
    }
    read->size_bytes += bytes.size;
    read->part_count++;
}

/* --- Which batches --- */

/* How many places from `first` on fit into the reader's bytes and are committed. */
static size_t
count_wanted(const struct ks_log_read *read, size_t first)
{
    const struct ks_partition *partition = read->partition;
    size_t bytes = 0;
    size_t count = 0;

    for (size_t i = first; i < partition->place_end; i++) {
        const struct ks_place *place = ks_partition_place(partition, i);

        if (place->last_offset >= partition->high_watermark) {
            break;
        }
        if (bytes + place->size_bytes > read->bytes_max && !(count == 0 && read->is_first_whole)) {
            break;
        }
        bytes += place->size_bytes;
        count++;
    }
    return count;
}

static enum kafscale_status
read_cached(struct ks_log_read *read, size_t first, size_t count)
{
    const struct ks_place *places = ks_partition_place(read->partition, first);

    if (!ks_log_read_reserve(read, count)) {
        return KAFSCALE_NO_MEMORY;
    }
    for (size_t i = 0; i < count && places[i].cached != NULL; i++) {
        ks_log_read_add(read, places[i].cached->bytes, places[i].cached->owner,
                        places[i].created_ms);
    }
    return KAFSCALE_OK;
}

/* --- Where it lies ----------------------------------------------------------------------- */

/* A place whose bytes are neither in memory nor in its slot any more: its section, or NULL. */
static const struct ks_bundle_section *
find_moved(const struct ks_log *log, const struct ks_partition *partition,
           const struct ks_place *place, struct ks_bundle **bundle_out)
{
    const struct ks_trail *trail = ks_trail_find(log, place->source);

    return trail == NULL
               ? NULL
               : ks_trail_find_section(trail, place->sequence, &partition->name,
                                       place->leader_epoch, place->base_offset, bundle_out);
}

const struct ks_bundle_section *
ks_log_section_at(const struct ks_log *log, const struct ks_partition *partition, int64_t offset,
                  struct ks_bundle **bundle_out)
{
    size_t index = ks_partition_find_place(partition, offset);
    size_t bundled = ks_partition_find_bundled(partition, offset);
    const struct ks_place *place =
        index == partition->place_end ? NULL : ks_partition_place(partition, index);

    if (place != NULL && place->base_offset <= offset) {
        return ks_trail_is_trimmed(log, place->source, place->sequence)
                   ? find_moved(log, partition, place, bundle_out)
                   : NULL;
    }
    if (bundled == partition->bundled_count ||
        (place != NULL && partition->bundled[bundled].section->base_offset >= place->base_offset)) {
        return NULL;
    }
    *bundle_out = partition->bundled[bundled].bundle;
    return partition->bundled[bundled].section;
}

void
ks_log_read_on(struct ks_log *log, struct ks_log_read *read)
{
    enum kafscale_status status = KAFSCALE_OK;

    if (ks_log_read(log, read, &status)) {
        read->done(read, status);
    }
}

/* Of a place that was trimmed, and that no bundle has. */
static enum kafscale_status
status_of_moved(const struct ks_log *log, const struct ks_place *place)
{
    bool is_others = place->sequence >= ks_trail_find(log, place->source)->mark;

    /* Another broker has gone on with it; or the log starts above by now. */
    return is_others ? KAFSCALE_FENCED : KAFSCALE_UNAVAILABLE;
}

static bool
is_cached(const struct ks_partition *partition, size_t index, int64_t offset)
{
    const struct ks_place *place =
        index == partition->place_end ? NULL : ks_partition_place(partition, index);

    return place != NULL && place->base_offset <= offset && place->cached != NULL;
}

static bool
begin_read(struct ks_log *log, struct ks_log_read *read, enum kafscale_status *status_out)
{
    struct ks_partition *partition = read->partition;
    size_t first = ks_partition_find_place(partition, read->offset);
    size_t count = count_wanted(read, first);
    const struct ks_bundle_section *section = NULL;
    struct ks_bundle *bundle = NULL;

    read->parts = NULL;
    read->part_count = 0;
    read->size_bytes = 0;
    read->created_ms = NULL;
    read->state = NULL;
    if (read->offset < partition->reg.compacted_upto &&
        read->offset < ks_partition_placed_from(partition) && !log->is_stopped) {
        return ks_cold_read(log, read, status_out);
    }
    if (read->offset < partition->high_watermark && !is_cached(partition, first, read->offset)) {
        section = ks_log_section_at(log, partition, read->offset, &bundle);
    }
    if (count == 0 && section == NULL) {
        *status_out = KAFSCALE_OK;
        return true;
    }
    if (log->is_stopped) {
        *status_out = KAFSCALE_STOPPED;
        return true;
    }
    if (section != NULL) {
        return ks_bundle_read(log, read, bundle, section, status_out);
    }
    if (ks_partition_place(partition, first)->cached != NULL) {
        *status_out = read_cached(read, first, count);
        return true;
    }
    if (ks_trail_is_trimmed(log, ks_partition_place(partition, first)->source,
                            ks_partition_place(partition, first)->sequence)) {
        *status_out = status_of_moved(log, ks_partition_place(partition, first));
        return true;
    }
    return ks_wal_read(log, read, ks_partition_place(partition, first), count, status_out);
}

bool
ks_log_read(struct ks_log *log, struct ks_log_read *read, enum kafscale_status *status_out)
{
    bool is_done = begin_read(log, read, status_out);

    if (!read->can_wait) {
        log->counters.reads_at_hand += is_done && read->part_count > 0;
        log->counters.reads_from_store += !is_done;
    }
    if (!is_done && !read->can_wait &&
        ks_store_counters(log->store)->in_flight > ks_store_window(log->store)) {
        ks_pace_press(&log->pace, ks_env_now_ms(log->env));
    }
    return is_done;
}

void
ks_readings_forget(struct ks_log *log, const struct ks_partition *partition)
{
    ks_wal_readings_forget(log, partition);
    ks_bundle_readings_forget(log, partition);
}

void
ks_readings_silence(struct ks_log *log)
{
    ks_wal_readings_silence(log);
    ks_bundle_readings_silence(log);
}

void
ks_readings_drop(struct ks_log *log)
{
    ks_wal_readings_drop(log);
    ks_bundle_readings_drop(log);
}

void
ks_log_read_release(struct ks_log_read *read)
{
    for (size_t i = 0; i < read->part_count; i++) {
        kafscale_blob_unref(read->parts[i].owner);
    }
    ks_free(read->parts);
    ks_free(read->created_ms);
    read->parts = NULL;
    read->created_ms = NULL;
    read->part_count = 0;
    read->size_bytes = 0;
}
