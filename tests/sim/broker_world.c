/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Time, brokers and what is done to them. Everybody, the world and each broker, has events that
 * are due; one after another, in an order drawn from the seed, does one of them, and when nobody
 * has any the clocks go on to the next.
 */
#include "sim/broker_world_internal.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define STEP_MS_MAX 120
#define LATE_MS_MAX 6000
#define PAUSE_MS_MAX 5000
#define OUTAGE_MS_MAX 3000
#define FINAL_MS 120000
#define REFUSAL_MS 20000

uint64_t
world_draw(struct world *w, uint64_t below)
{
    return ks_env_random_u64(&w->v.env) % below;
}

void
world_broken(struct world *w, const char *what, int64_t a, int64_t b)
{
    if (!w->is_broken) {
        snprintf(w->reason, 200, "%.140s (%" PRId64 ", %" PRId64 ")", what, a, b);
    }
    w->is_broken = true;
}

uint64_t
world_damaged_answers(const struct world *w)
{
    return ks_fault_store_count(w->faults, KS_FAULT_SHORT) +
           ks_fault_store_count(w->faults, KS_FAULT_DAMAGE);
}

bool
world_is_damage(const struct client *client, int16_t code)
{
    return code == KAFKA_ERROR_KAFKA_STORAGE_ERROR &&
           world_damaged_answers(client->world) > client->damaged_before;
}

void
world_check_error(struct world *w, const char *api, int16_t code, int64_t sent_at_ms)
{
    char text[100];

    if (w->scenario->no_conditions) {
        return;
    }
    if (code == KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION &&
        sent_at_ms <= w->admin.stays_since_ms + WORLD_FRESHNESS_MS) {
        return;
    }
    switch (code) {
    case KAFKA_ERROR_NOT_LEADER_OR_FOLLOWER:
        w->events->not_leader++;
        return;
    case KAFKA_ERROR_REQUEST_TIMED_OUT:
        w->events->request_timed_out++;
        return;
    case KAFKA_ERROR_COORDINATOR_NOT_AVAILABLE:
    case KAFKA_ERROR_NOT_COORDINATOR:
    case KAFKA_ERROR_COORDINATOR_LOAD_IN_PROGRESS:
    case KAFKA_ERROR_NOT_CONTROLLER:
    case KAFKA_ERROR_LEADER_NOT_AVAILABLE:
    case KAFKA_ERROR_OUT_OF_ORDER_SEQUENCE_NUMBER:
        return;
    default:
        snprintf(text, sizeof text, "%s answers an error that no trouble explains", api);
        world_broken(w, text, code, 0);
    }
}

/* --- Brokers ---------------------------------------------------------------------------------- */

static bool
runs(const struct slot *slot)
{
    return slot->process != NULL && process_state(slot->process) == PROCESS_RUNS;
}

static int
count_running(const struct world *w)
{
    int count = 0;

    for (int i = 0; i < WORLD_PROCESSES; i++) {
        count += runs(&w->slots[i]);
    }
    return count;
}

static struct slot *
any_slot(struct world *w)
{
    uint64_t first = world_draw(w, WORLD_PROCESSES);

    for (uint64_t i = 0; i < WORLD_PROCESSES; i++) {
        struct slot *slot = &w->slots[(first + i) % WORLD_PROCESSES];

        if (runs(slot)) {
            return slot;
        }
    }
    return NULL;
}

struct process *
world_any_process(struct world *w)
{
    struct slot *slot = any_slot(w);

    return slot == NULL ? NULL : slot->process;
}

