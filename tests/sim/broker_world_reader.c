/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A consumer that assigns partitions itself: long-polling Fetch of all of them, now and then back
 * to old records, now and then a question for the end. At the end it reads everything once more,
 * also the topic that went and came.
 */
#include "sim/broker_world_internal.h"

#include <stdio.h>

#define PATIENCE_MS 3000

/* What is asked, as the tag that comes back. */
static char fetch_tag;
static char latest_tag;
static char earliest_tag;

static const char *
topic_of(int index)
{
    return index == WORLD_LOOSE ? "goes" : "stays";
}

static int32_t
partition_of(int index)
{
    return index == WORLD_LOOSE ? 0 : index;
}

/* --- Records ---------------------------------------------------------------------------------- */

static int64_t
value_of(int index, struct kafscale_slice bytes)
{
    char text[48] = { 0 };
    int producer;
    int lane;
    int number;

    memcpy(text, bytes.data, bytes.size < sizeof text ? bytes.size : sizeof text - 1);
    if (index == WORLD_LOOSE) {
        return sscanf(text, "loose %d", &number) == 1 ? number : -1;
    }
    if (sscanf(text, "%d %d %d", &producer, &lane, &number) != 3 || lane != index) {
        return -1;
    }
    return WORLD_VALUE(producer, number);
}

static bool
take_record(struct reader *r, int index, int64_t offset, struct kafscale_slice value)
{
    struct world *w = r->client.world;
    int64_t id = value_of(index, value);

    if (offset < r->positions[index]) {
        return true;
    }
    if (id < 0) {
        world_broken(w, "a record that nobody sent there", index, offset);
        return false;
    }
    if (offset != r->positions[index]) {
        world_broken(w, "a reader was led over records", r->positions[index], offset);
        return false;
    }
    if (!history_see(&w->histories[index], w->v.now_ms, offset, id)) {
        world_broken(w, "what was seen at an offset has changed", index, offset);
        return false;
    }
    r->positions[index]++;
    return true;
}

static bool
take_batch(struct reader *r, int index, const struct ks_batch *batch)
{
    struct kafscale_error error = { 0 };
    struct ks_records records;
    struct ks_record record;
    bool is_good = true;

    if (ks_records_init(&records, batch, 1 << 20, &error) != KAFSCALE_OK) {
        world_broken(r->client.world, "a batch can't be read", index, batch->base_offset);
        return false;
    }
    while (is_good && ks_records_next(&records, &record, &error) == KAFSCALE_OK) {
        is_good = take_record(r, index, record.offset, record.value);
    }
    ks_records_deinit(&records);
    return is_good;
}

/* The last batch of an answer may be cut off; readers leave it. */
static void
take_records(struct reader *r, int index, struct kafscale_slice rest)
{
    while (rest.size >= 12) {
        struct kafscale_error error = { 0 };
        struct ks_batch batch;

        if (ks_batch_parse(rest, &batch, &error) != KAFSCALE_OK) {
            world_broken(r->client.world, "a batch that is none", index, r->positions[index]);
            return;
        }
        if (!ks_batch_crc_is_right(&batch)) {
            world_broken(r->client.world, "a damaged batch", index, batch.base_offset);
            return;
        }
        if (!take_batch(r, index, &batch)) {
            return;
        }
        rest = ks_slice(rest.data + batch.bytes.size, rest.size - batch.bytes.size);
    }
}

/* --- Answers ---------------------------------------------------------------------------------- */

static void
check_out_of_range(struct reader *r, int index)
{
    struct world *w = r->client.world;
    int64_t known = history_end_at(&w->histories[index], r->sent_at_ms - WORLD_FRESHNESS_MS);

    if (r->positions[index] < w->deletions_asked[index]) {
        w->events->read_deleted++;
        r->must_ask_earliest[index] = true;
        return;
    }
    if (r->positions[index] <= known && index != WORLD_LOOSE) {
        world_broken(w, "OFFSET_OUT_OF_RANGE for what is known to be there", r->positions[index],
                     known);
    }
}

