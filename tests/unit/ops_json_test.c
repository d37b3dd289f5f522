/* SPDX-License-Identifier: Apache-2.0 */
/* What is described, as JSON. */
#include "ops/json.h"

#include "support/main.h"

static struct ks_buffer out;
static struct ks_json json;
static struct kafscale_describe describe;

static void
set_up(void)
{
    ks_buffer_init(&out, 1u << 16);
    ks_json_begin(&json, &out, &describe);
}

static void
tear_down(void)
{
    ks_alloc_fail_after(UINT64_MAX);
    ks_buffer_deinit(&out);
}

static const char *
document(void)
{
    ks_json_end(&json);
    ks_buffer_append_u8(&out, '\0');
    ck_assert(!ks_buffer_failed(&out));
    return (const char *) out.data;
}

START_TEST(nothing_is_an_empty_object)
{
    ck_assert_str_eq(document(), "{}\n");
}
END_TEST

START_TEST(values_stand_in_their_order)
{
    ks_describe_text(&describe, "name", "orders");
    ks_describe_number(&describe, "least", INT64_MIN);
    ks_describe_bool(&describe, "is_open", true);
    ks_describe_begin(&describe, "inner");
    ks_describe_bool(&describe, "is_open", false);
    ks_describe_end(&describe);
    ks_describe_begin_list(&describe, "all");
    ks_describe_number(&describe, NULL, 1);
    ks_describe_begin(&describe, NULL);
    ks_describe_end(&describe);
    ks_describe_end(&describe);
    ks_describe_begin_list(&describe, "none");
    ks_describe_end(&describe);
    ck_assert_str_eq(document(), "{\n"
                                 "  \"name\": \"orders\",\n"
                                 "  \"least\": -9223372036854775808,\n"
                                 "  \"is_open\": true,\n"
                                 "  \"inner\": {\n"
                                 "    \"is_open\": false\n"
                                 "  },\n"
                                 "  \"all\": [\n"
                                 "    1,\n"
                                 "    {}\n"
                                 "  ],\n"
                                 "  \"none\": []\n"
                                 "}\n");
}
END_TEST

START_TEST(any_bytes_are_a_text)
{
    ks_describe_text(&describe, "\"", "a\"b\\c\nd\te\x7f\x01");
    ks_describe_text(&describe, "t", "gr\xc3\xbc\xc3\x9f \xff\xc3\xe2\x82 \xed\xa0\x80");
    ck_assert_str_eq(
        document(), "{\n"
                    "  \"\\\"\": \"a\\\"b\\\\c\\nd\\u0009e\\u007f\\u0001\",\n"
                    "  \"t\": \"gr\xc3\xbc\xc3\x9f \xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"
                    " \xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"\n"
                    "}\n");
}
END_TEST

START_TEST(short_memory_is_known_at_the_end)
{
    ks_alloc_fail_after(0);
    for (int i = 0; i < 1000; i++) {
        ks_describe_text(&describe, "name", "a text of some length, again and again");
    }
    ks_json_end(&json);
    ks_alloc_fail_after(UINT64_MAX);
    ck_assert(ks_buffer_failed(&out));
}
END_TEST

Suite *
suite_new(void)
{
    Suite *suite = suite_create("ops json");
    TCase *tests = tcase_create("all");

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, nothing_is_an_empty_object);
    tcase_add_test(tests, values_stand_in_their_order);
    tcase_add_test(tests, any_bytes_are_a_text);
    tcase_add_test(tests, short_memory_is_known_at_the_end);
    suite_add_tcase(suite, tests);
    return suite;
}
