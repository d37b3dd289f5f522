/* SPDX-License-Identifier: Apache-2.0 */
/* Who may join a group, when a join is answered, and with what. */
#include "group_script.h"

#include "support/main.h"

/* --- Newcomers -------------------------------------------------------------------------------- */

START_TEST(newcomer_is_told_its_id_and_joins_with_it)
{
    play("join a range=s\n"
         "-> a not joined: member id required a-1\n"
         "state\n"
         "-> Empty 0\n"
         "join a range=s\n"
         "-> a joined as a-1 1 range leader a-1: a-1=s\n"
         "state\n"
         "-> CompletingRebalance 1 range leader a-1: a-1=\n");
}
END_TEST

START_TEST(client_of_old_joins_at_once)
{
    play("join a range v3\n"
         "-> a joined as a-1 1 range leader a-1: a-1=\n");
}
END_TEST

START_TEST(static_member_joins_at_once)
{
    play("join a range=s static=i\n"
         "-> a joined as a-1 1 range leader a-1: a-1/i=s\n");
}
END_TEST

START_TEST(nobody_joins_under_an_id_that_the_group_has_not_given)
{
    play("join a range id=a-9\n"
         "-> a not joined: unknown member\n"
         "join a range id=a-9 static=i\n"
         "-> a not joined: unknown member\n"
         "state\n"
         "-> Empty 0\n");
}
END_TEST

START_TEST(id_that_was_given_is_for_dynamic_members)
{
    play("join a range\n"
         "-> a not joined: member id required a-1\n"
         "join a range static=i\n"
         "-> a not joined: unknown member\n");
}
END_TEST

START_TEST(id_that_is_not_used_expires)
{
    play("join a range session=6000\n"
         "-> a not joined: member id required a-1\n"
         "wait 5999\n"
         "join b range v3\n"
         "-> b joined as b-1 1 range leader b-1: b-1=\n"
         "wait 1\n"
         "join a range\n"
         "-> a not joined: unknown member\n");
}
END_TEST

START_TEST(full_group_takes_nobody_new)
{
    const struct group_story story = { .size_max = 1 };

    group_story_play(&story, "join b range\n"
                             "-> b not joined: member id required b-1\n"
                             "join a range static=i\n"
                             "-> a joined as a-1 1 range leader a-1: a-1/i=\n"
                             "join b range\n"
                             "-> b not joined: full\n"
                             "join c range\n"
                             "-> c not joined: full\n"
                             "join c range static=j\n"
                             "-> c not joined: full\n"
                             "join c range v3\n"
                             "-> c not joined: full\n"
                             "join a range=s\n"
                             "-> a joined as a-1 2 range leader a-1: a-1/i=s\n"
                             "forget a\n"
                             "join a range=s static=i\n"
                             "-> a joined as a-2 3 range leader a-2: a-2/i=s\n");
}
END_TEST

/* --- Protocols -------------------------------------------------------------------------------- */

START_TEST(members_have_a_type_and_a_protocol_in_common)
{
    play("join a\n"
         "-> a not joined: inconsistent protocol\n"
         "join a range type=\n"
         "-> a not joined: inconsistent protocol\n"
         "join a range v3\n"
         "-> a joined as a-3 1 range leader a-3: a-3=\n"
         "join b sticky v3\n"
         "-> b not joined: inconsistent protocol\n"
         "join b range v3 type=connect\n"
         "-> b not joined: inconsistent protocol\n"
         "join b\n"
         "-> b not joined: inconsistent protocol\n"
         "join a sticky\n"
         "-> a not joined: inconsistent protocol\n"
         "state\n"
         "-> CompletingRebalance 1 range leader a-3: a-3=\n");
}
END_TEST

START_TEST(empty_group_may_become_one_of_another_type)
{
    play("join a range v3\n"
         "-> a joined as a-1 1 range leader a-1: a-1=\n"
         "leave a\n"
         "-> store 1: 2\n"
         "-> ok\n"
         "join b json v3 type=connect\n"
         "-> b joined as b-1 3 json leader b-1: b-1=\n");
}
END_TEST

/* Both would do for all; two of three prefer the second. */
START_TEST(most_votes_choose_the_protocol)
{
    play("join a range=1 sticky=2 v3\n"
         "-> a joined as a-1 1 range leader a-1: a-1=1\n"
         "join b other=3 sticky=4 range=5 v3\n"
         "join c sticky=6 range=7 v3\n"
         "join a range=1 sticky=2\n"
         "-> a joined as a-1 2 sticky leader a-1: a-1=2 b-1=4 c-1=6\n"
         "-> b joined as b-1 2 sticky leader a-1\n"
         "-> c joined as c-1 2 sticky leader a-1\n");
}
END_TEST

