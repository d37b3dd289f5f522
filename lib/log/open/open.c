/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Claim, seal, recover, activate (durability 1.5), for all partitions of one call at once: the
 * registers are read with one look, each earlier log is sealed and read once, and many
 * registers move in one transaction. A partition that no earlier log holds anything of is
 * claimed and activated in one step, once what its segments say is known.
 */
#include "log/open/opening.h"
#include "log/trim/leftovers.h"

#include <assert.h>
#include <inttypes.h>

static void read_registers(struct ks_opening *opening);

/* --- The parts --- */

bool
ks_opening_is_over(const struct ks_opening *opening)
{
    return opening->log->is_freed || ks_log_status(opening->log) != KAFSCALE_OK;
}

struct ks_opening_item *
ks_opening_find_item(const struct ks_opening *opening, const struct ks_partition_name *name)
{
    struct ks_table_node *node = ks_table_find(&opening->by_name, ks_slice(name, sizeof *name));

    return node == NULL ? NULL : KS_CONTAINER(node, struct ks_opening_item, node);
}

void
ks_opening_lose(struct ks_opening_item *item, enum kafscale_status result)
{
    ks_partition_free(item->partition);
    item->partition = NULL;
    item->state = KS_ITEM_LOST;
    item->result = result;
}

static void
lose_all(struct ks_opening *opening, enum kafscale_status result)
{
    for (size_t i = 0; i < opening->open.count; i++) {
        struct ks_opening_item *item = &opening->items[i];

        if (item->state != KS_ITEM_ACTIVE && item->state != KS_ITEM_LOST) {
            ks_opening_lose(item, result);
        }
    }
}

static void
opening_free(struct ks_opening *opening)
{
    for (size_t i = 0; opening->items != NULL && i < opening->open.count; i++) {
        ks_register_deinit(&opening->items[i].reg);
        ks_register_deinit(&opening->items[i].wanted);
        ks_partition_free(opening->items[i].partition);
        ks_opening_forget_sections(&opening->items[i]);
        ks_opening_forget_segments(&opening->items[i]);
    }
    ks_opening_free_dead_logs(opening);
    ks_table_deinit(&opening->by_name);
    ks_list_remove(&opening->link);
    ks_free(opening->items);
    ks_free(opening);
}

/* --- The end of an opening --- */

static void
start_next(struct ks_log *log)
{
    struct ks_list *node = ks_list_take_first(&log->openings);

    log->opening = node == NULL ? NULL : KS_CONTAINER(node, struct ks_opening, link);
    if (log->opening != NULL) {
        read_registers(log->opening);
    }
}

/*
 * Gives an active item's partition to the log, which has made room for it: once the register is
 * active nothing may fail any more, since a log of our own can't be opened a second time.
 */
static void
adopt(struct ks_log *log, struct ks_opening_item *item)
{
    struct ks_partition *partition = item->partition;
    enum kafscale_status status;

    assert(partition != NULL);
    assert(ks_log_find(log, &item->name) == NULL);
    status = ks_table_insert(&log->partitions, &partition->node,
                             ks_slice(&partition->name, sizeof partition->name));
    assert(status == KAFSCALE_OK);
    (void) status;
    if (log->trimmer->own != NULL) {
        ks_trail_add_run(log->trimmer->own, partition, item->reg.epoch, &partition->producers,
                         partition->end_offset);
    }
    partition->reg = item->reg;
    partition->register_version = item->place.version;
    item->reg = (struct ks_register){ 0 };
    item->partition = NULL;
    item->result = KAFSCALE_OK;
    ks_compact_note(log, partition);
}

static void
finish(struct ks_opening *opening)
{
    struct ks_log *log = opening->log;
    ks_log_open_done *done = opening->done;
    void *arg = opening->arg;
    bool is_freed = log->is_freed;
    bool had_dead_logs = opening->had_dead_logs;

    for (size_t i = 0; i < opening->open.count && !is_freed; i++) {
        if (opening->items[i].state == KS_ITEM_ACTIVE) {
            adopt(log, &opening->items[i]);
        }
        opening->open.results[i] = opening->items[i].result;
    }
    opening_free(opening);
    log->opening = NULL;
    if (!is_freed) {
        if (had_dead_logs) {
            ks_leftovers_begin(log->trimmer);
        }
        done(arg, ks_log_status(log), &log->error);
        ks_trim_advance(log);
        if (log->opening == NULL && !log->is_freed) {
            start_next(log);
        }
    }
    ks_log_end(log);
}

