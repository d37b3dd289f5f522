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
};

/* `id` is random and becomes the identity of a new store. On failure nothing is left open. */
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
 * The status for the errno of a call that changed nothing, and a text that says what an
 * operator can do.
 */
enum kafscale_status ks_directory_error(int code, const char *what, const char *path,
                                        struct kafscale_error *error);

#endif
