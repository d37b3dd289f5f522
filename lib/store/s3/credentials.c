/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The state of the keys: whether there are some, until when, what is under way to renew them, and
 * when to try again after a failure.
 */
#include "store/s3/credentials.h"

#include "store/s3/credentials_setup.h"
#include "store/s3/xml.h"

#include <assert.h>

#define RETRY_FIRST_MS 1000
#define RETRY_LAST_MS 60000
#define RENEWAL_GAP_MS 5000 /* a store that refuses fresh keys must not make us ask without end */
#define REQUEST_TIMEOUT_MS 5000
#define URL_BYTES_MAX (16u << 10)
#define BODY_BYTES_MAX (256u << 10)

struct ks_s3_credentials {
    const struct ks_s3_source *source;
    struct ks_s3_credentials_settings settings;
    struct ks_s3_source_work work;
    struct ks_s3_key_set found;
    struct ks_s3_key_set current;
    struct ks_s3_keys keys; /* borrows current */
    uint64_t generation;
    int64_t renew_at_s;
    bool is_refused; /* the current ones, by the store */
    bool is_waiting; /* for the answer to a request */
    int64_t not_before_ms;
    unsigned failures; /* in a row */
};

static void
reset_work(struct ks_s3_source_work *work)
{
    ks_s3_forget_buffer(&work->body);
    ks_buffer_deinit(&work->url);
    ks_s3_headers_deinit(&work->headers);
    ks_buffer_init(&work->url, URL_BYTES_MAX);
    ks_buffer_init(&work->body, BODY_BYTES_MAX);
}

/* The next set of keys begins at the first stage. */
static void
restart_work(struct ks_s3_source_work *work)
{
    reset_work(work);
    ks_s3_free_secret(work->token);
    ks_s3_free_secret(work->role);
    work->token = NULL;
    work->role = NULL;
    work->stage = 0;
}

static void
adopt(struct ks_s3_credentials *credentials, int64_t now_ms, int64_t wall_s)
{
    struct ks_s3_key_set *set = &credentials->current;
    int64_t left_s;

    ks_s3_key_set_deinit(set);
    *set = credentials->found;
    credentials->found = (struct ks_s3_key_set){ 0 };
    credentials->keys = (struct ks_s3_keys){ set->access_key, set->secret_key, set->session_token };
    credentials->generation++;
    credentials->is_refused = false;
    credentials->failures = 0;
    credentials->not_before_ms = now_ms + RENEWAL_GAP_MS;
    credentials->renew_at_s = KS_S3_EXPIRES_NEVER;
    if (set->expires_s != KS_S3_EXPIRES_NEVER) {
        left_s = set->expires_s > wall_s ? set->expires_s - wall_s : 0;
        credentials->renew_at_s = left_s > 2 * KS_S3_CREDENTIALS_RENEW_S
                                      ? set->expires_s - KS_S3_CREDENTIALS_RENEW_S
                                      : wall_s + left_s / 2;
    }
    restart_work(&credentials->work);
}

static void
fail(struct ks_s3_credentials *credentials, int64_t now_ms, struct kafscale_error *error)
{
    credentials->not_before_ms =
        now_ms + ks_backoff_ms(RETRY_FIRST_MS, RETRY_LAST_MS, credentials->failures);
    credentials->failures++;
    ks_s3_key_set_deinit(&credentials->found);
    restart_work(&credentials->work);
    ks_error_wrap(error, "S3 credentials from %s", credentials->source->name);
}

enum kafscale_status
ks_s3_credentials_new(const struct ks_s3_credentials_options *options,
                      struct ks_s3_credentials **out, struct kafscale_error *error)
{
    struct ks_s3_credentials *credentials = ks_alloc_zero(1, sizeof *credentials);
    enum kafscale_status status;

    if (credentials == NULL) {
        return ks_error_set(error, KAFSCALE_NO_MEMORY, "S3 credentials: out of memory");
    }
    credentials->work.settings = &credentials->settings;
    credentials->work.found = &credentials->found;
    restart_work(&credentials->work);
    status = ks_s3_credentials_set_up(options, &credentials->settings, &credentials->found,
                                      &credentials->source, error);
    if (status != KAFSCALE_OK) {
        ks_s3_credentials_free(credentials);
        return status;
    }
    if (credentials->source->is_fixed) {
        adopt(credentials, 0, 0);
    }
    *out = credentials;
    return KAFSCALE_OK;
}

void
ks_s3_credentials_free(struct ks_s3_credentials *credentials)
{
    if (credentials == NULL) {
        return;
    }
    restart_work(&credentials->work);
    ks_s3_credentials_settings_deinit(&credentials->settings);
    ks_s3_key_set_deinit(&credentials->found);
    ks_s3_key_set_deinit(&credentials->current);
    ks_free(credentials);
}

static bool
must_renew(const struct ks_s3_credentials *credentials, int64_t wall_s)
{
    return !credentials->source->is_fixed && !credentials->is_waiting &&
           (credentials->generation == 0 || credentials->is_refused ||
            wall_s >= credentials->renew_at_s);
}

enum ks_s3_credentials_step
ks_s3_credentials_step(struct ks_s3_credentials *credentials, int64_t now_ms, int64_t wall_s,
                       struct ks_s3_credentials_request *request_out, struct kafscale_error *error)
{
    struct ks_s3_source_work *work = &credentials->work;
    bool is_found = false;
    bool is_begun = work->stage > 0;

