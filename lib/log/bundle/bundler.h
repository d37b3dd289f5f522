/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rewrites slots of a log as one bundle (durability 2): gathers the batches that are still needed,
 * puts the bundle, and once that is durable one transaction registers it and moves the trim mark.
 * Then the slots may go.
 */
#ifndef KS_LOG_BUNDLE_BUNDLER_H
#define KS_LOG_BUNDLE_BUNDLER_H

#include "log/bundle/bundle_build.h"
#include "log/trim/trim.h"

struct ks_bundler {
    struct ks_trimmer *trimmer;
    struct ks_trail *trail;
    uint64_t first;
    uint64_t end;  /* the slot after the last */
    uint64_t next; /* to be gathered */
    struct ks_bundle_build build;
    struct ks_bundle *bundle; /* what is registered: this one, or one of the same slots found */
    bool is_found;
    bool is_asking; /* a request is under way */
    uint32_t attempts;
    uint32_t damaged_reads;
    char key[KS_BUNDLE_KEY_BYTES];
    char trim_key[KS_REGISTER_KEY_BYTES];
    char register_key[KS_BUNDLE_REGISTER_KEY_BYTES];
    struct kafscale_get get;
    struct kafscale_put put;
    uint8_t mark[8];
    uint8_t value[KS_BUNDLE_REGISTER_BYTES];
    struct kafscale_meta_compare compare;
    struct kafscale_meta_operation operations[2];
    struct kafscale_meta_txn txn;
    struct kafscale_meta_read read;
    uint64_t mark_version; /* as last read */
    struct ks_timer retry;
    struct ks_task task;
};

/*
 * Begins with the slots from the trail's mark to `end` - 1; ks_trimmer_step_done comes when it is
 * over. False without memory.
 */
bool ks_bundler_start(struct ks_trimmer *trimmer, struct ks_trail *trail, uint64_t end);

/* For a log that is going: what only waits is gone. Accepts NULL. */
void ks_bundler_silence(struct ks_bundler *bundler);

/* Frees it, when no completion will come. Accepts NULL. */
void ks_bundler_drop(struct ks_bundler *bundler);

#endif
