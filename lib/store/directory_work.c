/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PUT, GET and DELETE on files. A PUT is acknowledged when its bytes, its name and every
 * directory above it are durable: the file is synced before it gets its name, so that no crash
 * shows a part of it.
 */
#include "store/directory_call.h"

#include <errno.h>
#include <string.h>

#define PIECE_COUNT 64
#define NONE (-1)

void
ks_directory_fail(struct directory_call *call, int code, const char *what, const char *path)
{
    if (code == -ENOTDIR || code == -EISDIR) {
        call->status = ks_error_set(&call->error, KAFSCALE_UNAVAILABLE,
                                    "directory store '%.120s': a key is below an object, a "
                                    "directory can't hold both (%s '%s')",
                                    call->root->path, what, path);
        return;
    }
    call->status = ks_directory_error(call->root, code, what, path, &call->error);
}

/*
 * Whether a change that failed so has certainly not happened. The disk's own failure leaves no
 * certainty, nor does a file system behind a network that did not answer.
 */
static bool
is_final(int code)
{
    switch (-code) {
    case EACCES:
    case EDQUOT:
    case EISDIR:
    case ELOOP:
    case EMFILE:
    case EMLINK:
    case ENAMETOOLONG:
    case ENFILE:
    case ENOENT:
    case ENOMEM:
    case ENOSPC:
    case ENOSYS:
    case ENOTDIR:
    case EOPNOTSUPP:
    case EPERM:
    case EROFS:
    case EXDEV:
        return true;
    default:
        return false;
    }
}

/* As above, of a call that gives or takes a name. */
static void
fail_change(struct directory_call *call, int code, const char *what, const char *path)
{
    ks_directory_fail(call, code, what, path);
    if (!is_final(code)) {
        call->status = KAFSCALE_UNKNOWN;
        call->error.status = KAFSCALE_UNKNOWN;
    }
}

/* A file whose bytes could not be taken has no name yet: nothing was changed. */
static void
fail_file(struct directory_call *call, int code, const char *what, const char *path)
{
    ks_directory_fail(call, code, what, path);
    if (call->status == KAFSCALE_IO) {
        call->status = KAFSCALE_UNAVAILABLE;
        call->error.status = KAFSCALE_UNAVAILABLE;
    }
}

static void
break_store(struct directory_call *call, int code, const char *what)
{
    char text[96];

    atomic_store(call->is_broken, true);
    call->status =
        ks_error_set(&call->error, KAFSCALE_UNKNOWN,
                     "directory store '%.120s': fsync of %s '%s' failed (%s), its state is unknown",
                     call->root->path, what, call->directory, strerror_r(-code, text, sizeof text));
}

/*
 * Of a directory. False: it failed, and nothing of this store is trusted any more, since names
 * that can be seen may be missing after a crash and no later fsync would tell.
 */
static bool
sync_or_break(struct directory_call *call, int descriptor, const char *what)
{
    const struct ks_directory_root *root = call->root;
    int code = root->files.ops->sync(root->files.self, descriptor);

    if (code < 0) {
        break_store(call, code, what);
    }
    return code == 0;
}

/*
 * Of a file that has no key yet. File systems that give out space late say only here that there
 * is none. That is no damage: the file is dropped, nothing was built on it, and the next try
 * writes another one.
 */
static bool
sync_file(struct directory_call *call, int file)
{
    const struct ks_directory_root *root = call->root;
    int code = root->files.ops->sync(root->files.self, file);

    if (code == -ENOSPC || code == -EDQUOT) {
        ks_directory_fail(call, code, "fsync", call->request.put->key);
    } else if (code < 0) {
        break_store(call, code, "an object in");
    }
    return code == 0;
}

static bool
root_is_in_place(struct directory_call *call)
{
    call->status = ks_directory_root_check(call->root, &call->error);
    return call->status == KAFSCALE_OK;
}

/*
 * Calls `step` for each proper ancestor "a", "a/b" of directory "a/b/c"; false when one of
 * them fails.
 */
static bool
for_each_ancestor(struct directory_call *call, bool (*step)(struct directory_call *call))
{
    char *slash = call->directory;

    while ((slash = strchr(slash, '/')) != NULL) {
        bool ok;

        *slash = '\0';
        ok = step(call);
        *slash = '/';
        if (!ok) {
            return false;
        }
        slash++;
    }
    return true;
}

static bool
make_one(struct directory_call *call)
{
    const struct ks_files *files = &call->root->files;
    int code = files->ops->make_directory(files->self, call->root->objects, call->directory);

    if (code < 0 && code != -EEXIST) {
        fail_file(call, code, "make directory", call->directory);
        return false;
    }
    return true;
}

