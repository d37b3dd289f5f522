/* SPDX-License-Identifier: Apache-2.0 */
/* The door of base: what every module stands on. */
#ifndef KS_BASE_BASE_H
#define KS_BASE_BASE_H

#include "base/arena.h"
#include "base/array.h"
#include "base/backoff.h"
#include "base/buffer.h"
#include "base/chore.h"
#include "base/crc32c.h"
#include "base/cursor.h"
#include "base/decimal.h"
#include "base/describe.h"
#include "base/endian.h"
#include "base/env.h"
#include "base/error.h"
#include "base/heap.h"
#include "base/histogram.h"
#include "base/id.h"
#include "base/list.h"
#include "base/log_quota.h"
#include "base/logger.h"
#include "base/memory.h"
#include "base/nearest.h"
#include "base/planted.h"
#include "base/slice.h"
#include "base/table.h"
#include "base/utf8.h"
#include "base/varint.h"
#include "base/window.h"

#endif
