/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What tools ask about groups: where they are, which there are, who is in them; and taking groups
 * and offsets away.
 */
#include "support/group_client.h"
#include "support/main.h"

#define NODE_ID 0
#define PORT 9092
#define GROUP_OPERATIONS 3400

static struct broker_fixture fixture;
static struct test_broker *broker;

static void
set_up(void)
{
    broker_fixture_init(&fixture, 23);
    broker = group_broker_start(&fixture);
}

static void
tear_down(void)
{
    test_broker_stop(broker);
    broker_fixture_deinit(&fixture);
}

static void
pass(int64_t duration_ms)
{
    virtual_env_run_for(&fixture.v, duration_ms);
}

static bool
is(struct kafscale_slice text, const char *expected)
{
    return ks_slice_equals(text, ks_slice_of_text(expected));
}

/* An offset of the group, of partition 0. */
static void
commit(const char *group, const char *topic)
{
    struct group_commit one = group_commit(7);

    one.group = group;
    one.topic = topic;
    ck_assert_int_eq(group_committed(group_commit_begin(broker, &one)), KAFKA_ERROR_NONE);
}

/* --- FindCoordinator -------------------------------------------------------------------------- */

static struct test_call *
find_begin(int16_t version, int8_t type, const char *key)
{
    struct kafscale_slice keys[2] = { ks_slice_of_text(key), ks_slice_of_text("another") };
    struct kafka_find_coordinator_request request;

    kafka_message_init(&kafka_find_coordinator_request_message, &request);
    request.key_type = type;
    if (version >= 4) {
        request.coordinator_keys = keys;
        request.coordinator_keys_count = 2;
    } else {
        request.key = keys[0];
    }
    return call_begin(broker, KAFKA_API_FIND_COORDINATOR, version, &request);
}

static void
check_found(struct test_call *call, int16_t code)
{
    const struct kafka_find_coordinator_response *response = call_response(call);
    int32_t node_id = code == KAFKA_ERROR_NONE ? NODE_ID : -1;

    if (call->version >= 4) {
        ck_assert_int_eq(response->coordinators_count, 2);
        ck_assert(is(response->coordinators[1].key, "another"));
        for (int i = 0; i < 2; i++) {
            ck_assert_int_eq(response->coordinators[i].error_code, code);
            ck_assert_int_eq(response->coordinators[i].node_id, node_id);
            ck_assert_int_eq(response->coordinators[i].port, code == KAFKA_ERROR_NONE ? PORT : -1);
        }
    } else {
        ck_assert_int_eq(response->error_code, code);
        ck_assert_int_eq(response->node_id, node_id);
        ck_assert_int_eq(response->port, code == KAFKA_ERROR_NONE ? PORT : -1);
        ck_assert(is(response->host, code == KAFKA_ERROR_NONE ? "127.0.0.1" : ""));
    }
    call_free(call);
}

/*
 * The broker of these has been asked for a coordinator once: another that hasn't takes its place.
 */
static void
start_anew(void)
{
    struct ks_broker_options options;

    test_broker_stop(broker);
    broker_fixture_deinit(&fixture);
    broker_fixture_init(&fixture, 24);
    group_broker_options(&options);
    broker = test_broker_begin(&fixture, &options);
    ck_assert(virtual_env_run_until(&fixture.v, &broker->is_started, 60000));
}

START_TEST(this_broker_coordinates_every_group)
{
    start_anew();
    check_found(find_begin((int16_t) _i, 0, "g"), KAFKA_ERROR_NONE);
    check_found(find_begin((int16_t) _i, 0, ""), KAFKA_ERROR_NONE);
    check_found(find_begin((int16_t) _i, 0, "g"), KAFKA_ERROR_NONE);
}
END_TEST

