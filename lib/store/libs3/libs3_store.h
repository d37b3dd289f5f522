/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A store on Debian's libs3 for servers that know signature 2 only: no conditional PUT, so that
 * put-if-absent is a look and a PUT, and holds against this one process alone. libs3 is under
 * GPLv3, and so is what is combined with it; nothing of it is there unless the build asked for it.
 * Private to store/libs3, whose plug-in opens it.
 */
#ifndef KS_STORE_LIBS3_LIBS3_STORE_H
#define KS_STORE_LIBS3_LIBS3_STORE_H

#include "kafscale/loop.h"
#include "kafscale/store.h"

#include <stdbool.h>

/* Borrowed until ks_libs3_store_open has returned. */
struct ks_libs3_settings {
    const char *bucket;
    const char *endpoint; /* http://host:port */
    const char *access_key;
    const char *secret_key;
    bool is_path_style;
    bool may_create_bucket; /* also elsewhere than on loopback */
    bool must_exist;        /* the bucket is never made */
};

/*
 * Opens a store; nothing is sent before its first request. KAFSCALE_INVALID: a setting can't be
 * used, and the error names it.
 */
KAFSCALE_MUST_CHECK enum kafscale_status ks_libs3_store_open(
    struct kafscale_loop loop, const struct ks_libs3_settings *settings,
    struct kafscale_store *store_out, struct kafscale_error *error);

#endif
