/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The model of the metadata log: a writer, and what its clients are told.
 */
#include "model/metalog_model.h"

/* --- What clients are told ------------------------------------------------------------------ */

static void
drop_unvalidated(struct writer *writer)
{
    memset(writer->history + writer->valid + 1, 0, (size_t) (ENTRIES_MAX - writer->valid));
    writer->read = writer->valid;
}

static void
forget(struct writer *writer)
{
    memset(writer->history, 0, sizeof writer->history);
    writer->valid = writer->read = 0;
}

static void
become_idle(struct writer *writer)
{
    writer->phase = IDLE;
    writer->attempt = NOT_SENT;
    writer->kind = writer->least = 0;
    drop_unvalidated(writer);
}

static void
answer_from_state(struct meta_state *state, int w, struct model_search *search)
{
    if (state->writers[w].valid < state->writers[w].least) {
        model_break(search, "an answer older than what clients were told before it was asked for");
    }
    if (state->writers[w].valid > state->told) {
        state->told = state->writers[w].valid;
    }
}

static void
answer_failed(struct meta_state *state, int w, struct model_search *search)
{
    for (int place = 1; place <= meta_bounds.entries; place++) {
        if (transaction_of(state->truth[place]) == at_hand(state, w)) {
            model_break(search, "what is in the log is answered as failed");
        }
    }
    state->failed |= 1u << at_hand(state, w);
}

static void
answer_committed(struct meta_state *state, int w, int place, struct model_search *search)
{
    if (transaction_of(state->truth[place]) != at_hand(state, w)) {
        model_break(search, "what isn't in the log is answered as committed");
    }
    if (place > state->told) {
        state->told = (uint8_t) place;
    }
}

/* --- A writer ------------------------------------------------------------------------------- */

static void
begin(const struct meta_state *state, int w, enum kind kind, struct model_search *search)
{
    static const char *const names[] = { "swap", "put", "read" };
    struct meta_state next = *state;
    struct writer *writer = &next.writers[w];

    if (writer->count >= meta_bounds.transactions) {
        return;
    }
    if (kind == SWAP) {
        writer->wanted[writer->count] = (uint8_t) version(writer->history, writer->valid);
    }
    writer->count++;
    writer->kind = (uint8_t) kind;
    writer->least = state->told;
    writer->phase = READING;
    if (kind == READ && !model_obeys(RULE_READ_TO_TAIL)) {
        answer_from_state(&next, w, search);
        become_idle(writer);
    }
    model_reach(search, &next, "writer %d: begins a %s, knows the log to %d", w, names[kind],
                writer->valid);
}

static void
send_entry(struct meta_state *state, int w, int place)
{
    struct writer *writer = &state->writers[w];

    state->sent[place] |= 1u << (entry_id(at_hand(state, w), writer->kind) - 1);
    writer->phase = WAITING;
}

/* The state is that of the whole log: answer, or PUT the next entry. */
static void
evaluate(struct meta_state *next, int w, struct model_search *search)
{
    struct writer *writer = &next->writers[w];
    int end = writer->valid;

    if (!is_replay(next, w, end)) {
        model_break(search, "a state that isn't the replay of the log");
    }
    if (writer->kind == READ) {
        answer_from_state(next, w, search);
        become_idle(writer);
        model_reach(search, next, "writer %d: the read is answered at %d", w, end);
    } else if (writer->kind == SWAP &&
               version(writer->history, end) != writer->wanted[writer->count - 1]) {
        answer_from_state(next, w, search);
        answer_failed(next, w, search);
        become_idle(writer);
        model_reach(search, next, "writer %d: the compare fails at %d", w, end);
    } else if (end == meta_bounds.entries) {
        become_idle(writer);
        model_reach(search, next, "writer %d: gives up, the model has no room", w);
    } else {
        send_entry(next, w, end + 1);
        writer->attempt = SENT;
        model_reach(search, next, "writer %d: PUT of entry %d", w, end + 1);
    }
}

