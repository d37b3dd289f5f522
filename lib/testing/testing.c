/* SPDX-License-Identifier: Apache-2.0 */
#include "testing/testing.h"

#include <stdio.h>

struct ks_testing *
ks_testing_new(struct ks_env *env, size_t log_entries)
{
    struct ks_testing *testing = ks_alloc_zero(1, sizeof *testing);

    if (testing == NULL) {
        return NULL;
    }
    testing->script = ks_fault_script_new();
    testing->bucket = ks_memory_bucket_new();
    if (testing->script == NULL || testing->bucket == NULL ||
        ks_request_log_init(&testing->log, log_entries) != KAFSCALE_OK) {
        ks_testing_free(testing);
        return NULL;
    }
    ks_interceptor_init(&testing->interceptor, env, &testing->rules, &testing->log);
    return testing;
}

void
ks_testing_free(struct ks_testing *testing)
{
    if (testing == NULL) {
        return;
    }
    ks_interceptor_deinit(&testing->interceptor);
    ks_request_log_deinit(&testing->log);
    ks_rules_deinit(&testing->rules);
    ks_fault_script_free(testing->script);
    ks_memory_bucket_unref(testing->bucket);
    ks_free(testing);
}

static void
ignore_closed(void *arg)
{
    (void) arg;
}

struct kafscale_store
ks_testing_open_store(struct ks_testing *testing, struct ks_env *env, struct kafscale_store inner)
{
    bool is_ours = inner.ops == NULL;
    struct kafscale_store store = { 0 };

    if (is_ours) {
        inner = ks_memory_store_new(env, testing->bucket);
    }
    if (inner.ops != NULL) {
        store = ks_fault_store_new(env, inner, &testing->faults);
    }
    if (store.ops != NULL) {
        ks_fault_store_follow(testing->faults, testing->script);
    } else if (is_ours && inner.ops != NULL) {
        inner.ops->close(inner.self, ignore_closed, NULL);
    }
    return store;
}

void
ks_testing_attach(struct ks_testing *testing, struct ks_broker *broker,
                  const struct ks_handlers *handlers)
{
    const struct ks_endpoint *endpoint = ks_broker_endpoint(broker, 0);

    snprintf(testing->host, sizeof testing->host, "%s", endpoint->host);
    testing->interceptor.broker = (struct ks_mirror){ .node_id = ks_broker_options(broker)->node_id,
                                                      .host = testing->host,
                                                      .port = endpoint->port };
    ks_interceptor_set_inner(&testing->interceptor, ks_handlers_sink(handlers));
}

void
ks_testing_detach(struct ks_testing *testing)
{
    ks_interceptor_set_inner(&testing->interceptor, NULL);
    testing->faults = NULL;
}

void
ks_testing_cut_store(struct ks_testing *testing)
{
    if (testing->faults != NULL) {
        ks_fault_store_cut(testing->faults);
    }
}

enum kafscale_status
ks_testing_fail_store(struct ks_testing *testing, enum ks_store_operation operation,
                      const char *key_part, struct ks_fate fate, uint32_t count)
{
    if (ks_fault_script_line_count(testing->script) >= KS_TESTING_STORE_FAULTS_MAX) {
        return KAFSCALE_FULL;
    }
    return ks_fault_script_next(testing->script, operation, key_part, fate,
                                count == 0 ? UINT32_MAX : count)
               ? KAFSCALE_OK
               : KAFSCALE_NO_MEMORY;
}

void
ks_testing_clear_faults(struct ks_testing *testing)
{
    ks_rules_clear(&testing->rules);
    ks_fault_script_clear(testing->script);
}
