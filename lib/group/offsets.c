/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A topic's offsets lie in one array: an ordinary group commits all partitions of few topics, again
 * and again. The array grows by a quarter, not twofold, since there may be a million of them.
 */
#include "group/offsets.h"

#include <assert.h>

void
ks_offsets_init(struct ks_offsets *offsets, uint64_t seed)
{
    *offsets = (struct ks_offsets){ 0 };
    ks_table_init(&offsets->by_topic, seed);
    ks_list_init(&offsets->topics);
}

void
ks_offsets_deinit(struct ks_offsets *offsets)
{
    while (!ks_list_is_empty(&offsets->topics)) {
        ks_offsets_remove_topic(offsets,
                                KS_CONTAINER(offsets->topics.next, struct ks_offsets_topic, link));
    }
    ks_table_deinit(&offsets->by_topic);
}

/* --- Metadata --------------------------------------------------------------------------------- */

static size_t
text_bytes(const struct ks_committed_text *text)
{
    return text == NULL ? 0 : sizeof *text + text->size;
}

/* False without memory. */
static bool
copy_text(struct kafscale_slice bytes, struct ks_committed_text **text_out)
{
    struct ks_committed_text *text = NULL;

    assert(bytes.size <= KS_GROUP_TEXT_BYTES_MAX);

    if (bytes.size > 0) {
        text = ks_alloc(sizeof *text + bytes.size);
        if (text == NULL) {
            return false;
        }
        text->size = (uint16_t) bytes.size;
        memcpy(text->bytes, bytes.data, bytes.size);
    }
    *text_out = text;
    return true;
}

struct kafscale_slice
ks_committed_metadata(const struct ks_committed *committed)
{
    const struct ks_committed_text *text = committed->metadata;

    return text == NULL ? ks_slice("", 0) : ks_slice(text->bytes, text->size);
}

static void
set_metadata(struct ks_offsets *offsets, struct ks_committed *committed,
             struct ks_committed_text *text)
{
    offsets->bytes += text_bytes(text) - text_bytes(committed->metadata);
    ks_free(committed->metadata);
    committed->metadata = text;
}

/* --- Topics ----------------------------------------------------------------------------------- */

static size_t
topic_bytes(const struct ks_offsets_topic *topic)
{
    return sizeof *topic + topic->name_bytes +
           topic->partition_capacity * sizeof *topic->partitions;
}

struct ks_offsets_topic *
ks_offsets_find_topic(const struct ks_offsets *offsets, struct kafscale_slice topic)
{
    struct ks_table_node *node = ks_table_find(&offsets->by_topic, topic);

    return node == NULL ? NULL : KS_CONTAINER(node, struct ks_offsets_topic, node);
}

struct kafscale_slice
ks_offsets_topic_name(const struct ks_offsets_topic *topic)
{
    return ks_slice(topic->name, topic->name_bytes);
}

static void
topic_free(struct ks_offsets_topic *topic)
{
    if (topic != NULL) {
        ks_free(topic->partitions);
        ks_free(topic);
    }
}

/* With room for one partition, but without any. NULL without memory. */
static struct ks_offsets_topic *
topic_new(struct kafscale_slice name)
{
    struct ks_offsets_topic *topic = ks_alloc(sizeof *topic + name.size);

    if (topic == NULL) {
        return NULL;
    }
    *topic = (struct ks_offsets_topic){ .partitions = ks_alloc(sizeof *topic->partitions),
                                        .partition_capacity = 1,
                                        .name_bytes = name.size };
    if (name.size > 0) {
        memcpy(topic->name, name.data, name.size);
    }
    if (topic->partitions == NULL) {
        topic_free(topic);
        return NULL;
    }
    return topic;
}

static struct ks_offsets_topic *
add_topic(struct ks_offsets *offsets, struct kafscale_slice name)
{
    struct ks_offsets_topic *topic = topic_new(name);

    if (topic == NULL || ks_table_insert(&offsets->by_topic, &topic->node,
                                         ks_offsets_topic_name(topic)) != KAFSCALE_OK) {
        topic_free(topic);
        return NULL;
    }
    ks_list_append(&offsets->topics, &topic->link);
    offsets->bytes += topic_bytes(topic);
    return topic;
}

static void
remove_partitions(struct ks_offsets *offsets, struct ks_offsets_topic *topic)
{
    for (size_t i = 0; i < topic->partition_count; i++) {
        set_metadata(offsets, &topic->partitions[i], NULL);
    }
    offsets->count -= topic->partition_count;
    topic->partition_count = 0;
}

void
ks_offsets_remove_topic(struct ks_offsets *offsets, struct ks_offsets_topic *topic)
{
    remove_partitions(offsets, topic);
    offsets->bytes -= topic_bytes(topic);
    ks_table_remove(&offsets->by_topic, &topic->node);
    ks_list_remove(&topic->link);
    topic_free(topic);
}

/* --- Partitions ------------------------------------------------------------------------------- */

