/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checkpoints keep the replay short: what a shard knows is appended again, in pieces between the
 * other writes; when the last piece is durable the log may begin with the first one. Each piece
 * tells what is known when it is appended, and what changes later comes later, so reading from the
 * first piece gives the same as reading everything. A broker that ends in between leaves nothing
 * behind but some bytes.
 */
#include "base/planted.h"
#include "broker/coordinator/coordinator_internal.h"

#include <assert.h>

#define BYTES_MIN (16u << 20)
#define PIECE_BYTES (128u << 10)
/* What an offset takes as a record, roughly. */
#define OFFSET_BYTES 96

static void write_piece(struct ks_shard *shard);

void
ks_checkpoint_note(struct ks_shard *shard, size_t bytes)
{
    if (shard->bytes_since == 0) {
        shard->since_ms = ks_env_wall_ms(shard->coordinator->env);
    }
    shard->bytes_since += bytes;
}

/* --- When ------------------------------------------------------------------------------------- */

static uint64_t
count_live(const struct ks_shard *shard)
{
    uint64_t bytes = 0;

    for (const struct ks_list *node = shard->groups.next; node != &shard->groups;
         node = node->next) {
        const struct ks_coordinated_group *group =
            KS_CONTAINER(node, struct ks_coordinated_group, link);

        bytes += group->stored.size + (uint64_t) group->offsets.count * OFFSET_BYTES;
    }
    return bytes;
}

static bool
is_due(const struct ks_shard *shard)
{
    const struct ks_coordinator_options *options = &shard->coordinator->options;
    uint64_t bytes_min =
        options->checkpoint_bytes_min > 0 ? options->checkpoint_bytes_min : BYTES_MIN;
    int64_t age_ms = ks_env_wall_ms(shard->coordinator->env) - shard->since_ms;

    if (shard->bytes_since == 0) {
        return false;
    }
    if (options->checkpoint_interval_ms > 0 && age_ms >= options->checkpoint_interval_ms) {
        return true;
    }
    return shard->bytes_since > bytes_min && shard->bytes_since > 2 * count_live(shard);
}

/* --- The place it has come to ----------------------------------------------------------------- */

static void
move_to(struct ks_shard *shard, struct ks_list *node)
{
    struct ks_shard_checkpoint *checkpoint = &shard->checkpoint;

    checkpoint->topic = NULL;
    checkpoint->group =
        node == &shard->groups ? NULL : KS_CONTAINER(node, struct ks_coordinated_group, link);
}

static void
move_to_topic(struct ks_shard *shard, struct ks_list *node)
{
    struct ks_shard_checkpoint *checkpoint = &shard->checkpoint;

    if (node == &checkpoint->group->offsets.topics) {
        move_to(shard, checkpoint->group->link.next);
    } else {
        checkpoint->topic = node;
    }
}

void
ks_checkpoint_pass(struct ks_shard *shard, const struct ks_coordinated_group *group)
{
    if (shard->checkpoint.is_active && shard->checkpoint.group == group) {
        move_to(shard, group->link.next);
    }
}

void
ks_checkpoint_pass_topic(struct ks_shard *shard, const struct ks_offsets_topic *topic)
{
    if (shard->checkpoint.is_active && shard->checkpoint.topic == &topic->link) {
        move_to_topic(shard, topic->link.next);
    }
}

void
ks_checkpoint_stop(struct ks_shard *shard)
{
    shard->checkpoint.is_active = false;
}

/* --- The end ---------------------------------------------------------------------------------- */

static void
fail(struct ks_shard *shard, const char *why)
{
    ks_chore_fail(&shard->coordinator->checkpointing, ks_env_now_ms(shard->coordinator->env), why);
}

static void
on_raised(void *arg, enum kafscale_status status)
{
    struct ks_shard *shard = arg;
    struct ks_shard_checkpoint *checkpoint = &shard->checkpoint;

    checkpoint->is_raising = false;
    if (!checkpoint->is_active) {
        return;
    }
    checkpoint->is_active = false;
    if (status != KAFSCALE_OK) {
        fail(shard, kafscale_status_text(status));
        return;
    }
    shard->coordinator->checkpoints++;
    ks_chore_succeed(&shard->coordinator->checkpointing, ks_env_now_ms(shard->coordinator->env));
    shard->bytes_since -= checkpoint->bytes_before;
    shard->since_ms = checkpoint->begun_ms;
    ks_log_some(shard->coordinator->env, &shard->coordinator->rewrites, KS_LOG_QUOTA_COUNT,
                KAFSCALE_LOG_INFO, "groups written again partition=%d groups=%zu start=%lld",
                (int) shard->partition->index, shard->by_id.count,
                (long long) checkpoint->first_offset);
}

