/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The model of the log with bundles: its rules, its bounds, what it promises in every state, and
 * what the store and the owners of partitions do.
 */
#include "model/log_model.h"

#include <string.h>

struct log_bounds log_bounds;

static const char *const bound_names[] = { "brokers",  "logs",    "slots",  "partitions", "epochs",
                                           "releases", "bundles", "merges", NULL };

static const struct model_rule rules[] = {
    [RULE_PREFIX] = { "prefix-acknowledged", "an object counts although an earlier one may not",
                      NULL },
    [RULE_FROZEN] = { "bytes-frozen", "after a time-out other bytes go to the same slot", NULL },
    [RULE_PUT_IF_ABSENT] = { "slot-put-if-absent", "a PUT of a slot replaces what is there", NULL },
    [RULE_LOOK] = { "look-on-412", "a 412 counts as success", NULL },
    [RULE_NEW_INCARNATION] = { "new-incarnation",
                               "a restarted broker goes on in the log where that seems to end",
                               NULL },
    [RULE_SEAL] = { "seal", "a log ends at its first free slot, which stays free", NULL },
    [RULE_SEAL_KEPT] = { "seal-kept", "a seal goes when no chain names its log", NULL },
    [RULE_MARK_AFTER_SEAL] = { "mark-after-seal", "a seal holds wherever the mark is", "one log" },
    [RULE_WHOLE_CHAIN] = { "whole-chain", "only the last activated element is recovered",
                           "two logs" },
    [RULE_DROP_EMPTY] = { "drop-empty-elements", "activation drops elements that hold records",
                          "two logs" },
    [RULE_DRAIN] = { "drain-before-release", "a closed end is written while PUTs are under way",
                     NULL },
    [RULE_REPLAY_TO_SEAL] = { "replay-to-the-end", "replay takes what lies above the seal", NULL },
    [RULE_REGISTER_AFTER_REPLAY] = { "register-after-replay",
                                     "compacted_upto is read before the replay only", "one log" },
    [RULE_COMPARE_VERSION] = { "compare-version",
                               "activation writes back what was read at the claim", "one log" },
    [RULE_COMPARE_EPOCH] = { "compare-epoch", "activation doesn't compare its epoch", "two logs" },
    [RULE_MARK_BEFORE_REGISTERS] = { "mark-then-registers",
                                     "replay reads the registers before the mark", "one log" },
    [RULE_READ_AGAIN] = { "reread-on-404", "a 404 is an alarm at once", "one log" },
    [RULE_READ_MARK_AGAIN] = { "reread-mark", "after a 404 only the registers are read again",
                               "one log" },
    [RULE_READ_REGISTERS_AGAIN] = { "reread-registers", "after a 404 only the mark is read again",
                                    "one log" },
    [RULE_SEAL_BELOW_END] = { "seal-below-end", "a seal below the end ends the replay", "one log" },
    [RULE_END_COMPACTED] = { "end-at-least-compacted", "the recovered end is the replayed one",
                             "one log" },
    [RULE_BELOW_DOES_NOT_COUNT] = { "below-does-not-count",
                                    "batches below compacted_upto must join, too", "one log" },
    [RULE_COMMITTED_ONLY] = { "committed-only", "compaction takes what isn't committed", NULL },
    [RULE_COMPARE_COMPACTED] = { "compare-compacted", "compacted_upto is written unseen",
                                 "one log" },
    [RULE_MARK_COVERED] = { "mark-passes-covered", "the mark passes slots that nothing covers",
                            "one log" },
    [RULE_MARK_BEFORE_DELETE] = { "mark-before-delete",
                                  "slots go when they are covered, or their bundle is durable",
                                  "one log" },
    [RULE_ORPHANS_SEALED] = { "orphans-above-a-seal", "data above a gap is an orphan", NULL },
    [RULE_ORPHANS_MARK] = { "orphans-above-the-mark",
                            "data above a seal is an orphan wherever the mark is", "one log" },
    [RULE_BUNDLE_UNBROKEN] = { "bundle-unbroken", "a bundle leaves out slots not yet there",
                               "one log" },
    [RULE_BUNDLE_NO_SEAL] = { "bundle-no-seal", "the run of a bundle goes over a seal", "one log" },
    [RULE_BUNDLE_OBJECT_FIRST] = { "bundle-object-first",
                                   "the register is written before the object is durable",
                                   "one log" },
    [RULE_BUNDLE_COMPARES_MARK] = { "bundle-compares-mark",
                                    "the register is written wherever the mark is", "one log" },
    [RULE_BUNDLE_ONE_TRANSACTION] = { "bundle-one-transaction",
                                      "the mark moves before the register is written", "one log" },
    [RULE_BUNDLE_COVERED] = { "bundle-covered", "a bundle goes when its first slot is covered",
                              "one log" },
    [RULE_BUNDLE_REGISTER_FIRST] = { "bundle-register-goes-first",
                                     "the object of a covered bundle goes before its register",
                                     "one log" },
    [RULE_COLLECT_MARK] = { "collector-reads-mark", "a bundle without register goes at once",
                            "one log" },
    [RULE_COLLECT_REGISTER] = { "collector-reads-register",
                                "a bundle below the mark goes, registered or not", "one log" },
    [RULE_COLLECT_MARK_FIRST] = { "collector-mark-then-register",
                                  "the collector reads the register before the mark", "one log" },
    [RULE_MERGE_OBJECT_FIRST] = { "merge-object-first",
                                  "the register is written before the merged object is durable",
                                  "merges" },
    [RULE_MERGE_COMPARES] = { "merge-compares", "the register is written whatever the others are",
                              "merges" },
    [RULE_MERGE_ONE_TRANSACTION] = { "merge-one-transaction",
                                     "the registers that are merged go before", "merges" },
    [RULE_MERGE_INPUTS_LAST] = { "merge-inputs-last",
                                 "what is merged goes before the register is written", "merges" },
    [RULE_MERGE_KEEPS_NEEDED] = { "merge-keeps-needed", "a merge leaves out what is needed",
                                  "merges" },
    [RULE_MERGE_NEW_NAME] = { "merge-new-name", "another attempt uses the name of the one before",
                              "merges" },
    [RULE_MERGE_ORPHANS] = { "merge-orphans", "what a merge has left goes by the mark alone",
                             "merges" },
    [RULE_MERGE_READERS] = { "merge-compares-readers", "a log is merged that others have read",
                             "merges" },
    [RULE_READER_FIRST] = { "reader-then-registers",
                            "a reader tells of itself after it has read the registers", "merges" },
    [RULE_AT_ONCE_CLOSED] = { "at-once-closed", "activates at once beside a log with an open end",
                              "two logs" },
    [RULE_AT_ONCE_TRIMMED] = { "at-once-trimmed", "activates at once beside a log with slots",
                               "two logs" },
    [RULE_AT_ONCE_UNBUNDLED] = { "at-once-unbundled", "activates at once beside a log with bundles",
                                 "two logs" },
    { NULL, NULL, NULL },
};

