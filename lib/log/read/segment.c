/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One reading of an index serves all who wait for it. Which segments are kept is decided by their
 * last use.
 */
#include "log/read/segment.h"

#include "log/core.h"

#include <assert.h>
#include <inttypes.h>

#define READS_MAX 5

static void read_body(struct ks_segment *segment);
static void read_index(struct ks_segment *segment);

void
ks_segments_init(struct ks_segments *segments, uint64_t seed, size_t bytes_max)
{
    *segments = (struct ks_segments){ .bytes_max = bytes_max };
    ks_table_init(&segments->table, seed);
    ks_list_init(&segments->by_use);
}

static size_t
memory_bytes(const struct ks_segment *segment)
{
    const struct ks_index *index = &segment->index;

    return sizeof *segment + index->entry_capacity * sizeof *index->entries +
           index->epoch_count * sizeof *index->epochs + index->producers.capacity;
}

static void
segment_free(struct ks_segment *segment)
{
    ks_index_deinit(&segment->index);
    ks_free(segment);
}

/* Takes it out of the table; it stays as long as it has users. */
static void
drop(struct ks_segment *segment)
{
    struct ks_segments *segments = &segment->log->segments;

    assert(!segment->is_dropped);
    ks_table_remove(&segments->table, &segment->node);
    if (ks_list_is_linked(&segment->by_use)) {
        ks_list_remove(&segment->by_use);
        segments->bytes -= memory_bytes(segment);
    }
    segment->is_dropped = true;
    if (segment->users == 0) {
        segment_free(segment);
    }
}

void
ks_segments_deinit(struct ks_segments *segments)
{
    struct ks_table_node *node = ks_table_next(&segments->table, NULL);

    while (node != NULL) {
        struct ks_segment *segment = KS_CONTAINER(node, struct ks_segment, node);

        node = ks_table_next(&segments->table, node);
        assert(segment->users == 0);
        drop(segment);
    }
    ks_table_deinit(&segments->table);
}

static void
evict(struct ks_segments *segments)
{
    struct ks_list *node = segments->by_use.next;

    while (segments->bytes > segments->bytes_max && node != &segments->by_use) {
        struct ks_segment *segment = KS_CONTAINER(node, struct ks_segment, by_use);

        node = node->next;
        if (segment->users == 0) {
            drop(segment);
        }
    }
}

void
ks_segment_release(struct ks_segment *segment)
{
    if (segment == NULL) {
        return;
    }
    assert(segment->users > 0);
    segment->users--;
    if (segment->users == 0 && segment->is_dropped) {
        segment_free(segment);
    }
}

void
ks_segment_distrust(struct ks_segment *segment)
{
    if (!segment->is_dropped) {
        drop(segment);
    }
}

const char *
ks_segment_body_key(const struct ks_segment *segment)
{
    assert(segment->is_read);
    return segment->key;
}

/* --- Reading --------------------------------------------------------------------------------- */

static void
name_body(struct ks_segment *segment)
{
    memcpy(segment->key + segment->suffix_at, ".kfs", sizeof ".kfs");
}

static void
tell_waits(struct ks_segment *segment, enum kafscale_status status)
{
    struct ks_list *node;

    while ((node = ks_list_take_first(&segment->waits)) != NULL) {
        struct ks_segment_wait *wait = KS_CONTAINER(node, struct ks_segment_wait, link);

        segment->users += status == KAFSCALE_OK;
        wait->done(wait, status, status == KAFSCALE_OK ? segment : NULL, &segment->error);
    }
}

static void
settle(struct ks_segment *segment, enum kafscale_status status)
{
    struct ks_segments *segments = &segment->log->segments;

    segment->is_read = true;
    name_body(segment);
    segment->users++;
    if (status == KAFSCALE_OK) {
        segments->bytes += memory_bytes(segment);
        ks_list_append(&segments->by_use, &segment->by_use);
    } else {
        drop(segment);
    }
    tell_waits(segment, status);
    ks_segment_release(segment);
    evict(segments);
}

