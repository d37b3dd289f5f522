/* SPDX-License-Identifier: Apache-2.0 */
/*
 * LIST walks directories in the byte order of full keys: within a directory the names are
 * sorted as if those of directories ended in '/'. Whole subtrees that lie before the place to
 * begin are not opened.
 */
#include "store/directory_call.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A name in a directory; of a directory with '/' at its end. */
struct listed_name {
    char *text;
    uint64_t size;
    bool is_directory;
};

struct listed_names {
    struct listed_name *names;
    size_t count;
    size_t capacity;
    bool failed;
};

static void
free_names(struct listed_names *names)
{
    for (size_t i = 0; i < names->count; i++) {
        ks_free(names->names[i].text);
    }
    ks_free(names->names);
}

/* Names that no key can have are left out. */
static bool
is_usable(const char *name)
{
    for (const char *c = name; *c != '\0'; c++) {
        if (*c < 0x20 || *c > 0x7e) {
            return false;
        }
    }
    return true;
}

static void
note_name(void *arg, const char *name)
{
    struct listed_names *names = arg;
    size_t size = strlen(name);
    char *text;

    if (names->failed || !is_usable(name)) {
        return;
    }
    if (!KS_RESERVE(names->names, names->capacity, names->count + 1)) {
        names->failed = true;
        return;
    }
    text = ks_alloc_zero(size + 2, 1);
    if (text == NULL) {
        names->failed = true;
        return;
    }
    memcpy(text, name, size);
    names->names[names->count++] = (struct listed_name){ .text = text };
}

static int
compare_names(const void *a, const void *b)
{
    const struct listed_name *left = a;
    const struct listed_name *right = b;

    return strcmp(left->text, right->text);
}

/*
 * Finds out what each name is; one that vanished meanwhile, or is no object, loses its text's
 * first byte.
 */
static void
look_at_names(const struct directory_call *call, int directory, struct listed_names *names)
{
    const struct ks_files *files = &call->root->files;

    for (size_t i = 0; i < names->count; i++) {
        struct listed_name *name = &names->names[i];
        struct ks_file_stat found;

        if (files->ops->stat_at(files->self, directory, name->text, false, &found) < 0 ||
            found.kind == KS_FILE_OTHER) {
            name->text[0] = '\0';
            continue;
        }
        name->size = found.size;
        name->is_directory = found.kind == KS_FILE_DIRECTORY;
        if (name->is_directory) {
            name->text[strlen(name->text)] = '/';
        }
    }
}

static bool
read_names(struct directory_call *call, const char *path, struct listed_names *names)
{
    const struct ks_files *files = &call->root->files;
    int directory = files->ops->open_directory(files->self, call->root->objects,
                                               path[0] == '\0' ? "." : path, false);
    int code;

    if (directory == -ENOENT || directory == -ENOTDIR || directory == -ENAMETOOLONG) {
        return true;
    }
    if (directory < 0) {
        ks_directory_fail(call, directory, "open directory", path);
        return false;
    }
    code = files->ops->list(files->self, directory, note_name, names);
    if (code < 0) {
        ks_directory_fail(call, code, "list directory", path);
    } else if (names->failed) {
        call->status = KAFSCALE_NO_MEMORY;
    } else {
        look_at_names(call, directory, names);
    }
    files->ops->close(files->self, directory);
    if (names->count > 0) {
        qsort(names->names, names->count, sizeof names->names[0], compare_names);
    }
    return call->status == KAFSCALE_OK;
}

static bool
add_entry(struct directory_call *call, const char *key, uint64_t size)
{
    if (call->entry_count == call->request.list->count_max) {
        call->is_truncated = true;
        return false;
    }
    if (!KS_RESERVE(call->entries, call->entry_capacity, call->entry_count + 1)) {
        call->status = KAFSCALE_NO_MEMORY;
        return false;
    }
    key = ks_copy_text(key);
    if (key == NULL) {
        call->status = KAFSCALE_NO_MEMORY;
        return false;
    }
    call->entries[call->entry_count++] =
        (struct kafscale_list_entry){ .key = key, .object_bytes = size };
    return true;
}

/* Whether `path`, a key or a directory with '/' at its end, has part in the answer. */
static bool
is_wanted(const struct kafscale_list *list, const char *path, bool is_directory)
{
    size_t size = strlen(path);
    size_t prefix_size = strlen(list->prefix);

    if (strncmp(path, list->prefix, prefix_size < size ? prefix_size : size) != 0) {
        return false;
    }
    if (!is_directory && size < prefix_size) {
        return false;
    }
    if (list->start_after == NULL) {
        return true;
    }
    return is_directory ? strncmp(path, list->start_after, size) >= 0
                        : strcmp(path, list->start_after) > 0;
}

/*
 * Walks the directory whose path stands in `path`; `size` is its length, 0 for the top. False:
 * stop.
 */
static bool
walk(struct directory_call *call, char *path, size_t size)
{
    struct listed_names names = { 0 };
    bool go_on = read_names(call, path, &names);
    size_t head = size == 0 ? 0 : size + 1;

    for (size_t i = 0; go_on && i < names.count; i++) {
        const struct listed_name *name = &names.names[i];
        size_t name_size = strlen(name->text);

        if (name_size == 0 || head + name_size > KAFSCALE_STORE_KEY_BYTES_MAX) {
            continue;
        }
        if (size > 0) {
            path[size] = '/';
        }
        memcpy(path + head, name->text, name_size + 1);
        if (is_wanted(call->request.list, path, name->is_directory)) {
            if (name->is_directory) {
                path[head + name_size - 1] = '\0';
                go_on = walk(call, path, head + name_size - 1);
            } else {
                go_on = add_entry(call, path, name->size);
            }
        }
        path[size] = '\0';
    }
    free_names(&names);
    return go_on;
}

void
ks_directory_list(struct directory_call *call)
{
    char path[KAFSCALE_STORE_KEY_BYTES_MAX + 1] = { 0 };
    const char *slash = strrchr(call->request.list->prefix, '/');
    size_t size = slash == NULL ? 0 : (size_t) (slash - call->request.list->prefix);

    memcpy(path, call->request.list->prefix, size);
    (void) walk(call, path, size);
    if (call->status == KAFSCALE_OK) {
        call->status = ks_directory_root_check(call->root, &call->error);
    }
}
