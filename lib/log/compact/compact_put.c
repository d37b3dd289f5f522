/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The two objects and the register, in this order. What lies under a key already is looked at: an
 * index of ours decides how far the segment goes, and a segment must be the one that the index
 * describes. Anything else is an alarm, unless the register shows that all this is long past.
 */
#include "log/compact/compact.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

#define READS_MAX 5

static void put_index(struct ks_compact_job *job);
static void put_segment(struct ks_compact_job *job);
static void look_at_index(struct ks_compact_job *job);
static void look_at_segment(struct ks_compact_job *job);
static void swap_register(struct ks_compact_job *job);

/* What comes after a put. */
struct ways {
    void (*next)(struct ks_compact_job *job);  /* the object is there */
    void (*look)(struct ks_compact_job *job);  /* one is, or may be */
    void (*again)(struct ks_compact_job *job); /* none is */
    bool takes_any; /* what is there is not looked at: a fault that tests plant */
};

static void
go_on(struct ks_compact_job *job, enum kafscale_status status, const struct kafscale_error *error,
      const struct ways *ways)
{
    if (status == KAFSCALE_FAILED) {
        ks_log_fail(job->log, error);
    }
    if (ks_compact_is_over(job)) {
        ks_compact_finish(job, false);
    } else if (status == KAFSCALE_OK || (status == KAFSCALE_EXISTS && ways->takes_any)) {
        ways->next(job);
    } else if (status == KAFSCALE_EXISTS || status == KAFSCALE_UNKNOWN) {
        ways->look(job);
    } else {
        ks_compact_retry(job, ways->again);
    }
}

/* --- Something else -------------------------------------------------------------------------- */

static void
take_register(struct ks_compact_job *job, const struct ks_register *reg)
{
    const char *key = job->step == KS_COMPACT_INDEX ? job->index_key : job->segment_key;
    char text[KS_SEGMENT_KEY_BYTES + 100];

    if (!ks_register_is_ours(job->log, job->partition, reg) || reg->compacted_upto != job->base) {
        ks_compact_finish(job, false);
        return;
    }
    (void) snprintf(text, sizeof text, "object '%s' is not what must be there", key);
    ks_compact_alarm(job, text);
}

static void
on_register(void *arg, enum kafscale_status status, const struct kafscale_meta_entry *entries,
            size_t entry_count, uint64_t revision, const struct kafscale_error *error)
{
    struct ks_compact_job *job = arg;
    struct ks_register reg = { 0 };
    struct kafscale_error damage = { 0 };

    (void) revision;
    (void) error;
    if (ks_compact_is_over(job) || status != KAFSCALE_OK || entry_count != 1 ||
        ks_register_decode(entries[0].value, &reg, &damage) != KAFSCALE_OK) {
        ks_compact_finish(job, false);
        return;
    }
    take_register(job, &reg);
    ks_register_deinit(&reg);
}

/*
 * It may have been damaged on the way: `look` reads it again. Only the register, read after it,
 * makes an odd object an alarm.
 */
static void
something_else(struct ks_compact_job *job, void (*look)(struct ks_compact_job *job))
{
    if (++job->odd_reads < READS_MAX) {
        ks_compact_retry(job, look);
        return;
    }
    ks_register_key(&job->name, job->register_key);
    job->register_read = (struct kafscale_meta_read){ .key = job->register_key, .is_fresh = true };
    ks_meta_read(job->log->meta, &job->register_read, on_register, job);
}

/* --- The index ------------------------------------------------------------------------------- */

/* Whether a found index is one of ours for this place. */
static bool
is_index_of_place(const struct ks_compact_job *job, const struct ks_index *index)
{
    return index->is_ours && ks_id_equals(&index->name.topic, &job->name.topic) &&
           index->name.index == job->name.index && index->base_offset == job->base;
}

/* The range of a found index is taken over; what it says of the bytes must be true of ours. */
static void
adopt(struct ks_compact_job *job, const struct ks_index *found)
{
    job->log->counters.indexes_adopted += job->last < 0;
    if (found->last_offset != job->build.index.last_offset) {
        job->last = found->last_offset;
        ks_compact_gather(job);
    } else if (found->body_crc != job->build.index.body_crc ||
               found->body_bytes != job->build.index.body_bytes) {
        something_else(job, look_at_index);
    } else {
        put_segment(job);
    }
}

/* An index other than the one that was put. */
static void
take_found_index(struct ks_compact_job *job, struct kafscale_slice bytes)
{
    struct kafscale_error error = { 0 };
    struct ks_index found;
    enum kafscale_status status = ks_index_decode(bytes, &found, &error);

    if (status == KAFSCALE_NO_MEMORY) {
        ks_compact_retry(job, look_at_index);
        return;
    }
    if (status != KAFSCALE_OK) {
        something_else(job, look_at_index);
        return;
    }
    if (is_index_of_place(job, &found)) {
        adopt(job, &found);
    } else {
        something_else(job, look_at_index);
    }
    ks_index_deinit(&found);
}

