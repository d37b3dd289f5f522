/* SPDX-License-Identifier: Apache-2.0 */
/* Every retry of every caller passes here, so that none of them has to write lines of its own. */
#include "store/trouble.h"

#include <inttypes.h>
#include <string.h>

void
ks_store_trouble_note(struct ks_store_trouble *trouble, struct ks_env *env,
                      const struct kafscale_error *error)
{
    const struct kafscale_log_field fields[] = {
        { .name = "store", .value = trouble->store, .size = strlen(trouble->store) },
        { .name = "error", .value = error->text, .size = strlen(error->text) },
    };
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
    ks_log_fields(&env->logger, KAFSCALE_LOG_WARN, trouble->message, fields, 2);
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
               "the store works again after_ms=%" PRId64 " failures=%" PRIu64 " store=%s",
               ks_env_now_ms(env) - trouble->since_ms, trouble->failures, trouble->store);
    }
}
