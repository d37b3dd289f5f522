/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether this broker still is the owner. Its writes prove it by themselves; reads don't. When a
 * request comes and the last look is older than freshness.ms, the broker looks: at key `sole` in
 * the metadata store, freshly, which also brings every change of topics, and at the next slot of
 * its own log. Never without requests and never more often.
 */
#ifndef KS_BROKER_FRESHNESS_H
#define KS_BROKER_FRESHNESS_H

#include "log/log.h"

/*
 * Somebody who waits for a look; in the caller's memory until `done` or cancelled. Zeroed: not
 * waiting.
 */
struct ks_look {
    /*
     * OK; UNAVAILABLE: can't look; FENCED: looked, and lost; STOPPED. Never from inside the call.
     */
    void (*done)(struct ks_look *look, enum kafscale_status status);
    void *arg;

    struct ks_list link;
    int64_t asked_ms;
    enum kafscale_status status;
};

/* What a look brought to light. */
struct ks_freshness_events {
    void *arg;
    void (*fenced)(void *arg, const char *why);
    void (*failed)(void *arg, const struct kafscale_error *error);
};

struct ks_freshness {
    struct ks_env *env;
    struct ks_meta *meta;
    struct ks_log *log;
    struct ks_id incarnation;
    int64_t freshness_ms;
    bool is_single_writer;
    const struct ks_freshness_events *events;

    int64_t fresh_at_ms; /* when the last look that succeeded began */
    int64_t tried_at_ms;
    uint32_t answers_due; /* of the look under way; 0: none */
    enum kafscale_status status;
    enum kafscale_status ended; /* not OK: there will be no more looks */
    struct ks_list waiting;
    struct ks_list answered;
    struct ks_task task;
    struct kafscale_meta_read read;
    uint64_t looks; /* counted for tests and metrics */
};

/*
 * Borrows all. `known_ms` is when the caller, having written `sole`, began to read what it knows of
 * topics: so old is that knowledge, however long the start took.
 */
void ks_freshness_init(struct ks_freshness *freshness, struct ks_env *env, struct ks_meta *meta,
                       struct ks_log *log, const struct ks_id *incarnation, int64_t known_ms,
                       int64_t freshness_ms, bool is_single_writer,
                       const struct ks_freshness_events *events);

/* A request has come: looks if it is time. */
void ks_freshness_note(struct ks_freshness *freshness);

bool ks_freshness_is_fresh(const struct ks_freshness *freshness);

/* Waits for knowledge that is fresh. To be called only when ks_freshness_is_fresh is false. */
void ks_freshness_await(struct ks_freshness *freshness, struct ks_look *look);

void ks_freshness_cancel(struct ks_look *look);

/* Answers all who wait, now and later, with `status`. A look under way may still end. */
void ks_freshness_end(struct ks_freshness *freshness, enum kafscale_status status);

/* Nobody may be waiting any more and no look be under way. */
void ks_freshness_deinit(struct ks_freshness *freshness);

#endif
