/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Until the transaction the bundles are what counts, and what was put is garbage. The transaction
 * compares all their registers and that nobody else has read this log; so what it replaces is what
 * was read, and nobody holds on to an object that goes. When it is refused it can never happen: its
 * parts go at once. What a broker leaves that dies before is told from the registers by a later
 * start (leftovers.c).
 */
#include "log/bundle/merger.h"

#include "log/bundle/merge_build.h"

#include <assert.h>
#include <inttypes.h>

#define GETS_AT_ONCE 4
#define READS_MAX 5
#define FAILURE_PAUSE_MS 10000
#define ADOPT_RETRY_MS 20

struct merge_get {
    struct ks_merger *merger;
    uint32_t range;
    bool is_used;
    char key[KS_BUNDLE_KEY_BYTES];
    struct kafscale_get get;
    struct ks_timer retry;
    uint32_t attempts;
    uint32_t damaged_reads;
};

struct ks_merger {
    struct ks_trimmer *trimmer;
    struct ks_trail *trail;
    struct ks_merge_plan plan;
    struct ks_merge_part part;
    struct ks_merge_build build;
    struct ks_bundle_name name; /* of the part at hand */
    uint32_t level;
    struct ks_bundle **made; /* parts that are durable */
    size_t made_count;
    size_t made_capacity;
    struct merge_get gets[GETS_AT_ONCE];
    size_t range_next;
    size_t under_way; /* requests */
    bool is_over;     /* goes when none is under way any more */
    bool is_sent;     /* the PUT of the part at hand */
    uint32_t attempts;
    uint64_t version; /* of the register, once it is written */
    char key[KS_BUNDLE_KEY_BYTES];
    struct kafscale_put put;
    char reader_key[KS_BUNDLE_REGISTER_KEY_BYTES];
    char (*keys)[KS_BUNDLE_REGISTER_KEY_BYTES]; /* of the registers */
    struct ks_buffer value;
    struct kafscale_meta_compare *compares; /* the last is of the readers' */
    struct kafscale_meta_operation *operations;
    struct kafscale_meta_txn txn;
    bool is_refused;
    struct kafscale_meta_read read;
    struct ks_timer retry;
    struct ks_task task;
};

static void next_part(struct ks_merger *merger);
static void build_more(void *arg);
static void put(void *arg);
static void commit(void *arg);
static void look(void *arg);
static void adopt(void *arg);
static void get_more(struct ks_merger *merger);
static void get_again(void *arg);

/* --- The end ----------------------------------------------------------------------------- */

static void
stop_timers(struct ks_merger *merger)
{
    struct ks_env *env = merger->trimmer->log->env;

    ks_env_cancel_timer(env, &merger->retry);
    ks_env_cancel_task(&merger->task);
    for (size_t i = 0; i < GETS_AT_ONCE; i++) {
        ks_env_cancel_timer(env, &merger->gets[i].retry);
    }
}

static void
merger_free(struct ks_merger *merger)
{
    stop_timers(merger);
    merger->trimmer->merger = NULL;
    for (size_t i = 0; i < merger->plan.bundle_count; i++) {
        merger->plan.bundles[i]->is_merging = false;
    }
    for (size_t i = 0; i < merger->made_count; i++) {
        ks_bundle_unref(merger->made[i]);
    }
    ks_free(merger->made);
    ks_merge_build_deinit(&merger->build);
    ks_merge_part_deinit(&merger->part);
    ks_merge_plan_deinit(&merger->plan);
    ks_buffer_deinit(&merger->value);
    ks_free(merger->keys);
    ks_free(merger->compares);
    ks_free(merger->operations);
    ks_free(merger);
}

/* It may be gone afterwards. */
static void
finish(struct ks_merger *merger)
{
    struct ks_log *log = merger->trimmer->log;

    merger->is_over = true;
    stop_timers(merger);
    if (merger->under_way == 0) {
        merger_free(merger);
        ks_trimmer_poke(log);
    }
}

