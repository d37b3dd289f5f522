/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whoever runs the topics: creates the one that stays, then creates, fills, deletes and creates
 * again the one that goes, makes new ones now and then, and asks for producer ids. One request at
 * a time. At the end it compares the topics there are with those it was promised.
 */
#include "sim/broker_world_internal.h"

#include <assert.h>
#include <stdio.h>

#define PATIENCE_MS 4000
#define LOOSE_TIMEOUT_MS 1000

enum admin_call {
    CALL_CREATE,
    CALL_DELETE,
    CALL_NEW_TOPIC,
    CALL_ID,
    CALL_LOOSE,
    CALL_DELETE_RECORDS,
    CALL_METADATA
};

/* Tags: their addresses say what was asked. */
static char tags[CALL_METADATA + 1];

static void
send(struct admin *a, enum admin_call call, int16_t key, int16_t version, const void *request)
{
    struct world *w = a->client.world;

    w->events->operations++;
    a->sent_at_ms = w->v.now_ms;
    a->client.damaged_before = world_damaged_answers(w);
    a->client.waits_since_ms = w->v.now_ms;
    line_send(a->client.line, key, version, request, &tags[call]);
}

/* --- Topics ----------------------------------------------------------------------------------- */

static void
create(struct admin *a, enum admin_call call, const char *name, int32_t partitions)
{
    struct kafka_create_topics_request_topic topic;
    struct kafka_create_topics_request request;

    kafka_message_init(&kafka_create_topics_request_message, &request);
    kafka_message_init(&kafka_create_topics_request_topic_message, &topic);
    topic.name = ks_slice_of_text(name);
    topic.num_partitions = partitions;
    topic.replication_factor = 1;
    request.topics = &topic;
    request.topics_count = 1;
    request.timeout_ms = 2000;
    send(a, call, KAFKA_API_CREATE_TOPICS, (int16_t) (2 + world_draw(a->client.world, 6)),
         &request);
}

static void
delete_goes(struct admin *a)
{
    struct kafscale_slice name = ks_slice_of_text("goes");
    struct kafka_delete_topics_request request;

    kafka_message_init(&kafka_delete_topics_request_message, &request);
    request.topic_names = &name;
    request.topic_names_count = 1;
    request.timeout_ms = 2000;
    if (a->deletion_begun_ms < 0) {
        a->deletion_begun_ms = a->client.world->v.now_ms;
    }
    send(a, CALL_DELETE, KAFKA_API_DELETE_TOPICS, 4, &request);
}

static bool
take_created(struct admin *a, const struct kafka_create_topics_response *response)
{
    struct world *w = a->client.world;
    int16_t code = response->topics[0].error_code;

    if (code == KAFKA_ERROR_TOPIC_ALREADY_EXISTS && a->was_deleted &&
        a->sent_at_ms <= a->deletion_done_ms + WORLD_FRESHNESS_MS) {
        return false; /* perhaps the life that was deleted */
    }
    if (code != 0 && code != KAFKA_ERROR_TOPIC_ALREADY_EXISTS) {
        world_check_error(w, "CreateTopics", code, a->sent_at_ms);
        return false;
    }
    w->events->topics_created++;
    if (a->step == ADMIN_CREATE_STAYS) {
        a->stays_since_ms = w->v.now_ms;
        world_know_partitions(w, a->first_partitions);
        a->step = ADMIN_CREATE_GOES;
        return true;
    }
    w->events->topics_recreated += a->was_deleted;
    a->goes_since_ms = w->v.now_ms;
    a->step = ADMIN_REST;
    return true;
}

static bool
take_deleted(struct admin *a, const struct kafka_delete_topics_response *response)
{
    struct world *w = a->client.world;
    int16_t code = response->topics[0].error_code;

    if (code == KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION &&
        a->sent_at_ms <= a->goes_since_ms + WORLD_FRESHNESS_MS) {
        return false;
    }
    if (code != 0 && code != KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION) {
        world_check_error(w, "DeleteTopics", code, a->sent_at_ms);
        return false;
    }
    w->events->topics_deleted++;
    a->was_deleted = true;
    a->deletion_done_ms = w->v.now_ms;
    a->step = ADMIN_CREATE_GOES;
    return true;
}

