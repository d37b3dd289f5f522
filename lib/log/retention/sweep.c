/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A page of keys is copied and gone through. The objects of a segment stand beside each other in
 * it: they are gathered, and judged when the next segment is known.
 */
#include "log/retention/sweep.h"

#include "log/format/index_format.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

#define PAGE_KEYS 256
#define STEM_BYTES KS_SEGMENT_KEY_BYTES

/* The objects of one segment that were listed. */
struct group {
    char stem[STEM_BYTES]; /* their keys without suffix; empty: none */
    size_t home_bytes;     /* of it: up to the last slash */
    int64_t base_offset;
    bool has_index;
    bool has_body;
};

struct sweep {
    struct ks_list link;
    struct ks_log *log;
    struct ks_sweep_order order;
    ks_sweep_done *done;
    void *arg;
    bool is_begun;

    struct ks_buffer keys; /* of a page, each with its final zero */
    size_t key_next;
    bool is_last_page;
    char last_key[KAFSCALE_STORE_KEY_BYTES_MAX + 1];
    struct group group;
    size_t strangers;                                /* objects that stay though they lie here */
    char stranger[KAFSCALE_STORE_KEY_BYTES_MAX + 1]; /* the last of them */

    char key[KAFSCALE_STORE_KEY_BYTES_MAX + 1];
    struct kafscale_list list;
    struct kafscale_get get;
    struct kafscale_remove remove;
    void (*step)(struct sweep *sweep); /* what is under way, or waits to be tried again */
    uint32_t attempts;
    struct ks_timer retry;
};

static void go_on(struct sweep *sweep);
static void begin_next(struct ks_log *log);

static void
sweep_free(struct sweep *sweep)
{
    ks_env_cancel_timer(sweep->log->env, &sweep->retry);
    ks_list_remove(&sweep->link);
    ks_buffer_deinit(&sweep->keys);
    ks_free(sweep);
}

static bool
is_over(const struct ks_log *log)
{
    return log->is_freed || ks_log_status(log) != KAFSCALE_OK;
}

static void
finish(struct sweep *sweep, enum kafscale_status status)
{
    struct ks_log *log = sweep->log;
    ks_sweep_done *done = sweep->done;
    void *arg = sweep->arg;
    bool is_begun = sweep->is_begun;

    if (sweep->strangers > 0 && !log->is_freed) {
        ks_log(&log->env->logger, KAFSCALE_LOG_ERROR,
               "objects of others are left alone prefix=%s count=%zu last=%s", sweep->order.prefix,
               sweep->strangers, sweep->stranger);
    }
    if (status == KAFSCALE_OK) {
        ks_log_note_success(log, KS_LOG_CHORE_SWEEP);
    } else {
        ks_log_note_rest(log, KS_LOG_CHORE_SWEEP);
    }
    sweep_free(sweep);
    if (done != NULL) {
        done(arg, status);
    }
    begin_next(log);
    if (is_begun) {
        ks_log_end(log);
    }
}

/* --- Requests --- */

static void
run_step(void *arg)
{
    struct sweep *sweep = arg;

    if (is_over(sweep->log)) {
        finish(sweep, KAFSCALE_STOPPED);
    } else {
        sweep->step(sweep);
    }
}

static void
begin_step(struct sweep *sweep, void (*step)(struct sweep *))
{
    sweep->step = step;
    sweep->attempts = 0;
    run_step(sweep);
}

static void
step_again(struct sweep *sweep)
{
    struct ks_env *env = sweep->log->env;

    if (is_over(sweep->log)) {
        finish(sweep, KAFSCALE_STOPPED);
        return;
    }
    ks_log_note_failure(sweep->log, KS_LOG_CHORE_SWEEP, NULL);
    sweep->retry = (struct ks_timer){ .on_due = run_step, .arg = sweep };
    ks_env_set_timer(env, &sweep->retry,
                     ks_env_now_ms(env) + ks_log_backoff_ms(sweep->log, sweep->attempts++));
}

/* --- Deleting --- */

static void remove_body(struct sweep *sweep);
static void remove_index(struct sweep *sweep);

static void
set_key(struct sweep *sweep, const char *suffix)
{
    snprintf(sweep->key, sizeof sweep->key, "%s%s", sweep->group.stem, suffix);
}

