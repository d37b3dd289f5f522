/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file system in memory under the directory store, as pessimistic as POSIX allows: what was
 * not synced is lost at a crash, a synced file may lack its name, and after a failed sync
 * nothing written before it ever becomes durable. It counts calls, so that a test can crash,
 * fail or interrupt each of them.
 */
#ifndef KS_TESTS_SUPPORT_SIMULATED_FS_H
#define KS_TESTS_SUPPORT_SIMULATED_FS_H

#include "store/file_ops.h"

/* What a crash leaves besides what was synced. */
enum simulated_loss {
    LOSS_OF_ALL,     /* nothing */
    LOSS_OF_CONTENT, /* names, but no bytes: the order in which journals like to write */
    LOSS_OF_NONE,    /* everything: the process died, not the machine */
    SIMULATED_LOSS_COUNT
};

struct simulated_fs;

struct simulated_fs *simulated_fs_new(void);
void simulated_fs_free(struct simulated_fs *fs);

struct ks_files simulated_fs_files(struct simulated_fs *fs);

/* Calls made so far, also failed ones. */
uint64_t simulated_fs_call_count(const struct simulated_fs *fs);

/*
 * After call number `call` (counted from 1 since the start) every further one fails without
 * effect.
 */
void simulated_fs_crash_after(struct simulated_fs *fs, uint64_t call);

/* Call number `call` fails with `code`, a negative errno, and without effect. */
void simulated_fs_fail(struct simulated_fs *fs, uint64_t call, int code);

/* Every call that takes space, or changes anything, fails with `code`; 0 ends that. */
void simulated_fs_refuse_changes(struct simulated_fs *fs, int code);

/*
 * Space is given out late: what is written is taken, and the fsync of every file fails with `code`;
 * 0 ends that.
 */
void simulated_fs_refuse_late(struct simulated_fs *fs, int code);

/* Before call number `call` another process acts; its own calls are not counted. */
void simulated_fs_interrupt(struct simulated_fs *fs, uint64_t call, void (*act)(void *arg),
                            void *arg);

/* Whether files can be made without a name; true at first. */
void simulated_fs_set_unnamed(struct simulated_fs *fs, bool has_unnamed);

/*
 * The machine comes back: descriptors are gone, and what was to be lost is. Clears all that
 * was set above.
 */
void simulated_fs_restart(struct simulated_fs *fs, enum simulated_loss loss);

/* How many descriptors are open. */
size_t simulated_fs_open_count(const struct simulated_fs *fs);

#endif
