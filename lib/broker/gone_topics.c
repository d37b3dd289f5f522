/* SPDX-License-Identifier: Apache-2.0 */
/* One topic at a time, the one that is due first. */
#include "broker/gone_topics.h"

#include <assert.h>

#define RETRY_MS 60000

struct gone_topic {
    struct ks_list link;
    struct ks_gone_record record;
    uint64_t version;
    int64_t due_ms;
};

static void run(void *arg);
static void read_all(void *arg);

static struct gone_topic *
find(const struct ks_gone_topics *gone, const struct ks_id *id)
{
    for (struct ks_list *node = gone->topics.next; node != &gone->topics; node = node->next) {
        struct gone_topic *topic = KS_CONTAINER(node, struct gone_topic, link);

        if (ks_id_equals(&topic->record.id, id)) {
            return topic;
        }
    }
    return NULL;
}

static void
topic_free(struct gone_topic *topic)
{
    ks_list_remove(&topic->link);
    ks_free(topic);
}

/* The one due first, or NULL. */
static struct gone_topic *
first_due(const struct ks_gone_topics *gone)
{
    struct gone_topic *first = NULL;

    for (struct ks_list *node = gone->topics.next; node != &gone->topics; node = node->next) {
        struct gone_topic *topic = KS_CONTAINER(node, struct gone_topic, link);

        if (first == NULL || topic->due_ms < first->due_ms) {
            first = topic;
        }
    }
    return first;
}

static void
wait(struct ks_gone_topics *gone)
{
    const struct gone_topic *first = first_due(gone);

    if (first != NULL && !gone->is_running && !gone->is_ended && gone->log != NULL) {
        ks_env_set_timer(gone->env, &gone->timer, first->due_ms);
    }
}

/* --- The record ------------------------------------------------------------------------------ */

/* Also after what went wrong: the topic waits for its next time. */
static void
end_run(struct ks_gone_topics *gone)
{
    gone->is_running = false;
    wait(gone);
}

static void
on_written(void *arg, enum kafscale_status status, uint64_t revision,
           const struct kafscale_error *error)
{
    struct ks_gone_topics *gone = arg;
    struct gone_topic *topic = find(gone, &gone->current);
    int64_t now_ms = ks_env_now_ms(gone->env);

    if (status == KAFSCALE_OK) {
        ks_chore_succeed(&gone->burial, now_ms);
    } else if (topic != NULL) {
        ks_chore_fail(&gone->burial, now_ms, error->text);
    }
    if (topic != NULL && status == KAFSCALE_OK && gone->operation.is_delete) {
        topic_free(topic);
    } else if (topic != NULL && status == KAFSCALE_OK) {
        topic->version = revision;
        topic->record.buried_ms = ks_env_wall_ms(gone->env);
        topic->due_ms = now_ms + gone->again_ms;
    } else if (topic != NULL) {
        topic->due_ms = now_ms + RETRY_MS;
    }
    if ((status == KAFSCALE_CONFLICT || status == KAFSCALE_UNKNOWN) && !gone->is_ended) {
        read_all(gone);
    }
    end_run(gone);
}

static void
write_record(struct ks_gone_topics *gone, const struct gone_topic *topic)
{
    struct ks_gone_record record = topic->record;

    ks_gone_record_key(&record.id, gone->key);
    record.buried_ms = ks_env_wall_ms(gone->env);
    gone->compare = (struct kafscale_meta_compare){ .key = gone->key, .version = topic->version };
    gone->operation = (struct kafscale_meta_operation){ .key = gone->key };
    if (topic->record.buried_ms > 0) {
        gone->operation.is_delete = true;
    } else {
        gone->operation.value = ks_slice(gone->bytes, ks_gone_record_encode(&record, gone->bytes));
    }
    gone->txn = (struct kafscale_meta_txn){ .compares = &gone->compare,
                                            .compare_count = 1,
                                            .operations = &gone->operation,
                                            .operation_count = 1 };
    ks_meta_txn(gone->meta, &gone->txn, on_written, gone);
}

/* --- Burying --------------------------------------------------------------------------------- */

static void
on_buried(void *arg, enum kafscale_status status)
{
    struct ks_gone_topics *gone = arg;
    struct gone_topic *topic = find(gone, &gone->current);

    if (topic == NULL || gone->is_ended) {
        ks_chore_rest(&gone->burial);
        end_run(gone);
    } else if (status == KAFSCALE_OK) {
        write_record(gone, topic);
    } else {
        ks_chore_fail(&gone->burial, ks_env_now_ms(gone->env), kafscale_status_text(status));
        ks_log(&gone->env->logger,
               status == KAFSCALE_EXISTS ? KAFSCALE_LOG_ERROR : KAFSCALE_LOG_WARN,
               "what a deleted topic left is not deleted yet topic=%s error=%s", topic->record.name,
               kafscale_status_text(status));
        topic->due_ms = ks_env_now_ms(gone->env) + RETRY_MS;
        end_run(gone);
    }
}

