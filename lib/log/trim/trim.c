/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One step at a time: look at a partition of which nothing is known, or move a mark. Marks move
 * for many slots at once, since each move is a transaction.
 */
#include "log/trim/trim.h"

#include "log/bundle/bundler.h"
#include "log/open/dead_log.h"
#include "log/trim/leftovers.h"
#include "log/bundle/merger.h"

#include <assert.h>
#include <inttypes.h>

/* How often the metadata store is asked about partitions that aren't open here. */
#define LOOK_INTERVAL_MS 1000

static void step(void *arg);
static void read_mark(void *arg);
static void send_mark(void *arg);
static void on_bundle_register(void *arg, enum kafscale_status status,
                               const struct kafscale_meta_entry *entries, size_t entry_count,
                               uint64_t revision, const struct kafscale_error *error);

struct ks_trimmer *
ks_trimmer_new(struct ks_log *log)
{
    struct ks_trimmer *trimmer = ks_alloc_zero(1, sizeof *trimmer);

    if (trimmer == NULL) {
        return NULL;
    }
    trimmer->log = log;
    ks_list_init(&trimmer->trails);
    ks_list_init(&trimmer->garbage);
    ks_list_init(&trimmer->removals);
    ks_table_init(&trimmer->known, ks_env_random_u64(log->env));
    trimmer->task = (struct ks_task){ .run = step, .arg = trimmer };
    trimmer->retry = (struct ks_timer){ .on_due = step, .arg = trimmer };
    return trimmer;
}

void
ks_trimmer_free(struct ks_trimmer *trimmer)
{
    if (trimmer == NULL) {
        return;
    }
    ks_trimmer_silence(trimmer->log);
    ks_leftovers_drop(trimmer);
    ks_bundler_drop(trimmer->bundler);
    ks_merger_drop(trimmer->merger);
    ks_garbage_drop(trimmer);
    ks_known_forget(trimmer);
    ks_table_deinit(&trimmer->known);
    while (!ks_list_is_empty(&trimmer->trails)) {
        ks_trail_free(KS_CONTAINER(trimmer->trails.next, struct ks_trail, link));
    }
    ks_free(trimmer);
}

/* A new trail of a log that was read; one that nothing may be done with where slots are kept. */
static struct ks_trail *
trail_of(struct ks_log *log, const struct ks_dead_log *dead)
{
    struct ks_trail *trail = ks_trail_new(log, &dead->incarnation, dead->mark, dead->mark_version);

    if (trail == NULL) {
        return NULL;
    }
    trail->is_lost = log->options.bundle_slots == 0;
    for (uint64_t sequence = dead->mark; sequence < dead->end; sequence++) {
        ks_trail_add(trail, sequence, ks_dead_log_head(dead, sequence));
    }
    return trail;
}

/*
 * Some may have been merged since the others were read. Of a merged bundle all parts come, and what
 * they stand for is before or after them in the list.
 */
static void
supersede_merged(struct ks_trail *trail)
{
    struct ks_list *node = trail->bundles.previous;

    while (node != &trail->bundles) {
        const struct ks_bundle *bundle = KS_CONTAINER(node, struct ks_bundle, link);

        if (bundle->name.attempt > 0 && bundle->name.part == 0) {
            ks_trail_supersede(trail, &bundle->name);
        }
        node = bundle->link.previous;
    }
}

enum kafscale_status
ks_trimmer_take(struct ks_log *log, struct ks_dead_log *dead)
{
    struct ks_trail *trail = ks_trail_find(log, dead->source);
    struct ks_list *node;

    if (trail == NULL && (dead->mark == dead->end || log->options.bundle_slots == 0) &&
        ks_list_is_empty(&dead->bundles)) {
        return KAFSCALE_OK;
    }
    if (trail == NULL) {
        trail = trail_of(log, dead);
    }
    if (trail == NULL) {
        return KAFSCALE_NO_MEMORY;
    }
    while ((node = ks_list_take_first(&dead->bundles)) != NULL) {
        (void) ks_trail_add_bundle(trail, KS_CONTAINER(node, struct ks_bundle, link));
    }
    supersede_merged(trail);
    return KAFSCALE_OK;
}

