/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Snapshots within a chunk, so that a start needn't read all entries of the newest one. They are
 * states that a broker had, like those at chunks' ends, and a start from one looks at the log
 * afterwards like any other (rules 2, 6 and 8 of the metadata store, docs/durability.md). Nothing
 * relies on one being there: what is in the way of storing one leaves it out, and what LIST shows
 * is a hint where to begin.
 */
#include "meta/object_log.h"

#include <assert.h>

/* What a snapshot may have for each entry since the one before: a large state gets fewer. */
#define BYTES_AN_ENTRY ((size_t) 16 << 10)

/* A number that is longer isn't ours. */
#define DIGITS_MAX 18

void
ks_meta_log_early_init(struct ks_meta_log *log)
{
    log->early.call.log = log;
    log->load.mark_call.log = log;
    ks_buffer_init(&log->early.bytes, SIZE_MAX);
}

void
ks_meta_log_early_deinit(struct ks_meta_log *log)
{
    ks_buffer_deinit(&log->early.bytes);
    kafscale_blob_unref(log->load.body);
}

/* --- Storing --------------------------------------------------------------------------------- */

/* Entries from one to the next, a multiple of step_entries by a power of two. */
static uint64_t
step_of(const struct ks_meta_log *log, uint64_t state_bytes)
{
    uint64_t step = log->options.step_entries;

    while (step * BYTES_AN_ENTRY < state_bytes && step < log->options.chunk_entries) {
        step *= 2;
    }
    return step;
}

static void
on_stored(struct ks_meta_log_call *call)
{
    struct ks_meta_log *log = call->log;

    log->early.is_busy = false;
    ks_buffer_deinit(&log->early.bytes);
    log->counts[KS_META_LOG_EARLY_SNAPSHOTS] += call->status == KAFSCALE_OK;
}

void
ks_meta_log_early_add(struct ks_meta_log *log, const struct ks_meta_state *state)
{
    struct ks_meta_log_early *early = &log->early;
    uint64_t place = state->seq % log->options.chunk_entries;

    if (place == 0 || place % step_of(log, state->bytes) != 0 || early->is_busy) {
        return;
    }
    ks_buffer_init(&early->bytes, SIZE_MAX);
    ks_meta_snapshot_encode(&early->bytes, state, ks_meta_log_chunk(log, state->seq));
    if (ks_buffer_failed(&early->bytes)) {
        ks_buffer_deinit(&early->bytes);
        return;
    }
    early->is_busy = true;
    ks_meta_log_key_snapshot_at(&early->call, state->seq);
    ks_meta_log_put(&early->call, ks_buffer_slice(&early->bytes), on_stored);
}

/* --- Finding one ----------------------------------------------------------------------------- */

/* The digits at `text`; false: there are none, or too many. */
static bool
take_number(const char **text, uint64_t *number_out)
{
    size_t size = strspn(*text, "0123456789");

    if (size == 0 || size > DIGITS_MAX || !ks_decimal_parse(*text, size, number_out)) {
        return false;
    }
    *text += size;
    return true;
}

/* The last entry of what the snapshot under a listed key holds; 0: that can't be told. */
static uint64_t
parse_key(const struct ks_meta_log_call *list, const char *key)
{
    const struct ks_meta_log *log = list->log;
    size_t prefix_size = strlen(list->key);
    const char *name = key + prefix_size;
    uint64_t chunk;
    uint64_t seq;

    if (strncmp(key, list->key, prefix_size) != 0 || !take_number(&name, &chunk)) {
        return 0;
    }
    if (*name == '\0') {
        return chunk < UINT64_MAX / log->options.chunk_entries - 1
                   ? (chunk + 1) * log->options.chunk_entries
                   : 0;
    }
    name++;
    if (name[-1] != '.' || !take_number(&name, &seq) || *name != '\0' || seq == 0 ||
        seq % log->options.chunk_entries == 0 || ks_meta_log_chunk(log, seq) != chunk) {
        return 0;
    }
    return seq;
}

/* Goes on as if nothing had been listed. */
static void
start_without(struct ks_meta_log *log)
{
    ks_meta_log_drop_look(log);
    kafscale_blob_unref(log->load.body);
    log->load.body = NULL;
    log->counts[KS_META_LOG_LISTED_IN_VAIN]++;
    ks_meta_log_begin_load(log, -1);
}

/* The newest chunk that must be marked: entries before the snapshot are not looked at any more. */
static int64_t
mark_before(const struct ks_meta_log *log, uint64_t seq)
{
    return (int64_t) (seq / log->options.chunk_entries) - 1;
}

