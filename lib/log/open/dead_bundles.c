/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bundles of an earlier log: what is below its trim mark and still needed. Their registers are
 * read after the mark, so that each slot is either in its place, or in a bundle that they name, or
 * needed by nobody. A bundle that a register names and that is gone was covered or merged
 * meanwhile: mark and registers are read again, and only if they still say the same it is lost.
 *
 * Before the registers count the log gets a register of its own that says that it has readers. Its
 * owner compares that there is none when it merges bundles, so what is read here isn't merged
 * later, and stays where it is as long as it is needed. A log without bundles needs none: what is
 * bundled from now on is found when its slots are missed.
 */
#include "log/open/dead_log.h"

#include <assert.h>
#include <inttypes.h>

#define GETS_AT_ONCE 8
#define READS_MAX 5

struct ks_dead_bundle {
    struct ks_dead_log *dead;
    struct ks_bundle_name name;
    struct ks_bundle_size size;
    uint32_t level;
    uint64_t version;
    char key[KS_BUNDLE_KEY_BYTES];
    struct kafscale_get get;
    struct ks_dead_retry retry;
    uint32_t attempts;
    uint32_t damaged_reads;
};

static void read_registers(void *arg);
static void tell_readers(void *arg);

static void
free_asked(struct ks_dead_log *dead)
{
    ks_free(dead->asked);
    dead->asked = NULL;
    dead->asked_count = 0;
    dead->asked_next = 0;
}

void
ks_dead_bundles_free(struct ks_dead_log *dead)
{
    struct ks_list *node;

    free_asked(dead);
    while ((node = ks_list_take_first(&dead->bundles)) != NULL) {
        ks_bundle_unref(KS_CONTAINER(node, struct ks_bundle, link));
    }
}

size_t
ks_dead_bundles_silence(struct ks_dead_log *dead)
{
    size_t stopped = 0;

    for (size_t i = 0; i < dead->asked_next; i++) {
        stopped += ks_dead_stop_waiting(&dead->asked[i].retry);
    }
    return stopped;
}

/* --- Heads ------------------------------------------------------------------------------- */

static void get_head(void *arg);

/* Asks for more; after the last one goes on with the slots, or starts over. */
static void
get_next(struct ks_dead_log *dead)
{
    while (dead->asked_next < dead->asked_count && dead->asked_under_way < GETS_AT_ONCE &&
           !dead->is_bundle_missing) {
        dead->asked_under_way++;
        get_head(&dead->asked[dead->asked_next++]);
    }
    if (dead->asked_under_way > 0) {
        return;
    }
    free_asked(dead);
    if (dead->is_bundle_missing) {
        ks_dead_bundles_free(dead);
        ks_dead_log_read_mark(dead);
    } else {
        ks_dead_log_advance(dead);
    }
}

static void
lose(struct ks_dead_bundle *asked, enum kafscale_status status, const char *text)
{
    (void) ks_error_set(&asked->dead->error, status, "object '%s': %s", asked->key, text);
    ks_dead_give_up(asked->dead, status);
}

/* Keeps them in the order of their slots. */
static void
keep(struct ks_dead_log *dead, struct ks_bundle *bundle)
{
    struct ks_list *node = dead->bundles.previous;

    while (node != &dead->bundles &&
           KS_CONTAINER(node, struct ks_bundle, link)->header.first > bundle->header.first) {
        node = node->previous;
    }
    ks_list_insert(node->next, &bundle->link);
}

static enum kafscale_status
take_head(struct ks_dead_bundle *asked, struct kafscale_slice head, uint64_t object_bytes,
          struct kafscale_error *error)
{
    struct ks_dead_log *dead = asked->dead;
    struct ks_bundle *bundle;
    enum kafscale_status status;

    status = ks_bundle_new(dead->log, dead->source, &asked->name, head, &bundle, error);
    if (status != KAFSCALE_OK) {
        return status;
    }
    if (ks_bundle_total_bytes(&bundle->header) != object_bytes) {
        ks_bundle_unref(bundle);
        return ks_error_set(error, KAFSCALE_CORRUPT, "not as long as it says");
    }
    bundle->register_version = asked->version;
    bundle->level = asked->level;
    keep(dead, bundle);
    return KAFSCALE_OK;
}

