/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Objects are listed first, then the marks are read, then the registers of bundles: a mark only
 * rises, and no register of a slot below it comes again, so what is below a mark and named by no
 * register that was read later is garbage. An object above a seal is never acknowledged; it may
 * go when the seal was listed before a mark was read that is not above it, which makes the seal
 * valid. Seals stay: they are smaller than any other object.
 *
 * What a merge has left is named by no register, and yet its transaction may still come, for it
 * doesn't need the mark. It needs the register of its first slot as that was, with fewer slots: so
 * it goes only if there is none, or if that one names as many slots. Else a later start sees to it.
 */
#include "log/trim/leftovers.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

#define DELAY_MS 30000
#define PAGE_KEYS 1000
#define FOUND_MAX 100000
#define TRIES_MAX 10
/* An object with a batch has more bytes, a seal fewer. */
#define SEAL_BYTES_MAX 255

static_assert(KS_WAL_HEADER_BYTES + KS_WAL_SECTION_BYTES + KS_WAL_ENTRY_BYTES +
                      KS_BATCH_HEADER_BYTES + KS_WAL_TRAILER_BYTES >
                  SEAL_BYTES_MAX,
              "no object with a batch passes for a seal");
static_assert(KS_WAL_HEADER_BYTES + KS_ID_BYTES + KS_WAL_TRAILER_BYTES <= SEAL_BYTES_MAX,
              "a seal is small");

/* A slot, or a bundle. */
struct found {
    uint32_t source;
    bool is_bundle;
    bool is_small;
    struct ks_bundle_name name; /* of a slot `first` alone */
};

struct ks_leftovers {
    struct ks_trimmer *trimmer;
    struct found *found;
    size_t count;
    size_t capacity;
    bool is_asking;
    bool is_wal; /* listed after the bundles */
    char prefix[KS_BUNDLE_KEY_BYTES];
    char last_key[KAFSCALE_STORE_KEY_BYTES_MAX + 1];
    struct kafscale_list list;
    uint64_t *marks; /* by source */
    uint32_t mark_count;
    struct kafscale_meta_read read;
    size_t next; /* of the seals that are looked at */
    char key[KS_WAL_KEY_BYTES];
    struct kafscale_get get;
    uint32_t attempts;
    struct ks_timer timer;
};

static void list_page(void *arg);
static void read_marks(void *arg);
static void read_registers(void *arg);
static void look_at_seals(void *arg);

static void
leftovers_free(struct ks_leftovers *leftovers)
{
    leftovers->trimmer->leftovers = NULL;
    ks_env_cancel_timer(leftovers->trimmer->log->env, &leftovers->timer);
    ks_free(leftovers->found);
    ks_free(leftovers->marks);
    ks_free(leftovers);
}

/* Before each request. False: the log is going, and it is gone. */
static bool
begin(struct ks_leftovers *leftovers)
{
    if (ks_trimmer_is_over(leftovers->trimmer->log)) {
        leftovers_free(leftovers);
        return false;
    }
    leftovers->is_asking = true;
    ks_log_begin(leftovers->trimmer->log);
    return true;
}

static void
wait(struct ks_leftovers *leftovers, void (*on_due)(void *), int64_t wait_ms)
{
    struct ks_env *env = leftovers->trimmer->log->env;

    ks_env_cancel_timer(env, &leftovers->timer);
    leftovers->timer = (struct ks_timer){ .on_due = on_due, .arg = leftovers };
    ks_env_set_timer(env, &leftovers->timer, ks_env_now_ms(env) + wait_ms);
}

/* After each request. True: `status` is OK, go on. False: asked again later, or it is gone. */
static bool
is_answered(struct ks_leftovers *leftovers, enum kafscale_status status, void (*again)(void *))
{
    struct ks_log *log = leftovers->trimmer->log;

    leftovers->is_asking = false;
    if (status != KAFSCALE_OK && !ks_trimmer_is_over(log)) {
        ks_log_note_failure(log, KS_LOG_CHORE_LEFTOVERS, NULL);
    }
    if (ks_trimmer_is_over(log) || (status != KAFSCALE_OK && ++leftovers->attempts >= TRIES_MAX)) {
        ks_log_note_rest(log, KS_LOG_CHORE_LEFTOVERS);
        leftovers_free(leftovers);
        return false;
    }
    if (status != KAFSCALE_OK) {
        wait(leftovers, again, ks_log_backoff_ms(log, leftovers->attempts));
        return false;
    }
    leftovers->attempts = 0;
    return true;
}