static void
set_options(struct world *w, struct ks_broker_options *options)
{
    ks_broker_options_init(options);
    options->ns = "sim";
    options->flush_interval_ms = (int64_t) world_draw(w, 3) * 4;
    options->flush_bytes = 1 + world_draw(w, 2500);
    options->unflushed_bytes_max = 1000 + world_draw(w, 5000);
    options->cache_bytes_max = world_draw(w, 3) * 700;
    options->bundle_slots = (uint32_t) world_draw(w, 3) * 2;
    options->segment_bytes = 400 + world_draw(w, 3) * 400;
    options->compact_interval_ms = 20 + (int64_t) world_draw(w, 2000);
    options->gone_again_ms = (int64_t) world_draw(w, 2000);
    options->merge_count = (uint32_t) world_draw(w, 3) + 1;
    options->merge_part_bytes = world_draw(w, 2) * 1000;
    options->is_single_writer = w->scenario->never_look;
    options->coordinator.partition_count = 1 + (int32_t) world_draw(w, 2);
    options->coordinator.checkpoint_piece_bytes = 1 + world_draw(w, 500);
    options->coordinator.initial_delay_ms = (int64_t) world_draw(w, 2) * 50;
    options->coordinator.checkpoint_bytes_min = 1 + world_draw(w, 2000);
    options->coordinator.checkpoint_interval_ms = 100 + (int64_t) world_draw(w, 5000);
    options->coordinator.expiry_check_ms = 1 + (int64_t) world_draw(w, 2000);
    options->offsets_commit_ms = 100 + (int64_t) world_draw(w, 5000);
    options->freshness_ms = 100 + (int64_t) world_draw(w, WORLD_FRESHNESS_MS - 99);
}

static void
start(struct world *w)
{
    struct process_options options = { .world = &w->v,
                                       .store = w->store,
                                       .meta_chunk_entries = w->meta_chunk_entries,
                                       .meta_operations_max = w->meta_operations_max,
                                       .is_lax = w->scenario->no_conditions,
                                       .seed = ks_env_random_u64(&w->v.env) };

    if (count_running(w) >= WORLD_RUNNING_MAX) {
        return;
    }
    for (int i = 0; i < WORLD_PROCESSES; i++) {
        if (w->slots[i].process == NULL) {
            set_options(w, &options.broker);
            w->events->rivals += count_running(w) > 0;
            w->events->starts++;
            w->slots[i] = (struct slot){ .process = process_new(&options) };
            ks_broker_options_deinit(&options.broker);
            return;
        }
    }
}

/* What a broker has met; before it goes. */
static void
count(struct world *w, struct slot *slot)
{
    struct ks_log *log = ks_broker_log(process_broker(slot->process));
    const uint64_t *meta = process_meta_counts(slot->process);
    struct ks_log_counters counters;

    w->events->meta_slots_lost += meta[KS_META_LOG_SLOTS_LOST];
    w->events->meta_found += meta[KS_META_LOG_ENTRIES_FOUND];
    w->events->meta_trimmed += meta[KS_META_LOG_CHUNKS_TRIMMED];
    if (log == NULL) {
        return;
    }
    ks_log_get_counters(log, &counters);
    w->events->group_checkpoints +=
        ks_broker_coordinator(process_broker(slot->process))->checkpoints;
    w->events->objects += counters.objects_durable;
    w->events->objects_shared += counters.objects_shared;
    w->events->objects_late += counters.objects_late;
    w->events->own_nonce_seen += counters.own_nonce_seen;
    w->events->seals_won += counters.seals_won;
    w->events->seals_found += counters.seals_found;
    w->events->puts_sealed += counters.puts_sealed;
    w->events->seals_beaten += counters.seals_beaten;
    w->events->duplicates += counters.duplicates;
    w->events->cold_reads += counters.cold_reads;
    w->events->indexes_adopted += counters.indexes_adopted;
    w->events->segments_adopted += counters.segments_adopted;
    w->events->bundle_reads += counters.bundle_reads;
}

static void
resume(struct slot *slot)
{
    slot->resume_at_ms = 0;
    process_resume(slot->process);
}

static void
kill_process(struct world *w, struct slot *slot)
{
    if (slot == NULL) {
        return;
    }
    w->events->kills++;
    w->events->kills_starting += !slot->was_ready;
    count(w, slot);
    resume(slot);
    process_kill(slot->process);
}

static void
stop(struct world *w, struct slot *slot)
{
    static const int64_t give_up_ms[] = { 0, 100, 2000 };

    if (slot == NULL || process_is_paused(slot->process)) {
        return;
    }
    w->events->stops++;
    count(w, slot);
    process_stop(slot->process, give_up_ms[world_draw(w, 3)]);
}

static void
pause_process(struct world *w, struct slot *slot)
{
    if (slot == NULL) {
        return;
    }
    w->events->pauses++;
    slot->was_paused = true;
    slot->resume_at_ms = w->v.now_ms + 1 + (int64_t) world_draw(w, PAUSE_MS_MAX);
    process_pause(slot->process);
}

