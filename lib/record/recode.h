/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing a batch anew with another codec, for topics that store their own. Its records stay as
 * they are, so everything but codec, length and checksum does too.
 *
 * A pure function, any thread.
 */
#ifndef KS_RECORD_RECODE_H
#define KS_RECORD_RECODE_H

#include "base/buffer.h"
#include "record/records.h"

/*
 * Appends the batch that `records` was opened over to `out`, under its cap, with its records in
 * `codec` at this level (ks_compress_at); on failure `out` is as it was. KAFSCALE_TOO_LARGE: it
 * passes the cap; KAFSCALE_UNSUPPORTED: so few bytes that nobody would open them again
 * (KS_COMPRESSION_RATIO_MAX).
 */
KAFSCALE_MUST_CHECK enum kafscale_status ks_batch_recode(const struct ks_records *records,
                                                         int codec, int level,
                                                         struct ks_buffer *out,
                                                         struct kafscale_error *error);

#endif
