/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The segments of the namespace are listed and sorted by topic and partition. Each topic is then
 * read: where its segments end, and which have no index. One transaction makes it known: topic,
 * name, and a register for each partition whose `imported_end` and `compacted_upto` stand above
 * everything that lies under its prefix, so that nothing of ours ever gets a key that is taken.
 */
#include "tools/import.h"

#include "tools/new_topic.h"
#include "tools/segment_object.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define PARTITIONS_MAX 100000

struct found_segment {
    int64_t base_offset;
    bool has_index;
    bool has_body;
};

struct found_partition {
    struct ks_list link;
    int32_t index;
    struct found_segment *segments; /* ascending */
    size_t segment_count;
    size_t segment_capacity;
    int64_t log_start;
    int64_t end_offset;
    int64_t last_base;
    uint64_t indexes_written;
};

struct found_topic {
    struct ks_list link;
    char *name;
    struct ks_list partitions; /* in the order of keys */
    int32_t partition_count;   /* the greatest index and one */
    size_t found_count;        /* of partitions with objects */
};

struct import {
    struct ks_session *session;
    const char *wanted; /* NULL: all */
    bool is_dry_run;
    kafscale_tools_imported *imported;
    void *arg;
    struct ks_arena arena;
    struct ks_list topics;
};

/* --- What there is --- */

/* "{topic}/{partition}/segment-..." after the namespace; false for any other key. */
static bool
parse_home(const char *rest, size_t *name_bytes_out, int32_t *partition_out)
{
    const char *slash = strchr(rest, '/');
    char *end;
    long partition;

    if (slash == NULL || slash[1] < '0' || slash[1] > '9' ||
        !ks_topic_name_is_legal(ks_slice(rest, (size_t) (slash - rest)))) {
        return false;
    }
    partition = strtol(slash + 1, &end, 10);
    if (strncmp(end, "/segment-", 9) != 0 || partition >= PARTITIONS_MAX ||
        (slash[1] == '0' && end != slash + 2)) {
        return false;
    }
    *name_bytes_out = (size_t) (slash - rest);
    *partition_out = (int32_t) partition;
    return true;
}

static struct found_topic *
topic_of(struct import *import, const char *name, size_t name_bytes)
{
    struct ks_list *last = import->topics.previous;
    struct found_topic *topic = KS_CONTAINER(last, struct found_topic, link);

    if (last != &import->topics && strlen(topic->name) == name_bytes &&
        strncmp(topic->name, name, name_bytes) == 0) {
        return topic;
    }
    topic = ks_arena_alloc(&import->arena, sizeof *topic);
    if (topic != NULL) {
        topic->name = ks_arena_copy_text(&import->arena, name, name_bytes);
        ks_list_init(&topic->partitions);
        ks_list_append(&import->topics, &topic->link);
    }
    return topic;
}

static struct found_partition *
partition_of(struct import *import, struct found_topic *topic, int32_t index)
{
    struct ks_list *last = topic->partitions.previous;
    struct found_partition *partition = KS_CONTAINER(last, struct found_partition, link);

    if (last != &topic->partitions && partition->index == index) {
        return partition;
    }
    partition = ks_arena_alloc(&import->arena, sizeof *partition);
    if (partition != NULL) {
        partition->index = index;
        partition->last_base = -1;
        ks_list_append(&topic->partitions, &partition->link);
        topic->found_count++;
        if (index >= topic->partition_count) {
            topic->partition_count = index + 1;
        }
    }
    return partition;
}

static struct found_segment *
segment_of(struct import *import, struct found_partition *partition, int64_t base_offset)
{
    size_t count = partition->segment_count;

    if (count > 0 && partition->segments[count - 1].base_offset == base_offset) {
        return &partition->segments[count - 1];
    }
    if (!KS_ARENA_RESERVE(&import->arena, partition->segments, partition->segment_capacity,
                          count + 1)) {
        return NULL;
    }
    partition->segments[count].base_offset = base_offset;
    partition->segment_count++;
    return &partition->segments[count];
}