/* --- What to write --- */

static const struct ks_chain_element *
last_element(const struct ks_register *reg)
{
    return reg->chain_count == 0 ? NULL : &reg->chain[reg->chain_count - 1];
}

static bool
is_own_claim(const struct ks_log *log, const struct ks_register *reg)
{
    const struct ks_chain_element *last = last_element(reg);

    return reg->state == KS_REGISTER_CLAIMED && last != NULL && !last->is_activated &&
           last->epoch == reg->epoch && ks_id_equals(&reg->owner, &log->options.incarnation);
}

static bool
needs_replay(const struct ks_opening_item *item)
{
    if (item->reg.compacted_upto > 0 && !item->has_compacted) {
        return true;
    }
    for (size_t i = 0; i < item->reg.chain_count; i++) {
        if (ks_element_is_replayed(item, &item->reg.chain[i])) {
            return true;
        }
    }
    return false;
}

static void
make_active(struct ks_register *reg, int64_t base_offset)
{
    struct ks_chain_element *own = &reg->chain[reg->chain_count - 1];

    own->is_activated = true;
    own->base_offset = base_offset;
    reg->state = KS_REGISTER_ACTIVE;
    ks_register_drop_empty(reg);
}

/*
 * What our own log holds of a partition isn't final while its end is open, and nobody seals his
 * own log: it must be released first.
 */
static bool
is_open_here(struct ks_log *log, const struct ks_opening_item *item)
{
    for (size_t i = 0; i < item->reg.chain_count; i++) {
        const struct ks_chain_element *element = &item->reg.chain[i];

        if (element->is_activated && element->closed_end == KS_END_OPEN &&
            ks_id_equals(&element->incarnation, &log->options.incarnation)) {
            return true;
        }
    }
    return ks_log_find(log, &item->name) != NULL;
}

/*
 * The next value of an item's register: a claim, an activation, or both at once where nothing
 * is to be replayed.
 */
static enum kafscale_status
next_register(struct ks_opening *opening, struct ks_opening_item *item)
{
    struct ks_log *log = opening->log;
    struct ks_chain_element own = { .epoch = item->reg.epoch + 1,
                                    .incarnation = log->options.incarnation,
                                    .closed_end = KS_END_OPEN };
    struct ks_register *wanted = &item->wanted;
    enum kafscale_status status;

    if (is_open_here(log, item)) {
        return KAFSCALE_EXISTS;
    }
    ks_register_deinit(wanted);
    status = ks_register_copy(&item->reg, wanted);
    if (status != KAFSCALE_OK) {
        return status;
    }
    item->wants_active = item->state == KS_ITEM_REPLAYED;
    if (item->wants_active) {
        make_active(wanted, item->partition->end_offset);
        return KAFSCALE_OK;
    }
    status = ks_register_add(wanted, &own);
    if (status != KAFSCALE_OK) {
        return status;
    }
    wanted->epoch = own.epoch;
    wanted->owner = own.incarnation;
    wanted->state = KS_REGISTER_CLAIMED;
    if (!needs_replay(item)) {
        ks_replay_item(opening, item);
        item->wants_active = item->state == KS_ITEM_REPLAYED;
    }
    if (item->wants_active) {
        make_active(wanted, item->partition->end_offset);
    }
    return KAFSCALE_OK;
}

/* --- Transactions --- */

static void
take_outcome(const struct ks_move *move, uint64_t revision)
{
    for (size_t i = 0; i < move->item_count; i++) {
        struct ks_opening_item *item = move->items[i];

        ks_register_deinit(&item->reg);
        item->reg = item->wanted;
        item->wanted = (struct ks_register){ 0 };
        item->place.version = revision;
        item->state = item->wants_active ? KS_ITEM_ACTIVE : KS_ITEM_CLAIMED;
    }
}

