/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fetch: waits until there is enough to read over all partitions, or the client's patience ends,
 * then reads partition after partition in the order of the request, several at once where the store
 * is asked. Batches are referenced from the cache to the socket, never copied. What is read is
 * claimed first: while there is no memory for it, the answer waits, and says that there is nothing
 * when that takes too long.
 *
 * Sessions are declined, as the protocol allows: every answer carries session id 0 and every
 * request is a full one.
 */
#include "handlers/api.h"
#include "handlers/internal.h"

#include <assert.h>

#define TOPIC_IDS_VERSION 13
#define ISOLATION_READ_COMMITTED 1
#define MEMORY_LOOK_MS 20
#define READS_AT_ONCE 8
#define MEMORY_WAIT_MS_MIN 1000 /* also for clients that want no wait: they'd come back at once */

/* One partition of the request. */
struct fetch_entry {
    const struct kafka_fetch_request_topic *topic_asked;
    const struct kafka_fetch_request_topic_partition *asked;
    struct kafka_fetch_response_topic_partition *out;
    struct ks_topic *topic;               /* a reference; NULL: unknown */
    struct ks_topic_partition *partition; /* while it could be found */
    int16_t code;
    bool has_ends; /* of the log, in the answer */
    struct ks_log_read read;
    size_t reserved_bytes; /* while it is under way */
};

struct fetch {
    struct ks_request *request;
    const struct kafka_fetch_request *asked;
    struct kafka_fetch_response response;
    struct fetch_entry *entries;
    size_t entry_count;
    size_t next;       /* to be read */
    size_t under_way;  /* reads */
    size_t bytes_left; /* of what the answer may have, without what reads under way may bring */
    size_t bytes_read;
    size_t part_count;
    bool is_waiting;
    bool has_no_memory; /* nothing is read */
    bool is_cold;       /* something was read from the store */
    bool is_one_by_one;
    int64_t memory_due_ms; /* how long to wait for memory */
    struct ks_waiter waiter;
};

static void read_on(struct fetch *fetch);

static bool
has_ids(const struct ks_request *request)
{
    return request->header.api_version >= TOPIC_IDS_VERSION;
}

static int16_t
missing_code(const struct fetch *fetch, const struct fetch_entry *entry, enum ks_broker_error error)
{
    bool is_topic_known = entry->topic != NULL && !entry->topic->is_gone;

    if (error == KS_BROKER_ERROR_UNKNOWN_TOPIC && !is_topic_known && has_ids(fetch->request)) {
        return KAFKA_ERROR_UNKNOWN_TOPIC_ID;
    }
    return ks_kafka_read_error(error);
}

/* --- The answer ------------------------------------------------------------------------------- */

static void
free_fetch(struct fetch *fetch)
{
    ks_waiter_end(&fetch->waiter);
    for (size_t i = 0; i < fetch->entry_count; i++) {
        ks_log_read_release(&fetch->entries[i].read);
        ks_topic_unref(fetch->entries[i].topic);
        fetch->entries[i].topic = NULL;
    }
}

/* The partition may go while others are read: its ends are those of the time of its turn. */
static void
note_ends(struct fetch_entry *entry)
{
    struct kafka_fetch_response_topic_partition *out = entry->out;

    if (entry->has_ends) {
        return;
    }
    entry->has_ends = true;
    out->high_watermark = -1;
    if (entry->partition != NULL && entry->partition->log != NULL) {
        out->high_watermark = ks_partition_high_watermark(entry->partition->log);
        out->last_stable_offset = out->high_watermark;
        out->log_start_offset = ks_partition_log_start(entry->partition->log);
    }
}

static void
fill(struct fetch *fetch, struct fetch_entry *entry, struct kafscale_slice *slices)
{
    struct kafka_fetch_response_topic_partition *out = entry->out;

    note_ends(entry);
    out->partition_index = entry->asked->partition;
    out->error_code = entry->code;
    /* Null says "not asked for": only readers of committed transactions get a list. */
    out->aborted_transactions_count =
        fetch->asked->isolation_level == ISOLATION_READ_COMMITTED ? 0 : -1;
    for (size_t i = 0; i < entry->read.part_count; i++) {
        slices[i] = entry->read.parts[i].bytes;
    }
    out->records.parts = slices;
    out->records.part_count = entry->read.part_count;
}

