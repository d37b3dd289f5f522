/* SPDX-License-Identifier: Apache-2.0 */
/* Requests about groups: one offset of group "g" is committed, which has no members. */
#include "unit/version_cases.h"

#include <check.h>

#define GROUP "g"
#define OFFSET 41

static struct kafscale_slice *
group_names(void)
{
    struct kafscale_slice *names = ks_arena_alloc(&version_arena, sizeof *names);

    names[0] = ks_slice_of_text(GROUP);
    return names;
}

void
fill_offset_commit(void *out, int16_t version)
{
    struct kafka_offset_commit_request *request = out;

    (void) version;
    request->group_id = ks_slice_of_text(GROUP);
    request->topics =
        kafka_array_new(&version_arena, &kafka_offset_commit_request_topic_message, 1);
    request->topics_count = 1;
    request->topics[0].name = ks_slice_of_text("a");
    request->topics[0].partitions =
        kafka_array_new(&version_arena, &kafka_offset_commit_request_topic_partition_message, 1);
    request->topics[0].partitions_count = 1;
    request->topics[0].partitions[0].committed_offset = OFFSET;
}

void
check_offset_commit(const void *in)
{
    const struct kafka_offset_commit_response *response = in;

    ck_assert_int_eq(response->topics[0].partitions[0].error_code, KAFKA_ERROR_NONE);
}

void
fill_offset_fetch(void *out, int16_t version)
{
    struct kafka_offset_fetch_request *request = out;

    if (version >= 8) {
        request->groups =
            kafka_array_new(&version_arena, &kafka_offset_fetch_request_group_message, 1);
        request->groups_count = 1;
        request->groups[0].group_id = ks_slice_of_text("never");
        request->groups[0].topics_count = -1;
        return;
    }
    request->group_id = ks_slice_of_text("never");
    request->topics = kafka_array_new(&version_arena, &kafka_offset_fetch_request_topic_message, 1);
    request->topics_count = 1;
    request->topics[0].name = ks_slice_of_text("a");
    request->topics[0].partition_indexes = ks_arena_alloc(&version_arena, sizeof(int32_t));
    request->topics[0].partition_indexes_count = 1;
}

void
check_offset_fetch(const void *in)
{
    const struct kafka_offset_fetch_response *response = in;

    if (response->groups_count > 0) {
        ck_assert_int_eq(response->groups[0].error_code, KAFKA_ERROR_NONE);
        ck_assert_int_eq(response->groups[0].topics_count, 0);
    } else {
        ck_assert_int_eq(response->error_code, KAFKA_ERROR_NONE);
        ck_assert_int_eq(response->topics[0].partitions[0].error_code, KAFKA_ERROR_NONE);
        ck_assert_int_eq(response->topics[0].partitions[0].committed_offset, -1);
    }
}

void
fill_find_coordinator(void *out, int16_t version)
{
    struct kafka_find_coordinator_request *request = out;

    if (version >= 4) {
        request->coordinator_keys = group_names();
        request->coordinator_keys_count = 1;
    } else {
        request->key = ks_slice_of_text(GROUP);
    }
}

void
check_find_coordinator(const void *in)
{
    const struct kafka_find_coordinator_response *response = in;

    if (response->coordinators_count > 0) {
        ck_assert_int_eq(response->coordinators[0].error_code, KAFKA_ERROR_NONE);
        ck_assert_int_eq(response->coordinators[0].node_id, 0);
    } else {
        ck_assert_int_eq(response->error_code, KAFKA_ERROR_NONE);
        ck_assert_int_eq(response->node_id, 0);
        ck_assert_int_eq(response->port, 9092);
    }
}

/* The id of a member that nobody gave out: what is tested is that it is understood. */
void
fill_join_group(void *out, int16_t version)
{
    struct kafka_join_group_request *request = out;

    request->group_id = ks_slice_of_text(GROUP);
    request->session_timeout_ms = 10000;
    request->member_id = ks_slice_of_text("nobody");
    request->protocol_type = ks_slice_of_text("consumer");
    request->protocols =
        kafka_array_new(&version_arena, &kafka_join_group_request_protocol_message, 1);
    request->protocols_count = 1;
    request->protocols[0].name = ks_slice_of_text("range");
    if (version >= 8) {
        request->reason = ks_slice_of_text("for a test");
    }
}

