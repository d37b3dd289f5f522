/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The directory store at its worst moments: one scenario is run again and again, and the
 * machine dies after system call k, or call k fails, or another process acts before call k,
 * for every k.
 *
 * A model says which contents each key may have afterwards: an acknowledged change leaves one,
 * a change of unknown outcome adds one.
 */
#include "support/main.h"
#include "support/simulated_fs.h"
#include "support/store_client.h"

#include <errno.h>
#include <stdlib.h>

enum action { ACTION_CREATE, ACTION_REPLACE, ACTION_REMOVE };

struct step {
    enum action action;
    size_t key;
    size_t text;
};

static const char *const keys[] = { "wal/i/1", "wal/i/2", "config/x", "top" };
#define KEY_COUNT (sizeof keys / sizeof keys[0])

/* Text 0 is absence. */
static const char *const texts[] = { NULL, "first record", "second", "x" };
#define TEXT_COUNT (sizeof texts / sizeof texts[0])

static const struct step steps[] = {
    { ACTION_CREATE, 0, 1 },  { ACTION_CREATE, 1, 1 },  { ACTION_CREATE, 1, 2 },
    { ACTION_REPLACE, 2, 1 }, { ACTION_REPLACE, 2, 2 }, { ACTION_REMOVE, 0, 0 },
    { ACTION_CREATE, 3, 3 },  { ACTION_CREATE, 0, 2 },
};
#define STEP_COUNT (sizeof steps / sizeof steps[0])

struct world {
    struct simulated_fs *fs;
    struct virtual_env v;
    struct store_client client;
    unsigned allowed[KEY_COUNT]; /* a bit for each text */
};

static struct world
world_new(bool has_unnamed)
{
    struct world w = { .fs = simulated_fs_new() };

    simulated_fs_set_unnamed(w.fs, has_unnamed);
    for (size_t i = 0; i < KEY_COUNT; i++) {
        w.allowed[i] = 1;
    }
    return w;
}

static bool
open_store(struct world *w, uint64_t seed)
{
    struct kafscale_error error = { 0 };
    struct kafscale_store store = { 0 };

    virtual_env_init(&w->v, seed);
    if (ks_directory_store_open(&w->v.env, "/data", simulated_fs_files(w->fs), &store, &error) !=
        KAFSCALE_OK) {
        ck_assert_str_ne(error.text, "");
        return false;
    }
    w->client = (struct store_client){ .store = ks_store_new(&w->v.env, store),
                                       .run = store_client_run_virtual,
                                       .run_arg = &w->v };
    return true;
}

static enum kafscale_status
act(struct world *w, const struct step *step)
{
    switch (step->action) {
    case ACTION_CREATE:
        return store_client_put_if_absent(&w->client, keys[step->key], texts[step->text]);
    case ACTION_REPLACE:
        return store_client_put(&w->client, keys[step->key], texts[step->text]);
    case ACTION_REMOVE:
        break;
    }
    return store_client_remove(&w->client, keys[step->key]);
}

static void
note(struct world *w, const struct step *step, enum kafscale_status status)
{
    unsigned *allowed = &w->allowed[step->key];

    switch (status) {
    case KAFSCALE_OK:
        ck_assert(step->action != ACTION_CREATE || (*allowed & 1) != 0);
        *allowed = 1u << step->text;
        return;
    case KAFSCALE_EXISTS:
        *allowed &= ~1u;
        ck_assert_uint_ne(*allowed, 0);
        return;
    case KAFSCALE_UNAVAILABLE:
    case KAFSCALE_NO_MEMORY:
        return;
    default:
        *allowed |= 1u << step->text;
    }
}

static void
run_steps(struct world *w)
{
    for (size_t i = 0; i < STEP_COUNT; i++) {
        note(w, &steps[i], act(w, &steps[i]));
    }
}

static unsigned
text_found(struct world *w, size_t key)
{
    char *found;
    enum kafscale_status status =
        store_client_get(&w->client, keys[key], 0, SIZE_MAX, &found, NULL);

    if (status == KAFSCALE_NOT_FOUND) {
        return 1;
    }
    ck_assert_int_eq(status, KAFSCALE_OK);
    for (size_t i = 1; i < TEXT_COUNT; i++) {
        if (strcmp(found, texts[i]) == 0) {
            free(found);
            return 1u << i;
        }
    }
    ck_abort_msg("'%s' holds '%s', which nobody wrote whole", keys[key], found);
    return 0;
}

static void
expect_allowed(struct world *w, uint64_t call)
{
    for (size_t i = 0; i < KEY_COUNT; i++) {
        unsigned found = text_found(w, i);

        ck_assert_msg((found & w->allowed[i]) != 0, "call %d: '%s' is %x, allowed %x", (int) call,
                      keys[i], found, w->allowed[i]);
    }
}

