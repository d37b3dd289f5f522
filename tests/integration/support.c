/* SPDX-License-Identifier: Apache-2.0 */
/* Nothing here waits by sleeping: every wait is for an event with a limit. */
#include "support.h"

#include <check.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WAIT_MS 30000

static void
write_log(void *arg, const struct kafscale_log_event *event)
{
    (void) arg;
    fprintf(stderr, "# broker %d %s\n", (int) event->level, event->line);
}

static void
set(struct kafscale_options *options, const char *key, const char *value)
{
    struct kafscale_error error = { 0 };

    ck_assert_msg(kafscale_options_set(options, key, value, &error) == KAFSCALE_OK, "%s",
                  error.text);
}

struct kafscale_broker *
broker_new(const char *const *settings)
{
    struct kafscale_options *options = kafscale_options_new();
    struct kafscale_error error = { 0 };
    struct kafscale_broker *broker;

    ck_assert_ptr_nonnull(options);
    set(options, "listen", "127.0.0.1:0");
    set(options, "store", "memory");
    for (; *settings != NULL; settings += 2) {
        set(options, settings[0], settings[1]);
    }
    broker = kafscale_broker_new(options, &error);
    ck_assert_msg(broker != NULL, "%s", error.text);
    kafscale_options_free(options);
    kafscale_broker_set_logger(broker, write_log, NULL);
    return broker;
}

struct kafscale_broker *
broker_start(const char *const *settings)
{
    struct kafscale_broker *broker = broker_new(settings);
    struct kafscale_error error = { 0 };

    ck_assert_msg(kafscale_broker_start(broker, NULL, &error) == KAFSCALE_OK, "%s", error.text);
    ck_assert_msg(kafscale_broker_wait_ready(broker, WAIT_MS, &error) == KAFSCALE_OK, "%s",
                  error.text);
    return broker;
}

void
directory_make(char path_out[64])
{
    snprintf(path_out, 64, "/tmp/kafscale-integration-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(path_out));
}

static int
remove_one(const char *path, const struct stat *status, int type, struct FTW *place)
{
    (void) status;
    (void) type;
    (void) place;
    return remove(path);
}

void
directory_remove(const char *path)
{
    ck_assert_int_eq(nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

static void
configure(rd_kafka_conf_t *conf, const char *key, const char *value)
{
    char why[256] = "";

    ck_assert_msg(rd_kafka_conf_set(conf, key, value, why, sizeof why) == RD_KAFKA_CONF_OK, "%s",
                  why);
}

static void
on_delivery(rd_kafka_t *client, const rd_kafka_message_t *message, void *opaque)
{
    (void) opaque;
    ck_assert_msg(message->err == RD_KAFKA_RESP_ERR_NO_ERROR, "delivery by %s: %s",
                  rd_kafka_name(client), rd_kafka_err2str(message->err));
}

rd_kafka_t *
client_new(rd_kafka_type_t type, const struct kafscale_broker *broker, const char *const *settings)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_t *client;
    char why[256] = "";

    configure(conf, "bootstrap.servers", kafscale_broker_address(broker, 0));
    for (; settings != NULL && *settings != NULL; settings += 2) {
        configure(conf, settings[0], settings[1]);
    }
    if (type == RD_KAFKA_PRODUCER) {
        rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
    }
    client = rd_kafka_new(type, conf, why, sizeof why);
    ck_assert_msg(client != NULL, "%s", why);
    return client;
}

void
produce_numbers(rd_kafka_t *producer, const char *topic, int32_t partition, int first, int count)
{
    for (int i = first; i < first + count; i++) {
        char text[16];
        int size = snprintf(text, sizeof text, "%d", i);
        rd_kafka_resp_err_t result;

        do {
            result = rd_kafka_producev(
                producer, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_PARTITION(partition),
                RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY | RD_KAFKA_MSG_F_BLOCK),
                RD_KAFKA_V_VALUE(text, (size_t) size), RD_KAFKA_V_END);
        } while (result == RD_KAFKA_RESP_ERR__QUEUE_FULL);
        ck_assert_msg(result == RD_KAFKA_RESP_ERR_NO_ERROR, "%s", rd_kafka_err2str(result));
    }
    ck_assert_int_eq(rd_kafka_flush(producer, WAIT_MS), RD_KAFKA_RESP_ERR_NO_ERROR);
}

static void
expect_number(const rd_kafka_message_t *message, int number)
{
    char text[16];

    snprintf(text, sizeof text, "%d", number);
    ck_assert_msg(message->err == RD_KAFKA_RESP_ERR_NO_ERROR, "number %d: %s", number,
                  rd_kafka_message_errstr(message));
    ck_assert_uint_eq(message->len, strlen(text));
    ck_assert_int_eq(memcmp(message->payload, text, message->len), 0);
    ck_assert_int_eq(message->offset, number);
}

void
expect_numbers(const struct kafscale_broker *broker, const char *topic, int32_t partition,
               int count)
{
    static const char *const settings[] = { "enable.partition.eof", "true", NULL };
    rd_kafka_t *consumer = client_new(RD_KAFKA_CONSUMER, broker, settings);
    rd_kafka_topic_t *handle = rd_kafka_topic_new(consumer, topic, NULL);
    rd_kafka_message_t *message;

    ck_assert_int_eq(rd_kafka_consume_start(handle, partition, RD_KAFKA_OFFSET_BEGINNING), 0);
    for (int i = 0; i < count; i++) {
        message = rd_kafka_consume(handle, partition, WAIT_MS);
        ck_assert_msg(message != NULL, "number %d did not come", i);
        expect_number(message, i);
        rd_kafka_message_destroy(message);
    }
    message = rd_kafka_consume(handle, partition, WAIT_MS);
    ck_assert_ptr_nonnull(message);
    ck_assert_int_eq(message->err, RD_KAFKA_RESP_ERR__PARTITION_EOF);
    rd_kafka_message_destroy(message);
    rd_kafka_consume_stop(handle, partition);
    rd_kafka_topic_destroy(handle);
    rd_kafka_destroy(consumer);
}
