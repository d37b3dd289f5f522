/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A registered bundle as the log remembers it: header and sections. Partitions point to the
 * sections that hold batches of theirs.
 */
#ifndef KS_LOG_BUNDLE_BUNDLE_H
#define KS_LOG_BUNDLE_BUNDLE_H

#include "log/format/bundle_format.h"
#include "log/core.h"

struct ks_trail;

/* Counted by references: its trail's, its partitions', readers'. */
struct ks_bundle {
    struct ks_list link; /* in its trail's bundles, ascending by slot */
    uint32_t source;     /* whose log it was */
    uint32_t reference_count;
    struct ks_bundle_name name; /* parts of a merged bundle share a register */
    uint32_t level;             /* 0: of slots */
    uint64_t register_version;
    bool is_removed; /* nobody needs it, or it was merged, and its object may be gone */
    bool is_merging; /* its register stays as it is until that is over */
    struct ks_bundle_header header;
    struct kafscale_blob *head; /* header and directory; the sections borrow names from it */
    struct ks_bundle_section *sections;
    size_t section_count;
    size_t covered_count; /* of these, from the first on, are covered */
};

/*
 * From header and directory as they were read, which must be of the slots of this name and of this
 * cluster and incarnation. With one reference.
 */
KAFSCALE_MUST_CHECK enum kafscale_status ks_bundle_new(struct ks_log *log, uint32_t source,
                                                       const struct ks_bundle_name *name,
                                                       struct kafscale_slice head,
                                                       struct ks_bundle **bundle_out,
                                                       struct kafscale_error *error);
struct ks_bundle *ks_bundle_ref(struct ks_bundle *bundle);
/* Accepts NULL. */
void ks_bundle_unref(struct ks_bundle *bundle);

/* The key of its object. */
void ks_bundle_key_of(const struct ks_log *log, const struct ks_bundle *bundle,
                      char key_out[KS_BUNDLE_KEY_BYTES]);

/* Its section of a partition and epoch, or NULL. Parts of a merged bundle may each have one. */
const struct ks_bundle_section *ks_bundle_find(const struct ks_bundle *bundle,
                                               const struct ks_partition_name *name,
                                               int32_t leader_epoch);

struct ks_partition_name ks_bundle_section_name(const struct ks_bundle_section *section);

/* --- What a section is of --------------------------------------------------------------------- */

/* A partition under a leader epoch; of the directory of a bundle, each at most once. No padding. */
struct ks_section_key {
    struct ks_partition_name partition;
    int32_t leader_epoch;
};

struct ks_section_key ks_bundle_section_key(const struct ks_bundle_section *section);
struct ks_section_key ks_wal_section_key(const struct ks_wal_section *section);

/* The order of sections in a bundle: below 0, 0 or above 0, as of memcmp. */
int ks_section_key_compare(const struct ks_section_key *a, const struct ks_section_key *b);

/* --- The bundled part of a partition ---------------------------------------------------------- */

/*
 * Notes that a section holds batches of the partition, and takes a reference. A section that is
 * there already is left. NO_MEMORY changes nothing.
 */
KAFSCALE_MUST_CHECK enum kafscale_status ks_partition_add_bundled(
    struct ks_partition *partition, struct ks_bundle *bundle,
    const struct ks_bundle_section *section);

/*
 * The records of `old` are in `section` of `bundle`, too: what refers to `old` refers to that from
 * now on. NULL: nobody needs them.
 */
void ks_partition_swap_bundled(struct ks_partition *partition, const struct ks_bundle_section *old,
                               struct ks_bundle *bundle, const struct ks_bundle_section *section);

/* Forgets the sections of this bundle, or all of them for NULL. */
void ks_partition_drop_bundled(struct ks_partition *partition, const struct ks_bundle *bundle);

/*
 * Index of the first section that ends above `offset`; bundled_count when there is none. It may
 * begin above, too.
 */
size_t ks_partition_find_bundled(const struct ks_partition *partition, int64_t offset);

/* Drops the places that the bundles stand for from the first on. */
void ks_partition_drop_placed(struct ks_partition *partition);

#endif