/* A draining log waits for nothing that the next one can do as well. */
static bool
is_going(const struct ks_merger *merger)
{
    return ks_trimmer_is_over(merger->trimmer->log) || merger->trimmer->log->is_draining;
}

/* No transaction of this attempt can happen any more: what it has made is garbage. */
static void
discard(struct ks_merger *merger)
{
    struct ks_trimmer *trimmer = merger->trimmer;

    trimmer->log->counters.merges_lost++;
    for (size_t i = 0; i < merger->made_count; i++) {
        ks_garbage_add_bundle(trimmer, merger->trail->source, &merger->made[i]->name);
    }
    if (merger->is_sent) {
        ks_garbage_add_bundle(trimmer, merger->trail->source, &merger->name);
    }
    finish(merger);
}

/* For want of memory, mostly: it is tried again, but not at once. */
static void
put_off(struct ks_trimmer *trimmer)
{
    struct ks_trail *own = trimmer->own;

    own->merged_after_ms = ks_env_now_ms(trimmer->log->env) + FAILURE_PAUSE_MS;
    ks_trimmer_step_at(trimmer, own->merged_after_ms);
}

static void
fail(struct ks_merger *merger)
{
    ks_log_note_failure(merger->trimmer->log, KS_LOG_CHORE_MERGE, NULL);
    put_off(merger->trimmer);
    discard(merger);
}

/* The bundles stay as they are until the next start. */
static void
give_up(struct ks_merger *merger)
{
    merger->trail->is_merge_over = true;
    ks_log_note_rest(merger->trimmer->log, KS_LOG_CHORE_MERGE);
    discard(merger);
}

static void
wait_for(struct ks_merger *merger, void (*on_due)(void *), int64_t wait_ms)
{
    struct ks_env *env = merger->trimmer->log->env;

    ks_env_cancel_timer(env, &merger->retry);
    merger->retry = (struct ks_timer){ .on_due = on_due, .arg = merger };
    ks_env_set_timer(env, &merger->retry, ks_env_now_ms(env) + wait_ms);
}

static void
wait(struct ks_merger *merger, void (*on_due)(void *))
{
    ks_log_note_failure(merger->trimmer->log, KS_LOG_CHORE_MERGE, NULL);
    wait_for(merger, on_due, ks_log_backoff_ms(merger->trimmer->log, merger->attempts++));
}

/* Before each request. False: the log is going, and it may be gone. */
static bool
begin(struct ks_merger *merger)
{
    if (is_going(merger)) {
        finish(merger);
        return false;
    }
    merger->under_way++;
    ks_log_begin(merger->trimmer->log);
    return true;
}

/* After each. False: it is over, and may be gone. The caller calls ks_log_end. */
static bool
is_answered(struct ks_merger *merger)
{
    merger->under_way--;
    if (merger->is_over || ks_trimmer_is_over(merger->trimmer->log)) {
        finish(merger);
        return false;
    }
    return true;
}

/* --- Reading ----------------------------------------------------------------------------- */

/* An object that can't be read is for others to complain of, who need its records. */
static void
on_range(void *arg, enum kafscale_status status, struct kafscale_blob *body, uint64_t object_bytes,
         const struct kafscale_error *error)
{
    struct merge_get *get = arg;
    struct ks_merger *merger = get->merger;
    struct ks_log *log = merger->trimmer->log;
    struct ks_env *env = log->env;

    (void) object_bytes;
    (void) error;
    if (!is_answered(merger)) {
        ks_log_end(log);
        return;
    }
    if (status == KAFSCALE_OK && kafscale_blob_size(body) != get->get.size_max) {
        status = KAFSCALE_CORRUPT;
    }
    get->damaged_reads += status == KAFSCALE_CORRUPT || status == KAFSCALE_NOT_FOUND;
    if (status == KAFSCALE_OK) {
        merger->part.ranges[get->range].bytes = kafscale_blob_ref(body);
        get->is_used = false;
        get_more(merger);
    } else if (get->damaged_reads >= READS_MAX || status == KAFSCALE_FAILED) {
        give_up(merger);
    } else {
        get->retry = (struct ks_timer){ .on_due = get_again, .arg = get };
        ks_env_set_timer(env, &get->retry,
                         ks_env_now_ms(env) + ks_log_backoff_ms(log, get->attempts++));
    }
    ks_log_end(log);
}

