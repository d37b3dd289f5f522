/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a shard appends. The records of one turn of the loop are one batch, so that ten thousand
 * commits a second are not as many batches. Memory changes first and the record follows; what was
 * changed and couldn't be written for want of memory is undone by reading the shard again.
 */
#include "base/planted.h"
#include "broker/coordinator/coordinator_internal.h"

#include <assert.h>

/* A batch is appended at this size, whatever else the turn brings. */
#define BATCH_BYTES (256u << 10)
#define BATCH_BYTES_MAX (64u << 20)

static void on_flush(void *arg);

/* --- Telling ---------------------------------------------------------------------------------- */

static void
on_told(void *arg)
{
    struct ks_coordinator *coordinator = arg;
    struct ks_list *node;

    while ((node = ks_list_take_first(&coordinator->told)) != NULL) {
        struct ks_group_wait *wait = KS_CONTAINER(node, struct ks_group_wait, link);

        wait->done(wait, wait->error);
    }
}

void
ks_coordinator_tell(struct ks_coordinator *coordinator, struct ks_group_wait *wait,
                    enum ks_group_error error)
{
    wait->error = error;
    wait->link = (struct ks_list){ 0 };
    ks_list_append(&coordinator->told, &wait->link);
    coordinator->task.run = on_told;
    coordinator->task.arg = coordinator;
    ks_env_defer(coordinator->env, &coordinator->task);
}

void
ks_coordinator_cancel(struct ks_group_wait *wait)
{
    if (ks_list_is_linked(&wait->link)) {
        ks_list_remove(&wait->link);
    }
}

void
ks_coordinator_tell_all(struct ks_coordinator *coordinator, struct ks_list *waits,
                        enum ks_group_error error)
{
    struct ks_list *node;

    while ((node = ks_list_take_first(waits)) != NULL) {
        ks_coordinator_tell(coordinator, KS_CONTAINER(node, struct ks_group_wait, link), error);
    }
}

/* --- The open batch --------------------------------------------------------------------------- */

static void
open_batch(struct ks_shard *shard)
{
    struct ks_batch_options options = { .producer_id = KS_NO_PRODUCER_ID };

    ks_batch_builder_init(&shard->open, &options);
}

void
ks_shard_init(struct ks_shard *shard, struct ks_coordinator *coordinator)
{
    *shard = (struct ks_shard){ .coordinator = coordinator };
    ks_table_init(&shard->by_id, ks_env_random_u64(coordinator->env));
    ks_list_init(&shard->groups);
    ks_list_init(&shard->open_waits);
    ks_list_init(&shard->open_stores);
    ks_list_init(&shard->writes);
    open_batch(shard);
    shard->flush.run = on_flush;
    shard->flush.arg = shard;
}

void
ks_shard_deinit(struct ks_shard *shard)
{
    assert(ks_list_is_empty(&shard->writes));
    assert(ks_list_is_empty(&shard->groups));

    ks_shard_load_end(shard);
    ks_env_cancel_task(&shard->flush);
    ks_batch_builder_deinit(&shard->open);
    ks_table_deinit(&shard->by_id);
}

static bool
is_open_empty(const struct ks_shard *shard)
{
    return shard->open.record_count == 0 && !shard->open.failed;
}

void
ks_shard_append(struct ks_shard *shard, bool has_value)
{
    struct ks_coordinator *coordinator = shard->coordinator;
    struct ks_record record = { .timestamp = ks_env_wall_ms(coordinator->env),
                                .key = ks_buffer_slice(&coordinator->key) };

    if (has_value) {
        record.value = ks_buffer_slice(&coordinator->value);
    }
    if (ks_buffer_failed(&coordinator->key) ||
        (has_value && ks_buffer_failed(&coordinator->value))) {
        shard->is_damaged = true;
    }
    ks_batch_builder_append(&shard->open, &record);
    ks_env_defer(coordinator->env, &shard->flush);
    if (shard->open.records.size >= BATCH_BYTES && !shard->checkpoint.is_building) {
        (void) ks_shard_flush(shard, false);
    }
}

void
ks_shard_await(struct ks_shard *shard, struct ks_group_wait *wait)
{
    wait->link = (struct ks_list){ 0 };
    if (ks_is_planted(KS_PLANTED_GROUP_ACK)) {
        ks_coordinator_tell(shard->coordinator, wait, KS_GROUP_OK);
    } else if (!is_open_empty(shard)) {
        ks_list_append(&shard->open_waits, &wait->link);
    } else if (!ks_list_is_empty(&shard->writes)) {
        struct ks_shard_write *newest =
            KS_CONTAINER(shard->writes.previous, struct ks_shard_write, link);

        ks_list_append(&newest->waits, &wait->link);
    } else {
        ks_coordinator_tell(shard->coordinator, wait, KS_GROUP_OK);
    }
}

