/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Slots are read some ahead and taken in order. The first free one gets the seal; then the trim
 * mark is read again, for a seal below it stands where data was and says nothing (durability
 * 1.5, models: validate-seal).
 */
#include "log/open/dead_log.h"

#include <assert.h>
#include <inttypes.h>

#define READ_AHEAD 32
#define HEAD_BYTES_GUESS (16u << 10)
#define READS_MAX 5

enum dead_slot_state {
    DEAD_SLOT_ASKED,
    DEAD_SLOT_DATA,
    DEAD_SLOT_SEAL,
    DEAD_SLOT_ABSENT,
};

struct ks_dead_slot {
    struct ks_dead_log *dead;
    enum dead_slot_state state;
    uint64_t sequence;
    struct ks_wal_header header;
    struct kafscale_blob *head; /* header and directory */
    struct kafscale_slice directory;
    char key[KS_WAL_KEY_BYTES];
    struct kafscale_get get;
    struct ks_dead_retry retry;
    uint32_t attempts;
    uint32_t damaged_reads;
};

struct ks_dead_log *
ks_dead_log_new(struct ks_log *log, const struct ks_id *incarnation)
{
    struct ks_dead_log *dead = ks_alloc_zero(1, sizeof *dead);
    uint32_t source = ks_log_source(log, incarnation);

    if (dead == NULL || source == UINT32_MAX) {
        ks_free(dead);
        return NULL;
    }
    dead->log = log;
    dead->incarnation = *incarnation;
    dead->source = source;
    ks_buffer_init(&dead->seal, 4096);
    ks_list_init(&dead->bundles);
    return dead;
}

static void
free_slots(struct ks_dead_log *dead)
{
    for (size_t i = 0; i < dead->slot_count; i++) {
        kafscale_blob_unref(dead->slots[i]->head);
        ks_free(dead->slots[i]);
    }
    ks_free(dead->slots);
    dead->slots = NULL;
    dead->slot_count = 0;
    dead->slot_capacity = 0;
}

void
ks_dead_log_free(struct ks_dead_log *dead)
{
    if (dead == NULL) {
        return;
    }
    assert(dead->in_flight == 0);
    free_slots(dead);
    ks_dead_bundles_free(dead);
    ks_buffer_deinit(&dead->seal);
    ks_list_remove(&dead->link);
    ks_free(dead);
}

/* --- Requests under way: the log counts them too, so that it isn't freed under them --- */

void
ks_dead_begin(struct ks_dead_log *dead)
{
    dead->in_flight++;
    ks_log_begin(dead->log);
}

void
ks_dead_end(struct ks_dead_log *dead)
{
    struct ks_log *log = dead->log;

    dead->in_flight--;
    if (dead->is_ending && dead->in_flight == 0) {
        dead->done(dead);
    }
    ks_log_end(log);
}

void
ks_dead_give_up(struct ks_dead_log *dead, enum kafscale_status status)
{
    if (!dead->is_ending) {
        dead->is_ending = true;
        dead->status = status;
    }
}

bool
ks_dead_is_over(const struct ks_dead_log *dead)
{
    return dead->is_ending || dead->log->is_freed || ks_log_status(dead->log) != KAFSCALE_OK;
}

static void
on_due(void *arg)
{
    struct ks_dead_retry *retry = arg;
    struct ks_dead_log *dead = retry->dead;

    if (ks_dead_is_over(dead)) {
        ks_dead_give_up(dead, KAFSCALE_STOPPED);
    } else {
        retry->again(retry->arg);
    }
    ks_dead_end(dead);
}

void
ks_dead_wait(struct ks_dead_log *dead, struct ks_dead_retry *retry, void (*again)(void *),
             void *arg, uint32_t attempts)
{
    *retry = (struct ks_dead_retry){
        .timer = { .on_due = on_due, .arg = retry }, .dead = dead, .again = again, .arg = arg
    };
    ks_dead_begin(dead);
    ks_env_set_timer(dead->log->env, &retry->timer,
                     ks_env_now_ms(dead->log->env) + ks_log_backoff_ms(dead->log, attempts));
}

bool
ks_dead_stop_waiting(struct ks_dead_retry *retry)
{
    if (!ks_env_timer_is_set(&retry->timer)) {
        return false;
    }
    ks_env_cancel_timer(retry->dead->log->env, &retry->timer);
    return true;
}