/* brokers, logs, slots, partitions, epochs, releases, bundles, merges */
static const struct model_run runs[] = {
    { "no bundles", false, { 3, 2, 2, 1, 3, 1, 0 }, 1500000, 0, 0 },
    { "one log", false, { 3, 1, 2, 1, 3, 0, 1 }, 1500000, 0, 0 },
    { "two logs", false, { 3, 2, 1, 1, 3, 1, 1 }, 0, 0, 0 },
    { "merges", false, { 2, 1, 2, 1, 2, 0, 1, 1 }, 1500000, 0, 0 },
    { "walks", false, { 4, 3, 3, 2, 4, 1, 1, 1 }, 0, 1000, 300 },
    { "no bundles, more", true, { 3, 2, 2, 1, 3, 1, 0 }, 30000000, 0, 0 },
    { "one log of two epochs", false, { 2, 1, 2, 1, 2, 0, 1 }, 0, 0, 0 },
    { "two short logs, two partitions", true, { 2, 2, 1, 2, 2, 1, 1 }, 30000000, 0, 0 },
    { "one log, more", true, { 3, 1, 2, 1, 3, 0, 1 }, 30000000, 0, 0 },
    { "one long log", true, { 3, 1, 3, 1, 2, 0, 1 }, 30000000, 0, 0 },
    { "one log of two partitions", true, { 3, 1, 2, 2, 2, 0, 1 }, 30000000, 0, 0 },
    { "two logs of two partitions", true, { 3, 2, 1, 2, 3, 1, 1 }, 30000000, 0, 0 },
    { "two epochs", true, { 2, 2, 2, 1, 2, 1, 1 }, 30000000, 0, 0 },
    { "merges, more", true, { 2, 1, 2, 1, 2, 0, 1, 1 }, 30000000, 0, 0 },
    { "merges of a long log", true, { 2, 1, 3, 1, 2, 0, 1, 1 }, 30000000, 0, 0 },
    { "long walks", true, { 4, 3, 3, 2, 4, 1, 1, 1 }, 0, 50000, 400 },
    { NULL, false, { 0 }, 0, 0, 0 },
};

