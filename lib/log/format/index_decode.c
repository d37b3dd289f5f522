/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading indexes, and making them again. The fields of an extension are first found by tag and
 * then taken one by one; a field that is longer than known has something new at its end.
 */
#include "log/format/index_format.h"
#include "log/format/index_layout.h"

#include <assert.h>
#include <inttypes.h>

static enum kafscale_status
damaged(struct kafscale_error *error, const char *what)
{
    return ks_error_set(error, KAFSCALE_CORRUPT, "damaged index: %s", what);
}

/* --- Header and entries ---------------------------------------------------------------------- */

static enum kafscale_status
take_entries(struct ks_cursor *cursor, uint32_t count, struct ks_index *index,
             struct kafscale_error *error)
{
    index->entries = ks_alloc_zero(count, sizeof *index->entries);
    if (index->entries == NULL) {
        return ks_error_set(error, KAFSCALE_NO_MEMORY, "out of memory for an index");
    }
    index->entry_count = index->entry_capacity = count;
    for (uint32_t i = 0; i < count; i++) {
        struct ks_index_entry *entry = &index->entries[i];

        entry->offset = (int64_t) ks_cursor_u64(cursor);
        entry->position = ks_cursor_u32(cursor);
        entry->max_timestamp_ms = INT64_MAX;
        if (entry->offset < 0 || entry->position < KS_SEGMENT_HEADER_BYTES ||
            entry->position > KS_SEGMENT_OBJECT_BYTES_MAX + KS_SEGMENT_HEADER_BYTES ||
            (i > 0 &&
             (entry->offset <= entry[-1].offset || entry->position <= entry[-1].position))) {
            return damaged(error, "its entries don't ascend");
        }
    }
    return KAFSCALE_OK;
}

static enum kafscale_status
take_header(struct ks_cursor *cursor, struct ks_index *index, struct kafscale_error *error)
{
    uint32_t magic = ks_cursor_u32(cursor);
    uint16_t version = ks_cursor_u16(cursor);
    uint32_t count = ks_cursor_u32(cursor);

    index->interval = (int32_t) ks_cursor_u32(cursor);
    (void) ks_cursor_u16(cursor);
    if (ks_cursor_failed(cursor) || magic != KS_INDEX_MAGIC) {
        return damaged(error, "it doesn't begin like one");
    }
    if (version != KS_INDEX_VERSION) {
        return ks_error_set(error, KAFSCALE_UNSUPPORTED, "index of version %u", version);
    }
    if (count == 0 || count > ks_cursor_left(cursor) / KS_INDEX_ENTRY_BYTES) {
        return damaged(error, "the number of its entries");
    }
    return take_entries(cursor, count, index, error);
}

/* --- The extension --------------------------------------------------------------------------- */

/* Magic, length and the checksum at the end stay in place in every version. */
static enum kafscale_status
check_extension(struct kafscale_slice object, struct kafscale_slice extension,
                struct kafscale_error *error)
{
    size_t size = extension.size;

    if (size < KS_INDEX_EXTENSION_HEADER_BYTES + KS_INDEX_EXTENSION_CRC_BYTES ||
        ks_get_u32(extension.data) != KS_INDEX_EXTENSION_MAGIC ||
        ks_get_u32(extension.data + 8) != size) {
        return damaged(error, "what follows its entries");
    }
    if (ks_get_u32(extension.data + size - KS_INDEX_EXTENSION_CRC_BYTES) !=
        ks_crc32c(0, object.data, object.size - KS_INDEX_EXTENSION_CRC_BYTES)) {
        return damaged(error, "its checksum");
    }
    if (ks_get_u16(extension.data + 4) != KS_INDEX_EXTENSION_VERSION) {
        return ks_error_set(error, KAFSCALE_UNSUPPORTED, "index with an extension of version %u",
                            ks_get_u16(extension.data + 4));
    }
    if (ks_get_u16(extension.data + 6) < KS_INDEX_EXTENSION_HEADER_BYTES ||
        ks_get_u16(extension.data + 6) > size - KS_INDEX_EXTENSION_CRC_BYTES) {
        return damaged(error, "the header of its extension");
    }
    return KAFSCALE_OK;
}

