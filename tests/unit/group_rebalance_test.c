/* SPDX-License-Identifier: Apache-2.0 */
/* When a rebalance begins, whom it waits for, who stays and who leads behind it. */
#include "group_script.h"

#include "support/main.h"

#define PAIR                                               \
    "join a range=1 v3\n"                                  \
    "-> a joined as a-1 1 range leader a-1: a-1=1\n"       \
    "join b range=2 v3\n"                                  \
    "join a range=1\n"                                     \
    "-> a joined as a-1 2 range leader a-1: a-1=1 b-1=2\n" \
    "-> b joined as b-1 2 range leader a-1\n"

#define STABLE_PAIR                                      \
    PAIR "sync a a-1=x b-1=y\n"                          \
         "-> store 1: 2 range leader a-1: a-1=x b-1=y\n" \
         "sync b\n"                                      \
         "stored 1\n"                                    \
         "-> a synced range=x\n"                         \
         "-> b synced range=y\n"

/* --- The join phase --------------------------------------------------------------------------- */

START_TEST(newcomer_begins_a_rebalance_that_waits_for_all)
{
    play(STABLE_PAIR "join c range=3 v3\n"
                     "heartbeat a\n"
                     "-> rebalance in progress\n"
                     "join b range=2\n"
                     "join a range=1\n"
                     "-> a joined as a-1 3 range leader a-1: a-1=1 b-1=2 c-1=3\n"
                     "-> b joined as b-1 3 range leader a-1\n"
                     "-> c joined as c-1 3 range leader a-1\n");
}
END_TEST

START_TEST(member_that_does_not_join_in_time_goes)
{
    play(STABLE_PAIR "join b range=3 rebalance=7000\n"
                     "wait 9000\n"
                     "heartbeat a\n"
                     "-> rebalance in progress\n"
                     "wait 9000\n"
                     "heartbeat a\n"
                     "-> rebalance in progress\n"
                     "wait 9000\n"
                     "heartbeat a\n"
                     "-> rebalance in progress\n"
                     "wait 9000\n"
                     "heartbeat a\n"
                     "-> rebalance in progress\n"
                     "wait 9000\n"
                     "heartbeat a\n"
                     "-> rebalance in progress\n"
                     "wait 9000\n"
                     "heartbeat a\n"
                     "-> rebalance in progress\n"
                     "wait 5999\n"
                     "wait 1\n"
                     "-> a-1 expelled: not joined in time\n"
                     "-> b joined as b-1 3 range leader b-1: b-1=3\n"
                     "heartbeat a\n"
                     "-> unknown member\n");
}
END_TEST

/* The greatest rebalance timeout counts, a client's of old is its session timeout. */
START_TEST(slowest_member_says_how_long_a_rebalance_may_take)
{
    play("join a range v3 rebalance=3000 session=100000\n"
         "-> a joined as a-1 1 range leader a-1: a-1=\n"
         "join b range v3 rebalance=5000 session=100000\n"
         "wait 4999\n"
         "wait 1\n"
         "-> a-1 expelled: not joined in time\n"
         "-> b joined as b-1 2 range leader b-1: b-1=\n"
         "heartbeat a\n"
         "-> unknown member\n");
}
END_TEST

START_TEST(id_that_was_given_is_waited_for)
{
    play(STABLE_PAIR "join c range=3\n"
                     "-> c not joined: member id required c-1\n"
                     "heartbeat a\n"
                     "-> ok\n"
                     "join a range=1\n"
                     "join b range=2\n"
                     "join c range=3\n"
                     "-> a joined as a-1 3 range leader a-1: a-1=1 b-1=2 c-1=3\n"
                     "-> b joined as b-1 3 range leader a-1\n"
                     "-> c joined as c-1 3 range leader a-1\n");
}
END_TEST

