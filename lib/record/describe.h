/* SPDX-License-Identifier: Apache-2.0 */
/* Batches and their records as a description for people (kafscale/describe.h). */
#ifndef KS_RECORD_DESCRIBE_H
#define KS_RECORD_DESCRIBE_H

#include "base/describe.h"
#include "record/batch.h"

/*
 * Describes the first batch of `bytes`, its checksum compared, with every record if
 * `is_with_records`. Returns the bytes it takes, 0 when there is no batch; the description then
 * says why. A batch that can't be opened is described by its header and the reason.
 */
size_t ks_batch_describe(struct kafscale_slice bytes, bool is_with_records,
                         const struct kafscale_describe *describe);

#endif
