/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An idempotent producer as librdkafka's and Java's are: up to four requests on their way, each
 * with batches for several partitions. When something fails or is not answered it takes another
 * broker and sends everything again that was not acknowledged, in order.
 */
#include "sim/broker_world_internal.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#define REQUESTS_MAX 4
#define TIMEOUT_MS 1000
#define PATIENCE_MS 1500
/* Times of records: hours before the clocks of brokers begin, so that none is too new. */
#define FIRST_MS (INT64_C(1700000000000) - 12 * 3600000)
#define APART_MS INT64_C(25000)

/* One Produce under way: which batch of each lane it holds, or -1. */
struct produce {
    struct ks_list link;
    int64_t sent_at_ms;
    int32_t batches[WORLD_PARTITIONS];
};

static void
forget_requests(struct client *client)
{
    struct producer *p = KS_CONTAINER(client, struct producer, client);
    struct ks_list *node;

    while ((node = ks_list_take_first(&p->requests)) != NULL) {
        free(KS_CONTAINER(node, struct produce, link));
    }
    p->request_count = 0;
    p->is_asking_id = false;
    for (int i = 0; i < WORLD_PARTITIONS; i++) {
        p->lanes[i].sent = p->lanes[i].acknowledged;
    }
}

/* --- Answers ---------------------------------------------------------------------------------- */

static void
take_acknowledged(struct producer *p, int index, int64_t base_offset)
{
    struct world *w = p->client.world;
    struct lane *lane = &p->lanes[index];
    struct sent_batch *batch = &lane->batches[lane->acknowledged];

    lane->acknowledged++;
    w->events->acknowledged++;
    w->events->acknowledged_after_retry += batch->tries > 1;
    w->events->acknowledged_elsewhere += batch->first != p->client.process;
    if (base_offset < 0) {
        world_broken(w, "acknowledged without an offset", index, base_offset);
        return;
    }
    if (base_offset < batch->floor) {
        world_broken(w, "an offset below what was known when it was sent", base_offset,
                     batch->floor);
        return;
    }
    for (int32_t i = 0; i < batch->count; i++) {
        if (!history_see(&w->histories[index], w->v.now_ms, base_offset + i,
                         WORLD_VALUE(p->index, batch->sequence + i))) {
            world_broken(w, "acknowledged at an offset that holds another record", index,
                         base_offset + i);
            return;
        }
    }
}

/* False: the rest of this connection is of no use. */
static bool
take_partition(struct producer *p, const struct produce *produce,
               const struct kafka_produce_response_topic_partition *partition)
{
    struct world *w = p->client.world;

    if (partition->index < 0 || partition->index >= WORLD_PARTITIONS ||
        produce->batches[partition->index] < 0) {
        world_broken(w, "an answer about a partition that was not asked", partition->index, 0);
        return false;
    }
    if (partition->error_code != 0) {
        world_check_partition_error(w, "Produce", partition->index, partition->error_code,
                                    produce->sent_at_ms);
        return false;
    }
    assert(produce->batches[partition->index] == p->lanes[partition->index].acknowledged);
    take_acknowledged(p, partition->index, partition->base_offset);
    return true;
}

static void
take_produced(struct producer *p, struct produce *produce,
              const struct kafka_produce_response *response)
{
    bool is_good = response->topics_count == 1;

    for (int32_t i = 0; is_good && i < response->topics[0].partitions_count; i++) {
        is_good &= take_partition(p, produce, &response->topics[0].partitions[i]);
    }
    ks_list_remove(&produce->link);
    free(produce);
    p->request_count--;
    p->client.waits_since_ms = -1;
    if (p->request_count > 0) {
        p->client.waits_since_ms = KS_CONTAINER(p->requests.next, struct produce, link)->sent_at_ms;
    }
    if (!is_good) {
        client_leave(&p->client);
    }
}

static void
take_id(struct producer *p, const struct kafka_init_producer_id_response *response)
{
    p->is_asking_id = false;
    p->client.waits_since_ms = -1;
    if (response->error_code != 0) {
        world_check_error(p->client.world, "InitProducerId", response->error_code,
                          p->client.world->v.now_ms);
        client_leave(&p->client);
        return;
    }
    p->id = response->producer_id;
    world_note_id(p->client.world, p->id);
}

static void
on_answered(struct client *client, void *tag, const void *response)
{
    struct producer *p = KS_CONTAINER(client, struct producer, client);

    if (tag == NULL) {
        take_id(p, response);
        return;
    }
    take_produced(p, tag, response);
}

/* --- Requests --------------------------------------------------------------------------------- */

static void
ask_id(struct producer *p)
{
    struct kafka_init_producer_id_request request;

    if (p->is_asking_id) {
        return;
    }
    kafka_message_init(&kafka_init_producer_id_request_message, &request);
    request.transactional_id = ks_slice(NULL, 0);
    request.transaction_timeout_ms = 60000;
    p->is_asking_id = true;
    p->client.waits_since_ms = p->client.world->v.now_ms;
    p->client.world->events->operations++;
    line_send(p->client.line, KAFKA_API_INIT_PRODUCER_ID, 4, &request, NULL);
}

