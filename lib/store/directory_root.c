/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `objects` is made and synced before the identity: so an identity without objects, or objects
 * without an identity, are never the trace of an interrupted start but of a lost or foreign
 * directory, and are refused.
 */
#include "store/directory_root.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define IDENTITY_NAME "kafscale-store"
#define OBJECTS_NAME "objects"
#define TEMPORARY_NAME "tmp"
#define IDENTITY_HEAD "kafscale directory store 1 "
#define IDENTITY_BYTES (sizeof IDENTITY_HEAD - 1 + KS_ID_HEX_BYTES)
#define NOT_OPEN (-1)

enum kafscale_status
ks_directory_error(int code, const char *what, const char *path, struct kafscale_error *error)
{
    char text[96];
    const char *reason = strerror_r(-code, text, sizeof text);

    switch (-code) {
    case ENOMEM:
        return ks_error_set(error, KAFSCALE_NO_MEMORY, "%s '%s': %s", what, path, reason);
    case EIO:
        return ks_error_set(error, KAFSCALE_IO, "%s '%s': %s", what, path, reason);
    default:
        return ks_error_set(error, KAFSCALE_UNAVAILABLE, "%s '%s': %s", what, path, reason);
    }
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
        return ks_error_set(error, KAFSCALE_FAILED,
                            "directory store '%s': '%s' vanished or was replaced; restart when it "
                            "is back",
                            root->path, name);
    }
    return code < 0 ? ks_directory_error(code, "directory store", root->path, error) : KAFSCALE_OK;
}

enum kafscale_status
ks_directory_root_check(const struct ks_directory_root *root, struct kafscale_error *error)
{
    enum kafscale_status status;

    status = check_place(root, root->parent, root->name, true, &root->root_stat, error);
    if (status != KAFSCALE_OK) {
        return status;
    }
    status = check_place(root, root->root, IDENTITY_NAME, false, &root->identity_stat, error);
    if (status != KAFSCALE_OK) {
        return status;
    }
    return check_place(root, root->root, OBJECTS_NAME, false, &root->objects_stat, error);
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
        return ks_directory_error(opened, "open the parent of", path, error);
    }
    root->parent = opened;
    return KAFSCALE_OK;
}

static enum kafscale_status
sync_directory(const struct ks_directory_root *root, int descriptor, struct kafscale_error *error)
{
    int code = root->files.ops->sync(root->files.self, descriptor);

    return code < 0 ? ks_directory_error(code, "fsync a directory of", root->path, error)
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
            return ks_directory_error(code, "make directory", name, error);
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
        return ks_directory_error(code, "open directory", name, error);
    }
    *descriptor_out = code;
    return KAFSCALE_OK;
}

static void
note_any(void *arg, const char *name)
{
    (void) name;
    *(bool *) arg = true;
}

static enum kafscale_status
write_identity(struct ks_directory_root *root, int file, const struct ks_id *id,
               struct kafscale_error *error)
{
    char text[IDENTITY_BYTES + 1];
    char hex[KS_ID_HEX_BYTES];
    struct iovec piece = { .iov_base = text, .iov_len = IDENTITY_BYTES };
    int64_t n;
    int code;

    ks_id_to_hex(id, hex);
    (void) snprintf(text, sizeof text, "%s%s\n", IDENTITY_HEAD, hex);
    while (piece.iov_len > 0) {
        n = root->files.ops->write(root->files.self, file, &piece, 1);
        if (n <= 0) {
            return ks_directory_error(n < 0 ? (int) n : -ENOSPC, "write identity of", root->path,
                                      error);
        }
        piece.iov_base = (char *) piece.iov_base + n;
        piece.iov_len -= (size_t) n;
    }
    code = root->files.ops->sync(root->files.self, file);
    return code < 0 ? ks_directory_error(code, "fsync identity of", root->path, error)
                    : KAFSCALE_OK;
}

