/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading the log (rules 2 and 8 of the metadata store, docs/durability.md). What was read counts
 * only after a look at the trim mark that was sent when the last of the entries had been
 * answered: an entry may be gone and come back while its chunk is trimmed.
 */
#include "meta/object_log.h"

#include <assert.h>

/*
 * A GET whose bytes were damaged on the way and an object that is damaged look alike; the latter
 * stays so.
 */
#define DAMAGES_MAX 3u

/* Ends the step for an object that can't be read; its key is in front of the reason. */
static void
object_unfit(struct ks_meta_log *log, struct kafscale_error *error)
{
    bool may_heal = error->status == KAFSCALE_NO_MEMORY ||
                    (error->status == KAFSCALE_CORRUPT && log->damages++ < DAMAGES_MAX);

    if (may_heal) {
        ks_meta_log_step_failed(log, error);
    } else {
        ks_meta_log_step_broken(log, error);
    }
}

/* --- Starting from a snapshot ---------------------------------------------------------------- */

static void on_mark_probed(struct ks_meta_log_call *call);
static void on_snapshot(struct ks_meta_log_call *call);

/* The newest mark is known: its snapshot is the start, or the empty state when there is none. */
static void get_snapshot(struct ks_meta_log *log);

static void
probe(struct ks_meta_log *log)
{
    struct ks_meta_log_load *load = &log->load;
    int64_t chunk =
        load->high < 0 ? load->low + load->stride : load->low + (load->high - load->low) / 2;

    if (load->high == load->low + 1) {
        get_snapshot(log);
        return;
    }
    ks_meta_log_key_mark(&log->call, (uint64_t) chunk);
    load->probed = chunk;
    ks_meta_log_get(&log->call, on_mark_probed);
}

static void
begin_gallop(struct ks_meta_log *log, int64_t marked_chunk)
{
    log->load.low = marked_chunk;
    log->load.high = -1;
    log->load.stride = 1;
    probe(log);
}

void
ks_meta_log_begin_load(struct ks_meta_log *log, int64_t marked_chunk)
{
    log->step = KS_META_LOG_LOAD;
    log->load.missing = -1;
    begin_gallop(log, marked_chunk);
}

static void
on_mark_probed(struct ks_meta_log_call *call)
{
    struct ks_meta_log *log = call->log;
    struct ks_meta_log_load *load = &log->load;

    if (call->status == KAFSCALE_OK) {
        load->low = load->probed;
        load->stride *= 2;
    } else if (call->status == KAFSCALE_NOT_FOUND) {
        load->high = load->probed;
    } else {
        ks_meta_log_step_failed(log, &call->error);
        return;
    }
    probe(log);
}

static void
tell_changed(void *arg, const struct kafscale_meta_entry *entry, bool is_delete)
{
    struct ks_meta_log *log = arg;

    log->changed(log->changed_arg, entry, is_delete);
}

bool
ks_meta_log_adopt(struct ks_meta_log *log, struct ks_meta_state *state)
{
    struct kafscale_error error = { 0 };

    if (log->changed != NULL &&
        ks_meta_state_compare(&log->state, state, tell_changed, log) != KAFSCALE_OK) {
        ks_meta_state_deinit(state);
        ks_error_set(&error, KAFSCALE_NO_MEMORY, "metadata snapshot: %s",
                     kafscale_status_text(KAFSCALE_NO_MEMORY));
        ks_meta_log_step_failed(log, &error);
        return false;
    }
    ks_meta_state_deinit(&log->state);
    log->state = *state;
    log->is_loaded = true;
    log->counts[KS_META_LOG_LOADS]++;
    log->failures = 0;
    log->damages = 0;
    if (ks_meta_state_find_writer(state, &log->options.incarnation) != NULL) {
        log->was_registered = true;
    }
    if (log->attempt.is_active && log->attempt.seq <= state->seq) {
        ks_meta_log_attempt_void(log);
    }
    if (KS_META_LOG_HAS_FAULT(log, START)) {
        ks_meta_log_became_valid(log, ++log->round);
    }
    return true;
}

static void
adopt(struct ks_meta_log *log, struct ks_meta_state *state)
{
    if (ks_meta_log_adopt(log, state)) {
        ks_meta_log_step_done(log);
    }
}

