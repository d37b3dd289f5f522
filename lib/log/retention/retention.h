/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Retention of what lies in segments. Of these only two things stay in memory for each partition:
 * what there is of the oldest segment that is left, and how many bytes there are in all. So it is
 * known without a request when something of it shall go; then the indexes are walked through from
 * the log start on, up to the first segment that stays.
 */
#ifndef KS_LOG_RETENTION_RETENTION_H
#define KS_LOG_RETENTION_RETENTION_H

#include "log/core.h"

#define KS_EXPIRES_NEVER INT64_MAX

/* --- retention.c ----------------------------------------------------------------------------- */

/* The wall time at which what is of this time has passed the limit by `slack_ms`. */
int64_t ks_expiry_ms(int64_t time_ms, int64_t limit_ms, int64_t slack_ms);

/* By how much a partition's limits may be passed before something goes. */
int64_t ks_retention_slack_ms(const struct ks_retention *limits);
int64_t ks_retention_slack_bytes(const struct ks_retention *limits);

/* Committed bytes that don't lie in segments. */
int64_t ks_retention_bytes_above(const struct ks_partition *partition);

/*
 * A walk is over: the log may start at `start`, which is the log start where nothing may go.
 * `partition` is NULL when it was forgotten meanwhile.
 */
void ks_retention_walked(struct ks_log *log, struct ks_partition *partition, int64_t start);

/* Something of the round can't be done now. */
void ks_retention_fail(struct ks_log *log, enum kafscale_status status);

/* --- retention_segments.c -------------------------------------------------------------------- */

/* Whether the oldest of it lies in a segment and nowhere else that is known. */
bool ks_expiry_is_cold(const struct ks_partition *partition);

/* As due_ms of retention.c, for a partition that is cold: now also when that is not known. */
int64_t ks_expiry_due_ms(struct ks_log *log, struct ks_partition *partition);

/* Begins a walk, whose end ks_retention_walked is told, maybe at once; false without memory. */
bool ks_expiry_walk(struct ks_log *log, struct ks_partition *partition);

#endif
