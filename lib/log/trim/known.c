/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the trimmer was told of partitions that aren't open here. It holds for ever, so it is kept
 * while there is room, and is read again when needed.
 */
#include "log/trim/trim.h"

#define KNOWN_MAX 10000

void
ks_known_forget(struct ks_trimmer *trimmer)
{
    struct ks_table_node *node;

    while ((node = ks_table_next(&trimmer->known, NULL)) != NULL) {
        ks_table_remove(&trimmer->known, node);
        ks_free(KS_CONTAINER(node, struct ks_known, node));
    }
}

const struct ks_known *
ks_known_find(const struct ks_trimmer *trimmer, const struct ks_partition_name *name)
{
    struct ks_table_node *node = ks_table_find(&trimmer->known, ks_slice(name, sizeof *name));

    return node == NULL ? NULL : KS_CONTAINER(node, struct ks_known, node);
}

void
ks_known_note(struct ks_trimmer *trimmer, const struct ks_partition_name *name, bool is_gone,
              int64_t compacted_upto)
{
    struct ks_known *known = (struct ks_known *) ks_known_find(trimmer, name);

    if (known == NULL && trimmer->known.count >= KNOWN_MAX) {
        ks_known_forget(trimmer);
    }
    if (known == NULL) {
        known = ks_alloc_zero(1, sizeof *known);
        if (known == NULL) {
            return;
        }
        known->name = *name;
        if (ks_table_insert(&trimmer->known, &known->node,
                            ks_slice(&known->name, sizeof known->name)) != KAFSCALE_OK) {
            ks_free(known);
            return;
        }
    }
    known->is_gone |= is_gone;
    known->round = trimmer->round;
    if (compacted_upto > known->compacted_upto) {
        known->compacted_upto = compacted_upto;
    }
}
