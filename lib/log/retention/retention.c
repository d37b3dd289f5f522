/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Retention by time and size. Partitions that have limits stand in a ring; a check goes round it
 * once and raises the starts of those whose oldest batches have passed a limit. Between checks one
 * timer waits for the time at which the first of them can, and none where nothing ever will.
 *
 * What lies in segments is retention_segments.c's to look at, for a few partitions at a time.
 *
 * A start moves only when what goes is worth a change of the register: a limit may be passed by an
 * eighth before, within bounds, as files of Kafka go late too.
 */
#include "log/retention/retention.h"

#include "log/bundle/bundle.h"

#include <assert.h>

#define CHECK_INTERVAL_MS (5 * 60 * INT64_C(1000))
#define WAIT_MS_MAX (24 * 60 * 60 * INT64_C(1000)) /* wall clocks are set now and then */
#define RAISES_MAX 64                              /* at once */
#define WALKS_MAX 4                                /* through segments, at once */
#define CHECKS_MAX 1000                            /* in one turn of the loop */
#define SLACK_MS_MAX (6 * 60 * 60 * INT64_C(1000))
#define SLACK_BYTES_MAX (INT64_C(8) << 20)

static int64_t
slack(int64_t limit, int64_t slack_max)
{
    return limit / 8 < slack_max ? limit / 8 : slack_max;
}

int64_t
ks_retention_slack_ms(const struct ks_retention *limits)
{
    return slack(limits->ms, SLACK_MS_MAX);
}

int64_t
ks_retention_slack_bytes(const struct ks_retention *limits)
{
    return slack(limits->bytes, SLACK_BYTES_MAX);
}

static int64_t
check_interval_ms(const struct ks_log *log)
{
    return log->options.retention_check_ms > 0 ? log->options.retention_check_ms
                                               : CHECK_INTERVAL_MS;
}

/* --- One partition --- */

/*
 * What there is from an offset on: sections of bundles, and after them committed batches that have
 * places. Either kind goes one at a time.
 */
struct stock {
    const struct ks_partition *partition;
    int64_t from;
    size_t bundled; /* the first section */
    size_t bundled_count;
    size_t first; /* place */
    size_t place_count;
};

struct piece {
    int64_t end_offset;
    int64_t time_ms; /* of its youngest record; -1: nothing is known */
    int64_t bytes;
};

static struct stock
stock_from(const struct ks_partition *partition, int64_t offset)
{
    int64_t placed_from = ks_partition_placed_from(partition);
    struct stock stock = { .partition = partition,
                           .from = offset,
                           .bundled = ks_partition_find_bundled(partition, offset),
                           .first = ks_partition_find_place(partition, offset) };
    size_t end = ks_partition_committed_end(partition);
    size_t bundled_end;

    stock.place_count = stock.first < end ? end - stock.first : 0;
    bundled_end = ks_partition_find_bundled(partition, placed_from);
    if (bundled_end < partition->bundled_count &&
        partition->bundled[bundled_end].section->base_offset < placed_from) {
        bundled_end++;
    }
    stock.bundled_count = bundled_end > stock.bundled ? bundled_end - stock.bundled : 0;
    return stock;
}

/* Of a section whose first batches don't count as much as of its offsets does. */
static int64_t
bytes_of_section(const struct ks_bundle_section *section, int64_t from)
{
    int64_t offsets = section->end_offset - section->base_offset;

    if (section->base_offset >= from || offsets <= 0) {
        return (int64_t) section->body_bytes;
    }
    return (int64_t) ((double) section->body_bytes * (double) (section->end_offset - from) /
                      (double) offsets);
}

static size_t
count_pieces(const struct stock *stock)
{
    return stock->bundled_count + stock->place_count;
}

/* A batch without a time is as old as the youngest before it. */
static struct piece
piece_at(const struct stock *stock, size_t index)
{
    const struct ks_place *place;

    if (index < stock->bundled_count) {
        const struct ks_bundle_section *section =
            stock->partition->bundled[stock->bundled + index].section;

        return (struct piece){ .end_offset = section->end_offset,
                               .time_ms = section->max_timestamp_ms,
                               .bytes = bytes_of_section(section, stock->from) };
    }
    place = ks_partition_place(stock->partition, stock->first + index - stock->bundled_count);
    return (struct piece){ .end_offset = place->last_offset + 1,
                           .time_ms = place->max_timestamp_ms < 0 ? place->max_timestamp_so_far_ms
                                                                  : place->max_timestamp_ms,
                           .bytes = place->size_bytes };
}

static int64_t
bytes_of(const struct stock *stock)
{
    const struct ks_place *first;
    const struct ks_place *last;
    int64_t bytes = 0;

    for (size_t i = 0; i < stock->bundled_count; i++) {
        bytes += piece_at(stock, i).bytes;
    }
    if (stock->place_count > 0) {
        first = ks_partition_place(stock->partition, stock->first);
        last = ks_partition_place(stock->partition, stock->first + stock->place_count - 1);
        bytes += (int64_t) (last->bytes_before + last->size_bytes - first->bytes_before);
    }
    return bytes;
}

