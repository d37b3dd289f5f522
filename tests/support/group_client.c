/* SPDX-License-Identifier: Apache-2.0 */
/* Texts are copied out of the answers, so that calls need not be kept. */
#include "support/group_client.h"

#include <check.h>
#include <stdio.h>

#define START_MS 60000
#define LOAD_MS 500
#define GROUPS_VERSION 8

static struct kafscale_slice
nullable(const char *text)
{
    return text == NULL ? ks_slice(NULL, 0) : ks_slice_of_text(text);
}

static void
copy(char *out, size_t size, struct kafscale_slice text)
{
    ck_assert_uint_lt(text.size, size);
    if (text.size > 0) {
        memcpy(out, text.data, text.size);
    }
    out[text.size] = '\0';
}

void
group_broker_options(struct ks_broker_options *options)
{
    test_broker_options(options);
    options->coordinator.initial_delay_ms = 0;
    options->coordinator.partition_count = 3;
}

void
group_find_coordinator(struct test_broker *broker)
{
    struct kafka_find_coordinator_request request;
    const struct kafka_find_coordinator_response *response;
    struct test_call *find;

    kafka_message_init(&kafka_find_coordinator_request_message, &request);
    request.key = ks_slice_of_text("g");
    response = call(broker, KAFKA_API_FIND_COORDINATOR, 2, &request, &find);
    ck_assert_int_eq(response->error_code, KAFKA_ERROR_NONE);
    call_free(find);
}

struct test_broker *
group_broker_start(struct broker_fixture *fixture)
{
    struct ks_broker_options options;
    struct test_broker *broker;

    group_broker_options(&options);
    broker = test_broker_begin(fixture, &options);
    ck_assert(virtual_env_run_until(&fixture->v, &broker->is_started, START_MS));
    ck_assert_int_eq(broker->start_status, KAFSCALE_OK);
    group_find_coordinator(broker);
    virtual_env_run_for(&fixture->v, LOAD_MS);
    return broker;
}

/* --- Members ---------------------------------------------------------------------------------- */

struct group_join
group_join(void)
{
    return (struct group_join){ .version = 5,
                                .group = "g",
                                .member_id = "",
                                .type = "consumer",
                                .protocol = "range",
                                .metadata = "m",
                                .session_ms = 30000,
                                .rebalance_ms = 60000 };
}

struct test_call *
group_join_begin(struct test_broker *broker, const struct group_join *join)
{
    struct kafka_join_group_request_protocol protocol;
    struct kafka_join_group_request request;

    kafka_message_init(&kafka_join_group_request_message, &request);
    kafka_message_init(&kafka_join_group_request_protocol_message, &protocol);
    protocol.name = ks_slice_of_text(join->protocol);
    protocol.metadata = ks_slice_of_text(join->metadata);
    request.group_id = ks_slice_of_text(join->group);
    request.session_timeout_ms = join->session_ms;
    request.rebalance_timeout_ms = join->rebalance_ms;
    request.member_id = ks_slice_of_text(join->member_id);
    request.group_instance_id = nullable(join->instance_id);
    request.protocol_type = ks_slice_of_text(join->type);
    request.protocols = &protocol;
    request.protocols_count = 1;
    return call_begin(broker, KAFKA_API_JOIN_GROUP, join->version, &request);
}

struct group_joined
group_joined(struct test_call *call)
{
    const struct kafka_join_group_response *response = call_response(call);
    struct group_joined joined = { .code = response->error_code,
                                   .generation = response->generation_id,
                                   .is_skipped = response->skip_assignment,
                                   .member_count = (size_t) response->members_count };

    copy(joined.type, sizeof joined.type, response->protocol_type);
    copy(joined.protocol, sizeof joined.protocol, response->protocol_name);
    copy(joined.leader, sizeof joined.leader, response->leader);
    copy(joined.member_id, sizeof joined.member_id, response->member_id);
    for (size_t i = 0; i < joined.member_count && i < 4; i++) {
        copy(joined.members[i], sizeof joined.members[i], response->members[i].member_id);
        copy(joined.metadata[i], sizeof joined.metadata[i], response->members[i].metadata);
    }
    call_free(call);
    return joined;
}

struct group_joined
group_join_alone(struct test_broker *broker, struct group_join join)
{
    struct group_joined joined = group_joined(group_join_begin(broker, &join));
    char member_id[GROUP_TEXT_BYTES];

    if (joined.code == KAFKA_ERROR_MEMBER_ID_REQUIRED) {
        memcpy(member_id, joined.member_id, sizeof member_id);
        join.member_id = member_id;
        joined = group_joined(group_join_begin(broker, &join));
    }
    ck_assert_int_eq(joined.code, KAFKA_ERROR_NONE);
    return joined;
}

struct group_sync
group_sync(const struct group_joined *joined)
{
    return (struct group_sync){ .version = 3,
                                .group = "g",
                                .member_id = joined->member_id,
                                .generation = joined->generation,
                                .type = "consumer",
                                .protocol = "range" };
}

