/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Releasing partitions (durability 1.6): no more appends, then all that was appended becomes
 * durable, then the closed end is written into the chain, so that the next owner has nothing to
 * seal. A release that does not happen costs the next owner a seal, no more.
 */
#include "log/moves.h"

#include <assert.h>

/* One partition on its way out. */
struct item {
    struct ks_partition *partition; /* NULL: it wasn't there, or was forgotten meanwhile */
    struct ks_register_place place;
    bool is_settled;
    enum kafscale_status result;
};

struct release {
    struct ks_list link;
    struct ks_log *log;
    bool is_stop; /* of all partitions, which stay readable until the log is freed */
    enum kafscale_status *results;
    ks_log_release_done *done;
    void *arg;
    struct item *items;
    size_t count;
    struct ks_list moves; /* transactions under way */
    size_t requests;      /* these, or a reading */
    bool must_read;       /* an outcome was not plain: look at the registers again */
    uint32_t attempts;
    struct kafscale_meta_read read;
    struct ks_timer retry;
    struct ks_task task;
};

static void move_on(void *arg);

static void
release_free(struct release *release)
{
    ks_env_cancel_timer(release->log->env, &release->retry);
    ks_env_cancel_task(&release->task);
    ks_list_remove(&release->link);
    ks_free(release->items);
    ks_free(release);
}

static void
settle(struct item *item, enum kafscale_status result)
{
    item->is_settled = true;
    item->result = result;
}

static bool
is_settled(const struct release *release)
{
    for (size_t i = 0; i < release->count; i++) {
        if (!release->items[i].is_settled) {
            return false;
        }
    }
    return true;
}

static bool
is_drained(const struct release *release)
{
    for (size_t i = 0; i < release->count; i++) {
        const struct item *item = &release->items[i];

        if (!item->is_settled && item->partition->high_watermark < item->partition->end_offset) {
            return false;
        }
    }
    return true;
}

/* --- The end --- */

/* Those that the log did not live to release keep their partitions, as does a log that stops. */
static void
end_items(struct release *release)
{
    struct ks_log *log = release->log;
    size_t unreleased = 0;

    for (size_t i = 0; i < release->count; i++) {
        struct item *item = &release->items[i];
        struct ks_partition *partition = item->partition;

        if (!item->is_settled) {
            item->result = log->status;
            unreleased++;
        } else if (partition != NULL && !release->is_stop) {
            item->partition = NULL;
            ks_log_forget(log, partition);
        }
        if (release->results != NULL) {
            release->results[i] = item->result;
        }
    }
    if (unreleased > 0) {
        ks_log(&log->env->logger, KAFSCALE_LOG_WARN,
               "partitions not released, their next owner seals this log count=%zu", unreleased);
    }
}

static void
finish(struct release *release)
{
    struct ks_log *log = release->log;
    ks_log_release_done *done = release->done;
    void *arg = release->arg;

    if (!log->is_freed) {
        end_items(release);
    }
    release_free(release);
    if (done != NULL && !log->is_freed) {
        done(arg, log->status, &log->error);
    }
    ks_log_end(log);
}

/* --- The closed end --- */

static void
on_moved(struct ks_move *move, enum kafscale_status status, uint64_t revision)
{
    struct release *release = move->arg;

    (void) revision;
    for (size_t i = 0; i < move->item_count && status == KAFSCALE_OK; i++) {
        struct item *item = move->items[i];

        if (!item->is_settled) {
            settle(item, KAFSCALE_OK);
        }
    }
    release->must_read |= status != KAFSCALE_OK;
    release->requests--;
    move_on(release);
}

/*
 * What is in front of the first slot that isn't acknowledged is durable, and the partition has
 * nothing behind.
 */
static uint64_t
closed_end(const struct ks_log *log)
{
    return ks_list_is_empty(&log->slots)
               ? log->sequence_next
               : KS_CONTAINER(log->slots.next, struct ks_slot, link)->sequence;
}

