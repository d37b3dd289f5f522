/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A broker on an object store of your own. This one is a list in memory and stands for your
 * database, your cache or your cloud: five operations, each answered later, on the broker's loop.
 * It is checked first, then a broker keeps its records there, and another one finds them again.
 * Build: cc own_store.c $(pkg-config --cflags --libs libkafscale rdkafka)
 */
#include <kafscale/kafscale.h>
#include <librdkafka/rdkafka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- The data, which outlives the brokers: objects in the order of their keys --- */

struct object {
    struct object *next;
    struct kafscale_blob *body;
    char key[KAFSCALE_STORE_KEY_BYTES_MAX + 1];
};

struct disk {
    struct object *first;
};

/* The object of this key, or the place where it belongs. */
static struct object **
find(struct disk *disk, const char *key)
{
    struct object **place = &disk->first;

    while (*place != NULL && strcmp((*place)->key, key) < 0) {
        place = &(*place)->next;
    }
    return place;
}

static bool
is_there(struct object *const *place, const char *key)
{
    return *place != NULL && strcmp((*place)->key, key) == 0;
}

static void
drop(struct object **place)
{
    struct object *object = *place;

    *place = object->next;
    kafscale_blob_unref(object->body);
    free(object);
}

/* --- The store: one for each time that it is opened --- */

struct store {
    struct disk *disk;
    struct kafscale_loop loop;
    size_t waiting;
    kafscale_close_done *close_done;
    void *close_arg;
    struct kafscale_task close_task;
};

/* A request until it is answered. Its own struct and key stay where they are meanwhile. */
struct request {
    struct kafscale_task task;
    struct store *store;
    const struct kafscale_put *put;
    const struct kafscale_get *get;
    const struct kafscale_list *list;
    const struct kafscale_remove *remove;
    void (*done)(void); /* of the type that the request's kind has */
    void *arg;
};

static enum kafscale_status
write_object(struct disk *disk, const struct kafscale_put *put)
{
    struct object **place = find(disk, put->key);
    struct object *object = calloc(1, sizeof *object);
    size_t size = 0;

    if (put->if_absent && is_there(place, put->key)) {
        free(object);
        return KAFSCALE_EXISTS;
    }
    for (size_t i = 0; i < put->part_count; i++) {
        size += put->parts[i].bytes.size;
    }
    object->body = kafscale_blob_new(size);
    size = 0;
    for (size_t i = 0; i < put->part_count; i++) {
        struct kafscale_slice part = put->parts[i].bytes;

        if (part.size > 0) {
            memcpy(kafscale_blob_data(object->body) + size, part.data, part.size);
        }
        size += part.size;
    }
    strcpy(object->key, put->key);
    if (is_there(place, put->key)) {
        drop(place);
    }
    object->next = *place;
    *place = object;
    return KAFSCALE_OK;
}

static void
answer_get(struct disk *disk, const struct kafscale_get *get, kafscale_get_done *done, void *arg)
{
    struct object **place = find(disk, get->key);
    struct kafscale_blob *range;
    size_t position, size;

    if (!is_there(place, get->key)) {
        done(arg, KAFSCALE_NOT_FOUND, NULL, 0, NULL);
        return;
    }
    size = kafscale_blob_size((*place)->body);
    position = get->position < size ? (size_t) get->position : size;
    range = kafscale_blob_view((*place)->body, position,
                               get->size_max < size - position ? get->size_max : size - position);
    done(arg, KAFSCALE_OK, range, size, NULL);
    kafscale_blob_unref(range);
}

static void
answer_list(struct disk *disk, const struct kafscale_list *list, kafscale_list_done *done,
            void *arg)
{
    struct kafscale_list_entry *entries = calloc(list->count_max + 1, sizeof *entries);
    size_t count = 0;

    for (struct object *object = disk->first; object != NULL && count <= list->count_max;
         object = object->next) {
        if (strncmp(object->key, list->prefix, strlen(list->prefix)) == 0 &&
            (list->start_after == NULL || strcmp(object->key, list->start_after) > 0)) {
            entries[count].key = object->key;
            entries[count++].object_bytes = kafscale_blob_size(object->body);
        }
    }
    done(arg, KAFSCALE_OK, entries, count > list->count_max ? list->count_max : count,
         count > list->count_max, NULL);
    free(entries);
}

static void
close_now(void *arg)
{
    struct store *store = arg;
    kafscale_close_done *done = store->close_done;
    void *done_arg = store->close_arg;

    free(store);
    done(done_arg);
}

static void
answer(void *arg)
{
    struct request request = *(struct request *) arg;
    struct disk *disk = request.store->disk;

    free(arg);
    if (request.put != NULL) {
        enum kafscale_status status = write_object(disk, request.put);

        ((kafscale_put_done *) request.done)(request.arg, status, NULL);
    } else if (request.get != NULL) {
        answer_get(disk, request.get, (kafscale_get_done *) request.done, request.arg);
    } else if (request.list != NULL) {
        answer_list(disk, request.list, (kafscale_list_done *) request.done, request.arg);
    } else {
        struct object **place = find(disk, request.remove->key);

        if (is_there(place, request.remove->key)) {
            drop(place);
        }
        ((kafscale_remove_done *) request.done)(request.arg, KAFSCALE_OK, NULL);
    }
    if (--request.store->waiting == 0 && request.store->close_done != NULL) {
        close_now(request.store);
    }
}

