/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A crash is ks_log_free() out of the blue: requests under way still act, or not, as the fault
 * store decides, and their answers reach nobody.
 */
#include "sim/log_world_internal.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define STEPS 500
/* Answers that were damaged on the way, one after another, are no damage either. */
#define CORRUPT_READS_MAX 3

static uint64_t
draw(struct world *w, uint64_t below)
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

/* --- Brokers --- */

static void
on_committed(void *arg, struct ks_partition *partition)
{
    (void) arg;
    (void) partition;
}

static void
on_flushed(void *arg)
{
    (void) arg;
}

static void
on_fenced(void *arg, const struct kafscale_error *error)
{
    struct broker *b = arg;

    (void) error;
    b->world->events->fenced++;
}

static void
on_failed(void *arg, const struct kafscale_error *error)
{
    struct broker *b = arg;

    if (!b->world->is_damaged) {
        world_broken(b->world, error->text, 0, 0);
    }
}

static void
broker_new(struct broker *b)
{
    struct world *w = b->world;
    struct ks_log_events events = { .arg = b,
                                    .committed = on_committed,
                                    .flushed = on_flushed,
                                    .fenced = on_fenced,
                                    .failed = on_failed };
    struct ks_log_options options = { .ns = "sim",
                                      .cluster = w->cluster,
                                      .flush_interval_ms = (int64_t) draw(w, 3) * 4,
                                      .flush_bytes = 400 + draw(w, 2000),
                                      .unflushed_bytes_max = 1 << 20,
                                      .cache_bytes_max = draw(w, 3) * 700,
                                      .bundle_slots = (uint32_t) draw(w, 3) * 2,
                                      .merge_count = (uint32_t) draw(w, 3) + 1,
                                      .merge_section_bytes = 1 << 20,
                                      .merge_part_bytes = draw(w, 3) * 600,
                                      .leftovers_delay_ms = 1 + (int64_t) draw(w, 100),
                                      .block_cache_bytes_min = draw(w, 3) * 3000,
                                      .cold_gets_max = 1 + (uint32_t) draw(w, 3),
                                      .read_ahead_bytes_max = draw(w, 2) * 1000,
                                      .segment_bytes = draw(w, 3) * 400,
                                      .compact_interval_ms = 20 + (int64_t) draw(w, 1000),
                                      .producers_max = 100,
                                      .producer_expiration_ms = 86400000,
                                      .retention_check_ms = 20 };

    options.incarnation = b->incarnation;
    if (b->log == NULL || !ks_is_planted(KS_PLANTED_INCARNATION_REUSE)) {
        ks_env_random(&w->v.env, options.incarnation.bytes, KS_ID_BYTES);
    }
    b->incarnation = options.incarnation;
    b->log = ks_log_new(&w->v.env, w->store, w->meta, &options, &events);
    assert(b->log != NULL);
    memset(b->had, 0, sizeof b->had);
    b->is_opening = false;
    b->is_releasing = false;
    b->is_stopping = false;
    b->raise.is_under_way = false;
}

static void
count_log(struct broker *b)
{
    struct ks_log_counters counters;

    ks_log_get_counters(b->log, &counters);
    b->world->events->seals_won += counters.seals_won;
    b->world->events->seals_found += counters.seals_found;
    b->world->events->own_nonce_seen += counters.own_nonce_seen;
    b->world->events->duplicates += counters.duplicates;
    b->world->events->objects += counters.objects_durable;
    b->world->events->objects_of_many += counters.objects_shared;
    b->world->events->acknowledged_late += counters.objects_late;
    b->world->events->puts_beaten_by_seal += counters.puts_sealed;
    b->world->events->seals_beaten_by_put += counters.seals_beaten;
    b->world->events->seals_void += counters.seals_void;
    b->world->events->cold_reads += counters.cold_reads;
    b->world->events->indexes_adopted += counters.indexes_adopted;
    b->world->events->segments_adopted += counters.segments_adopted;
    b->world->events->compaction_alarms += counters.compaction_alarms;
    b->world->events->bundles_found += counters.bundles_found;
    b->world->events->bundle_reads += counters.bundle_reads;
    b->world->events->merges_lost += counters.merges_lost;
}

