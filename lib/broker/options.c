/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The values. Each is checked when it is set, so that whoever reads it later can rely on it.
 */
#include "broker/options_table.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

static enum kafscale_status
value_set(struct kafscale_options *options, const struct ks_option_line *line, const char *text,
          const char *origin, struct kafscale_error *error)
{
    struct ks_option_value *value = &options->values[line - ks_option_lines];
    char allowed[KAFSCALE_OPTION_TEXT_BYTES];
    struct ks_option_value copy = { 0 };

    if (!ks_option_parse(line, text, &copy.number)) {
        ks_option_describe_allowed(line, allowed, sizeof allowed);
        return ks_error_set(
            error, KAFSCALE_INVALID, "option '%s': '%.80s' is not allowed, it takes %s%s",
            line->key, line->kind == KS_KIND_SECRET ? "..." : text, allowed,
            line->kind == KS_KIND_STORE && strncmp(text, "s3", 2) == 0 ? " (with s3.bucket)" : "");
    }
    copy.text = ks_copy_text(text);
    copy.origin = origin == NULL ? NULL : ks_copy_text(origin);
    if (copy.text == NULL || (origin != NULL && copy.origin == NULL)) {
        ks_option_value_deinit(&copy);
        return ks_error_set(error, KAFSCALE_NO_MEMORY, "option '%s': no memory", line->key);
    }
    ks_option_value_deinit(value);
    *value = copy;
    return KAFSCALE_OK;
}

/* use.memory.s3 is KafScale's way to choose the store: the later of the two counts. */
enum kafscale_status
ks_options_set_line(struct kafscale_options *options, const struct ks_option_line *line,
                    const char *text, const char *origin, struct kafscale_error *error)
{
    enum kafscale_status status = value_set(options, line, text, origin, error);

    if (status != KAFSCALE_OK) {
        return status;
    }
    if (line == &ks_option_lines[KS_OPTION_use_memory_s3] &&
        ks_option_is_true(options, KS_OPTION_use_memory_s3)) {
        return value_set(options, &ks_option_lines[KS_OPTION_store], "memory", origin, error);
    }
    return KAFSCALE_OK;
}

struct kafscale_options *
kafscale_options_new(void)
{
    return ks_alloc_zero(1, sizeof(struct kafscale_options));
}

void
kafscale_options_free(struct kafscale_options *options)
{
    if (options == NULL) {
        return;
    }
    for (size_t i = 0; i < KS_OPTION_COUNT; i++) {
        ks_option_value_deinit(&options->values[i]);
    }
    ks_free(options);
}

struct kafscale_options *
ks_options_copy(const struct kafscale_options *options)
{
    struct kafscale_options *copy = kafscale_options_new();

    if (copy == NULL) {
        return NULL;
    }
    for (size_t i = 0; i < KS_OPTION_COUNT; i++) {
        if (!ks_option_value_copy(&options->values[i], &copy->values[i])) {
            kafscale_options_free(copy);
            return NULL;
        }
    }
    return copy;
}

static enum kafscale_status
fail_unknown(const char *key, struct kafscale_error *error)
{
    const char *nearest = kafscale_option_nearest(key);

    return ks_error_set(error, KAFSCALE_NOT_FOUND, "option '%.80s': no such key%s%s%s", key,
                        nearest == NULL ? "" : ", did you mean '", nearest == NULL ? "" : nearest,
                        nearest == NULL ? "" : "'?");
}

enum kafscale_status
kafscale_options_set_from(struct kafscale_options *options, const char *key, const char *value,
                          const char *origin, struct kafscale_error *error)
{
    struct kafscale_error unused = { 0 };
    const struct ks_option_line *line;

    if (error == NULL) {
        error = &unused;
    }
    if (key == NULL || value == NULL) {
        return ks_error_set(error, KAFSCALE_INVALID, "option '%.80s': no value",
                            key == NULL ? "" : key);
    }
    line = ks_option_line_find(key);
    return line == NULL ? fail_unknown(key, error)
                        : ks_options_set_line(options, line, value, origin, error);
}

enum kafscale_status
kafscale_options_set(struct kafscale_options *options, const char *key, const char *value,
                     struct kafscale_error *error)
{
    return kafscale_options_set_from(options, key, value, NULL, error);
}

const char *
kafscale_options_origin(const struct kafscale_options *options, const char *key)
{
    const struct ks_option_line *line = ks_option_line_find(key);

    return line == NULL ? NULL : options->values[line - ks_option_lines].origin;
}

const char *
kafscale_option_nearest(const char *name)
{
    struct ks_nearest nearest;

    ks_nearest_begin(&nearest, name, strlen(name));
    for (size_t i = 0; i < KS_OPTION_COUNT; i++) {
        ks_nearest_offer(&nearest, ks_option_lines[i].key);
    }
    return nearest.best;
}

const char *
kafscale_options_get(const struct kafscale_options *options, const char *key)
{
    const struct ks_option_line *line = ks_option_line_find(key);

    if (line == NULL) {
        return NULL;
    }
    return ks_option_text(options, (enum ks_option_name)(line - ks_option_lines));
}

bool
ks_option_is_set(const struct kafscale_options *options, enum ks_option_name name)
{
    return options->values[name].text != NULL;
}

const char *
ks_option_text(const struct kafscale_options *options, enum ks_option_name name)
{
    const char *text = options->values[name].text;

    return text != NULL ? text : ks_option_lines[name].default_value;
}

int64_t
ks_option_number(const struct kafscale_options *options, enum ks_option_name name)
{
    const struct ks_option_line *line = &ks_option_lines[name];
    int64_t number = options->values[name].number;
    bool is_valid = true;

    assert(line->kind == KS_KIND_INT64 || line->kind == KS_KIND_BOOL);
    if (options->values[name].text == NULL) {
        is_valid = ks_option_parse(line, line->default_value, &number);
    }
    assert(is_valid);
    return number;
}

/* strtod would ask the locale of the program for the point. */
double
ks_option_fraction(const struct kafscale_options *options, enum ks_option_name name)
{
    const struct ks_option_line *line = &ks_option_lines[name];
    const char *text = options->values[name].text;
    double number;
    double place = 0.1;

    assert(line->kind == KS_KIND_FRACTION);
    text = text == NULL ? line->default_value : text;
    number = text[0] - '0';
    for (const char *c = text + 1 + (text[1] == '.'); *c != '\0'; c++, place /= 10) {
        number += place * (*c - '0');
    }
    return number;
}

bool
ks_option_is_live(enum ks_option_name name)
{
    return ks_option_lines[name].is_live;
}

const char *
ks_option_shown(const struct kafscale_options *options, enum ks_option_name name)
{
    return ks_option_lines[name].kind == KS_KIND_SECRET ? "..." : ks_option_text(options, name);
}

const char *
ks_option_key(enum ks_option_name name)
{
    return ks_option_lines[name].key;
}

bool
ks_option_equals(const struct kafscale_options *a, const struct kafscale_options *b,
                 enum ks_option_name name)
{
    enum ks_option_kind kind = ks_option_lines[name].kind;

    if (kind == KS_KIND_INT64 || kind == KS_KIND_BOOL) {
        return ks_option_number(a, name) == ks_option_number(b, name);
    }
    return strcmp(ks_option_text(a, name), ks_option_text(b, name)) == 0;
}

bool
ks_option_is_true(const struct kafscale_options *options, enum ks_option_name name)
{
    return ks_option_number(options, name) != 0;
}
