/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A value is a fixed struct and padding derived from it, so that a byte changed anywhere is
 * noticed. The history is shared by all threads under one mutex: it is also what puts events in a
 * real-time order.
 */
#include "clients.h"

#include "daemon_process.h"

#include <inttypes.h>
#include <librdkafka/rdkafka.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    VALUE_HEAD_BYTES = 24,
    VALUE_BYTES_MAX = 1000,
    STORED_BYTES_MORE = 100 /* than its value has, for a record alone in its batch */
};

struct producer {
    struct clients *clients;
    int32_t number;
    rd_kafka_t *handle;
    pthread_t thread;
    uint64_t random;
};

struct clients {
    char servers[64];
    struct clients_plan plan;
    struct producer producers[CLIENTS_PRODUCERS_MAX];
    rd_kafka_t *reader;
    pthread_t reader_thread;
    pthread_mutex_t mutex;
    pthread_cond_t progress;
    struct history *history;
    struct clients_throttling throttling;
    atomic_bool producers_stop;
    atomic_bool reader_stop;
    char complaint[256];
};

static int64_t
wall_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t) now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static bool
has_retention(const struct clients *clients)
{
    return clients->plan.retention_ms > 0 || clients->plan.retention_bytes > 0;
}

/* xorshift64*: the same seed gives the same sizes and partitions. */
static uint64_t
next_random(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * UINT64_C(2685821657736338717);
}

static void
complain(struct clients *clients, const char *what, const char *why)
{
    pthread_mutex_lock(&clients->mutex);
    if (clients->complaint[0] == '\0') {
        snprintf(clients->complaint, sizeof(clients->complaint), "%s: %s", what, why);
    }
    pthread_mutex_unlock(&clients->mutex);
}

static uint8_t
padding_at(uint64_t seed, struct history_value value, int32_t partition, size_t position)
{
    uint64_t mixed = seed + (uint64_t) value.sequence * 31 + (uint64_t) value.producer * 7 +
                     (uint64_t) partition * 3 + position;

    return (uint8_t) (mixed * UINT64_C(0x9E3779B97F4A7C15) >> 56);
}

static void
write_value(const struct clients *clients, int32_t partition, struct history_value value,
            uint8_t *out, size_t size)
{
    memcpy(out, &clients->plan.seed, 8);
    memcpy(out + 8, &value.producer, 4);
    memcpy(out + 12, &partition, 4);
    memcpy(out + 16, &value.sequence, 8);
    for (size_t i = VALUE_HEAD_BYTES; i < size; i++) {
        out[i] = padding_at(clients->plan.seed, value, partition, i);
    }
}

/* The value of a message; producer -1 when any byte of it is not as it was sent. */
static struct history_value
read_value(const struct clients *clients, const rd_kafka_message_t *message)
{
    const struct history_value damaged = { .producer = -1 };
    struct history_value value = { 0 };
    uint8_t expected[VALUE_BYTES_MAX];

    if (message->len < VALUE_HEAD_BYTES || message->len > VALUE_BYTES_MAX) {
        return damaged;
    }
    memcpy(&value.producer, (const char *) message->payload + 8, 4);
    memcpy(&value.sequence, (const char *) message->payload + 16, 8);
    write_value(clients, message->partition, value, expected, message->len);
    return memcmp(expected, message->payload, message->len) == 0 ? value : damaged;
}

/* An acknowledgement or a failure of one record. Called on the producer's thread. */
static void
on_delivery(rd_kafka_t *handle, const rd_kafka_message_t *message, void *arg)
{
    struct producer *producer = arg;
    struct clients *clients = producer->clients;
    struct history_value value = { .producer = producer->number };

    (void) handle;
    memcpy(&value.sequence, (const char *) message->payload + 16, 8);
    pthread_mutex_lock(&clients->mutex);
    if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
        history_acknowledge(clients->history, message->partition, value, message->offset);
        pthread_cond_signal(&clients->progress);
    } else if (rd_kafka_message_status(message) == RD_KAFKA_MSG_STATUS_NOT_PERSISTED) {
        history_refuse(clients->history, message->partition, value);
    }
    pthread_mutex_unlock(&clients->mutex);
    if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR && !atomic_load(&clients->producers_stop)) {
        complain(clients, "a record was given up", rd_kafka_err2str(message->err));
    }
}

