/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The model of the log with bundles: compaction, the trim mark, orphans, and bundles with their
 * registers and their collector. None of them has a state of its own (log_model.h).
 */
#include "model/log_model.h"

/* --- Segments and the mark ------------------------------------------------------------------ */

/* One batch goes to a segment, and compacted_upto rises over it. */
static void
compact(const struct log_state *state, int p, int log, int slot, struct model_search *search)
{
    const struct wal *wal = &state->wals[log];
    int offset = offset_in(wal->content[slot][p]);
    int compacted = state->parts[p].compacted;
    int end = model_obeys(RULE_COMMITTED_ONLY) ? log_model_committed_end(wal) : wal->next;
    struct log_state next = *state;

    if (offset < 0 || slot >= end) {
        return;
    }
    if (offset != compacted && (model_obeys(RULE_COMPARE_COMPACTED) || offset + 1 >= compacted)) {
        return;
    }
    if (offset == compacted) {
        next.parts[p].record[offset] = record_id(log, slot);
    }
    next.parts[p].compacted = (uint8_t) (offset + 1);
    model_reach(search, &next, "compactor: partition %d is compacted up to %d, from %d/%d", p,
                offset + 1, log, slot);
}

/* The mark passes a slot all of whose batches are in segments. */
static void
pass_slot(const struct log_state *state, int log, struct model_search *search)
{
    const struct wal *wal = &state->wals[log];
    int slot = wal->mark;
    struct log_state next = *state;

    if (slot < log_bounds.slots && has(wal->data, slot) &&
        (log_model_is_covered(state, log, slot, slot + 1) || !model_obeys(RULE_MARK_COVERED))) {
        next.wals[log].mark++;
        model_reach(search, &next, "trimmer: the mark of log %d is %d", log, slot + 1);
    }
}

static bool
is_orphan(const struct wal *wal, int slot)
{
    for (int below = 0; below < slot; below++) {
        if (below < wal->mark && model_obeys(RULE_ORPHANS_MARK)) {
            continue;
        }
        if (has(wal->seal, below) ||
            (!has(wal->data, below) && below >= wal->mark && !model_obeys(RULE_ORPHANS_SEALED))) {
            return true;
        }
    }
    return false;
}

static void
collect_slot(const struct log_state *state, int log, int slot, struct model_search *search)
{
    struct log_state next = *state;

    if (has(state->wals[log].data, slot) && is_orphan(&state->wals[log], slot)) {
        take(&next.wals[log].data, slot);
        model_reach(search, &next, "collector: the orphan %d/%d goes", log, slot);
        next = *state;
    }
    if (!has(state->wals[log].seal, slot) || model_obeys(RULE_SEAL_KEPT)) {
        return;
    }
    for (int p = 0; p < log_bounds.partitions; p++) {
        const struct part *part = &state->parts[p];
        for (int k = 0; k <= part->epoch; k++) {
            if (part->owner[k] == log && has(part->active, k) && !has(part->dropped, k)) {
                return;
            }
        }
    }
    take(&next.wals[log].seal, slot);
    model_reach(search, &next, "collector: the seal %d/%d goes", log, slot);
}

void
log_model_background(const struct log_state *state, struct model_search *search)
{
    for (int log = 0; log < log_bounds.logs; log++) {
        pass_slot(state, log, search);
        for (int slot = 0; slot < log_bounds.slots; slot++) {
            collect_slot(state, log, slot, search);
            for (int p = 0; p < log_bounds.partitions; p++) {
                compact(state, p, log, slot, search);
            }
        }
    }
}

/* --- Bundles -------------------------------------------------------------------------------- */

/* A range of slots of a log, and the bundle of them. */
struct bundle {
    int log, first, last, range;
    const struct wal *wal;
};

static bool
is_named_by(const struct wal *wal, const struct bundle *bundle)
{
    return wal->last[bundle->first] == bundle->last + 1 && wal->merge[bundle->first] == 0;
}

static void
send_bundle(const struct log_state *state, const struct bundle *bundle, struct model_search *search)
{
    const struct wal *wal = bundle->wal;
    struct log_state next = *state;
    uint8_t inside = 0;

    if (bundle->first > wal->mark || wal->inside[bundle->range] != 0 ||
        !has(wal->data, bundle->last)) {
        return;
    }
    for (int slot = bundle->first; slot <= bundle->last; slot++) {
        bool is_seal = has(wal->seal, slot);
        if (has(wal->data, slot)) {
            put(&inside, slot);
        } else if (model_obeys(is_seal ? RULE_BUNDLE_NO_SEAL : RULE_BUNDLE_UNBROKEN)) {
            return;
        }
    }
    next.wals[bundle->log].inside[bundle->range] = inside;
    model_reach(search, &next, "bundler: PUT of bundle %d/%d-%d", bundle->log, bundle->first,
                bundle->last);
}

static void
store_has_bundle(const struct log_state *state, const struct bundle *bundle,
                 struct model_search *search)
{
    const struct wal *wal = bundle->wal;
    struct log_state next = *state;

