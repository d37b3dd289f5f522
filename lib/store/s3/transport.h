/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How the S3 store reaches its server: one exchange is one request and what came of it. The store
 * decides what an answer means (answer.h); a transport only tells what happened on the wire. The
 * real one is http.h; tests have one that follows a script. Private to store/s3.
 */
#ifndef KS_STORE_S3_TRANSPORT_H
#define KS_STORE_S3_TRANSPORT_H

#include "kafscale/loop.h"
#include "kafscale/store.h"
#include "store/s3/headers.h"

/* What an error says is read as far as this. */
#define KS_S3_ERROR_BODY_BYTES_MAX (64u << 10)

enum ks_s3_outcome {
    KS_S3_ANSWERED,  /* a whole answer came: `status` and `body` */
    KS_S3_NOT_SENT,  /* no byte of the request has left: no such host, no connection, ... */
    KS_S3_DISTRUST,  /* the same, since the server's certificate does not hold */
    KS_S3_CUT,       /* sent in part or whole; the answer did not come, or not in time */
    KS_S3_SHORT,     /* `status` came, its body not to the end */
    KS_S3_TOO_LARGE, /* `status` came, with a larger body than was asked for */
    KS_S3_NO_MEMORY  /* for the body of the answer */
};

struct ks_s3_exchange {
    /* What is asked. Borrowed by the transport from `send` to `done`, or to the end of `cancel`. */
    const char *method;
    const char *url;
    const struct ks_s3_headers *headers;
    const struct kafscale_part *parts; /* the request's body */
    size_t part_count;
    uint64_t body_bytes;       /* of all parts */
    size_t response_bytes_max; /* of the body of a 2xx answer */
    int64_t silence_ms;        /* without a byte in either direction; 0: as long as all of it may */
    int64_t timeout_ms;        /* for the whole exchange */
    bool is_fresh;             /* over a connection of its own, not one that was used before */
    bool is_of_unknown_size;   /* the answer; most are small then */
    bool must_bypass_proxy;    /* whatever the environment says */

    /* Called once, never before `send` has returned; may send and cancel. */
    void (*done)(struct ks_s3_exchange *exchange);
    void *arg;

    /* What came of it. Texts are cut where they don't fit, and empty when they didn't come. */
    enum ks_s3_outcome outcome;
    int status;
    struct kafscale_blob *body; /* NULL: none; belongs to whoever the exchange does */
    bool has_length;            /* the answer stated the length of its body beforehand: */
    uint64_t length;
    char reason[160]; /* of what failed on the wire, for people */
    char date[48];
    char content_range[96];
    char checksum[16]; /* x-amz-checksum-crc32c */
    char server[64];
    char region[64]; /* x-amz-bucket-region */

    void *inner; /* the transport's */
};

struct ks_s3_transport_ops {
    /* KAFSCALE_NO_MEMORY: nothing was begun, and `done` will not be called. */
    enum kafscale_status (*send)(void *self, struct ks_s3_exchange *exchange);

    /* Lets go of all that the exchange borrows; `done` will not be called. The server may act. */
    void (*cancel)(void *self, struct ks_s3_exchange *exchange);

    /* No exchange may be under way. Not from within `done`. */
    void (*free)(void *self);
};

struct ks_s3_transport {
    const struct ks_s3_transport_ops *ops;
    void *self;
};

#endif
