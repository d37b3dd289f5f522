/* SPDX-License-Identifier: Apache-2.0 */
/* Texts that grow too long lose their end, never their beginning. */
#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *
kafscale_status_text(enum kafscale_status status)
{
    switch (status) {
#define STATUS(name, value, text) \
    case KAFSCALE_##name:         \
        return text;
#include "kafscale/status.def"
#undef STATUS
    }
    return "unknown status";
}

enum kafscale_status
ks_error_set(struct kafscale_error *error, enum kafscale_status status, const char *format, ...)
{
    va_list arguments;

    if (error == NULL || error->status != KAFSCALE_OK) {
        return status;
    }
    error->status = status;
    va_start(arguments, format);
    vsnprintf(error->text, sizeof error->text, format, arguments);
    va_end(arguments);
    return status;
}

void
ks_error_wrap(struct kafscale_error *error, const char *format, ...)
{
    char before[KAFSCALE_ERROR_TEXT_BYTES];
    size_t used;
    va_list arguments;

    if (error == NULL) {
        return;
    }
    memcpy(before, error->text, sizeof before);
    va_start(arguments, format);
    vsnprintf(error->text, sizeof error->text, format, arguments);
    va_end(arguments);
    used = strlen(error->text);
    snprintf(error->text + used, sizeof error->text - used, ": %s", before);
}