static void
get_snapshot(struct ks_meta_log *log)
{
    struct ks_meta_state empty = { 0 };

    if (log->load.low < 0) {
        adopt(log, &empty);
        return;
    }
    ks_meta_log_key_snapshot(&log->call, (uint64_t) log->load.low);
    ks_meta_log_get(&log->call, on_snapshot);
}

/* A newer mark exists by now, and its snapshot; if not, this is an alarm. */
static void
snapshot_missing(struct ks_meta_log *log, const char *key)
{
    struct kafscale_error error = { 0 };

    if (log->load.missing == log->load.low) {
        ks_error_set(&error, KAFSCALE_CORRUPT, "'%s' is missing, and its trim mark is the newest",
                     key);
        object_unfit(log, &error);
        return;
    }
    log->counts[KS_META_LOG_SNAPSHOTS_MISSED]++;
    log->load.missing = log->load.low;
    begin_gallop(log, log->load.low);
}

static void
on_snapshot(struct ks_meta_log_call *call)
{
    struct ks_meta_log *log = call->log;
    struct ks_meta_state state = { 0 };
    uint64_t chunk = (uint64_t) log->load.low;
    enum kafscale_status status;

    if (call->status == KAFSCALE_NOT_FOUND) {
        snapshot_missing(log, call->key);
        return;
    }
    if (call->status != KAFSCALE_OK) {
        ks_meta_log_step_failed(log, &call->error);
        return;
    }
    status = ks_meta_snapshot_decode(kafscale_blob_slice(call->body), chunk, &state, &call->error);
    if (status == KAFSCALE_OK && state.seq != (chunk + 1) * log->options.chunk_entries) {
        ks_meta_state_deinit(&state);
        status = ks_error_set(&call->error, KAFSCALE_INVALID, "made with chunks of another size");
    }
    if (status != KAFSCALE_OK) {
        ks_error_wrap(&call->error, "'%s'", call->key);
        object_unfit(log, &call->error);
        return;
    }
    ks_meta_log_trimmer_loaded(log, chunk);
    adopt(log, &state);
}

/* --- Looking --------------------------------------------------------------------------------- */

void
ks_meta_log_drop_look(struct ks_meta_log *log)
{
    struct ks_meta_log_look *look = &log->look;

    for (size_t i = 0; i < look->capacity; i++) {
        kafscale_blob_unref(look->bodies[i]);
    }
    ks_free(look->bodies);
    ks_free(look->calls);
    *look = (struct ks_meta_log_look){ 0 };
}

static void
look_failed(struct ks_meta_log *log, const struct kafscale_error *error)
{
    struct kafscale_error copy = *error;

    ks_meta_log_drop_look(log);
    ks_meta_log_step_failed(log, &copy);
}

static void on_entry(struct ks_meta_log_call *call);
static void look_at_mark(struct ks_meta_log *log);

/* Entries that may be read in one go: no more chunks' ends than the trimmer can take. */
static size_t
count_max(const struct ks_meta_log *log)
{
    size_t count = (size_t) 2 * log->options.chunk_entries;

    return count < KS_META_LOG_READ_COUNT_MAX ? count : KS_META_LOG_READ_COUNT_MAX;
}

/* Memory for as many bodies and calls as the window wants; zeroed where new. */
static bool
reserve_window(struct ks_meta_log_look *look)
{
    size_t capacity = look->count + look->window;
    struct kafscale_blob **bodies;

    ks_free(look->calls);
    look->calls = ks_alloc_zero(look->window, sizeof *look->calls);
    bodies = ks_realloc(look->bodies, capacity * sizeof(struct kafscale_blob *));
    if (bodies != NULL) {
        look->bodies = bodies;
        for (size_t i = look->capacity; i < capacity; i++) {
            bodies[i] = NULL;
        }
        look->capacity = capacity;
    }
    return look->calls != NULL && bodies != NULL;
}

/* False: there is no memory for them. */
static bool
ask_for_entries(struct ks_meta_log *log)
{
    struct ks_meta_log_look *look = &log->look;

    if (!reserve_window(look)) {
        return false;
    }
    look->waiting = look->window;
    for (uint32_t i = 0; i < look->window; i++) {
        struct ks_meta_log_call *call = &look->calls[i];

        call->log = log;
        ks_meta_log_key_entry(call, look->base + look->count + i + 1);
        ks_meta_log_get(call, on_entry);
    }
    return true;
}

