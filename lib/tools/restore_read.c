/* SPDX-License-Identifier: Apache-2.0 */
/* First the segments up to `compacted_upto`, then what bundles and write-ahead objects hold. */
#include "tools/restore_read.h"

#include "tools/segment_object.h"

#include <inttypes.h>
#include <stdlib.h>

struct reading {
    struct ks_survey *survey;
    struct ks_survey_partition *partition;
    ks_tools_take_batch *take;
    void *arg;
    int64_t next_offset;
    bool is_enough;
    const char *key; /* of `body` */
    struct kafscale_blob *body;
};

static enum kafscale_status
missing(const struct reading *reading, int64_t offset, struct kafscale_error *error)
{
    return ks_error_set(error, KAFSCALE_CORRUPT, "offsets %" PRId64 " to %" PRId64 " are missing",
                        reading->next_offset, offset - 1);
}

/* A batch, unless all of it is known already. */
static enum kafscale_status
take(struct reading *reading, const struct ks_batch *batch, struct kafscale_error *error)
{
    if (ks_batch_last_offset(batch) < reading->next_offset) {
        return KAFSCALE_OK;
    }
    reading->next_offset = ks_batch_last_offset(batch) + 1;
    return reading->take(reading->arg, batch, &reading->is_enough, error);
}

/* --- Segments --- */

static enum kafscale_status
take_body(struct reading *reading, struct kafscale_slice segment, struct kafscale_error *error)
{
    struct kafscale_slice body =
        ks_slice(segment.data + KS_SEGMENT_HEADER_BYTES,
                 segment.size - KS_SEGMENT_HEADER_BYTES - KS_SEGMENT_FOOTER_BYTES);
    enum kafscale_status status = KAFSCALE_OK;

    while (body.size > 0 && status == KAFSCALE_OK && !reading->is_enough) {
        struct ks_batch batch;

        status = ks_batch_parse(body, &batch, error);
        if (status == KAFSCALE_OK) {
            status = take(reading, &batch, error);
            body = ks_slice(body.data + batch.bytes.size, body.size - batch.bytes.size);
        }
    }
    return status;
}

static enum kafscale_status
read_segment(struct reading *reading, const struct ks_survey_segment *segment,
             struct kafscale_error *error)
{
    struct ks_segment_home home = { .ns = reading->survey->session->ns,
                                    .prefix = reading->partition->prefix,
                                    .partition = reading->partition->name.index };
    struct kafscale_blob *body;
    struct ks_index index;
    enum kafscale_status status;

    if (segment->base_offset > reading->next_offset &&
        segment->base_offset >= reading->partition->reg.imported_end) {
        return missing(reading, segment->base_offset, error);
    }
    /* With its checksums: what is damaged must not be copied as if it were good. */
    status = ks_segment_object_read(reading->survey->session, &home, segment->base_offset, &body,
                                    &index, error);
    if (status != KAFSCALE_OK) {
        return status;
    }
    ks_index_deinit(&index);
    status = take_body(reading, kafscale_blob_slice(body), error);
    kafscale_blob_unref(body);
    return status;
}

static enum kafscale_status
read_segments(struct reading *reading, struct kafscale_error *error)
{
    const struct ks_survey_partition *partition = reading->partition;
    enum kafscale_status status = KAFSCALE_OK;

    for (size_t i = 0; i < partition->segment_count && status == KAFSCALE_OK && !reading->is_enough;
         i++) {
        const struct ks_survey_segment *segment = &partition->segments[i];
        bool is_below_start = i + 1 < partition->segment_count &&
                              partition->segments[i + 1].base_offset <= partition->reg.log_start;

        if (segment->has_body && segment->base_offset < partition->reg.compacted_upto &&
            !is_below_start) {
            status = read_segment(reading, segment, error);
        }
    }
    if (status == KAFSCALE_OK && !reading->is_enough &&
        reading->next_offset < partition->reg.compacted_upto) {
        if (partition->reg.compacted_upto > partition->reg.imported_end) {
            return missing(reading, partition->reg.compacted_upto, error);
        }
        reading->next_offset = partition->reg.compacted_upto;
    }
    return status;
}

/* --- Bundles and write-ahead objects --- */

static int
by_base(const void *a, const void *b)
{
    const struct ks_survey_place *left = a;
    const struct ks_survey_place *right = b;

    return (left->batch.base_offset > right->batch.base_offset) -
           (left->batch.base_offset < right->batch.base_offset);
}

/* Neighbours lie in one object mostly, so the last one is kept. */
static enum kafscale_status
get_object(struct reading *reading, const char *key, struct kafscale_error *error)
{
    struct kafscale_get get = { .key = key, .size_max = SIZE_MAX };
    uint64_t object_bytes;

    if (reading->key == key) {
        return KAFSCALE_OK;
    }
    kafscale_blob_unref(reading->body);
    reading->body = NULL;
    reading->key = NULL;
    if (ks_session_get(reading->survey->session, &get, &reading->body, &object_bytes, error) !=
        KAFSCALE_OK) {
        return error->status;
    }
    reading->key = key;
    return KAFSCALE_OK;
}

static enum kafscale_status
read_place(struct reading *reading, const struct ks_survey_place *place,
           struct kafscale_error *error)
{
    enum kafscale_status status = get_object(reading, place->key, error);
    struct ks_batch batch;

    if (status != KAFSCALE_OK) {
        return status;
    }
    status =
        ks_stored_batch_find(&place->batch, kafscale_blob_slice(reading->body), 0, &batch, error);
    if (status != KAFSCALE_OK) {
        ks_error_wrap(error, "'%s'", place->key);
        return status;
    }
    return take(reading, &batch, error);
}

static enum kafscale_status
read_places(struct reading *reading, struct kafscale_error *error)
{
    struct ks_survey_partition *partition = reading->partition;
    enum kafscale_status status = KAFSCALE_OK;

    if (partition->place_count > 0) {
        qsort(partition->places, partition->place_count, sizeof *partition->places, by_base);
    }
    for (size_t i = 0; i < partition->place_count && status == KAFSCALE_OK && !reading->is_enough;
         i++) {
        const struct ks_survey_place *place = &partition->places[i];

        if (place->last_offset < reading->next_offset) {
            continue;
        }
        status = place->batch.base_offset > reading->next_offset
                     ? missing(reading, place->batch.base_offset, error)
                     : read_place(reading, place, error);
    }
    return status;
}

enum kafscale_status
ks_tools_read_partition(struct ks_survey *survey, struct ks_survey_partition *partition,
                        ks_tools_take_batch *take_batch, void *arg, struct kafscale_error *error)
{
    struct reading reading = { .survey = survey,
                               .partition = partition,
                               .take = take_batch,
                               .arg = arg,
                               .next_offset = partition->reg.log_start };
    enum kafscale_status status = read_segments(&reading, error);

    if (status == KAFSCALE_OK && !reading.is_enough) {
        status = read_places(&reading, error);
    }
    kafscale_blob_unref(reading.body);
    return status;
}
