/* SPDX-License-Identifier: Apache-2.0 */
/* The public producer: a sender (client/sender.h) and the threads that put records into it. */
#include "kafscale/producer.h"

#include "kafscale_local.h"

#include <string.h>

#define BATCH_BYTES_MIN ((size_t) 1024)
#define BATCH_BYTES_MAX ((size_t) 8 << 20)
#define LINGER_MS_MAX 60000
#define TIMEOUT_MS_MAX 86400000
#define HEADERS_BYTES_MAX ((size_t) 8 << 20)

/* While a topic can't be learnt of, it is asked for again after this time. */
#define ASK_AGAIN_MS 100

struct kafscale_producer {
    struct ks_local local;
    struct ks_sender sender;
    char *client_id;
    struct ks_sender_options sender_options;
    kafscale_delivered *delivered;
    void *delivered_arg;
    int64_t block_ms;
    struct ks_buffer headers;         /* under the lock: of the record that is sent */
    struct ks_send_topic *last_topic; /* under the lock: most records go where the last one went */
    int flush_count;                  /* under the lock: who waits for all of it */
};

static struct kafscale_producer *
of_local(struct ks_local *local)
{
    return KS_CONTAINER(local, struct kafscale_producer, local);
}

/* --- The loop's side -------------------------------------------------------------------------- */

static void
lock(void *arg)
{
    struct kafscale_producer *producer = arg;

    ks_local_lock(&producer->local);
}

static void
unlock(void *arg)
{
    struct kafscale_producer *producer = arg;

    ks_local_unlock(&producer->local);
}

static void
on_changed(void *arg)
{
    struct kafscale_producer *producer = arg;

    ks_local_tell(&producer->local);
}

static void
on_delivered(void *arg, const struct ks_send_batch *batch, const struct ks_delivered *delivered)
{
    const struct kafscale_producer *producer = arg;
    struct kafscale_delivery delivery = { .status = delivered->status,
                                          .kafka_error = delivered->kafka_error,
                                          .topic = batch->line->topic->name,
                                          .partition = batch->line->index };

    if (producer->delivered == NULL) {
        return;
    }
    for (int32_t i = 0; i < batch->header.record_count; i++) {
        delivery.offset = delivered->base_offset < 0 ? -1 : delivered->base_offset + i;
        delivery.opaque = batch->opaques[i];
        producer->delivered(producer->delivered_arg, &delivery);
    }
}

static void
on_quiet(void *arg)
{
    struct kafscale_producer *producer = arg;

    ks_local_quiet(&producer->local);
}

static void
init(struct ks_local *local, struct ks_env *env, const struct ks_request_sink *sink)
{
    struct kafscale_producer *producer = of_local(local);
    struct ks_sender_events events = { .arg = producer,
                                       .lock = lock,
                                       .unlock = unlock,
                                       .delivered = on_delivered,
                                       .changed = on_changed };

    ks_sender_init(&producer->sender, env, sink, &producer->sender_options, &events);
    producer->sender.asker.on_quiet = on_quiet;
    producer->sender.asker.quiet_arg = producer;
}

static void
run(struct ks_local *local)
{
    struct kafscale_producer *producer = of_local(local);
    bool takes_all;

    ks_local_lock(local);
    takes_all = producer->flush_count > 0;
    ks_local_unlock(local);
    ks_sender_collect(&producer->sender, takes_all);
}

static void
stop(struct ks_local *local)
{
    ks_sender_stop(&of_local(local)->sender);
}

static void
end(struct ks_local *local)
{
    ks_sender_end(&of_local(local)->sender);
}

static bool
is_quiet(const struct ks_local *local)
{
    return ks_sender_is_quiet(&KS_CONTAINER(local, const struct kafscale_producer, local)->sender);
}

static void
free_producer(struct kafscale_producer *producer)
{
    ks_local_deinit(&producer->local);
    ks_buffer_deinit(&producer->headers);
    ks_free(producer->client_id);
    ks_free(producer);
}

static void
free_local(struct ks_local *local)
{
    ks_sender_deinit(&of_local(local)->sender);
    free_producer(of_local(local));
}

static const struct ks_local_ops local_ops = {
    .init = init,
    .run = run,
    .stop = stop,
    .end = end,
    .is_quiet = is_quiet,
    .free = free_local,
};

/* --- Options ---------------------------------------------------------------------------------- */