static void
get_entries(struct ks_meta_log *log)
{
    struct kafscale_error error = { 0 };

    if (!ask_for_entries(log)) {
        ks_error_set(&error, KAFSCALE_NO_MEMORY, "metadata log: %s",
                     kafscale_status_text(KAFSCALE_NO_MEMORY));
        look_failed(log, &error);
    }
}

static void
prepare_look(struct ks_meta_log *log, uint64_t seq, uint32_t window)
{
    assert(log->look.waiting == 0);

    ks_meta_log_drop_look(log);
    log->counts[KS_META_LOG_LOOKS]++;
    log->look.base = seq;
    log->look.round = ++log->round;
    log->look.window = window;
}

void
ks_meta_log_begin_look(struct ks_meta_log *log)
{
    uint32_t window = log->first_window > 0 ? log->first_window : 1;

    log->step = KS_META_LOG_LOOK;
    log->first_window = 0;
    prepare_look(log, log->state.seq, window);
    get_entries(log);
}

bool
ks_meta_log_look_ahead(struct ks_meta_log *log, uint64_t seq, uint32_t window)
{
    assert(log->step == KS_META_LOG_LOAD);

    prepare_look(log, seq, window);
    if (!ask_for_entries(log)) {
        ks_meta_log_drop_look(log);
        return false;
    }
    return true;
}

/* All GETs of the window were answered: takes the entries before the first that is absent. */
static void
window_done(struct ks_meta_log *log)
{
    struct ks_meta_log_look *look = &log->look;
    size_t room;

    for (uint32_t i = 0; i < look->window && !look->is_at_end; i++) {
        struct ks_meta_log_call *call = &look->calls[i];

        if (call->status == KAFSCALE_OK) {
            look->bytes += kafscale_blob_size(look->bodies[look->count]);
            look->count++;
        } else if (call->status == KAFSCALE_NOT_FOUND) {
            look->is_at_end = true;
        } else {
            look_failed(log, &call->error);
            return;
        }
    }
    if (look->is_at_end || look->count >= count_max(log) ||
        look->bytes >= KS_META_LOG_READ_BYTES_MAX) {
        look_at_mark(log);
        return;
    }
    room = count_max(log) - look->count;
    look->window =
        look->window * 2 > KS_META_LOG_WINDOW_MAX ? KS_META_LOG_WINDOW_MAX : look->window * 2;
    look->window = look->window > room ? (uint32_t) room : look->window;
    get_entries(log);
}

static void
on_entry(struct ks_meta_log_call *call)
{
    struct ks_meta_log *log = call->log;
    struct ks_meta_log_look *look = &log->look;
    size_t index = look->count + (size_t) (call - look->calls);

    if (call->status == KAFSCALE_OK) {
        look->bodies[index] = kafscale_blob_ref(call->body);
    }
    if (--look->waiting > 0) {
        return;
    }
    if (log->step == KS_META_LOG_LOAD) {
        ks_meta_log_load_answered(log);
    } else {
        window_done(log);
    }
}

void
ks_meta_log_go_on_look(struct ks_meta_log *log)
{
    assert(log->look.waiting == 0);
    assert(log->look.base == log->state.seq);

    log->step = KS_META_LOG_LOOK;
    window_done(log);
}

/* One valid entry: into the state, and the attempt for its slot is decided. */
static enum kafscale_status
take_entry(struct ks_meta_log *log, struct kafscale_blob *body, struct kafscale_error *error)
{
    uint64_t seq = log->state.seq + 1;
    struct ks_meta_decoded decoded;
    enum kafscale_status status =
        ks_meta_entry_decode(kafscale_blob_slice(body), seq, &decoded, error);

    if (status != KAFSCALE_OK) {
        ks_error_wrap(error, "'%s/__kafscale/meta/log/%020llu'", log->ns, (unsigned long long) seq);
        goto out;
    }
    status = ks_meta_log_apply(log, &decoded.batch, error);
    if (status == KAFSCALE_OK && log->attempt.is_active && log->attempt.seq == seq) {
        bool is_own = ks_id_equals(&decoded.batch.writer, &log->options.incarnation) &&
                      decoded.batch.number == log->attempt.number;

        log->counts[is_own ? KS_META_LOG_ENTRIES_FOUND : KS_META_LOG_SLOTS_LOST]++;
        is_own = is_own && !KS_META_LOG_HAS_FAULT(log, NONCE);
        ks_meta_log_attempt_decided(log, is_own ? &log->record : NULL);
    }

out:
    ks_meta_decoded_deinit(&decoded);
    return status;
}

