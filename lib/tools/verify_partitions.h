/* SPDX-License-Identifier: Apache-2.0 */
/* Whether each partition of a survey has all its records; what is wrong becomes findings. */
#ifndef KS_TOOLS_VERIFY_PARTITIONS_H
#define KS_TOOLS_VERIFY_PARTITIONS_H

#include "tools/survey.h"

void ks_verify_partitions(struct ks_survey *survey, bool is_quick);

#endif
