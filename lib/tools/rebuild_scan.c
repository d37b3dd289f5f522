/* SPDX-License-Identifier: Apache-2.0 */
/* Logs first, which name topics; then the indexes of all segments, which name theirs. */
#include "tools/rebuild.h"

#include "broker/formats.h"
#include "tools/segment_object.h"

#include <inttypes.h>

/* --- Topics and partitions --- */

static struct ks_found_topic *
topic_of(struct ks_found *found, const struct ks_id *id)
{
    struct ks_found_topic *topic;

    for (struct ks_list *node = found->topics.next; node != &found->topics; node = node->next) {
        topic = KS_CONTAINER(node, struct ks_found_topic, link);
        if (ks_id_equals(&topic->id, id)) {
            return topic;
        }
    }
    topic = ks_arena_alloc(&found->survey.arena, sizeof *topic);
    if (topic == NULL) {
        found->is_short = true;
        return NULL;
    }
    topic->id = *id;
    ks_list_append(&found->topics, &topic->link);
    return topic;
}

static struct ks_found_partition *
partition_of(struct ks_found *found, const struct ks_partition_name *name)
{
    struct ks_table_node *node =
        ks_table_find(&found->partitions_by_name, ks_slice(name, sizeof *name));
    struct ks_found_partition *partition;
    struct ks_found_topic *topic;

    if (node != NULL) {
        return KS_CONTAINER(node, struct ks_found_partition, node);
    }
    topic = topic_of(found, &name->topic);
    partition = ks_arena_alloc(&found->survey.arena, sizeof *partition);
    if (topic == NULL || partition == NULL) {
        found->is_short = true;
        return NULL;
    }
    partition->name = *name;
    partition->segment_base = -1;
    if (ks_table_insert(&found->partitions_by_name, &partition->node,
                        ks_slice(&partition->name, sizeof partition->name)) != KAFSCALE_OK) {
        found->is_short = true;
        return NULL;
    }
    ks_list_append(&found->partitions, &partition->link);
    if (name->index >= topic->partition_count) {
        topic->partition_count = name->index + 1;
    }
    return partition;
}

static void
name_topic(struct ks_found *found, const struct ks_survey_batch *batch)
{
    struct ks_found_topic *topic = topic_of(found, &batch->name.topic);

    if (topic == NULL) {
        return;
    }
    if (topic->name == NULL && batch->topic_name.size > 0) {
        topic->name = ks_arena_copy_text(&found->survey.arena, batch->topic_name.data,
                                         batch->topic_name.size);
        found->is_short |= topic->name == NULL;
    }
    if (batch->created_ms > topic->newest_ms) {
        topic->newest_ms = batch->created_ms;
    }
}

/* --- Logs --- */

/* Batches of one owner follow one another, so the part they belong to is the last mostly. */
static struct ks_found_part *
part_of(struct ks_found *found, struct ks_found_partition *partition,
        const struct ks_survey_batch *batch)
{
    struct ks_found_part *part;

    for (size_t i = partition->part_count; i > 0; i--) {
        part = &partition->parts[i - 1];
        if (part->epoch == batch->leader_epoch &&
            ks_id_equals(&part->incarnation, &batch->incarnation)) {
            return part;
        }
    }
    part = ks_survey_add(&found->survey, &partition->parts, &partition->part_count,
                         &partition->part_capacity, sizeof *part);
    if (part != NULL) {
        *part = (struct ks_found_part){ .epoch = batch->leader_epoch,
                                        .incarnation = batch->incarnation,
                                        .base_offset = batch->entry.base_offset,
                                        .end_offset = batch->entry.base_offset };
    }
    return part;
}

static void
on_batch(void *arg, const struct ks_survey_batch *batch)
{
    struct ks_found *found = arg;
    struct ks_found_partition *partition = partition_of(found, &batch->name);
    struct ks_found_part *part = partition == NULL ? NULL : part_of(found, partition, batch);

    if (part == NULL) {
        return;
    }
    name_topic(found, batch);
    if (batch->entry.base_offset < part->base_offset) {
        part->base_offset = batch->entry.base_offset;
    }
    if (batch->entry.last_offset >= part->end_offset) {
        part->end_offset = batch->entry.last_offset + 1;
    }
    if (batch->leader_epoch > partition->epoch_max) {
        partition->epoch_max = batch->leader_epoch;
    }
    if (batch->entry.producer_id > found->producer_id_max) {
        found->producer_id_max = batch->entry.producer_id;
    }
}

