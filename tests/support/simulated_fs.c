/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An inode has two sides: what processes see, and what the disk has. Inodes live as long as
 * the file system, which spares counting links.
 */
#include "support/simulated_fs.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define DESCRIPTORS_MAX 256

struct inode;

/*
 * A name in a directory. `is_lost`: a sync failed over it, and no later one will bring it to
 * disk.
 */
struct name {
    char *text;
    struct inode *inode;
    bool is_lost;
};

struct names {
    struct name *names;
    size_t count;
};

struct content {
    uint8_t *bytes;
    size_t size;
};

struct inode {
    struct inode *next;
    uint64_t number;
    bool is_directory;
    bool is_lost;
    struct content seen;
    struct content stored;
    struct names seen_names;
    struct names stored_names;
};

enum lock { LOCK_NONE, LOCK_SHARED, LOCK_EXCLUSIVE };

struct simulated_fs {
    struct inode *inodes;
    struct inode *root;
    uint64_t inode_count;
    struct inode *descriptors[DESCRIPTORS_MAX];
    enum lock locks[DESCRIPTORS_MAX];
    uint64_t calls;
    uint64_t crash_after;
    uint64_t fail_at;
    int fail_code;
    int refuse_code;
    int late_code;
    uint64_t interrupt_at;
    void (*interrupt)(void *arg);
    void *interrupt_arg;
    bool is_interrupted;
    bool has_no_unnamed;
};

static void
clear_names(struct names *names)
{
    for (size_t i = 0; i < names->count; i++) {
        free(names->names[i].text);
    }
    free(names->names);
    *names = (struct names){ 0 };
}

static void
add_name(struct names *names, const char *text, struct inode *inode)
{
    names->names = realloc(names->names, (names->count + 1) * sizeof names->names[0]);
    assert(names->names != NULL);
    names->names[names->count++] = (struct name){ .text = strdup(text), .inode = inode };
}

static struct name *
find_name(const struct names *names, const char *text)
{
    for (size_t i = 0; i < names->count; i++) {
        if (strcmp(names->names[i].text, text) == 0) {
            return &names->names[i];
        }
    }
    return NULL;
}

static void
remove_name(struct names *names, struct name *name)
{
    free(name->text);
    *name = names->names[--names->count];
}

static void
copy_content(struct content *to, const struct content *from)
{
    free(to->bytes);
    to->size = from->size;
    to->bytes = malloc(from->size + 1);
    assert(to->bytes != NULL);
    if (from->size > 0) {
        memcpy(to->bytes, from->bytes, from->size);
    }
}

static void
copy_names(struct names *to, const struct names *from, bool with_lost)
{
    clear_names(to);
    for (size_t i = 0; i < from->count; i++) {
        if (with_lost || !from->names[i].is_lost) {
            add_name(to, from->names[i].text, from->names[i].inode);
        }
    }
}

static struct inode *
new_inode(struct simulated_fs *fs, bool is_directory)
{
    struct inode *inode = calloc(1, sizeof *inode);

    assert(inode != NULL);
    inode->is_directory = is_directory;
    inode->number = ++fs->inode_count;
    inode->next = fs->inodes;
    fs->inodes = inode;
    return inode;
}

struct simulated_fs *
simulated_fs_new(void)
{
    struct simulated_fs *fs = calloc(1, sizeof *fs);

    assert(fs != NULL);
    fs->root = new_inode(fs, true);
    return fs;
}

void
simulated_fs_free(struct simulated_fs *fs)
{
    while (fs->inodes != NULL) {
        struct inode *inode = fs->inodes;

        fs->inodes = inode->next;
        clear_names(&inode->seen_names);
        clear_names(&inode->stored_names);
        free(inode->seen.bytes);
        free(inode->stored.bytes);
        free(inode);
    }
    free(fs);
}

static bool
is_dead(const struct simulated_fs *fs)
{
    return fs->crash_after > 0 && fs->calls > fs->crash_after;
}

/* Counts a call; a negative errno when it is to fail. */
static int
enter(struct simulated_fs *fs, bool is_change)
{
    if (fs->is_interrupted) {
        return 0;
    }
    fs->calls++;
    if (fs->calls == fs->interrupt_at) {
        fs->is_interrupted = true;
        fs->interrupt(fs->interrupt_arg);
        fs->is_interrupted = false;
    }
    if (is_dead(fs)) {
        return -EIO;
    }
    if (fs->calls == fs->fail_at) {
        return fs->fail_code;
    }
    return is_change ? fs->refuse_code : 0;
}

