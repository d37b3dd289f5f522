/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Services beside the program that hand out keys: that of a container, which is told by a URL and
 * perhaps a token, and that of an instance, whose token has to be fetched first, then the name of
 * the role, then its keys.
 */
#include "store/s3/credentials_source.h"

#include "store/s3/json.h"

#define TOKEN_LIFE_S "21600"

enum { STAGE_TOKEN, STAGE_ROLE, STAGE_KEYS };

struct service_reading {
    struct ks_s3_key_set set;
    bool is_refused;
};

static enum kafscale_status
replace(char **place, struct kafscale_slice text)
{
    char *copy;
    enum kafscale_status status = ks_s3_copy_secret(text, &copy);

    if (status == KAFSCALE_OK) {
        ks_s3_free_secret(*place);
        *place = copy;
    }
    return status;
}

static enum kafscale_status
read_expiration(struct kafscale_slice text, int64_t *out)
{
    char form[40];

    if (text.size >= sizeof form) {
        return KAFSCALE_CORRUPT;
    }
    memcpy(form, text.data, text.size);
    form[text.size] = '\0';
    return ks_s3_read_time(form, out) ? KAFSCALE_OK : KAFSCALE_CORRUPT;
}

static enum kafscale_status
on_member(void *arg, const char *name, struct kafscale_slice text)
{
    struct service_reading *reading = arg;

    if (strcmp(name, "AccessKeyId") == 0) {
        return replace(&reading->set.access_key, text);
    }
    if (strcmp(name, "SecretAccessKey") == 0) {
        return replace(&reading->set.secret_key, text);
    }
    if (strcmp(name, "Token") == 0) {
        return replace(&reading->set.session_token, text);
    }
    if (strcmp(name, "Expiration") == 0) {
        return read_expiration(text, &reading->set.expires_s);
    }
    if (strcmp(name, "Code") == 0) {
        reading->is_refused = !ks_slice_equals(text, ks_slice_of_text("Success"));
    }
    return KAFSCALE_OK;
}

enum kafscale_status
ks_s3_read_service_keys(struct kafscale_slice document, struct ks_s3_key_set *out,
                        struct kafscale_error *error)
{
    struct service_reading reading = { .set.expires_s = KS_S3_EXPIRES_NEVER };
    enum kafscale_status status = ks_json_read_texts(document, on_member, &reading, error);

    if (status == KAFSCALE_OK && reading.is_refused) {
        status = ks_error_set(error, KAFSCALE_CORRUPT, "the service has no keys for the role");
    }
    if (status == KAFSCALE_OK &&
        (reading.set.access_key == NULL || reading.set.secret_key == NULL)) {
        status = ks_error_set(error, KAFSCALE_CORRUPT, "an answer without keys");
    }
    if (status != KAFSCALE_OK) {
        ks_s3_key_set_deinit(&reading.set);
        return status;
    }
    *out = reading.set;
    return KAFSCALE_OK;
}

static enum kafscale_status
take_keys(struct ks_s3_source_work *work, struct kafscale_slice body, bool *is_found_out,
          struct kafscale_error *error)
{
    enum kafscale_status status = ks_s3_read_service_keys(body, work->found, error);

    if (status == KAFSCALE_OK) {
        *is_found_out = true;
    }
    return status;
}

/* --- Container ------------------------------------------------------------------------------- */

static enum kafscale_status
ask_container(struct ks_s3_source_work *work, bool *is_found_out, struct kafscale_error *error)
{
    const struct ks_s3_credentials_settings *settings = work->settings;
    enum kafscale_status status;
    char *token = NULL;

    (void) is_found_out;
    if (settings->container_token_file != NULL) {
        status = ks_s3_read_secret_file(settings->container_token_file, &token, error);
        if (status != KAFSCALE_OK) {
            return status;
        }
        ks_s3_headers_add(&work->headers, "authorization", token);
        ks_s3_free_secret(token);
    } else if (settings->container_token != NULL) {
        ks_s3_headers_add(&work->headers, "authorization", settings->container_token);
    }
    ks_s3_append_text(&work->url, settings->container_url);
    return ks_s3_source_request(work, "GET", true, error);
}

const struct ks_s3_source ks_s3_source_container = {
    .name = "container credentials",
    .ask = ask_container,
    .take = take_keys,
};

/* --- Instance -------------------------------------------------------------------------------- */

static enum kafscale_status
ask_instance(struct ks_s3_source_work *work, bool *is_found_out, struct kafscale_error *error)
{
    (void) is_found_out;
    ks_s3_append_text(&work->url, work->settings->instance_endpoint);
    if (work->stage == STAGE_TOKEN) {
        ks_s3_headers_add(&work->headers, "x-aws-ec2-metadata-token-ttl-seconds", TOKEN_LIFE_S);
        ks_s3_append_text(&work->url, "/latest/api/token");
        return ks_s3_source_request(work, "PUT", true, error);
    }
    ks_s3_headers_add(&work->headers, "x-aws-ec2-metadata-token", work->token);
    ks_s3_append_text(&work->url, "/latest/meta-data/iam/security-credentials/");
    if (work->stage == STAGE_KEYS) {
        ks_s3_append_path(&work->url, work->role);
    }
    return ks_s3_source_request(work, "GET", true, error);
}

/* The first line alone: an instance could have several roles, and never has. */
static struct kafscale_slice
first_line(struct kafscale_slice text)
{
    const uint8_t *end = text.size > 0 ? memchr(text.data, '\n', text.size) : NULL;

    return ks_s3_trim(end != NULL ? ks_slice(text.data, (size_t) (end - text.data)) : text);
}

static enum kafscale_status
take_instance(struct ks_s3_source_work *work, struct kafscale_slice body, bool *is_found_out,
              struct kafscale_error *error)
{
    struct kafscale_slice line = first_line(body);
    enum kafscale_status status;

    if (work->stage == STAGE_KEYS) {
        return take_keys(work, body, is_found_out, error);
    }
    if (line.size == 0 || line.size > KS_S3_SECRET_FILE_BYTES_MAX / 2) {
        return ks_error_set(error, KAFSCALE_CORRUPT, "an answer of %zu bytes", body.size);
    }
    status = replace(work->stage == STAGE_TOKEN ? &work->token : &work->role, line);
    if (status != KAFSCALE_OK) {
        return ks_error_set(error, status, "an answer that can't be used");
    }
    work->stage++;
    return KAFSCALE_OK;
}

const struct ks_s3_source ks_s3_source_instance = {
    .name = "instance metadata",
    .ask = ask_instance,
    .take = take_instance,
};