/* --- Segments --- */

static void
take_producers(struct ks_found *found, const struct ks_index *index)
{
    struct ks_producer_snapshot snapshot;
    struct ks_producer_table producers;
    struct kafscale_error error = { 0 };
    struct ks_table_node *node;

    if (index->producers.size == 0) {
        return;
    }
    ks_producer_table_init(&producers, 0, UINT32_MAX, INT64_MAX);
    found->is_short |= ks_producer_snapshot_decode(ks_buffer_slice(&index->producers), &producers,
                                                   &snapshot, &error) == KAFSCALE_NO_MEMORY;
    for (node = ks_table_next(&producers.table, NULL); node != NULL;
         node = ks_table_next(&producers.table, node)) {
        const struct ks_producer *producer = KS_CONTAINER(node, struct ks_producer, node);

        if (producer->id > found->producer_id_max) {
            found->producer_id_max = producer->id;
        }
    }
    ks_producer_table_deinit(&producers);
}

static void
take_index(struct ks_found *found, const struct ks_survey_partition *place,
           const struct ks_index *index)
{
    struct ks_found_partition *partition = partition_of(found, &index->name);
    struct ks_found_topic *topic = topic_of(found, &index->name.topic);

    if (partition == NULL || topic == NULL) {
        return;
    }
    if (topic->prefix == NULL) {
        topic->prefix = place->prefix;
    }
    if (index->created_ms > topic->newest_ms) {
        topic->newest_ms = index->created_ms;
    }
    topic->segment_count++;
    partition->segment_count++;
    if (!partition->has_segments) {
        partition->has_segments = true;
        partition->log_start = index->base_offset;
        partition->segments_end = index->base_offset;
    }
    if (index->base_offset <= partition->segments_end &&
        index->last_offset >= partition->segments_end) {
        partition->segments_end = index->last_offset + 1;
        partition->segment_base = index->base_offset;
    }
    for (size_t i = 0; i < index->epoch_count; i++) {
        if (index->epochs[i].epoch > partition->epoch_max) {
            partition->epoch_max = index->epochs[i].epoch;
        }
    }
    take_producers(found, index);
}

/* Only whole segments of ours; those of another KafScale are for an import afterwards. */
static enum kafscale_status
read_segments(struct ks_found *found, const struct ks_survey_partition *place,
              struct kafscale_error *error)
{
    struct ks_segment_home home = { .ns = found->survey.session->ns,
                                    .prefix = place->prefix,
                                    .partition = place->name.index };
    enum kafscale_status status = KAFSCALE_OK;

    for (size_t i = 0; i < place->segment_count && status == KAFSCALE_OK; i++) {
        const struct ks_survey_segment *segment = &place->segments[i];
        struct ks_index index;

        if (!segment->has_index || !segment->has_body) {
            continue;
        }
        status = ks_segment_object_index(found->survey.session, &home, segment->base_offset, &index,
                                         error);
        if (status == KAFSCALE_OK) {
            if (index.is_ours && index.has_partition) {
                take_index(found, place, &index);
            }
            ks_index_deinit(&index);
        }
    }
    return status;
}

/* --- The whole --- */

enum kafscale_status
ks_found_scan(struct ks_found *found, struct ks_session *session, struct kafscale_error *error)
{
    enum kafscale_status status;

    *found = (struct ks_found){ .producer_id_max = -1 };
    ks_survey_init(&found->survey, session);
    ks_table_init(&found->partitions_by_name, ks_env_random_u64(session->env));
    ks_list_init(&found->partitions);
    ks_list_init(&found->topics);
    found->survey.on_batch = on_batch;
    found->survey.on_batch_arg = found;
    status = ks_survey_list_objects(&found->survey, error);
    if (status == KAFSCALE_OK) {
        status = ks_survey_read_logs(&found->survey, error);
    }
    for (struct ks_list *node = found->survey.partitions.next;
         status == KAFSCALE_OK && node != &found->survey.partitions; node = node->next) {
        status = read_segments(found, KS_CONTAINER(node, struct ks_survey_partition, link), error);
    }
    if (status == KAFSCALE_OK && (found->is_short || found->survey.is_short)) {
        status = ks_error_set(error, KAFSCALE_NO_MEMORY, "not enough memory to rebuild");
    }
    return status;
}

void
ks_found_deinit(struct ks_found *found)
{
    ks_table_deinit(&found->partitions_by_name);
    ks_survey_deinit(&found->survey);
}
