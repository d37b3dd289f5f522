/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An answer that says nothing about the object is asked for again a few times: a store that is
 * busy isn't a broken one. What then was UNKNOWN may have happened, and is looked at.
 */
#include "tools/store_try.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

#define TRIES_MAX 6
#define BACKOFF_FIRST_MS 10
#define LIST_BYTES_MAX 4096

/* A request on its way. */
struct call {
    struct ks_store_try *attempt;
    size_t left;
    enum kafscale_status status;
    struct kafscale_error error;
    struct kafscale_blob *body;
    uint64_t object_bytes;
    struct ks_buffer listed;
};

void
ks_store_try_wait(struct ks_store_try *attempt, const size_t *left)
{
    while (*left > 0) {
        attempt->session->driver.run(attempt->session->driver.self);
    }
}

void
ks_store_try_wake(struct ks_store_try *attempt, size_t *left)
{
    assert(*left > 0);

    --*left;
    attempt->session->driver.wake(attempt->session->driver.self);
}

static void
note(struct call *call, enum kafscale_status status, const struct kafscale_error *error)
{
    call->status = status;
    call->error = error == NULL ? (struct kafscale_error){ 0 } : *error;
    ks_store_try_wake(call->attempt, &call->left);
}

static void
on_done(void *arg, enum kafscale_status status, const struct kafscale_error *error)
{
    note(arg, status, error);
}

static void
on_timer(void *arg)
{
    note(arg, KAFSCALE_OK, NULL);
}

static void
rest(struct ks_store_try *attempt, int tries)
{
    struct call call = { .attempt = attempt, .left = 1 };
    struct ks_timer timer = { .on_due = on_timer, .arg = &call };
    struct ks_env *env = attempt->session->env;

    ks_env_set_timer(env, &timer, ks_env_now_ms(env) + ((int64_t) BACKOFF_FIRST_MS << tries));
    ks_store_try_wait(attempt, &call.left);
}

static bool
is_passing(enum kafscale_status status)
{
    return status == KAFSCALE_UNAVAILABLE || status == KAFSCALE_UNKNOWN ||
           status == KAFSCALE_NO_MEMORY || status == KAFSCALE_IO;
}

/* Whether to send it once more, after a while. */
static bool
is_worth_another(struct call *call, int *tries)
{
    if (!is_passing(call->status) || *tries + 1 >= TRIES_MAX) {
        return false;
    }
    rest(call->attempt, (*tries)++);
    return true;
}

/* --- Expectations --- */

bool
ks_store_try_failed(const struct ks_store_try *attempt)
{
    return attempt->failure.status != KAFSCALE_OK;
}

bool
ks_store_try_fail(struct ks_store_try *attempt, const char *format, ...)
{
    char text[KAFSCALE_ERROR_TEXT_BYTES];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    ks_error_set(&attempt->failure, KAFSCALE_UNSUPPORTED, "%s", text);
    return false;
}

bool
ks_store_try_expect(struct ks_store_try *attempt, const char *what, enum kafscale_status status,
                    const struct kafscale_error *error, enum kafscale_status wanted)
{
    const char *why =
        error == NULL || error->text[0] == '\0' ? kafscale_status_text(status) : error->text;

    if (status == wanted) {
        return true;
    }
    if (is_passing(status)) {
        ks_error_set(&attempt->failure, status, "%s: %s", what, why);
        return false;
    }
    return ks_store_try_fail(attempt, "%s: expected \"%s\", and not: %s", what,
                             kafscale_status_text(wanted), why);
}

/* --- Keys --- */

void
ks_store_try_begin(struct ks_store_try *attempt, int number)
{
    int size =
        snprintf(attempt->base, sizeof attempt->base, "%scheck-%d/", attempt->prefix, number);

    assert(size > 0 && (size_t) size < sizeof attempt->base);
    ks_arena_deinit(&attempt->arena);
    ks_arena_init(&attempt->arena, (size_t) 16 << 20);
    attempt->key_count = 0;
    attempt->failure = (struct kafscale_error){ 0 };
    attempt->breaches = ks_store_counters(attempt->session->store)->breaches;
}

