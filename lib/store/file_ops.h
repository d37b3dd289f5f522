/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The system calls under the directory store, as a table: tests put a simulated file system
 * there and crash it after every call. No call follows a symbolic link except where it says
 * so.
 *
 * Calls come from any worker thread, several at a time. Each returns 0 or more, or a negative
 * errno.
 */
#ifndef KS_STORE_FILE_OPS_H
#define KS_STORE_FILE_OPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

/* In place of a directory's descriptor: the working directory. */
#define KS_FILE_HERE (-100)

enum ks_file_kind { KS_FILE_REGULAR, KS_FILE_DIRECTORY, KS_FILE_OTHER };

struct ks_file_stat {
    uint64_t device;
    uint64_t inode;
    uint64_t size;
    enum ks_file_kind kind;
};

typedef void ks_file_visit(void *arg, const char *name);

struct ks_file_ops {
    /*
     * A descriptor of a directory; `path` may have several components. Follows links if
     * `follow`.
     */
    int (*open_directory)(void *self, int directory, const char *path, bool follow);
    /* A descriptor for reading. */
    int (*open_file)(void *self, int directory, const char *path);
    /* A new file without a name, for writing. -EOPNOTSUPP where the file system has none. */
    int (*open_unnamed)(void *self, int directory);
    /* A new file, for writing; -EEXIST when the name is taken. */
    int (*create)(void *self, int directory, const char *name);
    void (*close)(void *self, int descriptor);
    /* Appends; how many bytes were taken. */
    int64_t (*write)(void *self, int descriptor, const struct iovec *pieces, int count);
    int64_t (*read)(void *self, int descriptor, void *out, size_t size, uint64_t position);
    int (*sync)(void *self, int descriptor);
    /* Gives an unnamed file a name; -EEXIST when it is taken. */
    int (*link_unnamed)(void *self, int descriptor, int directory, const char *name);
    int (*link)(void *self, int from_directory, const char *from, int directory, const char *name);
    int (*rename)(void *self, int from_directory, const char *from, int directory,
                  const char *name);
    int (*unlink)(void *self, int directory, const char *name);
    int (*make_directory)(void *self, int directory, const char *path);
    int (*stat)(void *self, int descriptor, struct ks_file_stat *stat_out);
    int (*stat_at)(void *self, int directory, const char *name, bool follow,
                   struct ks_file_stat *stat_out);
    /*
     * Locks an open file without waiting, for itself or together with others; -EWOULDBLOCK when
     * another open file stands against it. Closing the file, also by dying, unlocks it.
     */
    int (*lock)(void *self, int descriptor, bool is_exclusive);
    /* Calls `visit` for every name of a directory but "." and "..", in any order. */
    int (*list)(void *self, int descriptor, ks_file_visit *visit, void *arg);
};

/* A table and its object. */
struct ks_files {
    const struct ks_file_ops *ops;
    void *self;
};

/* The file systems of this machine. */
struct ks_files ks_system_files(void);

#endif