static bool
take_fetched_partition(struct reader *r, int index,
                       const struct kafka_fetch_response_topic_partition *partition)
{
    struct world *w = r->client.world;
    int64_t before = r->positions[index];

    if (partition->error_code == KAFKA_ERROR_OFFSET_OUT_OF_RANGE) {
        check_out_of_range(r, index);
        return r->must_ask_earliest[index];
    }
    if (partition->error_code == KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION && index == WORLD_LOOSE) {
        return true;
    }
    if (world_is_damage(&r->client, partition->error_code)) {
        return false;
    }
    if (partition->error_code != 0) {
        world_check_partition_error(w, "Fetch", index, partition->error_code, r->sent_at_ms);
        return false;
    }
    if (partition->records.part_count > 0) {
        take_records(r, index, partition->records.parts[0]);
    }
    if (r->positions[index] > before) {
        w->events->fetched++;
        w->events->fetch_waited += w->v.now_ms - r->sent_at_ms > 20;
    }
    return true;
}

static bool
take_fetched(struct reader *r, const struct kafka_fetch_response *response)
{
    struct world *w = r->client.world;
    bool is_good = true;

    if (response->error_code != 0) {
        world_check_error(w, "Fetch", response->error_code, r->sent_at_ms);
        return false;
    }
    for (int32_t i = 0; i < response->topics_count; i++) {
        const struct kafka_fetch_response_topic *topic = &response->topics[i];
        bool is_loose = ks_slice_equals(topic->topic, ks_slice_of_text("goes"));

        for (int32_t j = 0; j < topic->partitions_count && is_good; j++) {
            int32_t index = is_loose ? WORLD_LOOSE : topic->partitions[j].partition_index;

            is_good = take_fetched_partition(r, index, &topic->partitions[j]);
        }
    }
    return is_good;
}

static bool
take_latest(struct reader *r, const struct kafka_list_offsets_response *response)
{
    struct world *w = r->client.world;
    struct history *history = &w->histories[r->latest_index];
    int64_t known = history_end_at(history, r->sent_at_ms - WORLD_FRESHNESS_MS);
    const struct kafka_list_offsets_response_topic_partition *partition =
        &response->topics[0].partitions[0];

    if (partition->error_code != 0) {
        world_check_partition_error(w, "ListOffsets", r->latest_index, partition->error_code,
                                    r->sent_at_ms);
        return false;
    }
    if (partition->offset < known && r->latest_index != WORLD_LOOSE) {
        world_broken(w, "the latest offset is older than freshness.ms", partition->offset, known);
    }
    if (partition->offset > history->latest_max) {
        history->latest_max = partition->offset;
    }
    r->has_latest[r->latest_index] = r->is_last;
    w->events->latest_asked++;
    return true;
}

static bool
take_earliest(struct reader *r, const struct kafka_list_offsets_response *response)
{
    struct world *w = r->client.world;
    int index = r->latest_index;
    const struct kafka_list_offsets_response_topic_partition *partition =
        &response->topics[0].partitions[0];

    if (partition->error_code != 0) {
        world_check_partition_error(w, "ListOffsets", r->latest_index, partition->error_code,
                                    r->sent_at_ms);
        return false;
    }
    if (partition->offset > w->deletions_asked[index]) {
        world_broken(w, "more records were deleted than was asked for", partition->offset,
                     w->deletions_asked[index]);
        return false;
    }
    if (r->positions[index] < partition->offset) {
        r->positions[index] = partition->offset;
    }
    r->must_ask_earliest[index] = false;
    if (r->is_last) {
        w->starts[index] = partition->offset;
    }
    return true;
}

static void
on_answered(struct client *client, void *tag, const void *response)
{
    struct reader *r = KS_CONTAINER(client, struct reader, client);
    bool is_good;

    client->waits_since_ms = -1;
    if (tag == &earliest_tag) {
        is_good = take_earliest(r, response);
    } else {
        is_good = tag == &latest_tag ? take_latest(r, response) : take_fetched(r, response);
    }
    if (!is_good) {
        client_leave(client);
    }
}

static void
on_lost(struct client *client)
{
    (void) client;
}

/* --- Requests --------------------------------------------------------------------------------- */