/* --- Writes under way ------------------------------------------------------------------------- */

static void
free_write(struct ks_shard_write *write)
{
    write->shard->coordinator->pending_bytes -= write->bytes;
    ks_list_remove(&write->link);
    kafscale_blob_unref(write->pending.append.owner);
    ks_free(write);
}

static void
tell_stored(struct ks_shard *shard, struct ks_list *stores, bool is_stored)
{
    struct ks_list *node;

    while ((node = ks_list_take_first(stores)) != NULL) {
        struct ks_coordinated_group *group =
            KS_CONTAINER(node, struct ks_coordinated_group, store_link);

        ks_group_stored(group->group, group->store_number, is_stored,
                        ks_env_now_ms(shard->coordinator->env));
        ks_coordinated_touch(group);
    }
}

/* An append fails only when the broker serves nothing any more. */
static void
on_written(struct ks_pending_append *pending, enum ks_broker_error error)
{
    struct ks_shard_write *write = KS_CONTAINER(pending, struct ks_shard_write, pending);
    struct ks_shard *shard = write->shard;
    bool is_durable = error == KS_BROKER_ERROR_NONE;
    bool is_piece = write->is_piece;
    int64_t base_offset = pending->append.base_offset;

    if (is_durable) {
        shard->durable = write->number;
    }
    tell_stored(shard, &write->stores, is_durable);
    ks_coordinator_tell_all(shard->coordinator, &write->waits,
                            is_durable ? KS_GROUP_OK : KS_GROUP_NOT_COORDINATOR);
    free_write(write);
    if (is_durable && is_piece) {
        ks_checkpoint_go_on(shard, base_offset);
    } else if (is_durable) {
        ks_checkpoint_look(shard);
    }
    ks_shard_load_go_on(shard);
}

static void
take_list(struct ks_list *from, struct ks_list *to)
{
    struct ks_list *node;

    ks_list_init(to);
    while ((node = ks_list_take_first(from)) != NULL) {
        ks_list_append(to, node);
    }
}

/* The batch of what is open, in memory of its own; NULL: there isn't enough. */
static struct kafscale_blob *
finish_batch(struct ks_shard *shard, struct ks_batch *batch_out)
{
    struct kafscale_error error = { 0 };
    struct kafscale_blob *blob = NULL;
    struct ks_buffer bytes;

    ks_buffer_init(&bytes, BATCH_BYTES_MAX);
    if (ks_batch_builder_finish(&shard->open, &bytes, &error) == KAFSCALE_OK) {
        blob = kafscale_blob_new(bytes.size);
    }
    if (blob != NULL) {
        memcpy(kafscale_blob_data(blob), bytes.data, bytes.size);
        if (ks_batch_parse(kafscale_blob_slice(blob), batch_out, &error) != KAFSCALE_OK) {
            kafscale_blob_unref(blob);
            blob = NULL;
        }
    }
    ks_buffer_deinit(&bytes);
    return blob;
}

static struct ks_shard_write *
new_write(struct ks_shard *shard)
{
    struct ks_shard_write *write = ks_alloc_zero(1, sizeof *write);

    if (write == NULL) {
        return NULL;
    }
    write->shard = shard;
    write->pending.append.owner = finish_batch(shard, &write->pending.append.batch);
    if (write->pending.append.owner == NULL) {
        ks_free(write);
        return NULL;
    }
    write->pending.partition = shard->partition;
    write->pending.done = on_written;
    write->bytes = write->pending.append.batch.bytes.size;
    return write;
}

/* What the groups say is not what would be found after a restart: it is read again. */
static void
read_again(struct ks_shard *shard)
{
    ks_log_some(shard->coordinator->env, &shard->coordinator->troubles, KS_LOG_QUOTA_COUNT,
                KAFSCALE_LOG_ERROR, "groups are read again, out of memory topic=%s partition=%d",
                shard->partition->topic->record.name, (int) shard->partition->index);
    shard->is_damaged = false;
    ks_coordinator_tell_all(shard->coordinator, &shard->open_waits, KS_GROUP_NOT_AVAILABLE);
    ks_shard_clear(shard, KS_GROUP_NOT_AVAILABLE);
    ks_batch_builder_deinit(&shard->open);
    open_batch(shard);
    ks_shard_load(shard);
}

