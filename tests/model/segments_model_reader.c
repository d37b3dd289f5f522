/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The model of segments: a reader, and what any reader must find in every state.
 */
#include "model/segments_model.h"

/* --- A reader ------------------------------------------------------------------------------- */

/* Something was missing or unfit: what does the register say now? */
static void
read_again(struct segment_state *next)
{
    const struct life *life = &next->lives[next->reader.life];

    if (next->alive != next->reader.life + 1 || next->reader.offset < life->start) {
        memset(&next->reader, 0, sizeof next->reader);
        return;
    }
    next->reader.compacted = life->compacted;
    next->reader.phase = READER_FINDS;
    next->reader.base = 0;
}

static void
reader_misses(struct segment_state *next, const char *what, struct model_search *search)
{
    const struct life *life = &next->lives[next->reader.life];
    bool is_there = next->alive == next->reader.life + 1 && next->reader.offset >= life->start;
    int offset = next->reader.offset;

    if (!model_obeys(RULE_READ_REGISTER_AGAIN) && is_there) {
        model_break(search, "a reader is told that a committed record doesn't exist");
    }
    read_again(next);
    model_reach(search, next, "reader: offset %d: %s", offset, what);
}

static void
reader_finds(const struct segment_state *state, struct model_search *search)
{
    struct segment_state next = *state;
    const struct life *life = &state->lives[state->reader.life];
    int base;

    if (state->reader.offset >= state->reader.compacted) {
        if (life->log_from > state->reader.offset) {
            reader_misses(&next, "the log was trimmed", search);
            return;
        }
        memset(&next.reader, 0, sizeof next.reader);
        model_reach(search, &next, "reader: finds offset %d in the log", state->reader.offset);
        return;
    }
    base = find_base(&state->names[life->name], state->reader.offset);
    if (base < 0) {
        reader_misses(&next, "no segment", search);
        return;
    }
    next.reader.base = (uint8_t) base;
    next.reader.phase = READER_GETS;
    model_reach(search, &next, "reader: offset %d must be in segment %d", state->reader.offset,
                base);
}

static void
reader_gets(const struct segment_state *state, struct model_search *search)
{
    struct segment_state next = *state;
    int name = state->lives[state->reader.life].name;
    uint8_t object = state->names[name].object[BODY][state->reader.base];
    bool is_own = object != 0 && life_of(object) == state->reader.life;

    if (object == 0 || last_of(object) < state->reader.offset ||
        (!is_own && model_obeys(RULE_READER_CHECKS_ID))) {
        reader_misses(&next, "the segment is gone or another's", search);
        return;
    }
    if (!is_own) {
        model_break(search, "a reader gets a record of another life");
    }
    if (is_uncommitted(object) && last_of(object) == state->reader.offset) {
        model_break(search, "a reader gets a record that was never committed");
    }
    memset(&next.reader, 0, sizeof next.reader);
    model_reach(search, &next, "reader: has offset %d from segment %d", state->reader.offset,
                state->reader.base);
}

void
segment_model_reader(const struct segment_state *state, struct model_search *search)
{
    int life = state->alive - 1;

    if (state->reader.phase == READER_FINDS) {
        reader_finds(state, search);
    } else if (state->reader.phase == READER_GETS) {
        reader_gets(state, search);
    } else if (state->alive != 0) {
        for (int offset = state->lives[life].start; offset < state->lives[life].end; offset++) {
            struct segment_state next = *state;
            next.reader.phase = READER_FINDS;
            next.reader.life = (uint8_t) life;
            next.reader.offset = (uint8_t) offset;
            next.reader.compacted = state->lives[life].compacted;
            model_reach(search, &next, "reader: wants offset %d of life %d, compacted up to %d",
                        offset, life, next.reader.compacted);
        }
    }
}

/* --- What must hold in every state ---------------------------------------------------------- */

