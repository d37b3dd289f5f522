/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A survey finds the topic's batches; each partition is copied up to the first record that is too
 * late; then the new topic becomes known with all its partitions at once. Until then nobody sees
 * what was copied, and nothing is taken back when it fails: a prefix that isn't empty is never used
 * by a topic again.
 */
#include "tools/restore.h"

#include "tools/new_topic.h"
#include "tools/restore_read.h"
#include "tools/restore_write.h"

#include <stdio.h>

#define BATCH_BYTES_MAX (1u << 30)

struct restoring {
    struct ks_survey survey;
    struct ks_session *target;
    const struct kafscale_restore *restore;
    struct ks_topic_record source; /* what the topic is */
    struct ks_topic_record record; /* of the new one */
    char prefix[KS_TOPIC_PREFIX_BYTES];
    struct ks_id cluster;
    struct ks_new_partition *partitions;
    size_t partition_count;
};

/* One partition on its way. */
struct copying {
    struct ks_segment_writer writer;
    int64_t to_ms;
};

/* --- Batches --- */

/* The records before the first one that is too late, as a batch of their own. */
static enum kafscale_status
cut(const struct ks_batch *batch, int64_t to_ms, struct ks_buffer *out,
    struct kafscale_error *error)
{
    struct ks_batch_options options = {
        .codec = ks_batch_codec(batch),
        .attributes = (int16_t) (batch->attributes & ~KS_BATCH_CODEC_MASK),
        .base_offset = batch->base_offset,
        .leader_epoch = batch->leader_epoch,
        .producer_id = batch->producer_id,
        .producer_epoch = batch->producer_epoch,
        .base_sequence = batch->base_sequence,
    };
    int64_t next_offset = batch->base_offset;
    struct ks_batch_builder builder;
    struct ks_records records;
    struct ks_record record;
    enum kafscale_status status = ks_records_init(&records, batch, BATCH_BYTES_MAX, error);

    if (status != KAFSCALE_OK) {
        return status;
    }
    ks_batch_builder_init(&builder, &options);
    while ((status = ks_records_next(&records, &record, error)) == KAFSCALE_OK &&
           record.timestamp <= to_ms) {
        ks_batch_builder_skip(&builder, (int32_t) (record.offset - next_offset));
        ks_batch_builder_append(&builder, &record);
        next_offset = record.offset + 1;
    }
    if (status == KAFSCALE_OK || status == KAFSCALE_NOT_FOUND) {
        status = next_offset == batch->base_offset ? KAFSCALE_OK
                                                   : ks_batch_builder_finish(&builder, out, error);
    }
    ks_batch_builder_deinit(&builder);
    ks_records_deinit(&records);
    return status;
}

static enum kafscale_status
add_part(struct copying *copying, const struct ks_batch *batch, struct kafscale_error *error)
{
    struct ks_buffer bytes;
    struct ks_batch before;
    enum kafscale_status status;

    ks_buffer_init(&bytes, BATCH_BYTES_MAX);
    status = cut(batch, copying->to_ms, &bytes, error);
    if (status == KAFSCALE_OK && bytes.size > 0) {
        status = ks_batch_parse(ks_buffer_slice(&bytes), &before, error);
        if (status == KAFSCALE_OK) {
            status = ks_segment_writer_add(&copying->writer, &before, error);
        }
    }
    ks_buffer_deinit(&bytes);
    return status;
}

static enum kafscale_status
take_batch(void *arg, const struct ks_batch *batch, bool *is_enough_out,
           struct kafscale_error *error)
{
    struct copying *copying = arg;

    if (batch->max_timestamp <= copying->to_ms) {
        return ks_segment_writer_add(&copying->writer, batch, error);
    }
    *is_enough_out = true;
    return add_part(copying, batch, error);
}

/* --- Partitions --- */

static bool
is_wanted(const struct kafscale_restore *restore, int32_t index)
{
    for (size_t i = 0; i < restore->partition_count; i++) {
        if (restore->partitions[i] == index) {
            return true;
        }
    }
    return restore->partition_count == 0;
}

