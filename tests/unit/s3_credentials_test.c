/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where keys come from, and how they are renewed: the environment is a table, files are real and
 * small, services are answers written here.
 */
#include "store/s3/credentials.h"
#include "store/s3/credentials_source.h"
#include "store/s3/json.h"
#include "support/main.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define NOW_S 1790000000 /* 2026-09-21T14:13:20Z */

static struct ks_s3_field variables[8];
static size_t variable_count;
static struct ks_s3_credentials_options options;
static struct ks_s3_credentials *credentials;
static struct ks_s3_credentials_request request;
static struct kafscale_error error;
static char folder[64];
static int64_t now_ms;

static const char *
find_variable(void *arg, const char *name)
{
    (void) arg;
    for (size_t i = 0; i < variable_count; i++) {
        if (strcmp(variables[i].name, name) == 0) {
            return variables[i].value;
        }
    }
    return NULL;
}

static void
set_variable(const char *name, const char *value)
{
    variables[variable_count++] = (struct ks_s3_field){ name, value };
}

static void
set_up(void)
{
    variable_count = 0;
    options = (struct ks_s3_credentials_options){ .region = "eu-central-1",
                                                  .find_variable = find_variable };
    credentials = NULL;
    error = (struct kafscale_error){ 0 };
    now_ms = 1000;
    snprintf(folder, sizeof folder, "/tmp/s3-credentials-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
}

static void
tear_down(void)
{
    char command[128];

    ks_s3_credentials_free(credentials);
    snprintf(command, sizeof command, "rm -r %s", folder);
    ck_assert_int_eq(system(command), 0);
}

/* The path of a file in the test's folder, with this text; valid until the next one. */
static const char *
write_file(const char *name, const char *text)
{
    static char path[128];
    FILE *file;

    snprintf(path, sizeof path, "%s/%s", folder, name);
    file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_ge(fputs(text, file), 0);
    ck_assert_int_eq(fclose(file), 0);
    return path;
}

static void
start(const char *source)
{
    ck_assert_int_eq(ks_s3_credentials_new(&options, &credentials, &error), KAFSCALE_OK);
    ck_assert_str_eq(ks_s3_credentials_source(credentials), source);
}

static void
expect_refused(const char *part)
{
    ck_assert_int_eq(ks_s3_credentials_new(&options, &credentials, &error), KAFSCALE_INVALID);
    ck_assert_ptr_nonnull(strstr(error.text, part));
}

static enum ks_s3_credentials_step
step(int64_t wall_s)
{
    error = (struct kafscale_error){ 0 };
    return ks_s3_credentials_step(credentials, now_ms, wall_s, &request, &error);
}

/* The next request must be this one; it is answered so. */
static void
exchange(int64_t wall_s, const char *method, const char *url, int status, const char *answer)
{
    ck_assert_int_eq(step(wall_s), KS_S3_CREDENTIALS_REQUEST);
    ck_assert_str_eq(request.method, method);
    ck_assert_str_eq(request.url, url);
    ck_assert_int_eq(step(wall_s), KS_S3_CREDENTIALS_IDLE);
    ks_s3_credentials_take(credentials, status, ks_slice_of_text(answer), now_ms, wall_s, &error);
}

static void
expect_keys(int64_t wall_s, const char *access_key, const char *secret_key, const char *token)
{
    const struct ks_s3_keys *keys = ks_s3_credentials_keys(credentials, wall_s);

    ck_assert_ptr_nonnull(keys);
    ck_assert_str_eq(keys->access_key, access_key);
    ck_assert_str_eq(keys->secret_key, secret_key);
    if (token == NULL) {
        ck_assert_ptr_null(keys->session_token);
    } else {
        ck_assert_str_eq(keys->session_token, token);
    }
}

/* --- The order ------------------------------------------------------------------------------- */

START_TEST(options_come_before_the_environment)
{
    set_variable("AWS_ACCESS_KEY_ID", "other");
    set_variable("AWS_SECRET_ACCESS_KEY", "other");
    options.access_key = "A";
    options.secret_key = "S";

    start("options");
    expect_keys(NOW_S, "A", "S", NULL);
    ck_assert_int_eq(step(NOW_S), KS_S3_CREDENTIALS_IDLE);
    ck_assert(!ks_s3_credentials_refuse(credentials, 1));
    ck_assert_int_eq(ks_s3_credentials_due_ms(credentials, now_ms, NOW_S), INT64_MAX);
}
END_TEST

START_TEST(environment_comes_before_all_services)
{
    set_variable("AWS_ACCESS_KEY_ID", "A");
    set_variable("AWS_SECRET_ACCESS_KEY", "S");
    set_variable("AWS_SESSION_TOKEN", "T");
    set_variable("AWS_WEB_IDENTITY_TOKEN_FILE", "/nowhere");
    set_variable("AWS_ROLE_ARN", "arn");

    start("environment");
    expect_keys(NOW_S, "A", "S", "T");
}
END_TEST

static const struct broken_settings {
    struct ks_s3_field variables[2];
    const char *access_key;
    const char *session_token;
    const char *part;
} broken_settings[] = {
    { { { NULL, NULL } }, "A", NULL, "one is missing" },
    { { { NULL, NULL } }, NULL, "T", "session token" },
    { { { "AWS_ACCESS_KEY_ID", "A" } }, NULL, NULL, "AWS_SECRET_ACCESS_KEY" },
    { { { "AWS_WEB_IDENTITY_TOKEN_FILE", "/f" } }, NULL, NULL, "AWS_ROLE_ARN" },
    { { { "AWS_PROFILE", "p" } }, NULL, NULL, "a profile, and no home" },
    { { { "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "x" } }, NULL, NULL, "RELATIVE_URI" },
    { { { "AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://192.0.2.1/" } }, NULL, NULL, "FULL_URI" },
    { { { "AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1.example/" } },
      NULL,
      NULL,
      "FULL_URI" },
    { { { "AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://localhost:1@example/" } },
      NULL,
      NULL,
      "FULL_URI" },
    { { { "AWS_EC2_METADATA_DISABLED", "TRUE" } }, NULL, NULL, "none in options" },
};

START_TEST(half_a_setting_is_an_error_that_names_it)
{
    const struct broken_settings *broken = &broken_settings[_i];

    options.access_key = broken->access_key;
    options.session_token = broken->session_token;
    if (broken->variables[0].name != NULL) {
        set_variable(broken->variables[0].name, broken->variables[0].value);
    }
    expect_refused(broken->part);
}
END_TEST

/* --- The shared file ------------------------------------------------------------------------- */

#define SHARED_FILE                                           \
    "# keys\n[default]\naws_access_key_id=A0\n"               \
    "aws_secret_access_key = S0\n\n[ other ]\r\n"             \
    "AWS_Access_Key_ID = A1\r\naws_secret_access_key=S=1/+\n" \
    "s3 =\n  aws_access_key_id = nested\n; no\nnonsense\n"    \
    "aws_session_token = T1\n[empty]\naws_access_key_id = A-2\n"

START_TEST(shared_file_is_read_by_profile)
{
    set_variable("AWS_SHARED_CREDENTIALS_FILE", write_file("credentials", SHARED_FILE));
    start("shared credentials file");
    ck_assert_int_eq(step(NOW_S), KS_S3_CREDENTIALS_IDLE);
    expect_keys(NOW_S, "A0", "S0", NULL);
    ks_s3_credentials_free(credentials);

    set_variable("AWS_ACCESS_KEY_ID", "not looked at");
    options.profile = "other";
    start("shared credentials file");
    ck_assert_int_eq(step(NOW_S), KS_S3_CREDENTIALS_IDLE);
    expect_keys(NOW_S, "A1", "S=1/+", "T1");
}
END_TEST

START_TEST(home_has_the_shared_file_and_without_its_profile_the_next_place_is_tried)
{
    char path[128];

    snprintf(path, sizeof path, "%s/.aws", folder);
    ck_assert_int_eq(mkdir(path, 0700), 0);
    write_file(".aws/credentials", "[other]\naws_access_key_id=A\naws_secret_access_key=S\n");
    set_variable("HOME", folder);
    start("instance metadata");
    ks_s3_credentials_free(credentials);

    set_variable("AWS_PROFILE", "other");
    start("shared credentials file");
    ck_assert_int_eq(step(NOW_S), KS_S3_CREDENTIALS_IDLE);
    expect_keys(NOW_S, "A", "S", NULL);
}
END_TEST

START_TEST(shared_file_without_the_asked_profile_is_told_and_read_again)
{
    options.profile = "empty";
    set_variable("AWS_SHARED_CREDENTIALS_FILE", write_file("credentials", SHARED_FILE));
    start("shared credentials file");
    ck_assert_int_eq(step(NOW_S), KS_S3_CREDENTIALS_IDLE);
    ck_assert_int_eq(error.status, KAFSCALE_NOT_FOUND);
    ck_assert_ptr_nonnull(strstr(error.text, "no keys of profile 'empty'"));
    ck_assert_ptr_null(strstr(error.text, "A-2"));
    ck_assert_ptr_null(ks_s3_credentials_keys(credentials, NOW_S));

    write_file("credentials", "[empty]\naws_access_key_id = A3\naws_secret_access_key = S3\n");
    ck_assert_int_eq(step(NOW_S), KS_S3_CREDENTIALS_IDLE);
    ck_assert_ptr_null(ks_s3_credentials_keys(credentials, NOW_S));
    now_ms = ks_s3_credentials_due_ms(credentials, now_ms, NOW_S);
    step(NOW_S);
    expect_keys(NOW_S, "A3", "S3", NULL);
}
END_TEST

/* Programs that rotate keys write the file anew; the store's refusal is what tells. */
START_TEST(refused_keys_of_a_file_are_read_again_but_not_without_end)
{
    set_variable("AWS_SHARED_CREDENTIALS_FILE", write_file("credentials", SHARED_FILE));
    start("shared credentials file");
    step(NOW_S);
    ck_assert_uint_eq(ks_s3_credentials_generation(credentials), 1);

    ck_assert(ks_s3_credentials_refuse(credentials, 1));
    ck_assert_ptr_null(ks_s3_credentials_keys(credentials, NOW_S));
    step(NOW_S);
    ck_assert_uint_eq(ks_s3_credentials_generation(credentials), 1);
    now_ms = ks_s3_credentials_due_ms(credentials, now_ms, NOW_S);
    step(NOW_S);
    ck_assert_uint_eq(ks_s3_credentials_generation(credentials), 2);
    expect_keys(NOW_S, "A0", "S0", NULL);

    /* A late refusal of the first keys says nothing about the second. */
    ck_assert(ks_s3_credentials_refuse(credentials, 1));
    expect_keys(NOW_S, "A0", "S0", NULL);
}
END_TEST

START_TEST(file_that_is_no_file_or_too_large_is_told)
{
    struct ks_buffer large;

    set_variable("AWS_SHARED_CREDENTIALS_FILE", "/dev/zero");
    options.profile = "default";
    start("shared credentials file");
    step(NOW_S);
    ck_assert_int_eq(error.status, KAFSCALE_IO);
    ks_s3_credentials_free(credentials);

    ks_buffer_init(&large, SIZE_MAX);
    memset(ks_buffer_extend(&large, KS_S3_SHARED_FILE_BYTES_MAX + 1), '#',
           KS_S3_SHARED_FILE_BYTES_MAX + 1);
    ks_buffer_append(&large, "", 1);
    variable_count = 0;
    set_variable("AWS_SHARED_CREDENTIALS_FILE",
                 write_file("credentials", (const char *) large.data));
    start("shared credentials file");
    step(NOW_S);
    ck_assert_int_eq(error.status, KAFSCALE_CORRUPT);
    ks_buffer_deinit(&large);
}
END_TEST

/* --- Web identity ---------------------------------------------------------------------------- */

#define ROLE_ANSWER(key, time)                                                                \
    "<AssumeRoleWithWebIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">" \
    "<AssumeRoleWithWebIdentityResult><AssumedRoleUser><Arn>a</Arn></AssumedRoleUser>"        \
    "<Credentials><AccessKeyId>" key "</AccessKeyId><SecretAccessKey>S</SecretAccessKey>"     \
    "<SessionToken>T</SessionToken><Expiration>" time "</Expiration></Credentials>"           \
    "</AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>"

static void
start_web_identity(const char *endpoint)
{
    set_variable("AWS_WEB_IDENTITY_TOKEN_FILE", write_file("token", " to+ken \n"));
    set_variable("AWS_ROLE_ARN", "arn:aws:iam::1:role/r");
    if (endpoint != NULL) {
        set_variable("AWS_ENDPOINT_URL_STS", endpoint);
    }
    start("web identity");
}

START_TEST(web_identity_is_changed_for_keys_and_renewed_before_they_end)
{
    start_web_identity(NULL);
    ck_assert_ptr_null(ks_s3_credentials_keys(credentials, NOW_S));
    exchange(NOW_S, "POST", "https://sts.eu-central-1.amazonaws.com/", 200,
             ROLE_ANSWER("A1", "2026-09-21T15:13:20Z"));
    expect_keys(NOW_S, "A1", "S", "T");
    ck_assert_int_eq(ks_s3_credentials_due_ms(credentials, now_ms, NOW_S), now_ms + 3300 * 1000);
    ck_assert_int_eq(step(NOW_S), KS_S3_CREDENTIALS_IDLE);

    now_ms += 3300 * 1000;
    write_file("token", "next");
    ck_assert_int_eq(step(NOW_S + 3300), KS_S3_CREDENTIALS_REQUEST);
    expect_keys(NOW_S + 3300, "A1", "S", "T");
    ck_assert_ptr_nonnull(
        memmem(request.body.data, request.body.size, "WebIdentityToken=next", 21));
    ks_s3_credentials_take(credentials, 200,
                           ks_slice_of_text(ROLE_ANSWER("A2", "2026-09-21T17:13:20.5Z")), now_ms,
                           NOW_S + 3300, &error);
    expect_keys(NOW_S + 3300, "A2", "S", "T");
    ck_assert_uint_eq(ks_s3_credentials_generation(credentials), 2);
}
END_TEST

START_TEST(token_goes_to_the_service_as_form_data)
{
    const char *form = "Action=AssumeRoleWithWebIdentity&RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fr"
                       "&RoleSessionName=kafscale&Version=2011-06-15&WebIdentityToken=to%2Bken";

    start_web_identity("http://127.0.0.1:9000");
    ck_assert_int_eq(step(NOW_S), KS_S3_CREDENTIALS_REQUEST);
    ck_assert_str_eq(request.url, "http://127.0.0.1:9000");
    ck_assert(ks_slice_equals(request.body, ks_slice_of_text(form)));
    ck_assert_str_eq(ks_s3_headers_find(request.headers, "content-type"),
                     "application/x-www-form-urlencoded");
    ck_assert(!request.must_bypass_proxy);
}
END_TEST

/* The keys that are there may still be good, whatever our clock says: the store decides. */
START_TEST(failed_renewal_is_told_and_tried_more_and_more_slowly)
{
    int64_t waited_ms = 0;

    start_web_identity(NULL);
    exchange(NOW_S, "POST", "https://sts.eu-central-1.amazonaws.com/", 200,
             ROLE_ANSWER("A1", "2026-09-21T15:13:20Z"));
    now_ms += 4000 * 1000;
    ck_assert_ptr_null(ks_s3_credentials_keys(credentials, NOW_S + 4000));
    for (int i = 0; i < 10; i++) {
        int64_t due_ms = ks_s3_credentials_due_ms(credentials, now_ms, NOW_S + 4000);

        waited_ms = due_ms - now_ms;
        now_ms = due_ms;
        exchange(NOW_S + 4000, "POST", "https://sts.eu-central-1.amazonaws.com/", 400,
                 "<ErrorResponse><Error><Code>ExpiredTokenException</Code>"
                 "<Message>expired</Message></Error></ErrorResponse>");
        ck_assert_str_eq(error.text, "S3 credentials from web identity: HTTP status 400, "
                                     "ExpiredTokenException: expired");
        expect_keys(NOW_S + 4000, "A1", "S", "T");
        ck_assert_int_eq(step(NOW_S + 4000), KS_S3_CREDENTIALS_IDLE);
    }
    ck_assert_int_eq(waited_ms, 60000);
}
END_TEST

START_TEST(keys_of_a_short_life_are_renewed_at_half_of_it)
{
    start_web_identity(NULL);
    exchange(NOW_S, "POST", "https://sts.eu-central-1.amazonaws.com/", 200,
             ROLE_ANSWER("A1", "2026-09-21T14:18:20Z"));
    ck_assert_int_eq(ks_s3_credentials_due_ms(credentials, now_ms, NOW_S), now_ms + 150 * 1000);

    /* Of no life at all: not at once again. */
    now_ms += 150 * 1000;
    exchange(NOW_S + 150, "POST", "https://sts.eu-central-1.amazonaws.com/", 200,
             ROLE_ANSWER("A2", "2026-09-21T14:13:20Z"));
    ck_assert_int_eq(step(NOW_S + 150), KS_S3_CREDENTIALS_IDLE);
    ck_assert_int_gt(ks_s3_credentials_due_ms(credentials, now_ms, NOW_S + 150), now_ms);
}
END_TEST

static const char *const refused_roles[] = {
    "",
    "<AssumeRoleWithWebIdentityResponse/>",
    ROLE_ANSWER("A", "tomorrow"),
    ROLE_ANSWER("A", ""),
    ROLE_ANSWER("A</AccessKeyId><AccessKeyId>B", "2026-09-21T15:13:20Z"),
    ROLE_ANSWER("A&#10;B", "2026-09-21T15:13:20Z"),
};

START_TEST(answer_of_the_token_service_without_good_keys_is_a_failure)
{
    start_web_identity(NULL);
    exchange(NOW_S, "POST", "https://sts.eu-central-1.amazonaws.com/", 200, refused_roles[_i]);
    ck_assert_int_ne(error.status, KAFSCALE_OK);
    ck_assert_ptr_null(ks_s3_credentials_keys(credentials, NOW_S));
}
END_TEST

START_TEST(token_file_that_is_gone_is_told)
{
    set_variable("AWS_WEB_IDENTITY_TOKEN_FILE", "/nowhere/token");
    set_variable("AWS_ROLE_ARN", "arn");
    start("web identity");
    ck_assert_int_eq(step(NOW_S), KS_S3_CREDENTIALS_IDLE);
    ck_assert_ptr_nonnull(strstr(error.text, "/nowhere/token"));
}
END_TEST

/* --- Services beside us ---------------------------------------------------------------------- */

#define SERVICE_ANSWER                                                                    \
    "{\"Code\": \"Success\", \"More\": [1, {\"AccessKeyId\": \"no\"}], \"AccessKeyId\": " \
    "\"A\", \"SecretAccessKey\": \"S\\/\\u002b\", \"Token\": \"T\", \"Expiration\": "     \
    "\"2026-09-21T15:13:20Z\"}"

START_TEST(container_is_asked_with_its_token)
{
    set_variable("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://169.254.170.23/v1/credentials");
    set_variable("AWS_CONTAINER_AUTHORIZATION_TOKEN", "unused");
    set_variable("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", write_file("token", "secret\n"));
    start("container credentials");
    ck_assert_int_eq(step(NOW_S), KS_S3_CREDENTIALS_REQUEST);
    ck_assert_str_eq(request.url, "http://169.254.170.23/v1/credentials");
    ck_assert_str_eq(ks_s3_headers_find(request.headers, "authorization"), "secret");
    ck_assert(request.must_bypass_proxy);
    ks_s3_credentials_take(credentials, 200, ks_slice_of_text(SERVICE_ANSWER), now_ms, NOW_S,
                           &error);
    expect_keys(NOW_S, "A", "S/+", "T");
}
END_TEST

START_TEST(relative_container_address_is_completed)
{
    set_variable("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/v2/credentials/id");
    start("container credentials");
    exchange(NOW_S, "GET", "http://169.254.170.2/v2/credentials/id", 200, SERVICE_ANSWER);
    expect_keys(NOW_S, "A", "S/+", "T");
}
END_TEST

static void
instance_exchanges(int64_t wall_s)
{
    exchange(wall_s, "PUT", "http://169.254.169.254/latest/api/token", 200, "token==");
    exchange(wall_s, "GET", "http://169.254.169.254/latest/meta-data/iam/security-credentials/",
             200, "a role\nanother\n");
    ck_assert_int_eq(step(wall_s), KS_S3_CREDENTIALS_REQUEST);
    ck_assert_str_eq(ks_s3_headers_find(request.headers, "x-aws-ec2-metadata-token"), "token==");
    ck_assert_str_eq(request.url,
                     "http://169.254.169.254/latest/meta-data/iam/security-credentials/a%20role");
    ks_s3_credentials_take(credentials, 200, ks_slice_of_text(SERVICE_ANSWER), now_ms, wall_s,
                           &error);
}

START_TEST(instance_is_asked_for_token_role_and_keys)
{
    start("instance metadata");
    instance_exchanges(NOW_S);
    expect_keys(NOW_S, "A", "S/+", "T");
}
END_TEST

START_TEST(instance_that_refuses_midway_is_asked_from_the_beginning)
{
    set_variable("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://169.254.169.254/");
    start("instance metadata");
    exchange(NOW_S, "PUT", "http://169.254.169.254/latest/api/token", 200, "token==");
    exchange(NOW_S, "GET", "http://169.254.169.254/latest/meta-data/iam/security-credentials/", 401,
             "");
    ck_assert_str_eq(error.text, "S3 credentials from instance metadata: HTTP status 401");
    now_ms = ks_s3_credentials_due_ms(credentials, now_ms, NOW_S);
    instance_exchanges(NOW_S);
    expect_keys(NOW_S, "A", "S/+", "T");
}
END_TEST

START_TEST(machine_without_metadata_service_has_no_keys)
{
    start("instance metadata");
    exchange(NOW_S, "PUT", "http://169.254.169.254/latest/api/token", 0, "");
    ck_assert_str_eq(error.text, "S3 credentials from instance metadata: no answer");
    ck_assert_ptr_null(ks_s3_credentials_keys(credentials, NOW_S));
}
END_TEST

static const char *const refused_services[] = {
    "",
    "[]",
    "\"AccessKeyId\"",
    "{}",
    "{\"AccessKeyId\": \"A\", \"SecretAccessKey\": \"S\"",
    "{\"AccessKeyId\": \"A\"}",
    "{\"AccessKeyId\": \"A\", \"SecretAccessKey\": 5}",
    "{\"AccessKeyId\": \"A\", \"SecretAccessKey\": \"S\\r\\nx-evil: 1\"}",
    "{\"AccessKeyId\": \"A\", \"SecretAccessKey\": \"S\", \"Expiration\": \"soon\"}",
    "{\"Code\": \"Failed\", \"AccessKeyId\": \"A\", \"SecretAccessKey\": \"S\"}",
    ("{\"AccessKeyId\": \"A\", \"SecretAccessKey\": \"S\", \"x\": "
     "[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]}"),
};

START_TEST(service_answer_without_good_keys_is_refused)
{
    struct ks_s3_key_set set = { 0 };

    ck_assert_int_ne(ks_s3_read_service_keys(ks_slice_of_text(refused_services[_i]), &set, &error),
                     KAFSCALE_OK);
    ck_assert_int_ne(error.status, KAFSCALE_OK);
    ck_assert_ptr_null(set.access_key);
}
END_TEST

/* The largest document, of the shape that makes the parser's buffers grow most. */
START_TEST(largest_answer_fits_the_memory_of_its_parser)
{
    struct ks_s3_key_set set = { 0 };
    struct ks_buffer text;

    ks_buffer_init(&text, KS_JSON_DOCUMENT_BYTES_MAX);
    ks_s3_append_text(&text, "{\"SecretAccessKey\": \"S\", \"AccessKeyId\": \"");
    while (text.size < KS_JSON_DOCUMENT_BYTES_MAX - 8) {
        ks_s3_append_text(&text, "\\u0041");
    }
    ks_s3_append_text(&text, "\"}");
    ck_assert(!ks_buffer_failed(&text));
    ck_assert_int_eq(ks_s3_read_service_keys(ks_buffer_slice(&text), &set, &error), KAFSCALE_OK);
    ck_assert_uint_gt(strlen(set.access_key), 2000);
    ks_s3_key_set_deinit(&set);
    ks_buffer_deinit(&text);
}
END_TEST

/* --- Out of memory --------------------------------------------------------------------------- */

START_TEST(failed_allocation_is_told_and_tried_again)
{
    uint64_t i = 0;

    set_variable("AWS_WEB_IDENTITY_TOKEN_FILE", write_file("token", "t"));
    set_variable("AWS_ROLE_ARN", "arn");
    while (credentials == NULL) {
        ck_assert_uint_lt(i, 100);
        error = (struct kafscale_error){ 0 };
        ks_alloc_fail_after(i++);
        if (ks_s3_credentials_new(&options, &credentials, &error) != KAFSCALE_OK) {
            ck_assert_int_eq(error.status, KAFSCALE_NO_MEMORY);
        }
        ks_alloc_fail_after(UINT64_MAX);
    }
    for (i = 0; ks_s3_credentials_generation(credentials) == 0; i++) {
        ck_assert_uint_lt(i, 500);
        now_ms = ks_s3_credentials_due_ms(credentials, now_ms, NOW_S);
        ks_alloc_fail_once_after(i);
        if (step(NOW_S) == KS_S3_CREDENTIALS_REQUEST) {
            ks_s3_credentials_take(credentials, 200,
                                   ks_slice_of_text(ROLE_ANSWER("A", "2026-09-21T15:13:20Z")),
                                   now_ms, NOW_S, &error);
        }
        ks_alloc_fail_after(UINT64_MAX);
    }
    expect_keys(NOW_S, "A", "S", "T");
}
END_TEST

static TCase *
new_case(Suite *suite, const char *name)
{
    TCase *tests = tcase_create(name);

    tcase_add_checked_fixture(tests, set_up, tear_down);
    suite_add_tcase(suite, tests);
    return tests;
}

static void
add_service_tests(TCase *tests)
{
    tcase_add_test(tests, web_identity_is_changed_for_keys_and_renewed_before_they_end);
    tcase_add_test(tests, token_goes_to_the_service_as_form_data);
    tcase_add_test(tests, failed_renewal_is_told_and_tried_more_and_more_slowly);
    tcase_add_test(tests, keys_of_a_short_life_are_renewed_at_half_of_it);
    tcase_add_loop_test(tests, answer_of_the_token_service_without_good_keys_is_a_failure, 0,
                        (int) (sizeof refused_roles / sizeof refused_roles[0]));
    tcase_add_test(tests, token_file_that_is_gone_is_told);
    tcase_add_test(tests, container_is_asked_with_its_token);
    tcase_add_test(tests, relative_container_address_is_completed);
    tcase_add_test(tests, instance_is_asked_for_token_role_and_keys);
    tcase_add_test(tests, instance_that_refuses_midway_is_asked_from_the_beginning);
    tcase_add_test(tests, machine_without_metadata_service_has_no_keys);
    tcase_add_loop_test(tests, service_answer_without_good_keys_is_refused, 0,
                        (int) (sizeof refused_services / sizeof refused_services[0]));
    tcase_add_test(tests, largest_answer_fits_the_memory_of_its_parser);
    tcase_add_test(tests, failed_allocation_is_told_and_tried_again);
}

Suite *
suite_new(void)
{
    Suite *suite = suite_create("s3 credentials");
    TCase *places = new_case(suite, "places");

    tcase_add_test(places, options_come_before_the_environment);
    tcase_add_test(places, environment_comes_before_all_services);
    tcase_add_loop_test(places, half_a_setting_is_an_error_that_names_it, 0,
                        (int) (sizeof broken_settings / sizeof broken_settings[0]));
    tcase_add_test(places, shared_file_is_read_by_profile);
    tcase_add_test(places,
                   home_has_the_shared_file_and_without_its_profile_the_next_place_is_tried);
    tcase_add_test(places, shared_file_without_the_asked_profile_is_told_and_read_again);
    tcase_add_test(places, refused_keys_of_a_file_are_read_again_but_not_without_end);
    tcase_add_test(places, file_that_is_no_file_or_too_large_is_told);
    add_service_tests(new_case(suite, "services"));
    return suite;
}
