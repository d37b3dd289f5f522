/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Objects as files of a directory, each written whole, synced, then linked under its key. Any
 * number of processes may use one directory at once.
 *
 *     {root}/kafscale-store   the identity: made once, never again
 *     {root}/objects/{key}    the objects; a key's components are directories
 *     {root}/tmp/             files on their way, where the file system has no unnamed ones
 *
 * The root is opened once. When it, `objects` or the identity vanish or are replaced, and
 * after any failed fsync, every request is answered KAFSCALE_FAILED until restart: an empty
 * directory must not pass for an empty store, and what a failed fsync left behind can't be
 * known. A full disk, a read-only one and missing rights answer KAFSCALE_UNAVAILABLE with
 * nothing changed, until the reason has gone. A file system can't hold both `a` and `a/b`: the
 * later of two such keys is answered KAFSCALE_UNAVAILABLE too.
 */
#ifndef KS_STORE_DIRECTORY_STORE_H
#define KS_STORE_DIRECTORY_STORE_H

#include "base/base.h"
#include "kafscale/store.h"
#include "store/file_ops.h"

/*
 * Opens the store in directory `root_path`, making it (not its parents) when absent. Blocks
 * for a few system calls; all later work is done by jobs of `env`. Refuses a directory whose
 * objects have lost their identity file.
 */
KAFSCALE_MUST_CHECK enum kafscale_status ks_directory_store_open(struct ks_env *env,
                                                                 const char *root_path,
                                                                 struct ks_files files,
                                                                 struct kafscale_store *store_out,
                                                                 struct kafscale_error *error);

/* Whether there is a store in this directory; for those who don't want to make one. */
bool ks_directory_store_is_there(const char *root_path, struct ks_files files);

#endif
