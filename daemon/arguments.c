/* SPDX-License-Identifier: Apache-2.0 */
/* Each option is one line of a table; --name VALUE and --name=VALUE are the same. */
#include "arguments.h"

#include "config_file.h"

#include <kafscale/testing.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* "--" and two letters of a name. */
#define ALIKE_BYTES_MIN 4

struct flag {
    const char *name;
    bool takes_value;
    enum action action; /* of those without a value */
};

static const struct flag flags[] = {
    { "--set", true, ACTION_SERVE },
    { "--config", true, ACTION_SERVE },
    { "--testing", false, ACTION_SERVE },
    { "--check-config", false, ACTION_CHECK_CONFIG },
    { "--help", false, ACTION_HELP },
    { "-h", false, ACTION_HELP },
    { "--help-options", false, ACTION_HELP_OPTIONS },
    { "--version", false, ACTION_VERSION },
    { "-V", false, ACTION_VERSION },
};

static enum kafscale_status
fail(struct kafscale_error *error, enum kafscale_status status, const char *what,
     const char *argument)
{
    error->status = status;
    snprintf(error->text, sizeof error->text, "%s '%.100s' (see kafscaled --help)", what, argument);
    return status;
}

/* The one whose beginning is most like it, if that is enough to tell. */
static const char *
nearest_flag(const char *argument)
{
    const char *nearest = NULL;
    size_t most = ALIKE_BYTES_MIN - 1;

    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
        size_t alike = 0;

        while (argument[alike] != '\0' && argument[alike] == flags[i].name[alike]) {
            alike++;
        }
        if (alike > most) {
            most = alike;
            nearest = flags[i].name;
        }
    }
    return nearest;
}

/* Who knows other daemons tries --flush.interval.ms=5 or --flush-interval-ms. */
static const char *
nearest_key(const char *argument)
{
    char name[64];
    size_t size = strcspn(argument, "=");

    if (strncmp(argument, "--", 2) != 0 || size - 2 >= sizeof name) {
        return NULL;
    }
    memcpy(name, argument + 2, size - 2);
    name[size - 2] = '\0';
    return kafscale_option_nearest(name);
}

static enum kafscale_status
fail_unknown(struct kafscale_error *error, const char *argument)
{
    const char *flag = nearest_flag(argument);
    const char *key = nearest_key(argument);

    error->status = KAFSCALE_INVALID;
    if (key != NULL) {
        /* Without the value, which may be a secret. */
        (void) snprintf(error->text, sizeof error->text,
                        "unknown argument '%.*s', did you mean '--set %s=VALUE'?",
                        (int) strcspn(argument, "="), argument, key);
    } else if (flag != NULL) {
        (void) snprintf(error->text, sizeof error->text,
                        "unknown argument '%.80s', did you mean '%s'?", argument, flag);
    } else {
        return fail(error, KAFSCALE_INVALID, "unknown argument", argument);
    }
    return KAFSCALE_INVALID;
}

static const struct flag *
flag_find(const char *argument)
{
    size_t size = strcspn(argument, "=");

    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
        if (strlen(flags[i].name) == size && strncmp(flags[i].name, argument, size) == 0) {
            return &flags[i];
        }
    }
    return NULL;
}

static enum kafscale_status
take_value(struct arguments *arguments, const struct flag *flag, const char *value,
           struct kafscale_error *error)
{
    if (strcmp(flag->name, "--config") == 0) {
        if (arguments->config_path != NULL) {
            return fail(error, KAFSCALE_INVALID,
                        "there can be one configuration file only, not also", value);
        }
        arguments->config_path = value;
        return KAFSCALE_OK;
    }
    if (strchr(value, '=') == NULL || value[0] == '=') {
        return fail(error, KAFSCALE_INVALID, "--set takes key=value, not", value);
    }
    arguments->settings[arguments->setting_count++] = value;
    return KAFSCALE_OK;
}

