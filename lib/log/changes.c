/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One round after the other: all that wait go into transactions; when one of these had no plain
 * outcome, everything is read before the next round.
 */
#include "log/changes.h"

#include <assert.h>

static void move_on(struct ks_log *log);

static void
settle(struct ks_change *change, enum kafscale_status result)
{
    if (!change->is_settled) {
        change->is_settled = true;
        change->result = result;
    }
}

static struct ks_change *
change_of(struct ks_list *node)
{
    return KS_CONTAINER(node, struct ks_change, link);
}

/* --- Transactions --- */

/* The register was the owner's when it was compared, so it is still known whole. */
static void
take_outcome(struct ks_change *change, uint64_t revision)
{
    struct ks_partition *partition = change->partition;

    if (partition == NULL) {
        settle(change, KAFSCALE_NOT_FOUND);
        return;
    }
    if (partition->register_version < revision) {
        ks_register_deinit(&partition->reg);
        partition->reg = change->wanted;
        partition->register_version = revision;
        change->wanted = (struct ks_register){ 0 };
    }
    settle(change, KAFSCALE_OK);
}

static void
on_moved(struct ks_move *move, enum kafscale_status status, uint64_t revision)
{
    struct ks_log *log = move->arg;

    for (size_t i = 0; i < move->item_count && status == KAFSCALE_OK; i++) {
        take_outcome(move->items[i], revision);
    }
    log->changes.must_read |= status != KAFSCALE_OK;
    log->changes.requests--;
    move_on(log);
}

/* Makes the register that a change wants; false without memory. Settles it if none is wanted. */
static bool
decide(struct ks_change *change)
{
    struct ks_partition *partition = change->partition;
    enum ks_change_verdict verdict;

    if (partition == NULL || partition->is_closed) {
        settle(change, partition == NULL ? KAFSCALE_NOT_FOUND : KAFSCALE_STOPPED);
        return true;
    }
    ks_register_deinit(&change->wanted);
    if (ks_register_copy(&partition->reg, &change->wanted) != KAFSCALE_OK) {
        return false;
    }
    verdict = change->decide(change, &change->wanted);
    if (verdict != KS_CHANGE_WRITE) {
        settle(change, verdict == KS_CHANGE_HOLDS ? KAFSCALE_OK : KAFSCALE_CONFLICT);
    }
    change->place.version = partition->register_version;
    return true;
}

static void
submit(struct ks_log *log, struct ks_move *move)
{
    if (move == NULL || move->item_count == 0) {
        ks_move_free(move);
        return;
    }
    log->changes.requests++;
    ks_move_submit(move, log, &log->changes.moves, on_moved, log);
}

/* Adds what a change wants to a transaction; false without memory. */
static bool
add(struct ks_log *log, struct ks_move *move, struct ks_change *change)
{
    if (move == NULL || !decide(change)) {
        return false;
    }
    if (change->is_settled) {
        return true;
    }
    change->partition->change_round = log->changes.round;
    return ks_move_add(move, change, &change->place, &change->wanted);
}

static bool
is_in_round(const struct ks_log *log, const struct ks_change *change)
{
    return change->partition != NULL && change->partition->change_round == log->changes.round;
}

/*
 * A second change of one partition waits for the round after; what memory doesn't suffice for is
 * tried again later.
 */
static void
move_changes(struct ks_log *log)
{
    struct ks_list *waiting = &log->changes.waiting;
    struct ks_move *move = NULL;

    log->changes.round++;
    for (struct ks_list *node = waiting->next; node != waiting; node = node->next) {
        struct ks_change *change = change_of(node);

        if (change->is_settled || is_in_round(log, change)) {
            continue;
        }
        if (move == NULL) {
            move = ks_move_new(log, 0);
        }
        if (!add(log, move, change)) {
            log->changes.must_read = true;
            break;
        }
        if (ks_move_is_full(move)) {
            submit(log, move);
            move = NULL;
        }
    }
    submit(log, move);
}

/* --- Registers --- */

static void
take_register(struct ks_log *log, struct ks_change *change, const struct kafscale_meta_entry *entry)
{
    struct ks_partition *partition = change->partition;
    struct ks_register reg = { 0 };
    struct kafscale_error error = { 0 };

    if (entry != NULL && ks_register_decode(entry->value, &reg, &error) != KAFSCALE_OK) {
        if (error.status != KAFSCALE_NO_MEMORY) {
            settle(change, error.status);
        }
        log->changes.must_read |= error.status == KAFSCALE_NO_MEMORY;
        return;
    }
    if (!ks_register_is_ours(log, partition, &reg)) {
        settle(change, partition->is_closed ? KAFSCALE_STOPPED : KAFSCALE_FENCED);
        ks_register_deinit(&reg);
        return;
    }
    ks_register_deinit(&partition->reg);
    partition->reg = reg;
    partition->register_version = entry->version;
}

static void
on_registers(void *arg, enum kafscale_status status, const struct kafscale_meta_entry *entries,
             size_t entry_count, uint64_t revision, const struct kafscale_error *error)
{
    struct ks_log *log = arg;
    struct ks_list *waiting = &log->changes.waiting;

    (void) revision;
    (void) error;
    log->changes.requests--;
    log->changes.must_read = status != KAFSCALE_OK;
    for (struct ks_list *node = waiting->next; node != waiting && status == KAFSCALE_OK;
         node = node->next) {
        struct ks_change *change = change_of(node);

        if (change->is_settled || change->partition == NULL) {
            continue;
        }
        if (ks_find_entry(entries, entry_count, change->place.topic_key) == NULL) {
            settle(change, KAFSCALE_NOT_FOUND);
        } else {
            take_register(log, change, ks_find_entry(entries, entry_count, change->place.key));
        }
    }
    if (!log->changes.must_read) {
        log->changes.attempts = 0;
    }
    move_on(log);
}