static enum kafscale_status
check_options(const struct kafscale_producer_options *options, struct kafscale_error *error)
{
    if (options->size != sizeof *options) {
        return ks_error_set(error, KAFSCALE_INVALID,
                            "producer options: begin with KAFSCALE_PRODUCER_OPTIONS");
    }
    if (options->client_id == NULL || strlen(options->client_id) > INT16_MAX) {
        return ks_error_set(error, KAFSCALE_INVALID, "producer options: client_id");
    }
    if (options->batch_bytes < BATCH_BYTES_MIN || options->batch_bytes > BATCH_BYTES_MAX) {
        return ks_error_set(error, KAFSCALE_INVALID,
                            "producer options: batch_bytes %zu, %zu to %zu", options->batch_bytes,
                            BATCH_BYTES_MIN, BATCH_BYTES_MAX);
    }
    if (options->buffer_bytes < options->batch_bytes) {
        return ks_error_set(error, KAFSCALE_INVALID,
                            "producer options: buffer_bytes %zu holds no batch of %zu",
                            options->buffer_bytes, options->batch_bytes);
    }
    if (options->linger_ms < 0 || options->linger_ms > LINGER_MS_MAX) {
        return ks_error_set(error, KAFSCALE_INVALID, "producer options: linger_ms %lld, 0 to %d",
                            (long long) options->linger_ms, LINGER_MS_MAX);
    }
    if (options->delivery_timeout_ms < 1 || options->delivery_timeout_ms > TIMEOUT_MS_MAX) {
        return ks_error_set(error, KAFSCALE_INVALID,
                            "producer options: delivery_timeout_ms %lld, 1 to %d",
                            (long long) options->delivery_timeout_ms, TIMEOUT_MS_MAX);
    }
    if (options->block_ms < 0 || options->block_ms > TIMEOUT_MS_MAX) {
        return ks_error_set(error, KAFSCALE_INVALID, "producer options: block_ms %lld, 0 to %d",
                            (long long) options->block_ms, TIMEOUT_MS_MAX);
    }
    return KAFSCALE_OK;
}

static struct kafscale_producer *
make(const struct kafscale_producer_options *options)
{
    struct kafscale_producer *producer = ks_alloc_zero(1, sizeof *producer);

    if (producer == NULL) {
        return NULL;
    }
    producer->client_id = ks_copy_text(options->client_id);
    if (producer->client_id == NULL) {
        ks_free(producer);
        return NULL;
    }
    ks_local_init(&producer->local);
    ks_buffer_init(&producer->headers, HEADERS_BYTES_MAX);
    producer->delivered = options->delivered;
    producer->delivered_arg = options->delivered_arg;
    producer->block_ms = options->block_ms;
    producer->sender_options =
        (struct ks_sender_options){ .client_id = ks_slice_of_text(producer->client_id),
                                    .batch_bytes = options->batch_bytes,
                                    .buffer_bytes = options->buffer_bytes,
                                    .delivery_timeout_ms = options->delivery_timeout_ms,
                                    .linger_ms = options->linger_ms };
    return producer;
}

struct kafscale_producer *
kafscale_producer_new(struct kafscale_broker *broker,
                      const struct kafscale_producer_options *options, struct kafscale_error *error)
{
    static const struct kafscale_producer_options defaults = KAFSCALE_PRODUCER_OPTIONS;
    struct kafscale_error unused = { 0 };
    struct kafscale_producer *producer;

    error = error == NULL ? &unused : error;
    options = options == NULL ? &defaults : options;
    if (broker == NULL) {
        ks_error_set(error, KAFSCALE_INVALID, "producer: no broker");
        return NULL;
    }
    if (check_options(options, error) != KAFSCALE_OK) {
        return NULL;
    }
    producer = make(options);
    if (producer == NULL) {
        ks_error_set(error, KAFSCALE_NO_MEMORY, "producer: no memory");
        return NULL;
    }
    if (ks_local_open(&producer->local, &local_ops, broker, error) != KAFSCALE_OK) {
        free_producer(producer);
        return NULL;
    }
    return producer;
}

void
kafscale_producer_free(struct kafscale_producer *producer)
{
    if (producer != NULL) {
        ks_local_free(&producer->local);
    }
}

/* --- Sending ---------------------------------------------------------------------------------- */

/* One record on its way in, with the lock held. */
struct sending {
    struct kafscale_producer *producer;
    struct kafscale_slice topic;
    int32_t partition;
    struct ks_record record;
    void *opaque;
    int64_t due_ms;
    struct kafscale_error *error;
};

