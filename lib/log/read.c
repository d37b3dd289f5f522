/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading. Batches still in memory are handed out by reference; older ones are read back from
 * their write-ahead object, as many neighbours at once as the reader may have, each checked
 * against length and checksum of the directory.
 */
#include "log/bundle_read.h"
#include "log/reread.h"
#include "log/stored_batch.h"
#include "log/trim.h"

#include <assert.h>
#include <inttypes.h>

#define READS_MAX 3
/*
 * Neighbours in an object are read with one GET while the bytes of others between them stay
 * below this.
 */
#define GAP_BYTES_MAX (64u << 10)

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

    read->parts = ks_alloc_zero(count, sizeof *read->parts);
    if (read->parts == NULL) {
        return KAFSCALE_NO_MEMORY;
    }
    for (size_t i = 0; i < count && places[i].cached != NULL; i++) {
        read->parts[i].bytes = places[i].cached->bytes;
        read->parts[i].owner = kafscale_blob_ref(places[i].cached->owner);
        read->size_bytes += places[i].size_bytes;
        read->part_count++;
    }
    return KAFSCALE_OK;
}

/* --- Reading back --- */

struct reading {
    struct ks_list link;
    struct ks_log *log;
    struct ks_log_read *read;
    uint32_t source;
    uint64_t sequence;
    char key[KS_WAL_KEY_BYTES];
    struct kafscale_get get;
    char mark_key[KS_REGISTER_KEY_BYTES];
    struct kafscale_meta_read mark_read;
    struct ks_reread_wait reread;
    struct ks_timer retry;
    uint32_t attempts;
    bool is_gone;     /* its partition was forgotten: nobody minds that objects go */
    uint32_t damaged; /* of the attempts: what came was not what was stored */
    size_t count;
    struct ks_stored_batch batches[]; /* the partition may be gone when they arrive */
};

static void submit(struct reading *reading);

static void
finish(struct reading *reading, enum kafscale_status status)
{
    struct ks_log *log = reading->log;
    struct ks_log_read *read = reading->read;

    ks_list_remove(&reading->link);
    ks_free(reading);
    if (!log->is_freed) {
        read->state = NULL;
        read->done(read, status);
    }
    ks_log_end(log);
}

static void
retry(void *arg)
{
    struct reading *reading = arg;

    if (reading->log->is_stopped) {
        finish(reading, KAFSCALE_STOPPED);
        return;
    }
    submit(reading);
}

static enum kafscale_status
verdict(const struct reading *reading, enum kafscale_status status)
{
    return ks_stored_batch_verdict(status, reading->attempts, reading->damaged);
}

/* Whether a slot is below its log's trim mark: what is needed of it is elsewhere. */
static bool
is_trimmed(const struct ks_log *log, uint32_t source, uint64_t sequence)
{
    const struct ks_trail *trail = ks_trail_find(log, source);

    return trail != NULL && (sequence < trail->mark || sequence < trail->moved_to);
}

static void
read_elsewhere(struct reading *reading)
{
    struct ks_log *log = reading->log;
    struct ks_log_read *read = reading->read;

    ks_list_remove(&reading->link);
    ks_free(reading);
    ks_log_read_on(log, read);
    ks_log_end(log);
}

/* Without a bundle of it what the slot held lies in segments: another broker went on with them. */
static void
on_reread(struct ks_reread_wait *wait, enum kafscale_status status)
{
    struct reading *reading = KS_CONTAINER(wait, struct reading, reread);
    struct ks_log *log = reading->log;

    if (log->is_stopped || log->is_freed || reading->is_gone) {
        finish(reading, KAFSCALE_STOPPED);
    } else if (status != KAFSCALE_OK) {
        finish(reading, KAFSCALE_UNAVAILABLE);
    } else if (is_trimmed(log, reading->source, reading->sequence)) {
        read_elsewhere(reading);
    } else {
        finish(reading, KAFSCALE_FENCED);
    }
}

/* Another broker has trimmed the slot: what is still needed is in a bundle. */
static void
find_bundle(struct reading *reading)
{
    struct ks_log *log = reading->log;

    if (log->is_stopped || log->is_freed || reading->is_gone) {
        finish(reading, KAFSCALE_STOPPED);
        return;
    }
    reading->reread.done = on_reread;
    if (ks_reread_start(log, reading->source, &reading->reread) != KAFSCALE_OK) {
        finish(reading, KAFSCALE_UNAVAILABLE);
    }
}

/* An object that isn't there, or isn't itself, was trimmed by another broker; or it is lost. */
static void
on_mark(void *arg, enum kafscale_status status, const struct kafscale_meta_entry *entries,
        size_t entry_count, uint64_t revision, const struct kafscale_error *error)
{
    struct reading *reading = arg;

    (void) revision;
    (void) error;
    if (status != KAFSCALE_OK) {
        finish(reading, KAFSCALE_UNAVAILABLE);
    } else if (ks_trim_mark_of(entries, entry_count) > reading->sequence) {
        find_bundle(reading);
    } else {
        ks_log(&reading->log->env->logger, KAFSCALE_LOG_ERROR, "object '%s' is missing or damaged",
               reading->key);
        finish(reading, verdict(reading, KAFSCALE_NOT_FOUND));
    }
}

static void
explain(struct reading *reading)
{
    ks_trim_key(&reading->log->sources[reading->source], reading->mark_key);
    reading->mark_read = (struct kafscale_meta_read){ .key = reading->mark_key, .is_fresh = true };
    ks_meta_read(reading->log->meta, &reading->mark_read, on_mark, reading);
}

