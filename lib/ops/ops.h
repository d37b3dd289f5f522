/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The door of ops: what an operator asks a running broker over HTTP. Pages are text or JSON, made
 * anew for each request, and read nothing but what the broker knows: no page waits for the store.
 *
 * Everything belongs to the loop thread.
 */
#ifndef KS_OPS_OPS_H
#define KS_OPS_OPS_H

#include "ops/http.h"
#include "ops/json.h"
#include "ops/process.h"

#endif