/* --- Listing ----------------------------------------------------------------------------- */

/* {incarnation}/{slot}, or the name of a bundle. False: something else lies there. */
static bool
parse_key(struct ks_leftovers *leftovers, const char *rest, struct found *found)
{
    struct ks_id incarnation;
    const char *name = ks_id_from_path(rest, &incarnation);

    if (name == NULL || !(found->is_bundle ? ks_bundle_name_parse(name, &found->name)
                                           : ks_wal_slot_parse(name, &found->name.first))) {
        return false;
    }
    found->source = ks_log_source(leftovers->trimmer->log, &incarnation);
    return found->source != UINT32_MAX;
}

/* False: no more is noted, for want of memory or because it is enough for now. */
static bool
note_found(struct ks_leftovers *leftovers, const struct found *found)
{
    if (leftovers->count == FOUND_MAX ||
        !KS_RESERVE(leftovers->found, leftovers->capacity, leftovers->count + 1)) {
        return false;
    }
    leftovers->found[leftovers->count++] = *found;
    return true;
}

static void
begin_list(struct ks_leftovers *leftovers, bool is_wal)
{
    leftovers->is_wal = is_wal;
    leftovers->last_key[0] = '\0';
    snprintf(leftovers->prefix, sizeof leftovers->prefix, "%s/__kafscale/%s/",
             leftovers->trimmer->log->ns, is_wal ? "wal" : "bundle");
    list_page(leftovers);
}

static void
on_page(void *arg, enum kafscale_status status, const struct kafscale_list_entry *entries,
        size_t entry_count, bool is_truncated, const struct kafscale_error *error)
{
    struct ks_leftovers *leftovers = arg;
    struct ks_log *log = leftovers->trimmer->log;
    bool is_enough = false;

    (void) error;
    if (!is_answered(leftovers, status, list_page)) {
        ks_log_end(log);
        return;
    }
    for (size_t i = 0; i < entry_count && !is_enough; i++) {
        struct found found = { .is_bundle = !leftovers->is_wal,
                               .is_small = entries[i].object_bytes <= SEAL_BYTES_MAX };

        if (parse_key(leftovers, entries[i].key + strlen(leftovers->prefix), &found)) {
            is_enough = !note_found(leftovers, &found);
        }
        snprintf(leftovers->last_key, sizeof leftovers->last_key, "%s", entries[i].key);
    }
    if (is_truncated && !is_enough) {
        list_page(leftovers);
    } else if (!leftovers->is_wal) {
        begin_list(leftovers, true);
    } else {
        read_marks(leftovers);
    }
    ks_log_end(log);
}

static void
list_page(void *arg)
{
    struct ks_leftovers *leftovers = arg;

    if (!begin(leftovers)) {
        return;
    }
    leftovers->list = (struct kafscale_list){
        .prefix = leftovers->prefix,
        .start_after = leftovers->last_key[0] == '\0' ? NULL : leftovers->last_key,
        .count_max = PAGE_KEYS,
    };
    ks_store_list(leftovers->trimmer->log->store, &leftovers->list, on_page, leftovers);
}

/* --- Marks and registers ----------------------------------------------------------------- */

static uint64_t
mark_of(const struct ks_leftovers *leftovers, uint32_t source)
{
    return source < leftovers->mark_count ? leftovers->marks[source] : 0;
}