static bool
sync_one(struct directory_call *call)
{
    const struct ks_files *files = &call->root->files;
    int opened =
        files->ops->open_directory(files->self, call->root->objects, call->directory, false);
    bool ok;

    if (opened < 0) {
        fail_file(call, opened, "open directory", call->directory);
        return false;
    }
    ok = sync_or_break(call, opened, "directory");
    files->ops->close(files->self, opened);
    return ok;
}

/* The directory of the key, made when absent, or NONE. Its entry and those above it are durable. */
static int
open_durable_directory(struct directory_call *call)
{
    const struct ks_files *files = &call->root->files;
    int objects = call->root->objects;
    int opened = files->ops->open_directory(files->self, objects, call->directory, false);

    if (opened == -ENOENT) {
        call->is_trusted = false;
        if (!for_each_ancestor(call, make_one) || !make_one(call)) {
            return NONE;
        }
        opened = files->ops->open_directory(files->self, objects, call->directory, false);
    }
    if (opened < 0) {
        fail_file(call, opened, "open directory", call->directory);
        return NONE;
    }
    if (!call->is_trusted && (!sync_or_break(call, objects, "the directory above") ||
                              !for_each_ancestor(call, sync_one))) {
        files->ops->close(files->self, opened);
        return NONE;
    }
    return opened;
}

static bool
write_pieces(struct directory_call *call, int file, struct iovec *pieces, int count)
{
    const struct ks_files *files = &call->root->files;

    while (count > 0) {
        int64_t n = files->ops->write(files->self, file, pieces, count);

        if (n <= 0) {
            fail_file(call, n < 0 ? (int) n : -ENOSPC, "write", call->request.put->key);
            return false;
        }
        while (count > 0 && (size_t) n >= pieces[0].iov_len) {
            n -= (int64_t) pieces[0].iov_len;
            pieces++;
            count--;
        }
        if (count > 0) {
            pieces[0].iov_base = (uint8_t *) pieces[0].iov_base + n;
            pieces[0].iov_len -= (size_t) n;
        }
    }
    return true;
}

static bool
write_parts(struct directory_call *call, int file)
{
    const struct kafscale_put *put = call->request.put;
    struct iovec pieces[PIECE_COUNT];
    int count = 0;

    for (size_t i = 0; i < put->part_count; i++) {
        struct kafscale_slice bytes = put->parts[i].bytes;

        if (bytes.size == 0) {
            continue;
        }
        pieces[count].iov_base = (void *) (uintptr_t) bytes.data;
        pieces[count].iov_len = bytes.size;
        count++;
        if (count == PIECE_COUNT) {
            if (!write_pieces(call, file, pieces, count)) {
                return false;
            }
            count = 0;
        }
    }
    return write_pieces(call, file, pieces, count);
}

static void
temporary_name(const struct directory_call *call, char name_out[KS_ID_HEX_BYTES])
{
    struct ks_id id;

    memcpy(id.bytes, call->random, sizeof id.bytes);
    ks_id_to_hex(&id, name_out);
}

/*
 * Gives the file its key. An unconditional PUT needs a name to rename from. The result of the
 * system call that decides is returned; `is_named_out`: the temporary name is to be removed.
 */
static int
give_name(struct directory_call *call, int file, int directory, bool *is_named)
{
    const struct ks_directory_root *root = call->root;
    const struct ks_file_ops *ops = root->files.ops;
    char name[KS_ID_HEX_BYTES];
    int code = 0;

    temporary_name(call, name);
    if (call->request.put->if_absent) {
        return *is_named ? ops->link(root->files.self, root->temporary, name, directory, call->name)
                         : ops->link_unnamed(root->files.self, file, directory, call->name);
    }
    if (!*is_named) {
        code = ks_directory_temporary_link(root, file, name);
        *is_named = code == 0;
    }
    if (code == 0) {
        code = ops->rename(root->files.self, root->temporary, name, directory, call->name);
        *is_named = code < 0;
    }
    return code;
}

/*
 * Writes and names the file; afterwards the directory is still to be synced when the status is
 * OK or EXISTS.
 */
static void
put_file(struct directory_call *call, int directory, int file, bool *is_named)
{
    int code;

    if (!write_parts(call, file) || !sync_file(call, file)) {
        return;
    }
    code = give_name(call, file, directory, is_named);
    if (code == -EEXIST && call->request.put->if_absent) {
        call->status = KAFSCALE_EXISTS;
        return;
    }
    if (code < 0) {
        fail_change(call, code, "link", call->request.put->key);
    }
}

