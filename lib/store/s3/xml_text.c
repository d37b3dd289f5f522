/* SPDX-License-Identifier: Apache-2.0 */
/* Texts, truth values and numbers; all are given by a stranger. */
#include "store/s3/xml_text.h"

#include <stdlib.h>

enum kafscale_status
ks_xml_lacks(struct kafscale_error *error, const char *what)
{
    return ks_error_set(error, KAFSCALE_CORRUPT, "an XML document without %s", what);
}

enum kafscale_status
ks_xml_keep_text(struct ks_arena *arena, struct kafscale_slice text, const char **out)
{
    *out = ks_arena_copy_text(arena, text.data, text.size);
    return *out != NULL ? KAFSCALE_OK : KAFSCALE_NO_MEMORY;
}

bool
ks_xml_text_is(struct kafscale_slice text, const char *expected)
{
    return ks_slice_equals(text, ks_slice_of_text(expected));
}

enum kafscale_status
ks_xml_read_bool(struct kafscale_slice text, bool *out)
{
    if (!ks_xml_text_is(text, "true") && !ks_xml_text_is(text, "false")) {
        return KAFSCALE_CORRUPT;
    }
    *out = ks_xml_text_is(text, "true");
    return KAFSCALE_OK;
}

enum kafscale_status
ks_xml_read_number(struct kafscale_slice text, uint64_t *out)
{
    uint64_t value = 0;

    if (text.size == 0) {
        return KAFSCALE_CORRUPT;
    }
    for (size_t i = 0; i < text.size; i++) {
        uint64_t digit = (uint64_t) text.data[i] - '0';

        if (digit > 9 || value > (UINT64_MAX - digit) / 10) {
            return KAFSCALE_CORRUPT;
        }
        value = value * 10 + digit;
    }
    *out = value;
    return KAFSCALE_OK;
}

/* No more elements than this begin with `tag`. */
static size_t
count_tags(struct kafscale_slice document, const char *tag, size_t limit)
{
    const uint8_t *at = document.data;
    const uint8_t *end = at + document.size;
    size_t size = strlen(tag);
    size_t count = 0;

    while (count < limit && (at = memmem(at, (size_t) (end - at), tag, size)) != NULL) {
        at += size;
        count++;
    }
    return count;
}

/* An array for as many elements as there are such tags; never NULL for none. */
void *
ks_xml_array_for(struct ks_arena *arena, struct kafscale_slice document, const char *tag,
                 size_t limit, size_t element_bytes, size_t *capacity_out)
{
    *capacity_out = document.size > 0 ? count_tags(document, tag, limit) : 0;
    return ks_arena_alloc_array(arena, *capacity_out > 0 ? *capacity_out : 1, element_bytes);
}

const char *
ks_xml_below(const char *path, const char *root)
{
    size_t size = strlen(root);

    if (strncmp(path, root, size) != 0) {
        return NULL;
    }
    if (path[size] == '\0') {
        return path + size;
    }
    return path[size] == '/' ? path + size + 1 : NULL;
}
