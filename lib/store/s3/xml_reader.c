/* SPDX-License-Identifier: Apache-2.0 */
/* expat does the reading; here is what bounds it. */
#include "store/s3/xml_reader.h"

#include <expat.h>

struct reader {
    XML_Parser parser;
    ks_xml_on_element *on_element;
    void *arg;
    char path[KS_XML_PATH_BYTES_MAX];
    size_t path_size;
    size_t depth;
    struct ks_buffer text;
    enum kafscale_status status;
    const char *reason;
};

static const XML_Memory_Handling_Suite memory_suite = {
    .malloc_fcn = ks_alloc,
    .realloc_fcn = ks_realloc,
    .free_fcn = ks_free,
};

static void
stop(struct reader *reader, enum kafscale_status status, const char *reason)
{
    if (reader->status == KAFSCALE_OK) {
        reader->status = status;
        reader->reason = reason;
        XML_StopParser(reader->parser, XML_FALSE);
    }
}

static void XMLCALL
on_start(void *arg, const XML_Char *name, const XML_Char **attributes)
{
    struct reader *reader = arg;
    size_t size = strlen(name);

    (void) attributes;
    if (reader->status != KAFSCALE_OK) {
        return;
    }
    if (reader->depth == KS_XML_DEPTH_MAX || size + 2 > sizeof reader->path - reader->path_size) {
        stop(reader, KAFSCALE_CORRUPT, "elements are nested too deep");
        return;
    }
    if (reader->depth > 0) {
        reader->path[reader->path_size++] = '/';
    }
    memcpy(reader->path + reader->path_size, name, size + 1);
    reader->path_size += size;
    reader->depth++;
    ks_buffer_clear(&reader->text);
}

/* Takes the last name off the path. */
static void
leave(struct reader *reader)
{
    char *slash = strrchr(reader->path, '/');

    reader->path_size = slash != NULL ? (size_t) (slash - reader->path) : 0;
    reader->path[reader->path_size] = '\0';
    reader->depth--;
    ks_buffer_clear(&reader->text);
}

static void XMLCALL
on_end(void *arg, const XML_Char *name)
{
    struct reader *reader = arg;
    enum kafscale_status status;

    (void) name;
    if (reader->status != KAFSCALE_OK) {
        return;
    }
    status = reader->on_element(reader->arg, reader->path, ks_buffer_slice(&reader->text));
    if (status != KAFSCALE_OK) {
        stop(reader, status, "an element has not the expected content");
        return;
    }
    leave(reader);
}

static void XMLCALL
on_text(void *arg, const XML_Char *text, int size)
{
    struct reader *reader = arg;
    bool fits = (size_t) size <= reader->text.size_max - reader->text.size;

    if (reader->status != KAFSCALE_OK) {
        return;
    }
    ks_buffer_append(&reader->text, text, (size_t) size);
    if (ks_buffer_failed(&reader->text)) {
        stop(reader, fits ? KAFSCALE_NO_MEMORY : KAFSCALE_CORRUPT, "the text is too long");
    }
}

static void XMLCALL
on_doctype(void *arg, const XML_Char *name, const XML_Char *system, const XML_Char *public,
           int has_subset)
{
    (void) name;
    (void) system;
    (void) public;
    (void) has_subset;
    stop(arg, KAFSCALE_CORRUPT, "a document type is declared");
}

static enum kafscale_status
parse(struct reader *reader, struct kafscale_slice document, struct kafscale_error *error)
{
    enum XML_Status parsed;

    XML_SetUserData(reader->parser, reader);
    XML_SetElementHandler(reader->parser, on_start, on_end);
    XML_SetCharacterDataHandler(reader->parser, on_text);
    XML_SetStartDoctypeDeclHandler(reader->parser, on_doctype);
    parsed = XML_Parse(reader->parser, (const char *) document.data, (int) document.size, 1);
    if (reader->status != KAFSCALE_OK) {
        return ks_error_set(error, reader->status, "an XML document: %s", reader->reason);
    }
    if (parsed == XML_STATUS_OK) {
        return KAFSCALE_OK;
    }
    if (XML_GetErrorCode(reader->parser) == XML_ERROR_NO_MEMORY) {
        return ks_error_set(error, KAFSCALE_NO_MEMORY, "an XML document: out of memory");
    }
    return ks_error_set(error, KAFSCALE_CORRUPT, "an XML document: %s at line %lu",
                        XML_ErrorString(XML_GetErrorCode(reader->parser)),
                        (unsigned long) XML_GetCurrentLineNumber(reader->parser));
}

enum kafscale_status
ks_xml_read(struct kafscale_slice document, ks_xml_on_element *on_element, void *arg,
            struct kafscale_error *error)
{
    struct reader reader = { .on_element = on_element, .arg = arg, .status = KAFSCALE_OK };
    enum kafscale_status status;

    if (document.size > KS_XML_DOCUMENT_BYTES_MAX) {
        return ks_error_set(error, KAFSCALE_CORRUPT, "an XML document of %zu bytes", document.size);
    }
    /* The encoding is given, so that a declaration in the document can't choose another. */
    reader.parser = XML_ParserCreate_MM("UTF-8", &memory_suite, NULL);
    if (reader.parser == NULL) {
        return ks_error_set(error, KAFSCALE_NO_MEMORY, "an XML document: out of memory");
    }
    ks_buffer_init(&reader.text, KS_XML_TEXT_BYTES_MAX);
    status = parse(&reader, document, error);
    ks_buffer_deinit(&reader.text);
    XML_ParserFree(reader.parser);
    return status;
}
