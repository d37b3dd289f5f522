/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing the log (rules 1, 3, 4 and 5 of the metadata store, docs/durability.md). One entry is
 * under way at a time, and its bytes are frozen: whatever the store answers, they are sent again
 * until a look tells whose the slot is.
 */
#include "meta/object_log.h"

#include <assert.h>

static struct ks_meta_request *
first_txn(const struct ks_meta_log *log)
{
    return ks_list_is_empty(&log->txns)
               ? NULL
               : KS_CONTAINER(log->txns.next, struct ks_meta_request, link);
}

static void
clear_attempt(struct ks_meta_log *log)
{
    ks_buffer_deinit(&log->attempt.bytes);
    log->attempt.is_active = false;
    log->attempt.request_count = 0;
}

/* The requests go back to where they came from, in their order. */
static void
put_back(struct ks_meta_log *log)
{
    struct ks_meta_log_attempt *attempt = &log->attempt;
    struct ks_list *place = log->txns.next;

    for (uint32_t i = 0; i < attempt->request_count; i++) {
        if (attempt->requests[i] != NULL) {
            ks_list_insert(place, &attempt->requests[i]->link);
        }
    }
    clear_attempt(log);
}

enum verdict { VERDICT_ADD, VERDICT_ANSWERED, VERDICT_LOOK };

static void
answer_first(struct ks_meta_log *log, enum kafscale_status status)
{
    struct ks_list *node = ks_list_take_first(&log->txns);

    ks_meta_log_answer(log, KS_CONTAINER(node, struct ks_meta_request, link), status, 0, NULL);
}

/*
 * What becomes of the first transaction that waits. A compare that fails is an answer only if the
 * state is newer than the question. Behind others in the entry it can't be judged yet: its
 * outcome is that of the replay.
 */
static enum verdict
judge(struct ks_meta_log *log, const struct ks_meta_request *request, size_t added_bytes)
{
    size_t write_bytes = ks_meta_txn_bytes(request->txn);

    if (log->attempt.request_count == 0 && !ks_meta_state_holds(&log->state, request->txn)) {
        if (request->ticket >= log->state_round && !KS_META_LOG_HAS_FAULT(log, TAIL)) {
            return VERDICT_LOOK;
        }
        answer_first(log, KAFSCALE_CONFLICT);
        return VERDICT_ANSWERED;
    }
    if (write_bytes > 0 &&
        log->state.bytes + added_bytes + write_bytes > log->options.state_bytes_max) {
        answer_first(log, KAFSCALE_FULL);
        return VERDICT_ANSWERED;
    }
    return VERDICT_ADD;
}

static void
add_first(struct ks_meta_log *log)
{
    struct ks_meta_log_attempt *attempt = &log->attempt;
    struct ks_list *node = ks_list_take_first(&log->txns);
    struct ks_meta_request *request = KS_CONTAINER(node, struct ks_meta_request, link);

    ks_meta_entry_add(&attempt->bytes, request->txn);
    attempt->requests[attempt->request_count++] = request;
}

/* All that waits and fits, in order. */
static void
fill(struct ks_meta_log *log)
{
    struct ks_meta_log_attempt *attempt = &log->attempt;
    struct ks_meta_request *request;
    size_t added_bytes = 0;

    while ((request = first_txn(log)) != NULL && attempt->request_count < KS_META_TXNS_MAX) {
        if (attempt->bytes.size + request->bytes >
                KS_META_ENTRY_BYTES_MAX - KS_META_ENTRY_FRAME_BYTES &&
            attempt->request_count > 0) {
            return;
        }
        switch (judge(log, request, added_bytes)) {
        case VERDICT_ADD:
            added_bytes += ks_meta_txn_bytes(request->txn);
            add_first(log);
            break;
        case VERDICT_ANSWERED:
            break;
        case VERDICT_LOOK:
            return;
        }
    }
}

