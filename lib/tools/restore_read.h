/* SPDX-License-Identifier: Apache-2.0 */
/* The batches of one partition in the order of their offsets, wherever they lie. */
#ifndef KS_TOOLS_RESTORE_READ_H
#define KS_TOOLS_RESTORE_READ_H

#include "record/record.h"
#include "tools/survey.h"

/*
 * Told of each batch, whose checksum was looked at; borrowed for the call. Setting *is_enough_out
 * ends the reading; so does a failure.
 */
typedef enum kafscale_status ks_tools_take_batch(void *arg, const struct ks_batch *batch,
                                                 bool *is_enough_out, struct kafscale_error *error);

/*
 * From the start of the log to the end of what is stored. The survey has collected the topic.
 * CORRUPT: records are damaged or missing, and the error names where.
 */
KAFSCALE_MUST_CHECK enum kafscale_status ks_tools_read_partition(
    struct ks_survey *survey, struct ks_survey_partition *partition, ks_tools_take_batch *take,
    void *arg, struct kafscale_error *error);

#endif