/* `text` goes before what the error says so far. */
static void
fail(struct ks_segment *segment, enum kafscale_status status, const struct kafscale_error *cause)
{
    (void) ks_error_set(&segment->error, status, "object '%s': %s", segment->key,
                        cause != NULL && cause->text[0] != '\0' ? cause->text
                                                                : kafscale_status_text(status));
    settle(segment, status);
}

static enum kafscale_status
take_rebuilt(struct ks_segment *segment, struct kafscale_blob *body, struct kafscale_error *error)
{
    const struct ks_segment_id *id = &segment->id;
    enum kafscale_status status =
        ks_index_rebuild(kafscale_blob_slice(body), id->base_offset, &segment->index, error);

    if (status != KAFSCALE_OK) {
        return status;
    }
    segment->index.name = id->name;
    if (segment->index.topic_tag != ks_segment_topic_tag(&id->name.topic) &&
        (segment->index.topic_tag != KS_SEGMENT_TAG_NONE ||
         id->base_offset >= segment->imported_end)) {
        ks_index_deinit(&segment->index);
        return ks_error_set(error, KAFSCALE_CORRUPT, "a segment of another topic");
    }
    return KAFSCALE_OK;
}

/* What came damaged may have been damaged on the way; what is of somebody else, in a copy only. */
static bool
must_read_again(struct ks_segment *segment, enum kafscale_status status)
{
    bool is_strange_copy = status == KAFSCALE_EXISTS && segment->read.get.takes_copy;
    bool must =
        (status == KAFSCALE_CORRUPT || is_strange_copy) && ++segment->damaged_reads < READS_MAX;

    if (must) {
        ks_object_reads_distrust(segment->log);
    }
    if (!must) {
        segment->damaged_reads = 0;
    }
    return must;
}

static void
on_body(void *arg, enum kafscale_status status, struct kafscale_blob *body, uint64_t object_bytes,
        const struct kafscale_error *store_error)
{
    struct ks_segment *segment = arg;
    struct kafscale_error error = { 0 };

    (void) object_bytes;
    if (status != KAFSCALE_OK) {
        fail(segment, status, store_error);
        return;
    }
    status = take_rebuilt(segment, body, &error);
    if (must_read_again(segment, status)) {
        read_body(segment);
    } else if (status == KAFSCALE_OK) {
        segment->log->counters.indexes_rebuilt++;
        settle(segment, KAFSCALE_OK);
    } else {
        fail(segment, status, &error);
    }
}

static void
read_body(struct ks_segment *segment)
{
    name_body(segment);
    ks_object_read_start(&segment->read, segment->log, segment->key, 0, KS_SEGMENT_READ_BYTES_MAX,
                         on_body, segment);
}

static bool
is_of_partition(const struct ks_segment *segment)
{
    const struct ks_index *index = &segment->index;

    if (ks_is_planted(KS_PLANTED_READER_CHECKS_ID)) {
        return index->base_offset == segment->id.base_offset;
    }
    return ks_id_equals(&index->name.topic, &segment->id.name.topic) &&
           index->name.index == segment->id.name.index &&
           index->base_offset == segment->id.base_offset;
}

static enum kafscale_status
take_index(struct ks_segment *segment, struct kafscale_blob *body, struct kafscale_error *error)
{
    enum kafscale_status status =
        ks_index_decode(kafscale_blob_slice(body), &segment->index, error);

    if (status != KAFSCALE_OK) {
        return status;
    }
    if (!segment->index.is_ours) {
        ks_index_deinit(&segment->index);
        return ks_error_set(error, KAFSCALE_NOT_FOUND, "an index without our extension");
    }
    if (!is_of_partition(segment)) {
        ks_index_deinit(&segment->index);
        return ks_error_set(error, KAFSCALE_EXISTS, "an index of another topic or place");
    }
    return KAFSCALE_OK;
}

