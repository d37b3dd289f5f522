/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The model of the log with bundles: claiming a partition, sealing and replaying the logs of its
 * chain, and activating it. Anybody may claim at any time, so false suspicion is the normal case.
 */
#include "model/log_model.h"

#include <string.h>

/* One claim while it takes a step. */
struct claimant {
    const struct log_state *state;
    int broker;
    const struct claim *claim;
    const struct part *part;
    int log; /* of the element it is at */
    const struct wal *wal;
};

/* --- Activation ----------------------------------------------------------------------------- */

struct recovery {
    uint8_t record[OFFSETS_MAX];
    int lowest, end;
};

static struct recovery
recover(const struct claimant *who, int p, struct model_search *search)
{
    struct recovery recovery = { .lowest = OFFSETS_MAX };

    for (int log = 0; log < log_bounds.logs; log++) {
        for (int slot = 0; slot < log_bounds.slots; slot++) {
            uint8_t content = who->state->wals[log].content[slot][p];
            int offset = offset_in(content);
            if (!has(who->claim->got[log], slot) || content == 0) {
                continue;
            }
            if (recovery.record[offset] != 0 && offset >= who->part->compacted) {
                model_break(search, "two records of one offset in one recovery");
            }
            recovery.record[offset] = record_id(log, slot);
            recovery.lowest = offset < recovery.lowest ? offset : recovery.lowest;
            recovery.end = offset >= recovery.end ? offset + 1 : recovery.end;
        }
    }
    return recovery;
}

/* What was acknowledged is there, at its offset. */
static void
check_acknowledged(const struct claimant *who, int p, const struct recovery *recovery,
                   int compacted, struct model_search *search)
{
    for (int log = 0; log < log_bounds.logs; log++) {
        const struct wal *wal = &who->state->wals[log];
        for (int slot = 0; slot < wal->next; slot++) {
            int offset = offset_in(wal->content[slot][p]);
            if (!has(wal->acknowledged, slot) || offset < 0) {
                continue;
            }
            if (offset >= recovery->end) {
                model_break(search, "the recovered end is below an acknowledged record");
            } else if (offset >= compacted && recovery->record[offset] != record_id(log, slot)) {
                model_break(search, "an acknowledged record isn't recovered");
            }
        }
    }
}

/* No two recoveries differ, and none has a hole. */
static void
check_recovery(const struct claimant *who, const struct recovery *recovery, int compacted,
               struct model_search *search)
{
    int first = compacted;

    if (!model_obeys(RULE_BELOW_DOES_NOT_COUNT) && recovery->lowest < first) {
        first = recovery->lowest;
    }
    for (int offset = first; offset < recovery->end; offset++) {
        if (recovery->record[offset] == 0) {
            model_break(search, "a hole in what is replayed");
        }
    }
    for (int offset = compacted; offset < recovery->end; offset++) {
        if (who->part->record[offset] != 0 &&
            who->part->record[offset] != recovery->record[offset]) {
            model_break(search, "two recoveries of one offset differ");
        }
    }
    if (recovery->end < who->part->compacted) {
        model_break(search, "the recovered end is below compacted_upto");
    }
}

/* Elements that hold no record from compacted_upto on leave the chain. */
static void
drop_elements(struct part *part, int epoch)
{
    int upper = part->base[epoch];

    for (int k = epoch - 1; k >= 0; k--) {
        if (!has(part->active, k) || part->base[k] >= upper || upper <= part->compacted ||
            !model_obeys(RULE_DROP_EMPTY)) {
            put(&part->dropped, k);
        }
        if (has(part->active, k)) {
            upper = part->base[k];
        }
    }
}

static void
activate(const struct claimant *who, struct log_state *next, struct model_search *search)
{
    int p = who->claim->partition;
    struct part *part = &next->parts[p];
    struct recovery recovery = recover(who, p, search);
    int compacted = part->compacted;

    if (!model_obeys(RULE_REGISTER_AFTER_REPLAY) || !model_obeys(RULE_COMPARE_VERSION)) {
        compacted = who->claim->compacted;
    }
    if (recovery.end < compacted && model_obeys(RULE_END_COMPACTED)) {
        recovery.end = compacted;
    }
    check_recovery(who, &recovery, compacted, search);
    check_acknowledged(who, p, &recovery, compacted, search);
    for (int offset = compacted; offset < recovery.end; offset++) {
        part->record[offset] = recovery.record[offset];
    }
    if (!model_obeys(RULE_COMPARE_VERSION)) {
        part->compacted = (uint8_t) compacted;
    }
    put(&part->active, who->claim->epoch);
    part->base[who->claim->epoch] = (uint8_t) recovery.end;
    drop_elements(part, who->claim->epoch);
}

