/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Produce: each batch is checked, then appended where it lies in the frame. The answer leaves
 * when every batch is durable or refused, or the client's time is over: then it says "timed out"
 * while the batches stay, so the request lives until the last of them is settled.
 */
#include "handlers/api.h"
#include "handlers/internal.h"

#include <assert.h>

#define NO_TIMEOUT_MS 30000
#define ZSTD_VERSION_MIN 7
#define RECORD_ERRORS_VERSION 8

/* One partition of the request. */
struct produce_entry {
    struct ks_pending_append pending;
    struct produce *produce;
    struct kafka_produce_response_topic_partition *out;
    struct ks_preparation *preparation; /* NULL: the batch is appended as it came */
    struct kafka_produce_response_topic_partition_record_error *record_errors;
    int32_t record_errors_count;
    struct ks_id topic; /* of what was appended */
    const char *message;
    int16_t code;
    bool is_due;   /* appended or queued, and not settled */
    bool is_fault; /* of the batch itself */
    int64_t append_time_ms;
    int64_t log_start;
};

struct produce {
    struct ks_list link; /* of the doubtful ones, while its topics are looked for */
    struct ks_request *request;
    const struct kafka_produce_request *asked;
    struct kafka_produce_response response;
    struct produce_entry *entries;
    size_t entry_count;
    size_t due;
    struct ks_timer timer;
    bool is_over; /* the client's time */
};

static void check_batch(struct produce_entry *entry, const struct kafka_records *records);

/* --- The answer ------------------------------------------------------------------------------- */

/* Of the first records; without memory the connection closes. */
static void
make_record_errors(struct produce_entry *entry, int32_t count)
{
    entry->record_errors = kafka_array_new(
        &entry->produce->request->arena,
        &kafka_produce_response_topic_partition_record_error_message, (size_t) count);
    entry->record_errors_count = entry->record_errors == NULL ? 0 : count;
    for (int32_t i = 0; i < entry->record_errors_count; i++) {
        entry->record_errors[i].batch_index = i;
        entry->record_errors[i].batch_index_error_message = ks_slice_of_text(entry->message);
    }
}

static void
fill(struct produce *produce, struct produce_entry *entry)
{
    struct kafka_produce_response_topic_partition *out = entry->out;

    out->error_code = entry->code;
    if (entry->code == KAFKA_ERROR_NONE) {
        out->base_offset = entry->pending.append.base_offset;
        out->log_append_time_ms = entry->append_time_ms;
        out->log_start_offset = entry->log_start;
        return;
    }
    out->base_offset = -1;
    if (entry->message != NULL) {
        out->error_message = ks_slice_of_text(entry->message);
    }
    if (!entry->is_fault || produce->request->header.api_version < RECORD_ERRORS_VERSION) {
        return;
    }
    if (entry->record_errors == NULL && entry->code == KAFKA_ERROR_INVALID_RECORD) {
        make_record_errors(entry, 1);
    }
    out->record_errors = entry->record_errors;
    out->record_errors_count = entry->record_errors_count;
}

static bool
has_errors(const struct produce *produce)
{
    for (size_t i = 0; i < produce->entry_count; i++) {
        if (produce->entries[i].code != KAFKA_ERROR_NONE) {
            return true;
        }
    }
    return false;
}

static void
send(struct produce *produce)
{
    struct ks_request *request = produce->request;

    ks_list_remove(&produce->link);
    ks_env_cancel_timer(request->env, &produce->timer);
    produce->response.throttle_time_ms = ks_request_throttle(request, ks_throttle_produce_ms);
    if (produce->asked->acks == 0) {
        /* The only way to tell a client that waits for no answer. */
        if (has_errors(produce)) {
            ks_request_close(request);
        } else {
            ks_request_answer_nothing(request);
        }
        return;
    }
    for (size_t i = 0; i < produce->entry_count; i++) {
        struct produce_entry *entry = &produce->entries[i];

        if (entry->is_due) {
            entry->code = KAFKA_ERROR_REQUEST_TIMED_OUT;
        }
        fill(produce, entry);
    }
    ks_request_answer(request, &produce->response);
}

/*
 * What can't be said without having looked: done, unknown, and what an older owner's state says
 * of a sequence.
 */
static bool
is_doubtful(int16_t code)
{
    return code == KAFKA_ERROR_NONE || code == KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION ||
           code == KAFKA_ERROR_OUT_OF_ORDER_SEQUENCE_NUMBER ||
           code == KAFKA_ERROR_INVALID_PRODUCER_EPOCH;
}