static void
close_world(struct world *w)
{
    ck_assert(store_client_close(&w->client));
    ck_assert_uint_eq(simulated_fs_open_count(w->fs), 0);
    simulated_fs_free(w->fs);
}

/* The store opens again, holds what it must, and takes new objects. */
static void
expect_recovery(struct world *w, uint64_t call)
{
    ck_assert(open_store(w, 1000 + call));
    expect_allowed(w, call);
    ck_assert_int_eq(store_client_put_if_absent(&w->client, "wal/i/new", "new"), KAFSCALE_OK);
    close_world(w);
}

static uint64_t
calls_of_scenario(bool has_unnamed)
{
    struct world w = world_new(has_unnamed);
    uint64_t calls;

    ck_assert(open_store(&w, 1));
    run_steps(&w);
    calls = simulated_fs_call_count(w.fs);
    expect_allowed(&w, 0);
    close_world(&w);
    ck_assert_uint_gt(calls, 60);
    return calls;
}

/* _i: the loss, and in bit 2 whether files without a name exist. */
START_TEST(acknowledged_objects_survive_a_crash_after_any_call)
{
    bool has_unnamed = _i < SIMULATED_LOSS_COUNT;
    enum simulated_loss loss = (enum simulated_loss)(_i % SIMULATED_LOSS_COUNT);
    uint64_t calls = calls_of_scenario(has_unnamed);

    for (uint64_t call = 1; call <= calls; call++) {
        struct world w = world_new(has_unnamed);

        simulated_fs_crash_after(w.fs, call);
        if (open_store(&w, 1)) {
            run_steps(&w);
            ck_assert(store_client_close(&w.client));
        }
        simulated_fs_restart(w.fs, loss);
        expect_recovery(&w, call);
    }
}
END_TEST

static const int codes[] = { -EIO, -ENOSPC, -EACCES, -ENOMEM };

START_TEST(answers_stay_true_when_any_call_fails)
{
    uint64_t calls = calls_of_scenario(true);

    for (uint64_t call = 1; call <= calls; call++) {
        struct world w = world_new(true);

        simulated_fs_fail(w.fs, call, codes[_i]);
        if (open_store(&w, 1)) {
            run_steps(&w);
            ck_assert(store_client_close(&w.client));
        }
        ck_assert_uint_eq(simulated_fs_open_count(w.fs), 0);
        simulated_fs_restart(w.fs, LOSS_OF_ALL);
        expect_recovery(&w, call);
    }
}
END_TEST

/* Another process on the same directory, with a clock of its own. */
struct rival {
    struct world *w;
    struct world own;
    enum kafscale_status status;
    uint64_t call;
    bool with_crash;
};

static void
act_as_rival(void *arg)
{
    struct rival *rival = arg;

    rival->status = store_client_put_if_absent(&rival->own.client, "race/k", "theirs");
    if (rival->with_crash) {
        simulated_fs_crash_after(rival->w->fs, rival->call - 1);
    }
}

static void
race_once(struct rival *rival)
{
    struct world *w = rival->w;
    uint64_t before;
    enum kafscale_status status;

    ck_assert(open_store(w, 1));
    rival->own.fs = w->fs;
    ck_assert(open_store(&rival->own, 2));
    before = simulated_fs_call_count(w->fs);
    rival->call += before;
    simulated_fs_interrupt(w->fs, rival->call, act_as_rival, rival);
    status = store_client_put_if_absent(&w->client, "race/k", "ours");
    ck_assert(rival->status == KAFSCALE_OK || rival->status == KAFSCALE_EXISTS);
    ck_assert(status != KAFSCALE_OK || rival->status == KAFSCALE_EXISTS);
    if (!rival->with_crash) {
        ck_assert_int_eq(status, rival->status == KAFSCALE_OK ? KAFSCALE_EXISTS : KAFSCALE_OK);
    }
    ck_assert(store_client_close(&rival->own.client));
    ck_assert(store_client_close(&w->client));
}

static uint64_t
calls_of_one_put(void)
{
    struct world w = world_new(true);
    uint64_t before;
    uint64_t calls;

    ck_assert(open_store(&w, 1));
    before = simulated_fs_call_count(w.fs);
    ck_assert_int_eq(store_client_put_if_absent(&w.client, "race/k", "ours"), KAFSCALE_OK);
    calls = simulated_fs_call_count(w.fs) - before;
    close_world(&w);
    return calls;
}

