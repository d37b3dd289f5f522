/* SPDX-License-Identifier: Apache-2.0 */
/* The objects of the metadata log as descriptions for people (kafscale/describe.h). */
#ifndef KS_META_DESCRIBE_H
#define KS_META_DESCRIBE_H

#include "base/describe.h"

/* Describes the value of a key, whose meaning is known above meta. */
typedef void ks_meta_describe_value(const char *key, struct kafscale_slice value,
                                    const struct kafscale_describe *describe);

/*
 * Describes an entry, a snapshot or a mark by its magic; false when the object is none of these.
 * Damage is part of the description, under "damage".
 */
bool ks_meta_describe(struct kafscale_slice object, ks_meta_describe_value *describe_value,
                      const struct kafscale_describe *describe);

#endif
