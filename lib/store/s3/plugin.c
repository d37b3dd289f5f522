/* SPDX-License-Identifier: Apache-2.0 */
/* The S3 store as a plug-in: options become settings, the loop and libcurl become a transport. */
#include "kafscale/plugin.h"

#include "store/s3/http.h"
#include "store/s3/s3_store.h"

#include <stdlib.h>
#include <strings.h>

static const char *
text_of(const struct kafscale_options *options, const char *key)
{
    const char *text = kafscale_options_get(options, key);

    return text == NULL ? "" : text;
}

/* The words for true that options take; the value has been checked. */
static bool
is_true(const struct kafscale_options *options, const char *key)
{
    static const char *const words[] = { "true", "1", "yes", "on" };

    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (strcasecmp(text_of(options, key), words[i]) == 0) {
            return true;
        }
    }
    return false;
}

static int64_t
number_of(const struct kafscale_options *options, const char *key)
{
    return strtoll(text_of(options, key), NULL, 10);
}

static const char *
text_or(const struct kafscale_options *options, const char *key, const char *otherwise)
{
    const char *text = text_of(options, key);

    return text[0] != '\0' ? text : otherwise;
}

/*
 * Servers of one's own seldom have a region, but signatures do. For AWS it has to be named. Where
 * an endpoint is given, hosts named after buckets are the exception.
 */
static struct ks_s3_target_options
bucket_of(const struct kafscale_options *options)
{
    const char *endpoint = text_of(options, "s3.endpoint");
    bool has_endpoint = endpoint[0] != '\0';
    bool is_auto = strcasecmp(text_of(options, "s3.path.style"), "auto") == 0;

    return (struct ks_s3_target_options){
        .bucket = text_of(options, "s3.bucket"),
        .region = text_or(options, "s3.region", has_endpoint ? "us-east-1" : ""),
        .endpoint = endpoint,
        .is_path_style = is_auto ? has_endpoint : is_true(options, "s3.path.style"),
    };
}

/* What isn't said of the replica is as with the bucket. */
static struct ks_s3_target_options
replica_of(const struct kafscale_options *options)
{
    struct ks_s3_target_options bucket = bucket_of(options);
    const char *region = text_of(options, "s3.read.region");
    const char *endpoint = text_of(options, "s3.read.endpoint");
    const char *name = text_of(options, "s3.read.bucket");

    if (name[0] == '\0' && region[0] == '\0' && endpoint[0] == '\0') {
        return (struct ks_s3_target_options){ 0 };
    }
    return (struct ks_s3_target_options){
        .bucket = name[0] != '\0' ? name : bucket.bucket,
        .region = region[0] != '\0' ? region : bucket.region,
        .endpoint = endpoint[0] != '\0' || region[0] != '\0' ? endpoint : bucket.endpoint,
        .is_path_style = bucket.is_path_style,
    };
}

static uint32_t
concurrency_of(const struct kafscale_options *options)
{
    int64_t concurrency = number_of(options, "s3.concurrency");

    return concurrency <= 0 ? 0 : (uint32_t) concurrency;
}

static struct ks_s3_settings
settings_of(const struct kafscale_options *options)
{
    return (struct ks_s3_settings){
        .bucket = bucket_of(options),
        .replica = replica_of(options),
        .credentials = { .access_key = text_of(options, "s3.access.key"),
                         .secret_key = text_of(options, "s3.secret.key"),
                         .session_token = text_of(options, "s3.session.token"),
                         .profile = text_of(options, "s3.profile"),
                         .region = bucket_of(options).region },
        .kms_key = text_of(options, "s3.kms.arn"),
        .is_encrypted = is_true(options, "s3.encrypt"),
        .signs_payload = is_true(options, "s3.sign.payload"),
        .may_create_bucket = is_true(options, "s3.create.bucket"),
        .concurrency = concurrency_of(options),
        .request_timeout_ms = number_of(options, "s3.request.timeout.ms"),
    };
}

static enum kafscale_status
open_store(const struct kafscale_options *options, bool must_exist, struct kafscale_loop loop,
           struct kafscale_store *store_out, struct kafscale_error *error)
{
    struct ks_s3_settings settings = settings_of(options);
    struct ks_http_options http = {
        .connections_max = settings.concurrency == 0 ? 1024 : settings.concurrency,
        .connect_timeout_ms = number_of(options, "s3.connect.timeout.ms"),
        .ca_file = text_or(options, "s3.ca.file", NULL),
    };
    struct ks_s3_transport transport;
    enum kafscale_status status;

    settings.must_exist = must_exist;
    if (settings.bucket.region[0] == '\0') {
        return ks_error_set(error, KAFSCALE_INVALID,
                            "option 's3.region' is needed where 's3.endpoint' isn't given");
    }
    status = ks_http_new(loop, &http, &transport, error);
    if (status != KAFSCALE_OK) {
        return status;
    }
    status = ks_s3_store_open(loop, transport, &settings, store_out, error);
    if (status != KAFSCALE_OK) {
        ks_error_wrap(error, "S3 store");
    }
    return status;
}

KAFSCALE_EXPORT extern const struct kafscale_plugin kafscale_plugin_s3;

const struct kafscale_plugin kafscale_plugin_s3 = {
    .version = KAFSCALE_PLUGIN_VERSION,
    .name = "s3",
    .open_store = open_store,
};
