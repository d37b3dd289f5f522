/* SPDX-License-Identifier: Apache-2.0 */
/* Each kind has one function that checks values of it. */
#include "broker/options_table.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#define NO_ETCD "metadata is kept in the store"
#define NO_ACL "access control is not part of this version"
#define REPLICATION "the store keeps the copies; every partition has one replica"

#define ANY .choices = NULL
#define RANGE(from, to) .lowest = from, .highest = to
#define ONE_OF(list) .choices = list
#define NONE .also = NULL
#define ALSO(name) .also = name
#define USED .effect = KAFSCALE_OPTION_USED
#define LIVE .effect = KAFSCALE_OPTION_USED, .is_live = true
#define IGNORED(reason) .effect = KAFSCALE_OPTION_IGNORED, .why = reason
#define REFUSED(reason) .effect = KAFSCALE_OPTION_REFUSED, .why = reason

const struct ks_option_line ks_option_lines[KS_OPTION_COUNT] = {
#define OPTION(name_, key_, kind_, default_, limits_, environment_, effect_, help_) \
    [KS_OPTION_##name_] = { .key = key_,                                            \
                            .kind = KS_KIND_##kind_,                                \
                            .default_value = default_,                              \
                            limits_,                                                \
                            environment_,                                           \
                            effect_,                                                \
                            .help = help_ },
#include "broker/options.def"
#undef OPTION
};

/* --- Kinds ------------------------------------------------------------------------------------ */

static bool
check_any(const struct ks_option_line *line, const char *value, int64_t *number_out)
{
    (void) line;
    (void) value;
    (void) number_out;
    return true;
}

static bool
check_int64(const struct ks_option_line *line, const char *value, int64_t *number_out)
{
    char *end;
    long long number;

    if ((value[0] < '0' || value[0] > '9') && value[0] != '-') {
        return false;
    }
    errno = 0;
    number = strtoll(value, &end, 10);
    if (errno != 0 || end == value || *end != '\0') {
        return false;
    }
    if (number < line->lowest || number > line->highest) {
        return false;
    }
    *number_out = number;
    return true;
}

static bool
check_bool(const struct ks_option_line *line, const char *value, int64_t *number_out)
{
    static const char *const words[] = { "0", "1", "false", "true", "no", "yes", "off", "on" };

    (void) line;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (strcasecmp(value, words[i]) == 0) {
            *number_out = (int64_t) (i % 2);
            return true;
        }
    }
    return false;
}

static bool
check_fraction(const struct ks_option_line *line, const char *value, int64_t *number_out)
{
    size_t digits = 0;

    (void) line;
    (void) number_out;
    if ((value[0] != '0' && value[0] != '1') || (value[1] != '.' && value[1] != '\0')) {
        return false;
    }
    if (value[1] == '\0') {
        return true;
    }
    digits = strspn(value + 2, value[0] == '0' ? "0123456789" : "0");
    return digits > 0 && value[2 + digits] == '\0';
}

static bool
check_choice(const struct ks_option_line *line, const char *value, int64_t *number_out)
{
    size_t size = strlen(value);
    const char *choice = line->choices;

    (void) number_out;
    while (*choice != '\0') {
        size_t choice_size = strcspn(choice, "|");

        if (choice_size == size && strncasecmp(choice, value, size) == 0) {
            return true;
        }
        choice += choice_size;
        choice += *choice == '|' ? 1 : 0;
    }
    return false;
}

static bool
check_address(const struct ks_option_line *line, const char *value, int64_t *number_out)
{
    struct ks_endpoint endpoint;

    (void) number_out;
    return *value == '\0' ? *line->default_value == '\0'
                          : ks_endpoint_parse(ks_slice_of_text(value), &endpoint) == KAFSCALE_OK;
}

static bool
check_addresses(const struct ks_option_line *line, const char *value, int64_t *number_out)
{
    struct kafscale_slice rest = ks_slice_of_text(value);
    struct kafscale_slice element;
    struct ks_endpoint endpoint;

    (void) number_out;
    if (rest.size == 0) {
        return line->default_value[0] == '\0';
    }
    while (ks_list_text_next(&rest, &element)) {
        if (ks_endpoint_parse(element, &endpoint) != KAFSCALE_OK) {
            return false;
        }
    }
    return value[strlen(value) - 1] != ',';
}

