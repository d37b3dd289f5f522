/* SPDX-License-Identifier: Apache-2.0 */
/* Events of the log as lines. */
#ifndef KS_BASE_LOG_LINE_H
#define KS_BASE_LOG_LINE_H

#include "kafscale/logger.h"

#include <stdbool.h>

/* Message and fields without time and level, with a zero behind; what doesn't fit is left out. */
void ks_log_text(const struct kafscale_log_event *event, char *out, size_t size);

/* A byte inside a character of several: not a place to cut. */
bool ks_is_utf8_rest(uint8_t byte);

#endif
