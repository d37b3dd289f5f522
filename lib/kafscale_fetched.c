/* SPDX-License-Identifier: Apache-2.0 */
/* What a consumer has fetched keeps the memory that its records lie in, and opens its batches. */
#include "kafscale_fetched.h"

#include "base/memory.h"

#include <string.h>

#define OPENED_BYTES_MAX ((size_t) 64 << 20)

struct kafscale_fetched *
ks_fetched_new(const char *topic, int32_t partition, size_t part_count)
{
    size_t name_size = strlen(topic) + 1;
    size_t parts_size = part_count * sizeof(struct kafscale_part);
    struct kafscale_fetched *fetched = ks_alloc_zero(1, sizeof *fetched + parts_size + name_size);

    if (fetched == NULL) {
        return NULL;
    }
    fetched->topic = (char *) fetched + sizeof *fetched + parts_size;
    memcpy(fetched->topic, topic, name_size);
    fetched->partition = partition;
    fetched->bytes = sizeof *fetched + parts_size + name_size;
    return fetched;
}

void
kafscale_fetched_free(struct kafscale_fetched *fetched)
{
    if (fetched == NULL) {
        return;
    }
    if (fetched->is_open) {
        ks_records_deinit(&fetched->records);
    }
    for (size_t i = 0; i < fetched->part_count; i++) {
        kafscale_blob_unref(fetched->parts[i].owner);
    }
    ks_shown_headers_deinit(&fetched->shown);
    ks_free(fetched);
}

const char *
kafscale_fetched_topic(const struct kafscale_fetched *fetched)
{
    return fetched->topic;
}

int32_t
kafscale_fetched_partition(const struct kafscale_fetched *fetched)
{
    return fetched->partition;
}

int64_t
kafscale_fetched_high_watermark(const struct kafscale_fetched *fetched)
{
    return fetched->high_watermark;
}

int16_t
kafscale_fetched_error(const struct kafscale_fetched *fetched)
{
    return fetched->error;
}

static void
close_batch(struct kafscale_fetched *fetched)
{
    if (fetched->is_open) {
        ks_records_deinit(&fetched->records);
        fetched->is_open = false;
    }
}

/* Batches without records, and markers, are passed over. */
static enum kafscale_status
open_next(struct kafscale_fetched *fetched, struct kafscale_error *error)
{
    while (!fetched->is_open && fetched->next < fetched->part_count) {
        enum kafscale_status status =
            ks_batch_parse(fetched->parts[fetched->next].bytes, &fetched->batch, error);

        fetched->next++;
        if (status != KAFSCALE_OK) {
            return status;
        }
        if (ks_batch_is_control(&fetched->batch) || fetched->batch.record_count == 0) {
            continue;
        }
        status = ks_records_init(&fetched->records, &fetched->batch, OPENED_BYTES_MAX, error);
        if (status != KAFSCALE_OK) {
            return status;
        }
        fetched->is_open = true;
    }
    return fetched->is_open ? KAFSCALE_OK : KAFSCALE_NOT_FOUND;
}

enum kafscale_status
kafscale_fetched_next(struct kafscale_fetched *fetched, struct kafscale_record *record_out,
                      struct kafscale_error *error)
{
    struct kafscale_error unused = { 0 };
    struct ks_record record;
    enum kafscale_status status;

    error = error == NULL ? &unused : error;
    for (;;) {
        status = open_next(fetched, error);
        if (status != KAFSCALE_OK) {
            return status;
        }
        status = ks_records_next(&fetched->records, &record, error);
        if (status == KAFSCALE_OK && record.offset >= fetched->position) {
            return ks_show_record(&fetched->shown, &record, OPENED_BYTES_MAX, record_out, error);
        }
        if (status != KAFSCALE_OK) {
            close_batch(fetched);
        }
        if (status != KAFSCALE_OK && status != KAFSCALE_NOT_FOUND) {
            return status;
        }
    }
}
