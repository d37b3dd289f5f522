/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each partition keeps, per producer, the fate of every value sent, and per reader the value at
 * every offset. A check is one pass over the final reader's log, which finds each value's place,
 * and one over the values.
 */
#include "history.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum fate { FATE_OPEN, FATE_ACKNOWLEDGED, FATE_REFUSED };

struct sent {
    int64_t acknowledged_offset;
    int64_t
        /* the highest offset acknowledged in this partition when it was sent, or -1 */
        floor_offset;
    int64_t sent_ms;
    int64_t size_bytes;
    enum fate fate;
    bool is_young; /* was not old enough when the log start had passed it */
};

struct sent_list {
    struct sent *values;
    int64_t count;
    int64_t capacity;
};

struct seen_list {
    struct history_value *values;
    int64_t count; /* the next offset to be read */
    int64_t capacity;
    uint64_t jump_count;
};

struct partition {
    struct sent_list *producers;
    struct seen_list readers[2];
    int64_t acknowledged_offset_max;
    int64_t start_offset;
    int64_t kept_bytes_max; /* of what lies at the start and above it */
};

struct history {
    struct partition *partitions;
    int32_t partition_count;
    int32_t producer_count;
    uint64_t acknowledged_count;
    bool may_expire;
    int64_t expire_ms;
    int64_t expire_bytes;
};

/* What a value's absence looks like in a reader's list. */
static const struct history_value NOTHING = { .producer = -2, .sequence = -1 };

static void *
grow(void *values, int64_t *capacity, int64_t needed, size_t size)
{
    if (needed <= *capacity) {
        return values;
    }
    *capacity = needed * 2 > 1024 ? needed * 2 : 1024;
    values = realloc(values, (size_t) *capacity * size);
    if (values == NULL) {
        fprintf(stderr, "the history does not fit into memory\n");
        exit(EXIT_FAILURE);
    }
    return values;
}

struct history *
history_new(int32_t partition_count, int32_t producer_count)
{
    int64_t none = 0;
    struct history *history = grow(NULL, &none, 1, sizeof(*history));

    none = 0;
    *history =
        (struct history){ .partition_count = partition_count, .producer_count = producer_count };
    history->partitions = grow(NULL, &none, partition_count, sizeof(*history->partitions));
    for (int32_t i = 0; i < partition_count; i++) {
        struct partition *partition = &history->partitions[i];

        none = 0;
        *partition = (struct partition){ .acknowledged_offset_max = -1 };
        partition->producers = grow(NULL, &none, producer_count, sizeof(struct sent_list));
        memset(partition->producers, 0, (size_t) producer_count * sizeof(struct sent_list));
    }
    return history;
}

void
history_free(struct history *history)
{
    if (history == NULL) {
        return;
    }
    for (int32_t i = 0; i < history->partition_count; i++) {
        for (int32_t j = 0; j < history->producer_count; j++) {
            free(history->partitions[i].producers[j].values);
        }
        free(history->partitions[i].producers);
        free(history->partitions[i].readers[HISTORY_LIVE].values);
        free(history->partitions[i].readers[HISTORY_FINAL].values);
    }
    free(history->partitions);
    free(history);
}

int64_t
history_send(struct history *history, int32_t partition, int32_t producer, int64_t now_ms,
             int64_t size_bytes)
{
    struct partition *place = &history->partitions[partition];
    struct sent_list *list = &place->producers[producer];

    list->values = grow(list->values, &list->capacity, list->count + 1, sizeof(struct sent));
    list->values[list->count] = (struct sent){
        .acknowledged_offset = -1,
        .floor_offset = place->acknowledged_offset_max,
        .sent_ms = now_ms,
        .size_bytes = size_bytes,
    };
    return list->count++;
}

/* The fate of a value, or NULL for one that nobody sent to this partition. */
static struct sent *
find_sent(const struct history *history, int32_t partition, struct history_value value)
{
    const struct sent_list *list;

    if (value.producer < 0 || value.producer >= history->producer_count) {
        return NULL;
    }
    list = &history->partitions[partition].producers[value.producer];
    return value.sequence >= 0 && value.sequence < list->count ? &list->values[value.sequence]
                                                               : NULL;
}

void
history_acknowledge(struct history *history, int32_t partition, struct history_value value,
                    int64_t offset)
{
    struct partition *place = &history->partitions[partition];
    struct sent *sent = find_sent(history, partition, value);

    if (sent == NULL) {
        return;
    }
    sent->fate = FATE_ACKNOWLEDGED;
    sent->acknowledged_offset = offset;
    if (offset > place->acknowledged_offset_max) {
        place->acknowledged_offset_max = offset;
    }
    history->acknowledged_count++;
}

void
history_refuse(struct history *history, int32_t partition, struct history_value value)
{
    struct sent *sent = find_sent(history, partition, value);

    if (sent != NULL) {
        sent->fate = FATE_REFUSED;
    }
}

