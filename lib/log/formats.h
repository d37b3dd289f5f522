/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The second door of log, for tools that read what brokers wrote: the formats of objects and
 * registers, which are pure, and whole objects checked.
 */
#ifndef KS_LOG_FORMATS_H
#define KS_LOG_FORMATS_H

#include "log/bundle_format.h"
#include "log/check.h"
#include "log/index_format.h"
#include "log/producer_snapshot.h"
#include "log/registers.h"
#include "log/segment_build.h"
#include "log/segment_format.h"
#include "log/stored_batch.h"
#include "log/wal_format.h"

#endif
