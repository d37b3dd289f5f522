/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Paths are resolved with openat2, which refuses links in every component. Kernels and
 * sandboxes without it get a walk that opens one component at a time.
 */
#include "store/file_ops.h"

#include "kafscale/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define FILE_MODE 0640
#define DIRECTORY_MODE 0750

_Static_assert(KS_FILE_HERE == AT_FDCWD, "the working directory's descriptor");

static int
result_of(int value)
{
    return value < 0 ? -errno : value;
}

/* Opens all directories of `path` but the last component, which `last_out` points to. */
static int
open_parents(int directory, char *path, char **last_out)
{
    int current = openat(directory, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);

    while (current >= 0) {
        char *slash = strchr(path, '/');
        int next;

        if (slash == NULL) {
            break;
        }
        *slash = '\0';
        next = openat(current, path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (next < 0) {
            int saved = errno;

            (void) close(current);
            return -saved;
        }
        (void) close(current);
        current = next;
        path = slash + 1;
    }
    *last_out = path;
    return result_of(current);
}

static int
open_by_steps(int directory, const char *path, int flags)
{
    char copy[KAFSCALE_STORE_KEY_BYTES_MAX + 1];
    char *last = copy;
    int parent;
    int opened;

    if (strlen(path) >= sizeof copy) {
        return -ENAMETOOLONG;
    }
    memcpy(copy, path, strlen(path) + 1);
    parent = open_parents(directory, copy, &last);
    if (parent < 0) {
        return parent;
    }
    opened = result_of(openat(parent, last, flags | O_NOFOLLOW));
    (void) close(parent);
    return opened;
}

static int
open_beneath(int directory, const char *path, int flags)
{
    struct open_how how = {
        .flags = (unsigned) flags,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
    };
    int opened = result_of((int) syscall(SYS_openat2, directory, path, &how, sizeof how));

    if (opened == -ENOSYS || opened == -EPERM) {
        return open_by_steps(directory, path, flags);
    }
    return opened;
}

static int
system_open_directory(void *self, int directory, const char *path, bool follow)
{
    int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;

    (void) self;
    return follow ? result_of(openat(directory, path, flags))
                  : open_beneath(directory, path, flags);
}

static int
system_open_file(void *self, int directory, const char *path)
{
    (void) self;
    return open_beneath(directory, path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

static int
system_open_unnamed(void *self, int directory)
{
    int opened = openat(directory, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, FILE_MODE);

    (void) self;
    /*
     * Kernels and file systems that do not know the flag take it for opening a directory to
     * write.
     */
    if (opened < 0 && (errno == EISDIR || errno == ENOENT || errno == EINVAL)) {
        return -EOPNOTSUPP;
    }
    return result_of(opened);
}

static int
system_create(void *self, int directory, const char *name)
{
    int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;

    (void) self;
    return result_of(openat(directory, name, flags, FILE_MODE));
}

static void
system_close(void *self, int descriptor)
{
    (void) self;
    (void) close(descriptor);
}

static int64_t
system_write(void *self, int descriptor, const struct iovec *pieces, int count)
{
    ssize_t n;

    (void) self;
    do {
        n = writev(descriptor, pieces, count);
    } while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : n;
}

static int64_t
system_read(void *self, int descriptor, void *out, size_t size, uint64_t position)
{
    ssize_t n;

    (void) self;
    do {
        n = pread(descriptor, out, size, (off_t) position);
    } while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : n;
}

static int
system_sync(void *self, int descriptor)
{
    (void) self;
    return result_of(fsync(descriptor));
}

static int
system_link_unnamed(void *self, int descriptor, int directory, const char *name)
{
    char path[64];

    (void) self;
    if (linkat(descriptor, "", directory, name, AT_EMPTY_PATH) == 0) {
        return 0;
    }
    if (errno != ENOENT && errno != EPERM) {
        return -errno;
    }
    /* Without the privilege that AT_EMPTY_PATH takes the file is reached through /proc. */
    (void) snprintf(path, sizeof path, "/proc/self/fd/%d", descriptor);
    return result_of(linkat(AT_FDCWD, path, directory, name, AT_SYMLINK_FOLLOW));
}

static int
system_link(void *self, int from_directory, const char *from, int directory, const char *name)
{
    (void) self;
    return result_of(linkat(from_directory, from, directory, name, 0));
}

static int
system_rename(void *self, int from_directory, const char *from, int directory, const char *name)
{
    (void) self;
    return result_of(renameat(from_directory, from, directory, name));
}

static int
system_unlink(void *self, int directory, const char *name)
{
    (void) self;
    return result_of(unlinkat(directory, name, 0));
}

static int
system_make_directory(void *self, int directory, const char *path)
{
    (void) self;
    return result_of(mkdirat(directory, path, DIRECTORY_MODE));
}

static void
take_stat(const struct stat *from, struct ks_file_stat *stat_out)
{
    stat_out->device = (uint64_t) from->st_dev;
    stat_out->inode = (uint64_t) from->st_ino;
    stat_out->size = (uint64_t) from->st_size;
    stat_out->kind = S_ISREG(from->st_mode)   ? KS_FILE_REGULAR
                     : S_ISDIR(from->st_mode) ? KS_FILE_DIRECTORY
                                              : KS_FILE_OTHER;
}

static int
system_stat(void *self, int descriptor, struct ks_file_stat *stat_out)
{
    struct stat found;

    (void) self;
    if (fstat(descriptor, &found) != 0) {
        return -errno;
    }
    take_stat(&found, stat_out);
    return 0;
}

static int
system_stat_at(void *self, int directory, const char *name, bool follow,
               struct ks_file_stat *stat_out)
{
    struct stat found;

    (void) self;
    if (fstatat(directory, name, &found, follow ? 0 : AT_SYMLINK_NOFOLLOW) != 0) {
        return -errno;
    }
    take_stat(&found, stat_out);
    return 0;
}

/*
 * Shared locks are asked of files open for reading, exclusive ones of files open for writing: NFS
 * makes record locks of both, which demand it.
 */
static int
system_lock(void *self, int descriptor, bool is_exclusive)
{
    (void) self;
    return result_of(flock(descriptor, (is_exclusive ? LOCK_EX : LOCK_SH) | LOCK_NB));
}

static int
system_list(void *self, int descriptor, ks_file_visit *visit, void *arg)
{
    int own = openat(descriptor, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *stream = own < 0 ? NULL : fdopendir(own);
    const struct dirent *entry;
    int status;

    (void) self;
    if (stream == NULL) {
        status = -errno;
        if (own >= 0) {
            (void) close(own);
        }
        return status;
    }
    for (;;) {
        errno = 0;
        entry = readdir(stream);
        if (entry == NULL) {
            break;
        }
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            visit(arg, entry->d_name);
        }
    }
    status = -errno;
    (void) closedir(stream);
    return status;
}

struct ks_files
ks_system_files(void)
{
    static const struct ks_file_ops ops = {
        .open_directory = system_open_directory,
        .open_file = system_open_file,
        .open_unnamed = system_open_unnamed,
        .create = system_create,
        .close = system_close,
        .write = system_write,
        .read = system_read,
        .sync = system_sync,
        .link_unnamed = system_link_unnamed,
        .link = system_link,
        .rename = system_rename,
        .unlink = system_unlink,
        .make_directory = system_make_directory,
        .stat = system_stat,
        .stat_at = system_stat_at,
        .lock = system_lock,
        .list = system_list,
    };

    return (struct ks_files){ .ops = &ops };
}