static void
finish(const struct claimant *who, struct model_search *search)
{
    struct log_state next = *who->state;
    int p = who->claim->partition;

    memset(&next.claims[who->broker], 0, sizeof next.claims[who->broker]);
    if (who->part->epoch != who->claim->epoch && model_obeys(RULE_COMPARE_EPOCH)) {
        model_reach(search, &next, "broker %d: partition %d was claimed by another", who->broker,
                    p);
        return;
    }
    activate(who, &next, search);
    model_reach(search, &next, "broker %d: activates partition %d, epoch %d, base %d", who->broker,
                p, who->claim->epoch, next.parts[p].base[who->claim->epoch]);
}

/* --- Sealing -------------------------------------------------------------------------------- */

static bool
needs_no_replay(const struct claimant *who, int element)
{
    for (int k = element + 1; k < who->claim->epoch; k++) {
        if (has(who->part->active, k) && who->part->base[k] <= who->part->compacted) {
            return true;
        }
    }
    return false;
}

static void
next_element(const struct claimant *who, struct model_search *search)
{
    struct log_state next = *who->state;
    struct claim *claim = &next.claims[who->broker];
    int k = claim->element;

    if (k >= claim->epoch) {
        finish(who, search);
        return;
    }
    if (!has(who->part->active, k) || has(who->part->dropped, k) || needs_no_replay(who, k)) {
        claim->element++;
        model_reach(search, &next, "broker %d: has nothing to replay of epoch %d", who->broker, k);
        return;
    }
    if (who->log >= log_bounds.logs) { /* has no slots: its owner never wrote */
        claim->element++;
        model_reach(search, &next, "broker %d: log %d is empty", who->broker, who->log);
        return;
    }
    if (who->part->closed[k] != 0) {
        claim->end = (uint8_t) (who->part->closed[k] - 1);
        claim->stage = model_obeys(RULE_MARK_BEFORE_REGISTERS) ? CLAIM_MARK : CLAIM_REGISTERS;
        model_reach(search, &next, "broker %d: epoch %d was closed at %d/%d", who->broker, k,
                    who->log, claim->end);
        return;
    }
    claim->end = who->wal->mark;
    claim->stage = CLAIM_PROBE;
    model_reach(search, &next, "broker %d: looks for the end of log %d from %d", who->broker,
                who->log, claim->end);
}

static void
probe(const struct claimant *who, struct model_search *search)
{
    struct log_state next = *who->state;
    struct claim *claim = &next.claims[who->broker];
    struct wal *wal = &next.wals[who->log];
    int slot = claim->end;
    bool is_free = slot < log_bounds.slots && !has(wal->data | wal->seal, slot);

    if (slot < log_bounds.slots && has(wal->data, slot)) {
        claim->end++;
        model_reach(search, &next, "broker %d: %d/%d is data", who->broker, who->log, slot);
        return;
    }
    if (is_free && model_obeys(RULE_SEAL) && !has(wal->seal_sent, slot)) {
        put(&wal->seal_sent, slot);
        model_reach(search, &next, "broker %d: PUT of a seal at %d/%d, no answer", who->broker,
                    who->log, slot);
        next = *who->state;
    }
    if (is_free && model_obeys(RULE_SEAL)) {
        put(&wal->seal_sent, slot);
        put(&wal->seal, slot);
    }
    claim->stage = CLAIM_VALIDATE;
    model_reach(search, &next, "broker %d: log %d ends at %d%s", who->broker, who->log, slot,
                is_free && model_obeys(RULE_SEAL) ? ", sealed" : "");
}