static void
raise_start(struct ks_shard *shard)
{
    struct ks_shard_checkpoint *checkpoint = &shard->checkpoint;
    struct ks_partition *log_partition = shard->partition->log;

    if (log_partition == NULL ||
        ks_log_raise_start(shard->coordinator->log, log_partition, checkpoint->first_offset,
                           on_raised, shard) != KAFSCALE_OK) {
        checkpoint->is_active = false;
        fail(shard, "its partition is closed, or memory is short");
        return;
    }
    checkpoint->is_raising = true;
}

/* --- Pieces ----------------------------------------------------------------------------------- */

static void
write_topic(struct ks_shard *shard)
{
    struct ks_shard_checkpoint *checkpoint = &shard->checkpoint;
    struct ks_coordinated_group *group = checkpoint->group;
    struct ks_offsets_topic *topic = KS_CONTAINER(checkpoint->topic, struct ks_offsets_topic, link);
    struct ks_offset_value value;

    move_to_topic(shard, topic->link.next);
    for (size_t i = 0; i < topic->partition_count; i++) {
        ks_committed_value(topic, &topic->partitions[i], &value);
        ks_coordinated_put_offset(group, ks_offsets_topic_name(topic),
                                  topic->partitions[i].partition, &value);
    }
}

/* The next topic, or a group's own record before its first one. */
static void
write_next(struct ks_shard *shard)
{
    struct ks_shard_checkpoint *checkpoint = &shard->checkpoint;

    if (checkpoint->topic != NULL) {
        write_topic(shard);
        return;
    }
    if (checkpoint->group->stored.data != NULL) {
        ks_coordinated_put(checkpoint->group, checkpoint->group->stored);
    }
    move_to_topic(shard, checkpoint->group->offsets.topics.next);
}

static void
write_piece(struct ks_shard *shard)
{
    const struct ks_coordinator_options *options = &shard->coordinator->options;
    struct ks_shard_checkpoint *checkpoint = &shard->checkpoint;
    size_t piece_bytes =
        options->checkpoint_piece_bytes > 0 ? options->checkpoint_piece_bytes : PIECE_BYTES;

    if (!ks_shard_flush(shard, false)) {
        checkpoint->is_active = false;
        fail(shard, "memory is short");
        return;
    }
    checkpoint->is_building = true;
    while (checkpoint->group != NULL && shard->open.records.size < piece_bytes) {
        write_next(shard);
    }
    checkpoint->is_building = false;
    checkpoint->is_last = checkpoint->group == NULL;
    if (shard->open.record_count > 0) {
        checkpoint->is_active = ks_shard_flush(shard, true);
        return;
    }
    /* Nothing is left to be told of: only what comes later counts. */
    if (checkpoint->first_offset < 0) {
        checkpoint->first_offset = ks_partition_high_watermark(shard->partition->log);
    }
    raise_start(shard);
}

void
ks_checkpoint_go_on(struct ks_shard *shard, int64_t base_offset)
{
    struct ks_shard_checkpoint *checkpoint = &shard->checkpoint;

    if (!checkpoint->is_active || shard->state != KS_SHARD_SERVED) {
        return;
    }
    if (checkpoint->first_offset < 0 || ks_is_planted(KS_PLANTED_CHECKPOINT_FIRST)) {
        checkpoint->first_offset = base_offset;
    }
    if (checkpoint->is_last || ks_is_planted(KS_PLANTED_CHECKPOINT_LAST)) {
        raise_start(shard);
    } else {
        write_piece(shard);
    }
}

void
ks_checkpoint_look(struct ks_shard *shard)
{
    struct ks_shard_checkpoint *checkpoint = &shard->checkpoint;

    if (shard->state != KS_SHARD_SERVED || checkpoint->is_active || checkpoint->is_raising ||
        shard->coordinator->is_ended || shard->partition->log == NULL || !is_due(shard)) {
        return;
    }
    *checkpoint =
        (struct ks_shard_checkpoint){ .is_active = true,
                                      .first_offset = -1,
                                      .bytes_before = shard->bytes_since,
                                      .begun_ms = ks_env_wall_ms(shard->coordinator->env) };
    move_to(shard, shard->groups.next);
    write_piece(shard);
}