void
history_expire(struct history *history, int64_t age_ms, int64_t size_bytes)
{
    history->may_expire = true;
    history->expire_ms = age_ms;
    history->expire_bytes = size_bytes;
}

static void
expire_values(const struct history *history, struct sent_list *list, int64_t from, int64_t to,
              int64_t now_ms)
{
    for (int64_t i = 0; i < list->count; i++) {
        struct sent *sent = &list->values[i];

        if (sent->fate == FATE_ACKNOWLEDGED && sent->acknowledged_offset >= from &&
            sent->acknowledged_offset < to) {
            sent->is_young = now_ms - sent->sent_ms < history->expire_ms;
        }
    }
}

static void
pass_over(struct seen_list *seen, int64_t offset)
{
    seen->values = grow(seen->values, &seen->capacity, offset, sizeof(struct history_value));
    while (seen->count < offset) {
        seen->values[seen->count++] = NOTHING;
    }
}

void
history_start(struct history *history, int32_t partition, int64_t offset, int64_t now_ms)
{
    struct partition *place = &history->partitions[partition];

    if (!history->may_expire || offset <= place->start_offset) {
        return;
    }
    for (int32_t i = 0; i < history->producer_count; i++) {
        expire_values(history, &place->producers[i], place->start_offset, offset, now_ms);
    }
    place->start_offset = offset;
    pass_over(&place->readers[HISTORY_FINAL], offset);
}

void
history_read(struct history *history, enum history_reader reader, int32_t partition, int64_t offset,
             struct history_value value)
{
    struct seen_list *seen = &history->partitions[partition].readers[reader];

    if (offset != seen->count) {
        seen->jump_count++;
    }
    if (offset < seen->count) {
        return;
    }
    pass_over(seen, offset);
    seen->values = grow(seen->values, &seen->capacity, offset + 1, sizeof(struct history_value));
    seen->values[seen->count++] = value;
}

uint64_t
history_acknowledged_count(const struct history *history)
{
    return history->acknowledged_count;
}

int64_t
history_next_offset(const struct history *history, enum history_reader reader, int32_t partition)
{
    return history->partitions[partition].readers[reader].count;
}

