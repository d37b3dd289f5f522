/* SPDX-License-Identifier: Apache-2.0 */
/* The choice of the place that keys come from. Private to credentials*.c. */
#ifndef KS_STORE_S3_CREDENTIALS_SETUP_H
#define KS_STORE_S3_CREDENTIALS_SETUP_H

#include "store/s3/credentials_source.h"

void ks_s3_credentials_settings_deinit(struct ks_s3_credentials_settings *settings);

/*
 * Finds the source, what it needs, and the keys themselves of a fixed one. Settings and keys are to
 * be deinitialised by the caller also on failure: KAFSCALE_INVALID, KAFSCALE_NO_MEMORY.
 */
KAFSCALE_MUST_CHECK enum kafscale_status ks_s3_credentials_set_up(
    const struct ks_s3_credentials_options *options, struct ks_s3_credentials_settings *settings,
    struct ks_s3_key_set *fixed, const struct ks_s3_source **source_out,
    struct kafscale_error *error);

#endif
