/* SPDX-License-Identifier: Apache-2.0 */
/* The log refuses what does not fit; asking it beforehand keeps the order. */
#include "broker/appender.h"

#include <assert.h>

static enum ks_broker_error
error_of_result(enum ks_append_result result, const struct ks_topic *topic)
{
    switch (result) {
    case KS_APPEND_OK:
        return KS_BROKER_ERROR_NONE;
    case KS_APPEND_OUT_OF_ORDER:
        return KS_BROKER_ERROR_OUT_OF_ORDER;
    case KS_APPEND_OLD_EPOCH:
        return KS_BROKER_ERROR_OLD_EPOCH;
    case KS_APPEND_TOO_MANY_PRODUCERS:
        return KS_BROKER_ERROR_TOO_MANY_PRODUCERS;
    case KS_APPEND_FULL:
        return KS_BROKER_ERROR_TIMED_OUT;
    case KS_APPEND_NOT_OWNER:
        return topic->is_gone ? KS_BROKER_ERROR_UNKNOWN_TOPIC : KS_BROKER_ERROR_NOT_OWNER;
    case KS_APPEND_FAILED:
        break;
    }
    return KS_BROKER_ERROR_FAILED;
}

void
ks_pending_append_end(struct ks_pending_append *pending, enum ks_broker_error error)
{
    struct ks_topic *topic = pending->partition->topic;

    pending->done(pending, error);
    ks_topic_unref(topic);
}

static void
on_appended(struct ks_append *append, enum ks_append_result result)
{
    struct ks_pending_append *pending = KS_CONTAINER(append, struct ks_pending_append, append);

    ks_pending_append_end(pending, error_of_result(result, pending->partition->topic));
}

static bool
has_room(const struct ks_appender *appender, const struct ks_pending_append *pending)
{
    struct ks_log_counters counters;

    ks_log_get_counters(appender->log, &counters);
    return counters.unflushed_bytes == 0 ||
           counters.unflushed_bytes + pending->append.batch.bytes.size <=
               appender->unflushed_bytes_max;
}

static void
refuse(struct ks_appender *appender, struct ks_pending_append *pending)
{
    pending->is_queued = false;
    ks_list_remove(&pending->link);
    ks_list_append(&appender->refused, &pending->link);
    ks_env_defer(appender->env, &appender->task);
}

void
ks_appender_pass_over(struct ks_appender *appender, struct ks_topic_partition *partition,
                      const struct ks_batch *batch)
{
    if (partition->log == NULL) {
        ks_refusals_note(&partition->refusals, batch);
        return;
    }
    ks_log_pass_over(appender->log, partition->log, batch);
}

static void
submit(struct ks_appender *appender, struct ks_pending_append *pending)
{
    pending->append.done = on_appended;
    ks_log_append(appender->log, pending->partition->log, &pending->append);
}

static void
answer_refused(struct ks_appender *appender)
{
    struct ks_list *node;

    while ((node = ks_list_take_first(&appender->refused)) != NULL) {
        struct ks_pending_append *pending = KS_CONTAINER(node, struct ks_pending_append, link);
        enum ks_broker_error error = pending->partition->error;

        if (pending->is_given_up) {
            error = KS_BROKER_ERROR_TIMED_OUT;
        } else if (error == KS_BROKER_ERROR_NONE) {
            error = KS_BROKER_ERROR_NOT_OWNER;
        }
        ks_pending_append_end(pending, error);
    }
}

static void
on_task(void *arg)
{
    struct ks_appender *appender = arg;

    while (!ks_list_is_empty(&appender->queue)) {
        struct ks_pending_append *pending =
            KS_CONTAINER(appender->queue.next, struct ks_pending_append, link);

        if (appender->is_ended || pending->partition->log == NULL) {
            refuse(appender, pending);
            continue;
        }
        if (!has_room(appender, pending)) {
            break;
        }
        pending->is_queued = false;
        ks_list_remove(&pending->link);
        submit(appender, pending);
    }
    answer_refused(appender);
}

void
ks_appender_init(struct ks_appender *appender, struct ks_env *env, struct ks_log *log,
                 size_t unflushed_bytes_max)
{
    *appender =
        (struct ks_appender){ .env = env, .log = log, .unflushed_bytes_max = unflushed_bytes_max };
    ks_list_init(&appender->queue);
    ks_list_init(&appender->refused);
    appender->task.run = on_task;
    appender->task.arg = appender;
}

void
ks_appender_append(struct ks_appender *appender, struct ks_pending_append *pending)
{
    ks_topic_ref(pending->partition->topic);
    pending->is_given_up = false;
    pending->is_queued = false;
    pending->link = (struct ks_list){ 0 };
    if (appender->is_ended || pending->partition->log == NULL) {
        ks_appender_pass_over(appender, pending->partition, &pending->append.batch);
        refuse(appender, pending);
        return;
    }
    if (!ks_list_is_empty(&appender->queue) || !has_room(appender, pending)) {
        pending->is_queued = true;
        ks_list_append(&appender->queue, &pending->link);
        return;
    }
    submit(appender, pending);
}

static bool
is_same_producer(const struct ks_pending_append *a, const struct ks_pending_append *b)
{
    return a->partition == b->partition &&
           a->append.batch.producer_id == b->append.batch.producer_id &&
           a->append.batch.producer_id >= 0;
}

/* A batch that comes later, over an empty queue, must not pass those that were given up either. */
static void
give_up(struct ks_appender *appender, struct ks_pending_append *pending)
{
    ks_appender_pass_over(appender, pending->partition, &pending->append.batch);
    pending->is_given_up = true;
    refuse(appender, pending);
}

void
ks_appender_give_up(struct ks_appender *appender, struct ks_pending_append *pending)
{
    struct ks_list *node;

    if (!pending->is_queued) {
        return;
    }
    node = pending->link.next;
    give_up(appender, pending);
    while (node != &appender->queue) {
        struct ks_pending_append *later = KS_CONTAINER(node, struct ks_pending_append, link);

        node = node->next;
        if (is_same_producer(pending, later)) {
            give_up(appender, later);
        }
    }
}

void
ks_appender_go_on(struct ks_appender *appender)
{
    if (!ks_list_is_empty(&appender->queue)) {
        ks_env_defer(appender->env, &appender->task);
    }
}

void
ks_appender_end(struct ks_appender *appender)
{
    if (appender->env == NULL || appender->is_ended) {
        return;
    }
    appender->is_ended = true;
    ks_env_defer(appender->env, &appender->task);
}

void
ks_appender_deinit(struct ks_appender *appender)
{
    if (appender->env == NULL) {
        return;
    }
    assert(ks_list_is_empty(&appender->queue));
    assert(ks_list_is_empty(&appender->refused));

    ks_env_cancel_task(&appender->task);
}
