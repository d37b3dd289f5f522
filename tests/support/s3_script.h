/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An S3 server as a script, below an S3 store on a virtual clock: each request takes the next
 * answer, and is noted.
 */
#ifndef KS_TESTS_SUPPORT_S3_SCRIPT_H
#define KS_TESTS_SUPPORT_S3_SCRIPT_H

#include "store/s3/s3_store.h"
#include "store/store.h"
#include "support/store_client.h"
#include "support/virtual_env.h"

#define S3_SCRIPT_MAX 256

/* Zeroed: the empty answer 200, at once. */
struct s3_answer {
    enum ks_s3_outcome outcome;
    int status;           /* 0: 200 */
    const char *code;     /* makes an error document */
    const char *body;     /* otherwise */
    const char *range;    /* Content-Range */
    const char *checksum; /* x-amz-checksum-crc32c */
    const char *date;
    uint64_t head_length; /* of HEAD */
    int64_t delay_ms;
};

/* A request, as it came. */
struct s3_request {
    char text[400]; /* "PUT http://127.0.0.1:9000/b/k" */
    char range[64];
    char condition[8]; /* if-none-match */
    char checksum[16];
    char date[24]; /* x-amz-date */
    char token[32];
    char body[2000];
    bool is_fresh;
    int64_t at_ms;
};

struct s3_script {
    struct virtual_env v;
    struct s3_answer answers[S3_SCRIPT_MAX];
    size_t answer_count;
    struct s3_answer otherwise; /* when the script is over */
    struct s3_request requests[S3_SCRIPT_MAX];
    size_t request_count; /* may be more than are noted */
    size_t in_flight;
    size_t in_flight_max;
    size_t cancelled;
    bool is_freed;
    char log[2000]; /* lines */
    struct kafscale_store store;
    struct store_client client;
};

/* Bucket "b" on 127.0.0.1:9000 with keys. `change` may be NULL. */
struct s3_script *s3_script_new(void (*change)(struct ks_s3_settings *settings));

/* Closes the store, if it is open. */
void s3_script_free(struct s3_script *script);

/* Adds an answer to the script. */
void s3_script_add(struct s3_script *script, struct s3_answer answer);

const struct ks_s3_counters *s3_script_counters(const struct s3_script *script);

/* The virtual time. */
int64_t s3_script_now_ms(const struct s3_script *script);

#endif
