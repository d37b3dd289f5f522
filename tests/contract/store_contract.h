/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every object store must do, as one suite that runs over any implementation: a store
 * brings a factory and gets all tests.
 */
#ifndef KS_TESTS_CONTRACT_STORE_CONTRACT_H
#define KS_TESTS_CONTRACT_STORE_CONTRACT_H

#include "support/main.h"
#include "support/store_client.h"

/*
 * `start` makes an empty store behind `client` and returns what `stop` takes. `stop` is called
 * when the client has been closed. `loop` of the client's environment is run by client->run.
 */
struct store_factory {
    const char *name;
    void *(*start)(struct store_client *client);
    void (*stop)(void *state);
    bool lacks_spaces; /* keys with spaces can't be stored, and are refused */
    bool sends_twice;  /* a PUT that is late, so that EXISTS may be its own doing */
};

/* Adds the tests for each factory. The table stays valid as long as the suite. */
void store_contract_add(Suite *suite, const struct store_factory *factories, int count);

#endif