START_TEST(id_that_was_given_is_waited_for_until_it_expires_or_leaves)
{
    play(STABLE_PAIR "join c range session=6000\n"
                     "-> c not joined: member id required c-1\n"
                     "join d range\n"
                     "-> d not joined: member id required d-1\n"
                     "join a range=1\n"
                     "join b range=2\n"
                     "leave d\n"
                     "-> ok\n"
                     "wait 5999\n"
                     "wait 1\n"
                     "-> a joined as a-1 3 range leader a-1: a-1=1 b-1=2\n"
                     "-> b joined as b-1 3 range leader a-1\n");
}
END_TEST

START_TEST(full_group_does_not_wait_for_an_id_that_it_has_refused)
{
    const struct group_story story = { .size_max = 2 };

    group_story_play(&story, "join b range=2\n"
                             "-> b not joined: member id required b-1\n"
                             "join c range=3\n"
                             "-> c not joined: member id required c-1\n"
                             "join a range=1 v3\n"
                             "-> a joined as a-1 1 range leader a-1: a-1=1\n"
                             "join b range=2\n"
                             "join a range=1\n"
                             "join c range=3\n"
                             "-> a joined as a-1 2 range leader a-1: a-1=1 b-1=2\n"
                             "-> b joined as b-1 2 range leader a-1\n"
                             "-> c not joined: full\n");
}
END_TEST

START_TEST(member_that_leaves_is_no_longer_waited_for)
{
    play(STABLE_PAIR "join b range=3\n"
                     "leave a\n"
                     "-> b joined as b-1 3 range leader b-1: b-1=3\n"
                     "-> ok\n");
}
END_TEST

START_TEST(session_that_ends_in_the_join_phase_ends_the_waiting)
{
    play(STABLE_PAIR "join b range=3\n"
                     "wait 9999\n"
                     "wait 1\n"
                     "-> a-1 expelled: no sign of life\n"
                     "-> b joined as b-1 3 range leader b-1: b-1=3\n");
}
END_TEST

START_TEST(member_whose_request_is_gone_has_not_joined)
{
    play(STABLE_PAIR "join b range=3\n"
                     "gone b\n"
                     "join a range=1\n"
                     "heartbeat b\n"
                     "-> rebalance in progress\n"
                     "join b range=3\n"
                     "-> a joined as a-1 3 range leader a-1: a-1=1 b-1=3\n"
                     "-> b joined as b-1 3 range leader a-1\n");
}
END_TEST

START_TEST(member_whose_request_is_gone_has_a_whole_session_to_come_back)
{
    play(STABLE_PAIR "join b range=3\n"
                     "wait 9000\n"
                     "join a range=1\n"
                     "-> a joined as a-1 3 range leader a-1: a-1=1 b-1=3\n"
                     "-> b joined as b-1 3 range leader a-1\n"
                     "join b range=4\n"
                     "wait 9000\n"
                     "gone b\n"
                     "join a range=1\n"
                     "wait 9999\n"
                     "wait 1\n"
                     "-> b-1 expelled: no sign of life\n"
                     "-> a joined as a-1 4 range leader a-1: a-1=1\n");
}
END_TEST

START_TEST(newcomer_who_was_never_told_its_id_goes_with_its_request)
{
    play(STABLE_PAIR "join c range=3 v3\n"
                     "join d range=4\n"
                     "-> d not joined: member id required d-1\n"
                     "join d range=4\n"
                     "gone d\n"
                     "gone c\n"
                     "state\n"
                     "-> PreparingRebalance 2 range leader a-1: a-1=x b-1=y d-1=\n"
                     "join a range=1\n"
                     "join b range=2\n"
                     "join d range=4\n"
                     "-> a joined as a-1 3 range leader a-1: a-1=1 b-1=2 d-1=4\n"
                     "-> b joined as b-1 3 range leader a-1\n"
                     "-> d joined as d-1 3 range leader a-1\n");
}
END_TEST

START_TEST(member_that_leaves_while_it_waits_is_told)
{
    play(STABLE_PAIR "join b range=3\n"
                     "leave b\n"
                     "-> b not joined: unknown member\n"
                     "-> ok\n"
                     "join a range=1\n"
                     "-> a joined as a-1 3 range leader a-1: a-1=1\n");
}
END_TEST

/* --- Who leads -------------------------------------------------------------------------------- */