/*
 * A broker that is stopping still acknowledges what it has made durable; one that was fenced
 * doesn't.
 */
static void
apply_doubt(struct produce *produce)
{
    struct ks_request *request = produce->request;
    enum ks_broker_error doubt = ks_request_doubt(request);
    bool is_stopping = ks_broker_state(request->broker) == KS_BROKER_STOPPING;

    if (doubt == KS_BROKER_ERROR_NONE || (is_stopping && !request->has_looked)) {
        return;
    }
    for (size_t i = 0; i < produce->entry_count; i++) {
        if (!produce->entries[i].is_due && is_doubtful(produce->entries[i].code)) {
            produce->entries[i].code = ks_kafka_error(doubt);
            produce->entries[i].message = NULL;
        }
    }
}

/* The look may have told that a topic was deleted, maybe before its batch was durable. */
static void
apply_deletions(struct produce *produce)
{
    struct ks_topics *topics = ks_broker_topics(produce->request->broker);

    for (size_t i = 0; i < produce->entry_count; i++) {
        struct produce_entry *entry = &produce->entries[i];

        if (!entry->is_due && entry->code == KAFKA_ERROR_NONE &&
            ks_topics_find_id(topics, &entry->topic) == NULL) {
            entry->code = KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION;
            entry->message = ks_broker_error_text(KS_BROKER_ERROR_UNKNOWN_TOPIC);
        }
    }
}

static void
revise_entry(struct produce_entry *entry, struct ks_topic *topic,
             const struct kafka_produce_request_topic_partition *asked)
{
    struct ks_topic_partition *partition = ks_topic_partition(topic, asked->index);
    struct ks_appender *appender = ks_broker_appender(entry->produce->request->broker);

    if (partition == NULL) {
        return;
    }
    entry->pending.partition = partition;
    entry->code = KAFKA_ERROR_NONE;
    check_batch(entry, &asked->records);
    if (entry->code == KAFKA_ERROR_NONE) {
        ks_appender_pass_over(appender, partition, &entry->pending.append.batch);
        entry->code = ks_kafka_error(KS_BROKER_ERROR_NOT_OPEN);
        entry->message = ks_broker_error_text(KS_BROKER_ERROR_NOT_OPEN);
    }
}

/*
 * The look may have brought a topic that was not known before: its client is to try again, and its
 * later batches are not to overtake this one.
 */
static void
revise_unknown(struct produce *produce)
{
    struct ks_request *request = produce->request;
    size_t next = 0;

    for (int32_t i = 0; i < produce->asked->topics_count; i++) {
        const struct kafka_produce_request_topic *asked = &produce->asked->topics[i];
        struct ks_topic *topic = ks_find_topic(request, asked->name, NULL, false);

        for (int32_t j = 0; j < asked->partitions_count; j++) {
            struct produce_entry *entry = &produce->entries[next];

            next++;
            if (entry->code == KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION && topic != NULL) {
                revise_entry(entry, topic, &asked->partitions[j]);
            }
        }
    }
}

static bool
has_unknown(const struct produce *produce)
{
    for (size_t i = 0; i < produce->entry_count; i++) {
        if (produce->entries[i].code == KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION) {
            return true;
        }
    }
    return false;
}

static void
note_doubt(struct produce *produce)
{
    if (has_unknown(produce)) {
        ks_list_append(&produce->request->handlers->doubtful, &produce->link);
    }
}

/*
 * Before a request is looked at: its topic may have become known, and its partition open, while an
 * earlier one still waits for the look that brought it.
 */
static void
revise_doubtful(struct ks_handlers *handlers)
{
    const struct ks_topics *topics = ks_broker_topics(handlers->broker);
    struct ks_list *next;

    if (handlers->revised == topics->added) {
        return;
    }
    handlers->revised = topics->added;
    for (struct ks_list *node = handlers->doubtful.next; node != &handlers->doubtful; node = next) {
        struct produce *produce = KS_CONTAINER(node, struct produce, link);

        next = node->next;
        revise_unknown(produce);
        if (!has_unknown(produce)) {
            ks_list_remove(&produce->link);
        }
    }
}

static void
answer(struct ks_request *request)
{
    struct produce *produce = request->state;

    if (ks_request_is_answered(request)) {
        return;
    }
    if (!produce->is_over && !ks_request_is_fresh(request, answer)) {
        return;
    }
    apply_doubt(produce);
    apply_deletions(produce);
    if (request->has_looked && has_errors(produce)) {
        revise_unknown(produce);
    }
    send(produce);
}