static void
count_records(struct fetch *fetch, const struct kafscale_part *parts)
{
    struct ks_request *request = fetch->request;
    int64_t records = 0;
    size_t bytes = 0;

    for (size_t i = 0; i < fetch->part_count; i++) {
        records += ks_batch_count_records(parts[i].bytes);
        bytes += parts[i].bytes.size;
    }
    ks_traffic_note_fetched(&request->handlers->traffic, ks_env_now_ms(request->env), records,
                            bytes);
}

static void
throttle(struct fetch *fetch)
{
    if (fetch->has_no_memory || fetch->is_cold) {
        fetch->response.throttle_time_ms = ks_request_throttle(
            fetch->request, fetch->has_no_memory ? ks_throttle_starved_ms : ks_throttle_cold_ms);
    }
}

static void
answer(struct fetch *fetch)
{
    struct ks_request *request = fetch->request;
    struct kafscale_slice *slices = ks_request_alloc(request, fetch->part_count, sizeof *slices);
    struct kafscale_part *parts = ks_request_alloc(request, fetch->part_count, sizeof *parts);
    size_t next = 0;

    for (size_t i = 0; !ks_arena_failed(&request->arena) && i < fetch->entry_count; i++) {
        struct fetch_entry *entry = &fetch->entries[i];

        fill(fetch, entry, slices + next);
        for (size_t j = 0; j < entry->read.part_count; j++) {
            parts[next + j] = entry->read.parts[j];
        }
        next += entry->read.part_count;
    }
    if (!ks_arena_failed(&request->arena)) {
        count_records(fetch, parts);
    }
    throttle(fetch);
    ks_request_hold(request);
    ks_request_answer_with_parts(request, &fetch->response, parts, fetch->part_count);
    free_fetch(fetch);
    ks_request_release(request);
}

/* --- Reading ---------------------------------------------------------------------------------- */

/* Since it was checked the topic may have gone, or the beginning of the partition. */
static int16_t
gone_code(const struct fetch *fetch, struct fetch_entry *entry)
{
    int16_t code = missing_code(fetch, entry,
                                ks_find_partition(fetch->request, entry->topic,
                                                  entry->asked->partition, &entry->partition));

    if (code == KAFKA_ERROR_NONE &&
        entry->asked->fetch_offset < ks_partition_log_start(entry->partition->log)) {
        code = KAFKA_ERROR_OFFSET_OUT_OF_RANGE;
    }
    return code;
}

static void
take_read(struct fetch *fetch, struct fetch_entry *entry, enum kafscale_status status)
{
    if (status != KAFSCALE_OK) {
        entry->code = gone_code(fetch, entry);
        if (entry->code == KAFKA_ERROR_NONE) {
            entry->code = ks_kafka_read_error(ks_broker_error_of_status(status));
        }
        return;
    }
    fetch->bytes_read += entry->read.size_bytes;
    fetch->part_count += entry->read.part_count;
    fetch->bytes_left -=
        entry->read.size_bytes < fetch->bytes_left ? entry->read.size_bytes : fetch->bytes_left;
}

static void
on_read(struct ks_log_read *read, enum kafscale_status status)
{
    struct fetch_entry *entry = KS_CONTAINER(read, struct fetch_entry, read);
    struct fetch *fetch = read->arg;

    fetch->under_way--;
    fetch->bytes_left += entry->reserved_bytes;
    if (status == KAFSCALE_OK) {
        entry->code = gone_code(fetch, entry);
    }
    if (entry->code == KAFKA_ERROR_NONE) {
        take_read(fetch, entry, status);
    } else {
        ks_log_read_release(read);
    }
    read_on(fetch);
}

/*
 * What a partition gives of so many bytes: no more than it has and was asked for, so that others
 * have the rest, and at least a batch if it fits.
 */
static size_t
share_of(const struct fetch_entry *entry, size_t bytes_left)
{
    const struct ks_partition *log = entry->partition->log;
    int64_t offset = entry->asked->fetch_offset;
    size_t asked_max =
        entry->asked->partition_max_bytes < 0 ? 0 : (size_t) entry->asked->partition_max_bytes;
    size_t bytes_max = asked_max < bytes_left ? asked_max : bytes_left;
    size_t batch_bytes = ks_partition_batch_bytes(log, offset);
    size_t bytes = ks_partition_bytes_from(log, offset, bytes_max);

    if (bytes < batch_bytes) {
        bytes = batch_bytes < bytes_max ? batch_bytes : bytes_max;
    }
    return bytes;
}

