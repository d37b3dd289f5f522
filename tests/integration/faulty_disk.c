/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A disk that fails on demand, under any program: preloaded, it stands before the system calls that
 * the directory store makes. The file that FAULTY_DISK names says what is wrong at the moment, one
 * line for each call: its name and an errno, or `hang`. A call that hangs does so until its line is
 * gone. Without the file all is well.
 */
/* Both names of openat are defined here. */
#undef _FILE_OFFSET_BITS

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define HANG (-1)
#define PLAN_BYTES_MAX 512

/* What is to become of a call: 0, an errno or HANG. Reads the plan without the calls it guards. */
static int
fate_of(const char *call)
{
    const char *path = getenv("FAULTY_DISK");
    char plan[PLAN_BYTES_MAX];
    char *rest = plan;
    char *line;
    ssize_t size;
    int file = path == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC);

    if (file < 0) {
        return 0;
    }
    size = read(file, plan, sizeof plan - 1);
    close(file);
    plan[size < 0 ? 0 : size] = '\0';
    while ((line = strsep(&rest, "\n")) != NULL) {
        size_t length = strlen(call);

        if (strncmp(line, call, length) == 0 && line[length] == ' ') {
            return strcmp(line + length + 1, "hang") == 0 ? HANG : atoi(line + length + 1);
        }
    }
    return 0;
}

/* True: the call fails, with errno set. */
static bool
fails(const char *call)
{
    const struct timespec pause = { .tv_nsec = 10000000 };
    int fate = fate_of(call);

    while (fate == HANG) {
        nanosleep(&pause, NULL);
        fate = fate_of(call);
    }
    errno = fate;
    return fate != 0;
}

static void *
next(const char *call)
{
    void *found = dlsym(RTLD_NEXT, call);

    if (found == NULL) {
        abort();
    }
    return found;
}

int
fsync(int file)
{
    int (*call)(int);
    struct stat found;
    bool is_directory = fstat(file, &found) == 0 && S_ISDIR(found.st_mode);

    *(void **) &call = next("fsync");
    return fails(is_directory ? "fsync_directory" : "fsync_file") ? -1 : call(file);
}

ssize_t
writev(int file, const struct iovec *pieces, int count)
{
    ssize_t (*call)(int, const struct iovec *, int);
    struct stat found;
    bool is_file = fstat(file, &found) == 0 && S_ISREG(found.st_mode);

    *(void **) &call = next("writev");
    return is_file && fails("write") ? -1 : call(file, pieces, count);
}

int
linkat(int from_directory, const char *from, int directory, const char *name, int flags)
{
    int (*call)(int, const char *, int, const char *, int);
    bool is_unnamed = (flags & (AT_EMPTY_PATH | AT_SYMLINK_FOLLOW)) != 0;

    *(void **) &call = next("linkat");
    return fails(is_unnamed ? "link_unnamed" : "link")
               ? -1
               : call(from_directory, from, directory, name, flags);
}

int
mkdirat(int directory, const char *path, mode_t mode)
{
    int (*call)(int, const char *, mode_t);

    *(void **) &call = next("mkdirat");
    return fails("mkdir") ? -1 : call(directory, path, mode);
}

static int
open_at(const char *symbol, int directory, const char *path, int flags, mode_t mode)
{
    int (*call)(int, const char *, int, ...);

    *(void **) &call = next(symbol);
    if ((flags & O_TMPFILE) == O_TMPFILE && fails("open_unnamed")) {
        return -1;
    }
    if ((flags & O_CREAT) != 0 && fails("create")) {
        return -1;
    }
    return call(directory, path, flags, mode);
}

static mode_t
mode_of(int flags, va_list arguments)
{
    bool takes_mode = (flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE;

    return takes_mode ? (mode_t) va_arg(arguments, int) : 0;
}

int
openat(int directory, const char *path, int flags, ...)
{
    va_list arguments;
    mode_t mode;

    va_start(arguments, flags);
    mode = mode_of(flags, arguments);
    va_end(arguments);
    return open_at("openat", directory, path, flags, mode);
}

/* What -D_FILE_OFFSET_BITS=64 makes of openat. */
int openat64(int directory, const char *path, int flags, ...);

int
openat64(int directory, const char *path, int flags, ...)
{
    va_list arguments;
    mode_t mode;

    va_start(arguments, flags);
    mode = mode_of(flags, arguments);
    va_end(arguments);
    return open_at("openat64", directory, path, flags, mode);
}
