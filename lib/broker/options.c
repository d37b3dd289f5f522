/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of options and what follows from it. Each kind has one checking function; a value is
 * checked when it is set, so that whoever reads it later can rely on it.
 */
#include "broker/options.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

enum option_kind {
    KIND_STRING,
    KIND_SECRET,
    KIND_INT64,
    KIND_BOOL,
    KIND_FRACTION,
    KIND_CHOICE,
    KIND_ADDRESS,
    KIND_ADDRESSES,
    KIND_STORE,
    KIND_NAMESPACE
};

struct option_line {
    const char *key;
    const char *default_value;
    int64_t lowest;
    int64_t highest;
    const char *choices; /* separated by | */
    const char *also;    /* one more name in the environment */
    const char *why;
    const char *help;
    enum option_kind kind;
    enum kafscale_option_effect effect;
    bool is_live; /* may change while a broker runs */
};

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

static const struct option_line option_lines[KS_OPTION_COUNT] = {
#define OPTION(name_, key_, kind_, default_, limits_, environment_, effect_, help_) \
    [KS_OPTION_##name_] = { .key = key_,                                            \
                            .kind = KIND_##kind_,                                   \
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
check_any(const struct option_line *line, const char *value, int64_t *number_out)
{
    (void) line;
    (void) value;
    (void) number_out;
    return true;
}

static bool
check_int64(const struct option_line *line, const char *value, int64_t *number_out)
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
check_bool(const struct option_line *line, const char *value, int64_t *number_out)
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
check_fraction(const struct option_line *line, const char *value, int64_t *number_out)
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
check_choice(const struct option_line *line, const char *value, int64_t *number_out)
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
check_address(const struct option_line *line, const char *value, int64_t *number_out)
{
    struct ks_endpoint endpoint;

    (void) number_out;
    return *value == '\0' ? *line->default_value == '\0'
                          : ks_endpoint_parse(ks_slice_of_text(value), &endpoint) == KAFSCALE_OK;
}

static bool
check_addresses(const struct option_line *line, const char *value, int64_t *number_out)
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
check_store(const struct option_line *line, const char *value, int64_t *number_out)
{
    (void) line;
    (void) number_out;
    return strcmp(value, "memory") == 0 || strcmp(value, "s3") == 0 ||
           (strncmp(value, "dir:", 4) == 0 && value[4] != '\0');
}

/* A namespace is one component of a key in the store. */
static bool
check_namespace(const struct option_line *line, const char *value, int64_t *number_out)
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
    bool (*check)(const struct option_line *line, const char *value, int64_t *number_out);
};

static const struct kind kinds[] = {
    [KIND_STRING] = { "string", "any text", check_any },
    [KIND_SECRET] = { "secret", "any text", check_any },
    [KIND_INT64] = { "integer", NULL, check_int64 },
    [KIND_BOOL] = { "boolean", "true or false (or 1, yes, on, 0, no, off)", check_bool },
    [KIND_FRACTION] = { "fraction", "a number from 0 to 1", check_fraction },
    [KIND_CHOICE] = { "choice", NULL, check_choice },
    [KIND_ADDRESS] = { "address", "host:port, [IPv6]:port or :port", check_address },
    [KIND_ADDRESSES] = { "addresses",
                         "host:port, [IPv6]:port or :port, several separated by commas",
                         check_addresses },
    [KIND_STORE] = { "store", "memory, dir:PATH or s3", check_store },
    [KIND_NAMESPACE] = { "name",
                         "1 to 63 letters, digits, '-', '_' and '.', not beginning with '.' or "
                         "'__'",
                         check_namespace },
};

static void
describe_allowed(const struct option_line *line, char *text_out, size_t size)
{
    if (line->kind == KIND_INT64) {
        snprintf(text_out, size, "an integer from %lld to %lld", (long long) line->lowest,
                 (long long) line->highest);
        return;
    }
    if (line->kind == KIND_CHOICE) {
        snprintf(text_out, size, "one of %s", line->choices);
        return;
    }
    snprintf(text_out, size, "%s", kinds[line->kind].allowed);
}

/* --- Values ----------------------------------------------------------------------------------- */

static const struct option_line *
line_find(const char *key)
{
    for (size_t i = 0; i < KS_OPTION_COUNT; i++) {
        if (strcmp(option_lines[i].key, key) == 0) {
            return &option_lines[i];
        }
    }
    return NULL;
}

static enum kafscale_status
value_set(struct kafscale_options *options, const struct option_line *line, const char *text,
          struct kafscale_error *error)
{
    struct ks_option_value *value = &options->values[line - option_lines];
    char allowed[KAFSCALE_OPTION_TEXT_BYTES];
    int64_t number = 0;
    char *copy;

    if (!kinds[line->kind].check(line, text, &number)) {
        describe_allowed(line, allowed, sizeof allowed);
        return ks_error_set(
            error, KAFSCALE_INVALID, "option '%s': '%.80s' is not allowed, it takes %s%s",
            line->key, line->kind == KIND_SECRET ? "..." : text, allowed,
            line->kind == KIND_STORE && strncmp(text, "s3", 2) == 0 ? " (with s3.bucket)" : "");
    }
    copy = ks_copy_text(text);
    if (copy == NULL) {
        return ks_error_set(error, KAFSCALE_NO_MEMORY, "option '%s': no memory", line->key);
    }
    ks_free(value->text);
    *value = (struct ks_option_value){ .text = copy, .number = number };
    return KAFSCALE_OK;
}

/* use.memory.s3 is KafScale's way to choose the store: the later of the two counts. */
static enum kafscale_status
set_and_follow(struct kafscale_options *options, const struct option_line *line, const char *text,
               struct kafscale_error *error)
{
    enum kafscale_status status = value_set(options, line, text, error);

    if (status != KAFSCALE_OK) {
        return status;
    }
    if (line == &option_lines[KS_OPTION_use_memory_s3] &&
        ks_option_is_true(options, KS_OPTION_use_memory_s3)) {
        return value_set(options, &option_lines[KS_OPTION_store], "memory", error);
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
        ks_free(options->values[i].text);
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
        const struct ks_option_value *value = &options->values[i];

        if (value->text == NULL) {
            continue;
        }
        copy->values[i].text = ks_copy_text(value->text);
        if (copy->values[i].text == NULL) {
            kafscale_options_free(copy);
            return NULL;
        }
        copy->values[i].number = value->number;
    }
    return copy;
}

enum kafscale_status
kafscale_options_set(struct kafscale_options *options, const char *key, const char *value,
                     struct kafscale_error *error)
{
    struct kafscale_error unused = { 0 };
    const struct option_line *line;

    if (error == NULL) {
        error = &unused;
    }
    if (key == NULL || value == NULL) {
        return ks_error_set(error, KAFSCALE_INVALID, "option '%.80s': no value",
                            key == NULL ? "" : key);
    }
    line = line_find(key);
    if (line == NULL) {
        return ks_error_set(error, KAFSCALE_NOT_FOUND, "option '%.80s': no such key", key);
    }
    return set_and_follow(options, line, value, error);
}

const char *
kafscale_options_get(const struct kafscale_options *options, const char *key)
{
    const struct option_line *line = line_find(key);

    if (line == NULL) {
        return NULL;
    }
    return ks_option_text(options, (enum ks_option_name)(line - option_lines));
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

    return text != NULL ? text : option_lines[name].default_value;
}

int64_t
ks_option_number(const struct kafscale_options *options, enum ks_option_name name)
{
    const struct option_line *line = &option_lines[name];
    int64_t number = options->values[name].number;
    bool is_valid = true;

    assert(line->kind == KIND_INT64 || line->kind == KIND_BOOL);
    if (options->values[name].text == NULL) {
        is_valid = kinds[line->kind].check(line, line->default_value, &number);
    }
    assert(is_valid);
    return number;
}

/* strtod would ask the locale of the program for the point. */
double
ks_option_fraction(const struct kafscale_options *options, enum ks_option_name name)
{
    const struct option_line *line = &option_lines[name];
    const char *text = options->values[name].text;
    double number;
    double place = 0.1;

    assert(line->kind == KIND_FRACTION);
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
    return option_lines[name].is_live;
}

const char *
ks_option_shown(const struct kafscale_options *options, enum ks_option_name name)
{
    return option_lines[name].kind == KIND_SECRET ? "..." : ks_option_text(options, name);
}

const char *
ks_option_key(enum ks_option_name name)
{
    return option_lines[name].key;
}

bool
ks_option_equals(const struct kafscale_options *a, const struct kafscale_options *b,
                 enum ks_option_name name)
{
    enum option_kind kind = option_lines[name].kind;

    if (kind == KIND_INT64 || kind == KIND_BOOL) {
        return ks_option_number(a, name) == ks_option_number(b, name);
    }
    return strcmp(ks_option_text(a, name), ks_option_text(b, name)) == 0;
}

bool
ks_option_is_true(const struct kafscale_options *options, enum ks_option_name name)
{
    return ks_option_number(options, name) != 0;
}

/* --- The environment -------------------------------------------------------------------------- */

static void
environment_name(const struct option_line *line, char *name_out, size_t size)
{
    size_t used = (size_t) snprintf(name_out, size, "KAFSCALE_%s", line->key);

    assert(used < size);
    for (char *c = name_out + strlen("KAFSCALE_"); *c != '\0'; c++) {
        if (*c >= 'a' && *c <= 'z') {
            *c = (char) (*c - 'a' + 'A');
        } else if (*c == '.') {
            *c = '_';
        }
    }
}

/*
 * The value of `name` in the environment, or NULL; what is empty or was injected by Kubernetes
 * counts as absent.
 */
static const char *
environment_find(char *const *environment, const char *name)
{
    size_t size = strlen(name);

    for (; *environment != NULL; environment++) {
        const char *value = *environment + size + 1;

        if (strncmp(*environment, name, size) != 0 || (*environment)[size] != '=') {
            continue;
        }
        return *value == '\0' || strncmp(value, "tcp://", 6) == 0 ? NULL : value;
    }
    return NULL;
}

static enum kafscale_status
set_from_environment(struct kafscale_options *options, const struct option_line *line,
                     char *const *environment, struct kafscale_error *error)
{
    char own_name[KAFSCALE_OPTION_TEXT_BYTES];
    const char *names[2] = { own_name, line->also };

    environment_name(line, own_name, sizeof own_name);
    for (size_t i = 0; i < 2 && names[i] != NULL; i++) {
        const char *value = environment_find(environment, names[i]);
        enum kafscale_status status;

        if (value == NULL) {
            continue;
        }
        status = set_and_follow(options, line, value, error);
        if (status != KAFSCALE_OK) {
            ks_error_wrap(error, "environment variable %s", names[i]);
        }
        return status;
    }
    return KAFSCALE_OK;
}

static bool
is_known_variable(const char *name, size_t size)
{
    char own_name[KAFSCALE_OPTION_TEXT_BYTES];

    for (size_t i = 0; i < KS_OPTION_COUNT; i++) {
        const char *also = option_lines[i].also;

        environment_name(&option_lines[i], own_name, sizeof own_name);
        if (strlen(own_name) == size && memcmp(own_name, name, size) == 0) {
            return true;
        }
        if (also != NULL && strlen(also) == size && memcmp(also, name, size) == 0) {
            return true;
        }
    }
    return false;
}

static void
warn_of_variable(const char *variable, const struct ks_logger *logger)
{
    size_t size = strcspn(variable, "=");
    bool is_known = is_known_variable(variable, size);

    if (!is_known && strncmp(variable, "KAFSCALE_", 9) != 0) {
        return;
    }
    if (variable[size] == '=' && strncmp(variable + size + 1, "tcp://", 6) == 0) {
        ks_log(logger, KAFSCALE_LOG_WARN, "environment variable ignored name=%.*s reason=%s",
               (int) size, variable, "tcp:// values are injected by Kubernetes");
    } else if (!is_known) {
        ks_log(logger, KAFSCALE_LOG_WARN, "environment variable ignored name=%.*s reason=%s",
               (int) size, variable, "unknown name");
    }
}

enum kafscale_status
kafscale_options_set_environment(struct kafscale_options *options, char *const *environment,
                                 kafscale_log_write *warn, void *arg, struct kafscale_error *error)
{
    const struct ks_logger logger = { .write = warn, .arg = arg, .level = KAFSCALE_LOG_WARN };
    struct kafscale_error unused = { 0 };

    for (char *const *variable = environment; *variable != NULL; variable++) {
        warn_of_variable(*variable, &logger);
    }
    for (size_t i = 0; i < KS_OPTION_COUNT; i++) {
        enum kafscale_status status = set_from_environment(options, &option_lines[i], environment,
                                                           error == NULL ? &unused : error);

        if (status != KAFSCALE_OK) {
            return status;
        }
    }
    return KAFSCALE_OK;
}

/* --- The whole -------------------------------------------------------------------------------- */

static size_t
count_elements(const char *text)
{
    struct kafscale_slice rest = ks_slice_of_text(text);
    struct kafscale_slice element;
    size_t count = 0;

    while (ks_list_text_next(&rest, &element)) {
        count++;
    }
    return count;
}

static bool
uses_signature_2(const struct kafscale_options *options)
{
    return strcmp(ks_options_s3_plugin(options), "libs3") == 0;
}

static enum kafscale_status
check_together(const struct kafscale_options *options, struct kafscale_error *error)
{
    size_t advertised_count =
        count_elements(ks_option_text(options, KS_OPTION_advertised_listeners));
    size_t listen_count = count_elements(ks_option_text(options, KS_OPTION_listen));

    if (advertised_count != 0 && advertised_count != listen_count) {
        return ks_error_set(error, KAFSCALE_INVALID,
                            "option 'advertised.listeners': has %zu addresses, but listen has %zu",
                            advertised_count, listen_count);
    }
    if (ks_option_number(options, KS_OPTION_memory_bytes) <
        ks_option_number(options, KS_OPTION_socket_request_max_bytes)) {
        return ks_error_set(error, KAFSCALE_INVALID,
                            "option 'memory.bytes': '%s' is not allowed, it takes at least "
                            "socket.request.max.bytes, which is %s",
                            ks_option_text(options, KS_OPTION_memory_bytes),
                            ks_option_text(options, KS_OPTION_socket_request_max_bytes));
    }
    if (ks_options_store_is_s3(options) &&
        ks_option_text(options, KS_OPTION_s3_bucket)[0] == '\0') {
        return ks_error_set(error, KAFSCALE_INVALID, "option 's3.bucket': store=s3 needs one");
    }
    if (ks_options_store_is_s3(options) && uses_signature_2(options) &&
        ks_option_number(options, KS_OPTION_store_single_writer) == 0) {
        return ks_error_set(error, KAFSCALE_INVALID,
                            "option 's3.signature': v2 has no conditional writes and needs "
                            "store.single_writer=true");
    }
    return ks_options_check_testing(options, error);
}

/* A boolean may be spelled in several ways, so the default is compared by meaning. */
static bool
is_default(const struct kafscale_options *options, enum ks_option_name name)
{
    const struct option_line *line = &option_lines[name];
    int64_t number = 0;

    if (line->kind != KIND_INT64 && line->kind != KIND_BOOL) {
        return strcmp(ks_option_text(options, name), line->default_value) == 0;
    }
    return kinds[line->kind].check(line, line->default_value, &number) &&
           number == ks_option_number(options, name);
}

/* What one option says may have no meaning beside another. */
static void
warn_of_stores(const struct kafscale_options *options, const struct ks_logger *logger)
{
    bool is_s3 = ks_options_store_is_s3(options);

    if (ks_option_text(options, KS_OPTION_s3_bucket)[0] != '\0' && !is_s3) {
        ks_log(logger, KAFSCALE_LOG_WARN, "option has no effect key=s3.bucket store=%s",
               ks_option_text(options, KS_OPTION_store));
    }
    if (ks_option_number(options, KS_OPTION_store_single_writer) != 0 && !is_s3) {
        ks_log(logger, KAFSCALE_LOG_WARN, "option has no effect key=store.single_writer reason=%s",
               "the store has atomic creates");
    }
}

enum kafscale_status
kafscale_options_check(const struct kafscale_options *options, kafscale_log_write *warn, void *arg,
                       struct kafscale_error *error)
{
    const struct ks_logger logger = { .write = warn, .arg = arg, .level = KAFSCALE_LOG_WARN };
    struct kafscale_error unused = { 0 };

    if (error == NULL) {
        error = &unused;
    }
    for (size_t i = 0; i < KS_OPTION_COUNT; i++) {
        const struct option_line *line = &option_lines[i];

        if (line->effect == KAFSCALE_OPTION_USED ||
            !ks_option_is_set(options, (enum ks_option_name) i)) {
            continue;
        }
        if (line->effect == KAFSCALE_OPTION_IGNORED) {
            ks_log(&logger, KAFSCALE_LOG_WARN, "option has no effect key=%s reason=%s", line->key,
                   line->why);
        } else if (!is_default(options, (enum ks_option_name) i)) {
            return ks_error_set(error, KAFSCALE_UNSUPPORTED, "option '%s': %s", line->key,
                                line->why);
        }
    }
    warn_of_stores(options, &logger);
    return check_together(options, error);
}

enum kafscale_status
kafscale_option_at(size_t index, struct kafscale_option *option_out)
{
    const struct option_line *line;
    size_t used;

    if (index >= KS_OPTION_COUNT) {
        return KAFSCALE_NOT_FOUND;
    }
    line = &option_lines[index];
    *option_out = (struct kafscale_option){
        .key = line->key,
        .kind = kinds[line->kind].name,
        .default_value = line->default_value,
        .help = line->help,
        .effect = line->effect,
        .why = line->why,
        .is_secret = line->kind == KIND_SECRET,
        .is_live = line->is_live,
    };
    describe_allowed(line, option_out->allowed, sizeof option_out->allowed);
    environment_name(line, option_out->environment, sizeof option_out->environment);
    if (line->also != NULL) {
        used = strlen(option_out->environment);
        snprintf(option_out->environment + used, sizeof option_out->environment - used, " %s",
                 line->also);
    }
    return KAFSCALE_OK;
}
