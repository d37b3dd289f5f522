/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The model of the log with bundles: merged bundles. The owner of a log makes one attempt after the
 * other; the transaction of each may come at any time, until it can't happen any more.
 */
#include "model/log_model.h"

/* An attempt to merge the bundles of a range of slots. */
struct merge {
    int log, first, last, range, attempt, number;
    const struct wal *wal;
};

static bool
is_begun(const struct wal *wal, int number)
{
    return wal->merge_inside[number] != 0;
}

/* One at a time. */
static bool
has_live_attempt(const struct wal *wal)
{
    for (int number = 0; number < MERGES_MAX; number++) {
        if (is_begun(wal, number) && !has(wal->merge_over, number)) {
            return true;
        }
    }
    return false;
}

/* The registers of the range, which begin with its first slot and end with its last. */
static bool
find_inputs(const struct merge *merge, uint8_t inputs[SLOTS_MAX], uint8_t *inside_out)
{
    const struct wal *wal = merge->wal;
    uint8_t end = 0;
    int count = 0;

    *inside_out = 0;
    for (int first = merge->first; first <= merge->last; first++) {
        uint8_t last = wal->last[first];
        if (last == 0) {
            continue;
        }
        if (!log_model_is_stored(wal, first, last, wal->merge[first])) {
            return false;
        }
        inputs[first] = register_value(last, wal->merge[first]);
        if (count == 0 || model_obeys(RULE_MERGE_KEEPS_NEEDED)) {
            *inside_out |= log_model_inside(wal, first, last, wal->merge[first]);
        }
        end = last;
        count++;
    }
    return count > 1 && wal->last[merge->first] != 0 && end == merge->last + 1;
}

static void
begin(const struct log_state *state, const struct merge *merge, struct model_search *search)
{
    const struct wal *wal = merge->wal;
    struct log_state next = *state;
    struct wal *after = &next.wals[merge->log];
    uint8_t inputs[SLOTS_MAX] = { 0 };
    uint8_t inside;

    if (is_begun(wal, merge->number) || has_live_attempt(wal) ||
        (merge->attempt > 0 && !is_begun(wal, merge->number - 1)) ||
        !find_inputs(merge, inputs, &inside)) {
        return;
    }
    for (int slot = 0; slot < log_bounds.slots; slot++) {
        if (log_model_is_covered(state, merge->log, slot, slot + 1)) {
            take(&inside, slot);
        }
        after->merge_inputs[merge->number][slot] = inputs[slot];
    }
    if (inside == 0) {
        return;
    }
    after->merge_inside[merge->number] = inside;
    model_reach(search, &next, "merger: PUT of the merged bundle %d/%d-%d, attempt %d", merge->log,
                merge->first, merge->last, merge->attempt);
}

/* Whether a DELETE of this name was sent; it acts on whatever has the name. */
static bool
is_deleted(const struct merge *merge)
{
    const struct wal *wal = merge->wal;

    return (wal->merged_deleted >> merge->number & 1) != 0 ||
           (!model_obeys(RULE_MERGE_NEW_NAME) && merge->attempt > 0 &&
            (wal->merged_deleted >> (merge->number - 1) & 1) != 0);
}

static void
store_acts(const struct log_state *state, const struct merge *merge, struct model_search *search)
{
    struct log_state next = *state;
    struct wal *after = &next.wals[merge->log];
    uint16_t bit = (uint16_t) (1u << merge->number);

    if (is_begun(merge->wal, merge->number) && (merge->wal->merged & bit) == 0) {
        after->merged |= bit;
        after->merged_ever |= bit;
        model_reach(search, &next, "store: PUT of the merged bundle %d/%d-%d, attempt %d, acts",
                    merge->log, merge->first, merge->last, merge->attempt);
        next = *state;
    }
    if ((merge->wal->merged & bit) != 0 && is_deleted(merge)) {
        after->merged &= (uint16_t) ~bit;
        model_reach(search, &next, "store: DELETE of the merged bundle %d/%d-%d, attempt %d, acts",
                    merge->log, merge->first, merge->last, merge->attempt);
    }
}

/* What the transaction compares is as it was when the attempt began. */
static bool
may_happen(const struct merge *merge)
{
    const struct wal *wal = merge->wal;

    if (wal->has_readers && model_obeys(RULE_MERGE_READERS)) {
        return false;
    }
    for (int slot = 0; slot < log_bounds.slots; slot++) {
        uint8_t wanted = wal->merge_inputs[merge->number][slot];
        bool is_first = slot == merge->first;
        uint8_t now = register_value(wal->last[slot], wal->merge[slot]);
        bool may_be_gone = !is_first && !model_obeys(RULE_MERGE_ONE_TRANSACTION);
        if (wanted != 0 && now != wanted && !(may_be_gone && now == 0) &&
            model_obeys(RULE_MERGE_COMPARES)) {
            return false;
        }
    }
    return true;
}