START_TEST(transactions_and_what_is_not_known_have_no_coordinator)
{
    check_found(find_begin((int16_t) _i, 1, "t"), KAFKA_ERROR_COORDINATOR_NOT_AVAILABLE);
    check_found(find_begin((int16_t) _i, 2, "t"), KAFKA_ERROR_INVALID_REQUEST);
}
END_TEST

START_TEST(the_first_question_is_not_kept_waiting_without_end)
{
    struct test_call *call;

    start_anew();
    ks_fault_store_next(broker->faults, KS_STORE_OPERATION_COUNT, NULL,
                        (struct ks_fate){ .fault = KS_FAULT_UNAVAILABLE }, UINT32_MAX);
    call = find_begin(2, 0, "g");
    pass(4900);
    ck_assert(!call->is_done);
    check_found(call, KAFKA_ERROR_COORDINATOR_NOT_AVAILABLE);
    call = find_begin(2, 0, "g");
    pass(100);
    call_leave(call);
    ck_assert(call->is_done);
    call_free(call);
    ks_fault_store_clear(broker->faults);
    pass(30000);
    check_found(find_begin(2, 0, "g"), KAFKA_ERROR_NONE);
}
END_TEST

/* Clients that read all topics of a pattern pass over internal ones. */
START_TEST(the_topic_of_the_groups_is_internal)
{
    struct kafka_metadata_request request;
    const struct kafka_metadata_response *response;
    struct test_call *call_;

    ck_assert_int_eq(client_create(broker, "a", 1), KAFKA_ERROR_NONE);
    kafka_message_init(&kafka_metadata_request_message, &request);
    request.topics_count = -1;
    response = call(broker, KAFKA_API_METADATA, (int16_t) _i, &request, &call_);
    ck_assert_int_eq(response->topics_count, 2);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(response->topics[i].is_internal,
                         is(response->topics[i].name, "__consumer_offsets"));
    }
    call_free(call_);
}
END_TEST

/* --- DescribeGroups --------------------------------------------------------------------------- */

static const struct kafka_describe_groups_response_group *
describe(int16_t version, const char *group, struct test_call **call_out)
{
    struct kafscale_slice groups[1] = { ks_slice_of_text(group) };
    struct kafka_describe_groups_request request;
    const struct kafka_describe_groups_response *response;

    kafka_message_init(&kafka_describe_groups_request_message, &request);
    request.groups = groups;
    request.groups_count = 1;
    request.include_authorized_operations = version >= 3;
    response = call(broker, KAFKA_API_DESCRIBE_GROUPS, version, &request, call_out);
    ck_assert_int_eq(response->groups_count, 1);
    ck_assert(is(response->groups[0].group_id, group));
    return &response->groups[0];
}

static void
expect_state(const char *group, const char *state, int32_t member_count)
{
    struct test_call *call;
    const struct kafka_describe_groups_response_group *found = describe(5, group, &call);

    ck_assert_int_eq(found->error_code, KAFKA_ERROR_NONE);
    ck_assert(is(found->group_state, state));
    ck_assert_int_eq(found->members_count, member_count);
    call_free(call);
}

START_TEST(a_stable_group_is_described_with_its_members)
{
    struct group_joined joined = group_make_stable(broker);
    struct test_call *call;
    const struct kafka_describe_groups_response_group *found = describe((int16_t) _i, "g", &call);

    ck_assert_int_eq(found->error_code, KAFKA_ERROR_NONE);
    ck_assert(is(found->group_state, "Stable"));
    ck_assert(is(found->protocol_type, "consumer"));
    ck_assert(is(found->protocol_data, "range"));
    ck_assert_int_eq(found->members_count, 1);
    ck_assert(is(found->members[0].member_id, joined.member_id));
    ck_assert(is(found->members[0].client_id, "test"));
    ck_assert(is(found->members[0].client_host, "/10.0.0.1:1"));
    ck_assert(is(found->members[0].member_metadata, "m"));
    ck_assert(is(found->members[0].member_assignment, "mine"));
    ck_assert_int_eq(found->authorized_operations, _i >= 3 ? GROUP_OPERATIONS : INT32_MIN);
    call_free(call);
}
END_TEST

