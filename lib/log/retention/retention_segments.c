/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A walk looks for the segment at the log start and goes on from each that has passed a limit to
 * the next one, so that all of them go with one change of the register. Totals of an index count
 * from the first segment of a partition; what lies behind a segment is what those of the newest
 * have more. Where totals begin anew, at an index that had to be made again, too little is counted
 * and something stays longer.
 */
#include "log/retention/retention.h"
#include "log/read/segment_find.h"

#include <assert.h>
#include <inttypes.h>

#define STEPS_MAX 256 /* of one walk; the next check goes on */
#define RETRY_FIRST_MS (5 * 60 * INT64_C(1000))
#define RETRY_SHIFT_MAX 6

struct ks_expiry_walk {
    struct ks_list link;
    struct ks_log *log;
    struct ks_partition *partition; /* NULL once it was forgotten */
    struct ks_segment_owner owner;
    char *prefix;
    int64_t start; /* where the log may start, for all that was seen */
    uint32_t steps;
    struct ks_segment_wait wait;
    struct ks_segment_search search;
};

/* --- What is known --------------------------------------------------------------------------- */

bool
ks_expiry_is_cold(const struct ks_partition *partition)
{
    return partition->reg.log_start < partition->reg.compacted_upto &&
           ks_partition_placed_from(partition) > partition->reg.log_start;
}

static bool
knows_newest(const struct ks_partition *partition)
{
    return partition->expiry.newest_end == partition->reg.compacted_upto;
}

static bool
knows_oldest(const struct ks_partition *partition)
{
    const struct ks_expiry *expiry = &partition->expiry;
    int64_t start = partition->reg.log_start;

    return expiry->oldest_base <= start && expiry->oldest_end > start;
}

/*
 * Without totals it was made again, or is of another program. Of those the last at most is in the
 * totals of ours, so that what is in these lies behind it. Of one of ours is known what those
 * before it had, if it was come to from there; nothing is before offset 0.
 */
static int64_t
bytes_up_to(const struct ks_partition *partition, const struct ks_index *index)
{
    const struct ks_expiry *expiry = &partition->expiry;

    if (index->has_partition || index->base_offset < partition->reg.imported_end) {
        return (int64_t) index->totals.bytes;
    }
    if (expiry->oldest_base == index->base_offset && expiry->oldest_end > 0) {
        return expiry->oldest_bytes;
    }
    return expiry->oldest_end == index->base_offset && expiry->oldest_bytes >= 0
               ? expiry->oldest_bytes + (int64_t) index->totals.bytes
               : -1;
}

static void
take_oldest(struct ks_partition *partition, const struct ks_index *index)
{
    struct ks_expiry *expiry = &partition->expiry;

    expiry->oldest_bytes = bytes_up_to(partition, index);
    expiry->oldest_base = index->base_offset;
    expiry->oldest_end = index->last_offset + 1;
    expiry->oldest_ms = index->max_timestamp_ms < 0 ? index->created_ms : index->max_timestamp_ms;
}

void
ks_expiry_learn(struct ks_partition *partition, const struct ks_index *newest)
{
    struct ks_expiry *expiry = &partition->expiry;

    if (newest->base_offset >= partition->reg.compacted_upto ||
        newest->last_offset + 1 < partition->reg.compacted_upto) {
        return;
    }
    expiry->newest_end = partition->reg.compacted_upto;
    expiry->newest_bytes = (int64_t) newest->totals.bytes;
    if (!knows_oldest(partition) && newest->base_offset <= partition->reg.log_start) {
        take_oldest(partition, newest);
    }
}

/* Opening has read the newest index, which tells all of a partition with one segment. */
static void
learn_at_hand(struct ks_log *log, struct ks_partition *partition)
{
    const struct ks_segment *newest =
        partition->reg.segment_base < 0
            ? NULL
            : ks_segment_at_hand(log, &partition->name, partition->reg.segment_base);

    if (newest != NULL) {
        ks_expiry_learn(partition, &newest->index);
    }
}

