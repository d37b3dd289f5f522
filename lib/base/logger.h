/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Diagnostics: one event a line, written by whoever decides not to pass a failure on. A format is a
 * message, which has the same words for every event of its kind, and fields:
 *
 *     ks_log(logger, KAFSCALE_LOG_WARN, "connection refused client=%s connections=%zu", ...);
 *
 * The value of a field is one conversion: %s, %.*s, which is exactly so many bytes, or %d and %u,
 * also with l, ll and z; or it is a word that stands there. Quotes are the writer's business.
 * tests/style/check_log.py holds every call to this.
 */
#ifndef KS_BASE_LOGGER_H
#define KS_BASE_LOGGER_H

#include "kafscale/logger.h"

#include <stdarg.h>
#include <stdbool.h>

/* What an event has room for; the rest is cut. */
#define KS_LOG_FIELDS_MAX 20
#define KS_LOG_TEXT_BYTES 2048
#define KS_LOG_VALUE_BYTES 400
#define KS_LOG_MESSAGE_BYTES 256
#define KS_LOG_NAME_BYTES 40

/* Zeroed: silent. */
struct ks_logger {
    kafscale_log_write *write;
    void *arg;
    enum kafscale_log_level level; /* what is less urgent is dropped */
};

void ks_log(const struct ks_logger *logger, enum kafscale_log_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The same for functions that take such a format; `left_out`, unless NULL, is one more field. */
void ks_log_list(const struct ks_logger *logger, enum kafscale_log_level level,
                 const uint64_t *left_out, const char *format, va_list arguments)
    __attribute__((format(printf, 4, 0)));

/* The same with fields that are put together already; they are copied. */
void ks_log_fields(const struct ks_logger *logger, enum kafscale_log_level level,
                   const char *message, const struct kafscale_log_field *fields, size_t count);

bool ks_log_is_wanted(const struct ks_logger *logger, enum kafscale_log_level level);

#endif
