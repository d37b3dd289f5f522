/* SPDX-License-Identifier: Apache-2.0 */
/* The table of the coordinator's errors. */
#include "handlers/groups.h"

#include <assert.h>

/* Half of the shortest session that brokers grant by default. */
#define LOOK_MS 3000

static const int16_t codes[KS_GROUP_ERROR_COUNT] = {
    [KS_GROUP_OK] = KAFKA_ERROR_NONE,
    [KS_GROUP_UNKNOWN_MEMBER] = KAFKA_ERROR_UNKNOWN_MEMBER_ID,
    [KS_GROUP_ILLEGAL_GENERATION] = KAFKA_ERROR_ILLEGAL_GENERATION,
    [KS_GROUP_REBALANCE_IN_PROGRESS] = KAFKA_ERROR_REBALANCE_IN_PROGRESS,
    [KS_GROUP_FENCED_INSTANCE] = KAFKA_ERROR_FENCED_INSTANCE_ID,
    [KS_GROUP_MEMBER_ID_REQUIRED] = KAFKA_ERROR_MEMBER_ID_REQUIRED,
    [KS_GROUP_INCONSISTENT_PROTOCOL] = KAFKA_ERROR_INCONSISTENT_GROUP_PROTOCOL,
    [KS_GROUP_FULL] = KAFKA_ERROR_GROUP_MAX_SIZE_REACHED,
    [KS_GROUP_NOT_AVAILABLE] = KAFKA_ERROR_COORDINATOR_NOT_AVAILABLE,
    [KS_GROUP_NOT_COORDINATOR] = KAFKA_ERROR_NOT_COORDINATOR,
    [KS_GROUP_LOADING] = KAFKA_ERROR_COORDINATOR_LOAD_IN_PROGRESS,
    [KS_GROUP_NOT_FOUND] = KAFKA_ERROR_GROUP_ID_NOT_FOUND,
    [KS_GROUP_NOT_EMPTY] = KAFKA_ERROR_NON_EMPTY_GROUP,
    [KS_GROUP_SUBSCRIBED] = KAFKA_ERROR_GROUP_SUBSCRIBED_TO_TOPIC,
};

int16_t
ks_kafka_group_error(enum ks_group_error error)
{
    assert(error < KS_GROUP_ERROR_COUNT);

    return codes[error];
}

bool
ks_group_is_fresh(struct ks_request *request, void (*on_looked)(struct ks_request *request))
{
    return ks_request_is_fresh_within(request, LOOK_MS, on_looked);
}

/* Clients ask for the coordinator again after both; 15 says that there is none elsewhere either. */
int16_t
ks_group_doubt(const struct ks_request *request)
{
    switch (ks_request_doubt(request)) {
    case KS_BROKER_ERROR_NONE:
        return KAFKA_ERROR_NONE;
    case KS_BROKER_ERROR_FAILED:
        return KAFKA_ERROR_COORDINATOR_NOT_AVAILABLE;
    default:
        return KAFKA_ERROR_NOT_COORDINATOR;
    }
}

struct ks_coordinator *
ks_request_coordinator(const struct ks_request *request)
{
    return ks_broker_coordinator(request->broker);
}

void
ks_group_waiter_is_gone(struct ks_request *request)
{
    struct ks_group_waiter *waiter = request->state;

    if (waiter->group != NULL) {
        ks_coordinator_gone(ks_request_coordinator(request), waiter);
    }
    ks_request_close(request);
}

void
ks_group_set_timeout(struct ks_request *request, struct ks_timer *timer, void (*on_due)(void *arg),
                     void *arg)
{
    int64_t wait_ms = ks_broker_options(request->broker)->offsets_commit_ms;

    *timer = (struct ks_timer){ .on_due = on_due, .arg = arg };
    ks_env_set_timer(request->env, timer, ks_env_now_ms(request->env) + wait_ms);
}

struct kafscale_slice
ks_text_or_empty(struct kafscale_slice text)
{
    return text.data == NULL ? ks_slice("", 0) : text;
}
