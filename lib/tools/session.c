/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each call submits, then serves the loop until its completion has left the answer. What may be
 * asked again is asked again for a while, since a tool that gives up at the first hiccup of a store
 * helps nobody.
 */
#include "tools/session.h"

#include "broker/formats.h"

#include <assert.h>
#include <stdio.h>

#define TRIES_MAX 8
#define BACKOFF_FIRST_MS 50
#define PAGE_KEYS 1000
#define GETS_AT_ONCE 16u

/* An answer on its way. */
struct call {
    struct ks_session *session;
    bool is_done;
    enum kafscale_status status;
    struct kafscale_error error;
    struct kafscale_blob *body;
    uint64_t object_bytes;
    ks_session_listed *listed;
    void *arg;
    bool is_truncated;
    bool is_enough;
    char last_key[KAFSCALE_STORE_KEY_BYTES_MAX + 1];
    struct ks_session_entries entries;
};

static void
finish(struct call *call, enum kafscale_status status, const struct kafscale_error *error)
{
    call->status = status;
    if (status != KAFSCALE_OK) {
        call->error = (struct kafscale_error){ 0 };
        ks_error_set(&call->error, status, "%s",
                     error != NULL ? error->text : kafscale_status_text(status));
    }
    call->is_done = true;
    call->session->driver.wake(call->session->driver.self);
}

static void
wait_for(struct call *call)
{
    while (!call->is_done) {
        call->session->driver.run(call->session->driver.self);
    }
}

static void
on_timer(void *arg)
{
    finish(arg, KAFSCALE_OK, NULL);
}

static void
rest(struct ks_session *session, uint32_t tries)
{
    struct call call = { .session = session };
    struct ks_timer timer = { .on_due = on_timer, .arg = &call };

    ks_env_set_timer(session->env, &timer,
                     ks_env_now_ms(session->env) + ((int64_t) BACKOFF_FIRST_MS << tries));
    wait_for(&call);
}

/* Whether the answer is one that asking again may change; then it has paused, and forgets it. */
static bool
may_try_again(struct call *call, uint32_t *tries)
{
    bool is_passing = call->status == KAFSCALE_UNAVAILABLE || call->status == KAFSCALE_UNKNOWN ||
                      call->status == KAFSCALE_CORRUPT || call->status == KAFSCALE_IO;

    if (!is_passing || *tries + 1 >= TRIES_MAX) {
        return false;
    }
    rest(call->session, (*tries)++);
    call->is_done = false;
    return true;
}

static enum kafscale_status
answer(const struct call *call, struct kafscale_error *error)
{
    if (call->status != KAFSCALE_OK) {
        ks_error_set(error, call->status, "%s", call->error.text);
    }
    return call->status;
}

/* --- Objects --- */

static void
on_got(void *arg, enum kafscale_status status, struct kafscale_blob *body, uint64_t object_bytes,
       const struct kafscale_error *error)
{
    struct call *call = arg;

    if (status == KAFSCALE_OK) {
        call->body = kafscale_blob_ref(body);
        call->object_bytes = object_bytes;
    }
    finish(call, status, error);
}

enum kafscale_status
ks_session_get(struct ks_session *session, const struct kafscale_get *get,
               struct kafscale_blob **body_out, uint64_t *object_bytes_out,
               struct kafscale_error *error)
{
    struct call call = { .session = session };
    uint32_t tries = 0;

    do {
        ks_store_get(session->store, get, on_got, &call);
        wait_for(&call);
    } while (may_try_again(&call, &tries));
    if (call.status == KAFSCALE_OK) {
        *body_out = call.body;
        *object_bytes_out = call.object_bytes;
    } else {
        ks_error_wrap(&call.error, "'%s'", get->key);
    }
    return answer(&call, error);
}

static void
on_written(void *arg, enum kafscale_status status, const struct kafscale_error *error)
{
    finish(arg, status, error);
}

enum kafscale_status
ks_session_create(struct ks_session *session, const char *key, struct kafscale_slice bytes,
                  struct kafscale_error *error)
{
    struct call call = { .session = session };
    struct kafscale_part part = { .bytes = bytes };
    struct kafscale_put put = { .key = key, .parts = &part, .part_count = 1, .if_absent = true };
    uint32_t tries = 0;