static void
on_removed(void *arg, enum kafscale_status status, const struct kafscale_error *error)
{
    struct sweep *sweep = arg;

    (void) error;
    if (status != KAFSCALE_OK) {
        step_again(sweep);
        return;
    }
    sweep->log->counters.objects_deleted++;
    if (sweep->step == remove_body && sweep->group.has_index) {
        begin_step(sweep, remove_index);
        return;
    }
    sweep->group.stem[0] = '\0';
    go_on(sweep);
}

static void
remove_key(struct sweep *sweep)
{
    sweep->remove = (struct kafscale_remove){ .key = sweep->key };
    ks_store_remove(sweep->log->store, &sweep->remove, on_removed, sweep);
}

/* The index goes last: a body without one is damage to other readers. */
static void
remove_body(struct sweep *sweep)
{
    set_key(sweep, ".kfs");
    remove_key(sweep);
}

static void
remove_index(struct sweep *sweep)
{
    set_key(sweep, ".index");
    remove_key(sweep);
}

/* --- Whose it is --- */

enum owner { OWNER_TOPIC, OWNER_STRANGER, OWNER_UNCLEAR };

static enum owner
owner_of_tag(const struct sweep *sweep, uint32_t tag)
{
    bool is_imported =
        tag == KS_SEGMENT_TAG_NONE && sweep->group.base_offset < sweep->order.imported_end;

    return is_imported || tag == ks_segment_topic_tag(&sweep->order.topic) ? OWNER_TOPIC
                                                                           : OWNER_STRANGER;
}

static enum owner
owner_of_body(const struct sweep *sweep, struct kafscale_slice bytes)
{
    struct ks_segment_header header;
    struct kafscale_error error = { 0 };

    if (ks_segment_read_header(bytes, &header, &error) != KAFSCALE_OK) {
        return OWNER_UNCLEAR;
    }
    return owner_of_tag(sweep, header.topic_tag);
}

static enum owner
owner_of_index(const struct sweep *sweep, struct kafscale_slice bytes)
{
    struct kafscale_error error = { 0 };
    enum owner owner = OWNER_STRANGER;
    struct ks_index index;

    if (ks_index_decode(bytes, &index, &error) != KAFSCALE_OK) {
        return OWNER_UNCLEAR;
    }
    if (!index.is_ours) {
        owner = owner_of_tag(sweep, KS_SEGMENT_TAG_NONE);
    } else if (ks_id_equals(&index.name.topic, &sweep->order.topic)) {
        owner = OWNER_TOPIC;
    }
    ks_index_deinit(&index);
    return owner;
}

static void
note_stranger(struct sweep *sweep, const char *key)
{
    sweep->strangers++;
    snprintf(sweep->stranger, sizeof sweep->stranger, "%s", key);
}

static void
leave(struct sweep *sweep)
{
    note_stranger(sweep, sweep->key);
    sweep->group.stem[0] = '\0';
    go_on(sweep);
}

static void
take_owner(struct sweep *sweep, enum owner owner)
{
    if (owner == OWNER_TOPIC) {
        begin_step(sweep, sweep->group.has_body ? remove_body : remove_index);
    } else {
        leave(sweep);
    }
}

static void look_at_index(struct sweep *sweep);

static void
on_index(void *arg, enum kafscale_status status, struct kafscale_blob *body, uint64_t object_bytes,
         const struct kafscale_error *error)
{
    struct sweep *sweep = arg;

    (void) object_bytes;
    (void) error;
    if (status == KAFSCALE_OK) {
        take_owner(sweep, owner_of_index(sweep, kafscale_blob_slice(body)));
    } else if (status == KAFSCALE_NOT_FOUND && !sweep->group.has_body) {
        sweep->group.stem[0] = '\0';
        go_on(sweep);
    } else if (status == KAFSCALE_NOT_FOUND) {
        leave(sweep);
    } else {
        step_again(sweep);
    }
}

static void
look_at_index(struct sweep *sweep)
{
    set_key(sweep, ".index");
    sweep->get = (struct kafscale_get){ .key = sweep->key, .size_max = KS_INDEX_BYTES_MAX };
    ks_store_get(sweep->log->store, &sweep->get, on_index, sweep);
}