/* Lost connections are what this test is about; only what ends a client counts. */
static void
on_error(rd_kafka_t *handle, int error, const char *reason, void *arg)
{
    struct producer *producer = arg;
    char text[200];

    (void) reason;
    if (error == RD_KAFKA_RESP_ERR__FATAL && producer != NULL) {
        rd_kafka_fatal_error(handle, text, sizeof(text));
        complain(producer->clients, "an idempotent producer ended", text);
    }
}

static void
on_throttle(rd_kafka_t *handle, const char *broker, int32_t number, int throttle_ms, void *arg)
{
    struct producer *producer = arg;
    struct clients *clients = producer->clients;

    (void) handle;
    (void) broker;
    (void) number;
    if (throttle_ms == 0) {
        return;
    }
    pthread_mutex_lock(&clients->mutex);
    clients->throttling.count++;
    if (throttle_ms > clients->throttling.ms_max) {
        clients->throttling.ms_max = throttle_ms;
    }
    pthread_mutex_unlock(&clients->mutex);
}

static void
on_log(const rd_kafka_t *handle, int level, const char *facility, const char *text)
{
    (void) handle;
    (void) level;
    (void) facility;
    (void) text;
}

static void
set(rd_kafka_conf_t *configuration, const char *key, const char *value)
{
    char text[200];

    if (rd_kafka_conf_set(configuration, key, value, text, sizeof(text)) != RD_KAFKA_CONF_OK) {
        fprintf(stderr, "%s\n", text);
        exit(EXIT_FAILURE);
    }
}

static rd_kafka_t *
client_new(rd_kafka_type_t type, rd_kafka_conf_t *configuration)
{
    char text[200];
    rd_kafka_t *handle = rd_kafka_new(type, configuration, text, sizeof(text));

    if (handle == NULL) {
        fprintf(stderr, "%s\n", text);
        exit(EXIT_FAILURE);
    }
    return handle;
}

static rd_kafka_conf_t *
configuration_new(const struct clients *clients)
{
    rd_kafka_conf_t *configuration = rd_kafka_conf_new();

    set(configuration, "bootstrap.servers", clients->servers);
    set(configuration, "reconnect.backoff.ms", "20");
    set(configuration, "reconnect.backoff.max.ms", "200");
    rd_kafka_conf_set_log_cb(configuration, on_log);
    rd_kafka_conf_set_error_cb(configuration, on_error);
    return configuration;
}

static rd_kafka_t *
producer_handle_new(const struct clients *clients, struct producer *producer)
{
    rd_kafka_conf_t *configuration = configuration_new(clients);

    set(configuration, "enable.idempotence", "true");
    set(configuration, "queue.buffering.max.messages", clients->plan.queue_messages);
    rd_kafka_conf_set_throttle_cb(configuration, on_throttle);
    rd_kafka_conf_set_dr_msg_cb(configuration, on_delivery);
    rd_kafka_conf_set_opaque(configuration, producer);
    return client_new(RD_KAFKA_PRODUCER, configuration);
}

static rd_kafka_t *
reader_handle_new(const struct clients *clients)
{
    rd_kafka_conf_t *configuration = configuration_new(clients);
    rd_kafka_topic_partition_list_t *all = rd_kafka_topic_partition_list_new(CLIENTS_PARTITIONS);
    rd_kafka_t *handle;

    set(configuration, "group.id", "crash");
    set(configuration, "enable.auto.commit", "false");
    set(configuration, "auto.offset.reset", has_retention(clients) ? "earliest" : "error");
    set(configuration, "enable.partition.eof", "true");
    handle = client_new(RD_KAFKA_CONSUMER, configuration);
    rd_kafka_poll_set_consumer(handle);
    for (int32_t i = 0; i < CLIENTS_PARTITIONS; i++) {
        rd_kafka_topic_partition_list_add(all, clients->plan.topic, i)->offset =
            has_retention(clients) ? RD_KAFKA_OFFSET_BEGINNING : 0;
    }
    rd_kafka_assign(handle, all);
    rd_kafka_topic_partition_list_destroy(all);
    return handle;
}