enum kafscale_status
ks_trimmer_begin(struct ks_log *log)
{
    if (log->options.bundle_slots == 0) {
        return KAFSCALE_OK;
    }
    log->trimmer->own = ks_trail_new(log, &log->options.incarnation, 0, 0);
    return log->trimmer->own == NULL ? KAFSCALE_NO_MEMORY : KAFSCALE_OK;
}

bool
ks_trimmer_is_over(const struct ks_log *log)
{
    return log->is_freed || log->is_stopped || ks_log_status(log) != KAFSCALE_OK;
}

void
ks_trimmer_silence(struct ks_log *log)
{
    ks_env_cancel_task(&log->trimmer->task);
    ks_env_cancel_timer(log->env, &log->trimmer->retry);
    ks_leftovers_silence(log->trimmer);
    ks_bundler_silence(log->trimmer->bundler);
    ks_merger_silence(log->trimmer->merger);
    ks_garbage_silence(log->trimmer);
}

/* --- Steps ------------------------------------------------------------------------------- */

void
ks_trimmer_poke(struct ks_log *log)
{
    if (log->trimmer->step == KS_TRIM_IDLE && !ks_trimmer_is_over(log)) {
        ks_env_defer(log->env, &log->trimmer->task);
    }
}

void
ks_trim_advance(struct ks_log *log)
{
    log->trimmer->round++;
    ks_trimmer_poke(log);
}

void
ks_trim_note_slot(struct ks_log *log, const struct ks_slot *slot)
{
    struct ks_trail *own = log->trimmer->own;

    if (own == NULL) {
        return;
    }
    ks_trail_add(own, slot->sequence, ks_buffer_slice(&slot->head));
    if (ks_trail_is_worth_bundling(own)) {
        ks_trimmer_poke(log);
    }
}

/* The log is going, and the step with it. */
static bool
is_ended(struct ks_trimmer *trimmer)
{
    if (!ks_trimmer_is_over(trimmer->log)) {
        return false;
    }
    trimmer->step = KS_TRIM_IDLE;
    return true;
}

/* After each request. False: as is_ended, and ks_log_end was called. */
static bool
is_answered(struct ks_trimmer *trimmer)
{
    if (is_ended(trimmer)) {
        ks_log_end(trimmer->log);
        return false;
    }
    return true;
}

/* Fresh: what is under the step's key decides what goes. */
static void
read_key(struct ks_trimmer *trimmer, kafscale_meta_read_done *done)
{
    trimmer->read = (struct kafscale_meta_read){ .key = trimmer->key, .is_fresh = true };
    ks_log_begin(trimmer->log);
    ks_meta_read(trimmer->log->meta, &trimmer->read, done, trimmer);
}

static void
wait_until(struct ks_trimmer *trimmer, int64_t due_ms, void (*on_due)(void *))
{
    ks_env_cancel_timer(trimmer->log->env, &trimmer->retry);
    trimmer->retry = (struct ks_timer){ .on_due = on_due, .arg = trimmer };
    ks_env_set_timer(trimmer->log->env, &trimmer->retry, due_ms);
}

static void
wait(struct ks_trimmer *trimmer, void (*on_due)(void *))
{
    struct ks_log *log = trimmer->log;

    ks_log_note_failure(log, KS_LOG_CHORE_TRIM, NULL);
    wait_until(trimmer, ks_env_now_ms(log->env) + ks_log_backoff_ms(log, trimmer->attempts++),
               on_due);
}

void
ks_trimmer_step_done(struct ks_trimmer *trimmer)
{
    trimmer->step = KS_TRIM_IDLE;
    trimmer->trail = NULL;
    trimmer->bundle = NULL;
    trimmer->attempts = 0;
    ks_log_note_rest(trimmer->log, KS_LOG_CHORE_TRIM);
    ks_trimmer_poke(trimmer->log);
}

/* --- Looking at a partition -------------------------------------------------------------- */

static void look(void *arg);

