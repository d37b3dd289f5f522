/* SPDX-License-Identifier: Apache-2.0 */
#include "client/sender.h"

#include "client/partitioner.h"

#include <assert.h>

/* What stands before a batch in its request, but for the client id and the topic's name. */
#define HEADROOM_BYTES 128
#define TOPIC_BYTES_MAX 249

#define METADATA_VERSION 12
#define INIT_PRODUCER_ID_VERSION 4

/* How old what is known of a topic may be: it may have got more partitions. */
#define TOPIC_AGE_MS_MAX 60000

static void
lock(struct ks_sender *sender)
{
    if (sender->events.lock != NULL) {
        sender->events.lock(sender->events.arg);
    }
}

static void
unlock(struct ks_sender *sender)
{
    if (sender->events.unlock != NULL) {
        sender->events.unlock(sender->events.arg);
    }
}

static void
changed(struct ks_sender *sender)
{
    if (sender->events.changed != NULL) {
        sender->events.changed(sender->events.arg);
    }
}

/* --- Gathering -------------------------------------------------------------------------------- */

struct ks_send_topic *
ks_sender_topic(struct ks_sender *sender, struct kafscale_slice name)
{
    struct ks_table_node *node = ks_table_find(&sender->topics, name);
    struct ks_send_topic *topic;

    if (node != NULL) {
        return KS_CONTAINER(node, struct ks_send_topic, node);
    }
    topic = ks_alloc_zero(1, sizeof *topic);
    if (topic == NULL) {
        return NULL;
    }
    topic->sender = sender;
    topic->name = ks_copy_text_of(name.data, name.size);
    if (topic->name == NULL || ks_table_insert(&sender->topics, &topic->node,
                                               ks_slice_of_text(topic->name)) != KAFSCALE_OK) {
        ks_free(topic->name);
        ks_free(topic);
        return NULL;
    }
    return topic;
}

void
ks_sender_want(struct ks_sender *sender, struct ks_send_topic *topic)
{
    if (!ks_list_is_linked(&topic->wanted_link)) {
        topic->error = KAFKA_ERROR_NONE;
        ks_list_append(&sender->wanted, &topic->wanted_link);
    }
}

int32_t
ks_send_topic_choose(struct ks_send_topic *topic, struct kafscale_slice key)
{
    assert(topic->line_count > 0);

    return key.data != NULL ? ks_partition_of_key(key, topic->line_count)
                            : topic->next_line % topic->line_count;
}

/* Records without a key fill one batch, then go on to the next partition. */
static void
close_open(struct ks_line *line)
{
    struct ks_send_batch *batch = line->open;

    line->usual_bytes = batch->record_bytes;
    ks_list_append(&line->closed, &batch->link);
    line->open = NULL;
    line->open_since_ms = 0;
    line->topic->next_line = line->topic->next_line == INT32_MAX ? 0 : line->topic->next_line + 1;
}

static enum kafscale_status
append_to_open(struct ks_sender *sender, struct ks_line *line, const struct ks_record *record,
               void *opaque)
{
    enum kafscale_status status;

    if (line->open == NULL) {
        size_t bytes = line->usual_bytes + line->usual_bytes / 4;

        bytes = bytes > sender->options.batch_bytes ? sender->options.batch_bytes : bytes;
        line->open = ks_send_batch_new(line, bytes, sender->headroom);
        if (line->open == NULL) {
            return KAFSCALE_NO_MEMORY;
        }
    }
    status = ks_send_batch_append(line->open, record, sender->options.batch_bytes, opaque);
    if (status != KAFSCALE_OK && line->open->header.record_count == 0) {
        ks_send_batch_free(line->open);
        line->open = NULL;
    }
    return status;
}

