/* SPDX-License-Identifier: Apache-2.0 */
#include "client/group_verdict.h"

enum ks_group_verdict
ks_group_verdict_of(enum kafscale_status status, int16_t kafka_error)
{
    if (status != KAFSCALE_OK) {
        return KS_GROUP_AGAIN;
    }
    switch (kafka_error) {
    case KAFKA_ERROR_NONE:
        return KS_GROUP_GO_ON;
    case KAFKA_ERROR_COORDINATOR_LOAD_IN_PROGRESS:
    case KAFKA_ERROR_COORDINATOR_NOT_AVAILABLE:
    case KAFKA_ERROR_NOT_COORDINATOR:
    case KAFKA_ERROR_REQUEST_TIMED_OUT:
    case KAFKA_ERROR_KAFKA_STORAGE_ERROR:
    case KAFKA_ERROR_UNSTABLE_OFFSET_COMMIT:
        return KS_GROUP_AGAIN;
    case KAFKA_ERROR_REBALANCE_IN_PROGRESS:
    case KAFKA_ERROR_ILLEGAL_GENERATION:
    case KAFKA_ERROR_MEMBER_ID_REQUIRED:
        return KS_GROUP_REJOIN;
    case KAFKA_ERROR_UNKNOWN_MEMBER_ID:
        return KS_GROUP_NEWCOMER;
    default:
        return KS_GROUP_NEVER;
    }
}