static void
on_register(void *arg, enum kafscale_status status, const struct kafscale_meta_entry *entries,
            size_t entry_count, uint64_t revision, const struct kafscale_error *error)
{
    struct ks_trimmer *trimmer = arg;
    struct ks_log *log = trimmer->log;
    struct kafscale_error damage = { 0 };
    struct ks_register reg = { 0 };

    (void) revision;
    (void) error;
    if (!is_answered(trimmer)) {
        return;
    }
    if (status != KAFSCALE_OK) {
        wait(trimmer, look);
    } else {
        if (entry_count == 1 &&
            ks_register_decode(entries[0].value, &reg, &damage) != KAFSCALE_OK) {
            reg = (struct ks_register){ 0 };
        }
        ks_known_note(trimmer, &trimmer->name, false, reg.compacted_upto);
        ks_register_deinit(&reg);
        ks_trimmer_step_done(trimmer);
    }
    ks_log_end(log);
}

static void
read_register(struct ks_trimmer *trimmer)
{
    ks_register_key(&trimmer->name, trimmer->key);
    read_key(trimmer, on_register);
}

static void
on_topic(void *arg, enum kafscale_status status, const struct kafscale_meta_entry *entries,
         size_t entry_count, uint64_t revision, const struct kafscale_error *error)
{
    struct ks_trimmer *trimmer = arg;
    struct ks_log *log = trimmer->log;

    (void) entries;
    (void) revision;
    (void) error;
    if (!is_answered(trimmer)) {
        return;
    }
    if (status != KAFSCALE_OK) {
        wait(trimmer, look);
    } else if (entry_count == 0) {
        trimmer->name.index = KS_KNOWN_TOPIC;
        ks_known_note(trimmer, &trimmer->name, true, 0);
        ks_trimmer_step_done(trimmer);
    } else {
        read_register(trimmer);
    }
    ks_log_end(log);
}

/*
 * Fresh, and after the section was seen: an older view might not know the topic yet, and would
 * have it gone.
 */
static void
look(void *arg)
{
    struct ks_trimmer *trimmer = arg;

    if (is_ended(trimmer)) {
        return;
    }
    trimmer->step = KS_TRIM_LOOK;
    ks_topic_key(&trimmer->name.topic, trimmer->key);
    read_key(trimmer, on_topic);
}

/* What is found not to be due yet may be by then. */
void
ks_trimmer_step_at(struct ks_trimmer *trimmer, int64_t due_ms)
{
    if (!ks_env_timer_is_set(&trimmer->retry)) {
        wait_until(trimmer, due_ms, step);
    }
}

bool
ks_trimmer_gives_way(struct ks_trimmer *trimmer)
{
    const struct ks_log *log = trimmer->log;
    int64_t again_ms;

    if (!ks_pace_gives_way(&log->pace, ks_env_now_ms(log->env), &again_ms)) {
        return false;
    }
    ks_trimmer_step_at(trimmer, again_ms);
    return true;
}

/* False: later, since the last look is not long ago; other things can be done meanwhile. */
static bool
begin_look(struct ks_trimmer *trimmer, const struct ks_partition_name *name)
{
    int64_t now_ms = ks_env_now_ms(trimmer->log->env);

    if (trimmer->has_looked && now_ms - trimmer->looked_ms < LOOK_INTERVAL_MS) {
        ks_trimmer_step_at(trimmer, trimmer->looked_ms + LOOK_INTERVAL_MS);
        return false;
    }
    trimmer->has_looked = true;
    trimmer->looked_ms = now_ms;
    trimmer->name = *name;
    look(trimmer);
    return true;
}

/* --- Moving a mark ----------------------------------------------------------------------- */

/* The mark is where it was to be: the slots below may go. */
static void
take_mark(struct ks_trimmer *trimmer, uint64_t version)
{
    struct ks_trail *trail = trimmer->trail;

    ks_log_note_success(trimmer->log, KS_LOG_CHORE_TRIM);
    trimmer->log->counters.slots_trimmed += trimmer->mark - trail->mark;
    ks_garbage_add(trimmer, trail->source, trail->mark, trimmer->mark);
    ks_trail_advance_states(trail, trimmer->mark);
    ks_trail_set_mark(trail, trimmer->mark, version);
    if (ks_trail_is_over(trail)) {
        ks_trail_free(trail);
    }
    ks_trimmer_step_done(trimmer);
}

static void
lose_trail(struct ks_trimmer *trimmer)
{
    trimmer->trail->is_lost = true;
    ks_trimmer_step_done(trimmer);
}