static int
open_inode(struct simulated_fs *fs, struct inode *inode)
{
    for (int i = 0; i < DESCRIPTORS_MAX; i++) {
        if (fs->descriptors[i] == NULL) {
            fs->descriptors[i] = inode;
            return i;
        }
    }
    return -EMFILE;
}

static struct inode *
inode_of(const struct simulated_fs *fs, int descriptor)
{
    if (descriptor == KS_FILE_HERE) {
        return fs->root;
    }
    assert(descriptor >= 0);
    assert(descriptor < DESCRIPTORS_MAX);
    assert(fs->descriptors[descriptor] != NULL);
    return fs->descriptors[descriptor];
}

static int
look_up(struct inode *from, const char *path, struct inode **inode_out)
{
    while (*path != '\0') {
        size_t size = strcspn(path, "/");
        char *text = strndup(path, size);
        const struct name *name = find_name(&from->seen_names, text);
        bool is_here = size == 0 || strcmp(text, ".") == 0;

        free(text);
        if (!from->is_directory) {
            return -ENOTDIR;
        }
        if (size > 255) {
            return -ENAMETOOLONG;
        }
        if (!is_here && name == NULL) {
            return -ENOENT;
        }
        from = is_here ? from : name->inode;
        path += size + (path[size] == '/' ? 1 : 0);
    }
    *inode_out = from;
    return 0;
}

/* The directory that holds the last component of `path`. */
static int
look_up_parent(struct inode *from, const char *path, struct inode **parent_out,
               const char **last_out)
{
    const char *slash = strrchr(path, '/');
    char *head = strndup(path, slash == NULL ? 0 : (size_t) (slash - path));
    int code = look_up(from, head, parent_out);

    free(head);
    *last_out = slash == NULL ? path : slash + 1;
    if (code == 0 && strlen(*last_out) > 255) {
        return -ENAMETOOLONG;
    }
    return code == 0 && !(*parent_out)->is_directory ? -ENOTDIR : code;
}

static int
open_path(struct simulated_fs *fs, int directory, const char *path, bool want_directory)
{
    struct inode *inode;
    int code = enter(fs, false);

    if (code == 0) {
        code = look_up(inode_of(fs, directory), path, &inode);
    }
    if (code < 0) {
        return code;
    }
    if (want_directory && !inode->is_directory) {
        return -ENOTDIR;
    }
    return open_inode(fs, inode);
}

static int
fs_open_directory(void *self, int directory, const char *path, bool follow)
{
    (void) follow;
    return open_path(self, directory, path, true);
}

static int
fs_open_file(void *self, int directory, const char *path)
{
    return open_path(self, directory, path, false);
}

static int
fs_open_unnamed(void *self, int directory)
{
    struct simulated_fs *fs = self;
    int code = enter(fs, true);

    (void) directory;
    if (code < 0) {
        return code;
    }
    return fs->has_no_unnamed ? -EOPNOTSUPP : open_inode(fs, new_inode(fs, false));
}

/* Puts a name into a directory unless it is taken. */
static int
give_name(struct inode *directory, const char *path, struct inode *inode)
{
    struct inode *parent;
    const char *last;
    int code = look_up_parent(directory, path, &parent, &last);

    if (code < 0) {
        return code;
    }
    if (find_name(&parent->seen_names, last) != NULL) {
        return -EEXIST;
    }
    add_name(&parent->seen_names, last, inode);
    return 0;
}

static int
fs_create(void *self, int directory, const char *name)
{
    struct simulated_fs *fs = self;
    struct inode *inode;
    int code = enter(fs, true);

    if (code < 0) {
        return code;
    }
    inode = new_inode(fs, false);
    code = give_name(inode_of(fs, directory), name, inode);
    return code < 0 ? code : open_inode(fs, inode);
}

static void
fs_close(void *self, int descriptor)
{
    struct simulated_fs *fs = self;

    (void) inode_of(fs, descriptor);
    fs->descriptors[descriptor] = NULL;
    fs->locks[descriptor] = LOCK_NONE;
}

/*
 * Takes at most half of what is offered, when that is more than a byte, so that short writes
 * are met.
 */
static int64_t
fs_write(void *self, int descriptor, const struct iovec *pieces, int count)
{
    struct simulated_fs *fs = self;
    struct content *seen = &inode_of(fs, descriptor)->seen;
    size_t size = count > 1 ? pieces[0].iov_len : (pieces[0].iov_len + 1) / 2;
    int code = enter(fs, true);

    if (code < 0) {
        return code;
    }
    seen->bytes = realloc(seen->bytes, seen->size + size + 1);
    assert(seen->bytes != NULL);
    memcpy(seen->bytes + seen->size, pieces[0].iov_base, size);
    seen->size += size;
    return (int64_t) size;
}