void
ks_store_try_key(struct ks_store_try *attempt, const char *name,
                 char key_out[KS_STORE_TRY_KEY_BYTES])
{
    int size = snprintf(key_out, KS_STORE_TRY_KEY_BYTES, "%s%s", attempt->base, name);
    const char *copy;

    assert(size > 0 && (size_t) size < KS_STORE_TRY_KEY_BYTES);
    copy = ks_arena_copy_text(&attempt->arena, key_out, (size_t) size);
    if (copy != NULL && KS_RESERVE(attempt->keys, attempt->key_capacity, attempt->key_count + 1)) {
        attempt->keys[attempt->key_count++] = copy;
    }
}

static bool
remove_key(struct ks_store_try *attempt, const char *key)
{
    struct kafscale_remove remove = { .key = key };
    struct call call;
    int tries = 0;

    do {
        call = (struct call){ .attempt = attempt, .left = 1 };
        ks_store_remove(attempt->session->store, &remove, on_done, &call);
        ks_store_try_wait(attempt, &call.left);
    } while (is_worth_another(&call, &tries));
    return ks_store_try_expect(attempt, "DELETE", call.status, &call.error, KAFSCALE_OK);
}

void
ks_store_try_end(struct ks_store_try *attempt)
{
    for (size_t i = 0; i < attempt->key_count; i++) {
        (void) remove_key(attempt, attempt->keys[i]);
    }
    attempt->key_count = 0;
    if (ks_store_counters(attempt->session->store)->breaches > attempt->breaches) {
        ks_store_try_fail(attempt, "a request was answered twice");
    }
}

void
ks_store_try_deinit(struct ks_store_try *attempt)
{
    ks_arena_deinit(&attempt->arena);
    ks_free(attempt->keys);
}

bool
ks_store_try_remove(struct ks_store_try *attempt, const char *name)
{
    char key[KS_STORE_TRY_KEY_BYTES];

    ks_store_try_key(attempt, name, key);
    return remove_key(attempt, key);
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
    note(call, status, error);
}

static struct call
get(struct ks_store_try *attempt, const struct kafscale_get *request)
{
    struct call call;
    int tries = 0;

    do {
        call = (struct call){ .attempt = attempt, .left = 1 };
        ks_store_get(attempt->session->store, request, on_got, &call);
        ks_store_try_wait(attempt, &call.left);
    } while (is_worth_another(&call, &tries));
    return call;
}

bool
ks_store_try_range(struct ks_store_try *attempt, const char *name, uint64_t position,
                   size_t size_max, struct kafscale_slice wanted, uint64_t object_bytes)
{
    char key[KS_STORE_TRY_KEY_BYTES];
    struct kafscale_get request = { .key = key, .position = position, .size_max = size_max };
    struct call call;
    bool is_good;

    ks_store_try_key(attempt, name, key);
    call = get(attempt, &request);
    is_good = ks_store_try_expect(attempt, "GET", call.status, &call.error, KAFSCALE_OK);
    if (is_good && !ks_slice_equals(kafscale_blob_slice(call.body), wanted)) {
        is_good = ks_store_try_fail(attempt,
                                    "GET of %zu bytes from %llu on: other bytes than were put "
                                    "(%zu instead of %zu)",
                                    size_max, (unsigned long long) position,
                                    kafscale_blob_size(call.body), wanted.size);
    }
    if (is_good && call.object_bytes != object_bytes) {
        is_good = ks_store_try_fail(attempt, "GET: tells of an object of %llu bytes, not %llu",
                                    (unsigned long long) call.object_bytes,
                                    (unsigned long long) object_bytes);
    }
    kafscale_blob_unref(call.body);
    return is_good;
}

bool
ks_store_try_absent(struct ks_store_try *attempt, const char *name)
{
    char key[KS_STORE_TRY_KEY_BYTES];
    struct kafscale_get request = { .key = key, .size_max = SIZE_MAX };
    struct call call;

    ks_store_try_key(attempt, name, key);
    call = get(attempt, &request);
    kafscale_blob_unref(call.body);
    return ks_store_try_expect(attempt, "GET of a key that isn't there", call.status, &call.error,
                               KAFSCALE_NOT_FOUND);
}