/* What is wrong with the segment that begins a chain at `offset`, or NULL. */
static const char *
segment_broken(const struct segment_state *state, int number, int base, int offset)
{
    const struct life *life = &state->lives[number];
    const struct keys *keys = &state->names[life->name];
    uint8_t body = base < 0 ? 0 : keys->object[BODY][base];
    uint8_t index = base < 0 ? 0 : keys->object[INDEX][base];

    if (body == 0 || last_of(body) < offset) {
        return "a committed record is in no segment and not in the log";
    }
    if (life_of(body) != number) {
        return "a reader would get a record of another life";
    }
    if (is_uncommitted(body) && last_of(body) < life->end) {
        return "a segment holds a record that was never committed";
    }
    if (model_obeys(RULE_INDEX_FIRST) &&
        (index == 0 || life_of(index) != number || last_of(index) != last_of(body))) {
        return "index and segment of one base disagree";
    }
    if (last_of(body) >= life->compacted) {
        return "the segments go past compacted_upto";
    }
    for (int inside = base + 1; inside <= last_of(body); inside++) {
        if (is_of(keys->object[INDEX][inside], number) ||
            is_of(keys->object[BODY][inside], number)) {
            return "an object inside the range of a segment";
        }
    }
    return NULL;
}

/* From log_start to compacted_upto there is exactly one chain of segments. */
static const char *
chain_broken(const struct segment_state *state, int number)
{
    const struct life *life = &state->lives[number];
    const struct keys *keys = &state->names[life->name];
    bool is_first = true;

    for (int offset = life->start; offset < life->compacted; is_first = false) {
        int base = find_base(keys, offset);
        const char *why;
        /* A reader stops at a foreign object, until somebody removes that. */
        while (segment_bounds.has_foreign && base >= 0 &&
               !is_of(keys->object[BODY][base], number)) {
            base = find_base(keys, base - 1);
        }
        why = segment_broken(state, number, base, offset);
        if (why != NULL) {
            return why;
        }
        if (!is_first && base != offset) {
            return "two segments hold one offset";
        }
        offset = last_of(keys->object[BODY][base]) + 1;
    }
    return NULL;
}

/* Nothing lies above compacted_upto, and what lies at it lets compaction go on. */
static const char *
next_base_broken(const struct segment_state *state, int number)
{
    const struct life *life = &state->lives[number];
    const struct keys *keys = &state->names[life->name];
    int base = life->compacted;
    uint8_t index, body;

    for (int above = base + 1; above < segment_bounds.offsets; above++) {
        for (enum object_kind kind = INDEX; kind <= BODY; kind++) {
            uint8_t object = keys->object[kind][above];
            if (object != 0 && life_of(object) == number) {
                return "an object above compacted_upto that nobody will use or delete";
            }
        }
    }
    if (base >= segment_bounds.offsets) {
        return NULL;
    }
    index = keys->object[INDEX][base];
    body = keys->object[BODY][base];
    if ((index != 0 && life_of(index) != number) || (body != 0 && life_of(body) != number)) {
        return segment_bounds.has_foreign
                   ? NULL
                   : "a foreign object at compacted_upto: compaction is stuck";
    }
    if (index != 0 && body != 0 && last_of(index) != last_of(body)) {
        return "index and segment at compacted_upto disagree: compaction is stuck";
    }
    return NULL;
}

/* Foreign objects under the prefix may stop compaction; the log keeps what isn't in segments. */
const char *
segment_model_broken(const void *any)
{
    const struct segment_state *state = any;
    int number = state->alive - 1;
    const struct life *life = &state->lives[number];
    const char *why;
    int from;

    if (state->alive == 0) {
        return NULL;
    }
    from = life->start > life->compacted ? life->start : life->compacted;
    if (from < life->end && life->log_from > from) {
        return "a committed record is in no segment and not in the log";
    }
    for (int base = life->start; base < segment_bounds.offsets; base++) {
        const struct keys *keys = &state->names[life->name];
        uint8_t body = keys->object[BODY][base];
        if (body != 0 && life_of(body) == number && keys->object[INDEX][base] == 0) {
            return "a .kfs without .index where other readers look";
        }
    }
    why = chain_broken(state, number);
    return why != NULL ? why : next_base_broken(state, number);
}