static void
on_got(void *arg, enum kafscale_status status, struct kafscale_blob *body, uint64_t object_bytes,
       const struct kafscale_error *error)
{
    struct reading *reading = arg;
    struct ks_log *log = reading->log;

    (void) object_bytes;
    if (status == KAFSCALE_OK && !log->is_freed) {
        status = ks_stored_batches_take(reading->batches, reading->count, body,
                                        reading->get.position, reading->read);
    }
    if (ks_stored_batch_is_missed(status) && !log->is_freed && !log->is_stopped &&
        !reading->is_gone && is_trimmed(log, reading->source, reading->sequence)) {
        read_elsewhere(reading);
        return;
    }
    reading->attempts++;
    reading->damaged += ks_stored_batch_is_missed(status);
    if (ks_stored_batch_is_missed(status) && reading->attempts >= READS_MAX && !log->is_stopped &&
        !log->is_freed && !reading->is_gone) {
        explain(reading);
        return;
    }
    if (status == KAFSCALE_OK || log->is_stopped || log->is_freed || reading->is_gone ||
        reading->attempts >= READS_MAX) {
        if (status != KAFSCALE_OK && !log->is_freed && !reading->is_gone) {
            ks_log(&log->env->logger, KAFSCALE_LOG_ERROR, "can't read object '%s': %s",
                   reading->key, error != NULL ? error->text : kafscale_status_text(status));
        }
        finish(reading, status == KAFSCALE_OK ? status : verdict(reading, status));
        return;
    }
    reading->retry = (struct ks_timer){ .on_due = retry, .arg = reading };
    ks_env_set_timer(log->env, &reading->retry,
                     ks_env_now_ms(log->env) + ks_log_backoff_ms(log, reading->attempts));
}

static void
submit(struct reading *reading)
{
    ks_store_get(reading->log->store, &reading->get, on_got, reading);
}

/*
 * How many of the places from `first` on one GET brings: same object, little between them, none
 * in memory.
 */
static size_t
count_together(const struct ks_place *places, size_t count)
{
    size_t n = 1;

    while (n < count && places[n].cached == NULL && places[n].source == places[0].source &&
           places[n].sequence == places[0].sequence &&
           places[n].position - (places[n - 1].position + places[n - 1].size_bytes) <=
               GAP_BYTES_MAX) {
        n++;
    }
    return n;
}

static enum kafscale_status
read_back(struct ks_log *log, struct ks_log_read *read, size_t first, size_t count)
{
    const struct ks_place *places = ks_partition_place(read->partition, first);
    struct reading *reading;

    count = count_together(places, count);
    reading = ks_alloc_zero(1, sizeof *reading + count * sizeof reading->batches[0]);
    if (reading == NULL) {
        return KAFSCALE_NO_MEMORY;
    }
    reading->log = log;
    reading->read = read;
    reading->count = count;
    for (size_t i = 0; i < count; i++) {
        reading->batches[i] = (struct ks_stored_batch){ .base_offset = places[i].base_offset,
                                                        .position = places[i].position,
                                                        .size_bytes = places[i].size_bytes,
                                                        .crc = places[i].crc };
    }
    reading->source = places[0].source;
    reading->sequence = places[0].sequence;
    ks_wal_key(log->ns, &log->sources[places[0].source], places[0].sequence, reading->key);
    reading->get = (struct kafscale_get){
        .key = reading->key,
        .position = places[0].position,
        .size_max = (size_t) (places[count - 1].position + places[count - 1].size_bytes -
                              places[0].position),
    };
    read->state = reading;
    ks_list_append(&log->readings, &reading->link);
    ks_log_begin(log);
    submit(reading);
    return KAFSCALE_OK;
}

void
ks_readings_forget(struct ks_log *log, const struct ks_partition *partition)
{
    for (struct ks_list *node = log->readings.next; node != &log->readings; node = node->next) {
        struct reading *reading = KS_CONTAINER(node, struct reading, link);

        reading->is_gone |= reading->read->partition == partition;
    }
    ks_bundle_readings_forget(log, partition);
}

void
ks_readings_silence(struct ks_log *log)
{
    struct ks_list *node = log->readings.next;

    while (node != &log->readings) {
        struct reading *reading = KS_CONTAINER(node, struct reading, link);

        node = node->next;
        if (ks_env_timer_is_set(&reading->retry)) {
            ks_env_cancel_timer(log->env, &reading->retry);
            finish(reading, KAFSCALE_STOPPED);
            /* Whoever was answered may have freed the log, and others with it. */
            node = log->readings.next;
        }
    }
}

void
ks_readings_drop(struct ks_log *log)
{
    struct ks_list *node;

    while ((node = ks_list_take_first(&log->readings)) != NULL) {
        struct reading *reading = KS_CONTAINER(node, struct reading, link);

        ks_env_cancel_timer(log->env, &reading->retry);
        ks_free(reading);
    }
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
        return is_trimmed(log, place->source, place->sequence)
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
    if (is_trimmed(log, ks_partition_place(partition, first)->source,
                   ks_partition_place(partition, first)->sequence)) {
        *status_out = status_of_moved(log, ks_partition_place(partition, first));
        return true;
    }
    *status_out = read_back(log, read, first, count);
    return *status_out != KAFSCALE_OK;
}

bool
ks_log_read(struct ks_log *log, struct ks_log_read *read, enum kafscale_status *status_out)
{
    bool is_done = begin_read(log, read, status_out);

    if (!is_done && !read->can_wait &&
        ks_store_counters(log->store)->in_flight > ks_store_window(log->store)) {
        ks_pace_press(&log->pace, ks_env_now_ms(log->env));
    }
    return is_done;
}

void
ks_log_read_release(struct ks_log_read *read)
{
    for (size_t i = 0; i < read->part_count; i++) {
        kafscale_blob_unref(read->parts[i].owner);
    }
    ks_free(read->parts);
    read->parts = NULL;
    read->part_count = 0;
    read->size_bytes = 0;
}