    do {
        ks_store_put(session->store, &put, on_written, &call);
        wait_for(&call);
    } while (may_try_again(&call, &tries));
    ks_error_wrap(&call.error, "'%s'", key);
    return answer(&call, error);
}

static void
on_listed(void *arg, enum kafscale_status status, const struct kafscale_list_entry *entries,
          size_t entry_count, bool is_truncated, const struct kafscale_error *error)
{
    struct call *call = arg;

    call->is_truncated = is_truncated;
    for (size_t i = 0; status == KAFSCALE_OK && i < entry_count && !call->is_enough; i++) {
        call->is_enough = !call->listed(call->arg, &entries[i]);
    }
    if (status == KAFSCALE_OK && entry_count > 0) {
        size_t size = strlen(entries[entry_count - 1].key);

        assert(size < sizeof call->last_key);
        memcpy(call->last_key, entries[entry_count - 1].key, size + 1);
    }
    finish(call, status, error);
}

enum kafscale_status
ks_session_list(struct ks_session *session, const char *prefix, const char *start_after,
                ks_session_listed *listed, void *arg, struct kafscale_error *error)
{
    struct call call = { .session = session, .listed = listed, .arg = arg };
    struct kafscale_list list = { .prefix = prefix,
                                  .start_after = start_after,
                                  .count_max = PAGE_KEYS };
    uint32_t tries = 0;

    do {
        char after[sizeof call.last_key];

        if (call.last_key[0] != '\0') {
            memcpy(after, call.last_key, sizeof after);
            list.start_after = after;
        }
        call.is_done = false;
        ks_store_list(session->store, &list, on_listed, &call);
        wait_for(&call);
        if (call.status == KAFSCALE_OK && (!call.is_truncated || call.is_enough)) {
            return KAFSCALE_OK;
        }
    } while (call.status == KAFSCALE_OK || may_try_again(&call, &tries));
    ks_error_wrap(&call.error, "list '%s'", prefix);
    return answer(&call, error);
}

/* --- Many objects at once --- */

struct many;

struct one {
    struct many *many;
    struct kafscale_get get;
    bool is_there;
    enum kafscale_status status;
    struct kafscale_blob *body;
    struct kafscale_error error;
};

struct many {
    struct ks_session *session;
    const char *const *keys;
    size_t count;
    size_t asked;
    size_t told;
    ks_session_got *got;
    void *arg;
    struct one ones[GETS_AT_ONCE]; /* by index, modulo */
    bool must_tell;
};

static void
on_one(void *arg, enum kafscale_status status, struct kafscale_blob *body, uint64_t object_bytes,
       const struct kafscale_error *error)
{
    struct one *one = arg;

    (void) object_bytes;
    one->status = status;
    one->body = status == KAFSCALE_OK ? kafscale_blob_ref(body) : NULL;
    one->error = error == NULL ? (struct kafscale_error){ 0 } : *error;
    one->is_there = true;
    one->many->must_tell = true;
    one->many->session->driver.wake(one->many->session->driver.self);
}

static void
ask_more(struct many *many)
{
    while (many->asked < many->count && many->asked < many->told + GETS_AT_ONCE) {
        struct one *one = &many->ones[many->asked % GETS_AT_ONCE];

        *one = (struct one){ .many = many,
                             .get = { .key = many->keys[many->asked], .size_max = SIZE_MAX } };
        many->asked++;
        ks_store_get(many->session->store, &one->get, on_one, one);
    }
}

/* What failed in passing is asked for once more, alone, where it can be waited for. */
static void
tell_one(struct many *many, struct one *one)
{
    uint64_t object_bytes;

    if (one->status != KAFSCALE_OK && one->status != KAFSCALE_NOT_FOUND) {
        one->error = (struct kafscale_error){ 0 };
        one->status =
            ks_session_get(many->session, &one->get, &one->body, &object_bytes, &one->error);
    }
    many->got(many->arg, many->told++, one->status, one->body, &one->error);
    kafscale_blob_unref(one->body);
    one->body = NULL;
    one->is_there = false;
}

