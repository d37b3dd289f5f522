/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Commits of a consumer inside the program, as a member of its group or from outside. They have an
 * asker of their own, so that none waits behind a JoinGroup.
 *
 * Everything belongs to the loop thread.
 */
#ifndef KS_CLIENT_COMMITTER_H
#define KS_CLIENT_COMMITTER_H

#include "client/ask.h"

struct ks_commit_offset {
    struct kafscale_slice topic;
    int32_t partition;
    int64_t offset;
};

/* What a consumer has read of partitions, to be its group's offsets. */
struct ks_commit {
    /* OK; CONFLICT: the group has gone on without the member; UNAVAILABLE; NO_MEMORY; FAILED. */
    void (*done)(struct ks_commit *commit, enum kafscale_status status, int16_t kafka_error);
    const struct ks_commit_offset *offsets; /* borrowed until done */
    size_t count;
    struct ks_asker *asker;
    struct kafscale_slice group_id; /* borrowed until done */
    struct ks_ask ask;
};

/* Of a member that has joined, whose id is borrowed for the call. `commit` has the first three. */
void ks_commit_begin(struct ks_commit *commit, struct ks_asker *asker,
                     struct kafscale_slice group_id, int32_t generation,
                     struct kafscale_slice member_id);

/* Of who is in no group, but chooses its partitions itself. */
void ks_commit_begin_outside(struct ks_commit *commit, struct ks_asker *asker,
                             struct kafscale_slice group_id);

/* Asks for the coordinator of a group, and how that went. */
void ks_find_coordinator(struct ks_asker *asker, struct ks_ask *ask,
                         struct kafscale_slice group_id);
int16_t ks_find_coordinator_error(const struct ks_ask_answer *answer);

#endif