static bool
check_store(const struct ks_option_line *line, const char *value, int64_t *number_out)
{
    (void) line;
    (void) number_out;
    return strcmp(value, "memory") == 0 || strcmp(value, "s3") == 0 ||
           (strncmp(value, "dir:", 4) == 0 && value[4] != '\0');
}

/* A namespace is one component of a key in the store. */
static bool
check_namespace(const struct ks_option_line *line, const char *value, int64_t *number_out)
{
    size_t size = strlen(value);

    (void) line;
    (void) number_out;
    return size > 0 && size <= 63 && value[0] != '.' && strncmp(value, "__", 2) != 0 &&
           strspn(value, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") ==
               size;
}

struct kind {
    const char *name;
    const char *allowed;
    bool (*check)(const struct ks_option_line *line, const char *value, int64_t *number_out);
};

static const struct kind kinds[] = {
    [KS_KIND_STRING] = { "string", "any text", check_any },
    [KS_KIND_SECRET] = { "secret", "any text", check_any },
    [KS_KIND_INT64] = { "integer", NULL, check_int64 },
    [KS_KIND_BOOL] = { "boolean", "true or false (or 1, yes, on, 0, no, off)", check_bool },
    [KS_KIND_FRACTION] = { "fraction", "a number from 0 to 1", check_fraction },
    [KS_KIND_CHOICE] = { "choice", NULL, check_choice },
    [KS_KIND_ADDRESS] = { "address", "host:port, [IPv6]:port or :port", check_address },
    [KS_KIND_ADDRESSES] = { "addresses",
                            "host:port, [IPv6]:port or :port, several separated by commas",
                            check_addresses },
    [KS_KIND_STORE] = { "store", "memory, dir:PATH or s3", check_store },
    [KS_KIND_NAMESPACE] = { "name",
                            "1 to 63 letters, digits, '-', '_' and '.', not beginning with '.' or "
                            "'__'",
                            check_namespace },
};

void
ks_option_describe_allowed(const struct ks_option_line *line, char *text_out, size_t size)
{
    if (line->kind == KS_KIND_INT64) {
        snprintf(text_out, size, "an integer from %lld to %lld", (long long) line->lowest,
                 (long long) line->highest);
        return;
    }
    if (line->kind == KS_KIND_CHOICE) {
        snprintf(text_out, size, "one of %s", line->choices);
        return;
    }
    snprintf(text_out, size, "%s", kinds[line->kind].allowed);
}

bool
ks_option_parse(const struct ks_option_line *line, const char *value, int64_t *number_out)
{
    return kinds[line->kind].check(line, value, number_out);
}

const char *
ks_option_kind_name(const struct ks_option_line *line)
{
    return kinds[line->kind].name;
}

const struct ks_option_line *
ks_option_line_find(const char *key)
{
    for (size_t i = 0; i < KS_OPTION_COUNT; i++) {
        if (strcmp(ks_option_lines[i].key, key) == 0) {
            return &ks_option_lines[i];
        }
    }
    return NULL;
}

void
ks_option_environment_name(const struct ks_option_line *line, char *name_out, size_t size)
{
    size_t used = (size_t) snprintf(name_out, size, KS_OPTION_PREFIX "%s", line->key);

    assert(used < size);
    for (char *c = name_out + strlen(KS_OPTION_PREFIX); *c != '\0'; c++) {
        if (*c >= 'a' && *c <= 'z') {
            *c = (char) (*c - 'a' + 'A');
        } else if (*c == '.') {
            *c = '_';
        }
    }
}

enum kafscale_status
kafscale_option_at(size_t index, struct kafscale_option *option_out)
{
    const struct ks_option_line *line;
    size_t used;

    if (index >= KS_OPTION_COUNT) {
        return KAFSCALE_NOT_FOUND;
    }
    line = &ks_option_lines[index];
    *option_out = (struct kafscale_option){
        .key = line->key,
        .kind = ks_option_kind_name(line),
        .default_value = line->default_value,
        .help = line->help,
        .effect = line->effect,
        .why = line->why,
        .is_secret = line->kind == KS_KIND_SECRET,
        .is_live = line->is_live,
    };
    ks_option_describe_allowed(line, option_out->allowed, sizeof option_out->allowed);
    ks_option_environment_name(line, option_out->environment, sizeof option_out->environment);
    if (line->also != NULL) {
        used = strlen(option_out->environment);
        snprintf(option_out->environment + used, sizeof option_out->environment - used, " %s",
                 line->also);
    }
    return KAFSCALE_OK;
}
