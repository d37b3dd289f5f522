/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the keys of the S3 store come from, in the order that the tools of AWS have: options,
 * environment, web identity, shared file, container, instance. The first place that is set up is
 * the one; keys that end are renewed from there.
 *
 * It has no socket. What must be asked of a service is handed out as a request, and whoever has
 * sent it hands in the answer. It reads small files when it is asked for a step. Secrets never
 * stand in its errors, and their memory is wiped. Everything here belongs to the loop thread.
 * Private to store/s3.
 */
#ifndef KS_STORE_S3_CREDENTIALS_H
#define KS_STORE_S3_CREDENTIALS_H

#include "store/s3/headers.h"
#include "store/s3/signer.h"

/* Keys are renewed this long before they end, and used meanwhile. */
#define KS_S3_CREDENTIALS_RENEW_S 300

/* No answer that is needed here is longer. */
#define KS_S3_CREDENTIALS_ANSWER_BYTES_MAX (64u << 10)

/* Borrowed until ks_s3_credentials_new has returned. NULL and "" are both "not given". */
struct ks_s3_credentials_options {
    const char *access_key;
    const char *secret_key;
    const char *session_token;
    const char *profile; /* of the shared file; given, no other place is looked at */
    const char *region;  /* whose token service is asked */

    /* As getenv, which stands in for NULL; called by ks_s3_credentials_new alone. */
    const char *(*find_variable)(void *arg, const char *name);
    void *arg;
};

/* Valid, as are its texts, until the answer is handed in. A body is form data, or empty. */
struct ks_s3_credentials_request {
    const char *method;
    const char *url;
    const struct ks_s3_headers *headers;
    struct kafscale_slice body;
    uint32_t timeout_ms;
    bool must_bypass_proxy; /* a service of this machine */
};

enum ks_s3_credentials_step {
    KS_S3_CREDENTIALS_IDLE,    /* nothing to do, or not yet */
    KS_S3_CREDENTIALS_REQUEST, /* send it; until its answer comes there is nothing else to do */
};

struct ks_s3_credentials;

/*
 * Looks where keys are to come from. KAFSCALE_INVALID: nowhere, or half of a key is set, or a
 * setting can't be used; the error names it. KAFSCALE_NO_MEMORY.
 */
KAFSCALE_MUST_CHECK enum kafscale_status ks_s3_credentials_new(
    const struct ks_s3_credentials_options *options, struct ks_s3_credentials **out,
    struct kafscale_error *error);

/* Wipes and frees. A request that is under way needs no answer. Accepts NULL. */
void ks_s3_credentials_free(struct ks_s3_credentials *credentials);

/*
 * To be called before a request is signed: renews what has to be. `now_ms` is monotonic, `wall_s`
 * seconds since 1970. A failure is told in `error`, once, and tried again after a while.
 */
enum ks_s3_credentials_step ks_s3_credentials_step(struct ks_s3_credentials *credentials,
                                                   int64_t now_ms, int64_t wall_s,
                                                   struct ks_s3_credentials_request *request_out,
                                                   struct kafscale_error *error);

/*
 * The answer to the request: its HTTP status, or 0 when there was none. Call ks_s3_credentials_step
 * then, since another request may follow. What it answers and `error` say is whether this one went
 * well.
 */
enum kafscale_status ks_s3_credentials_take(struct ks_s3_credentials *credentials, int http_status,
                                            struct kafscale_slice body, int64_t now_ms,
                                            int64_t wall_s, struct kafscale_error *error);

/*
 * The keys to sign with, valid until the next step or answer; NULL while there are none yet or
 * they must be renewed first. Keys that have ended are given all the same when they can't be
 * renewed: the store knows better than our clock.
 */
const struct ks_s3_keys *ks_s3_credentials_keys(const struct ks_s3_credentials *credentials,
                                                int64_t wall_s);

/* Changes with the keys, from 1 on; 0 before there are any. */
uint64_t ks_s3_credentials_generation(const struct ks_s3_credentials *credentials);

/*
 * The store refused keys of this generation as expired. Unless there are newer ones, they are
 * renewed at the next step. False when they can't be, since they were given as they are.
 */
bool ks_s3_credentials_refuse(struct ks_s3_credentials *credentials, uint64_t generation);

/* When a step has something to do again; INT64_MAX: not while nothing is refused or sent. */
int64_t ks_s3_credentials_due_ms(const struct ks_s3_credentials *credentials, int64_t now_ms,
                                 int64_t wall_s);

/* "environment", "instance metadata": for messages. Valid as long as the credentials. */
const char *ks_s3_credentials_source(const struct ks_s3_credentials *credentials);

#endif
