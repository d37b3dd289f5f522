/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command line of kafscaled and its configuration file: what is taken, what is refused and in
 * which words, and what counts before what.
 */
#include "arguments.h"
#include "config_file.h"
#include "support/main.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define COUNT(array) ((int) (sizeof(array) / sizeof *(array)))

struct fixture {
    struct arguments arguments;
    struct kafscale_options *options;
    struct kafscale_error error;
    char path[64];
    unsigned warning_count;
    unsigned problem_count;
};

static struct fixture *
fixture_new(void)
{
    struct fixture *f = calloc(1, sizeof *f);

    ck_assert_ptr_nonnull(f);
    f->options = kafscale_options_new();
    return f;
}

static void
fixture_free(struct fixture *f)
{
    if (f->path[0] != '\0') {
        unlink(f->path);
    }
    arguments_deinit(&f->arguments);
    kafscale_options_free(f->options);
    free(f);
}

static void
on_warning(void *arg, const struct kafscale_log_event *event)
{
    struct fixture *f = arg;

    ck_assert(event->line[0] != '\0');
    if (event->level == KAFSCALE_LOG_ERROR) {
        f->problem_count++;
        return;
    }
    ck_assert_int_eq(event->level, KAFSCALE_LOG_WARN);
    f->warning_count++;
}

static void
write_config(struct fixture *f, const char *text, size_t size)
{
    int fd;

    snprintf(f->path, sizeof f->path, "/tmp/kafscaled-config-XXXXXX");
    fd = mkstemp(f->path);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq((int) write(fd, text, size), (int) size);
    close(fd);
}

static enum kafscale_status
parse(struct fixture *f, int count, const char *const *words)
{
    char *argv[16];

    ck_assert_int_lt(count, 16);
    for (int i = 0; i < count; i++) {
        argv[i] = (char *) (uintptr_t) words[i];
    }
    return arguments_parse(count, argv, &f->arguments, &f->error);
}

static enum kafscale_status
apply(struct fixture *f, char *const *environment)
{
    return arguments_apply(&f->arguments, environment, f->options, on_warning, f, &f->error);
}

static enum kafscale_status
apply_file(struct fixture *f, const char *path)
{
    struct problems problems = { .warn = on_warning, .arg = f };

    config_file_apply(path, f->options, &problems);
    f->error = problems.first;
    return f->error.status;
}

static void
expect_value(const struct fixture *f, const char *key, const char *value)
{
    ck_assert_str_eq(kafscale_options_get(f->options, key), value);
}

static void
expect_text(const struct fixture *f, const char *part)
{
    ck_assert_int_ne(f->error.status, KAFSCALE_OK);
    ck_assert_msg(strstr(f->error.text, part) != NULL, "'%s' lacks '%s'", f->error.text, part);
}

START_TEST(no_argument_means_to_serve_with_the_defaults)
{
    struct fixture *f = fixture_new();
    const char *const words[] = { "kafscaled" };
    char *environment[] = { NULL };

    ck_assert_int_eq(parse(f, COUNT(words), words), KAFSCALE_OK);
    ck_assert_int_eq(f->arguments.action, ACTION_SERVE);
    ck_assert_int_eq(apply(f, environment), KAFSCALE_OK);
    expect_value(f, "listen", "127.0.0.1:9092");
    expect_value(f, "store", "dir:kafscale-data");
    fixture_free(f);
}
END_TEST

/* What is said for certain counts more than what is good for tests. */
START_TEST(testing_is_a_default_that_can_be_changed)
{
    struct fixture *f = fixture_new();
    const char *const words[] = { "kafscaled", "--set", "store=dir:here", "--testing" };
    char *environment[] = { (char *) (uintptr_t) "KAFSCALE_METRICS_ADDR=127.0.0.1:4", NULL };

    ck_assert_int_eq(parse(f, COUNT(words), words), KAFSCALE_OK);
    ck_assert_int_eq(f->arguments.action, ACTION_SERVE);
    ck_assert_int_eq(apply(f, environment), KAFSCALE_OK);
    expect_value(f, "testing.enabled", "true");
    expect_value(f, "listen", "127.0.0.1:0");
    expect_value(f, "store", "dir:here");
    expect_value(f, "metrics.addr", "127.0.0.1:4");
    ck_assert_int_eq(kafscale_options_set(f->options, "metrics.addr", ":4", NULL), KAFSCALE_OK);
    ck_assert_int_eq(kafscale_options_check(f->options, NULL, NULL, NULL), KAFSCALE_INVALID);
    fixture_free(f);
}
END_TEST

