/* SPDX-License-Identifier: Apache-2.0 */
/* The leader's assignment: stored first, then told to everybody who asks. */
#include "group_script.h"

#include "support/main.h"

#define PAIR                                               \
    "join a range=1 v3\n"                                  \
    "-> a joined as a-1 1 range leader a-1: a-1=1\n"       \
    "join b range=2 v3\n"                                  \
    "join a range=1\n"                                     \
    "-> a joined as a-1 2 range leader a-1: a-1=1 b-1=2\n" \
    "-> b joined as b-1 2 range leader a-1\n"

#define LED_PAIR                \
    PAIR "sync a a-1=x b-1=y\n" \
         "-> store 1: 2 range leader a-1: a-1=x b-1=y\n"

#define STABLE_PAIR                  \
    LED_PAIR "sync b\n"              \
             "stored 1\n"            \
             "-> a synced range=x\n" \
             "-> b synced range=y\n"

/* --- The ordinary way ------------------------------------------------------------------------- */

START_TEST(everybody_is_told_when_the_assignment_is_stored)
{
    play(PAIR "sync b\n"
              "state\n"
              "-> CompletingRebalance 2 range leader a-1: a-1= b-1=\n"
              "sync a a-1=x b-1=y\n"
              "-> store 1: 2 range leader a-1: a-1=x b-1=y\n"
              "heartbeat b\n"
              "-> ok\n"
              "stored 1\n"
              "-> a synced range=x\n"
              "-> b synced range=y\n"
              "state\n"
              "-> Stable 2 range leader a-1: a-1=x b-1=y\n");
}
END_TEST

START_TEST(follower_that_syncs_late_is_told_at_once)
{
    play(LED_PAIR "stored 1\n"
                  "-> a synced range=x\n"
                  "sync b\n"
                  "-> b synced range=y\n");
}
END_TEST

START_TEST(member_that_is_missing_from_the_assignment_gets_nothing)
{
    play(PAIR "sync b\n"
              "sync a a-1=x c-9=z a-1=w\n"
              "-> store 1: 2 range leader a-1: a-1=w b-1=\n"
              "stored 1\n"
              "-> a synced range=w\n"
              "-> b synced range=\n");
}
END_TEST

START_TEST(what_a_follower_brings_is_passed_over)
{
    play(PAIR "sync b a-1=u b-1=v\n"
              "sync a\n"
              "-> store 1: 2 range leader a-1: a-1= b-1=\n"
              "stored 1\n"
              "-> a synced range=\n"
              "-> b synced range=\n");
}
END_TEST

/* --- Who may not ------------------------------------------------------------------------------ */

START_TEST(sync_must_come_from_a_member_of_this_generation)
{
    play(PAIR "sync b id=b-9\n"
              "-> b not synced: unknown member\n"
              "sync b generation=1\n"
              "-> b not synced: illegal generation\n"
              "sync b generation=3\n"
              "-> b not synced: illegal generation\n"
              "sync b type=connect\n"
              "-> b not synced: inconsistent protocol\n"
              "sync b type=consumer protocol=sticky\n"
              "-> b not synced: inconsistent protocol\n"
              "sync a type=consumer protocol=range\n"
              "-> store 1: 2 range leader a-1: a-1= b-1=\n"
              "leave b\n"
              "-> a not synced: rebalance in progress\n"
              "-> ok\n"
              "sync a\n"
              "-> a not synced: rebalance in progress\n");
}
END_TEST

/* --- Silence ---------------------------------------------------------------------------------- */

START_TEST(member_that_does_not_sync_in_time_goes)
{
    play("join a range v3 rebalance=5000\n"
         "-> a joined as a-1 1 range leader a-1: a-1=\n"
         "join b range v3 rebalance=5000\n"
         "join a range rebalance=5000\n"
         "-> a joined as a-1 2 range leader a-1: a-1= b-1=\n"
         "-> b joined as b-1 2 range leader a-1\n"
         "sync b\n"
         "wait 4999\n"
         "heartbeat a\n"
         "-> ok\n"
         "wait 1\n"
         "-> a-1 expelled: not synced in time\n"
         "-> b not synced: rebalance in progress\n"
         "heartbeat a\n"
         "-> unknown member\n"
         "state\n"
         "-> PreparingRebalance 2 range leader b-1: b-1=\n");
}
END_TEST

