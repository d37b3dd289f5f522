/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The model of the metadata log: its rules and bounds, what the store does, and trimming.
 */
#include "model/metalog_model.h"

struct meta_bounds meta_bounds;

static const char *const bound_names[] = { "writers", "entries", "transactions", "chunk", "table",
                                           "early",   NULL };

static const struct model_rule rules[] = {
    [RULE_PUT_IF_ABSENT] = { "put-if-absent", "a PUT of an entry replaces what is there", NULL },
    [RULE_NONCE] = { "nonce", "every entry found after a 412 counts as another's", NULL },
    [RULE_NONCE_OF_TRANSACTION] = { "nonce-of-transaction",
                                    "the nonce names the writer, not the transaction", NULL },
    [RULE_LOOK] = { "look-on-412", "a 412 counts as success", NULL },
    [RULE_EVALUATE_AGAIN] = { "evaluate-again",
                              "after a lost place the next is tried with the old evaluation",
                              NULL },
    [RULE_TIMEOUT] = { "timeout-is-unknown", "a time-out is a failure when the place is still free",
                       NULL },
    [RULE_READ_TO_TAIL] = { "read-to-the-tail", "a read is answered from the state at hand", NULL },
    [RULE_MARK_AFTER_CREATE] = { "mark-after-create", "no look for the mark after a create", NULL },
    [RULE_MARK_AFTER_READ] = { "mark-after-read", "no look for the mark after reading entries",
                               NULL },
    [RULE_VOID] = { "void-is-unknown", "a void create is a failure", NULL },
    [RULE_VOID_LOOK] = { "void-is-looked-up", "a void create is repeated without a look",
                         "with the table" },
    [RULE_MARK_BEFORE_DELETE] = { "mark-before-delete", "entries go when the snapshot is durable",
                                  NULL },
    [RULE_NUMBERED_MARKS] = { "numbered-marks", "one mark, overwritten", "three entries" },
    [RULE_MARKS_IN_ORDER] = { "marks-in-order", "chunks are marked in any order", "three entries" },
    [RULE_MARKS_STAY] = { "marks-stay", "a mark goes when the next one is there", "three entries" },
    [RULE_SNAPSHOT_BEFORE_MARK] = { "snapshot-before-mark",
                                    "the mark is made while the snapshot is under way", NULL },
    [RULE_SNAPSHOT_OF_VALID] = { "snapshot-of-valid",
                                 "snapshots are made of what was read, not validated",
                                 "three entries" },
    [RULE_NEWEST_SNAPSHOT] = { "newest-snapshot-stays",
                               "a snapshot goes as soon as its mark is there", NULL },
    { NULL, NULL, NULL },
};

/* writers, entries, transactions, entries of a chunk, table, early snapshots */
static const struct model_run runs[] = {
    { "two entries", false, { 2, 2, 2, 1, 0, 0 }, 1500000, 0, 0 },
    { "with the table", false, { 2, 2, 2, 1, 1, 0 }, 1500000, 0, 0 },
    { "three entries", false, { 2, 3, 2, 1, 0, 0 }, 1000000, 0, 0 },
    { "early", false, { 2, 3, 2, 2, 0, 1 }, 1000000, 0, 0 },
    { "walks", false, { 4, 6, 2, 1, 1, 0 }, 0, 1000, 200 },
    { "early walks", false, { 3, 6, 2, 3, 1, 1 }, 0, 1000, 200 },
    { "two entries, more", true, { 2, 2, 2, 1, 0, 0 }, 0, 0, 0 },
    { "with the table, more", true, { 2, 2, 2, 1, 1, 0 }, 0, 0, 0 },
    { "three writers", true, { 3, 3, 1, 1, 0, 0 }, 0, 0, 0 },
    { "three writers, table", true, { 3, 2, 1, 1, 1, 0 }, 0, 0, 0 },
    { "chunks of two", true, { 2, 4, 2, 2, 0, 0 }, 0, 0, 0 },
    { "early, more", true, { 2, 3, 2, 2, 0, 1 }, 0, 0, 0 },
    { "long walks", true, { 3, 6, 3, 2, 1, 1 }, 0, 100000, 200 },
    { NULL, false, { 0 }, 0, 0, 0 },
};

/* --- The store ------------------------------------------------------------------------------ */

/* The first that is created at a place is the log, whatever happens to the key later. */
static void
become_truth(struct meta_state *state, int place, int entry, struct model_search *search)
{
    int transaction = transaction_of(entry);
    const struct writer *writer = &state->writers[transaction / meta_bounds.transactions];

    if (place > 1 && state->truth[place - 1] == 0) {
        model_break(search, "an entry after a gap");
    }
    if (has(state->failed, transaction)) {
        model_break(search, "what was answered as failed takes effect");
    }
    for (int before = 1; before < place; before++) {
        if (transaction_of(state->truth[before]) == transaction) {
            model_break(search, "a transaction is in the log twice");
        }
    }
    if (kind_of(entry) == SWAP && version(state->truth, place - 1) !=
                                      writer->wanted[transaction % meta_bounds.transactions]) {
        model_break(search, "committed against a state in which its compare doesn't hold");
    }
    state->truth[place] = (uint8_t) entry;
}

