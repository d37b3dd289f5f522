/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the directory store says when its disk is full, read-only, broken, gone or replaced.
 * Disks that fail are simulated; directories that vanish are real.
 */
#include "support/main.h"
#include "support/simulated_fs.h"
#include "support/store_client.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct fixture {
    struct virtual_env v;
    struct store_client client;
    struct simulated_fs *fs; /* or NULL: on disk */
    char base[64];
    char root[80];
    struct kafscale_error error;
};

static enum kafscale_status
open_store(struct fixture *f)
{
    struct ks_files files = f->fs == NULL ? ks_system_files() : simulated_fs_files(f->fs);
    struct kafscale_store store = { 0 };
    enum kafscale_status status;

    f->error = (struct kafscale_error){ 0 };
    status = ks_directory_store_open(&f->v.env, f->root, files, &store, &f->error);
    if (status == KAFSCALE_OK) {
        f->client.store = ks_store_new(&f->v.env, store);
    }
    return status;
}

static struct fixture *
fixture_new(bool is_simulated)
{
    struct fixture *f = calloc(1, sizeof *f);

    virtual_env_init(&f->v, 1);
    f->client = (struct store_client){ .run = store_client_run_virtual, .run_arg = &f->v };
    if (is_simulated) {
        f->fs = simulated_fs_new();
    } else {
        (void) snprintf(f->base, sizeof f->base, "/tmp/kafscale-directory-XXXXXX");
        ck_assert_ptr_nonnull(mkdtemp(f->base));
    }
    (void) snprintf(f->root, sizeof f->root, "%s/data", f->base);
    ck_assert_msg(open_store(f) == KAFSCALE_OK, "%s", f->error.text);
    return f;
}

static int
remove_one(const char *path, const struct stat *stat, int kind, struct FTW *walk)
{
    (void) stat;
    (void) kind;
    (void) walk;
    return remove(path);
}

