/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The logs of all incarnations: registered bundles, then slots from the trim mark up to the first
 * that is empty or sealed. Each object must carry the checksum of the one before it. The batches
 * that count for a partition are those in sections of an epoch that its chain names.
 */
#include "tools/survey.h"

#include <inttypes.h>
#include <stdlib.h>

#define SLOTS_AHEAD_MAX 8

/* The log that is being read, and where its chain of checksums stands. */
struct log_walk {
    struct ks_survey *survey;
    struct ks_survey_log *log;
    size_t first_slot; /* array place of the first slot from the trim mark on */
    bool has_chain;
    uint32_t chain; /* which the next object carries */
    bool is_over;
    size_t left_over;     /* objects after the end */
    const char *key;      /* of the object at hand */
    const char *kept_key; /* a copy of it in the arena, once something refers to it */
};

static const struct ks_chain_element *
element_of(const struct ks_survey_partition *partition, const struct ks_id *incarnation,
           int32_t epoch, int64_t *end_out)
{
    const struct ks_register *reg = &partition->reg;

    for (size_t i = 0; i < reg->chain_count; i++) {
        const struct ks_chain_element *element = &reg->chain[i];

        if (element->epoch != epoch || !element->is_activated ||
            !ks_id_equals(&element->incarnation, incarnation)) {
            continue;
        }
        *end_out = INT64_MAX;
        for (size_t j = i + 1; j < reg->chain_count; j++) {
            if (reg->chain[j].is_activated) {
                *end_out = reg->chain[j].base_offset;
                break;
            }
        }
        return element;
    }
    return NULL;
}

static void
collect(struct log_walk *walk, struct ks_survey_partition *partition,
        const struct ks_wal_entry *entry, uint64_t position)
{
    struct ks_survey_place *place;

    if (walk->kept_key == NULL) {
        walk->kept_key = ks_arena_copy_text(&walk->survey->arena, walk->key, strlen(walk->key));
        walk->survey->is_short |= walk->kept_key == NULL;
    }
    place = ks_survey_add(walk->survey, &partition->places, &partition->place_count,
                          &partition->place_capacity, sizeof *place);
    if (place != NULL) {
        *place = (struct ks_survey_place){ .batch = ks_stored_batch_of(entry),
                                           .last_offset = entry->last_offset,
                                           .key = walk->kept_key };
        place->batch.position = position;
    }
}

/* A batch of the object at hand, in a section of this epoch; `position` is from its first byte. */
static void
take_batch(struct log_walk *walk, const struct ks_survey_batch *batch, uint64_t position)
{
    const struct ks_wal_entry *entry = &batch->entry;
    struct ks_survey_partition *partition;
    struct ks_survey_range *range;
    int64_t end;

    if (walk->survey->on_batch != NULL) {
        walk->survey->on_batch(walk->survey->on_batch_arg, batch);
        return;
    }
    partition = ks_survey_partition(walk->survey, &batch->name);
    if (partition == NULL ||
        element_of(partition, &walk->log->incarnation, batch->leader_epoch, &end) == NULL ||
        entry->base_offset >= end) {
        return;
    }
    if (ks_id_equals(&batch->name.topic, &walk->survey->collected)) {
        collect(walk, partition, entry, position);
    }
    range = partition->range_count > 0 ? &partition->ranges[partition->range_count - 1] : NULL;
    if (range != NULL && range->last_offset + 1 == entry->base_offset) {
        range->last_offset = entry->last_offset;
        return;
    }
    range = ks_survey_add(walk->survey, &partition->ranges, &partition->range_count,
                          &partition->range_capacity, sizeof *range);
    if (range != NULL) {
        *range = (struct ks_survey_range){ .base_offset = entry->base_offset,
                                           .last_offset = entry->last_offset };
    }
}

static void
join_chain(struct log_walk *walk, const char *key, uint32_t before, uint32_t after)
{
    if (walk->has_chain && walk->chain != before) {
        ks_survey_find(walk->survey, KAFSCALE_FINDING_DAMAGE, key,
                       "it does not follow the object before it: %08" PRIx32
                       " instead of %08" PRIx32,
                       before, walk->chain);
    }
    walk->has_chain = true;
    walk->chain = after;
}

/* --- Bundles --- */

