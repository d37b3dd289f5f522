/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading a shard: its records from the log's start to the end, in turns of the loop, some shards
 * at a time. Of a group's own record only the last one is opened, at the end.
 */
#include "broker/coordinator/coordinator_internal.h"

#include <assert.h>

#define LOADING_MAX 8
#define READ_BYTES (1u << 20)
#define RETRY_FIRST_MS 50
#define RETRY_LAST_MS 5000
#define GROUP_ARENA_BYTES (256u << 20)

static void read_on(void *arg);

/* --- Ends ------------------------------------------------------------------------------------- */

static void
leave_loading(struct ks_shard *shard, enum ks_shard_state state)
{
    struct ks_coordinator *coordinator = shard->coordinator;

    assert(shard->state == KS_SHARD_LOADING);
    shard->state = state;
    shard->last = NULL;
    coordinator->loading_count--;
    for (int32_t i = 0; i < coordinator->shard_count; i++) {
        ks_shard_load_go_on(&coordinator->shards[i]);
    }
}

static void
fail(struct ks_shard *shard, const char *what)
{
    ks_log(&shard->coordinator->env->logger, KAFSCALE_LOG_ERROR,
           "groups not served topic=%s partition=%d offset=%lld reason=%s",
           shard->partition->topic->record.name, (int) shard->partition->index,
           (long long) shard->next, what);
    ks_shard_clear(shard, KS_GROUP_NOT_AVAILABLE);
    leave_loading(shard, KS_SHARD_FAILED);
}

static void
retry_later(struct ks_shard *shard)
{
    struct ks_env *env = shard->coordinator->env;
    int64_t wait_ms = ks_backoff_ms(RETRY_FIRST_MS, RETRY_LAST_MS, shard->failures);

    shard->failures++;
    shard->retry.on_due = read_on;
    shard->retry.arg = shard;
    ks_env_set_timer(env, &shard->retry, ks_env_now_ms(env) + wait_ms);
}

/* Memory ran short: the next time it begins at the start. */
static void
start_over(struct ks_shard *shard)
{
    ks_shard_clear(shard, KS_GROUP_NOT_AVAILABLE);
    shard->next = 0;
    shard->bytes_since = 0;
    retry_later(shard);
}

/* --- The groups as they were ------------------------------------------------------------------ */

static enum kafscale_status
restore(struct ks_coordinated_group *group, struct kafscale_error *error)
{
    int64_t now_ms = ks_env_now_ms(group->shard->coordinator->env);
    struct ks_group_value value;
    struct ks_arena arena;
    enum kafscale_status status;

    ks_arena_init(&arena, GROUP_ARENA_BYTES);
    status = ks_group_value_decode(group->stored, &arena, &value, error);
    if (status == KAFSCALE_OK) {
        status = ks_group_restore(group->group, &value, now_ms);
    }
    if (status == KAFSCALE_OK && value.since_ms >= 0 && ks_group_is_unused(group->group)) {
        group->unused_since_ms = value.since_ms;
    }
    ks_arena_deinit(&arena);
    return status;
}

static void
begin_service(struct ks_shard *shard)
{
    struct ks_coordinator *coordinator = shard->coordinator;
    struct ks_list *node = shard->groups.next;

    leave_loading(shard, KS_SHARD_SERVED);
    while (node != &shard->groups) {
        struct ks_coordinated_group *group = KS_CONTAINER(node, struct ks_coordinated_group, link);

        node = node->next;
        ks_coordinated_touch(group);
    }
    if (shard->by_id.count > 0) {
        ks_log(&coordinator->env->logger, KAFSCALE_LOG_INFO,
               "groups read partition=%d groups=%zu end=%lld", (int) shard->partition->index,
               shard->by_id.count, (long long) shard->next);
    }
    ks_coordinator_set_expiry(coordinator);
    ks_lag_note(coordinator);
    ks_checkpoint_look(shard);
}

static void
finish(struct ks_shard *shard)
{
    for (struct ks_list *node = shard->groups.next; node != &shard->groups; node = node->next) {
        struct ks_coordinated_group *group = KS_CONTAINER(node, struct ks_coordinated_group, link);
        struct kafscale_error error = { 0 };
        enum kafscale_status status =
            group->stored.data == NULL ? KAFSCALE_OK : restore(group, &error);

        if (status == KAFSCALE_NO_MEMORY) {
            start_over(shard);
            return;
        }
        if (status != KAFSCALE_OK) {
            fail(shard, error.status == KAFSCALE_OK ? "a group contradicts itself" : error.text);
            return;
        }
    }
    begin_service(shard);
}

/* --- Records ---------------------------------------------------------------------------------- */

/* Records of one group follow each other, so the last one is looked at first. */
static struct ks_coordinated_group *
group_of(struct ks_shard *shard, struct kafscale_slice id)
{
    if (shard->last == NULL || !ks_slice_equals(ks_group_id(shard->last->group), id)) {
        shard->last = ks_shard_make(shard, id);
    }
    return shard->last;
}

static enum kafscale_status
take_offset(struct ks_shard *shard, const struct ks_group_key *key, struct kafscale_slice bytes,
            struct kafscale_error *error)
{
    struct ks_coordinated_group *group = group_of(shard, key->group);
    struct ks_offset_value value;
    enum kafscale_status status;

    if (group == NULL) {
        return KAFSCALE_NO_MEMORY;
    }
    if (bytes.data == NULL) {
        ks_offsets_remove(&group->offsets, key->topic, key->partition);
        return KAFSCALE_OK;
    }
    status = ks_offset_value_decode(bytes, &value, error);
    if (status == KAFSCALE_OK) {
        status = ks_offsets_set(&group->offsets, key->topic, key->partition, &value);
    }
    return status;
}