static void
on_marks(void *arg, enum kafscale_status status, const struct kafscale_meta_entry *entries,
         size_t entry_count, uint64_t revision, const struct kafscale_error *error)
{
    struct ks_leftovers *leftovers = arg;
    struct ks_log *log = leftovers->trimmer->log;

    (void) revision;
    (void) error;
    if (!is_answered(leftovers, status, read_marks)) {
        ks_log_end(log);
        return;
    }
    leftovers->mark_count = log->source_count;
    leftovers->marks = ks_alloc_zero(leftovers->mark_count, sizeof *leftovers->marks);
    for (uint32_t i = 0; leftovers->marks != NULL && i < leftovers->mark_count; i++) {
        char key[KS_REGISTER_KEY_BYTES];
        const struct kafscale_meta_entry *entry;

        ks_trim_key(&log->sources[i], key);
        entry = ks_find_entry(entries, entry_count, key);
        leftovers->marks[i] = entry == NULL ? 0 : ks_trim_mark_of(entry, 1);
    }
    if (leftovers->marks == NULL) {
        leftovers_free(leftovers);
    } else {
        read_registers(leftovers);
    }
    ks_log_end(log);
}

static void
read_marks(void *arg)
{
    struct ks_leftovers *leftovers = arg;

    if (!begin(leftovers)) {
        return;
    }
    leftovers->read =
        (struct kafscale_meta_read){ .key = "trim/", .is_prefix = true, .is_fresh = true };
    ks_meta_read(leftovers->trimmer->log->meta, &leftovers->read, on_marks, leftovers);
}

/*
 * Whether a register names the bundle, or may come to. One that can't be understood names whatever
 * it may name.
 */
static bool
is_named(const struct ks_log *log, const struct found *found,
         const struct kafscale_meta_entry *entries, size_t entry_count)
{
    const struct kafscale_meta_entry *entry;
    struct kafscale_error error = { 0 };
    struct ks_bundle_register reg;
    char key[KS_BUNDLE_REGISTER_KEY_BYTES];
    uint64_t first;

    ks_bundle_register_key(&log->sources[found->source], found->name.first, key);
    entry = ks_find_entry(entries, entry_count, key);
    if (entry == NULL) {
        return false;
    }
    if (ks_bundle_register_decode(key, entry->value, &first, &reg, &error) != KAFSCALE_OK) {
        return true;
    }
    return (reg.last == found->name.last && reg.attempt == found->name.attempt) ||
           (found->name.attempt > 0 && reg.last < found->name.last &&
            !ks_is_planted(KS_PLANTED_MERGE_ORPHAN));
}

static void
on_registers(void *arg, enum kafscale_status status, const struct kafscale_meta_entry *entries,
             size_t entry_count, uint64_t revision, const struct kafscale_error *error)
{
    struct ks_leftovers *leftovers = arg;
    struct ks_log *log = leftovers->trimmer->log;

    (void) revision;
    (void) error;
    if (!is_answered(leftovers, status, read_registers)) {
        ks_log_end(log);
        return;
    }
    for (size_t i = 0; i < leftovers->count; i++) {
        const struct found *found = &leftovers->found[i];

        if (found->name.first >= mark_of(leftovers, found->source) &&
            !(found->is_bundle && ks_is_planted(KS_PLANTED_GC_MARK))) {
            continue;
        }
        if (found->is_bundle && (!is_named(log, found, entries, entry_count) ||
                                 ks_is_planted(KS_PLANTED_GC_REGISTER))) {
            log->counters.leftovers++;
            ks_garbage_add_bundle(leftovers->trimmer, found->source, &found->name);
        } else if (!found->is_bundle && !found->is_small) {
            log->counters.leftovers++;
            ks_garbage_add(leftovers->trimmer, found->source, found->name.first,
                           found->name.first + 1);
        }
    }
    look_at_seals(leftovers);
    ks_log_end(log);
}

static void
read_registers(void *arg)
{
    struct ks_leftovers *leftovers = arg;

    if (!begin(leftovers)) {
        return;
    }
    leftovers->read =
        (struct kafscale_meta_read){ .key = "bundle/", .is_prefix = true, .is_fresh = true };
    ks_meta_read(leftovers->trimmer->log->meta, &leftovers->read, on_registers, leftovers);
}

/* --- Above seals ------------------------------------------------------------------------- */

static bool
is_slot_of(const struct ks_leftovers *leftovers, size_t index, uint32_t source)
{
    return index < leftovers->count && !leftovers->found[index].is_bundle &&
           leftovers->found[index].source == source;
}

