/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A chain of steps: race, put on the existing, read back, list, remove, read again. The first
 * that fails gives the verdict; the object is removed whatever came before.
 */
#include "store/probe.h"

#include "store/store.h"

#include <assert.h>
#include <stdio.h>

struct probe;

struct racer {
    struct probe *probe;
    struct kafscale_part part;
    struct kafscale_put put;
    char text[2 * KS_ID_HEX_BYTES];
    enum kafscale_status status;
};

struct probe {
    struct ks_store *store;
    ks_store_probe_done *done;
    void *arg;
    char key[KAFSCALE_STORE_KEY_BYTES_MAX + 1];
    struct racer racers[KS_STORE_PROBE_RACERS];
    const struct racer *winner;
    size_t racers_left;
    struct kafscale_get get;
    struct kafscale_list list;
    struct kafscale_remove remove;
    struct kafscale_error error;
};

static void
finish(struct probe *probe)
{
    const struct kafscale_error *error = probe->error.status == KAFSCALE_OK ? NULL : &probe->error;

    probe->done(probe->arg, probe->error.status, error);
    ks_free(probe);
}

/* Whether to go on. Nothing may be asked any more of a store that is being closed. */
static bool
is_good(struct probe *probe)
{
    if (ks_store_is_closing(probe->store)) {
        ks_error_set(&probe->error, KAFSCALE_STOPPED, "the store is being closed");
    }
    return probe->error.status == KAFSCALE_OK;
}

/* Notes a broken promise. */
static void
refuse(struct probe *probe, const char *what)
{
    ks_error_set(&probe->error, KAFSCALE_UNSUPPORTED, "store '%s' is not fit for use: %s",
                 ks_store_name(probe->store), what);
}

/* Notes an answer that proves nothing. */
static void
give_up(struct probe *probe, const char *what, const struct kafscale_error *error)
{
    ks_error_set(&probe->error, error->status, "store '%s' could not be probed: %s: %s",
                 ks_store_name(probe->store), what, error->text);
}

static void
on_read_after_remove(void *arg, enum kafscale_status status, struct kafscale_blob *body,
                     uint64_t object_bytes, const struct kafscale_error *error)
{
    struct probe *probe = arg;

    (void) body;
    (void) object_bytes;
    if (is_good(probe) && status == KAFSCALE_OK) {
        refuse(probe, "an object can be read after its DELETE");
    } else if (is_good(probe) && status != KAFSCALE_NOT_FOUND) {
        give_up(probe, "GET after DELETE", error);
    }
    finish(probe);
}

static void
on_removed(void *arg, enum kafscale_status status, const struct kafscale_error *error)
{
    struct probe *probe = arg;

    if (is_good(probe) && status != KAFSCALE_OK) {
        give_up(probe, "DELETE", error);
    }
    if (!is_good(probe)) {
        finish(probe);
        return;
    }
    ks_store_get(probe->store, &probe->get, on_read_after_remove, probe);
}

static void
remove_object(struct probe *probe)
{
    if (ks_store_is_closing(probe->store)) {
        finish(probe);
        return;
    }
    probe->remove.key = probe->key;
    ks_store_remove(probe->store, &probe->remove, on_removed, probe);
}

static void
on_listed(void *arg, enum kafscale_status status, const struct kafscale_list_entry *entries,
          size_t entry_count, bool is_truncated, const struct kafscale_error *error)
{
    struct probe *probe = arg;

    (void) is_truncated;
    if (status != KAFSCALE_OK) {
        give_up(probe, "LIST", error);
    } else if (entry_count != 1 || strcmp(entries[0].key, probe->key) != 0) {
        refuse(probe, "LIST does not show an object that is there");
    }
    remove_object(probe);
}

static void
list_object(struct probe *probe)
{
    probe->list = (struct kafscale_list){ .prefix = probe->key, .count_max = 2 };
    ks_store_list(probe->store, &probe->list, on_listed, probe);
}

