/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lists are built whole before anything of the group changes, so that a join that can't be taken
 * leaves no trace. A candidate lives as long as a list or the group refers to it.
 */
#include "group/protocols.h"

#include "group/group_internal.h"

#include <assert.h>

struct kafscale_slice
ks_group_candidate_name(const struct ks_group_candidate *candidate)
{
    return ks_slice(candidate->name, candidate->name_bytes);
}

static size_t
candidate_bytes(const struct ks_group_candidate *candidate)
{
    return sizeof *candidate + candidate->name_bytes;
}

static struct ks_group_candidate *
new_candidate(struct ks_group *group, struct kafscale_slice name)
{
    struct ks_group_candidate *candidate = ks_alloc_zero(1, sizeof *candidate + name.size);

    if (candidate == NULL) {
        return NULL;
    }
    candidate->name_bytes = name.size;
    if (name.size > 0) {
        memcpy(candidate->name, name.data, name.size);
    }
    if (ks_table_insert(&group->candidates, &candidate->node, ks_group_candidate_name(candidate)) !=
        KAFSCALE_OK) {
        ks_free(candidate);
        return NULL;
    }
    group->bytes += candidate_bytes(candidate);
    return candidate;
}

static struct ks_group_candidate *
refer_to_candidate(struct ks_group *group, struct kafscale_slice name)
{
    struct ks_table_node *node = ks_table_find(&group->candidates, name);
    struct ks_group_candidate *candidate =
        node == NULL ? new_candidate(group, name)
                     : KS_CONTAINER(node, struct ks_group_candidate, node);

    if (candidate != NULL) {
        candidate->references++;
    }
    return candidate;
}

static void
drop_candidate(struct ks_group *group, struct ks_group_candidate *candidate)
{
    assert(candidate->references > 0);

    candidate->references--;
    if (candidate->references > 0) {
        return;
    }
    ks_table_remove(&group->candidates, &candidate->node);
    group->bytes -= candidate_bytes(candidate);
    ks_free(candidate);
}

/* --- Lists ------------------------------------------------------------------------------------ */

static size_t
list_bytes(const struct ks_group_protocol *protocols, size_t count)
{
    size_t bytes = sizeof(struct ks_group_protocols) + count * sizeof(struct ks_group_offer);

    for (size_t i = 0; i < count; i++) {
        bytes += protocols[i].metadata.size;
    }
    return bytes;
}

/* The metadata is copied to `place`. False without memory. */
static bool
append_offer(struct ks_group *group, struct ks_group_protocols *list,
             const struct ks_group_protocol *protocol, uint8_t *place)
{
    struct ks_group_candidate *candidate = refer_to_candidate(group, protocol->name);

    if (candidate == NULL) {
        return false;
    }
    if (candidate->listed == group->list_number) {
        drop_candidate(group, candidate);
        return true;
    }
    candidate->listed = group->list_number;
    if (protocol->metadata.size > 0) {
        memcpy(place, protocol->metadata.data, protocol->metadata.size);
    }
    list->offers[list->count].candidate = candidate;
    list->offers[list->count].metadata = ks_slice(place, protocol->metadata.size);
    list->count++;
    return true;
}

struct ks_group_protocols *
ks_group_protocols_new(struct ks_group *group, const struct ks_group_protocol *protocols,
                       size_t count)
{
    size_t bytes = list_bytes(protocols, count);
    struct ks_group_protocols *list = ks_alloc_zero(1, bytes);
    uint8_t *place;

    if (list == NULL) {
        return NULL;
    }
    list->bytes = bytes;
    group->bytes += bytes;
    group->list_number++;
    place = (uint8_t *) &list->offers[count];
    for (size_t i = 0; i < count; i++) {
        if (!append_offer(group, list, &protocols[i], place)) {
            ks_group_protocols_free(group, list);
            return NULL;
        }
        place += protocols[i].metadata.size;
    }
    return list;
}

