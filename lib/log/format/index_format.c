/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Building and encoding. An entry stands for the first batch and for each that begins at least
 * `interval` records after the last entry's, as other KafScale brokers have it.
 */
#include "log/format/index_format.h"

#include "log/format/index_layout.h"

#include <assert.h>
#include <inttypes.h>

void
ks_index_init(struct ks_index *index, int64_t base_offset)
{
    assert(base_offset >= 0);

    *index = (struct ks_index){ .interval = KS_INDEX_INTERVAL,
                                .is_ours = true,
                                .base_offset = base_offset,
                                .last_offset = base_offset - 1,
                                .max_timestamp_ms = INT64_MIN,
                                .totals = { .max_timestamp_ms = INT64_MIN } };
    ks_buffer_init(&index->producers, KS_INDEX_BYTES_MAX);
}

void
ks_index_deinit(struct ks_index *index)
{
    ks_free(index->entries);
    ks_free(index->epochs);
    ks_free(index->aborted);
    ks_buffer_deinit(&index->producers);
    *index = (struct ks_index){ 0 };
}

/* --- Building -------------------------------------------------------------------------------- */

static bool
add_entry(struct ks_index *index, int64_t offset, uint32_t position)
{
    if (!KS_RESERVE(index->entries, index->entry_capacity, index->entry_count + 1)) {
        return false;
    }
    index->entries[index->entry_count++] = (struct ks_index_entry){ .offset = offset,
                                                                    .position = position,
                                                                    .max_timestamp_ms = INT64_MIN };
    return true;
}

/* The first batch may hold the base in its middle; each other one begins after the one before. */
static bool
is_next(const struct ks_index *index, const struct ks_batch *batch)
{
    if (index->batch_count == 0) {
        return batch->base_offset <= index->base_offset &&
               ks_batch_last_offset(batch) >= index->base_offset;
    }
    return batch->base_offset > index->last_offset &&
           ks_batch_last_offset(batch) >= batch->base_offset;
}

static void
note_time(struct ks_index *index, int64_t max_timestamp_ms)
{
    int64_t *const latest[] = { &index->entries[index->entry_count - 1].max_timestamp_ms,
                                &index->max_timestamp_ms, &index->totals.max_timestamp_ms };

    for (size_t i = 0; i < sizeof latest / sizeof latest[0]; i++) {
        if (max_timestamp_ms > *latest[i]) {
            *latest[i] = max_timestamp_ms;
        }
    }
}

enum kafscale_status
ks_index_add_batch(struct ks_index *index, const struct ks_batch *batch,
                   struct kafscale_error *error)
{
    if (!is_next(index, batch)) {
        return ks_error_set(error, KAFSCALE_CORRUPT,
                            "a batch with offsets %" PRId64 " to %" PRId64 " after %" PRId64,
                            batch->base_offset, ks_batch_last_offset(batch), index->last_offset);
    }
    if (batch->bytes.size > KS_SEGMENT_OBJECT_BYTES_MAX - index->body_bytes) {
        return ks_error_set(error, KAFSCALE_TOO_LARGE, "a segment would have more than %u bytes",
                            KS_SEGMENT_OBJECT_BYTES_MAX);
    }
    if (index->batch_count == 0 || index->records_since_entry >= index->interval) {
        int64_t offset = index->batch_count == 0 ? index->base_offset : batch->base_offset;

        if (!add_entry(index, offset, (uint32_t) (KS_SEGMENT_HEADER_BYTES + index->body_bytes))) {
            return ks_error_set(error, KAFSCALE_NO_MEMORY, "out of memory for an index");
        }
        index->records_since_entry = 0;
    }
    note_time(index, batch->max_timestamp);
    index->records_since_entry += batch->record_count;
    index->record_count += (uint64_t) batch->record_count;
    index->batch_count++;
    index->body_crc = ks_batch_crc_after(index->body_crc, batch->bytes);
    index->body_bytes += batch->bytes.size;
    index->last_offset = ks_batch_last_offset(batch);
    index->totals.records += (uint64_t) batch->record_count;
    index->totals.bytes += batch->bytes.size;
    return KAFSCALE_OK;
}

enum kafscale_status
ks_index_add_epoch(struct ks_index *index, int32_t epoch, int64_t offset)
{
    struct ks_epoch_start *epochs;

    if (index->epoch_count > 0 && index->epochs[index->epoch_count - 1].epoch >= epoch) {
        return KAFSCALE_OK;
    }
    epochs = ks_realloc(index->epochs, (index->epoch_count + 1) * sizeof *epochs);
    if (epochs == NULL) {
        return KAFSCALE_NO_MEMORY;
    }
    epochs[index->epoch_count++] = (struct ks_epoch_start){ .epoch = epoch, .offset = offset };
    index->epochs = epochs;
    return KAFSCALE_OK;
}

