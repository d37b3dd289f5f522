/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Step by step, each safe to die after: until the transaction the slots are what counts, and the
 * object is garbage or will be found by whoever bundles the same slots; from then on the bundle is.
 */
#include "log/bundle/bundler.h"

#include "log/read/stored_batch.h"

#include <assert.h>
#include <inttypes.h>

#define READS_MAX 5
#define FAILURE_PAUSE_MS 1000

static void gather(void *arg);
static void put(void *arg);
static void commit(void *arg);
static void read_mark(void *arg);
static void look_at_found(struct ks_bundler *bundler, size_t size_max);

static void
bundler_free(struct ks_bundler *bundler)
{
    struct ks_env *env = bundler->trimmer->log->env;

    bundler->trimmer->bundler = NULL;
    ks_env_cancel_timer(env, &bundler->retry);
    ks_env_cancel_task(&bundler->task);
    ks_bundle_build_deinit(&bundler->build);
    ks_bundle_unref(bundler->bundle);
    ks_free(bundler);
}

static void
finish(struct ks_bundler *bundler)
{
    struct ks_trimmer *trimmer = bundler->trimmer;

    bundler_free(bundler);
    ks_trimmer_step_done(trimmer);
}

/* For want of memory, mostly: it is tried again, but not at once. */
static void
fail(struct ks_bundler *bundler)
{
    ks_log_note_failure(bundler->trail->log, KS_LOG_CHORE_BUNDLE, NULL);
    bundler->trail->bundled_after_ms = ks_env_now_ms(bundler->trail->log->env) + FAILURE_PAUSE_MS;
    finish(bundler);
}

/* Something is not as it must be: this log is left alone. */
static void
lose(struct ks_bundler *bundler, const char *what)
{
    struct ks_log *log = bundler->trimmer->log;

    ks_log(&log->env->logger, KAFSCALE_LOG_ERROR, "old objects of a log stay key=%s reason=%s",
           bundler->key, what);
    ks_log_note_failure(log, KS_LOG_CHORE_BUNDLE, what);
    ks_log_note_rest(log, KS_LOG_CHORE_BUNDLE);
    bundler->trail->is_lost = true;
    finish(bundler);
}

static void
wait(struct ks_bundler *bundler, void (*on_due)(void *))
{
    struct ks_log *log = bundler->trimmer->log;

    ks_log_note_failure(log, KS_LOG_CHORE_BUNDLE, NULL);
    ks_env_cancel_timer(log->env, &bundler->retry);
    bundler->retry = (struct ks_timer){ .on_due = on_due, .arg = bundler };
    ks_env_set_timer(log->env, &bundler->retry,
                     ks_env_now_ms(log->env) + ks_log_backoff_ms(log, bundler->attempts++));
}

/* Before each request. False: the log is going, and the bundler is gone. */
static bool
begin(struct ks_bundler *bundler)
{
    if (ks_trimmer_is_over(bundler->trimmer->log)) {
        finish(bundler);
        return false;
    }
    bundler->is_asking = true;
    ks_log_begin(bundler->trimmer->log);
    return true;
}

/* After each. False: as begin, and ks_log_end was called. */
static bool
is_answered(struct ks_bundler *bundler)
{
    struct ks_log *log = bundler->trimmer->log;

    bundler->is_asking = false;
    if (ks_trimmer_is_over(log)) {
        finish(bundler);
        ks_log_end(log);
        return false;
    }
    return true;
}

/* --- Gathering --------------------------------------------------------------------------- */

/* The bytes of a batch in the tail cache, or none. */
static struct ks_cached_batch *
find_cached(const struct ks_bundler *bundler, const struct ks_trail_run *run,
            const struct ks_wal_entry *entry)
{
    const struct ks_partition *partition = ks_log_find(bundler->trimmer->log, &run->key.partition);
    const struct ks_place *place;
    size_t index;

    if (partition == NULL) {
        return NULL;
    }
    index = ks_partition_find_place(partition, entry->base_offset);
    if (index == partition->place_end) {
        return NULL;
    }
    place = ks_partition_place(partition, index);
    return place->base_offset == entry->base_offset && place->crc == entry->crc &&
                   place->source == bundler->trail->source && place->sequence == bundler->next
               ? place->cached
               : NULL;
}