enum kafscale_status
arguments_parse(int argc, char *const *argv, struct arguments *arguments,
                struct kafscale_error *error)
{
    *arguments = (struct arguments){ .action = ACTION_SERVE };
    arguments->settings = calloc((size_t) argc + 1, sizeof *arguments->settings);
    if (arguments->settings == NULL) {
        return fail(error, KAFSCALE_NO_MEMORY, "no memory for", "arguments");
    }
    for (int i = 1; i < argc; i++) {
        const struct flag *flag = flag_find(argv[i]);
        const char *value = strchr(argv[i], '=');
        enum kafscale_status status;

        if (flag == NULL) {
            return fail_unknown(error, argv[i]);
        }
        if (!flag->takes_value) {
            if (value != NULL) {
                return fail(error, KAFSCALE_INVALID, "no value is taken by", flag->name);
            }
            if (strcmp(flag->name, "--testing") == 0) {
                arguments->is_testing = true;
            } else {
                arguments->action = flag->action;
            }
            continue;
        }
        if (value == NULL && i + 1 == argc) {
            return fail(error, KAFSCALE_INVALID, "a value is missing after", flag->name);
        }
        status = take_value(arguments, flag, value == NULL ? argv[++i] : value + 1, error);
        if (status != KAFSCALE_OK) {
            return status;
        }
    }
    return KAFSCALE_OK;
}

void
arguments_deinit(struct arguments *arguments)
{
    free(arguments->settings);
    *arguments = (struct arguments){ 0 };
}

/* Other users of the machine can read command lines. */
static bool
is_secret(const char *key)
{
    struct kafscale_option option;

    for (size_t i = 0; kafscale_option_at(i, &option) == KAFSCALE_OK; i++) {
        if (strcmp(option.key, key) == 0) {
            return option.is_secret;
        }
    }
    return false;
}

static enum kafscale_status
set_one(struct kafscale_options *options, const char *setting, struct kafscale_error *error)
{
    const char *equals = strchr(setting, '=');
    char key[128];

    if ((size_t) (equals - setting) >= sizeof key) {
        return fail(error, KAFSCALE_NOT_FOUND, "no such key:", setting);
    }
    memcpy(key, setting, (size_t) (equals - setting));
    key[equals - setting] = '\0';
    if (is_secret(key)) {
        return fail(error, KAFSCALE_INVALID,
                    "secrets belong in the environment or the configuration file:", key);
    }
    return kafscale_options_set_from(options, key, equals + 1, "command line", error);
}

static void
preset_testing(struct kafscale_options *options, struct problems *problems)
{
    struct kafscale_error why = { 0 };
    enum kafscale_status status = kafscale_testing_preset(options, &why);

    if (status == KAFSCALE_OK) {
        status =
            kafscale_options_set_from(options, "metrics.addr", "127.0.0.1:0", "--testing", &why);
    }
    if (status != KAFSCALE_OK) {
        problems_note(problems, &why);
    }
}

enum kafscale_status
arguments_apply(const struct arguments *arguments, char *const *environment,
                struct kafscale_options *options, kafscale_log_write *warn, void *arg,
                struct kafscale_error *error)
{
    struct problems problems = { .warn = warn, .arg = arg };
    struct kafscale_error why = { 0 };

    if (arguments->is_testing) {
        preset_testing(options, &problems);
    }
    if (arguments->config_path != NULL) {
        config_file_apply(arguments->config_path, options, &problems);
    }
    if (kafscale_options_set_environment(options, environment, warn, arg, &why) != KAFSCALE_OK) {
        problems_keep(&problems, &why);
    }
    for (size_t i = 0; i < arguments->setting_count; i++) {
        why = (struct kafscale_error){ 0 };
        if (set_one(options, arguments->settings[i], &why) != KAFSCALE_OK) {
            problems_note(&problems, &why);
        }
    }
    if (problems.first.status != KAFSCALE_OK) {
        *error = problems.first;
    }
    return problems.first.status;
}
