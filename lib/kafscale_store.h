/* SPDX-License-Identifier: Apache-2.0 */
/* The store that options or programs name, for brokers and for tools. */
#ifndef KAFSCALE_STORE_OPENING_H
#define KAFSCALE_STORE_OPENING_H

#include "broker/broker.h"
#include "meta/meta.h"
#include "net/net.h"
#include "store/store.h"
#include "tools/tools.h"

/*
 * Loop thread. The store must be closed before `env` goes; on failure there is none.
 * KAFSCALE_NOT_FOUND: `must_exist`, and there is no such directory store.
 */
KAFSCALE_MUST_CHECK enum kafscale_status ks_open_store(struct ks_env *env,
                                                       const struct kafscale_options *options,
                                                       bool must_exist,
                                                       struct kafscale_store *store_out,
                                                       struct kafscale_error *error);

/*
 * A store of the program's, looked at for being one; if it is none, it is closed where it can be.
 * On the thread that serves the loop, or will.
 */
KAFSCALE_MUST_CHECK enum kafscale_status ks_open_own_store(struct ks_env *env,
                                                           kafscale_store_open *open, void *arg,
                                                           struct kafscale_store *store_out,
                                                           struct kafscale_error *error);

/* The same for a metadata store. */
KAFSCALE_MUST_CHECK enum kafscale_status ks_open_own_meta(struct ks_env *env,
                                                          kafscale_meta_open *open, void *arg,
                                                          struct kafscale_meta *meta_out,
                                                          struct kafscale_error *error);

/* A loop of the caller's own, as calls that wait for a store have it served. */
struct ks_session_driver ks_loop_driver(struct ks_loop *loop);

#endif
