/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Collecting the batches of a segment: from the base on, as any reader would, up to the size of a
 * segment or to the last offset that an index found in the store demands. Batches stay where they
 * are; those in the midst of much else are copied, so that a segment on its way takes little more
 * memory than it is long.
 */
#include "log/compact/compact.h"

#include <assert.h>
#include <inttypes.h>

#define READ_BYTES (1u << 20)
/* A batch is copied out of a block more than so many times its size. */
#define SHARE_MIN 4

static void read_more(struct ks_compact_job *job);

void
ks_compact_scatter(struct ks_compact_job *job)
{
    for (size_t i = 0; i < job->part_count; i++) {
        kafscale_blob_unref(job->parts[i].owner);
    }
    ks_free(job->parts);
    job->parts = NULL;
    job->part_count = 0;
    job->part_capacity = 0;
    ks_segment_build_deinit(&job->build);
    ks_log_read_release(&job->read);
}

static void
collapse(struct ks_compact_job *job)
{
    ks_compact_scatter(job);
    ks_compact_retry(job, ks_compact_gather);
}

/* --- Parts ----------------------------------------------------------------------------------- */

static bool
add_part(struct ks_compact_job *job, struct kafscale_slice bytes, struct kafscale_blob *owner)
{
    if (!KS_RESERVE(job->parts, job->part_capacity, job->part_count + 1)) {
        return false;
    }
    job->parts[job->part_count++] =
        (struct kafscale_part){ .bytes = bytes,
                                .owner = owner == NULL ? NULL : kafscale_blob_ref(owner) };
    return true;
}

static bool
add_bytes(struct ks_compact_job *job, const struct kafscale_part *part)
{
    struct kafscale_blob *copy;
    bool is_added;

    if (part->owner != NULL && kafscale_blob_size(part->owner) / SHARE_MIN <= part->bytes.size) {
        return add_part(job, part->bytes, part->owner);
    }
    copy = kafscale_blob_new(part->bytes.size);
    if (copy == NULL) {
        return false;
    }
    memcpy(kafscale_blob_data(copy), part->bytes.data, part->bytes.size);
    is_added = add_part(job, kafscale_blob_slice(copy), copy);
    kafscale_blob_unref(copy);
    return is_added;
}

/* --- Batches --------------------------------------------------------------------------------- */

/*
 * A segment goes as a whole when its youngest record is too old, so records of times that are far
 * apart, as those that are written again elsewhere, don't share one.
 */
static bool
is_far_apart(const struct ks_compact_job *job, const struct ks_batch *batch)
{
    int64_t roll_ms = job->partition->compaction.roll_ms;

    return roll_ms > 0 && job->first_ms >= 0 && batch->max_timestamp >= 0 &&
           batch->max_timestamp - job->first_ms > roll_ms;
}

/* Whether the segment ends before this batch. */
static bool
is_full(const struct ks_compact_job *job, const struct ks_batch *batch)
{
    if (job->last >= 0) {
        return job->next > job->last;
    }
    return job->build.index.batch_count > 0 && (job->build.index.body_bytes + batch->bytes.size >
                                                    ks_compact_limit(job->log, job->partition) ||
                                                is_far_apart(job, batch));
}

static enum kafscale_status
add_batch(struct ks_compact_job *job, const struct ks_batch *batch,
          const struct kafscale_part *part, int64_t created_ms)
{
    int64_t time_ms =
        ks_is_planted(KS_PLANTED_PRODUCER_TIMES) ? ks_env_wall_ms(job->log->env) : created_ms;
    struct kafscale_error error = { 0 };
    enum kafscale_status status;

    if (job->build.index.batch_count == 0) {
        job->first_ms = batch->max_timestamp;
    }
    status = ks_segment_build_add(&job->build, &job->producers, batch, time_ms, &error);
    if (status == KAFSCALE_OK && !add_bytes(job, part)) {
        status = KAFSCALE_NO_MEMORY;
    }
    job->next = ks_batch_last_offset(batch) + 1;
    return status;
}

/* Takes what was read. FULL: the segment is complete. */
static enum kafscale_status
take_read(struct ks_compact_job *job)
{
    const struct ks_log_read *read = &job->read;
    enum kafscale_status status = KAFSCALE_OK;

    for (size_t i = 0; i < read->part_count && status == KAFSCALE_OK; i++) {
        struct kafscale_error error = { 0 };
        struct ks_batch batch;

        status = ks_batch_parse(read->parts[i].bytes, &batch, &error);
        if (status == KAFSCALE_OK && is_full(job, &batch)) {
            return KAFSCALE_FULL;
        }
        if (status == KAFSCALE_OK) {
            status = add_batch(job, &batch, &read->parts[i], read->created_ms[i]);
        }
    }
    if (status == KAFSCALE_OK &&
        (read->part_count == 0 || job->next >= job->partition->high_watermark ||
         (job->last >= 0 && job->next > job->last))) {
        return KAFSCALE_FULL;
    }
    return status;
}