void
ks_dead_log_silence(struct ks_dead_log *dead)
{
    size_t stopped = ks_dead_stop_waiting(&dead->retry);

    stopped += ks_dead_bundles_silence(dead);
    for (size_t i = 0; i < dead->slot_count; i++) {
        stopped += ks_dead_stop_waiting(&dead->slots[i]->retry);
    }
    if (stopped > 0) {
        ks_dead_give_up(dead, KAFSCALE_STOPPED);
    }
    /* The last one may free it all. */
    for (; stopped > 0; stopped--) {
        ks_dead_end(dead);
    }
}

void
ks_dead_log_drop(struct ks_dead_log *dead)
{
    (void) ks_dead_stop_waiting(&dead->retry);
    (void) ks_dead_bundles_silence(dead);
    for (size_t i = 0; i < dead->slot_count; i++) {
        (void) ks_dead_stop_waiting(&dead->slots[i]->retry);
    }
    dead->in_flight = 0;
}

/* --- One slot --- */

static void get_slot(struct ks_dead_slot *slot, size_t size_max);

static void
get_again(void *arg)
{
    get_slot(arg, HEAD_BYTES_GUESS);
}

/* Whether the header is what this key must hold. */
static enum kafscale_status
check_header(struct ks_dead_slot *slot, struct kafscale_error *error)
{
    const struct ks_wal_header *header = &slot->header;

    if (!ks_id_equals(&header->cluster, &slot->dead->log->options.cluster)) {
        return ks_error_set(error, KAFSCALE_CORRUPT, "belongs to another cluster");
    }
    if (!ks_id_equals(&header->incarnation, &slot->dead->incarnation) ||
        header->sequence != slot->sequence) {
        return ks_error_set(error, KAFSCALE_CORRUPT, "belongs to another place");
    }
    return KAFSCALE_OK;
}

/* Keeps header and directory only: a guess may have brought much of the body along. */
static enum kafscale_status
keep_head(struct ks_dead_slot *slot, struct kafscale_slice bytes, struct kafscale_error *error)
{
    slot->head = kafscale_blob_new(bytes.size);
    if (slot->head == NULL) {
        return ks_error_set(error, KAFSCALE_NO_MEMORY, "out of memory");
    }
    memcpy(kafscale_blob_data(slot->head), bytes.data, bytes.size);
    slot->directory = ks_slice(kafscale_blob_data(slot->head) + slot->header.header_bytes,
                               slot->header.directory_bytes);
    slot->state = (slot->header.flags & KS_WAL_SEAL) != 0 ? DEAD_SLOT_SEAL : DEAD_SLOT_DATA;
    return KAFSCALE_OK;
}

/* Takes what was read; FULL asks for more bytes, `more_out` in all. */
static enum kafscale_status
take_head(struct ks_dead_slot *slot, struct kafscale_blob *body, uint64_t object_bytes,
          size_t *more_out, struct kafscale_error *error)
{
    struct kafscale_slice bytes = kafscale_blob_slice(body);
    enum kafscale_status status;
    size_t head_bytes;

    status = ks_wal_head_bytes(bytes, &head_bytes, error);
    if (status != KAFSCALE_OK) {
        return status;
    }
    if (head_bytes > bytes.size && head_bytes <= object_bytes && head_bytes > slot->get.size_max) {
        *more_out = head_bytes;
        return KAFSCALE_FULL;
    }
    status = ks_wal_read_head(bytes, &slot->header, &slot->directory, error);
    if (status == KAFSCALE_OK) {
        status = check_header(slot, error);
    }
    if (status != KAFSCALE_OK) {
        return status;
    }
    return keep_head(slot, ks_slice(bytes.data, head_bytes), error);
}

static void
damaged(struct ks_dead_slot *slot, enum kafscale_status status, const struct kafscale_error *error)
{
    struct ks_dead_log *dead = slot->dead;

    (void) ks_error_set(&dead->error, status, "object '%s': %s", slot->key, error->text);
    ks_dead_give_up(dead, status);
}