/* A PUT that was sent twice may meet itself. */
static bool
is_own_doing(struct ks_store_try *attempt, const char *key, struct kafscale_slice bytes)
{
    struct kafscale_get request = { .key = key, .size_max = SIZE_MAX };
    struct call call = get(attempt, &request);
    bool is_same =
        call.status == KAFSCALE_OK && ks_slice_equals(kafscale_blob_slice(call.body), bytes);

    kafscale_blob_unref(call.body);
    return is_same;
}

bool
ks_store_try_put(struct ks_store_try *attempt, const char *name, struct kafscale_slice bytes,
                 bool if_absent, enum kafscale_status wanted)
{
    char key[KS_STORE_TRY_KEY_BYTES];
    struct kafscale_part part = { .bytes = bytes };
    struct kafscale_put request = {
        .key = key, .parts = &part, .part_count = 1, .if_absent = if_absent
    };
    struct call call;
    int tries = 0;

    ks_store_try_key(attempt, name, key);
    do {
        call = (struct call){ .attempt = attempt, .left = 1 };
        ks_store_put(attempt->session->store, &request, on_done, &call);
        ks_store_try_wait(attempt, &call.left);
    } while (is_worth_another(&call, &tries));
    if (call.status == KAFSCALE_EXISTS && wanted == KAFSCALE_OK &&
        is_own_doing(attempt, key, bytes)) {
        return true;
    }
    return ks_store_try_expect(attempt, if_absent ? "PUT if absent" : "PUT", call.status,
                               &call.error, wanted);
}

/* --- Lists --- */

static void
on_listed(void *arg, enum kafscale_status status, const struct kafscale_list_entry *entries,
          size_t entry_count, bool is_truncated, const struct kafscale_error *error)
{
    struct call *call = arg;
    size_t base_size = strlen(call->attempt->base);

    for (size_t i = 0; status == KAFSCALE_OK && i < entry_count; i++) {
        char size[32];

        (void) snprintf(size, sizeof size, ":%llu ", (unsigned long long) entries[i].object_bytes);
        ks_buffer_append_text(&call->listed, entries[i].key + base_size);
        ks_buffer_append_text(&call->listed, size);
    }
    ks_buffer_append_text(&call->listed, is_truncated && status == KAFSCALE_OK ? "..." : "");
    note(call, status, error);
}

bool
ks_store_try_list(struct ks_store_try *attempt, const char *prefix, const char *start_after,
                  size_t count_max, const char *wanted)
{
    char key[KS_STORE_TRY_KEY_BYTES];
    char after[KS_STORE_TRY_KEY_BYTES];
    struct kafscale_list request = { .prefix = key, .count_max = count_max };
    struct call call = { .attempt = attempt };
    int tries = 0;
    bool is_good;

    (void) snprintf(key, sizeof key, "%s%s", attempt->base, prefix);
    if (start_after != NULL) {
        (void) snprintf(after, sizeof after, "%s%s", attempt->base, start_after);
        request.start_after = after;
    }
    do {
        ks_buffer_deinit(&call.listed);
        call = (struct call){ .attempt = attempt, .left = 1 };
        ks_buffer_init(&call.listed, LIST_BYTES_MAX);
        ks_store_list(attempt->session->store, &request, on_listed, &call);
        ks_store_try_wait(attempt, &call.left);
    } while (is_worth_another(&call, &tries));
    is_good = ks_store_try_expect(attempt, "LIST", call.status, &call.error, KAFSCALE_OK);
    if (is_good && !ks_slice_equals(ks_buffer_slice(&call.listed), ks_slice_of_text(wanted))) {
        is_good = ks_store_try_fail(attempt, "LIST of '%s' after '%s': expected '%s', not '%.*s'",
                                    prefix, start_after == NULL ? "" : start_after, wanted,
                                    (int) call.listed.size, (const char *) call.listed.data);
    }
    ks_buffer_deinit(&call.listed);
    return is_good;
}