/* A body that is damaged, or gone, may have an index that tells. */
static void
on_body(void *arg, enum kafscale_status status, struct kafscale_blob *body, uint64_t object_bytes,
        const struct kafscale_error *error)
{
    struct sweep *sweep = arg;
    enum owner owner = OWNER_UNCLEAR;

    (void) object_bytes;
    (void) error;
    if (status == KAFSCALE_OK) {
        owner = owner_of_body(sweep, kafscale_blob_slice(body));
    } else if (status == KAFSCALE_NOT_FOUND) {
        sweep->group.has_body = false;
    } else {
        step_again(sweep);
        return;
    }
    if (owner == OWNER_UNCLEAR) {
        begin_step(sweep, look_at_index);
    } else {
        take_owner(sweep, owner);
    }
}

static void
look_at_body(struct sweep *sweep)
{
    set_key(sweep, ".kfs");
    sweep->get = (struct kafscale_get){ .key = sweep->key, .size_max = KS_SEGMENT_HEADER_BYTES };
    ks_store_get(sweep->log->store, &sweep->get, on_body, sweep);
}

/* --- Keys --- */

static void
on_listed(void *arg, enum kafscale_status status, const struct kafscale_list_entry *entries,
          size_t entry_count, bool is_truncated, const struct kafscale_error *error)
{
    struct sweep *sweep = arg;

    (void) error;
    ks_buffer_clear(&sweep->keys);
    sweep->key_next = 0;
    for (size_t i = 0; i < entry_count && status == KAFSCALE_OK; i++) {
        ks_buffer_append(&sweep->keys, entries[i].key, strlen(entries[i].key) + 1);
    }
    if (status != KAFSCALE_OK || ks_buffer_failed(&sweep->keys)) {
        ks_buffer_clear(&sweep->keys);
        step_again(sweep);
        return;
    }
    sweep->is_last_page = !is_truncated || entry_count == 0;
    go_on(sweep);
}

static void
list_page(struct sweep *sweep)
{
    sweep->list = (struct kafscale_list){
        .prefix = sweep->order.prefix,
        .start_after = sweep->last_key[0] == '\0' ? NULL : sweep->last_key,
        .count_max = PAGE_KEYS,
    };
    ks_store_list(sweep->log->store, &sweep->list, on_listed, sweep);
}

static const char *
first_key(const struct sweep *sweep)
{
    return sweep->key_next < sweep->keys.size ? (const char *) sweep->keys.data + sweep->key_next
                                              : NULL;
}

static void
pass_key(struct sweep *sweep, const char *key)
{
    snprintf(sweep->last_key, sizeof sweep->last_key, "%s", key);
    sweep->key_next += strlen(key) + 1;
}

/* What a key says; false for one that is not of a segment. */
static bool
read_key(const char *key, struct group *group)
{
    const char *slash = strrchr(key, '/');
    const char *dot = strrchr(key, '.');

    *group = (struct group){ 0 };
    group->has_index = ks_segment_parse_key(key, KS_SEGMENT_INDEX, &group->base_offset);
    group->has_body = ks_segment_parse_key(key, KS_SEGMENT_BODY, &group->base_offset);
    if ((!group->has_index && !group->has_body) || slash == NULL || dot == NULL ||
        (size_t) (dot - key) >= STEM_BYTES) {
        return false;
    }
    memcpy(group->stem, key, (size_t) (dot - key));
    group->home_bytes = (size_t) (slash - key);
    return true;
}

/*
 * Whether a segment ends below the log start: another begins at or below it after this one, or no
 * segment is needed at all.
 */
static bool
is_needless(const struct sweep *sweep, const struct group *next)
{
    const struct ks_sweep_order *order = &sweep->order;
    const struct group *group = &sweep->group;
    bool is_followed = next != NULL && next->home_bytes == group->home_bytes &&
                       memcmp(next->stem, group->stem, group->home_bytes) == 0 &&
                       next->base_offset <= order->log_start;

    return order->log_start == INT64_MAX ||
           (group->base_offset < order->log_start &&
            (is_followed || order->log_start >= order->compacted_upto));
}

/* The segment that was gathered is complete, and `next` follows it. True: it is being deleted. */
static bool
judge(struct sweep *sweep, const struct group *next)
{
    if (sweep->group.stem[0] == '\0') {
        return false;
    }
    if (is_needless(sweep, next)) {
        begin_step(sweep, sweep->group.has_body ? look_at_body : look_at_index);
        return true;
    }
    sweep->group.stem[0] = '\0';
    return false;
}