static void
store_puts_entry(const struct meta_state *state, int place, int entry, struct model_search *search)
{
    bool is_created = state->entries[place] == 0 || !model_obeys(RULE_PUT_IF_ABSENT);
    int w = transaction_of(entry) / meta_bounds.transactions;
    const struct writer *writer = &state->writers[w];
    struct meta_state next = *state;
    struct meta_state lost;

    if (is_created) {
        next.entries[place] = (uint8_t) entry;
        if (next.truth[place] == 0) {
            become_truth(&next, place, entry, search);
        }
    }
    lost = next;
    if (is_created) {
        model_reach(search, &lost, "store: PUT of entry %d, transaction %d of writer %d, acts",
                    place, transaction_of(entry) % meta_bounds.transactions, w);
    }
    if (writer->phase == WAITING && writer->valid + 1 == place &&
        entry == entry_id(at_hand(state, w), writer->kind)) {
        next.writers[w].phase = is_created || !model_obeys(RULE_LOOK) ? CHECKING : READING;
        model_reach(search, &next, "store: PUT of entry %d by writer %d -> %s", place, w,
                    is_created ? "200" : "412");
    }
}

static void
store_acts(const struct meta_state *state, struct model_search *search)
{
    struct meta_state next = *state;

    for (int place = 1; place <= meta_bounds.entries; place++) {
        for (int id = 1; id <= meta_bounds.ids && state->sent[place] >> (id - 1) != 0; id++) {
            if (has(state->sent[place], id - 1)) {
                store_puts_entry(state, place, id, search);
            }
        }
    }
    for (int chunk = 0; chunk < meta_bounds.chunks; chunk++) {
        if (has(state->snapshots_sent & ~(uint32_t) state->snapshots, chunk)) {
            next = *state;
            next.snapshots = (uint8_t) (state->snapshots | 1u << chunk);
            model_reach(search, &next, "store: PUT of snapshot %d acts", chunk);
        }
    }
    for (int chunks = 1; chunks <= meta_bounds.chunks; chunks++) {
        if (has(state->single_mark_sent, chunks)) {
            next = *state;
            next.single_mark = (uint8_t) chunks;
            model_reach(search, &next, "store: PUT of the mark over %d chunks acts", chunks);
        }
    }
}

/* --- Trimming: what each step asks for stays true, so anybody may do it ---------------------- */

static void
make_mark(const struct meta_state *state, int chunk, struct model_search *search)
{
    struct meta_state next = *state;
    unsigned durable =
        model_obeys(RULE_SNAPSHOT_BEFORE_MARK) ? state->snapshots : state->snapshots_sent;

    if (!has(durable, chunk)) {
        return;
    }
    if (!model_obeys(RULE_NUMBERED_MARKS)) {
        if (state->single_mark <= chunk) {
            next.single_mark_sent = (uint8_t) (state->single_mark_sent | 1u << (chunk + 1));
            model_reach(search, &next, "trimmer: PUT of the mark over %d chunks", chunk + 1);
        }
        return;
    }
    if (!has(state->marks, chunk) &&
        (chunk == 0 || has(state->marks, chunk - 1) || !model_obeys(RULE_MARKS_IN_ORDER))) {
        next.marks = (uint8_t) (state->marks | 1u << chunk);
        model_reach(search, &next, "trimmer: mark %d is there", chunk);
    }
}

static void
delete_entry(const struct meta_state *state, int place, struct model_search *search)
{
    struct meta_state next = *state;
    bool may_go = model_obeys(RULE_MARK_BEFORE_DELETE) ? is_marked(state, place)
                                                       : has(state->snapshots, chunk_of(place));

    if (state->entries[place] != 0 && chunk_of(place) < meta_bounds.chunks && may_go) {
        next.entries[place] = 0;
        model_reach(search, &next, "trimmer: entry %d goes", place);
    }
}

static void
delete_snapshot(const struct meta_state *state, int chunk, struct model_search *search)
{
    struct meta_state next = *state;
    int newest = model_obeys(RULE_NUMBERED_MARKS) ? highest(state->marks) : state->single_mark - 1;

    if (has(state->snapshots, chunk) &&
        (chunk < newest || (chunk == newest && !model_obeys(RULE_NEWEST_SNAPSHOT)))) {
        next.snapshots = (uint8_t) (state->snapshots & ~(1u << chunk));
        model_reach(search, &next, "trimmer: snapshot %d goes", chunk);
    }
    next = *state;
    if (has(state->marks, chunk) && chunk < newest && !model_obeys(RULE_MARKS_STAY)) {
        next.marks = (uint8_t) (state->marks & ~(1u << chunk));
        model_reach(search, &next, "trimmer: mark %d goes", chunk);
    }
}

