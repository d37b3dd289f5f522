/* SPDX-License-Identifier: Apache-2.0 */
/* The formats of the log one by one, for describe.c, which tells them apart. */
#ifndef KS_LOG_FORMAT_DESCRIBE_FORMATS_H
#define KS_LOG_FORMAT_DESCRIBE_FORMATS_H

#include "log/format/bundle_format.h"
#include "log/format/describe.h"
#include "log/format/index_format.h"
#include "log/format/index_layout.h"
#include "log/format/producer_snapshot.h"
#include "log/format/wal_format.h"

void ks_describe_wal(struct kafscale_slice object, enum ks_describe_depth depth,
                     const struct kafscale_describe *describe);
void ks_describe_bundle(struct kafscale_slice object, enum ks_describe_depth depth,
                        const struct kafscale_describe *describe);
void ks_describe_segment(struct kafscale_slice object, enum ks_describe_depth depth,
                         const struct kafscale_describe *describe);
void ks_describe_index(struct kafscale_slice object, enum ks_describe_depth depth,
                       const struct kafscale_describe *describe);

/* Inside a description: an entry of a directory, and the producers of a stored state. */
void ks_describe_entry(const struct ks_wal_entry *entry, const struct kafscale_describe *describe);
void ks_describe_producers(struct kafscale_slice state, const struct kafscale_describe *describe);

#endif