    if (wal->inside[bundle->range] != 0 && !has(wal->bundle, bundle->range)) {
        put(&next.wals[bundle->log].bundle, bundle->range);
        put(&next.wals[bundle->log].bundle_ever, bundle->range);
        model_reach(search, &next, "store: PUT of bundle %d/%d-%d acts", bundle->log, bundle->first,
                    bundle->last);
        next = *state;
    }
    if (has(wal->bundle, bundle->range) && has(wal->bundle_deleted, bundle->range)) {
        take(&next.wals[bundle->log].bundle, bundle->range);
        model_reach(search, &next, "store: DELETE of bundle %d/%d-%d acts", bundle->log,
                    bundle->first, bundle->last);
    }
}

/* One transaction: the register is written and the mark moves, if the bundle begins there. */
static void
register_bundle(const struct log_state *state, const struct bundle *bundle,
                struct model_search *search)
{
    const struct wal *wal = bundle->wal;
    struct log_state next = *state;
    struct wal *after = &next.wals[bundle->log];
    bool is_durable = model_obeys(RULE_BUNDLE_OBJECT_FIRST) ? has(wal->bundle_ever, bundle->range)
                                                            : wal->inside[bundle->range] != 0;
    bool is_named = is_named_by(wal, bundle);
    bool is_at_mark = wal->mark == bundle->first;

    if (!is_durable) {
        return;
    }
    if (!model_obeys(RULE_BUNDLE_ONE_TRANSACTION)) {
        if (is_at_mark) {
            after->mark = (uint8_t) (bundle->last + 1);
            model_reach(search, &next, "bundler: the mark of log %d is %d", bundle->log,
                        after->mark);
            next = *state;
        }
        is_at_mark = wal->mark == bundle->last + 1 && !is_named;
    } else if (!model_obeys(RULE_BUNDLE_COMPARES_MARK)) {
        is_at_mark = !is_named;
    }
    if (is_at_mark) {
        after->last[bundle->first] = (uint8_t) (bundle->last + 1);
        after->merge[bundle->first] = 0;
        after->mark = (uint8_t) (bundle->last + 1);
        model_reach(search, &next, "bundler: bundle %d/%d-%d is registered, the mark is %d",
                    bundle->log, bundle->first, bundle->last, after->mark);
    }
}

/* All batches of the bundle are in segments. */
static void
drop_bundle(const struct log_state *state, const struct bundle *bundle, struct model_search *search)
{
    const struct wal *wal = bundle->wal;
    int end = model_obeys(RULE_BUNDLE_COVERED) ? bundle->last + 1 : bundle->first + 1;
    struct log_state next = *state;

    if (!is_named_by(wal, bundle) ||
        !log_model_is_covered(state, bundle->log, bundle->first, end)) {
        return;
    }
    if (!model_obeys(RULE_BUNDLE_REGISTER_FIRST) && !has(wal->bundle_deleted, bundle->range)) {
        put(&next.wals[bundle->log].bundle_deleted, bundle->range);
        model_reach(search, &next, "collector: DELETE of the covered bundle %d/%d-%d", bundle->log,
                    bundle->first, bundle->last);
        return;
    }
    next.wals[bundle->log].last[bundle->first] = 0;
    model_reach(search, &next, "collector: the register of bundle %d/%d-%d goes", bundle->log,
                bundle->first, bundle->last);
}

/*
 * An object that no register names goes. The mark only rises, and above it no register of this
 * range comes again: in the right order the two reads are as good as one look.
 */
static void
collect_bundle(const struct log_state *state, const struct bundle *bundle,
               struct model_search *search)
{
    const struct wal *wal = bundle->wal;
    struct log_state next = *state;
    bool is_named = is_named_by(wal, bundle);

    if (has(wal->bundle_deleted, bundle->range) || !has(wal->bundle_ever, bundle->range)) {
        return;
    }
    if (!model_obeys(RULE_COLLECT_MARK_FIRST)) {
        if (!is_named && has(wal->bundle, bundle->range) &&
            !has(wal->bundle_unnamed, bundle->range)) {
            put(&next.wals[bundle->log].bundle_unnamed, bundle->range);
            model_reach(search, &next, "collector: no register names bundle %d/%d-%d", bundle->log,
                        bundle->first, bundle->last);
            next = *state;
        }
        is_named = !has(wal->bundle_unnamed, bundle->range);
    }
    if ((is_named && model_obeys(RULE_COLLECT_REGISTER)) ||
        (wal->mark <= bundle->first && model_obeys(RULE_COLLECT_MARK))) {
        return;
    }
    put(&next.wals[bundle->log].bundle_deleted, bundle->range);
    model_reach(search, &next, "collector: DELETE of bundle %d/%d-%d", bundle->log, bundle->first,
                bundle->last);
}

void
log_model_bundles(const struct log_state *state, struct model_search *search)
{
    for (int log = 0; log < log_bounds.logs; log++) {
        for (int first = 0; first < log_bounds.slots; first++) {
            for (int last = first; last < log_bounds.slots; last++) {
                struct bundle bundle = { log, first, last, range_of(first, last),
                                         &state->wals[log] };
                send_bundle(state, &bundle, search);
                store_has_bundle(state, &bundle, search);
                register_bundle(state, &bundle, search);
                drop_bundle(state, &bundle, search);
                collect_bundle(state, &bundle, search);
            }
        }
    }
}