/* Of batches in segments above the log start, if they are as large as those below it. */
static int64_t
bytes_in_segments(const struct ks_partition *partition)
{
    const struct ks_expiry *expiry = &partition->expiry;
    int64_t start = partition->reg.log_start;
    int64_t upto = partition->reg.compacted_upto;
    int64_t from = 0;
    int64_t bytes = expiry->newest_bytes;

    if (start >= upto || !knows_newest(partition)) {
        return 0;
    }
    if (knows_oldest(partition) && expiry->oldest_bytes >= 0) {
        from = expiry->oldest_end;
        bytes -= expiry->oldest_bytes;
        return bytes +
               (int64_t) ((double) expiry->oldest_bytes * (double) (from - start) / (double) from);
    }
    return (int64_t) ((double) bytes * (double) (upto - start) / (double) upto);
}

int64_t
ks_log_partition_bytes(struct ks_log *log, struct ks_partition *partition)
{
    if (!knows_newest(partition)) {
        learn_at_hand(log, partition);
    }
    return ks_retention_bytes_above(partition) + bytes_in_segments(partition);
}

/* Of what follows the oldest segment. */
static int64_t
bytes_behind(const struct ks_partition *partition)
{
    const struct ks_expiry *expiry = &partition->expiry;
    int64_t bytes = ks_retention_bytes_above(partition);

    if (knows_newest(partition) && expiry->oldest_bytes >= 0 &&
        expiry->newest_bytes > expiry->oldest_bytes) {
        bytes += expiry->newest_bytes - expiry->oldest_bytes;
    }
    return bytes;
}

/* --- When it is due -------------------------------------------------------------------------- */

static bool
is_too_much(const struct ks_partition *partition, int64_t bytes)
{
    const struct ks_retention *limits = &partition->retention;

    return bytes > limits->bytes && bytes - limits->bytes > ks_retention_slack_bytes(limits);
}

/* False: all there is is too little, whatever the oldest segment has of it. */
static bool
may_be_too_much(const struct ks_partition *partition)
{
    if (partition->retention.bytes < 0) {
        return false;
    }
    return !knows_newest(partition) || partition->reg.imported_end > partition->reg.log_start ||
           is_too_much(partition,
                       ks_retention_bytes_above(partition) + partition->expiry.newest_bytes);
}

/* Whether a walk has to tell. */
static bool
must_look(const struct ks_partition *partition)
{
    const struct ks_retention *limits = &partition->retention;

    if (limits->bytes >= 0 && !knows_newest(partition)) {
        return true;
    }
    return !knows_oldest(partition) && (limits->ms >= 0 || may_be_too_much(partition));
}

int64_t
ks_expiry_due_ms(struct ks_log *log, struct ks_partition *partition)
{
    const struct ks_retention *limits = &partition->retention;
    int64_t retry_ms = partition->expiry.retry_ms;
    int64_t due_ms;

    if (!knows_newest(partition) || !knows_oldest(partition)) {
        learn_at_hand(log, partition);
    }
    if (must_look(partition)) {
        return retry_ms;
    }
    if (!knows_oldest(partition)) {
        return KS_EXPIRES_NEVER;
    }
    if (limits->bytes >= 0 && is_too_much(partition, bytes_behind(partition))) {
        return retry_ms;
    }
    due_ms = ks_expiry_ms(partition->expiry.oldest_ms, limits->ms, ks_retention_slack_ms(limits));
    return due_ms > retry_ms ? due_ms : retry_ms;
}

/* --- The walk -------------------------------------------------------------------------------- */

static void
walk_free(struct ks_expiry_walk *walk)
{
    ks_list_remove(&walk->link);
    if (walk->partition != NULL) {
        walk->partition->expiry.walk = NULL;
    }
    ks_segment_search_deinit(&walk->search);
    ks_free(walk->prefix);
    ks_free(walk);
}

