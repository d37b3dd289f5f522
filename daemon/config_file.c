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
    snprintf(error->text, sizeof error->text, "configuration file '%.100s' line %u: %.110s", path,
             line_number, why);
    return status;
}

static enum kafscale_status
fail_file(struct kafscale_error *error, const char *path)
{
    error->status = KAFSCALE_IO;
    snprintf(error->text, sizeof error->text, "configuration file '%.120s': %s", path,
             strerror(errno));
    return KAFSCALE_IO;
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

enum line { LINE_TAKEN, LINE_NONE, LINE_TOO_LONG, LINE_NO_TEXT };

/*
 * By bytes, because a file that is no text at all, named by mistake, may contain any: cut at a zero
 * byte it would pass for a shorter one.
 */
static enum line
read_line(FILE *file, char line[CONFIG_LINE_BYTES_MAX])
{
    size_t size = 0;
    int byte = getc(file);

    if (byte == EOF) {
        return LINE_NONE;
    }
    for (; byte != EOF && byte != '\n'; byte = getc(file)) {
        if ((byte < ' ' && byte != '\t' && byte != '\r') || byte == 0x7f) {
            return LINE_NO_TEXT;
        }
        if (size + 1 == CONFIG_LINE_BYTES_MAX) {
            return LINE_TOO_LONG;
        }
        line[size++] = (char) byte;
    }
    line[size] = '\0';
    return LINE_TAKEN;
}

static enum kafscale_status
apply_stream(FILE *file, const char *path, struct kafscale_options *options,
             struct kafscale_error *error)
{
    char line[CONFIG_LINE_BYTES_MAX];
    unsigned line_number = 0;

    for (;;) {
        struct kafscale_error why = { 0 };
        enum kafscale_status status;

        line_number++;
        switch (read_line(file, line)) {
        case LINE_TAKEN:
            break;
        case LINE_NONE:
            return ferror(file) ? fail_file(error, path) : KAFSCALE_OK;
        case LINE_TOO_LONG:
            return fail_at(error, path, line_number, KAFSCALE_TOO_LARGE, "the line is too long");
        case LINE_NO_TEXT:
            return fail_at(error, path, line_number, KAFSCALE_INVALID, "this is no text file");
        }
        status = apply_line(line, options, &why);
        if (status != KAFSCALE_OK) {
            return fail_at(error, path, line_number, status, why.text);
        }
    }
}

enum kafscale_status
config_file_apply(const char *path, struct kafscale_options *options, struct kafscale_error *error)
{
    FILE *file = fopen(path, "re");
    enum kafscale_status status;

    if (file == NULL) {
        return fail_file(error, path);
    }
    status = apply_stream(file, path, options, error);
    fclose(file);
    return status;
}