int64_t
ks_expiry_ms(int64_t time_ms, int64_t limit_ms, int64_t slack_ms)
{
    if (limit_ms < 0 || time_ms < 0 || time_ms > KS_EXPIRES_NEVER - 1 - limit_ms - slack_ms) {
        return KS_EXPIRES_NEVER;
    }
    return time_ms + limit_ms + slack_ms;
}

int64_t
ks_retention_bytes_above(const struct ks_partition *partition)
{
    struct stock stock = stock_from(partition, partition->reg.compacted_upto);

    return bytes_of(&stock);
}

/* The wall time from which on something of it shall go; INT64_MIN: now, by its size. */
static int64_t
stock_due_ms(const struct stock *stock)
{
    const struct ks_retention *limits = &stock->partition->retention;
    struct piece oldest;

    if (count_pieces(stock) == 0) {
        return KS_EXPIRES_NEVER;
    }
    oldest = piece_at(stock, 0);
    if (limits->bytes >= 0 &&
        bytes_of(stock) - limits->bytes > ks_retention_slack_bytes(limits) + oldest.bytes) {
        return INT64_MIN;
    }
    return ks_expiry_ms(oldest.time_ms, limits->ms, ks_retention_slack_ms(limits));
}

static int64_t
due_ms(struct ks_log *log, struct ks_partition *partition)
{
    struct stock stock;

    if (ks_expiry_is_cold(partition)) {
        return ks_expiry_due_ms(log, partition);
    }
    stock = stock_from(partition, partition->reg.log_start);
    return stock_due_ms(&stock);
}

/* Where the log starts when all is gone that has passed a limit. */
static int64_t
new_start(const struct stock *stock, int64_t wall_ms)
{
    const struct ks_retention *limits = &stock->partition->retention;
    int64_t start = stock->from;
    int64_t bytes = bytes_of(stock);

    for (size_t i = 0; i < count_pieces(stock); i++) {
        struct piece piece = piece_at(stock, i);
        bool is_old = ks_expiry_ms(piece.time_ms, limits->ms, 0) < wall_ms;

        bytes -= piece.bytes;
        if (!is_old && (limits->bytes < 0 || bytes < limits->bytes)) {
            break;
        }
        /* Of a section the last batches may have places still. */
        start = piece.end_offset > start ? piece.end_offset : start;
    }
    return start;
}

/* --- The round --- */

static void go_on(void *arg);

void
ks_retention_fail(struct ks_log *log, enum kafscale_status status)
{
    log->retention.has_failed = true;
    ks_log_note_failure(log, KS_LOG_CHORE_RETENTION, kafscale_status_text(status));
}

static void
on_raised(void *arg, enum kafscale_status status)
{
    struct ks_log *log = arg;

    log->retention.raises--;
    if (status != KAFSCALE_OK && status != KAFSCALE_NOT_FOUND && status != KAFSCALE_STOPPED) {
        ks_retention_fail(log, status);
        ks_log(&log->env->logger, KAFSCALE_LOG_WARN, "old records not deleted yet error=%s",
               kafscale_status_text(status));
    }
    go_on(log);
}

static void
note_due(struct ks_retentions *retention, int64_t due)
{
    retention->next_ms = due < retention->next_ms ? due : retention->next_ms;
}

static void
raise_start(struct ks_log *log, struct ks_partition *partition, int64_t start)
{
    log->retention.next_ms = INT64_MIN;
    if (ks_log_raise_start(log, partition, start, on_raised, log) == KAFSCALE_OK) {
        log->retention.raises++;
    }
}

/* Where it starts when all from `offset` on is gone that has passed a limit. */
static int64_t
start_from(const struct ks_log *log, const struct ks_partition *partition, int64_t offset)
{
    struct stock stock = stock_from(partition, offset);

    return new_start(&stock, ks_env_wall_ms(log->env));
}

static void
start_walk(struct ks_log *log, struct ks_partition *partition)
{
    if (partition->expiry.walk != NULL || ks_log_status(log) != KAFSCALE_OK) {
        return;
    }
    log->retention.walk_count++;
    if (!ks_expiry_walk(log, partition)) {
        log->retention.walk_count--;
        log->retention.next_ms = INT64_MIN;
    }
}

static void
check(struct ks_log *log, struct ks_partition *partition, int64_t wall_ms)
{
    int64_t due = due_ms(log, partition);

    if (due >= wall_ms) {
        note_due(&log->retention, due);
    } else if (partition->is_closed) {
        log->retention.next_ms = INT64_MIN;
    } else if (ks_expiry_is_cold(partition)) {
        start_walk(log, partition);
    } else {
        raise_start(log, partition, start_from(log, partition, partition->reg.log_start));
    }
}

/* The limits are looked up again: it may have none any more. */
static void
take_walked(struct ks_log *log, struct ks_partition *partition, int64_t start)
{
    if (start <= partition->reg.log_start || !ks_list_is_linked(&partition->retained)) {
        note_due(&log->retention, due_ms(log, partition));
        return;
    }
    if (start >= partition->reg.compacted_upto) {
        start = start_from(log, partition, start);
    }
    raise_start(log, partition, start);
}