enum kafscale_status
ks_sender_append(struct ks_sender *sender, struct ks_line *line, const struct ks_record *record,
                 void *opaque, bool *is_news_out)
{
    size_t bytes = record->key.size + record->value.size + record->headers.size;
    enum kafscale_status status;

    *is_news_out = false;
    if (sender->is_closed) {
        return KAFSCALE_STOPPED;
    }
    if (atomic_load_explicit(&sender->buffered_bytes, memory_order_relaxed) + bytes >
        sender->options.buffer_bytes) {
        return KAFSCALE_FULL;
    }
    status = append_to_open(sender, line, record, opaque);
    if (status == KAFSCALE_FULL) {
        close_open(line);
        *is_news_out = true;
        status = append_to_open(sender, line, record, opaque);
    }
    if (status != KAFSCALE_OK) {
        return status;
    }
    atomic_fetch_add_explicit(&sender->buffered_bytes, bytes, memory_order_relaxed);
    atomic_fetch_add_explicit(&sender->pending_records, 1, memory_order_relaxed);
    line->open->buffered_bytes += bytes;
    if (!ks_list_is_linked(&line->dirty_link)) {
        ks_list_append(&sender->dirty, &line->dirty_link);
        *is_news_out = true;
    }
    return KAFSCALE_OK;
}

/* --- Topics ----------------------------------------------------------------------------------- */

static bool
grow(struct ks_send_topic *topic, int32_t count)
{
    struct ks_line **lines = ks_realloc(topic->lines, (size_t) count * sizeof(struct ks_line *));

    if (lines == NULL) {
        return false;
    }
    topic->lines = lines;
    while (topic->line_count < count) {
        struct ks_line *line = ks_line_new(topic, topic->line_count);

        if (line == NULL) {
            return false;
        }
        topic->lines[topic->line_count++] = line;
    }
    return true;
}

/* A topic that isn't there yet is there after the next try, if the broker makes topics. */
static void
take_topic(struct ks_send_topic *topic, const struct kafka_metadata_response_topic *found)
{
    topic->error = found->error_code;
    if (found->error_code != KAFKA_ERROR_NONE) {
        return;
    }
    topic->known_ms = ks_env_now_ms(topic->sender->env);
    if (found->partitions_count > topic->line_count && !grow(topic, found->partitions_count)) {
        topic->error = KAFKA_ERROR_UNKNOWN_SERVER_ERROR;
    }
}

static void
on_metadata(struct ks_ask *ask, const struct ks_ask_answer *answer)
{
    struct ks_send_topic *topic = ask->arg;
    const struct kafka_metadata_response *response = answer->response;
    struct ks_sender *sender = topic->sender;

    lock(sender);
    if (answer->status != KAFSCALE_OK || response->topics_count != 1) {
        topic->error = KAFKA_ERROR_NETWORK_EXCEPTION;
    } else {
        take_topic(topic, &response->topics[0]);
    }
    unlock(sender);
    changed(sender);
}

void
ks_sender_ask(struct ks_sender *sender, struct ks_send_topic *topic)
{
    struct kafka_metadata_request request;
    struct kafka_metadata_request_topic asked;

    if (topic->ask.is_under_way || sender->is_stopping) {
        return;
    }
    kafka_message_init(&kafka_metadata_request_message, &request);
    kafka_message_init(&kafka_metadata_request_topic_message, &asked);
    asked.name = ks_slice_of_text(topic->name);
    request.topics = &asked;
    request.topics_count = 1;
    request.allow_auto_topic_creation = true;
    topic->ask = (struct ks_ask){ .done = on_metadata, .arg = topic };
    ks_ask_begin(&sender->asker, &topic->ask, KAFKA_API_METADATA, METADATA_VERSION, &request);
}

/* --- Identity --------------------------------------------------------------------------------- */

static void
on_identity(struct ks_ask *ask, const struct ks_ask_answer *answer)
{
    struct ks_sender *sender = ask->arg;
    const struct kafka_init_producer_id_response *response = answer->response;
    struct ks_list lines;
    struct ks_list *node;

    ks_list_init(&lines);
    while ((node = ks_list_take_first(&sender->identity_lines)) != NULL) {
        ks_list_append(&lines, node);
    }
    while ((node = ks_list_take_first(&lines)) != NULL) {
        struct ks_line *line = KS_CONTAINER(node, struct ks_line, identity_link);

        if (answer->status == KAFSCALE_OK) {
            ks_line_identify(line, response->error_code, response->producer_id,
                             response->producer_epoch);
        } else {
            ks_line_identify(line, KAFKA_ERROR_NETWORK_EXCEPTION, -1, -1);
        }
    }
}

