/* SPDX-License-Identifier: Apache-2.0 */
/* The formats of the log as descriptions for people (kafscale/describe.h). */
#ifndef KS_LOG_FORMAT_DESCRIBE_H
#define KS_LOG_FORMAT_DESCRIBE_H

#include "base/describe.h"

/* How much of an object is told. */
enum ks_describe_depth {
    KS_DESCRIBE_HEAD,    /* headers only */
    KS_DESCRIBE_BATCHES, /* and every batch */
    KS_DESCRIBE_RECORDS, /* and every record */
};

/*
 * Describes a whole object of the log by its magic; false when it is none of the log's. Damage is
 * part of the description, under "damage".
 */
bool ks_log_describe(struct kafscale_slice object, enum ks_describe_depth depth,
                     const struct kafscale_describe *describe);

/* Describes the value of a metadata key that belongs to the log; false for any other key. */
bool ks_log_describe_value(const char *key, struct kafscale_slice value,
                           const struct kafscale_describe *describe);

#endif
