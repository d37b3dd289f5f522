/* SPDX-License-Identifier: Apache-2.0 */
/* Texts are put together on the stack, so that a description needs no memory of its own. */
#include "base/describe.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define TEXT_BYTES_MAX 1024
#define HEX_BYTES_MAX 64
#define MS_PER_DAY INT64_C(86400000)

void
ks_describe_begin(const struct kafscale_describe *describe, const char *name)
{
    describe->begin(describe->arg, name);
}

void
ks_describe_begin_list(const struct kafscale_describe *describe, const char *name)
{
    describe->begin_list(describe->arg, name);
}

void
ks_describe_end(const struct kafscale_describe *describe)
{
    describe->end(describe->arg);
}

void
ks_describe_text(const struct kafscale_describe *describe, const char *name, const char *value)
{
    describe->text(describe->arg, name, value);
}

void
ks_describe_number(const struct kafscale_describe *describe, const char *name, int64_t value)
{
    describe->number(describe->arg, name, value);
}

void
ks_describe_bool(const struct kafscale_describe *describe, const char *name, bool value)
{
    describe->boolean(describe->arg, name, value);
}

void
ks_describe_id(const struct kafscale_describe *describe, const char *name, const struct ks_id *id)
{
    char hex[KS_ID_HEX_BYTES];

    ks_id_to_hex(id, hex);
    ks_describe_text(describe, name, hex);
}

void
ks_describe_crc(const struct kafscale_describe *describe, const char *name, uint32_t crc)
{
    char text[16];

    snprintf(text, sizeof text, "%08" PRIx32, crc);
    ks_describe_text(describe, name, text);
}

/* The civil date of a day counted from 1970-01-01, by eras of 400 years that begin in March. */
static void
date_of(int64_t day, int64_t *year_out, int *month_out, int *day_out)
{
    int64_t from_era = day + 719468;
    int64_t era = (from_era >= 0 ? from_era : from_era - 146096) / 146097;
    int64_t in_era = from_era - era * 146097;
    int64_t year = (in_era - in_era / 1460 + in_era / 36524 - in_era / 146096) / 365;
    int64_t in_year = in_era - (365 * year + year / 4 - year / 100);
    int64_t month = (5 * in_year + 2) / 153;

    *day_out = (int) (in_year - (153 * month + 2) / 5 + 1);
    *month_out = (int) (month < 10 ? month + 3 : month - 9);
    *year_out = year + era * 400 + (*month_out <= 2);
}

void
ks_describe_time(const struct kafscale_describe *describe, const char *name, int64_t time_ms)
{
    int64_t in_day = time_ms % MS_PER_DAY;
    int64_t year;
    int month;
    int day;
    char text[40];

    if (time_ms < 0 || time_ms / MS_PER_DAY > 2932896) { /* after the year 9999 */
        ks_describe_number(describe, name, time_ms);
        return;
    }
    date_of(time_ms / MS_PER_DAY, &year, &month, &day);
    snprintf(text, sizeof text, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", (int) year, month, day,
             (int) (in_day / 3600000), (int) (in_day / 60000 % 60), (int) (in_day / 1000 % 60),
             (int) (in_day % 1000));
    ks_describe_text(describe, name, text);
}

void
ks_describe_bytes_as_text(const struct kafscale_describe *describe, const char *name,
                          struct kafscale_slice bytes)
{
    char text[TEXT_BYTES_MAX];
    size_t size = 0;

    for (size_t i = 0; i < bytes.size; i++) {
        uint8_t byte = bytes.data[i];

        if (size + 8 > sizeof text) {
            memcpy(text + size, "...", 3);
            size += 3;
            break;
        }
        if (byte >= ' ' && byte < 0x7f && byte != '\\') {
            text[size++] = (char) byte;
        } else {
            size += (size_t) snprintf(text + size, 5, "\\x%02x", byte);
        }
    }
    text[size] = '\0';
    ks_describe_text(describe, name, text);
}

void
ks_describe_hex(const struct kafscale_describe *describe, const char *name,
                struct kafscale_slice bytes)
{
    char text[2 * HEX_BYTES_MAX + 4] = "";
    size_t count = bytes.size < HEX_BYTES_MAX ? bytes.size : HEX_BYTES_MAX;

    for (size_t i = 0; i < count; i++) {
        snprintf(text + 2 * i, 3, "%02x", bytes.data[i]);
    }
    if (count < bytes.size) {
        memcpy(text + 2 * count, "...", 4);
    }
    ks_describe_text(describe, name, text);
}
