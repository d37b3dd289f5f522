/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signatures against the examples that the documentation of S3 works out: the same keys, days and
 * requests must give the same signatures.
 */
#include "store/s3/signer.h"
#include "support/main.h"

#include <stdio.h>

/* 2013-05-24T00:00:00Z, the moment of the examples. */
#define EXAMPLE_TIME_S 1369353600

static const struct ks_s3_keys example_keys = {
    .access_key = "AKIAIOSFODNN7EXAMPLE",
    .secret_key = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
};

static void
init_signer(struct ks_s3_signer *signer, const struct ks_s3_keys *keys)
{
    *signer = (struct ks_s3_signer){ 0 };
    ck_assert_int_eq(ks_s3_signer_set_region(signer, "us-east-1"), KAFSCALE_OK);
    ck_assert_int_eq(ks_s3_signer_set_keys(signer, keys), KAFSCALE_OK);
}

static void
sign(struct ks_s3_signer *signer, struct ks_s3_signable request, struct ks_s3_headers *headers)
{
    struct kafscale_error error = { 0 };

    if (request.payload_hash == NULL) {
        request.payload_hash = ks_s3_empty_hash;
    }
    ck_assert_int_eq(ks_s3_signer_sign(signer, &request, headers, &error), KAFSCALE_OK);
}

static void
expect_signature(const struct ks_s3_headers *headers, const char *names, const char *signature)
{
    char expected[512];

    snprintf(expected, sizeof expected,
             "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, "
             "SignedHeaders=%s, Signature=%s",
             names, signature);
    ck_assert_str_eq(ks_s3_headers_find(headers, "authorization"), expected);
}

START_TEST(key_of_the_documented_day_is_derived)
{
    const char *expected = "f4780e2d9f65fa895f9c67b32ce1baf0b0d8a43505a000a1a9e090d414db404d";
    uint8_t key[KS_S3_SHA256_BYTES];
    char hex[KS_S3_SHA256_HEX_BYTES];

    ck_assert_int_eq(ks_s3_derive_key("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "20120215",
                                      "us-east-1", "iam", key),
                     KAFSCALE_OK);
    ks_s3_hash_to_hex(key, hex);
    ck_assert_str_eq(hex, expected);
}
END_TEST

static const struct example {
    const char *method;
    const char *path;
    struct ks_s3_field parameters[2];
    struct ks_s3_field headers[3];
    const char *payload;
    const char *names;
    const char *signature;
} examples[] = {
    { "GET",
      "/test.txt",
      { { NULL, NULL } },
      { { "range", "bytes=0-9" } },
      "",
      "host;range;x-amz-content-sha256;x-amz-date",
      "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41" },
    { "PUT",
      "/test$file.text",
      { { NULL, NULL } },
      { { "x-amz-storage-class", "REDUCED_REDUNDANCY" },
        { "date", "Fri, 24 May 2013 00:00:00 GMT" } },
      "Welcome to Amazon S3.",
      "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
      "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd" },
    { "GET",
      "/",
      { { "lifecycle", "" } },
      { { NULL, NULL } },
      "",
      "host;x-amz-content-sha256;x-amz-date",
      "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543" },
    { "GET",
      "/",
      { { "prefix", "J" }, { "max-keys", "2" } },
      { { NULL, NULL } },
      "",
      "host;x-amz-content-sha256;x-amz-date",
      "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7" },
};

static size_t
count_fields(const struct ks_s3_field *fields, size_t limit)
{
    size_t count = 0;

    while (count < limit && fields[count].name != NULL) {
        count++;
    }
    return count;
}

START_TEST(documented_request_gets_its_documented_signature)
{
    const struct example *example = &examples[_i];
    char hash[KS_S3_SHA256_HEX_BYTES];
    struct ks_s3_headers headers;
    struct ks_s3_signer signer;
    struct ks_buffer path;
    struct ks_buffer query;

    init_signer(&signer, &example_keys);
    ks_s3_headers_init(&headers);
    ks_s3_headers_add(&headers, "host", "examplebucket.s3.amazonaws.com");
    for (size_t i = 0; i < count_fields(example->headers, 3); i++) {
        ks_s3_headers_add(&headers, example->headers[i].name, example->headers[i].value);
    }
    ks_buffer_init(&path, 1000);
    ks_s3_append_path(&path, example->path);
    ks_buffer_append(&path, "", 1);
    ks_buffer_init(&query, 1000);
    ks_s3_append_query(&query, example->parameters, count_fields(example->parameters, 2));
    ks_buffer_append(&query, "", 1);
    ck_assert_int_eq(ks_s3_sha256_hex_of(ks_slice_of_text(example->payload), hash), KAFSCALE_OK);

    sign(&signer,
         (struct ks_s3_signable){ .method = example->method,
                                  .path = (const char *) path.data,
                                  .query = (const char *) query.data,
                                  .payload_hash = hash,
                                  .time_s = EXAMPLE_TIME_S },
         &headers);

    expect_signature(&headers, example->names, example->signature);
    ks_buffer_deinit(&path);
    ks_buffer_deinit(&query);
    ks_s3_headers_deinit(&headers);
    ks_s3_signer_deinit(&signer);
}
END_TEST

