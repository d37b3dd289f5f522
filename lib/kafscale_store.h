/* SPDX-License-Identifier: Apache-2.0 */
/* The store that options name, for brokers and for tools. */
#ifndef KAFSCALE_STORE_OPENING_H
#define KAFSCALE_STORE_OPENING_H

#include "broker/broker.h"
#include "store/store.h"

/*
 * Loop thread. The store must be closed before `env` goes; on failure there is none.
 * KAFSCALE_NOT_FOUND: `must_exist`, and there is no such directory store.
 */
KAFSCALE_MUST_CHECK enum kafscale_status ks_open_store(struct ks_env *env,
                                                       const struct kafscale_options *options,
                                                       bool must_exist,
                                                       struct kafscale_store *store_out,
                                                       struct kafscale_error *error);

#endif