static int64_t
fs_read(void *self, int descriptor, void *out, size_t size, uint64_t position)
{
    struct simulated_fs *fs = self;
    const struct content *seen = &inode_of(fs, descriptor)->seen;
    int code = enter(fs, false);

    if (code < 0) {
        return code;
    }
    if (position >= seen->size) {
        return 0;
    }
    size = seen->size - (size_t) position < size ? seen->size - (size_t) position : size;
    memcpy(out, seen->bytes + position, size);
    return (int64_t) size;
}

static void
lose(struct inode *inode)
{
    inode->is_lost = true;
    for (size_t i = 0; i < inode->seen_names.count; i++) {
        struct name *name = &inode->seen_names.names[i];

        if (find_name(&inode->stored_names, name->text) == NULL) {
            name->is_lost = true;
        }
    }
}

static int
fs_sync(void *self, int descriptor)
{
    struct simulated_fs *fs = self;
    struct inode *inode = inode_of(fs, descriptor);
    int code = enter(fs, false);

    if (code == 0 && !inode->is_directory && !fs->is_interrupted) {
        code = fs->late_code;
    }
    if (code < 0) {
        if (!is_dead(fs)) {
            lose(inode);
        }
        return code;
    }
    if (inode->is_directory) {
        copy_names(&inode->stored_names, &inode->seen_names, false);
    } else if (!inode->is_lost) {
        copy_content(&inode->stored, &inode->seen);
    }
    return 0;
}

static int
fs_link_unnamed(void *self, int descriptor, int directory, const char *name)
{
    struct simulated_fs *fs = self;
    int code = enter(fs, true);

    return code < 0 ? code : give_name(inode_of(fs, directory), name, inode_of(fs, descriptor));
}

static int
fs_link(void *self, int from_directory, const char *from, int directory, const char *name)
{
    struct simulated_fs *fs = self;
    struct inode *inode;
    int code = enter(fs, true);

    if (code == 0) {
        code = look_up(inode_of(fs, from_directory), from, &inode);
    }
    return code < 0 ? code : give_name(inode_of(fs, directory), name, inode);
}

static int
fs_rename(void *self, int from_directory, const char *from, int directory, const char *name)
{
    struct simulated_fs *fs = self;
    struct names *source = &inode_of(fs, from_directory)->seen_names;
    struct names *target = &inode_of(fs, directory)->seen_names;
    struct name *found;
    struct name *taken;
    int code = enter(fs, true);

    if (code < 0) {
        return code;
    }
    found = find_name(source, from);
    if (found == NULL) {
        return -ENOENT;
    }
    taken = find_name(target, name);
    if (taken != NULL && taken->inode->is_directory) {
        return -EISDIR;
    }
    if (taken == NULL) {
        add_name(target, name, found->inode);
    } else {
        taken->inode = found->inode;
        taken->is_lost = false;
    }
    remove_name(source, find_name(source, from));
    return 0;
}

static int
fs_unlink(void *self, int directory, const char *name)
{
    struct simulated_fs *fs = self;
    struct names *names = &inode_of(fs, directory)->seen_names;
    struct name *found;
    int code = enter(fs, true);

    if (code < 0) {
        return code;
    }
    found = find_name(names, name);
    if (found == NULL) {
        return -ENOENT;
    }
    if (found->inode->is_directory) {
        return -EISDIR;
    }
    remove_name(names, found);
    return 0;
}

static int
fs_make_directory(void *self, int directory, const char *path)
{
    struct simulated_fs *fs = self;
    int code = enter(fs, true);

    return code < 0 ? code : give_name(inode_of(fs, directory), path, new_inode(fs, true));
}

static void
take_stat(const struct inode *inode, struct ks_file_stat *stat_out)
{
    *stat_out = (struct ks_file_stat){
        .device = 1,
        .inode = inode->number,
        .size = inode->seen.size,
        .kind = inode->is_directory ? KS_FILE_DIRECTORY : KS_FILE_REGULAR,
    };
}

static int
fs_stat(void *self, int descriptor, struct ks_file_stat *stat_out)
{
    struct simulated_fs *fs = self;
    int code = enter(fs, false);

    if (code == 0) {
        take_stat(inode_of(fs, descriptor), stat_out);
    }
    return code;
}