static void
cut_off(struct world *w, struct slot *slot)
{
    if (slot == NULL) {
        return;
    }
    w->events->outages++;
    slot->mend_at_ms = w->v.now_ms + 1 + (int64_t) world_draw(w, OUTAGE_MS_MAX);
    process_cut_off(slot->process);
}

static void
mend(struct slot *slot)
{
    slot->mend_at_ms = 0;
    process_mend(slot->process);
}

/* Pauses and outages that have lasted long enough; brokers that have come to an end. */
static void
look_after(struct world *w, struct slot *slot)
{
    enum ks_broker_state state;

    if (slot->process == NULL) {
        return;
    }
    if (process_state(slot->process) == PROCESS_ENDED) {
        process_free(slot->process);
        slot->process = NULL;
        return;
    }
    if (!runs(slot)) {
        return;
    }
    if (slot->resume_at_ms > 0 && slot->resume_at_ms <= w->v.now_ms) {
        resume(slot);
    }
    if (slot->mend_at_ms > 0 && slot->mend_at_ms <= w->v.now_ms) {
        mend(slot);
    }
    state = ks_broker_state(process_broker(slot->process));
    if (state == KS_BROKER_READY && !slot->was_ready) {
        slot->was_ready = true;
        w->events->ready++;
    }
    if (state == KS_BROKER_FENCED && !slot->was_fenced) {
        slot->was_fenced = true;
        w->events->fenced++;
        w->events->resumed_fenced += slot->was_paused;
    }
    if (state == KS_BROKER_FAILED && w->scenario->no_conditions) {
        w->events->refusals += !slot->has_refused;
        slot->has_refused = true;
    } else if (state == KS_BROKER_FAILED) {
        world_broken(w, ks_broker_error(process_broker(slot->process))->text, 0, 0);
    }
}

/* --- Time ------------------------------------------------------------------------------------- */

static bool
step_process(struct slot *slot)
{
    bool did_something;

    if (slot->process == NULL) {
        return false;
    }
    if (slot->events_without_memory == 0) {
        return process_step(slot->process);
    }
    ks_alloc_fail_after(slot->events_without_memory % 7);
    did_something = process_step(slot->process);
    ks_alloc_fail_after(UINT64_MAX);
    slot->events_without_memory -= did_something;
    return did_something;
}

/* One event of everybody who has one, beginning with anybody. */
static bool
step_all(struct world *w)
{
    uint64_t first = world_draw(w, WORLD_PROCESSES + 1);
    bool did_something = false;

    for (uint64_t i = 0; i <= WORLD_PROCESSES; i++) {
        uint64_t index = (first + i) % (WORLD_PROCESSES + 1);

        if (index == WORLD_PROCESSES) {
            did_something |= virtual_env_step_now(&w->v);
        } else {
            did_something |= step_process(&w->slots[index]);
        }
    }
    return did_something;
}

static int64_t
next_due_ms(const struct world *w)
{
    int64_t due_ms = virtual_env_next_due_ms(&w->v);

    for (int i = 0; i < WORLD_PROCESSES; i++) {
        const struct slot *slot = &w->slots[i];
        int64_t own_ms = slot->process == NULL ? INT64_MAX : process_next_due_ms(slot->process);

        due_ms = own_ms < due_ms ? own_ms : due_ms;
    }
    return due_ms;
}

static void
set_now(struct world *w, int64_t now_ms)
{
    w->v.now_ms = now_ms;
    for (int i = 0; i < WORLD_PROCESSES; i++) {
        if (w->slots[i].process != NULL) {
            process_set_now(w->slots[i].process, now_ms);
        }
    }
}

static void
run_for(struct world *w, int64_t duration_ms)
{
    int64_t until_ms = w->v.now_ms + duration_ms;

    while (!w->is_broken) {
        int64_t due_ms;

        while (step_all(w)) {
        }
        for (int i = 0; i < WORLD_PROCESSES; i++) {
            look_after(w, &w->slots[i]);
        }
        due_ms = next_due_ms(w);
        if (due_ms > until_ms) {
            break;
        }
        set_now(w, due_ms);
    }
    set_now(w, until_ms);
}

/* --- Trouble ---------------------------------------------------------------------------------- */

