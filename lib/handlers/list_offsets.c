/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ListOffsets: the ends of a log without reading anything; by time, the one batch that the log
 * names is read and opened, so that the answer is exact to the record.
 */
#include "handlers/api.h"
#include "handlers/internal.h"

#include <assert.h>

#define LATEST (-1)
#define EARLIEST (-2)
#define MAX_TIMESTAMP (-3)
#define EARLIEST_LOCAL (-4)
#define LATEST_TIERED (-5)

/* What is read at once where an answer is looked for. */
#define SEARCH_BYTES (64u << 10)

/* From this version on an answer carries the leader epoch. */
#define LEADER_EPOCH_VERSION 4

struct list_entry {
    const struct kafka_list_offsets_request_topic_partition *asked;
    struct kafka_list_offsets_response_topic_partition *out;
    struct ks_topic *topic; /* a reference, or NULL */
    struct ks_topic_partition *partition;
    bool is_repeated;
    bool has_leader_epoch;
    int64_t latest_ms; /* of all batches, when the search began */
    struct ks_log_time time;
    struct ks_log_read read;
};

struct list_offsets {
    struct ks_request *request;
    const struct kafka_list_offsets_request *asked;
    struct kafka_list_offsets_response response;
    struct list_entry *entries;
    size_t entry_count;
    size_t next;
};

static void go_on(struct list_offsets *list);

static void
answer(struct list_offsets *list)
{
    struct ks_request *request = list->request;

    ks_request_hold(request);
    ks_request_answer(request, &list->response);
    for (size_t i = 0; i < list->entry_count; i++) {
        ks_log_read_release(&list->entries[i].read);
        ks_topic_unref(list->entries[i].topic);
    }
    ks_request_release(request);
}

static void
give(struct list_entry *entry, int64_t offset, int64_t timestamp, int32_t leader_epoch)
{
    entry->out->offset = offset;
    entry->out->timestamp = timestamp;
    if (entry->has_leader_epoch) {
        entry->out->leader_epoch = leader_epoch;
    }
}

/* --- By time ---------------------------------------------------------------------------------- */

static enum kafscale_status
search_batch(const struct list_entry *entry, const struct ks_batch *batch,
             struct ks_record_time *found_out)
{
    int64_t log_start = ks_partition_log_start(entry->partition->log);
    struct kafscale_error error = { 0 };

    if (entry->asked->timestamp == MAX_TIMESTAMP && entry->time.timestamp_ms == INT64_MAX) {
        if (batch->max_timestamp < entry->latest_ms) {
            return KAFSCALE_NOT_FOUND;
        }
        return ks_records_find_latest_time(batch, log_start, found_out, &error);
    }
    return ks_records_find_time(batch, entry->time.timestamp_ms, log_start, found_out, &error);
}

/* NOT_FOUND: the batch after this one is to be looked at. */
static enum kafscale_status
take_batch(struct list_entry *entry, struct kafscale_slice bytes, int64_t *next_offset_out)
{
    struct kafscale_error error = { 0 };
    struct ks_record_time found;
    struct ks_batch batch;
    enum kafscale_status status = ks_batch_parse(bytes, &batch, &error);

    if (status == KAFSCALE_OK) {
        *next_offset_out = ks_batch_last_offset(&batch) + 1;
        status = search_batch(entry, &batch, &found);
    }
    if (status == KAFSCALE_OK) {
        give(entry, found.offset, found.timestamp, batch.leader_epoch);
    }
    return status;
}

/* True: this partition is settled; false: the batches after these are to be read. */
static bool
take_batches(struct list_entry *entry, enum kafscale_status status, int64_t *next_offset_out)
{
    const struct ks_log_read *read = &entry->read;

    if (entry->partition->log == NULL) {
        entry->out->error_code = ks_kafka_read_error(entry->partition->error);
        return true;
    }
    if (status == KAFSCALE_OK && read->part_count == 0) {
        return true;
    }
    if (status == KAFSCALE_OK) {
        status = KAFSCALE_NOT_FOUND;
        for (size_t i = 0; i < read->part_count && status == KAFSCALE_NOT_FOUND; i++) {
            status = take_batch(entry, read->parts[i].bytes, next_offset_out);
        }
        if (status == KAFSCALE_NOT_FOUND) {
            return false;
        }
    }
    if (status != KAFSCALE_OK) {
        entry->out->error_code = ks_kafka_read_error(ks_broker_error_of_status(status));
    }
    return true;
}

