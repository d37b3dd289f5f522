/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A search is a walk that each answer takes one step further. Steps are counted, so that indexes
 * that lie can't keep it walking.
 */
#include "log/read/segment_find.h"

#include "log/core.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

#define STEPS_MAX 1000
#define RESTARTS_MAX 3
#define LIST_KEYS_MAX 1000
#define LIST_STRIDE 1000

static struct ks_segment *walk(struct ks_segment_search *search, int64_t base);
static void start_over(struct ks_segment_search *search, enum kafscale_status status,
                       const struct kafscale_error *cause);

/* --- The end --------------------------------------------------------------------------------- */

static void
finish(struct ks_segment_search *search, enum kafscale_status status, struct ks_segment *segment)
{
    struct ks_log *log = search->log;

    ks_list_remove(&search->link);
    search->done(search, status, segment, &search->error);
    ks_log_end(log);
}

static void
fail(struct ks_segment_search *search, enum kafscale_status status,
     const struct kafscale_error *cause)
{
    if (cause != NULL && cause != &search->error) {
        search->error = *cause;
    }
    if (search->error.status == KAFSCALE_OK) {
        (void) ks_error_set(&search->error, status, "%s", kafscale_status_text(status));
    }
    finish(search, status, NULL);
}

static bool
is_over(const struct ks_segment_search *search)
{
    return search->log->is_freed || search->log->is_stopped;
}

/* --- Asking the store ------------------------------------------------------------------------ */

static void list_from(struct ks_segment_search *search, int64_t base);

/* Takes what a page shows; the base after which it ends, INT64_MAX when nothing follows. */
static int64_t
take_page(struct ks_segment_search *search, const struct kafscale_list_entry *entries, size_t count,
          bool is_truncated)
{
    int64_t last = INT64_MAX;

    for (size_t i = 0; i < count; i++) {
        int64_t base;

        if (!ks_segment_parse_key(entries[i].key, KS_SEGMENT_BODY, &base)) {
            continue;
        }
        if (base <= search->offset && base > search->found) {
            search->found = base;
        }
        last = base;
    }
    return is_truncated ? last : INT64_MAX;
}

static void
on_listed(void *arg, enum kafscale_status status, const struct kafscale_list_entry *entries,
          size_t entry_count, bool is_truncated, const struct kafscale_error *error)
{
    struct ks_segment_search *search = arg;
    struct ks_segment *segment;
    int64_t last;

    if (is_over(search) || status != KAFSCALE_OK) {
        fail(search, is_over(search) ? KAFSCALE_STOPPED : status, error);
        return;
    }
    last = take_page(search, entries, entry_count, is_truncated);
    if (last <= search->offset && is_truncated) {
        (void) snprintf(search->list_after, sizeof search->list_after, "%s",
                        entries[entry_count - 1].key);
        search->list.start_after = search->list_after;
        ks_store_list(search->log->store, &search->list, on_listed, search);
    } else if (search->found >= 0) {
        segment = walk(search, search->found);
        if (segment != NULL) {
            finish(search, KAFSCALE_OK, segment);
        }
    } else if (search->list_from > 0) {
        int64_t stride = (search->offset - search->list_from + 1) * 4;

        list_from(search, stride > search->offset ? 0 : search->offset - stride + 1);
    } else {
        (void) ks_error_set(&search->error, KAFSCALE_CORRUPT,
                            "no segment at or below offset %" PRId64 " under '%s'", search->offset,
                            search->list_prefix);
        start_over(search, KAFSCALE_CORRUPT, NULL);
    }
}

/* Lists the segments whose base is `base` or above. */
static void
list_from(struct ks_segment_search *search, int64_t base)
{
    struct ks_segment_home home = { .ns = search->log->ns,
                                    .prefix = search->prefix,
                                    .partition = search->owner.name.index };

    ks_segment_list_prefix(&home, search->list_prefix);
    (void) snprintf(search->list_after, sizeof search->list_after, "%.600s%020" PRId64,
                    search->list_prefix, base);
    search->list_from = base;
    search->found = -1;
    search->list = (struct kafscale_list){ .prefix = search->list_prefix,
                                           .start_after = search->list_after,
                                           .count_max = LIST_KEYS_MAX };
    search->log->counters.segment_lists++;
    ks_store_list(search->log->store, &search->list, on_listed, search);
}

