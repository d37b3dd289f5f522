/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading batches from segments. A segment is read in blocks that begin and end where entries of
 * its index do, so each holds whole batches: they are checked once, when the block has come, and
 * handed out by reference. Who reads on where a block ended gets more and more read ahead, and then
 * in larger blocks: fewer requests bring the same bytes.
 */
#include "log/core.h"
#include "log/read/segment_find.h"

#include <assert.h>
#include <inttypes.h>

#define BLOCK_BYTES (1u << 20)
#define LARGE_BLOCK_BYTES_MAX (4u << 20)
#define LARGE_BLOCK_SHARE 16 /* of the cache at most */
#define KEPT_SHARE 8         /* of a block: who answers with less takes a copy */
#define CHECKS_MAX 3

/* The entries first .. end - 1 of an index and the bytes that they stand for. */
struct span {
    size_t first;
    size_t end;
    uint64_t position;
    size_t bytes;
};

struct cold_read {
    struct ks_list link;
    struct ks_log *log;
    struct ks_log_read *read;
    struct ks_partition_name name;
    struct ks_segment_search search;
    struct ks_segment *segment;
    struct span span; /* of the block with the offset */
    struct ks_block_wait wait;
    uint32_t damaged; /* blocks that weren't what they must be */
    struct kafscale_error error;
};

/* --- Blocks of a segment --------------------------------------------------------------------- */

static bool
is_block_start(const struct ks_index *index, size_t entry, size_t block_bytes)
{
    return entry == 0 || index->entries[entry].position / block_bytes !=
                             index->entries[entry - 1].position / block_bytes;
}

/* The block with this entry, where they are of such a size. */
static struct span
span_of(const struct ks_index *index, size_t entry, size_t block_bytes)
{
    struct span span = { .first = entry, .end = entry + 1 };
    uint64_t end;

    while (!is_block_start(index, span.first, block_bytes)) {
        span.first--;
    }
    while (span.end < index->entry_count && !is_block_start(index, span.end, block_bytes)) {
        span.end++;
    }
    end = span.end < index->entry_count ? index->entries[span.end].position
                                        : KS_SEGMENT_HEADER_BYTES + index->body_bytes;
    span.position = index->entries[span.first].position;
    span.bytes = (size_t) (end - span.position);
    return span;
}

/* One, two or four blocks of the common size. */
static size_t
large_block_bytes(const struct ks_log *log)
{
    size_t bytes = LARGE_BLOCK_BYTES_MAX;

    while (bytes > BLOCK_BYTES && bytes > log->blocks.bytes_min / LARGE_BLOCK_SHARE) {
        bytes /= 2;
    }
    return bytes;
}

static bool
is_known(const struct ks_log *log, const struct ks_segment *segment, const struct span *span)
{
    return ks_block_is_known(log, ks_segment_body_key(segment), span->position, span->bytes);
}

/* The block to read this entry from. */
static struct span
choose_span(const struct ks_log *log, const struct ks_segment *segment, size_t entry)
{
    struct span large = span_of(&segment->index, entry, large_block_bytes(log));

    return is_known(log, segment, &large) ? large : span_of(&segment->index, entry, BLOCK_BYTES);
}

static struct ks_block *
block_at_hand(struct ks_log *log, const struct ks_segment *segment, const struct span *span)
{
    return ks_block_at_hand(log, ks_segment_body_key(segment), span->position, span->bytes);
}

/* The first offset that a block must hold, and the last it may hold. */
static bool
covers(const struct ks_index *index, const struct span *span, int64_t first, int64_t last)
{
    int64_t limit =
        span->end < index->entry_count ? index->entries[span->end].offset - 1 : index->last_offset;
    bool is_first = span->first == 0 ? first <= index->base_offset
                                     : first == index->entries[span->first].offset;

    return is_first && (span->end < index->entry_count ? last <= limit : last == limit);
}