START_TEST(each_action_has_its_word)
{
    static const struct {
        const char *word;
        enum action action;
    } actions[] = { { "--help", ACTION_HELP },
                    { "-h", ACTION_HELP },
                    { "--help-options", ACTION_HELP_OPTIONS },
                    { "--version", ACTION_VERSION },
                    { "-V", ACTION_VERSION },
                    { "--check-config", ACTION_CHECK_CONFIG } };

    for (int i = 0; i < COUNT(actions); i++) {
        struct fixture *f = fixture_new();
        const char *const words[] = { "kafscaled", actions[i].word };

        ck_assert_int_eq(parse(f, COUNT(words), words), KAFSCALE_OK);
        ck_assert_int_eq(f->arguments.action, actions[i].action);
        fixture_free(f);
    }
}
END_TEST

START_TEST(what_cannot_be_understood_is_an_error_that_names_it)
{
    static const char *const lines[][3] = {
        { "--port", "9092", "--port" },        { "serve", "x", "serve" },
        { "--set", "listen", "'listen'" },     { "--set", "=x", "'=x'" },
        { "--help=1", "--help", "--help" },    { "--version", "--set", "--set" },
        { "--config=a", "--config=b", "'b'" }, { "--config=a", "--set=x", "'x'" },
    };

    for (int i = 0; i < COUNT(lines); i++) {
        struct fixture *f = fixture_new();
        const char *const words[] = { "kafscaled", lines[i][0], lines[i][1] };

        ck_assert_int_eq(parse(f, COUNT(words), words), KAFSCALE_INVALID);
        expect_text(f, lines[i][2]);
        fixture_free(f);
    }
}
END_TEST

START_TEST(an_argument_that_nobody_knows_is_answered_with_what_was_meant)
{
    static const char *const lines[][2] = {
        { "--chekc-config", "did you mean '--check-config'?" },
        { "--hepl", "did you mean '--help'?" },
        { "--confg=x", "did you mean '--config'?" },
        { "--listen=:1", "did you mean '--set listen=VALUE'?" },
        { "--flush-interval-ms", "did you mean '--set flush.interval.ms=VALUE'?" },
        { "--s3.secret.key=hunter2", "'--s3.secret.key', did you mean '--set s3.secret.key=" },
        { "--xyz", "(see kafscaled --help)" },
        { "--", "(see kafscaled --help)" },
        { "-", "(see kafscaled --help)" },
        { "", "(see kafscaled --help)" },
    };

    for (int i = 0; i < COUNT(lines); i++) {
        struct fixture *f = fixture_new();
        const char *const words[] = { "kafscaled", lines[i][0] };

        ck_assert_int_eq(parse(f, COUNT(words), words), KAFSCALE_INVALID);
        expect_text(f, lines[i][1]);
        ck_assert_ptr_null(strstr(f->error.text, "hunter2"));
        fixture_free(f);
    }
}
END_TEST

/* Whoever corrects a configuration wants to do so once. */
START_TEST(all_that_is_wrong_is_told_and_the_first_of_it_is_the_reason)
{
    static const char config[] = "num.partitions=0\nflush.bytes=100001\nno.such=1\nwhat\n";
    struct fixture *f = fixture_new();
    char *environment[] = { "KAFSCALE_CACHE_BYTES=x", "KAFSCALE_TOPICS_MAX=y", NULL };
    const char *words[] = { "kafscaled", "--config", f->path, "--set=log.level=loud",
                            "--set=num.partitions=7" };

    write_config(f, config, sizeof config - 1);
    ck_assert_int_eq(parse(f, COUNT(words), words), KAFSCALE_OK);
    ck_assert_int_eq(apply(f, environment), KAFSCALE_INVALID);
    ck_assert_uint_eq(f->problem_count, 6);
    expect_text(f, "line 1: option 'num.partitions'");
    expect_value(f, "flush.bytes", "100001");
    expect_value(f, "num.partitions", "7");
    fixture_free(f);
}
END_TEST