static void
fixture_free(struct fixture *f)
{
    ck_assert(store_client_close(&f->client));
    if (f->fs != NULL) {
        ck_assert_uint_eq(simulated_fs_open_count(f->fs), 0);
        simulated_fs_free(f->fs);
    } else {
        (void) nftw(f->base, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    }
    free(f);
}

static void
path_in(const struct fixture *f, const char *name, char path_out[160])
{
    (void) snprintf(path_out, 160, "%s/%s", f->base, name);
}

static void
expect_get(struct fixture *f, const char *key, enum kafscale_status expected)
{
    char *text;

    ck_assert_int_eq(store_client_get(&f->client, key, 0, SIZE_MAX, &text, NULL), expected);
    free(text);
}

static const int refusals[] = { -ENOSPC, -EDQUOT, -EROFS, -EACCES };

START_TEST(full_or_read_only_disk_is_unavailable_until_it_is_not)
{
    struct fixture *f = fixture_new(true);

    ck_assert_int_eq(store_client_put_if_absent(&f->client, "d/old", "old"), KAFSCALE_OK);
    simulated_fs_refuse_changes(f->fs, refusals[_i]);
    ck_assert_int_eq(store_client_put_if_absent(&f->client, "d/k", "v"), KAFSCALE_UNAVAILABLE);
    ck_assert_int_eq(store_client_put(&f->client, "d/old", "v"), KAFSCALE_UNAVAILABLE);
    ck_assert_int_eq(store_client_remove(&f->client, "d/old"), KAFSCALE_UNAVAILABLE);
    expect_get(f, "d/k", KAFSCALE_NOT_FOUND);
    ck_assert(store_client_has(&f->client, "d/old", "old"));
    simulated_fs_refuse_changes(f->fs, 0);
    ck_assert_int_eq(store_client_put_if_absent(&f->client, "d/k", "v"), KAFSCALE_OK);
    fixture_free(f);
}
END_TEST

static const int late_refusals[] = { -ENOSPC, -EDQUOT };

/* _i: the refusal, and in bit 1 whether files need a temporary name. */
START_TEST(disk_that_tells_at_fsync_that_it_is_full_is_unavailable_until_it_is_not)
{
    struct fixture *f = fixture_new(true);

    simulated_fs_set_unnamed(f->fs, _i < 2);
    ck_assert(store_client_close(&f->client));
    ck_assert_int_eq(open_store(f), KAFSCALE_OK);
    ck_assert_int_eq(store_client_put_if_absent(&f->client, "d/old", "old"), KAFSCALE_OK);
    simulated_fs_refuse_late(f->fs, late_refusals[_i % 2]);
    ck_assert_int_eq(store_client_put_if_absent(&f->client, "d/k", "v"), KAFSCALE_UNAVAILABLE);
    ck_assert_int_eq(store_client_put(&f->client, "d/old", "v"), KAFSCALE_UNAVAILABLE);
    expect_get(f, "d/k", KAFSCALE_NOT_FOUND);
    ck_assert(store_client_has(&f->client, "d/old", "old"));
    simulated_fs_refuse_late(f->fs, 0);
    ck_assert_int_eq(store_client_put_if_absent(&f->client, "d/k", "v"), KAFSCALE_OK);
    ck_assert(store_client_close(&f->client));
    simulated_fs_restart(f->fs, LOSS_OF_ALL);
    ck_assert_int_eq(open_store(f), KAFSCALE_OK);
    ck_assert(store_client_has(&f->client, "d/k", "v"));
    fixture_free(f);
}
END_TEST

/* A file system behind a network may have done what it did not answer to. */
START_TEST(change_that_was_not_answered_is_unknown_and_ends_nothing)
{
    bool seen = false;

    for (uint64_t i = 1; i <= 12; i++) {
        struct fixture *f = fixture_new(true);
        enum kafscale_status status;

        ck_assert_int_eq(store_client_put_if_absent(&f->client, "k", "value"), KAFSCALE_OK);
        simulated_fs_fail(f->fs, simulated_fs_call_count(f->fs) + i, -ETIMEDOUT);
        status = store_client_put_if_absent(&f->client, "l", "value");
        if (store_client_put_if_absent(&f->client, "l", "value") == KAFSCALE_OK) {
            seen = seen || status == KAFSCALE_UNKNOWN;
        }
        fixture_free(f);
    }
    ck_assert(seen);
}
END_TEST

/* Fails each call of a PUT in turn; the one that is an fsync must end the store for good. */
START_TEST(failed_fsync_ends_the_store)
{
    bool seen = false;

    for (uint64_t i = 1; i <= 12; i++) {
        struct fixture *f = fixture_new(true);
        enum kafscale_status status;

        simulated_fs_fail(f->fs, simulated_fs_call_count(f->fs) + i, -EIO);
        status = store_client_put_if_absent(&f->client, "k", "value");
        if (status == KAFSCALE_FAILED) {
            seen = true;
            ck_assert_int_eq(store_client_put_if_absent(&f->client, "k", "value"), KAFSCALE_FAILED);
            expect_get(f, "k", KAFSCALE_FAILED);
            ck_assert_int_eq(store_client_remove(&f->client, "k"), KAFSCALE_FAILED);
        }
        fixture_free(f);
    }
    ck_assert(seen);
}
END_TEST

START_TEST(key_below_an_object_is_refused_with_a_reason)
{
    struct fixture *f = fixture_new(_i == 0);

    ck_assert_int_eq(store_client_put_if_absent(&f->client, "a", "1"), KAFSCALE_OK);
    ck_assert_int_eq(store_client_put_if_absent(&f->client, "a/b", "2"), KAFSCALE_UNAVAILABLE);
    ck_assert_int_eq(store_client_put_if_absent(&f->client, "c/d", "3"), KAFSCALE_OK);
    ck_assert_int_eq(store_client_put(&f->client, "c", "4"), KAFSCALE_UNAVAILABLE);
    ck_assert(store_client_has(&f->client, "a", "1"));
    ck_assert(store_client_has(&f->client, "c/d", "3"));
    fixture_free(f);
}
END_TEST

START_TEST(store_is_found_again_after_a_restart)
{
    struct fixture *f = fixture_new(false);

    ck_assert_int_eq(store_client_put_if_absent(&f->client, "a/b", "1"), KAFSCALE_OK);
    ck_assert(store_client_close(&f->client));
    ck_assert_int_eq(open_store(f), KAFSCALE_OK);
    ck_assert(store_client_has(&f->client, "a/b", "1"));
    fixture_free(f);
}
END_TEST

/* What is moved away from its place, and whether an empty directory takes it. */
static const struct {
    const char *name;
    bool is_replaced;
} losses[] = {
    { "data", false },
    { "data", true },
    { "data/objects", false },
    { "data/objects", true },
    { "data/kafscale-store", false },
};

START_TEST(vanished_or_replaced_directory_is_an_error_until_restart)
{
    struct fixture *f = fixture_new(false);
    char place[160];
    char away[160];

    path_in(f, losses[_i].name, place);
    path_in(f, "away", away);
    ck_assert_int_eq(store_client_put_if_absent(&f->client, "a/b", "1"), KAFSCALE_OK);
    ck_assert_int_eq(rename(place, away), 0);
    if (losses[_i].is_replaced) {
        ck_assert_int_eq(mkdir(place, 0700), 0);
    }
    expect_get(f, "not/there", KAFSCALE_FAILED);
    ck_assert_int_eq(store_client_put_if_absent(&f->client, "a/c", "2"), KAFSCALE_FAILED);
    if (losses[_i].is_replaced) {
        ck_assert_int_eq(rmdir(place), 0);
    }
    ck_assert_int_eq(rename(away, place), 0);
    ck_assert_int_eq(store_client_put_if_absent(&f->client, "a/c", "2"), KAFSCALE_FAILED);
    ck_assert(store_client_close(&f->client));
    ck_assert_int_eq(open_store(f), KAFSCALE_OK);
    ck_assert(store_client_has(&f->client, "a/b", "1"));
    expect_get(f, "a/c", KAFSCALE_NOT_FOUND);
    fixture_free(f);
}
END_TEST

START_TEST(emptied_root_refuses_writes_and_lists)
{
    struct fixture *f = fixture_new(false);
    char path[160];
    char *keys;

    ck_assert_int_eq(store_client_put_if_absent(&f->client, "a", "1"), KAFSCALE_OK);
    path_in(f, "data", path);
    ck_assert_int_eq(nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
    ck_assert_int_eq(store_client_list(&f->client, "", NULL, 10, &keys), KAFSCALE_FAILED);
    free(keys);
    ck_assert_int_eq(store_client_put_if_absent(&f->client, "a", "1"), KAFSCALE_FAILED);
    ck_assert_int_eq(access(path, F_OK), -1);
    fixture_free(f);
}
END_TEST

START_TEST(objects_without_identity_are_refused_at_start)
{
    struct fixture *f = fixture_new(false);
    char identity[160];
    char away[160];

    ck_assert_int_eq(store_client_put_if_absent(&f->client, "a", "1"), KAFSCALE_OK);
    ck_assert(store_client_close(&f->client));
    path_in(f, "data/kafscale-store", identity);
    path_in(f, "away", away);
    ck_assert_int_eq(rename(identity, away), 0);
    ck_assert_int_eq(open_store(f), KAFSCALE_FAILED);
    ck_assert_ptr_nonnull(strstr(f->error.text, "identity"));
    ck_assert_int_eq(rename(away, identity), 0);
    ck_assert_int_eq(truncate(identity, 10), 0);
    ck_assert_int_eq(open_store(f), KAFSCALE_CORRUPT);
    ck_assert_int_eq(remove(identity), 0);
    path_in(f, "data/objects/a", identity);
    ck_assert_int_eq(remove(identity), 0);
    ck_assert_int_eq(open_store(f), KAFSCALE_OK);
    fixture_free(f);
}
END_TEST

START_TEST(links_are_not_followed)
{
    struct fixture *f = fixture_new(false);
    char link[160];
    char target[160];
    char *keys;
    int file;

    ck_assert_int_eq(store_client_put_if_absent(&f->client, "real/k", "1"), KAFSCALE_OK);
    path_in(f, "secret", target);
    file = open(target, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    ck_assert_int_ge(file, 0);
    ck_assert_int_eq(close(file), 0);
    path_in(f, "data/objects/link", link);
    ck_assert_int_eq(symlink(target, link), 0);
    expect_get(f, "link", KAFSCALE_UNAVAILABLE);
    path_in(f, "data/objects/folder", link);
    ck_assert_int_eq(symlink("real", link), 0);
    expect_get(f, "folder/k", KAFSCALE_UNAVAILABLE);
    ck_assert_int_eq(store_client_put(&f->client, "folder/new", "2"), KAFSCALE_UNAVAILABLE);
    ck_assert_int_eq(store_client_list(&f->client, "", NULL, 10, &keys), KAFSCALE_OK);
    ck_assert_str_eq(keys, "real/k ");
    free(keys);
    fixture_free(f);
}
END_TEST

START_TEST(known_directories_cost_no_second_fsync_of_their_ancestors)
{
    struct fixture *f = fixture_new(true);
    uint64_t start = simulated_fs_call_count(f->fs);
    uint64_t first;
    uint64_t second;

    ck_assert_int_eq(store_client_put_if_absent(&f->client, "a/b/1", "v"), KAFSCALE_OK);
    first = simulated_fs_call_count(f->fs) - start;
    ck_assert_int_eq(store_client_put_if_absent(&f->client, "a/b/2", "v"), KAFSCALE_OK);
    second = simulated_fs_call_count(f->fs) - start - first;
    /*
     * The root's 3 places, the directory, a file, its write, its fsync, its name, the
     * directory's fsync.
     */
    ck_assert_uint_eq(second, 9);
    ck_assert_uint_gt(first, second + 4);
    fixture_free(f);
}
END_TEST

/*
 * Each allocation fails in turn: the answer is NO_MEMORY or right, and a PUT refused is not
 * there.
 */
START_TEST(each_failed_allocation_is_an_answer)
{
    struct fixture *f = fixture_new(false);
    enum kafscale_status status = KAFSCALE_NO_MEMORY;
    char *text;

    for (uint64_t n = 0; status == KAFSCALE_NO_MEMORY; n++) {
        ck_assert_uint_lt(n, 20);
        ks_alloc_fail_after(n);
        status = store_client_put_if_absent(&f->client, "a/b", "content");
        ks_alloc_fail_after(UINT64_MAX);
        ck_assert_int_eq(store_client_has(&f->client, "a/b", "content"), status == KAFSCALE_OK);
    }
    status = KAFSCALE_NO_MEMORY;
    for (uint64_t n = 0; status == KAFSCALE_NO_MEMORY; n++) {
        ck_assert_uint_lt(n, 40);
        ks_alloc_fail_after(n);
        status = store_client_list(&f->client, "", NULL, 10, &text);
        ks_alloc_fail_after(UINT64_MAX);
        ck_assert_str_eq(text, status == KAFSCALE_OK ? "a/b " : "");
        free(text);
    }
    status = KAFSCALE_NO_MEMORY;
    for (uint64_t n = 0; status == KAFSCALE_NO_MEMORY; n++) {
        ck_assert_uint_lt(n, 20);
        ks_alloc_fail_after(n);
        status = store_client_get(&f->client, "a/b", 0, SIZE_MAX, &text, NULL);
        ks_alloc_fail_after(UINT64_MAX);
        free(text);
    }
    ck_assert_int_eq(status, KAFSCALE_OK);
    fixture_free(f);
}
END_TEST

START_TEST(directory_that_cannot_be_made_is_an_error_with_its_path)
{
    struct virtual_env v;
    struct kafscale_store store = { 0 };
    struct kafscale_error error = { 0 };

    virtual_env_init(&v, 1);
    ck_assert_int_eq(ks_directory_store_open(&v.env, "/nonexistent/parent/data", ks_system_files(),
                                             &store, &error),
                     KAFSCALE_UNAVAILABLE);
    ck_assert_ptr_nonnull(strstr(error.text, "/nonexistent/parent/data"));
    ck_assert_ptr_null(store.ops);
}
END_TEST

START_TEST(directory_in_other_use_is_refused_and_left_alone)
{
    struct fixture *f = fixture_new(false);
    char path[160];

    ck_assert(store_client_close(&f->client));
    (void) snprintf(f->root, sizeof f->root, "%s/used", f->base);
    ck_assert_int_eq(mkdir(f->root, 0700), 0);
    path_in(f, "used/.hidden", path);
    ck_assert_int_eq(mkdir(path, 0700), 0);
    path_in(f, "used/lost+found", path);
    ck_assert_int_eq(mkdir(path, 0700), 0);
    path_in(f, "used/letters", path);
    ck_assert_int_eq(mkdir(path, 0700), 0);
    ck_assert_int_eq(open_store(f), KAFSCALE_INVALID);
    ck_assert_ptr_nonnull(strstr(f->error.text, f->root));
    ck_assert_ptr_nonnull(strstr(f->error.text, "empty or a new directory"));
    ck_assert_int_eq(rmdir(path), 0);
    path_in(f, "used/objects", path);
    ck_assert_int_eq(access(path, F_OK), -1);
    ck_assert_int_eq(open_store(f), KAFSCALE_OK);
    fixture_free(f);
}
END_TEST

START_TEST(store_of_a_newer_level_is_refused)
{
    static const char newer[] = "kafscale directory store 2 abc\n";
    struct fixture *f = fixture_new(false);
    char path[160];
    int file;

    ck_assert(store_client_close(&f->client));
    path_in(f, "data/kafscale-store", path);
    file = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
    ck_assert_int_ge(file, 0);
    ck_assert_int_eq(write(file, newer, sizeof newer - 1), sizeof newer - 1);
    ck_assert_int_eq(close(file), 0);
    ck_assert_int_eq(open_store(f), KAFSCALE_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(f->error.text, "format level"));
    ck_assert_int_eq(remove(path), 0);
    ck_assert_int_eq(open_store(f), KAFSCALE_OK);
    fixture_free(f);
}
END_TEST

START_TEST(relative_root_stays_the_same_after_a_change_of_directory)
{
    struct fixture *f = fixture_new(false);
    char before[256];

    ck_assert_ptr_nonnull(getcwd(before, sizeof before));
    ck_assert(store_client_close(&f->client));
    ck_assert_int_eq(chdir(f->base), 0);
    (void) snprintf(f->root, sizeof f->root, "data with space");
    ck_assert_int_eq(open_store(f), KAFSCALE_OK);
    ck_assert_int_eq(chdir("/"), 0);
    ck_assert_int_eq(store_client_put_if_absent(&f->client, "a/b", "1"), KAFSCALE_OK);
    ck_assert(store_client_has(&f->client, "a/b", "1"));
    ck_assert_int_eq(chdir(before), 0);
    fixture_free(f);
}
END_TEST

/* --- File systems that can't do all that is needed -------------------------------------------- */

static int
refuse_link(void *self, int from_directory, const char *from, int directory, const char *name)
{
    (void) self;
    (void) from_directory;
    (void) from;
    (void) directory;
    (void) name;
    return -EPERM;
}

/* Gives the name, and gives it again to whoever asks next. */
static int
link_over(void *self, int descriptor, int directory, const char *name)
{
    (void) self;
    (void) descriptor;
    (void) directory;
    (void) name;
    return 0;
}

static int
refuse_link_unnamed(void *self, int descriptor, int directory, const char *name)
{
    (void) self;
    (void) descriptor;
    (void) directory;
    (void) name;
    return -EXDEV;
}

static enum kafscale_status
open_limited(struct fixture *f, const struct ks_file_ops *ops, struct kafscale_store *store_out)
{
    struct ks_files files = simulated_fs_files(f->fs);

    files.ops = ops;
    f->error = (struct kafscale_error){ 0 };
    return ks_directory_store_open(&f->v.env, f->root, files, store_out, &f->error);
}

START_TEST(file_system_without_exclusive_names_is_refused_at_start)
{
    struct fixture *f = fixture_new(true);
    struct ks_file_ops without_links = *simulated_fs_files(f->fs).ops;
    struct ks_file_ops with_double_names = without_links;
    struct kafscale_store store = { 0 };

    without_links.link = refuse_link;
    without_links.link_unnamed = refuse_link_unnamed;
    with_double_names.link_unnamed = link_over;
    ck_assert_int_eq(open_limited(f, &without_links, &store), KAFSCALE_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(f->error.text, "no hard links"));
    ck_assert_int_eq(open_limited(f, &with_double_names, &store), KAFSCALE_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(f->error.text, "a name that is taken"));
    ck_assert_ptr_null(store.ops);
    fixture_free(f);
}
END_TEST

START_TEST(files_get_temporary_names_where_unnamed_ones_cannot_be_named)
{
    struct fixture *f = fixture_new(true);
    struct ks_file_ops limited = *simulated_fs_files(f->fs).ops;
    struct kafscale_store store = { 0 };

    ck_assert(store_client_close(&f->client));
    limited.link_unnamed = refuse_link_unnamed;
    ck_assert_int_eq(open_limited(f, &limited, &store), KAFSCALE_OK);
    f->client.store = ks_store_new(&f->v.env, store);
    ck_assert_int_eq(store_client_put_if_absent(&f->client, "a/b", "1"), KAFSCALE_OK);
    ck_assert_int_eq(store_client_put(&f->client, "a/b", "2"), KAFSCALE_OK);
    ck_assert(store_client_has(&f->client, "a/b", "2"));
    fixture_free(f);
}
END_TEST

Suite *
suite_new(void)
{
    Suite *suite = suite_create("directory store");
    TCase *disk = tcase_create("disk");
    TCase *root = tcase_create("root");

    tcase_add_loop_test(disk, full_or_read_only_disk_is_unavailable_until_it_is_not, 0,
                        sizeof refusals / sizeof refusals[0]);
    tcase_add_loop_test(
        disk, disk_that_tells_at_fsync_that_it_is_full_is_unavailable_until_it_is_not, 0, 4);
    tcase_add_test(disk, change_that_was_not_answered_is_unknown_and_ends_nothing);
    tcase_add_test(disk, failed_fsync_ends_the_store);
    tcase_add_loop_test(disk, key_below_an_object_is_refused_with_a_reason, 0, 2);
    tcase_add_test(disk, known_directories_cost_no_second_fsync_of_their_ancestors);
    tcase_add_test(disk, links_are_not_followed);
    tcase_add_test(disk, each_failed_allocation_is_an_answer);
    tcase_add_test(root, store_is_found_again_after_a_restart);
    tcase_add_loop_test(root, vanished_or_replaced_directory_is_an_error_until_restart, 0,
                        sizeof losses / sizeof losses[0]);
    tcase_add_test(root, emptied_root_refuses_writes_and_lists);
    tcase_add_test(root, objects_without_identity_are_refused_at_start);
    tcase_add_test(root, directory_that_cannot_be_made_is_an_error_with_its_path);
    tcase_add_test(root, directory_in_other_use_is_refused_and_left_alone);
    tcase_add_test(root, store_of_a_newer_level_is_refused);
    tcase_add_test(root, relative_root_stays_the_same_after_a_change_of_directory);
    tcase_add_test(root, file_system_without_exclusive_names_is_refused_at_start);
    tcase_add_test(root, files_get_temporary_names_where_unnamed_ones_cannot_be_named);
    suite_add_tcase(suite, disk);
    suite_add_tcase(suite, root);
    return suite;
}
