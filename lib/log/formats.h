/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The second door of log, for tools that read what brokers wrote: the formats of objects and
 * registers, which are pure, and whole objects checked.
 */
#ifndef KS_LOG_FORMATS_H
#define KS_LOG_FORMATS_H

#include "log/format/bundle_format.h"
#include "log/format/check.h"
#include "log/format/index_format.h"
#include "log/format/producer_snapshot.h"
#include "log/format/registers.h"
#include "log/format/segment_build.h"
#include "log/format/segment_format.h"
#include "log/read/stored_batch.h"
#include "log/format/wal_format.h"

#endif
