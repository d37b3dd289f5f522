/* SPDX-License-Identifier: Apache-2.0 */
/* Where to look for keys, decided once, from options and environment. */
#include "store/s3/credentials_setup.h"

#include <stdlib.h>
#include <strings.h>

struct setup {
    const struct ks_s3_credentials_options *options;
    struct ks_s3_credentials_settings *settings;
    struct ks_s3_key_set *fixed;
    const struct ks_s3_source *source;
    bool no_memory;
    struct kafscale_error *error;
};

void
ks_s3_credentials_settings_deinit(struct ks_s3_credentials_settings *settings)
{
    char *texts[] = { settings->profile,          settings->file,
                      settings->region,           settings->token_file,
                      settings->role_arn,         settings->session_name,
                      settings->sts_endpoint,     settings->container_url,
                      settings->container_token,  settings->container_token_file,
                      settings->instance_endpoint };

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        ks_s3_free_secret(texts[i]);
    }
    *settings = (struct ks_s3_credentials_settings){ 0 };
}

static const char *
given(const char *text)
{
    return text != NULL && text[0] != '\0' ? text : NULL;
}

static const char *
variable(const struct setup *setup, const char *name)
{
    const struct ks_s3_credentials_options *options = setup->options;

    if (options->find_variable == NULL) {
        return given(getenv(name));
    }
    return given(options->find_variable(options->arg, name));
}

/* A copy of up to two texts in a row, or NULL when there is none. */
static char *
keep(struct setup *setup, const char *first, const char *second)
{
    size_t first_size = first != NULL ? strlen(first) : 0;
    char *copy;

    if (first == NULL) {
        return NULL;
    }
    copy = ks_alloc(first_size + strlen(second) + 1);
    if (copy == NULL) {
        setup->no_memory = true;
        return NULL;
    }
    memcpy(copy, first, first_size);
    memcpy(copy + first_size, second, strlen(second) + 1);
    return copy;
}

static enum kafscale_status
invalid(struct setup *setup, const char *what)
{
    return ks_error_set(setup->error, KAFSCALE_INVALID, "S3 credentials: %s", what);
}

static enum kafscale_status
choose_fixed(struct setup *setup, const struct ks_s3_source *source, const struct ks_s3_keys *keys)
{
    setup->fixed->access_key = keep(setup, keys->access_key, "");
    setup->fixed->secret_key = keep(setup, keys->secret_key, "");
    setup->fixed->session_token = keep(setup, keys->session_token, "");
    setup->fixed->expires_s = KS_S3_EXPIRES_NEVER;
    setup->source = source;
    return KAFSCALE_OK;
}

/* Keys as they are given, by options or by variables. */
static enum kafscale_status
try_given(struct setup *setup)
{
    const struct ks_s3_credentials_options *options = setup->options;
    struct ks_s3_keys keys = { given(options->access_key), given(options->secret_key),
                               given(options->session_token) };

    if ((keys.access_key != NULL) != (keys.secret_key != NULL)) {
        return invalid(setup, "an access key and a secret key belong together, one is missing");
    }
    if (keys.access_key == NULL && keys.session_token != NULL) {
        return invalid(setup, "a session token without the keys that it belongs to");
    }
    return keys.access_key == NULL ? KAFSCALE_OK : choose_fixed(setup, &ks_s3_source_given, &keys);
}

static enum kafscale_status
try_environment(struct setup *setup)
{
    struct ks_s3_keys keys = { variable(setup, "AWS_ACCESS_KEY_ID"),
                               variable(setup, "AWS_SECRET_ACCESS_KEY"),
                               variable(setup, "AWS_SESSION_TOKEN") };

    if ((keys.access_key != NULL) != (keys.secret_key != NULL)) {
        return invalid(setup, "of AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY one is missing");
    }
    return keys.access_key == NULL ? KAFSCALE_OK
                                   : choose_fixed(setup, &ks_s3_source_environment, &keys);
}

static enum kafscale_status
try_web_identity(struct setup *setup)
{
    struct ks_s3_credentials_settings *settings = setup->settings;
    const char *file = variable(setup, "AWS_WEB_IDENTITY_TOKEN_FILE");
    const char *role = variable(setup, "AWS_ROLE_ARN");
    const char *session = variable(setup, "AWS_ROLE_SESSION_NAME");

    if (file == NULL) {
        return KAFSCALE_OK;
    }
    if (role == NULL) {
        return invalid(setup, "AWS_WEB_IDENTITY_TOKEN_FILE without AWS_ROLE_ARN");
    }
    settings->token_file = keep(setup, file, "");
    settings->role_arn = keep(setup, role, "");
    settings->session_name = keep(setup, session != NULL ? session : "kafscale", "");
    settings->sts_endpoint = keep(setup, variable(setup, "AWS_ENDPOINT_URL_STS"), "");
    settings->region = keep(setup, given(setup->options->region), "");
    if (settings->region == NULL) {
        settings->region = keep(setup, "us-east-1", "");
    }
    setup->source = &ks_s3_source_web_identity;
    return KAFSCALE_OK;
}

/* Whether the shared file has keys of the profile now. */
static bool
profile_is_there(const struct ks_s3_credentials_settings *settings)
{
    struct ks_s3_key_set found = { 0 };
    struct ks_s3_source_work work = { .settings = settings, .found = &found };
    struct kafscale_error error = { 0 };
    bool is_found = false;

    if (ks_s3_source_shared_file.ask(&work, &is_found, &error) != KAFSCALE_OK) {
        return false;
    }
    ks_s3_key_set_deinit(&found);
    return is_found;
}