static bool
take_new_topic(struct admin *a, const struct kafka_create_topics_response *response)
{
    int16_t code = response->topics[0].error_code;

    if (code != 0 && code != KAFKA_ERROR_TOPIC_ALREADY_EXISTS) {
        world_check_error(a->client.world, "CreateTopics", code, a->sent_at_ms);
        return false;
    }
    a->new_topics[a->new_topic_count - 1] = true;
    return true;
}

static void
create_new_topic(struct admin *a)
{
    char name[32];

    if (a->new_topic_count == 0 || a->new_topics[a->new_topic_count - 1] ||
        world_draw(a->client.world, 4) == 0) {
        if (a->new_topic_count == WORLD_NEW_TOPICS_MAX) {
            return;
        }
        a->new_topic_count++;
    }
    snprintf(name, sizeof name, "new.%d", (int) a->new_topic_count - 1);
    create(a, CALL_NEW_TOPIC, name, 1);
}

/* --- Producer ids ----------------------------------------------------------------------------- */

static void
ask_id(struct admin *a)
{
    struct kafka_init_producer_id_request request;

    kafka_message_init(&kafka_init_producer_id_request_message, &request);
    request.transactional_id = ks_slice(NULL, 0);
    request.transaction_timeout_ms = 60000;
    send(a, CALL_ID, KAFKA_API_INIT_PRODUCER_ID, (int16_t) world_draw(a->client.world, 6),
         &request);
}

void
world_note_id(struct world *w, int64_t id)
{
    struct admin *a = &w->admin;

    for (size_t i = 0; i < a->id_count; i++) {
        if (a->ids[i] == id) {
            world_broken(w, "a producer id was given twice", id, 0);
        }
    }
    if (a->id_count < WORLD_IDS_MAX) {
        a->ids[a->id_count++] = id;
    }
    w->events->producer_ids++;
}

static bool
take_id(struct admin *a, const struct kafka_init_producer_id_response *response)
{
    if (response->error_code != 0) {
        world_check_error(a->client.world, "InitProducerId", response->error_code, a->sent_at_ms);
        return false;
    }
    world_note_id(a->client.world, response->producer_id);
    return true;
}

/* --- Records of the topic that goes ----------------------------------------------------------- */

/* Sent once each, without an id: what becomes of one that isn't acknowledged stays open. */
static void
send_loose(struct admin *a)
{
    struct world *w = a->client.world;
    struct kafka_produce_request_topic_partition partition;
    struct kafka_produce_request_topic topic;
    struct kafka_produce_request request;
    struct ks_batch_options options = { .producer_id = -1 };
    struct kafscale_error error = { 0 };
    struct ks_batch_builder builder;
    struct kafscale_slice records;
    struct ks_buffer bytes;
    struct ks_record record = { .timestamp = 1700000000000 };
    char value[32];

    if (a->loose_count == LOOSE_MAX) {
        return;
    }
    snprintf(value, sizeof value, "loose %d", (int) a->loose_count);
    record.value = ks_slice_of_text(value);
    ks_buffer_init(&bytes, SIZE_MAX / 2);
    ks_batch_builder_init(&builder, &options);
    ks_batch_builder_append(&builder, &record);
    if (ks_batch_builder_finish(&builder, &bytes, &error) != KAFSCALE_OK) {
        assert(false && "a batch can't be built");
    }
    ks_batch_builder_deinit(&builder);
    records = ks_buffer_slice(&bytes);
    kafka_message_init(&kafka_produce_request_message, &request);
    kafka_message_init(&kafka_produce_request_topic_message, &topic);
    kafka_message_init(&kafka_produce_request_topic_partition_message, &partition);
    partition.records.parts = &records;
    partition.records.part_count = 1;
    topic.name = ks_slice_of_text("goes");
    topic.partitions = &partition;
    topic.partitions_count = 1;
    request.acks = -1;
    request.timeout_ms = LOOSE_TIMEOUT_MS;
    request.topics = &topic;
    request.topics_count = 1;
    a->loose[a->loose_count] =
        (struct loose_record){ .sent_at_ms = w->v.now_ms, .acknowledged_at_ms = -1 };
    a->loose_count++;
    send(a, CALL_LOOSE, KAFKA_API_PRODUCE, 9, &request);
    ks_buffer_deinit(&bytes);
}

