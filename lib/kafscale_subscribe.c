/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Consumers in groups. A rebalance waits for the next poll, so that the program has done, and can
 * have committed, what it was given before another one is given the same; who gets records by a
 * callback has them at once. Whoever doesn't poll for long enough leaves the group.
 */
#include "kafscale_consumer.h"
#include "net/net.h"

#include <string.h>

/* --- Positions -------------------------------------------------------------------------------- */

static struct ks_position *
position_of(struct ks_list *link)
{
    return KS_CONTAINER(link, struct ks_position, link);
}

/* Looks behind `near` first, which is the list or one of its positions. */
static struct ks_position *
find_position(struct kafscale_consumer *consumer, struct ks_list *near, const char *topic,
              int32_t partition)
{
    struct ks_list *node = near;

    do {
        node = node->next;
        if (node != &consumer->positions) {
            struct ks_position *position = position_of(node);

            if (position->partition == partition && strcmp(position->topic, topic) == 0) {
                return position;
            }
        }
    } while (node != near);
    return NULL;
}

static void
forget_positions(struct kafscale_consumer *consumer)
{
    struct ks_list *node;

    while ((node = ks_list_take_first(&consumer->positions)) != NULL) {
        ks_free(position_of(node));
    }
}

/* Without memory it isn't committed, and read again by the next one. */
void
ks_consumer_note(struct kafscale_consumer *consumer, const struct kafscale_fetched *fetched)
{
    struct ks_position *position;

    if (consumer->group_id == NULL || fetched->error != 0) {
        return;
    }
    position = find_position(consumer, &consumer->positions, fetched->topic, fetched->partition);
    if (position == NULL) {
        size_t name_size = strlen(fetched->topic) + 1;

        position = ks_alloc_zero(1, sizeof *position + name_size);
        if (position == NULL) {
            return;
        }
        memcpy(position->topic, fetched->topic, name_size);
        position->partition = fetched->partition;
        ks_list_append(&consumer->positions, &position->link);
    }
    position->offset = fetched->end;
    position->is_committed = false;
}

/* --- Commits ---------------------------------------------------------------------------------- */

/* Of the program that waits for it and of the loop; the names of its topics lie behind it. */
struct commit {
    struct ks_commit commit;
    struct ks_list link; /* of the consumer, until the loop takes it */
    struct kafscale_consumer *consumer;
    atomic_int references;
    bool is_done; /* this and what follows: under the lock */
    enum kafscale_status status;
    int16_t kafka_error;
    struct ks_commit_offset offsets[];
};

static void
commit_unref(struct commit *commit)
{
    if (atomic_fetch_sub(&commit->references, 1) == 1) {
        ks_free(commit);
    }
}

/* With the lock. The positions have the commit's order, mostly: none is searched for far. */
static void
note_committed(struct kafscale_consumer *consumer, const struct ks_commit *commit)
{
    struct ks_list *near = &consumer->positions;

    for (size_t i = 0; i < commit->count; i++) {
        const struct ks_commit_offset *offset = &commit->offsets[i];
        struct ks_position *position =
            find_position(consumer, near, (const char *) offset->topic.data, offset->partition);

        if (position != NULL) {
            near = &position->link;
            position->is_committed |= position->offset == offset->offset;
        }
    }
}

static void
on_committed(struct ks_commit *ended, enum kafscale_status status, int16_t kafka_error)
{
    struct commit *commit = KS_CONTAINER(ended, struct commit, commit);
    struct kafscale_consumer *consumer = commit->consumer;

    ks_local_lock(&consumer->local);
    commit->is_done = true;
    commit->status = status;
    commit->kafka_error = kafka_error;
    if (status == KAFSCALE_OK) {
        note_committed(consumer, &commit->commit);
    }
    pthread_cond_broadcast(&consumer->local.changed);
    ks_local_unlock(&consumer->local);
    commit_unref(commit);
}

