/* SPDX-License-Identifier: Apache-2.0 */
/* Topics that another KafScale wrote into the bucket become topics of ours. */
#ifndef KS_TOOLS_IMPORT_H
#define KS_TOOLS_IMPORT_H

#include "kafscale/tools.h"
#include "tools/session.h"

/* As kafscale_tools_import. */
KAFSCALE_MUST_CHECK enum kafscale_status ks_tools_import(struct ks_session *session,
                                                         const char *topic, bool is_dry_run,
                                                         kafscale_tools_imported *imported,
                                                         void *arg, struct kafscale_error *error);

#endif