static bool
on_listed(void *arg, const struct kafscale_list_entry *entry)
{
    struct import *import = arg;
    const char *rest = entry->key + strlen(import->session->ns) + 1;
    struct found_partition *partition = NULL;
    struct found_segment *segment = NULL;
    struct found_topic *topic;
    size_t name_bytes;
    int64_t base_offset;
    int32_t index;
    bool is_index = ks_segment_parse_key(entry->key, KS_SEGMENT_INDEX, &base_offset);

    if ((!is_index && !ks_segment_parse_key(entry->key, KS_SEGMENT_BODY, &base_offset)) ||
        !parse_home(rest, &name_bytes, &index)) {
        return true;
    }
    topic = topic_of(import, rest, name_bytes);
    if (topic != NULL) {
        partition = partition_of(import, topic, index);
    }
    if (partition != NULL) {
        segment = segment_of(import, partition, base_offset);
    }
    if (segment != NULL) {
        segment->has_index |= is_index;
        segment->has_body |= !is_index;
    }
    return !ks_arena_failed(&import->arena);
}

static enum kafscale_status
find_topics(struct import *import, struct kafscale_error *error)
{
    char prefix[KAFSCALE_STORE_KEY_BYTES_MAX + 1];
    enum kafscale_status status;

    snprintf(prefix, sizeof prefix, "%s/%s%s", import->session->ns,
             import->wanted == NULL ? "" : import->wanted, import->wanted == NULL ? "" : "/");
    status = ks_session_list(import->session, prefix, NULL, on_listed, import, error);
    if (status == KAFSCALE_OK && ks_arena_failed(&import->arena)) {
        status = ks_error_set(error, KAFSCALE_NO_MEMORY, "not enough memory to import");
    }
    return status;
}

/* --- One partition --- */

/* Writes the index of a segment that has none as KafScale would have, without our extension. */
static enum kafscale_status
write_index(struct import *import, const struct ks_segment_home *home,
            struct found_partition *partition, struct ks_index *index, struct kafscale_error *error)
{
    char key[KS_SEGMENT_KEY_BYTES];
    struct ks_buffer bytes;
    enum kafscale_status status = KAFSCALE_OK;

    partition->indexes_written++;
    if (import->is_dry_run) {
        return KAFSCALE_OK;
    }
    ks_buffer_init(&bytes, KS_INDEX_BYTES_MAX);
    index->is_ours = false;
    ks_index_encode(index, &bytes);
    ks_segment_key(home, index->base_offset, KS_SEGMENT_INDEX, key);
    status = ks_buffer_failed(&bytes)
                 ? ks_error_set(error, KAFSCALE_NO_MEMORY, "'%s': no memory", key)
                 : ks_session_create(import->session, key, ks_buffer_slice(&bytes), error);
    ks_buffer_deinit(&bytes);
    return status == KAFSCALE_EXISTS ? KAFSCALE_OK : status;
}

/* All of a segment is read: it is the only time that anybody asks whether it is whole. */
static enum kafscale_status
read_segment(struct import *import, const struct ks_segment_home *home,
             struct found_partition *partition, const struct found_segment *segment,
             struct kafscale_error *error)
{
    struct ks_index index;
    enum kafscale_status status =
        ks_segment_object_read(import->session, home, segment->base_offset, NULL, &index, error);

    if (status != KAFSCALE_OK) {
        return status;
    }
    if (!segment->has_index) {
        status = write_index(import, home, partition, &index, error);
    }
    if (partition->last_base < 0) {
        partition->log_start = segment->base_offset;
    }
    partition->last_base = segment->base_offset;
    if (index.last_offset >= partition->end_offset) {
        partition->end_offset = index.last_offset + 1;
    }
    ks_index_deinit(&index);
    return status;
}

static enum kafscale_status
read_partition(struct import *import, const struct found_topic *topic,
               struct found_partition *partition, struct kafscale_error *error)
{
    struct ks_segment_home home = { .ns = import->session->ns,
                                    .prefix = topic->name,
                                    .partition = partition->index };

    for (size_t i = 0; i < partition->segment_count; i++) {
        const struct found_segment *segment = &partition->segments[i];
        enum kafscale_status status = KAFSCALE_OK;

        if (segment->has_body) {
            status = read_segment(import, &home, partition, segment, error);
        }
        if (status != KAFSCALE_OK) {
            return status;
        }
        if (segment->base_offset >= partition->end_offset) {
            partition->end_offset = segment->base_offset + 1;
        }
    }
    if (partition->last_base < 0) {
        partition->log_start = partition->end_offset;
    }
    return KAFSCALE_OK;
}

/* --- One topic --- */