START_TEST(a_group_that_is_not_there_is_dead)
{
    struct test_call *call;
    const struct kafka_describe_groups_response_group *found = describe((int16_t) _i, "g", &call);

    ck_assert_int_eq(found->error_code,
                     _i >= 6 ? KAFKA_ERROR_GROUP_ID_NOT_FOUND : KAFKA_ERROR_NONE);
    ck_assert(is(found->group_state, "Dead"));
    ck_assert(is(found->protocol_type, ""));
    ck_assert_int_eq(found->members_count, 0);
    ck_assert(_i < 6 || is(found->error_message, "Group g not found."));
    call_free(call);
}
END_TEST

START_TEST(a_group_is_described_in_each_state_of_a_rebalance)
{
    struct group_joined first = group_make_stable(broker);
    struct group_join join = group_join();
    struct test_call *second;
    struct test_call *call;

    join.version = 3;
    second = group_join_begin(broker, &join);
    pass(100);
    expect_state("g", "PreparingRebalance", 2);
    join.member_id = first.member_id;
    first = group_joined(group_join_begin(broker, &join));
    first = group_joined(second);
    expect_state("g", "CompletingRebalance", 2);
    ck_assert_uint_eq(describe(5, "g", &call)->members[0].member_metadata.size, 0);
    call_free(call);
    pass(120000);
    expect_state("g", "Empty", 0);
}
END_TEST

/* --- ListGroups ------------------------------------------------------------------------------- */

/* How many groups there are; the first is `group_out`. */
static int32_t
list(int16_t version, const char *state, const char *type, char group_out[GROUP_TEXT_BYTES])
{
    struct kafscale_slice states[2] = { ks_slice_of_text("Never"), ks_slice_of_text(state) };
    struct kafscale_slice types[1] = { ks_slice_of_text(type) };
    struct kafka_list_groups_request request;
    const struct kafka_list_groups_response *response;
    struct test_call *call_;
    int32_t count;

    kafka_message_init(&kafka_list_groups_request_message, &request);
    request.states_filter = states;
    request.states_filter_count = state[0] == '\0' ? 0 : 2;
    request.types_filter = types;
    request.types_filter_count = type[0] == '\0' ? 0 : 1;
    response = call(broker, KAFKA_API_LIST_GROUPS, version, &request, &call_);
    ck_assert_int_eq(response->error_code, KAFKA_ERROR_NONE);
    count = response->groups_count;
    if (count > 0) {
        memcpy(group_out, response->groups[0].group_id.data, response->groups[0].group_id.size);
        group_out[response->groups[0].group_id.size] = '\0';
        ck_assert(version < 5 || is(response->groups[0].group_type, "classic"));
    }
    call_free(call_);
    return count;
}

START_TEST(all_groups_are_listed)
{
    char group[GROUP_TEXT_BYTES];

    ck_assert_int_eq(list((int16_t) _i, "", "", group), 0);
    group_make_stable(broker);
    ck_assert_int_eq(list((int16_t) _i, "", "", group), 1);
    ck_assert_str_eq(group, "g");
    ck_assert_int_eq(client_create(broker, "a", 1), KAFKA_ERROR_NONE);
    commit("simple", "a");
    ck_assert_int_eq(list((int16_t) _i, "", "", group), 2);
}
END_TEST

START_TEST(groups_are_listed_by_state_and_type_in_any_case)
{
    char group[GROUP_TEXT_BYTES];

    group_make_stable(broker);
    ck_assert_int_eq(client_create(broker, "a", 1), KAFKA_ERROR_NONE);
    commit("simple", "a");
    ck_assert_int_eq(list(4, "stable", "", group), 1);
    ck_assert_str_eq(group, "g");
    ck_assert_int_eq(list(5, "Empty", "Classic", group), 1);
    ck_assert_str_eq(group, "simple");
    ck_assert_int_eq(list(5, "", "classic", group), 2);
    ck_assert_int_eq(list(5, "", "consumer", group), 0);
    ck_assert_int_eq(list(5, "Dead", "", group), 0);
}
END_TEST

