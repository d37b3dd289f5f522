/* SPDX-License-Identifier: Apache-2.0 */
/* Static members (KIP-345): they go away and come back, and the group hardly notices. */
#include "group_script.h"

#include "support/main.h"

/* a, who leads, and b are static, c is not. */
#define TRIO                                                         \
    "join a range=1 static=i rebalance=20000\n"                      \
    "-> a joined as a-1 1 range leader a-1: a-1/i=1\n"               \
    "join b range=2 static=j rebalance=20000\n"                      \
    "join c range=3 v3 rebalance=20000\n"                            \
    "join a range=1 static=i rebalance=20000\n"                      \
    "-> a joined as a-1 2 range leader a-1: a-1/i=1 b-1/j=2 c-1=3\n" \
    "-> b joined as b-1 2 range leader a-1\n"                        \
    "-> c joined as c-1 2 range leader a-1\n"

#define STABLE_TRIO                                            \
    TRIO "sync a a-1=x b-1=y c-1=z\n"                          \
         "-> store 1: 2 range leader a-1: a-1=x b-1=y c-1=z\n" \
         "sync b\n"                                            \
         "sync c\n"                                            \
         "stored 1\n"                                          \
         "-> a synced range=x\n"                               \
         "-> b synced range=y\n"                               \
         "-> c synced range=z\n"

/* --- Coming back ------------------------------------------------------------------------------ */

START_TEST(follower_that_comes_back_gets_its_assignment_without_a_rebalance)
{
    play(STABLE_TRIO "forget b\n"
                     "join b range=2 static=j\n"
                     "-> store 2: 2 range leader a-1: a-1=x b-2=y c-1=z\n"
                     "stored 2\n"
                     "-> b joined as b-2 2 range leader a-1\n"
                     "sync b static=j\n"
                     "-> b synced range=y\n"
                     "heartbeat a\n"
                     "-> ok\n"
                     "heartbeat b static=j id=b-1\n"
                     "-> fenced instance\n"
                     "heartbeat b id=b-1\n"
                     "-> unknown member\n"
                     "commit b static=j id=b-1\n"
                     "-> fenced instance\n"
                     "sync b static=j id=b-1\n"
                     "-> b not synced: fenced instance\n"
                     "join b range=2 static=j id=b-1\n"
                     "-> b not joined: fenced instance\n"
                     "leave b static=j id=b-1\n"
                     "-> fenced instance\n");
}
END_TEST

START_TEST(leader_that_comes_back_is_told_to_skip_the_assignment)
{
    play(STABLE_TRIO "forget a\n"
                     "join a range=1 static=i v9\n"
                     "-> store 2: 2 range leader a-2: a-2=x b-1=y c-1=z\n"
                     "stored 2\n"
                     "-> a joined as a-2 2 range leader a-2 skips: a-2/i=1 b-1/j=2 c-1=3\n"
                     "sync a static=i\n"
                     "-> a synced range=x\n");
}
END_TEST

START_TEST(leader_of_old_that_comes_back_takes_itself_for_a_follower)
{
    play(STABLE_TRIO "forget a\n"
                     "join a range=1 static=i v4\n"
                     "-> store 2: 2 range leader a-2: a-2=x b-1=y c-1=z\n"
                     "stored 2\n"
                     "-> a joined as a-2 2 range leader a-1\n"
                     "sync a static=i\n"
                     "-> a synced range=x\n"
                     "join a range=1 static=i\n"
                     "heartbeat b\n"
                     "-> rebalance in progress\n");
}
END_TEST

START_TEST(new_id_that_can_not_be_stored_is_not_told)
{
    play(STABLE_TRIO "forget b\n"
                     "join b range=2 static=j\n"
                     "-> store 2: 2 range leader a-1: a-1=x b-2=y c-1=z\n"
                     "not stored 2\n"
                     "-> b not joined: not available\n"
                     "join b range=2 static=j\n"
                     "-> store 3: 2 range leader a-1: a-1=x b-3=y c-1=z\n"
                     "stored 3\n"
                     "-> b joined as b-3 2 range leader a-1\n");
}
END_TEST

