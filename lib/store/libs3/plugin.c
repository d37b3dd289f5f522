/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The libs3 store as a plug-in. What libs3 has no way to do is refused rather than left out: who
 * asks for encryption must not get a store without.
 */
#include "kafscale/plugin.h"

#include "base/base.h"
#include "store/libs3/libs3_store.h"

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

static enum kafscale_status
check_options(const struct kafscale_options *options, struct kafscale_error *error)
{
    static const char *const texts[] = { "s3.session.token", "s3.profile",     "s3.kms.arn",
                                         "s3.ca.file",       "s3.read.bucket", "s3.read.region",
                                         "s3.read.endpoint" };
    static const char *const switches[] = { "s3.encrypt", "s3.sign.payload" };
    const char *wrong = NULL;

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        wrong = text_of(options, texts[i])[0] != '\0' ? texts[i] : wrong;
    }
    for (size_t i = 0; i < sizeof switches / sizeof switches[0]; i++) {
        wrong = is_true(options, switches[i]) ? switches[i] : wrong;
    }
    if (wrong != NULL) {
        return ks_error_set(error, KAFSCALE_INVALID,
                            "option '%s': s3.signature=v2 can't do it, libs3 has no way to", wrong);
    }
    if (!is_true(options, "store.single_writer")) {
        return ks_error_set(error, KAFSCALE_INVALID,
                            "option 's3.signature': v2 has no conditional writes and needs "
                            "store.single_writer=true");
    }
    return KAFSCALE_OK;
}

static enum kafscale_status
open_store(const struct kafscale_options *options, bool must_exist, struct kafscale_loop loop,
           struct kafscale_store *store_out, struct kafscale_error *error)
{
    const struct ks_libs3_settings settings = {
        .bucket = text_of(options, "s3.bucket"),
        .endpoint = text_of(options, "s3.endpoint"),
        .access_key = text_of(options, "s3.access.key"),
        .secret_key = text_of(options, "s3.secret.key"),
        .is_path_style = strcasecmp(text_of(options, "s3.path.style"), "auto") == 0 ||
                         is_true(options, "s3.path.style"),
        .may_create_bucket = is_true(options, "s3.create.bucket"),
        .must_exist = must_exist,
    };
    enum kafscale_status status = check_options(options, error);

    return status == KAFSCALE_OK ? ks_libs3_store_open(loop, &settings, store_out, error) : status;
}

KAFSCALE_EXPORT extern const struct kafscale_plugin kafscale_plugin_libs3;

const struct kafscale_plugin kafscale_plugin_libs3 = {
    .version = KAFSCALE_PLUGIN_VERSION,
    .name = "libs3",
    .open_store = open_store,
};