/* The batch in the object that was read; CORRUPT when it isn't what the directory says. */
static enum kafscale_status
find_read(const struct ks_trail_slot *slot, struct kafscale_blob *body,
          const struct ks_wal_entry *entry, struct kafscale_slice *bytes_out)
{
    struct kafscale_slice bytes = kafscale_blob_slice(body);
    size_t head_bytes = kafscale_blob_size(slot->head);
    struct ks_stored_batch stored = ks_stored_batch_of(entry);
    struct kafscale_error error = { 0 };
    struct ks_batch batch;

    if (bytes.size < head_bytes ||
        ks_stored_batch_find(&stored, ks_slice(bytes.data + head_bytes, bytes.size - head_bytes), 0,
                             &batch, &error) != KAFSCALE_OK) {
        return KAFSCALE_CORRUPT;
    }
    *bytes_out = batch.bytes;
    return KAFSCALE_OK;
}

/* NOT_FOUND: not in the cache, and the object was not read. */
static enum kafscale_status
take_entry(struct ks_bundler *bundler, struct ks_trail_run *run, const struct ks_wal_entry *entry,
           struct kafscale_blob *body)
{
    const struct ks_trail_slot *slot = ks_trail_slot(bundler->trail, bundler->next);
    struct ks_cached_batch *cached = find_cached(bundler, run, entry);
    struct ks_bundle_item item = {
        .run = run,
        .entry = { .slot = bundler->next, .created_ms = slot->header.created_ms, .batch = *entry }
    };

    if (cached != NULL) {
        item.bytes = cached->bytes;
        item.owner = cached->owner;
    } else if (body == NULL) {
        return KAFSCALE_NOT_FOUND;
    } else {
        enum kafscale_status status = find_read(slot, body, entry, &item.bytes);

        if (status != KAFSCALE_OK) {
            return status;
        }
        item.owner = body;
    }
    return ks_bundle_build_add(&bundler->build, &item);
}

static enum kafscale_status
take_section(struct ks_bundler *bundler, const struct ks_wal_section *section,
             struct kafscale_blob *body)
{
    struct ks_section_key key = ks_wal_section_key(section);
    struct ks_trail_run *run = ks_trail_find_run(bundler->trail, &key);
    struct ks_cursor entries = ks_cursor(section->entries);
    enum kafscale_status status = KAFSCALE_OK;
    struct ks_wal_entry entry;

    while (status == KAFSCALE_OK && ks_wal_next_entry(&entries, &entry)) {
        enum ks_coverage coverage =
            ks_trail_coverage(bundler->trimmer->log, &key.partition, entry.last_offset);

        if (coverage == KS_COVERED) {
            continue;
        }
        if (run == NULL) {
            return KAFSCALE_UNSUPPORTED;
        }
        status = take_entry(bundler, run, &entry, body);
    }
    return status;
}

/* All batches of the next slot, or none of them. */
static enum kafscale_status
take_slot(struct ks_bundler *bundler, struct kafscale_blob *body)
{
    struct ks_cursor directory = ks_cursor(ks_trail_slot(bundler->trail, bundler->next)->directory);
    enum kafscale_status status = KAFSCALE_OK;
    size_t count = bundler->build.item_count;
    struct ks_wal_section section;

    while (status == KAFSCALE_OK && ks_wal_next_section(&directory, &section)) {
        status = take_section(bundler, &section, body);
    }
    if (status == KAFSCALE_OK) {
        bundler->next++;
        return status;
    }
    while (bundler->build.item_count > count) {
        kafscale_blob_unref(bundler->build.items[--bundler->build.item_count].owner);
    }
    return status;
}

static void
on_slot(void *arg, enum kafscale_status status, struct kafscale_blob *body, uint64_t object_bytes,
        const struct kafscale_error *error)
{
    struct ks_bundler *bundler = arg;
    struct ks_log *log = bundler->trimmer->log;

    (void) object_bytes;
    (void) error;
    if (!is_answered(bundler)) {
        return;
    }
    if (status == KAFSCALE_OK) {
        status = take_slot(bundler, body);
    }
    bundler->damaged_reads += status == KAFSCALE_CORRUPT || status == KAFSCALE_NOT_FOUND;
    if (status == KAFSCALE_OK) {
        bundler->attempts = 0;
        bundler->damaged_reads = 0;
        ks_env_defer(log->env, &bundler->task);
    } else if (bundler->damaged_reads >= READS_MAX) {
        lose(bundler, "is missing or damaged");
    } else {
        wait(bundler, gather);
    }
    ks_log_end(log);
}

static void
get_slot(struct ks_bundler *bundler)
{
    struct ks_log *log = bundler->trimmer->log;

    if (!begin(bundler)) {
        return;
    }
    ks_wal_key(log->ns, &bundler->trail->incarnation, bundler->next, bundler->key);
    bundler->get = (struct kafscale_get){ .key = bundler->key, .size_max = SIZE_MAX };
    log->counters.bundle_gets++;
    ks_store_get(log->store, &bundler->get, on_slot, bundler);
}

