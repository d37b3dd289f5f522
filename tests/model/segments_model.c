/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The model of segments: its rules and bounds, compactors, the store, the owner and its topics.
 */
#include "model/segments_model.h"

struct segment_bounds segment_bounds;

static const char *const bound_names[] = { "offsets",   "compactors", "lives", "reader",
                                           "retention", "foreign",    NULL };

static const struct model_rule rules[] = {
    [RULE_PUT_IF_ABSENT] = { "put-if-absent", "a PUT replaces what is there", NULL },
    [RULE_ADOPT] = { "adopt", "a 412 counts as success", NULL },
    [RULE_FOLLOW_INDEX] = { "segment-follows-index",
                            "any index found is left alone, the segment has its own end", NULL },
    [RULE_INDEX_FIRST] = { "index-first", "the segment is put before its index", NULL },
    [RULE_CAS_AFTER_BOTH] = { "cas-after-both", "compacted_upto rises after the first object",
                              NULL },
    [RULE_BASE_FROM_REGISTER] = { "base-from-register",
                                  "a compactor goes on at its own end, whatever the CAS said",
                                  NULL },
    [RULE_COMPARE_COMPACTED] = { "compare-compacted", "compacted_upto is written unseen", NULL },
    [RULE_LOG_UNTIL_CAS] = { "log-until-cas", "the log goes before compacted_upto rises", NULL },
    [RULE_COMMITTED_ONLY] = { "committed-only", "a segment holds what isn't committed", NULL },
    [RULE_START_FIRST] = { "start-before-delete", "segments go before log_start rises", NULL },
    [RULE_START_LIFTS] = { "start-lifts-compacted",
                           "log_start rises above compacted_upto, which stays", NULL },
    [RULE_START_RISES] = { "start-only-rises", "log_start is written unseen", NULL },
    [RULE_READ_REGISTER_AGAIN] = { "read-register-again", "what a reader misses doesn't exist",
                                   NULL },
    [RULE_COMPARE_TOPIC] = { "compare-topic", "registers outlive the topic id", NULL },
    [RULE_OWN_PREFIX] = { "own-prefix", "all lives of a name share one prefix", NULL },
    [RULE_READER_CHECKS_ID] = { "reader-checks-id", "the reader takes any segment", "foreign" },
    [RULE_COMPACTOR_CHECKS_ID] = { "compactor-checks-id", "the compactor adopts any index",
                                   "foreign" },
    [RULE_FOREIGN_STAYS] = { "foreign-stays", "foreign objects in the way are deleted", "foreign" },
    { NULL, NULL, NULL },
};

/* offsets, compactors, lives, reader, retention, foreign objects under the prefix */
static const struct model_run runs[] = {
    { "three offsets", false, { 3, 2, 2, 1, 1, 0 }, 1000000, 0, 0 },
    { "two offsets", false, { 2, 2, 2, 1, 1, 0 }, 0, 0, 0 },
    { "foreign", false, { 2, 2, 2, 1, 1, 1 }, 0, 0, 0 },
    { "walks", false, { 5, 3, 3, 1, 1, 0 }, 0, 1000, 250 },
    { "three offsets, more", true, { 3, 2, 2, 1, 1, 0 }, 30000000, 0, 0 },
    { "three lives", true, { 2, 2, 3, 1, 1, 0 }, 0, 0, 0 },
    { "foreign, three lives", true, { 2, 2, 3, 1, 1, 1 }, 30000000, 0, 0 },
    { "no retention", true, { 3, 2, 2, 1, 0, 0 }, 30000000, 0, 0 },
    { "one compactor", true, { 3, 1, 1, 1, 1, 0 }, 30000000, 0, 0 },
    { "long walks", true, { 5, 3, 3, 1, 1, 0 }, 0, 50000, 250 },
    { NULL, false, { 0 }, 0, 0, 0 },
};

/* --- Compactors ----------------------------------------------------------------------------- */

static void
drop(struct compactor *compactor)
{
    memset(compactor, 0, sizeof *compactor);
}

/* One that stops before it sends is the same as one whose PUT is late: sending is no step. */
static void
send(struct segment_state *state, struct compactor *compactor, enum compactor_phase phase)
{
    struct keys *keys = &state->names[state->lives[compactor->life].name];

    compactor->phase = (uint8_t) phase;
    keys->sent[kind_of(phase)][compactor->base] |= UINT32_C(1) << (compactor->object - 1);
}

static void
find_durable(struct segment_state *state, struct compactor *compactor)
{
    if (compactor->phase == FIRST_SENT && model_obeys(RULE_CAS_AFTER_BOTH)) {
        send(state, compactor, SECOND_SENT);
    } else {
        compactor->phase = BOTH_DURABLE;
    }
}

