/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is stored of a group, and what may come back from a store: anything. Besides what is asked
 * of a group that nobody changes: its subscriptions, its size.
 */
#include "group/group.h"

#include "support/main.h"

#include <stdlib.h>

#define NOW_MS 5000

static void
on_joined(void *arg, void *waiter, const struct ks_group_join_answer *answer)
{
    (void) answer;
    ck_assert_ptr_nonnull(waiter);
    ++*(int *) arg;
}

static void
on_synced(void *arg, void *waiter, const struct ks_group_sync_answer *answer)
{
    (void) arg;
    (void) answer;
    ck_abort_msg("%p is told of a sync", waiter);
}

static void
on_store(void *arg, struct ks_group *group, uint64_t number)
{
    (void) arg;
    ck_abort_msg("%p is to be stored as %llu", (void *) group, (unsigned long long) number);
}

static void
on_expelled(void *arg, const struct ks_group *group, struct kafscale_slice member_id,
            enum ks_group_expulsion why)
{
    (void) arg;
    ck_abort_msg("%p puts out %.*s: %s", (const void *) group, (int) member_id.size,
                 (const char *) member_id.data, ks_group_expulsion_text(why));
}

static int joined_count;
static const struct ks_group_options options = { .size_max = SIZE_MAX };
static const struct ks_group_events events = { .arg = &joined_count,
                                               .joined = on_joined,
                                               .synced = on_synced,
                                               .store = on_store,
                                               .expelled = on_expelled };

static struct ks_group *
new_group(void)
{
    struct ks_group *group = ks_group_new(ks_slice_of_text("g"), &options, &events);

    ck_assert_ptr_nonnull(group);
    return group;
}

static struct kafscale_slice
text(const char *chars)
{
    return chars == NULL ? ks_slice(NULL, 0) : ks_slice_of_text(chars);
}

static struct ks_group_value_member
stored_member(const char *member_id, const char *instance_id, struct kafscale_slice subscription)
{
    return (struct ks_group_value_member){
        .member_id = text(member_id),
        .instance_id = text(instance_id),
        .client_id = text("client"),
        .client_host = text("/::1"),
        .rebalance_timeout_ms = 60000,
        .session_timeout_ms = 10000,
        .subscription = subscription,
        .assignment = text(member_id),
    };
}

static struct ks_group_value
stored_group(const struct ks_group_value_member *members, size_t count)
{
    return (struct ks_group_value){
        .protocol_type = text("consumer"),
        .generation = 7,
        .protocol = text(count > 0 ? "range" : NULL),
        .leader = count > 0 ? members[0].member_id : text(NULL),
        .since_ms = 1,
        .members = members,
        .member_count = count,
    };
}

/* --- Restoring -------------------------------------------------------------------------------- */

START_TEST(what_is_restored_is_described_as_it_was)
{
    struct ks_group_value_member members[2] = { stored_member("a", NULL, text("s")),
                                                stored_member("b", "i", text("t")) };
    struct ks_group_value value = stored_group(members, 2);
    struct ks_group *group = new_group();
    struct ks_group_value_member shown[2];
    struct ks_group_value out;

    ck_assert_int_eq(ks_group_restore(group, &value, NOW_MS), KAFSCALE_OK);
    ck_assert_int_eq(ks_group_state(group), KS_GROUP_STABLE);
    ck_assert_int_eq(ks_group_due_ms(group), NOW_MS + 10000);
    ck_assert(!ks_group_is_unused(group));
    ks_group_describe(group, &out, shown);
    ck_assert_int_eq(out.generation, 7);
    ck_assert_int_eq(out.since_ms, -1);
    ck_assert(ks_slice_equals(out.protocol_type, text("consumer")));
    ck_assert(ks_slice_equals(out.protocol, text("range")));
    ck_assert(ks_slice_equals(out.leader, text("a")));
    ck_assert_uint_eq(out.member_count, 2);
    for (size_t i = 0; i < 2; i++) {
        ck_assert(ks_slice_equals(shown[i].member_id, members[i].member_id));
        ck_assert(ks_slice_equals(shown[i].instance_id, members[i].instance_id));
        ck_assert_int_eq(shown[i].instance_id.data == NULL, members[i].instance_id.data == NULL);
        ck_assert(ks_slice_equals(shown[i].client_id, text("client")));
        ck_assert(ks_slice_equals(shown[i].client_host, text("/::1")));
        ck_assert(ks_slice_equals(shown[i].subscription, members[i].subscription));
        ck_assert(ks_slice_equals(shown[i].assignment, members[i].member_id));
        ck_assert_int_eq(shown[i].rebalance_timeout_ms, 60000);
        ck_assert_int_eq(shown[i].session_timeout_ms, 10000);
    }
    ks_group_free(group);
}
END_TEST