bool
ks_meta_log_begin_put(struct ks_meta_log *log)
{
    struct ks_meta_log_attempt *attempt = &log->attempt;
    struct kafscale_error error = { 0 };

    assert(!attempt->is_active);

    ks_buffer_init(&attempt->bytes, KS_META_ENTRY_BYTES_MAX);
    attempt->request_count = 0;
    attempt->was_sent = false;
    attempt->may_act = false;
    attempt->seq = log->state.seq + 1;
    attempt->forgotten = log->state.forgotten;
    attempt->number = log->number + 1;
    ks_meta_entry_begin(&attempt->bytes, attempt->seq, &log->options.incarnation, attempt->number);
    fill(log);
    if (attempt->request_count == 0) {
        clear_attempt(log);
        return false;
    }
    ks_meta_entry_end(&attempt->bytes, attempt->request_count);
    if (ks_buffer_failed(&attempt->bytes)) {
        put_back(log);
        ks_error_set(&error, KAFSCALE_NO_MEMORY, "metadata entry: %s",
                     kafscale_status_text(KAFSCALE_NO_MEMORY));
        ks_meta_log_step_failed(log, &error);
        return true;
    }
    attempt->is_active = true;
    log->number = attempt->number;
    ks_meta_log_send(log);
    return true;
}

#ifdef KS_PLANTED_FAULTS
/* Rule 1 broken: under the nonce that was sent already go other bytes, with what came meanwhile. */
static void
thaw(struct ks_meta_log *log)
{
    struct ks_meta_log_attempt *attempt = &log->attempt;

    ks_buffer_clear(&attempt->bytes);
    ks_meta_entry_begin(&attempt->bytes, attempt->seq, &log->options.incarnation, attempt->number);
    for (uint32_t i = 0; i < attempt->request_count; i++) {
        if (attempt->requests[i] != NULL) {
            ks_meta_entry_add(&attempt->bytes, attempt->requests[i]->txn);
        }
    }
    while (first_txn(log) != NULL && attempt->request_count < KS_META_TXNS_MAX) {
        add_first(log);
    }
    ks_meta_entry_end(&attempt->bytes, attempt->request_count);
}
#endif

static void on_put(struct ks_meta_log_call *call);

void
ks_meta_log_send(struct ks_meta_log *log)
{
    struct ks_meta_log_attempt *attempt = &log->attempt;

    if (attempt->was_sent && KS_META_LOG_HAS_FAULT(log, FREE_FAILED)) {
        ks_meta_log_attempt_detach(log, NULL);
        clear_attempt(log);
        ks_meta_log_step_done(log);
        return;
    }
#ifdef KS_PLANTED_FAULTS
    if (attempt->was_sent && KS_META_LOG_HAS_FAULT(log, FROZEN)) {
        thaw(log);
    }
#endif
    if (!attempt->was_sent) {
        attempt->round = ++log->round;
    }
    log->counts[attempt->was_sent ? KS_META_LOG_ENTRIES_SENT_AGAIN : KS_META_LOG_ENTRIES_SENT]++;
    attempt->was_sent = true;
    log->step = KS_META_LOG_PUT;
    ks_meta_log_key_entry(&log->call, attempt->seq);
    ks_meta_log_put(&log->call, ks_buffer_slice(&attempt->bytes), on_put);
}

/*
 * The entry is in its slot and its chunk was not trimmed. At the time of the PUT it was the end
 * of the log.
 */
static void
commit(struct ks_meta_log *log)
{
    struct ks_meta_log_attempt *attempt = &log->attempt;
    struct kafscale_slice bytes = ks_buffer_slice(&attempt->bytes);
    struct ks_meta_decoded decoded;
    struct kafscale_error error = { 0 };
    enum kafscale_status status = ks_meta_entry_decode(bytes, attempt->seq, &decoded, &error);

    if (status == KAFSCALE_OK) {
        status = ks_meta_log_apply(log, &decoded.batch, &error);
    }
    ks_meta_decoded_deinit(&decoded);
    if (status != KAFSCALE_OK) {
        ks_meta_log_step_failed(log, &error);
        return;
    }
    log->first_window = 0;
    ks_meta_log_attempt_decided(log, &log->record);
    ks_meta_log_became_valid(log, attempt->round);
    ks_meta_log_step_done(log);
}

static void
on_mark(struct ks_meta_log_call *call)
{
    struct ks_meta_log *log = call->log;

    if (call->status == KAFSCALE_NOT_FOUND) {
        commit(log);
        return;
    }
    if (call->status != KAFSCALE_OK) {
        ks_meta_log_step_failed(log, &call->error);
        return;
    }
    log->counts[KS_META_LOG_CREATES_VOID]++;
    ks_meta_log_begin_load(log, (int64_t) ks_meta_log_chunk(log, log->attempt.seq));
}