static void
get_again(void *arg)
{
    struct merge_get *get = arg;

    if (begin(get->merger)) {
        get->merger->trimmer->log->counters.merge_gets++;
        ks_store_get(get->merger->trimmer->log->store, &get->get, on_range, get);
    }
}

static void
get_range(struct ks_merger *merger, struct merge_get *get, size_t index)
{
    const struct ks_merge_range *range = &merger->part.ranges[index];

    *get = (struct merge_get){ .merger = merger, .range = (uint32_t) index, .is_used = true };
    ks_bundle_key_of(merger->trimmer->log, range->bundle, get->key);
    get->get = (struct kafscale_get){ .key = get->key,
                                      .position = range->position,
                                      .size_max = (size_t) (range->end - range->position) };
    get_again(get);
}

/* Asks for more ranges; once all have come the bytes are made. */
static void
get_more(struct ks_merger *merger)
{
    bool is_done = true;

    if (is_going(merger)) {
        finish(merger);
        return;
    }
    for (size_t i = 0; i < GETS_AT_ONCE; i++) {
        while (!merger->gets[i].is_used && merger->range_next < merger->part.range_count) {
            size_t index = merger->range_next++;

            if (merger->part.ranges[index].bytes == NULL) {
                get_range(merger, &merger->gets[i], index);
            }
        }
        is_done &= !merger->gets[i].is_used;
    }
    if (is_done) {
        merger->task.run = build_more;
        ks_env_defer(merger->trimmer->log->env, &merger->task);
    }
}

/* --- Building ---------------------------------------------------------------------------- */

/* What was read isn't what was stored: that is read again. */
static void
read_again(struct ks_merger *merger, uint32_t range)
{
    ks_merge_build_deinit(&merger->build);
    if (merger->attempts++ >= READS_MAX) {
        give_up(merger);
        return;
    }
    kafscale_blob_unref(merger->part.ranges[range].bytes);
    merger->part.ranges[range].bytes = NULL;
    merger->range_next = 0;
    get_more(merger);
}

static void
freeze(struct ks_merger *merger)
{
    merger->attempts = 0;
    ks_bundle_key(merger->trimmer->log->ns, &merger->trail->incarnation, &merger->name,
                  merger->key);
    put(merger);
}

static void
build_more(void *arg)
{
    struct ks_merger *merger = arg;
    const struct ks_merge_plan *plan = &merger->plan;
    enum kafscale_status status = KAFSCALE_OK;
    uint32_t damaged = 0;

    if (is_going(merger)) {
        finish(merger);
        return;
    }
    if (merger->build.part == NULL) {
        status = ks_merge_build_begin(&merger->build, &merger->part, plan->bundles[0],
                                      plan->bundles[plan->bundle_count - 1]);
    }
    if (status == KAFSCALE_OK) {
        status = ks_merge_build_step(&merger->build, &damaged);
    }
    if (status == KAFSCALE_OK) {
        freeze(merger);
    } else if (status == KAFSCALE_FULL) {
        ks_env_defer(merger->trimmer->log->env, &merger->task);
    } else if (status == KAFSCALE_CORRUPT) {
        read_again(merger, damaged);
    } else {
        fail(merger);
    }
}

/* --- The objects ------------------------------------------------------------------------- */

static bool
keep_made(struct ks_merger *merger)
{
    struct kafscale_error error = { 0 };
    struct ks_bundle *bundle;

    if (!KS_RESERVE(merger->made, merger->made_capacity, merger->made_count + 1) ||
        ks_bundle_new(merger->trimmer->log, merger->trail->source, &merger->name,
                      ks_buffer_slice(&merger->build.head), &bundle, &error) != KAFSCALE_OK) {
        return false;
    }
    bundle->level = merger->level;
    merger->made[merger->made_count++] = bundle;
    merger->is_sent = false;
    return true;
}