static void
cut_lines(struct world *w)
{
    for (int i = 0; i < WORLD_PRODUCERS; i++) {
        client_leave(&w->producers[i].client);
    }
    client_leave(&w->readers[world_draw(w, WORLD_READERS)].client);
}

static void
storm(struct world *w)
{
    for (int i = 0; i < WORLD_RUNNING_MAX; i++) {
        start(w);
        run_for(w, (int64_t) world_draw(w, 20));
    }
}

static void
take_memory(struct world *w, struct slot *slot)
{
    if (slot == NULL || !slot->was_ready) {
        return;
    }
    w->events->out_of_memory++;
    slot->events_without_memory = 1 + (uint32_t) world_draw(w, 6);
}

static void
kill_all(struct world *w)
{
    while (count_running(w) > 0) {
        kill_process(w, any_slot(w));
    }
}

static void
act(struct world *w, enum scenario_action action)
{
    switch (action) {
    case SCENARIO_START:
        start(w);
        return;
    case SCENARIO_KILL:
        kill_process(w, any_slot(w));
        return;
    case SCENARIO_KILL_ALL:
        kill_all(w);
        return;
    case SCENARIO_STOP:
        stop(w, any_slot(w));
        return;
    case SCENARIO_PAUSE:
        pause_process(w, any_slot(w));
        return;
    case SCENARIO_OUTAGE:
        cut_off(w, any_slot(w));
        return;
    case SCENARIO_STORM:
        storm(w);
        return;
    case SCENARIO_NO_MEMORY:
        take_memory(w, any_slot(w));
        return;
    case SCENARIO_CUT_LINES:
        cut_lines(w);
        return;
    case SCENARIO_REPLACE_TOPIC:
        admin_replace_topic(&w->admin);
        return;
    default:
        return;
    }
}

static void
run_scenario(struct world *w)
{
    const struct scenario *scenario = w->scenario;
    int64_t begin_ms = w->v.now_ms;
    size_t timed = 0;

    for (uint32_t i = 0; i < scenario->steps && !w->is_broken; i++) {
        while (timed < scenario->timed_count &&
               scenario->timed[timed].at_ms <= w->v.now_ms - begin_ms) {
            act(w, scenario->timed[timed++].action);
        }
        act(w, scenario_draw(scenario, ks_env_random_u64(&w->v.env)));
        if (count_running(w) == 0 && world_draw(w, 2) == 0) {
            start(w);
        }
        run_for(w, (int64_t) world_draw(w, STEP_MS_MAX));
    }
}

/* --- The end ---------------------------------------------------------------------------------- */

static bool
all_have_written(const struct world *w)
{
    bool are_done = admin_rests(&w->admin);

    for (int i = 0; i < WORLD_PRODUCERS; i++) {
        are_done &= producer_is_done(&w->producers[i]);
    }
    return are_done;
}

/* Nobody has heard of this partition, so nobody has written to it. */
static bool
is_unknown(const struct world *w, int index)
{
    return index < WORLD_PARTITIONS && index >= world_partitions(w);
}

static bool
all_is_read(const struct world *w)
{
    const struct reader *r = &w->readers[0];
    bool is_read = w->admin.is_checked;

    for (int i = 0; i < WORLD_CHANGERS; i++) {
        is_read &= w->changers[i].has_counted && w->changers[i].has_described;
    }
    for (int i = 0; i < WORLD_COMMITTERS; i++) {
        is_read &= w->committers[i].is_checked;
    }
    for (int i = 0; i <= WORLD_LOOSE; i++) {
        is_read &=
            is_unknown(w, i) || (r->has_latest[i] && r->positions[i] >= w->histories[i].latest_max);
    }
    return is_read;
}

static void
run_until(struct world *w, bool (*is_reached)(const struct world *), const char *complaint)
{
    int64_t until_ms = w->v.now_ms + FINAL_MS;

    while (!w->is_broken && !is_reached(w)) {
        run_for(w, 50);
        if (w->v.now_ms > until_ms) {
            world_broken(w, complaint, 0, 0);
        }
    }
}

