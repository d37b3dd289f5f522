/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A look walks through groups, their topics and the offsets in these. Between turns groups and
 * topics may go; whoever lets them go says so, and the look stands at the next one.
 */
#include "broker/coordinator/lag.h"

#include "broker/coordinator/coordinator_internal.h"

#define OFFSETS_PER_TURN 1000

/* So much longer than a look took there is none. */
#define REST_FACTOR 50

const int64_t ks_lag_limits[KS_LAG_BUCKETS] = { 1,     10,    100,    1000,   5000,
                                                10000, 50000, 100000, 500000, 1000000 };

static void look_on(void *arg);

/* --- Samples ---------------------------------------------------------------------------------- */

static void
sample_deinit(struct ks_lag_sample *sample)
{
    for (size_t i = 0; i < sample->series_count; i++) {
        ks_free(sample->series[i]);
    }
    ks_free(sample->series);
    *sample = (struct ks_lag_sample){ 0 };
}

/* `times` times what `other` counts. */
static void
add_counts(struct ks_lag_counts *counts, const struct ks_lag_counts *other, uint64_t times)
{
    for (int i = 0; i <= KS_LAG_BUCKETS; i++) {
        counts->counts[i] += times * other->counts[i];
    }
    counts->count += times * other->count;
    counts->sum += times * other->sum;
}

static void
count_lag(struct ks_lag_sample *sample, int64_t lag)
{
    int i = 0;

    while (i < KS_LAG_BUCKETS && lag > ks_lag_limits[i]) {
        i++;
    }
    sample->counts.counts[i]++;
    sample->counts.count++;
    sample->counts.sum += (uint64_t) lag;
    sample->max = lag > sample->max ? lag : sample->max;
}

/* NULL without memory. */
static struct ks_lag_series *
new_series(struct ks_lag_sample *sample)
{
    struct ks_lag_series *series = ks_alloc_zero(1, sizeof *series);

    if (series == NULL ||
        !KS_RESERVE(sample->series, sample->series_capacity, sample->series_count + 1)) {
        ks_free(series);
        return NULL;
    }
    sample->series[sample->series_count++] = series;
    return series;
}

/* Of too many the one with least lag gives its place. */
static void
add_series(struct ks_lag *lag, const struct ks_offsets_topic *topic)
{
    struct ks_lag_sample *sample = &lag->next;
    struct ks_heap_node *least = ks_heap_first(&sample->by_lag);
    struct ks_lag_series *series;

    if (sample->series_count < lag->series_max) {
        series = new_series(sample);
    } else if (least != NULL && lag->topic_lag > least->key) {
        ks_heap_remove(&sample->by_lag, least);
        series = KS_CONTAINER(least, struct ks_lag_series, node);
    } else {
        return;
    }
    if (series == NULL) {
        sample->is_short = true;
        return;
    }
    series->lag = lag->topic_lag;
    ks_metric_label(ks_group_id(lag->group->group), series->group);
    ks_metric_label(ks_offsets_topic_name(topic), series->topic);
    ks_heap_insert(&sample->by_lag, &series->node, series->lag);
}

/* --- When ------------------------------------------------------------------------------------- */

void
ks_lag_init(struct ks_lag *lag, int64_t interval_ms, size_t series_max)
{
    lag->interval_ms = interval_ms;
    lag->series_max = series_max;
    lag->chore.name = "lag";
}

/* The looks that would have been since the last one, until `until_ms`. */
static int64_t
count_intervals(const struct ks_lag *lag, int64_t until_ms)
{
    return until_ms <= lag->settled_ms ? 0 : (until_ms - lag->settled_ms) / lag->interval_ms;
}

/* The next time in step with the earlier ones, so that each interval has one. */
static int64_t
next_due(struct ks_lag *lag, int64_t now_ms)
{
    int64_t from_ms = lag->rest_until_ms > now_ms ? lag->rest_until_ms - 1 : now_ms;

    if (lag->chore.successes == 0 && lag->chore.failures == 0) {
        lag->settled_ms = now_ms - lag->interval_ms;
        return now_ms;
    }
    return lag->settled_ms + (count_intervals(lag, from_ms) + 1) * lag->interval_ms;
}

static void
begin(void *arg)
{
    struct ks_coordinator *coordinator = arg;
    struct ks_lag *lag = &coordinator->lag;

    lag->is_looking = true;
    lag->has_changed = false;
    lag->began_ms = ks_env_now_ms(coordinator->env);
    lag->group = ks_coordinator_next(coordinator, NULL);
    lag->topic = NULL;
    look_on(coordinator);
}

void
ks_lag_note(struct ks_coordinator *coordinator)
{
    struct ks_lag *lag = &coordinator->lag;

    if (lag->is_looking) {
        lag->has_changed = true;
        return;
    }
    if (lag->is_due || coordinator->is_ended ||
        (coordinator->group_count == 0 && lag->last.counts.count == 0)) {
        return;
    }
    lag->is_due = true;
    lag->due_ms = next_due(lag, ks_env_now_ms(coordinator->env));
    lag->timer = (struct ks_timer){ .on_due = begin, .arg = coordinator };
    ks_env_set_timer(coordinator->env, &lag->timer, lag->due_ms);
}

/* --- Looking ---------------------------------------------------------------------------------- */