static int
fs_stat_at(void *self, int directory, const char *name, bool follow, struct ks_file_stat *stat_out)
{
    struct simulated_fs *fs = self;
    struct inode *inode;
    int code = enter(fs, false);

    (void) follow;
    if (code == 0) {
        code = look_up(inode_of(fs, directory), name, &inode);
    }
    if (code == 0) {
        take_stat(inode, stat_out);
    }
    return code;
}

static int
fs_lock(void *self, int descriptor, bool is_exclusive)
{
    struct simulated_fs *fs = self;
    const struct inode *inode = inode_of(fs, descriptor);
    int code = enter(fs, false);

    for (int i = 0; code == 0 && i < DESCRIPTORS_MAX; i++) {
        bool is_against = is_exclusive ? fs->locks[i] != LOCK_NONE : fs->locks[i] == LOCK_EXCLUSIVE;

        if (i != descriptor && fs->descriptors[i] == inode && is_against) {
            code = -EWOULDBLOCK;
        }
    }
    if (code == 0) {
        fs->locks[descriptor] = is_exclusive ? LOCK_EXCLUSIVE : LOCK_SHARED;
    }
    return code;
}

/* Of the names at its beginning: the visitor may remove some. */
static int
fs_list(void *self, int descriptor, ks_file_visit *visit, void *arg)
{
    struct simulated_fs *fs = self;
    struct names names = { 0 };
    int code = enter(fs, false);

    copy_names(&names, &inode_of(fs, descriptor)->seen_names, true);
    for (size_t i = 0; code == 0 && i < names.count; i++) {
        visit(arg, names.names[i].text);
    }
    clear_names(&names);
    return code;
}

struct ks_files
simulated_fs_files(struct simulated_fs *fs)
{
    static const struct ks_file_ops ops = {
        .open_directory = fs_open_directory,
        .open_file = fs_open_file,
        .open_unnamed = fs_open_unnamed,
        .create = fs_create,
        .close = fs_close,
        .write = fs_write,
        .read = fs_read,
        .sync = fs_sync,
        .link_unnamed = fs_link_unnamed,
        .link = fs_link,
        .rename = fs_rename,
        .unlink = fs_unlink,
        .make_directory = fs_make_directory,
        .stat = fs_stat,
        .stat_at = fs_stat_at,
        .lock = fs_lock,
        .list = fs_list,
    };

    return (struct ks_files){ .ops = &ops, .self = fs };
}

uint64_t
simulated_fs_call_count(const struct simulated_fs *fs)
{
    return fs->calls;
}

void
simulated_fs_crash_after(struct simulated_fs *fs, uint64_t call)
{
    fs->crash_after = call;
}

void
simulated_fs_fail(struct simulated_fs *fs, uint64_t call, int code)
{
    fs->fail_at = call;
    fs->fail_code = code;
}

void
simulated_fs_refuse_changes(struct simulated_fs *fs, int code)
{
    fs->refuse_code = code;
}

void
simulated_fs_refuse_late(struct simulated_fs *fs, int code)
{
    fs->late_code = code;
}

void
simulated_fs_interrupt(struct simulated_fs *fs, uint64_t call, void (*act)(void *arg), void *arg)
{
    fs->interrupt_at = call;
    fs->interrupt = act;
    fs->interrupt_arg = arg;
}

void
simulated_fs_set_unnamed(struct simulated_fs *fs, bool has_unnamed)
{
    fs->has_no_unnamed = !has_unnamed;
}

void
simulated_fs_restart(struct simulated_fs *fs, enum simulated_loss loss)
{
    for (struct inode *inode = fs->inodes; inode != NULL; inode = inode->next) {
        if (loss != LOSS_OF_NONE) {
            copy_content(&inode->seen, &inode->stored);
        }
        if (loss == LOSS_OF_ALL) {
            copy_names(&inode->seen_names, &inode->stored_names, true);
        }
        inode->is_lost = false;
    }
    memset(fs->descriptors, 0, sizeof fs->descriptors);
    memset(fs->locks, 0, sizeof fs->locks);
    fs->crash_after = 0;
    fs->fail_at = 0;
    fs->refuse_code = 0;
    fs->late_code = 0;
    fs->interrupt_at = 0;
}

size_t
simulated_fs_open_count(const struct simulated_fs *fs)
{
    size_t count = 0;

    for (int i = 0; i < DESCRIPTORS_MAX; i++) {
        count += fs->descriptors[i] != NULL ? 1 : 0;
    }
    return count;
}
