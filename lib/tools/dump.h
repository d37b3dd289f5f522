/* SPDX-License-Identifier: Apache-2.0 */
/* What is in one object. */
#ifndef KS_TOOLS_DUMP_H
#define KS_TOOLS_DUMP_H

#include "log/log.h"
#include "tools/session.h"

/*
 * Describes the object of a key: key, size and, as far as it is one of ours, what is in it.
 * KAFSCALE_NOT_FOUND: no such object. KAFSCALE_UNSUPPORTED: none of ours. Damage of an object of
 * ours is part of the description, and no failure.
 */
KAFSCALE_MUST_CHECK enum kafscale_status ks_tools_dump(struct ks_session *session, const char *key,
                                                       enum ks_describe_depth depth,
                                                       const struct kafscale_describe *describe,
                                                       struct kafscale_error *error);

#endif
