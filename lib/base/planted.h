/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Planted faults: each breaks one rule of the durability protocol, of consumer groups or of topics
 * on purpose, so that the tests can show that they would notice. They exist in a test-only build
 * (KS_PLANTED_FAULTS) and are constant false in every other.
 */
#ifndef KS_BASE_PLANTED_H
#define KS_BASE_PLANTED_H

#include <stdbool.h>

enum ks_planted_fault {
    KS_PLANTED_NONE,
    KS_PLANTED_PREFIX_ACK,            /* acknowledge a slot before the ones under it */
    KS_PLANTED_REBATCH,               /* other bytes in a slot that was sent already */
    KS_PLANTED_NONCE_READ_BACK,       /* take "exists" for "mine" */
    KS_PLANTED_SEAL,                  /* don't seal the old log */
    KS_PLANTED_CHAIN,                 /* replay the last owner only */
    KS_PLANTED_CAS_ACTIVATE,          /* activate without comparing */
    KS_PLANTED_EPOCH_TAG,             /* count batches of any epoch */
    KS_PLANTED_FLUSH_BEFORE_RELEASE,  /* release before everything is durable */
    KS_PLANTED_UNCONDITIONAL_PUT,     /* overwrite what is there */
    KS_PLANTED_INCARNATION_REUSE,     /* go on in the log of the last run */
    KS_PLANTED_EARLY_DUPLICATE,       /* answer a duplicate before its original is durable */
    KS_PLANTED_START_BEFORE_DELETE,   /* delete segments before the log start is above them */
    KS_PLANTED_COMPARE_TOPIC,         /* change registers of deleted topics */
    KS_PLANTED_OWN_PREFIX,            /* every life of a name under the same prefix */
    KS_PLANTED_START_ONLY_RISES,      /* let a log start sink */
    KS_PLANTED_START_LIFTS_COMPACTED, /* leave compacted_upto below the log start */
    KS_PLANTED_VALIDATE_SEAL,         /* the mark isn't read again after the seal */
    KS_PLANTED_REGISTER_AFTER_REPLAY, /* the register isn't read again after the logs */
    KS_PLANTED_TRIM_UNCOVERED,        /* the mark passes slots that are needed */
    KS_PLANTED_DELETE_BEFORE_TRIM,    /* slots are deleted before the mark has moved */
    KS_PLANTED_REREAD_ON_404,         /* a bundle that isn't there is lost at once */
    KS_PLANTED_LIVE_STATE,            /* a bundle gets what the producers have done by now */
    KS_PLANTED_BUNDLE_NOT_DURABLE,    /* a bundle is registered, whatever its PUT has answered */
    KS_PLANTED_BUNDLE_UNREGISTERED,   /* the mark moves, and the register isn't written */
    KS_PLANTED_COMPARE_TRIM,          /* the mark moves without being compared */
    KS_PLANTED_BUNDLE_COVERED,        /* a bundle goes when its first section is covered */
    KS_PLANTED_OBJECT_FIRST,          /* its object goes before its register */
    KS_PLANTED_GC_MARK,               /* bundles without register go whatever the mark says */
    KS_PLANTED_GC_REGISTER,           /* bundles below the mark go, registered or not */
    KS_PLANTED_MERGE_INPUTS_FIRST,  /* bundles go before the register of what they are merged to */
    KS_PLANTED_MERGE_UNCOMPARED,    /* a merged bundle is registered, whatever the registers say */
    KS_PLANTED_MERGE_ORPHAN,        /* what a merge has left goes by the trim mark alone */
    KS_PLANTED_MERGE_LIVE_SECTION,  /* a merge leaves a section out that is needed */
    KS_PLANTED_MERGE_STATE,         /* a merged section gets the state of its first piece */
    KS_PLANTED_MERGE_NOT_DURABLE,   /* a part counts, whatever its PUT has answered */
    KS_PLANTED_MERGE_READER,        /* a log is merged that others have read */
    KS_PLANTED_GC_VOID_SEAL,        /* what lies above a void seal goes */
    KS_PLANTED_READER_CHECKS_ID,    /* take a segment for one's own whatever its topic id */
    KS_PLANTED_READ_REGISTER_AGAIN, /* take a missing segment for the end of the data */
    KS_PLANTED_SEGMENT_IF_ABSENT,   /* overwrite an index or a segment */
    KS_PLANTED_SEGMENT_ADOPT,       /* take any segment for the one that was to be put */
    KS_PLANTED_SEGMENT_FOLLOWS_INDEX, /* go on with one's own range beside another's index */
    KS_PLANTED_INDEX_FIRST,           /* put the segment before its index */
    KS_PLANTED_CAS_AFTER_BOTH,        /* move compacted_upto before the segment is there */
    KS_PLANTED_CAS_COMPACTED,         /* move compacted_upto without comparing */
    KS_PLANTED_LIVE_PRODUCERS,        /* store the live producers beside a segment */
    KS_PLANTED_PRODUCER_TIMES,        /* producers used a batch when it became a segment */
    KS_PLANTED_GROUP_ACK,             /* answer a commit before its record is durable */
    KS_PLANTED_CHECKPOINT_FIRST,      /* let a checkpoint begin with its last piece */
    KS_PLANTED_CHECKPOINT_LAST,       /* raise the start when the first piece is durable */
    KS_PLANTED_GROUP_GENERATION,      /* a rebalance ends in the generation before */
    KS_PLANTED_GROUP_LEADER,          /* who leads isn't among those that have joined */
    KS_PLANTED_GROUP_LATE_STORED,     /* an assignment counts though a rebalance has begun */
    KS_PLANTED_GROUP_SHORTCUT,        /* an unchanged member is answered in a rebalance */
    KS_PLANTED_RECORD_COMPARE,        /* change a topic without comparing what was read */
    KS_PLANTED_RECORD_OUTCOME,        /* a change counts, whatever its transaction has answered */
    KS_PLANTED_TOPIC_GROWS,           /* partitions that were added are seen after a restart only */
    KS_PLANTED_COUNT,
};

#ifdef KS_PLANTED_FAULTS
extern enum ks_planted_fault ks_planted_fault;

static inline bool
ks_is_planted(enum ks_planted_fault fault)
{
    return ks_planted_fault == fault;
}
#else
static inline bool
ks_is_planted(enum ks_planted_fault fault)
{
    (void) fault;
    return false;
}
#endif

#endif