static void on_read(struct ks_log_read *read, enum kafscale_status status);

/* Reads a few batches after the other until one has such a record. True: settled. */
static bool
search_from(struct list_offsets *list, struct list_entry *entry, int64_t offset)
{
    for (;;) {
        enum kafscale_status status = KAFSCALE_OK;

        entry->read = (struct ks_log_read){ .partition = entry->partition->log,
                                            .offset = offset,
                                            .bytes_max = SEARCH_BYTES,
                                            .is_first_whole = true,
                                            .done = on_read,
                                            .arg = list };
        if (!ks_log_read(ks_broker_log(list->request->broker), &entry->read, &status)) {
            return false;
        }
        if (take_batches(entry, status, &offset)) {
            return true;
        }
        ks_log_read_release(&entry->read);
    }
}

static void
on_read(struct ks_log_read *read, enum kafscale_status status)
{
    struct list_entry *entry = KS_CONTAINER(read, struct list_entry, read);
    struct list_offsets *list = read->arg;
    int64_t offset = 0;

    if (!take_batches(entry, status, &offset)) {
        ks_log_read_release(read);
        if (!search_from(list, entry, offset)) {
            return;
        }
    }
    list->next++;
    go_on(list);
}

/* To the log the last of all times means the greatest there is, which a client says otherwise. */
static int64_t
time_for_log(int64_t asked)
{
    if (asked == MAX_TIMESTAMP) {
        return INT64_MAX;
    }
    return asked < INT64_MAX ? asked : INT64_MAX - 1;
}

/* True: settled. */
static bool
take_time(struct list_offsets *list, struct list_entry *entry, enum kafscale_status status)
{
    if (entry->partition->log == NULL) {
        entry->out->error_code = ks_kafka_read_error(entry->partition->error);
        return true;
    }
    if (status != KAFSCALE_OK) {
        entry->out->error_code = ks_kafka_read_error(ks_broker_error_of_status(status));
        return true;
    }
    return entry->time.offset < 0 || search_from(list, entry, entry->time.offset);
}

static void
on_time(struct ks_log_time *time, enum kafscale_status status)
{
    struct list_entry *entry = KS_CONTAINER(time, struct list_entry, time);
    struct list_offsets *list = time->arg;

    if (take_time(list, entry, status)) {
        list->next++;
        go_on(list);
    }
}

static bool
search(struct list_offsets *list, struct list_entry *entry)
{
    enum kafscale_status status = KAFSCALE_OK;

    entry->latest_ms = ks_partition_latest_ms(entry->partition->log);
    entry->time = (struct ks_log_time){ .partition = entry->partition->log,
                                        .timestamp_ms = time_for_log(entry->asked->timestamp),
                                        .done = on_time,
                                        .arg = list };
    if (!ks_log_find_by_time(ks_broker_log(list->request->broker), &entry->time, &status)) {
        return false;
    }
    return take_time(list, entry, status);
}

/* ---------------------------------------------------------------------------------------------- */

/* From which version on a special timestamp may be used; 0 for one that never may. */
static int16_t
version_of(int64_t timestamp)
{
    switch (timestamp) {
    case LATEST:
    case EARLIEST:
        return 1;
    case MAX_TIMESTAMP:
        return 7;
    case EARLIEST_LOCAL:
        return 8;
    case LATEST_TIERED:
        return 9;
    default:
        return timestamp >= 0 ? 1 : 0;
    }
}

static int16_t
check_entry(struct list_offsets *list, struct list_entry *entry)
{
    struct ks_request *request = list->request;
    struct ks_topic *topic = entry->topic != NULL && entry->topic->is_gone ? NULL : entry->topic;
    enum ks_broker_error error =
        ks_find_partition(request, topic, entry->asked->partition_index, &entry->partition);
    enum ks_broker_error doubt = ks_request_doubt(request);
    int16_t version = version_of(entry->asked->timestamp);

    if (entry->is_repeated) {
        return KAFKA_ERROR_INVALID_REQUEST;
    }
    if (error == KS_BROKER_ERROR_NONE || error == KS_BROKER_ERROR_UNKNOWN_TOPIC) {
        error = doubt != KS_BROKER_ERROR_NONE ? doubt : error;
    }
    if (error != KS_BROKER_ERROR_NONE) {
        return ks_kafka_read_error(error);
    }
    if (version == 0 || request->header.api_version < version) {
        return KAFKA_ERROR_UNSUPPORTED_VERSION;
    }
    return ks_check_leader_epoch(entry->partition, entry->asked->current_leader_epoch);
}

