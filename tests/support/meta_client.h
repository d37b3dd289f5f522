/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A metadata store as a test uses it: calls that run the virtual clock until their completion has
 * come. Values are texts.
 */
#ifndef KS_TESTS_SUPPORT_META_CLIENT_H
#define KS_TESTS_SUPPORT_META_CLIENT_H

#include "meta/meta.h"
#include "support/virtual_env.h"

#define META_CLIENT_LIMIT_MS 600000

struct meta_client {
    struct virtual_env *v;
    struct ks_meta *meta;
};

/* One key as a read gave it; `version` 0: absent. */
struct meta_value {
    enum kafscale_status status;
    uint64_t version;
    uint64_t revision;
    char text[64];
};

struct meta_result {
    enum kafscale_status status;
    uint64_t revision;
};

struct meta_value meta_client_get(struct meta_client *client, const char *key, bool is_fresh);

/*
 * The keys that begin with `prefix`, each "key=value " in order, cut to the room there is. The
 * count.
 */
size_t meta_client_range(struct meta_client *client, const char *prefix, bool is_fresh,
                         char *text_out, size_t text_bytes);

struct meta_result meta_client_txn(struct meta_client *client, const struct kafscale_meta_txn *txn);

/* A write without compare, a compare-and-swap, a removal without compare. */
struct meta_result meta_client_put(struct meta_client *client, const char *key, const char *text);
struct meta_result meta_client_swap(struct meta_client *client, const char *key, uint64_t version,
                                    const char *text);
struct meta_result meta_client_remove(struct meta_client *client, const char *key);

void meta_client_close(struct meta_client *client);

#endif
