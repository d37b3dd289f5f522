/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file that makes a directory a store: written once, never again, so that an emptied or
 * replaced directory is not taken for a new one. `objects` is made and synced before it: an
 * identity without objects, or objects without an identity, are never the trace of an interrupted
 * start but of a lost or foreign directory, and are refused.
 */
#include "store/directory_root.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define HEAD "kafscale directory store "
#define HEAD_AND_LEVEL HEAD "1 "
#define IDENTITY_BYTES (sizeof HEAD_AND_LEVEL - 1 + KS_ID_HEX_BYTES)

static void
note_any(void *arg, const char *name)
{
    (void) name;
    *(bool *) arg = true;
}

/* What a directory may hold that is to become a store: traces of a start, and of mounting. */
static void
note_foreign(void *arg, const char *name)
{
    bool is_known = name[0] == '.' || strcmp(name, KS_DIRECTORY_OBJECTS_NAME) == 0 ||
                    strcmp(name, KS_DIRECTORY_TEMPORARY_NAME) == 0 ||
                    strcmp(name, KS_DIRECTORY_IDENTITY_NAME) == 0 ||
                    strcmp(name, "lost+found") == 0;

    *(bool *) arg = *(bool *) arg || !is_known;
}

enum kafscale_status
ks_directory_identity_look(const struct ks_directory_root *root, bool *is_there_out,
                           struct kafscale_error *error)
{
    const struct ks_file_ops *ops = root->files.ops;
    struct ks_file_stat found;
    bool is_foreign = false;
    int code =
        ops->stat_at(root->files.self, root->root, KS_DIRECTORY_IDENTITY_NAME, false, &found);

    *is_there_out = code == 0;
    if (code < 0 && code != -ENOENT) {
        return ks_directory_error(root, code, "look for", KS_DIRECTORY_IDENTITY_NAME, error);
    }
    if (code == 0) {
        return KAFSCALE_OK;
    }
    code = ops->list(root->files.self, root->root, note_foreign, &is_foreign);
    if (code < 0) {
        return ks_directory_error(root, code, "list", root->name, error);
    }
    if (is_foreign) {
        return ks_error_set(error, KAFSCALE_INVALID,
                            "directory store '%.120s': it holds other things and is no store: take "
                            "an empty or a new directory",
                            root->path);
    }
    return KAFSCALE_OK;
}

static enum kafscale_status
write_identity(const struct ks_directory_root *root, int file, const struct ks_id *id,
               struct kafscale_error *error)
{
    char text[IDENTITY_BYTES + 1];
    char hex[KS_ID_HEX_BYTES];
    struct iovec piece = { .iov_base = text, .iov_len = IDENTITY_BYTES };
    int64_t n;
    int code;

    ks_id_to_hex(id, hex);
    (void) snprintf(text, sizeof text, "%s%s\n", HEAD_AND_LEVEL, hex);
    while (piece.iov_len > 0) {
        n = root->files.ops->write(root->files.self, file, &piece, 1);
        if (n <= 0) {
            return ks_directory_error(root, n < 0 ? (int) n : -ENOSPC, "write",
                                      KS_DIRECTORY_IDENTITY_NAME, error);
        }
        piece.iov_base = (char *) piece.iov_base + n;
        piece.iov_len -= (size_t) n;
    }
    code = root->files.ops->sync(root->files.self, file);
    return code < 0 ? ks_directory_error(root, code, "fsync", KS_DIRECTORY_IDENTITY_NAME, error)
                    : KAFSCALE_OK;
}

static bool
has_objects_only(const struct ks_directory_root *root, bool has_objects)
{
    struct ks_file_stat found;

    return has_objects && root->files.ops->stat_at(root->files.self, root->root,
                                                   KS_DIRECTORY_IDENTITY_NAME, false, &found) < 0;
}

/*
 * Writes the identity under a temporary name and links it. Another process that is faster wins;
 * when it takes the temporary file for litter, it has won too.
 */