/* --- What must hold in every state ---------------------------------------------------------- */

bool
log_model_is_covered(const struct log_state *state, int log, int first, int end)
{
    for (int slot = first; slot < end; slot++) {
        for (int p = 0; p < log_bounds.partitions; p++) {
            uint8_t content = state->wals[log].content[slot][p];
            if (content != 0 && offset_in(content) >= state->parts[p].compacted) {
                return false;
            }
        }
    }
    return true;
}

int
log_model_committed_end(const struct wal *wal)
{
    int slot = 0;

    while (slot < log_bounds.slots && has(wal->ever, slot)) {
        slot++;
    }
    return slot;
}

bool
log_model_is_stored(const struct wal *wal, int first, uint8_t last, uint8_t merge)
{
    return merge > 0 ? has(wal->merged, merge - 1) : has(wal->bundle, range_of(first, last - 1));
}

uint8_t
log_model_inside(const struct wal *wal, int first, uint8_t last, uint8_t merge)
{
    return merge > 0 ? wal->merge_inside[merge - 1] : wal->inside[range_of(first, last - 1)];
}

static bool
is_in_a_bundle(const struct wal *wal, int slot)
{
    for (int first = 0; first <= slot; first++) {
        uint8_t last = wal->last[first];
        if (last > slot && log_model_is_stored(wal, first, last, wal->merge[first]) &&
            has(log_model_inside(wal, first, last, wal->merge[first]), slot)) {
            return true;
        }
    }
    return false;
}

/* Whoever has read registers refers to what they named, as long as something in it is needed. */
static bool
is_held_there(const struct log_state *state, int broker, int log)
{
    for (int first = 0; first < log_bounds.slots; first++) {
        uint8_t held = state->held[broker][log][first];
        if (held != 0 && !log_model_is_stored(&state->wals[log], first, held & 7, held >> 3) &&
            !log_model_is_covered(state, log, first, held & 7)) {
            return false;
        }
    }
    return true;
}

/* Every acknowledged record can be come to. */
static const char *
broken(const void *any)
{
    const struct log_state *state = any;

    for (int log = 0; log < log_bounds.logs; log++) {
        const struct wal *wal = &state->wals[log];
        for (int slot = 0; slot < wal->next; slot++) {
            if (has(wal->acknowledged, slot) && !log_model_is_covered(state, log, slot, slot + 1) &&
                !(has(wal->data, slot) && slot >= wal->mark) && !is_in_a_bundle(wal, slot)) {
                return "an acknowledged record is in no slot, bundle or segment";
            }
        }
    }
    for (int broker = 0; broker < log_bounds.brokers; broker++) {
        for (int log = 0; log < log_bounds.logs; log++) {
            if (!is_held_there(state, broker, log)) {
                return "a bundle is gone that a broker refers to";
            }
        }
    }
    return NULL;
}

/* --- The store ------------------------------------------------------------------------------ */

static bool
is_deleted(const struct log_state *state, int log, int slot)
{
    const struct wal *wal = &state->wals[log];

    if (slot < wal->mark) {
        return true;
    }
    if (model_obeys(RULE_MARK_BEFORE_DELETE)) {
        return false;
    }
    for (int first = 0; first <= slot; first++) {
        for (int last = slot; last < log_bounds.slots; last++) {
            if (has(wal->bundle_ever, range_of(first, last))) {
                return true;
            }
        }
    }
    return has(wal->ever, slot) && log_model_is_covered(state, log, slot, slot + 1);
}

static void
store_puts_data(const struct log_state *state, int log, int slot, bool is_other,
                struct model_search *search)
{
    const struct wal *wal = &state->wals[log];
    struct log_state next = *state;