static enum kafscale_status
copy_partition(struct restoring *restoring, struct ks_survey_partition *partition,
               kafscale_tools_restored *restored, void *arg, struct kafscale_error *error)
{
    struct ks_partition_name name = { .topic = restoring->record.id,
                                      .index = partition->name.index };
    struct copying copying = { .to_ms = restoring->restore->to_ms };
    struct ks_segment_writer *writer = &copying.writer;
    enum kafscale_status status;

    ks_segment_writer_init(writer, restoring->target, restoring->prefix, &name, &restoring->cluster,
                           partition->reg.log_start);
    status = ks_tools_read_partition(&restoring->survey, partition, take_batch, &copying, error);
    if (status == KAFSCALE_OK) {
        status = ks_segment_writer_finish(writer, error);
    }
    if (status == KAFSCALE_OK) {
        struct kafscale_restored told = { .partition = name.index,
                                          .segments = writer->segments,
                                          .records = writer->records,
                                          .log_start = writer->log_start,
                                          .end_offset = writer->end_offset };

        /* Epochs go on above those that stand in the batches. */
        restoring->partitions[restoring->partition_count++] = (struct ks_new_partition){
            .index = name.index,
            .reg = { .epoch = partition->reg.epoch,
                     .log_start = writer->log_start,
                     .compacted_upto = writer->end_offset,
                     .segment_base = writer->last_base },
        };
        restored(arg, &told);
    } else {
        ks_error_wrap(error, "partition %d", (int) name.index);
    }
    ks_segment_writer_deinit(writer);
    return status;
}

static enum kafscale_status
copy_partitions(struct restoring *restoring, kafscale_tools_restored *restored, void *arg,
                struct kafscale_error *error)
{
    int32_t count = restoring->source.partition_count;
    enum kafscale_status status = KAFSCALE_OK;

    restoring->partitions = ks_arena_alloc_array(&restoring->survey.arena, (size_t) count,
                                                 sizeof *restoring->partitions);
    if (restoring->partitions == NULL) {
        return ks_error_set(error, KAFSCALE_NO_MEMORY, "not enough memory to restore");
    }
    for (int32_t i = 0; i < count && status == KAFSCALE_OK; i++) {
        struct ks_partition_name name = { .topic = restoring->source.id, .index = i };
        struct ks_survey_partition *partition = ks_survey_partition(&restoring->survey, &name);

        if (partition != NULL && is_wanted(restoring->restore, i)) {
            status = copy_partition(restoring, partition, restored, arg, error);
        }
    }
    return status;
}

/* --- Topics --- */

static enum kafscale_status
find_source(struct restoring *restoring, struct kafscale_error *error)
{
    const struct ks_session_entries *entries = &restoring->survey.registers;
    struct ks_name_record name = { 0 };
    const struct kafscale_meta_entry *entry;
    char name_key[KS_NAME_KEY_BYTES];
    char topic_key[KS_TOPIC_KEY_BYTES];

    ks_name_record_key(restoring->restore->topic, name_key);
    entry = ks_find_entry(entries->entries, entries->count, name_key);
    if (entry == NULL || ks_name_record_decode(entry->value, &name, error) != KAFSCALE_OK ||
        !name.is_alive) {
        return ks_error_set(error, KAFSCALE_NOT_FOUND, "there is no topic '%s'",
                            restoring->restore->topic);
    }
    ks_topic_record_key(&name.id, topic_key);
    entry = ks_find_entry(entries->entries, entries->count, topic_key);
    if (entry == NULL) {
        return ks_error_set(error, KAFSCALE_NOT_FOUND, "there is no topic '%s'",
                            restoring->restore->topic);
    }
    restoring->source.id = name.id;
    return ks_topic_record_decode(entry->value, &restoring->source, error);
}

