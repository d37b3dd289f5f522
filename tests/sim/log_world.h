/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A simulated world around struct ks_log: one bucket, one metadata store, several incarnations that
 * claim each other's partitions, hand them over, crash and stop, and idempotent producers that send
 * to whoever says it owns a partition. All from one seed.
 *
 * What is checked: an acknowledged batch is in the log, once, at the offset told, after
 * whatever happened; a producer's batches are in its order; what a reader saw stays; nothing is
 * there that nobody sent.
 */
#ifndef KS_TESTS_SIM_LOG_WORLD_H
#define KS_TESTS_SIM_LOG_WORLD_H

#include "log/log.h"
#include "store/fault_store.h"
#include "support/virtual_env.h"

#define WORLD_PARTITIONS 3
#define WORLD_PRODUCERS 4
#define WORLD_BROKERS 3
/* Partitions of topics that are deleted in the middle, one after another. */
#define WORLD_SHORT_TOPICS 3
#define WORLD_BATCHES_MAX 400

/* What must have happened somewhere in a run of many seeds, or the simulation shows nothing. */
struct world_events {
    uint64_t acknowledged;
    uint64_t acknowledged_after_retry;
    uint64_t duplicates;
    uint64_t duplicates_under_way;
    uint64_t fenced;
    uint64_t seals_won;
    uint64_t seals_found;
    uint64_t seals_void; /* by a mark that passed them */
    uint64_t own_nonce_seen;
    uint64_t crashes;
    uint64_t stops;
    uint64_t opens;
    uint64_t opens_lost;
    uint64_t reads_back;
    uint64_t objects;
    uint64_t objects_of_many;   /* with sections of several partitions */
    uint64_t acknowledged_late; /* after a PUT whose outcome was unknown at first */
    uint64_t opens_overtaken;   /* by another broker's claim */
    uint64_t claim_storms;
    uint64_t topics_deleted;
    uint64_t forgotten_under_way; /* appends of a topic that was deleted meanwhile */
    uint64_t puts_beaten_by_seal;
    uint64_t seals_beaten_by_put;
    uint64_t hand_offs;           /* of single partitions */
    uint64_t hand_offs_under_way; /* begun with appends under way */
    uint64_t opened_again;        /* by an incarnation that had it before */
    uint64_t returned;            /* of these, with another owner in between */
    uint64_t transactions_lost;   /* answers of transactions that happened */
    uint64_t transactions_undone; /* and of those that did not */
    uint64_t starts_raised;       /* log_start of a partition, as by retention */
    uint64_t starts_retained;     /* raised by retention */
    uint64_t starts_inside;       /* of these, to the middle of a batch */
    uint64_t slots_deleted;
    uint64_t slots_again; /* by PUTs that were later than the DELETE */
    uint64_t orphans_deleted;
    uint64_t seals_below_mark;
    uint64_t bundles; /* registered */
    uint64_t bundles_found;
    uint64_t bundle_reads;
    uint64_t bundles_dropped;
    uint64_t bundles_deleted;
    uint64_t merges;
    uint64_t merges_of_parts; /* of these, to several objects */
    uint64_t merges_again;    /* of merged bundles */
    uint64_t merges_lost;
    uint64_t merged_deleted; /* objects of merged bundles */
    uint64_t segments;
    uint64_t cold_reads;
    uint64_t indexes_adopted;
    uint64_t segments_adopted;
    uint64_t compaction_alarms;
    uint64_t segments_deleted;
    uint64_t segments_again;
    uint64_t removes_late;
    uint64_t removes_again;
    uint64_t foreign; /* objects of other programs */
    uint64_t faults[KS_FAULT_COUNT];
    uint64_t damages;      /* of an object at rest */
    uint64_t damages_told; /* of these, so that something could not be read */
    uint64_t operations;
};

/*
 * Runs one seed; false when a promise was broken, with the reason in `reason_out`. Adds to
 * `events`.
 */
bool world_run(uint64_t seed, struct world_events *events, char reason_out[200]);

#endif