static enum kafscale_status
make_identity(const struct ks_directory_root *root, const struct ks_id *id,
              struct kafscale_error *error)
{
    const struct ks_file_ops *ops = root->files.ops;
    char name[KS_ID_HEX_BYTES];
    enum kafscale_status status;
    bool has_objects = false;
    int file;
    int code = ops->list(root->files.self, root->objects, note_any, &has_objects);

    if (code < 0) {
        return ks_directory_error(root, code, "list", KS_DIRECTORY_OBJECTS_NAME, error);
    }
    if (has_objects_only(root, has_objects)) {
        return ks_error_set(error, KAFSCALE_FAILED,
                            "directory store '%.120s': there are objects but the identity file "
                            "'%s' is missing",
                            root->path, KS_DIRECTORY_IDENTITY_NAME);
    }
    ks_id_to_hex(id, name);
    file = ks_directory_temporary_create(root, name);
    if (file < 0) {
        return ks_directory_error(root, file, "create", KS_DIRECTORY_IDENTITY_NAME, error);
    }
    status = write_identity(root, file, id, error);
    if (status == KAFSCALE_OK) {
        code = ops->link(root->files.self, root->temporary, name, root->root,
                         KS_DIRECTORY_IDENTITY_NAME);
        if (code < 0 && code != -EEXIST && code != -ENOENT) {
            status = ks_directory_error(root, code, "link", KS_DIRECTORY_IDENTITY_NAME, error);
        }
    }
    ops->close(root->files.self, file);
    ks_directory_temporary_remove(root, name);
    return status;
}

static enum kafscale_status
read_identity(const struct ks_directory_root *root, struct kafscale_error *error)
{
    char text[IDENTITY_BYTES + 1] = { 0 };
    struct ks_id id;
    int64_t n;

    n = root->files.ops->read(root->files.self, root->identity, text, sizeof text, 0);
    if (n < 0) {
        return ks_directory_error(root, (int) n, "read", KS_DIRECTORY_IDENTITY_NAME, error);
    }
    if (n > (int64_t) sizeof HEAD && memcmp(text, HEAD, sizeof HEAD - 1) == 0 &&
        memcmp(text, HEAD_AND_LEVEL, sizeof HEAD_AND_LEVEL - 1) != 0) {
        return ks_error_set(error, KAFSCALE_UNSUPPORTED,
                            "directory store '%.120s': it is of a format level that this version "
                            "does not know",
                            root->path);
    }
    if (n != (int64_t) IDENTITY_BYTES ||
        memcmp(text, HEAD_AND_LEVEL, sizeof HEAD_AND_LEVEL - 1) != 0 ||
        !ks_id_from_hex(text + sizeof HEAD_AND_LEVEL - 1, &id)) {
        return ks_error_set(error, KAFSCALE_CORRUPT,
                            "directory store '%.120s': '%s' is not the identity of a store",
                            root->path, KS_DIRECTORY_IDENTITY_NAME);
    }
    return KAFSCALE_OK;
}

enum kafscale_status
ks_directory_identity_open(struct ks_directory_root *root, const struct ks_id *id,
                           struct kafscale_error *error)
{
    const struct ks_file_ops *ops = root->files.ops;
    int opened = ops->open_file(root->files.self, root->root, KS_DIRECTORY_IDENTITY_NAME);
    enum kafscale_status status;
    int code;

    if (opened == -ENOENT) {
        status = make_identity(root, id, error);
        if (status != KAFSCALE_OK) {
            return status;
        }
        opened = ops->open_file(root->files.self, root->root, KS_DIRECTORY_IDENTITY_NAME);
    }
    if (opened < 0) {
        return ks_directory_error(root, opened, "open", KS_DIRECTORY_IDENTITY_NAME, error);
    }
    root->identity = opened;
    code = ops->sync(root->files.self, root->root);
    if (code < 0) {
        return ks_directory_error(root, code, "fsync directory", root->name, error);
    }
    return read_identity(root, error);
}
