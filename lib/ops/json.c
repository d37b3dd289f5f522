/* SPDX-License-Identifier: Apache-2.0 */
/* Written from left to right: a comma goes before each value but the first of its level. */
#include "ops/json.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

#define NUMBER_BYTES 32

static void
append_escape(struct ks_buffer *out, uint8_t byte)
{
    char text[8];

    switch (byte) {
    case '"':
        ks_buffer_append_text(out, "\\\"");
        return;
    case '\\':
        ks_buffer_append_text(out, "\\\\");
        return;
    case '\n':
        ks_buffer_append_text(out, "\\n");
        return;
    default:
        snprintf(text, sizeof text, "\\u%04x", byte);
        ks_buffer_append_text(out, text);
    }
}

static bool
is_plain(uint8_t byte)
{
    return byte >= 0x20 && byte != '"' && byte != '\\' && byte != 0x7f;
}

static void
append_text(struct ks_buffer *out, const char *text)
{
    size_t size = strlen(text);

    ks_buffer_append_u8(out, '"');
    while (size > 0) {
        size_t bytes = ks_utf8_first(text, size);

        if (bytes == 0) {
            ks_buffer_append_text(out, "\xef\xbf\xbd");
            bytes = 1;
        } else if (bytes == 1 && !is_plain((uint8_t) *text)) {
            append_escape(out, (uint8_t) *text);
        } else {
            ks_buffer_append(out, text, bytes);
        }
        text += bytes;
        size -= bytes;
    }
    ks_buffer_append_u8(out, '"');
}

static void
new_line(struct ks_json *json)
{
    ks_buffer_append_u8(json->out, '\n');
    for (int i = 0; i < json->depth; i++) {
        ks_buffer_append_text(json->out, "  ");
    }
}

/* All that stands before a value. */
static void
begin_value(struct ks_json *json, const char *name)
{
    assert((name == NULL) == json->levels[json->depth - 1].is_list);

    if (json->levels[json->depth - 1].has_values) {
        ks_buffer_append_u8(json->out, ',');
    }
    json->levels[json->depth - 1].has_values = true;
    new_line(json);
    if (name != NULL) {
        append_text(json->out, name);
        ks_buffer_append_text(json->out, ": ");
    }
}

static void
begin_level(struct ks_json *json, bool is_list)
{
    assert(json->depth < KS_JSON_DEPTH_MAX);

    json->levels[json->depth].is_list = is_list;
    json->levels[json->depth].has_values = false;
    json->depth++;
    ks_buffer_append_u8(json->out, is_list ? '[' : '{');
}

static void
on_begin(void *arg, const char *name)
{
    begin_value(arg, name);
    begin_level(arg, false);
}

static void
on_begin_list(void *arg, const char *name)
{
    begin_value(arg, name);
    begin_level(arg, true);
}

static void
on_end(void *arg)
{
    struct ks_json *json = arg;

    assert(json->depth > 0);

    json->depth--;
    if (json->levels[json->depth].has_values) {
        new_line(json);
    }
    ks_buffer_append_u8(json->out, json->levels[json->depth].is_list ? ']' : '}');
}

static void
on_text(void *arg, const char *name, const char *value)
{
    struct ks_json *json = arg;

    begin_value(json, name);
    append_text(json->out, value);
}

static void
on_number(void *arg, const char *name, int64_t value)
{
    struct ks_json *json = arg;
    char text[NUMBER_BYTES];

    begin_value(json, name);
    snprintf(text, sizeof text, "%" PRId64, value);
    ks_buffer_append_text(json->out, text);
}

static void
on_boolean(void *arg, const char *name, bool value)
{
    struct ks_json *json = arg;

    begin_value(json, name);
    ks_buffer_append_text(json->out, value ? "true" : "false");
}

void
ks_json_begin(struct ks_json *json, struct ks_buffer *out, struct kafscale_describe *describe_out)
{
    *json = (struct ks_json){ .out = out };
    begin_level(json, false);
    *describe_out = (struct kafscale_describe){ .arg = json,
                                                .begin = on_begin,
                                                .begin_list = on_begin_list,
                                                .end = on_end,
                                                .text = on_text,
                                                .number = on_number,
                                                .boolean = on_boolean };
}

void
ks_json_end(struct ks_json *json)
{
    assert(json->depth == 1);

    on_end(json);
    ks_buffer_append_u8(json->out, '\n');
}