static enum kafscale_status
take_record(struct ks_shard *shard, const struct ks_record *record, struct kafscale_error *error)
{
    struct ks_group_key key;
    enum kafscale_status status = ks_group_key_decode(record->key, &key, error);
    struct ks_coordinated_group *group;

    if (status != KAFSCALE_OK || key.kind == KS_GROUP_KEY_OTHER) {
        return status;
    }
    if (key.kind == KS_GROUP_KEY_OFFSET) {
        return take_offset(shard, &key, record->value, error);
    }
    group = group_of(shard, key.group);
    return group != NULL && ks_coordinated_keep(group, record->value) ? KAFSCALE_OK
                                                                      : KAFSCALE_NO_MEMORY;
}

static enum kafscale_status
take_batch(struct ks_shard *shard, const struct ks_batch *batch, struct kafscale_error *error)
{
    struct ks_record record;
    struct ks_records records;
    enum kafscale_status status = ks_records_init(&records, batch, KS_PLAIN_BYTES_MAX, error);

    if (status != KAFSCALE_OK) {
        return status;
    }
    while ((status = ks_records_next(&records, &record, error)) == KAFSCALE_OK) {
        if (record.offset >= shard->next) {
            status = take_record(shard, &record, error);
        }
        if (status != KAFSCALE_OK) {
            break;
        }
    }
    ks_records_deinit(&records);
    return status == KAFSCALE_NOT_FOUND ? KAFSCALE_OK : status;
}

static enum kafscale_status
take_part(struct ks_shard *shard, struct kafscale_slice bytes, struct kafscale_error *error)
{
    struct ks_batch batch;
    enum kafscale_status status = ks_batch_parse(bytes, &batch, error);

    if (status == KAFSCALE_OK && !ks_batch_is_control(&batch)) {
        status = take_batch(shard, &batch, error);
    }
    if (status != KAFSCALE_OK) {
        return status;
    }
    if (shard->bytes_since == 0) {
        shard->since_ms = batch.max_timestamp;
    }
    shard->bytes_since += bytes.size;
    shard->next = ks_batch_last_offset(&batch) + 1;
    return KAFSCALE_OK;
}

/* --- Reading ---------------------------------------------------------------------------------- */

static void
take_parts(struct ks_shard *shard)
{
    struct kafscale_error error = { 0 };
    enum kafscale_status status = KAFSCALE_OK;

    for (size_t i = 0; i < shard->read.part_count && status == KAFSCALE_OK; i++) {
        status = take_part(shard, shard->read.parts[i].bytes, &error);
    }
    ks_log_read_release(&shard->read);
    if (status == KAFSCALE_NO_MEMORY) {
        start_over(shard);
    } else if (status != KAFSCALE_OK) {
        fail(shard, error.text);
    } else {
        shard->failures = 0;
        ks_env_defer(shard->coordinator->env, &shard->load);
    }
}

static void
take_read(struct ks_shard *shard, enum kafscale_status status)
{
    switch (status) {
    case KAFSCALE_OK:
        take_parts(shard);
        break;
    case KAFSCALE_CORRUPT:
    case KAFSCALE_UNSUPPORTED:
        fail(shard, kafscale_status_text(status));
        break;
    default:
        retry_later(shard);
        break;
    }
}

static void
on_read(struct ks_log_read *read, enum kafscale_status status)
{
    struct ks_shard *shard = read->arg;

    shard->is_reading = false;
    if (shard->state == KS_SHARD_LOADING) {
        take_read(shard, status);
    } else {
        ks_log_read_release(read);
    }
}

static void
read_on(void *arg)
{
    struct ks_shard *shard = arg;
    struct ks_partition *log_partition = shard->partition->log;
    enum kafscale_status status;
    int64_t start;

    if (shard->state != KS_SHARD_LOADING || log_partition == NULL) {
        return;
    }
    start = ks_partition_log_start(log_partition);
    if (shard->next < start) {
        shard->next = start;
    }
    if (shard->next >= ks_partition_high_watermark(log_partition)) {
        finish(shard);
        return;
    }
    shard->read = (struct ks_log_read){ .partition = log_partition,
                                        .offset = shard->next,
                                        .bytes_max = READ_BYTES,
                                        .is_first_whole = true,
                                        .done = on_read,
                                        .arg = shard };
    shard->is_reading = true;
    if (ks_log_read(shard->coordinator->log, &shard->read, &status)) {
        shard->is_reading = false;
        take_read(shard, status);
    }
}

/* Whether it may begin: what was appended by an earlier life of the shard must be readable. */
static bool
may_begin(const struct ks_shard *shard)
{
    return shard->state == KS_SHARD_WAITING && !shard->coordinator->is_ended &&
           !shard->is_reading && ks_list_is_empty(&shard->writes) &&
           shard->coordinator->loading_count < LOADING_MAX;
}

void
ks_shard_load_go_on(struct ks_shard *shard)
{
    if (!may_begin(shard)) {
        return;
    }
    shard->state = KS_SHARD_LOADING;
    shard->coordinator->loading_count++;
    shard->next = 0;
    shard->failures = 0;
    shard->bytes_since = 0;
    shard->load.run = read_on;
    shard->load.arg = shard;
    ks_env_defer(shard->coordinator->env, &shard->load);
}

void
ks_shard_load(struct ks_shard *shard)
{
    shard->state = KS_SHARD_WAITING;
    ks_shard_load_go_on(shard);
}

void
ks_shard_load_end(struct ks_shard *shard)
{
    if (shard->state == KS_SHARD_LOADING) {
        shard->coordinator->loading_count--;
    }
    shard->state = KS_SHARD_CLOSED;
    ks_env_cancel_task(&shard->load);
    ks_env_cancel_timer(shard->coordinator->env, &shard->retry);
}