/* --- DeleteGroups ----------------------------------------------------------------------------- */

/* Of two groups; the codes in their order. */
static void
delete_two(int16_t version, const char *first, const char *second, int16_t codes_out[2])
{
    struct kafscale_slice names[2] = { ks_slice_of_text(first), ks_slice_of_text(second) };
    struct kafka_delete_groups_request request;
    const struct kafka_delete_groups_response *response;
    struct test_call *call_;

    kafka_message_init(&kafka_delete_groups_request_message, &request);
    request.groups_names = names;
    request.groups_names_count = 2;
    response = call(broker, KAFKA_API_DELETE_GROUPS, version, &request, &call_);
    ck_assert_int_eq(response->results_count, 2);
    for (int i = 0; i < 2; i++) {
        ck_assert(ks_slice_equals(response->results[i].group_id, names[i]));
        codes_out[i] = response->results[i].error_code;
    }
    call_free(call_);
}

START_TEST(a_group_that_nobody_uses_is_deleted_with_its_offsets)
{
    int16_t codes[2];

    ck_assert_int_eq(client_create(broker, "a", 1), KAFKA_ERROR_NONE);
    commit("simple", "a");
    group_make_stable(broker);
    delete_two((int16_t) _i, "simple", "g", codes);
    ck_assert_int_eq(codes[0], KAFKA_ERROR_NONE);
    ck_assert_int_eq(codes[1], KAFKA_ERROR_NON_EMPTY_GROUP);
    ck_assert_int_eq(group_fetch(broker, 7, "simple", "a", 0).offset, -1);
    expect_state("simple", "Dead", 0);
    expect_state("g", "Stable", 1);
    delete_two((int16_t) _i, "simple", "never", codes);
    ck_assert_int_eq(codes[0], KAFKA_ERROR_GROUP_ID_NOT_FOUND);
    ck_assert_int_eq(codes[1], KAFKA_ERROR_GROUP_ID_NOT_FOUND);
    test_broker_stop(broker);
    broker = group_broker_start(&fixture);
    ck_assert_int_eq(group_fetch(broker, 7, "simple", "a", 0).offset, -1);
    expect_state("simple", "Dead", 0);
}
END_TEST

START_TEST(a_deletion_does_not_wait_for_a_store_that_is_away_without_end)
{
    int16_t codes[2];

    ck_assert_int_eq(client_create(broker, "a", 1), KAFKA_ERROR_NONE);
    commit("simple", "a");
    ks_fault_store_next(broker->faults, KS_STORE_OPERATION_COUNT, NULL,
                        (struct ks_fate){ .fault = KS_FAULT_UNAVAILABLE }, UINT32_MAX);
    delete_two(2, "simple", "never", codes);
    ck_assert_int_eq(codes[0], KAFKA_ERROR_COORDINATOR_NOT_AVAILABLE);
    ck_assert_int_eq(codes[1], KAFKA_ERROR_GROUP_ID_NOT_FOUND);
    ks_fault_store_clear(broker->faults);
    pass(30000);
    expect_state("simple", "Dead", 0);
}
END_TEST

/* --- OffsetDelete ----------------------------------------------------------------------------- */

