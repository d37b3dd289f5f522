/* SPDX-License-Identifier: Apache-2.0 */
/* A short sorted list: a request has about ten headers. */
#include "store/s3/headers.h"

#include <assert.h>
#include <stdlib.h>

void
ks_s3_headers_init(struct ks_s3_headers *headers)
{
    *headers = (struct ks_s3_headers){ .status = KAFSCALE_OK };
    ks_arena_init(&headers->arena, KS_S3_HEADERS_BYTES_MAX);
}

void
ks_s3_headers_deinit(struct ks_s3_headers *headers)
{
    ks_arena_deinit(&headers->arena);
    ks_s3_headers_init(headers);
}

static bool
value_is_valid(const char *value)
{
    for (const char *at = value; *at != '\0'; at++) {
        bool is_control = (unsigned char) *at < ' ' || *at == 127;
        bool is_loose = *at == ' ' && (at == value || at[1] == ' ' || at[1] == '\0');

        if (is_control || is_loose) {
            return false;
        }
    }
    return true;
}

/* The index of the first field whose name is not below `name`. */
static size_t
place_of(const struct ks_s3_headers *headers, const char *name)
{
    size_t i = 0;

    while (i < headers->count && strcmp(headers->fields[i].name, name) < 0) {
        i++;
    }
    return i;
}

void
ks_s3_headers_add(struct ks_s3_headers *headers, const char *name, const char *value)
{
    size_t place = place_of(headers, name);
    char *copy;

    assert(headers->count < KS_S3_HEADERS_MAX);
    assert(ks_s3_headers_find(headers, name) == NULL);

    if (headers->status != KAFSCALE_OK) {
        return;
    }
    if (!value_is_valid(value)) {
        headers->status = KAFSCALE_INVALID;
        return;
    }
    copy = ks_arena_copy_text(&headers->arena, value, strlen(value));
    if (copy == NULL) {
        headers->status = KAFSCALE_NO_MEMORY;
        return;
    }
    memmove(&headers->fields[place + 1], &headers->fields[place],
            (headers->count - place) * sizeof headers->fields[0]);
    headers->fields[place] = (struct ks_s3_field){ .name = name, .value = copy };
    headers->count++;
}

const char *
ks_s3_headers_find(const struct ks_s3_headers *headers, const char *name)
{
    size_t place = place_of(headers, name);

    if (place == headers->count || strcmp(headers->fields[place].name, name) != 0) {
        return NULL;
    }
    return headers->fields[place].value;
}

void
ks_s3_append_text(struct ks_buffer *out, const char *text)
{
    ks_buffer_append(out, text, strlen(text));
}

static bool
is_unreserved(char byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
           (byte >= '0' && byte <= '9') || byte == '-' || byte == '.' || byte == '_' || byte == '~';
}

static void
append_escaped(struct ks_buffer *out, const char *text, bool keeps_slash)
{
    static const char digits[] = "0123456789ABCDEF";

    for (const char *at = text; *at != '\0'; at++) {
        unsigned char byte = (unsigned char) *at;
        char escaped[3] = { '%', digits[byte >> 4], digits[byte & 15] };

        if (is_unreserved(*at) || (keeps_slash && *at == '/')) {
            ks_buffer_append(out, at, 1);
        } else {
            ks_buffer_append(out, escaped, sizeof escaped);
        }
    }
}

void
ks_s3_append_path(struct ks_buffer *out, const char *path)
{
    append_escaped(out, path, true);
}

static int
compare_fields(const void *a, const void *b)
{
    return strcmp(((const struct ks_s3_field *) a)->name, ((const struct ks_s3_field *) b)->name);
}

void
ks_s3_append_query(struct ks_buffer *out, const struct ks_s3_field *parameters,
                   size_t parameter_count)
{
    struct ks_s3_field sorted[KS_S3_PARAMETERS_MAX];

    assert(parameter_count <= KS_S3_PARAMETERS_MAX);

    if (parameter_count == 0) {
        return;
    }
    memcpy(sorted, parameters, parameter_count * sizeof sorted[0]);
    qsort(sorted, parameter_count, sizeof sorted[0], compare_fields);
    for (size_t i = 0; i < parameter_count; i++) {
        if (i > 0) {
            ks_s3_append_text(out, "&");
        }
        append_escaped(out, sorted[i].name, false);
        ks_s3_append_text(out, "=");
        append_escaped(out, sorted[i].value != NULL ? sorted[i].value : "", false);
    }
}