static bool
on_listed(void *arg, const struct kafscale_list_entry *entry)
{
    (void) entry;
    *(bool *) arg = true;
    return false;
}

/* The new topic: the configuration of the old one, and a prefix under which nothing lies. */
static enum kafscale_status
name_target(struct restoring *restoring, struct kafscale_error *error)
{
    struct ks_topic_record *record = &restoring->record;
    const char *name = restoring->restore->target_topic;
    char prefix[KAFSCALE_STORE_KEY_BYTES_MAX + 1];
    enum kafscale_status status;
    bool is_known = false;

    status = ks_tools_is_known(restoring->target, name, &is_known, error);
    if (status == KAFSCALE_OK && is_known) {
        status = ks_error_set(error, KAFSCALE_EXISTS, "topic '%s' is known already", name);
    }
    if (status != KAFSCALE_OK) {
        return status;
    }
    ks_env_random(restoring->target->env, record->id.bytes, sizeof record->id.bytes);
    snprintf(record->name, sizeof record->name, "%s", name);
    record->partition_count = restoring->source.partition_count;
    snprintf(prefix, sizeof prefix, "%s/%s/", restoring->target->ns, name);
    status =
        ks_session_list(restoring->target, prefix, NULL, on_listed, &record->is_later_life, error);
    ks_topic_prefix(name, &record->id, record->is_later_life, restoring->prefix);
    if (status == KAFSCALE_OK &&
        ks_topic_config_copy(&restoring->source.config, &record->config) != KAFSCALE_OK) {
        status = ks_error_set(error, KAFSCALE_NO_MEMORY, "not enough memory to restore");
    }
    return status;
}

static enum kafscale_status
check_names(const struct kafscale_restore *restore, struct kafscale_error *error)
{
    const char *names[] = { restore->topic, restore->target_topic };

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (names[i] == NULL || !ks_topic_name_is_legal(ks_slice_of_text(names[i]))) {
            return ks_error_set(error, KAFSCALE_INVALID, "'%.100s' is no name of a topic",
                                names[i] == NULL ? "" : names[i]);
        }
    }
    return KAFSCALE_OK;
}

static enum kafscale_status
survey(struct restoring *restoring, struct kafscale_error *error)
{
    enum kafscale_status status = ks_survey_read_registers(&restoring->survey, error);

    if (status == KAFSCALE_OK) {
        status = find_source(restoring, error);
    }
    restoring->survey.collected = restoring->source.id;
    if (status == KAFSCALE_OK) {
        status = ks_survey_list_objects(&restoring->survey, error);
    }
    if (status == KAFSCALE_OK) {
        status = ks_survey_read_logs(&restoring->survey, error);
    }
    if (status == KAFSCALE_OK && restoring->survey.is_short) {
        status = ks_error_set(error, KAFSCALE_NO_MEMORY, "not enough memory to restore");
    }
    return status;
}

enum kafscale_status
ks_tools_restore(struct ks_session *source, struct ks_session *target,
                 const struct kafscale_restore *restore, kafscale_tools_restored *restored,
                 void *arg, struct kafscale_error *error)
{
    struct restoring restoring = { .target = target, .restore = restore };
    enum kafscale_status status = check_names(restore, error);

    if (status != KAFSCALE_OK) {
        return status;
    }
    ks_survey_init(&restoring.survey, source);
    status = ks_session_identify(target, &restoring.cluster, error);
    if (status == KAFSCALE_OK) {
        status = survey(&restoring, error);
    }
    if (status == KAFSCALE_OK) {
        status = name_target(&restoring, error);
    }
    if (status == KAFSCALE_OK) {
        status = copy_partitions(&restoring, restored, arg, error);
    }
    if (status == KAFSCALE_OK) {
        status = ks_tools_make_known(target, &restoring.record, restoring.partitions,
                                     restoring.partition_count, error);
    }
    ks_topic_record_deinit(&restoring.source);
    ks_topic_record_deinit(&restoring.record);
    ks_survey_deinit(&restoring.survey);
    return status;
}
