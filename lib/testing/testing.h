/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The door of testing: what a broker has besides when it is there to be tested. Nothing of it is
 * in the way of a broker that isn't. It outlives the runs of the broker that a restart parts:
 * faults and the log of requests stay, and so do the objects of a store in memory.
 *
 * Everything belongs to the loop thread.
 */
#ifndef KS_TESTING_TESTING_H
#define KS_TESTING_TESTING_H

#include "broker/broker.h"
#include "store/store.h"
#include "testing/creation.h"
#include "testing/faults.h"
#include "testing/interceptor.h"
#include "testing/mirror.h"
#include "testing/request_log.h"
#include "testing/rules.h"

#define KS_TESTING_STORE_FAULTS_MAX 1000
#define KS_TESTING_ADVANCE_MS_MAX (INT64_C(100) * 365 * 24 * 3600 * 1000)

struct ks_testing {
    struct ks_rules rules;
    struct ks_request_log log;
    struct ks_interceptor interceptor;
    struct ks_fault_script *script;
    struct ks_memory_bucket *bucket;
    struct ks_fault_store *faults; /* of the store that is open; NULL: none */
    char host[KS_HOST_BYTES];      /* what clients are told to connect to */
};

/* Keeps the last `log_entries` requests. NULL when memory is short. */
struct ks_testing *ks_testing_new(struct ks_env *env, size_t log_entries);

/* No request may be with the handlers. Accepts NULL. */
void ks_testing_free(struct ks_testing *testing);

/*
 * A store that fails as it is told, around `inner`, which it takes; `inner` without operations: in
 * memory, with what earlier ones have left. Its operations are NULL when memory is short, and
 * `inner` stays the caller's.
 */
struct kafscale_store ks_testing_open_store(struct ks_testing *testing, struct ks_env *env,
                                            struct kafscale_store inner);

/* A broker begins, or has ended and takes no request any more. */
void ks_testing_attach(struct ks_testing *testing, struct ks_broker *broker,
                       const struct ks_handlers *handlers);
void ks_testing_detach(struct ks_testing *testing);

/* As after a power cut: what comes from the broker from now on changes nothing in the store. */
void ks_testing_cut_store(struct ks_testing *testing);

/* KAFSCALE_FULL: so many are there already. `count` 0: until cleared. */
KAFSCALE_MUST_CHECK enum kafscale_status ks_testing_fail_store(struct ks_testing *testing,
                                                               enum ks_store_operation operation,
                                                               const char *key_part,
                                                               struct ks_fate fate, uint32_t count);

/* Of requests and of the store. */
void ks_testing_clear_faults(struct ks_testing *testing);

#endif