START_TEST(member_that_comes_back_twice_fences_itself)
{
    play(STABLE_TRIO "forget b\n"
                     "join b range=2 static=j\n"
                     "-> store 2: 2 range leader a-1: a-1=x b-2=y c-1=z\n"
                     "join b range=2 static=j\n"
                     "-> b not joined: fenced instance\n"
                     "-> store 3: 2 range leader a-1: a-1=x b-3=y c-1=z\n"
                     "stored 2\n"
                     "stored 3\n"
                     "-> b joined as b-3 2 range leader a-1\n");
}
END_TEST

START_TEST(states_that_are_stored_together_are_told_once)
{
    play(STABLE_TRIO "forget b\n"
                     "forget a\n"
                     "join b range=2 static=j\n"
                     "-> store 2: 2 range leader a-1: a-1=x b-2=y c-1=z\n"
                     "join a range=1 static=i v9\n"
                     "-> store 3: 2 range leader a-2: a-2=x b-2=y c-1=z\n"
                     "stored 3\n"
                     "-> a joined as a-2 2 range leader a-2 skips: a-2/i=1 b-2/j=2 c-1=3\n"
                     "-> b joined as b-2 2 range leader a-2\n");
}
END_TEST

START_TEST(a_later_state_is_not_there_with_an_earlier_one)
{
    play(STABLE_TRIO "forget b\n"
                     "forget a\n"
                     "join b range=2 static=j\n"
                     "-> store 2: 2 range leader a-1: a-1=x b-2=y c-1=z\n"
                     "join a range=1 static=i v9\n"
                     "-> store 3: 2 range leader a-2: a-2=x b-2=y c-1=z\n"
                     "stored 2\n"
                     "-> b joined as b-2 2 range leader a-2\n"
                     "stored 3\n"
                     "-> a joined as a-2 2 range leader a-2 skips: a-2/i=1 b-2/j=2 c-1=3\n");
}
END_TEST

START_TEST(rebalance_takes_in_who_waits_for_its_new_id)
{
    play(STABLE_TRIO "forget a\n"
                     "join a range=1 static=i v9\n"
                     "-> store 2: 2 range leader a-2: a-2=x b-1=y c-1=z\n"
                     "join c range=4\n"
                     "stored 2\n"
                     "join b range=2 static=j\n"
                     "-> a joined as a-2 3 range leader a-2: a-2/i=1 b-1/j=2 c-1=4\n"
                     "-> b joined as b-1 3 range leader a-2\n"
                     "-> c joined as c-1 3 range leader a-2\n");
}
END_TEST

START_TEST(request_for_a_new_id_may_be_gone)
{
    play(STABLE_TRIO "forget b\n"
                     "join b range=2 static=j\n"
                     "-> store 2: 2 range leader a-1: a-1=x b-2=y c-1=z\n"
                     "gone b\n"
                     "stored 2\n"
                     "state\n"
                     "-> Stable 2 range leader a-1: a-1=x b-2=y c-1=z\n"
                     "join b range=2 static=j\n"
                     "-> store 3: 2 range leader a-1: a-1=x b-3=y c-1=z\n"
                     "stored 3\n"
                     "-> b joined as b-3 2 range leader a-1\n");
}
END_TEST

START_TEST(member_that_comes_back_may_be_let_go_before_it_is_told)
{
    play(STABLE_TRIO "forget b\n"
                     "join b range=2 static=j\n"
                     "-> store 2: 2 range leader a-1: a-1=x b-2=y c-1=z\n"
                     "leave admin static=j\n"
                     "-> b not joined: unknown member\n"
                     "-> ok\n"
                     "stored 2\n"
                     "state\n"
                     "-> PreparingRebalance 2 range leader a-1: a-1=x c-1=z\n");
}
END_TEST

START_TEST(protocol_that_changes_with_a_member_that_comes_back_takes_a_rebalance)
{
    play("join a range=1 sticky=2 static=i\n"
         "-> a joined as a-1 1 range leader a-1: a-1/i=1\n"
         "sync a a-1=x\n"
         "-> store 1: 1 range leader a-1: a-1=x\n"
         "stored 1\n"
         "-> a synced range=x\n"
         "forget a\n"
         "join a sticky=2 static=i v9\n"
         "-> a joined as a-2 2 sticky leader a-2: a-2/i=2\n");
}
END_TEST