void
check_join_group(const void *in)
{
    const struct kafka_join_group_response *response = in;

    ck_assert_int_eq(response->error_code, KAFKA_ERROR_UNKNOWN_MEMBER_ID);
    ck_assert(ks_slice_equals(response->member_id, ks_slice_of_text("nobody")));
}

void
fill_heartbeat(void *out, int16_t version)
{
    struct kafka_heartbeat_request *request = out;

    (void) version;
    request->group_id = ks_slice_of_text(GROUP);
    request->member_id = ks_slice_of_text("nobody");
}

void
check_heartbeat(const void *in)
{
    ck_assert_int_eq(((const struct kafka_heartbeat_response *) in)->error_code,
                     KAFKA_ERROR_UNKNOWN_MEMBER_ID);
}

void
fill_leave_group(void *out, int16_t version)
{
    struct kafka_leave_group_request *request = out;

    request->group_id = ks_slice_of_text(GROUP);
    if (version < 3) {
        request->member_id = ks_slice_of_text("nobody");
        return;
    }
    request->members =
        kafka_array_new(&version_arena, &kafka_leave_group_request_member_message, 1);
    request->members_count = 1;
    request->members[0].member_id = ks_slice_of_text("nobody");
}

void
check_leave_group(const void *in)
{
    const struct kafka_leave_group_response *response = in;

    ck_assert_int_eq(response->members_count > 0 ? response->members[0].error_code
                                                 : response->error_code,
                     KAFKA_ERROR_UNKNOWN_MEMBER_ID);
}

void
fill_sync_group(void *out, int16_t version)
{
    struct kafka_sync_group_request *request = out;

    request->group_id = ks_slice_of_text(GROUP);
    request->member_id = ks_slice_of_text("nobody");
    if (version >= 5) {
        request->protocol_type = ks_slice_of_text("consumer");
        request->protocol_name = ks_slice_of_text("range");
    }
}

void
check_sync_group(const void *in)
{
    ck_assert_int_eq(((const struct kafka_sync_group_response *) in)->error_code,
                     KAFKA_ERROR_UNKNOWN_MEMBER_ID);
}

void
fill_describe_groups(void *out, int16_t version)
{
    struct kafka_describe_groups_request *request = out;

    (void) version;
    request->groups = ks_arena_alloc(&version_arena, sizeof *request->groups);
    request->groups[0] = ks_slice_of_text("never");
    request->groups_count = 1;
}

void
check_describe_groups(const void *in)
{
    const struct kafka_describe_groups_response *response = in;

    ck_assert(ks_slice_equals(response->groups[0].group_state, ks_slice_of_text("Dead")));
}

void
fill_list_groups(void *out, int16_t version)
{
    (void) out;
    (void) version;
}

void
check_list_groups(const void *in)
{
    const struct kafka_list_groups_response *response = in;

    ck_assert_int_eq(response->error_code, KAFKA_ERROR_NONE);
    ck_assert_int_eq(response->groups_count, 0);
}

void
fill_delete_groups(void *out, int16_t version)
{
    struct kafka_delete_groups_request *request = out;

    (void) version;
    request->groups_names = group_names();
    request->groups_names_count = 1;
}

void
check_delete_groups(const void *in)
{
    const struct kafka_delete_groups_response *response = in;

    ck_assert_int_eq(response->results[0].error_code, KAFKA_ERROR_GROUP_ID_NOT_FOUND);
}

void
fill_offset_delete(void *out, int16_t version)
{
    struct kafka_offset_delete_request *request = out;

    (void) version;
    request->group_id = ks_slice_of_text(GROUP);
}

void
check_offset_delete(const void *in)
{
    ck_assert_int_eq(((const struct kafka_offset_delete_response *) in)->error_code,
                     KAFKA_ERROR_GROUP_ID_NOT_FOUND);
}