static void
on_index_found(void *arg, enum kafscale_status status, struct kafscale_blob *body,
               uint64_t object_bytes, const struct kafscale_error *store_error)
{
    struct ks_compact_job *job = arg;

    (void) object_bytes;
    (void) store_error;
    if (ks_compact_is_over(job)) {
        ks_compact_finish(job, false);
    } else if (status == KAFSCALE_NOT_FOUND) {
        ks_compact_retry(job, put_index);
    } else if (status != KAFSCALE_OK) {
        ks_compact_retry(job, look_at_index);
    } else if (ks_slice_equals(kafscale_blob_slice(body), ks_buffer_slice(&job->build.encoded))) {
        put_segment(job);
    } else {
        take_found_index(job, kafscale_blob_slice(body));
    }
}

static void
look_at_index(struct ks_compact_job *job)
{
    job->get = (struct kafscale_get){ .key = job->index_key, .size_max = KS_INDEX_BYTES_MAX };
    ks_store_get(job->log->store, &job->get, on_index_found, job);
}

static void
on_index_put(void *arg, enum kafscale_status status, const struct kafscale_error *error)
{
    go_on(arg, status, error,
          &(struct ways){ .next = put_segment,
                          .look = look_at_index,
                          .again = put_index,
                          .takes_any = ks_is_planted(KS_PLANTED_SEGMENT_FOLLOWS_INDEX) });
}

static void
put_index(struct ks_compact_job *job)
{
    job->step = KS_COMPACT_INDEX;
    job->odd_reads = 0;
    job->encoded_part = (struct kafscale_part){ .bytes = ks_buffer_slice(&job->build.encoded) };
    job->put = (struct kafscale_put){ .key = job->index_key,
                                      .parts = &job->encoded_part,
                                      .part_count = 1,
                                      .if_absent = !ks_is_planted(KS_PLANTED_SEGMENT_IF_ABSENT) };
    ks_store_put(job->log->store, &job->put, on_index_put, job);
}

void
ks_compact_put_index(struct ks_compact_job *job)
{
    struct ks_segment_home home = { .ns = job->log->ns,
                                    .prefix = job->prefix,
                                    .partition = job->name.index };

    ks_segment_key(&home, job->base, KS_SEGMENT_INDEX, job->index_key);
    ks_segment_key(&home, job->base, KS_SEGMENT_BODY, job->segment_key);
    if (ks_is_planted(KS_PLANTED_INDEX_FIRST)) {
        put_segment(job);
    } else {
        put_index(job);
    }
}

/* --- The segment ----------------------------------------------------------------------------- */

static void
segment_is_there(struct ks_compact_job *job)
{
    if (ks_is_planted(KS_PLANTED_CAS_AFTER_BOTH)) {
        ks_compact_finish(job, true);
    } else if (ks_is_planted(KS_PLANTED_INDEX_FIRST)) {
        put_index(job);
    } else {
        swap_register(job);
    }
}

/* Header and footer of what lies there say whether it is what the index describes. */
static void
on_footer_found(void *arg, enum kafscale_status status, struct kafscale_blob *body,
                uint64_t object_bytes, const struct kafscale_error *store_error)
{
    struct ks_compact_job *job = arg;

    (void) object_bytes;
    (void) store_error;
    if (ks_compact_is_over(job)) {
        ks_compact_finish(job, false);
    } else if (status != KAFSCALE_OK) {
        ks_compact_retry(job, look_at_segment);
    } else if (!ks_slice_equals(kafscale_blob_slice(body),
                                ks_slice(job->build.footer, sizeof job->build.footer))) {
        something_else(job, look_at_segment);
    } else {
        job->log->counters.segments_adopted++;
        segment_is_there(job);
    }
}

static bool
is_segment_of_place(const struct ks_compact_job *job, struct kafscale_slice bytes,
                    uint64_t object_bytes)
{
    struct kafscale_error error = { 0 };
    struct ks_segment_header header;

    return ks_segment_read_header(bytes, &header, &error) == KAFSCALE_OK &&
           header.topic_tag == job->build.index.topic_tag && header.base_offset == job->base &&
           object_bytes ==
               KS_SEGMENT_HEADER_BYTES + job->build.index.body_bytes + KS_SEGMENT_FOOTER_BYTES;
}

