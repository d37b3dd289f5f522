/* SPDX-License-Identifier: Apache-2.0 */
/* The interval begins with its first event. */
#include "base/log_quota.h"

#include "base/env.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* True: write the event now, with the number of those left out since the last one. */
static bool
take(struct ks_log_quota *quota, struct ks_env *env, uint32_t count_max, uint64_t *left_out_out)
{
    int64_t now_ms = ks_env_now_ms(env);

    if (quota->written_count > 0 && now_ms - quota->since_ms >= KS_LOG_QUOTA_INTERVAL_MS) {
        quota->written_count = 0;
    }
    if (quota->written_count >= count_max) {
        quota->left_out_count++;
        return false;
    }
    if (quota->written_count == 0) {
        quota->since_ms = now_ms;
    }
    quota->written_count++;
    *left_out_out = quota->left_out_count;
    quota->left_out_count = 0;
    return true;
}

void
ks_log_some(struct ks_env *env, struct ks_log_quota *quota, uint32_t count_max,
            enum kafscale_log_level level, const char *format, ...)
{
    uint64_t left_out;
    va_list arguments;

    if (!ks_log_is_wanted(&env->logger, level) || !take(quota, env, count_max, &left_out)) {
        return;
    }
    va_start(arguments, format);
    ks_log_list(&env->logger, level, &left_out, format, arguments);
    va_end(arguments);
}

void
ks_log_some_fields(struct ks_env *env, struct ks_log_quota *quota, uint32_t count_max,
                   enum kafscale_log_level level, const char *message,
                   const struct kafscale_log_field *fields, size_t count)
{
    struct kafscale_log_field more[KS_LOG_FIELDS_MAX];
    char digits[24];
    uint64_t left_out;

    if (!ks_log_is_wanted(&env->logger, level) || !take(quota, env, count_max, &left_out)) {
        return;
    }
    count = count < KS_LOG_FIELDS_MAX ? count : KS_LOG_FIELDS_MAX - 1;
    for (size_t i = 0; i < count; i++) {
        more[i] = fields[i];
    }
    if (left_out > 0) {
        (void) snprintf(digits, sizeof digits, "%" PRIu64, left_out);
        more[count++] = (struct kafscale_log_field){
            .name = "left_out", .value = digits, .size = strlen(digits), .kind = KAFSCALE_LOG_NUMBER
        };
    }
    ks_log_fields(&env->logger, level, message, more, count);
}
