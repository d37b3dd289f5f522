/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values hold what clients have sent: any bytes. In a line for people what makes lines or speaks to
 * terminals becomes '?'; in JSON everything is said as exactly as Unicode can.
 */
#include "base/log_line.h"

#include "base/utf8.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* Stands for what is no character. */
#define REPLACEMENT 0xfffd

/* Appends as long as there is room; once something did not fit, nothing more is taken. */
struct line {
    char *out;
    size_t size;
    size_t used;
    bool is_full;
};

static void
put(struct line *line, const char *bytes, size_t size)
{
    if (line->is_full || size > line->size - line->used) {
        line->is_full = true;
        return;
    }
    memcpy(line->out + line->used, bytes, size);
    line->used += size;
}

static void
put_text(struct line *line, const char *text)
{
    put(line, text, strlen(text));
}

/* --- Characters ------------------------------------------------------------------------------- */

bool
ks_is_utf8_rest(uint8_t byte)
{
    return (byte & 0xc0) == 0x80;
}

/* Of a whole character of so many bytes. */
static uint32_t
character_at(const uint8_t *bytes, size_t length)
{
    uint32_t character = length == 1 ? bytes[0] : bytes[0] & (0x7fu >> length);

    for (size_t i = 1; i < length; i++) {
        character = character << 6 | (bytes[i] & 0x3fu);
    }
    return character;
}

/* Control characters of both sets, and those that turn the direction of writing around. */
static bool
is_unprintable(uint32_t character)
{
    return character < 0x20 || (character >= 0x7f && character < 0xa0) ||
           (character >= 0x2028 && character <= 0x202e) ||
           (character >= 0x2066 && character <= 0x2069) || character == 0xfeff;
}

typedef void put_character(struct line *line, uint32_t character, bool is_printable,
                           const char *bytes, size_t length);

static void
put_characters(struct line *line, const char *text, size_t size, put_character *put_one)
{
    const uint8_t *bytes = (const uint8_t *) text;

    for (size_t i = 0; i < size && !line->is_full;) {
        size_t length = ks_utf8_first(bytes + i, size - i);
        uint32_t character = length == 0 ? REPLACEMENT : character_at(bytes + i, length);

        put_one(line, character, length > 0 && !is_unprintable(character), text + i, length);
        i += length == 0 ? 1 : length;
    }
}

/* --- For people ------------------------------------------------------------------------------- */

static void
put_plain(struct line *line, uint32_t character, bool is_printable, const char *bytes,
          size_t length)
{
    (void) character;
    put(line, is_printable ? bytes : "?", is_printable ? length : 1);
}

static void
put_quoted(struct line *line, uint32_t character, bool is_printable, const char *bytes,
           size_t length)
{
    if (character == '"' || character == '\\') {
        put(line, "\\", 1);
    }
    put_plain(line, character, is_printable, bytes, length);
}

static bool
needs_quotes(const struct kafscale_log_field *field)
{
    if (field->size == 0) {
        return true;
    }
    for (size_t i = 0; i < field->size; i++) {
        if (strchr(" \"=\\", field->value[i]) != NULL) {
            return true;
        }
    }
    return false;
}

static void
put_text_field(struct line *line, const struct kafscale_log_field *field)
{
    put(line, " ", 1);
    put_characters(line, field->name, strlen(field->name), put_plain);
    put(line, "=", 1);
    if (!needs_quotes(field)) {
        put_characters(line, field->value, field->size, put_plain);
        return;
    }
    put(line, "\"", 1);
    put_characters(line, field->value, field->size, put_quoted);
    put(line, "\"", 1);
}

/* --- JSON ------------------------------------------------------------------------------------- */

static void
put_json_character(struct line *line, uint32_t character, bool is_printable, const char *bytes,
                   size_t length)
{
    char escaped[8];

    if (character == '"' || character == '\\') {
        put(line, "\\", 1);
    }
    if (is_printable) {
        put(line, bytes, length);
        return;
    }
    assert(character <= 0xffff);
    (void) snprintf(escaped, sizeof escaped, "\\u%04x", (unsigned) character);
    put(line, escaped, 6);
}

