/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whole objects of the log checked to the last byte: lengths, every checksum, every batch against
 * what a directory says of it. A broker reads less than that, since it trusts what it needs to know
 * only as far as its checksum goes; tools look at all of it.
 */
#ifndef KS_LOG_FORMAT_CHECK_H
#define KS_LOG_FORMAT_CHECK_H

#include "log/format/bundle_format.h"
#include "log/format/index_format.h"
#include "log/format/producer_snapshot.h"
#include "log/format/wal_format.h"

/*
 * CORRUPT, with the first thing that is wrong; UNSUPPORTED: a later version. A seal is a whole
 * object without sections.
 */
KAFSCALE_MUST_CHECK enum kafscale_status ks_wal_check(struct kafscale_slice object,
                                                      struct kafscale_error *error);
KAFSCALE_MUST_CHECK enum kafscale_status ks_bundle_check(struct kafscale_slice object,
                                                         struct kafscale_error *error);

/*
 * A segment against its index, which was decoded. An index without extension says less, so less is
 * compared. NO_MEMORY too.
 */
KAFSCALE_MUST_CHECK enum kafscale_status ks_segment_check(struct kafscale_slice object,
                                                          const struct ks_index *index,
                                                          struct kafscale_error *error);

#endif