static bool
finish_parts(struct ks_compact_job *job)
{
    struct ks_producer_table *producers =
        ks_is_planted(KS_PLANTED_LIVE_PRODUCERS) ? &job->partition->producers : &job->producers;
    struct kafscale_error error = { 0 };

    return ks_segment_build_finish(&job->build, producers, &error) == KAFSCALE_OK &&
           add_part(job, ks_slice(job->build.footer, sizeof job->build.footer), NULL);
}

static void
complete(struct ks_compact_job *job)
{
    if (job->build.index.batch_count == 0 ||
        (job->last >= 0 && job->build.index.last_offset != job->last)) {
        /* An index that another put goes further than what is known here: look again. */
        ks_compact_finish(job, false);
        return;
    }
    if (!finish_parts(job)) {
        collapse(job);
        return;
    }
    ks_compact_put_index(job);
}

/* What can't be read stays where it is; other partitions don't suffer from it. */
static void
cannot_read(struct ks_compact_job *job, enum kafscale_status status)
{
    if (status == KAFSCALE_CORRUPT) {
        ks_compact_alarm(job, "batches that must be in its log can't be read");
    } else {
        collapse(job);
    }
}

/* True: there is more to read. */
static bool
take_answer(struct ks_compact_job *job, enum kafscale_status status)
{
    /* What comes from a segment has no times: compacted_upto was lifted over it meanwhile. */
    bool is_passed =
        status == KAFSCALE_OK && job->read.part_count > 0 && job->read.created_ms == NULL;

    if (ks_compact_is_over(job) || is_passed) {
        ks_compact_finish(job, false);
        return false;
    }
    if (status == KAFSCALE_OK) {
        status = take_read(job);
    }
    ks_log_read_release(&job->read);
    if (status == KAFSCALE_OK) {
        return true;
    }
    if (status == KAFSCALE_FULL) {
        complete(job);
    } else {
        cannot_read(job, status);
    }
    return false;
}

static void
on_read(struct ks_log_read *read, enum kafscale_status status)
{
    struct ks_compact_job *job = KS_CONTAINER(read, struct ks_compact_job, read);

    job->is_reading = false;
    if (take_answer(job, status)) {
        read_more(job);
    }
}

static void
read_more(struct ks_compact_job *job)
{
    enum kafscale_status status;

    do {
        job->read = (struct ks_log_read){ .partition = job->partition,
                                          .offset = job->next,
                                          .bytes_max = READ_BYTES,
                                          .is_first_whole = true,
                                          .can_wait = true,
                                          .wants_times = true,
                                          .done = on_read,
                                          .arg = job };
        if (!ks_log_read(job->log, &job->read, &status)) {
            job->is_reading = true;
            return;
        }
    } while (take_answer(job, status));
}

/* --- The beginning --------------------------------------------------------------------------- */

/* The producers at the base, afresh: batches may be collected more than once. */
static bool
reset_producers(struct ks_compact_job *job)
{
    struct ks_log *log = job->log;
    const struct ks_producer_table *base = &job->state.producers;

    ks_producer_table_deinit(&job->producers);
    ks_producer_table_init(&job->producers, ks_env_random_u64(log->env), log->options.producers_max,
                           log->options.producer_expiration_ms);
    if (!job->has_state) {
        return true;
    }
    for (const struct ks_list *node = base->by_use.next; node != &base->by_use; node = node->next) {
        if (ks_producer_restore(&job->producers, KS_CONTAINER(node, const struct ks_producer,
                                                              by_use)) != KAFSCALE_OK) {
            return false;
        }
    }
    return true;
}

/* An index that was made again doesn't know what was before: the partition begins with it. */
static const struct ks_index *
index_before(const struct ks_compact_job *job)
{
    struct ks_segment *newest = job->has_state ? job->state.newest : NULL;

    if (newest == NULL) {
        return NULL;
    }
    if (!newest->index.has_partition) {
        newest->index.totals.segments = 1;
        newest->index.has_partition = true;
    }
    return &newest->index;
}

void
ks_compact_gather(struct ks_compact_job *job)
{
    struct ks_segment_place place = { .name = job->name,
                                      .cluster = job->log->options.cluster,
                                      .base_offset = job->base,
                                      .log_start = job->start,
                                      .before = index_before(job) };

    ks_compact_scatter(job);
    job->step = KS_COMPACT_GATHER;
    job->next = job->base;
    if (!reset_producers(job) ||
        ks_segment_build_init(&job->build, &place, ks_env_wall_ms(job->log->env)) != KAFSCALE_OK ||
        !add_part(job, ks_slice(job->build.header, sizeof job->build.header), NULL)) {
        collapse(job);
        return;
    }
    read_more(job);
}