static void
on_slot(void *arg, enum kafscale_status status, struct kafscale_blob *body, uint64_t object_bytes,
        const struct kafscale_error *store_error)
{
    struct ks_dead_slot *slot = arg;
    struct ks_dead_log *dead = slot->dead;
    struct kafscale_error error = { 0 };
    size_t more = 0;

    (void) store_error;
    if (ks_dead_is_over(dead)) {
        ks_dead_give_up(dead, KAFSCALE_STOPPED);
        ks_dead_end(dead);
        return;
    }
    if (status == KAFSCALE_OK) {
        status = take_head(slot, body, object_bytes, &more, &error);
    } else if (status == KAFSCALE_NOT_FOUND) {
        slot->state = DEAD_SLOT_ABSENT;
        status = KAFSCALE_OK;
    } else {
        (void) ks_error_set(&error, status, "%s", kafscale_status_text(status));
    }
    if (status == KAFSCALE_FULL) {
        get_slot(slot, more);
    } else if (status == KAFSCALE_OK) {
        ks_dead_log_advance(dead);
    } else if (status == KAFSCALE_FAILED ||
               ((status == KAFSCALE_CORRUPT || status == KAFSCALE_UNSUPPORTED) &&
                ++slot->damaged_reads >= READS_MAX)) {
        damaged(slot, status, &error);
    } else {
        ks_dead_wait(dead, &slot->retry, get_again, slot, slot->attempts++);
    }
    ks_dead_end(dead);
}

static void
get_slot(struct ks_dead_slot *slot, size_t size_max)
{
    slot->state = DEAD_SLOT_ASKED;
    slot->get = (struct kafscale_get){ .key = slot->key, .size_max = size_max };
    ks_dead_begin(slot->dead);
    ks_store_get(slot->dead->log->store, &slot->get, on_slot, slot);
}

/* Asks for the next slot after those asked for; false without memory. */
static bool
ask_next(struct ks_dead_log *dead)
{
    struct ks_dead_slot *slot;

    if (!KS_RESERVE(dead->slots, dead->slot_capacity, dead->slot_count + 1)) {
        return false;
    }
    slot = ks_alloc_zero(1, sizeof *slot);
    if (slot == NULL) {
        return false;
    }
    slot->dead = dead;
    slot->sequence = dead->trim + dead->slot_count;
    ks_wal_key(dead->log->ns, &dead->incarnation, slot->sequence, slot->key);
    dead->slots[dead->slot_count++] = slot;
    get_slot(slot, HEAD_BYTES_GUESS);
    return true;
}

/* --- The seal --- */

static void put_seal(void *arg);

static void
on_seal(void *arg, enum kafscale_status status, const struct kafscale_error *error)
{
    struct ks_dead_log *dead = arg;

    if (ks_dead_is_over(dead)) {
        ks_dead_give_up(dead, KAFSCALE_STOPPED);
    } else if (status == KAFSCALE_OK) {
        dead->log->counters.seals_won++;
        dead->end = dead->frontier;
        ks_dead_log_read_mark(dead);
    } else if (status == KAFSCALE_EXISTS) {
        /* Data or a seal was faster (perhaps an earlier try of this one): look again. */
        dead->log->counters.seals_beaten++;
        dead->is_at_end = false;
        get_slot(dead->slots[dead->frontier - dead->trim], HEAD_BYTES_GUESS);
    } else if (status == KAFSCALE_FAILED) {
        (void) ks_error_set(&dead->error, status, "%s", error->text);
        ks_dead_give_up(dead, status);
    } else {
        ks_dead_wait(dead, &dead->retry, put_seal, dead, dead->attempts++);
    }
    ks_dead_end(dead);
}

static void
put_seal(void *arg)
{
    struct ks_dead_log *dead = arg;

    dead->seal_put =
        (struct kafscale_put){ .key = dead->seal_key,
                               .parts = &dead->seal_part,
                               .part_count = 1,
                               .if_absent = !ks_is_planted(KS_PLANTED_UNCONDITIONAL_PUT) };
    ks_dead_begin(dead);
    ks_store_put(dead->log->store, &dead->seal_put, on_seal, dead);
}