/* True: settled. */
static bool
settle(struct list_offsets *list, struct list_entry *entry)
{
    const struct ks_partition *log;

    entry->out->error_code = check_entry(list, entry);
    if (entry->out->error_code != KAFKA_ERROR_NONE) {
        return true;
    }
    log = entry->partition->log;
    switch (entry->asked->timestamp) {
    case LATEST:
        give(entry, ks_partition_high_watermark(log), -1, ks_partition_leader_epoch(log));
        return true;
    case EARLIEST:
    case EARLIEST_LOCAL:
        give(entry, ks_partition_log_start(log), -1, ks_partition_leader_epoch(log));
        return true;
    case LATEST_TIERED:
        return true;
    default:
        return search(list, entry);
    }
}

static void
go_on(struct list_offsets *list)
{
    while (list->next < list->entry_count) {
        if (!settle(list, &list->entries[list->next])) {
            return;
        }
        list->next++;
    }
    answer(list);
}

/* Partitions named twice in a topic: none of them is answered. */
static void
mark_repeated(struct list_offsets *list, struct ks_topic *topic, struct list_entry *entries,
              size_t count)
{
    size_t *places; /* of each partition's first entry, plus one */

    if (topic == NULL || count < 2) {
        return;
    }
    places =
        ks_request_alloc(list->request, (size_t) topic->record.partition_count, sizeof *places);
    for (size_t i = 0; places != NULL && i < count; i++) {
        int32_t index = entries[i].asked->partition_index;

        if (index < 0 || index >= topic->record.partition_count) {
            continue;
        }
        if (places[index] > 0) {
            entries[places[index] - 1].is_repeated = true;
            entries[i].is_repeated = true;
        }
        places[index] = i + 1;
    }
}

static void
make_topic(struct list_offsets *list, int32_t i)
{
    const struct kafka_list_offsets_request_topic *asked = &list->asked->topics[i];
    struct kafka_list_offsets_response_topic *out = &list->response.topics[i];
    struct ks_topic *topic = ks_find_topic(list->request, asked->name, NULL, false);
    struct list_entry *entries = &list->entries[list->entry_count];

    out->name = asked->name;
    out->partitions_count = asked->partitions_count;
    out->partitions =
        kafka_array_new(&list->request->arena, &kafka_list_offsets_response_topic_partition_message,
                        (size_t) asked->partitions_count);
    for (int32_t j = 0; out->partitions != NULL && j < asked->partitions_count; j++) {
        out->partitions[j].partition_index = asked->partitions[j].partition_index;
        entries[j].asked = &asked->partitions[j];
        entries[j].out = &out->partitions[j];
        entries[j].has_leader_epoch = list->request->header.api_version >= LEADER_EPOCH_VERSION;
        entries[j].topic = topic == NULL ? NULL : ks_topic_ref(topic);
        list->entry_count++;
    }
    mark_repeated(list, topic, entries,
                  out->partitions == NULL ? 0 : (size_t) asked->partitions_count);
}

static void
run(struct ks_request *request)
{
    struct list_offsets *list = request->state;
    size_t count = 0;

    /*
     * What it answers, a client takes for the end of the log or for there being nothing: look
     * before saying so.
     */
    if (!ks_request_is_fresh(request, run)) {
        return;
    }
    for (int32_t i = 0; i < list->asked->topics_count; i++) {
        count += (size_t) list->asked->topics[i].partitions_count;
    }
    list->response.topics =
        kafka_array_new(&request->arena, &kafka_list_offsets_response_topic_message,
                        (size_t) list->asked->topics_count);
    list->response.topics_count = list->asked->topics_count;
    list->entries = ks_request_alloc(request, count, sizeof *list->entries);
    for (int32_t i = 0; !ks_arena_failed(&request->arena) && i < list->asked->topics_count; i++) {
        make_topic(list, i);
    }
    go_on(list);
}

void
ks_handle_list_offsets(struct ks_request *request)
{
    struct list_offsets *list = ks_request_alloc(request, 1, sizeof *list);

    if (list == NULL) {
        ks_request_close(request);
        return;
    }
    request->state = list;
    list->request = request;
    list->asked = request->body;
    kafka_message_init(&kafka_list_offsets_response_message, &list->response);
    run(request);
}
