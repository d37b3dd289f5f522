/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading what single elements of XML documents hold, and the arrays that they are kept in. Private
 * to store/s3.
 */
#ifndef KS_STORE_S3_XML_TEXT_H
#define KS_STORE_S3_XML_TEXT_H

#include "base/base.h"

/* Answers KAFSCALE_CORRUPT with "an XML document without ..." */
enum kafscale_status ks_xml_lacks(struct kafscale_error *error, const char *what);

/*
 * What is left of a path below `root`: "" for the root itself, "Contents/Key" for
 * "ListBucketResult/Contents/Key"; NULL when it begins otherwise.
 */
const char *ks_xml_below(const char *path, const char *root);

bool ks_xml_text_is(struct kafscale_slice text, const char *expected);

/* A copy in the arena, or KAFSCALE_NO_MEMORY. */
KAFSCALE_MUST_CHECK enum kafscale_status ks_xml_keep_text(struct ks_arena *arena,
                                                          struct kafscale_slice text,
                                                          const char **out);

/* "true" or "false", and decimal digits; KAFSCALE_CORRUPT for anything else. */
KAFSCALE_MUST_CHECK enum kafscale_status ks_xml_read_bool(struct kafscale_slice text, bool *out);
KAFSCALE_MUST_CHECK enum kafscale_status ks_xml_read_number(struct kafscale_slice text,
                                                            uint64_t *out);

/*
 * An array with room for as many elements as the document has begin tags that start with `tag`,
 * at most `limit`. NULL when memory is short.
 */
void *ks_xml_array_for(struct ks_arena *arena, struct kafscale_slice document, const char *tag,
                       size_t limit, size_t element_bytes, size_t *capacity_out);

#endif
