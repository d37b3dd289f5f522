/* SPDX-License-Identifier: Apache-2.0 */
/* What became of the requests of each API: how many, how long they took, which errors were told. */
#ifndef KS_HANDLERS_API_COUNTERS_H
#define KS_HANDLERS_API_COUNTERS_H

#include "broker/broker.h"

struct ks_api;

/* Codes from UNKNOWN_SERVER_ERROR, -1, on; what Kafka adds behind them counts as that. */
#define KS_API_CODES_MAX 160

struct ks_api_counters {
    uint64_t answered;
    uint64_t dropped; /* not answered: the connection was closed, or had gone */
    uint64_t failed;  /* of the answered: with an error, be it of one partition */
    struct ks_histogram durations;
    uint64_t errors[KS_API_CODES_MAX];
};

/* One for each API; NULL: no memory. Freed with ks_free. */
struct ks_api_counters *ks_api_counters_new(void);

/* Those of an API, in the array of all. */
struct ks_api_counters *ks_api_counters_of(struct ks_api_counters *all, const struct ks_api *api);

/* Counts the errors that a response tells, and returns the first one. */
int16_t ks_api_counters_note_errors(struct ks_api_counters *counters, const struct ks_api *api,
                                    int16_t version, const void *response);

/* Adds the samples of those APIs that were used. */
void ks_api_counters_read(const struct ks_api_counters *all, struct ks_metrics *metrics);

#endif