static bool
take_loose(struct admin *a, const struct kafka_produce_response *response)
{
    struct world *w = a->client.world;
    int16_t code = response->topics[0].partitions[0].error_code;

    if (code == KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION) {
        return true;
    }
    if (code != 0) {
        world_check_error(w, "Produce", code, a->sent_at_ms);
        return false;
    }
    a->loose[a->loose_count - 1].acknowledged_at_ms = w->v.now_ms;
    w->events->loose_acknowledged++;
    return true;
}

/* --- The beginning of partitions -------------------------------------------------------------- */

static void
delete_records(struct admin *a)
{
    struct world *w = a->client.world;
    int index = (int) world_draw(w, WORLD_PARTITIONS);
    int64_t end = history_end_at(&w->histories[index], w->v.now_ms);
    struct kafka_delete_records_request_topic_partition partition;
    struct kafka_delete_records_request_topic topic;
    struct kafka_delete_records_request request;

    if (end == 0) {
        return;
    }
    kafka_message_init(&kafka_delete_records_request_message, &request);
    kafka_message_init(&kafka_delete_records_request_topic_message, &topic);
    kafka_message_init(&kafka_delete_records_request_topic_partition_message, &partition);
    a->deleting_index = index;
    a->deleting_offset = (int64_t) world_draw(w, (uint64_t) end + 1);
    if (a->deleting_offset > w->deletions_asked[index]) {
        w->deletions_asked[index] = a->deleting_offset;
    }
    partition.partition_index = index;
    partition.offset = a->deleting_offset;
    topic.name = ks_slice_of_text("stays");
    topic.partitions = &partition;
    topic.partitions_count = 1;
    request.topics = &topic;
    request.topics_count = 1;
    request.timeout_ms = 2000;
    send(a, CALL_DELETE_RECORDS, KAFKA_API_DELETE_RECORDS, (int16_t) world_draw(w, 3), &request);
}

static bool
take_deleted_records(struct admin *a, const struct kafka_delete_records_response *response)
{
    struct world *w = a->client.world;
    int16_t code = response->topics[0].partitions[0].error_code;
    int64_t start = response->topics[0].partitions[0].low_watermark;

    if (code == KAFKA_ERROR_OFFSET_OUT_OF_RANGE) {
        return true; /* a broker that was deposed, or one that has just begun */
    }
    if (world_is_damage(&a->client, code)) {
        return false;
    }
    if (code != 0) {
        world_check_partition_error(w, "DeleteRecords", a->deleting_index, code, a->sent_at_ms);
        return false;
    }
    if (start < a->deleting_offset || start > w->deletions_asked[a->deleting_index]) {
        world_broken(w, "DeleteRecords answers another start", start, a->deleting_offset);
    }
    w->events->records_deleted++;
    return true;
}

/* --- The topics there are --------------------------------------------------------------------- */

static void
ask_metadata(struct admin *a)
{
    struct kafka_metadata_request request;

    kafka_message_init(&kafka_metadata_request_message, &request);
    request.topics = NULL;
    request.topics_count = -1;
    send(a, CALL_METADATA, KAFKA_API_METADATA, (int16_t) (1 + world_draw(a->client.world, 12)),
         &request);
}

static bool
has_topic(const struct kafka_metadata_response *response, const char *name)
{
    for (int32_t i = 0; i < response->topics_count; i++) {
        if (ks_slice_equals(response->topics[i].name, ks_slice_of_text(name))) {
            return response->topics[i].error_code == 0;
        }
    }
    return false;
}

