/* SPDX-License-Identifier: Apache-2.0 */
/* The script goes with its test, also when the test puts another in its place. */
#include "unit/s3_fixture.h"

struct s3_script *script;

static void
teardown(void)
{
    s3_script_free(script);
    script = NULL;
}

static void
setup(void)
{
    script = s3_script_new(NULL);
}

TCase *
s3_new_case(Suite *suite, const char *name)
{
    TCase *cases = tcase_create(name);

    tcase_add_checked_fixture(cases, setup, teardown);
    suite_add_tcase(suite, cases);
    return cases;
}

void
s3_setup_as(void (*change)(struct ks_s3_settings *settings))
{
    teardown();
    script = s3_script_new(change);
}

void
s3_answer_status(int status, const char *code)
{
    s3_script_add(script, (struct s3_answer){ .status = status, .code = code });
}

enum kafscale_status
s3_create(const char *key)
{
    return store_client_put_if_absent(&script->client, key, "text");
}

void
s3_expect_request(size_t index, const char *text)
{
    ck_assert_uint_lt(index, script->request_count);
    ck_assert_str_eq(script->requests[index].text, text);
}

void
s3_expect_count(size_t count)
{
    ck_assert_uint_eq(script->request_count, count);
}

int64_t
s3_gap_ms(size_t index)
{
    return script->requests[index + 1].at_ms - script->requests[index].at_ms;
}