/* Partition 0 of a topic: the code of the whole, or else of the partition. */
static int16_t
delete_offset(const char *group, const char *topic_name, int32_t index)
{
    struct kafka_offset_delete_request_topic_partition partition;
    struct kafka_offset_delete_request_topic topic;
    struct kafka_offset_delete_request request;
    const struct kafka_offset_delete_response *response;
    struct test_call *call_;
    int16_t code;

    kafka_message_init(&kafka_offset_delete_request_message, &request);
    kafka_message_init(&kafka_offset_delete_request_topic_message, &topic);
    kafka_message_init(&kafka_offset_delete_request_topic_partition_message, &partition);
    partition.partition_index = index;
    topic.name = ks_slice_of_text(topic_name);
    topic.partitions = &partition;
    topic.partitions_count = 1;
    request.group_id = ks_slice_of_text(group);
    request.topics = &topic;
    request.topics_count = 1;
    response = call(broker, KAFKA_API_OFFSET_DELETE, 0, &request, &call_);
    code = response->error_code;
    if (code == KAFKA_ERROR_NONE) {
        ck_assert_int_eq(response->topics_count, 1);
        code = response->topics[0].partitions[0].error_code;
    }
    call_free(call_);
    return code;
}

START_TEST(offsets_of_a_group_without_members_are_taken_back)
{
    ck_assert_int_eq(client_create(broker, "a", 1), KAFKA_ERROR_NONE);
    commit("simple", "a");
    ck_assert_int_eq(delete_offset("simple", "a", 0), KAFKA_ERROR_NONE);
    ck_assert_int_eq(group_fetch(broker, 7, "simple", "a", 0).offset, -1);
    test_broker_stop(broker);
    broker = group_broker_start(&fixture);
    ck_assert_int_eq(group_fetch(broker, 7, "simple", "a", 0).offset, -1);
}
END_TEST

START_TEST(offsets_that_can_not_be_taken_back)
{
    struct group_join join = group_join();

    ck_assert_int_eq(client_create(broker, "a", 1), KAFKA_ERROR_NONE);
    ck_assert_int_eq(delete_offset("", "a", 0), KAFKA_ERROR_INVALID_GROUP_ID);
    ck_assert_int_eq(delete_offset("never", "a", 0), KAFKA_ERROR_GROUP_ID_NOT_FOUND);
    commit("simple", "a");
    ck_assert_int_eq(delete_offset("simple", "nowhere", 0), KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION);
    ck_assert_int_eq(delete_offset("simple", "a", 1), KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION);
    join.group = "workers";
    join.type = "connect";
    group_join_alone(broker, join);
    ck_assert_int_eq(delete_offset("workers", "a", 0), KAFKA_ERROR_NON_EMPTY_GROUP);
    ck_assert_int_eq(group_fetch(broker, 7, "simple", "a", 0).offset, 7);
}
END_TEST

/* Two topics in the form of Kafka's consumers, version 0: "a" and "b", and no data of their own. */
#define SUBSCRIPTION_TO_A "\0\0\0\0\0\1\0\1a\xff\xff\xff\xff"

/* Sends a subscription, which is no text. */
static struct group_joined
join_subscribed(void)
{
    struct kafka_join_group_request_protocol protocol;
    struct kafka_join_group_request request;

    kafka_message_init(&kafka_join_group_request_message, &request);
    kafka_message_init(&kafka_join_group_request_protocol_message, &protocol);
    protocol.name = ks_slice_of_text("range");
    protocol.metadata = ks_slice(SUBSCRIPTION_TO_A, sizeof SUBSCRIPTION_TO_A - 1);
    request.group_id = ks_slice_of_text("g");
    request.session_timeout_ms = 10000;
    request.rebalance_timeout_ms = 60000;
    request.protocol_type = ks_slice_of_text("consumer");
    request.protocols = &protocol;
    request.protocols_count = 1;
    return group_joined(call_begin(broker, KAFKA_API_JOIN_GROUP, 3, &request));
}

