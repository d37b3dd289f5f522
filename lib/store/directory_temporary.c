/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files on their way to a name. A process that is killed leaves them behind; the next one to open
 * the store removes them. Several processes share the directory, so whoever makes such a file
 * holds a lock on it, which ends with the process: what nobody locks is litter. A file that is
 * taken away in the moment between its making and its lock costs its owner another try.
 */
#include "store/directory_root.h"

#include <errno.h>
#include <string.h>

static void
lock(const struct ks_directory_root *root, int file)
{
    /* Where there are no locks nobody removes anything either. */
    (void) root->files.ops->lock(root->files.self, file, true);
}

int
ks_directory_temporary_create(const struct ks_directory_root *root, const char *name)
{
    int file = root->files.ops->create(root->files.self, root->temporary, name);

    if (file >= 0) {
        lock(root, file);
    }
    return file;
}

int
ks_directory_temporary_link(const struct ks_directory_root *root, int file, const char *name)
{
    lock(root, file);
    return root->files.ops->link_unnamed(root->files.self, file, root->temporary, name);
}

void
ks_directory_temporary_remove(const struct ks_directory_root *root, const char *name)
{
    (void) root->files.ops->unlink(root->files.self, root->temporary, name);
}

/* --- Litter ----------------------------------------------------------------------------------- */

struct cleaning {
    const struct ks_directory_root *root;
    size_t count;
};

/* Only names as we give them: what somebody else put here is not ours to remove. */
static bool
is_temporary_name(const char *name)
{
    struct ks_id id;

    return strlen(name) + 1 == KS_ID_HEX_BYTES && ks_id_from_hex(name, &id);
}

static void
remove_if_litter(void *arg, const char *name)
{
    struct cleaning *cleaning = arg;
    const struct ks_directory_root *root = cleaning->root;
    const struct ks_file_ops *ops = root->files.ops;
    int file;

    if (!is_temporary_name(name)) {
        return;
    }
    file = ops->open_file(root->files.self, root->temporary, name);
    if (file < 0) {
        return;
    }
    if (ops->lock(root->files.self, file, false) == 0 &&
        ops->unlink(root->files.self, root->temporary, name) == 0) {
        cleaning->count++;
    }
    ops->close(root->files.self, file);
}

size_t
ks_directory_temporary_clean(const struct ks_directory_root *root)
{
    struct cleaning cleaning = { .root = root };

    /* What can't be listed now is removed by a later start. */
    (void) root->files.ops->list(root->files.self, root->temporary, remove_if_litter, &cleaning);
    return cleaning.count;
}

/* --- What the file system can do -------------------------------------------------------------- */

static bool
is_unsupported(int code)
{
    switch (-code) {
    case EPERM:
    case ENOSYS:
    case EOPNOTSUPP:
    case EXDEV:
    case EMLINK:
        return true;
    default:
        return false;
    }
}

static enum kafscale_status
refuse(const struct ks_directory_root *root, const char *why, struct kafscale_error *error)
{
    return ks_error_set(error, KAFSCALE_UNSUPPORTED,
                        "directory store '%.120s': its file system is not fit for use: %s",
                        root->path, why);
}

/* `first` and `second` are what came of giving one name twice. */
static enum kafscale_status
judge(const struct ks_directory_root *root, int first, int second, struct kafscale_error *error)
{
    if (is_unsupported(first)) {
        return refuse(root, "it has no hard links", error);
    }
    if (first == 0 && second == 0) {
        return refuse(root, "it gives a name that is taken", error);
    }
    /* A disk that is full or read-only for now tells nothing. */
    return KAFSCALE_OK;
}

static enum kafscale_status
probe_named(const struct ks_directory_root *root, const char *name, struct kafscale_error *error)
{
    const struct ks_file_ops *ops = root->files.ops;
    char other[KS_ID_HEX_BYTES];
    int file = ks_directory_temporary_create(root, name);
    int first;
    int second = -EEXIST;

    if (file < 0) {
        return KAFSCALE_OK;
    }
    memcpy(other, name, sizeof other);
    other[0] = other[0] == '0' ? '1' : '0';
    first = ops->link(root->files.self, root->temporary, name, root->temporary, other);
    if (first == 0) {
        second = ops->link(root->files.self, root->temporary, name, root->temporary, other);
        ks_directory_temporary_remove(root, other);
    }
    ks_directory_temporary_remove(root, name);
    ops->close(root->files.self, file);
    return judge(root, first, second, error);
}

enum kafscale_status
ks_directory_temporary_probe(const struct ks_directory_root *root, const struct ks_id *id,
                             bool *has_unnamed_files_out, struct kafscale_error *error)
{
    const struct ks_file_ops *ops = root->files.ops;
    char name[KS_ID_HEX_BYTES];
    int file = ops->open_unnamed(root->files.self, root->temporary);
    int first;
    int second = -EEXIST;

    ks_id_to_hex(id, name);
    *has_unnamed_files_out = file >= 0 || !is_unsupported(file);
    if (file == -EOPNOTSUPP) {
        return probe_named(root, name, error);
    }
    if (file < 0) {
        return KAFSCALE_OK;
    }
    first = ks_directory_temporary_link(root, file, name);
    if (first == 0) {
        second = ks_directory_temporary_link(root, file, name);
        ks_directory_temporary_remove(root, name);
    }
    ops->close(root->files.self, file);
    if (is_unsupported(first) || first == -ENOENT) {
        /* Some sandboxes deny the naming only, or hide the way to it, /proc. */
        *has_unnamed_files_out = false;
        return probe_named(root, name, error);
    }
    return judge(root, first, second, error);
}