/* The latest offset, or the earliest. */
static void
ask_offset(struct reader *r, int index, bool is_latest)
{
    struct kafka_list_offsets_request_topic_partition partition;
    struct kafka_list_offsets_request_topic topic;
    struct kafka_list_offsets_request request;

    kafka_message_init(&kafka_list_offsets_request_message, &request);
    kafka_message_init(&kafka_list_offsets_request_topic_message, &topic);
    kafka_message_init(&kafka_list_offsets_request_topic_partition_message, &partition);
    partition.partition_index = partition_of(index);
    partition.timestamp = is_latest ? -1 : -2;
    topic.name = ks_slice_of_text(topic_of(index));
    topic.partitions = &partition;
    topic.partitions_count = 1;
    request.replica_id = -1;
    request.topics = &topic;
    request.topics_count = 1;
    r->latest_index = index;
    line_send(r->client.line, KAFKA_API_LIST_OFFSETS,
              (int16_t) (1 + world_draw(r->client.world, 7)), &request,
              is_latest ? &latest_tag : &earliest_tag);
}

static void
fetch(struct reader *r, int first, int count)
{
    struct world *w = r->client.world;
    struct kafka_fetch_request_topic_partition partitions[WORLD_PARTITIONS];
    struct kafka_fetch_request_topic topic;
    struct kafka_fetch_request request;

    kafka_message_init(&kafka_fetch_request_message, &request);
    kafka_message_init(&kafka_fetch_request_topic_message, &topic);
    for (int i = 0; i < count; i++) {
        kafka_message_init(&kafka_fetch_request_topic_partition_message, &partitions[i]);
        partitions[i].partition = partition_of(first + i);
        partitions[i].fetch_offset = r->positions[first + i];
        partitions[i].partition_max_bytes = 1 + (int32_t) world_draw(w, 1000);
    }
    topic.topic = ks_slice_of_text(topic_of(first));
    topic.partitions = partitions;
    topic.partitions_count = count;
    request.replica_id = -1;
    request.max_wait_ms = (int32_t) world_draw(w, w->is_over ? 10 : 300);
    request.min_bytes = 1 + (int32_t) world_draw(w, 200);
    request.max_bytes = 1 + (int32_t) world_draw(w, 2000);
    request.topics = &topic;
    request.topics_count = 1;
    line_send(r->client.line, KAFKA_API_FETCH, (int16_t) (4 + world_draw(w, 9)), &request,
              &fetch_tag);
}

static bool
asks_earliest(struct reader *r)
{
    for (int i = 0; i < WORLD_PARTITIONS; i++) {
        if (r->must_ask_earliest[i]) {
            ask_offset(r, i, false);
            return true;
        }
    }
    return false;
}

static void
act(struct client *client)
{
    struct reader *r = KS_CONTAINER(client, struct reader, client);
    struct world *w = client->world;
    int known = world_partitions(w);
    int index;

    if (w->admin.stays_since_ms < 0 || !client_is_patient(client, PATIENCE_MS) ||
        client->waits_since_ms >= 0 || !client_connect(client)) {
        return;
    }
    index = (int) world_draw(w, (uint64_t) known + r->is_last);
    if (index == known) {
        index = WORLD_LOOSE;
    }
    w->events->operations++;
    client->waits_since_ms = w->v.now_ms;
    r->sent_at_ms = w->v.now_ms;
    r->client.damaged_before = world_damaged_answers(w);
    if (asks_earliest(r)) {
        return;
    }
    if (world_draw(w, 6) == 0) {
        ask_offset(r, index, true);
        return;
    }
    if (!r->is_last && r->positions[index] > 0 && world_draw(w, 10) == 0) {
        r->positions[index] = (int64_t) world_draw(w, (uint64_t) r->positions[index]);
        w->events->jumped++;
    }
    if (r->is_last && world_draw(w, 3) == 0) {
        fetch(r, WORLD_LOOSE, 1);
        return;
    }
    fetch(r, 0, known);
}

void
reader_init(struct reader *r, struct world *world)
{
    r->client.lost = on_lost;
    r->client.answered = on_answered;
    r->client.act = act;
    client_init(&r->client, world);
}

void
reader_deinit(struct reader *r)
{
    client_deinit(&r->client);
}
