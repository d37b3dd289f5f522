/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Turns: who has no position is asked for first, then all are fetched at once. A partition that
 * gave records goes behind the others, so that none is starved by the limit of an answer. What
 * fails waits alone: a Fetch with an error in it would be answered at once, again and again.
 */
#include "client/reader.h"

#include "base/backoff.h"
#include "record/record.h"

#include <assert.h>

#define FETCH_VERSION 12
#define LIST_OFFSETS_VERSION 7

/* How long a Fetch waits for records. Nothing depends on it: whatever changes ends the wait. */
#define WAIT_MS 60000

#define BACKOFF_MS_MIN 20
#define BACKOFF_MS_MAX 1000
#define NO_SESSION (-1)

static struct ks_read_partition *
of_link(struct ks_list *link)
{
    return KS_CONTAINER(link, struct ks_read_partition, link);
}

static void
run_later(struct ks_reader *reader)
{
    if (!reader->is_ended) {
        ks_env_defer(reader->env, &reader->run_task);
    }
}

/* What is asked for has changed: a Fetch that waits is of no use any more. */
static void
ask_anew(struct ks_reader *reader)
{
    if (reader->ask.is_under_way && reader->is_fetch) {
        ks_asker_leave(&reader->asker);
    }
    run_later(reader);
}

/* --- Partitions ------------------------------------------------------------------------------- */

struct ks_read_partition *
ks_read_partition_new(struct kafscale_slice topic, int32_t index, int64_t position)
{
    struct ks_read_partition *partition = ks_alloc_zero(1, sizeof *partition);

    if (partition == NULL) {
        return NULL;
    }
    partition->topic = ks_copy_text_of(topic.data, topic.size);
    if (partition->topic == NULL) {
        ks_free(partition);
        return NULL;
    }
    partition->index = index;
    partition->position = position;
    partition->high_watermark = -1;
    return partition;
}

void
ks_read_partition_free(struct ks_read_partition *partition)
{
    ks_free(partition->topic);
    ks_free(partition);
}

void
ks_reader_add(struct ks_reader *reader, struct ks_read_partition *partition)
{
    partition->reader = reader;
    ks_list_append(&reader->partitions, &partition->link);
    reader->partition_count++;
    ask_anew(reader);
}

/* The answer under way is not for it any more. */
static void
forget_asked(const struct ks_read_partition *partition)
{
    struct ks_reader *reader = partition->reader;

    for (size_t i = 0; i < reader->asked_count; i++) {
        if (reader->asked[i] == partition) {
            reader->asked[i] = NULL;
        }
    }
}

void
ks_reader_remove(struct ks_read_partition *partition)
{
    forget_asked(partition);
    ks_list_remove(&partition->link);
    partition->reader->partition_count--;
    ks_read_partition_free(partition);
}

void
ks_reader_seek(struct ks_read_partition *partition, int64_t position)
{
    forget_asked(partition);
    partition->position = position;
    partition->is_failed = false;
    partition->retry_at_ms = 0;
    ask_anew(partition->reader);
}

struct ks_read_partition *
ks_reader_find(const struct ks_reader *reader, struct kafscale_slice topic, int32_t index)
{
    for (struct ks_list *node = reader->partitions.next; node != &reader->partitions;
         node = node->next) {
        struct ks_read_partition *partition = of_link(node);

        if (partition->index == index &&
            ks_slice_equals(ks_slice_of_text(partition->topic), topic)) {
            return partition;
        }
    }
    return NULL;
}

/* --- What goes wrong -------------------------------------------------------------------------- */

static void
fail(struct ks_read_partition *partition, int16_t code)
{
    struct ks_reader *reader = partition->reader;

    partition->is_failed = true;
    reader->events.failed(reader->events.arg, partition, code);
}

static void
retry_later(struct ks_read_partition *partition)
{
    partition->retry_at_ms = ks_env_now_ms(partition->reader->env) +
                             ks_backoff_ms(BACKOFF_MS_MIN, BACKOFF_MS_MAX, partition->failures);
    partition->failures++;
}

static void
take_error(struct ks_read_partition *partition, int16_t code)
{
    int64_t reset = partition->reader->options.reset;

    if (code == KAFKA_ERROR_OFFSET_OUT_OF_RANGE && reset != KS_READ_NOWHERE) {
        partition->position = reset;
    } else if (kafka_error_is_retriable(code)) {
        retry_later(partition);
    } else {
        fail(partition, code);
    }
}

/* --- Positions -------------------------------------------------------------------------------- */

static void
on_offsets(struct ks_ask *ask, const struct ks_ask_answer *answer)
{
    struct ks_reader *reader = ask->arg;
    const struct kafka_list_offsets_response *response = answer->response;
    size_t count = reader->asked_count;

    reader->asked_count = 0;
    for (size_t i = 0; i < count && !reader->is_ended; i++) {
        struct ks_read_partition *partition = reader->asked[i];
        const struct kafka_list_offsets_response_topic_partition *found;

        if (partition == NULL) {
            continue;
        }
        if (answer->status != KAFSCALE_OK) {
            retry_later(partition);
            continue;
        }
        found = &response->topics[i].partitions[0];
        if (found->error_code != KAFKA_ERROR_NONE) {
            take_error(partition, found->error_code);
            continue;
        }
        partition->position = found->offset;
        partition->failures = 0;
    }
    run_later(reader);
}

