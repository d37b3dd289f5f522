/* SPDX-License-Identifier: Apache-2.0 */
/* Messages as a description for people (kafscale/describe.h). */
#ifndef KS_PROTOCOL_DESCRIBE_H
#define KS_PROTOCOL_DESCRIBE_H

#include "base/describe.h"
#include "protocol/schema.h"

/* Describes record batches, whose form this module doesn't know, as a value of that name. */
typedef void kafka_describe_records(const struct kafka_records *records, const char *name,
                                    void *arg, const struct kafscale_describe *describe);

/*
 * Describes the fields of this version into a struct that was begun; what is null is left out.
 * `records` may be NULL: record batches are then described by their size.
 */
void kafka_message_describe(const struct kafka_message *message, int16_t version, const void *in,
                            kafka_describe_records *records, void *records_arg,
                            const struct kafscale_describe *describe);

#endif
