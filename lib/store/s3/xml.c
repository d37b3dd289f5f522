/* SPDX-License-Identifier: Apache-2.0 */
/* The documents with little in them: errors, deletions, and what is sent. */
#include "store/s3/xml.h"

#include "store/s3/headers.h"
#include "store/s3/xml_reader.h"
#include "store/s3/xml_text.h"

struct error_reading {
    struct ks_s3_error_document document;
    bool is_error;
};

static void
cut_text(struct kafscale_slice text, char *out, size_t out_size)
{
    size_t size = text.size < out_size - 1 ? text.size : out_size - 1;

    if (size > 0) {
        memcpy(out, text.data, size);
    }
    out[size] = '\0';
}

static enum kafscale_status
on_error_element(void *arg, const char *path, struct kafscale_slice text)
{
    struct error_reading *reading = arg;
    struct ks_s3_error_document *document = &reading->document;
    bool is_sts = strncmp(path, "ErrorResponse/", 14) == 0;
    const char *name = is_sts ? path + 14 : path;

    if (strcmp(name, "Error/Code") == 0) {
        cut_text(text, document->code, sizeof document->code);
        reading->is_error = true;
    } else if (strcmp(name, "Error/Message") == 0) {
        cut_text(text, document->message, sizeof document->message);
    } else if (strcmp(name, "Error/Region") == 0) {
        cut_text(text, document->region, sizeof document->region);
    } else if (strcmp(name, "Error/RequestId") == 0 || (is_sts && strcmp(name, "RequestId") == 0)) {
        cut_text(text, document->request_id, sizeof document->request_id);
    }
    return KAFSCALE_OK;
}

enum kafscale_status
ks_s3_error_document_read(struct kafscale_slice document, struct ks_s3_error_document *out,
                          struct kafscale_error *error)
{
    struct error_reading reading = { .is_error = false };
    enum kafscale_status status = ks_xml_read(document, on_error_element, &reading, error);

    if (status != KAFSCALE_OK) {
        return status;
    }
    if (!reading.is_error) {
        return ks_xml_lacks(error, "the code of an error");
    }
    *out = reading.document;
    return KAFSCALE_OK;
}

struct delete_reading {
    struct ks_arena *arena;
    struct ks_s3_delete_result result;
    size_t capacity;
    struct ks_s3_delete_failure failure;
};

static enum kafscale_status
end_of_failure(struct delete_reading *reading)
{
    struct ks_s3_delete_result *result = &reading->result;

    if (reading->failure.key == NULL || reading->failure.code == NULL ||
        result->failure_count == reading->capacity) {
        return KAFSCALE_CORRUPT;
    }
    if (reading->failure.message == NULL) {
        reading->failure.message = "";
    }
    result->failures[result->failure_count++] = reading->failure;
    reading->failure = (struct ks_s3_delete_failure){ 0 };
    return KAFSCALE_OK;
}

static enum kafscale_status
on_delete_element(void *arg, const char *path, struct kafscale_slice text)
{
    struct delete_reading *reading = arg;
    const char *name = ks_xml_below(path, "DeleteResult");

    if (name == NULL) {
        return KAFSCALE_CORRUPT;
    }
    if (strcmp(name, "Error/Key") == 0) {
        return ks_xml_keep_text(reading->arena, text, &reading->failure.key);
    }
    if (strcmp(name, "Error/Code") == 0) {
        return ks_xml_keep_text(reading->arena, text, &reading->failure.code);
    }
    if (strcmp(name, "Error/Message") == 0) {
        return ks_xml_keep_text(reading->arena, text, &reading->failure.message);
    }
    return strcmp(name, "Error") == 0 ? end_of_failure(reading) : KAFSCALE_OK;
}

enum kafscale_status
ks_s3_delete_result_read(struct kafscale_slice document, struct ks_arena *arena,
                         struct ks_s3_delete_result *out, struct kafscale_error *error)
{
    struct delete_reading reading = { .arena = arena };
    enum kafscale_status status;

    reading.result.failures = ks_xml_array_for(arena, document, "<Error", KS_S3_DELETE_KEYS_MAX,
                                               sizeof reading.failure, &reading.capacity);
    if (reading.result.failures == NULL) {
        return ks_error_set(error, KAFSCALE_NO_MEMORY, "what was deleted: out of memory");
    }
    status = ks_xml_read(document, on_delete_element, &reading, error);
    if (status == KAFSCALE_OK) {
        *out = reading.result;
    }
    return status;
}

static void
append_escaped(struct ks_buffer *out, const char *text)
{
    for (const char *at = text; *at != '\0'; at++) {
        if (*at == '&') {
            ks_s3_append_text(out, "&amp;");
        } else if (*at == '<') {
            ks_s3_append_text(out, "&lt;");
        } else if (*at == '>') {
            ks_s3_append_text(out, "&gt;");
        } else if (*at == '\r') {
            ks_s3_append_text(out, "&#13;");
        } else {
            ks_buffer_append(out, at, 1);
        }
    }
}

void
ks_s3_append_delete(struct ks_buffer *out, const char *const *keys, size_t key_count)
{
    ks_s3_append_text(out, "<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
                           "<Quiet>true</Quiet>");
    for (size_t i = 0; i < key_count; i++) {
        ks_s3_append_text(out, "<Object><Key>");
        append_escaped(out, keys[i]);
        ks_s3_append_text(out, "</Key></Object>");
    }
    ks_s3_append_text(out, "</Delete>");
}

void
ks_s3_append_create_bucket(struct ks_buffer *out, const char *region)
{
    if (region[0] == '\0' || strcmp(region, "us-east-1") == 0) {
        return;
    }
    ks_s3_append_text(out,
                      "<CreateBucketConfiguration "
                      "xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><LocationConstraint>");
    append_escaped(out, region);
    ks_s3_append_text(out, "</LocationConstraint></CreateBucketConfiguration>");
}