/* --- What comes from the segment before ------------------------------------------------------ */

static void
push_ancestor(struct ks_ancestors *ancestors, const struct ks_index *before)
{
    int64_t *bases = ancestors->bases;
    int64_t *times_ms = ancestors->max_timestamps_ms;
    size_t kept = ancestors->count;

    if (kept == KS_INDEX_ANCESTORS) {
        kept--;
    }
    memmove(&bases[1], &bases[0], kept * sizeof bases[0]);
    memmove(&times_ms[1], &times_ms[0], kept * sizeof times_ms[0]);
    bases[0] = before->base_offset;
    times_ms[0] = before->totals.max_timestamp_ms;
    ancestors->count = (uint8_t) (kept + 1);
}

/* The number of the segment before decides at which levels it is remembered. */
static void
follow_ancestors(struct ks_index *index, const struct ks_index *before)
{
    uint64_t number = before->totals.segments - 1;

    memcpy(index->ancestors, before->ancestors, sizeof index->ancestors);
    push_ancestor(&index->ancestors[0], before);
    for (size_t level = 1; level < KS_INDEX_LEVELS && number > 0 && number % 8 == 0; level++) {
        push_ancestor(&index->ancestors[level], before);
        number /= 8;
    }
}

/* The epochs from the one on that `log_start` has. */
static enum kafscale_status
follow_epochs(struct ks_index *index, const struct ks_index *before, int64_t log_start)
{
    size_t first = 0;

    assert(index->epoch_count == 0);
    while (first + 1 < before->epoch_count && before->epochs[first + 1].offset <= log_start) {
        first++;
    }
    if (before->epoch_count == 0) {
        return KAFSCALE_OK;
    }
    index->epochs = ks_alloc_zero(before->epoch_count - first, sizeof *index->epochs);
    if (index->epochs == NULL) {
        return KAFSCALE_NO_MEMORY;
    }
    index->epoch_count = before->epoch_count - first;
    memcpy(index->epochs, before->epochs + first, index->epoch_count * sizeof *index->epochs);
    return KAFSCALE_OK;
}

enum kafscale_status
ks_index_follow(struct ks_index *index, const struct ks_index *before, int64_t log_start)
{
    assert(index->batch_count == 0);

    if (before != NULL) {
        assert(before->has_partition);
        assert(before->totals.segments > 0);
        if (follow_epochs(index, before, log_start) != KAFSCALE_OK) {
            return KAFSCALE_NO_MEMORY;
        }
        follow_ancestors(index, before);
        index->totals = before->totals;
    }
    index->totals.segments++;
    index->has_partition = true;
    return KAFSCALE_OK;
}

/* --- Encoding -------------------------------------------------------------------------------- */

static void
begin_field(struct ks_buffer *out, enum ks_index_tag tag, size_t bytes)
{
    ks_buffer_append_u16(out, (uint16_t) tag);
    ks_buffer_append_u32(out, (uint32_t) bytes);
}

static void
encode_segment(const struct ks_index *index, struct ks_buffer *out)
{
    begin_field(out, KS_INDEX_TAG_SEGMENT, KS_INDEX_SEGMENT_BYTES);
    ks_buffer_append(out, index->name.topic.bytes, KS_ID_BYTES);
    ks_buffer_append_u32(out, (uint32_t) index->name.index);
    ks_buffer_append_u64(out, (uint64_t) index->base_offset);
    ks_buffer_append_u64(out, (uint64_t) index->last_offset);
    ks_buffer_append_u64(out, index->body_bytes);
    ks_buffer_append_u32(out, index->body_crc);
    ks_buffer_append_u32(out, index->batch_count);
    ks_buffer_append_u64(out, index->record_count);
    ks_buffer_append_u64(out, (uint64_t) index->created_ms);
    ks_buffer_append_u64(out, (uint64_t) index->max_timestamp_ms);
    begin_field(out, KS_INDEX_TAG_CLUSTER, KS_ID_BYTES);
    ks_buffer_append(out, index->cluster.bytes, KS_ID_BYTES);
    begin_field(out, KS_INDEX_TAG_TIMES, 8 * index->entry_count);
    for (size_t i = 0; i < index->entry_count; i++) {
        ks_buffer_append_u64(out, (uint64_t) index->entries[i].max_timestamp_ms);
    }
}