static void
ask_for_positions(struct ks_reader *reader, struct ks_arena *arena)
{
    struct kafka_list_offsets_request request;

    kafka_message_init(&kafka_list_offsets_request_message, &request);
    request.topics_count = (int32_t) reader->asked_count;
    request.topics =
        kafka_array_new(arena, &kafka_list_offsets_request_topic_message, reader->asked_count);
    for (size_t i = 0; request.topics != NULL && i < reader->asked_count; i++) {
        struct kafka_list_offsets_request_topic *topic = &request.topics[i];

        topic->name = ks_slice_of_text(reader->asked[i]->topic);
        topic->partitions_count = 1;
        topic->partitions =
            kafka_array_new(arena, &kafka_list_offsets_request_topic_partition_message, 1);
        if (topic->partitions != NULL) {
            topic->partitions->partition_index = reader->asked[i]->index;
            topic->partitions->timestamp = reader->asked[i]->position;
        }
    }
    if (ks_arena_failed(arena)) {
        return;
    }
    reader->is_fetch = false;
    reader->ask = (struct ks_ask){ .done = on_offsets, .arg = reader };
    ks_ask_begin(&reader->asker, &reader->ask, KAFKA_API_LIST_OFFSETS, LIST_OFFSETS_VERSION,
                 &request);
}

/* --- Records ---------------------------------------------------------------------------------- */

static void
take_records(struct ks_read_partition *partition, const struct kafscale_part *parts,
             size_t part_count)
{
    struct ks_reader *reader = partition->reader;
    int64_t position = partition->position;
    struct kafscale_error error = { 0 };
    struct ks_batch last;

    if (ks_batch_parse(parts[part_count - 1].bytes, &last, &error) != KAFSCALE_OK) {
        fail(partition, KAFKA_ERROR_CORRUPT_MESSAGE);
        return;
    }
    partition->position = ks_batch_last_offset(&last) + 1;
    ks_list_remove(&partition->link);
    ks_list_append(&reader->partitions, &partition->link);
    reader->events.read(reader->events.arg, partition, position, parts, part_count);
}

/* Records in one piece are told of batch by batch. */
static void
take_bytes(struct ks_read_partition *partition, const struct kafka_records *records,
           struct kafscale_blob *owner)
{
    struct kafscale_slice left = records->part_count == 0 ? ks_slice(NULL, 0) : records->parts[0];
    struct kafscale_error error = { 0 };
    struct ks_batch batch;

    while (left.size > 0) {
        struct kafscale_part part = { .owner = owner };

        if (ks_batch_parse(left, &batch, &error) != KAFSCALE_OK) {
            fail(partition, KAFKA_ERROR_CORRUPT_MESSAGE);
            return;
        }
        part.bytes = batch.bytes;
        take_records(partition, &part, 1);
        left = ks_slice(left.data + batch.bytes.size, left.size - batch.bytes.size);
    }
}

static void
take_fetched(struct ks_reader *reader, const struct ks_ask_answer *answer)
{
    const struct kafka_fetch_response *response = answer->response;
    size_t count = reader->asked_count;
    size_t next = 0; /* part */

    reader->asked_count = 0;
    for (size_t i = 0; i < count; i++) {
        const struct kafka_fetch_response_topic_partition *found =
            &response->topics[i].partitions[0];
        size_t part_count = answer->bytes != NULL ? 0 : found->records.part_count;
        struct ks_read_partition *partition = reader->asked[i];

        if (partition != NULL && found->error_code != KAFKA_ERROR_NONE) {
            take_error(partition, found->error_code);
        } else if (partition != NULL) {
            partition->high_watermark = found->high_watermark;
            partition->failures = 0;
            if (answer->bytes != NULL) {
                take_bytes(partition, &found->records, answer->bytes);
            } else if (part_count > 0) {
                take_records(partition, &answer->parts[next], part_count);
            }
        }
        next += part_count;
    }
}

static void
on_fetched(struct ks_ask *ask, const struct ks_ask_answer *answer)
{
    struct ks_reader *reader = ask->arg;

    if (reader->is_ended) {
        return;
    }
    if (answer->status == KAFSCALE_OK) {
        take_fetched(reader, answer);
    } else {
        for (size_t i = 0; i < reader->asked_count; i++) {
            if (reader->asked[i] != NULL) {
                retry_later(reader->asked[i]);
            }
        }
        reader->asked_count = 0;
    }
    run_later(reader);
}