static void
on_moved(struct ks_move *move, enum kafscale_status status, uint64_t revision)
{
    struct ks_opening *opening = move->arg;

    if (status == KAFSCALE_OK) {
        take_outcome(move, revision);
    } else {
        opening->must_read = true;
    }
    opening->transactions_left--;
    if (opening->transactions_left == 0) {
        ks_opening_move_on(opening);
    }
}

static void
submit(struct ks_opening *opening, struct ks_move *move)
{
    if (move->item_count == 0) {
        ks_move_free(move);
        return;
    }
    opening->transactions_left++;
    ks_move_submit(move, opening->log, &opening->moves, on_moved, opening);
}

static bool
add_item(struct ks_move *move, struct ks_opening_item *item)
{
    if (!ks_move_add(move, item, &item->place, &item->wanted)) {
        return false;
    }
    if (item->wants_active && ks_is_planted(KS_PLANTED_CAS_ACTIVATE)) {
        move->txn.compare_count--;
    }
    return true;
}

static void
lose_state(struct ks_opening *opening, enum ks_item_state state, enum kafscale_status result)
{
    for (size_t i = 0; i < opening->open.count; i++) {
        if (opening->items[i].state == state) {
            ks_opening_lose(&opening->items[i], result);
        }
    }
}

/* Writes the next register of every item in `state`, in as few transactions as may be. */
static void
move_items(struct ks_opening *opening, enum ks_item_state state)
{
    struct ks_move *move = NULL;

    if (ks_table_reserve(&opening->log->partitions, opening->open.count) != KAFSCALE_OK) {
        lose_state(opening, state, KAFSCALE_NO_MEMORY);
        return;
    }
    for (size_t i = 0; i < opening->open.count; i++) {
        struct ks_opening_item *item = &opening->items[i];
        enum kafscale_status status;

        if (item->state != state) {
            continue;
        }
        if (move == NULL) {
            move = ks_move_new(opening->log, opening->open.sole_version);
        }
        if (move == NULL) {
            ks_opening_lose(item, KAFSCALE_NO_MEMORY);
            continue;
        }
        status = next_register(opening, item);
        if (status != KAFSCALE_OK) {
            ks_opening_lose(item, status);
        } else if (item->state != KS_ITEM_LOST && !add_item(move, item)) {
            ks_opening_lose(item, KAFSCALE_NO_MEMORY);
        }
        if (ks_move_is_full(move)) {
            submit(opening, move);
            move = NULL;
        }
    }
    if (move != NULL) {
        submit(opening, move);
    }
}

/* --- Registers --- */

static void
retry_reading(void *arg)
{
    struct ks_opening *opening = arg;

    if (ks_opening_is_over(opening)) {
        ks_opening_move_on(opening);
        return;
    }
    read_registers(opening);
}

static void
read_later(struct ks_opening *opening)
{
    struct ks_env *env = opening->log->env;

    opening->is_surprised = true;
    opening->retry = (struct ks_timer){ .on_due = retry_reading, .arg = opening };
    ks_env_set_timer(env, &opening->retry,
                     ks_env_now_ms(env) + ks_log_backoff_ms(opening->log, opening->attempts++));
}

/*
 * Whether another broker claimed after our own claim. It has won: two that claim back from each
 * other would never finish a replay.
 */
static bool
was_overtaken(const struct ks_log *log, const struct ks_opening_item *item,
              const struct ks_register *reg)
{
    return (item->state == KS_ITEM_CLAIMED || item->state == KS_ITEM_REPLAYED) &&
           is_own_claim(log, &item->reg) && !ks_id_equals(&reg->owner, &log->options.incarnation);
}

