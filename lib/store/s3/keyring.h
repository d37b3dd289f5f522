/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keeps the keys that requests are signed with: asks for them over the store's transport when they
 * are needed or end, and hands them to the signers. Private to store/s3.
 */
#ifndef KS_STORE_S3_KEYRING_H
#define KS_STORE_S3_KEYRING_H

#include "store/s3/credentials.h"
#include "store/s3/target.h"
#include "store/s3/transport.h"

struct ks_s3_keyring {
    struct kafscale_loop loop;
    struct ks_s3_transport transport;
    struct ks_s3_credentials *credentials;
    struct ks_s3_target *targets[2]; /* whose signers get the keys */
    uint64_t generation;             /* of the keys that the signers have */
    struct ks_s3_exchange exchange;
    struct kafscale_part part;
    bool is_asking;
    struct kafscale_error error; /* of the last try */
    void (*changed)(void *arg);
    void *arg;
};

/*
 * `targets` are borrowed, the second may be NULL. `changed` is called when ks_s3_keyring_ready may
 * answer otherwise than before; it may call everything here but deinit.
 */
KAFSCALE_MUST_CHECK enum kafscale_status ks_s3_keyring_init(
    struct ks_s3_keyring *keyring, struct kafscale_loop loop, struct ks_s3_transport transport,
    const struct ks_s3_credentials_options *options, struct kafscale_error *error);

/* Cancels what is under way. Accepts a zeroed keyring. */
void ks_s3_keyring_deinit(struct ks_s3_keyring *keyring);

enum ks_s3_keyring_state {
    KS_S3_KEYRING_READY,  /* the signers have keys */
    KS_S3_KEYRING_ASKING, /* `changed` will be called */
    KS_S3_KEYRING_FAILED  /* there are no keys now; `error` says why */
};

/* To be called before each request is signed. */
enum ks_s3_keyring_state ks_s3_keyring_ready(struct ks_s3_keyring *keyring, int64_t wall_s);

/* The server took the keys that the signers have for expired. */
void ks_s3_keyring_refuse(struct ks_s3_keyring *keyring);

#endif