static void note(struct history_verdict *verdict, enum history_fault fault, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void
note(struct history_verdict *verdict, enum history_fault fault, const char *format, ...)
{
    va_list arguments;

    if (verdict->counts[fault]++ > 0) {
        return;
    }
    va_start(arguments, format);
    vsnprintf(verdict->examples[fault], sizeof(verdict->examples[fault]), format, arguments);
    va_end(arguments);
}

static bool
is_same(struct history_value a, struct history_value b)
{
    return a.producer == b.producer && a.sequence == b.sequence;
}

/* Where each value of one partition was found: places[producer][sequence], -1 for nowhere. */
struct places {
    int64_t **offsets;
};

static struct places
places_new(const struct history *history, int32_t partition)
{
    struct places places = { 0 };
    int64_t none = 0;

    places.offsets = grow(NULL, &none, history->producer_count, sizeof(int64_t *));
    for (int32_t i = 0; i < history->producer_count; i++) {
        int64_t count = history->partitions[partition].producers[i].count;

        none = 0;
        places.offsets[i] = grow(NULL, &none, count + 1, sizeof(int64_t));
        for (int64_t j = 0; j < count; j++) {
            places.offsets[i][j] = -1;
        }
    }
    return places;
}

static void
places_free(const struct history *history, struct places *places)
{
    for (int32_t i = 0; i < history->producer_count; i++) {
        free(places->offsets[i]);
    }
    free(places->offsets);
}

/* One stored value against its sending: its place is noted, and what is wrong with it. */
static void
check_stored(struct history *history, int32_t partition, int64_t offset, struct places *places,
             struct history_verdict *verdict)
{
    struct history_value value =
        history->partitions[partition].readers[HISTORY_FINAL].values[offset];
    const struct sent *sent = find_sent(history, partition, value);
    int64_t *place;

    if (is_same(value, NOTHING)) {
        return;
    }
    verdict->stored_count++;
    if (sent == NULL) {
        note(verdict, HISTORY_PHANTOM, "partition %d offset %" PRId64, partition, offset);
        return;
    }
    place = &places->offsets[value.producer][value.sequence];
    if (*place >= 0) {
        note(verdict, HISTORY_DUPLICATE,
             "partition %d producer %d value %" PRId64 " at offsets %" PRId64 " and %" PRId64,
             partition, value.producer, value.sequence, *place, offset);
        return;
    }
    *place = offset;
    history->partitions[partition].kept_bytes_max += sent->size_bytes;
    if (sent->fate == FATE_REFUSED) {
        note(verdict, HISTORY_REFUSED, "partition %d producer %d value %" PRId64 " at %" PRId64,
             partition, value.producer, value.sequence, offset);
    }
    if (offset <= sent->floor_offset) {
        note(verdict, HISTORY_OVERTAKEN, "partition %d offset %" PRId64 ", acknowledged %" PRId64,
             partition, offset, sent->floor_offset);
    }
}

/* Acknowledged, and not there. */
static void
check_absent(const struct history *history, int32_t partition, struct history_value value,
             const struct sent *sent, struct history_verdict *verdict)
{
    const struct partition *place = &history->partitions[partition];

    if (place->start_offset == 0 || sent->acknowledged_offset >= place->start_offset) {
        note(verdict, HISTORY_LOST, "partition %d producer %d value %" PRId64 ", offset %" PRId64,
             partition, value.producer, value.sequence, sent->acknowledged_offset);
        return;
    }
    verdict->expired_count++;
    if (sent->is_young && place->kept_bytes_max < history->expire_bytes) {
        note(verdict, HISTORY_TOO_SOON,
             "partition %d offset %" PRId64 ", start %" PRId64 ", %" PRId64 " bytes kept",
             partition, sent->acknowledged_offset, place->start_offset, place->kept_bytes_max);
    }
}

/* One value sent against its place, -1 for nowhere. */
static void
check_sent(const struct history *history, int32_t partition, struct history_value value,
           const struct sent *sent, int64_t place, struct history_verdict *verdict)
{
    if (sent->fate != FATE_ACKNOWLEDGED) {
        return;
    }
    verdict->acknowledged_count++;
    if (place < 0) {
        check_absent(history, partition, value, sent, verdict);
    } else if (sent->acknowledged_offset >= 0 && sent->acknowledged_offset != place) {
        note(verdict, HISTORY_WRONG_OFFSET,
             "partition %d producer %d value %" PRId64 ": told %" PRId64 ", is at %" PRId64,
             partition, value.producer, value.sequence, sent->acknowledged_offset, place);
    }
}

static void
check_producer(const struct history *history, int32_t partition, int32_t producer,
               const struct places *places, struct history_verdict *verdict)
{
    const struct sent_list *list = &history->partitions[partition].producers[producer];
    int64_t last = -1;

    for (int64_t i = 0; i < list->count; i++) {
        int64_t place = places->offsets[producer][i];

        check_sent(history, partition, (struct history_value){ producer, i }, &list->values[i],
                   place, verdict);
        if (place >= 0 && place < last) {
            note(verdict, HISTORY_REORDERED,
                 "partition %d producer %d value %" PRId64 " at %" PRId64, partition, producer, i,
                 place);
        }
        if (place > last) {
            last = place;
        }
    }
}

/* What the live reader saw must be what is there at the end. */
static void
check_live(const struct history *history, int32_t partition, struct history_verdict *verdict)
{
    const struct seen_list *live = &history->partitions[partition].readers[HISTORY_LIVE];
    const struct seen_list *final = &history->partitions[partition].readers[HISTORY_FINAL];

    for (int64_t offset = 0; offset < live->count; offset++) {
        bool is_seen = !is_same(live->values[offset], NOTHING);

        if (is_seen &&
            (offset >= final->count || !is_same(live->values[offset], final->values[offset]))) {
            note(verdict, HISTORY_VANISHED, "partition %d offset %" PRId64, partition, offset);
        }
    }
}

static void
check_jumps(const struct history *history, int32_t partition, struct history_verdict *verdict)
{
    for (int reader = HISTORY_LIVE; reader <= HISTORY_FINAL; reader++) {
        uint64_t count = history->partitions[partition].readers[reader].jump_count;

        if (count > 0) {
            note(verdict, HISTORY_JUMPED, "partition %d, %s reader, %" PRIu64 " times", partition,
                 reader == HISTORY_LIVE ? "live" : "final", count);
        }
    }
}

bool
history_check(struct history *history, struct history_verdict *verdict_out)
{
    uint64_t count = 0;

    *verdict_out = (struct history_verdict){ 0 };
    for (int32_t i = 0; i < history->partition_count; i++) {
        struct places places = places_new(history, i);

        history->partitions[i].kept_bytes_max = 0;
        for (int64_t j = 0; j < history->partitions[i].readers[HISTORY_FINAL].count; j++) {
            check_stored(history, i, j, &places, verdict_out);
        }
        for (int32_t j = 0; j < history->producer_count; j++) {
            check_producer(history, i, j, &places, verdict_out);
        }
        check_live(history, i, verdict_out);
        check_jumps(history, i, verdict_out);
        places_free(history, &places);
    }
    for (int i = 0; i < HISTORY_FAULT_COUNT; i++) {
        count += verdict_out->counts[i];
    }
    return count == 0;
}

static const char *const FAULT_NAMES[] = {
#define FAULT(name, text) #name,
    HISTORY_FAULTS(FAULT)
#undef FAULT
};

static const char *const FAULT_TEXTS[] = {
#define FAULT(name, text) text,
    HISTORY_FAULTS(FAULT)
#undef FAULT
};

const char *
history_fault_name(enum history_fault fault)
{
    return FAULT_NAMES[fault];
}

const char *
history_fault_text(enum history_fault fault)
{
    return FAULT_TEXTS[fault];
}
