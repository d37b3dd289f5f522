/* SPDX-License-Identifier: Apache-2.0 */
/*
 * As many neighbours at once as the reader may have, each checked against length and checksum of
 * the directory.
 */
#include "log/read/wal_read.h"

#include "log/read/reread.h"
#include "log/read/stored_batch.h"
#include "log/trim/trim.h"

#define READS_MAX 3
/*
 * Neighbours in an object are read with one GET while the bytes of others between them stay
 * below this.
 */
#define GAP_BYTES_MAX (64u << 10)

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
    } else if (ks_trail_is_trimmed(log, reading->source, reading->sequence)) {
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
        ks_log_some(reading->log->env, &reading->log->unread, KS_LOG_QUOTA_COUNT,
                    KAFSCALE_LOG_ERROR, "object is missing or damaged key=%s", reading->key);
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
        !reading->is_gone && ks_trail_is_trimmed(log, reading->source, reading->sequence)) {
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
            ks_log_some(log->env, &log->unread, KS_LOG_QUOTA_COUNT, KAFSCALE_LOG_ERROR,
                        "can't read object key=%s error=%s", reading->key,
                        error != NULL ? error->text : kafscale_status_text(status));
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

static struct reading *
reading_new(struct ks_log *log, struct ks_log_read *read, const struct ks_place *places,
            size_t count)
{
    struct reading *reading =
        ks_alloc_zero(1, sizeof *reading + count * sizeof reading->batches[0]);
    const struct ks_place *last = &places[count - 1];

    if (reading == NULL) {
        return NULL;
    }
    reading->log = log;
    reading->read = read;
    reading->count = count;
    for (size_t i = 0; i < count; i++) {
        reading->batches[i] = (struct ks_stored_batch){ .base_offset = places[i].base_offset,
                                                        .position = places[i].position,
                                                        .created_ms = places[i].created_ms,
                                                        .size_bytes = places[i].size_bytes,
                                                        .crc = places[i].crc };
    }
    reading->source = places[0].source;
    reading->sequence = places[0].sequence;
    ks_wal_key(log->ns, &log->sources[places[0].source], places[0].sequence, reading->key);
    reading->get = (struct kafscale_get){
        .key = reading->key,
        .position = places[0].position,
        .size_max = (size_t) (last->position + last->size_bytes - places[0].position),
    };
    return reading;
}

bool
ks_wal_read(struct ks_log *log, struct ks_log_read *read, const struct ks_place *places,
            size_t count, enum kafscale_status *status_out)
{
    struct reading *reading = reading_new(log, read, places, count_together(places, count));

    if (reading == NULL) {
        *status_out = KAFSCALE_NO_MEMORY;
        return true;
    }
    read->state = reading;
    ks_list_append(&log->wal_readings, &reading->link);
    ks_log_begin(log);
    submit(reading);
    return false;
}

/* --- The end ----------------------------------------------------------------------------- */

void
ks_wal_readings_forget(struct ks_log *log, const struct ks_partition *partition)
{
    for (struct ks_list *node = log->wal_readings.next; node != &log->wal_readings;
         node = node->next) {
        struct reading *reading = KS_CONTAINER(node, struct reading, link);

        reading->is_gone |= reading->read->partition == partition;
    }
}

void
ks_wal_readings_silence(struct ks_log *log)
{
    struct ks_list *node = log->wal_readings.next;

    while (node != &log->wal_readings) {
        struct reading *reading = KS_CONTAINER(node, struct reading, link);

        node = node->next;
        if (ks_env_timer_is_set(&reading->retry)) {
            ks_env_cancel_timer(log->env, &reading->retry);
            finish(reading, KAFSCALE_STOPPED);
            /* Whoever was answered may have freed the log, and others with it. */
            node = log->wal_readings.next;
        }
    }
}

void
ks_wal_readings_drop(struct ks_log *log)
{
    struct ks_list *node;

    while ((node = ks_list_take_first(&log->wal_readings)) != NULL) {
        struct reading *reading = KS_CONTAINER(node, struct reading, link);

        ks_env_cancel_timer(log->env, &reading->retry);
        ks_free(reading);
    }
}