/* The seal's body names who sealed, for people. */
static void
seal(struct ks_dead_log *dead)
{
    const struct ks_log_options *options = &dead->log->options;
    struct ks_wal_header header = { .flags = KS_WAL_SEAL,
                                    .cluster = options->cluster,
                                    .incarnation = dead->incarnation,
                                    .sequence = dead->frontier,
                                    .created_ms = ks_env_wall_ms(dead->log->env),
                                    .body_bytes = KS_ID_BYTES };
    uint8_t trailer[KS_WAL_TRAILER_BYTES];

    ks_env_random(dead->log->env, header.nonce.bytes, KS_ID_BYTES);
    ks_wal_write_head(&dead->seal, &header, ks_slice(NULL, 0));
    ks_buffer_append(&dead->seal, options->incarnation.bytes, KS_ID_BYTES);
    ks_wal_write_trailer(trailer, dead->seal.size + KS_WAL_TRAILER_BYTES,
                         ks_crc32c(0, dead->seal.data, dead->seal.size));
    ks_buffer_append(&dead->seal, trailer, sizeof trailer);
    if (ks_buffer_failed(&dead->seal)) {
        ks_dead_give_up(dead, KAFSCALE_NO_MEMORY);
        return;
    }
    ks_wal_key(dead->log->ns, &dead->incarnation, dead->frontier, dead->seal_key);
    dead->seal_part = (struct kafscale_part){ .bytes = ks_buffer_slice(&dead->seal) };
    put_seal(dead);
}

/* --- In order --- */

static bool
chain_holds(const struct ks_dead_log *dead, const struct ks_dead_slot *slot)
{
    const struct ks_bundle *before = NULL;

    if (slot->sequence == dead->trim && !ks_list_is_empty(&dead->bundles)) {
        before = KS_CONTAINER(dead->bundles.previous, struct ks_bundle, link);
    }
    if (before != NULL && before->header.last + 1 == slot->sequence) {
        return slot->header.chain == before->header.chain_after;
    }
    if (slot->sequence == dead->trim) {
        return slot->sequence > 0 || slot->header.chain == 0;
    }
    return slot->header.chain == dead->slots[slot->sequence - dead->trim - 1]->header.crc;
}

/*
 * The first free slot, or the seal, was reached. Below the closed end it is a hole: the trim
 * mark, read again, says whether one that may be.
 */
static void
reach_end(struct ks_dead_log *dead, const struct ks_dead_slot *slot)
{
    dead->is_at_end = true;
    if (slot->state == DEAD_SLOT_ABSENT && dead->must_seal && slot->sequence >= dead->closed_end &&
        !ks_is_planted(KS_PLANTED_SEAL)) {
        seal(dead);
        return;
    }
    if (slot->state == DEAD_SLOT_SEAL) {
        dead->log->counters.seals_found++;
    }
    dead->end = slot->sequence;
    ks_dead_log_read_mark(dead);
}

static bool
is_readable_further(const struct ks_dead_log *dead)
{
    return dead->must_seal || dead->trim + dead->slot_count < dead->closed_end;
}

/* All that was closed has been read. If that is nothing, the mark has passed nothing meanwhile. */
static void
end_below(struct ks_dead_log *dead)
{
    dead->is_at_end = true;
    dead->end = dead->frontier;
    if (dead->slot_count == 0 && ks_list_is_empty(&dead->bundles)) {
        ks_dead_give_up(dead, KAFSCALE_OK);
    } else {
        ks_dead_log_read_mark(dead);
    }
}

/* Takes the slots that have come, in order, and asks for more. */
void
ks_dead_log_advance(struct ks_dead_log *dead)
{
    while (!dead->is_at_end && dead->frontier < dead->trim + dead->slot_count) {
        struct ks_dead_slot *slot = dead->slots[dead->frontier - dead->trim];

        if (slot->state == DEAD_SLOT_ASKED) {
            break;
        }
        if (slot->state != DEAD_SLOT_DATA) {
            reach_end(dead, slot);
            return;
        }
        if (!chain_holds(dead, slot)) {
            (void) ks_error_set(&dead->error, KAFSCALE_CORRUPT,
                                "object '%s' does not follow the one before", slot->key);
            ks_dead_give_up(dead, KAFSCALE_CORRUPT);
            return;
        }
        dead->frontier++;
    }
    if (dead->is_at_end) {
        return;
    }
    if (!is_readable_further(dead) && dead->frontier == dead->trim + dead->slot_count) {
        end_below(dead);
        return;
    }
    while (is_readable_further(dead) &&
           dead->trim + dead->slot_count < dead->frontier + READ_AHEAD) {
        if (!ask_next(dead)) {
            ks_dead_give_up(dead, KAFSCALE_NO_MEMORY);
            return;
        }
    }
}

