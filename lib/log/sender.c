/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sending and acknowledging. An object that was cut is PUT under its sequence number, if absent.
 * Several may be under way; they are acknowledged in order. Whatever the store answers short of a
 * final word, the same bytes are sent again under the same key.
 */
#include "log/core.h"

#include <assert.h>

#define ODD_READS_MAX 3

/* --- Acknowledging --- */

/* Makes a section's batches readable and gives them to the cache. */
static void
commit_section(struct ks_log *log, struct ks_open_section *section)
{
    struct ks_partition *partition = section->partition;
    const struct ks_place *last;

    assert(section->entry_count > 0);
    last = ks_partition_place(partition, section->first_place + section->entry_count - 1);
    assert(ks_is_planted(KS_PLANTED_PREFIX_ACK) || last->last_offset >= partition->high_watermark);
    partition->high_watermark = last->last_offset + 1;
    if (partition->is_gone) {
        return;
    }
    for (size_t i = 0; i < section->entry_count; i++) {
        ks_cache_add(log, ks_partition_place(partition, section->first_place + i)->cached);
    }
    ks_retention_note(log, partition);
    ks_compact_note(log, partition);
    log->events.committed(log->events.arg, partition);
}

static void
commit_slot(struct ks_log *log, struct ks_slot *slot)
{
    ks_list_remove(&slot->link);
    log->unflushed_bytes -= slot->body_bytes;
    ks_log_note_success(log, KS_LOG_CHORE_FLUSH);
    log->counters.objects_durable++;
    log->counters.objects_late += slot->attempts > 0;
    log->counters.objects_shared += slot->section_count > 1;
    for (struct ks_list *node = slot->sections.next; node != &slot->sections; node = node->next) {
        struct ks_open_section *section = KS_CONTAINER(node, struct ks_open_section, link);

        if (section->entry_count > 0) {
            commit_section(log, section);
        }
    }
    ks_trim_note_slot(log, slot);
    log->events.flushed(log->events.arg);
    ks_slot_answer(slot, KS_APPEND_OK);
    ks_slot_free(slot);
}

static void
commit_prefix(struct ks_log *log)
{
    while (log->status == KAFSCALE_OK && !ks_list_is_empty(&log->slots)) {
        struct ks_slot *slot = KS_CONTAINER(log->slots.next, struct ks_slot, link);

        if (slot->state != KS_SLOT_DURABLE) {
            return;
        }
        commit_slot(log, slot);
    }
}

static void
become_durable(struct ks_slot *slot)
{
    struct ks_log *log = slot->log;

    slot->state = KS_SLOT_DURABLE;
    log->slot_count--;
    if (ks_is_planted(KS_PLANTED_PREFIX_ACK)) {
        commit_slot(log, slot);
    }
    commit_prefix(log);
    ks_releases_continue(log);
    ks_writer_schedule(log);
}

/* --- Sending --- */

static void
retry_from_loop(void *arg)
{
    struct ks_slot *slot = arg;
    struct ks_log *log = slot->log;

    if (log->status != KAFSCALE_OK) {
        ks_slot_free(slot);
    } else {
        ks_slot_send(slot);
    }
    ks_log_end(log);
}

static void
send_later(struct ks_slot *slot)
{
    struct ks_log *log = slot->log;

    ks_log_note_failure(log, KS_LOG_CHORE_FLUSH, NULL);
    slot->retry.on_due = retry_from_loop;
    slot->retry.arg = slot;
    ks_log_begin(log);
    ks_env_set_timer(log->env, &slot->retry,
                     ks_env_now_ms(log->env) + ks_log_backoff_ms(log, slot->attempts++));
}

static void
odd_object(struct ks_slot *slot)
{
    struct ks_log *log = slot->log;
    struct kafscale_error error = { 0 };

    if (++slot->odd_reads < ODD_READS_MAX) {
        send_later(slot);
        return;
    }
    (void) ks_error_set(&error, KAFSCALE_FAILED,
                        "object '%s' of this incarnation was written by somebody else", slot->key);
    ks_log_fail(log, &error);
    ks_slot_free(slot);
}

