/* SPDX-License-Identifier: Apache-2.0 */
/* All that brokers rely on in a store, tried from outside (kafscale_store_check). */
#ifndef KS_TOOLS_STORE_CHECK_H
#define KS_TOOLS_STORE_CHECK_H

#include "tools/session.h"

/*
 * Tries everything and closes the store of the session at its end, whatever came before.
 * KAFSCALE_OK: it has passed. KAFSCALE_UNSUPPORTED: it has not, and `error` is the first failure.
 * Others: it could not be judged. `checked` may be NULL.
 */
KAFSCALE_MUST_CHECK enum kafscale_status ks_store_check(struct ks_session *session,
                                                        const char *prefix,
                                                        kafscale_store_checked *checked, void *arg,
                                                        struct kafscale_error *error);

#endif
