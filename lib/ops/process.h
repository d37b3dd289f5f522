/* SPDX-License-Identifier: Apache-2.0 */
/* What the system knows of the process that the broker runs in. */
#ifndef KS_OPS_PROCESS_H
#define KS_OPS_PROCESS_H

#include "broker/broker.h"

/* How busy the process was, from reading to reading. Zeroed: nothing was read yet. */
struct ks_process {
    bool is_read;
    int64_t since_ms;
    double since_cpu_seconds;
    double cpu_percent;
};

/*
 * Adds it to a reading; what the system doesn't tell is left out. CPU time is that since the
 * reading before, or the one before that if it was made within a second.
 */
void ks_process_read_metrics(struct ks_process *process, int64_t now_ms,
                             struct ks_metrics *metrics);

#endif
