/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each rule of the metadata log broken on purpose: the worlds must find it. This program alone is
 * built with -DKS_PLANTED_FAULTS. A world runs in a process of its own, since a broken rule may
 * also end in an assertion.
 */
#include "sim/meta_world.h"
#include "support/main.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define SEEDS_MAX 3000
#define SEEDS_A_PROCESS 10

static const char *const fault_names[KS_META_LOG_FAULT_COUNT] = {
    [KS_META_LOG_FAULT_NONE] = "none",
    [KS_META_LOG_FAULT_FROZEN] = "frozen",
    [KS_META_LOG_FAULT_TAIL] = "tail",
    [KS_META_LOG_FAULT_MARK_READ] = "mark after read",
    [KS_META_LOG_FAULT_LOOK] = "look on exists",
    [KS_META_LOG_FAULT_NONCE] = "nonce",
    [KS_META_LOG_FAULT_OVER] = "evaluate again",
    [KS_META_LOG_FAULT_FREE_FAILED] = "free slot is not failed",
    [KS_META_LOG_FAULT_MARK_CREATE] = "mark after create",
    [KS_META_LOG_FAULT_VOID_FAILED] = "void is unknown",
    [KS_META_LOG_FAULT_VOID_AGAIN] = "void is not repeated",
    [KS_META_LOG_FAULT_UNVALIDATED] = "snapshot from valid state",
    [KS_META_LOG_FAULT_MARK_EARLY] = "snapshot before mark",
    [KS_META_LOG_FAULT_MARK_ORDER] = "marks in order",
    [KS_META_LOG_FAULT_DELETE] = "mark before delete",
    [KS_META_LOG_FAULT_NEWEST] = "newest snapshot stays",
    [KS_META_LOG_FAULT_OVERWRITE] = "put if absent",
    [KS_META_LOG_FAULT_WRITER] = "last j",
    [KS_META_LOG_FAULT_MARK_GONE] = "marks stay",
    [KS_META_LOG_FAULT_START] = "look after the start",
};

/* Exit status 0: no promise broken; everything else is a find. */
static void
run_seeds(enum ks_meta_log_fault fault, uint64_t first_seed)
{
    struct meta_world_counts counts = { 0 };
    struct rlimit no_core = { 0, 0 };

    setrlimit(RLIMIT_CORE, &no_core);
    for (uint64_t seed = first_seed; seed < first_seed + SEEDS_A_PROCESS; seed++) {
        struct meta_world_options options = {
            .seed = seed,
            .chunk_entries = meta_world_chunk_entries(seed),
            .operation_count = 300,
            .planted_fault = fault,
        };
        const char *broken = meta_world_run(&options, &counts);

        if (broken != NULL) {
            printf("# %s: seed %llu: %s\n", fault_names[fault], (unsigned long long) seed, broken);
            fflush(stdout);
            _exit(1);
        }
    }
    _exit(0);
}

static bool
is_found(enum ks_meta_log_fault fault, uint64_t first_seed)
{
    int status = 0;
    pid_t child = fork();

    ck_assert_int_ge(child, 0);
    if (child == 0) {
        if (freopen("/dev/null", "w", stderr) == NULL) {
            _exit(2);
        }
        run_seeds(fault, first_seed);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    if (WIFSIGNALED(status)) {
        printf("# %s: signal %d from seed %llu on\n", fault_names[fault], WTERMSIG(status),
               (unsigned long long) first_seed);
    }
    return !WIFEXITED(status) || WEXITSTATUS(status) != 0;
}

START_TEST(worlds_find_the_broken_rule)
{
    enum ks_meta_log_fault fault = (enum ks_meta_log_fault) _i;

    for (uint64_t seed = 1; seed <= SEEDS_MAX; seed += SEEDS_A_PROCESS) {
        if (is_found(fault, seed)) {
            return;
        }
    }
    ck_abort_msg("not found in %d seeds: %s", SEEDS_MAX, fault_names[fault]);
}
END_TEST

START_TEST(nothing_is_found_when_nothing_is_broken)
{
    for (uint64_t seed = 1; seed <= 100; seed += SEEDS_A_PROCESS) {
        ck_assert(!is_found(KS_META_LOG_FAULT_NONE, seed));
    }
}
END_TEST

Suite *
suite_new(void)
{
    Suite *suite = suite_create("meta planted faults");
    TCase *tcase = tcase_create("rules");

    tcase_set_timeout(tcase, 300);
    tcase_add_test(tcase, nothing_is_found_when_nothing_is_broken);
    tcase_add_loop_test(tcase, worlds_find_the_broken_rule, KS_META_LOG_FAULT_NONE + 1,
                        KS_META_LOG_FAULT_COUNT);
    suite_add_tcase(suite, tcase);
    return suite;
}
