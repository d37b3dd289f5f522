/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The steps of the signature, in the words of its specification: canonical request, string to
 * sign, signature. The key of the day costs four keyed hashes and is kept; a request then costs
 * two hashes and one keyed hash of about a kilobyte.
 */
#include "store/s3/signer.h"

#include <assert.h>
#include <stdio.h>
#include <time.h>

#define CANONICAL_BYTES_MAX (128u << 10)
#define SERVICE "s3"
#define ALGORITHM "AWS4-HMAC-SHA256"

void
ks_s3_signer_deinit(struct ks_s3_signer *signer)
{
    ks_free(signer->region);
    ks_free(signer->access_key);
    ks_s3_free_secret(signer->secret_key);
    ks_s3_free_secret(signer->session_token);
    ks_s3_wipe(signer->day_key, sizeof signer->day_key);
    *signer = (struct ks_s3_signer){ 0 };
}

enum kafscale_status
ks_s3_signer_set_region(struct ks_s3_signer *signer, const char *region)
{
    char *copy = ks_copy_text(region);

    if (copy == NULL) {
        return KAFSCALE_NO_MEMORY;
    }
    ks_free(signer->region);
    signer->region = copy;
    signer->day[0] = '\0';
    return KAFSCALE_OK;
}

enum kafscale_status
ks_s3_signer_set_keys(struct ks_s3_signer *signer, const struct ks_s3_keys *keys)
{
    char *access_key = ks_copy_text(keys->access_key);
    char *secret_key = ks_copy_text(keys->secret_key);
    char *token = keys->session_token != NULL ? ks_copy_text(keys->session_token) : NULL;

    if (access_key == NULL || secret_key == NULL ||
        (token == NULL && keys->session_token != NULL)) {
        ks_free(access_key);
        ks_s3_free_secret(secret_key);
        ks_s3_free_secret(token);
        return KAFSCALE_NO_MEMORY;
    }
    ks_free(signer->access_key);
    ks_s3_free_secret(signer->secret_key);
    ks_s3_free_secret(signer->session_token);
    signer->access_key = access_key;
    signer->secret_key = secret_key;
    signer->session_token = token;
    signer->day[0] = '\0';
    return KAFSCALE_OK;
}

bool
ks_s3_format_time(int64_t time_s, char time_out[KS_S3_TIME_BYTES])
{
    const int64_t year_10000_s = 253402300800;
    time_t time = (time_t) time_s;
    struct tm parts;

    if (time_s < 0 || time_s >= year_10000_s || gmtime_r(&time, &parts) == NULL) {
        return false;
    }
    return strftime(time_out, KS_S3_TIME_BYTES, "%Y%m%dT%H%M%SZ", &parts) == KS_S3_TIME_BYTES - 1;
}

enum kafscale_status
ks_s3_derive_key(const char *secret_key, const char *day, const char *region, const char *service,
                 uint8_t key_out[KS_S3_SHA256_BYTES])
{
    const char *steps[] = { day, region, service, "aws4_request" };
    struct ks_buffer first;
    uint8_t key[KS_S3_SHA256_BYTES];
    struct kafscale_slice last;
    enum kafscale_status status = KAFSCALE_NO_MEMORY;

    ks_buffer_init(&first, strlen(secret_key) + 4);
    ks_buffer_append(&first, "AWS4", 4);
    ks_buffer_append(&first, secret_key, strlen(secret_key));
    if (!ks_buffer_failed(&first)) {
        status = KAFSCALE_OK;
        last = ks_buffer_slice(&first);
        for (size_t i = 0; i < sizeof steps / sizeof steps[0] && status == KAFSCALE_OK; i++) {
            status = ks_s3_hmac(last, ks_slice_of_text(steps[i]), key);
            last = ks_slice(key, sizeof key);
        }
        ks_s3_wipe(first.data, first.size);
    }
    if (status == KAFSCALE_OK) {
        memcpy(key_out, key, sizeof key);
    }
    ks_s3_wipe(key, sizeof key);
    ks_buffer_deinit(&first);
    return status;
}

/* Has the key of the day on which `time` is. */
static enum kafscale_status
renew_day_key(struct ks_s3_signer *signer, const char *time)
{
    char day[KS_S3_DAY_BYTES];
    enum kafscale_status status;

    memcpy(day, time, sizeof day - 1);
    day[sizeof day - 1] = '\0';
    if (strcmp(day, signer->day) == 0) {
        return KAFSCALE_OK;
    }
    status = ks_s3_derive_key(signer->secret_key, day, signer->region, SERVICE, signer->day_key);
    if (status == KAFSCALE_OK) {
        memcpy(signer->day, day, sizeof day);
    }
    return status;
}

static void
append_signed_names(struct ks_buffer *out, const struct ks_s3_headers *headers)
{
    for (size_t i = 0; i < headers->count; i++) {
        ks_s3_append_text(out, i > 0 ? ";" : "");
        ks_s3_append_text(out, headers->fields[i].name);
    }
}