static bool
add_item(struct ks_move *move, struct item *item, uint64_t end)
{
    struct ks_register reg;
    bool is_added;

    if (ks_register_copy(&item->partition->reg, &reg) != KAFSCALE_OK) {
        return false;
    }
    assert(reg.chain_count > 0);
    reg.state = KS_REGISTER_RELEASED;
    reg.chain[reg.chain_count - 1].closed_end = end;
    is_added = ks_move_add(move, item, &item->place, &reg);
    ks_register_deinit(&reg);
    return is_added;
}

static void
submit(struct release *release, struct ks_move *move)
{
    if (move == NULL || move->item_count == 0) {
        ks_move_free(move);
        return;
    }
    release->requests++;
    ks_move_submit(move, release->log, &release->moves, on_moved, release);
}

/* What memory doesn't suffice for is tried again later. */
static void
move_items(struct release *release)
{
    uint64_t end = closed_end(release->log);
    struct ks_move *move = NULL;

    for (size_t i = 0; i < release->count; i++) {
        struct item *item = &release->items[i];

        if (item->is_settled) {
            continue;
        }
        if (move == NULL) {
            move = ks_move_new(release->log, 0);
        }
        if (move == NULL || !add_item(move, item, end)) {
            release->must_read = true;
            break;
        }
        if (ks_move_is_full(move)) {
            submit(release, move);
            move = NULL;
        }
    }
    submit(release, move);
}

/* --- Registers --- */

/* What the register says after a transaction of which that isn't known. */
static void
take_register(struct release *release, struct item *item, const struct kafscale_meta_entry *entry)
{
    struct ks_partition *partition = item->partition;
    struct ks_register reg = { 0 };
    struct kafscale_error error = { 0 };

    if (entry != NULL && ks_register_decode(entry->value, &reg, &error) != KAFSCALE_OK) {
        settle(item, error.status);
        return;
    }
    if (ks_register_is_ours(release->log, partition, &reg)) {
        ks_register_deinit(&partition->reg);
        partition->reg = reg;
        partition->register_version = entry->version;
        item->place.version = entry->version;
        return;
    }
    if (reg.epoch == partition->reg.epoch && reg.state == KS_REGISTER_RELEASED) {
        settle(item, KAFSCALE_OK); /* by a transaction whose answer was lost */
    } else {
        settle(item, KAFSCALE_FENCED);
    }
    ks_register_deinit(&reg);
}

static void
on_registers(void *arg, enum kafscale_status status, const struct kafscale_meta_entry *entries,
             size_t entry_count, uint64_t revision, const struct kafscale_error *error)
{
    struct release *release = arg;

    (void) revision;
    (void) error;
    release->requests--;
    release->must_read = status != KAFSCALE_OK;
    for (size_t i = 0; i < release->count && status == KAFSCALE_OK; i++) {
        struct item *item = &release->items[i];

        if (item->is_settled) {
            continue;
        }
        if (ks_find_entry(entries, entry_count, item->place.topic_key) == NULL) {
            settle(item, KAFSCALE_NOT_FOUND);
        } else {
            take_register(release, item, ks_find_entry(entries, entry_count, item->place.key));
        }
    }
    move_on(release);
}

static void
read_registers(void *arg)
{
    struct release *release = arg;

    if (release->log->status != KAFSCALE_OK) {
        move_on(release);
        return;
    }
    release->requests++;
    release->read = (struct kafscale_meta_read){ .key = "", .is_prefix = true, .is_fresh = true };
    ks_meta_read(release->log->meta, &release->read, on_registers, release);
}

static void
read_later(struct release *release)
{
    struct ks_log *log = release->log;

    if (!ks_env_timer_is_set(&release->retry)) {
        release->retry = (struct ks_timer){ .on_due = read_registers, .arg = release };
        ks_env_set_timer(log->env, &release->retry,
                         ks_env_now_ms(log->env) + ks_log_backoff_ms(log, release->attempts++));
    }
}

/* Does what can be done now; comes back after each request, and when more is durable. */
static void
move_on(void *arg)
{
    struct release *release = arg;

    if (release->requests > 0) {
        return;
    }
    if (release->log->status != KAFSCALE_OK || is_settled(release)) {
        finish(release);
    } else if (release->must_read) {
        read_later(release);
    } else if (is_drained(release) || ks_is_planted(KS_PLANTED_FLUSH_BEFORE_RELEASE)) {
        move_items(release);
        if (release->requests == 0) {
            read_later(release);
        }
    }
}

