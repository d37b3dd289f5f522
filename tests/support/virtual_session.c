/* SPDX-License-Identifier: Apache-2.0 */
/* One event is enough for a turn of the loop: whoever waits calls again. */
#include "support/virtual_session.h"

#include <check.h>

static void
run(void *self)
{
    ck_assert(virtual_env_step(self));
}

static void
wake(void *self)
{
    (void) self;
}

struct ks_session
virtual_session(struct virtual_env *v, struct ks_store *store, struct ks_meta *meta, const char *ns)
{
    return (struct ks_session){ .env = &v->env,
                                .store = store,
                                .meta = meta,
                                .ns = ns,
                                .driver = { .self = v, .run = run, .wake = wake } };
}
