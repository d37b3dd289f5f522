/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Filling in a struct kafscale_error. The first failure stays; the way up only puts context
 * before it. NULL is taken for the error of somebody who doesn't ask why.
 */
#ifndef KS_BASE_ERROR_H
#define KS_BASE_ERROR_H

#include "kafscale/status.h"

/*
 * Sets status and text unless a failure is there already; returns `status`, for use in a
 * return.
 */
enum kafscale_status ks_error_set(struct kafscale_error *error, enum kafscale_status status,
                                  const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Puts "context: " before the text. */
void ks_error_wrap(struct kafscale_error *error, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