/*
 * Where the mark is after a transaction of which that isn't known. One that has done nothing so far
 * may still do it: the same is sent until it is known, so that nobody else's mark is found here who
 * isn't there.
 */
static void
take_read_mark(struct ks_trimmer *trimmer, uint64_t mark, uint64_t version)
{
    struct ks_trail *trail = trimmer->trail;

    if (mark == trimmer->mark) {
        take_mark(trimmer, version);
    } else if (mark == trail->mark) {
        trail->mark_version = version;
        wait(trimmer, send_mark);
    } else {
        /* Somebody else works on this log. */
        lose_trail(trimmer);
    }
}

static void
on_mark(void *arg, enum kafscale_status status, const struct kafscale_meta_entry *entries,
        size_t entry_count, uint64_t revision, const struct kafscale_error *error)
{
    struct ks_trimmer *trimmer = arg;
    struct ks_log *log = trimmer->log;

    (void) revision;
    (void) error;
    if (!is_answered(trimmer)) {
        return;
    }
    if (status != KAFSCALE_OK) {
        wait(trimmer, read_mark);
    } else {
        take_read_mark(trimmer, ks_trim_mark_of(entries, entry_count),
                       entry_count == 0 ? 0 : entries[0].version);
    }
    ks_log_end(log);
}

static void
read_mark(void *arg)
{
    struct ks_trimmer *trimmer = arg;

    if (is_ended(trimmer)) {
        return;
    }
    trimmer->step = KS_TRIM_CHECK;
    read_key(trimmer, on_mark);
}

static void
on_moved(void *arg, enum kafscale_status status, uint64_t revision,
         const struct kafscale_error *error)
{
    struct ks_trimmer *trimmer = arg;
    struct ks_log *log = trimmer->log;

    (void) error;
    if (!is_answered(trimmer)) {
        return;
    }
    if (status == KAFSCALE_OK) {
        take_mark(trimmer, revision);
    } else {
        wait(trimmer, read_mark);
    }
    ks_log_end(log);
}

static void
send_mark(void *arg)
{
    struct ks_trimmer *trimmer = arg;

    if (is_ended(trimmer)) {
        return;
    }
    trimmer->step = KS_TRIM_MOVE;
    trimmer->compare = (struct kafscale_meta_compare){ .key = trimmer->key,
                                                       .version = trimmer->trail->mark_version };
    ks_log_begin(trimmer->log);
    ks_meta_txn(trimmer->log->meta, &trimmer->txn, on_moved, trimmer);
}

static void
move_mark(struct ks_trimmer *trimmer, struct ks_trail *trail, uint64_t mark)
{
    assert(mark > trail->mark);
    assert(mark <= trail->end);

    trimmer->trail = trail;
    trimmer->mark = mark;
    ks_trim_key(&trail->incarnation, trimmer->key);
    ks_put_u64(trimmer->value, mark);
    trimmer->operation = (struct kafscale_meta_operation){
        .key = trimmer->key, .value = ks_slice(trimmer->value, sizeof trimmer->value)
    };
    trimmer->txn =
        (struct kafscale_meta_txn){ .compares = &trimmer->compare,
                                    .compare_count = ks_is_planted(KS_PLANTED_COMPARE_TRIM) ? 0 : 1,
                                    .operations = &trimmer->operation,
                                    .operation_count = 1 };
    if (ks_is_planted(KS_PLANTED_DELETE_BEFORE_TRIM)) {
        ks_garbage_add(trimmer, trail->source, trail->mark, mark);
    }
    send_mark(trimmer);
}

/* --- Bundles ----------------------------------------------------------------------------- */

void
ks_trimmer_adopt(struct ks_trimmer *trimmer, struct ks_trail *trail, struct ks_bundle *bundle,
                 uint64_t version)
{
    uint64_t first = trail->mark;

    assert(bundle->name.first == first);
    assert(bundle->name.attempt == 0);

    ks_trail_set_mark(trail, bundle->header.last + 1, version);
    bundle = ks_trail_add_bundle(trail, bundle);
    for (size_t i = 0; i < bundle->section_count; i++) {
        struct ks_partition_name name = ks_bundle_section_name(&bundle->sections[i]);
        struct ks_partition *partition = ks_log_find(trimmer->log, &name);

        if (partition != NULL &&
            ks_partition_add_bundled(partition, bundle, &bundle->sections[i]) == KAFSCALE_OK) {
            ks_partition_drop_placed(partition);
        }
    }
    ks_garbage_add(trimmer, trail->source, first, trail->mark);
}

