/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From which batch on to look for a timestamp. An index knows the greatest timestamp of all
 * segments up to its own, which only grows from segment to segment, and those of its ancestors: so
 * the first segment that reaches a time is found by going back along the ancestors, one index for
 * each octal digit of the number of segments, and no body is read. Among ancestors whose times
 * aren't known, which earlier versions wrote, it is found by halving. Then segments are gone
 * through from there on, since a greatest timestamp may come from records that were deleted.
 */
#include "log/core.h"
#include "log/read/segment_find.h"

#include <stdlib.h>

#define CANDIDATES_MAX (KS_INDEX_LEVELS * KS_INDEX_ANCESTORS)

struct candidate {
    int64_t base;
    int64_t max_timestamp_ms; /* up to this segment; INT64_MAX: not known */
};

struct time_search {
    struct ks_list link;
    struct ks_log *log;
    struct ks_log_time *asked;
    struct ks_task task; /* to begin */
    struct ks_partition_name name;
    char *prefix;
    struct ks_segment_owner owner;
    int64_t timestamp_ms;
    int64_t log_start;
    int64_t compacted_upto;
    int64_t newest;              /* base of the newest segment */
    int64_t short_of;            /* greatest base known of a segment that doesn't reach it, or -1 */
    struct ks_segment *reaching; /* the oldest known that does */
    struct candidate candidates[CANDIDATES_MAX]; /* between these two, ascending */
    size_t low; /* of those left; the last may be known to reach it, none is known not to */
    size_t high;
    size_t middle;
    struct ks_segment_wait wait;
    struct ks_segment_search search;
};

static void probe(struct time_search *search);
static void walk(struct time_search *search, int64_t base);

/* --- The end --------------------------------------------------------------------------------- */

static void
search_free(struct time_search *search)
{
    ks_env_cancel_task(&search->task);
    ks_list_remove(&search->link);
    ks_segment_release(search->reaching);
    ks_segment_search_deinit(&search->search);
    ks_free(search->prefix);
    ks_free(search);
}

static void
finish(struct time_search *search, enum kafscale_status status, int64_t offset)
{
    struct ks_log *log = search->log;
    struct ks_log_time *asked = search->asked;

    search_free(search);
    if (!log->is_freed) {
        asked->offset = offset;
        asked->done(asked, status);
    }
    ks_log_end(log);
}

/* No segment has it: what lies above them is in memory. */
static void
finish_above(struct time_search *search)
{
    const struct ks_partition *partition = ks_log_find(search->log, &search->name);

    if (partition == NULL) {
        finish(search, KAFSCALE_FENCED, -1);
        return;
    }
    finish(search, KAFSCALE_OK, ks_partition_batch_by_time(partition, search->asked->timestamp_ms));
}

/* False: it has ended, and `segment`, if any, was released. */
static bool
may_go_on(struct time_search *search, enum kafscale_status status, struct ks_segment *segment)
{
    if (status == KAFSCALE_OK && (search->log->is_freed || search->log->is_stopped)) {
        status = KAFSCALE_STOPPED;
    }
    if (status == KAFSCALE_OK) {
        return true;
    }
    ks_segment_release(segment);
    finish(search, status == KAFSCALE_NOT_FOUND ? KAFSCALE_UNAVAILABLE : status, -1);
    return false;
}

/* --- From segment to segment ----------------------------------------------------------------- */

/* Where to begin to read in a segment; -1: nothing in it reaches the time from log_start on. */
static int64_t
place_in(const struct time_search *search, const struct ks_index *index)
{
    for (size_t i = 0; i < index->entry_count; i++) {
        const struct ks_index_entry *entry = &index->entries[i];
        int64_t end =
            i + 1 < index->entry_count ? index->entries[i + 1].offset : index->last_offset + 1;

        if (end > search->log_start && entry->max_timestamp_ms >= search->timestamp_ms) {
            return entry->offset < search->log_start ? search->log_start : entry->offset;
        }
    }
    return -1;
}

/* True: it goes on with the segment of base `next_out`. False: it has ended. */
static bool
take_walked(struct time_search *search, struct ks_segment *segment, int64_t *next_out)
{
    int64_t offset = place_in(search, &segment->index);
    int64_t next = segment->index.last_offset + 1;

    ks_segment_release(segment);
    if (offset >= 0) {
        search->asked->timestamp_ms = search->timestamp_ms;
        finish(search, KAFSCALE_OK, offset);
        return false;
    }
    if (next >= search->compacted_upto) {
        finish_above(search);
        return false;
    }
    *next_out = next;
    return true;
}

static void
on_walked(struct ks_segment_wait *wait, enum kafscale_status status, struct ks_segment *segment,
          const struct kafscale_error *error)
{
    struct time_search *search = KS_CONTAINER(wait, struct time_search, wait);
    int64_t next;

    (void) error;
    if (may_go_on(search, status, segment) && take_walked(search, segment, &next)) {
        walk(search, next);
    }
}