/* What a register as just read means for an item that is not done. */
static void
take_register(struct ks_opening *opening, struct ks_opening_item *item,
              const struct kafscale_meta_entry *entry)
{
    struct ks_register reg = { .segment_base = -1 };

    if (entry != NULL && ks_register_decode(entry->value, &reg, &opening->error) != KAFSCALE_OK) {
        bool is_short = opening->error.status == KAFSCALE_NO_MEMORY;

        ks_log(&opening->log->env->logger, is_short ? KAFSCALE_LOG_WARN : KAFSCALE_LOG_ERROR,
               "register of a partition not read key=%s error=%s", item->place.key,
               opening->error.text);
        /* What stands there may be an activation of ours, so it must be read in the end. */
        opening->must_read |= is_short;
        if (!is_short) {
            ks_opening_lose(item, opening->error.status);
        }
        opening->error = (struct kafscale_error){ 0 };
        return;
    }
    if (item->state == KS_ITEM_REPLAYED && is_own_claim(opening->log, &reg) &&
        reg.epoch == item->reg.epoch && reg.compacted_upto == item->reg.compacted_upto) {
        /* Only marks moved, or the activation did not happen: what was replayed still holds. */
        ks_register_deinit(&item->reg);
        item->reg = reg;
        item->place.version = entry->version;
        return;
    }
    if (was_overtaken(opening->log, item, &reg)) {
        ks_register_deinit(&reg);
        ks_opening_lose(item, KAFSCALE_FENCED);
        return;
    }
    ks_register_deinit(&item->reg);
    item->reg = reg;
    item->is_all_compacted = false;
    item->place.version = entry == NULL ? 0 : entry->version;
    if (item->state == KS_ITEM_REPLAYED && reg.state == KS_REGISTER_ACTIVE &&
        ks_id_equals(&reg.owner, &opening->log->options.incarnation)) {
        item->state = KS_ITEM_ACTIVE; /* an activation of ours whose answer was lost */
        return;
    }
    ks_partition_free(item->partition);
    item->partition = NULL;
    ks_opening_forget_segments(item);
    item->state = is_own_claim(opening->log, &reg) ? KS_ITEM_CLAIMED : KS_ITEM_READ;
}

/* Whether this broker is still the one that may claim here; known only when everything was read. */
static bool
is_sole(const struct ks_opening *opening, const struct kafscale_meta_entry *entries,
        size_t entry_count)
{
    const struct kafscale_meta_entry *sole;

    if (opening->open.sole_version == 0 || !opening->read.is_prefix) {
        return true;
    }
    sole = ks_find_entry(entries, entry_count, "sole");
    return sole != NULL && sole->version == opening->open.sole_version;
}

static void
take_registers(struct ks_opening *opening, const struct kafscale_meta_entry *entries,
               size_t entry_count)
{
    for (size_t i = 0; i < opening->open.count; i++) {
        struct ks_opening_item *item = &opening->items[i];

        if (item->state == KS_ITEM_ACTIVE || item->state == KS_ITEM_LOST) {
            continue;
        }
        if (opening->read.is_prefix &&
            ks_find_entry(entries, entry_count, item->place.topic_key) == NULL) {
            ks_opening_lose(item, KAFSCALE_NOT_FOUND);
            continue;
        }
        take_register(opening, item, ks_find_entry(entries, entry_count, item->place.key));
        item->is_all_compacted = opening->read.is_prefix && item->state == KS_ITEM_READ &&
                                 ks_opening_is_all_compacted(item, entries, entry_count);
        opening->had_dead_logs |= item->is_all_compacted && item->reg.chain_count > 0;
    }
}

/* Of one register alone was read what doesn't tell whether its earlier logs hold anything. */
static bool
needs_more(const struct ks_opening *opening)
{
    return !opening->read.is_prefix && opening->items[0].state == KS_ITEM_READ &&
           needs_replay(&opening->items[0]);
}

static void
read_all(struct ks_opening *opening)
{
    opening->must_read = true;
    read_registers(opening);
}