enum kafscale_status
ks_session_get_many(struct ks_session *session, const char *const *keys, size_t count,
                    ks_session_got *got, void *arg)
{
    struct many *many = ks_alloc_zero(1, sizeof *many);

    if (many == NULL) {
        return KAFSCALE_NO_MEMORY;
    }
    *many =
        (struct many){ .session = session, .keys = keys, .count = count, .got = got, .arg = arg };
    while (many->told < count) {
        struct one *next = &many->ones[many->told % GETS_AT_ONCE];

        ask_more(many);
        while (!next->is_there) {
            session->driver.run(session->driver.self);
        }
        tell_one(many, next);
    }
    ks_free(many);
    return KAFSCALE_OK;
}

enum kafscale_status
ks_session_probe(struct ks_session *session, struct kafscale_error *error)
{
    struct call call = { .session = session };
    char prefix[KAFSCALE_STORE_KEY_BYTES_MAX];
    enum kafscale_status status;

    snprintf(prefix, sizeof prefix, "%s/__kafscale/probe/", session->ns);
    status = ks_store_probe(session->store, session->env, prefix, on_written, &call);
    if (status != KAFSCALE_OK) {
        return ks_error_set(error, status, "no memory for a probe");
    }
    wait_for(&call);
    return answer(&call, error);
}

enum kafscale_status
ks_session_identify(struct ks_session *session, struct ks_id *cluster_out,
                    struct kafscale_error *error)
{
    struct call call = { .session = session };
    struct ks_identity identity = { .env = session->env,
                                    .store = session->store,
                                    .meta = session->meta,
                                    .ns = session->ns,
                                    .backend = session->backend };
    uint32_t tries = 0;

    do {
        ks_identity_check(&identity, on_written, &call);
        wait_for(&call);
    } while (may_try_again(&call, &tries));
    if (call.status == KAFSCALE_OK && cluster_out != NULL) {
        *cluster_out = identity.record.cluster;
    }
    return answer(&call, error);
}

/* --- Metadata --- */

static enum kafscale_status
copy_entries(struct ks_session_entries *copy, const struct kafscale_meta_entry *entries,
             size_t entry_count)
{
    copy->entries = ks_arena_alloc_array(&copy->arena, entry_count, sizeof *entries);
    for (size_t i = 0; i < entry_count && !ks_arena_failed(&copy->arena); i++) {
        const struct kafscale_meta_entry *entry = &entries[i];

        copy->entries[i].key = ks_arena_copy_text(&copy->arena, entry->key, strlen(entry->key));
        copy->entries[i].value =
            ks_slice(ks_arena_copy_text(&copy->arena, entry->value.data, entry->value.size),
                     entry->value.size);
        copy->entries[i].version = entry->version;
    }
    copy->count = entry_count;
    return ks_arena_failed(&copy->arena) ? KAFSCALE_NO_MEMORY : KAFSCALE_OK;
}

static void
on_read(void *arg, enum kafscale_status status, const struct kafscale_meta_entry *entries,
        size_t entry_count, uint64_t revision, const struct kafscale_error *error)
{
    struct call *call = arg;

    (void) revision;
    if (status == KAFSCALE_OK) {
        status = copy_entries(&call->entries, entries, entry_count);
    }
    finish(call, status, error);
}

enum kafscale_status
ks_session_read(struct ks_session *session, const char *prefix,
                struct ks_session_entries *entries_out, struct kafscale_error *error)
{
    struct call call = { .session = session };
    struct kafscale_meta_read read = { .key = prefix, .is_prefix = true, .is_fresh = true };

    ks_arena_init(&call.entries.arena, SIZE_MAX);
    ks_meta_read(session->meta, &read, on_read, &call);
    wait_for(&call);
    if (call.status == KAFSCALE_OK) {
        *entries_out = call.entries;
    } else {
        ks_session_entries_free(&call.entries);
        ks_error_wrap(&call.error, "metadata");
    }
    return answer(&call, error);
}

void
ks_session_entries_free(struct ks_session_entries *entries)
{
    ks_arena_deinit(&entries->arena);
    *entries = (struct ks_session_entries){ 0 };
}

static void
on_txn(void *arg, enum kafscale_status status, uint64_t revision,
       const struct kafscale_error *error)
{
    (void) revision;
    finish(arg, status, error);
}

enum kafscale_status
ks_session_txn(struct ks_session *session, const struct kafscale_meta_txn *txn,
               struct kafscale_error *error)
{
    struct call call = { .session = session };

    ks_meta_txn(session->meta, txn, on_txn, &call);
    wait_for(&call);
    return answer(&call, error);
}