static void
on_read(void *arg, enum kafscale_status status, struct kafscale_blob *body, uint64_t object_bytes,
        const struct kafscale_error *error)
{
    struct probe *probe = arg;

    (void) object_bytes;
    if (status == KAFSCALE_NOT_FOUND) {
        refuse(probe, "GET does not find an object after its PUT");
    } else if (status != KAFSCALE_OK) {
        give_up(probe, "GET", error);
    } else if (!ks_slice_equals(kafscale_blob_slice(body), ks_slice_of_text(probe->winner->text))) {
        refuse(probe, "GET does not give the bytes of the PUT that won");
    }
    if (!is_good(probe)) {
        remove_object(probe);
        return;
    }
    list_object(probe);
}

static void
on_put_again(void *arg, enum kafscale_status status, const struct kafscale_error *error)
{
    struct probe *probe = arg;

    if (status == KAFSCALE_OK) {
        refuse(probe, "put-if-absent replaced an object that was there");
    } else if (status != KAFSCALE_EXISTS) {
        give_up(probe, "PUT", error);
    }
    if (!is_good(probe)) {
        remove_object(probe);
        return;
    }
    probe->get = (struct kafscale_get){ .key = probe->key, .size_max = SIZE_MAX };
    ks_store_get(probe->store, &probe->get, on_read, probe);
}

static void
judge_race(struct probe *probe)
{
    struct racer *loser = NULL;
    size_t winners = 0;

    for (size_t i = 0; i < KS_STORE_PROBE_RACERS; i++) {
        if (probe->racers[i].status == KAFSCALE_OK) {
            probe->winner = &probe->racers[i];
            winners++;
        } else {
            loser = &probe->racers[i];
        }
    }
    if (winners > 1) {
        char what[96];

        (void) snprintf(what, sizeof what, "%zu of %d concurrent put-if-absent succeeded", winners,
                        KS_STORE_PROBE_RACERS);
        probe->error = (struct kafscale_error){ 0 };
        refuse(probe, what);
    } else if (winners == 0) {
        /* A client below that repeats a PUT by itself may meet its own success. */
        ks_error_set(&probe->error, KAFSCALE_UNKNOWN,
                     "store '%s' could not be probed: no put-if-absent succeeded",
                     ks_store_name(probe->store));
    }
    if (!is_good(probe)) {
        remove_object(probe);
        return;
    }
    ks_store_put(probe->store, &loser->put, on_put_again, probe);
}

static void
on_raced(void *arg, enum kafscale_status status, const struct kafscale_error *error)
{
    struct racer *racer = arg;
    struct probe *probe = racer->probe;

    racer->status = status;
    if (status != KAFSCALE_OK && status != KAFSCALE_EXISTS && is_good(probe)) {
        give_up(probe, "PUT", error);
    }
    if (--probe->racers_left == 0) {
        judge_race(probe);
    }
}

static void
start_race(struct probe *probe, const char *hex)
{
    probe->racers_left = KS_STORE_PROBE_RACERS;
    for (int i = 0; i < KS_STORE_PROBE_RACERS; i++) {
        struct racer *racer = &probe->racers[i];

        (void) snprintf(racer->text, sizeof racer->text, "%s %d", hex, i);
        racer->probe = probe;
        racer->part.bytes = ks_slice_of_text(racer->text);
        racer->put = (struct kafscale_put){
            .key = probe->key, .parts = &racer->part, .part_count = 1, .if_absent = true
        };
        ks_store_put(probe->store, &racer->put, on_raced, racer);
    }
}

enum kafscale_status
ks_store_probe(struct ks_store *store, struct ks_env *env, const char *prefix,
               ks_store_probe_done *done, void *arg)
{
    struct probe *probe = ks_alloc_zero(1, sizeof *probe);
    char hex[KS_ID_HEX_BYTES];
    struct ks_id id;

    assert(strlen(prefix) <= KAFSCALE_STORE_KEY_BYTES_MAX - 64);

    if (probe == NULL) {
        return KAFSCALE_NO_MEMORY;
    }
    probe->store = store;
    probe->done = done;
    probe->arg = arg;
    ks_env_random(env, id.bytes, sizeof id.bytes);
    ks_id_to_hex(&id, hex);
    (void) snprintf(probe->key, sizeof probe->key, "%sprobe/%s", prefix, hex);
    start_race(probe, hex);
    return KAFSCALE_OK;
}