/* The first batch of an answer comes whole (KIP-74): only while nothing else may bring one. */
static void
prepare_read(struct fetch *fetch, struct fetch_entry *entry)
{
    ks_log_read_release(&entry->read);
    entry->read = (struct ks_log_read){
        .partition = entry->partition->log,
        .offset = entry->asked->fetch_offset,
        .bytes_max = share_of(entry, fetch->bytes_left),
        .is_first_whole = fetch->bytes_read == 0 && fetch->under_way == 0,
        .done = on_read,
        .arg = fetch,
    };
}

static void
begin_read(struct fetch *fetch, struct fetch_entry *entry)
{
    struct ks_request *request = fetch->request;
    enum kafscale_status status = KAFSCALE_OK;

    note_ends(entry);
    if (entry->code == KAFKA_ERROR_NONE) {
        entry->code = gone_code(fetch, entry);
    }
    if (entry->code != KAFKA_ERROR_NONE || fetch->has_no_memory ||
        (fetch->bytes_left == 0 && fetch->bytes_read > 0)) {
        return;
    }
    prepare_read(fetch, entry);
    if (ks_log_read(ks_broker_log(request->broker), &entry->read, &status)) {
        take_read(fetch, entry, status);
        return;
    }
    fetch->is_cold = true;
    fetch->under_way++;
    entry->reserved_bytes = entry->read.bytes_max;
    fetch->bytes_left -= entry->reserved_bytes;
}

static bool
may_read_more(const struct fetch *fetch)
{
    size_t count_max = fetch->is_one_by_one ? 1 : READS_AT_ONCE;

    return fetch->next < fetch->entry_count && fetch->under_way < count_max &&
           (fetch->under_way == 0 || fetch->bytes_left > 0);
}

static void
read_on(struct fetch *fetch)
{
    while (may_read_more(fetch)) {
        begin_read(fetch, &fetch->entries[fetch->next++]);
    }
    if (fetch->under_way > 0) {
        return;
    }
    if (fetch->bytes_read == 0 && fetch->is_cold && !fetch->is_one_by_one) {
        /* There may be a batch that is too long for all but the first that is read. */
        fetch->is_one_by_one = true;
        fetch->next = 0;
        read_on(fetch);
        return;
    }
    answer(fetch);
}

/* --- Waiting ---------------------------------------------------------------------------------- */

/* A topic that was not there, or has gone, may have come since: a look brings news. */
static struct ks_topic *
find_topic(struct fetch *fetch, struct fetch_entry *entry)
{
    struct ks_topic *topic = entry->topic;

    if (topic == NULL || topic->is_gone) {
        topic = ks_find_topic(fetch->request, entry->topic_asked->topic,
                              entry->topic_asked->topic_id, has_ids(fetch->request));
        ks_topic_unref(entry->topic);
        entry->topic = topic == NULL ? NULL : ks_topic_ref(topic);
    }
    return topic;
}

static int16_t
check_entry(struct fetch *fetch, struct fetch_entry *entry)
{
    struct ks_topic *topic = find_topic(fetch, entry);
    enum ks_broker_error error =
        ks_find_partition(fetch->request, topic, entry->asked->partition, &entry->partition);
    int64_t offset = entry->asked->fetch_offset;
    int16_t code;

    if (error != KS_BROKER_ERROR_NONE) {
        entry->partition = NULL;
        return missing_code(fetch, entry, error);
    }
    code = ks_check_leader_epoch(entry->partition, entry->asked->current_leader_epoch);
    if (code != KAFKA_ERROR_NONE) {
        return code;
    }
    if (offset < ks_partition_log_start(entry->partition->log) ||
        offset > ks_partition_high_watermark(entry->partition->log)) {
        return KAFKA_ERROR_OFFSET_OUT_OF_RANGE;
    }
    return KAFKA_ERROR_NONE;
}

/* Answers that are wrong if another broker has gone on since. */
static bool
is_doubtful(const struct fetch_entry *entry)
{
    return entry->code == KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION ||
           entry->code == KAFKA_ERROR_UNKNOWN_TOPIC_ID ||
           (entry->code == KAFKA_ERROR_OFFSET_OUT_OF_RANGE &&
            entry->asked->fetch_offset > ks_partition_high_watermark(entry->partition->log));
}

/*
 * The error of the first partition that has one decides whether to wait; true also when a look is
 * needed.
 */
static bool
check_entries(struct fetch *fetch, bool *is_doubtful_out)
{
    bool has_error = false;

    *is_doubtful_out = false;
    for (size_t i = 0; i < fetch->entry_count; i++) {
        struct fetch_entry *entry = &fetch->entries[i];

        entry->code = check_entry(fetch, entry);
        has_error |= entry->code != KAFKA_ERROR_NONE;
        *is_doubtful_out |= is_doubtful(entry);
    }
    return has_error;
}