static void
run(void *arg)
{
    struct ks_gone_topics *gone = arg;
    struct gone_topic *topic = first_due(gone);
    char prefix[KS_TOPIC_PREFIX_BYTES];

    if (topic == NULL || gone->is_running || gone->is_ended) {
        return;
    }
    gone->current = topic->record.id;
    ks_topic_prefix(topic->record.name, &topic->record.id, topic->record.is_later_life, prefix);
    gone->is_running = true;
    if (ks_log_bury_topic(gone->log, &topic->record.id, prefix, on_buried, gone) != KAFSCALE_OK) {
        topic->due_ms = ks_env_now_ms(gone->env) + RETRY_MS;
        end_run(gone);
    }
}

/* --- What there is --------------------------------------------------------------------------- */

/* Wall clocks may have gone back since: nothing waits longer than once around. */
static int64_t
due_of(const struct ks_gone_topics *gone, const struct ks_gone_record *record)
{
    int64_t since_ms = ks_env_wall_ms(gone->env) - record->buried_ms;
    int64_t wait_ms = since_ms < 0 ? gone->again_ms : gone->again_ms - since_ms;

    if (record->buried_ms == 0 || wait_ms < 0) {
        wait_ms = 0;
    }
    return ks_env_now_ms(gone->env) + wait_ms;
}

/* Without memory it is found by the next start. */
static void
take_entry(struct ks_gone_topics *gone, const struct ks_id *id,
           const struct kafscale_meta_entry *entry)
{
    struct ks_gone_record record = { .id = *id };
    struct gone_topic *topic = find(gone, id);
    struct kafscale_error error = { 0 };

    if (ks_gone_record_decode(entry->value, &record, &error) != KAFSCALE_OK) {
        ks_log(&gone->env->logger, KAFSCALE_LOG_ERROR,
               "record of a deleted topic skipped key=%s error=%s", entry->key, error.text);
        return;
    }
    if (topic == NULL) {
        topic = ks_alloc_zero(1, sizeof *topic);
        if (topic == NULL) {
            return;
        }
        ks_list_append(&gone->topics, &topic->link);
    }
    topic->record = record;
    topic->version = entry->version;
    topic->due_ms = due_of(gone, &record);
}

void
ks_gone_topics_apply(struct ks_gone_topics *gone, const struct kafscale_meta_entry *entry,
                     bool is_delete)
{
    struct ks_id id;
    struct gone_topic *topic;

    if (!ks_gone_record_key_parse(entry->key, &id) || gone->is_ended) {
        return;
    }
    if (!is_delete) {
        take_entry(gone, &id, entry);
        wait(gone);
        return;
    }
    topic = find(gone, &id);
    if (topic != NULL) {
        topic_free(topic);
    }
}

static void
on_read(void *arg, enum kafscale_status status, const struct kafscale_meta_entry *entries,
        size_t entry_count, uint64_t revision, const struct kafscale_error *error)
{
    struct ks_gone_topics *gone = arg;

    (void) revision;
    (void) error;
    gone->is_reading = false;
    if (status == KAFSCALE_OK && entry_count == 0) {
        ks_chore_rest(&gone->burial);
    }
    if (status != KAFSCALE_OK && !gone->is_ended) {
        ks_chore_fail(&gone->burial, ks_env_now_ms(gone->env), kafscale_status_text(status));
        ks_log(&gone->env->logger, KAFSCALE_LOG_WARN,
               "deleted topics that have left something are not known yet error=%s",
               kafscale_status_text(status));
        ks_env_set_timer(gone->env, &gone->read_timer, ks_env_now_ms(gone->env) + RETRY_MS);
    }
    for (size_t i = 0; i < entry_count && status == KAFSCALE_OK; i++) {
        ks_gone_topics_apply(gone, &entries[i], false);
    }
}

static void
read_all(void *arg)
{
    struct ks_gone_topics *gone = arg;

    if (!gone->is_reading) {
        gone->is_reading = true;
        gone->read = (struct kafscale_meta_read){ .key = "gone/", .is_prefix = true };
        ks_meta_read(gone->meta, &gone->read, on_read, gone);
    }
}

void
ks_gone_topics_init(struct ks_gone_topics *gone, struct ks_env *env, struct ks_meta *meta,
                    int64_t again_ms)
{
    *gone = (struct ks_gone_topics){ .env = env, .meta = meta, .again_ms = again_ms };
    gone->burial.name = "burial";
    ks_list_init(&gone->topics);
    gone->timer = (struct ks_timer){ .on_due = run, .arg = gone };
    gone->read_timer = (struct ks_timer){ .on_due = read_all, .arg = gone };
}

void
ks_gone_topics_start(struct ks_gone_topics *gone, struct ks_log *log)
{
    gone->log = log;
    read_all(gone);
}

void
ks_gone_topics_end(struct ks_gone_topics *gone)
{
    if (gone->env != NULL) {
        gone->is_ended = true;
        ks_env_cancel_timer(gone->env, &gone->timer);
        ks_env_cancel_timer(gone->env, &gone->read_timer);
    }
}

void
ks_gone_topics_deinit(struct ks_gone_topics *gone)
{
    if (gone->env == NULL) {
        return;
    }
    ks_gone_topics_end(gone);
    while (!ks_list_is_empty(&gone->topics)) {
        topic_free(KS_CONTAINER(gone->topics.next, struct gone_topic, link));
    }
}