static void
append_canonical_request(struct ks_buffer *out, const struct ks_s3_signable *request,
                         const struct ks_s3_headers *headers)
{
    const char *first[] = { request->method, "\n", request->path, "\n", request->query, "\n" };

    for (size_t i = 0; i < sizeof first / sizeof first[0]; i++) {
        ks_s3_append_text(out, first[i]);
    }
    for (size_t i = 0; i < headers->count; i++) {
        ks_s3_append_text(out, headers->fields[i].name);
        ks_s3_append_text(out, ":");
        ks_s3_append_text(out, headers->fields[i].value);
        ks_s3_append_text(out, "\n");
    }
    ks_s3_append_text(out, "\n");
    append_signed_names(out, headers);
    ks_s3_append_text(out, "\n");
    ks_s3_append_text(out, request->payload_hash);
}

/* The signature of a canonical request; `text` is overwritten on the way. */
static enum kafscale_status
sign_text(const struct ks_s3_signer *signer, struct ks_buffer *text, const char *time,
          char signature_out[KS_S3_SHA256_HEX_BYTES])
{
    char hash[KS_S3_SHA256_HEX_BYTES];
    uint8_t mac[KS_S3_SHA256_BYTES];
    enum kafscale_status status = ks_s3_sha256_hex_of(ks_buffer_slice(text), hash);
    const char *lines[] = { ALGORITHM "\n",
                            time,
                            "\n",
                            signer->day,
                            "/",
                            signer->region,
                            "/" SERVICE "/aws4_request\n",
                            hash };

    if (status != KAFSCALE_OK) {
        return status;
    }
    ks_buffer_clear(text);
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        ks_s3_append_text(text, lines[i]);
    }
    if (ks_buffer_failed(text)) {
        return KAFSCALE_NO_MEMORY;
    }
    status =
        ks_s3_hmac(ks_slice(signer->day_key, sizeof signer->day_key), ks_buffer_slice(text), mac);
    if (status == KAFSCALE_OK) {
        ks_s3_hash_to_hex(mac, signature_out);
    }
    return status;
}

/* Makes the value of the authorization header in `text`. */
static void
write_authorization(const struct ks_s3_signer *signer, const struct ks_s3_headers *headers,
                    const char *signature, struct ks_buffer *text)
{
    const char *first[] = { ALGORITHM " Credential=",
                            signer->access_key,
                            "/",
                            signer->day,
                            "/",
                            signer->region,
                            "/" SERVICE "/aws4_request, SignedHeaders=" };

    ks_buffer_clear(text);
    for (size_t i = 0; i < sizeof first / sizeof first[0]; i++) {
        ks_s3_append_text(text, first[i]);
    }
    append_signed_names(text, headers);
    ks_s3_append_text(text, ", Signature=");
    ks_s3_append_text(text, signature);
    ks_buffer_append(text, "", 1);
}

static enum kafscale_status
authorize(struct ks_s3_signer *signer, const struct ks_s3_signable *request, const char *time,
          struct ks_s3_headers *headers)
{
    char signature[KS_S3_SHA256_HEX_BYTES];
    struct ks_buffer text;
    enum kafscale_status status = renew_day_key(signer, time);

    if (status != KAFSCALE_OK) {
        return status;
    }
    ks_buffer_init(&text, CANONICAL_BYTES_MAX);
    append_canonical_request(&text, request, headers);
    status =
        ks_buffer_failed(&text) ? KAFSCALE_NO_MEMORY : sign_text(signer, &text, time, signature);
    if (status == KAFSCALE_OK) {
        write_authorization(signer, headers, signature, &text);
        status = KAFSCALE_NO_MEMORY;
        if (!ks_buffer_failed(&text)) {
            ks_s3_headers_add(headers, "authorization", (const char *) text.data);
            status = headers->status;
        }
    }
    ks_buffer_deinit(&text);
    return status;
}

enum kafscale_status
ks_s3_signer_sign(struct ks_s3_signer *signer, const struct ks_s3_signable *request,
                  struct ks_s3_headers *headers, struct kafscale_error *error)
{
    char time[KS_S3_TIME_BYTES];
    enum kafscale_status status;

    assert(signer->region != NULL);
    assert(signer->access_key != NULL);
    assert(ks_s3_headers_find(headers, "host") != NULL || headers->status != KAFSCALE_OK);

    if (!ks_s3_format_time(request->time_s, time)) {
        return ks_error_set(error, KAFSCALE_INVALID, "no request can be signed at second %lld",
                            (long long) request->time_s);
    }
    ks_s3_headers_add(headers, "x-amz-content-sha256", request->payload_hash);
    ks_s3_headers_add(headers, "x-amz-date", time);
    if (signer->session_token != NULL) {
        ks_s3_headers_add(headers, "x-amz-security-token", signer->session_token);
    }
    status = headers->status;
    if (status == KAFSCALE_OK) {
        status = authorize(signer, request, time, headers);
    }
    if (status != KAFSCALE_OK) {
        return ks_error_set(error, status, "a request could not be signed");
    }
    return KAFSCALE_OK;
}