/* A group that was refused is still new. */
static void
expect_corrupt(const struct ks_group_value *value)
{
    struct ks_group_value_member sound = stored_member("z", NULL, text(""));
    struct ks_group_value good = stored_group(&sound, 1);
    struct ks_group *group = new_group();

    ck_assert_int_eq(ks_group_restore(group, value, NOW_MS), KAFSCALE_CORRUPT);
    ck_assert(ks_group_is_unused(group));
    ck_assert_uint_eq(ks_group_member_count(group), 0);
    ck_assert_int_eq(ks_group_due_ms(group), INT64_MAX);
    ck_assert_int_eq(ks_group_restore(group, &good, NOW_MS), KAFSCALE_OK);
    ks_group_free(group);
}

START_TEST(contradictions_are_refused)
{
    struct ks_group_value_member members[2] = { stored_member("a", NULL, text("")),
                                                stored_member("b", NULL, text("")) };
    struct ks_group_value value = stored_group(members, 2);

    value.leader = text("c");
    expect_corrupt(&value);
    value.leader = text(NULL);
    expect_corrupt(&value);
    value = stored_group(members, 2);
    value.protocol = text(NULL);
    expect_corrupt(&value);
    value = stored_group(members, 2);
    value.protocol_type = text("");
    expect_corrupt(&value);
    value = stored_group(members, 2);
    value.generation = -1;
    expect_corrupt(&value);
}
END_TEST

START_TEST(members_that_contradict_each_other_are_refused)
{
    struct ks_group_value_member members[2] = { stored_member("a", "i", text("")),
                                                stored_member("a", "j", text("")) };
    struct ks_group_value value = stored_group(members, 2);

    expect_corrupt(&value);
    members[1] = stored_member("b", "i", text(""));
    expect_corrupt(&value);
    members[1] = stored_member("", "j", text(""));
    expect_corrupt(&value);
    members[1] = stored_member("b", "j", text(""));
    members[1].session_timeout_ms = -1;
    expect_corrupt(&value);
}
END_TEST

/* What Kafka wrote in its first format tells no rebalance timeout. */
START_TEST(rebalance_timeout_that_is_not_told_is_the_session_timeout)
{
    struct ks_group_value_member member = stored_member("a", NULL, text(""));
    struct ks_group_value value = stored_group(&member, 1);
    struct ks_group *group = new_group();

    member.rebalance_timeout_ms = -1;
    ck_assert_int_eq(ks_group_restore(group, &value, NOW_MS), KAFSCALE_OK);
    ks_group_describe(group, &value, &member);
    ck_assert_int_eq(member.rebalance_timeout_ms, 10000);
    ks_group_free(group);
}
END_TEST

START_TEST(memory_may_run_out_while_restoring)
{
    struct ks_group_value_member members[2] = { stored_member("a", NULL, text("s")),
                                                stored_member("b", "i", text("t")) };
    struct ks_group_value value = stored_group(members, 2);
    enum kafscale_status status = KAFSCALE_NO_MEMORY;
    uint64_t k = 0;

    while (status == KAFSCALE_NO_MEMORY) {
        struct ks_group *group = new_group();

        ks_alloc_fail_once_after(k++);
        status = ks_group_restore(group, &value, NOW_MS);
        ks_alloc_fail_after(UINT64_MAX);
        if (status != KAFSCALE_OK) {
            ck_assert_int_eq(status, KAFSCALE_NO_MEMORY);
            ck_assert(ks_group_is_unused(group));
            ck_assert_int_eq(ks_group_restore(group, &value, NOW_MS), KAFSCALE_OK);
        }
        ck_assert_uint_eq(ks_group_member_count(group), 2);
        ks_group_free(group);
    }
    ck_assert_uint_gt(k, 8);
}
END_TEST

START_TEST(group_needs_memory)
{
    ks_alloc_fail_once_after(0);
    ck_assert_ptr_null(ks_group_new(text("g"), &options, &events));
    ks_alloc_fail_after(UINT64_MAX);
    ks_group_free(NULL);
}
END_TEST

/* --- Subscriptions ---------------------------------------------------------------------------- */