START_TEST(it_is_known_where_each_value_is_from)
{
    static const char config[] = "num.partitions=2\nflush.bytes=100001\n";
    struct fixture *f = fixture_new();
    char *environment[] = { "KAFSCALE_CACHE_SIZE=5", NULL };
    const char *words[] = { "kafscaled", "--config", f->path, "--set=num.partitions=7" };

    write_config(f, config, sizeof config - 1);
    ck_assert_int_eq(parse(f, COUNT(words), words), KAFSCALE_OK);
    ck_assert_int_eq(apply(f, environment), KAFSCALE_OK);
    ck_assert_str_eq(kafscale_options_origin(f->options, "num.partitions"), "command line");
    ck_assert_str_eq(kafscale_options_origin(f->options, "cache.bytes"),
                     "environment variable KAFSCALE_CACHE_SIZE");
    ck_assert_ptr_nonnull(strstr(kafscale_options_origin(f->options, "flush.bytes"), "line 2"));
    ck_assert_ptr_null(kafscale_options_origin(f->options, "listen"));
    ck_assert_ptr_null(kafscale_options_origin(f->options, "no.such"));
    fixture_free(f);
}
END_TEST

START_TEST(the_command_line_counts_before_the_environment_and_that_before_the_file)
{
    static const char config[] =
        "num.partitions=1\nflush.bytes=100001\nflush.interval.ms=1\ncache.bytes=1\n";
    struct fixture *f = fixture_new();
    char *environment[] = { "KAFSCALE_FLUSH_BYTES=100002", "KAFSCALE_FLUSH_INTERVAL_MS=2", NULL };
    const char *words[] = { "kafscaled",          "--set", "flush.interval.ms=3",
                            "--config",           f->path, "--set=cache.bytes=3",
                            "--set=cache.bytes=4" };

    write_config(f, config, sizeof config - 1);
    ck_assert_int_eq(parse(f, COUNT(words), words), KAFSCALE_OK);
    ck_assert_int_eq(apply(f, environment), KAFSCALE_OK);
    expect_value(f, "num.partitions", "1");
    expect_value(f, "flush.bytes", "100002");
    expect_value(f, "flush.interval.ms", "3");
    expect_value(f, "cache.bytes", "4");
    expect_value(f, "message.max.bytes", "1048588");
    fixture_free(f);
}
END_TEST

START_TEST(a_bad_setting_is_an_error_with_key_value_and_range)
{
    struct fixture *f = fixture_new();
    const char *const words[] = { "kafscaled", "--set=num.partitions=0" };
    char *environment[] = { NULL };

    ck_assert_int_eq(parse(f, COUNT(words), words), KAFSCALE_OK);
    ck_assert_int_eq(apply(f, environment), KAFSCALE_INVALID);
    expect_text(f, "num.partitions");
    expect_text(f, "'0'");
    expect_text(f, "from 1 to 10000");
    fixture_free(f);
}
END_TEST

START_TEST(an_unknown_key_is_an_error_here_but_a_warning_in_the_environment)
{
    struct fixture *f = fixture_new();
    const char *const words[] = { "kafscaled", "--set=num.partition=1" };
    char *environment[] = { "KAFSCALE_NUM_PARTITION=1", NULL };

    ck_assert_int_eq(parse(f, COUNT(words), words), KAFSCALE_OK);
    ck_assert_int_eq(apply(f, environment), KAFSCALE_NOT_FOUND);
    expect_text(f, "num.partition");
    ck_assert_uint_eq(f->warning_count, 1);
    fixture_free(f);
}
END_TEST

START_TEST(secrets_are_not_taken_from_the_command_line)
{
    struct fixture *f = fixture_new();
    const char *const words[] = { "kafscaled", "--set=s3.secret.key=hunter2" };
    char *environment[] = { NULL };

    ck_assert_int_eq(parse(f, COUNT(words), words), KAFSCALE_OK);
    ck_assert_int_eq(apply(f, environment), KAFSCALE_INVALID);
    expect_text(f, "s3.secret.key");
    ck_assert_ptr_null(strstr(f->error.text, "hunter2"));
    fixture_free(f);
}
END_TEST

/* --- The file --------------------------------------------------------------------------------- */

START_TEST(a_file_has_comments_spaces_and_values_with_equals_signs)
{
    static const char config[] = "# a comment\n\n! another\r\n  num.partitions =  4  \r\n"
                                 "broker.host=a=b\nnum.partitions=5\npod.name=last";
    struct fixture *f = fixture_new();

    write_config(f, config, sizeof config - 1);
    ck_assert_int_eq(apply_file(f, f->path), KAFSCALE_OK);
    expect_value(f, "num.partitions", "5");
    expect_value(f, "broker.host", "a=b");
    expect_value(f, "pod.name", "last");
    fixture_free(f);
}
END_TEST