START_TEST(offsets_of_topics_that_a_member_reads_stay)
{
    struct group_joined joined;
    struct group_sync sync;

    ck_assert_int_eq(client_create(broker, "a", 1), KAFKA_ERROR_NONE);
    ck_assert_int_eq(client_create(broker, "b", 1), KAFKA_ERROR_NONE);
    commit("g", "a");
    commit("g", "b");
    joined = join_subscribed();
    sync = group_sync(&joined);
    ck_assert_int_eq(group_synced(group_sync_begin(broker, &sync)).code, KAFKA_ERROR_NONE);
    ck_assert_int_eq(delete_offset("g", "a", 0), KAFKA_ERROR_GROUP_SUBSCRIBED_TO_TOPIC);
    ck_assert_int_eq(delete_offset("g", "b", 0), KAFKA_ERROR_NONE);
    ck_assert_int_eq(group_fetch(broker, 7, "g", "a", 0).offset, 7);
    ck_assert_int_eq(group_fetch(broker, 7, "g", "b", 0).offset, -1);
}
END_TEST

/* --- Ownership -------------------------------------------------------------------------------- */

START_TEST(a_broker_that_lost_its_groups_has_nothing_to_tell_of_them)
{
    struct test_broker *next;
    struct kafka_list_groups_request request;
    const struct kafka_list_groups_response *response;
    struct test_call *call_;
    int16_t codes[2];

    group_make_stable(broker);
    next = group_broker_start(&fixture);
    pass(2000);
    ck_assert_int_eq(describe(5, "g", &call_)->error_code, KAFKA_ERROR_NOT_COORDINATOR);
    call_free(call_);
    kafka_message_init(&kafka_list_groups_request_message, &request);
    response = call(broker, KAFKA_API_LIST_GROUPS, 4, &request, &call_);
    ck_assert_int_eq(response->error_code, KAFKA_ERROR_NOT_COORDINATOR);
    call_free(call_);
    delete_two(2, "g", "never", codes);
    ck_assert_int_eq(codes[0], KAFKA_ERROR_NOT_COORDINATOR);
    ck_assert_int_eq(codes[1], KAFKA_ERROR_NOT_COORDINATOR);
    ck_assert_int_eq(delete_offset("g", "a", 0), KAFKA_ERROR_NOT_COORDINATOR);
    check_found(find_begin(2, 0, "g"), KAFKA_ERROR_COORDINATOR_NOT_AVAILABLE);
    test_broker_stop(broker);
    broker = next;
}
END_TEST

Suite *
suite_new(void)
{
    Suite *suite = suite_create("handlers group admin");
    TCase *tcase = tcase_create("tools");

    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_loop_test(tcase, this_broker_coordinates_every_group, 0, 5);
    tcase_add_loop_test(tcase, transactions_and_what_is_not_known_have_no_coordinator, 1, 5);
    tcase_add_test(tcase, the_first_question_is_not_kept_waiting_without_end);
    tcase_add_loop_test(tcase, the_topic_of_the_groups_is_internal, 1, 13);
    tcase_add_loop_test(tcase, a_stable_group_is_described_with_its_members, 0, 7);
    tcase_add_loop_test(tcase, a_group_that_is_not_there_is_dead, 0, 7);
    tcase_add_test(tcase, a_group_is_described_in_each_state_of_a_rebalance);
    tcase_add_loop_test(tcase, all_groups_are_listed, 0, 6);
    tcase_add_test(tcase, groups_are_listed_by_state_and_type_in_any_case);
    tcase_add_loop_test(tcase, a_group_that_nobody_uses_is_deleted_with_its_offsets, 0, 3);
    tcase_add_test(tcase, a_deletion_does_not_wait_for_a_store_that_is_away_without_end);
    tcase_add_test(tcase, offsets_of_a_group_without_members_are_taken_back);
    tcase_add_test(tcase, offsets_that_can_not_be_taken_back);
    tcase_add_test(tcase, offsets_of_topics_that_a_member_reads_stay);
    tcase_add_test(tcase, a_broker_that_lost_its_groups_has_nothing_to_tell_of_them);
    suite_add_tcase(suite, tcase);
    return suite;
}
