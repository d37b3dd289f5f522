/* SPDX-License-Identifier: Apache-2.0 */
/* Signs of life, commits, leaving, and the end of a group; and a group of what was stored. */
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

/* --- Heartbeats ------------------------------------------------------------------------------- */

START_TEST(heartbeat_keeps_a_member)
{
    play(STABLE_PAIR "wait 9000\n"
                     "heartbeat a\n"
                     "-> ok\n"
                     "heartbeat b\n"
                     "-> ok\n"
                     "wait 9999\n"
                     "heartbeat a\n"
                     "-> ok\n"
                     "state\n"
                     "-> Stable 2 range leader a-1: a-1=x b-1=y\n"
                     "wait 1\n"
                     "-> b-1 expelled: no sign of life\n"
                     "heartbeat b\n"
                     "-> unknown member\n"
                     "heartbeat a\n"
                     "-> rebalance in progress\n");
}
END_TEST

START_TEST(heartbeat_tells_who_is_wrong)
{
    play("heartbeat a generation=0\n"
         "-> unknown member\n" STABLE_PAIR "heartbeat a id=c-1\n"
         "-> unknown member\n"
         "heartbeat a static=i\n"
         "-> unknown member\n"
         "heartbeat a generation=1\n"
         "-> illegal generation\n"
         "heartbeat a generation=3\n"
         "-> illegal generation\n"
         "join b range=3\n"
         "heartbeat a generation=1\n"
         "-> illegal generation\n"
         "heartbeat a\n"
         "-> rebalance in progress\n"
         "join a range=1\n"
         "-> a joined as a-1 3 range leader a-1: a-1=1 b-1=3\n"
         "-> b joined as b-1 3 range leader a-1\n"
         "heartbeat a\n"
         "-> ok\n");
}
END_TEST

START_TEST(every_request_of_a_member_is_a_sign_of_life)
{
    play(PAIR "wait 9000\n"
              "join a range=1\n"
              "-> a joined as a-1 2 range leader a-1: a-1=1 b-1=2\n"
              "sync b\n"
              "wait 9000\n"
              "sync a\n"
              "-> store 1: 2 range leader a-1: a-1= b-1=\n"
              "stored 1\n"
              "-> a synced range=\n"
              "-> b synced range=\n"
              "wait 9000\n"
              "sync a\n"
              "-> a synced range=\n"
              "commit b\n"
              "-> ok\n"
              "wait 9000\n"
              "state\n"
              "-> Stable 2 range leader a-1: a-1= b-1=\n");
}
END_TEST

START_TEST(time_in_which_nobody_was_listened_to_does_not_count)
{
    play(STABLE_PAIR "wait 9999\n"
                     "extend 100000\n"
                     "heartbeat a\n"
                     "-> ok\n"
                     "heartbeat b\n"
                     "-> ok\n"
                     "join c range\n"
                     "-> c not joined: member id required c-1\n"
                     "join b range=3\n"
                     "wait 9999\n"
                     "extend 100000\n"
                     "state\n"
                     "-> PreparingRebalance 2 range leader a-1: a-1=x b-1=y\n"
                     "wait 1\n"
                     "-> a-1 expelled: no sign of life\n"
                     "-> b joined as b-1 3 range leader b-1: b-1=3\n"
                     "join c range\n"
                     "-> c not joined: unknown member\n");
}
END_TEST

/* --- Commits ---------------------------------------------------------------------------------- */

START_TEST(anybody_may_commit_for_an_empty_group)
{
    play("commit nobody\n"
         "-> ok\n"
         "commit a generation=1\n"
         "-> unknown member\n" STABLE_PAIR "commit nobody\n"
         "-> unknown member\n"
         "leave a\n"
         "-> ok\n"
         "leave b\n"
         "-> store 2: 3\n"
         "-> ok\n"
         "commit nobody\n"
         "-> ok\n"
         "commit a\n"
         "-> unknown member\n");
}
END_TEST

/* Between the two phases nobody has anything to commit for. */
START_TEST(members_may_commit_while_others_join)
{
    play(STABLE_PAIR "commit a\n"
                     "-> ok\n"
                     "commit a generation=1\n"
                     "-> illegal generation\n"
                     "commit a generation=-1\n"
                     "-> illegal generation\n"
                     "commit a static=i\n"
                     "-> unknown member\n"
                     "join b range=3\n"
                     "commit a\n"
                     "-> ok\n"
                     "join a range=1\n"
                     "-> a joined as a-1 3 range leader a-1: a-1=1 b-1=3\n"
                     "-> b joined as b-1 3 range leader a-1\n"
                     "commit a\n"
                     "-> rebalance in progress\n");
}
END_TEST

/* --- Leaving ---------------------------------------------------------------------------------- */

