/* SPDX-License-Identifier: Apache-2.0 */
/* What a coordinator's answer means for a member: each error of the group APIs, in one place. */
#ifndef KS_CLIENT_GROUP_VERDICT_H
#define KS_CLIENT_GROUP_VERDICT_H

#include "kafscale/protocol.h"

enum ks_group_verdict {
    KS_GROUP_GO_ON,
    KS_GROUP_AGAIN,  /* the same, later */
    KS_GROUP_REJOIN, /* the group has gone on */
    KS_GROUP_NEWCOMER,
    KS_GROUP_NEVER,
};

/* `status` as an ask ends: what isn't OK has no code, and is tried again. */
enum ks_group_verdict ks_group_verdict_of(enum kafscale_status status, int16_t kafka_error);

#endif
