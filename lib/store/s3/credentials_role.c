/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Web identity: a token in a file, which an orchestrator keeps fresh, is changed by the token
 * service for the keys of a role. The request isn't signed; the token is what proves who asks.
 */
#include "store/s3/credentials_source.h"

#include "store/s3/xml_reader.h"
#include "store/s3/xml_text.h"

static enum kafscale_status
on_role_element(void *arg, const char *path, struct kafscale_slice text)
{
    static const char root[] =
        "AssumeRoleWithWebIdentityResponse/AssumeRoleWithWebIdentityResult/Credentials";
    struct ks_s3_key_set *set = arg;
    const char *name = ks_xml_below(path, root);
    char **place = NULL;
    char form[40];

    if (name == NULL) {
        return KAFSCALE_OK;
    }
    if (strcmp(name, "AccessKeyId") == 0) {
        place = &set->access_key;
    } else if (strcmp(name, "SecretAccessKey") == 0) {
        place = &set->secret_key;
    } else if (strcmp(name, "SessionToken") == 0) {
        place = &set->session_token;
    }
    if (place != NULL) {
        return *place == NULL ? ks_s3_copy_secret(text, place) : KAFSCALE_CORRUPT;
    }
    if (strcmp(name, "Expiration") == 0) {
        if (text.size == 0 || text.size >= sizeof form) {
            return KAFSCALE_CORRUPT;
        }
        memcpy(form, text.data, text.size);
        form[text.size] = '\0';
        return ks_s3_read_time(form, &set->expires_s) ? KAFSCALE_OK : KAFSCALE_CORRUPT;
    }
    return KAFSCALE_OK;
}

enum kafscale_status
ks_s3_read_role_keys(struct kafscale_slice document, struct ks_s3_key_set *out,
                     struct kafscale_error *error)
{
    struct ks_s3_key_set set = { .expires_s = KS_S3_EXPIRES_NEVER };
    enum kafscale_status status = ks_xml_read(document, on_role_element, &set, error);

    if (status == KAFSCALE_OK &&
        (set.access_key == NULL || set.secret_key == NULL || set.session_token == NULL)) {
        status = ks_xml_lacks(error, "the keys of a role");
    }
    if (status != KAFSCALE_OK) {
        ks_s3_key_set_deinit(&set);
        return status;
    }
    *out = set;
    return KAFSCALE_OK;
}

static void
append_endpoint(struct ks_buffer *url, const struct ks_s3_credentials_settings *settings)
{
    if (settings->sts_endpoint != NULL) {
        ks_s3_append_text(url, settings->sts_endpoint);
        return;
    }
    ks_s3_append_text(url, "https://sts.");
    ks_s3_append_text(url, settings->region);
    ks_s3_append_text(url, ".amazonaws.com");
    ks_s3_append_text(url, strncmp(settings->region, "cn-", 3) == 0 ? ".cn/" : "/");
}

static enum kafscale_status
ask_role(struct ks_s3_source_work *work, bool *is_found_out, struct kafscale_error *error)
{
    const struct ks_s3_credentials_settings *settings = work->settings;
    enum kafscale_status status;
    char *token = NULL;

    (void) is_found_out;
    status = ks_s3_read_secret_file(settings->token_file, &token, error);
    if (status != KAFSCALE_OK) {
        return status;
    }
    const struct ks_s3_field form[] = {
        { "Action", "AssumeRoleWithWebIdentity" },
        { "Version", "2011-06-15" },
        { "RoleArn", settings->role_arn },
        { "RoleSessionName", settings->session_name },
        { "WebIdentityToken", token },
    };
    ks_s3_append_query(&work->body, form, sizeof form / sizeof form[0]);
    ks_s3_free_secret(token);
    append_endpoint(&work->url, settings);
    ks_s3_headers_add(&work->headers, "content-type", "application/x-www-form-urlencoded");
    return ks_s3_source_request(work, "POST", false, error);
}

static enum kafscale_status
take_role(struct ks_s3_source_work *work, struct kafscale_slice body, bool *is_found_out,
          struct kafscale_error *error)
{
    enum kafscale_status status = ks_s3_read_role_keys(body, work->found, error);

    if (status == KAFSCALE_OK) {
        *is_found_out = true;
    }
    return status;
}

const struct ks_s3_source ks_s3_source_web_identity = {
    .name = "web identity",
    .ask = ask_role,
    .take = take_role,
};
