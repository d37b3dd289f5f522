/* SPDX-License-Identifier: Apache-2.0 */
/* JSON is yajl's; the text is one line a value, lists and structs indented below their name. */
#include "show.h"

#include <kafscale/status.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yajl/yajl_gen.h>

#define DEPTH_MAX 32

struct show {
    struct kafscale_describe describe;
    yajl_gen json; /* NULL: text */
    bool is_list[DEPTH_MAX];
    int depth;
};

/* --- JSON --- */

static void
write_json(struct show *show)
{
    const unsigned char *bytes;
    size_t size;

    if (yajl_gen_get_buf(show->json, &bytes, &size) == yajl_gen_status_ok) {
        fwrite(bytes, 1, size, stdout);
        yajl_gen_clear(show->json);
    }
}

static void
json_text(struct show *show, const char *text)
{
    yajl_gen_string(show->json, (const unsigned char *) text, strlen(text));
}

/* Names are words for people; as keys they are written together. */
static void
json_name(struct show *show, const char *name)
{
    char key[80];
    size_t size = 0;

    for (; name != NULL && name[size] != '\0' && size + 1 < sizeof key; size++) {
        key[size] = name[size] == ' ' ? '_' : name[size];
    }
    key[size] = '\0';
    if (name != NULL) {
        json_text(show, key);
    }
}

/* --- Text --- */

static void
write_name(const struct show *show, const char *name)
{
    for (int i = 1; i < show->depth; i++) {
        fputs("  ", stdout);
    }
    fputs(name == NULL ? "-" : name, stdout);
}

/* --- The visitor --- */

static void
begin_either(struct show *show, const char *name, bool is_list)
{
    if (show->json != NULL) {
        json_name(show, name);
        (void) (is_list ? yajl_gen_array_open(show->json) : yajl_gen_map_open(show->json));
    } else if (show->depth > 0) {
        write_name(show, name);
        fputs(name == NULL ? "\n" : ":\n", stdout);
    }
    if (show->depth < DEPTH_MAX) {
        show->is_list[show->depth] = is_list;
    }
    show->depth++;
}

static void
begin(void *arg, const char *name)
{
    begin_either(arg, name, false);
}

static void
begin_list(void *arg, const char *name)
{
    begin_either(arg, name, true);
}

static void
end(void *arg)
{
    struct show *show = arg;

    show->depth--;
    if (show->json == NULL) {
        fputs(show->depth == 0 ? "\n" : "", stdout);
        return;
    }
    (void) (show->depth < DEPTH_MAX && show->is_list[show->depth] ? yajl_gen_array_close(show->json)
                                                                  : yajl_gen_map_close(show->json));
    write_json(show);
    if (show->depth == 0) {
        yajl_gen_reset(show->json, NULL);
        putchar('\n');
    }
}

static void
text(void *arg, const char *name, const char *value)
{
    struct show *show = arg;

    if (show->json != NULL) {
        json_name(show, name);
        json_text(show, value);
        return;
    }
    write_name(show, name);
    printf(": %s\n", value);
}

static void
number(void *arg, const char *name, int64_t value)
{
    struct show *show = arg;

    if (show->json != NULL) {
        json_name(show, name);
        yajl_gen_integer(show->json, value);
        return;
    }
    write_name(show, name);
    printf(": %lld\n", (long long) value);
}

static void
boolean(void *arg, const char *name, bool value)
{
    struct show *show = arg;

    if (show->json != NULL) {
        json_name(show, name);
        yajl_gen_bool(show->json, value);
        return;
    }
    write_name(show, name);
    printf(": %s\n", value ? "yes" : "no");
}

struct show *
show_new(bool is_json)
{
    struct show *show = calloc(1, sizeof *show);

    if (show == NULL) {
        return NULL;
    }
    show->describe = (struct kafscale_describe){ .arg = show,
                                                 .begin = begin,
                                                 .begin_list = begin_list,
                                                 .end = end,
                                                 .text = text,
                                                 .number = number,
                                                 .boolean = boolean };
    if (is_json) {
        show->json = yajl_gen_alloc(NULL);
        if (show->json == NULL) {
            free(show);
            return NULL;
        }
    }
    return show;
}

const struct kafscale_describe *
show_describe(struct show *show)
{
    return &show->describe;
}

bool
show_free(struct show *show)
{
    if (show == NULL) {
        return true;
    }
    if (show->json != NULL) {
        yajl_gen_free(show->json);
    }
    free(show);
    return fflush(stdout) == 0 && ferror(stdout) == 0;
}
