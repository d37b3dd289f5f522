/* SPDX-License-Identifier: Apache-2.0 */
/* Line by line. */
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

/* A file named by mistake may have any number of lines, none of them an option. */
#define PROBLEMS_MAX 20

/* A line of a file, as problems and origins name it. */
struct place {
    const char *path;
    unsigned line_number;
    char text[160];
};

static const char *
place_text(struct place *place)
{
    (void) snprintf(place->text, sizeof place->text, "configuration file '%.100s' line %u",
                    place->path, place->line_number);
    return place->text;
}

static void
note_at(struct problems *problems, struct place *place, enum kafscale_status status,
        const char *text)
{
    struct kafscale_error problem = { .status = status };

    (void) snprintf(problem.text, sizeof problem.text, "%.140s: %.104s", place_text(place), text);
    problems_note(problems, &problem);
}

static void
note_file(struct problems *problems, const char *path)
{
    struct kafscale_error problem = { .status = KAFSCALE_IO };

    (void) snprintf(problem.text, sizeof problem.text, "configuration file '%.120s': %s", path,
                    strerror(errno));
    problems_note(problems, &problem);
}

static void
apply_line(char *line, struct place *place, struct kafscale_options *options,
           struct problems *problems)
{
    char *key = trim(line);
    char *equals = strchr(key, '=');
    struct kafscale_error why = { 0 };

    if (key[0] == '\0' || key[0] == '#' || key[0] == '!') {
        return;
    }
    if (equals == NULL) {
        (void) snprintf(why.text, sizeof why.text, "'%.80s' is not key=value", key);
        note_at(problems, place, KAFSCALE_INVALID, why.text);
        return;
    }
    *equals = '\0';
    if (kafscale_options_set_from(options, trim(key), trim(equals + 1), place_text(place), &why) !=
        KAFSCALE_OK) {
        note_at(problems, place, why.status, why.text);
    }
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

static void
skip_line(FILE *file)
{
    int byte;

    do {
        byte = getc(file);
    } while (byte != EOF && byte != '\n');
}

static void
apply_stream(FILE *file, const char *path, struct kafscale_options *options,
             struct problems *problems)
{
    struct place place = { .path = path };
    char line[CONFIG_LINE_BYTES_MAX];

    for (;;) {
        place.line_number++;
        if (problems->count >= PROBLEMS_MAX) {
            note_at(problems, &place, KAFSCALE_INVALID,
                    "from here on it is not read: too much is wrong");
            return;
        }
        switch (read_line(file, line)) {
        case LINE_TAKEN:
            apply_line(line, &place, options, problems);
            break;
        case LINE_NONE:
            if (ferror(file)) {
                note_file(problems, path);
            }
            return;
        case LINE_TOO_LONG:
            note_at(problems, &place, KAFSCALE_TOO_LARGE, "the line is too long");
            skip_line(file);
            break;
        case LINE_NO_TEXT:
            note_at(problems, &place, KAFSCALE_INVALID, "this is no text file");
            return;
        }
    }
}

void
config_file_apply(const char *path, struct kafscale_options *options, struct problems *problems)
{
    FILE *file = fopen(path, "re");

    if (file == NULL) {
        note_file(problems, path);
        return;
    }
    apply_stream(file, path, options, problems);
    fclose(file);
}