START_TEST(silent_follower_goes_from_a_stable_group)
{
    play("join a range v3 rebalance=5000\n"
         "-> a joined as a-1 1 range leader a-1: a-1=\n"
         "join b range v3 rebalance=5000\n"
         "join a range rebalance=5000\n"
         "-> a joined as a-1 2 range leader a-1: a-1= b-1=\n"
         "-> b joined as b-1 2 range leader a-1\n"
         "sync a\n"
         "-> store 1: 2 range leader a-1: a-1= b-1=\n"
         "stored 1\n"
         "-> a synced range=\n"
         "wait 4000\n"
         "heartbeat b\n"
         "-> ok\n"
         "wait 1000\n"
         "-> b-1 expelled: not synced in time\n"
         "heartbeat b\n"
         "-> unknown member\n"
         "heartbeat a\n"
         "-> rebalance in progress\n");
}
END_TEST

START_TEST(session_stands_still_while_the_member_waits)
{
    play(PAIR "sync b\n"
              "wait 9000\n"
              "heartbeat a\n"
              "-> ok\n"
              "wait 9000\n"
              "sync a a-1=x\n"
              "-> store 1: 2 range leader a-1: a-1=x b-1=\n"
              "wait 100000\n"
              "stored 1\n"
              "-> a synced range=x\n"
              "-> b synced range=\n"
              "wait 9999\n"
              "state\n"
              "-> Stable 2 range leader a-1: a-1=x b-1=\n"
              "wait 1\n"
              "-> a-1 expelled: no sign of life\n"
              "-> b-1 expelled: no sign of life\n"
              "-> store 2: 3\n");
}
END_TEST

/* --- Rebalances between ----------------------------------------------------------------------- */

START_TEST(rebalance_that_begins_tells_all_who_wait)
{
    play(PAIR "sync b\n"
              "join c range=3 v3\n"
              "-> b not synced: rebalance in progress\n"
              "join a range=1\n"
              "join b range=2\n"
              "-> a joined as a-1 3 range leader a-1: a-1=1 b-1=2 c-1=3\n"
              "-> b joined as b-1 3 range leader a-1\n"
              "-> c joined as c-1 3 range leader a-1\n");
}
END_TEST

START_TEST(assignment_that_is_stored_late_changes_nothing)
{
    play(LED_PAIR "sync b\n"
                  "join c range=3 v3\n"
                  "-> a not synced: rebalance in progress\n"
                  "-> b not synced: rebalance in progress\n"
                  "stored 1\n"
                  "state\n"
                  "-> PreparingRebalance 2 range leader a-1: a-1=x b-1=y c-1=\n"
                  "join a range=1\n"
                  "join b range=2\n"
                  "-> a joined as a-1 3 range leader a-1: a-1=1 b-1=2 c-1=3\n"
                  "-> b joined as b-1 3 range leader a-1\n"
                  "-> c joined as c-1 3 range leader a-1\n"
                  "sync b\n"
                  "stored 1\n"
                  "state\n"
                  "-> CompletingRebalance 3 range leader a-1: a-1= b-1= c-1=\n"
                  "sync a a-1=u b-1=v c-1=w\n"
                  "-> store 2: 3 range leader a-1: a-1=u b-1=v c-1=w\n"
                  "stored 1\n"
                  "not stored 1\n"
                  "stored 2\n"
                  "-> a synced range=u\n"
                  "-> b synced range=v\n");
}
END_TEST

START_TEST(assignment_that_can_not_be_stored_is_asked_for_again)
{
    play(LED_PAIR "sync b\n"
                  "not stored 1\n"
                  "-> a not synced: not available\n"
                  "-> b not synced: not available\n"
                  "state\n"
                  "-> PreparingRebalance 2 range leader a-1: a-1= b-1=\n"
                  "join b range=2\n"
                  "join a range=1\n"
                  "-> a joined as a-1 3 range leader a-1: a-1=1 b-1=2\n"
                  "-> b joined as b-1 3 range leader a-1\n");
}
END_TEST

/* --- Once more -------------------------------------------------------------------------------- */

