/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How long clients are asked to hold back. A broker that can't give its records to the store as
 * fast as they come, or whose memory is nearly full, says so in its answers before it has to refuse
 * anything. Pure: what presses goes in, milliseconds come out.
 */
#ifndef KS_BROKER_THROTTLE_H
#define KS_BROKER_THROTTLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Zeroed: nothing presses, and nobody is ever asked to wait. */
struct ks_pressure {
    int64_t throttle_ms_max;
    int64_t behind_ms;       /* of the oldest batch, waiting for the store longer than meant */
    bool is_slowed;          /* the store has asked for fewer requests */
    unsigned memory_percent; /* used, of what requests and answers may have */
    size_t cold_waiting;     /* reads from the store that wait for a place */
    size_t cold_places;
};

/* For an answer to Produce. 0: go on. */
int32_t ks_throttle_produce_ms(const struct ks_pressure *pressure);

/*
 * For an answer to OffsetCommit, which takes room in the log as records do. Never so long that the
 * heartbeats behind it on its connection would come too late.
 */
int32_t ks_throttle_commit_ms(const struct ks_pressure *pressure);

/* For an answer to Fetch that had to be read from the store. */
int32_t ks_throttle_cold_ms(const struct ks_pressure *pressure);

/* For an answer to Fetch that is empty because there was no memory for records. */
int32_t ks_throttle_starved_ms(const struct ks_pressure *pressure);

#endif
