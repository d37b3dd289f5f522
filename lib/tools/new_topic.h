/* SPDX-License-Identifier: Apache-2.0 */
/* A topic that a tool makes known, with partitions that already hold records. */
#ifndef KS_TOOLS_NEW_TOPIC_H
#define KS_TOOLS_NEW_TOPIC_H

#include "broker/formats.h"
#include "log/formats.h"
#include "tools/session.h"

/* A partition and its register; those that are empty need none. */
struct ks_new_partition {
    int32_t index;
    struct ks_register reg;
};

/*
 * Writes name, topic and registers in one transaction, if neither the name nor the topic is known.
 * CONFLICT: one of them is. UNKNOWN: it may have happened.
 */
KAFSCALE_MUST_CHECK enum kafscale_status ks_tools_make_known(
    struct ks_session *session, const struct ks_topic_record *topic,
    const struct ks_new_partition *partitions, size_t partition_count,
    struct kafscale_error *error);

/* Whether a life of this name is known, alive or not. */
KAFSCALE_MUST_CHECK enum kafscale_status ks_tools_is_known(struct ks_session *session,
                                                           const char *name, bool *is_known_out,
                                                           struct kafscale_error *error);

#endif