/* The signature of a request for /a, to be compared with another. */
static void
sign_plain(struct ks_s3_signer *signer, int64_t time_s, char *out, size_t out_size)
{
    struct ks_s3_headers headers;

    ks_s3_headers_init(&headers);
    ks_s3_headers_add(&headers, "host", "h");
    sign(signer,
         (struct ks_s3_signable){ .method = "GET", .path = "/a", .query = "", .time_s = time_s },
         &headers);
    snprintf(out, out_size, "%s", ks_s3_headers_find(&headers, "authorization"));
    ks_s3_headers_deinit(&headers);
}

START_TEST(kept_key_of_a_day_is_dropped_with_day_region_and_secret)
{
    struct ks_s3_keys other = example_keys;
    struct ks_s3_signer signer;
    char first[512];
    char now[512];

    init_signer(&signer, &example_keys);
    sign_plain(&signer, EXAMPLE_TIME_S, first, sizeof first);

    sign_plain(&signer, EXAMPLE_TIME_S + 86400, now, sizeof now);
    ck_assert_str_ne(first, now);
    ck_assert_ptr_nonnull(strstr(now, "/20130525/us-east-1/"));
    sign_plain(&signer, EXAMPLE_TIME_S, now, sizeof now);
    ck_assert_str_eq(first, now);

    other.secret_key = "another";
    ck_assert_int_eq(ks_s3_signer_set_keys(&signer, &other), KAFSCALE_OK);
    sign_plain(&signer, EXAMPLE_TIME_S, now, sizeof now);
    ck_assert_str_ne(first, now);

    ck_assert_int_eq(ks_s3_signer_set_keys(&signer, &example_keys), KAFSCALE_OK);
    ck_assert_int_eq(ks_s3_signer_set_region(&signer, "eu-central-1"), KAFSCALE_OK);
    sign_plain(&signer, EXAMPLE_TIME_S, now, sizeof now);
    ck_assert_ptr_nonnull(strstr(now, "/20130524/eu-central-1/"));
    ck_assert_str_ne(strrchr(first, '='), strrchr(now, '='));
    ks_s3_signer_deinit(&signer);
}
END_TEST

START_TEST(session_token_is_sent_and_signed)
{
    struct ks_s3_keys keys = example_keys;
    struct ks_s3_headers headers;
    struct ks_s3_signer signer;

    keys.session_token = "token/1==";
    init_signer(&signer, &keys);
    ks_s3_headers_init(&headers);
    ks_s3_headers_add(&headers, "x-amz-server-side-encryption-aws-kms-key-id", "key");
    ks_s3_headers_add(&headers, "if-none-match", "*");
    ks_s3_headers_add(&headers, "host", "h");
    ks_s3_headers_add(&headers, "x-amz-server-side-encryption", "aws:kms");
    sign(&signer,
         (struct ks_s3_signable){ .method = "PUT",
                                  .path = "/a",
                                  .query = "",
                                  .payload_hash = KS_S3_UNSIGNED_PAYLOAD,
                                  .time_s = EXAMPLE_TIME_S },
         &headers);

    ck_assert_str_eq(ks_s3_headers_find(&headers, "x-amz-security-token"), "token/1==");
    ck_assert_str_eq(ks_s3_headers_find(&headers, "x-amz-content-sha256"), "UNSIGNED-PAYLOAD");
    /* By name, not by line: a colon comes after a minus. */
    ck_assert_ptr_nonnull(strstr(ks_s3_headers_find(&headers, "authorization"),
                                 "SignedHeaders=host;if-none-match;x-amz-content-sha256;x-amz-date;"
                                 "x-amz-security-token;x-amz-server-side-encryption;"
                                 "x-amz-server-side-encryption-aws-kms-key-id,"));
    ks_s3_headers_deinit(&headers);
    ks_s3_signer_deinit(&signer);
}
END_TEST

START_TEST(header_that_could_be_read_in_two_ways_is_refused)
{
    const char *values[] = { "a\r\nx-amz-acl: public-read", " a", "a ", "a  b", "a\tb", "\x7f" };
    struct kafscale_error error = { 0 };
    struct ks_s3_headers headers;
    struct ks_s3_signer signer;

    init_signer(&signer, &example_keys);
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        ks_s3_headers_init(&headers);
        ks_s3_headers_add(&headers, "host", "h");
        ks_s3_headers_add(&headers, "x-amz-meta-a", values[i]);
        ck_assert_int_eq(
            ks_s3_signer_sign(&signer,
                              &(struct ks_s3_signable){
                                  .method = "GET", .path = "/", .query = "", .payload_hash = "x" },
                              &headers, &error),
            KAFSCALE_INVALID);
        ks_s3_headers_deinit(&headers);
    }
    ks_s3_signer_deinit(&signer);
}
END_TEST