START_TEST(oldest_member_decides_between_equals)
{
    play("join a range sticky v3\n"
         "-> a joined as a-1 1 range leader a-1: a-1=\n"
         "join b sticky range v3\n"
         "join a range sticky\n"
         "-> a joined as a-1 2 range leader a-1: a-1= b-1=\n"
         "-> b joined as b-1 2 range leader a-1\n");
}
END_TEST

START_TEST(protocol_that_is_named_twice_counts_once)
{
    play("join a range=1 range=2 v3\n"
         "-> a joined as a-1 1 range leader a-1: a-1=1\n"
         "join b range=3 v3\n"
         "leave a\n"
         "-> b joined as b-1 2 range leader b-1: b-1=3\n"
         "-> ok\n");
}
END_TEST

/* --- The first generation --------------------------------------------------------------------- */

START_TEST(first_join_waits_for_others)
{
    const struct group_story story = { .initial_delay_ms = 3000 };

    group_story_play(&story, "join a range v3\n"
                             "wait 2999\n"
                             "wait 1\n"
                             "-> a joined as a-1 1 range leader a-1: a-1=\n");
}
END_TEST

START_TEST(newcomers_extend_the_first_wait)
{
    const struct group_story story = { .initial_delay_ms = 3000 };

    group_story_play(&story, "join a range v3\n"
                             "wait 2000\n"
                             "join b range v3\n"
                             "wait 3999\n"
                             "wait 1\n"
                             "-> a joined as a-1 1 range leader a-1: a-1= b-1=\n"
                             "-> b joined as b-1 1 range leader a-1\n");
}
END_TEST

START_TEST(first_wait_ends_with_the_rebalance_timeout)
{
    const struct group_story story = { .initial_delay_ms = 3000 };

    group_story_play(&story, "join a range v3 rebalance=7000\n"
                             "wait 1000\n"
                             "join b range v3 rebalance=7000\n"
                             "wait 3000\n"
                             "join c range v3 rebalance=7000\n"
                             "wait 2999\n"
                             "wait 1\n"
                             "-> a joined as a-1 1 range leader a-1: a-1= b-1= c-1=\n"
                             "-> b joined as b-1 1 range leader a-1\n"
                             "-> c joined as c-1 1 range leader a-1\n");
}
END_TEST

START_TEST(ids_that_were_given_do_not_hold_up_the_first_generation)
{
    const struct group_story story = { .initial_delay_ms = 3000 };

    group_story_play(&story, "join b range\n"
                             "-> b not joined: member id required b-1\n"
                             "join a range v3\n"
                             "wait 3000\n"
                             "-> a joined as a-1 1 range leader a-1: a-1=\n");
}
END_TEST

START_TEST(group_that_emptied_waits_for_others_again)
{
    const struct group_story story = { .initial_delay_ms = 3000 };

    group_story_play(&story, "join a range v3\n"
                             "wait 3000\n"
                             "-> a joined as a-1 1 range leader a-1: a-1=\n"
                             "leave a\n"
                             "-> store 1: 2\n"
                             "-> ok\n"
                             "join b range v3\n"
                             "wait 2999\n"
                             "wait 1\n"
                             "-> b joined as b-1 3 range leader b-1: b-1=\n");
}
END_TEST

START_TEST(group_whose_first_newcomer_went_is_empty_at_once)
{
    const struct group_story story = { .initial_delay_ms = 3000 };

    group_story_play(&story, "join a range v3\n"
                             "gone a\n"
                             "-> store 1: 1\n"
                             "state\n"
                             "-> Empty 1\n"
                             "wait 10000\n");
}
END_TEST

/* --- Joining again ---------------------------------------------------------------------------- */

#define STABLE_PAIR                                        \
    "join a range=1 v3\n"                                  \
    "-> a joined as a-1 1 range leader a-1: a-1=1\n"       \
    "join b range=2 v3\n"                                  \
    "join a range=1\n"                                     \
    "-> a joined as a-1 2 range leader a-1: a-1=1 b-1=2\n" \
    "-> b joined as b-1 2 range leader a-1\n"              \
    "sync a a-1=x b-1=y\n"                                 \
    "-> store 1: 2 range leader a-1: a-1=x b-1=y\n"        \
    "sync b\n"                                             \
    "stored 1\n"                                           \
    "-> a synced range=x\n"                                \
    "-> b synced range=y\n"

START_TEST(follower_that_joins_a_stable_group_unchanged_is_told_what_it_was_told)
{
    play(STABLE_PAIR "join b range=2\n"
                     "-> b joined as b-1 2 range leader a-1\n"
                     "sync b\n"
                     "-> b synced range=y\n"
                     "state\n"
                     "-> Stable 2 range leader a-1: a-1=x b-1=y\n");
}
END_TEST

