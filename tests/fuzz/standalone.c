/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs a fuzz target over files instead of a fuzzer: each argument is a file, or a directory whose
 * files are fed one by one in the order of their names. So the corpus is tested with any compiler,
 * and an input that a fuzzer found can be replayed.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define INPUT_BYTES_MAX (16l << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
give_up(const char *path, const char *what)
{
    fprintf(stderr, "%s: %s\n", path, what);
    exit(EXIT_FAILURE);
}

/* The input lies in memory of exactly its size, so that a byte too far is noticed. */
static void
feed_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    uint8_t *data;
    struct stat info;

    if (file == NULL || fstat(fileno(file), &info) != 0 || info.st_size > INPUT_BYTES_MAX) {
        give_up(path, "can't be read, or is too large");
        return;
    }
    data = malloc(info.st_size == 0 ? 1 : (size_t) info.st_size);
    if (data == NULL || fread(data, 1, (size_t) info.st_size, file) != (size_t) info.st_size) {
        give_up(path, "can't be read");
    }
    fclose(file);
    LLVMFuzzerTestOneInput(data, (size_t) info.st_size);
    free(data);
}

static int
is_visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static size_t
feed_directory(const char *path)
{
    struct dirent **entries = NULL;
    int count = scandir(path, &entries, is_visible, alphasort);
    char name[4096];

    if (count < 0) {
        give_up(path, "can't be listed");
    }
    for (int i = 0; i < count; i++) {
        snprintf(name, sizeof name, "%s/%s", path, entries[i]->d_name);
        feed_file(name);
        free(entries[i]);
    }
    free(entries);
    return (size_t) count;
}

static size_t
feed(const char *path)
{
    struct stat info;

    if (stat(path, &info) != 0) {
        give_up(path, "doesn't exist");
    }
    if (S_ISDIR(info.st_mode)) {
        return feed_directory(path);
    }
    feed_file(path);
    return 1;
}

/* No input at all is a failure: a test over a corpus that moved away would pass for ever. */
int
main(int argc, char **argv)
{
    size_t count = 0;

    for (int i = 1; i < argc; i++) {
        count += feed(argv[i]);
    }
    printf("%zu inputs\n", count);
    return count > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