static void
drop_part(struct ks_trimmer *trimmer, struct ks_bundle *bundle)
{
    for (size_t i = 0; i < bundle->section_count; i++) {
        struct ks_partition_name name = ks_bundle_section_name(&bundle->sections[i]);
        struct ks_partition *partition = ks_log_find(trimmer->log, &name);

        if (partition != NULL) {
            ks_partition_drop_bundled(partition, bundle);
        }
    }
    ks_garbage_add_bundle(trimmer, bundle->source, &bundle->name);
    bundle->is_removed = true;
    ks_list_remove(&bundle->link);
    ks_bundle_unref(bundle);
}

/* The first bundle after this one that has another register, or the list's end. */
static struct ks_list *
next_register(const struct ks_trail *trail, const struct ks_bundle *bundle)
{
    const struct ks_list *node = bundle->link.next;

    while (node != &trail->bundles &&
           ks_bundle_name_is_same(&KS_CONTAINER(node, const struct ks_bundle, link)->name,
                                  &bundle->name)) {
        node = node->next;
    }
    return (struct ks_list *) node;
}

/* The register is gone: so may the objects be. */
static void
drop_bundle(struct ks_trimmer *trimmer)
{
    struct ks_list *node = &trimmer->bundle->link;
    struct ks_list *end = next_register(trimmer->trail, trimmer->bundle);

    trimmer->log->counters.bundles_removed++;
    while (node != end) {
        struct ks_bundle *bundle = KS_CONTAINER(node, struct ks_bundle, link);

        node = node->next;
        drop_part(trimmer, bundle);
    }
    if (ks_trail_is_over(trimmer->trail)) {
        ks_trail_free(trimmer->trail);
    }
    ks_trimmer_step_done(trimmer);
}

static void
read_bundle_register(void *arg)
{
    struct ks_trimmer *trimmer = arg;

    if (is_ended(trimmer)) {
        return;
    }
    read_key(trimmer, on_bundle_register);
}

static void
on_bundle_register(void *arg, enum kafscale_status status,
                   const struct kafscale_meta_entry *entries, size_t entry_count, uint64_t revision,
                   const struct kafscale_error *error)
{
    struct ks_trimmer *trimmer = arg;
    struct ks_log *log = trimmer->log;

    (void) revision;
    (void) error;
    if (!is_answered(trimmer)) {
        return;
    }
    if (status != KAFSCALE_OK) {
        wait(trimmer, read_bundle_register);
    } else if (entry_count == 0) {
        drop_bundle(trimmer);
    } else {
        trimmer->bundle->register_version = entries[0].version;
        trimmer->step = KS_TRIM_IDLE;
        wait(trimmer, step);
    }
    ks_log_end(log);
}

static void
on_bundle_removed(void *arg, enum kafscale_status status, uint64_t revision,
                  const struct kafscale_error *error)
{
    struct ks_trimmer *trimmer = arg;
    struct ks_log *log = trimmer->log;

    (void) revision;
    (void) error;
    if (!is_answered(trimmer)) {
        return;
    }
    if (status == KAFSCALE_OK) {
        drop_bundle(trimmer);
    } else {
        wait(trimmer, read_bundle_register);
    }
    ks_log_end(log);
}

static void
remove_bundle(struct ks_trimmer *trimmer, struct ks_trail *trail, struct ks_bundle *bundle)
{
    trimmer->step = KS_TRIM_REMOVE;
    trimmer->trail = trail;
    trimmer->bundle = bundle;
    ks_bundle_register_key(&trail->incarnation, bundle->name.first, trimmer->key);
    trimmer->compare =
        (struct kafscale_meta_compare){ .key = trimmer->key, .version = bundle->register_version };
    trimmer->operation = (struct kafscale_meta_operation){ .key = trimmer->key, .is_delete = true };
    trimmer->txn = (struct kafscale_meta_txn){ .compares = &trimmer->compare,
                                               .compare_count = 1,
                                               .operations = &trimmer->operation,
                                               .operation_count = 1 };
    if (ks_is_planted(KS_PLANTED_OBJECT_FIRST)) {
        ks_garbage_add_bundle(trimmer, bundle->source, &bundle->name);
    }
    ks_log_begin(trimmer->log);
    ks_meta_txn(trimmer->log->meta, &trimmer->txn, on_bundle_removed, trimmer);
}

