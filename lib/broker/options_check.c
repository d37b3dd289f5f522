/* SPDX-License-Identifier: Apache-2.0 */
/* What no single option can show. */
#include "broker/options_table.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void
ks_options_note_problem(const struct ks_logger *logger, struct kafscale_error *first,
                        const struct kafscale_error *problem)
{
    ks_log_fields(logger, KAFSCALE_LOG_ERROR, problem->text, NULL, 0);
    if (first->status == KAFSCALE_OK) {
        *first = *problem;
    }
}

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

/* What is told of the options while they are looked at together. */
struct check {
    const struct kafscale_options *options;
    struct ks_logger logger;
    struct kafscale_error first;
};

static void __attribute__((format(printf, 4, 5)))
refuse(struct check *check, enum kafscale_status status, enum ks_option_name name,
       const char *format, ...)
{
    const char *origin = check->options->values[name].origin;
    struct kafscale_error problem = { .status = status };
    va_list arguments;

    va_start(arguments, format);
    (void) vsnprintf(problem.text, sizeof problem.text, format, arguments);
    va_end(arguments);
    ks_error_wrap(&problem, "option '%s'", ks_option_lines[name].key);
    if (origin != NULL) {
        ks_error_wrap(&problem, "%s", origin);
    }
    ks_options_note_problem(&check->logger, &check->first, &problem);
}

static void
check_s3(struct check *check)
{
    const struct kafscale_options *options = check->options;

    if (!ks_options_store_is_s3(options)) {
        return;
    }
    if (ks_option_text(options, KS_OPTION_s3_bucket)[0] == '\0') {
        refuse(check, KAFSCALE_INVALID, KS_OPTION_s3_bucket, "store=s3 needs one");
    }
    if (uses_signature_2(options) &&
        ks_option_number(options, KS_OPTION_store_single_writer) == 0) {
        refuse(check, KAFSCALE_INVALID, KS_OPTION_s3_signature,
               "v2 has no conditional writes and needs store.single_writer=true");
    }
}

static void
check_together(struct check *check)
{
    const struct kafscale_options *options = check->options;
    size_t advertised_count =
        count_elements(ks_option_text(options, KS_OPTION_advertised_listeners));
    size_t listen_count = count_elements(ks_option_text(options, KS_OPTION_listen));
    struct kafscale_error testing = { 0 };

    if (advertised_count != 0 && advertised_count != listen_count) {
        refuse(check, KAFSCALE_INVALID, KS_OPTION_advertised_listeners,
               "has %zu addresses, but listen has %zu", advertised_count, listen_count);
    }
    if (ks_option_number(options, KS_OPTION_memory_bytes) <
        ks_option_number(options, KS_OPTION_socket_request_max_bytes)) {
        refuse(check, KAFSCALE_INVALID, KS_OPTION_memory_bytes,
               "'%s' is not allowed, it takes at least socket.request.max.bytes, which is %s",
               ks_option_text(options, KS_OPTION_memory_bytes),
               ks_option_text(options, KS_OPTION_socket_request_max_bytes));
    }
    check_s3(check);
    if (ks_options_check_testing(options, &testing) != KAFSCALE_OK) {
        ks_options_note_problem(&check->logger, &check->first, &testing);
    }
}

/* A boolean may be spelled in several ways, so the default is compared by meaning. */
static bool
is_default(const struct kafscale_options *options, enum ks_option_name name)
{
    const struct ks_option_line *line = &ks_option_lines[name];
    int64_t number = 0;

    if (line->kind != KS_KIND_INT64 && line->kind != KS_KIND_BOOL) {
        return strcmp(ks_option_text(options, name), line->default_value) == 0;
    }
    return ks_option_parse(line, line->default_value, &number) &&
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

static void
check_one(struct check *check, enum ks_option_name name)
{
    const struct ks_option_line *line = &ks_option_lines[name];

    if (line->effect == KAFSCALE_OPTION_USED || !ks_option_is_set(check->options, name)) {
        return;
    }
    if (line->effect == KAFSCALE_OPTION_IGNORED) {
        ks_log(&check->logger, KAFSCALE_LOG_WARN, "option has no effect key=%s reason=%s",
               line->key, line->why);
    } else if (!is_default(check->options, name)) {
        refuse(check, KAFSCALE_UNSUPPORTED, name, "%s", line->why);
    }
}

enum kafscale_status
kafscale_options_check(const struct kafscale_options *options, kafscale_log_write *warn, void *arg,
                       struct kafscale_error *error)
{
    struct check check = { .options = options,
                           .logger = { .write = warn, .arg = arg, .level = KAFSCALE_LOG_WARN } };

    for (size_t i = 0; i < KS_OPTION_COUNT; i++) {
        check_one(&check, (enum ks_option_name) i);
    }
    warn_of_stores(options, &check.logger);
    check_together(&check);
    if (check.first.status != KAFSCALE_OK && error != NULL) {
        *error = check.first;
    }
    return check.first.status;
}