START_TEST(oldest_leads_when_the_leader_leaves)
{
    play(STABLE_PAIR "leave a\n"
                     "-> ok\n"
                     "state\n"
                     "-> PreparingRebalance 2 range leader b-1: b-1=y\n"
                     "join b range=2\n"
                     "-> b joined as b-1 3 range leader b-1: b-1=2\n");
}
END_TEST

START_TEST(another_leads_when_the_leader_has_not_joined)
{
    play("join a range=1 static=i rebalance=5000\n"
         "-> a joined as a-1 1 range leader a-1: a-1/i=1\n"
         "join b range=2 v3 rebalance=5000\n"
         "wait 5000\n"
         "-> b joined as b-1 2 range leader b-1: a-1/i=1 b-1=2\n");
}
END_TEST

/* --- Nobody left ------------------------------------------------------------------------------ */

START_TEST(group_without_members_is_empty_and_stored_so)
{
    play(STABLE_PAIR "leave a\n"
                     "-> ok\n"
                     "leave b\n"
                     "-> store 2: 3\n"
                     "-> ok\n"
                     "state\n"
                     "-> Empty 3\n"
                     "not stored 2\n"
                     "heartbeat b\n"
                     "-> unknown member\n"
                     "join a range=1 v3\n"
                     "-> a not joined: unknown member\n"
                     "forget a\n"
                     "join a range=1 v3\n"
                     "-> a joined as a-2 4 range leader a-2: a-2=1\n");
}
END_TEST

START_TEST(group_whose_sessions_all_end_is_empty)
{
    play(STABLE_PAIR "wait 5000\n"
                     "heartbeat a\n"
                     "-> ok\n"
                     "wait 5000\n"
                     "-> b-1 expelled: no sign of life\n"
                     "wait 5000\n"
                     "-> a-1 expelled: no sign of life\n"
                     "-> store 2: 3\n"
                     "wait 1000000\n");
}
END_TEST

START_TEST(pending_ids_do_not_keep_a_group_from_being_empty)
{
    play("join a range v3\n"
         "-> a joined as a-1 1 range leader a-1: a-1=\n"
         "join b range\n"
         "-> b not joined: member id required b-1\n"
         "leave a\n"
         "-> store 1: 2\n"
         "-> ok\n"
         "join b range\n"
         "-> b joined as b-1 3 range leader b-1: b-1=\n");
}
END_TEST

Suite *
suite_new(void)
{
    Suite *suite = suite_create("group rebalance");
    TCase *cases = tcase_create("rebalance");

    tcase_add_test(cases, newcomer_begins_a_rebalance_that_waits_for_all);
    tcase_add_test(cases, member_that_does_not_join_in_time_goes);
    tcase_add_test(cases, slowest_member_says_how_long_a_rebalance_may_take);
    tcase_add_test(cases, id_that_was_given_is_waited_for);
    tcase_add_test(cases, id_that_was_given_is_waited_for_until_it_expires_or_leaves);
    tcase_add_test(cases, full_group_does_not_wait_for_an_id_that_it_has_refused);
    tcase_add_test(cases, member_that_leaves_is_no_longer_waited_for);
    tcase_add_test(cases, session_that_ends_in_the_join_phase_ends_the_waiting);
    tcase_add_test(cases, member_whose_request_is_gone_has_not_joined);
    tcase_add_test(cases, member_whose_request_is_gone_has_a_whole_session_to_come_back);
    tcase_add_test(cases, newcomer_who_was_never_told_its_id_goes_with_its_request);
    tcase_add_test(cases, member_that_leaves_while_it_waits_is_told);
    tcase_add_test(cases, oldest_leads_when_the_leader_leaves);
    tcase_add_test(cases, another_leads_when_the_leader_has_not_joined);
    tcase_add_test(cases, group_without_members_is_empty_and_stored_so);
    tcase_add_test(cases, group_whose_sessions_all_end_is_empty);
    tcase_add_test(cases, pending_ids_do_not_keep_a_group_from_being_empty);
    suite_add_tcase(suite, cases);
    return suite;
}
