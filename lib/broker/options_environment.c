/* SPDX-License-Identifier: Apache-2.0 */
/* Options as the environment says them, by their own names and by others. */
#include "broker/options_table.h"

#include <stdio.h>
#include <string.h>

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
set_from_environment(struct kafscale_options *options, const struct ks_option_line *line,
                     char *const *environment, struct kafscale_error *error)
{
    char own_name[KAFSCALE_OPTION_TEXT_BYTES];
    const char *names[2] = { own_name, line->also };

    ks_option_environment_name(line, own_name, sizeof own_name);
    for (size_t i = 0; i < 2 && names[i] != NULL; i++) {
        const char *value = environment_find(environment, names[i]);
        char origin[KAFSCALE_OPTION_TEXT_BYTES];
        enum kafscale_status status;

        if (value == NULL) {
            continue;
        }
        (void) snprintf(origin, sizeof origin, "environment variable %s", names[i]);
        status = ks_options_set_line(options, line, value, origin, error);
        if (status != KAFSCALE_OK) {
            ks_error_wrap(error, "%s", origin);
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
        const char *also = ks_option_lines[i].also;

        ks_option_environment_name(&ks_option_lines[i], own_name, sizeof own_name);
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
warn_of_unknown(const char *variable, size_t size, const struct ks_logger *logger)
{
    struct ks_nearest nearest;

    ks_nearest_begin(&nearest, variable + strlen(KS_OPTION_PREFIX),
                     size - strlen(KS_OPTION_PREFIX));
    for (size_t i = 0; i < KS_OPTION_COUNT; i++) {
        ks_nearest_offer(&nearest, ks_option_lines[i].key);
    }
    if (nearest.best == NULL) {
        ks_log(logger, KAFSCALE_LOG_WARN, "environment variable ignored name=%.*s reason=%s",
               (int) size, variable, "unknown name");
    } else {
        ks_log(logger, KAFSCALE_LOG_WARN,
               "environment variable ignored name=%.*s reason=%s nearest_key=%s", (int) size,
               variable, "unknown name", nearest.best);
    }
}

static void
warn_of_variable(const char *variable, const struct ks_logger *logger)
{
    size_t size = strcspn(variable, "=");
    bool is_known = is_known_variable(variable, size);

    if (!is_known && strncmp(variable, KS_OPTION_PREFIX, strlen(KS_OPTION_PREFIX)) != 0) {
        return;
    }
    if (variable[size] == '=' && strncmp(variable + size + 1, "tcp://", 6) == 0) {
        ks_log(logger, KAFSCALE_LOG_WARN, "environment variable ignored name=%.*s reason=%s",
               (int) size, variable, "tcp:// values are injected by Kubernetes");
    } else if (!is_known) {
        warn_of_unknown(variable, size, logger);
    }
}

enum kafscale_status
kafscale_options_set_environment(struct kafscale_options *options, char *const *environment,
                                 kafscale_log_write *warn, void *arg, struct kafscale_error *error)
{
    const struct ks_logger logger = { .write = warn, .arg = arg, .level = KAFSCALE_LOG_WARN };
    struct kafscale_error first = { 0 };

    for (char *const *variable = environment; *variable != NULL; variable++) {
        warn_of_variable(*variable, &logger);
    }
    for (size_t i = 0; i < KS_OPTION_COUNT; i++) {
        struct kafscale_error problem = { 0 };

        if (set_from_environment(options, &ks_option_lines[i], environment, &problem) !=
            KAFSCALE_OK) {
            ks_options_note_problem(&logger, &first, &problem);
        }
    }
    if (first.status != KAFSCALE_OK && error != NULL) {
        *error = first;
    }
    return first.status;
}