static void
begin_listing(struct ks_segment_search *search)
{
    list_from(search, search->offset < LIST_STRIDE ? 0 : search->offset - LIST_STRIDE + 1);
}

/* --- Walking along the ancestors ------------------------------------------------------------- */

/* Whether the segment holds the offset. */
static bool
fits(const struct ks_segment_search *search, const struct ks_segment *segment)
{
    return segment->index.base_offset <= search->offset &&
           segment->index.last_offset >= search->offset;
}

/* One step from an index that was read: the next base, -1 when the store must be asked. */
static int64_t
next_base(const struct ks_segment_search *search, const struct ks_segment *segment)
{
    int64_t next = ks_index_ancestor(&segment->index, search->offset);

    return next >= search->owner.imported_end || next < 0 ? next : -1;
}

/*
 * Takes a step from `segment`. Returns it when it is the one; else NULL, and the walk goes on or
 * has ended. Either way the caller isn't its user any more, but of what is returned.
 */
static struct ks_segment *
step(struct ks_segment_search *search, struct ks_segment *segment)
{
    struct kafscale_error error = { 0 };
    int64_t next;

    if (fits(search, segment)) {
        return segment;
    }
    if (segment->index.base_offset <= search->offset) {
        (void) ks_error_set(
            &error, KAFSCALE_CORRUPT, "object '%s' ends at offset %" PRId64 ", below %" PRId64,
            ks_segment_body_key(segment), segment->index.last_offset, search->offset);
        ks_object_reads_distrust(search->log);
        ks_segment_distrust(segment);
        ks_segment_release(segment);
        start_over(search, KAFSCALE_CORRUPT, &error);
        return NULL;
    }
    next = next_base(search, segment);
    ks_segment_release(segment);
    if (next < 0 || search->steps++ >= STEPS_MAX) {
        begin_listing(search);
        return NULL;
    }
    return walk(search, next);
}

static void
on_segment(struct ks_segment_wait *wait, enum kafscale_status status, struct ks_segment *segment,
           const struct kafscale_error *error)
{
    struct ks_segment_search *search = KS_CONTAINER(wait, struct ks_segment_search, wait);

    if (is_over(search)) {
        ks_segment_release(segment);
        fail(search, KAFSCALE_STOPPED, NULL);
    } else if (status == KAFSCALE_OK) {
        segment = step(search, segment);
        if (segment != NULL) {
            finish(search, KAFSCALE_OK, segment);
        }
    } else if (status == KAFSCALE_NOT_FOUND || status == KAFSCALE_CORRUPT) {
        start_over(search, status, error);
    } else {
        fail(search, status, error);
    }
}

/* Goes to the segment of this base, and on from there as long as segments are at hand. */
static struct ks_segment *
walk(struct ks_segment_search *search, int64_t base)
{
    struct ks_segment *segment;

    search->wait.done = on_segment;
    if (ks_segment_get(search->log, &search->owner, base, &search->wait, &segment) != KAFSCALE_OK) {
        start_over(search, KAFSCALE_NO_MEMORY, NULL);
        return NULL;
    }
    return segment == NULL ? NULL : step(search, segment);
}

static struct ks_segment *
begin(struct ks_segment_search *search)
{
    int64_t newest = search->newest;

    if (search->guess >= 0) {
        return walk(search, search->guess);
    }
    if (search->offset < search->owner.imported_end || newest < 0 || search->restarts > 1) {
        begin_listing(search);
        return NULL;
    }
    return walk(search, newest);
}

/* --- Back to the register -------------------------------------------------------------------- */

static void
take_register(struct ks_segment_search *search, const struct ks_register *reg)
{
    struct ks_partition *partition = ks_log_find(search->log, &search->owner.name);
    struct ks_segment *segment;

    if (!ks_id_equals(&reg->owner, &search->log->options.incarnation)) {
        fail(search, KAFSCALE_FENCED, NULL);
        return;
    }
    if (partition != NULL && reg->log_start > partition->reg.log_start) {
        partition->reg.log_start = reg->log_start;
    }
    if (search->offset < reg->log_start) {
        search->error = (struct kafscale_error){ 0 };
        fail(search, KAFSCALE_NOT_FOUND, NULL);
        return;
    }
    search->newest = reg->segment_base;
    search->error = (struct kafscale_error){ 0 };
    segment = begin(search);
    if (segment != NULL) {
        finish(search, KAFSCALE_OK, segment);
    }
}

