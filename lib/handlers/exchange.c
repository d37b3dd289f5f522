/* SPDX-License-Identifier: Apache-2.0 */
#include "handlers/exchange.h"

size_t
ks_answer_bytes(const struct ks_answer *answer)
{
    size_t size = 0;

    for (size_t i = 0; i < answer->part_count; i++) {
        size += answer->parts[i].bytes.size;
    }
    return size;
}

struct kafscale_blob *
ks_answer_flatten(const struct ks_answer *answer)
{
    struct kafscale_blob *blob = kafscale_blob_new(ks_answer_bytes(answer));
    uint8_t *out;

    if (blob == NULL) {
        return NULL;
    }
    out = kafscale_blob_data(blob);
    for (size_t i = 0; i < answer->part_count; i++) {
        if (answer->parts[i].bytes.size > 0) {
            memcpy(out, answer->parts[i].bytes.data, answer->parts[i].bytes.size);
            out += answer->parts[i].bytes.size;
        }
    }
    return blob;
}
