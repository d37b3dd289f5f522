/* SPDX-License-Identifier: Apache-2.0 */
/*
 * XML of stores, ordinary and hostile: what is whole is read, what is cut, nested, too long or not
 * what was asked for is refused.
 */
#include "store/s3/xml.h"
#include "store/s3/xml_reader.h"
#include "support/main.h"

#include <stdio.h>
#include <stdlib.h>

#define HEAD "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
#define XMLNS " xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\""

static struct ks_arena arena;
static struct kafscale_error error;

static void
set_up(void)
{
    ks_arena_init(&arena, 1 << 20);
    error = (struct kafscale_error){ 0 };
}

static void
tear_down(void)
{
    ks_arena_deinit(&arena);
}

static enum kafscale_status
list(const char *text, struct ks_s3_listing *out)
{
    return ks_s3_listing_read(ks_slice_of_text(text), &arena, out, &error);
}

static void
expect_entry(const struct ks_s3_listing *listing, size_t i, const char *key, uint64_t size)
{
    ck_assert_uint_lt(i, listing->entry_count);
    ck_assert_str_eq(listing->entries[i].key, key);
    ck_assert_uint_eq(listing->entries[i].object_bytes, size);
}

START_TEST(page_of_a_list_is_read)
{
    struct ks_s3_listing listing;

    ck_assert_int_eq(
        list(HEAD "<ListBucketResult" XMLNS
                  "><Name>b</Name><Prefix>a/</Prefix><KeyCount>2</KeyCount>"
                  "<MaxKeys>2</MaxKeys><IsTruncated>true</IsTruncated>\n"
                  "<Contents><Key>a/1&amp;2</Key><LastModified>2013</LastModified>"
                  "<ETag>&quot;x&quot;</ETag><Size>0</Size><Owner><ID>Key</ID></Owner></Contents>\n"
                  "<Contents><Key>a/+%41</Key><Size>18446744073709551615</Size></Contents>"
                  "<CommonPrefixes><Prefix>a/b/</Prefix></CommonPrefixes>"
                  "<NextContinuationToken>t=/+</NextContinuationToken></ListBucketResult>\n",
             &listing),
        KAFSCALE_OK);
    ck_assert_uint_eq(listing.entry_count, 2);
    expect_entry(&listing, 0, "a/1&2", 0);
    expect_entry(&listing, 1, "a/+%41", UINT64_MAX);
    ck_assert(listing.is_truncated);
    ck_assert_str_eq(listing.next_token, "t=/+");
}
END_TEST

/* Some servers say only behind the keys that these are encoded. */
START_TEST(encoded_keys_are_decoded)
{
    struct ks_s3_listing listing;

    ck_assert_int_eq(list("<ListBucketResult><IsTruncated>false</IsTruncated>"
                          "<Contents><Key>a%2Fb+c%20d%2B%c3%A4</Key><Size>1</Size></Contents>"
                          "<Contents><Key>nul%00byte</Key><Size>1</Size></Contents>"
                          "<Contents><Key>z</Key><Size>2</Size></Contents>"
                          "<EncodingType>url</EncodingType></ListBucketResult>",
                          &listing),
                     KAFSCALE_OK);
    ck_assert_uint_eq(listing.entry_count, 2);
    expect_entry(&listing, 0, "a/b c d+\xc3\xa4", 1);
    expect_entry(&listing, 1, "z", 2);
    ck_assert_ptr_null(listing.next_token);
}
END_TEST

static const char *const refused_lists[] = {
    "",
    "<",
    "not found",
    "<ListBucketResult/>",
    "<Error><Code>NoSuchBucket</Code></Error>",
    "<ListBucketResult><IsTruncated>false</IsTruncated>",
    "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult><a/>",
    "<ListBucketResult><IsTruncated>no</IsTruncated></ListBucketResult>",
    "<ListBucketResult><IsTruncated/></ListBucketResult>",
    "<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>",
    "<ListBucketResult><IsTruncated>false</IsTruncated><Contents><Key>a</Key></Contents>"
    "</ListBucketResult>",
    "<ListBucketResult><IsTruncated>false</IsTruncated><Contents><Size>1</Size></Contents>"
    "</ListBucketResult>",
    "<ListBucketResult><IsTruncated>false</IsTruncated><Contents><Key>a</Key><Size>-1</Size>"
    "</Contents></ListBucketResult>",
    "<ListBucketResult><IsTruncated>false</IsTruncated><Contents><Key>a</Key>"
    "<Size>18446744073709551616</Size></Contents></ListBucketResult>",
    "<ListBucketResult><IsTruncated>false</IsTruncated><EncodingType>url</EncodingType>"
    "<Contents><Key>a%4</Key><Size>1</Size></Contents></ListBucketResult>",
    "<ListBucketResult><IsTruncated>&unknown;</IsTruncated></ListBucketResult>",
    "<!DOCTYPE a><ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>",
    "<!DOCTYPE a [<!ENTITY b \"false\">]><ListBucketResult><IsTruncated>&b;</IsTruncated>"
    "</ListBucketResult>",
    "<ListBucketResult><IsTruncated>\xff</IsTruncated></ListBucketResult>",
};