/* Where each field lies; one that isn't there is empty. */
static bool
find_fields(struct kafscale_slice extension, struct kafscale_slice fields[KS_INDEX_TAGS_END])
{
    size_t header = ks_get_u16(extension.data + 6);
    struct ks_cursor cursor = ks_cursor(
        ks_slice(extension.data + header, extension.size - header - KS_INDEX_EXTENSION_CRC_BYTES));

    while (ks_cursor_left(&cursor) > 0) {
        uint16_t tag = ks_cursor_u16(&cursor);
        uint32_t size = ks_cursor_u32(&cursor);
        struct kafscale_slice value = ks_cursor_take(&cursor, size);

        if (tag < KS_INDEX_TAGS_END) {
            fields[tag] = value;
        }
    }
    return !ks_cursor_failed(&cursor);
}

static bool
take_segment(struct kafscale_slice field, struct ks_index *index)
{
    struct ks_cursor cursor = ks_cursor(field);
    const struct ks_index_entry *last = &index->entries[index->entry_count - 1];

    ks_cursor_copy(&cursor, index->name.topic.bytes, KS_ID_BYTES);
    index->name.index = (int32_t) ks_cursor_u32(&cursor);
    index->base_offset = (int64_t) ks_cursor_u64(&cursor);
    index->last_offset = (int64_t) ks_cursor_u64(&cursor);
    index->body_bytes = ks_cursor_u64(&cursor);
    index->body_crc = ks_cursor_u32(&cursor);
    index->batch_count = ks_cursor_u32(&cursor);
    index->record_count = ks_cursor_u64(&cursor);
    index->created_ms = (int64_t) ks_cursor_u64(&cursor);
    index->max_timestamp_ms = (int64_t) ks_cursor_u64(&cursor);
    return !ks_cursor_failed(&cursor) && index->name.index >= 0 &&
           index->base_offset == index->entries[0].offset && index->last_offset >= last->offset &&
           index->last_offset < INT64_MAX && index->body_bytes <= KS_SEGMENT_OBJECT_BYTES_MAX &&
           last->position < KS_SEGMENT_HEADER_BYTES + index->body_bytes;
}

static bool
take_times(struct kafscale_slice field, struct ks_index *index)
{
    struct ks_cursor cursor = ks_cursor(field);

    for (size_t i = 0; i < index->entry_count; i++) {
        index->entries[i].max_timestamp_ms = (int64_t) ks_cursor_u64(&cursor);
    }
    return !ks_cursor_failed(&cursor);
}

static bool
take_ancestors(struct kafscale_slice field, struct ks_index *index)
{
    struct ks_cursor cursor = ks_cursor(field);

    for (size_t level = 0; level < KS_INDEX_LEVELS && ks_cursor_left(&cursor) > 0; level++) {
        struct ks_ancestors *ancestors = &index->ancestors[level];
        int64_t above = index->base_offset;

        ancestors->count = ks_cursor_u8(&cursor);
        if (ancestors->count == 0 || ancestors->count > KS_INDEX_ANCESTORS) {
            return false;
        }
        for (uint8_t i = 0; i < ancestors->count; i++) {
            ancestors->bases[i] = (int64_t) ks_cursor_u64(&cursor);
            ancestors->max_timestamps_ms[i] = INT64_MAX;
            if (ancestors->bases[i] < 0 || ancestors->bases[i] >= above) {
                return false;
            }
            above = ancestors->bases[i];
        }
    }
    return !ks_cursor_failed(&cursor);
}

/* An index from before there were such times has none of them. */
static bool
take_ancestor_times(struct kafscale_slice field, struct ks_index *index)
{
    struct ks_cursor cursor = ks_cursor(field);

    if (field.size == 0) {
        return true;
    }
    for (size_t level = 0; level < KS_INDEX_LEVELS; level++) {
        struct ks_ancestors *ancestors = &index->ancestors[level];

        for (uint8_t i = 0; i < ancestors->count; i++) {
            ancestors->max_timestamps_ms[i] = (int64_t) ks_cursor_u64(&cursor);
        }
    }
    return !ks_cursor_failed(&cursor);
}

static enum kafscale_status
take_epochs(struct kafscale_slice field, struct ks_index *index, struct kafscale_error *error)
{
    struct ks_cursor cursor = ks_cursor(field);
    size_t count = field.size / KS_INDEX_EPOCH_BYTES;

    index->epochs = ks_alloc_zero(count, sizeof *index->epochs);
    if (index->epochs == NULL) {
        return ks_error_set(error, KAFSCALE_NO_MEMORY, "out of memory for an index");
    }
    for (size_t i = 0; i < count; i++) {
        struct ks_epoch_start *start = &index->epochs[i];

        start->epoch = (int32_t) ks_cursor_u32(&cursor);
        start->offset = (int64_t) ks_cursor_u64(&cursor);
        if (start->offset < 0 || start->offset > index->last_offset ||
            (i > 0 && (start->epoch <= start[-1].epoch || start->offset <= start[-1].offset))) {
            return damaged(error, "its leader epochs");
        }
    }
    index->epoch_count = count;
    return KAFSCALE_OK;
}