/* --- The calls --- */

static struct release *
release_new(struct ks_log *log, size_t count)
{
    struct release *release = ks_alloc_zero(1, sizeof *release);

    if (release == NULL) {
        return NULL;
    }
    release->items = ks_alloc_zero(count, sizeof *release->items);
    if (release->items == NULL) {
        ks_free(release);
        return NULL;
    }
    release->log = log;
    release->count = count;
    ks_list_init(&release->moves);
    release->task = (struct ks_task){ .run = move_on, .arg = release };
    return release;
}

static void
take_partition(struct item *item, struct ks_partition *partition)
{
    item->partition = partition;
    partition->is_closed = true;
    ks_register_place_init(&item->place, &partition->name);
    item->place.version = partition->register_version;
}

static void
begin(struct release *release)
{
    struct ks_log *log = release->log;

    ks_log_begin(log);
    ks_list_append(&log->releases, &release->link);
    ks_env_defer(log->env, &release->task);
}

enum kafscale_status
ks_log_release(struct ks_log *log, const struct ks_log_release *names, ks_log_release_done *done,
               void *arg)
{
    struct release *release = release_new(log, names->count);

    assert(names->count > 0);
    if (release == NULL) {
        return KAFSCALE_NO_MEMORY;
    }
    release->results = names->results;
    release->done = done;
    release->arg = arg;
    for (size_t i = 0; i < names->count; i++) {
        struct ks_partition *partition = ks_log_find(log, &names->names[i]);

        if (partition == NULL) {
            settle(&release->items[i], KAFSCALE_NOT_FOUND);
        } else if (partition->is_closed) {
            settle(&release->items[i], KAFSCALE_EXISTS);
        } else {
            take_partition(&release->items[i], partition);
        }
    }
    begin(release);
    return KAFSCALE_OK;
}

void
ks_releases_begin_stop(struct ks_log *log)
{
    struct release *release;
    size_t count = 0;

    if (log->partitions.count == 0) {
        return;
    }
    release = release_new(log, log->partitions.count);
    if (release == NULL) {
        return;
    }
    release->is_stop = true;
    for (struct ks_table_node *node = ks_table_next(&log->partitions, NULL); node != NULL;
         node = ks_table_next(&log->partitions, node)) {
        struct ks_partition *partition = KS_CONTAINER(node, struct ks_partition, node);

        if (!partition->is_closed) {
            take_partition(&release->items[count++], partition);
        }
    }
    release->count = count;
    begin(release);
}

void
ks_releases_continue(struct ks_log *log)
{
    for (struct ks_list *node = log->releases.next; node != &log->releases; node = node->next) {
        ks_env_defer(log->env, &KS_CONTAINER(node, struct release, link)->task);
    }
}

void
ks_releases_forget(struct ks_log *log, const struct ks_partition *partition)
{
    for (struct ks_list *node = log->releases.next; node != &log->releases; node = node->next) {
        struct release *release = KS_CONTAINER(node, struct release, link);

        for (size_t i = 0; i < release->count; i++) {
            if (release->items[i].partition == partition) {
                settle(&release->items[i], KAFSCALE_NOT_FOUND);
                release->items[i].partition = NULL;
            }
        }
    }
}

void
ks_releases_silence(struct ks_log *log)
{
    struct ks_list *next;

    for (struct ks_list *node = log->releases.next; node != &log->releases; node = next) {
        struct release *release = KS_CONTAINER(node, struct release, link);

        next = node->next;
        ks_env_cancel_task(&release->task);
        ks_env_cancel_timer(log->env, &release->retry);
        if (release->requests == 0) {
            finish(release);
        }
    }
}

void
ks_releases_drop(struct ks_log *log)
{
    while (!ks_list_is_empty(&log->releases)) {
        struct release *release = KS_CONTAINER(log->releases.next, struct release, link);

        ks_moves_drop(&release->moves);
        release_free(release);
    }
}