/* The leader may be assigning to the id before just now. */
START_TEST(member_that_comes_back_before_the_assignment_begins_a_rebalance)
{
    play(TRIO "sync b\n"
              "sync c\n"
              "forget b\n"
              "join b range=2 static=j\n"
              "-> b not synced: fenced instance\n"
              "-> c not synced: rebalance in progress\n"
              "state\n"
              "-> PreparingRebalance 2 range leader a-1: a-1= b-2= c-1=\n");
}
END_TEST

START_TEST(member_that_comes_back_in_a_rebalance_joins_it)
{
    play(STABLE_TRIO "join b range=2,more static=j\n"
                     "forget b\n"
                     "join b range=2 static=j\n"
                     "-> b not joined: fenced instance\n"
                     "join c range=3\n"
                     "join a range=1 static=i\n"
                     "-> a joined as a-1 3 range leader a-1: a-1/i=1 b-2/j=2 c-1=3\n"
                     "-> b joined as b-2 3 range leader a-1\n"
                     "-> c joined as c-1 3 range leader a-1\n");
}
END_TEST

START_TEST(newcomer_that_was_never_told_its_id_goes_though_it_is_static)
{
    play(STABLE_TRIO "join d range=4 static=k\n"
                     "gone d\n"
                     "state\n"
                     "-> PreparingRebalance 2 range leader a-1: a-1=x b-1=y c-1=z\n");
}
END_TEST

/* --- Staying away ----------------------------------------------------------------------------- */

START_TEST(absent_member_stays_when_a_rebalance_ends)
{
    play(STABLE_TRIO "heartbeat a\n"
                     "-> ok\n"
                     "join d range=4 v3 rebalance=5000\n"
                     "join c range=3 rebalance=5000\n"
                     "join b range=2 static=j rebalance=5000\n"
                     "wait 9000\n"
                     "heartbeat a\n"
                     "-> rebalance in progress\n"
                     "wait 9000\n"
                     "heartbeat a\n"
                     "-> rebalance in progress\n"
                     "wait 2000\n"
                     "-> b joined as b-1 3 range leader b-1: a-1/i=1 b-1/j=2 c-1=3 d-1=4\n"
                     "-> c joined as c-1 3 range leader b-1\n"
                     "-> d joined as d-1 3 range leader b-1\n"
                     "heartbeat a\n"
                     "-> illegal generation\n"
                     "state\n"
                     "-> CompletingRebalance 3 range leader b-1: a-1= b-1= c-1= d-1=\n");
}
END_TEST

START_TEST(absent_member_goes_with_its_session)
{
    play(STABLE_TRIO "wait 9000\n"
                     "heartbeat a\n"
                     "-> ok\n"
                     "heartbeat c\n"
                     "-> ok\n"
                     "wait 1000\n"
                     "-> b-1 expelled: no sign of life\n"
                     "state\n"
                     "-> PreparingRebalance 2 range leader a-1: a-1=x c-1=z\n");
}
END_TEST

/* As long as there are members that may come back, the group isn't empty. */
START_TEST(rebalance_that_nobody_joins_begins_again)
{
    play("join a range=1 static=i rebalance=2000\n"
         "-> a joined as a-1 1 range leader a-1: a-1/i=1\n"
         "join a range=2 rebalance=2000\n"
         "-> a joined as a-1 2 range leader a-1: a-1/i=2\n"
         "join b range=3 v3 rebalance=2000\n"
         "gone b\n"
         "wait 2000\n"
         "state\n"
         "-> PreparingRebalance 2 range leader a-1: a-1=\n"
         "wait 7999\n"
         "wait 1\n"
         "-> a-1 expelled: no sign of life\n"
         "-> store 1: 3\n");
}
END_TEST

