/* SPDX-License-Identifier: Apache-2.0 */
#include "base/utf8.h"

#include <stdint.h>

/* By the first byte: how many there are, and between which the second must lie. */
struct form {
    uint8_t first_low;
    uint8_t first_high;
    uint8_t count;
    uint8_t second_low;
    uint8_t second_high;
};

static const struct form forms[] = {
    { 0x00, 0x7f, 1, 0, 0 },       { 0xc2, 0xdf, 2, 0x80, 0xbf }, { 0xe0, 0xe0, 3, 0xa0, 0xbf },
    { 0xe1, 0xec, 3, 0x80, 0xbf }, { 0xed, 0xed, 3, 0x80, 0x9f }, { 0xee, 0xef, 3, 0x80, 0xbf },
    { 0xf0, 0xf0, 4, 0x90, 0xbf }, { 0xf1, 0xf3, 4, 0x80, 0xbf }, { 0xf4, 0xf4, 4, 0x80, 0x8f },
};

static size_t
match(const struct form *form, const uint8_t *bytes, size_t size)
{
    if (size < form->count) {
        return 0;
    }
    if (form->count > 1 && (bytes[1] < form->second_low || bytes[1] > form->second_high)) {
        return 0;
    }
    for (size_t i = 2; i < form->count; i++) {
        if (bytes[i] < 0x80 || bytes[i] > 0xbf) {
            return 0;
        }
    }
    return form->count;
}

size_t
ks_utf8_first(const void *text, size_t size)
{
    const uint8_t *bytes = text;

    for (size_t i = 0; i < sizeof forms / sizeof *forms && size > 0; i++) {
        if (bytes[0] >= forms[i].first_low && bytes[0] <= forms[i].first_high) {
            return match(&forms[i], bytes, size);
        }
    }
    return 0;
}
