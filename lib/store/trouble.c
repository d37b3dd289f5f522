/* SPDX-License-Identifier: Apache-2.0 */
/* Every retry of every caller passes here, so that none of them has to write lines of its own. */
#include "store/trouble.h"

#include <inttypes.h>

void
ks_store_trouble_note(struct ks_store_trouble *trouble, struct ks_env *env,
                      const struct kafscale_error *error)
{
    int64_t now_ms = ks_env_now_ms(env);

    if (!trouble->is_going_on) {
        trouble->is_going_on = true;
        trouble->is_told = false;
        trouble->since_ms = now_ms;
        trouble->failures = 0;
    }
    trouble->failures++;
    if (trouble->is_told ||
        (trouble->was_told && now_ms - trouble->told_at_ms < KS_STORE_TROUBLE_INTERVAL_MS)) {
        return;
    }
    trouble->is_told = true;
    trouble->was_told = true;
    trouble->told_at_ms = now_ms;
    ks_log(&env->logger, KAFSCALE_LOG_WARN,
           "can't %s the %s store, and try again until it can be done: %s", trouble->what,
           trouble->store, error->text);
}

void
ks_store_trouble_end(struct ks_store_trouble *trouble, struct ks_env *env)
{
    if (!trouble->is_going_on) {
        return;
    }
    trouble->is_going_on = false;
    if (trouble->is_told) {
        ks_log(&env->logger, KAFSCALE_LOG_INFO,
               "the %s store works again after_ms=%" PRId64 " failures=%" PRIu64, trouble->store,
               ks_env_now_ms(env) - trouble->since_ms, trouble->failures);
    }
}