/* The place of its PUT was trimmed: it may have been its entry or another's. */
static void
find_void(struct meta_state *next, int w, struct model_search *search)
{
    struct writer *writer = &next->writers[w];

    if (meta_bounds.has_table && model_obeys(RULE_VOID)) {
        writer->attempt = VOID;
        writer->phase = LOADING;
        forget(writer);
        model_reach(search, next, "writer %d: finds the mark, its create is void", w);
        return;
    }
    if (!model_obeys(RULE_VOID)) {
        answer_failed(next, w, search);
    }
    forget(writer);
    become_idle(writer);
    model_reach(search, next, "writer %d: finds the mark, its create is void: %s", w,
                model_obeys(RULE_VOID) ? "unknown" : "failed");
}

/* The state knows the last transaction of each writer. Returns whether it knows this one. */
static bool
look_up(struct meta_state *next, int w, struct model_search *search)
{
    struct writer *writer = &next->writers[w];

    for (int place = 1; place <= writer->valid; place++) {
        if (transaction_of(writer->history[place]) == at_hand(next, w)) {
            answer_committed(next, w, place, search);
            become_idle(writer);
            model_reach(search, next, "writer %d: the state knows its transaction at %d", w, place);
            return true;
        }
    }
    return false;
}

/* Its place is still free: the PUT is under way. */
static void
wait_again(struct meta_state *next, int w, struct model_search *search)
{
    struct writer *writer = &next->writers[w];

    if (!model_obeys(RULE_TIMEOUT)) {
        answer_failed(next, w, search);
        become_idle(writer);
    } else {
        writer->phase = WAITING;
    }
    model_reach(search, next, "writer %d: its place is free, %s", w,
                model_obeys(RULE_TIMEOUT) ? "the same PUT again" : "answers failed");
}

static void
validate(struct meta_state *next, int w, struct model_search *search)
{
    struct writer *writer = &next->writers[w];
    bool is_free = writer->read == writer->valid;

    if (is_marked(next, writer->valid + 1) && model_obeys(RULE_MARK_AFTER_READ)) {
        if (writer->attempt == SENT) {
            find_void(next, w, search);
            return;
        }
        writer->phase = LOADING;
        forget(writer);
        model_reach(search, next, "writer %d: finds the mark, what it read is void", w);
        return;
    }
    writer->valid = writer->read;
    if (writer->attempt == SENT && is_free) {
        wait_again(next, w, search);
    } else if (writer->attempt == SENT && !model_obeys(RULE_EVALUATE_AGAIN) &&
               writer->valid < meta_bounds.entries) {
        send_entry(next, w, writer->valid + 1);
        model_reach(search, next, "writer %d: PUT of entry %d as evaluated before", w,
                    writer->valid + 1);
    } else if (writer->attempt != VOID || !model_obeys(RULE_VOID_LOOK) ||
               !look_up(next, w, search)) {
        writer->attempt = NOT_SENT;
        evaluate(next, w, search);
    }
}

static bool
is_own(const struct meta_state *state, int w, int entry)
{
    if (!model_obeys(RULE_NONCE)) {
        return false;
    }
    if (!model_obeys(RULE_NONCE_OF_TRANSACTION)) {
        return transaction_of(entry) / meta_bounds.transactions == w;
    }
    return transaction_of(entry) == at_hand(state, w);
}

static void
read_on(struct meta_state *next, int w, struct model_search *search)
{
    struct writer *writer = &next->writers[w];
    int place = writer->read + 1;
    int entry = place <= meta_bounds.entries ? next->entries[place] : 0;

    if (entry == 0) {
        writer->phase = VALIDATING;
        model_reach(search, next, "writer %d: GET of entry %d -> 404", w, place);
    } else if (writer->attempt == SENT && writer->read == writer->valid && is_own(next, w, entry)) {
        writer->phase = CHECKING;
        model_reach(search, next, "writer %d: GET of entry %d -> its own", w, place);
    } else {
        writer->history[place] = (uint8_t) entry;
        writer->read = (uint8_t) place;
        model_reach(search, next, "writer %d: GET of entry %d -> transaction %d of writer %d", w,
                    place, transaction_of(entry) % meta_bounds.transactions,
                    transaction_of(entry) / meta_bounds.transactions);
    }
}

static void
check_mark(struct meta_state *next, int w, struct model_search *search)
{
    struct writer *writer = &next->writers[w];
    int place = writer->valid + 1;

    if (is_marked(next, place) && model_obeys(RULE_MARK_AFTER_CREATE)) {
        find_void(next, w, search);
        return;
    }
    answer_committed(next, w, place, search);
    writer->history[place] = (uint8_t) entry_id(at_hand(next, w), writer->kind);
    writer->valid = writer->read = (uint8_t) place;
    become_idle(writer);
    model_reach(search, next, "writer %d: no mark, committed at %d", w, place);
}