static void
take_bundle_section(struct log_walk *walk, struct kafscale_slice object,
                    const struct ks_bundle_section *section)
{
    struct ks_survey_batch batch = {
        .name = { .topic = section->topic, .index = section->partition },
        .topic_name = section->topic_name,
        .incarnation = walk->log->incarnation,
        .leader_epoch = section->leader_epoch,
    };
    struct ks_cursor entries =
        ks_cursor(ks_slice(object.data + section->entries_position, section->entries_bytes));
    struct ks_bundle_entry entry;

    while (ks_bundle_next_entry(&entries, &entry)) {
        batch.created_ms = entry.created_ms;
        batch.entry = entry.batch;
        take_batch(walk, &batch, entry.batch.position);
    }
}

static void
take_bundle(struct log_walk *walk, const char *key, const struct ks_survey_slots *bundle,
            struct kafscale_slice object)
{
    struct kafscale_error error = { 0 };
    struct ks_bundle_header header;
    struct ks_bundle_section section;
    struct kafscale_slice directory;
    struct ks_cursor cursor;

    walk->key = key;
    walk->kept_key = NULL;
    if (ks_bundle_check(object, &error) != KAFSCALE_OK ||
        ks_bundle_read_head(object, &header, &directory, &error) != KAFSCALE_OK) {
        ks_survey_find(walk->survey, KAFSCALE_FINDING_DAMAGE, key, "%s", error.text);
        walk->has_chain = false;
        return;
    }
    if (header.first != bundle->first || header.last != bundle->last ||
        !ks_id_equals(&header.incarnation, &walk->log->incarnation)) {
        ks_survey_find(walk->survey, KAFSCALE_FINDING_DAMAGE, key,
                       "it is the bundle of other slots");
        return;
    }
    if (bundle->name.part == 0) {
        join_chain(walk, key, header.chain_before, header.chain_after);
    }
    cursor = ks_cursor(directory);
    while (ks_bundle_next_section(&cursor, &header, &section)) {
        take_bundle_section(walk, object, &section);
    }
    walk->survey->summary.bundles++;
}

static enum kafscale_status
walk_bundles(struct log_walk *walk, struct kafscale_error *error)
{
    uint64_t next = 0;

    for (size_t i = 0; i < walk->log->bundle_count; i++) {
        const struct ks_survey_slots *bundle = &walk->log->bundles[i];
        char key[KS_BUNDLE_KEY_BYTES];
        struct kafscale_get get = { .key = key, .size_max = SIZE_MAX };
        struct kafscale_error why = { 0 };
        struct kafscale_blob *body;
        enum kafscale_status status;
        uint64_t object_bytes;

        ks_bundle_key(walk->survey->session->ns, &walk->log->incarnation, &bundle->name, key);
        walk->has_chain &= bundle->name.part > 0 || bundle->first == next;
        next = bundle->last + 1;
        status = ks_session_get(walk->survey->session, &get, &body, &object_bytes, &why);
        if (status == KAFSCALE_NOT_FOUND) {
            ks_survey_find(walk->survey, KAFSCALE_FINDING_DAMAGE, key,
                           "a register names this bundle, and it is not there");
            walk->has_chain = false;
        } else if (status != KAFSCALE_OK) {
            return ks_error_set(error, status, "%s", why.text);
        } else {
            take_bundle(walk, key, bundle, kafscale_blob_slice(body));
            kafscale_blob_unref(body);
        }
    }
    walk->has_chain &= walk->log->bundle_count > 0 && next == walk->log->trim;
    return KAFSCALE_OK;
}

/* --- Slots --- */

static void
take_slot_section(struct log_walk *walk, const struct ks_wal_header *header,
                  const struct ks_wal_section *section)
{
    struct ks_survey_batch batch = {
        .name = { .topic = section->topic, .index = section->partition },
        .topic_name = section->topic_name,
        .incarnation = walk->log->incarnation,
        .leader_epoch = section->leader_epoch,
        .created_ms = header->created_ms,
    };
    struct ks_cursor entries = ks_cursor(section->entries);

    while (ks_wal_next_entry(&entries, &batch.entry)) {
        take_batch(walk, &batch,
                   (uint64_t) header->header_bytes + header->directory_bytes +
                       batch.entry.position);
    }
}

static void
take_slot(struct log_walk *walk, const char *key, const struct ks_survey_slots *slot,
          struct kafscale_slice object)
{
    struct kafscale_error error = { 0 };
    struct kafscale_slice directory;
    struct ks_wal_section section;
    struct ks_wal_header header;
    struct ks_cursor cursor;