    if (slot >= wal->next || (is_other && !has(wal->other, slot))) {
        return;
    }
    if (model_obeys(RULE_PUT_IF_ABSENT) && (has(wal->data, slot) || has(wal->seal, slot))) {
        return;
    }
    take(&next.wals[log].seal, slot);
    put(&next.wals[log].data, slot);
    put(&next.wals[log].ever, slot);
    take(&next.wals[log].other_stored, slot);
    if (is_other) {
        put(&next.wals[log].other_stored, slot);
    }
    model_reach(search, &next, "store: PUT of slot %d/%d%s acts", log, slot,
                is_other ? " with other bytes" : "");
}

static void
store_acts(const struct log_state *state, int log, int slot, struct model_search *search)
{
    const struct wal *wal = &state->wals[log];
    struct log_state next = *state;

    store_puts_data(state, log, slot, false, search);
    store_puts_data(state, log, slot, true, search);
    if (has(wal->seal_sent, slot) && !has(wal->data | wal->seal, slot)) {
        put(&next.wals[log].seal, slot);
        model_reach(search, &next, "store: PUT of a seal at %d/%d acts", log, slot);
        next = *state;
    }
    if (has(wal->data | wal->seal, slot) && is_deleted(state, log, slot)) {
        take(&next.wals[log].data, slot);
        take(&next.wals[log].seal, slot);
        model_reach(search, &next, "store: DELETE of slot %d/%d acts", log, slot);
    }
}

/* --- Owners --------------------------------------------------------------------------------- */

/* The epoch in which the broker believes to own the partition, or -1. */
static int
owned_epoch(const struct part *part, int broker)
{
    for (int epoch = part->epoch; epoch >= 0; epoch--) {
        if (has(part->active, epoch) && part->owner[epoch] == broker) {
            return part->closed[epoch] == 0 ? epoch : -1;
        }
    }
    return -1;
}

static bool
append(struct log_state *state, int broker, int p)
{
    struct wal *wal = &state->wals[broker];
    struct part *part = &state->parts[p];
    int epoch = owned_epoch(part, broker);
    int offset;

    if (epoch < 0) {
        return false;
    }
    offset = part->base[epoch];
    for (int slot = 0; slot < wal->next; slot++) {
        if (wal->content[slot][p] != 0 && epoch_in(wal->content[slot][p]) == epoch) {
            offset = offset_in(wal->content[slot][p]) + 1;
        }
    }
    if (offset >= OFFSETS_MAX) {
        return false;
    }
    wal->content[wal->next][p] = (uint8_t) (epoch << 4 | (offset + 1));
    return true;
}

static void
owner_writes(const struct log_state *state, int broker, struct model_search *search)
{
    if (state->wals[broker].next >= log_bounds.slots) {
        return;
    }
    for (unsigned set = 1; set < 1u << log_bounds.partitions; set++) {
        struct log_state next = *state;
        bool is_possible = true;
        for (int p = 0; p < log_bounds.partitions; p++) {
            is_possible = is_possible && (!has(set, p) || append(&next, broker, p));
        }
        if (is_possible) {
            next.wals[broker].next++;
            model_reach(search, &next, "broker %d: PUT of slot %d/%d, partitions %x", broker,
                        broker, state->wals[broker].next, set);
        }
    }
}

/* A record that is acknowledged stays what it is, at its offset, in every later recovery. */
static void
acknowledge(struct log_state *next, int log, int slot, struct model_search *search)
{
    struct wal *wal = &next->wals[log];

    put(&wal->acknowledged, slot);
    if (has(wal->data, slot) && has(wal->other, slot) != has(wal->other_stored, slot)) {
        model_break(search, "what is acknowledged isn't what is stored");
    }
    for (int p = 0; p < log_bounds.partitions; p++) {
        struct part *part = &next->parts[p];
        uint8_t content = wal->content[slot][p];
        if (content == 0) {
            continue;
        }
        if (part->record[offset_in(content)] != 0 &&
            part->record[offset_in(content)] != record_id(log, slot)) {
            model_break(search, "an offset is given twice");
        }
        for (int epoch = epoch_in(content) + 1; epoch <= part->epoch; epoch++) {
            if (has(part->active, epoch) && part->base[epoch] <= offset_in(content)) {
                model_break(search, "acknowledged after a later owner recovered without it");
            }
        }
        part->record[offset_in(content)] = record_id(log, slot);
    }
}