static void
validate(const struct claimant *who, struct model_search *search)
{
    struct log_state next = *who->state;
    struct claim *claim = &next.claims[who->broker];

    if (who->wal->mark > claim->end && model_obeys(RULE_MARK_AFTER_SEAL)) {
        claim->stage = CLAIM_ELEMENT;
        claim->end = 0;
        model_reach(search, &next, "broker %d: the mark passed the seal, which is void",
                    who->broker);
        return;
    }
    for (int slot = claim->end; slot < log_bounds.slots && !model_obeys(RULE_REPLAY_TO_SEAL);
         slot++) {
        if (has(who->wal->data, slot)) {
            claim->end = (uint8_t) (slot + 1);
        }
    }
    claim->stage = model_obeys(RULE_MARK_BEFORE_REGISTERS) ? CLAIM_MARK : CLAIM_REGISTERS;
    model_reach(search, &next, "broker %d: the seal of log %d holds", who->broker, who->log);
}

/* --- Replay --------------------------------------------------------------------------------- */

/* What a register names, among all that registers may name. */
static int
named_thing(const struct claim *claim, int first)
{
    return claim->merge[first] > 0 ? RANGES_MAX + claim->merge[first] - 1
                                   : range_of(first, claim->last[first] - 1);
}

static bool
is_registered(const struct claim *claim, int thing)
{
    for (int first = 0; first < log_bounds.slots; first++) {
        if (claim->last[first] != 0 && named_thing(claim, first) == thing) {
            return true;
        }
    }
    return false;
}

/* Mark and registers are read; if something was missing before, they must explain it. */
static void
begin_reading(struct claim *claim, struct model_search *search)
{
    int missed = claim->missed - 1;

    claim->stage = CLAIM_READ;
    claim->missed = 0;
    if (missed >= SLOTS_MAX ? is_registered(claim, missed - SLOTS_MAX)
                            : missed >= 0 && missed >= claim->mark && missed < claim->end) {
        model_break(search, "something is missing and nothing explains it");
    }
}

/* One's own log, of which a part was given away, is no business of others. */
static void
tell_of_reader(const struct claimant *who, struct log_state *next, enum log_rule rule, bool is_on)
{
    if (log_bounds.has_merges && who->log != who->broker && model_obeys((int) rule) == is_on) {
        next->wals[who->log].has_readers = true;
    }
}

static void
read_mark(const struct claimant *who, struct model_search *search)
{
    struct log_state next = *who->state;
    struct claim *claim = &next.claims[who->broker];
    bool is_last = !model_obeys(RULE_MARK_BEFORE_REGISTERS) ||
                   (!model_obeys(RULE_READ_REGISTERS_AGAIN) && claim->missed != 0);

    claim->mark = who->wal->mark;
    if (is_last) {
        begin_reading(claim, search);
    } else {
        claim->stage = CLAIM_REGISTERS;
    }
    model_reach(search, &next, "broker %d: the mark of log %d is %d", who->broker, who->log,
                claim->mark);
}

static bool
has_bundles(const struct wal *wal)
{
    for (int first = 0; first < log_bounds.slots; first++) {
        if (wal->last[first] != 0) {
            return true;
        }
    }
    return false;
}

/* Where there are bundles the log is told of its reader first, and they are read after that. */
static void
read_registers(const struct claimant *who, struct model_search *search)
{
    struct log_state next = *who->state;
    struct claim *claim = &next.claims[who->broker];

    if (has_bundles(who->wal) && !who->wal->has_readers) {
        tell_of_reader(who, &next, RULE_READER_FIRST, true);
    }
    if (next.wals[who->log].has_readers != who->wal->has_readers) {
        model_reach(search, &next, "broker %d: says that it reads log %d", who->broker, who->log);
        return;
    }
    memcpy(claim->last, who->wal->last, sizeof claim->last);
    memcpy(claim->merge, who->wal->merge, sizeof claim->merge);
    if (model_obeys(RULE_MARK_BEFORE_REGISTERS)) {
        begin_reading(claim, search);
    } else {
        claim->stage = CLAIM_MARK;
    }
    model_reach(search, &next, "broker %d: reads the bundle registers of log %d", who->broker,
                who->log);
}

