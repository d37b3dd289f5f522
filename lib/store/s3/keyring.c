/* SPDX-License-Identifier: Apache-2.0 */
/* The credentials decide; this carries their requests and spreads their keys. */
#include "store/s3/keyring.h"

#include "store/s3/event.h"

#include <assert.h>

static int64_t
now_ms(const struct ks_s3_keyring *keyring)
{
    return keyring->loop.ops->now_ms(keyring->loop.self);
}

static int64_t
wall_s(const struct ks_s3_keyring *keyring)
{
    return keyring->loop.ops->wall_ms(keyring->loop.self) / 1000;
}

enum kafscale_status
ks_s3_keyring_init(struct ks_s3_keyring *keyring, struct kafscale_loop loop,
                   struct ks_s3_transport transport,
                   const struct ks_s3_credentials_options *options, struct kafscale_error *error)
{
    *keyring = (struct ks_s3_keyring){ .loop = loop, .transport = transport };
    return ks_s3_credentials_new(options, &keyring->credentials, error);
}

void
ks_s3_keyring_deinit(struct ks_s3_keyring *keyring)
{
    if (keyring->is_asking) {
        keyring->transport.ops->cancel(keyring->transport.self, &keyring->exchange);
        keyring->is_asking = false;
    }
    ks_s3_credentials_free(keyring->credentials);
    keyring->credentials = NULL;
}

static void
note_failure(struct ks_s3_keyring *keyring, const struct kafscale_error *error)
{
    if (error->status != KAFSCALE_OK) {
        keyring->error = *error;
        ks_s3_log(keyring->loop, KAFSCALE_LOG_WARN, "no keys for S3", "error", error->text);
    }
}

static void
on_answer(struct ks_s3_exchange *exchange)
{
    struct ks_s3_keyring *keyring = exchange->arg;
    struct kafscale_slice body = { 0 };
    struct kafscale_error error = { 0 };
    int status = exchange->outcome == KS_S3_ANSWERED ? exchange->status : 0;

    if (exchange->body != NULL) {
        body = kafscale_blob_slice(exchange->body);
    }
    keyring->is_asking = false;
    if (ks_s3_credentials_take(keyring->credentials, status, body, now_ms(keyring), wall_s(keyring),
                               &error) != KAFSCALE_OK) {
        note_failure(keyring, &error);
    }
    kafscale_blob_unref(exchange->body);
    exchange->body = NULL;
    keyring->changed(keyring->arg);
}

static bool
ask(struct ks_s3_keyring *keyring, const struct ks_s3_credentials_request *request)
{
    keyring->part = (struct kafscale_part){ .bytes = request->body };
    keyring->exchange = (struct ks_s3_exchange){
        .method = request->method,
        .url = request->url,
        .headers = request->headers,
        .parts = &keyring->part,
        .part_count = 1,
        .body_bytes = request->body.size,
        .response_bytes_max = KS_S3_CREDENTIALS_ANSWER_BYTES_MAX,
        .timeout_ms = request->timeout_ms,
        .must_bypass_proxy = request->must_bypass_proxy,
        .done = on_answer,
        .arg = keyring,
    };
    return keyring->transport.ops->send(keyring->transport.self, &keyring->exchange) == KAFSCALE_OK;
}

/* Does what the credentials want done now. */
static void
step(struct ks_s3_keyring *keyring, int64_t now_s)
{
    struct ks_s3_credentials_request request;
    struct kafscale_error error = { 0 };

    if (keyring->is_asking) {
        return;
    }
    if (ks_s3_credentials_step(keyring->credentials, now_ms(keyring), now_s, &request, &error) ==
        KS_S3_CREDENTIALS_REQUEST) {
        keyring->is_asking = ask(keyring, &request);
        if (!keyring->is_asking) {
            (void) ks_s3_credentials_take(keyring->credentials, 0, (struct kafscale_slice){ 0 },
                                          now_ms(keyring), now_s, &error);
        }
    }
    note_failure(keyring, &error);
}

/* Whether the signers have these keys now. */
static bool
hand_out(struct ks_s3_keyring *keyring, const struct ks_s3_keys *keys)
{
    uint64_t generation = ks_s3_credentials_generation(keyring->credentials);

    if (generation == keyring->generation) {
        return true;
    }
    for (size_t i = 0; i < 2; i++) {
        if (keyring->targets[i] != NULL &&
            ks_s3_signer_set_keys(&keyring->targets[i]->signer, keys) != KAFSCALE_OK) {
            ks_error_set(&keyring->error, KAFSCALE_NO_MEMORY, "keys: no memory");
            return false;
        }
    }
    keyring->generation = generation;
    return true;
}

enum ks_s3_keyring_state
ks_s3_keyring_ready(struct ks_s3_keyring *keyring, int64_t now_s)
{
    const struct ks_s3_keys *keys;

    step(keyring, now_s);
    keys = ks_s3_credentials_keys(keyring->credentials, now_s);
    if (keys != NULL && hand_out(keyring, keys)) {
        return KS_S3_KEYRING_READY;
    }
    return keyring->is_asking ? KS_S3_KEYRING_ASKING : KS_S3_KEYRING_FAILED;
}

void
ks_s3_keyring_refuse(struct ks_s3_keyring *keyring)
{
    (void) ks_s3_credentials_refuse(keyring->credentials, keyring->generation);
}