START_TEST(second_sync_takes_the_place_of_the_first)
{
    play(PAIR "sync b\n"
              "sync b\n"
              "-> b not synced: rebalance in progress\n"
              "sync a a-1=x b-1=y\n"
              "-> store 1: 2 range leader a-1: a-1=x b-1=y\n"
              "sync a a-1=u b-1=v\n"
              "-> a not synced: rebalance in progress\n"
              "stored 1\n"
              "-> a synced range=x\n"
              "-> b synced range=y\n");
}
END_TEST

START_TEST(follower_that_waits_may_ask_again_how_it_joined)
{
    play(PAIR "sync b\n"
              "join b range=2\n"
              "-> b joined as b-1 2 range leader a-1\n"
              "join b range=3\n"
              "-> b not synced: rebalance in progress\n"
              "join a range=1\n"
              "-> a joined as a-1 3 range leader a-1: a-1=1 b-1=3\n"
              "-> b joined as b-1 3 range leader a-1\n");
}
END_TEST

START_TEST(request_that_is_gone_can_be_made_again)
{
    play(LED_PAIR "sync b\n"
                  "gone b\n"
                  "gone a\n"
                  "stored 1\n"
                  "sync b\n"
                  "-> b synced range=y\n"
                  "sync a\n"
                  "-> a synced range=x\n");
}
END_TEST

START_TEST(member_that_leaves_while_it_waits_is_told)
{
    play(PAIR "sync b\n"
              "leave b\n"
              "-> b not synced: unknown member\n"
              "-> ok\n"
              "state\n"
              "-> PreparingRebalance 2 range leader a-1: a-1=\n");
}
END_TEST

START_TEST(leader_that_leaves_takes_its_assignment_with_it)
{
    play(LED_PAIR "sync b\n"
                  "leave a\n"
                  "-> a not synced: unknown member\n"
                  "-> b not synced: rebalance in progress\n"
                  "-> ok\n"
                  "stored 1\n"
                  "join b range=2\n"
                  "-> b joined as b-1 3 range leader b-1: b-1=2\n"
                  "sync b b-1=z\n"
                  "-> store 2: 3 range leader b-1: b-1=z\n"
                  "stored 2\n"
                  "-> b synced range=z\n");
}
END_TEST

START_TEST(assignments_do_not_outlive_their_generation)
{
    play(STABLE_PAIR "join b range=3\n"
                     "join a range=1\n"
                     "-> a joined as a-1 3 range leader a-1: a-1=1 b-1=3\n"
                     "-> b joined as b-1 3 range leader a-1\n"
                     "state\n"
                     "-> CompletingRebalance 3 range leader a-1: a-1= b-1=\n");
}
END_TEST

Suite *
suite_new(void)
{
    Suite *suite = suite_create("group sync");
    TCase *cases = tcase_create("sync");

    tcase_add_test(cases, everybody_is_told_when_the_assignment_is_stored);
    tcase_add_test(cases, follower_that_syncs_late_is_told_at_once);
    tcase_add_test(cases, member_that_is_missing_from_the_assignment_gets_nothing);
    tcase_add_test(cases, what_a_follower_brings_is_passed_over);
    tcase_add_test(cases, sync_must_come_from_a_member_of_this_generation);
    tcase_add_test(cases, member_that_does_not_sync_in_time_goes);
    tcase_add_test(cases, silent_follower_goes_from_a_stable_group);
    tcase_add_test(cases, session_stands_still_while_the_member_waits);
    tcase_add_test(cases, rebalance_that_begins_tells_all_who_wait);
    tcase_add_test(cases, assignment_that_is_stored_late_changes_nothing);
    tcase_add_test(cases, assignment_that_can_not_be_stored_is_asked_for_again);
    tcase_add_test(cases, second_sync_takes_the_place_of_the_first);
    tcase_add_test(cases, follower_that_waits_may_ask_again_how_it_joined);
    tcase_add_test(cases, request_that_is_gone_can_be_made_again);
    tcase_add_test(cases, member_that_leaves_while_it_waits_is_told);
    tcase_add_test(cases, leader_that_leaves_takes_its_assignment_with_it);
    tcase_add_test(cases, assignments_do_not_outlive_their_generation);
    suite_add_tcase(suite, cases);
    return suite;
}
