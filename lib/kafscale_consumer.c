/* SPDX-License-Identifier: Apache-2.0 */
/* A reader (client/reader.h), and a queue to the threads that poll it. */
#include "kafscale_consumer.h"

#include <string.h>

#define FETCH_BYTES_MIN ((size_t) 1024)
#define FETCH_BYTES_MAX ((size_t) 64 << 20)
#define SESSION_TIMEOUT_MS_MIN 1
#define POLL_INTERVAL_MS_MAX 86400000

/* Of an order: not to be read any more. */
#define NO_POSITION (-100)

/* --- The consumer ----------------------------------------------------------------------------- */

static struct kafscale_consumer *
of_local(struct ks_local *local)
{
    return KS_CONTAINER(local, struct kafscale_consumer, local);
}

static struct kafscale_fetched *
of_link(struct ks_list *link)
{
    return KS_CONTAINER(link, struct kafscale_fetched, link);
}

static bool
is_of(const struct kafscale_fetched *fetched, const char *topic, int32_t partition)
{
    return fetched->partition == partition && strcmp(fetched->topic, topic) == 0;
}

/* With the lock: of a partition that is read from elsewhere now, or of all. */
static void
drop_queue(struct kafscale_consumer *consumer, const char *topic, int32_t partition)
{
    struct ks_list *node = consumer->queue.next;

    while (node != &consumer->queue) {
        struct kafscale_fetched *fetched = of_link(node);

        node = node->next;
        if (topic == NULL || is_of(fetched, topic, partition)) {
            ks_list_remove(&fetched->link);
            consumer->queue_bytes -= fetched->bytes;
            kafscale_fetched_free(fetched);
        }
    }
}

void
ks_consumer_drop_all(struct kafscale_consumer *consumer)
{
    drop_queue(consumer, NULL, 0);
    consumer->is_full = false;
}

/* --- The loop's side -------------------------------------------------------------------------- */

/* With the lock: what was read before an order came is of no interest after it. */
static bool
is_outdated(const struct kafscale_consumer *consumer, const struct kafscale_fetched *fetched)
{
    for (struct ks_list *node = consumer->orders.next; node != &consumer->orders;
         node = node->next) {
        const struct ks_read_partition *order = KS_CONTAINER(node, struct ks_read_partition, link);

        if (is_of(fetched, order->topic, order->index)) {
            return true;
        }
    }
    return false;
}

/* With the lock. */
static void
put(struct kafscale_consumer *consumer, struct kafscale_fetched *fetched)
{
    ks_list_append(&consumer->queue, &fetched->link);
    consumer->queue_bytes += fetched->bytes;
    consumer->is_full = consumer->queue_bytes >= consumer->buffer_bytes;
    pthread_cond_signal(&consumer->local.changed);
}

void
ks_consumer_pass_on(struct kafscale_consumer *consumer, struct kafscale_fetched *fetched)
{
    bool is_dropped;
    bool is_full;

    ks_local_lock(&consumer->local);
    is_dropped = consumer->may_join || is_outdated(consumer, fetched);
    if (!is_dropped && consumer->fetched == NULL) {
        put(consumer, fetched);
    } else if (!is_dropped) {
        ks_consumer_note(consumer, fetched);
    }
    is_full = consumer->is_full;
    ks_local_unlock(&consumer->local);
    if (is_dropped) {
        kafscale_fetched_free(fetched);
    } else if (consumer->fetched != NULL) {
        consumer->fetched(consumer->fetched_arg, fetched);
    } else if (is_full) {
        ks_reader_pause(&consumer->reader, true);
    }
}

/* Without memory the records are read again. */
static void
on_read(void *arg, struct ks_read_partition *partition, int64_t position,
        const struct kafscale_part *parts, size_t part_count)
{
    struct kafscale_consumer *consumer = arg;
    struct kafscale_fetched *fetched =
        ks_fetched_new(partition->topic, partition->index, part_count);

    if (fetched == NULL) {
        partition->position = position;
        return;
    }
    for (size_t i = 0; i < part_count; i++) {
        fetched->parts[i].bytes = parts[i].bytes;
        fetched->parts[i].owner = parts[i].owner == NULL ? NULL : kafscale_blob_ref(parts[i].owner);
        fetched->bytes += parts[i].bytes.size;
    }
    fetched->part_count = part_count;
    fetched->position = position;
    fetched->end = partition->position;
    fetched->high_watermark = partition->high_watermark;
    ks_consumer_pass_on(consumer, fetched);
}

static void
on_failed(void *arg, struct ks_read_partition *partition, int16_t kafka_error)
{
    struct kafscale_fetched *fetched = ks_fetched_new(partition->topic, partition->index, 0);

    if (fetched == NULL) {
        ks_reader_seek(partition, partition->position);
        return;
    }
    fetched->error = kafka_error;
    fetched->high_watermark = partition->high_watermark;
    ks_consumer_pass_on(arg, fetched);
}

