/* SPDX-License-Identifier: Apache-2.0 */
/* Everything that comes is held against what the directory and the entries say of it. */
#include "log/read/bundle_read.h"

#include "log/read/stored_batch.h"

#include <assert.h>

#define READS_MAX 3
#define ENTRIES_KEPT 32

struct bundle_reading {
    struct ks_list link;
    struct ks_log *log;
    struct ks_log_read *read;
    struct ks_bundle *bundle;
    const struct ks_bundle_section *section;
    bool is_gone; /* its partition was forgotten */
    char key[KS_BUNDLE_KEY_BYTES];
    struct kafscale_get get;
    char register_key[KS_BUNDLE_REGISTER_KEY_BYTES];
    struct kafscale_meta_read register_read;
    struct ks_timer retry;
    uint32_t attempts;
    uint32_t damaged; /* of the attempts: what came was not what was stored */
    struct ks_stored_batch *batches;
    size_t batch_count;
};

static void submit(void *arg);

static void
reading_free(struct bundle_reading *reading)
{
    ks_env_cancel_timer(reading->log->env, &reading->retry);
    ks_list_remove(&reading->link);
    ks_bundle_unref(reading->bundle);
    ks_free(reading->batches);
    ks_free(reading);
}

static void
finish(struct bundle_reading *reading, enum kafscale_status status)
{
    struct ks_log *log = reading->log;
    struct ks_log_read *read = reading->read;

    reading_free(reading);
    if (!log->is_freed) {
        read->state = NULL;
        read->done(read, status);
    }
    ks_log_end(log);
}

/* --- Entries ----------------------------------------------------------------------------- */

static void
entries_free(struct ks_bundle_entries *entries)
{
    ks_list_remove(&entries->link);
    ks_bundle_unref(entries->bundle);
    kafscale_blob_unref(entries->bytes);
    ks_free(entries);
}

static struct kafscale_blob *
find_entries(struct ks_log *log, const struct ks_bundle_section *section)
{
    struct ks_list *list = &log->bundle_entries;

    for (struct ks_list *node = list->next; node != list; node = node->next) {
        struct ks_bundle_entries *entries = KS_CONTAINER(node, struct ks_bundle_entries, link);

        if (entries->section == section) {
            ks_list_remove(node);
            ks_list_append(list, node);
            return entries->bytes;
        }
    }
    return NULL;
}

/* Without memory they are read again. */
static void
keep_entries(struct ks_log *log, const struct bundle_reading *reading, struct kafscale_blob *bytes)
{
    struct ks_bundle_entries *entries = ks_alloc_zero(1, sizeof *entries);

    if (entries == NULL) {
        return;
    }
    entries->bundle = ks_bundle_ref(reading->bundle);
    entries->section = reading->section;
    entries->bytes = kafscale_blob_ref(bytes);
    ks_list_append(&log->bundle_entries, &entries->link);
    if (++log->bundle_entries_count > ENTRIES_KEPT) {
        entries_free(KS_CONTAINER(log->bundle_entries.next, struct ks_bundle_entries, link));
        log->bundle_entries_count--;
    }
}

void
ks_bundle_entries_drop(struct ks_log *log)
{
    while (!ks_list_is_empty(&log->bundle_entries)) {
        entries_free(KS_CONTAINER(log->bundle_entries.next, struct ks_bundle_entries, link));
    }
    log->bundle_entries_count = 0;
}

static bool
lies_in_body(const struct ks_bundle_section *section, const struct ks_wal_entry *batch)
{
    return batch->position >= section->body_position &&
           batch->position - section->body_position <= section->body_bytes &&
           batch->size_bytes <= section->body_bytes - (batch->position - section->body_position);
}

static bool
is_wanted(const struct bundle_reading *reading, const struct ks_wal_entry *batch, size_t bytes)
{
    const struct ks_log_read *read = reading->read;

    if (reading->batch_count == 0 && read->is_first_whole) {
        return true;
    }
    return bytes + batch->size_bytes <= read->bytes_max;
}