/* Everything the producers had sent to it gets no answer any more. */
static void
drop_waiting(struct broker *b)
{
    struct world *w = b->world;

    for (size_t i = 0; i < w->loose_count; i++) {
        struct loose *loose = &w->loose[i];

        if (loose->is_in_flight && loose->broker == b) {
            ks_env_cancel_task(&loose->append.task);
            loose->is_in_flight = false;
            kafscale_blob_unref(loose->append.owner);
        }
    }
    for (size_t i = 0; i < WORLD_PRODUCERS; i++) {
        for (size_t j = 0; j < w->producers[i].count; j++) {
            struct sent_batch *batch = &w->producers[i].batches[j];

            if (batch->is_in_flight && batch->append.arg == b) {
                ks_env_cancel_task(&batch->append.task);
                batch->is_in_flight = false;
                batch->state = BATCH_FAILED;
                kafscale_blob_unref(batch->append.owner);
            }
        }
    }
}

void
world_broker_crash(struct broker *b)
{
    count_log(b);
    drop_waiting(b);
    ks_log_free(b->log);
    broker_new(b);
    b->world->events->crashes++;
}

static void
on_opened(void *arg, enum kafscale_status status, const struct kafscale_error *error)
{
    struct broker *b = arg;

    (void) status;
    (void) error;
    b->is_opening = false;
    for (size_t i = 0; i < b->open.count; i++) {
        b->world->events->opens += b->results[i] == KAFSCALE_OK;
        if (b->results[i] == KAFSCALE_OK) {
            world_note_open(b, &b->names[i]);
            world_set_retention(b, &b->names[i]);
        }
        b->world->events->opens_overtaken +=
            b->results[i] == KAFSCALE_FENCED && ks_log_status(b->log) == KAFSCALE_OK;
        b->world->events->opens_lost += b->results[i] != KAFSCALE_OK;
        if (b->results[i] == KAFSCALE_CORRUPT && !b->world->is_damaged) {
            world_broken(b->world, "a partition could not be replayed", b->names[i].index, 0);
        }
    }
}

void
world_open(struct broker *b, bool all)
{
    struct ks_partition_name short_name = { .topic = b->world->short_topic };
    size_t count = 0;

    if (b->is_opening || b->is_stopping || ks_log_status(b->log) != KAFSCALE_OK) {
        return;
    }
    for (int32_t i = 0; i < WORLD_PARTITIONS; i++) {
        struct ks_partition_name name = { .topic = b->world->topic, .index = i };

        if ((all || draw(b->world, 2) == 0) && ks_log_find(b->log, &name) == NULL &&
            !(b->world->is_peaceful && world_is_held(b->world, &name))) {
            b->names[count] = name;
            b->prefixes[count] = "t";
            b->topic_names[count++] = "t";
        }
    }
    if (ks_log_find(b->log, &short_name) == NULL) {
        b->names[count] = short_name;
        snprintf(b->short_prefix, sizeof b->short_prefix, "%s", b->world->short_prefix);
        b->prefixes[count] = b->short_prefix;
        b->topic_names[count++] = "short";
    }
    if (count == 0) {
        return;
    }
    b->world->events->operations++;
    b->open = (struct ks_log_open){
        .names = b->names,
        .topic_names = b->topic_names,
        .prefixes = b->prefixes,
        .count = count,
        .results = b->results,
    };
    b->is_opening = true;
    if (ks_log_open(b->log, &b->open, on_opened, b) != KAFSCALE_OK) {
        b->is_opening = false;
    }
}

static void
on_stopped(void *arg)
{
    struct broker *b = arg;

    count_log(b);
    ks_log_free(b->log);
    broker_new(b);
    b->world->events->stops++;
}

static void
broker_stop(struct broker *b)
{
    if (!b->is_stopping && !b->is_opening) {
        b->is_stopping = true;
        ks_log_stop(b->log, (int64_t) draw(b->world, 3000), on_stopped, b);
    }
}

/* --- Producers --- */

