/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Descriptions of objects: what brokers stored is told without damage, what is cut off is told as
 * damaged, and no bytes at all make a description go astray.
 */
#include "log/formats.h"
#include "log/log.h"
#include "support/main.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>

#define FILES_MAX 64

static char paths[FILES_MAX][512];
static size_t path_count;

struct seen {
    int depth;
    size_t values;
    size_t damages;
    char kind[32];
};

static void
on_begin(void *arg, const char *name)
{
    struct seen *seen = arg;

    (void) name;
    seen->depth++;
}

static void
on_end(void *arg)
{
    struct seen *seen = arg;

    seen->depth--;
    ck_assert_int_ge(seen->depth, 0);
}

static void
on_text(void *arg, const char *name, const char *value)
{
    struct seen *seen = arg;

    seen->values++;
    if (name != NULL && strcmp(name, "damage") == 0) {
        seen->damages++;
    }
    if (name != NULL && strcmp(name, "kind") == 0 && seen->depth == 0) {
        snprintf(seen->kind, sizeof seen->kind, "%s", value);
    }
}

static void
on_number(void *arg, const char *name, int64_t value)
{
    struct seen *seen = arg;

    (void) name;
    (void) value;
    seen->values++;
}

static void
on_boolean(void *arg, const char *name, bool value)
{
    on_number(arg, name, value);
}

static struct seen
described(struct kafscale_slice object, enum ks_describe_depth depth)
{
    struct seen seen = { 0 };
    struct kafscale_describe describe = { .arg = &seen,
                                          .begin = on_begin,
                                          .begin_list = on_begin,
                                          .end = on_end,
                                          .text = on_text,
                                          .number = on_number,
                                          .boolean = on_boolean };

    (void) ks_log_describe(object, depth, &describe);
    ck_assert_int_eq(seen.depth, 0);
    return seen;
}

/* Exactly as large as the file, so that a step beyond it is noticed. */
static struct kafscale_slice
load(const char *path)
{
    FILE *file = fopen(path, "rb");
    uint8_t *bytes;
    long size;

    ck_assert_ptr_nonnull(file);
    fseek(file, 0, SEEK_END);
    size = ftell(file);
    rewind(file);
    bytes = malloc((size_t) size);
    ck_assert_uint_eq(fread(bytes, 1, (size_t) size, file), (size_t) size);
    fclose(file);
    return ks_slice(bytes, (size_t) size);
}

static int
note(const char *path, const struct stat *stat, int kind)
{
    (void) stat;
    if (kind == FTW_F && strstr(path, ".md") == NULL && path_count < FILES_MAX) {
        snprintf(paths[path_count++], sizeof paths[0], "%s", path);
    }
    return 0;
}

/* Stores that brokers wrote; in LOG_DATA batches and states are made up. */
static void
find_stored(void)
{
    ck_assert_int_eq(ftw(UPSTREAM_DATA, note, 8), 0);
    ck_assert_uint_ge(path_count, 10);
}

static void
find_files(void)
{
    find_stored();
    ck_assert_int_eq(ftw(LOG_DATA, note, 8), 0);
}

START_TEST(every_stored_object_is_told_whole)
{
    find_stored();
    for (size_t i = 0; i < path_count; i++) {
        struct kafscale_slice object = load(paths[i]);
        struct seen seen = described(object, KS_DESCRIBE_RECORDS);

        ck_assert_msg(seen.kind[0] != '\0', "%s: no kind", paths[i]);
        ck_assert_msg(seen.damages == 0, "%s: damaged", paths[i]);
        ck_assert_uint_gt(seen.values, 3);
        free((void *) object.data);
    }
}
END_TEST

START_TEST(objects_cut_anywhere_are_told_as_damaged)
{
    find_files();
    for (size_t i = 0; i < path_count; i++) {
        struct kafscale_slice object = load(paths[i]);
        size_t step = object.size / 40 + 1;

        for (size_t size = 4; size < object.size; size += step) {
            uint8_t *cut = malloc(size);
            struct seen seen;

            memcpy(cut, object.data, size);
            seen = described(ks_slice(cut, size), KS_DESCRIBE_RECORDS);
            ck_assert_msg(seen.damages > 0 || strcmp(seen.kind, "index") == 0,
                          "%s cut to %zu bytes: no damage", paths[i], size);
            free(cut);
        }
        free((void *) object.data);
    }
}
END_TEST

START_TEST(flipped_bits_lead_nowhere)
{
    find_files();
    for (size_t i = 0; i < path_count; i++) {
        struct kafscale_slice object = load(paths[i]);
        uint8_t *bytes = (uint8_t *) object.data;
        size_t step = object.size / 60 + 1;

        for (size_t place = 0; place < object.size; place += step) {
            bytes[place] ^= 0x81;
            (void) described(object, KS_DESCRIBE_RECORDS);
            bytes[place] ^= 0x81;
        }
        free(bytes);
    }
}
END_TEST

Suite *
suite_new(void)
{
    Suite *suite = suite_create("log describe");
    TCase *tcase = tcase_create("describe");

    tcase_set_timeout(tcase, 120);
    tcase_add_test(tcase, every_stored_object_is_told_whole);
    tcase_add_test(tcase, objects_cut_anywhere_are_told_as_damaged);
    tcase_add_test(tcase, flipped_bits_lead_nowhere);
    suite_add_tcase(suite, tcase);
    return suite;
}