/* A failure is said once, if it isn't another owner's doing, and tried less and less often. */
static void
note_outcome(const struct ks_expiry_walk *walk, enum kafscale_status status)
{
    struct ks_expiry *expiry = &walk->partition->expiry;
    struct ks_env *env = walk->log->env;

    if (status == KAFSCALE_OK || status == KAFSCALE_NOT_FOUND) {
        expiry->failures = 0;
        expiry->retry_ms = 0;
        return;
    }
    if (expiry->failures == 0 && status != KAFSCALE_FENCED && status != KAFSCALE_STOPPED) {
        ks_log(&env->logger, KAFSCALE_LOG_WARN,
               "old segments not deleted yet topic=%s partition=%" PRId32 " error=%s",
               walk->partition->topic_name, walk->owner.name.index, kafscale_status_text(status));
    }
    if (status != KAFSCALE_FENCED && status != KAFSCALE_STOPPED) {
        ks_retention_fail(walk->log, status);
    }
    expiry->retry_ms = ks_env_wall_ms(env) + (RETRY_FIRST_MS << expiry->failures);
    expiry->failures += expiry->failures < RETRY_SHIFT_MAX;
}

static void
finish(struct ks_expiry_walk *walk, enum kafscale_status status)
{
    struct ks_partition *partition = walk->partition;
    struct ks_log *log = walk->log;
    int64_t start = walk->start;

    if (partition != NULL) {
        note_outcome(walk, status);
    }
    walk_free(walk);
    ks_retention_walked(log, partition, start);
    ks_log_end(log);
}

/* False: it has ended. The caller isn't the segment's user any more then. */
static bool
may_go_on(struct ks_expiry_walk *walk, enum kafscale_status status, struct ks_segment *segment)
{
    const struct ks_log *log = walk->log;

    if (status == KAFSCALE_OK &&
        (log->is_freed || log->retention.is_ended || ks_log_status(log) != KAFSCALE_OK ||
         walk->partition == NULL || walk->partition->is_closed)) {
        status = KAFSCALE_STOPPED;
    }
    if (status == KAFSCALE_OK) {
        return true;
    }
    ks_segment_release(segment);
    finish(walk, status);
    return false;
}

static bool
has_passed_a_limit(const struct ks_expiry_walk *walk)
{
    const struct ks_partition *partition = walk->partition;
    const struct ks_retention *limits = &partition->retention;

    return ks_expiry_ms(partition->expiry.oldest_ms, limits->ms, 0) <
               ks_env_wall_ms(walk->log->env) ||
           (limits->bytes >= 0 && bytes_behind(partition) >= limits->bytes);
}

/* True: the one that follows is to be looked at. False: it has ended. */
static bool
take_segment(struct ks_expiry_walk *walk, struct ks_segment *segment)
{
    const struct ks_register *reg = &walk->partition->reg;

    take_oldest(walk->partition, &segment->index);
    ks_segment_release(segment);
    if (has_passed_a_limit(walk)) {
        walk->start = walk->partition->expiry.oldest_end;
        if (walk->start < reg->compacted_upto && walk->steps++ < STEPS_MAX) {
            return true;
        }
    }
    finish(walk, KAFSCALE_OK);
    return false;
}

static void on_next(struct ks_segment_wait *wait, enum kafscale_status status,
                    struct ks_segment *segment, const struct kafscale_error *error);

/* The segment that follows, if it is at hand. */
static struct ks_segment *
get_next(struct ks_expiry_walk *walk)
{
    struct ks_segment *segment;

    walk->wait.done = on_next;
    if (ks_segment_get(walk->log, &walk->owner, walk->start, &walk->wait, &segment) !=
        KAFSCALE_OK) {
        finish(walk, KAFSCALE_NO_MEMORY);
    }
    return segment;
}

static void
go_on(struct ks_expiry_walk *walk, struct ks_segment *segment)
{
    while (segment != NULL && take_segment(walk, segment)) {
        segment = get_next(walk);
    }
}

static void
on_next(struct ks_segment_wait *wait, enum kafscale_status status, struct ks_segment *segment,
        const struct kafscale_error *error)
{
    struct ks_expiry_walk *walk = KS_CONTAINER(wait, struct ks_expiry_walk, wait);

    (void) error;
    if (may_go_on(walk, status, segment)) {
        go_on(walk, segment);
    }
}