void
ks_retention_walked(struct ks_log *log, struct ks_partition *partition, int64_t start)
{
    struct ks_retentions *retention = &log->retention;

    assert(retention->walk_count > 0);
    retention->walk_count--;
    if (log->is_freed || retention->is_ended) {
        return;
    }
    if (partition != NULL && !partition->is_closed) {
        take_walked(log, partition, start);
    }
    ks_env_defer(log->env, &retention->task);
}

/* Waits until something can pass a limit, if that is sooner than what is waited for. */
static void
wait_until(struct ks_log *log, int64_t next_ms)
{
    struct ks_retentions *retention = &log->retention;
    int64_t now_ms = ks_env_now_ms(log->env);
    int64_t wall_ms = ks_env_wall_ms(log->env);
    int64_t wait_ms = check_interval_ms(log);

    if (next_ms == KS_EXPIRES_NEVER || retention->is_ended) {
        return;
    }
    if (next_ms >= wall_ms + wait_ms) {
        wait_ms = next_ms - wall_ms < WAIT_MS_MAX ? next_ms - wall_ms + 1 : WAIT_MS_MAX;
    }
    if (!ks_env_timer_is_set(&retention->timer) || now_ms + wait_ms < retention->timer_ms) {
        retention->timer_ms = now_ms + wait_ms;
        ks_env_set_timer(log->env, &retention->timer, retention->timer_ms);
    }
}

/* The next in the ring, which goes to its end; NULL: all were checked. */
static struct ks_partition *
take_next(struct ks_retentions *retention)
{
    struct ks_list *node = retention->ring.next;
    struct ks_partition *partition;

    if (node == &retention->ring) {
        return NULL;
    }
    partition = KS_CONTAINER(node, struct ks_partition, retained);
    if (partition->retention_round == retention->round) {
        return NULL;
    }
    partition->retention_round = retention->round;
    ks_list_remove(node);
    ks_list_append(&retention->ring, node);
    return partition;
}

/* Checks as many as may be at once; comes back for the rest. */
static void
go_on(void *arg)
{
    struct ks_log *log = arg;
    struct ks_retentions *retention = &log->retention;
    int64_t wall_ms = ks_env_wall_ms(log->env);

    if (!retention->is_running || retention->is_ended) {
        return;
    }
    for (size_t i = 0; retention->raises < RAISES_MAX && retention->walk_count < WALKS_MAX; i++) {
        struct ks_partition *partition;

        if (i == CHECKS_MAX) {
            ks_env_defer(log->env, &retention->task);
            return;
        }
        partition = take_next(retention);
        if (partition == NULL) {
            break;
        }
        check(log, partition, wall_ms);
    }
    if (retention->raises == 0 && retention->walk_count == 0) {
        retention->is_running = false;
        if (!retention->has_failed) {
            ks_log_note_success(log, KS_LOG_CHORE_RETENTION);
        }
        wait_until(log, retention->next_ms);
    }
}

static void
begin(void *arg)
{
    struct ks_log *log = arg;
    struct ks_retentions *retention = &log->retention;

    if (retention->is_running || retention->is_ended) {
        return;
    }
    retention->is_running = true;
    retention->has_failed = false;
    retention->round++;
    retention->next_ms = KS_EXPIRES_NEVER;
    go_on(log);
}

/* --- What calls for it --- */

void
ks_retention_note(struct ks_log *log, struct ks_partition *partition)
{
    struct ks_retentions *retention = &log->retention;

    /* A check that is running sees it, or the one that follows. */
    if (!ks_list_is_linked(&partition->retained) ||
        (ks_env_timer_is_set(&retention->timer) &&
         retention->timer_ms <= ks_env_now_ms(log->env) + check_interval_ms(log))) {
        return;
    }
    if (retention->is_running) {
        note_due(retention, due_ms(log, partition));
        return;
    }
    wait_until(log, due_ms(log, partition));
}

void
ks_log_set_retention(struct ks_log *log, struct ks_partition *partition,
                     const struct ks_retention *retention)
{
    partition->retention = *retention;
    ks_list_remove(&partition->retained);
    if (retention->ms < 0 && retention->bytes < 0) {
        return;
    }
    ks_list_append(&log->retention.ring, &partition->retained);
    ks_retention_note(log, partition);
}

void
ks_retention_init(struct ks_log *log)
{
    ks_list_init(&log->retention.ring);
    ks_list_init(&log->retention.walks);
    log->retention.timer = (struct ks_timer){ .on_due = begin, .arg = log };
    log->retention.task = (struct ks_task){ .run = go_on, .arg = log };
}

void
ks_retention_end(struct ks_log *log)
{
    log->retention.is_ended = true;
    ks_env_cancel_timer(log->env, &log->retention.timer);
    ks_env_cancel_task(&log->retention.task);
}
