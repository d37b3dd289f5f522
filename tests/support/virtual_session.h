/* SPDX-License-Identifier: Apache-2.0 */
/* A session of the tools whose waiting calls run a virtual clock. */
#ifndef KS_TESTS_SUPPORT_VIRTUAL_SESSION_H
#define KS_TESTS_SUPPORT_VIRTUAL_SESSION_H

#include "support/virtual_env.h"
#include "tools/session.h"

/* Borrows all of it; `meta` may be NULL where nobody asks for metadata. */
struct ks_session virtual_session(struct virtual_env *v, struct ks_store *store,
                                  struct ks_meta *meta, const char *ns);

#endif