static void
read_registers(void *arg)
{
    struct ks_log *log = arg;

    if (log->is_freed || ks_log_status(log) != KAFSCALE_OK) {
        move_on(log);
        return;
    }
    log->changes.requests++;
    log->changes.read =
        (struct kafscale_meta_read){ .key = "", .is_prefix = true, .is_fresh = true };
    ks_meta_read(log->meta, &log->changes.read, on_registers, log);
}

static void
read_later(struct ks_log *log)
{
    struct ks_timer *retry = &log->changes.retry;

    if (!ks_env_timer_is_set(retry)) {
        *retry = (struct ks_timer){ .on_due = read_registers, .arg = log };
        ks_env_set_timer(log->env, retry,
                         ks_env_now_ms(log->env) + ks_log_backoff_ms(log, log->changes.attempts++));
    }
}

/* --- The machine --- */

static void
settle_all(struct ks_log *log, enum kafscale_status result)
{
    struct ks_list *waiting = &log->changes.waiting;

    for (struct ks_list *node = waiting->next; node != waiting; node = node->next) {
        settle(change_of(node), result);
    }
}

/* Takes those that are settled out of their list; false when there is none. */
static bool
take_settled(struct ks_log *log)
{
    struct ks_list *settled = &log->changes.settled;
    struct ks_list *waiting = &log->changes.waiting;
    struct ks_list *node = waiting->next;

    while (node != waiting) {
        struct ks_list *next = node->next;

        if (change_of(node)->is_settled) {
            ks_list_remove(node);
            ks_list_append(settled, node);
        }
        node = next;
    }
    return !ks_list_is_empty(settled);
}

/* Those that are told may submit others, or free the log. */
static void
tell_settled(struct ks_log *log)
{
    struct ks_list *settled = &log->changes.settled;
    struct ks_list *node;

    log->changes.is_telling = true;
    do {
        if (log->is_freed || ks_log_status(log) != KAFSCALE_OK) {
            settle_all(log, log->is_freed ? KAFSCALE_STOPPED : ks_log_status(log));
        }
        (void) take_settled(log);
        while ((node = ks_list_take_first(settled)) != NULL) {
            struct ks_change *change = change_of(node);

            ks_register_deinit(&change->wanted);
            change->done(change, change->result);
        }
    } while (take_settled(log));
    log->changes.is_telling = false;
}

static void
end(struct ks_log *log)
{
    log->changes.must_read = false;
    log->changes.is_busy = false;
    ks_env_cancel_timer(log->env, &log->changes.retry);
    ks_env_cancel_task(&log->changes.task);
    ks_log_end(log);
}

/* Does what can be done now; comes back after each request. It may free the log. */
static void
move_on(struct ks_log *log)
{
    struct ks_changes *changes = &log->changes;

    if (changes->requests > 0 || changes->is_telling || !changes->is_busy) {
        return;
    }
    tell_settled(log);
    if (ks_list_is_empty(&changes->waiting)) {
        end(log);
    } else if (changes->must_read) {
        read_later(log);
    } else {
        move_changes(log);
        if (changes->requests == 0) {
            ks_env_defer(log->env, &changes->task);
        }
    }
}

static void
begin(void *arg)
{
    move_on(arg);
}

void
ks_change_submit(struct ks_log *log, struct ks_change *change)
{
    struct ks_changes *changes = &log->changes;

    change->link = (struct ks_list){ 0 };
    change->wanted = (struct ks_register){ 0 };
    change->is_settled = false;
    if (change->partition != NULL) {
        ks_register_place_init(&change->place, &change->partition->name);
    }
    ks_list_append(&changes->waiting, &change->link);
    if (!changes->is_busy) {
        changes->is_busy = true;
        ks_log_begin(log);
    }
    if (changes->requests == 0 && !ks_env_timer_is_set(&changes->retry)) {
        ks_env_defer(log->env, &changes->task);
    }
}

void
ks_changes_init(struct ks_log *log)
{
    ks_list_init(&log->changes.waiting);
    ks_list_init(&log->changes.settled);
    ks_list_init(&log->changes.moves);
    log->changes.task = (struct ks_task){ .run = begin, .arg = log };
}

void
ks_changes_hurry(struct ks_log *log)
{
    if (ks_env_timer_is_set(&log->changes.retry)) {
        ks_env_set_timer(log->env, &log->changes.retry, ks_env_now_ms(log->env));
    }
}

static void
forget_in(struct ks_list *list, const struct ks_partition *partition)
{
    for (struct ks_list *node = list->next; node != list; node = node->next) {
        struct ks_change *change = change_of(node);

        if (change->partition == partition) {
            change->partition = NULL;
        }
    }
}

void
ks_changes_forget(struct ks_log *log, const struct ks_partition *partition)
{
    forget_in(&log->changes.waiting, partition);
    forget_in(&log->changes.settled, partition);
}

void
ks_changes_silence(struct ks_log *log)
{
    ks_env_cancel_task(&log->changes.task);
    ks_env_cancel_timer(log->env, &log->changes.retry);
    move_on(log);
}

void
ks_changes_drop(struct ks_log *log)
{
    struct ks_list *node;

    ks_env_cancel_task(&log->changes.task);
    ks_env_cancel_timer(log->env, &log->changes.retry);
    ks_moves_drop(&log->changes.moves);
    while ((node = ks_list_take_first(&log->changes.waiting)) != NULL) {
        struct ks_change *change = change_of(node);

        ks_register_deinit(&change->wanted);
        change->drop(change);
    }
}