/* Of one member with this metadata; all of it in memory of exactly its size. */
static bool
is_subscribed(const char *type, const void *metadata, size_t bytes, const char *topic)
{
    void *copy = malloc(bytes == 0 ? 1 : bytes);
    struct ks_group_value_member member = stored_member("a", NULL, ks_slice(copy, bytes));
    struct ks_group_value value = stored_group(&member, 1);
    struct ks_group *group = new_group();
    bool result;

    memcpy(copy, metadata, bytes);
    value.protocol_type = text(type);
    ck_assert_int_eq(ks_group_restore(group, &value, NOW_MS), KAFSCALE_OK);
    result = ks_group_is_subscribed(group, text(topic));
    ks_group_free(group);
    free(copy);
    return result;
}

static const char two_topics[] = "\0\1\0\0\0\2\0\1a\0\2bc\377\377\377\377";

START_TEST(subscription_names_its_topics)
{
    size_t bytes = sizeof two_topics - 1;

    ck_assert(is_subscribed("consumer", two_topics, bytes, "a"));
    ck_assert(is_subscribed("consumer", two_topics, bytes, "bc"));
    ck_assert(!is_subscribed("consumer", two_topics, bytes, "b"));
    ck_assert(!is_subscribed("consumer", two_topics, bytes, "bcd"));
    ck_assert(!is_subscribed("consumer", two_topics, bytes, ""));
    ck_assert(!is_subscribed("consumer", "\0\0\0\0\0\0", 6, "a"));
}
END_TEST

START_TEST(what_can_not_be_read_may_name_any_topic)
{
    ck_assert(is_subscribed("connect", two_topics, sizeof two_topics - 1, "z"));
    for (size_t bytes = 0; bytes < 13; bytes++) {
        ck_assert(is_subscribed("consumer", two_topics, bytes, "z"));
    }
    ck_assert(!is_subscribed("consumer", two_topics, 13, "z"));
    ck_assert(is_subscribed("consumer", "\377\377\0\0\0\0", 6, "z"));
    ck_assert(is_subscribed("consumer", "\0\0\377\377\377\377", 6, "z"));
    ck_assert(is_subscribed("consumer", "\0\0\177\377\377\377\0\0", 8, "z"));
    ck_assert(is_subscribed("consumer", "\0\0\0\0\0\1\377\377", 8, "z"));
}
END_TEST

START_TEST(group_without_members_has_no_subscription)
{
    struct ks_group *group = new_group();

    ck_assert(!ks_group_is_subscribed(group, text("a")));
    ks_group_free(group);
}
END_TEST

/* --- Size ------------------------------------------------------------------------------------- */

START_TEST(size_counts_what_clients_bring)
{
    static char metadata[100000];
    struct ks_group_value_member member = stored_member("a", NULL, text(""));
    struct ks_group_value value = stored_group(&member, 1);
    struct ks_group *group = new_group();
    struct ks_group_protocol protocol = { text("range"), ks_slice(metadata, sizeof metadata) };
    struct ks_group_join join = {
        .waiter = &value,
        .member_id = text("a"),
        .protocol_type = text("consumer"),
        .protocols = &protocol,
        .protocol_count = 1,
        .session_timeout_ms = 10000,
    };

    ck_assert_int_eq(ks_group_restore(group, &value, NOW_MS), KAFSCALE_OK);
    ck_assert_uint_lt(ks_group_bytes(group), 4000);
    joined_count = 0;
    ks_group_join(group, &join, NOW_MS);
    ck_assert_int_eq(joined_count, 1);
    ck_assert_uint_gt(ks_group_bytes(group), sizeof metadata);
    protocol.metadata.size = 0;
    ks_group_join(group, &join, NOW_MS);
    ck_assert_uint_lt(ks_group_bytes(group), 4000);
    ks_group_free(group);
}
END_TEST

Suite *
suite_new(void)
{
    Suite *suite = suite_create("group restore");
    TCase *cases = tcase_create("restore");

    tcase_add_test(cases, what_is_restored_is_described_as_it_was);
    tcase_add_test(cases, contradictions_are_refused);
    tcase_add_test(cases, members_that_contradict_each_other_are_refused);
    tcase_add_test(cases, rebalance_timeout_that_is_not_told_is_the_session_timeout);
    tcase_add_test(cases, memory_may_run_out_while_restoring);
    tcase_add_test(cases, group_needs_memory);
    tcase_add_test(cases, subscription_names_its_topics);
    tcase_add_test(cases, what_can_not_be_read_may_name_any_topic);
    tcase_add_test(cases, group_without_members_has_no_subscription);
    tcase_add_test(cases, size_counts_what_clients_bring);
    suite_add_tcase(suite, cases);
    return suite;
}