static enum kafscale_status
take_aborted(struct kafscale_slice field, struct ks_index *index, struct kafscale_error *error)
{
    struct ks_cursor cursor = ks_cursor(field);
    size_t count = field.size / KS_INDEX_ABORTED_BYTES;

    index->aborted = ks_alloc_zero(count, sizeof *index->aborted);
    if (index->aborted == NULL) {
        return ks_error_set(error, KAFSCALE_NO_MEMORY, "out of memory for an index");
    }
    index->aborted_count = count;
    for (size_t i = 0; i < count; i++) {
        index->aborted[i].producer_id = (int64_t) ks_cursor_u64(&cursor);
        index->aborted[i].first_offset = (int64_t) ks_cursor_u64(&cursor);
        index->aborted[i].last_offset = (int64_t) ks_cursor_u64(&cursor);
    }
    return KAFSCALE_OK;
}

static enum kafscale_status
take_partition(const struct kafscale_slice fields[KS_INDEX_TAGS_END], struct ks_index *index,
               struct kafscale_error *error)
{
    struct ks_cursor totals = ks_cursor(fields[KS_INDEX_TAG_TOTALS]);
    struct kafscale_slice producers = fields[KS_INDEX_TAG_PRODUCERS];

    index->has_partition = true;
    index->totals.segments = ks_cursor_u64(&totals);
    index->totals.records = ks_cursor_u64(&totals);
    index->totals.bytes = ks_cursor_u64(&totals);
    index->totals.max_timestamp_ms = (int64_t) ks_cursor_u64(&totals);
    if (ks_cursor_failed(&totals) || index->totals.segments == 0 ||
        !take_ancestors(fields[KS_INDEX_TAG_ANCESTORS], index) ||
        !take_ancestor_times(fields[KS_INDEX_TAG_ANCESTOR_TIMES], index)) {
        return damaged(error, "what it says of earlier segments");
    }
    ks_buffer_append(&index->producers, producers.data, producers.size);
    if (ks_buffer_failed(&index->producers)) {
        return ks_error_set(error, KAFSCALE_NO_MEMORY, "out of memory for an index");
    }
    return take_epochs(fields[KS_INDEX_TAG_EPOCHS], index, error);
}

static enum kafscale_status
take_extension(struct kafscale_slice extension, struct ks_index *index,
               struct kafscale_error *error)
{
    struct kafscale_slice fields[KS_INDEX_TAGS_END] = { { 0 } };
    enum kafscale_status status = KAFSCALE_OK;

    if (!find_fields(extension, fields) || !take_segment(fields[KS_INDEX_TAG_SEGMENT], index) ||
        fields[KS_INDEX_TAG_CLUSTER].size != KS_ID_BYTES ||
        !take_times(fields[KS_INDEX_TAG_TIMES], index)) {
        return damaged(error, "what it says of its segment");
    }
    index->topic_tag = ks_segment_topic_tag(&index->name.topic);
    memcpy(index->cluster.bytes, fields[KS_INDEX_TAG_CLUSTER].data, KS_ID_BYTES);
    index->is_ours = true;
    if (fields[KS_INDEX_TAG_TOTALS].size > 0) {
        status = take_partition(fields, index, error);
    }
    if (status == KAFSCALE_OK) {
        status = take_aborted(fields[KS_INDEX_TAG_ABORTED], index, error);
    }
    return status;
}

static enum kafscale_status
decode(struct kafscale_slice bytes, struct ks_index *index, struct kafscale_error *error)
{
    struct ks_cursor cursor = ks_cursor(bytes);
    enum kafscale_status status = take_header(&cursor, index, error);
    struct kafscale_slice extension;

    if (status != KAFSCALE_OK) {
        return status;
    }
    index->base_offset = index->entries[0].offset;
    index->last_offset = -1;
    extension = ks_cursor_take(&cursor, ks_cursor_left(&cursor));
    if (extension.size == 0) {
        return KAFSCALE_OK;
    }
    status = check_extension(bytes, extension, error);
    return status == KAFSCALE_OK ? take_extension(extension, index, error) : status;
}

enum kafscale_status
ks_index_decode(struct kafscale_slice bytes, struct ks_index *index_out,
                struct kafscale_error *error)
{
    struct ks_index index = { 0 };
    enum kafscale_status status;