/* Whether it goes, of objects whose keys say all. */
static bool
is_key_needless(const struct sweep *sweep, const char *key)
{
    const char *slash = strrchr(key, '/');
    uint64_t offset;

    return sweep->order.offset_below == 0 ||
           (slash != NULL && ks_decimal_parse(slash + 1, KS_DECIMAL_DIGITS, &offset) &&
            slash[1 + KS_DECIMAL_DIGITS] == '\0' && offset < (uint64_t) sweep->order.offset_below);
}

static void
take_key(struct sweep *sweep, const char *key)
{
    snprintf(sweep->key, sizeof sweep->key, "%s", key);
    pass_key(sweep, key);
    begin_step(sweep, remove_key);
}

/* Gathers the segment of the first key; false when one before it is judged first. */
static bool
gather(struct sweep *sweep, const char *key)
{
    struct group next;

    if (!read_key(key, &next)) {
        note_stranger(sweep, key);
    } else if (strcmp(next.stem, sweep->group.stem) == 0) {
        sweep->group.has_index |= next.has_index;
        sweep->group.has_body |= next.has_body;
    } else {
        if (judge(sweep, &next)) {
            return false;
        }
        sweep->group = next;
    }
    pass_key(sweep, key);
    return true;
}

/* Nothing above the log start is asked for. */
static bool
is_past(const struct sweep *sweep)
{
    return !sweep->order.is_by_key && sweep->group.stem[0] != '\0' &&
           sweep->order.log_start != INT64_MAX &&
           sweep->group.base_offset >= sweep->order.log_start;
}

static void
go_on(struct sweep *sweep)
{
    const char *key;

    while ((key = first_key(sweep)) != NULL && !is_past(sweep)) {
        if (sweep->order.is_by_key && is_key_needless(sweep, key)) {
            take_key(sweep, key);
            return;
        }
        if (sweep->order.is_by_key) {
            pass_key(sweep, key);
            continue;
        }
        if (!gather(sweep, key)) {
            return;
        }
    }
    if (!sweep->is_last_page && !is_past(sweep)) {
        begin_step(sweep, list_page);
    } else if (!judge(sweep, NULL)) {
        finish(sweep, KAFSCALE_OK);
    }
}

/* --- One after the other --- */

static void
begin_next(struct ks_log *log)
{
    struct sweep *sweep;

    if (ks_list_is_empty(&log->sweeps)) {
        return;
    }
    sweep = KS_CONTAINER(log->sweeps.next, struct sweep, link);
    if (sweep->is_begun) {
        return;
    }
    sweep->is_begun = true;
    sweep->step = list_page;
    ks_log_begin(log);
    sweep->retry = (struct ks_timer){ .on_due = run_step, .arg = sweep };
    ks_env_set_timer(log->env, &sweep->retry, ks_env_now_ms(log->env));
}

enum kafscale_status
ks_sweep_start(struct ks_log *log, const struct ks_sweep_order *order, ks_sweep_done *done,
               void *arg)
{
    struct sweep *sweep = ks_alloc_zero(1, sizeof *sweep);

    if (sweep == NULL) {
        return KAFSCALE_NO_MEMORY;
    }
    sweep->log = log;
    sweep->order = *order;
    sweep->done = done;
    sweep->arg = arg;
    ks_buffer_init(&sweep->keys, PAGE_KEYS * (KAFSCALE_STORE_KEY_BYTES_MAX + 1));
    ks_list_append(&log->sweeps, &sweep->link);
    begin_next(log);
    return KAFSCALE_OK;
}

void
ks_sweeps_hurry(struct ks_log *log)
{
    struct sweep *sweep;

    if (ks_list_is_empty(&log->sweeps)) {
        return;
    }
    sweep = KS_CONTAINER(log->sweeps.next, struct sweep, link);
    if (ks_env_timer_is_set(&sweep->retry)) {
        ks_env_set_timer(log->env, &sweep->retry, ks_env_now_ms(log->env));
    }
}

void
ks_sweeps_silence(struct ks_log *log)
{
    struct ks_list *next;

    for (struct ks_list *node = log->sweeps.next; node != &log->sweeps; node = next) {
        struct sweep *sweep = KS_CONTAINER(node, struct sweep, link);

        next = node->next;
        if (!sweep->is_begun || ks_env_timer_is_set(&sweep->retry)) {
            finish(sweep, KAFSCALE_STOPPED);
        }
    }
}

void
ks_sweeps_drop(struct ks_log *log)
{
    while (!ks_list_is_empty(&log->sweeps)) {
        sweep_free(KS_CONTAINER(log->sweeps.next, struct sweep, link));
    }
}