/* What was to be read isn't there: mark and registers tell why. */
static void
miss(struct claim *claim, int what, struct model_search *search)
{
    bool is_registers =
        !model_obeys(RULE_READ_MARK_AGAIN) || !model_obeys(RULE_MARK_BEFORE_REGISTERS);

    if (!model_obeys(RULE_READ_AGAIN)) {
        model_break(search, "an alarm for what a second look would explain");
    }
    claim->missed = (uint8_t) (what + 1);
    claim->stage = is_registers ? CLAIM_REGISTERS : CLAIM_MARK;
}

static void
read_slot(const struct claimant *who, int slot, struct model_search *search)
{
    struct log_state next = *who->state;
    struct claim *claim = &next.claims[who->broker];

    if (has(who->wal->data, slot)) {
        put(&claim->got[who->log], slot);
        model_reach(search, &next, "broker %d: reads %d/%d", who->broker, who->log, slot);
        return;
    }
    if (has(who->wal->seal, slot) && !model_obeys(RULE_SEAL_BELOW_END)) {
        claim->end = (uint8_t) slot;
    } else {
        miss(claim, slot, search);
    }
    model_reach(search, &next, "broker %d: %d/%d is %s", who->broker, who->log, slot,
                has(who->wal->seal, slot) ? "a seal" : "gone");
}

static void
read_bundle(const struct claimant *who, int first, struct model_search *search)
{
    struct log_state next = *who->state;
    struct claim *claim = &next.claims[who->broker];
    uint8_t last = claim->last[first];

    if (log_model_is_stored(who->wal, first, last, claim->merge[first])) {
        claim->got[who->log] |= log_model_inside(who->wal, first, last, claim->merge[first]);
        model_reach(search, &next, "broker %d: reads bundle %d/%d-%d", who->broker, who->log, first,
                    claim->last[first] - 1);
        return;
    }
    miss(claim, SLOTS_MAX + named_thing(claim, first), search);
    model_reach(search, &next, "broker %d: bundle %d/%d-%d is gone", who->broker, who->log, first,
                claim->last[first] - 1);
}

/* What is in the bundles stays there: the new owner reads it when it is asked for. */
static void
hold(const struct claimant *who, struct log_state *next)
{
    for (int first = 0; first < log_bounds.slots && log_bounds.has_merges; first++) {
        bool is_read = first < who->claim->mark && who->log != who->broker;
        next->held[who->broker][who->log][first] =
            is_read ? register_value(who->claim->last[first], who->claim->merge[first]) : 0;
    }
}

static void
read_objects(const struct claimant *who, struct model_search *search)
{
    const struct claim *claim = who->claim;
    struct log_state next = *who->state;
    uint8_t got = claim->got[who->log];
    bool is_done = true;

    for (int slot = claim->mark; slot < claim->end; slot++) {
        if (!has(got, slot)) {
            is_done = false;
            read_slot(who, slot, search);
        }
    }
    for (int first = 0; first < log_bounds.slots && first < claim->mark; first++) {
        if (claim->last[first] != 0 &&
            (log_model_inside(who->wal, first, claim->last[first], claim->merge[first]) & ~got) !=
                0) {
            is_done = false;
            read_bundle(who, first, search);
        }
    }
    if (is_done) {
        struct claim *after = &next.claims[who->broker];
        after->element++;
        after->stage = CLAIM_ELEMENT;
        after->end = after->mark = 0;
        tell_of_reader(who, &next, RULE_READER_FIRST, false);
        hold(who, &next);
        memset(after->last, 0, sizeof after->last);
        memset(after->merge, 0, sizeof after->merge);
        model_reach(search, &next, "broker %d: has read log %d", who->broker, who->log);
    }
}

/* --- Claims --------------------------------------------------------------------------------- */

static bool
has_claimed(const struct log_state *state, int broker)
{
    for (int p = 0; p < log_bounds.partitions; p++) {
        for (int epoch = 0; epoch <= state->parts[p].epoch; epoch++) {
            if (state->parts[p].owner[epoch] == broker) {
                return true;
            }
        }
    }
    return false;
}

/* One's own live log is never sealed: the partition is released first. */
static bool
may_claim(const struct log_state *state, int broker, const struct part *part)
{
    if (part->epoch + 1 >= log_bounds.epochs) {
        return false;
    }
    for (int k = 0; k <= part->epoch; k++) {
        if (part->owner[k] == broker && has(part->active, k) && !has(part->dropped, k) &&
            part->closed[k] == 0) {
            return false;
        }
    }
    /* Brokers that did nothing yet are alike: the first of them stands for all. */
    return broker < 2 || has_claimed(state, broker) || has_claimed(state, broker - 1);
}