/* --- What is wrong with a batch --------------------------------------------------------------- */

static int16_t
fault_code(enum ks_batch_fault fault)
{
    switch (fault) {
    case KS_BATCH_FAULT_NONE:
        return KAFKA_ERROR_NONE;
    case KS_BATCH_FAULT_CORRUPT:
        return KAFKA_ERROR_CORRUPT_MESSAGE;
    case KS_BATCH_FAULT_TOO_LARGE:
        return KAFKA_ERROR_MESSAGE_TOO_LARGE;
    case KS_BATCH_FAULT_TIMESTAMP:
        return KAFKA_ERROR_INVALID_TIMESTAMP;
    case KS_BATCH_FAULT_CODEC:
        return KAFKA_ERROR_UNSUPPORTED_COMPRESSION_TYPE;
    case KS_BATCH_FAULT_MISSING:
    case KS_BATCH_FAULT_MULTIPLE:
    case KS_BATCH_FAULT_OLD_MAGIC:
    case KS_BATCH_FAULT_INVALID:
    case KS_BATCH_FAULT_KEY:
        break;
    }
    return KAFKA_ERROR_INVALID_RECORD;
}

static struct ks_batch_rules
rules_of(const struct produce *produce, const struct ks_topic *topic)
{
    const struct ks_produce_rules *rules = &topic->produce_rules;

    return (struct ks_batch_rules){ .bytes_max = rules->bytes_max,
                                    .zstd_allowed =
                                        produce->request->header.api_version >= ZSTD_VERSION_MIN,
                                    .append_time = rules->append_time,
                                    .wall_ms = ks_env_wall_ms(produce->request->env),
                                    .timestamp_before_max_ms = rules->timestamp_before_max_ms,
                                    .timestamp_after_max_ms = rules->timestamp_after_max_ms };
}

/* The carrier allows changes inside the frame (handlers/exchange.h). */
static void
stamp(struct produce_entry *entry, const struct ks_batch_rules *rules)
{
    struct ks_batch *batch = &entry->pending.append.batch;
    struct kafscale_blob *frame = entry->produce->request->frame;
    struct kafscale_error error = { 0 };
    uint8_t *bytes =
        kafscale_blob_data(frame) + (batch->bytes.data - kafscale_blob_slice(frame).data);

    ks_batch_set_append_time(bytes, batch->bytes.size, rules->wall_ms);
    entry->append_time_ms = rules->wall_ms;
    if (ks_batch_parse(ks_slice(bytes, batch->bytes.size), batch, &error) != KAFSCALE_OK) {
        entry->code = KAFKA_ERROR_INVALID_RECORD;
    }
}

static void
refuse_fault(struct produce_entry *entry, enum ks_batch_fault fault)
{
    entry->code = fault_code(fault);
    entry->message = ks_batch_fault_text(fault);
    entry->is_fault = true;
}

/* Which of the records are outside the limits is known only by opening the batch. */
static bool
names_records(const struct produce_entry *entry, enum ks_batch_fault fault)
{
    return fault == KS_BATCH_FAULT_TIMESTAMP &&
           !ks_batch_has_append_time(&entry->pending.append.batch) &&
           entry->produce->request->header.api_version >= RECORD_ERRORS_VERSION;
}

/* Opens the batch only when a rule of the topic needs its records. */
static void
plan_preparation(struct produce_entry *entry, const struct ks_batch_rules *rules,
                 enum ks_batch_fault fault)
{
    const struct ks_produce_rules *topic_rules = &entry->pending.partition->topic->produce_rules;
    const struct ks_batch *batch = &entry->pending.append.batch;
    bool needs_codec = topic_rules->codec >= 0 && topic_rules->codec != ks_batch_codec(batch);

    if (fault == KS_BATCH_FAULT_NONE && !topic_rules->needs_keys && !needs_codec) {
        return;
    }
    entry->preparation = ks_request_alloc(entry->produce->request, 1, sizeof *entry->preparation);
    if (entry->preparation == NULL) {
        entry->code = ks_kafka_error(KS_BROKER_ERROR_NO_MEMORY);
        return;
    }
    entry->preparation->rules = *rules;
    entry->preparation->codec = topic_rules->codec;
    entry->preparation->level = topic_rules->level;
    entry->preparation->needs_keys = topic_rules->needs_keys;
    entry->preparation->times_fail = fault == KS_BATCH_FAULT_TIMESTAMP;
}