/* Everything heals, one new broker takes over, everybody gets on, everything is read. */
static void
finish(struct world *w)
{
    w->is_over = true;
    ks_fault_store_clear(w->faults);
    kill_all(w);
    run_for(w, LATE_MS_MAX + 1000);
    start(w);
    run_until(w, all_have_written, "clients are stuck after all trouble has ended");
    run_for(w, 2 * WORLD_FRESHNESS_MS);
    w->admin.is_checking = true;
    for (int i = 0; i < WORLD_CHANGERS; i++) {
        w->changers[i].must_check = true;
    }
    for (int i = 0; i < WORLD_COMMITTERS; i++) {
        w->committers[i].must_check = true;
    }
    client_leave(&w->readers[0].client);
    memset(w->readers[0].positions, 0, sizeof w->readers[0].positions);
    w->readers[0].is_last = true;
    run_until(w, all_is_read, "not everything can be read after all trouble has ended");
    world_check_all(w);
    if (!w->is_broken) {
        stop(w, any_slot(w));
        run_for(w, 5000);
    }
    for (int i = 0; i < WORLD_PROCESSES && !w->is_broken; i++) {
        if (w->slots[i].process != NULL) {
            world_broken(w, "a broker does not come to its end", i,
                         process_state(w->slots[i].process));
        }
    }
}

/* Nobody serves, and nothing but what the probe needs is written. */
static void
expect_refusal(struct world *w)
{
    storm(w);
    run_for(w, REFUSAL_MS);
    for (int i = 0; i < WORLD_PROCESSES; i++) {
        if (w->slots[i].was_ready || (runs(&w->slots[i]) && !w->slots[i].has_refused)) {
            world_broken(w, "a store without conditions was not refused", i, 0);
        }
    }
}

/* --- A run ------------------------------------------------------------------------------------ */

static void
write_log(void *arg, const struct kafscale_log_event *event)
{
    const struct world *w = arg;

    fprintf(stderr, "%8" PRId64 " %d %s\n", w->v.now_ms, (int) event->level, event->line);
}

static void
set_faults(struct world *w, uint64_t seed)
{
    struct ks_fault_rates rates = { .slow = 300000, .slow_ms_max = 40, .late_ms_max = LATE_MS_MAX };
    uint32_t rate = (uint32_t) world_draw(w, w->scenario->faults + 1);

    for (int fault = KS_FAULT_ERROR_BEFORE; fault < KS_FAULT_COUNT; fault++) {
        rates.faults[fault] = rate;
    }
    /* Bytes damaged five times in a row count as damaged at rest, which is another test. */
    rates.faults[KS_FAULT_SHORT] = rate / 8;
    rates.faults[KS_FAULT_DAMAGE] = rate / 8;
    ks_fault_store_set_rates(w->faults, &rates, seed);
}

static void
on_witness_broken(void *arg, const char *what, const char *key)
{
    struct world *w = arg;
    char text[200];

    if (w->scenario->no_conditions && strstr(key, "/__kafscale/probe") != NULL) {
        return; /* that is what the probe finds out */
    }
    snprintf(text, sizeof text, "%s: %s", what, key);
    world_broken(w, text, w->v.now_ms, 0);
}

static void
on_topic_made(void *arg, const struct ks_id *topic, struct kafscale_slice value)
{
    struct world *w = arg;
    struct ks_topic_record record = { 0 };
    struct kafscale_error error = { 0 };
    char prefix[KS_TOPIC_PREFIX_BYTES];

    if (ks_topic_record_decode(value, &record, &error) == KAFSCALE_OK) {
        ks_topic_prefix(record.name, topic, record.is_later_life, prefix);
        witness_add_home(w->witness, prefix, topic);
        if (strcmp(record.name, "stays") == 0) {
            w->stays = *topic;
        }
    }
    ks_topic_record_deinit(&record);
}

static struct kafscale_store
new_witness(struct world *w)
{
    struct witness_options options = {
        .ns = "sim", .broken = on_witness_broken, .topic_made = on_topic_made, .arg = w
    };

    return witness_new(&options, ks_memory_store_new(&w->v.env, w->bucket), &w->witness);
}