/* Chooses the batches: side by side, from the first that ends at or above the offset. */
static enum kafscale_status
choose_batches(struct bundle_reading *reading, struct kafscale_blob *entries_bytes)
{
    const struct ks_bundle_section *section = reading->section;
    struct ks_cursor entries = ks_cursor(kafscale_blob_slice(entries_bytes));
    struct ks_bundle_entry entry;
    size_t bytes = 0;

    if (reading->batches == NULL) {
        reading->batches = ks_alloc_zero(section->entry_count, sizeof *reading->batches);
    }
    if (reading->batches == NULL) {
        return KAFSCALE_NO_MEMORY;
    }
    reading->batch_count = 0;
    while (ks_bundle_next_entry(&entries, &entry)) {
        if (entry.batch.last_offset < reading->read->offset) {
            continue;
        }
        if (!lies_in_body(section, &entry.batch) || reading->batch_count == section->entry_count) {
            return KAFSCALE_CORRUPT;
        }
        if (!is_wanted(reading, &entry.batch, bytes)) {
            break;
        }
        bytes += entry.batch.size_bytes;
        reading->batches[reading->batch_count] = ks_stored_batch_of(&entry.batch);
        reading->batches[reading->batch_count++].created_ms = entry.created_ms;
    }
    return entries.failed ? KAFSCALE_CORRUPT : KAFSCALE_OK;
}

/* OK: the batches are read next, or nothing fits into the reader's bytes. */
static enum kafscale_status
plan(struct bundle_reading *reading, struct kafscale_blob *entries)
{
    enum kafscale_status status = choose_batches(reading, entries);
    const struct ks_stored_batch *last;

    if (status != KAFSCALE_OK || reading->batch_count == 0) {
        return status;
    }
    last = &reading->batches[reading->batch_count - 1];
    reading->get.position = reading->batches[0].position;
    reading->get.size_max =
        (size_t) (last->position + last->size_bytes - reading->batches[0].position);
    reading->attempts = 0;
    reading->damaged = 0;
    return KAFSCALE_OK;
}

static enum kafscale_status
take_entries(struct bundle_reading *reading, struct kafscale_blob *body)
{
    const struct ks_bundle_section *section = reading->section;
    struct kafscale_slice bytes = kafscale_blob_slice(body);
    enum kafscale_status status;

    if (bytes.size != section->entries_bytes ||
        ks_crc32c(0, bytes.data, bytes.size) != section->entries_crc) {
        return KAFSCALE_CORRUPT;
    }
    status = plan(reading, body);
    if (status == KAFSCALE_OK && find_entries(reading->log, section) == NULL) {
        keep_entries(reading->log, reading, body);
    }
    return status;
}

/* --- Requests ---------------------------------------------------------------------------- */

static bool
is_over(const struct bundle_reading *reading)
{
    return reading->log->is_freed || reading->log->is_stopped || reading->is_gone;
}

/*
 * The bundle went because everything in it is elsewhere by now. Another that was made of the same
 * slots, too late, may be under its key.
 */
static void
read_elsewhere(struct bundle_reading *reading)
{
    struct ks_log *log = reading->log;
    struct ks_log_read *read = reading->read;

    reading_free(reading);
    ks_log_read_on(log, read);
    ks_log_end(log);
}

static enum kafscale_status
verdict(const struct bundle_reading *reading, enum kafscale_status status)
{
    return ks_stored_batch_verdict(status, reading->attempts, reading->damaged);
}

/*
 * A bundle that isn't there was removed by another broker, which serves the partition now; or it is
 * lost.
 */
static void
on_register(void *arg, enum kafscale_status status, const struct kafscale_meta_entry *entries,
            size_t entry_count, uint64_t revision, const struct kafscale_error *error)
{
    struct bundle_reading *reading = arg;
    struct kafscale_error damage = { 0 };
    struct ks_bundle_register reg;
    uint64_t first;

    (void) revision;
    (void) error;
    if (status != KAFSCALE_OK) {
        finish(reading, KAFSCALE_UNAVAILABLE);
    } else if (entry_count == 0 ||
               (ks_bundle_register_decode(entries[0].key, entries[0].value, &first, &reg,
                                          &damage) == KAFSCALE_OK &&
                (reg.last != reading->bundle->name.last ||
                 reg.attempt != reading->bundle->name.attempt))) {
        finish(reading, KAFSCALE_FENCED);
    } else {
        ks_log_some(reading->log->env, &reading->log->unread, KS_LOG_QUOTA_COUNT,
                    KAFSCALE_LOG_ERROR, "object is missing or damaged key=%s", reading->key);
        finish(reading, verdict(reading, KAFSCALE_NOT_FOUND));
    }
}

static void
explain(struct bundle_reading *reading)
{
    ks_bundle_register_key(&reading->log->sources[reading->bundle->source],
                           reading->bundle->header.first, reading->register_key);
    reading->register_read =
        (struct kafscale_meta_read){ .key = reading->register_key, .is_fresh = true };
    ks_meta_read(reading->log->meta, &reading->register_read, on_register, reading);
}

