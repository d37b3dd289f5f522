/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inside of a struct ks_broker, shared by the files that make it up: broker.c holds it
 * together, start.c and stop.c are its beginning and its end.
 */
#ifndef KS_BROKER_BROKER_INTERNAL_H
#define KS_BROKER_BROKER_INTERNAL_H

#include "broker/broker.h"
#include "broker/gone_topics.h"
#include "broker/identity.h"
#include "broker/opener.h"
#include "broker/verdict.h"

#define KS_EXPIRY_PREFIX_BYTES 300

/* The steps of a start, in their order. */
enum ks_start_step {
    KS_START_EXPIRY,
    KS_START_STORE,
    KS_START_IDENTITY,
    KS_START_TOPICS,
    KS_START_SOLE,
    KS_START_OPEN,
    KS_START_STEP_COUNT
};

struct ks_broker {
    struct ks_env *env;
    struct ks_broker_options options;
    struct ks_topic_config static_defaults; /* of topics, as the options of the start say */
    struct ks_dynamic_config dynamic[KS_DYNAMIC_SCOPE_COUNT];
    uint64_t dynamic_versions[KS_DYNAMIC_SCOPE_COUNT];
    char *ns;
    enum ks_broker_state state;
    struct kafscale_error error;
    struct ks_list listeners;
    struct ks_endpoint *endpoints;
    size_t endpoint_count;
    struct ks_endpoint no_endpoint;
    struct ks_id incarnation;

    struct ks_store *store; /* NULL: it is closed, and there is nothing to tell any more */
    double spent[KS_STORE_OPERATION_COUNT]; /* by earlier prices, for so many requests */
    uint64_t priced[KS_STORE_OPERATION_COUNT];
    struct ks_meta *meta;
    const struct ks_chore *meta_chores; /* of its own log; NULL: it has none, or it is closed */
    struct ks_log *log;
    struct ks_topics topics;
    struct ks_opener opener;
    struct ks_freshness freshness;
    struct ks_freshness_events freshness_events;
    struct ks_appender appender;
    struct ks_preparer preparer;
    struct ks_producer_ids producer_ids;
    struct ks_coordinator coordinator;
    struct ks_gone_topics gone_topics;

    /* Start. */
    char expiry_prefix[KS_EXPIRY_PREFIX_BYTES];
    struct ks_verdict verdict;
    struct ks_identity identity;
    enum ks_start_step step;
    uint32_t failures; /* of this step, in a row */
    struct ks_timer retry;
    struct ks_task begin;
    bool is_sole_sent;
    uint64_t sole_version;
    int64_t sole_asked_ms; /* what is known is as new as this, once it was written */
    struct kafscale_meta_read read;
    struct kafscale_meta_operation operation;
    struct kafscale_meta_txn txn;
    ks_broker_done *start_done;
    void *start_arg;

    /* Stop. */
    int64_t give_up_ms; /* by the clock: from then on no store is waited for */
    struct ks_timer give_up;
    struct ks_task stop_task;
    void (*stop_done)(void *arg);
    void *stop_arg;
};

/* Moves to a state and tells the listeners. `error` may be NULL. */
void ks_broker_move(struct ks_broker *broker, enum ks_broker_state state,
                    const struct kafscale_error *error);

/* What the options say to a log. */
struct ks_log_limits ks_broker_log_limits(const struct ks_broker *broker);

/* Replaces the defaults of topics that the options say. On failure they stay. */
KAFSCALE_MUST_CHECK enum kafscale_status ks_broker_set_static_defaults(
    struct ks_broker *broker, const struct ks_topic_config *config);

/* What requests to the store have cost, by the prices that were in force at their time. */
double ks_broker_cost(const struct ks_broker *broker, enum ks_store_operation operation);

/* Prices are about to change. */
void ks_broker_settle_cost(struct ks_broker *broker);

/* Puts into force what a topic's configuration, or the defaults, say now. */
void ks_broker_configure(struct ks_broker *broker, struct ks_topic *topic);

/*
 * Another broker has taken over, or an invariant is broken. Do nothing once that is known, or at
 * stop.
 */
void ks_broker_fence(struct ks_broker *broker, const char *why);
void ks_broker_fail(struct ks_broker *broker, const struct kafscale_error *error);

/* Answers the start, if that is still to be done. */
void ks_start_answer(struct ks_broker *broker, enum kafscale_status status,
                     const struct kafscale_error *error);

/* The opener has nothing left to open. */
void ks_start_opened(struct ks_broker *broker);

/* Stops a retry that waits. */
void ks_start_cancel(struct ks_broker *broker);

#endif