START_TEST(list_that_is_not_whole_is_refused)
{
    struct ks_s3_listing listing;

    ck_assert_int_eq(list(refused_lists[_i], &listing), KAFSCALE_CORRUPT);
    ck_assert_int_eq(error.status, KAFSCALE_CORRUPT);
}
END_TEST

/* The reader: any number of levels in the input, a bounded number here. */
START_TEST(nesting_and_texts_are_bounded)
{
    struct ks_s3_error_document document;
    struct ks_buffer text;

    ks_buffer_init(&text, 20 << 20);
    for (int i = 0; i < 100000; i++) {
        ks_buffer_append(&text, "<a>", 3);
    }
    ck_assert_int_eq(ks_s3_error_document_read(ks_buffer_slice(&text), &document, &error),
                     KAFSCALE_CORRUPT);
    ck_assert_ptr_nonnull(strstr(error.text, "nested too deep"));

    ks_buffer_clear(&text);
    error = (struct kafscale_error){ 0 };
    ks_buffer_append(&text, "<Error><Code>", 13);
    memset(ks_buffer_extend(&text, KS_XML_TEXT_BYTES_MAX + 1), 'x', KS_XML_TEXT_BYTES_MAX + 1);
    ks_buffer_append(&text, "</Code></Error>", 15);
    ck_assert_int_eq(ks_s3_error_document_read(ks_buffer_slice(&text), &document, &error),
                     KAFSCALE_CORRUPT);
    ck_assert_ptr_nonnull(strstr(error.text, "too long"));

    ks_buffer_clear(&text);
    memset(ks_buffer_extend(&text, KS_XML_DOCUMENT_BYTES_MAX + 1), ' ',
           KS_XML_DOCUMENT_BYTES_MAX + 1);
    ck_assert_int_eq(ks_s3_error_document_read(ks_buffer_slice(&text), &document, &error),
                     KAFSCALE_CORRUPT);
    ks_buffer_deinit(&text);
}
END_TEST

START_TEST(errors_of_both_services_are_read_and_cut_to_size)
{
    struct ks_s3_error_document document;
    char text[1000];

    snprintf(text, sizeof text,
             HEAD "<Error><Code>AuthorizationHeaderMalformed</Code><Message>%0400d</Message>"
                  "<Region>eu-central-1</Region><RequestId>R</RequestId></Error>",
             0);
    ck_assert_int_eq(ks_s3_error_document_read(ks_slice_of_text(text), &document, &error),
                     KAFSCALE_OK);
    ck_assert_str_eq(document.code, "AuthorizationHeaderMalformed");
    ck_assert_uint_eq(strlen(document.message), sizeof document.message - 1);
    ck_assert_str_eq(document.region, "eu-central-1");
    ck_assert_str_eq(document.request_id, "R");

    ck_assert_int_eq(
        ks_s3_error_document_read(
            ks_slice_of_text(
                "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">"
                "<Error><Type>Sender</Type><Code>ExpiredTokenException</Code>"
                "<Message>m</Message></Error><RequestId>Q</RequestId></ErrorResponse>"),
            &document, &error),
        KAFSCALE_OK);
    ck_assert_str_eq(document.code, "ExpiredTokenException");
    ck_assert_str_eq(document.request_id, "Q");
    ck_assert_str_eq(document.region, "");

    ck_assert_int_eq(
        ks_s3_error_document_read(ks_slice_of_text("<html><Error/></html>"), &document, &error),
        KAFSCALE_CORRUPT);
    ck_assert_str_eq(document.request_id, "Q");
}
END_TEST

