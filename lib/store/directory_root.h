/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The root of a directory store: opened once, and recognised ever after. Private to store. Its
 * descriptors stay open, so that the inode numbers they were recognised by can't be given to
 * anything else.
 */
#ifndef KS_STORE_DIRECTORY_ROOT_H
#define KS_STORE_DIRECTORY_ROOT_H

#include "base/base.h"
#include "store/file_ops.h"

#define KS_DIRECTORY_IDENTITY_NAME "kafscale-store"
#define KS_DIRECTORY_OBJECTS_NAME "objects"
#define KS_DIRECTORY_TEMPORARY_NAME "tmp"

/* After ks_directory_root_open nothing here changes: worker threads read it freely. */
struct ks_directory_root {
    struct ks_files files;
    char *path;
    char *name; /* last component of the path */
    int parent;
    int root;
    int objects;
    int temporary;
    int identity;
    struct ks_file_stat root_stat;
    struct ks_file_stat objects_stat;
    struct ks_file_stat identity_stat;
    bool has_unnamed_files;
    size_t litter_count; /* files that dead processes had left, removed when this one opened it */
};

/*
 * `id` is random and becomes the identity of a new store. UNSUPPORTED: of a newer version, or on a
 * file system without what the store needs. FAILED: a part of it is missing. INVALID: the
 * directory is used for something else. On failure nothing is left open.
 */
KAFSCALE_MUST_CHECK enum kafscale_status ks_directory_root_open(struct ks_directory_root *root,
                                                                struct ks_files files,
                                                                const char *path,
                                                                const struct ks_id *id,
                                                                struct kafscale_error *error);

void ks_directory_root_close(struct ks_directory_root *root);

/* Whether all is still in its place: FAILED when something vanished or was replaced. Any thread. */
KAFSCALE_MUST_CHECK enum kafscale_status ks_directory_root_check(
    const struct ks_directory_root *root, struct kafscale_error *error);

/*
 * The status for the errno of a call that changed nothing, and a text that says what an operator
 * can do: which store, why, and at what.
 */
enum kafscale_status ks_directory_error(const struct ks_directory_root *root, int code,
                                        const char *what, const char *name,
                                        struct kafscale_error *error);

/* --- directory_identity.c --------------------------------------------------------------------- */

/* Whether the store has an identity, or may be made here because nothing else is. */
KAFSCALE_MUST_CHECK enum kafscale_status ks_directory_identity_look(
    const struct ks_directory_root *root, bool *is_there_out, struct kafscale_error *error);

/* Opens the identity, made when the store is new; its name is durable afterwards. */
KAFSCALE_MUST_CHECK enum kafscale_status ks_directory_identity_open(struct ks_directory_root *root,
                                                                    const struct ks_id *id,
                                                                    struct kafscale_error *error);

/* --- directory_temporary.c -------------------------------------------------------------------- */

/*
 * Makes a file with a temporary name, locked so that no other process takes it for litter; its
 * descriptor or a negative errno. Any thread.
 */
int ks_directory_temporary_create(const struct ks_directory_root *root, const char *name);

/* The same for a file that has no name yet: 0 or a negative errno. Any thread. */
int ks_directory_temporary_link(const struct ks_directory_root *root, int file, const char *name);

void ks_directory_temporary_remove(const struct ks_directory_root *root, const char *name);

/* Removes the temporary files of processes that are gone; how many there were. */
size_t ks_directory_temporary_clean(const struct ks_directory_root *root);

/*
 * Finds out what the file system can do: whether a file gets its name only if that is free, which
 * every store needs (UNSUPPORTED), and whether files can be made without a name.
 */
KAFSCALE_MUST_CHECK enum kafscale_status ks_directory_temporary_probe(
    const struct ks_directory_root *root, const struct ks_id *id, bool *has_unnamed_files_out,
    struct kafscale_error *error);

#endif