static void
on_register(void *arg, enum kafscale_status status, const struct kafscale_meta_entry *entries,
            size_t entry_count, uint64_t revision, const struct kafscale_error *error)
{
    struct ks_segment_search *search = arg;
    struct ks_register reg = { 0 };

    (void) revision;
    if (is_over(search)) {
        fail(search, KAFSCALE_STOPPED, NULL);
        return;
    }
    if (status == KAFSCALE_OK && entry_count == 1) {
        struct kafscale_error damage = { 0 };

        status = ks_register_decode(entries[0].value, &reg, &damage);
    } else if (status == KAFSCALE_OK) {
        status = KAFSCALE_FENCED;
    }
    if (status == KAFSCALE_OK) {
        take_register(search, &reg);
    } else {
        fail(search, status, error);
    }
    ks_register_deinit(&reg);
}

static void
read_register(struct ks_segment_search *search)
{
    ks_register_key(&search->owner.name, search->key);
    search->read = (struct kafscale_meta_read){ .key = search->key, .is_fresh = true };
    ks_meta_read(search->log->meta, &search->read, on_register, search);
}

static void
go_on(void *arg)
{
    struct ks_segment_search *search = arg;

    if (search->restarts <= RESTARTS_MAX) {
        read_register(search);
        return;
    }
    ks_log_some(search->log->env, &search->log->unread, KS_LOG_QUOTA_COUNT, KAFSCALE_LOG_ERROR,
                "offset can't be read offset=%" PRId64 " error=%s", search->offset,
                search->error.text);
    fail(search, search->status == KAFSCALE_NOT_FOUND ? KAFSCALE_CORRUPT : search->status, NULL);
}

/* What was missing is said only when it is missing again and again. */
static void
start_over(struct ks_segment_search *search, enum kafscale_status status,
           const struct kafscale_error *cause)
{
    struct ks_env *env = search->log->env;
    int64_t wait_ms = 0;

    if (cause != NULL) {
        search->error = *cause;
    }
    search->status = status;
    search->restarts += search->guess < 0;
    if (search->restarts > 1) {
        wait_ms = ks_log_backoff_ms(search->log, search->restarts);
    }
    if (ks_is_planted(KS_PLANTED_READ_REGISTER_AGAIN)) {
        search->restarts = RESTARTS_MAX + 1;
    }
    search->guess = -1;
    search->retry = (struct ks_timer){ .on_due = go_on, .arg = search };
    ks_env_set_timer(env, &search->retry, ks_env_now_ms(env) + wait_ms);
}

/* --- For others ------------------------------------------------------------------------------ */

enum kafscale_status
ks_segment_search_start(struct ks_segment_search *search, struct ks_log *log,
                        const struct ks_segment_question *question, ks_segment_search_done *done,
                        struct ks_segment **segment_out)
{
    memset(search, 0, sizeof *search);
    search->log = log;
    search->prefix = ks_copy_text(question->owner.prefix);
    if (search->prefix == NULL) {
        return KAFSCALE_NO_MEMORY;
    }
    search->owner = question->owner;
    search->owner.prefix = search->prefix;
    search->offset = question->offset;
    search->newest = question->newest;
    search->guess = question->guess;
    search->done = done;
    ks_log_begin(log);
    ks_list_append(&log->searches, &search->link);
    *segment_out = begin(search);
    if (*segment_out != NULL) {
        ks_list_remove(&search->link);
        ks_log_end(log);
    }
    return KAFSCALE_OK;
}

void
ks_segment_search_deinit(struct ks_segment_search *search)
{
    ks_free(search->prefix);
    search->prefix = NULL;
}

void
ks_segment_searches_silence(struct ks_log *log)
{
    struct ks_list *node = log->searches.next;

    while (node != &log->searches) {
        struct ks_segment_search *search = KS_CONTAINER(node, struct ks_segment_search, link);

        node = node->next;
        if (ks_env_timer_is_set(&search->retry)) {
            ks_env_cancel_timer(log->env, &search->retry);
            fail(search, KAFSCALE_STOPPED, NULL);
            /* Whoever was answered may have ended others. */
            node = log->searches.next;
        }
    }
}

void
ks_segment_searches_drop(struct ks_log *log)
{
    struct ks_list *node;

    while ((node = ks_list_take_first(&log->searches)) != NULL) {
        ks_env_cancel_timer(log->env, &KS_CONTAINER(node, struct ks_segment_search, link)->retry);
    }
}
