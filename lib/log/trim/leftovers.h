/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What brokers that died have left: slots below a trim mark, objects above a seal, and bundles that
 * no register names. A start that has found earlier logs lists them once, some time later.
 */
#ifndef KS_LOG_TRIM_LEFTOVERS_H
#define KS_LOG_TRIM_LEFTOVERS_H

#include "log/trim/trim.h"

struct ks_leftovers;

/* Begins, unless this log has done so before. Without memory the next start does it. */
void ks_leftovers_begin(struct ks_trimmer *trimmer);

/* For a log that is going: what only waits is gone. */
void ks_leftovers_silence(struct ks_trimmer *trimmer);

/* Frees it, when no completion will come. */
void ks_leftovers_drop(struct ks_trimmer *trimmer);

#endif