START_TEST(what_could_not_be_deleted_is_told)
{
    struct ks_s3_delete_result result;

    ck_assert_int_eq(ks_s3_delete_result_read(
                         ks_slice_of_text("<DeleteResult" XMLNS "><Deleted><Key>a</Key></Deleted>"
                                          "<Error><Key>b&lt;</Key><Code>AccessDenied</Code>"
                                          "<Message>no</Message></Error>"
                                          "<Error><Key>c</Key><Code>InternalError</Code></Error>"
                                          "</DeleteResult>"),
                         &arena, &result, &error),
                     KAFSCALE_OK);
    ck_assert_uint_eq(result.failure_count, 2);
    ck_assert_str_eq(result.failures[0].key, "b<");
    ck_assert_str_eq(result.failures[0].code, "AccessDenied");
    ck_assert_str_eq(result.failures[0].message, "no");
    ck_assert_str_eq(result.failures[1].message, "");

    ck_assert_int_eq(
        ks_s3_delete_result_read(ks_slice_of_text("<DeleteResult/>"), &arena, &result, &error),
        KAFSCALE_OK);
    ck_assert_uint_eq(result.failure_count, 0);
    ck_assert_int_eq(
        ks_s3_delete_result_read(ks_slice_of_text("<DeleteResult><Error/></DeleteResult>"), &arena,
                                 &result, &error),
        KAFSCALE_CORRUPT);
    ck_assert_int_eq(
        ks_s3_delete_result_read(ks_slice_of_text("<Other/>"), &arena, &result, &error),
        KAFSCALE_CORRUPT);
}
END_TEST

START_TEST(bodies_are_escaped)
{
    const char *const keys[] = { "a/b", "<&>'\"" };
    struct ks_buffer body;

    ks_buffer_init(&body, 1000);
    ks_s3_append_delete(&body, keys, 2);
    ks_buffer_append(&body, "", 1);
    ck_assert_str_eq((const char *) body.data,
                     "<Delete" XMLNS "><Quiet>true</Quiet><Object><Key>a/b</Key></Object>"
                     "<Object><Key>&lt;&amp;&gt;'\"</Key></Object></Delete>");
    ks_buffer_clear(&body);
    ks_s3_append_create_bucket(&body, "us-east-1");
    ck_assert_uint_eq(body.size, 0);
    ks_s3_append_create_bucket(&body, "eu-central-1");
    ks_buffer_append(&body, "", 1);
    ck_assert_str_eq((const char *) body.data,
                     "<CreateBucketConfiguration" XMLNS "><LocationConstraint>eu-central-1"
                     "</LocationConstraint></CreateBucketConfiguration>");
    ks_buffer_deinit(&body);
}
END_TEST

#define RULE(content) \
    "<LifecycleConfiguration><Rule><ID>r</ID>" content "</Rule></LifecycleConfiguration>"
#define ENABLED "<Status>Enabled</Status>"
#define EXPIRES "<Expiration><Days>7</Days></Expiration>"

static const struct lifecycle_case {
    const char *document;
    bool is_threat; /* to ns/topic/ */
} lifecycle_cases[] = {
    { "<LifecycleConfiguration/>", false },
    { RULE(ENABLED EXPIRES), true },
    { RULE(ENABLED EXPIRES "<Filter/>"), true },
    { RULE(ENABLED EXPIRES "<Prefix></Prefix>"), true },
    { RULE(ENABLED EXPIRES "<Prefix>ns/</Prefix>"), true },
    { RULE(ENABLED EXPIRES "<Filter><Prefix>ns/topic/0/</Prefix></Filter>"), true },
    { RULE(ENABLED EXPIRES "<Filter><And><Prefix>ns</Prefix>"
                           "<ObjectSizeGreaterThan>5</ObjectSizeGreaterThan></And></Filter>"),
      true },
    { RULE(ENABLED "<Expiration><Date>2030-01-01T00:00:00Z</Date></Expiration>"), true },
    { RULE(ENABLED "<Transition><Days>1</Days><StorageClass>GLACIER</StorageClass></Transition>"),
      true },
    { RULE(ENABLED EXPIRES "<Prefix>nt/</Prefix>"), false },
    { RULE("<Status>Disabled</Status>" EXPIRES), false },
    { RULE(ENABLED EXPIRES "<Filter><Tag><Key>a</Key><Value>b</Value></Tag></Filter>"), false },
    { RULE(ENABLED "<Expiration><ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker>"
                   "</Expiration>"),
      false },
    { RULE(ENABLED "<NoncurrentVersionExpiration><NoncurrentDays>1</NoncurrentDays>"
                   "</NoncurrentVersionExpiration>"),
      false },
    { RULE(ENABLED "<AbortIncompleteMultipartUpload><DaysAfterInitiation>1</DaysAfterInitiation>"
                   "</AbortIncompleteMultipartUpload>"),
      false },
    { RULE(ENABLED "<Transition><Days>1</Days><StorageClass>STANDARD_IA</StorageClass>"
                   "</Transition>"),
      false },
};

