/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Events have a fixed size and are cut to it: a logger must not allocate, it also reports shortage
 * of memory. A format is read here and not by printf, so that what a client has sent stays the
 * value of its field, whatever it looks like.
 */
#include "base/logger.h"

#include "base/log_line.h"
#include "base/slice.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define LINE_BYTES_MAX 5120

/* An event in the making: names and values lie in `text` one behind the other. */
struct draft {
    struct kafscale_log_field fields[KS_LOG_FIELDS_MAX];
    size_t count;
    char message[KS_LOG_MESSAGE_BYTES];
    char text[KS_LOG_TEXT_BYTES];
    size_t used;
};

bool
ks_log_is_wanted(const struct ks_logger *logger, enum kafscale_log_level level)
{
    return logger->write != NULL && level <= logger->level;
}

static struct kafscale_slice
slice_of(const char *text, size_t size)
{
    return ks_slice((const uint8_t *) text, size);
}

static void
take_message(struct draft *draft, const char *text, size_t size)
{
    size = size < sizeof draft->message ? size : sizeof draft->message - 1;
    memcpy(draft->message, text, size);
    draft->message[size] = '\0';
}

static const char *
take_text(struct draft *draft, const char *text, size_t size)
{
    char *copy = draft->text + draft->used;

    memcpy(copy, text, size);
    copy[size] = '\0';
    draft->used += size + 1;
    return copy;
}

/* What has no room at all is left out, and so is what follows. */
static void
add(struct draft *draft, struct kafscale_slice name, enum kafscale_log_kind kind,
    struct kafscale_slice value)
{
    struct kafscale_log_field *field = &draft->fields[draft->count];
    size_t name_size = name.size < KS_LOG_NAME_BYTES ? name.size : KS_LOG_NAME_BYTES - 1;
    size_t room = sizeof draft->text - draft->used;

    if (draft->count == KS_LOG_FIELDS_MAX || room < KS_LOG_NAME_BYTES + 2) {
        return;
    }
    room -= name_size + 2;
    field->kind = kind;
    field->size = value.size < KS_LOG_VALUE_BYTES ? value.size : KS_LOG_VALUE_BYTES;
    field->size = field->size < room ? field->size : room;
    while (field->size < value.size && field->size > 0 &&
           ks_is_utf8_rest(value.data[field->size])) {
        field->size--;
    }
    field->name = take_text(draft, (const char *) name.data, name_size);
    field->value = take_text(draft, (const char *) value.data, field->size);
    draft->count++;
}

static void
hand_over(const struct ks_logger *logger, enum kafscale_log_level level, const struct draft *draft)
{
    char line[LINE_BYTES_MAX];
    struct kafscale_log_event event = { .level = level,
                                        .message = draft->message,
                                        .fields = draft->fields,
                                        .field_count = draft->count,
                                        .line = line };

    ks_log_text(&event, line, sizeof line);
    logger->write(logger->arg, &event);
}

/* --- Formats ---------------------------------------------------------------------------------- */

static void
add_text(struct draft *draft, struct kafscale_slice name, const char *text)
{
    add(draft, name, KAFSCALE_LOG_TEXT, ks_slice_of_text(text));
}

static void
add_bytes(struct draft *draft, struct kafscale_slice name, int size, const char *bytes)
{
    assert(size >= 0);
    add(draft, name, KAFSCALE_LOG_TEXT, slice_of(size == 0 ? "" : bytes, (size_t) size));
}

static void
add_number(struct draft *draft, struct kafscale_slice name, bool is_negative,
           unsigned long long size)
{
    char digits[24];
    int used = snprintf(digits, sizeof digits, "%s%llu", is_negative ? "-" : "", size);

    add(draft, name, KAFSCALE_LOG_NUMBER, slice_of(digits, (size_t) used));
}

static void
add_signed(struct draft *draft, struct kafscale_slice name, long long number)
{
    add_number(draft, name, number < 0,
               number < 0 ? 0 - (unsigned long long) number : (unsigned long long) number);
}