    walk->key = key;
    walk->kept_key = NULL;
    if (ks_wal_check(object, &error) != KAFSCALE_OK ||
        ks_wal_read_head(object, &header, &directory, &error) != KAFSCALE_OK) {
        ks_survey_find(walk->survey, KAFSCALE_FINDING_DAMAGE, key, "%s", error.text);
        walk->has_chain = false;
        return;
    }
    if (header.sequence != slot->first ||
        !ks_id_equals(&header.incarnation, &walk->log->incarnation)) {
        ks_survey_find(walk->survey, KAFSCALE_FINDING_DAMAGE, key,
                       "it is the object of another slot");
        return;
    }
    if ((header.flags & KS_WAL_SEAL) != 0) {
        walk->survey->summary.seals++;
        walk->is_over = true;
        return;
    }
    join_chain(walk, key, header.chain, header.crc);
    walk->survey->summary.slots++;
    walk->log->end = slot->first + 1;
    cursor = ks_cursor(directory);
    while (ks_wal_next_section(&cursor, &section)) {
        take_slot_section(walk, &header, &section);
    }
}

static void
on_slot(void *arg, size_t index, enum kafscale_status status, struct kafscale_blob *body,
        const struct kafscale_error *error)
{
    struct log_walk *walk = arg;
    const struct ks_survey_slots *slot = &walk->log->slots[walk->first_slot + index];
    char key[KS_WAL_KEY_BYTES];

    if (walk->is_over) {
        walk->left_over++;
        return;
    }
    ks_wal_key(walk->survey->session->ns, &walk->log->incarnation, slot->first, key);
    if (status != KAFSCALE_OK) {
        ks_survey_find(walk->survey, KAFSCALE_FINDING_DAMAGE, key, "can't be read: %s",
                       error->text);
        walk->has_chain = false;
        return;
    }
    take_slot(walk, key, slot, kafscale_blob_slice(body));
}

/* The keys of an unbroken run of slots; what lies after a gap was never acknowledged. */
static const char **
keys_of_run(struct log_walk *walk, size_t *count_out)
{
    const struct ks_survey_log *log = walk->log;
    const char **keys =
        ks_arena_alloc_array(&walk->survey->arena, log->slot_count + 1, sizeof *keys);
    size_t count = 0;

    while (keys != NULL && walk->first_slot + count < log->slot_count &&
           log->slots[walk->first_slot + count].first == log->trim + count) {
        char key[KS_WAL_KEY_BYTES];

        ks_wal_key(walk->survey->session->ns, &log->incarnation, log->trim + count, key);
        keys[count++] = ks_arena_copy_text(&walk->survey->arena, key, strlen(key));
    }
    *count_out = count;
    return keys;
}

static enum kafscale_status
walk_slots(struct log_walk *walk, struct kafscale_error *error)
{
    struct ks_survey_log *log = walk->log;
    char key[KS_WAL_KEY_BYTES];
    enum kafscale_status status;
    const char **keys;
    size_t count;

    while (walk->first_slot < log->slot_count && log->slots[walk->first_slot].first < log->trim) {
        walk->first_slot++;
    }
    log->end = log->trim;
    keys = keys_of_run(walk, &count);
    if (ks_arena_failed(&walk->survey->arena)) {
        return ks_error_set(error, KAFSCALE_NO_MEMORY, "not enough memory to check the store");
    }
    walk->has_chain |= log->trim == 0;
    status = ks_session_get_many(walk->survey->session, keys, count, on_slot, walk);
    if (status != KAFSCALE_OK) {
        return ks_error_set(error, status, "not enough memory to check the store");
    }
    ks_wal_key(walk->survey->session->ns, &log->incarnation, log->trim, key);
    if (walk->first_slot > 0) {
        ks_survey_find(walk->survey, KAFSCALE_FINDING_GARBAGE, key,
                       "%zu objects below this one are trimmed and not deleted yet",
                       walk->first_slot);
    }
    walk->left_over += log->slot_count - walk->first_slot - count;
    if (walk->left_over > 0) {
        ks_survey_find(walk->survey, KAFSCALE_FINDING_GARBAGE, key,
                       "%zu objects of this log lie after its end: never acknowledged",
                       walk->left_over);
    }
    return KAFSCALE_OK;
}