/* Where it is, or would be put in. */
static size_t
place_of(const struct ks_offsets_topic *topic, int32_t partition)
{
    size_t low = 0;
    size_t high = topic->partition_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (topic->partitions[middle].partition < partition) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

struct ks_committed *
ks_offsets_find(const struct ks_offsets_topic *topic, int32_t partition)
{
    size_t place = place_of(topic, partition);

    if (place == topic->partition_count || topic->partitions[place].partition != partition) {
        return NULL;
    }
    return &topic->partitions[place];
}

static bool
reserve_partition(struct ks_offsets *offsets, struct ks_offsets_topic *topic)
{
    size_t capacity = topic->partition_capacity;
    struct ks_committed *partitions;

    if (topic->partition_count < capacity) {
        return true;
    }
    capacity += capacity / 4 + 1;
    partitions = ks_realloc(topic->partitions, capacity * sizeof *partitions);
    if (partitions == NULL) {
        return false;
    }
    offsets->bytes += (capacity - topic->partition_capacity) * sizeof *partitions;
    topic->partitions = partitions;
    topic->partition_capacity = capacity;
    return true;
}

static bool
is_of_another_life(const struct ks_offsets_topic *topic, const struct ks_id *id)
{
    return !ks_id_is_zero(&topic->id) && !ks_id_is_zero(id) && !ks_id_equals(&topic->id, id);
}

/* Makes room for an offset, which is in already or takes the place of all. False without memory. */
static bool
reserve_committed(struct ks_offsets *offsets, struct ks_offsets_topic *topic, int32_t partition,
                  const struct ks_id *id)
{
    return is_of_another_life(topic, id) || ks_offsets_find(topic, partition) != NULL ||
           reserve_partition(offsets, topic);
}

/* The one with this number; if there is none, it is put in, for which there is room. */
static struct ks_committed *
get_partition(struct ks_offsets *offsets, struct ks_offsets_topic *topic, int32_t partition)
{
    size_t place = place_of(topic, partition);
    struct ks_committed *committed = &topic->partitions[place];

    if (place < topic->partition_count && committed->partition == partition) {
        return committed;
    }
    assert(topic->partition_count < topic->partition_capacity);

    memmove(committed + 1, committed, (topic->partition_count - place) * sizeof *committed);
    *committed = (struct ks_committed){ .partition = partition };
    topic->partition_count++;
    offsets->count++;
    return committed;
}

/* Takes the metadata. */
static void
set_committed(struct ks_offsets *offsets, struct ks_offsets_topic *topic, int32_t partition,
              const struct ks_offset_value *value, struct ks_committed_text *metadata)
{
    struct ks_committed *committed;

    if (is_of_another_life(topic, &value->topic_id)) {
        remove_partitions(offsets, topic);
    }
    if (!ks_id_is_zero(&value->topic_id)) {
        topic->id = value->topic_id;
    }
    committed = get_partition(offsets, topic, partition);
    set_metadata(offsets, committed, metadata);
    committed->leader_epoch = value->leader_epoch;
    committed->offset = value->offset;
    committed->committed_ms = value->committed_ms;
    committed->expires_ms = value->expires_ms;
}

enum kafscale_status
ks_offsets_set(struct ks_offsets *offsets, struct kafscale_slice topic, int32_t partition,
               const struct ks_offset_value *value)
{
    struct ks_offsets_topic *found = ks_offsets_find_topic(offsets, topic);
    struct ks_committed_text *metadata;

    if (!copy_text(value->metadata, &metadata)) {
        return KAFSCALE_NO_MEMORY;
    }
    if (found == NULL) {
        found = add_topic(offsets, topic);
    }
    if (found == NULL || !reserve_committed(offsets, found, partition, &value->topic_id)) {
        ks_free(metadata);
        return KAFSCALE_NO_MEMORY;
    }
    set_committed(offsets, found, partition, value, metadata);
    return KAFSCALE_OK;
}

void
ks_committed_value(const struct ks_offsets_topic *topic, const struct ks_committed *committed,
                   struct ks_offset_value *out)
{
    *out = (struct ks_offset_value){ .offset = committed->offset,
                                     .leader_epoch = committed->leader_epoch,
                                     .metadata = ks_committed_metadata(committed),
                                     .committed_ms = committed->committed_ms,
                                     .expires_ms = committed->expires_ms,
                                     .topic_id = topic->id };
}

void
ks_offsets_remove(struct ks_offsets *offsets, struct kafscale_slice topic, int32_t partition)
{
    struct ks_offsets_topic *found = ks_offsets_find_topic(offsets, topic);
    struct ks_committed *committed = found == NULL ? NULL : ks_offsets_find(found, partition);
    struct ks_committed *end;

    if (committed == NULL) {
        return;
    }
    if (found->partition_count == 1) {
        ks_offsets_remove_topic(offsets, found);
        return;
    }
    end = found->partitions + found->partition_count;
    set_metadata(offsets, committed, NULL);
    memmove(committed, committed + 1, (size_t) (end - committed - 1) * sizeof *committed);
    found->partition_count--;
    offsets->count--;
}
