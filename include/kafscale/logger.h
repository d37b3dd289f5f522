/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the library's diagnostics go: it writes nowhere by itself, and hands each event to a
 * function of the program.
 */
#ifndef KAFSCALE_LOGGER_H
#define KAFSCALE_LOGGER_H

#include "kafscale/status.h"

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* How much a line matters; a logger is given those up to the level that log.level says. */
enum kafscale_log_level {
    KAFSCALE_LOG_ERROR = 0,
    KAFSCALE_LOG_WARN = 1,
    KAFSCALE_LOG_INFO = 2,
    KAFSCALE_LOG_DEBUG = 3
};

/* What a value of an event is. */
enum kafscale_log_kind { KAFSCALE_LOG_TEXT, KAFSCALE_LOG_NUMBER };

/* A value of an event, with its name. */
struct kafscale_log_field {
    const char *name;  /* lower-case letters, digits and _ */
    const char *value; /* any bytes, such as a client has sent them; ends with a zero besides */
    size_t size;       /* of the value, without that zero */
    enum kafscale_log_kind kind; /* a number is an integer, in decimal */
};

/*
 * Something that happened. The library makes it and lends it for a call; later versions may add
 * members at the end.
 */
struct kafscale_log_event {
    enum kafscale_log_level level;
    const char *message; /* the same words for each event of a kind */
    const struct kafscale_log_field *fields;
    size_t field_count;
    const char *line; /* all of it for people: `message name=value name="two words"` */
};

/* Takes one event. Called on the loop thread; must not block for long. */
typedef void kafscale_log_write(void *arg, const struct kafscale_log_event *event);

/* How an event is written as a line. */
enum kafscale_log_form {
    KAFSCALE_LOG_AS_TEXT, /* 2026-03-01T12:00:00.000Z warn message name=value */
    KAFSCALE_LOG_AS_JSON  /* {"time":"2026-...","level":"warn","message":"...","name":"value"} */
};

/* In a buffer of this many bytes any event of the library is whole, in any form. */
#define KAFSCALE_LOG_LINE_BYTES 16384

/*
 * Writes an event as one line, without its end-of-line, and a zero; `wall_ms` is the time since
 * 1970. Returns the size without the zero. What is no UTF-8, or speaks to terminals, is replaced
 * or escaped: JSON is valid whatever clients have sent. Fields that don't fit are left out from
 * the first such one on; 0: not even the message fits. Any thread.
 */
KAFSCALE_EXPORT size_t kafscale_log_line(const struct kafscale_log_event *event,
                                         enum kafscale_log_form form, int64_t wall_ms, char *out,
                                         size_t size);

#ifdef __cplusplus
}
#endif

#endif