static void
on_index(void *arg, enum kafscale_status status, struct kafscale_blob *body, uint64_t object_bytes,
         const struct kafscale_error *store_error)
{
    struct ks_segment *segment = arg;
    struct kafscale_error error = { 0 };

    (void) object_bytes;
    if (status == KAFSCALE_OK) {
        status = take_index(segment, body, &error);
        store_error = &error;
    }
    if (must_read_again(segment, status)) {
        read_index(segment);
    } else if (status == KAFSCALE_OK) {
        settle(segment, status);
    } else if (status == KAFSCALE_NOT_FOUND || status == KAFSCALE_CORRUPT) {
        read_body(segment);
    } else if (status == KAFSCALE_EXISTS) {
        fail(segment, KAFSCALE_CORRUPT, store_error);
    } else {
        fail(segment, status, store_error);
    }
}

static void
read_index(struct ks_segment *segment)
{
    ks_object_read_start(&segment->read, segment->log, segment->key, 0, KS_INDEX_BYTES_MAX,
                         on_index, segment);
}

static struct ks_segment_id
make_id(const struct ks_partition_name *name, int64_t base_offset)
{
    return (struct ks_segment_id){ .base_offset = base_offset, .name = *name };
}

static struct ks_segment *
find(const struct ks_segments *segments, const struct ks_segment_id *id)
{
    struct ks_table_node *node = ks_table_find(&segments->table, ks_slice(id, sizeof *id));

    return node == NULL ? NULL : KS_CONTAINER(node, struct ks_segment, node);
}

/* Begins to read it; NULL without memory. */
static struct ks_segment *
begin(struct ks_log *log, const struct ks_segment_owner *owner, int64_t base_offset)
{
    struct ks_segment_home home = { .ns = log->ns,
                                    .prefix = owner->prefix,
                                    .partition = owner->name.index };
    char key[KS_SEGMENT_KEY_BYTES];
    struct ks_segment *segment;

    ks_segment_key(&home, base_offset, KS_SEGMENT_INDEX, key);
    segment = ks_alloc_zero(1, sizeof *segment + strlen(key) + 1);
    if (segment == NULL) {
        return NULL;
    }
    memcpy(segment->key, key, strlen(key) + 1);
    segment->suffix_at = strlen(key) - strlen(".index");
    segment->id = make_id(&owner->name, base_offset);
    segment->log = log;
    segment->imported_end = owner->imported_end;
    ks_list_init(&segment->waits);
    if (ks_table_insert(&log->segments.table, &segment->node,
                        ks_slice(&segment->id, sizeof segment->id)) != KAFSCALE_OK) {
        ks_free(segment);
        return NULL;
    }
    read_index(segment);
    return segment;
}

enum kafscale_status
ks_segment_get(struct ks_log *log, const struct ks_segment_owner *owner, int64_t base_offset,
               struct ks_segment_wait *wait, struct ks_segment **segment_out)
{
    struct ks_segment_id id = make_id(&owner->name, base_offset);
    struct ks_segment *segment = find(&log->segments, &id);

    *segment_out = NULL;
    if (segment == NULL) {
        segment = begin(log, owner, base_offset);
    }
    if (segment == NULL) {
        return KAFSCALE_NO_MEMORY;
    }
    if (!segment->is_read) {
        ks_list_append(&segment->waits, &wait->link);
        return KAFSCALE_OK;
    }
    ks_list_remove(&segment->by_use);
    ks_list_append(&log->segments.by_use, &segment->by_use);
    segment->users++;
    *segment_out = segment;
    return KAFSCALE_OK;
}

void
ks_segment_prepare(struct ks_log *log, const struct ks_segment_owner *owner, int64_t base_offset)
{
    struct ks_segment_id id = make_id(&owner->name, base_offset);

    if (find(&log->segments, &id) == NULL) {
        (void) begin(log, owner, base_offset);
    }
}

struct ks_segment *
ks_segment_at_hand(struct ks_log *log, const struct ks_partition_name *name, int64_t base_offset)
{
    struct ks_segment_id id = make_id(name, base_offset);
    struct ks_segment *segment = find(&log->segments, &id);

    return segment != NULL && segment->is_read ? segment : NULL;
}