static void
fetch(struct ks_reader *reader, struct ks_arena *arena)
{
    struct kafka_fetch_request request;

    kafka_message_init(&kafka_fetch_request_message, &request);
    request.max_wait_ms = WAIT_MS;
    request.min_bytes = 1;
    request.max_bytes = reader->options.fetch_bytes;
    request.session_epoch = NO_SESSION;
    request.topics_count = (int32_t) reader->asked_count;
    request.topics =
        kafka_array_new(arena, &kafka_fetch_request_topic_message, reader->asked_count);
    for (size_t i = 0; request.topics != NULL && i < reader->asked_count; i++) {
        struct kafka_fetch_request_topic *topic = &request.topics[i];

        topic->topic = ks_slice_of_text(reader->asked[i]->topic);
        topic->partitions_count = 1;
        topic->partitions = kafka_array_new(arena, &kafka_fetch_request_topic_partition_message, 1);
        if (topic->partitions != NULL) {
            topic->partitions->partition = reader->asked[i]->index;
            topic->partitions->fetch_offset = reader->asked[i]->position;
            topic->partitions->partition_max_bytes = reader->options.fetch_bytes;
        }
    }
    if (ks_arena_failed(arena)) {
        return;
    }
    reader->is_fetch = true;
    reader->ask = (struct ks_ask){ .done = on_fetched, .arg = reader };
    ks_ask_begin(&reader->asker, &reader->ask, KAFKA_API_FETCH, FETCH_VERSION, &request);
}

/* --- Turns ------------------------------------------------------------------------------------ */

static bool
make_room(struct ks_reader *reader)
{
    struct ks_read_partition **asked;

    if (reader->asked_capacity >= reader->partition_count) {
        return true;
    }
    asked = ks_realloc(reader->asked, reader->partition_count * sizeof(struct ks_read_partition *));
    if (asked == NULL) {
        return false;
    }
    reader->asked = asked;
    reader->asked_capacity = reader->partition_count;
    return true;
}

/* Those who can be asked for now; the time of the next one else. */
static void
choose(struct ks_reader *reader, bool with_position, int64_t *next_ms)
{
    int64_t now_ms = ks_env_now_ms(reader->env);

    reader->asked_count = 0;
    for (struct ks_list *node = reader->partitions.next; node != &reader->partitions;
         node = node->next) {
        struct ks_read_partition *partition = of_link(node);

        if (partition->is_failed) {
            continue;
        }
        if (partition->retry_at_ms > now_ms) {
            *next_ms = partition->retry_at_ms < *next_ms ? partition->retry_at_ms : *next_ms;
        } else if ((partition->position >= 0) == with_position) {
            reader->asked[reader->asked_count++] = partition;
        }
    }
}

/* Lack of memory waits, as everything else that goes wrong. */
static void
run(void *arg)
{
    struct ks_reader *reader = arg;
    int64_t next_ms = INT64_MAX;
    struct ks_arena arena;

    if (reader->is_ended || reader->is_paused || reader->ask.is_under_way) {
        return;
    }
    ks_arena_init(&arena, SIZE_MAX / 2);
    if (make_room(reader)) {
        choose(reader, false, &next_ms);
        if (reader->asked_count > 0) {
            ask_for_positions(reader, &arena);
        } else {
            choose(reader, true, &next_ms);
            if (reader->asked_count > 0) {
                fetch(reader, &arena);
            }
        }
    }
    if (!reader->ask.is_under_way && reader->asked_count > 0) {
        next_ms = ks_env_now_ms(reader->env) + BACKOFF_MS_MIN;
    }
    ks_arena_deinit(&arena);
    if (next_ms != INT64_MAX) {
        ks_env_set_timer(reader->env, &reader->retry_timer, next_ms);
    }
}

/* A Fetch that waits for others doesn't know of the one whose time has come. */
static void
on_retry(void *arg)
{
    ask_anew(arg);
}

void
ks_reader_init(struct ks_reader *reader, struct ks_env *env, const struct ks_request_sink *sink,
               const struct ks_reader_options *options, const struct ks_reader_events *events)
{
    *reader = (struct ks_reader){ .options = *options, .events = *events, .env = env };
    ks_list_init(&reader->partitions);
    ks_asker_init(&reader->asker, env, sink, options->client_id);
    reader->run_task = (struct ks_task){ .run = run, .arg = reader };
    reader->retry_timer = (struct ks_timer){ .on_due = on_retry, .arg = reader };
}

void
ks_reader_pause(struct ks_reader *reader, bool is_paused)
{
    if (reader->is_paused != is_paused) {
        reader->is_paused = is_paused;
        run_later(reader);
    }
}

void
ks_reader_end(struct ks_reader *reader)
{
    if (reader->is_ended) {
        return;
    }
    reader->is_ended = true;
    ks_env_cancel_task(&reader->run_task);
    ks_env_cancel_timer(reader->env, &reader->retry_timer);
    while (!ks_list_is_empty(&reader->partitions)) {
        ks_reader_remove(of_link(reader->partitions.next));
    }
    ks_asker_leave(&reader->asker);
}

bool
ks_reader_is_quiet(const struct ks_reader *reader)
{
    return ks_list_is_empty(&reader->asker.asks);
}

void
ks_reader_deinit(struct ks_reader *reader)
{
    assert(reader->is_ended);
    assert(ks_reader_is_quiet(reader));

    ks_free(reader->asked);
}
