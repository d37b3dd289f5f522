/* SPDX-License-Identifier: Apache-2.0 */
/* Line by line, and the first bad line ends it: half of a configuration is none. */
#include "config_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *
trim(char *text)
{
    size_t size;

    text += strspn(text, " \t\r\n");
    size = strlen(text);
    while (size > 0 && strchr(" \t\r\n", text[size - 1]) != NULL) {
        text[--size] = '\0';
    }
    return text;
}

static enum kafscale_status
fail_at(struct kafscale_error *error, const char *path, unsigned line_number,
        enum kafscale_status status, const char *text)
{
    char why[KAFSCALE_ERROR_TEXT_BYTES];

    snprintf(why, sizeof why, "%s", text);
    error->status = status;
    snprintf(error->text, sizeof error->text, "%.100s line %u: %.140s", path, line_number, why);
    return status;
}

static enum kafscale_status
apply_line(char *line, struct kafscale_options *options, struct kafscale_error *error)
{
    char *key = trim(line);
    char *equals = strchr(key, '=');

    if (key[0] == '\0' || key[0] == '#' || key[0] == '!') {
        return KAFSCALE_OK;
    }
    if (equals == NULL) {
        error->status = KAFSCALE_INVALID;
        snprintf(error->text, sizeof error->text, "'%.80s' is not key=value", key);
        return KAFSCALE_INVALID;
    }
    *equals = '\0';
    return kafscale_options_set(options, trim(key), trim(equals + 1), error);
}

static enum kafscale_status
apply_stream(FILE *file, const char *path, struct kafscale_options *options,
             struct kafscale_error *error)
{
    char line[CONFIG_LINE_BYTES_MAX];
    unsigned line_number = 0;

    while (fgets(line, sizeof line, file) != NULL) {
        struct kafscale_error why = { 0 };
        enum kafscale_status status;

        line_number++;
        if (strchr(line, '\n') == NULL && strlen(line) + 1 == sizeof line) {
            return fail_at(error, path, line_number, KAFSCALE_TOO_LARGE, "the line is too long");
        }
        status = apply_line(line, options, &why);
        if (status != KAFSCALE_OK) {
            return fail_at(error, path, line_number, status, why.text);
        }
    }
    if (ferror(file)) {
        return fail_at(error, path, line_number, KAFSCALE_IO, strerror(errno));
    }
    return KAFSCALE_OK;
}

enum kafscale_status
config_file_apply(const char *path, struct kafscale_options *options, struct kafscale_error *error)
{
    FILE *file = fopen(path, "re");
    enum kafscale_status status;

    if (file == NULL) {
        error->status = KAFSCALE_IO;
        snprintf(error->text, sizeof error->text, "configuration file '%.120s': %s", path,
                 strerror(errno));
        return KAFSCALE_IO;
    }
    status = apply_stream(file, path, options, error);
    fclose(file);
    return status;
}