static enum kafscale_status
decode_listed(struct ks_meta_log *log, struct ks_meta_state *state)
{
    uint64_t seq = log->load.listed;
    struct kafscale_error error = { 0 };
    enum kafscale_status status = ks_meta_snapshot_decode(
        kafscale_blob_slice(log->load.body), ks_meta_log_chunk(log, seq), state, &error);

    if (status == KAFSCALE_OK && state->seq != seq) {
        ks_meta_state_deinit(state);
        status = KAFSCALE_CORRUPT;
    }
    return status;
}

/* As many entries as there may be behind a snapshot of this size. */
static uint32_t
choose_window(const struct ks_meta_log *log, uint64_t snapshot_bytes)
{
    uint64_t window = step_of(log, snapshot_bytes);

    if (window > log->options.chunk_entries) {
        window = log->options.chunk_entries;
    }
    return window < KS_META_LOG_WINDOW_MAX ? (uint32_t) window : KS_META_LOG_WINDOW_MAX;
}

/* The state is there, and so are the entries behind it, if there was memory for asking. */
static void
take_state(struct ks_meta_log *log, struct ks_meta_state *state)
{
    if (!ks_meta_log_adopt(log, state)) {
        ks_meta_log_drop_look(log);
    } else if (log->look.count + log->look.window > 0) {
        ks_meta_log_go_on_look(log);
    } else {
        ks_meta_log_step_done(log);
    }
}

/* The snapshot, the mark before it and what lies behind it were answered. */
void
ks_meta_log_load_answered(struct ks_meta_log *log)
{
    struct ks_meta_log_load *load = &log->load;
    int64_t marked = mark_before(log, load->listed);
    struct ks_meta_state state = { 0 };

    if (--load->waiting > 0) {
        return;
    }
    if (load->body == NULL || (marked >= 0 && load->mark_call.status != KAFSCALE_OK) ||
        decode_listed(log, &state) != KAFSCALE_OK) {
        start_without(log);
        return;
    }
    kafscale_blob_unref(load->body);
    load->body = NULL;
    log->counts[KS_META_LOG_EARLY_LOADS] += load->listed % log->options.chunk_entries != 0;
    if (marked >= 0) {
        ks_meta_log_trimmer_loaded(log, (uint64_t) marked);
    }
    take_state(log, &state);
}

static void
on_asked(struct ks_meta_log_call *call)
{
    struct ks_meta_log *log = call->log;

    if (call == &log->call && call->status == KAFSCALE_OK) {
        log->load.body = kafscale_blob_ref(call->body);
    }
    ks_meta_log_load_answered(log);
}

/* The entries at once, since it takes one round trip less than after the snapshot. */
static void
ask(struct ks_meta_log *log)
{
    struct ks_meta_log_load *load = &log->load;
    int64_t marked = mark_before(log, load->listed);

    load->waiting = marked >= 0 ? 2 : 1;
    load->waiting +=
        ks_meta_log_look_ahead(log, load->listed, choose_window(log, load->listed_bytes));
    ks_meta_log_key_snapshot_at(&log->call, load->listed);
    ks_meta_log_get(&log->call, on_asked);
    if (marked >= 0) {
        ks_meta_log_key_mark(&load->mark_call, (uint64_t) marked);
        ks_meta_log_get(&load->mark_call, on_asked);
    }
}

static void
on_listed(struct ks_meta_log_call *call)
{
    struct ks_meta_log *log = call->log;
    struct ks_meta_state empty = { 0 };

    if (call->status != KAFSCALE_OK) {
        ks_meta_log_step_failed(log, &call->error);
        return;
    }
    log->load.listed = 0;
    for (size_t i = 0; i < call->entry_count; i++) {
        uint64_t seq = parse_key(call, call->entries[i].key);

        if (seq > log->load.listed) {
            log->load.listed = seq;
            log->load.listed_bytes = call->entries[i].object_bytes;
        }
    }
    if (log->load.listed > 0) {
        ask(log);
    } else if (ks_meta_log_adopt(log, &empty)) {
        log->first_window = choose_window(log, 0);
        ks_meta_log_step_done(log);
    }
}

void
ks_meta_log_begin_start(struct ks_meta_log *log)
{
    assert(log->load.body == NULL);

    if (log->failures > 0) {
        ks_meta_log_begin_load(log, -1);
        return;
    }
    log->step = KS_META_LOG_LOAD;
    ks_meta_log_list_snapshots(&log->call, on_listed);
}
