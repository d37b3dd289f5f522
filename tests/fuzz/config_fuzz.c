/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What operators write: a configuration file, a command line, an environment. The first byte of an
 * input says which. Options that were taken must be the same again when they are read from what
 * they are shown as, and whatever follows from them must be in order.
 */
#include "arguments.h"
#include "broker/options.h"
#include "config_file.h"
#include "fuzz/fuzz.h"

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#define TEXTS_MAX 64

/* --- What was taken --------------------------------------------------------------------------- */

static void
demand_same(const struct kafscale_options *a, const struct kafscale_options *b)
{
    struct kafscale_option option;

    for (size_t i = 0; kafscale_option_at(i, &option) == KAFSCALE_OK; i++) {
        const char *text = kafscale_options_get(a, option.key);

        demand(strcmp(text, kafscale_options_get(b, option.key)) == 0);
    }
}

static void
set_again(const struct kafscale_options *options)
{
    struct kafscale_options *again = kafscale_options_new();
    struct kafscale_options *copy = ks_options_copy(options);
    struct kafscale_error error = { 0 };

    demand(again != NULL);
    demand(copy != NULL);
    for (size_t i = 0; i < KS_OPTION_COUNT; i++) {
        struct kafscale_option option;

        demand(kafscale_option_at(i, &option) == KAFSCALE_OK);
        if (ks_option_is_set(options, (enum ks_option_name) i)) {
            const char *text = kafscale_options_get(options, option.key);

            demand(kafscale_options_set(again, option.key, text, &error) == KAFSCALE_OK);
        }
    }
    demand_same(options, copy);
    demand_same(options, again);
    kafscale_options_free(copy);
    kafscale_options_free(again);
}

static void
try_addresses(const struct kafscale_options *options)
{
    struct ks_endpoint listen;

    for (size_t i = 0; ks_options_listen(options, i, &listen); i++) {
        struct ks_endpoint again;
        struct ks_endpoint advertised;
        char text[KS_ENDPOINT_TEXT_BYTES];

        ks_endpoint_format(&listen, text);
        demand(ks_endpoint_parse(ks_slice_of_text(text), &again) == KAFSCALE_OK);
        demand(again.port == listen.port);
        demand(strcmp(again.host, listen.host) == 0);
        ks_options_advertised(options, i, &listen, &advertised);
        demand(advertised.host[0] != '\0');
    }
}

static void
on_warning(void *arg, const struct kafscale_log_event *event)
{
    demand(arg == NULL);
    demand(event->level == KAFSCALE_LOG_WARN || event->level == KAFSCALE_LOG_ERROR);
    demand(event->line[0] != '\0');
}

static void
try_options(const struct kafscale_options *options)
{
    struct kafscale_error error = { 0 };

    set_again(options);
    try_addresses(options);
    demand(ks_options_broker_id(options) >= 0);
    demand(ks_options_log_level(options) <= KAFSCALE_LOG_DEBUG);
    if (kafscale_options_check(options, on_warning, NULL, &error) != KAFSCALE_OK) {
        demand(error.text[0] != '\0');
    }
}

static void
judge(enum kafscale_status status, const struct kafscale_error *error,
      const struct kafscale_options *options)
{
    if (status == KAFSCALE_OK) {
        try_options(options);
    } else {
        demand(error->status == status);
        demand(error->text[0] != '\0');
    }
}

/* --- Where it comes from ---------------------------------------------------------------------- */

/* A file that is in memory only. */
static void
try_file(struct kafscale_slice bytes, struct kafscale_options *options)
{
    struct problems problems = { .warn = on_warning };
    int fd = memfd_create("config", MFD_CLOEXEC);
    char path[64];

    demand(fd >= 0);
    demand(write(fd, bytes.data, bytes.size) == (ssize_t) bytes.size);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    config_file_apply(path, options, &problems);
    close(fd);
    judge(problems.first.status, &problems.first, options);
}

/* The texts between zero bytes; `list_out` ends with NULL. Returns how many there are. */
static size_t
split(char *bytes, size_t size, char *list_out[TEXTS_MAX + 1])
{
    size_t count = 0;

    for (size_t i = 0; i < size && count < TEXTS_MAX; i += strlen(bytes + i) + 1) {
        list_out[count++] = bytes + i;
    }
    list_out[count] = NULL;
    return count;
}

/* A command line that names a configuration file is parsed only: the file would be a real one. */
static void
try_command_line(char *const *list, size_t count, struct kafscale_options *options)
{
    char *const nothing[] = { NULL };
    struct kafscale_error error = { 0 };
    struct arguments arguments = { 0 };
    enum kafscale_status status = arguments_parse((int) count, list, &arguments, &error);

    if (status == KAFSCALE_OK && arguments.config_path == NULL) {
        status = arguments_apply(&arguments, nothing, options, on_warning, NULL, &error);
    }
    judge(status, &error, options);
    arguments_deinit(&arguments);
}

static void
try_environment(char *const *list, struct kafscale_options *options)
{
    struct kafscale_error error = { 0 };
    enum kafscale_status status =
        kafscale_options_set_environment(options, list, on_warning, NULL, &error);

    judge(status, &error, options);
}

static void
try_texts(bool is_environment, struct kafscale_slice bytes, struct kafscale_options *options)
{
    char *list[TEXTS_MAX + 1];
    char *copy = malloc(bytes.size + 1);
    size_t count;

    demand(copy != NULL);
    memcpy(copy, bytes.data, bytes.size);
    copy[bytes.size] = '\0';
    count = split(copy, bytes.size, list);
    if (is_environment) {
        try_environment(list, options);
    } else {
        try_command_line(list, count, options);
    }
    free(copy);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct kafscale_options *options;

    if (size == 0) {
        return 0;
    }
    options = kafscale_options_new();
    demand(options != NULL);
    if (data[0] == 'f') {
        try_file(ks_slice(data + 1, size - 1), options);
    } else {
        try_texts(data[0] == 'e', ks_slice(data + 1, size - 1), options);
    }
    kafscale_options_free(options);
    return 0;
}
