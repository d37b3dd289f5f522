/* SPDX-License-Identifier: Apache-2.0 */
/* What a line of the log can't contain, and which lines are left out. */
#include "base/base.h"
#include "support/main.h"

#include <stdio.h>
#include <stdlib.h>

struct lines {
    int count;
    char last[2048];
};

static void
note_line(void *arg, enum kafscale_log_level level, const char *line)
{
    struct lines *lines = arg;

    (void) level;
    lines->count++;
    (void) snprintf(lines->last, sizeof lines->last, "%s", line);
}

START_TEST(what_clients_send_makes_no_lines_and_speaks_to_no_terminal)
{
    struct lines lines = { 0 };
    struct ks_logger logger = { .write = note_line, .arg = &lines, .level = KAFSCALE_LOG_INFO };

    ks_log(&logger, KAFSCALE_LOG_INFO, "client=%s", "a\nerror b\033[2J\x7f\xc3\xa9");
    ck_assert_int_eq(lines.count, 1);
    ck_assert_str_eq(lines.last, "client=a?error b?[2J?\xc3\xa9");
}
END_TEST

START_TEST(lines_below_the_level_are_left_out_and_long_ones_cut)
{
    struct lines lines = { 0 };
    struct ks_logger logger = { .write = note_line, .arg = &lines, .level = KAFSCALE_LOG_WARN };

    ks_log(&logger, KAFSCALE_LOG_INFO, "unheard");
    ck_assert_int_eq(lines.count, 0);
    ks_log(&logger, KAFSCALE_LOG_ERROR, "%2000d", 1);
    ck_assert_int_eq(lines.count, 1);
    ck_assert_uint_eq(strlen(lines.last), 1023);
}
END_TEST

Suite *
suite_new(void)
{
    Suite *suite = suite_create("logger");
    TCase *lines = tcase_create("lines");

    tcase_add_test(lines, what_clients_send_makes_no_lines_and_speaks_to_no_terminal);
    tcase_add_test(lines, lines_below_the_level_are_left_out_and_long_ones_cut);
    suite_add_tcase(suite, lines);
    return suite;
}