static bool
has_enough(const struct fetch *fetch)
{
    size_t bytes_min = fetch->asked->min_bytes < 0 ? 0 : (size_t) fetch->asked->min_bytes;
    size_t bytes = 0;

    if (bytes_min > fetch->bytes_left) {
        bytes_min = fetch->bytes_left;
    }
    for (size_t i = 0; bytes < bytes_min && i < fetch->entry_count; i++) {
        const struct fetch_entry *entry = &fetch->entries[i];

        bytes += ks_partition_bytes_from(entry->partition->log, entry->asked->fetch_offset,
                                         bytes_min - bytes);
    }
    return bytes >= bytes_min;
}

static void
apply_doubt(struct fetch *fetch)
{
    enum ks_broker_error doubt = ks_request_doubt(fetch->request);

    for (size_t i = 0; doubt != KS_BROKER_ERROR_NONE && i < fetch->entry_count; i++) {
        if (is_doubtful(&fetch->entries[i])) {
            fetch->entries[i].code = ks_kafka_read_error(doubt);
        }
    }
}

static void
stop_waiting(struct fetch *fetch)
{
    fetch->is_waiting = false;
    fetch->request->on_gone = NULL;
    ks_waiter_end(&fetch->waiter);
}

/* Nobody will read the answer: end at the next look. */
static void
on_gone(struct ks_request *request)
{
    struct fetch *fetch = request->state;

    fetch->memory_due_ms = ks_env_now_ms(request->env);
    ks_waiter_set_deadline(&fetch->waiter, fetch->memory_due_ms);
}

/* What there is to read: all that the answer may have, and the first batch, which comes whole. */
static void
measure(const struct fetch *fetch, size_t *first_bytes_out, size_t *bytes_out)
{
    size_t first_bytes = 0;
    size_t bytes = 0;

    for (size_t i = 0; (bytes < fetch->bytes_left || first_bytes == 0) && i < fetch->entry_count;
         i++) {
        const struct fetch_entry *entry = &fetch->entries[i];

        if (entry->code != KAFKA_ERROR_NONE || entry->partition->log == NULL) {
            continue;
        }
        bytes += share_of(entry, fetch->bytes_left - bytes);
        if (first_bytes == 0) {
            first_bytes =
                ks_partition_batch_bytes(entry->partition->log, entry->asked->fetch_offset);
            bytes = bytes < first_bytes ? first_bytes : bytes;
        }
    }
    *first_bytes_out = first_bytes;
    *bytes_out = bytes;
}

/* False: there is no memory now; looks again soon. */
static bool
claim_memory(struct fetch *fetch)
{
    struct ks_request *request = fetch->request;
    int64_t look_ms = ks_env_now_ms(request->env) + MEMORY_LOOK_MS;
    size_t first_bytes;
    size_t bytes;
    size_t claimed_bytes;

    measure(fetch, &first_bytes, &bytes);
    if (bytes == 0) {
        return true;
    }
    claimed_bytes = ks_request_claim(request, first_bytes, bytes);
    if (claimed_bytes == 0 && look_ms - MEMORY_LOOK_MS < fetch->memory_due_ms) {
        request->on_gone = on_gone;
        ks_waiter_set_deadline(&fetch->waiter,
                               look_ms < fetch->memory_due_ms ? look_ms : fetch->memory_due_ms);
        return false;
    }
    fetch->has_no_memory = claimed_bytes == 0;
    if (claimed_bytes < fetch->bytes_left) {
        fetch->bytes_left = claimed_bytes;
    }
    return true;
}

static void
look_again(struct ks_request *request)
{
    struct fetch *fetch = request->state;
    bool is_any_doubtful;
    bool has_error = check_entries(fetch, &is_any_doubtful);

    if (!has_error && fetch->is_waiting && !has_enough(fetch)) {
        return;
    }
    stop_waiting(fetch);
    if (is_any_doubtful) {
        if (!ks_request_is_fresh(request, look_again)) {
            return;
        }
        apply_doubt(fetch);
    }
    if (claim_memory(fetch)) {
        request->on_gone = NULL;
        read_on(fetch);
    }
}

static void
on_woken(struct ks_waiter *waiter, bool is_due)
{
    struct fetch *fetch = KS_CONTAINER(waiter, struct fetch, waiter);

    if (is_due) {
        stop_waiting(fetch);
    }
    look_again(fetch->request);
}