/* Any number of segments may be at hand. */
static void
walk(struct time_search *search, int64_t base)
{
    struct ks_segment *segment;

    search->wait.done = on_walked;
    do {
        if (ks_segment_get(search->log, &search->owner, base, &search->wait, &segment) !=
            KAFSCALE_OK) {
            finish(search, KAFSCALE_NO_MEMORY, -1);
            return;
        }
    } while (segment != NULL && take_walked(search, segment, &base));
}

static void
on_first(struct ks_segment_search *inner, enum kafscale_status status, struct ks_segment *segment,
         const struct kafscale_error *error)
{
    struct time_search *search = KS_CONTAINER(inner, struct time_search, search);
    int64_t next;

    (void) error;
    if (may_go_on(search, status, segment) && take_walked(search, segment, &next)) {
        walk(search, next);
    }
}

/* From the segment with this offset on. */
static void
walk_from(struct time_search *search, int64_t offset)
{
    struct ks_segment_question question = {
        .owner = search->owner, .offset = offset, .newest = search->newest, .guess = -1
    };
    struct ks_segment *segment;
    int64_t next;

    if (ks_segment_search_start(&search->search, search->log, &question, on_first, &segment) !=
        KAFSCALE_OK) {
        finish(search, KAFSCALE_NO_MEMORY, -1);
    } else if (segment != NULL && take_walked(search, segment, &next)) {
        walk(search, next);
    }
}

/* --- Back along the ancestors ---------------------------------------------------------------- */

static int
compare_bases(const void *a, const void *b)
{
    const struct candidate *left = a;
    const struct candidate *right = b;

    return left->base < right->base ? -1 : left->base > right->base;
}

/* Leaves those from behind the last that falls short to the first that is known to reach. */
static void
narrow(struct time_search *search)
{
    size_t end = search->high;

    for (size_t i = search->high; i-- > 0;) {
        const struct candidate *candidate = &search->candidates[i];

        if (candidate->max_timestamp_ms < search->timestamp_ms) {
            search->short_of = candidate->base;
            search->low = i + 1;
            break;
        }
        if (candidate->max_timestamp_ms != INT64_MAX) {
            end = i + 1;
        }
    }
    search->high = end;
}

/* The ancestors of `reaching` that aren't known to fall short, nor begin below log_start. */
static void
list_candidates(struct time_search *search)
{
    const struct ks_index *index = &search->reaching->index;

    search->low = 0;
    search->high = 0;
    for (size_t level = 0; level < KS_INDEX_LEVELS; level++) {
        for (uint8_t i = 0; i < index->ancestors[level].count; i++) {
            int64_t base = index->ancestors[level].bases[i];

            if (base > search->log_start && base > search->short_of &&
                base >= search->owner.imported_end) {
                search->candidates[search->high++] = (struct candidate){
                    .base = base,
                    .max_timestamp_ms = index->ancestors[level].max_timestamps_ms[i],
                };
            }
        }
    }
    qsort(search->candidates, search->high, sizeof search->candidates[0], compare_bases);
    narrow(search);
}

/* `reaching` is the first that does, unless what is right before it was not looked at. */
static void
begin_walk(struct time_search *search)
{
    const struct ks_ancestors *nearest = &search->reaching->index.ancestors[0];
    int64_t base = search->reaching->index.base_offset;

    if (base <= search->log_start ||
        (nearest->count > 0 && nearest->bases[0] == search->short_of)) {
        walk(search, base);
    } else {
        walk_from(search,
                  search->short_of > search->log_start ? search->short_of : search->log_start);
    }
}

static bool
reaches(const struct time_search *search, const struct ks_segment *segment)
{
    return !segment->index.has_partition ||
           segment->index.totals.max_timestamp_ms >= search->timestamp_ms;
}

static void
take_probed(struct time_search *search, struct ks_segment *segment)
{
    if (reaches(search, segment)) {
        ks_segment_release(search->reaching);
        search->reaching = segment;
        search->high = search->middle;
    } else {
        search->short_of = segment->index.base_offset;
        search->low = search->middle + 1;
        ks_segment_release(segment);
    }
    if (search->low == search->high) {
        list_candidates(search);
    }
    probe(search);
}

static void
on_probed(struct ks_segment_wait *wait, enum kafscale_status status, struct ks_segment *segment,
          const struct kafscale_error *error)
{
    struct time_search *search = KS_CONTAINER(wait, struct time_search, wait);

    (void) error;
    if (may_go_on(search, status, segment)) {
        take_probed(search, segment);
    }
}