START_TEST(a_bad_line_is_named_with_its_file_and_number)
{
    static const char *const configs[] = { "\nnum.partitions\n", "\nnum.partitions=x\n",
                                           "\nno.such.key=1\n", "\n=1\n" };
    static const char *const parts[] = { "not key=value", "'x' is not allowed", "no such key",
                                         "no such key" };

    for (int i = 0; i < COUNT(configs); i++) {
        struct fixture *f = fixture_new();

        write_config(f, configs[i], strlen(configs[i]));
        ck_assert_int_ne(apply_file(f, f->path), KAFSCALE_OK);
        expect_text(f, f->path);
        expect_text(f, "line 2");
        expect_text(f, parts[i]);
        fixture_free(f);
    }
}
END_TEST

START_TEST(a_line_of_any_length_is_answered)
{
    struct fixture *f = fixture_new();
    char *config = malloc(10000);

    memset(config, 'x', 10000);
    write_config(f, config, 10000);
    ck_assert_int_eq(apply_file(f, f->path), KAFSCALE_TOO_LARGE);
    expect_text(f, "line 1");
    free(config);
    fixture_free(f);
}
END_TEST

/* Cut at the zero byte the first line would set an option. */
START_TEST(a_file_that_is_no_text_is_refused)
{
    static const struct {
        const char *bytes;
        size_t size;
    } files[] = { { "num.partitions=3\0x\n", 19 },
                  { "\x7f"
                    "ELF\2\1\1",
                    7 },
                  { "a\033[2J=1\n", 8 } };

    for (int i = 0; i < COUNT(files); i++) {
        struct fixture *f = fixture_new();

        write_config(f, files[i].bytes, files[i].size);
        ck_assert_int_eq(apply_file(f, f->path), KAFSCALE_INVALID);
        expect_text(f, "line 1: this is no text file");
        expect_value(f, "num.partitions", "1");
        fixture_free(f);
    }
}
END_TEST

/* As when a log is named by mistake. */
START_TEST(a_file_of_which_nothing_can_be_used_is_given_up)
{
    struct fixture *f = fixture_new();
    char config[4000];

    for (size_t i = 0; i < sizeof config; i += 2) {
        memcpy(config + i, "x\n", 2);
    }
    write_config(f, config, sizeof config);
    ck_assert_int_eq(apply_file(f, f->path), KAFSCALE_INVALID);
    ck_assert_uint_lt(f->problem_count, 30);
    fixture_free(f);
}
END_TEST

START_TEST(a_file_that_cannot_be_read_is_an_error)
{
    struct fixture *f = fixture_new();

    ck_assert_int_eq(apply_file(f, "/nonexistent/kafscale"), KAFSCALE_IO);
    expect_text(f, "/nonexistent/kafscale");
    f->error = (struct kafscale_error){ 0 };
    ck_assert_int_eq(apply_file(f, "/tmp"), KAFSCALE_IO);
    fixture_free(f);
}
END_TEST

Suite *
suite_new(void)
{
    Suite *suite = suite_create("daemon arguments");
    TCase *line = tcase_create("command line");
    TCase *file = tcase_create("file");

    tcase_add_test(line, no_argument_means_to_serve_with_the_defaults);
    tcase_add_test(line, testing_is_a_default_that_can_be_changed);
    tcase_add_test(line, each_action_has_its_word);
    tcase_add_test(line, what_cannot_be_understood_is_an_error_that_names_it);
    tcase_add_test(line, an_argument_that_nobody_knows_is_answered_with_what_was_meant);
    tcase_add_test(line, all_that_is_wrong_is_told_and_the_first_of_it_is_the_reason);
    tcase_add_test(line, it_is_known_where_each_value_is_from);
    tcase_add_test(line, the_command_line_counts_before_the_environment_and_that_before_the_file);
    tcase_add_test(line, a_bad_setting_is_an_error_with_key_value_and_range);
    tcase_add_test(line, an_unknown_key_is_an_error_here_but_a_warning_in_the_environment);
    tcase_add_test(line, secrets_are_not_taken_from_the_command_line);
    tcase_add_test(file, a_file_has_comments_spaces_and_values_with_equals_signs);
    tcase_add_test(file, a_bad_line_is_named_with_its_file_and_number);
    tcase_add_test(file, a_line_of_any_length_is_answered);
    tcase_add_test(file, a_file_that_is_no_text_is_refused);
    tcase_add_test(file, a_file_of_which_nothing_can_be_used_is_given_up);
    tcase_add_test(file, a_file_that_cannot_be_read_is_an_error);
    suite_add_tcase(suite, line);
    suite_add_tcase(suite, file);
    return suite;
}