static struct ks_bundle_name
name_of(const struct ks_bundler *bundler)
{
    return (struct ks_bundle_name){ .first = bundler->first, .last = bundler->end - 1 };
}

static void
set_key(struct ks_bundler *bundler)
{
    struct ks_bundle_name name = name_of(bundler);

    ks_bundle_key(bundler->trail->log->ns, &bundler->trail->incarnation, &name, bundler->key);
}

/* All is gathered: the bytes are made, and stay what they are. */
static void
freeze(struct ks_bundler *bundler)
{
    struct ks_trail *trail = bundler->trail;
    struct kafscale_error error = { 0 };
    enum kafscale_status status;

    if (bundler->build.item_count == 0) {
        finish(bundler);
        return;
    }
    ks_trail_advance_states(trail, bundler->end);
    if (trail->is_lost) {
        finish(bundler);
        return;
    }
    status = ks_bundle_build_finish(&bundler->build, bundler->end - 1);
    if (status == KAFSCALE_OK) {
        struct ks_bundle_name name = name_of(bundler);

        status = ks_bundle_new(trail->log, trail->source, &name,
                               ks_buffer_slice(&bundler->build.head), &bundler->bundle, &error);
    }
    if (status != KAFSCALE_OK) {
        /* Of a topic that was deleted meanwhile a part may be there: next time nothing is. */
        trail->is_lost = status == KAFSCALE_CORRUPT && ++trail->failures > 3;
        fail(bundler);
        return;
    }
    trail->failures = 0;
    set_key(bundler);
    put(bundler);
}

/* One slot in a turn of the loop. */
static void
gather(void *arg)
{
    struct ks_bundler *bundler = arg;
    enum kafscale_status status;

    if (ks_trimmer_is_over(bundler->trimmer->log)) {
        finish(bundler);
        return;
    }
    if (bundler->next == bundler->end) {
        freeze(bundler);
        return;
    }
    status = take_slot(bundler, NULL);
    if (status == KAFSCALE_OK) {
        ks_env_defer(bundler->trimmer->log->env, &bundler->task);
    } else if (status == KAFSCALE_NOT_FOUND) {
        get_slot(bundler);
    } else {
        fail(bundler);
    }
}

/* --- The object -------------------------------------------------------------------------- */

static void
on_put(void *arg, enum kafscale_status status, const struct kafscale_error *error)
{
    struct ks_bundler *bundler = arg;
    struct ks_log *log = bundler->trimmer->log;

    if (!is_answered(bundler)) {
        return;
    }
    if (status == KAFSCALE_OK || ks_is_planted(KS_PLANTED_BUNDLE_NOT_DURABLE)) {
        bundler->attempts = 0;
        commit(bundler);
    } else if (status == KAFSCALE_EXISTS) {
        look_at_found(bundler, bundler->build.head.size);
    } else if (status == KAFSCALE_FAILED) {
        ks_log_fail(log, error);
        finish(bundler);
    } else {
        wait(bundler, put);
    }
    ks_log_end(log);
}

static void
put(void *arg)
{
    struct ks_bundler *bundler = arg;

    if (!begin(bundler)) {
        return;
    }
    bundler->put = (struct kafscale_put){ .key = bundler->key,
                                          .parts = bundler->build.parts,
                                          .part_count = bundler->build.part_count,
                                          .if_absent = true };
    ks_store_put(bundler->trimmer->log->store, &bundler->put, on_put, bundler);
}

/*
 * What is under the key was made of the same slots, by an earlier try or another broker, and
 * perhaps with other sections left out. It is what gets registered. FULL: more bytes are needed.
 */
static enum kafscale_status
take_found(struct ks_bundler *bundler, struct kafscale_slice bytes, uint64_t object_bytes,
           size_t *more_out)
{
    const struct ks_trail *trail = bundler->trail;
    struct ks_bundle_name name = name_of(bundler);
    struct kafscale_error error = { 0 };
    struct ks_bundle *found;
    enum kafscale_status status;
    size_t head_bytes;

    status = ks_bundle_head_bytes(bytes, &head_bytes, &error);
    if (status != KAFSCALE_OK) {
        return status;
    }
    if (head_bytes > bytes.size && head_bytes <= object_bytes &&
        bundler->get.size_max < head_bytes) {
        *more_out = head_bytes;
        return KAFSCALE_FULL;
    }
    status = ks_bundle_new(trail->log, trail->source, &name,
                           ks_slice(bytes.data, head_bytes < bytes.size ? head_bytes : bytes.size),
                           &found, &error);
    if (status == KAFSCALE_OK && ks_bundle_total_bytes(&found->header) != object_bytes) {
        ks_bundle_unref(found);
        return KAFSCALE_CORRUPT;
    }
    if (status == KAFSCALE_OK) {
        ks_bundle_unref(bundler->bundle);
        bundler->bundle = found;
        trail->log->counters.bundles_found++;
    }
    return status;
}

