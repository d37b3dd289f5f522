/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Batches are built with the library's own builder; the golden files say whether that can be
 * trusted.
 */
#include "support/batches.h"

#include "base/crc32c.h"
#include "base/endian.h"

#include <check.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>

void
put_batch(struct ks_buffer *out, const struct ks_batch_options *options,
          const struct ks_record *records, size_t count)
{
    struct ks_batch_builder builder;
    struct kafscale_error error = { 0 };

    ks_batch_builder_init(&builder, options);
    for (size_t i = 0; i < count; i++) {
        ks_batch_builder_append(&builder, &records[i]);
    }
    ck_assert_int_eq(ks_batch_builder_finish(&builder, out, &error), KAFSCALE_OK);
    ks_batch_builder_deinit(&builder);
}

struct ks_batch
get_batch(const struct ks_buffer *bytes)
{
    struct ks_batch batch = { 0 };
    struct kafscale_error error = { 0 };
    enum kafscale_status status = ks_batch_parse(ks_buffer_slice(bytes), &batch, &error);

    ck_assert_msg(status == KAFSCALE_OK, "%s", error.text);
    return batch;
}

void
correct_crc(struct ks_buffer *bytes)
{
    ck_assert_uint_ge(bytes->size, KS_BATCH_HEADER_BYTES);
    ks_put_u32(bytes->data + 17, ks_crc32c(0, bytes->data + 21, bytes->size - 21));
}

struct ks_record
text_record(int64_t timestamp, const char *key, const char *value)
{
    return (struct ks_record){
        .timestamp = timestamp,
        .key = key == NULL ? ks_slice(NULL, 0) : ks_slice_of_text(key),
        .value = value == NULL ? ks_slice(NULL, 0) : ks_slice_of_text(value),
    };
}

void
load_hex(const char *path, struct ks_buffer *out)
{
    char line[512];
    FILE *file = fopen(path, "r");

    ck_assert_msg(file != NULL, "can't open %s", path);
    while (fgets(line, sizeof line, file) != NULL) {
        unsigned byte;

        for (char *c = line; line[0] != '#' && isxdigit((unsigned char) *c); c += 2) {
            ck_assert_int_eq(sscanf(c, "%2x", &byte), 1);
            ks_buffer_append_u8(out, (uint8_t) byte);
        }
    }
    fclose(file);
    ck_assert(!ks_buffer_failed(out));
    ck_assert_uint_gt(out->size, 0);
}
