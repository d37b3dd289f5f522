/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whole conversations with a broker: handlers, broker, log and metadata on a memory store and a
 * virtual clock. An input is a list of acts, each a byte that says what and by whom, two bytes of
 * length, and that many bytes: a request, or how long nothing happens. Every request must be
 * answered under its own number, closed or passed over, and once everybody has left nothing may
 * remain. Small limits keep a run short.
 */
#include "fuzz/fuzz.h"
#include "handlers/handlers.h"
#include "store/store.h"
#include "support/virtual_env.h"

#define CONNECTIONS 4
#define ACTS_MAX 64
#define WAIT_MS 3600000
#define HEADER_BYTES 8 /* api key, version, number */

enum act_kind {
    ACT_SEND,
    ACT_SEND_AND_WAIT, /* until there is nothing left to do but wait */
    ACT_LEAVE,
    ACT_PASS, /* for as many times 10 ms as the first byte says */
    ACT_KINDS
};

struct act {
    enum act_kind kind;
    unsigned connection;
    struct kafscale_slice bytes;
};

struct talk {
    struct ks_exchange exchange;
    struct world *world;
    unsigned connection;
    uint8_t number[4];
    bool is_done;
};

struct world {
    struct virtual_env v;
    struct ks_broker *broker;
    struct ks_handlers *handlers;
    bool is_started;
    bool is_stopped;
    enum kafscale_status start_status;
    struct talk talks[ACTS_MAX];
    size_t talk_count;
    size_t done_count;
    bool are_all_done;
};

static void
on_complete(struct ks_exchange *exchange, const struct ks_answer *answer)
{
    struct talk *talk = KS_CONTAINER(exchange, struct talk, exchange);
    size_t size = 0;

    demand(!talk->is_done);
    talk->is_done = true;
    talk->world->done_count++;
    talk->world->are_all_done = talk->world->done_count == talk->world->talk_count;
    for (size_t i = 0; answer->kind == KS_ANSWER_SEND && i < answer->part_count; i++) {
        struct kafscale_slice bytes = answer->parts[i].bytes;

        demand(bytes.size == 0 || bytes.data != NULL);
        if (size == 0 && bytes.size >= sizeof talk->number) {
            demand(memcmp(bytes.data, talk->number, sizeof talk->number) == 0);
        }
        size += bytes.size;
    }
    demand(answer->kind != KS_ANSWER_SEND || size >= sizeof talk->number);
}

/* What net lets through: no frame is shorter than a header. */
static void
send(struct world *world, const struct act *act)
{
    const struct ks_request_sink *sink = ks_handlers_sink(world->handlers);
    struct talk *talk = &world->talks[world->talk_count];

    if (act->bytes.size < HEADER_BYTES) {
        return;
    }
    world->talk_count++;
    world->are_all_done = false;
    talk->world = world;
    talk->connection = act->connection;
    memcpy(talk->number, act->bytes.data + 4, sizeof talk->number);
    talk->exchange.frame = kafscale_blob_new(act->bytes.size);
    demand(talk->exchange.frame != NULL);
    memcpy(kafscale_blob_data(talk->exchange.frame), act->bytes.data, act->bytes.size);
    talk->exchange.payload = kafscale_blob_slice(talk->exchange.frame);
    talk->exchange.context.client_address = "10.0.0.1";
    talk->exchange.complete = on_complete;
    sink->accept(sink->self, &talk->exchange);
}

static void
leave(struct world *world, unsigned connection)
{
    const struct ks_request_sink *sink = ks_handlers_sink(world->handlers);

    for (size_t i = 0; i < world->talk_count; i++) {
        struct talk *talk = &world->talks[i];

        if (!talk->is_done && talk->connection == connection) {
            sink->gone(sink->self, &talk->exchange);
        }
    }
}

static void
perform(struct world *world, const struct act *act)
{
    switch (act->kind) {
    case ACT_SEND:
        send(world, act);
        break;
    case ACT_SEND_AND_WAIT:
        send(world, act);
        virtual_env_run_for(&world->v, 0);
        break;
    case ACT_LEAVE:
        leave(world, act->connection);
        break;
    case ACT_PASS:
        virtual_env_run_for(&world->v,
                            act->bytes.size == 0 ? 0 : 10 * (int64_t) act->bytes.data[0]);
        break;
    case ACT_KINDS:
        break;
    }
}

static bool
next_act(struct kafscale_slice *input, struct act *act_out)
{
    size_t size;

    if (input->size < 3) {
        return false;
    }
    size = ks_get_u16(input->data + 1);
    size = size < input->size - 3 ? size : input->size - 3;
    *act_out = (struct act){ .kind = (enum act_kind)(input->data[0] / CONNECTIONS % ACT_KINDS),
                             .connection = input->data[0] % CONNECTIONS,
                             .bytes = ks_slice(input->data + 3, size) };
    *input = ks_slice(input->data + 3 + size, input->size - 3 - size);
    return true;
}

static void
on_started(void *arg, enum kafscale_status status, const struct kafscale_error *error)
{
    struct world *world = arg;

    (void) error;
    world->is_started = true;
    world->start_status = status;
}

static void
on_stopped(void *arg)
{
    ((struct world *) arg)->is_stopped = true;
}

static void
world_init(struct world *world)
{
    struct ks_endpoint endpoint = { .host = "127.0.0.1", .port = 9092 };
    struct ks_broker_options options;

    ks_broker_options_init(&options);
    options.flush_interval_ms = 0;
    options.topics_max = 16;
    options.topic_partitions_max = 8;
    options.partitions_max = 64;
    options.coordinator.partition_count = 2;
    options.coordinator.initial_delay_ms = 200;
    virtual_env_init(&world->v, 1);
    world->broker = ks_broker_new(&world->v.env, ks_memory_store_new(&world->v.env, NULL),
                                  (struct kafscale_meta){ 0 }, &options);
    demand(world->broker != NULL);
    demand(ks_broker_set_endpoints(world->broker, &endpoint, 1) == KAFSCALE_OK);
    world->handlers = ks_handlers_new(world->broker);
    demand(world->handlers != NULL);
    ks_broker_start(world->broker, on_started, world);
    demand(virtual_env_run_until(&world->v, &world->is_started, WAIT_MS));
    demand(world->start_status == KAFSCALE_OK);
    world->are_all_done = true;
}

static void
world_deinit(struct world *world)
{
    for (unsigned i = 0; i < CONNECTIONS; i++) {
        leave(world, i);
    }
    demand(virtual_env_run_until(&world->v, &world->are_all_done, WAIT_MS));
    for (size_t i = 0; i < world->talk_count; i++) {
        kafscale_blob_unref(world->talks[i].exchange.frame);
    }
    demand(ks_broker_state(world->broker) == KS_BROKER_READY);
    /* What was given up goes on until the store has it. */
    virtual_env_run_for(&world->v, WAIT_MS);
    demand(ks_handlers_request_count(world->handlers) == 0);
    ks_broker_stop(world->broker, 1000, on_stopped, world);
    demand(virtual_env_run_until(&world->v, &world->is_stopped, WAIT_MS));
    ks_handlers_free(world->handlers);
    ks_broker_free(world->broker);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct kafscale_slice input = ks_slice(data, size);
    struct world *world = calloc(1, sizeof *world);
    struct act act;

    demand(world != NULL);
    world_init(world);
    for (size_t i = 0; i < ACTS_MAX && next_act(&input, &act); i++) {
        perform(world, &act);
    }
    world_deinit(world);
    free(world);
    return 0;
}