static void
on_quiet(void *arg)
{
    struct kafscale_consumer *consumer = arg;

    ks_local_quiet(&consumer->local);
}

static void
init(struct ks_local *local, struct ks_env *env, const struct ks_request_sink *sink)
{
    struct kafscale_consumer *consumer = of_local(local);
    struct ks_reader_events events = { .arg = consumer, .read = on_read, .failed = on_failed };

    ks_reader_init(&consumer->reader, env, sink, &consumer->reader_options, &events);
    consumer->reader.asker.on_quiet = on_quiet;
    consumer->reader.asker.quiet_arg = consumer;
    ks_consumer_group_open(consumer, env, sink);
}

static void
carry_out(struct kafscale_consumer *consumer, struct ks_read_partition *order)
{
    struct ks_read_partition *partition =
        ks_reader_find(&consumer->reader, ks_slice_of_text(order->topic), order->index);

    if (order->position != NO_POSITION && partition == NULL) {
        ks_reader_add(&consumer->reader, order);
        return;
    }
    if (order->position != NO_POSITION) {
        ks_reader_seek(partition, order->position);
    } else if (partition != NULL) {
        ks_reader_remove(partition);
    }
    ks_read_partition_free(order);
}

static void
run(struct ks_local *local)
{
    struct kafscale_consumer *consumer = of_local(local);
    struct ks_list orders;
    struct ks_list *node;
    bool is_full;

    ks_list_init(&orders);
    ks_local_lock(local);
    while ((node = ks_list_take_first(&consumer->orders)) != NULL) {
        ks_list_append(&orders, node);
    }
    is_full = consumer->is_full;
    ks_local_unlock(local);
    while ((node = ks_list_take_first(&orders)) != NULL) {
        carry_out(consumer, KS_CONTAINER(node, struct ks_read_partition, link));
    }
    ks_consumer_group_run(consumer);
    ks_reader_pause(&consumer->reader, is_full);
}

/* Nothing is sent to a broker that stops: the group finds out by itself. */
static void
stop(struct ks_local *local)
{
    ks_membership_end(&of_local(local)->membership);
    ks_reader_end(&of_local(local)->reader);
    ks_local_tell(local);
}

static void
end(struct ks_local *local)
{
    ks_consumer_group_end(of_local(local));
    stop(local);
}

static bool
is_quiet(const struct ks_local *local)
{
    const struct kafscale_consumer *consumer =
        KS_CONTAINER(local, const struct kafscale_consumer, local);

    return ks_reader_is_quiet(&consumer->reader) && ks_consumer_group_is_quiet(consumer);
}

static void
free_consumer(struct kafscale_consumer *consumer)
{
    struct ks_list *node;

    drop_queue(consumer, NULL, 0);
    while ((node = ks_list_take_first(&consumer->orders)) != NULL) {
        ks_read_partition_free(KS_CONTAINER(node, struct ks_read_partition, link));
    }
    ks_consumer_group_deinit(consumer);
    ks_local_deinit(&consumer->local);
    ks_free(consumer->client_id);
    ks_free(consumer->group_id);
    ks_free(consumer);
}

static void
free_local(struct ks_local *local)
{
    ks_reader_deinit(&of_local(local)->reader);
    ks_consumer_group_close(of_local(local));
    free_consumer(of_local(local));
}

static const struct ks_local_ops local_ops = {
    .init = init,
    .run = run,
    .stop = stop,
    .end = end,
    .is_quiet = is_quiet,
    .free = free_local,
};

/* --- The caller's side ------------------------------------------------------------------------ */

static enum kafscale_status
check_group_options(const struct kafscale_consumer_options *options, struct kafscale_error *error)
{
    if (options->group_id == NULL) {
        return KAFSCALE_OK;
    }
    if (*options->group_id == '\0' || strlen(options->group_id) > INT16_MAX) {
        return ks_error_set(error, KAFSCALE_INVALID, "consumer options: group_id");
    }
    if (options->session_timeout_ms < SESSION_TIMEOUT_MS_MIN) {
        return ks_error_set(error, KAFSCALE_INVALID, "consumer options: session_timeout_ms %d",
                            (int) options->session_timeout_ms);
    }
    if (options->poll_interval_ms < options->session_timeout_ms ||
        options->poll_interval_ms > POLL_INTERVAL_MS_MAX) {
        return ks_error_set(error, KAFSCALE_INVALID,
                            "consumer options: poll_interval_ms %d, session_timeout_ms to %d",
                            (int) options->poll_interval_ms, POLL_INTERVAL_MS_MAX);
    }
    return KAFSCALE_OK;
}