static enum kafscale_status
register_topic(struct import *import, const struct found_topic *topic, struct kafscale_error *error)
{
    struct ks_topic_record record = { .partition_count = topic->partition_count };
    struct ks_new_partition *partitions =
        ks_arena_alloc_array(&import->arena, topic->found_count, sizeof *partitions);
    size_t count = 0;

    if (partitions == NULL) {
        return ks_error_set(error, KAFSCALE_NO_MEMORY, "not enough memory to import");
    }
    ks_env_random(import->session->env, record.id.bytes, sizeof record.id.bytes);
    snprintf(record.name, sizeof record.name, "%s", topic->name);
    for (const struct ks_list *node = topic->partitions.next; node != &topic->partitions;
         node = node->next) {
        const struct found_partition *partition = KS_CONTAINER(node, struct found_partition, link);

        partitions[count++] = (struct ks_new_partition){
            .index = partition->index,
            .reg = { .log_start = partition->log_start,
                     .compacted_upto = partition->end_offset,
                     .imported_end = partition->end_offset,
                     .segment_base = partition->last_base },
        };
    }
    return ks_tools_make_known(import->session, &record, partitions, count, error);
}

static void
tell(const struct import *import, const struct found_topic *topic)
{
    for (const struct ks_list *node = topic->partitions.next; node != &topic->partitions;
         node = node->next) {
        const struct found_partition *partition = KS_CONTAINER(node, struct found_partition, link);
        struct kafscale_imported imported = { .topic = topic->name,
                                              .partition = partition->index,
                                              .segments = partition->segment_count,
                                              .indexes_written = partition->indexes_written,
                                              .log_start = partition->log_start,
                                              .end_offset = partition->end_offset };

        import->imported(import->arg, &imported);
    }
}

static enum kafscale_status
import_topic(struct import *import, struct found_topic *topic, struct kafscale_error *error)
{
    enum kafscale_status status = KAFSCALE_OK;

    for (struct ks_list *node = topic->partitions.next;
         status == KAFSCALE_OK && node != &topic->partitions; node = node->next) {
        status =
            read_partition(import, topic, KS_CONTAINER(node, struct found_partition, link), error);
    }
    if (status == KAFSCALE_OK && !import->is_dry_run) {
        status = register_topic(import, topic, error);
    }
    if (status == KAFSCALE_OK) {
        tell(import, topic);
    } else {
        ks_error_wrap(error, "topic '%s'", topic->name);
    }
    return status;
}

static enum kafscale_status
import_topics(struct import *import, struct kafscale_error *error)
{
    enum kafscale_status status = KAFSCALE_OK;

    if (import->wanted != NULL && ks_list_is_empty(&import->topics)) {
        return ks_error_set(error, KAFSCALE_NOT_FOUND, "there are no segments of topic '%s'",
                            import->wanted);
    }
    for (struct ks_list *node = import->topics.next;
         status == KAFSCALE_OK && node != &import->topics; node = node->next) {
        struct found_topic *topic = KS_CONTAINER(node, struct found_topic, link);
        bool has_name = false;

        status = ks_tools_is_known(import->session, topic->name, &has_name, error);
        if (status == KAFSCALE_OK && !has_name) {
            status = import_topic(import, topic, error);
        } else if (status == KAFSCALE_OK && import->wanted != NULL) {
            status =
                ks_error_set(error, KAFSCALE_EXISTS, "topic '%s' is known already", topic->name);
        }
    }
    return status;
}

enum kafscale_status
ks_tools_import(struct ks_session *session, const char *topic, bool is_dry_run,
                kafscale_tools_imported *imported, void *arg, struct kafscale_error *error)
{
    struct import import = { .session = session,
                             .wanted = topic,
                             .is_dry_run = is_dry_run,
                             .imported = imported,
                             .arg = arg };
    enum kafscale_status status = KAFSCALE_OK;

    if (topic != NULL && !ks_topic_name_is_legal(ks_slice_of_text(topic))) {
        return ks_error_set(error, KAFSCALE_INVALID, "'%.100s' is no name of a topic", topic);
    }
    ks_arena_init(&import.arena, SIZE_MAX);
    ks_list_init(&import.topics);
    if (!is_dry_run) {
        status = ks_session_identify(session, NULL, error);
    }
    if (status == KAFSCALE_OK) {
        status = find_topics(&import, error);
    }
    if (status == KAFSCALE_OK) {
        status = import_topics(&import, error);
    }
    ks_arena_deinit(&import.arena);
    return status;
}