static void
on_registers(void *arg, enum kafscale_status status, const struct kafscale_meta_entry *entries,
             size_t entry_count, uint64_t revision, const struct kafscale_error *error)
{
    struct ks_opening *opening = arg;

    (void) revision;
    (void) error;
    if (status != KAFSCALE_OK && !ks_opening_is_over(opening)) {
        read_later(opening);
        return;
    }
    if (!ks_opening_is_over(opening) && !is_sole(opening, entries, entry_count)) {
        lose_all(opening, KAFSCALE_FENCED);
    } else if (!ks_opening_is_over(opening)) {
        take_registers(opening, entries, entry_count);
    }
    if (!ks_opening_is_over(opening) && needs_more(opening)) {
        read_all(opening);
        return;
    }
    ks_opening_move_on(opening);
}

/*
 * One register by its key; several, or after a surprise, with everything that was compared. What is
 * known already will do, as long as no comparison has failed: whatever is written compares the
 * versions that were read.
 */
static void
read_registers(struct ks_opening *opening)
{
    bool is_plain = opening->open.count == 1 && !opening->must_read;

    opening->must_read = false;
    opening->load_next = 0;
    opening->read = (struct kafscale_meta_read){ .key = is_plain ? opening->items[0].place.key : "",
                                                 .is_prefix = !is_plain,
                                                 .is_fresh = opening->is_surprised };
    opening->is_surprised = false;
    ks_meta_read(opening->log->meta, &opening->read, on_registers, opening);
}

/* --- Step by step --- */

static bool
has_items(const struct ks_opening *opening, enum ks_item_state state)
{
    for (size_t i = 0; i < opening->open.count; i++) {
        if (opening->items[i].state == state) {
            return true;
        }
    }
    return false;
}

/*
 * What was compacted, or of a topic that was deleted, while the logs were read is not in them any
 * more, and the registers as they were before don't tell. What is known is as new as the looks at
 * the trim marks which have ended the reading of each log.
 */
static void
read_again(struct ks_opening *opening)
{
    opening->has_read_again = true;
    if (ks_is_planted(KS_PLANTED_REGISTER_AFTER_REPLAY)) {
        ks_opening_move_on(opening);
    } else {
        read_all(opening);
    }
}

/* False: there is nothing to wait for. */
static bool
begin_states(struct ks_opening *opening)
{
    opening->has_states = true;
    opening->had_dead_logs |= !ks_list_is_empty(&opening->dead_logs);
    for (size_t i = 0; i < opening->open.count; i++) {
        ks_opening_forget_sections(&opening->items[i]); /* of an earlier try */
    }
    ks_opening_give_trails(opening);
    ks_replay_note_sections(opening);
    return ks_opening_read_states(opening);
}

static void
forget_dead_logs(struct ks_opening *opening)
{
    ks_opening_free_dead_logs(opening);
    opening->has_old_logs = false;
    opening->has_read_again = false;
    opening->has_states = false;
}

/* Does what can be done now; comes back after each transaction and each reading. */
void
ks_opening_move_on(struct ks_opening *opening)
{
    if (ks_opening_is_over(opening)) {
        lose_all(opening, KAFSCALE_STOPPED);
        finish(opening);
        return;
    }
    if (opening->must_read) {
        read_later(opening);
        return;
    }
    if (has_items(opening, KS_ITEM_READ) || opening->has_old_logs) {
        /* Other claims may name other logs. */
        forget_dead_logs(opening);
    }
    if (has_items(opening, KS_ITEM_READ) && ks_opening_load_segments(opening)) {
        return;
    }
    move_items(opening, KS_ITEM_READ);
    if (opening->transactions_left > 0) {
        return;
    }
    if (has_items(opening, KS_ITEM_CLAIMED)) {
        if (ks_list_is_empty(&opening->dead_logs)) {
            ks_opening_read_dead_logs(opening);
        }
        if (opening->dead_logs_under_way > 0) {
            return;
        }
        if (!opening->has_read_again) {
            read_again(opening);
            return;
        }
        if (!opening->has_states && begin_states(opening)) {
            return;
        }
        if (ks_opening_load_segments(opening)) {
            return;
        }
        if (opening->must_read) {
            read_later(opening);
            return;
        }
        ks_replay_items(opening);
        forget_dead_logs(opening);
    }
    move_items(opening, KS_ITEM_REPLAYED);
    if (opening->transactions_left == 0) {
        finish(opening);
    }
}