struct clients *
clients_new(uint16_t port, const struct clients_plan *plan)
{
    struct clients *clients = calloc(1, sizeof(*clients));

    if (clients == NULL) {
        exit(EXIT_FAILURE);
    }
    snprintf(clients->servers, sizeof(clients->servers), "127.0.0.1:%u", port);
    clients->plan = *plan;
    clients->history = history_new(CLIENTS_PARTITIONS, plan->producer_count);
    if (has_retention(clients)) {
        history_expire(clients->history, plan->retention_ms > 0 ? plan->retention_ms : INT64_MAX,
                       plan->retention_bytes > 0 ? plan->retention_bytes : INT64_MAX);
    }
    pthread_mutex_init(&clients->mutex, NULL);
    pthread_cond_init(&clients->progress, NULL);
    for (int32_t i = 0; i < clients->plan.producer_count; i++) {
        struct producer *producer = &clients->producers[i];

        *producer = (struct producer){ .clients = clients, .number = i };
        producer->random = plan->seed * 1000 + (uint64_t) i + 1;
        producer->handle = producer_handle_new(clients, producer);
    }
    return clients;
}

void
clients_free(struct clients *clients)
{
    for (int32_t i = 0; i < clients->plan.producer_count; i++) {
        rd_kafka_destroy(clients->producers[i].handle);
    }
    pthread_cond_destroy(&clients->progress);
    pthread_mutex_destroy(&clients->mutex);
    history_free(clients->history);
    free(clients);
}

static void
configure_topic(const struct clients *clients, rd_kafka_NewTopic_t *topic)
{
    char text[32];

    if (!has_retention(clients)) {
        return;
    }
    snprintf(text, sizeof(text), "%" PRId64,
             clients->plan.retention_ms > 0 ? clients->plan.retention_ms : -1);
    rd_kafka_NewTopic_set_config(topic, "retention.ms", text);
    snprintf(text, sizeof(text), "%" PRId64,
             clients->plan.retention_bytes > 0 ? clients->plan.retention_bytes : -1);
    rd_kafka_NewTopic_set_config(topic, "retention.bytes", text);
}

/* One try to make the topic; success also when it is there already. */
static bool
try_create_topic(const struct clients *clients, rd_kafka_queue_t *queue)
{
    rd_kafka_t *handle = clients->producers[0].handle;
    char text[200];
    rd_kafka_NewTopic_t *topic =
        rd_kafka_NewTopic_new(clients->plan.topic, CLIENTS_PARTITIONS, 1, text, sizeof(text));
    const rd_kafka_topic_result_t **results;
    rd_kafka_resp_err_t error = RD_KAFKA_RESP_ERR__TIMED_OUT;
    rd_kafka_event_t *event;
    size_t count = 0;

    configure_topic(clients, topic);
    rd_kafka_CreateTopics(handle, &topic, 1, NULL, queue);
    event = rd_kafka_queue_poll(queue, 5000);
    if (event != NULL && rd_kafka_event_error(event) == RD_KAFKA_RESP_ERR_NO_ERROR) {
        results =
            rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event), &count);
        error = count == 1 ? rd_kafka_topic_result_error(results[0]) : error;
    }
    if (event != NULL) {
        rd_kafka_event_destroy(event);
    }
    rd_kafka_NewTopic_destroy(topic);
    return error == RD_KAFKA_RESP_ERR_NO_ERROR || error == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS;
}

bool
clients_create_topic(struct clients *clients, int64_t wait_ms)
{
    int64_t deadline_ms = daemon_now_ms() + wait_ms;
    rd_kafka_queue_t *queue = rd_kafka_queue_new(clients->producers[0].handle);
    bool is_made = false;

    while (!is_made && daemon_now_ms() < deadline_ms) {
        is_made = try_create_topic(clients, queue);
    }
    rd_kafka_queue_destroy(queue);
    return is_made;
}

/* Sends one record; a full queue waits for deliveries. */
static void
produce_one(struct producer *producer)
{
    struct clients *clients = producer->clients;
    int32_t partition = (int32_t) (next_random(&producer->random) % CLIENTS_PARTITIONS);
    size_t size = VALUE_HEAD_BYTES + next_random(&producer->random) % 300;
    struct history_value value = { .producer = producer->number };
    uint8_t bytes[VALUE_BYTES_MAX];

    pthread_mutex_lock(&clients->mutex);
    value.sequence = history_send(clients->history, partition, producer->number, wall_ms(),
                                  (int64_t) size + STORED_BYTES_MORE);
    pthread_mutex_unlock(&clients->mutex);
    write_value(clients, partition, value, bytes, size);
    while (rd_kafka_producev(producer->handle, RD_KAFKA_V_TOPIC(clients->plan.topic),
                             RD_KAFKA_V_PARTITION(partition), RD_KAFKA_V_VALUE(bytes, size),
                             RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
                             RD_KAFKA_V_END) == RD_KAFKA_RESP_ERR__QUEUE_FULL) {
        rd_kafka_poll(producer->handle, 20);
    }
}