struct kafscale_blob *
world_make_batch(const struct sent_batch *batch)
{
    struct ks_batch_options options = { .producer_id = batch->producer->id,
                                        .base_sequence = batch->sequence };
    struct ks_batch_builder builder;
    struct ks_buffer out;
    struct kafscale_error error = { 0 };
    struct kafscale_blob *blob;
    enum kafscale_status status;

    ks_buffer_init(&out, 1 << 20);
    ks_batch_builder_init(&builder, &options);
    for (int32_t i = 0; i < batch->count; i++) {
        struct ks_record record = { .timestamp = 1000 + batch->sequence + i,
                                    .value = ks_slice(&batch->sequence, sizeof batch->sequence) };

        ks_batch_builder_append(&builder, &record);
    }
    status = ks_batch_builder_finish(&builder, &out, &error);
    assert(status == KAFSCALE_OK);
    blob = kafscale_blob_new(out.size);
    memcpy(kafscale_blob_data(blob), out.data, out.size);
    ks_batch_builder_deinit(&builder);
    ks_buffer_deinit(&out);
    return blob;
}

static void
on_appended(struct ks_append *append, enum ks_append_result result)
{
    struct sent_batch *batch = KS_CONTAINER(append, struct sent_batch, append);
    struct world *w = batch->producer->world;

    batch->is_in_flight = false;
    kafscale_blob_unref(append->owner);
    if (result == KS_APPEND_OK) {
        if (batch->state == BATCH_ACKNOWLEDGED && batch->offset != append->base_offset) {
            world_broken(w, "acknowledged at two offsets", batch->offset, append->base_offset);
        }
        w->events->acknowledged++;
        w->events->acknowledged_after_retry += batch->tries > 1;
        batch->state = BATCH_ACKNOWLEDGED;
        batch->offset = append->base_offset;
        return;
    }
    if (batch->state != BATCH_ACKNOWLEDGED) {
        batch->state = BATCH_FAILED;
    }
    if (result == KS_APPEND_FAILED) {
        world_broken(w, "an append failed for good", batch->producer->id, batch->sequence);
    }
}

static void
send_batch(struct world *w, struct sent_batch *batch, struct broker *b,
           struct ks_partition *partition)
{
    struct kafscale_error error = { 0 };
    enum kafscale_status status;

    batch->append =
        (struct ks_append){ .owner = world_make_batch(batch), .done = on_appended, .arg = b };
    status = ks_batch_parse(kafscale_blob_slice(batch->append.owner), &batch->append.batch, &error);
    assert(status == KAFSCALE_OK);
    if (batch->state != BATCH_ACKNOWLEDGED) {
        batch->state = BATCH_SENT;
    }
    batch->tries++;
    w->events->operations++;
    batch->is_in_flight = true;
    ks_log_append(b->log, partition, &batch->append);
}

struct ks_partition *
world_partition_of(struct broker *b, int index)
{
    struct ks_partition_name name = { .topic = b->world->topic, .index = index };

    return b->is_stopping ? NULL : ks_log_find(b->log, &name);
}

/* As librdkafka does: what failed goes again, from the first on, before anything new. */
void
world_producer_step(struct producer *p, struct broker *b)
{
    struct ks_partition *partition = world_partition_of(b, p->partition);
    size_t in_flight = 0;
    bool has_failed = false;
    bool is_elsewhere = false; /* a client waits for one leader's answers before it asks another */

    if (partition == NULL) {
        return;
    }
    while (p->acknowledged_upto < p->count &&
           p->batches[p->acknowledged_upto].state == BATCH_ACKNOWLEDGED) {
        p->acknowledged_upto++;
    }
    for (size_t i = p->acknowledged_upto; i < p->count; i++) {
        in_flight += p->batches[i].is_in_flight;
        is_elsewhere |= p->batches[i].is_in_flight && p->batches[i].append.arg != b;
        has_failed |= p->batches[i].state == BATCH_FAILED;
    }
    if (has_failed && in_flight == 0) {
        for (size_t i = p->acknowledged_upto; i < p->count; i++) {
            send_batch(p->world, &p->batches[i], b, partition);
        }
        return;
    }
    if (!has_failed && !is_elsewhere && in_flight < 5 && p->count - p->acknowledged_upto < 5 &&
        p->count < WORLD_BATCHES_MAX && !p->world->is_over) {
        struct sent_batch *batch = &p->batches[p->count];

        *batch = (struct sent_batch){ .producer = p,
                                      .sequence = p->next_sequence,
                                      .count = 1 + (int32_t) draw(p->world, WORLD_RECORDS_MAX) };
        p->next_sequence += batch->count;
        p->count++;
        send_batch(p->world, batch, b, partition);
    }
}

