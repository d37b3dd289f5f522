/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The S3 store: kafscale/store.h on a bucket. What an answer means is in answer.h, how requests
 * share the way in gate.h and pace.h, how they reach the server in transport.h. Private to
 * store/s3, whose plug-in opens it.
 */
#ifndef KS_STORE_S3_S3_STORE_H
#define KS_STORE_S3_S3_STORE_H

#include "kafscale/loop.h"
#include "kafscale/store.h"
#include "store/s3/credentials.h"
#include "store/s3/target.h"

/* Borrowed until ks_s3_store_open has returned; NULL and "" are both "not given". */
struct ks_s3_settings {
    struct ks_s3_target_options bucket;
    struct ks_s3_target_options replica; /* without a name there is none */
    struct ks_s3_credentials_options credentials;
    const char *kms_key;        /* encrypt with this key of the key service */
    bool is_encrypted;          /* encrypt with the store's own key */
    bool signs_payload;         /* also what TLS or a CRC protects already */
    bool may_create_bucket;     /* also elsewhere than on loopback */
    bool must_exist;            /* the bucket is never made */
    uint32_t concurrency;       /* requests under way at once; 0: the most */
    int64_t request_timeout_ms; /* for a small request; large ones get more */
};

struct ks_s3_counters {
    uint64_t requests; /* all that were sent, those below included */
    uint64_t retries;
    uint64_t hedges;           /* sent again since the first was late */
    uint64_t slow_downs;       /* answers that asked for fewer requests */
    uint64_t damaged_requests; /* that did not arrive as they were sent */
    uint64_t damaged_answers;
};

/*
 * Opens a store; nothing is sent before its first request. Takes the transport, also on failure.
 * KAFSCALE_INVALID: a setting can't be used, and the error names it.
 */
KAFSCALE_MUST_CHECK enum kafscale_status ks_s3_store_open(struct kafscale_loop loop,
                                                          struct ks_s3_transport transport,
                                                          const struct ks_s3_settings *settings,
                                                          struct kafscale_store *store_out,
                                                          struct kafscale_error *error);

/* Of a store that is open; valid as long as it. */
const struct ks_s3_counters *ks_s3_store_counters(struct kafscale_store store);

#endif