/* Nothing else says whose batches they are: header and footer are not read. */
static bool
is_whole_body(const struct ks_index *index, const struct span *span)
{
    return span->first == 0 && span->end == index->entry_count;
}

/* Whether the bytes are just the batches that the index says. */
static enum kafscale_status
check_block(const struct ks_segment *segment, const struct span *span, struct kafscale_slice bytes,
            struct kafscale_error *error)
{
    int64_t first = -1;
    int64_t last = -1;
    size_t position = 0;
    uint32_t crc = 0;

    if (bytes.size != span->bytes) {
        return ks_error_set(error, KAFSCALE_CORRUPT, "object '%s' is too short",
                            ks_segment_body_key(segment));
    }
    while (position < bytes.size) {
        struct ks_batch batch;

        if (ks_batch_parse(ks_slice(bytes.data + position, bytes.size - position), &batch, error) !=
                KAFSCALE_OK ||
            !ks_batch_crc_is_right(&batch) || (position > 0 && batch.base_offset <= last)) {
            *error = (struct kafscale_error){ 0 };
            return ks_error_set(error, KAFSCALE_CORRUPT,
                                "object '%s' is damaged at position %" PRIu64,
                                ks_segment_body_key(segment), span->position + position);
        }
        first = position == 0 ? batch.base_offset : first;
        last = ks_batch_last_offset(&batch);
        position += batch.bytes.size;
        crc = ks_batch_crc_after(crc, batch.bytes);
    }
    if (is_whole_body(&segment->index, span) && crc != segment->index.body_crc) {
        return ks_error_set(error, KAFSCALE_CORRUPT, "object '%s' isn't the one of its index",
                            ks_segment_body_key(segment));
    }
    if (!covers(&segment->index, span, first, last)) {
        return ks_error_set(error, KAFSCALE_CORRUPT,
                            "object '%s' has other offsets than its index says",
                            ks_segment_body_key(segment));
    }
    return KAFSCALE_OK;
}

/* --- Reading ahead --------------------------------------------------------------------------- */

/* How far was read ahead of the block before; false: nobody came from there a short time ago. */
static bool
find_ahead_before(const struct cold_read *cold, const struct span *span, uint32_t *ahead_out)
{
    const struct ks_index *index = &cold->segment->index;
    const struct ks_partition *partition;
    const struct ks_block *before;
    struct span last;

    if (span->first == 0) {
        partition = ks_log_find(cold->log, &cold->name);
        *ahead_out = partition == NULL ? 0 : partition->read_ahead;
        return partition != NULL && partition->read_next == index->base_offset;
    }
    last = choose_span(cold->log, cold->segment, span->first - 1);
    before = block_at_hand(cold->log, cold->segment, &last);
    *ahead_out = before == NULL ? 0 : before->ahead;
    return before != NULL && before->is_checked;
}

/* Twice as far as before, up to the limit. */
static uint32_t
choose_ahead(const struct cold_read *cold, const struct span *span)
{
    uint32_t ahead_max = (uint32_t) (cold->log->options.read_ahead_bytes_max / BLOCK_BYTES);
    uint32_t before;

    if (!find_ahead_before(cold, span, &before)) {
        return ahead_max > 0;
    }
    return before * 2 < ahead_max ? before * 2 : ahead_max;
}

/* How many blocks of the common size it makes up. */
static uint32_t
count_blocks(const struct span *span)
{
    return (uint32_t) ((span->bytes + BLOCK_BYTES - 1) / BLOCK_BYTES);
}

/* Whether a large block may begin here: nobody has begun to read it in small ones. */
static bool
may_be_large(const struct ks_log *log, const struct ks_segment *segment, const struct span *large,
             size_t entry)
{
    struct span small = span_of(&segment->index, entry, BLOCK_BYTES);

    return entry == large->first && !is_known(log, segment, &small);
}

/*
 * Up to `ahead` blocks, from the one at this entry on; how many were come by in all, with `between`
 * before. Where a large one may begin it is that or none.
 */