static void
finish(struct ks_coordinator *coordinator)
{
    struct ks_lag *lag = &coordinator->lag;
    int64_t now_ms = ks_env_now_ms(coordinator->env);
    int64_t missed = count_intervals(lag, lag->due_ms) - 1;

    add_counts(&lag->total, &lag->last.counts, missed > 0 ? (uint64_t) missed : 0);
    add_counts(&lag->total, &lag->next.counts, 1);
    if (lag->next.is_short) {
        ks_chore_fail(&lag->chore, now_ms, "memory is short");
    } else {
        ks_chore_succeed(&lag->chore, now_ms);
    }
    sample_deinit(&lag->last);
    lag->last = lag->next;
    lag->next = (struct ks_lag_sample){ 0 };
    lag->settled_ms = lag->due_ms;
    lag->rest_until_ms = now_ms + REST_FACTOR * (now_ms - lag->began_ms);
    lag->is_due = false;
    lag->is_looking = false;
    if (lag->has_changed) {
        ks_lag_note(coordinator);
    }
}

static void
enter_topic(struct ks_lag *lag, struct ks_list *topic)
{
    lag->topic = topic;
    lag->partition = 0;
    lag->topic_lag = 0;
    lag->topic_known = 0;
}

static void
take_offset(struct ks_lag *lag, struct ks_topic *topic, const struct ks_committed *committed)
{
    const struct ks_topic_partition *partition = ks_topic_partition(topic, committed->partition);
    int64_t behind;

    if (partition == NULL || partition->log == NULL) {
        return;
    }
    behind = ks_partition_high_watermark(partition->log) - committed->offset;
    behind = behind < 0 ? 0 : behind;
    count_lag(&lag->next, behind);
    lag->topic_lag += behind;
    lag->topic_known++;
}

/* Some offsets of the topic at which the look stands; returns how many. */
static size_t
look_at_topic(struct ks_coordinator *coordinator, size_t count_max)
{
    struct ks_lag *lag = &coordinator->lag;
    const struct ks_offsets_topic *topic = KS_CONTAINER(lag->topic, struct ks_offsets_topic, link);
    struct ks_topic *living = NULL;
    size_t count = 0;

    if (ks_coordinator_is_current(coordinator, topic)) {
        living = ks_topics_find(coordinator->topics, ks_offsets_topic_name(topic));
    }
    while (living != NULL && count < count_max && lag->partition < topic->partition_count) {
        take_offset(lag, living, &topic->partitions[lag->partition]);
        lag->partition++;
        count++;
    }
    if (living == NULL || lag->partition >= topic->partition_count) {
        if (lag->topic_known > 0) {
            add_series(lag, topic);
        }
        enter_topic(lag, topic->link.next);
    }
    return count;
}

static void
look_on(void *arg)
{
    struct ks_coordinator *coordinator = arg;
    struct ks_lag *lag = &coordinator->lag;
    size_t seen = 0;

    while (lag->group != NULL && seen < OFFSETS_PER_TURN) {
        if (lag->topic == NULL) {
            enter_topic(lag, lag->group->offsets.topics.next);
        }
        if (lag->topic == &lag->group->offsets.topics) {
            lag->group = ks_coordinator_next(coordinator, lag->group);
            lag->topic = NULL;
        } else {
            seen += look_at_topic(coordinator, OFFSETS_PER_TURN - seen);
        }
        seen++;
    }
    if (lag->group == NULL) {
        finish(coordinator);
        return;
    }
    lag->task = (struct ks_task){ .run = look_on, .arg = coordinator };
    ks_env_defer(coordinator->env, &lag->task);
}

void
ks_lag_pass(struct ks_coordinator *coordinator, const struct ks_coordinated_group *group)
{
    struct ks_lag *lag = &coordinator->lag;

    if (lag->is_looking && lag->group == group) {
        lag->group = ks_coordinator_next(coordinator, group);
        lag->topic = NULL;
    }
}

void
ks_lag_pass_topic(struct ks_coordinator *coordinator, const struct ks_offsets_topic *topic)
{
    struct ks_lag *lag = &coordinator->lag;

    if (lag->is_looking && lag->topic == &topic->link) {
        enter_topic(lag, topic->link.next);
    }
}

void
ks_lag_end(struct ks_coordinator *coordinator)
{
    struct ks_lag *lag = &coordinator->lag;

    ks_env_cancel_timer(coordinator->env, &lag->timer);
    ks_env_cancel_task(&lag->task);
    sample_deinit(&lag->next);
    sample_deinit(&lag->last);
    lag->is_due = false;
    lag->is_looking = false;
    lag->group = NULL;
}

/* --- Telling ---------------------------------------------------------------------------------- */

void
ks_lag_read(const struct ks_coordinator *coordinator, struct ks_metrics *metrics)
{
    const struct ks_lag *lag = &coordinator->lag;
    int64_t until_ms = ks_env_now_ms(coordinator->env);
    struct ks_lag_counts counts = lag->total;

    /* The look that is due stands for its own interval. */
    if (lag->is_due && lag->due_ms - 1 < until_ms) {
        until_ms = lag->due_ms - 1;
    }
    add_counts(&counts, &lag->last.counts, (uint64_t) count_intervals(lag, until_ms));
    ks_metrics_add_counts(metrics, KS_METRIC_consumer_lag,
                          &(struct ks_metric_counts){ .limits = ks_lag_limits,
                                                      .bucket_count = KS_LAG_BUCKETS,
                                                      .counts = counts.counts,
                                                      .count = counts.count,
                                                      .sum = (double) counts.sum });
    ks_metrics_add(metrics, KS_METRIC_consumer_lag_max, (double) lag->last.max);
    ks_metrics_add(metrics, KS_METRIC_committed_offsets, (double) lag->last.counts.count);
    for (size_t i = 0; i < lag->last.series_count; i++) {
        const struct ks_lag_series *series = lag->last.series[i];

        ks_metrics_add_of_two(metrics, KS_METRIC_consumer_group_lag, series->group, series->topic,
                              (double) series->lag);
    }
}
