/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The whole life of a broker inside a program: start one in memory on a free port, talk to it
 * with librdkafka at its default settings, stop. Build: cc embedded.c $(pkg-config --cflags
 * --libs libkafscale rdkafka)
 */
#include <kafscale/kafscale.h>
#include <librdkafka/rdkafka.h>

#include <stdio.h>
#include <stdlib.h>

static void
check(int is_ok, const char *what, const char *why)
{
    if (!is_ok) {
        fprintf(stderr, "%s: %s\n", what, why);
        exit(EXIT_FAILURE);
    }
}

static struct kafscale_broker *
start_broker(char address[64])
{
    struct kafscale_error error = { 0 };
    struct kafscale_options *options = kafscale_options_new();
    struct kafscale_broker *broker;

    check(options != NULL, "options", "no memory");
    check(kafscale_options_set(options, "listen", "127.0.0.1:0", &error) == 0, "listen",
          error.text);
    check(kafscale_options_set(options, "store", "memory", &error) == 0, "store", error.text);
    broker = kafscale_broker_new(options, &error); /* copies the options */
    check(broker != NULL, "new", error.text);
    kafscale_options_free(options);
    check(kafscale_broker_start(broker, NULL, &error) == 0, "start", error.text);
    check(kafscale_broker_wait_ready(broker, 5000, &error) == 0, "ready", error.text);
    snprintf(address, 64, "%s", kafscale_broker_address(broker, 0));
    return broker;
}

static rd_kafka_t *
client_new(rd_kafka_type_t type, const char *address)
{
    char why[256] = "";
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_t *client;

    check(rd_kafka_conf_set(conf, "bootstrap.servers", address, why, sizeof why) ==
              RD_KAFKA_CONF_OK,
          "client", why);
    client = rd_kafka_new(type, conf, why, sizeof why);
    check(client != NULL, "client", why);
    return client;
}

static void
produce(const char *address)
{
    rd_kafka_t *producer = client_new(RD_KAFKA_PRODUCER, address);
    rd_kafka_resp_err_t result =
        rd_kafka_producev(producer, RD_KAFKA_V_TOPIC("greetings"), RD_KAFKA_V_PARTITION(0),
                          RD_KAFKA_V_VALUE("hello", 5), RD_KAFKA_V_END);

    check(result == RD_KAFKA_RESP_ERR_NO_ERROR, "produce", rd_kafka_err2str(result));
    result = rd_kafka_flush(producer, 10000);
    check(result == RD_KAFKA_RESP_ERR_NO_ERROR, "flush", rd_kafka_err2str(result));
    rd_kafka_destroy(producer);
}

static void
consume(const char *address)
{
    rd_kafka_t *consumer = client_new(RD_KAFKA_CONSUMER, address);
    rd_kafka_topic_t *topic = rd_kafka_topic_new(consumer, "greetings", NULL);
    rd_kafka_message_t *message;

    check(rd_kafka_consume_start(topic, 0, RD_KAFKA_OFFSET_BEGINNING) == 0, "consume",
          "not started");
    message = rd_kafka_consume(topic, 0, 10000);
    check(message != NULL, "consume", "nothing came");
    check(message->err == RD_KAFKA_RESP_ERR_NO_ERROR, "consume", rd_kafka_message_errstr(message));
    printf("%.*s from offset %lld\n", (int) message->len, (const char *) message->payload,
           (long long) message->offset);
    rd_kafka_message_destroy(message);
    rd_kafka_consume_stop(topic, 0);
    rd_kafka_topic_destroy(topic);
    rd_kafka_destroy(consumer);
}

int
main(void)
{
    char address[64];
    struct kafscale_broker *broker = start_broker(address);

    produce(address);
    consume(address);
    kafscale_broker_free(broker); /* stops it, and waits for that */
    return EXIT_SUCCESS;
}
