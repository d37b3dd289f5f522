/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Producer ids, never given out twice in a cluster. Blocks of 1,000 are taken from the metadata
 * key `producer_ids` by compare and swap; what a broker has not given out when it ends is lost,
 * which costs nothing.
 */
#ifndef KS_BROKER_PRODUCER_IDS_H
#define KS_BROKER_PRODUCER_IDS_H

#include "broker/broker_error.h"
#include "meta/meta.h"

#define KS_PRODUCER_ID_BYTES 9

/* The value of key `producer_ids`: the first id that was not given out yet. */
void ks_producer_ids_encode(int64_t next_id, uint8_t out[KS_PRODUCER_ID_BYTES]);

/*
 * One request for an id, in the caller's memory until `done`, which comes once and never from
 * inside the call.
 */
struct ks_producer_id_request {
    void (*done)(struct ks_producer_id_request *request, enum ks_broker_error error);
    void *arg;

    int64_t id; /* out */

    struct ks_list link;
};

struct ks_producer_ids {
    struct ks_env *env;
    struct ks_meta *meta;
    int64_t next;
    int64_t end; /* ids from next to end - 1 are ours to give */
    struct ks_list waiting;
    struct ks_task task;
    bool is_asking;
    bool is_ended; /* the metadata store may not be asked any more */
    uint32_t tries;
    int64_t block;
    uint8_t bytes[KS_PRODUCER_ID_BYTES];
    struct kafscale_meta_read read;
    struct kafscale_meta_compare compare;
    struct kafscale_meta_operation operation;
    struct kafscale_meta_txn txn;
};

void ks_producer_ids_init(struct ks_producer_ids *ids, struct ks_env *env, struct ks_meta *meta);

/* Takes no further block: who waits for one is refused with its next answer. */
void ks_producer_ids_end(struct ks_producer_ids *ids);

/* Nothing may be waiting any more. */
void ks_producer_ids_deinit(struct ks_producer_ids *ids);

void ks_producer_ids_get(struct ks_producer_ids *ids, struct ks_producer_id_request *request);

#endif
