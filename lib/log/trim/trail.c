/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Coverage only ever grows, so that a trail looks at each section until it is covered and never
 * again, and an old view of a register errs on the safe side.
 */
#include "log/trim/trail.h"

#include "log/format/producer_snapshot.h"
#include "log/trim/trim.h"

#include <assert.h>

struct ks_trail *
ks_trail_new(struct ks_log *log, const struct ks_id *incarnation, uint64_t mark,
             uint64_t mark_version)
{
    struct ks_trail *trail = ks_alloc_zero(1, sizeof *trail);
    uint32_t source = ks_log_source(log, incarnation);

    if (trail == NULL || source == UINT32_MAX) {
        ks_free(trail);
        return NULL;
    }
    trail->log = log;
    trail->incarnation = *incarnation;
    trail->source = source;
    trail->is_own = source == 0;
    trail->mark = mark;
    trail->mark_version = mark_version;
    trail->end = mark;
    trail->covered = mark;
    trail->state_upto = mark;
    ks_list_init(&trail->bundles);
    ks_table_init(&trail->runs, ks_env_random_u64(log->env));
    ks_list_append(&log->trimmer->trails, &trail->link);
    return trail;
}

static void
run_free(struct ks_trail_run *run)
{
    ks_producer_table_deinit(&run->producers);
    ks_free(run->topic_name);
    ks_free(run);
}

void
ks_trail_free(struct ks_trail *trail)
{
    struct ks_table_node *node;

    if (trail == NULL) {
        return;
    }
    for (uint64_t sequence = trail->mark; sequence < trail->end; sequence++) {
        kafscale_blob_unref(ks_trail_slot(trail, sequence)->head);
    }
    while (!ks_list_is_empty(&trail->bundles)) {
        struct ks_bundle *bundle = KS_CONTAINER(trail->bundles.next, struct ks_bundle, link);

        ks_list_remove(&bundle->link);
        ks_bundle_unref(bundle);
    }
    while ((node = ks_table_next(&trail->runs, NULL)) != NULL) {
        ks_table_remove(&trail->runs, node);
        run_free(KS_CONTAINER(node, struct ks_trail_run, node));
    }
    ks_table_deinit(&trail->runs);
    ks_list_remove(&trail->link);
    ks_free(trail->slots);
    ks_free(trail);
}

struct ks_trail *
ks_trail_find(const struct ks_log *log, uint32_t source)
{
    const struct ks_list *trails = &log->trimmer->trails;

    for (struct ks_list *node = trails->next; node != trails; node = node->next) {
        struct ks_trail *trail = KS_CONTAINER(node, struct ks_trail, link);

        if (trail->source == source) {
            return trail;
        }
    }
    return NULL;
}

bool
ks_trail_is_trimmed(const struct ks_log *log, uint32_t source, uint64_t sequence)
{
    const struct ks_trail *trail = ks_trail_find(log, source);

    return trail != NULL && (sequence < trail->mark || sequence < trail->moved_to);
}

/* --- Slots ------------------------------------------------------------------------------- */

struct ks_trail_slot *
ks_trail_slot(const struct ks_trail *trail, uint64_t sequence)
{
    assert(sequence >= trail->mark);
    assert(sequence < trail->end);
    return &trail->slots[trail->slot_gap + (size_t) (sequence - trail->mark)];
}

static bool
reserve_slot(struct ks_trail *trail)
{
    size_t count = (size_t) (trail->end - trail->mark);

    if (trail->slot_gap + count < trail->slot_capacity) {
        return true;
    }
    if (trail->slot_gap > count) {
        memmove(trail->slots, trail->slots + trail->slot_gap, count * sizeof *trail->slots);
        trail->slot_gap = 0;
        return true;
    }
    return KS_RESERVE(trail->slots, trail->slot_capacity, trail->slot_gap + count + 1);
}

static bool
keep_head(struct ks_trail_slot *slot, struct kafscale_slice head)
{
    struct kafscale_error error = { 0 };

    slot->head = kafscale_blob_new(head.size);
    if (slot->head == NULL) {
        return false;
    }
    memcpy(kafscale_blob_data(slot->head), head.data, head.size);
    if (ks_wal_read_head(kafscale_blob_slice(slot->head), &slot->header, &slot->directory,
                         &error) != KAFSCALE_OK) {
        kafscale_blob_unref(slot->head);
        return false;
    }
    return true;
}

void
ks_trail_add(struct ks_trail *trail, uint64_t sequence, struct kafscale_slice head)
{
    struct ks_trail_slot slot = { 0 };

    if (trail->is_lost || sequence < trail->mark) {
        return;
    }
    if (sequence != trail->end || !reserve_slot(trail) || !keep_head(&slot, head)) {
        trail->is_lost = true;
        return;
    }
    trail->slots[trail->slot_gap + (size_t) (trail->end - trail->mark)] = slot;
    trail->end++;
    trail->body_bytes += slot.header.body_bytes;
    trail->head_bytes += kafscale_blob_size(slot.head);
}