/* With the lock: all that the program was given and has not committed. NULL without memory. */
static struct commit *
commit_new(struct kafscale_consumer *consumer)
{
    size_t count = 0;
    size_t bytes = 0;
    struct commit *commit;
    char *name;

    for (struct ks_list *node = consumer->positions.next; node != &consumer->positions;
         node = node->next) {
        count += !position_of(node)->is_committed;
        bytes += strlen(position_of(node)->topic) + 1;
    }
    commit = ks_alloc_zero(1, sizeof *commit + count * sizeof *commit->offsets + bytes);
    if (commit == NULL) {
        return NULL;
    }
    commit->commit.done = on_committed;
    commit->commit.offsets = commit->offsets;
    commit->consumer = consumer;
    atomic_store(&commit->references, 2);
    name = (char *) &commit->offsets[count];
    for (struct ks_list *node = consumer->positions.next; node != &consumer->positions;
         node = node->next) {
        const struct ks_position *position = position_of(node);
        size_t size = strlen(position->topic) + 1;

        if (position->is_committed) {
            continue;
        }
        memcpy(name, position->topic, size);
        commit->offsets[commit->commit.count++] = (struct ks_commit_offset){
            .topic = ks_slice(name, size - 1),
            .partition = position->partition,
            .offset = position->offset,
        };
        name += size;
    }
    return commit;
}

static enum kafscale_status
result_of(const struct commit *commit, struct kafscale_error *error)
{
    switch (commit->status) {
    case KAFSCALE_OK:
        return KAFSCALE_OK;
    case KAFSCALE_CONFLICT:
        return ks_error_set(error, KAFSCALE_CONFLICT, "commit: the group has gone on: %s",
                            kafka_error_name(commit->kafka_error));
    case KAFSCALE_NO_MEMORY:
        return ks_error_set(error, KAFSCALE_NO_MEMORY, "commit: no memory");
    default:
        return ks_error_set(error, commit->status, "commit: %s",
                            kafka_error_name(commit->kafka_error));
    }
}

/* With the lock. */
static enum kafscale_status
wait_for(struct commit *commit, int64_t timeout_ms, struct kafscale_error *error)
{
    struct ks_local *local = &commit->consumer->local;
    int64_t due_ms = ks_monotonic_after(timeout_ms);

    while (!commit->is_done && timeout_ms != 0) {
        if (local->broker == NULL) {
            return ks_error_set(error, KAFSCALE_STOPPED, "the broker has been stopped");
        }
        if (!ks_local_wait(local, due_ms) && !commit->is_done) {
            return ks_error_set(error, KAFSCALE_UNAVAILABLE, "commit: the time is over");
        }
    }
    return commit->is_done ? result_of(commit, error) : KAFSCALE_OK;
}

static enum kafscale_status
check_commit(const struct kafscale_consumer *consumer, int64_t timeout_ms,
             struct kafscale_error *error)
{
    if (consumer->group_id == NULL) {
        return ks_error_set(error, KAFSCALE_INVALID, "commit: the consumer has no group_id");
    }
    if (consumer->local.broker == NULL) {
        return ks_error_set(error, KAFSCALE_STOPPED, "the broker has been stopped");
    }
    if (timeout_ms != 0 && ks_local_is_on_loop(&consumer->local)) {
        return ks_error_set(error, KAFSCALE_INVALID, "commit: nobody can wait on the loop thread");
    }
    return KAFSCALE_OK;
}

enum kafscale_status
kafscale_consumer_commit(struct kafscale_consumer *consumer, int64_t timeout_ms,
                         struct kafscale_error *error)
{
    struct kafscale_error unused = { 0 };
    struct commit *commit = NULL;
    enum kafscale_status status;

    error = error == NULL ? &unused : error;
    ks_local_lock(&consumer->local);
    status = check_commit(consumer, timeout_ms, error);
    if (status == KAFSCALE_OK) {
        commit = commit_new(consumer);
        status = commit == NULL ? ks_error_set(error, KAFSCALE_NO_MEMORY, "commit: no memory")
                                : KAFSCALE_OK;
    }
    if (commit != NULL && commit->commit.count == 0) {
        ks_free(commit);
    } else if (commit != NULL) {
        ks_list_append(&consumer->commits, &commit->link);
        ks_local_call(&consumer->local);
        status = wait_for(commit, timeout_ms, error);
        commit_unref(commit);
    }
    ks_local_unlock(&consumer->local);
    return status;
}

