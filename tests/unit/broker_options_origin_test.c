/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What somebody is told who has to correct a configuration: all of it, where it is, and what was
 * meant.
 */
#include "broker/options.h"
#include "support/main.h"

#include <string.h>

static void
set(struct kafscale_options *options, const char *key, const char *value)
{
    ck_assert_int_eq(kafscale_options_set(options, key, value, NULL), KAFSCALE_OK);
}

static void
count_problem(void *arg, const struct kafscale_log_event *event)
{
    int *count = arg;

    *count += event->level == KAFSCALE_LOG_ERROR;
}

START_TEST(a_key_that_is_none_is_answered_with_the_nearest_one)
{
    static const char *const names[][2] = {
        { "lisen", "listen" },
        { "listeners", "listen" },
        { "Num.Partition", "num.partitions" },
        { "num_partitions", "num.partitions" },
        { "log-retention-hour", "log.retention.hours" },
        { "auto.create.topic.enable", "auto.create.topics.enable" },
        { "zookeeper.connect", NULL },
        { "port", NULL },
        { "x", NULL },
        { "", NULL },
    };
    char longest[400];

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *nearest = kafscale_option_nearest(names[i][0]);

        if (names[i][1] == NULL) {
            ck_assert_msg(nearest == NULL, "%s: %s", names[i][0], nearest);
        } else {
            ck_assert_str_eq(nearest, names[i][1]);
        }
    }
    memset(longest, 'n', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    ck_assert_ptr_null(kafscale_option_nearest(longest));
}
END_TEST

START_TEST(all_that_is_wrong_with_the_whole_is_told_with_its_origin)
{
    struct kafscale_options *options = kafscale_options_new();
    int problem_count = 0;
    struct kafscale_error error = { 0 };

    set(options, "store", "s3");
    set(options, "s3.signature", "v2");
    ck_assert_int_eq(
        kafscale_options_set_from(options, "memory.bytes", "5000000", "a file, line 7", NULL),
        KAFSCALE_OK);
    ck_assert_int_eq(kafscale_options_set_from(options, "acl.enabled", "true", "somewhere", NULL),
                     KAFSCALE_OK);
    ck_assert_int_eq(kafscale_options_check(options, count_problem, &problem_count, &error),
                     KAFSCALE_UNSUPPORTED);
    ck_assert_str_eq(error.text, "somewhere: option 'acl.enabled': access control is not part of "
                                 "this version");
    ck_assert_int_eq(problem_count, 4);
    set(options, "acl.enabled", "false");
    ck_assert_int_eq(kafscale_options_check(options, NULL, NULL, &error), KAFSCALE_INVALID);
    ck_assert_msg(strstr(error.text, "a file, line 7: option 'memory.bytes'") == error.text, "%s",
                  error.text);
    kafscale_options_free(options);
}
END_TEST

Suite *
suite_new(void)
{
    Suite *suite = suite_create("options and their origins");
    TCase *origins = tcase_create("origins");

    tcase_add_test(origins, a_key_that_is_none_is_answered_with_the_nearest_one);
    tcase_add_test(origins, all_that_is_wrong_with_the_whole_is_told_with_its_origin);
    suite_add_tcase(suite, origins);
    return suite;
}