START_TEST(leaving_begins_a_rebalance)
{
    play(STABLE_PAIR "leave c\n"
                     "-> unknown member\n"
                     "leave b static=i\n"
                     "-> unknown member\n"
                     "leave b\n"
                     "-> ok\n"
                     "leave b\n"
                     "-> unknown member\n"
                     "heartbeat a\n"
                     "-> rebalance in progress\n"
                     "join a range=1\n"
                     "-> a joined as a-1 3 range leader a-1: a-1=1\n"
                     "leave a\n"
                     "-> store 2: 4\n"
                     "-> ok\n");
}
END_TEST

/* --- The end ---------------------------------------------------------------------------------- */

START_TEST(end_tells_everybody)
{
    play(PAIR "sync b\n"
              "end\n"
              "-> b not synced: not available\n"
              "end\n"
              "state\n"
              "-> Dead 2\n"
              "join a range=1\n"
              "-> a not joined: not available\n"
              "join c range=1\n"
              "-> c not joined: not available\n"
              "sync a\n"
              "-> a not synced: not available\n"
              "heartbeat a\n"
              "-> not available\n"
              "commit nobody\n"
              "-> not available\n"
              "leave a\n"
              "-> not available\n"
              "stored 1\n"
              "wait 1000000\n");
}
END_TEST

START_TEST(end_tells_who_joins)
{
    play(STABLE_PAIR "join b range=3\n"
                     "join c range\n"
                     "-> c not joined: member id required c-1\n"
                     "end\n"
                     "-> b not joined: not available\n"
                     "wait 1000000\n");
}
END_TEST

/* --- Another broker --------------------------------------------------------------------------- */

START_TEST(group_goes_on_where_it_was_stored)
{
    play(STABLE_PAIR "wait 9000\n"
                     "restart\n"
                     "wait 9999\n"
                     "heartbeat a\n"
                     "-> ok\n"
                     "sync b\n"
                     "-> b synced range=y\n"
                     "state\n"
                     "-> Stable 2 range leader a-1: a-1=x b-1=y\n"
                     "join b range=2\n"
                     "-> b joined as b-1 2 range leader a-1\n"
                     "join c range=3 v3\n"
                     "join a range=1\n"
                     "join b range=2\n"
                     "-> a joined as a-1 3 range leader a-1: a-1=1 b-1=2 c-1=3\n"
                     "-> b joined as b-1 3 range leader a-1\n"
                     "-> c joined as c-1 3 range leader a-1\n");
}
END_TEST

START_TEST(whoever_does_not_come_to_the_new_broker_goes)
{
    play(STABLE_PAIR "wait 9000\n"
                     "restart\n"
                     "wait 9000\n"
                     "heartbeat a\n"
                     "-> ok\n"
                     "wait 1000\n"
                     "-> b-1 expelled: no sign of life\n"
                     "heartbeat a\n"
                     "-> rebalance in progress\n");
}
END_TEST

START_TEST(empty_group_keeps_its_generation)
{
    play(STABLE_PAIR "leave a\n"
                     "-> ok\n"
                     "leave b\n"
                     "-> store 2: 3\n"
                     "-> ok\n"
                     "restart\n"
                     "state\n"
                     "-> Empty 3\n"
                     "wait 1000000\n"
                     "forget a\n"
                     "join a range v3\n"
                     "-> a joined as a-2 4 range leader a-2: a-2=\n");
}
END_TEST

START_TEST(static_member_comes_back_to_the_new_broker)
{
    play("join a range=1 static=i\n"
         "-> a joined as a-1 1 range leader a-1: a-1/i=1\n"
         "sync a a-1=x\n"
         "-> store 1: 1 range leader a-1: a-1=x\n"
         "stored 1\n"
         "-> a synced range=x\n"
         "restart\n"
         "forget a\n"
         "join a range=1 static=i v9\n"
         "-> store 1: 1 range leader a-2: a-2=x\n"
         "stored 1\n"
         "-> a joined as a-2 1 range leader a-2 skips: a-2/i=1\n");
}
END_TEST

Suite *
suite_new(void)
{
    Suite *suite = suite_create("group session");
    TCase *cases = tcase_create("session");

    tcase_add_test(cases, heartbeat_keeps_a_member);
    tcase_add_test(cases, heartbeat_tells_who_is_wrong);
    tcase_add_test(cases, every_request_of_a_member_is_a_sign_of_life);
    tcase_add_test(cases, time_in_which_nobody_was_listened_to_does_not_count);
    tcase_add_test(cases, anybody_may_commit_for_an_empty_group);
    tcase_add_test(cases, members_may_commit_while_others_join);
    tcase_add_test(cases, leaving_begins_a_rebalance);
    tcase_add_test(cases, end_tells_everybody);
    tcase_add_test(cases, end_tells_who_joins);
    tcase_add_test(cases, group_goes_on_where_it_was_stored);
    tcase_add_test(cases, whoever_does_not_come_to_the_new_broker_goes);
    tcase_add_test(cases, empty_group_keeps_its_generation);
    tcase_add_test(cases, static_member_comes_back_to_the_new_broker);
    suite_add_tcase(suite, cases);
    return suite;
}