static void
world_init(struct world *w, uint64_t seed)
{
    virtual_env_init(&w->v, seed);
    if (getenv("SIM_LOG") != NULL) {
        w->v.env.logger =
            (struct ks_logger){ .write = write_log, .arg = w, .level = KAFSCALE_LOG_DEBUG };
    }
    w->bucket = ks_memory_bucket_new();
    w->store = ks_store_new(&w->v.env, ks_fault_store_new(&w->v.env, new_witness(w), &w->faults));
    assert(w->store != NULL);
    set_faults(w, seed);
    w->meta_chunk_entries = 2 + (uint32_t) world_draw(w, 20);
    w->meta_operations_max = world_draw(w, 2) == 0 ? 4 : 0;
    start(w);
    admin_init(&w->admin, w);
    for (int i = 0; i < WORLD_PARTITIONS; i++) {
        w->partitions_since_ms[i] = -1;
    }
    for (int i = 0; i < WORLD_CHANGERS; i++) {
        changer_init(&w->changers[i], w, i);
    }
    for (int i = 0; i < WORLD_PRODUCERS; i++) {
        producer_init(&w->producers[i], w, i);
    }
    for (int i = 0; i < WORLD_READERS; i++) {
        reader_init(&w->readers[i], w);
    }
    for (int i = 0; i < WORLD_COMMITTERS; i++) {
        committer_init(&w->committers[i], w, i);
    }
}

static void
on_closed(void *arg)
{
    (void) arg;
}

static void
count_witness(struct world *w)
{
    const struct witness_counts *counts = witness_counts(w->witness);

    w->events->slots_deleted += counts->slots_deleted;
    w->events->slots_again += counts->slots_again;
    w->events->bundles += counts->bundles_registered;
    w->events->bundles_deleted += counts->bundles_deleted;
    w->events->segments += counts->segments;
    w->events->segments_deleted += counts->segments_deleted;
    w->events->removes_late += counts->removes_late;
    w->events->removes_again += counts->removes_again;
}

static void
count_faults(struct world *w)
{
    w->events->errors_before += ks_fault_store_count(w->faults, KS_FAULT_ERROR_BEFORE);
    w->events->errors_after += ks_fault_store_count(w->faults, KS_FAULT_ERROR_AFTER);
    w->events->aways += ks_fault_store_count(w->faults, KS_FAULT_UNAVAILABLE);
    w->events->lates += ks_fault_store_count(w->faults, KS_FAULT_LATE);
    w->events->twices += ks_fault_store_count(w->faults, KS_FAULT_TWICE);
    w->events->echoes += ks_fault_store_count(w->faults, KS_FAULT_ECHO);
    w->events->shorts += ks_fault_store_count(w->faults, KS_FAULT_SHORT);
    w->events->flips += ks_fault_store_count(w->faults, KS_FAULT_DAMAGE);
}

static void
world_deinit(struct world *w)
{
    bool was_broken = w->is_broken;

    for (int i = 0; i < WORLD_PRODUCERS; i++) {
        producer_deinit(&w->producers[i]);
    }
    for (int i = 0; i < WORLD_READERS; i++) {
        reader_deinit(&w->readers[i]);
    }
    for (int i = 0; i < WORLD_COMMITTERS; i++) {
        committer_deinit(&w->committers[i]);
    }
    admin_deinit(&w->admin);
    for (int i = 0; i < WORLD_CHANGERS; i++) {
        changer_deinit(&w->changers[i]);
    }
    ks_fault_store_clear(w->faults);
    kill_all(w);
    w->is_broken = false;
    run_for(w, 60000);
    w->is_broken = was_broken;
    count_faults(w);
    ks_store_close(w->store, on_closed, NULL);
    virtual_env_run_for(&w->v, 60000);
    count_witness(w);
    witness_free(w->witness);
    ks_memory_bucket_unref(w->bucket);
    for (int i = 0; i <= WORLD_LOOSE; i++) {
        history_deinit(&w->histories[i]);
    }
}

bool
broker_world_run(const struct scenario *scenario, uint64_t seed, struct broker_world_events *events,
                 char reason_out[200])
{
    struct world *w = calloc(1, sizeof *w);
    bool is_good;

    assert(w != NULL);
    w->scenario = scenario;
    w->events = events;
    w->reason = reason_out;
    world_init(w, seed);
    if (scenario->no_conditions) {
        expect_refusal(w);
    } else {
        run_scenario(w);
    }
    if (!w->is_broken && !scenario->no_conditions) {
        finish(w);
    }
    is_good = !w->is_broken;
    world_deinit(w);
    free(w);
    return is_good;
}
