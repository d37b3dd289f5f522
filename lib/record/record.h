/* SPDX-License-Identifier: Apache-2.0 */
/* The door of record: record batches, closed and opened, and how to build them. */
#ifndef KS_RECORD_RECORD_H
#define KS_RECORD_RECORD_H

#include "record/batch.h"
#include "record/batch_builder.h"
#include "record/compression.h"
#include "record/control_batch.h"
#include "record/describe.h"
#include "record/encode.h"
#include "record/recode.h"
#include "record/records.h"

#endif
