/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Diagnostics: one event a line, `what happened key=value ...`, written by whoever decides not
 * to pass a failure on.
 */
#ifndef KS_BASE_LOGGER_H
#define KS_BASE_LOGGER_H

#include "kafscale/logger.h"

/* Zeroed: silent. */
struct ks_logger {
    kafscale_log_write *write;
    void *arg;
    enum kafscale_log_level level; /* what is less urgent is dropped */
};

void ks_log(const struct ks_logger *logger, enum kafscale_log_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