/* Sends the last batch again though it may be under way: its answer was lost on the way, say. */
static void
producer_repeat(struct producer *p, struct broker *b)
{
    struct ks_partition *partition = world_partition_of(b, p->partition);
    struct sent_batch *batch = p->count == 0 ? NULL : &p->batches[p->count - 1];

    if (partition == NULL || batch == NULL || !batch->is_in_flight || batch->append.arg != b ||
        ks_log_status(b->log) != KAFSCALE_OK) {
        return;
    }
    if (ks_list_is_linked(&batch->append.link) && !ks_list_is_linked(&batch->append.task.link)) {
        /* The first copy's answer is forgotten. */
        ks_list_remove(&batch->append.link);
        kafscale_blob_unref(batch->append.owner);
        p->world->events->duplicates_under_way++;
        send_batch(p->world, batch, b, partition);
    }
}

/* --- Readers --- */

/* Gives the batch's last offset, or -1. */
static int64_t
check_batch(struct world *w, int index, struct kafscale_slice bytes)
{
    struct kafscale_error error = { 0 };
    struct ks_batch batch;
    int64_t *id;
    int32_t *sequence;

    if (ks_batch_parse(bytes, &batch, &error) != KAFSCALE_OK || !ks_batch_crc_is_right(&batch)) {
        world_broken(w, "a reader got a damaged batch", index, 0);
        return -1;
    }
    id = &w->seen_id[index][batch.base_offset];
    sequence = &w->seen_sequence[index][batch.base_offset];
    if (*id != -1 && (*id != batch.producer_id || *sequence != batch.base_sequence)) {
        world_broken(w, "what a reader saw has changed", index, batch.base_offset);
    }
    *id = batch.producer_id;
    *sequence = batch.base_sequence;
    return ks_batch_last_offset(&batch);
}

struct world_read {
    struct ks_log_read read;
    struct world *world;
    int index;
    int64_t next; /* offset after the last batch */
    bool is_done;
    enum kafscale_status status;
};

static void
take_read(struct world_read *r)
{
    for (size_t i = 0; i < r->read.part_count; i++) {
        int64_t last = check_batch(r->world, r->index, r->read.parts[i].bytes);

        r->next = last < 0 ? r->next : last + 1;
    }
    ks_log_read_release(&r->read);
}

static void
on_read(struct ks_log_read *read, enum kafscale_status status)
{
    struct world_read *r = read->arg;

    r->status = status;
    r->is_done = true;
}

int64_t
world_read_from(struct world *w, struct ks_log *log, struct ks_partition *partition, int index,
                int64_t offset)
{
    struct world_read r = { .world = w, .index = index, .next = offset };

    w->events->operations++;
    r.read = (struct ks_log_read){ .partition = partition,
                                   .offset = offset,
                                   .bytes_max = 1000,
                                   .is_first_whole = true,
                                   .done = on_read,
                                   .arg = &r };
    r.is_done = ks_log_read(log, &r.read, &r.status);
    if (!r.is_done) {
        w->events->reads_back++;
        if (!virtual_env_run_until(&w->v, &r.is_done, FINAL_MS)) {
            world_broken(w, "a read never came back", index, offset);
            return offset;
        }
    }
    if (r.status == KAFSCALE_OK) {
        take_read(&r);
    }
    if (r.status == KAFSCALE_CORRUPT && !w->is_damaged &&
        ks_log_find(log, &(struct ks_partition_name){ .topic = w->topic, .index = index }) ==
            partition) {
        if (++w->corrupt_reads < CORRUPT_READS_MAX) {
            return world_read_from(w, log, partition, index, offset);
        }
        world_broken(w, "a read is told of damage, and nothing is damaged", index, offset);
    }
    w->corrupt_reads = 0;
    return r.next;
}