START_TEST(lifecycle_rule_that_would_take_our_objects_is_found)
{
    const struct lifecycle_case *one = &lifecycle_cases[_i];
    const struct ks_s3_lifecycle_rule *threat;
    struct ks_s3_lifecycle lifecycle;

    ck_assert_int_eq(
        ks_s3_lifecycle_read(ks_slice_of_text(one->document), &arena, &lifecycle, &error),
        KAFSCALE_OK);
    threat = ks_s3_lifecycle_find_threat(&lifecycle, "ns/topic/");
    ck_assert_int_eq(threat != NULL, one->is_threat);
    if (threat != NULL) {
        ck_assert_str_eq(threat->id, "r");
    }
}
END_TEST

START_TEST(second_rule_inherits_nothing_from_the_first)
{
    struct ks_s3_lifecycle lifecycle;

    ck_assert_int_eq(
        ks_s3_lifecycle_read(ks_slice_of_text("<LifecycleConfiguration" XMLNS ">"
                                              "<Rule><ID>a</ID>" ENABLED EXPIRES
                                              "<Prefix>x/</Prefix></Rule>"
                                              "<Rule>" ENABLED "</Rule></LifecycleConfiguration>"),
                             &arena, &lifecycle, &error),
        KAFSCALE_OK);
    ck_assert_uint_eq(lifecycle.rule_count, 2);
    ck_assert_uint_eq(lifecycle.rules[0].days, 7);
    ck_assert_str_eq(lifecycle.rules[0].prefix, "x/");
    ck_assert_str_eq(lifecycle.rules[1].id, "");
    ck_assert_str_eq(lifecycle.rules[1].prefix, "");
    ck_assert(!lifecycle.rules[1].expires);
    ck_assert_int_eq(ks_s3_lifecycle_read(ks_slice_of_text("<Error/>"), &arena, &lifecycle, &error),
                     KAFSCALE_CORRUPT);
}
END_TEST

START_TEST(failed_allocation_is_no_memory)
{
    enum kafscale_status status = KAFSCALE_NO_MEMORY;
    struct ks_s3_listing listing;

    for (uint64_t i = 0; status != KAFSCALE_OK; i++) {
        ck_assert_uint_lt(i, 500);
        ks_alloc_fail_after(i);
        status = list("<ListBucketResult><IsTruncated>false</IsTruncated>"
                      "<Contents><Key>a</Key><Size>1</Size></Contents></ListBucketResult>",
                      &listing);
        ks_alloc_fail_after(UINT64_MAX);
        ck_assert(status == KAFSCALE_OK || status == KAFSCALE_NO_MEMORY);
        ks_arena_deinit(&arena);
        ks_arena_init(&arena, 1 << 20);
        error = (struct kafscale_error){ 0 };
    }
}
END_TEST

Suite *
suite_new(void)
{
    Suite *suite = suite_create("s3 xml");
    TCase *tests = tcase_create("xml");

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, page_of_a_list_is_read);
    tcase_add_test(tests, encoded_keys_are_decoded);
    tcase_add_loop_test(tests, list_that_is_not_whole_is_refused, 0,
                        (int) (sizeof refused_lists / sizeof refused_lists[0]));
    tcase_add_test(tests, nesting_and_texts_are_bounded);
    tcase_add_test(tests, errors_of_both_services_are_read_and_cut_to_size);
    tcase_add_test(tests, what_could_not_be_deleted_is_told);
    tcase_add_test(tests, bodies_are_escaped);
    tcase_add_loop_test(tests, lifecycle_rule_that_would_take_our_objects_is_found, 0,
                        (int) (sizeof lifecycle_cases / sizeof lifecycle_cases[0]));
    tcase_add_test(tests, second_rule_inherits_nothing_from_the_first);
    tcase_add_test(tests, failed_allocation_is_no_memory);
    suite_add_tcase(suite, tests);
    return suite;
}