/* --- The trim mark, before and after --- */

static void
read_mark_again(void *arg)
{
    ks_dead_log_read_mark(arg);
}

/*
 * Above the end: the seal counts for nothing. And where the mark has moved at all, others have put
 * what was read from slots into bundles, which readers will need.
 */
static bool
must_begin(const struct ks_dead_log *dead, uint64_t mark)
{
    return dead->end == UINT64_MAX ||
           (mark > dead->trim && !ks_is_planted(KS_PLANTED_VALIDATE_SEAL));
}

static void
take_mark(struct ks_dead_log *dead, uint64_t mark, uint64_t version)
{
    dead->mark = mark;
    dead->mark_version = version;
}

/*
 * The first reading says where to begin, for which what is known already will do, since the mark
 * only rises; the one after the seal says whether the seal counts.
 */
static void
on_trim(void *arg, enum kafscale_status status, const struct kafscale_meta_entry *entries,
        size_t entry_count, uint64_t revision, const struct kafscale_error *error)
{
    struct ks_dead_log *dead = arg;
    uint64_t mark = status == KAFSCALE_OK ? ks_trim_mark_of(entries, entry_count) : 0;

    (void) revision;
    (void) error;
    if (ks_dead_is_over(dead)) {
        ks_dead_give_up(dead, KAFSCALE_STOPPED);
    } else if (status != KAFSCALE_OK) {
        ks_dead_wait(dead, &dead->retry, read_mark_again, dead, dead->attempts++);
    } else if (must_begin(dead, mark)) {
        dead->log->counters.seals_void += dead->end != UINT64_MAX && mark > dead->end;
        if (dead->in_flight > 1) {
            /*
             * Slots asked for ahead still answer into the old array: ask for the mark again
             * after them.
             */
            ks_dead_wait(dead, &dead->retry, read_mark_again, dead, 0);
        } else {
            free_slots(dead);
            take_mark(dead, mark, entry_count == 0 ? 0 : entries[0].version);
            dead->trim = mark;
            dead->frontier = mark;
            dead->is_at_end = false;
            dead->end = UINT64_MAX;
            ks_dead_bundles_read(dead);
        }
    } else if (dead->end < dead->closed_end) {
        (void) ks_error_set(&dead->error, KAFSCALE_CORRUPT, "object '%s' is missing or a seal",
                            dead->slots[dead->end - dead->trim]->key);
        ks_dead_give_up(dead, KAFSCALE_CORRUPT);
    } else {
        take_mark(dead, mark, entry_count == 0 ? 0 : entries[0].version);
        ks_dead_give_up(dead, KAFSCALE_OK);
    }
    ks_dead_end(dead);
}

void
ks_dead_log_read_mark(struct ks_dead_log *dead)
{
    dead->trim_read =
        (struct kafscale_meta_read){ .key = dead->trim_key, .is_fresh = dead->must_look };
    dead->must_look = true;
    ks_dead_begin(dead);
    ks_meta_read(dead->log->meta, &dead->trim_read, on_trim, dead);
}

void
ks_dead_log_start(struct ks_dead_log *dead, void (*done)(struct ks_dead_log *), void *arg)
{
    dead->done = done;
    dead->arg = arg;
    dead->end = UINT64_MAX;
    ks_trim_key(&dead->incarnation, dead->trim_key);
    ks_dead_log_read_mark(dead);
}

struct kafscale_slice
ks_dead_log_directory(const struct ks_dead_log *dead, uint64_t sequence, size_t *body_position_out,
                      int64_t *created_ms_out)
{
    const struct ks_dead_slot *slot;

    assert(sequence >= dead->trim);
    assert(sequence < dead->end);
    slot = dead->slots[sequence - dead->trim];
    *body_position_out = (size_t) slot->header.header_bytes + slot->header.directory_bytes;
    *created_ms_out = slot->header.created_ms;
    return slot->directory;
}

struct kafscale_slice
ks_dead_log_head(const struct ks_dead_log *dead, uint64_t sequence)
{
    assert(sequence >= dead->trim);
    assert(sequence < dead->end);
    return kafscale_blob_slice(dead->slots[sequence - dead->trim]->head);
}