static void
load(const struct meta_state *state, int w, int end, struct model_search *search)
{
    struct meta_state next = *state;
    struct writer *writer = &next.writers[w];

    forget(writer);
    memcpy(writer->history + 1, state->truth + 1, (size_t) end);
    writer->valid = writer->read = (uint8_t) end;
    writer->phase = READING;
    model_reach(search, &next, "writer %d: starts from the snapshot of %d entries", w, end);
}

/* From none, or from any that is there. */
static void
load_any(const struct meta_state *state, int w, struct model_search *search)
{
    load(state, w, 0, search);
    for (int place = 1; place <= meta_bounds.entries; place++) {
        bool is_there = place == chunk_end(chunk_of(place)) ? has(state->snapshots, chunk_of(place))
                                                            : has(state->early, place);

        if (is_there) {
            load(state, w, place, search);
        }
    }
}

static void
go_on(const struct meta_state *state, int w, struct model_search *search)
{
    struct meta_state next = *state;

    switch (state->writers[w].phase) {
    case READING:
        read_on(&next, w, search);
        break;
    case VALIDATING:
        validate(&next, w, search);
        break;
    case CHECKING:
        check_mark(&next, w, search);
        break;
    case WAITING:
        next.writers[w].phase = READING;
        model_reach(search, &next, "writer %d: time-out, looks", w);
        break;
    case LOADING:
        load_any(state, w, search);
        break;
    default:
        begin(state, w, SWAP, search);
        begin(state, w, PUT, search);
        begin(state, w, READ, search);
        break;
    }
}

static void
make_snapshots(const struct meta_state *state, int w, struct model_search *search)
{
    const struct writer *writer = &state->writers[w];
    int known = model_obeys(RULE_SNAPSHOT_OF_VALID) ? writer->valid : writer->read;

    for (int chunk = 0; chunk < meta_bounds.chunks && chunk_end(chunk) <= known; chunk++) {
        struct meta_state next = *state;
        if (has(state->snapshots_sent, chunk)) {
            continue;
        }
        if (!is_replay(state, w, chunk_end(chunk))) {
            model_break(search, "a snapshot that isn't the replay of the log");
        }
        next.snapshots_sent = (uint8_t) (state->snapshots_sent | 1u << chunk);
        model_reach(search, &next, "writer %d: PUT of snapshot %d", w, chunk);
    }
}

/* Whether its PUT has acted, acts again or the object is gone again: all of that at any time. */
static void
make_early(const struct meta_state *state, int w, struct model_search *search)
{
    const struct writer *writer = &state->writers[w];
    int known = model_obeys(RULE_SNAPSHOT_OF_VALID) ? writer->valid : writer->read;

    for (int place = 1; place <= known; place++) {
        struct meta_state next = *state;

        if (place == chunk_end(chunk_of(place)) || has(state->early, place)) {
            continue;
        }
        if (!is_replay(state, w, place)) {
            model_break(search, "an early snapshot that isn't the replay of the log");
        }
        next.early = (uint8_t) (state->early | 1u << place);
        model_reach(search, &next, "writer %d: PUT of the early snapshot of %d entries", w, place);
    }
}

static void
stop(const struct meta_state *state, int w, struct model_search *search)
{
    const struct writer *writer = &state->writers[w];
    struct meta_state next = *state;

    if (writer->phase != IDLE) {
        become_idle(&next.writers[w]);
        model_seldom(search);
        model_reach(search, &next, "writer %d: gives up, outcome unknown", w);
        next = *state;
    }
    if (writer->phase != IDLE || writer->valid != 0) {
        forget(&next.writers[w]);
        become_idle(&next.writers[w]);
        model_seldom(search);
        model_reach(search, &next, "writer %d: begins again with nothing in memory", w);
    }
}

void
meta_model_writer(const struct meta_state *state, int writer, struct model_search *search)
{
    go_on(state, writer, search);
    make_snapshots(state, writer, search);
    if (meta_bounds.has_early) {
        make_early(state, writer, search);
    }
    stop(state, writer, search);
}