static void
encode_ancestors(const struct ks_index *index, struct ks_buffer *out)
{
    size_t levels = 0;
    size_t bytes = 0;

    while (levels < KS_INDEX_LEVELS && index->ancestors[levels].count > 0) {
        bytes += 1 + 8 * (size_t) index->ancestors[levels++].count;
    }
    begin_field(out, KS_INDEX_TAG_ANCESTORS, bytes);
    for (size_t level = 0; level < levels; level++) {
        const struct ks_ancestors *ancestors = &index->ancestors[level];

        ks_buffer_append_u8(out, ancestors->count);
        for (uint8_t i = 0; i < ancestors->count; i++) {
            ks_buffer_append_u64(out, (uint64_t) ancestors->bases[i]);
        }
    }
}

static void
encode_ancestor_times(const struct ks_index *index, struct ks_buffer *out)
{
    size_t count = 0;

    for (size_t level = 0; level < KS_INDEX_LEVELS; level++) {
        count += index->ancestors[level].count;
    }
    if (count == 0) {
        return;
    }
    begin_field(out, KS_INDEX_TAG_ANCESTOR_TIMES, 8 * count);
    for (size_t level = 0; level < KS_INDEX_LEVELS; level++) {
        const struct ks_ancestors *ancestors = &index->ancestors[level];

        for (uint8_t i = 0; i < ancestors->count; i++) {
            ks_buffer_append_u64(out, (uint64_t) ancestors->max_timestamps_ms[i]);
        }
    }
}

static void
encode_partition(const struct ks_index *index, struct ks_buffer *out)
{
    begin_field(out, KS_INDEX_TAG_TOTALS, KS_INDEX_TOTALS_BYTES);
    ks_buffer_append_u64(out, index->totals.segments);
    ks_buffer_append_u64(out, index->totals.records);
    ks_buffer_append_u64(out, index->totals.bytes);
    ks_buffer_append_u64(out, (uint64_t) index->totals.max_timestamp_ms);
    encode_ancestors(index, out);
    encode_ancestor_times(index, out);
    begin_field(out, KS_INDEX_TAG_EPOCHS, KS_INDEX_EPOCH_BYTES * index->epoch_count);
    for (size_t i = 0; i < index->epoch_count; i++) {
        ks_buffer_append_u32(out, (uint32_t) index->epochs[i].epoch);
        ks_buffer_append_u64(out, (uint64_t) index->epochs[i].offset);
    }
    begin_field(out, KS_INDEX_TAG_PRODUCERS, index->producers.size);
    ks_buffer_append(out, index->producers.data, index->producers.size);
}

static void
encode_aborted(const struct ks_index *index, struct ks_buffer *out)
{
    begin_field(out, KS_INDEX_TAG_ABORTED, KS_INDEX_ABORTED_BYTES * index->aborted_count);
    for (size_t i = 0; i < index->aborted_count; i++) {
        ks_buffer_append_u64(out, (uint64_t) index->aborted[i].producer_id);
        ks_buffer_append_u64(out, (uint64_t) index->aborted[i].first_offset);
        ks_buffer_append_u64(out, (uint64_t) index->aborted[i].last_offset);
    }
}

static void
encode_extension(const struct ks_index *index, struct ks_buffer *out, size_t begin)
{
    size_t extension = out->size;

    ks_buffer_append_u32(out, KS_INDEX_EXTENSION_MAGIC);
    ks_buffer_append_u16(out, KS_INDEX_EXTENSION_VERSION);
    ks_buffer_append_u16(out, KS_INDEX_EXTENSION_HEADER_BYTES);
    ks_buffer_append_u32(out, 0); /* its length */
    encode_segment(index, out);
    if (index->has_partition) {
        encode_partition(index, out);
    }
    if (index->aborted_count > 0) {
        encode_aborted(index, out);
    }
    if (!ks_buffer_failed(out)) {
        ks_put_u32(out->data + extension + 8, (uint32_t) (out->size - extension + 4));
        ks_buffer_append_u32(out, ks_crc32c(0, out->data + begin, out->size - begin));
    }
}

void
ks_index_encode(const struct ks_index *index, struct ks_buffer *out)
{
    size_t begin = out->size;

    assert(index->entry_count > 0);
    assert(index->entry_count <= INT32_MAX);

    ks_buffer_append_u32(out, KS_INDEX_MAGIC);
    ks_buffer_append_u16(out, KS_INDEX_VERSION);
    ks_buffer_append_u32(out, (uint32_t) index->entry_count);
    ks_buffer_append_u32(out, (uint32_t) index->interval);
    ks_buffer_append_u16(out, 0);
    for (size_t i = 0; i < index->entry_count; i++) {
        ks_buffer_append_u64(out, (uint64_t) index->entries[i].offset);
        ks_buffer_append_u32(out, index->entries[i].position);
    }
    if (index->is_ours) {
        encode_extension(index, out, begin);
    }
}