static bool
is_final(struct ks_dead_bundle *asked, enum kafscale_status status)
{
    return status == KAFSCALE_FAILED ||
           ((status == KAFSCALE_CORRUPT || status == KAFSCALE_UNSUPPORTED) &&
            ++asked->damaged_reads >= READS_MAX);
}

static void
on_head(void *arg, enum kafscale_status status, struct kafscale_blob *body, uint64_t object_bytes,
        const struct kafscale_error *store_error)
{
    struct ks_dead_bundle *asked = arg;
    struct ks_dead_log *dead = asked->dead;
    struct kafscale_error error = { 0 };

    (void) store_error;
    if (ks_dead_is_over(dead)) {
        ks_dead_give_up(dead, KAFSCALE_STOPPED);
        ks_dead_end(dead);
        return;
    }
    if (status == KAFSCALE_OK) {
        status = take_head(asked, kafscale_blob_slice(body), object_bytes, &error);
    } else if (status == KAFSCALE_NOT_FOUND) {
        dead->is_bundle_missing = true;
        memcpy(dead->missing_key, asked->key, sizeof dead->missing_key);
        if (ks_is_planted(KS_PLANTED_REREAD_ON_404)) {
            lose(asked, KAFSCALE_CORRUPT, "is missing");
        }
        status = KAFSCALE_OK;
    } else {
        (void) ks_error_set(&error, status, "%s", kafscale_status_text(status));
    }
    if (status == KAFSCALE_OK) {
        dead->asked_under_way--;
        if (!dead->is_ending) {
            get_next(dead);
        }
    } else if (is_final(asked, status)) {
        lose(asked, status, error.text);
    } else {
        ks_dead_wait(dead, &asked->retry, get_head, asked, asked->attempts++);
    }
    ks_dead_end(dead);
}

static void
get_head(void *arg)
{
    struct ks_dead_bundle *asked = arg;

    asked->get = (struct kafscale_get){ .key = asked->key, .size_max = asked->size.head_bytes };
    ks_dead_begin(asked->dead);
    ks_store_get(asked->dead->log->store, &asked->get, on_head, asked);
}

/* --- Registers --------------------------------------------------------------------------- */

static enum kafscale_status
note_part(struct ks_dead_log *dead, const struct kafscale_meta_entry *entry, uint64_t first,
          const struct ks_bundle_register *reg, uint32_t part)
{
    struct ks_dead_bundle *asked = &dead->asked[dead->asked_count];

    *asked = (struct ks_dead_bundle){ .dead = dead,
                                      .name = ks_bundle_register_name(first, reg, part),
                                      .size = ks_bundle_register_size(reg, part),
                                      .level = reg->level,
                                      .version = entry->version };
    ks_bundle_key(dead->log->ns, &dead->incarnation, &asked->name, asked->key);
    if (first >= dead->trim) {
        return KAFSCALE_OK; /* made since the mark was read: its slots will be missed */
    }
    if (dead->is_bundle_missing && strcmp(asked->key, dead->missing_key) == 0) {
        return ks_error_set(&dead->error, KAFSCALE_CORRUPT, "object '%s' is missing", asked->key);
    }
    dead->asked_count++;
    return KAFSCALE_OK;
}

static enum kafscale_status
decode(struct ks_dead_log *dead, const struct kafscale_meta_entry *entry, uint64_t *first_out,
       struct ks_bundle_register *reg_out)
{
    struct kafscale_error error = { 0 };
    enum kafscale_status status =
        ks_bundle_register_decode(entry->key, entry->value, first_out, reg_out, &error);

    return status == KAFSCALE_OK ? status
                                 : ks_error_set(&dead->error, error.status, "register '%s': %s",
                                                entry->key, error.text);
}

static enum kafscale_status
note_register(struct ks_dead_log *dead, const struct kafscale_meta_entry *entry)
{
    struct ks_bundle_register reg;
    uint64_t first;
    enum kafscale_status status = decode(dead, entry, &first, &reg);

    for (uint32_t part = 0; status == KAFSCALE_OK && part < reg.part_count; part++) {
        status = note_part(dead, entry, first, &reg, part);
    }
    return status;
}