void
ks_sender_want_identity(struct ks_sender *sender, struct ks_line *line)
{
    struct kafka_init_producer_id_request request;

    if (!ks_list_is_linked(&line->identity_link)) {
        ks_list_append(&sender->identity_lines, &line->identity_link);
    }
    if (sender->identity_ask.is_under_way || sender->is_stopping) {
        return;
    }
    kafka_message_init(&kafka_init_producer_id_request_message, &request);
    request.transactional_id = (struct kafscale_slice){ 0 };
    sender->identity_ask = (struct ks_ask){ .done = on_identity, .arg = sender };
    ks_ask_begin(&sender->asker, &sender->identity_ask, KAFKA_API_INIT_PRODUCER_ID,
                 INIT_PRODUCER_ID_VERSION, &request);
}

/* --- Sending ---------------------------------------------------------------------------------- */

void
ks_sender_line_changed(struct ks_sender *sender, struct ks_line *line)
{
    if (!ks_list_is_linked(&line->run_link)) {
        ks_list_append(&sender->changed, &line->run_link);
    }
    ks_env_defer(sender->env, &sender->run_task);
}

void
ks_sender_report(struct ks_sender *sender, struct ks_send_batch *batch,
                 const struct ks_delivered *delivered)
{
    if (sender->events.delivered != NULL) {
        sender->events.delivered(sender->events.arg, batch, delivered);
    }
    atomic_fetch_sub_explicit(&sender->buffered_bytes, batch->buffered_bytes, memory_order_relaxed);
    atomic_fetch_sub_explicit(&sender->pending_records, (size_t) batch->header.record_count,
                              memory_order_release);
    batch->is_reported = true;
    if (!batch->is_in_flight) {
        ks_send_batch_free(batch);
    }
}

/*
 * Takes the closed batches of a line, and the open one when its time has come and there is a place
 * in flight for it: until then it may as well grow.
 */
static void
collect_line(struct ks_sender *sender, struct ks_line *line, int64_t now_ms, bool takes_all)
{
    struct ks_list *node;

    if (line->open != NULL && line->open_since_ms == 0) {
        line->open_since_ms = now_ms;
    }
    while ((node = ks_list_take_first(&line->closed)) != NULL) {
        ks_line_take(line, KS_CONTAINER(node, struct ks_send_batch, link), now_ms);
    }
    if (line->open != NULL &&
        (takes_all ||
         (ks_line_has_place(line) && now_ms - line->open_since_ms >= sender->options.linger_ms))) {
        close_open(line);
        ks_line_take(line,
                     KS_CONTAINER(ks_list_take_first(&line->closed), struct ks_send_batch, link),
                     now_ms);
    }
}

/* To the lines that are to run, which is why each of them is in `run_link` only once. */
static void
collect_dirty(struct ks_sender *sender, int64_t now_ms, bool takes_all)
{
    struct ks_list *node = sender->dirty.next;

    while (node != &sender->dirty) {
        struct ks_line *line = KS_CONTAINER(node, struct ks_line, dirty_link);

        node = node->next;
        collect_line(sender, line, now_ms, takes_all);
        if (now_ms - line->topic->known_ms > TOPIC_AGE_MS_MAX) {
            ks_sender_want(sender, line->topic);
        }
        if (line->open == NULL) {
            ks_list_remove(&line->dirty_link);
        } else if (ks_line_has_place(line)) {
            sender->linger_due_ms =
                line->open_since_ms + sender->options.linger_ms < sender->linger_due_ms
                    ? line->open_since_ms + sender->options.linger_ms
                    : sender->linger_due_ms;
        }
        if (!ks_list_is_linked(&line->run_link)) {
            ks_list_append(&sender->changed, &line->run_link);
        }
    }
}

/* Into a list of the loop's own, with the lock. */
static void
take_wanted(struct ks_sender *sender, struct ks_list *topics)
{
    struct ks_list *node;

    while ((node = ks_list_take_first(&sender->wanted)) != NULL) {
        ks_list_append(topics, &KS_CONTAINER(node, struct ks_send_topic, wanted_link)->ask_link);
    }
}

static void
on_linger_due(void *arg)
{
    ks_sender_collect(arg, false);
}

