/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads an XML document as a row of elements, each with its path and its text; what a store
 * answers needs no more. Documents come from outside: size, depth and lengths are bounded, and a
 * document type declaration, where entities are made, is refused. Private to store/s3.
 */
#ifndef KS_STORE_S3_XML_READER_H
#define KS_STORE_S3_XML_READER_H

#include "base/base.h"

#define KS_XML_DOCUMENT_BYTES_MAX (16u << 20)
#define KS_XML_DEPTH_MAX 16
#define KS_XML_PATH_BYTES_MAX 512         /* all names from the root on, with the slashes */
#define KS_XML_TEXT_BYTES_MAX (32u << 10) /* of one element */

/*
 * An element ends. `path` leads to it from the root, "Error/Code"; `text` is what it holds after
 * its last child, entities resolved, without a NUL in or after it. Both are borrowed until the
 * return. Another status than KAFSCALE_OK ends the reading with it.
 */
typedef enum kafscale_status ks_xml_on_element(void *arg, const char *path,
                                               struct kafscale_slice text);

/*
 * Answers KAFSCALE_CORRUPT for what isn't a whole well-formed document in UTF-8, or is beyond a
 * limit; KAFSCALE_NO_MEMORY; or what `on_element` answered. Elements may have been given before.
 */
KAFSCALE_MUST_CHECK enum kafscale_status ks_xml_read(struct kafscale_slice document,
                                                     ks_xml_on_element *on_element, void *arg,
                                                     struct kafscale_error *error);

#endif