/* Writes the identity under a temporary name and links it. Another process that is faster wins. */
static enum kafscale_status
make_identity(struct ks_directory_root *root, const struct ks_id *id, struct kafscale_error *error)
{
    const struct ks_file_ops *ops = root->files.ops;
    char name[KS_ID_HEX_BYTES];
    enum kafscale_status status;
    struct ks_file_stat found;
    bool has_objects = false;
    int file;
    int code = ops->list(root->files.self, root->objects, note_any, &has_objects);

    if (code < 0) {
        return ks_directory_error(code, "list", root->path, error);
    }
    if (has_objects &&
        ops->stat_at(root->files.self, root->root, IDENTITY_NAME, false, &found) < 0) {
        return ks_error_set(error, KAFSCALE_FAILED,
                            "directory store '%s': there are objects but the identity file '%s' "
                            "is missing",
                            root->path, IDENTITY_NAME);
    }
    ks_id_to_hex(id, name);
    file = ops->create(root->files.self, root->temporary, name);
    if (file < 0) {
        return ks_directory_error(file, "create the identity of", root->path, error);
    }
    status = write_identity(root, file, id, error);
    ops->close(root->files.self, file);
    if (status == KAFSCALE_OK) {
        code = ops->link(root->files.self, root->temporary, name, root->root, IDENTITY_NAME);
        if (code < 0 && code != -EEXIST) {
            status = ks_directory_error(code, "link the identity of", root->path, error);
        }
    }
    (void) ops->unlink(root->files.self, root->temporary, name);
    return status;
}

static enum kafscale_status
read_identity(struct ks_directory_root *root, struct kafscale_error *error)
{
    char text[IDENTITY_BYTES + 1] = { 0 };
    struct ks_id id;
    int64_t n;

    n = root->files.ops->read(root->files.self, root->identity, text, sizeof text, 0);
    if (n < 0) {
        return ks_directory_error((int) n, "read the identity of", root->path, error);
    }
    if (n != (int64_t) IDENTITY_BYTES ||
        memcmp(text, IDENTITY_HEAD, sizeof IDENTITY_HEAD - 1) != 0 ||
        !ks_id_from_hex(text + sizeof IDENTITY_HEAD - 1, &id)) {
        return ks_error_set(error, KAFSCALE_CORRUPT,
                            "'%s/%s' is not the identity of a directory store", root->path,
                            IDENTITY_NAME);
    }
    return KAFSCALE_OK;
}

/* Opens the identity, made when the store is new. */
static enum kafscale_status
open_identity(struct ks_directory_root *root, const struct ks_id *id, struct kafscale_error *error)
{
    const struct ks_file_ops *ops = root->files.ops;
    int opened = ops->open_file(root->files.self, root->root, IDENTITY_NAME);
    enum kafscale_status status;

    if (opened == -ENOENT) {
        status = make_identity(root, id, error);
        if (status != KAFSCALE_OK) {
            return status;
        }
        opened = ops->open_file(root->files.self, root->root, IDENTITY_NAME);
    }
    if (opened < 0) {
        return ks_directory_error(opened, "open the identity of", root->path, error);
    }
    root->identity = opened;
    status = sync_directory(root, root->root, error);
    return status == KAFSCALE_OK ? read_identity(root, error) : status;
}

/* `objects` is made only while there is no identity: later its absence is a loss. */
static enum kafscale_status
open_objects(struct ks_directory_root *root, struct kafscale_error *error)
{
    struct ks_file_stat found;
    int code = root->files.ops->stat_at(root->files.self, root->root, IDENTITY_NAME, false, &found);

    if (code == -ENOENT) {
        return open_made(root, root->root, OBJECTS_NAME, false, &root->objects, error);
    }
    code = root->files.ops->open_directory(root->files.self, root->root, OBJECTS_NAME, false);
    if (code == -ENOENT) {
        return ks_error_set(error, KAFSCALE_FAILED, "directory store '%s': '%s' is missing",
                            root->path, OBJECTS_NAME);
    }
    if (code < 0) {
        return ks_directory_error(code, "open the objects of", root->path, error);
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
    return code < 0 ? ks_directory_error(code, "stat", root->path, error)
                    : ks_directory_root_check(root, error);
}

/* Whether files without a name can be made here and named later; some sandboxes deny the second. */
static bool
probe_unnamed_files(const struct ks_directory_root *root, const struct ks_id *id)
{
    const struct ks_file_ops *ops = root->files.ops;
    char name[KS_ID_HEX_BYTES];
    int file = ops->open_unnamed(root->files.self, root->temporary);
    int code;

    if (file < 0) {
        return false;
    }
    ks_id_to_hex(id, name);
    code = ops->link_unnamed(root->files.self, file, root->temporary, name);
    if (code == 0) {
        (void) ops->unlink(root->files.self, root->temporary, name);
    }
    ops->close(root->files.self, file);
    return code == 0;
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
        status = open_made(root, root->root, TEMPORARY_NAME, false, &root->temporary, error);
    }
    if (status == KAFSCALE_OK) {
        status = open_identity(root, id, error);
    }
    if (status == KAFSCALE_OK) {
        status = take_stats(root, error);
    }
    if (status != KAFSCALE_OK) {
        ks_directory_root_close(root);
        return status;
    }
    root->has_unnamed_files = probe_unnamed_files(root, id);
    return KAFSCALE_OK;
}
