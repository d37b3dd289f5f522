/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The descriptors of a store, opened in the order in which a new one is made, and the check that
 * they still are what the path leads to.
 */
#include "store/directory_root.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define NOT_OPEN (-1)

static enum kafscale_status
status_of(int code)
{
    switch (-code) {
    case ENOMEM:
        return KAFSCALE_NO_MEMORY;
    case EIO:
        return KAFSCALE_IO;
    default:
        return KAFSCALE_UNAVAILABLE;
    }
}

enum kafscale_status
ks_directory_error(const struct ks_directory_root *root, int code, const char *what,
                   const char *name, struct kafscale_error *error)
{
    char text[96];

    return ks_error_set(error, status_of(code), "directory store '%.120s': %s (%s '%s')",
                        root->path, strerror_r(-code, text, sizeof text), what, name);
}

static bool
is_same(const struct ks_file_stat *a, const struct ks_file_stat *b)
{
    return a->device == b->device && a->inode == b->inode && a->kind == b->kind;
}

static enum kafscale_status
check_place(const struct ks_directory_root *root, int directory, const char *name, bool follow,
            const struct ks_file_stat *expected, struct kafscale_error *error)
{
    struct ks_file_stat found;
    int code = root->files.ops->stat_at(root->files.self, directory, name, follow, &found);

    if (code == -ENOENT || code == -ENOTDIR || code == -ESTALE ||
        (code == 0 && !is_same(&found, expected))) {
        return ks_error_set(
            error, KAFSCALE_FAILED,
            "directory store '%.120s': '%s' vanished or was replaced; restart when it "
            "is back",
            root->path, name);
    }
    return code < 0 ? ks_directory_error(root, code, "look for", name, error) : KAFSCALE_OK;
}

enum kafscale_status
ks_directory_root_check(const struct ks_directory_root *root, struct kafscale_error *error)
{
    enum kafscale_status status;

    status = check_place(root, root->parent, root->name, true, &root->root_stat, error);
    if (status != KAFSCALE_OK) {
        return status;
    }
    status = check_place(root, root->root, KS_DIRECTORY_IDENTITY_NAME, false, &root->identity_stat,
                         error);
    if (status != KAFSCALE_OK) {
        return status;
    }
    return check_place(root, root->root, KS_DIRECTORY_OBJECTS_NAME, false, &root->objects_stat,
                       error);
}

static void
close_one(struct ks_directory_root *root, int *descriptor)
{
    if (*descriptor != NOT_OPEN) {
        root->files.ops->close(root->files.self, *descriptor);
        *descriptor = NOT_OPEN;
    }
}

void
ks_directory_root_close(struct ks_directory_root *root)
{
    close_one(root, &root->identity);
    close_one(root, &root->temporary);
    close_one(root, &root->objects);
    close_one(root, &root->root);
    close_one(root, &root->parent);
    ks_free(root->path);
    ks_free(root->name);
    root->path = NULL;
    root->name = NULL;
}

/* Splits the path into the parent to open and the name below it. */
static enum kafscale_status
open_parent(struct ks_directory_root *root, const char *path, struct kafscale_error *error)
{
    size_t size = strlen(path);
    char *slash;
    int opened;

    while (size > 1 && path[size - 1] == '/') {
        size--;
    }
    root->path = ks_alloc_zero(size + 3, 1);
    if (root->path == NULL) {
        return KAFSCALE_NO_MEMORY;
    }
    memcpy(root->path, path, size);
    slash = strrchr(root->path, '/');
    root->name = ks_copy_text(slash == NULL ? root->path : slash[1] == '\0' ? "." : slash + 1);
    if (root->name == NULL) {
        return KAFSCALE_NO_MEMORY;
    }
    if (slash != NULL) {
        slash[slash == root->path ? 1 : 0] = '\0';
    }
    opened = root->files.ops->open_directory(root->files.self, KS_FILE_HERE,
                                             slash == NULL ? "." : root->path, true);
    memcpy(root->path, path, size);
    if (opened < 0) {
        return ks_directory_error(root, opened, "open the parent of", root->name, error);
    }
    root->parent = opened;
    return KAFSCALE_OK;
}

static enum kafscale_status
sync_directory(const struct ks_directory_root *root, int descriptor, struct kafscale_error *error)
{
    int code = root->files.ops->sync(root->files.self, descriptor);

    return code < 0 ? ks_directory_error(root, code, "fsync the directory of", root->name, error)
                    : KAFSCALE_OK;
}