static void
reader_step(struct world *w, struct broker *b)
{
    int index = (int) draw(w, WORLD_PARTITIONS);
    struct ks_partition *partition = world_partition_of(b, index);
    int64_t start = partition == NULL ? 0 : ks_partition_log_start(partition);
    int64_t end = partition == NULL ? 0 : ks_partition_high_watermark(partition);

    if (end > start) {
        /* The first is what goes first; a broker that was deposed doesn't know. */
        int64_t offset =
            draw(w, 2) == 0 ? start : start + (int64_t) draw(w, (uint64_t) (end - start));

        (void) world_read_from(w, b->log, partition, index, offset);
    }
}

/* --- A run --- */

static void
write_log(void *arg, const struct kafscale_log_event *event)
{
    const struct world *w = arg;

    fprintf(stderr, "%8" PRId64 " %d %s\n", w->v.now_ms, (int) event->level, event->line);
}

static void
on_witness_broken(void *arg, const char *what, const char *key)
{
    struct world *w = arg;
    char text[200];

    if (w->is_damaged) {
        return; /* it knows of none of that */
    }
    snprintf(text, sizeof text, "%s: %s", what, key);
    world_broken(w, text, w->v.now_ms, 0);
}

static struct kafscale_store
new_witness(struct world *w)
{
    struct witness_options options = {
        .ns = "sim", .env = &w->v.env, .meta = w->meta_bucket, .broken = on_witness_broken, .arg = w
    };

    return witness_new(&options, ks_memory_store_new(&w->v.env, w->bucket), &w->witness);
}