static void
put_into(struct directory_call *call, int directory)
{
    const struct ks_directory_root *root = call->root;
    const struct ks_file_ops *ops = root->files.ops;
    char name[KS_ID_HEX_BYTES];
    bool is_named = !root->has_unnamed_files;
    int file = is_named ? -EOPNOTSUPP : ops->open_unnamed(root->files.self, directory);

    temporary_name(call, name);
    if (file == -EOPNOTSUPP) {
        is_named = true;
        file = ks_directory_temporary_create(root, name);
    }
    if (file < 0) {
        fail_file(call, file, "create", call->request.put->key);
        return;
    }
    put_file(call, directory, file, &is_named);
    if (is_named) {
        ks_directory_temporary_remove(root, name);
    }
    ops->close(root->files.self, file);
}

void
ks_directory_put(struct directory_call *call)
{
    const struct ks_files *files = &call->root->files;
    int directory;

    if (!root_is_in_place(call)) {
        return;
    }
    directory = open_durable_directory(call);
    if (directory == NONE) {
        return;
    }
    put_into(call, directory);
    /* Also "exists" is an answer that others rely on: the name must not vanish in a crash. */
    if (call->status == KAFSCALE_OK || call->status == KAFSCALE_EXISTS) {
        (void) sync_or_break(call, directory, "directory");
    }
    files->ops->close(files->self, directory);
}

/*
 * Reads until the range is full or the file ends early; how many bytes came, or a negative
 * errno.
 */
static int64_t
read_range(const struct directory_call *call, int file, uint8_t *out, size_t size)
{
    const struct ks_files *files = &call->root->files;
    size_t done = 0;

    while (done < size) {
        int64_t n = files->ops->read(files->self, file, out + done, size - done,
                                     call->request.get->position + done);

        if (n < 0) {
            return n;
        }
        if (n == 0) {
            break;
        }
        done += (size_t) n;
    }
    return (int64_t) done;
}

static void
get_from(struct directory_call *call, int file, uint64_t file_bytes)
{
    const struct kafscale_get *get = call->request.get;
    uint64_t left = get->position < file_bytes ? file_bytes - get->position : 0;
    size_t size = left < get->size_max ? (size_t) left : get->size_max;
    struct kafscale_blob *body = kafscale_blob_new(size);
    int64_t n;

    if (body == NULL) {
        call->status = KAFSCALE_NO_MEMORY;
        return;
    }
    n = read_range(call, file, kafscale_blob_data(body), size);
    if (n == (int64_t) size) {
        call->body = body;
        call->object_bytes = file_bytes;
        return;
    }
    kafscale_blob_unref(body);
    if (n < 0) {
        ks_directory_fail(call, (int) n, "read", get->key);
        return;
    }
    call->status = ks_error_set(&call->error, KAFSCALE_CORRUPT,
                                "read '%s': the file was cut while it was read", get->key);
}

/* Absence counts only while the store itself is in its place. */
static void
answer_absent(struct directory_call *call)
{
    if (root_is_in_place(call)) {
        call->status = KAFSCALE_NOT_FOUND;
    }
}

void
ks_directory_get(struct directory_call *call)
{
    const struct ks_directory_root *root = call->root;
    const struct kafscale_get *get = call->request.get;
    struct ks_file_stat found;
    int file = root->files.ops->open_file(root->files.self, root->objects, get->key);
    int code;

    if (file == -ENOENT || file == -ENOTDIR || file == -ENAMETOOLONG) {
        answer_absent(call);
        return;
    }
    if (file < 0) {
        ks_directory_fail(call, file, "open", get->key);
        return;
    }
    code = root->files.ops->stat(root->files.self, file, &found);
    if (code < 0) {
        ks_directory_fail(call, code, "stat", get->key);
    } else if (found.kind != KS_FILE_REGULAR) {
        answer_absent(call);
    } else {
        get_from(call, file, found.size);
    }
    root->files.ops->close(root->files.self, file);
}

void
ks_directory_remove(struct directory_call *call)
{
    const struct ks_directory_root *root = call->root;
    const struct ks_file_ops *ops = root->files.ops;
    int directory;
    int code;

    if (!root_is_in_place(call)) {
        return;
    }
    directory = ops->open_directory(root->files.self, root->objects, call->directory, false);
    if (directory == -ENOENT || directory == -ENOTDIR || directory == -ENAMETOOLONG) {
        return;
    }
    if (directory < 0) {
        ks_directory_fail(call, directory, "open directory", call->directory);
        return;
    }
    code = ops->unlink(root->files.self, directory, call->name);
    if (code < 0 && code != -ENOENT && code != -EISDIR && code != -ENAMETOOLONG) {
        fail_change(call, code, "remove", call->request.remove->key);
    } else {
        /* Also when it was gone already: another process may have removed it and not synced yet. */
        (void) sync_or_break(call, directory, "directory");
    }
    ops->close(root->files.self, directory);
}