/* Opens a directory, made when absent; whoever made it, its entry is durable afterwards. */
static enum kafscale_status
open_made(const struct ks_directory_root *root, int parent, const char *name, bool follow,
          int *descriptor_out, struct kafscale_error *error)
{
    const struct ks_file_ops *ops = root->files.ops;
    int code = ops->make_directory(root->files.self, parent, name);
    enum kafscale_status status;

    if (code < 0 && code != -EEXIST) {
        int opened = ops->open_directory(root->files.self, parent, name, follow);

        /* A read-only parent is no obstacle when the directory is there. */
        if (opened < 0) {
            return ks_directory_error(root, opened == -ENOENT ? code : opened, "make directory",
                                      name, error);
        }
        *descriptor_out = opened;
        return KAFSCALE_OK;
    }
    status = sync_directory(root, parent, error);
    if (status != KAFSCALE_OK) {
        return status;
    }
    code = ops->open_directory(root->files.self, parent, name, follow);
    if (code < 0) {
        return ks_directory_error(root, code, "open directory", name, error);
    }
    *descriptor_out = code;
    return KAFSCALE_OK;
}

/* `objects` is made only while there is no identity: later its absence is a loss. */
static enum kafscale_status
open_objects(struct ks_directory_root *root, struct kafscale_error *error)
{
    bool has_identity = false;
    enum kafscale_status status = ks_directory_identity_look(root, &has_identity, error);
    int code;

    if (status != KAFSCALE_OK) {
        return status;
    }
    if (!has_identity) {
        return open_made(root, root->root, KS_DIRECTORY_OBJECTS_NAME, false, &root->objects, error);
    }
    code = root->files.ops->open_directory(root->files.self, root->root, KS_DIRECTORY_OBJECTS_NAME,
                                           false);
    if (code == -ENOENT) {
        return ks_error_set(error, KAFSCALE_FAILED, "directory store '%.120s': '%s' is missing",
                            root->path, KS_DIRECTORY_OBJECTS_NAME);
    }
    if (code < 0) {
        return ks_directory_error(root, code, "open directory", KS_DIRECTORY_OBJECTS_NAME, error);
    }
    root->objects = code;
    return KAFSCALE_OK;
}

static enum kafscale_status
take_stats(struct ks_directory_root *root, struct kafscale_error *error)
{
    const struct ks_file_ops *ops = root->files.ops;
    int code = ops->stat(root->files.self, root->root, &root->root_stat);

    if (code == 0) {
        code = ops->stat(root->files.self, root->objects, &root->objects_stat);
    }
    if (code == 0) {
        code = ops->stat(root->files.self, root->identity, &root->identity_stat);
    }
    return code < 0 ? ks_directory_error(root, code, "stat", root->name, error)
                    : ks_directory_root_check(root, error);
}

enum kafscale_status
ks_directory_root_open(struct ks_directory_root *root, struct ks_files files, const char *path,
                       const struct ks_id *id, struct kafscale_error *error)
{
    enum kafscale_status status;

    *root = (struct ks_directory_root){ .files = files,
                                        .parent = NOT_OPEN,
                                        .root = NOT_OPEN,
                                        .objects = NOT_OPEN,
                                        .temporary = NOT_OPEN,
                                        .identity = NOT_OPEN };
    status = open_parent(root, path, error);
    if (status == KAFSCALE_OK) {
        status = open_made(root, root->parent, root->name, true, &root->root, error);
    }
    if (status == KAFSCALE_OK) {
        status = open_objects(root, error);
    }
    if (status == KAFSCALE_OK) {
        status = open_made(root, root->root, KS_DIRECTORY_TEMPORARY_NAME, false, &root->temporary,
                           error);
    }
    if (status == KAFSCALE_OK) {
        status = ks_directory_identity_open(root, id, error);
    }
    if (status == KAFSCALE_OK) {
        status = take_stats(root, error);
    }
    if (status == KAFSCALE_OK) {
        status = ks_directory_temporary_probe(root, id, &root->has_unnamed_files, error);
    }
    if (status != KAFSCALE_OK) {
        ks_directory_root_close(root);
        return status;
    }
    root->litter_count = ks_directory_temporary_clean(root);
    return KAFSCALE_OK;
}
