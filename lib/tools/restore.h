/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A topic as it was at a point in time becomes a new topic: its batches are read wherever they lie,
 * and written as segments of the new one, at the same offsets.
 */
#ifndef KS_TOOLS_RESTORE_H
#define KS_TOOLS_RESTORE_H

#include "kafscale/tools.h"
#include "tools/survey.h"

/*
 * As kafscale_tools_restore; `target` is a session with the namespace of the new topic, and may be
 * the same.
 */
KAFSCALE_MUST_CHECK enum kafscale_status ks_tools_restore(struct ks_session *source,
                                                          struct ks_session *target,
                                                          const struct kafscale_restore *restore,
                                                          kafscale_tools_restored *restored,
                                                          void *arg, struct kafscale_error *error);

#endif