    ks_buffer_init(&index.producers, KS_INDEX_BYTES_MAX);
    status = decode(bytes, &index, error);
    if (status != KAFSCALE_OK) {
        ks_index_deinit(&index);
        return status;
    }
    *index_out = index;
    return KAFSCALE_OK;
}

/* --- Made again from the body ---------------------------------------------------------------- */

static enum kafscale_status
rebuild_batches(struct kafscale_slice body, struct ks_index *index, struct kafscale_error *error)
{
    size_t position = 0;

    while (position < body.size) {
        struct ks_batch batch;
        enum kafscale_status status =
            ks_batch_parse(ks_slice(body.data + position, body.size - position), &batch, error);

        if (status == KAFSCALE_OK && !ks_batch_crc_is_right(&batch)) {
            status = ks_error_set(error, KAFSCALE_CORRUPT, "damaged batch at position %zu",
                                  position + KS_SEGMENT_HEADER_BYTES);
        }
        if (status == KAFSCALE_OK) {
            status = ks_index_add_batch(index, &batch, error);
        }
        if (status != KAFSCALE_OK) {
            return status;
        }
        position += batch.bytes.size;
    }
    return KAFSCALE_OK;
}

static enum kafscale_status
rebuild(struct kafscale_slice segment, struct ks_index *index, struct kafscale_error *error)
{
    const size_t frame = KS_SEGMENT_HEADER_BYTES + KS_SEGMENT_FOOTER_BYTES;
    struct ks_segment_header header;
    struct ks_segment_footer footer;
    enum kafscale_status status = ks_segment_read_header(segment, &header, error);

    if (status == KAFSCALE_OK && segment.size <= frame) {
        return ks_error_set(error, KAFSCALE_CORRUPT, "segment without batches");
    }
    if (status == KAFSCALE_OK) {
        status =
            ks_segment_read_footer(ks_slice(segment.data + segment.size - KS_SEGMENT_FOOTER_BYTES,
                                            KS_SEGMENT_FOOTER_BYTES),
                                   &footer, error);
    }
    if (status == KAFSCALE_OK) {
        status = rebuild_batches(
            ks_slice(segment.data + KS_SEGMENT_HEADER_BYTES, segment.size - frame), index, error);
    }
    if (status == KAFSCALE_OK &&
        (footer.last_offset != index->last_offset || footer.body_crc != index->body_crc)) {
        return ks_error_set(error, KAFSCALE_CORRUPT,
                            "damaged segment: its batches aren't those of "
                            "its end");
    }
    if (status == KAFSCALE_OK) {
        index->created_ms = header.created_ms;
        index->topic_tag = header.topic_tag;
    }
    return status;
}

enum kafscale_status
ks_index_rebuild(struct kafscale_slice segment, int64_t base_offset, struct ks_index *index_out,
                 struct kafscale_error *error)
{
    struct ks_index index;
    enum kafscale_status status;

    ks_index_init(&index, base_offset);
    status = rebuild(segment, &index, error);
    if (status != KAFSCALE_OK) {
        ks_index_deinit(&index);
        return status;
    }
    *index_out = index;
    return KAFSCALE_OK;
}

/* --- Searching ------------------------------------------------------------------------------- */

const struct ks_index_entry *
ks_index_find(const struct ks_index *index, int64_t offset)
{
    size_t low = 0;
    size_t high = index->entry_count;

    assert(index->entry_count > 0);

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (index->entries[middle].offset <= offset) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return &index->entries[low > 0 ? low - 1 : 0];
}

/* Those of the lowest level stand without a gap. */
static int64_t
right_before(const struct ks_ancestors *nearest, int64_t offset)
{
    for (uint8_t i = 0; i < nearest->count; i++) {
        if (nearest->bases[i] <= offset) {
            return nearest->bases[i];
        }
    }
    return -1;
}

int64_t
ks_index_ancestor(const struct ks_index *index, int64_t offset)
{
    int64_t found = right_before(&index->ancestors[0], offset);

    for (size_t level = 0; level < KS_INDEX_LEVELS && (found < 0 || found > offset); level++) {
        const struct ks_ancestors *ancestors = &index->ancestors[level];

        for (uint8_t i = 0; i < ancestors->count; i++) {
            if (ancestors->bases[i] > offset && (found < 0 || ancestors->bases[i] < found)) {
                found = ancestors->bases[i];
            }
        }
    }
    return found;
}