static void
put_json_text(struct line *line, const char *text, size_t size)
{
    put(line, "\"", 1);
    put_characters(line, text, size, put_json_character);
    put(line, "\"", 1);
}

/* An embedder may say of anything that it is a number. */
static bool
is_number(const struct kafscale_log_field *field)
{
    size_t sign = field->size > 0 && field->value[0] == '-' ? 1 : 0;
    size_t digits = field->size - sign;

    return field->kind == KAFSCALE_LOG_NUMBER && digits > 0 && digits <= 20 &&
           strspn(field->value + sign, "0123456789") >= digits &&
           (digits == 1 || field->value[sign] != '0');
}

static void
put_json_field(struct line *line, const struct kafscale_log_field *field)
{
    put(line, ",", 1);
    put_json_text(line, field->name, strlen(field->name));
    put(line, ":", 1);
    if (is_number(field)) {
        put(line, field->value, field->size);
    } else {
        put_json_text(line, field->value, field->size);
    }
}

/* --- Lines ------------------------------------------------------------------------------------ */

static void
put_fields(struct line *line, const struct kafscale_log_event *event,
           void (*put_field)(struct line *line, const struct kafscale_log_field *field))
{
    for (size_t i = 0; i < event->field_count; i++) {
        size_t before = line->used;

        put_field(line, &event->fields[i]);
        if (line->is_full) {
            line->used = before;
            return;
        }
    }
}

static void
put_time(struct line *line, int64_t wall_ms)
{
    int64_t ms = (wall_ms % 1000 + 1000) % 1000;
    time_t second = (time_t) ((wall_ms - ms) / 1000);
    struct tm utc = { 0 };
    char text[40];
    size_t used;

    (void) gmtime_r(&second, &utc);
    used = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &utc);
    used += (size_t) snprintf(text + used, sizeof text - used, ".%03dZ", (int) ms);
    put(line, text, used);
}

static const char *
level_name(enum kafscale_log_level level)
{
    static const char *const names[] = { "error", "warn", "info", "debug" };

    return (unsigned) level < sizeof names / sizeof *names ? names[level] : names[0];
}

void
ks_log_text(const struct kafscale_log_event *event, char *out, size_t size)
{
    struct line line = { .out = out, .size = size - 1 };

    put_characters(&line, event->message, strlen(event->message), put_plain);
    put_fields(&line, event, put_text_field);
    out[line.used] = '\0';
}

static size_t
text_line(const struct kafscale_log_event *event, int64_t wall_ms, char *out, size_t size)
{
    struct line line = { .out = out, .size = size - 1 };

    put_time(&line, wall_ms);
    put(&line, " ", 1);
    put_text(&line, level_name(event->level));
    put(&line, " ", 1);
    put_characters(&line, event->message, strlen(event->message), put_plain);
    if (line.is_full) {
        line.used = 0;
    } else {
        put_fields(&line, event, put_text_field);
    }
    out[line.used] = '\0';
    return line.used;
}

static size_t
json_line(const struct kafscale_log_event *event, int64_t wall_ms, char *out, size_t size)
{
    struct line line = { .out = out, .size = size - 2 };

    put_text(&line, "{\"time\":\"");
    put_time(&line, wall_ms);
    put_text(&line, "\",\"level\":\"");
    put_text(&line, level_name(event->level));
    put_text(&line, "\",\"message\":");
    put_json_text(&line, event->message, strlen(event->message));
    if (line.is_full) {
        line.used = 0;
    } else {
        put_fields(&line, event, put_json_field);
        out[line.used++] = '}';
    }
    out[line.used] = '\0';
    return line.used;
}

size_t
kafscale_log_line(const struct kafscale_log_event *event, enum kafscale_log_form form,
                  int64_t wall_ms, char *out, size_t size)
{
    if (size < 2) {
        if (size == 1) {
            out[0] = '\0';
        }
        return 0;
    }
    return form == KAFSCALE_LOG_AS_JSON ? json_line(event, wall_ms, out, size)
                                        : text_line(event, wall_ms, out, size);
}