void
ks_sender_collect(struct ks_sender *sender, bool takes_all)
{
    int64_t now_ms = ks_env_now_ms(sender->env);
    struct ks_list topics;
    struct ks_list *node;

    if (sender->is_ended) {
        return;
    }
    ks_list_init(&topics);
    sender->linger_due_ms = INT64_MAX;
    lock(sender);
    collect_dirty(sender, now_ms, takes_all);
    take_wanted(sender, &topics);
    unlock(sender);
    if (sender->linger_due_ms != INT64_MAX) {
        ks_env_set_timer(sender->env, &sender->linger_timer, sender->linger_due_ms);
    }
    while ((node = ks_list_take_first(&topics)) != NULL) {
        ks_sender_ask(sender, KS_CONTAINER(node, struct ks_send_topic, ask_link));
    }
    while ((node = ks_list_take_first(&sender->changed)) != NULL) {
        ks_line_run(KS_CONTAINER(node, struct ks_line, run_link));
    }
}

static void
run_changed(void *arg)
{
    struct ks_sender *sender = arg;

    ks_sender_collect(sender, false);
    changed(sender);
}

/* --- Beginning and end ------------------------------------------------------------------------ */

void
ks_sender_init(struct ks_sender *sender, struct ks_env *env, const struct ks_request_sink *sink,
               const struct ks_sender_options *options, const struct ks_sender_events *events)
{
    *sender = (struct ks_sender){ .options = *options, .events = *events, .env = env };
    sender->headroom = HEADROOM_BYTES + TOPIC_BYTES_MAX + options->client_id.size;
    ks_table_init(&sender->topics, ks_env_random_u64(env));
    ks_list_init(&sender->dirty);
    ks_list_init(&sender->wanted);
    ks_list_init(&sender->changed);
    ks_list_init(&sender->identity_lines);
    ks_asker_init(&sender->asker, env, sink, options->client_id);
    sender->run_task = (struct ks_task){ .run = run_changed, .arg = sender };
    sender->linger_timer = (struct ks_timer){ .on_due = on_linger_due, .arg = sender };
}

/* Nothing more is taken; what has gathered goes to the lines. */
static void
close_door(struct ks_sender *sender)
{
    lock(sender);
    sender->is_closed = true;
    collect_dirty(sender, ks_env_now_ms(sender->env), true);
    unlock(sender);
}

void
ks_sender_stop(struct ks_sender *sender)
{
    struct ks_list *node;

    close_door(sender);
    sender->is_stopping = true;
    for (const struct ks_table_node *found = ks_table_next(&sender->topics, NULL); found != NULL;
         found = ks_table_next(&sender->topics, found)) {
        const struct ks_send_topic *topic = KS_CONTAINER(found, struct ks_send_topic, node);

        for (int32_t i = 0; i < topic->line_count; i++) {
            if (!ks_list_is_linked(&topic->lines[i]->run_link)) {
                ks_list_append(&sender->changed, &topic->lines[i]->run_link);
            }
        }
    }
    while ((node = ks_list_take_first(&sender->changed)) != NULL) {
        ks_line_run(KS_CONTAINER(node, struct ks_line, run_link));
    }
    changed(sender);
}

void
ks_sender_end(struct ks_sender *sender)
{
    struct ks_table_node *node = NULL;

    if (sender->is_ended) {
        return;
    }
    close_door(sender);
    sender->is_stopping = true;
    sender->is_ended = true;
    ks_env_cancel_task(&sender->run_task);
    ks_env_cancel_timer(sender->env, &sender->linger_timer);
    while ((node = ks_table_next(&sender->topics, node)) != NULL) {
        struct ks_send_topic *topic = KS_CONTAINER(node, struct ks_send_topic, node);

        for (int32_t i = 0; i < topic->line_count; i++) {
            ks_line_end(topic->lines[i]);
        }
    }
    ks_asker_leave(&sender->asker);
    changed(sender);
}

bool
ks_sender_is_quiet(const struct ks_sender *sender)
{
    return ks_list_is_empty(&sender->asker.asks);
}

static void
free_topic(struct ks_send_topic *topic)
{
    for (int32_t i = 0; i < topic->line_count; i++) {
        ks_line_free(topic->lines[i]);
    }
    ks_free(topic->lines);
    ks_free(topic->name);
    ks_free(topic);
}

void
ks_sender_deinit(struct ks_sender *sender)
{
    struct ks_table_node *node = ks_table_next(&sender->topics, NULL);

    assert(sender->is_ended);
    assert(ks_sender_is_quiet(sender));

    while (node != NULL) {
        struct ks_table_node *next = ks_table_next(&sender->topics, node);

        free_topic(KS_CONTAINER(node, struct ks_send_topic, node));
        node = next;
    }
    ks_table_deinit(&sender->topics);
}