/*
 * Runs of partitions that were given away stay until the log's slots are all gone; a broker that
 * hands partitions back and forth would gather them.
 */
static void
prune_runs(struct ks_trail *trail)
{
    struct ks_table_node *node = ks_table_next(&trail->runs, NULL);

    while (node != NULL) {
        struct ks_trail_run *run = KS_CONTAINER(node, struct ks_trail_run, node);
        const struct ks_partition *partition = ks_log_find(trail->log, &run->key.partition);
        struct ks_table_node *next = ks_table_next(&trail->runs, node);

        if (partition == NULL || partition->reg.epoch != run->key.leader_epoch) {
            ks_table_remove(&trail->runs, node);
            run_free(run);
        }
        node = next;
    }
}

void
ks_trail_set_mark(struct ks_trail *trail, uint64_t mark, uint64_t mark_version)
{
    assert(mark >= trail->mark);
    assert(mark <= trail->end);

    for (; trail->mark < mark; trail->mark++) {
        struct ks_trail_slot *slot = ks_trail_slot(trail, trail->mark);

        trail->body_bytes -= slot->header.body_bytes;
        trail->head_bytes -= kafscale_blob_size(slot->head);
        kafscale_blob_unref(slot->head);
        trail->slot_gap++;
    }
    trail->mark_version = mark_version;
    if (mark == trail->end && trail->is_own && trail->runs.count > trail->log->partitions.count) {
        prune_runs(trail);
    }
    if (trail->covered < mark) {
        trail->covered = mark;
        trail->covered_bytes = 0;
        trail->has_blocker = false;
    }
}

/* --- Bundles ----------------------------------------------------------------------------- */

/* By slot, and parts of a merged bundle one after the other. */
static int
compare_bundles(const struct ks_bundle_name *a, const struct ks_bundle_name *b)
{
    if (a->first != b->first) {
        return a->first < b->first ? -1 : 1;
    }
    if (a->attempt != b->attempt) {
        return a->attempt < b->attempt ? -1 : 1;
    }
    return (a->part > b->part) - (a->part < b->part);
}

struct ks_bundle *
ks_trail_add_bundle(struct ks_trail *trail, struct ks_bundle *bundle)
{
    struct ks_list *node = trail->bundles.previous;

    for (; node != &trail->bundles; node = node->previous) {
        struct ks_bundle *before = KS_CONTAINER(node, struct ks_bundle, link);
        int order = compare_bundles(&before->name, &bundle->name);

        if (order == 0) {
            ks_bundle_unref(bundle);
            return before;
        }
        if (order < 0) {
            break;
        }
    }
    ks_list_insert(node->next, &bundle->link);
    return bundle;
}

const struct ks_bundle_section *
ks_trail_find_section(const struct ks_trail *trail, uint64_t sequence,
                      const struct ks_partition_name *name, int32_t leader_epoch, int64_t offset,
                      struct ks_bundle **bundle_out)
{
    for (struct ks_list *node = trail->bundles.next; node != &trail->bundles; node = node->next) {
        struct ks_bundle *bundle = KS_CONTAINER(node, struct ks_bundle, link);
        const struct ks_bundle_section *section;

        if (sequence < bundle->name.first || sequence > bundle->name.last) {
            continue;
        }
        section = ks_bundle_find(bundle, name, leader_epoch);
        if (section != NULL && offset >= section->base_offset && offset < section->end_offset) {
            *bundle_out = bundle;
            return section;
        }
    }
    return NULL;
}

/* Goes through the sections of a merged bundle, which ascend from part to part. */
struct merged_walk {
    const struct ks_trail *trail;
    const struct ks_bundle_name *merged;
    struct ks_list *node;
    size_t section;
};

static void
begin_walk(struct merged_walk *walk, const struct ks_trail *trail,
           const struct ks_bundle_name *merged)
{
    *walk = (struct merged_walk){ .trail = trail, .merged = merged, .node = trail->bundles.next };
    while (
        walk->node != &trail->bundles &&
        !ks_bundle_name_is_same(&KS_CONTAINER(walk->node, struct ks_bundle, link)->name, merged)) {
        walk->node = walk->node->next;
    }
}

static bool
is_before(const struct ks_bundle_section *a, const struct ks_bundle_section *b)
{
    struct ks_section_key a_key = ks_bundle_section_key(a);
    struct ks_section_key b_key = ks_bundle_section_key(b);
    int order = ks_section_key_compare(&a_key, &b_key);

    return order < 0 || (order == 0 && a->end_offset <= b->base_offset);
}