/*
 * The part is durable. EXISTS says so, too: the name is used for these bytes only, so an earlier
 * try has put them.
 */
static void
take_durable(struct ks_merger *merger)
{
    bool was_last = merger->name.is_last;

    if (!keep_made(merger)) {
        fail(merger);
        return;
    }
    merger->trimmer->log->counters.merge_parts++;
    merger->attempts = 0;
    merger->name.part++;
    ks_merge_build_deinit(&merger->build);
    ks_merge_part_deinit(&merger->part);
    if (was_last) {
        commit(merger);
    } else {
        next_part(merger);
    }
}

static void
on_put(void *arg, enum kafscale_status status, const struct kafscale_error *error)
{
    struct ks_merger *merger = arg;
    struct ks_log *log = merger->trimmer->log;

    if (!is_answered(merger)) {
        ks_log_end(log);
        return;
    }
    if (status == KAFSCALE_OK || status == KAFSCALE_EXISTS ||
        ks_is_planted(KS_PLANTED_MERGE_NOT_DURABLE)) {
        take_durable(merger);
    } else if (status == KAFSCALE_FAILED) {
        ks_log_fail(log, error);
        finish(merger);
    } else {
        wait(merger, put);
    }
    ks_log_end(log);
}

static void
put(void *arg)
{
    struct ks_merger *merger = arg;

    if (!begin(merger)) {
        return;
    }
    merger->is_sent = true;
    merger->put = (struct kafscale_put){ .key = merger->key,
                                         .parts = merger->build.parts,
                                         .part_count = merger->build.part_count,
                                         .if_absent = true };
    ks_store_put(merger->trimmer->log->store, &merger->put, on_put, merger);
}

/* Whether what comes next is the last part is known now, and is part of its name. */
static void
next_part(struct ks_merger *merger)
{
    enum kafscale_status status = ks_merge_plan_next(&merger->plan, &merger->part);

    if (status != KAFSCALE_OK || merger->name.part >= KS_BUNDLE_PARTS_MAX) {
        fail(merger);
        return;
    }
    if (merger->part.piece_count == 0) {
        /* All of it became covered: the bundles will go by themselves. */
        fail(merger);
        return;
    }
    merger->name.is_last = ks_merge_plan_is_at_end(&merger->plan);
    merger->range_next = 0;
    get_more(merger);
}

/* --- The transaction --------------------------------------------------------------------- */

/* The registers of the inputs go, but that of the first, which gets another value. */
static void
fill_txn(struct ks_merger *merger)
{
    struct ks_merge_plan *plan = &merger->plan;
    size_t count = plan->input_count;
    size_t compared = ks_is_planted(KS_PLANTED_MERGE_READER) ? count : count + 1;

    for (size_t i = 0; i < count; i++) {
        const struct ks_bundle *bundle = plan->bundles[plan->inputs[i].first];

        ks_bundle_register_key(&merger->trail->incarnation, bundle->name.first, merger->keys[i]);
        merger->compares[i] = (struct kafscale_meta_compare){ .key = merger->keys[i],
                                                              .version = bundle->register_version };
        merger->operations[i] =
            (struct kafscale_meta_operation){ .key = merger->keys[i], .is_delete = i > 0 };
    }
    ks_reader_register_key(&merger->trail->incarnation, merger->reader_key);
    merger->compares[count] = (struct kafscale_meta_compare){ .key = merger->reader_key };
    merger->operations[0].value = ks_buffer_slice(&merger->value);
    merger->txn = (struct kafscale_meta_txn){
        .compares = merger->compares,
        .compare_count = ks_is_planted(KS_PLANTED_MERGE_UNCOMPARED) ? 0 : compared,
        .operations = merger->operations,
        .operation_count = count,
    };
}