static void
look_again(void *arg)
{
    struct ks_bundler *bundler = arg;

    look_at_found(bundler, bundler->build.head.size);
}

static void
on_found(void *arg, enum kafscale_status status, struct kafscale_blob *body, uint64_t object_bytes,
         const struct kafscale_error *error)
{
    struct ks_bundler *bundler = arg;
    struct ks_log *log = bundler->trimmer->log;
    size_t more = 0;

    (void) error;
    if (!is_answered(bundler)) {
        return;
    }
    if (status == KAFSCALE_OK) {
        status = take_found(bundler, kafscale_blob_slice(body), object_bytes, &more);
    }
    bundler->damaged_reads += status == KAFSCALE_CORRUPT || status == KAFSCALE_UNSUPPORTED;
    if (status == KAFSCALE_OK) {
        bundler->attempts = 0;
        commit(bundler);
    } else if (status == KAFSCALE_FULL) {
        look_at_found(bundler, more);
    } else if (status == KAFSCALE_NOT_FOUND) {
        wait(bundler, put);
    } else if (bundler->damaged_reads >= READS_MAX) {
        lose(bundler, "is not a bundle of these objects");
    } else {
        wait(bundler, look_again);
    }
    ks_log_end(log);
}

static void
look_at_found(struct ks_bundler *bundler, size_t size_max)
{
    if (!begin(bundler)) {
        return;
    }
    bundler->get = (struct kafscale_get){ .key = bundler->key, .size_max = size_max };
    ks_store_get(bundler->trimmer->log->store, &bundler->get, on_found, bundler);
}

/* --- The transaction --------------------------------------------------------------------- */

/* The bundle is what counts now. */
static void
take_over(struct ks_bundler *bundler, uint64_t version)
{
    struct ks_trimmer *trimmer = bundler->trimmer;
    struct ks_bundle *bundle = bundler->bundle;

    bundler->bundle = NULL;
    bundle->register_version = version;
    ks_log_note_success(trimmer->log, KS_LOG_CHORE_BUNDLE);
    trimmer->log->counters.bundles_made++;
    trimmer->log->counters.slots_bundled += bundler->end - bundler->first;
    ks_trimmer_adopt(trimmer, bundler->trail, bundle, version);
    finish(bundler);
}

/* The mark is where the transaction moves it: by the transaction, if the bundle is registered. */
static void
on_register(void *arg, enum kafscale_status status, const struct kafscale_meta_entry *entries,
            size_t entry_count, uint64_t revision, const struct kafscale_error *error)
{
    struct ks_bundler *bundler = arg;
    struct ks_log *log = bundler->trimmer->log;
    struct kafscale_error damage = { 0 };
    struct ks_bundle_register reg;
    uint64_t first;

    (void) revision;
    (void) error;
    if (!is_answered(bundler)) {
        return;
    }
    if (status != KAFSCALE_OK) {
        wait(bundler, read_mark);
    } else if (entry_count == 1 &&
               ks_bundle_register_decode(entries[0].key, entries[0].value, &first, &reg, &damage) ==
                   KAFSCALE_OK &&
               reg.last == bundler->end - 1 && reg.attempt == 0) {
        take_over(bundler, bundler->mark_version);
    } else {
        lose(bundler, "was not needed any more: another broker trims this log");
    }
    ks_log_end(log);
}

static void
read_register(struct ks_bundler *bundler)
{
    if (!begin(bundler)) {
        return;
    }
    bundler->read = (struct kafscale_meta_read){ .key = bundler->register_key, .is_fresh = true };
    ks_meta_read(bundler->trimmer->log->meta, &bundler->read, on_register, bundler);
}