/* --- What the group tells, on the loop -------------------------------------------------------- */

static void
on_called(void *arg)
{
    struct kafscale_consumer *consumer = arg;

    ks_local_lock(&consumer->local);
    consumer->is_called = true;
    if (consumer->fetched != NULL) {
        ks_consumer_give_up(consumer);
    }
    pthread_cond_broadcast(&consumer->local.changed);
    ks_local_unlock(&consumer->local);
}

static void
tell_error(struct kafscale_consumer *consumer, const char *topic, int32_t partition,
           int16_t kafka_error)
{
    struct kafscale_fetched *fetched = ks_fetched_new(topic, partition, 0);

    if (fetched != NULL) {
        fetched->error = kafka_error;
        fetched->high_watermark = -1;
        ks_consumer_pass_on(consumer, fetched);
    }
}

static void
on_failed(void *arg, int16_t kafka_error)
{
    tell_error(arg, "", -1, kafka_error);
}

/* Without memory all is assigned once more. */
static void
on_assigned(void *arg, struct kafscale_slice topic, int32_t partition, int64_t offset)
{
    struct kafscale_consumer *consumer = arg;
    int64_t position = offset >= 0 ? offset : consumer->reader_options.reset;
    struct ks_read_partition *read = ks_read_partition_new(topic, partition, position);

    if (read == NULL) {
        on_called(consumer);
    } else if (position == KS_READ_NOWHERE) {
        tell_error(consumer, read->topic, partition, KAFKA_ERROR_OFFSET_OUT_OF_RANGE);
        ks_read_partition_free(read);
    } else {
        ks_reader_add(&consumer->reader, read);
    }
}

static bool
is_alive(void *arg)
{
    struct kafscale_consumer *consumer = arg;
    bool is_alive;

    ks_local_lock(&consumer->local);
    is_alive =
        consumer->fetched != NULL || consumer->polling > 0 ||
        ks_monotonic_ms() - consumer->polled_ms < consumer->membership_options.rebalance_timeout_ms;
    ks_local_unlock(&consumer->local);
    return is_alive;
}

/* --- The loop's side -------------------------------------------------------------------------- */

static void
on_quiet(void *arg)
{
    struct kafscale_consumer *consumer = arg;

    ks_local_quiet(&consumer->local);
}

void
ks_consumer_group_init(struct kafscale_consumer *consumer)
{
    ks_list_init(&consumer->positions);
    ks_list_init(&consumer->commits);
}

void
ks_consumer_group_open(struct kafscale_consumer *consumer, struct ks_env *env,
                       const struct ks_request_sink *sink)
{
    struct ks_membership_events events = { .arg = consumer,
                                           .called = on_called,
                                           .assigned = on_assigned,
                                           .failed = on_failed,
                                           .is_alive = is_alive };

    ks_membership_init(&consumer->membership, env, sink, &consumer->membership_options, &events);
    consumer->membership.asker.on_quiet = on_quiet;
    consumer->membership.asker.quiet_arg = consumer;
    consumer->membership.committer.on_quiet = on_quiet;
    consumer->membership.committer.quiet_arg = consumer;
}

void
ks_consumer_give_up(struct kafscale_consumer *consumer)
{
    consumer->is_called = false;
    consumer->may_join = true;
    ks_consumer_drop_all(consumer);
    forget_positions(consumer);
    ks_local_call(&consumer->local);
}

static void
read_nothing(struct kafscale_consumer *consumer)
{
    while (!ks_list_is_empty(&consumer->reader.partitions)) {
        ks_reader_remove(
            KS_CONTAINER(consumer->reader.partitions.next, struct ks_read_partition, link));
    }
}

