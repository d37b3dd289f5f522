/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every metadata store must do, as one suite that runs over any backend: a backend brings a
 * factory and gets all tests.
 */
#ifndef KS_TESTS_CONTRACT_META_CONTRACT_H
#define KS_TESTS_CONTRACT_META_CONTRACT_H

#include "support/main.h"
#include "support/meta_client.h"

/*
 * `start` makes what the brokers of one installation share, empty, and returns what the others
 * take. `open` is one broker's way to it; `stop` is called when all of them are closed.
 */
struct meta_factory {
    const char *name;
    void *(*start)(struct virtual_env *v);
    struct ks_meta *(*open)(void *state);
    void (*stop)(void *state);
};

/* Adds the tests for each factory. The table stays valid as long as the suite. */
void meta_contract_add(Suite *suite, const struct meta_factory *factories, int count);

#endif
