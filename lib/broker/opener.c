/* SPDX-License-Identifier: Apache-2.0 */
/* Two lists of topics: those of the opening under way, and those for the next one. */
#include "broker/opener.h"

#include <assert.h>

#define RETRY_FIRST_MS 100
#define RETRY_LAST_MS 5000

static void run(struct ks_opener *opener);

static void
free_arrays(struct ks_opener *opener)
{
    ks_free(opener->names);
    ks_free(opener->topic_names);
    ks_free(opener->prefixes);
    ks_free(opener->partitions);
    ks_free(opener->results);
    opener->names = NULL;
    opener->topic_names = NULL;
    opener->prefixes = NULL;
    opener->partitions = NULL;
    opener->results = NULL;
    opener->count = 0;
}

static void
retry_later(struct ks_opener *opener)
{
    int64_t wait_ms = ks_backoff_ms(RETRY_FIRST_MS, RETRY_LAST_MS, opener->failures);

    opener->failures++;
    ks_env_set_timer(opener->env, &opener->retry, ks_env_now_ms(opener->env) + wait_ms);
}

static void
on_retry(void *arg)
{
    run(arg);
}

static void
drop(struct ks_topic *topic)
{
    ks_list_remove(&topic->link);
    topic->is_opening = false;
    ks_place_wake(&topic->opened);
    ks_topic_unref(topic);
}

/* Also links a partition of a topic that was deleted meanwhile, only to forget it at once. */
static void
take_open(struct ks_opener *opener, struct ks_topic_partition *partition,
          const struct ks_partition_name *name)
{
    struct ks_partition *log_partition = ks_log_find(opener->log, name);

    assert(log_partition != NULL);

    if (partition->topic->is_gone) {
        ks_log_forget(opener->log, log_partition);
        return;
    }
    ks_partition_set_user(log_partition, partition);
    partition->log = log_partition;
    partition->error = KS_BROKER_ERROR_NONE;
    opener->opened(opener->arg, partition);
    ks_refusals_hand_over(&partition->refusals, opener->log, log_partition);
}

/* True: to be tried again. */
static bool
take_result(struct ks_opener *opener, size_t i)
{
    struct ks_topic_partition *partition = opener->partitions[i];
    enum kafscale_status status = opener->results[i];

    switch (status) {
    case KAFSCALE_OK:
        take_open(opener, partition, &opener->names[i]);
        return false;
    case KAFSCALE_NOT_FOUND:
        return false;
    case KAFSCALE_FENCED:
        partition->error = KS_BROKER_ERROR_NOT_OWNER;
        opener->fenced(opener->arg, "another broker has claimed the partitions");
        return false;
    case KAFSCALE_CORRUPT:
    case KAFSCALE_FAILED:
        partition->error = KS_BROKER_ERROR_FAILED;
        ks_log(&opener->env->logger, KAFSCALE_LOG_ERROR,
               "partition not served topic=%s partition=%d status=%s",
               partition->topic->record.name, (int) partition->index, kafscale_status_text(status));
        return false;
    default:
        return !partition->topic->is_gone;
    }
}

static bool
needs_opening(const struct ks_topic_partition *partition)
{
    return partition->log == NULL && partition->error == KS_BROKER_ERROR_NOT_OPEN;
}

static size_t
count_closed(const struct ks_topic *topic)
{
    size_t count = 0;

    for (int32_t i = 0; i < topic->record.partition_count; i++) {
        count += needs_opening(topic->partitions[i]);
    }
    return count;
}

/* Whether something of a topic is to be opened that the opening that ends has left. */
static bool
must_go_on(const struct ks_opener *opener, const struct ks_topic *topic, bool has_rest)
{
    return (has_rest || topic->has_grown) && !topic->is_gone && !opener->is_ended &&
           count_closed(topic) > 0;
}

/* What can't be read isn't tried again: it is counted, and doesn't fail on. */
static void
note_outcome(struct ks_opener *opener, enum kafscale_status status, bool has_rest)
{
    int64_t now_ms = ks_env_now_ms(opener->env);

    for (size_t i = 0; i < opener->count; i++) {
        status = opener->results[i] == KAFSCALE_OK ? status : opener->results[i];
    }
    if (status == KAFSCALE_OK || status == KAFSCALE_NOT_FOUND) {
        ks_chore_succeed(&opener->opening, now_ms);
        return;
    }
    ks_chore_fail(&opener->opening, now_ms, kafscale_status_text(status));
    if (!has_rest) {
        ks_chore_rest(&opener->opening);
    }
}

static void
on_open(void *arg, enum kafscale_status status, const struct kafscale_error *error)
{
    struct ks_opener *opener = arg;
    bool has_rest = false;

    if (status != KAFSCALE_OK) {
        ks_log(&opener->env->logger, KAFSCALE_LOG_WARN, "partitions not opened error=%s",
               error == NULL ? kafscale_status_text(status) : error->text);
    }
    opener->is_running = false;
    for (size_t i = 0; i < opener->count; i++) {
        has_rest |= take_result(opener, i);
    }
    note_outcome(opener, status, has_rest);
    free_arrays(opener);
    while (!ks_list_is_empty(&opener->current)) {
        struct ks_topic *topic = KS_CONTAINER(opener->current.next, struct ks_topic, link);

        if (must_go_on(opener, topic, has_rest)) {
            ks_list_remove(&topic->link);
            ks_list_append(&opener->waiting, &topic->link);
        } else {
            drop(topic);
        }
    }
    if (has_rest && !opener->is_ended) {
        retry_later(opener);
        return;
    }
    opener->failures = 0;
    run(opener);
}

