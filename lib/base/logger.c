/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lines are cut at a fixed length: a logger must not allocate, it also reports shortage of
 * memory.
 */
#include "base/logger.h"

#include <stdarg.h>
#include <stdio.h>

#define LINE_BYTES_MAX 1024

void
ks_log(const struct ks_logger *logger, enum kafscale_log_level level, const char *format, ...)
{
    char line[LINE_BYTES_MAX];
    va_list arguments;

    if (logger->write == NULL || level > logger->level) {
        return;
    }
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    /* What clients and files contain must not make lines of its own. */
    for (char *c = line; *c != '\0'; c++) {
        if ((unsigned char) *c < 0x20 || *c == 0x7f) {
            *c = '?';
        }
    }
    logger->write(logger->arg, level, line);
}
