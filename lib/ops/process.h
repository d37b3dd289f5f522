/* SPDX-License-Identifier: Apache-2.0 */
/* What the system knows of the process that the broker runs in. */
#ifndef KS_OPS_PROCESS_H
#define KS_OPS_PROCESS_H

#include "broker/broker.h"

/* Adds it to a reading; what the system doesn't tell is left out. Any thread. */
void ks_process_read_metrics(struct ks_metrics *metrics);

#endif
