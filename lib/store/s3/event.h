/* SPDX-License-Identifier: Apache-2.0 */
/* What the S3 store says in the log: a message and one field. */
#ifndef KS_STORE_S3_EVENT_H
#define KS_STORE_S3_EVENT_H

#include "kafscale/loop.h"

void ks_s3_log(struct kafscale_loop loop, enum kafscale_log_level level, const char *message,
               const char *name, const char *value);

#endif
