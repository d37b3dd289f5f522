/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Decimal numbers with leading zeros, as names of objects have them: they ascend with what they
 * name.
 */
#ifndef KS_BASE_DECIMAL_H
#define KS_BASE_DECIMAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Digits that every number has room in. */
#define KS_DECIMAL_DIGITS 20

/*
 * The number that the first `digit_count` characters of `text` are; what follows them may be
 * anything. False leaves `number_out` untouched: one of them is no digit, or the text ends there,
 * or the number is above UINT64_MAX.
 */
bool ks_decimal_parse(const char *text, size_t digit_count, uint64_t *number_out);

#endif