static uint32_t
prepare_blocks(struct ks_log *log, const struct ks_segment *segment, size_t entry, uint32_t between,
               uint32_t ahead)
{
    const struct ks_index *index = &segment->index;
    size_t large_bytes = large_block_bytes(log);

    while (between < ahead && entry < index->entry_count) {
        struct span next = span_of(index, entry, large_bytes);
        bool is_large =
            ahead >= large_bytes / BLOCK_BYTES && may_be_large(log, segment, &next, entry);

        if (is_large && between + count_blocks(&next) > ahead) {
            return ahead;
        }
        if (!is_large) {
            next = choose_span(log, segment, entry);
        }
        ks_block_prepare(log, ks_segment_body_key(segment), next.position, next.bytes, between);
        between += count_blocks(&next);
        entry = next.end;
    }
    return between;
}

/* The segment that begins here, if its index is at hand; else that is read. */
static const struct ks_segment *
prepare_segment(const struct cold_read *cold, int64_t base)
{
    const struct ks_partition *partition = ks_log_find(cold->log, &cold->name);
    const struct ks_segment *segment;

    if (partition == NULL || base >= partition->reg.compacted_upto) {
        return NULL;
    }
    segment = ks_segment_at_hand(cold->log, &cold->name, base);
    if (segment == NULL && ks_object_reads_are_idle(cold->log)) {
        ks_segment_prepare(cold->log, &cold->search.owner, base);
    }
    return segment;
}

/*
 * The next segment's index, or, once that is here, its blocks; and for who has read on before the
 * index of the one after, for no block can be read before its index.
 */
static void
prepare_next_segment(const struct cold_read *cold, uint32_t between, uint32_t ahead)
{
    const struct ks_segment *next = prepare_segment(cold, cold->segment->index.last_offset + 1);

    if (next == NULL) {
        return;
    }
    prepare_blocks(cold->log, next, 0, between, ahead);
    if (ahead > 1) {
        (void) prepare_segment(cold, next->index.last_offset + 1);
    }
}

static void
read_ahead(const struct cold_read *cold, const struct span *span, uint32_t ahead)
{
    uint32_t between = prepare_blocks(cold->log, cold->segment, span->end, 0, ahead);

    if (between < ahead) {
        prepare_next_segment(cold, between, ahead);
    }
}

/* --- Answering ------------------------------------------------------------------------------- */

static bool
add_part(struct ks_log_read *read, size_t *capacity, const struct ks_batch *batch,
         struct kafscale_blob *owner)
{
    if (!KS_RESERVE(read->parts, *capacity, read->part_count + 1)) {
        return false;
    }
    ks_log_read_add(read, batch->bytes, owner, 0);
    return true;
}

/*
 * Takes the batches from the one with the offset on out of a block that was checked. `is_full`: the
 * reader has what he may have.
 */
static enum kafscale_status
take_batches(struct ks_log_read *read, size_t *capacity, struct kafscale_blob *owner, bool *is_full)
{
    struct kafscale_slice bytes = kafscale_blob_slice(owner);
    size_t position = 0;

    while (position < bytes.size) {
        struct kafscale_error error = { 0 };
        struct ks_batch batch;

        if (ks_batch_parse(ks_slice(bytes.data + position, bytes.size - position), &batch,
                           &error) != KAFSCALE_OK) {
            return KAFSCALE_CORRUPT;
        }
        position += batch.bytes.size;
        if (ks_batch_last_offset(&batch) < read->offset) {
            continue;
        }
        if (read->size_bytes + batch.bytes.size > read->bytes_max &&
            !(read->part_count == 0 && read->is_first_whole)) {
            *is_full = true;
            return KAFSCALE_OK;
        }
        if (!add_part(read, capacity, &batch, owner)) {
            return KAFSCALE_NO_MEMORY;
        }
    }
    return KAFSCALE_OK;
}

