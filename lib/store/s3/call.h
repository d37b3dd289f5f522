/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inside of the S3 store: a call is one operation of kafscale/store.h on its way, with all its
 * tries. What the operations differ in is a table of functions. Private to store/s3.
 */
#ifndef KS_STORE_S3_CALL_H
#define KS_STORE_S3_CALL_H

#include "store/operation.h"
#include "store/s3/answer.h"
#include "store/s3/gate.h"
#include "store/s3/keyring.h"
#include "store/s3/pace.h"
#include "store/s3/s3_store.h"

/* An object that is asked for without a limit is read as far as this. */
#define KS_S3_OBJECT_BYTES_MAX ((size_t) 1 << 30)

struct ks_s3_store {
    struct kafscale_loop loop;
    struct ks_s3_transport transport;
    struct ks_s3_target primary;
    struct ks_s3_target replica;
    bool has_replica;
    struct ks_s3_keyring keyring;
    char *kms_key; /* NULL: none */
    bool is_encrypted;
    bool signs_payload;
    bool may_create_bucket;
    bool has_no_multi_delete; /* the server said so */
    int64_t request_timeout_ms;
    int64_t clock_ahead_s; /* of the server before ours */
    struct ks_s3_gate gate;
    struct ks_s3_latency put_latency;
    struct ks_s3_latency get_latency;
    struct ks_s3_budget hedges;
    struct ks_s3_budget retries;
    struct ks_s3_counters counters;
    char server[64]; /* as it names itself; empty: it doesn't, or has not yet */
    char place[256];
    struct ks_list calls;    /* all that are on their way */
    struct ks_list keyless;  /* calls that wait for keys */
    struct ks_list removals; /* struct ks_s3_removal, not on their way yet */
    size_t removal_count;
    struct kafscale_timer removal_timer;
    bool is_creating_bucket;
    struct kafscale_task closing;
    kafscale_close_done *close_done;
    void *close_arg;
};

struct ks_s3_call;

/* One sending of a call: the first of a try, or the second when the first is late. */
struct ks_s3_attempt {
    struct ks_s3_call *call;
    struct ks_s3_exchange exchange;
    struct ks_s3_message message;
    bool is_flying;
    int64_t sent_ms;
};

/* What an operation consists of. */
struct ks_s3_kind {
    const char *name; /* "PUT" */
    bool is_write;    /* goes before reads */

    const char *(*key)(const struct ks_s3_call *call);

    /* Writes the request and the exchange; the core then sends it. */
    enum kafscale_status (*write)(struct ks_s3_call *call, struct ks_s3_attempt *attempt,
                                  struct kafscale_error *error);

    /*
     * What a verdict means for this operation. What is good and not what was asked for becomes
     * KS_S3_DAMAGED_ANSWER, an answer that this operation can't get KS_S3_UNSURE, one that needs
     * another KS_S3_HALF.
     */
    enum ks_s3_verdict (*judge)(struct ks_s3_call *call, struct ks_s3_attempt *attempt,
                                enum ks_s3_verdict verdict);

    /* The status that a call ends with when it gives up. */
    enum kafscale_status (*give_up)(const struct ks_s3_call *call, enum ks_s3_verdict verdict);

    /* Tells the caller. `verdict` is good for an answer only. Frees what the call kept. */
    void (*finish)(struct ks_s3_call *call, enum kafscale_status status);

    /* The latency by which a second sending is due. NULL, or gives NULL: there is none. */
    struct ks_s3_latency *(*latency)(struct ks_s3_call *call);
};

struct ks_s3_call {
    struct ks_list link;
    struct ks_list keyless_link;
    struct ks_s3_store *store;
    const struct ks_s3_kind *kind;
    union ks_store_request request;
    union ks_store_done done;
    void *arg;
    struct ks_s3_attempt attempts[2];
    struct ks_s3_waiter waiter;
    struct kafscale_timer pause; /* until it is sent again, or until it ends with `status` */
    struct kafscale_timer late;  /* until a second sending is due */
    bool ends_after_pause;
    enum kafscale_status status;
    enum ks_s3_verdict answer; /* when it ended with one */
    uint32_t tries;            /* begun */
    uint32_t damaged_answers;
    bool is_unsure; /* some attempt may have acted, or may still */
    bool is_fresh;  /* the next try takes a new connection */
    bool is_on_replica;
    bool is_second_step; /* a question that an answer has raised */
    struct kafscale_error error;

    /* Of single kinds. */
    char checksum[KS_S3_CRC32C_TEXT_BYTES];
    char payload_hash[KS_S3_SHA256_HEX_BYTES];
    uint64_t body_bytes;
    struct kafscale_blob *body;
    uint64_t object_bytes;
    struct ks_arena arena;
    struct ks_s3_listing listing;
    const char *list_token;
    struct ks_list removals;
    size_t removal_count;
    const char *expiry_prefix;
    kafscale_expiry_done *expiry_done;
    enum kafscale_status expiry_status;
    struct kafscale_error expiry_error;
    struct ks_buffer document; /* a request's body that we write ourselves */
    struct kafscale_part part;
};

/* --- call.c ----------------------------------------------------------------------------------- */

/* A call that isn't on its way yet; NULL when memory is short. */
struct ks_s3_call *ks_s3_call_new(struct ks_s3_store *store, const struct ks_s3_kind *kind);

/* Sends it; `finish` of its kind comes later. */
void ks_s3_call_start(struct ks_s3_call *call);

/* Ends a call at once, whatever is under way. For closing. */
void ks_s3_call_abort(struct ks_s3_call *call);

/* The calls that waited for keys find out whether there are any. */
void ks_s3_calls_resume(struct ks_s3_store *store);

/* The server's time. */
int64_t ks_s3_store_time_s(const struct ks_s3_store *store);

/* Writes and signs the message of an attempt and points its exchange at it. */
KAFSCALE_MUST_CHECK enum kafscale_status ks_s3_attempt_write(struct ks_s3_attempt *attempt,
                                                             struct ks_s3_target *target,
                                                             const struct ks_s3_ask *ask,
                                                             struct kafscale_error *error);

/* --- put.c, get.c, list.c, remove.c, bucket.c, expiry.c --- */

void ks_s3_put(void *self, const struct kafscale_put *put, kafscale_put_done *done, void *arg);
void ks_s3_get(void *self, const struct kafscale_get *get, kafscale_get_done *done, void *arg);
void ks_s3_list(void *self, const struct kafscale_list *list, kafscale_list_done *done, void *arg);
void ks_s3_remove(void *self, const struct kafscale_remove *remove, kafscale_remove_done *done,
                  void *arg);

void ks_s3_find_expiry(void *self, const char *prefix, kafscale_expiry_done *done, void *arg);

/* Ends the removals that are not on their way yet. For closing. */
void ks_s3_removals_abort(struct ks_s3_store *store);

/* Makes the bucket, unless that is under way. */
void ks_s3_create_bucket(struct ks_s3_store *store);

#endif