static void
probe(struct time_search *search)
{
    struct ks_segment *segment;

    if (search->low == search->high) {
        begin_walk(search);
        return;
    }
    search->middle = search->low + (search->high - 1 - search->low) / 2;
    search->wait.done = on_probed;
    if (ks_segment_get(search->log, &search->owner, search->candidates[search->middle].base,
                       &search->wait, &segment) != KAFSCALE_OK) {
        finish(search, KAFSCALE_NO_MEMORY, -1);
    } else if (segment != NULL) {
        take_probed(search, segment);
    }
}

/* --- The newest ------------------------------------------------------------------------------ */

/* Of all times the latest: that of the segments, unless what lies above them is later still. */
static bool
choose_latest(struct time_search *search, const struct ks_segment *newest)
{
    const struct ks_partition *partition = ks_log_find(search->log, &search->name);

    search->timestamp_ms = newest->index.has_partition ? newest->index.totals.max_timestamp_ms
                                                       : newest->index.max_timestamp_ms;
    return partition != NULL && ks_partition_latest_ms(partition) > search->timestamp_ms;
}

static void
take_newest(struct time_search *search, struct ks_segment *segment)
{
    bool is_above = search->timestamp_ms == INT64_MAX && choose_latest(search, segment);

    search->reaching = segment;
    if (is_above || !reaches(search, segment)) {
        finish_above(search);
        return;
    }
    list_candidates(search);
    probe(search);
}

static void
on_newest(struct ks_segment_search *inner, enum kafscale_status status, struct ks_segment *segment,
          const struct kafscale_error *error)
{
    struct time_search *search = KS_CONTAINER(inner, struct time_search, search);

    (void) error;
    if (may_go_on(search, status, segment)) {
        ks_segment_search_deinit(&search->search);
        take_newest(search, segment);
    }
}

static void
begin(void *arg)
{
    struct time_search *search = arg;
    struct ks_segment_question question = { .owner = search->owner,
                                            .offset = search->compacted_upto - 1,
                                            .newest = search->newest,
                                            .guess = search->newest };
    struct ks_segment *segment;

    if (search->log->is_freed || search->log->is_stopped) {
        finish(search, KAFSCALE_STOPPED, -1);
    } else if (ks_segment_search_start(&search->search, search->log, &question, on_newest,
                                       &segment) != KAFSCALE_OK) {
        finish(search, KAFSCALE_NO_MEMORY, -1);
    } else if (segment != NULL) {
        ks_segment_search_deinit(&search->search);
        take_newest(search, segment);
    }
}

static bool
start(struct ks_log *log, struct ks_log_time *asked)
{
    const struct ks_partition *partition = asked->partition;
    struct time_search *search = ks_alloc_zero(1, sizeof *search);

    if (search == NULL) {
        return false;
    }
    search->prefix = ks_copy_text(partition->prefix);
    if (search->prefix == NULL) {
        ks_free(search);
        return false;
    }
    search->log = log;
    search->asked = asked;
    search->name = partition->name;
    search->owner = (struct ks_segment_owner){ .name = partition->name,
                                               .prefix = search->prefix,
                                               .imported_end = partition->reg.imported_end };
    search->timestamp_ms = asked->timestamp_ms;
    search->log_start = partition->reg.log_start;
    search->compacted_upto = partition->reg.compacted_upto;
    search->newest = partition->reg.segment_base;
    search->short_of = -1;
    ks_list_append(&log->time_searches, &search->link);
    ks_log_begin(log);
    search->task = (struct ks_task){ .run = begin, .arg = search };
    ks_env_defer(log->env, &search->task);
    return true;
}

bool
ks_log_find_by_time(struct ks_log *log, struct ks_log_time *asked, enum kafscale_status *status_out)
{
    const struct ks_partition *partition = asked->partition;

    asked->offset = -1;
    *status_out = KAFSCALE_OK;
    if (partition->reg.compacted_upto <= partition->reg.log_start ||
        ks_partition_placed_from(partition) <= partition->reg.log_start) {
        asked->offset = ks_partition_batch_by_time(partition, asked->timestamp_ms);
        return true;
    }
    if (log->is_stopped || !start(log, asked)) {
        *status_out = log->is_stopped ? KAFSCALE_STOPPED : KAFSCALE_NO_MEMORY;
        return true;
    }
    return false;
}

/* Tasks that have not run yet go with the log; their owners may be gone. */
void
ks_time_searches_silence(struct ks_log *log)
{
    struct ks_list *node = log->time_searches.next;

    while (node != &log->time_searches) {
        struct time_search *search = KS_CONTAINER(node, struct time_search, link);

        node = node->next;
        if (ks_list_is_linked(&search->task.link)) {
            ks_env_cancel_task(&search->task);
            finish(search, KAFSCALE_STOPPED, -1);
            node = log->time_searches.next;
        }
    }
}

void
ks_time_searches_drop(struct ks_log *log)
{
    while (!ks_list_is_empty(&log->time_searches)) {
        search_free(KS_CONTAINER(log->time_searches.next, struct time_search, link));
    }
}