/* _i: whether the machine dies right after the other process got its answer. */
START_TEST(two_processes_have_one_winner_whatever_their_timing)
{
    uint64_t calls = calls_of_one_put();

    for (uint64_t call = 1; call <= calls; call++) {
        struct world w = world_new(true);
        struct rival rival = { .w = &w, .call = call, .with_crash = _i == 1 };

        race_once(&rival);
        simulated_fs_restart(w.fs, LOSS_OF_ALL);
        ck_assert(open_store(&w, 3));
        ck_assert_msg(
            store_client_has(&w.client, "race/k", rival.status == KAFSCALE_OK ? "theirs" : "ours"),
            "call %d", (int) call);
        close_world(&w);
    }
}
END_TEST

/* --- Temporary files, where the file system has none without a name -------------------------- */

static void
count_name(void *arg, const char *name)
{
    (void) name;
    *(size_t *) arg += 1;
}

static size_t
temporary_count(struct world *w)
{
    struct ks_files files = simulated_fs_files(w->fs);
    int directory = files.ops->open_directory(files.self, KS_FILE_HERE, "data/tmp", false);
    size_t count = 0;

    ck_assert_int_ge(directory, 0);
    ck_assert_int_eq(files.ops->list(files.self, directory, count_name, &count), 0);
    files.ops->close(files.self, directory);
    return count;
}

/* Kills follow each other in one directory, and a restart comes only after each. */
START_TEST(kills_at_any_call_leave_nothing_behind_a_restart)
{
    uint64_t calls = calls_of_scenario(false);
    struct world w = world_new(false);
    size_t most = 0;

    for (uint64_t call = 1; call <= calls; call++) {
        simulated_fs_crash_after(w.fs, simulated_fs_call_count(w.fs) + call);
        if (open_store(&w, call)) {
            for (size_t i = 0; i < STEP_COUNT; i++) {
                (void) act(&w, &steps[i]);
            }
            ck_assert(store_client_close(&w.client));
        }
        simulated_fs_restart(w.fs, LOSS_OF_NONE);
        simulated_fs_set_unnamed(w.fs, false);
        if (call > 5) {
            most = temporary_count(&w) > most ? temporary_count(&w) : most;
        }
        ck_assert(open_store(&w, 1000 + call));
        ck_assert_uint_eq(temporary_count(&w), 0);
        ck_assert(store_client_close(&w.client));
    }
    ck_assert_uint_gt(most, 0);
    simulated_fs_free(w.fs);
}
END_TEST

static void
start_and_stop(void *arg)
{
    struct world *other = arg;

    ck_assert(open_store(other, 2));
    ck_assert(store_client_close(&other->client));
}

/* The one moment in which a file has its name and no lock yet costs a second try. */
START_TEST(start_of_another_process_takes_no_file_that_is_being_written)
{
    uint64_t refused = 0;

    for (uint64_t call = 1; call <= 14; call++) {
        struct world w = world_new(false);
        struct world other = { .fs = w.fs };
        enum kafscale_status status;

        ck_assert(open_store(&w, 1));
        ck_assert_int_eq(store_client_put_if_absent(&w.client, "d/a", "a"), KAFSCALE_OK);
        simulated_fs_interrupt(w.fs, simulated_fs_call_count(w.fs) + call, start_and_stop, &other);
        status = _i == 0 ? store_client_put_if_absent(&w.client, "d/k", "k")
                         : store_client_put(&w.client, "d/k", "k");
        ck_assert(status == KAFSCALE_OK || status == KAFSCALE_UNAVAILABLE);
        refused += status == KAFSCALE_UNAVAILABLE;
        if (status == KAFSCALE_UNAVAILABLE) {
            ck_assert_int_eq(store_client_put_if_absent(&w.client, "d/k", "k"), KAFSCALE_OK);
        }
        ck_assert(store_client_has(&w.client, "d/k", "k"));
        ck_assert_uint_eq(temporary_count(&w), 0);
        close_world(&w);
    }
    ck_assert_uint_le(refused, 1);
}
END_TEST

Suite *
suite_new(void)
{
    Suite *suite = suite_create("directory store, crashes");
    TCase *sweep = tcase_create("sweep");

    tcase_set_timeout(sweep, 120);
    tcase_add_loop_test(sweep, acknowledged_objects_survive_a_crash_after_any_call, 0,
                        2 * SIMULATED_LOSS_COUNT);
    tcase_add_loop_test(sweep, answers_stay_true_when_any_call_fails, 0,
                        sizeof codes / sizeof codes[0]);
    tcase_add_loop_test(sweep, two_processes_have_one_winner_whatever_their_timing, 0, 2);
    tcase_add_test(sweep, kills_at_any_call_leave_nothing_behind_a_restart);
    tcase_add_loop_test(sweep, start_of_another_process_takes_no_file_that_is_being_written, 0, 2);
    suite_add_tcase(suite, sweep);
    return suite;
}