static void *
run_producer(void *arg)
{
    struct producer *producer = arg;

    while (!atomic_load(&producer->clients->producers_stop)) {
        produce_one(producer);
        rd_kafka_poll(producer->handle, 0);
    }
    return NULL;
}

/* Notes one answer of a consumer. True: this partition has come to its end. */
static bool
note_message(struct clients *clients, enum history_reader reader, rd_kafka_message_t *message)
{
    bool is_end = message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF;
    bool tells_start =
        has_retention(clients) && (is_end || message->err == RD_KAFKA_RESP_ERR_NO_ERROR);

    pthread_mutex_lock(&clients->mutex);
    if (tells_start &&
        message->offset > history_next_offset(clients->history, reader, message->partition)) {
        history_start(clients->history, message->partition, message->offset, wall_ms());
    }
    pthread_mutex_unlock(&clients->mutex);
    if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
        struct history_value value = read_value(clients, message);

        pthread_mutex_lock(&clients->mutex);
        history_read(clients->history, reader, message->partition, message->offset, value);
        pthread_mutex_unlock(&clients->mutex);
    } else if (message->err == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET ||
               message->err == RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE ||
               message->err == RD_KAFKA_RESP_ERR__BAD_MSG) {
        complain(clients, "a reader was thrown off the log", rd_kafka_message_errstr(message));
    }
    return is_end;
}

static void *
run_reader(void *arg)
{
    struct clients *clients = arg;

    while (!atomic_load(&clients->reader_stop)) {
        rd_kafka_message_t *message = rd_kafka_consumer_poll(clients->reader, 100);

        if (message != NULL) {
            note_message(clients, HISTORY_LIVE, message);
            rd_kafka_message_destroy(message);
        }
    }
    return NULL;
}

void
clients_start(struct clients *clients)
{
    if (!has_retention(clients)) {
        clients->reader = reader_handle_new(clients);
        pthread_create(&clients->reader_thread, NULL, run_reader, clients);
    }
    for (int32_t i = 0; i < clients->plan.producer_count; i++) {
        pthread_create(&clients->producers[i].thread, NULL, run_producer, &clients->producers[i]);
    }
}

uint64_t
clients_acknowledged_count(struct clients *clients)
{
    uint64_t count;

    pthread_mutex_lock(&clients->mutex);
    count = history_acknowledged_count(clients->history);
    pthread_mutex_unlock(&clients->mutex);
    return count;
}

bool
clients_wait_acknowledged(struct clients *clients, uint64_t count, int64_t wait_ms)
{
    struct timespec until;
    bool is_there;
    int failed = 0;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += wait_ms / 1000;
    until.tv_nsec += wait_ms % 1000 * 1000000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    pthread_mutex_lock(&clients->mutex);
    while (history_acknowledged_count(clients->history) < count && failed == 0) {
        failed = pthread_cond_timedwait(&clients->progress, &clients->mutex, &until);
    }
    is_there = history_acknowledged_count(clients->history) >= count;
    pthread_mutex_unlock(&clients->mutex);
    return is_there;
}

bool
clients_stop_producers(struct clients *clients, int64_t wait_ms)
{
    int64_t deadline_ms = daemon_now_ms() + wait_ms;
    bool is_done = true;

    atomic_store(&clients->producers_stop, true);
    for (int32_t i = 0; i < clients->plan.producer_count; i++) {
        pthread_join(clients->producers[i].thread, NULL);
    }
    for (int32_t i = 0; i < clients->plan.producer_count; i++) {
        int64_t left_ms = deadline_ms - daemon_now_ms();

        if (rd_kafka_flush(clients->producers[i].handle, left_ms > 0 ? (int) left_ms : 0) !=
            RD_KAFKA_RESP_ERR_NO_ERROR) {
            is_done = false;
        }
    }
    return is_done;
}

