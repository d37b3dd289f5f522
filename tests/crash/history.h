/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The history of a crash test and its checker. What clients did and saw is noted here as it
 * happens; at the end the checker says which promises of a durable log were broken. It knows no
 * client and no broker, so that it can be shown every fault on purpose
 * (tests/unit/crash_history_test.c).
 *
 * A value is known by its producer and its sequence, which counts from 0 for each producer and
 * partition. Callers serialise their calls. Lack of memory ends the test program.
 */
#ifndef KS_TESTS_CRASH_HISTORY_H
#define KS_TESTS_CRASH_HISTORY_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* FAULT(name, what it means) */
#define HISTORY_FAULTS(FAULT)                                                         \
    FAULT(LOST, "acknowledged, and not in the log at the end")                        \
    FAULT(DUPLICATE, "one value at two offsets")                                      \
    FAULT(REORDERED, "a producer's later value before its earlier one")               \
    FAULT(OVERTAKEN, "sent after another was acknowledged, and stored before it")     \
    FAULT(PHANTOM, "read, and sent by nobody or damaged")                             \
    FAULT(WRONG_OFFSET, "acknowledged with an offset that holds something else")      \
    FAULT(REFUSED, "refused for good, and yet stored")                                \
    FAULT(VANISHED, "seen by the live reader, and not there or different at the end") \
    FAULT(JUMPED, "a reader went back, repeated or left out an offset")               \
    FAULT(TOO_SOON, "below the log start, and neither old enough nor beyond the size")

enum history_fault {
#define FAULT(name, text) HISTORY_##name,
    HISTORY_FAULTS(FAULT)
#undef FAULT
        HISTORY_FAULT_COUNT
};

enum history_reader {
    HISTORY_LIVE, /* follows the log while brokers die */
    HISTORY_FINAL /* reads everything once it is quiet */
};

struct history_value {
    int32_t producer;
    int64_t sequence;
};

struct history;

/* What a check found: how often each fault, and the first of each in words. */
struct history_verdict {
    uint64_t counts[HISTORY_FAULT_COUNT];
    char examples[HISTORY_FAULT_COUNT][160];
    uint64_t acknowledged_count;
    uint64_t stored_count;
    uint64_t expired_count; /* acknowledged, and below the log start */
};

struct history *history_new(int32_t partition_count, int32_t producer_count);
void history_free(struct history *history);

/*
 * A producer is about to send, at this time on its clock, a value that takes `size_bytes` in the
 * log at most; returns the sequence that the value must carry.
 */
int64_t history_send(struct history *history, int32_t partition, int32_t producer, int64_t now_ms,
                     int64_t size_bytes);

/* An acknowledgement. An offset below 0 says "stored, place unknown". */
void history_acknowledge(struct history *history, int32_t partition, struct history_value value,
                         int64_t offset);

/*
 * The client says that the value certainly was not and will not be stored. A mere time-out is not
 * noted.
 */
void history_refuse(struct history *history, int32_t partition, struct history_value value);

/* A reader got a value; one whose content is damaged comes with producer -1. */
void history_read(struct history *history, enum history_reader reader, int32_t partition,
                  int64_t offset, struct history_value value);

/*
 * What a partition may let go: values that are older than `age_ms` and the oldest of those that
 * take more than `size_bytes` together. Without this everything must stay.
 */
void history_expire(struct history *history, int64_t age_ms, int64_t size_bytes);

/*
 * The log start of a partition, as told at this time, before the final reader began there. What
 * was acknowledged below it isn't missed if it may have been let go.
 */
void history_start(struct history *history, int32_t partition, int64_t offset, int64_t now_ms);

/* How many values were acknowledged so far. */
uint64_t history_acknowledged_count(const struct history *history);

/* The offset after the last one that a reader got of a partition; 0 before the first. */
int64_t history_next_offset(const struct history *history, enum history_reader reader,
                            int32_t partition);

/* Judges everything, once the final reader has read every partition to its end. True: no fault. */
bool history_check(struct history *history, struct history_verdict *verdict_out);

const char *history_fault_name(enum history_fault fault);
const char *history_fault_text(enum history_fault fault);

#endif
