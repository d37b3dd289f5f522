/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ids that were given to who asked to join without one (KIP-394). A rebalance waits for them to be
 * used, until they expire.
 */
#include "group/group_internal.h"

static struct ks_group_pending *
find(const struct ks_group *group, struct kafscale_slice member_id)
{
    struct ks_table_node *node = ks_table_find(&group->pending, member_id);

    return node == NULL ? NULL : KS_CONTAINER(node, struct ks_group_pending, node);
}

static struct ks_group_pending *
next(const struct ks_group *group, const struct ks_group_pending *id)
{
    struct ks_table_node *node = ks_table_next(&group->pending, id == NULL ? NULL : &id->node);

    return node == NULL ? NULL : KS_CONTAINER(node, struct ks_group_pending, node);
}

bool
ks_group_is_pending(const struct ks_group *group, struct kafscale_slice member_id)
{
    return find(group, member_id) != NULL;
}

bool
ks_group_add_pending(struct ks_group *group, struct kafscale_slice member_id, int64_t due_ms)
{
    struct ks_group_pending *id = ks_alloc_zero(1, sizeof *id + member_id.size);

    if (id == NULL) {
        return false;
    }
    id->due_ms = due_ms;
    id->id_bytes = member_id.size;
    memcpy(id->id, member_id.data, member_id.size);
    if (ks_table_insert(&group->pending, &id->node, ks_slice(id->id, id->id_bytes)) !=
        KAFSCALE_OK) {
        ks_free(id);
        return false;
    }
    group->bytes += sizeof *id + id->id_bytes;
    ks_group_note_due(group, due_ms);
    return true;
}

static void
discard(struct ks_group *group, struct ks_group_pending *id)
{
    ks_table_remove(&group->pending, &id->node);
    group->bytes -= sizeof *id + id->id_bytes;
    ks_free(id);
}

bool
ks_group_remove_pending(struct ks_group *group, struct kafscale_slice member_id)
{
    struct ks_group_pending *id = find(group, member_id);

    if (id == NULL) {
        return false;
    }
    discard(group, id);
    return true;
}

int64_t
ks_group_expire_pending(struct ks_group *group, int64_t now_ms)
{
    struct ks_group_pending *id = next(group, NULL);
    int64_t due_ms = KS_GROUP_NEVER;

    while (id != NULL) {
        struct ks_group_pending *following = next(group, id);

        if (id->due_ms <= now_ms) {
            discard(group, id);
        } else if (id->due_ms < due_ms) {
            due_ms = id->due_ms;
        }
        id = following;
    }
    return due_ms;
}

void
ks_group_extend_pending(struct ks_group *group, int64_t ms)
{
    for (struct ks_group_pending *id = next(group, NULL); id != NULL; id = next(group, id)) {
        id->due_ms += ms;
    }
}