/* Begins and ends of all partitions as the broker tells them. */
static bool
query_ends(struct clients *clients, int64_t starts_out[CLIENTS_PARTITIONS],
           int64_t ends_out[CLIENTS_PARTITIONS])
{
    rd_kafka_t *handle = clients->producers[0].handle;

    for (int32_t i = 0; i < CLIENTS_PARTITIONS; i++) {
        rd_kafka_resp_err_t error = rd_kafka_query_watermark_offsets(
            handle, clients->plan.topic, i, &starts_out[i], &ends_out[i], 10000);

        if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
            complain(clients, "begin and end of a partition are not told", rd_kafka_err2str(error));
            return false;
        }
    }
    return true;
}

static bool
is_at_ends(struct clients *clients, enum history_reader reader,
           const int64_t ends[CLIENTS_PARTITIONS])
{
    bool is_there = true;

    pthread_mutex_lock(&clients->mutex);
    for (int32_t i = 0; i < CLIENTS_PARTITIONS; i++) {
        is_there = is_there && history_next_offset(clients->history, reader, i) >= ends[i];
    }
    pthread_mutex_unlock(&clients->mutex);
    return is_there;
}

bool
clients_note_starts(struct clients *clients)
{
    int64_t starts[CLIENTS_PARTITIONS] = { 0 };
    int64_t ends[CLIENTS_PARTITIONS] = { 0 };
    bool is_told = query_ends(clients, starts, ends);

    pthread_mutex_lock(&clients->mutex);
    for (int32_t i = 0; is_told && i < CLIENTS_PARTITIONS; i++) {
        history_start(clients->history, i, starts[i], wall_ms());
    }
    pthread_mutex_unlock(&clients->mutex);
    return is_told;
}

bool
clients_stop_reader(struct clients *clients, int64_t wait_ms)
{
    int64_t deadline_ms = daemon_now_ms() + wait_ms;
    int64_t starts[CLIENTS_PARTITIONS] = { 0 };
    int64_t ends[CLIENTS_PARTITIONS] = { 0 };
    bool is_there;

    if (has_retention(clients)) {
        return true;
    }
    is_there = query_ends(clients, starts, ends);

    atomic_store(&clients->reader_stop, true);
    pthread_join(clients->reader_thread, NULL);
    while (is_there && !is_at_ends(clients, HISTORY_LIVE, ends)) {
        rd_kafka_message_t *message = rd_kafka_consumer_poll(clients->reader, 100);

        if (message != NULL) {
            note_message(clients, HISTORY_LIVE, message);
            rd_kafka_message_destroy(message);
            deadline_ms = daemon_now_ms() + wait_ms;
        }
        is_there = daemon_now_ms() < deadline_ms;
    }
    rd_kafka_destroy_flags(clients->reader, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
    return is_there;
}

bool
clients_read_all(struct clients *clients, int64_t wait_ms)
{
    int64_t deadline_ms = daemon_now_ms() + wait_ms;
    rd_kafka_t *reader = reader_handle_new(clients);
    bool has_ended[CLIENTS_PARTITIONS] = { false };
    int32_t ended_count = 0;

    while (ended_count < CLIENTS_PARTITIONS && daemon_now_ms() < deadline_ms) {
        rd_kafka_message_t *message = rd_kafka_consumer_poll(reader, 100);

        if (message == NULL) {
            continue;
        }
        deadline_ms = daemon_now_ms() + wait_ms;
        if (note_message(clients, HISTORY_FINAL, message) && !has_ended[message->partition]) {
            has_ended[message->partition] = true;
            ended_count++;
        }
        rd_kafka_message_destroy(message);
    }
    rd_kafka_destroy_flags(reader, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
    return ended_count == CLIENTS_PARTITIONS;
}

struct history *
clients_history(const struct clients *clients)
{
    return clients->history;
}

struct clients_throttling
clients_throttling(struct clients *clients)
{
    struct clients_throttling throttling;

    pthread_mutex_lock(&clients->mutex);
    throttling = clients->throttling;
    pthread_mutex_unlock(&clients->mutex);
    return throttling;
}

const char *
clients_complaint(const struct clients *clients)
{
    return clients->complaint[0] != '\0' ? clients->complaint : NULL;
}