    if (!must_renew(credentials, wall_s) || (now_ms < credentials->not_before_ms && !is_begun)) {
        return KS_S3_CREDENTIALS_IDLE;
    }
    reset_work(work);
    if (credentials->source->ask(work, &is_found, error) != KAFSCALE_OK) {
        fail(credentials, now_ms, error);
        return KS_S3_CREDENTIALS_IDLE;
    }
    if (is_found) {
        adopt(credentials, now_ms, wall_s);
        return KS_S3_CREDENTIALS_IDLE;
    }
    credentials->is_waiting = true;
    *request_out = work->request;
    return KS_S3_CREDENTIALS_REQUEST;
}

enum kafscale_status
ks_s3_source_request(struct ks_s3_source_work *work, const char *method, bool is_on_this_machine,
                     struct kafscale_error *error)
{
    ks_buffer_append(&work->url, "", 1);
    if (work->headers.status != KAFSCALE_OK) {
        return ks_error_set(error, work->headers.status, "a header can't be sent");
    }
    if (ks_buffer_failed(&work->url) || ks_buffer_failed(&work->body)) {
        return ks_error_set(error, KAFSCALE_NO_MEMORY, "a request can't be written");
    }
    work->request = (struct ks_s3_credentials_request){
        .method = method,
        .url = (const char *) work->url.data,
        .headers = &work->headers,
        .body = ks_buffer_slice(&work->body),
        .timeout_ms = REQUEST_TIMEOUT_MS,
        .must_bypass_proxy = is_on_this_machine,
    };
    return KAFSCALE_OK;
}

/* Says what a refusal says, without the rest of the answer. */
static enum kafscale_status
refused(int http_status, struct kafscale_slice body, struct kafscale_error *error)
{
    struct ks_s3_error_document document;
    struct kafscale_error unread = { 0 };

    if (http_status == 0) {
        return ks_error_set(error, KAFSCALE_UNAVAILABLE, "no answer");
    }
    if (ks_s3_error_document_read(body, &document, &unread) == KAFSCALE_OK) {
        return ks_error_set(error, KAFSCALE_UNAVAILABLE, "HTTP status %d, %s: %s", http_status,
                            document.code, document.message);
    }
    return ks_error_set(error, KAFSCALE_UNAVAILABLE, "HTTP status %d", http_status);
}

static enum kafscale_status
read_answer(struct ks_s3_credentials *credentials, int http_status, struct kafscale_slice body,
            bool *is_found_out, struct kafscale_error *error)
{
    if (http_status != 200) {
        return refused(http_status, body, error);
    }
    if (body.size > KS_S3_CREDENTIALS_ANSWER_BYTES_MAX) {
        return ks_error_set(error, KAFSCALE_CORRUPT, "an answer of %zu bytes", body.size);
    }
    return credentials->source->take(&credentials->work, body, is_found_out, error);
}

enum kafscale_status
ks_s3_credentials_take(struct ks_s3_credentials *credentials, int http_status,
                       struct kafscale_slice body, int64_t now_ms, int64_t wall_s,
                       struct kafscale_error *error)
{
    enum kafscale_status status;
    bool is_found = false;

    assert(credentials->is_waiting);

    credentials->is_waiting = false;
    status = read_answer(credentials, http_status, body, &is_found, error);
    if (status != KAFSCALE_OK) {
        fail(credentials, now_ms, error);
    } else if (is_found) {
        adopt(credentials, now_ms, wall_s);
    }
    return status;
}

const struct ks_s3_keys *
ks_s3_credentials_keys(const struct ks_s3_credentials *credentials, int64_t wall_s)
{
    bool is_over = credentials->is_refused || wall_s >= credentials->current.expires_s;

    if (credentials->generation == 0 || (is_over && credentials->failures == 0)) {
        return NULL;
    }
    return &credentials->keys;
}

uint64_t
ks_s3_credentials_generation(const struct ks_s3_credentials *credentials)
{
    return credentials->generation;
}

bool
ks_s3_credentials_refuse(struct ks_s3_credentials *credentials, uint64_t generation)
{
    assert(generation <= credentials->generation);

    if (credentials->source->is_fixed) {
        return false;
    }
    if (generation == credentials->generation) {
        credentials->is_refused = true;
    }
    return true;
}

int64_t
ks_s3_credentials_due_ms(const struct ks_s3_credentials *credentials, int64_t now_ms,
                         int64_t wall_s)
{
    int64_t due_ms = now_ms;

    if (credentials->source->is_fixed || credentials->is_waiting) {
        return INT64_MAX;
    }
    if (!must_renew(credentials, wall_s)) {
        if (credentials->renew_at_s == KS_S3_EXPIRES_NEVER) {
            return INT64_MAX;
        }
        due_ms = now_ms + (credentials->renew_at_s - wall_s) * 1000;
    }
    return due_ms > credentials->not_before_ms || credentials->work.stage > 0
               ? due_ms
               : credentials->not_before_ms;
}

const char *
ks_s3_credentials_source(const struct ks_s3_credentials *credentials)
{
    return credentials->source->name;
}