/* Something may be a seal that counts, and something lies above it. */
static bool
has_above(const struct ks_leftovers *leftovers, size_t index)
{
    const struct found *found = &leftovers->found[index];

    return !found->is_bundle && found->is_small &&
           (found->name.first >= mark_of(leftovers, found->source) ||
            ks_is_planted(KS_PLANTED_GC_VOID_SEAL)) &&
           is_slot_of(leftovers, index + 1, found->source);
}

static bool
is_seal(const struct ks_leftovers *leftovers, struct kafscale_slice bytes)
{
    const struct found *found = &leftovers->found[leftovers->next];
    const struct ks_log *log = leftovers->trimmer->log;
    struct kafscale_error error = { 0 };
    struct kafscale_slice directory;
    struct ks_wal_header header;

    return ks_wal_read_head(bytes, &header, &directory, &error) == KAFSCALE_OK &&
           (header.flags & KS_WAL_SEAL) != 0 && header.sequence == found->name.first &&
           ks_id_equals(&header.cluster, &log->options.cluster) &&
           ks_id_equals(&header.incarnation, &log->sources[found->source]);
}

static void
on_seal(void *arg, enum kafscale_status status, struct kafscale_blob *body, uint64_t object_bytes,
        const struct kafscale_error *error)
{
    struct ks_leftovers *leftovers = arg;
    struct ks_log *log = leftovers->trimmer->log;
    uint32_t source;

    (void) object_bytes;
    (void) error;
    if (!is_answered(leftovers, status, look_at_seals)) {
        ks_log_end(log);
        return;
    }
    source = leftovers->found[leftovers->next].source;
    if (is_seal(leftovers, kafscale_blob_slice(body))) {
        for (size_t i = leftovers->next + 1; is_slot_of(leftovers, i, source); i++) {
            if (!leftovers->found[i].is_small) {
                log->counters.leftovers++;
                ks_garbage_add(leftovers->trimmer, source, leftovers->found[i].name.first,
                               leftovers->found[i].name.first + 1);
            }
        }
    }
    /* What is above the first seal is done with, or nothing is known of it. */
    while (is_slot_of(leftovers, leftovers->next, source)) {
        leftovers->next++;
    }
    look_at_seals(leftovers);
    ks_log_end(log);
}

static void
look_at_seals(void *arg)
{
    struct ks_leftovers *leftovers = arg;
    struct ks_log *log = leftovers->trimmer->log;

    while (leftovers->next < leftovers->count && !has_above(leftovers, leftovers->next)) {
        leftovers->next++;
    }
    if (leftovers->next == leftovers->count) {
        ks_log_note_success(log, KS_LOG_CHORE_LEFTOVERS);
        leftovers_free(leftovers);
        return;
    }
    if (!begin(leftovers)) {
        return;
    }
    ks_wal_key(log->ns, &log->sources[leftovers->found[leftovers->next].source],
               leftovers->found[leftovers->next].name.first, leftovers->key);
    leftovers->get = (struct kafscale_get){ .key = leftovers->key, .size_max = SEAL_BYTES_MAX };
    ks_store_get(log->store, &leftovers->get, on_seal, leftovers);
}

/* --- The calls --------------------------------------------------------------------------- */

static void
begin_bundles(void *arg)
{
    begin_list(arg, false);
}

void
ks_leftovers_begin(struct ks_trimmer *trimmer)
{
    int64_t delay_ms = trimmer->log->options.leftovers_delay_ms;
    struct ks_leftovers *leftovers;

    if (trimmer->has_left || trimmer->log->options.bundle_slots == 0) {
        return;
    }
    leftovers = ks_alloc_zero(1, sizeof *leftovers);
    if (leftovers == NULL) {
        return;
    }
    trimmer->has_left = true;
    trimmer->leftovers = leftovers;
    leftovers->trimmer = trimmer;
    wait(leftovers, begin_bundles, delay_ms > 0 ? delay_ms : DELAY_MS);
}

void
ks_leftovers_silence(struct ks_trimmer *trimmer)
{
    if (trimmer->leftovers != NULL && !trimmer->leftovers->is_asking) {
        leftovers_free(trimmer->leftovers);
    }
}

void
ks_leftovers_drop(struct ks_trimmer *trimmer)
{
    if (trimmer->leftovers != NULL) {
        leftovers_free(trimmer->leftovers);
    }
}
