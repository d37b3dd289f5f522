/* SPDX-License-Identifier: Apache-2.0 */
/* strtoull takes spaces and signs, and more or fewer digits than a name has. */
#include "base/decimal.h"

bool
ks_decimal_parse(const char *text, size_t digit_count, uint64_t *number_out)
{
    uint64_t number = 0;

    for (size_t i = 0; i < digit_count; i++) {
        uint64_t digit = (uint64_t) text[i] - '0';

        if (digit > 9 || number > (UINT64_MAX - digit) / 10) {
            return false;
        }
        number = number * 10 + digit;
    }
    *number_out = number;
    return true;
}
