/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A batch on its way to one partition. Records are written straight into the memory from which
 * the broker takes them, with room before and behind for the rest of the Produce request: they
 * are copied once, from whoever sends them.
 */
#ifndef KS_CLIENT_BATCH_H
#define KS_CLIENT_BATCH_H

#include "client/ask.h"
#include "record/record.h"

struct ks_line;

/* How a batch ended: OK with its offset, or why not. */
struct ks_delivered {
    /*
     * UNAVAILABLE: not within the time, and not stored. UNKNOWN: maybe stored. INVALID, TOO_LARGE:
     * refused. STOPPED: it was not sent. NO_MEMORY.
     */
    enum kafscale_status status;
    int16_t kafka_error; /* the last code of the broker; 0: it gave none */
    int64_t base_offset; /* -1: it was stored before, and nobody knows where any more */
};

struct ks_send_batch {
    struct ks_list link;
    struct ks_line *line;
    struct kafscale_blob *frame; /* headroom, header, records, and a little behind */
    size_t records_at;           /* in the frame, after the batch's header */
    size_t record_bytes;
    struct ks_batch header; /* what will stand in it */
    void **opaques;         /* one for each record, of whoever sends */
    int32_t opaque_capacity;
    size_t buffered_bytes; /* of the sender's, until it is delivered */
    int64_t due_ms;        /* it is delivered or given up by then */
    int32_t attempts;
    bool is_numbered; /* has a place in the sequence of its line */
    bool is_doubtful; /* an attempt may have stored it */
    bool is_in_flight;
    bool is_settled;  /* its end is known */
    bool is_reported; /* and told */
    struct ks_delivered delivered;
    struct ks_ask ask;
};

/* An empty batch whose records will take about `bytes`; NULL when memory is short. */
struct ks_send_batch *ks_send_batch_new(struct ks_line *line, size_t bytes, size_t headroom);
void ks_send_batch_free(struct ks_send_batch *batch);

/*
 * Copies a record into it. KAFSCALE_FULL: it would pass bytes_max, and the batch isn't empty.
 * KAFSCALE_TOO_LARGE: it would pass it alone. KAFSCALE_NO_MEMORY. Then the batch is as it was.
 */
KAFSCALE_MUST_CHECK enum kafscale_status ks_send_batch_append(struct ks_send_batch *batch,
                                                              const struct ks_record *record,
                                                              size_t bytes_max, void *opaque);

/* Where it goes; the broker answers within the time. */
struct ks_send_place {
    struct kafscale_slice topic;
    int32_t partition;
    int32_t timeout_ms;
};

/*
 * Makes the batch as `header` says, and a Produce request of it: the frame is the asker's to
 * release. What is sent again is made in a copy, for the broker may still have the first one.
 */
KAFSCALE_MUST_CHECK enum kafscale_status ks_send_batch_encode(struct ks_send_batch *batch,
                                                              struct ks_asker *asker,
                                                              const struct ks_send_place *place,
                                                              struct kafscale_blob **frame_out,
                                                              struct kafscale_slice *payload_out);

#endif