static void
on_mark(void *arg, enum kafscale_status status, const struct kafscale_meta_entry *entries,
        size_t entry_count, uint64_t revision, const struct kafscale_error *error)
{
    struct ks_bundler *bundler = arg;
    struct ks_log *log = bundler->trimmer->log;
    uint64_t mark = status == KAFSCALE_OK ? ks_trim_mark_of(entries, entry_count) : 0;

    (void) revision;
    (void) error;
    if (!is_answered(bundler)) {
        return;
    }
    if (status != KAFSCALE_OK) {
        wait(bundler, read_mark);
    } else if (mark == bundler->first) {
        bundler->trail->mark_version = entry_count == 0 ? 0 : entries[0].version;
        commit(bundler);
    } else if (mark == bundler->end) {
        bundler->mark_version = entries[0].version;
        read_register(bundler);
    } else {
        lose(bundler, "was made of objects that another broker has trimmed");
    }
    ks_log_end(log);
}

static void
read_mark(void *arg)
{
    struct ks_bundler *bundler = arg;

    if (!begin(bundler)) {
        return;
    }
    bundler->read = (struct kafscale_meta_read){ .key = bundler->trim_key, .is_fresh = true };
    ks_meta_read(bundler->trimmer->log->meta, &bundler->read, on_mark, bundler);
}

static void
on_committed(void *arg, enum kafscale_status status, uint64_t revision,
             const struct kafscale_error *error)
{
    struct ks_bundler *bundler = arg;
    struct ks_log *log = bundler->trimmer->log;

    (void) error;
    if (!is_answered(bundler)) {
        return;
    }
    if (status == KAFSCALE_OK) {
        take_over(bundler, revision);
    } else {
        wait(bundler, read_mark);
    }
    ks_log_end(log);
}

/* The first of the operations is the register, the second the mark. */
static void
commit(void *arg)
{
    struct ks_bundler *bundler = arg;
    const struct ks_bundle_header *header = &bundler->bundle->header;
    struct ks_bundle_register reg = {
        .last = bundler->end - 1,
        .size = { .object_bytes = ks_bundle_total_bytes(header),
                  .head_bytes = header->header_bytes + header->directory_bytes },
    };
    size_t skipped = ks_is_planted(KS_PLANTED_BUNDLE_UNREGISTERED) ? 1 : 0;

    if (!begin(bundler)) {
        return;
    }
    ks_trim_key(&bundler->trail->incarnation, bundler->trim_key);
    ks_bundle_register_key(&bundler->trail->incarnation, bundler->first, bundler->register_key);
    ks_bundle_register_encode(&reg, bundler->value);
    ks_put_u64(bundler->mark, bundler->end);
    bundler->compare = (struct kafscale_meta_compare){ .key = bundler->trim_key,
                                                       .version = bundler->trail->mark_version };
    bundler->operations[0] = (struct kafscale_meta_operation){
        .key = bundler->register_key, .value = ks_slice(bundler->value, sizeof bundler->value)
    };
    bundler->operations[1] =
        (struct kafscale_meta_operation){ .key = bundler->trim_key,
                                          .value = ks_slice(bundler->mark, sizeof bundler->mark) };
    bundler->txn = (struct kafscale_meta_txn){
        .compares = &bundler->compare,
        .compare_count = ks_is_planted(KS_PLANTED_COMPARE_TRIM) ? 0 : 1,
        .operations = bundler->operations + skipped,
        .operation_count = 2 - skipped,
    };
    ks_meta_txn(bundler->trimmer->log->meta, &bundler->txn, on_committed, bundler);
}

/* --- The calls --------------------------------------------------------------------------- */

bool
ks_bundler_start(struct ks_trimmer *trimmer, struct ks_trail *trail, uint64_t end)
{
    struct ks_bundler *bundler = ks_alloc_zero(1, sizeof *bundler);

    assert(trimmer->bundler == NULL);
    assert(end > trail->mark);
    assert(end <= trail->end);

    if (bundler == NULL) {
        trail->bundled_after_ms = ks_env_now_ms(trail->log->env) + FAILURE_PAUSE_MS;
        return false;
    }
    bundler->trimmer = trimmer;
    bundler->trail = trail;
    bundler->first = trail->mark;
    bundler->end = end;
    bundler->next = trail->mark;
    bundler->task = (struct ks_task){ .run = gather, .arg = bundler };
    ks_bundle_build_init(&bundler->build, trail);
    trimmer->bundler = bundler;
    ks_env_defer(trimmer->log->env, &bundler->task);
    return true;
}

void
ks_bundler_silence(struct ks_bundler *bundler)
{
    if (bundler != NULL && !bundler->is_asking) {
        bundler_free(bundler);
    }
}

void
ks_bundler_drop(struct ks_bundler *bundler)
{
    if (bundler != NULL) {
        bundler_free(bundler);
    }
}