static void
take_failure(struct bundle_reading *reading, enum kafscale_status status,
             const struct kafscale_error *error)
{
    struct ks_log *log = reading->log;

    reading->attempts++;
    reading->damaged += ks_stored_batch_is_missed(status);
    if (ks_stored_batch_is_missed(status) && reading->attempts >= READS_MAX && !is_over(reading)) {
        explain(reading);
        return;
    }
    if (is_over(reading) || reading->attempts >= READS_MAX) {
        if (!is_over(reading)) {
            ks_log_some(log->env, &log->unread, KS_LOG_QUOTA_COUNT, KAFSCALE_LOG_ERROR,
                        "can't read object key=%s error=%s", reading->key,
                        error != NULL ? error->text : kafscale_status_text(status));
        }
        finish(reading, verdict(reading, status));
        return;
    }
    reading->retry = (struct ks_timer){ .on_due = submit, .arg = reading };
    ks_env_set_timer(log->env, &reading->retry,
                     ks_env_now_ms(log->env) + ks_log_backoff_ms(log, reading->attempts));
}

static void
on_got(void *arg, enum kafscale_status status, struct kafscale_blob *body, uint64_t object_bytes,
       const struct kafscale_error *error)
{
    struct bundle_reading *reading = arg;
    bool has_batches = reading->batch_count > 0;

    (void) object_bytes;
    if (status == KAFSCALE_OK && !reading->log->is_freed) {
        status = has_batches ? ks_stored_batches_take(reading->batches, reading->batch_count, body,
                                                      reading->get.position, reading->read)
                             : take_entries(reading, body);
    }
    if (ks_stored_batch_is_missed(status) && reading->bundle->is_removed && !is_over(reading)) {
        read_elsewhere(reading);
    } else if (status != KAFSCALE_OK) {
        take_failure(reading, status, error);
    } else if (has_batches || reading->batch_count == 0) {
        finish(reading, status);
    } else if (is_over(reading)) {
        finish(reading, KAFSCALE_STOPPED);
    } else {
        submit(reading);
    }
}

static void
submit(void *arg)
{
    struct bundle_reading *reading = arg;

    if (reading->log->is_stopped) {
        finish(reading, KAFSCALE_STOPPED);
        return;
    }
    ks_store_get(reading->log->store, &reading->get, on_got, reading);
}

bool
ks_bundle_read(struct ks_log *log, struct ks_log_read *read, struct ks_bundle *bundle,
               const struct ks_bundle_section *section, enum kafscale_status *status_out)
{
    struct bundle_reading *reading = ks_alloc_zero(1, sizeof *reading);
    struct kafscale_blob *entries = find_entries(log, section);
    enum kafscale_status status = KAFSCALE_OK;

    if (reading == NULL) {
        *status_out = KAFSCALE_NO_MEMORY;
        return true;
    }
    reading->log = log;
    reading->read = read;
    reading->bundle = ks_bundle_ref(bundle);
    reading->section = section;
    ks_bundle_key_of(log, bundle, reading->key);
    reading->get = (struct kafscale_get){ .key = reading->key,
                                          .position = section->entries_position,
                                          .size_max = section->entries_bytes };
    if (entries != NULL) {
        status = plan(reading, entries);
    }
    if (status != KAFSCALE_OK || (entries != NULL && reading->batch_count == 0)) {
        reading_free(reading);
        *status_out = status;
        return true;
    }
    read->state = reading;
    ks_list_append(&log->bundle_readings, &reading->link);
    log->counters.bundle_reads++;
    ks_log_begin(log);
    submit(reading);
    return false;
}

/* --- The end ----------------------------------------------------------------------------- */

void
ks_bundle_readings_forget(struct ks_log *log, const struct ks_partition *partition)
{
    struct ks_list *list = &log->bundle_readings;

    for (struct ks_list *node = list->next; node != list; node = node->next) {
        struct bundle_reading *reading = KS_CONTAINER(node, struct bundle_reading, link);

        reading->is_gone |= reading->read->partition == partition;
    }
}

void
ks_bundle_readings_silence(struct ks_log *log)
{
    struct ks_list *node = log->bundle_readings.next;

    while (node != &log->bundle_readings) {
        struct bundle_reading *reading = KS_CONTAINER(node, struct bundle_reading, link);

        node = node->next;
        if (ks_env_timer_is_set(&reading->retry)) {
            finish(reading, KAFSCALE_STOPPED);
            /* Whoever was answered may have freed the log, and others with it. */
            node = log->bundle_readings.next;
        }
    }
}

void
ks_bundle_readings_drop(struct ks_log *log)
{
    while (!ks_list_is_empty(&log->bundle_readings)) {
        reading_free(KS_CONTAINER(log->bundle_readings.next, struct bundle_reading, link));
    }
}
