/* SPDX-License-Identifier: Apache-2.0 */
/* One table; empty in builds without planted faults. */
#include "sim/plant.h"

#include "base/base.h"

#include <stdio.h>

#ifdef KS_PLANTED_FAULTS
static const char *const names[KS_PLANTED_COUNT] = {
    [KS_PLANTED_NONE] = "none",
    [KS_PLANTED_PREFIX_ACK] = "prefix-ack",
    [KS_PLANTED_REBATCH] = "rebatch",
    [KS_PLANTED_NONCE_READ_BACK] = "nonce-read-back",
    [KS_PLANTED_SEAL] = "seal",
    [KS_PLANTED_CHAIN] = "chain",
    [KS_PLANTED_CAS_ACTIVATE] = "cas-activate",
    [KS_PLANTED_EPOCH_TAG] = "epoch-tag",
    [KS_PLANTED_FLUSH_BEFORE_RELEASE] = "flush-before-release",
    [KS_PLANTED_UNCONDITIONAL_PUT] = "unconditional-put",
    [KS_PLANTED_INCARNATION_REUSE] = "incarnation-reuse",
    [KS_PLANTED_EARLY_DUPLICATE] = "early-duplicate",
    [KS_PLANTED_START_BEFORE_DELETE] = "start-before-delete",
    [KS_PLANTED_COMPARE_TOPIC] = "compare-topic",
    [KS_PLANTED_OWN_PREFIX] = "own-prefix",
    [KS_PLANTED_START_ONLY_RISES] = "start-only-rises",
    [KS_PLANTED_START_LIFTS_COMPACTED] = "start-lifts-compacted",
    [KS_PLANTED_VALIDATE_SEAL] = "validate-seal",
    [KS_PLANTED_REGISTER_AFTER_REPLAY] = "register-after-replay",
    [KS_PLANTED_TRIM_UNCOVERED] = "trim-uncovered",
    [KS_PLANTED_DELETE_BEFORE_TRIM] = "delete-before-trim",
    [KS_PLANTED_REREAD_ON_404] = "reread-on-404",
    [KS_PLANTED_LIVE_STATE] = "live-state",
    [KS_PLANTED_BUNDLE_NOT_DURABLE] = "bundle-not-durable",
    [KS_PLANTED_BUNDLE_UNREGISTERED] = "bundle-unregistered",
    [KS_PLANTED_COMPARE_TRIM] = "compare-trim",
    [KS_PLANTED_BUNDLE_COVERED] = "bundle-covered",
    [KS_PLANTED_OBJECT_FIRST] = "object-first",
    [KS_PLANTED_GC_MARK] = "gc-mark",
    [KS_PLANTED_GC_REGISTER] = "gc-register",
    [KS_PLANTED_MERGE_INPUTS_FIRST] = "merge-inputs-first",
    [KS_PLANTED_MERGE_UNCOMPARED] = "merge-uncompared",
    [KS_PLANTED_MERGE_ORPHAN] = "merge-orphan",
    [KS_PLANTED_MERGE_LIVE_SECTION] = "merge-live-section",
    [KS_PLANTED_MERGE_STATE] = "merge-state",
    [KS_PLANTED_MERGE_NOT_DURABLE] = "merge-not-durable",
    [KS_PLANTED_MERGE_READER] = "merge-reader",
    [KS_PLANTED_GC_VOID_SEAL] = "gc-void-seal",
    [KS_PLANTED_READER_CHECKS_ID] = "reader-checks-id",
    [KS_PLANTED_READ_REGISTER_AGAIN] = "read-register-again",
    [KS_PLANTED_SEGMENT_IF_ABSENT] = "segment-if-absent",
    [KS_PLANTED_SEGMENT_ADOPT] = "segment-adopt",
    [KS_PLANTED_SEGMENT_FOLLOWS_INDEX] = "segment-follows-index",
    [KS_PLANTED_INDEX_FIRST] = "index-first",
    [KS_PLANTED_CAS_AFTER_BOTH] = "cas-after-both",
    [KS_PLANTED_CAS_COMPACTED] = "cas-compacted",
    [KS_PLANTED_LIVE_PRODUCERS] = "live-producers",
    [KS_PLANTED_PRODUCER_TIMES] = "producer-times",
    [KS_PLANTED_GROUP_ACK] = "group-ack",
    [KS_PLANTED_CHECKPOINT_FIRST] = "checkpoint-first",
    [KS_PLANTED_CHECKPOINT_LAST] = "checkpoint-last",
    [KS_PLANTED_GROUP_GENERATION] = "group-generation",
    [KS_PLANTED_GROUP_LEADER] = "group-leader",
    [KS_PLANTED_GROUP_LATE_STORED] = "group-late-stored",
    [KS_PLANTED_GROUP_SHORTCUT] = "group-shortcut",
    [KS_PLANTED_RECORD_COMPARE] = "record-compare",
    [KS_PLANTED_RECORD_OUTCOME] = "record-outcome",
    [KS_PLANTED_TOPIC_GROWS] = "topic-grows",
};
#endif

bool
plant(const char *name)
{
#ifdef KS_PLANTED_FAULTS
    for (int i = 0; i < KS_PLANTED_COUNT; i++) {
        if (strcmp(names[i], name) == 0) {
            ks_planted_fault = (enum ks_planted_fault) i;
            return true;
        }
    }
#endif
    fprintf(stderr, "no planted fault '%s' in this build\n", name);
    return false;
}