START_TEST(follower_that_changed_begins_a_rebalance)
{
    play(STABLE_PAIR "join b range=3\n"
                     "heartbeat a\n"
                     "-> rebalance in progress\n"
                     "join a range=1\n"
                     "-> a joined as a-1 3 range leader a-1: a-1=1 b-1=3\n"
                     "-> b joined as b-1 3 range leader a-1\n");
}
END_TEST

START_TEST(leader_that_joins_a_stable_group_begins_a_rebalance)
{
    play(STABLE_PAIR "join a range=1\n"
                     "state\n"
                     "-> PreparingRebalance 2 range leader a-1: a-1=x b-1=y\n"
                     "join b range=2\n"
                     "-> a joined as a-1 3 range leader a-1: a-1=1 b-1=2\n"
                     "-> b joined as b-1 3 range leader a-1\n");
}
END_TEST

/* Cooperative members join twice in a row: once to give up, once to get. */
START_TEST(join_in_a_rebalance_is_never_answered_at_once)
{
    play(STABLE_PAIR "join c range=3 v3\n"
                     "join b range=2\n"
                     "state\n"
                     "-> PreparingRebalance 2 range leader a-1: a-1=x b-1=y c-1=\n"
                     "join a range=1\n"
                     "-> a joined as a-1 3 range leader a-1: a-1=1 b-1=2 c-1=3\n"
                     "-> b joined as b-1 3 range leader a-1\n"
                     "-> c joined as c-1 3 range leader a-1\n"
                     "sync a a-1=x c-1=z\n"
                     "-> store 2: 3 range leader a-1: a-1=x b-1= c-1=z\n"
                     "stored 2\n"
                     "-> a synced range=x\n"
                     "join b range=2,given-up\n"
                     "join a range=1\n"
                     "join c range=3\n"
                     "-> a joined as a-1 4 range leader a-1: a-1=1 b-1=2,given-up c-1=3\n"
                     "-> b joined as b-1 4 range leader a-1\n"
                     "-> c joined as c-1 4 range leader a-1\n");
}
END_TEST

START_TEST(answer_that_was_lost_is_repeated_before_the_sync)
{
    play("join a range=1 v3\n"
         "-> a joined as a-1 1 range leader a-1: a-1=1\n"
         "join a range=1\n"
         "-> a joined as a-1 1 range leader a-1: a-1=1\n"
         "join a range=2\n"
         "-> a joined as a-1 2 range leader a-1: a-1=2\n");
}
END_TEST

START_TEST(second_join_takes_the_place_of_the_first)
{
    play(STABLE_PAIR "join b range=3\n"
                     "join b range=4\n"
                     "-> b not joined: rebalance in progress\n"
                     "join a range=1\n"
                     "-> a joined as a-1 3 range leader a-1: a-1=1 b-1=4\n"
                     "-> b joined as b-1 3 range leader a-1\n");
}
END_TEST

Suite *
suite_new(void)
{
    Suite *suite = suite_create("group join");
    TCase *cases = tcase_create("join");

    tcase_add_test(cases, newcomer_is_told_its_id_and_joins_with_it);
    tcase_add_test(cases, client_of_old_joins_at_once);
    tcase_add_test(cases, static_member_joins_at_once);
    tcase_add_test(cases, nobody_joins_under_an_id_that_the_group_has_not_given);
    tcase_add_test(cases, id_that_was_given_is_for_dynamic_members);
    tcase_add_test(cases, id_that_is_not_used_expires);
    tcase_add_test(cases, full_group_takes_nobody_new);
    tcase_add_test(cases, members_have_a_type_and_a_protocol_in_common);
    tcase_add_test(cases, empty_group_may_become_one_of_another_type);
    tcase_add_test(cases, most_votes_choose_the_protocol);
    tcase_add_test(cases, oldest_member_decides_between_equals);
    tcase_add_test(cases, protocol_that_is_named_twice_counts_once);
    tcase_add_test(cases, first_join_waits_for_others);
    tcase_add_test(cases, newcomers_extend_the_first_wait);
    tcase_add_test(cases, first_wait_ends_with_the_rebalance_timeout);
    tcase_add_test(cases, ids_that_were_given_do_not_hold_up_the_first_generation);
    tcase_add_test(cases, group_that_emptied_waits_for_others_again);
    tcase_add_test(cases, group_whose_first_newcomer_went_is_empty_at_once);
    tcase_add_test(cases, follower_that_joins_a_stable_group_unchanged_is_told_what_it_was_told);
    tcase_add_test(cases, follower_that_changed_begins_a_rebalance);
    tcase_add_test(cases, leader_that_joins_a_stable_group_begins_a_rebalance);
    tcase_add_test(cases, join_in_a_rebalance_is_never_answered_at_once);
    tcase_add_test(cases, answer_that_was_lost_is_repeated_before_the_sync);
    tcase_add_test(cases, second_join_takes_the_place_of_the_first);
    suite_add_tcase(suite, cases);
    return suite;
}
