/* SPDX-License-Identifier: Apache-2.0 */
/* Reading batches from write-ahead objects: those that are neither in memory nor bundled. */
#ifndef KS_LOG_READ_WAL_READ_H
#define KS_LOG_READ_WAL_READ_H

#include "log/core.h"

/*
 * Begins to give the reader the batches at these places of his partition, at least those that lie
 * beside the first. False: `done` of the read will come. True: `status_out` is how it ended.
 */
bool ks_wal_read(struct ks_log *log, struct ks_log_read *read, const struct ks_place *places,
                 size_t count, enum kafscale_status *status_out);

/* The partition is forgotten: nobody minds that its objects go. */
void ks_wal_readings_forget(struct ks_log *log, const struct ks_partition *partition);

/* For a log that is going: waits for nothing but requests under way. */
void ks_wal_readings_silence(struct ks_log *log);

/* For ks_log_abandon. */
void ks_wal_readings_drop(struct ks_log *log);

#endif
