/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The door of tools: what is done with a store when no broker does it. Looking into objects,
 * checking a whole store, restoring, importing and repairing, each as one call that waits.
 */
#ifndef KS_TOOLS_TOOLS_H
#define KS_TOOLS_TOOLS_H

#include "tools/dump.h"
#include "tools/import.h"
#include "tools/rebuild.h"
#include "tools/restore.h"
#include "tools/session.h"
#include "tools/store_check.h"
#include "tools/verify.h"

#endif