/* --- Writers are alike ---------------------------------------------------------------------- */

/* Orders by what doesn't name another writer; equal ones stay, which costs states, misses none. */
static bool
sort_writers(const struct meta_state *state, int *order)
{
    bool has_moved = false;

    for (int w = 0; w < meta_bounds.writers; w++) {
        const struct writer *writer = &state->writers[w];
        int i = w;
        while (i > 0) {
            const struct writer *other = &state->writers[order[i - 1]];
            int sign = memcmp(other, writer, offsetof(struct writer, history));
            if (sign == 0) {
                sign = memcmp(other->wanted, writer->wanted, sizeof writer->wanted);
            }
            if (sign <= 0) {
                break;
            }
            order[i] = order[i - 1];
            i--;
        }
        order[i] = w;
        has_moved = has_moved || i != w;
    }
    return has_moved;
}

static uint8_t
renamed(uint8_t entry, const int *name)
{
    int transaction = transaction_of(entry);

    if (entry == 0) {
        return 0;
    }
    return (uint8_t) entry_id(transaction_id(name[transaction / meta_bounds.transactions],
                                             transaction % meta_bounds.transactions),
                              kind_of(entry));
}

static void
normalize(void *any)
{
    struct meta_state *state = any;
    struct meta_state old = *state;
    const uint32_t ids = (1u << (meta_bounds.transactions * 2)) - 1;
    const uint32_t transactions = (1u << meta_bounds.transactions) - 1;
    int order[WRITERS_MAX];
    int name[WRITERS_MAX];

    if (!sort_writers(state, order)) {
        return;
    }
    state->failed = 0;
    memset(state->sent, 0, sizeof state->sent);
    for (int w = 0; w < meta_bounds.writers; w++) {
        name[order[w]] = w;
        state->failed |= (old.failed >> (order[w] * meta_bounds.transactions) & transactions)
                         << (w * meta_bounds.transactions);
        for (int place = 1; place <= meta_bounds.entries; place++) {
            state->sent[place] |=
                (old.sent[place] >> (order[w] * meta_bounds.transactions * 2) & ids)
                << (w * meta_bounds.transactions * 2);
        }
    }
    for (int place = 1; place <= meta_bounds.entries; place++) {
        state->entries[place] = renamed(old.entries[place], name);
        state->truth[place] = renamed(old.truth[place], name);
    }
    for (int w = 0; w < meta_bounds.writers; w++) {
        state->writers[w] = old.writers[order[w]];
        for (int place = 1; place <= meta_bounds.entries; place++) {
            state->writers[w].history[place] = renamed(old.writers[order[w]].history[place], name);
        }
    }
}

/* --- The model ------------------------------------------------------------------------------ */

static void
expand(const void *any, struct model_search *search)
{
    const struct meta_state *state = any;

    store_acts(state, search);
    for (int w = 0; w < meta_bounds.writers; w++) {
        meta_model_writer(state, w, search);
    }
    for (int chunk = 0; chunk < meta_bounds.chunks; chunk++) {
        make_mark(state, chunk, search);
        delete_snapshot(state, chunk, search);
    }
    for (int place = 1; place <= meta_bounds.entries; place++) {
        delete_entry(state, place, search);
    }
}

static const char *
broken(const void *any)
{
    const struct meta_state *state = any;
    int newest = highest(state->marks);

    if (newest >= 0 && !has(state->snapshots, newest)) {
        return "entries were given up that no snapshot covers";
    }
    return NULL;
}

static void
start(void *state, const int *given)
{
    (void) state;
    meta_bounds.writers = given[BOUND_WRITERS];
    meta_bounds.entries = given[BOUND_ENTRIES];
    meta_bounds.transactions = given[BOUND_TRANSACTIONS];
    meta_bounds.chunk = given[BOUND_CHUNK];
    meta_bounds.chunks = meta_bounds.entries / meta_bounds.chunk;
    meta_bounds.has_table = given[BOUND_TABLE] != 0;
    meta_bounds.has_early = given[BOUND_EARLY] != 0;
    meta_bounds.ids = meta_bounds.writers * meta_bounds.transactions * 2;
}

int
main(int argc, char **argv)
{
    static const struct model model = {
        .name = "metadata log",
        .bound_names = bound_names,
        .rules = rules,
        .runs = runs,
        .state_bytes = sizeof(struct meta_state),
        .start = start,
        .expand = expand,
        .broken = broken,
        .normalize = normalize,
    };
    return model_main(&model, argc, argv);
}