/* What was read is valid. */
static void
take_entries(struct ks_meta_log *log)
{
    struct ks_meta_log_look *look = &log->look;
    struct kafscale_error error = { 0 };
    uint64_t round = look->round;
    bool is_at_end = look->is_at_end;

    for (size_t i = 0; i < look->count; i++) {
        if (take_entry(log, look->bodies[i], &error) != KAFSCALE_OK) {
            ks_meta_log_drop_look(log);
            object_unfit(log, &error);
            return;
        }
    }
    ks_meta_log_drop_look(log);
    log->failures = 0;
    log->damages = 0;
    if (is_at_end) {
        ks_meta_log_became_valid(log, round);
    }
    if (is_at_end && log->attempt.is_active) {
        ks_meta_log_send(log);
        return;
    }
    ks_meta_log_step_done(log);
}

static void
on_mark(struct ks_meta_log_call *call)
{
    struct ks_meta_log *log = call->log;
    uint64_t chunk = ks_meta_log_chunk(log, log->state.seq + 1);

    if (call->status == KAFSCALE_NOT_FOUND) {
        take_entries(log);
        return;
    }
    if (call->status != KAFSCALE_OK) {
        look_failed(log, &call->error);
        return;
    }
    ks_meta_log_drop_look(log);
    log->counts[KS_META_LOG_LOOKS_VOID]++;
    ks_meta_log_begin_load(log, (int64_t) chunk);
}

#ifdef KS_PLANTED_FAULTS
/* Rule 6 broken: snapshots of a copy of the state that has taken entries which may be void. */
static void
snapshot_unvalidated(struct ks_meta_log *log)
{
    struct ks_buffer bytes;
    struct ks_meta_state copy = { 0 };
    struct kafscale_error error = { 0 };
    struct ks_meta_decoded decoded;
    struct ks_meta_writer record;

    ks_buffer_init(&bytes, SIZE_MAX);
    ks_meta_snapshot_encode(&bytes, &log->state, 0);
    if (ks_meta_snapshot_decode(ks_buffer_slice(&bytes), 0, &copy, &error) != KAFSCALE_OK) {
        ks_buffer_deinit(&bytes);
        return;
    }
    ks_buffer_deinit(&bytes);
    for (size_t i = 0; i < log->look.count; i++) {
        struct kafscale_slice body = kafscale_blob_slice(log->look.bodies[i]);

        if (ks_meta_entry_decode(body, copy.seq + 1, &decoded, &error) != KAFSCALE_OK ||
            ks_meta_state_apply(&copy, &decoded.batch, NULL, NULL, &record) != KAFSCALE_OK) {
            ks_meta_decoded_deinit(&decoded);
            break;
        }
        ks_meta_decoded_deinit(&decoded);
        if (copy.seq % log->options.chunk_entries == 0) {
            (void) !ks_meta_log_trimmer_add(log, &copy, true);
        }
        ks_meta_log_early_add(log, &copy);
    }
    ks_meta_state_deinit(&copy);
}
#endif

/*
 * Sent only now that all entries were answered, and about the chunk of the first of them: marks
 * are made in order.
 */
static void
look_at_mark(struct ks_meta_log *log)
{
#ifdef KS_PLANTED_FAULTS
    if (KS_META_LOG_HAS_FAULT(log, UNVALIDATED)) {
        snapshot_unvalidated(log);
    }
#endif
    if (KS_META_LOG_HAS_FAULT(log, MARK_READ)) {
        take_entries(log);
        return;
    }
    ks_meta_log_key_mark(&log->call, ks_meta_log_chunk(log, log->state.seq + 1));
    ks_meta_log_get(&log->call, on_mark);
}