static void
check_batch(struct produce_entry *entry, const struct kafka_records *records)
{
    struct ks_batch_rules rules = rules_of(entry->produce, entry->pending.partition->topic);
    struct kafscale_slice bytes = records->part_count == 0 ? ks_slice(NULL, 0) : records->parts[0];
    struct ks_batch *batch = &entry->pending.append.batch;
    enum ks_batch_fault fault = ks_batch_check_produced(bytes, &rules, batch);

    if (entry->pending.partition->topic->is_internal) {
        entry->code = KAFKA_ERROR_INVALID_TOPIC;
        entry->message = "only the broker itself writes to this topic";
        return;
    }
    if (fault != KS_BATCH_FAULT_NONE && !names_records(entry, fault)) {
        refuse_fault(entry, fault);
        return;
    }
    if (fault == KS_BATCH_FAULT_NONE && ks_batch_is_transactional(batch)) {
        entry->code = KAFKA_ERROR_INVALID_TXN_STATE;
        entry->message = "transactions are not served by this broker";
        return;
    }
    plan_preparation(entry, &rules, fault);
    if (rules.append_time && entry->code == KAFKA_ERROR_NONE) {
        stamp(entry, &rules);
    }
}

/* --- Appending -------------------------------------------------------------------------------- */

static void
take_fault(struct produce_entry *entry)
{
    const struct ks_preparation *preparation = entry->preparation;

    refuse_fault(entry, preparation->fault);
    if (preparation->faulty_count == 0 || ks_request_is_answered(entry->produce->request)) {
        return;
    }
    make_record_errors(entry, preparation->faulty_count);
    for (int32_t i = 0; i < entry->record_errors_count; i++) {
        entry->record_errors[i].batch_index = preparation->faulty[i];
    }
}

static void
on_appended(struct ks_pending_append *pending, enum ks_broker_error error)
{
    struct produce_entry *entry = pending->arg;
    struct produce *produce = entry->produce;
    struct ks_request *request = produce->request;

    assert(produce->due > 0);
    /* The topic may go any time from now on. */
    if (pending->partition->log != NULL) {
        entry->log_start = ks_partition_log_start(pending->partition->log);
    }
    entry->is_due = false;
    entry->code = ks_kafka_error(error);
    if (error == KS_BROKER_ERROR_NONE) {
        ks_traffic_note_produced(&request->handlers->traffic, ks_env_now_ms(request->env),
                                 pending->append.batch.record_count);
    } else {
        entry->message = ks_broker_error_text(error);
    }
    if (error == KS_BROKER_ERROR_BAD_BATCH) {
        take_fault(entry);
    }
    ks_preparation_deinit(entry->preparation);
    produce->due--;
    if (produce->due == 0 && !produce->is_over) {
        answer(request);
    }
    ks_request_release(request);
}

/*
 * What was appended stays; what still queues is taken back, so that it can't be appended after
 * the client sent it again.
 */
static void
on_timeout(void *arg)
{
    struct produce *produce = arg;
    struct ks_request *request = produce->request;

    ks_request_hold(request);
    produce->is_over = true;
    for (size_t i = 0; i < produce->entry_count; i++) {
        if (produce->entries[i].is_due) {
            ks_preparer_give_up(ks_broker_preparer(request->broker), &produce->entries[i].pending);
        }
    }
    ks_request_give_up_look(request);
    answer(request);
    ks_request_release(request);
}

static void
append(struct produce_entry *entry)
{
    struct produce *produce = entry->produce;
    struct ks_request *request = produce->request;

    entry->topic = entry->pending.partition->topic->record.id;
    entry->pending.append.owner = request->frame;
    entry->pending.done = on_appended;
    entry->pending.arg = entry;
    entry->is_due = true;
    produce->due++;
    ks_request_hold(request);
    ks_preparer_append(ks_broker_preparer(request->broker), &entry->pending, entry->preparation);
}

/*
 * A partition may have been added a moment ago by another broker: a batch that comes before it is
 * known here isn't overtaken by those that were sent behind it, if it becomes known meanwhile.
 */
static void
note_refusal(struct ks_topic *topic, const struct kafka_produce_request_topic_partition *asked)
{
    struct kafscale_error error = { 0 };
    struct ks_batch batch;

    if (asked->index >= topic->record.partition_count && asked->records.part_count > 0 &&
        ks_batch_parse(asked->records.parts[0], &batch, &error) == KAFSCALE_OK) {
        ks_early_refusals_note(&topic->early, asked->index, &batch);
    }
}