START_TEST(time_beyond_the_form_is_refused)
{
    char text[KS_S3_TIME_BYTES];

    ck_assert(ks_s3_format_time(0, text));
    ck_assert_str_eq(text, "19700101T000000Z");
    ck_assert(ks_s3_format_time(253402300799, text));
    ck_assert_str_eq(text, "99991231T235959Z");
    ck_assert(!ks_s3_format_time(253402300800, text));
    ck_assert(!ks_s3_format_time(-1, text));
}
END_TEST

START_TEST(query_is_sorted_and_escaped)
{
    const struct ks_s3_field parameters[] = { { "prefix", "a/b c+d~%\xc3\xa4" },
                                              { "list-type", "2" },
                                              { "delete", NULL } };
    struct ks_buffer query;

    ks_buffer_init(&query, 1000);
    ks_s3_append_query(&query, parameters, 3);
    ks_buffer_append(&query, "", 1);
    ck_assert_str_eq((const char *) query.data,
                     "delete=&list-type=2&prefix=a%2Fb%20c%2Bd~%25%C3%A4");
    ks_buffer_deinit(&query);
}
END_TEST

START_TEST(hashes_have_their_published_values)
{
    const struct kafscale_part parts[] = { { .bytes = { (const uint8_t *) "1234", 4 } },
                                           { .bytes = { NULL, 0 } },
                                           { .bytes = { (const uint8_t *) "56789", 5 } } };
    char hex[KS_S3_SHA256_HEX_BYTES];
    char md5[KS_S3_MD5_TEXT_BYTES];
    char crc[KS_S3_CRC32C_TEXT_BYTES];

    ck_assert_int_eq(ks_s3_sha256_hex(NULL, 0, hex), KAFSCALE_OK);
    ck_assert_str_eq(hex, ks_s3_empty_hash);
    ck_assert_int_eq(ks_s3_sha256_hex(parts, 3, hex), KAFSCALE_OK);
    ck_assert_str_eq(hex, "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225");
    ck_assert_int_eq(ks_s3_md5_text(ks_slice_of_text("123456789"), md5), KAFSCALE_OK);
    ck_assert_str_eq(md5, "JfnnlDI7RTiF9RgfG2JNCw==");
    ks_s3_crc32c_text(ks_crc32c(0, "123456789", 9), crc);
    ck_assert_str_eq(crc, "4waSgw==");
}
END_TEST

START_TEST(failed_allocation_is_no_memory_and_leaves_the_signer_usable)
{
    struct kafscale_error error = { 0 };
    struct ks_s3_signer signer;
    struct ks_s3_headers headers;
    const struct ks_s3_signable request = { .method = "GET",
                                            .path = "/a",
                                            .query = "",
                                            .payload_hash = ks_s3_empty_hash,
                                            .time_s = EXAMPLE_TIME_S };
    enum kafscale_status status = KAFSCALE_NO_MEMORY;

    init_signer(&signer, &example_keys);
    for (uint64_t i = 0; status != KAFSCALE_OK; i++) {
        ck_assert_uint_lt(i, 50);
        ks_s3_headers_init(&headers);
        ks_alloc_fail_after(i);
        ks_s3_headers_add(&headers, "host", "h");
        status = ks_s3_signer_set_keys(&signer, &example_keys);
        if (status == KAFSCALE_OK) {
            status = ks_s3_signer_sign(&signer, &request, &headers, &error);
        }
        ks_alloc_fail_after(UINT64_MAX);
        ck_assert(status == KAFSCALE_OK || status == KAFSCALE_NO_MEMORY);
        ks_s3_headers_deinit(&headers);
    }
    ks_s3_signer_deinit(&signer);
}
END_TEST

Suite *
suite_new(void)
{
    Suite *suite = suite_create("s3 signer");
    TCase *tests = tcase_create("signer");

    tcase_add_test(tests, key_of_the_documented_day_is_derived);
    tcase_add_loop_test(tests, documented_request_gets_its_documented_signature, 0,
                        (int) (sizeof examples / sizeof examples[0]));
    tcase_add_test(tests, kept_key_of_a_day_is_dropped_with_day_region_and_secret);
    tcase_add_test(tests, session_token_is_sent_and_signed);
    tcase_add_test(tests, header_that_could_be_read_in_two_ways_is_refused);
    tcase_add_test(tests, time_beyond_the_form_is_refused);
    tcase_add_test(tests, query_is_sorted_and_escaped);
    tcase_add_test(tests, hashes_have_their_published_values);
    tcase_add_test(tests, failed_allocation_is_no_memory_and_leaves_the_signer_usable);
    suite_add_tcase(suite, tests);
    return suite;
}