struct test_call *
group_sync_begin(struct test_broker *broker, const struct group_sync *sync)
{
    struct kafka_sync_group_request_assignment assignments[4];
    struct kafka_sync_group_request request;

    kafka_message_init(&kafka_sync_group_request_message, &request);
    request.group_id = ks_slice_of_text(sync->group);
    request.generation_id = sync->generation;
    request.member_id = ks_slice_of_text(sync->member_id);
    request.group_instance_id = nullable(sync->instance_id);
    request.protocol_type = nullable(sync->version >= 5 ? sync->type : NULL);
    request.protocol_name = nullable(sync->version >= 5 ? sync->protocol : NULL);
    request.assignments = assignments;
    for (int32_t i = 0; i < 4 && sync->assigned[i][0] != NULL; i++) {
        kafka_message_init(&kafka_sync_group_request_assignment_message, &assignments[i]);
        assignments[i].member_id = ks_slice_of_text(sync->assigned[i][0]);
        assignments[i].assignment = ks_slice_of_text(sync->assigned[i][1]);
        request.assignments_count = i + 1;
    }
    return call_begin(broker, KAFKA_API_SYNC_GROUP, sync->version, &request);
}

struct group_synced
group_synced(struct test_call *call)
{
    const struct kafka_sync_group_response *response = call_response(call);
    struct group_synced synced = { .code = response->error_code };

    copy(synced.type, sizeof synced.type, response->protocol_type);
    copy(synced.protocol, sizeof synced.protocol, response->protocol_name);
    copy(synced.assignment, sizeof synced.assignment, response->assignment);
    call_free(call);
    return synced;
}

struct group_joined
group_make_stable(struct test_broker *broker)
{
    struct group_joined joined = group_join_alone(broker, group_join());
    struct group_sync sync = group_sync(&joined);
    struct group_synced synced;

    sync.assigned[0][0] = joined.member_id;
    sync.assigned[0][1] = "mine";
    synced = group_synced(group_sync_begin(broker, &sync));
    ck_assert_int_eq(synced.code, KAFKA_ERROR_NONE);
    ck_assert_str_eq(synced.assignment, "mine");
    return joined;
}

int16_t
group_heartbeat(struct test_broker *broker, int16_t version, const char *group,
                const char *member_id, const char *instance_id, int32_t generation)
{
    struct kafka_heartbeat_request request;
    const struct kafka_heartbeat_response *response;
    struct test_call *beat;
    int16_t code;

    kafka_message_init(&kafka_heartbeat_request_message, &request);
    request.group_id = ks_slice_of_text(group);
    request.generation_id = generation;
    request.member_id = ks_slice_of_text(member_id);
    request.group_instance_id = nullable(instance_id);
    response = call(broker, KAFKA_API_HEARTBEAT, version, &request, &beat);
    code = response->error_code;
    call_free(beat);
    return code;
}

int16_t
group_leave(struct test_broker *broker, int16_t version, const char *group, const char *member_id,
            const char *instance_id)
{
    struct kafka_leave_group_request_member member;
    struct kafka_leave_group_request request;
    const struct kafka_leave_group_response *response;
    struct test_call *leave;
    int16_t code;

    kafka_message_init(&kafka_leave_group_request_message, &request);
    kafka_message_init(&kafka_leave_group_request_member_message, &member);
    request.group_id = ks_slice_of_text(group);
    if (version < 3) {
        request.member_id = ks_slice_of_text(member_id);
    } else {
        member.member_id = ks_slice_of_text(member_id);
        member.group_instance_id = nullable(instance_id);
        request.members = &member;
        request.members_count = 1;
    }
    response = call(broker, KAFKA_API_LEAVE_GROUP, version, &request, &leave);
    code = response->error_code;
    if (code == KAFKA_ERROR_NONE && version >= 3) {
        ck_assert_int_eq(response->members_count, 1);
        code = response->members[0].error_code;
    }
    call_free(leave);
    return code;
}

/* --- Offsets ---------------------------------------------------------------------------------- */

struct group_commit
group_commit(int64_t offset)
{
    return (struct group_commit){ .version = 7,
                                  .group = "g",
                                  .member_id = "",
                                  .generation = -1,
                                  .topic = "a",
                                  .offset = offset,
                                  .leader_epoch = -1,
                                  .metadata = "",
                                  .retention_ms = -1 };
}