static bool
make_txn(struct ks_merger *merger)
{
    struct ks_bundle_register reg = { .last = merger->name.last,
                                      .attempt = merger->name.attempt,
                                      .level = merger->level,
                                      .part_count = (uint32_t) merger->made_count };
    size_t count = merger->plan.input_count;

    merger->keys = ks_alloc_zero(count, sizeof *merger->keys);
    merger->compares = ks_alloc_zero(count + 1, sizeof *merger->compares);
    merger->operations = ks_alloc_zero(count, sizeof *merger->operations);
    ks_merged_register_append(&reg, &merger->value);
    for (size_t i = 0; i < merger->made_count; i++) {
        const struct ks_bundle_header *header = &merger->made[i]->header;
        struct ks_bundle_size size = { .object_bytes = ks_bundle_total_bytes(header),
                                       .head_bytes =
                                           header->header_bytes + header->directory_bytes };

        ks_merged_register_append_size(&size, &merger->value);
    }
    if (merger->keys == NULL || merger->compares == NULL || merger->operations == NULL ||
        ks_buffer_failed(&merger->value)) {
        return false;
    }
    fill_txn(merger);
    return true;
}

/* --- What counts now --------------------------------------------------------------------- */

static void
delete_inputs(struct ks_merger *merger)
{
    for (size_t i = 0; i < merger->plan.bundle_count; i++) {
        ks_garbage_add_bundle(merger->trimmer, merger->trail->source,
                              &merger->plan.bundles[i]->name);
    }
}

/*
 * An opening that reads this log has read the registers before, perhaps: it needs the objects that
 * they named, so it is waited for.
 */
static void
adopt(void *arg)
{
    struct ks_merger *merger = arg;
    struct ks_log *log = merger->trimmer->log;
    struct ks_bundle_name name = merger->name;

    if (ks_trimmer_is_over(log)) {
        finish(merger);
        return;
    }
    if (log->opening != NULL) {
        wait_for(merger, adopt, ADOPT_RETRY_MS);
        return;
    }
    for (size_t i = 0; i < merger->made_count; i++) {
        struct ks_bundle *bundle = ks_trail_add_bundle(merger->trail, merger->made[i]);

        bundle->register_version = merger->version;
    }
    merger->made_count = 0;
    ks_trail_supersede(merger->trail, &name);
    ks_log_note_success(log, KS_LOG_CHORE_MERGE);
    log->counters.merges++;
    log->counters.bundles_merged += merger->plan.input_count;
    delete_inputs(merger);
    finish(merger);
}

static void
take_over(struct ks_merger *merger, uint64_t version)
{
    merger->version = version;
    adopt(merger);
}

/* The register of the first slot says whether it happened. */
static void
on_register(void *arg, enum kafscale_status status, const struct kafscale_meta_entry *entries,
            size_t entry_count, uint64_t revision, const struct kafscale_error *error)
{
    struct ks_merger *merger = arg;
    struct ks_log *log = merger->trimmer->log;
    struct kafscale_error damage = { 0 };
    struct ks_bundle_register reg;
    uint64_t first;

    (void) revision;
    (void) error;
    if (!is_answered(merger)) {
        ks_log_end(log);
        return;
    }
    if (status != KAFSCALE_OK) {
        wait(merger, look);
    } else if (entry_count == 1 &&
               ks_bundle_register_decode(entries[0].key, entries[0].value, &first, &reg, &damage) ==
                   KAFSCALE_OK &&
               reg.attempt == merger->name.attempt) {
        take_over(merger, entries[0].version);
    } else if (merger->is_refused) {
        /* Somebody else has read this log, or works on it. */
        give_up(merger);
    } else {
        wait(merger, commit);
    }
    ks_log_end(log);
}

static void
look(void *arg)
{
    struct ks_merger *merger = arg;

    if (begin(merger)) {
        merger->read = (struct kafscale_meta_read){ .key = merger->keys[0], .is_fresh = true };
        ks_meta_read(merger->trimmer->log->meta, &merger->read, on_register, merger);
    }
}

