/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Java hashes the UTF-16 units of a string, and makes strings of bytes by its own rules for what
 * isn't UTF-8: the longest part that could begin a character becomes one U+FFFD. A surrogate, which
 * has the form of three bytes but is no character, becomes one as well.
 */
#include "group/group_format.h"

#include <assert.h>

#define REPLACEMENT 0xfffdu

/* What the first byte of a character says of it; length 0: it can't be the first. */
struct form {
    size_t length;
    uint32_t bits;
    uint8_t second_min; /* what its second byte may be */
    uint8_t second_max;
};

static struct form
form_of(uint8_t first)
{
    if (first < 0x80) {
        return (struct form){ .length = 1, .bits = first };
    }
    if (first >= 0xc2 && first <= 0xdf) {
        return (struct form){ 2, first & 0x1fu, 0x80, 0xbf };
    }
    if (first >= 0xe0 && first <= 0xef) {
        return (struct form){ 3, first & 0x0fu, first == 0xe0 ? 0xa0 : 0x80, 0xbf };
    }
    if (first >= 0xf0 && first <= 0xf4) {
        return (struct form){ 4, first & 0x07u, first == 0xf0 ? 0x90 : 0x80,
                              first == 0xf4 ? 0x8f : 0xbf };
    }
    return (struct form){ .length = 0 };
}

/* Takes one character, or what is replaced, from bytes of which one is left at least. */
static uint32_t
take_character(struct ks_cursor *cursor)
{
    struct form form = form_of(ks_cursor_u8(cursor));
    uint32_t character = form.bits;

    if (form.length == 0) {
        return REPLACEMENT;
    }
    for (size_t i = 1; i < form.length; i++) {
        uint8_t lowest = i == 1 ? form.second_min : 0x80;
        uint8_t highest = i == 1 ? form.second_max : 0xbf;

        if (ks_cursor_left(cursor) == 0 || cursor->position[0] < lowest ||
            cursor->position[0] > highest) {
            return REPLACEMENT;
        }
        character = character << 6 | (ks_cursor_u8(cursor) & 0x3fu);
    }
    return character >= 0xd800 && character <= 0xdfff ? REPLACEMENT : character;
}

static uint32_t
java_hash(struct kafscale_slice text)
{
    struct ks_cursor cursor = ks_cursor(text);
    uint32_t hash = 0;

    while (ks_cursor_left(&cursor) > 0) {
        uint32_t character = take_character(&cursor);

        if (character >= 0x10000) {
            hash = hash * 31 + (0xd800 + ((character - 0x10000) >> 10));
            character = 0xdc00 + ((character - 0x10000) & 0x3ffu);
        }
        hash = hash * 31 + character;
    }
    return hash;
}

int32_t
ks_group_partition(struct kafscale_slice group, int32_t partition_count)
{
    uint32_t hash = java_hash(group);

    assert(partition_count > 0);

    /* The lowest number has no counterpart above 0: Kafka takes 0 for it. */
    if (hash > INT32_MAX) {
        hash = hash == 0x80000000u ? 0 : 0 - hash;
    }
    return (int32_t) (hash % (uint32_t) partition_count);
}