void
ks_consumer_group_run(struct kafscale_consumer *consumer)
{
    struct ks_membership *membership = &consumer->membership;
    bool may_join;
    bool is_subscribed;
    struct ks_list commits;
    struct ks_list *node;

    ks_list_init(&commits);
    ks_local_lock(&consumer->local);
    while ((node = ks_list_take_first(&consumer->commits)) != NULL) {
        ks_list_append(&commits, node);
    }
    if (consumer->is_new) {
        ks_membership_subscribe(membership, &consumer->subscription);
        consumer->is_new = false;
    }
    may_join = consumer->may_join;
    is_subscribed = consumer->is_subscribed;
    consumer->may_join = false;
    ks_local_unlock(&consumer->local);
    while ((node = ks_list_take_first(&commits)) != NULL) {
        struct commit *commit = KS_CONTAINER(node, struct commit, link);

        if (membership->is_ended) {
            on_committed(&commit->commit, KAFSCALE_STOPPED, KAFKA_ERROR_NONE);
        } else {
            ks_membership_commit(membership, &commit->commit);
        }
    }
    if (may_join) {
        read_nothing(consumer);
    }
    if (may_join && is_subscribed) {
        ks_membership_join(membership);
    } else if (may_join) {
        ks_membership_leave(membership);
    }
}

void
ks_consumer_group_end(struct kafscale_consumer *consumer)
{
    if (!consumer->membership.is_ended) {
        ks_membership_leave(&consumer->membership);
    }
}

bool
ks_consumer_group_is_quiet(const struct kafscale_consumer *consumer)
{
    return ks_membership_is_quiet(&consumer->membership);
}

void
ks_consumer_group_close(struct kafscale_consumer *consumer)
{
    ks_membership_deinit(&consumer->membership);
}

void
ks_consumer_group_deinit(struct kafscale_consumer *consumer)
{
    struct ks_list *node;

    forget_positions(consumer);
    while ((node = ks_list_take_first(&consumer->commits)) != NULL) {
        commit_unref(KS_CONTAINER(node, struct commit, link));
    }
    ks_subscribed_deinit(&consumer->subscription);
}

/* --- The caller's side ------------------------------------------------------------------------ */

static enum kafscale_status
check_topics(const struct kafscale_consumer *consumer, const char *const *topics, size_t count,
             struct kafscale_error *error)
{
    if (consumer->group_id == NULL) {
        return ks_error_set(error, KAFSCALE_INVALID, "subscribe: the consumer has no group_id");
    }
    if (count > INT32_MAX || (count > 0 && topics == NULL)) {
        return ks_error_set(error, KAFSCALE_INVALID, "subscribe: no topics");
    }
    for (size_t i = 0; i < count; i++) {
        if (topics[i] == NULL || *topics[i] == '\0' || strlen(topics[i]) > INT16_MAX) {
            return ks_error_set(error, KAFSCALE_INVALID, "subscribe: the topic's name");
        }
    }
    return KAFSCALE_OK;
}

static enum kafscale_status
refuse(enum kafscale_status status, struct kafscale_error *error)
{
    return ks_error_set(error, status,
                        status == KAFSCALE_TOO_LARGE ? "subscribe: too many topics"
                                                     : "subscribe: no memory");
}

enum kafscale_status
kafscale_consumer_subscribe(struct kafscale_consumer *consumer, const char *const *topics,
                            size_t topic_count, struct kafscale_error *error)
{
    struct kafscale_error unused = { 0 };
    struct ks_subscribed subscribed;
    enum kafscale_status status;

    error = error == NULL ? &unused : error;
    status = check_topics(consumer, topics, topic_count, error);
    if (status != KAFSCALE_OK) {
        return status;
    }
    status = ks_subscribed_init(&subscribed, topics, topic_count);
    if (status != KAFSCALE_OK) {
        return refuse(status, error);
    }
    ks_local_lock(&consumer->local);
    if (consumer->local.broker == NULL) {
        status = ks_error_set(error, KAFSCALE_STOPPED, "the broker has been stopped");
    } else if (consumer->is_assigned) {
        status = ks_error_set(error, KAFSCALE_INVALID,
                              "subscribe: the consumer has partitions of its own");
    } else {
        struct ks_subscribed earlier = consumer->subscription;

        consumer->subscription = subscribed;
        subscribed = earlier;
        consumer->is_new = true;
        consumer->is_subscribed = topic_count > 0;
        consumer->polled_ms = ks_monotonic_ms();
        ks_consumer_give_up(consumer);
    }
    ks_local_unlock(&consumer->local);
    ks_subscribed_deinit(&subscribed);
    return status;
}