/* The conversions that there are: "%d" has the text "d". Returns its length. */
static size_t
convert(struct draft *draft, struct kafscale_slice name, const char *conversion, va_list *arguments)
{
    size_t size = strcspn(conversion, " ");

#define IS(text) (size == sizeof(text) - 1 && memcmp(conversion, text, size) == 0)
    if (IS("s")) {
        add_text(draft, name, va_arg(*arguments, const char *));
    } else if (IS(".*s")) {
        int bytes = va_arg(*arguments, int);

        add_bytes(draft, name, bytes, va_arg(*arguments, const char *));
    } else if (IS("d")) {
        add_signed(draft, name, va_arg(*arguments, int));
    } else if (IS("u")) {
        add_number(draft, name, false, va_arg(*arguments, unsigned));
    } else if (IS("ld")) {
        add_signed(draft, name, va_arg(*arguments, long));
    } else if (IS("lu")) {
        add_number(draft, name, false, va_arg(*arguments, unsigned long));
    } else if (IS("lld")) {
        add_signed(draft, name, va_arg(*arguments, long long));
    } else if (IS("llu")) {
        add_number(draft, name, false, va_arg(*arguments, unsigned long long));
    } else {
        assert(IS("zu"));
        add_number(draft, name, false, va_arg(*arguments, size_t));
    }
#undef IS
    return size;
}

/* `field` is what follows a space: name=%d, or name=word. Returns its length. */
static size_t
take_field(struct draft *draft, const char *field, va_list *arguments)
{
    size_t name_size = strcspn(field, "= ");
    const char *value = field + name_size + 1;
    size_t value_size;

    assert(name_size > 0);
    assert(field[name_size] == '=');

    if (*value == '%') {
        value_size = 1 + convert(draft, slice_of(field, name_size), value + 1, arguments);
    } else {
        value_size = strcspn(value, " ");
        add(draft, slice_of(field, name_size), KAFSCALE_LOG_TEXT, slice_of(value, value_size));
    }
    return name_size + 1 + value_size;
}

/* The words before the one with the first '='. */
static size_t
message_size(const char *format)
{
    size_t size = strcspn(format, "=");

    if (format[size] == '\0') {
        return size;
    }
    while (size > 0 && format[size] != ' ') {
        size--;
    }
    return size;
}

void
ks_log_list(const struct ks_logger *logger, enum kafscale_log_level level, const uint64_t *left_out,
            const char *format, va_list arguments)
{
    struct draft draft;
    const char *rest = format + message_size(format);
    va_list left;

    if (!ks_log_is_wanted(logger, level)) {
        return;
    }
    draft.count = 0;
    draft.used = 0;
    take_message(&draft, format, (size_t) (rest - format));
    va_copy(left, arguments);
    while (*rest == ' ') {
        rest += 1 + take_field(&draft, rest + 1, &left);
    }
    va_end(left);
    if (left_out != NULL) {
        add_number(&draft, ks_slice_of_text("left_out"), false, *left_out);
    }
    hand_over(logger, level, &draft);
}

void
ks_log(const struct ks_logger *logger, enum kafscale_log_level level, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    ks_log_list(logger, level, NULL, format, arguments);
    va_end(arguments);
}

void
ks_log_fields(const struct ks_logger *logger, enum kafscale_log_level level, const char *message,
              const struct kafscale_log_field *fields, size_t count)
{
    struct draft draft;

    if (!ks_log_is_wanted(logger, level)) {
        return;
    }
    draft.count = 0;
    draft.used = 0;
    take_message(&draft, message, strlen(message));
    for (size_t i = 0; i < count; i++) {
        add(&draft, ks_slice_of_text(fields[i].name), fields[i].kind,
            slice_of(fields[i].value, fields[i].size));
    }
    hand_over(logger, level, &draft);
}