static void
wait(struct fetch *fetch)
{
    struct ks_request *request = fetch->request;

    fetch->is_waiting = true;
    request->on_gone = on_gone;
    for (size_t i = 0; i < fetch->entry_count; i++) {
        ks_waiter_stand(&fetch->waiter, &fetch->entries[i].partition->waiters);
    }
    ks_waiter_set_deadline(&fetch->waiter, ks_env_now_ms(request->env) + fetch->asked->max_wait_ms);
}

/* --- Beginning -------------------------------------------------------------------------------- */

static size_t
count_partitions(const struct kafka_fetch_request *asked)
{
    size_t count = 0;

    for (int32_t i = 0; i < asked->topics_count; i++) {
        count += (size_t) asked->topics[i].partitions_count;
    }
    return count;
}

static bool
make_response(struct fetch *fetch)
{
    const struct kafka_fetch_request *asked = fetch->asked;
    struct ks_request *request = fetch->request;
    struct ks_waiter_link *links;

    fetch->response.topics = kafka_array_new(&request->arena, &kafka_fetch_response_topic_message,
                                             (size_t) asked->topics_count);
    fetch->response.topics_count = asked->topics_count;
    fetch->entries = ks_request_alloc(request, count_partitions(asked), sizeof *fetch->entries);
    links = ks_request_alloc(request, count_partitions(asked), sizeof *links);
    for (int32_t i = 0; fetch->response.topics != NULL && i < asked->topics_count; i++) {
        struct kafka_fetch_response_topic *topic = &fetch->response.topics[i];

        topic->topic = asked->topics[i].topic;
        memcpy(topic->topic_id, asked->topics[i].topic_id, KS_ID_BYTES);
        topic->partitions_count = asked->topics[i].partitions_count;
        topic->partitions =
            kafka_array_new(&request->arena, &kafka_fetch_response_topic_partition_message,
                            (size_t) topic->partitions_count);
    }
    ks_waiter_init(&fetch->waiter, request->env, links, count_partitions(asked), on_woken);
    return !ks_arena_failed(&request->arena);
}

static void
make_entries(struct fetch *fetch)
{
    const struct kafka_fetch_request *asked = fetch->asked;

    for (int32_t i = 0; i < asked->topics_count; i++) {
        const struct kafka_fetch_request_topic *topic_asked = &asked->topics[i];

        for (int32_t j = 0; j < topic_asked->partitions_count; j++) {
            struct fetch_entry *entry = &fetch->entries[fetch->entry_count];

            fetch->entry_count++;
            entry->topic_asked = topic_asked;
            entry->asked = &topic_asked->partitions[j];
            entry->out = &fetch->response.topics[i].partitions[j];
        }
    }
}

/* An epoch other than "first" and "last" goes on with a session, and there are none. */
static bool
asks_for_session(const struct kafka_fetch_request *asked)
{
    return asked->session_epoch > 0;
}

static size_t
bytes_allowed(const struct fetch *fetch)
{
    size_t own = ks_broker_options(fetch->request->broker)->fetch_bytes_max;
    size_t asked = fetch->asked->max_bytes < 0 ? 0 : (size_t) fetch->asked->max_bytes;

    return asked < own ? asked : own;
}

static void
run(struct fetch *fetch)
{
    bool is_any_doubtful;
    bool has_error = check_entries(fetch, &is_any_doubtful);

    if (has_error || fetch->entry_count == 0 || fetch->asked->max_wait_ms <= 0 ||
        has_enough(fetch)) {
        look_again(fetch->request);
        return;
    }
    wait(fetch);
}

void
ks_handle_fetch(struct ks_request *request)
{
    struct fetch *fetch = ks_request_alloc(request, 1, sizeof *fetch);

    if (fetch == NULL) {
        ks_request_close(request);
        return;
    }
    request->state = fetch;
    fetch->request = request;
    fetch->asked = request->body;
    kafka_message_init(&kafka_fetch_response_message, &fetch->response);
    if (asks_for_session(fetch->asked)) {
        fetch->response.error_code = KAFKA_ERROR_FETCH_SESSION_ID_NOT_FOUND;
        ks_request_answer(request, &fetch->response);
        return;
    }
    fetch->bytes_left = bytes_allowed(fetch);
    if (!make_response(fetch)) {
        ks_request_close(request);
        return;
    }
    make_entries(fetch);
    fetch->memory_due_ms =
        ks_env_now_ms(request->env) + (fetch->asked->max_wait_ms < MEMORY_WAIT_MS_MIN
                                           ? MEMORY_WAIT_MS_MIN
                                           : fetch->asked->max_wait_ms);
    run(fetch);
}
