/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The contract of stores over the memory store, the fault wrapper at rest, and the directory
 * store on disk and simulated.
 */
#include "contract/store_contract.h"
#include "support/simulated_fs.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct place {
    struct virtual_env v;
    char path[64];
    struct simulated_fs *fs;
};

static struct place *
place_new(struct store_client *client)
{
    struct place *place = calloc(1, sizeof *place);

    virtual_env_init(&place->v, 1);
    client->run = store_client_run_virtual;
    client->run_arg = &place->v;
    return place;
}

static void *
start_memory(struct store_client *client)
{
    struct place *place = place_new(client);

    client->store = ks_store_new(&place->v.env, ks_memory_store_new(&place->v.env, NULL));
    return place;
}

static void *
start_fault(struct store_client *client)
{
    struct place *place = place_new(client);
    struct ks_fault_store *control;
    struct kafscale_store memory = ks_memory_store_new(&place->v.env, NULL);

    client->store =
        ks_store_new(&place->v.env, ks_fault_store_new(&place->v.env, memory, &control));
    return place;
}

static void *
start_directory(struct store_client *client)
{
    struct place *place = place_new(client);
    struct kafscale_error error = { 0 };
    struct kafscale_store store = { 0 };

    (void) snprintf(place->path, sizeof place->path, "/tmp/kafscale-contract-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(place->path));
    ck_assert_msg(ks_directory_store_open(&place->v.env, place->path, ks_system_files(), &store,
                                          &error) == KAFSCALE_OK,
                  "%s", error.text);
    client->store = ks_store_new(&place->v.env, store);
    return place;
}

static void *
start_simulated(struct store_client *client, bool has_unnamed)
{
    struct place *place = place_new(client);
    struct kafscale_error error = { 0 };
    struct kafscale_store store = { 0 };

    place->fs = simulated_fs_new();
    simulated_fs_set_unnamed(place->fs, has_unnamed);
    ck_assert_msg(ks_directory_store_open(&place->v.env, "/data", simulated_fs_files(place->fs),
                                          &store, &error) == KAFSCALE_OK,
                  "%s", error.text);
    client->store = ks_store_new(&place->v.env, store);
    return place;
}

static void *
start_simulated_unnamed(struct store_client *client)
{
    return start_simulated(client, true);
}

static void *
start_simulated_named(struct store_client *client)
{
    return start_simulated(client, false);
}

static int
remove_one(const char *path, const struct stat *stat, int kind, struct FTW *walk)
{
    (void) stat;
    (void) kind;
    (void) walk;
    return remove(path);
}

static void
stop(void *state)
{
    struct place *place = state;

    if (place->path[0] != '\0') {
        (void) nftw(place->path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    }
    if (place->fs != NULL) {
        ck_assert_uint_eq(simulated_fs_open_count(place->fs), 0);
        simulated_fs_free(place->fs);
    }
    free(place);
}

static const struct store_factory factories[] = {
    { .name = "memory", .start = start_memory, .stop = stop },
    { .name = "fault", .start = start_fault, .stop = stop },
    { .name = "directory", .start = start_directory, .stop = stop },
    { .name = "directory, simulated", .start = start_simulated_unnamed, .stop = stop },
    { .name = "directory, without unnamed files", .start = start_simulated_named, .stop = stop },
};

Suite *
suite_new(void)
{
    Suite *suite = suite_create("store contract");

    store_contract_add(suite, factories, sizeof factories / sizeof factories[0]);
    return suite;
}