/* The section with the records of `old`, or NULL. Must be called for ascending sections. */
static const struct ks_bundle_section *
walk_to(struct merged_walk *walk, const struct ks_bundle_section *old,
        struct ks_bundle **bundle_out)
{
    while (walk->node != &walk->trail->bundles) {
        struct ks_bundle *bundle = KS_CONTAINER(walk->node, struct ks_bundle, link);
        const struct ks_bundle_section *section = &bundle->sections[walk->section];

        if (!ks_bundle_name_is_same(&bundle->name, walk->merged)) {
            break;
        }
        if (walk->section == bundle->section_count) {
            walk->node = walk->node->next;
            walk->section = 0;
        } else if (is_before(section, old)) {
            walk->section++;
        } else {
            *bundle_out = bundle;
            return is_before(old, section) ? NULL : section;
        }
    }
    return NULL;
}

static void
supersede(struct ks_trail *trail, const struct ks_bundle *old, const struct ks_bundle_name *merged)
{
    struct merged_walk walk;

    begin_walk(&walk, trail, merged);
    for (size_t i = 0; i < old->section_count; i++) {
        const struct ks_bundle_section *section = &old->sections[i];
        struct ks_partition_name name = ks_bundle_section_name(section);
        struct ks_partition *partition = ks_log_find(trail->log, &name);
        struct ks_bundle *bundle = NULL;
        const struct ks_bundle_section *found = walk_to(&walk, section, &bundle);

        if (partition != NULL) {
            ks_partition_swap_bundled(partition, section, bundle, found);
        }
    }
}

void
ks_trail_supersede(struct ks_trail *trail, const struct ks_bundle_name *merged)
{
    struct ks_list old;
    struct ks_list *next;

    ks_list_init(&old);
    for (struct ks_list *node = trail->bundles.next; node != &trail->bundles; node = next) {
        const struct ks_bundle_name *name = &KS_CONTAINER(node, struct ks_bundle, link)->name;

        next = node->next;
        if (name->first >= merged->first && name->last <= merged->last &&
            name->attempt < merged->attempt) {
            ks_list_remove(node);
            ks_list_append(&old, node);
        }
    }
    while ((next = ks_list_take_first(&old)) != NULL) {
        struct ks_bundle *bundle = KS_CONTAINER(next, struct ks_bundle, link);

        supersede(trail, bundle, merged);
        bundle->is_removed = true;
        ks_bundle_unref(bundle);
    }
}

bool
ks_trail_is_over(const struct ks_trail *trail)
{
    return !trail->is_own && trail->mark == trail->end && ks_list_is_empty(&trail->bundles);
}

/* --- States ------------------------------------------------------------------------------ */

struct ks_trail_run *
ks_trail_find_run(const struct ks_trail *trail, const struct ks_section_key *key)
{
    struct ks_table_node *node = ks_table_find(&trail->runs, ks_slice(key, sizeof *key));

    return node == NULL ? NULL : KS_CONTAINER(node, struct ks_trail_run, node);
}

/* By way of the stored form, which has what counts and nothing else. */
static enum kafscale_status
copy_producers(struct ks_producer_table *from, struct ks_trail_run *run)
{
    struct ks_producer_snapshot snapshot = { .name = run->key.partition,
                                             .offset = run->next_offset };
    struct kafscale_error error = { 0 };
    enum kafscale_status status = KAFSCALE_NO_MEMORY;
    struct ks_buffer bytes;

    if (from->table.count == 0) {
        return KAFSCALE_OK;
    }
    ks_buffer_init(&bytes, KS_PRODUCER_SNAPSHOT_BYTES_MAX);
    ks_producer_snapshot_encode(from, &snapshot, &bytes);
    if (!ks_buffer_failed(&bytes)) {
        status = ks_producer_snapshot_decode(ks_buffer_slice(&bytes), &run->producers, &snapshot,
                                             &error);
    }
    ks_buffer_deinit(&bytes);
    return status;
}

void
ks_trail_add_run(struct ks_trail *trail, const struct ks_partition *partition, int32_t epoch,
                 struct ks_producer_table *producers, int64_t next_offset)
{
    struct ks_section_key key = { .partition = partition->name, .leader_epoch = epoch };
    const struct ks_log_options *options = &trail->log->options;
    struct ks_trail_run *run;

    static_assert(sizeof key == KS_ID_BYTES + 2 * sizeof(int32_t), "a key has no padding");
    if (ks_trail_find_run(trail, &key) != NULL) {
        return;
    }
    run = ks_alloc_zero(1, sizeof *run);
    if (run == NULL) {
        trail->is_lost = true;
        return;
    }
    run->key = key;
    run->next_offset = next_offset;
    run->topic_name = ks_copy_text(partition->topic_name);
    ks_producer_table_init(&run->producers, ks_env_random_u64(trail->log->env),
                           options->producers_max, options->producer_expiration_ms);
    if (run->topic_name == NULL || copy_producers(producers, run) != KAFSCALE_OK ||
        ks_table_insert(&trail->runs, &run->node, ks_slice(&run->key, sizeof run->key)) !=
            KAFSCALE_OK) {
        run_free(run);
        trail->is_lost = true;
    }
}

