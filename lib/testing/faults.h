/* SPDX-License-Identifier: Apache-2.0 */
/* Faults, conditions and the names of APIs as those who test write them. */
#ifndef KS_TESTING_FAULTS_H
#define KS_TESTING_FAULTS_H

#include "broker/broker.h"
#include "kafscale/testing.h"

#define KS_API_NAME_BYTES 64

struct ks_testing;

/* The key of "JoinGroup"; negative: there is no such API. */
int16_t ks_api_key_of(const char *name);

/* "JoinGroup" for 11, "?" for a key that Kafka doesn't have. */
void ks_api_name_of(int16_t key, char out[KS_API_NAME_BYTES]);

/* KAFSCALE_INVALID, FULL, NO_MEMORY. */
KAFSCALE_MUST_CHECK enum kafscale_status ks_testing_take_fault(
    struct ks_testing *testing, const struct kafscale_testing_fault *fault,
    struct kafscale_error *error);
KAFSCALE_MUST_CHECK enum kafscale_status ks_testing_take_store_fault(
    struct ks_testing *testing, const struct kafscale_testing_store_fault *fault,
    struct kafscale_error *error);

/* What kafscale_testing_wait_group and _records wait for. */
bool ks_testing_group_is(struct ks_broker *broker, const char *group, size_t member_count);
bool ks_testing_has_records(struct ks_broker *broker, const char *topic, int32_t partition,
                            int64_t high_watermark);

#endif