/* No answer comes before the call has returned: a task of the loop gives it. */
static void
submit(void *self, struct request request, void (*done)(void), void *arg)
{
    struct store *store = self;
    struct request *kept = malloc(sizeof *kept);

    *kept = request;
    kept->store = store;
    kept->done = done;
    kept->arg = arg;
    kept->task = (struct kafscale_task){ .run = answer, .arg = kept };
    store->waiting++;
    store->loop.ops->defer(store->loop.self, &kept->task);
}

static void
store_put(void *self, const struct kafscale_put *put, kafscale_put_done *done, void *arg)
{
    submit(self, (struct request){ .put = put }, (void (*)(void)) done, arg);
}

static void
store_get(void *self, const struct kafscale_get *get, kafscale_get_done *done, void *arg)
{
    submit(self, (struct request){ .get = get }, (void (*)(void)) done, arg);
}

static void
store_list(void *self, const struct kafscale_list *list, kafscale_list_done *done, void *arg)
{
    submit(self, (struct request){ .list = list }, (void (*)(void)) done, arg);
}

static void
store_remove(void *self, const struct kafscale_remove *remove, kafscale_remove_done *done,
             void *arg)
{
    submit(self, (struct request){ .remove = remove }, (void (*)(void)) done, arg);
}

static void
store_close(void *self, kafscale_close_done *done, void *arg)
{
    struct store *store = self;

    store->close_done = done;
    store->close_arg = arg;
    store->close_task = (struct kafscale_task){ .run = close_now, .arg = store };
    if (store->waiting == 0) {
        store->loop.ops->defer(store->loop.self, &store->close_task);
    }
}

static enum kafscale_status
open_store(void *arg, struct kafscale_loop loop, struct kafscale_store *store_out,
           struct kafscale_error *error)
{
    static const struct kafscale_store_ops ops = { .version = KAFSCALE_STORE_OPS_VERSION,
                                                   .name = "list",
                                                   .window = 1,
                                                   .put = store_put,
                                                   .get = store_get,
                                                   .list = store_list,
                                                   .remove = store_remove,
                                                   .close = store_close };
    struct store *store = calloc(1, sizeof *store);

    (void) error;
    if (store == NULL) {
        return KAFSCALE_NO_MEMORY;
    }
    store->disk = arg;
    store->loop = loop;
    *store_out = (struct kafscale_store){ &ops, store };
    return KAFSCALE_OK;
}

/* --- Brokers on it --- */

static void
check(bool is_ok, const char *what, const char *why)
{
    if (!is_ok) {
        fprintf(stderr, "%s: %s\n", what, why);
        exit(EXIT_FAILURE);
    }
}

static void
tell(void *arg, const char *what, const struct kafscale_error *error)
{
    (void) arg;
    printf("%s: %s\n", error == NULL ? "ok" : error->text, what);
}

static struct kafscale_broker *
start_broker(struct disk *disk)
{
    struct kafscale_error error = { 0 };
    struct kafscale_options *options = kafscale_options_new();
    struct kafscale_broker *broker;

    check(kafscale_options_set(options, "listen", "127.0.0.1:0", &error) == 0, "listen",
          error.text);
    broker = kafscale_broker_new(options, &error);
    check(broker != NULL, "new", error.text);
    kafscale_options_free(options);
    kafscale_broker_set_store(broker, open_store, disk);
    check(kafscale_broker_start(broker, NULL, &error) == 0, "start", error.text);
    check(kafscale_broker_wait_ready(broker, 5000, &error) == 0, "ready", error.text);
    return broker;
}

static rd_kafka_t *
client_new(rd_kafka_type_t type, const struct kafscale_broker *broker)
{
    char why[256] = "";
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_t *client;

    check(rd_kafka_conf_set(conf, "bootstrap.servers", kafscale_broker_address(broker, 0), why,
                            sizeof why) == RD_KAFKA_CONF_OK,
          "client", why);
    client = rd_kafka_new(type, conf, why, sizeof why);
    check(client != NULL, "client", why);
    return client;
}

static void
produce(const struct kafscale_broker *broker)
{
    rd_kafka_t *producer = client_new(RD_KAFKA_PRODUCER, broker);

    check(rd_kafka_producev(producer, RD_KAFKA_V_TOPIC("greetings"), RD_KAFKA_V_PARTITION(0),
                            RD_KAFKA_V_VALUE("hello", 5), RD_KAFKA_V_END) == 0,
          "produce", "not taken");
    check(rd_kafka_flush(producer, 10000) == 0, "produce", "not acknowledged");
    rd_kafka_destroy(producer);
}

static void
consume(const struct kafscale_broker *broker)
{
    rd_kafka_t *consumer = client_new(RD_KAFKA_CONSUMER, broker);
    rd_kafka_topic_t *topic = rd_kafka_topic_new(consumer, "greetings", NULL);
    rd_kafka_message_t *message;

    check(rd_kafka_consume_start(topic, 0, RD_KAFKA_OFFSET_BEGINNING) == 0, "consume",
          "not started");
    message = rd_kafka_consume(topic, 0, 10000);
    check(message != NULL && message->err == 0, "consume", "nothing came");
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
    struct kafscale_error error = { 0 };
    struct disk disk = { NULL };
    struct kafscale_broker *broker;

    check(kafscale_store_check(open_store, &disk, "", tell, NULL, &error) == KAFSCALE_OK,
          "the store is not fit", error.text);
    check(disk.first == NULL, "check", "it left something behind");
    broker = start_broker(&disk);
    produce(broker);
    kafscale_broker_free(broker);
    broker = start_broker(&disk); /* on what the other one left */
    consume(broker);
    kafscale_broker_free(broker);
    while (disk.first != NULL) {
        drop(&disk.first);
    }
    return EXIT_SUCCESS;
}