/* The parts from this one on, of one block, must not keep much more of it than they are. */
static void
keep_less(struct ks_log_read *read, size_t first, size_t bytes)
{
    struct kafscale_blob *copy;
    size_t position = 0;

    if (first == read->part_count ||
        bytes >= kafscale_blob_size(read->parts[first].owner) / KEPT_SHARE) {
        return;
    }
    copy = kafscale_blob_new(bytes);
    for (size_t i = first; copy != NULL && i < read->part_count; i++) {
        struct kafscale_part *part = &read->parts[i];

        memcpy(kafscale_blob_data(copy) + position, part->bytes.data, part->bytes.size);
        kafscale_blob_unref(part->owner);
        part->bytes.data = kafscale_blob_data(copy) + position;
        part->owner = kafscale_blob_ref(copy);
        position += part->bytes.size;
    }
    kafscale_blob_unref(copy);
}

/* Where the next reader of this partition goes on, if it is the same. */
static void
note_end(const struct cold_read *cold, const struct span *span, const struct ks_block *block)
{
    struct ks_partition *partition = ks_log_find(cold->log, &cold->name);

    if (partition != NULL && span->end == cold->segment->index.entry_count &&
        cold->segment->index.last_offset + 1 < partition->reg.compacted_upto) {
        partition->read_next = cold->segment->index.last_offset + 1;
        partition->read_ahead = block->ahead;
    }
}

/* Answers from this block, and from those after it that are at hand. */
static enum kafscale_status
answer(struct cold_read *cold, struct span span, struct ks_block *block)
{
    const struct ks_index *index = &cold->segment->index;
    enum kafscale_status status = KAFSCALE_OK;
    size_t capacity = 0;
    bool is_full = false;

    while (block != NULL && status == KAFSCALE_OK && !is_full) {
        size_t first = cold->read->part_count;
        size_t bytes_before = cold->read->size_bytes;

        status = take_batches(cold->read, &capacity, block->bytes, &is_full);
        keep_less(cold->read, first, cold->read->size_bytes - bytes_before);
        note_end(cold, &span, block);
        if (span.end == index->entry_count) {
            break;
        }
        span = choose_span(cold->log, cold->segment, span.end);
        block = block_at_hand(cold->log, cold->segment, &span);
        if (block != NULL && !block->is_checked) {
            block = NULL;
        }
    }
    if (status != KAFSCALE_OK) {
        ks_log_read_release(cold->read);
    }
    return status;
}

/* --- Steps ----------------------------------------------------------------------------------- */

static void
cold_free(struct cold_read *cold)
{
    ks_list_remove(&cold->link);
    ks_segment_release(cold->segment);
    ks_segment_search_deinit(&cold->search);
    ks_free(cold);
}

static void
finish(struct cold_read *cold, enum kafscale_status status)
{
    struct ks_log *log = cold->log;
    struct ks_log_read *read = cold->read;

    cold_free(cold);
    if (!log->is_freed) {
        read->state = NULL;
        read->done(read, status);
    }
    ks_log_end(log);
}

static bool get_block(struct cold_read *cold, enum kafscale_status *status_out);

/* True: `status_out` is how it ended. False: the block was no good and is read again. */
static bool
take_block(struct cold_read *cold, struct ks_block *block, enum kafscale_status *status_out)
{
    struct span span = cold->span;
    struct kafscale_error error = { 0 };
    uint32_t ahead;

    if (!block->is_checked) {
        *status_out = check_block(cold->segment, &span, kafscale_blob_slice(block->bytes), &error);
        if (*status_out != KAFSCALE_OK) {
            ks_block_distrust(block);
            ks_object_reads_distrust(cold->log);
            if (++cold->damaged < CHECKS_MAX) {
                return get_block(cold, status_out);
            }
            ks_log_some(cold->log->env, &cold->log->unread, KS_LOG_QUOTA_COUNT, KAFSCALE_LOG_ERROR,
                        "can't read a segment error=%s", error.text);
            return true;
        }
        block->is_checked = true;
        block->ahead = choose_ahead(cold, &span);
    }
    ahead = block->ahead;
    *status_out = answer(cold, span, block);
    read_ahead(cold, &span, ahead);
    return true;
}