bool
ks_shard_flush(struct ks_shard *shard, bool is_piece)
{
    struct ks_coordinator *coordinator = shard->coordinator;
    struct ks_shard_write *write;

    if (is_open_empty(shard)) {
        return !shard->is_damaged;
    }
    write = shard->is_damaged ? NULL : new_write(shard);
    if (write == NULL) {
        shard->is_damaged = true;
        return false;
    }
    write->number = ++shard->written;
    write->is_piece = is_piece;
    take_list(&shard->open_waits, &write->waits);
    take_list(&shard->open_stores, &write->stores);
    ks_batch_builder_deinit(&shard->open);
    open_batch(shard);
    ks_list_append(&shard->writes, &write->link);
    coordinator->pending_bytes += write->bytes;
    if (!is_piece) {
        ks_checkpoint_note(shard, write->bytes);
    }
    ks_coordinator_set_expiry(coordinator);
    ks_lag_note(coordinator);
    ks_appender_append(coordinator->appender, &write->pending);
    return true;
}

/* Nobody is in the middle of anything here, so groups may go. */
static void
on_flush(void *arg)
{
    if (!ks_shard_flush(arg, false)) {
        read_again(arg);
    }
}

/* --- Records ---------------------------------------------------------------------------------- */

/* Says that the group's newest change is in the open batch. */
static void
note_change(struct ks_coordinated_group *group)
{
    group->changed = group->shard->written + 1;
}

void
ks_coordinated_write(struct ks_coordinated_group *group)
{
    struct ks_shard *shard = group->shard;
    struct ks_coordinator *coordinator = shard->coordinator;
    size_t count = ks_group_member_count(group->group);
    struct ks_group_value_member *members = ks_alloc_zero(count + 1, sizeof *members);
    struct ks_group_value value = { 0 };

    ks_buffer_clear(&coordinator->value);
    if (members != NULL) {
        ks_group_describe(group->group, &value, members);
        value.since_ms = ks_env_wall_ms(coordinator->env);
        ks_group_value_encode(&coordinator->value, &value);
    }
    if (members == NULL || ks_buffer_failed(&coordinator->value) ||
        !ks_coordinated_keep(group, ks_buffer_slice(&coordinator->value))) {
        shard->is_damaged = true;
    }
    ks_free(members);
    note_change(group);
    ks_coordinated_put(group, group->stored);
}

void
ks_coordinated_put_offset(struct ks_coordinated_group *group, struct kafscale_slice topic,
                          int32_t partition, const struct ks_offset_value *value)
{
    struct ks_coordinator *coordinator = group->shard->coordinator;

    ks_buffer_clear(&coordinator->key);
    ks_buffer_clear(&coordinator->value);
    ks_group_key_encode_offset(&coordinator->key, ks_group_id(group->group), topic, partition);
    if (value != NULL) {
        ks_offset_value_encode(&coordinator->value, value);
    }
    ks_shard_append(group->shard, value != NULL);
}

void
ks_coordinated_write_offset(struct ks_coordinated_group *group, struct kafscale_slice topic,
                            int32_t partition, const struct ks_offset_value *value)
{
    note_change(group);
    ks_coordinated_put_offset(group, topic, partition, value);
}

void
ks_coordinated_put(struct ks_coordinated_group *group, struct kafscale_slice value)
{
    struct ks_coordinator *coordinator = group->shard->coordinator;

    ks_buffer_clear(&coordinator->key);
    ks_buffer_clear(&coordinator->value);
    ks_group_key_encode_group(&coordinator->key, ks_group_id(group->group));
    if (value.data != NULL) {
        ks_buffer_append(&coordinator->value, value.data, value.size);
    }
    ks_shard_append(group->shard, value.data != NULL);
}

void
ks_coordinated_write_end(struct ks_coordinated_group *group)
{
    for (struct ks_list *node = group->offsets.topics.next; node != &group->offsets.topics;
         node = node->next) {
        const struct ks_offsets_topic *topic = KS_CONTAINER(node, struct ks_offsets_topic, link);

        for (size_t i = 0; i < topic->partition_count; i++) {
            ks_coordinated_write_offset(group, ks_offsets_topic_name(topic),
                                        topic->partitions[i].partition, NULL);
        }
    }
    if (group->stored.data != NULL) {
        note_change(group);
        ks_coordinated_put(group, (struct kafscale_slice){ 0 });
    }
}