static bool
advance_run(struct ks_trail_run *run, const struct ks_wal_section *section, int64_t created_ms)
{
    struct ks_cursor entries = ks_cursor(section->entries);
    struct ks_wal_entry entry;

    while (ks_wal_next_entry(&entries, &entry)) {
        if (entry.last_offset < run->next_offset) {
            continue;
        }
        if (ks_producer_note_entry(&run->producers, &entry, created_ms) != KAFSCALE_OK) {
            return false;
        }
        run->next_offset = entry.last_offset + 1;
    }
    return true;
}

void
ks_trail_advance_states(struct ks_trail *trail, uint64_t upto)
{
    assert(upto <= trail->end);

    for (; trail->state_upto < upto && !trail->is_lost; trail->state_upto++) {
        struct ks_trail_slot *slot = ks_trail_slot(trail, trail->state_upto);
        struct ks_cursor directory = ks_cursor(slot->directory);
        struct ks_wal_section section;

        while (ks_wal_next_section(&directory, &section)) {
            struct ks_section_key key = ks_wal_section_key(&section);
            struct ks_trail_run *run = ks_trail_find_run(trail, &key);

            if (run != NULL && !advance_run(run, &section, slot->header.created_ms)) {
                trail->is_lost = true;
            }
        }
    }
}

/* --- What is covered --------------------------------------------------------------------- */

static bool
is_topic_gone(const struct ks_log *log, const struct ks_partition_name *name)
{
    struct ks_partition_name topic = { .topic = name->topic, .index = KS_KNOWN_TOPIC };
    const struct ks_known *known = ks_known_find(log->trimmer, &topic);

    return known != NULL && known->is_gone;
}

enum ks_coverage
ks_trail_coverage(const struct ks_log *log, const struct ks_partition_name *name,
                  int64_t last_offset)
{
    const struct ks_partition *partition = ks_log_find((struct ks_log *) log, name);
    const struct ks_known *known;

    if (partition != NULL) {
        return partition->reg.compacted_upto > last_offset ? KS_COVERED : KS_NOT_COVERED;
    }
    known = ks_known_find(log->trimmer, name);
    if (is_topic_gone(log, name) || (known != NULL && known->compacted_upto > last_offset)) {
        return KS_COVERED;
    }
    return known != NULL && known->round == log->trimmer->round ? KS_NOT_COVERED
                                                                : KS_COVERAGE_UNKNOWN;
}

static int64_t
last_offset_of(const struct ks_wal_section *section)
{
    struct ks_cursor entries = ks_cursor(section->entries);
    struct ks_wal_entry entry;
    int64_t last_offset = -1;

    while (ks_wal_next_entry(&entries, &entry)) {
        last_offset = entry.last_offset;
    }
    return last_offset;
}

enum ks_coverage
ks_trail_section_coverage(const struct ks_log *log, const struct ks_wal_section *section)
{
    struct ks_partition_name name = { .topic = section->topic, .index = section->partition };

    return ks_trail_coverage(log, &name, last_offset_of(section));
}

/* Takes the next section of the slot that `covered` stands at; false: there is none left. */
static bool
next_blocker(struct ks_trail *trail)
{
    struct kafscale_slice directory = ks_trail_slot(trail, trail->covered)->directory;
    struct ks_cursor cursor = ks_cursor(
        ks_slice(directory.data + trail->covered_bytes, directory.size - trail->covered_bytes));
    struct ks_wal_section section;

    if (!ks_wal_next_section(&cursor, &section)) {
        trail->is_lost |= cursor.failed;
        return false;
    }
    trail->covered_bytes = (size_t) (cursor.position - directory.data);
    trail->blocker =
        (struct ks_partition_name){ .topic = section.topic, .index = section.partition };
    trail->blocker_last = last_offset_of(&section);
    trail->has_blocker = true;
    return true;
}

enum ks_coverage
ks_trail_find_covered(struct ks_trail *trail)
{
    while (trail->covered < trail->end && !trail->is_lost) {
        enum ks_coverage coverage;

        if (!trail->has_blocker && !next_blocker(trail)) {
            trail->covered += !trail->is_lost;
            trail->covered_bytes = 0;
            continue;
        }
        coverage = ks_trail_coverage(trail->log, &trail->blocker, trail->blocker_last);
        if (coverage != KS_COVERED) {
            return coverage;
        }
        trail->has_blocker = false;
    }
    return trail->is_lost ? KS_NOT_COVERED : KS_COVERED;
}
