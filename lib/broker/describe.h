/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the broker keeps in the store besides records, as descriptions for people
 * (kafscale/describe.h): the cluster record and the values of metadata keys.
 */
#ifndef KS_BROKER_DESCRIBE_H
#define KS_BROKER_DESCRIBE_H

#include "base/describe.h"

/* Describes a cluster object; false when it is none. */
bool ks_broker_describe(struct kafscale_slice object, const struct kafscale_describe *describe);

/* Describes the value of any metadata key: in hexadecimal where its meaning isn't known. */
void ks_broker_describe_value(const char *key, struct kafscale_slice value,
                              const struct kafscale_describe *describe);

#endif