static enum kafscale_status
try_shared_file(struct setup *setup)
{
    struct ks_s3_credentials_settings *settings = setup->settings;
    const char *profile = given(setup->options->profile);
    const char *file = variable(setup, "AWS_SHARED_CREDENTIALS_FILE");
    const char *home = variable(setup, "HOME");

    if (profile == NULL) {
        profile = variable(setup, "AWS_PROFILE");
    }
    settings->profile = keep(setup, profile != NULL ? profile : "default", "");
    settings->file = file != NULL ? keep(setup, file, "") : keep(setup, home, "/.aws/credentials");
    if (settings->profile == NULL || settings->file == NULL) {
        return profile == NULL || setup->no_memory
                   ? KAFSCALE_OK
                   : invalid(setup, "a profile, and no home whose .aws/credentials has it");
    }
    if (profile != NULL || profile_is_there(settings)) {
        setup->source = &ks_s3_source_shared_file;
    }
    return KAFSCALE_OK;
}

/* A token must not go over the network in the clear: plain HTTP stays on this machine. */
static bool
is_trusted_url(const char *url)
{
    static const char *const hosts[] = { "localhost", "[::1]", "169.254.170.2", "169.254.170.23",
                                         "[fd00:ec2::23]" };
    const char *host = url + 7;
    size_t size;

    if (strncmp(url, "https://", 8) == 0) {
        return true;
    }
    if (strncmp(url, "http://", 7) != 0 || strchr(url, '@') != NULL) {
        return false;
    }
    size = host[0] == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":/?#");
    for (size_t i = 0; i < sizeof hosts / sizeof hosts[0]; i++) {
        if (strlen(hosts[i]) == size && strncmp(host, hosts[i], size) == 0) {
            return true;
        }
    }
    return strncmp(host, "127.", 4) == 0 && strspn(host, "0123456789.") == size;
}

static enum kafscale_status
try_container(struct setup *setup)
{
    struct ks_s3_credentials_settings *settings = setup->settings;
    const char *relative = variable(setup, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
    const char *full = variable(setup, "AWS_CONTAINER_CREDENTIALS_FULL_URI");

    if (relative == NULL && full == NULL) {
        return KAFSCALE_OK;
    }
    if (relative != NULL && relative[0] != '/') {
        return invalid(setup, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI must begin with '/'");
    }
    if (relative == NULL && !is_trusted_url(full)) {
        return invalid(setup, "AWS_CONTAINER_CREDENTIALS_FULL_URI must be https or this machine");
    }
    settings->container_url =
        relative != NULL ? keep(setup, "http://169.254.170.2", relative) : keep(setup, full, "");
    settings->container_token =
        keep(setup, variable(setup, "AWS_CONTAINER_AUTHORIZATION_TOKEN"), "");
    settings->container_token_file =
        keep(setup, variable(setup, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"), "");
    setup->source = &ks_s3_source_container;
    return KAFSCALE_OK;
}

static enum kafscale_status
try_instance(struct setup *setup)
{
    const char *disabled = variable(setup, "AWS_EC2_METADATA_DISABLED");
    const char *endpoint = variable(setup, "AWS_EC2_METADATA_SERVICE_ENDPOINT");
    const char *mode = variable(setup, "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE");
    char *copy;

    if (disabled != NULL && strcasecmp(disabled, "true") == 0) {
        return invalid(setup, "none in options, environment or the shared file, and the instance "
                              "metadata is disabled");
    }
    if (endpoint == NULL) {
        endpoint = mode != NULL && strcasecmp(mode, "ipv6") == 0 ? "http://[fd00:ec2::254]"
                                                                 : "http://169.254.169.254";
    }
    copy = keep(setup, endpoint, "");
    while (copy != NULL && copy[0] != '\0' && copy[strlen(copy) - 1] == '/') {
        copy[strlen(copy) - 1] = '\0';
    }
    setup->settings->instance_endpoint = copy;
    setup->source = &ks_s3_source_instance;
    return KAFSCALE_OK;
}

enum kafscale_status
ks_s3_credentials_set_up(const struct ks_s3_credentials_options *options,
                         struct ks_s3_credentials_settings *settings, struct ks_s3_key_set *fixed,
                         const struct ks_s3_source **source_out, struct kafscale_error *error)
{
    enum kafscale_status (*const all[])(struct setup *) = { try_given,        try_environment,
                                                            try_web_identity, try_shared_file,
                                                            try_container,    try_instance };
    enum kafscale_status (*const profile_only[])(struct setup *) = { try_given, try_shared_file };
    bool has_profile = given(options->profile) != NULL;
    size_t count = has_profile ? 2 : sizeof all / sizeof all[0];
    struct setup setup = {
        .options = options, .settings = settings, .fixed = fixed, .error = error
    };
    enum kafscale_status status = KAFSCALE_OK;

    for (size_t i = 0; i < count && setup.source == NULL && status == KAFSCALE_OK; i++) {
        status = has_profile ? profile_only[i](&setup) : all[i](&setup);
        if (setup.no_memory) {
            status = ks_error_set(error, KAFSCALE_NO_MEMORY, "S3 credentials: out of memory");
        }
    }
    if (status == KAFSCALE_OK) {
        *source_out = setup.source;
    }
    return status;
}

const struct ks_s3_source ks_s3_source_given = { .name = "options", .is_fixed = true };
const struct ks_s3_source ks_s3_source_environment = { .name = "environment", .is_fixed = true };
