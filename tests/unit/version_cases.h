/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For the test that asks every API at every version (handlers_versions_test.c): a request as a
 * client would fill it, and what its answer must say. There is a topic "a" with one partition and
 * one record.
 */
#ifndef KS_TESTS_UNIT_VERSION_CASES_H
#define KS_TESTS_UNIT_VERSION_CASES_H

#include "support/client.h"

/* Of the request that is filled. */
extern struct ks_arena version_arena;

#define VERSION_CASE(name)                        \
    void fill_##name(void *out, int16_t version); \
    void check_##name(const void *in);

VERSION_CASE(alter_configs)
VERSION_CASE(alter_partition_reassignments)
VERSION_CASE(create_acls)
VERSION_CASE(create_partitions)
VERSION_CASE(delete_acls)
VERSION_CASE(delete_groups)
VERSION_CASE(describe_acls)
VERSION_CASE(describe_client_quotas)
VERSION_CASE(describe_groups)
VERSION_CASE(describe_log_dirs)
VERSION_CASE(elect_leaders)
VERSION_CASE(find_coordinator)
VERSION_CASE(heartbeat)
VERSION_CASE(incremental_alter_configs)
VERSION_CASE(join_group)
VERSION_CASE(leave_group)
VERSION_CASE(list_groups)
VERSION_CASE(list_partition_reassignments)
VERSION_CASE(offset_commit)
VERSION_CASE(offset_delete)
VERSION_CASE(offset_fetch)
VERSION_CASE(sync_group)

#endif