static void
on_header_found(void *arg, enum kafscale_status status, struct kafscale_blob *body,
                uint64_t object_bytes, const struct kafscale_error *store_error)
{
    struct ks_compact_job *job = arg;

    (void) store_error;
    if (ks_compact_is_over(job)) {
        ks_compact_finish(job, false);
    } else if (status == KAFSCALE_NOT_FOUND) {
        ks_compact_retry(job, put_segment);
    } else if (status != KAFSCALE_OK) {
        ks_compact_retry(job, look_at_segment);
    } else if (!is_segment_of_place(job, kafscale_blob_slice(body), object_bytes)) {
        something_else(job, look_at_segment);
    } else {
        job->get = (struct kafscale_get){ .key = job->segment_key,
                                          .position = object_bytes - KS_SEGMENT_FOOTER_BYTES,
                                          .size_max = KS_SEGMENT_FOOTER_BYTES };
        ks_store_get(job->log->store, &job->get, on_footer_found, job);
    }
}

static void
look_at_segment(struct ks_compact_job *job)
{
    job->get =
        (struct kafscale_get){ .key = job->segment_key, .size_max = KS_SEGMENT_HEADER_BYTES };
    ks_store_get(job->log->store, &job->get, on_header_found, job);
}

static void
on_segment_put(void *arg, enum kafscale_status status, const struct kafscale_error *error)
{
    go_on(arg, status, error,
          &(struct ways){ .next = segment_is_there,
                          .look = look_at_segment,
                          .again = put_segment,
                          .takes_any = ks_is_planted(KS_PLANTED_SEGMENT_ADOPT) });
}

static void
send_segment(struct ks_compact_job *job)
{
    job->step = KS_COMPACT_SEGMENT;
    job->odd_reads = 0;
    job->put = (struct kafscale_put){ .key = job->segment_key,
                                      .parts = job->parts,
                                      .part_count = job->part_count,
                                      .if_absent = !ks_is_planted(KS_PLANTED_SEGMENT_IF_ABSENT) };
    ks_store_put(job->log->store, &job->put, on_segment_put, job);
}

static void
put_segment(struct ks_compact_job *job)
{
    bool swaps_now =
        ks_is_planted(KS_PLANTED_CAS_AFTER_BOTH) || ks_is_planted(KS_PLANTED_INDEX_FIRST);

    if (swaps_now && job->step == KS_COMPACT_INDEX) {
        swap_register(job);
        return;
    }
    send_segment(job);
}

/* --- The register ---------------------------------------------------------------------------- */

static enum ks_change_verdict
decide(struct ks_change *change, struct ks_register *reg)
{
    const struct ks_compact_job *job = KS_CONTAINER(change, struct ks_compact_job, change);
    int64_t upto = job->build.index.last_offset + 1;

    if (reg->compacted_upto == upto && reg->segment_base == job->base) {
        return KS_CHANGE_HOLDS;
    }
    if (reg->compacted_upto != job->base && !ks_is_planted(KS_PLANTED_CAS_COMPACTED)) {
        return KS_CHANGE_REFUSED;
    }
    reg->compacted_upto = upto;
    reg->segment_base = job->base;
    return KS_CHANGE_WRITE;
}

static void
note_compacted(struct ks_compact_job *job)
{
    struct ks_log *log = job->log;

    ks_log_note_success(log, KS_LOG_CHORE_COMPACT);
    log->counters.segments_written++;
    log->counters.segment_bytes += job->build.index.body_bytes;
    ks_partition_drop_places(job->partition, job->partition->reg.compacted_upto);
    ks_expiry_learn(job->partition, &job->build.index);
    ks_trim_advance(log);
}

static void
on_swapped(struct ks_change *change, enum kafscale_status status)
{
    struct ks_compact_job *job = KS_CONTAINER(change, struct ks_compact_job, change);

    job->is_swapping = false;
    if (change->partition == NULL) {
        job->partition = NULL;
    }
    if (status == KAFSCALE_OK && job->partition != NULL && !job->log->is_freed) {
        note_compacted(job);
    }
    if (ks_is_planted(KS_PLANTED_CAS_AFTER_BOTH) && job->step == KS_COMPACT_INDEX &&
        !ks_compact_is_over(job)) {
        send_segment(job);
        return;
    }
    ks_compact_finish(job, status == KAFSCALE_OK || status == KAFSCALE_CONFLICT);
}

static void
on_dropped(struct ks_change *change)
{
    KS_CONTAINER(change, struct ks_compact_job, change)->is_swapping = false;
}

static void
swap_register(struct ks_compact_job *job)
{
    job->change = (struct ks_change){
        .partition = job->partition, .decide = decide, .done = on_swapped, .drop = on_dropped
    };
    job->is_swapping = true;
    ks_change_submit(job->log, &job->change);
}