static void
on_put(struct ks_meta_log_call *call)
{
    struct ks_meta_log *log = call->log;
    bool is_created = call->status == KAFSCALE_OK;
    bool is_certain = call->status == KAFSCALE_UNAVAILABLE || call->status == KAFSCALE_NO_MEMORY;

    if (is_certain && !log->attempt.may_act) {
        put_back(log);
        ks_meta_log_step_failed(log, &call->error);
        return;
    }
    log->attempt.may_act = true;

    if (call->status == KAFSCALE_EXISTS) {
        if (!KS_META_LOG_HAS_FAULT(log, LOOK)) {
            ks_meta_log_step_done(log);
            return;
        }
        is_created = true;
    }
    if (!is_created) {
        ks_meta_log_step_failed(log, &call->error);
        return;
    }
    if (KS_META_LOG_HAS_FAULT(log, MARK_CREATE)) {
        commit(log);
        return;
    }
    ks_meta_log_key_mark(&log->call, ks_meta_log_chunk(log, log->attempt.seq));
    ks_meta_log_get(&log->call, on_mark);
}

/* --- What became of it ----------------------------------------------------------------------- */

static void
answer_outcomes(struct ks_meta_log *log, const struct ks_meta_writer *writer)
{
    struct ks_meta_log_attempt *attempt = &log->attempt;

    for (uint32_t i = 0; i < attempt->request_count; i++) {
        uint64_t revision = log->state.revision;
        bool is_committed = i >= writer->txn_count ||
                            ks_meta_writer_outcome(writer, i, &revision) ||
                            KS_META_LOG_HAS_FAULT(log, OVER);

        if (attempt->requests[i] != NULL) {
            ks_meta_log_answer(log, attempt->requests[i],
                               is_committed ? KAFSCALE_OK : KAFSCALE_CONFLICT,
                               is_committed ? revision : 0, NULL);
        }
    }
    clear_attempt(log);
}

void
ks_meta_log_attempt_decided(struct ks_meta_log *log, const struct ks_meta_writer *record)
{
    if (record == NULL) {
        put_back(log);
        return;
    }
    assert(record->number == log->attempt.number || KS_META_LOG_HAS_FAULT(log, WRITER));
    answer_outcomes(log, record);
}

/*
 * No record of this writer, and some were dropped meanwhile: what became of the entry can't be
 * told.
 */
static void
forgotten(struct ks_meta_log *log)
{
    struct kafscale_error error = { 0 };

    log->counts[KS_META_LOG_VOID_UNKNOWN]++;
    ks_error_set(&error, KAFSCALE_UNKNOWN, "metadata log: the writer is not registered any more");
    ks_meta_log_attempt_detach(log, &error);
    clear_attempt(log);
    if (log->was_registered) {
        error.status = KAFSCALE_FENCED;
        ks_log(&log->env->logger, KAFSCALE_LOG_ERROR, "metadata log stops reason=%s", error.text);
        ks_meta_log_stop(log, &error);
    }
}

void
ks_meta_log_attempt_void(struct ks_meta_log *log)
{
    const struct ks_meta_writer *writer =
        ks_meta_state_find_writer(&log->state, &log->options.incarnation);

    if (KS_META_LOG_HAS_FAULT(log, VOID_FAILED)) {
        ks_meta_log_attempt_detach(log, NULL);
        clear_attempt(log);
        return;
    }
    if (KS_META_LOG_HAS_FAULT(log, VOID_AGAIN)) {
        put_back(log);
        return;
    }
    if (writer == NULL && log->state.forgotten != log->attempt.forgotten) {
        forgotten(log);
        return;
    }
    if (writer != NULL &&
        (writer->number == log->attempt.number || KS_META_LOG_HAS_FAULT(log, WRITER))) {
        log->counts[KS_META_LOG_VOID_COMMITTED]++;
        ks_meta_log_attempt_decided(log, writer);
    } else {
        log->counts[KS_META_LOG_VOID_NOTHING]++;
        ks_meta_log_attempt_decided(log, NULL);
    }
}

void
ks_meta_log_attempt_detach(struct ks_meta_log *log, const struct kafscale_error *error)
{
    struct ks_meta_log_attempt *attempt = &log->attempt;
    enum kafscale_status status = KAFSCALE_UNKNOWN;

    if (KS_META_LOG_HAS_FAULT(log, FREE_FAILED) || KS_META_LOG_HAS_FAULT(log, VOID_FAILED)) {
        status = error == NULL ? KAFSCALE_UNAVAILABLE : status;
    }
    for (uint32_t i = 0; attempt->is_active && i < attempt->request_count; i++) {
        struct ks_meta_request *request = attempt->requests[i];

        attempt->requests[i] = NULL;
        if (request != NULL) {
            ks_meta_log_answer(log, request, status, 0, error);
        }
    }
}