static enum kafscale_status
refuse(const struct sending *sending, enum kafscale_status status, const char *why)
{
    return ks_error_set(sending->error, status, "send to %.*s: %s", (int) sending->topic.size,
                        (const char *) sending->topic.data, why);
}

/* False: the time is over, which begins with the first wait. Until `look_ms` at the latest. */
static bool
wait(struct sending *sending, int64_t look_ms)
{
    struct kafscale_producer *producer = sending->producer;
    int64_t now_ms = ks_monotonic_ms();
    int64_t due_ms;

    if (sending->due_ms == 0) {
        sending->due_ms = now_ms + (ks_local_is_on_loop(&producer->local) ? 0 : producer->block_ms);
    }
    due_ms = sending->due_ms;
    if (now_ms >= due_ms) {
        return false;
    }
    if (look_ms >= 0 && now_ms + look_ms < due_ms) {
        due_ms = now_ms + look_ms;
    }
    ks_local_wait(&producer->local, due_ms);
    return true;
}

static struct ks_send_topic *
topic_of(struct kafscale_producer *producer, struct kafscale_slice name)
{
    struct ks_send_topic *topic = producer->last_topic;

    if (topic == NULL || !ks_slice_equals(topic->node.key, name)) {
        topic = ks_sender_topic(&producer->sender, name);
    }
    producer->last_topic = topic;
    return topic;
}

/* Why nothing is known of a topic, when it was asked for and `told` is the last answer. */
static enum kafscale_status
refuse_topic(const struct sending *sending, int16_t told)
{
    if (sending->producer->local.broker == NULL) {
        return refuse(sending, KAFSCALE_STOPPED, "the broker has been stopped");
    }
    switch (told) {
    case KAFKA_ERROR_NONE:
        return refuse(sending, KAFSCALE_UNAVAILABLE, "nothing is known of the topic yet");
    case KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION:
        return refuse(sending, KAFSCALE_NOT_FOUND, kafka_error_name(told));
    default:
        return refuse(sending,
                      kafka_error_is_retriable(told) ? KAFSCALE_UNAVAILABLE : KAFSCALE_INVALID,
                      kafka_error_name(told));
    }
}

/* Waits until it is known: what doesn't exist may be in the making. */
static enum kafscale_status
find_topic(struct sending *sending, struct ks_send_topic **topic_out)
{
    struct kafscale_producer *producer = sending->producer;
    struct ks_send_topic *topic = topic_of(producer, sending->topic);
    int16_t told = KAFKA_ERROR_NONE;
    bool has_asked = false;

    if (topic == NULL) {
        return refuse(sending, KAFSCALE_NO_MEMORY, "no memory");
    }
    while (topic->line_count == 0) {
        bool is_told = has_asked && topic->error != KAFKA_ERROR_NONE;

        told = is_told ? topic->error : told;
        if (producer->local.broker == NULL || (is_told && !kafka_error_is_retriable(told)) ||
            (has_asked && !wait(sending, is_told ? ASK_AGAIN_MS : -1))) {
            return refuse_topic(sending, told);
        }
        if (!has_asked || is_told) {
            ks_sender_want(&producer->sender, topic);
            ks_local_call(&producer->local);
            has_asked = true;
        }
    }
    *topic_out = topic;
    return KAFSCALE_OK;
}

static enum kafscale_status
find_line(struct sending *sending, struct ks_line **line_out)
{
    struct ks_send_topic *topic = NULL;
    enum kafscale_status status = find_topic(sending, &topic);
    int32_t partition = sending->partition;

    if (status != KAFSCALE_OK) {
        return status;
    }
    if (partition < 0) {
        partition = ks_send_topic_choose(topic, sending->record.key);
    }
    if (partition >= topic->line_count) {
        ks_sender_want(&sending->producer->sender, topic);
        ks_local_call(&sending->producer->local);
        return refuse(sending, KAFSCALE_NOT_FOUND, "no such partition");
    }
    *line_out = topic->lines[partition];
    return KAFSCALE_OK;
}