START_TEST(absent_member_that_never_syncs_goes)
{
    play("join a range=1 static=i rebalance=5000 session=100000\n"
         "-> a joined as a-1 1 range leader a-1: a-1/i=1\n"
         "join b range=2 static=j rebalance=5000 session=100000\n"
         "wait 5000\n"
         "-> b joined as b-1 2 range leader b-1: a-1/i=1 b-1/j=2\n"
         "sync b b-1=y\n"
         "-> store 1: 2 range leader b-1: a-1= b-1=y\n"
         "stored 1\n"
         "-> b synced range=y\n"
         "wait 4999\n"
         "heartbeat b\n"
         "-> ok\n"
         "wait 1\n"
         "-> a-1 expelled: not synced in time\n"
         "heartbeat b\n"
         "-> rebalance in progress\n");
}
END_TEST

START_TEST(member_that_just_came_back_is_not_silent)
{
    play("join a range=1 static=i rebalance=5000 session=100000\n"
         "-> a joined as a-1 1 range leader a-1: a-1/i=1\n"
         "join b range=2 static=j rebalance=5000 session=100000\n"
         "wait 5000\n"
         "-> b joined as b-1 2 range leader b-1: a-1/i=1 b-1/j=2\n"
         "sync b a-1=x\n"
         "-> store 1: 2 range leader b-1: a-1=x b-1=\n"
         "stored 1\n"
         "-> b synced range=\n"
         "forget a\n"
         "join a range=1 static=i\n"
         "-> store 2: 2 range leader b-1: a-2=x b-1=\n"
         "wait 5000\n"
         "stored 2\n"
         "-> a joined as a-2 2 range leader b-1\n"
         "sync a\n"
         "-> a synced range=x\n");
}
END_TEST

/* --- Leaving ---------------------------------------------------------------------------------- */

START_TEST(administrator_lets_members_go_by_their_instances)
{
    play(STABLE_TRIO "leave admin static=k\n"
                     "-> unknown member\n"
                     "leave admin static=j\n"
                     "-> ok\n"
                     "leave admin static=j\n"
                     "-> unknown member\n"
                     "leave a static=i\n"
                     "-> ok\n"
                     "leave c static=i\n"
                     "-> unknown member\n"
                     "state\n"
                     "-> PreparingRebalance 2 range leader c-1: c-1=z\n");
}
END_TEST

Suite *
suite_new(void)
{
    Suite *suite = suite_create("group static");
    TCase *cases = tcase_create("static");

    tcase_add_test(cases, follower_that_comes_back_gets_its_assignment_without_a_rebalance);
    tcase_add_test(cases, leader_that_comes_back_is_told_to_skip_the_assignment);
    tcase_add_test(cases, leader_of_old_that_comes_back_takes_itself_for_a_follower);
    tcase_add_test(cases, new_id_that_can_not_be_stored_is_not_told);
    tcase_add_test(cases, member_that_comes_back_twice_fences_itself);
    tcase_add_test(cases, states_that_are_stored_together_are_told_once);
    tcase_add_test(cases, a_later_state_is_not_there_with_an_earlier_one);
    tcase_add_test(cases, rebalance_takes_in_who_waits_for_its_new_id);
    tcase_add_test(cases, request_for_a_new_id_may_be_gone);
    tcase_add_test(cases, member_that_comes_back_may_be_let_go_before_it_is_told);
    tcase_add_test(cases, protocol_that_changes_with_a_member_that_comes_back_takes_a_rebalance);
    tcase_add_test(cases, member_that_comes_back_before_the_assignment_begins_a_rebalance);
    tcase_add_test(cases, member_that_comes_back_in_a_rebalance_joins_it);
    tcase_add_test(cases, newcomer_that_was_never_told_its_id_goes_though_it_is_static);
    tcase_add_test(cases, absent_member_stays_when_a_rebalance_ends);
    tcase_add_test(cases, absent_member_goes_with_its_session);
    tcase_add_test(cases, rebalance_that_nobody_joins_begins_again);
    tcase_add_test(cases, absent_member_that_never_syncs_goes);
    tcase_add_test(cases, member_that_just_came_back_is_not_silent);
    tcase_add_test(cases, administrator_lets_members_go_by_their_instances);
    suite_add_tcase(suite, cases);
    return suite;
}