static enum kafscale_status
check_options(const struct kafscale_consumer_options *options, struct kafscale_error *error)
{
    if (options->size != sizeof *options) {
        return ks_error_set(error, KAFSCALE_INVALID,
                            "consumer options: begin with KAFSCALE_CONSUMER_OPTIONS");
    }
    if (options->client_id == NULL || strlen(options->client_id) > INT16_MAX) {
        return ks_error_set(error, KAFSCALE_INVALID, "consumer options: client_id");
    }
    if (options->fetch_bytes < FETCH_BYTES_MIN || options->fetch_bytes > FETCH_BYTES_MAX) {
        return ks_error_set(error, KAFSCALE_INVALID,
                            "consumer options: fetch_bytes %zu, %zu to %zu", options->fetch_bytes,
                            FETCH_BYTES_MIN, FETCH_BYTES_MAX);
    }
    if (options->buffer_bytes == 0) {
        return ks_error_set(error, KAFSCALE_INVALID, "consumer options: buffer_bytes 0");
    }
    if (options->reset < KAFSCALE_RESET_EARLIEST || options->reset > KAFSCALE_RESET_NONE) {
        return ks_error_set(error, KAFSCALE_INVALID, "consumer options: reset %d",
                            (int) options->reset);
    }
    return check_group_options(options, error);
}

static struct kafscale_consumer *
make(const struct kafscale_consumer_options *options)
{
    static const int64_t resets[] = { [KAFSCALE_RESET_EARLIEST] = KS_READ_EARLIEST,
                                      [KAFSCALE_RESET_LATEST] = KS_READ_LATEST,
                                      [KAFSCALE_RESET_NONE] = KS_READ_NOWHERE };
    struct kafscale_consumer *consumer = ks_alloc_zero(1, sizeof *consumer);

    if (consumer == NULL) {
        return NULL;
    }
    consumer->client_id = ks_copy_text(options->client_id);
    consumer->group_id = options->group_id == NULL ? NULL : ks_copy_text(options->group_id);
    if (consumer->client_id == NULL || (options->group_id != NULL && consumer->group_id == NULL)) {
        ks_free(consumer->client_id);
        ks_free(consumer);
        return NULL;
    }
    ks_local_init(&consumer->local);
    ks_list_init(&consumer->orders);
    ks_list_init(&consumer->queue);
    consumer->fetched = options->fetched;
    consumer->fetched_arg = options->fetched_arg;
    consumer->buffer_bytes = options->buffer_bytes;
    consumer->reader_options =
        (struct ks_reader_options){ .client_id = ks_slice_of_text(consumer->client_id),
                                    .fetch_bytes = (int32_t) options->fetch_bytes,
                                    .reset = resets[options->reset] };
    consumer->membership_options = (struct ks_membership_options){
        .client_id = ks_slice_of_text(consumer->client_id),
        .group_id = ks_slice_of_text(consumer->group_id == NULL ? "" : consumer->group_id),
        .session_timeout_ms = options->session_timeout_ms,
        .rebalance_timeout_ms = options->poll_interval_ms,
    };
    ks_consumer_group_init(consumer);
    return consumer;
}

struct kafscale_consumer *
kafscale_consumer_new(struct kafscale_broker *broker,
                      const struct kafscale_consumer_options *options, struct kafscale_error *error)
{
    static const struct kafscale_consumer_options defaults = KAFSCALE_CONSUMER_OPTIONS;
    struct kafscale_error unused = { 0 };
    struct kafscale_consumer *consumer;

    error = error == NULL ? &unused : error;
    options = options == NULL ? &defaults : options;
    if (broker == NULL) {
        ks_error_set(error, KAFSCALE_INVALID, "consumer: no broker");
        return NULL;
    }
    if (check_options(options, error) != KAFSCALE_OK) {
        return NULL;
    }
    consumer = make(options);
    if (consumer == NULL) {
        ks_error_set(error, KAFSCALE_NO_MEMORY, "consumer: no memory");
        return NULL;
    }
    if (ks_local_open(&consumer->local, &local_ops, broker, error) != KAFSCALE_OK) {
        free_consumer(consumer);
        return NULL;
    }
    return consumer;
}

void
kafscale_consumer_free(struct kafscale_consumer *consumer)
{
    if (consumer != NULL) {
        ks_local_free(&consumer->local);
    }
}

/* An order replaces those for the same partition that the loop hasn't seen. */
static void
enqueue(struct kafscale_consumer *consumer, struct ks_read_partition *order)
{
    struct ks_list *node = consumer->orders.next;

    while (node != &consumer->orders) {
        struct ks_read_partition *earlier = KS_CONTAINER(node, struct ks_read_partition, link);

        node = node->next;
        if (earlier->index == order->index && strcmp(earlier->topic, order->topic) == 0) {
            ks_list_remove(&earlier->link);
            ks_read_partition_free(earlier);
        }
    }
    ks_list_append(&consumer->orders, &order->link);
    drop_queue(consumer, order->topic, order->index);
    consumer->is_full = consumer->queue_bytes >= consumer->buffer_bytes;
    ks_local_call(&consumer->local);
}