static void
on_block(struct ks_block_wait *wait, enum kafscale_status status, struct ks_block *block,
         const struct kafscale_error *error)
{
    struct cold_read *cold = KS_CONTAINER(wait, struct cold_read, wait);

    if (status == KAFSCALE_OK && !take_block(cold, block, &status)) {
        return;
    }
    if (error != NULL && status != KAFSCALE_OK && status != KAFSCALE_STOPPED) {
        ks_log_some(cold->log->env, &cold->log->unread, KS_LOG_QUOTA_COUNT, KAFSCALE_LOG_ERROR,
                    "can't read object key=%s error=%s", ks_segment_body_key(cold->segment),
                    error->text);
    }
    if (status == KAFSCALE_NOT_FOUND) {
        /* Its index is there, its batches are not: what retention leaves for a moment. */
        ks_segment_distrust(cold->segment);
        status = KAFSCALE_UNAVAILABLE;
    }
    finish(cold, status);
}

/* The block with this entry: a large one also for a reader whom nothing was prepared for. */
static struct span
span_to_get(const struct cold_read *cold, size_t entry)
{
    size_t large_bytes = large_block_bytes(cold->log);
    struct span large = span_of(&cold->segment->index, entry, large_bytes);

    return may_be_large(cold->log, cold->segment, &large, entry) &&
                   choose_ahead(cold, &large) >= large_bytes / BLOCK_BYTES
               ? large
               : choose_span(cold->log, cold->segment, entry);
}

static bool
get_block(struct cold_read *cold, enum kafscale_status *status_out)
{
    const struct ks_index *index = &cold->segment->index;
    struct ks_block *block;

    cold->span =
        span_to_get(cold, (size_t) (ks_index_find(index, cold->read->offset) - index->entries));
    cold->wait.done = on_block;
    *status_out = ks_block_get(cold->log, ks_segment_body_key(cold->segment), cold->span.position,
                               cold->span.bytes, &cold->wait, &block);
    if (*status_out != KAFSCALE_OK) {
        return true;
    }
    return block != NULL && take_block(cold, block, status_out);
}

static void
on_found(struct ks_segment_search *search, enum kafscale_status status, struct ks_segment *segment,
         const struct kafscale_error *error)
{
    struct cold_read *cold = KS_CONTAINER(search, struct cold_read, search);

    (void) error;
    cold->segment = segment;
    if (status != KAFSCALE_OK || get_block(cold, &status)) {
        finish(cold, status);
    }
}

bool
ks_cold_read(struct ks_log *log, struct ks_log_read *read, enum kafscale_status *status_out)
{
    struct cold_read *cold = ks_alloc_zero(1, sizeof *cold);
    const struct ks_partition *partition = read->partition;
    struct ks_segment_question question = {
        .owner = { .name = partition->name,
                   .prefix = partition->prefix,
                   .imported_end = partition->reg.imported_end },
        .offset = read->offset,
        .newest = partition->reg.segment_base,
        .guess = partition->read_next == read->offset ? read->offset : -1,
    };

    if (cold == NULL) {
        *status_out = KAFSCALE_NO_MEMORY;
        return true;
    }
    cold->log = log;
    cold->read = read;
    cold->name = partition->name;
    read->state = cold;
    log->counters.cold_reads++;
    *status_out = ks_segment_search_start(&cold->search, log, &question, on_found, &cold->segment);
    ks_list_append(&log->cold_reads, &cold->link);
    if (*status_out != KAFSCALE_OK || (cold->segment != NULL && get_block(cold, status_out))) {
        cold_free(cold);
        return true;
    }
    ks_log_begin(log);
    return false;
}

void
ks_cold_reads_drop(struct ks_log *log)
{
    while (!ks_list_is_empty(&log->cold_reads)) {
        struct cold_read *cold = KS_CONTAINER(log->cold_reads.next, struct cold_read, link);

        cold_free(cold);
    }
}