static int
by_first(const void *a, const void *b)
{
    const struct ks_survey_slots *left = a;
    const struct ks_survey_slots *right = b;

    if (left->first != right->first) {
        return left->first < right->first ? -1 : 1;
    }
    return (left->name.part > right->name.part) - (left->name.part < right->name.part);
}

/* Newest attempts first, each from its first part on; then what isn't merged. */
static int
by_attempt(const void *a, const void *b)
{
    const struct ks_survey_slots *left = a;
    const struct ks_survey_slots *right = b;

    if (left->name.attempt != right->name.attempt) {
        return left->name.attempt > right->name.attempt ? -1 : 1;
    }
    return by_first(a, b);
}

/* How many parts the attempt has that begins here; 0: some are missing. */
static uint32_t
count_parts(const struct ks_survey_log *log, size_t first)
{
    const struct ks_survey_slots *bundles = log->bundles;
    uint32_t count = 0;

    for (size_t i = first;
         i < log->bundle_count && ks_bundle_name_is_same(&bundles[i].name, &bundles[first].name) &&
         bundles[i].name.part == count;
         i++) {
        count++;
        if (bundles[i].name.is_last || bundles[i].name.attempt == 0) {
            return count;
        }
    }
    return 0;
}

static bool
overlaps(const struct ks_survey_slots *chosen, size_t count, const struct ks_survey_slots *bundle)
{
    for (size_t i = 0; i < count; i++) {
        if (bundle->first <= chosen[i].last && bundle->last >= chosen[i].first) {
            return true;
        }
    }
    return false;
}

/*
 * Without registers: what was merged lies beside what it was made of, perhaps, and so do attempts
 * that came to nothing. An attempt begins when the one before is registered or dead, and of what is
 * registered only the whole is merged again. So of attempts that have all their parts the newest
 * counts, and whatever overlaps with it is in it or was never registered.
 */
static void
choose_bundles(struct ks_survey_log *log)
{
    size_t kept = 0;
    size_t next;

    if (log->bundle_count > 0) {
        qsort(log->bundles, log->bundle_count, sizeof *log->bundles, by_attempt);
    }
    for (size_t i = 0; i < log->bundle_count; i = next) {
        uint32_t count = count_parts(log, i);

        next = i + (count > 0 ? count : 1);
        if (count == 0 || overlaps(log->bundles, kept, &log->bundles[i])) {
            continue;
        }
        for (size_t part = i; part < next; part++) {
            log->bundles[kept] = log->bundles[part];
            log->bundles[kept++].part_count = count;
        }
    }
    log->bundle_count = kept;
    if (kept > 0) {
        qsort(log->bundles, kept, sizeof *log->bundles, by_first);
    }
}

/*
 * Without a mark: slots that a bundle holds are trimmed, whether they are still there or not, and
 * so is what lies before a hole that has more behind it than any broker ever sends ahead.
 */
static void
guess_trim(struct ks_survey_log *log)
{
    log->trim = log->slot_count > 0 ? log->slots[0].first : 0;
    for (size_t i = 1; i < log->slot_count; i++) {
        if (log->slots[i].first != log->slots[i - 1].first + 1 &&
            log->slot_count - i > SLOTS_AHEAD_MAX) {
            log->trim = log->slots[i].first;
        }
    }
    for (size_t i = 0; i < log->bundle_count; i++) {
        if (log->bundles[i].last >= log->trim) {
            log->trim = log->bundles[i].last + 1;
        }
    }
}

enum kafscale_status
ks_survey_read_logs(struct ks_survey *survey, struct kafscale_error *error)
{
    enum kafscale_status status = KAFSCALE_OK;

    for (struct ks_list *node = survey->logs.next; status == KAFSCALE_OK && node != &survey->logs;
         node = node->next) {
        struct ks_survey_log *log = KS_CONTAINER(node, struct ks_survey_log, link);
        struct log_walk walk = { .survey = survey, .log = log };

        if (log->bundle_count > 0) {
            qsort(log->bundles, log->bundle_count, sizeof *log->bundles, by_first);
        }
        if (survey->on_batch != NULL) {
            choose_bundles(log);
            guess_trim(log);
        }
        status = walk_bundles(&walk, error);
        if (status == KAFSCALE_OK) {
            status = walk_slots(&walk, error);
        }
    }
    return status;
}