static void
world_init(struct world *w, uint64_t seed)
{
    struct ks_fault_rates rates = { .slow = 400000, .slow_ms_max = 60, .late_ms_max = 4000 };
    uint32_t rate;

    virtual_env_init(&w->v, seed);
    if (getenv("SIM_LOG") != NULL) {
        w->v.env.logger =
            (struct ks_logger){ .write = write_log, .arg = w, .level = KAFSCALE_LOG_DEBUG };
    }
    w->bucket = ks_memory_bucket_new();
    w->meta_bucket = ks_meta_bucket_new();
    w->store = ks_store_new(&w->v.env, ks_fault_store_new(&w->v.env, new_witness(w), &w->faults));
    w->meta = ks_meta_new(&w->v.env, flaky_meta_new(&w->v.env,
                                                    ks_meta_memory_new(&w->v.env, w->meta_bucket,
                                                                       draw(w, 2) == 0 ? 4 : 0),
                                                    &w->flaky));
    w->is_peaceful = draw(w, 2) == 0;
    w->foreign_at = draw(w, 16) == 0 ? (int) draw(w, STEPS) : -1;
    w->retention_bytes = draw(w, 3) == 0 ? 1000 + (int64_t) draw(w, 20000) : -1;
    ks_env_random(&w->v.env, w->cluster.bytes, KS_ID_BYTES);
    ks_env_random(&w->v.env, w->topic.bytes, KS_ID_BYTES);
    memset(w->seen_id, 0xff, sizeof w->seen_id);
    ks_env_random(&w->v.env, w->short_topic.bytes, KS_ID_BYTES);
    witness_add_home(w->witness, "t", &w->topic);
    world_change_topic(w, &w->topic, false);
    world_name_short_topic(w);
    world_change_topic(w, &w->short_topic, false);
    rate = (uint32_t) draw(w, 80000);
    for (int fault = KS_FAULT_ERROR_BEFORE; fault < KS_FAULT_COUNT; fault++) {
        rates.faults[fault] = rate;
    }
    /*
     * Bytes that are damaged five times in a row count as damaged at rest, which is another
     * test.
     */
    rates.faults[KS_FAULT_SHORT] = rate / 8;
    rates.faults[KS_FAULT_DAMAGE] = rate / 8;
    ks_fault_store_set_rates(w->faults, &rates, seed);
    w->flaky.rate = rate;
    for (size_t i = 0; i < WORLD_BROKERS; i++) {
        w->brokers[i].world = w;
        broker_new(&w->brokers[i]);
    }
    for (size_t i = 0; i < WORLD_PRODUCERS; i++) {
        w->producers[i] = (struct producer){ .world = w,
                                             .id = (int64_t) i,
                                             .partition = (int) (i % WORLD_PARTITIONS) };
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
    w->events->orphans_deleted += counts->orphans_deleted;
    w->events->seals_below_mark += counts->seals_void;
    w->events->bundles += counts->bundles_registered;
    w->events->bundles_dropped += counts->bundles_dropped;
    w->events->bundles_deleted += counts->bundles_deleted;
    w->events->merges += counts->merges;
    w->events->merges_of_parts += counts->merges_of_parts;
    w->events->merges_again += counts->merges_again;
    w->events->merged_deleted += counts->merged_deleted;
    w->events->segments += counts->segments;
    w->events->segments_deleted += counts->segments_deleted;
    w->events->segments_again += counts->segments_again;
    w->events->removes_late += counts->removes_late;
    w->events->removes_again += counts->removes_again;
}

static void
world_deinit(struct world *w)
{
    w->events->transactions_lost += w->flaky.lost;
    w->events->transactions_undone += w->flaky.undone;
    for (size_t i = 0; i < WORLD_BROKERS; i++) {
        count_log(&w->brokers[i]);
        drop_waiting(&w->brokers[i]);
        ks_log_free(w->brokers[i].log);
    }
    virtual_env_run_for(&w->v, 60000);
    for (int i = 0; i < KS_FAULT_COUNT; i++) {
        w->events->faults[i] += ks_fault_store_count(w->faults, (enum ks_fault) i);
    }
    ks_meta_close(w->meta, on_closed, NULL);
    ks_store_close(w->store, on_closed, NULL);
    virtual_env_run_for(&w->v, 60000);
    count_witness(w);
    witness_free(w->witness);
    ks_meta_bucket_free(w->meta_bucket);
    ks_memory_bucket_unref(w->bucket);
}

/* All want all at once, twice. */
static void
claim_storm(struct world *w)
{
    w->events->claim_storms++;
    for (size_t i = 0; i < 2 * WORLD_BROKERS; i++) {
        world_open(&w->brokers[i % WORLD_BROKERS], true);
        virtual_env_run_for(&w->v, (int64_t) draw(w, 3));
    }
}

static void
step(struct world *w)
{
    struct broker *b = &w->brokers[draw(w, WORLD_BROKERS)];
    uint64_t dice = draw(w, 100);

    if (dice < 60) {
        for (int i = 0; i < WORLD_BROKERS * WORLD_PRODUCERS; i++) {
            world_producer_step(&w->producers[draw(w, WORLD_PRODUCERS)],
                                &w->brokers[i % WORLD_BROKERS]);
        }
    } else if (dice < 66) {
        producer_repeat(&w->producers[draw(w, WORLD_PRODUCERS)], b);
    } else if (dice < 74) {
        world_open(b, draw(w, 2) == 0);
    } else if (dice < 78 && w->is_peaceful && draw(w, 3) > 0) {
        world_hand_off(b);
    } else if (dice < 76) {
        world_broker_crash(b);
    } else if (dice < 78) {
        broker_stop(b);
    } else if (dice < 80 && ks_log_status(b->log) != KAFSCALE_OK && !b->is_stopping) {
        world_broker_crash(b);
    } else if (dice < 88) {
        reader_step(w, b);
    } else if (dice < 91) {
        world_raise_start(w);
    } else if (dice < 95) {
        world_loose_step(w, b);
    } else if (dice < 96 && !w->is_peaceful) {
        claim_storm(w);
    } else if (dice == 96) {
        world_replace_short_topic(w);
    } else {
        world_hand_off(b);
    }
    virtual_env_run_for(&w->v, (int64_t) draw(w, 12));
}

bool
world_run(uint64_t seed, struct world_events *events, char reason_out[200])
{
    struct world *w = calloc(1, sizeof *w);
    bool is_good;

    assert(w != NULL);
    w->events = events;
    w->reason = reason_out;
    world_init(w, seed);
    for (int i = 0; i < STEPS && !w->is_broken; i++) {
        step(w);
        witness_settle(w->witness);
        if (i == w->foreign_at) {
            world_put_foreign(w);
        }
    }
    if (!w->is_broken) {
        world_finish(w);
    }
    if (!w->is_broken) {
        world_damage(w);
    }
    is_good = !w->is_broken;
    world_deinit(w);
    free(w);
    return is_good;
}
