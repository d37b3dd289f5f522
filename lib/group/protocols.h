/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What members offer: each brings a list of protocols in its order of preference, with metadata.
 * A candidate is a name that somebody offers, counted once for all, so that a join is compared with
 * a group of thousands by looking at its own list only.
 */
#ifndef KS_GROUP_PROTOCOLS_H
#define KS_GROUP_PROTOCOLS_H

#include "group/group.h"

struct ks_group_candidate {
    struct ks_table_node node;
    size_t references;
    size_t supporters; /* members that offer it */
    size_t votes;      /* 0 between votes */
    uint64_t listed;   /* number of the last list that it came into */
    size_t name_bytes;
    char name[];
};

struct ks_group_offer {
    struct ks_group_candidate *candidate;
    struct kafscale_slice metadata;
};

/* The list of one member, with its metadata behind. */
struct ks_group_protocols {
    size_t count;
    size_t bytes;
    struct ks_group_offer offers[];
};

/* A list that no member has yet; a name that comes twice counts once. NULL without memory. */
struct ks_group_protocols *ks_group_protocols_new(struct ks_group *group,
                                                  const struct ks_group_protocol *protocols,
                                                  size_t count);

/* Accepts NULL. */
void ks_group_protocols_free(struct ks_group *group, struct ks_group_protocols *protocols);

/* A member offers them from now on, or no longer. */
void ks_group_protocols_support(struct ks_group_protocols *protocols);
void ks_group_protocols_withdraw(struct ks_group_protocols *protocols);

/* The same names with the same metadata in the same order. */
bool ks_group_protocols_equal(const struct ks_group_protocols *a,
                              const struct ks_group_protocols *b);

/* Whether a member with these can be in the group: there is one that everybody offers. */
bool ks_group_protocols_fit(const struct ks_group *group, struct kafscale_slice protocol_type,
                            const struct ks_group_protocols *protocols);

/* The metadata for a protocol; empty if it isn't among them. */
struct kafscale_slice ks_group_protocols_metadata(const struct ks_group_protocols *protocols,
                                                  const struct ks_group_candidate *candidate);

/*
 * Each member gives its vote to the first of its list that all offer; the most votes win, and among
 * equals the preference of the oldest member. There must be a member.
 */
struct ks_group_candidate *ks_group_vote(const struct ks_group *group);

/* The protocol of the generation; NULL: none. */
void ks_group_choose(struct ks_group *group, struct ks_group_candidate *candidate);

struct kafscale_slice ks_group_candidate_name(const struct ks_group_candidate *candidate);

#endif