static bool
make_arrays(struct ks_opener *opener, size_t count)
{
    opener->names = ks_alloc_zero(count, sizeof *opener->names);
    opener->topic_names = ks_alloc_zero(count, sizeof *opener->topic_names);
    opener->prefixes = ks_alloc_zero(count, sizeof *opener->prefixes);
    opener->partitions = ks_alloc_zero(count, sizeof *opener->partitions);
    opener->results = ks_alloc_zero(count, sizeof *opener->results);
    return opener->names != NULL && opener->topic_names != NULL && opener->prefixes != NULL &&
           opener->partitions != NULL && opener->results != NULL;
}

static void
add_partitions(struct ks_opener *opener, struct ks_topic *topic)
{
    for (int32_t i = 0; i < topic->record.partition_count; i++) {
        struct ks_topic_partition *partition = topic->partitions[i];
        size_t place = opener->count;

        if (!needs_opening(partition)) {
            continue;
        }
        opener->names[place] =
            (struct ks_partition_name){ .topic = topic->record.id, .index = partition->index };
        opener->topic_names[place] = topic->record.name;
        opener->prefixes[place] = topic->prefix;
        opener->partitions[place] = partition;
        opener->results[place] = KAFSCALE_UNAVAILABLE;
        opener->count++;
    }
}

/*
 * Moves every waiting topic that has something to open to `current`; returns how many partitions
 * that are.
 */
static size_t
gather(struct ks_opener *opener)
{
    struct ks_list *node;
    size_t count = 0;

    while ((node = ks_list_take_first(&opener->waiting)) != NULL) {
        struct ks_topic *topic = KS_CONTAINER(node, struct ks_topic, link);
        size_t closed = topic->is_gone ? 0 : count_closed(topic);

        if (closed == 0) {
            drop(topic);
            continue;
        }
        count += closed;
        topic->has_grown = false;
        ks_list_append(&opener->current, &topic->link);
    }
    return count;
}

static void
give_back(struct ks_opener *opener)
{
    struct ks_list *node;

    free_arrays(opener);
    while ((node = ks_list_take_first(&opener->current)) != NULL) {
        ks_list_append(&opener->waiting, node);
    }
    retry_later(opener);
}

static void
run(struct ks_opener *opener)
{
    size_t count;

    if (opener->log == NULL || opener->is_running || opener->is_ended) {
        return;
    }
    ks_env_cancel_timer(opener->env, &opener->retry);
    count = gather(opener);
    if (count == 0) {
        opener->idle(opener->arg);
        return;
    }
    if (!make_arrays(opener, count)) {
        give_back(opener);
        return;
    }
    for (struct ks_list *node = opener->current.next; node != &opener->current; node = node->next) {
        add_partitions(opener, KS_CONTAINER(node, struct ks_topic, link));
    }
    opener->open = (struct ks_log_open){ .names = opener->names,
                                         .topic_names = opener->topic_names,
                                         .prefixes = opener->prefixes,
                                         .count = opener->count,
                                         .sole_version = opener->sole_version,
                                         .results = opener->results };
    opener->is_running = true;
    if (ks_log_open(opener->log, &opener->open, on_open, opener) != KAFSCALE_OK) {
        opener->is_running = false;
        give_back(opener);
    }
}

void
ks_opener_init(struct ks_opener *opener, struct ks_env *env,
               void (*fenced)(void *arg, const char *why),
               void (*opened)(void *arg, struct ks_topic_partition *partition),
               void (*idle)(void *arg), void *arg)
{
    *opener = (struct ks_opener){
        .env = env, .fenced = fenced, .opened = opened, .idle = idle, .arg = arg
    };
    opener->opening.name = "opening";
    ks_list_init(&opener->waiting);
    ks_list_init(&opener->current);
    opener->retry.on_due = on_retry;
    opener->retry.arg = opener;
}

void
ks_opener_start(struct ks_opener *opener, struct ks_log *log, uint64_t sole_version)
{
    opener->log = log;
    opener->sole_version = sole_version;
    ks_env_set_timer(opener->env, &opener->retry, ks_env_now_ms(opener->env));
}

void
ks_opener_add(struct ks_opener *opener, struct ks_topic *topic)
{
    if (opener->is_ended) {
        return;
    }
    if (topic->is_opening) {
        topic->has_grown = true;
        return;
    }
    topic->is_opening = true;
    ks_topic_ref(topic);
    ks_list_append(&opener->waiting, &topic->link);
    if (opener->log != NULL && !opener->is_running && opener->failures == 0) {
        ks_env_set_timer(opener->env, &opener->retry, ks_env_now_ms(opener->env));
    }
}

void
ks_opener_end(struct ks_opener *opener)
{
    if (opener->env == NULL || opener->is_ended) {
        return;
    }
    opener->is_ended = true;
    ks_env_cancel_timer(opener->env, &opener->retry);
    while (!ks_list_is_empty(&opener->waiting)) {
        drop(KS_CONTAINER(opener->waiting.next, struct ks_topic, link));
    }
}

void
ks_opener_deinit(struct ks_opener *opener)
{
    if (opener->env == NULL) {
        return;
    }
    ks_opener_end(opener);
    while (!ks_list_is_empty(&opener->current)) {
        drop(KS_CONTAINER(opener->current.next, struct ks_topic, link));
    }
    free_arrays(opener);
}