/* --- What is due ------------------------------------------------------------------------- */

/* True: it has something to do. */
static bool
bundle_slots(struct ks_trimmer *trimmer, struct ks_trail *trail)
{
    enum ks_coverage coverage = KS_COVERED;
    struct ks_partition_name name;
    uint64_t end = ks_trail_bundle_end(trail, &coverage, &name);

    if (coverage == KS_COVERAGE_UNKNOWN) {
        return begin_look(trimmer, &name);
    }
    if (end == trail->mark) {
        return false;
    }
    if (ks_trail_can_wait(trail) && ks_trimmer_gives_way(trimmer)) {
        return false;
    }
    if (ks_env_now_ms(trimmer->log->env) < trail->bundled_after_ms ||
        !ks_bundler_start(trimmer, trail, end)) {
        ks_trimmer_step_at(trimmer, trail->bundled_after_ms);
        return false;
    }
    trimmer->step = KS_TRIM_BUNDLE;
    trimmer->trail = trail;
    return true;
}

/* Of all parts that share a register. */
static enum ks_coverage
parts_coverage(const struct ks_log *log, struct ks_list *first, const struct ks_list *end,
               struct ks_partition_name *name_out)
{
    enum ks_coverage coverage = KS_COVERED;

    for (struct ks_list *node = first; node != end && coverage == KS_COVERED; node = node->next) {
        coverage = ks_bundle_coverage(log, KS_CONTAINER(node, struct ks_bundle, link), name_out);
    }
    return coverage;
}

/* True: it has something to do. */
static bool
work_on_bundles(struct ks_trimmer *trimmer, struct ks_trail *trail)
{
    struct ks_list *next;

    for (struct ks_list *node = trail->bundles.next; node != &trail->bundles; node = next) {
        struct ks_bundle *bundle = KS_CONTAINER(node, struct ks_bundle, link);
        struct ks_partition_name name;

        next = next_register(trail, bundle);
        if (bundle->is_merging) {
            continue;
        }
        switch (parts_coverage(trimmer->log, node, next, &name)) {
        case KS_COVERED:
            remove_bundle(trimmer, trail, bundle);
            return true;
        case KS_COVERAGE_UNKNOWN:
            if (begin_look(trimmer, &name)) {
                return true;
            }
            break;
        case KS_NOT_COVERED:
            break;
        }
    }
    return false;
}

/* True: it has something to do. */
static bool
work_on(struct ks_trimmer *trimmer, struct ks_trail *trail)
{
    enum ks_coverage coverage;

    if (trail->is_lost) {
        return false;
    }
    coverage = ks_trail_find_covered(trail);
    if (ks_is_planted(KS_PLANTED_TRIM_UNCOVERED)) {
        trail->covered = trail->end;
    }
    if (trail->is_lost) {
        return false;
    }
    if (ks_trail_is_worth_moving(trail)) {
        move_mark(trimmer, trail, trail->covered);
        return true;
    }
    if (coverage == KS_COVERAGE_UNKNOWN && begin_look(trimmer, &trail->blocker)) {
        return true;
    }
    return (ks_trail_is_worth_bundling(trail) && bundle_slots(trimmer, trail)) ||
           work_on_bundles(trimmer, trail);
}

/*
 * While a partition is being opened its logs stay as they are: the opening would have to read them
 * again.
 */
static void
step(void *arg)
{
    struct ks_trimmer *trimmer = arg;
    struct ks_log *log = trimmer->log;

    if (trimmer->step != KS_TRIM_IDLE || ks_trimmer_is_over(log) || log->opening != NULL) {
        return;
    }
    ks_merger_start_if_due(trimmer);
    for (struct ks_list *node = trimmer->trails.next; node != &trimmer->trails; node = node->next) {
        if (work_on(trimmer, KS_CONTAINER(node, struct ks_trail, link))) {
            return;
        }
    }
}
