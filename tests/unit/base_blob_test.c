/* SPDX-License-Identifier: Apache-2.0 */
/* Views of blobs: the bytes live as long as anybody looks at them. */
#include "support/main.h"

#include "base/base.h"

#include "kafscale/bytes.h"

static struct kafscale_blob *
blob_of(const char *text)
{
    struct kafscale_blob *blob = kafscale_blob_new(strlen(text));

    ck_assert_ptr_nonnull(blob);
    memcpy(kafscale_blob_data(blob), text, strlen(text));
    return blob;
}

static void
expect_text(struct kafscale_blob *blob, const char *text)
{
    ck_assert(ks_slice_equals(kafscale_blob_slice(blob), ks_slice_of_text(text)));
}

START_TEST(a_view_keeps_the_bytes_after_their_blob_was_dropped)
{
    struct kafscale_blob *blob = blob_of("write-ahead");
    struct kafscale_blob *view = kafscale_blob_view(blob, 6, 5);

    kafscale_blob_unref(blob);
    ck_assert_uint_eq(kafscale_blob_size(view), 5);
    expect_text(view, "ahead");
    kafscale_blob_unref(view);
}
END_TEST

START_TEST(a_view_of_a_view_lies_in_the_same_bytes)
{
    struct kafscale_blob *blob = blob_of("write-ahead");
    struct kafscale_blob *view = kafscale_blob_view(blob, 6, 5);
    struct kafscale_blob *inner = kafscale_blob_view(view, 2, 3);

    kafscale_blob_unref(view);
    ck_assert_ptr_eq(kafscale_blob_data(inner), kafscale_blob_data(blob) + 8);
    kafscale_blob_unref(blob);
    expect_text(inner, "ead");
    kafscale_blob_unref(inner);
}
END_TEST

START_TEST(a_view_may_be_empty_at_the_very_end)
{
    struct kafscale_blob *blob = blob_of("x");
    struct kafscale_blob *view = kafscale_blob_view(blob, 1, 0);

    ck_assert_uint_eq(kafscale_blob_size(view), 0);
    kafscale_blob_unref(view);
    kafscale_blob_unref(blob);
}
END_TEST

/* A view that can't be made has taken no reference: the leak check would find it. */
START_TEST(without_memory_there_is_no_view)
{
    struct kafscale_blob *blob = blob_of("x");
    struct kafscale_blob *view;

    ks_alloc_fail_after(0);
    view = kafscale_blob_view(blob, 0, 1);
    ks_alloc_fail_after(UINT64_MAX);
    ck_assert_ptr_null(view);
    kafscale_blob_unref(blob);
}
END_TEST

Suite *
suite_new(void)
{
    Suite *suite = suite_create("base blob");
    TCase *tcase = tcase_create("views");

    tcase_add_test(tcase, a_view_keeps_the_bytes_after_their_blob_was_dropped);
    tcase_add_test(tcase, a_view_of_a_view_lies_in_the_same_bytes);
    tcase_add_test(tcase, a_view_may_be_empty_at_the_very_end);
    tcase_add_test(tcase, without_memory_there_is_no_view);
    suite_add_tcase(suite, tcase);
    return suite;
}