/* --- The call --- */

static bool
opening_fill(struct ks_opening *opening)
{
    const struct ks_log_open *open = &opening->open;

    opening->items = ks_alloc_zero(open->count, sizeof *opening->items);
    if (opening->items == NULL) {
        return false;
    }
    for (size_t i = 0; i < open->count; i++) {
        struct ks_opening_item *item = &opening->items[i];

        item->name = open->names[i];
        item->topic_name = open->topic_names[i];
        item->prefix = open->prefixes == NULL ? item->topic_name : open->prefixes[i];
        ks_register_place_init(&item->place, &item->name);
        if (ks_opening_find_item(opening, &item->name) != NULL) {
            ks_opening_lose(item, KAFSCALE_EXISTS);
        } else if (ks_table_insert(&opening->by_name, &item->node,
                                   ks_slice(&item->name, sizeof item->name)) != KAFSCALE_OK) {
            return false;
        }
    }
    return true;
}

enum kafscale_status
ks_log_open(struct ks_log *log, const struct ks_log_open *open, ks_log_open_done *done, void *arg)
{
    struct ks_opening *opening = ks_alloc_zero(1, sizeof *opening);

    assert(open->count > 0);
    if (opening == NULL) {
        return KAFSCALE_NO_MEMORY;
    }
    opening->log = log;
    opening->open = *open;
    opening->done = done;
    opening->arg = arg;
    ks_list_init(&opening->dead_logs);
    ks_list_init(&opening->moves);
    ks_list_init(&opening->state_reads);
    ks_table_init(&opening->dead_by_incarnation, ks_env_random_u64(log->env));
    ks_table_init(&opening->by_name, ks_env_random_u64(log->env));
    if (!opening_fill(opening)) {
        opening_free(opening);
        return KAFSCALE_NO_MEMORY;
    }
    ks_log_begin(log);
    if (log->opening == NULL) {
        log->opening = opening;
        read_registers(opening);
    } else {
        ks_list_append(&log->openings, &opening->link);
    }
    return KAFSCALE_OK;
}

/* The last of those under way ends the opening. */
static void
silence_states(struct ks_log *log)
{
    ks_opening_silence_states(log->opening);
    if (ks_list_is_empty(&log->opening->state_reads)) {
        ks_opening_move_on(log->opening);
    }
}

void
ks_openings_silence(struct ks_log *log)
{
    struct ks_list *node;

    while ((node = ks_list_take_first(&log->openings)) != NULL) {
        opening_free(KS_CONTAINER(node, struct ks_opening, link));
        log->busy--;
    }
    if (log->opening != NULL && ks_env_timer_is_set(&log->opening->retry)) {
        ks_env_cancel_timer(log->env, &log->opening->retry);
        opening_free(log->opening);
        log->opening = NULL;
        log->busy--;
    }
    if (log->opening != NULL && !ks_list_is_empty(&log->opening->state_reads)) {
        silence_states(log);
    } else if (log->opening != NULL) {
        ks_opening_silence_dead_logs(log->opening);
    }
}

void
ks_openings_drop(struct ks_log *log)
{
    struct ks_opening *opening = log->opening;
    struct ks_list *node;

    while ((node = ks_list_take_first(&log->openings)) != NULL) {
        opening_free(KS_CONTAINER(node, struct ks_opening, link));
    }
    if (opening == NULL) {
        return;
    }
    ks_moves_drop(&opening->moves);
    ks_env_cancel_timer(log->env, &opening->retry);
    ks_opening_drop_states(opening);
    ks_opening_drop_dead_logs(opening);
    ks_opening_drop_segments(opening);
    opening_free(opening);
    log->opening = NULL;
}

void
ks_openings_hurry(struct ks_log *log)
{
    if (log->opening != NULL && ks_env_timer_is_set(&log->opening->retry)) {
        ks_env_set_timer(log->env, &log->opening->retry, ks_env_now_ms(log->env));
    }
}