static void
begin_entry(struct produce_entry *entry, struct ks_topic *topic,
            const struct kafka_produce_request_topic_partition *asked)
{
    enum ks_broker_error error =
        ks_find_partition(entry->produce->request, topic, asked->index, &entry->pending.partition);

    entry->append_time_ms = -1;
    entry->out->index = asked->index;
    if (entry->code != KAFKA_ERROR_NONE) {
        return;
    }
    /* The appender refuses it, and sees to it that no later one of its producer overtakes it. */
    if (error == KS_BROKER_ERROR_NOT_OPEN) {
        entry->pending.partition = ks_topic_partition(topic, asked->index);
        error = KS_BROKER_ERROR_NONE;
    }
    if (error != KS_BROKER_ERROR_NONE) {
        entry->code = ks_kafka_error(error);
        entry->message = ks_broker_error_text(error);
        if (topic != NULL) {
            note_refusal(topic, asked);
        }
        return;
    }
    check_batch(entry, &asked->records);
    if (entry->code == KAFKA_ERROR_NONE) {
        append(entry);
    }
}

static size_t
count_partitions(const struct kafka_produce_request *asked)
{
    size_t count = 0;

    for (int32_t i = 0; i < asked->topics_count; i++) {
        count += (size_t) asked->topics[i].partitions_count;
    }
    return count;
}

static bool
make_response(struct produce *produce)
{
    const struct kafka_produce_request *asked = produce->asked;
    struct ks_arena *arena = &produce->request->arena;
    struct kafka_produce_response *response = &produce->response;

    kafka_message_init(&kafka_produce_response_message, response);
    response->topics =
        kafka_array_new(arena, &kafka_produce_response_topic_message, (size_t) asked->topics_count);
    response->topics_count = asked->topics_count;
    for (int32_t i = 0; response->topics != NULL && i < asked->topics_count; i++) {
        struct kafka_produce_response_topic *topic = &response->topics[i];

        topic->name = asked->topics[i].name;
        memcpy(topic->topic_id, asked->topics[i].topic_id, KS_ID_BYTES);
        topic->partitions_count = asked->topics[i].partitions_count;
        topic->partitions = kafka_array_new(arena, &kafka_produce_response_topic_partition_message,
                                            (size_t) topic->partitions_count);
    }
    produce->entry_count = count_partitions(asked);
    produce->entries =
        ks_request_alloc(produce->request, produce->entry_count, sizeof *produce->entries);
    return !ks_arena_failed(arena);
}

static void
begin_entries(struct produce *produce, int16_t code)
{
    const struct kafka_produce_request *asked = produce->asked;
    size_t next = 0;

    for (int32_t i = 0; i < asked->topics_count; i++) {
        struct ks_topic *topic =
            ks_find_topic(produce->request, asked->topics[i].name, NULL, false);

        for (int32_t j = 0; j < asked->topics[i].partitions_count; j++) {
            struct produce_entry *entry = &produce->entries[next];

            next++;
            entry->produce = produce;
            entry->code = code;
            entry->out = &produce->response.topics[i].partitions[j];
            begin_entry(entry, topic, &asked->topics[i].partitions[j]);
        }
    }
}

static bool
is_acks_valid(int16_t acks)
{
    return acks >= -1 && acks <= 1;
}

/*
 * Who wants no answer can't be told that the time is over, and doesn't send again: such a batch
 * queues as long as it must.
 */
static void
start_timer(struct produce *produce)
{
    struct ks_request *request = produce->request;
    int64_t timeout_ms = produce->asked->timeout_ms;

    if (produce->asked->acks == 0) {
        return;
    }
    if (timeout_ms < 0 || (timeout_ms == 0 && produce->asked->acks == 1)) {
        timeout_ms = NO_TIMEOUT_MS;
    }
    produce->timer.on_due = on_timeout;
    produce->timer.arg = produce;
    ks_env_set_timer(request->env, &produce->timer, ks_env_now_ms(request->env) + timeout_ms);
}

void
ks_handle_produce(struct ks_request *request)
{
    struct produce *produce = ks_request_alloc(request, 1, sizeof *produce);

    if (produce == NULL) {
        ks_request_close(request);
        return;
    }
    request->state = produce;
    produce->request = request;
    produce->asked = request->body;
    if (!make_response(produce)) {
        ks_request_close(request);
        return;
    }
    revise_doubtful(request->handlers);
    begin_entries(produce, is_acks_valid(produce->asked->acks) ? KAFKA_ERROR_NONE
                                                               : KAFKA_ERROR_INVALID_REQUIRED_ACKS);
    note_doubt(produce);
    start_timer(produce);
    if (produce->due == 0) {
        answer(request);
    }
}