static void
on_committed(void *arg, enum kafscale_status status, uint64_t revision,
             const struct kafscale_error *error)
{
    struct ks_merger *merger = arg;
    struct ks_log *log = merger->trimmer->log;

    (void) error;
    if (!is_answered(merger)) {
        ks_log_end(log);
        return;
    }
    merger->is_refused = status == KAFSCALE_CONFLICT;
    if (status == KAFSCALE_OK) {
        take_over(merger, revision);
    } else {
        wait(merger, look);
    }
    ks_log_end(log);
}

static void
commit(void *arg)
{
    struct ks_merger *merger = arg;

    if (merger->txn.operations == NULL && !make_txn(merger)) {
        fail(merger);
        return;
    }
    if (!begin(merger)) {
        return;
    }
    if (ks_is_planted(KS_PLANTED_MERGE_INPUTS_FIRST)) {
        delete_inputs(merger);
    }
    ks_meta_txn(merger->trimmer->log->meta, &merger->txn, on_committed, merger);
}

/* --- The calls --------------------------------------------------------------------------- */

static bool
start(struct ks_trimmer *trimmer, struct ks_merge_plan *plan)
{
    struct ks_merger *merger = ks_alloc_zero(1, sizeof *merger);
    struct ks_trail *trail = trimmer->own;

    if (merger == NULL) {
        return false;
    }
    merger->trimmer = trimmer;
    merger->trail = trail;
    merger->plan = *plan;
    merger->level = plan->bundles[0]->level + 1;
    merger->name =
        (struct ks_bundle_name){ .first = plan->bundles[0]->name.first,
                                 .last = plan->bundles[plan->bundle_count - 1]->name.last,
                                 .attempt = ++trail->attempts };
    merger->task = (struct ks_task){ .run = build_more, .arg = merger };
    ks_buffer_init(&merger->value, KS_MERGED_REGISTER_BYTES_MAX);
    for (size_t i = 0; i < plan->bundle_count; i++) {
        plan->bundles[i]->is_merging = true;
    }
    trimmer->merger = merger;
    next_part(merger);
    return true;
}

/* As many registers as one transaction takes, beside that of the readers. */
static size_t
run_count(const struct ks_log *log)
{
    size_t operations_max = ks_meta_operations_max(log->meta);
    size_t count = log->options.merge_count;

    return operations_max > 0 && count >= operations_max ? operations_max - 1 : count;
}

static bool
may_start(struct ks_trimmer *trimmer)
{
    const struct ks_log *log = trimmer->log;
    const struct ks_trail *own = trimmer->own;

    return own != NULL && !own->is_lost && !own->is_merge_over && trimmer->merger == NULL &&
           !log->is_draining && !ks_list_is_empty(&own->bundles) && run_count(log) >= 2 &&
           !ks_trimmer_gives_way(trimmer);
}

void
ks_merger_start_if_due(struct ks_trimmer *trimmer)
{
    struct ks_log *log = trimmer->log;
    struct ks_merge_plan plan;
    enum kafscale_status status;

    if (!may_start(trimmer)) {
        return;
    }
    if (ks_env_now_ms(log->env) < trimmer->own->merged_after_ms) {
        ks_trimmer_step_at(trimmer, trimmer->own->merged_after_ms);
        return;
    }
    status = ks_merge_plan_find(&plan, trimmer->own, run_count(log));
    if (status == KAFSCALE_OK && !start(trimmer, &plan)) {
        status = KAFSCALE_NO_MEMORY;
    }
    if (status != KAFSCALE_OK) {
        ks_merge_plan_deinit(&plan);
    }
    if (status == KAFSCALE_NO_MEMORY) {
        put_off(trimmer);
    } else if (status != KAFSCALE_OK) {
        ks_log_note_rest(log, KS_LOG_CHORE_MERGE);
    }
}

void
ks_merger_silence(struct ks_merger *merger)
{
    if (merger == NULL) {
        return;
    }
    merger->is_over = true;
    stop_timers(merger);
    if (merger->under_way == 0) {
        merger_free(merger);
    }
}

void
ks_merger_drop(struct ks_merger *merger)
{
    if (merger != NULL) {
        merger_free(merger);
    }
}
