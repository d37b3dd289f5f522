/* SPDX-License-Identifier: Apache-2.0 */
/* The public struct kafscale_fetched, as the consumer fills it. */
#ifndef KS_KAFSCALE_FETCHED_H
#define KS_KAFSCALE_FETCHED_H

#include "base/list.h"
#include "kafscale/consumer.h"
#include "kafscale_records.h"
#include "record/record.h"

/* Parts and the topic's name lie behind it. */
struct kafscale_fetched {
    struct ks_list link;
    char *topic;
    int32_t partition;
    int16_t error;
    int64_t high_watermark;
    int64_t position; /* records before it were not asked for */
    int64_t end;      /* where to go on behind it */
    size_t bytes;     /* what it keeps of the broker's memory, about */
    struct ks_batch batch;
    struct ks_records records; /* of it, while is_open */
    bool is_open;
    struct ks_shown_headers shown;
    size_t next; /* part */
    size_t part_count;
    struct kafscale_part parts[];
};

/* Zeroed but for its name and number; NULL when memory is short. */
struct kafscale_fetched *ks_fetched_new(const char *topic, int32_t partition, size_t part_count);

#endif