static void
owner_acknowledges(const struct log_state *state, int broker, struct model_search *search)
{
    const struct wal *wal = &state->wals[broker];

    for (int slot = 0; slot < wal->next; slot++) {
        unsigned durable = wal->ever;
        struct log_state next = *state;
        if (has(wal->acknowledged, slot)) {
            continue;
        }
        if (!model_obeys(RULE_LOOK)) {
            durable |= wal->seal;
        }
        if (has(durable, slot)) {
            acknowledge(&next, broker, slot, search);
            model_reach(search, &next, "broker %d: acknowledges %d/%d", broker, broker, slot);
        }
        if (model_obeys(RULE_PREFIX)) {
            return;
        }
    }
}

/* A partition is released when everything sent is durable; its end is written down. */
static void
owner_releases(const struct log_state *state, int broker, int p, struct model_search *search)
{
    const struct wal *wal = &state->wals[broker];
    int epoch = owned_epoch(&state->parts[p], broker);
    struct log_state next = *state;
    int end = 0;

    while (has(wal->acknowledged, end)) {
        end++;
    }
    if (!log_bounds.has_releases || epoch < 0 || has(state->parts[p].dropped, epoch) ||
        (end < wal->next && model_obeys(RULE_DRAIN))) {
        return;
    }
    next.parts[p].closed[epoch] = (uint8_t) (end + 1);
    model_reach(search, &next, "broker %d: releases partition %d, closed end %d/%d", broker, p,
                broker, end);
}

/* Rules that only somebody who breaks them has steps for. */
static void
owner_misbehaves(const struct log_state *state, int broker, struct model_search *search)
{
    const struct wal *wal = &state->wals[broker];
    struct log_state next = *state;
    int slot = wal->mark;

    for (int i = 0; i < wal->next && !model_obeys(RULE_FROZEN); i++) {
        if (!has(wal->other | wal->acknowledged, i)) {
            next = *state;
            put(&next.wals[broker].other, i);
            model_reach(search, &next, "broker %d: PUT of %d/%d times out, sends other bytes",
                        broker, broker, i);
        }
    }
    while (slot < log_bounds.slots && has(wal->data, slot)) {
        slot++;
    }
    if (!model_obeys(RULE_NEW_INCARNATION) && slot < wal->next && !has(wal->seal, slot)) {
        next = *state;
        for (int i = slot; i < wal->next; i++) {
            put(&next.wals[broker].other, i);
            memset(next.wals[broker].content[i], 0, PARTITIONS_MAX);
        }
        next.wals[broker].next = (uint8_t) slot;
        model_reach(search, &next, "broker %d: restarts, goes on at %d/%d", broker, broker, slot);
    }
}

void
log_model_writers(const struct log_state *state, struct model_search *search)
{
    for (int log = 0; log < log_bounds.logs; log++) {
        for (int slot = 0; slot < log_bounds.slots; slot++) {
            store_acts(state, log, slot, search);
        }
        owner_writes(state, log, search);
        owner_acknowledges(state, log, search);
        owner_misbehaves(state, log, search);
        for (int p = 0; p < log_bounds.partitions; p++) {
            owner_releases(state, log, p, search);
        }
    }
}

/* --- The model ------------------------------------------------------------------------------ */

static void
start(void *any, const int *bounds)
{
    struct log_state *state = any;

    log_bounds = (struct log_bounds){
        .brokers = bounds[BOUND_BROKERS],
        .logs = bounds[BOUND_LOGS],
        .slots = bounds[BOUND_SLOTS],
        .partitions = bounds[BOUND_PARTITIONS],
        .epochs = bounds[BOUND_EPOCHS],
        .has_releases = bounds[BOUND_RELEASES] != 0,
        .has_bundles = bounds[BOUND_BUNDLES] != 0,
        .has_merges = bounds[BOUND_MERGES] != 0,
    };
    for (int p = 0; p < log_bounds.partitions; p++) {
        state->parts[p].active = 1;
    }
}

static void
expand(const void *any, struct model_search *search)
{
    const struct log_state *state = any;

    log_model_writers(state, search);
    log_model_background(state, search);
    if (log_bounds.has_bundles) {
        log_model_bundles(state, search);
    }
    if (log_bounds.has_merges) {
        log_model_merges(state, search);
    }
    log_model_claims(state, search);
}

int
main(int argc, char **argv)
{
    static const struct model model = {
        .name = "log",
        .bound_names = bound_names,
        .rules = rules,
        .runs = runs,
        .state_bytes = sizeof(struct log_state),
        .start = start,
        .expand = expand,
        .broken = broken,
    };
    return model_main(&model, argc, argv);
}