void
ks_group_protocols_free(struct ks_group *group, struct ks_group_protocols *protocols)
{
    if (protocols == NULL) {
        return;
    }
    for (size_t i = 0; i < protocols->count; i++) {
        drop_candidate(group, protocols->offers[i].candidate);
    }
    group->bytes -= protocols->bytes;
    ks_free(protocols);
}

void
ks_group_protocols_support(struct ks_group_protocols *protocols)
{
    for (size_t i = 0; i < protocols->count; i++) {
        protocols->offers[i].candidate->supporters++;
    }
}

void
ks_group_protocols_withdraw(struct ks_group_protocols *protocols)
{
    for (size_t i = 0; i < protocols->count; i++) {
        protocols->offers[i].candidate->supporters--;
    }
}

/* --- Comparing -------------------------------------------------------------------------------- */

bool
ks_group_protocols_equal(const struct ks_group_protocols *a, const struct ks_group_protocols *b)
{
    if (a->count != b->count) {
        return false;
    }
    for (size_t i = 0; i < a->count; i++) {
        if (a->offers[i].candidate != b->offers[i].candidate ||
            !ks_slice_equals(a->offers[i].metadata, b->offers[i].metadata)) {
            return false;
        }
    }
    return true;
}

/* The first that every member offers; NULL: none. */
static struct ks_group_candidate *
first_common(const struct ks_group *group, const struct ks_group_protocols *protocols)
{
    for (size_t i = 0; i < protocols->count; i++) {
        if (protocols->offers[i].candidate->supporters == group->member_count) {
            return protocols->offers[i].candidate;
        }
    }
    return NULL;
}

bool
ks_group_protocols_fit(const struct ks_group *group, struct kafscale_slice protocol_type,
                       const struct ks_group_protocols *protocols)
{
    if (group->member_count == 0) {
        return protocol_type.size > 0 && protocols->count > 0;
    }
    return ks_slice_equals(protocol_type,
                           ks_slice(group->protocol_type, group->protocol_type_bytes)) &&
           first_common(group, protocols) != NULL;
}

struct kafscale_slice
ks_group_protocols_metadata(const struct ks_group_protocols *protocols,
                            const struct ks_group_candidate *candidate)
{
    for (size_t i = 0; i < protocols->count; i++) {
        if (protocols->offers[i].candidate == candidate) {
            return protocols->offers[i].metadata;
        }
    }
    return ks_slice(NULL, 0);
}

/* --- The vote --------------------------------------------------------------------------------- */

/* The oldest member offers what all offer, so every vote is for one of its list. */
static struct ks_group_candidate *
count_votes(struct ks_group_protocols *protocols)
{
    struct ks_group_candidate *best = protocols->offers[0].candidate;

    for (size_t i = 1; i < protocols->count; i++) {
        if (protocols->offers[i].candidate->votes > best->votes) {
            best = protocols->offers[i].candidate;
        }
    }
    for (size_t i = 0; i < protocols->count; i++) {
        protocols->offers[i].candidate->votes = 0;
    }
    return best;
}

struct ks_group_candidate *
ks_group_vote(const struct ks_group *group)
{
    struct ks_group_member *oldest = ks_group_next_member(group, NULL);

    assert(oldest != NULL);

    for (struct ks_group_member *member = oldest; member != NULL;
         member = ks_group_next_member(group, member)) {
        struct ks_group_candidate *choice = first_common(group, member->protocols);

        assert(choice != NULL);
        choice->votes++;
    }
    return count_votes(oldest->protocols);
}

void
ks_group_choose(struct ks_group *group, struct ks_group_candidate *candidate)
{
    struct ks_group_candidate *before = group->protocol;

    if (candidate != NULL) {
        candidate->references++;
    }
    group->protocol = candidate;
    if (before != NULL) {
        drop_candidate(group, before);
    }
}