static enum kafscale_status
append(struct sending *sending)
{
    struct kafscale_producer *producer = sending->producer;
    struct ks_line *line = NULL;
    enum kafscale_status status = find_line(sending, &line);
    bool is_news;

    if (status != KAFSCALE_OK) {
        return status;
    }
    do {
        status =
            ks_sender_append(&producer->sender, line, &sending->record, sending->opaque, &is_news);
        if (is_news) {
            ks_local_call(&producer->local);
        }
    } while (status == KAFSCALE_FULL && wait(sending, -1));
    switch (status) {
    case KAFSCALE_OK:
        return status;
    case KAFSCALE_FULL:
        return refuse(sending, status, "buffer_bytes are full");
    case KAFSCALE_TOO_LARGE:
        return refuse(sending, status, "the record is larger than batch_bytes");
    case KAFSCALE_STOPPED:
        return refuse(sending, status, "the broker is stopping");
    default:
        return refuse(sending, status, "no memory");
    }
}

static bool
is_broken(struct kafscale_slice bytes)
{
    return bytes.data == NULL && bytes.size > 0;
}

/* The headers in the form of the wire, under the lock. */
static enum kafscale_status
take_record(struct sending *sending, const struct kafscale_record *record)
{
    struct ks_buffer *headers = &sending->producer->headers;

    if (sending->producer->local.broker == NULL) {
        return refuse(sending, KAFSCALE_STOPPED, "the broker has been stopped");
    }
    if (record->header_count > INT32_MAX || record->timestamp_ms < -1 || is_broken(record->key) ||
        is_broken(record->value)) {
        return refuse(sending, KAFSCALE_INVALID, "a broken record");
    }
    if (record->key.size + record->value.size > BATCH_BYTES_MAX ||
        record->value.size > BATCH_BYTES_MAX) {
        return refuse(sending, KAFSCALE_TOO_LARGE, "the record is larger than batch_bytes");
    }
    ks_buffer_clear(headers);
    for (size_t i = 0; i < record->header_count; i++) {
        const struct kafscale_header *header = &record->headers[i];

        if (header->key.data == NULL || is_broken(header->value)) {
            return refuse(sending, KAFSCALE_INVALID, "a broken header");
        }
        ks_record_header_append(headers, &(struct ks_record_header){ header->key, header->value });
    }
    if (ks_buffer_failed(headers)) {
        return refuse(sending, KAFSCALE_TOO_LARGE, "too many headers");
    }
    sending->record = (struct ks_record){
        .timestamp = record->timestamp_ms >= 0 ? record->timestamp_ms
                                               : ks_env_wall_ms(sending->producer->sender.env),
        .key = record->key,
        .value = record->value,
        .header_count = (int32_t) record->header_count,
        .headers = ks_buffer_slice(headers),
    };
    return KAFSCALE_OK;
}

enum kafscale_status
kafscale_producer_send(struct kafscale_producer *producer, const char *topic, int32_t partition,
                       const struct kafscale_record *record, void *opaque,
                       struct kafscale_error *error)
{
    struct kafscale_error unused = { 0 };
    struct sending sending = { .producer = producer, .partition = partition, .opaque = opaque };
    enum kafscale_status status;

    sending.error = error == NULL ? &unused : error;
    if (topic == NULL || *topic == '\0' || strlen(topic) > INT16_MAX || partition < -1) {
        return ks_error_set(sending.error, KAFSCALE_INVALID,
                            "send: the topic's name, or the partition %d", (int) partition);
    }
    sending.topic = ks_slice_of_text(topic);
    ks_local_lock(&producer->local);
    status = take_record(&sending, record);
    if (status == KAFSCALE_OK) {
        status = append(&sending);
    }
    ks_local_unlock(&producer->local);
    return status;
}

enum kafscale_status
kafscale_producer_flush(struct kafscale_producer *producer, int64_t timeout_ms,
                        struct kafscale_error *error)
{
    int64_t due_ms = ks_monotonic_after(timeout_ms);
    enum kafscale_status status = KAFSCALE_OK;
    struct kafscale_error unused = { 0 };

    error = error == NULL ? &unused : error;
    ks_local_lock(&producer->local);
    if (ks_local_is_on_loop(&producer->local)) {
        status = ks_error_set(error, KAFSCALE_INVALID, "flush: nobody can wait on the loop thread");
    } else {
        producer->flush_count++;
        ks_local_call(&producer->local);
        while (atomic_load(&producer->sender.pending_records) > 0 && status == KAFSCALE_OK) {
            if (!ks_local_wait(&producer->local, due_ms)) {
                status = ks_error_set(error, KAFSCALE_UNAVAILABLE, "flush: the time is over");
            }
        }
        producer->flush_count--;
    }
    ks_local_unlock(&producer->local);
    return status;
}