static enum kafscale_status
order(struct kafscale_consumer *consumer, const char *topic, int32_t partition, int64_t position,
      struct kafscale_error *error)
{
    struct ks_read_partition *made;
    bool is_subscribed;
    bool is_over;

    if (topic == NULL || *topic == '\0' || strlen(topic) > INT16_MAX || partition < 0) {
        return ks_error_set(error, KAFSCALE_INVALID,
                            "assign: the topic's name, or the partition %d", (int) partition);
    }
    made = ks_read_partition_new(ks_slice_of_text(topic), partition, position);
    if (made == NULL) {
        return ks_error_set(error, KAFSCALE_NO_MEMORY, "assign: no memory");
    }
    ks_local_lock(&consumer->local);
    is_over = consumer->local.broker == NULL;
    is_subscribed = consumer->is_subscribed;
    if (!is_over && !is_subscribed) {
        consumer->is_assigned = true;
        enqueue(consumer, made);
    }
    ks_local_unlock(&consumer->local);
    if (is_subscribed) {
        ks_read_partition_free(made);
        return ks_error_set(error, KAFSCALE_INVALID, "assign: the consumer has subscribed");
    }
    if (is_over) {
        ks_read_partition_free(made);
        return ks_error_set(error, KAFSCALE_STOPPED, "the broker has been stopped");
    }
    return KAFSCALE_OK;
}

enum kafscale_status
kafscale_consumer_assign(struct kafscale_consumer *consumer, const char *topic, int32_t partition,
                         int64_t offset, struct kafscale_error *error)
{
    struct kafscale_error unused = { 0 };

    error = error == NULL ? &unused : error;
    if (offset < KAFSCALE_OFFSET_EARLIEST) {
        return ks_error_set(error, KAFSCALE_INVALID, "assign: the offset %lld", (long long) offset);
    }
    return order(consumer, topic, partition, offset, error);
}

enum kafscale_status
kafscale_consumer_unassign(struct kafscale_consumer *consumer, const char *topic, int32_t partition,
                           struct kafscale_error *error)
{
    struct kafscale_error unused = { 0 };

    return order(consumer, topic, partition, NO_POSITION, error == NULL ? &unused : error);
}

/* With the lock. */
static struct kafscale_fetched *
take_first(struct kafscale_consumer *consumer)
{
    struct kafscale_fetched *fetched;
    struct ks_list *node;

    if (consumer->is_called) {
        ks_consumer_give_up(consumer);
    }
    node = ks_list_take_first(&consumer->queue);
    if (node == NULL) {
        return NULL;
    }
    fetched = of_link(node);
    ks_consumer_note(consumer, fetched);
    consumer->queue_bytes -= fetched->bytes;
    if (consumer->is_full && consumer->queue_bytes < consumer->buffer_bytes / 2) {
        consumer->is_full = false;
        ks_local_call(&consumer->local);
    }
    return fetched;
}

static enum kafscale_status
check_poll(const struct kafscale_consumer *consumer, int64_t timeout_ms,
           struct kafscale_error *error)
{
    if (consumer->fetched != NULL) {
        return ks_error_set(error, KAFSCALE_INVALID, "poll: records go to a callback");
    }
    if (timeout_ms != 0 && ks_local_is_on_loop(&consumer->local)) {
        return ks_error_set(error, KAFSCALE_INVALID, "poll: nobody can wait on the loop thread");
    }
    return KAFSCALE_OK;
}

struct kafscale_fetched *
kafscale_consumer_poll(struct kafscale_consumer *consumer, int64_t timeout_ms,
                       struct kafscale_error *error)
{
    int64_t due_ms = ks_monotonic_after(timeout_ms);
    struct kafscale_fetched *fetched = NULL;
    struct kafscale_error unused = { 0 };

    error = error == NULL ? &unused : error;
    ks_local_lock(&consumer->local);
    if (check_poll(consumer, timeout_ms, error) == KAFSCALE_OK) {
        consumer->polling++;
        while ((fetched = take_first(consumer)) == NULL && consumer->local.broker != NULL &&
               timeout_ms != 0 && ks_local_wait(&consumer->local, due_ms)) {
        }
        consumer->polling--;
        consumer->polled_ms = ks_monotonic_ms();
        if (fetched == NULL && consumer->local.broker == NULL) {
            ks_error_set(error, KAFSCALE_STOPPED, "the broker has been stopped");
        } else if (fetched == NULL) {
            ks_error_set(error, KAFSCALE_NOT_FOUND, "poll: no records within the time");
        }
    }
    ks_local_unlock(&consumer->local);
    return fetched;
}
