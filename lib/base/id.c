/* SPDX-License-Identifier: Apache-2.0 */
/* 128-bit identifiers and their hexadecimal form. */
#include "base/id.h"

#include <string.h>

bool
ks_id_is_zero(const struct ks_id *id)
{
    static const struct ks_id zero;

    return ks_id_equals(id, &zero);
}

bool
ks_id_equals(const struct ks_id *a, const struct ks_id *b)
{
    return memcmp(a->bytes, b->bytes, KS_ID_BYTES) == 0;
}

void
ks_id_to_hex(const struct ks_id *id, char hex_out[KS_ID_HEX_BYTES])
{
    static const char digits[] = "0123456789abcdef";

    for (int i = 0; i < KS_ID_BYTES; i++) {
        hex_out[2 * i] = digits[id->bytes[i] >> 4];
        hex_out[2 * i + 1] = digits[id->bytes[i] & 15];
    }
    hex_out[2 * KS_ID_BYTES] = '\0';
}

/* The value of one lower-case hexadecimal digit, or -1. */
static int
digit_value(char digit)
{
    if (digit >= '0' && digit <= '9') {
        return digit - '0';
    }
    if (digit >= 'a' && digit <= 'f') {
        return digit - 'a' + 10;
    }
    return -1;
}

bool
ks_id_from_hex(const char *hex, struct ks_id *id_out)
{
    struct ks_id id;

    for (int i = 0; i < KS_ID_BYTES; i++) {
        int high = digit_value(hex[2 * i]);
        int low = high < 0 ? -1 : digit_value(hex[2 * i + 1]);

        if (low < 0) {
            return false;
        }
        id.bytes[i] = (uint8_t) (high << 4 | low);
    }
    *id_out = id;
    return true;
}

const char *
ks_id_from_path(const char *path, struct ks_id *id_out)
{
    struct ks_id id;

    if (!ks_id_from_hex(path, &id) || path[KS_ID_HEX_BYTES - 1] != '/') {
        return NULL;
    }
    *id_out = id;
    return path + KS_ID_HEX_BYTES;
}