/* Each part of a log that the chain names was closed, and trimmed to its end without bundles. */
static bool
is_all_compacted(const struct claimant *who)
{
    for (int k = 0; k < who->claim->epoch; k++) {
        int log = who->part->owner[k];
        const struct wal *wal = log < log_bounds.logs ? &who->state->wals[log] : NULL;

        if (!has(who->part->active, k) || has(who->part->dropped, k) || needs_no_replay(who, k) ||
            wal == NULL) {
            continue;
        }
        if ((who->part->closed[k] == 0 && model_obeys(RULE_AT_ONCE_CLOSED)) ||
            (wal->mark < who->part->closed[k] - 1 && model_obeys(RULE_AT_ONCE_TRIMMED)) ||
            (has_bundles(wal) && model_obeys(RULE_AT_ONCE_UNBUNDLED))) {
            return false;
        }
    }
    return true;
}

/* Claimed and activated in one transaction: whatever it relies on doesn't change any more. */
static void
claim_at_once(const struct log_state *state, int broker, int p, struct model_search *search)
{
    struct log_state next = *state;
    struct part *part = &next.parts[p];
    struct claim claim = { .partition = (uint8_t) p, .epoch = (uint8_t) (part->epoch + 1) };
    const struct claimant who = {
        .state = state, .broker = broker, .claim = &claim, .part = &state->parts[p]
    };

    claim.compacted = part->compacted;
    if (!may_claim(state, broker, part) || !is_all_compacted(&who)) {
        return;
    }
    part->epoch++;
    part->owner[part->epoch] = (uint8_t) broker;
    activate(&who, &next, search);
    model_seldom(search);
    model_reach(search, &next, "broker %d: claims and activates partition %d, epoch %d", broker, p,
                part->epoch);
}

static void
begin(const struct log_state *state, int broker, int p, struct model_search *search)
{
    struct log_state next = *state;
    struct part *part = &next.parts[p];
    struct claim *claim = &next.claims[broker];

    if (!may_claim(state, broker, part)) {
        return;
    }
    part->epoch++;
    part->owner[part->epoch] = (uint8_t) broker;
    *claim =
        (struct claim){ .stage = CLAIM_ELEMENT, .partition = (uint8_t) p, .epoch = part->epoch };
    if (!model_obeys(RULE_REGISTER_AFTER_REPLAY) || !model_obeys(RULE_COMPARE_VERSION)) {
        claim->compacted = part->compacted;
    }
    while (!model_obeys(RULE_WHOLE_CHAIN) && part->active >> (claim->element + 1) != 0) {
        claim->element++;
    }
    model_seldom(search);
    model_reach(search, &next, "broker %d: claims partition %d, epoch %d", broker, p, part->epoch);
}

static void
go_on(const struct log_state *state, int broker, struct model_search *search)
{
    const struct claim *claim = &state->claims[broker];
    const struct part *part = &state->parts[claim->partition];
    int log = claim->element < claim->epoch ? part->owner[claim->element] : 0;
    const struct claimant who = { .state = state,
                                  .broker = broker,
                                  .claim = claim,
                                  .part = part,
                                  .log = log,
                                  .wal = log < log_bounds.logs ? &state->wals[log] : NULL };
    static void (*const stages[])(const struct claimant *, struct model_search *) = {
        [CLAIM_ELEMENT] = next_element,     [CLAIM_PROBE] = probe,
        [CLAIM_VALIDATE] = validate,        [CLAIM_MARK] = read_mark,
        [CLAIM_REGISTERS] = read_registers, [CLAIM_READ] = read_objects,
    };

    stages[claim->stage](&who, search);
}

void
log_model_claims(const struct log_state *state, struct model_search *search)
{
    for (int broker = 0; broker < log_bounds.brokers; broker++) {
        if (state->claims[broker].stage != CLAIM_NONE) {
            go_on(state, broker, search);
            continue;
        }
        for (int p = 0; p < log_bounds.partitions; p++) {
            begin(state, broker, p, search);
            claim_at_once(state, broker, p, search);
        }
    }
}