static enum kafscale_status
note_registers(struct ks_dead_log *dead, const struct kafscale_meta_entry *entries,
               size_t entry_count)
{
    enum kafscale_status status = KAFSCALE_OK;
    size_t part_count = 0;

    for (size_t i = 0; i < entry_count && status == KAFSCALE_OK; i++) {
        struct ks_bundle_register reg;
        uint64_t first;

        status = decode(dead, &entries[i], &first, &reg);
        part_count += status == KAFSCALE_OK ? reg.part_count : 0;
    }
    if (status != KAFSCALE_OK) {
        return status;
    }
    dead->asked = ks_alloc_zero(part_count + 1, sizeof *dead->asked);
    if (dead->asked == NULL) {
        return KAFSCALE_NO_MEMORY;
    }
    for (size_t i = 0; i < entry_count && status == KAFSCALE_OK; i++) {
        status = note_register(dead, &entries[i]);
    }
    return status;
}

static bool
must_tell(const struct ks_dead_log *dead)
{
    return !dead->has_told && !ks_id_equals(&dead->incarnation, &dead->log->options.incarnation);
}

static void
on_registers(void *arg, enum kafscale_status status, const struct kafscale_meta_entry *entries,
             size_t entry_count, uint64_t revision, const struct kafscale_error *error)
{
    struct ks_dead_log *dead = arg;

    (void) revision;
    (void) error;
    if (ks_dead_is_over(dead)) {
        ks_dead_give_up(dead, KAFSCALE_STOPPED);
    } else if (status != KAFSCALE_OK) {
        ks_dead_wait(dead, &dead->retry, read_registers, dead, dead->attempts++);
    } else if (entry_count > 0 && must_tell(dead)) {
        tell_readers(dead);
    } else {
        status = note_registers(dead, entries, entry_count);
        dead->is_bundle_missing = false;
        if (status == KAFSCALE_OK) {
            get_next(dead);
        } else {
            ks_dead_give_up(dead, status);
        }
    }
    ks_dead_end(dead);
}

/* What is known is at least as new as the trim mark, and as what was told of readers. */
static void
read_registers(void *arg)
{
    struct ks_dead_log *dead = arg;

    ks_bundle_register_prefix(&dead->incarnation, dead->bundle_prefix);
    dead->trim_read = (struct kafscale_meta_read){ .key = dead->bundle_prefix, .is_prefix = true };
    ks_dead_begin(dead);
    ks_meta_read(dead->log->meta, &dead->trim_read, on_registers, dead);
}

/* --- That the log has readers ------------------------------------------------------------ */

/* CONFLICT: somebody has told before. */
static void
on_told(void *arg, enum kafscale_status status, uint64_t revision,
        const struct kafscale_error *error)
{
    struct ks_dead_log *dead = arg;

    (void) revision;
    (void) error;
    if (ks_dead_is_over(dead)) {
        ks_dead_give_up(dead, KAFSCALE_STOPPED);
    } else if (status == KAFSCALE_OK || status == KAFSCALE_CONFLICT) {
        dead->has_told = true;
        read_registers(dead);
    } else {
        ks_dead_wait(dead, &dead->retry, tell_readers, dead, dead->attempts++);
    }
    ks_dead_end(dead);
}

static void
tell_readers(void *arg)
{
    struct ks_dead_log *dead = arg;
    const struct ks_id *reader = &dead->log->options.incarnation;

    ks_reader_register_key(&dead->incarnation, dead->reader_key);
    dead->reader_compare = (struct kafscale_meta_compare){ .key = dead->reader_key };
    dead->reader_operation =
        (struct kafscale_meta_operation){ .key = dead->reader_key,
                                          .value = ks_slice(reader->bytes, KS_ID_BYTES) };
    dead->reader_txn = (struct kafscale_meta_txn){ .compares = &dead->reader_compare,
                                                   .compare_count = 1,
                                                   .operations = &dead->reader_operation,
                                                   .operation_count = 1 };
    ks_dead_begin(dead);
    ks_meta_txn(dead->log->meta, &dead->reader_txn, on_told, dead);
}

void
ks_dead_bundles_read(struct ks_dead_log *dead)
{
    ks_dead_bundles_free(dead);
    if (dead->trim == 0) {
        dead->is_bundle_missing = false;
        ks_dead_log_advance(dead);
        return;
    }
    read_registers(dead);
}
