/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A whole store checked: every object is read and compared with its checksums, with its neighbours
 * and with the registers, and every record that a register promises must be found exactly where
 * brokers will look for it. Nothing is changed.
 */
#ifndef KS_TOOLS_VERIFY_H
#define KS_TOOLS_VERIFY_H

#include "kafscale/tools.h"
#include "tools/session.h"

/* As kafscale_tools_verify. */
KAFSCALE_MUST_CHECK enum kafscale_status ks_tools_verify(
    struct ks_session *session, bool is_quick, kafscale_tools_found *found, void *arg,
    struct kafscale_verify_summary *summary_out, struct kafscale_error *error);

#endif