static void
begin(const struct segment_state *state, int i, int life, int last, struct model_search *search)
{
    const struct life *of = &state->lives[life];
    struct segment_state next = *state;
    struct compactor *compactor = &next.compactors[i];
    bool is_ahead = !model_obeys(RULE_COMMITTED_ONLY) && last == of->end;

    if (life >= state->made || (of->is_closed && model_obeys(RULE_COMPARE_TOPIC)) ||
        last < of->compacted || (last >= of->end && !is_ahead)) {
        return;
    }
    compactor->life = (uint8_t) life;
    compactor->base = of->compacted;
    compactor->object = object_of(life, last, is_ahead);
    send(&next, compactor, FIRST_SENT);
    model_reach(search, &next, "compactor %d: PUT %s %d of life %d, last offset %d", i,
                kind_name(kind_of(FIRST_SENT)), compactor->base, life, last);
}

/* The body that goes with it is there, of this topic and range. */
static void
find_foreign(const struct segment_state *state, int i, enum object_kind kind,
             struct model_search *search)
{
    struct segment_state next = *state;
    struct compactor *compactor = &next.compactors[i];
    struct keys *keys = &next.names[state->lives[compactor->life].name];
    int base = compactor->base;

    if (!model_obeys(RULE_FOREIGN_STAYS)) {
        keys->deleted = (uint8_t) (keys->deleted | 1u << base);
    } else {
        drop(compactor);
    }
    model_reach(search, &next, "compactor %d: %s %d is foreign", i, kind_name(kind), base);
}

/* After a 412 or a time-out: what is there? */
static void
look(const struct segment_state *state, int i, struct model_search *search)
{
    struct segment_state next = *state;
    struct compactor *compactor = &next.compactors[i];
    const struct keys *keys = &state->names[state->lives[compactor->life].name];
    enum object_kind kind = kind_of((enum compactor_phase) compactor->phase);
    uint8_t found = keys->object[kind][compactor->base];
    bool is_second = compactor->phase == SECOND_SENT;

    if (found == 0) { /* the same PUT again */
        return;
    }
    if (life_of(found) != compactor->life && model_obeys(RULE_COMPACTOR_CHECKS_ID)) {
        find_foreign(state, i, kind, search);
        return;
    }
    if (is_second && last_of(found) != last_of(compactor->object) &&
        model_obeys(RULE_FOLLOW_INDEX)) {
        drop(compactor); /* an alarm; the log keeps the records */
    } else {
        if (is_second || model_obeys(RULE_FOLLOW_INDEX)) {
            compactor->object = object_of(compactor->life, last_of(found), is_uncommitted(found));
        }
        find_durable(&next, compactor);
    }
    model_reach(search, &next, "compactor %d: GET %s %d -> life %d, last offset %d", i,
                kind_name(kind), state->compactors[i].base, life_of(found), last_of(found));
}

static void
swap(const struct segment_state *state, int i, struct model_search *search)
{
    struct segment_state next = *state;
    struct compactor *compactor = &next.compactors[i];
    struct life *life = &next.lives[compactor->life];
    int base = compactor->base;
    int upto = last_of(compactor->object) + 1;
    bool is_done = (!life->is_closed || !model_obeys(RULE_COMPARE_TOPIC)) &&
                   (life->compacted == base || !model_obeys(RULE_COMPARE_COMPACTED));

    if (is_done) {
        life->compacted = (uint8_t) upto;
    }
    if (is_done && life->is_closed) {
        model_break(search, "a register is written of a topic that is gone");
    }
    if (is_done && !model_obeys(RULE_CAS_AFTER_BOTH)) {
        send(&next, compactor, SECOND_SENT);
    } else if (!model_obeys(RULE_BASE_FROM_REGISTER) && upto < life->end) {
        compactor->base = (uint8_t) upto;
        compactor->object = object_of(compactor->life, life->end - 1, false);
        send(&next, compactor, FIRST_SENT);
    } else {
        drop(compactor);
    }
    model_reach(search, &next, "compactor %d: compacted_upto of life %d from %d to %d%s", i,
                state->compactors[i].life, base, upto, is_done ? "" : " is refused");
}

static void
trim_early(const struct segment_state *state, int i, struct model_search *search)
{
    const struct compactor *compactor = &state->compactors[i];
    struct segment_state next = *state;
    int upto = last_of(compactor->object) + 1;

    if (!model_obeys(RULE_LOG_UNTIL_CAS) && next.lives[compactor->life].log_from < upto) {
        next.lives[compactor->life].log_from = (uint8_t) upto;
        model_reach(search, &next, "compactor %d: the log goes below %d", i, upto);
    }
}