struct test_call *
group_commit_begin(struct test_broker *broker, const struct group_commit *commit)
{
    struct kafka_offset_commit_request_topic_partition partition;
    struct kafka_offset_commit_request_topic topic;
    struct kafka_offset_commit_request request;

    kafka_message_init(&kafka_offset_commit_request_message, &request);
    kafka_message_init(&kafka_offset_commit_request_topic_message, &topic);
    kafka_message_init(&kafka_offset_commit_request_topic_partition_message, &partition);
    partition.partition_index = commit->partition;
    partition.committed_offset = commit->offset;
    partition.committed_leader_epoch = commit->leader_epoch;
    partition.committed_metadata = nullable(commit->metadata);
    topic.name = ks_slice_of_text(commit->topic);
    topic.partitions = &partition;
    topic.partitions_count = 1;
    request.group_id = ks_slice_of_text(commit->group);
    request.generation_id_or_member_epoch = commit->generation;
    request.member_id = ks_slice_of_text(commit->member_id);
    request.group_instance_id = nullable(commit->instance_id);
    request.retention_time_ms = commit->retention_ms;
    request.topics = &topic;
    request.topics_count = 1;
    return call_begin(broker, KAFKA_API_OFFSET_COMMIT, commit->version, &request);
}

int16_t
group_committed(struct test_call *call)
{
    const struct kafka_offset_commit_response *response = call_response(call);
    int16_t code;

    ck_assert_int_eq(response->topics_count, 1);
    ck_assert_int_eq(response->topics[0].partitions_count, 1);
    code = response->topics[0].partitions[0].error_code;
    call_free(call);
    return code;
}

static struct test_call *
fetch_of_groups_begin(struct test_broker *broker, int16_t version, const char *group,
                      const char *topic_name, int32_t partition)
{
    struct kafka_offset_fetch_request_group_topic topic;
    struct kafka_offset_fetch_request_group asked;
    struct kafka_offset_fetch_request request;

    kafka_message_init(&kafka_offset_fetch_request_message, &request);
    kafka_message_init(&kafka_offset_fetch_request_group_message, &asked);
    kafka_message_init(&kafka_offset_fetch_request_group_topic_message, &topic);
    topic.name = ks_slice_of_text(topic_name);
    topic.partition_indexes = &partition;
    topic.partition_indexes_count = 1;
    asked.group_id = ks_slice_of_text(group);
    asked.topics = &topic;
    asked.topics_count = 1;
    request.groups = &asked;
    request.groups_count = 1;
    return call_begin(broker, KAFKA_API_OFFSET_FETCH, version, &request);
}

struct test_call *
group_fetch_begin(struct test_broker *broker, int16_t version, const char *group,
                  const char *topic_name, int32_t partition)
{
    struct kafka_offset_fetch_request_topic topic;
    struct kafka_offset_fetch_request request;

    if (version >= GROUPS_VERSION) {
        return fetch_of_groups_begin(broker, version, group, topic_name, partition);
    }
    kafka_message_init(&kafka_offset_fetch_request_message, &request);
    kafka_message_init(&kafka_offset_fetch_request_topic_message, &topic);
    topic.name = ks_slice_of_text(topic_name);
    topic.partition_indexes = &partition;
    topic.partition_indexes_count = 1;
    request.group_id = ks_slice_of_text(group);
    request.topics = &topic;
    request.topics_count = 1;
    return call_begin(broker, KAFKA_API_OFFSET_FETCH, version, &request);
}

static struct group_fetched
fetched_of_groups(const struct kafka_offset_fetch_response *response)
{
    const struct kafka_offset_fetch_response_group *group = &response->groups[0];
    struct group_fetched fetched = { .code = group->error_code };

    ck_assert_int_eq(response->groups_count, 1);
    if (fetched.code == KAFKA_ERROR_NONE) {
        const struct kafka_offset_fetch_response_group_topic_partition *partition =
            &group->topics[0].partitions[0];

        fetched.code = partition->error_code;
        fetched.offset = partition->committed_offset;
        fetched.leader_epoch = partition->committed_leader_epoch;
        copy(fetched.metadata, sizeof fetched.metadata, partition->metadata);
    }
    return fetched;
}

static struct group_fetched
fetched_of_one(const struct kafka_offset_fetch_response *response)
{
    struct group_fetched fetched = { .code = response->error_code };

    if (fetched.code == KAFKA_ERROR_NONE) {
        const struct kafka_offset_fetch_response_topic_partition *partition =
            &response->topics[0].partitions[0];

        fetched.code = partition->error_code;
        fetched.offset = partition->committed_offset;
        fetched.leader_epoch = partition->committed_leader_epoch;
        copy(fetched.metadata, sizeof fetched.metadata, partition->metadata);
    }
    return fetched;
}

struct group_fetched
group_fetched(struct test_call *call)
{
    const struct kafka_offset_fetch_response *response = call_response(call);
    struct group_fetched fetched =
        call->version >= GROUPS_VERSION ? fetched_of_groups(response) : fetched_of_one(response);

    call_free(call);
    return fetched;
}

struct group_fetched
group_fetch(struct test_broker *broker, int16_t version, const char *group, const char *topic,
            int32_t partition)
{
    return group_fetched(group_fetch_begin(broker, version, group, topic, partition));
}
