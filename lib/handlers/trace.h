/* SPDX-License-Identifier: Apache-2.0 */
/*
 * trace.kafka: an event for each request, once it is known what became of it. Who asked what, how
 * large question and answer were, how long it took and which errors were told; never what the
 * records, keys or names in it are.
 */
#ifndef KS_HANDLERS_TRACE_H
#define KS_HANDLERS_TRACE_H

#include <stdbool.h>
#include <stdint.h>

struct ks_answer;
struct ks_request;

#define KS_TRACE_CODES_MAX 4

/* The errors of a response, each once with their number; zeroed: none. */
struct ks_trace {
    int16_t codes[KS_TRACE_CODES_MAX];
    uint32_t counts[KS_TRACE_CODES_MAX]; /* 0: no such code */
    uint32_t other_count;
};

/* Remembers the errors of a response, if requests are traced. */
void ks_trace_note(struct ks_request *request, const void *response);

/* Writes the event, if requests are traced. */
void ks_trace_tell(const struct ks_request *request, const struct ks_answer *answer);

#endif