static void
commit(const struct log_state *state, const struct merge *merge, struct model_search *search)
{
    const struct wal *wal = merge->wal;
    struct log_state next = *state;
    struct wal *after = &next.wals[merge->log];
    bool is_durable = (wal->merged_ever >> merge->number & 1) != 0;
    bool is_split = false;

    if (!is_begun(wal, merge->number) || (wal->merge_over >> merge->number & 1) != 0 ||
        (!is_durable && model_obeys(RULE_MERGE_OBJECT_FIRST)) || !may_happen(merge)) {
        return;
    }
    for (int slot = merge->first; slot <= merge->last; slot++) {
        is_split |= slot > merge->first && after->last[slot] != 0;
        if (slot > merge->first) {
            after->last[slot] = 0;
            after->merge[slot] = 0;
        }
    }
    if (is_split && !model_obeys(RULE_MERGE_ONE_TRANSACTION)) {
        model_reach(search, &next, "merger: the registers after %d/%d go", merge->log,
                    merge->first);
        return;
    }
    after->last[merge->first] = (uint8_t) (merge->last + 1);
    after->merge[merge->first] = (uint8_t) (merge->number + 1);
    after->merge_over |= (uint16_t) (1u << merge->number);
    model_reach(search, &next, "merger: the merged bundle %d/%d-%d, attempt %d, is registered",
                merge->log, merge->first, merge->last, merge->attempt);
}

/* It was refused, or not sent: it can't happen any more, and what was made goes. */
static void
give_up(const struct log_state *state, const struct merge *merge, struct model_search *search)
{
    struct log_state next = *state;
    struct wal *after = &next.wals[merge->log];
    uint16_t bit = (uint16_t) (1u << merge->number);

    if (is_begun(merge->wal, merge->number) && (merge->wal->merge_over & bit) == 0) {
        after->merge_over |= bit;
        after->merged_deleted |= bit;
        model_reach(search, &next, "merger: gives up %d/%d-%d, attempt %d", merge->log,
                    merge->first, merge->last, merge->attempt);
    }
}

static bool
is_named_by(const struct merge *merge)
{
    return merge->wal->merge[merge->first] == merge->number + 1;
}

static void
drop(const struct log_state *state, const struct merge *merge, struct model_search *search)
{
    struct log_state next = *state;

    if (is_named_by(merge) &&
        log_model_is_covered(state, merge->log, merge->first, merge->last + 1)) {
        next.wals[merge->log].last[merge->first] = 0;
        next.wals[merge->log].merge[merge->first] = 0;
        model_reach(search, &next, "collector: the register of the merged bundle %d/%d-%d goes",
                    merge->log, merge->first, merge->last);
    }
}

/* Its transaction needs the register of the first slot as that was, with fewer slots. */
static void
collect(const struct log_state *state, const struct merge *merge, struct model_search *search)
{
    const struct wal *wal = merge->wal;
    struct log_state next = *state;
    uint16_t bit = (uint16_t) (1u << merge->number);
    uint8_t last = wal->last[merge->first];

    if ((wal->merged_ever & bit) == 0 || (wal->merged_deleted & bit) != 0 || is_named_by(merge) ||
        wal->mark <= merge->first ||
        (last != 0 && last < merge->last + 1 && model_obeys(RULE_MERGE_ORPHANS))) {
        return;
    }
    next.wals[merge->log].merged_deleted |= bit;
    model_reach(search, &next, "collector: DELETE of the merged bundle %d/%d-%d, attempt %d",
                merge->log, merge->first, merge->last, merge->attempt);
}

/* What only somebody does who breaks a rule. */
static void
misbehave(const struct log_state *state, const struct merge *merge, struct model_search *search)
{
    const struct wal *wal = merge->wal;
    struct log_state next = *state;
    struct wal *after = &next.wals[merge->log];

    if (model_obeys(RULE_MERGE_INPUTS_LAST) || (wal->merged >> merge->number & 1) == 0 ||
        (wal->merge_over >> merge->number & 1) != 0) {
        return;
    }
    for (int first = merge->first; first <= merge->last; first++) {
        uint8_t input = wal->merge_inputs[merge->number][first];
        if (input != 0 && input >> 3 == 0) {
            put(&after->bundle_deleted, range_of(first, (input & 7) - 1));
        }
    }
    model_reach(search, &next, "merger: DELETE of what is merged to %d/%d-%d", merge->log,
                merge->first, merge->last);
}

void
log_model_merges(const struct log_state *state, struct model_search *search)
{
    for (int log = 0; log < log_bounds.logs; log++) {
        for (int first = 0; first < log_bounds.slots; first++) {
            for (int last = first + 1; last < log_bounds.slots; last++) {
                for (int attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
                    int range = range_of(first, last);
                    struct merge merge = { log,
                                           first,
                                           last,
                                           range,
                                           attempt,
                                           merge_of(range, attempt),
                                           &state->wals[log] };
                    begin(state, &merge, search);
                    store_acts(state, &merge, search);
                    commit(state, &merge, search);
                    give_up(state, &merge, search);
                    drop(state, &merge, search);
                    collect(state, &merge, search);
                    misbehave(state, &merge, search);
                }
            }
        }
    }
}