static void
build_batch(struct producer *p, int index, const struct sent_batch *batch, struct ks_buffer *out)
{
    struct ks_batch_options options = { .producer_id = p->id, .base_sequence = batch->sequence };
    struct ks_batch_builder builder;
    struct kafscale_error error = { 0 };

    ks_batch_builder_init(&builder, &options);
    for (int32_t i = 0; i < batch->count; i++) {
        char value[48];
        struct ks_record record = { .timestamp = FIRST_MS + (batch->sequence + i) * APART_MS };

        snprintf(value, sizeof value, "%d %d %d", p->index, index, (int) (batch->sequence + i));
        record.value = ks_slice_of_text(value);
        ks_batch_builder_append(&builder, &record);
    }
    if (ks_batch_builder_finish(&builder, out, &error) != KAFSCALE_OK) {
        assert(false && "a batch can't be built");
    }
    ks_batch_builder_deinit(&builder);
}

/* A batch this lane has to send now, or NULL: an old one again, or one more. */
static struct sent_batch *
next_batch(struct producer *p, int index)
{
    struct world *w = p->client.world;
    struct lane *lane = &p->lanes[index];

    if (lane->sent < lane->count) {
        return &lane->batches[lane->sent++];
    }
    if (w->is_over || lane->count == LANE_BATCHES_MAX || world_draw(w, 2) == 0) {
        return NULL;
    }
    lane->batches[lane->count] =
        (struct sent_batch){ .sequence = lane->next_sequence,
                             .count = 1 + (int32_t) world_draw(w, 3),
                             .floor = history_end_at(&w->histories[index], w->v.now_ms),
                             .first = p->client.process };
    lane->next_sequence += lane->batches[lane->count].count;
    lane->count++;
    return &lane->batches[lane->sent++];
}

static void
send_batches(struct producer *p)
{
    struct world *w = p->client.world;
    struct kafka_produce_request_topic_partition partitions[WORLD_PARTITIONS];
    struct kafscale_slice records[WORLD_PARTITIONS];
    struct ks_buffer buffers[WORLD_PARTITIONS];
    struct kafka_produce_request_topic topic;
    struct kafka_produce_request request;
    struct produce *produce = calloc(1, sizeof *produce);
    int known = world_partitions(w);
    int32_t count = 0;

    assert(produce != NULL);
    memset(produce->batches, -1, sizeof produce->batches);
    kafka_message_init(&kafka_produce_request_message, &request);
    kafka_message_init(&kafka_produce_request_topic_message, &topic);
    for (int i = 0; i < known; i++) {
        struct sent_batch *batch = next_batch(p, i);

        ks_buffer_init(&buffers[i], SIZE_MAX / 2);
        if (batch == NULL) {
            continue;
        }
        batch->tries++;
        produce->batches[i] = (int32_t) (batch - p->lanes[i].batches);
        build_batch(p, i, batch, &buffers[i]);
        records[count] = ks_buffer_slice(&buffers[i]);
        kafka_message_init(&kafka_produce_request_topic_partition_message, &partitions[count]);
        partitions[count].index = i;
        partitions[count].records.parts = &records[count];
        partitions[count].records.part_count = 1;
        count++;
    }
    topic.name = ks_slice_of_text("stays");
    topic.partitions = partitions;
    topic.partitions_count = count;
    request.acks = world_draw(w, 2) == 0 ? 1 : -1;
    request.timeout_ms = TIMEOUT_MS;
    request.topics = &topic;
    request.topics_count = 1;
    if (count == 0) {
        free(produce);
        return;
    }
    w->events->operations++;
    produce->sent_at_ms = w->v.now_ms;
    if (p->request_count++ == 0) {
        p->client.waits_since_ms = w->v.now_ms;
    }
    ks_list_append(&p->requests, &produce->link);
    line_send(p->client.line, KAFKA_API_PRODUCE, (int16_t) (3 + world_draw(w, 9)), &request,
              produce);
    for (int i = 0; i < known; i++) {
        ks_buffer_deinit(&buffers[i]);
    }
}

static void
act(struct client *client)
{
    struct producer *p = KS_CONTAINER(client, struct producer, client);
    struct world *w = client->world;

    if (w->admin.stays_since_ms < 0) {
        return;
    }
    if (!client_is_patient(client, PATIENCE_MS)) {
        w->events->produce_timed_out++;
        return;
    }
    if (!client_connect(client)) {
        return;
    }
    if (p->id < 0) {
        ask_id(p);
        return;
    }
    if (p->request_count < REQUESTS_MAX) {
        send_batches(p);
    }
}

/* --- The producer ----------------------------------------------------------------------------- */

void
producer_init(struct producer *p, struct world *world, int index)
{
    p->index = index;
    p->id = -1;
    ks_list_init(&p->requests);
    p->client.lost = forget_requests;
    p->client.answered = on_answered;
    p->client.act = act;
    client_init(&p->client, world);
}

void
producer_deinit(struct producer *p)
{
    client_deinit(&p->client);
}

bool
producer_is_done(const struct producer *p)
{
    for (int i = 0; i < WORLD_PARTITIONS; i++) {
        if (p->lanes[i].acknowledged < p->lanes[i].count) {
            return false;
        }
    }
    return true;
}