/* Whether a slot's object is a seal on our own log. */
static bool
is_own_seal(const struct ks_slot *slot, struct kafscale_slice bytes)
{
    struct ks_wal_header header;
    struct kafscale_slice directory;
    struct kafscale_error error = { 0 };

    return ks_wal_read_head(bytes, &header, &directory, &error) == KAFSCALE_OK &&
           (header.flags & KS_WAL_SEAL) != 0 &&
           ks_id_equals(&header.incarnation, &slot->log->options.incarnation) &&
           header.sequence == slot->sequence;
}

static void
on_looked(void *arg, enum kafscale_status status, struct kafscale_blob *body, uint64_t object_bytes,
          const struct kafscale_error *error)
{
    struct ks_slot *slot = arg;
    struct ks_log *log = slot->log;

    (void) object_bytes;
    if (log->is_freed || log->status != KAFSCALE_OK) {
        ks_slot_free(slot);
    } else if (status == KAFSCALE_FAILED) {
        ks_log_fail(log, error);
        ks_slot_free(slot);
    } else if (status != KAFSCALE_OK) {
        send_later(slot);
    } else if (ks_slice_equals(kafscale_blob_slice(body), ks_buffer_slice(&slot->head))) {
        log->counters.own_nonce_seen++;
        become_durable(slot);
    } else if (is_own_seal(slot, kafscale_blob_slice(body))) {
        log->counters.puts_sealed++;
        ks_log_fence(log, "another broker was started on this store and sealed this log");
        ks_slot_free(slot);
    } else {
        odd_object(slot);
    }
    ks_log_end(log);
}

/* Something is in the slot already: an earlier try of ours, a seal, or what must not be. */
static void
look(struct ks_slot *slot)
{
    slot->get = (struct kafscale_get){ .key = slot->key, .size_max = slot->head.size };
    ks_log_begin(slot->log);
    ks_store_get(slot->log->store, &slot->get, on_looked, slot);
}

static void
on_put(void *arg, enum kafscale_status status, const struct kafscale_error *error)
{
    struct ks_slot *slot = arg;
    struct ks_log *log = slot->log;

    if (log->is_freed || log->status != KAFSCALE_OK) {
        ks_slot_free(slot);
    } else if (status == KAFSCALE_OK ||
               (status == KAFSCALE_EXISTS && ks_is_planted(KS_PLANTED_NONCE_READ_BACK))) {
        become_durable(slot);
    } else if (status == KAFSCALE_EXISTS) {
        look(slot);
    } else if (status == KAFSCALE_FAILED) {
        ks_log_fail(log, error);
        ks_slot_free(slot);
    } else {
        send_later(slot);
    }
    ks_log_end(log);
}

/* The planted fault: a retry under another nonce, as if the object had been made again. */
static void
rebatch(struct ks_slot *slot)
{
    struct ks_wal_header header;
    struct kafscale_slice directory;
    struct kafscale_error error = { 0 };
    struct ks_buffer copy;

    if (slot->attempts == 0 || ks_wal_read_head(ks_buffer_slice(&slot->head), &header, &directory,
                                                &error) != KAFSCALE_OK) {
        return;
    }
    ks_buffer_init(&copy, KS_WAL_DIRECTORY_BYTES_MAX);
    ks_buffer_append(&copy, directory.data, directory.size);
    ks_env_random(slot->log->env, header.nonce.bytes, KS_ID_BYTES);
    ks_wal_write_head(&slot->head, &header, ks_buffer_slice(&copy));
    slot->parts[0].bytes = ks_buffer_slice(&slot->head);
    ks_buffer_deinit(&copy);
}

void
ks_slot_send(struct ks_slot *slot)
{
    if (ks_is_planted(KS_PLANTED_REBATCH)) {
        rebatch(slot);
    }
    slot->put = (struct kafscale_put){ .key = slot->key,
                                       .parts = slot->parts,
                                       .part_count = slot->part_count,
                                       .if_absent = !ks_is_planted(KS_PLANTED_UNCONDITIONAL_PUT) };
    ks_log_begin(slot->log);
    ks_store_put(slot->log->store, &slot->put, on_put, slot);
}