static bool
take_metadata(struct admin *a, const struct kafka_metadata_response *response)
{
    struct world *w = a->client.world;
    char name[32];

    if (a->sent_at_ms > a->stays_since_ms + WORLD_FRESHNESS_MS && response->topics_count > 0 &&
        !has_topic(response, "stays")) {
        world_broken(w, "a topic is not known freshness.ms after it was created", a->sent_at_ms,
                     a->stays_since_ms);
    }
    if (!a->is_checking) {
        return true;
    }
    for (int32_t i = 0; i < a->new_topic_count && !w->is_broken; i++) {
        snprintf(name, sizeof name, "new.%d", (int) i);
        if (a->new_topics[i] && !has_topic(response, name)) {
            world_broken(w, "a topic that was created is gone", i, 0);
        }
    }
    a->is_checked = true;
    return true;
}

/* --- The client ------------------------------------------------------------------------------- */

static void
on_answered(struct client *client, void *tag, const void *response)
{
    struct admin *a = KS_CONTAINER(client, struct admin, client);
    bool is_good = false;

    client->waits_since_ms = -1;
    switch ((enum admin_call)((char *) tag - tags)) {
    case CALL_CREATE:
        is_good = take_created(a, response);
        break;
    case CALL_DELETE:
        is_good = take_deleted(a, response);
        break;
    case CALL_NEW_TOPIC:
        is_good = take_new_topic(a, response);
        break;
    case CALL_ID:
        is_good = take_id(a, response);
        break;
    case CALL_LOOSE:
        is_good = take_loose(a, response);
        break;
    case CALL_DELETE_RECORDS:
        is_good = take_deleted_records(a, response);
        break;
    case CALL_METADATA:
        is_good = take_metadata(a, response);
        break;
    }
    if (!is_good) {
        client_leave(client);
    }
}

static void
rest(struct admin *a)
{
    struct world *w = a->client.world;
    uint64_t dice = world_draw(w, 20);

    if (w->is_over) {
        if (a->is_checking && !a->is_checked) {
            ask_metadata(a);
        }
        return;
    }
    if (dice < 10) {
        send_loose(a);
    } else if (dice < 12) {
        create_new_topic(a);
    } else if (dice < 15) {
        ask_id(a);
    } else if (dice < 17) {
        ask_metadata(a);
    } else if (dice < 18) {
        delete_records(a);
    }
}

static void
act(struct client *client)
{
    struct admin *a = KS_CONTAINER(client, struct admin, client);

    if (!client_is_patient(client, PATIENCE_MS) || client->waits_since_ms >= 0 ||
        !client_connect(client)) {
        return;
    }
    switch (a->step) {
    case ADMIN_CREATE_STAYS:
        create(a, CALL_CREATE, "stays", a->first_partitions);
        break;
    case ADMIN_CREATE_GOES:
        create(a, CALL_CREATE, "goes", 1);
        break;
    case ADMIN_DELETE_GOES:
        delete_goes(a);
        break;
    case ADMIN_REST:
        rest(a);
        break;
    }
}

static void
on_lost(struct client *client)
{
    (void) client;
}

void
admin_init(struct admin *a, struct world *world)
{
    a->first_partitions = 1 + (int32_t) world_draw(world, WORLD_PARTITIONS);
    a->stays_since_ms = -1;
    a->deletion_begun_ms = -1;
    a->client.lost = on_lost;
    a->client.answered = on_answered;
    a->client.act = act;
    client_init(&a->client, world);
}

void
admin_deinit(struct admin *a)
{
    client_deinit(&a->client);
}

void
admin_replace_topic(struct admin *a)
{
    if (a->step == ADMIN_REST) {
        a->step = ADMIN_DELETE_GOES;
        a->deletion_begun_ms = -1;
    }
}

bool
admin_rests(const struct admin *a)
{
    return a->step == ADMIN_REST && a->client.waits_since_ms < 0;
}
