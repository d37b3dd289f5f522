/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rewrites bundles of the log's own as one merged bundle (durability 2): part by part, then one
 * transaction that puts its register in the place of theirs; then their objects go. It runs beside
 * the steps of the trimmer, one at a time.
 */
#ifndef KS_LOG_BUNDLE_MERGER_H
#define KS_LOG_BUNDLE_MERGER_H

#include "log/trim/trim.h"

struct ks_merger;

/* Begins if there is something to merge. */
void ks_merger_start_if_due(struct ks_trimmer *trimmer);

/* For a log that is going: what only waits is gone. Accepts NULL. */
void ks_merger_silence(struct ks_merger *merger);

/* Frees it, when no completion will come. Accepts NULL. */
void ks_merger_drop(struct ks_merger *merger);

#endif