static void
compactor_acts(const struct segment_state *state, int i, struct model_search *search)
{
    struct segment_state next = *state;

    if (state->compactors[i].phase == IDLE) {
        for (int life = 0; life < segment_bounds.lives; life++) {
            for (int last = 0; last < segment_bounds.offsets; last++) {
                begin(state, i, life, last, search);
            }
        }
        return;
    }
    if (state->compactors[i].phase == BOTH_DURABLE) {
        swap(state, i, search);
        trim_early(state, i, search);
    } else {
        look(state, i, search);
    }
    drop(&next.compactors[i]);
    model_reach(search, &next, "compactor %d: stops", i);
}

/* --- The store ------------------------------------------------------------------------------ */

/* The answer comes to a compactor that waits for it, or is lost. */
static void
store_puts(const struct segment_state *state, int name, enum object_kind kind, int base,
           uint8_t object, struct model_search *search)
{
    bool is_created =
        state->names[name].object[kind][base] == 0 || !model_obeys(RULE_PUT_IF_ABSENT);
    struct segment_state next = *state;

    if (is_created) {
        next.names[name].object[kind][base] = object;
        model_reach(search, &next, "store: PUT %s %d of life %d, last offset %d%s, acts",
                    kind_name(kind), base, life_of(object), last_of(object),
                    is_uncommitted(object) ? " (not committed)" : "");
    } else if (model_obeys(RULE_ADOPT)) {
        return; /* 412 says no more than: look */
    }
    for (int i = 0; i < segment_bounds.compactors; i++) {
        const struct compactor *compactor = &state->compactors[i];
        enum compactor_phase phase = (enum compactor_phase) compactor->phase;
        struct segment_state told = next;
        if ((phase == FIRST_SENT || phase == SECOND_SENT) && compactor->base == base &&
            compactor->object == object && kind_of(phase) == kind &&
            state->lives[compactor->life].name == name) {
            find_durable(&told, &told.compactors[i]);
            model_reach(search, &told, "store: PUT %s %d of life %d -> %s for compactor %d",
                        kind_name(kind), base, life_of(object), is_created ? "200" : "412", i);
        }
    }
}

static void
store_deletes(const struct segment_state *state, int name, int base, struct model_search *search)
{
    for (enum object_kind kind = INDEX; kind <= BODY; kind++) {
        struct segment_state next = *state;
        uint8_t object = state->names[name].object[kind][base];
        if (object == 0 || !has(state->names[name].deleted, base)) {
            continue;
        }
        if (segment_bounds.has_foreign && life_of(object) == 0) {
            model_break(search, "an object of somebody else was deleted");
        }
        next.names[name].object[kind][base] = 0;
        model_reach(search, &next, "store: DELETE %s %d acts, it was of life %d", kind_name(kind),
                    base, life_of(object));
    }
}

static void
store_acts(const struct segment_state *state, int name, int base, struct model_search *search)
{
    store_deletes(state, name, base, search);
    for (enum object_kind kind = INDEX; kind <= BODY; kind++) {
        uint32_t sent = state->names[name].sent[kind][base];
        for (uint8_t object = 1; sent != 0; object++, sent >>= 1) {
            if ((sent & 1) != 0) {
                store_puts(state, name, kind, base, object, search);
            }
        }
    }
}

/* --- The owner ------------------------------------------------------------------------------ */

static void
retain(const struct segment_state *state, int start, struct model_search *search)
{
    int life = state->alive - 1;
    struct segment_state next = *state;

    if (start > next.lives[life].end || start == next.lives[life].start ||
        (start < next.lives[life].start && model_obeys(RULE_START_RISES))) {
        return;
    }
    next.lives[life].start = (uint8_t) start;
    if (next.lives[life].compacted < start && model_obeys(RULE_START_LIFTS)) {
        next.lives[life].compacted = (uint8_t) start;
    }
    model_seldom(search);
    model_reach(search, &next, "owner: log_start of life %d is %d", life, start);
}

/* Deletes what lies below log_start or belongs to a life that is gone, but nothing of others. */
static void
collect(const struct segment_state *state, int name, int base, struct model_search *search)
{
    for (enum object_kind kind = INDEX; kind <= BODY; kind++) {
        uint8_t object = state->names[name].object[kind][base];
        struct segment_state next = *state;
        const struct life *life;
        bool is_dead;
        if (object == 0 || has(state->names[name].deleted, base)) {
            continue;
        }
        life = &state->lives[life_of(object)];
        is_dead = state->alive != life_of(object) + 1;
        if ((segment_bounds.has_foreign && life_of(object) == 0) ||
            (!is_dead &&
             last_of(object) >= (model_obeys(RULE_START_FIRST) ? life->start : life->end))) {
            continue;
        }
        next.names[name].deleted = (uint8_t) (next.names[name].deleted | 1u << base);
        model_reach(search, &next, "collector: DELETE of both of %d, of life %d", base,
                    life_of(object));
    }
}