/* --- Its beginning --------------------------------------------------------------------------- */

static struct ks_segment *
search(struct ks_expiry_walk *walk, int64_t offset, int64_t guess, ks_segment_search_done *done)
{
    struct ks_segment_question question = { .owner = walk->owner,
                                            .offset = offset,
                                            .newest = walk->partition->reg.segment_base,
                                            .guess = guess };
    struct ks_segment *segment = NULL;

    if (ks_segment_search_start(&walk->search, walk->log, &question, done, &segment) !=
        KAFSCALE_OK) {
        finish(walk, KAFSCALE_NO_MEMORY);
    }
    return segment;
}

static void
on_oldest(struct ks_segment_search *inner, enum kafscale_status status, struct ks_segment *segment,
          const struct kafscale_error *error)
{
    struct ks_expiry_walk *walk = KS_CONTAINER(inner, struct ks_expiry_walk, search);

    (void) error;
    if (may_go_on(walk, status, segment)) {
        go_on(walk, segment);
    }
}

static void
search_oldest(struct ks_expiry_walk *walk)
{
    const struct ks_partition *partition = walk->partition;
    int64_t guess = knows_oldest(partition) ? partition->expiry.oldest_base : -1;

    walk->start = partition->reg.log_start;
    go_on(walk, search(walk, walk->start, guess, on_oldest));
}

static void
take_newest(struct ks_expiry_walk *walk, struct ks_segment *segment)
{
    ks_expiry_learn(walk->partition, &segment->index);
    ks_segment_release(segment);
    ks_segment_search_deinit(&walk->search);
    if (ks_expiry_is_cold(walk->partition)) {
        search_oldest(walk);
    } else {
        finish(walk, KAFSCALE_OK);
    }
}

static void
on_newest(struct ks_segment_search *inner, enum kafscale_status status, struct ks_segment *segment,
          const struct kafscale_error *error)
{
    struct ks_expiry_walk *walk = KS_CONTAINER(inner, struct ks_expiry_walk, search);

    (void) error;
    if (may_go_on(walk, status, segment)) {
        take_newest(walk, segment);
    }
}

static void
begin(struct ks_expiry_walk *walk)
{
    const struct ks_register *reg = &walk->partition->reg;
    struct ks_segment *segment;

    if (knows_newest(walk->partition)) {
        search_oldest(walk);
        return;
    }
    segment = search(walk, reg->compacted_upto - 1, reg->segment_base, on_newest);
    if (segment != NULL) {
        take_newest(walk, segment);
    }
}

bool
ks_expiry_walk(struct ks_log *log, struct ks_partition *partition)
{
    struct ks_expiry_walk *walk = ks_alloc_zero(1, sizeof *walk);

    assert(partition->expiry.walk == NULL);
    assert(ks_expiry_is_cold(partition));
    if (walk == NULL) {
        return false;
    }
    walk->prefix = ks_copy_text(partition->prefix);
    if (walk->prefix == NULL) {
        ks_free(walk);
        return false;
    }
    walk->log = log;
    walk->partition = partition;
    walk->owner = (struct ks_segment_owner){ .name = partition->name,
                                             .prefix = walk->prefix,
                                             .imported_end = partition->reg.imported_end };
    walk->start = partition->reg.log_start;
    partition->expiry.walk = walk;
    ks_list_append(&log->retention.walks, &walk->link);
    ks_log_begin(log);
    begin(walk);
    return true;
}

/* --- The life of the log --------------------------------------------------------------------- */

void
ks_expiry_forget(struct ks_partition *partition)
{
    if (partition->expiry.walk != NULL) {
        partition->expiry.walk->partition = NULL;
        partition->expiry.walk = NULL;
    }
}

void
ks_expiry_drop(struct ks_log *log)
{
    while (!ks_list_is_empty(&log->retention.walks)) {
        walk_free(KS_CONTAINER(log->retention.walks.next, struct ks_expiry_walk, link));
    }
}
