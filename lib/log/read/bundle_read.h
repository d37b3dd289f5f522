/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading batches back from a bundle: the entries of a section, then as many of its batches as the
 * reader may have, which lie side by side. The entries read last are kept.
 */
#ifndef KS_LOG_READ_BUNDLE_READ_H
#define KS_LOG_READ_BUNDLE_READ_H

#include "log/bundle/bundle.h"

/* Entries of sections in memory. */
struct ks_bundle_entries {
    struct ks_list link;      /* those used last come last */
    struct ks_bundle *bundle; /* a reference */
    const struct ks_bundle_section *section;
    struct kafscale_blob *bytes;
};

/*
 * Reads from a section that holds batches at or above the offset of `read`. False: `done` of the
 * read comes. True: it did not begin, for want of memory.
 */
bool ks_bundle_read(struct ks_log *log, struct ks_log_read *read, struct ks_bundle *bundle,
                    const struct ks_bundle_section *section, enum kafscale_status *status_out);

/* Frees the entries that are kept. */
void ks_bundle_entries_drop(struct ks_log *log);

/* The partition is forgotten: nobody minds that its objects go. */
void ks_bundle_readings_forget(struct ks_log *log, const struct ks_partition *partition);

/* For a log that is going: waits for nothing but requests under way. */
void ks_bundle_readings_silence(struct ks_log *log);

/* For ks_log_abandon. */
void ks_bundle_readings_drop(struct ks_log *log);

#endif
