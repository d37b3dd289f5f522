/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How far consumers are behind: for each committed offset, the records from it to the end of its
 * partition. There may be a million of them, so they are looked at by a timer, some in each turn of
 * the loop, and whoever asks gets what the last look has found. Where nothing was committed and
 * nothing written since, the last look still holds, and there is no timer.
 */
#ifndef KS_BROKER_COORDINATOR_LAG_H
#define KS_BROKER_COORDINATOR_LAG_H

#include "base/base.h"
#include "broker/metrics.h"
#include "group/group.h"

struct ks_coordinator;
struct ks_coordinated_group;

#define KS_LAG_BUCKETS 10

/* Upper limits in records, inclusive, rising: those of KafScale. */
extern const int64_t ks_lag_limits[KS_LAG_BUCKETS];

struct ks_lag_counts {
    uint64_t counts[KS_LAG_BUCKETS + 1]; /* the last: above all limits */
    uint64_t count;
    uint64_t sum;
};

/* Of a group and a topic, summed up. */
struct ks_lag_series {
    struct ks_heap_node node;
    int64_t lag;
    char group[KS_METRIC_LABEL_BYTES];
    char topic[KS_METRIC_LABEL_BYTES];
};

/* What one look has found. */
struct ks_lag_sample {
    struct ks_lag_counts counts;
    int64_t max;
    struct ks_lag_series **series; /* those with most lag */
    size_t series_count;
    size_t series_capacity;
    struct ks_heap by_lag;
    bool is_short; /* of memory: some series are not there */
};

struct ks_lag {
    int64_t interval_ms;
    size_t series_max;
    struct ks_chore chore;
    struct ks_timer timer;
    struct ks_task task;
    bool is_due; /* the timer is set, or a look is under way */
    bool is_looking;
    bool has_changed; /* since the look under way began */
    int64_t due_ms;
    int64_t began_ms;
    int64_t rest_until_ms; /* looks that take long are farther apart */

    struct ks_coordinated_group *group; /* where the look is; NULL: at its end */
    struct ks_list *topic;              /* of that group; NULL: before its first */
    size_t partition;                   /* place in its array */
    int64_t topic_lag;                  /* of the partitions before */
    size_t topic_known;                 /* how many of these have one */

    struct ks_lag_sample next; /* being made */
    struct ks_lag_sample last;
    struct ks_lag_counts total; /* of all looks until settled_ms */
    int64_t settled_ms;
};

/* Zeroed before. */
void ks_lag_init(struct ks_lag *lag, int64_t interval_ms, size_t series_max);

/* Something was committed or written, or partitions have come or gone. */
void ks_lag_note(struct ks_coordinator *coordinator);

/* A group, or a topic of one, goes: a look that stands there goes on. */
void ks_lag_pass(struct ks_coordinator *coordinator, const struct ks_coordinated_group *group);
void ks_lag_pass_topic(struct ks_coordinator *coordinator, const struct ks_offsets_topic *topic);

/* Ends looking and forgets all. May come again. */
void ks_lag_end(struct ks_coordinator *coordinator);

/*
 * The histogram has each offset once for each interval that has passed, as if there were a look in
 * each.
 */
void ks_lag_read(const struct ks_coordinator *coordinator, struct ks_metrics *metrics);

#endif