/* Nobody asks for what a life leaves under a prefix of its own. */
static void
end_life(struct segment_state *next, int life)
{
    next->alive = 0;
    next->lives[life].is_closed = 1;
    if (!model_obeys(RULE_OWN_PREFIX)) {
        return;
    }
    memset(&next->names[next->lives[life].name], 0, sizeof next->names[0]);
    next->lives[life] = (struct life){ .is_closed = 1 };
    memset(&next->reader, 0, sizeof next->reader);
    for (int i = 0; i < segment_bounds.compactors && model_obeys(RULE_COMPARE_TOPIC); i++) {
        if (next->compactors[i].life == life) {
            drop(&next->compactors[i]);
        }
    }
}

static void
owner_acts(const struct segment_state *state, struct model_search *search)
{
    int life = state->alive - 1;
    struct segment_state next = *state;

    if (state->lives[life].end < segment_bounds.offsets) {
        next.lives[life].end++;
        model_reach(search, &next, "log: offset %d of life %d is committed", state->lives[life].end,
                    life);
        next = *state;
    }
    if (state->lives[life].log_from < state->lives[life].compacted) {
        next.lives[life].log_from = state->lives[life].compacted;
        model_reach(search, &next, "log: of life %d all below %d goes", life,
                    next.lives[life].log_from);
        next = *state;
    }
    for (int start = 0; start <= segment_bounds.offsets && segment_bounds.has_retention; start++) {
        retain(state, start, search);
    }
    end_life(&next, life);
    model_seldom(search);
    model_reach(search, &next, "topic: life %d ends", life);
}

static void
create(const struct segment_state *state, int name, struct model_search *search)
{
    int life = state->made;
    struct segment_state next = *state;

    next.alive = (uint8_t) (life + 1);
    next.made++;
    next.lives[life].name = (uint8_t) name;
    model_reach(search, &next, "topic: life %d begins under prefix %d", life, name);
}

/* LIST is a hint: a new life may miss what others left under the plain prefix. */
static void
create_any(const struct segment_state *state, struct model_search *search)
{
    if (state->made >= segment_bounds.lives) {
        return;
    }
    create(state, model_obeys(RULE_OWN_PREFIX) ? state->made : 0, search);
    if (segment_bounds.has_foreign && state->made == 1 && model_obeys(RULE_OWN_PREFIX)) {
        create(state, 0, search);
    }
}

/* --- The model ------------------------------------------------------------------------------ */

static void
expand(const void *any, struct model_search *search)
{
    const struct segment_state *state = any;

    for (int name = 0; name < segment_bounds.lives; name++) {
        for (int base = 0; base < segment_bounds.offsets; base++) {
            store_acts(state, name, base, search);
            collect(state, name, base, search);
        }
    }
    for (int i = 0; i < segment_bounds.compactors; i++) {
        compactor_acts(state, i, search);
    }
    if (state->alive != 0) {
        owner_acts(state, search);
    } else {
        create_any(state, search);
    }
    if (segment_bounds.has_reader) {
        segment_model_reader(state, search);
    }
}

/* With foreign objects, life 0 is somebody else's: a segment at the last base. */
static void
start(void *any, const int *given)
{
    struct segment_state *state = any;

    segment_bounds.offsets = given[BOUND_OFFSETS];
    segment_bounds.compactors = given[BOUND_COMPACTORS];
    segment_bounds.lives = given[BOUND_LIVES];
    segment_bounds.has_reader = given[BOUND_READER] != 0;
    segment_bounds.has_retention = given[BOUND_RETENTION] != 0;
    segment_bounds.has_foreign = given[BOUND_FOREIGN] != 0;
    state->made = 1;
    state->alive = segment_bounds.has_foreign ? 0 : 1;
    if (segment_bounds.has_foreign) {
        int base = segment_bounds.offsets - 1;
        state->lives[0].is_closed = 1;
        state->names[0].object[INDEX][base] = object_of(0, base, false);
        state->names[0].object[BODY][base] = object_of(0, base, false);
    }
}

/* Compactors are alike. */
static void
normalize(void *any)
{
    struct segment_state *state = any;

    for (int i = 1; i < segment_bounds.compactors; i++) {
        struct compactor moved = state->compactors[i];
        int at = i;
        while (at > 0 && memcmp(&state->compactors[at - 1], &moved, sizeof moved) > 0) {
            state->compactors[at] = state->compactors[at - 1];
            at--;
        }
        state->compactors[at] = moved;
    }
}

int
main(int argc, char **argv)
{
    static const struct model model = {
        .name = "segments",
        .bound_names = bound_names,
        .rules = rules,
        .runs = runs,
        .state_bytes = sizeof(struct segment_state),
        .start = start,
        .expand = expand,
        .broken = segment_model_broken,
        .normalize = normalize,
    };
    return model_main(&model, argc, argv);
}
